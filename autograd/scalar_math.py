"""Arithmetic on floats with IEEE 754 results: the namespace in which the engine evaluates eagerly.

Python's ``math`` raises where IEEE 754 has an answer (``log(0)``, ``1/0``, ``exp(1000)``).  Here
every function returns that answer: an infinity at a pole or on overflow, nan outside the domain.
Comparisons return 1.0 and 0.0, so that they can be nodes of a graph like everything else.
"""

import math
from collections.abc import Callable
from math import asinh as arcsinh
from math import atan as arctan
from math import atan2 as arctan2
from math import copysign, erf, erfc, inf, isnan, nan
from math import fabs as absolute

__all__ = [
    "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cos",
    "cosh", "divide", "equal", "erf", "erfc", "exp", "expm1", "hypot", "less", "less_equal", "log",
    "log1p", "log2", "log10", "maximum", "minimum", "power", "sin", "sinh", "sqrt", "tan", "tanh",
    "where",
]  # fmt: skip


def divide(a: float, b: float) -> float:
    """The quotient a / b; a division by zero gives a signed infinity, 0/0 gives nan."""
    try:
        return a / b
    except ZeroDivisionError:
        return nan if a == 0 or isnan(a) else copysign(inf, a) * copysign(1.0, b)


def power(a: float, b: float) -> float:
    """The power a**b as IEEE 754 ``pow``: nan for a negative base with a fractional exponent."""
    try:
        return math.pow(a, b)
    except OverflowError:
        return -inf if a < 0 and _is_odd(b) else inf
    except ValueError:
        if a != 0:
            return nan
        return copysign(inf, a) if _is_odd(b) else inf


def exp(x: float) -> float:
    """The exponential; overflow gives inf."""
    try:
        return math.exp(x)
    except OverflowError:
        return inf


def expm1(x: float) -> float:
    """exp(x) - 1 without cancellation near 0; overflow gives inf."""
    try:
        return math.expm1(x)
    except OverflowError:
        return inf


def sinh(x: float) -> float:
    """The hyperbolic sine; overflow gives a signed infinity."""
    try:
        return math.sinh(x)
    except OverflowError:
        return copysign(inf, x)


def cosh(x: float) -> float:
    """The hyperbolic cosine; overflow gives inf."""
    try:
        return math.cosh(x)
    except OverflowError:
        return inf


def log1p(x: float) -> float:
    """log(1 + x) without cancellation near 0; log1p(-1) = -inf, nan below."""
    try:
        return math.log1p(x)
    except ValueError:
        return -inf if x == -1 else nan


def hypot(a: float, b: float) -> float:
    """The root of a² + b², without overflow on the way."""
    return math.hypot(a, b)


def arctanh(x: float) -> float:
    """The inverse hyperbolic tangent; infinite at ±1, nan beyond."""
    try:
        return math.atanh(x)
    except ValueError:
        return copysign(inf, x) if abs(x) == 1 else nan


def _with_pole_at_zero(logarithm: Callable[[float], float]) -> Callable[[float], float]:
    def quiet(x: float) -> float:
        try:
            return logarithm(x)
        except ValueError:
            return -inf if x == 0 else nan

    quiet.__name__ = quiet.__qualname__ = logarithm.__name__
    quiet.__doc__ = f"math.{logarithm.__name__}, with -inf at 0 and nan for negative numbers."
    return quiet


log = _with_pole_at_zero(math.log)
log2 = _with_pole_at_zero(math.log2)
log10 = _with_pole_at_zero(math.log10)


def _nan_outside_domain(function: Callable[[float], float]) -> Callable[[float], float]:
    def quiet(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return nan

    quiet.__name__ = quiet.__qualname__ = function.__name__
    quiet.__doc__ = f"math.{function.__name__}, with nan outside its domain."
    return quiet


sqrt = _nan_outside_domain(math.sqrt)
sin = _nan_outside_domain(math.sin)
cos = _nan_outside_domain(math.cos)
tan = _nan_outside_domain(math.tan)
arcsin = _nan_outside_domain(math.asin)
arccos = _nan_outside_domain(math.acos)
arccosh = _nan_outside_domain(math.acosh)
tanh = math.tanh


def maximum(a: float, b: float) -> float:
    """The larger of two numbers; nan if either is nan."""
    return a if a >= b or isnan(a) else b


def minimum(a: float, b: float) -> float:
    """The smaller of two numbers; nan if either is nan."""
    return a if a <= b or isnan(a) else b


def less(a: float, b: float) -> float:
    """1.0 where a < b, else 0.0."""
    return 1.0 if a < b else 0.0


def less_equal(a: float, b: float) -> float:
    """1.0 where a <= b, else 0.0."""
    return 1.0 if a <= b else 0.0


def equal(a: float, b: float) -> float:
    """1.0 where a == b, else 0.0."""
    return 1.0 if a == b else 0.0


def where(condition: float, a: float, b: float) -> float:
    """a where the condition holds (is not zero), else b."""
    return a if condition else b


def _is_odd(x: float) -> bool:
    return math.fmod(x, 2.0) in (1.0, -1.0)
