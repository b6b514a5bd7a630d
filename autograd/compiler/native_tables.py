"""The tables that a program becomes, and the memory that they are about.

The memory is one line of numbers.  *Registers*, R places each for the rows of a block of rows, lie
from FIRST_REGISTER up; what is *uniform* lies below 0.  R is only known when the table is made, so
a planned word is ``a + (b << 32)`` and means a + b R.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import Integers
from autograd.compiler.native_signatures import KINDS

BEFORE, ROWS, AFTER, UPDATE = range(4)
ZERO, FIRST_REGISTER = 1, 8
"""Place 0 is the share of a row, and at place ZERO is always 0."""

PAD = 8
"""Uniform blocks begin PAD places apart, which is a vector of the widest machine."""

R = 1 << 32
"""The block length, in planned words."""


class Operand(NamedTuple):
    """Element (i, j) is at ``place + i s + j t``, in planned words, or where ``each`` says."""

    varies: bool
    place: int
    s: int
    t: int
    each: tuple[int, ...] = ()
    """From the place on where each element is, in C order."""


class Singles(NamedTuple):
    """Operations on single numbers, as columns: 19 bytes for each, where words take 40 to 80."""

    kernels: npt.NDArray[np.uint16]
    varying: npt.NDArray[np.bool_]
    arity: npt.NDArray[np.uint8]
    places: npt.NDArray[np.int32]
    """(n, 4) of the result and the operands: the numbers of registers, or places below 0."""

    def words(self, length: int) -> Integers:
        """Their entries for a block length."""
        arity = self.arity.astype(np.int64)
        ends = np.cumsum(4 + 2 * arity)
        words, starts = np.zeros(ends[-1], np.int64), ends - 4 - 2 * arity
        words[starts], words[starts + 1] = self.kernels, 1
        words[starts + 2] = np.where(self.varying, length, PAD)
        for column in range(4):
            has = arity >= column
            place = self.places[has, column].astype(np.int64)
            place = np.where(place < 0, place, FIRST_REGISTER + place * length)
            words[starts[has] + 3 + column + max(0, column - 1)] = place
        return words

    @property
    def length(self) -> int:
        """How many words they are."""
        return int(4 * len(self.kernels) + 2 * self.arity.sum(dtype=np.int64))


class Table:
    """Entries one behind the other: planned words, and single operations in columns."""

    __slots__ = ("_length", "_parts")

    def __init__(self) -> None:
        self._parts: list[array[int] | Singles] = []
        self._length = 0

    def extend(self, words: Sequence[int]) -> None:
        """Add planned words."""
        if not self._parts or isinstance(self._parts[-1], Singles):
            self._parts.append(array("q"))
        self._parts[-1].extend(words)  # type: ignore[union-attr]
        self._length += len(words)

    def add(self, singles: Singles) -> None:
        """Add single operations."""
        self._parts.append(singles)
        self._length += singles.length

    def __len__(self) -> int:
        """How many words it has."""
        return self._length

    def words(self, length: int) -> npt.NDArray[np.int32]:
        """The words for a block length; OverflowError where 32 bits are too few."""
        words, start = np.zeros(self._length, np.int32), 0
        for part in self._parts:
            if isinstance(part, Singles):
                each = part.words(length)
            else:
                each = place_at(np.array(part), length)
            if each.min() < -(2**31) or each.max() >= 2**31:
                raise OverflowError(
                    "the program needs more memory than the native backend can address"
                )
            words[start : start + len(each)] = each
            start += len(each)
        return words


def place_at(planned: Any, length: int) -> Any:
    """a + b R for the planned word a + (b << 32), with a from -2**31 up."""
    times = (planned + 2**31) >> 32
    return planned - (times << 32) + times * length


@dataclass(slots=True)
class Plan:
    """Tables of planned words, the memory they need, and where its ends are."""

    tables: tuple[Table, ...]
    registers: int = 0
    """How many."""
    uniforms: int = 0
    """How many places below 0."""
    constants: list[tuple[int, npt.NDArray[np.float64]]] = field(default_factory=list)
    inputs: int = 0
    """How many."""
    params: int = 0
    param_count: int = 0
    copy: int = 0
    copy_stride: int = 0
    roots: list[tuple[int, bool]] = field(default_factory=list)
    loss: int = 0
    gradient: int = 0
    sums: list[tuple[int, int]] = field(default_factory=list)
    """Places and lengths of what is summed over the rows."""
    kernels: dict[str, int] = field(default_factory=dict)
    """The kernels' numbers in the tables."""
    hyper: int = 0
    states: int = 0
    state: int = 0
    """What an optimiser remembers."""

    def uniform(self, count: int) -> int:
        """So many uniform places, and a vector behind them."""
        self.uniforms += padded(count + PAD - 1)
        return -self.uniforms

    def number(self, kernel: str) -> int:
        """The kernel's number in the tables."""
        return self.kernels.setdefault(kernel, len(self.kernels))

    def apply(
        self,
        table: int,
        body: str,
        sizes: tuple[int, int, int],
        places: Sequence[int],
        operands: Sequence[Operand],
    ) -> None:
        """Add an element-wise kernel over (n, m) elements of so many numbers each, in as few
        entries as the strides allow; the results are in C order."""
        (n, m, length), indexed = sizes, any(o.each for o in operands)
        if n == 1 or m == 1 or all(o.each or o.s == m * o.t for o in operands):
            operands = [o._replace(s=0, t=o.s if m == 1 else o.t) for o in operands]
            n, m = 1, n * m
            if not indexed and all(m == 1 or o.t == (length if o.varies else 0) for o in operands):
                m, length = 1, m * length
        kinds = "".join(KINDS[o.varies + 2 * bool(o.each)] for o in operands)
        number = self.number(f"{kinds}|{body}")
        for i in range(n):
            words = [number, m, length, *(place + i * m * length for place in places)]
            for o in operands:
                words += (o.place,) if o.each else (o.place + i * o.s, o.t)
            for o in operands:
                words += o.each[i * m : (i + 1) * m]
            self.tables[table].extend(words)


def padded(count: int) -> int:
    """So many places as whole vectors of the widest machine have."""
    return -(-count // PAD) * PAD
