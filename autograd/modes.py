"""Modes: what a block of code says about the nodes that are made inside it.

``no_grad`` records nothing, ``detect_anomaly`` turns the first nan into an error that names its
origin, ``scope`` puts nodes into a named box, ``no_branches`` keeps Python from deciding anything
by a number that a recorded program will compute anew.  The current mode is a context variable, so
that threads and coroutines do not disturb one another; ``None`` means that nothing was said, the
usual and fast case.

Each mode knows the one around it and the *block* that set it.  Blocks need not end in the order in
which they began: a generator may hold one open and be closed within another, by another thread or
by the garbage collector.  What holds is what the blocks that are still open say.  (While such a
generator waits, its block is open for its caller too, as in PyTorch.  A task that asyncio makes
within a block is in it, until the block ends.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ContextDecorator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from math import isfinite, isnan
from traceback import extract_tb
from types import FrameType
from typing import Any, TypeVar

from autograd.validation import named

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
    outer: Mode | None = None
    block: Block | None = None

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

current_mode: Callable[[], Mode | None] = MODE.get
"""The mode here. Bound once: looked up anew, the method would take twice the time of its call."""


class Block:
    """A stretch of code in which ``change`` holds: open until it is over."""

    __slots__ = ("_change", "_mode", "over")

    def __init__(self, change: Callable[[Mode | None], Mode]) -> None:
        self._change = change
        self._mode: Mode | None = None
        self.over = False

    def begin(self) -> None:
        """Set the mode."""
        self._mode = self.inside(current_mode())
        MODE.set(self._mode)

    def inside(self, outer: Mode | None) -> Mode:
        """The mode in this block where ``outer`` holds around it."""
        return replace(self._change(outer), outer=outer, block=self)

    def end(self) -> None:
        """Unset it, wherever it is set. Doing so again changes nothing."""
        self.over = True
        now, ours = current_mode(), self._mode
        if self in [mode.block for mode in _modes_around(now)]:
            MODE.set(still_open(now))
        if ours is not None:  # set in another thread or task, perhaps, whose mode must change
            mode = still_open(ours.outer) or Mode()
            for name in ("recording", "anomalies", "note", "branches"):
                object.__setattr__(ours, name, getattr(mode, name))  # frozen for all but us
        self._mode = None


def still_open(mode: Mode | None) -> Mode | None:
    """The mode that the open blocks make: itself, unless one of them ended out of turn."""
    around = mode
    while around is not None and not (around.block and around.block.over):
        around = around.outer
    if around is None or mode is None:
        return mode  # as nearly always, and without a frame for each mode around it
    outer, block = still_open(mode.outer), mode.block
    if block is not None and block.over:
        return outer
    return block.inside(outer) if block else _boxed(outer, mode.note.scope[-1])  # type: ignore[union-attr]


def _modes_around(mode: Mode | None) -> list[Mode]:
    """The mode and those around it, innermost first."""
    found = []
    while mode is not None:
        found.append(mode)
        mode = mode.outer
    return found


def _changed(changes: dict[str, Any], outer: Mode | None) -> Mode:
    return replace(outer or Mode(), **changes)


def _boxed(outer: Mode | None, name: str) -> Mode:
    """The mode in one more scope."""
    mode = outer or Mode()
    boxes = mode.note.scope if mode.note else ()
    return replace(mode, note=Note(scope=(*boxes, name)), outer=outer, block=None)


class _Blocks(ContextDecorator):
    """A context manager that opens a block each time it is entered.

    Modes know the block and not the manager: when an interrupt keeps ``__exit__`` from its work,
    the manager dies of it, and ends the block in doing so.
    """

    def __init__(self, change: Callable[[Mode | None], Mode]) -> None:
        self._change = change
        self._open: list[Block] = []

    def __call__(self, function: Any) -> Any:
        """The function, in a block of its own for each call: of a generator, while it runs."""
        if isasyncgenfunction(function):
            raise TypeError(
                f"{function.__qualname__} is an asynchronous generator, which others run between "
                "its steps: open the block inside it, around what it computes"
            )
        if iscoroutinefunction(function):

            @wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return awaited
        if isgeneratorfunction(function):

            @wraps(function)
            def resumed(*args: Any, **kwargs: Any) -> Any:
                return (yield from _resumed(self, function(*args, **kwargs)))

            return resumed
        return super().__call__(function)

    def __enter__(self) -> None:
        block = Block(self._change)
        self._open.append(block)
        try:  # an interrupt may come when the mode is set already
            block.begin()
        except BaseException:
            self._end(block)
            raise

    def __exit__(self, kind: object = None, error: object = None, trace: object = None) -> None:
        # the innermost of ours; none is here when it was entered in another thread
        here = [mode.block for mode in _modes_around(current_mode()) if mode.block in self._open]
        self._end(here[0] if here else self._open[-1])

    def __del__(self) -> None:
        for block in getattr(self, "_open", ()):
            block.end()

    def _end(self, block: Block | None) -> None:
        if block is not None:
            block.end()
            self._open.remove(block)


def _resumed(blocks: _Blocks, generator: Any) -> Any:
    """What a generator yields, in a block that is open while it runs, and not while it waits."""
    resume, given = generator.send, None
    while True:
        try:
            with blocks:
                value = resume(given)
        except StopIteration as stop:
            return stop.value
        try:
            resume, given = generator.send, (yield value)
        except GeneratorExit:
            with blocks:
                generator.close()
            raise
        except BaseException as error:
            resume, given = generator.throw, error


class changed_mode(_Blocks):
    """The current mode with these fields changed, until the block ends."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(partial(_changed, changes))


class AnomalyError(FloatingPointError):
    """A nan (or, if asked for, an infinity) appeared under ``detect_anomaly``."""


def no_grad() -> changed_mode:
    """Build no graph: results are constants.

    >>> from autograd import Value, no_grad
    >>> a = Value(2.0)
    >>> with no_grad():
    ...     (a * a).parents
    ()
    """
    return changed_mode(recording=False)


def enable_grad() -> changed_mode:
    """Build graphs again inside ``no_grad``."""
    return changed_mode(recording=True)


def detect_anomaly(*, inf: bool = False) -> changed_mode:
    """Raise AnomalyError at the first nan, forward or backward; with ``inf=True`` at an infinity
    too.

    The message names the operation, its operands and the file and line that made the node, which
    must have been made inside the block for its line to be known.
    """
    return changed_mode(anomalies="inf" if inf else "nan")


def is_anomaly_enabled() -> bool:
    """Whether ``detect_anomaly`` holds here.

    >>> with detect_anomaly():
    ...     is_anomaly_enabled()
    True
    """
    mode = current_mode()
    return mode is not None and mode.anomalies in ("nan", "inf")


class BranchError(TypeError):
    """Python was about to decide by a number, under ``no_branches``, or to keep it as it is now."""


class no_branches(changed_mode):
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

    def __init__(self) -> None:
        super().__init__(branches=False)

    def __exit__(self, kind: object = None, error: object = None, trace: object = None) -> None:
        super().__exit__()
        if isinstance(error, Exception) and not isinstance(error, BranchError):
            # x.is_integer(), table[x], math.floor(x) …
            frames = [(f.filename, f.lineno or 0) for f in extract_tb(error.__traceback__)]
            line = _line_among(reversed(frames))
            where = f"at {line}, where " if line else ""
            error.add_note(f"{where}a program is being recorded: numbers are Values there")


def refuse_branch(deed: str, instead: str = "", label: str = "") -> None:
    """BranchError under ``no_branches``; ``deed`` is what Python does with a number so labelled.

    Callers have seen that the number depends on something, and that a mode is set: looking for the
    line of the user is slow.
    """
    mode = current_mode()
    if mode is not None and not mode.branches:
        raise BranchError(
            f"{line_of_user()}: {deed} a number{named(label)} that depends on an input or a "
            "parameter; Python sees it once, while a program is recorded, and the program would "
            f"keep it for all numbers to come: {instead or _INSTEAD}"
        )


_INSTEAD = (
    "compute with the Value itself (autograd.exp, not math.exp), "
    "and choose with where(less(a, b), this, that)"
)


def unchecked(function: Callable[..., Result], *args: Any) -> Result:
    """Call a function whose anomalies are no errors, even inside ``detect_anomaly``."""
    mode = current_mode()
    if mode is None or not mode.anomalies:
        return function(*args)
    with changed_mode(anomalies="line"):
        return function(*args)


class scope(_Blocks):
    """Group the nodes made inside under a name; scopes nest. Pictures show them as boxes.

    >>> from autograd import Value, scope
    >>> with scope("layer 1"), scope("neuron 0"):
    ...     Value(1.0).scope
    ('layer 1', 'neuron 0')

    One object can be entered again and again, by several threads too.  ``run`` is the quickest
    way: it remembers the mode that the scope stands for.
    """

    def __init__(self, name: str) -> None:
        super().__init__(partial(_boxed, name=name))
        if not isinstance(name, str) or not name:
            raise TypeError(f"scope takes a name, a str that is not empty, got {name!r}")
        self.name = name
        self._known: tuple[Mode | None, Mode] | None = None

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call a function inside the scope.

        >>> from autograd import Value, scope
        >>> scope("layer 1").run(Value, 1.0).scope
        ('layer 1',)
        """
        outer = still_open(current_mode())
        try:
            MODE.set(self.inside(outer))
            return function(*args)
        finally:
            MODE.set(outer)  # at once, in one call that no interrupt can divide
            if outer is not None:
                MODE.set(still_open(outer))

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
        outer, results = still_open(current_mode()), []
        try:
            for box, function, argument in zip(scopes, functions, arguments):
                known = box._known  # what `inside` does, without the call
                MODE.set(known[1] if known and known[0] is outer else box._inside(outer))
                results.append(function(argument))
        finally:
            MODE.set(outer)  # at once, in one call that no interrupt can divide
            if outer is not None:
                MODE.set(still_open(outer))
        return results

    def inside(self, outer: Mode | None) -> Mode:
        """The mode inside this scope, where ``outer`` holds around it."""
        # a layer enters its scope once per row: the same outer mode again and again
        known = self._known
        return known[1] if known and known[0] is outer else self._inside(outer)

    def __reduce__(self) -> tuple[Any, ...]:
        return scope, (self.name,)

    def __repr__(self) -> str:
        return f"scope({self.name!r})"

    def _inside(self, outer: Mode | None) -> Mode:
        """What ``inside`` gives, and remembers."""
        # one pair, written at once: threads may read it meanwhile
        inner = _boxed(outer, self.name)
        self._known = (outer, inner)
        return inner


_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_OURS = (_HERE, os.path.join(os.path.dirname(os.path.dirname(_HERE)), "nn") + os.sep)
_LIBRARIES = (os.path.dirname(os.path.abspath(os.__file__)) + os.sep, "<frozen")
_PACKAGES = f"{os.sep}site-packages{os.sep}"


def line_of_user() -> str:
    """``file:line`` of the innermost caller outside this library, and outside others if any is."""
    return _line_among(_callers(sys._getframe())) or "<unknown>:0"


def asked_by_us() -> bool:
    """Whether the caller of the function that asks this is of this library."""
    return sys._getframe(2).f_code.co_filename.startswith(_OURS)


def _callers(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    """File and line of a frame, of its caller, and so on."""
    while frame:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def _line_among(lines: Iterable[tuple[str, int]]) -> str:
    """The first line that is the user's own; else the first of another library; else ""."""
    of_a_library = ""
    for file, line in lines:
        if file.startswith(_OURS):
            continue
        if not (file.startswith(_LIBRARIES) or _PACKAGES in file):
            return f"{file}:{line}"
        of_a_library = of_a_library or f"{file}:{line}"
    return of_a_library
