"""What single nodes record, and what they pay back: tried once per form, and copied ever after.

*Form*: a row with the kinds of its operands.  What a row records on single numbers depends on no
more, nor does what it pays for a debt that varies where its value does.  Both are tried on a
recorder of their own, and what came of it is the form: operations of the value, which are copied
for every node, and those of the repayment, which are copied when it is the node's turn.

*Slot*: a block of the trial.  A copy has a block of the program for each: for its operands, for
what it is owed, and for the results of its operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, reduce
from operator import or_
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import CODE, CONSTANTS, Integers, needed_for
from autograd.compiler.record import LEADS, ONE, VARIES, Block, Recorder
from autograd.primitive import Primitive

FIXED, OPERAND, VALUE, DEBT, REPAID = range(5)
"""The roles of slots: a block whatever the copy (or not needed at all), an operand, an operation of
the value (which is the last of these), what the node is owed, an operation of the repayment."""

FIRST_OPERAND = CONSTANTS + 1


class Form(NamedTuple):
    """What came of a trial, by slot."""

    roles: npt.NDArray[np.uint8]
    codes: npt.NDArray[np.uint8]
    kinds: npt.NDArray[np.uint8]
    operands: Integers
    """(slots, 3): slots of the same form, 0 for none."""
    blocks: Integers
    """What is FIXED."""
    amounts: Integers
    """Per OPERAND the slot of what it is paid, 0 for nothing."""


class Columns(NamedTuple):
    """All forms of a graph."""

    slots: Form
    """Those of the first form, then those of the second …"""
    begins: Integers
    """Per form: where its slots begin,"""
    sizes: Integers
    """how many there are,"""
    counts: Integers
    """and how many operations its value has."""


class Forms:
    """The forms of one graph."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._forms: list[Form] = []

    @cached_property
    def columns(self) -> Columns:
        """All of them."""
        slots = Form(*map(np.concatenate, zip(*self._forms)))
        sizes = np.array([len(form.roles) for form in self._forms])
        begins = np.cumsum(sizes) - sizes
        counts = np.add.reduceat(slots.roles == VALUE, begins, dtype=np.int64)
        return Columns(slots, begins, sizes, counts)

    def form(self, row: Primitive, operands: Sequence[int | float]) -> tuple[int, int] | None:
        """The form for this row and operands of these kinds, floats being known, if it has one.

        That is its number, and the kind of the result.
        """
        kinds = [0 if isinstance(operand, float) else operand for operand in operands]
        kind, trial = reduce(or_, kinds), Recorder(0, 0)
        unknown = [_stand_in(trial, each) for each in kinds]
        numbers = [x if isinstance(x, float) else block for x, block in zip(operands, unknown)]
        y = row.forward(trial.namespace, *numbers)
        # what comes out as one of the operands, or as a number, is no operation to copy
        if type(y) is not Block or y.index <= unknown[-1].index or trial.kinds[y.index] != kind:
            return None
        debt = _stand_in(trial, kind & VARIES)
        partials = row.partials(trial.namespace, *numbers, y)
        paid = [k for k, kind in enumerate(kinds) if kind & LEADS]
        amounts = [trial.index(debt * partials[k]) for k in paid]
        self._forms.append(self._told(trial, len(kinds), y, debt, dict(zip(paid, amounts))))
        self.__dict__.pop("columns", None)
        return len(self._forms) - 1, kind

    def _told(
        self, trial: Recorder, arity: int, y: Block, debt: Block, paid: dict[int, int]
    ) -> Form:
        """What came of a trial."""
        kinds = np.frombuffer(bytes(trial.kinds), np.uint8)
        program = trial.finish([y], y, y)
        roles = np.zeros(len(program), np.uint8)
        roles[needed_for(paid.values(), program)] = REPAID
        roles[needed_for([y.index], program)] = VALUE
        roles[:FIRST_OPERAND] = FIXED
        roles[FIRST_OPERAND : FIRST_OPERAND + arity] = OPERAND
        roles[debt.index] = DEBT
        constants = np.flatnonzero((roles != FIXED) & (program.codes == CODE["view"]))
        roles[constants] = FIXED
        blocks, amounts = np.zeros((2, len(program)), np.int64)
        for k in constants.tolist():
            number = program.constants[program.operands[k, 1]]
            blocks[k] = self._recorder.index(float(number))
        for operand, slot in paid.items():
            amounts[FIRST_OPERAND + operand] = slot
        return Form(roles, program.codes, kinds, program.operands[:, :3], blocks, amounts)


def _stand_in(trial: Recorder, kind: int) -> Block:
    """A block of which nothing is known but its kind."""
    return Block(trial, trial.append(CODE["exp"], (0, 0, 0, 0), ONE, kind))
