"""Learning-rate schedules: how the length of a step changes as training goes on.

A *schedule* is a function from the number of steps done, 0, 1, 2 …, to the learning rate of the
next one; it may take the total number of steps as a second argument, which ``fit`` knows.  Those
made here refuse rates below 0 and such as are not finite.  For instance::

    fit(..., schedule=linear(1.0, 0.1))               # from 1.0 towards 0.1 over the whole training
    fit(..., schedule=warmup(100, cosine(3e-3)))      # 100 steps up, then a half cosine down to 0
    fit(..., schedule=lambda step: 0.1 * 0.99**step)  # anything else
"""

from collections.abc import Callable
from inspect import Parameter, signature
from math import cos, pi
from typing import Any

from nn.optim import not_negative, whole

Schedule = Callable[[int, int], float]


def constant(rate: float) -> Schedule:
    """The same rate all along."""
    rate = not_negative("rate", rate)
    return lambda step, steps: rate


def linear(rate: float, final: float = 0.0) -> Schedule:
    """A straight line from ``rate`` at step 0 to ``final`` after the last step.

    >>> schedule = linear(1.0, 0.1)
    >>> [round(schedule(step, 100), 2) for step in (0, 50, 100)]
    [1.0, 0.55, 0.1]
    """
    rate, final = not_negative("rate", rate), not_negative("final", final)
    return lambda step, steps: rate + (final - rate) * _done(step, steps)


def cosine(rate: float, final: float = 0.0) -> Schedule:
    """Half a cosine wave from ``rate`` to ``final`` (Loshchilov & Hutter 2017)."""
    rate, final = not_negative("rate", rate), not_negative("final", final)
    return lambda step, steps: final + (rate - final) * (1 + cos(pi * _done(step, steps))) / 2


def warmup(steps: int, then: float | Callable[..., float]) -> Schedule:
    """Rise in a straight line for so many steps, then follow a schedule or a constant rate.

    >>> schedule = warmup(4, then=0.8)
    >>> [round(schedule(step, 100), 1) for step in range(6)]
    [0.2, 0.4, 0.6, 0.8, 0.8, 0.8]
    """
    steps = whole("steps", steps)
    after = as_schedule(then) if callable(then) else constant(then)

    def rate(step: int, total: int) -> float:
        if step < steps:
            return after(0, max(total - steps, 1)) * (step + 1) / steps
        return after(step - steps, max(total - steps, 1))

    return rate


def as_schedule(given: Callable[..., float]) -> Schedule:
    """Any callable of one argument (the step) or two (the step and the total) as one of two."""
    if not callable(given):
        raise TypeError(
            f"a schedule is a function from the step to the learning rate, got {given!r}"
        )
    # asked once, not at each of a million steps
    if _takes_two(given):
        return given
    return lambda step, steps: given(step)


def _done(step: int, steps: int) -> float:
    """The part of the training that is done, at most 1."""
    return min(step / steps, 1.0) if steps else 1.0


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether a function wants two positional arguments; defaults do not count."""
    try:
        parameters = signature(function).parameters.values()
    except ValueError:  # a function of C's, such as a list's ``__getitem__``, does not say
        return False
    wanted = [p for p in parameters if p.kind in _POSITIONAL and p.default is Parameter.empty]
    return len(wanted) >= 2


_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
