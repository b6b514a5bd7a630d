"""Graphviz, wherever it is: embedded in the `pygraphviz` wheel, or the `dot` program.

`graphviz_output` turns DOT source into any of Graphviz's formats.  `layout` asks only for places:
where each node, box and line of a picture goes.
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
from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]

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
    """A chain of cubic Bézier curves (1 + 3k points) and the tip of its arrow, if it has one."""

    points: tuple[Point, ...]
    tip: Point | None
    label: Point | None


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in points, y downwards: node centres, boxes as (x0, y0, x1, y1), curves; by name."""

    width: float
    height: float
    nodes: dict[str, Point]
    boxes: dict[str, tuple[float, float, float, float]]
    curves: dict[str, Curve]


def layout(source: str) -> Layout:
    """Where Graphviz puts the nodes, clusters and edges (told by their `id`) of a skeleton.

    A skeleton is DOT source without any text, its edges written `tail -> head`.
    """
    told: dict[str, Any] = json.loads(graphviz_output(_paced(source), "json0"))
    _, _, width, height = _floats(told["bb"])
    objects = told.get("objects", [])
    return Layout(
        width=width,
        height=height,
        nodes={o["name"]: _flip(o["pos"], height) for o in objects if "pos" in o},
        boxes={o["name"]: _box(o["bb"], height) for o in objects if "bb" in o},
        curves={edge["id"]: _curve(edge, height) for edge in told.get("edges", [])},
    )


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


def _paced(skeleton: str) -> str:
    links: list[tuple[str, str]] = re.findall(r"(\w+) -> (\w+)", skeleton)
    attributes = " ".join(f"{name}={value}" for name, value in pace(links).items())
    return skeleton.replace("{", f"{{ graph [{attributes}]", 1)


def _ranks_passed(links: Sequence[tuple[str, str]]) -> int:
    """The sum of the edges' lengths in ranks, once everyone without operands stands close by."""
    after: dict[str, list[str]] = {node: [] for link in links for node in link}
    before = dict.fromkeys(after, 0)
    for tail, head in links:
        after[tail].append(head)
        before[head] += 1
    ready = [node for node, count in before.items() if count == 0]
    sources, rank = set(ready), dict.fromkeys(after, 0)
    while ready:
        node = ready.pop()
        for head in after[node]:
            rank[head] = max(rank[head], rank[node] + 1)
            before[head] -= 1
            if before[head] == 0:
                ready.append(head)
    for node in sources:
        rank[node] = min(rank[head] for head in after[node]) - 1
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


def _floats(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _flip(text: str, height: float) -> Point:
    x, y = _floats(text)
    return x, height - y


def _box(text: str, height: float) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = _floats(text)
    return x0, height - y1, x1, height - y0


def _curve(edge: dict[str, Any], height: float) -> Curve:
    parts = edge["pos"].split(" ")
    tips = [part[2:] for part in parts if part.startswith("e,")]
    points = tuple(_flip(part, height) for part in parts if part[0] not in "es")
    return Curve(
        points=points,
        tip=_flip(tips[0], height) if tips else None,
        label=_flip(edge["lp"], height) if "lp" in edge else None,
    )
