"""The native backend: an array program as a table of kernels, and loops that follow it.

A program is planned when it is first run, for values or for gradients and for the rows in a block;
that compiles nothing, however large it is, because the kernels are the same for every program.  One
that has run for a while is planned again, with kernels of its own for its element-wise *regions*,
which changes no digit.  A *machine* has the tables of a plan, and a memory; whoever runs a program
takes one that is free and gives it back, so that threads do not meet, and a fork finds nothing
locked.

Large batches are cut into *slabs* that run in parallel.  Where the cuts are depends on the program
and the number of rows alone, and sums are added slab after slab: results are the same whatever the
number of threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import (
    Array,
    ArrayProgram,
    Integers,
    for_gradient,
    for_values,
)  # fmt: skip
from autograd.compiler.backends import Steps, train_step_by_step
from autograd.compiler.native_library import library
from autograd.compiler.native_loops import MACHINE, PARTS, TRAINING
from autograd.compiler.native_plan import plan
from autograd.compiler.native_regions import MOST_OPERATIONS
from autograd.compiler.native_tables import FIRST_REGISTER, MOST_MEMORY, PAD, ROWS, Plan, padded
from autograd.compiler.native_update import with_update

SLABS = 16
LARGE = 20_000_000
"""Numbers in registers times rows from which threads pay: some milliseconds."""

MUCH = 20_000_000
"""Numbers in registers times rows, in all runs, from which a program gets kernels of its own."""

MOST_COMPILED = 500
"""Operations in these: some seconds of compiling, once per machine."""

MOST_LENGTHS = 8
"""Block lengths whose machines are kept."""


Planning: TypeAlias = Callable[[ArrayProgram, int, int], Plan]
"""Plans a program for blocks of so many rows, but of no more than the longest."""


class NativeExecutor:
    """Runs an array program natively.  ImportError where this machine cannot."""

    name = "native"
    steps_per_call: int | None = None
    note = ""

    def __init__(self, program: ArrayProgram) -> None:
        library()
        self._program = program
        self._value: Runner | None = None
        self._gradient: Runner | None = None
        self._update: tuple[ArrayProgram, NativeExecutor] | None = None

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row, (N, O)."""
        runner = self._value or runner_of(for_values(self._program), len(batch))
        self._value = runner = runner.ready_for(len(batch))
        return runner.outputs(params, batch)

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows, and its gradient."""
        return self._for_gradient(len(batch)).value_and_grad(params, batch)

    def train(self, update: ArrayProgram, steps: Steps) -> Array:
        """A step per batch, in one native loop where a batch is small."""
        runner = self._for_gradient(steps.batch_size * len(steps.hyper))
        rows = min(steps.batch_size, len(steps.order))
        if runner.slabs(rows) > 1:
            return train_step_by_step(self, self._stepper(update), steps)
        return runner.updated(update, rows).train(steps)

    def _stepper(self, update: ArrayProgram) -> NativeExecutor:
        if self._update is None or self._update[0] is not update:
            self._update = update, NativeExecutor(update)
        return self._update[1]

    def _for_gradient(self, rows: int) -> Runner:
        runner = self._gradient or runner_of(for_gradient(self._program), rows)
        self._gradient = runner = runner.ready_for(rows)
        return runner


class Machine:
    """The tables of a plan, and a memory."""

    def __init__(self, planned: Plan) -> None:
        self.length, self._tables = planned.length, planned.tables
        self._kernels = library().addresses(planned.kernels)
        self._zero = padded(planned.uniforms + PAD)
        beyond = FIRST_REGISTER + planned.registers * self.length + 4 * PAD
        self.memory = _aligned(self._zero + beyond)
        self._roots = np.array(planned.roots, np.int64)
        for place, numbers in planned.constants:
            self.at(place, len(numbers))[:] = numbers
        fields = {
            "kernels": _address(self._kernels), "memory": _address(self.memory) + 8 * self._zero,
            "length": self.length, "width": planned.inputs,
            "copy": planned.copy, "stride": planned.stride,
            "loss": planned.loss, "hyper": planned.hyper,
            "roots": _address(self._roots), "root_count": len(planned.roots),
        }  # fmt: skip
        for part, table in zip(PARTS, self._tables):
            fields[part], words = table.buffer_info()
            fields[f"{part}_end"] = fields[part] + words * table.itemsize
        self._record = np.array([fields[name] for name in MACHINE], np.int64)
        self.address, self._run, self._run_all = _address(self._record), *library().runs
        count, states = planned.param_count, planned.states
        self.params = self.at(planned.params, count)
        lines = self.at(planned.state, states * padded(count)).reshape(states, padded(count))
        self.state = lines[:, :count]
        self._loss, self._gradient = self.at(planned.loss, 1), self.at(planned.gradient, count)

    def at(self, place: int, count: int) -> Array:
        """Uniform numbers of the memory."""
        return self.memory[self._zero + place :][:count]

    def run_all(self, params: Array, batch: Array, outputs: Array | None) -> None:
        """Run a batch."""
        self.params[:] = params
        kept = 0 if outputs is None else _address(outputs)
        data = _address(batch) if batch.size else 0  # it takes longer to ask than to run a little
        self._run_all(self.address, data, len(batch), kept)

    def run(
        self, params: Array, batch: Array, start: int, stop: int, outputs: Array | None, parts: int
    ) -> None:
        """Run these rows of a batch, each of which counts for its share of the whole batch."""
        self.params[:] = params
        kept = 0 if outputs is None else _address(outputs) + outputs.strides[0] * start
        self._run(self.address, _address(batch), 0, start, stop, 1 / len(batch), kept, parts)

    def train(self, training: Integers, first: int, stop: int) -> int:
        """Take steps until a loss is not finite; how many losses there are then."""
        count: int = library().train(self.address, _address(training), first, stop)
        return count

    def add(self, other: Machine, ranges: Iterable[tuple[int, int]]) -> None:
        """Add what another has in these places, which may be named twice."""
        each = [np.arange(place, place + count) for place, count in ranges]
        places = self._zero + np.unique(np.concatenate([*each, np.arange(0)]))
        self.memory[places] += other.memory[places]

    def ends(self) -> tuple[float, Array]:
        """The loss and its gradient."""
        return self._loss.item(), self._gradient.copy()


def runner_of(program: ArrayProgram, rows: int) -> Runner:
    """One for batches of about so many rows."""
    return Runner(program, plan(program, rows), plan)


class Runner:
    """A program, its plans by block length, and their machines."""

    def __init__(self, program: ArrayProgram, planned: Plan, planning: Planning) -> None:
        self._program, self._planning, self._done = program, planning, 0
        self._plan = planned
        library().addresses(planned.kernels)  # before a fork can come between
        self._work = max(1, planned.registers, len(planned.tables[ROWS]) // 8)
        self._plans, self._free = {planned.length: planned}, dict[int, deque[Machine]]()
        self._final = len(program) > MOST_OPERATIONS
        self._updated: tuple[ArrayProgram, bool, Runner] | None = None

    def ready_for(self, rows: int) -> Runner:
        """One that is worth its making for so many more rows."""
        self._done += rows * self._work
        if self._final or self._done < MUCH:
            return self
        self._final = True
        planning = partial(plan, fuse=True)
        planned = planning(self._program, self._plan.length, self._plan.longest)
        if not 0 < sum(kernel.count(";") for kernel in planned.kernels) < MOST_COMPILED:
            return self
        return self._with(planned, planning)

    def updated(self, update: ArrayProgram, batch_size: int) -> Runner:
        """One that takes steps of an optimiser's rule."""
        is_whole = batch_size <= self._plan.longest
        if self._updated is None or self._updated[:2] != (update, is_whole):
            step = partial(with_update, rule=update, is_whole=is_whole)

            def planning(program: ArrayProgram, rows: int, longest: int) -> Plan:
                return step(self._planning(program, rows, longest))

            self._updated = update, is_whole, self._with(step(self._plan), planning)
        return self._updated[2]

    def _with(self, planned: Plan, planning: Planning) -> Runner:
        """One that plans otherwise, but cuts rows as this one: where is seen in the last digits."""
        runner = Runner(self._program, planned, planning)
        runner._work, runner._final = self._work, True
        return runner

    def outputs(self, params: Array, batch: Array) -> Array:
        """The roots for every row, (N, O)."""
        outputs = np.zeros((len(batch), len(self._plan.roots)))
        if len(batch):
            self._give_back(self._run(params, _plain(batch), outputs))
        return outputs

    def value_and_grad(self, params: Array, batch: Array) -> tuple[float, Array]:
        """The mean over the rows, and its gradient."""
        first, *others = machines = self._run(params, _plain(batch), None)
        for machine in others:
            first.add(machine, self._plan.sums)
        if others:
            first.run(params, batch, 0, 0, None, PARTS["after"])
        ends = first.ends()
        self._give_back(machines)
        return ends

    def train(self, t: Steps) -> Array:
        """Steps until a loss is not finite."""
        machine, losses = self._machine(min(t.batch_size, len(t.order))), np.zeros(len(t.hyper))
        rows, order, cuts, hyper = map(_plain, (t.rows, t.order, t.cuts(), t.hyper))
        fields = {
            "rows": _address(rows), "order": _address(order), "cuts": _address(cuts),
            "hyper": _address(hyper), "hyper_count": hyper.shape[1], "losses": _address(losses),
        }  # fmt: skip
        record = np.array([fields[name] for name in TRAINING], np.int64)

        def take(steps: int) -> tuple[int, Array]:
            """How many losses there are; what params and state were before the last step."""
            machine.params[:], machine.state[:] = t.params, t.state
            count = machine.train(record, 0, steps - 1)
            before = np.concatenate([machine.params[None], machine.state])
            if np.isfinite(losses[:count]).all():
                count = machine.train(record, max(0, steps - 1), steps)
            return count, before

        count, before = take(len(losses))
        updates = count - (not np.isfinite(losses[:count]).all())
        if updates:
            t.previous[:] = before if updates == count else take(updates)[1]
        t.params[:], t.state[:] = machine.params, machine.state
        self._give_back([machine])
        return losses[:count]

    def _run(self, params: Array, batch: Array, outputs: Array | None) -> list[Machine]:
        """Run all rows, in one go or a slab at a time; the machines that hold the sums."""
        rows = len(batch)
        count = self.slabs(rows)
        if count == 1:
            machine = self._machine(rows)
            machine.run_all(params, batch, outputs)
            return [machine]
        longest = self._plan.longest
        blocks = -(-rows // longest)
        cuts = [min(rows, k * blocks // count * longest) for k in range(count + 1)]
        machines = [self._machine(rows) for _ in range(count)]

        first = PARTS["before"] | PARTS["rows"]

        def run(machine: Machine, start: int, stop: int) -> None:
            machine.run(params, batch, start, stop, outputs, first)

        with ThreadPoolExecutor(min(count, _processors())) as pool:
            list(pool.map(run, machines, cuts, cuts[1:]))
        return machines

    def slabs(self, rows: int) -> int:
        """How many slabs so many rows are cut into."""
        if rows * self._work < LARGE:
            return 1
        longest = self._plan.longest
        memory = self._plan.uniforms + self._plan.registers * longest
        return max(1, min(SLABS, -(-rows // longest), MOST_MEMORY // memory))

    def _machine(self, rows: int) -> Machine:
        """One that nobody uses, for blocks of up to so many rows."""
        length = min(self._plan.longest, padded(rows))
        try:
            return self._free[length].pop()
        except IndexError:
            return Machine(self._plans[length])
        except KeyError:
            if len(self._free) > MOST_LENGTHS:
                self._free.clear()
            if length not in self._plans:
                self._plans[length] = self._planning(self._program, rows, self._plan.longest)
            self._free[length] = deque()
            return Machine(self._plans[length])

    def _give_back(self, machines: Iterable[Machine]) -> None:
        for machine in machines:
            if (free := self._free.get(machine.length)) is not None:
                free.append(machine)


def _address(numbers: npt.NDArray[Any]) -> int:
    address: int = numbers.__array_interface__["data"][0]
    return address


def _aligned(size: int) -> Array:
    """Zeros that begin where a line of the cache begins."""
    numbers = np.zeros(size + PAD)
    first = -(numbers.ctypes.data // numbers.itemsize) % PAD
    return numbers[first : first + size]


def _plain(array: Any) -> Any:
    """An array as native code reads it: in C order and aligned."""
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.array(array, order="C")


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
