"""Where the blocks of a program lie in the native memory, and the planning of single operations.

A place is handed on when nobody needs what is in it: of any varying block, and of a uniform single
number that is only read where it was computed, before the rows or after them.  One linear walk says
where each block lies, before anything is planned.

*Single operation*: element by element on single numbers.  There may be a million of them, so they
are planned in columns.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import (
    ARITIES,
    ARITY,
    CHUNK,
    CODE,
    ELEMENTWISE,
    INPUTS,
    LEAVES,
    WORDS,
    Integers,
    Small,
    ends_of,
    in_turn,
    readings,
    sums_over_rows,
    waiting,
)
from autograd.compiler.native_regions import Regions
from autograd.compiler.native_tables import (
    AFTER,
    BEFORE,
    FIRST_REGISTER,
    PAD,
    ROWS,
    Plan,
    single,
)


class Places:
    """The memory of a program."""

    def __init__(self, regions: Regions, out: Plan, rows: int) -> None:
        program = self.program = regions.program
        self.out = out
        over = sums_over_rows(program)
        late = waiting(program, over)
        self.tables = np.select(
            [program.varying, late], [np.uint8(ROWS), np.uint8(AFTER)], np.uint8(BEFORE)
        )
        """The table in which each block is computed."""
        self._is_view = program.codes == CODE["view"]
        own = np.arange(len(program), dtype=np.int32)
        self._bases = np.where(self._is_view, program.operands[:, 0].astype(np.int32), own)
        self._kernels = self._find_singles(regions)
        self.others = np.flatnonzero((self._kernels == 0) & ~self._is_view)[len(LEAVES) :].tolist()
        """The operations that are not single."""
        self.of = array("q", bytes(8 * len(program)))
        """The place of each block; 0 where `room` has to be made first."""
        last, self.read_once = self._readers(over, regions.inner)
        """What is summed over the rows and goes to one place."""
        self._hand_out(*self._turns(regions, last))
        out.settle(rows)
        places = np.frombuffer(self.of, np.int64)
        varies = places > 0
        places[varies] = FIRST_REGISTER + (places[varies] - 1) * out.length
        out.copy = FIRST_REGISTER + out.registers * out.length
        out.registers += int(program.shapes[INPUTS, 0])
        self._own, self.lent = out.registers, 0
        """How many registers are blocks', and how many more the present operation needs alone."""

    def room(self, k: int) -> int:
        """The place of a block."""
        if not self.of[k]:
            self.of[k] = self.out.uniform(int(self.program.shapes[k].prod()))
        return self.of[k]

    def scratch(self, table: int, count: int) -> int:
        """Room that is needed by the present operation alone."""
        if table != ROWS:
            return self.out.uniform(count)
        first, self.lent = self._own + self.lent, self.lent + count
        self.out.registers = max(self.out.registers, first + count)
        return FIRST_REGISTER + first * self.out.length

    def _hand_out(self, blocks: Small, sizes: Small, are_done: npt.NDArray[np.bool_]) -> None:
        """Say where blocks lie: what nobody needs any more goes to the next of its size.

        A register is its number, from 1, as long as nobody knows how many there will be.
        """
        of, out = self.of, self.out
        of[INPUTS], out.registers = 1, int(self.program.shapes[INPUTS, 0])
        spare: defaultdict[int, list[int]] = defaultdict(list)
        for k, size, is_done in in_turn(blocks, sizes, are_done):
            places = spare[size]
            if is_done:
                places.append(of[k])
            elif places:
                of[k] = places.pop()
            elif size < 0:
                of[k] = out.uniform(1)
            else:
                of[k], out.registers = 1 + out.registers, out.registers + size

    def _turns(self, regions: Regions, last: Small) -> tuple[Small, Small, npt.NDArray[np.bool_]]:
        """Blocks as they want a place or are done with it: which, of what size, and whether done.

        A size that is negative is a uniform number of one of the tables.
        """
        program = self.program
        sizes = np.where(
            program.varying, program.shapes.prod(axis=1), -1 - self.tables.astype(int)
        ).astype(np.int32)
        wants = program.varying & ~self._is_view | (self._kernels > 0)
        wants[[INPUTS, *regions.inner]] = False
        # a single operation may write over what it is the last to read; a region, which stores an
        # element before it reads the next, may not
        free_at = np.arange(len(program), dtype=np.int32) - (self._kernels == 0)
        for k, members in regions.members.items():
            free_at[k] = members[0] - 1
        falling = np.flatnonzero(last < len(program)).astype(np.int32)
        falling = falling[np.argsort(last[falling], kind="stable")]
        rooms = np.flatnonzero(wants).astype(np.int32)
        before = np.searchsorted(last[falling], free_at[rooms], "right").astype(np.int32)
        are_done = np.ones(len(rooms) + before[-1:].sum(), np.bool_)
        are_done[before + np.arange(len(rooms), dtype=np.int32)] = False
        blocks = np.empty(len(are_done), np.int32)
        blocks[~are_done], blocks[are_done] = rooms, falling[: len(blocks) - len(rooms)]
        return blocks, sizes[blocks], are_done

    def _readers(self, over: npt.NDArray[np.bool_], inner: Iterable[int]) -> tuple[Small, set[int]]:
        """Who reads each block last (nobody ever: as many as there are), and which of what is
        summed over the rows is read but once."""
        program, count = self.program, len(self.program)
        last = np.zeros(count, np.int32)
        tables, elsewhere = np.where(over, np.uint8(ROWS), self.tables), np.zeros(count, np.bool_)
        kept = self._bases[ends_of(program)].tolist()
        summed = Counter([*kept, *kept])
        for start in range(0, count, CHUNK):  # there may be millions
            which = start + np.flatnonzero(~self._is_view[start : start + CHUNK])
            readers, blocks = readings(program, which)
            blocks = self._bases[blocks]
            summed.update(blocks[over[blocks]].tolist())
            last[blocks] = readers  # which come in order: the last one stays
            elsewhere[blocks[tables[readers] != self.tables[blocks]]] = True
        last[[INPUTS, *kept, *inner]] = count
        last[(last == 0) | elsewhere | ~program.varying & (self._kernels == 0)] = count
        return last, {k for k, uses in summed.items() if uses == 1}

    # -- single operations ----------------------------------------------------------------------

    def singles(self, start: int, stop: int) -> None:
        """Plan the single operations from ``start`` to before ``stop``."""
        for piece in range(start, stop, CHUNK):
            run = piece + np.flatnonzero(self._kernels[piece : min(stop, piece + CHUNK)])
            for table in (BEFORE, ROWS, AFTER):
                here = run[self.tables[run] == table]
                if len(here):
                    self.out.tables[table].frombytes(self._entries(here).tobytes())

    def _entries(self, run: Integers) -> Small:
        """The entries of single operations."""
        program, places = self.program, np.frombuffer(self.of, np.int64)
        arity = ARITY[program.codes[run]]
        starts = np.cumsum(5 + 2 * arity) - 5 - 2 * arity
        words = np.zeros(starts[-1] + 5 + 2 * arity[-1], np.int32)
        words[starts], words[starts + 1] = self._kernels[run] - 1, 1
        words[starts + 2] = np.where(program.varying[run], self.out.length, PAD)
        words[starts + 3] = places[run]
        for column in range(3):
            has = arity > column
            operands = program.operands[run[has], column]
            bases = self._bases[operands]
            steps = np.where(self._is_view[operands], program.operands[operands, 1], 0)
            units = np.where(program.varying[bases], self.out.length, 1)
            words[starts[has] + 5 + 2 * column] = places[bases] + steps * units
        return words

    def _find_singles(self, regions: Regions) -> npt.NDArray[np.uint16]:
        """Which kernel does an operation on single numbers, plus 1; 0 for all others."""
        program, varying = self.program, self.program.varying
        here = (program.shapes == 1).all(axis=1)
        here[[*regions.members]] = False
        forms = 2 * program.codes.astype(np.uint16) + varying
        for column in range(3):
            has = ARITY[program.codes] > column
            operands = program.operands[has, column]
            here[has] &= ~self._is_view[operands] | (program.operands[operands, 1] >= 0)
            forms *= 2
            forms[has] += varying[operands]
        kernels, examples = np.zeros(16 * len(WORDS), np.uint16), np.full(16 * len(WORDS), -1)
        examples[forms[here]] = np.flatnonzero(here)
        for form in np.flatnonzero(examples >= 0):
            one = program[examples[form]]
            if one.word in ELEMENTWISE:
                reads = varying[[*one.operands[: ARITIES[one.word]]]].tolist()
                kinds = ["uv"[varies] if one.varying else "v" for varies in reads]
                kernels[form] = 1 + self.out.number(single(one.word, "".join(kinds)))
        return np.where(here, kernels[forms], np.uint16(0))
