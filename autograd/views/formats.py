"""A picture in formats that are no SVG: drawn from that SVG, so that all of them look alike."""

from __future__ import annotations

from autograd.optional import require
from autograd.views.painter import colours

PAGE = b"""
#set document(title: sys.inputs.title, date: none)
#let paper = if sys.inputs.paper == "" { none } else { rgb(sys.inputs.paper) }
#set page(width: auto, height: auto, margin: 0pt, fill: paper)
#image(bytes(sys.inputs.svg), format: "svg", alt: sys.inputs.title)
"""
"""The picture on a page of its size; what comes from outside comes as data."""


def png(svg: str, theme: str, zoom: int = 2) -> bytes:
    """The picture on the paper of its theme, at two pixels for each of its own.

    ImportError, with what to install, without `resvg-py`.
    """
    resvg = require("resvg_py", extra="pictures")
    return bytes(resvg.svg_to_bytes(svg, background=_paper(theme), zoom=zoom))


def pdf(svg: str, theme: str, title: str) -> bytes:
    """The picture as curves and text, a light one without a ground; the same bytes at any time.

    ImportError, with what to install, without `typst`.
    """
    typst = require("typst", extra="pictures")
    paper = _paper(theme) if theme == "dark" else ""
    return bytes(typst.compile(PAGE, sys_inputs={"svg": svg, "title": title, "paper": paper}))


def scheme(theme: str) -> str:
    """What paper shows of a theme: it cannot follow its reader's."""
    return "dark" if theme == "dark" else "light"


def _paper(theme: str) -> str:
    return colours()[scheme(theme)]["paper"]
