"""Where the blocks of a program lie in the native memory, and the planning of single operations.

*Single operation*: element by element on single numbers.  There may be a million of them, so they
are planned in columns: one linear walk hands out their places, and everything else is said for all
of a run at once.  A place is handed on when nobody needs what is in it: of any varying block, and
of a uniform single number that is only read where it was computed, before the rows or after them.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import (
    ARITY,
    CODE,
    ELEMENTWISE,
    INPUTS,
    OVER_ROWS,
    VIEWS,
    WORDS,
    ArrayProgram,
    Integers,
    ends_of,
    readings,
    waiting,
)
from autograd.compiler.native_regions import Regions
from autograd.compiler.native_signatures import single
from autograd.compiler.native_tables import (
    AFTER,
    BEFORE,
    FIRST_REGISTER,
    ROWS,
    Plan,
    R,
    Singles,
)

PIECE = 2**16
"""Operations that are planned at a time."""

FEW = 8
"""Single operations that are worth no columns."""


class Places:
    """The memory, as it is handed out from the first operation to the last."""

    def __init__(self, regions: Regions, out: Plan) -> None:
        self.program, self.out = regions.program, out
        self.of = array("q", bytes(8 * len(self.program)))
        """Of each block, in planned words."""
        over = np.isin(self.program.codes, [CODE[word] for word in OVER_ROWS])
        self.waits = waiting(self.program, over)
        """Whether a block is added up over the rows, or needs what is."""
        self._bases, self._is_view = bases_of(self.program)
        self._tables = np.where(self.program.varying, ROWS, np.where(self.waits, AFTER, BEFORE))
        self._kernels = self._find_singles(regions)
        self._free: dict[int, list[int]] = {}
        self._own: dict[int, list[int]] = {table: [] for table in (BEFORE, AFTER)}
        self._own[ROWS] = self._free.setdefault(1, [])
        self._scratch: list[tuple[int, int]] = []
        self._fallen = 0
        self._falling, self._when, self.uses = self._readers(regions, over)
        self._counts = self.program.shapes.prod(axis=1).data
        self.others = np.flatnonzero((self._kernels == 0) & ~self._is_view).tolist()
        """The operations that are not single."""

    # -- room -----------------------------------------------------------------------------------

    def room(self, k: int) -> int:
        """Room for a block."""
        n, m = self.program.shapes[k].tolist()
        return self.registers(n * m) if self.program.varying[k] else self.out.uniform(n * m)

    def registers(self, count: int) -> int:
        """So many registers, one behind the other."""
        spare = self._free.get(count)
        return spare.pop() if spare else self.new_registers(count)

    def new_registers(self, count: int) -> int:
        """Registers that nobody had before."""
        place = FIRST_REGISTER + self.out.registers * R
        self.out.registers += count
        return place

    def scratch(self, table: int, count: int, uniform: bool = False) -> int:
        """Room that is needed by the present operation alone."""
        if uniform or table != ROWS:
            return self.out.uniform(count)
        place = self.registers(count)
        self._scratch.append((place, count))
        return place

    def release(self, k: int) -> None:
        """Let go of what the operation was the last to need."""
        for place, count in self._scratch:
            self._free.setdefault(count, []).append(place)
        self._scratch.clear()
        while self._fallen < len(self._when) and self._when[self._fallen] == k:
            self._let_go(self._falling[self._fallen])
            self._fallen += 1

    def _let_go(self, block: int) -> None:
        count = self._counts[block]
        if count == 1:
            self._own[self._tables[block]].append(self.of[block])
        else:
            self._free.setdefault(count, []).append(self.of[block])

    # -- single operations ----------------------------------------------------------------------

    def singles(self, start: int, stop: int) -> None:
        """Plan the single operations from ``start`` to before ``stop``."""
        for piece in range(start, stop, PIECE):
            run = piece + np.flatnonzero(self._kernels[piece : min(stop, piece + PIECE)])
            if len(run):
                self._plan_run(run)

    def _plan_run(self, run: Integers) -> None:
        falling, fallen, of, counts = self._falling, self._fallen, self.of, self._counts
        tables = self._tables[run]
        own = [self._own[table] for table in (BEFORE, ROWS, AFTER)]
        for k, table, count in zip(run.tolist(), tables.tolist(), self._due(run)):
            spare = own[table]
            if count:  # what is read last may be written over
                if count == 1 and counts[falling[fallen]] == 1:
                    spare.append(of[falling[fallen]])
                else:
                    for block in falling[fallen : fallen + count]:
                        self._let_go(block)
                fallen += count
            if spare:
                of[k] = spare.pop()
            else:
                of[k] = self.new_registers(1) if table == ROWS else self.out.uniform(1)
        self._fallen = fallen
        if len(run) < FEW:
            for k in run:
                self.out.tables[self._tables[k]].extend(self._columns(k[None]).words(R).tolist())
            return
        for table in (BEFORE, ROWS, AFTER):
            here = run[tables == table]
            if len(here):
                self.out.tables[table].add(self._columns(here))

    def _due(self, run: Integers) -> list[int]:
        """How many blocks fall free at each of these operations."""
        first, stop = (np.searchsorted(self._when, run, side) for side in ("left", "right"))
        counts: list[int] = (stop - first).tolist()
        return counts

    def _columns(self, run: Integers) -> Singles:
        """Kernels and places of single operations."""
        program, places = self.program, np.frombuffer(self.of, np.int64)
        operands, arity = program.operands[run, :3], ARITY[program.codes[run]]
        operands[np.arange(3) >= arity[:, None]] = 0
        bases = self._bases[operands]
        varies = program.varying[bases]
        steps = np.where(self._is_view[operands], program.operands[operands, 1], 0)
        found = places[bases] + steps * np.where(varies, R, 1)
        return Singles(
            self._kernels[run] - 1,
            program.varying[run],
            arity.astype(np.uint8),
            compact(np.column_stack([places[run], found])),
        )

    def _find_singles(self, regions: Regions) -> npt.NDArray[np.uint16]:
        """Which kernel does an operation on single numbers, plus 1; 0 for all others."""
        program, codes = self.program, self.program.codes
        kinds = np.where(codes == CODE["table"], 0, np.where(program.varying[self._bases], 2, 1))
        here, forms = (program.shapes == 1).all(axis=1), 2 * codes.astype(np.int64)
        forms += program.varying
        for column in range(3):
            has = ARITY[codes] > column
            kind = kinds[program.operands[has, column]]
            forms *= 3
            forms[has] += kind
            here[has] &= kind > 0
        here &= np.isin(codes, [CODE[word] for word in ELEMENTWISE])
        here[[*(k for members in regions.members.values() for k in members)]] = False
        found, which = np.unique(forms[here], return_inverse=True)
        numbers = [1 + self.out.number(_kernel_of(form)) for form in found.tolist()]
        kernels = np.zeros(len(program), np.uint16)
        kernels[here] = np.array(numbers, np.uint16)[which]
        return kernels

    def _readers(
        self, regions: Regions, over: npt.NDArray[np.bool_]
    ) -> tuple[Any, Integers, Integers]:
        """The blocks in the order in which they fall free, when, and how often each is read."""
        program, tables = self.program, self._tables
        kept = self._bases[ends_of(program)]
        uses = np.bincount(np.concatenate([kept, kept]), minlength=len(program))
        last, stays = np.zeros((2, len(program)), np.int64)
        is_real = ~self._is_view
        readers, blocks = readings(program, is_real)
        blocks = self._bases[blocks]
        uses += np.bincount(blocks, minlength=len(program))
        np.maximum.at(last, blocks, readers)
        stays[blocks[np.where(over[readers], ROWS, tables[readers]) != tables[blocks]]] = 1
        last[[INPUTS, *kept.tolist(), *regions.inner]] = 0
        last[stays > 0] = 0
        last[~program.varying & (self._kernels == 0)] = 0
        falling = np.flatnonzero(last)
        falling = falling[np.argsort(last[falling], kind="stable")]
        return falling.data, last[falling], uses


def compact(places: Integers) -> npt.NDArray[np.int32]:
    """Registers as their number, uniform places as they are."""
    return np.where(places < 0, places, places >> 32).astype(np.int32)


def bases_of(program: ArrayProgram) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """The real block behind each, and which blocks are views or tables."""
    is_view = np.isin(program.codes, [CODE[word] for word in VIEWS])
    return np.where(is_view, program.operands[:, 0], np.arange(len(program))), is_view


def _kernel_of(form: int) -> str:
    """The kernel of a form: a word, whether it varies, and which of its operands do."""
    form, *digits = form // 27, form // 9 % 3, form // 3 % 3, form % 3
    word, varies = WORDS[form // 2], form % 2
    kinds = ["uv"[digit - 1] if varies else "v" for digit in digits[: ARITY[form // 2]]]
    return single(word, "".join(kinds))
