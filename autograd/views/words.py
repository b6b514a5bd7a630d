"""Formulas in words: the rows of the table run on text instead of numbers.

A `Term` is a piece of a formula that knows how strongly it holds together, so that parentheses
appear only where they are needed.  ``formula`` says what an operation computes,
``local_derivatives`` what its partials are; both only read the row, so nothing about a function is
told here a second time.

>>> formula("mul", ["c", "d"]), local_derivatives("mul", ["c", "d"], "e")
('c · d', ['d', 'c'])
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache, lru_cache
from math import isfinite, isnan, pi
from typing import Any

from autograd.primitive import Primitive
from autograd.rules import TABLE, total
from autograd.value import FLOATS

CHOICE, COMPARISON, SUM, QUOTIENT, PRODUCT, POWER, ATOM = range(7)
"""How strongly a formula holds together; a quotient less than a product: (a / b) · c."""
_INNERMOST = re.compile(r"\([^()]*\)")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Term:
    """A piece of a formula; ``number`` when it is one."""

    text: str
    strength: int = ATOM
    number: float | None = None

    def at_least(self, strength: int) -> str:
        """The text, in parentheses if it would fall apart beside something that strong."""
        return self.text if self.strength >= strength else f"({self.text})"

    def behind(self, strength: int) -> str:
        """The same where a sign stands before it: nothing negative follows a sign."""
        return enclosed(self.at_least(strength))

    def __add__(self, other: Any) -> Term:
        other = term(other)
        # as a teacher writes it: no + 0, no · 1, and x · x is x²
        if self.number == 0 or other.number == 0:
            return other if self.number == 0 else self
        added = other.at_least(SUM)
        joined = f"- {added[1:]}" if added.startswith("-") else f"+ {added}"
        return Term(f"{self.at_least(SUM)} {joined}", SUM)

    def __radd__(self, other: Any) -> Term:
        return term(other) + self

    def __sub__(self, other: Any) -> Term:
        other = term(other)
        if self.number is not None and other.number is not None:
            return term(self.number - other.number)
        if other.number == 0:
            return self
        return Term(f"{self.at_least(SUM)} - {other.behind(QUOTIENT)}", SUM)

    def __rsub__(self, other: Any) -> Term:
        return term(other) - self

    def __mul__(self, other: Any) -> Term:
        other = term(other)
        if self.number == 1 or other.number == 1:
            return other if self.number == 1 else self
        if self.number is not None and other.number is not None:
            return term(self.number * other.number)
        if other.number is not None:
            self, other = other, self
        if self == other and self.strength == ATOM:
            return Term(f"{self.text}²", POWER)
        return Term(f"{self.at_least(PRODUCT)} · {other.behind(PRODUCT)}", PRODUCT)

    def __rmul__(self, other: Any) -> Term:
        return term(other) * self

    def __neg__(self) -> Term:
        if self.number is not None:
            return term(-self.number)
        return Term(f"-{self.behind(PRODUCT)}", PRODUCT)


class Words:
    """The namespace of terms: ``m.exp(x)`` is the text ``exp(x)``, for every name of the table."""

    def __getattr__(self, name: str) -> Callable[..., Term]:
        return lambda *terms: Term(f"{name}({', '.join(term(x).text for x in terms)})")

    total = staticmethod(total)

    def divide(self, a: Any, b: Any) -> Term:
        """a / b; of two numbers, their quotient."""
        above, below = term(a), term(b)
        if above.number is not None and below.number:
            return term(above.number / below.number)
        if below.number == 1:
            return above
        return Term(f"{above.at_least(PRODUCT)} / {below.at_least(POWER)}", QUOTIENT)

    def power(self, a: Any, b: Any) -> Term:
        """a², or a^b where the exponent is no small whole number."""
        base, exponent = term(a), term(b)
        if exponent.number == 1:
            return base
        if (
            exponent.number is not None
            and exponent.number.is_integer()
            and abs(exponent.number) < 100
        ):
            raised = str(int(exponent.number)).translate(_SUPERSCRIPTS)
            return Term(base.at_least(ATOM) + raised, POWER)
        return Term(f"{base.at_least(ATOM)}^{exponent.at_least(ATOM)}", POWER)

    def absolute(self, a: Any) -> Term:
        """|a|"""
        return Term(f"|{term(a).text}|")

    def sqrt(self, a: Any) -> Term:
        """√a"""
        return Term(f"√{term(a).at_least(ATOM)}", POWER)

    def less(self, a: Any, b: Any) -> Term:
        """a < b"""
        return self._compared(a, "<", b)

    def greater(self, a: Any, b: Any) -> Term:
        """a > b"""
        return self._compared(a, ">", b)

    def less_equal(self, a: Any, b: Any) -> Term:
        """a ≤ b"""
        return self._compared(a, "≤", b)

    def equal(self, a: Any, b: Any) -> Term:
        """a = b, decided at once between numbers."""
        return self._compared(a, "=", b)

    def where(self, condition: Any, a: Any, b: Any) -> Term:
        """a if condition else b, or the one that is meant when the condition is plain."""
        c, first, second = term(condition), term(a), term(b)
        if c.number is not None:
            return first if c.number else second
        if first.text == second.text:
            return first
        parts = first.at_least(COMPARISON), c.at_least(COMPARISON), second.at_least(COMPARISON)
        return Term("{} if {} else {}".format(*parts), CHOICE)

    def _compared(self, a: Any, sign: str, b: Any) -> Term:
        a, b = term(a), term(b)
        if a.number is not None and b.number is not None:
            x, y = a.number, b.number
            return term(float({"<": x < y, ">": x > y, "≤": x <= y, "=": x == y}[sign]))
        return Term(f"{a.at_least(SUM)} {sign} {b.at_least(SUM)}", COMPARISON)


WORDS = Words()
SPELLED_OUT = {*"add sub mul div pow neg pos less less_equal equal where".split()}
SPELLED_OUT |= {"sum", "dot", "absolute", "sqrt"}
"""Operations that read better as signs than as a call of their name."""
MOST_SPELLED_OUT = 9


def formula(op: str, operands: Sequence[str | float]) -> str:
    """What a primitive computes, in the names (or numbers) of its operands."""
    return spell(op, [term(operand) for operand in operands]).text


def spell(op: str, operands: Sequence[Term]) -> Term:
    """What a primitive computes, as a term that can be part of a longer formula."""
    if op in SPELLED_OUT and len(operands) <= MOST_SPELLED_OUT:
        return term(TABLE[op].forward(WORDS, *operands))
    return Term(call(op, [x.text for x in operands]))


def call(op: str, operands: Sequence[str]) -> str:
    """An operation as the call of a function, shortened in the middle when it has many operands."""
    shown = operands if len(operands) <= 8 else [*operands[:4], "…", *operands[-2:]]
    return f"{op}({', '.join(shown)})"


def substitute(op: str, custom: bool, values: Sequence[float]) -> str:
    """The formula of an operation with numbers put in, the negative ones in parentheses.

    >>> substitute("mul", False, [3.0, -2.0])
    '3 · (-2)'
    """
    # a longer formula is a call of its operation, and has more operands than there are holes
    if custom or not 0 < len(values) <= MOST_SPELLED_OUT:
        return call(op, [show(x) for x in values])
    pattern = template(op, len(values))
    # inside the parentheses of a call no sign stands before a number
    bare = pattern.endswith(")")
    numbers = [x if bare else enclosed(x) for x in map(show, values)]
    return "".join(numbers[ord(c) - HOLE] if HOLE <= ord(c) < HOLE + 4096 else c for c in pattern)


def enclosed(number: str) -> str:
    """A negative number in parentheses, for standing behind a sign."""
    return f"({number})" if number.startswith(("-", "−")) else number


def sum_of(amounts: Sequence[str]) -> str:
    """A pile in words: ``2 + 3``, the middle of a long one left out."""
    shown = [*amounts[:4], "…", *amounts[-3:]] if len(amounts) > 8 else list(amounts)
    return " + ".join([shown[0], *map(enclosed, shown[1:])]) if shown else ""


HOLE = 0xF0000
"""Operand k of a template is the private-use character HOLE + k."""


def template(op: str, count: int) -> str:
    """The formula of an operation with holes for its operands."""
    return formula(op, [chr(HOLE + slot) for slot in range(count)])


def local_derivatives(op: str, operands: Sequence[str | float], result: str) -> list[str]:
    """The partial of a primitive to each operand, in words, as a teacher writes it.

    >>> local_derivatives("tanh", ["x"], "y"), local_derivatives("div", ["a", "b"], "c")
    (['1 - y²'], ['1 / b', '-a / b²'])
    """
    given = [term(operand) for operand in operands]
    return [term(x).text for x in taught(WORDS, op, given, term(result), Term("π"))]


def taught_slopes(op: str, operands: Sequence[float], result: float) -> list[float]:
    """What those formulas come to: the partials, but at a kink, where a convention decides."""
    return [float(x) for x in taught(FLOATS, op, operands, result, pi)]


def taught(m: Any, op: str, operands: Sequence[Any], result: Any, circle: Any) -> Iterator[Any]:
    """The derivatives as taught, in a namespace: of words, of floats or of scripts."""
    row, count = TABLE[op], len(operands)
    for slot in range(count):
        text, slots = _derivative(row, slot, count)
        place = slots[row.arguments[0]] if row.roles else 0
        names = {"y": result, "pi": circle, "n": float(count), "k": float(place)}
        names |= {name: operands[k] for name, k in slots.items() if k < count}
        yield _run(_parsed(text), names, m)


_derivative = lru_cache(4096)(Primitive.derivative)


@cache
def _parsed(text: str) -> ast.expr:
    """A formula of the table, which has a few dozen."""
    return ast.parse(text, mode="eval").body


_SIGNS: dict[type[ast.AST], Callable[[Any, Any, Any], Any]] = {
    ast.Add: lambda m, a, b: a + b,
    ast.Sub: lambda m, a, b: a - b,
    ast.Mult: lambda m, a, b: a * b,
    ast.Div: lambda m, a, b: m.divide(a, b),
    ast.Pow: lambda m, a, b: m.power(a, b),
    ast.Lt: lambda m, a, b: m.less(a, b),
    ast.Gt: lambda m, a, b: m.greater(a, b) if m is WORDS else m.less(b, a),
}


def _run(tree: ast.expr, names: Mapping[str, Any], m: Any) -> Any:
    """A formula of the table with names put in."""
    match tree:
        case ast.Constant(int() | float() as value):
            return float(value)
        case ast.Name(name):
            return names[name]
        case ast.UnaryOp(ast.USub(), operand):
            return -_run(operand, names, m)
        case ast.BinOp(left, sign, right) | ast.Compare(left, [sign], [right]):
            return _SIGNS[type(sign)](m, _run(left, names, m), _run(right, names, m))
        case ast.Call(ast.Name(name), operands):
            return getattr(m, name)(*(_run(x, names, m) for x in operands))
    raise ValueError(f"the table's formulas have no {ast.dump(tree)}")


def term(x: Any) -> Term:
    """Text is a name, a number is itself, a term stays as it is."""
    if isinstance(x, Term):
        return x
    if isinstance(x, str):
        return Term(x, _strength(x))
    text = show(float(x))
    return Term(text, PRODUCT if text.startswith("-") else ATOM, float(x))


def _strength(name: str) -> int:
    """How strongly a name holds together: it may be a formula, as ``x1*w1 + x2*w2``."""
    while _INNERMOST.search(name):
        name = _INNERMOST.sub("", name)
    by_sign = {"+-−": SUM, "/÷": QUOTIENT, "*·×": PRODUCT, "^⁻⁰¹²³⁴⁵⁶⁷⁸⁹": POWER}
    return next((found for signs, found in by_sign.items() if {*signs} & {*name}), ATOM)


_EXACT = 1e12


def show(x: float, digits: int = 7) -> str:
    """A number for reading: whole numbers as they are, others with a few digits at most.

    >>> show(3.0), show(0.1 + 0.2), show(1e-9), show(-12345678.9)
    ('3', '0.3', '1e-9', '-1.234568e7')
    """
    if not isfinite(x):
        return "nan" if isnan(x) else "inf" if x > 0 else "-inf"
    if x.is_integer() and abs(x) < min(_EXACT, 10.0 ** (digits + 5)):
        return str(int(x))
    # as one rounds by hand, and as the page does: format() rounds a half to even
    rounded = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(Decimal(x))
    sign, figures, exponent = rounded.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, figures)).rstrip("0")
    return "-" * sign + _placed(text, len(figures) + exponent, digits)


def _placed(digits: str, point: int, most: int) -> str:
    """Digits with the decimal point after the first ``point`` of them, or with an exponent."""
    if not -4 < point <= most:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{digits[0]}{rest}e{point - 1}"
    if point <= 0:
        return f"0.{'0' * -point}{digits}"
    whole = digits.ljust(point, "0")
    return whole if len(whole) == point else f"{whole[:point]}.{whole[point:]}"
