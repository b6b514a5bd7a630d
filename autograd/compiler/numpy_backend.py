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
from autograd.compiler.linear import LEAVES, WengertList, needed_for

LONGEST_BLOCK = 1024
"""Rows per block: so many that the price of a call counts little, so few that the cache holds."""

LARGEST_BLOCK = 2**23
"""Numbers per block over all columns: a program with a million columns gets short ones."""

BINDINGS = 4
"""Block lengths to stay bound to: the full one and the remainders of the batches in use."""

Call: TypeAlias = tuple[Callable[..., Any], tuple[Array, ...], Array]
"""A function, its operands, and the array that takes the result."""

Binding: TypeAlias = tuple[Array, Array, list[Call]]
"""The inputs and the columns for blocks of one length, and the calls that fill the columns."""


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
        self._column, self._columns = assign_columns(program, self._varying, kept)
        used = [k for k in self._varying if program.operations[k] == "input"]
        self._inputs = [program.operands[k][0] for k in used]
        self._row = {k: row for row, k in enumerate(used)}
        self._place = {k: place for place, k in enumerate(self._uniform)}
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
        inputs, columns, calls = self._bound(len(rows))
        np.copyto(inputs, rows.T[self._inputs])
        for function, operands, out in calls:
            function(*operands, out=out)
        for place, k in enumerate(self._kept):
            kept[:, place] = self._operand(k, inputs, columns)

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
        program, vector = self._program, params.tolist()
        numbers: dict[int, float] = {}
        for k in self._uniform:
            operation, operands = program.operations[k], program.operands[k]
            if operation == "constant":
                numbers[k] = program.constants[k]
            elif operation == "parameter":
                numbers[k] = vector[operands[0]]
            else:
                numbers[k] = _ON_NUMBERS[operation](*[numbers[j] for j in operands])
        return list(numbers.values())

    def _bound(self, length: int) -> Binding:
        if length not in self._bindings:
            if len(self._bindings) == BINDINGS:
                self._bindings.clear()
            self._bindings[length] = self._bind(length)
        return self._bindings[length]

    def _bind(self, length: int) -> Binding:
        program = self._program
        inputs, columns = np.empty((len(self._inputs), length)), np.empty((self._columns, length))
        calls: list[Call] = []
        for k in self._varying:
            column = self._operand(k, inputs, columns)
            if program.operations[k] not in LEAVES:
                operands = [self._operand(j, inputs, columns) for j in program.operands[k]]
                calls.append((_ON_COLUMNS[program.operations[k]], tuple(operands), column))
            if k in self._total:
                place = self._total[k]
                calls.append((_add_sum, (column,), self._totals[place : place + 1]))
        return inputs, columns, calls

    def _operand(self, k: int, inputs: Array, columns: Array) -> Array:
        if self._program.uniform[k]:
            place = self._place[k]
            return self._numbers[place : place + 1]
        if self._program.operations[k] == "input":
            row: Array = inputs[self._row[k]]
            return row
        column: Array = columns[self._column[k]]
        return column


def assign_columns(
    program: WengertList, varying: Sequence[int], kept: Iterable[int]
) -> tuple[dict[int, int], int]:
    """A column for each computed register, handed on after its last use, and their number."""
    last_use = {
        j: k for k in varying if program.operations[k] not in LEAVES for j in program.operands[k]
    }
    last_use.update(dict.fromkeys(kept, len(program)))
    column: dict[int, int] = {}
    free: list[int] = []
    count = 0
    for k in varying:
        if program.operations[k] in LEAVES:
            continue
        if not free:
            free.append(count)
            count += 1
        column[k] = free.pop()
        done = {j for j in (k, *program.operands[k]) if j in column and last_use.get(j, k) == k}
        free.extend(column[j] for j in done)
    return column, count


def _add_sum(column: Array, *, out: Array) -> None:
    out += np.add.reduce(column)


def _choose(condition: Array, a: Array, b: Array, *, out: Array) -> None:
    np.copyto(out, b)
    np.copyto(out, a, where=condition != 0.0)


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
    name: getattr(np, name) for name in _ON_NUMBERS if name not in ("erf", "erfc", "where")
} | {"erf": _by_math(math.erf), "erfc": _by_math(math.erfc), "where": _choose}
