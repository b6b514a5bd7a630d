"""The terminal: step through a trace by key, or print all of it where nobody can press one.

The screen holds the code with its values, piles and gradients, the current move's sentence and the
keys.  A state is told by a sign (`▸` acts, `◂` is paid, `✓` is settled) and only then by colour.
Where there is little room the sentence stays, and the rest makes way.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from autograd.messages import messages
from autograd.views.encoding import legible
from autograd.views.moment import Moment
from autograd.views.plays import (
    MODES,
    Ending,
    Passes,
    Play,
    impatient,
    path_by_path,
    paying_back,
)
from autograd.views.text import number, typeset
from autograd.views.trace import Lang, Mode, Trace, TraceNode
from autograd.views.words import sum_of

WIDE = 60
"""Columns from which piles and counts have columns of their own."""

LEAST_TABLE = 4
"""Lines of a title and a table that are worth showing."""

LEAST_CODE = 8
"""Columns that code and piles keep, whatever else there is."""

SUSPEND = "\x1a"
"""Ctrl-Z."""

PACE, GLANCE = 1.2, 0.15
"""Seconds between moves while playing, and between looks at the size of the terminal."""


def play(
    story: Trace, *, lang: Lang = "en", mode: Mode = "backprop", console: Console | None = None
) -> None:
    """Step through by key; without a terminal on both ends, print every move and return."""
    if lang not in ("en", "zh"):
        raise ValueError(f"lang is 'en' or 'zh', got {lang!r}")
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}, got {mode!r}")
    console = console or Console()
    with legible(console.file):
        if console.is_terminal and sys.stdin.isatty() and os.environ.get("TERM") != "dumb":
            _Player(story, lang, mode, console).run()
        else:
            print_all(story, lang, console, mode)


def print_all(story: Trace, lang: Lang, console: Console, mode: Mode = "backprop") -> None:
    """Every move as a line, then the table as it stands at the end."""
    for told in _all_plays(story, mode):
        if mode != "backprop":
            console.print(
                Text(typeset(getattr(told.start, lang))), soft_wrap=not console.is_terminal
            )
        wide = len(str(len(told.moves)))
        for i, move in enumerate(told.moves, 1):
            line = Text.assemble((f"{i:>{wide}}  ", "dim"), typeset(getattr(move.text, lang)))
            console.print(line, soft_wrap=not console.is_terminal)
        room = len(told.story.nodes) + 1
        console.print(*_code(told, told.moment(len(told.moves)), lang, room, console.width))


def _all_plays(story: Trace, mode: Mode) -> Iterator[Play]:
    """What a mode has to tell to somebody who presses no keys."""
    if mode == "impatient":
        yield from (impatient(story, "pile"), impatient(story, "news"))
    elif mode == "passes":
        passes = Passes(story)
        for deed in (passes.again, passes.step, passes.zero_grad, passes.again):
            deed()
        yield passes
    else:
        yield (path_by_path if mode == "naive" else paying_back)(story)


class _Player:
    """What is on the screen, and what each key does to it."""

    def __init__(self, story: Trace, lang: Lang, mode: Mode, console: Console) -> None:
        self.story, self.lang, self.console = story, lang, console
        self.ending: Ending = "pile"
        self.plays: dict[str, Play] = {}
        self.places: dict[str, int] = {}
        self.typed: str | None = None
        self.helping = self.playing = False
        self.notice = ""
        self.drawn = console.size
        self.now: Play
        self._choose(mode)

    def run(self) -> None:
        """Until q, Ctrl-C or the end of input; Ctrl-Z gives the terminal back for a while."""
        with suppress(KeyboardInterrupt):
            while self._watch() == SUSPEND and sys.platform != "win32":
                os.kill(0, signal.SIGTSTP)

    def _watch(self) -> str:
        """Show what each key does, up to the one that ends it."""
        with (
            keys() as next_key,
            Live(self.screen(), console=self.console, screen=True, auto_refresh=False) as live,
        ):
            due = 0.0
            while True:
                key = next_key(GLANCE)
                if key is not None and not self.press(key):
                    return key
                if key is not None:
                    due = time.monotonic() + PACE
                # looks at the size and at the keys come more often than moves
                beat = self.playing and time.monotonic() >= due
                if beat:
                    due = time.monotonic() + PACE
                    self._beat()
                if beat or key is not None or self.console.size != self.drawn:
                    live.update(self.screen(), refresh=True)

    def press(self, key: str) -> bool:
        """Act on a key; False to quit."""
        if key in ("q", "\x03", "\x04", SUSPEND, ""):
            return False
        self.notice = ""
        if self.helping:
            self.helping = False
        elif self.typed is not None:
            self._type(key)
        else:
            self.playing = self.playing and key == " "
            self._act(MEANING.get(key, ""))
        return True

    def _act(self, what: str) -> None:
        acts: dict[str, Callable[[], object]] = {
            "next": lambda: self._go(self.taken + 1),
            "back": lambda: self._go(self.taken - 1),
            "next node": lambda: self._go(self._other_actor(1)),
            "previous node": lambda: self._go(self._other_actor(-1)),
            "home": lambda: self._go(0),
            "end": lambda: self._go(len(self.now.moves)),
            "forward": lambda: self._backprop_from(0),
            "backward": lambda: self._backprop_from(self._seed()),
            "naive": lambda: self._choose("backprop" if self.now.mode == "naive" else "naive"),
            "impatient": self._hurry,
            "again": lambda: self._pass(Passes.again),
            "zero_grad": lambda: self._pass(Passes.zero_grad),
            "step": lambda: self._pass(Passes.step),
            "play": self._play_or_pause,
            "goto": lambda: setattr(self, "typed", ""),
            "help": lambda: setattr(self, "helping", True),
            "language": lambda: setattr(self, "lang", "en" if self.lang == "zh" else "zh"),
        }
        # any other key does nothing, rather than something unforeseen
        acts.get(what, lambda: None)()

    # -- moving ------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """The name under which the current play and its place are kept."""
        return f"{self.now.mode} {self.ending}" if self.now.mode == "impatient" else self.now.mode

    @property
    def taken(self) -> int:
        return self.places.get(self.key, 0)

    def _go(self, taken: int) -> None:
        self.places[self.key] = min(max(taken, 0), len(self.now.moves))

    def _choose(self, mode: Mode) -> None:
        """Go on in another mode, where one left it."""
        name = f"{mode} {self.ending}" if mode == "impatient" else mode
        if name not in self.plays:
            tell: dict[str, Callable[[], Play]] = {
                "backprop": lambda: paying_back(self.story),
                "naive": lambda: path_by_path(self.story),
                "impatient": lambda: impatient(self.story, self.ending),
                "passes": lambda: Passes(self.story),
            }
            self.plays[name] = tell[mode]()
        self.now = self.plays[name]

    def _hurry(self) -> None:
        """Into the impatient mode, to its other ending, and out again."""
        if self.now.mode != "impatient":
            self.ending = "pile"
            self._choose("impatient")
        elif self.ending == "pile":
            self.ending = "news"
            self._choose("impatient")
        else:
            self._choose("backprop")

    def _pass(self, deed: Callable[[Passes], object]) -> None:
        """One more deed at the end of the passes, and its first move."""
        self._choose("passes")
        assert isinstance(self.now, Passes)
        before = len(self.now.moves)
        if deed(self.now) is False:
            self.notice = messages("terminal", self.lang)["frozen"]
        else:
            self._go(before + 1)

    def _backprop_from(self, taken: int) -> None:
        self._choose("backprop")
        self._go(taken)

    def _seed(self) -> int:
        return next(i for i, step in enumerate(self.story.steps) if step.kind == "seed")

    def _other_actor(self, direction: int) -> int:
        """The next (or an earlier) place at which another node begins to act."""
        moves, at = self.now.moves, self.taken + direction
        while 1 < at < len(moves) and moves[at - 1].actor == moves[at - 2].actor:
            at += direction
        return at

    def _play_or_pause(self) -> None:
        self.playing = not self.playing
        if self.playing and self.taken == len(self.now.moves):
            self._go(0)

    def _beat(self) -> None:
        self._go(self.taken + 1)
        self.playing = self.taken < len(self.now.moves)

    def _type(self, key: str) -> None:
        """A digit of the step to go to, or Enter; anything else gives up."""
        assert self.typed is not None
        if key.isdecimal() and len(self.typed) < 9:
            self.typed += key
        elif key in "\r\n" and self.typed:
            self._go(int(self.typed))
            self.typed = None
        elif key in "\x7f\b":
            self.typed = self.typed[:-1]
        else:
            self.typed = None

    # -- showing -----------------------------------------------------------------------------------

    def screen(self) -> Group:
        """The code, what happened, the keys; what has no room makes way for the sentence."""
        width, height = self.drawn = self.console.size
        if self.helping:
            return Group(*self._cut(_help(self.lang, width), height))
        now = self.now.moment(self.taken)
        told = getattr(now.move.text if now.move else self.now.start, self.lang)
        said = Text(typeset(told), style="bold")
        middle = self._cut([Text(), said], height)
        # a terminal of three lines still says what happens
        if height < len(middle) + LEAST_TABLE:
            return Group(*self._cut([said], height))
        foot, math, counts = ([*self._cut([text], height)] for text in self._below(now))
        room = height - len(middle) - LEAST_TABLE
        foot, math, counts = _fitting(room, foot, math, counts)
        room = height - len(middle) - len(foot) - len(math) - len(counts)
        title = Text(self._title(), style="bold cyan", no_wrap=True, overflow="ellipsis")
        above = [title, *self._cut(_code(self.now, now, self.lang, room - 1, width), room - 1)]
        return Group(*above, *middle, *math, *[Text()] * (room - len(above)), *counts, *foot)

    def _below(self, now: Moment) -> tuple[Text, Text, Text]:
        """The keys (or what there is to say instead), the mathematics, and the counters."""
        words = messages("terminal", self.lang)
        hint = words["keys" if self.console.width >= WIDE + 30 else "few keys"]
        typed = words["goto"].format(typed=self.typed)
        foot = Text(self.notice or (hint if self.typed is None else typed))
        foot.stylize("yellow" if self.notice else "dim")
        math = Text(typeset(now.move.math) if now.move else "", style="italic")
        return foot, math, Text(self._counts(now), style="dim")

    def _cut(self, parts: Sequence[Text | Table], most: int) -> list[Text]:
        """What these look like, line by line, up to so many lines."""
        lines: list[Text] = []
        for part in parts:
            if isinstance(part, Text):
                lines += part.wrap(self.console, self.console.width) or [Text()]
            else:
                lines += _lines(self.console, part)
        return lines[: max(most, 1)]

    def _title(self) -> str:
        words = messages("terminal", self.lang)
        return words[self.key] + (f"  {words['playing']}" if self.playing else "")

    def _counts(self, now: Moment) -> str:
        words, story = messages("terminal", self.lang), self.now.story
        place = words["place"].format(taken=self.taken, steps=f"{len(self.now.moves):,}")
        counts = words[f"uses {self.now.mode}"].format(
            used=f"{now.uses.total():,}",
            edges=f"{len(story.edges):,}",
            naive=f"{story.naive_edge_uses:,}",
            total=f"{self.now.total_uses:,}",
        )
        return f"{place} · {counts}"


def _fitting(room: int, *parts: list[Text]) -> list[list[Text]]:
    """Each part while there is room for it, else nothing in its place."""
    fitting: list[list[Text]] = []
    for part in parts:
        fits = len(part) <= room
        room -= len(part) if fits else 0
        fitting.append(part if fits else [])
    return fitting


MEANING = {
    **dict.fromkeys(("n", "right", "\r", "\n"), "next"),
    **dict.fromkeys(("p", "left"), "back"),
    **{"shift right": "next node", "shift left": "previous node"},
    **{"home": "home", "end": "end", "g": "goto", " ": "play", "?": "help", "l": "language"},
    **{"f": "forward", "b": "backward", "i": "impatient", "I": "impatient"},
    **dict.fromkeys(("w", "N"), "naive"),
    **{"a": "again", "z": "zero_grad", "s": "step"},
}

HELP = (
    *("next", "back", "node", "ends", "goto", "play", "forward", "backward"),
    *("naive", "impatient", "again", "zero_grad", "step", "language", "quit"),
)
"""The lines of the help, in their order: the key first, then what it does."""


def _help(lang: Lang, width: int) -> list[Text]:
    words = messages("terminal", lang)
    lines = [Text(words["help"], style="bold cyan")]
    for name in HELP:
        key, _, what = words[f"help {name}"].partition(" | ")
        line = Text(f"{key}  ", style="bold")
        line.append(what, style="not bold")
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return [*lines, Text(words["help end"], style="dim")]


# -- the table -------------------------------------------------------------------------------------


def _code(
    told: Play, now: Moment, lang: Lang, room: int, width: int = 1 << 20
) -> list[Table | Text]:
    """The code with what every node holds; at most ``room`` lines around the current one.

    Code and piles are cut to the width; a number never is, for half of one is another one.
    """
    words = messages("terminal", lang)
    wide = width >= WIDE
    heads = ("code", "value", "pile", "gradient", "heard") if wide else ("code", "value", "pile")
    shown, hidden = _window(told, now, max(room - 1, 1))
    gap = 2 if wide else 1
    for digits in (7, 4):
        rows = [_row(told, now, node, digits, wide=wide) for node in shown]
        widths = [max(cell_len(str(row[i])) for row in rows) for i in range(1, len(heads) + 1)]
        widths = [max(size, cell_len(words[head])) for size, head in zip(widths, heads)]
        left = width - 1 - gap * len(heads) - sum(widths)
        if left >= 0:
            break
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))
    table.header_style = "dim"
    table.add_column("", width=1)
    for i in (2, 0) if wide else (0,):
        cut = min(max(-left, 0), max(widths[i] - LEAST_CODE, 0))
        widths[i], left = widths[i] - cut, left + cut
    for head, size in zip(heads, widths):
        side: Literal["left", "right"] = "left" if head == "code" else "right"
        table.add_column(words[head], justify=side, overflow="ellipsis", no_wrap=True, width=size)
    for node, row in zip(shown, rows):
        table.add_row(*row, style="bold" if _sign(now, node) else "")
    more = [Text(f"  {words['hidden'].format(n=hidden)}", style="dim")] if hidden else []
    return [table, *more]


def _window(told: Play, now: Moment, room: int) -> tuple[list[TraceNode], int]:
    """The lines of code to show: all but nameless constants, or those around the current one."""
    lines = [node for node in told.story.nodes if not node.constant or node.label]
    if len(lines) <= room:
        return lines, 0
    current = next((i for i, node in enumerate(lines) if _sign(now, node) == "▸"), 0)
    shown = max(room - 1, 1)
    first = min(max(0, current - shown // 2), len(lines) - shown)
    return lines[first : first + shown], len(lines) - shown


def _row(told: Play, now: Moment, node: TraceNode, digits: int, *, wide: bool) -> list[str | Text]:
    value = number(now.values[node.id], digits) if node.id in now.values else ""
    pile, owed = now.pile(node.id), told.hears.get(node.id, 0)
    written = f"{node.name} = {node.formula or value or '…'}"
    lying = Text(sum_of([number(amount, digits) for amount in pile]), style="yellow")
    gradient = Text(_gradient(now, node, digits), style="bold yellow")
    heard = f"{now.heard[node.id]:,}/{owed:,}" if owed and not node.constant else ""
    start: list[str | Text] = [_sign(now, node), Text(written), Text(value, style="cyan")]
    return [*start, lying, gradient, heard] if wide else [*start, gradient if gradient else lying]


def _gradient(now: Moment, node: TraceNode, digits: int) -> str:
    """What lies with a node once it is final, and what a leaf still has from an earlier pass."""
    total = now.total(node.id)
    if total is None:
        return ""
    if node.id in now.settled:
        return f"{number(total, digits)} ✓"
    return number(total, digits) if node.id in now.kept and node.id not in now.totals else ""


def _sign(now: Moment, node: TraceNode) -> str:
    move = now.move
    if move is None:
        return ""
    return "▸" if move.actor == node.id else "◂" if move.payee == node.id else ""


def _lines(console: Console, table: Table) -> list[Text]:
    """The table as lines of text."""
    rows: list[Text] = []
    for segments in console.render_lines(table, pad=False):
        line = Text(no_wrap=True)
        for segment in segments:
            line.append(segment.text, segment.style)
        rows.append(line)
    return rows


# -- keys ------------------------------------------------------------------------------------------

SEQUENCES = {"[C": "right", "[D": "left", "OC": "right", "OD": "left"}
SEQUENCES |= {"[1;2C": "shift right", "[1;2D": "shift left"}
SEQUENCES |= {"[H": "home", "[F": "end", "OH": "home", "OF": "end", "[1~": "home", "[4~": "end"}
"""What terminals send after Escape for keys that are no characters."""


@contextmanager
def keys() -> Iterator[Callable[[float], str | None]]:
    """A function that waits for a key, so many seconds at most; the terminal is as it was after."""
    if sys.platform == "win32":
        yield _windows_key
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        # Ctrl-Z as a key: who is stopped at once leaves a screen behind, and finds another mode
        given = termios.tcgetattr(descriptor)
        given[6][termios.VSUSP] = bytes([os.fpathconf(descriptor, "PC_VDISABLE")])
        termios.tcsetattr(descriptor, termios.TCSADRAIN, given)
        yield lambda seconds: _unix_key(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _unix_key(descriptor: int, seconds: float) -> str | None:
    """One character, or the name of a key that sends several; "" at the end of input."""
    import select

    if not select.select([descriptor], [], [], seconds)[0]:
        return None
    key = os.read(descriptor, 1).decode("latin-1")
    if key != "\x1b":
        return key
    sequence = ""
    while select.select([descriptor], [], [], 0.05)[0] and len(sequence) < 8:
        sequence += os.read(descriptor, 1).decode("latin-1")
        if sequence in SEQUENCES or sequence[-1] in "~ABCDEFGH":
            break
    return SEQUENCES.get(sequence, "other")


def _windows_key(seconds: float) -> str | None:
    import msvcrt

    end = time.monotonic() + seconds
    while not msvcrt.kbhit():  # type: ignore[attr-defined,unused-ignore]
        if time.monotonic() >= end:
            return None
        time.sleep(0.02)
    key: str = msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
    if key not in "\x00\xe0":
        return key
    second: str = msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
    return {"M": "right", "K": "left", "G": "home", "O": "end"}.get(second, "other")
