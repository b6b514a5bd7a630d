"""The tables that a program becomes, and the memory that they are about.

The memory is one line of numbers.  *Registers*, which have a place for each row of a block of rows,
lie from FIRST_REGISTER up; what is *uniform* lies below 0.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autograd.compiler.native_signatures import KINDS

BEFORE, ROWS, AFTER, UPDATE = range(4)
ZERO, FIRST_REGISTER = 1, 8
"""Place 0 is the share of a row, and at place ZERO is always 0."""

PAD = 8
"""Uniform blocks begin PAD places apart, which is a vector of the widest machine."""

SHORTEST_BLOCK, LONGEST_BLOCK = 32, 256
CACHE = 65536
"""Numbers that the registers of a block should not exceed: a part of the second-level cache."""

MOST_MEMORY = 2**25
"""Numbers that the memories of all slabs may take: 256 MB."""


class Operand(NamedTuple):
    """Element (i, j) is at ``place + i s + j t``, or where ``each`` says."""

    varies: bool
    place: int
    s: int
    t: int
    each: tuple[int, ...] = ()
    """From the place on where each element is, in C order."""


@dataclass(slots=True)
class Plan:
    """Tables for blocks of so many rows, the memory they need, and where its ends are."""

    tables: tuple[array[int], ...]
    longest: int
    """Rows of a block where there are enough: where these are cut, last digits may differ."""
    length: int = 0
    """Rows of a block here."""
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

    def settle(self, rows: int) -> None:
        """Choose the block length: rows whose numbers fit the cache, but no fewer than keep a
        matrix product busy."""
        if not self.longest:
            most = max(SHORTEST_BLOCK, CACHE // max(1, self.registers))
            most = min(most, LONGEST_BLOCK, MOST_MEMORY // max(1, self.registers))
            self.longest = max(PAD, most // PAD * PAD)
        self.length = min(self.longest, padded(rows))

    def register(self, count: int) -> int:
        """So many registers that nobody had before, one behind the other."""
        self.registers += count
        return FIRST_REGISTER + (self.registers - count) * self.length

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
