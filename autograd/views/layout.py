"""Where things go: units of a network in columns, other graphs as Graphviz has it.

Graphviz is embedded in the `pygraphviz` wheel, or is the `dot` program.  `graphviz_output` turns
DOT source into any of its formats.  `layout` asks only for places: where each node, box and line
of a picture goes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise, takewhile
from operator import add, mul
from typing import Any, Literal

import graphviz

Point = tuple[float, float]
Scope = tuple[str, ...]
Box = tuple[float, float, float, float]
Item = str | Scope
Arrow = tuple[Item, Item, float]

INSTALL = (
    "drawing needs Graphviz: `pip install 'pygraphviz>=2'` brings it along, "
    "or install Graphviz itself so that `dot` is on the PATH"
)

PATIENCE = 700
"""Ranks passed by all edges together, above which a layout is done the quick way."""

# Graphviz keeps global state: one picture at a time.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Curve:
    """A chain of cubic Bézier curves (1 + 3k points), and where room was kept for its text."""

    points: tuple[Point, ...]
    label: Point | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in points, y downwards: node centres, boxes as (x0, y0, x1, y1), curves; by name."""

    width: float
    height: float
    nodes: dict[str, Point]
    boxes: dict[str, Box]
    curves: dict[str, Curve]


def layout(source: str) -> Layout:
    """Where Graphviz puts the nodes, clusters and edges (told by their `id`) of a skeleton.

    A skeleton is DOT source without any text, its edges written `tail -> head`.
    """
    told: dict[str, Any] = json.loads(graphviz_output(source, "json0"))
    _, _, width, height = _numbers(told["bb"])
    objects = told.get("objects", [])
    return Layout(
        width=width,
        height=height,
        nodes={o["name"]: _point(o["pos"], height) for o in objects if "pos" in o},
        boxes={o["name"]: _box(o["bb"], height) for o in objects if "bb" in o},
        curves={edge["id"]: _curve(edge, height) for edge in told.get("edges", [])},
    )


# -- along a curve ---------------------------------------------------------------------------------


def point_on(curve: Curve, part: float) -> Point:
    """The point at that part of the way, every piece counted alike."""
    pieces = (len(curve.points) - 1) // 3
    piece = min(pieces - 1, int(part * pieces))
    return _bezier(curve.points[3 * piece : 3 * piece + 4], part * pieces - piece)


def points_of(curve: Curve) -> Iterator[Point]:
    """Points along the whole of it."""
    for i in range(0, len(curve.points) - 1, 3):
        piece = curve.points[i : i + 4]
        steps = max(8, int((abs(piece[3][0] - piece[0][0]) + abs(piece[3][1] - piece[0][1])) / 6))
        yield from (_bezier(piece, t / steps) for t in range(steps + 1))


def _bezier(points: tuple[Point, ...], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    xs, ys = zip(*points)
    return total(map(mul, weights, xs)), total(map(mul, weights, ys))


def total(lengths: Iterable[float]) -> float:
    """One by one, for the same picture everywhere: from Python 3.12 on ``sum`` rounds less."""
    return reduce(add, lengths, 0.0)


# -- in columns: what has an order of its own ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """Something of a size, in a scope."""

    key: str
    scope: Scope
    width: float
    height: float


Link = tuple[str, str, str, float]
"""The name of a line, where it starts, where it ends, and how wide its text is."""

GAP, DENSE_GAP, ROW_GAP, PADDING, TITLE = 58.0, 130.0, 12.0, 14.0, 20.0
DENSE, BESIDE = 30, 20.0
ASIDE, BEND, CLEAR = 14.0, 40.0, 8.0


def columns_of(blocks: Sequence[Block], links: Sequence[Link]) -> Layout:
    """Blocks in columns, each to the right of what its lines come from, units in their order.

    A scope is a block of blocks: its inside is laid out by the same rule.
    """
    whole = _arranged((), blocks, links)
    scopes = dict.fromkeys(
        block.scope[: i + 1] for block in blocks for i in range(len(block.scope))
    )
    boxes = {f"cluster_{i}": whole.boxes[scope] for i, scope in enumerate(scopes)}
    curves = _curves(whole.nodes, {block.key: block for block in blocks}, links)
    return Layout(whole.width, whole.height, whole.nodes, boxes, curves)


@dataclass(frozen=True, slots=True)
class _Arranged:
    """The inside of a scope, measured from its upper left corner."""

    width: float
    height: float
    nodes: dict[str, Point]
    boxes: dict[Scope, Box]


def _arranged(scope: Scope, blocks: Sequence[Block], links: Sequence[Link]) -> _Arranged:
    item_of: dict[str, Item] = {
        b.key: b.key if b.scope == scope else b.scope[: len(scope) + 1] for b in blocks
    }
    inside: dict[Item, list[Block]] = {}
    for block in blocks:
        inside.setdefault(item_of[block.key], []).append(block)
    parts = {item: _part(item, found, links) for item, found in inside.items()}
    arrows = [
        (item_of[tail], item_of[head], wide)
        for _, tail, head, wide in links
        if tail in item_of and head in item_of and item_of[tail] != item_of[head]
    ]
    return _stacked(scope, parts, arrows)


def _part(item: Item, found: list[Block], links: Sequence[Link]) -> _Arranged:
    if isinstance(item, tuple):
        return _arranged(item, found, links)
    [block] = found
    centre = (block.width / 2, block.height / 2)
    return _Arranged(block.width, block.height, {block.key: centre}, {})


def _stacked(scope: Scope, parts: dict[Item, _Arranged], arrows: Sequence[Arrow]) -> _Arranged:
    """Parts in columns by the arrows between them, each column in the middle."""
    rank = _ranks([*parts], arrows)
    column: dict[int, list[Item]] = {}
    for item in parts:
        column.setdefault(rank[item], []).append(item)
    left, top, bottom = (PADDING, PADDING + TITLE, PADDING) if scope else (0.0, 0.0, 0.0)
    tall = max(total(parts[i].height + ROW_GAP for i in items) for items in column.values())
    middle: dict[Item, float] = {}
    whole = _Arranged(0.0, tall - ROW_GAP + top + bottom, {}, {})
    x = left
    for k in sorted(column):
        x += _gap(k, rank, arrows) if k != min(column) else 0.0
        wide = max(parts[item].width for item in column[k])
        y = top + (tall - total(parts[i].height + ROW_GAP for i in column[k])) / 2
        for item in _in_order(column[k], [*parts], arrows, middle):
            _put(whole, parts[item], x + (wide - parts[item].width) / 2, y)
            middle[item] = y + parts[item].height / 2
            y += parts[item].height + ROW_GAP
        x += wide
    if scope:
        whole.boxes[scope] = (0.0, 0.0, x + left, whole.height)
    return replace(whole, width=x + left)


def _put(whole: _Arranged, part: _Arranged, x: float, y: float) -> None:
    for key, (a, b) in part.nodes.items():
        whole.nodes[key] = (x + a, y + b)
    for scope, (x0, y0, x1, y1) in part.boxes.items():
        whole.boxes[scope] = (x + x0, y + y0, x + x1, y + y1)


def _gap(k: int, rank: dict[Item, int], arrows: Sequence[Arrow]) -> float:
    """The room before a column: for what stands on its lines, and for many lines to part."""
    came = [wide for _, head, wide in arrows if rank[head] == k]
    text = max(came, default=0.0)
    return max(GAP, text + GAP if text else 0.0, DENSE_GAP if len(came) > DENSE else 0.0)


def _in_order(
    items: Sequence[Item], told: Sequence[Item], arrows: Sequence[Arrow], middle: dict[Item, float]
) -> list[Item]:
    """Scopes by their numbers, single blocks beside what they are made of."""
    came: dict[Item, list[float]] = {}
    for tail, head, _ in arrows:
        if tail in middle:
            came.setdefault(head, []).append(middle[tail])

    def place(item: Item) -> tuple[bool, float]:
        if isinstance(item, tuple):
            number = re.search(r"\d{1,9}$", item[-1])
            return False, float(number[0]) if number else -1.0
        beside = came.get(item, [])
        return True, round(total(beside) / len(beside), 1) if beside else -1.0

    return sorted(items, key=place)


def _ranks(items: Sequence[Item], arrows: Sequence[Arrow]) -> dict[Item, int]:
    """The column of each: one after what it needs; a source stands right before its first user.

    A circle, as in a network that is applied again, is cut where its first item stands.
    """
    heads: dict[Item, dict[Item, None]] = {item: {} for item in items}
    for tail, head, _ in arrows:
        heads[tail][head] = None
    waiting = dict.fromkeys(items, 0)
    for found in heads.values():
        for head in found:
            waiting[head] += 1
    sources = [item for item in items if not waiting[item]]
    rank = dict.fromkeys(items, 0)
    done: set[Item] = set()
    ready = [*sources]
    while len(done) < len(items):
        # nobody ready: a circle
        item = ready.pop() if ready else next(item for item in items if item not in done)
        done.add(item)
        for head in heads[item]:
            if head in done:
                continue
            rank[head] = max(rank[head], rank[item] + 1)
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    for item in sources:
        # a weight of the last layer stands there, not at the far left beside the inputs
        rank[item] = min((rank[head] for head in heads[item]), default=1) - 1
    return rank


def _curves(
    at: dict[str, Point], blocks: dict[str, Block], links: Sequence[Link]
) -> dict[str, Curve]:
    """From the right side of one block to the left side of another, each with a port of its own.

    A line is level beside blocks and below its text, and bends only between columns.  Its text
    stands at the end at which fewer lines come together.
    """
    leaving, coming = _ports(at, blocks, links, 1), _ports(at, blocks, links, 2)
    out, into = Counter(link[1] for link in links), Counter(link[2] for link in links)
    within: dict[Scope, tuple[list[_Column], dict[str, int]]] = {}
    curves: dict[str, Curve] = {}
    for name, tail, head, wide in links:
        start = at[tail][0] + blocks[tail].width / 2, leaving[name]
        end = at[head][0] - blocks[head].width / 2, coming[name]
        scope = _shared(blocks[tail].scope, blocks[head].scope)
        if scope not in within:
            inside = [b for b in blocks.values() if b.scope[: len(scope)] == scope]
            within[scope] = _columns(at, inside)
        columns, place = within[scope]
        first, last = place[tail], place[head]
        if first < last:
            early = out[tail] <= into[head]
            curves[name] = _onward(columns[first : last + 1], start, end, wide, early)
        elif start[0] < end[0]:
            curves[name] = Curve(_through([start, end]))
        else:
            curves[name] = _around(columns[last : first + 1], start, end)
    return curves


def _shared(a: Scope, b: Scope) -> Scope:
    """The innermost scope around both: nothing from outside stands in a line's way there."""
    return tuple(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b)))


def _onward(
    columns: Sequence[_Column], start: Point, end: Point, wide: float, early: bool
) -> Curve:
    """From a block of the first column to one of the last, past those between."""
    run = wide + 2 * ASIDE if wide else 0.0
    leave, arrive = max(start[0], columns[0].right), min(end[0], columns[-1].left)
    if early:
        leave = max(leave, min(start[0] + run, columns[1].left - BEND))
    else:
        arrive = min(arrive, max(end[0] - run, columns[-2].right + BEND))
    stops, y = [start, (leave, start[1])], start[1]
    for column in columns[1:-1]:
        y = column.passage(y, end[1])
        stops += [(column.left - 6, y), (column.right + 6, y)]
    stops += [(arrive, end[1]), end]
    middle = (start[0] + run / 2, start[1]) if early else (end[0] - run / 2, end[1])
    return Curve(_through(stops), middle if wide else None)


def _around(columns: Sequence[_Column], start: Point, end: Point) -> Curve:
    """Back to a column that is not further on, above or below all that stands between."""
    spans = [span for column in columns for span in column.spans]
    left, right = columns[0].left, columns[-1].right
    between = _Column(left, right, spans, columns[0].lines)
    y = between.passage(start[1], end[1])
    (_, y0), (_, y1), away = start, end, BEND - 6
    out = (*_through([start, (right, y0)]), (right + away, y0), (right + away, y), (right, y))
    back = ((left - away, y), (left - away, y1), *_through([(left, y1), end]))
    return Curve((*out, *_through([(right, y), (left, y)])[1:], *back))


def _through(stops: Sequence[Point]) -> tuple[Point, ...]:
    """A chain of curves, level at every stop; stops that coincide count once."""
    points = [stops[0]]
    for (x0, y0), (x1, y1) in pairwise(stops):
        if (x0, y0) != (x1, y1):
            # controls level with their stops make the curve level there; by thirds a line is a line
            away = (x1 - x0) / (2 if y0 != y1 else 3)
            points += [(x0 + away, y0), (x1 - away, y1), (x1, y1)]
    return (*points, *[stops[0]] * 3) if len(points) == 1 else tuple(points)


def _ports(
    at: dict[str, Point], blocks: dict[str, Block], links: Sequence[Link], side: Literal[1, 2]
) -> dict[str, float]:
    """The height at which each line meets its block: in the order of where they lead.

    Lines with text lie side by side as far as there is room; others come together.
    """
    told: dict[str, list[Link]] = {}
    for link in links:
        told.setdefault(link[side], []).append(link)
    heights: dict[str, float] = {}
    for key, met in told.items():
        met.sort(key=lambda link: at[link[2] if side == 1 else link[1]][1])
        texts = sum(link[3] > 0 for link in met)
        apart = min(BESIDE, (blocks[key].height - 16) / (len(met) - 1)) if texts > 1 else 0.0
        for k, link in enumerate(met):
            heights[str(link[0])] = at[key][1] + (k - (len(met) - 1) / 2) * apart
    return heights


def _columns(at: dict[str, Point], blocks: Sequence[Block]) -> tuple[list[_Column], dict[str, int]]:
    """Columns from left to right, with room to bend between them; and which one is whose."""
    columns: list[_Column] = []
    place: dict[str, int] = {}
    for block in sorted(blocks, key=lambda block: at[block.key][0] - block.width / 2):
        (x, y), w, h = at[block.key], block.width / 2, block.height / 2
        if not columns or x - w > columns[-1].right + BEND:
            columns.append(_Column(x - w, x + w, [], {}))
        columns[-1].right = max(columns[-1].right, x + w)
        columns[-1].spans.append((y - h, y + h))
        place[block.key] = len(columns) - 1
    return columns, place


@dataclass(slots=True)
class _Column:
    """Blocks one below the other, and how many lines pass each aisle by now."""

    left: float
    right: float
    spans: list[tuple[float, float]]
    lines: dict[float, int]

    def passage(self, start: float, end: float) -> float:
        """The height at which to pass: level if that is free, else in the aisle closest by."""
        for y in (start, end):
            if not any(a - CLEAR < y < b + CLEAR for a, b in self.spans):
                return y
        a, b = min(self._aisles(), key=lambda aisle: abs(total(aisle) - start - end))
        count = self.lines[a] = self.lines.get(a, -1) + 1
        half = min((b - a) / 2, PADDING)  # below the upper block: titles stand above the lower one
        apart = half / 3 * ((count + 1) // 2) * (1 if count % 2 else -1)
        return a + half + max(3 - half, min(half - 3, apart))

    def _aisles(self) -> Iterator[tuple[float, float]]:
        """What is free above all blocks, between two of them, and below."""
        spans = sorted(self.spans)
        low = max(-24.0, spans[0][0] - 2 * PADDING - TITLE)
        for a, b in (*spans, (max(b for _, b in spans) + 2 * ROW_GAP, 0.0)):
            if a - low >= ROW_GAP - 1:
                yield low, a
            low = max(low, b)


# -- by Graphviz -----------------------------------------------------------------------------------


def graphviz_output(source: str, output: str) -> bytes:
    """DOT source rendered by Graphviz: the same bytes at any time, so a PDF is dated 1970."""
    rendered = _rendered(source, output)
    if output != "pdf":
        return rendered
    return re.sub(rb"(/CreationDate \(D:)\d{14}", rb"\g<1>19700101000000", rendered)


def _rendered(source: str, output: str) -> bytes:
    """By the embedded Graphviz, or by `dot` where there is none."""
    try:
        import pygraphviz
    except ImportError:
        return _dot_program(source, output)
    with _one_at_a_time, _quiet_stderr():
        graph = pygraphviz.AGraph(string=source)
        try:
            return bytes(graph.draw(format=output, prog="dot"))
        finally:
            graph.close()


def pace(links: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Graph attributes for straight lines and little polish, where curves would take minutes.

    Graphviz's work grows with the square of how many ranks the edges pass on their way.
    """
    if _ranks_passed(links) <= PATIENCE:
        return {}
    return {"splines": "line", "nslimit": "1", "nslimit1": "1"}


def _ranks_passed(links: Sequence[tuple[str, str]]) -> int:
    """The sum of the edges' lengths in ranks, once everyone without operands stands close by."""
    nodes = dict.fromkeys(node for link in links for node in link)
    rank = _ranks([*nodes], [(*link, 0.0) for link in links])
    return sum(abs(rank[head] - rank[tail]) for tail, head in links)


def _dot_program(source: str, output: str) -> bytes:
    try:
        return bytes(graphviz.pipe("dot", output, source.encode(), quiet=True))
    except graphviz.ExecutableNotFound:
        raise ImportError(INSTALL) from None
    except graphviz.CalledProcessError as error:
        raise RuntimeError(f"dot failed: {error.stderr.decode(errors='replace').strip()}") from None


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Fontconfig and Pango, inside Graphviz, write warnings nobody can act on straight to fd 2."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.ExitStack() as undo:
        with contextlib.suppress(OSError):
            kept = os.dup(2)
            undo.callback(os.close, kept)
            undo.callback(os.dup2, kept, 2)
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
        yield


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _point(text: str, height: float) -> Point:
    """A point of Graphviz, whose y goes upwards."""
    x, y = _numbers(text)
    return x, height - y


def _box(text: str, height: float) -> Box:
    x0, y0, x1, y1 = _numbers(text)
    return x0, height - y1, x1, height - y0


def _curve(edge: dict[str, Any], height: float) -> Curve:
    points = tuple(_point(part, height) for part in edge["pos"].split(" "))
    return Curve(points, _point(edge["lp"], height) if "lp" in edge else None)
