"""Groups of one node in graphs that do not roll: recorded once per form, and copied after that.

*Form*: a row with the kinds of its operands.  What a row records depends on no more, so that it is
tried once, on a recorder of its own, and what came of it is copied for every node of that form;
what its debt makes it pay back likewise.  Where a trial leads to anything but element-wise
operations there is no form, and the node is recorded like every other group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from autograd.compiler.arrays import CODE, CONSTANTS, ELEMENTWISE
from autograd.compiler.blocks import ONE, Block, Number
from autograd.compiler.record import Recorder
from autograd.primitive import Primitive

VARIES, NEGATIVE, LEADS = 1, 2, 4
"""The kind of a block: whether it varies, is the negative of another, has parameters behind it."""

Kind = tuple[float] | int
"""Of an operand: a constant, or the kind of a block."""

MANY_FORMS = 4096
"""Graphs in which every constant is another one have as many forms as nodes."""

_NEG, _VIEW = CODE["neg"], CODE["view"]
_SIMPLE = {CODE[word] for word in ELEMENTWISE}
_UNKNOWN = CODE["exp"]


@dataclass(frozen=True, slots=True)
class Copied:
    """Operations on single numbers that are recorded again and again, on other operands."""

    codes: bytes
    varies: bytes
    shapes: tuple[tuple[int, int], ...]
    constants: tuple[int, ...]
    operands: Callable[[tuple[int, ...]], Iterable[int]]
    """Picks them from what is given, the constants, the results, and 0."""

    def record(self, recorder: Recorder, given: tuple[int, ...]) -> tuple[int, ...]:
        """Record them; all blocks that they see, given and new."""
        first = len(recorder.codes)
        stop = first + len(self.codes)
        blocks = (*given, *self.constants, *range(first, stop), 0)
        recorder.codes += self.codes
        recorder.varies += self.varies
        recorder.shapes += self.shapes
        recorder.operands.extend(self.operands(blocks))
        return blocks


@dataclass(frozen=True, slots=True)
class Repayment:
    """What a node of some form pays back, for a debt of some kind."""

    copied: Copied | None
    amounts: tuple[tuple[int, float | int], ...]
    """Which of the given blocks gets which: a number, or the place of a block."""


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A row with the kinds of its operands."""

    row: Primitive
    kinds: tuple[Kind, ...]
    copied: Copied
    result: int
    """How far the result is from the first block of a copy."""
    owes: bool
    repayments: dict[Any, Repayment | None] = field(default_factory=dict)

    def operands(self, recorder: Recorder, given: Sequence[int]) -> tuple[Number, ...]:
        """The operands of one node again."""
        blocks: list[Number] = []
        place = 0
        for kind in self.kinds:
            if isinstance(kind, tuple):
                blocks.append(kind[0])
            else:
                place += 2 if kind & NEGATIVE else 1
                blocks.append(Block(recorder, given[place - 1]))
        return tuple(blocks)


@dataclass(slots=True)
class Single:
    """A node of some form: its operands, and the first block of its copy."""

    form: Form
    given: tuple[int, ...]
    first: int


class Forms:
    """The forms of one graph."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._known: dict[Any, Form | None] = {}

    def form(self, row: Primitive, kinds: tuple[Kind, ...]) -> Form | None:
        """The form, if there is one for this row and these kinds of operands."""
        key = row, kinds
        form = self._known.get(key)
        if form is None and key not in self._known:
            if len(self._known) == MANY_FORMS or not all(map(_is_plain, kinds)):
                return None
            form = self._known[key] = self._tried(row, kinds)
        return form

    def repayment(self, form: Form, debt: Kind) -> Repayment | None:
        """What a node of this form pays for a debt of this kind, if that can be copied."""
        repayment = form.repayments.get(debt)
        if repayment is None and debt not in form.repayments:
            if len(form.repayments) == MANY_FORMS or not _is_plain(debt):
                return None
            repayment = form.repayments[debt] = self._repaid(form, debt)
        return repayment

    def _tried(self, row: Primitive, kinds: tuple[Kind, ...]) -> Form | None:
        trial = Recorder(0, 0)
        operands, given = _stand_ins(trial, kinds)
        start = len(trial.codes)
        y = row.forward(trial.namespace, *operands)
        places = {k: place for place, k in enumerate(given)}
        if type(y) is not Block or y.index < start or trial.codes[y.index] not in _SIMPLE:
            return None
        made = [k for k in range(start, len(trial.codes)) if not _is_constant(trial, k)]
        copied = self._copied(trial, made, places)
        if copied is None:
            return None
        owes = any(map(_leads, kinds))
        return Form(row, kinds, copied, made.index(y.index), owes)

    def _repaid(self, form: Form, debt: Kind) -> Repayment | None:
        trial = Recorder(0, 0)
        operands, given = _stand_ins(trial, form.kinds)
        start = len(trial.codes)
        y = form.row.forward(trial.namespace, *operands)
        given += [k for k in range(start, len(trial.codes)) if not _is_constant(trial, k)]
        (owed,), owed_blocks = _stand_ins(trial, (debt,))
        places = {k: place for place, k in enumerate([*given, *owed_blocks])}
        start = len(trial.codes)
        partials = form.row.partials(trial.namespace, *operands, y)
        amounts: list[tuple[int, Number]] = [
            (places[operand.index], owed * partial)
            for operand, kind, partial in zip(operands, form.kinds, partials)
            if _leads(kind) and isinstance(operand, Block)
        ]
        ends = [amount.index for _, amount in amounts if isinstance(amount, Block)]
        made = _needed(trial, ends, start)
        copied = self._copied(trial, made, places) if made else None
        if (made and copied is None) or any(k not in places for k in ends):
            return None
        return Repayment(
            copied,
            tuple(
                (operand, places[amount.index] if isinstance(amount, Block) else float(amount))
                for operand, amount in amounts
            ),
        )

    def _copied(
        self, trial: Recorder, made: Sequence[int], places: dict[int, int]
    ) -> Copied | None:
        """The operations made in a trial; their places, and those of constants, are added."""
        if any(trial.codes[k] not in _SIMPLE or trial.shapes[k] != ONE for k in made):
            return None
        used = {j for k in made for j in _operands(trial, k)}
        constants = sorted(j for j in used if j not in places and _is_constant(trial, j))
        for k in (*constants, *made):
            places[k] = len(places)
        if not used <= places.keys():
            return None
        picked = [
            places[j] if at < _arity(trial, k) else len(places)
            for k in made
            for at, j in enumerate(trial.operands[4 * k : 4 * k + 4])
        ]
        numbers = [trial.constants[trial.operands[4 * k + 1]] for k in constants]
        return Copied(
            bytes(trial.codes[k] for k in made),
            bytes(trial.varies[k] for k in made),
            (ONE,) * len(made),
            tuple([self._recorder.index(number) for number in numbers]),
            itemgetter(*picked),
        )


def _stand_ins(trial: Recorder, kinds: Iterable[Kind]) -> tuple[list[Number], list[int]]:
    """Operands of these kinds, and all blocks that are given with them."""
    operands: list[Number] = []
    start = len(trial.codes)
    for kind in kinds:
        if isinstance(kind, tuple):
            operands.append(kind[0])
            continue
        k = trial.append(_UNKNOWN, (0, 0, 0, 0), ONE, kind & VARIES)
        if kind & NEGATIVE:
            k = trial.append(_NEG, (k, 0, 0, 0), ONE, kind & VARIES)
        operands.append(Block(trial, k))
    return operands, list(range(start, len(trial.codes)))


def _needed(trial: Recorder, ends: Sequence[int], start: int) -> list[int]:
    """The operations from ``start`` on that the ends need, in order."""
    needed = {k for k in ends if k >= start}
    for k in range(len(trial.codes) - 1, start - 1, -1):
        if k in needed and not _is_constant(trial, k):
            needed.update(j for j in _operands(trial, k) if j >= start)
    return sorted(k for k in needed if not _is_constant(trial, k))


def _arity(trial: Recorder, k: int) -> int:
    return _ARITY.get(trial.codes[k], 0)


def _operands(trial: Recorder, k: int) -> Sequence[int]:
    return trial.operands[4 * k : 4 * k + _arity(trial, k)]


def _is_constant(trial: Recorder, k: int) -> bool:
    return trial.codes[k] == _VIEW and trial.operands[4 * k] == CONSTANTS


def _is_plain(kind: Kind) -> bool:
    """0 and -0 are equal, and nan is not."""
    return not isinstance(kind, tuple) or (kind[0] != 0.0 and kind[0] == kind[0])


def _leads(kind: Kind) -> bool:
    return not isinstance(kind, tuple) and bool(kind & LEADS)


_ARITY = {CODE[word]: arity for word, arity in ELEMENTWISE.items()}
