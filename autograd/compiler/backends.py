"""Backends: who runs an array program.

An *executor* is made from one program and runs it over batches.  It is handed arrays that were
checked: float64, C-contiguous, at least one row.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from autograd.compiler.arrays import Array, ArrayProgram
from autograd.compiler.arrays import Integers as Indices
from autograd.optional import require


class Steps(Protocol):
    """Optimiser steps to take, one per batch."""

    @property
    def params(self) -> Array:
        """(P,), changes in place."""

    @property
    def state(self) -> Array:
        """(S, P), changes in place."""

    @property
    def previous(self) -> Array:
        """(1 + S, P), changes in place: what params and state were before the last update."""

    @property
    def rows(self) -> Any:
        """(R, I), all rows."""

    @property
    def order(self) -> Any:
        """(n,) the rows to use, ``batch_size`` at a time; a last batch may be short."""

    @property
    def batch_size(self) -> int:
        """Rows per step."""

    @property
    def hyper(self) -> Any:
        """(steps, H), the optimiser's numbers of each step."""


@dataclass(frozen=True, slots=True)
class Training:
    """Steps as an executor takes them: checked, and with the rule recorded.

    ``update`` computes, from one parameter, its gradient and its S numbers of state (its inputs)
    and the H numbers of a step (its parameters), the new parameter and state.
    """

    update: ArrayProgram
    params: Array
    state: Array
    previous: Array
    rows: Array
    order: Indices
    batch_size: int
    hyper: Array


class Executor(Protocol):
    """Runs one array program: P parameters, I inputs, O outputs."""

    name: str
    steps_per_call: int | None
    """How many steps of training to ask for at a time; None: any number."""
    note: str
    """Why this is not the backend that was hoped for; "" where it is."""

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row: (P,), (N, I) -> (N, O)."""

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows of the sum of the roots, and its gradient (P,)."""

    def train(self, training: Training) -> Array:
        """Take one optimiser step per batch and return the losses (steps,).

        A loss that is not finite stops the training before its update: it is then the last one
        returned.
        """


def train_step_by_step(program: Executor, update: Executor, training: Training) -> Array:
    """``train``, a step at a time."""
    losses = []
    params, state, previous = training.params, training.state, training.previous
    for step, start in enumerate(range(0, len(training.order), training.batch_size)):
        batch = training.rows[training.order[start : start + training.batch_size]]
        loss, gradient = program.value_and_grad(params, batch)
        losses.append(loss)
        if not np.isfinite(loss):
            break
        columns = np.column_stack([params, gradient, *state])
        changed = update.outputs(training.hyper[step], columns).T
        previous[0], previous[1:] = params, state
        params[:], state[:] = changed[0], changed[1:]
    return np.array(losses)


def check_shape(given: Sequence[int], wanted: Sequence[int | None], name: str) -> None:
    """Raise ValueError for another shape than the one wanted (None: any length)."""
    fits = len(given) == len(wanted) and all(
        one is None or one == length for one, length in zip(wanted, given)
    )
    if not fits:
        lengths = ", ".join("N" if length is None else str(length) for length in wanted)
        comma = "," if len(wanted) == 1 else ""
        raise ValueError(f"{name} must have shape ({lengths}{comma}), got {tuple(given)}")


def check_backend(name: str) -> str:
    """The backend's name; ValueError for one that is not known."""
    if name == "numba":
        warnings.warn('backend="numba" is now called "native"', DeprecationWarning, stacklevel=3)
        return "native"
    if name not in ("auto", *BACKENDS):
        known = ", ".join(repr(known) for known in ("auto", *BACKENDS))
        raise ValueError(f"unknown backend {name!r}: choose one of {known}")
    return name


def make_executor(name: str, program: ArrayProgram) -> Executor:
    """The executor of that backend; "auto" is "native" where that can run, else "numpy"."""
    if name != "auto":
        return BACKENDS[name](program)
    try:
        return _native(program)
    except Exception as error:  # whatever this machine lacks, NumPy will do
        executor = _numpy(program)
        executor.note = f"on NumPy, for the native backend cannot run: {error}"
        return executor


def _numpy(program: ArrayProgram) -> Executor:
    executor: Executor = import_module("autograd.compiler.numpy_backend").NumpyExecutor(program)
    return executor


def _native(program: ArrayProgram) -> Executor:
    require("llvmlite", extra="fast")
    executor: Executor = import_module("autograd.compiler.native").NativeExecutor(program)
    return executor


def _jax(program: ArrayProgram) -> Executor:
    require("jax", extra="jax")
    executor: Executor = import_module("autograd.compiler.jax_backend").JaxExecutor(program)
    return executor


BACKENDS: dict[str, Callable[[ArrayProgram], Executor]] = {
    "native": _native, "numpy": _numpy, "jax": _jax,
}  # fmt: skip
