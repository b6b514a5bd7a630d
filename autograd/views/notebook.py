"""Notebooks: what a Value and a Trace show there.

A Value is a still picture, as SVG and, where `typst` is installed, as PNG for viewers that show
no SVG.  A Trace is the offline page in an ``<iframe srcdoc>``, a world of its own, so that no id or
style can clash with another output; viewers that strip scripts find the still picture.

A frame cannot be as high as its page by itself.  It begins at a guess, and the page says how high
it is each time that changes, and when it is asked.  Nor does it know the notebook's theme: it is
dark where the notebook writes in a light colour, whatever the reader's system prefers.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograd.value import Value
    from autograd.views.trace import Trace

MOST_NODES = 1500
FITTING = "max-width:100%;height:auto"
NARROW = 640
"""Points up to which a picture keeps its size.  A wider one has none, and takes its cell's width:
JupyterLab shows it as an image, which no style inside it can hold, and cuts off what is over."""
SHARP_UP_TO = 60_000
"""Characters of SVG up to which its PNG has two pixels per point: more would fill the notebook."""
MOST_PIXELS = 10_000_000
"""Of a PNG, which is drawn each time that a cell shows its value."""
AROUND_THE_BOARD, LOWEST_BOARD, HIGHEST_BOARD, ROW = 700, 260, 620, 34
"""Pixels: what a page has besides its board, its board, and each row of its table."""


def value_bundle(value: Value) -> dict[str, str]:
    """Plain text, and the graph as a picture; of one that is too large, why there is none."""
    from autograd.views.draw import draw

    told = {"text/plain": repr(value)}
    try:
        drawn = draw(value).drawing  # painted twice, laid out once
        return told | _pictures(drawn.svg("auto"), lambda: drawn.svg("light"))
    except (ImportError, ValueError) as error:
        return told | {"text/html": f"<pre>{escape(repr(value))}</pre><p>{escape(str(error))}</p>"}


def trace_bundle(story: Trace) -> dict[str, str]:
    """Plain text, the page in a frame, and its last moment as a picture.

    Of a graph that is too large for a page the picture alone, folded, and why.
    """
    from autograd.views.draw import MAX_NODES
    from autograd.views.moment import moment
    from autograd.views.page import page
    from autograd.views.painter import paint
    from autograd.views.scene import scene

    told, name = {"text/plain": repr(story)}, story.root.name
    document = why = ""
    try:
        document = page(story, max_nodes=MOST_NODES)
    except (ImportError, ValueError) as error:
        why = str(error)
    try:
        laid = scene(story, None, max_nodes=MAX_NODES if why else None)
        end = moment(story, len(story.steps))
        still = paint(laid, end, theme="auto")
        told |= _pictures(still, lambda: paint(laid, end, theme="light"))
    except (ImportError, ValueError) as error:
        why = escape(why or str(error))
        return told | {"text/html": f"<pre>{escape(repr(story))}</pre><p>{why}</p>"}
    if why:
        return told | {"text/html": f"{image(still, name)}<p>{escape(why)}</p>"}
    board = min(max(laid.places.height, LOWEST_BOARD), HIGHEST_BOARD)
    height = AROUND_THE_BOARD + int(board) + ROW * min(len(story.nodes), 40)
    return told | {"text/html": frame(document, name, height) + on_demand(still, name)}


def _pictures(svg: str, in_light: Callable[[], str]) -> dict[str, str]:
    """A picture by its types; a PNG cannot follow the reader's scheme, so it is a light one."""
    from autograd.views.formats import png

    sizes = re.search(r' width="([\d.]+)" height="[\d.]+"', svg)
    if sizes and float(sizes[1]) > NARROW:
        svg = svg.replace(sizes[0], "", 1)
    told = {"image/svg+xml": svg.replace("<svg ", f'<svg style="{FITTING}" ', 1)}
    with suppress(ImportError):
        image = png(in_light(), "light", 2 if len(svg) < SHARP_UP_TO else 1, MOST_PIXELS)
        told["image/png"] = base64.b64encode(image).decode()
    return told


def on_demand(svg: str, name: str) -> str:
    """A still picture that is there when it is asked for."""
    return f"<details><summary>{escape(name)}: SVG</summary>{image(svg, name)}</details>"


def image(svg: str, name: str) -> str:
    """A picture as an element that holds it all."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(name)}" style="{FITTING}" src="data:image/svg+xml;base64,{data}">'


def frame(document: str, title: str, height: int) -> str:
    """A page inside a page, that grows with what the page says of its height."""
    return (
        f'<iframe srcdoc="{escape(document)}" title="{escape(title)}" loading="lazy" '
        'sandbox="allow-scripts allow-modals" '
        f'style="width:100%;height:{height}px;border:0" data-payback></iframe>'
        f"<script>{GROW}</script>"
    )


GROW = (
    "{const all=()=>[...document.querySelectorAll('iframe[data-payback]')],"
    "suit=()=>{for(const f of all())f.style.colorScheme=getComputedStyle(f.parentElement).color"
    ".match(/[\\d.]+/g).slice(0,3).reduce((a,b)=>a+ +b,0)>382?'dark':'light'};"
    "addEventListener('message',e=>{const h=e.data&&e.data.payback,"
    "f=all().find(f=>f.contentWindow===e.source);"
    "if(f&&h>100&&h<20000)f.style.height=Math.ceil(h)+'px'});"
    "new MutationObserver(suit).observe(document.body,{attributes:true});suit();"
    "for(const f of all())f.contentWindow.postMessage('payback','*')}"
)
"""Run where scripts are, wherever a viewer puts them: VS Code runs a script away from its frame.

A frame grows only by what its own page says, and only by a number; a page that spoke before anyone
listened is asked again.  A change of theme shows in an attribute of the notebook's body.
"""
