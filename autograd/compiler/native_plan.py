"""From an array program to tables of kernels: where every block lies, and what is done when.

There are three tables: *before* for what is uniform and depends on no row, *rows*, and *after* for
what is uniform and depends on means over the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.compiler.arrays import (
    ARITIES,
    CODE,
    CONSTANTS,
    ELEMENTWISE,
    INPUTS,
    LEAVES,
    OVER_ROWS,
    PARAMETERS,
    WORDS,
    ArrayProgram,
)  # fmt: skip
from autograd.compiler.native_places import Places
from autograd.compiler.native_regions import Body, Read, Regions, fused, places_in
from autograd.compiler.native_signatures import single
from autograd.compiler.native_tables import (
    AFTER,
    PAD,
    ROWS,
    ZERO,
    Operand,
    Plan,
    R,
    Table,
    check_reach,
    padded,
)  # fmt: skip


def plan(program: ArrayProgram, *, fuse: bool = False) -> Plan:
    """The tables of a program, in time that is linear in its length."""
    check_reach(program)
    return Planner(fused(program) if fuse else Regions(program)).planned()


class Column:
    """A column of a program, which may be long, as Python sees single numbers or rows of it."""

    def __init__(self, rows: Any, made: Callable[[Any], Any]) -> None:
        self._rows, self._made = rows, made

    def __getitem__(self, k: int) -> Any:
        return self._made(self._rows[k].tolist())


class Planner:
    """Goes through a program once, from the first operation to the last."""

    def __init__(self, regions: Regions) -> None:
        self.regions, self.program = regions, regions.program
        self.followers = {k for members in regions.members.values() for k in members[1:]}
        program = self.program
        self.words = Column(program.codes, WORDS.__getitem__)
        self.operands, self.shapes = Column(program.operands, tuple), Column(program.shapes, tuple)
        self.varying, self.pieces = program.varying.data, program.pieces.tolist()
        self.out = Plan((Table(), Table(), Table(), Table()))
        self.places = Places(regions, self.out)
        self.place, self.tables = self.places.of, self.places.tables.data
        self.placed: dict[int, tuple[int, int, int]] = {}

    def planned(self) -> Plan:
        out, inputs, places = self.out, self.shapes[INPUTS][0], self.places
        for k in (PARAMETERS, CONSTANTS):
            places.room(k)
        out.params, out.copy_stride = self.place[PARAMETERS], padded(inputs)
        out.constants = [(self.place[CONSTANTS], self.program.constants)]
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
        word = self.words[k]
        if word in OVER_ROWS:
            getattr(self, f"_{word}")(k)
        elif word == "collect":
            self._collect(k)
        else:
            table = self.tables[k]
            if word not in ELEMENTWISE:
                self.places.room(k)
                getattr(self, f"_{word}")(k, table)
            elif self.varying[k]:
                self._region(k)
            else:
                self._in_lines(k, table)
        self.places.release()

    def _region(self, k: int) -> None:
        """Operations of a region, when the first has its turn; of the others nothing is left."""
        if k in self.followers:
            return
        members, shape = self.regions.members.get(k, (k,)), self.regions.shapes.get(k)
        body = Body(self.program)
        for member in members:
            body.add(member)
        stored = [member for member in members if member not in self.regions.inner]
        shape = shape or self.shapes[k]
        operands = [self._read(*read, shape) for read in body.reads]
        text = body.storing(f"r{members.index(member)}" for member in stored)
        places = [self.place[member] for member in stored]
        self.out.apply(ROWS, text, (*shape, R), places, operands)

    def _read(self, read: Read, own: tuple[int, int], shape: tuple[int, int]) -> Operand:
        """What a region reads; its elements are counted in this shape."""
        unit = R if self.varying[read.base] else 1
        place = self.place[read.base] + read.start * unit
        if read.table >= 0:
            index = unit * places_in(self.program, read.table, own)
            return Operand(unit == R, place, 0, 0, tuple(index.tolist()))
        s, t = read.steps(own, shape)
        return Operand(unit == R, place, s * unit, t * unit)

    def _in_lines(self, k: int, table: int) -> None:
        """An operation on what is the same for all rows, a vector of elements at a time."""
        n, m = self.shapes[k]
        operands = [
            self._in_line(self._operand(j, table, (n, m)), table, (n, m)) for j in self._blocks(k)
        ]
        kinds = "".join("u" if o.t == 0 and n * m > 1 else "v" for o in operands)
        numbers = [number for o in operands for number in (o.place, 0)]
        kernel = single(self.words[k], kinds)
        self._emit(table, kernel, 1, padded(n * m), self.places.room(k), *numbers)

    def _sum(self, k: int, table: int) -> None:
        (a,) = self._blocks(k)
        n, m = self.shapes[a]
        operand = self._operand(a, table, (n, m))
        if self.words[k] == "sum" and not operand.varies and operand.t == 1:
            self._emit(table, "total", n, m, self.place[k], operand.place, operand.s)
            return
        length = R if operand.varies else 1
        self._emit(table, self.words[k], n, m, length, self.place[k], *operand[1:4])

    _max = _sum

    def _take(self, k: int, table: int) -> None:
        a, index = self._blocks(k)
        n, m = self.shapes[a]
        chosen, places = (self._operand(j, table, self.shapes[j]) for j in (a, index))
        if self.varying[k]:
            places = self._as_varying(places, table, (n, 1))
        length = R if self.varying[k] else 1
        kernel = "take" if chosen.varies or not self.varying[k] else "take1"
        self._emit(table, kernel, n, m, length, self.place[k], *chosen[1:4], places.place, places.s)

    def _matmul(self, k: int, table: int) -> None:
        a, b, bias = self.operands[k][:3]
        (width, depth), windows = self.shapes[a], self.shapes[b][0]
        weights, data = (
            self._operand(a, table, (width, depth)),
            self._operand(b, table, self.shapes[b]),
        )
        shift = Operand(False, ZERO, 0, 0)
        if bias >= 0:
            shift = self._operand(bias, table, (windows, width))
        place, length = self.place[k], R if data.varies else 1
        apart = shift.varies or (self.varying[k] and not data.varies)
        if apart:
            place = self.places.scratch(table, windows * width, uniform=not data.varies)
        own = (ZERO, 0, 0) if apart else shift[1:4]
        sizes = (windows, width, depth, length, place)
        self._emit(table, "matmul", *sizes, *weights[1:4], *data[1:4], *own)
        if apart:
            product = Operand(data.varies, place, width * length, length)
            self.out.apply(
                table, "add a0 a1|r0", (windows, width, R), [self.place[k]], [product, shift]
            )

    def _mean(self, k: int) -> None:
        (a,) = self._blocks(k)
        n, m = self.shapes[a]
        operand = self._as_varying(self._operand(a, ROWS, (n, m)), ROWS, (n, m))
        place, s, t = self._sums_of(k)
        _, start, step, other, _ = operand
        if m == 1:
            n, m, step, other, s, t = 1, n, 0, step, 0, s
        elif step == m * other and s == m * t:
            n, m = 1, n * m
        for i in range(n):
            self._emit(ROWS, "mean", m, place + i * s, t, R, start + i * step, other)

    def _outer(self, k: int) -> None:
        a, b = self._blocks(k)
        (windows, height), width = self.shapes[a], self.shapes[b][1]
        left = self._as_varying(self._operand(a, ROWS, self.shapes[a]), ROWS, self.shapes[a])
        place, d, _ = self._sums_of(k)
        right = self._row_by_row(b, (windows, width))
        sizes = (windows, height, width, place, d, R)
        self._emit(ROWS, "outer", *sizes, *left[1:4], *right)

    def _row_by_row(self, b: int, shape: tuple[int, int]) -> tuple[int, int, int]:
        """Place, stride of windows, stride of rows of a block that lies row by row."""
        (windows, width), out = shape, self.out
        base, start, s, t = self._resolved(b)
        if base == INPUTS and (t == 1 or width == 1):
            if not out.copy:
                out.copy = self.places.registers(out.copy_stride)
            return out.copy + start, s if windows > 1 else 0, out.copy_stride
        operand = self._as_varying(self._operand(b, ROWS, shape), ROWS, shape)
        stride = padded(windows * width) + PAD
        place = self.places.scratch(ROWS, stride)
        for w in range(windows):
            source = operand.place + w * operand.s
            self._emit(ROWS, "transpose", width, R, place + w * width, stride, source, operand.t)
        return place, width, stride

    def _place_sums(self) -> None:
        """Let sums over the rows go straight to the places where they are collected."""
        for k in np.flatnonzero(self.program.codes == CODE["collect"]).tolist():
            first, stop, once, _ = self.operands[k]
            pieces = self.pieces[first:stop] if once else []
            if self.varying[k] or any(start < 0 for _, start, *_ in pieces):
                continue
            for block, start, s, t in pieces:
                straight = t == 1 if self.words[block] == "outer" else self.words[block] == "mean"
                if straight and s >= 0 and t >= 0 and self.places.uses[block] == 1:
                    self.placed[block] = (self.places.room(k) + start, s, t)

    def _sums_of(self, k: int) -> tuple[int, int, int]:
        """Where the sums of a block go: place and strides."""
        n, m = self.shapes[k]
        if k not in self.placed:
            self.placed[k] = (self.places.room(k), m, 1)
        place, s, t = self.placed[k]
        self.out.sums.append((place, 1 + (n - 1) * s + (m - 1) * t))
        return place, s, t

    def _collect(self, k: int) -> None:
        first, stop, once, _ = self.operands[k]
        pieces, (n, m), varies = self.pieces[first:stop], self.shapes[k], self.varying[k]
        table, unit = self.tables[k], R if varies else 1
        place = self.places.room(k)
        covered = sum(self.shapes[block][0] * self.shapes[block][1] for block, *_ in pieces)
        add, suffix = not once, "" if varies else "1"
        there = {block for block, *_ in pieces if block in self.placed and not self.place[block]}
        gaps = add or covered < n * m or any(start < 0 for _, start, *_ in pieces)
        if gaps and (varies or not there):
            self._fill(table, n * m, unit, place, ZERO)
        for block, start, s, t in pieces:
            if block in there:
                continue
            shape = self.shapes[block]
            operand = self._operand(block, table, shape)
            if varies:
                operand = self._as_varying(operand, table, shape)
            if start < 0:
                operand = self._in_line(operand, table, shape, unit)
                index = self._index(-1 - start)
                if not varies and operand.s == operand.t == 0 and len(index) > 1:
                    line = self.places.scratch(table, len(index), uniform=True)
                    self._fill(table, len(index), 1, line, operand.place)
                    operand = Operand(False, line, 1, 1)
                sizes = (len(index), R) if varies else (len(index),)
                self._emit(table, f"scatter_add{suffix}", *sizes, place, operand.place, *index)
                continue
            name = f"{'add_to' if add else 'copy'}{suffix}"
            sizes = (*shape, R) if varies else shape
            to = (place + start * unit, s * unit, t * unit)
            self._emit(table, name, *sizes, *to, *operand[1:4])

    def _resolved(self, k: int) -> tuple[int, int, int, int]:
        """The real block behind an operand that is no table, start and strides in it."""
        if self.words[k] == "view":
            base, start, s, t = self.operands[k]
            return base, start, s, t
        return k, 0, self.shapes[k][1], 1

    def _operand(self, k: int, table: int, shape: tuple[int, int]) -> Operand:
        """Where the numbers of an operand are, in this shape; those of a table are gathered."""
        n, m = self.shapes[k]
        if self.words[k] == "table":
            operand = self._gathered(k, table)
        else:
            base, start, s, t = self._resolved(k)
            unit = R if self.varying[base] else 1
            operand = Operand(unit == R, self.place[base] + start * unit, s * unit, t * unit)
        s = 0 if n == 1 else operand.s
        return Operand(operand.varies, operand.place, s, 0 if m == 1 else operand.t)

    def _gathered(self, k: int, table: int) -> Operand:
        base, number, *_ = self.operands[k]
        varies, m, index = self.varying[base], self.shapes[k][1], self._index(number)
        place = self.places.scratch(table, len(index), uniform=not varies)
        if not varies:
            table = self.tables[base]
        unit = R if varies else 1
        there = Operand(varies, self.place[base], 0, 0, tuple(unit * each for each in index))
        self.out.apply(table, "|a0", (1, len(index), unit), [place], [there])
        return Operand(varies, place, m * unit, unit)

    def _index(self, number: int) -> list[int]:
        index: list[int] = self.program.tables[number].ravel().tolist()
        return index

    def _in_line(
        self, operand: Operand, table: int, shape: tuple[int, int], unit: int = 1
    ) -> Operand:
        """An operand whose elements lie one behind the other, or is one number for all."""
        (n, m), (varies, place, s, t, _) = shape, operand
        if unit == 1 and s == t == 0:
            return operand
        if (m == 1 or t == unit) and (n == 1 or s == m * unit):
            return Operand(varies, place, m * unit, unit)
        to = self.places.scratch(table, n * m, uniform=not varies)
        self.out.apply(table, "|a0", (n, m, unit), [to], [operand])
        return Operand(varies, to, m * unit, unit)

    def _as_varying(self, operand: Operand, table: int, shape: tuple[int, int]) -> Operand:
        """An operand with a number per row, all of them the same if it has but one."""
        if operand.varies:
            return operand
        n, m = shape
        place = self.places.scratch(table, n * m)
        self.out.apply(table, "|a0", (n, m, R), [place], [operand])
        return Operand(True, place, m * R, R)

    def _fill(self, table: int, count: int, unit: int, place: int, number: int) -> None:
        """So many times the same number."""
        self.out.apply(table, "|a0", (1, count, unit), [place], [Operand(False, number, 0, 0)])

    def _blocks(self, k: int) -> list[int]:
        """The operands of an operation that are blocks."""
        return [j for j in self.operands[k][: ARITIES[self.words[k]]] if j >= 0]

    def _emit(self, table: int, kernel: str, *numbers: int) -> None:
        self.out.tables[table].extend((self.out.number(kernel), *numbers))

    def _ends(self) -> None:
        out, program = self.out, self.program
        for root in program.roots:
            operand = self._operand(root, ROWS, (1, 1))
            out.roots.append((operand.place, operand.varies))
        if program.loss >= 0:
            out.loss = self._operand(program.loss, AFTER, (1, 1)).place
        if program.gradient >= 0:
            shape = self.shapes[program.gradient]
            operand = self._operand(program.gradient, AFTER, shape)
            line = self._in_line(operand, AFTER, shape)
            out.gradient = line.place
            if line.t == 0 and shape[0] > 1:
                out.gradient = out.uniform(shape[0])
                self._fill(AFTER, shape[0], 1, out.gradient, line.place)
