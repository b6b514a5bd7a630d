"""The graph seen from outside: its edges, and the naive method that walks every path.

The derivative of the root to a leaf is the sum over all *paths* between them of the product of
the partials along each.  That is true and hopeless: the number of paths doubles with every rung
of a ladder x + x.  ``count_paths`` says how many there are without walking them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from autograd.backward import repay, reverse_topological_order, topological_order
from autograd.value import Value, captured_partials

__all__ = ["Edge", "Path", "count_edge_uses", "count_paths", "edges", "paths", "topological_order"]


@dataclass(frozen=True, slots=True)
class Edge:
    """One operand of one node: the consumer owes the parent its debt times the partial."""

    consumer: Value
    parent: Value
    slot: int
    partial: float


@dataclass(frozen=True, slots=True)
class Path:
    """One way from the root down to a leaf."""

    edges: tuple[Edge, ...]
    root: Value

    @property
    def nodes(self) -> tuple[Value, ...]:
        """The nodes on the way, root first."""
        return (self.root, *(edge.parent for edge in self.edges))

    @property
    def product(self) -> float:
        """The product of the partials along the way."""
        return prod((edge.partial for edge in self.edges), start=1.0)


def edges(root: Value) -> list[Edge]:
    """Every edge along which something is paid, in the order of evaluation.

    ``a * a`` has two; there is none to a constant.

    >>> a = Value(3.0)
    >>> [(edge.slot, edge.partial) for edge in edges(a * a)]
    [(0, 3.0), (1, 3.0)]
    """
    paid = repay({root: 0.0}, captured_partials)  # nobody is, behind what was frozen since
    return [edge for node in topological_order(root) if node in paid for edge in edges_of(node)]


def edges_of(node: Value) -> list[Edge]:
    """The edges from one node to its parents."""
    return [
        Edge(node, parent, slot, partial)
        for slot, (parent, partial) in enumerate(zip(node.parents, node.partials))
        if parent.requires_grad
    ]


def count_paths(root: Value, leaf: Value) -> int:
    """How many paths lead from the root to the leaf: exact, in time linear in the graph.

    It is the repayment with every partial set to 1.

    >>> x = Value(1.0); ladder = x
    >>> for _ in range(64): ladder = ladder + ladder
    >>> count_paths(ladder, x) == 2**64
    True
    """
    return int(_ways(root).get(leaf, 0))


def count_edge_uses(root: Value) -> int:
    """How many edges the naive method walks: the sum of the lengths of all paths to all leaves."""
    ways = _ways(root)
    lengths = {root: 0}
    for node in reverse_topological_order([root]):
        for edge in edges_of(node) if node in ways else ():
            # each of the ways to the consumer becomes one edge longer
            lengths[edge.parent] = lengths.get(edge.parent, 0) + lengths[node] + ways[node]
    return sum(length for node, length in lengths.items() if node.is_leaf)


def count_impatient_uses(root: Value) -> int:
    """How often edges are used when everyone passes on each amount at once: the ways to each."""
    ways = _ways(root)
    return sum(ways[edge.consumer] for edge in edges(root))


def _ways(root: Value) -> dict[Value, int]:
    """How many paths lead from the root to each node."""
    return repay({root: 1}, lambda node: (1,) * len(node.parents))


def paths(root: Value, leaf: Value) -> Iterator[Path]:
    """Each path from the root to the leaf, one by one: the naive method. There may be very many."""
    # without it the walk would enter dead ends, of which there may be as many as paths
    leads_to_leaf = _ancestors(root, leaf)
    if root is leaf:
        yield Path((), root)
    walk: list[Edge] = []
    # a stack of its own: a path may be longer than Python recurses
    branches = [iter(edges_of(root))]
    while branches:
        edge = next(branches[-1], None)
        if edge is None:
            branches.pop()
            del walk[-1:]
        elif edge.parent is leaf:
            yield Path((*walk, edge), root)
        elif edge.parent in leads_to_leaf:
            walk.append(edge)
            branches.append(iter(edges_of(edge.parent)))


def _ancestors(root: Value, leaf: Value) -> set[Value]:
    """The nodes from which the leaf can be reached, so that no walk ends in vain."""
    found = {leaf}
    for node in topological_order(root):
        if any(parent in found and parent.requires_grad for parent in node.parents):
            found.add(node)
    return found
