"""The numba backend: a native interpreter of Wengert lists, and of whole epochs of training.

A list is planned once for values and once for gradients, when first asked for. Running it costs no
compilation, however large it is, because the interpreter is the same for every list.

Large batches are cut into *slabs* that run in parallel. Where the cuts are depends on the list and
the number of rows alone, and sums are added slab after slab, so that results are the same whatever
the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np

from autograd.compiler import numba_loops as loops
from autograd.compiler.backends import Array, Indices, train_step_by_step
from autograd.compiler.linear import WengertList
from autograd.compiler.numba_plan import Plan, plan_gradient, plan_values

SLABS = 16
LARGE = 60_000_000
"""Words of a program times rows from which threads pay: some milliseconds."""

MOST_MEMORY = 2**25
"""Numbers that the memories of all slabs may take: 256 MB."""


class NumbaExecutor:
    """Runs a Wengert list natively."""

    name = "numba"
    steps_per_call: int | None = None

    def __init__(self, program: WengertList) -> None:
        self._program = program
        self._lock = Lock()
        self._value: Runner | None = None
        self._gradient: Runner | None = None
        self._update: tuple[WengertList, NumbaExecutor] | None = None

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row, (N, O)."""
        with self._lock:
            return self._value_runner().outputs(_plain(params), _plain(batch))

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows, and its gradient."""
        with self._lock:
            return self._gradient_runner().value_and_grad(_plain(params), _plain(batch))

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
        """Take one optimiser step per batch: small ones in one native loop."""
        arguments = params, state, _plain(rows), _plain(order), batch_size, _plain(hyper)
        with self._lock:
            rule, runner = self._rule(update), self._gradient_runner()
            if runner.slabs(min(batch_size, len(order))) == 1:
                return runner.train(rule._value_runner(), *arguments)
        return train_step_by_step(self, rule, *arguments)

    def _value_runner(self) -> Runner:
        if self._value is None:
            self._value = Runner(plan_values(self._program))
        return self._value

    def _gradient_runner(self) -> Runner:
        if self._gradient is None:
            self._gradient = Runner(plan_gradient(self._program))
        return self._gradient

    def _rule(self, update: WengertList) -> NumbaExecutor:
        if self._update is None or self._update[0] is not update:
            self._update = update, NumbaExecutor(update)
        return self._update[1]


class Runner:
    """A plan with machines to run it on: the first one for small batches, more for slabs."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._length = loops.block_length(plan)
        self._machines = [loops.machine(plan)]

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row."""
        outputs = np.empty((len(batch), len(self._plan.kept)))
        self._run(params, batch, outputs)
        return outputs

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean of the summed roots, and its gradient."""
        machine, gradient = self._machines[0], np.empty(self._plan.parameters)
        if self.slabs(len(batch)) == 1:
            return loops.value_and_grad(machine, params, batch, gradient), gradient
        machines = self._run(params, batch, np.empty((0, 0)))
        total = loops.slots_of(machine)
        for other in machines[1:]:
            total += loops.slots_of(other)
        return loops.finish(machine, params, len(batch), gradient), gradient

    def train(
        self,
        rule: Runner,
        params: Array,
        state: Array,
        rows: Array,
        order: Indices,
        batch_size: int,
        hyper: Array,
    ) -> Array:
        """Steps in one native loop."""
        losses, gradient = np.empty(len(hyper)), np.empty(len(params))
        machines = self._machines[0], rule._machines[0]
        done = loops.train(
            *machines, params, state, rows, order, batch_size, hyper, losses, gradient
        )
        return losses[:done]

    def slabs(self, rows: int) -> int:
        """Into how many parts so many rows are cut."""
        if rows * len(self._plan.block_code) < LARGE:
            return 1
        blocks = -(-rows // self._length)
        affordable = MOST_MEMORY // len(self._machines[0].memory)
        return max(1, min(SLABS, blocks, affordable))

    def _run(self, params: Array, batch: Array, outputs: Array) -> Sequence[loops.Machine]:
        """Run all rows, in slabs if they are many; the machines that did, in order."""
        count = self.slabs(len(batch))
        while len(self._machines) < count:
            self._machines.append(loops.machine(self._plan))
        blocks = -(-len(batch) // self._length)
        cuts = [min(len(batch), k * blocks // count * self._length) for k in range(count + 1)]
        machines = self._machines[:count]

        def run(machine: loops.Machine, start: int, stop: int) -> None:
            loops.run(machine, params, batch, start, stop, outputs)

        threads = min(count, _processors())
        if threads == 1:
            list(map(run, machines, cuts, cuts[1:]))
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(run, machines, cuts, cuts[1:]))
        return machines


def _plain(array: Any) -> Any:
    """An array as the native code was compiled for: aligned, and not marked as read-only."""
    return array if array.flags.carray else array.copy()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
