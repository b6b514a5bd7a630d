"""The page: a trace as one HTML file that opens from disk, with no network, and can be played.

Python lays out the board and writes the data; the page only replays.  Its JavaScript is plain ES
modules (``static/*.js``), joined into one script here.  The Content-Security-Policy names that
script and the style sheet by their hashes, so nothing else can run, whatever a label says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html import escape
from typing import Any

from autograd.views.folding import levels, suiting
from autograd.views.handed import told_trace
from autograd.views.joining import joined_modules
from autograd.views.kernels import kernel
from autograd.views.moment import moment
from autograd.views.painter import colours, paint, static
from autograd.views.plays import shared_example, shares_an_inner_node
from autograd.views.scene import scene
from autograd.views.text import typeset
from autograd.views.trace import Lang, Trace, as_json, trace
from autograd.views.wording import told
from autograd.views.words import HOLE, template

MODULES = (
    *("elements", "numbers", "story", "plays", "narrator", "mathml", "paint", "board"),
    *("folding", "describe", "panels", "lessons", "link", "viewer"),
)
"""In an order in which each needs only earlier ones; a graph with boxes has `mixture` as well."""

OPEN_UP_TO = 1500
"""The number of nodes up to which a level is drawn, if a coarser one is there to fall back on."""


def page(
    story: Trace, *, lang: Lang | None = None, max_nodes: int = 3000, asks: bool = False
) -> str:
    """The whole page as text; ``lang=None`` lets the reader's browser choose.

    ``asks`` gives it the words of a form for a formula, which `serve` puts in.

    Raises ValueError above ``max_nodes``, and for an unknown language.
    """
    check(story, lang, max_nodes)
    start, language = moment(story, 0), lang or "en"
    boards = {
        depth: paint(scene(story, depth), start, lang=language) for depth in shown_levels(story)
    }
    first = suiting(story)
    example = None if shares_an_inner_node(story) else trace(shared_example())
    script, style = page_script(story, example), page_style()
    return fill(
        re.sub(r'\n\s*|(?<=\sdata-)([tl]|action|control)="(\w+)"', _shorter, static("page.html")),
        lang=lang or "en",
        title=escape(title(story)),
        steps=str(len(story.steps)),
        policy=f"default-src 'none'; script-src '{hash_of(script)}'; style-src '{hash_of(style)}'; "
        "base-uri 'none'; form-action 'none'",
        style=style,
        board=boards[first],
        levels="".join(
            f'<template data-level="{depth}">{drawn}</template>'
            for depth, drawn in boards.items()
            if len(boards) > 1
        )
        + (example_board(example) if example else ""),
        data=page_data(story, list(boards), first, lang, example, asks=asks),
        script=script,
    )


def check(story: Trace, lang: str | None, max_nodes: int) -> None:
    """Refuse what would give no usable page."""
    if lang not in (None, "en", "zh"):
        raise ValueError(f"lang is 'en' or 'zh', got {lang!r}")
    if len(story.nodes) > max_nodes:
        raise ValueError(
            f"this graph has {len(story.nodes):,} nodes and a page for more than "
            f"max_nodes={max_nodes:,} would be slow: "
            "trace one sample, put sums into sum() and dot(), or raise max_nodes"
        )


def shown_levels(story: Trace) -> list[int]:
    """The levels of folding that the page offers: without the open one where it would be huge."""
    found = levels(story)
    return found[:-1] if len(found) > 1 and len(story.nodes) > OPEN_UP_TO else found


def title(story: Trace) -> str:
    """What the page is about: the root and what it computes."""
    return (
        f"{story.root.name} = {typeset(story.expression)}" if story.expression else story.root.name
    )


def example_board(example: Trace) -> str:
    """The example as a board of its own, which the impatient mode puts on the stage."""
    drawn = paint(scene(example), moment(example, 0))
    return f'<template data-example data-level="0">{drawn}</template>'


def page_data(
    story: Trace,
    drawn: list[int],
    first: int,
    lang: str | None,
    example: Trace | None = None,
    *,
    asks: bool = False,
) -> str:
    """Everything the script reads, as JSON that cannot leave its ``<script>`` element."""
    stories = [story, example] if example else [story]
    data = {
        "trace": told_trace(story),
        "levels": drawn,
        "level": first,
        "lang": lang,
        "templates": {key: _holes(op, count) for key, op, count in _calls(*stories)},
        "told": told(story, example, asks),
    }
    if example:
        data["example"] = {"trace": told_trace(example)}
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", as_json(data))


def page_script(story: Trace, example: Trace | None = None) -> str:
    """The page's modules as one script, with a kernel for each operation in the graph."""
    stories = [story, example] if example else [story]
    kernels = ",\n".join(
        f"{json.dumps(key)}: {kernel(op, count)}" for key, op, count in _calls(*stories)
    )
    wanted = {"basis": "basis." in kernels, "mixture": any(node.scope for node in story.nodes)}
    more = [name for name, needed in wanted.items() if needed]
    return f"const KERNELS = {{\n{kernels}\n}};\n{joined_modules(*more, *MODULES)}"


@cache
def page_style() -> str:
    """The style sheet: the colours of both schemes, then the rules."""
    light, dark = (_variables(colours()[scheme]) for scheme in ("light", "dark"))
    fonts = _variables(colours()["fonts"])
    shared = static("board.css").partition("/* Only in single pictures")[0]
    rules = f".board {{{shared}}}{static('page.css')}"
    rules = re.sub(r"/\*.*?\*/", "", rules, flags=re.DOTALL)
    text = (
        f":root{{{fonts}{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"{rules}"
    )
    text = re.sub(r"\s*([{};,])\s*|(?<=[\w-]:) ", r"\1", text).replace(";}", "}")
    return re.sub(
        r'="([\w-]+)"(?=\])|(?<![\w.])0(?=\.\d)', lambda x: f"={x[1]}" if x[1] else "", text
    )


def fill(text: str, **parts: str) -> str:
    """Put each part in the place of its ``{name}``, all at once: a part's own braces stay."""
    return re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], text)


def _shorter(found: re.Match[str]) -> str:
    return f"{found[1]}={found[2]}" if found[1] else "\n"


def _variables(values: dict[str, Any]) -> str:
    return "".join(f"--{name}:{value};" for name, value in values.items())


def _calls(*stories: Trace) -> list[tuple[str, str, int]]:
    """Each primitive in the graphs with its number of operands, once: key, name, count."""
    nodes = [node for story in stories for node in story.nodes]
    calls = {(n.op, len(n.parents)) for n in nodes if not n.leaf and not n.custom}
    return [(f"{op}/{count}", op, count) for op, count in sorted(calls)]


def _holes(op: str, count: int) -> str:
    """The formula of an operation, operands written ``{0}``, ``{1}`` …"""
    pattern = template(op, count)
    return "".join(f"{{{ord(c) - HOLE}}}" if ord(c) >= HOLE else c for c in pattern)


def hash_of(text: str) -> str:
    """What a policy calls a script or a style sheet."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
