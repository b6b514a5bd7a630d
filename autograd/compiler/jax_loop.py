"""A program too deep for levels, interpreted by JAX: one compiled loop, however many instructions.

XLA takes seconds for a thousand operations and does not come back from a million.  Here it sees one
loop over the instruction list whose body picks the operation of the instruction; a column is a row
of one array.  Slower per instruction than levels, and its price per instruction is the same for 1
row and 100.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import lax

from autograd.compiler.jax_levels import OPERATIONS, Traced
from autograd.compiler.linear import ARITIES, LEAVES, WengertList, needed_for
from autograd.compiler.numpy_backend import assign_columns

Integers: TypeAlias = npt.NDArray[np.int32]


class Loop:
    """Runs a Wengert list instruction by instruction."""

    def __init__(
        self,
        program: WengertList,
        kept: Sequence[int],
        summed: Sequence[int],
    ) -> None:
        needed = needed_for((*kept, *summed), program.operations, program.operands)
        live = [k for k in range(len(program)) if needed[k]]
        computed = [k for k in live if program.operations[k] not in LEAVES]
        place, self._columns = assign_columns(program, computed, kept)
        self._leaves = {kind: [k for k in live if program.operations[k] == kind] for kind in LEAVES}
        for column, k in enumerate(chain(*self._leaves.values()), self._columns):
            place[k] = column
        names = sorted({program.operations[k] for k in computed})
        self._branches = [_of_three(OPERATIONS[name], ARITIES[name]) for name in names]
        self._code = _integers([names.index(program.operations[k]) for k in computed])
        self._operands = _integers(
            [([place[j] for j in program.operands[k]] * 3)[:3] for k in computed]
        )
        self._result = _integers([place[k] for k in computed])
        targets = {k: rank for rank, k in enumerate(dict.fromkeys(summed))}
        self._target = _integers([targets.get(k, len(targets)) for k in computed])
        leaves = [k for k in targets if program.operations[k] in LEAVES]
        self._summed_leaves = [(targets[k], place[k]) for k in leaves]
        self._order = _integers([targets[k] for k in summed])
        self._kept = _integers([place[k] for k in kept])
        self._targets = len(targets)
        self._program = program

    def run(self, params: Traced, batch: Traced, real: Traced | None) -> tuple[Traced, Traced]:
        """The kept registers (N, K) and the means of the summed ones (S,)."""
        rows = len(batch) if real is None else real.sum()

        def mean(column: Traced) -> Traced:
            return (column if real is None else jnp.where(real, column, 0.0)).sum() / rows

        def body(k: Traced, carried: Any) -> Any:
            columns, means = carried
            operands = [columns[place] for place in operands_of[k]]
            result = lax.switch(codes[k], self._branches, *operands)
            return columns.at[results[k]].set(result), means.at[targets[k]].add(mean(result))

        columns = self._start(params, batch)
        means = jnp.zeros(self._targets + 1, columns.dtype)
        for target, place in self._summed_leaves:
            means = means.at[target].set(mean(columns[place]))
        codes, operands_of, results, targets = map(
            jnp.asarray, (self._code, self._operands, self._result, self._target)
        )
        if len(self._code):
            columns, means = lax.fori_loop(0, len(self._code), body, (columns, means))
        return columns[self._kept].T, means[self._order]

    def _start(self, params: Traced, batch: Traced) -> Traced:
        """All columns, the leaves filled in."""
        program, rows = self._program, len(batch)
        dtype = jnp.result_type(params, batch, jnp.float32)
        constants = [program.constants[k] for k in self._leaves["constant"]]
        given = {
            "constant": jnp.asarray(constants, dtype)[:, None],
            "parameter": jnp.asarray(params)[self._places("parameter"), None],
            "input": jnp.asarray(batch).T[self._places("input")],
        }
        leaves = [jnp.broadcast_to(x, (len(x), rows)).astype(dtype) for x in given.values()]
        return jnp.concatenate([jnp.zeros((self._columns, rows), dtype), *leaves])

    def _places(self, kind: str) -> Integers:
        return _integers([self._program.operands[k][0] for k in self._leaves[kind]])


def _integers(numbers: Sequence[Any]) -> Integers:
    return np.array(numbers, dtype=np.int32)


def _of_three(
    function: Callable[..., Traced], arity: int
) -> Callable[[Traced, Traced, Traced], Traced]:
    """A function of one, two or three columns as one of three, so that all are called alike."""

    def on_columns(a: Traced, b: Traced, c: Traced) -> Traced:
        return function(*(a, b, c)[:arity]).astype(a.dtype)

    return on_columns
