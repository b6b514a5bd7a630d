"""The numba backend: a native interpreter of Wengert lists, and of whole epochs of training.

A list is planned once for values and once for gradients, when first asked for; running it then costs no
compilation, however large it is, because the interpreter is the same for every list.  Large batches are
cut into *slabs* that run in parallel: where the cuts are depends on the number of rows alone, and sums are
added slab after slab, so that the result is the same whatever the number of threads.
"""

from __future__ import annotations

from threading import Lock

import numpy as np

from autograd.compiler import numba_loops
from autograd.compiler.backends import Array, Indices
from autograd.compiler.linear import WengertList
from autograd.compiler.numba_plan import Plan, plan_gradient, plan_values

_NO_OUTPUTS = np.empty((0, 0))
_NO_GRADIENT = np.empty(0)


class NumbaExecutor:
    """Runs a Wengert list natively."""

    name = "numba"
    steps_per_call: int | None = None

    def __init__(self, program: WengertList) -> None:
        self._program = program
        self._lock = Lock()
        self._value: Runner | None = None
        self._gradient: Runner | None = None
        self._update: tuple[WengertList, Runner] | None = None

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row, (N, O)."""
        with self._lock:
            if self._value is None:
                self._value = Runner(plan_values(self._program))
            return self._value.outputs(params, batch)

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows, and its gradient."""
        with self._lock:
            return self._gradient_runner().value_and_grad(params, batch)

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
        """Take one optimiser step per batch."""
        with self._lock:
            losses = np.empty(len(hyper))
            runner, rule = self._gradient_runner(), self._update_runner(update)
            done = numba_loops.train(
                runner.machine, runner.length, rule.machine, rule.length, params, state, rows, order, batch_size,
                hyper, losses, np.empty(len(params)),
            )  # fmt: skip
            return losses[:done]

    def _update_runner(self, update: WengertList) -> Runner:
        if self._update is None or self._update[0] is not update:
            self._update = update, Runner(plan_values(update))
        return self._update[1]

    def _gradient_runner(self) -> Runner:
        if self._gradient is None:
            self._gradient = Runner(plan_gradient(self._program))
        return self._gradient


class Runner:
    """A plan with a machine to run it on."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.length = numba_loops.block_length(plan)
        self.machine = numba_loops.machine(plan)

    def outputs(self, params: Array, batch: Array) -> Array:
        outputs = np.empty((len(batch), len(self.plan.kept)))
        numba_loops.evaluate(
            self.machine, params, batch, 0, len(batch), self.length, outputs, 1, _NO_GRADIENT
        )
        return outputs

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        gradient = np.empty(self.plan.parameters)
        self.machine.slots[:] = 0.0
        value = numba_loops.evaluate(
            self.machine,
            params,
            batch,
            0,
            len(batch),
            self.length,
            _NO_OUTPUTS,
            len(batch),
            gradient,
        )
        return value, gradient
