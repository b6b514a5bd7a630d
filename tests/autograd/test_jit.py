"""jit: the same numbers as the function and its derivatives, whatever they were recorded at."""

from __future__ import annotations

import copy
import math
import pickle
import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, make_dataclass
from enum import Enum, IntEnum
from functools import partial
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autograd
import nn
from autograd import (
    AnomalyError,
    Placeholder,
    Value,
    check_grads,
    detect_anomaly,
    grad,
    gradients,
    hessian,
    jacobian,
    jit,
    jvp,
    less,
    no_branches,
    no_grad,
    take,
    value_and_grad,
    vjp,
    where,
)
from tests.strategies import Program, payback_operations, programs, result

jit_numpy = partial(jit, backend="numpy")


class Counting:
    """A function that knows how often it was called."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f, self.calls = f, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self.f(*args, **kwargs)


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


# -- random functions: recorded at one point, right at another -------------------------------------


def function_of(program: Program) -> Callable[[Any], Any]:
    def f(inputs: Any) -> Any:
        return result(program, list(inputs), payback_operations()) + 0.0 * inputs[0]

    return f


@given(programs(max_inputs=3, max_steps=12), st.lists(st.floats(-9, 9), min_size=3, max_size=3))
def test_jitted_functions_are_the_functions(program: Program, elsewhere: list[float]) -> None:
    f, here = function_of(program), list(program.inputs)
    for transform in (itself, grad, value_and_grad, hessian):
        jitted = jit_numpy(transform(f))
        jitted(elsewhere[: len(here)])  # records; what comes out does not matter
        assert_same(jitted(here), plain(transform(f)(here)))


@given(programs(max_inputs=3, max_steps=8))
def test_transforms_of_jitted_functions(program: Program) -> None:
    f, here = function_of(program), list(program.inputs)
    jitted = jit_numpy(f)
    jitted(here)
    assert_same(grad(jitted)(here), grad(f)(here))
    assert_same(hessian(jitted)(here), hessian(f)(here))
    assert_same(jit_numpy(grad(jitted))(here), grad(f)(here))
    assert_same(jit_numpy(jit_numpy(f))(here), plain(f([Value(x) for x in here])))
    assert_same(jvp(jitted, (here,), (here,)), jvp(f, (here,), (here,)))
    assert_same(vjp(jitted, here)[1](2.0), vjp(f, here)[1](2.0))


def itself(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda inputs: f([x if isinstance(x, Value) else Value(x) for x in inputs])


def plain(result: Any) -> Any:
    return result.data if isinstance(result, Value) else result


def assert_same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(
        np.ravel(_flat(found)), np.ravel(_flat(expected)), rtol=1e-9, atol=1e-9
    )


def _flat(tree: Any) -> list[float]:
    return autograd.trees.flatten(tree)[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("x", [0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, -1.0, 5e-324])
def test_special_numbers(x: float) -> None:
    def f(x: Any) -> Any:
        return [1 / x, autograd.log(x), x * 0, autograd.maximum(x, 0.0), x**0.5, abs(x)]

    jitted = jit(f)
    jitted(2.0)
    expected = [y.data for y in f(Value(x))]
    np.testing.assert_array_equal(jitted(x), expected)
    signs = [(math.copysign(1.0, y), y) for y in expected if y == y]
    assert [(math.copysign(1.0, y), y) for y in jitted(x) if y == y] == signs


# -- random arguments: one function, called in any order -------------------------------------------


class Mood(Enum):
    CALM = 1


class Count(IntEnum):
    ONE = 1
    TWO = 2


@dataclass(frozen=True)
class Tagged:
    x: Any
    tag: Any = field(default=None, metadata={"static": True})


class Stack(list[Any]):
    pass


class Slotted(list[Any]):
    __slots__ = ("scale",)


class Pair(NamedTuple):
    x: Any
    y: Any


EQUALS = [0, 0.0, -0.0, False, 1, 1.0, True, math.nan]
"""Most are equal to another one of them, and not the same."""

static = st.recursive(
    st.sampled_from([*EQUALS, None, "a", Mood.CALM]),
    lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=2)),
    max_leaves=3,
)
no_numbers = st.sampled_from([True, False, None, "a", "b", Mood.CALM, *Count, math.exp])
leaves = st.one_of(st.sampled_from([1, 2, 2.5, -0.5, np.float64(0.5)]), no_numbers)
arguments = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.lists(inner, max_size=2).map(tuple),
        st.lists(st.sampled_from([1, 2.5, True, None]), min_size=1, max_size=2).map(
            lambda numbers: np.array(numbers, dtype=object)
        ),
        st.builds(Pair, inner, inner),
        st.builds(Tagged, inner, static),
        st.builds(lambda x, tag: with_attributes(Stack([x]), tag=tag), inner, static),
        st.dictionaries(static, inner, max_size=2),
    ),
    max_leaves=4,
)


def told(tree: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """All that a function can see of its arguments: numbers, and the words that lead there."""
    here = f"{place}/{type(tree).__name__}"
    if isinstance(tree, Value | float | int) and not isinstance(tree, bool | Enum):
        yield place, tree
    elif isinstance(tree, np.ndarray):
        yield from told(tree.tolist(), f"{here}{tree.shape}")
    elif isinstance(tree, dict):
        for n, (key, branch) in enumerate(tree.items()):
            yield from told(branch, f"{here}/{n}{key!r}")
    elif isinstance(tree, list | tuple):
        here += repr(getattr(tree, "tag", ""))
        for n, branch in enumerate(tree):
            yield from told(branch, f"{here}/{n}")
    elif isinstance(tree, Tagged):
        yield from told(tree.x, f"{here}/{tree.tag!r}")
    else:
        place = f"{here}{tree!r}"
    yield place, 1.0


def fingerprint(*args: Any, **kwargs: Any) -> Any:
    return [crc32(place.encode()) % 1000 * x for place, x in told([args, kwargs])]


def with_equals(tree: Any, equals: list[Any]) -> Any:
    """The tree with other keys and tags, which are equal to its own."""
    other = {1: equals[0], 0: equals[1]}
    if isinstance(tree, dict):
        return {other.get(key, key): with_equals(x, equals) for key, x in tree.items()}
    if isinstance(tree, Tagged):
        return Tagged(with_equals(tree.x, equals), other.get(tree.tag, tree.tag))
    return [with_equals(x, equals) for x in tree] if type(tree) is list else tree


@st.composite
def calls(draw: st.DrawFn) -> list[tuple[Any, dict[str, Any]]]:
    """Calls of one function with arguments that are easily taken for one another."""
    pool = draw(st.lists(st.one_of(leaves, arguments), min_size=1, max_size=3))
    named = draw(st.sampled_from([0, 0, 1, len(pool)]))
    equals = st.tuples(st.sampled_from([1, 1.0, True]), st.sampled_from([0, 0.0, -0.0, False]))
    drawn = []
    for order in draw(st.lists(st.permutations(pool), min_size=2, max_size=4)):
        args = with_equals(order, [*draw(equals)])
        drawn.append((args[named:], dict(zip("abc", args[:named]))))
    return drawn


@given(calls())
@example([((True, 3.0), {}), ((3.0, True), {})])
@example([((Tagged(2.0, tag),), {}) for tag in (1, True, 1.0, 0.0, -0.0, (1,), (True,))])
@example([(({key: 2.0},), {}) for key in (1, True, 1.0, 0.0, -0.0, (1,), (True,))])
def test_a_jitted_function_is_the_function_in_any_order_of_calls(
    calls: list[tuple[Any, dict[str, Any]]],
) -> None:
    f = jit_numpy(fingerprint)
    for args, kwargs in calls:
        assert f(*args, **kwargs) == pytest.approx(fingerprint(*args, **kwargs), rel=1e-12)


@given(
    calls(),
    st.sampled_from([0, -1, (2,), [2, 0], np.array([0])]),
    st.sampled_from([grad, value_and_grad, jacobian]),
    st.sampled_from([True, 1]),
)
def test_a_derivative_is_the_derivative_in_any_order_of_calls(
    calls: list[tuple[Any, dict[str, Any]]], argnums: Any, transform: Any, has_aux: Any
) -> None:
    w = Value(1.0)

    def f(x: Any, given: Any, point: Any, **kwargs: Any) -> Any:
        seen = fingerprint(given, **kwargs)
        return x * w * point["a"] ** 2 * sum(seen) + point["b"][0], [seen, w * x]

    derivative, jitted = transform(f, argnums, has_aux=has_aux), jit_numpy(f)
    inside = jit_numpy(derivative)
    for n, (args, kwargs) in enumerate(calls):
        w.data = 2.0 + n
        given = 1.0 + n, args, {"a": 0.5 * n, "b": (2.0,)}
        expected, outside = derivative(*given, **kwargs), transform(jitted, argnums, has_aux=True)
        for found in (inside(*given, **kwargs), outside(*given, **kwargs)):
            assert autograd.trees.structure(found) == autograd.trees.structure(expected)
            assert _flat(found) == pytest.approx(_flat(expected), rel=1e-12)


def test_what_is_the_same_is_recorded_once() -> None:
    counting = Counting(lambda t: t.x * 2)
    f = jit_numpy(counting)
    for _ in range(3):
        assert f(Tagged(2.0, (float("nan"), ("a", -0.0), slice(1, None)))) == 4.0
    assert counting.calls == 1
    assert f(Tagged(2.0, (float("nan"), ("a", 0.0), slice(1, None)))) == 4.0
    assert counting.calls == 2


def test_a_member_of_an_enumeration_of_numbers_is_a_choice() -> None:
    f = jit_numpy(lambda x, count: (x if count is Count.ONE else 10 * x * count, count))
    assert [f(3.0, count) for count in Count] == [(3.0, Count.ONE), (60.0, Count.TWO)]
    assert f(3.0, Count.ONE)[1] is Count.ONE


def test_arguments_may_have_any_name() -> None:
    assert jit_numpy(lambda self, x: self * x)(x=2.0, self=3.0) == 6.0


def test_equal_records_are_not_the_same_either() -> None:
    f = jit_numpy(lambda t, how: t.x * (10 if t.tag.x is True else 1) * (5 if 1 in how else 1))
    assert f(Tagged(2.0, Tagged(1)), frozenset([1])) == 10.0
    assert f(Tagged(2.0, Tagged(True)), frozenset([1])) == 100.0
    sliced = jit_numpy(lambda x, part: x[part].sum())
    assert [sliced(np.arange(4.0), slice(n, None)) for n in (1, 2)] == [6.0, 5.0]


def test_a_static_field_that_can_be_changed_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Tagged\.tag is list \[1\], which can .* mean a tuple"):
        jit(lambda t: t.x)(Tagged(2.0, [1]))


# -- what goes in and what comes out ---------------------------------------------------------------


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass(frozen=True)
class Line:
    slope: Any
    offset: Any


def test_what_f_returns_comes_back_in_its_structure() -> None:
    def f(p: Any, v: Any) -> Any:
        return Point(p.x * 2, [p.y]), {"v": v * p.x, "s": "text"}, Line(v[0], 3), None, []

    point, table, line, nothing, empty = jit(f)(Point(2, 3.0), np.array([1.0, 5.0]))
    assert point == Point(4.0, [3.0])
    assert type(point.x) is float
    np.testing.assert_array_equal(table["v"], [2.0, 10.0])
    assert table["v"].dtype == np.float64
    assert table["s"] == "text"
    assert line == Line(1.0, 3.0)
    assert (nothing, empty) == (None, [])


def test_it_is_recorded_once_per_structure() -> None:
    counting = Counting(lambda x, y: x[0] * y)
    f = jit(counting)
    for x in ([1.0], [2], [np.float32(3.0)]):
        assert f(x, 2.0) == 2.0 * x[0]
    assert counting.calls == 1
    assert f((1.0,), 2.0) == 2.0
    assert f(np.array([1.0]), 2.0) == 2.0
    assert f(np.array([1.0, 2.0]), y=2.0) == 2.0
    assert counting.calls == 4


def test_arguments_that_are_no_numbers_are_part_of_the_structure() -> None:
    def f(x: Any, twice: bool = False, how: str = "", then: Any = None) -> Any:
        y = 2 * x if twice else x
        y = y * 10 if how == "loud" else y
        return then(y) if then else y

    jitted = jit(f)
    assert jitted(1.0) == 1.0
    assert jitted(1.0, True) == 2.0
    assert jitted(1.0, False) == 1.0
    assert jitted(1.0, how="loud") == 10.0
    assert jitted(1.0, then=autograd.exp) == pytest.approx(math.e, rel=1e-15)


@pytest.mark.parametrize(("argument", "match"), [
    (1j, "complex"),
    (np.array(["a"]), "got str|str_"),
    ({1.0}, "got set, which can be changed"),
    (np.True_, "did you mean 1.0 or 0.0"),
    (np.array([1j, 2.0]), "complex"),
])  # fmt: skip
def test_arguments_are_numbers(argument: Any, match: str) -> None:
    f = jit(lambda x: x)
    if isinstance(argument, np.ndarray) and argument.dtype.kind == "U":
        # texts are no numbers, and part of the structure
        assert f(argument).tolist() == [f(argument[0])] == ["a"]
        return
    with pytest.raises(TypeError, match=match):
        f(argument)


def test_constants_and_arguments_returned() -> None:
    assert jit(lambda x: 5)(1.0) == 5.0
    assert jit(lambda x: Value(2.0, requires_grad=False) * 3)(1.0) == 6.0
    assert jit(lambda x: x)(7) == 7.0
    assert jit(lambda x: [x, x, 1])(7) == [7.0, 7.0, 1.0]
    assert jit(lambda x: {})(1.0) == {}
    assert jit(lambda: 3.0)() == 3.0
    assert jit(lambda xs: autograd.sum(xs))([]) == 0.0
    assert jit(lambda x, y: y)(1.0, 2.0) == 2.0
    array = jit(lambda x: x)(np.ones((2, 0)))
    assert array.shape == (2, 0)


def test_masks_are_part_of_the_structure() -> None:
    total = jit(grad(lambda x, chosen: (x[chosen] ** 2).sum()))
    x = np.array([1.0, 2.0, 3.0])
    assert total(x, np.array([True, False, True])).tolist() == [2.0, 0.0, 6.0]
    assert total(x, np.array([False, True, True])).tolist() == [0.0, 4.0, 6.0]
    assert jit(lambda x: (x, np.array([True])))(1.0)[1].dtype == bool
    chosen = jit(lambda x, which: x[which].shape[0] + x.sum())
    assert chosen(np.ones(0), np.ones(0, dtype=bool)) == 0.0
    with pytest.raises(IndexError):
        chosen(np.ones(0), np.ones(0))
    assert jit(lambda x: x)(np.ones((2, 0), dtype=bool)).dtype == bool


class Text(str):
    pass


def with_attributes(held: Any, **attributes: Any) -> Any:
    for name, attribute in attributes.items():
        setattr(held, name, attribute)
    return held


@pytest.mark.parametrize("hide", [
    lambda x: {2 * x},
    lambda x: (y for y in [x]),
    lambda x: lambda: x,
    lambda x: {x * 3: x},
    lambda x: Tagged(x, x * 3),
    lambda x: Tagged(x, x),
    lambda x: [{"a": Tagged(x, (1, ("b", x * 3)))}],
    lambda x: Tagged(x, lambda: x * 3),
    lambda x: Tagged(x, lambda y=x * 3: y),
    lambda x: Tagged(x, lambda *, y=x * 3: y),
    lambda x: Tagged(x, (y for y in [x * 3])),
    lambda x: Tagged(x, partial(math.hypot, x * 3)),
    lambda x: Tagged(x, (x * 3).backward),
    lambda x: Tagged(x, with_attributes(Counting(abs), calls=[x * 3])),
    lambda x: defaultdict(lambda: x * 3, a=x),
    lambda x: with_attributes(Stack([x]), total=x * 3),
    lambda x: with_attributes(Text("a"), total=x * 3),
    lambda x: type("Local", (Stack,), {"total": x * 3})([x]),
    lambda x: type("Local", (Stack,), {"total": property(lambda self: x * 3)})([x]),
    lambda x: type("Local", (type("Base", (Stack,), {"total": x * 3}),), {})([x]),
    lambda x: Tagged(x, with_attributes(lambda: 1.0, total=x * 3)),
    lambda x: make_dataclass("Local", [("y", Any), ("z", Any, x * 3)])(x),
])  # fmt: skip
def test_what_may_hide_numbers_is_not_returned(hide: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"may hold numbers of this one call"):
        jit(lambda x: [x, hide(x)])(1.0)


def test_what_holds_no_numbers_of_the_call_is_returned() -> None:
    w, outside = Value(3.0, label="w"), with_attributes(Counting(abs), calls=Value(2.0) * 3)

    def f(x: Any, t: Any) -> Any:
        return {w: w * x}, Tagged(x, ("a", 1, math.exp, lambda: w)), Tagged(t.x * x, t.tag)

    jitted = jit_numpy(f)
    for x in (1.0, 2.0):
        by_parameter, made, passed = jitted(x, Tagged(5.0, outside))
        assert by_parameter == {w: 3.0 * x}
        assert (made.x, made.tag[:3], made.tag[3]()) == (x, ("a", 1, math.exp), w)
        assert passed == Tagged(5.0 * x, outside)
    with pytest.raises(TypeError, match=r"Tagged\.tag is list \[\], which can be changed"):
        jit_numpy(lambda x: Tagged(x, []))(1.0)


def test_what_may_give_other_numbers_next_time_is_no_argument() -> None:
    for numbers in (iter([1.0]), (x for x in [1.0]), {"a": 1.0}.values()):
        with pytest.raises(TypeError, match=r"other numbers next time: did you mean list\(\)"):
            jit_numpy(lambda xs: sum(xs))(numbers)


def test_attributes_of_containers_are_part_of_the_structure() -> None:
    f = jit_numpy(lambda v: v[0] * v.scale)
    for kind in (Stack, Slotted):
        made = [with_attributes(kind([3.0]), scale=scale) for scale in (2.0, 5.0, True)]
        assert [f(v) for v in made] == [6.0, 15.0, 3.0]
    g = jit_numpy(lambda v: v[0] * len(v.scale))
    assert [g(with_attributes(Stack([3.0]), scale=[1] * n)) for n in (1, 2)] == [3.0, 6.0]
    total = jit_numpy(lambda d: d["a"] + d["b"])
    assert total(defaultdict(float, a=1.0)) == 1.0
    assert total(defaultdict(lambda: 5.0, a=1.0)) == 6.0


class Named(dict[str, Any]):
    """d.x for d["x"]."""

    def __setitem__(self, name: str, held: Any) -> None:
        super().__setitem__(name, held)
        super().__setattr__(name, held)


def test_an_attribute_that_is_an_item_too_is_a_number() -> None:
    counting = Counting(lambda d: Named(d) | {"y": d.x * 3})
    f, d = jit_numpy(counting), Named()
    for x in (1.0, 2.0):
        d["x"] = x
        assert f(d) == {"x": x, "y": 3.0 * x}
    assert counting.calls == 1


def test_few_recordings_are_kept_of_what_is_new_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograd.jitted.MOST", 3)
    counting = Counting(lambda x, name: x * len(name))
    f = jit_numpy(counting)
    for name in ("a", "bb", "ccc", "ccc", "dddd", "a"):
        assert f(2.0, name) == 2.0 * len(name)
    assert counting.calls == 5


def test_results_are_new_each_time() -> None:
    f = jit(lambda x: ([x], np.array([1.0]), OrderedDict(a=2.0)))
    first = f(1.0)
    first[0].append(2.0)
    first[1][0] = 9.0
    first[2]["b"] = 1.0
    again = f(1.0)
    assert (again[0], again[1].tolist(), again[2]) == ([1.0], [1.0], OrderedDict(a=2.0))


def test_names_and_docstrings_stay_and_methods_bind() -> None:
    @jit
    def energy(x: Any) -> Any:
        """Half the square."""
        return x * x / 2

    assert (energy.__name__, energy.__doc__) == ("energy", "Half the square.")
    assert "energy" in repr(energy)

    class Spring:
        k = 4.0

        @jit
        def energy(self, x: Any) -> Any:
            return self.k * x * x / 2

    assert Spring().energy(3.0) == 18.0
    with pytest.raises(TypeError, match="did you mean jit"):
        jit(3.0)  # type: ignore[arg-type]


# -- what is fixed, and what is not ----------------------------------------------------------------


def test_numbers_outside_are_fixed_and_parameters_are_read_again() -> None:
    outside, w = [2.0], Value(3.0)
    f = jit(lambda x: outside[0] * w * x)
    assert f(1.0) == 6.0
    outside[0] = 100.0
    w.data = 5.0
    assert f(1.0) == 10.0


def test_a_model_s_loss() -> None:
    model = nn.MLP(2, [3, 1], activation="tanh", seed=0)
    loss = jit(lambda x, y: nn.squared_error(model(x), y))
    xs = [0.5, -1.0]
    for _ in range(2):
        assert loss(xs, 1.0) == pytest.approx(nn.squared_error(model(xs), 1.0).data, rel=1e-12)
        for p in model.parameters():
            p.data += 0.1


def test_variables_of_an_outer_transform_keep_their_derivative() -> None:
    assert grad(lambda w: jit(lambda x: w * x)(3.0))(2.0) == 3.0
    assert grad(lambda w: w * jit(grad(lambda x: w * x * x))(3.0))(2.0) == 24.0
    nested = jit(lambda x: jit(lambda y: x * y)(2.0))
    assert [nested(3.0), nested(4.0)] == [6.0, 8.0]
    inner = jit(lambda x: grad(lambda y: x * y * y)(2.0))
    assert [inner(3.0), inner(4.0)] == [12.0, 16.0]


def test_values_given_keep_their_gradient() -> None:
    x = Value(3.0)
    y = jit(lambda x: x * x)(x)
    y.backward()
    assert (y.data, x.grad) == (9.0, 6.0)
    assert jit(lambda x: x * x)(x.detach()) == 9.0


def test_modes() -> None:
    f, cube = jit(grad(lambda x: x**3)), jit(lambda x: x**3)
    with no_grad():
        assert f(2.0) == 12.0
        assert f(2) == 12.0
        assert [cube(2.0), cube(3.0)] == [8.0, 27.0]
    for x in (Value(2.0), Value(3.0)):
        with no_grad():
            y = jit(lambda x: x * x if x.data > 2 else -x)(x)
        assert (y.data, y.requires_grad) == (9.0 if x.data == 3.0 else -2.0, False)

    with autograd.scope("a"), pytest.raises(TypeError, match="where"):
        jit(lambda x: x if x > 0 else -x)(Value(2.0))

    def half(x: Any) -> Any:
        with no_grad():
            fixed = jit(lambda x: x * x)(x)
        return fixed * x

    assert grad(half)(2.0) == 4.0
    with pytest.raises(TypeError, match="no_grad"):
        jit(half)(2.0)
    root = jit(lambda x: autograd.log(x) * 2)
    root(1.0)
    with detect_anomaly(), pytest.raises(AnomalyError, match="log"):
        root(-1.0)
    with detect_anomaly():
        assert root(1.0) == 0.0
    assert math.isnan(root(-1.0))


def test_transforms_of_jitted_functions_run_compiled() -> None:
    counting = Counting(lambda p, v: p["w"] * v[0] ** 3 * v[1])
    jitted = jit(counting)
    transforms = [grad, value_and_grad, jacobian, hessian, lambda f: grad(f, (0, 1))]
    for transform in transforms:
        calls = counting.calls
        for x in (2.0, 3.0, -1.0):  # asked for anew at each step, as training loops do
            given = {"w": 5.0}, np.array([x, 0.5])
            found, expected = transform(jitted)(*given), transform(counting.f)(*given)
            assert type(found) is type(expected)
            assert_same(found, expected)
        assert counting.calls == calls + 1
    third = grad(grad(grad(jit(lambda x: x**5))))
    assert [third(x) for x in (1.0, 2.0)] == [60.0, 240.0]
    assert isinstance(third(Value(2.0)), Value)
    assert grad(lambda x: x * grad(jit(lambda y: y**3))(x))(2.0) == 36.0  # (3 x³)' = 9 x²


def test_arguments_are_chosen_by_what_was_given_at_the_time() -> None:
    def f(a: Any, b: Any) -> Any:
        return a * a * b

    for either in (f, jit_numpy(f)):
        chosen = [0]
        first = grad(either, chosen)
        chosen[0] = 1
        assert first(2.0, 3.0) == (12.0,)
        assert grad(either, [0])(2.0, 3.0) == (12.0,)
        assert grad(either, chosen)(2.0, 3.0) == (4.0,)
        assert grad(either, np.array([0, 1]))(2.0, 3.0) == (12.0, 4.0)
        assert grad(either, np.array(1))(2.0, 3.0) == 4.0
        assert grad(either, True, has_aux=[])(2.0, 3.0) == 4.0
        assert grad(either, iter([1, 0]))(2.0, 3.0) == (4.0, 12.0)


def test_transforms_of_jitted_functions_carry_what_else_is_returned() -> None:
    jitted = jit(lambda x, y: (x * y, {"sum": x + y}))
    for x in (2.0, 3.0):
        assert grad(jitted, has_aux=True)(x, 5.0) == (5.0, {"sum": x + 5.0})
        assert grad(jitted, argnums=-1, has_aux=True)(x, 5.0) == (x, {"sum": x + 5.0})
    with pytest.raises(TypeError, match="did you mean jacobian"):
        grad(jitted)(2.0, 5.0)
    with pytest.raises(ValueError, match="called with 2 positional arguments"):
        grad(jitted, argnums=2)(2.0, 5.0)


def test_finite_differences_agree() -> None:
    assert check_grads(jit(rosenbrock), [np.linspace(-1, 1, 4)], order=2).ok


# -- branches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [
    lambda x: x if x > 0 else -x,
    lambda x: max(x, 0.0),
    lambda x: x * x.data,
    lambda x: x * x.item(),
    lambda x: x.detach() * x,
    lambda x: x * math.exp(x),
    lambda x: 1.0 if x else x,
    lambda x: sorted([x, 2 * x])[0],
    lambda x: x * int(x),
    lambda x: x * (x == 2.0),
    lambda x: np.maximum(np.array([x]), 0.0)[0],
])  # fmt: skip
@pytest.mark.parametrize("transform", [lambda f: f, grad, lambda f: jit(f)])
def test_branches_on_numbers_are_refused(
    f: Callable[[Any], Any], transform: Callable[..., Any]
) -> None:
    with pytest.raises(TypeError, match=r"test_jit\.py:\d+: ") as found:
        jit(transform(f))(2.0)
    assert "where(" in str(found.value) or "parameter is left out" in str(found.value)


@pytest.mark.parametrize("f", [
    lambda x: x * {2.0: 3.0}.get(x, 0.5),
    lambda x: x * 3.0 if x in {1.0, 2.0} else x,
    lambda x: x * len({x, 2.0}),
    lambda x: x * Counter([x])[2.0],
])  # fmt: skip
def test_a_number_as_a_key_is_refused(f: Callable[[Any], Any]) -> None:
    """A Value goes by identity there, and the branch for what is not found would be for ever."""
    with pytest.raises(
        TypeError, match=r"test_jit\.py:\d+: hash\(\), as for a dict or a set, looks"
    ):
        jit(f)(2.0)


@pytest.mark.parametrize("f", [
    lambda x, n: [1.0, 2.0, 3.0][n] * x,
    lambda x, n: sum([x] * n),
    lambda x, n: sum(x for _ in range(n)),
])  # fmt: skip
def test_a_number_as_an_index_or_a_count_is_refused(f: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"test_jit\.py:\d+: an index, a count .* take\("):
        jit(f)(2.0, 2)
    with pytest.raises(TypeError, match="no whole number"):  # nobody records
        range(Placeholder(2.0))


def test_a_number_that_is_frozen_is_refused() -> None:
    def f(x: Any) -> Any:
        x.requires_grad = False
        return 2 * x

    for _ in range(2):
        with pytest.raises(
            TypeError, match=r"test_jit\.py:\d+: requires_grad = False fixes a number"
        ):
            jit(f)(2.0)

    def frozen(y: Any) -> Any:
        y.requires_grad = False
        return y

    with pytest.raises(TypeError, match=r"'mul', constant\) was frozen while jit recorded it"):
        jit(lambda x: frozen(x * 2))(1.0)
    total = lambda x: autograd.sum([frozen(x * 2), 3.0])  # noqa: E731
    for g in (lambda x: frozen(x * 2) * 3, total, grad(lambda x: frozen(x * 2) * x), grad(f)):
        with pytest.raises(TypeError, match=r"test_jit\.py:\d+: requires_grad = False fixes"):
            jit(g)(1.0)
    partly = jit(lambda x: frozen(x * 2) * x)
    assert [partly(1.0), partly(5.0)] == [2.0, 50.0]
    x = Placeholder(2.0)
    assert x.requires_grad
    assert not f(x).requires_grad  # nobody records


def test_a_number_may_be_a_key_of_the_library() -> None:
    def f(x: Any) -> Any:
        y = x**3
        return y * gradients(y, x, create_graph=True)

    assert jit(f)(2.0) == 8.0 * 12.0


def test_what_was_recorded_is_a_value_like_any_other() -> None:
    """So that what compiles it may look it up without being asked who it is."""
    x = Placeholder(2.0)
    x.recorded()
    with no_branches():
        assert {x: "x"}[x] == "x"
    assert type(x) is Value


def test_a_refused_function_leaves_nothing_behind() -> None:
    f = jit(lambda x: x if x > 0 else -x)
    for _ in range(2):
        with pytest.raises(TypeError, match="where"):
            f(2.0)


def test_numbers_lost_on_the_way_are_refused() -> None:
    def f(x: Any) -> Any:
        with no_grad():
            y = x * 2
        return x + y

    with pytest.raises(TypeError):
        jit(f)(1.0)


def test_what_to_write_instead() -> None:
    f = jit(lambda x: where(less(x, 0.0), -x, 2 * x))
    assert [f(x) for x in (-1.0, 3.0, 0.0)] == [1.0, 6.0, 0.0]
    assert [jit(grad(f))(x) for x in (-1.0, 3.0)] == [-1.0, 2.0]


# -- the program -----------------------------------------------------------------------------------


def test_the_program_takes_the_numbers_in_order() -> None:
    f = jit(lambda p, v: [p["a"] * v[1], v[0], 3.0])
    program = f.program({"a": 0.0}, np.zeros(2))
    outputs = program([], [[2.0, 5.0, 7.0], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(outputs, [[14.0, 5.0, 3.0], [3.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="returns the same for all arguments"):
        jit(lambda x: 1.0).program(2.0)


@pytest.mark.parametrize("backend", ["numpy", "native", "jax"])
def test_every_backend(backend: str) -> None:
    pytest.importorskip({"native": "llvmlite"}.get(backend, backend))
    x = np.array([0.5, -0.5, 2.0])
    value, slopes = jit(value_and_grad(rosenbrock), backend=backend)(x)
    expected = value_and_grad(rosenbrock)(x)
    assert value == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(slopes, expected[1], rtol=1e-12)


def test_a_program_of_a_gradient_is_compiled_like_any_other() -> None:
    x = Value(0.0)
    program = autograd.compile(grad(lambda x: x**3)(x), inputs=[x], backend="numpy")
    assert program([], [[2.0]]).tolist() == [[12.0]]


def test_scipy_minimises_it_as_written() -> None:
    minimize = pytest.importorskip("scipy.optimize").minimize
    found = minimize(jit(value_and_grad(rosenbrock)), np.zeros(10), jac=True)
    assert found.success
    np.testing.assert_allclose(found.x, np.ones(10), atol=1e-4)
    newton = minimize(
        jit(rosenbrock), np.zeros(4), jac=jit(grad(rosenbrock)), hess=jit(hessian(rosenbrock)),
        method="trust-exact",
    )  # fmt: skip
    np.testing.assert_allclose(newton.x, np.ones(4), atol=1e-3)


def test_jacobians_of_arrays() -> None:
    a = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(jit(jacobian(lambda v: a @ v))(np.ones(3)), a)


def test_threads_share_a_function() -> None:
    f, start = jit(value_and_grad(rosenbrock)), threading.Barrier(8)

    def work(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        start.wait()
        for _ in range(20):
            x = rng.normal(size=rng.integers(2, 5))
            value, slopes = f(x)
            by_hand = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
            if not math.isclose(value, by_hand, rel_tol=1e-12) or slopes.shape != x.shape:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_an_index_is_an_input_like_any_other() -> None:
    f = jit(lambda values, index: take(values, index) * 2)
    assert [f([1.0, 2.0, 5.0], i) for i in (0, 2, 1)] == [2.0, 10.0, 4.0]
    assert jit(grad(lambda v, i: take(v, i) ** 2))([1.0, 2.0], 1) == [0.0, 4.0]
    assert math.isnan(f([1.0, 2.0, 5.0], 3))


class Scaled:
    """A model that runs a method of its own compiled."""

    def __init__(self) -> None:
        self.w = Value(2.0)
        self.fast = jit(self.forward)

    def forward(self, x: Any) -> Any:
        return self.w * x


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_what_ran_already_goes_by_its_own_parameters(copied: Any) -> None:
    model = Scaled()
    assert model.fast(1.0) == 2.0
    assert grad(model.fast)(1.0) == 2.0
    other = copied(model)
    model.w.data, other.w.data = 3.0, 7.0
    assert [m.fast(1.0) for m in (model, other)] == [3.0, 7.0]
    assert [grad(m.fast)(1.0) for m in (model, other)] == [3.0, 7.0]
    assert other.fast.__name__ == "forward"


def test_copies_of_a_function_read_the_same_parameters() -> None:
    w = Value(2.0)
    f = jit(lambda x: w * x)
    f(1.0)
    copies = [f, copy.copy(f), copy.deepcopy(f)]
    w.data = 5.0
    assert [g(1.0) for g in copies] == [5.0] * 3
