"""The NumPy backend: one NumPy call per operation, on one stretch of rows at a time.

The operations fall into three *phases*: uniform ones before any row is looked at, those on varying
blocks (and what they add up over the rows), and uniform ones that need these means.  The first and
the last are done once per call, the middle once per stretch.  A phase is *bound* to memory before
it runs, so that running it is a bare loop of calls.  Memory of a varying block is handed on as soon
as nobody needs the block any more; a uniform block that is part of a bigger one is computed in its
place there.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd import scalar_math
from autograd.compiler.arrays import (
    ARITIES,
    CODE,
    CONSTANTS,
    ELEMENTWISE,
    INPUTS,
    OVER_ROWS,
    PARAMETERS,
    VIEWS,
    WORDS,
    Array,
    ArrayProgram,
    for_gradient,
    for_values,
    last_uses,
)
from autograd.compiler.backends import Training
from autograd.compiler.roll import uncollected
from autograd.rules import BASIS

LONGEST_STRETCH = 1024
"""Rows at a time: so many that the price of a call counts little, so few that the cache holds."""

SMALL_STRETCH, LARGEST_STRETCH = 2**17, 2**23
"""Numbers at a time over all varying blocks: where they are few, rows may be more; a program of a
million blocks gets short stretches."""

BINDINGS = 4
"""Lengths to stay bound to: the full one and the remainders of the batches in use."""

Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function, and its operands with the array that takes the result last."""


class NumpyExecutor:
    """Runs an array program with NumPy alone."""

    name = "numpy"
    steps_per_call: int | None = None
    note = ""

    def __init__(self, program: ArrayProgram) -> None:
        self._program = program
        self._values: Follower | None = None
        self._gradient: Follower | None = None
        self._rule: tuple[ArrayProgram, Follower] | None = None

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row, (N, O)."""
        if self._values is None:
            self._values = Follower(for_values(self._program))
        return np.ascontiguousarray(self._values.columns(params, batch.T).T)

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows, and its gradient."""
        if self._gradient is None:
            self._gradient = Follower(for_gradient(self._program))
        return self._gradient.value_and_grad(params, batch)

    def train(self, training: Training) -> Array:
        """Take one optimiser step per batch; state lies beside parameters, as the rule reads it."""
        if self._rule is None or self._rule[0] is not training.update:
            self._rule = training.update, Follower(for_values(training.update))
        update, losses, size = self._rule[1], [], training.batch_size
        now = np.concatenate([training.params[None], training.params[None], training.state])
        for step, start in enumerate(range(0, len(training.order), size)):
            batch = training.rows[training.order[start : start + size]]
            loss, now[1] = self.value_and_grad(now[0], batch)
            losses.append(loss)
            if not isfinite(loss):
                break
            changed = update.columns(training.hyper[step], now)
            training.previous[0], training.previous[1:] = now[0], now[2:]
            now[0], now[2:] = changed[0], changed[1:]
        training.params[:], training.state[:] = now[0], now[2:]
        return np.array(losses)


class Follower:
    """An array program bound to memory."""

    def __init__(self, program: ArrayProgram) -> None:
        self._program = program
        self._phases = phases(program)
        self._uniform: dict[int, Array] = {}
        self._bindings: dict[int, tuple[dict[int, Array], list[Call]]] = {}
        self._lock = Lock()
        with uncollected():
            self._place_uniform()
            self._before, self._after = (self._calls(phase, self._uniform) for phase in (0, 2))
        counts = program.shapes.prod(axis=1)[program.varying & (program.codes > CODE["view"])]
        numbers = 1 + int(counts.sum())
        usual = min(LONGEST_STRETCH, LARGEST_STRETCH // numbers)
        self._length = max(16, usual, SMALL_STRETCH // numbers)
        self._sums = [self._uniform[k] for k in np.flatnonzero(self._phases == 3).tolist()]

    def columns(self, params: Array, inputs: Array) -> Array:
        """The roots, (O, N), for inputs (I, N)."""
        outputs = np.empty((len(self._program.roots), inputs.shape[1]))
        with self._lock:
            self._run(params, inputs, outputs)
        return outputs

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The loss and its gradient."""
        program = self._program
        with self._lock:
            self._run(params, batch.T, None)
            loss, gradient = (self._uniform[k] for k in (program.loss, program.gradient))
            return float(loss[0, 0, 0]), gradient.reshape(-1).copy()

    def _run(self, params: Array, inputs: Array, outputs: Array | None) -> None:
        with np.errstate(all="ignore"):
            self._uniform[PARAMETERS][:, 0, 0] = params
            _do(self._before)
            for total in self._sums:
                total.fill(0.0)
            count = inputs.shape[1]
            for start in range(0, count, self._length):
                stop = min(start + self._length, count)
                blocks, calls = self._bound(stop - start)
                blocks[INPUTS][:, 0] = inputs[:, start:stop]
                _do(calls)
                if outputs is not None:
                    for place, k in enumerate(self._program.roots):
                        outputs[place, start:stop] = blocks[k][0, 0]
            for total in self._sums:
                total /= count
            _do(self._after)

    # -- memory ---------------------------------------------------------------------------------

    def _place_uniform(self) -> None:
        """Memory for every uniform block, the parts of a bigger one inside it."""
        program, blocks = self._program, self._uniform
        views = np.isin(program.codes, [CODE[word] for word in VIEWS])
        seen = {*program.operands[views, 0].tolist()}  # and so must lie in one piece
        seen |= {*program.pieces[program.pieces[:, 1] < 0, 0].tolist()}
        for k in np.flatnonzero(~program.varying)[::-1].tolist():
            word, operands = WORDS[program.codes[k]], program.operands[k]
            if word in VIEWS:
                continue
            if k not in blocks:
                blocks[k] = np.zeros((*program.shapes[k], 1))
            if word == "collect" and operands[2]:
                for j, start, s, t in program.pieces[operands[0] : operands[1]].tolist():
                    movable = not (j in seen or j in blocks or start < 0 or program.varying[j])
                    if movable and CODE["table"] < program.codes[j] != CODE["collect"]:
                        blocks[j] = _strided(blocks[k], start, (s, t), program.shapes[j])
        blocks[CONSTANTS][:, 0, 0] = program.constants
        for k in np.flatnonzero(~program.varying & (program.codes <= CODE["table"])).tolist():
            self._place_view(k, blocks, blocks)

    def _place_view(self, k: int, blocks: dict[int, Array], bases: dict[int, Array]) -> None:
        program = self._program
        word, (base, start, s, t) = WORDS[program.codes[k]], program.operands[k].tolist()
        if word == "view":
            blocks[k] = _strided(bases[base], start, (s, t), program.shapes[k])
        elif word == "table":
            blocks[k] = np.empty((*program.shapes[k], bases[base].shape[2]))

    def _bound(self, rows: int) -> tuple[dict[int, Array], list[Call]]:
        """Varying blocks with memory for so many rows, and the calls that fill it."""
        if rows not in self._bindings:
            if len(self._bindings) == BINDINGS:
                self._bindings.clear()
            with uncollected():
                blocks = self._place_varying(rows)
                self._bindings[rows] = blocks, self._calls(1, blocks)
        return self._bindings[rows]

    def _place_varying(self, rows: int) -> dict[int, Array]:
        """Memory for every varying block, handed on after its last use."""
        program, blocks = self._program, dict(self._uniform)
        ends: dict[int, list[int]] = {}
        last = last_uses(program)
        for k in np.flatnonzero(program.varying).tolist():
            ends.setdefault(int(last[k]), []).append(k)
        free: dict[int, list[Array]] = {}
        codes = program.codes.tolist()
        view, varying = CODE["view"], program.varying.tolist()
        for k, (n, m) in enumerate(program.shapes.tolist()):
            if varying[k]:
                if codes[k] == view:
                    self._place_view(k, blocks, blocks)
                else:
                    pool = free.get(n * m)
                    memory = pool.pop() if pool else np.empty(n * m * rows)
                    blocks[k] = memory.reshape(n, m, rows)
            for j in ends.get(k, ()):
                if codes[j] != view:
                    free.setdefault(blocks[j].size // rows, []).append(blocks[j].reshape(-1))
        return blocks

    # -- calls ----------------------------------------------------------------------------------

    def _calls(self, phase: int, blocks: dict[int, Array]) -> list[Call]:
        program, calls = self._program, []
        wanted = (self._phases == phase) | ((self._phases == 3) & (phase == 1))
        operands = program.operands.tolist()
        for k in np.flatnonzero(wanted).tolist():
            word, numbers = WORDS[program.codes[k]], operands[k]
            if word == "collect":
                calls += self._moves(numbers, blocks, k)
            elif word == "table":
                base, table = blocks[numbers[0]], program.tables[numbers[1]]
                flat = base.reshape(-1, base.shape[2])
                calls.append((_look_up, (flat, table, blocks[k].reshape(len(table), -1))))
            elif word not in ("view", "parameters", "inputs", "constants"):
                arrays = [blocks[j] for j in numbers[: ARITIES[word]] if j >= 0]
                bound = (_TOTALS if self._phases[k] == 3 else _BOUND).get(word)
                if bound:
                    calls += bound(*arrays, blocks[k])
                else:
                    calls.append((_COMPUTE[word], (*arrays, blocks[k])))
        return calls

    def _moves(self, operands: list[int], blocks: dict[int, Array], k: int) -> list[Call]:
        """The calls that put the pieces of a block together."""
        program, target = self._program, blocks[k]
        first, stop, once, _ = operands
        pieces = program.pieces[first:stop].tolist()
        covered = sum(int(program.shapes[j].prod()) for j, *_ in pieces) == target[..., 0].size
        clean = once and (covered or not program.varying[k])  # nobody else had this memory
        calls: list[Call] = [] if clean else [(_clear, (target,))]
        flat = target.reshape(-1, target.shape[2])
        for j, start, s, t in pieces:
            block = blocks[j]
            if start < 0:
                table = program.tables[-1 - start]
                calls.append((_put if once else _add_at, (flat, table, block)))
                continue
            place = _strided(target, start, (s, t), block.shape)
            if not once:
                n, m, _ = block.shape
                if n < m:  # column by column, for windows may overlap
                    calls += [(_add, (block[i], place[i])) for i in range(n)]
                else:
                    calls += [(_add, (block[:, i], place[:, i])) for i in range(m)]
            elif place.ctypes.data != block.ctypes.data or block.shape[2] != target.shape[2]:
                calls.append((np.copyto, (place, block)))
        return calls


def phases(program: ArrayProgram) -> npt.NDArray[np.int8]:
    """Per block 0: before the rows; 1: for each row; 3: added up over them; 2: after that."""
    phase = bytearray(len(program))
    varying, operands = program.varying.tolist(), program.operands.tolist()
    for k, code in enumerate(program.codes.tolist()):
        word, numbers = WORDS[code], operands[k]
        if word == "collect":
            blocks = program.pieces[numbers[0] : numbers[1], 0].tolist()
        else:
            blocks = [j for j in numbers[: ARITIES[word]] if j >= 0]
        if varying[k]:
            phase[k] = 1
        elif word in OVER_ROWS and any(varying[j] for j in blocks):
            phase[k] = 3
        else:
            phase[k] = 2 if any(phase[j] > 1 for j in blocks) else 0
    return np.frombuffer(phase, np.int8)


def _strided(block: Array, start: int, steps: tuple[int, int], shape: Any) -> Array:
    """A view of a block: element (i, j) is its number start + i s + j t."""
    n, m, rows = int(shape[0]), int(shape[1]), block.shape[2]
    width = 8 * rows
    strides = steps[0] * width, steps[1] * width, 8
    return np.ndarray((n, m, rows), np.float64, block, start * width, strides)


def _do(calls: list[Call]) -> None:
    for function, arrays in calls:
        function(*arrays)


def _clear(out: Array) -> None:
    out.fill(0.0)


def _add(a: Array, out: Array) -> None:
    np.add(out, a, out)


def _put(out: Array, table: Any, a: Array) -> None:
    out[table] = a.reshape(len(table), -1)  # now, not when bound: it copies what is a broad view


def _add_at(out: Array, table: Any, a: Array) -> None:
    np.add.at(out, table, a.reshape(len(table), -1))


def _look_up(a: Array, table: Any, out: Array) -> None:
    np.take(a, table, 0, out, "clip")  # in range: "clip" spares a copy


# -- words that are more than one call, or one with prepared operands -----------------------------


def _matmul(a: Array, b: Array, *bias_and_out: Array) -> list[Call]:
    *bias, out = bias_and_out
    b = np.broadcast_to(b, (*b.shape[:2], out.shape[2]))  # only the bias may be varying
    return [(np.matmul, (a[:, :, 0], b, out)), *((np.add, (out, x, out)) for x in bias)]


def _outer(a: Array, b: Array, out: Array) -> list[Call]:
    """Sums over the rows, added to those of earlier stretches."""
    rows, total = max(a.shape[2], b.shape[2]), out[:, :, 0]
    part = np.empty(total.shape)
    calls: list[Call] = []
    for one, other in zip(a, b):
        one, other = (np.broadcast_to(x, (len(x), rows)) for x in (one, other))
        calls += [(np.matmul, (one, other.T, part)), (np.add, (total, part, total))]
    return calls


def _outer_once(a: Array, b: Array, out: Array) -> list[Call]:
    return [(_clear, (out,)), *_outer(a, b, out)]


def _mean(a: Array, out: Array) -> list[Call]:
    part = np.empty(out.shape)
    return [(_sum_of_rows, (a, part)), (np.add, (out, part, out))]


def _compared(name: str) -> Callable[..., list[Call]]:
    compare = getattr(np, name)

    def calls(a: Array, b: Array, out: Array) -> list[Call]:
        holds = np.empty(out.shape, dtype=np.bool_)
        return [(compare, (a, b, holds)), (np.copyto, (out, holds))]

    return calls


def _where(condition: Array, a: Array, b: Array, out: Array) -> list[Call]:
    holds = np.empty(condition.shape, dtype=np.bool_)
    zero = np.zeros(1)
    return [
        (np.not_equal, (condition, zero, holds)),
        (np.copyto, (out, b)),
        (np.copyto, (out, a, "same_kind", holds)),
    ]


def _take(a: Array, index: Array, out: Array) -> list[Call]:
    n, m, rows = a.shape[0], a.shape[1], out.shape[2]
    a = np.broadcast_to(a, (n, m, rows))
    at = np.arange(n)[:, None, None], np.arange(rows)

    def take() -> None:
        place = np.where((index >= 0) & (index < m), index, 0.0).astype(np.intp)
        out[...] = np.where(place == index, a[at[0], place, at[1]], np.nan)

    return [(take, ())]


_BOUND: dict[str, Callable[..., list[Call]]] = {
    "matmul": _matmul,
    "outer": _outer_once,
    "take": _take,
    "where": _where,
    **{name: _compared(name) for name in ("less", "less_equal", "equal")},
}

_TOTALS: dict[str, Callable[..., list[Call]]] = {"mean": _mean, "outer": _outer}
"""What is added up over the rows."""


# -- words that are one call ----------------------------------------------------------------------


def _sum(a: Array, out: Array) -> None:
    np.add.reduce(a, axis=1, out=out, keepdims=True)


def _max(a: Array, out: Array) -> None:
    np.maximum.reduce(a, axis=1, out=out, keepdims=True)


def _sum_of_rows(a: Array, out: Array) -> None:
    np.add.reduce(a, axis=2, out=out, keepdims=True)


def _power(a: Array, b: Array, out: Array) -> None:
    """NumPy takes a root where one 0.5 is the exponent of all, and is wrong at -inf and -0."""
    if b.size == 1 and b[0, 0, 0] == 0.5:
        a = np.where(a == -np.inf, np.inf, a) + 0.0
    np.power(a, b, out)


def _first_of_equals(extreme: Any) -> Callable[..., None]:
    """A maximum or minimum that gives its first operand where 0 and -0 tie, as the engine's."""

    def each(a: Array, b: Array, out: Array) -> None:
        extreme(a, b, out=out)
        np.copyto(out, a, where=a == b)

    return each


def _by_scalars(name: str) -> Callable[..., None]:
    function = np.frompyfunc(getattr(scalar_math, name), ELEMENTWISE[name], 1)

    def each(*arrays: Array) -> None:
        *operands, out = arrays
        out[...] = function(*operands)

    return each


_COMPUTE: dict[str, Callable[..., None]] = {
    **{name: getattr(np, name, None) or _by_scalars(name) for name in BASIS},
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "neg": np.negative,
    "maximum": _first_of_equals(np.maximum),
    "minimum": _first_of_equals(np.minimum),
    "power": _power,
    "sum": _sum,
    "max": _max,
}
