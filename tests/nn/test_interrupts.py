"""Ctrl-C, once or twice, at any moment: model, optimiser and average are those of one step."""

import signal
import threading
from contextlib import suppress

import pytest

import nn
from autograd import Value
from nn import ema
from nn.interrupts import undisturbed
from tests.interrupts import interrupted_at

X = [[0.1 * i, 1.0 - 0.05 * i] for i in range(20)]
Y = [0.3 * a - 0.2 * b for a, b in X]

pytestmark = pytest.mark.usefixtures("interruptible")


def press():
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_waits_for_the_end_of_the_block():
    done = []

    def work():
        with undisturbed():
            press()
            press()
            done.append("all")
        done.append("more")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all"]
    with pytest.raises(KeyboardInterrupt):
        press()


def test_blocks_nest():
    done = []

    def work():
        with undisturbed():
            with undisturbed():
                press()
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["outer"]


def test_errors_pass_and_the_handler_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="mine"), undisturbed():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_where_python_has_no_handler_nothing_is_changed(handler):
    signal.signal(signal.SIGINT, handler)
    with undisturbed():
        assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_of_the_user_s_own_is_called_afterwards():
    calls = []
    signal.signal(signal.SIGINT, lambda *call: calls.append(call))
    with undisturbed():
        press()
        assert calls == []
    assert [number for number, _ in calls] == [signal.SIGINT]


def test_other_threads_pass_through():
    done = []

    def work():
        with undisturbed():
            done.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [before]


class Pressing(Value):
    """A weight that presses Ctrl-C whenever its number is set, from the so-manieth time on."""

    __slots__ = ("left",)

    @property
    def data(self):
        return Value.data.fget(self)

    @data.setter
    def data(self, number):
        Value.data.fset(self, number)
        self.left -= 1
        if self.left <= 0:
            press()


def pieces(left):
    weights = [Value(0.5), Pressing(-0.5), Value(0.25)]
    weights[1].left = left
    optimizer = nn.Adam(weights, lr=0.01)
    return weights, optimizer, nn.EMA(weights, 0.9)


def state_of(weights, optimizer, ema):
    return [w.data for w in weights], optimizer.state, optimizer.steps, ema.state, ema.updates


def train(weights, optimizer, ema, steps, backend="eager", **options):
    given = {"epochs": steps, "batch_size": None} | options
    return nn.fit(
        lambda x: weights[0] * x[0] + weights[1] * x[1] + weights[2], X, Y, loss=nn.mse_loss,
        optimizer=optimizer, ema=ema, backend=backend, progress=False, **given,
    )  # fmt: skip


@pytest.mark.parametrize("left", [1, 2, 5])
def test_ctrl_c_again_and_again_leaves_a_whole_step(left):
    pressed = pieces(left)
    with suppress(KeyboardInterrupt):  # the second may come while the first is dealt with
        train(*pressed, steps=9)
    reference = pieces(10**9)
    if pressed[1].steps:
        train(*reference, steps=pressed[1].steps)
    assert pressed[1].steps in (left - 1, left)
    assert state_of(*pressed) == state_of(*reference)


@pytest.mark.parametrize("left", [1, 2])
@pytest.mark.parametrize(("backend", "needs"), [("numpy", "numpy"), ("native", "llvmlite")])
def test_a_compiled_training_is_saved_whole(left, backend, needs):
    pytest.importorskip(needs)
    pressed = pieces(left)
    with pytest.raises(KeyboardInterrupt):  # while the numbers are put back
        train(*pressed, steps=9, backend=backend)
    reference = pieces(10**9)
    train(*reference, steps=9, backend=backend)
    assert state_of(*pressed) == state_of(*reference)


@pytest.mark.parametrize(("backend", "needs"), [("numpy", "numpy"), ("native", "llvmlite")])
def test_ctrl_c_twice_from_outside_leaves_a_whole_step(backend, needs):
    """From another thread, while a call trains: wherever it ends, that is after a whole step."""
    pytest.importorskip(needs)
    told = threading.Event()

    def presses():
        for _ in range(2):
            told.wait()
            press()  # it is the main thread that hears of it

    outside = threading.Thread(target=presses)
    outside.start()
    pressed = pieces(10**9)
    with suppress(KeyboardInterrupt):
        try:
            train(*pressed, steps=10**7, backend=backend, callbacks=[lambda _: told.set()])
        finally:
            outside.join()
    reference = pieces(10**9)
    train(*reference, steps=pressed[1].steps, backend=backend)
    assert 0 < pressed[1].steps < 10**7
    assert state_of(*pressed) == state_of(*reference)


def test_a_step_by_hand_is_whole():
    weights, optimizer, _ = pieces(1)
    reference = pieces(10**9)
    for w in [*weights, *reference[0]]:
        w.grad = 1.0
    reference[1].step()
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    assert [w.data for w in weights] == [w.data for w in reference[0]]
    assert (optimizer.steps, optimizer.state) == (1, reference[1].state)


class PressingAdam(nn.Adam):
    def __setattr__(self, name, given):
        super().__setattr__(name, given)
        if name == "state" and self.steps:
            press()


class PressingEMA(nn.EMA):
    def __setattr__(self, name, given):
        super().__setattr__(name, given)
        if name == "state" and any(given):
            press()


def test_a_state_is_loaded_whole():
    optimizer, trained = PressingAdam([Value(1.0)], lr=0.3), nn.Adam([Value(1.0)], lr=0.1)
    trained.params[0].grad = 1.0
    trained.step()
    with pytest.raises(KeyboardInterrupt):
        optimizer.load_state_dict(trained.state_dict())
    assert optimizer.state_dict() == trained.state_dict()


def test_an_average_is_updated_whole():
    ema = PressingEMA([Value(3.0)], decay=0.9)
    with pytest.raises(KeyboardInterrupt):
        ema.update()
    assert ema.averages == [pytest.approx(3.0, rel=1e-15)]


def test_averages_are_put_in_and_taken_out_whole():
    weights, _, ema = pieces(1)
    ema.update()
    for w in (weights[0], weights[2]):
        w.data = 7.0
    before = [w.data for w in weights]
    with pytest.raises(KeyboardInterrupt), ema.applied():
        pass
    assert [w.data for w in weights] == before


def in_ema(frame, kind):
    return kind == "line" and frame.f_code.co_filename == ema.__file__


def test_one_ctrl_c_at_any_moment_leaves_no_averages_behind():
    weights, _, average = pieces(10**9)
    average.update()
    for w in weights:
        w.data += 7.0
    before, moment = [w.data for w in weights], 0

    def measured():
        with average.applied():
            assert [w.data for w in weights] != before

    while interrupted_at(moment, measured, in_ema):
        assert [w.data for w in weights] == before
        moment += 1
    assert moment > 5


def test_a_model_takes_over_a_state_whole():
    model = nn.Module()
    model.weights, _, _ = pieces(1)
    with pytest.raises(KeyboardInterrupt):
        model.load_state_dict({"weights.0": 1.0, "weights.1": 2.0, "weights.2": 3.0})
    assert [w.data for w in model.weights] == [1.0, 2.0, 3.0]


def test_early_stopping_puts_the_weights_back_whole():
    weights, optimizer, ema = pieces(10**9)
    stop = nn.EarlyStopping(patience=1)
    history = nn.History(loss=[1.0])
    stop(nn.Epoch(1, history, None, optimizer, ema))
    before = state_of(weights, optimizer, ema)
    for w in weights:
        w.data = 9.0
    weights[1].left = 1
    history.loss.append(2.0)
    with pytest.raises(KeyboardInterrupt):
        stop(nn.Epoch(2, history, None, optimizer, ema))
    assert state_of(weights, optimizer, ema) == before
