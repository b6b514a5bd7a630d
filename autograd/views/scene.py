"""What a picture holds and where: one scene for files, notebooks, frames, print and the page.

A scene is made from plain records at a *folding*: a *card* per node, or per scope that is folded; a
*wire* per edge, or per bundle of edges that a fold merged; a *box* per scope that stays open.  Data
flow from left to right.  What is written on a wire is its *pill*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import graphviz

from autograd.views.cards import Card, cards_of, wide
from autograd.views.folding import Fold, Scope, groups_of, prefixes, suiting
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
from autograd.views.records import Graph, TraceEdge
from autograd.views.text import columns, number, shorten, typeset

MARGIN = 18.0
LINES_PER_NODE = 10
LABELLED_WIRES = 90


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
    rankdir: str

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
    groups = groups_of(graph, level)
    if max_nodes is not None:
        _check(graph, len(set(groups)), "nodes", max_nodes, max_nodes, fold)
    cards = tuple(cards_of(graph, groups, gradients))
    card_of = {node: card.key for card in cards for node in card.nodes}
    wires = (*_wires(graph, cards, card_of), *_constant_wires(graph, card_of))
    if max_nodes is not None:
        _check(graph, len(wires), "lines", LINES_PER_NODE * max_nodes, max_nodes, fold)
    boxes = tuple(dict.fromkeys(path for card in cards for path in prefixes(card.scope)))
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
        f"{_way_to_fold(graph, max_nodes, fold)}max_nodes={raised} draws it all the same{slowly}"
    )


def _way_to_fold(graph: Graph, max_nodes: int, fold: Fold) -> str:
    if fold is not None and fold != 0:
        return ""
    folded = len(set(groups_of(graph, 1)))
    if folded > max_nodes or not any(node.scope for node in graph.nodes):
        return 'nodes made inside `with scope("…"):` can be folded with fold=1, and '
    return f"fold=1 shows its scopes folded into {folded} nodes, and "


# --- wires ----------------------------------------------------------------------------------------


def _wires(graph: Graph, cards: Sequence[Card], card_of: Mapping[int, str]) -> Iterator[Wire]:
    # only between two open nodes is an edge a wire of its own: x · x has two
    bundles: dict[tuple[str, str], list[int]] = {}
    for debt in graph.edges:
        debtor, creditor = card_of[debt.consumer], card_of[debt.parent]
        if debtor[0] == creditor[0] == "n":
            yield Wire(f"e{debt.id}", debtor, creditor, (debt.id,), _before(graph, debt))
        elif debtor != creditor:
            bundles.setdefault((debtor, creditor), []).append(debt.id)
    units = {card.key for card in cards if card.kind == "unit"}
    for (debtor, creditor), members in bundles.items():
        # a unit's single edge is its weight: drawn as thick as it is large
        weight = len(members) == 1 and debtor in units
        before = _before(graph, graph.edges[members[0]])
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
    return wide(shown, 11.5) + 12


# --- what stands on wires -------------------------------------------------------------------------

BESIDE = 20.0
"""A text less than half of this away from a line can be seen to be about it."""

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
        curve = told.places.curves[wire.key]
        spots = [_on_picture(spot, width, told) for spot in _spots(told, curve, width)]
        # cards and headings come first, then what was placed before; of what is left the quietest
        free = [s for s in spots if not any(_overlap(s, width, *other) for other in taken)]
        centre = min(free or spots, key=lambda spot: _struck(spot, width, place, lines))
        hidden = told.crowded or wire.weight
        if not hidden:
            hidden = not free or _struck(centre, width, place, lines) >= LATER
        if not hidden:
            taken.append((centre, width, 18.0))
        found[wire.key] = Pill(centre, width, hidden)
    return found


def _spots(told: Scene, curve: Curve, width: float) -> Iterator[Point]:
    """Where a text could stand: where room was kept if that is at the line, and along the line."""
    if curve.label:
        axis = 0 if told.rankdir in ("LR", "RL") else 1
        level = curve.label[axis]
        yield min(points_of(curve), key=lambda point: abs(point[axis] - level))
        if any(_overlap(curve.label, width, point, BESIDE, BESIDE) for point in points_of(curve)):
            yield curve.label
    yield from (point_on(curve, part) for part in PARTS)


def _heading(box: Scope, place: tuple[float, float, float, float]) -> tuple[Point, float, float]:
    """Where the name of a scope stands."""
    width = wide(shorten(box[-1]), 12.5)
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
