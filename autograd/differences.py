"""Finite differences on a graph that is there already: only what a moved leaf changes is redone.

`check_grads` runs a function of the user's 2n times.  Here the graph is known, so its rows are
played again on floats, and of those only the *dependents* of the leaf that moved: checking a sum
of two thousand names takes a second.

A difference across a *kink* is no derivative: there the row states by convention what its partial
is, between the slopes of the two sides.  Such a disagreement is told apart from a mistake.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import isfinite, isnan
from typing import Literal

from autograd.backward import gradients, topological_order
from autograd.value import FLOATS, Value

Verdict = Literal["ok", "kink", "wrong"]
STEP = sys.float_info.epsilon ** (1 / 3)
RELATIVE, ABSOLUTE = 1e-5, 1e-7
JUMP = 1e-3
"""By how much a partial changes within one step before we call it a kink."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One derivative, found twice; ``kinks`` are the operations that a disagreement is due to."""

    leaf: Value
    analytic: float
    numeric: float
    error: float
    verdict: Verdict
    sides: tuple[float, float]
    """The slopes to the left and to the right."""
    kinks: tuple[Value, ...] = ()


def differences(root: Value, leaves: Sequence[Value]) -> list[Difference]:
    """The derivative to each leaf by repayment and by central differences.

    >>> x = Value(0.0, label="x")
    >>> [found] = differences(x.relu(), [x])
    >>> found.verdict, found.analytic, found.numeric
    ('kink', 0.0, 0.5)
    """
    replay = _Replay(root)
    exact = gradients(root, leaves) if leaves else []
    return [_compared(replay, leaf, slope) for leaf, slope in zip(leaves, exact, strict=True)]


def _compared(replay: _Replay, leaf: Value, analytic: float) -> Difference:
    x = leaf.data
    h = STEP * max(abs(x), 1.0)
    below, above = replay.moved(leaf, x - h), replay.moved(leaf, x + h)
    here, back, ahead = replay.values[-1], replay.result(below), replay.result(above)
    numeric = (ahead - back) / ((x + h) - (x - h))
    sides = (here - back) / h, (ahead - here) / h
    error = abs(analytic - numeric)
    same = analytic == numeric or (isnan(analytic) and isnan(numeric))
    if same or error <= ABSOLUTE + RELATIVE * abs(numeric):
        return Difference(leaf, analytic, numeric, 0.0 if same else error, "ok", sides)
    kinks = replay.kinks(below, above) if _between(analytic, sides) else ()
    verdict: Verdict = "kink" if kinks else "wrong"
    return Difference(leaf, analytic, numeric, error, verdict, sides, kinks)


def _between(slope: float, sides: tuple[float, float]) -> bool:
    """Whether a slope is one that a convention could state: within what the two sides give."""
    low, high = min(sides), max(sides)
    if not (isfinite(low) and isfinite(high)):
        return True  # on one side the function is not there, or has a pole
    slack = ABSOLUTE + JUMP * max(abs(low), abs(high))
    return not isfinite(slope) or low - slack <= slope <= high + slack


class _Replay:
    """The values of a graph, and what they become when a leaf moves."""

    def __init__(self, root: Value) -> None:
        self.order = topological_order(root)
        self.number = {node: i for i, node in enumerate(self.order)}
        self.values = [node.data for node in self.order]
        self.operands = [[self.number[parent] for parent in node.parents] for node in self.order]
        self.consumers: list[list[int]] = [[] for _ in self.order]
        for i, operands in enumerate(self.operands):
            for operand in set(operands):
                self.consumers[operand].append(i)

    def moved(self, leaf: Value, x: float) -> dict[int, float]:
        """The values that change when a leaf takes another one, by the number of their node."""
        if leaf not in self.number:
            return {}
        start = self.number[leaf]
        changed = {start: x}
        waiting, seen = [*self.consumers[start]], set(self.consumers[start])
        while waiting:
            i = heappop(waiting)
            changed[i] = self._value(i, changed)
            for consumer in self.consumers[i]:
                if consumer not in seen:
                    seen.add(consumer)
                    heappush(waiting, consumer)
        return changed

    def result(self, changed: dict[int, float]) -> float:
        """What the root becomes."""
        return changed.get(len(self.order) - 1, self.values[-1])

    def kinks(self, below: dict[int, float], above: dict[int, float]) -> tuple[Value, ...]:
        """The operations with a convention whose own partials jump between the two sides."""
        return tuple(
            node
            for i, node in enumerate(self.order)
            if i in above and node.primitive is not None and node.primitive.conventions
            if _jumps(self._partials(i, below), self._partials(i, above))
        )

    def _value(self, i: int, changed: dict[int, float]) -> float:
        rule = self.order[i].primitive
        return float(rule.forward(FLOATS, *self._given(i, changed))) if rule else self.values[i]

    def _partials(self, i: int, changed: dict[int, float]) -> tuple[float, ...]:
        rule, y = self.order[i].primitive, changed.get(i, self.values[i])
        return rule.partials(FLOATS, *self._given(i, changed), y) if rule else ()

    def _given(self, i: int, changed: dict[int, float]) -> Iterable[float]:
        values = self.values
        return [changed[k] if k in changed else values[k] for k in self.operands[i]]


def _jumps(left: Sequence[float], right: Sequence[float]) -> bool:
    """Whether any partial is another one on the other side, or none at all."""
    return any(
        not (isfinite(a) and isfinite(b)) or abs(a - b) > JUMP * max(1.0, abs(a), abs(b))
        for a, b in zip(left, right, strict=True)
    )
