"""Notebooks: what a Value and a Trace show there.

A Value is a still picture.  A Trace is the offline page in an ``<iframe srcdoc>``, a world of its
own, so that no id or style can clash with another output; viewers that strip scripts find the
still picture.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograd.value import Value
    from autograd.views.trace import Trace

FRAME_HEIGHT = 860
MOST_NODES = 1500
NO_PICTURE = (ImportError, ValueError)
"""No Graphviz here, or too many nodes: then the text says what it is, and showing never fails."""


def value_bundle(value: Value) -> dict[str, str]:
    """Plain text, and the graph as SVG where it is small enough to draw."""
    from autograd.views.draw import to_svg

    told = {"text/plain": repr(value)}
    with suppress(*NO_PICTURE):
        told["image/svg+xml"] = to_svg(value)
    return told


def trace_bundle(story: Trace) -> dict[str, str]:
    """Plain text, the page in a frame, and its last moment as SVG."""
    from autograd.views.moment import moment
    from autograd.views.page import page
    from autograd.views.painter import paint
    from autograd.views.scene import scene

    told = {"text/plain": repr(story)}
    with suppress(*NO_PICTURE):
        document = page(story, max_nodes=MOST_NODES)
        end = moment(story, len(story.steps))
        still = paint(scene(story, None), end, theme="auto")
        told["text/html"] = frame(document, story.root.name) + picture(still, story.root.name)
        told["image/svg+xml"] = still
    return told


def picture(svg: str, name: str) -> str:
    """A still picture that is there on demand."""
    data = base64.b64encode(svg.encode()).decode()
    return (
        f"<details><summary>{escape(name)}: SVG</summary>"
        f'<img alt="{escape(name)}" src="data:image/svg+xml;base64,{data}"></details>'
    )


def frame(document: str, title: str) -> str:
    """A page inside a page."""
    return (
        f'<iframe srcdoc="{escape(document)}" title="{escape(title)}" loading="lazy" '
        'sandbox="allow-scripts allow-modals" '
        f'style="width:100%;height:{FRAME_HEIGHT}px;border:0"></iframe>'
    )
