"""Every row of the table against the outside: mpmath to many digits, PyTorch's float64 results.

Values, first and second derivatives are read off the engine (`apply`, `gradients`), so that a row
is tested as it is used. The special numbers (zeros, infinities, nan, the largest and the smallest)
must come out as PyTorch has them, except at the points of BETTER, where PyTorch loses what mpmath
shows.
"""

import itertools
import json
import math
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mpmath
import pytest

import autograd
from autograd import Value, gradients, scalar_math
from autograd.expression import parse
from autograd.primitive import Primitive
from autograd.rules import BASIS, TABLE, named, namespace
from autograd.value import apply
from tests.data.record_torch import INTERVALS, RECORD, first_order, operations, second_order
from tests.truth import SPECIAL, textbook

ROOT = Path(__file__).parents[2]
TORCH = json.loads(RECORD.read_text(encoding="utf-8"))
GRID = TORCH["special"]
POINTS = TORCH["points"]
CONSTANTS = {"leaky_relu": (0.01,), "elu": (1.0,), "clip": (-1.0, 1.0)}
COMPARISONS = ("less", "less_equal", "equal")
CHOOSING = ("where", "take", "_largest")
SMOOTH = [name for name in TABLE if name not in (*COMPARISONS, *CHOOSING)]
FLOATS = namespace({name: getattr(scalar_math, name) for name in BASIS})
DIGITS = 400  # tails of 1e-300 beside 1, and their differences
FEWER = 60  # where tails are no smaller than exp(-32)
TINY = mpmath.mpf(10) ** -307  # below, floats have fewer digits

# Where float64 PyTorch loses digits that exist: what comes after is mpmath's, to 15 digits.
BETTER: dict[tuple[str, float], tuple[float, float]] = {
    ("arccosh", 1e308): (709.889355822726, 1e-308),
    ("expm1", -20.0): (-0.999999997938846, 2.06115362243856e-9),
    ("expm1", -40.0): (-1.0, 4.24835425529159e-18),
    ("expm1", -710.0): (-1.0, 4.47628622567513e-309),
    ("log1p", 5e-324): (5e-324, 1.0),
    ("log1p", -5e-324): (-5e-324, 1.0),
    ("tanh", 20.0): (1.0, 1.69934170211664e-17),
    ("tanh", -20.0): (-1.0, 1.69934170211664e-17),
    ("tanh", 40.0): (1.0, 7.21940555138166e-35),
    ("tanh", -40.0): (-1.0, 7.21940555138166e-35),
    ("sigmoid", 20.0): (0.999999997938846, 2.06115361394185e-9),
    ("sigmoid", 40.0): (1.0, 4.24835425529159e-18),
    ("sigmoid", 710.0): (1.0, 4.47628622567513e-309),
    ("sigmoid", -710.0): (4.47628622567513e-309, 4.47628622567513e-309),
    ("silu", -710.0): (-3.17816322022934e-306, -3.17368693400367e-306),
    ("arcsinh", 1e308): (709.889355822726, 1e-308),
    ("arcsinh", -1e308): (-709.889355822726, 1e-308),
    ("gelu", -20.0): (-5.50724823721239e-88, -1.10143604831335e-86),
}
# The same for second derivatives: PyTorch has 0 or nan where there is a number, or another branch.
BETTER_TWICE = {
    *(("expm1", x) for x in (-20.0, -40.0, -710.0)),
    *(("tanh", x) for x in (20.0, -20.0, 40.0, -40.0)),
    *(("sigmoid", x) for x in (20.0, 40.0, 710.0, -710.0)),
    *(("softplus", x) for x in (20.0, 40.0, 710.0, -710.0)),
    *(("log_sigmoid", x) for x in (20.0, 40.0, 710.0, -710.0)),
    *(("silu", x) for x in (20.0, 40.0, 710.0, -710.0)),
}
# Flat out there: exp(-x²/2) is 0 to more digits than mpmath counts, and nan in PyTorch.
FLAT = {(name, x) for name in ("erf", "erfc", "gelu", "arcsinh") for x in (1e308, -1e308)}
# The slope at a kink is PyTorch's, that of the left branch; its own second derivative is the right
# branch's there, ours that of the left one again.
LEFT_OF_THE_KINK = {("elu", 0.0), ("elu", -0.0)}


def derivatives(function: Callable[..., Value], point: Sequence[float]) -> Any:
    """`[value, gradient, Hessian]` by the engine."""
    operands = [Value(x) for x in point]
    y = function(*operands)
    slopes = gradients(y, operands, create_graph=True)
    hessian = [[h.data for h in gradients(slope, operands, create_graph=True)] for slope in slopes]
    return [y.data, [slope.data for slope in slopes], hessian]


def at_first_order(name: str, point: Sequence[float]) -> list[float]:
    """Value and partial derivatives of a row by one backward pass."""
    operands = [Value(x) for x in point]
    y = of_torch_shape(name)(*operands)
    y.backward()
    return [y.data, *(x.grad for x in operands)]


def of_torch_shape(name: str) -> Callable[..., Value]:
    """A row on Values; what PyTorch has by default, or was recorded with, as constants."""
    row, constants = TABLE[name], CONSTANTS.get(name, ())
    return lambda *xs: apply(row, *xs, *constants)


def agree(ours: float, theirs: float, digits: float) -> bool:
    """Equal, or both nan, or equal to relative 10**-digits."""
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or abs(ours - theirs) <= 10**-digits * abs(theirs)


# -- mpmath ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
def test_value_and_two_orders_of_derivatives_are_those_of_mpmath(name: str) -> None:
    row, exact = TABLE[name], textbook(mpmath.mp)[name]
    with mpmath.workdps(DIGITS if name in ("erf", "erfc", "gelu") else FEWER):
        for point in points_in_the_domain(row):
            _, slopes, hessian = derivatives(lambda *xs: apply(row, *xs), point)
            value = apply(row, *point).data
            assert_close(value, exact, point, ())
            for i, slope in enumerate(slopes):
                assert_close(slope, exact, point, (i,))
                for j, entry in enumerate(hessian[i]):
                    assert_close(entry, exact, point, (i, j))


def assert_close(
    ours: float, exact: Callable[..., Any], point: Sequence[float], by: tuple[int, ...]
) -> None:
    """A derivative of the exact function, up to 2e-14 of itself and of what rounding x does to it.

    The second part, the sum of |x_k ∂_k f|, is what any algorithm in float64 is allowed; where it
    is small, so is the tolerance, tails included. A second derivative may be a difference of
    numbers as large as the first, and carries their rounding.
    """
    truth = exact_derivative(exact, point, by)
    scale = abs(truth)
    scale += sum(abs(x * exact_derivative(exact, point, (*by, k))) for k, x in enumerate(point))
    if len(by) == 2:
        scale += abs(exact_derivative(exact, point, by[:1]))
    assert abs(ours - truth) <= 2e-14 * scale + max(TINY, mpmath.eps), (
        f"d{by} at {point}: {ours!r}, mpmath says {mpmath.nstr(truth, 17)}"
    )


def exact_derivative(exact: Callable[..., Any], point: Sequence[float], by: tuple[int, ...]) -> Any:
    orders = tuple(by.count(k) for k in range(len(point)))
    operands = tuple(mpmath.mpf(x) for x in point)
    if not by:
        return exact(*operands)
    return mpmath.diff(exact, operands, orders) if len(point) > 1 else _diff(exact, point, len(by))


def _diff(exact: Callable[..., Any], point: Sequence[float], order: int) -> Any:
    return mpmath.diff(exact, mpmath.mpf(point[0]), order)


def points_in_the_domain(row: Primitive) -> Iterator[tuple[float, ...]]:
    """Random points of the row's own intervals, from far out to close to the ends and to zero."""
    rng = random.Random(row.name)
    count = row.arity or (5 if row.name == "dot" else 3)
    intervals = row.domain if row.arity else row.domain * count
    for _ in range(12 if count == 1 else 5):
        yield tuple(draw(rng, low, high) for low, high in intervals)


def draw(rng: random.Random, low: float, high: float) -> float:
    magnitude = 10 ** rng.uniform(-3, 1.5)
    if math.isfinite(low) and math.isfinite(high):
        return rng.uniform(low, high)
    if math.isfinite(low):
        return low + magnitude
    return rng.choice((-1, 1)) * magnitude


@pytest.mark.parametrize(("name", "x"), [
    *[("tanh", x) for x in (-300.0, -25.0, -19.5, 19.5, 25.0, 300.0)],
    *[("sigmoid", x) for x in (-700.0, -45.0, -37.0, 37.0, 45.0, 700.0)],
    *[("softplus", x) for x in (-700.0, -40.0, -1e-9, 1e-9, 21.0, 36.0, 700.0)],
    *[("expm1", x) for x in (-300.0, -40.0, -1e-12, 1e-300, 1e-12)],
    *[("log1p", x) for x in (-1 + 1e-12, -1e-12, 1e-300, 1e-12, 1e300)],
    *[("erf", x) for x in (-26.0, -6.0, 1e-300, 6.0, 26.0)],
    *[(name, x) for name in ("tanh", "sigmoid", "arcsin", "arccos", "arcsinh", "arctanh")
      for x in (-1e-5, 1e-9, 3e-300)],
    *[("arcsinh", x) for x in (-1e200, 1e18)],
    *[("arccosh", x) for x in (1 + 1e-12, 1e100, 1e150, 1.5e154, 1e300)],
    *[("arctanh", x) for x in (-1 + 1e-12, 1 - 1e-12)],
    *[("log_sigmoid", x) for x in (-700.0, -40.0, 40.0, 700.0)],
    *[("elu", x) for x in (-40.0, -1e-12)],
    *[("gelu", x) for x in (-37.0, -9.0, -1e-12, 1e-12, 9.0)],
    *[("silu", x) for x in (-700.0, -40.0, 40.0, 700.0)],
    *[("arcsin", x) for x in (-1 + 1e-12, 1e-300, 1 - 1e-12)],
    *[("arccos", x) for x in (-1 + 1e-12, 1e-12, 1 - 1e-12)],
])  # fmt: skip
def test_tails_keep_their_digits_to_second_order(name: str, x: float) -> None:
    exact = textbook(mpmath.mp)[name]
    with mpmath.workdps(DIGITS):
        value, (slope,), ((curvature,),) = derivatives(of_torch_shape(name), (x,))
        assert_close(value, exact, (x,), ())
        assert_close(slope, exact, (x,), (0,))
        assert_close(curvature, exact, (x,), (0, 0))


@pytest.mark.parametrize("shift", [0.0, 1000.0, -1000.0, 1e6, 1e12, -1e15])
def test_logsumexp_is_stable_for_large_operands(shift: float) -> None:
    point = [shift + x for x in (0.25, -1.5, 3.0)]
    exact = textbook(mpmath.mp)["logsumexp"]
    with mpmath.workdps(DIGITS):
        value, slopes, bends = derivatives(lambda *xs: apply(TABLE["logsumexp"], *xs), point)
        assert agree(value, exact(*map(mpmath.mpf, point)), 15)
        for k, slope in enumerate(slopes):
            truth = mpmath.exp(point[k] - exact(*map(mpmath.mpf, point)))
            assert abs(slope - truth) <= 1e-15 * truth
            for j, bend in enumerate(bends[k]):
                other = mpmath.exp(point[j] - exact(*map(mpmath.mpf, point)))
                assert abs(bend - truth * ((j == k) - other)) <= 1e-15, (j, k)


@pytest.mark.parametrize("x", [0.0, 1e16, -1e308, 1e308])
def test_a_tie_is_shared_by_logsumexp_however_large_it_is(x: float) -> None:
    assert at_first_order("logsumexp", (x, x))[1:] == [0.5, 0.5]
    assert at_first_order("logsumexp", (x, -math.inf))[1:] == [1.0, 0.0]


# -- PyTorch, recorded -----------------------------------------------------------------------------


def test_the_record_covers_the_grid_and_the_table() -> None:
    assert repr(TORCH["grid"]) == repr(list(SPECIAL))
    assert set(POINTS) == {name for name in SMOOTH if not name.startswith("_")}


@pytest.mark.parametrize("name", POINTS)
def test_recorded_points_agree_to_second_order(name: str) -> None:
    for point, *theirs in POINTS[name]:
        assert_agree(derivatives(of_torch_shape(name), point), theirs, point)


@pytest.mark.parametrize("name", GRID)
def test_special_values_and_gradients_are_those_of_pytorch(name: str) -> None:
    assert_grid_agrees(name, GRID[name])


@pytest.mark.parametrize(("name", "x"), BETTER)
def test_where_we_are_better_mpmath_says_so(name: str, x: float) -> None:
    value, slope = at_first_order(name, [x])
    with mpmath.workdps(DIGITS):
        exact = textbook(mpmath.mp)[name]
        assert abs(value - exact(mpmath.mpf(x))) <= 5e-14 * abs(value) + TINY
        assert abs(slope - _diff(exact, [x], 1)) <= 5e-14 * abs(slope) + TINY
    assert agree(value, BETTER[name, x][0], 14)
    assert agree(slope, BETTER[name, x][1], 14)
    theirs = [column[SPECIAL.index(x)] for column in GRID[name]]
    assert not all(agree(a, b, 12) for a, b in zip((value, slope), theirs, strict=True))


@pytest.mark.parametrize("name", TORCH["curvature"])
def test_second_derivatives_at_special_values_are_those_of_pytorch(name: str) -> None:
    for x, theirs in zip(SPECIAL, TORCH["curvature"][name], strict=True):
        ours = curvature(name, x)
        if (name, x) in FLAT:
            assert ours == 0.0
            assert math.isnan(theirs)
        elif (name, x) in LEFT_OF_THE_KINK:
            assert (ours, theirs) == (1.0, 0.0)
        elif (name, x) not in BETTER_TWICE:
            close = agree(ours, theirs, 11) or abs(ours - theirs) < 1e-322
            assert close, f"{name}''({x}): ours {ours}, PyTorch's {theirs}"


@pytest.mark.parametrize(("name", "x"), sorted(BETTER_TWICE))
def test_where_our_second_derivative_is_better_mpmath_says_so(name: str, x: float) -> None:
    ours = curvature(name, x)
    with mpmath.workdps(DIGITS):
        truth = _diff(textbook(mpmath.mp)[name], [x], 2)
        assert abs(ours - truth) <= 5e-14 * abs(truth) + TINY
    assert not agree(ours, TORCH["curvature"][name][SPECIAL.index(x)], 12)


def curvature(name: str, x: float) -> float:
    """The second derivative of a row of one operand."""
    found: float = derivatives(of_torch_shape(name), (x,))[2][0][0]
    return found


def assert_agree(ours: Any, theirs: Any, where: object) -> None:
    if isinstance(theirs, list):
        for a, b in zip(ours, theirs, strict=True):
            assert_agree(a, b, where)
    else:
        assert agree(ours, theirs, 11) or abs(ours - theirs) < 1e-15, f"{where}: {ours} {theirs}"


def assert_grid_agrees(name: str, columns: list[list[float]]) -> None:
    arity = len(columns) - 1
    wrong = []
    for point, *theirs in zip(itertools.product(SPECIAL, repeat=arity), *columns, strict=True):
        if (name, point[0]) in BETTER:
            continue
        if (name, max(map(abs, point))) == ("arctan2", 5e-324):
            continue  # steep, and 0 in PyTorch: see the test below
        if name == "logsumexp" and point in ((1e308, 1e308), (-1e308, -1e308)):
            continue  # a tie of which each gets everything in PyTorch: see the test above
        ours = at_first_order(name, point)
        close = [
            agree(a, b, 12) or (arity == 2 and abs(a - b) < TINY) for a, b in zip(ours, theirs)
        ]
        if not all(close):
            wrong.append(f"{name}{point}: ours {ours}, PyTorch's {theirs}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("point", "hessian"), [
    ((2.0, 0.0), [[0.0, 0.5], [0.5, math.log(2.0) ** 2]]),
    ((0.0, 2.0), [[2.0, 0.0], [0.0, 0.0]]),
    ((0.0, 3.0), [[0.0, 0.0], [0.0, 0.0]]),
    ((0.0, 1.5), [[math.inf, 0.0], [0.0, 0.0]]),
    ((-3.0, 2.0), [[2.0, math.nan], [math.nan, math.nan]]),
])  # fmt: skip
def test_powers_bend_as_they_should_where_the_textbook_has_zero_times_infinity(
    point: tuple[float, float], hessian: list[list[float]]
) -> None:
    """As JAX has them, where the exponent is an argument too."""
    ours = derivatives(of_torch_shape("pow"), point)[2]
    assert ours[0] == pytest.approx(hessian[0], nan_ok=True)
    assert ours[1] == pytest.approx(hessian[1], nan_ok=True)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("x", [0.0, -0.0, 2.0, -2.0])
def test_whole_powers_have_their_derivatives_of_every_order(x: float, exponent: float) -> None:
    f: Callable[..., Any] = lambda v: v**exponent  # noqa: E731
    factor, power = 1.0, exponent
    for _ in range(5):
        f = autograd.grad(f)
        factor, power = factor * power, power - 1.0
        assert f(x) == (factor * x**power if factor else 0.0)


@pytest.mark.parametrize("name", [
    row.name for row in TABLE.values() if row.arity == 2 and row.name[0] != "_" and not row.defaults
])  # fmt: skip
def test_second_derivatives_are_symmetric(name: str) -> None:
    numbers = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -2.0, 3.0, 20.0]
    for a, b in itertools.product(numbers, repeat=2):
        hessian = derivatives(of_torch_shape(name), (a, b))[2]
        assert agree(hessian[0][1], hessian[1][0], 12) or abs(hessian[0][1]) < 1e-15, (a, b)


@pytest.mark.parametrize("size", [1e-310, 1e-200, 1.0, 1e200, 1e307])
@pytest.mark.parametrize("x", [(0.0, 1.0), (1.0, 0.0), (3.0, -4.0), (-1.0, -1.0), (1.0, -1e-9)])
def test_the_slopes_of_an_angle_keep_their_digits_at_every_size(
    size: float, x: tuple[float, float]
) -> None:
    """PyTorch squares the operands: its slopes are 0 out there and close to the origin."""
    a, b = size * x[0], size * x[1]
    _, by_a, by_b = at_first_order("arctan2", (a, b))
    r2 = mpmath.mpf(a) ** 2 + mpmath.mpf(b) ** 2
    for ours, truth in ((by_a, b / r2), (by_b, -a / r2)):
        assert ours == float(truth) or abs(ours - truth) <= 1e-14 * abs(truth) + TINY


def test_the_angle_of_the_origin_is_flat() -> None:
    assert at_first_order("arctan2", (0.0, 0.0)) == [0.0, 0.0, 0.0]


# -- PyTorch, live ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRID)
def test_special_values_are_those_of_the_installed_pytorch(name: str) -> None:
    pytest.importorskip("torch")
    function = operations()[name]
    tuples = itertools.product(SPECIAL, repeat=len(GRID[name]) - 1)
    rows = [first_order(function, point) for point in tuples]
    assert_grid_agrees(name, [list(column) for column in zip(*rows, strict=True)])


@pytest.mark.parametrize("name", POINTS)
def test_new_points_agree_with_the_installed_pytorch_to_second_order(name: str) -> None:
    pytest.importorskip("torch")
    function, rng = operations()[name], random.Random(f"live {name}")
    for _ in range(10):
        point = [rng.uniform(*interval) for interval in INTERVALS[name]]
        assert_agree(derivatives(of_torch_shape(name), point), second_order(function, point), point)


# -- the table itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_row_says_what_holds_where_mathematics_leaves_it_open(row: Primitive) -> None:
    for convention in row.conventions:
        operands = [Value(x) for x in convention.at]
        apply(row, *operands).backward()
        assert tuple(x.grad for x in operands) == convention.partials


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_row_has_one_partial_per_argument(row: Primitive) -> None:
    for point in points_in_the_domain(row):
        y = row.forward(FLOATS, *point)
        partials = row.partials(FLOATS, *point, y)
        assert isinstance(y, float)
        assert len(partials) == len(point)
        assert {type(partial) for partial in partials} == {float}


@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "neg", "dot", "div", "pow", "pos", "absolute", "relu"]
)
def test_operators_written_out_for_speed_say_what_their_rows_say(name: str) -> None:
    written = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "pow": lambda a, b: a**b,
        "neg": lambda a: -a,
        "pos": lambda a: +a,
        "absolute": abs,
        "relu": autograd.relu,
        "dot": lambda *xs: autograd.dot(xs[: len(xs) // 2], xs[len(xs) // 2 : -1], xs[-1]),
    }[name]
    row = TABLE[name]
    arity = row.arity or 3
    for point in itertools.product(SPECIAL, repeat=arity):
        node = written(*(Value(x) for x in point))
        y = row.forward(FLOATS, *point)
        assert repr(node.data) == repr(y)
        assert repr(node.partials) == repr(tuple(row.partials(FLOATS, *point, y)))
        assert node.primitive is row


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (math.nan, 1.0)])
def test_comparisons_are_ones_and_zeros_without_slope(name: str, a: float, b: float) -> None:
    expected = {"less": a < b, "less_equal": a <= b, "equal": a == b}[name]
    y = apply(TABLE[name], Value(a), Value(b))
    assert (y.data, y.partials) == (float(expected), (0.0, 0.0))


@pytest.mark.parametrize("condition", [True, False, 1.0, 0.0])
def test_where_passes_the_gradient_to_the_branch_that_was_taken(condition: float) -> None:
    a, b = Value(3.0), Value(5.0)
    y = autograd.where(condition, a * 2, b * 7)
    y.backward()
    assert (y.data, a.grad, b.grad) == ((6.0, 2.0, 0.0) if condition else (35.0, 0.0, 7.0))


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_what_is_taught_is_the_partial(row: Primitive) -> None:
    for point in points_in_the_domain(row):
        y = row.forward(FLOATS, *point)
        for slot, partial in enumerate(row.partials(FLOATS, *point, y)):
            formula, slots = row.derivative(slot, len(point))
            known = {name: point[k] for name, k in slots.items()}
            known |= {"y": y, "pi": math.pi, "n": float(len(point)), "k": float(slot)}
            told = parse(formula)
            value = told.evaluate({name: known[name] for name in told.names}).data
            assert value == pytest.approx(partial, rel=1e-9, abs=1e-9), formula


@pytest.mark.parametrize("count", [1, 3, 5, 9])
def test_the_formula_of_an_edge_knows_its_operands(count: int) -> None:
    n = count // 2
    for slot in range(count):
        formula, slots = TABLE["dot"].derivative(slot, count)
        assert formula == ("x" if slot < n else "w" if slot < 2 * n else "1")
        if slot < 2 * n:
            assert (slots["w"], slots["x"], slots["b"]) == (slot % n, slot % n + n, 2 * n)
    assert TABLE["sum"].derivative(count - 1, count) == ("1", {"x": count - 1})


def test_a_new_row_is_a_function_a_method_a_word_and_a_kernel(tmp_path: Path) -> None:
    """The promise of the table, held by a copy of the package with one more row in it."""
    pytest.importorskip("numpy")
    shutil.copytree(ROOT / "autograd", tmp_path / "autograd")
    table = tmp_path / "autograd" / "rules.py"
    text = table.read_text(encoding="utf-8")
    assert text.count(END_OF_TABLE) == 1
    table.write_text(text.replace(END_OF_TABLE, ONE_MORE_ROW + END_OF_TABLE), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USE_OF_IT], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split() == ["0.375", "True", "True", "1.5", "0.75", "1.25"], done.stderr


END_OF_TABLE = ")\n# fmt: on\n"
ONE_MORE_ROW = """
    Primitive("cube", "x³", lambda m, x, k: k * x * x * x, lambda m, x, k, y: (3.0 * k * x * x, x * x * x),
              ("3*k*x**2", "x**3"), (REAL, REAL), defaults=(3.0,)),
"""  # noqa: E501
USE_OF_IT = """
import autograd
from autograd.expression import parse
from autograd.views.kernels import kernel
x = autograd.Value(0.5)
y = x.cube()
print(y.data)
print(autograd.cube is autograd.Value.cube)
print("cube" in autograd.__all__ and "return" in kernel("cube", 2))
print(parse("cube(x, 4) + cube(1)*0 + 1").evaluate({"x": 0.5}).data)
print(autograd.grad(lambda v: autograd.cube(v, k=1))(0.5))
print(autograd.compile(x.cube(k=2) + 1, inputs=[x])([], [[0.5]])[0, 0])
"""


def test_names_lead_to_rows() -> None:
    assert all(named(name) is row and row.name == name for name, row in TABLE.items())
    with pytest.raises(KeyError):
        named("cotangent")


SYMBOLS = """
    add:+ sub:− mul:× div:÷ pow:^ neg:− pos:+ absolute:|x| sign:sign exp:exp expm1:expm1 log:ln
    log1p:log1p exp2:exp2 log2:log2 log10:log10 logaddexp:lae hypot:hypot sqrt:√ sin:sin cos:cos
    tan:tan arcsin:arcsin arccos:arccos arctan:arctan arctan2:atan2 sinh:sinh cosh:cosh
    tanh:tanh arcsinh:arcsinh arccosh:arccosh arctanh:arctanh erf:erf erfc:erfc sigmoid:σ
    softplus:softplus relu:relu leaky_relu:lrelu elu:elu log_sigmoid:logσ silu:silu gelu:gelu
    maximum:max minimum:min clip:clip less:< less_equal:≤ equal:= where:?: sum:Σ mean:mean
    take:take dot:w·x+b logsumexp:lse _largest:max _log_total:ln_Σ_exp _sigmoid_slope:σ′
    _tanh_slope:tanh′ _arcsin_slope:arcsin′ _arccosh_slope:arccosh′ _arctanh_slope:arctanh′
    _power_slope:b_aᵇ⁻¹ _power_log:aᵇ_ln_a
"""


def test_symbols_are_those_of_books() -> None:
    """`_` stands for a space."""
    written = [f"{row.name}:{row.symbol.replace(' ', '_')}" for row in TABLE.values()]
    assert written == SYMBOLS.split()
