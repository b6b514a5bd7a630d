"""Training without making a node: the loss of one example and the optimiser's rule, recorded once.

Both are graphs like any other.  The compiled loss runs over a batch and gives its gradient, the
compiled rule runs over the parameters; a backend runs the two in turn, batch after batch, and
Python looks in now and then.

What Python decides while the example is recorded would stay so in the program.  Two nets catch
that: `autograd.no_branches` around the recording refuses to show Python a number that depends on
anything, and the program is held against the eager engine on other rows, before the training and
after it, since a random draw or a counter in Python escapes the first net.  The larger the model,
the fewer rows: 256 where there is little to compute, 4 where there are 400,000 weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain, zip_longest
from math import isfinite
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import autograd
from autograd import BranchError, Placeholder, Value, gradients, no_branches, topological_order
from autograd.collector import uncollected
from autograd.optional import require
from nn.data import Examples, Row, Table, Target, order_array, plain
from nn.ema import average
from nn.engines import (
    Checkpoint,
    Metric,
    Model,
    NotAsEagerError,
    NotFiniteError,
    Output,
    Task,
    numbers_of,
    score_of,
)
from nn.graphs import edges, learns
from nn.optim import Changed, Functions, Number, Rule

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from autograd import Program

    Array: TypeAlias = npt.NDArray[np.float64]

CALL_SECONDS = 0.1
"""How long a call may take before Python looks in again, for the bar and for Ctrl-C."""

ROWS_WITHIN_EDGES = {256: 100_000, 16: 2_000_000}
"""How many rows are compared where their graphs have no more edges than that together: a hundredth
of a second's work for the small, some tenths for the large."""
FEWEST_ROWS = 4
"""How many in any case."""

ATOL = 1e-9
"""How far two numbers may be apart that are the same."""
RTOL_OF_TERMS = 2.0**-46
"""And each of the terms that they are made of, relatively: some units in the last place."""


Outputs = TypeVar("Outputs", bound=Output)
Recorded = Callable[[], tuple[list[Value], list[Value]]]
"""Records an example anew: the roots of its graph, and the inputs."""


class CompiledEngine:
    """Trains with a compiled program; the numbers live in arrays until ``save``."""

    def __init__(self, task: Task, backend: str) -> None:
        self._numpy = require("numpy", extra="fast")
        self.task, self._backend = task, backend
        self._rows = table(task.examples)
        self._program = compiled_loss(task, backend)
        self._stated: tuple[Rule, bool] | None = None
        self.start = self._good = Checkpoint.of(task)
        self._take(self.start)
        numbers = self._params, self._rows
        first = _hold_against_eager(task, self._program, *numbers)
        if self._program.backend != "jax":  # which decides ties of 0 and -0 its own way
            _hold_slopes_against_eager(task, self._program, *numbers, *first)
        self._outputs: Program | None = None
        self._steps_per_call = self._program.steps_per_call or 1
        self.name, self.note = str(self._program.backend), str(self._program.note)

    def span(self, epochs: int) -> int:
        """As many as one call may take."""
        return min(epochs, max(1, self._steps_per_call // self.task.batches))

    def train(self, first: int, epochs: int) -> Iterator[Sequence[float]]:
        """As many steps at a time as fit in ``CALL_SECONDS``: whole epochs, or parts of one."""
        task = self.task
        order = order_array(len(task.examples), epochs, task.reshuffles)
        last = first + epochs * task.batches
        while first < last:
            rates, error = self._rates(first, min(self._steps_per_call, last - first))
            if error and not rates:
                raise error
            # the last batch of an epoch may be short
            epochs, steps = divmod(len(rates), task.batches)
            rows = epochs * len(task.examples) + steps * task.batch_size
            began = perf_counter()
            losses = self._call(order[:rows], rates)
            self._adapt(len(rates), perf_counter() - began)
            is_good = isfinite(losses[-1])
            if good := losses if is_good else losses[:-1]:
                yield good
            if not is_good:
                raise NotFiniteError(losses[-1], first + len(good))
            if error:
                raise error
            order, first = order[rows:], first + len(rates)

    def measure(self, examples: Examples, metrics: Sequence[Metric]) -> list[float]:
        """The whole table at a time."""
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
        _hold_against_eager(self.task, self._program, self._params, self._rows)

    def save(self) -> None:
        """Put the numbers into the parameters, the optimiser and the average."""
        self._checkpoint(self._params, self._state, self._steps).restore(self.task)

    def load(self) -> None:
        """Take the numbers from where ``save`` puts them."""
        if self._moved:
            self._good = self._checkpoint(self._previous[0], self._previous[1:], self._steps - 1)
        self._take(Checkpoint.of(self.task))

    def _checkpoint(self, params: Array, state: Array, steps: int) -> Checkpoint:
        remembered = len(self.task.optimizer.state)
        averages = state[remembered].tolist() if self.task.ema else []
        memory = state[:remembered].tolist()
        return Checkpoint(params.tolist(), memory, steps, averages, steps + self._offset)

    def _take(self, checkpoint: Checkpoint) -> None:
        moves = [parameter.requires_grad for parameter in self.task.optimizer.params]
        frozen = not all(moves)
        state: list[Sequence[float]] = [*checkpoint.state]
        state += [checkpoint.averages] if self.task.ema else []
        state += [moves] if frozen else []
        # parameters that rest are not left out: a callback may free them, and numbers stay in place
        stated = self.task.optimizer.rule, frozen
        if stated != self._stated:  # to a program another rule is one to record
            self._stated, self._rule = stated, rule_of(self.task, frozen)
        self._params: Array = self._numpy.array(checkpoint.params)
        self._state: Array = self._numpy.array(state, dtype=float).reshape(
            len(state), len(checkpoint.params)
        )
        self._steps, self._offset = checkpoint.steps, checkpoint.updates - checkpoint.steps
        # where the last finite loss was computed, once there is one: till then that is `_good`
        self._previous, self._moved = self._numpy.vstack([self._params, self._state]), False

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
        except BaseException as error:  # raised when those before it are taken
            return rates, error
        return rates, None

    def _call(self, order: npt.NDArray[np.int64], rates: list[float]) -> list[float]:
        """Take some steps: their losses.  Ctrl-C undoes them all, a loss that is not finite, after
        which there are no others, the last that was taken."""
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
        return per_row(self._outputs(params, self._numpy.asarray(examples.X)))

    def _adapt(self, steps: int, seconds: float) -> None:
        """Make the next call as long as it may be, but not too much longer than this one."""
        if self._program.steps_per_call:
            return
        # the first call plans as well as trains, so that its time says little of the next
        fitting = int(CALL_SECONDS * steps / max(seconds, 1e-9))
        self._steps_per_call = max(1, min(fitting, 8 * steps))


def compiled_loss(task: Task, backend: str) -> Program:
    """The program of one example's loss: its inputs are a row and its target."""

    def recorded() -> tuple[list[Value], list[Value]]:
        row, target = task.examples.row(0)
        x = [Placeholder(number, label=f"x{i}") for i, number in enumerate(row)]
        y = _target_values(target)
        loss = task.loss(task.model([*x]), y)
        return [loss], _recorded([*x, *(y if isinstance(y, list) else [y])])

    return _compiled(recorded, task.optimizer.params, backend)


def compiled_outputs(model: Model, row: Row, params: list[Value] | None, backend: str) -> Program:
    """The program of a model's outputs: its inputs are a row; see ``_compiled`` for ``params``."""

    def recorded() -> tuple[list[Value], list[Value]]:
        x = [Placeholder(number, label=f"x{i}") for i, number in enumerate(row)]
        outputs = _listed(model([*x]))
        return outputs, _recorded(x)

    return _compiled(recorded, params, backend)


@uncollected()
def predicted(model: Model, rows: Table, backend: str) -> list[Any]:
    """The model's outputs for every row; ValueError where they differ from the eager engine's."""
    numpy = require("numpy", extra="fast")
    program = compiled_outputs(model, plain(rows[0]), None, backend)
    numbers: Array = numpy.asarray(rows, dtype=float)
    outputs = per_row(program(program.pack(), numbers))
    _compare(
        "output for",
        numbers,
        compiled=lambda chosen: [outputs[i] for i in chosen],
        eager=lambda i: model(plain(rows[i])),
    )
    return outputs


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


def table(examples: Examples) -> Array:
    """Rows with their targets behind them, as one array."""
    import numpy

    return numpy.ascontiguousarray(
        numpy.column_stack([examples.X, examples.y]), dtype=numpy.float64
    )


def per_row(outputs: Array) -> list[Any]:
    """A program's outputs as a model would give them: a number per row, or a list of them."""
    rows = outputs.tolist()
    return [row[0] for row in rows] if outputs.shape[1] == 1 else rows


def _compiled(recorded: Recorded, params: list[Value] | None, backend: str) -> Program:
    """The program of a graph in which only these parameters learn; other leaves are constants.

    Those frozen for the time being are parameters too: a callback may free them.  Without
    ``params`` nothing is to be learned, and all leaves are what they are.
    """
    with _requiring_gradient(True, [p for p in params or () if not p.requires_grad]):
        roots, inputs = _without_branches(recorded, params or [])
        program = autograd.compile(roots, inputs=inputs, parameters=params or (), backend=backend)
        # other leaves are rare: looking for them beforehand would walk through the whole graph
        if params is None or len(program.names.parameters) == len(params):
            return program
        with _requiring_gradient(False, program.parameters[len(params) :]):
            return autograd.compile(roots, inputs=inputs, parameters=params, backend=backend)


def _without_branches(recorded: Recorded, params: list[Value]) -> tuple[list[Value], list[Value]]:
    """Record; Python may decide by leaves that do not learn, since these stay as they are."""
    try:
        with no_branches():
            return recorded()
    except BranchError:
        with suppress(Exception):
            roots, inputs = recorded()
            # recorded a second time to see which leaves Python may read: those that nobody moves
            strangers = {*filter(learns, topological_order(roots))} - {*params} - {*inputs}
            with _requiring_gradient(False, strangers), no_branches():
                return recorded()
        raise


def _recorded(inputs: list[Placeholder]) -> list[Value]:
    """The inputs as Values like any other, now that the user's functions are done."""
    for x in inputs:
        x.recorded()
    return [*inputs]


def _target_values(target: Target) -> Placeholder | list[Placeholder]:
    if isinstance(target, list):
        return [Placeholder(number, label=f"y{i}") for i, number in enumerate(target)]
    return Placeholder(target, label="y")


def _hold_against_eager(
    task: Task, program: Program, params: Array, rows: Array
) -> tuple[int, Value]:
    """NotAsEagerError where the losses of some rows differ; one of those rows, and its loss."""
    return _compare(
        "loss of",
        rows,
        compiled=lambda chosen: program(params, rows[chosen])[:, 0].tolist(),
        eager=partial(_loss, task),
    )


def _hold_slopes_against_eager(
    task: Task, program: Program, params: Array, rows: Array, row: int, loss: Value
) -> None:
    """NotAsEagerError where the gradient of a row differs; of a large model, this would take long.

    Not exact to the last digits: the terms of a derivative may cancel.
    """
    enough = max(ROWS_WITHIN_EDGES.values()) // max(ROWS_WITHIN_EDGES)
    if not isfinite(loss.data):  # nobody steps along its gradient
        return
    # an eager gradient of a large graph would be felt before the training begins
    if not loss.requires_grad or edges([loss], enough) >= enough:
        return
    # frozen parameters are paid by the program all the same, by the engine they are not
    learning = [k for k, parameter in enumerate(task.optimizer.params) if learns(parameter)]
    compiled = program.value_and_grad(params, rows[[row]])[1][learning].tolist()
    eager = gradients(loss, [task.optimizer.params[k] for k in learning])
    within = 1e-9 + 1e-6 * max(map(abs, filter(isfinite, eager)), default=0.0)
    worst = int((~_close(compiled, eager, within)).argmax())
    _same(f"derivative of the loss of X[{row}]", compiled[worst], eager[worst], within)


def _loss(task: Task, row: int) -> Value:
    x, y = task.examples.row(row)
    return task.loss(task.model(x), y)


def _compare(
    what: str,
    rows: Array,
    *,
    compiled: Callable[[list[int]], list[Any]],
    eager: Callable[[int], Outputs],
) -> tuple[int, Outputs]:
    """Compiled numbers with eager ones, on as many rows as the first one's graph allows.

    Gives back this row, and what is eager of it.
    """
    # the first row is there anyway, and says how large the graphs of the others will be
    telling = _telling_rows(rows)
    first = eager(telling[0])
    chosen = telling[: _rows_to_compare(_listed(first))]
    for i, ours, theirs in zip(
        chosen, compiled(chosen), chain([first], map(eager, chosen[1:])), strict=True
    ):
        numbers = numbers_of(theirs)
        if not _close(ours, numbers).all():  # is it more than rounding?
            _same(f"{what} X[{i}]", ours, numbers, sum(map(_rounding, _listed(theirs))))
    return chosen[0], first


def _rounding(output: object) -> float:
    """How far a number may be off, to first order: what is large may have cancelled on the way."""
    if not (isinstance(output, Value) and output.requires_grad):
        return ATOL
    nodes = [node for node in topological_order(output) if node.requires_grad]
    terms = [abs(slope * node.data) for slope, node in zip(gradients(output, nodes), nodes)]
    within: float = ATOL + RTOL_OF_TERMS * sum(filter(isfinite, terms))
    return within


def _rows_to_compare(outputs: list[object]) -> int:
    """How many rows to compare where these are the outputs of one."""
    enough = max(ROWS_WITHIN_EDGES.values()) // FEWEST_ROWS
    work = edges([output for output in outputs if isinstance(output, Value)], enough)
    affordable = [min(rows, limit // max(work, 1)) for rows, limit in ROWS_WITHIN_EDGES.items()]
    return max(FEWEST_ROWS, *affordable)


def _telling_rows(rows: Array) -> list[int]:
    """Indices of rows to compare on, the first ones first: by turns an extreme and any.

    Extreme are the least and the greatest of a column, the last columns, with the targets, before
    others.
    """
    most = max(ROWS_WITHIN_EDGES)
    # targets stand in the last columns, and losses branch on targets first of all
    columns = rows[:, ::-1][:, : most // 4]
    extreme = chain.from_iterable(zip(columns.argmin(0).tolist(), columns.argmax(0).tolist()))
    others = Random(0).sample(range(len(rows)), min(len(rows), most))
    mixed = chain.from_iterable(zip_longest(extreme, others))
    return list(dict.fromkeys(row for row in mixed if row is not None))[:most]


def _listed(outputs: Output) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _same(what: str, compiled: Any, eager: Any, within: float) -> None:
    if not _close(compiled, eager, within).all():
        raise NotAsEagerError(
            f"the compiled {what} is {compiled}, the eager one {eager}: the model or the loss "
            "decides something in Python, by a number or at random, which a program cannot repeat; "
            'use autograd.where for that, or backend="eager"'
        )


def _close(compiled: Any, eager: Any, within: float = ATOL) -> Any:
    import numpy

    # inf + (-inf) in one engine may be inf in another, which never rounded the second product
    beyond = ~numpy.isfinite(compiled) & ~numpy.isfinite(eager)
    return beyond | numpy.isclose(compiled, eager, rtol=1e-9, atol=within)


@contextmanager
def _requiring_gradient(needed: bool, leaves: Iterable[Value]) -> Iterator[None]:
    """Inside, these leaves do, or do not."""
    leaves = list(leaves)
    for leaf in leaves:
        leaf.requires_grad = needed
    try:
        yield
    finally:
        for leaf in leaves:
            leaf.requires_grad = not needed
