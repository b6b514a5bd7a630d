"""The nodes of a graph in groups: which of them are computed alike, and so at once.

*Group*: nodes of one primitive whose operands come from the same groups.  Walking the graph in
topological order a node's group is known when its operands' groups are, so that one pass finds
them all, in an order in which they can be computed.  Parameters, inputs and constants are the first
three.  A graph in which nothing repeats has groups of one node, in recorded order.

*Kind*: groups that differ in nothing but how many operands their nodes have, such as the softmax
of one letter, of two, of three.  What is done to all of them alike is one group again.

Additions that nobody else sees are one long sum, and a sum of products is a ``dot``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, filterfalse
from operator import attrgetter
from typing import Any, NoReturn, TypeAlias

from autograd.backward import order_above
from autograd.compiler.arrays import CONSTANTS, INPUTS, PARAMETERS
from autograd.primitive import Primitive
from autograd.rules import TABLE
from autograd.value import Value, constant

FEW = 8
"""What counts as few: operands of a node, products of a group, numbers of a debt."""

ADD, MUL, SUM, DOT, POW, TAKE = (
    TABLE[name] for name in ("add", "mul", "sum", "dot", "pow", "take")
)

_NOTHING = constant(-0.0)
"""The bias of a sum of products alone: added to -0, too, it changes nothing."""

Rewritten: TypeAlias = dict[Value, tuple[Primitive, tuple[Value, ...]]]


@dataclass(slots=True)
class Group:
    """Nodes of one primitive whose operands come from the same groups."""

    row: Primitive
    members: list[Value]
    parents: list[tuple[Value, ...]]

    @classmethod
    def of(cls, node: Value, sums: Rewritten) -> Group:
        """A group of one node."""
        row, parents = sums.get(node) or (node._made_by, node.parents)
        return cls(row, [node], [parents])  # type: ignore[arg-type]


Found: TypeAlias = Group | Value
"""A group, or the node that is alone in its group: there may be a million of these."""


def groups(
    order: Sequence[Value],
    group_of: dict[Value, int],
    roots: Sequence[Value],
    unpaid: Collection[Value],
) -> list[Found]:
    """The groups of a graph after those of the leaves; ``group_of`` gets every node's number.

    What is ``unpaid`` (see `unpaid_in`) has groups of its own.
    """
    sums = _sums(order, roots)
    group_of[_NOTHING] = CONSTANTS
    # the kind of each group, the group of each key, the kind of each row with its sources
    kinds, known, alike = [PARAMETERS, INPUTS, CONSTANTS], dict[Any, int](), dict[Any, int]()
    found = list[Found]()
    for node in order:
        row, right = node._made_by, node._right
        if right is not None and row is not POW and node not in sums:
            key: Any = (row, kinds[group_of[node._left]], kinds[group_of[right]])
        elif node in group_of:
            continue
        else:
            row, parents = sums.get(node) or (row, node.parents)
            if not parents:  # a leaf, or a part of a longer sum
                group_of[node] = CONSTANTS
                continue
            key = _key(row, parents, kinds, group_of)
        new = len(kinds)
        number = known.setdefault((key, False) if node in unpaid else key, new)
        group_of[node] = number
        if number != new:
            _join(found, number - 3, node, sums)
            continue
        if type(row) is str:
            _refuse(node)
        found.append(Group.of(node, sums) if node in sums else node)
        if row.roles:  # type: ignore[union-attr]
            sources = {kinds[group_of[each]] for each in Group.of(node, sums).parents[0]}
            number = alike.setdefault((row, node in unpaid, *sorted(sources)), number)
        kinds.append(number)
    return _in_order(found, group_of) if alike and len({*kinds}) < len(kinds) else found


def unpaid_in(order: Sequence[Value], known: Iterable[Value], roots: Sequence[Value]) -> set[Value]:
    """The nodes that are owed nothing: frozen after they were computed, or used by such alone."""
    unpaid = filterfalse(attrgetter("requires_grad"), order)
    frozen = {node for node in unpaid if node._left is not None}
    return {*order}.difference(order_above([*known, *frozen], roots)) if frozen else frozen


def _key(
    row: Any, parents: Sequence[Value], kinds: Sequence[int], group_of: Mapping[Value, int]
) -> tuple[Any, ...]:
    """What nodes of a group have in common; of many sources the order is none of it."""
    sources = map(group_of.__getitem__, parents)
    if len(parents) > FEW:  # a count below 0, for it stands where two operands have a group
        return row, -len(parents), *sorted({kinds[group] for group in {*sources}})
    is_known = row is POW and group_of[parents[1]] == CONSTANTS
    return row, parents[1]._number if is_known else None, *[kinds[group] for group in sources]


def _join(found: list[Found], place: int, node: Value, sums: Rewritten) -> None:
    """Let a node join the group at a place."""
    group = found[place]
    if not isinstance(group, Group):
        group = found[place] = Group.of(group, {})
    group.members.append(node)
    group.parents.append(sums[node][1] if node in sums else node.parents)


def _in_order(found: list[Found], group_of: dict[Value, int]) -> list[Found]:
    """The groups such that each comes after those of its operands.

    Where a kind has several, what is done to all of them was met behind the first: too soon.
    """
    depths = [0, 0, 0]
    for each in found:
        parents = each.parents[0] if isinstance(each, Group) else each.parents
        depths.append(1 + max([depths[group_of[parent]] for parent in parents]))
    order = sorted(range(len(found)), key=lambda k: depths[k + 3])
    place = [PARAMETERS, INPUTS, CONSTANTS, *[0] * len(found)]
    for new, old in enumerate(order):
        place[old + 3] = new + 3
    for node, group in group_of.items():
        group_of[node] = place[group]
    return [found[k] for k in order]


def _refuse(node: Value) -> NoReturn:
    name = f", labelled {node.label!r}," if node.label else ""
    raise ValueError(
        f"the operation {node.op!r}{name} cannot be compiled: it was stated by hand, as a number "
        "with partial derivatives, which hold at this point only; write it with the functions of "
        "autograd"
    )


Region = list[list[tuple[Value, ...]]]
"""The operands of nodes: rows of nodes that share their columns, all with the same matrix."""


def regions_of(group: Group, matrix: slice, columns: slice) -> list[Region]:
    """The nodes in rows that share their columns, and rows together that share their matrix."""
    rows: dict[Any, list[tuple[Value, ...]]] = {}
    for parents in group.parents:
        rows.setdefault(parents[columns], []).append(parents)
    regions: dict[Any, Region] = {}
    for row in rows.values():
        regions.setdefault(tuple([parents[matrix] for parents in row]), []).append(row)
    return list(regions.values())


def sides_of(row: Primitive, count: int) -> list[tuple[slice, slice]]:
    """Where among so many operands there may be a matrix, and where what is done with it.

    A ``dot`` has its weights or its inputs, to be multiplied with the others; a ``take`` the
    numbers among which the index chooses.
    """
    if row is TAKE and count > 2:
        return [(slice(-1), slice(-1, None))]
    weights, inputs = slice(count // 2), slice(count // 2, count - 1)
    return [(weights, inputs), (inputs, weights)] if row is DOT and count > 1 else []


def _sums(order: Sequence[Value], roots: Sequence[Value]) -> Rewritten:
    """Additions that are parts of longer sums, with no operands, and those sums.

    A sum of products is a ``dot``.
    """
    adds = [node for node in order if node._made_by is ADD]
    sides: Any = chain.from_iterable((node._left, node._right) for node in adds)
    if not any(term._made_by is ADD for term in sides):
        return {}
    uses = Counter(chain.from_iterable(node.parents for node in order))
    uses.update(roots)
    rewritten: Rewritten = {}
    for node in reversed(adds):
        if node not in rewritten:
            terms, parts = _terms(node, uses)
            if len(parts) > 2:
                rewritten.update(dict.fromkeys(parts, (ADD, ())))
                rewritten[node] = SUM, tuple(terms)
                _as_dot(node, terms, uses, rewritten)
    return rewritten


def _terms(node: Value, uses: Counter[Value]) -> tuple[list[Value], list[Value]]:
    """What an addition adds up in the end, and the additions on the way that nobody else uses."""
    terms: list[Value] = []
    parts: list[Value] = []
    stack = [node]
    while stack:
        term = stack.pop()
        if term is node or _is_inside(term, ADD, uses):
            parts.append(term)
            stack += term.parents[::-1]
        else:
            terms.append(term)
    return terms, parts


def _is_inside(term: Value, row: Primitive, uses: Counter[Value]) -> bool:
    """Whether a term is of this row and nobody else's; one that was frozen stays a node."""
    return term._made_by is row and uses[term] == 1 and term.requires_grad


def _as_dot(node: Value, terms: list[Value], uses: Counter[Value], rewritten: Rewritten) -> None:
    """Make a sum of products that nobody else uses a ``dot``."""
    products = [term for term in terms if _is_inside(term, MUL, uses)]
    rest = [term for term in terms if not _is_inside(term, MUL, uses)]
    if len(products) < 3 or len(rest) > 1:
        return
    rewritten.update(dict.fromkeys(products, (MUL, ())))
    left, right = zip(*(product.parents for product in products))
    rewritten[node] = DOT, (*left, *right, *(rest or [_NOTHING]))
