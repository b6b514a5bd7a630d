"""The terminal: step through a trace by key, or print all of it where nobody can press one.

The screen holds the code with its values, piles and gradients, and the current step's sentence.  A
state is told by a sign (`▸` acts, `◂` is paid, `✓` is settled) and only then by colour.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from autograd.views.moment import Moment, consumers, moment
from autograd.views.trace import Lang, Trace, TraceNode
from autograd.views.words import show, sum_of

WORDS = {
    "en": {
        "columns": ("", "code", "value", "pile", "gradient", "heard"),
        "keys": "n/→/Enter next · p/← back · g number Enter go to · Home/End · q quit",
        "place": "step {taken} of {steps}",
        "edges": "edges used {used} of {edges} · walking every path {naive}",
        "goto": "go to step: {typed}",
        "start": "Press n to begin.",
        "hidden": "… {n} more lines",
    },
    "zh": {
        "columns": ("", "代码", "值", "堆", "梯度", "已到账"),
        "keys": "n/→/回车 前进 · p/← 后退 · g 数字 回车 跳到 · Home/End · q 退出",
        "place": "第 {taken} 步，共 {steps} 步",
        "edges": "用边 {used} / {edges} · 走遍每条路径 {naive}",
        "goto": "跳到第几步：{typed}",
        "start": "按 n 开始。",
        "hidden": "… 还有 {n} 行",
    },
}


def play(story: Trace, *, lang: Lang = "en", console: Console | None = None) -> None:
    """Step through by key; without a terminal on both ends, print every step and return."""
    if lang not in WORDS:
        raise ValueError(f"lang is 'en' or 'zh', got {lang!r}")
    console = console or Console(highlight=False)
    if console.is_terminal and sys.stdin.isatty() and os.environ.get("TERM") != "dumb":
        _Player(story, lang, console).run()
    else:
        print_all(story, lang, console)


def print_all(story: Trace, lang: Lang, console: Console) -> None:
    """Every step as a line, then the table as it stands at the end."""
    for step in story.steps:
        number = Text(f"{step.i + 1:>{len(str(len(story.steps)))}}  ", style="dim")
        console.print(number + Text(getattr(step.text, lang)), soft_wrap=not console.is_terminal)
    console.print(_table(story, moment(story, len(story.steps)), lang, len(story.nodes)))


class _Player:
    """What is on the screen, and what each key does to it."""

    def __init__(self, story: Trace, lang: Lang, console: Console) -> None:
        self.story, self.lang, self.console = story, lang, console
        self.taken = 0
        self.typed: str | None = None

    def run(self) -> None:
        """Until q, Ctrl-C or the end of input."""
        with (
            suppress(KeyboardInterrupt),
            keys() as next_key,
            Live(self.screen(), console=self.console, screen=True, auto_refresh=False) as live,
        ):
            while self.press(next_key()):
                live.update(self.screen(), refresh=True)

    def press(self, key: str) -> bool:
        """Act on a key; False to quit."""
        if key in ("q", "\x03", "\x04", ""):
            return False
        if self.typed is not None:
            self._type(key)
        elif key == "g":
            self.typed = ""
        else:
            last = len(self.story.steps)
            steps = {"next": self.taken + 1, "back": self.taken - 1, "home": 0, "end": last}
            self.taken = min(max(steps.get(MEANING.get(key, ""), self.taken), 0), last)
        return True

    def _type(self, key: str) -> None:
        """A digit of the step to go to, or Enter; anything else gives up."""
        assert self.typed is not None
        if key.isdecimal() and len(self.typed) < 9:
            self.typed += key
        elif key in "\r\n" and self.typed:
            self.taken, self.typed = min(int(self.typed), len(self.story.steps)), None
        elif key == "\x7f":
            self.typed = self.typed[:-1]
        else:
            self.typed = None

    def screen(self) -> Group:
        """The table, the sentence, the keys; the table is cut to what fits."""
        words, story = WORDS[self.lang], self.story
        now = moment(story, self.taken)
        said = Text(
            getattr(now.step.text, self.lang) if now.step else str(words["start"]), style="bold"
        )
        math = Text(now.step.math if now.step else "", style="italic")
        place = str(words["place"]).format(taken=self.taken, steps=len(story.steps))
        counts = str(words["edges"]).format(
            used=len(now.used), edges=len(story.edges), naive=f"{story.naive_edge_uses:,}"
        )
        foot = words["keys"] if self.typed is None else str(words["goto"]).format(typed=self.typed)
        wrapped = sum(len(text.wrap(self.console, self.console.width)) for text in (said, math))
        room = max(3, self.console.height - wrapped - 6)
        return Group(
            _table(story, now, self.lang, room),
            Text(),
            said,
            math,
            Text(),
            Text(f"{place} · {counts}", style="dim"),
            Text(str(foot), style="dim"),
        )


MEANING = {
    **dict.fromkeys(("n", "right", "\r", "\n", " "), "next"),
    **dict.fromkeys(("p", "left"), "back"),
    **{"home": "home", "end": "end"},
}


# -- the table -------------------------------------------------------------------------------------


def _table(story: Trace, now: Moment, lang: Lang, room: int) -> Table:
    """The code with what every node holds; at most ``room`` lines around the current one."""
    heading = WORDS[lang]["columns"]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(heading[0], width=1)
    table.add_column(heading[1], ratio=3, overflow="ellipsis", no_wrap=True, min_width=12)
    for name in heading[2:]:
        table.add_column(name, justify="right", overflow="fold")
    owed = consumers(story)
    shown, hidden = _window(story, now, room)
    for node in shown:
        table.add_row(*_row(story, now, node, owed[node.id]), style=_style(story, now, node))
    if hidden:
        table.add_row("", Text(str(WORDS[lang]["hidden"]).format(n=hidden), style="dim"))
    return table


def _window(story: Trace, now: Moment, room: int) -> tuple[list[TraceNode], int]:
    """The lines of code to show: all but nameless constants, or those around the current one."""
    lines = [node for node in story.nodes if not node.constant or node.label]
    if len(lines) <= room:
        return lines, 0
    current = next((i for i, node in enumerate(lines) if _sign(story, now, node) == "▸"), 0)
    first = min(max(0, current - room // 2), len(lines) - room + 1)
    return lines[first : first + room - 1], len(lines) - room + 1


def _row(story: Trace, now: Moment, node: TraceNode, owed: int) -> tuple[str | Text, ...]:
    known = node.id in now.known
    pile = now.piles.get(node.id, [])
    settled = node.id in now.settled
    code = f"{node.name} = {node.formula or (show(node.value) if known else '…')}"
    return (
        _sign(story, now, node),
        Text(code),
        Text(show(node.value) if known else "", style="cyan"),
        Text(sum_of([show(amount) for amount in pile]), style="yellow"),
        Text(f"{show(now.totals[node.id])} ✓" if settled else "", style="bold yellow"),
        f"{len(pile)}/{owed}" if owed and not node.constant else "",
    )


def _sign(story: Trace, now: Moment, node: TraceNode) -> str:
    step = now.step
    if step is None:
        return ""
    if step.edge is None:
        return "▸" if step.node == node.id else ""
    debt = story.edges[step.edge]
    return "▸" if debt.consumer == node.id else "◂" if debt.parent == node.id else ""


def _style(story: Trace, now: Moment, node: TraceNode) -> str:
    return "bold" if _sign(story, now, node) else ""


# -- keys ------------------------------------------------------------------------------------------

SEQUENCES = {"[C": "right", "[D": "left", "OC": "right", "OD": "left"}
SEQUENCES |= {"[H": "home", "[F": "end", "OH": "home", "OF": "end", "[1~": "home", "[4~": "end"}


@contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """A function that waits for a key; the terminal is as it was afterwards."""
    if sys.platform == "win32":
        yield _windows_key
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda: _unix_key(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _unix_key(descriptor: int) -> str:
    """One character, or the name of a key that sends several; "" at the end of input."""
    import select

    key = os.read(descriptor, 1).decode("latin-1")
    if key != "\x1b":
        return key
    sequence = ""
    while select.select([descriptor], [], [], 0.05)[0] and len(sequence) < 8:
        sequence += os.read(descriptor, 1).decode("latin-1")
        if sequence in SEQUENCES or (len(sequence) > 1 and sequence[-1] in "~ABCDEFGH"):
            break
    return SEQUENCES.get(sequence, "other")


def _windows_key() -> str:
    import msvcrt

    key: str = msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
    if key not in "\x00\xe0":
        return key
    second: str = msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
    return {"M": "right", "K": "left", "G": "home", "O": "end"}.get(second, "other")
