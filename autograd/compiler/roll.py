"""Graph to array program: nodes become groups, and groups become blocks.

A group's value is its row's ``forward`` on blocks, recorded once.  Operands are views of earlier
blocks wherever nodes lie in equal steps; nodes of several groups are joined first.  ``dot`` nodes
that share their inputs, or their weights, are one matrix product; other nodes of many operands get
these as the columns of one block.  What was computed from what is noted on a tape, which is then
read backwards (`repay`).  Everything is linear in the size of the graph, and nothing recurses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import accumulate, chain, islice, repeat
from operator import add, or_

import numpy as np

from autograd.backward import order_above
from autograd.collector import uncollected
from autograd.compiler.arrays import (
    CONSTANTS,
    INPUTS,
    PARAMETERS,
    ArrayProgram,
    Shape,
    placed,
)
from autograd.compiler.groups import (
    FEW,
    TAKE,
    Found,
    Group,
    Region,
    groups,
    regions_of,
    sides_of,
    unpaid_in,
)  # fmt: skip
from autograd.compiler.record import ONE, VARIES, Block, Number, Recorder
from autograd.compiler.repay import Tape, takes_from_block
from autograd.compiler.stretches import Singles
from autograd.rules import TABLE
from autograd.value import Value

MANY = 1000
"""With more groups, single nodes are copied (`stretches`), not searched for common parts."""

EARLY = TABLE["erf"], TABLE["erfc"]
"""Rows whose slope is recorded right behind the value: one native kernel takes their exp once."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """A graph as an array program, with the Values and the labels that it was recorded from."""

    program: ArrayProgram
    parameters: tuple[Value, ...]
    labels: dict[tuple[int, int], str]
    """The label of each computed number whose node had one, by block and place in it."""


def roll(
    roots: Sequence[Value], inputs: Sequence[Value], parameters: Sequence[Value] = ()
) -> Rolled:
    """The graph of the roots and its gradient.

    Parameters are first those given, then every other leaf that requires a gradient, in topological
    order.
    """
    with uncollected():
        group_of = dict.fromkeys(parameters, PARAMETERS)
        group_of.update(dict.fromkeys(inputs, INPUTS))
        order = order_above(group_of, roots)
        found = [node for node in order if node._left is None and node.requires_grad]
        group_of.update(dict.fromkeys(found, PARAMETERS))
        parameters = (*parameters, *found)
        unpaid = unpaid_in(order, group_of, roots)
        every = groups(order, group_of, roots, unpaid)
        roller = Roller(parameters, inputs, group_of, unpaid)
        roller.record(every)
        del order, every
        return roller.finish(roots, parameters)


class Roller:
    """Records groups as they come, and then what they owe."""

    def __init__(
        self,
        parameters: Sequence[Value],
        inputs: Sequence[Value],
        group_of: dict[Value, int],
        unpaid: Collection[Value],
    ) -> None:
        self.recorder = recorder = Recorder(len(parameters), len(inputs))
        self.group_of, self._unpaid = group_of, unpaid
        places = chain(range(len(parameters)), range(len(inputs)))
        self.slots = dict(zip(chain(parameters, inputs), places))
        self._leaves = len(self.slots)
        self.tape = Tape(recorder)
        self._singles = Singles(self.tape, group_of, self.slots, unpaid)
        self.blocks = self._singles.blocks
        """Of each group: its block."""

    def record(self, found: list[Found]) -> None:
        """Record the values of all groups."""
        singles, is_large = self._singles, len(found) > MANY
        entries = iter(enumerate(found, 3))
        while entry := singles.note(entries) if is_large else next(entries, None):
            number, group = entry
            singles.record()
            self.compute(number, group if isinstance(group, Group) else Group.of(group, {}))
        singles.record()

    # -- values ---------------------------------------------------------------------------------

    def compute(self, number: int, group: Group) -> None:
        """Record the value of a group."""
        shared = self._shared(group)
        if shared:
            return self._share(number, group, *shared)
        operands, known = self._operands(group), len(self.recorder.codes)
        if takes_from_block(group.row, operands):
            y: Number = self.recorder.take(self.recorder.block(operands[0]), operands[1])
        else:
            y = group.row.forward(self.recorder.namespace, *operands)
        result = self._settle(number, group.members, self._stored(group, y, operands, known))
        if group.row in EARLY and result.leads:
            group.row.partials(self.recorder.namespace, *operands, result)
        self.tape.note(partial(self.tape.repay_row, group.row, operands, result), result)

    def _operands(self, group: Group) -> tuple[Number, ...]:
        """A number or a block for each operand; one for all that a role has from one group."""
        row, parents, count = group.row, group.parents, len(group.parents[0])
        runs = row.runs(count)
        most = max(run.stop - run.start for run in runs)
        loose = row is not TAKE and most <= FEW and not self._are_from_groups(parents[0], runs)
        if most < 2 or loose:
            runs = [slice(k, k + 1) for k in range(count)]
        operands: list[Number] = []
        for run in runs:
            nodes = [node for each in parents for node in each[run]]
            shape = len(parents), run.stop - run.start
            operands.append(self._whole(nodes, shape) if shape[1] > 1 else self._gather(nodes))
        return tuple(operands)

    def _are_from_groups(self, nodes: Sequence[Value], runs: Sequence[slice]) -> bool:
        """Whether the nodes of each run of several are in one group, and no constants."""
        for run in runs:
            sources = {self.group_of[node] for node in nodes[run]}
            if run.stop - run.start > 1 and (len(sources) > 1 or CONSTANTS in sources):
                return False
        return True

    def _whole(self, nodes: Sequence[Value], shape: Shape) -> Block:
        """The nodes as a block of this shape, also where they are all the same."""
        return self.recorder.reshaped(self.recorder.block(self._gather(nodes, shape)), shape)

    def _stored(self, group: Group, y: Number, operands: Sequence[Number], known: int) -> Block:
        """The value as a block of its own: rows may give back an operand, or what is known.

        It is of its operands' kind, as ``x ** 0`` would not be: it is owed something row by row.

        One of the ``known`` first blocks is copied: it may be the value of another row, and what is
        owed for this one is not to be paid by that row too, whose partials may be others (nothing
        is paid for the largest term of a softmax).
        """
        recorder, shape = self.recorder, (len(group.members), 1)
        kind = reduce(or_, [recorder.kinds[x.index] for x in operands if isinstance(x, Block)], 0)
        block = recorder.block(y)
        if kind & VARIES and not block.varying:
            block = recorder.block(recorder.per_row(block))
        is_new = recorder.place_of(block.index)[0] == block.index >= known
        if not is_new or block.shape != shape or recorder.kinds[block.index] != kind:
            return recorder.copy(recorder.reshaped(block, shape), kind)
        return block

    def _settle(self, number: int, members: Sequence[Value], block: Block) -> Block:
        """Say where the nodes of a group are; unpaid ones in a copy that leads to no parameters."""
        if block.leads and members[0] in self._unpaid:
            block = self.recorder.copy(block, self.recorder.kinds[block.index] & VARIES)
        self.slots.update(zip(members, range(len(members))))
        self.blocks[number] = block.index
        return block

    def _block(self, group: int) -> Block:
        return Block(self.recorder, self.blocks[group])

    # -- operands -------------------------------------------------------------------------------

    def _gather(self, nodes: Sequence[Value], shape: Shape | None = None) -> Number:
        """The nodes as a block of this shape; a single number where they are all the same."""
        sources = {*map(self.group_of.__getitem__, nodes)}
        shape = shape or (len(nodes), 1)
        if len(sources) > 1:
            return self._join(nodes, shape)
        (group,) = sources
        if group == CONSTANTS:
            numbers = self.recorder.constant([node.data for node in nodes])
            return numbers if isinstance(numbers, float) else self.recorder.reshaped(numbers, shape)
        places = np.fromiter(map(self.slots.get, nodes, repeat(0)), np.int64, len(nodes))
        if (places == places[0]).all():
            return self.recorder.view(self._block(group), (int(places[0]), 0, 0), ONE)
        return self.recorder.picked(self._block(group), places, shape)

    def _join(self, nodes: Sequence[Value], shape: Shape) -> Block:
        """Nodes of several groups, put into one block."""
        sources: dict[int, list[int]] = {}
        for place, node in enumerate(nodes):
            sources.setdefault(self.group_of[node], []).append(place)
        parts = [(self._gather([nodes[k] for k in places]), places) for places in sources.values()]
        return self._joined(parts, shape)

    def _joined(self, parts: Iterable[tuple[Number, Sequence[int]]], shape: Shape) -> Block:
        """Blocks put into one, each with its places."""
        recorder, pieces = self.recorder, []
        for numbers, places in parts:
            part = recorder.reshaped(recorder.block(numbers), (len(places), 1))
            pieces.append((part, recorder.place(np.array(places), part.shape)))
        result = recorder.collect(pieces, shape, once=True)
        self.tape.note(partial(self.tape.repay_join, pieces, shape), result)
        return result

    # -- matrix products ------------------------------------------------------------------------

    def _shared(self, group: Group) -> tuple[slice, slice, list[Region]] | None:
        """Which operands are a matrix and which its columns, and the nodes that share them."""
        for matrix, columns in sides_of(group.row, len(group.parents[0])):
            if all(self._is_uniform(parents[matrix]) for parents in group.parents):
                found = regions_of(group, matrix, columns)
                if len(found) <= max(FEW, len(group.members) // 2):
                    return matrix, columns, found
        return None

    def _is_uniform(self, nodes: Sequence[Value]) -> bool:
        """Whether they are the same for every row."""
        sources = {*map(self.group_of.__getitem__, nodes)}
        return not any(self._block(group).varying for group in sources)

    def _share(
        self, number: int, group: Group, matrix: slice, columns: slice, regions: Sequence[Region]
    ) -> None:
        """Record one product, or one look-up, per region."""
        numbers = {id(parents): k for k, parents in enumerate(group.parents)}
        members: list[Value] = []
        results: list[Block] = []
        for region in regions:
            nodes = [p for parents in region[0] for p in parents[matrix]]
            a = self._whole(nodes, (len(region[0]), len(nodes) // len(region[0])))
            nodes = [p for row in region for p in row[0][columns]]
            b = self._whole(nodes, (len(region), len(nodes) // len(region)))
            if group.row is TAKE:
                results.append(self._looked_up(a, b))
            else:
                results.append(self._product(a, b, region))
            members += [group.members[numbers[id(p)]] for row in region for p in row]
        ends = [*accumulate(self.recorder.count(result.index) for result in results)]
        parts = zip(results, map(range, [0, *ends], ends))
        whole = self._joined(parts, (ends[-1], 1)) if len(results) > 1 else results[0]
        self._settle(number, members, whole)

    def _product(self, a: Block, b: Block, region: Region) -> Block:
        biases = [parents[-1] for row in region for parents in row]
        bias = self._gather(biases, (b.shape[0], a.shape[0]))
        is_zero = repr(bias) == "0.0"  # and not -0, to which a sum of -0s adds up
        result = self.recorder.product(a, b, None if is_zero else bias)
        self.tape.note(partial(self.tape.repay_product, a, b, bias), result)
        return result

    def _looked_up(self, rows: Block, index: Block) -> Block:
        """``take`` from uniform numbers: places that look into the same rows do so together."""
        recorder, (i, n), w = self.recorder, rows.shape, index.shape[0]
        tiled = recorder.picked(rows, np.tile(np.arange(i * n), w), (w * i, n))
        each = recorder.picked(index, np.repeat(np.arange(w), i), (w * i, 1))
        result = recorder.take(tiled, each)
        self.tape.note(partial(self.tape.repay_look_up, rows, index), result)
        return result

    # -- debts ----------------------------------------------------------------------------------

    def finish(self, roots: Sequence[Value], parameters: Sequence[Value]) -> Rolled:
        """Record the loss and the gradient."""
        recorder = self.recorder
        values = [self._gather([root]) for root in roots]
        loss: Number = reduce(add, values)
        loss = recorder.mean(loss) if isinstance(loss, Block) else loss
        for value in values:
            if isinstance(value, Block):
                self.tape.pay(value, 1.0, ONE)
        labelled = self._labelled()
        self.group_of.clear()  # there may be a million
        self.slots.clear()
        self.tape.repay()
        gradient = self.tape.debt(recorder.parameters)
        shape = len(parameters), 1
        if gradient is None:
            whole = recorder.collect([], shape, once=True)
        else:
            whole = recorder.reshaped(recorder.block(gradient), shape)
        program, index = placed(recorder.finish(values, loss, whole))
        recorder.let_go()
        labels = {(int(index[k]), slot): label for k, slot, label in labelled if index[k] >= 0}
        return Rolled(program, tuple(parameters), labels)

    def _labelled(self) -> list[tuple[int, int, str]]:
        """Block, place and label of what was computed and has one; of leaves `Names` has them."""
        computed = islice(self.group_of.items(), self._leaves, None)
        return [
            (self.blocks[group], self.slots.get(node, 0), node.label)
            for node, group in computed
            if node._note is not None and node.label and group != CONSTANTS
        ]
