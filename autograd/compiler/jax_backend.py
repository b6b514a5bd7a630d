"""The JAX backend: a program by levels, compiled by XLA, for accelerators and many devices.

A register is a row of an array here: (G,) numbers for a group of uniform registers, (G, N) for varying
ones.  A program whose groups are too many for XLA to compile in reasonable time, a long chain for
instance, is interpreted: one loop over its instructions, whatever its length.

Rows of a batch are spread over all devices (of all processes, after ``jax.distributed.initialize``) by
their sharding, parameters are everywhere; XLA puts in the communication.  Every process calls the same
functions with the same arrays.  Float64 holds inside these calls only, whatever JAX is configured for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
import numpy.typing as npt
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from autograd.compiler.backends import Array, Indices
from autograd.compiler.levels import (
    Gather,
    Group,
    LevelPlan,
    Means,
    SumGroup,
    Table,
    Terms,
    level_plan,
)
from autograd.compiler.linear import LEAVES, WengertList

Traced: TypeAlias = Any
"""An array that JAX may be tracing."""

MOST_GROUPS = 1000
"""With more groups than this a program is interpreted."""


class JaxFunction:
    """A program as pure JAX functions of ``params`` (P,) and ``batch`` (N, I), for jit and devices."""

    def __init__(self, program: WengertList) -> None:
        self._program = program

    def __call__(self, params: Traced, batch: Traced) -> tuple[Traced, Traced]:
        """The mean over the rows of the (sum of the) roots, and its gradient (P,)."""
        return self.value_and_grad(params, batch)

    def value_and_grad(
        self, params: Traced, batch: Traced, real: Traced | None = None
    ) -> tuple[Traced, Traced]:
        """As calling it; ``real`` (N,) tells the rows that count from those that fill up."""
        means = self._gradient(params, batch, real)[1]
        split = len(self._program.outputs)
        return means[:split].sum(), means[split:]

    def outputs(self, params: Traced, batch: Traced) -> Traced:
        """The roots for every row, (N, O)."""
        return self._value(params, batch, None)[0]

    @cached_property
    def _value(self) -> Run:
        return _runner(self._program, self._program.outputs, ())

    @cached_property
    def _gradient(self) -> Run:
        return _runner(self._program, (), self._program.outputs + self._program.gradients)


Run: TypeAlias = Callable[[Traced, Traced, Traced | None], tuple[Traced, Traced]]
"""From params, batch and the rows that count to the kept registers (N, K) and the means (S,)."""


def _runner(program: WengertList, kept: Sequence[int], summed: Sequence[int]) -> Run:
    plan = level_plan(program, kept, summed)
    return _Levels(plan).run


class _Levels:
    """Follows a plan."""

    def __init__(self, plan: LevelPlan) -> None:
        self._plan = plan

    def run(self, params: Traced, batch: Traced, real: Traced | None) -> tuple[Traced, Traced]:
        """The kept registers (N, K) and the means of the summed ones (S,)."""
        plan = self._plan
        params, batch = jnp.asarray(params), jnp.asarray(batch)
        dtype = jnp.result_type(params, batch, jnp.float32)
        rows = len(batch)
        groups: list[Traced] = [plan.constants.astype(dtype), params.astype(dtype), batch.T.astype(dtype)]
        for group in plan.groups:
            groups.append(_sum(groups, group) if isinstance(group, SumGroup) else _apply(groups, group))
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
    starts = np.zeros(1 + max(gather.sources), dtype=np.int64)
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
    return _OPERATIONS[group.operation](*operands).astype(operands[0].dtype)


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
        return amounts[np.argsort(means.targets)[means.order]]
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


class JaxExecutor:
    """Runs a Wengert list by XLA on all devices."""

    name = "jax"

    def __init__(self, program: WengertList) -> None:
        self._function = JaxFunction(program)
        mesh = Mesh(np.array(jax.devices()), ("rows",))
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._by_row = NamedSharding(mesh, PartitionSpec("rows"))
        self._by_row_of_batch = NamedSharding(mesh, PartitionSpec(None, "rows"))
        self._devices = mesh.size
        self._outputs = jax.jit(self._function.outputs, out_shardings=self._everywhere)
        self._value_and_grad = jax.jit(
            self._function.value_and_grad, out_shardings=self._everywhere
        )
        self._epochs: dict[int, tuple[WengertList, Callable[..., Any]]] = {}

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row, (N, O)."""
        with jax.enable_x64(True):
            rows, _ = self._spread(batch)
            roots = self._outputs(self._place(params, self._everywhere), rows)
            return np.array(roots)[: len(batch)]

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows, and its gradient."""
        with jax.enable_x64(True):
            rows, real = self._spread(batch)
            value, gradient = self._value_and_grad(self._place(params, self._everywhere), rows, real)
            return float(value), np.array(gradient)

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
        """Take one optimiser step per batch, all in one `lax.scan`."""
        batches, real = _batches(rows, order, batch_size, self._devices)
        with jax.enable_x64(True):
            arguments = [self._place(array, self._everywhere) for array in (params, state, hyper)]
            batches = self._place(batches, self._by_row_of_batch)
            if real is not None:
                real = self._place(real, self._by_row_of_batch)
            results = self._epoch(update)(*arguments, batches, real)
            params[:], state[:], losses = map(np.array, results)
        good = np.isfinite(losses)
        return losses if good.all() else losses[: int(good.argmin()) + 1]

    def _epoch(self, update: WengertList) -> Callable[..., Any]:
        """The compiled epoch for an update rule, kept for the next time the same object comes."""
        if id(update) not in self._epochs:
            step = _step(self._function, JaxFunction(update))
            epoch = jax.jit(_scan(step), out_shardings=self._everywhere)
            self._epochs[id(update)] = update, epoch
        return self._epochs[id(update)][1]

    def _spread(self, batch: Array) -> tuple[Traced, Traced | None]:
        """The rows over the devices, filled up to a number that divides, and those that count."""
        missing = -len(batch) % self._devices
        if not missing:
            return self._place(batch, self._by_row), None
        filled = np.concatenate([batch, np.repeat(batch[:1], missing, axis=0)])
        real = np.arange(len(filled)) < len(batch)
        return self._place(filled, self._by_row), self._place(real, self._by_row)

    def _place(self, array: Any, sharding: NamedSharding) -> Traced:
        """The array on the devices; every process has all of it and brings its share."""
        return jax.make_array_from_callback(array.shape, sharding, lambda part: array[part])


def _batches(
    rows: Array, order: Indices, batch_size: int, devices: int
) -> tuple[Array, npt.NDArray[np.bool_] | None]:
    """All batches (steps, B, I), B filled up for the devices, and the rows that count, None for all."""
    steps = -(-len(order) // batch_size)
    width = -(-batch_size // devices) * devices
    chosen = np.zeros((steps, batch_size), dtype=np.int64)
    chosen.ravel()[: len(order)] = order
    real = (np.arange(steps * batch_size) < len(order)).reshape(steps, batch_size)
    chosen, real = (np.pad(array, ((0, 0), (0, width - batch_size))) for array in (chosen, real))
    return rows[chosen], None if real.all() else real


def _step(function: JaxFunction, update: JaxFunction) -> Callable[..., Any]:
    """One optimiser step, as `lax.scan` wants it; after a loss that is not finite nothing changes."""

    def step(carried: Any, given: Any) -> tuple[Any, Traced]:
        params, state, good = carried
        hyper, batch, real = given
        loss, gradient = function.value_and_grad(params, batch, real)
        good &= jnp.isfinite(loss)
        columns = jnp.concatenate([params[None], gradient[None], state])
        changed = update.outputs(hyper, columns.T).T
        params = jnp.where(good, changed[0], params)
        state = jnp.where(good, changed[1:], state)
        return (params, state, good), loss

    return step


def _scan(step: Callable[..., Any]) -> Callable[..., Any]:
    def epoch(
        params: Traced, state: Traced, hyper: Traced, batches: Traced, real: Traced | None
    ) -> tuple[Traced, Traced, Traced]:
        carried = params, state, jnp.array(True)
        (params, state, _), losses = lax.scan(step, carried, (hyper, batches, real))
        return params, state, losses

    return epoch


_OPERATIONS: dict[str, Callable[..., Traced]] = {
    "add": jnp.add,
    "subtract": jnp.subtract,
    "multiply": jnp.multiply,
    "negative": jnp.negative,
    "where": lambda condition, a, b: jnp.where(condition != 0.0, a, b),
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
} | {
    name: getattr(jnp, name)
    for name in (
        "divide", "power", "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "arcsin",
        "arccos", "arctan", "sinh", "cosh", "tanh", "absolute", "maximum", "minimum", "less",
        "less_equal", "equal",
    )
}  # fmt: skip
