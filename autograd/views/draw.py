"""Pictures of a graph: DOT, SVG, PNG and PDF, with no `dot` program needed.

`draw` gives a `graphviz.Digraph` (look at it in a notebook, change it, read its `.source`);
`to_svg` gives the most beautiful form as text; `save` writes a file.

A picture is the page's own drawing, standing still: each node a card with its label, operation,
data and, after a backward pass, its gradient; each edge with the local derivative of its consumer
by its operand.  Leaves have round ends, the root a double border, constants a dashed one and no
derivative.  Scopes are boxes, a folded scope is one card; what fills more than a screen folds
itself.
"""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import graphviz

from autograd.backward import topological_order
from autograd.files import write_atomically
from autograd.value import Value
from autograd.views.cards import Card
from autograd.views.folding import Fold
from autograd.views.formats import pdf, png, scheme
from autograd.views.layout import graphviz_output
from autograd.views.moment import Moment, standing
from autograd.views.painter import THEMES, paint, picture_words, title_of
from autograd.views.records import graph_of
from autograd.views.scene import Scene, Wire, fill, scene, wire_text
from autograd.views.text import number, shorten

MAX_NODES = 300
DIRECTIONS = ("LR", "RL", "TB", "BT")
FONTS = "Helvetica,Arial,Liberation Sans,Noto Sans,DejaVu Sans,sans-serif"
LINE = "#9aa1a9"
STYLES = {"leaf": "rounded,filled", "number": "dashed,filled", "constant": "dashed,filled"}
OURS = ("svg", "png", "pdf")
SUFFIXES = (".svg", ".png", ".pdf", ".dot")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A scene at a moment, told in a language and coloured for a theme."""

    told: Scene
    now: Moment
    lang: str
    theme: str

    def svg(self, theme: str) -> str:
        """The drawing as SVG in a theme; a line below says how to open what folded itself."""
        count = len(self.told.graph.nodes)
        opens = picture_words(self.lang)["opens"].format(count) if self.told.folded else ""
        return paint(self.told, self.now, theme=theme, lang=self.lang, foot=opens) + "\n"

    def rendered(self, output: str) -> bytes:
        """The drawing as an SVG, PNG or PDF file."""
        if output == "svg":
            return self.svg(self.theme).encode()
        still = self.svg(scheme(self.theme))
        if output == "png":
            return png(still, self.theme)
        return pdf(still, self.theme, title_of(self.told, self.lang))


class Picture(graphviz.Digraph):  # type: ignore[misc]
    """A Digraph that renders in payback's own style as SVG, PNG and PDF.

    Once its source is changed by hand, and in other formats, it is Graphviz's own drawing.
    """

    drawing: Drawing
    _told: str | None = None

    def pipe(self, format: str | None = None, *, encoding: str | None = None, **_: Any) -> Any:  # noqa: A002
        """The rendered picture: bytes, or text when an encoding is given."""
        output = self._rendered(format or self.format)
        return output if encoding is None else output.decode(encoding)

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,  # noqa: A002
        **_: Any,
    ) -> str:
        """Write the source and, beside it, the picture; return the picture's path."""
        source = Path(super().save(filename, directory=directory))
        suffix = format or self.format
        target = source.with_name(f"{source.name}.{suffix}")
        write_atomically(target, self._rendered(suffix))
        if cleanup:
            source.unlink()
        if view:
            webbrowser.open(target.resolve().as_uri())
        return str(target)

    def save(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> str:
        """Write the source; a name that ends in .svg, .png or .pdf asks for that picture itself."""
        suffix = Path(filename or "").suffix.lower()[1:]
        if suffix not in OURS:
            return str(super().save(filename, directory=directory, **options))
        return str(write_atomically(Path(directory or "", filename or ""), self._rendered(suffix)))

    def _rendered(self, output: str) -> bytes:
        if output not in graphviz.FORMATS:
            raise ValueError(f"unknown format {output!r}: svg, png, pdf or another of Graphviz's")
        if output in OURS and self.source == self._told:
            return self.drawing.rendered(output)
        return graphviz_output(self.source, output)


def draw(
    root: Value,
    *,
    format: str = "svg",  # noqa: A002
    max_nodes: int = MAX_NODES,
    fold: Fold = None,
    rankdir: str = "LR",
    lang: str = "en",
    gradients: bool | None = None,
    names: Sequence[str] | None = None,
    theme: str = "auto",
) -> Picture:
    """The graph below `root` as a `graphviz.Digraph`.

    `format` is what `.pipe()` and `.render()` give unless told otherwise.  `fold` draws scopes as
    one card each: a depth (1 for the outermost, 0 for none), a scope's name or path ("layer
    1/neuron 0"), or several; left out, a graph that fills more than a screen folds itself.
    `rankdir` is the direction of evaluation, "LR", "RL", "TB" or "BT".  `gradients` makes them
    shown or left out; by default they show once backward() has made some.  `names` are shown
    instead of labels, one per node in topological order.  `theme` is "auto" (as the reader
    prefers), "light" or "dark", of the SVG.  ValueError for more than `max_nodes` nodes, unknown
    scopes and options.

    >>> a = Value(2.0, label="a")
    >>> picture = draw(a * a)
    >>> picture.source.count("->")
    2
    """
    if not isinstance(root, Value):
        raise TypeError(f"a picture starts at a Value, not at {type(root).__name__}")
    for name, given, known in (("rankdir", rankdir, DIRECTIONS), ("theme", theme, THEMES)):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {given!r}")
    order = topological_order(root)
    owed = {i: _gradient(node) for i, node in enumerate(order) if node.requires_grad}
    shown = any(owed.values()) if gradients is None else gradients
    graph = graph_of(order, names)
    told = scene(graph, fold, max_nodes=max_nodes, gradients=shown, rankdir=rankdir)
    now = standing([node.data for node in order], owed if shown else {})
    picture = _digraph(told, now, picture_words(lang), output=format)
    picture.drawing, picture._told = Drawing(told, now, lang, theme), picture.source
    return picture


def _gradient(node: Value) -> float:
    """As a number: after backward(create_graph=True) it is a Value, and None counts as 0."""
    return node.grad.data if isinstance(node.grad, Value) else float(node.grad or 0.0)


def to_svg(root: Value, **options: Any) -> str:
    """The graph below `root` as SVG text, readable on light and on dark; options as for `draw`.

    Node and edge groups carry the numbers of the trace: `g.node[data-node]`, `g.edge[data-edge]`.
    """
    return str(draw(root, **options).pipe("svg", encoding="utf-8"))


def save(root: Value, path: str | os.PathLike[str], **options: Any) -> None:
    """Write the picture to a .svg, .png, .pdf or .dot file, whole or not at all.

    PNG and PDF are the SVG in another form; ImportError, with what to install, where that needs a
    package: `pip install "payback[pictures]"`.  Their letters are the machine's: Chinese needs a
    font that has it (Debian: fonts-noto-cjk).
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        said = f"{suffix!r}" if suffix else "no suffix"
        raise ValueError(f"a picture's file ends in {', '.join(SUFFIXES)}; {path} has {said}")
    picture = draw(root, **options)
    write_atomically(path, picture.source if suffix == ".dot" else picture.pipe(suffix[1:]))


# --- DOT ------------------------------------------------------------------------------------------


def _digraph(told: Scene, now: Moment, words: Mapping[str, str], *, output: str) -> Picture:
    graph = Picture("payback", format=output)
    graph.graph_attr.update(rankdir=told.rankdir, bgcolor="transparent")
    graph.attr("graph", fontname=FONTS, style="rounded,dashed", color=LINE, labeljust="l")
    graph.attr("node", fontname=FONTS, shape="box", style="filled", fillcolor="white", color=LINE)
    graph.attr("edge", fontname=FONTS, fontsize="10", arrowsize="0.7", color=LINE)

    def of_card(card: Card) -> dict[str, str]:
        style = {"style": STYLES[card.kind]} if card.kind in STYLES else {}
        rings = {"peripheries": "2"} if card.root else {}
        said = "\n".join(map(_plain, _card_lines(told, card, now, words)))
        return {"label": said, "id": card.key, **style, **rings}

    def of_wire(wire: Wire) -> dict[str, str]:
        quiet = {} if wire.edges else {"arrowhead": "none", "style": "dashed"}
        many = {"penwidth": "2"} if len(wire.edges) > 1 else {}
        return {
            "label": _plain(wire_text(wire, told.graph, words)),
            "id": wire.key,
            **quiet,
            **many,
        }

    fill(graph, told, of_card, of_wire, lambda scope: {"label": _plain(shorten(scope[-1]))})
    return graph


def _card_lines(told: Scene, card: Card, now: Moment, words: Mapping[str, str]) -> Iterator[str]:
    """Name and operation, the value, and the gradient where there is one."""
    first = card.nodes[0]
    if card.kind != "number":
        yield f"{card.title} {card.badge}".strip()
    if card.folded:
        yield words["nodes"].format(len(card.nodes))
        return
    yield number(told.graph.nodes[first].value)
    if first in now.settled:
        yield f"{words['grad']} {number(now.totals[first])}"


def _plain(text: str) -> str:
    """Text as DOT shows it literally: no entities, and none of Graphviz's escapes."""
    return str(graphviz.escape(text.replace("&", "&amp;")))
