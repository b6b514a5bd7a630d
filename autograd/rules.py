"""THE table of primitives: every differentiable function of the engine, one row each.

A row reads: name, symbol in pictures, value, partial derivatives (from the arguments and the value
``y``); on its second line these as taught in class, the open interval of each argument, what holds at
kinks and poles, a word on stability.  Nothing about a function is said anywhere else: its method, the
function of its name and the word in formulas, eager evaluation, derivatives of any order, the compiled
backends, the labels on edges, the kernels in the page and the tests all follow from this table.

``namespace(basis)`` turns a handful of elementary functions into a namespace with all of them.  A
row of many operands asks for ``m.total(xs)``, ``m.largest(xs)`` and ``m.count(xs)`` of those of a
role: where a graph is compiled, one of these may be a block that stands for several.
"""

from collections.abc import Mapping, Sequence
from functools import partial, reduce
from itertools import chain
from math import inf, log, nan, pi, sqrt
from operator import add, mul
from types import SimpleNamespace
from typing import Any

from autograd.primitive import Convention, Interval, Namespace, Number, Primitive

# ruff: noqa: E501  (the table is as wide as its rows)

BASIS = (
    "divide", "power", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "hypot", "sin", "cos", "tan",
    "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "erf", "erfc",
    "absolute", "maximum", "minimum", "less", "less_equal", "equal", "where",
)  # fmt: skip
"""What a namespace supplies itself, besides numbers with ``+ - *`` and unary ``-``."""

total = partial(reduce, add)
"""The sum of the operands, of which there are some, in order."""


def named(name: str) -> Primitive:
    """The primitive of that name; KeyError when there is none."""
    return TABLE[name]


def namespace(basis: Mapping[str, Any]) -> Namespace:
    """All functions of the table over the kind of number that ``basis`` works on.

    ``basis`` maps each name in BASIS to a function; the rest is composed from these by the rows.
    """
    functions = SimpleNamespace(**{name: basis[name] for name in BASIS}, total=total, count=count)
    functions.largest = partial(reduce, functions.maximum)
    for row in TABLE.values():
        if not hasattr(functions, row.name):
            setattr(functions, row.name, partial(row.forward, functions))
    return functions


def count(xs: Sequence[Number]) -> float:
    """How many operands there are."""
    return float(len(xs))


def _sum(m: Namespace, xs: tuple[Number, ...]) -> Number:
    return m.total(xs) if xs else 0.0


def _dot(m: Namespace, terms: tuple[Number, ...]) -> Number:
    """Terms are w1 … wn, x1 … xn, bias: the bias comes first in the sum, then the products in order."""
    n = len(terms) // 2
    return m.total(chain(terms[-1:], map(mul, terms[:n], terms[n:-1])))


def _logsumexp(m: Namespace, xs: tuple[Number, ...]) -> Number:
    """Shifted by the largest term, so that exp cannot overflow (an infinite one is no shift)."""
    largest = m.largest(xs)
    shift = m.where(m.equal(m.absolute(largest), inf), 0.0, largest)
    return m.log(m.total(tuple(m.exp(x - shift) for x in xs))) + shift


def _softmax(m: Namespace, xs: tuple[Number, ...]) -> tuple[Number, ...]:
    """From the exponentials that logsumexp adds up: exp(x - y) loses the digits that a large y lost."""
    largest = m._largest(*xs)
    powers = tuple(m.exp(x - largest) for x in xs)
    total = m.where(m.equal(m.absolute(largest), inf), 1.0, m.total(powers))
    return tuple(m.divide(power, total) for power in powers)


def _sign(m: Namespace, x: Number) -> Number:
    return m.where(m.less(0.0, x), 1.0, m.where(m.less(x, 0.0), -1.0, 0.0))


def _share(m: Namespace, loses: Number, a: Number, b: Number) -> Number:
    """What an argument of a maximum or minimum gets: nothing, half in a tie, or everything."""
    return m.where(loses, 0.0, m.where(m.equal(a, b), 0.5, 1.0))


def _times(m: Namespace, b: Number, power: Number) -> Number:
    """The product, and 0 for an exponent of 0, whatever the power of a base of 0 would be."""
    return m.where(m.equal(b, 0.0), 0.0, b * power)


def _power_log(m: Namespace, a: Number, b: Number) -> Number:
    """a**b ln(a), with its limit 0 at base 0."""
    product = m.power(a, b) * m.log(a)
    return m.where(m.equal(a, 0.0), m.where(m.less_equal(0.0, b), 0.0, product), product)


def _power_log_partials(m: Namespace, a: Number, b: Number, y: Number) -> tuple[Number, Number]:
    by_base = m.power(a, b - 1.0) + b * m._power_log(a, b - 1.0)
    return by_base, y * m.log(m.where(m.equal(a, 0.0), m.where(m.less_equal(0.0, b), 1.0, a), a))


def _logaddexp(m: Namespace, a: Number, b: Number) -> Number:
    """From the larger on; for two equal infinities the difference is 0, which a - b is not."""
    apart = m.where(m.equal(a, b), 0.0, m.absolute(a - b))
    return m.maximum(a, b) + m.log1p(m.exp(-apart))


def _arctan2_partials(m: Namespace, a: Number, b: Number, y: Number) -> tuple[Number, Number]:
    """b/r² and -a/r², divided by r twice, since r² overflows and vanishes long before r does."""
    r = m.hypot(a, b)
    origin = m.equal(r, 0.0)
    r = m.where(origin, 1.0, r)
    return m.divide(m.divide(b, r), r), -m.divide(m.divide(a, r), r)


def _elu_partials(m: Namespace, x: Number, alpha: Number, y: Number) -> tuple[Number, Number]:
    """By exp of negative numbers only: its overflow must not reach the derivative of this."""
    left = m.less_equal(x, 0.0)
    below = m.where(left, x, 0.0)
    return m.where(left, alpha * m.exp(below), 1.0), m.where(left, m.expm1(below), 0.0)


def _clip_partials(
    m: Namespace, x: Number, low: Number, high: Number, y: Number
) -> tuple[Number, Number, Number]:
    below = m.where(m.less(low, high), m.less(x, low), 0.0)
    above = m.where(m.less(high, low), 1.0, m.less(high, x))
    inside = m.where(m.less_equal(low, x), m.less_equal(x, high), 0.0)
    return tuple(m.where(case, 1.0, 0.0) for case in (inside, below, above))


def _log_total_partials(m: Namespace, *xs_y: Number) -> tuple[Number, ...]:
    """The softmax, from the exponentials that the value is made of too."""
    *xs, shift, y = xs_y
    total = m.exp(y)
    return (*(m.divide(m.exp(x - shift), total) for x in xs), -1.0)


def _take(m: Namespace, terms: tuple[Number, ...]) -> Number:
    *xs, index = terms
    return reduce(
        lambda rest, k: m.where(m.equal(index, float(k)), xs[k], rest), range(len(xs)), nan
    )


def _take_partials(m: Namespace, xs: tuple[Number, ...], index: Number) -> tuple[Number, ...]:
    return (*(m.where(m.equal(index, float(k)), 1.0, 0.0) for k in range(len(xs))), 0.0)


def _sigmoid_slope(m: Namespace, x: Number) -> Number:
    """y (1 - y) with every digit in both tails."""
    small = m.exp(-m.absolute(x))
    return m.divide(small, (1.0 + small) * (1.0 + small))


def _sigmoid(m: Namespace, x: Number) -> Number:
    small = m.exp(-m.absolute(x))
    return m.divide(m.where(m.less(x, 0.0), small, 1.0), 1.0 + small)


def _normal_cdf(m: Namespace, x: Number) -> Number:
    return 0.5 * m.erfc(-x * sqrt(0.5))


def _normal_density(m: Namespace, x: Number) -> Number:
    return m.exp(-0.5 * x * x) * sqrt(0.5 / pi)


REAL: Interval = (-inf, inf)
POSITIVE: Interval = (0.0, inf)
UNIT: Interval = (-1.0, 1.0)
at = Convention

# fmt: off
_ROWS = (
    #         name           symbol   value                                                partial derivatives
    #         as taught, intervals, conventions, note
    Primitive("add",         "+",     lambda m, a, b: a + b,                               lambda m, a, b, y: (1.0, 1.0),
              ("1", "1"), (REAL, REAL), operator="+"),
    Primitive("sub",         "−",     lambda m, a, b: a - b,                               lambda m, a, b, y: (1.0, -1.0),
              ("1", "-1"), (REAL, REAL), operator="-"),
    Primitive("mul",         "×",     lambda m, a, b: a * b,                               lambda m, a, b, y: (b, a),
              ("b", "a"), (REAL, REAL), operator="*"),
    Primitive("div",         "÷",     lambda m, a, b: m.divide(a, b),                      lambda m, a, b, y: (m.divide(1.0, b), m.divide(-y, b)),
              ("1/b", "-a/b**2"), (REAL, POSITIVE), operator="/"),
    Primitive("pow",         "^",     lambda m, a, b: m.power(a, b),                       lambda m, a, b, y: (m._power_slope(a, b), m._power_log(a, b)),
              ("b*a**(b - 1)", "y*log(a)"), (POSITIVE, REAL), (at((0.0, 0.0), (0.0, 0.0)), at((0.0, 2.0), (0.0, 0.0))), "x**0 has derivative 0 everywhere; at base 0 the exponent gets 0", operator="**"),
    Primitive("neg",         "−",     lambda m, x: -x,                                     lambda m, x, y: (-1.0,),
              ("-1",), (REAL,), operator="-"),
    Primitive("pos",         "+",     lambda m, x: x,                                      lambda m, x, y: (1.0,),
              ("1",), (REAL,), operator="+"),
    Primitive("absolute",    "|x|",   lambda m, x: m.absolute(x),                          lambda m, x, y: (_sign(m, x),),
              ("sign(x)",), (REAL,), (at((0.0,), (0.0,)),)),
    Primitive("sign",        "sign",  _sign,                                               lambda m, x, y: (0.0,),
              ("0",), (REAL,), (at((0.0,), (0.0,)),), "-1, 0 or 1; as flat at 0 as elsewhere"),
    Primitive("exp",         "exp",   lambda m, x: m.exp(x),                               lambda m, x, y: (y,),
              ("y",), (REAL,)),
    Primitive("expm1",       "expm1", lambda m, x: m.expm1(x),                             lambda m, x, y: (m.exp(x),),
              ("exp(x)",), (REAL,), (), "the slope is exp(x): y + 1 loses it below x = -37"),
    Primitive("log",         "ln",    lambda m, x: m.log(x),                               lambda m, x, y: (m.divide(1.0, x),),
              ("1/x",), (POSITIVE,), (at((0.0,), (inf,)),)),
    Primitive("log1p",       "log1p", lambda m, x: m.log1p(x),                             lambda m, x, y: (m.divide(1.0, 1.0 + x),),
              ("1/(1 + x)",), ((-1.0, inf),), (at((-1.0,), (inf,)),)),
    Primitive("exp2",        "exp2",  lambda m, x: m.power(2.0, x),                        lambda m, x, y: (log(2.0) * y,),
              ("log(2)*y",), (REAL,)),
    Primitive("log2",        "log2",  lambda m, x: m.log2(x),                              lambda m, x, y: (m.divide(1.0, log(2.0) * x),),
              ("1/(log(2)*x)",), (POSITIVE,), (at((0.0,), (inf,)),), "whole at powers of 2, which log(x)/log(2) is not"),
    Primitive("log10",       "log10", lambda m, x: m.log10(x),                             lambda m, x, y: (m.divide(1.0, log(10.0) * x),),
              ("1/(log(10)*x)",), (POSITIVE,), (at((0.0,), (inf,)),), "whole at powers of 10"),
    Primitive("logaddexp",   "lae",   _logaddexp,                                          lambda m, a, b, y: (m.sigmoid(a - b), m.sigmoid(b - a)),
              ("exp(a - y)", "exp(b - y)"), (REAL, REAL), (), "ln(exp a + exp b) from the larger of the two on"),
    Primitive("hypot",       "hypot", lambda m, a, b: m.hypot(a, b),                       lambda m, a, b, y: (m.divide(a, y), m.divide(b, y)),
              ("a/y", "b/y"), (REAL, REAL), (), "sqrt(a*a + b*b) without overflow on the way"),
    Primitive("sqrt",        "√",     lambda m, x: m.sqrt(x),                              lambda m, x, y: (m.divide(0.5, y),),
              ("1/(2*y)",), (POSITIVE,), (at((0.0,), (inf,)),)),
    Primitive("sin",         "sin",   lambda m, x: m.sin(x),                               lambda m, x, y: (m.cos(x),),
              ("cos(x)",), (REAL,)),
    Primitive("cos",         "cos",   lambda m, x: m.cos(x),                               lambda m, x, y: (-m.sin(x),),
              ("-sin(x)",), (REAL,)),
    Primitive("tan",         "tan",   lambda m, x: m.tan(x),                               lambda m, x, y: (1.0 + y * y,),
              ("1 + y**2",), ((-pi / 2, pi / 2),)),
    Primitive("arcsin",      "arcsin", lambda m, x: m.arcsin(x),                           lambda m, x, y: (m._arcsin_slope(x),),
              ("1/sqrt(1 - x**2)",), (UNIT,), (at((1.0,), (inf,)), at((-1.0,), (inf,)))),
    Primitive("arccos",      "arccos", lambda m, x: m.arccos(x),                           lambda m, x, y: (-m._arcsin_slope(x),),
              ("-1/sqrt(1 - x**2)",), (UNIT,), (at((1.0,), (-inf,)), at((-1.0,), (-inf,)))),
    Primitive("arctan",      "arctan", lambda m, x: m.arctan(x),                           lambda m, x, y: (m.divide(1.0, 1.0 + x * x),),
              ("1/(1 + x**2)",), (REAL,)),
    Primitive("arctan2",     "atan2", lambda m, a, b: m.arctan2(a, b),                     _arctan2_partials,
              ("b/(a**2 + b**2)", "-a/(a**2 + b**2)"), (REAL, REAL), (at((0.0, 0.0), (0.0, 0.0)),), "the angle of the point (b, a), from -π to π"),
    Primitive("sinh",        "sinh",  lambda m, x: m.sinh(x),                              lambda m, x, y: (m.cosh(x),),
              ("cosh(x)",), (REAL,)),
    Primitive("cosh",        "cosh",  lambda m, x: m.cosh(x),                              lambda m, x, y: (m.sinh(x),),
              ("sinh(x)",), (REAL,)),
    Primitive("tanh",        "tanh",  lambda m, x: m.tanh(x),                              lambda m, x, y: (m._tanh_slope(x),),
              ("1 - y**2",), (REAL,), (), "1 - y*y is 0 from |x| = 19 on, the slope is not"),
    Primitive("arcsinh",     "arcsinh", lambda m, x: m.arcsinh(x),                         lambda m, x, y: (m.divide(1.0, m.hypot(1.0, x)),),
              ("1/sqrt(1 + x**2)",), (REAL,)),
    Primitive("arccosh",     "arccosh", lambda m, x: m.arccosh(x),                         lambda m, x, y: (m._arccosh_slope(x),),
              ("1/sqrt(x**2 - 1)",), ((1.0, inf),), (at((1.0,), (inf,)),)),
    Primitive("arctanh",     "arctanh", lambda m, x: m.arctanh(x),                         lambda m, x, y: (m._arctanh_slope(x),),
              ("1/(1 - x**2)",), (UNIT,), (at((1.0,), (inf,)), at((-1.0,), (inf,)))),
    Primitive("erf",         "erf",   lambda m, x: m.erf(x),                               lambda m, x, y: (2.0 / sqrt(pi) * m.exp(-x * x),),
              ("2/sqrt(pi)*exp(-x**2)",), (REAL,)),
    Primitive("erfc",        "erfc",  lambda m, x: m.erfc(x),                              lambda m, x, y: (-2.0 / sqrt(pi) * m.exp(-x * x),),
              ("-2/sqrt(pi)*exp(-x**2)",), (REAL,), (), "1 - erf(x) without cancellation for large x"),
    Primitive("sigmoid",     "σ",     _sigmoid,                                            lambda m, x, y: (m._sigmoid_slope(x),),
              ("y*(1 - y)",), (REAL,), (), "exp only of negative numbers; y * (1 - y) is 0 from x = 37 on, the slope is not"),
    Primitive("softplus",    "softplus", lambda m, x: m.maximum(x, 0.0) + m.log1p(m.exp(-m.absolute(x))), lambda m, x, y: (m.sigmoid(x),),
              ("sigmoid(x)",), (REAL,), (), "exact for every x: no switch to the identity above 20"),
    Primitive("relu",        "relu",  lambda m, x: m.where(m.less_equal(x, 0.0), 0.0, x),  lambda m, x, y: (m.where(m.less_equal(x, 0.0), 0.0, 1.0),),
              ("where(x > 0, 1, 0)",), (REAL,), (at((0.0,), (0.0,)),)),
    Primitive("leaky_relu",  "lrelu", lambda m, x, negative_slope: m.where(m.less(0.0, x), x, negative_slope * x), lambda m, x, negative_slope, y: (m.where(m.less(0.0, x), 1.0, negative_slope), m.where(m.less(0.0, x), 0.0, x)),
              ("where(x > 0, 1, negative_slope)", "where(x > 0, 0, x)"), (REAL, REAL), (at((0.0, 0.01), (0.01, 0.0)),), defaults=(0.01,)),
    Primitive("elu",         "elu",   lambda m, x, alpha: m.where(m.less_equal(x, 0.0), alpha * m.expm1(x), x), _elu_partials,
              ("where(x > 0, 1, alpha*exp(x))", "where(x > 0, 0, exp(x) - 1)"), (REAL, REAL), (at((0.0, 2.0), (2.0, 0.0)),), defaults=(1.0,)),
    Primitive("log_sigmoid", "logσ",  lambda m, x: -m.softplus(-x),                        lambda m, x, y: (m.sigmoid(-x),),
              ("sigmoid(-x)",), (REAL,), (), "-softplus(-x), exact for every x"),
    Primitive("silu",        "silu",  lambda m, x: x * m.sigmoid(x),                       lambda m, x, y: (m.sigmoid(x) * (1.0 + x * m.sigmoid(-x)),),
              ("sigmoid(x)*(1 + x*(1 - sigmoid(x)))",), (REAL,)),
    Primitive("gelu",        "gelu",  lambda m, x: x * _normal_cdf(m, x),                  lambda m, x, y: (_normal_cdf(m, x) + x * _normal_density(m, x),),
              ("erfc(-x/sqrt(2))/2 + x*exp(-x**2/2)/sqrt(2*pi)",), (REAL,), (), "x Φ(x) with Φ by erfc, which keeps the lower tail that 1 + erf loses"),
    Primitive("maximum",     "max",   lambda m, a, b: m.maximum(a, b),                     lambda m, a, b, y: (_share(m, m.less(a, b), a, b), _share(m, m.less(b, a), a, b)),
              ("where(a > b, 1, 0)", "where(a > b, 0, 1)"), (REAL, REAL), (at((1.0, 1.0), (0.5, 0.5)),)),
    Primitive("minimum",     "min",   lambda m, a, b: m.minimum(a, b),                     lambda m, a, b, y: (_share(m, m.less(b, a), a, b), _share(m, m.less(a, b), a, b)),
              ("where(a < b, 1, 0)", "where(a < b, 0, 1)"), (REAL, REAL), (at((1.0, 1.0), (0.5, 0.5)),)),
    Primitive("clip",        "clip",  lambda m, x, low, high: m.minimum(m.maximum(x, low), high), _clip_partials,
              ("where(x < low, 0, where(x > high, 0, 1))", "where(x < low, 1, 0)", "where(x > high, 1, 0)"), ((-3.0, 3.0), (-2.0, -0.5), (0.5, 2.0)),
              (at((1.0, -1.0, 1.0), (1.0, 0.0, 0.0)), at((-1.0, -1.0, 1.0), (1.0, 0.0, 0.0)), at((0.0, 2.0, 1.0), (0.0, 0.0, 1.0))), "x still moves at its limits; the upper one wins over a lower one beyond it"),
    Primitive("less",        "<",     lambda m, a, b: m.less(a, b),                        lambda m, a, b, y: (0.0, 0.0),
              ("0", "0"), (REAL, REAL)),
    Primitive("less_equal",  "≤",     lambda m, a, b: m.less_equal(a, b),                  lambda m, a, b, y: (0.0, 0.0),
              ("0", "0"), (REAL, REAL)),
    Primitive("equal",       "=",     lambda m, a, b: m.equal(a, b),                       lambda m, a, b, y: (0.0, 0.0),
              ("0", "0"), (REAL, REAL)),
    Primitive("where",       "?:",    lambda m, c, a, b: m.where(c, a, b),                 lambda m, c, a, b, y: (0.0, m.where(c, 1.0, 0.0), m.where(c, 0.0, 1.0)),
              ("0", "where(c, 1, 0)", "where(c, 0, 1)"), (REAL, REAL, REAL)),
    Primitive("sum",         "Σ",     lambda m, *xs: _sum(m, xs),                          lambda m, *xs_y: (1.0,) * (len(xs_y) - 1),
              ("1",), (REAL,), roles=("x*",), fewest=0),
    Primitive("mean",        "mean",  lambda m, *xs: m.divide(m.total(xs), m.count(xs)),   lambda m, *xs_y: (m.divide(1.0, m.count(xs_y[:-1])),) * (len(xs_y) - 1),
              ("1/n",), (REAL,), roles=("x*",)),
    Primitive("take",        "take",  lambda m, *xs: _take(m, xs),                         lambda m, *xs_y: _take_partials(m, xs_y[:-2], xs_y[-2]),
              ("where(equal(i, k), 1, 0)", "0"), (REAL,), (), "the value at a whole index, counted from 0; nan where there is none", roles=("x*", "i"), fewest=2),
    Primitive("dot",         "w·x+b", lambda m, *terms: _dot(m, terms),                    lambda m, *terms_y: (*terms_y[len(terms_y) // 2 - 1:-2], *terms_y[:len(terms_y) // 2 - 1], 1.0),
              ("x", "w", "1"), (REAL,), roles=("w*", "x*", "b")),
    Primitive("logsumexp",   "lse",   lambda m, *xs: _logsumexp(m, xs),                    lambda m, *xs_y: _softmax(m, xs_y[:-1]),
              ("exp(x - y)",), (REAL,), (), "shifted by the largest term; the partials are the softmax", roles=("x*",)),
    # The parts of a softmax.
    Primitive("_largest",    "max",   lambda m, *xs: m.largest(xs),                        lambda m, *xs_y: (0.0,) * (len(xs_y) - 1),
              ("0",), (REAL,), (), "a shift that is taken off and put back changes nothing: nothing is paid for it", roles=("x*",)),
    Primitive("_log_total",  "ln Σ exp", lambda m, *xs: m.log(_sum(m, tuple(m.exp(x - xs[-1]) for x in xs[:-1]))), _log_total_partials,
              ("exp(x - s - y)", "-1"), (REAL,), (), "logsumexp less the shift s, which keeps the digits of a sum beside 1e15", roles=("x*", "s"), fewest=2),
    # Slopes with a row of their own, since composing them from the others loses digits one order higher.
    Primitive("_sigmoid_slope", "σ′",  _sigmoid_slope,                                     lambda m, x, y: (-y * m.tanh(0.5 * x),),
              ("-y*tanh(x/2)",), (REAL,)),
    Primitive("_tanh_slope", "tanh′", lambda m, x: 4.0 * m._sigmoid_slope(2.0 * x),        lambda m, x, y: (-2.0 * y * m.tanh(x),),
              ("-2*y*tanh(x)",), (REAL,)),
    Primitive("_arcsin_slope", "arcsin′", lambda m, x: m.divide(1.0, m.sqrt((1.0 - x) * (1.0 + x))), lambda m, x, y: (x * y * y * y,),
              ("x*y**3",), (UNIT,), (), "(1-x)(1+x) keeps the digits that 1-x*x loses near ±1"),
    Primitive("_arccosh_slope", "arccosh′", lambda m, x: m.divide(1.0, m.where(m.less(1e150, x), x, m.sqrt((x - 1.0) * (x + 1.0)))), lambda m, x, y: (-x * y * y * y,),
              ("-x*y**3",), ((1.0, inf),), (), "1/x where the square would overflow"),
    Primitive("_arctanh_slope", "arctanh′", lambda m, x: m.divide(1.0, (1.0 - x) * (1.0 + x)), lambda m, x, y: (2.0 * x * y * y,),
              ("2*x*y**2",), (UNIT,)),
    Primitive("_power_slope", "b aᵇ⁻¹", lambda m, a, b: _times(m, b, m.power(a, b - 1.0)), lambda m, a, b, y: (_times(m, b, m._power_slope(a, b - 1.0)), m.power(a, b - 1.0) + b * m._power_log(a, b - 1.0)),
              ("b*(b - 1)*a**(b - 2)", "(1 + b*log(a))*a**(b - 1)"), (POSITIVE, REAL), (at((2.0, 0.0), (0.0, 0.5)),)),
    Primitive("_power_log",  "aᵇ ln a", _power_log,                                        _power_log_partials,
              ("(1 + b*log(a))*a**(b - 1)", "y*log(a)"), (POSITIVE, REAL), (at((0.0, 2.0), (0.0, 0.0)),), "with _power_slope makes the second derivatives of a power symmetric, base 0 included"),
)
# fmt: on

TABLE: Mapping[str, Primitive] = {row.name: row for row in _ROWS}
