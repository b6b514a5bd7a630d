"""The functions users call, on Values or numbers; each returns a Value.

``VALUES`` is the same table as a namespace over Values: derivatives evaluated in it are graphs
themselves, which is all it takes to differentiate again.
"""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from autograd.rules import TABLE
from autograd.value import Operand, Value, affine, apply, as_value, as_values, dot, operation_of

exp, expm1, log, log1p, sqrt = Value.exp, Value.expm1, Value.log, Value.log1p, Value.sqrt
sin, cos, tan = Value.sin, Value.cos, Value.tan
arcsin, arccos, arctan = Value.arcsin, Value.arccos, Value.arctan
sinh, cosh, tanh = Value.sinh, Value.cosh, Value.tanh
erf, erfc = Value.erf, Value.erfc
sigmoid, softplus, relu, leaky_relu = Value.sigmoid, Value.softplus, Value.relu, Value.leaky_relu
silu, gelu, absolute = Value.silu, Value.gelu, Value.absolute
maximum, minimum = Value.maximum, Value.minimum
less, less_equal, equal = map(operation_of, ("less", "less_equal", "equal"))

__all__ = [
    "absolute", "affine", "arccos", "arcsin", "arctan", "cos", "cosh", "dot", "equal", "erf",
    "erfc", "exp", "expm1", "gelu", "leaky_relu", "less", "less_equal", "log", "log1p",
    "log_softmax", "logsumexp", "maximum", "mean", "minimum", "relu", "sigmoid", "silu", "sin",
    "sinh", "softmax", "softplus", "sqrt", "sum", "tan", "tanh", "where",
]  # fmt: skip


def sum(*operands: Operand | Iterable[Operand]) -> Value:
    """The sum of an iterable, ``sum([a, b, c])``, or of the operands, as one node; 0 for none.

    >>> sum([Value(1.0), Value(2.0), 3]).data
    6.0
    """
    return apply(TABLE["sum"], *_operands("sum", operands))


def mean(*operands: Operand | Iterable[Operand]) -> Value:
    """The arithmetic mean, as one node. ValueError for none."""
    return apply(TABLE["mean"], *_some("mean", operands))


def logsumexp(*operands: Operand | Iterable[Operand]) -> Value:
    """log(exp(x1) + … + exp(xn)) without overflow, as one node. ValueError for none."""
    return apply(TABLE["logsumexp"], *_some("logsumexp", operands))


def log_softmax(*operands: Operand | Iterable[Operand]) -> list[Value]:
    """The logarithms of the softmax: each x minus the logsumexp of all. ValueError for none."""
    return _log_softmax(_some("log_softmax", operands))


def softmax(*operands: Operand | Iterable[Operand]) -> list[Value]:
    """exp(x_i) / (exp(x1) + … + exp(xn)) for each i, without overflow. ValueError for none.

    >>> [p.data for p in softmax([0.0, 0.0])]
    [0.5, 0.5]
    """
    return [x.exp() for x in _log_softmax(_some("softmax", operands))]


def where(condition: Any, a: Operand, b: Operand) -> Value:
    """a where the condition holds, else b.

    A plain bool or a constant chooses now, and nothing is paid to the other branch. A traced
    comparison (``less``, ``less_equal``, ``equal``, or any Value, true when it is not 0) is a
    node: a compiled program chooses anew for each row.
    """
    if isinstance(condition, Value) and condition.requires_grad:
        return apply(TABLE["where"], condition, a, b)
    return as_value(a if condition else b, "where")


VALUES: Any = SimpleNamespace(
    **{name: operation_of(name) for name in TABLE if name != "where"},
    divide=operation_of("div"),
    power=operation_of("pow"),
    where=where,
)


def _log_softmax(xs: list[Value]) -> list[Value]:
    total = apply(TABLE["logsumexp"], *xs)
    return [x - total for x in xs]


def _operands(name: str, operands: tuple[Any, ...]) -> list[Value]:
    alone = len(operands) == 1 and isinstance(operands[0], Iterable)
    return as_values(operands[0] if alone else operands, name)


def _some(name: str, operands: tuple[Any, ...]) -> list[Value]:
    values = _operands(name, operands)
    if not values:
        raise ValueError(f"{name} of no values has no answer; it needs at least one")
    return values
