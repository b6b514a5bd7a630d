"""Graph to array program: nodes that are computed alike become groups, and groups become blocks.

*Family*: nodes of one primitive whose operands come from the same families.  Walking the graph in
topological order a node's family is known when its operands' families are, so that one pass finds
them all, in an order in which they can be computed.  Parameters, inputs and constants are the first
three.  A graph in which nothing repeats has families of one node, in recorded order.

A family's value is its row's ``forward`` on blocks, recorded once, and what it pays its operands
the row's ``partials``: the chain rule of `autograd.backward`, the same for blocks as for floats.
Debts that are paid to a part of a block are collected, and what is the same for all rows is paid
the mean over the rows.  ``dot`` nodes that share their inputs, or their weights, are one matrix
product, which pays with two more.  Everything is linear in the size of the graph, and nothing
recurses.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from autograd.backward import topological_order
from autograd.compiler.arrays import CONSTANTS, INPUTS, PARAMETERS, ArrayProgram, placed
from autograd.compiler.record import ONE, Block, Column, Known, Number, Recorder, Shape, places_of
from autograd.primitive import Primitive
from autograd.rules import TABLE
from autograd.value import Value, constant

FEW = 8
"""Operands of a variadic node that are looked at one by one."""

_ADD, _MUL, _SUM, _DOT, _POW, _TAKE = (
    TABLE[name] for name in ("add", "mul", "sum", "dot", "pow", "take")
)


@dataclass(frozen=True, slots=True)
class Rolled:
    """A graph as an array program, with the Values and the names that it was recorded from."""

    program: ArrayProgram
    parameters: tuple[Value, ...]
    labels: dict[tuple[int, int], str]
    """The label of each place in a block whose node had one."""


def roll(
    roots: Sequence[Value], inputs: Sequence[Value], parameters: Sequence[Value] = ()
) -> Rolled:
    """The graph of the roots and its gradient.

    Parameters are first those given, then every other leaf that requires a gradient, in topological
    order.
    """
    with uncollected():
        order = topological_order(roots)
        known = {*inputs, *parameters}
        found = (n for n in order if n.is_leaf and n.requires_grad and n not in known)
        parameters = (*parameters, *found)
        roller = Roller(parameters, inputs)
        for family in families(order, roller.family_of, roots):
            roller.compute(family)
        return roller.finish(roots, parameters)


@dataclass(slots=True)
class Family:
    """Nodes of one primitive whose operands come from the same families."""

    row: Primitive
    members: list[Value] = field(default_factory=list)
    parents: list[tuple[Value, ...]] = field(default_factory=list)
    paid: bool = True
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
        elif row is _POW and sources[1] == CONSTANTS:
            sources.append(parents[1].data)
        key = row, node.requires_grad, *sources
        number = known.get(key)
        if number is None:
            number = known[key] = len(found)
            found.append(Family(row, paid=node.requires_grad))
        family_of[node] = number + 3
        family = found[number]
        family.members.append(node)
        family.parents.append(parents)
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """What was computed from what: what to pay back.

    An operand of a ``width`` stands for so many operands of the row, the columns of its block; one
    of width 0 is an operand itself.
    """

    row: Primitive
    operands: tuple[Number, ...]
    widths: tuple[int, ...]
    result: Block


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product: (i, k) times (w, k), plus a bias: (w, i)."""

    matrix: Block
    columns: Block
    bias: Number
    result: Block


@dataclass(frozen=True, slots=True)
class Join:
    """Blocks put together, each with its places in the result."""

    parts: tuple[tuple[Block, Any], ...]
    result: Block


class Roller:
    """Records families as they come, and then what they owe."""

    def __init__(self, parameters: Sequence[Value], inputs: Sequence[Value]) -> None:
        self.recorder = recorder = Recorder(len(parameters), len(inputs))
        self.family_of = dict.fromkeys(parameters, PARAMETERS) | dict.fromkeys(inputs, INPUTS)
        self.slots = {leaf: k for leaves in (parameters, inputs) for k, leaf in enumerate(leaves)}
        self.blocks = [recorder.parameters, recorder.inputs, recorder.known]
        self.leading = {PARAMETERS}
        self.tape: list[Step | Product | Join] = []
        self.debts: dict[int, dict[Any, Number]] = {}

    # -- values ---------------------------------------------------------------------------------

    def compute(self, family: Family) -> None:
        """Record the value of a family."""
        if family.row is _DOT and len(family.parents[0]) > 1:
            regions = self._regions(family)
            if regions is not None:
                return self._multiply(family, regions)
        operands, widths = self._operands(family)
        if family.row is _TAKE and any(widths):
            y: Number = self._taken(*operands)
        else:
            y = family.row.forward(self.recorder.namespace, *_spread(operands, widths))
        result = self._stored(y, (len(family.members), 1))
        self._settle(family, family.members, result)
        if family.paid and any(map(self._leads, operands)):
            self.leading.add(result.index)
            self.tape.append(Step(family.row, operands, widths, result))

    def _operands(self, family: Family) -> tuple[tuple[Number, ...], tuple[int, ...]]:
        parents = family.parents
        if not family.row.variadic:
            return self._columns(parents)
        lengths = _lengths(family.row, len(parents[0]))
        runs = [run for run in _parts(parents[0], lengths) if len(run) > 1]
        many, alike = max(lengths), all(map(self._from_one_family, runs))
        if many < 2 or (many <= FEW and not alike and family.row is not _TAKE):
            return self._columns(parents)
        shape = len(parents), many
        operands: list[Number] = []
        for length, *nodes in zip(lengths, *[_parts(each, lengths) for each in parents]):
            if length == 1:
                operands.append(self._gather([node for (node,) in nodes]))
            else:
                whole = self._gather([node for each in nodes for node in each], shape)
                operands.append(self._whole(whole, shape))
        return tuple(operands), tuple([length if length > 1 else 0 for length in lengths])

    def _columns(
        self, parents: Sequence[tuple[Value, ...]]
    ) -> tuple[tuple[Number, ...], tuple[int, ...]]:
        operands = tuple([self._gather(column) for column in zip(*parents)])
        return operands, (0,) * len(operands)

    def _from_one_family(self, nodes: Sequence[Value]) -> bool:
        first = self.family_of[nodes[0]]
        return first != CONSTANTS and all(self.family_of[node] == first for node in nodes)

    def _whole(self, number: Number, shape: Shape) -> Number:
        """A constant for all columns as a block of them."""
        return self.recorder.reshaped(self.recorder.block(number), shape)

    def _stored(self, y: Number, shape: Shape) -> Block:
        """The value as a block of its own: rows may give back an operand, or what is known."""
        recorder = self.recorder
        block = recorder.block(y)
        if block.index != recorder.place_of(block.index)[0] or (
            recorder.count(block.index) != shape[0] * shape[1] or isinstance(y, float)
        ):
            block = recorder.reshaped(Block(recorder, block.index), shape)
            return recorder.collect([(block, (0, 1, 0))], shape, once=True)
        return Block(recorder, block.index)

    def _settle(self, family: Family, members: Iterable[Value], block: Block) -> None:
        """Say where the nodes of a family are."""
        self.slots.update(zip(members, range(len(family.members))))
        self.blocks.append(block)

    def _leads(self, operand: Number) -> bool:
        """Whether there are parameters behind it."""
        if isinstance(operand, float):
            return False
        return self.recorder.place_of(operand.index)[0] in self.leading

    def _taken(self, values: Number, index: Number) -> Number:
        recorder = self.recorder
        assert isinstance(values, Block)
        shape = values.shape[0], 1
        return recorder.take(values, recorder.reshaped(recorder.block(index), shape))

    def _slopes_of_taken(self, values: Number, index: Number) -> list[Number]:
        """The partials of ``take`` for all values at once: 1 where the index is their place."""
        recorder, m = self.recorder, self.recorder.namespace
        assert isinstance(values, Block)
        n = values.shape[1]
        places = Known(recorder, tuple(map(float, range(n))))
        row = recorder.reshaped(Block(recorder, places.index), (1, n))
        slopes = m.where(m.equal(index, row), 1.0, 0.0)
        return [*(Column(slopes, k) for k in range(n)), 0.0]

    # -- operands -------------------------------------------------------------------------------

    def _gather(self, nodes: Sequence[Value], shape: Shape | None = None) -> Number:
        """The nodes as a block of this shape; one for all where they are the same."""
        first = nodes[0]
        if len(nodes) == 1:
            family = self.family_of[first]
            if family == CONSTANTS:
                return first.data
            return self.recorder.view(self.blocks[family], (self.slots[first], 0, 0), ONE)
        sources = {self.family_of[node] for node in nodes}
        shape = shape or (len(nodes), 1)
        if len(sources) > 1:
            return self._join(nodes, shape)
        (family,) = sources
        if family == CONSTANTS:
            numbers = self.recorder.constant([node.data for node in nodes])
            return (
                numbers
                if shape[1] == 1 or isinstance(numbers, float)
                else self.recorder.reshaped(Block(self.recorder, numbers.index), shape)
            )
        slots = self.slots
        places = np.array([slots[node] for node in nodes])
        if (places == places[0]).all():
            return self.recorder.view(self.blocks[family], (int(places[0]), 0, 0), ONE)
        return self.recorder.table(self.blocks[family], places, shape)

    def _join(self, nodes: Sequence[Value], shape: Shape) -> Block:
        """Nodes of several families, put into one block."""
        sources: dict[int, list[int]] = {}
        for place, node in enumerate(nodes):
            sources.setdefault(self.family_of[node], []).append(place)
        recorder, parts = self.recorder, []
        for places in sources.values():
            part = self._gather([nodes[place] for place in places])
            block = recorder.reshaped(recorder.block(part), (len(places), 1))
            parts.append((block, recorder.placement(np.array(places))))
        result = recorder.collect(parts, shape, once=True)
        if any(self._leads(block) for block, _ in parts):
            self.leading.add(result.index)
            self.tape.append(Join(tuple(parts), result))
        return result

    # -- matrix products ------------------------------------------------------------------------

    def _regions(self, family: Family) -> list[tuple[Region, bool]] | None:
        """The nodes of ``dot`` by products, if there is something to share, and which side is the
        matrix (False: the weights)."""
        n = (len(family.parents[0]) - 1) // 2
        for swapped in (False, True):
            matrix, columns = (
                (slice(n, 2 * n), slice(n)) if swapped else (slice(n), slice(n, 2 * n))
            )
            if not all(self._is_uniform(p) for each in family.parents for p in each[matrix][:1]):
                continue
            found = _regions(family, matrix, columns)
            if len(found) <= max(FEW, len(family.members) // 2) and all(
                self._is_uniform(p) for region in found for row in region[0] for p in row[matrix]
            ):
                return [(region, swapped) for region in found]
        return None

    def _is_uniform(self, node: Value) -> bool:
        return not self.blocks[self.family_of[node]].varying

    def _multiply(self, family: Family, regions: Sequence[tuple[Region, bool]]) -> None:
        recorder, n = self.recorder, (len(family.parents[0]) - 1) // 2
        numbers = {id(parents): k for k, parents in enumerate(family.parents)}
        members: list[Value] = []
        results: list[Block] = []
        for region, swapped in regions:
            matrix, columns = (
                (slice(n, 2 * n), slice(n)) if swapped else (slice(n), slice(n, 2 * n))
            )
            w, i = len(region), len(region[0])
            a = self._gather([p for parents in region[0] for p in parents[matrix]], (i, n))
            b = self._gather([p for row in region for p in row[0][columns]], (w, n))
            bias = self._gather([parents[-1] for row in region for parents in row], (w, i))
            a, b = self._whole(a, (i, n)), self._whole(b, (w, n))
            assert isinstance(a, Block)
            assert isinstance(b, Block)
            result = recorder.product(a, b, None if _is_zero(bias) else bias)
            results.append(result)
            members += [family.members[numbers[id(p)]] for row in region for p in row]
            if family.paid and any(map(self._leads, (a, b, bias))):
                self.leading.add(result.index)
                self.tape.append(Product(a, b, bias, result))
        self._settle(family, members, self._together(results))

    def _together(self, blocks: Sequence[Block]) -> Block:
        """Blocks one behind the other."""
        if len(blocks) == 1:
            return blocks[0]
        recorder, parts, start = self.recorder, [], 0
        for block in blocks:
            count = recorder.count(block.index)
            parts.append((recorder.reshaped(block, (count, 1)), (start, 1, 0)))
            start += count
        result = recorder.collect(parts, (start, 1), once=True)
        if any(self._leads(block) for block, _ in parts):
            self.leading.add(result.index)
            self.tape.append(Join(tuple(parts), result))
        return result

    # -- debts ----------------------------------------------------------------------------------

    def finish(self, roots: Sequence[Value], parameters: Sequence[Value]) -> Rolled:
        """Record the loss and the gradient."""
        recorder = self.recorder
        values = [self._gather([root]) for root in roots]
        loss: Number = values[0]
        for value in values[1:]:
            loss = loss + value
        loss = recorder.mean(loss) if isinstance(loss, Block) else loss
        for value in values:
            if isinstance(value, Block):
                self._pay(value, 1.0, ONE)
        for step in reversed(self.tape):
            debt = self._debt(step.result)
            if debt is not None:
                _REPAY[type(step)](self, step, debt)
        gradient = self._debt(recorder.parameters)
        shape = len(parameters), 1
        if gradient is None:
            whole = recorder.collect([], shape, once=True)
        else:
            whole = recorder.reshaped(recorder.block(gradient), shape)
        program, place = placed(recorder.finish(values, loss, whole))
        labels = {
            (int(place[self.blocks[self.family_of[node]].index]), self.slots[node]): node.label
            for node in self.slots
            if node._note is not None and node.label
        }
        labels = {at: label for at, label in labels.items() if at[0] >= 0}
        recorder.let_go()
        return Rolled(program, tuple(parameters), labels)

    def _pay(self, operand: Block, amount: Number, shape: Shape) -> None:
        """Owe an operand an amount per number of ``shape``, which it was stretched to."""
        recorder = self.recorder
        base, place = recorder.place_of(operand.index)
        if base not in self.leading:
            return
        n, m = wanted = recorder.shapes[operand.index]
        if isinstance(place, tuple):  # what is seen many times is paid once
            wanted = n if place[1] else 1, m if place[2] else 1
        if isinstance(amount, Block) and amount.varying and not recorder.varies[base]:
            few = recorder.count(amount.index) <= FEW
            amount = amount if few else recorder.mean(amount)  # few are added up first
        if shape != wanted:
            amount = self._added_up(amount, shape, wanted)
        if place is None:
            wanted = recorder.shapes[base]
            if isinstance(amount, Block) and amount.shape != ONE:
                amount = recorder.reshaped(amount, wanted)
        pile = self.debts.setdefault(base, {})
        late = isinstance(amount, Block) and amount.varying and not recorder.varies[base]
        key = place, wanted, late  # a mean still to be taken: not to be mixed with what is one
        if key not in pile:
            pile[key] = amount
        elif not (isinstance(amount, float) and amount == 0.0):
            pile[key] = pile[key] + amount

    def _added_up(self, amount: Number, shape: Shape, wanted: Shape) -> Number:
        """The sum of an amount over what an operand was stretched along."""
        recorder = self.recorder
        for axis in (1, 0):
            if wanted[axis] == 1 and shape[axis] > 1:
                if not isinstance(amount, Block) or amount.shape[axis] == 1:
                    amount = amount * float(shape[axis])
                elif axis == 1:
                    amount = recorder.reduce("sum", amount)
                else:
                    amount = recorder.transposed(
                        recorder.reduce("sum", recorder.transposed(amount))
                    )
        return amount

    def _debt(self, block: Block) -> Number | None:
        """All that a block is owed; what is uniform is owed the mean over the rows."""
        pile = self.debts.pop(block.index, None)
        if pile is None:
            return None
        recorder = self.recorder
        for key in [key for key in pile if key[-1]]:
            amount: Number = recorder.mean(recorder.block(pile.pop(key)))
            early = (*key[:-1], False)
            pile[early] = pile[early] + amount if early in pile else amount
        if len(pile) == 1 and (None, block.shape, False) in pile:
            return pile[None, block.shape, False]
        parts = [
            (recorder.reshaped(recorder.block(amount), shape), _start(place, shape))
            for (place, shape, _), amount in pile.items()
        ]
        places = [
            recorder.tables[place] if isinstance(place, int) else places_of(place, part.shape)
            for part, place in parts
        ]
        every = np.concatenate(places)
        once = len(np.unique(every)) == len(every)
        return recorder.collect(parts, block.shape, once)

    def _repay_step(self, step: Step, debt: Number) -> None:
        if step.row is _TAKE and any(step.widths):
            partials: Sequence[Number] = self._slopes_of_taken(*step.operands)
        else:
            arguments = _spread(step.operands, step.widths)
            partials = step.row.partials(self.recorder.namespace, *arguments, step.result)
        place = 0
        shape = step.result.shape
        for operand, width in zip(step.operands, step.widths):
            if width:
                self._repay_columns(operand, debt, partials[place : place + width])
            elif self._leads(operand):
                assert isinstance(operand, Block)
                self._pay(operand, debt * partials[place], shape)
            place += width or 1

    def _repay_columns(self, whole: Number, debt: Number, partials: Sequence[Number]) -> None:
        if not self._leads(whole):
            return
        assert isinstance(whole, Block)
        first = partials[0]
        if isinstance(first, float) and all(p == first for p in partials):
            return self._pay(whole, debt * first, whole.shape)
        if all(isinstance(p, Column) and p.place == k for k, p in enumerate(partials)):
            wholes = {p.whole.index for p in partials}  # type: ignore[union-attr]
            if len(wholes) == 1:
                slopes = Block(self.recorder, wholes.pop())
                return self._pay(whole, debt * slopes, whole.shape)
        n = whole.shape[0]
        for k, partial in enumerate(partials):
            column = self.recorder.view(whole, (k, len(partials), 0), (n, 1))
            self._pay(column, debt * partial, (n, 1))

    def _repay_product(self, step: Product, debt: Number) -> None:
        recorder, a, b = self.recorder, step.matrix, step.columns
        owed = recorder.reshaped(recorder.block(debt), step.result.shape)
        if self._leads(b):
            self._pay(b, recorder.product(recorder.transposed(a), owed), b.shape)
        if self._leads(a):
            self._pay(a, recorder.outer(owed, b), a.shape)
        if self._leads(step.bias):
            assert isinstance(step.bias, Block)
            self._pay(step.bias, owed, step.result.shape)

    def _repay_join(self, step: Join, debt: Number) -> None:
        recorder = self.recorder
        for part, place in step.parts:
            amount = debt
            if isinstance(debt, Block):
                whole = recorder.reshaped(debt, step.result.shape)
                amount = (
                    recorder.table(whole, recorder.tables[place], part.shape)
                    if isinstance(place, int)
                    else recorder.view(whole, place, part.shape)
                )
            self._pay(part, amount, part.shape)


_REPAY: dict[type, Callable[..., None]] = {
    Step: Roller._repay_step,
    Product: Roller._repay_product,
    Join: Roller._repay_join,
}

Region = list[list[tuple[Value, ...]]]
"""The operands of ``dot`` nodes: rows of nodes that share their inputs, with the same weights."""


def _regions(family: Family, matrix: slice, columns: slice) -> list[Region]:
    """The nodes in rows that share their columns, and rows together that share their matrix."""
    rows: dict[Any, list[tuple[Value, ...]]] = {}
    for parents in family.parents:
        rows.setdefault(parents[columns], []).append(parents)
    regions: dict[Any, Region] = {}
    for row in rows.values():
        regions.setdefault(tuple([parents[matrix] for parents in row]), []).append(row)
    return list(regions.values())


def _lengths(row: Primitive, count: int) -> list[int]:
    """How many of so many operands each role of a variadic row takes."""
    in_a_row = [role.endswith("*") for role in row.roles]
    length = (count - in_a_row.count(False)) // in_a_row.count(True)
    return [length if many else 1 for many in in_a_row]


def _parts(operands: Sequence[Any], lengths: Sequence[int]) -> Iterator[Sequence[Any]]:
    start = 0
    for length in lengths:
        yield operands[start : start + length]
        start += length


def _spread(operands: Sequence[Number], widths: Sequence[int]) -> list[Number]:
    """The operands of a row: a block of columns is as many."""
    if not any(widths):
        return list(operands)
    spread: list[Number] = []
    for operand, width in zip(operands, widths):
        if width:
            assert isinstance(operand, Block)
            spread += [Column(operand, k) for k in range(width)]
        else:
            spread.append(operand)
    return spread


def _start(place: Any, shape: Shape) -> Any:
    return (0, shape[1], 1) if place is None else place


def _is_zero(bias: Number) -> bool:
    return isinstance(bias, float) and bias == 0.0


def _refuse(node: Value) -> Any:
    name = f", labelled {node.label!r}," if node.label else ""
    raise ValueError(
        f"the operation {node.op!r}{name} cannot be compiled: it was stated by hand, as a number "
        "with partial derivatives, which hold at this point only; write it with the functions of "
        "autograd"
    )


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the cycle collector out: in a million new records it finds nothing, slowly."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# -- chains of additions ------------------------------------------------------------------------

Rewritten = dict[Value, tuple[Primitive, tuple[Value, ...]]]


def _sums(order: Sequence[Value], roots: Sequence[Value]) -> Rewritten:
    """Additions that are parts of longer sums, with no operands, and those sums.

    A sum of products is a ``dot``.
    """
    adds = [node for node in order if node.primitive is _ADD]
    if not any(p.primitive is _ADD for node in adds for p in node.parents):
        return {}
    uses = Counter(chain.from_iterable([node.parents for node in order]))
    uses.update(roots)
    rewritten: Rewritten = {}
    for node in reversed(adds):
        if node not in rewritten:
            terms, parts = _terms(node, uses)
            if len(parts) > 2:
                rewritten.update(dict.fromkeys(parts, (_ADD, ())))
                rewritten[node] = _SUM, tuple(terms)
                _as_dot(node, terms, uses, rewritten)
    return rewritten


def _terms(node: Value, uses: Counter[Value]) -> tuple[list[Value], list[Value]]:
    """What an addition adds up in the end, and the additions on the way that nobody else uses."""
    terms: list[Value] = []
    parts: list[Value] = []
    stack = [node]
    while stack:
        term = stack.pop()
        if term is node or (term.primitive is _ADD and uses[term] == 1):
            parts.append(term)
            stack += term.parents[::-1]
        else:
            terms.append(term)
    return terms, parts


def _as_dot(node: Value, terms: list[Value], uses: Counter[Value], rewritten: Rewritten) -> None:
    """Make a sum of products that nobody else uses a ``dot``."""
    products = [term for term in terms if term.primitive is _MUL and uses[term] == 1]
    rest = [term for term in terms if term.primitive is not _MUL or uses[term] != 1]
    if len(products) < 3 or len(rest) > 1:
        return
    rewritten.update(dict.fromkeys(products, (_MUL, ())))
    left, right = zip(*(product.parents for product in products))
    rewritten[node] = _DOT, (*left, *right, *(rest or [constant(0.0)]))
