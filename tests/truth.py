"""What the functions are, said a second time and in the plainest way: the textbook.

`textbook(m)` writes every function of the contract with the elementary functions of one module `m`
(`math`, `mpmath`, `mpmath.mp`) and nothing else, unconcerned with speed, overflow or lost digits.
With mpmath at high precision it is the truth that the engine's rows are held to; with `math` it is
a rough value that steers the random programs. `SPECIAL` is the grid of awkward numbers.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

Function = Callable[..., Any]

INF = float("inf")
NAN = float("nan")
SPECIAL = (
    *(0.0, -0.0, 1.0, -1.0, 20.0, -20.0, 40.0, -40.0, 710.0, -710.0),
    *(1e308, -1e308, 5e-324, -5e-324, INF, -INF, NAN),
)


def textbook(m: ModuleType | Any) -> dict[str, Function]:
    """Every function of the contract by name, written with the functions of `m`."""
    return {**_arithmetic(m), **_elementary(m), **_composed(m), **_of_many(m)}


def _arithmetic(m: Any) -> dict[str, Function]:
    return {
        "add": lambda x, y: x + y,
        "sub": lambda x, y: x - y,
        "mul": lambda x, y: x * y,
        "div": lambda x, y: x / y,
        "pow": lambda x, y: x**y,
        "neg": lambda x: -x,
        "pos": lambda x: x,
        "absolute": abs,
        "sign": lambda x: (x > 0) - (x < 0) + 0 * x,
        "maximum": max,
        "minimum": min,
        "where": lambda condition, x, y: x if condition else y,
    }


def _elementary(m: Any) -> dict[str, Function]:
    same = "exp expm1 log log1p sqrt sin cos tan sinh cosh tanh erf erfc log10".split()
    return {name: getattr(m, name) for name in same} | {
        "arcsin": m.asin,
        "arccos": m.acos,
        "arctan": m.atan,
        "arctan2": m.atan2,
        "arcsinh": m.asinh,
        "arccosh": m.acosh,
        "arctanh": m.atanh,
    }


def _composed(m: Any) -> dict[str, Function]:
    return {
        "sigmoid": lambda x: 1 / (1 + m.exp(-x)),
        "softplus": lambda x: m.log(1 + m.exp(x)),
        "relu": lambda x: x if x > 0 else 0 * x,
        "leaky_relu": lambda x, slope=0.01: x if x > 0 else slope * x,
        "elu": lambda x, alpha=1: x if x > 0 else alpha * m.expm1(x),
        "log_sigmoid": lambda x: -m.log(1 + m.exp(-x)),
        "exp2": lambda x: 2**x,
        "log2": lambda x: m.log(x) / m.log(2 + 0 * x),
        "hypot": lambda x, y: m.sqrt(x * x + y * y),
        "logaddexp": lambda x, y: m.log(m.exp(x) + m.exp(y)),
        "_sigmoid_slope": lambda x: 1 / (2 + m.exp(x) + m.exp(-x)),
        "_tanh_slope": lambda x: 1 / m.cosh(x) ** 2,
        "_arcsin_slope": lambda x: 1 / m.sqrt(1 - x * x),
        "_arccosh_slope": lambda x: 1 / m.sqrt(x * x - 1),
        "_arctanh_slope": lambda x: 1 / (1 - x * x),
        "_power_slope": lambda x, y: y * x ** (y - 1),
        "_power_log": lambda x, y: x**y * m.log(x),
        "clip": lambda x, low=-1, high=1: min(max(x, low), high),
        "silu": lambda x: x / (1 + m.exp(-x)),
        "gelu": lambda x: x * m.erfc(-x / m.sqrt(2 + 0 * x)) / 2,
    }


def _of_many(m: Any) -> dict[str, Function]:
    def logsumexp(*xs: Any) -> Any:
        return m.log(_total(m.exp(x) for x in xs))

    def dot(*operands: Any) -> Any:
        n = len(operands) // 2
        return _total(w * x for w, x in zip(operands[:n], operands[n:-1])) + operands[-1]

    return {
        "sum": lambda *xs: _total(xs),
        "_log_total": lambda *xs: logsumexp(*xs[:-1]) - xs[-1],
        "take": lambda *xs: xs[int(xs[-1])],
        "mean": lambda *xs: _total(xs) / len(xs),
        "logsumexp": logsumexp,
        "dot": dot,
    }


def _total(terms: Any) -> Any:
    """Plain additions from the left; the builtin `sum` compensates floats since Python 3.12."""
    total: Any = 0
    for term in terms:
        total = total + term
    return total
