"""The elementary functions on vectors, within 2 units in the last place everywhere.

Each is a reduction to a small interval and a polynomial there, fitted with more digits than a
double has.  `PRECISE` maps names of the table's basis to functions of an emitter and its vectors;
what is not here is left to the C library, lane by lane.  Infinities, nan, signed zeros and
subnormal numbers give what IEEE 754 says; where rounding would show, a number is carried as a
pair *high* + *low*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, nan
from typing import Any

from autograd.compiler.native_emit import WIDEST, Emitter, Vector

LOG2_E, SHIFT = 1.4426950408889634, 1.5 * 2.0**52
"""Adding SHIFT rounds to a whole number, and leaves it in the lowest bits."""

LN2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
"""ln 2 as a number of 33 bits, whose multiples are exact, and the rest."""

HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
FAR = 1e5
"""From here on sin and cos leave the reduction to the C library."""

# Coefficients from the constant up: minimax fits on the reduced intervals.
# fmt: off
EXP = (0.5, 0.1666666666666667, 0.041666666666666644, 0.008333333333326112, 0.0013888888888896644,
       0.00019841269874903077, 2.4801587301060108e-05, 2.755725529566513e-06, 2.755729398380883e-07,
       2.510526049680846e-08, 2.090854367605113e-09)
LOG = (0.666666666666667, 0.39999999999898594, 0.2857142862638853, 0.22222211067419392,
       0.18182894030543298, 0.15331558670323325, 0.14618462083796982)
SIN = (-0.16666666666666666, 0.008333333333330946, -0.000198412698367539, 2.7557316100128336e-06,
       -2.5051131339848143e-08, 1.5918092905114907e-10)
COS = (0.041666666666666664, -0.0013888888888887395, 2.4801587298762765e-05, -2.755731727021332e-07,
       2.0876145952384525e-09, -1.1382609660408365e-11)
ERF = (0.1283791670955126, -0.3761263890318375, 0.11283791670954922, -0.026866170645055833,
       0.005223977624011282, -0.0008548326864938173, 0.0001205532202098794, -1.4925162650006643e-05,
       1.644812562737759e-06, -1.6114976987186543e-07, 1.2220982889794602e-08)
# fmt: on


def polynomial(e: Emitter, x: Vector, coefficients: Sequence[float]) -> Vector:
    """By halves (Estrin): shorter chains of additions than Horner's."""
    terms = [e.vector(c) for c in coefficients]
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2])
        terms = [e.fma(b, x, a) for a, b in pairs] + terms[len(terms) & ~1 :]
        x = x * x
    return terms[0]


def exp(e: Emitter, x: Vector) -> Vector:
    """2**n exp(r) with r = x - n ln 2."""
    near = _between(e, x, -746.0, 710.0)
    n, bits, r, _ = _reduced(e, near)
    y = e.fma(r * r, polynomial(e, r, EXP), r) + 1.0
    return _scaled(e, y, n, bits)


def expm1(e: Emitter, x: Vector) -> Vector:
    """2**n expm1(r) + (2**n - 1), at half its size so that it overflows no sooner than it must."""
    near = _between(e, x, -60.0, 710.0)
    n, bits, r, low = _reduced(e, near)
    curve = e.fma(r * r, polynomial(e, r, EXP), low)
    half = _power_of_two(e, e.builder.sub(bits, e.bit_pattern(1)))
    # for n = 1 the sum is smaller than its terms: what they lost would count twice
    y = 2.0 * e.fma(half, curve, e.fma(half, r, half - 0.5))
    y = e.choose(e.compare("==", n, 0.0), r + curve, y)
    return e.choose(e.compare("<", absolute(e, x), 2.0**-54), x, y)


def log(e: Emitter, x: Vector) -> Vector:
    """k ln 2 + log(m) with x = 2**k m; subnormal numbers are made larger first."""
    # a subnormal number has no exponent of its own to read
    tiny = e.compare("<", x, 2.0**-1022)
    k, m = _mantissa(e, e.choose(tiny, x * 2.0**54, x))
    k = e.choose(tiny, k - 54.0, k)
    return _at_poles(e, x, _log_of(e, k, m - 1.0, e.vector(0.0)), pole=0.0)


def log1p(e: Emitter, x: Vector) -> Vector:
    """log(u) with u = 1 + x, and what rounding u has lost."""
    u = x + 1.0
    # what is exact depends on which of the two is larger
    lost = e.choose(e.compare("<", x, 1.0), x - (u - 1.0), 1.0 - (u - x))
    k, m = _mantissa(e, u)
    small = e.compare("==", k, 0.0)
    lost = e.choose(small, 0.0, lost / u)
    y = _log_of(e, k, e.choose(small, x, m - 1.0), lost)
    y = e.choose(e.compare("<", absolute(e, x), 2.0**-54), x, y)
    return _at_poles(e, x, y, pole=-1.0)


def tanh(e: Emitter, x: Vector) -> Vector:
    """(1 - q) / (1 + q) with q = exp(-2|x|) = 2**n (1 + p)."""
    size = absolute(e, x)
    _, bits, r, _ = _reduced(e, _between(e, -2.0 * size, -60.0, 0.0))
    p = e.fma(r * r, polynomial(e, r, EXP), r)
    scale = _power_of_two(e, bits)
    top, bottom = e.fma(-scale, p, 1.0 - scale), e.fma(scale, p, 1.0 + scale)
    top_low = e.fma(-scale, p, 1.0 - scale - top)
    y = _quotient(e, (top, top_low), (bottom, e.fma(scale, p, 1.0 + scale - bottom)))
    y = e.choose(e.compare("<", size, 2.0**-28), size, y)
    return e.intrinsic("copysign", y, x)


def sin(e: Emitter, x: Vector) -> Vector:
    """sin(r) or cos(r), by the quarter of the turn that x is in."""
    y = e.choose(e.compare("<", absolute(e, x), 2.0**-27), x, _wave(e, x, 0))
    return _else_by_c(e, _is_far(e, x), y, "sin", x)


def cos(e: Emitter, x: Vector) -> Vector:
    """As sin, a quarter of a turn further."""
    return _else_by_c(e, _is_far(e, x), _wave(e, x, 1), "cos", x)


def power(e: Emitter, x: Vector, y: Vector) -> Vector:
    """√x, x√x, 1/√x and 1/x√x, where x is neither small nor large; else the C library."""
    size, root = absolute(e, y), e.intrinsic("sqrt", x)
    inverse = 1.0 / root
    root_low = 0.5 * inverse * e.fma(-root, root, x)
    low = inverse * (e.fma(-inverse, root, 1.0) - inverse * root_low)
    square, cube, up = inverse * inverse, inverse * inverse * inverse, x * root
    cube_low = e.fma(square, inverse, -cube) + inverse * e.fma(inverse, inverse, -square)
    one, more = e.compare("==", size, 0.5), e.compare("==", size, 1.5)
    down = e.choose(one, inverse + low, cube + (cube_low + 3.0 * square * low))
    result = e.choose(one, root, up + (e.fma(x, root, -up) + x * root_low))
    result = e.choose(e.compare("<", y, 0.0), down, result)
    # beyond, the correction of the root could overflow or vanish
    near = e.builder.and_(e.compare(">", x, 1e-100), e.compare("<", x, 1e100))
    known = e.builder.and_(near, e.builder.or_(one, more))
    return _else_by_c(e, e.builder.not_(known), result, "pow", x, y)


def erf(e: Emitter, x: Vector) -> Vector:
    """A polynomial near 0, and 1 - erfc(x) beyond."""
    far = e.intrinsic("copysign", 1.0 - _erfc_far(e, x), x)
    near = e.fma(x, polynomial(e, x * x, ERF), x)
    return e.choose(e.compare("<", absolute(e, x), 0.65), near, far)


def erfc(e: Emitter, x: Vector) -> Vector:
    """What keeps the digits of a small result, or 2 without that."""
    far = _erfc_far(e, x)
    return e.choose(e.compare("<", x, 0.0), 2.0 - far, far)


PRECISE: Mapping[str, Callable[..., Vector]] = {
    "exp": exp, "expm1": expm1, "log": log, "log1p": log1p, "tanh": tanh, "sin": sin, "cos": cos,
    "erf": erf, "erfc": erfc, "power": power,
}  # fmt: skip


def compute(e: Emitter, word: str, *operands: Vector) -> Vector:
    """An element-wise operation on vectors."""
    if function := PLAIN.get(word) or PRECISE.get(word):
        return function(e, *operands)
    return e.lane_by_lane(word.replace("arc", "a"), *operands)


def absolute(e: Emitter, x: Vector) -> Vector:
    """|x|; the sign of nan is lost."""
    return e.intrinsic("fabs", x)


def _between(e: Emitter, x: Vector, low: float, high: float) -> Vector:
    """The nearest number in the interval; nan stays nan."""
    x = e.choose(e.compare("<", x, low), low, x)
    return e.choose(e.compare(">", x, high), high, x)


def _reduced(e: Emitter, x: Vector) -> tuple[Vector, Any, Vector, Vector]:
    """n, n as integers, and x - n ln 2 as high + low."""
    shifted = e.fma(x, LOG2_E, SHIFT)
    n = shifted - SHIFT
    bits = e.builder.sub(e.bits_of(shifted), e.bits_of(e.vector(SHIFT)))
    first = e.fma(n, -LN2[0], x)
    high = e.fma(n, -LN2[1], first)
    return n, bits, high, e.fma(n, -LN2[1], first - high)


def _power_of_two(e: Emitter, n: Any) -> Vector:
    """For n from -1022 to 1023."""
    b = e.builder
    return e.of_bits(b.shl(b.add(n, e.bit_pattern(1023)), e.bit_pattern(52)))


def _scaled(e: Emitter, y: Vector, n: Vector, bits: Any) -> Vector:
    """y 2**n in two steps, because 2**n alone may be too large or too small for a double."""
    if e.lanes == WIDEST:
        return e.scaled(y, n)
    half = e.builder.ashr(bits, e.bit_pattern(1))
    rest = e.builder.sub(bits, half)
    return y * _power_of_two(e, half) * _power_of_two(e, rest)


def _mantissa(e: Emitter, x: Vector) -> tuple[Vector, Vector]:
    """k and m with x = 2**k m and m from √½ to √2."""
    b = e.builder
    bits = b.sub(e.bits_of(x), e.bit_pattern(0x3FE6A09E667F3BCD))
    whole = b.ashr(bits, e.bit_pattern(52))
    m = b.add(b.and_(bits, e.bit_pattern(2**52 - 1)), e.bit_pattern(0x3FE6A09E667F3BCD))
    # |k| is below 2**11: a whole number in the lowest bits of SHIFT becomes a double without more
    shifted = e.of_bits(b.add(whole, e.bits_of(e.vector(SHIFT))))
    return shifted - SHIFT, e.of_bits(m)


def _log_of(e: Emitter, k: Vector, f: Vector, low: Vector) -> Vector:
    """k ln 2 + log(1 + f) + low, from s = f / (2 + f): log(1 + f) = f - s (f - R(s))."""
    s = f / (f + 2.0)
    z = s * s
    half = 0.5 * f * f
    rest = s * (half + z * polynomial(e, z, LOG)) + e.fma(k, LN2[1], low)
    return e.fma(k, LN2[0], f - (half - rest))


def _at_poles(e: Emitter, x: Vector, y: Vector, pole: float) -> Vector:
    y = e.choose(e.compare("==", x, inf), inf, y)
    y = e.choose(e.compare("==", x, pole), -inf, y)
    y = e.choose(e.compare("<", x, pole), nan, y)
    return e.choose(e.compare("?", x, x), x, y)


def _wave(e: Emitter, x: Vector, quarter: int) -> Vector:
    """sin of x and so many quarters of a turn, for |x| up to FAR."""
    b = e.builder
    shifted = e.fma(x, 2.0 / 3.141592653589793, SHIFT)
    n = shifted - SHIFT
    first = e.fma(n, -HALF_PI[0], x)
    second = n * -HALF_PI[1]
    r = first + second
    shown = r - first
    low = (first - (r - shown)) + (second - shown)
    low = low + e.fma(n, -HALF_PI[1], -second) - n * HALF_PI[2]
    turn = b.add(e.bits_of(shifted), e.bit_pattern(quarter))
    z = r * r
    half = 0.5 * z
    one = 1.0 - half
    even = r + e.fma(z * r, polynomial(e, z, SIN), e.fma(-half, low, low))
    rest = e.fma(z * z, polynomial(e, z, COS), -(r * low))
    odd = one + ((1.0 - one - half) + rest)
    is_odd = b.icmp_signed("!=", b.and_(turn, e.bit_pattern(1)), e.bit_pattern(0))
    sign = b.shl(b.and_(turn, e.bit_pattern(2)), e.bit_pattern(62))
    return e.of_bits(b.xor(e.bits_of(e.choose(is_odd, odd, even)), sign))


def _is_far(e: Emitter, x: Vector) -> Any:
    """Also where x is nan."""
    return e.builder.fcmp_unordered(">", absolute(e, x).ir, e.vector(FAR).ir)


def _else_by_c(e: Emitter, mask: Any, y: Vector, name: str, *operands: Vector) -> Vector:
    """y, or where the mask holds what the C library says, which is asked for those lanes' sake."""
    b = e.builder
    before, calls, after = b.block, b.append_basic_block(), b.append_basic_block()
    b.cbranch(e.any(mask), calls, after)
    b.position_at_end(calls)
    other = e.choose(mask, e.lane_by_lane(name, *operands), y)
    calls = b.block
    b.branch(after)
    b.position_at_end(after)
    result = b.phi(e.type)
    result.add_incoming(y.ir, before)
    result.add_incoming(other.ir, calls)
    return Vector(e, result)


# erfc(x) = exp(-x*x) h(t) / (1 + 9/8 x) with t = (x - 4) / (x + 4), which is from -1 to 0.75;
# 9/8 is near the slope of erfc at 0, so that h is flat there, and an error of t small in it.
# fmt: off
ERFC_LOW = -1.4553404402870595e-17
ERFC = (0.7534970169378377, -0.1918791495553917, 0.1043409138344642, -0.033558201786786084,
        -0.009163084533381908, 0.025115050343416635, -0.023617493542969006, 0.01528750111345379,
        -0.007334860063627012, 0.0024808650231785104, -0.0004357683094150037,
        -7.752617826109849e-05, 7.485691663552703e-05, -1.455907131082641e-05,
        -5.02600814657638e-06, 3.0366216726123922e-06, 4.540853357980712e-08,
        -4.2645058338204834e-07, 4.6617158716716906e-08, 5.726769686610617e-08,
        -5.868017937628562e-09, -6.622672546851173e-09, -6.846594264257003e-10)
# fmt: on


def _erfc_far(e: Emitter, given: Vector) -> Vector:
    """erfc of the size of a number: the three factors as pairs, and one rounding at the end."""
    # from 27.3 on the result is 0, and x² would only overflow
    x = _between(e, absolute(e, given), 0.0, 28.0)
    above, below = x - 4.0, x + 4.0
    t = above / below
    h = t * polynomial(e, t, ERFC[1:])
    high = h + ERFC[0]
    low = h - (high - ERFC[0]) + ERFC_LOW
    lost = e.fma(x, x, -(x * x))
    # word by word what its slope takes exp of, so that the two are one
    n, bits, r, rest = _reduced(e, _between(e, given * -given, -746.0, 710.0))
    power = r + 1.0
    curve = r * r * polynomial(e, r, EXP)
    small = e.fma(rest - lost, power + curve, curve + (r - (power - 1.0)))
    top = high * power
    top_low = e.fma(high, power, -top) + e.fma(high, small, low * power)
    bottom = e.fma(x, 1.125, 1.0)
    bottom_low = e.fma(x, 1.125, 1.0 - bottom)
    return _scaled(e, _quotient(e, (top, top_low), (bottom, bottom_low)), n, bits)


def _quotient(e: Emitter, top: tuple[Vector, Vector], bottom: tuple[Vector, Vector]) -> Vector:
    """Of two pairs, rounded about once: a division, and a correction by what it leaves."""
    share = 1.0 / bottom[0]
    y = top[0] * share
    left = e.fma(-y, bottom[0], top[0]) + e.fma(-y, bottom[1], top[1])
    return e.fma(left, share, y)


def _larger(relation: str) -> Callable[..., Vector]:
    def choose(e: Emitter, a: Vector, b: Vector) -> Vector:
        first = e.builder.or_(e.compare(relation, a, b), e.compare("?", a, a))
        return e.choose(first, a, b)

    return choose


def _holds(relation: str) -> Callable[..., Vector]:
    return lambda e, a, b: e.choose(e.compare(relation, a, b), 1.0, 0.0)


PLAIN: Mapping[str, Callable[..., Vector]] = {
    "add": lambda e, a, b: a + b,
    "sub": lambda e, a, b: a - b,
    "mul": lambda e, a, b: a * b,
    "neg": lambda e, a: -a,
    "divide": lambda e, a, b: a / b,
    "sqrt": lambda e, a: e.intrinsic("sqrt", a),
    "absolute": absolute,
    "maximum": _larger(">="),
    "minimum": _larger("<="),
    "less": _holds("<"),
    "less_equal": _holds("<="),
    "equal": _holds("=="),
    "where": lambda e, c, a, b: e.choose(e.compare("!=", c, 0.0), a, b),
}
"""What takes an instruction or two."""
