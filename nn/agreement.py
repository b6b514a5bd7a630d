"""Whether a program gives the numbers of the eager engine: asked before a training and after it,
and when it was recorded anew.

A random draw or a counter in Python is no branch that the recording could refuse: it shows on other
rows.  The larger the model, the fewer rows: 256 where there is little to compute, 4 where there are
400,000 weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain, zip_longest
from math import isfinite
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from autograd import Value, gradients, topological_order
from nn.engines import NotAsEagerError, Output, Task, listed
from nn.graphs import edges, learns
from nn.losses import plain_number

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from autograd import Program

    Array: TypeAlias = npt.NDArray[np.float64]

ROWS_WITHIN_EDGES = {256: 100_000, 16: 2_000_000}
"""How many rows are compared where their graphs have no more edges than that together: a hundredth
of a second's work for the small, some tenths for the large."""
FEWEST_ROWS = 4
"""How many in any case."""

ATOL = RTOL = 1e-9
"""How far two numbers may be apart that are the same."""
RTOL_OF_TERMS = 2.0**-46
"""And each of the terms that they are made of, relatively: some units in the last place."""
RTOL_OF_SLOPES = 1e-6
"""And derivatives, relatively to the largest of them: their terms may cancel."""

Outputs = TypeVar("Outputs", bound=Output)


def hold_against_eager(
    task: Task, program: Program, params: Array, rows: Array
) -> tuple[int, Value]:
    """NotAsEagerError where the losses of some rows differ; one of those rows, and its loss."""
    return compare(
        "loss of",
        rows,
        compiled=lambda chosen: program(params, rows[chosen]).tolist(),
        eager=partial(_loss, task),
    )


def hold_slopes_against_eager(
    task: Task, program: Program, params: Array, rows: Array, row: int, loss: Value
) -> None:
    """NotAsEagerError where the gradient of a row differs, unless this would take long."""
    # nobody steps along the gradient of a loss that is not finite
    if not (loss.requires_grad and isfinite(loss.data)):
        return
    # an eager gradient of a large graph would be felt before the training begins
    enough = max(ROWS_WITHIN_EDGES.values()) // max(ROWS_WITHIN_EDGES)
    if edges([loss], enough) >= enough:
        return
    # frozen parameters are paid by the program all the same, by the engine they are not
    learning = [k for k, parameter in enumerate(task.optimizer.params) if learns(parameter)]
    compiled = program.value_and_grad(params, rows[[row]])[1][learning].tolist()
    eager = gradients(loss, [task.optimizer.params[k] for k in learning])
    within = ATOL + RTOL_OF_SLOPES * max(map(abs, filter(isfinite, eager)), default=0.0)
    worst = int((~_close(compiled, eager, within)).argmax())
    _same(f"derivative of the loss of X[{row}]", compiled[worst], eager[worst], within)


def _loss(task: Task, row: int) -> Value:
    return task.tried(*task.examples.row(row))[1]


def compare(
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
    chosen = telling[: _rows_to_compare(listed(first))]
    for i, ours, theirs in zip(
        chosen, compiled(chosen), chain([first], map(eager, chosen[1:])), strict=True
    ):
        numbers = [*map(plain_number, listed(theirs))]
        if not _close(ours, numbers).all():  # is it more than rounding?
            within = [*map(_rounding, listed(theirs))]
            worst = int((~_close(ours, numbers, within)).argmax())
            _same(f"{what} X[{i}]", ours[worst], numbers[worst], within[worst])
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


def _same(what: str, compiled: Any, eager: Any, within: Any) -> None:
    if not _close(compiled, eager, within).all():
        raise NotAsEagerError(
            f"the compiled {what} is {compiled}, the eager one {eager}: the model or the loss "
            "decides something in Python, by a number or at random, which a program cannot repeat; "
            'use autograd.where for that, or backend="eager"'
        )


def _close(compiled: Any, eager: Any, within: Any = ATOL) -> Any:
    """Per number whether they are the same; ``within`` is one for all, or one for each."""
    import numpy

    a, b = numpy.asarray(compiled, float), numpy.asarray(eager, float)
    finite = numpy.isfinite(a) & numpy.isfinite(b)
    # inf + (-inf), nan, may be inf in another engine, which never rounded the second product
    lost = ~(numpy.isfinite(a) | numpy.isfinite(b)) & (numpy.isnan(a) | numpy.isnan(b))
    with numpy.errstate(all="ignore"):
        return lost | (a == b) | finite & (abs(a - b) <= within + RTOL * abs(b))
