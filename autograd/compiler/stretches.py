"""Groups of one node in graphs that do not roll: noted one by one, recorded and repaid at once.

*Stretch*: single nodes one behind the other.  Of each no more is noted than a few integers: its
form, and the *numbers* of its operands.  A number is that of a group of one node; what lies
outside of stretches, parts of groups and constants, gets a number of its own.  When a stretch ends,
NumPy writes the operations of its forms into the recorder's columns.  Uniform nodes, which need no
varying ones, are a stretch of their own before these.

Paying back, a node takes its *turn* when all later ones have had theirs.  Whom it pays, and how
many payments there are to add up, is known before a single operation is: what is written down
where follows by counting and sorting.  A payment is added to the one before it to the same number.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from math import copysign
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import CODE, CONSTANTS, INPUTS, PARAMETERS, Integers
from autograd.compiler.blocks import LEADS, ONE, VARIES, Block
from autograd.compiler.forms import (
    DEBT,
    FIXED,
    OPERAND,
    VALUE,
    Columns,
    Form,
    Forms,
)  # fmt: skip
from autograd.compiler.groups import FEW, TAKE, Found
from autograd.compiler.record import Recorder
from autograd.compiler.repay import Tape
from autograd.value import Value

Small: TypeAlias = npt.NDArray[np.int32]
"""Of what there may be millions."""

OTHER = 255
"""The kind of what is no single block."""

CONSTANT = 4
"""Kinds from here on are constants that have forms of their own, in which 1 x is x."""

MANY_CONSTANTS = 200
"""So many have; others are blocks like any."""

MANY_FORMS = 4096
"""A graph with so many repeats nothing: trying more would cost more than recording."""

LONGEST = 2**16
"""Nodes of a stretch: what lies between stretches is paid one by one."""

_ADD, _SUB, _NEG = (CODE[word] for word in ("add", "sub", "neg"))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Single nodes one behind the other, all of them uniform or varying, the last first."""

    numbers: Small
    forms: Small
    firsts: Integers
    """The first block of each."""
    starts: Integers
    """Where the operands of each begin."""
    operands: Small
    """Their numbers."""


class Singles:
    """Single nodes by number, and what they are owed."""

    def __init__(
        self,
        tape: Tape,
        group_of: dict[Value, int],
        slots: dict[Value, int],
        unpaid: Collection[Value],
    ) -> None:
        self.recorder, self._tape = tape.recorder, tape
        self._group_of, self._slots, self._unpaid = group_of, slots, unpaid
        count = len(group_of) + 3
        self.blocks = array("q", bytes(8 * count))
        """Of each group: its block."""
        self.blocks[1], self.blocks[2] = INPUTS, CONSTANTS
        self._kinds = bytearray([OTHER]) * count
        self._forms = Forms(self.recorder)
        self._known: dict[Any, Form | None] = {}
        self._outside: dict[Any, int] = {}
        self._constants: list[float] = []
        self._pending = list[int](), list[int](), list[int]()

    # -- values ---------------------------------------------------------------------------------

    def note(self, entries: Iterator[tuple[int, Found]]) -> tuple[int, Found] | None:
        """Note single nodes, up to the first group that is none; that one."""
        group_of, kinds, known, unpaid = self._group_of, self._kinds, self._known, self._unpaid
        numbers, forms, operands = self._pending
        outside = self._outside
        for number, node in entries:
            if type(node) is not Value or node in unpaid:
                return number, node
            right = node._right
            if right is not None:
                left = node._left
                a, b = group_of[left], group_of[right]
                # written out: this loop is where a graph of a million nodes spends its time
                if kinds[a] == OTHER:
                    a = outside.get(left) or self._number(left, a)
                if kinds[b] == OTHER:
                    b = outside.get(right) or self._number(right, b)
                given: Any = (a, b)
                key: Any = (node._made_by, kinds[a], kinds[b])
            else:
                parents = node.parents
                if len(parents) > 2 * FEW + 1 or node._made_by is TAKE:
                    return number, node
                given = [self._number(each, group_of[each]) for each in parents]
                key = (node._made_by, *[kinds[k] for k in given])
            try:
                form = known[key]
            except KeyError:
                form = self._form(*key)
            if form is None:
                return number, node
            operands += given
            numbers.append(number)
            number_of_form, kinds[number] = form
            forms.append(number_of_form)
            if len(numbers) >= LONGEST:
                self.record()
        return None

    def _form(self, row: Any, *kinds: int) -> Form | None:
        """The form of a row and kinds of operands, which was not asked for before."""
        if len(self._known) == MANY_FORMS:
            return None
        operands = [self._constants[k - CONSTANT] if k >= CONSTANT else k for k in kinds]
        form = self._known[row, *kinds] = self._forms.form(row, operands)
        return form

    def _number(self, node: Value, group: int) -> int:
        """The number of an operand, a new one where it lies in a group or is a constant."""
        if self._kinds[group] != OTHER:
            return group
        recorder = self.recorder
        if group == CONSTANTS:
            return self._constant(node.data)
        known = self._outside.get(node)
        if known is None:
            block = Block(recorder, self.blocks[group])
            if group in (PARAMETERS, INPUTS) or block.shape != ONE:
                block = recorder.element(block, self._slots[node])
            kind = recorder.kinds[block.index]
            known = self._outside[node] = self._new_number(kind, block.index)
        return known

    def _constant(self, number: float) -> int:
        key = number if number else copysign(1.0, number) * 1j
        known = self._outside.get(key)
        if known is None:
            if len(self._constants) < MANY_CONSTANTS and number == number:
                self._constants.append(number)
                known = self._new_number(CONSTANT + len(self._constants) - 1, 0)
            else:
                known = self._new_number(0, self.recorder.index(number))
            self._outside[key] = known
        return known

    def _new_number(self, kind: int, block: int) -> int:
        self._kinds.append(kind)
        self.blocks.append(block)
        return len(self.blocks) - 1

    def record(self) -> None:
        """Write down the values of the nodes noted so far."""
        if not self._pending[0]:
            return
        numbers, forms, operands = (np.array(each, np.int32) for each in self._pending)
        for each in self._pending:
            del each[:]
        arities = self._forms.columns.arities[forms]
        starts = np.cumsum(arities) - arities
        kinds = np.frombuffer(self._kinds, np.uint8)[numbers]
        for kind in (0, VARIES):
            here = np.flatnonzero(kinds & VARIES == kind)
            self._record_values(numbers[here], forms[here], starts[here], operands)

    def _record_values(
        self, numbers: Small, forms: Small, starts: Integers, operands: Small
    ) -> None:
        """Write down the values of a stretch."""
        columns, blocks = self._forms.columns, np.frombuffer(self.blocks, np.int64)
        runs = columns.values[:, forms]
        firsts = len(self.recorder.codes) + np.cumsum(runs[1]) - runs[1]
        bases = np.zeros((5, len(forms)), np.int64)
        bases[VALUE], bases[OPERAND] = firsts, starts
        blocks[numbers] = firsts + columns.results[forms]
        self.recorder.make_room(int(runs[1].sum()))
        _copy(self.recorder, columns, runs, firsts, Given(bases, operands, blocks))
        if (np.frombuffer(self._kinds, np.uint8)[numbers] & LEADS).any():
            stretch = Stretch(numbers[::-1], forms[::-1], firsts[::-1], starts[::-1], operands)
            self._tape.steps.append(partial(self.repay, stretch))

    # -- debts ----------------------------------------------------------------------------------

    def repay(self, stretch: Stretch) -> None:
        """Pay back for a stretch."""
        brought = self._brought(stretch)
        if not len(brought):
            return
        columns, kind = self._forms.columns, self._kinds[stretch.numbers[0]] & VARIES
        payments = Payments(stretch, columns, brought)
        payments.write(self.recorder, columns, np.frombuffer(self.blocks, np.int64), kind)
        outside = ~np.isin(payments.paid, stretch.numbers)
        totals = payments.values[payments.last[outside]]
        for number, total in zip(payments.paid[outside].tolist(), totals.tolist()):
            operand = Block(self.recorder, self.blocks[number])
            self._tape.pay(operand, Block(self.recorder, total), ONE)

    def _brought(self, stretch: Stretch) -> Integers:
        """The turns of the nodes that others owe something, and the blocks of that, (n, 2)."""
        tape, recorder = self._tape, self.recorder
        blocks = np.frombuffer(self.blocks, np.int64)[stretch.numbers]
        turns = np.flatnonzero(np.isin(blocks, [*tape.debts]))
        found = []
        for turn, block in zip(turns.tolist(), blocks[turns].tolist()):
            single = Block(recorder, block)
            debt = recorder.block(tape.debt(single) or 0.0)
            if single.varying > debt.varying:
                debt = recorder.block(recorder.per_row(debt))
            found.append((turn, debt.index))
        return np.array(found, np.int64).reshape(-1, 2)


class Given(NamedTuple):
    """What copies are given."""

    bases: Integers
    """(5, copies) per kind of pick and copy: what the place of the pick is counted from."""
    operands: Small
    """The numbers of operands, from which those of OPERAND count."""
    blocks: Integers
    """The block of each number."""

    def picked(self, picks: Integers, owner: Integers) -> Integers:
        """The blocks that copies pick."""
        kinds, places = picks[..., 0], picks[..., 1]
        found: Integers = self.bases[kinds, owner] + places
        through = kinds == OPERAND
        found[through] = self.blocks[self.operands[found[through]]]
        return found


class Payments:
    """What the nodes of a stretch pay, turn by turn, behind what was brought to them."""

    def __init__(self, stretch: Stretch, columns: Columns, brought: Integers) -> None:
        self._stretch = stretch
        first, count = columns.paid[:, stretch.forms]
        payers, place = _spread(count)
        amounts = columns.amounts[first[payers] + place]
        turns, blocks = brought.T
        self._owner = np.append(turns, payers)
        given = np.column_stack([np.full(len(blocks), FIXED), blocks])
        self._picks = np.concatenate([given, amounts[:, 1:]])
        operands = stretch.operands[stretch.starts[payers] + amounts[:, 0]]
        to = np.append(stretch.numbers[turns], operands)
        order = np.argsort(to, kind="stable")
        ordered = to[order]
        begins = np.append(True, ordered[1:] != ordered[:-1])
        self.paid, self.last = ordered[begins], order[np.append(begins[1:], True)]
        """Who is paid, and the last payment to each."""
        self._before = np.full(len(order), -1)
        self._before[order[1:]] = np.where(begins[1:], -1, order[:-1])
        place = np.minimum(np.searchsorted(self.paid, stretch.numbers), len(self.paid) - 1)
        self._debts = self.last[place]
        """The last payment to each turn; one that leads nowhere has none, and needs none."""
        self.values = np.zeros(len(order), np.int64)
        """The block of what is owed after each."""

    def write(self, recorder: Recorder, columns: Columns, blocks: Integers, kind: int) -> None:
        """Write down each turn: the repayment, then the additions."""
        stretch, owner, picks = self._stretch, self._owner, self._picks
        adds = np.flatnonzero(self._before >= 0)
        tail = np.bincount(owner[adds], minlength=len(stretch.forms))
        runs = columns.repaid[:, stretch.forms]
        sizes = runs[1] + tail
        at = len(recorder.codes) + np.cumsum(sizes) - sizes
        self.values[adds] = (at + runs[1])[owner[adds]] + _spread(tail)[1]
        bases = np.stack([0 * at, stretch.firsts, at, 0 * at, stretch.starts])
        given = Given(bases, stretch.operands, blocks)
        self._resolve(given)
        recorder.make_room(int(sizes.sum()))
        _copy(recorder, columns, runs, at, given)
        right = given.picked(picks[adds], owner[adds])
        _add(recorder, self.values[adds], self.values[self._before[adds]], right, kind)

    def _resolve(self, given: Given) -> None:
        """What is owed after payments that are not added to others: some pass on a debt."""
        first = np.flatnonzero(self._before < 0)
        owner, picks = self._owner[first], self._picks[first]
        self.values[first] = given.picked(picks, owner)
        passed = picks[:, 0] == DEBT
        follow = np.arange(len(self.values))
        follow[first[passed]] = self._debts[owner[passed]]
        # who passes a debt on may have it from one who passed it on: halved in each round
        while not np.array_equal(further := follow[follow], follow):
            follow = further
        self.values = self.values[follow]
        given.bases[DEBT] = self.values[self._debts]


def _copy(recorder: Recorder, columns: Columns, runs: Integers, at: Integers, given: Given) -> None:
    """Write copies of these runs of operations where they belong; there is room already."""
    owner, place = _spread(runs[1])
    row, where = runs[0, owner] + place, at[owner] + place
    codes, kinds, operands = recorder.columns()
    codes[where], kinds[where] = columns.codes[row], columns.kinds[row]
    operands[where, :3] = given.picked(columns.picks[row], owner[:, None])


def _add(recorder: Recorder, places: Integers, left: Integers, right: Integers, kind: int) -> None:
    """Write additions; of what is the negative of something, that is subtracted."""
    codes, kinds, operands = recorder.columns()
    codes[places], kinds[places] = _ADD, kind
    operands[places, :2] = np.column_stack([left, right])
    # as one reads a row on its own: -a + b is b - a, one operation less
    swapped = (codes[left] == _NEG) & (codes[right] != _NEG)
    left, right = np.where(swapped, right, left), np.where(swapped, left, right)
    less = codes[right] == _NEG
    codes[places[less]] = _SUB
    operands[places[less], 0], operands[places[less], 1] = left[less], operands[right[less], 0]


def _spread(counts: Integers) -> tuple[Integers, Integers]:
    """For so many each: whose it is, and the how-manieth of them."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
