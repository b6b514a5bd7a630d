"""What is said when something is refused, word for word: it is all that its reader has."""

# ruff: noqa: E501  (a sentence a line)

import copy
import math
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np
import pytest

import autograd
from autograd import (
    AnomalyError,
    BranchError,
    Value,
    affine,
    check_grads,
    clip,
    detect_anomaly,
    dot,
    exp,
    grad,
    gradients,
    jacobian,
    jit,
    jvp,
    log_softmax,
    logsumexp,
    maximum,
    mean,
    no_branches,
    no_grad,
    relu,
    scope,
    softmax,
    sqrt,
    take,
    topological_order,
    vjp,
    where,
)

x = Value(2.0, label="x")
c = Value(1.0, requires_grad=False, label="c")
y = x * 3.0
y.label = "y"
mine = Value(4.0, (x,), (4.0,), op="mine", label="m")

NO_NUMBER = "a real number, got str 'a'"
SEVERAL = "did you mean its numbers one by one"


def closing(pay: Callable[[Value], object]) -> None:
    """An operation on x that pays by a closure, as micrograd's do."""
    out = Value(1.0, (x,), "f")
    out._backward = lambda: pay(out)


def pays_a_stranger() -> None:
    out = Value(1.0, (x,), "f")

    def pay() -> None:
        y.grad += out.grad

    out._backward = pay


def paying(node: Value, amount: float) -> None:
    node.grad += amount


class Odd:
    """Is no number, says that it is one, and shows itself in letters that turn and move a line."""

    def __float__(self) -> float:
        return 1.0

    def __repr__(self) -> str:
        return "\x1b[2J\u202e"


class Even(Odd):
    """One number in an array, as a tensor of another library."""

    __array__ = detach = None
    ndim = 0


def with_new_data() -> None:
    a = Value(2.0, label="a")
    square = a * a
    a.data = 3.0
    gradients(square, a, create_graph=True)


def a_wrong_partial(v: Value) -> Value:
    return Value(9.0 * v.data**2, (v,), (1.0,), op="square")


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        # numbers
        (lambda: Value("3"), TypeError, "Value takes a real number, got str '3'; did you mean float() of it?"),
        (lambda: Value("9" * 40), TypeError, f"Value takes a real number, got str '{'9' * 38}…; did you mean float() of it?"),
        (lambda: Value("a"), TypeError, f"Value takes {NO_NUMBER}; a name goes into label="),
        (lambda: Value(None), TypeError, "Value takes a real number, got None; did a function forget to return?"),
        (lambda: Value(True), TypeError, "Value takes a real number, got bool True; did you mean 1.0 or 0.0, or autograd.where?"),
        (lambda: Value(1j), TypeError, "Value takes a real number, got complex 1j; did you mean its .real part or abs() of it?"),
        (lambda: Value(x), TypeError, "Value takes a real number, got Value(2.0, label='x', grad=0.0); it is a Value already: use it as it is, or .detach() for a constant"),
        (lambda: Value([1.0]), TypeError, "Value takes a real number, got list [1.0]; a Value is one number: did you mean [Value(x) for x in data]?"),
        (lambda: Value((1.0,)), TypeError, "Value takes a real number, got tuple (1.0,); a Value is one number: did you mean [Value(x) for x in data]?"),
        (lambda: Value(np.ones(1)), TypeError, "Value takes a real number, got ndarray array([1.]); a Value is one number: did you mean [Value(x) for x in data.tolist()]?"),
        (lambda: Value(Decimal(1)), TypeError, "Value takes a real number, got Decimal('1'); did you mean float() of it?"),
        (lambda: Value(Odd()), TypeError, r"Value takes a real number, got Odd \x1b[2J\u202e; did you mean float() of it?"),
        (lambda: Value(Even()), TypeError, r"Value takes a real number, got Even \x1b[2J\u202e; did you mean .item() of it?"),
        (lambda: Value(print), TypeError, "Value takes a real number, got builtin_function_or_method <built-in function print>"),
        (lambda: Value(10**400), OverflowError, "Value takes a number in the range of a float, got a larger one"),
        (lambda: x + 10**400, OverflowError, "an operator takes a number in the range of a float, got a larger one"),
        (lambda: setattr(Value(1.0), "data", "a"), TypeError, f"data takes {NO_NUMBER}"),
        # an operation of one's own
        (lambda: Value(1.0, x, (1.0,)), TypeError, "parents is a tuple, got Value(2.0, label='x', grad=0.0); did you mean (x,)?"),
        (lambda: Value(1.0, (x,), 1.0), TypeError, "partials is a tuple, got float 1.0; did you mean (x,)?"),
        (lambda: Value(1.0, "tanh"), TypeError, "parents is a tuple, got str 'tanh'; did you mean op='tanh'?"),
        (lambda: Value(1.0, (x,), "tanh").backward(), ValueError, "the operation 'tanh' has neither partials nor a _backward, so nobody knows what it pays: assign its _backward, or write Value(data, (x,), (slope,), op='tanh')"),
        (lambda: Value(1.0, (), "tanh"), ValueError, "op='tanh' names an operation, which needs parents and partials"),
        (lambda: Value(1.0, (x,), "f", op=3), TypeError, "op is a str, got int 3"),
        (lambda: Value(1.0, _children=x), TypeError, "parents is a tuple, got Value(2.0, label='x', grad=0.0); did you mean (x,)?"),
        (lambda: Value(1.0, (x,), _children=(x,)), TypeError, "parents and _children are two names for the operands: give one of them"),
        (lambda: Value(1.0, {x}, (1.0,)), TypeError, "a partial per parent, in their order, got set {Value(2.0, label='x', grad=0.0)}"),
        (lambda: Value(1.0, (x,), {1.0}), TypeError, "a partial per parent, in their order, got set {1.0}"),
        # a closure that pays
        (lambda: setattr(x * 2, "_backward", None), TypeError, "_backward is a function without arguments, got None"),
        (lambda: closing(lambda out: setattr(x, "grad", out.grad)), ValueError, "a _backward pays each operand a partial times the node's grad; the one of f forgets what others have paid; write += where it says ="),
        (lambda: closing(lambda out: paying(x, max(-1.0, out.grad))), ValueError, "a _backward pays each operand a partial times the node's grad; the one of f pays [-1.0] when the grad is -1.152921504606847e+18"),
        (lambda: closing(lambda out: paying(x, out.grad * (abs(out.grad) > 1e-9))), ValueError, "a _backward pays each operand a partial times the node's grad; the one of f pays [0.0] when the grad is 8.673617379884035e-19"),
        (lambda: closing(lambda out: paying(x, out.grad if out.grad > 0 else math.nan)), ValueError, "a _backward pays each operand a partial times the node's grad; the one of f pays [nan] when the grad is -1.152921504606847e+18"),
        (lambda: closing(lambda out: setattr(x, "grad", None)), TypeError, "a _backward pays a real number, got None; did a function forget to return?"),
        (lambda: closing(lambda out: paying(out, 1.0)), ValueError, "a _backward pays each operand a partial times the node's grad; the one of f changes the grad of its own node"),
        (pays_a_stranger, ValueError, "a _backward pays each operand a partial times the node's grad; the one of f pays Value(6.0, label='y', op='mul', grad=0.0), which is not among the operands"),
        (lambda: Value(1.0, (2.0,), (1.0,), op="f"), TypeError, "parents are Values, got float 2.0"),
        (lambda: Value(1.0, (x,), ("a",)), TypeError, f"a partial is {NO_NUMBER}"),
        (lambda: Value(1.0, partials=(1.0,)), ValueError, "a partial per parent: got 0 parents and 1 partials"),
        (lambda: Value(1.0, (x,), ()), ValueError, "a partial per parent: got 1 parents and 0 partials"),
        (lambda: Value(1.0, op="f"), ValueError, "op='f' names an operation, which needs parents and partials"),
        (lambda: Value(1.0, (x,), (1.0,), op=3), TypeError, "op is a str, got int 3"),
        (lambda: Value(1.0, label=None), TypeError, "label is a str, got None"),
        # a node is no plain number
        (lambda: bool(x), TypeError, "bool() of a Value (label 'x') that requires a gradient would lose the gradient; use .data or .item() for the number, and `is not None` where there may be no Value"),
        (lambda: float(x), TypeError, "float() of a Value (label 'x') that requires a gradient would lose the gradient; use .data or .item() for the number, and autograd.exp rather than math.exp"),
        (lambda: int(x * 1.0), TypeError, "int() of a Value that requires a gradient would lose the gradient; use .data or .item() for the number, and autograd.exp rather than math.exp"),
        (lambda: copy.copy(y), TypeError, "Value(6.0, label='y', op='mul', grad=0.0) is part of a graph and cannot be copied or pickled alone; detach() gives its number as a constant, autograd.compile a program to carry"),
        # functions
        (lambda: relu("a"), TypeError, f"relu takes {NO_NUMBER}"),
        (lambda: exp("a"), TypeError, f"exp takes {NO_NUMBER}"),
        (lambda: exp("3"), TypeError, "exp takes a real number, got str '3'; did you mean float() of it?"),
        (lambda: exp([1.0]), TypeError, f"exp takes a real number, got list [1.0]; {SEVERAL}?"),
        (lambda: exp(np.ones(1)), TypeError, f"exp takes a real number, got ndarray array([1.]); {SEVERAL}, .tolist()?"),
        (lambda: exp(x, x), TypeError, "exp takes 1 operand, got 2"),
        (lambda: clip(x), TypeError, "clip takes 3 operands (x, low, high), got 1"),
        (lambda: maximum(x, z=3.0), TypeError, "maximum takes 2 operands (a, b), got 1, z"),
        (lambda: maximum(x, 1.0, b=3.0), TypeError, "maximum takes 2 operands (a, b), got 2, b"),
        (lambda: autograd.sum("a"), TypeError, f"sum takes {NO_NUMBER}"),
        (lambda: mean([]), ValueError, "mean of no values has no answer; it needs at least one"),
        (lambda: logsumexp(), ValueError, "logsumexp of no values has no answer; it needs at least one"),
        (lambda: softmax([]), ValueError, "softmax of no values has no answer; it needs at least one"),
        (lambda: log_softmax(), ValueError, "log_softmax of no values has no answer; it needs at least one"),
        (lambda: softmax("a"), TypeError, f"softmax takes {NO_NUMBER}"),
        (lambda: log_softmax(x, "a"), TypeError, f"log_softmax takes {NO_NUMBER}"),
        (lambda: take([x, x], 2), IndexError, "2 values have the indices 0 to 1, got 2"),
        (lambda: take([x, x], 0.5), IndexError, "2 values have the indices 0 to 1, got 0.5"),
        (lambda: take([], 0), IndexError, "0 values have no indices, got 0"),
        (lambda: take(["a"], 0), TypeError, f"take takes {NO_NUMBER}"),
        (lambda: take([x], "a"), TypeError, f"take takes {NO_NUMBER}"),
        (lambda: take(x, 0), TypeError, "take takes sequences of Values, got a single Value"),
        (lambda: take({x}, 0), TypeError, "take takes sequences of Values, got set {Value(2.0, label='x', grad=0.0)}"),
        (lambda: take(0, [x]), TypeError, "take takes sequences of Values, got int 0"),
        (lambda: where(np.array([True]), x, y), TypeError, f"the condition of where takes a real number, got ndarray array([ True]); {SEVERAL}, .tolist()?"),
        (lambda: where(True, "a", x), TypeError, f"where takes {NO_NUMBER}"),
        (lambda: where(x, "a", x), TypeError, f"where takes {NO_NUMBER}"),
        (lambda: dot([x], [x, x]), ValueError, "dot takes as many weights as inputs, got 1 and 2"),
        (lambda: dot(x, [x]), TypeError, "dot takes sequences of Values, got a single Value"),
        (lambda: dot(["a"], [x]), TypeError, f"dot takes {NO_NUMBER}"),
        (lambda: dot([x], ["a"]), TypeError, f"dot takes {NO_NUMBER}"),
        (lambda: dot([x], [x], "a"), TypeError, f"dot takes {NO_NUMBER}"),
        (lambda: dot([x], range(2)), ValueError, "dot takes as many weights as inputs, got 1 and 2"),
        (lambda: dot([x], x), TypeError, "dot takes sequences of Values, got a single Value"),
        (lambda: dot({x}, [1.0]), TypeError, "dot takes sequences of Values, got set {Value(2.0, label='x', grad=0.0)}"),
        (lambda: affine([[x]], [x], []), ValueError, "affine takes a bias for each row, got 1 rows and 0 biases"),
        (lambda: affine([[x, x]], [x], [x]), ValueError, "dot takes as many weights as inputs, got 2 and 1"),
        (lambda: affine([["a"]], [x], [x]), TypeError, f"affine takes {NO_NUMBER}"),
        (lambda: affine([[x]], ["a"], [x]), TypeError, f"affine takes {NO_NUMBER}"),
        (lambda: affine([[x]], x, [x]), TypeError, "affine takes sequences of Values, got a single Value"),
        # backward
        (lambda: topological_order(3.0), TypeError, "a graph is told by its root, a Value, got float 3.0"),
        (lambda: gradients(3.0, [x]), TypeError, "gradients are taken of one Value, got float 3.0"),
        (lambda: gradients(y, [3.0]), TypeError, "gradients are taken to Values, got float 3.0"),
        (lambda: gradients(y, 3.0), TypeError, "gradients are taken to Values in a list, got float 3.0"),
        (lambda: gradients(y, {x}), TypeError, "gradients are taken to Values in a list, got set {Value(2.0, label='x', grad=0.0)}"),
        (lambda: gradients(y, c), ValueError, "Value(1.0, label='c', constant) is a constant: nothing is paid to it, it has no gradient"),
        (lambda: c.backward(), ValueError, "Value(1.0, label='c', constant) does not depend on anything that requires a gradient: nothing to pay back. Was it computed under no_grad(), detached, frozen, or made of numbers alone?"),
        (lambda: y.backward("a"), TypeError, f"gradient takes {NO_NUMBER}"),
        (lambda: gradients(mine, x, create_graph=True), TypeError, "the operation 'mine' was given its partials as numbers (label 'm'), so it cannot be differentiated twice or compiled; write it with the functions of autograd instead"),
        (with_new_data, RuntimeError, "an operand of Value(4.0, op='mul', grad=0.0) was given new data after the graph was built: its derivatives would mix old and new numbers; compute the graph again first"),
        (partial(scope, ""), TypeError, "scope takes a name, a str that is not empty, got ''"),
        # transforms
        (lambda: grad(lambda v: [v])(1.0), TypeError, "grad needs a function that returns one Value, got list; did you mean jacobian?"),
        (lambda: grad(lambda v: "a")(1.0), TypeError, f"grad takes {NO_NUMBER}"),
        (lambda: grad(relu)("a"), TypeError, f"a transform takes {NO_NUMBER}"),
        (lambda: jacobian(lambda v: ["a"])(1.0), TypeError, f"jacobian takes {NO_NUMBER}"),
        (lambda: vjp(lambda v: "a", 1.0), TypeError, f"vjp takes {NO_NUMBER}"),
        (lambda: vjp(relu, 1.0)[1]("a"), TypeError, f"vjp takes {NO_NUMBER}"),
        (lambda: vjp(relu, 1.0)[1]([1.0]), ValueError, "the cotangent must have the shape of the output: *, got [*]"),
        (lambda: jvp(lambda v: "a", (1.0,), (1.0,)), TypeError, f"jvp takes {NO_NUMBER}"),
        (lambda: jvp(relu, (1.0,), ("a",)), TypeError, f"a tangent is {NO_NUMBER}"),
        (lambda: jvp(relu, 1.0, (1.0,)), TypeError, "primals is a tuple, one for each argument of f, got float 1.0; did you mean (x,)?"),
        (lambda: jvp(relu, (1.0,), 1.0), TypeError, "tangents is a tuple, one for each argument of f, got float 1.0; did you mean (x,)?"),
        (lambda: jvp(relu, (1.0,), ([1.0],)), ValueError, "tangents must have the shape of primals: (*,), got ([*],)"),
        (lambda: grad(relu, has_aux=True)(1.0), TypeError, "with has_aux=True a function returns a pair (result, anything else), got Value(1.0, op='relu', grad=0.0)"),
        (lambda: grad(relu, 1)(1.0), ValueError, "argnums=1, but the function was called with 1 positional argument"),
        (lambda: grad(maximum)(a=1.0, b=2.0), ValueError, "argnums=0, but the function was called with 0 positional arguments"),
        (lambda: grad(relu, "a")(1.0), TypeError, "argnums is the number of an argument or several, got 'a'"),
        (lambda: grad(maximum, (0, -2))(1.0, 2.0), ValueError, "argnums=(0, -2) names an argument twice"),
        # jit
        (lambda: jit(3), TypeError, "jit takes a function, got int 3; did you mean jit(f)(…)?"),
        (lambda: jit(lambda v: v)(1j), TypeError, "jit takes a real number, got complex 1j; did you mean its .real part or abs() of it?"),
        (lambda: jit(lambda s: 1.0)({1}), TypeError, "jit takes numbers, arrays and containers of them, got set, which can be changed: did you mean a list or a tuple?"),
        (lambda: jit(no_numbers).program(), ValueError, "jit(no_numbers) returns the same for all arguments: there is no program"),
        # check_grads
        (lambda: check_grads(exp, [1.0], method="x"), ValueError, "method is \"central\" or \"forward\", got 'x'"),
        (lambda: check_grads(exp, 1.0), TypeError, "args is the list of arguments of f, got float; did you mean [x]?"),
        (lambda: check_grads(exp, [1.0], order=0), ValueError, "order is 1, 2, …, got 0"),
        (lambda: check_grads(exp, [1.0], order=1.5), ValueError, "order is 1, 2, …, got 1.5"),
        (lambda: check_grads(exp, ["a"]), TypeError, f"check_grads takes {NO_NUMBER}"),
        (lambda: check_grads(wants_two_faces, [1.0]), TypeError, f"check_grads takes {NO_NUMBER}"),
        (lambda: check_grads(a_wrong_partial, [0.0], raise_on_failure=True), AssertionError, "derivatives disagree with finite differences\ninput  value  analytic  numeric  error    step\nx0     0      1         0        1.0e+00  6.1e-06  wrong\n9 evaluations of f (central differences)"),
    ],
)  # fmt: skip
def test_every_word(call: Callable[[], object], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "call",
    [
        lambda: dot([1.0], [x, x]),
        lambda: dot(["a"], [x]),
        lambda: affine([["a"]], [x], [x]),
        lambda: affine([[1.0]], [x, x], [x]),
    ],
)
def test_what_was_tried_before_is_not_told_beside(call: Callable[[], object]) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert caught.value.__context__ is None


def test_a_closure_may_pay_operands_in_any_order() -> None:
    a, b = Value(2.0), Value(3.0)
    out = Value(6.0, {a, b}, "mul")

    def pay() -> None:
        a.grad += 3.0 * out.grad
        b.grad += 2.0 * out.grad

    out._backward = pay
    assert gradients(out, [a, b]) == [3.0, 2.0]


def no_numbers() -> float:
    return 1.0


def wants_two_faces(v: Value) -> Any:
    """A Value to be differentiated, a word when it is only evaluated."""
    return v if v.requires_grad else "a"


COMPUTE = "compute with the Value itself (autograd.exp, not math.exp), and choose with where(less(a, b), this, that)"


@pytest.mark.parametrize(
    ("deed", "said", "instead"),
    [
        (attrgetter("data"), ".data looks at a number (label 'x')", COMPUTE),
        (methodcaller("item"), ".item() looks at a number (label 'x')", COMPUTE),
        (attrgetter("partials"), ".partials looks at a number (label 'x')", "a gradient is recorded with create_graph=True"),
        (methodcaller("detach"), "detach() keeps a number (label 'x')", "a parameter is left out of the gradient by requires_grad=False"),
        (lambda v: setattr(v, "data", 1.0), "assigning .data changes a number (label 'x')", "assign it before or after recording"),
        (bool, "bool() looks at a number (label 'x')", COMPUTE),
        (float, "float() looks at a number (label 'x')", COMPUTE),
        (int, "int() looks at a number (label 'x')", COMPUTE),
        (copy.copy, "copying keeps a number (label 'x')", COMPUTE),
        (lambda v: v < 1.0, "a < b compares a number (label 'x')", "choose with where(less(a, b), this, that)"),
        (lambda v: c <= v, "a <= b compares a number (label 'x')", "choose with where(less_equal(a, b), this, that)"),
        (lambda v: v > c, "a > b compares a number (label 'x')", "choose with where(less(b, a), this, that)"),
        (lambda v: v * 1.0 >= 1.0, "a >= b compares a number", "choose with where(less_equal(b, a), this, that)"),
        (lambda v: v == y, "a == b compares a number (label 'x')", "choose with where(equal(a, b), this, that)"),
        (lambda v: v.backward(), "backward() keeps the derivative of a number (label 'x')", "take gradients(…, create_graph=True)"),
        (lambda v: gradients(v, v), "gradients() keeps the derivative of a number (label 'x')", "take gradients(…, create_graph=True)"),
        (no_grad()(lambda v: v * v), "no_grad() keeps a number", "compute it outside of no_grad()"),
    ],
)  # fmt: skip
def test_every_word_about_a_branch(
    deed: Callable[[Value], object], said: str, instead: str
) -> None:
    with no_branches(), pytest.raises(BranchError) as caught:
        deed(x)
    place, text = str(caught.value).split(": ", 1)
    assert re.fullmatch(r".*test_said\.py:\d+", place)
    assert text == (
        f"{said} that depends on an input or a parameter; Python sees it once, while a program is "
        f"recorded, and the program would keep it for all numbers to come: {instead}"
    )


@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (lambda: sqrt(Value(-1.0, label="w")), "the value of sqrt(w=-1.0) is nan, made at HERE"),
        (lambda: autograd.sum([Value(float("nan"))] * 8), "the value of sum(nan, nan, nan, nan, nan, nan, nan, nan) is nan, made at HERE"),
        (lambda: autograd.sum([Value(float("nan"))] * 9), "the value of sum(nan, nan, nan, nan, nan, nan, nan, nan, …) is nan, made at HERE"),
        (lambda: Value(float("nan"), (x,), (1.0,), op="f\n", label="a\u061c"), r"the value of f\n(x=2.0) (label 'a\u061c') is nan, made at HERE"),
        (lambda: (sqrt(Value(0.0, label="w")) * 0.0).backward(), "the gradient paid to w, 0.0 × inf, is not finite: the value of sqrt(w=0.0) is 0.0, made at HERE"),
        (lambda: (sqrt(Value(0.0)) * 0.0).backward(), "the gradient paid to a leaf, 0.0 × inf, is not finite: the value of sqrt(0.0) is 0.0, made at HERE"),
        (lambda: (sqrt(x * 0.0) * 0.0).backward(), "the gradient paid to mul, 0.0 × inf, is not finite: the value of sqrt(0.0) is 0.0, made at HERE"),
    ],
)  # fmt: skip
def test_every_word_about_an_anomaly(fail: Callable[[], object], said: str) -> None:
    with detect_anomaly(), pytest.raises(AnomalyError) as caught:
        fail()
    assert re.sub(r"[^ ]*test_said\.py:\d+", "HERE", str(caught.value)) == said


def test_an_anomaly_of_an_older_graph_says_how_to_learn_more() -> None:
    root = sqrt(Value(0.0)) * 0.0
    with detect_anomaly(), pytest.raises(AnomalyError) as caught:
        root.backward()
    line = "a line unknown: build the graph inside detect_anomaly() to learn it"
    assert str(caught.value).endswith(f"made at {line}")


def test_an_operation_of_ones_own_keeps_its_label_in_every_mode() -> None:
    for mode in (detect_anomaly(), scope("s")):
        with mode:
            assert Value(4.0, (x,), (4.0,), op="square", label="m").label == "m"
