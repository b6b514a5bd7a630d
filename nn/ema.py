"""Averaged weights: a calm copy of weights that training keeps shaking.

The *exponential moving average* of a sequence θ₁, θ₂, … with *decay* β is v_t = β v_(t-1) + (1 - β)
θ_t, starting at v_0 = 0: roughly the mean of the last 1 / (1 - β) values; β = 0 averages nothing.
The start at 0 makes early averages too small, by the factor 1 - β^t exactly; dividing by it is the
*bias correction*.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from autograd import Value
from nn.interrupts import undisturbed
from nn.optim import Number, check_state, fraction, parameters_of


def average(mean: Number, p: Number, decay: Number) -> Any:
    """One step of the average, written like an optimiser's rule: on any kind of number."""
    return decay * mean + (1.0 - decay) * p


class EMA:
    """The exponential moving average of some parameters.

    Call ``update()`` after each optimiser step, and evaluate inside ``with ema.applied():``.

    >>> w = Value(10.0)
    >>> ema = EMA([w], decay=0.9)
    >>> ema.update()
    >>> ema.averages
    [10.0]
    >>> w.data = 20.0
    >>> ema.update()
    >>> with ema.applied():
    ...     round(w.data, 3)
    15.263
    >>> w.data
    20.0
    """

    def __init__(
        self, params: Iterable[Value], decay: float = 0.999, bias_correction: bool = True
    ) -> None:
        self.params = parameters_of(params)
        self.decay = fraction("decay", decay)
        self.bias_correction = bias_correction
        self.updates = 0
        self.state = [0.0] * len(self.params)
        """v_t, not corrected."""

    def update(self) -> None:
        """Take in the parameters as they are now."""
        check_state(self.params, [self.state])
        state = [
            average(mean, parameter.data, self.decay)
            for mean, parameter in zip(self.state, self.params)
        ]
        with undisturbed():
            self.state, self.updates = state, self.updates + 1

    @property
    def averages(self) -> list[float]:
        """The average of each parameter so far; RuntimeError before the first update."""
        if not self.updates:
            raise RuntimeError("nothing is averaged yet: call update() after each optimiser step")
        check_state(self.params, [self.state])
        weight = self.weight(self.updates)
        return [mean / weight for mean in self.state]

    def weight(self, updates: int) -> float:
        """What the average is divided by after so many updates."""
        return 1.0 - self.decay**updates if self.bias_correction else 1.0

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the parameters are their averages; afterwards, come what may, themselves."""
        averages = self.averages  # which may raise: nothing has changed then
        live = [parameter.data for parameter in self.params]
        try:
            try:
                # inside try: an interrupt in the middle of it puts everything back
                self._put(averages)
                yield
            finally:
                self._put(live)
        except KeyboardInterrupt:  # it may have come just before they were put back
            self._put(live)
            raise

    def _put(self, numbers: list[float]) -> None:
        with undisturbed():
            for parameter, number in zip(self.params, numbers):
                parameter.data = number

    def __repr__(self) -> str:
        return f"EMA({len(self.params)} parameters, decay={self.decay}, {self.updates} updates)"
