"""What a page can say: of all sentences those that its graph may need, each in every language.

A page carries its words with it, so it leaves out what it will never say: of steps that its graph
does not have, of boxes where there are none, of an example where the graph itself will do.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from autograd.views.moment import hears
from autograd.views.painter import picture_words
from autograd.views.plays import MOST_MOVES
from autograd.views.trace import Trace, sentences

LANGUAGES = ("en", "zh")
"""In the order in which the page has them."""

_OF_STEPS = re.compile(r"(eval|seed|heard|settle|pay)(_|$)")
_OF_BOXES = re.compile(r"level_[12n]|by_inner|by_outer|key_fold|open|fold")
_OF_PICTURES = ("grad", "folded", "node", "nodes", "edge", "edges", "more")


def told(story: Trace, example: Trace | None, asks: bool = False) -> dict[str, Any]:
    """The words of the page by key, the templates of its formulas, the words of its pictures."""
    every = sentences()
    speaks = {lang: {**every[lang], **every["ui"][lang]} for lang in LANGUAGES}  # type: ignore[dict-item]
    wanted = [key for key in speaks["en"] if _is_wanted(key, story, example, asks)]
    words = {key: [speaks[lang][key] for lang in LANGUAGES] for key in wanted}
    pictures = [picture_words(lang) for lang in LANGUAGES]
    return {
        "words": {**words, "wait": [_why_wait(story, speaks[lang]) for lang in LANGUAGES]},
        "math": every["math"],
        "picture": [{key: said[key] for key in _OF_PICTURES} for said in pictures],
    }


def _is_wanted(key: str, story: Trace, example: Trace | None, asks: bool) -> bool:
    if key.startswith("serve_"):
        return asks
    if key in sentences()["en"] and _OF_STEPS.match(key):
        stories = [story, example] if example else [story]
        return any(key in step.text.keys for told in stories for step in told.steps)
    if _OF_BOXES.fullmatch(key):
        return any(node.scope for node in story.nodes)
    if key == "group_delta":
        return any(node.op == "dot" for node in story.nodes)
    if key == "frozen":
        return any(node.custom for node in story.nodes)
    if key == "impatient_example":
        return example is not None
    if key == "naive_enough":
        return max(story.naive_edge_uses, story.impatient_edge_uses) > MOST_MOVES
    if key == "naive_no_edge":
        return not story.edges
    return not re.match(r"wait_(?!title)|passes_start", key)


def _why_wait(story: Trace, speaks: dict[str, str]) -> str:
    """Why a node must wait, told of the node in the graph that waits for most."""
    heard = hears(story)
    used = [node for node in story.nodes if not node.constant and heard[node.id] > 1]
    if not used:
        return speaks["wait_none"]
    node = max(used, key=lambda node: (not node.leaf, heard[node.id]))
    return speaks["wait_leaf" if node.leaf else "wait_many"].format(
        node=node.name,
        n=heard[node.id],
        edges=len(story.edges),
        impatient=_grouped(story.impatient_edge_uses),
        naive=_grouped(story.naive_edge_uses),
    )


def _grouped(count: int) -> str:
    return f"{Decimal(count):,}".replace(",", "\u202f")
