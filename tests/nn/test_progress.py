"""The bar: what it shows on a wide and a narrow terminal, and that nothing else sees it."""

import io
import re
import sys

import pytest

import nn
from nn.progress import bar, busy


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal(monkeypatch, columns=120):
    """Not a fixture: pytest sets the streams anew for the test itself."""
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    return screen


def shown(screen):
    """The last line drawn, without colours."""
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", screen.getvalue())
    return [line for line in re.split(r"[\r\n]+", text) if line.strip()][-1].rstrip()


@pytest.mark.parametrize(
    ("columns", "width", "rest"),
    [
        (120, 40, r"  rate 0.125 [-\d]:[-\d]{2}:[-\d]{2}"),
        (100, 40, r"  rate 0.125 [-\d]:[-\d]{2}:[-\d]{2}"),
        (99, 10, r" [-\d]{2}:[-\d]{2}"),
    ],
)
def test_a_bar_says_how_far_it_is(monkeypatch, columns, width, rest):
    screen = terminal(monkeypatch, columns)
    with bar(4, 40, True) as show:
        show(1, 10, {"loss": 9.0}, 1.0)
        show(2, 20, {"loss": 0.5, "accuracy": 0.25}, 0.125)
    assert "epoch 0/4" in screen.getvalue()
    half = width // 2
    drawn = f"━{{{half}}}╺━{{{half - 1}}}"
    line = shown(screen)
    assert re.fullmatch(f"epoch 2/4 {drawn} loss 0.5  accuracy 0.25{rest}", line), line


def test_a_name_is_one_line_of_letters(monkeypatch):
    screen = terminal(monkeypatch)
    with bar(1, 1, True) as show:
        show(1, 1, {"top[/5]\n\u202e": 1.0, "x": 12345.678}, 0.5)
    assert "top[/5]?? 1  x 1.235e+04  rate 0.5" in shown(screen)


@pytest.mark.parametrize(("wanted", "seen"), [(False, True), (True, False), (False, False)])
def test_nobody_else_sees_anything(monkeypatch, wanted, seen):
    stream = Terminal() if seen else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with bar(1, 1, wanted) as show, busy("compiling", wanted):
        show(1, 1, {"loss": 1.0}, 0.1)
    assert stream.getvalue() == ""


def test_a_wait_has_a_name(monkeypatch):
    screen = terminal(monkeypatch)
    with busy("compiling", True):
        pass
    assert "compiling" in screen.getvalue()


def test_training_shows_itself_unless_told_not_to(monkeypatch):
    """And takes 100 epochs in batches of 32."""
    X = [[k / 40] for k in range(33)]
    for given, seen in ({}, True), ({"progress": False}, False):
        screen = terminal(monkeypatch)
        model = nn.MLP(1, [1], seed=0)
        optimizer = nn.SGD(model.parameters(), lr=0.0)
        history = nn.fit(model, X, X, loss=nn.squared_error, optimizer=optimizer, **given)
        assert (len(history), optimizer.steps) == (100, 200)
        assert ("epoch 100/100" in screen.getvalue()) is seen


class Tee:
    """What a user may put in the place of a stream."""

    def write(self, text):
        raise AssertionError

    def flush(self):
        pass


@pytest.mark.parametrize("stream", ["none", "tee", "closed"])
def test_where_there_is_no_terminal_nothing_is_drawn(stream, monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", {"none": None, "tee": Tee(), "closed": closed}[stream])
    with bar(2, 4, True) as show, busy("waiting", True):
        show(1, 2, {"loss": 0.5}, 0.1)
