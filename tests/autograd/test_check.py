"""`check_grads`: right rules pass, wrong ones are caught, and the price is counted."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import autograd
from autograd import Value, check_grads, gradients
from autograd.differences import differences
from tests.strategies import Program, payback_operations, programs, result


def wrong_sin(x: Any) -> Value:
    """sin with the slope of -cos."""
    x = x if isinstance(x, Value) else Value(x)
    return Value(math.sin(x.data), (x,), (-math.cos(x.data),), op="wrong sin")


@pytest.mark.parametrize(("method", "evaluations"), [("central", 2 * 5), ("forward", 5 + 1)])
def test_evaluations_are_counted(method: str, evaluations: int) -> None:
    calls = []

    def f(v: list[Any]) -> Any:
        calls.append(v)
        return autograd.dot(v, v)

    report = check_grads(f, [[0.5, 1.0, -2.0, 3.0, 0.0]], method=method)
    assert report.ok, str(report)
    assert report.evaluations == evaluations
    assert len(calls) == evaluations + 1  # and one more for the backward pass


def test_a_wrong_rule_is_caught_and_named() -> None:
    report = check_grads(lambda a, b: wrong_sin(a) + b * b, [0.5, 2.0])
    assert not report.ok
    assert [check.ok for check in report.inputs] == [False, True]
    bad, good = report.inputs
    assert bad.analytic == -math.cos(0.5)
    assert bad.numeric == pytest.approx(math.cos(0.5), rel=1e-8)
    assert bad.error == pytest.approx(2 * math.cos(0.5), rel=1e-8)
    assert (bad.verdict, good.verdict) == ("wrong", "ok")
    assert 0 < bad.step < 1e-4
    with pytest.raises(AssertionError, match="wrong"):
        report.raise_on_failure()
    with pytest.raises(AssertionError, match="disagree"):
        check_grads(wrong_sin, [0.5], raise_on_failure=True)


@pytest.mark.parametrize("wrong_by", [1.001, 0.5, -1.0, 0.0, math.nan, math.inf])
def test_even_a_slightly_wrong_rule_is_caught(wrong_by: float) -> None:
    def cube(x: Any) -> Value:
        x = x if isinstance(x, Value) else Value(x)
        return Value(x.data**3, (x,), (3 * x.data**2 * wrong_by,), op="cube")

    assert not check_grads(cube, [1.7]).ok


def test_a_lost_operand_is_caught() -> None:
    def square(x: Any) -> Value:
        x = x if isinstance(x, Value) else Value(x)
        return Value(x.data**2, (x,), (x.data,), op="half a square")

    assert not check_grads(square, [3.0]).ok


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("f", [
    lambda x, y: autograd.tanh(x * y) / (1 + y**2),
    lambda x, y: autograd.gelu(x) * autograd.log1p(y),
    lambda x, y: autograd.logsumexp(x, y, x * y),
])  # fmt: skip
def test_right_rules_pass_at_any_order(f: Callable[..., Value], order: int) -> None:
    report = check_grads(f, [0.4, 1.3], order=order)
    assert report.ok, str(report)
    assert report.evaluations == 4


@given(programs(max_inputs=3, max_steps=10))
def test_random_graphs_pass(program: Program) -> None:
    def f(*inputs: Any) -> Any:
        return result(program, inputs, payback_operations())

    report = check_grads(f, list(program.inputs), rtol=1e-3, atol=1e-4 * scale(program))
    assert report.ok, f"{program}\n{report}"


def scale(program: Program) -> float:
    """The largest slope and curvature decide how well differences can do."""
    leaves = [Value(x) for x in program.inputs]
    y = result(program, leaves, payback_operations()) + 0.0
    if not isinstance(y, Value) or not y.requires_grad:
        return 1.0
    return max(1.0, *(abs(slope) for slope in autograd.gradients(y, leaves)))


def test_names_say_where_a_number_stands() -> None:
    report = check_grads(lambda w, x: w["b"] * x[1] + w["a"] * x[0], [{"a": 1.0, "b": 2.0}, [3, 4]])
    assert [check.name for check in report.inputs] == ["x0['a']", "x0['b']", "x1[0]", "x1[1]"]
    assert [check.value for check in report.inputs] == [1.0, 2.0, 3.0, 4.0]


def test_the_report_prints_as_a_table() -> None:
    lines = str(check_grads(lambda a, b: (a + b) * (b + 1), [2.0, 1.0])).splitlines()
    assert lines[0].split() == ["input", "value", "analytic", "numeric", "error", "step"]
    assert lines[1].split()[:3] == ["x0", "2", "2"]
    assert lines[-1] == "4 evaluations of f (central differences)"


def test_values_and_numpy_numbers_are_taken_as_points() -> None:
    x = Value(2.0)
    assert check_grads(lambda a, b: a * b, [x, np.float64(3.0)]).ok
    assert x.grad == 0.0


def test_a_kink_shows_itself() -> None:
    assert not check_grads(autograd.absolute, [0.0], method="forward").ok
    assert check_grads(autograd.absolute, [1.0]).ok


@pytest.mark.parametrize("method", ["central", "forward"])
@pytest.mark.parametrize(("f", "x"), [
    (autograd.relu, 0.0), (lambda x: x.relu() * 3 - 1, 0.0), (lambda x: abs(x - 2) * x, 2.0),
    (lambda x: autograd.maximum(x, x * x), 1.0),
])  # fmt: skip
def test_a_kink_is_told_from_a_mistake(method: str, f: Callable[..., Value], x: float) -> None:
    [check] = check_grads(f, [x], method=method).inputs
    assert check.verdict in ("kink", "ok")
    [right] = check_grads(lambda v: f(v) + 0.5 * v, [x], method=method).inputs
    assert right.verdict in ("kink", "ok")

    def mistaken(v: Value) -> Value:
        y = f(v)
        slope = gradients(y, v) if y.requires_grad else 0.0
        return Value(y.data, (v,), (slope + 5.0,), op="mistaken")

    assert check_grads(mistaken, [x], method=method).inputs[0].verdict == "wrong"


def test_the_verdict_at_a_kink_is_kink() -> None:
    report = check_grads(autograd.relu, [0.0])
    assert (report.inputs[0].verdict, report.ok, report.evaluations) == ("kink", False, 7)
    assert "kink" in str(report)
    assert check_grads(autograd.absolute, [0.0]).ok, "0 is the mean of both sides"
    wrong = lambda x: Value(x.data**2, (x,), (3 * x.data,), op="square")  # noqa: E731
    assert check_grads(wrong, [2.0]).inputs[0].verdict == "wrong"


@pytest.mark.parametrize("method", ["central", "forward"])
def test_step_is_the_distance_of_the_two_points(method: str) -> None:
    """Of x³ at 2: (2.5³ - 1.5³) / 1, or (2.5³ - 2³) / 0.5: far from 12, and known exactly."""
    seen: list[float] = []

    def cube(x: Value) -> Value:
        seen.append(x.data)
        return x * x * x

    [check] = check_grads(cube, [2.0], method=method, step=0.5).inputs
    numeric = {"central": 12.25, "forward": (15.625 - 8.0) / 0.5}[method]
    assert (check.numeric, check.step, check.analytic) == (numeric, 0.5, 12.0)
    assert {2.5} <= set(seen) <= {1.5, 2.0, 2.5, 1.875, 2.125}


def test_the_tolerance_is_absolute_and_relative() -> None:
    for slope, tolerance, ok in [
        (12.3, {"atol": 0.06, "rtol": 0.0}, True), (12.3, {"atol": 0.04, "rtol": 0.0}, False),
        (12.3, {"rtol": 0.0041, "atol": 0.0}, True), (12.3, {"rtol": 0.004, "atol": 0.0}, False),
        (12.3, {"rtol": 0.002, "atol": 0.03}, True), (12.3, {"rtol": 0.002, "atol": 0.02}, False),
    ]:  # fmt: skip
        f = lambda x, s=slope: Value(x.data**3, (x,), (s,), op="cube")  # noqa: E731
        report = check_grads(f, [2.0], step=0.5, **tolerance)  # numeric: 12.25
        assert report.ok is ok
        assert report.inputs[0].verdict == ("ok" if ok else "wrong"), "a curve is no kink"


def test_order_two_checks_the_derivative_of_the_sum_of_the_first() -> None:
    report = check_grads(lambda x, y: x * x * y, [2.0, 3.0], order=2)
    # ∂x + ∂y = 2xy + x²: its derivatives are 2y + 2x and 2x
    assert [check.analytic for check in report.inputs] == [10.0, 4.0]
    assert report.ok
    third = check_grads(lambda x: x * x * x * x, [2.0], order=3).inputs[0]
    assert third.analytic == 48.0


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: check_grads(abs, 1.0), TypeError, r"did you mean \[x\]"),
    (lambda: check_grads(abs, [1.0], method="middle"), ValueError, "central"),
    (lambda: check_grads(abs, [1.0], order=0), ValueError, "order"),
    (lambda: check_grads(abs, [1.0], order=True), ValueError, "order"),
    (lambda: check_grads(abs, [1.0], rtol=-1e-5), ValueError, "rtol is 0 or more, got -1e-05"),
    (lambda: check_grads(abs, [1.0], atol=math.nan), ValueError, "atol is 0 or more, got nan"),
    (lambda: check_grads(abs, [1.0], step=0.0), ValueError, "above 0.*got 0.0"),
    (lambda: check_grads(abs, [1.0], step=-1e-6), ValueError, "above 0.*got -1e-06"),
    (lambda: check_grads(abs, [1.0], step=math.inf), ValueError, "finite distance.*got inf"),
    (lambda: check_grads(abs, [1.0], step="small"), TypeError, "step is a real number"),
    (lambda: check_grads(abs, [1e20], step=1e-6), ValueError, "lost in rounding at 1e.20"),
    (lambda: check_grads(abs, ["1"]), TypeError, "real number"),
    (lambda: check_grads(lambda x: [x], [1.0]), TypeError, "jacobian"),
])  # fmt: skip
def test_bad_calls_are_refused(call: Callable[[], Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_methods_of_values_are_fine_in_f() -> None:
    assert check_grads(lambda x: x.relu() * x.tanh(), [0.3]).ok
    assert check_grads(lambda d: d["w"][0].exp(), [{"w": [0.3]}], order=2).ok


def off_by(share: float, f: Callable[[Any], Value], x: Value) -> Value:
    """f with a slope that is so much too large."""
    y = f(x)
    [slope] = gradients(y, [x]) if x.requires_grad else [0.0]
    return Value(y.data, (x,), (slope * (1.0 + share),), op="off")


@pytest.mark.parametrize("method", ["central", "forward"])
@pytest.mark.parametrize(("f", "x"), [
    (lambda x: 1.0 / x, 1e-3), (lambda x: 1.0 / x, 1e-5), (autograd.log, 1e-4),
    (autograd.log, 1e-5), (autograd.log, 3e-6), (autograd.sqrt, 1e-7),
    (lambda x: autograd.sin(1.0 / x), 1e-3), (lambda x: autograd.sin(1e6 * x), 1.0),
    (lambda x: x**-3, -2e-4),
    # waves of which many lie within the first step
    (autograd.sin, 1e7), (lambda x: autograd.cos(1.26e7 * x), 0.01),
    (lambda x: autograd.sin(81.1 * x), 1.6e5), (lambda x: autograd.tanh(autograd.sin(x)), 3e7),
])  # fmt: skip
def test_shorter_steps_confirm_a_derivative_near_a_pole_and_no_mistake(
    f: Callable[[Any], Value], x: float, method: str
) -> None:
    [found] = check_grads(f, [x], method=method).inputs
    assert found.verdict == "ok"
    assert found.error <= 1e-7 + 1e-5 * abs(found.numeric)
    leaf = Value(x)
    assert [one.verdict for one in differences(f(leaf), [leaf])] == ["ok"]
    wrong = functools.partial(off_by, 1e-3, f)
    assert check_grads(wrong, [x], method=method).inputs[0].verdict in ("wrong", "open")


def test_a_step_that_is_asked_for_is_not_made_shorter() -> None:
    [found] = check_grads(lambda x: 1.0 / x, [1e-3], step=6e-6).inputs
    assert (found.verdict, found.step) == ("wrong", pytest.approx(6e-6))


@pytest.mark.parametrize("method", ["central", "forward"])
def test_a_slope_that_rounding_hides_is_open(method: str) -> None:
    def f(x: Any) -> Value:
        return x * x + 1e9

    assert check_grads(f, [1.0], method=method).inputs[0].verdict == "open"
    x = Value(1.0)
    assert [one.verdict for one in differences(f(x), [x])] == ["open"]
    assert check_grads(functools.partial(off_by, 10.0, f), [1.0]).inputs[0].verdict == "wrong"


@pytest.mark.parametrize(("slope", "verdict"), [
    (0.0, "kink"), (1.0, "kink"), (0.25, "kink"), (1.1, "wrong"), (-0.1, "wrong"),
])  # fmt: skip
def test_a_convention_may_be_either_slope_or_between_them(slope: float, verdict: str) -> None:
    def ramp(x: Value) -> Value:
        at_zero = slope if x.data == 0.0 else float(x.data > 0.0)
        return Value(max(x.data, 0.0), (x,), (at_zero,), op="ramp")

    [found] = check_grads(ramp, [0.0]).inputs
    assert found.verdict == verdict


@pytest.mark.parametrize(("slope", "verdict"), [
    (-2.0, "open"), (3.0, "open"), (0.5, "open"), (math.nan, "open"),
    (-2.1, "wrong"), (3.1, "wrong"), (1e6, "wrong"), (math.inf, "wrong"),
])  # fmt: skip
def test_beside_a_jump_there_are_slopes(slope: float, verdict: str) -> None:
    """What is none of them, nor between them, is no slope of the function either."""

    def step(x: Value) -> Value:
        y = 1.0 + 3.0 * x.data if x.data >= 0.0 else -2.0 * x.data
        return Value(y, (x,), (slope,), op="step")

    [found] = check_grads(step, [0.0]).inputs
    assert found.verdict == verdict


@pytest.mark.parametrize(("f", "verdict"), [
    (lambda x: autograd.hypot(x, 0.0) + 0.5 * x, "open"),
    (lambda x: 1000.0 * x * x - x, "wrong"),
    (lambda x: 1000.0 + autograd.cos(x), "wrong"),
    (lambda x: 1000.0 + autograd.cos(x) + x, "wrong"),
])  # fmt: skip
def test_no_number_is_open_where_there_is_no_derivative(
    f: Callable[[Value], Value], verdict: str
) -> None:
    def nowhere(x: Value) -> Value:
        return Value(f(x).data, (x,), (math.nan,), op="nowhere")

    assert check_grads(nowhere, [0.0]).inputs[0].verdict == verdict
    x = Value(0.0)
    [found] = differences(f(x) + Value(0.0, (x,), (math.nan,), op="nowhere"), [x])
    assert found.verdict == verdict
