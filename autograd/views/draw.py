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

import html
import os
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import graphviz

from autograd.backward import topological_order
from autograd.files import write_atomically
from autograd.value import Value
from autograd.views.layout import graphviz_output, pace
from autograd.views.moment import Moment, standing
from autograd.views.painter import THEMES, colours, paint, picture_words
from autograd.views.records import graph_of
from autograd.views.scene import Card, Fold, Scene, Scope, Wire, pill_width, scene, wire_text
from autograd.views.text import number, shorten

MAX_NODES = 300
DIRECTIONS = ("LR", "RL", "TB", "BT")
FONTS = "Helvetica,Arial,Liberation Sans,Noto Sans,DejaVu Sans,sans-serif"
ROOM = 10.0  # kept free around what is written on an edge
SUFFIXES = (".svg", ".png", ".pdf", ".dot")


class Picture(graphviz.Digraph):  # type: ignore[misc]
    """A Digraph that renders with the embedded Graphviz, and as SVG in payback's own style.

    Once its source is changed by hand, Graphviz's own SVG of the changed source is given.
    """

    _svg: str | None = None
    _svg_source: str | None = None

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
        source = Path(self.save(filename, directory=directory))
        suffix = format or self.format
        target = source.with_name(f"{source.name}.{suffix}")
        write_atomically(target, self._rendered(suffix))
        if cleanup:
            source.unlink()
        if view:
            webbrowser.open(target.resolve().as_uri())
        return str(target)

    def _rendered(self, output: str) -> bytes:
        if output == "svg" and self._svg is not None and self.source == self._svg_source:
            return self._svg.encode()
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
    told, now = _scene(root, max_nodes, fold, gradients, names, rankdir)
    picture = _digraph(told, now, picture_words(lang), output=format)
    picture._svg = _svg(told, now, lang, theme)
    picture._svg_source = picture.source
    return picture


def to_svg(
    root: Value,
    *,
    max_nodes: int = MAX_NODES,
    fold: Fold = None,
    rankdir: str = "LR",
    lang: str = "en",
    gradients: bool | None = None,
    names: Sequence[str] | None = None,
    theme: str = "auto",
) -> str:
    """The graph below `root` as SVG text, readable on light and on dark; options as for `draw`.

    Node and edge groups carry the numbers of the trace: `g.node[data-node]`, `g.edge[data-edge]`.
    """
    return _svg(*_scene(root, max_nodes, fold, gradients, names, rankdir), lang, theme)


def save(root: Value, path: str | os.PathLike[str], **options: Any) -> None:
    """Write the picture to a .svg, .png, .pdf or .dot file, whole or not at all.

    A PNG is the SVG, drawn by `resvg-py` (`pip install "payback[pictures]"`); without it, and as a
    PDF, the picture is Graphviz's own drawing of the same scene.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        said = f"{suffix!r}" if suffix else "no suffix"
        raise ValueError(f"a picture's file ends in {', '.join(SUFFIXES)}; {path} has {said}")
    if suffix == ".svg":
        write_atomically(path, to_svg(root, **options))
    elif suffix == ".png" and (image := _png(root, options)):
        write_atomically(path, image)
    else:
        picture = draw(root, format=suffix[1:], **options)
        held = picture.source if suffix == ".dot" else _on_paper(picture, suffix[1:])
        write_atomically(path, held)


def _png(root: Value, options: Mapping[str, Any]) -> bytes | None:
    """The SVG at two pixels per point on its paper; None without `resvg-py`."""
    try:
        import resvg_py
    except ImportError:
        return None
    theme = "dark" if options.get("theme") == "dark" else "light"
    svg = to_svg(root, **{**options, "theme": theme})
    return bytes(resvg_py.svg_to_bytes(svg, background=colours()[theme]["paper"], zoom=2))


def _on_paper(picture: Picture, output: str) -> bytes:
    """Dark ink needs light paper: a PNG or PDF gets a white ground, at two pixels per point."""
    dots = "192" if output == "png" else "72"
    picture.graph_attr.update(bgcolor="white", pad="0.15", dpi=dots)
    return bytes(picture.pipe(output))


def _scene(
    root: Value,
    max_nodes: int,
    fold: Fold,
    gradients: bool | None,
    names: Sequence[str] | None,
    rankdir: str,
) -> tuple[Scene, Moment]:
    if not isinstance(root, Value):
        raise TypeError(f"a picture starts at a Value, not at {type(root).__name__}")
    if rankdir not in DIRECTIONS:
        raise ValueError(f"rankdir must be one of {', '.join(DIRECTIONS)}, not {rankdir!r}")
    order = topological_order(root)
    owed = {i: _gradient(node) for i, node in enumerate(order) if node.requires_grad}
    shown = any(owed.values()) if gradients is None else gradients
    told = scene(
        graph_of(order, names), fold, max_nodes=max_nodes, gradients=shown, rankdir=rankdir
    )
    return told, standing(len(order), owed if shown else {})


def _gradient(node: Value) -> float:
    """As a number: after backward(create_graph=True) it is a Value."""
    return node.grad.data if isinstance(node.grad, Value) else float(node.grad)


def _svg(told: Scene, now: Moment, lang: str, theme: str) -> str:
    if theme not in THEMES:
        raise ValueError(f"theme must be one of {', '.join(THEMES)}, not {theme!r}")
    opens = picture_words(lang)["opens"].format(len(told.graph.nodes)) if told.folded else ""
    return paint(told, now, theme=theme, lang=lang, foot=opens) + "\n"


# --- DOT, with every text for Graphviz to draw ----------------------------------------------------


def _digraph(told: Scene, now: Moment, words: Mapping[str, str], *, output: str) -> Picture:
    graph = Picture("payback", format=output)
    graph.graph_attr.update(
        rankdir=told.rankdir, bgcolor="transparent", nodesep="0.22", ranksep="0.3", margin="0"
    )
    graph.graph_attr.update(pace([(wire.creditor, wire.debtor) for wire in told.wires]))
    graph.attr("node", shape="box", fixedsize="true", fontname=FONTS, label="")
    graph.attr("edge", fontname=FONTS, arrowsize="0.7", color=_light("line"))
    _fill(graph, told, now, words, ())
    for wire in told.wires:
        graph.edge(wire.creditor, wire.debtor, id=wire.key, **_wire_attributes(told, wire, words))
    return graph


def _fill(
    graph: graphviz.Digraph, told: Scene, now: Moment, words: Mapping[str, str], scope: Scope
) -> None:
    """The cards directly in a scope, then the boxes directly in it."""
    for card in told.cards:
        if card.scope == scope:
            graph.node(card.key, **_card_attributes(told, card, now, words))
    for i, inner in enumerate(told.boxes):
        if inner[:-1] == scope:
            with graph.subgraph(name=f"cluster_{i}") as box:
                box.attr(
                    label=_plain(shorten(inner[-1])), labeljust="l", margin="10", fontname=FONTS,
                    style="rounded,dashed", color=_light("line"), fontcolor=_light("soft"),
                )  # fmt: skip
                _fill(box, told, now, words, inner)


def _card_attributes(
    told: Scene, card: Card, now: Moment, words: Mapping[str, str]
) -> dict[str, str]:
    style = {"leaf": "rounded,filled", "number": "dashed,filled", "constant": "dashed,filled"}
    return {
        "width": f"{max(card.width, 60) / 72:.4f}",
        "height": f"{min(card.height, 62) / 72:.4f}",
        "id": card.key,
        "label": _card_label(told, card, now, words),
        "tooltip": _tooltip(card.title),
        "style": style.get(card.kind, "filled"),
        "fillcolor": _light("card"),
        "color": _light("line"),
        "peripheries": "2" if card.root else "1",
    }


def _card_label(told: Scene, card: Card, now: Moment, words: Mapping[str, str]) -> str:
    """A table for Graphviz: title and badge above, numbers below."""
    first = card.nodes[0]
    if card.kind == "number":
        return f"<{_font(number(told.graph.nodes[first].value), 'soft', 11)}>"
    badge = f" &nbsp; {_font(card.badge, 'soft', 11)}" if card.badge else ""
    top = f"<b>{_font(card.title, 'ink', 14)}</b>{badge}"
    if card.key[0] != "n":
        size = words["nodes"].format(len(card.nodes))
        return f"<{_table(_row(top) + _row(_font(size, 'ink', 13)))}>"
    bottom = _font(number(told.graph.nodes[first].value), "forward", 13)
    if first in now.settled:
        grad = f"<b>{_font(number(now.totals[first]), 'debt', 13)}</b>"
        bottom += f" &nbsp; {_font(words['grad'], 'soft', 10)} {grad}"
    return f"<{_table(_row(top) + _row(bottom))}>"


def _wire_attributes(told: Scene, wire: Wire, words: Mapping[str, str]) -> dict[str, str]:
    if not wire.edges:
        return {"arrowhead": "none", "style": "dashed"}
    text = wire_text(wire, told.graph, words)
    size = pill_width(wire, told.graph) + ROOM, 18 + ROOM / 2
    wide = {"penwidth": "2"} if len(wire.edges) > 1 else {}
    return {"label": f"<{_table(_row(_font(text, 'ink', 10), *size))}>", **wide}


def _table(rows: str) -> str:
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="1">{rows}</table>'


def _row(inside: str, width: float = 0, height: float = 0) -> str:
    size = f' fixedsize="true" width="{width:.0f}" height="{height:.0f}"' if width else ""
    return f"<tr><td{size}>{inside}</td></tr>"


def _font(text: str, role: str, size: int) -> str:
    return f'<font color="{_light(role)}" point-size="{size}">{_plain(text)}</font>'


def _plain(text: str) -> str:
    """Text as DOT shows it literally: entities for what HTML reads, and no `\\N` of Graphviz's."""
    return html.escape(text).replace("\\", "&#92;&#92;")


def _tooltip(text: str) -> str:
    """Graphviz reads backslashes in tooltips more than once, so they become a look-alike."""
    return html.escape(text).replace("\\", "\N{SET MINUS}").replace("\n", "&#10;")


def _light(role: str) -> str:
    return colours()["light"][role]
