"""The small print: orders, signs, ends and exceptions whose loss no larger test would notice."""

import copy
import dataclasses
import itertools
import math
import re

import pytest

import autograd
import nn
from autograd import (
    AnomalyError,
    Value,
    check_grads,
    detect_anomaly,
    grad,
    gradients,
    jvp,
    no_grad,
    scalar_math,
    scope,
    topological_order,
    value_and_grad,
)  # fmt: skip
from autograd.backward import reverse_topological_order
from autograd.expression import ExpressionError, parse
from autograd.rules import TABLE


def cube(x):
    return x * x * x


# -- numbers ---------------------------------------------------------------------------------------


def test_sums_run_from_the_left():
    assert autograd.sum([1e16, -1e16, 1.0]).data == 1.0
    assert autograd.dot([1e16, -1e16, 1.0], [Value(1.0)] * 3).data == 1.0
    assert autograd.dot([1.0], [Value(-1e16)], 1e16 + 2).data == 2.0


def test_the_slope_of_abs_at_zero_is_a_plain_zero():
    for x in (0.0, -0.0):
        assert repr(abs(Value(x)).partials) == "(0.0,)"
        assert repr(Value(x).sign().data) == "0.0"


@pytest.mark.parametrize("x", [0.3, 1.5, -1.57, 20.0])
def test_the_slope_of_tan_is_made_of_its_value(x):
    assert Value(x).tan().partials == (1.0 + math.tan(x) * math.tan(x),)


def test_a_row_is_itself_alone():
    row = TABLE["tanh"]
    assert dataclasses.replace(row) != row
    assert row == row
    assert repr(row) == "<primitive tanh>"
    assert copy.deepcopy(row) is row


def test_one_operand_is_enough():
    for function in (autograd.sum, autograd.mean, autograd.logsumexp):
        assert function([Value(2.0)]).data == function(Value(2.0)).data == 2.0
    assert autograd.softmax(Value(2.0))[0].data == 1.0
    with pytest.raises(ValueError, match="at least one"):
        autograd.mean()


def test_functions_on_floats_are_named():
    for name in ("sqrt", "sin", "log", "log2", "tanh"):
        assert getattr(scalar_math, name).__name__ == name
    assert "nan" in scalar_math.sqrt.__doc__


# -- nodes -----------------------------------------------------------------------------------------


def test_nothing_stated_is_a_leaf():
    assert Value(2.0, (), ()).is_leaf
    assert Value(2.0, [], []).requires_grad


def test_an_operation_of_ones_own_is_recorded_only_where_a_gradient_is_wanted():
    x, c = Value(1.0), Value(1.0, requires_grad=False)
    assert Value(2.0, (x,), (1.0,), op="f", requires_grad=False).parents == ()
    assert Value(2.0, (x, c), (1.0, 1.0), op="f").parents == (x, c)
    with pytest.raises(ValueError, match="needs parents"):
        Value(2.0, op="f")
    with pytest.raises(ValueError, match="op='tanh'"):
        Value(2.0, (x,), "tanh").backward()  # as in micrograd, and waits for its _backward


def test_layers_of_constants_are_constants_and_keep_their_scopes():
    c = Value(1.0, requires_grad=False)
    assert not autograd.affine([[c]], [c], [c])[0].requires_grad
    [node] = autograd.affine([[1.0]], [Value(2.0)], [0.5], [scope("n")])
    assert node.scope == ("n",)
    [node] = autograd.affine([[Value(1.0)]], [2.0], [Value(0.5)], [scope("n")])
    assert node.scope == ("n",)


def test_an_anomaly_names_eight_operands_and_says_that_there_are_more():
    for count, more in ((8, False), (9, True)):
        with detect_anomaly(), pytest.raises(AnomalyError) as caught:
            autograd.sum([Value(math.nan) for _ in range(count)])
        assert ("…" in str(caught.value)) is more


# -- orders ----------------------------------------------------------------------------------------


def labels(nodes):
    return [node.label for node in nodes if node.label]


def test_operands_come_in_their_order():
    w, x, b = Value(1.0, label="w"), Value(2.0, label="x"), Value(3.0, label="b")
    u, v = Value(1.0, label="u"), Value(2.0, label="v")
    y = autograd.dot([w, u], [x, v], b)
    assert labels(topological_order(y)) == ["w", "u", "x", "v", "b"]
    assert labels(reverse_topological_order([y])) == ["w", "u", "x", "v", "b"]
    many = autograd.sum([y, w * x, b])
    assert labels(topological_order(many)) == ["w", "u", "x", "v", "b"]


def test_several_roots_settle_in_their_order():
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    y, z = -a, -b
    y.label, z.label = "y", "z"
    assert labels(reverse_topological_order([y, z])) == ["y", "a", "z", "b"]
    assert labels(topological_order([y, z])) == ["a", "y", "b", "z"]
    assert labels(topological_order([y, y, z])) == ["a", "y", "b", "z"], "each once"


# -- backward --------------------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_leaves_accumulate_and_other_nodes_do_not(create_graph):
    x = Value(3.0)
    y = x * x
    z = y * 2
    for calls in (1, 2, 3):
        z.backward(create_graph=create_graph)
        numbers = [getattr(node.grad, "data", node.grad) for node in (x, y, z)]
        assert numbers == [12.0 * calls, 2.0, 1.0]


def test_nothing_owed_to_an_infinite_slope_is_nan():
    x, w = Value(1.0), Value(math.inf)
    (autograd.dot([w], [x], 0.0) * 0.0).backward()
    assert math.isnan(x.grad)
    assert w.grad == 0.0


def test_the_seed_may_be_differentiated():
    x, seed = Value(3.0), Value(2.0)
    (x * x).backward(seed, create_graph=True)
    slope = x.grad
    assert slope.data == 12.0
    assert gradients(slope, [seed, x]) == [6.0, 4.0]


def test_what_is_never_paid_is_no_anomaly():
    x = Value(-1.0)
    with detect_anomaly():
        (x**2).backward()
        assert x.grad == -2.0
        slope = gradients(x**2, x, create_graph=True)
        assert slope.source is not None
        assert slope.source.startswith(__file__)
        curve = gradients(x.sin() * x.tanh(), x, create_graph=True)
        assert all(node.source for node in topological_order(curve) if node.parents)
    with scope("box"):
        assert gradients(x * x, x, create_graph=True).source is None


# -- modes -----------------------------------------------------------------------------------------


def test_lines_are_known_when_infinities_are_looked_for():
    with detect_anomaly(inf=True):
        assert Value(1.0).source is not None
        y = nn.Neuron(1, seed=0)([Value(1.0)])
    assert y.source is not None
    assert y.source.startswith(__file__)


def test_scopes_that_run_leave_the_outer_one():
    inner = [scope("a"), scope("b")]
    for expected in (("a",), ("outer", "a")):
        with scope("outer") if len(expected) == 2 else scope("other") as _:
            pass
        if len(expected) == 1:
            made = scope.run_each(inner, [Value, Value], [1.0, 2.0])
        else:
            with scope("outer"):
                made = scope.run_each(inner, [Value, Value], [1.0, 2.0])
                assert Value(1.0).scope == ("outer",)
                scope("c").run(Value, 1.0)
                assert Value(1.0).scope == ("outer",)
        assert made[0].scope == expected


# -- transforms ------------------------------------------------------------------------------------


def test_values_in_values_out():
    y, slope = value_and_grad(cube)(Value(2.0))
    assert (type(y), y.data, slope.data) == (Value, 8.0, 12.0)
    assert y.requires_grad


def test_a_direction_may_be_differentiated():
    direction = Value(2.0)
    y, slope = jvp(cube, (3.0,), (direction,))
    assert type(y) is Value
    slope.backward()
    assert (slope.data, direction.grad) == (54.0, 27.0)
    with pytest.raises(TypeError, match="a tangent is a real number"):
        jvp(cube, (3.0,), ("1",))


def test_what_does_not_move_has_slope_zero():
    assert jvp(lambda x: [x, 1.0, Value(2.0)], (3.0,), (5.0,)) == ([3.0, 1.0, 2.0], [5.0, 0.0, 0.0])


def test_derivatives_are_taken_under_no_grad_too():
    with no_grad():
        assert grad(grad(cube))(2.0) == 12.0
        assert grad(lambda x: jvp(cube, (x,), (1.0,))[1])(2.0) == 12.0
        assert jvp(lambda x: jvp(cube, (x,), (1.0,))[1], (2.0,), (1.0,)) == (12.0, 12.0)
        assert grad(cube)(Value(2.0)).data == 12.0
        assert grad(lambda x: grad(cube)(x))(Value(2.0)).data == 12.0
        x = Value(2.0)
        slopes = [grad(cube)(x), jvp(cube, (x,), (1.0,))[1]]
    assert [gradients(slope, x) for slope in slopes] == [12.0, 12.0]


# -- paths -----------------------------------------------------------------------------------------


def test_counts_are_exact_and_dead_ends_are_not_walked():
    x = ladder = Value(1.0)
    for _ in range(40):
        ladder = autograd.sum([ladder] * 3)
    assert autograd.count_paths(ladder, x) == 3**40
    y = Value(2.0)
    [path] = autograd.paths(ladder + y, y)  # and not 3**40 walks that end at x
    assert path.product == 1.0
    [alone] = autograd.paths(x, x)
    assert repr(alone.product) == "1.0"


# -- finite differences ----------------------------------------------------------------------------


def flat(slope):
    return lambda x: Value(0.0 * x.data, (x,), (slope,), op="flat")


def test_what_check_grads_takes_for_granted():
    assert not check_grads(flat(1e-6), [1.0]).ok
    assert check_grads(flat(1e-8), [1.0]).ok
    assert check_grads(cube, [1000.0]).inputs[0].step == pytest.approx(
        1000 * 2 ** -(52 ** (1 / 3)), 1
    )
    near, far = (check_grads(cube, [x]).inputs[0].step for x in (1.0, 1000.0))
    assert far == pytest.approx(1000 * near, rel=1e-3)
    assert near == pytest.approx(2 ** (-52 / 3), rel=1e-6)
    step = check_grads(cube, [1e10], step=1e-3).inputs[0].step
    assert step == (1e10 + 1e-3) - 1e10 != 1e-3, "the step that floats allow"
    with pytest.raises(ValueError, match="central"):
        check_grads(cube, [1.0], method="backward")


def test_two_nans_agree_without_an_error():
    [check] = check_grads(autograd.sqrt, [-1.0]).inputs
    assert (check.ok, check.error) == (True, 0.0)


def test_differences_build_no_graph():
    seen, weight = [], Value(1.0)

    def f(x):
        y = x * weight
        seen.append(y.requires_grad)
        return y

    check_grads(f, [2.0])
    assert seen == [True, False, False]


# -- formulas --------------------------------------------------------------------------------------


def test_the_longest_and_the_deepest_formula():
    assert parse("1" + " " * 9_999)
    with pytest.raises(ExpressionError, match="10,000"):
        parse("1" + " " * 10_000)
    assert parse("(" * 99 + "1" + ")" * 99)
    with pytest.raises(ExpressionError, match="100 deep"):
        parse("(" * 100 + "1" + ")" * 100)


@pytest.mark.parametrize(("text", "op"), [
    ("-a * b", "mul"), ("-a ** b", "neg"), ("a * -b", "mul"), ("-a + b", "add"), ("a ** -b", "pow"),
    ("a < b + 1", "less"), ("a - b - a", "sub"),
])  # fmt: skip
def test_what_binds_last_is_the_root(text, op):
    assert parse(text).evaluate({"a": 2.0, "b": 3.0}).op == op


def test_comparisons_at_a_tie():
    told = [parse(f"2 {sign} 2").evaluate({}).data for sign in ("<", "<=", ">", ">=")]
    assert told == [0.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize("text", [
    *(f"1 {a} 2 {b} 3" for a, b in itertools.product(("<", "<=", ">", ">="), repeat=2)),
    "[1, 2] + 1", "([1, 2] + 1)[0]", "1 + [1, 2]", "[1] < 2", "-[1]", "sum(1, [2])",
    "sum([1], [2])",
    "take(1, 2)",
    "take([1, 2], [1])", "take([1, 2])", "dot([1], 2)", "sum(", "(", "1 +", "[1, 2", "f(", "sum(1,",
])  # fmt: skip
def test_what_has_no_meaning_is_refused(text):
    with pytest.raises(ExpressionError):
        parse(text)


@pytest.mark.parametrize("text", ["take([4, 5], 2)", "take([4, 5], 0 - 1)", "take([4, 5], 0.5)"])
def test_an_index_that_leads_nowhere_is_told(text):
    with pytest.raises(ExpressionError, match="a list of 2 has no element"):
        parse(text).evaluate({})


def test_a_letter_before_a_parenthesis_is_taken_for_a_product():
    with pytest.raises(ExpressionError, match=re.escape("a product is written with *")):
        parse("f(2)")


def test_labels_that_are_there_stay():
    inner = Value(2.0, label="x") * 3
    inner.label = "mine"
    root = parse("u + 1").evaluate({"u": inner})
    assert inner.label == "mine"
    assert root.label
