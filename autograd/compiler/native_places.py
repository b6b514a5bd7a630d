"""Where the blocks of a program lie in the native memory, and the planning of single operations.

*Single operation*: element by element on single numbers.  There may be a million of them, so they
are planned in columns: one linear walk hands out their places, and everything else is said for all
of a run at once.  A place is handed on when nobody needs what is in it: of any varying block, and
of a uniform single number that is only read where it was computed, before the rows or after them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import (
    ARITY,
    CODE,
    INPUTS,
    OVER_ROWS,
    VIEWS,
    WORDS,
    ArrayProgram,
    Integers,
    ends_of,
    waiting,
)
from autograd.compiler.native_regions import Regions
from autograd.compiler.native_tables import (
    AFTER,
    BEFORE,
    FIRST_REGISTER,
    KINDS,
    NUMBER,
    PAD,
    ROWS,
    Plan,
    R,
    Singles,
    readings,
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
        uniform = np.where(self.waits, np.uint8(AFTER), np.uint8(BEFORE))
        self._tables = np.where(self.program.varying, np.uint8(ROWS), uniform)
        self._kernels = self._find_singles(regions)
        self._free: dict[int, list[int]] = {}
        self._own: dict[int, list[int]] = {table: [] for table in (BEFORE, AFTER)}
        self._own[ROWS] = self._free.setdefault(1, [])
        self._scratch: list[tuple[int, int]] = []
        self._fallen = 0
        self._falling, self._when, self.uses = self._readers(regions, over)
        self.others = np.flatnonzero((self._kernels == 0) & ~self._is_view).tolist()
        """The operations that are not single."""

    # -- room -----------------------------------------------------------------------------------

    def room(self, k: int) -> int:
        """Room for a block."""
        n, m = self.program.shapes[k].tolist()
        return self.registers(n * m) if self.program.varying[k] else self.uniform(n * m)

    def registers(self, count: int) -> int:
        """So many registers, one behind the other."""
        spare = self._free.get(count)
        return spare.pop() if spare else self.new_registers(count)

    def new_registers(self, count: int) -> int:
        """Registers that nobody had before."""
        place = FIRST_REGISTER + self.out.registers * R
        self.out.registers += count
        return place

    def uniform(self, count: int) -> int:
        """So many uniform places, and a vector behind them."""
        self.out.uniforms += -(-(count + PAD - 1) // PAD) * PAD
        return -self.out.uniforms

    def scratch(self, table: int, count: int, uniform: bool = False) -> int:
        """Room that is needed by the present operation alone."""
        if uniform or table != ROWS:
            return self.uniform(count)
        place = self.registers(count)
        self._scratch.append((place, count))
        return place

    def release(self, k: int) -> None:
        """Let go of what the operation was the last to need."""
        for place, count in self._scratch:
            self._free.setdefault(count, []).append(place)
        self._scratch.clear()
        while self._fallen < len(self._when) and self._when[self._fallen] == k:
            self._let_go(int(self._falling[self._fallen]))
            self._fallen += 1

    def _let_go(self, block: int) -> None:
        n, m = self.program.shapes[block].tolist()
        count = n * m
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
        of, tables = self.of, self._tables[run]
        own = [self._own[table] for table in (BEFORE, ROWS, AFTER)]
        falling, counts = self._due(run)
        for k, table, count in zip(run.tolist(), tables.tolist(), counts):
            if count == 1:  # what is read last is written over
                of[k] = of[next(falling)]
            elif count == 2:
                own[table].append(of[next(falling)])
                of[k] = of[next(falling)]
            else:
                for block in islice(falling, abs(count)) if count else ():
                    self._let_go(block)
                spare = own[table] or [self.new_registers(1) if table == ROWS else self.uniform(1)]
                of[k] = spare.pop()
        if len(run) < FEW:
            for k in run:
                self.out.tables[self._tables[k]].extend(self._columns(k[None]).words(R).tolist())
            return
        for table in (BEFORE, ROWS, AFTER):
            here = run[tables == table]
            if len(here):
                self.out.tables[table].add(self._columns(here))

    def _due(self, run: Integers) -> tuple[Iterator[int], list[int]]:
        """The blocks that fall free at these operations, and how many at each: less than none where
        some are no single numbers, or of another table."""
        ends = np.searchsorted(self._when, [run, run + 1])
        due = slice(ends[0, 0], ends[1, -1])
        falling, when, self._fallen = self._falling[due], self._when[due], due.stop
        others = self._tables[falling] != self._tables[when]
        others |= (self.program.shapes[falling] != 1).any(axis=1)
        odd = np.append(0, np.cumsum(others))[ends - due.start]
        counts = (ends[1] - ends[0]) * np.where(odd[1] > odd[0], -1, 1)
        return iter(falling.tolist()), counts.tolist()

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
        varies = program.varying[self._bases]
        kinds = np.where(codes == CODE["table"], 3, np.where(varies, 2, 1)).astype(np.uint8)
        forms = codes.astype(np.uint16)
        for column in range(3):
            has = ARITY[codes] > column
            forms *= 4
            forms[has] += kinds[program.operands[has, column]]
        here = (program.shapes == 1).all(axis=1)
        here[[*(k for members in regions.members.values() for k in members)]] = False
        kernels = np.where(here, _SINGLE[forms, program.varying.astype(np.uint8)], 0)
        self.out.kernels |= {kernel - 1 for kernel in np.unique(kernels).tolist() if kernel}
        return kernels.astype(np.uint16)

    def _readers(
        self, regions: Regions, over: npt.NDArray[np.bool_]
    ) -> tuple[Integers, Integers, Integers]:
        """The blocks in the order in which they fall free, when, and how often each is read."""
        program, tables = self.program, self._tables
        kept = self._bases[ends_of(program)]
        uses = np.bincount(np.concatenate([kept, kept]), minlength=len(program))
        last, stays = np.zeros(len(program), np.int64), np.zeros(len(program), np.bool_)
        for blocks, readers in readings(program, self._bases):
            uses += np.bincount(blocks, minlength=len(program))
            np.maximum.at(last, blocks, readers)
            stays[blocks[np.where(over[readers], ROWS, tables[readers]) != tables[blocks]]] = True
        last[[INPUTS, *kept.tolist(), *regions.inner]] = 0
        last[stays] = 0
        last[~program.varying & (self._kernels == 0)] = 0
        falling = np.flatnonzero(last)
        falling = falling[np.argsort(last[falling], kind="stable")]
        return falling, last[falling], uses


def compact(places: Integers) -> npt.NDArray[np.int32]:
    """Registers as their number, uniform places as they are."""
    return np.where(places < 0, places, places >> 32).astype(np.int32)


def bases_of(program: ArrayProgram) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """The real block behind each, and which blocks are views or tables."""
    is_view = np.isin(program.codes, [CODE[word] for word in VIEWS])
    return np.where(is_view, program.operands[:, 0], np.arange(len(program))), is_view


def _kernels_of_singles() -> Integers:
    """Per code and kinds of operands (1 uniform, 2 varying), and whether the result varies, the
    number of the kernel, plus 1."""
    kernels = np.zeros((len(WORDS) * 64, 2), np.int64)
    for word, kinds in KINDS.items():
        for kind in kinds:
            form = CODE[word]
            for each in kind.ljust(3):
                form = 4 * form + " uv".index(each)
            if "v" in kind:
                kernels[form, 1] = 1 + NUMBER[f"{word}.{kind}"]
        uniform = CODE[word]
        for each in "u" * len(kind) + " " * (3 - len(kind)):
            uniform = 4 * uniform + " uv".index(each)
        kernels[uniform, 0] = 1 + NUMBER[f"{word}.{'v' * len(kind)}"]
    return kernels


_SINGLE = _kernels_of_singles()
