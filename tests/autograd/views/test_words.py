"""Formulas in words: readable, and saying what the row computes."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Value, maximum, trace
from autograd.rules import TABLE
from autograd.value import FLOATS, apply
from autograd.views.words import (
    WORDS,
    Term,
    formula,
    local_derivatives,
    show,
    substitute,
    sum_of,
    taught_slopes,
    term,
)

LETTERS = ["a", "b", "c", "d", "t"]


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_row_can_be_read(name):
    operands = LETTERS[: TABLE[name].arity or 5]
    assert formula(name, operands)
    words = local_derivatives(name, operands, "y")
    assert len(words) == len(operands)
    longest = 300 if name.startswith("_") else 100
    assert all(0 < len(text) < longest and "Term" not in text for text in words)
    private = [row for row in TABLE if not TABLE[row].public]
    assert not any(f"{row}(" in text for row in private for text in words)


@pytest.mark.parametrize(
    ("op", "operands", "text", "locals_"),
    [
        ("add", ["a", "b"], "a + b", ["1", "1"]),
        ("sub", ["a", "b"], "a - b", ["1", "-1"]),
        ("mul", ["a", "a"], "a²", ["a", "a"]),
        ("div", ["a", "b"], "a / b", ["1 / b", "-a / b²"]),
        ("pow", ["x", 2.0], "x²", ["2 · x", "y · log(x)"]),
        ("pow", ["x", -1.0], "x⁻¹", ["-1 · x⁻²", "y · log(x)"]),
        ("exp", ["x"], "exp(x)", ["y"]),
        ("tan", ["x"], "tan(x)", ["1 + y²"]),
        ("absolute", ["x"], "|x|", ["sign(x)"]),
        ("sum", ["a", "b", "c"], "a + b + c", ["1", "1", "1"]),
        ("dot", ["w", "x", "b"], "b + w · x", ["x", "w", "1"]),
        # labels that are formulas themselves, as in the lectures on micrograd
        ("mul", ["x1*w1 + x2*w2", "k"], "(x1*w1 + x2*w2) · k", ["k", "x1*w1 + x2*w2"]),
        ("mul", ["x1*w1", "f(a + g(b))"], "x1*w1 · f(a + g(b))", ["f(a + g(b))", "x1*w1"]),
        ("div", ["a-b", "dL/dw"], "(a-b) / (dL/dw)", ["1 / (dL/dw)", "-(a-b) / (dL/dw)²"]),
        ("pow", ["x²", 2.0], "(x²)²", ["2 · x²", "y · log(x²)"]),
    ],
)
def test_reads_as_one_would_write_it(op, operands, text, locals_):
    assert formula(op, operands) == text
    assert local_derivatives(op, operands, "y") == locals_


@pytest.mark.parametrize(
    ("op", "operands", "text"),
    [
        ("add", [0.0, "x"], "x"),
        ("add", ["x", 0.0], "x"),
        ("add", ["x", -2.0], "x - 2"),
        ("sub", ["x", 0.0], "x"),
        ("sub", ["x", -2.0], "x - (-2)"),
        ("sub", [3.0, 1.0], "2"),
        ("mul", [1.0, "x"], "x"),
        ("mul", ["x", 1.0], "x"),
        ("mul", ["x", 2.0], "2 · x"),
        ("mul", [3.0, 2.0], "6"),
        ("div", ["x", 1.0], "x"),
        ("div", [3.0, 2.0], "1.5"),
        ("div", [0.0, "x"], "0 / x"),
        ("div", ["x", 0.0], "x / 0"),
        ("pow", ["x", 1.0], "x"),
        ("pow", ["x", 99.0], "x⁹⁹"),
        ("pow", ["x", 100.0], "x^100"),
        ("pow", ["x", -99.0], "x⁻⁹⁹"),
        ("pow", ["x", 0.5], "x^0.5"),
        ("pow", ["x", "n"], "x^n"),
        ("neg", ["x"], "-x"),
        ("neg", [2.0], "-2"),
        ("pos", ["x"], "x"),
        ("less", ["a", "b"], "a < b"),
        ("less_equal", ["a", "b"], "a ≤ b"),
        ("equal", ["a", "b"], "a = b"),
        ("less", [1.0, 2.0], "1"),
        ("less", [2.0, 2.0], "0"),
        ("less_equal", [2.0, 2.0], "1"),
        ("less_equal", [3.0, 2.0], "0"),
        ("equal", [2.0, 2.0], "1"),
        ("equal", [2.0, 3.0], "0"),
        ("where", ["c", "a", "b"], "a if c else b"),
        ("where", ["c", "a", "a"], "a"),
        ("where", [1.0, "a", "b"], "a"),
        ("where", [0.0, "a", "b"], "b"),
        ("sqrt", ["x"], "√x"),
        ("exp2", ["x"], "exp2(x)"),
        ("sum", list("abcdefghi"), " + ".join("abcdefghi")),
        ("sum", list("abcdefghij"), "sum(a, b, c, d, …, i, j)"),
        ("mean", list("abcdefgh"), "mean(a, b, c, d, e, f, g, h)"),
        ("mean", list("abcdefghi"), "mean(a, b, c, d, …, h, i)"),
    ],
)
def test_what_is_plain_is_left_out(op, operands, text):
    assert formula(op, operands) == text


def test_eight_payments_are_written_out():
    assert sum_of(list("abcdefgh")) == " + ".join("abcdefgh")
    assert sum_of(list("abcdefghi")) == "a + b + c + d + … + g + h + i"
    assert sum_of([]) == ""
    assert sum_of(["−1", "−2"]) == "−1 + (−2)"


def test_parentheses_where_they_are_needed():
    assert formula("mul", ["a", -2.0]) == "-2 · a"
    assert substitute("sub", False, [1.0, -2.0]) == "1 - (-2)"
    assert substitute("tanh", False, [-2.0]) == "tanh(-2)"
    assert substitute("wave", True, [-2.0, 1.0]) == "wave(-2, 1)"


def test_long_sums_are_shortened():
    assert sum_of([str(i) for i in range(20)]) == "0 + 1 + 2 + 3 + … + 17 + 18 + 19"
    assert sum_of(["-1", "-2"]) == "-1 + (-2)"
    assert formula("mean", [f"x{i}" for i in range(20)]).endswith("x3, …, x18, x19)")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shown_numbers_keep_seven_digits(x):
    assert math.isclose(float(show(x)), x, rel_tol=5.1e-7)
    assert len(show(x)) <= 15


@pytest.mark.parametrize(
    ("x", "text"),
    [(-0.0, "0"), (1e-4, "0.0001"), (9.9999999e-5, "0.0001"), (math.inf, "inf"), (1e300, "1e300")],
)
def test_shown_numbers(x, text):
    assert show(x) == text


@pytest.mark.parametrize("name", sorted(name for name, row in TABLE.items() if row.public))
def test_what_is_taught_comes_to_the_partials(name):
    row = TABLE[name]
    domain = row.domain * 3 if row.variadic else row.domain
    operands = [0.4 * max(low, -1) + 0.6 * min(high, 2.5) for low, high in domain]
    operands = [x + 0.05 * k for k, x in enumerate(operands)]
    if name != "take":
        node = apply(row, *map(Value, operands))
        assert taught_slopes(name, operands, node.data) == pytest.approx(list(node.partials))


def test_a_convention_is_no_formula():
    a, b = Value(2.0, label="a"), Value(2.0, label="b")
    assert [edge.text for edge in trace(maximum(a, b)).edges] == ["∂c/∂a = 0.5", "∂c/∂b = 0.5"]
    b.data = 1.0
    assert trace(maximum(a, b)).edges[0].text == "∂c/∂a = 1 if a > b else 0 = 1"


# -- read back -------------------------------------------------------------------------------------

RAISED = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"


class Reader:
    """Reads a formula as a strict reader would, who knows the rules of precedence and no others.

    What a careful hand avoids is refused: a quotient before a factor (a / b · c), a sign before a
    sign (a - -b), and a root whose length cannot be seen (√a²).
    """

    def __init__(self, text, numbers):
        self.tokens = re.findall(
            rf"\d[\d.]*(?:e-?\d+)?|[a-z_][a-z_0-9]*|[{RAISED}]+|\S", text.replace("√", " √ ")
        )
        self.numbers = numbers

    def read(self):
        value = self.choice()
        assert not self.tokens, self.tokens
        return value

    def here(self):
        return self.tokens[0] if self.tokens else ""

    def take(self, *wanted):
        return self.tokens.pop(0) if self.here() in wanted else None

    def choice(self):
        value = self.comparison()
        if not self.take("if"):
            return value
        condition = self.comparison()
        assert self.take("else")
        other = self.comparison()
        return value if condition else other

    def comparison(self):
        value = self.sum()
        sign = self.take("<", ">", "≤", "=")
        if not sign:
            return value
        other = self.sum()
        return float(
            {"<": value < other, ">": value > other, "≤": value <= other}.get(sign, value == other)
        )

    def sum(self):
        value = self.quotient()
        while sign := self.take("+", "-"):
            assert self.here() != "-"
            other = self.quotient()
            value = value + other if sign == "+" else value - other
        return value

    def quotient(self):
        value = self.product()
        if not self.take("/"):
            return value
        value = FLOATS.divide(value, self.power())
        assert self.here() not in ("·", "/")
        return value

    def product(self):
        value = -self.power() if self.take("-") else self.power()
        while self.take("·"):
            value *= self.power()
        return value

    def power(self):
        root = self.here() == "√"
        value = self.atom()
        if self.here()[:1] in RAISED and self.here():
            assert not root
            return FLOATS.power(
                value, float(self.tokens.pop(0).translate(str.maketrans(RAISED, "-0123456789")))
            )
        if self.take("^"):
            assert not root
            return FLOATS.power(value, self.atom())
        return value

    def atom(self):
        token = self.tokens.pop(0)
        if token == "√":
            assert self.here() != "√"
            return FLOATS.sqrt(self.atom())
        if token in "(|":
            value = self.choice()
            assert self.take(")" if token == "(" else "|")
            return value if token == "(" else abs(value)
        if self.take("("):
            operands = [self.choice()]
            while self.take(","):
                operands.append(self.choice())
            assert self.take(")")
            return TABLE[token].forward(FLOATS, *operands)
        return self.numbers[token] if token in self.numbers else float(token)


NAMES = ("a", "b", "c")
CALLS = {
    **dict.fromkeys(("absolute", "sqrt", "exp"), 1),
    **dict.fromkeys(("divide", "power", "less", "less_equal", "equal", "greater"), 2),
    "where": 3,
}


def trees():
    """Formulas as nested tuples: a name, a number, a sign or a call of something smaller."""
    ends = st.sampled_from(NAMES) | st.sampled_from([0.0, 1.0, 2.0, -1.0, -2.0, 0.5, 3.0])
    grown = st.sampled_from([*CALLS, "neg", "+", "-", "*"])
    return st.recursive(
        ends,
        lambda parts: st.tuples(grown, parts, parts, parts),
        max_leaves=9,
    )


def built(tree, leaves, m):
    """The same formula in a namespace: of words, or of floats."""
    if not isinstance(tree, tuple):
        return leaves.get(tree, tree)
    op, *parts = tree
    a, b, c = (built(part, leaves, m) for part in parts)
    if op in ("+", "-", "*"):
        return a + b if op == "+" else a - b if op == "-" else a * b
    if op == "neg":
        return -a
    if op == "greater" and m is FLOATS:
        return m.less(b, a)
    return getattr(m, op)(*(a, b, c)[: CALLS[op]])


@settings(max_examples=300)
@given(trees(), st.tuples(*[st.sampled_from([-2.0, -1.5, -1.0, 0.5, 1.0, 3.0])] * 3))
def test_a_formula_reads_as_what_it_says(tree, numbers):
    known = dict(zip(NAMES, numbers))
    meant = built(tree, known, FLOATS)
    text = term(built(tree, {name: Term(name) for name in NAMES}, WORDS)).text
    if text.count("|") <= 2:  # nested bars say nothing to anybody
        try:
            read = Reader(text, known).read()
        except OverflowError:
            return
        assert read == pytest.approx(meant, rel=1e-5, abs=1e-6, nan_ok=True) or not math.isfinite(
            meant
        ), text
