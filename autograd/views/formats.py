"""A picture in formats that are no SVG: drawn from that SVG, so that all of them look alike.

Typst brings letters of its own and draws with those where the machine has none that fit.  It has
none for Chinese: what no font has at all is an empty box.
"""

from __future__ import annotations

import re
from math import sqrt
from typing import Any

from autograd.optional import require
from autograd.views.painter import colours

PAGE = b"""
#set document(title: sys.inputs.title, date: none)
#let paper = if sys.inputs.paper == "" { none } else { rgb(sys.inputs.paper) }
#set page(width: auto, height: auto, margin: 0pt, fill: paper)
#image(bytes(sys.inputs.svg), format: "svg", alt: sys.inputs.title)
"""
"""The picture on a page of its size; what comes from outside comes as data."""


MOST_PIXELS = 50_000_000
"""Each takes ten bytes while it is drawn; those of a chain of 300 nodes would take 10 GB."""


def png(svg: str, theme: str, zoom: float = 2.0, most: int = MOST_PIXELS) -> bytes:
    """The picture on the paper of its theme, at two pixels for each of its own, or fewer where
    these would be more than ``most`` in all.

    ImportError, with what to install, without `typst`.
    """
    width, height = (float(x) for x in re.findall(r' (?:width|height)="([\d.]+)"', svg)[:2])
    zoom = min(zoom, sqrt(most / (width * height)))
    return _printed(svg, "", _paper(theme), format="png", ppi=96.0 * zoom)


def pdf(svg: str, theme: str, title: str) -> bytes:
    """The picture as curves and text, a light one without a ground; the same bytes at any time.

    ImportError, with what to install, without `typst`.
    """
    return _printed(svg, title, _paper(theme) if theme == "dark" else "")


def scheme(theme: str) -> str:
    """What paper shows of a theme: it cannot follow its reader's."""
    return "dark" if theme == "dark" else "light"


def _paper(theme: str) -> str:
    return colours()[scheme(theme)]["paper"]


def _printed(svg: str, title: str, paper: str, **options: Any) -> bytes:
    typst = require("typst", extra="pictures")
    inputs = {"svg": svg, "title": title, "paper": paper}
    return bytes(typst.compile(PAGE, sys_inputs=inputs, **options))
