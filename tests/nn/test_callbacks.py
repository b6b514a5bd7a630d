"""Early stopping, told of one epoch after the other."""

from math import inf, nan

import pytest

from autograd import Value
from nn import EMA, SGD, EarlyStopping, Epoch, History


def told(stop, scores, name="loss", ema=None):
    """The epoch after which it stops, and the weight that is left then; it was its number."""
    history, weight = History(), Value(0.0)
    optimizer = SGD([weight], lr=0.1)
    ema = EMA([weight], 0.5) if ema else None
    for number, score in enumerate(scores, 1):
        history.loss.append(1.0)
        if name == "loss":
            history.loss[-1] = score
        elif name == "validation":
            history.validation_loss.append(score)
        else:
            history.metrics.setdefault(name, []).append(score)
        weight.data = float(number)
        if ema:
            ema.update()
        ended = stop(Epoch(number, history, None, optimizer, ema))
        assert isinstance(ended, bool)
        if ended:
            return number, weight.data, ema
    return None, weight.data, ema


def test_ten_epochs_of_patience_are_the_rule():
    assert told(EarlyStopping(), [1.0] * 30)[:2] == (11, 1.0)
    assert told(EarlyStopping(), [2.0, 1.999, *[2.0] * 30])[:2] == (12, 2.0), "however little"
    assert told(EarlyStopping(1), [3.0, 2.0, 2.0])[:2] == (3, 2.0)
    assert told(EarlyStopping(3), [3.0, 4.0, 2.0, 5.0, 5.0])[0] is None


def test_without_restoring_the_last_weights_stay():
    assert told(EarlyStopping(2, restore=False), [1.0, 2.0, 3.0])[:2] == (3, 3.0)


@pytest.mark.parametrize(("least", "ended"), [(0.0, 4), (0.4, 4), (0.5, 3), (0.6, 3)])
def test_an_improvement_is_more_than_it_has_to_be(least, ended):
    stop = EarlyStopping(2, min_delta=least)
    assert told(stop, [2.0, 1.5, 1.5, 1.5, 1.5])[0] == ended


def test_validation_is_watched_where_there_is_any_and_else_the_loss():
    for name in ("loss", "validation"):
        assert told(EarlyStopping(2), [1.0, 2.0, 3.0], name)[:2] == (3, 1.0)
    # the loss is the same all the time
    assert told(EarlyStopping(2, monitor="loss"), [3.0, 2.0, 1.0], "validation")[:2] == (3, 1.0)
    assert told(EarlyStopping(2), [3.0, 2.0, 1.0], "validation")[:2] == (None, 3.0)


def test_a_metric_should_rise():
    stop = EarlyStopping(2, monitor="accuracy")
    assert told(stop, [0.1, 0.5, 0.4, 0.5], "accuracy")[:2] == (4, 2.0)
    assert (stop.best, stop.best_epoch) == (-0.5, 2)


@pytest.mark.parametrize("worst", [nan, inf])
def test_what_is_no_number_is_the_worst(worst):
    assert told(EarlyStopping(2), [worst, worst, worst])[:2] == (3, 1.0)
    assert told(EarlyStopping(2), [worst, 1e300, worst, worst])[:2] == (4, 2.0)


def test_averages_go_back_with_the_weights():
    number, weight, ema = told(EarlyStopping(2), [2.0, 1.0, 3.0, 3.0], ema=True)
    assert (number, weight, ema.updates) == (4, 2.0, 2)
    assert ema.averages == [pytest.approx((0.25 * 1.0 + 0.5 * 2.0) / 0.75)]


def test_what_cannot_be_watched_is_refused():
    with pytest.raises(ValueError, match="no 'accuracy' to monitor: loss"):
        told(EarlyStopping(monitor="accuracy"), [1.0])
    for patience in (0, -1):
        with pytest.raises(ValueError, match="1 or more, got"):
            EarlyStopping(patience)
    for given, error, words in (
        ({"patience": 2.5}, TypeError, "patience is a whole number, got 2.5"),
        ({"min_delta": -0.1}, ValueError, "min_delta is a finite number of 0 or more, got -0.1"),
        ({"monitor": 3}, TypeError, "a metric's name, got 3"),
    ):
        with pytest.raises(error, match=words):
            EarlyStopping(**given)


def test_before_the_first_epoch_there_is_no_best():
    stop = EarlyStopping()
    assert (stop.best, stop.best_epoch) == (inf, 0)


def test_it_says_what_it_watches():
    assert repr(EarlyStopping(3, "loss")) == "EarlyStopping(patience=3, monitor='loss')"


@pytest.mark.parametrize("name", ["mse_loss", "mean_absolute_error", "cross_entropy", "loss 2"])
def test_a_metric_that_is_a_loss_should_fall(name):
    stop = EarlyStopping(2, monitor=name)
    assert told(stop, [0.5, 0.3, 0.2, 0.4, 0.25], name)[:2] == (5, 3.0)
    assert (stop.best, stop.best_epoch) == (0.2, 3)
