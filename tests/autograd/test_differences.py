"""Differences on a recorded graph: the numbers of `check_grads`, and kinks told from mistakes."""

import functools
import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd import (
    Value,
    absolute,
    arctan2,
    check_grads,
    equal,
    exp,
    gradients,
    hypot,
    leaky_relu,
    less,
    log,
    logsumexp,
    maximum,
    relu,
    sign,
    sqrt,
    tanh,
    where,
)
from autograd.differences import differences
from autograd.rules import TABLE
from autograd.value import FLOATS, apply
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
        rounding = 4e-15 * max(abs(root.data), 1.0) / theirs.step
        assert math.isclose(ours.numeric, theirs.numeric, rel_tol=1e-9, abs_tol=rounding) or (
            math.isnan(ours.numeric) and math.isnan(theirs.numeric)
        )
        assert (ours.verdict == "ok") == theirs.ok


@pytest.mark.parametrize(
    ("name", "x", "verdict"),
    [
        ("tanh", 0.3, "ok"),
        ("log", 0.001, "ok"),  # by shorter steps
        ("relu", 0.0, "kink"),
        ("arctan", math.nan, "ok"),
        ("sign", 0.0, "open"),
    ],
)
def test_tells_how_often_the_formula_was_evaluated(name, x, verdict):
    row, calls = TABLE[name], []

    def forward(m, x):
        calls.append(x)
        return row.forward(m, x)

    leaves = [Value(x), Value(1.0)]
    root = apply(replace(row, forward=forward), leaves[0])
    calls.clear()
    found = differences(root, leaves)
    assert [one.verdict for one in found] == [verdict, "ok"]
    assert [one.evaluations for one in found] == [len(calls), 0]
    assert (len(calls) > 2) == (verdict != "ok" or name == "log")


def test_a_wrong_rule_is_a_mistake_and_no_kink():
    x = Value(3.0)
    wrong = Value(9.0, (x,), (5.0,), op="square")
    [found] = differences(wrong + relu(x), [x])
    assert found.verdict == "wrong"
    for slope, verdict in [(1e-7, "ok"), (1.001e-7, "wrong")]:
        [found] = differences(Value(9.0, (x,), (slope,), op="constant"), [x])
        assert found.verdict == verdict


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


@pytest.mark.parametrize(
    ("build", "at", "slope"),
    [
        (exp, (1000.0,), math.inf),
        (log, (-1.0,), -1.0),
        (lambda x: x * x, (1e200,), 2e200),
        (lambda x, y: x * y, (math.inf, 0.0), 0.0),
        (lambda x, y: y / x, (0.0, 1.0), -math.inf),
    ],
)
def test_where_differences_are_no_numbers_they_accuse_nobody(build, at, slope):
    leaves = [Value(x) for x in at]
    [found] = differences(build(*leaves), leaves[:1])
    [told] = check_grads(lambda x: build(x, *leaves[1:]), at[:1]).inputs
    assert (found.verdict, found.analytic) == (told.verdict, told.analytic) == ("open", slope)
    assert not told.ok


def test_an_infinite_difference_agrees_with_no_number():
    x = Value(0.0)
    [found] = differences(0.0**x, [x])  # infinite to the left; a power states its convention
    [told] = check_grads(lambda x: 0.0**x, [0.0]).inputs
    assert (found.numeric, found.analytic, found.verdict) == (-math.inf, 0.0, "kink")
    assert (told.numeric, told.analytic, told.verdict) == (-math.inf, 0.0, "open")


def sides_of(a, b):
    return where(less(a, b), a, b)


@pytest.mark.parametrize(
    ("build", "slope", "verdict"),
    [
        (sign, 0.0, "open"),
        (lambda x: less(x, 0.0) + x, 1.0, "open"),
        (lambda x: where(equal(x, 0.0), 2.0, x), 0.0, "open"),  # only there
        (lambda x: sides_of(x, 0.0), 0.0, "open"),  # of the slopes 1 and 0 `where` has the second
        (lambda x: sum([sign(x), *[1.0] * 300], start=0.0 * x), 0.0, "open"),
        (lambda x: sides_of(x, 1.0) + wrong_by_one(x), 2.0, "wrong"),
        (lambda x: logsumexp([x, 0.0]) + wrong_by_one(x), 1.5, "wrong"),
    ],
)
def test_where_a_formula_jumps_differences_accuse_nobody(build, slope, verdict):
    x = Value(0.0)
    [found] = differences(build(x), [x])
    assert (found.verdict, found.analytic, found.kinks) == (verdict, slope, ())


def wrong_by_one(x):
    """A number that does not depend on x, and says that it does."""
    return Value(0.0, (x,), (1.0,), op="wrong")


@pytest.mark.parametrize(
    ("f", "at", "slopes"),
    [
        (arctan2, (0.0, -1.0), (-1.0, 0.0)),  # on the cut the angle goes over from π to -π
        (arctan2, (-0.0, -1.0), (-1.0, 0.0)),
        (arctan2, (0.0, 0.0), (0.0, 0.0)),
        (lambda x: 5.0 * sign(x) + x, (0.0,), (1.0,)),
        # PyTorch has no number either for the slope of a cone at its tip
        (hypot, (0.0, 0.0), (math.nan, math.nan)),
        (lambda x, y: 3.0 * hypot(x, y) + x, (0.0, 0.0), (math.nan, math.nan)),
    ],
)
def test_where_there_is_no_derivative_the_verdict_is_open(f, at, slopes):
    leaves = [Value(x) for x in at]
    for found in (differences(f(*leaves), leaves), check_grads(f, at).inputs):
        assert [one.analytic for one in found] == pytest.approx(list(slopes), nan_ok=True)
        assert {one.verdict for one in found} <= {"open", "ok"}
        assert any(one.verdict == "open" for one in found)


WRONG = {
    "none at all": lambda slope: 0.0,
    "no number": lambda slope: math.nan,
    "infinite": lambda slope: math.inf,
    "another sign": lambda slope: -slope,
    "a little off": lambda slope: 1.01 * slope,
    "far off": lambda slope: slope + 1000.0,
}


@given(
    name=st.sampled_from([name for name in TABLE if name not in ("where", "take", "_largest")]),
    wrong=st.sampled_from(sorted(WRONG)),
    data=st.data(),
)
def test_where_differences_confirm_a_rule_they_convict_a_wrong_one(name, wrong, data):
    row = TABLE[name]
    domain = row.domain * (5 if row.variadic else 1)
    at = [data.draw(st.floats(max(low, -50.0), min(high, 50.0))) for low, high in domain]

    def broken(m, *args):
        return tuple(WRONG[wrong](slope) for slope in row.partials(m, *args))

    def f(row):
        return lambda *xs: exp(0.1 * tanh(apply(row, *xs)))

    leaves, other = [Value(x) for x in at], replace(row, partials=broken)
    found, mistaken = (differences(f(row)(*leaves), leaves) for row in (row, other))
    smooth = [
        one.verdict == "ok" and one.sides == pytest.approx((one.numeric,) * 2, 1e-3)
        for one in found
    ]
    for told in (mistaken, check_grads(f(other), at).inputs):
        for one, right, is_smooth in zip(told, found, smooth, strict=True):
            same = one.analytic == pytest.approx(right.analytic, 1e-4, 1e-4)
            assert not is_smooth or same or one.verdict == "wrong"


def test_a_leaf_of_another_graph_has_derivative_0():
    x, y = Value(1.0), Value(2.0)
    [found] = differences(x * x, [y])
    assert (found.analytic, found.numeric, found.verdict) == (0.0, 0.0, "ok")
    assert (found.sides, found.kinks) == ((0.0, 0.0), ())


def test_a_leaf_used_twice():
    x = Value(3.0)
    [found] = differences(x * x + x, [x])
    assert (found.analytic, found.verdict) == (7.0, "ok")
    assert found.numeric == pytest.approx(7.0)


# -- long formulas ---------------------------------------------------------------------------------


def chain(step):
    """A function that takes its numbers up one after the other."""
    return lambda *xs: functools.reduce(step, xs)


@pytest.mark.parametrize(
    "f",
    [
        chain(lambda so_far, x: so_far + x),
        chain(lambda so_far, x: so_far * x),
        chain(lambda so_far, x: x - so_far),
        chain(lambda so_far, x: so_far / x),
        chain(lambda so_far, x: tanh(so_far + x)),
        chain(lambda so_far, x: maximum(so_far * 0.5, x)),
        lambda *xs: xs[0] * chain(lambda so_far, x: so_far * x)(*xs) + exp(xs[7]) * xs[-1],
        lambda *xs: chain(lambda so_far, x: so_far + x * x)(*xs) ** -2,
        lambda *xs: 1.0 / chain(lambda so_far, x: so_far * x * 0.75)(*xs),
        lambda *xs: chain(lambda so_far, x: so_far + x)(*xs) * 0.0,
    ],
)
def test_a_long_chain_is_checked_as_if_moved_as_a_whole(f):
    numbers = [math.cos(k) + 1.5 for k in range(260)]
    leaves = [Value(x) for x in numbers]
    report = check_grads(f, numbers)
    for ours, theirs in zip(differences(f(*leaves), leaves), report.inputs, strict=True):
        assert ours.verdict == theirs.verdict == "ok"
        assert ours.numeric == pytest.approx(theirs.numeric, rel=1e-6, abs=1e-8)
        assert ours.sides == pytest.approx((theirs.numeric,) * 2, rel=1e-3, abs=1e-4)


def test_the_time_for_a_chain_is_linear(monkeypatch):
    asked = 0

    def counted(x):
        nonlocal asked
        asked += 1
        return math.tanh(x)

    monkeypatch.setattr(FLOATS, "tanh", counted)
    counts = []
    for length in (500, 1_000, 2_000):
        leaves = [Value(0.0) for _ in range(length)]
        # of slope 1 all along: what moves the first moves the last
        root = chain(lambda so_far, x: tanh(so_far) + x)(*leaves)
        asked = 0
        assert all(found.verdict == "ok" for found in differences(root, leaves))
        counts.append(asked)
    assert counts[1] < 2.5 * counts[0]
    assert counts[2] < 2.5 * counts[1]


@pytest.mark.parametrize(
    ("last", "sides", "op"),
    [
        (relu, (0.0, 1.0), "relu"),
        (lambda total: relu(-total), (-1.0, 0.0), "relu"),
        (lambda total: 3.0 * relu(total) - total - 1.0, (-1.0, 2.0), "relu"),
    ],
)
def test_a_kink_at_the_far_end_of_a_chain_is_everybody_s(last, sides, op):
    up, down = ([Value(1.0) for _ in range(200)] for _ in range(2))
    pairs = [x for pair in zip(up, down, strict=True) for x in pair]
    total = functools.reduce(lambda so_far, x: so_far - x if x in set(down) else so_far + x, pairs)
    for x in up[::23]:
        [found] = differences(last(total), [x])
        assert found.verdict == "kink"
        assert found.sides == pytest.approx(sides)
        assert [node.op for node in found.kinks] == [op]
    [found] = differences(last(total), [down[3]])
    assert found.sides == pytest.approx((-sides[1], -sides[0]))


def test_a_kink_at_the_near_end_of_a_chain_is_one_leaf_s_alone():
    leaves = [Value(float(k % 2)) for k in range(300)]
    root = -chain(lambda so_far, x: so_far + x)(relu(leaves[0]), *leaves[1:])
    found = differences(root, leaves)
    assert [one.verdict for one in found] == ["kink"] + ["ok"] * 299
    assert found[0].sides == pytest.approx((0.0, -1.0))
    assert [node.op for node in found[0].kinks] == ["relu"]


def test_what_does_not_come_through_moves_nothing_however_steep_the_rest():
    x, rest = Value(2.0), [Value(1.0) for _ in range(200)]
    start = sum(rest, start=x * 0.0) - 200.0
    [found] = differences(start + sqrt(functools.reduce(lambda a, b: a * b, rest, start)), [x])
    assert (found.numeric, found.sides) == (0.0, (0.0, 0.0))


def test_slopes_beyond_a_float_on_the_way_are_no_slopes_of_the_leaves():
    x, rest = Value(2.0), [Value(0.2) for _ in range(280)]
    tiny = chain(lambda so_far, x: so_far * x)(x, *rest)
    [found] = differences(1e-80 / tiny, [x])
    assert found.numeric == pytest.approx(-1e-80 / (2.0 * tiny.data), rel=1e-8)
    assert found.verdict == "wrong"  # the gradient itself is infinite on the way


def test_a_node_with_several_ways_to_it_is_moved_once():
    x = node = Value(0.1)
    for _ in range(80):  # 2**80 paths
        node = 0.5 * (tanh(node) + node)
    [found] = differences(node, [x])
    assert (found.verdict, found.analytic) == ("ok", gradients(node, x))


def test_an_overflow_on_the_way_is_what_the_formula_gives():
    x, rest = Value(709.78), [Value(1.0) for _ in range(200)]
    total = sum(rest, start=exp(x))
    [found] = differences(1.0 / functools.reduce(lambda a, b: a + b, rest, total), [x])
    report = check_grads(lambda x: 1.0 / (exp(x) + 400.0), [709.78])
    assert found.numeric == report.inputs[0].numeric


@pytest.mark.parametrize(
    ("slope", "verdict"),
    [(5.0, "wrong"), (-1.0, "wrong"), (0.2, "kink"), (0.5, "ok"), (1.0, "kink")],
)
def test_a_slope_that_neither_side_has_is_a_mistake_at_a_kink_too(slope, verdict):
    x = Value(0.0)
    flat = Value(0.0, (x,), (slope,), op="flat")
    [found] = differences(relu(x) + flat, [x])
    assert found.verdict == verdict


def test_a_slight_kink_is_one() -> None:
    x = Value(0.0)
    [found] = differences(leaky_relu(x, 0.9985), [x])
    assert found.verdict == "kink"
    assert found.sides == pytest.approx((0.9985, 1.0))


@pytest.mark.parametrize(
    ("f", "at"), [(lambda x: x * x, math.nan), (lambda x: 1e308 * (1e308 * x), 0.0)]
)
def test_the_same_infinity_or_no_number_on_both_sides_is_agreement(f, at):
    x = Value(at)
    for found in (*differences(f(x), [x]), *check_grads(f, [at]).inputs):
        assert not math.isfinite(found.numeric)
        assert (found.verdict, found.error) == ("ok", 0.0)
