"""The loss of one example, or a model's outputs, as a program: recorded once, for all rows.

What Python decides while it is recorded would stay so in the program: `autograd.no_branches`
refuses to show Python a number that depends on anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import autograd
from autograd import BranchError, Placeholder, Value, enable_grad, no_branches, topological_order
from autograd.functions import VALUES
from nn.data import Row, Target
from nn.engines import Model, Output, Task, called, listed
from nn.graphs import learns
from nn.optim import Optimizer

if TYPE_CHECKING:
    from autograd import Program

Recorded = Callable[[], tuple[list[Value], list[Value]]]
"""Records an example anew: the roots of its graph, and the inputs."""

Sketch: TypeAlias = list[tuple[Any, ...]]
"""A graph without its Values: the roots, and what each operation takes."""


class Recording(NamedTuple):
    """The loss of one example: its inputs are a row and its target."""

    roots: list[Value]
    inputs: list[Value]
    sketch: Sketch


def recorded_loss(task: Task, places: Mapping[Value, int]) -> Recording:
    """The loss of the first example, for all rows; ``places`` are those of the parameters."""
    params, shown = task.optimizer.params, list[Value]()

    def recorded() -> tuple[list[Value], list[Value]]:
        row, target = task.examples.row(0)
        x = [Placeholder(number, label=f"x{i}") for i, number in enumerate(row)]
        y = _target_values(target)
        outputs, loss = task.tried([*x], y)
        # metrics may look at outputs that the loss does not depend on
        shown[:] = [
            _value(number) for number in listed(outputs) if isinstance(number, Value | Real)
        ]
        return [loss], _recorded([*x, *(y if isinstance(y, list) else [y])])

    with _learning(params):
        roots, inputs = _without_branches(recorded, params)
        return Recording(roots, inputs, _sketch([*roots, *shown], inputs, places))


def compiled_loss(task: Task, recording: Recording, backend: str) -> Program:
    """The program of a recording."""
    with _learning(task.optimizer.params):
        return _compiled(recording.roots, recording.inputs, task.optimizer.params, backend)


def compiled_outputs(
    model: Model, row: Row, params: list[Value] | None, backend: str
) -> tuple[Program, Output]:
    """The program of a model's outputs, and what these are put back into: its inputs are a row.

    See ``_compiled`` for ``params``.
    """
    given: list[Output] = []

    def recorded() -> tuple[list[Value], list[Value]]:
        x = [Placeholder(number, label=f"x{i}") for i, number in enumerate(row)]
        given[:] = [called(model, [*x])]
        roots = [*map(_value, listed(given))]
        return roots, _recorded(x)

    with _learning(params or []):
        return _compiled(*_without_branches(recorded, params or []), params, backend), given[0]


def sketched_rule(optimizer: Optimizer, hyper: int) -> Sketch:
    """What the optimiser's rule does by all that it sees now beside what it is given."""
    columns = [Value(1.0) for _ in range(2 + len(optimizer.state_names) + hyper)]
    with enable_grad(), no_branches():
        changed = optimizer.rule(VALUES, *columns)
    return _sketch([*map(_value, changed)], columns, {})


def _sketch(roots: list[Value], inputs: list[Value], params: Mapping[Value, int]) -> Sketch:
    """What two graphs of one program have in common: operations, constants, and who takes what."""
    places: dict[Value, Any] = {**params, **dict(zip(inputs, count(len(params))))}
    nodes: list[tuple[str, Sequence[Value]]] = [("", roots)]
    sketch = []
    for op, operands in nodes:  # which grow on the way, by operands and theirs
        try:
            taken = [*map(places.__getitem__, operands)]
        except KeyError:
            for operand in operands:
                if operand.is_leaf:
                    places.setdefault(operand, (operand.data,))
                elif operand not in places:
                    places[operand] = len(places)
                    nodes.append((operand.op, operand.parents))
            taken = [*map(places.__getitem__, operands)]
        sketch.append((op, *taken))
    return sketch


def _compiled(
    roots: list[Value], inputs: list[Value], params: list[Value] | None, backend: str
) -> Program:
    """The program of a graph in which only these parameters learn; other leaves are constants.

    Without ``params`` nothing is to be learned, and all leaves are what they are.
    """
    program = autograd.compile(roots, inputs=inputs, parameters=params or (), backend=backend)
    # other leaves are rare: looking for them beforehand would walk through the whole graph
    if params is None or len(program.names.parameters) == len(params):
        return program
    with _requiring_gradient(False, program.parameters[len(params) :]):
        return autograd.compile(roots, inputs=inputs, parameters=params, backend=backend)


def _learning(params: list[Value]) -> AbstractContextManager[None]:
    """Inside, parameters frozen for the time being learn too: a callback may free them."""
    return _requiring_gradient(True, [p for p in params if not p.requires_grad])


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


def _value(number: Any) -> Value:
    return number if isinstance(number, Value) else Value(number, requires_grad=False)


def _target_values(target: Target) -> Placeholder | list[Placeholder]:
    if isinstance(target, list):
        return [Placeholder(number, label=f"y{i}") for i, number in enumerate(target)]
    return Placeholder(target, label="y")


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
