"""Containers through transforms: types kept, arrays of every shape, derivatives as JAX's."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autograd import Value, check_grads, grad, hessian, jacobian, jit, jvp, value_and_grad, vjp
from autograd.trees import described, exactly, flatten, names, structure


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass(frozen=True, slots=True)
class Line:
    slope: Any
    offset: Any = None
    name: str = field(default="line", metadata={"static": True})


class Stack(list[Any]):
    pass


class Tagged(np.ndarray[Any, Any]):
    pass


numbers = st.floats(-3.0, 3.0, allow_subnormal=False)  # half of the smallest number is 0
number_arrays = arrays.arrays(
    st.sampled_from([np.float64, np.float32, np.int32]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    elements=st.integers(-3, 3),
)
keys = st.one_of(st.text(max_size=2), st.integers())
trees = st.recursive(
    st.one_of(numbers, number_arrays),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner, max_size=2).map(Stack),
        st.builds(Point, inner, inner),
        st.builds(Line, inner, st.one_of(st.none(), inner)),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
        st.dictionaries(keys, inner, max_size=3).map(lambda d: defaultdict(list, d)),
    ),
    max_leaves=8,
)


def half_squares(tree: Any) -> Any:
    """Its gradient is the tree itself."""
    return sum((x * x for x in flatten(tree)[0]), start=Value(0.0)) / 2


@given(trees)
def test_what_is_taken_apart_is_put_together_again(tree: Any) -> None:
    leaves, rebuild = flatten(tree)
    again = rebuild(leaves)
    assert structure(again) == structure(tree)
    assert flatten(again)[0] == leaves
    assert len(names(tree)) == len(leaves)
    assert len(set(names(tree))) == len(leaves)


@given(trees)
def test_gradients_come_in_the_containers_of_the_argument(tree: Any) -> None:
    value, slopes = value_and_grad(half_squares)(tree)
    assert structure(slopes) == structure(tree)
    assert flatten(slopes)[0] == flatten(tree)[0]
    assert value == pytest.approx(sum(x * x for x in flatten(tree)[0]) / 2)


@given(trees)
def test_products_keep_containers_too(tree: Any) -> None:
    (same,), (tangent,) = jvp(lambda t: [t], (tree,), (tree,))
    (pulled,) = vjp(lambda t: [t], tree)[1]([tree])
    for found in (same, tangent, pulled):
        assert structure(found) == structure(tree)
        assert flatten(found)[0] == flatten(tree)[0]


def test_containers_keep_what_else_they_know() -> None:
    found = grad(half_squares)(defaultdict(float, a=1.0))
    assert found["b"] == 0.0
    assert grad(half_squares)(Line(2.0, None, "steep")) == Line(2.0, None, "steep")
    assert type(grad(half_squares)(Counter(a=2))) is Counter
    assert grad(half_squares)(Counter(a=2)) == {"a": 2.0}


def test_a_dataclass_may_check_what_it_is_made_of() -> None:
    @dataclass
    class Positive:
        x: float

        def __post_init__(self) -> None:
            assert type(self.x) is float

    assert grad(lambda p: p.x**3)(Positive(2.0)).x == 12.0


def test_what_a_dataclass_computed_from_its_fields_is_computed_anew() -> None:
    @dataclass
    class Vector:
        x: Any
        y: Any

        def __post_init__(self) -> None:
            self.kept = self.x + self.y

        @cached_property
        def square(self) -> Any:
            return self.x * self.x + self.y * self.y

    v = Vector(3.0, 4.0)
    assert v.square == 25.0
    for f in (lambda v: v.square, jit(lambda v: v.square)):
        assert (grad(f)(v).x, grad(f)(v).y) == (6.0, 8.0)
    with pytest.raises(AttributeError, match="kept"):  # rather than a derivative of 0
        grad(lambda v: v.kept)(v)


@dataclass
class Spring:
    x: Any
    stiffness: ClassVar[float] = 1.0

    def energy(self) -> Any:
        return self.stiffness * self.x**2 / 2


class Flagged(Point):
    doubled = False


def test_an_attribute_in_the_place_of_the_class_s_is_not_silently_left_behind() -> None:
    for energy in (grad(Spring.energy), jit(grad(Spring.energy))):
        stiff = Spring(3.0)
        assert energy(stiff).x == 3.0
        stiff.stiffness = 4.0  # type: ignore[misc]
        with pytest.raises(TypeError, match=r"Spring\.stiffness is no field .*static"):
            energy(stiff)
    flagged = Flagged(1.0, 2.0)
    assert grad(lambda p: p.x * 2 if p.doubled else p.x)(flagged) == (1.0, 0.0)
    flagged.doubled = True
    with pytest.raises(TypeError, match=r"Flagged\.doubled is no field"):
        grad(lambda p: p.x * 2 if p.doubled else p.x)(flagged)


class Vector(list[Any]):
    @cached_property
    def square(self) -> Any:
        return sum(x * x for x in self)


def test_what_a_container_has_cached_is_computed_anew() -> None:
    v = Vector([3.0, 4.0])
    v.name = "v"  # type: ignore[attr-defined]
    fresh = Vector(v)
    fresh.name = "v"  # type: ignore[attr-defined]
    assert v.square == 25.0
    assert structure(v, whole=True) == structure(fresh, whole=True)
    jitted = jit(lambda v: v.square)
    for f in (lambda v: v.square, jitted):
        slopes = grad(f)(v)
        assert (slopes, slopes.name, slopes.square) == ([6.0, 8.0], "v", 100.0)
    assert [jitted(v), jitted(Vector([1.0, 1.0]))] == [25.0, 2.0]
    assert v.square == 25.0


def test_numbers_in_arrays_of_no_axes() -> None:
    x, v = np.array(2.0), np.array([1.0, 3.0])
    for curved in (hessian, lambda f: hessian(jit(f)), lambda f: jit(hessian(f))):
        (xx, xv), (vx, vv) = curved(lambda p: (p[0].item() * p[1] ** 2).sum())((x, v))
        assert (xx.shape, xv.shape, vx.shape, vv.shape) == ((), (2,), (2,), (2, 2))
        assert {found.dtype for found in (xx, xv, vx, vv)} == {np.dtype(np.float64)}
        assert (xx.tolist(), xv.tolist()) == (0.0, [2.0, 6.0])
        assert (vx.tolist(), vv.tolist()) == ([2.0, 6.0], [[4.0, 0.0], [0.0, 4.0]])


def test_nothing_but_numbers_in_containers() -> None:
    with pytest.raises(TypeError, match="real number, got str 'up'"):
        grad(half_squares)({"a": 1.0, "b": "up"})
    with pytest.raises(TypeError, match="got None"):
        grad(half_squares)([1.0, None])
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.asmatrix([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(TypeError, match=r"np\.matrix has a product of its own"):
        grad(lambda m: (m * m).sum())(matrix)
    with pytest.raises(TypeError, match="masked"):
        grad(half_squares)(np.ma.masked_array([1.0, 2.0], [True, False]))


# -- arrays ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3), (1, 2, 2)])
def test_an_array_in_gives_an_array_of_its_shape(shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape)
    seen = []

    def f(a: Any) -> Any:
        seen.append(a)
        return np.sum(a * a)  # of shape () numpy makes a Value, which has no .sum()

    slopes = grad(f)(x)
    assert slopes.dtype == np.float64
    np.testing.assert_array_equal(slopes, 2.0 * x)
    assert seen[0].dtype == object or not x.size
    assert seen[0].shape == shape


def test_layouts_and_subclasses_do_not_matter() -> None:
    x = 1 + np.arange(6.0).reshape(2, 3)
    for same in (np.asfortranarray(x), x[:, ::-1][:, ::-1], x.T.copy().T, x.view(Tagged)):
        np.testing.assert_array_equal(grad(lambda a: (a**3).sum())(same), 3 * x**2)


def test_an_array_of_values_gives_an_array_of_values() -> None:
    x = np.array([Value(2.0), Value(3.0)], dtype=object)
    slopes = grad(lambda a: (a**3).sum())(x)
    assert slopes.dtype == object
    assert [slope.data for slope in slopes] == [12.0, 27.0]
    slopes[1].backward()
    assert [v.grad for v in x] == [0.0, 18.0]


def test_other_arguments_stay_as_they_are() -> None:
    data = np.arange(4.0)

    def f(w: Any, x: Any) -> Any:
        assert x is data
        return ((w * x - 1) ** 2).sum()

    assert grad(f)(2.0, data) == pytest.approx((2 * (2.0 * data - 1) * data).sum())


def test_functions_written_for_numpy() -> None:
    def f(w: Any, x: Any) -> Any:
        hidden = np.tanh(x @ w)
        return np.sqrt((hidden**2).sum()) + np.exp(-w).mean()

    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(3, 2)), rng.normal(size=(4, 3))
    assert check_grads(f, [w, x]).ok


def test_arrays_of_values_are_normalised_by_numpy() -> None:
    def f(x: Any) -> Any:
        x = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
        return (x * np.arange(8.0).reshape(4, 2)).sum() + np.var(x[:, 0]) * np.vdot(x, x)

    x = np.random.default_rng(1).normal(size=(4, 2))
    assert check_grads(f, [x]).ok
    np.testing.assert_allclose(jit(grad(f))(x), grad(f)(x), rtol=1e-12)


def test_the_jacobian_of_arrays_is_an_array() -> None:
    a = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(jacobian(lambda v: a @ v)(np.ones(3)), a)
    assert jacobian(lambda v: np.outer(v, v))(np.ones(2)).shape == (2, 2, 2)
    assert jacobian(lambda v: a[:, :0] @ v)(np.zeros(0)).shape == (2, 0)
    assert jacobian(lambda v: v[:0])(np.ones(3)).shape == (0, 3)
    assert jacobian(lambda v: np.ones(2))(np.zeros(0, dtype=bool)).shape == (2, 0)
    np.testing.assert_array_equal(hessian(lambda v: v @ a.T @ a @ v)(np.ones(3)), 2 * a.T @ a)


def test_names_of_the_numbers_in_a_report() -> None:
    report = check_grads(half_squares, [{"w": np.ones((1, 2)), "l": Line(1.0)}])
    assert [check.name for check in report.inputs] == [
        "x0['w'][0, 0]",
        "x0['w'][0, 1]",
        "x0['l'].slope",
    ]


def test_what_is_no_number_is_part_of_the_structure() -> None:
    seen = []

    def f(line: Line) -> Any:
        seen.append(line.name)
        return line.slope * len(line.name)

    jitted = jit(f)
    assert [jitted(Line(2.0, None, name)) for name in ("a", "bb", "a")] == [2.0, 4.0, 2.0]
    assert seen == ["a", "bb"]
    assert structure(Line(2.0)) != structure(Line(2.0, 1.0))
    assert structure({"a": 1.0}) != structure({"b": 1.0})
    assert structure([1.0]) == structure([2.0])
    assert structure([1.0]) != structure((1.0,))


class Meters(float):
    pass


@dataclass(eq=False)
class Unequal:
    x: Any


@dataclass(frozen=True)
class Cached:
    x: Any
    seen: list[Any] = field(default_factory=list, compare=False)


@pytest.mark.parametrize(("one", "other"), [
    (1, True),
    (1, 1.0),
    (0.0, -0.0),
    (np.float32(0.0), np.float32(-0.0)),
    (1.0, Meters(1.0)),
    (1.0, np.float64(1.0)),
    (0j, -0j),
    ((1, 2), Point(1, 2)),
    ((1, (2,)), (1, (True,))),
    (frozenset([1]), frozenset([True])),
    (slice(1), slice(True)),
    (Cached(1), Cached(True)),
    (Unequal(1), Unequal(1)),
    (Line, Point),
])  # fmt: skip
def test_what_is_equal_and_not_the_same_is_told_apart(one: Any, other: Any) -> None:
    assert exactly(one) != exactly(other)
    assert exactly((one,)) != exactly((other,))
    assert exactly(one) == exactly(one)


@pytest.mark.parametrize("make", [
    lambda: math.nan * -1,
    lambda: np.float32("nan"),
    lambda: (1.5, "ab", None, frozenset([2, "c"])),
    lambda: Cached((1, 2)),
    lambda: slice(1, None, 2),
    lambda: Point(-0.0, 10**20),
])  # fmt: skip
def test_what_is_the_same_is_the_same_each_time(make: Callable[[], Any]) -> None:
    assert exactly(make()) == exactly(make())
    assert hash(exactly(make())) == hash(exactly(make()))


@pytest.mark.parametrize("given", [[1], {1}, {}, (1, [2]), slice([], None), Cached([1])])
def test_what_can_be_changed_is_not_known_exactly(given: Any) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        exactly(given)


def test_shapes_are_named_where_they_differ() -> None:
    with pytest.raises(ValueError, match=r"of primals: \(array of shape \(2,\),\), got"):
        jvp(lambda x: x, (np.ones(2),), (np.ones(3),))
    with pytest.raises(ValueError, match=r"got array of shape \(2000,\)"):
        vjp(lambda x: x, np.ones(1999))[1](np.ones(2000))
    assert described(Line([1.0])) == "Line(slope=[*], offset=None, name='line')"


def test_numpy_stays_out_where_nobody_brought_it() -> None:
    code = (
        "import sys; from autograd import grad, hessian;"
        "assert grad(lambda v: v[0] * v[1])([2.0, 3.0]) == [3.0, 2.0];"
        "hessian(lambda p: p['a'] ** 2)({'a': 1.0}); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- something else to look at ---------------------------------------------------------------------


def cubes(x: Any) -> Any:
    return x**3, {"square": x * x, "note": "seen", "given": np.arange(2)}


def test_what_else_a_function_returns() -> None:
    slope, aux = grad(cubes, has_aux=True)(2.0)
    assert (slope, aux["square"], aux["note"]) == (12.0, 4.0, "seen")
    assert type(aux["square"]) is float
    assert aux["given"].dtype == int
    (value, aux), slope = value_and_grad(cubes, has_aux=True)(2.0)
    assert (value, aux["square"], slope) == (8.0, 4.0, 12.0)
    assert jacobian(cubes, has_aux=True)(2.0)[0] == 12.0
    second, aux = hessian(cubes, has_aux=True)(2.0)
    assert (second, aux["square"]) == (12.0, 4.0)
    value, pullback, aux = vjp(cubes, 2.0, has_aux=True)
    assert (value, pullback(1.0), aux["square"]) == (8.0, (12.0,), 4.0)
    value, tangent, aux = jvp(cubes, (2.0,), (1.0,), has_aux=True)
    assert (value, tangent, aux["square"]) == (8.0, 12.0, 4.0)


def test_arrays_of_values_are_numbers_in_what_else_a_function_returns() -> None:
    def f(x: Any) -> Any:
        return x * x, {"row": np.array([x, 2.0 * x]), "same": np.array(["a", None], dtype=object)}

    _, aux = grad(f, has_aux=True)(3.0)
    assert (aux["row"].dtype, aux["row"].tolist()) == (float, [3.0, 6.0])
    assert aux["same"].tolist() == ["a", None]


def test_what_else_is_differentiated_by_an_outer_transform() -> None:
    assert grad(lambda x: grad(cubes, has_aux=True)(x)[1]["square"])(3.0) == 6.0


@pytest.mark.parametrize("output", [1.0, (1.0,), [1.0, 2.0], (1.0, 2.0, 3.0)])
def test_a_pair_is_a_pair(output: Any) -> None:
    with pytest.raises(TypeError, match="returns a pair"):
        grad(lambda x: output, has_aux=True)(1.0)


# -- JAX says the same -----------------------------------------------------------------------------


def network(tree: Any, m: Any) -> Any:
    hidden = m.tanh(tree["x"] @ tree["w"] + tree["b"][0])
    return hidden * tree["b"][1]


def transformed(of: Any, f: Callable[[Any], Any], tree: Any) -> list[Any]:
    """What each transform of a library makes of f, over arrays."""
    scalar = lambda t: (f(t) ** 2).sum()  # noqa: E731
    gradient = of.grad(scalar)(tree)
    return [
        gradient,
        of.jacobian(f)(tree),
        of.hessian(scalar)(tree),
        of.jvp(f, (tree,), (gradient,)),
        of.vjp(f, tree)[1](of.jvp(f, (tree,), (gradient,))[1]),
    ]


@pytest.mark.parametrize(("rows", "width", "out"), [(2, 3, 2), (1, 1, 1), (0, 2, 1)])
def test_derivatives_over_arrays_are_jax_s(rows: int, width: int, out: int) -> None:
    jax = pytest.importorskip("jax")
    import autograd

    rng = np.random.default_rng(rows)
    tree = {
        "b": (rng.normal(size=out), rng.normal()),
        "w": rng.normal(size=(width, out)),
        "x": rng.normal(size=(rows, width)),
    }
    with jax.enable_x64(True):
        theirs = transformed(jax, lambda t: network(t, jax.numpy), tree)
        ours = transformed(autograd, lambda t: network(t, np), tree)
        for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert np.shape(one) == other.shape
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_infinities_in_arrays_make_no_warnings() -> None:
    def f(v: Any) -> Any:
        return np.exp(v).sum() + (v - v).sum()

    at = np.array([1000.0, -math.inf, 0.0])
    slopes = grad(f)(at).tolist()
    assert slopes == [math.inf, 0.0, 1.0]
    assert math.isnan(jit(f)(at))
    assert jit(grad(f))(at).tolist() == slopes
