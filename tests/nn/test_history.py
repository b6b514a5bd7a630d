"""What a history says, empty and full."""

import pytest

from autograd import Value
from nn import SGD, DivergedError, History, fit, squared_error


def test_a_fresh_one_is_empty():
    history = History()
    assert (len(history), history.latest(), history.backend) == (0, {}, "eager")
    assert (history.note, history.stopped, history.seconds) == ("", "", 0.0)
    assert repr(history) == "History(0 epochs, nothing finished, backend='eager', 0 s)"
    assert history.loss is not History().loss


def test_the_latest_numbers_have_names():
    history = History(
        backend="native", loss=[3.0, 1.23456], validation_loss=[2.0, 0.5], seconds=12.3456,
        metrics={"accuracy": [0.5, 0.75], "none yet": []}, stopped="by print after epoch 2",
    )  # fmt: skip
    assert history.latest() == {"loss": 1.23456, "validation": 0.5, "accuracy": 0.75}
    assert repr(history) == (
        "History(2 epochs, loss=1.235, validation=0.5, accuracy=0.75, backend='native', 12.3 s, "
        "stopped: by print after epoch 2)"
    )


def test_a_diverged_training_keeps_its_history():
    history = History(loss=[1.0])
    with pytest.raises(DivergedError, match="the loss became nan") as caught:
        raise DivergedError("the loss became nan", history)
    assert caught.value.history is history
    assert isinstance(caught.value, FloatingPointError)


def test_seconds_are_those_of_the_training(monkeypatch):
    w, clock = Value(1.0), iter([100.0, 103.5])
    monkeypatch.setattr("nn.train.perf_counter", lambda: next(clock))
    history = fit(
        lambda x: w * x[0], [[1.0]], [2.0], loss=squared_error, optimizer=SGD([w], lr=0.1),
        epochs=1, backend="eager", progress=False,
    )  # fmt: skip
    assert history.seconds == 3.5
