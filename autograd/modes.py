"""Modes: what a block of code says about the nodes that are made inside it.

``no_grad`` records nothing, ``detect_anomaly`` turns the first nan into an error that names its
origin, ``scope`` puts nodes into a named box, ``no_branches`` keeps Python from deciding anything
by a number that a recorded program will compute anew.  The current mode is a context variable, so
that threads and coroutines do not disturb one another; ``None`` means that nothing was said, the
usual and fast case.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from math import isfinite, isnan
from traceback import extract_tb
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
Result = TypeVar("Result")


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
    """"": unchecked; "line": lines are noted; "nan": and nan is an error; "inf": infinities too."""
    note: Note | None = None
    branches: bool = True
    """Whether Python may look at numbers that depend on what requires a gradient."""

    def note_here(self) -> Note | None:
        """The note for a node made now; only the search for anomalies pays for finding the line."""
        if not self.anomalies:
            return self.note
        return replace(self.note or Note(), source=line_of_user())

    def refuses(self, number: Any) -> bool:
        """Whether this number is an anomaly."""
        if self.anomalies == "inf":
            return not isfinite(number)
        return self.anomalies == "nan" and isnan(number)


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


class BranchError(TypeError):
    """Python was about to decide by a number, under ``no_branches``, or to keep it as it is now."""


@contextmanager
def no_branches() -> Iterator[None]:
    """Refuse to show Python a number that depends on what requires a gradient.

    A program is recorded from one run of a function, for all numbers to come.  What Python makes of
    a number during that run (``if x < 2``, ``max(a, b)``, ``x.data``, ``int(x)``, ``x.detach()``)
    stays in the program as it was; inside this block it is a BranchError, which names the file and
    line, and what to write instead.  Constants are the same in every run, so they may be looked at.

    >>> from autograd import Value, no_branches, where, less
    >>> x = Value(3.0)
    >>> with no_branches():
    ...     where(less(x, 2.0), x, 2.0).data > 0
    Traceback (most recent call last):
    ...
    autograd.modes.BranchError: ...
    """
    with changed_mode(branches=False):
        try:
            yield
        except Exception as error:
            if not isinstance(error, BranchError):  # x.is_integer(), table[x], math.floor(x) …
                frames = [(f.filename, f.lineno or 0) for f in extract_tb(error.__traceback__)]
                error.add_note(
                    f"at {_line_among(reversed(frames))}, where a program is being recorded: "
                    "numbers are Values there"
                )
            raise


def refuse_branch(deed: str, instead: str = "") -> None:
    """BranchError under ``no_branches``; ``deed`` is what Python does with a number.

    Callers have seen that the number depends on something, and that a mode is set: looking for the
    line of the user is slow.
    """
    mode = MODE.get()
    if mode is not None and not mode.branches:
        raise BranchError(
            f"{line_of_user()}: {deed} a number that depends on an input or a parameter; Python "
            "sees it once, while a program is recorded, and the program would keep it for all "
            f"numbers to come: {instead or _INSTEAD}"
        )


_INSTEAD = (
    "compute with the Value itself (autograd.exp, not math.exp), "
    "and choose with where(less(a, b), this, that)"
)


def unchecked(function: Callable[..., Result], *args: Any) -> Result:
    """Call a function whose anomalies are no errors, even inside ``detect_anomaly``."""
    mode = MODE.get()
    if mode is None or not mode.anomalies:
        return function(*args)
    with changed_mode(anomalies="line"):
        return function(*args)


class scope:
    """Group the nodes made inside under a name; scopes nest. Pictures show them as boxes.

    >>> from autograd import Value, scope
    >>> with scope("layer 1"), scope("neuron 0"):
    ...     Value(1.0).scope
    ('layer 1', 'neuron 0')

    One object can be entered again and again: it remembers the mode that it stands for.  ``run``
    is the quickest way, and the one for an object that threads share.
    """

    __slots__ = ("_known", "_tokens", "name")

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"scope takes a name, a str that is not empty, got {name!r}")
        self.name = name
        self._known: tuple[Mode | None, Mode] = (None, Mode(note=Note(scope=(name,))))
        self._tokens: list[Token[Mode | None]] = []

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call a function inside the scope.

        >>> from autograd import Value, scope
        >>> scope("layer 1").run(Value, 1.0).scope
        ('layer 1',)
        """
        token = MODE.set(self.inside(MODE.get()))
        try:
            return function(*args)
        finally:
            MODE.reset(token)

    @staticmethod
    def run_each(
        scopes: Iterable[scope], functions: Iterable[Callable[[T], Result]], arguments: Iterable[T]
    ) -> list[Result]:
        """Call each function with its argument in its scope.

        >>> from autograd import Value, scope
        >>> values = scope.run_each([scope("a"), scope("b")], [Value, Value], [1.0, 2.0])
        >>> [v.scope for v in values]
        [('a',), ('b',)]
        """
        outer, results = MODE.get(), []
        try:
            for box, function, argument in zip(scopes, functions, arguments):
                known = box._known  # what `inside` does, without the call
                MODE.set(known[1] if known[0] is outer else box._inside(outer))
                results.append(function(argument))
        finally:
            MODE.set(outer)
        return results

    def inside(self, outer: Mode | None) -> Mode:
        """The mode inside this scope, where ``outer`` holds around it."""
        known = self._known
        return known[1] if known[0] is outer else self._inside(outer)

    def __enter__(self) -> None:
        self._tokens.append(MODE.set(self.inside(MODE.get())))

    def __exit__(self, *_: object) -> None:
        MODE.reset(self._tokens.pop())

    def __reduce__(self) -> tuple[Any, ...]:
        return scope, (self.name,)

    def __repr__(self) -> str:
        return f"scope({self.name!r})"

    def _inside(self, outer: Mode | None) -> Mode:
        """What ``inside`` gives, and remembers."""
        mode = outer or Mode()
        boxes = mode.note.scope if mode.note else ()
        inner = replace(mode, note=Note(scope=(*boxes, self.name)))
        self._known = (outer, inner)
        return inner


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
_LIBRARIES = (os.path.dirname(os.path.abspath(os.__file__)) + os.sep, "<frozen")
_PACKAGES = f"{os.sep}site-packages{os.sep}"


def line_of_user() -> str:
    """``file:line`` of the innermost caller outside this library, and outside others if any is."""
    return _line_among(_callers(sys._getframe(1)))


def _callers(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    """File and line of a frame, of its caller, and so on."""
    while frame:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def _line_among(lines: Iterable[tuple[str, int]]) -> str:
    """The first line that is the user's own; if there is none, the first of another library."""
    found = ("<unknown>", 0)
    for file, line in lines:
        if file.startswith(_OURS):
            continue
        if not (file.startswith(_LIBRARIES) or _PACKAGES in file):
            return f"{file}:{line}"
        if found[1] == 0:
            found = file, line
    return f"{found[0]}:{found[1]}"
