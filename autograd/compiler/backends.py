"""Backends: who runs a Wengert list.

An *executor* is made from one Wengert list and runs it over batches.  It is handed arrays that were
checked: float64, C-contiguous, at least one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd.extras import require

if TYPE_CHECKING:
    from autograd.compiler.linear import WengertList

Array: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]


class Executor(Protocol):
    """Runs one Wengert list: P parameters, I inputs, O outputs."""

    name: str
    steps_per_call: int | None
    """How many steps of training to ask for at a time; None: any number."""

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row: (P,), (N, I) -> (N, O)."""

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows of the sum of the roots, and its gradient (P,)."""

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
        """Take one optimiser step per batch: see `train_step_by_step` for the arguments."""


def train_step_by_step(
    program: Executor,
    update: Executor,
    params: Array,
    state: Array,
    rows: Array,
    order: Indices,
    batch_size: int,
    hyper: Array,
) -> Array:
    """Take one optimiser step per batch and return the losses (steps,).

    ``rows`` (R, I) are all rows and ``order`` (n,) the indices to use, ``batch_size`` at a time; a
    last batch may be short.  ``update`` computes, from one parameter, its gradient and its S
    numbers of state (its inputs) and the optimiser's numbers of this step (its parameters, a row of
    ``hyper`` (steps, H)), the new parameter and state.  ``params`` (P,) and ``state`` (S, P) change
    in place.

    A loss that is not finite stops the training before its update: it is then the last one
    returned.
    """
    losses = []
    for step, start in enumerate(range(0, len(order), batch_size)):
        batch = rows[order[start : start + batch_size]]
        loss, gradient = program.value_and_grad(params, batch)
        losses.append(loss)
        if not np.isfinite(loss):
            break
        columns = np.column_stack([params, gradient, *state])
        changed = update.outputs(hyper[step], columns).T
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


def check_backend(name: str) -> None:
    """Raise ValueError for a backend that is not known."""
    if name not in BACKENDS:
        known = ", ".join(repr(known) for known in BACKENDS)
        raise ValueError(f"unknown backend {name!r}: choose one of {known}")


def make_executor(name: str, wengert: WengertList) -> Executor:
    """The executor of that backend; "auto" takes the first of numba, numpy that is installed."""
    check_backend(name)
    if name == "auto":
        name = "numba" if find_spec("numba") else "numpy"
    executor: Executor = BACKENDS[name](wengert)
    return executor


def _numpy(wengert: WengertList) -> Executor:
    executor: Executor = import_module("autograd.compiler.numpy_backend").NumpyExecutor(wengert)
    return executor


def _numba(wengert: WengertList) -> Executor:
    require("numba", extra="fast")
    executor: Executor = import_module("autograd.compiler.numba_backend").NumbaExecutor(wengert)
    return executor


def _jax(wengert: WengertList) -> Executor:
    require("jax", extra="jax")
    executor: Executor = import_module("autograd.compiler.jax_backend").JaxExecutor(wengert)
    return executor


BACKENDS: dict[str, Callable[[WengertList], Executor]] = {
    "auto": _numba, "numba": _numba, "numpy": _numpy, "jax": _jax,
}  # fmt: skip
