"""The network in a graph: which scopes are layers and units, and what each unit computes.

A *unit* is a numbered scope inside another one in which weighted sums are made (``dot``), as
``layer 1 / neuron 0``; a *layer* is the scope around its units.  A unit's *sums* are its z, its
*outputs* what its activation makes of them, its a: one of each for every row that went through.
Names follow: z₁₂, a₁₂ and b₁₂ are unit 2 of layer 1, w₁₂₃ is its weight for input 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from autograd.value import Value

Scope = tuple[str, ...]

_SUBSCRIPTS = str.maketrans("0123456789,", "₀₁₂₃₄₅₆₇₈₉‚")


@dataclass(frozen=True, slots=True)
class Unit:
    """One neuron, its nodes told by their numbers in topological order.

    ``weights[k]`` belongs to input k; where there is no bias, a constant 0 stands for it.
    """

    scope: Scope
    number: int
    sums: tuple[int, ...]
    outputs: tuple[int, ...]
    weights: tuple[int, ...]
    inputs: tuple[int, ...]
    bias: int

    @property
    def parameters(self) -> tuple[int, ...]:
        """The weights, then the bias."""
        return (*self.weights, self.bias)


@dataclass(frozen=True, slots=True)
class Layer:
    """Units that stand side by side, in their order; both are counted from 1."""

    scope: Scope
    number: int
    units: tuple[Unit, ...]

    @property
    def inputs(self) -> set[int]:
        """All that its units read."""
        return {i for unit in self.units for i in unit.inputs}

    @property
    def sums(self) -> set[int]:
        """The z of all its units."""
        return {i for unit in self.units for i in unit.sums}

    @property
    def outputs(self) -> set[int]:
        """The a of all its units."""
        return {i for unit in self.units for i in unit.outputs}


def network(order: Sequence[Value]) -> tuple[Layer, ...]:
    """The layers in the order in which they are evaluated; none if the graph is no network."""
    inside: dict[Scope, list[int]] = {}
    for i, node in enumerate(order):
        if len(node.scope) > 1:
            inside.setdefault(node.scope, []).append(i)
    number_of = {node: i for i, node in enumerate(order)}
    units = [
        _unit(order, number_of, scope, members)
        for scope, members in inside.items()
        if _trailing(scope[-1]) is not None and any(_is_sum(order[i]) for i in members)
    ]
    layers: dict[Scope, list[Unit]] = {}
    for unit in units:
        layers.setdefault(unit.scope[:-1], []).append(unit)
    return _numbered(layers)


def _unit(
    order: Sequence[Value], number_of: Mapping[Value, int], scope: Scope, members: Sequence[int]
) -> Unit:
    sums = [i for i in members if _is_sum(order[i])]
    parents = [number_of[parent] for parent in order[sums[0]].parents]
    half = len(parents) // 2
    weights, inputs = parents[:half], parents[half : 2 * half]
    # dot(x, w) means the same: what a unit trains is its weights
    if not _some_trained(order, scope, weights) and _some_trained(order, scope, inputs):
        weights, inputs = inputs, weights
    return Unit(
        scope=scope,
        number=(_trailing(scope[-1]) or 0) + 1,
        sums=tuple(sums),
        outputs=tuple(_outputs(order, number_of, sums, members)),
        weights=tuple(weights),
        inputs=tuple(inputs),
        bias=parents[-1],
    )


def _some_trained(order: Sequence[Value], scope: Scope, numbers: Sequence[int]) -> bool:
    told = (order[i] for i in numbers)
    return any(node.is_leaf and node.requires_grad and node.scope == scope for node in told)


def _is_sum(node: Value) -> bool:
    """Whether it is a `dot` of the table: others of that name have operands of their own."""
    return node.op == "dot" and node.primitive is not None


def _outputs(
    order: Sequence[Value], number_of: Mapping[Value, int], sums: list[int], members: Sequence[int]
) -> Iterator[int]:
    """For each weighted sum the last node of its unit that was made of it."""
    # an activation may be several nodes: what z went into, within the unit, ends in a
    made_of: dict[int, int] = {i: i for i in sums}
    last: dict[int, int] = dict(made_of)
    for i in members:
        origins = (made_of.get(number_of[parent]) for parent in order[i].parents)
        origin = next((found for found in origins if found is not None), None)
        if origin is not None and i not in made_of:
            made_of[i] = origin
            last[origin] = i
    return (last[i] for i in sums)


def _numbered(layers: Mapping[Scope, Sequence[Unit]]) -> tuple[Layer, ...]:
    """Layers by when they begin; numbered by their names where these tell them apart."""
    begun = sorted(layers, key=lambda scope: min(i for unit in layers[scope] for i in unit.sums))
    told = [_trailing(scope[-1]) for scope in begun]
    # two networks in one graph both have a layer 1
    apart = None not in told and len(set(told)) == len(told)
    return tuple(
        Layer(
            scope,
            (told[i] or 0) if apart else i + 1,
            tuple(sorted(layers[scope], key=lambda u: u.number)),
        )
        for i, scope in enumerate(begun)
    )


def _trailing(name: str) -> int | None:
    """The number that a name ends in."""
    found = re.search(r"(?:^|\D)(\d{1,6})$", name)
    return int(found[1]) if found else None


# -- names -----------------------------------------------------------------------------------------


def network_names(order: Sequence[Value], layers: Sequence[Layer]) -> dict[int, str]:
    """The names that a network gives to its nodes, but for those labelled by their user."""
    told: dict[int, str] = {}
    wide = any(u.number > 9 or len(u.weights) > 9 for layer in layers for u in layer.units)
    mark = "," if wide or any(layer.number > 9 for layer in layers) else ""
    for layer in layers:
        for unit in layer.units:
            place = f"{layer.number}{mark}{unit.number}"
            for i, name in _unit_names(order, unit, place, mark):
                told.setdefault(i, name)
    if layers and not order[-1].scope and not order[-1].label:
        told.setdefault(len(order) - 1, "L")
    told.update(_input_names(order, layers, told))
    return told


def _unit_names(
    order: Sequence[Value], unit: Unit, place: str, mark: str
) -> Iterator[tuple[int, str]]:
    if _own(order[unit.bias], unit, "b"):
        yield unit.bias, subscribed("b", place)
    for k, i in enumerate(unit.weights):
        if _own(order[i], unit, f"w{k}"):
            yield i, subscribed("w", f"{place}{mark}{k + 1}")
    for z, a in zip(unit.sums, unit.outputs, strict=True):
        if not order[z].label:
            yield z, subscribed("z", place)
        if not order[a].label and a != z:
            yield a, subscribed("a", place)


def _own(leaf: Value, unit: Unit, usual: str) -> bool:
    """Whether a parameter is this unit's own and has no name but the usual one."""
    return leaf.requires_grad and leaf.scope == unit.scope and leaf.label in ("", usual)


def _input_names(
    order: Sequence[Value], layers: Sequence[Layer], told: Mapping[int, str]
) -> Iterator[tuple[int, str]]:
    """x₁, x₂ … for the nameless leaves that the first layer reads."""
    seen: set[int] = set()
    for unit in layers[0].units if layers else ():
        for k, i in enumerate(unit.inputs, 1):
            node = order[i]
            free = node.is_leaf and node.requires_grad and not node.label and not node.scope
            if free and i not in told and i not in seen:
                seen.add(i)
                yield i, subscribed("x", str(k))


def subscribed(letter: str, place: str) -> str:
    """A letter with its place: ``z₁₂``, and with a comma where numbers have two digits."""
    return letter + place.translate(_SUBSCRIPTS)


# -- order -----------------------------------------------------------------------------------------


def scope_by_scope(
    order: Sequence[int], scopes: Sequence[Scope], before: Mapping[int, Iterable[int]]
) -> list[int]:
    """The same nodes, each scope as far as possible in one go; without scopes nothing moves.

    All of ``before[i]`` stand before i, as they do in ``order``.
    """
    waiting = {i: len(set(before[i])) for i in order}
    after: dict[int, list[int]] = {i: [] for i in order}
    for i in order:
        for j in set(before[i]):
            after[j].append(i)
    ready = _Ready(order, scopes)
    for i in order:
        if not waiting[i]:
            ready.add(i)
    told: list[int] = []
    while len(told) < len(order):
        told.append(ready.take())
        for j in after[told[-1]]:
            waiting[j] -= 1
            if not waiting[j]:
                ready.add(j)
    return told


class _Ready:
    """Nodes whose turn it could be; `take` stays in the scope of the one taken last, if it can."""

    def __init__(self, order: Sequence[int], scopes: Sequence[Scope]) -> None:
        self.order, self.scopes = order, scopes
        self.place = {i: k for k, i in enumerate(order)}
        self.heaps: dict[Scope | None, list[int]] = {}
        self.taken: set[int] = set()
        self.here: Scope = ()

    def add(self, i: int) -> None:
        scope = self.scopes[i]
        for key in {scope, ("", *scope[:1]), None}:
            heappush(self.heaps.setdefault(key, []), self.place[i])

    def take(self) -> int:
        # here, else the same outermost scope, else whatever comes first
        k = next(
            heap[0] for key in (self.here, ("", *self.here[:1]), None) if (heap := self._heap(key))
        )
        self.taken.add(k)
        self.here = self.scopes[self.order[k]]
        return self.order[k]

    def _heap(self, key: Scope | None) -> list[int]:
        heap = self.heaps.get(key, [])
        while heap and heap[0] in self.taken:
            heappop(heap)
        return heap
