"""How a payment meets what a single number is owed already: added, subtracted, or known at once."""

from __future__ import annotations

from math import copysign

import numpy as np

from autograd.compiler.arrays import CODE, Integers
from autograd.compiler.record import Recorder
from autograd.compiler.singles import NEGATIVE, VARIES

PREVIOUS, AMOUNT, CONSTANT, PREVIOUS_NEGATED, AMOUNT_NEGATED = range(5)
"""Operands of a merge: what was there, what is paid, what these are the negative of."""

NUMBERS = 5
"""The kinds of piles from here on are numbers that are known; 0 is no pile, 1 to 4 are blocks."""

_MOST = 250


class Merges:
    """The merges that came up so far, by number, in columns."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._numbers: list[float] = []
        self._kind_of: dict[str, int] = {}
        self.known: dict[int, tuple[int, int]] = {}
        """By ``kind there << 8 | kind paid``: the kind then, and the merge."""
        self._merges = [(0, AMOUNT, AMOUNT, 0, 0)]

    @property
    def columns(self) -> Integers:
        """Per merge: the code, its left and right side, the constant, whether the result varies.

        Without a code the left side is what is owed then.
        """
        return np.array(self._merges, np.int64)

    def kind(self, number: float) -> int:
        """The kind of a number; 0 where there are too many."""
        kind = self._kind_of.get(repr(number))
        if kind is None:
            if len(self._numbers) == _MOST or number != number:
                return 0
            kind = self._kind_of[repr(number)] = NUMBERS + len(self._numbers)
            self._numbers.append(number)
        return kind

    def number(self, kind: int) -> float:
        """The number of this kind."""
        return self._numbers[kind - NUMBERS]

    def of(self, both: int) -> tuple[int, int]:
        """The kind of a pile after a payment, and the number of the merge."""
        was, paid = both >> 8, both & 255
        self.known[both] = merge = self._merged(was, paid) if was else (paid, 0)
        return merge

    def _merged(self, was: int, paid: int) -> tuple[int, int]:
        if was < NUMBERS and paid < NUMBERS:
            kind = 1 + ((was - 1 | paid - 1) & VARIES)
            if (paid - 1) & NEGATIVE:
                return self._add(kind, "sub", PREVIOUS, AMOUNT_NEGATED)
            if (was - 1) & NEGATIVE:
                return self._add(kind, "sub", AMOUNT, PREVIOUS_NEGATED)
            return self._add(kind, "add", PREVIOUS, AMOUNT)
        if was < NUMBERS or paid < NUMBERS:
            block, there = (was, True) if was < NUMBERS else (paid, False)
            number, side = self.number(paid if there else was), PREVIOUS if there else AMOUNT
            kind = 1 + (block - 1 & VARIES)
            if number == 0.0 and (there or copysign(1.0, number) < 0.0):
                return self._add(kind, "", side, side)
            return self._add(kind, "add", side, CONSTANT, number)
        total = self.number(was) + self.number(paid)
        kind = self.kind(total)
        return self._add(kind or 1, "", CONSTANT, CONSTANT, None if kind else total)

    def _add(
        self, kind: int, word: str, left: int, right: int, number: float | None = None
    ) -> tuple[int, int]:
        constant = 0 if number is None else self._recorder.index(number)
        varies = int(kind < NUMBERS and kind - 1 & VARIES)
        self._merges.append((CODE[word] if word else 0, left, right, constant, varies))
        return kind, len(self._merges) - 1
