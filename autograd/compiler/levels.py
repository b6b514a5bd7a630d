"""A Wengert list by levels: many scalar instructions as few array operations.

The *level* of a register is one more than the highest level among its operands.  Registers of a
level do not need one another, so those with the same operation make a *group*: one array operation
on operands gathered from earlier groups.  An MLP turns back into dense layers this way:

* a tree of additions is one *sum*, and a product that nothing else uses is a term of it;
* sums of a level whose varying factors are the same, as the neurons of a layer share their inputs,
  are a product of matrices;
* means over the rows of products of varying registers, as the gradients of weights are, fill a
  *table*, a product of matrices too, where registers are multiplied all with all.

Nothing here runs anything: a plan is made of indices, which `jax_backend` follows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd.compiler.linear import LEAVES, WengertList, needed_for

Indices: TypeAlias = npt.NDArray[np.int32]
"""32 bits: JAX takes these as they are, whatever it is configured for."""

Pair: TypeAlias = tuple[int, int]
Key: TypeAlias = tuple[Any, ...]

CONSTANTS, PARAMETERS, INPUTS = range(3)
"""The groups that are given; those of the plan follow."""

FEW = 8
"""Up to so many sets of shared factors at a level get a matrix product each in any case."""

SPARSE = 4
"""A table is made where it has at most so many times the entries that are wanted."""


@dataclass(frozen=True, slots=True)
class Gather:
    """Registers picked out of groups: those of ``sources`` one after the other, at ``index``."""

    sources: tuple[int, ...]
    index: Indices


@dataclass(frozen=True, slots=True)
class Group:
    """G registers with one operation, which gets a Gather (G,) for each operand."""

    operation: str
    uniform: bool
    operands: tuple[Gather, ...]
    operands_uniform: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is added up, by kind; every Gather is (G, n), None where there is none of a kind."""

    numbers: Gather | None
    """Uniform terms."""
    columns: Gather | None
    """Varying terms."""
    weights: Gather | None
    """Uniform factors, of which each multiplies …"""
    inputs: Gather | None
    """… a varying one; (n,) where all G sums share them."""
    left: Gather | None
    """Factors of products of two varying registers; of two uniform ones in a uniform sum."""
    right: Gather | None


@dataclass(frozen=True, slots=True)
class SumGroup:
    """G registers that are sums."""

    uniform: bool
    terms: Terms


@dataclass(frozen=True, slots=True)
class Table:
    """The means of all products of left (A,) with right (B,), of which ``wanted`` are used."""

    left: Gather
    right: Gather
    wanted: Indices


@dataclass(frozen=True, slots=True)
class Means:
    """Means over the rows: of ``terms`` (1, n), then of the tables, each added to its target."""

    terms: Terms
    tables: tuple[Table, ...]
    targets: Indices
    count: int
    """How many different registers have their mean taken."""
    order: Indices
    """Which of them each register asked for is."""


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """Groups in order, the registers to keep (uniform ones first, then ordered), and the means."""

    constants: npt.NDArray[np.float64]
    groups: tuple[Group | SumGroup, ...]
    kept_numbers: Gather | None
    kept_columns: Gather | None
    kept_order: Indices
    means: Means


def level_plan(
    program: WengertList, kept: Sequence[int], summed: Sequence[int], *, most: int
) -> LevelPlan | None:
    """How to get the kept registers for every row, and the means over the rows of the summed ones.

    None where that takes more than so many groups.
    """
    sums, consumed = _sums(program, kept, summed)
    targets = list(dict.fromkeys(summed))
    ends = [_end(program, k, sums, k not in consumed and k not in kept) for k in targets]
    nodes = _nodes(program, sums, [*kept, *(j for end in ends for j in end.operands())])
    grouped = _grouped(program, nodes)
    if len(grouped) > most:
        return None
    places = _Places(program)
    groups = [places.add(key, members, nodes) for key, members in grouped]
    by_kind = sorted(kept, key=lambda k: not program.uniform[k])
    return LevelPlan(
        constants=np.array(list(program.constants.values()), dtype=np.float64),
        groups=tuple(groups),
        kept_numbers=places.gather([k for k in by_kind if program.uniform[k]]),
        kept_columns=places.gather([k for k in by_kind if not program.uniform[k]]),
        kept_order=_ranks(by_kind, kept),
        means=_means(ends, places, _ranks(targets, summed)),
    )


@dataclass(slots=True)
class _Sum:
    """The terms of one sum, as registers."""

    numbers: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    scaled: list[Pair] = field(default_factory=list)
    products: list[Pair] = field(default_factory=list)

    def operands(self) -> Iterator[int]:
        yield from self.numbers
        yield from self.columns
        for pair in self.scaled:
            yield from pair
        for pair in self.products:
            yield from pair

    def add(self, program: WengertList, k: int, absorbed: bool) -> None:
        """Add register k, or the product in it."""
        if absorbed:
            a, b = program.operands[k]
            if program.uniform[a] == program.uniform[b]:
                self.products.append((a, b))
            else:
                self.scaled.append((a, b) if program.uniform[a] else (b, a))
        else:
            (self.numbers if program.uniform[k] else self.columns).append(k)


_Node: TypeAlias = tuple[int, ...] | _Sum
"""The operands of an operation, or a sum."""


def _sums(
    program: WengertList, kept: Iterable[int], summed: Iterable[int]
) -> tuple[dict[int, _Sum], set[int]]:
    """The sum at the top of every tree of additions, and every register that something consumes."""
    consumers = _consumers(program, kept, summed)
    inner = {k for k in consumers if _is_inner(program, k, consumers[k])}
    tops = [k for k, name in enumerate(program.operations) if name == "add" and k not in inner]
    consumed = {k for k, users in consumers.items() if any(user >= 0 for user in users)}
    return {k: _sum(program, k, inner) for k in tops}, consumed


def _consumers(
    program: WengertList, kept: Iterable[int], summed: Iterable[int]
) -> dict[int, list[int]]:
    """Who needs each register; -1 is the caller."""
    consumers: dict[int, list[int]] = defaultdict(list)
    for k in {*kept, *summed}:
        consumers[k].append(-1)
    needed = needed_for((*kept, *summed), program.operations, program.operands)
    for k, name in enumerate(program.operations):
        if needed[k] and name not in LEAVES:
            for j in program.operands[k]:
                consumers[j].append(k)
    return consumers


def _is_inner(program: WengertList, k: int, users: Sequence[int]) -> bool:
    """Whether a sum takes register k in: an addition or a product that one addition alone needs."""
    user = users[0]
    return (
        len(users) == 1
        and user >= 0
        and program.operations[k] in ("add", "multiply")
        and program.operations[user] == "add"
        and program.uniform[k] == program.uniform[user]
    )


def _sum(program: WengertList, top: int, inner: set[int]) -> _Sum:
    result = _Sum()
    stack = [*program.operands[top]]
    while stack:
        k = stack.pop()
        if k in inner and program.operations[k] == "add":
            stack.extend(program.operands[k])
        else:
            result.add(program, k, absorbed=k in inner)
    result.scaled.sort(key=lambda pair: pair[1])
    return result


def _end(program: WengertList, k: int, sums: Mapping[int, _Sum], loose: bool) -> _Sum:
    """What the mean of register k is the mean of: its terms, if nobody else needs it."""
    if loose and not program.uniform[k] and k in sums:
        return sums[k]
    end = _Sum()
    end.add(program, k, loose and not program.uniform[k] and program.operations[k] == "multiply")
    return end


def _nodes(program: WengertList, sums: Mapping[int, _Sum], ends: Iterable[int]) -> dict[int, _Node]:
    """What has to be computed for the ends, in order."""
    found: dict[int, _Node] = {}
    stack = [*ends]
    while stack:
        k = stack.pop()
        if k not in found and program.operations[k] not in LEAVES:
            node = sums.get(k)
            found[k] = program.operands[k] if node is None else node
            stack.extend(_operands(found[k]))
    return {k: found[k] for k in sorted(found)}


def _operands(node: _Node) -> Iterable[int]:
    return node.operands() if isinstance(node, _Sum) else node


def _grouped(program: WengertList, nodes: Mapping[int, _Node]) -> list[tuple[Key, list[int]]]:
    """Registers by level and operation; sums also by shape and the factors that they share."""
    levels: dict[int, int] = {}
    keys: dict[int, Key] = {}
    for k, node in nodes.items():
        levels[k] = 1 + max([levels.get(j, 0) for j in _operands(node)])
        keys[k] = (levels[k], *_kind(program, k, node))
    tally = Counter((key, _shared(nodes[k])) for k, key in keys.items())
    variety = Counter(key for key, _ in tally)
    groups: dict[Key, list[int]] = defaultdict(list)
    for k, key in keys.items():
        shared = _shared(nodes[k])
        alone = variety[key] > FEW and tally[key, shared] < FEW
        groups[*key, () if alone else shared].append(k)
    return sorted(groups.items(), key=lambda item: item[0][0])


def _kind(program: WengertList, k: int, node: _Node) -> Key:
    uniform = program.uniform
    if isinstance(node, _Sum):
        shape = len(node.numbers), len(node.columns), len(node.scaled), len(node.products)
        return "sum", uniform[k], shape
    return program.operations[k], uniform[k], tuple([uniform[j] for j in node])


def _shared(node: _Node) -> tuple[int, ...]:
    """The varying factors that a sum may share with others."""
    return tuple([column for _, column in node.scaled]) if isinstance(node, _Sum) else ()


class _Places:
    """Where each register is: in which group, and which of its registers."""

    def __init__(self, program: WengertList) -> None:
        self._place: dict[int, Pair] = {}
        self._groups = len((CONSTANTS, PARAMETERS, INPUTS))
        for rank, k in enumerate(program.constants):
            self._place[k] = CONSTANTS, rank
        for k, name in enumerate(program.operations):
            if name in ("parameter", "input"):
                group = PARAMETERS if name == "parameter" else INPUTS
                self._place[k] = group, program.operands[k][0]

    def add(self, key: Key, members: Sequence[int], nodes: Mapping[int, _Node]) -> Group | SumGroup:
        """The group of these registers, which are found there from now on."""
        group = self._group(key, [nodes[k] for k in members])
        self._place.update((k, (self._groups, rank)) for rank, k in enumerate(members))
        self._groups += 1
        return group

    def gather(self, registers: Any) -> Gather | None:
        """Where to find these registers, a list or a table of them; None if there are none."""
        return self.found(registers) if np.size(registers) else None

    def found(self, registers: Any) -> Gather:
        """Where to find these registers, a list or a table of them."""
        table = np.array(registers, dtype=np.int32)
        places = [self._place[k] for k in table.ravel().tolist()]
        sources = tuple(sorted({group for group, _ in places}))
        return Gather(sources, np.array(places, dtype=np.int32).reshape(*table.shape, 2))

    def terms(self, sums: Sequence[_Sum], shared: Sequence[int] = ()) -> Terms:
        """The terms of sums of the same shape."""
        inputs = [[column for _, column in each.scaled] for each in sums]
        return Terms(
            numbers=self.gather([each.numbers for each in sums]),
            columns=self.gather([each.columns for each in sums]),
            weights=self.gather([[number for number, _ in each.scaled] for each in sums]),
            inputs=self.gather(shared or inputs),
            left=self.gather([[a for a, _ in each.products] for each in sums]),
            right=self.gather([[b for _, b in each.products] for each in sums]),
        )

    def _group(self, key: Key, nodes: Sequence[_Node]) -> Group | SumGroup:
        _, operation, uniform, kinds, shared = key
        if operation == "sum":
            return SumGroup(
                uniform, self.terms([node for node in nodes if isinstance(node, _Sum)], shared)
            )
        columns = zip(*map(_operands, nodes), strict=True)
        operands = [self.found(column) for column in columns]
        return Group(operation, uniform, tuple(operands), kinds)


def _means(ends: Sequence[_Sum], places: _Places, order: Indices) -> Means:
    tables, entries, rest = _tables(ends)
    flat = _Sum(
        numbers=[k for end in ends for k in end.numbers],
        columns=[k for end in ends for k in end.columns],
        scaled=[pair for end in ends for pair in end.scaled],
        products=[pair for pair, _ in rest],
    )
    targets = [
        *(target for target, end in enumerate(ends) for _ in end.numbers),
        *(target for target, end in enumerate(ends) for _ in end.columns),
        *(target for target, end in enumerate(ends) for _ in end.scaled),
        *(target for _, target in rest),
        *entries,
    ]
    return Means(
        terms=places.terms([flat]),
        tables=tuple(_table(places, *table) for table in tables),
        targets=np.array(targets, dtype=np.int32),
        count=len(ends),
        order=order,
    )


_Products: TypeAlias = list[tuple[Pair, int]]
"""Products of varying registers, each with the target that its mean is added to."""


def _tables(ends: Sequence[_Sum]) -> tuple[list[tuple[Any, ...]], list[int], _Products]:
    """Tables as (left, right, wanted), the targets of their entries, and the products left over."""
    products = [(pair, target) for target, end in enumerate(ends) for pair in end.products]
    tables: list[tuple[Any, ...]] = []
    targets: list[int] = []
    rest: _Products = []
    for side, members in _components(products):
        left = sorted(k for k, on_left in side.items() if on_left)
        right = sorted(k for k, on_left in side.items() if not on_left)
        sound = all(side[a] != side[b] for (a, b), _ in members)
        if not sound or len(left) * len(right) > SPARSE * len(members):
            rest.extend(members)
            continue
        row = {k: rank * len(right) for rank, k in enumerate(left)}
        column = {k: rank for rank, k in enumerate(right)}
        wanted = [row[a] + column[b] if side[a] else row[b] + column[a] for (a, b), _ in members]
        tables.append((left, right, wanted))
        targets.extend(target for _, target in members)
    return tables, targets, rest


def _components(products: _Products) -> Iterator[tuple[dict[int, bool], _Products]]:
    """Sets of registers multiplied with one another, told into two sides, and the products."""
    partners: dict[int, list[int]] = defaultdict(list)
    for (a, b), _ in products:
        partners[a].append(b)
        partners[b].append(a)
    sides: dict[int, dict[int, bool]] = {}
    for start in partners:
        if start not in sides:
            side = _two_sides(start, partners)
            sides.update(dict.fromkeys(side, side))
    members: dict[int, _Products] = defaultdict(list)
    for pair, target in products:
        members[id(sides[pair[0]])].append((pair, target))
    for some in members.values():
        yield sides[some[0][0][0]], some


def _two_sides(start: int, partners: Mapping[int, Sequence[int]]) -> dict[int, bool]:
    """Everything that is reached from a register by its partners: True on its own side."""
    side = {start: True}
    stack = [start]
    while stack:
        k = stack.pop()
        for partner in partners[k]:
            if partner not in side:
                side[partner] = not side[k]
                stack.append(partner)
    return side


def _table(places: _Places, left: Sequence[int], right: Sequence[int], wanted: Any) -> Table:
    return Table(places.found(left), places.found(right), np.array(wanted, dtype=np.int32))


def _ranks(of: Sequence[int], registers: Sequence[int]) -> Indices:
    """The place of each register in ``of``."""
    rank = {k: place for place, k in enumerate(of)}
    return np.array([rank[k] for k in registers], dtype=np.int32)
