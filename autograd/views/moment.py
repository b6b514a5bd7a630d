"""A moment of a trace: what stands in the table after so many steps.

Every viewer that shows a state shows a *moment*, so that stepping back is looking at an earlier
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autograd.views.records import TraceNode
from autograd.views.trace import Step, Trace


@dataclass(slots=True)
class Moment:
    """The state after ``taken`` steps; ``step`` is the last of them, None at the very start.

    ``consumers`` tells from how many each node must hear.
    """

    taken: int
    step: Step | None
    known: set[int] = field(default_factory=set)
    settled: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)
    piles: dict[int, list[float]] = field(default_factory=dict)
    totals: dict[int, float] = field(default_factory=dict)
    consumers: dict[int, int] = field(default_factory=dict)

    def state_of(self, node: TraceNode) -> str:
        """ "idle", "known" (has a value), "owed" (something lies on its pile) or "settled"."""
        if node.id in self.settled:
            return "settled"
        if node.id in self.piles:
            return "owed"
        return "known" if node.id in self.known else "idle"


def moment(story: Trace, taken: int) -> Moment:
    """The moment after ``taken`` steps, 0 to ``len(story.steps)``."""
    now = Moment(taken, story.steps[taken - 1] if taken else None)
    now.consumers = dict(enumerate(consumers(story)))
    for step in story.steps[:taken]:
        _take(now, step, story)
    return now


def standing(count: int, gradients: Mapping[int, float]) -> Moment:
    """A graph as it stands, outside of any story: all values known, and these gradients."""
    return Moment(0, None, {*range(count)}, {*gradients}, totals={**gradients})


def _take(now: Moment, step: Step, story: Trace) -> None:
    if step.edge is not None:
        now.used.add(step.edge)
        _receive(now, story.edges[step.edge].parent, step)
    elif step.kind == "seed":
        _receive(now, story.root.id, step)
    elif step.node is not None:
        (now.known if step.kind == "eval" else now.settled).add(step.node)


def _receive(now: Moment, node: int, step: Step) -> None:
    if step.amount is not None and step.pile_after is not None:
        now.piles.setdefault(node, []).append(step.amount)
        now.totals[node] = step.pile_after


def consumers(story: Trace) -> list[int]:
    """How many edges lead to each node: from how many it must hear."""
    counts = [0] * len(story.nodes)
    for debt in story.edges:
        counts[debt.parent] += 1
    return counts
