"""The chain rule on groups: what every block owes those that it was computed from.

A *tape* notes what was computed from what.  Read backwards, every step pays: its block's debt times
its row's ``partials``, recorded on blocks; a matrix product pays with two more products.  It is the
repayment of `autograd.backward`, the same for blocks as for floats.  Debts that are paid to a part
of a block are collected, and what is the same for all rows is paid the mean over the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from autograd.compiler.arrays import Place, Shape, are_apart
from autograd.compiler.groups import FEW, TAKE
from autograd.compiler.record import ONE, Block, Number, Recorder, width_of
from autograd.primitive import Primitive


class Tape:
    """Steps in order, and what their results are owed."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.debts: dict[int, dict[Any, Number]] = {}
        """What blocks are owed, by place, shape, and whether the mean is still to be taken."""
        self.steps: list[Callable[[], None]] = []
        """How each step repays."""

    def note(self, repay: Callable[[Number], None], result: Block) -> None:
        """Remember how a debt of the result is repaid, if parameters are behind it."""
        if result.leads:
            self.steps.append(partial(self._settle, result, repay))

    def repay(self) -> None:
        """Pay back, from the last step to the first."""
        while self.steps:
            self.steps.pop()()

    def _settle(self, result: Block, repay: Callable[[Number], None]) -> None:
        debt = self.debt(result)
        if debt is not None:
            repay(debt)

    def pay(self, operand: Block, amount: Number, shape: Shape) -> None:
        """Owe an operand an amount per number of ``shape``, which it was stretched to."""
        recorder = self.recorder
        base, place = recorder.place_of(operand.index)
        if not operand.leads:
            return
        n, m = wanted = recorder.shape_of(operand.index)
        if place and place[0] >= 0:  # what is seen many times is paid once
            wanted = n if place[1] else 1, m if place[2] else 1
        uniform = not operand.varying
        if isinstance(amount, Block) and amount.varying and uniform:
            few = recorder.count(amount.index) <= FEW
            amount = amount if few else recorder.mean(amount)  # few are added up first
        if shape != wanted:
            amount = self._added_up(amount, shape, wanted)
        if place is None:
            wanted = recorder.shape_of(base)
            if isinstance(amount, Block) and amount.shape != ONE:
                amount = recorder.reshaped(recorder.reshaped(amount, (n, m)), wanted)
        late = isinstance(amount, Block) and amount.varying and uniform
        # a mean still to be taken: not to be mixed with what is one
        pile, key = self.debts.setdefault(base, {}), (place, wanted, late)
        if key not in pile:
            pile[key] = amount
        elif not (isinstance(amount, float) and amount == 0.0):
            pile[key] = pile[key] + amount

    def _added_up(self, amount: Number, shape: Shape, wanted: Shape) -> Number:
        """The sum of an amount over what an operand was stretched along."""
        recorder = self.recorder
        for axis in (1, 0):
            if wanted[axis] == 1 and shape[axis] > 1:
                if not isinstance(amount, Block) or amount.shape[axis] == 1:
                    amount = amount * float(shape[axis])
                elif axis == 1:
                    amount = recorder.reduce("sum", amount)
                else:
                    amount = recorder.transposed(
                        recorder.reduce("sum", recorder.transposed(amount))
                    )
        return amount

    def debt(self, block: Block) -> Number | None:
        """All that a block is owed; what is uniform is owed the mean over the rows."""
        pile = self.debts.pop(block.index, None)
        if pile is None:
            return None
        recorder = self.recorder
        for key in [key for key in pile if key[-1]]:
            amount: Number = recorder.mean(recorder.block(pile.pop(key)))
            early = (*key[:-1], False)
            pile[early] = pile[early] + amount if early in pile else amount
        if len(pile) == 1 and (None, block.shape, False) in pile:
            return pile[None, block.shape, False]
        parts = [
            (recorder.reshaped(recorder.block(amount), shape), place or (0, shape[1], 1))
            for (place, shape, _), amount in pile.items()
        ]
        places = [(place, part.shape) for part, place in parts]
        once = are_apart(places, recorder.count(block.index), recorder.tables)
        return recorder.collect(parts, block.shape, once)

    def repay_row(
        self, row: Primitive, operands: Sequence[Number], result: Block, debt: Number
    ) -> None:
        """Pay a debt by the partials of a row.

        A block of several columns stands for as many operands of the row.
        """
        if takes_from_block(row, operands):
            values, index = operands
            partials: Sequence[Number] = self._one_hot(index, width_of(values)), 0.0
        else:
            partials = row.partials(self.recorder.namespace, *operands, result)
        for operand, slope in zip(operands, partials, strict=True):
            if isinstance(operand, Block) and operand.leads:
                self.pay(operand, debt * slope, (result.shape[0], width_of(operand)))

    def repay_product(self, a: Block, b: Block, bias: Number, debt: Number) -> None:
        """Pay the factors (i, k) and (w, k) of a matrix product, and its bias."""
        recorder, shape = self.recorder, (b.shape[0], a.shape[0])
        owed = recorder.reshaped(recorder.block(debt), shape)
        if b.leads:
            self.pay(b, recorder.product(recorder.transposed(a), owed), b.shape)
        if a.leads:
            self.pay(a, recorder.outer(owed, b), a.shape)
        if isinstance(bias, Block):
            self.pay(bias, owed, shape)

    def repay_join(self, parts: Sequence[tuple[Block, Place]], shape: Shape, debt: Number) -> None:
        """Pay blocks that were put together, each with its places in the result."""
        recorder = self.recorder
        for part, place in parts:
            amount = debt
            if isinstance(debt, Block):
                amount = recorder.view(recorder.reshaped(debt, shape), place, part.shape)
            self.pay(part, amount, part.shape)

    def repay_look_up(self, rows: Block, index: Block, debt: Number) -> None:
        """Pay uniform rows (i, k), of each of which the numbers at w places were looked up.

        A number is owed by all who looked it up: their debts times their one-hot rows.
        """
        recorder, (i, k) = self.recorder, rows.shape
        owed = recorder.reshaped(recorder.block(debt), (index.shape[0], i))
        self.pay(rows, recorder.outer(owed, self._one_hot(index, k)), (i, k))
        self.pay(index, owed * 0.0, owed.shape)

    def _one_hot(self, index: Number, count: int) -> Block:
        """Per index a row of zeros, with a one in its place."""
        recorder, m = self.recorder, self.recorder.namespace
        places = recorder.constants_block([*map(float, range(count))])
        row = recorder.reshaped(places, (1, count))
        return recorder.block(m.where(m.equal(index, row), 1.0, 0.0))


def takes_from_block(row: Primitive, operands: Sequence[Number]) -> bool:
    """Whether a row is a ``take`` from several numbers in a block: an operation of its own."""
    return row is TAKE and width_of(operands[0]) > 1
