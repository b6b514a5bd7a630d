"""Backends: who runs an array program.

An *executor* is made from one program and runs it over batches.  It is handed arrays that were
checked: float64, C-contiguous, of at least one row where there is a mean to take.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from math import isfinite
from typing import Protocol

import numpy as np

from autograd.compiler.arrays import Array, ArrayProgram, Integers
from autograd.optional import require


@dataclass(frozen=True, slots=True)
class Steps:
    """Optimiser steps to take, one per batch; the first three arrays change in place."""

    params: Array
    """(P,)"""
    state: Array
    """(S, P)"""
    previous: Array
    """(1 + S, P): what params and state were before the last update."""
    rows: Array
    """(R, I), all rows."""
    order: Integers
    """(n,) the rows to use, ``batch_size`` at a time; the last batch of an epoch may be short."""
    batch_size: int
    hyper: Array
    """(steps, H), the optimiser's numbers of each step."""
    epoch: int = 0
    """How many rows of the order are an epoch; 0 for all of them."""

    def cuts(self) -> Integers:
        """(steps + 1,) where in the order batches begin, and where the last one ends."""
        count = len(self.order)
        epoch = self.epoch or max(1, count)
        starts = np.arange(0, count, epoch)[:, None] + np.arange(0, epoch, self.batch_size)
        return np.append(starts[starts < count], count)


class Executor(Protocol):
    """Runs one array program: P parameters, I inputs, O outputs."""

    name: str
    steps_per_call: int | None = None
    """How many steps of training to ask for at a time; None: any number."""
    note: str = ""
    """Why this is not the backend that was hoped for; "" where it is."""

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row: (P,), (N, I) -> (N, O)."""

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows of the sum of the roots, and its gradient (P,)."""

    def train(self, update: ArrayProgram, steps: Steps) -> Array:
        """Take one optimiser step per batch and return the losses (steps,).

        ``update`` computes, from one parameter, its gradient and its S numbers of state (its
        inputs) and the H numbers of a step (its parameters), the new parameter and state.  A loss
        that is not finite stops the training before its update: it is the last one returned.
        """


def train_step_by_step(program: Executor, update: Executor, steps: Steps) -> Array:
    """``train``, a step at a time; state lies beside parameters, as the rule reads it."""
    losses, cuts = [], steps.cuts().tolist()
    now = np.concatenate([steps.params[None], steps.params[None], steps.state])
    for step, (start, stop) in enumerate(pairwise(cuts)):
        batch = steps.rows[steps.order[start:stop]]
        loss, now[1] = program.value_and_grad(now[0], batch)
        losses.append(loss)
        if not isfinite(loss):
            break
        changed = update.outputs(steps.hyper[step], np.ascontiguousarray(now.T)).T
        # only after a finite loss: what is kept is where that was
        steps.previous[0], steps.previous[1:] = now[0], now[2:]
        now[0], now[2:] = changed[0], changed[1:]
    steps.params[:], steps.state[:] = now[0], now[2:]
    return np.array(losses)


def check_shape(given: Sequence[int], wanted: Sequence[int | None], name: str) -> None:
    """Raise ValueError for another shape than the one wanted (None: any length)."""
    if given == wanted:
        return
    fits = len(given) == len(wanted)
    for one, length in zip(wanted, given):
        fits = fits and one in (None, length)
    if not fits:
        shape = str(tuple(wanted)).replace("None", "N")
        raise ValueError(f"{name} must have shape {shape}, got {tuple(given)}")


BACKENDS = {
    "native": ("llvmlite", "fast", "native", "NativeExecutor"),
    "numpy": ("numpy", "fast", "numpy_backend", "NumpyExecutor"),
    "jax": ("jax", "jax", "jax_backend", "JaxExecutor"),
}
"""The package that each needs and the extra that has it, its module, and its executor."""


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
    if name == "auto":
        try:
            return make_executor("native", program)
        except Exception as error:  # whatever this machine lacks, NumPy will do
            # told in the note, which `fit` shows in its history: slower is no error
            executor = make_executor("numpy", program)
            executor.note = f"on NumPy, for the native backend cannot run: {error}"
            return executor
    package, extra, module, kind = BACKENDS[name]
    require(package, extra=extra)
    made: Callable[[ArrayProgram], Executor]
    made = getattr(import_module(f"autograd.compiler.{module}"), kind)
    return made(program)
