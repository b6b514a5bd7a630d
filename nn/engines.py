"""Engines: who does the arithmetic of training.

The *eager* engine, here, builds graphs and pays them back; the *compiled* one (`nn.compiled`)
records the graph of one example and runs it over many batches without making a node.  Both take the
same batches in the same order and give the same numbers up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from random import Random
from typing import Any, Protocol, TypeAlias, TypeVar

import autograd
from autograd import Value
from autograd.transforms import transforming
from nn.data import Examples, order_of
from nn.ema import EMA
from nn.interrupts import undisturbed
from nn.losses import plain_number
from nn.optim import Optimizer

Output: TypeAlias = Value | Sequence["Output"]
"""What a model makes of a row: a number, or a list of numbers or of lists."""

Model: TypeAlias = Callable[[list[Any]], Output]
"""Called with a row of numbers; with a row of Values while it is recorded."""

Metric: TypeAlias = Callable[[Any, Any], float]

Made = TypeVar("Made")

ROWS_AT_ONCE = 64
"""How many rows of a batch the eager engine holds graphs of: few enough for the cache."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be learned, and how."""

    model: Model
    examples: Examples
    loss: Callable[[Any, Any], Value]
    optimizer: Optimizer
    ema: EMA | None
    batch_size: int
    shuffle: Random | None
    rate: Callable[[int], float]
    """The learning rate of step 0, 1, 2 …"""

    @property
    def batches(self) -> int:
        """Batches per epoch, the last one perhaps smaller."""
        return -(-len(self.examples) // self.batch_size)

    def tried(self, x: list[Any], y: Any) -> tuple[Output, Value]:
        """The model's output for an example, and its loss."""
        output = called(self.model, x)
        return output, called(self.loss, output, y)

    @property
    def reshuffles(self) -> Random | None:
        """Where orders come from; a batch of everything needs none."""
        return self.shuffle if self.batches > 1 else None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that training changes, at one moment."""

    params: list[float]
    state: list[list[float]]
    steps: int
    averages: list[float]
    updates: int

    @classmethod
    def of(cls, task: Task) -> Checkpoint:
        """Where a task stands now."""
        optimizer, ema = task.optimizer, task.ema
        params = [parameter.data for parameter in optimizer.params]
        averages = (ema.state, ema.updates) if ema else ([], 0)
        return cls(params, optimizer.state, optimizer.steps, *averages)

    def restore(self, task: Task) -> None:
        """Make it so again."""
        with undisturbed():
            for parameter, number in zip(task.optimizer.params, self.params):
                parameter.data = number
            task.optimizer.state, task.optimizer.steps = self.state, self.steps
            if task.ema:
                task.ema.state, task.ema.updates = self.averages, self.updates


class NotFiniteError(ArithmeticError):
    """A loss was nan or infinite; everything stands as at the last loss that was not."""

    def __init__(self, loss: float, step: int) -> None:
        super().__init__(loss, step)
        self.loss, self.step = loss, step


class NotAsEagerError(ValueError):
    """A compiled program gives other numbers than the model and the loss it was recorded from."""


class NoLongerAsEagerError(NotAsEagerError):
    """It does so since a callback changed something: what was learned until then is right."""


class Engine(Protocol):
    """Trains, measures, and keeps the model up to date."""

    name: str
    start: Checkpoint
    """Where everything stood when the engine was made."""

    def span(self, epochs: int) -> int:
        """How many of so many epochs to train before anyone looks."""

    def train(self, first: int, epochs: int) -> Iterator[Sequence[float]]:
        """Train for a span of epochs from step ``first``; yields the losses, some at a time.

        Raises NotFiniteError.
        """

    def measure(self, examples: Examples, metrics: Sequence[Metric]) -> list[float]:
        """The mean loss and the mean metrics, by the averaged weights where there are any."""

    def check(self) -> None:
        """NotAsEagerError unless the eager engine gives the same numbers, where training ended."""

    def save(self) -> None:
        """Put what was learned into the model, the optimiser and the average."""

    def load(self) -> None:
        """Take up what these hold now."""

    def renew(self) -> None:
        """Take up what else may have changed; NoLongerAsEagerError where it cannot be compiled."""


class EagerEngine:
    """Trains with graphs made of Values."""

    name = "eager"

    def __init__(self, task: Task) -> None:
        self.task = task
        self.start = self._good = Checkpoint.of(task)

    def span(self, epochs: int) -> int:
        """One: every step comes back to Python anyway."""
        return 1

    def train(self, first: int, epochs: int) -> Iterator[Sequence[float]]:
        """A step at a time."""
        task, step = self.task, first
        for _ in range(epochs):
            order = order_of(len(task.examples), task.reshuffles)
            for start in range(0, len(order), task.batch_size):
                yield [self._step(order[start : start + task.batch_size], step)]
                step += 1

    def measure(self, examples: Examples, metrics: Sequence[Metric]) -> list[float]:
        """Row by row."""
        if self.task.ema is None:
            return self._measure(examples, metrics)
        with self.task.ema.applied():
            return self._measure(examples, metrics)

    def check(self) -> None:
        """Nothing to do: this is the eager engine."""

    def save(self) -> None:
        """Nothing to do: eager training works on the model itself."""

    def load(self) -> None:
        """Nothing to do: eager training works on the model itself."""

    def renew(self) -> None:
        """Nothing to do: every graph is made anew."""

    def _step(self, batch: Sequence[int], step: int) -> float:
        task = self.task
        # a schedule is the user's code: it may raise, and is asked before anything moves
        rate = task.rate(step)
        task.optimizer.zero_grad()
        loss = self._backward(batch)
        # its gradients are nan too: weights that still give a finite loss are worth keeping
        if not isfinite(loss):
            self._good.restore(task)
            raise NotFiniteError(loss, step)
        self._good = Checkpoint.of(task)
        with undisturbed():
            try:
                task.optimizer.step(rate)
                if task.ema:
                    task.ema.update()
            except BaseException:  # as if the step had not begun
                self._good.restore(task)
                raise
        return loss

    def _backward(self, batch: Sequence[int]) -> float:
        """The mean loss of a batch, its gradient added to the parameters."""
        task, loss = self.task, 0.0
        for start in range(0, len(batch), ROWS_AT_ONCE):
            chunk = task.examples.rows(batch[start : start + ROWS_AT_ONCE])
            # one root per chunk: what rows share, such as a weight, is walked once for all of them
            with transforming():  # as `called` does, once for all of them
                part = autograd.sum([task.loss(task.model(x), y) for x, y in chunk])
            if part.requires_grad:  # else all of them are constants, far on the right side, say
                part.backward(1.0 / len(batch))
            loss += part.data
        return loss / len(batch)

    def _measure(self, examples: Examples, metrics: Sequence[Metric]) -> list[float]:
        totals = [0.0] * (1 + len(metrics))
        for x, y in examples.rows():
            output, loss = self.task.tried(x, y)
            numbers = numbers_of(output)
            scores = [loss.data, *(score_of(metric, numbers, y) for metric in metrics)]
            totals = [total + score for total, score in zip(totals, scores)]
        return [total / len(examples) for total in totals]


def called(function: Callable[..., Made], *given: Any) -> Made:
    """What the model makes of a row, or the loss of outputs and their target.

    A derivative in it, `autograd.grad` of a network, say, is a Value that can be differentiated
    like all the rest, though it is taken at plain numbers.
    """
    with transforming():
        return function(*given)


def score_of(metric: Metric, output: Any, target: Any) -> float:
    """What a metric says of one row; TypeError for what is no number."""
    given = metric(output, target)
    if not hasattr(given, "__float__"):
        raise TypeError(f"a metric gives a number, {metric!r:.60} gave {given!r:.60}")
    return float(given)


def listed(output: Any) -> list[Any]:
    """What a model returned, number by number."""
    if (parts := parts_of(output)) is None:
        return [output]
    return [number for part in parts for number in listed(part)]


def numbers_of(output: Any) -> Any:
    """What a model returned as plain numbers: a float, or a list of floats or of lists."""
    return refilled(output, map(plain_number, listed(output)))


def refilled(output: Any, numbers: Iterator[Any]) -> Any:
    """What a model returned with other numbers in it."""
    if (parts := parts_of(output)) is None:
        return next(numbers)
    return [refilled(part, numbers) for part in parts]


def parts_of(output: Any) -> Sequence[Any] | None:
    """What a list, or a NumPy array, of outputs holds; None for a number."""
    if getattr(output, "ndim", 0):
        output = output.tolist()
    return output if isinstance(output, list | tuple) else None
