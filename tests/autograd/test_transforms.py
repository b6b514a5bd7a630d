"""grad, value_and_grad, jacobian, hessian, jvp, vjp: containers, nesting, and no confusion."""

import functools
import inspect
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import (
    Value,
    grad,
    gradients,
    hessian,
    jacobian,
    jvp,
    no_grad,
    scope,
    value_and_grad,
    vjp,
)

small = st.floats(-2.0, 2.0)


def rosenbrock(v: Any) -> Any:
    return (1 - v[0]) ** 2 + 100 * (v[1] - v[0] ** 2) ** 2


def polar(r: Any, angle: Any) -> list[Any]:
    return [r * autograd.cos(angle), r * autograd.sin(angle)]


# -- grad and value_and_grad -----------------------------------------------------------------------


def test_a_tangent_keeps_the_sign_of_its_zero() -> None:
    assert repr(jvp(operator.neg, (1.0,), (0.0,))) == "(-1.0, -0.0)"


def test_tangents_add_up_from_the_left() -> None:
    """As the eager sum does; the builtin one corrects its rounding from Python 3.12 on."""
    xs, ones = [0.1] * 10, [1.0] * 10
    slopes = [1e16, 1.0, -1e16, *[0.1] * 7]
    _, tangent = autograd.jvp(lambda v: autograd.dot(slopes, v), (xs,), (ones,))
    assert tangent == functools.reduce(operator.add, slopes) != math.fsum(slopes)


def test_grad_gives_floats_for_floats() -> None:
    slope = grad(lambda x: x**3)(2.0)
    assert (type(slope), slope) == (float, 12.0)
    assert grad(lambda x: x**3)(np.float64(2.0)) == 12.0
    assert grad(lambda x: x**3)(2) == 12.0


def test_value_and_grad_runs_the_function_once() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(x)
        return x * x

    assert value_and_grad(f)(3.0) == (9.0, 6.0)
    assert len(calls) == 1


@pytest.mark.parametrize(("argnums", "expected"), [
    (0, 4.0),
    (1, 9.0),
    (-1, 5.0),
    ((0, 1), (4.0, 9.0)),
    ((2, 0), (5.0, 4.0)),
    ([1], (9.0,)),
    ((), ()),
])  # fmt: skip
def test_argnums_choose_the_arguments(argnums: Any, expected: Any) -> None:
    assert grad(lambda a, b, c: 4 * a + 9 * b + 5 * c, argnums)(1.0, 2.0, 3.0) == expected


@pytest.mark.parametrize("transform", [grad, jacobian, hessian])
def test_argnums_are_kept_whatever_lists_them(transform: Callable[..., Any]) -> None:
    listed, passing = (transform(lambda a, b: a * b * b, n) for n in ([0, 1], iter([0, 1])))
    for _ in range(2):
        assert passing(2.0, 3.0) == listed(2.0, 3.0)


def test_argnums_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="called with 1 positional argument"):
        grad(lambda x: x, 1)(2.0)


class Point(NamedTuple):
    x: Any
    y: Any


def test_derivatives_come_in_the_shape_of_the_arguments() -> None:
    def f(tree: Any) -> Any:
        return tree["a"][0] * tree["a"][1][0] + tree["b"].x * tree["b"].y ** 2 + tree["c"][""]

    tree = {"a": (2.0, [3.0]), "b": Point(5.0, 7.0), "c": {"": 1, "unused": 4.0}, "none": []}
    expected = {
        "a": (3.0, [2.0]),
        "b": Point(49.0, 70.0),
        "c": {"": 1.0, "unused": 0.0},
        "none": [],
    }
    found = grad(f)(tree)
    assert found == expected
    assert type(found["b"]) is Point
    assert tree["c"] == {"": 1, "unused": 4.0}


def test_keywords_pass_through_undifferentiated() -> None:
    assert grad(lambda x, *, power: x**power)(2.0, power=3) == 12.0


def test_the_name_and_docstring_stay() -> None:
    def energy(x: Any) -> Any:
        """Half the square."""
        return x * x / 2

    assert grad(energy).__name__ == "energy"
    assert grad(energy).__doc__ == "Half the square."


def test_constant_functions_have_zero_slope() -> None:
    assert value_and_grad(lambda x: 5.0)(2.0) == (5.0, 0.0)
    assert value_and_grad(lambda x: Value(5.0))(2.0) == (5.0, 0.0)
    assert hessian(lambda v: v[0] + v[1])([1.0, 2.0]) == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("f", [lambda x: [x, x], lambda x: (x,), lambda x: {"y": x}])
def test_grad_of_several_outputs_points_to_jacobian(f: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="did you mean jacobian"):
        grad(f)(1.0)


@pytest.mark.parametrize("argument", ["1", None, 1j, True, np.array([1j]), np.array("1")])
def test_arguments_are_numbers(argument: Any) -> None:
    with pytest.raises(TypeError, match="a transform takes a real number"):
        grad(lambda x: x)(argument)


@pytest.mark.parametrize("output", ["1", None, 1j])
def test_outputs_are_numbers(output: Any) -> None:
    with pytest.raises(TypeError, match="real number"):
        grad(lambda x: output)(1.0)


def test_transforms_touch_no_grad_of_the_user() -> None:
    w = Value(3.0)
    assert grad(lambda x: w * x * x)(2.0) == 12.0
    slope = grad(lambda x: w * x * x)(Value(2.0))
    assert w.grad == 0.0
    slope.backward()
    assert w.grad == 4.0


def test_a_value_given_is_differentiated_as_this_argument_only() -> None:
    x = Value(3.0)
    slope = grad(lambda y: x * y)(x)
    assert slope.data == 3.0
    slope.backward()  # d/dx (d/dy xy) = 1
    assert x.grad == 1.0


def test_transforms_work_under_no_grad_and_in_scopes() -> None:
    with no_grad():
        assert grad(lambda x: x**3)(2.0) == 12.0
        assert grad(grad(lambda x: x**3))(2.0) == 12.0
        assert jvp(lambda x: x**3, (2.0,), (1.0,)) == (8.0, 12.0)
    with scope("box"):
        assert grad(lambda x: x**3)(2.0) == 12.0


# -- nesting ---------------------------------------------------------------------------------------


def test_any_order() -> None:
    f: Callable[..., Any] = lambda x: x**7  # noqa: E731
    expected = [128, 448, 1344, 3360, 6720, 10080, 10080, 5040, 0]
    for order, value in enumerate(expected):
        assert f(2.0) == value, order
        f = grad(f)


@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_derivatives_of_powers_at_zero_stay_zero(power: int) -> None:
    f: Callable[..., Any] = lambda x: x**power  # noqa: E731
    for order in range(6):
        assert f(0.0) == (math.factorial(power) if order == power else 0.0)
        f = grad(f)


def test_perturbations_are_not_confused() -> None:
    # d/dx [x · d/dy (x + y)] = 1, and 2 if the inner derivative sees the outer x
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1.0
    assert grad(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0) == 6.0
    assert jvp(lambda x: x * grad(lambda y: x * y)(2.0), (3.0,), (1.0,))[1] == 6.0
    assert grad(lambda x: grad(lambda y: grad(lambda z: x * y * z)(y) * x)(x))(2.0) == 4.0


def test_the_same_function_inside_and_outside() -> None:
    f = grad(lambda x: autograd.sin(x))
    assert grad(lambda x: f(f(x)))(0.5) == pytest.approx(math.sin(math.cos(0.5)) * math.sin(0.5))


def test_the_inner_minimum_of_an_outer_variable() -> None:
    def inner(a: Any) -> Any:
        y: Any = 0.0
        for _ in range(60):
            y = y - 0.1 * grad(lambda y: (y - a) ** 2)(y)
        return y

    assert grad(lambda a: inner(a) ** 2)(3.0) == pytest.approx(6.0, rel=1e-4)


@given(small, small)
def test_hessians_of_all_kinds_agree(x: float, y: float) -> None:
    expected = [[2 + 1200 * x * x - 400 * y, -400 * x], [-400 * x, 200.0]]
    for found in (
        hessian(rosenbrock)([x, y]),
        jacobian(grad(rosenbrock))([x, y]),
        [list(jvp(grad(rosenbrock), ([x, y],), (e,))[1]) for e in ([1.0, 0.0], [0.0, 1.0])],
        [vjp(grad(rosenbrock), [x, y])[1](e)[0] for e in ([1.0, 0.0], [0.0, 1.0])],
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-10)


# -- jacobian and hessian --------------------------------------------------------------------------


def test_the_jacobian_of_polar_coordinates() -> None:
    r, angle = 2.0, 0.5
    c, s = math.cos(angle), math.sin(angle)
    found = jacobian(polar, (0, 1))(r, angle)
    np.testing.assert_allclose(found, [[c, -r * s], [s, r * c]], rtol=1e-15)


def test_the_jacobian_has_the_output_s_tree_outside_and_the_argument_s_inside() -> None:
    found = jacobian(lambda t: {"p": t["a"] * t["b"], "q": (t["a"], 1.0)})({"a": 2.0, "b": 3.0})
    assert found == {"p": {"a": 3.0, "b": 2.0}, "q": ({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 0.0})}


def test_the_jacobian_of_softmax() -> None:
    xs = [0.5, -1.0, 2.0]
    found = jacobian(lambda v: autograd.softmax(v))(xs)
    p = np.exp(xs) / np.exp(xs).sum()
    np.testing.assert_allclose(found, np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-16)
    log_p = jacobian(lambda v: autograd.log_softmax(v))(xs)
    np.testing.assert_allclose(log_p, np.eye(3) - p, rtol=1e-12)


def test_the_hessian_over_several_arguments() -> None:
    assert hessian(lambda a, b: a * a * b, (0, 1))(2.0, 3.0) == ((6.0, 4.0), (4.0, 0.0))


def test_third_derivatives_as_a_jacobian_of_a_hessian() -> None:
    assert jacobian(hessian(lambda x: x**4))(2.0) == 48.0


# -- products --------------------------------------------------------------------------------------


@given(small, small, small, small)
def test_jvp_and_vjp_are_adjoint(x: float, y: float, u: float, v: float) -> None:
    values, pushed = jvp(polar, (x, y), (u, v))
    again, pullback = vjp(polar, x, y)
    assert values == again
    pulled = pullback([0.7, -0.3])
    assert 0.7 * pushed[0] - 0.3 * pushed[1] == pytest.approx(
        pulled[0] * u + pulled[1] * v, abs=1e-12
    )


def test_a_pullback_can_be_used_again_and_again() -> None:
    _, pullback = vjp(polar, 2.0, 0.0)
    assert pullback([1.0, 0.0]) == (1.0, 0.0)
    assert pullback([0.0, 1.0]) == (0.0, 2.0)


def test_products_over_trees() -> None:
    def f(tree: Any) -> Any:
        return {"product": tree["a"] * tree["b"][0], "same": tree["b"][0]}

    primal, tangent = {"a": 2.0, "b": [3.0]}, {"a": 1.0, "b": [10.0]}
    assert jvp(f, (primal,), (tangent,)) == (
        {"product": 6.0, "same": 3.0},
        {"product": 23.0, "same": 10.0},
    )
    y, pullback = vjp(f, primal)
    assert y == {"product": 6.0, "same": 3.0}
    assert pullback({"product": 1.0, "same": 100.0}) == ({"a": 3.0, "b": [102.0]},)


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="tangents must have the shape of primals"):
        jvp(polar, (1.0, 2.0), (1.0,))
    with pytest.raises(ValueError, match="the cotangent must have the shape of the output"):
        vjp(polar, 1.0, 2.0)[1]([1.0])


def test_the_directional_derivative_of_a_user_s_operation() -> None:
    def my_sin(x: Any) -> Value:
        return Value(math.sin(x.data), (x,), (math.cos(x.data),), op="my sin")

    assert jvp(my_sin, (0.5,), (2.0,)) == (math.sin(0.5), 2 * math.cos(0.5))
    assert grad(my_sin)(0.5) == math.cos(0.5)


def test_forward_over_reverse_on_mpmath_s_word() -> None:
    def f(x: Any, y: Any) -> Any:
        return autograd.exp(x * y) * autograd.tanh(x + y)

    def exact(x: Any, y: Any) -> Any:
        return mpmath.exp(x * y) * mpmath.tanh(x + y)

    _, mixed = jvp(grad(f, 0), (0.3, 0.7), (0.0, 1.0))
    with mpmath.workdps(40):
        truth = mpmath.diff(exact, (mpmath.mpf(0.3), mpmath.mpf(0.7)), (1, 1))
    assert mixed == pytest.approx(float(truth), rel=1e-13)


# -- no_grad, Values as factors, odd arguments -----------------------------------------------------


def test_nothing_is_paid_through_a_derivative_taken_under_no_grad() -> None:
    """As in torch.func: y · d/dt y t³ at ½, of which the second y is a number."""

    def product(y: Any) -> Any:
        with no_grad():
            slope = grad(lambda t: y * t**3)(0.5)
        assert type(slope) is float
        return slope * y

    assert grad(product)(1.5) == 1.5 * 0.75


def test_a_pullback_pays_under_no_grad_too() -> None:
    _, outside = vjp(lambda x: x * x, 3.0)
    with no_grad():
        _, inside = vjp(lambda x: x * x, 3.0)
        assert outside(1.0) == inside(1.0) == (6.0,)
    assert inside(2.0) == (12.0,)


def test_a_cotangent_that_is_a_value_keeps_its_gradient() -> None:
    _, pullback = vjp(lambda x: x * x * x, 3.0)
    factor = Value(2.0)
    (product,) = pullback(factor)
    assert product.data == 54.0
    assert autograd.gradients(product, factor) == 27.0
    assert pullback(1.0) == (27.0,)


@pytest.mark.parametrize(
    ("argnums", "error", "match"),
    [
        ((0, 0), ValueError, "twice"),
        ((0, -2), ValueError, "twice"),
        (2, ValueError, "called with 2 positional arguments"),
        ("a", TypeError, "got 'a'"),
        (1.0, TypeError, "got 1.0"),
        (None, TypeError, "got None"),
    ],
)
def test_argument_numbers_that_mean_nothing(
    argnums: Any, error: type[Exception], match: str
) -> None:
    for transform in (grad, value_and_grad, jacobian, hessian):
        with pytest.raises(error, match=match):
            transform(lambda x, y: x * y, argnums)(2.0, 3.0)


def test_argument_numbers_may_be_numpy_s() -> None:
    assert grad(lambda x, y: x * y, np.int64(1))(2.0, 3.0) == 2.0  # type: ignore[arg-type]
    assert grad(lambda x, y: x * y, list(np.arange(2)))(2.0, 3.0) == (3.0, 2.0)


def test_primals_and_tangents_come_as_tuples() -> None:
    with pytest.raises(TypeError, match=r"primals is a tuple.*\(x,\)"):
        jvp(lambda x: x * x, 3.0, 1.0)  # type: ignore[arg-type]
    assert jvp(lambda x: x * x, np.array([3.0]), np.array([1.0])) == (9.0, 6.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("transform", [grad, value_and_grad, jacobian, hessian])
def test_help_says_what_is_taken_for_granted(transform: Callable[..., Any]) -> None:
    f, argnums, has_aux = inspect.signature(transform).parameters.values()
    assert (f.name, argnums.name, has_aux.name) == ("f", "argnums", "has_aux")
    assert (argnums.default, has_aux.default) == (0, False)


def test_a_constant_value_is_a_number_to_differentiate_to() -> None:
    constant = Value(3.0, requires_grad=False)
    slope = grad(lambda x: x * x)(constant)
    assert slope.data == 6.0
    assert value_and_grad(lambda x, y: x * y, (0, -1))(constant, 2.0)[1][0].data == 2.0


def test_a_transform_s_answer_has_the_kind_of_its_arguments() -> None:
    x = Value(3.0)
    aux = grad(lambda v: (v * v, {"twice": 2.0 * v, "word": "w"}), has_aux=True)
    slope, more = aux(3.0)
    assert (slope, more) == (6.0, {"twice": 6.0, "word": "w"})
    slope, more = aux(x)
    assert gradients(slope, x) == 2.0
    assert gradients(more["twice"], x) == 2.0


@pytest.mark.parametrize("pack", [
    lambda w: w, lambda w: [{"w": w}], lambda w: np.array([w], dtype=object),
])  # fmt: skip
def test_a_gradient_reaches_what_other_arguments_hold(pack: Callable[[Value], Any]) -> None:
    def f(x: Any, held: Any) -> Any:
        while not isinstance(held, (Value, float)):
            [held] = held.values() if isinstance(held, dict) else held
        return x * x * held * held * held

    w = Value(2.0)
    slope = grad(f)(3.0, pack(w))
    (slope * slope).backward()
    assert slope.data == 48.0
    assert w.grad == 2.0 * 48.0 * 72.0  # 2 s ds/dw, s = 2 x w**3
    w.grad = 0.0
    value, slope = value_and_grad(f)(3.0, held=pack(w))
    (value + slope).backward()
    assert w.grad == 108.0 + 72.0
    w.requires_grad = False
    assert grad(f)(3.0, pack(w)) == 48.0


def test_other_arguments_need_not_be_trees() -> None:
    endless: list[Any] = []
    endless.append(endless)

    @dataclass
    class Later:
        x: float = field(init=False)

    assert grad(lambda x, *_: x * x)(3.0, endless, Later(), {"f": len}, None) == 6.0


def test_what_is_frozen_is_a_constant_to_every_transform() -> None:
    def f(x: Any) -> Any:
        y = x * x
        y.requires_grad = False
        return x * y

    torch = pytest.importorskip("torch")
    x = torch.tensor(3.0, requires_grad=True)
    (x * (x * x).detach()).backward()
    assert grad(f)(3.0) == vjp(f, 3.0)[1](1.0)[0] == jvp(f, (3.0,), (1.0,))[1] == x.grad == 9.0


def test_jvp_s_answers_are_of_one_kind() -> None:
    x = Value(3.0)
    values, slopes = jvp(lambda v: [v * v, Value(5.0)], (x,), (1.0,))
    assert [type(each) for each in (*values, *slopes)] == [Value] * 4
    assert [each.data for each in slopes] == [6.0, 0.0]


def test_what_else_is_returned_stays_what_it_is_where_it_holds_no_value() -> None:
    @dataclass
    class Note:
        text: str
        x: Any = 0.0

        def __post_init__(self) -> None:
            self.seen = [self.text]

    note, inside = Note("n"), Note("m", {"x": 1.0})
    _, (kept, [also, found]) = grad(
        lambda v: (v * v, (note, [inside, Note("v", v)])), has_aux=True
    )(3.0)
    assert kept is note
    assert also is inside
    assert (found.text, found.x) == ("v", 3.0)


@pytest.mark.parametrize("transform", [grad, value_and_grad, jacobian, hessian])
def test_what_is_no_function_is_refused_at_once(transform: Any) -> None:
    x = Value(2.0)
    with pytest.raises(TypeError, match=rf"^{transform.__name__} takes a function, got str 'f'$"):
        transform("f")
    with pytest.raises(TypeError, match=r"takes a function, got Value.*: gradients\(output"):
        transform(x * x)


@pytest.mark.parametrize("call", [lambda f: vjp(f, 2.0), lambda f: jvp(f, (2.0,), (1.0,))])
def test_no_product_is_taken_of_what_is_no_function(call: Any) -> None:
    x = Value(2.0)
    with pytest.raises(TypeError, match=r"^[vj][jv]p takes a function, got int 3$"):
        call(3)
    with pytest.raises(TypeError, match=r"takes a function, got Value.*: gradients\(output"):
        call(x * x)


def test_an_array_without_sides_is_its_number() -> None:
    np = pytest.importorskip("numpy")

    def f(x: Any) -> Any:
        y = np.empty((), dtype=object)
        y[()] = x * x
        return y

    assert value_and_grad(f)(3.0) == (9.0, 6.0)
