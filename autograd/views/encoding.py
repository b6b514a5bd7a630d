"""Signs for where the real ones cannot be written: on a stream whose encoding lacks a minus.

A question mark in the place of a minus would be another number, so what an encoding lacks is
spelled in signs that every encoding has.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

RAISED = {"⁻": "-", **{digit: str(k) for k, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}}
SPELLED = {
    **{"−": "-", "·": "*", "×": "x", "∂": "d", "→": "->", "✓": "v", "▸": ">", "◂": "<"},
    **{"…": "...", "∞": "inf", "√": "sqrt ", "≤": "<=", "≠": "!=", "δ": "d", "Σ": "sum", "Δ": "D"},
    **{digit: str(k) for k, digit in enumerate("₀₁₂₃₄₅₆₇₈₉")},
}


@contextmanager
def legible(stream: Any) -> Iterator[None]:
    """Let a stream of text write everything somehow."""
    before = getattr(stream, "errors", None)
    make_legible(stream)
    try:
        yield
    finally:
        if before is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=before)


def make_legible(stream: Any) -> None:
    """The same for good."""
    codecs.register_error("payback", spelled)
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="payback")


def spelled(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks in other signs, or as a question mark.

    >>> codecs.register_error("payback", spelled)
    >>> "∂e/∂a = −x⁻¹⁰ · 债".encode("ascii", "payback").decode()
    'de/da = -x^-10 * ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_sign(error.object, k) for k in range(error.start, error.end)), error.end


def _sign(text: str, k: int) -> str:
    if text[k] not in RAISED:
        return SPELLED.get(text[k], "?")
    return RAISED[text[k]] if text[k - 1 : k] in RAISED else f"^{RAISED[text[k]]}"
