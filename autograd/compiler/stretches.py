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
from typing import Any

import numpy as np

from autograd.compiler.arrays import CODE, CONSTANTS, INPUTS, PARAMETERS, Integers, Small
from autograd.compiler.forms import DEBT, OPERAND, REPAID, VALUE, Columns, Forms
from autograd.compiler.groups import FEW, TAKE, Found
from autograd.compiler.record import LEADS, ONE, VARIES, Block, Recorder
from autograd.compiler.repay import Tape
from autograd.value import Value

OTHER = 255
"""The kind of what is no single block."""

CONSTANT = 4
"""Kinds from here on are constants that have forms of their own, in which 1 x is x."""

MANY_CONSTANTS = 200
"""So many have; others are blocks like any."""

MANY_FORMS = 4096
"""A graph with so many repeats nothing: trying more would cost more than recording."""

LONGEST = 2**16
"""Nodes of a stretch at most: so many, for what one owes another is paid one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Single nodes one behind the other, all of them uniform or varying."""

    numbers: Small
    forms: Small
    operands: Small
    """The numbers of their operands."""
    first: int
    """The first block of their values."""


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
        """Of each number: the kind of its block, or one of those above."""
        self._forms = Forms(self.recorder)
        self._known: dict[Any, tuple[int, int] | None] = {}
        self._outside: dict[Any, int] = {}
        self._constants: list[float] = []
        self._pending = [(list[int](), list[int](), list[int]()) for _ in range(2)]
        """Numbers, forms and operands of uniform nodes, and of varying ones."""

    # -- values ---------------------------------------------------------------------------------

    def note(self, entries: Iterator[tuple[int, Found]]) -> tuple[int, Found] | None:
        """Note single nodes; the first group that is none, or None at the end."""
        group_of, kinds, known, unpaid = self._group_of, self._kinds, self._known, self._unpaid
        uniform, varying = self._pending
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
            number_of_form, kinds[number] = form
            numbers, forms, operands = varying if kinds[number] & VARIES else uniform
            operands += given
            numbers.append(number)
            forms.append(number_of_form)
            if len(uniform[0]) + len(varying[0]) >= LONGEST:
                self.record()
        return None

    def _form(self, row: Any, *kinds: int) -> tuple[int, int] | None:
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
        key = number if number else copysign(1.0, number) * 1j  # 0 == -0, but 1j != -1j
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
        """Write down the values of the nodes noted so far, uniform ones first."""
        for pending in self._pending:
            if pending[0]:
                numbers, forms, operands = (np.array(each, np.int32) for each in pending)
                self._record(Stretch(numbers, forms, operands, len(self.recorder.codes)))
            for each in pending:
                each.clear()

    def _record(self, stretch: Stretch) -> None:
        """Write down the values of a stretch."""
        blocks = np.frombuffer(self.blocks, np.int64)
        ends = stretch.first + np.cumsum(self._forms.columns.counts[stretch.forms])
        blocks[stretch.numbers] = ends - 1
        self.recorder.make_room(int(ends[-1]) - stretch.first)
        Copies(stretch, self._forms.columns, blocks).write(self.recorder, VALUE)
        if (np.frombuffer(self._kinds, np.uint8)[stretch.numbers] & LEADS).any():
            self._tape.steps.append(partial(self.repay, stretch))

    # -- debts ----------------------------------------------------------------------------------

    def repay(self, stretch: Stretch) -> None:
        """Pay back for a stretch."""
        copies = Copies(stretch, self._forms.columns, np.frombuffer(self.blocks, np.int64))
        payments = Payments(stretch, copies, self._brought(stretch))
        payments.write(self.recorder, self._kinds[stretch.numbers[0]] & VARIES)
        outside = ~np.isin(payments.paid, stretch.numbers)
        totals = payments.values[payments.last[outside]]
        for number, total in zip(payments.paid[outside].tolist(), totals.tolist()):
            operand = Block(self.recorder, self.blocks[number])
            self._tape.pay(operand, Block(self.recorder, total), ONE)

    def _brought(self, stretch: Stretch) -> Integers:
        """Which nodes others owe something, the last first, and the blocks of that, (n, 2)."""
        tape, recorder = self._tape, self.recorder
        blocks = np.frombuffer(self.blocks, np.int64)[stretch.numbers]
        nodes = np.flatnonzero(np.isin(blocks, [*tape.debts]))[::-1]
        found = []
        for node, block in zip(nodes.tolist(), blocks[nodes].tolist()):
            single = Block(recorder, block)
            debt = recorder.block(tape.debt(single) or 0.0)
            if single.varying > debt.varying:
                debt = recorder.block(recorder.per_row(debt))
            found.append((node, debt.index))
        return np.array(found, np.int64).reshape(-1, 2)


class Copies:
    """The slots of the nodes of a stretch, one behind the other."""

    def __init__(self, stretch: Stretch, columns: Columns, blocks: Integers) -> None:
        sizes = columns.sizes[stretch.forms]
        self.owner, place = _spread(sizes)
        """Which node has each."""
        self._begins = np.cumsum(sizes) - sizes
        self._forms = columns.slots
        self._slots = columns.begins[stretch.forms][self.owner] + place
        self.roles = self._forms.roles[self._slots]
        self.blocks = self._forms.blocks[self._slots]
        """Which block each is, as far as it is known already."""
        self.blocks[self.roles == OPERAND] = blocks[stretch.operands]
        is_value = self.roles == VALUE
        self.blocks[is_value] = stretch.first + np.arange(is_value.sum())

    def payments(self) -> tuple[Integers, Integers, Integers]:
        """Who pays, for which of the stretch's operands, and where the slot of the amount is."""
        operands = np.flatnonzero(self.roles == OPERAND)
        slots = self._forms.amounts[self._slots[operands]]
        paying = np.flatnonzero(slots)
        payers = self.owner[operands[paying]]
        return payers, paying, self._begins[payers] + slots[paying]

    def write(self, recorder: Recorder, role: int) -> None:
        """Write the operations of a role where they belong; there is room already."""
        made = np.flatnonzero(self.roles == role)
        where, slots = self.blocks[made], self._slots[made]
        operands_at = self._begins[self.owner[made], None] + self._forms.operands[slots]
        codes, kinds, operands = recorder.columns()
        codes[where], kinds[where] = self._forms.codes[slots], self._forms.kinds[slots]
        operands[where, :3] = self.blocks[operands_at]


class Payments:
    """What the nodes of a stretch pay, turn by turn, behind what was brought to them."""

    def __init__(self, stretch: Stretch, copies: Copies, brought: Integers) -> None:
        self._copies = copies
        nodes, self._brought = brought.T
        payers, paying, self._amounts = copies.payments()
        # what was brought comes first, then the last node pays, and so on
        turns = np.append(np.full(len(nodes), -len(stretch.numbers)), -payers)
        self._in_turn = np.argsort(turns, kind="stable")
        self._owner = np.append(nodes, payers)[self._in_turn]
        paid = np.append(stretch.numbers[nodes], stretch.operands[paying])[self._in_turn]
        order = np.argsort(paid, kind="stable")
        ordered = paid[order]
        begins = np.append(True, ordered[1:] != ordered[:-1])
        self.paid, self.last = ordered[begins], order[np.append(begins[1:], True)]
        """Who is paid, and the last payment to each."""
        self._before = np.full(len(order), -1)
        self._before[order[1:]] = np.where(begins[1:], -1, order[:-1])
        """The payment before each to the same number, -1 for none."""
        place = np.minimum(np.searchsorted(self.paid, stretch.numbers), len(self.paid) - 1)
        self._debts = self.last[place]
        """The last payment to each node; one that leads nowhere has none, and needs none."""
        self.values = np.zeros(len(order), np.int64)
        """The block of what is owed after each."""

    def write(self, recorder: Recorder, kind: int) -> None:
        """Write down each turn: the repayment, then the additions."""
        copies, owner, count = self._copies, self._owner, len(self._debts)
        adds, is_repaid = np.flatnonzero(self._before >= 0), copies.roles == REPAID
        tail = np.bincount(owner[adds], minlength=count)
        repaid = np.bincount(copies.owner[is_repaid], minlength=count)
        so_far, added = (np.cumsum(x[::-1])[::-1] for x in (repaid + tail, tail))
        ends = len(recorder.codes) + so_far
        self.values[adds] = (ends - added)[owner[adds]] + np.arange(len(adds))
        payer, place = _spread(repaid)
        copies.blocks[is_repaid] = (ends - tail - repaid)[payer] + place
        is_debt = copies.roles == DEBT
        copies.blocks[is_debt] = -1 - np.arange(count)  # not known yet
        amounts = np.append(self._brought, copies.blocks[self._amounts])[self._in_turn]
        debts = copies.blocks[is_debt] = self._resolved(amounts)
        recorder.make_room(int(so_far[0]))
        copies.write(recorder, REPAID)
        right = np.where(amounts < 0, debts[owner], amounts)[adds]
        places, (codes, kinds, operands) = self.values[adds], recorder.columns()
        codes[places], kinds[places] = CODE["add"], kind
        operands[places, :2] = np.column_stack([self.values[self._before[adds]], right])

    def _resolved(self, amounts: Integers) -> Integers:
        """What each node is owed; an amount below 0 is -1 - the node whose whole debt it is."""
        values = np.where(self._before < 0, amounts, self.values)
        passed = np.flatnonzero(values < 0)
        follow = np.arange(len(values))
        follow[passed] = self._debts[-1 - values[passed]]
        # who passes a debt on may have it from one who passed it on: halved in each round
        while not np.array_equal(further := follow[follow], follow):
            follow = further
        self.values = values[follow]
        debts: Integers = self.values[self._debts]
        return debts


def _spread(counts: Integers) -> tuple[Integers, Integers]:
    """So many things for each owner, in order: the owner of each, and its place among its own."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
