"""Differences on a recorded graph: the numbers of `check_grads`, and kinks told from mistakes."""

import math

import pytest
from hypothesis import assume, given

from autograd import Value, absolute, check_grads, maximum, relu, sqrt
from autograd.differences import differences
from tests.strategies import payback_operations, programs, result


@given(programs())
def test_finds_what_check_grads_finds(program):
    def f(*xs):
        return result(program, list(xs), payback_operations())

    leaves = [Value(x) for x in program.inputs]
    root = f(*leaves)
    assume(isinstance(root, Value) and root.requires_grad)
    found = differences(root, leaves)
    report = check_grads(f, program.inputs)
    for ours, theirs in zip(found, report.inputs, strict=True):
        assert ours.analytic == theirs.analytic or math.isnan(ours.analytic)
        assert math.isclose(ours.numeric, theirs.numeric, rel_tol=1e-9, abs_tol=1e-12) or (
            math.isnan(ours.numeric) and math.isnan(theirs.numeric)
        )
        assert (ours.verdict == "ok") == theirs.ok


def test_a_wrong_rule_is_a_mistake_and_no_kink():
    x = Value(3.0)
    wrong = Value(9.0, (x,), (5.0,), op="square")
    [found] = differences(wrong + relu(x), [x])
    assert found.verdict == "wrong"


@pytest.mark.parametrize(
    ("build", "at", "verdict", "kinks"),
    [
        (relu, 0.0, "kink", ["relu"]),
        (relu, 1.0, "ok", []),
        (lambda x: relu(x) + 2.0 * x, 0.0, "kink", ["relu"]),
        (lambda x: maximum(x, 1.0) * 3.0, 1.0, "ok", []),
        (lambda x: maximum(x * x, x), 1.0, "ok", []),
        (lambda x: relu(x - 1.0) * x, 1.0, "kink", ["relu"]),
        (lambda x: sqrt(x), 0.0, "kink", ["sqrt"]),
        (lambda x: absolute(x) + relu(x), 0.0, "kink", ["absolute", "relu"]),
    ],
)
def test_which_operation_has_the_kink(build, at, verdict, kinks):
    x = Value(at)
    [found] = differences(build(x), [x])
    assert found.verdict == verdict
    assert sorted(node.op for node in found.kinks) == kinks


def test_a_leaf_of_another_graph_has_derivative_0():
    x, y = Value(1.0), Value(2.0)
    [found] = differences(x * x, [y])
    assert (found.analytic, found.numeric, found.verdict) == (0.0, 0.0, "ok")


def test_a_leaf_used_twice():
    x = Value(3.0)
    [found] = differences(x * x + x, [x])
    assert (found.analytic, found.verdict) == (7.0, "ok")
    assert found.numeric == pytest.approx(7.0)
