"""Moments: what stands in the table after so many steps, in a picture, on a page, in a terminal.

A *move* is a step with the sentence that tells it; the *moment* after so many moves is what a
viewer shows, so that going back is looking at an earlier one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autograd.views.trace import Step, Text, Trace


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a play: ``actor`` does something, perhaps along ``edge`` to ``payee``.

    ``held`` is what lies on the payee's pile afterwards; ``values`` are the numbers that change.
    """

    kind: str
    text: Text
    math: str
    actor: int | None = None
    payee: int | None = None
    edge: int | None = None
    amount: float | None = None
    held: float | None = None
    values: Mapping[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Moment:
    """The state after some moves; ``move`` is the last of them, None at the very start.

    ``hears`` tells from how many a node hears before it is complete, ``heard`` from how many it
    has.  ``kept`` is what leaves hold from earlier passes, ``piles`` and ``totals`` are of this.
    """

    hears: Mapping[int, int]
    move: Move | None = None
    values: dict[int, float] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    uses: Counter[int] = field(default_factory=Counter)
    kept: dict[int, float] = field(default_factory=dict)
    piles: dict[int, list[float]] = field(default_factory=dict)
    totals: dict[int, float] = field(default_factory=dict)
    heard: Counter[int] = field(default_factory=Counter)

    def pile(self, node: int) -> list[float]:
        """All that lies with a node, what it kept first."""
        kept = [self.kept[node]] if node in self.kept else []
        return kept + self.piles.get(node, [])

    def total(self, node: int) -> float | None:
        """The sum of the pile as ``.grad`` has it: a pass is added to what was kept."""
        if node not in self.totals:
            return self.kept.get(node)
        return self.kept.get(node, 0.0) + self.totals[node]

    def state_of(self, node: int) -> str:
        """ "idle", "known" (has a value), "owed" (something lies on its pile) or "settled"."""
        if node in self.settled:
            return "settled"
        if node in self.piles:
            return "owed"
        return "known" if node in self.values else "idle"

    def take(self, move: Move, leaves: frozenset[int] = frozenset()) -> None:
        """What a move changes; what lies with the ``leaves`` outlasts a pass."""
        self.move = move
        if move.kind in ("again", "zero_grad", "step"):
            self._begin(leaves, move.kind)
        elif move.kind == "settle" and move.actor is not None:
            self.settled.add(move.actor)
        self.values.update(move.values)
        if move.edge is not None:
            self.uses[move.edge] += 1
        if move.payee is not None and move.amount is not None and move.held is not None:
            self.piles.setdefault(move.payee, []).append(move.amount)
            self.totals[move.payee] = move.held
            self.heard[move.payee] += move.edge is not None

    def _begin(self, leaves: frozenset[int], kind: str) -> None:
        """Leaves keep what they have or are set to 0, others start afresh."""
        totals = {leaf: self.total(leaf) for leaf in leaves}
        kept = {leaf: total for leaf, total in totals.items() if total is not None}
        self.kept = dict.fromkeys(kept, 0.0) if kind == "zero_grad" else kept
        for record in (self.settled, self.heard, self.piles, self.totals):
            record.clear()
        if kind == "step":
            self.values.clear()


def moment(story: Trace, taken: int) -> Moment:
    """The moment after ``taken`` steps of a trace, 0 to ``len(story.steps)``."""
    now = Moment(hears=hears(story))
    for step in story.steps[:taken]:
        now.take(replayed(step, story))
    return now


def standing(values: Sequence[float], gradients: Mapping[int, float]) -> Moment:
    """A graph as it stands, outside of any story: all values known, and these gradients."""
    return Moment({}, values=dict(enumerate(values)), settled={*gradients}, totals={**gradients})


def hears(story: Trace) -> Mapping[int, int]:
    """From how many each node hears: how many edges lead to it."""
    return Counter(edge.parent for edge in story.edges)


def replayed(step: Step, story: Trace) -> Move:
    """A step of a trace as a move."""
    actor, payee, values = step.node, None, {}
    if step.edge is not None:
        actor, payee = story.edges[step.edge].consumer, story.edges[step.edge].parent
    elif step.kind == "seed":
        payee = actor
    elif step.kind == "eval" and actor is not None:
        values = {actor: story.nodes[actor].value}
    paid = {"amount": step.amount, "held": step.pile_after} if payee is not None else {}
    return Move(step.kind, step.text, step.math, actor, payee, step.edge, values=values, **paid)
