"""Frames: a trace as still pictures, one SVG per step, and a strip of a few of them in one file.

Each file stands alone.  Its colours are written out, once for light and once for dark, because not
every program that shows SVG knows variables.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

from autograd.files import write_atomically
from autograd.views.folding import Fold
from autograd.views.moment import moment
from autograd.views.page import check
from autograd.views.painter import Markup, n, paint, painted, style_of, svg, tag
from autograd.views.scene import MARGIN, Scene, scene
from autograd.views.text import columns, typeset
from autograd.views.trace import Lang, Step, Trace

GAP, CAPTION = 26.0, 64.0
LINES = 3
"""Sentences shown of a stride, its last ones."""


By = Literal["edge", "node", "unit", "layer"]


def write_frames(
    story: Trace,
    folder: Path,
    *,
    lang: Lang = "en",
    max_nodes: int = 400,
    fold: Fold = None,
    by: By | None = None,
) -> Path:
    """One SVG per moment, the start included, and an ``index.md`` that shows them in order.

    ``fold`` is as for pictures; ``by`` is how far one frame leads on, by default an edge where all
    lies open and a whole unit or layer where these are folded.  Raises ValueError for more than
    ``max_nodes`` cards.
    """
    laid = scene(story, fold, max_nodes=max_nodes)
    check(story, lang, max(max_nodes, len(story.nodes)))
    moments = [0, *strides(story, by or _stride_of(laid))]
    folder.mkdir(parents=True, exist_ok=True)
    for taken in moments:
        picture = paint(laid, moment(story, taken), theme="auto", lang=lang)
        write_atomically(folder / _name(taken, story), picture + "\n")
    return write_atomically(folder / "index.md", _index(story, moments, lang))


def _stride_of(laid: Scene) -> By:
    kinds = {card.kind for card in laid.cards}
    return "layer" if "layer" in kinds else "unit" if kinds & {"unit", "fold"} else "edge"


def strides(story: Trace, by: By) -> Iterator[int]:
    """After how many steps each stride ends: an edge, a node, or all that a unit or layer does.

    Where scopes are walked through, all that is given is read in at once, and what a unit pays to
    leaves belongs to the unit.
    """
    if by not in get_args(By):
        raise ValueError(f"by is 'edge', 'node', 'unit' or 'layer', got {by!r}")
    pays = (story.edges[step.edge] for step in story.steps if step.edge is not None)
    # the last one stays: with it a leaf is complete
    payer = {debt.parent: debt.consumer for debt in pays}
    about = [_about(story, step, by, payer) for step in story.steps]
    for i, here in enumerate(about):
        if by == "edge" or here != (about[i + 1] if i + 1 < len(about) else None):
            yield i + 1


def _about(story: Trace, step: Step, by: By, payer: Mapping[int, int]) -> Hashable:
    """What a step belongs to: steps of one stride have it in common."""
    acting = story.edges[step.edge].consumer if step.edge is not None else step.node
    forward, node = step.kind == "eval", story.nodes[acting or 0]
    if step.kind == "seed":
        return "seed"
    if by in ("edge", "node"):
        return forward, node.id
    if forward and node.leaf:
        return "given"
    if node.leaf:  # settled beside the last that paid it
        node = story.nodes[payer.get(node.id, node.id)]
    return forward, node.scope[: 1 if by == "layer" else None]


def strip(story: Trace, steps: Iterable[int], *, per_row: int = 4, lang: Lang = "en") -> str:
    """Some moments side by side in one SVG, each with its sentence."""
    laid = scene(story)
    width, height = _cell_size(laid)
    cells = []
    for i, taken in enumerate(steps):
        x, y = (i % per_row) * (width + GAP), (i // per_row) * (height + GAP)
        cell = _cell(story, laid, taken, lang)
        cells.append(tag("g", cell, transform=f"translate({x:.1f} {y:.1f})"))
    across, rows = min(len(cells), per_row), -(-len(cells) // per_row)
    size = across * (width + GAP) - GAP, rows * (height + GAP) - GAP
    return _sheet(story, style_of("auto"), *cells, size=size)


def animation(
    story: Trace, steps: Sequence[int], *, seconds: float = 1.8, lang: Lang = "en"
) -> str:
    """Some moments one after the other in one SVG that moves by itself, each with its sentence.

    Who prefers less motion, and programs that know no animation, see the last of them.
    """
    laid, last = scene(story), len(steps) - 1
    turn = 100 / (len(steps) + 2)  # the last one stays for three turns
    style = (
        f".moment{{opacity:0;animation:turn {seconds * 100 / turn:.1f}s "
        f"step-end infinite}}.moment.last{{opacity:1;animation-name:last}}"
        f"@keyframes turn{{0%{{opacity:1}}{turn:.3f}%,to{{opacity:0}}}}"
        f"@keyframes last{{0%{{opacity:0}}{100 - 3 * turn:.3f}%,to{{opacity:1}}}}"
        + "".join(f".m{i}{{animation-delay:{i * seconds:.1f}s}}" for i in range(last))
        + "@media (prefers-reduced-motion:reduce){.moment{animation:none}}"
    )
    cells = (
        tag(
            "g",
            _cell(story, laid, taken, lang),
            class_=f"moment {'last' if i == last else f'm{i}'}",
        )
        for i, taken in enumerate(steps)
    )
    return _sheet(story, style_of("auto", style), *cells, size=_cell_size(laid))


def _sheet(story: Trace, *inside: Markup, size: tuple[float, float]) -> str:
    return svg(*inside, title=story.root.name, theme="auto", size=size) + "\n"


def _cell_size(laid: Scene) -> tuple[float, float]:
    return laid.places.width + 2 * MARGIN, laid.places.height + 2 * MARGIN + CAPTION


def _cell(story: Trace, laid: Scene, taken: int, lang: Lang) -> Markup:
    width, height = _cell_size(laid)
    said = typeset(getattr(story.steps[taken - 1].text, lang)) if taken else ""
    lines = [
        tag("tspan", line, x=14, dy=0 if i == 0 else 19)
        for i, line in enumerate(wrapped(said, int(width / 7.6)))
    ]
    picture = painted(laid, moment(story, taken), lang)
    return (
        tag("rect", class_="frame", width=width, height=height, rx=14)
        + tag("g", picture, transform=f"translate({n(MARGIN)} {n(MARGIN)})")
        + tag("text", *lines, class_="said", x=14, y=height - CAPTION + 8)
    )


def wrapped(text: str, width: int) -> list[str]:
    """Text in lines of at most that many columns; Chinese may break anywhere."""
    lines = [""]
    for piece in re.findall(r"[\x21-\u2fff]+\s*|.", text):
        if lines[-1] and columns(lines[-1]) + columns(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _name(taken: int, story: Trace) -> str:
    return f"{taken:0{len(str(len(story.steps)))}d}.svg"


def _index(story: Trace, moments: Sequence[int], lang: Lang) -> str:
    """All frames in order; the sentences and formulas as plain text, whatever they hold."""
    lines = [f"![0]({_name(0, story)})"]
    for before, taken in pairwise(moments):
        steps = story.steps[before:taken]
        told = ((getattr(step.text, lang), step.math) for step in steps[-LINES:])
        said = "  \n   ".join(_markdown(text) for pair in told for text in pair)
        shown = f"![{taken}]({_name(taken, story)})"
        lines.append(f"{taken}. {said}\n\n   {shown}")
    return "\n\n".join(lines) + "\n"


def _markdown(text: str) -> str:
    """Text in which nothing means anything to Markdown."""
    return re.sub(r"([\\`*_{}\[\]()<>#|&!~$])", r"\\\1", text)
