"""The vector functions against mpmath: random numbers, breakpoints, subnormals, special values."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from math import inf, nan, pi

import numpy as np
import pytest

pytest.importorskip("llvmlite")
mpmath = pytest.importorskip("mpmath")

from llvmlite import ir  # noqa: E402

from autograd import scalar_math  # noqa: E402
from autograd.compiler.native_emit import WHOLE, Emitter  # noqa: E402
from autograd.compiler.native_kernels import POINTER  # noqa: E402
from autograd.compiler.native_library import Linked, lanes, object_code  # noqa: E402
from autograd.compiler.native_math import PRECISE, compute  # noqa: E402

MOST_ULPS = 2.0
SPECIAL = [0.0, -0.0, inf, -inf, nan, 5e-324, -5e-324, 1.0, -1.0, 2.0, -2.0, 1e308, -1e308, 0.5]
KEPT: list[object] = []


WIDTHS = [width for width in (2, 4, 8) if width <= lanes()]


@cache
def vectors(case: str, width: int) -> Callable[[np.ndarray], np.ndarray]:
    """The function over arrays; what follows its name are its further operands."""
    (name, *others), module = case.split(), ir.Module(case)
    e = Emitter(module, f"over.{name}", [POINTER, POINTER, WHOLE], ir.VoidType(), width)
    source, to, count = e.function.args
    numbers = [e.vector(float(other)) for other in others]
    e.loop(0, count, width, lambda i: e.store(compute(e, name, e.load(source, i), *numbers), to, i))
    e.builder.ret_void()
    linked = Linked(object_code(module), [f"over.{name}"])
    KEPT.append(linked)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    native = kind(linked.addresses[0])

    def call(x: np.ndarray) -> np.ndarray:
        room = -(-len(x) // width) * width
        padded, y = np.zeros(room), np.zeros(room)
        padded[: len(x)] = x
        native(padded.ctypes.data, y.ctypes.data, room)
        return y[: len(x)]

    return call


def near(*points: float) -> list[float]:
    """The doubles around these points, on both sides of 0."""
    steps = range(-4, 5)
    return [sign * (p + k * np.spacing(p)) for p in points for k in steps for sign in (1, -1)]


def spread(low: float, high: float, count: int = 1500) -> np.ndarray:
    return np.random.default_rng(7).uniform(low, high, count)


def magnitudes(low: float, high: float, count: int = 1000) -> np.ndarray:
    return np.exp(np.random.default_rng(8).uniform(np.log(low), np.log(high), count))


TINY = [5e-324, 1e-320, 2.0**-1074, 2.0**-1022, 1e-300, 2.0**-54, 2.0**-28, 2.0**-27]
HALVES = [k * 0.34657359027997264 for k in range(1, 12)]
TURNS = [k * pi / 4 for k in range(1, 40)] + [63000 * pi / 2, 1e5, 7919 * pi]
# ones that come closest to multiples of π/2, where reduction loses most
HARD = [90644.3728340263, 64503.180363505635, 58132.030462025534, 55755.415619584855]
LEAST = {"log": 0.0, "log1p": -1.0, "power": 0.0}
EXPONENTS = [0.5, -0.5, 1.5, -1.5, 2.5, 7.0, -1.0, 0.0]
POINTS = {
    "exp": [*spread(-746, 710), *spread(-2, 2), *near(*HALVES, 745.13, 708.4, 709.78, *TINY)],
    "expm1": [
        *(*spread(-60, 710), *spread(-3, 3)),
        *near(*HALVES, 0.34948854814383684, 37.4, 709.78, *TINY),  # a sum that cancels most
    ],
    "log": [
        *magnitudes(5e-324, 1e308),
        *spread(0.5, 2),
        *near(0.70710678, 1.41421356, 1, 2, *TINY),
    ],
    "log1p": [*magnitudes(5e-324, 1e308), *spread(-0.999, 3), *near(0.29289, 0.41421, 0.5, *TINY)],
    "tanh": [*spread(-20, 20), *spread(-1.5, 1.5), *near(0.1733, 0.52, 0.866, 19.06, *TINY)],
    "sin": [*spread(-10, 10), *spread(-1e5, 1e5), *near(*TURNS, *TINY), *HARD, 1e22, 1e300],
    "cos": [*spread(-10, 10), *spread(-1e5, 1e5), *near(*TURNS, *TINY), *HARD, 1e22, 1e300],
    "erf": [*spread(-6.5, 6.5), *spread(-1, 1), *near(0.65, 5.9, *TINY)],
    "erfc": [*spread(-6.5, 27.3), *spread(-1, 3), *near(0.5, 4.0, 26.5, 27.2, *TINY)],
    **{f"power {y}": [*magnitudes(5e-324, 1e308), *spread(0.01, 100)] for y in EXPONENTS},
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", [*POINTS])
def test_within_two_units_in_the_last_place(case: str, width: int) -> None:
    x, truth = truths(case)
    assert max(map(ulps, vectors(case, width)(x).tolist(), truth)) <= MOST_ULPS


@cache
def truths(case: str) -> tuple[np.ndarray, list[object]]:
    name, *others = case.split()
    x = np.array(POINTS[case], dtype=float)
    x = x[x > LEAST.get(name, -inf)]
    with mpmath.workprec(1300):
        function = getattr(mpmath, name)
        return x, [function(mpmath.mpf(each), *map(mpmath.mpf, others)) for each in x.tolist()]


def ulps(found: float, truth: object) -> float:
    """The distance from the truth in units of its last place; 0 for overflow as it must be."""
    nearest = abs(float(truth))  # type: ignore[arg-type]
    if nearest == inf or abs(found) == inf:
        return 0.0 if abs(found) == nearest else inf
    return float(abs(mpmath.mpf(found) - truth) / mpmath.mpf(float(np.spacing(nearest))))


def test_every_function_has_its_points() -> None:
    assert {case.split()[0] for case in POINTS} == PRECISE.keys()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", [*POINTS])
def test_special_values_are_those_of_ieee_754(case: str, width: int) -> None:
    name, *others = case.split()
    found = vectors(case, width)(np.array(SPECIAL * 2)).tolist()
    for x, y in zip(SPECIAL * 2, found, strict=True):
        expected = getattr(scalar_math, name)(x, *map(float, others))
        assert y == pytest.approx(expected, rel=1e-15, abs=0, nan_ok=True), f"{case}({x})"
        assert np.signbit(y) == np.signbit(expected) or y != y, f"the sign of {case}({x})"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", [*POINTS])
def test_a_lane_does_not_see_its_neighbours(case: str, width: int) -> None:
    x = np.array(POINTS[case][:64])
    alone = [vectors(case, width)(np.array([each]))[0] for each in x]
    mixed = vectors(case, width)(np.column_stack([x, np.full(64, nan), np.full(64, 1e300)]).ravel())
    assert mixed[::3].tolist() == alone
