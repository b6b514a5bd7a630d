"""Pictures of a graph: DOT, SVG, PNG and PDF, with no `dot` program needed.

`draw` gives a `graphviz.Digraph` (look at it in a notebook, change it, read its `.source`);
`to_svg` gives the most beautiful form as text; `save` writes a file.

A picture shows each node as a card with its label, operation, data and, after a backward pass, its
gradient; each edge carries the local derivative of its consumer by its operand.  Leaves have round
ends, the root a double border, constants a dashed one and no derivative.  Scopes are boxes, a
folded scope is one card.
"""

from __future__ import annotations

import html
import os
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import graphviz

from autograd.files import write_atomically
from autograd.value import Value
from autograd.views import scene as scenes
from autograd.views.layout import graphviz_output, layout, pace
from autograd.views.scene import Card, Fold, Scene, Scope, Wire
from autograd.views.svg import (
    PAINTS,
    box_title_size,
    card_size,
    draw_svg,
    pill_size,
)

MAX_NODES = 300
DIRECTIONS = ("LR", "RL", "TB", "BT")
THEMES = ("auto", "light", "dark")
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
    one card each: a depth (1 for the outermost), a scope's name or path ("layer 1/neuron 0"), or
    several.  `rankdir` is the direction of evaluation, "LR", "RL", "TB" or "BT".  `gradients` makes
    them shown or left out; by default they show once backward() has made some.  `names` are
    shown instead of labels, one per node in topological order.  `theme` is "auto" (as the reader
    prefers), "light" or "dark", of the SVG.  ValueError for more than `max_nodes` nodes, unknown
    scopes and options.

    >>> a = Value(2.0, label="a")
    >>> picture = draw(a * a)
    >>> picture.source.count("->")
    2
    """
    told = _scene(root, max_nodes, fold, lang, gradients, names)
    picture: Picture = _digraph(told, rankdir, text=True, output=format)
    picture._svg = _svg(told, rankdir, theme)
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
    return _svg(_scene(root, max_nodes, fold, lang, gradients, names), rankdir, theme)


def save(root: Value, path: str | os.PathLike[str], **options: Any) -> None:
    """Write the picture to a .svg, .png, .pdf or .dot file, whole or not at all."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        said = f"{suffix!r}" if suffix else "no suffix"
        raise ValueError(f"a picture's file ends in {', '.join(SUFFIXES)}; {path} has {said}")
    if suffix == ".svg":
        write_atomically(path, to_svg(root, **options))
        return
    picture = draw(root, format=suffix[1:], **options)
    write_atomically(path, picture.source if suffix == ".dot" else _on_paper(picture, suffix[1:]))


def _on_paper(picture: Picture, output: str) -> bytes:
    """Dark ink needs light paper: a PNG or PDF gets a white ground, at two pixels per point."""
    dots = "192" if output == "png" else "72"
    picture.graph_attr.update(bgcolor="white", pad="0.15", dpi=dots)
    return bytes(picture.pipe(output))


def _scene(
    root: Value,
    max_nodes: int,
    fold: Fold,
    lang: str,
    gradients: bool | None,
    names: Sequence[str] | None,
) -> Scene:
    if not isinstance(root, Value):
        raise TypeError(f"a picture starts at a Value, not at {type(root).__name__}")
    return scenes.scene(
        root, max_nodes=max_nodes, fold=fold, lang=lang, gradients=gradients, names=names
    )


def _svg(told: Scene, rankdir: str, theme: str) -> str:
    if theme not in THEMES:
        raise ValueError(f"theme must be one of {', '.join(THEMES)}, not {theme!r}")
    skeleton = _digraph(told, rankdir, text=False)
    return draw_svg(told, layout(skeleton.source), rankdir, theme)


# --- DOT: with every text for Graphviz to draw, or a skeleton of the same sizes without text ------


def _digraph(told: Scene, rankdir: str, *, text: bool, output: str = "svg") -> Picture:
    if rankdir not in DIRECTIONS:
        raise ValueError(f"rankdir must be one of {', '.join(DIRECTIONS)}, not {rankdir!r}")
    graph = Picture("payback", format=output)
    graph.graph_attr.update(
        rankdir=rankdir, bgcolor="transparent", nodesep="0.22", ranksep="0.3", margin="0"
    )
    if text:
        graph.graph_attr.update(pace([(wire.tail, wire.head) for wire in told.wires]))
    graph.attr("node", shape="box", fixedsize="true", fontname=FONTS, label="")
    graph.attr("edge", fontname=FONTS, arrowsize="0.7", color=_light("line", "stroke"))
    _fill(graph, told, (), text)
    scope_of = {card.key: card.scope for card in told.cards if card.kind == "operation"}
    for wire in told.wires:
        together = wire.tail in scope_of and scope_of[wire.tail] == scope_of.get(wire.head)
        weight = "5" if together else "1"  # results of one scope stay in a line
        attributes = _wire_attributes(wire, text)
        graph.edge(wire.tail, wire.head, id=wire.key, weight=weight, **attributes)
    return graph


def _fill(graph: graphviz.Digraph, told: Scene, scope: Scope, text: bool) -> None:
    """The cards directly in a scope, then the boxes directly in it."""
    for card in told.cards:
        if card.scope == scope:
            graph.node(card.key, **_card_attributes(card, told.words, text))
    for i, inner in enumerate(told.boxes):
        if inner[:-1] == scope:
            with graph.subgraph(name=f"cluster_{i}") as box:
                box.attr(**_box_attributes(inner, text))
                _fill(box, told, inner, text)


def _card_attributes(card: Card, words: dict[str, str], text: bool) -> dict[str, str]:
    width, height = card_size(card, words)
    size = {"width": f"{width / 72:.4f}", "height": f"{height / 72:.4f}"}
    if not text:
        return size
    role = "root" if card.root else card.kind
    style = {"leaf": "rounded,filled", "constant": "dashed,filled"}.get(card.kind, "filled")
    return {
        **size,
        "id": card.key,
        "label": _card_label(card, words),
        "tooltip": _tooltip(card.tooltip),
        "style": style,
        "fillcolor": _light(role, "fill"),
        "color": _light(role, "stroke"),
        "peripheries": "2" if card.root else "1",
    }


def _card_label(card: Card, words: dict[str, str]) -> str:
    """A table for Graphviz: title and badge above, numbers below."""
    if card.kind == "constant" and not card.title:
        return f"<{_font(card.data, 'soft', 11)}>"
    badge = f" &nbsp; {_font(card.badge, 'soft', 11)}" if card.badge else ""
    top = f"<b>{_font(card.title, 'ink', 14)}</b>{badge}"
    bottom = _font(card.data, "ink", 13)
    if card.grad:
        bottom = (
            f"{_font(words['data'], 'soft', 10)} {bottom} &nbsp; "
            f"{_font(words['grad'], 'soft', 10)} <b>{_font(card.grad, 'grad', 13)}</b>"
        )
    return f"<{_table(_row(top) + _row(bottom))}>"


def _wire_attributes(wire: Wire, text: bool) -> dict[str, str]:
    width, height = pill_size(wire)
    quiet = wire.kind == "constant"
    attributes = {"arrowhead": "none", "style": "dashed"} if quiet else {}
    if text:
        attributes["tooltip"] = _tooltip(wire.tooltip)
    if text and wire.kind == "fold":
        attributes["penwidth"] = "2"
    if wire.text:
        inside = _font(wire.text, "ink", 10) if text else ""
        attributes["label"] = f"<{_table(_row(inside, width + ROOM, height + ROOM / 2))}>"
    return attributes


def _box_attributes(scope: Scope, text: bool) -> dict[str, str]:
    inside = _font(scenes.shorten(scope[-1]), "soft", 11) if text else ""
    label = f"<{_table(_row(inside, *box_title_size(scope)))}>"
    attributes = {"label": label, "labeljust": "l", "margin": "10"}
    paint = {"style": "rounded,dashed", "color": _light("box", "stroke"), "fontname": FONTS}
    return attributes | (paint if text else {})


def _table(rows: str) -> str:
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="1">{rows}</table>'


def _row(inside: str, width: float = 0, height: float = 0) -> str:
    size = f' fixedsize="true" width="{width:.0f}" height="{height:.0f}"' if width else ""
    return f"<tr><td{size}>{inside}</td></tr>"


def _font(text: str, role: str, size: int) -> str:
    return f'<font color="{_light(role, "fill")}" point-size="{size}">{_plain(text)}</font>'


def _plain(text: str) -> str:
    """Text as DOT shows it literally: entities for what HTML reads, and no `\\N` of Graphviz's."""
    return html.escape(text).replace("\\", "&#92;&#92;")


def _tooltip(text: str) -> str:
    """Graphviz reads backslashes in tooltips more than once, so they become a look-alike."""
    return html.escape(text).replace("\\", "\N{SET MINUS}").replace("\n", "&#10;")


def _light(role: str, property_: str) -> str:
    return PAINTS[role].light[property_]
