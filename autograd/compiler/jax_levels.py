"""Follows a plan of levels with JAX: one array operation per group.

A register is a row of an array here: a group of G uniform registers is (G,), one of varying ones
(G, N) for N rows.  Everything is traced by JAX; what the plan says in indices is constant to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jax import lax

from autograd.compiler.levels import (
    Gather,
    Group,
    Indices,
    LevelPlan,
    Means,
    SumGroup,
    Table,
    Terms,
)
from autograd.compiler.linear import ARITIES, LEAVES

Traced: TypeAlias = Any
"""An array that JAX may be tracing."""


class Levels:
    """Follows a plan."""

    def __init__(self, plan: LevelPlan) -> None:
        self._plan = plan

    def run(self, params: Traced, batch: Traced, real: Traced | None) -> tuple[Traced, Traced]:
        """The kept registers (N, K) and the means of the summed ones (S,)."""
        plan = self._plan
        params, batch = jnp.asarray(params), jnp.asarray(batch)
        dtype = jnp.result_type(params, batch, jnp.float32)
        rows = len(batch)
        groups: list[Traced] = [
            plan.constants.astype(dtype),
            params.astype(dtype),
            batch.T.astype(dtype),
        ]
        for group in plan.groups:
            groups.append(
                _sum(groups, group) if isinstance(group, SumGroup) else _apply(groups, group)
            )
        return self._kept(groups, rows, dtype), _means(groups, plan.means, rows, real, dtype)

    def _kept(self, groups: Sequence[Traced], rows: int, dtype: Any) -> Traced:
        plan = self._plan
        parts = [jnp.zeros((0, rows), dtype)]
        if plan.kept_numbers:
            numbers = _gather(groups, plan.kept_numbers)
            parts.append(jnp.broadcast_to(numbers[:, None], (len(numbers), rows)))
        if plan.kept_columns:
            parts.append(_gather(groups, plan.kept_columns))
        return jnp.concatenate(parts)[plan.kept_order].T


def _gather(groups: Sequence[Traced], gather: Gather) -> Traced:
    """The registers, on the first axes of the result."""
    sources = [groups[k] for k in gather.sources]
    table = jnp.concatenate(sources) if len(sources) > 1 else sources[0]
    starts = np.zeros(1 + max(gather.sources), dtype=np.int32)
    starts[[*gather.sources]] = np.cumsum([0, *map(len, sources)])[:-1]
    index = starts[gather.index[..., 0]] + gather.index[..., 1]
    return _pick(table, index)


def _pick(table: Traced, index: Indices) -> Traced:
    """``table[index]``, by slicing where the index goes in equal strides: XLA gathers slowly."""
    flat = index.ravel()
    first, last = int(flat[0]), int(flat[-1]) + 1
    if np.array_equal(flat, np.arange(first, last)):
        return table[first:last].reshape(*index.shape, *table.shape[1:])
    if index.ndim == 2 and len(index) > 1:
        stride, width = int(index[1, 0] - index[0, 0]), index.shape[1]
        rows = first + stride * np.arange(len(index))
        end = first + stride * len(index)
        even = np.array_equal(index, rows[:, None] + np.arange(width))
        if even and width <= stride and end <= len(table):
            return table[first:end].reshape(len(index), stride, *table.shape[1:])[:, :width]
    return table[index]


def _apply(groups: Sequence[Traced], group: Group) -> Traced:
    operands = [_gather(groups, gather) for gather in group.operands]
    if not group.uniform:
        operands = [
            operand[:, None] if uniform else operand
            for operand, uniform in zip(operands, group.operands_uniform, strict=True)
        ]
    return OPERATIONS[group.operation](*operands).astype(operands[0].dtype)


def _sum(groups: Sequence[Traced], group: SumGroup) -> Traced:
    """Uniform terms first, then varying ones, then products."""
    terms = group.terms
    parts = []
    if terms.numbers:
        numbers = _gather(groups, terms.numbers).sum(axis=1)
        parts.append(numbers if group.uniform else numbers[:, None])
    if terms.columns:
        parts.append(_gather(groups, terms.columns).sum(axis=1))
    if terms.weights and terms.inputs:
        parts.append(_weigh(_gather(groups, terms.weights), _gather(groups, terms.inputs)))
    if terms.left and terms.right:
        parts.append((_gather(groups, terms.left) * _gather(groups, terms.right)).sum(axis=1))
    return sum(parts[1:], start=parts[0])


def _weigh(weights: Traced, inputs: Traced) -> Traced:
    if inputs.ndim == 2:
        return _matrix_product(weights, inputs)
    return (weights[:, :, None] * inputs).sum(axis=1)


def _means(
    groups: Sequence[Traced], means: Means, rows: int, real: Traced | None, dtype: Any
) -> Traced:
    count = rows if real is None else real.sum()
    parts = [
        jnp.zeros(0, dtype),
        *_means_of_terms(groups, means.terms, real, count),
        *(_means_of_table(groups, table, real) / count for table in means.tables),
    ]
    amounts = jnp.concatenate(parts)
    if len(means.targets) == means.count:
        return amounts[np.argsort(means.targets).astype(np.int32)[means.order]]
    return jnp.zeros(means.count, dtype).at[means.targets].add(amounts)[means.order]


def _means_of_terms(
    groups: Sequence[Traced], terms: Terms, real: Traced | None, count: Traced
) -> list[Traced]:
    parts = []
    if terms.numbers:
        parts.append(_gather(groups, terms.numbers)[0])
    if terms.columns:
        parts.append(_counted(_gather(groups, terms.columns)[0], real).sum(axis=1) / count)
    if terms.weights and terms.inputs:
        columns = _counted(_gather(groups, terms.inputs)[0], real)
        parts.append(_gather(groups, terms.weights)[0] * columns.sum(axis=1) / count)
    if terms.left and terms.right:
        left, right = _gather(groups, terms.left)[0], _gather(groups, terms.right)[0]
        parts.append(_counted(left * right, real).sum(axis=1) / count)
    return parts


def _means_of_table(groups: Sequence[Traced], table: Table, real: Traced | None) -> Traced:
    left = _counted(_gather(groups, table.left), real)
    right = _counted(_gather(groups, table.right), real)
    return _pick(_matrix_product(left, right.T).ravel(), table.wanted)


def _counted(columns: Traced, real: Traced | None) -> Traced:
    """The columns with 0 in the rows that do not count, whatever is there."""
    return columns if real is None else jnp.where(real, columns, 0.0)


def _matrix_product(a: Traced, b: Traced) -> Traced:
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


OPERATIONS: dict[str, Callable[..., Traced]] = {
    **{name: getattr(jnp, name) for name in ARITIES if name not in (*LEAVES, "erf", "erfc")},
    "where": lambda condition, a, b: jnp.where(condition != 0.0, a, b),
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
}
"""Every operation of a Wengert list on arrays; comparisons give booleans.

Where 0 and -0 tie, the larger is 0 and the smaller -0: the engine's choice, the first of the two,
would have XLA write out the operands of a chain of maxima again and again, in exponential time.
"""
