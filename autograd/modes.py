"""Modes: what a block of code says about the nodes that are made inside it.

``no_grad`` records nothing, ``detect_anomaly`` turns the first nan into an error that names its
origin, ``scope`` puts nodes into a named box.  The current mode is a context variable, so that
threads and coroutines do not disturb one another; ``None`` means that nothing was said, the usual
and fast case.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from math import isfinite, isnan
from typing import Any


@dataclass(frozen=True, slots=True)
class Note:
    """What pictures and messages say about a node: its label, its boxes, the line that made it."""

    label: str = ""
    scope: tuple[str, ...] = ()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Mode:
    """What holds in a block of code."""

    recording: bool = True
    anomalies: str = ""
    """"": unchecked; "nan": nan is an error; "inf": infinities are one as well."""
    note: Note | None = None

    def note_here(self) -> Note | None:
        """The note for a node made now; only the search for anomalies pays for finding the line."""
        if not self.anomalies:
            return self.note
        return replace(self.note or Note(), source=line_of_user())

    def refuses(self, number: Any) -> bool:
        """Whether this number is an anomaly."""
        if not self.anomalies:
            return False
        return isnan(number) or (self.anomalies == "inf" and not isfinite(number))


MODE: ContextVar[Mode | None] = ContextVar("mode", default=None)


class AnomalyError(FloatingPointError):
    """A nan (or, if asked for, an infinity) appeared under ``detect_anomaly``."""


@contextmanager
def no_grad() -> Iterator[None]:
    """Build no graph: results are constants.

    >>> from autograd import Value, no_grad
    >>> a = Value(2.0)
    >>> with no_grad():
    ...     (a * a).parents
    ()
    """
    with changed_mode(recording=False):
        yield


@contextmanager
def enable_grad() -> Iterator[None]:
    """Build graphs again inside ``no_grad``."""
    with changed_mode(recording=True):
        yield


@contextmanager
def detect_anomaly(*, inf: bool = False) -> Iterator[None]:
    """Raise AnomalyError at the first nan, forward or backward; with ``inf=True`` at an infinity
    too.

    The message names the operation, its operands and the file and line that made the node, which
    must have been made inside the block for its line to be known.
    """
    with changed_mode(anomalies="inf" if inf else "nan"):
        yield


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Group the nodes made inside under a name; scopes nest. Pictures show them as boxes.

    >>> from autograd import Value, scope
    >>> with scope("layer 1"), scope("neuron 0"):
    ...     Value(1.0).scope
    ('layer 1', 'neuron 0')
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"scope takes a name, a str that is not empty, got {name!r}")
    mode = MODE.get()
    outer = mode.note.scope if mode and mode.note else ()
    with changed_mode(note=Note(scope=(*outer, name))):
        yield


@contextmanager
def changed_mode(**changes: Any) -> Iterator[None]:
    """The current mode with these fields changed, until the block ends."""
    token = MODE.set(replace(MODE.get() or Mode(), **changes))
    try:
        yield
    finally:
        MODE.reset(token)


_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_OURS = (_HERE, os.path.join(os.path.dirname(os.path.dirname(_HERE)), "nn") + os.sep)


def line_of_user() -> str:
    """``file:line`` of the innermost caller outside this library."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
