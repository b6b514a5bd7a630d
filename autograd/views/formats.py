"""A picture in formats that are no SVG: drawn from that SVG, so that all of them look alike."""

from __future__ import annotations

from functools import cache
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


def png(svg: str, theme: str, zoom: int = 2) -> bytes:
    """The picture on the paper of its theme, at two pixels for each of its own.

    ImportError, with what to install, without `resvg-py` or a font: its text would be left out.
    """
    resvg = require("resvg_py", extra="pictures")
    if not _has_font(resvg):
        raise ImportError("a PNG is written in a font of this machine: install one, as DejaVu Sans")
    return bytes(resvg.svg_to_bytes(svg, background=_paper(theme), zoom=zoom))


@cache
def _has_font(resvg: Any) -> bool:
    """Whether a digit leaves a trace."""
    family, frame = colours()["fonts"]["sans"], 'xmlns="http://www.w3.org/2000/svg" width="9"'
    written = f'<svg {frame} height="9"><text y="9" font-family=\'{family}\'>{{}}</text></svg>'
    blank, digit = (resvg.svg_to_bytes(written.format(text)) for text in " 0")
    return bool(blank != digit)


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
