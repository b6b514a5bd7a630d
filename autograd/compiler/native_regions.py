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
        result = self._results.get(read.base)
        return result or self.reads.setdefault((read, shape), f"a{len(self.reads)}")

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


def fused(program: ArrayProgram) -> Regions:
    """The program in regions: operations wait in one until somebody else needs any of them."""
    computed, counts = program.codes != CODE["view"], program.shapes.prod(axis=1).tolist()
    reads = {k: list[Read]() for k in range(len(program))}
    for k, block in in_turn(*readings(program, np.flatnonzero(computed))):
        reads[k].append(read_of(program, block))
    region_of, waiting = dict[int, list[int]](), defaultdict[int, list[int]](list)
    for k, one in enumerate(program):
        joins = one.varying and one.word in ELEMENTWISE
        for read in reads[k]:
            inside = joins and _is_whole(program, read, one.shape)
            if not inside and read.base in waiting[counts[read.base]]:
                del waiting[counts[read.base]]
        if joins:
            region = region_of[k] = waiting[counts[k]]
            region.append(k)
            if len(region) == MOST_MEMBERS:
                del waiting[counts[k]]
    return _in_order(program, region_of, reads)


def _is_whole(program: ArrayProgram, read: Read, shape: Shape) -> bool:
    """Whether an operand is all of a block in its own order."""
    (n, m), steps = program[read.base].shape, (read.start, read.s, read.t)
    return n * m == shape[0] * shape[1] and steps == (0, *through(shape))


def _in_order(
    program: ArrayProgram, region_of: Mapping[int, list[int]], reads: Mapping[int, list[Read]]
) -> Regions:
    """A region where the last of its members was, each view behind its base."""
    elsewhere = {read_of(program, k).base for k in ends_of(program)}
    for k, each in reads.items():
        here = region_of.get(k)
        elsewhere.update(read.base for read in each if region_of.get(read.base) is not here)
    turns = np.arange(len(program), dtype=float)
    for k, region in region_of.items():
        turns[k] = region[-1]
    views = program.codes == CODE["view"]
    turns[views] = np.maximum(turns[program.operands[views, 0]], len(LEAVES) - 1) + 0.5
    order = np.argsort(turns, kind="stable")
    place = np.append(np.argsort(order), -1)
    members = {int(place[k]): place[region].tolist() for k, region in region_of.items()}
    inner = place[[*(region_of.keys() - elsewhere)]]
    return Regions(reordered(program, order, place), members, frozenset(inner.tolist()))
