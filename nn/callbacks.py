"""Callbacks: what to do after each epoch of ``fit``.

A callback is any function of an `Epoch`; returning True ends the training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isnan

from nn.ema import EMA
from nn.engines import Model
from nn.history import History
from nn.interrupts import undisturbed
from nn.layers import count
from nn.optim import Optimizer, not_negative


@dataclass(frozen=True, slots=True)
class Epoch:
    """A finished epoch, as callbacks see it; ``number`` counts from 1."""

    number: int
    history: History
    model: Model
    optimizer: Optimizer
    ema: EMA | None = None


Callback = Callable[[Epoch], object]

FALLING = ("loss", "error", "entropy")
"""How the names of metrics end that are better when they are less."""


class EarlyStopping:
    """Ends the training once a number has not improved for ``patience`` epochs.

    ``monitor`` is "validation" (the default where there is validation), "loss", or the name of a
    metric; losses should fall and metrics rise, except those whose names end in "loss", "error" or
    "entropy", and nan is worse than anything.  When it ends the training, it puts back the weights
    of the best epoch, and with them the averages of ``ema``, which were measured.
    """

    def __init__(
        self, patience: int = 10, monitor: str = "", min_delta: float = 0.0, restore: bool = True
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f'monitor is "validation", "loss" or a metric\'s name, got {monitor!r}')
        self.patience, self.monitor = count("patience", patience), monitor
        self.min_delta, self.restore = not_negative("min_delta", min_delta), restore
        self.best = inf
        self.best_epoch = 0
        self._weights: list[float] = []
        self._averages: tuple[list[float], int] = [], 0

    def __call__(self, epoch: Epoch) -> bool:
        score = self._score(epoch.history)
        # the first epoch counts whatever its score: there have to be weights to put back
        if score < self.best - self.min_delta or epoch.number == 1:
            self.best, self.best_epoch = score, epoch.number
            # numbers, not Values: these go on being trained
            self._weights = [parameter.data for parameter in epoch.optimizer.params]
            self._averages = (epoch.ema.state, epoch.ema.updates) if epoch.ema else ([], 0)
        if epoch.number - self.best_epoch < self.patience:
            return False
        if self.restore:
            self._put_back(epoch)
        return True

    def _put_back(self, epoch: Epoch) -> None:
        with undisturbed():
            for parameter, number in zip(epoch.optimizer.params, self._weights):
                parameter.data = number
            if epoch.ema:
                epoch.ema.state, epoch.ema.updates = self._averages

    def _score(self, history: History) -> float:
        """What is watched, turned so that less is better."""
        latest = history.latest()
        name = self.monitor or ("validation" if "validation" in latest else "loss")
        if name not in latest:
            raise ValueError(f"there is no {name!r} to monitor: {', '.join(latest)}")
        # a second metric of one name has a number behind it
        falls = name.rstrip(" 0123456789").endswith(FALLING)
        rises = name in history.metrics and not falls
        score = -latest[name] if rises else latest[name]
        return inf if isnan(score) else score

    def __repr__(self) -> str:
        return f"EarlyStopping(patience={self.patience}, monitor={self.monitor!r})"
