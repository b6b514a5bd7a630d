"""Plays: one graph repaid in several ways, each a list of moves that any viewer can replay.

A *mode* is a way of paying.  ``backprop`` waits: it is the trace as it is.  ``naive`` lets every
leaf walk every path by itself.  ``impatient`` pays on whenever something arrives, without waiting
for the rest, and has two *endings*: passing on all that lies on the pile is wrong, passing on only
the news is right and uses edges again and again.  ``passes`` goes on after the first backward pass:
*backward again*, *zero_grad*, *step*.

The moves and the moments after them are those of `autograd.views.moment`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import reduce
from math import isnan, prod
from operator import add
from typing import Literal

from autograd.modes import scope
from autograd.rules import TABLE
from autograd.value import Value, apply
from autograd.views.moment import Moment, Move, hears, replayed
from autograd.views.trace import (
    Mode,
    Text,
    Trace,
    TraceEdge,
    TraceNode,
    said,
    sentences,
    trace,
)
from autograd.views.words import enclosed, show

Ending = Literal["pile", "news"]
MODES: tuple[Mode, ...] = ("backprop", "naive", "impatient", "passes")

MOST_MOVES = 2000
"""A walk of more edges than this is broken off: its counters know the rest."""

RATE = 0.1
"""How far one descent step goes, in gradients."""


class Play:
    """A story told in one mode: its moves, and the moment after any number of them."""

    def __init__(self, mode: Mode, story: Trace, moves: Sequence[Move], *, start: Text) -> None:
        self.mode, self.story, self.moves, self.start = mode, story, list(moves), start
        self.leaves = frozenset(node.id for node in story.nodes if node.leaf)
        self.hears = hears(story)
        """From how many a node hears before it is complete."""
        self.total_uses = len(story.edges)
        """How many edge uses the whole of it takes, told or not."""

    def moment(self, taken: int) -> Moment:
        """The moment after ``taken`` moves, 0 to ``len(self.moves)``."""
        now = Moment(hears=self.hears)
        if self.mode in ("naive", "impatient"):
            now.values = {node.id: node.value for node in self.story.nodes}
        for move in self.moves[:taken]:
            now.take(move, self.leaves)
        return now


# -- paying back -----------------------------------------------------------------------------------


def paying_back(story: Trace) -> Play:
    """The trace itself: everyone waits, every edge is used once."""
    start = _told(["start"], root=story.root.name)
    return Play("backprop", story, [replayed(step, story) for step in story.steps], start=start)


# -- path by path ----------------------------------------------------------------------------------


def path_by_path(story: Trace) -> Play:
    """The naive method: every leaf walks every path to the root, one edge a move."""
    walk = _Walk(story)
    leaf = next(node for node in story.nodes if node.leaf and not node.constant)
    key = "naive_start" if walk.moves else "naive_no_edge"
    start = _told([key], root=story.root.name, leaf=leaf.name)
    play = Play("naive", story, walk.moves, start=start)
    play.hears = {leaf: count for leaf, count in walk.ways.items() if leaf in play.leaves}
    play.total_uses = story.naive_edge_uses
    return play


class _Walk:
    """The moves of every leaf along every path, as far as they are told."""

    def __init__(self, story: Trace) -> None:
        self.story, self.ways = story, ways(story)
        self.moves: list[Move] = []
        self.times: Counter[int] = Counter()
        self.collected: dict[int, list[float]] = {}
        for number, path in enumerate(walks(story), 1):
            self._walk(number, path)
        if self.moves and len(self.moves) < story.naive_edge_uses:
            self.moves[-1] = _broken_off(self.moves[-1], len(self.moves), story)

    def _walk(self, number: int, path: Sequence[TraceEdge]) -> None:
        leaf = self.story.nodes[path[0].parent]
        for k, edge in enumerate(path, 1):
            self.times[edge.id] += 1
            last = k == len(path)
            # from the leaf on: the naive method multiplies without knowing any debt
            factors = [debt.local for debt in path[:k]]
            amount = prod(factors)
            words = {
                **{"path": str(number), "leaf": leaf.name, "root": self.story.root.name},
                **{"from": self.story.nodes[edge.parent].name, "local": show(edge.local)},
                **{"to": self.story.nodes[edge.consumer].name, "amount": show(amount)},
                **{"factors": _product(factors), "times": str(self.times[edge.id])},
            }
            keys = ["naive_walk", "naive_collect" if last else "naive_so_far"]
            keys += ["naive_again"] if self.times[edge.id] > 1 else []
            self.moves.append(
                Move("walk", **said(keys, "naive", words), actor=edge.parent, edge=edge.id)
            )
            if last:
                self._collect(leaf, amount)

    def _collect(self, leaf: TraceNode, amount: float) -> None:
        """The end of a path: its product falls on the leaf's pile, which may be complete now."""
        pile = self.collected.setdefault(leaf.id, [])
        pile.append(amount)
        kind = "settle" if len(pile) == self.ways[leaf.id] else "walk"
        self.moves[-1] = replace(
            self.moves[-1],
            kind=kind,
            actor=leaf.id,
            payee=leaf.id,
            amount=amount,
            held=reduce(add, pile),  # sum() would round otherwise from Python 3.12 on
        )


def walks(story: Trace) -> list[list[TraceEdge]]:
    """The paths that are told: so many that no more than `MOST_MOVES` edges are walked."""
    told: list[list[TraceEdge]] = []
    walked = 0
    for path in _paths(story):
        walked += len(path)
        if told and walked > MOST_MOVES:
            break
        told.append(path)
    return told


def _paths(story: Trace) -> Iterator[list[TraceEdge]]:
    """Each path from a leaf up to the root, as its edges."""
    owed = _owed(story)
    for leaf in _paid_leaves(story):
        # a stack, not recursion: paths may be long
        path: list[TraceEdge] = []
        branches = [iter(owed[leaf.id])]
        while branches:
            edge = next(branches[-1], None)
            if edge is None:
                branches.pop()
                del path[-1:]
            elif edge.consumer == story.root.id:
                yield [*path, edge]
            else:
                path.append(edge)
                branches.append(iter(owed[edge.consumer]))


def ways(story: Trace) -> dict[int, int]:
    """How many paths lead from the root to each node."""
    counts = {node.id: int(node is story.root) for node in story.nodes}
    for edge in _by_consumer(story):
        counts[edge.parent] += counts[edge.consumer]
    return counts


def _by_consumer(story: Trace) -> list[TraceEdge]:
    """The edges from the root down: a node's own come after all that lead to it."""
    return sorted(story.edges, key=lambda edge: -edge.consumer)


def _owed(story: Trace) -> dict[int, list[TraceEdge]]:
    """The edges that lead to each node, in the order in which they are paid."""
    owed: dict[int, list[TraceEdge]] = {node.id: [] for node in story.nodes}
    for step in story.steps:
        if step.edge is not None:
            owed[story.edges[step.edge].parent].append(story.edges[step.edge])
    return owed


# -- without waiting -------------------------------------------------------------------------------


def impatient(story: Trace, ending: Ending = "pile") -> Play:
    """Whoever is paid pays on at once: the whole ``pile``, or only the ``news``.

    Where no inner node is shared both come out right, so there the story is an example's:
    b = a + a, c = b + b.
    """
    shown = story if shares_an_inner_node(story) else trace(shared_example())
    hurry = _Hurry(shown, ending)
    keys = ["impatient_start", f"impatient_{ending}", "impatient_owes"]
    keys = keys if shown is story else ["impatient_example", *keys]
    play = Play("impatient", shown, hurry.moves, start=_told(keys, root=shown.root.name))
    play.total_uses = shown.impatient_edge_uses
    play.hears = {node: count for node, count in ways(shown).items() if node != shown.root.id}
    return play


def shares_an_inner_node(story: Trace) -> bool:
    """Whether anybody who pays on is paid more than once: then waiting makes a difference."""
    heard = hears(story)
    return any(count > 1 and not story.nodes[node].leaf for node, count in heard.items())


def shared_example() -> Value:
    """The smallest graph that shares an inner node."""
    a = Value(1.0, label="a")
    b = a + a
    c = b + b
    b.label, c.label = "b", "c"
    return c


class _Hurry:
    """The moves of nodes that do not wait, depth first, as far as they are told."""

    def __init__(self, story: Trace, ending: Ending) -> None:
        self.story, self.ending = story, ending
        self.moves: list[Move] = []
        self.times: Counter[int] = Counter()
        self.piles = {story.root.id: 1.0}
        self.gradients = _gradients(story)
        owing: dict[int, list[TraceEdge]] = {node.id: [] for node in story.nodes}
        for edge in story.edges:
            owing[edge.consumer].append(edge)
        self.owing = owing
        self._run()

    def _run(self) -> None:
        seed = next(step for step in self.story.steps if step.kind == "seed")
        self.moves.append(replayed(seed, self.story))
        waiting = [(edge, 1.0) for edge in reversed(self.owing[self.story.root.id])]
        while waiting and len(self.moves) <= MOST_MOVES:
            edge, news = waiting.pop()
            amount = self._pay(edge, news)
            # reversed on a stack: the first operand is paid first
            waiting += [(onward, amount) for onward in reversed(self.owing[edge.parent])]
        if waiting:
            self.moves[-1] = _broken_off(self.moves[-1], len(self.moves) - 1, self.story)
        else:
            self.moves.append(self._verdict())

    def _pay(self, edge: TraceEdge, news: float) -> float:
        debtor, creditor = self.story.nodes[edge.consumer], self.story.nodes[edge.parent]
        debt = self.piles[debtor.id] if self.ending == "pile" else news
        amount = debt * edge.local
        self.times[edge.id] += 1
        before = self.piles.get(creditor.id)
        held = self.piles[creditor.id] = amount if before is None else before + amount
        words = {
            **{"from": debtor.name, "to": creditor.name, "root": self.story.root.name},
            **{"debt": show(debt), "amount": show(amount)},
            **{"factor": enclosed(show(edge.local)), "times": str(self.times[edge.id])},
        }
        keys = ["impatient_from", f"impatient_{self.ending}", "impatient_pay"]
        keys += ["impatient_again"] if self.times[edge.id] > 1 else []
        told = said(keys, "impatient", words)
        told |= {"actor": debtor.id, "payee": creditor.id, "edge": edge.id}
        self.moves.append(Move("hurry", **told, amount=amount, held=held))
        return amount

    def _verdict(self) -> Move:
        """The end: what the first leaf that got too much has, or how dear it was to be right."""
        leaves = [node for node in self.story.nodes if node.leaf and not node.constant]
        wrong = [node for node in leaves if self._is_wrong(node)]
        leaf = (wrong or leaves)[-1]
        words = {
            **{"leaf": leaf.name, "root": self.story.root.name},
            **{"amount": show(self.piles.get(leaf.id, 0.0)), "grad": show(self.gradients[leaf.id])},
            **{"uses": f"{self.times.total():,}", "edges": f"{len(self.story.edges):,}"},
        }
        key = "impatient_wrong" if wrong else "impatient_right"
        return Move("verdict", **said([key], key, words), actor=leaf.id)

    def _is_wrong(self, leaf: TraceNode) -> bool:
        """Beyond what another order of adding up may change."""
        got, right = self.piles.get(leaf.id, 0.0), self.gradients[leaf.id]
        if got == right or (isnan(got) and isnan(right)):
            return False
        return not abs(got - right) <= 1e-9 * max(abs(got), abs(right))


# -- several passes --------------------------------------------------------------------------------


class Passes(Play):
    """A list of passes: the first is the trace; `again`, `zero_grad` and `step` go on from there.

    As in training: leaves keep what they were paid until somebody resets it, inner nodes start
    every backward pass afresh, and a descent step uses whatever lies with the leaves.
    """

    def __init__(self, story: Trace) -> None:
        first = paying_back(story)
        start = _told(["start", "passes_start"], root=story.root.name)
        super().__init__("passes", story, first.moves, start=start)
        self.now = story
        self.backwards = 1

    def again(self) -> None:
        """Another backward pass over the numbers as they are."""
        self.backwards += 1
        words = {"root": self.now.root.name, "n": str(self.backwards)}
        self.moves.append(Move("again", **said(["passes_again"], "passes_again", words)))
        self._repay()

    def zero_grad(self) -> None:
        """Set what lies with the leaves back to 0."""
        told = said(["passes_zero"], "passes_zero", {"leaves": _names(_paid_leaves(self.story))})
        self.moves.append(Move("zero_grad", **told))

    def step(self, rate: float = RATE) -> bool:
        """Move the parameters against their ``.grad`` and compute anew; False where that cannot be.

        An operation of the user's own can be replayed but not computed anew.
        """
        # its formula is known to the user alone
        if any(node.custom for node in self.story.nodes):
            return False
        now = self.moment(len(self.moves))
        parameters = _parameters(self.now)
        moved = {node.id: node.value - rate * (now.total(node.id) or 0.0) for node in parameters}
        before = self.now.root.value
        self.now = retold(self.now, moved)
        words = {
            **{"rate": enclosed(show(rate)), "leaves": _names(parameters)},
            **{"leaf": parameters[0].name, "root": self.now.root.name},
            **{"before": show(before), "after": show(self.now.root.value)},
        }
        still = not any(now.total(node) for node in moved)
        down = "passes_down" if self.now.root.value < before else "passes_not_down"
        key = "passes_still" if still else down
        told = said(["passes_step", key], "passes_step", words)
        given = {node.id: node.value for node in self.now.nodes if node.leaf}
        self.moves.append(Move("step", **told, values=given))
        anew = [replayed(step, self.now) for step in self.now.steps if step.kind == "eval"]
        self.moves += [move for move in anew if move.actor not in given]
        return True

    def _repay(self) -> None:
        """The backward steps of the story as it is now, on top of what the leaves hold."""
        kept = self.moment(len(self.moves)).kept
        for step in self.now.steps:
            if step.kind != "eval":
                self.moves.append(self._on_top(replayed(step, self.now), kept))

    def _on_top(self, move: Move, held: Mapping[int, float]) -> Move:
        """A move as a leaf lives it that already holds something: the pass is added at the end."""
        node, kept = move.actor, None if move.actor is None else held.get(move.actor)
        if move.kind != "settle" or node is None or not kept:
            return move
        paid = _gradients(self.now)[node]
        words = {
            **{"node": self.now.nodes[node].name, "grad": show(kept + paid)},
            **{"kept": show(kept), "paid": enclosed(show(paid))},
        }
        return Move("settle", **said(["passes_leaf"], "passes_leaf", words), actor=node)


def _paid_leaves(story: Trace) -> list[TraceNode]:
    return [node for node in story.nodes if node.leaf and not node.constant]


def _parameters(story: Trace) -> list[TraceNode]:
    """What a descent step moves: the leaves inside the layers where there are any, else all."""
    leaves = _paid_leaves(story)
    return [node for node in leaves if node.scope] or leaves


def _names(nodes: Sequence[TraceNode]) -> str:
    names = [node.name for node in nodes]
    return ", ".join(names if len(names) <= 6 else [*names[:4], "…", names[-1]])


def retold(story: Trace, given: Mapping[int, float]) -> Trace:
    """The same graph with other numbers in some leaves, computed and paid anew.

    Raises ValueError for a graph with an operation of the user's own: only its result is known.
    """
    values: list[Value] = []
    for node in story.nodes:
        if node.custom:
            raise ValueError(f"{node.name} is an operation without a rule: it cannot be computed")
        values.append(_within(node.scope, _remade, node, values, given))
    # not before: what is made of nothing but constants would be a constant, and no node
    for node, value in zip(story.nodes, values, strict=True):
        value.requires_grad = not node.constant
    return trace(values[-1])


def _remade(node: TraceNode, known: Sequence[Value], given: Mapping[int, float]) -> Value:
    if node.leaf:
        x = given.get(node.id, node.value)
        return Value(x, label=node.label)
    made = apply(TABLE[node.op], *(known[operand.id] for operand in node.parents))
    made.label = node.label
    return made


def _within(boxes: Sequence[str], make: Callable[..., Value], *arguments: object) -> Value:
    """Call a function inside nested scopes."""
    with ExitStack() as stack:
        for box in boxes:
            stack.enter_context(scope(box))
        return make(*arguments)


# -- words -----------------------------------------------------------------------------------------


def _told(keys: Sequence[str], **words: str) -> Text:
    """The sentence of these keys, where no mathematics belongs to it."""
    told = sentences()
    en, zh = ("".join(told[lang][key] for key in keys).format(**words) for lang in ("en", "zh"))
    return Text(en, zh)


def _broken_off(move: Move, told: int, story: Trace) -> Move:
    """The last move that is told of a walk that goes on."""
    uses = story.impatient_edge_uses if move.kind == "hurry" else story.naive_edge_uses
    words = {"walked": f"{told:,}", "edges": f"{len(story.edges):,}", "naive": f"{uses:,}"}
    more = _told(["naive_enough"], **words)
    return replace(move, text=Text(move.text.en + more.en, move.text.zh + more.zh))


def _product(factors: Sequence[float]) -> str:
    """Factors as they are written: ``2 × (-1)``, the middle of many left out."""
    shown = [show(x) for x in factors]
    shown = [*shown[:4], "…", *shown[-3:]] if len(shown) > 8 else shown
    return " × ".join([shown[0], *map(enclosed, shown[1:])])


def _gradients(story: Trace) -> dict[int, float]:
    """The final pile of every node that is paid."""
    totals = {story.root.id: 1.0}
    for step in story.steps:
        if step.edge is not None and step.pile_after is not None:
            totals[story.edges[step.edge].parent] = step.pile_after
    return totals
