"""The NumPy backend: one NumPy call per instruction, on one block of rows at a time.

A *column* holds a varying register for the rows of a block.  Columns are few: one is handed on as
soon as the register in it is used up.  Uniform registers are one number each, computed once per
call. An instruction list is *bound* to the columns once per block length, so that running a block
is a bare loop of calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any, TypeAlias

import numpy as np

from autograd import scalar_math
from autograd.compiler.backends import Array, Indices, train_step_by_step
from autograd.compiler.linear import LEAVES, WengertList, needed_for, uncollected

LONGEST_BLOCK = 1024
"""Rows per block: so many that the price of a call counts little, so few that the cache holds."""

LARGEST_BLOCK = 2**23
"""Numbers per block over all columns: a program with a million columns gets short ones."""

BINDINGS = 4
"""Block lengths to stay bound to: the full one and the remainders of the batches in use."""

Call: TypeAlias = tuple[Callable[..., Any], tuple[Array, ...], Array]
"""A function, its operands, and the array that takes the result."""

Binding: TypeAlias = tuple[Array, list[Call]]
"""The columns for blocks of one length, and the calls that fill them."""


class NumpyExecutor:
    """Runs a Wengert list with NumPy alone."""

    name = "numpy"
    steps_per_call: int | None = None

    def __init__(self, program: WengertList) -> None:
        self._value = BlockPlan(program, kept=program.outputs, summed=())
        self._gradient: BlockPlan | None = None
        self._program = program

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row, (N, O)."""
        return self._value.run(params, batch)[0]

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows, and its gradient."""
        program = self._program
        if self._gradient is None:
            self._gradient = BlockPlan(program, kept=(), summed=program.outputs + program.gradients)
        means = self._gradient.run(params, batch)[1]
        split = len(program.outputs)
        return float(sum(means[:split].tolist())), means[split:]

    def train(
        self,
        update: WengertList,
        params: Array,
        state: Array,
        rows: Array,
        order: Indices,
        batch_size: int,
        hyper: Array,
    ) -> Array:
        """Take one optimiser step per batch."""
        rule = NumpyExecutor(update)
        return train_step_by_step(self, rule, params, state, rows, order, batch_size, hyper)


class BlockPlan:
    """What to do with every block to get the kept registers and the means of the summed ones."""

    def __init__(self, program: WengertList, kept: Sequence[int], summed: Sequence[int]) -> None:
        self._kept, self._summed = kept, summed
        self._program = program
        needed = needed_for((*kept, *summed), program.operations, program.operands)
        live = [k for k in range(len(program)) if needed[k]]
        self._uniform = [k for k in live if program.uniform[k]]
        self._varying = [k for k in live if not program.uniform[k]]
        self._place, self._columns = assign_columns(program, self._varying, kept)
        for place, k in enumerate(self._uniform):
            self._place[k] = place
        self._inputs = [
            (self._place[k], program.operands[k][0])
            for k in self._varying
            if program.operations[k] == "input"
        ]
        self._total = {k: place for place, k in enumerate(dict.fromkeys(summed))}
        self._numbers = np.zeros(len(self._uniform))
        self._totals = np.zeros(len(self._total))
        self._block = min(LONGEST_BLOCK, max(16, LARGEST_BLOCK // (1 + self._columns)))
        self._bindings: dict[int, Binding] = {}
        self._lock = Lock()

    def run(self, params: Array, batch: Array) -> tuple[Array, Array]:
        """The kept registers (N, K), and the means over the rows of the summed registers (S,)."""
        with self._lock, np.errstate(all="ignore"):
            self._numbers[:] = self._uniform_numbers(params)
            self._totals[:] = 0.0
            kept = np.empty((len(batch), len(self._kept)))
            for start in range(0, len(batch), self._block):
                stop = start + self._block
                self._run_block(batch[start:stop], kept[start:stop])
            return kept, self._means(len(batch))

    def _run_block(self, rows: Array, kept: Array) -> None:
        columns, calls = self._bound(len(rows))
        for column, place in self._inputs:
            columns[column] = rows[:, place]
        for function, operands, out in calls:
            function(*operands, out=out)
        for place, k in enumerate(self._kept):
            source = self._numbers if self._program.uniform[k] else columns
            kept[:, place] = source[self._place[k]]

    def _means(self, count: int) -> Array:
        uniform = self._program.uniform
        return np.array(
            [
                self._numbers[self._place[k]]
                if uniform[k]
                else self._totals[self._total[k]] / count
                for k in self._summed
            ]
        )

    def _uniform_numbers(self, params: Array) -> list[float]:
        program, vector, place = self._program, params.tolist(), self._place
        numbers: list[float] = []
        for k in self._uniform:
            operation, operands = program.operations[k], program.operands[k]
            if operation == "constant":
                numbers.append(program.constants[k])
            elif operation == "parameter":
                numbers.append(vector[operands[0]])
            else:
                numbers.append(_ON_NUMBERS[operation](*[numbers[place[j]] for j in operands]))
        return numbers

    def _bound(self, length: int) -> Binding:
        if length not in self._bindings:
            if len(self._bindings) == BINDINGS:
                self._bindings.clear()
            with uncollected():
                self._bindings[length] = self._bind(length)
        return self._bindings[length]

    def _bind(self, length: int) -> Binding:
        program, place = self._program, self._place
        table = np.empty((self._columns, length))
        columns, numbers = list(table), list(self._numbers[:, None])
        calls: list[Call] = []
        for k in self._varying:
            column = columns[place[k]]
            if program.operations[k] not in LEAVES:
                operands = tuple(
                    [
                        numbers[place[j]] if program.uniform[j] else columns[place[j]]
                        for j in program.operands[k]
                    ]
                )
                calls.append((_ON_COLUMNS[program.operations[k]], operands, column))
            if k in self._total:
                total = self._total[k]
                calls.append((_add_sum, (column,), self._totals[total : total + 1]))
        return table, calls


def assign_columns(
    program: WengertList, registers: Sequence[int], kept: Iterable[int]
) -> tuple[list[int], int]:
    """The column of each of these registers, handed on after its last use, and their number.

    Leaves come first and keep theirs, as registers in ``kept`` do.  All others are at -1.
    """
    column = [-1] * len(program)
    leaves = [k for k in registers if program.operations[k] in LEAVES]
    for count, k in enumerate(leaves):
        column[k] = count
    last_use = _last_uses(program, registers)
    for k in (*leaves, *kept):
        last_use[k] = len(program)
    free: list[int] = []
    columns = len(leaves)
    for k in registers:
        if program.operations[k] not in LEAVES:
            if not free:
                free.append(columns)
                columns += 1
            column[k] = free.pop()
            done = {j for j in (k, *program.operands[k]) if last_use[j] <= k and column[j] >= 0}
            free.extend([column[j] for j in done])
    return column, columns


def _last_uses(program: WengertList, registers: Iterable[int]) -> list[int]:
    """Per register the last of these that has it as an operand; -1 where there is none."""
    last_use = [-1] * len(program)
    for k in registers:
        if program.operations[k] not in LEAVES:
            for j in program.operands[k]:
                last_use[j] = k
    return last_use


def _add_sum(column: Array, *, out: Array) -> None:
    out += np.add.reduce(column)


def _choose(condition: Array, a: Array, b: Array, *, out: Array) -> None:
    np.copyto(out, b)
    np.copyto(out, a, where=condition != 0.0)


def _power(a: Array, b: Array, *, out: Array) -> None:
    """NumPy takes a root where one 0.5 is the exponent of all, and is wrong at -inf and -0."""
    if len(b) == 1 and b[0] == 0.5:
        a = np.where(a == -np.inf, np.inf, a) + 0.0
    np.power(a, b, out=out)


def _first_of_equals(extreme: Callable[..., Any]) -> Callable[..., None]:
    """A maximum or minimum that gives its first operand where 0 and -0 tie, as the engine's."""

    def each(a: Array, b: Array, *, out: Array) -> None:
        extreme(a, b, out=out)
        np.copyto(out, a, where=a == b)

    return each


def _by_math(function: Callable[[float], float]) -> Callable[..., None]:
    def each(x: Array, *, out: Array) -> None:
        out[:] = [function(number) for number in x.tolist()]

    return each


_ON_NUMBERS: dict[str, Callable[..., float]] = {
    **{name: getattr(scalar_math, name) for name in scalar_math.__all__},
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "negative": lambda x: -x,
}

_ON_COLUMNS: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in _ON_NUMBERS if hasattr(np, name)},
    "maximum": _first_of_equals(np.maximum),
    "minimum": _first_of_equals(np.minimum),
    "power": _power,
    "where": _choose,
    "erf": _by_math(math.erf),
    "erfc": _by_math(math.erfc),
}
