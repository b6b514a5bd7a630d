"""An optimiser's rule as a part of the program that is trained: one more table, in its memory.

The rule says what becomes of one parameter.  Natively the parameters, their gradient and what the
optimiser remembers of each lie in lines, which one element-wise kernel goes through, and puts the
new numbers where the old ones were.
"""

from __future__ import annotations

from array import array
from dataclasses import replace

from autograd.compiler.arrays import (
    CONSTANTS,
    INPUTS,
    LEAVES,
    PARAMETERS,
    WORDS,
    ArrayProgram,
    for_values,
)
from autograd.compiler.listing import unrolled
from autograd.compiler.native_regions import Body, Read
from autograd.compiler.native_tables import UPDATE, Operand, Plan, padded

ONE = (1, 1)


def with_update(plan: Plan, rule: ArrayProgram) -> Plan:
    """The plan, with a table that takes a step of the rule."""
    program = for_values(unrolled(for_values(rule), {}).program)
    plan = replace(
        plan,
        tables=(*plan.tables[:UPDATE], array("i")),
        constants=[*plan.constants],
        kernels={**plan.kernels},
    )
    _Update(plan, program).add()
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

    def add(self) -> None:
        body, program = self.body, self.program
        for k in range(len(LEAVES), len(program)):
            if program.varying[k] and WORDS[program.codes[k]] != "view":
                body.add(k)
            elif WORDS[program.codes[k]] != "view":
                self._once(k)
        stored = [body.named(root, ONE) for root in program.roots]
        reads = [Operand(False, self._place(r), 0, r.base == INPUTS) for r, _ in body.reads]
        self.plan.apply(UPDATE, body.storing(stored), self.width, self.results, reads)

    def _once(self, k: int) -> None:
        """What is the same for all parameters."""
        reads = Body(self.program)
        reads.add(k)
        self.places[k] = self.plan.uniform(1)
        operands = [Operand(False, self._place(read), 0, 0) for read, _ in reads.reads]
        self.plan.apply(UPDATE, reads.storing(["r0"]), 1, [self.places[k]], operands)

    def _place(self, read: Read) -> int:
        """Where what is read lies, or begins."""
        if read.base == INPUTS:
            return self.columns[read.start]
        return self.places[read.base] + read.start
