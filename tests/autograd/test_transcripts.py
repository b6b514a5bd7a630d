"""What the console says, read and approved: every help, listing, refusal and completion.

The transcripts lie in ``transcripts/``, one for each language, for terminals, shells and browsers.
After a change that is meant,

    python -m tests.autograd.test_transcripts

writes them anew; read what changed before it is committed.
"""

import contextlib
import io
import os
import re
from itertools import product
from pathlib import Path
from unittest import mock

import pytest
from rich.console import Console

from autograd import Value, cli, trace
from autograd.arguments import COMMANDS, completion
from autograd.views.terminal import _Player
from tests.autograd.test_cli import REFUSED
from tests.autograd.views.test_serve import raw, running

FOLDER = Path(__file__).resolve().parent / "transcripts"

SEED = ["(a+b)*(b+1)", "a=2", "b=1"]
TOLD = [
    ["--help"],
    *([command, "--help"] for command in COMMANDS),
    ["show", *SEED],
    ["show", "relu(x)*w+where(x<0, 1, x)", "x=-0.5", "w=4"],
    ["show", "x/0*y", "x=1", "y=-inf"],
    ["show", "sum([a, b, 2, a])", "a=0.25", "b=-3"],
    ["show", "1+2"],
    ["paths", *SEED],
    ["paths", "a*a+a", "a=3", "--limit", "2"],
    ["paths", "a*a*a*a*a*a", "a=2", "--limit", "0"],
    ["paths", "a+0*b", "a=1", "b=2"],
    ["check", "a*b+2", "a=2", "b=-4"],
    ["check", "arctan2(y, x) + hypot(a, b)", "y=0", "x=-1", "a=0", "b=0"],
    ["show", "a*1e400", "a=1"],
    ["check", "relu(x)", "x=0"],
    ["check", "absolute(x)+x", "x=0"],
    *(["step", *SEED, "--mode", mode] for mode in ("backprop", "naive", "impatient", "passes")),
    ["step", "a*b*2", "a=3", "b=-1", "--mode", "impatient"],
    ["show", "maxmum(a, b)", "a=1", "b=2"],
    ["show", "sun(a)", "a=1"],
    ["show", "2a", "a=1"],
    ["show", "+".join("abcdefghijklmnop")],
    ["show", "a", "--limt", "3"],
    ["show", "a", "--zzzzz"],
    ["--zzzzz"],
    ["pth", "a", "a=1"],
    ["draw", "a", "--rankdir", "up"],
    ["page", "a", "--max-nodes", "1.5"],
    ["--output", "e.svg", "show", "a", "a=1"],
]


def said(words, *, terminal=False):
    """What is printed, to both streams, and the exit code."""
    out, err = io.StringIO(), io.StringIO()
    out.isatty = err.isatty = lambda: terminal
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(words)
        except SystemExit as ended:
            code = ended.code
    told = f"{out.getvalue()}{err.getvalue()}= {code}\n"
    return told.replace(os.getcwd(), "HERE")


def transcript(lang):
    """All of it in one language; refusals in another are left out."""
    told = [words for words in (*TOLD, *REFUSED) if "--lang" not in words]
    with mock.patch.dict(os.environ):
        os.environ.pop("COLUMNS", None)
        lines = (f"$ payback {shown(words)}\n{said(['--lang', lang, *words])}" for words in told)
        return "\n".join(lines)


def shown(words):
    return " ".join(words).encode("unicode_escape").decode()[:120]


def terminals():
    """What a terminal of so many columns shows, its colours included."""
    lines = []
    for columns, words in COLOURED:
        with mock.patch.dict(os.environ, COLUMNS=str(columns), TERM="xterm-256color"):
            for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR"):
                os.environ.pop(name, None)
            lines.append(f"--- {columns}: {shown(words)}\n{said(words, terminal=True)}")
    return "\n".join(lines).replace("\x1b", "␛")


COLOURED = [
    (80, ["show", "(a+b)*(b+1)", "a=2.5", "b=-1"]),
    (20, ["show", "a*b", "a=2.5", "b=-1"]),
    (3, ["show", "a", "a=2.5"]),
    (30, ["paths", "a*a+b", "a=1234567", "b=1", "--limit", "2"]),
    (60, ["check", "relu(a)+b", "a=0", "b=0.5"]),
    (3, ["check", "a", "a=0.5"]),
    (60, ["show", f"{'a' * 50}+{'权' * 20}+b+tanhh(a)+{'b' * 60}", "b=1"]),
    (60, ["show", "权+", "权=1"]),
    (60, ["shw"]),
]


def shells():
    return "\n".join(f"# {shell}\n{completion(shell)}" for shell in ("bash", "zsh", "fish"))


ASKED = [
    b"GET / HTTP/1.1\r\nHost: HERE",
    b"GET /?formula=a*a&values=a%3D3&lang=zh HTTP/1.1\r\nHost: localhost:PORT",
    b"GET /?formula=%20a*b%20&values=a%3D3;%20b%3D-1,c%3D0%EF%BC%8Cd%3D1 HTTP/1.1\r\nHost: HERE",
    b"GET /?formula=a HTTP/1.1\r\nHost: HERE",
    b"GET /?values=a%3D%22%3E HTTP/1.1\r\nHost: HERE",
    b"GET /?formula=a&values=a%3D1,5&lang=zh HTTP/1.1\r\nHost: HERE",
    b"GET /?formula=1%2B2&lang=zh HTTP/1.1\r\nHost: HERE",
    b"GET /?formula=a&formula=a&values=a%3D1 HTTP/1.1\r\nHost: HERE",
    b"GET /?a&b&c&d&e&f&g&h HTTP/1.1\r\nHost: HERE",
    b"GET /?a&b&c&d&e&f&g&h&i HTTP/1.1\r\nHost: HERE",
    b"GET /favicon.ico HTTP/1.1\r\nHost: HERE",
    b"GET /elsewhere HTTP/1.1\r\nHost: HERE",
    b"GET / HTTP/1.1\r\nHost: elsewhere",
    b"POST / HTTP/1.1\r\nHost: HERE",
    b"HEAD / HTTP/1.1\r\nHost: HERE",
    b"GET / HTTP/9",
]


def playground():
    """Every kind of answer of the playground; of a page, what it begins with."""
    lines = []
    with running() as server:
        port = str(server.server_port).encode()
        for asked in ASKED:
            sent = asked.replace(b"HERE", b"127.0.0.1:PORT").replace(b"PORT", port)
            told = raw(server, sent + b"\r\n\r\n")
            length = len(told.partition(b"\r\n\r\n")[2])
            told = told.replace(b"Length: %d\r" % length, b"Length: as it is\r")
            if asked.startswith(b"HEAD"):
                told = re.sub(rb"(Length: )[1-9]\d*", rb"\1as it would be", told)
            told = re.sub(rb"(Date: )[^\r]*|(sha256-)[^']*", rb"\1\2...", told)
            told = re.sub(rb"(?s)<style>.*?</style>", b"<style>", told)
            page = re.search(
                rb"(?s)(.*?\r\n)<.*?(<meta http-eq.*?>).*?<section.*?>(.*?</form>)", told
            )
            told = (b"".join(page.groups()) if page else told).replace(port, b"PORT")
            lines.append(f"$ {asked.decode()}\n{told.decode()}\n")
    return "\n".join(lines).replace("\r\n", "\n")


SCREENS = [
    (
        "en",
        80,
        24,
        "backprop",
        ["?", "x", "n", "n", "p", "shift right", "f", "b", "n", "home", "end"],
    ),
    (
        "zh",
        40,
        16,
        "backprop",
        ["?", "x", "g", "1", "2", "\r", "shift left", "g", "x", " ", " ", "l"],
    ),
    ("en", 100, 40, "naive", ["right", "right", "left", "N", "n", "N", "end", "nonsense"]),
    ("en", 110, 20, "impatient", ["end", "i", "end", "I", "n", "home"]),
    ("zh", 80, 30, "passes", ["end", "a", "end", "z", "n", "s", "end", "a", "end", "b", "f"]),
    ("en", 60, 12, "backprop", ["end", "a", "z", "s", "g", "1", "1", "9", "\x7f", "\n"]),
    ("en", 24, 6, "backprop", ["n", "end"]),
    *(("en", 64, height, "backprop", ["?", "n", "f", "end"]) for height in (8, 9, 10, 11, 13)),
    ("zh", 30, 18, "passes", ["?", "n", "f", "end"]),
    ("en", 64, 10, "backprop", [*"nnnnnnn", *["shift right"] * 4]),
    ("en", 80, 20, "passes", ["end", "a", *["shift right"] * 3, "n", "s", "a", "shift right"]),
    ("en", 90, 20, "backprop", ["n", "l"]),
]


def screens():
    """The interactive terminal after every key, its colours included."""
    lines = []
    a, b = Value(2.0, label="a"), Value(-1.0, label="乙")
    short = trace((a + b) * (b + 1) - a * a)
    w, x = Value(-3.123456e-7, label="w"), Value(2987654.125, label="x")
    long = trace((w * x + 6.8813735870195432).tanh() / 3e-9 + w)
    narrow = [("en", width, 12, "backprop", ["end"]) for width in (30, 36, 43, 60, 66, 80, 100)]
    told = [*product([short], SCREENS), *product([long], narrow)]
    for story, (lang, width, height, mode, keys) in told:
        console = Console(
            width=width, height=height, force_terminal=True, color_system="standard",
            legacy_windows=False, file=io.StringIO(), _environ={},
        )  # fmt: skip
        player = _Player(story, lang, mode, console)
        for key in ["", *keys]:
            assert not key or player.press(key)
            with console.capture() as shown_:
                console.print(player.screen())
            lines.append(f"--- {mode} {width} × {height}: {key!r}\n{shown_.get()}")
        assert not player.press("q")
    return "".join(lines).replace("\x1b", "␛")


APPROVED = {
    "screens.txt": screens,
    "en.txt": lambda: transcript("en"),
    "zh.txt": lambda: transcript("zh"),
    "shells.txt": shells,
    "terminals.txt": terminals,
    "playground.txt": playground,
}


@pytest.mark.parametrize("name", APPROVED)
def test_the_console_says_what_was_approved(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert APPROVED[name]() == (FOLDER / name).read_text("utf-8")


if __name__ == "__main__":
    import tempfile

    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        made = {name: make() for name, make in APPROVED.items()}
    for name, text in made.items():
        (FOLDER / name).write_text(text, "utf-8")
