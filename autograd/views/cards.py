"""Cards: how large each thing of a picture is, so that all that it says has room.

A number has a card of its own, and so has a folded scope.  Of a network, a folded unit is a card of
its z, a and δ, a folded layer one of all its units and weights with its equation, and inputs and
loss are cards too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Literal

from autograd.rules import TABLE
from autograd.views.folding import Group, Scope, between_layers, made_of_layers
from autograd.views.moment import Moment
from autograd.views.network import Layer, Unit, subscribed
from autograd.views.records import Graph, TraceNode
from autograd.views.text import clean, columns, in_full, number, shorten, typeset

Kind = Literal["leaf", "constant", "number", "inner", "fold", "unit", "layer", "inputs", "loss"]

TOOLTIP_COLUMNS = 200
ROWS_AT_MOST = 40
CELL = 74.0
TALL, FLAT, SMALL, LINE = 62.0, 36.0, 28.0, 20.0
MANY_UNITS = 6


@dataclass(frozen=True, slots=True)
class Card:
    """One thing of the picture, standing for its ``nodes``."""

    key: str
    kind: Kind
    root: bool
    nodes: tuple[int, ...]
    title: str
    badge: str
    scope: Scope
    width: float
    height: float
    units: tuple[Unit, ...] = ()
    layer: Layer | None = None

    @property
    def folded(self) -> bool:
        """Whether it stands for something that could be opened."""
        return self.kind in ("fold", "unit", "layer", "inputs", "loss")


def cards_of(graph: Graph, groups: Sequence[Group], gradients: bool) -> Iterator[Card]:
    """A card for each group of nodes, in the order of their first ones."""
    members: dict[Group, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    units = {unit.scope: unit for unit in graph.units}
    layers = {layer.scope: layer for layer in graph.layers}
    folds = 0
    for (kind, scope, number_), found in members.items():
        nodes = tuple(found)
        if kind == "node":
            yield _node_card(graph, graph.nodes[number_], gradients)
            continue
        key, folds = f"s{folds}", folds + 1
        root = graph.root.id in found
        if kind == "inputs":
            yield _list_card(graph, key, nodes)
        elif kind == "loss":
            width = max(150.0, wide(number(graph.root.value), 15) + 90)
            height = TALL if gradients else FLAT
            yield Card(key, "loss", root, nodes, graph.root.name, "", (), width, height)
        elif scope in units and len(units[scope].sums) == 1:
            yield _unit_card(graph, key, nodes, units[scope], layers[scope[:-1]], gradients)
        elif scope in layers and all(len(unit.sums) == 1 for unit in layers[scope].units):
            yield _layer_card(graph, key, nodes, layers[scope])
        else:
            title = shorten(scope[-1], 18) or "scope"
            width = max(196.0, wide(title, 17) + 70)
            yield Card(key, "fold", root, nodes, title, "", scope[:-1], width, TALL)


def folded_scope(card: Card, graph: Graph) -> Scope:
    """The scope that a card stands for, or ()."""
    if card.kind not in ("fold", "unit", "layer"):
        return ()
    return graph.nodes[card.nodes[0]].scope[: len(card.scope) + 1]


def _node_card(graph: Graph, node: TraceNode, gradients: bool) -> Card:
    key, nodes, root = f"n{node.id}", (node.id,), node is graph.root
    if node.constant and node.leaf and not node.label:
        width = max(wide(number(node.value), 14) + 20, SMALL)
        return Card(key, "number", root, nodes, "", "", node.scope, width, SMALL)
    title, badge = shorten(node.name, 18), symbol(node)
    kind: Kind = "leaf" if node.leaf and not node.constant else "inner"
    kind = "constant" if node.constant else kind
    room = wide(title, 17) + wide(badge, 13) + wide(number(node.value), 15) + 66
    height = TALL if gradients and not node.constant else FLAT
    width = max(room, 158.0 if height == TALL else 60.0)
    return Card(key, kind, root, nodes, title, badge, node.scope, width, height)


def symbol(node: TraceNode) -> str:
    """The sign of an operation: that of its row in the table, or the name that its user gave it."""
    return shorten(node.op, 12) if node.custom or node.leaf else TABLE[node.op].symbol


def _list_card(graph: Graph, key: str, nodes: tuple[int, ...]) -> Card:
    named = max(wide(given_name(graph, i), 14) for i in nodes)
    height = 36 + LINE * min(len(nodes), ROWS_AT_MOST)
    return Card(key, "inputs", False, nodes, "x", "", (), named + CELL * 2 + 24, height)


def listed(rows: int) -> int:
    """How many of so many rows a card shows: where there are too many, the last says so."""
    return rows if rows <= ROWS_AT_MOST else ROWS_AT_MOST - 1


def given_name(graph: Graph, i: int) -> str:
    """What an input is called; nothing where its name is its number."""
    return graph.nodes[i].name if graph.nodes[i].label or not graph.nodes[i].constant else ""


def _unit_card(
    graph: Graph, key: str, nodes: tuple[int, ...], unit: Unit, layer: Layer, gradients: bool
) -> Card:
    bent = unit.outputs[0] != unit.sums[0]
    badge = _bend(graph, unit) if bent else ""
    root = graph.root.id in nodes
    named = max(wide(graph.nodes[other.sums[0]].name, 14) for other in layer.units)
    rows = 1 + bent + gradients
    if len(layer.units) > MANY_UNITS:
        size = named + CELL * rows + 40, 30.0
    else:
        size = named + wide(badge, 14) + CELL + 58, 14 + LINE * rows
    return Card(key, "unit", root, nodes, unit.scope[-1], badge, unit.scope[:-1], *size, (unit,))


def _layer_card(graph: Graph, key: str, nodes: tuple[int, ...], layer: Layer) -> Card:
    rows = min(len(layer.units), ROWS_AT_MOST)
    table, side = 30 + 3 * CELL + 24, heat_side(layer)
    down = len(layer.units) * side
    width = max(table, 2 * heat_width(layer) + 60, 24 + wide(equations(graph, layer)[1], 12.5))
    height = 52 + LINE * rows + 26 + down + 30
    badge = _activation(graph, layer)
    return Card(
        key, "layer", graph.root.id in nodes, nodes, shorten(layer.scope[-1], 18), badge,
        layer.scope[:-1], width, height, layer.units, layer,
    )  # fmt: skip


def heat_side(layer: Layer) -> float:
    """The side of one cell in a layer's heat maps."""
    most = max(len(layer.units), *(len(unit.weights) + 1 for unit in layer.units))
    return max(2.0, min(14.0, 150.0 / most))


def heat_width(layer: Layer) -> float:
    """The width of one of them: weights, a gap and a bias in each row."""
    return max(len(unit.weights) + 1.6 for unit in layer.units) * heat_side(layer)


def _activation(graph: Graph, layer: Layer) -> str:
    """What all units of a layer do to their sums; f where they differ."""
    made = {_bend(graph, unit) for unit in layer.units}
    return made.pop() if len(made) == 1 else "f"


def _bend(graph: Graph, unit: Unit) -> str:
    """What a unit does to its sum: the name of one function, or f for all that has none."""
    z, a = unit.sums[0], graph.nodes[unit.outputs[0]]
    of = {operand.id for operand in a.parents if not graph.nodes[operand.id].constant}
    named = of == {z} and symbol(a).isidentifier()
    return "linear" if a.id == z else symbol(a) if named else "f"


def _given(graph: Graph, layer: Layer) -> str:
    """What a layer reads: the a of another one, what lies between layers, or x."""
    read, between = layer.inputs, between_layers(graph)
    whose = (other for other in graph.layers if read and read <= other.outputs)
    if other := next(whose, None):
        return subscribed("a", str(other.number))
    if not read & made_of_layers(graph).keys():
        return "x"
    names = {between.get(i, "h") for i in read}
    return names.pop() if len(names) == 1 else "h"


def equations(graph: Graph, layer: Layer) -> tuple[str, str]:
    """What a layer computes, and what it pays back, with the layers around it named."""

    def at(letter: str, layer: Layer = layer) -> str:
        return subscribed(letter, str(layer.number))

    made, bent = layer.outputs, _activation(graph, layer)
    users = {node.id for node in graph.nodes if any(p.id in made for p in node.parents)}
    after = [other for other in graph.layers if users & other.sums]
    forward = f"{at('z')} = {at('W')} {_given(graph, layer)} + {at('b')}"
    came = f"∂{graph.root.name}/∂{at('z' if bent == 'linear' else 'a')}"
    if len(after) == 1 and users <= after[0].sums and after[0].inputs <= made:
        came = f"{at('W', after[0])}ᵀ {at('δ', after[0])}"
    if bent == "linear":
        return forward, f"{at('δ')} = {came}"
    came = f"({came})" if " " in came else came
    return f"{forward},  {at('a')} = {bent}({at('z')})", f"{at('δ')} = {came} ⊙ {bent}′({at('z')})"


def tooltip(node: TraceNode, words: Mapping[str, str], now: Moment) -> str:
    """All about a node, in lines; its numbers in full once they are known."""
    kind = "constant" if node.constant else "leaf" if node.leaf else "operation"
    lines = [
        clean(node.label or node.name, TOOLTIP_COLUMNS),
        f"{words[kind]} {clean(node.op, TOOLTIP_COLUMNS)}".strip(),
        f"= {clean(typeset(node.formula), TOOLTIP_COLUMNS)}" if node.formula else "",
        f"{words['data']} {in_full(node.value)}" if node.id in now.values else "",
        f"{words['grad']} {in_full(now.totals[node.id])}" if node.id in now.settled else "",
        f"{words['scope']} {clean(' / '.join(node.scope), TOOLTIP_COLUMNS)}" if node.scope else "",
    ]
    return "\n".join(line for line in lines if line)


# -- widths ----------------------------------------------------------------------------------------

_NARROW, _BROAD = frozenset("iIjl.,:;'|!()[]{}`ftr "), frozenset("mwMW@%&—…∞")


def wide(text: str, size: float) -> float:
    """About how wide a sans-serif face sets the text: a little generous, the same everywhere."""
    return size * reduce(add, map(_em, text), 0.0)  # sum() rounds otherwise from Python 3.12 on


def _em(char: str) -> float:
    if char in _NARROW:
        return 0.36
    if char in _BROAD:
        return 0.95
    if char.isupper():
        return 0.72
    return {0: 0.0, 1: 0.59, 2: 1.02}[columns(char)]
