"""What a picture holds and where: one scene for files, notebooks, frames, print and the page.

A scene is made from plain records at a *folding*: a *card* per node, or per scope that is folded; a
*wire* per edge, or per bundle of edges that a fold merged; a *box* per scope that stays open.  Data
flow from left to right.  Of a network a folded unit is a card of its z, a and δ, a folded layer one
of all its units and weights, and inputs and loss are cards too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import graphviz

from autograd.rules import TABLE
from autograd.views.layout import (
    Block,
    Curve,
    Layout,
    Point,
    columns_of,
    layout,
    pace,
    point_on,
    points_of,
)
from autograd.views.moment import Moment
from autograd.views.network import Layer, Unit, subscribed
from autograd.views.records import Graph, TraceEdge, TraceNode
from autograd.views.text import clean, columns, number, shorten, typeset

Scope = tuple[str, ...]
Fold = int | str | Sequence[str] | None
Group = tuple[str, Scope, int]
Kind = Literal["leaf", "constant", "number", "inner", "fold", "unit", "layer", "inputs", "loss"]

MARGIN = 18.0
SCREEN = 60
"""Cards that a screen shows; more fold by themselves."""
LINES_PER_NODE = 10
TOOLTIP_COLUMNS = 200
LABELLED_WIRES = 90
ROWS_AT_MOST = 40
CELL = 74.0
PILE_FROM = 34.0
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


@dataclass(frozen=True, slots=True)
class Wire:
    """The edges from a debtor to a creditor; none for the dashed line to a constant."""

    key: str
    debtor: str
    creditor: str
    edges: tuple[int, ...]
    before: str = ""
    weight: bool = False


@dataclass(frozen=True, slots=True)
class Pill:
    """Where a wire's text stands; ``hidden`` until the wire acts if it has no room of its own."""

    centre: Point
    width: float
    hidden: bool


@dataclass(frozen=True)
class Scene:
    """Everything one picture shows, and where it stands."""

    graph: Graph
    cards: tuple[Card, ...]
    wires: tuple[Wire, ...]
    boxes: tuple[Scope, ...]
    folded: bool
    gradients: bool
    rankdir: str = "LR"

    @property
    def painted(self) -> list[Wire]:
        """The wires from the lowest to the uppermost: quiet ones below."""
        return sorted(self.wires, key=lambda wire: bool(wire.edges))

    @property
    def crowded(self) -> bool:
        """Whether there are too many wires for a text on each."""
        return len(self.wires) > LABELLED_WIRES

    @cached_property
    def places(self) -> Layout:
        """Where everything stands: units in columns, other graphs as Graphviz has it."""
        if self.graph.layers and self.rankdir == "LR":
            blocks = [Block(card.key, card.scope, card.width, card.height) for card in self.cards]
            return columns_of(blocks, [*map(self._link, self.wires)])
        return layout(skeleton(self))

    @cached_property
    def pills(self) -> dict[str, Pill]:
        """Where the text of each wire stands."""
        return _pills(self)

    def _link(self, wire: Wire) -> tuple[str, str, str, float]:
        wide = 0.0 if wire.weight else pill_width(wire, self.graph)
        return wire.key, wire.creditor, wire.debtor, min(wide, 160.0) if self.crowded else wide


# --- folding --------------------------------------------------------------------------------------


def levels(graph: Graph) -> list[int]:
    """The depths at which scopes can be folded, the coarsest first; 0 is everything open."""
    deepest = max(len(node.scope) for node in graph.nodes)
    return [*range(1, deepest + 1), 0]


def suiting(graph: Graph, most: int = SCREEN) -> int:
    """The finest level that a screen shows, else the coarsest; a network opens at its units."""
    told = levels(graph)
    units = {len(unit.scope) for unit in graph.units}
    finest = [*range(max(units), 0, -1)] if units else [0, *reversed(told[:-1])]
    fitting = (depth for depth in finest if len({*_groups(graph, depth)}) <= most)
    return next(fitting, told[0])


def _groups(graph: Graph, fold: Fold) -> list[Group]:
    """For each node what it is drawn in: itself, a folded scope, the inputs, or the loss."""
    folded = _folded(graph, fold)
    groups: list[Group] = [
        ("fold", scope, 0) if scope else ("node", (), i) for i, scope in enumerate(folded)
    ]
    units, hidden = {unit.scope for unit in graph.units}, {*folded} - {()}
    if units and all(any(unit[: len(scope)] == scope for scope in hidden) for unit in units):
        inputs = set() if units & hidden else _inputs(graph)
        for kind, found in (("inputs", inputs), ("loss", _loss(graph))):
            for i in found:
                groups[i] = groups[i] if folded[i] else (kind, (), 0)
    return groups


def _inputs(graph: Graph) -> set[int]:
    """Leaves without scope that units read."""
    read = {i for layer in graph.layers for i in layer.inputs}
    return {i for i in read if graph.nodes[i].leaf and not graph.nodes[i].scope}


def _loss(graph: Graph) -> set[int]:
    """What is made of units' sums outside of all scopes, with the leaves that only it uses."""
    behind = {i for layer in graph.layers for i in layer.sums}
    users: dict[int, set[int]] = {node.id: set() for node in graph.nodes}
    for node in graph.nodes:
        operands = {operand.id for operand in node.parents}
        behind |= {node.id} if operands & behind else set()
        for i in operands:
            users[i].add(node.id)
    outside = {node.id for node in graph.nodes if not node.scope}
    made = outside & behind
    if graph.root.id not in made or len(made) < 2:
        return set()
    return made | {i for i in outside if graph.nodes[i].leaf and users[i] <= made}


def _folded(graph: Graph, fold: Fold) -> list[Scope]:
    """For each node the (outermost) folded scope that hides it, or ()."""
    if fold is None or fold == 0:
        return [()] * len(graph.nodes)
    if isinstance(fold, int):
        if fold < 0:
            raise ValueError(f"fold counts scope levels from 1 (the outermost), not {fold}")
        return [node.scope[:fold] if len(node.scope) >= fold else () for node in graph.nodes]
    if not isinstance(fold, Iterable):
        raise TypeError(f"fold is a depth, a scope's name or several, got {fold!r}")
    names = [fold] if isinstance(fold, str) else [*fold]
    known = {name for node in graph.nodes for p in _prefixes(node.scope) for name in _names_of(p)}
    for name in names:
        if name not in known:
            listed = ", ".join(repr(n) for n in sorted(known)) or "no scope at all"
            raise ValueError(f"no scope {name!r} to fold; this graph has {listed}")
    return [_first_named(node.scope, names) for node in graph.nodes]


def _first_named(scope: Scope, names: list[str]) -> Scope:
    return next((p for p in _prefixes(scope) if any(n in names for n in _names_of(p))), ())


def _prefixes(scope: Scope) -> Iterator[Scope]:
    return (scope[:depth] for depth in range(1, len(scope) + 1))


def _names_of(path: Scope) -> tuple[str, str]:
    """A scope answers to its own name and to its whole path."""
    return path[-1], "/".join(path)


# --- the scene ------------------------------------------------------------------------------------


def scene(
    graph: Graph,
    fold: Fold = 0,
    *,
    max_nodes: int | None = None,
    gradients: bool = True,
    rankdir: str = "LR",
) -> Scene:
    """The scene of a graph at a folding; with ``fold=None`` it folds itself if it fills a screen.

    Raises ValueError when it would hold more than ``max_nodes`` cards or far too many lines.
    """
    level = suiting(graph) if fold is None else fold
    groups = _groups(graph, level)
    if max_nodes is not None:
        _check(graph, len(set(groups)), "nodes", max_nodes, max_nodes, fold)
    cards = tuple(_cards(graph, groups, gradients))
    card_of = {node: card.key for card in cards for node in card.nodes}
    wires = (*_wires(graph, cards, card_of), *_constant_wires(graph, card_of))
    if max_nodes is not None:
        _check(graph, len(wires), "lines", LINES_PER_NODE * max_nodes, max_nodes, fold)
    boxes = tuple(dict.fromkeys(path for card in cards for path in _prefixes(card.scope)))
    return Scene(graph, cards, wires, boxes, fold is None and level != 0, gradients, rankdir)


def _check(graph: Graph, count: int, what: str, most: int, max_nodes: int, fold: Fold) -> None:
    if count <= most:
        return
    if what == "nodes":
        limit, raised, slowly = f"max_nodes={max_nodes:,}", count, ""
    else:  # Graphviz takes minutes for a dense graph however few its nodes
        limit = f"{LINES_PER_NODE} for each of max_nodes={max_nodes:,}"
        raised, slowly = count // LINES_PER_NODE + 1, ", slowly"
    raise ValueError(
        f"this picture would have {count:,} {what}, more than {limit}; "
        f"{_way_to_fold(graph, fold)}max_nodes={raised} draws it all the same{slowly}"
    )


def _way_to_fold(graph: Graph, fold: Fold) -> str:
    if fold is not None and fold != 0:
        return ""
    if not any(node.scope for node in graph.nodes):
        return 'nodes made inside `with scope("…"):` can be folded with fold=1, and '
    return f"fold=1 shows its scopes folded into {len(set(_groups(graph, 1)))} nodes, and "


# --- cards ----------------------------------------------------------------------------------------


def _cards(graph: Graph, groups: Sequence[Group], gradients: bool) -> Iterator[Card]:
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
            width = max(150.0, _wide(number(graph.root.value), 15) + 90)
            height = TALL if gradients else FLAT
            yield Card(key, "loss", root, nodes, graph.root.name, "", (), width, height)
        elif scope in units and len(units[scope].sums) == 1:
            yield _unit_card(graph, key, nodes, units[scope], layers[scope[:-1]], gradients)
        elif scope in layers and all(len(unit.sums) == 1 for unit in layers[scope].units):
            yield _layer_card(graph, key, nodes, layers[scope])
        else:
            title = shorten(scope[-1], 18) or "scope"
            width = max(196.0, _wide(title, 17) + 70)
            yield Card(key, "fold", root, nodes, title, "", scope[:-1], width, TALL)


def _node_card(graph: Graph, node: TraceNode, gradients: bool) -> Card:
    key, nodes, root = f"n{node.id}", (node.id,), node is graph.root
    if node.constant and node.leaf and not node.label:
        width = max(_wide(number(node.value), 14) + 20, SMALL)
        return Card(key, "number", root, nodes, "", "", node.scope, width, SMALL)
    title, badge = shorten(node.name, 18), symbol(node)
    kind: Kind = "leaf" if node.leaf and not node.constant else "inner"
    kind = "constant" if node.constant else kind
    room = _wide(title, 17) + _wide(badge, 13) + _wide(number(node.value), 15) + 66
    height = TALL if gradients and not node.constant else FLAT
    width = max(room, 158.0 if height == TALL else 60.0)
    return Card(key, kind, root, nodes, title, badge, node.scope, width, height)


def symbol(node: TraceNode) -> str:
    """The sign of an operation: that of its row in the table, or the name that its user gave it."""
    return shorten(node.op, 12) if node.custom or node.leaf else TABLE[node.op].symbol


def _list_card(graph: Graph, key: str, nodes: tuple[int, ...]) -> Card:
    named = max(_wide(given_name(graph, i), 14) for i in nodes)
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
    badge = symbol(graph.nodes[unit.outputs[0]]) if bent else ""
    root = graph.root.id in nodes
    wide = max(_wide(graph.nodes[other.sums[0]].name, 14) for other in layer.units)
    rows = 1 + bent + gradients
    if len(layer.units) > MANY_UNITS:
        size = wide + CELL * rows + 40, 30.0
    else:
        size = wide + _wide(badge, 14) + CELL + 58, 14 + LINE * rows
    return Card(key, "unit", root, nodes, unit.scope[-1], badge, unit.scope[:-1], *size, (unit,))


def _layer_card(graph: Graph, key: str, nodes: tuple[int, ...], layer: Layer) -> Card:
    rows = min(len(layer.units), ROWS_AT_MOST)
    table, side = 30 + 3 * CELL + 24, heat_side(layer)
    down = len(layer.units) * side
    width = max(table, 2 * heat_width(layer) + 60, 24 + _wide(equations(graph, layer)[1], 12.5))
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
    """What all units that bend their sums do to them; nothing where they differ."""
    made = {symbol(graph.nodes[u.outputs[0]]) for u in layer.units if u.sums != u.outputs}
    return "" if len(made) > 1 else next(iter(made), "linear")


def equations(graph: Graph, layer: Layer) -> tuple[str, str]:
    """What a layer computes, and what it pays back, with the layers around it named."""

    def at(letter: str, layer: Layer = layer) -> str:
        return subscribed(letter, str(layer.number))

    read, made, bent = layer.inputs, layer.outputs, _activation(graph, layer) or "f"
    given = next((at("a", other) for other in graph.layers if read and read <= other.outputs), "x")
    users = {node.id for node in graph.nodes if any(p.id in made for p in node.parents)}
    users -= layer.sums | made
    after = [other for other in graph.layers if users & other.sums]
    forward = f"{at('z')} = {at('W')} {given} + {at('b')}"
    came = f"∂{graph.root.name}/∂{at('z' if bent == 'linear' else 'a')}"
    if len(after) == 1 and users <= after[0].sums:
        came = f"{at('W', after[0])}ᵀ {at('δ', after[0])}"
    if bent == "linear":
        return forward, f"{at('δ')} = {came}"
    came = f"({came})" if " " in came else came
    return f"{forward},  {at('a')} = {bent}({at('z')})", f"{at('δ')} = {came} ⊙ {bent}′({at('z')})"


# --- wires ----------------------------------------------------------------------------------------


def _wires(graph: Graph, cards: Sequence[Card], card_of: Mapping[int, str]) -> Iterator[Wire]:
    bundles: dict[tuple[str, str], list[int]] = {}
    for debt in graph.edges:
        debtor, creditor = card_of[debt.consumer], card_of[debt.parent]
        if debtor[0] == creditor[0] == "n":
            yield Wire(f"e{debt.id}", debtor, creditor, (debt.id,), _before(graph, debt))
        elif debtor != creditor:
            bundles.setdefault((debtor, creditor), []).append(debt.id)
    units = {card.key for card in cards if card.kind == "unit"}
    for (debtor, creditor), members in bundles.items():
        first = graph.edges[members[0]]
        weight = len(members) == 1 and debtor in units
        before = "" if len(members) > 1 else _before(graph, first)
        yield Wire(f"e{members[0]}", debtor, creditor, tuple(members), before, weight)


def _before(graph: Graph, debt: TraceEdge) -> str:
    """What stands before an edge's number: `∂e/∂d = c = `, or less where that would be long."""
    consumer, parent = graph.nodes[debt.consumer], graph.nodes[debt.parent]
    short = columns(consumer.name) <= 4 and columns(parent.name) <= 4
    once = sum(operand.id == parent.id for operand in consumer.parents) == 1
    symbol_ = f"∂{consumer.name}/∂{parent.name}" if short and once else "∂"
    words = typeset(debt.words) if columns(debt.words) <= 14 and debt.worded else ""
    return f"{symbol_} = {words} = " if words else f"{symbol_} = "


def _constant_wires(graph: Graph, card_of: Mapping[int, str]) -> Iterator[Wire]:
    """Quiet lines to the constants, one per pair of cards."""
    pairs = dict.fromkeys(
        (card_of[node.id], card_of[operand.id])
        for node in graph.nodes
        for operand in node.parents
        if graph.nodes[operand.id].constant
    )
    for i, (debtor, creditor) in enumerate(pairs):
        if debtor != creditor:
            yield Wire(f"c{i}", debtor, creditor, ())


# --- sizes ----------------------------------------------------------------------------------------

_NARROW, _BROAD = frozenset("iIjl.,:;'|!()[]{}`ftr "), frozenset("mwMW@%&—…∞")


def _wide(text: str, size: float) -> float:
    """About how wide a sans-serif face sets the text: a little generous, the same everywhere."""
    return size * sum(map(_em, text))


def _em(char: str) -> float:
    if char in _NARROW:
        return 0.36
    if char in _BROAD:
        return 0.95
    if char.isupper():
        return 0.72
    return {0: 0.0, 1: 0.59, 2: 1.02}[columns(char)]


def wire_text(wire: Wire, graph: Graph, words: Mapping[str, str]) -> str:
    """All that stands on a wire."""
    if len(wire.edges) > 1:
        return words["edges"].format(len(wire.edges))
    return wire.before + number(graph.edges[wire.edges[0]].local) if wire.edges else ""


def pill_width(wire: Wire, graph: Graph) -> float:
    """The width of what is written on a wire; 0 where nothing is."""
    if not wire.edges:
        return 0.0
    shown = f"{len(wire.edges)} edges" if len(wire.edges) > 1 else wire_text(wire, graph, {})
    return _wide(shown, 11.5) + 12


# --- what stands on wires -------------------------------------------------------------------------

PARTS = tuple(sorted((k / 40 for k in range(3, 38)), key=lambda part: abs(part - 0.5)))


def _pills(told: Scene) -> dict[str, Pill]:
    """Where each wire's text goes: on its line where that is free, else where room was kept."""
    taken = [(told.places.nodes[card.key], card.width, card.height) for card in told.cards]
    taken += [_heading(box, told.places.boxes[f"cluster_{i}"]) for i, box in enumerate(told.boxes)]
    found: dict[str, Pill] = {}
    lines = _strips(told)
    for place, wire in enumerate(told.painted):
        if not (width := pill_width(wire, told.graph)):
            continue
        spots = [
            _on_picture(spot, width, told) for spot in _spots(told, told.places.curves[wire.key])
        ]
        free = [s for s in spots if not any(_overlap(s, width, *other) for other in taken)]
        centre = min(free or spots, key=lambda spot: _struck(spot, width, place, lines))
        hidden = told.crowded or wire.weight
        if not hidden:
            hidden = not free or _struck(centre, width, place, lines) >= LATER
        if not hidden:
            taken.append((centre, width, 18.0))
        found[wire.key] = Pill(centre, width, hidden)
    return found


def _spots(told: Scene, curve: Curve) -> Iterator[Point]:
    """Where a text could stand: where room was kept, and along the line."""
    if curve.label:
        axis = 0 if told.rankdir in ("LR", "RL") else 1
        level = curve.label[axis]
        yield min(points_of(curve), key=lambda point: abs(point[axis] - level))
        yield curve.label
    yield from (point_on(curve, part) for part in PARTS)


def _heading(box: Scope, place: tuple[float, float, float, float]) -> tuple[Point, float, float]:
    """Where the name of a scope stands."""
    width = _wide(shorten(box[-1]), 12.5)
    return (place[0] + 10 + width / 2, place[1] + 12), width, 14.0


STRIP, LATER = 20, 1_000_000
Strips = Mapping[int, Sequence[tuple[Point, int]]]


def _strips(told: Scene) -> Strips:
    """The points of all lines in upright strips, so that those near a text are found quickly."""
    found: dict[int, list[tuple[Point, int]]] = {}
    for place, wire in enumerate(() if told.crowded else told.painted):
        for point in points_of(told.places.curves[wire.key]):
            found.setdefault(int(point[0] // STRIP), []).append((point, place))
    return found


def _struck(centre: Point, width: float, place: int, lines: Strips) -> int:
    """How far other lines run through a text there; what is painted later strikes it through."""
    (x, y), half = centre, width / 2
    near = range(int((x - half) // STRIP), int((x + half) // STRIP) + 1)
    return sum(
        LATER if other > place else 1
        for strip in near
        for at, other in lines.get(strip, ())
        if other != place and abs(at[0] - x) < half and abs(at[1] - y) < 10
    )


def _on_picture(centre: Point, width: float, told: Scene) -> Point:
    """Moved as little as keeps it on the picture."""
    room = width / 2 - MARGIN + 2
    x = min(max(centre[0], room), max(room, told.places.width - room))
    return x, min(max(centre[1], -5.0), told.places.height + 5.0)


def _overlap(a: Point, a_width: float, b: Point, b_width: float, b_height: float) -> bool:
    return (
        abs(a[0] - b[0]) < (a_width + b_width) / 2 + 1 and abs(a[1] - b[1]) < 9 + b_height / 2 + 1
    )


# --- for Graphviz ---------------------------------------------------------------------------------

Attributes = dict[str, str]


def fill(
    graph: graphviz.Digraph,
    told: Scene,
    of_card: Callable[[Card], Attributes],
    of_wire: Callable[[Wire], Attributes],
    of_box: Callable[[Scope], Attributes],
) -> None:
    """Cards, each in the box of its scope, and wires, with attributes of one's own."""

    def inside(graph: graphviz.Digraph, scope: Scope) -> None:
        for card in told.cards:
            if card.scope == scope:
                graph.node(card.key, **of_card(card))
        for i, box in enumerate(told.boxes):
            if box[:-1] == scope:
                with graph.subgraph(name=f"cluster_{i}", graph_attr=of_box(box)) as within:
                    inside(within, box)

    graph.graph_attr.update(pace([(wire.creditor, wire.debtor) for wire in told.wires]))
    inside(graph, ())
    for wire in told.wires:
        graph.edge(wire.creditor, wire.debtor, **of_wire(wire))


def skeleton(told: Scene) -> str:
    """DOT source of sizes and no text, so that nothing of the user's reaches Graphviz."""
    graph = graphviz.Digraph()
    graph.attr("graph", rankdir=told.rankdir, nodesep="0.24", ranksep="0.46", margin="0")
    graph.attr("node", shape="box", fixedsize="true", label="")
    graph.attr("edge", arrowhead="none")
    scope_of = {card.key: card.scope for card in told.cards if card.kind == "inner"}

    def of_wire(wire: Wire) -> Attributes:
        together = wire.debtor in scope_of and scope_of[wire.debtor] == scope_of.get(wire.creditor)
        wide = 0.0 if told.crowded else pill_width(wire, told.graph)
        label = {"label": _space(wide + 10, 22)} if wide else {}
        weight = "5" if together else "1"  # results of one scope stay in a line
        return {"id": wire.key, "weight": weight, **label}

    def of_card(card: Card) -> Attributes:
        return {"width": f"{card.width / 72:.4f}", "height": f"{card.height / 72:.4f}"}

    fill(graph, told, of_card, of_wire, lambda _: {"margin": "14", "label": _space(60, 14)})
    return str(graph.source)


def _space(width: float, height: float) -> str:
    """An empty label of that size."""
    frame = 'border="0" cellborder="0" cellspacing="0" cellpadding="0"'
    cell = f'<td fixedsize="true" width="{width:.0f}" height="{height:.0f}"></td>'
    return f"<<table {frame}><tr>{cell}</tr></table>>"


def tooltip(node: TraceNode, words: Mapping[str, str], now: Moment) -> str:
    """All about a node, in lines; its numbers in full once they are known."""
    kind = "constant" if node.constant else "leaf" if node.leaf else "operation"
    lines = [
        clean(node.label or node.name, TOOLTIP_COLUMNS),
        f"{words[kind]} {clean(node.op, TOOLTIP_COLUMNS)}".strip(),
        f"= {clean(node.formula, TOOLTIP_COLUMNS)}" if node.formula else "",
        f"{words['data']} {node.value!r}" if node.id in now.known else "",
        f"{words['grad']} {now.totals[node.id]!r}" if node.id in now.settled else "",
        f"{words['scope']} {clean(' / '.join(node.scope), TOOLTIP_COLUMNS)}" if node.scope else "",
    ]
    return "\n".join(line for line in lines if line)
