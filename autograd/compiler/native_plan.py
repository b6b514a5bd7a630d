"""From an array program to tables of kernels: where every block lies, and what is done when.

There are three tables: *before* for what is uniform and depends on no row, *rows*, and *after* for
what is uniform and depends on means over the rows.  (`native_update` adds a fourth.)
"""

from __future__ import annotations

from array import array

import numpy as np

from autograd.compiler.arrays import (
    ARITIES,
    CODE,
    CONSTANTS,
    ELEMENTWISE,
    INPUTS,
    LEAVES,
    PARAMETERS,
    ArrayProgram,
    Shape,
    places_of,
)  # fmt: skip
from autograd.compiler.checked import check_views
from autograd.compiler.native_places import Places
from autograd.compiler.native_regions import Body, Read, Regions, fused, read_at, read_of
from autograd.compiler.native_tables import AFTER, NOTHING, PAD, ROWS, ZERO, Operand, Plan, padded


def plan(program: ArrayProgram, rows: int, longest: int = 0, *, fuse: bool = False) -> Plan:
    """The tables of a program for strips of so many rows, or of the longest, in linear time."""
    _check_reach(program)
    try:
        regions = fused(program) if fuse else Regions(program)
        return Planner(regions, rows, longest).planned()
    except OverflowError:  # 32 bits are too few for a place
        raise OverflowError(
            "the program needs more memory than the native backend can address"
        ) from None


class Planner:
    """Goes through a program once, from the first operation to the last."""

    def __init__(self, regions: Regions, rows: int, longest: int) -> None:
        self.regions, self.program = regions, regions.program
        self.varying, self.pieces = self.program.varying.data, self.program.pieces.tolist()
        self.out = Plan(tuple(array("i") for _ in range(4)), longest)
        self.places = Places(regions, self.out, rows)
        self.length = self.out.length
        self.place, self.tables = self.places.of, self.places.tables.data
        self.sums: dict[int, tuple[int, int, int]] = {}
        """Of sums over the rows that have one: place and strides."""
        self.gathered: dict[tuple[Read, Shape], Operand] = {}

    def planned(self) -> Plan:
        out, places = self.out, self.places
        for k in (PARAMETERS, CONSTANTS):
            places.room(k)
        out.param_count, out.width = self._count(PARAMETERS), self._count(INPUTS)
        out.params = self.place[PARAMETERS]
        sizes = (self.length, out.width, self.place[INPUTS], self.length, out.copy, out.width)
        self._emit(ROWS, "transpose", *sizes)
        nothing = (NOTHING, np.array([-0.0]))
        out.constants = [nothing, (self.place[CONSTANTS], self.program.constants)]
        self._place_sums()
        start = len(LEAVES)
        for k in places.others:
            places.singles(start, k)
            self._operation(k)
            start = k + 1
        places.singles(start, len(self.program))
        self._ends()
        return out

    def _operation(self, k: int) -> None:
        one, table = self.program[k], self.tables[k]
        if one.word in ELEMENTWISE:
            self._region(k, table)
        else:
            getattr(self, f"_{one.word}")(k, table, *one.operands[: ARITIES[one.word]])
        self.places.lent = 0

    def _region(self, k: int, table: int) -> None:
        """Operations of a region, when the first has its turn; of the others nothing is left."""
        members = self.regions.members.get(k, (k,))
        if k != members[0]:
            return
        body = Body(self.program)
        for member in members:
            body.add(member)
        stored = [member for member in members if member not in self.regions.inner]
        text = body.storing(f"r{members.index(member)}" for member in stored)
        operands = [self._line(*read, table) for read in body.reads]
        places = [self.places.room(member) for member in stored]
        self.out.apply(table, text, self._count(k), places, operands)

    def _shape(self, k: int) -> Shape:
        n, m = self.program.shapes[k].tolist()
        return n, m

    def _count(self, k: int) -> int:
        """How many elements a block has."""
        n, m = self._shape(k)
        return n * m

    def _read(self, read: Read, shape: Shape) -> Operand:
        """Where what is read is."""
        varies = bool(self.varying[read.base])
        unit = self.length if varies else 1
        place = self.place[read.base]
        if read.start >= 0:
            return Operand(varies, place + read.start * unit, read.s * unit, read.t * unit)
        index = self.program.tables[-1 - read.start][places_of((0, read.s, read.t), shape)]
        return Operand(varies, place, 0, 0, tuple((unit * index).tolist()))

    def _sum(self, k: int, table: int, a: int) -> None:
        word, (n, m) = self.program[k].word, self._shape(a)
        operand, place = self._operand(a, table), self.places.room(k)
        if word == "sum" and not operand.varies and operand.t == 1:
            self._emit(table, "total", n, m, place, operand.place, operand.s)
        else:
            length = self.length if operand.varies else 1
            self._emit(table, word, n, m, length, place, *operand[1:4])

    _max = _sum

    def _take(self, k: int, table: int, a: int, index: int) -> None:
        n, m = self._shape(a)
        chosen, places, length = self._operand(a, table), self._operand(index, table), 1
        if self.varying[k]:
            places, length = self._as_varying(places, (n, 1)), self.length
        sizes = (n, m, length, self.places.room(k))
        self._emit(table, "take", *sizes, *chosen[1:4], chosen.varies, places.place, places.s)

    def _matmul(self, k: int, table: int, a: int, b: int, bias: int) -> None:
        (width, depth), (windows, _) = self._shape(a), self._shape(b)
        weights, data = self._operand(a, table), self._operand(b, table)
        shift = self._operand(bias, table) if bias >= 0 else Operand(False, ZERO, 0, 0)
        place, length = self.places.room(k), 1
        if self.varying[k]:
            data, length = self._as_varying(data, (windows, depth)), self.length
        own = (NOTHING, 0, 0) if shift.varies else shift[1:4]
        sizes = (windows, width, depth, length, place)
        self._emit(table, "matmul", *sizes, *weights[1:4], *data[1:4], *own)
        if shift.varies:
            operands = [Operand(True, place, 0, length), shift.along((windows, width))]
            self.out.apply(table, "add a0 a1|r0", windows * width, [place], operands)

    def _mean(self, k: int, _: int, a: int) -> None:
        operand = self._operand(a, ROWS)
        self._emit(ROWS, "mean", *self._shape(a), *self._sums_of(k), *operand[1:4])

    def _outer(self, k: int, _: int, a: int, b: int) -> None:
        (windows, height), (_, width) = self._shape(a), self._shape(b)
        left = self._as_varying(self._operand(a, ROWS), (windows, height))
        place, d, _ = self._sums_of(k)
        right = self._row_by_row(b, (windows, width))
        sizes, start = (windows, height, width, place, d, self.length), len(self.out.tables[ROWS])
        self._emit(ROWS, "outer", *sizes, *left[1:4], *right)
        if self._can_wait(k):
            self.out.last_outer = slice(start, len(self.out.tables[ROWS]))

    def _can_wait(self, k: int) -> bool:
        """Whether the gradient alone needs an operation, and what it reads is never overwritten."""
        program, last = self.program, len(self.program) - 1
        is_last = program.loss < last == read_of(program, program.gradient).base
        return is_last and not program.varying[k + 1 :].any() and not self.places.lent

    def _row_by_row(self, b: int, shape: Shape) -> tuple[int, int, int]:
        """Place, stride of windows, stride of rows of a block that lies row by row."""
        (windows, width), read = shape, read_of(self.program, b)
        if read.base == INPUTS and read.start >= 0 and (read.t == 1 or width == 1):
            return self.out.copy + read.start, read.s, self.out.width
        operand = self._as_varying(self._operand(b, ROWS), shape)
        stride = padded(windows * width) + PAD
        place = self.places.scratch(ROWS, stride)
        for w in range(windows):
            source = operand.place + w * operand.s
            self._emit(
                ROWS, "transpose", width, self.length, place + w * width, stride, source, operand.t
            )
        return place, width, stride

    def _place_sums(self) -> None:
        """Let sums over the rows go straight to the places where they are collected."""
        for k in np.flatnonzero(self.program.codes == CODE["collect"]).tolist():
            first, stop, once, _ = self.program[k].operands
            pieces = self.pieces[first:stop] if once else []
            if self.varying[k] or any(start < 0 for _, start, *_ in pieces):
                continue
            for block, start, s, t in pieces:
                word = self.program[block].word
                straight = t == 1 if word == "outer" else word == "mean"
                if straight and s >= 0 and t >= 0 and block in self.places.read_once:
                    self.sums[block] = (self.places.room(k) + start, s, t)

    def _sums_of(self, k: int) -> tuple[int, int, int]:
        """Where the sums over the rows of a block go: place and strides."""
        n, m = self._shape(k)
        if k not in self.sums:
            self.sums[k] = (self.places.room(k), m, 1)
        place, s, t = self.sums[k]
        self.out.means.append((place, s, t, (n, m)))
        return place, s, t

    def _collect(self, k: int, table: int) -> None:
        first, stop, once, _ = self.program[k].operands
        pieces, place = self.pieces[first:stop], self.places.room(k)
        unit = self.length if table == ROWS else 1
        there = {block for block, *_ in pieces if block in self.sums and not self.place[block]}
        covered = once and sum(self._count(block) for block, *_ in pieces) == self._count(k)
        if not covered and (table == ROWS or not there):
            zero = Operand(False, ZERO, 0, 0)
            self.out.apply(table, "|a0", self._count(k), [place], [zero])
        for block, *where in pieces:
            if block not in there:
                shape = self._shape(block)
                to = self._read(read_at((k, *where), shape), shape).along(shape)
                operand = self._read(read_of(self.program, block), shape).along(shape)
                body, operands = ("|a0", [operand]) if once else ("add a0 a1|r0", [to, operand])
                self.out.put(table, body, (self._count(block), unit), [to], operands)

    def _line(self, read: Read, shape: Shape, table: int) -> Operand:
        """Where what is read element by element is; in line in the tables of what is uniform."""
        operand = self._read(read, shape).along(shape)
        if table == ROWS:
            return operand
        if operand.each or operand.t not in (0, 1):
            operand = self._gathered(read, shape, table).along(shape)
        return operand

    def _operand(self, k: int, table: int) -> Operand:
        """Where the numbers of an operand are; those of a table are gathered."""
        read, shape = read_of(self.program, k), self._shape(k)
        return self._read(read, shape) if read.start >= 0 else self._gathered(read, shape, table)

    def _gathered(self, read: Read, shape: Shape, table: int) -> Operand:
        """What is read, in C order; what is the same for all rows is put so only once."""
        if self.varying[read.base]:
            return self._copied(self._read(read, shape), table, shape)
        if (read, shape) not in self.gathered:
            operand, table = self._read(read, shape), self.tables[read.base]
            self.gathered[read, shape] = self._copied(operand, table, shape)
        return self.gathered[read, shape]

    def _copied(self, operand: Operand, table: int, shape: Shape) -> Operand:
        """The same numbers, in C order; in the table of the rows with a number for each of them."""
        (n, m), varies = shape, table == ROWS
        place, unit = self.places.scratch(table, n * m), self.length if varies else 1
        to = Operand(varies, place, 0, unit)
        self.out.put(table, "|a0", (n * m, unit), [to], [operand.along(shape)])
        return Operand(varies, place, m * unit if n > 1 else 0, unit if m > 1 else 0)

    def _as_varying(self, operand: Operand, shape: Shape) -> Operand:
        """An operand with a number per row, all of them the same if it has but one."""
        return operand if operand.varies else self._copied(operand, ROWS, shape)

    def _emit(self, table: int, kernel: str, *numbers: int) -> None:
        self.out.tables[table].extend((self.out.number(kernel), *numbers))

    def _ends(self) -> None:
        out, program = self.out, self.program
        for root in program.roots:
            operand = self._operand(root, ROWS)
            out.roots.append((operand.place, operand.varies))
        if program.loss >= 0:
            out.loss = self._operand(program.loss, AFTER).place
        if program.gradient >= 0:
            read, shape = read_of(program, program.gradient), self._shape(program.gradient)
            operand = self._line(read, shape, AFTER)
            if operand.t != 1 and out.param_count > 1:
                operand = self._gathered(read, shape, AFTER)
            out.gradient = operand.place


def _check_reach(program: ArrayProgram) -> None:
    """Nothing reaches native code that would read outside a block: ValueError."""
    try:
        check_views(program, np.flatnonzero(program.codes == CODE["view"]))
    except ValueError as error:
        raise ValueError(f"the program is damaged: {error}, outside a block") from None
