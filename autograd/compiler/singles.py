"""What single nodes record, tried once per form, and written down for all copies at once.

*Form*: a row with the kinds of its operands.  What a row records on single numbers depends on no
more, so that it is tried once, on a recorder of its own, and what came of it is a *template*; what
its debt makes it pay back likewise.  Where a trial leads to anything but element-wise operations
there is no form, and the node is recorded like every other group.

A template's operands are *picks*: a place among what a copy is given.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import CODE, CONSTANTS, ELEMENTWISE, Integers
from autograd.compiler.blocks import ONE, Block, Number
from autograd.compiler.record import Recorder
from autograd.primitive import Primitive

VARIES, NEGATIVE, LEADS = 1, 2, 4
"""The kind of a block: whether it varies, is the negative of another, has parameters behind it."""

CONSTANT = 8
"""Kinds from here on are constants."""

FIXED, OWN, VALUE, DEBT, OPERAND, NEGATED = range(6)
"""Where a pick is: a block whatever the copy, among the operations of the copy, among those of the
node's value, what the node is owed, an operand, what an operand is the negative of."""

Pick = tuple[int, int]
NOTHING: Pick = (FIXED, 0)
MANY_FORMS = 4096

_NEG, _VIEW = CODE["neg"], CODE["view"]
_SIMPLE = {CODE[word] for word in ELEMENTWISE}
_UNKNOWN = CODE["exp"]


@dataclass(frozen=True, slots=True)
class Amount:
    """What an operand is paid: a number, or a pick of a certain kind."""

    operand: int
    late: bool
    """Whether the mean over the rows is still to be taken."""
    number: float | None
    kind: int
    pick: Pick
    negated: Pick
    """Of the negative of something, that."""


@dataclass(frozen=True, slots=True)
class Repayment:
    """What a node of some form pays back, for a debt of some kind."""

    template: int
    amounts: tuple[Amount, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A row with the kinds of its operands."""

    row: Primitive
    operands: tuple[int | float, ...]
    """Kinds, and constants."""
    template: int
    kind: int
    """Of the result."""


class Columns(NamedTuple):
    """Templates as columns, one behind the other."""

    starts: Integers
    codes: npt.NDArray[np.uint8]
    varies: npt.NDArray[np.uint8]
    picks: Integers
    """(n, 3, 2)"""

    @property
    def sizes(self) -> Integers:
        """How many operations each has."""
        return np.diff(self.starts)


class Templates:
    """Operations on single numbers that are recorded again and again, on other operands."""

    def __init__(self) -> None:
        self._codes, self._varies = bytearray(), bytearray()
        self._picks, self._starts = array("q"), array("q", [0])
        self._forms = array("q")

    def add(self, codes: bytes, varies: bytes, picks: Iterable[Pick]) -> int:
        """A new template's number."""
        self._codes += codes
        self._varies += varies
        for pick in picks:
            self._picks.extend(pick)
        self._starts.append(len(self._codes))
        self._forms.extend((0, 0))
        self.__dict__.pop("columns", None)
        return len(self._starts) - 2

    def say(self, template: int, arity: int, result: int) -> None:
        """How many operands the template of a value has, and which operation is the value."""
        self._forms[2 * template], self._forms[2 * template + 1] = arity, result

    @cached_property
    def columns(self) -> Columns:
        """All of them."""
        codes, varies = (np.frombuffer(bytes(x), np.uint8) for x in (self._codes, self._varies))
        picks = np.array(self._picks).reshape(-1, 3, 2)
        return Columns(np.array(self._starts), codes, varies, picks)

    @property
    def forms(self) -> tuple[Integers, Integers]:
        """Per template of a value: how many operands it has, and which operation the value is."""
        arities, results = np.array(self._forms).reshape(-1, 2).T
        return arities, results


class Forms:
    """The forms of one graph."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.templates = Templates()
        self._tried_already = 0

    def form(self, row: Primitive, operands: tuple[int | float, ...]) -> Form | None:
        """The form for this row and operands of these kinds, if there is one."""
        if self._tried_already == MANY_FORMS:
            return None
        self._tried_already += 1
        trial = Recorder(0, 0)
        numbers, picks = _stand_ins(trial, operands)
        start = len(trial.codes)
        y = row.forward(trial.namespace, *numbers)
        if type(y) is not Block or y.index < start or trial.codes[y.index] not in _SIMPLE:
            return None
        made = [k for k in range(start, len(trial.codes)) if not _is_constant(trial, k)]
        template = self._template(trial, made, picks)
        if template is None:
            return None
        kind = trial.varies[y.index] | (NEGATIVE if trial.codes[y.index] == _NEG else 0)
        kind |= LEADS if any(map(_leads, operands)) else 0
        if not kind & VARIES and any(_kind(operand) & VARIES for operand in operands):
            return None
        self.templates.say(template, len(operands), made.index(y.index))
        return Form(row, operands, template, kind)

    def repayment(self, form: Form, debt: int | float) -> Repayment | None:
        """What a node of this form pays for a debt of this kind, if that can be copied."""
        trial = Recorder(0, 0)
        numbers, picks = _stand_ins(trial, form.operands)
        start = len(trial.codes)
        y = form.row.forward(trial.namespace, *numbers)
        made = [k for k in range(start, len(trial.codes)) if not _is_constant(trial, k)]
        picks |= {k: (VALUE, place) for place, k in enumerate(made)}
        owed: Number = debt if isinstance(debt, float) else _stand_in(trial, debt)
        if isinstance(owed, Block):
            picks[owed.index] = DEBT, 0
        start = len(trial.codes)
        partials = form.row.partials(trial.namespace, *numbers, y)
        amounts = {
            place: owed * partial
            for place, (operand, partial) in enumerate(zip(form.operands, partials))
            if _leads(operand)
        }
        ends = [amount.index for amount in amounts.values() if isinstance(amount, Block)]
        template = self._template(trial, _needed(trial, ends, start), picks)
        if template is None or not picks.keys() >= {*ends}:
            return None
        told = [_amount(trial, form, k, amount, picks) for k, amount in amounts.items()]
        return Repayment(template, tuple(told))

    def _template(self, trial: Recorder, made: Sequence[int], picks: dict[int, Pick]) -> int | None:
        """A template of the operations made in a trial; picks of what it sees are added."""
        if any(trial.codes[k] not in _SIMPLE or trial.shapes[k] != ONE for k in made):
            return None
        for j in {j for k in made for j in _operands(trial, k)} - picks.keys():
            if _is_constant(trial, j):
                number = trial.constants[trial.operands[4 * j + 1]]
                picks[j] = FIXED, self._recorder.index(number)
        picks |= {k: (OWN, place) for place, k in enumerate(made)}
        if not all(j in picks for k in made for j in _operands(trial, k)):
            return None
        each = [[picks[j] for j in _operands(trial, k)] for k in made]
        negated = [some[0][0] for k, some in zip(made, each) if trial.codes[k] == _NEG]
        if NEGATED in negated:
            return None
        return self.templates.add(
            bytes(trial.codes[k] for k in made),
            bytes(trial.varies[k] for k in made),
            (pick for some in each for pick in (*some, *[NOTHING] * (3 - len(some)))),
        )


def _stand_ins(
    trial: Recorder, operands: Iterable[int | float]
) -> tuple[list[Number], dict[int, Pick]]:
    """Operands of these kinds, and the picks that blocks given with them are."""
    numbers: list[Number] = []
    picks: dict[int, Pick] = {}
    for place, kind in enumerate(operands):
        numbers.append(kind if isinstance(kind, float) else _stand_in(trial, kind))
        if not isinstance(kind, float):
            k = len(trial.codes) - 1
            picks[k] = OPERAND, place
            if kind & NEGATIVE:
                picks[k - 1] = NEGATED, place
    return numbers, picks


def _stand_in(trial: Recorder, kind: int) -> Block:
    varies = kind & VARIES
    k = trial.append(_UNKNOWN, (0, 0, 0, 0), ONE, varies)
    return Block(trial, trial.append(_NEG, (k, 0, 0, 0), ONE, varies) if kind & NEGATIVE else k)


def _amount(
    trial: Recorder, form: Form, operand: int, amount: Number, picks: dict[int, Pick]
) -> Amount:
    if not isinstance(amount, Block):
        return Amount(operand, False, float(amount), 0, NOTHING, NOTHING)
    k = amount.index
    varies, pick = trial.varies[k], picks[k]
    late = bool(varies) and not _kind(form.operands[operand]) & VARIES
    if trial.codes[k] != _NEG or pick[0] != OWN:
        return Amount(operand, late, None, varies, pick, NOTHING)
    return Amount(operand, late, None, varies | NEGATIVE, pick, picks[trial.operands[4 * k]])


def _needed(trial: Recorder, ends: Sequence[int], start: int) -> list[int]:
    """The operations from ``start`` on that the ends need, in order."""
    needed = {k for k in ends if k >= start}
    for k in range(len(trial.codes) - 1, start - 1, -1):
        if k in needed and not _is_constant(trial, k):
            needed.update(j for j in _operands(trial, k) if j >= start)
    return sorted(k for k in needed if not _is_constant(trial, k))


def _operands(trial: Recorder, k: int) -> Sequence[int]:
    return trial.operands[4 * k : 4 * k + _ARITY.get(trial.codes[k], 0)]


def _is_constant(trial: Recorder, k: int) -> bool:
    return trial.codes[k] == _VIEW and trial.operands[4 * k] == CONSTANTS


def _leads(operand: int | float) -> bool:
    return bool(_kind(operand) & LEADS)


def _kind(operand: int | float) -> int:
    return 0 if isinstance(operand, float) else operand


_ARITY = {CODE[word]: arity for word, arity in ELEMENTWISE.items()}
