"""What single nodes record, and what they pay back: tried once per form, and copied ever after.

*Form*: a row with the kinds of its operands.  What a row records on single numbers depends on no
more, nor does what it pays for a debt that varies where its value does.  Both are tried on a
recorder of their own, and what came of it is the form's operations: those of the value, then those
of the repayment.  Where they are not element-wise there is no form, and the node is recorded like
every other group.

The operands of these operations are *picks*: a place among what a copy is given.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property, reduce
from operator import or_
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import CODE, CONSTANTS, ELEMENTWISE, Integers
from autograd.compiler.blocks import LEADS, ONE, VARIES, Block, Number
from autograd.compiler.record import Recorder
from autograd.primitive import Primitive

FIXED, VALUE, PAID, DEBT, OPERAND = range(5)
"""Where a pick is: a block whatever the copy, among the operations of the value or the repayment,
what the node is owed, an operand."""

_ARITY = {CODE[word]: arity for word, arity in ELEMENTWISE.items()}
_UNKNOWN = CODE["exp"]


Form: TypeAlias = tuple[int, int]
"""A row with the kinds of its operands: its number, and the kind of the result."""


class Columns(NamedTuple):
    """The forms of a graph, one behind the other."""

    codes: npt.NDArray[np.uint8]
    kinds: npt.NDArray[np.uint8]
    picks: Integers
    """(n, 3, 2): what the operations take."""
    amounts: Integers
    """(m, 3): operand and pick of each payment."""
    arities: Integers
    results: Integers
    """Per form: which operation the value is."""
    values: Integers
    """(2, forms): where the operations of the value begin, and how many there are."""
    repaid: Integers
    """(2, forms): of the repayment."""
    paid: Integers
    """(2, forms): where the payments begin, and how many there are."""


class Forms:
    """The forms of one graph."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._codes, self._kinds = bytearray(), bytearray()
        self._picks, self._amounts, self._forms = array("q"), array("q"), array("q")

    @cached_property
    def columns(self) -> Columns:
        """All of them."""
        codes, every = (np.frombuffer(bytes(x), np.uint8) for x in (self._codes, self._kinds))
        picks, amounts = np.array(self._picks), np.array(self._amounts)
        arities, results, *each = np.array(self._forms).reshape(-1, 8).T
        runs = (np.stack(each[k : k + 2]) for k in (0, 2, 4))
        return Columns(
            codes, every, picks.reshape(-1, 3, 2), amounts.reshape(-1, 3), arities, results, *runs
        )

    def form(self, row: Primitive, operands: Sequence[int | float]) -> Form | None:
        """The form for this row and operands of these kinds, floats being known, if it has one."""
        kinds = [0 if isinstance(operand, float) else operand for operand in operands]
        trial, picks = Recorder(0, 0), dict[int, tuple[int, int]]()
        numbers: list[Number] = []
        for place, (operand, kind) in enumerate(zip(operands, kinds)):
            known = isinstance(operand, float)
            numbers.append(operand if known else _stand_in(trial, picks, kind, (OPERAND, place)))
        y = row.forward(trial.namespace, *numbers)
        # what comes out as one of the operands, or as a number, is no operation to copy
        kind = reduce(or_, kinds)
        if type(y) is not Block or y.index in picks or trial.kinds[y.index] != kind:
            return None
        debt = _stand_in(trial, picks, kind & VARIES, (DEBT, 0))
        partials = row.partials(trial.namespace, *numbers, y)
        owed = {k: debt * partials[k] for k, kind in enumerate(kinds) if kind & LEADS}
        ends = {place: trial.index(amount) for place, amount in owed.items()}
        value = _needed(trial, [y.index], picks)
        repaid = _needed(trial, ends.values(), {*picks, *value})
        if not all(_is_constant(trial, k) or _is_simple(trial, k) for k in (*value, *repaid)):
            return None
        runs = self._write(trial, value, picks, VALUE), self._write(trial, repaid, picks, PAID)
        payments = len(self._amounts) // 3, len(ends)
        for place, k in ends.items():
            self._amounts.extend((place, *picks[k]))
        result = picks[y.index][1]
        self._forms.extend((len(operands), result, *runs[0], *runs[1], *payments))
        self.__dict__.pop("columns", None)
        return len(self._forms) // 8 - 1, kind

    def _write(
        self, trial: Recorder, made: Sequence[int], picks: dict[int, Any], kind: int
    ) -> tuple[int, int]:
        """Write down operations made in a trial: where they begin, and how many there are."""
        first = len(self._codes)
        for k in made:
            if _is_constant(trial, k):
                number = trial.constants[trial.operands[4 * k + 1]]
                picks[k] = FIXED, self._recorder.index(number)
                continue
            picks[k] = kind, len(self._codes) - first
            self._codes.append(trial.codes[k])
            self._kinds.append(trial.kinds[k])
            some = [picks[j] for j in _operands(trial, k)]
            for pick in (*some, *[(FIXED, 0)] * (3 - len(some))):
                self._picks.extend(pick)
        return first, len(self._codes) - first


def _stand_in(trial: Recorder, picks: dict[int, Any], kind: int, pick: tuple[int, int]) -> Block:
    k = trial.append(_UNKNOWN, (0, 0, 0, 0), ONE, kind)
    picks[k] = pick
    return Block(trial, k)


def _needed(trial: Recorder, ends: Iterable[int], known: Any) -> list[int]:
    """The operations that the ends need and that are not known, in order."""
    needed = {*ends}
    for k in range(len(trial.codes) - 1, CONSTANTS, -1):
        if k in needed and k not in known:
            needed.update(_operands(trial, k))
    return sorted(needed.difference(known))


def _operands(trial: Recorder, k: int) -> Sequence[int]:
    return trial.operands[4 * k : 4 * k + _ARITY.get(trial.codes[k], 0)]


def _is_simple(trial: Recorder, k: int) -> bool:
    return trial.codes[k] in _ARITY and trial.shape_of(k) == ONE


def _is_constant(trial: Recorder, k: int) -> bool:
    return trial.codes[k] == CODE["view"] and trial.operands[4 * k] == CONSTANTS
