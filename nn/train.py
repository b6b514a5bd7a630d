"""Training: ``fit`` moves a model's parameters until its outputs are near the targets.

Vocabulary: a *step* moves the parameters once, against the gradient of the mean loss over a *batch*
of examples; an *epoch* is as many steps as it takes to use every example once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from math import isfinite
from time import perf_counter
from typing import Any, SupportsIndex

from autograd import Value, enable_grad, is_anomaly_enabled
from autograd.collector import uncollected
from nn.callbacks import Callback, Epoch
from nn.data import ArrayLike, Examples, Table, examples, is_array, orders, plain, rows
from nn.ema import EMA
from nn.engines import (
    EagerEngine,
    Engine,
    Metric,
    Model,
    NoLongerAsEagerError,
    NotAsEagerError,
    NotFiniteError,
    Task,
    called,
    numbers_of,
    score_of,
)
from nn.graphs import depends
from nn.history import DivergedError, History
from nn.interrupts import undisturbed
from nn.layers import count
from nn.losses import Loss, check_target
from nn.module import Module
from nn.optim import Optimizer
from nn.progress import Show, bar, busy
from nn.schedules import as_schedule

BACKENDS = ("auto", "eager", "native", "numpy", "jax")
INTERRUPTED = "interrupted by the user"
COMPILING = "compiling (takes a while only the first time)"
ROWS_LOOKED_AT = 16
UNSEEN = "not compiled: detect_anomaly() looks at every operation, and a program shows none"
COMPILE_FROM = 256
"""``predict`` compiles by default for this many rows: fewer are done sooner than compiled."""


def fit(
    model: Model,
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int = 100,
    batch_size: int | None = 32,
    shuffle: bool = True,
    seed: SupportsIndex | None = 0,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    metrics: Sequence[Metric] = (),
    ema: EMA | None = None,
    schedule: Callable[..., float] | None = None,
    backend: str = "auto",
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> History:
    """Train a model on rows ``X`` with targets ``y`` and return the `History`.

    ``X`` has one row per example and ``y`` one target: what the loss takes, a number, a class index
    or a list (see `nn.losses`).  Lists and NumPy arrays will do.  Everything is checked before
    anything changes.

    * ``optimizer`` is an instance over the model's parameters: ``nn.Adam(model.parameters(),
      lr=1e-2)``. Parameters that it does not hold stay as they are.
    * ``batch_size=None`` makes one batch of everything; the last batch of an epoch may be smaller.
      ``shuffle`` draws a new order every epoch from ``seed`` (None: a different one each time).
      An optimiser that has taken steps goes on with the orders after those of its epochs so far:
      5 epochs and 5 more with the same optimiser, data and seed are 10. (A schedule counts the
      steps of one ``fit``.)
    * ``validation=(X, y)`` is measured after every epoch, and so are the ``metrics``, functions
      (output, target) -> number of plain numbers such as `nn.accuracy`; without validation, on X
      and y.
    * ``ema`` is updated after every step, and measured with; afterwards use ``with
      ema.applied():``.
    * ``schedule`` gives the learning rate of each step (see `nn.schedules`); without,
      ``optimizer.lr`` holds, which a callback may change.
    * ``backend="auto"`` records the loss of one example and trains with the compiled program,
      falling back to the eager engine, with a note in the history, where that cannot be done;
      "native", "numpy" or "jax" insist; "eager" builds a graph for every example. The numbers are
      the same up to rounding. What Python decides by a number (``if x[0] < 2``, ``max``, ``int``,
      ``.data``) cannot be compiled: the note names the line and what to write instead. A random
      draw or a counter shows only when the program is compared with the eager engine, before and
      after the training; "auto" then trains anew, eagerly. Under `autograd.detect_anomaly` "auto"
      is eager, too. Only the eager engine leaves gradients in the ``grad`` of parameters.
    * ``callbacks`` are called with an `Epoch` after each epoch; one that returns True ends the
      training. What they change, be it the weight of a loss, counts from the next epoch on: the
      loss is recorded anew, and compiled anew if that gives another graph; where that cannot be
      done "auto" goes on eagerly.

    Ctrl-C ends the training and keeps what was learned. A loss that is nan or infinite raises
    DivergedError, and leaves the weights of the last loss that was neither.
    """
    names = ("validation X", "validation y")
    # whatever is refused is refused before the first step, while nothing has changed
    _check(model, optimizer, ema, backend)
    _check_functions(loss=[loss], metrics=metrics, callbacks=callbacks)
    learned = examples(X, y)
    held_out = None if validation is None else examples(*_pair(validation), names)
    size = len(learned) if batch_size is None else count("batch_size", batch_size)
    size = min(size, len(learned))
    rate = _rates(schedule, optimizer, count("epochs", epochs) * -(-len(learned) // size))
    # epochs behind this optimiser: the orders of the next ones follow theirs
    trained = optimizer.steps // -(-len(learned) // size) if size < len(learned) else 0
    order = orders(seed, len(learned), trained) if shuffle else None
    task = Task(model, learned, loss, optimizer, ema, size, order, rate)
    try:
        with uncollected():  # which would walk through the graphs of a large model again and again
            _check_dependence(task, _try_out(task, learned, "y", metrics))
            if held_out:
                _try_out(task, held_out, names[1])
            with busy(COMPILING, progress and backend != "eager"):
                engine, note = _engine(task, backend)
    except KeyboardInterrupt:  # while compiling: nothing is learned yet
        return History(backend=backend, stopped=INTERRUPTED)
    history = History(backend=engine.name, note=note)
    training = TrainingRun(
        task, engine, history, epochs, held_out, tuple(metrics), tuple(callbacks)
    )
    # to begin again with, should the compiled numbers turn out wrong at the end
    settings = optimizer.state_dict()
    learning = [parameter.requires_grad for parameter in optimizer.params]
    try:
        return training.run(progress)
    except NotAsEagerError as error:
        if backend == "auto" and isinstance(error, NoLongerAsEagerError):
            history.backend = "eager"
            history.note = f"compiled up to epoch {len(history)}, then {_note(error)}"
            return replace(training, engine=EagerEngine(task)).run(progress)
        # what was learned is worth nothing
        optimizer.load_state_dict(settings)
        for parameter, learns in zip(optimizer.params, learning):  # a callback may have frozen it
            parameter.requires_grad = learns
        engine.start.restore(task)
        if backend != "auto":
            raise
        order = orders(seed, len(learned), trained) if shuffle else None
        again = replace(task, shuffle=order)
        history = History(backend="eager", note=_note(error))
        # who pressed Ctrl-C does not want to wait for a second training
        if training.history.stopped == INTERRUPTED:
            return replace(history, stopped=INTERRUPTED)
        eagerly = replace(training, task=again, engine=EagerEngine(again), history=history)
        return eagerly.run(progress)


def predict(model: Model, X: ArrayLike, *, backend: str = "auto") -> Any:
    """The model's outputs for every row of X: an array for an array, else a list.

    A model with one output gives one number per row, others a list of numbers per row.  Where a
    list holds lists of several lengths, there is no array of them: they come as lists.
    ``backend="auto"`` compiles the model for many rows; see `fit` for what cannot be compiled.
    """
    _check_backend(backend)
    outputs = _predicted(model, rows(X), backend)
    if not is_array(X):
        return outputs
    import numpy

    try:
        return numpy.array(outputs)
    except ValueError:  # [means, [weights]], say
        return outputs


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One training, from its first epoch to its last."""

    task: Task
    engine: Engine
    history: History
    epochs: int
    held_out: Examples | None
    metrics: tuple[Metric, ...]
    callbacks: tuple[Callback, ...]

    def run(self, progress: bool) -> History:
        """Train, come what may, and say how it went.

        Raises DivergedError, and NotAsEagerError for numbers that are wrong.
        """
        history, began = self.history, perf_counter()
        steps = self.epochs * self.task.batches
        diverged = False
        try:
            with bar(self.epochs, steps, progress) as show:
                self._run(show)
        except KeyboardInterrupt:
            history.stopped = INTERRUPTED
        except NotFiniteError as error:
            history.stopped, diverged = _divergence(error, self.task), True
        finally:
            self.engine.save()
            history.seconds += perf_counter() - began
        self.engine.check()
        if diverged:
            raise DivergedError(history.stopped, history)
        return history

    def _run(self, show: Show) -> None:
        """Train epoch by epoch, or several at once where nobody wants to look in between."""
        watched = bool(self.held_out or self.metrics or self.callbacks)
        while len(self.history) < self.epochs and not self.history.stopped:
            left = self.epochs - len(self.history)
            self._train(1 if watched else self.engine.span(left), show)
            if watched:
                self._measure()
                self._show(show, len(self.history) * self.task.batches, self.history.latest())
                self._call_back()

    def _train(self, epochs: int, show: Show) -> None:
        begun = len(self.history) * self.task.batches
        losses: list[float] = []
        try:
            for part in self.engine.train(begun, epochs):
                losses += part
                latest = {**self.history.latest(), "loss": losses[-1]}
                self._show(show, begun + len(losses), latest)
        finally:
            with undisturbed():  # an epoch has a loss and a rate, or neither
                self._remember(losses)

    def _remember(self, losses: list[float]) -> None:
        """Losses come per step, a history has one entry per epoch that came to its end."""
        done, batches = len(self.history), self.task.batches
        epochs = len(losses) // batches
        last_steps = range((done + 1) * batches - 1, (done + epochs) * batches, batches)
        rates = [*map(self.task.rate, last_steps)]  # a schedule may raise
        self.history.loss += losses if batches == 1 else self._means(losses[: epochs * batches])
        self.history.rate += rates

    def _show(self, show: Show, steps: int, latest: dict[str, float]) -> None:
        show(-(-steps // self.task.batches), steps, latest, self.task.rate(steps - 1))

    def _means(self, losses: list[float]) -> list[float]:
        """Per epoch, over examples: the last batch may have fewer of them."""
        batches, size = self.task.batches, self.task.batch_size
        short = size * batches - len(self.task.examples)
        return [
            (sum(losses[i : i + batches]) * size - losses[i + batches - 1] * short)
            / (size * batches - short)
            for i in range(0, len(losses), batches)
        ]

    def _measure(self) -> None:
        if not (self.held_out or self.metrics):
            return
        loss, *scores = self.engine.measure(self.held_out or self.task.examples, self.metrics)
        if self.held_out:
            self.history.validation_loss.append(loss)
        for name, score in zip(_names(self.metrics), scores):
            self.history.metrics.setdefault(name, []).append(score)

    def _call_back(self) -> None:
        if not self.callbacks:
            return
        self.engine.save()
        task = self.task
        # a callback may look at the model and change it: saved before it, loaded after it
        epoch = Epoch(len(self.history), self.history, task.model, task.optimizer, task.ema)
        try:
            for callback in self.callbacks:
                if plain(callback(epoch)) is True:  # NumPy's True, too
                    self.history.stopped = f"by {_name(callback)} after epoch {epoch.number}"
        finally:  # also where it raises: what it has changed stays
            with undisturbed():
                self.engine.load()
        self.engine.renew()


def _engine(task: Task, backend: str) -> tuple[Engine, str]:
    """The engine for a backend, and for "auto" why it is not a compiled one if so."""
    if backend == "eager":
        return EagerEngine(task), ""
    if backend == "auto" and is_anomaly_enabled():
        return EagerEngine(task), UNSEEN
    try:
        from nn.compiled import CompiledEngine

        engine = CompiledEngine(task, backend)
        return engine, engine.note
    except Exception as error:  # whatever the model and the loss make of Values for numbers
        if backend != "auto":
            raise
        return EagerEngine(task), _note(error)


def _note(error: Exception) -> str:
    """Why the eager engine ran, with what `autograd.no_branches` has to say of the line."""
    return " ".join(
        ["not compiled:", f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
    )


def _predicted(model: Model, table: Table, backend: str) -> list[Any]:
    """Rows through the model, compiled where that is asked for or worth while."""
    eager = len(table) < COMPILE_FROM or is_anomaly_enabled()
    if backend == "eager" or (backend == "auto" and eager):
        return _predicted_eagerly(model, table)
    failures = (Exception,) if backend == "auto" else ()
    with suppress(*failures):  # whatever the model makes of Values for numbers
        from nn.compiled import predicted

        with enable_grad():  # a program is recorded from a graph, whoever wants none
            return predicted(model, table, backend)
    return _predicted_eagerly(model, table)


def _predicted_eagerly(model: Model, table: Table) -> list[Any]:
    return [numbers_of(called(model, plain(row))) for row in table]


def _rates(
    schedule: Callable[..., float] | None, optimizer: Optimizer, steps: int
) -> Callable[[int], float]:
    """The learning rate of each step."""
    if schedule is None:
        return lambda step: optimizer.lr
    planned = as_schedule(schedule)

    def rate_of(step: int) -> float:
        given = planned(step, steps)
        if not hasattr(given, "__float__"):  # which arrays of one number have: np.where gives them
            raise TypeError(f"the schedule gave {given!r} for step {step}, not a learning rate")
        if not isfinite(rate := float(given)):
            raise ValueError(f"the schedule gave a learning rate of {rate} for step {step}")
        return rate

    rate_of(0)  # refused, if it has to be, before anything changes
    return rate_of


def _check(model: object, optimizer: object, ema: object, backend: str) -> None:
    """What does not depend on the data."""
    _check_backend(backend)
    if not callable(model):
        raise TypeError(
            f"the model is called with a row of inputs, but {model!r:.60} cannot be called"
        )
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer is an instance such as nn.Adam(model.parameters()), got {optimizer!r:.60}"
        )
    if not isinstance(ema, EMA | None):
        raise TypeError(f"ema is an instance such as nn.EMA(model.parameters()), got {ema!r:.60}")
    if ema and ema.params != optimizer.params:
        raise ValueError(
            "ema should average the parameters that the optimizer moves, in the same order"
        )


def _check_functions(**given: Sequence[object]) -> None:
    examples = {"loss": "nn.cross_entropy", "metrics": "[nn.accuracy]", "callbacks": "[print]"}
    for name, functions in given.items():
        if not isinstance(functions, list | tuple) or not all(map(callable, functions)):
            shown = functions[0] if name == "loss" else functions
            raise TypeError(f"{name} should be like {examples[name]}, got {shown!r:.60}")


def _check_backend(backend: str) -> None:
    if backend not in (*BACKENDS, "numba"):  # the old name of "native"
        raise ValueError(f"backend should be one of {', '.join(BACKENDS)}, got {backend!r}")


def _pair(validation: object) -> tuple[ArrayLike, ArrayLike]:
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise TypeError(f"validation is a pair (X, y) of examples held out, got {validation!r:.60}")
    return validation[0], validation[1]


def _try_out(task: Task, data: Examples, name: str, metrics: Sequence[Metric] = ()) -> Value:
    """The loss of one example, after a look at its metrics and every target that occurs."""
    x, y = data.row(0)
    outputs = called(task.model, x)
    # a bad label in the last row should not wait for the last batch to be found
    for target in data.distinct_targets():
        try:
            check_target(task.loss, target, outputs)
        except ValueError as error:
            raise ValueError(f"{name} cannot be learned: {error}") from None
    loss = called(task.loss, outputs, y)
    if not isinstance(loss, Value):
        raise TypeError(f"the loss should return a Value, {_name(task.loss)} did not")
    for metric in metrics:
        score_of(metric, numbers_of(outputs), y)
    return loss


def _check_dependence(task: Task, first_loss: Value) -> None:
    """ValueError where no parameter changes the loss of the first row, nor that of the next few."""
    others = task.examples.rows(range(1, min(len(task.examples), ROWS_LOOKED_AT)))
    # of one row alone all units may be on their flat side
    losses = chain([first_loss], (task.tried(*example)[1] for example in others))
    if any(depends(loss, task.optimizer.params) for loss in losses):
        return
    model = task.model
    if isinstance(model, Module) and {*task.optimizer.params}.isdisjoint(model.parameters()):
        raise ValueError(
            "the optimizer holds none of the model's parameters: was it made for another?"
        )
    raise ValueError(
        "the loss depends on no parameter that the optimizer moves: are they frozen or another "
        "model's, or is a number taken out of the graph by .data, detach() or no_grad()?"
    )


def _divergence(error: NotFiniteError, task: Task) -> str:
    epoch, batch = divmod(error.step, task.batches)
    return (
        f"the loss became {error.loss} in epoch {epoch + 1}, batch {batch + 1} of {task.batches}; "
        "the model keeps the weights of the last finite loss. "
        "A smaller learning rate may help, or inputs scaled to about 1"
    )


def _names(metrics: Sequence[Metric]) -> list[str]:
    """A name for each: a second one of a name is "name 2", since a history keeps lists by name."""
    names = ["loss", "validation"]  # which are the names of the losses in it
    for name in map(_name, metrics):
        others = (f"{name} {i}" for i in range(2, 2 + len(names)))
        names.append(next(each for each in chain([name], others) if each not in names))
    return names[2:]


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)
