"""The loss of one example, or a model's outputs, as a program: recorded once, for all rows.

What Python decides while it is recorded would stay so in the program: `autograd.no_branches`
refuses to show Python a number that depends on anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import autograd
from autograd import BranchError, Placeholder, Value, no_branches, topological_order
from nn.data import Row, Target
from nn.engines import Model, Output, Task, listed
from nn.graphs import learns

if TYPE_CHECKING:
    from autograd import Program

Recorded = Callable[[], tuple[list[Value], list[Value]]]
"""Records an example anew: the roots of its graph, and the inputs."""


def compiled_loss(task: Task, backend: str) -> Program:
    """The program of one example's loss: its inputs are a row and its target."""

    def recorded() -> tuple[list[Value], list[Value]]:
        row, target = task.examples.row(0)
        x = [Placeholder(number, label=f"x{i}") for i, number in enumerate(row)]
        y = _target_values(target)
        loss = task.loss(task.model([*x]), y)
        return [loss], _recorded([*x, *(y if isinstance(y, list) else [y])])

    return _compiled(recorded, task.optimizer.params, backend)


def compiled_outputs(
    model: Model, row: Row, params: list[Value] | None, backend: str
) -> tuple[Program, Output]:
    """The program of a model's outputs, and what these are put back into: its inputs are a row.

    See ``_compiled`` for ``params``.
    """
    given: list[Output] = []

    def recorded() -> tuple[list[Value], list[Value]]:
        x = [Placeholder(number, label=f"x{i}") for i, number in enumerate(row)]
        given[:] = [model([*x])]
        roots = [*map(_value, listed(given))]
        return roots, _recorded(x)

    return _compiled(recorded, params, backend), given[0]


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
