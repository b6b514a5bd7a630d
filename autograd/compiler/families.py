"""The nodes of a graph in families: which of them are computed alike, and so at once.

*Family*: nodes of one primitive whose operands come from the same families.  Walking the graph in
topological order a node's family is known when its operands' families are, so that one pass finds
them all, in an order in which they can be computed.  Parameters, inputs and constants are the first
three.  A graph in which nothing repeats has families of one node, in recorded order.

Additions that nobody else sees are one long sum, and a sum of products is a ``dot``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from autograd.compiler.arrays import CONSTANTS
from autograd.primitive import Primitive
from autograd.rules import TABLE
from autograd.value import Value, constant

FEW = 8
"""Operands of a variadic node that are looked at one by one."""

ADD, MUL, SUM, DOT, POW, TAKE = (
    TABLE[name] for name in ("add", "mul", "sum", "dot", "pow", "take")
)


@dataclass(slots=True)
class Family:
    """Nodes of one primitive whose operands come from the same families."""

    row: Primitive
    members: list[Value]
    parents: list[tuple[Value, ...]]
    paid: bool
    """Whether its nodes require a gradient."""


def families(
    order: Sequence[Value], family_of: dict[Value, int], roots: Sequence[Value]
) -> list[Family]:
    """The families of a graph after those of the leaves; ``family_of`` gets every node's number."""
    sums = _sums(order, roots)
    known: dict[Any, int] = {}
    found: list[Family] = []
    for node in order:
        if node in family_of:
            continue
        row, parents = node.primitive, node.parents
        if not parents:
            family_of[node] = CONSTANTS
            continue
        if node in sums:
            row, parents = sums[node]
            if not parents:  # a part of a longer sum
                continue
        row = row or _refuse(node)
        sources: Any = [family_of.setdefault(parent, CONSTANTS) for parent in parents]
        if len(parents) > FEW:
            sources = len(parents), *sorted({*sources})
        elif row is POW and sources[1] == CONSTANTS:
            sources.append(parents[1].data)
        key = row, node.requires_grad, *sources
        number = known.setdefault(key, len(found))
        family_of[node] = number + 3
        if number == len(found):
            found.append(Family(row, [node], [parents], node.requires_grad))
        else:
            found[number].members.append(node)
            found[number].parents.append(parents)
    return found


def lengths_of(row: Primitive, count: int) -> list[int]:
    """How many of so many operands each role of a variadic row takes."""
    in_a_row = [role.endswith("*") for role in row.roles]
    length = (count - in_a_row.count(False)) // in_a_row.count(True)
    return [length if many else 1 for many in in_a_row]


def parts_of(operands: Sequence[Any], lengths: Sequence[int]) -> Iterator[Sequence[Any]]:
    """The operands by role."""
    start = 0
    for length in lengths:
        yield operands[start : start + length]
        start += length


def _refuse(node: Value) -> Any:
    name = f", labelled {node.label!r}," if node.label else ""
    raise ValueError(
        f"the operation {node.op!r}{name} cannot be compiled: it was stated by hand, as a number "
        "with partial derivatives, which hold at this point only; write it with the functions of "
        "autograd"
    )


Region = list[list[tuple[Value, ...]]]
"""The operands of ``dot`` nodes: rows of nodes that share their inputs, with the same weights."""


def regions_of(family: Family, matrix: slice, columns: slice) -> list[Region]:
    """The nodes in rows that share their columns, and rows together that share their matrix."""
    rows: dict[Any, list[tuple[Value, ...]]] = {}
    for parents in family.parents:
        rows.setdefault(parents[columns], []).append(parents)
    regions: dict[Any, Region] = {}
    for row in rows.values():
        regions.setdefault(tuple([parents[matrix] for parents in row]), []).append(row)
    return list(regions.values())


Rewritten = dict[Value, tuple[Primitive, tuple[Value, ...]]]


def _sums(order: Sequence[Value], roots: Sequence[Value]) -> Rewritten:
    """Additions that are parts of longer sums, with no operands, and those sums.

    A sum of products is a ``dot``.
    """
    adds = [node for node in order if node.primitive is ADD]
    if not any(p.primitive is ADD for node in adds for p in node.parents):
        return {}
    uses = Counter(chain.from_iterable([node.parents for node in order]))
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
        if term is node or (term.primitive is ADD and uses[term] == 1):
            parts.append(term)
            stack += term.parents[::-1]
        else:
            terms.append(term)
    return terms, parts


def _as_dot(node: Value, terms: list[Value], uses: Counter[Value], rewritten: Rewritten) -> None:
    """Make a sum of products that nobody else uses a ``dot``."""
    products = [term for term in terms if term.primitive is MUL and uses[term] == 1]
    rest = [term for term in terms if term.primitive is not MUL or uses[term] != 1]
    if len(products) < 3 or len(rest) > 1:
        return
    rewritten.update(dict.fromkeys(products, (MUL, ())))
    left, right = zip(*(product.parents for product in products))
    rewritten[node] = DOT, (*left, *right, *(rest or [constant(0.0)]))
