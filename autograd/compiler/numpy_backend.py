"""The NumPy backend: one NumPy call per operation, on one strip of rows at a time.

The operations fall into three *phases*: uniform ones before any row is looked at, those on varying
blocks (and what they add up over the rows), and uniform ones that need these sums.  The first and
the last are done once per call, the middle once per strip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial, reduce
from operator import setitem
from typing import Any

import numpy as np

from autograd import scalar_math
from autograd.collector import uncollected
from autograd.compiler.arrays import (
    CODE,
    CONSTANTS,
    ELEMENTWISE,
    INPUTS,
    PARAMETERS,
    Array,
    ArrayProgram,
    Place,
    Shape,
    Tables,
    for_gradient,
    for_values,
    sums_over_rows,
    through,
    waiting,
)
from autograd.compiler.backends import Executor, Steps, train_step_by_step
from autograd.compiler.follow import (
    Functions,
    flat,
    follow,
    functions_of,
    registers_of,
    steps_of,
    sums_of_products,
)
from autograd.rules import BASIS

USUAL_STRIP = 1024
"""Rows at a time: so many that the price of a call counts little, so few that the cache holds."""

LEAST_NUMBERS, MOST_NUMBERS = 2**17, 2**23
"""At a time over all varying blocks: a program of few blocks gets longer strips, one of a million
shorter ones."""


class NumpyExecutor(Executor):
    """Runs an array program with NumPy alone."""

    name = "numpy"

    def __init__(self, program: ArrayProgram) -> None:
        self._follower = cache(lambda part: Follower(part(program)))
        self._of_rule = lru_cache(1)(NumpyExecutor)

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row, (N, O)."""
        return self._follower(for_values).run(params, batch.T)[0].T

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows, and its gradient."""
        _, (loss, gradient) = self._follower(for_gradient).run(params, batch.T)
        return float(loss[0, 0, 0]), np.array(gradient).ravel()

    def train(self, update: ArrayProgram, steps: Steps) -> Array:
        """Take one optimiser step per batch."""
        return train_step_by_step(self, self._of_rule(update), steps)


class Follower:
    """An array program as steps in three phases."""

    def __init__(self, program: ArrayProgram) -> None:
        sums, varying = sums_over_rows(program), program.varying
        waits = waiting(program, sums)
        with uncollected():
            registers, self._count = registers_of(program, ~varying)
            self._before, self._rows, self._after = (
                steps_of(program, _FUNCTIONS, registers, np.flatnonzero(phase))
                for phase in (~(varying | waits), varying | sums, waits & ~sums)
            )
        self._constants = program.constants[:, None, None]
        self._sums = [registers[k] for k in np.flatnonzero(sums).tolist()]
        self._roots = [registers[k] for k in program.roots]
        self._ends = [registers[k] for k in (program.loss, program.gradient) if k >= 0]
        counts = program.shapes.prod(axis=1)[varying & (program.codes > CODE["view"])]
        numbers = 1 + int(counts.sum())
        usual = min(USUAL_STRIP, MOST_NUMBERS // numbers)
        self._length = max(16, usual, LEAST_NUMBERS // numbers)

    def run(self, params: Array, inputs: Array) -> tuple[Array, list[Array]]:
        """The roots (O, N) for inputs (I, N); the loss and its gradient, where there are any."""
        blocks: list[Any] = [None] * self._count
        blocks[PARAMETERS], blocks[CONSTANTS] = params[:, None, None], self._constants
        totals: list[Array] = []
        count = inputs.shape[1]
        outputs = np.empty((len(self._roots), count))
        with np.errstate(all="ignore"):
            follow(self._before, blocks)
            for start in range(0, count, self._length):
                strip = slice(start, start + self._length)
                # rows last and next to one another: one call goes through all of them
                blocks[INPUTS] = np.ascontiguousarray(inputs[:, strip])[:, None]
                follow(self._rows, blocks)
                parts = [blocks[k] for k in self._sums]
                # divided at the end, once, so that the result depends on no cut but by rounding
                totals = [np.add(*pair) for pair in zip(totals, parts)] if totals else parts
                for place, k in enumerate(self._roots):
                    outputs[place, strip] = blocks[k][0, 0]
            for k, total in zip(self._sums, totals):
                blocks[k] = total / count
            follow(self._after, blocks)
        return outputs, [blocks[k] for k in self._ends]


def _view(tables: Tables, place: Place, shape: Shape, whole: Shape) -> Callable[[Array], Array]:
    """The numbers at a place in a block."""
    start, s, t = place
    n, m = shape
    if start < 0:
        return lambda base: flat(base)[tables[-1 - start]].reshape(n, m, -1)
    if (start, s, t) == (0, *through(shape)) and n * m == whole[0] * whole[1]:
        return lambda base: base.reshape(n, m, base.shape[2])

    def seen(base: Array) -> Array:
        base, rows = np.ascontiguousarray(base), base.shape[2]  # ufuncs may choose another order
        strides = 8 * s * rows, 8 * t * rows, 8
        return np.ndarray((n, m, rows), np.float64, base, 8 * start * rows, strides)

    return seen


def _collect(
    tables: Tables, pieces: Sequence[tuple[Place, Shape]], once: bool, shape: Shape
) -> Callable[..., Array]:
    """Zeros with blocks put in, or added where they may meet."""
    parts = [
        tables[-1 - place[0]] if place[0] < 0 else _view(tables, place, piece, shape)
        for place, piece in pieces
    ]

    def collected(*blocks: Array) -> Array:
        whole = np.zeros((*shape, max([block.shape[2] for block in blocks], default=1)))
        for part, block in zip(parts, blocks):
            if isinstance(part, np.ndarray):
                put = setitem if once else np.add.at
                put(flat(whole), part, flat(block))
            elif once:
                np.copyto(part(whole), block)
            else:
                _add_to(part(whole), block)
        return whole

    return collected


def _product(a: Array, b: Array, bias: Array | None = None) -> Array:
    """A sum of -0s is 0 to BLAS, which adds to 0: where the bias is -0, too, it is taken again."""
    total: Array = np.matmul(a[:, :, 0], b)
    if bias is None:
        return total
    zeros = np.count_nonzero(bias) < bias.size and np.count_nonzero(total) < total.size
    if zeros and (np.signbit(bias) & (bias == 0.0)).any():
        again = reduce(np.add, (a[:, k] * b[:, k, None] for k in range(a.shape[1])))
        total = np.where(total == 0.0, again, total)
    return total + bias


def _add_to(target: Array, block: Array) -> None:
    """Line by line, for the lines of windows lie on one another."""
    if len(block) > block.shape[1]:
        target, block = target.swapaxes(0, 1), block.swapaxes(0, 1)
    for line, part in zip(target, block):
        line += part


def _power(a: Array, b: Array) -> Array:
    """NumPy takes a root where one 0.5 is the exponent of all, and is wrong at -inf and -0."""
    if b.size == 1 and b[0, 0, 0] == 0.5:
        a = np.where(a == -np.inf, np.inf, a) + 0.0
    return np.power(a, b)


def _first_of_equals(extreme: Any) -> Callable[..., Array]:
    """A maximum or minimum that gives its first operand where 0 and -0 tie, as the engine's."""
    return lambda a, b: np.where(a == b, a, extreme(a, b))


def _by_scalars(name: str) -> Callable[..., Array]:
    function = np.frompyfunc(getattr(scalar_math, name), ELEMENTWISE[name], 1)
    return lambda *operands: function(*operands).astype(np.float64)


_NAMED = functions_of(np)
_FUNCTIONS: Functions = {
    **{name: _by_scalars(name) for name in BASIS if name not in _NAMED},
    **_NAMED,
    "maximum": _first_of_equals(np.maximum),
    "minimum": _first_of_equals(np.minimum),
    "power": _power,
    "view": _view,
    "collect": _collect,
    "matmul": _product,
    "mean": lambda a: a.sum(axis=2, keepdims=True, initial=-0.0),
    "outer": partial(sums_of_products, np),
}
"""What the words do on a strip of rows; `mean` and `outer` add up, and are divided later."""
