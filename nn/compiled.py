"""Training without making a node: the loss of one example and the optimiser's rule, recorded once.

Both are graphs like any other.  The compiled loss runs over a batch and gives its gradient, the
compiled rule runs over the parameters; a backend runs the two in turn, batch after batch, and
Python looks in now and then.

What Python decides while the example is recorded would stay so in the program.  Two nets catch
that: the recording refuses branches (`nn.recorded`), and the program is held against the eager
engine on other rows (`nn.agreement`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

import autograd
from autograd.collector import uncollected
from autograd.optional import require
from nn.agreement import compare, hold_against_eager, hold_slopes_against_eager
from nn.data import Examples, Table, order_array, plain
from nn.ema import EMA, average
from nn.engines import (
    Checkpoint,
    EagerEngine,
    Metric,
    Model,
    NoLongerAsEagerError,
    NotFiniteError,
    Output,
    Task,
    called,
    refilled,
    score_of,
)
from nn.optim import Changed, Functions, Number, Optimizer, Rule, check_state
from nn.recorded import Sketch, compiled_loss, compiled_outputs, recorded_loss, sketched_rule

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from autograd import Program

    Array: TypeAlias = npt.NDArray[np.float64]

CALL_SECONDS = 0.1
"""How long a call may take before Python looks in again, for the bar and for Ctrl-C."""


class CompiledEngine:
    """Trains with a compiled program; the numbers live in arrays until ``save``."""

    def __init__(self, task: Task, backend: str) -> None:
        self._numpy = require("numpy", extra="fast")
        _refuse_other_steps(task)
        check_state(task.optimizer.params, task.optimizer.state)
        self.task, self._backend = task, backend
        self._rows = table(task.examples)
        self._places = dict(zip(task.optimizer.params, count()))
        recording = recorded_loss(task, self._places)
        self._program, self._sketch = compiled_loss(task, recording, backend), recording.sketch
        self._stated: tuple[Rule, bool, Sketch] | None = None
        self.start = self._good = Checkpoint.of(task)
        """Where the training began, and where the last finite loss was before the last `_take`."""
        self._take(self.start)
        self._record_rule()
        numbers = self._params, self._rows
        first = hold_against_eager(task, self._program, *numbers)
        if self._program.backend != "jax":  # which decides ties of 0 and -0 its own way
            hold_slopes_against_eager(task, self._program, *numbers, *first)
        self._outputs: tuple[Program, Output] | None = None
        self._known = True
        """Whether the program was held against the eager engine since a callback was called."""
        self._steps_per_call = self._program.steps_per_call or 1
        self.name, self.note = str(self._program.backend), str(self._program.note)

    def span(self, epochs: int) -> int:
        """As many as one call may take."""
        return min(epochs, max(1, self._steps_per_call // self.task.batches))

    def train(self, first: int, epochs: int) -> Iterator[Sequence[float]]:
        """As many steps at a time as fit in ``CALL_SECONDS``: whole epochs, or parts of one.

        What the schedule raises is raised when the steps before it are taken.
        """
        task = self.task
        order = order_array(len(task.examples), epochs, task.reshuffles)
        last = first + epochs * task.batches
        while first < last:
            rates, error = self._rates(first, min(self._steps_per_call, last - first))
            if error and not rates:
                raise error
            # the last batch of an epoch may be short
            whole, steps = divmod(len(rates), task.batches)
            rows = whole * len(task.examples) + steps * task.batch_size
            began = perf_counter()
            losses = self._call(order[:rows], rates)
            self._adapt(len(rates), perf_counter() - began)
            finite = losses if isfinite(losses[-1]) else losses[:-1]
            if finite:
                yield finite
            if len(finite) < len(losses):
                raise NotFiniteError(losses[-1], first + len(finite))
            if error:
                raise error
            order, first = order[rows:], first + len(rates)

    def measure(self, examples: Examples, metrics: Sequence[Metric]) -> list[float]:
        """The whole table at a time."""
        if _widths(examples) != _widths(self.task.examples):
            self.save()  # class indices to measure with, say, and probabilities to learn from
            return EagerEngine(self.task).measure(examples, metrics)
        params = self._averages()
        scores = [float(self._program(params, table(examples)).mean())]
        outputs = self._predict(params, examples) if metrics else []
        for metric in metrics:
            each = [score_of(metric, output, y) for output, (_, y) in zip(outputs, examples.rows())]
            scores.append(sum(each) / len(each))
        return scores

    @uncollected()
    def check(self) -> None:
        """Compare with the eager engine, where training ended."""
        self.save()
        if not self._known:  # Ctrl-C in a callback, say, or while what it changed was recorded
            self.renew()
        hold_against_eager(self.task, self._program, self._params, self._rows)

    def save(self) -> None:
        """Put the numbers into the parameters, the optimiser and the average."""
        self._checkpoint(self._params, self._state, self._steps).restore(self.task)

    def load(self) -> None:
        """Take the numbers from where ``save`` puts them."""
        if self._moved:
            self._good = self._checkpoint(self._previous[0], self._previous[1:], self._steps - 1)
        self._take(Checkpoint.of(self.task))
        self._known = False

    @uncollected()
    def renew(self) -> None:
        """Record anew where a callback has changed what is a constant in the program."""
        task = self.task
        try:
            self._state_rule()
            recording = recorded_loss(task, self._places)
            if recording.sketch == self._sketch:
                # a model that keeps its inputs would list them as parameters till it gets numbers
                called(task.model, task.examples.row(0)[0])
            else:
                self._program = compiled_loss(task, recording, self._backend)
                self._sketch, self._outputs = recording.sketch, None
                hold_against_eager(task, self._program, self._params, self._rows)
        except Exception as error:  # whatever they make of Values for numbers by now
            reason = str(error) or type(error).__name__
            refused = NoLongerAsEagerError(f"not after what a callback has changed: {reason}")
            refused.__notes__ = [*getattr(error, "__notes__", ())]  # on branches
            raise refused from error
        self._known = True

    def _checkpoint(self, params: Array, state: Array, steps: int) -> Checkpoint:
        remembered = len(self.task.optimizer.state)
        averages = state[remembered].tolist() if self.task.ema else []
        memory = state[:remembered].tolist()
        return Checkpoint(params.tolist(), memory, steps, averages, steps + self._offset)

    def _take(self, checkpoint: Checkpoint) -> None:
        moves = [parameter.requires_grad for parameter in self.task.optimizer.params]
        state: list[Sequence[float]] = [*checkpoint.state]
        state += [checkpoint.averages] if self.task.ema else []
        # parameters that rest are not left out: a callback may free them, and numbers stay in place
        state += [] if all(moves) else [moves]
        self._params: Array = self._numpy.array(checkpoint.params)
        self._state: Array = self._numpy.array(state, dtype=float).reshape(
            len(state), len(checkpoint.params)
        )
        self._steps, self._offset = checkpoint.steps, checkpoint.updates - checkpoint.steps
        # where the last finite loss was computed, once there is one: till then that is `_good`
        self._previous, self._moved = self._numpy.vstack([self._params, self._state]), False

    def _record_rule(self) -> None:
        """Whatever an optimiser of the user's own does in Python is refused before the training."""
        self._state_rule()
        hyper, none, previous = self._hyper_of_two(), self._numpy.zeros(0, int), self._previous
        arrays = self._params, self._state, previous, self._rows, none, 1, hyper[:0]
        self._program.train(self._rule, autograd.Program.Steps(*arrays))
        optimizer = self.task.optimizer
        steps, seen = optimizer.steps, (self._stated, hyper.tobytes())
        try:
            optimizer.steps += 1
            if seen != (self._stated_now(), self._hyper_of_two().tobytes()):
                raise TypeError(
                    f"the rule or hyper() of {type(optimizer).__name__} looks at self.steps, or at "
                    "what else changes by itself, and a program would keep what it saw: hyper() is "
                    "given the step"
                )
        finally:
            optimizer.steps = steps

    def _state_rule(self) -> None:
        """To a program another rule is one to record, and so is one that sees other things."""
        stated = self._stated_now()
        if stated != self._stated:
            self._stated, self._rule = stated, rule_of(self.task, frozen=stated[1])

    def _stated_now(self) -> tuple[Rule, bool, Sketch]:
        """The rule, whether some parameters are frozen, and what the rule does as things are."""
        optimizer = self.task.optimizer
        frozen = not all(parameter.requires_grad for parameter in optimizer.params)
        numbers = self._hyper_of_two().shape[1] - bool(self.task.ema)
        return optimizer.rule, frozen, sketched_rule(optimizer, numbers)

    def _hyper_of_two(self) -> Array:
        """The numbers of two steps, to see what they are."""
        try:
            return self._hyper([self.task.optimizer.lr] * 2)
        except Exception as error:
            error.add_note("in hyper(), which is given a whole training's steps as an array")
            raise

    @property
    def _updates(self) -> int:
        """How often the average was updated: once per step, and perhaps before."""
        return self._steps + self._offset

    def _rates(self, first: int, steps: int) -> tuple[list[float], BaseException | None]:
        """The learning rates of some steps, up to one for which the user's schedule raises."""
        rates: list[float] = []
        try:
            for step in range(first, first + steps):
                rates.append(self.task.rate(step))
        except BaseException as error:
            return rates, error
        return rates, None

    def _call(self, order: npt.NDArray[np.int64], rates: list[float]) -> list[float]:
        """Take steps, and give their losses: all of them, or up to one that is not finite.

        Ctrl-C undoes all of them, such a loss the step that led to it.
        """
        # copies: an interrupted call leaves what it was given half changed
        arrays = self._params.copy(), self._state.copy(), self._previous.copy()
        hyper, size = self._hyper(rates), self.task.batch_size
        epoch = len(self.task.examples)
        call = autograd.Program.Steps(*arrays, self._rows, order, size, hyper, epoch)
        losses: list[float] = self._program.train(self._rule, call).tolist()
        steps = self._steps + len(losses)
        self._params, self._state, self._previous, self._steps = *arrays, steps
        if not isfinite(losses[-1]):
            # counted, but not taken; and the one before it, if there was one, led to this loss
            self._undo(self._moved or len(losses) > 1)
        self._moved = True
        return losses

    def _undo(self, moved: bool) -> None:
        """Go back to where the last finite loss was computed."""
        if not moved:
            self._take(self._good)
            return
        self._steps -= 2
        self._params, self._state = self._previous[0].copy(), self._previous[1:].copy()

    def _hyper(self, rates: list[float]) -> Array:
        """What the rule needs besides gradients, one row per step."""
        numpy, optimizer, ema = self._numpy, self.task.optimizer, self.task.ema
        steps = numpy.arange(self._steps + 1, self._steps + 1 + len(rates))
        columns = optimizer.hyper(steps, numpy.array(rates, dtype=float))
        columns = (*columns, ema.decay) if ema else columns
        hyper: Array = numpy.empty((len(rates), len(columns)))
        for place, column in enumerate(columns):
            hyper[:, place] = column
        return hyper

    def _averages(self) -> Array:
        """The numbers to measure with."""
        ema, optimizer = self.task.ema, self.task.optimizer
        if ema is None:
            return self._params
        averages: Array = self._state[len(optimizer.state)] / ema.weight(self._updates)
        return averages

    def _predict(self, params: Array, examples: Examples) -> list[Any]:
        if self._outputs is None:
            row = examples.row(0)[0]
            self._outputs = compiled_outputs(
                self.task.model, row, self.task.optimizer.params, self._backend
            )
            called(self.task.model, row)  # which may keep what it was last called with
        program, template = self._outputs
        return per_row(program(params, self._numpy.asarray(examples.X)), template)

    def _adapt(self, steps: int, seconds: float) -> None:
        """Make the next call as long as it may be, but not too much longer than this one."""
        if self._program.steps_per_call:
            return
        # the first call plans as well as trains, so that its time says little of the next
        fitting = int(CALL_SECONDS * steps / max(seconds, 1e-9))
        self._steps_per_call = max(1, min(fitting, 8 * steps))


@uncollected()
def predicted(model: Model, rows: Table, backend: str) -> list[Any]:
    """The model's outputs for every row; ValueError where they differ from the eager engine's."""
    numpy = require("numpy", extra="fast")
    program, template = compiled_outputs(model, plain(rows[0]), None, backend)
    numbers: Array = numpy.asarray(rows, dtype=float)
    outputs = program(program.pack(), numbers)
    compare(
        "output for",
        numbers,
        compiled=lambda chosen: outputs[chosen].tolist(),
        eager=lambda i: called(model, numbers[i].tolist()),
    )
    return per_row(outputs, template)


def rule_of(task: Task, frozen: bool = False) -> Rule:
    """The optimiser's rule, and the average's behind it.

    With ``frozen`` a last state says which parameters move: 1, or 0 for those that stay.
    """
    optimizer, ema = task.optimizer, task.ema
    states = len(optimizer.state_names)
    more = bool(ema) + frozen

    def rule(m: Functions, p: Number, g: Number, *rest: Number) -> Changed:
        state, others = rest[:states], rest[states : states + more]
        numbers = rest[states + more :]
        changed = optimizer.rule(m, p, g, *state, *(numbers[:-1] if ema else numbers))
        if frozen:
            changed = tuple(m.where(others[-1], new, old) for new, old in zip(changed, (p, *state)))
        mean = (average(others[0], changed[0], numbers[-1]),) if ema else ()
        return *changed, *mean, *others[bool(ema) :]

    return rule


def _refuse_other_steps(task: Task) -> None:
    """TypeError where a step is more than a rule: a program repeats no method."""
    optimizer, ema = task.optimizer, task.ema
    for held, kind, names in (
        (optimizer, Optimizer, ("step", "zero_grad")),
        (ema, EMA, ("update", "averages", "applied")),
    ):
        for name in names if held else ():
            if name in vars(held) or getattr(type(held), name) is not getattr(kind, name):
                raise TypeError(
                    f"{type(held).__name__} has its own {name}, which a program does not call: "
                    'state it in the rule (see nn.optim), or use backend="eager"'
                )


def _widths(examples: Examples) -> tuple[int, int]:
    """How many numbers a row has and a target, 0 where this is one without a list around it."""
    row, target = examples.row(0)
    return len(row), len(target) if isinstance(target, list) else 0


def table(examples: Examples) -> Array:
    """Rows with their targets behind them, as one array."""
    import numpy

    return numpy.ascontiguousarray(
        numpy.column_stack([examples.X, examples.y]), dtype=numpy.float64
    )


def per_row(outputs: Array, template: Output) -> list[Any]:
    """A program's outputs (N, O), each row as the model would give it: like the template."""
    return [refilled(template, iter(row)) for row in outputs.tolist()]
