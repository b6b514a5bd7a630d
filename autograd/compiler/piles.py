"""What the nodes of stretches are owed and pay back.

Paying back takes two steps.  Walking the nodes backwards one learns of what kind each debt is, and
so which template each node repays with, and how every payment meets the *pile* that is there
already: its *merge*.  Then what is written down where follows by counting and sorting.

A pile has a *target*: twice the number, plus 1 where the mean over the rows is still to be taken.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd.compiler.arrays import CODE, Integers
from autograd.compiler.blocks import ONE, Block, Number
from autograd.compiler.copies import PIECE, Given, Page, operands_of, spread
from autograd.compiler.merges import AMOUNT, CONSTANT, NUMBERS, PREVIOUS, Merges
from autograd.compiler.record import Recorder
from autograd.compiler.repay import Step, Tape
from autograd.compiler.singles import (
    DEBT,
    FIXED,
    NEGATED,
    NOTHING,
    OPERAND,
    OWN,
    VALUE,
    VARIES,
    Amount,
    Columns,
    Form,
    Forms,
    Repayment,
)  # fmt: skip

_OWN, _LATE = (None, ONE, False), (None, ONE, True)
_ITSELF = -1
"""The operand that a mean is paid to: the node it is taken for."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Single nodes one behind the other."""

    numbers: Integers
    forms: Integers
    """The template of each."""
    operands: Integers
    """Numbers, those of one node behind those of the other."""
    starts: Integers
    """Where those of each node begin."""
    firsts: Integers
    """The first block of each."""

    def operands_between(self, start: int, stop: int) -> Integers:
        """The numbers of the operands of these nodes."""
        end = self.starts[stop] if stop < len(self.starts) else len(self.operands)
        return self.operands[self.starts[start] : end]


class Walk:
    """What the nodes of a piece of a stretch pay, from the last to the first."""

    def __init__(self) -> None:
        self.nodes, self.repayments = array("q"), array("q")
        """Who pays, and the number of the repayment."""
        self.sources = array("q")
        """The target that each pays from, or -1 - block."""
        self.merges = array("q")
        """One per payment."""
        self.stuck = False
        """Whether the node before cannot be repaid by a copy."""


class Debts:
    """The piles of all numbers."""

    def __init__(
        self, tape: Tape, blocks: array[int], forms: Forms, by_template: dict[int, Form]
    ) -> None:
        self._tape, self._recorder, self._blocks = tape, tape.recorder, blocks
        self._forms, self._by_template = forms, by_template
        self._merges = Merges(tape.recorder)
        self._piles = bytearray()
        """Per target: the kind of its pile."""
        self._owed = np.zeros(0, np.int64)
        """Per target: the block of its pile."""
        self._within = np.zeros(0, np.bool_)
        """Per number: whether a stretch repays for it."""
        self._last = np.zeros(0, np.int64)
        self._known: dict[tuple[int, int], Any] = {}
        """Per form and kind of debt: number and payments of a repayment."""
        self._templates, self._starts = array("q"), array("q", [0])
        """Per repayment: its template, and where its amounts begin."""
        self._amounts = array("q")
        self._nothing = self._forms.templates.add(b"", b"", ())
        averaged = bytes([CODE["mean"]]), bytes([0]), [(DEBT, 0), NOTHING, NOTHING]
        taken = Amount(_ITSELF, False, None, 0, (OWN, 0), NOTHING)
        self._mean = self._note(Repayment(self._forms.templates.add(*averaged), (taken,)))

    def repay(self, stretch: Stretch) -> None:
        """Pay back for a stretch, from its last node to its first."""
        if not len(self._last):
            count = len(self._blocks)
            self._piles = bytearray(2 * count)
            self._owed, self._last = np.zeros(2 * count, np.int64), np.full(2 * count, -1)
            self._within = np.zeros(count, np.bool_)
        self._within[stretch.numbers] = True
        outside = [self._take_over(self._others(stretch))]
        stop = len(stretch.numbers)
        while stop > 0:
            walk = Walk()
            stop = self._walk(stretch, max(0, stop - PIECE), stop, walk)
            outside.append(self._settle(stretch, walk))
            if walk.stuck:
                stop -= 1
                self._pay_by_hand(stretch, stop)
        self._hand_over(np.unique(np.concatenate(outside)))

    def _walk(self, stretch: Stretch, start: int, stop: int, walk: Walk) -> int:
        """Note what nodes pay, down to ``start`` or to one that is stuck: how far it went."""
        piles, debts, known, merged = self._piles, self._tape.debts, self._known, self._merges.known
        numbers, forms, starts = (
            x[start:stop].tolist() for x in (stretch.numbers, stretch.forms, stretch.starts)
        )
        operands, first = stretch.operands_between(start, stop).tolist(), starts[0]
        blocks, sources, merges = self._blocks, walk.sources.append, walk.merges.append
        nodes, repayments = walk.nodes.append, walk.repayments.append
        for k in range(stop - start - 1, -1, -1):
            number, at = numbers[k], starts[k] - first
            if blocks[number] in debts:
                self._bring_in(start + k, number, walk)
            if piles[2 * number + 1]:
                self._pay(start + k, number, (2 * number + 1, *self._mean), walk)
            kind = piles[2 * number]
            if not kind:
                continue
            repayment, payments = known.get((forms[k], kind)) or self._learn(forms[k], kind)
            if payments is None:
                walk.stuck = True
                return start + k + 1
            nodes(start + k)
            repayments(repayment)
            sources(2 * number)
            for operand, late, paid in payments:
                target = 2 * operands[at + operand] + late
                both = piles[target] << 8 | paid
                piles[target], merge = merged.get(both) or self._merges.of(both)
                merges(merge)
        return start

    def _learn(self, form: int, kind: int) -> Any:
        """Number and payments of the repayment of a form, for a kind of debt."""
        debt = self._merges.number(kind) if kind >= NUMBERS else kind - 1 & VARIES
        repayment = self._forms.repayment(self._by_template[form], debt)
        known = self._known[form, kind] = self._note(repayment) if repayment else (0, None)
        return known

    def _note(self, repayment: Repayment) -> tuple[int, tuple[tuple[int, bool, int], ...]]:
        """The number of a repayment, and its payments: operand, whether late, kind of pile."""
        payments = []
        for amount in repayment.amounts:
            kind, pick = amount.kind + 1, amount.pick
            if amount.number is not None:
                kind = self._merges.kind(amount.number)
                if not kind:
                    kind, pick = 1, (FIXED, self._recorder.index(amount.number))
            payments.append((amount.operand, amount.late, kind))
            self._amounts.extend((amount.operand, amount.late, *pick, *amount.negated))
        self._templates.append(repayment.template)
        self._starts.append(len(self._amounts) // 6)
        return len(self._templates) - 1, tuple(payments)

    def _pay(self, node: int, number: int, paid: Any, walk: Walk) -> None:
        """One payment to the node itself: (source, repayment, its payments)."""
        source, repayment, ((_, late, kind),) = paid
        target = 2 * number + late
        both = self._piles[target] << 8 | kind
        self._piles[target], merge = self._merges.known.get(both) or self._merges.of(both)
        walk.nodes.append(node)
        walk.repayments.append(repayment)
        walk.sources.append(source)
        walk.merges.append(merge)
        if source >= 0:
            self._piles[source] = 0

    def _bring_in(self, node: int, number: int, walk: Walk) -> None:
        """What others owe a node, by the tape."""
        tape, block = self._tape, self._blocks[number]
        pile = tape.debts[block]
        if pile.keys() <= {_OWN, _LATE}:
            tape.debts.pop(block)
            owed: list[tuple[bool, Any]] = [(key[-1], amount) for key, amount in pile.items()]
        else:
            owed = [(False, tape.debt(Block(self._recorder, block)))]
        for late, amount in owed:
            kind, index = self._seen(amount)
            pick = NOTHING if kind >= NUMBERS else (DEBT, 0)
            known = self._known.get((-1 - late, kind))
            if known is None:
                given = Amount(_ITSELF, late, None, kind - 1, pick, NOTHING)
                known = self._note(Repayment(self._nothing, (given,)))
                self._known[-1 - late, kind] = known
            self._pay(node, number, (-1 - index, *known), walk)

    def _pay_by_hand(self, stretch: Stretch, node: int) -> None:
        """Repay for a node as for a group."""
        recorder, number = self._recorder, int(stretch.numbers[node])
        kind, self._piles[2 * number] = self._piles[2 * number], 0
        debt: Number = Block(recorder, int(self._owed[2 * number]))
        if kind >= NUMBERS:
            debt = self._merges.number(kind)
        form = self._by_template[int(stretch.forms[node])]
        given = stretch.operands_between(node, node + 1).tolist()
        operands = tuple(
            each if isinstance(each, float) else Block(recorder, self._blocks[k])
            for each, k in zip(form.operands, given)
        )
        result = Block(recorder, self._blocks[number])
        self._tape.repay_step(Step(form.row, operands, (0,) * len(operands), result), debt)

    # -- columns --------------------------------------------------------------------------------

    def _settle(self, stretch: Stretch, walk: Walk) -> Integers:
        """Write down what was noted; the targets outside of stretches that were paid."""
        nodes, repayments, sources = (
            np.array(each) for each in (walk.nodes, walk.repayments, walk.sources)
        )
        first, stop = (np.array(self._starts)[repayments + k] for k in (0, 1))
        owner, place = spread(stop - first)
        amounts = np.array(self._amounts).reshape(-1, 6)[first[owner] + place]
        numbers, starts = stretch.numbers[nodes], stretch.starts[nodes]
        others = amounts[:, 0] >= 0
        to = numbers[owner]
        to[others] = stretch.operands[(starts[owner] + amounts[:, 0])[others]]
        bases = np.zeros((6, len(nodes)), np.int64)
        bases[VALUE], bases[OPERAND:] = stretch.firsts[nodes], starts
        given = Given(bases, stretch.operands, np.frombuffer(self._blocks, np.int64))
        targets = 2 * to + amounts[:, 1]
        merges = self._merges.columns[np.array(walk.merges)]
        payments = Payments(self._recorder, targets, owner, amounts, merges, given)
        payments.meet(sources, self._last, self._owed)
        payments.write(self._forms.templates.columns, np.array(self._templates)[repayments])
        ends = payments.ends
        self._owed[targets[ends]] = payments.values[ends]
        piles = np.frombuffer(self._piles, np.uint8)
        kinds = piles[targets[ends]]
        piles[targets[ends]] = np.where((kinds > 2) & (kinds < NUMBERS), kinds - 2, kinds)
        outside: Integers = targets[ends][~self._within[to[ends]]]
        return outside

    def _others(self, stretch: Stretch) -> Integers:
        """The operands that are no nodes of stretches."""
        read = np.zeros(len(self._within), np.bool_)
        read[stretch.operands] = True
        return np.flatnonzero(read & ~self._within)

    def _take_over(self, numbers: Integers) -> Integers:
        """Go on with what parts of groups are owed by the tape; which targets these are."""
        taken = []
        for number in numbers.tolist():
            base, place = self._recorder.place_of(self._blocks[number])
            for late in (False, True):
                pile, key = self._tape.debts.get(base, {}), (place, ONE, late)
                if key in pile:
                    amount = pile.pop(key)
                    target = 2 * number + late
                    self._piles[target], self._owed[target] = self._seen(amount)
                    taken.append(target)
            if not self._tape.debts.get(base, True):
                del self._tape.debts[base]
        return np.array(taken, np.int64)

    def _seen(self, amount: Number) -> tuple[int, int]:
        """The kind of an amount, and the block where that is none of a number."""
        kind = 0 if isinstance(amount, Block) else self._merges.kind(amount)
        if kind:
            return kind, 0
        index = self._recorder.index(amount)
        return 1 + self._recorder.varies[index], index

    def _hand_over(self, targets: Integers) -> None:
        """Let the tape know what is owed to parts of groups."""
        recorder = self._recorder
        for target in targets.tolist():
            kind, self._piles[target] = self._piles[target], 0
            amount: Number = Block(recorder, int(self._owed[target]))
            if kind >= NUMBERS:
                amount = self._merges.number(kind)
            base, place = recorder.place_of(self._blocks[target // 2])
            self._tape.owe(base, (place, ONE, bool(target % 2)), amount)


class Payments:
    """The payments of a piece of a stretch, as columns."""

    def __init__(
        self, recorder: Recorder, targets: Integers, owner: Integers, amounts: Integers,
        merges: Integers, given: Given,
    ) -> None:  # fmt: skip
        self._recorder, self._targets, self._owner = recorder, targets, owner
        self._picks, self._negated, self._given = amounts[:, 2:4], amounts[:, 4:], given
        self._words, self._left, self._right, self._constants, self._varies = merges.T
        self.values = np.zeros(len(targets), np.int64)
        """What is owed after each."""
        self.ends = self._sources = self._before = self._there = np.zeros(0, np.int64)
        """The last payments to each target."""

    def meet(self, sources: Integers, last: Integers, owed: Integers) -> None:
        """Find out which payment each one meets, and which one each payer pays from."""
        targets = self._targets
        order = np.argsort(targets, kind="stable")
        goes_on = targets[order[1:]] == targets[order[:-1]]
        self._before = np.full(len(targets), -1)
        self._before[order[1:][goes_on]] = order[:-1][goes_on]
        self.ends = order[np.append(~goes_on, True)[: len(order)]]
        last[targets[self.ends]] = self.ends
        self._sources = np.where(sources < 0, -1, last[np.maximum(sources, 0)])
        last[targets[self.ends]] = -1
        self._there = owed[targets]
        """What is owed before the first of them."""
        self._debts = np.where(sources < 0, -1 - sources, owed[np.maximum(sources, 0)])

    def write(self, columns: Columns, templates: Integers) -> None:
        """Write down what payers compute, and after it how their payments meet the piles."""
        sizes, is_new = columns.sizes[templates], self._words > 0
        added = np.bincount(self._owner[is_new], minlength=len(templates))
        page = Page(self._recorder, int((sizes + added).sum()))
        ends = page.first + np.cumsum(sizes + added)
        self._given.bases[OWN] = ends - sizes - added
        new = np.flatnonzero(is_new)
        places = ends[self._owner[new]] - added[self._owner[new]] + spread(added)[1]
        self.values[new] = places
        self._resolve(~is_new)
        page.copy(columns, templates, self._given)
        page.codes[places - page.first] = self._words[new]
        page.varies[places - page.first] = self._varies[new]
        sides = self._sides(new)
        for column, side in enumerate((self._left, self._right)):
            page.operands[places - page.first, column] = sides[side[new], np.arange(len(new))]
        page.close()

    def _resolve(self, old: Any) -> None:
        """What is owed after payments that record nothing: what another payment left there."""
        follow, owner = np.arange(len(old)), self._owner
        known = old & (self._left == CONSTANT)
        self.values[known] = self._constants[known]
        kept = np.flatnonzero(old & (self._left == PREVIOUS))
        follow[kept], self.values[kept] = self._before[kept], self._there[kept]
        taken = old & (self._left == AMOUNT)
        passed = np.flatnonzero(taken & (self._picks[:, 0] == DEBT))
        payers = owner[passed]
        follow[passed], self.values[passed] = self._sources[payers], self._debts[payers]
        made = np.flatnonzero(taken & (self._picks[:, 0] != DEBT))
        self.values[made] = self._picked(self._picks[made], owner[made])
        follow = np.where(follow < 0, np.arange(len(old)), follow)
        while not np.array_equal(further := follow[follow], follow):
            follow = further
        self.values = self.values[follow]
        paid = self._sources >= 0
        self._debts[paid] = self.values[self._sources[paid]]
        self._given.bases[DEBT] = self._debts

    def _sides(self, new: Integers) -> Integers:
        """What these payments may add up, by PREVIOUS, AMOUNT, …."""
        before, owner = self._before[new], self._owner
        first = before < 0
        return np.stack([
            np.where(first, self._there[new], self.values[before]),
            self._picked(self._picks[new], owner[new]),
            self._constants[new],
            self._picked(self._negated[before], owner[before]),
            self._picked(self._negated[new], owner[new]),
        ])  # fmt: skip

    def _picked(self, picks: Integers, owner: Integers) -> Integers:
        found, negated = self._given.picked(picks, owner), picks[:, 0] == NEGATED
        if negated.any():
            found[negated] = operands_of(self._recorder)[found[negated], 0]
        return found
