"""The board on which a trace is played: cards for nodes, wires for debts, boxes for scopes.

Debts run down the board: the root is above (or to the right of) those it owes.  Graphviz says
where things go; what is written on the cards changes from step to step, so it is painted here for
one moment, and repainted by the page for every other.  A *level* folds all scopes of some depth to
one card each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import atan2, cos, sin

from autograd.rules import TABLE
from autograd.views.layout import Curve, Layout, Point, layout
from autograd.views.moment import Moment, consumers, moment
from autograd.views.scene import columns, shorten
from autograd.views.trace import Step, Trace, TraceEdge, TraceNode
from autograd.views.words import show, sum_of

Scope = tuple[str, ...]

HEIGHT, SMALL_HEIGHT = 62.0, 28.0
MARGIN = 18.0
ROOMY = (820.0, 520.0)
LABELLED_WIRES = 90
BOTH_WAYS = 400


@dataclass(frozen=True, slots=True)
class Card:
    """A node, or a folded scope and the nodes in it."""

    key: str
    kind: str
    nodes: tuple[int, ...]
    title: str
    op: str
    scope: Scope
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Wire:
    """The edges from one card to another; none for the dashed line to a constant."""

    key: str
    debtor: str
    creditor: str
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """Cards, wires and boxes with their places."""

    cards: tuple[Card, ...]
    wires: tuple[Wire, ...]
    boxes: tuple[Scope, ...]
    places: Layout


def levels(story: Trace) -> list[int]:
    """The depths at which scopes can be folded, the coarsest first; 0 is everything open."""
    deepest = max(len(node.scope) for node in story.nodes)
    return [*range(1, deepest + 1), 0]


def board(story: Trace, depth: int = 0) -> Board:
    """The board with every scope of that depth folded to one card; with 0 everything lies open."""
    cards = tuple(_cards(story, depth))
    card_of = {node: card.key for card in cards for node in card.nodes}
    wires = (*_wires(story.edges, card_of), *_constant_wires(story.nodes, card_of))
    boxes = tuple(dict.fromkeys(path for card in cards for path in _prefixes(card.scope)))
    places = _best_layout(cards, wires, boxes)
    return Board(cards, wires, boxes, places)


# -- what lies on it -------------------------------------------------------------------------------


def _cards(story: Trace, depth: int) -> Iterator[Card]:
    folds: dict[Scope, list[int]] = {}
    for node in story.nodes:
        if depth and len(node.scope) >= depth:
            folds.setdefault(node.scope[:depth], []).append(node.id)
        else:
            yield _node_card(node, node is story.root)
    for i, (scope, members) in enumerate(folds.items()):
        title = shorten(scope[-1], 18)
        width = max(196.0, 9.5 * columns(title) + 64)
        yield Card(f"s{i}", "fold", tuple(members), title, "", scope[:-1], width, HEIGHT)


def _node_card(node: TraceNode, root: bool) -> Card:
    if node.constant and node.leaf and not node.label:
        width = 9.0 * columns(node.name) + 20
        return Card(
            f"n{node.id}", "number", (node.id,), node.name, "", node.scope, width, SMALL_HEIGHT
        )
    title = shorten(node.name, 14)
    op = symbol(node)
    kind = "constant" if node.constant else "leaf" if node.leaf else "inner"
    room = 10.5 * columns(title) + 8.5 * columns(op) + 8.2 * len(show(node.value, 5)) + 58
    width = min(max(room, 124.0), 270.0)
    return Card(
        f"n{node.id}",
        f"{kind} root" if root else kind,
        (node.id,),
        title,
        op,
        node.scope,
        width,
        HEIGHT,
    )


def symbol(node: TraceNode) -> str:
    """The sign of an operation: that of its row in the table, or the name that its user gave it."""
    return shorten(node.op, 12) if node.custom or node.leaf else TABLE[node.op].symbol


def _prefixes(scope: Scope) -> Iterator[Scope]:
    return (scope[: i + 1] for i in range(len(scope)))


def _wires(debts: Iterable[TraceEdge], card_of: Mapping[int, str]) -> Iterator[Wire]:
    bundles: dict[tuple[str, str], list[int]] = {}
    for debt in debts:
        debtor, creditor = card_of[debt.consumer], card_of[debt.parent]
        if debtor[0] == creditor[0] == "n":
            yield Wire(f"e{debt.id}", debtor, creditor, (debt.id,))
        elif debtor != creditor:
            bundles.setdefault((debtor, creditor), []).append(debt.id)
    for (debtor, creditor), members in bundles.items():
        yield Wire(f"e{members[0]}", debtor, creditor, tuple(members))


def _constant_wires(nodes: Iterable[TraceNode], card_of: Mapping[int, str]) -> Iterator[Wire]:
    nodes = tuple(nodes)
    pairs = dict.fromkeys(
        (card_of[node.id], card_of[operand.id])
        for node in nodes
        for operand in node.parents
        if nodes[operand.id].constant
    )
    for i, (debtor, creditor) in enumerate(pairs):
        if debtor != creditor:
            yield Wire(f"c{i}", debtor, creditor, ())


# -- where it lies ---------------------------------------------------------------------------------


def _best_layout(cards: Sequence[Card], wires: Sequence[Wire], boxes: Sequence[Scope]) -> Layout:
    """Downwards, or leftwards where that shows the whole larger."""
    downwards = layout(_dot(cards, wires, boxes, "TB"))
    if len(cards) > BOTH_WAYS or _scale(downwards) == 1:
        return downwards
    leftwards = layout(_dot(cards, wires, boxes, "RL"))
    return max(downwards, leftwards, key=_scale)


def _scale(places: Layout) -> float:
    return min(1.0, ROOMY[0] / places.width, ROOMY[1] / places.height)


def _dot(cards: Sequence[Card], wires: Sequence[Wire], boxes: Sequence[Scope], rankdir: str) -> str:
    """DOT source with sizes and no text: nothing of the user's reaches Graphviz."""
    gap = "0.62" if len(wires) > LABELLED_WIRES else "0.38"
    lines = [
        f'graph [rankdir={rankdir} nodesep="0.36" ranksep="{gap}" margin="0"]',
        'node [shape=box fixedsize=true label=""]',
        "edge [arrowhead=none]",
        *_inside((), cards, boxes),
        *(_dot_wire(wire, len(wires)) for wire in wires),
    ]
    return "digraph {\n" + "\n".join(lines) + "\n}"


def _inside(scope: Scope, cards: Sequence[Card], boxes: Sequence[Scope]) -> Iterator[str]:
    for card in cards:
        if card.scope == scope:
            size = f'width="{card.width / 72:.4f}" height="{card.height / 72:.4f}"'
            yield f"{card.key} [{size}]"
    for i, box in enumerate(boxes):
        if box[:-1] == scope:
            yield f'subgraph cluster_{i} {{ margin="14" label={_space(60, 14)}'
            yield from _inside(box, cards, boxes)
            yield "}"


def _dot_wire(wire: Wire, among: int) -> str:
    label = f" label={_space(58, 20)}" if wire.edges and among <= LABELLED_WIRES else ""
    return f'{wire.debtor} -> {wire.creditor} [id="{wire.key}"{label}]'


def _space(width: int, height: int) -> str:
    """An empty label of that size."""
    frame = 'border="0" cellborder="0" cellspacing="0" cellpadding="0"'
    cell = f'<td fixedsize="true" width="{width}" height="{height}"></td>'
    return f"<<table {frame}><tr>{cell}</tr></table>>"


# -- painting one moment ---------------------------------------------------------------------------


def draw_board(story: Trace, laid: Board, now: Moment | None = None, style: str = "") -> str:
    """The board as an SVG element; without a moment, as it is before the first step."""
    width, height = laid.places.width + 2 * MARGIN, laid.places.height + 2 * MARGIN
    title = escape(f"{story.root.name}: {len(story.nodes)} nodes, {len(story.edges)} edges")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="board" role="img" aria-label="{title}" '
        f'width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="{_n(-MARGIN)} {_n(-MARGIN)} {_n(width)} {_n(height)}">'
        f"{style}{draw_part(story, laid, now or moment(story, 0))}</svg>"
    )


def draw_part(story: Trace, laid: Board, now: Moment) -> str:
    """The board without an SVG element around it."""
    return "".join(_Painter(story, laid, now).parts())


class _Painter:
    """Paints the parts of a board as they stand at one moment."""

    def __init__(self, story: Trace, laid: Board, now: Moment) -> None:
        self.story, self.laid, self.now = story, laid, now
        self.consumers = consumers(story)
        self.payer, self.payee = _actors(story, now.step)

    def parts(self) -> Iterator[str]:
        """Boxes below, then wires, then cards; the coin on top."""
        yield from map(self._box, self.laid.boxes, range(len(self.laid.boxes)))
        yield from map(self._wire, self.laid.wires)
        yield from map(self._card, self.laid.cards)
        yield from self._coin()

    def _box(self, scope: Scope, i: int) -> str:
        x0, y0, x1, y1 = self.laid.places.boxes[f"cluster_{i}"]
        return (
            f'<g class="scope"><rect x="{_n(x0)}" y="{_n(y0)}" width="{_n(x1 - x0)}" '
            f'height="{_n(y1 - y0)}" rx="12"/>'
            f'<text x="{_n(x0 + 10)}" y="{_n(y0 + 16)}">{escape(shorten(scope[-1]))}</text></g>'
        )

    def _wire(self, wire: Wire) -> str:
        curve = self.laid.places.curves[wire.key]
        if not wire.edges:
            return f'<path class="quiet" d="{_path(curve)}"/>'
        used = " used" if any(edge in self.now.used for edge in wire.edges) else ""
        now = " now" if self.now.step and self.now.step.edge in wire.edges else ""
        many = len(wire.edges) > 1
        about = f"{len(wire.edges)}" if many else self.story.edges[wire.edges[0]].text
        data = "data-edges" if many else "data-edge"
        return (
            f'<g class="edge{used}{now}" {data}="{" ".join(map(str, wire.edges))}">'
            f'<title>{escape(about)}</title><path class="wire" d="{_path(curve)}"/>'
            f'<path class="tip up" d="{_tip(curve.points[1], curve.points[0])}"/>'
            f'<path class="tip down" d="{_tip(curve.points[-2], curve.points[-1])}"/>'
            f"{self._local(wire, curve.label or point_on(curve, 0.5))}</g>"
        )

    def _local(self, wire: Wire, place: Point) -> str:
        """What the wire multiplies by; unknown until its debtor has been evaluated."""
        crowded = " crowded" if len(self.laid.wires) > LABELLED_WIRES else ""
        debt = self.story.edges[wire.edges[0]]
        if len(wire.edges) > 1:
            text = f"{len(wire.edges)} →"
        else:
            text = f"×{number(debt.local, 4)}" if debt.consumer in self.now.known else ""
        return (
            f'<text class="local{crowded}" x="{_n(place[0])}" y="{_n(place[1] + 4)}">{text}</text>'
        )

    def _card(self, card: Card) -> str:
        x, y = self.laid.places.nodes[card.key]
        if card.kind == "fold":
            return self._fold(card, x, y)
        node = self.story.nodes[card.nodes[0]]
        classes = f"node {card.kind}{self._acting(node.id)}"
        title = f"{node.label or node.name}" + (f" = {node.formula}" if node.formula else "")
        inside = self._rows(card, node) if card.height > SMALL_HEIGHT else _number(card)
        return (
            f'<g class="{classes}" data-node="{node.id}" data-state="{self.now.state_of(node)}" '
            f'transform="translate({_n(x)} {_n(y)})">'
            f"<title>{escape(shorten(title, 200))}</title>{_frames(card)}{inside}</g>"
        )

    def _acting(self, node: int) -> str:
        return " now" if node == self.payer else " payee" if node == self.payee else ""

    def _rows(self, card: Card, node: TraceNode) -> str:
        left, right = -card.width / 2 + 14, card.width / 2 - 14
        value = number(node.value) if node.id in self.now.known else ""
        op = f'<tspan class="op" dx="7">{escape(card.op)}</tspan>' if card.op else ""
        tray = ""
        if card.kind != "constant":
            tray = (
                f'<rect class="tray" x="{_n(left - 7)}" y="3" width="{_n(right - left + 14)}" '
                f'height="22" rx="{"11" if card.kind.startswith("leaf") else "5"}"/>'
                f'<text class="pile" x="{_n(left)}" y="18.5">{self._pile(card, node)}</text>'
                f'<text class="heard" x="{_n(right)}" y="18.5">{self._heard(node)}</text>'
            )
        return (
            f'<text class="name" x="{_n(left)}" y="-9">{escape(card.title)}{op}</text>'
            f'<text class="value" x="{_n(right)}" y="-9">{value}</text>{tray}'
        )

    def _pile(self, card: Card, node: TraceNode) -> str:
        pile = self.now.piles.get(node.id, [])
        if not pile:
            return ""
        total = self.now.totals[node.id]
        if node.id in self.now.settled:
            return number(total)
        text = sum_of([number(amount) for amount in pile])
        return text if len(text) * 7.6 < card.width - 62 else f"Σ {number(total, 4)}"

    def _heard(self, node: TraceNode) -> str:
        if node.id in self.now.settled:
            return "✓"
        total = self.consumers[node.id]
        return (
            f"{len(self.now.piles.get(node.id, []))}/{total}"
            if node.id in self.now.piles and total
            else ""
        )

    def _fold(self, card: Card, x: float, y: float) -> str:
        left, right = -card.width / 2 + 14, card.width / 2 - 14
        owing = [i for i in card.nodes if not self.story.nodes[i].constant]
        settled = sum(i in self.now.settled for i in owing)
        members = " ".join(map(str, card.nodes))
        state = "settled" if settled == len(owing) else "owed" if settled else "known"
        return (
            f'<g class="node fold" data-nodes="{members}" data-state="{state}" '
            f'transform="translate({_n(x)} {_n(y)})"><title>{escape(card.title)}</title>'
            f"{_frames(card)}"
            f'<text class="name" x="{_n(left)}" y="-9">{escape(card.title)}</text>'
            f'<text class="count" x="{_n(right)}" y="-9">{len(card.nodes)}</text>'
            f'<rect class="tray" x="{_n(left - 7)}" y="3" '
            f'width="{_n(right - left + 14)}" height="22" rx="5"/>'
            f'<text class="pile" x="{_n(left)}" y="18.5"></text>'
            f'<text class="heard" x="{_n(right)}" y="18.5">{settled}/{len(owing)}</text></g>'
        )

    def _coin(self) -> Iterator[str]:
        """The amount on its way, near the end of the wire that it travels."""
        step = self.now.step
        if step is None or step.amount is None:
            return
        if step.kind == "seed" and (root := f"n{step.node}") in self.laid.places.nodes:
            x, y = self.laid.places.nodes[root]
            yield coin(number(step.amount), x, y - HEIGHT / 2 - 5)
        for wire in self.laid.wires:
            if step.edge in wire.edges:
                curve = self.laid.places.curves[wire.key]
                x, y = point_on(curve, 0.82)
                yield coin(number(step.amount), x, y)


def number(x: float, digits: int = 5) -> str:
    """A number on the board: short, with a true minus."""
    return show(x, digits).replace("-", "−")


def coin(text: str, x: float, y: float) -> str:
    """An amount of money at a place."""
    width = max(26.0, 8.4 * len(text) + 14)
    return (
        f'<g class="coin" transform="translate({_n(x)} {_n(y)})">'
        f'<rect x="{_n(-width / 2)}" y="-13" width="{_n(width)}" height="26" rx="13"/>'
        f'<text y="5">{escape(text)}</text></g>'
    )


def _actors(story: Trace, step: Step | None) -> tuple[int | None, int | None]:
    """Who acts in a step, and who is paid."""
    if step is None or step.edge is None:
        return (step.node if step else None), None
    debt = story.edges[step.edge]
    return debt.consumer, debt.parent


def _number(card: Card) -> str:
    return f'<text class="name" y="5">{escape(card.title)}</text>'


def _frames(card: Card) -> str:
    """The outlines: round ends for a leaf, two lines for the root, a stack for a fold."""
    w, h = card.width, card.height
    leaf = card.kind.startswith(("leaf", "number"))
    radius = min(h / 2, 24.0) if leaf else 9.0
    shapes = [_rect("ring", w + 10, h + 10, radius + 5)]
    if card.kind == "fold":
        shapes += [_rect("sheet", w, h, radius, shift) for shift in (7.0, 3.5)]
    shapes.append(_rect("card", w, h, radius))
    if "root" in card.kind:
        shapes.append(_rect("second", w + 7, h + 7, radius + 3.5))
    return "".join(shapes)


def _rect(name: str, w: float, h: float, radius: float, shift: float = 0.0) -> str:
    return (
        f'<rect class="{name}" x="{_n(shift - w / 2)}" y="{_n(shift - h / 2)}" '
        f'width="{_n(w)}" height="{_n(h)}" rx="{_n(radius)}"/>'
    )


# -- geometry --------------------------------------------------------------------------------------


def _path(curve: Curve) -> str:
    first, *rest = (f"{_n(x)},{_n(y)}" for x, y in curve.points)
    return f"M{first}C{' '.join(rest)}"


def _tip(before: Point, at: Point) -> str:
    """A slim arrow head that ends at a point."""
    angle = atan2(at[1] - before[1], at[0] - before[0])
    along, across = (cos(angle), sin(angle)), (-sin(angle), cos(angle))
    base = (at[0] - 9 * along[0], at[1] - 9 * along[1])
    wings = [(base[0] + side * across[0], base[1] + side * across[1]) for side in (4.5, -4.5)]
    return "M" + "L".join(f"{_n(x)},{_n(y)}" for x, y in (wings[0], at, wings[1])) + "Z"


def point_on(curve: Curve, part: float) -> Point:
    """The point at that part of the way."""
    points = list(_points(curve))
    return points[round(part * (len(points) - 1))]


def _points(curve: Curve) -> Iterator[Point]:
    for i in range(0, len(curve.points) - 1, 3):
        yield from (_bezier(curve.points[i : i + 4], t / 24) for t in range(25))


def _bezier(points: Sequence[Point], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    xs, ys = zip(*points)
    return sum(w * x for w, x in zip(weights, xs)), sum(w * y for w, y in zip(weights, ys))


def _n(x: float) -> str:
    """A coordinate with one digit at most."""
    return f"{round(x, 1) + 0.0:.1f}".removesuffix(".0")
