"""Learning-rate schedules."""

from math import cos, inf, isclose, nan, pi

import pytest

from nn import constant, cosine, linear, warmup
from nn.schedules import as_schedule


def test_constant_never_changes():
    assert {constant(0.3)(step, 10) for step in range(10)} == {0.3}


def test_linear_is_the_line_of_the_micrograd_demo():
    schedule = linear(1.0, 0.1)
    assert all(isclose(schedule(k, 100), 1.0 - 0.9 * k / 100, rel_tol=1e-14) for k in range(100))


def test_cosine_starts_ends_and_bends_as_its_formula():
    schedule = cosine(0.3, 0.1)
    assert schedule(0, 50) == pytest.approx(0.3)
    assert schedule(50, 50) == pytest.approx(0.1)
    assert schedule(10, 50) == pytest.approx(0.1 + 0.2 * (1 + cos(pi / 5)) / 2)


def test_warmup_rises_to_what_follows():
    schedule = warmup(5, linear(1.0))
    assert [schedule(step, 15) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert [schedule(step, 15) for step in (5, 10, 15)] == pytest.approx([1.0, 0.5, 0.0])


def test_warmup_of_nothing_is_what_follows():
    assert warmup(0, 0.5)(0, 10) == 0.5


def test_a_schedule_stays_at_its_end():
    assert linear(1.0, 0.2)(200, 100) == pytest.approx(0.2)


def test_any_callable_is_a_schedule():
    class Halving:
        def __call__(self, step):
            return 0.5**step

    assert as_schedule(Halving())(3, 10) == 0.125
    assert as_schedule(lambda step, steps: step / steps)(3, 10) == 0.3
    assert as_schedule(lambda step, base=2.0: base * step)(3, 10) == 6.0


def test_what_cannot_be_called_is_no_schedule():
    with pytest.raises(TypeError, match="a schedule is a function"):
        as_schedule(0.1)


def test_a_negative_warmup_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        warmup(-1, 0.1)


@pytest.mark.parametrize("total", [7, 20])
def test_cosine_is_pytorchs(total):
    torch = pytest.importorskip("torch")
    w = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total, eta_min=0.02)
    ours = cosine(0.3, 0.02)
    for step in range(total):
        assert ours(step, total) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("schedule", [linear(0.5), cosine(0.5)])
def test_a_schedule_falls_to_nothing_unless_it_is_told(schedule):
    assert schedule(0, 10) == 0.5
    assert schedule(10, 10) == 0.0


@pytest.mark.parametrize("schedule", [linear(0.5, 0.1), cosine(0.5, 0.1)])
def test_a_training_of_no_steps_is_done(schedule):
    assert schedule(0, 0) == pytest.approx(0.1)


@pytest.mark.parametrize("warm", [4, 5, 9])
def test_a_training_may_end_while_warming_up(warm):
    """What follows would begin at its start."""
    schedule = warmup(warm, linear(1.0))
    assert [schedule(step, 4) for step in range(4)] == pytest.approx(
        [(step + 1) / warm for step in range(4)]
    )
    assert schedule(warm, warm) == 1.0
    assert schedule(warm + 1, 4) == 0.0
    told = warmup(2, lambda step, steps: float(steps))
    assert [told(step, 10) for step in range(3)] == [4.0, 8.0, 8.0]


@pytest.mark.parametrize("total", [9, 30])
def test_linear_and_warmup_are_pytorchs(total):
    torch = pytest.importorskip("torch")
    w = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.3)
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / 5, 1.0, total_iters=4)
    fall = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=total - 4)
    theirs = torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[4])
    ours = warmup(4, linear(0.3, 0.03))
    for step in range(total):
        rate = optimizer.param_groups[0]["lr"]
        if step >= 4:
            assert ours(step, total) == pytest.approx(rate, rel=1e-9)
        assert ours(step, total) <= 0.3
        optimizer.step()
        theirs.step()
    assert [ours(step, total) for step in range(4)] == pytest.approx([0.075, 0.15, 0.225, 0.3])


def test_what_a_callable_takes_is_looked_at():
    def keywords(step, *, scale=3.0):
        return step * scale

    def any_number(*given):
        return float(len(given))

    assert as_schedule(keywords)(2, 10) == 6.0
    assert as_schedule(any_number)(2, 10) == 1.0
    assert as_schedule(lambda step, *rest: float(len(rest)))(2, 10) == 0.0
    given = lambda step, steps, more=1: step + steps + more  # noqa: E731
    assert as_schedule(given) is given
    assert as_schedule(given)(1, 2) == 4
    assert warmup(2, lambda step, steps: 10.0 * steps + step)(7, 12) == 105.0


@pytest.mark.parametrize(("total", "left"), [(4, 1), (5, 1), (6, 2), (3, 1)])
def test_what_follows_a_warmup_is_told_how_many_steps_are_left(total, left):
    """One at least: a schedule may divide by them."""
    told = warmup(4, lambda step, steps: float(steps))
    assert told(0, total) == left / 4
    assert told(4, total) == left


@pytest.mark.parametrize("make", [constant, linear, cosine, lambda rate: warmup(rate, 0.1)])
def test_rates_and_steps_are_numbers_that_are_not_negative(make):
    for wrong in (-1.0, nan, inf):
        with pytest.raises(ValueError, match=f"is a finite number of 0 or more, got {wrong}"):
            make(wrong)
    with pytest.raises(TypeError, match="is a number, got 'a'"):
        make("a")
    for make in (linear, cosine):
        with pytest.raises(ValueError, match=r"^rate is a finite number"):
            make(-1.0)
    with pytest.raises(ValueError, match=r"^steps is"):
        warmup(-1, 0.1)
    with pytest.raises(ValueError, match="final is a finite number"):
        linear(1.0, -1.0)
    with pytest.raises(ValueError, match="final is a finite number"):
        cosine(1.0, nan)


@pytest.mark.parametrize("steps", [0.1, 2.5, 10.0001])
def test_a_warmup_takes_a_whole_number_of_steps(steps):
    with pytest.raises(ValueError, match=f"^steps is a whole number, got {steps}"):
        warmup(steps, 1.0)
    assert warmup(4.0, 1.0)(1, 10) == warmup(4, 1.0)(1, 10) == 0.5


def test_a_function_of_c_s_is_asked_for_the_step():
    rates = [0.1, 0.2, 0.4]
    assert [as_schedule(rates.__getitem__)(step, 3) for step in range(3)] == rates
    assert as_schedule(dict(enumerate(rates)).get)(2, 3) == 0.4
