"""Follows an array program with JAX: each operation is an array operation, traced by JAX.

A program of very many operations, a long chain for instance, would keep XLA busy for minutes.  It
is unrolled and interpreted instead: one compiled loop over its instructions whose body picks the
operation of the instruction.  Slower per instruction, and its price per instruction is the same for
1 row and 100.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jax import lax

from autograd.compiler.arrays import ARITIES, CODE, LEAVES, VIEWS, WORDS, ArrayProgram, last_uses
from autograd.compiler.listing import unrolled
from autograd.rules import BASIS

MOST_OPERATIONS = 1000
"""With more operations than this a program is interpreted."""

Traced: TypeAlias = Any
"""An array that JAX may be tracing."""

Run: TypeAlias = Callable[[Traced, Traced, Traced | None], tuple[list[Traced], Traced, Traced]]
"""From params, batch and the rows that count to the roots (N,) each, the loss and the gradient."""


def runner(program: ArrayProgram) -> Run:
    """The function that follows a program."""
    operations = int((program.codes > CODE[VIEWS[-1]]).sum())
    return Blocks(program).run if operations <= MOST_OPERATIONS else Loop(program).run


class Blocks:
    """Follows a program block by block: (n, m, 1 or rows)."""

    def __init__(self, program: ArrayProgram) -> None:
        self._program = program

    def run(
        self, params: Traced, batch: Traced, real: Traced | None
    ) -> tuple[list[Traced], Traced, Traced]:
        """The roots, the loss and the gradient; what the program lacks is 0."""
        program = self._program
        given = _given(program, params, batch)
        blocks: list[Traced] = []
        for word, operands, shape in map(_fields, program):
            if word in LEAVES:
                block = given[LEAVES.index(word)]
            elif word == "view":
                block = _seen(blocks[operands[0]], operands[1:], shape)
            elif word == "table":
                flat = _flat(blocks[operands[0]])
                block = flat[program.tables[operands[1]]].reshape(*shape, -1)
            elif word == "collect":
                block = self._collected(blocks, operands, shape)
            else:
                arrays = [blocks[j] for j in operands[: ARITIES[word]] if j >= 0]
                rule = _OVER_ROWS.get(word)
                block = rule(*arrays, real) if rule else _COMPUTE[word](*arrays)
            blocks.append(block.astype(given[0].dtype))
        rows = (len(batch),)
        roots = [jnp.broadcast_to(blocks[k].reshape(-1), rows) for k in program.roots]
        loss = blocks[program.loss].reshape(()) if program.loss >= 0 else jnp.zeros(())
        slopes = blocks[program.gradient].ravel() if program.gradient >= 0 else jnp.zeros(0)
        return roots, loss, slopes

    def _collected(self, blocks: list[Traced], operands: Any, shape: Any) -> Traced:
        program, (first, stop, once, _) = self._program, operands
        pieces = program.pieces[first:stop].tolist()
        count = shape[0] * shape[1]
        if not pieces:
            return jnp.zeros((*shape, 1))
        places = np.concatenate([_places(program, piece) for piece in pieces])
        rows = max(blocks[k].shape[2] for k, *_ in pieces)
        parts = [_flat(blocks[k]) for k, *_ in pieces]
        whole = jnp.concatenate([jnp.broadcast_to(part, (len(part), rows)) for part in parts])
        if once and len(places) == count:  # XLA gathers faster than it scatters
            return _pick(whole, np.argsort(places)).reshape(*shape, rows)
        return jnp.zeros((count, rows), whole.dtype).at[places].add(whole).reshape(*shape, rows)


def _given(program: ArrayProgram, params: Traced, batch: Traced) -> tuple[Traced, ...]:
    params, batch = jnp.asarray(params), jnp.asarray(batch)
    dtype = jnp.result_type(params, batch, jnp.float32)
    leaves = params[:, None, None], batch.T[:, None], program.constants[:, None, None]
    return tuple(jnp.asarray(leaf, dtype) for leaf in leaves)


def _fields(operation: Any) -> tuple[str, tuple[int, ...], tuple[int, int]]:
    return operation.word, operation.operands, operation.shape


def _flat(block: Traced) -> Traced:
    return block.reshape(-1, block.shape[2])


def _seen(block: Traced, steps: Any, shape: Any) -> Traced:
    """A view, by slicing where XLA can, for it gathers slowly."""
    (start, s, t), (n, m) = steps, shape
    places = (start + s * np.arange(n)[:, None] + t * np.arange(m)).ravel()
    return _pick(_flat(block), places).reshape(n, m, -1)


def _pick(table: Traced, places: Any) -> Traced:
    """``table[places]``, by slicing where the places go in equal steps."""
    first, last, count = int(places[0]), int(places[-1]), len(places)
    if np.array_equal(places, np.arange(first, last + 1)):
        return table[first : last + 1]
    step = int(places[1]) - first
    if step > 0 and np.array_equal(places, first + step * np.arange(count)):
        return table[first : last + 1 : step]
    jumps = np.flatnonzero(np.diff(places) != 1)
    width = int(jumps[0]) + 1 if len(jumps) else count
    if width > 1 and count % width == 0:
        grid = places.reshape(-1, width)
        stride = int(grid[1, 0] - first)
        even = first + stride * np.arange(len(grid))[:, None] + np.arange(width)
        end = first + stride * len(grid)
        if stride >= width and end <= len(table) and np.array_equal(grid, even):
            rows = table[first:end].reshape(len(grid), stride, *table.shape[1:])
            return rows[:, :width].reshape(count, *table.shape[1:])
    return table[places]


def _places(program: ArrayProgram, piece: Any) -> Any:
    k, start, s, t = piece
    if start < 0:
        return program.tables[-1 - start]
    n, m = program.shapes[k].tolist()
    return (start + s * np.arange(n)[:, None] + t * np.arange(m)).ravel()


class Loop:
    """Runs the instructions of an unrolled program one by one; a register is a row of one array."""

    def __init__(self, program: ArrayProgram) -> None:
        listing = unrolled(program, {})
        flat, first = listing.program, len(LEAVES)
        codes, operands = flat.codes.tolist(), flat.operands.tolist()
        self._flat = flat
        self._leaves = [
            [k for k in listing.registers if codes[k] == CODE["view"] and operands[k][0] == leaf]
            for leaf in range(first)
        ]
        self._roots = _integers(flat.roots)
        self._slopes = _integers(listing.gradients)
        computed = [k for k in listing.registers if codes[k] > CODE["table"]]
        self._place, self._columns = _columns(
            flat, [k for each in self._leaves for k in each], computed
        )
        names = sorted({WORDS[codes[k]] for k in computed})
        self._branches = [_of_three(_COMPUTE[name], ARITIES[name]) for name in names]
        self._code = _integers([names.index(WORDS[codes[k]]) for k in computed])
        used = [operands[k][: ARITIES[WORDS[codes[k]]]] for k in computed]
        self._operands = self._place[_integers([(each * 3)[:3] for each in used])].reshape(-1, 3)
        self._result = self._place[_integers(computed)]

    def run(
        self, params: Traced, batch: Traced, real: Traced | None
    ) -> tuple[list[Traced], Traced, Traced]:
        """The roots, the loss and the gradient."""
        given = _given(self._flat, params, batch)
        rows = len(batch)
        columns = jnp.zeros((self._columns, rows), given[0].dtype)
        for leaf, blocks in zip(given, self._leaves):
            numbers = leaf[self._flat.operands[blocks, 1], 0]
            columns = columns.at[self._place[blocks]].set(
                jnp.broadcast_to(numbers, (len(numbers), rows))
            )
        codes, operands, results = map(jnp.asarray, (self._code, self._operands, self._result))

        def body(k: Traced, columns: Traced) -> Traced:
            arrays = [columns[place] for place in operands[k]]
            return columns.at[results[k]].set(lax.switch(codes[k], self._branches, *arrays))

        if len(self._code):
            columns = lax.fori_loop(0, len(self._code), body, columns)
        roots = columns[self._place[self._roots]]
        slopes = _mean(columns[self._place[self._slopes]][:, None], real)[:, 0, 0]
        loss = _mean(columns[self._place[self._flat.loss]][None, None], real)[0, 0, 0]
        return list(roots), loss, slopes


def _columns(flat: ArrayProgram, leaves: Any, computed: Any) -> tuple[Any, int]:
    """The column of each register, handed on after its last use, and their number."""
    last = last_uses(flat)
    ends = iter(np.argsort(last, kind="stable").tolist())
    place, count = np.zeros(len(flat), np.int32), len(leaves)
    place[leaves] = np.arange(count)
    free: list[int] = []
    mine, end = {*computed}, next(ends)
    for k in computed:
        while last[end] < k:
            if end in mine:
                free.append(int(place[end]))
            end = next(ends)
        place[k] = free.pop() if free else count
        count += int(place[k] == count)
    return place, count


def _integers(numbers: Any) -> Any:
    return np.array(numbers, dtype=np.int32)


def _of_three(
    function: Callable[..., Traced], arity: int
) -> Callable[[Traced, Traced, Traced], Traced]:
    """A function of one, two or three columns as one of three, so that all are called alike."""

    def on_columns(a: Traced, b: Traced, c: Traced) -> Traced:
        return function(*(a, b, c)[:arity]).astype(a.dtype)

    return on_columns


def _counted(block: Traced, real: Traced | None) -> Traced:
    """The block with 0 in the rows that do not count, whatever is there."""
    return block if real is None else jnp.where(real, block, 0.0)


def _mean(a: Traced, real: Traced | None) -> Traced:
    rows = a.shape[2] if real is None else real.sum()
    if a.shape[2] == 1 and real is not None and len(real) > 1:
        return a
    return _counted(a, real).sum(axis=2, keepdims=True) / rows


def _outer(a: Traced, b: Traced, real: Traced | None) -> Traced:
    rows = max(a.shape[2], b.shape[2])
    a, b = (jnp.broadcast_to(x, (*x.shape[:2], rows)) for x in (a, b))
    count: Any = rows
    if real is not None and rows == len(real):
        a, b, count = _counted(a, real), _counted(b, real), real.sum()
    (n, i, _), k = a.shape, b.shape[1]
    a, b = (x.transpose(1, 0, 2).reshape(-1, n * rows) for x in (a, b))
    return (_matrix_product(a, b.T) / count).reshape(i, k, 1)


def _matmul(a: Traced, b: Traced, bias: Any = 0.0) -> Traced:
    return _matrix_product(a[:, :, 0], b) + bias


def _take(a: Traced, index: Traced) -> Traced:
    n, m, rows = jnp.broadcast_shapes(a.shape, (*index.shape[:1], 1, index.shape[2]))
    sound = (index >= 0) & (index < m) & (index == jnp.floor(index))
    places = jnp.broadcast_to(jnp.where(sound, index, 0).astype(int), (n, 1, rows))
    taken = jnp.take_along_axis(jnp.broadcast_to(a, (n, m, rows)), places, axis=1)
    return jnp.where(sound, taken, jnp.nan)


def _matrix_product(a: Traced, b: Traced) -> Traced:
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def _by_name(name: str) -> Any:
    return getattr(jnp, name, None) or getattr(jax.scipy.special, name)


_COMPUTE: dict[str, Callable[..., Traced]] = {
    **{name: _by_name(name) for name in BASIS},
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "neg": jnp.negative,
    "where": lambda condition, a, b: jnp.where(condition != 0.0, a, b),
    "sum": lambda a: a.sum(axis=1, keepdims=True),
    "max": lambda a: a.max(axis=1, keepdims=True),
    "matmul": _matmul,
    "take": _take,
}
"""Every operation on arrays; comparisons give booleans.

Where 0 and -0 tie, the larger is 0 and the smaller -0: the engine's choice, the first of the two,
would have XLA write out the operands of a chain of maxima again and again, in exponential time.
"""

_OVER_ROWS: dict[str, Callable[..., Traced]] = {"mean": _mean, "outer": _outer}
