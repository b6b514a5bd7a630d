"""Finite differences, to hold derivatives against.

f'(x) ≈ (f(x+h) − f(x−h)) / 2h needs two evaluations of f per input (*central*), (f(x+h) − f(x)) /
h needs one and one more for all (*forward*): n+1 or 2n against the single backward pass that
gives every derivative at once.  Good for checking, hopeless for training.

The step h balances the error of the formula, which falls with h, against rounding, which grows as h
falls: ε^(1/3) for central and ε^(1/2) for forward differences, times the size of x or 1, whichever
is larger (Press et al., Numerical Recipes, section 5.7).
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite, isnan, nan
from typing import Any, Literal, TypeAlias

from autograd.modes import no_grad
from autograd.transforms import grad
from autograd.trees import flatten, names
from autograd.validation import number
from autograd.value import Value, as_value, constant

Verdict: TypeAlias = Literal["ok", "kink", "open", "wrong"]

EPSILON = sys.float_info.epsilon
ROUNDINGS = 4
"""By how many units in the last place two values may be off together."""
NEARER = 1 / 16
"""The share of a step within which a curve is all but straight and a kink as sharp as before."""
SHORTER = 6
"""How many steps, each a NEARER share of the last, are tried before a derivative is doubted."""
MANY = 100
"""How many times what passes for equal is more than rounding, at any distance we look from."""


@dataclass(frozen=True, slots=True)
class InputCheck:
    """One derivative, found twice."""

    name: str
    value: float
    analytic: float
    numeric: float
    error: float
    """|analytic - numeric|"""
    step: float
    verdict: Verdict
    """"kink": the slopes on the two sides differ, and the derivative is one between them; "open":
    f jumps here, or is no finite number here or a step away, or so large that its rounding hides
    the slope, or the derivative is nan at a kink, so that differences decide nothing."""

    @property
    def ok(self) -> bool:
        """Whether the two agree, which they need not at a kink."""
        return self.verdict == "ok"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check_grads` found; prints in columns."""

    inputs: tuple[InputCheck, ...]
    evaluations: int
    """How many times f ran for the differences."""
    method: str

    @property
    def ok(self) -> bool:
        """Whether every derivative agrees."""
        return all(check.ok for check in self.inputs)

    def raise_on_failure(self) -> None:
        """Raise AssertionError with the whole report unless every derivative agrees."""
        if not self.ok:
            raise AssertionError(f"derivatives disagree with finite differences\n{self}")

    def __str__(self) -> str:
        rows = [["input", "value", "analytic", "numeric", "error", "step", ""]]
        for c in self.inputs:
            numbers = [f"{x:.8g}" for x in (c.value, c.analytic, c.numeric)]
            rows.append([c.name, *numbers, f"{c.error:.1e}", f"{c.step:.1e}", c.verdict])
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(
            [*lines, f"{self.evaluations} evaluations of f ({self.method} differences)"]
        )


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    method: str = "central",
    step: float | None = None,
    raise_on_failure: bool = False,
) -> CheckReport:
    """Compare the derivatives of a scalar function f at ``args`` with finite differences.

    ``args`` are the arguments in order, each a number or a tree of numbers.  A derivative is
    right when ``|analytic - numeric| <= atol + rtol * |numeric|``.  ``order=2`` checks the
    derivative of the sum of all first derivatives, and so on.  ``method`` is "central" (2n
    evaluations for n numbers) or "forward" (n + 1), and ``step`` the h of either for every number.
    With ``raise_on_failure`` a disagreement raises AssertionError with the report.

    Where the two disagree, five more evaluations look at both sides: at a kink, as of ``abs`` at
    0, a derivative between the slopes there is a convention; the verdict says so.  Elsewhere
    central differences over shorter steps may yet come to the derivative, as they do near a pole.

    >>> report = check_grads(lambda a, b: (a + b) * (b + 1), (2.0, 1.0))
    >>> report.ok, report.evaluations
    (True, 4)
    """
    if method not in ("central", "forward"):
        raise ValueError(f'method is "central" or "forward", got {method!r}')
    if not isinstance(args, (list, tuple)):
        raise TypeError(
            f"args is the list of arguments of f, got {type(args).__name__}; did you mean [x]?"
        )
    _check_numbers(rtol, atol, step)
    f = _lower_derivative(f, order, len(args))
    leaves, rebuild = flatten(list(args))
    numbers = [
        number(leaf.data if isinstance(leaf, Value) else leaf, "check_grads takes")
        for leaf in leaves
    ]
    point = rebuild(numbers)
    analytic, _ = flatten(grad(f, tuple(range(len(point))))(*point)) if point else ([], None)
    counted = _Counted(f, rebuild)
    differences = _differences(counted, numbers, method, step)
    labels = [name for i, arg in enumerate(args) for name in names(arg, f"x{i}")]
    checks = []
    for i, (slope, (numeric, h)) in enumerate(zip(analytic, differences)):
        # inf - inf would be nan, and nan - nan is no disagreement
        error = 0.0 if _same(slope, numeric) else abs(slope - numeric)
        close = atol + rtol * abs(numeric)
        verdict: Verdict = "ok"
        # an infinite difference is within a share of itself of anything
        if error != 0.0 and not error <= close < inf:
            verdict = _disagreement(counted, numbers, i, h, slope, close)
            if step is None and verdict in ("wrong", "open"):
                across = partial(_across, counted, numbers, i)
                found = confirmed(across, numbers[i], slope, h, error, (rtol, atol))
                if found is not None:
                    verdict, (h, numeric) = "ok", found
                    error = abs(slope - numeric)
        checks.append(InputCheck(labels[i], numbers[i], slope, numeric, error, h, verdict))
    report = CheckReport(tuple(checks), counted.evaluations, method)
    if raise_on_failure:
        report.raise_on_failure()
    return report


def _check_numbers(rtol: float, atol: float, step: float | None) -> None:
    """ValueError for tolerances and steps by which right derivatives would be called wrong."""
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not number(tolerance, f"{name} is") >= 0.0:
            raise ValueError(f"{name} is 0 or more, got {tolerance!r}")
    if step is not None and not 0.0 < number(step, "step is") < inf:
        raise ValueError(f"step is a finite distance above 0, or None for a good one, got {step!r}")


class _Counted:
    """f on a flat list of numbers, counting how often it runs."""

    def __init__(self, f: Callable[..., Any], rebuild: Callable[[list[Any]], Any]) -> None:
        self.f, self.rebuild, self.evaluations = f, rebuild, 0

    def __call__(self, numbers: list[float]) -> float:
        self.evaluations += 1
        with no_grad():
            # Values even here: f may use their methods
            arguments = self.rebuild([constant(x) for x in numbers])
            return as_value(self.f(*arguments), "check_grads").data


def _lower_derivative(f: Callable[..., Any], order: int, count: int) -> Callable[..., Any]:
    """The scalar function whose derivatives are to be checked: the sum of all of order - 1."""
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"order is 1, 2, …, got {order!r}")
    for _ in range(order - 1):
        f = _sum_of_derivatives(f, count)
    return f


def _sum_of_derivatives(f: Callable[..., Any], count: int) -> Callable[..., Any]:
    def total(*args: Any) -> Any:
        leaves, _ = flatten(grad(f, tuple(range(count)))(*args))
        return sum(leaves)

    return total


def _differences(
    f: Callable[[list[float]], float], numbers: list[float], method: str, step: float | None
) -> list[tuple[float, float]]:
    """(numeric derivative, step) per number."""
    # nan: never looked at, and not to be mistaken for a value
    base = f(numbers) if method == "forward" else nan
    found = []
    for i, x in enumerate(numbers):
        h = step or max(abs(x), 1.0) * EPSILON ** (1 / 3 if method == "central" else 1 / 2)
        taken = (x + h) - x  # the step that was really taken, which is what the rounding left
        if taken == 0.0:
            raise ValueError(f"a step of {h} is lost in rounding at {x}: give a longer one or None")
        ahead, h = f(_moved(numbers, i, x + h)), taken
        behind = f(_moved(numbers, i, x - h)) if method == "central" else base
        found.append(((ahead - behind) / (2 * h if method == "central" else h), h))
    return found


def _moved(numbers: list[float], i: int, x: float) -> list[float]:
    return [*numbers[:i], x, *numbers[i + 1 :]]


def _same(a: float, b: float) -> bool:
    return a == b or (isnan(a) and isnan(b))


def _disagreement(
    f: Callable[[list[float]], float],
    numbers: list[float],
    i: int,
    step: float,
    slope: float,
    close: float,
) -> Verdict:
    """What a derivative is that differences do not confirm.

    The values on the two sides of a number, and so the slopes, come together as the step gets
    shorter, unless there is a jump or a kink.
    """
    here = f(numbers)
    (a, b), (c, d) = (
        [f(_moved(numbers, i, numbers[i] + s)) for s in (-h, h)] for h in (step, step / 4)
    )
    far = ((here - a) / step, (b - here) / step)
    near = ((here - c) / (step / 4), (d - here) / (step / 4))
    if not all(map(isfinite, (*far, *near))):
        return "open"
    clearly = MANY * close
    left = _spread(c, here, d)
    if left > clearly * step and left > 0.75 * _spread(a, here, b):
        # of a jump nothing can be said, but beside it there are slopes
        beside = ((c - a) / (0.75 * step), (b - d) / (0.75 * step))
        return "open" if isnan(slope) or _within(slope, beside, 1e-3) else "wrong"
    if isnan(slope):
        return "open" if is_kink(far, near, clearly) else "wrong"
    rounding = ROUNDINGS * EPSILON * max(map(abs, (a, here, b))) / step
    if is_kink(far, near, max(close, 4 * rounding)) and _within(slope, near, close):
        return "kink"
    return "open" if abs(slope - (far[0] + far[1]) / 2) <= rounding else "wrong"


def confirmed(
    across: Callable[[float], tuple[float, float]],
    x: float,
    slope: float,
    step: float,
    error: float,
    tolerances: tuple[float, float],
) -> tuple[float, float] | None:
    """A shorter step and the difference across it that confirm a derivative, where shorter ones
    come to it as they do along a curve: a kink, a jump and a mistake stay as far.  Of a wave with
    many periods within a step nothing is known before the steps are shorter than one.

    ``across`` gives the difference for a step, and by how much rounding may have moved it.
    """
    rtol, atol = tolerances
    for _ in range(SHORTER):
        step *= NEARER
        if not x - step < x < x + step:
            return None
        numeric, rounding = across(step)
        before, error = error, abs(slope - numeric)
        close = atol + rtol * abs(numeric)
        if rounding > close:
            return None
        if error <= min(close, before / 4) < inf:
            return step, numeric
        if abs(error - before) <= close:
            return None
    return None


def _across(
    f: Callable[[list[float]], float], numbers: list[float], i: int, step: float
) -> tuple[float, float]:
    """The central difference for a step, and what rounding may be in it."""
    x = numbers[i]
    behind, ahead = f(_moved(numbers, i, x - step)), f(_moved(numbers, i, x + step))
    apart = (x + step) - (x - step)
    return (ahead - behind) / apart, 2 * EPSILON * max(abs(behind), abs(ahead)) / apart


def is_kink(far: Sequence[float], near: Sequence[float], close: float) -> bool:
    """Whether slopes to the left and right differ nearer to a number as much as farther from it.

    Those of a curve come together: it bends less within a part of the step.
    """
    return _spread(*near) > max(close, _spread(*far) / 2)


def _spread(*numbers: float) -> float:
    return max(numbers) - min(numbers)


def _within(slope: float, sides: Sequence[float], slack: float) -> bool:
    return min(sides) - slack <= slope <= max(sides) + slack
