"""Finite differences on a graph that is there already: only what a moved leaf changes is redone.

`check_grads` runs a function of the user's 2n times.  Here the graph is known, so its rows are
played again on floats, and of those only the *dependents* of the leaf that moved.

In a long formula that is still too much: the first of two thousand summands changes two thousand
partial sums, and so does the second.  But often everything that a leaf changes goes on through one
node alone, a *waist* of the graph.  What lies beyond is the same for all leaves before it, so the
waist is moved once, about as far as they moved it, and each leaf's slope up to there times the
waist's is the leaf's: the time is linear in the length of a chain.

A difference across a *kink* is no derivative: there the row states by convention what its partial
is, between the slopes of the two sides.  Such a disagreement is told apart from a mistake.  And
where the function jumps or is no finite number, is so large that its rounding hides the slope, or
has a kink at which our slope is no number either, differences decide nothing: the verdict is
*open*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import frexp, inf, isfinite, isnan, ldexp

from autograd.backward import gradients, topological_order
from autograd.check import EPSILON, MANY, NEARER, ROUNDINGS, Verdict, confirmed, is_kink
from autograd.value import FLOATS, Value

STEP = EPSILON ** (1 / 3)
RELATIVE, ABSOLUTE = 1e-5, 1e-7
JUMP = 1e-3
"""By how much a partial changes within one step before we call it a kink, a value a jump."""
NEAREST = 2**-20
"""The share of a step within which next to nothing happens but a jump."""
FAR = 100
"""How many nodes a change goes on for, at least, before a waist ends it."""


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
    evaluations: int
    """How often the leaf was moved: twice, and more where the two disagree."""
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
    return [_compared(replay, leaf, slope) for leaf, slope in zip(leaves, exact)]


def _compared(replay: _Replay, leaf: Value, analytic: float) -> Difference:
    step, replay.evaluations = STEP * max(abs(leaf.data), 1.0), 0
    found = replay.slopes(leaf, step)
    numeric, sides = found.across, (found.left, found.right)
    error = abs(analytic - numeric)
    same = analytic == numeric or (isnan(analytic) and isnan(numeric))
    # an infinite difference is within a share of itself of anything
    if same or error <= ABSOLUTE + RELATIVE * abs(numeric) < inf:
        error = 0.0 if same else error
        return Difference(leaf, analytic, numeric, error, "ok", sides, replay.evaluations)
    size = abs(replay.values[-1])

    def across(step: float) -> tuple[float, float]:
        return replay.slopes(leaf, step).across, EPSILON * size / step

    nearer = confirmed(across, leaf.data, analytic, step, error, (RELATIVE, ABSOLUTE))
    if nearer is not None:
        step, numeric = nearer
        found = replay.slopes(leaf, step)
        sides = found.left, found.right
        error = abs(analytic - numeric)
        return Difference(leaf, analytic, numeric, error, "ok", sides, replay.evaluations)
    jumps = found.jumps()
    kinks = found.kinks() if not jumps and _between(analytic, sides) else ()
    told = all(map(isfinite, (numeric, *sides))) and not jumps
    told = told and not error <= ROUNDINGS * EPSILON * size / step
    if told and isnan(analytic):
        within = replay.slopes(leaf, NEARER * step)
        close = ABSOLUTE + RELATIVE * abs(numeric)
        told = not is_kink(sides, (within.left, within.right), MANY * close)
    verdict: Verdict = "kink" if kinks else "wrong" if told else "open"
    return Difference(leaf, analytic, numeric, error, verdict, sides, replay.evaluations, kinks)


def _between(slope: float, sides: tuple[float, float]) -> bool:
    """Whether a slope is one that a convention could state: within what the two sides give."""
    low, high = min(sides), max(sides)
    if not (isfinite(low) and isfinite(high)):
        return True  # on one side the function is not there, or has a pole
    slack = ABSOLUTE + JUMP * max(abs(low), abs(high))
    return not isfinite(slope) or low - slack <= slope <= high + slack


@dataclass(frozen=True, slots=True)
class _Slopes:
    """How fast the root moves with one number: on its two sides, and from one to the other."""

    across: float
    left: float
    right: float
    kinks: Callable[[], tuple[Value, ...]]
    """The operations with a convention whose own partials jump between the two sides."""
    jumps: Callable[[], bool]
    """Whether an operation itself jumps there, as a comparison does."""

    def beyond(self, waist: _Slopes) -> _Slopes:
        """The slopes of the root, if these are those of a waist and the waist's are given."""
        return _Slopes(
            _product(self.across, waist.across),
            _product(self.left, waist.left if self.left > 0 else waist.right),
            _product(self.right, waist.right if self.right > 0 else waist.left),
            lambda: (*self.kinks(), *waist.kinks()),
            lambda: self.jumps() or waist.jumps(),
        )


def _product(slope: float, beyond: float) -> float:
    """What does not move moves nothing, not even infinitely steep things."""
    return slope and slope * beyond


@dataclass(frozen=True, slots=True)
class _Sides:
    """A node moved by a step down and up: what else changes, up to an end that moves so far."""

    start: int
    step: float
    end: int
    below: dict[int, float]
    above: dict[int, float]
    distance: float


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
        self.far = max(FAR, len(self.order) // 500)  # waists may be that deep within waists
        self.known: dict[tuple[int, int], _Slopes] = {}
        self.evaluations = 0

    def slopes(self, leaf: Value, step: float) -> _Slopes:
        """How the root moves when a leaf does, by a step to each side."""
        if leaf not in self.number:
            return _Slopes(0.0, 0.0, 0.0, tuple, bool)
        self.evaluations += 2
        return self._slopes(self.number[leaf], step)

    def _slopes(self, start: int, step: float) -> _Slopes:
        waist = (start // self.far + 2) * self.far  # the same for neighbours: moved but once
        near = self._both_sides(start, step, waist)
        if near.end == len(self.order) - 1 or not near.distance:
            return self._quotients(near)
        if isfinite(near.distance):
            beyond = self._at_waist(near.end, near.distance)
            if isfinite(beyond.across):
                return self._quotients(near).beyond(beyond)
        # cut in two, the way leads beyond what a float can hold; as a whole it need not
        return self._quotients(self._both_sides(start, step, len(self.order)))

    def _quotients(self, sides: _Sides) -> _Slopes:
        x, step = self.values[sides.start], sides.step
        here, back, ahead = self.values[sides.end], sides.below[sides.end], sides.above[sides.end]
        return _Slopes(
            (ahead - back) / ((x + step) - (x - step)),
            (here - back) / step,
            (ahead - here) / step,
            lambda: self._kinks(sides),
            lambda: self._has_jump(sides),
        )

    def _at_waist(self, waist: int, move: float) -> _Slopes:
        """Its slopes for moves of about this size."""
        # moves of one power of two are near enough to share a slope
        size = frexp(move)[1]
        if (waist, size) not in self.known:
            self.known[waist, size] = self._slopes(waist, ldexp(0.5, size))
        return self.known[waist, size]

    def _both_sides(self, start: int, step: float, waist: int) -> _Sides:
        x = self.values[start]
        end, below = self._moved(start, x - step, waist)
        _, above = self._moved(start, x + step, waist)
        here = self.values[end]
        moves = abs(above[end] - here), abs(below[end] - here)
        distance = max(moves) if all(map(isfinite, moves)) else inf
        return _Sides(start, step, end, below, above, distance)

    def _moved(self, start: int, x: float, waist: int) -> tuple[int, dict[int, float]]:
        """The values that change when a node takes another one, by the number of their node, up to
        the first from ``waist`` on through which all of the change goes; and that one's number."""
        changed = {start: x}
        # a heap of numbers: the lowest has all its operands ready, as in the topological order
        waiting, seen = [*self.consumers[start]], set(self.consumers[start])
        i = start
        while waiting:
            i = heappop(waiting)
            changed[i] = self._value(i, changed)
            if not waiting and i >= waist:
                break
            for consumer in self.consumers[i]:
                if consumer not in seen:
                    seen.add(consumer)
                    heappush(waiting, consumer)
        return i, changed

    def _kinks(self, sides: _Sides) -> tuple[Value, ...]:
        return tuple(
            self.order[i]
            for i in sides.above
            if i != sides.start and (row := self.order[i].primitive) and row.conventions
            if _jumps(self._partials(i, sides.below), self._partials(i, sides.above))
        )

    def _has_jump(self, sides: _Sides) -> bool:
        """Whether a node's values are as far apart when the leaf hardly moves."""
        self.evaluations += 2
        nearest = self._both_sides(sides.start, NEAREST * sides.step, sides.end)
        reach = {i: (self._spread(i, sides), self._spread(i, nearest)) for i in sides.above}
        return any(
            JUMP * max(1.0, abs(self.values[i])) < far < inf and near > far / 2
            for i, (far, near) in reach.items()
            if i != sides.start
        )

    def _spread(self, i: int, sides: _Sides) -> float:
        values = (sides.below[i], self.values[i], sides.above[i])
        return max(values) - min(values)

    def _value(self, i: int, changed: dict[int, float]) -> float:
        row = self.order[i].primitive
        return float(row.forward(FLOATS, *self._given(i, changed))) if row else self.values[i]

    def _partials(self, i: int, changed: dict[int, float]) -> tuple[float, ...]:
        row, y = self.order[i].primitive, changed.get(i, self.values[i])
        return row.partials(FLOATS, *self._given(i, changed), y) if row else ()

    def _given(self, i: int, changed: dict[int, float]) -> Iterable[float]:
        values = self.values
        return [changed[k] if k in changed else values[k] for k in self.operands[i]]


def _jumps(left: Sequence[float], right: Sequence[float]) -> bool:
    """Whether any partial is another one on the other side, or none at all."""
    return any(
        isfinite(a) != isfinite(b) or abs(a - b) > JUMP * max(1.0, abs(a), abs(b))
        for a, b in zip(left, right)
    )
