"""The tables that a program becomes: the memory that they are about, and what kernels there are.

The memory is one line of numbers.  A *strip* is the rows that are computed together.  *Registers*,
which have a place for each row of a strip, lie from FIRST_REGISTER up; what is *uniform* lies
below 0.

*Element-wise* kernels do one operation or several, and are named by a text that says which, such as

    vu>v|mul a0 a1;exp r0|r1

for exp(a b): the *kinds* of what is read and of what is stored (v: a vector of rows, u: one number
for all; V and U where an index says which), the operations (a: what is read, r: earlier results),
and which of all these are stored.  A kernel that knows no vectors has vectors of one number.
Others have a name.  "outer with …" does an element-wise kernel, an optimiser's step, while it
computes the last of the gradient: the products leave half of the machine waiting, and so do roots
and divisions.

Said without LLVM, so that a program can be planned, and a plan be read, where there is none.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import Shape, places_of

BEFORE, ROWS, AFTER, UPDATE = range(4)
SHARE, ZERO, NOTHING, FIRST_REGISTER = 0, 1, 2, 8
"""At place SHARE is 1 / (rows of the batch), at place ZERO always 0, and at NOTHING -0, which
changes nothing that it is added to."""

PAD = 8
"""Uniform blocks begin PAD places apart, which is a vector of the widest machine."""

SHORTEST_STRIP, LONGEST_STRIP = 32, 256
CACHE = 65536
"""Numbers that the registers of a strip should not exceed: a part of the second-level cache."""

MOST_MEMORY = 2**25
"""Numbers that the memories of all slabs may take: 256 MB."""

WITH = "outer with "
KINDS, INDEXED = "uvUV", "UV"

SIGNATURES: Mapping[str, str] = {
    "sum": "n m R dst a s t",
    "max": "n m R dst a s t",
    "total": "n m dst a s",
    "take": "n m R dst a s t row index i",
    "mean": "n m dst d e a s t",
    "matmul": "w n m R dst a s t b bw bt bias cw cs",
    "outer": "w n m dst d R a aw as b bw br",
    "transpose": "n R dst d a s",
}


class Operand(NamedTuple):
    """Element (i, j) is at ``place + i s + j t``, or where ``each`` says."""

    varies: bool
    place: int
    s: int
    t: int
    each: tuple[int, ...] = ()
    """From the place on where each element is, in C order."""

    @property
    def kind(self) -> str:
        return KINDS[self.varies + 2 * bool(self.each)]

    def along(self, shape: Shape) -> Operand:
        """The elements one behind the other: with t from each to the next, or ``each``."""
        n, m = shape
        if self.each or m == 1 or n == 1 or self.s == m * self.t:
            return self._replace(s=0, t=self.s if m == 1 else self.t)
        each = places_of((0, self.s, self.t), shape).tolist()
        return self._replace(s=0, t=0, each=tuple(each))


@dataclass(slots=True)
class Plan:
    """Tables for strips of so many rows, the memory they need, and where its ends are."""

    tables: tuple[array[int], ...]
    longest: int
    """Rows of a strip where there are enough: where these are cut, last digits may differ."""
    length: int = 0
    """Rows of a strip here."""
    registers: int = 0
    """How many."""
    uniforms: int = 0
    """How many places below 0."""
    constants: list[tuple[int, npt.NDArray[np.float64]]] = field(default_factory=list)
    width: int = 0
    """How many inputs."""
    copy: int = 0
    """Where they lie row by row, one behind the other."""
    params: int = 0
    param_count: int = 0
    roots: list[tuple[int, bool]] = field(default_factory=list)
    """The place of each, and whether it varies."""
    loss: int = 0
    gradient: int = 0
    means: list[tuple[int, int, int, Shape]] = field(default_factory=list)
    """Place, strides and shape of each mean over the rows."""
    kernels: dict[str, int] = field(default_factory=dict)
    """The kernels' numbers in the tables."""
    last_outer: slice | None = None
    """Where in the table of the rows an outer product is that nothing else waits for."""
    hyper: int = 0
    states: int = 0
    state: int = 0
    """Where what an optimiser remembers lies."""

    def settle(self, rows: int) -> None:
        """Choose the length of a strip: rows whose numbers fit the cache, but no fewer than keep a
        matrix product busy."""
        if not self.longest:
            most = max(SHORTEST_STRIP, CACHE // max(1, self.registers))
            most = min(most, LONGEST_STRIP, MOST_MEMORY // max(1, self.registers))
            self.longest = max(PAD, most // PAD * PAD)
        self.length = min(self.longest, padded(rows))

    def uniform(self, count: int) -> int:
        """So many uniform places, and a vector behind them."""
        self.uniforms += padded(count + PAD - 1)
        return -self.uniforms

    def number(self, kernel: str) -> int:
        """The kernel's number in the tables."""
        return self.kernels.setdefault(kernel, len(self.kernels))

    def apply(
        self, table: int, body: str, count: int, to: Sequence[int], operands: Sequence[Operand]
    ) -> None:
        """Add an element-wise kernel over so many elements; the results lie in line.

        So do its operands in tables of what is uniform, where it goes through a vector of elements
        at a time.
        """
        unit = self.length if table == ROWS else 1
        results = [Operand(True, place, 0, unit) for place in to]
        if table != ROWS:
            operands = [o._replace(varies=o.t == 1) for o in operands]
        if all(o.t == o.varies * unit and not o.each for o in operands):
            sizes = 1, padded(count * unit)
        else:
            sizes = count, unit
        self.put(table, body, sizes, results, operands)

    def put(
        self,
        table: int,
        body: str,
        sizes: tuple[int, int],
        to: Sequence[Operand],
        operands: Sequence[Operand],
    ) -> None:
        """The same for elements that go to any places: so many, of so many numbers each."""
        reads, writes = ("".join(o.kind for o in each) for each in (operands, to))
        words = [self.number(f"{reads}>{writes}|{body}"), *sizes]
        for o in (*to, *operands):
            words += (o.place,) if o.each else (o.place, o.t)
        for o in (*operands, *to):
            words += o.each
        self.tables[table].extend(words)


def padded(count: int) -> int:
    """So many places as whole vectors of the widest machine have."""
    return -(-count // PAD) * PAD


def signature(kernel: str) -> list[str]:
    """The names of a kernel's arguments; an ``*index`` is n more."""
    if "|" not in kernel:
        return SIGNATURES[kernel].split()
    if kernel.startswith(WITH):
        return [*signature("outer"), "before", "count", *signature(kernel.removeprefix(WITH))[2:]]
    reads, writes = kinds_of(kernel)
    names = [f"dst{k} d{k}" if kind > "Z" else f"dst{k}" for k, kind in enumerate(writes)]
    names += [f"a{k} s{k}" if kind > "Z" else f"a{k}" for k, kind in enumerate(reads)]
    indices = ["*index" for kind in reads + writes if kind in INDEXED]
    return ["n", "R", *" ".join(names).split(), *indices]


def kinds_of(kernel: str) -> tuple[str, str]:
    """The kinds of what an element-wise kernel reads, and of what it stores."""
    reads, _, writes = kernel.partition("|")[0].partition(">")
    return reads, writes


def single(word: str, kinds: str) -> str:
    """The name of the kernel of one operation."""
    return f"{kinds}>v|{word} {' '.join(f'a{k}' for k, _ in enumerate(kinds))}|r0"
