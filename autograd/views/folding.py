"""Folding: which nodes stand alone in a picture, and which scopes are one card each.

A level of folding is a depth: 1 folds the outermost scopes, 0 none.  Of a network all of whose
units are folded, what computes the loss is one card too, and at layers so are the inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from autograd.views.network import subscribed
from autograd.views.records import Graph

Scope = tuple[str, ...]
Fold = int | str | Sequence[str] | None
Group = tuple[str, Scope, int]
"""What a node is drawn in: its kind, the scope that is folded, the node where it stands alone."""

SCREEN = 60
"""Cards that a screen shows; more fold by themselves."""


def levels(graph: Graph) -> list[int]:
    """The depths at which scopes can be folded, the coarsest first; 0 is everything open."""
    deepest = max(len(node.scope) for node in graph.nodes)
    return [*range(1, deepest + 1), 0]


def suiting(graph: Graph, most: int = SCREEN) -> int:
    """The finest level that a screen shows, else the coarsest; a network opens at its units."""
    told = levels(graph)
    units = {len(unit.scope) for unit in graph.units}
    finest = [*range(max(units), 0, -1)] if units else [0, *reversed(told[:-1])]
    fitting = (depth for depth in finest if len({*groups_of(graph, depth)}) <= most)
    return next(fitting, told[0])


def groups_of(graph: Graph, fold: int | str | Sequence[str]) -> list[Group]:
    """For each node what it is drawn in: itself, a folded scope, the inputs, or the loss.

    And what lies between layers, as the sum of a residual does.
    """
    folded = _folded(graph, fold)
    groups: list[Group] = [
        ("fold", scope, 0) if scope else ("node", (), i) for i, scope in enumerate(folded)
    ]
    units, hidden = {unit.scope for unit in graph.units}, {*folded} - {()}
    if units and all(any(unit[: len(scope)] == scope for scope in hidden) for unit in units):
        inputs = set() if units & hidden else _inputs(graph)
        for kind, found in (("inputs", inputs), ("loss", _loss(graph))):
            for i in found:
                groups[i] = groups[i] if folded[i] else (kind, (), 0)
        for i, name in between_layers(graph).items():
            groups[i] = groups[i] if folded[i] else ("between", (name,), 0)
    return groups


def _inputs(graph: Graph) -> set[int]:
    """Leaves without scope that units read."""
    read = {i for layer in graph.layers for i in layer.inputs}
    return {i for i in read if graph.nodes[i].leaf and not graph.nodes[i].scope}


def _loss(graph: Graph) -> set[int]:
    """What is made of units' sums outside of all scopes, with the leaves that only it uses."""
    users: dict[int, set[int]] = {node.id: set() for node in graph.nodes}
    for node in graph.nodes:
        for operand in node.parents:
            users[operand.id].add(node.id)
    outside = {node.id for node in graph.nodes if not node.scope}
    made = outside & made_of_layers(graph).keys() - _read_by_units(graph)
    if graph.root.id not in made or len(made) < 2:
        return set()
    return made | {i for i in outside if graph.nodes[i].leaf and users[i] <= made}


def made_of_layers(graph: Graph) -> dict[int, int]:
    """The sums of all units, and whatever is made of them: the place of the last layer in each."""
    last = {i: k for k, layer in enumerate(graph.layers) for i in layer.sums}
    for node in graph.nodes:
        made_of = [last[operand.id] for operand in node.parents if operand.id in last]
        last |= {node.id: max(made_of)} if made_of and node.id not in last else {}
    return last


def _read_by_units(graph: Graph) -> set[int]:
    """Whatever the sums of units are made of, and these."""
    read = {i for layer in graph.layers for i in layer.sums}
    for node in reversed(graph.nodes):
        read |= {operand.id for operand in node.parents} if node.id in read else set()
    return read


def between_layers(graph: Graph) -> dict[int, str]:
    """What is made of layers outside of all scopes and read by later ones, as a residual is.

    Told by the last layer that it is made of: ``h₂`` comes after layer 2.
    """
    last = made_of_layers(graph)
    found = {i for i in _read_by_units(graph) if i in last and not graph.nodes[i].scope}
    count = Counter(last[i] for i in found)
    numbers = [subscribed("h", str(layer.number)) for layer in graph.layers]
    return {i: numbers[last[i]] for i in found if count[last[i]] > 1}


def _folded(graph: Graph, fold: int | str | Sequence[str]) -> list[Scope]:
    """For each node the (outermost) folded scope that hides it, or ()."""
    if isinstance(fold, int):
        if fold < 0:
            raise ValueError(f"fold counts scope levels from 1 (the outermost), not {fold}")
        return [node.scope[:fold] if len(node.scope) >= fold else () for node in graph.nodes]
    if not isinstance(fold, Iterable):
        raise TypeError(f"fold is a depth, a scope's name or several, got {fold!r}")
    names = [fold] if isinstance(fold, str) else [*fold]
    known = {name for node in graph.nodes for p in prefixes(node.scope) for name in _names_of(p)}
    for name in names:
        if name not in known:
            listed = ", ".join(repr(n) for n in sorted(known)) or "no scope at all"
            raise ValueError(f"no scope {name!r} to fold; this graph has {listed}")
    return [_first_named(node.scope, names) for node in graph.nodes]


def _first_named(scope: Scope, names: list[str]) -> Scope:
    return next((p for p in prefixes(scope) if any(n in names for n in _names_of(p))), ())


def scopes(graph: Graph) -> list[Scope]:
    """Every scope of a graph, in the order of its nodes; numbers of boxes count them."""
    return [*dict.fromkeys(path for node in graph.nodes for path in prefixes(node.scope))]


def prefixes(scope: Scope) -> Iterator[Scope]:
    """The scopes around something, the outermost first."""
    return (scope[:depth] for depth in range(1, len(scope) + 1))


def _names_of(path: Scope) -> tuple[str, str]:
    """A scope answers to its own name and to its whole path."""
    return path[-1], "/".join(path)
