"""A scene, laid out by Graphviz, as an SVG that people like to look at.

Graphviz only says where things go; nothing of the user's ever reaches it, and no font is measured,
so the same graph gives the same bytes on every machine.  What is drawn is built as an XML tree:
no text can break out of its element.  Presentation attributes paint for light paper; a style sheet
inside repaints for those who prefer dark.

Groups carry the numbers of the trace: `<g class="node" data-node="3">`, `<g class="edge"
data-edge="4">`.  A folded scope lists the nodes it stands for, `data-nodes="3 4 5"`, a bundle of
edges its edges, `data-edges`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import atan2, cos, hypot, sin
from xml.etree.ElementTree import Element, SubElement, tostring

from autograd.views.layout import Curve, Layout, Point
from autograd.views.scene import Card, Scene, Scope, Wire, columns, shorten

FONT = (
    "Inter, 'Helvetica Neue', Helvetica, Arial, 'Noto Sans CJK SC', 'PingFang SC', "
    "'Microsoft YaHei', sans-serif"
)
MARGIN = 12.0
CARD_HEIGHT = 46.0
SMALL_HEIGHT = 26.0
PILL_HEIGHT = 17.0
BOX_TITLE_HEIGHT = 18.0
UNDER_CARD = 12.0

TITLE_SIZE, NUMBER_SIZE, SMALL_SIZE = 14.0, 13.0, 10.5


@dataclass(frozen=True, slots=True)
class Paint:
    """One role's colours: attributes for light paper, and what the dark scheme puts in place."""

    light: dict[str, str]
    dark: dict[str, str]


PAINTS: dict[str, Paint] = {
    "ink": Paint({"fill": "#17212b"}, {"fill": "#eef2f6"}),
    "soft": Paint({"fill": "#56636f"}, {"fill": "#a3b0bd"}),
    "grad": Paint({"fill": "#a63c12"}, {"fill": "#ffa27a"}),
    "operation": Paint(
        {"fill": "#ffffff", "stroke": "#7b8794"}, {"fill": "#1d262f", "stroke": "#7b8997"}
    ),
    "leaf": Paint(
        {"fill": "#e6f1ff", "stroke": "#2166b8"}, {"fill": "#122c49", "stroke": "#6cabf5"}
    ),
    "root": Paint(
        {"fill": "#fff3d6", "stroke": "#96660b"}, {"fill": "#3c2e0c", "stroke": "#e6b450"}
    ),
    "constant": Paint(
        {"fill": "#f4f6f8", "stroke": "#8d98a4"}, {"fill": "#161c22", "stroke": "#75828f"}
    ),
    "fold": Paint(
        {"fill": "#edeaf8", "stroke": "#6a55b0"}, {"fill": "#2a2344", "stroke": "#a896ea"}
    ),
    "line": Paint({"fill": "none", "stroke": "#7b8794"}, {"fill": "none", "stroke": "#8592a0"}),
    "tip": Paint({"fill": "#7b8794"}, {"fill": "#8592a0"}),
    "faint": Paint({"fill": "none", "stroke": "#a8b2bc"}, {"fill": "none", "stroke": "#5d6975"}),
    "pill": Paint(
        {"fill": "#ffffff", "stroke": "#cfd6dd"}, {"fill": "#0f151b", "stroke": "#3d4955"}
    ),
    "box": Paint(
        {"fill": "#7b8794", "fill-opacity": "0.07", "stroke": "#9aa5b1"},
        {"fill": "#8592a0", "fill-opacity": "0.10", "stroke": "#5d6975"},
    ),
}


def draw_svg(scene: Scene, places: Layout, rankdir: str = "LR", theme: str = "auto") -> str:
    """The picture; `theme` is "auto" (follows the reader), "light" or "dark"."""
    canvas = _canvas(scene, places, theme)
    boxes = SubElement(canvas, "g", {"class": "pb-boxes"})
    for i, scope in enumerate(scene.boxes):
        _draw_box(boxes, scope, places.boxes[f"cluster_{i}"])
    pills = _pill_places(scene.wires, places, rankdir)
    for wire in scene.wires:
        _draw_wire(canvas, wire, places.curves[wire.key], pills.get(wire.key))
    for card in scene.cards:
        _draw_card(canvas, card, places.nodes[card.key], scene.words)
    return tostring(canvas.root, encoding="unicode") + "\n"


class _Canvas(Element):
    """The group everything is drawn into; `root` is the svg element around it."""

    root: Element


def _canvas(scene: Scene, places: Layout, theme: str) -> _Canvas:
    width, height = places.width + 2 * MARGIN, places.height + 2 * MARGIN
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "payback-graph",
            "width": _n(width),
            "height": _n(height),
            "viewBox": f"0 0 {_n(width)} {_n(height)}",
            "role": "img",
            "aria-label": scene.title,
            "font-family": FONT,
        },
    )
    SubElement(root, "title").text = scene.title
    SubElement(root, "style").text = _style(theme)
    canvas = _Canvas("g", {"transform": f"translate({_n(MARGIN)} {_n(MARGIN)})"})
    canvas.root = root
    root.append(canvas)
    return canvas


def _style(theme: str) -> str:
    if theme == "light":
        return ""
    dark = "".join(_rule(role, paint.dark) for role, paint in PAINTS.items())
    return dark if theme == "dark" else f"@media (prefers-color-scheme:dark){{{dark}}}"


def _rule(role: str, properties: dict[str, str]) -> str:
    body = ";".join(f"{name}:{value}" for name, value in properties.items())
    return f".payback-graph .pb-{role}{{{body}}}"


def _painted(role: str, **more: str) -> dict[str, str]:
    """Attributes of something painted in a role; underscores in names stand for hyphens."""
    extra = {name.replace("_", "-"): value for name, value in more.items()}
    return {"class": f"pb-{role}", **PAINTS[role].light, **extra}


# --- sizes: told to Graphviz before, used again when drawing --------------------------------------


def card_size(card: Card, words: dict[str, str]) -> tuple[float, float]:
    """Width and height of a card in points."""
    if card.kind == "constant" and not card.title:
        width = _width(card.data, SMALL_SIZE + 1) + 16
        return max(width, SMALL_HEIGHT), SMALL_HEIGHT
    top = _width(card.title, TITLE_SIZE) + _gap(card.badge) + _width(card.badge, SMALL_SIZE + 1)
    bottom = _numbers_width(card, words)
    sides = 34.0 if card.kind == "leaf" else 24.0
    return max(top, bottom, 34.0) + sides + (6.0 if card.root else 0.0), CARD_HEIGHT


def _numbers_width(card: Card, words: dict[str, str]) -> float:
    data = _width(card.data, NUMBER_SIZE)
    if not card.grad:
        return data
    keys = _width(f"{words['data']} {words['grad']} ", SMALL_SIZE)
    return data + keys + 16 + _width(card.grad, NUMBER_SIZE)


def pill_size(wire: Wire) -> tuple[float, float]:
    """Width and height of what is written on a wire."""
    return _width(wire.text, SMALL_SIZE) + 12, PILL_HEIGHT


def box_title_size(scope: Scope) -> tuple[float, float]:
    """Width and height of a box's title."""
    return _width(shorten(scope[-1]), SMALL_SIZE + 1) + 8, BOX_TITLE_HEIGHT


_NARROW, _WIDE = frozenset("iIjl.,:;'|!()[]{}`ftr "), frozenset("mwMW@%&—…∞")


def _width(text: str, size: float) -> float:
    """About how wide a sans-serif face sets the text: a little generous, the same everywhere."""
    return size * sum(map(_em, text))


def _em(char: str) -> float:
    if char in _NARROW:
        return 0.36
    if char in _WIDE:
        return 0.95
    if char.isupper():
        return 0.72
    return {0: 0.0, 1: 0.59, 2: 1.02}[columns(char)]


def _gap(text: str) -> float:
    return 12.0 if text else 0.0


# --- drawing -------------------------------------------------------------------------------------


def _draw_box(parent: Element, scope: Scope, place: tuple[float, float, float, float]) -> None:
    x0, y0, x1, y1 = place
    group = SubElement(parent, "g", {"class": "scope", "data-scope": shorten("/".join(scope), 200)})
    SubElement(group, "title").text = shorten(" / ".join(scope), 200)
    rect = _rectangle((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 10)
    SubElement(group, "rect", {**_painted("box", stroke_dasharray="1 3"), **rect})
    _text(group, "soft", x0 + 9, y0 + 15, SMALL_SIZE + 1, "start").text = shorten(scope[-1])


def _draw_card(parent: Element, card: Card, centre: Point, words: dict[str, str]) -> None:
    group = SubElement(parent, "g", _identity(card))
    SubElement(group, "title").text = card.tooltip
    width, height = card_size(card, words)
    role = "root" if card.root else card.kind
    radius = {"leaf": height / 2, "constant": 5.0, "fold": 3.0}.get(card.kind, 7.0)
    if card.kind == "fold":
        _stack(group, centre, width, height, role)
    dashes = {"stroke_dasharray": "4 3"} if card.kind == "constant" else {}
    shape = _rectangle(*centre, width, height, radius)
    SubElement(group, "rect", {**_painted(role, stroke_width="1.4", **dashes), **shape})
    if card.root:
        inner = _rectangle(*centre, width - 6, height - 6, max(radius - 3, 2))
        SubElement(group, "rect", {**_painted(role, stroke_width="1"), **inner})
    _write(group, card, centre, width, words)


def _stack(group: Element, centre: Point, width: float, height: float, role: str) -> None:
    """Two sheets behind a folded scope say that there is more inside."""
    for shift in (6.0, 3.0):
        sheet = _rectangle(centre[0] + shift, centre[1] + shift, width, height, 3)
        SubElement(group, "rect", {**_painted(role), **sheet})


def _identity(card: Card) -> dict[str, str]:
    kinds = f"node {card.kind}" + (" root" if card.root else "")
    numbers = " ".join(map(str, card.members))
    return {"class": kinds, "data-nodes" if card.kind == "fold" else "data-node": numbers}


def _write(group: Element, card: Card, centre: Point, width: float, words: dict[str, str]) -> None:
    x, y = centre
    if card.kind == "constant" and not card.title:
        _text(group, "soft", x, y + 4, SMALL_SIZE + 1, "middle", "pb-data-number").text = card.data
        return
    inset = width / 2 - (17 if card.kind == "leaf" else 12) - (3 if card.root else 0)
    left, right = x - inset, x + inset
    if not card.title:
        _text(group, "soft", x, y - 5, SMALL_SIZE + 1, "middle").text = card.badge
    elif card.badge:
        _text(group, "ink", left, y - 5, TITLE_SIZE, "start", weight="bold").text = card.title
        _text(group, "soft", right, y - 5, SMALL_SIZE + 1, "end").text = card.badge
    else:
        _text(group, "ink", x, y - 5, TITLE_SIZE, "middle", weight="bold").text = card.title
    if card.grad:
        _keyed(group, "ink", "data", left, y + 14, "start", words, card.data)
        _keyed(group, "grad", "grad", right, y + 14, "end", words, card.grad)
    else:
        _text(group, "ink", x, y + 14, NUMBER_SIZE, "middle", "pb-data-number").text = card.data


def _keyed(
    group: Element,
    role: str,
    key: str,
    x: float,
    y: float,
    anchor: str,
    words: dict[str, str],
    shown: str,
) -> None:
    """`data 6`: a small soft word and the number."""
    line = _text(group, role, x, y, NUMBER_SIZE, anchor)
    SubElement(line, "tspan", _painted("soft", font_size=_n(SMALL_SIZE))).text = words[key]
    number = SubElement(line, "tspan", {"class": f"pb-{key}-number", "dx": "4"})
    number.text = shown
    if key == "grad":
        number.set("font-weight", "bold")


def _text(
    parent: Element,
    role: str,
    x: float,
    y: float,
    size: float,
    anchor: str,
    also: str = "",
    weight: str = "",
) -> Element:
    attributes = _painted(role, x=_n(x), y=_n(y), font_size=_n(size), text_anchor=anchor)
    if also:
        attributes["class"] += f" {also}"
    if weight:
        attributes["font-weight"] = weight
    return SubElement(parent, "text", attributes)


def _draw_wire(parent: Element, wire: Wire, curve: Curve, pill: Point | None) -> None:
    group = SubElement(parent, "g", _wire_identity(wire))
    SubElement(group, "title").text = wire.tooltip
    quiet = wire.kind == "constant"
    line = _painted("faint", stroke_dasharray="4 3") if quiet else _painted("line")
    line["stroke-width"] = "1" if quiet else "2.4" if wire.kind == "fold" else "1.4"
    SubElement(group, "path", {**line, "d": _path(curve)})
    if curve.tip and not quiet:
        SubElement(group, "polygon", {**_painted("tip"), "points": _arrow(curve)})
    if pill:
        _pill(group, wire, pill)


def _wire_identity(wire: Wire) -> dict[str, str]:
    if wire.kind == "constant":
        return {"class": "constant-line"}
    many = len(wire.members) > 1
    numbers = " ".join(map(str, wire.members))
    kinds = "edge fold" if many else "edge"
    return {"class": kinds, "data-edges" if many else "data-edge": numbers}


def _pill(group: Element, wire: Wire, centre: Point) -> None:
    width, height = pill_size(wire)
    shape = _rectangle(*centre, width, height, height / 2)
    SubElement(group, "rect", {**_painted("pill", stroke_width="0.8"), **shape})
    _text(group, "ink", centre[0], centre[1] + 3.7, SMALL_SIZE, "middle").text = wire.text


# --- geometry ------------------------------------------------------------------------------------


def _rectangle(x: float, y: float, width: float, height: float, radius: float) -> dict[str, str]:
    """A rounded rectangle around (x, y)."""
    sides = {"x": x - width / 2, "y": y - height / 2, "width": width, "height": height}
    return {name: _n(value) for name, value in sides.items()} | {"rx": _n(radius)}


def _path(curve: Curve) -> str:
    """The curve, begun a little earlier: Graphviz stops at a card's corner, a leaf's is round."""
    first, *rest = curve.points
    away = hypot(rest[0][0] - first[0], rest[0][1] - first[1]) or 1.0
    back = [first[i] - UNDER_CARD * (rest[0][i] - first[i]) / away for i in (0, 1)]
    return f"M{_pair((back[0], back[1]))}L{_pair(first)}C{' '.join(map(_pair, rest))}"


def _arrow(curve: Curve) -> str:
    """A slim triangle from the end of the curve to its tip."""
    (x0, y0), tip = curve.points[-1], curve.tip or curve.points[-1]
    angle = atan2(tip[1] - y0, tip[0] - x0)
    across = (3.4 * sin(angle), -3.4 * cos(angle))
    corners = ((x0 + across[0], y0 + across[1]), tip, (x0 - across[0], y0 - across[1]))
    return " ".join(map(_pair, corners))


def _pill_places(wires: Iterable[Wire], places: Layout, rankdir: str) -> dict[str, Point]:
    """Where each wire's text goes: on its line if there is room, else where Graphviz kept some."""
    taken: list[tuple[Point, tuple[float, float]]] = []
    found: dict[str, Point] = {}
    axis = 0 if rankdir in {"LR", "RL"} else 1
    for wire in wires:
        curve, size = places.curves[wire.key], pill_size(wire)
        if wire.text and curve.label:
            on_line = _inside(_crossing(curve, curve.label, axis), size, places)
            crowded = any(_overlap(on_line, size, *other) for other in taken)
            found[wire.key] = curve.label if crowded else on_line
            taken.append((found[wire.key], size))
    return found


def _inside(centre: Point, size: tuple[float, float], places: Layout) -> Point:
    """Moved as little as keeps it on the picture."""
    x_room, y_room = size[0] / 2 - MARGIN + 2, size[1] / 2 - MARGIN + 2
    x = min(max(centre[0], x_room), places.width - x_room)
    return x, min(max(centre[1], y_room), places.height - y_room)


def _overlap(a: Point, a_size: tuple[float, float], b: Point, b_size: tuple[float, float]) -> bool:
    return all(abs(a[i] - b[i]) < (a_size[i] + b_size[i]) / 2 + 1 for i in (0, 1))


def _crossing(curve: Curve, label: Point, axis: int) -> Point:
    """The point of the curve on the label's level, between the ranks it joins."""
    points = (
        _bezier(curve.points[i : i + 4], step / 32)
        for i in range(0, len(curve.points) - 1, 3)
        for step in range(33)
    )
    return min(points, key=lambda point: abs(point[axis] - label[axis]))


def _bezier(points: tuple[Point, ...], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    xs, ys = zip(*points)
    return sum(map(float.__mul__, weights, xs)), sum(map(float.__mul__, weights, ys))


def _pair(point: Point) -> str:
    return f"{_n(point[0])},{_n(point[1])}"


def _n(x: float) -> str:
    """A coordinate with two digits at most."""
    return f"{x:.2f}".rstrip("0").rstrip(".")
