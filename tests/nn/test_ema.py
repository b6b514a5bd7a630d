"""Averaged weights against their formula."""

from math import isclose
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Value
from nn import EMA, MLP


def weighted_sum(numbers, decay):
    """v_t written out: Σ (1 - β) β^(t-k) θ_k."""
    t = len(numbers)
    return sum((1 - decay) * decay ** (t - k) * x for k, x in enumerate(numbers, start=1))


@given(
    numbers=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60),
    decay=st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999]),
    corrected=st.booleans(),
)
def test_the_average_is_its_formula(numbers, decay, corrected):
    w = Value(0.0)
    ema = EMA([w], decay, bias_correction=corrected)
    for number in numbers:
        w.data = number
        ema.update()
    weight = 1 - decay ** len(numbers) if corrected else 1.0
    expected = weighted_sum(numbers, decay) / weight
    assert isclose(ema.averages[0], expected, rel_tol=1e-12, abs_tol=1e-12 / weight * 1e3)


def test_without_decay_nothing_is_averaged():
    w = Value(1.0)
    ema = EMA([w], decay=0.0)
    for number in (3.0, -7.0, 0.5):
        w.data = number
        ema.update()
        assert ema.averages == [number]


def test_bias_correction_makes_the_average_of_a_constant_that_constant():
    ema, plain = (EMA([Value(5.0)], 0.99, bias_correction=c) for c in (True, False))
    ema.update()
    plain.update()
    assert isclose(ema.averages[0], 5.0, rel_tol=1e-12)
    assert isclose(plain.averages[0], 0.05, rel_tol=1e-12)


def test_it_is_about_the_mean_of_the_last_values():
    rng, w = Random(0), Value(0.0)
    ema, seen = EMA([w], 0.9), []
    for _ in range(500):
        w.data = rng.gauss(0, 1)
        seen.append(w.data)
        ema.update()
    spread = sum(x * x for x in seen) / len(seen)
    assert abs(ema.averages[0]) < 0.8 * spread**0.5


def test_applied_puts_the_averages_in_and_the_live_weights_back():
    w, b = Value(1.0), Value(2.0)
    ema = EMA([w, b], 0.5)
    ema.update()
    w.data, b.data = 3.0, 6.0
    ema.update()
    with ema.applied():
        assert [w.data, b.data] == ema.averages != [3.0, 6.0]
    assert (w.data, b.data) == (3.0, 6.0)


def test_applied_puts_the_live_weights_back_when_the_block_raises():
    w = Value(1.0)
    ema = EMA([w])
    ema.update()
    w.data = 2.0
    with pytest.raises(ZeroDivisionError), ema.applied():
        raise ZeroDivisionError
    assert w.data == 2.0


def test_nothing_can_be_applied_before_the_first_update():
    w = Value(1.0)
    ema = EMA([w])
    with pytest.raises(RuntimeError, match="call update"), ema.applied():
        pass
    assert w.data == 1.0


@pytest.mark.parametrize("decay", [1.0, -0.1, 1.5, float("nan")])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ValueError, match="decay is at least 0 and below 1"):
        EMA([Value(1.0)], decay)


@pytest.mark.parametrize("decay", [True, "0.9", None])
def test_a_decay_that_is_no_number_is_refused(decay):
    with pytest.raises(TypeError, match="decay is a number"):
        EMA([Value(1.0)], decay)


@pytest.mark.parametrize("params", [[1.0], ["w"], Value(1.0), MLP(1, [1]), None])
def test_what_is_no_parameter_is_refused(params):
    with pytest.raises(TypeError, match=r"did you mean model\.parameters\(\)"):
        EMA(params)


def test_no_parameters_are_refused():
    with pytest.raises(ValueError, match="no parameters"):
        EMA([])


def test_the_default_is_a_thousand_steps_with_correction():
    w = Value(4.0)
    ema = EMA([w])
    ema.update()
    assert (ema.decay, ema.bias_correction) == (0.999, True)
    assert ema.averages == pytest.approx([4.0], rel=1e-12)
    assert repr(ema) == "EMA(1 parameters, decay=0.999, 1 updates)"


def test_the_weight_is_of_as_many_updates_as_are_asked_for():
    """A compiled training asks before the object itself has counted them."""
    ema = EMA([Value(1.0)], 0.5)
    assert [ema.weight(t) for t in (1, 2, 3)] == [0.5, 0.75, 0.875]
    ema.update()
    assert [ema.weight(t) for t in (1, 2, 3)] == [0.5, 0.75, 0.875]
    assert EMA([Value(1.0)], 0.5, bias_correction=False).weight(1) == 1.0


def test_it_is_pytorchs():
    torch = pytest.importorskip("torch")
    w, tensor = Value(1.0), torch.nn.Linear(1, 1, bias=False).double()
    ema = EMA([w], 0.9, bias_correction=False)
    theirs = torch.optim.swa_utils.AveragedModel(
        tensor, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    for number in (1.0, -2.0, 5.0):
        w.data = number
        torch.nn.init.constant_(tensor.weight, number)
        theirs.update_parameters(tensor)
        if not ema.updates:
            ema.state = [number]  # PyTorch starts from the first weights, not from 0
            ema.updates = 1
        else:
            ema.update()
    assert ema.averages[0] == pytest.approx(theirs.module.weight.item(), rel=1e-12)
