"""The painter: a scene as SVG at one moment, for every view there is.

Whatever changes from step to step is a *slot*, marked ``data-slot`` and ``data-of``, so that the
page's JavaScript only fills texts in.  Groups carry the numbers of the trace: ``g[data-node]``,
``g[data-edge]``; a fold lists what it stands for, ``g[data-nodes]``.  Every text of the user's is
escaped; there are no ids, so that no two pictures can clash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib import resources
from math import atan2, cos, sin

from autograd.views.cards import (
    CELL,
    LINE,
    ROWS_AT_MOST,
    TALL,
    Card,
    equations,
    folded_scope,
    given_name,
    heat_side,
    heat_width,
    listed,
    tooltip,
)
from autograd.views.folding import Scope, scopes
from autograd.views.layout import Curve, Point, point_on
from autograd.views.moment import Moment
from autograd.views.network import Layer, Unit, subscribed
from autograd.views.scene import MARGIN, Pill, Scene, Wire, wire_text
from autograd.views.text import number, shorten
from autograd.views.words import sum_of

CELL_DIGITS = 3
PILE_FROM = 34.0
STRONGEST = 0.4
"""The ground of a number at its darkest: ink on it keeps a contrast of 4.5, in both schemes."""
REST = 0.91
"""How far a coin has come when it rests: so near the card that the wire's label can be read."""
THEMES = ("auto", "light", "dark")


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()

    def __add__(self, other: str) -> Markup:
        return Markup(str(self) + other)


def tag(name: str, *inside: str, **attributes: str | float) -> Markup:
    """An element: attributes and whatever inside is no `Markup` are escaped."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
    )
    held = "".join(part if isinstance(part, Markup) else escape(part) for part in inside)
    return Markup(f"<{name}{told}>{held}</{name}>" if inside else f"<{name}{told}/>")


def say(kind: str, text: str, x: float, y: float, **more: str | float) -> Markup:
    """A text of a kind, at a place."""
    return tag("text", text, **{"class_": kind, "x": x, "y": y, **more})


def _attribute(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else n(value)


def n(x: float) -> str:
    """A coordinate with one digit at most."""
    return f"{round(x, 1) + 0.0:.1f}".removesuffix(".0")


def paint(
    told: Scene, now: Moment, *, theme: str | None = None, lang: str = "en", foot: str = ""
) -> str:
    """The scene as an SVG element that stands alone in a theme; with none it has no style sheet.

    ``foot`` is a line of text below.
    """
    # a picture of one card is narrower than the line below it
    width = max(told.places.width, 6.6 * len(foot)) + 2 * MARGIN
    height = told.places.height + 2 * MARGIN + (24.0 if foot else 0.0)
    title = title_of(told, lang)
    below = say("foot", foot, 0, told.places.height + MARGIN + 14)
    inside = (tag("title", title), style_of(theme), painted(told, now, lang))
    return svg(*inside, below if foot else Markup(), title=title, theme=theme, corner=-MARGIN,
               size=(width, height))  # fmt: skip


def svg(
    *inside: Markup, title: str, theme: str | None, size: tuple[float, float], corner: float = 0.0
) -> Markup:
    """An SVG element of that size, its upper left corner at (corner, corner)."""
    return tag(
        "svg",
        *inside,
        xmlns="http://www.w3.org/2000/svg",
        class_=f"board {theme}" if theme else "board",
        role="img",
        aria_label=title,
        width=size[0],
        height=size[1],
        viewBox=" ".join(map(n, (corner, corner, *size))),
    )


def style_of(theme: str | None, more: str = "") -> Markup:
    """The style sheet inside a picture that stands alone in a theme."""
    return Markup(f"<style>{board_style(theme)}{more}</style>" if theme else "")


def title_of(told: Scene, lang: str) -> str:
    """What a picture is called for those who hear it."""
    graph = told.graph
    sizes = len(graph.nodes), len(graph.edges)
    return picture_words(lang)["graph"].format(shorten(graph.root.name), *sizes)


def painted(told: Scene, now: Moment, lang: str = "en") -> Markup:
    """The scene without an SVG element around it."""
    return Markup("".join(_Painter(told, now, picture_words(lang)).parts()))


@cache
def picture_words(lang: str) -> dict[str, str]:
    """The words of pictures in a language."""
    told: dict[str, dict[str, str]] = json.loads(static("sentences.json"))["picture"]
    if lang not in told:
        raise ValueError(f"lang must be one of {', '.join(told)}, not {lang!r}")
    return told[lang]


class _Painter:
    """Paints the parts of a scene as they stand at one moment."""

    def __init__(self, told: Scene, now: Moment, words: dict[str, str]) -> None:
        self.told, self.now, self.words = told, now, words
        self.graph, self.places = told.graph, told.places
        self.payer = now.move.actor if now.move else None
        self.payee = now.move.payee if now.move and now.move.edge is not None else None
        self.boxes = {scope: i for i, scope in enumerate(scopes(told.graph))}
        """The number of every scope of the graph, the same at any folding."""
        self.first = {card.key: card.nodes[0] for card in told.cards}

    def parts(self) -> Iterator[Markup]:
        """Boxes below, then wires, then cards; the coin on top."""
        for i, scope in enumerate(self.told.boxes):
            yield self._box(scope, self.places.boxes[f"cluster_{i}"])
        for wire in self.told.painted:
            yield self._wire(wire, self.told.pills.get(wire.key))
        yield from map(self._card, self.told.cards)
        yield from self._coin()

    def _box(self, scope: Scope, place: tuple[float, float, float, float]) -> Markup:
        x0, y0, x1, y1 = place
        return tag(
            "g",
            tag("title", shorten(" / ".join(scope), 200)),
            tag("rect", x=x0, y=y0, width=x1 - x0, height=y1 - y0, rx=12),
            tag("text", shorten(scope[-1]), x=x0 + 10, y=y0 + 16),
            *self._headings(scope, y0 + 28),
            class_="scope",
            data_scope=shorten("/".join(scope), 200),
            data_box=str(self.boxes[scope]),
        )

    def _headings(self, scope: Scope, y: float) -> Iterator[Markup]:
        """What the numbers of units of one row are, once above them all."""
        card = next((card for card in self.told.cards if card.scope == scope and flat(card)), None)
        if card:
            middle = self.places.nodes[card.key][0]
            for (key, slot, _), x in zip(self._cells(card.units[0]), self._columns(card)):
                yield say(f"head {slot}", key, middle + x, y)

    # -- wires

    def _wire(self, wire: Wire, pill: Pill | None) -> Markup:
        curve = backwards(self.places.curves[wire.key])
        if not wire.edges:
            ends = f"{self.first[wire.debtor]} {self.first[wire.creditor]}"
            return tag("path", class_="quiet", d=path(curve), data_ends=ends)
        known = any(self.graph.edges[edge].consumer in self.now.values for edge in wire.edges)
        states = {
            "bundle": len(wire.edges) > 1,
            "weight": wire.weight,
            "many": wire.weight and self.told.crowded,
            "minus": wire.weight and self.graph.edges[wire.edges[0]].local < 0,
            "unknown": not known,
            "used": any(edge in self.now.uses for edge in wire.edges),
            "now": bool(self.now.move and self.now.move.edge in wire.edges),
        }
        numbers = " ".join(map(str, wire.edges))
        return tag(
            "g",
            tag("title", self._about(wire)),
            tag("path", class_="wire", d=path(curve), stroke_width=self._width(wire)),
            tag("path", class_="tip up", d=tip(curve.points[1], curve.points[0])),
            tag("path", class_="tip down", d=tip(curve.points[-2], curve.points[-1])),
            self._pill(wire, pill) if pill else Markup(),
            class_=" ".join(["edge", *(state for state, holds in states.items() if holds)]),
            **{"data_edges" if len(wire.edges) > 1 else "data_edge": numbers},
        )

    def _about(self, wire: Wire) -> str:
        if len(wire.edges) > 1:
            return self._count("edge", len(wire.edges))
        debt = self.graph.edges[wire.edges[0]]
        about = debt.text.rpartition(" = ")[0]
        return f"{about} ({self.words['operand']} {debt.slot + 1})"

    def _width(self, wire: Wire) -> float:
        """A weight is as thick as it is large; dashed, by its class, if negative."""
        if not wire.weight:
            return 2.4 if len(wire.edges) > 1 else 1.5
        size = abs(self.graph.edges[wire.edges[0]].local)
        return 0.6 + 2.4 * min(1.0, size if size == size else 1.0)

    def _pill(self, wire: Wire, pill: Pill) -> Markup:
        width, (x, y) = pill.width, pill.centre
        rect = tag("rect", x=x - width / 2, y=y - 9, width=width, height=18, rx=9)
        shown: dict[str, str | float] = {"class_": "local", "x": x, "y": y + 4}
        if len(wire.edges) > 1:
            text = self._count("edge", len(wire.edges))
            inside = tag("text", text, **shown, data_word="edges")
        else:
            known = self.graph.edges[wire.edges[0]].consumer in self.now.values
            text = wire_text(wire, self.graph, self.words) if known else ""
            slot = {"data_slot": "partial", "data_of": str(wire.edges[0])}
            inside = tag("text", text, **shown, **slot, data_before=wire.before)
        return tag("g", rect, inside, class_="pill crowded" if pill.hidden else "pill")

    def _count(self, what: str, count: int) -> str:
        return self.words[what if count == 1 else f"{what}s"].format(count)

    # -- cards

    def _card(self, card: Card) -> Markup:
        x, y = self.places.nodes[card.key]
        inside = {
            "number": self._number,
            "unit": self._unit,
            "layer": self._layer,
            "inputs": self._inputs,
            "fold": self._fold,
        }.get(card.kind, self._node)
        kinds = [
            card.kind,
            *["fold"] * (card.folded and card.kind != "fold"),
            *["root"] * card.root,
        ]
        acting = "now" if self.payer in card.nodes else "payee" if self.payee in card.nodes else ""
        numbers, scope = " ".join(map(str, card.nodes)), folded_scope(card, self.graph)
        return tag(
            "g",
            tag("title", self._card_title(card)),
            *frames(card),
            *inside(card),
            class_=" ".join(filter(None, ["node", *kinds, acting])),
            data_state=self._state(card),
            transform=f"translate({n(x)} {n(y)})",
            **{"data_nodes" if card.folded else "data_node": numbers},
            **({"data_box": str(self.boxes[scope])} if scope else {}),
        )

    def _state(self, card: Card) -> str:
        states = [self.now.state_of(i) for i in card.nodes]
        if not card.folded:
            return states[0]
        # constants are never paid: waiting for them a fold would never be done
        owing = [s for s, i in zip(states, card.nodes) if not self.graph.nodes[i].constant]
        if owing and all(state == "settled" for state in owing):
            return "settled"
        paid = any(state in ("settled", "owed") for state in owing)
        return "owed" if paid else "known" if "known" in states else "idle"

    def _card_title(self, card: Card) -> str:
        if not card.folded:
            return tooltip(self.graph.nodes[card.nodes[0]], self.words, self.now)
        held = {*card.nodes}
        inside = sum(debt.consumer in held and debt.parent in held for debt in self.graph.edges)
        size = f"{self._count('node', len(card.nodes))} · {self._count('edge', inside)}"
        whole = " / ".join(folded_scope(card, self.graph)) or card.title
        return f"{self.words['folded']} {shorten(whole, 200)}\n{size}"

    def _slot(self, slot: str, of: int, x: float, y: float, digits: int = 6) -> Markup:
        """The text of a slot as it stands now."""
        held = self._number_of(slot, of)
        shown = "" if held is None else number(held, digits)
        kept = {"data_digits": str(digits)} if digits != 6 else {}
        return say(slot, shown, x, y, data_slot=slot, data_of=str(of), **kept)

    def _node(self, card: Card) -> Iterator[Markup]:
        """A number's own card; that of the loss is its root's."""
        of, [left, right] = card.nodes[-1], sides(card)
        line = -9.0 if card.height == TALL else 5.0
        op = tag("tspan", card.badge, class_="op", dx=7)
        yield tag("text", card.title, op if card.badge else "", class_="name", x=left, y=line)
        yield self._slot("value", of, right, line)
        if card.height == TALL:
            yield from self._tray(card, of)

    def _tray(self, card: Card, of: int) -> Iterator[Markup]:
        """Where the payments pile up: a word, the pile, and how many have paid."""
        left, right = sides(card)
        radius = 11.0 if card.kind == "leaf" else 5.0
        yield tag(
            "rect", class_="tray", x=left - 7, y=3, width=right - left + 14, height=22, rx=radius
        )
        yield say("key", self.words["grad"], left, 18.5, data_word="key")
        for slot, shown, x in (
            ("pile", self._pile(card, of), left + PILE_FROM),
            ("heard", self._heard(of), right),
        ):
            yield say(slot, shown, x, 18.5, data_slot=slot, data_of=str(of))

    def _pile(self, card: Card, of: int) -> str:
        """The payments as a sum, or where there is no room for that, their total."""
        pile, room = self.now.piles.get(of, []), (card.width - 2 * 14 - PILE_FROM - 18) / 8.4
        total = self.now.totals.get(of)
        if total is None:
            return ""
        sign = "" if of in self.now.settled else "Σ "
        # the sign is there whatever else has room
        room -= len(sign) / 2
        whole = [sum_of([number(amount) for amount in pile])] if sign else []
        texts = [*whole, *(sign + number(total, digits) for digits in (6, 5, 4, 3))]
        return next((text for text in texts if len(text) <= room), f"{sign}{number(total, 2)}")

    def _heard(self, of: int) -> str:
        if of in self.now.settled:
            return "✓" if self.now.move else ""
        total = self.now.hears.get(of, 0)
        return f"{len(self.now.piles[of])}/{total}" if of in self.now.piles and total else ""

    def _number(self, card: Card) -> Iterator[Markup]:
        yield tag("text", number(self.graph.nodes[card.nodes[0]].value), class_="name", y=5)

    def _fold(self, card: Card) -> Iterator[Markup]:
        left, right = sides(card)
        owing = [i for i in card.nodes if not self.graph.nodes[i].constant]
        settled = f"{sum(i in self.now.settled for i in owing)}/{len(owing)}"
        yield say("name", card.title, left, -9)
        size = self._count("node", len(card.nodes))
        yield say("count", size, left, 18.5, data_word="size")
        heard = settled if self.now.move else ""
        yield say("heard", heard, right, 18.5, data_slot="count")

    def _inputs(self, card: Card) -> Iterator[Markup]:
        left, right = sides(card)
        top = -card.height / 2 + 20
        yield say("name", card.title, left, top)
        for k, i in enumerate(card.nodes[: listed(len(card.nodes))]):
            y, paid = top + 4 + LINE * (k + 1), not self.graph.nodes[i].constant
            yield say("key-name", given_name(self.graph, i), left, y)
            yield self._slot("value", i, right - CELL * paid, y, CELL_DIGITS)
            if paid:
                yield self._slot("grad", i, right, y, CELL_DIGITS)
        yield from self._more(len(card.nodes), left, top + 4)

    def _more(self, rows: int, x: float, y: float) -> Iterator[Markup]:
        """How many rows there was no room for, in place of the last one."""
        if hidden := rows - listed(rows):
            text, y = self.words["more"].format(hidden), y + LINE * ROWS_AT_MOST
            yield say("more", text, x, y, data_word="more", data_hidden=str(hidden))

    def _unit(self, card: Card) -> Iterator[Markup]:
        unit, [left, right] = card.units[0], sides(card)
        z, a = unit.sums[0], unit.outputs[0]
        name = self.graph.nodes[z].name
        delta = "δ" + name[1:] if name[0] == "z" else "δ"
        if flat(card):
            yield say("key-name", name, left, 5)
            for (_, slot, of), x in zip(self._cells(unit), self._columns(card)):
                yield self._slot(slot, of, x, 5, CELL_DIGITS)
            return
        top = -card.height / 2 + 22
        bent = f"{self.graph.nodes[a].name} = {card.badge}"
        keys = [name, *[bent] * (a != z), delta]
        for k, (key, (_, slot, of)) in enumerate(zip(keys, self._cells(unit))):
            yield say("key-name", key, left, top + LINE * k)
            yield self._slot(slot, of, right, top + LINE * k, 4)

    def _columns(self, card: Card) -> list[float]:
        """Where the columns of a unit of one row end."""
        count, right = len(self._cells(card.units[0])), sides(card)[1]
        return [right - CELL * (count - 1 - k) for k in range(count)]

    def _cells(self, unit: Unit) -> list[tuple[str, str, int]]:
        """What the card of a unit says: z, a where it differs, and δ where there are gradients."""
        z, a = unit.sums[0], unit.outputs[0]
        owed = [("δ", "grad", z)] if self.told.gradients else []
        return [("z", "value", z), *[("a", "value", a)] * (a != z), *owed]

    def _layer(self, card: Card) -> Iterator[Markup]:
        assert card.layer is not None
        left, right = sides(card)
        top, below = -card.height / 2 + 20, LINE * min(len(card.units), ROWS_AT_MOST) + 40
        yield say("name", card.title, left, top)
        yield say("count", card.badge, right, top)
        yield from self._table(card, left, top + 24)
        yield from self._maps(card.layer, left, top + below)
        for way, said in zip(("forward", "backward"), equations(self.graph, card.layer)):
            yield say(f"eq {way}", said, left, card.height / 2 - 12)

    def _table(self, card: Card, left: float, top: float) -> Iterator[Markup]:
        """z, a and δ of the units, a row for each."""
        shown = card.units[: listed(len(card.units))]
        columns = {
            ("z", "value"): [unit.sums[0] for unit in shown],
            ("a", "value"): [unit.outputs[0] for unit in shown],
            ("δ", "grad"): [unit.sums[0] for unit in shown],
        }
        for k, ((key, slot), of) in enumerate(columns.items(), 1):
            x = left + 22 + CELL * k
            yield say(f"head {slot}", key, x - 8, top - 6)
            yield tag("g", *self._column(slot, of, x, top), class_="heatmap")
        for k, unit in enumerate(shown):
            yield say("key-name", str(unit.number), left, top + LINE * k + 14)
        yield from self._more(len(card.units), left, top + 14 - LINE)

    def _column(self, slot: str, of: list[int], x: float, y: float) -> Iterator[Markup]:
        """Numbers one below the other, each on a ground as strong as it is large."""
        scale = self._scale(slot, of)
        for k, i in enumerate(of):
            down = y + LINE * k
            yield self._heat(
                slot, i, scale, x=x - CELL + 4, y=down, width=CELL - 4, height=LINE - 2
            )
            yield self._slot(slot, i, x - 4, down + 13.5, CELL_DIGITS)

    def _maps(self, layer: Layer, left: float, y: float) -> Iterator[Markup]:
        """W and b, and beside them what is to be learned about them."""
        second = max(left + heat_width(layer) + 30, 0.0)
        w, b = (subscribed(letter, str(layer.number)) for letter in "Wb")
        for slot, x, of in (("value", left, ""), ("grad", second, f"∂{self.graph.root.name}/∂")):
            yield say(f"head {slot} map", f"{of}{w} {b}", x, y)
            yield tag("g", *self._map(layer, slot, x, y + 8), class_="heatmap")

    def _map(self, layer: Layer, slot: str, x: float, y: float) -> Iterator[Markup]:
        """A row for each unit, its bias a little apart."""
        side = heat_side(layer)
        scale = self._scale(slot, [i for unit in layer.units for i in unit.parameters])
        for row, unit in enumerate(layer.units):
            for column, i in enumerate(unit.parameters):
                along, down = x + side * (column + 0.6 * (i == unit.bias)), y + side * row
                size = {"width": side - 1, "height": side - 1}
                yield self._heat(slot, i, scale, x=along, y=down, **size)

    def _scale(self, slot: str, of: list[int]) -> float:
        sizes = [abs(x) for i in of if (x := self._number_of(slot, i)) is not None and x - x == 0]
        return max(sizes, default=0.0)

    def _number_of(self, slot: str, i: int) -> float | None:
        if slot == "value":
            return self.graph.nodes[i].value if i in self.now.values else None
        return self.now.totals[i] if i in self.now.settled else None

    def _heat(self, slot: str, i: int, scale: float, **place: float) -> Markup:
        x = self._number_of(slot, i)
        part = 0.0 if x is None else 1.0 if x - x != 0 else abs(x) / scale if scale else 0.0
        minus = " minus" if x is not None and x < 0 else ""
        return tag(
            "rect",
            class_=f"heat {slot}{minus}",
            opacity=f"{0.05 + STRONGEST * part:.3f}",
            data_slot=slot,
            data_of=str(i),
            **place,
        )

    def _coin(self) -> Iterator[Markup]:
        """The amount on its way, near the end of the wire that it travels."""
        move = self.now.move
        if move is None or move.amount is None:
            return
        card = next((c for c in self.told.cards if c.root and not c.folded), None)
        if move.kind == "seed" and card:
            x, y = self.places.nodes[card.key]
            yield coin(number(move.amount), x, y - card.height / 2 - 5)
        for wire in self.told.wires:
            if move.edge in wire.edges:
                x, y = point_on(backwards(self.places.curves[wire.key]), REST)
                yield coin(number(move.amount), x, y)


def flat(card: Card) -> bool:
    """Whether a card is a unit of one row."""
    return card.kind == "unit" and card.height < TALL - 20


def sides(card: Card) -> tuple[float, float]:
    """Where a card's texts begin and end."""
    return -card.width / 2 + 14, card.width / 2 - 14


def frames(card: Card) -> Iterator[Markup]:
    """The outlines: round ends for a leaf, two lines for the root, a stack for a fold."""
    w, h = card.width, card.height
    radius = min(h / 2, 24.0) if card.kind in ("leaf", "number") else 9.0
    yield _rect("ring", w + 10, h + 10, radius + 5)
    if card.folded and card.kind != "inputs":
        yield _rect("sheet", w, h, radius, 3.5)
    yield _rect("card", w, h, radius)
    if card.root:
        yield _rect("second", w + 7, h + 7, radius + 3.5)


def _rect(name: str, w: float, h: float, radius: float, shift: float = 0.0) -> Markup:
    return tag("rect", class_=name, x=shift - w / 2, y=shift - h / 2, width=w, height=h, rx=radius)


def coin(text: str, x: float, y: float) -> Markup:
    """An amount of money at a place."""
    width = max(26.0, 8.4 * len(text) + 14)
    disc = tag("rect", x=-width / 2, y=-13, width=width, height=26, rx=13)
    return tag(
        "g", disc, tag("text", text, y=5), class_="coin", transform=f"translate({n(x)} {n(y)})"
    )


# -- geometry --------------------------------------------------------------------------------------


def backwards(curve: Curve) -> Curve:
    """The way of the money: from the debtor to the creditor."""
    return Curve(curve.points[::-1], curve.label)


def path(curve: Curve) -> str:
    """The curve as SVG writes it."""
    first, *rest = (f"{n(x)},{n(y)}" for x, y in curve.points)
    return f"M{first}C{' '.join(rest)}"


def tip(before: Point, at: Point) -> str:
    """A slim arrow head that ends at a point."""
    angle = atan2(at[1] - before[1], at[0] - before[0])
    along, across = (cos(angle), sin(angle)), (-sin(angle), cos(angle))
    base = (at[0] - 9 * along[0], at[1] - 9 * along[1])
    wings = [(base[0] + side * across[0], base[1] + side * across[1]) for side in (4.0, -4.0)]
    return "M" + "L".join(f"{n(x)},{n(y)}" for x, y in (wings[0], at, wings[1])) + "Z"


# -- colours ---------------------------------------------------------------------------------------


@cache
def board_style(theme: str) -> str:
    """The style sheet of a picture that stands alone, its colours put in, for one theme."""
    light, dark = (_put_in(scheme, theme) for scheme in ("light", "dark"))
    if theme != "auto":
        return {"light": light, "dark": dark}[theme]
    return f"{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _put_in(scheme: str, theme: str) -> str:
    values = {**colours()["fonts"], **colours()[scheme]}
    plain = re.sub(r"/\*.*?\*/\s*", "", static("board.css"), flags=re.DOTALL)
    inside = re.sub(r"(?m)^[^{\n]+(?= \{)", lambda found: _within(theme, found[0]), plain)
    return re.sub(r"var\(--([\w-]+)\)", lambda found: values[found[1]], inside)


def _within(theme: str, selectors: str) -> str:
    """Selectors of what is inside of the board of a theme; `&` is the board itself."""
    return ", ".join(f".board.{theme} {one}".removesuffix(" &") for one in selectors.split(", "))


@cache
def colours() -> dict[str, dict[str, str]]:
    """The colours by scheme ("light", "dark") and name, and the "fonts"."""
    read: dict[str, dict[str, str]] = json.loads(static("colours.json"))
    return read


@cache
def static(name: str) -> str:
    """A file of the page."""
    return resources.files("autograd.views").joinpath("static", name).read_text("utf-8")
