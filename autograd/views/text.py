"""The user's texts and the numbers, made safe and short to show."""

from __future__ import annotations

import re
import unicodedata

from autograd.views.words import show

LABEL_COLUMNS = 24


def number(x: float, digits: int = 6) -> str:
    """A number in a drawing: few digits, a true minus, ∞ and nan.

    >>> number(-0.5), number(1/3), number(2.5e-7), number(float("-inf")), number(-1/3, 2)
    ('−0.5', '0.333333', '2.5e−7', '−∞', '−0.33')
    """
    return "−0" if str(x) == "-0.0" else _signs(show(x, digits))


def in_full(x: float) -> str:
    """A number with all its digits.

    >>> in_full(-0.1), in_full(1e-300), in_full(float("inf"))
    ('−0.1', '1e−300', '∞')
    """
    return _signs(repr(x))


def _signs(text: str) -> str:
    return text.replace("inf", "∞").replace("-", "−")


def typeset(text: str) -> str:
    """A formula with true minus signs; a hyphen inside a name stays one.

    >>> typeset("-x-1 - 2.5e-7 · (-y)")
    '−x-1 − 2.5e−7 · (−y)'
    """
    return re.sub(r"(^|[\s([{^,|√]|\de)-", r"\1−", text)


def shorten(text: str, limit: int = LABEL_COLUMNS) -> str:
    """`clean` text on one line: its white space single.

    Hebrew or Arabic gets a mark behind it, so that ``x - y`` of two such names is not set as
    y - x.
    """
    short = clean(" ".join(text.replace(_MARK, "").split()), limit)
    return short + _MARK if any(map(_is_leftward, short)) else short


def clean(text: str, limit: int = LABEL_COLUMNS) -> str:
    """Text with nothing invisible in it, at most `limit` columns wide, `…` where it was cut.

    Control characters become their visible symbols, what XML forbids or what would turn the
    reading direction becomes U+FFFD: all but the mark that `shorten` sets.

    >>> clean("a\\x00b\\nc"), clean("x" * 30, 5)
    ('a␀b␊c', 'xxxx…')
    """
    marked = any(map(_is_leftward, text))
    shown = [char if marked and char == _MARK else _visible(char) for char in text[:limit]]
    if columns("".join(shown)) <= limit and len(text) <= limit:
        return "".join(shown)
    while shown and columns("".join(shown)) > limit - 1:
        shown.pop()
    return "".join(shown) + "…"


_MARK = "\u200e"
"""What follows goes on to the right."""


def _is_leftward(char: str) -> bool:
    return unicodedata.bidirectional(char) in ("R", "AL")


_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _visible(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    forbidden = 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000 or code & 0xFFFE == 0xFFFE
    forbidden = forbidden or 0xFDD0 <= code < 0xFDF0 or 0x2028 <= code <= 0x2029
    return "\ufffd" if forbidden or char in _TURNING else char


def columns(text: str) -> int:
    """Width in columns of a terminal: Chinese characters take two, combining marks none."""
    return sum(_columns_of(char) for char in text)


def _columns_of(char: str) -> int:
    if unicodedata.combining(char) or char == _MARK:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
