"""Kernels for the page: the rows of the table run on source text give JavaScript.

``kernel("mul", 2)`` is the source of a function that takes the operands as an array and returns
the value and the partials, and where a convention may decide, also the partials as taught.  The
elementary functions are JavaScript's ``Math``; what it lacks (erf, erfc, a ``pow`` with IEEE
results) the page supplies as ``basis``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import isinf, isnan, pi
from typing import Any

from autograd.rules import BASIS, TABLE, namespace
from autograd.views.words import taught

_MATH = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "absolute": "abs",
}  # fmt: skip
_SIGNS = {
    "divide": "{0} / {1}",
    "less": "+({0} < {1})",
    "less_equal": "+({0} <= {1})",
    "equal": "+({0} === {1})",
    "where": "{0} !== 0 ? {1} : {2}",
    "maximum": "{0} >= {1} || {0} !== {0} ? {0} : {1}",
    "minimum": "{0} <= {1} || {0} !== {0} ? {0} : {1}",
    "power": "basis.power({0}, {1})",
    "hypot": "Math.hypot({0}, {1})",
    "arctan2": "Math.atan2({0}, {1})",
    "erf": "basis.erf({0})",
    "erfc": "basis.erfc({0})",
}


@dataclass(slots=True)
class Script:
    """Lines of JavaScript, one constant each; the same expression is written once."""

    lines: list[str] = field(default_factory=list)
    known: dict[str, Name] = field(default_factory=dict)

    def let(self, expression: str) -> Name:
        """A constant that holds an expression."""
        if expression not in self.known:
            name = Name(self, f"t{len(self.lines)}")
            self.lines.append(f"const {name.text} = {expression};")
            self.known[expression] = name
        return self.known[expression]


def _sign(pattern: str) -> Callable[..., Name]:
    """An operator that writes itself into the script."""
    return lambda a, *b: a.script.let(pattern.format(a.text, *map(source, b)))


@dataclass(frozen=True, slots=True)
class Name:
    """A number in a script."""

    script: Script
    text: str

    __add__, __radd__ = _sign("{0} + {1}"), _sign("{1} + {0}")
    __sub__, __rsub__ = _sign("{0} - {1}"), _sign("{1} - {0}")
    __mul__, __rmul__ = _sign("{0} * {1}"), _sign("{1} * {0}")
    __neg__ = _sign("-{0}")


def kernel(op: str, count: int) -> str:
    """The source of a function from an array of ``count`` operands to ``[value, partials]``."""
    script = Script()
    words = namespace({name: _written(script, name) for name in BASIS})
    operands = [Name(script, f"x[{slot}]") for slot in range(count)]
    row = TABLE[op]
    value = row.forward(words, *operands)
    y = value if isinstance(value, Name) else script.let(source(value))
    told: list[Iterable[Any]] = [row.partials(words, *operands, y)]
    if row.conventions:
        told.append(taught(words, op, operands, y, pi))
    shown = ", ".join(f"[{', '.join(map(source, slopes))}]" for slopes in told)
    return f"(x) => {{ {' '.join(script.lines)} return [{y.text}, {shown}]; }}"


def source(x: Any) -> str:
    """A number of the script, or a plain one, as JavaScript; negative ones in parentheses."""
    if isinstance(x, Name):
        return x.text
    if isnan(x):
        return "NaN"
    text = repr(float(x)) if not isinf(x) else "Infinity" if x > 0 else "-Infinity"
    return f"({text})" if text.startswith("-") else text


def _written(script: Script, name: str) -> Callable[..., Name]:
    """The elementary function of that name, writing itself into the script."""
    pattern = _SIGNS.get(name, f"Math.{_MATH.get(name, name)}({{0}})")
    return lambda *operands: script.let(pattern.format(*map(source, operands)))
