"""Element-wise neighbours in one kernel: what passes between them never goes through memory.

*Region*: operations of a program that work element by element on as many numbers, and read each
other number by number if they do.  They are moved together, and become one kernel, which is
compiled when a program first needs it.  What is in no region is a kernel of its own, in the same
way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from autograd.compiler.arrays import (
    ARITIES,
    ELEMENTWISE,
    LEAVES,
    WORDS,
    ArrayProgram,
    Shape,
    ends_of,
    reordered,
    through,
)  # fmt: skip

MOST_OPERATIONS = 4000
"""A longer program stays as it is: compiling what does not repeat takes longer than to run it."""

MOST_MEMBERS, MOST_READ = 32, 12
"""Operations of a region, and what they read: all should be in registers at once."""


class Read(NamedTuple):
    """Element (i, j) of an operand is number start + i s + j t of the base; with -1 - table for
    start, the one of which number i s + j t of the table says the place."""

    base: int
    start: int
    s: int
    t: int


@dataclass(slots=True, eq=False)
class Region:
    """Operations that are computed together, when one is needed by somebody else."""

    count: int
    """How many numbers each of them has per row."""
    members: list[int] = field(default_factory=list)
    reads: set[Read] = field(default_factory=set)
    """What they read that is none of them."""


@dataclass(frozen=True, slots=True)
class Regions:
    """A program in which the members of a region follow one another, by the first of them."""

    program: ArrayProgram
    members: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    inner: frozenset[int] = frozenset()
    """Members that nobody else reads: they have no place in the memory."""


def fused(program: ArrayProgram) -> Regions:
    """The program in regions."""
    if len(program) > MOST_OPERATIONS:
        return Regions(program)
    return _Fusing(program).fused()


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
        one = self._program[j]
        read = read_of(one.word, j, one.operands, one.shape)
        return self._results.get(read.base) or self.read(read, shape)

    def read(self, read: Read, shape: Shape) -> str:
        return self.reads.setdefault((read, shape), f"a{len(self.reads)}")

    def storing(self, results: Iterable[str]) -> str:
        """The body, with what it stores."""
        return f"{';'.join(self._operations)}|{' '.join(results)}"


def read_of(word: str, j: int, operands: Sequence[int], shape: Shape) -> Read:
    """How an operand is read; where its shape is stretched, the steps are 0."""
    base, start, s, t = operands if word == "view" else (j, 0, shape[1], 1)
    if start < 0:
        s, t = shape[1], 1
    return Read(base, start, s if shape[0] > 1 else 0, t if shape[1] > 1 else 0)


class _Fusing:
    """Goes through a program once; operations wait in regions until somebody else needs them."""

    def __init__(self, program: ArrayProgram) -> None:
        self.program = program
        self.words = [WORDS[code] for code in program.codes.tolist()]
        self.operands = program.operands.tolist()
        self.shapes: list[Shape] = [(n, m) for n, m in program.shapes.tolist()]
        self.region_of: dict[int, Region] = {}
        self.waiting: dict[int, Region] = {}
        """By how many numbers they have."""
        self.order: list[int] = []

    def fused(self) -> Regions:
        for k, word in enumerate(self.words):
            if word in ELEMENTWISE and self.program.varying[k]:
                self._join(k)
            elif word != "view":
                for base in self._bases(k):
                    self._flush(base)
                self.order.append(k)
        for region in [*self.waiting.values()]:
            self._flush(region.members[0])
        return self._regions()

    def _join(self, k: int) -> None:
        """Let an operation wait with those of as many numbers."""
        shape = self.shapes[k]
        count = shape[0] * shape[1]
        blocks = self._blocks(k)
        reads = {read_of(self.words[j], j, self.operands[j], self.shapes[j]) for j in blocks}
        for read in reads:
            if not self._is_whole(read, shape):
                self._flush(read.base)
        region = self.waiting.setdefault(count, Region(count))
        if len(region.members) == MOST_MEMBERS or len(region.reads | reads) > MOST_READ:
            self._flush(region.members[0])
            region = self.waiting.setdefault(count, Region(count))
        region.reads.update(r for r in reads if self.region_of.get(r.base) is not region)
        region.members.append(k)
        self.region_of[k] = region

    def _flush(self, base: int) -> None:
        """Compute the region of a block now, if it waits."""
        region = self.region_of.get(base)
        if region and self.waiting.get(region.count) is region:
            self.order += self.waiting.pop(region.count).members

    def _is_whole(self, read: Read, shape: Shape) -> bool:
        """Whether an operand is all of a block in its own order."""
        (n, m), steps = self.shapes[read.base], (read.start, read.s, read.t)
        return n * m == shape[0] * shape[1] and steps == (0, *through(shape))

    def _blocks(self, k: int) -> list[int]:
        return [j for j in self.operands[k][: ARITIES[self.words[k]]] if j >= 0]

    def _bases(self, k: int) -> Iterator[int]:
        """The real blocks that an operation reads."""
        blocks: Iterable[int] = self._blocks(k)
        if self.words[k] == "collect":
            first, stop, *_ = self.operands[k]
            blocks = self.program.pieces[first:stop, 0].tolist()
        for j in blocks:
            yield self.operands[j][0] if self.words[j] == "view" else j

    def _regions(self) -> Regions:
        """The program in the new order, each view behind its base."""
        views: dict[int, list[int]] = {}
        for k, word in enumerate(self.words):
            if word == "view":
                views.setdefault(self.operands[k][0], []).append(k)
        leaves, rest = self.order[: len(LEAVES)], self.order[len(LEAVES) :]
        moved = [*leaves, *(view for k in leaves for view in views.get(k, ()))]
        moved += [each for k in rest for each in (k, *views.get(k, ()))]
        order = np.array(moved, np.int64)
        place = np.full(len(order) + 1, -1)
        place[order] = np.arange(len(order))
        elsewhere = self._read_elsewhere()
        inner = [place[k] for k in self.region_of if k not in elsewhere]
        members = {}
        for region in {id(region): region for region in self.region_of.values()}.values():
            first, *others = place[region.members].tolist()
            members[first] = first, *others
        return Regions(reordered(self.program, order, place), members, frozenset(inner))

    def _read_elsewhere(self) -> set[int]:
        """What is not only read within its region."""
        found = {
            self.operands[k][0] if self.words[k] == "view" else k for k in ends_of(self.program)
        }
        for k in self.order:
            here = self.region_of.get(k)
            found.update(b for b in self._bases(k) if self.region_of.get(b) is not here)
        return found
