"""The array program: a graph, and its gradient, as a short list of operations on blocks.

*Node*: a Value of the recorded graph.  *Group*: nodes that are computed alike, and so at once.
*Block*: the numbers of a group: the same for every row of a batch (*uniform*), or one per row
(*varying*).  *Operation*: computes one block from earlier ones, once.  *View*: a part of a block,
seen in another order, which costs nothing: the operand of an operation wherever a group does not
want the whole of another.

A block has a shape (n, m), in C order, and is seen as (n, m, rows) with 1 row when uniform; a group
of G nodes is (G, 1).  A block is known by its index in the list.  An operation has four integers as
operands, whose meaning its *word* decides (`-`: 0):

    word                                   operands           computes
    parameters, inputs, constants          - - - -            the blocks 0, 1 and 2: what is given
    view                                   base start s t     the numbers at a place in the base
    add sub mul neg exp where …            a b c -            element by element; 1 fits any length
    sum, max                               a - - -            (n, m) to (n, 1)
    matmul                                 a b bias -         (i, k) times (w, k), + bias: (w, i)
    take                                   a index - -        (n, m), (n, 1): a[i, index[i]], or nan
    mean                                   a - - -            the mean over the rows; a varies
    outer                                  a b - -            mean over rows, sum over w, of
                                                              a[w, i] b[w, k]: (i, k); a or b varies
    collect                                first stop once -  zeros, with pieces[first:stop] put in

A *place* ``(start, s, t)`` in a block says that element (i, j) is its number start + i s + j t;
``(-1 - table, 0, 0)`` that element k, in C order, is its number tables[table][k].  The base of a
view is never one itself.  A piece ``(block, start, s, t)`` goes to a place in the result; where
``once`` is 1 no two go to the same, else they add up.  A missing bias is -1.  `mean` and `outer`
are uniform; no varying block depends on them.

A layer of two neurons and tanh over three inputs, squared and summed up, for instance::

    0 parameters (8, 1)     1 inputs (3, 1)    2 constants (3, 1)
    3 view 0 0 4 1          (2, 3)             the weights: w w w b, w w w b
    4 view 1 0 0 1          (1, 3)             the inputs, as a row
    5 view 0 3 0 4          (1, 2)             the biases
    6 matmul 3 4 5          (1, 2)  varying    w x + b
    7 view 6 0 1 0          (2, 1)             the same as a group
    8 tanh 7                (2, 1)  varying
    9 mul 8 8               (2, 1)  varying
    …
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd import scalar_math
from autograd.rules import BASIS

Array: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Small: TypeAlias = npt.NDArray[np.int32]
"""Of what there may be millions."""

Shape: TypeAlias = tuple[int, int]
Place: TypeAlias = tuple[int, int, int]
Tables: TypeAlias = Sequence[Integers]

PARAMETERS, INPUTS, CONSTANTS = range(3)
LEAVES = ("parameters", "inputs", "constants")
ELEMENTWISE: dict[str, int] = {
    "add": 2, "sub": 2, "mul": 2, "neg": 1,
    **{name: len(signature(getattr(scalar_math, name)).parameters) for name in BASIS},
}  # fmt: skip
"""Every word that works element by element, with the number of its operands."""

OVER_ROWS = ("mean", "outer")
ARITIES: dict[str, int] = {
    **dict.fromkeys(LEAVES, 0), "view": 1, **ELEMENTWISE, "sum": 1, "max": 1,
    "matmul": 3, "take": 2, "mean": 1, "outer": 2, "collect": 0,
}  # fmt: skip
"""Every word, with how many of its operands are blocks (a bias may be missing)."""

WORDS = tuple(ARITIES)
CODE = {word: code for code, word in enumerate(WORDS)}

FIRST_COMPUTED = CODE["view"] + 1
"""The codes from here on are those of operations that compute something."""

ARITY = np.array([*ARITIES.values()], dtype=np.int64)
"""How many operands are blocks, by code."""

CHUNK = 2**16
"""Of a long program so many operations become Python's integers at a time."""

SHAPES: dict[str, Callable[..., tuple[Any, Any]]] = {
    "sum": lambda a: (a[0], 1),
    "max": lambda a: (a[0], 1),
    "matmul": lambda a, b, bias: (b[0], a[0]),
    "take": lambda a, index: (a[0], 1),
    "mean": lambda a: a,
    "outer": lambda a, b: (a[1], b[1]),
}
"""What the words that are not element-wise make of the shapes of their operands.

The result varies where an operand does, but for a word of OVER_ROWS.
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, for reading."""

    word: str
    operands: tuple[int, ...]
    shape: Shape
    varying: bool


@dataclass(frozen=True, slots=True, eq=False)
class ArrayProgram:
    """Operations in order, one per block: columns, for there may be millions of them."""

    codes: npt.NDArray[np.uint8]
    """(n,) which of WORDS."""
    operands: Integers
    """(n, 4)"""
    shapes: Integers
    """(n, 2)"""
    varying: npt.NDArray[np.bool_]
    """(n,) whether there is a number per row."""
    tables: tuple[Integers, ...]
    pieces: Integers
    """(m, 4)"""
    constants: Array
    """The numbers of block 2."""
    roots: tuple[int, ...]
    """Blocks of one number: the value of each root."""
    loss: int
    """Uniform, one number: the mean over the rows of the sum of the roots; -1 for none."""
    gradient: int
    """Uniform, as many numbers as parameters: its gradient; -1 for none."""

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, k: int) -> Operation:
        word, numbers = WORDS[self.codes[k]], tuple(self.operands[k].tolist())
        n, m = self.shapes[k].tolist()
        return Operation(word, numbers, (n, m), bool(self.varying[k]))

    def __iter__(self) -> Iterator[Operation]:
        return (self[k] for k in range(len(self)))


def for_values(program: ArrayProgram) -> ArrayProgram:
    """What the roots need."""
    return placed(replace(program, loss=-1, gradient=-1))[0]


def for_gradient(program: ArrayProgram) -> ArrayProgram:
    """What the loss and the gradient need: all of it, for the loss needs every root."""
    return replace(program, roots=())


def places_of(place: Place, shape: Shape, tables: Tables = ()) -> Integers:
    """The places of the numbers, one by one, of a block of this shape that lies at a place."""
    start, s, t = place
    if start < 0:
        return tables[-1 - start]
    places: Integers = (start + s * np.arange(shape[0])[:, None] + t * np.arange(shape[1])).ravel()
    return places


def are_apart(parts: Iterable[tuple[Place, Shape]], count: int, tables: Tables) -> bool:
    """Whether blocks of these shapes, put at these places among so many numbers, meet nowhere."""
    taken, left = np.zeros(count, np.bool_), count
    for (start, s, t), (n, m) in parts:
        left -= n * m
        if left < 0:
            return False
        if start < 0:
            taken[tables[-1 - start]] = True
        else:
            np.ndarray((n, m), np.bool_, taken, start, (s, t))[...] = True
    return left == count - np.count_nonzero(taken)


def through(shape: Shape) -> tuple[int, int]:
    """The steps (s, t) through a whole block; 0 where there is nothing to step to."""
    n, m = shape
    return m if n > 1 else 0, 1 if m > 1 else 0


def placed(program: ArrayProgram) -> tuple[ArrayProgram, Integers]:
    """The program without what nobody needs, and the new index of each block (-1: left out).

    One more -1 at the end is for what is missing, which has the index -1.
    """
    alive = needed_for(ends_of(program), program)
    if alive.all():
        return program, np.append(np.arange(len(program)), -1)
    index = np.where(np.append(alive, False), np.append(np.cumsum(alive), 0), 0) - 1
    return reordered(program, np.flatnonzero(alive), index), index


def reordered(program: ArrayProgram, order: Integers, index: Integers) -> ArrayProgram:
    """These operations in this order, and ``index``, as `placed` gives it, for their operands."""
    operands, pieces = program.operands[order], program.pieces.copy()
    arities = ARITY[program.codes[order]]
    for column in range(3):
        blocks = column < arities
        operands[blocks, column] = index[operands[blocks, column]]
    pieces[:, 0] = index[pieces[:, 0]]
    return replace(
        program,
        codes=program.codes[order],
        operands=operands,
        shapes=program.shapes[order],
        varying=program.varying[order],
        pieces=pieces,
        roots=tuple(int(index[k]) for k in program.roots),
        loss=int(index[program.loss]),
        gradient=int(index[program.gradient]),
    )


def ends_of(program: ArrayProgram) -> list[int]:
    """The blocks that a program is there for."""
    return [k for k in (*program.roots, program.loss, program.gradient) if k >= 0]


def readings(program: ArrayProgram, which: Integers | None = None) -> tuple[Integers, Integers]:
    """Who (of these, or all) reads which block: readers in order, as often as they read."""
    which = np.arange(len(program)) if which is None else which
    operands, codes = program.operands[which, :3], program.codes[which]
    reads = (np.arange(3) < ARITY[codes][:, None]) & (operands >= 0)
    readers, blocks = np.repeat(which, reads.sum(axis=1)), operands[reads]
    collects, pieces = pieces_of(program, which[codes == CODE["collect"]])
    if not len(collects):
        return readers, blocks
    readers = np.concatenate([readers, collects])
    order = np.argsort(readers, kind="stable")
    return readers[order], np.concatenate([blocks, program.pieces[pieces, 0]])[order]


def pieces_of(program: ArrayProgram, collects: Integers) -> tuple[Integers, Integers]:
    """The pieces of these operations: of which of them each is, and which piece it is."""
    first, stop = program.operands[collects, :2].T
    which = np.concatenate([first[:0], *map(np.arange, first, stop)])
    return np.repeat(collects, stop - first), which


def in_turn(*columns: npt.NDArray[Any]) -> Iterator[tuple[int, ...]]:
    """The lines of columns as integers, of which there are never many at a time."""
    for start in range(0, len(columns[0]), CHUNK):
        yield from zip(*(column[start : start + CHUNK].tolist() for column in columns))


def needed_for(ends: Iterable[int], program: ArrayProgram) -> npt.NDArray[np.bool_]:
    """Per block whether the ends need it; the leaves always."""
    needed = np.zeros(len(program), np.bool_)
    needed[[PARAMETERS, INPUTS, CONSTANTS, *ends]] = True
    for start in range(len(program) // CHUNK * CHUNK, -1, -CHUNK):
        chunk = np.arange(start, min(start + CHUNK, len(program)))
        readers, blocks = readings(program, chunk)
        hoped = needed.copy()
        hoped[blocks] = True  # as it is if all are needed, or read by later ones
        needed = hoped if hoped[chunk].all() else _reached(needed, readers[::-1], blocks[::-1])
    return needed


def sums_over_rows(program: ArrayProgram) -> npt.NDArray[np.bool_]:
    """Per block whether it adds up what varies."""
    return np.isin(program.codes, [CODE[word] for word in OVER_ROWS])


def waiting(program: ArrayProgram, first: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Per block whether it is one of the first or waits for one: nothing that varies does."""
    readers, blocks = readings(program, np.flatnonzero(~program.varying))
    return _reached(first, blocks, readers) if first.any() else first


def _reached(
    first: npt.NDArray[np.bool_], sources: Integers, targets: Integers
) -> npt.NDArray[np.bool_]:
    """Per block whether one of the first leads to it, a step after the other in this order."""
    # a bytearray: quicker to look at one by one than an array, and there are many
    reached = bytearray(first.tobytes())
    for source, target in in_turn(sources, targets):
        if reached[source]:
            reached[target] = 1
    return np.frombuffer(reached, np.bool_)


def last_uses(program: ArrayProgram) -> Integers:
    """Per block the last operation that needs it, through views or not; leaves and ends stay."""
    last = np.arange(len(program))
    bases = last.copy()
    bases[program.codes == CODE["view"]] = program.operands[program.codes == CODE["view"], 0]
    readers, blocks = readings(program)
    np.maximum.at(last, blocks, readers)
    last[[PARAMETERS, INPUTS, CONSTANTS, *ends_of(program)]] = len(program)
    # what a view is read for, its base must still be there for
    np.maximum.at(last, bases, last.copy())
    return last
