"""Follows an array program with JAX: each operation is an array operation, traced by JAX.

A program of very many operations, a long chain for instance, would keep XLA busy for minutes.  It
is unrolled and interpreted instead: one compiled loop over its instructions whose body picks the
operation of the instruction.  Slower per instruction, and its price per instruction is the same for
1 row and 100.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jax import lax

from autograd.compiler.arrays import (
    ARITIES,
    CODE,
    CONSTANTS,
    FIRST_COMPUTED,
    INPUTS,
    PARAMETERS,
    WORDS,
    ArrayProgram,
    Place,
    Shape,
    Tables,
    places_of,
)
from autograd.compiler.follow import (
    Functions,
    flat,
    followed,
    functions_of,
    registers_of,
    sums_of_products,
)
from autograd.compiler.listing import unrolled
from autograd.rules import BASIS

MOST_OPERATIONS = 1000
"""With more operations than this a program is interpreted."""

Traced: TypeAlias = Any
"""An array that JAX may be tracing."""

Run: TypeAlias = Callable[[Traced, Traced, Traced | None], tuple[list[Traced], Traced, Traced]]
"""From params, batch and the rows that count to the roots (N,) each, the loss and the gradient."""


def runner(program: ArrayProgram) -> Run:
    """The function that follows a program; a loss or gradient that it lacks is any number."""
    operations = int((program.codes >= FIRST_COMPUTED).sum())
    return partial(_traced, program) if operations <= MOST_OPERATIONS else Loop(program).run


def _traced(
    program: ArrayProgram, params: Traced, batch: Traced, real: Traced | None
) -> tuple[list[Traced], Traced, Traced]:
    over_rows: Functions = {
        "mean": partial(_mean, real=real),
        "outer": partial(_outer, real=real),
    }
    with jax.default_matmul_precision("highest"):
        blocks = followed(program, {**_FUNCTIONS, **over_rows}, _given(program, params, batch))
    roots = [jnp.broadcast_to(blocks[k].reshape(-1), len(batch)) for k in program.roots]
    loss = blocks[program.loss].reshape(()) if program.loss >= 0 else jnp.zeros(())
    slopes = blocks[program.gradient].ravel() if program.gradient >= 0 else jnp.zeros(0)
    return roots, loss, slopes


def _given(program: ArrayProgram, params: Traced, batch: Traced) -> tuple[Traced, ...]:
    params, batch = jnp.asarray(params), jnp.asarray(batch)
    dtype = jnp.result_type(params, batch, jnp.float32)
    leaves = params[:, None, None], batch.T[:, None], program.constants[:, None, None]
    return tuple(jnp.asarray(leaf, dtype) for leaf in leaves)


def _collect(
    tables: Tables, pieces: Sequence[tuple[Place, Shape]], once: bool, shape: Shape
) -> Callable[..., Traced]:
    count = shape[0] * shape[1]
    parts = [places_of(*piece, tables) for piece in pieces]

    def collected(*blocks: Traced) -> Traced:
        if not blocks:
            return jnp.zeros((*shape, 1))
        every, (rows,) = np.concatenate(parts), np.broadcast_shapes(*(x.shape[2:] for x in blocks))
        lines = [jnp.broadcast_to(flat(x), (x.shape[0] * x.shape[1], rows)) for x in blocks]
        whole = jnp.concatenate(lines)
        if once and len(every) == count:  # XLA gathers faster than it scatters
            return whole[np.argsort(every)].reshape(*shape, rows)
        return jnp.zeros((count, rows), whole.dtype).at[every].add(whole).reshape(*shape, rows)

    return collected


class Loop:
    """Runs the instructions of an unrolled program one by one; a register is a row of one array."""

    def __init__(self, program: ArrayProgram) -> None:
        listing = unrolled(program, {})
        self._program = program = listing.program
        is_leaf = program.codes <= CODE["view"]
        registers, self._count = registers_of(program, is_leaf)
        places = np.array(registers, np.int32)
        views = np.flatnonzero(program.codes == CODE["view"])
        of = [views[program.operands[views, 0] == leaf] for leaf in (PARAMETERS, INPUTS, CONSTANTS)]
        self._given = [(places[each], program.operands[each, 1]) for each in of]
        computed = np.flatnonzero(~is_leaf)[:-1]  # all but the gradient, which is collected
        codes, kinds = np.unique(program.codes[computed], return_inverse=True)
        self._branches = [_of_three(WORDS[code]) for code in codes.tolist()]
        self._kinds = kinds.astype(np.int32)
        self._operands, self._results = places[program.operands[computed, :3]], places[computed]
        self._ends = places[[*program.roots, program.loss, *listing.gradients]]

    def run(
        self, params: Traced, batch: Traced, real: Traced | None
    ) -> tuple[list[Traced], Traced, Traced]:
        """The roots, the loss and the gradient."""
        given = _given(self._program, params, batch)
        registers = jnp.zeros((self._count, len(batch)), given[0].dtype)
        for block, (places, which) in zip(given, self._given):
            registers = registers.at[places].set(block[which, 0])
        kinds, operands, results = map(jnp.asarray, (self._kinds, self._operands, self._results))

        def body(k: Traced, registers: Traced) -> Traced:
            result = lax.switch(kinds[k], self._branches, *registers[operands[k]])
            return registers.at[results[k]].set(result)

        if len(self._kinds):
            registers = lax.fori_loop(0, len(self._kinds), body, registers)
        ends, count = registers[self._ends], len(self._program.roots)
        means = _mean(ends[count:, None], real)[:, 0, 0]
        return list(ends[:count]), means[0], means[1:]


def _of_three(word: str) -> Callable[[Traced, Traced, Traced], Traced]:
    """A word as a function of three registers, so that all are called alike."""
    function, arity = _FUNCTIONS[word], ARITIES[word]
    return lambda *registers: function(*registers[:arity])


def _counted(block: Traced, real: Traced | None) -> Traced:
    """The block with 0 in the rows that do not count, whatever is there."""
    return block if real is None else jnp.where(real, block, 0.0)


def _mean(a: Traced, real: Traced | None) -> Traced:
    rows = a.shape[2] if real is None else real.sum()
    return _counted(a, real).sum(axis=2, keepdims=True) / rows


def _outer(a: Traced, b: Traced, real: Traced | None) -> Traced:
    count: Any = max(a.shape[2], b.shape[2])
    if real is not None:
        a, b, count = _counted(a, real), _counted(b, real), real.sum()
    return sums_of_products(jnp, a, b) / count


_FUNCTIONS: Functions = {
    **{name: getattr(jax.scipy.special, name) for name in BASIS if not hasattr(jnp, name)},
    **functions_of(jnp),
    "collect": _collect,
}
"""Every operation on arrays.

Where 0 and -0 tie, the larger is 0 and the smaller -0: the engine's choice, the first of the two,
would have XLA write out the operands of a chain of maxima again and again, in exponential time.
"""
