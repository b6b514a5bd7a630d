"""The stepper in a real pseudo-terminal, and what it prints where there is none."""

import io
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from autograd import Value, trace
from autograd.views import terminal as module
from autograd.views.terminal import play

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
if os.isatty(0):
    os.close(os.open(os.ttyname(0), os.O_RDWR))  # the terminal of this session from now on
from autograd import Value, trace
a, b = Value(2.0, label="a"), Value(1.0, label="b")
trace((a + b) * (b + 1)).play(lang={lang!r})
print("terminal given back")
"""

SHELL = """
import os, signal, termios
os.close(os.open(os.ttyname(0), os.O_RDWR))
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
before = termios.tcgetattr(0)
job = os.fork()
if not job:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    from autograd import Value, trace
    trace(Value(2.0, label="a") * 3.0).play(lang={lang!r})
    os._exit(0)
while os.WIFSTOPPED(os.waitpid(job, os.WUNTRACED)[1]):
    os.tcsetpgrp(0, os.getpid())
    print("as it was:", termios.tcgetattr(0)[3] == before[3], end="!", flush=True)
    termios.tcsetattr(0, termios.TCSADRAIN, before)
    input()
    os.tcsetpgrp(0, job)
    os.kill(job, signal.SIGCONT)
os.tcsetpgrp(0, os.getpid())
print("terminal given back")
"""
"""What a shell does: a job in the foreground, its stop, and `fg` at Enter."""


def seed_graph():
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    return (a + b) * (b + 1)


class Terminal:
    """A child process on a pseudo-terminal: send keys, wait for text."""

    def __init__(self, lang="en", rows=24, columns=80, program=PROGRAM, **environment):
        import fcntl
        import pty
        import struct
        import termios

        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.settings = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.child = subprocess.Popen(
            [sys.executable, "-c", program.format(lang=lang)],
            **{"stdin": theirs, "stdout": theirs, "stderr": theirs, "cwd": ROOT},
            start_new_session=True,  # and no preexec_fn: JAX, once imported, warns of forks
            env={
                **{key: v for key, v in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")},
                **{"TERM": "xterm-256color", "PYTHONUTF8": "1", **environment},
            },
        )
        self.raw = ""

    def send(self, keys):
        os.write(self.ours, keys.encode())

    def wait_for(self, text, seconds=60):
        """What was written since the last wait, once it holds the text."""
        import select

        end = time.monotonic() + seconds
        read, seen = b"", ""
        while text not in plain(seen):
            assert select.select([self.ours], [], [], max(0, end - time.monotonic()))[0], seen
            try:
                read += os.read(self.ours, 65536)
            except OSError:
                raise AssertionError(f"ended before {text!r}: {plain(seen)}") from None
            seen = read.decode("utf-8", "ignore")  # all of it: a read may end within a letter
        self.raw += seen
        return plain(seen)

    def resize(self, rows, columns):
        """As when somebody pulls at the window."""
        import fcntl
        import struct
        import termios

        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, size)

    def end(self):
        """The exit status, after which the terminal must be as it was."""
        import termios

        status = self.child.wait(60)
        assert termios.tcgetattr(self.theirs)[3] == self.settings[3]
        return status

    def close(self):
        self.child.kill()
        self.child.wait()
        os.close(self.ours)
        os.close(self.theirs)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.fixture
def terminal():
    pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    opened = []

    def start(*args, **kwargs):
        opened.append(Terminal(*args, **kwargs))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_every_key(terminal):
    screen = terminal()
    screen.wait_for("step 0 of 17")
    for keys, place in [
        *[("n", 1), ("\x1b[C", 2), ("\r", 3), ("n", 4), ("p", 3), ("\x1b[D", 2), ("\x1bOC", 3)],
        *[("\x1b[F", 17), ("n", 17), ("\x1b[H", 0), ("p", 0), ("\x1b[4~", 17), ("\x1b[1~", 0)],
        *[("g13\r", 13), ("g99\r", 17), ("g1\x7f7\r", 7), ("gx", 7), ("x", 7), ("\x1b[A", 7)],
    ]:
        screen.send(keys)
        screen.wait_for(f"step {place} of 17")
    screen.send("q")
    screen.wait_for("terminal given back")
    assert screen.end() == 0


def test_tells_piles_and_gradients(terminal):
    screen = terminal()
    screen.wait_for("step 0")
    screen.send("g13\r")
    told = screen.wait_for("step 13 of 17")
    assert "c pays b: it passes on ∂e/∂c · ∂c/∂b = 2 · 1 = 2." in told
    assert "edges used 4 of 5" in told
    screen.send("\x1b[F")
    told = screen.wait_for("step 17 of 17")
    assert re.search(r"▸\s+b = 1\s+1\s+2 \+ 3\s+5 ✓\s+2/2", told)


def test_the_other_modes(terminal):
    screen = terminal()
    screen.wait_for("step 0 of 17")
    for keys, told in [
        ("i", "Impatient: passing on the whole pile"),
        ("\x1b[F", "a ends with 6, and that is wrong: the derivative is 4"),
        ("i\x1b[F", "a ends with 4, which is right, after 6 payments"),
        ("iN", "Path by path"),
        ("nnnn", "edge uses 4 of 6"),
        ("Nnn", "step 2 of 17"),
        ("b", "step 6 of 17"),
        ("\x1b[1;2C", "step 11 of 17"),
        ("\x1b[1;2C", "step 14 of 17"),
        ("\x1b[1;2D", "step 11 of 17"),
        ("f", "step 0 of 17"),
        ("a", "backward() once more, pass 2"),
        ("\x1b[F", "5 + 5 = 10"),
        ("s", "step() moves a, b by −0.1"),
        ("z", "is set back to 0"),
        ("l", "清零"),
        ("l?", "Any key closes this"),
        (" ", "Several passes"),
    ]:
        screen.send(keys)
        screen.wait_for(told)


@pytest.mark.parametrize(("lang", "start"), [("en", "Press"), ("zh", "按 →")])
def test_draws_anew_after_every_change_of_size(terminal, lang, start):
    screen = terminal(lang)
    screen.wait_for(start)
    for rows, columns in [(12, 40), (30, 120), (8, 30), (24, 80)]:
        screen.resize(rows, columns)
        screen.wait_for(start)
    screen.send("\x1b[F")
    screen.wait_for("17")


@pytest.mark.parametrize(("rows", "columns"), [(6, 40), (10, 40), (20, 40), (5, 30), (3, 80)])
def test_the_sentence_is_never_lost(terminal, rows, columns):
    screen = terminal(rows=rows, columns=columns)
    screen.wait_for("begin.")
    screen.send("n" * 13)
    told = screen.wait_for("more.")
    last = " ".join(told[told.rindex("c pays b") :].split())
    assert trace(seed_graph()).steps[12].text.en in last


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_keeps_to_the_width(terminal, columns):
    screen = terminal(columns=columns)
    told = screen.wait_for("17")
    assert all(len(line) <= columns for line in told.splitlines())


def test_chinese(terminal):
    screen = terminal("zh")
    screen.wait_for("17")
    screen.send("n")
    screen.wait_for("给定的")


def test_no_color(terminal):
    screen = terminal(NO_COLOR="1")
    screen.wait_for("step 0")
    screen.send("\x1b[F")
    screen.wait_for("step 17")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", screen.raw)


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_interrupt_gives_the_terminal_back(terminal, key):
    screen = terminal()
    screen.wait_for("step 0")
    screen.send(key)
    screen.wait_for("terminal given back")
    assert screen.end() == 0


def test_stops_and_goes_on(terminal):
    screen = terminal(program=SHELL)
    screen.wait_for("step 0 of")
    screen.send("nn")
    screen.wait_for("step 2 of")
    for place in (3, 4):
        screen.send("\x1a")
        assert "True!" in screen.wait_for("!")
        assert screen.raw.count("\x1b[?1049h") == screen.raw.count("\x1b[?1049l")
        screen.send("\n")
        screen.wait_for(f"step {place - 1} of")
        screen.send("n")
        screen.wait_for(f"step {place} of")
    screen.send("q")
    screen.wait_for("terminal given back")
    assert screen.end() == 0


def test_without_a_terminal_prints_all_steps():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(lang="en")],
        **{"cwd": ROOT, "capture_output": True, "encoding": "utf-8", "stdin": subprocess.DEVNULL},
        env={**os.environ, "PYTHONUTF8": "1"},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len([line for line in lines if re.match(r"\s*\d+  ", line)]) == 17
    assert "\x1b" not in done.stdout
    assert lines[-1] == "terminal given back"


def test_hostile_labels_print_as_they_are(capsys):
    x = Value(1.0, label="[red]\x1b[31m{x}")
    play(trace(x * 2))
    assert "\x1b[31m" not in capsys.readouterr().out


def test_unknown_language():
    with pytest.raises(ValueError, match="'en' or 'zh'"):
        play(trace(seed_graph()), lang="de")


@pytest.mark.parametrize(
    ("columns", "number"),
    [(36, "−3.123e−7"), (40, "−3.123e−7"), (60, "−3.123e−7"), (80, "−3.123456e−7")],
)
def test_no_number_is_cut(terminal, columns, number):
    program = """
from autograd import Value, trace
w, x = Value(-3.123456e-7, label="w"), Value(2987654.125, label="x")
y = (w * x + 6.8813735870195432).tanh() / 3e-9
trace(y).play()
"""
    screen = terminal(columns=columns, program=program)
    screen.wait_for("q quit")  # the last words of the first screen
    screen.send("\x1b[F")
    told = screen.wait_for("q quit")
    assert re.search(rf"w = \S+ +{number} +\S", told)
    assert not re.search(r"= v2 / 3e-9.* \S*\d…", told)


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_without_a_terminal_no_number_is_cut(columns):
    x = Value(-0.7123456, label="x")
    root = x.sin() * x.cos() * x.tanh() * x.exp() * x * x.sigmoid() - x * 1e-7
    console = Console(file=io.StringIO(), width=columns)
    play(trace(root), console=console)
    table = console.file.getvalue().rpartition("code")[2]
    assert re.search(r"= sin\(x\) +−0\.6536 +(0\.05327 +)?0\.05327 ✓", table)
    assert table.count(" ✓") == 13


def test_without_a_terminal_no_line_of_a_large_graph_is_left_out(capsys):
    x = Value(1.0, label="x")
    for _ in range(120):
        x = x + 1.0
    play(trace(x))
    told = capsys.readouterr().out
    assert "more lines" not in told
    assert len(re.findall(r"= v\d+ \+ 1|= x \+ 1", told.rpartition("code")[2])) == 120


# -- keys, and time that a test can turn -----------------------------------------------------------

SENT = {
    **{"n": "n", "\r": "\n", " ": " ", "\x7f": "\x7f"},
    **{"\x1b[C": "right", "\x1bOC": "right", "\x1b[D": "left", "\x1bOD": "left"},
    **{"\x1b[1;2C": "shift right", "\x1b[1;2D": "shift left"},
    **{"\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home"},
    **{"\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end"},
    **dict.fromkeys(("\x1b", "\x1b[A", "\x1b[5~", "\x1bOP", "\x1b[1;5C"), "other"),
}
"""What xterm and its kin send, and what it means here."""


def test_what_terminals_send(monkeypatch):
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with module.keys() as next_key:
            for sent, meant in SENT.items():
                os.write(ours, sent.encode())
                # Python 3.12.0 and .1 keep the terminal from turning Enter into a new line
                assert next_key(30.0).replace("\r", "\n") == meant, sent
                if sent not in ("\x1b[5~", "\x1bOP"):  # of these some is left
                    assert next_key(0.0) is None, sent
                while next_key(0.0) is not None:
                    pass
            os.write(ours, b"\x1bAn\x1b[1234567p")  # nothing that ends: eight characters of it
            assert [next_key(30.0) for _ in range(4)] == ["other", "n", "other", "p"]
            assert next_key(0.0) is None
    os.close(ours)


def test_keys_of_windows(monkeypatch):
    """As `msvcrt` documents them: a special key is two characters, 0 or 0xE0 first."""
    typed = list("nX\x00H\xe0M\xe0K\xe0G\xe0O\r")
    windows = SimpleNamespace(kbhit=lambda: bool(typed), getwch=lambda: typed.pop(0))
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    monkeypatch.setattr(sys, "platform", "win32")
    with module.keys() as next_key:
        told = [next_key(1.0) for _ in range(8)]
        assert next_key(0.0) is None
    assert told == ["n", "X", "other", "right", "left", "home", "end", "\r"]


class Scripted:
    """A player whose keys and seconds come from a list: a key, or so many seconds without one."""

    def __init__(self, monkeypatch, script, size=(80, 24)):
        self.now, self.shown, self.script = 1000.0, [], [*script, "q"]
        out = io.StringIO()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
        monkeypatch.setattr(module, "keys", contextmanager(lambda: iter([self.next_key])))
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        monkeypatch.setenv("TERM", "xterm")
        width, height = size
        console = Console(
            file=out, force_terminal=True, width=width, height=height, legacy_windows=False
        )
        play(trace(seed_graph()), console=console)
        self.told = plain(out.getvalue())
        self.screens = [int(place) for place in re.findall(r"step (\d+) of", self.told)]

    def next_key(self, seconds):
        if isinstance(self.script[0], str):
            return self.script.pop(0)
        self.now += seconds
        self.script[0] -= seconds
        if self.script[0] <= 0:
            self.script.pop(0)
        return None


@pytest.mark.parametrize(
    ("script", "screens"),
    [
        (["n", "n", "p"], [0, 1, 2, 1]),  # drawn at once, and never for nothing
        ([5.0, "n", 5.0], [0, 1]),
        ([" ", 1.0], [0, 0]),
        ([" ", 1.3], [0, 0, 1]),
        ([" ", 4.2], [0, 0, 1, 2, 3]),
        ([" ", 1.3, "n", 5.0], [0, 0, 1, 2]),
        ([" ", 1.3, " ", 5.0], [0, 0, 1, 1]),
        (["end", "p", " ", 9.0], [0, 17, 16, 16, 17]),
        (["end", " ", 2.9], [0, 17, 0, 1, 2]),
        ([" ", " ", " ", 1.3], [0, 0, 0, 0, 1]),
    ],
)
def test_plays_by_itself_until_a_key(monkeypatch, script, screens):
    assert Scripted(monkeypatch, script).screens == screens


@pytest.mark.parametrize("height", [9, 12, 15])
def test_whoever_acts_is_on_the_screen(monkeypatch, height):
    x = Value(1.0, label="x")
    for _ in range(12):
        x = x.sin()
    monkeypatch.setattr(sys.modules[__name__], "seed_graph", lambda: x)
    steps = len(trace(x).steps)
    told = Scripted(monkeypatch, ["n"] * steps, (80, height)).told
    assert told.count("▸") == steps


def test_where_keys_cannot_be_read_the_numbers_of_the_moves_are_dim(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    out = io.StringIO()
    play(trace(seed_graph()), console=Console(file=out, force_terminal=True, width=200))
    numbers = re.findall(r"\x1b\[2m *(\d+)  \x1b\[0m\w", out.getvalue())
    assert [int(number) for number in numbers] == [*range(1, 18)]


@pytest.mark.parametrize(("lang", "said"), [("en", "e owes 1."), ("zh", "e 欠 1")])
def test_a_dumb_terminal_gets_all_steps(monkeypatch, lang, said):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setenv("TERM", "dumb")
    out = io.StringIO()
    play(trace(seed_graph()), lang=lang, console=Console(file=out, force_terminal=True, width=80))
    assert "17  " in plain(out.getvalue())
    assert said in plain(out.getvalue())


@pytest.mark.parametrize("encoding", ["gbk", "cp437", "latin-1", "ascii"])
def test_plays_into_any_encoding(encoding):
    a, b = Value(-2.0, label="a"), Value(3.0, label="权")
    file = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
    play(trace(a**-2 * b - a), console=Console(file=file, width=100))
    file.flush()
    told = file.buffer.getvalue().decode(encoding)
    dot = "·" if "·".encode(encoding, "ignore") else "*"
    assert f"d pays a: it passes on dd/dd {dot} dd/da = 1 {dot} (-1) = -1." in told
    assert re.search(r"b = a\^-\^?[2²] = 0\.25,", told)
    assert file.errors == "strict"
    assert ("?" in told) == (encoding != "gbk")
