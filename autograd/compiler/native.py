"""The native backend: an array program as a table of kernels, and loops that follow it.

A program is planned when it is first run, for values or for gradients and for the rows in a strip;
that compiles little, however large it is, because the kernels are the same for every program.  One
that has run for a while is planned again, with kernels of its own for its element-wise *regions*,
which changes no digit.  A *machine* has the tables of a plan, and a memory; whoever runs a program
takes one that is free and gives it back, so that threads do not meet, and a fork finds nothing
locked.

Large batches are cut into *slabs* that run in parallel.  Where the cuts are depends on the program
and the number of rows alone, and means are added up slab after slab: results are the same whatever
the number of threads.
"""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial, reduce
from itertools import pairwise
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import CODE, Array, ArrayProgram, for_gradient, for_values, places_of
from autograd.compiler.backends import Executor, Steps, train_step_by_step
from autograd.compiler.native_emit import FEW_REGISTERS
from autograd.compiler.native_library import library
from autograd.compiler.native_loops import MACHINE, PARTS
from autograd.compiler.native_plan import plan
from autograd.compiler.native_tables import FIRST_REGISTER, MOST_MEMORY, PAD, Plan, padded
from autograd.compiler.native_update import with_update

MOST_SLABS = 16
LARGE = 20_000_000
"""Numbers times rows from which threads pay: some milliseconds."""

MUCH = 20_000_000
"""Numbers times rows, in all runs, from which a program gets kernels of its own."""

MOST_COMPILED = 500
"""Operations in these: some seconds of compiling, once per machine."""

MOST_OPERATIONS = 4000
"""A longer program stays as it is: compiling what does not repeat takes longer than to run it."""

MOST_LENGTHS = 8
"""Lengths of strips whose machines are kept."""


class NativeExecutor(Executor):
    """Runs an array program natively.  ImportError where this machine cannot."""

    name = "native"

    def __init__(self, program: ArrayProgram) -> None:
        library()
        self._program = program
        self._runners: dict[Callable[[ArrayProgram], ArrayProgram], Runner] = {}

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row, (N, O)."""
        outputs = np.zeros((len(batch), len(self._program.roots)))
        if len(batch):
            self._runner(for_values, len(batch)).run(params, batch, outputs)
        return outputs

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows, and its gradient."""
        return self._runner(for_gradient, len(batch)).run(params, batch, None)

    def train(self, update: ArrayProgram, steps: Steps) -> Array:
        """A step per batch, in one native loop where a batch is small."""
        runner = self._runner(for_gradient, steps.batch_size * len(steps.hyper))
        if runner.slabs(steps.batch_size) > 1:
            return train_step_by_step(self, NativeExecutor(update), steps)
        return runner.updated(update, steps.batch_size).train(steps)

    def _runner(self, part: Callable[[ArrayProgram], ArrayProgram], rows: int) -> Runner:
        """Of a part of the program, for about so many rows."""
        runner = self._runners.get(part)
        if runner is None:
            program = part(self._program)
            runner = Runner(program, plan(program, rows), partial(plan, program))
        self._runners[part] = runner = runner.ready_for(rows)
        return runner


class Machine:
    """The tables of a plan, and a memory."""

    def __init__(self, planned: Plan) -> None:
        self.plan, self._kernels = planned, library().addresses(planned.kernels)
        self._zero = padded(planned.uniforms + PAD)
        beyond = FIRST_REGISTER + planned.registers * planned.length + 4 * PAD
        self.memory = _aligned(self._zero + beyond)
        for place, numbers in planned.constants:
            self.at(place, len(numbers))[:] = numbers
        self._roots = np.array(planned.roots, np.int64)
        fields = {name: getattr(planned, name) for name in MACHINE if hasattr(planned, name)} | {
            "kernels": _address(self._kernels), "memory": _address(self.memory) + 8 * self._zero,
            "roots": _address(self._roots), "root_count": len(planned.roots),
        }  # fmt: skip
        for part, table in zip(PARTS, planned.tables):
            fields[part], words = table.buffer_info()
            fields[f"{part}_end"] = fields[part] + words * table.itemsize
        self._record = np.array([fields[name] for name in MACHINE], np.int64)
        self.address, self._run = _address(self._record), library().run
        count, states = planned.param_count, planned.states
        self.params = self.at(planned.params, count)
        lines = self.at(planned.state, states * padded(count)).reshape(states, padded(count))
        self.state = lines[:, :count]
        self.loss = self.at(planned.loss, 1)
        self.gradient = self.at(planned.gradient, count if planned.gradient else 0)

    def at(self, place: int, count: int) -> Array:
        """Uniform numbers of the memory."""
        return self.memory[self._zero + place :][:count]

    def run(self, params: Array, batch: Array, outputs: Array | None) -> None:
        """Run all rows; over none, what comes before and after them."""
        self.params[:] = params
        kept = 0 if outputs is None else _address(outputs)
        data = _address(batch) if batch.size else 0  # it takes longer to ask than to run a little
        self._run(self.address, data, 0, len(batch), kept)

    def average(self, machines: Sequence[Machine], shares: Array) -> None:
        """Take over the means that others have, each for its share of the rows."""
        each = [place + places_of((0, s, t), shape) for place, s, t, shape in self.plan.means]
        places = self._zero + np.concatenate([*each, np.arange(0)])
        means = (share * machine.memory[places] for share, machine in zip(shares, machines))
        with np.errstate(all="ignore"):
            self.memory[places] = reduce(np.add, means)  # which leaves a -0 as it is


class Runner:
    """A program, its plans by the length of a strip, and their machines."""

    def __init__(
        self, program: ArrayProgram, planned: Plan, planning: Callable[[int], Plan]
    ) -> None:
        self._program, self._plan, self._planning = program, planned, planning
        library().addresses(planned.kernels)  # before a fork can come between
        self._plans = {planned.length: planned}
        self._free = defaultdict[int, deque[Machine]](deque)
        numbers = program.shapes[program.varying & (program.codes != CODE["view"])]
        self._work, self._done = max(1, int(numbers.prod(axis=1).sum())), 0
        """Numbers per row, and in all runs so far."""
        self._is_final = len(program) > MOST_OPERATIONS
        self._updated: tuple[ArrayProgram, bool, Runner] | None = None

    def ready_for(self, rows: int) -> Runner:
        """This one, or after so many rows more one with kernels of its own, if these pay."""
        self._done += rows * self._work
        if self._is_final or self._done < MUCH:
            return self
        self._is_final = True
        planning = partial(plan, self._program, longest=self._plan.longest, fuse=True)
        planned = planning(self._plan.length)
        if not 0 < sum(kernel.count(";") for kernel in planned.kernels) < MOST_COMPILED:
            return self
        fused = Runner(self._program, planned, planning)
        fused._is_final = True
        return fused

    def updated(self, update: ArrayProgram, batch_size: int) -> Runner:
        """One that takes steps of an optimiser's rule."""
        in_product = batch_size <= self._plan.longest and library().lanes != FEW_REGISTERS
        if self._updated is None or self._updated[:2] != (update, in_product):

            def planning(rows: int) -> Plan:
                return with_update(self._plan_for(rows), update, in_product=in_product)

            runner = Runner(self._program, planning(batch_size), planning)
            self._updated = update, in_product, runner
        return self._updated[2]

    def run(self, params: Array, batch: Array, outputs: Array | None) -> tuple[float, Array]:
        """Run all rows, in one go or a slab at a time; the mean and its gradient, if any."""
        if self.slabs(len(batch)) == 1:
            machines = [self._machine(len(batch))]
            machines[0].run(params, batch, outputs)
        else:
            machines = self._run_in_slabs(params, batch, outputs)
        ends = machines[0].loss.item(), machines[0].gradient.copy()
        self._free[machines[0].plan.length].extend(machines)
        return ends

    def train(self, t: Steps) -> Array:
        """Steps until a loss is not finite."""
        machine, losses = self._machine(t.batch_size), np.zeros(len(t.hyper))
        cuts = t.cuts()  # held here, for as long as somebody looks where it is
        given = *map(_address, (t.rows, t.order, cuts, t.hyper)), t.hyper.shape[1]
        steps = partial(library().train, machine.address, *given, _address(losses))
        machine.params[:], machine.state[:] = t.params, t.state
        count = steps(0, len(losses) - 1)
        before = np.concatenate([machine.params[None], machine.state])
        if np.isfinite(losses[:count]).all():
            count = steps(count, len(losses))
        is_finite = np.isfinite(losses[:count]).all()
        if is_finite and count:
            t.params[:], t.state[:], t.previous[:] = machine.params, machine.state, before
        self._free[machine.plan.length].append(machine)
        if not is_finite and count > 1:
            # nobody has kept what was before the last update: take the sound steps once more
            self.train(replace(t, hyper=t.hyper[: count - 1]))
        return losses[:count]

    def _run_in_slabs(self, params: Array, batch: Array, outputs: Array | None) -> list[Machine]:
        """Run all rows; the machines, of which the first has the ends."""
        rows, longest = len(batch), self._plan.longest
        count, strips = self.slabs(rows), -(-rows // longest)
        cuts = [min(rows, k * strips // count * longest) for k in range(count + 1)]
        machines = [self._machine(rows) for _ in range(count)]
        slabs = [slice(*pair) for pair in pairwise(cuts)]
        kept = [None if outputs is None else outputs[slab] for slab in slabs]
        each = zip(machines, slabs, kept)
        _in_threads([partial(m.run, params, batch[slab], part) for m, slab, part in each])
        if outputs is None:
            machines[0].average(machines, np.diff(cuts) / rows)
            machines[0].run(params, batch[:0], None)  # what comes after the rows
        return machines

    def slabs(self, rows: int) -> int:
        """How many slabs so many rows are cut into."""
        if rows * self._work < LARGE:
            return 1
        longest = self._plan.longest
        memory = self._plan.uniforms + self._plan.registers * longest
        return max(1, min(MOST_SLABS, -(-rows // longest), MOST_MEMORY // memory))

    def _plan_for(self, rows: int) -> Plan:
        """The plan for strips of up to so many rows."""
        length = min(self._plan.longest, padded(rows))
        if length not in self._plans:
            self._plans[length] = self._planning(rows)
        return self._plans[length]

    def _machine(self, rows: int) -> Machine:
        """One that nobody uses, for strips of up to so many rows."""
        planned = self._plan_for(rows)
        try:
            return self._free[planned.length].pop()
        except IndexError:
            if len(self._free) > MOST_LENGTHS:
                self._free.clear()
            return Machine(planned)


def _in_threads(runs: Sequence[Callable[[], None]]) -> None:
    """Do all of these, here and in other threads where there are some to be had."""
    left, errors = iter(runs), list[BaseException]()

    def share() -> None:
        try:
            for run in left:
                run()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=share) for _ in range(1, min(len(runs), _processors()))]
    with suppress(RuntimeError):  # there are none left, or Python is coming to its end
        for thread in threads:
            thread.start()
    share()
    for thread in filter(Thread.is_alive, threads):
        thread.join()
    for error in errors:
        raise error


def _address(numbers: npt.NDArray[Any]) -> int:
    address: int = numbers.__array_interface__["data"][0]
    return address


def _aligned(size: int) -> Array:
    """Zeros that begin where a line of the cache begins."""
    numbers = np.zeros(size + PAD)
    first = -(numbers.ctypes.data // numbers.itemsize) % PAD
    return numbers[first : first + size]


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
