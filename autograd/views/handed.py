"""What a page is handed with the trace: whatever can be said of a graph before any number changes.

The page's JavaScript then only replays: it searches no graph for paths, boxes or layers.
"""

from __future__ import annotations

from typing import Any

from autograd.views.folding import scopes
from autograd.views.plays import walks, ways
from autograd.views.trace import Trace, as_records

_EXACT = 2**53
"""Larger counts do not fit into a number of JavaScript, so they are told as their digits."""


def told_trace(story: Trace) -> dict[str, Any]:
    """The records of a trace, each step with the keys of its sentence and formula, and more:

    ``boxes``, every scope; ``frozen``, nodes of which some result cannot be computed anew;
    ``sums``, weighted sums by layer, row and unit; ``walks``, the paths that are walked leaf by
    leaf, as their edges; ``ways``, how many paths there are to each node.
    """
    records = as_records(story)
    for record, step in zip(records["steps"], story.steps, strict=True):
        record["text"], record["math"] = step.text.keys, step.text.formula
    counts = ways(story).values()
    return {
        **records,
        "boxes": scopes(story),
        "frozen": _frozen(story),
        "sums": _sums(story),
        "walks": [[edge.id for edge in path] for path in walks(story)],
        "ways": [count if count < _EXACT else str(count) for count in counts],
    }


def _frozen(story: Trace) -> list[int]:
    """The nodes that feed an operation of the user's own: only its result is known."""
    feeding: set[int] = set()
    for node in reversed(story.nodes):
        if node.custom or node.id in feeding:
            feeding |= {operand.id for operand in node.parents}
    return sorted(feeding)


def _sums(story: Trace) -> list[int]:
    """Every weighted sum: those of the layers unit by unit for each row of data, then others."""
    ranked = [
        i
        for layer in story.layers
        for _, i in sorted(
            ((row, i) for unit in layer.units for row, i in enumerate(unit.sums)),
            key=lambda place: place[0],
        )
    ]
    order = [*dict.fromkeys([*ranked, *(node.id for node in story.nodes)])]
    return [i for i in order if story.nodes[i].op == "dot"]
