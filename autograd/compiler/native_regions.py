"""Element-wise neighbours in one kernel: what passes between them never goes through memory.

*Region*: operations of a program that work element by element on as many numbers, and read each
other number by number if they do.  They are moved together, and become one kernel, which is
compiled when a program first needs it.  What is in no region is a kernel of its own, in the same
way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from autograd.compiler.arrays import (
    ARITIES,
    CODE,
    ELEMENTWISE,
    LEAVES,
    ArrayProgram,
    Shape,
    ends_of,
    in_turn,
    readings,
    reordered,
    through,
)  # fmt: skip

MOST_MEMBERS = 32
"""Operations of a region: what passes between them should be in registers at once."""


class Read(NamedTuple):
    """Element (i, j) of an operand is number start + i s + j t of the base; with -1 - table for
    start, the one of which number i s + j t of the table says the place."""

    base: int
    start: int
    s: int
    t: int


@dataclass(frozen=True, slots=True)
class Regions:
    """A program in which the members of a region follow one another."""

    program: ArrayProgram
    members: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """All of its region, by each of them."""
    inner: frozenset[int] = frozenset()
    """Members that nobody else reads: they have no place in the memory."""


class Body:
    """The name of a kernel behind its kinds, as operations are added to it, and what it reads."""

    def __init__(self, program: ArrayProgram) -> None:
        self._program = program
        self._results: dict[int, str] = {}
        self._operations: list[str] = []
        self.reads: dict[tuple[Read, Shape], str] = {}
        """What is read, seen in which shape."""

    def add(self, k: int) -> None:
        """Compute an operation of the program."""
        one = self._program[k]
        names = [self.named(j, one.shape) for j in one.operands[: ARITIES[one.word]]]
        self._operations.append(" ".join([one.word, *names]))
        self._results[k] = f"r{len(self._results)}"

    def named(self, j: int, shape: Shape) -> str:
        """What a block is called in the kernel: a result, or what is read."""
        read = read_of(self._program, j)
        return self._results.get(read.base) or self.read(read, shape)

    def read(self, read: Read, shape: Shape) -> str:
        return self.reads.setdefault((read, shape), f"a{len(self.reads)}")

    def storing(self, results: Iterable[str]) -> str:
        """The body, with what it stores."""
        return f"{';'.join(self._operations)}|{' '.join(results)}"


def read_of(program: ArrayProgram, j: int) -> Read:
    """How an operand is read."""
    one = program[j]
    return read_at(one.operands if one.word == "view" else (j, 0, one.shape[1], 1), one.shape)


def read_at(place: Sequence[int], shape: Shape) -> Read:
    """A place in a base; where its shape is stretched, the steps are 0."""
    base, start, s, t = place
    if start < 0:
        s, t = shape[1], 1
    return Read(base, start, s if shape[0] > 1 else 0, t if shape[1] > 1 else 0)


class Fusing:
    """Goes through a program once; operations wait in regions until somebody else needs them."""

    def __init__(self, program: ArrayProgram) -> None:
        self.program = program
        self.views = program.codes == CODE["view"]
        self.bases = np.where(self.views, program.operands[:, 0], np.arange(len(program)))
        self.reads = defaultdict[int, list[int]](list)
        """The blocks that each operation reads."""
        for k, block in in_turn(*readings(program, np.flatnonzero(~self.views))):
            self.reads[k].append(block)
        self.counts = program.shapes.prod(axis=1).tolist()
        self.waiting = defaultdict[int, list[int]](list)
        """A region for each count of numbers, until somebody else needs one of its members."""
        self.region_of: dict[int, list[int]] = {}
        self.order: list[int] = []

    def fused(self) -> Regions:
        """The program in regions."""
        for k, one in enumerate(self.program):
            if one.word in ELEMENTWISE and one.varying:
                self._join(k, one.shape)
            elif one.word != "view":
                for block in self.reads[k]:
                    self._flush(int(self.bases[block]))
                self.order.append(k)
        for region in [*self.waiting.values()]:
            self._flush(region[0])
        return self._regions()

    def _join(self, k: int, shape: Shape) -> None:
        """Let an operation wait with those of as many numbers."""
        for block in self.reads[k]:
            read = read_of(self.program, block)
            if not self._is_whole(read, shape):
                self._flush(read.base)
        region = self.region_of[k] = self.waiting[self.counts[k]]
        region.append(k)
        if len(region) == MOST_MEMBERS:
            self._flush(k)

    def _flush(self, base: int) -> None:
        """Compute the region of a block now, if it waits."""
        if base in self.waiting.get(self.counts[base], ()):
            self.order += self.waiting.pop(self.counts[base])

    def _is_whole(self, read: Read, shape: Shape) -> bool:
        """Whether an operand is all of a block in its own order."""
        (n, m), steps = self.program[read.base].shape, (read.start, read.s, read.t)
        return n * m == shape[0] * shape[1] and steps == (0, *through(shape))

    def _regions(self) -> Regions:
        """The program in the new order, each view behind its base."""
        program, rank = self.program, np.zeros(len(self.program))
        rank[self.order] = np.arange(len(self.order))
        rank[self.views] = np.maximum(rank[self.bases[self.views]], len(LEAVES) - 1) + 0.5
        order = np.argsort(rank, kind="stable")
        place = np.append(np.argsort(order), -1)
        inner = place[[*(self.region_of.keys() - self._read_elsewhere())]]
        members = {int(place[k]): place[region].tolist() for k, region in self.region_of.items()}
        return Regions(reordered(program, order, place), members, frozenset(inner.tolist()))

    def _read_elsewhere(self) -> set[int]:
        """What is not only read within its region."""
        found = {*self.bases[ends_of(self.program)].tolist()}
        for k, blocks in self.reads.items():
            here, bases = self.region_of.get(k), self.bases[blocks].tolist()
            found.update(base for base in bases if self.region_of.get(base) is not here)
        return found
