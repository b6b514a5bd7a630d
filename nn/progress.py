"""The progress bar: how far training is, how well it goes, how long it will take.

It is drawn on the error stream, and only where that is a terminal: pipes and files get nothing.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[int, int, dict[str, float], float], None]
"""Called with the epochs done, the steps done, the latest numbers by name and the learning rate."""


NARROW = 100
"""Below this many columns the bar is short and the learning rate is left out."""


@contextmanager
def bar(epochs: int, steps: int, wanted: bool) -> Iterator[Show]:
    """A bar over so many steps in so many epochs; inside, call what it gives after each step."""
    if not wanted or not _terminal():
        yield lambda epoch, step, numbers, rate: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    narrow = console.width < NARROW
    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(10 if narrow else 40),
        TextColumn("{task.fields[numbers]}", markup=False),
        TimeRemainingColumn(compact=narrow),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=steps, epoch=0, epochs=epochs, numbers="")

        def show(epoch: int, step: int, numbers: dict[str, float], rate: float) -> None:
            # a narrow terminal would break the line, and each redraw would leave one behind
            shown = numbers if narrow else {**numbers, "rate": rate}
            progress.update(task, completed=step, epoch=epoch, numbers=_line(shown))

        yield show


@contextmanager
def busy(words: str, wanted: bool) -> Iterator[None]:
    """Say what is being waited for, on a terminal, as long as it takes."""
    if not wanted or not _terminal():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(words):
        yield


def _terminal() -> bool:
    """Whether the error stream is one."""
    # None under pythonw, or anything with a ``write`` that the user has put there
    asked = getattr(sys.stderr, "isatty", None)
    return asked is not None and not getattr(sys.stderr, "closed", False) and bool(asked())


def _line(numbers: dict[str, float]) -> str:
    return "  ".join(f"{_printable(name)} {number:.4g}" for name, number in numbers.items())


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)
