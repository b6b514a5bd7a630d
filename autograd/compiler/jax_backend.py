"""The JAX backend: a program compiled by XLA, for accelerators and many devices.

Rows of a batch are spread over all devices (of all processes, after ``jax.distributed.initialize``)
by their sharding, parameters are everywhere; XLA puts in the communication.  Every process calls
the same functions with the same arrays.  Float64 holds inside these calls only, whatever JAX is
configured for.  XLA takes subnormal numbers, those below 2.3e-308, for 0, also the reciprocal by
which it replaces a divisor that is the same for all rows: the one difference from the other
backends.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from autograd.compiler.arrays import Array, ArrayProgram, Integers, for_gradient, for_values
from autograd.compiler.backends import Executor, Steps, check_shape
from autograd.compiler.jax_follow import Run, Traced, runner

Real: TypeAlias = npt.NDArray[np.bool_]
"""Which rows of a batch count; the others fill it up."""

MOST_STEPS = 64
"""Optimiser steps in one loop, which fewer are filled up to, so that it is compiled once."""

MOST_NUMBERS = 2**25
"""The most numbers of a batch in one loop."""


class JaxFunction:
    """A program as pure JAX functions of params (P,) and batch (N, I), for jit and devices."""

    def __init__(self, program: ArrayProgram) -> None:
        self._program = program

    def __call__(
        self, params: Traced, batch: Traced, real: Traced | None = None
    ) -> tuple[Traced, Traced]:
        """The mean over the rows of the (sum of the) roots, and its gradient (P,).

        ``real`` (N,) tells the rows that count from those that only fill up.
        """
        self._check(params, batch)
        _, loss, gradient = self._gradient(params, batch, real)
        return loss, gradient

    def outputs(self, params: Traced, batch: Traced) -> Traced:
        """The roots for every row, (N, O)."""
        self._check(params, batch)
        return jnp.stack(self._values(params, batch, None)[0], axis=1)

    def _check(self, params: Traced, batch: Traced) -> None:
        """Shapes are known while JAX traces, so that looking costs nothing."""
        parameters, inputs = self._program.shapes[:2, 0].tolist()
        check_shape(jnp.shape(params), (parameters,), "params")
        check_shape(jnp.shape(batch), (None, inputs), "batch")

    @cached_property
    def _values(self) -> Run:
        return runner(for_values(self._program))

    @cached_property
    def _gradient(self) -> Run:
        return runner(for_gradient(self._program))


class JaxExecutor(Executor):
    """Runs an array program by XLA on all devices."""

    name = "jax"
    steps_per_call = MOST_STEPS

    def __init__(self, program: ArrayProgram) -> None:
        self._function = JaxFunction(program)
        mesh = Mesh(np.array(jax.devices()), ("rows",))
        self._everywhere = _sharding(mesh)
        self._by_row = _sharding(mesh, "rows")
        self._by_row_of_batch = _sharding(mesh, None, "rows")
        self._devices = mesh.size
        self._outputs = jax.jit(self._function.outputs, out_shardings=self._everywhere)
        self._value_and_grad = jax.jit(self._function, out_shardings=self._everywhere)
        self._training = cache(self._compiled)

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
            value, gradient = self._value_and_grad(
                self._place(params, self._everywhere), rows, real
            )
            return float(value), np.array(gradient)

    def train(self, update: ArrayProgram, steps: Steps) -> Array:
        """Take one optimiser step per batch, up to ``MOST_STEPS`` in one compiled loop."""
        rows, cuts, width = steps.rows, steps.cuts(), self._width(steps.batch_size)
        span = max(1, min(MOST_STEPS, MOST_NUMBERS // max(1, width * rows.shape[1])))
        changing = steps.params, steps.state, steps.previous
        losses: list[float] = []
        for first in range(0, len(steps.hyper), span):
            here = cuts[first : first + span + 1]
            by_row = _batches(rows, steps.order, here, span, width)
            hyper = _filled(steps.hyper[first : first + span], span)
            with jax.enable_x64(True):
                results = self._training(update)(
                    *(self._place(array, self._everywhere) for array in (*changing, hyper)),
                    *(self._place(array, self._by_row_of_batch) for array in by_row),
                )
                *changed, done, taken = map(np.array, results)
            for array, now in zip(changing, changed):
                array[:] = now
            losses.extend(done[:taken].tolist())
            if not np.isfinite(losses[-1]):
                break
        return np.array(losses)

    def _compiled(self, update: ArrayProgram) -> Callable[..., Any]:
        """Steps with an update rule, compiled."""
        return jax.jit(_loop(self._function, JaxFunction(update)), out_shardings=self._everywhere)

    def _spread(self, batch: Array) -> tuple[Traced, Traced | None]:
        """The rows over the devices, filled up to a number that divides, and those that count."""
        count, width = len(batch), self._width(len(batch))
        if count == width:
            return self._place(batch, self._by_row), None
        filled, real = _filled(batch, width), np.arange(width) < count
        return self._place(filled, self._by_row), self._place(real, self._by_row)

    def _width(self, rows: int) -> int:
        """So many rows, filled up for the devices."""
        return -(-rows // self._devices) * self._devices

    def _place(self, array: Any, sharding: NamedSharding) -> Traced:
        """The array on the devices; every process has all of it and brings its share."""
        return jax.make_array_from_callback(array.shape, sharding, lambda part: array[part])


def _sharding(mesh: Mesh, *axes: str | None) -> NamedSharding:
    spec: Any = PartitionSpec
    return NamedSharding(mesh, spec(*axes))


def _batches(
    rows: Array, order: Integers, cuts: Integers, steps: int, width: int
) -> tuple[Array, Real]:
    """The batches between cuts, (steps, width, I), and which of their rows count (steps, width)."""
    places = cuts[:-1, None] + np.arange(width)
    real = places < cuts[1:, None]
    chosen = order[np.where(real, places, 0)]
    return rows[_filled(chosen, steps)], _filled(real, steps)


def _filled(array: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """The array with zeros behind, up to this length."""
    return np.pad(array, ((0, length - len(array)), *((0, 0),) * (array.ndim - 1)))


def _loop(function: JaxFunction, update: JaxFunction) -> Callable[..., Any]:
    """Optimiser steps in order, until one has no rows or a loss that is not finite."""

    def epoch(*given: Traced) -> tuple[Traced, ...]:
        *standing, hyper, batches, real = given
        steps = real.any(axis=1).sum()

        def goes_on(carried: Any) -> Traced:
            taken, is_good, *_ = carried
            return (taken < steps) & is_good

        def step(carried: Any) -> Any:
            k, _, losses, *standing = carried
            params, state, _ = standing
            loss, gradient = function(params, batches[k], real[k])
            columns = jnp.concatenate([params[None], gradient[None], state])
            changed = update.outputs(hyper[k], columns.T).T
            new = changed[0], changed[1:], jnp.concatenate([params[None], state])
            is_good = jnp.isfinite(loss)
            kept = (jnp.where(is_good, a, b) for a, b in zip(new, standing))
            return k + 1, is_good, losses.at[k].set(loss), *kept

        start = jnp.zeros((), int), jnp.array(True), jnp.zeros(len(hyper))
        taken, _, losses, *standing = lax.while_loop(goes_on, step, (*start, *standing))
        return *standing, losses, taken

    return epoch
