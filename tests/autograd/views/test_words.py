"""Formulas in words: readable, and saying what the row computes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Value, maximum, trace
from autograd.rules import TABLE
from autograd.value import apply
from autograd.views.words import (
    formula,
    local_derivatives,
    show,
    substitute,
    sum_of,
    taught_slopes,
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
    ],
)
def test_reads_as_one_would_write_it(op, operands, text, locals_):
    assert formula(op, operands) == text
    assert local_derivatives(op, operands, "y") == locals_


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
