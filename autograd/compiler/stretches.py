"""Groups of one node in graphs that do not roll: noted one by one, recorded all at once.

*Stretch*: single nodes one behind the other.  Of each no more is noted than a few integers: its
form, and the *numbers* of its operands.  A number is that of a group of one node; what lies
outside of stretches, parts of groups and constants, gets a number of its own.  When a stretch ends,
the templates of its nodes are written into the recorder's columns by NumPy.

How they are paid for is in `piles`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from functools import partial
from math import copysign
from typing import Any

import numpy as np

from autograd.compiler.arrays import CODE, CONSTANTS, INPUTS, PARAMETERS
from autograd.compiler.blocks import ONE, Block
from autograd.compiler.copies import PIECE, Given, Page
from autograd.compiler.groups import FEW, TAKE, Found
from autograd.compiler.piles import Debts, Stretch
from autograd.compiler.repay import Tape
from autograd.compiler.singles import CONSTANT, LEADS, NEGATIVE, OPERAND, OWN, Form, Forms
from autograd.value import Value

UNFIT, OTHER = 254, 255
"""The kinds of what no form takes, and of what is no single block."""

MANY_CONSTANTS = 200
"""So many constants have forms of their own, in which 1 x is x; others are blocks like any."""

_NEG = CODE["neg"]


class Singles:
    """Single nodes by number, and what they are owed."""

    def __init__(self, tape: Tape, group_of: dict[Value, int], slots: dict[Value, int]) -> None:
        self.recorder, self._tape, self._group_of, self._slots = (
            tape.recorder, tape, group_of, slots
        )  # fmt: skip
        count = len(group_of) + 3
        self.blocks = array("q", bytes(8 * count))
        """Of each group: its block."""
        self.blocks[1], self.blocks[2] = INPUTS, CONSTANTS
        self._kinds = bytearray([OTHER]) * count
        self._forms = Forms(self.recorder)
        self._known: dict[Any, Form | None] = {}
        self._by_template: dict[int, Form] = {}
        self._outside: dict[Any, int] = {}
        self._constants: list[float] = []
        self._pending = array("i"), array("i"), array("i")
        self.debts = Debts(self._tape, self.blocks, self._forms, self._by_template)

    # -- values ---------------------------------------------------------------------------------

    def note(self, entries: Iterator[tuple[int, Found]]) -> tuple[int, Found] | None:
        """Note single nodes, up to the first group that is none; that one."""
        group_of, kinds, known = self._group_of, self._kinds, self._known
        numbers, templates, operands = self._pending
        for number, node in entries:
            if type(node) is not Value or not node.requires_grad:
                return number, node
            right = node._right
            if right is not None:
                left = node._left
                a, b = group_of[left], group_of[right]
                if kinds[a] == OTHER:
                    a = self._number(left, a)
                if kinds[b] == OTHER:
                    b = self._number(right, b)
                key: Any = (node._made_by, kinds[a], kinds[b])
                form = known[key] if key in known else self._form(key)
                if form is None:
                    return number, node
                operands.append(a)
                operands.append(b)
            else:
                parents = node.parents
                if len(parents) > 2 * FEW + 1 or node._made_by is TAKE:
                    return number, node
                given = [self._number(each, group_of[each]) for each in parents]
                key = (node._made_by, *[kinds[k] for k in given])
                form = known[key] if key in known else self._form(key)
                if form is None:
                    return number, node
                operands.extend(given)
            numbers.append(number)
            templates.append(form.template)
            kinds[number] = form.kind
        return None

    def _form(self, key: Any) -> Form | None:
        """The form of a row and kinds of operands, which was not asked for before."""
        row, *kinds = key
        if UNFIT in kinds:
            return None
        operands = [self._constants[k - CONSTANT] if k >= CONSTANT else k for k in kinds]
        form = self._known[key] = self._forms.form(row, tuple(operands))
        if form:
            self._by_template[form.template] = form
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
            kind = recorder.varies[block.index]
            kind |= LEADS if self._tape.leads(block) else 0
            kind |= NEGATIVE if recorder.codes[block.index] == _NEG else 0
            if not block.varying and self._tape.is_of_rows(block):
                kind = UNFIT
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
        numbers, forms, operands = (np.array(each) for each in self._pending)
        for each in self._pending:
            del each[:]
        templates = self._forms.templates
        arities, results = templates.forms
        sizes = templates.columns.sizes[forms]
        firsts = len(self.recorder.codes) + np.cumsum(sizes) - sizes
        starts = np.cumsum(arities[forms]) - arities[forms]
        blocks = np.frombuffer(self.blocks, np.int64)
        found = blocks[numbers] = firsts + results[forms]
        stretch = Stretch(numbers, forms, operands, starts, firsts)
        for start in range(0, len(numbers), PIECE):
            piece = slice(start, start + PIECE)
            page = Page(self.recorder, int(sizes[piece].sum()))
            bases = np.zeros((6, len(sizes[piece])), np.int64)
            bases[OWN], bases[OPERAND:] = firsts[piece], starts[piece]
            page.copy(templates.columns, forms[piece], Given(bases, operands, blocks))
            page.close()
        leads = np.frombuffer(self._kinds, np.uint8)[numbers] & LEADS
        self._tape.lead(found[leads > 0])
        self._tape.note_stretch(partial(self.debts.repay, stretch))
