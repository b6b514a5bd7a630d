"""An optimiser's rule as a part of the program that is trained: one more table, in its memory.

The rule says what becomes of one parameter.  Natively the parameters, their gradient and what the
optimiser remembers of each lie in lines, which one element-wise kernel goes through, and puts the
new numbers where the old ones were.  Where a batch is one strip of rows, and there are registers
for both, that is done *in* the last outer product of the gradient, which waits until the loss is
known.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autograd.compiler.arrays import (
    CONSTANTS,
    FIRST_COMPUTED,
    INPUTS,
    PARAMETERS,
    ArrayProgram,
    for_values,
)
from autograd.compiler.listing import unrolled
from autograd.compiler.native_regions import Body, Read
from autograd.compiler.native_tables import ROWS, UPDATE, WITH, Operand, Plan, padded
from autograd.compiler.record import ONE


def with_update(plan: Plan, rule: ArrayProgram, *, in_product: bool = False) -> Plan:
    """The plan, with a table that takes a step of the rule; in the last product or behind it."""
    program = for_values(unrolled(for_values(rule), {}).program)
    tables = tuple(table[:] for table in plan.tables)
    plan = replace(plan, tables=tables, constants=[*plan.constants], kernels={**plan.kernels})
    _Update(plan, program).add(in_product)
    return plan


class _Update:
    """Goes through a rule, in which every block is one number."""

    def __init__(self, plan: Plan, program: ArrayProgram) -> None:
        self.plan, self.program, self.body = plan, program, Body(program)
        self.places = {k: plan.uniform(int(program.shapes[k, 0])) for k in (PARAMETERS, CONSTANTS)}
        plan.hyper = self.places[PARAMETERS]
        plan.constants.append((self.places[CONSTANTS], program.constants))
        plan.states, self.width = len(program.roots) - 1, padded(plan.param_count)
        plan.state = plan.uniform(plan.states * self.width)
        lines = [plan.state + k * self.width for k in range(plan.states)]
        self.results = [plan.params, *lines]
        self.columns = [plan.params, plan.gradient, *lines]

    def add(self, in_product: bool) -> None:
        body, program = self.body, self.program
        for k in np.flatnonzero(program.codes >= FIRST_COMPUTED).tolist():
            if program.varying[k]:
                body.add(k)
            else:
                self._once(k)
        stored = [body.named(root, ONE) for root in program.roots]
        reads = [Operand(False, self._place(r), 0, r.base == INPUTS) for r, _ in body.reads]
        step = replace(self.plan, tables=(array("i"),) * 4, kernels={})
        step.apply(UPDATE, body.storing(stored), self.width, self.results, reads)
        (name,), (_, *sizes) = step.kernels, step.tables[UPDATE]
        product = self._product() if in_product else []
        if product:
            name, sizes = WITH + name, [*product, product[3] - self.plan.gradient, *sizes[1:]]
        self.plan.tables[UPDATE].extend((self.plan.number(name), *sizes))

    def _product(self) -> Sequence[int]:
        """The arguments of an outer product that can wait, taken out of its table; [3] is dst."""
        rows, where = self.plan.tables[ROWS], self.plan.last_outer
        if where is None or not 0 <= rows[where][4] - self.plan.gradient < self.plan.param_count:
            return []
        product = rows[where][1:]
        del rows[where]
        return product

    def _once(self, k: int) -> None:
        """What is the same for all parameters."""
        reads = Body(self.program)
        reads.add(k)
        self.places[k] = self.plan.uniform(1)
        operands = [Operand(False, self._place(read), 0, 1) for read, _ in reads.reads]
        self.plan.apply(UPDATE, reads.storing(["r0"]), 1, [self.places[k]], operands)

    def _place(self, read: Read) -> int:
        """Where what is read lies, or begins."""
        if read.base == INPUTS:
            return self.columns[read.start]
        return self.places[read.base] + read.start
