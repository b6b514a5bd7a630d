"""Questions about a graph that are answered from the top: it may be a large one.

The *waves* of a graph are its nodes by their distance from the roots: the roots, their parents,
the parents of these …  Whoever has seen enough asks for no more of them, so that of a network with
400,000 weights only the few hundred nodes above the weights are walked through.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from autograd import Value


def waves(roots: Iterable[Value]) -> Iterator[set[Value]]:
    """The nodes of a graph, each once, wave by wave."""
    wave, seen = {*roots}, set[Value]()
    while wave:
        yield wave
        seen |= wave
        # a node may be near by one path and far by another: the first wave that meets it has it
        wave = {*chain.from_iterable([node.parents for node in wave])} - seen


def depends(root: Value, leaves: Iterable[Value]) -> bool:
    """Whether a number depends on one of these leaves in a way that has a gradient."""
    learning = ({node for node in wave if learns(node)} for wave in waves([root]))
    return any(found and not found.isdisjoint(leaves) for found in learning)


def edges(roots: Iterable[Value], enough: int) -> int:
    """How many edges a graph has; counting ends once there are ``enough``."""
    total = 0
    for wave in waves(roots):
        total += sum([len(node.parents) for node in wave])
        if total >= enough:
            break
    return total


def learns(node: Value) -> bool:
    """Whether this is a leaf that requires a gradient."""
    return node.is_leaf and node.requires_grad
