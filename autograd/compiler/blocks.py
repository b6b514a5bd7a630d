"""Numbers that are not known yet: blocks, with ``+ - *``, and what can be said of them at once.

A few steps that change nothing in IEEE arithmetic are left out: ``x * 1``, ``x - 0``, ``x / 1``,
``x ** 1``.  ``x + 0`` and ``0 * x`` stay, because -0 + 0 is 0 and 0 * inf is nan.
"""

from __future__ import annotations

from collections.abc import Callable
from math import frexp
from typing import TYPE_CHECKING, Any, TypeAlias

from autograd.compiler.arrays import Shape

if TYPE_CHECKING:
    from autograd.compiler.record import Recorder

ONE: Shape = (1, 1)

VARIES, LEADS = 1, 2
"""The kind of a block: whether it varies, and whether it is owed what parameters behind it are."""


class Block:
    """A block that is not known yet: the result of one operation."""

    __slots__ = ("index", "recorder")

    def __init__(self, recorder: Recorder, index: int) -> None:
        self.recorder = recorder
        self.index = index

    @property
    def shape(self) -> Shape:
        """Its (n, m)."""
        return self.recorder.shape_of(self.index)

    @property
    def varying(self) -> bool:
        """Whether it has a number per row."""
        return bool(self.recorder.kinds[self.index] & VARIES)

    @property
    def leads(self) -> bool:
        """Whether there are parameters behind it: all others are not paid."""
        return bool(self.recorder.kinds[self.index] & LEADS)

    def __add__(self, other: Number) -> Number:
        if not isinstance(other, Block) and repr(other) == "-0.0":
            return self
        return self.recorder.emit("add", self, other)

    __radd__ = __add__

    def __mul__(self, other: Number) -> Number:
        if not isinstance(other, Block) and other == 1.0:
            return self
        return self.recorder.emit("mul", self, other)

    __rmul__ = __mul__

    def __sub__(self, other: Number) -> Number:
        if not isinstance(other, Block) and repr(other) == "0.0":
            return self
        return self.recorder.emit("sub", self, other)

    def __rsub__(self, other: float) -> Number:
        return self.recorder.emit("sub", other, self)

    def __neg__(self) -> Number:
        return self.recorder.emit("neg", self)


Number: TypeAlias = Block | float
"""What rows work on while recording: a float is known already."""


def width_of(operand: Number) -> int:
    """How many operands of a row it stands for."""
    return operand.shape[1] if isinstance(operand, Block) else 1


def _simpler_quotient(m: Any, a: Number, b: Number) -> Number | None:
    """x / 1 is x, and dividing by a power of two is multiplying by its exact inverse."""
    if isinstance(b, Block) or b == 0.0 or abs(frexp(b)[0]) != 0.5 or not 1e-300 < abs(b) < 1e300:
        return None
    return a * (1.0 / b)


def _simpler_power(m: Any, a: Number, b: Number) -> Number | None:
    """Small whole powers are products."""
    if isinstance(b, Block) or b not in _POWERS:
        return None
    return _POWERS[b](m, a)


def _simpler_choice(m: Any, condition: Number, a: Number, b: Number) -> Number | None:
    """A condition that is known has chosen already."""
    if not isinstance(condition, Block):
        return a if condition else b
    return None


_POWERS: dict[float, Callable[[Any, Any], Number]] = {
    -1.0: lambda m, x: m.divide(1.0, x),
    0.0: lambda m, x: 1.0,
    1.0: lambda m, x: x,
    2.0: lambda m, x: x * x,
    3.0: lambda m, x: x * x * x,
}

SIMPLER: dict[str, Callable[..., Number | None]] = {
    "divide": _simpler_quotient,
    "power": _simpler_power,
    "where": _simpler_choice,
}
