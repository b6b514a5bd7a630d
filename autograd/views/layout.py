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
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
        yield from (_bezier(curve.points[i : i + 4], t / 24) for t in range(25))


def _bezier(points: tuple[Point, ...], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    xs, ys = zip(*points)
    return sum(map(float.__mul__, weights, xs)), sum(map(float.__mul__, weights, ys))


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
DENSE, BESIDE = 30, 12.0


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
    tall = max(sum(parts[i].height + ROW_GAP for i in items) for items in column.values())
    middle: dict[Item, float] = {}
    whole = _Arranged(0.0, tall - ROW_GAP + top + bottom, {}, {})
    x = left
    for k in sorted(column):
        x += _gap(k, rank, arrows) if k != min(column) else 0.0
        wide = max(parts[item].width for item in column[k])
        y = top + (tall - sum(parts[i].height + ROW_GAP for i in column[k])) / 2
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
    return max(GAP, text + 40 if text else 0.0, DENSE_GAP if len(came) > DENSE else 0.0)


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
        return True, round(sum(beside) / len(beside), 1) if beside else -1.0

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
        rank[item] = min((rank[head] for head in heads[item]), default=1) - 1
    return rank


def _curves(
    at: dict[str, Point], blocks: dict[str, Block], links: Sequence[Link]
) -> dict[str, Curve]:
    """From the right side of one block to the left side of another; several lie side by side."""
    twins: dict[tuple[str, str], list[str]] = {}
    for name, tail, head, _ in links:
        twins.setdefault((tail, head), []).append(name)
    aisles = _Aisles(at, blocks)
    curves: dict[str, Curve] = {}
    for (tail, head), names in twins.items():
        x0, x1 = at[tail][0] + blocks[tail].width / 2, at[head][0] - blocks[head].width / 2
        for k, name in enumerate(names):
            aside = (k - (len(names) - 1) / 2) * BESIDE
            start, end = (x0, at[tail][1] + aside), (x1, at[head][1] + aside)
            curves[name] = Curve(aisles.way(start, end))
    return curves


def _bow(start: Point, end: Point) -> tuple[Point, ...]:
    """A piece of a curve that leaves and arrives level."""
    (x0, y0), (x1, y1) = start, end
    away = min(max(24.0, abs(x1 - x0) / 2), 160.0)
    return start, (x0 + away, y0), (x1 - away, y1), end


class _Aisles:
    """The free ways through columns of blocks: between two of them, above, or below all."""

    def __init__(self, at: dict[str, Point], blocks: dict[str, Block]) -> None:
        self.columns: list[_Column] = []
        for key in sorted(at, key=lambda key: at[key][0] - blocks[key].width / 2):
            (x, y), block = at[key], blocks[key]
            w, h = block.width / 2, block.height / 2
            box = (x - w, y - h, x + w, y + h)
            if not self.columns or box[0] > self.columns[-1].right:
                self.columns.append(_Column(box[0], box[2], [], {}))
            self.columns[-1].take(box)

    def way(self, start: Point, end: Point) -> tuple[Point, ...]:
        """A chain of curves that passes every column on its way where that is free."""
        points, at = [start], start
        for column in self.columns:
            if at[0] <= column.left and column.right <= end[0]:
                aisle = column.aisle(_bow(at, end))
                if aisle is not None:
                    left, right = (column.left - 6, aisle), (column.right + 6, aisle)
                    points += [*_bow(at, left)[1:], *_bow(left, right)[1:]]
                    at = right
        return (*points, *_bow(at, end)[1:])


@dataclass(slots=True)
class _Column:
    """Blocks one below the other, and how many lines pass each aisle by now."""

    left: float
    right: float
    spans: list[tuple[float, float]]
    lines: dict[int, int]

    def take(self, box: Box) -> None:
        self.right = max(self.right, box[2])
        self.spans.append((box[1], box[3]))

    def aisle(self, curve: tuple[Point, ...]) -> float | None:
        """The height at which to pass, nearest to where the curve would; None if it is free."""
        inside = [y for x, y in points_of(Curve(curve)) if self.left <= x <= self.right]
        if not any(a - 3 < y < b + 3 for y in inside for a, b in self.spans):
            return None
        spans = sorted(self.spans)
        above = max(-24.0, spans[0][0] - 2 * PADDING - TITLE)
        tops = [above, *(b for _, b in spans)]
        ends = [*(a for a, _ in spans), spans[-1][1] + 2 * ROW_GAP]
        gaps = [(k, a, b) for k, (a, b) in enumerate(zip(tops, ends)) if b - a >= ROW_GAP - 1]
        wanted = (inside[0] + inside[-1]) / 2
        k, a, b = min(gaps, key=lambda gap: abs((gap[1] + gap[2]) / 2 - wanted))
        count = self.lines[k] = self.lines.get(k, -1) + 1
        half = min((b - a) / 2, PADDING)  # below the upper block: titles stand above the lower one
        apart = half / 3 * ((count + 1) // 2) * (1 if count % 2 else -1)
        return a + half + max(2 - half, min(half - 2, apart))


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
    program = shutil.which("dot")
    if program is None:
        raise ImportError(INSTALL)
    done = subprocess.run([program, f"-T{output}"], input=source.encode(), capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Fontconfig and Pango, inside Graphviz, write warnings nobody can act on straight to fd 2."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.ExitStack() as undo:
        with contextlib.suppress(OSError):
            if sys.__stderr__:
                sys.__stderr__.flush()
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
