"""A graph as plain records, numbered in topological order and named: where every view starts."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from operator import attrgetter

from autograd.graph import Edge, edges
from autograd.validation import text_of
from autograd.value import Value
from autograd.views.network import Layer, Unit, network, network_names
from autograd.views.text import shorten
from autograd.views.words import (
    Term,
    call,
    formula,
    local_derivatives,
    show,
    spell,
    taught_slopes,
    term,
)

LETTERS = "abcdefghijkmnpqrstuvwxyz"
"""Without l and o, which look like digits."""
NETWORK_LETTERS = "abwxz"
"""Letters that mean something in every network."""
LETTERS_UP_TO = 20
LONGEST_FORMULA = 60


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand of a node."""

    id: int
    slot: int


@dataclass(frozen=True, slots=True)
class TraceNode:
    """One number of the graph: ``id`` is its place in topological order, ``name`` its short name.

    ``formula`` is what it computes, in names; ``custom`` tells an operation of the user's own.
    """

    id: int
    label: str
    name: str
    op: str
    formula: str
    value: float
    parents: tuple[Operand, ...]
    leaf: bool
    constant: bool
    custom: bool
    scope: tuple[str, ...]
    source: str | None


@dataclass(frozen=True, slots=True)
class TraceEdge:
    """One debt: ``consumer`` owes ``parent``; ``local`` is the local derivative.

    ``words`` says it as a formula; ``worded`` where that is more than the number itself.
    """

    id: int
    consumer: int
    parent: int
    slot: int
    local: float
    words: str
    text: str
    worded: bool


@dataclass(frozen=True, slots=True, repr=False)
class Graph:
    """Nodes and edges; ``layers`` are those of a network, none elsewhere."""

    nodes: tuple[TraceNode, ...]
    edges: tuple[TraceEdge, ...]
    layers: tuple[Layer, ...]

    @property
    def units(self) -> list[Unit]:
        """The units of all layers."""
        return [unit for layer in self.layers for unit in layer.units]

    @property
    def root(self) -> TraceNode:
        """The node that owes 1: the last in topological order."""
        return self.nodes[-1]


def graph_of(order: Sequence[Value], names: Sequence[str] | None = None) -> Graph:
    """The records of nodes in topological order; ``names`` replace what they would be called."""
    number_of = {node: i for i, node in enumerate(order)}
    layers = network(order)
    told = names_of(order, layers)
    if names is not None and len(names) != len(order):
        raise ValueError(f"names takes one for each of {len(order)} nodes, got {len(names)}")
    for name in names or ():
        text_of(name, "a name")
    called = told if names is None else [shorten(a) or b for a, b in zip(names, told)]
    nodes = tuple(_node(node, number_of, called) for node in order)
    return Graph(nodes, tuple(_edges(edges(order[-1]), number_of, nodes)), layers)


# -- names and records -----------------------------------------------------------------------------


def names_of(order: Sequence[Value], layers: Sequence[Layer] = ()) -> list[str]:
    """What sentences call each node: its label, a free letter (v7 in larger graphs), or its number.

    In a network z₁₂ and its like.  A label that several nodes share gets a count from the second
    on: ``w``, ``w#2``.
    """
    told = network_names(order, layers)
    labels = [told.get(i) or shorten(node.label) for i, node in enumerate(order)]
    nameless = [i for i, node in enumerate(order) if not labels[i] and _needs_name(node)]
    taken = {*labels, *(NETWORK_LETTERS if layers else ())}
    letters = [letter for letter in LETTERS if letter not in taken]
    enough = len(nameless) <= min(LETTERS_UP_TO, len(letters))
    for k, i in enumerate(nameless):
        labels[i] = letters[k] if enough else f"v{i}"
    seen: Counter[str] = Counter()
    return [_name(node, label, seen) for node, label in zip(order, labels, strict=True)]


def _needs_name(node: Value) -> bool:
    return node.requires_grad or bool(node.parents)


def _name(node: Value, label: str, seen: Counter[str]) -> str:
    if not label:
        return show(node.data)
    name = label
    while name in seen:  # somebody may have called a node w#2
        seen[label] += 1
        name = f"{label}#{seen[label]}"
    seen[name] += 1
    return name


def _node(node: Value, number_of: Mapping[Value, int], names: Sequence[str]) -> TraceNode:
    number = number_of[node]
    return TraceNode(
        id=number,
        label=node.label,
        name=names[number],
        op=node.op,
        formula=_formula(node, [_operand(p, names[number_of[p]]) for p in node.parents]),
        value=node.data,
        parents=tuple(Operand(number_of[p], slot) for slot, p in enumerate(node.parents)),
        leaf=node.is_leaf,
        constant=not node.requires_grad,
        custom=bool(node.parents) and node.primitive is None,
        scope=node.scope,
        source=node.source,
    )


def _operand(parent: Value, name: str) -> str | float:
    """A nameless constant takes part in formulas as the number it is."""
    return name if parent.label or _needs_name(parent) else parent.data


def _formula(node: Value, operands: Sequence[str | float]) -> str:
    if not node.parents:
        return ""
    if node.primitive is None:
        return call(shorten(node.op), [x if isinstance(x, str) else show(x) for x in operands])
    return formula(node.op, operands)


def expression(order: Sequence[Value], nodes: Sequence[TraceNode]) -> str:
    """What the root computes from the leaves, or where that is long, from what has a label."""
    names = [node.name for node in nodes]
    root, name = order[-1], names[-1]
    everything = {node for node in order if node.primitive is not None}
    nameless = {node for node in everything if not node.label or node is root}
    texts = (_written(order, names, some) for some in (everything, nameless, {root} & everything))
    return next((text for text in texts if text != name), "")


def _written(order: Sequence[Value], names: Sequence[str], spelled_out: set[Value]) -> str:
    """The root as a formula in which these nodes are spelled out where that stays short."""
    told: dict[Value, Term] = {}
    for node, name in zip(order, names, strict=True):
        written = term(name)
        if node in spelled_out:
            spelled = spell(node.op, [told[parent] for parent in node.parents])
            written = spelled if len(spelled.text) <= LONGEST_FORMULA else written
        told[node] = written if _needs_name(node) or node.label else term(node.data)
    return told[order[-1]].text


def _edges(
    graph_edges: Iterable[Edge], number_of: Mapping[Value, int], nodes: Sequence[TraceNode]
) -> Iterator[TraceEdge]:
    count = itertools.count()
    for node, owed in itertools.groupby(graph_edges, key=attrgetter("consumer")):
        consumer = nodes[number_of[node]]
        told = _local_words(node, nodes, consumer)
        for edge, number in zip(owed, count):
            parent, words = nodes[number_of[edge.parent]], told[edge.slot]
            local, symbol = show(edge.partial), f"∂{consumer.name}/∂{parent.name}"
            worded = words not in ("", local)
            said = f"{symbol} = {words} = {local}" if worded else f"{symbol} = {local}"
            yield TraceEdge(
                number, consumer.id, parent.id, edge.slot, edge.partial, words, said, worded
            )


def _local_words(node: Value, nodes: Sequence[TraceNode], told: TraceNode) -> list[str]:
    """The partials of a node in words; empty where they are too long, or a convention decides."""
    if node.primitive is None:
        return [""] * len(node.parents)
    operands = [
        _operand(p, nodes[o.id].name) for p, o in zip(node.parents, told.parents, strict=True)
    ]
    words = local_derivatives(node.op, operands, told.name)
    slopes = taught_slopes(node.op, [parent.data for parent in node.parents], node.data)
    return [
        text if len(text) <= LONGEST_FORMULA and _same(slope, partial) else ""
        for text, slope, partial in zip(words, slopes, node.partials, strict=True)
    ]


def _same(a: float, b: float) -> bool:
    return isclose(a, b, rel_tol=1e-6, abs_tol=1e-12) or (a != a and b != b)
