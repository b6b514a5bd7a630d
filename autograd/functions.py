"""The functions users call, on Values or numbers; each returns a Value or a list of them.

``VALUES`` is the same table as a namespace over Values: derivatives evaluated in it are graphs
themselves, which is all it takes to differentiate again.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from autograd.primitive import Primitive
from autograd.rules import TABLE, count, total
from autograd.value import FLOATS as FLOATS
from autograd.value import Operand, Value, apply, as_value, as_values, operation_of
from autograd.value import affine as affine
from autograd.value import dot as dot

if TYPE_CHECKING:
    from autograd.signatures import *


def log_softmax(*operands: Operand | Iterable[Operand]) -> list[Value]:
    """The logarithms of the softmax: each x minus the logsumexp of all. ValueError for none."""
    return _log_softmax(_some("log_softmax", operands))


def softmax(*operands: Operand | Iterable[Operand]) -> list[Value]:
    """exp(x_i) / (exp(x1) + … + exp(xn)) for each i, without overflow. ValueError for none.

    A common offset changes nothing; an infinite x makes all of them nan, as in PyTorch.

    >>> [p.data for p in softmax([0.0, 0.0])]
    [0.5, 0.5]
    """
    return [x.exp() for x in _log_softmax(_some("softmax", operands))]


def take(values: Iterable[Operand], index: Operand) -> Value:
    """The value at a whole index, counted from 0.

    A plain index or a constant chooses now, and nothing is paid to the other values. A Value that
    requires a gradient is an operand (it gets 0): a compiled program takes another value for each
    row, and nan where there is none at that index.

    Raises IndexError when there is none now.

    >>> x = [Value(2.0), Value(3.0)]
    >>> take(x, 1) is x[1]
    True
    """
    xs, at = as_values(values, "take"), as_value(index, "take")
    place = at._number  # which one now: a recorded program decides anew
    if not (0 <= place < len(xs) and place.is_integer()):
        known = f"the indices 0 to {len(xs) - 1}" if xs else "no indices"
        raise IndexError(f"{len(xs)} values have {known}, got {place:g}")
    return apply(TABLE["take"], *xs, at) if at.requires_grad else xs[int(at)]


def where(condition: Any, a: Operand, b: Operand) -> Value:
    """a where the condition holds, else b; TypeError for what is neither a truth nor a number.

    A plain bool or a constant chooses now, and nothing is paid to the other branch. A traced
    comparison (``less``, ``less_equal``, ``equal``, or any Value, true when it is not 0) is a
    node: a compiled program chooses anew for each row.  Like every operand it is paid the debt
    times its partial, 0: where the debt is infinite that is nan (PyTorch pays a condition nothing).
    """
    if isinstance(condition, Value) and condition.requires_grad:
        return apply(TABLE["where"], condition, a, b)
    return as_value(a if _holds(condition) else b, "where")


def _holds(condition: Any) -> bool:
    """Whether it does; TypeError for what is no condition, such as a list, which is always true."""
    truth = getattr(getattr(condition, "dtype", ""), "kind", "") == "b" and condition.ndim == 0
    if truth or isinstance(condition, bool):
        return bool(condition)
    return bool(as_value(condition, "the condition of where"))


def shifted_logsumexp(xs: Sequence[Value]) -> tuple[Value, Value]:
    """The largest x, and logsumexp less that: their sum would lose the digits of the second.

    >>> [part.data for part in shifted_logsumexp([Value(1e16), Value(1e16)])]
    [1e+16, 0.6931471805599453]
    """
    shift = apply(TABLE["_largest"], *xs)
    return shift, apply(TABLE["_log_total"], *xs, shift)


def _of_many(row: Primitive) -> Callable[..., Value]:
    """The function of a variadic primitive: takes an iterable of operands, or the operands."""

    def function(*operands: Operand | Iterable[Operand]) -> Value:
        return apply(row, *_some(row.name, operands, row.fewest))

    function.__name__ = function.__qualname__ = row.name
    function.__doc__ = (
        f"{row.name} of an iterable of Values or numbers, or of the operands, as one node.\n\n"
        f"{row.note}"
    ).strip()
    return function


def _log_softmax(xs: list[Value]) -> list[Value]:
    shift, total = shifted_logsumexp(xs)
    return [x - shift - total for x in xs]


def _some(name: str, operands: tuple[Any, ...], fewest: int = 1) -> list[Value]:
    alone = len(operands) == 1 and isinstance(operands[0], Iterable)
    values = as_values(operands[0] if alone else operands, name)
    if len(values) < fewest:
        raise ValueError(f"{name} of no values has no answer; it needs at least one")
    return values


VALUES: Any = SimpleNamespace(
    **{name: operation_of(row) for name, row in TABLE.items() if name != "where"},
    divide=operation_of(TABLE["div"]),
    power=operation_of(TABLE["pow"]),
    where=where,
    total=total,
    count=count,
    largest=partial(reduce, Value.maximum),
)

WRITTEN_OUT = {"affine", "dot", "log_softmax", "softmax", "take", "where"}
"""What takes its arguments in its own way; every other function is its row of the table."""

_OF_THE_TABLE = {
    name: _of_many(row) if row.variadic else getattr(Value, name)
    for name, row in TABLE.items()
    if row.public and name not in WRITTEN_OUT
}
globals().update(_OF_THE_TABLE)

NAMES = sorted({*WRITTEN_OUT, *_OF_THE_TABLE})
if not TYPE_CHECKING:  # type checkers find them in `autograd.signatures`
    __all__ = NAMES
