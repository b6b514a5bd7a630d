"""Records operations on blocks: what a row of the table computes when its operands are blocks.

A row's functions do not say what kind of number they work on.  Here they work on *blocks*, each
the result of an operation of an `ArrayProgram` in the making.  An operation seen before is not
recorded again, and what is known already is computed at once.  A few steps that change nothing in
IEEE arithmetic are left out: ``x * 1``, ``x - 0``, ``x / 1``, ``x ** 1``.  ``x + 0`` and ``0 * x``
stay, because -0 + 0 is 0 and 0 * inf is nan.

An operand of a row of many may be a block of several columns, which stand for as many operands.
What the row does to each of them is recorded once, for the whole block; adding them up, or looking
for the largest, is one `sum` or `max`.
"""

from __future__ import annotations

import operator
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from math import frexp
from operator import or_
from typing import Any, TypeAlias

import numpy as np

from autograd import scalar_math
from autograd.compiler.arrays import (
    CODE,
    CONSTANTS,
    INPUTS,
    LEAVES,
    OVER_ROWS,
    PARAMETERS,
    SHAPES,
    ArrayProgram,
    Integers,
    Place,
    Shape,
    places_of,
    through,
)
from autograd.rules import BASIS, namespace, total

_VIEW, _COLLECT = CODE["view"], CODE["collect"]

ONE: Shape = (1, 1)

VARIES, LEADS = 1, 2
"""The bits of a block's *kind*: it varies; it leads to parameters, and so is owed something."""


class Block:
    """A block that is not known yet: the result of one operation."""

    __slots__ = ("index", "recorder")

    def __init__(self, recorder: Recorder, index: int) -> None:
        self.recorder = recorder
        self.index = index

    @property
    def shape(self) -> Shape:
        """Its (n, m)."""
        return self.recorder.shape_of(self.index)

    @property
    def varying(self) -> bool:
        """Whether it has a number per row."""
        return bool(self.recorder.kinds[self.index] & VARIES)

    @property
    def leads(self) -> bool:
        """Whether there are parameters behind it: no other block is owed anything."""
        return bool(self.recorder.kinds[self.index] & LEADS)

    def __add__(self, other: Number) -> Number:
        if not isinstance(other, Block) and repr(other) == "-0.0":
            return self
        return self.recorder.emit("add", self, other)

    __radd__ = __add__

    def __mul__(self, other: Number) -> Number:
        if not isinstance(other, Block) and other == 1.0:
            return self
        return self.recorder.emit("mul", self, other)

    __rmul__ = __mul__

    def __sub__(self, other: Number) -> Number:
        if not isinstance(other, Block) and repr(other) == "0.0":
            return self
        return self.recorder.emit("sub", self, other)

    def __rsub__(self, other: float) -> Number:
        return self.recorder.emit("sub", other, self)

    def __neg__(self) -> Number:
        return self.recorder.emit("neg", self)


Number: TypeAlias = Block | float
"""What rows work on while recording: a float is known already."""


def width_of(operand: Number) -> int:
    """How many operands of a row it stands for."""
    return operand.shape[1] if isinstance(operand, Block) else 1


class Recorder:
    """Operations as they are recorded: every block once, in order."""

    def __init__(self, parameters: int, inputs: int) -> None:
        self.codes = bytearray()
        self.operands = array("q")
        self._shapes: dict[int, Shape] = {}
        """Of the blocks of more than one number."""
        self.kinds = bytearray()
        """Of each block: VARIES, LEADS, or both."""
        self.constants: list[float] = []
        self.tables: list[Integers] = []
        self.pieces: list[tuple[int, int, int, int]] = []
        self._known: dict[tuple[int, ...], int] = {}
        self._numbers: dict[Any, int] = {}
        self._known_tables: dict[bytes, int] = {}
        simpler = {"divide": self._divide, "power": self._power, "where": self._where}
        recorded: dict[str, Any] = {name: partial(self.emit, name) for name in BASIS}
        self.namespace = m = namespace(recorded | simpler)
        m.total = lambda xs: total(self._in_one("sum", x) for x in xs)
        m.largest = lambda xs: reduce(m.maximum, [self._in_one("max", x) for x in xs])
        m.count = lambda xs: float(sum(map(width_of, xs)))
        for word, count, kind in zip(LEAVES, (parameters, inputs, 0), (LEADS, VARIES, 0)):
            self.append(CODE[word], (0, 0, 0, 0), (count, 1), kind)
        self.parameters, self.inputs = Block(self, PARAMETERS), Block(self, INPUTS)

    # -- operations -----------------------------------------------------------------------------

    def emit(self, word: str, *operands: Number) -> Number:
        """The result of an element-wise operation: computed when all is known."""
        if {*map(type, operands)} == {float}:
            return float(_COMPUTE[word](*operands))
        code, blocks = CODE[word], [self.index(x) for x in operands]
        n, m = map(max, ONE, *map(self.shape_of, blocks))
        kind = reduce(or_, [self.kinds[k] for k in blocks])
        return self._once((code, *blocks), (n, m), kind)

    def _divide(self, a: Number, b: Number) -> Number:
        """Dividing by 1, or another power of two, is multiplying by its exact inverse."""
        if isinstance(b, Block) or abs(frexp(b)[0]) != 0.5 or not 1e-300 < abs(b) < 1e300:
            return self.emit("divide", a, b)
        return a * (1.0 / b)

    def _power(self, a: Number, b: Number) -> Number:
        """Whole powers from -1 to 3 are quotients and products."""
        if isinstance(a, Block) and not isinstance(b, Block) and b in _POWERS:
            return _POWERS[b](a)
        return self.emit("power", a, b)

    def _where(self, condition: Number, a: Number, b: Number) -> Number:
        """A condition that is known has chosen already."""
        if isinstance(condition, Block):
            return self.emit("where", condition, a, b)
        return a if condition else b

    def _once(self, key: tuple[int, ...], shape: Shape, kind: int) -> Block:
        """The block of this operation, a new one unless it was recorded before."""
        index = self._known.get(key)
        if index is None:
            operands = (*key[1:5], 0, 0, 0)[:4]
            index = self._known[key] = self.append(key[0], operands, shape, kind)
        return Block(self, index)

    def append(self, code: int, operands: tuple[int, ...], shape: Shape, kind: int) -> int:
        """A new operation, though it may have been recorded before; its block's place."""
        if shape != ONE:
            self._shapes[len(self.codes)] = shape
        self.codes.append(code)
        self.operands.extend(operands)
        self.kinds.append(kind)
        return len(self.codes) - 1

    def make_room(self, count: int) -> None:
        """Room for so many operations on single numbers, to be written into the columns."""
        for column in (self.codes, self.kinds):
            column.extend(bytes(count))
        self.operands.frombytes(bytes(32 * count))

    def columns(self) -> tuple[Any, Any, Any]:
        """Codes, kinds and operands, to be let go of before anything else is recorded."""
        codes, kinds = (np.frombuffer(x, np.uint8) for x in (self.codes, self.kinds))
        return codes, kinds, np.frombuffer(self.operands, np.int64).reshape(-1, 4)

    def reduce(self, word: str, a: Block) -> Block:
        """The sum or the largest of each line of a block (n, m): (n, 1)."""
        return a if a.shape[1] == 1 else self._made(word, a.index)

    def _in_one(self, word: str, operand: Number) -> Number:
        """The sum or the largest of all that an operand stands for."""
        return self.reduce(word, operand) if isinstance(operand, Block) else operand

    def product(self, a: Block, b: Block, bias: Number | None = None) -> Block:
        """(i, k) times (w, k): (w, i), added up from the bias on, or from 0."""
        last = -1 if bias is None else self.index(bias)
        return self._made("matmul", a.index, b.index, last)

    def outer(self, a: Block, b: Block) -> Block:
        """The mean over the rows of the products of (w, i) and (w, k): (i, k)."""
        if not (a.varying or b.varying):
            return self.product(self.transposed(b), self.transposed(a))
        return self._made("outer", a.index, b.index)

    def take(self, a: Block, index: Number) -> Block:
        """The number of each line of a block (n, m) at its index (n, 1)."""
        each = self.reshaped(self.block(index), (a.shape[0], 1))
        return self._made("take", a.index, each.index)

    def mean(self, a: Block) -> Block:
        """The mean over the rows, where there is a number for each."""
        return self._made("mean", a.index) if a.varying else a

    def per_row(self, number: Number) -> Number:
        """What may be the same for all rows as a number per row: times a 1 that varies."""
        m, first = self.namespace, self.element(self.inputs, 0)
        ones: Block = m.where(m.less(first, first), 1.0, 1.0)
        return ones * number

    def _made(self, word: str, *blocks: int) -> Block:
        """The result of an operation that is not element-wise."""
        shape = SHAPES[word](*map(self.shape_of, blocks))
        kind = reduce(or_, [self.kinds[k] for k in blocks if k >= 0])
        if word in OVER_ROWS:
            kind &= LEADS
        return self._once((CODE[word], *blocks), shape, kind)

    def copy(self, block: Block, kind: int) -> Block:
        """The same numbers as a block of their own, of this kind."""
        whole = self.collect([(block, (0, *through(block.shape)))], block.shape, once=True)
        self.kinds[whole.index] = kind
        return whole

    def collect(self, pieces: Iterable[tuple[Block, Place]], shape: Shape, once: bool) -> Block:
        """Blocks put into one, each at its place."""
        first, kind = len(self.pieces), 0
        for block, place in pieces:
            self.pieces.append((block.index, *place))
            kind |= self.kinds[block.index]
        operands = (first, len(self.pieces), int(once), 0)
        return Block(self, self.append(_COLLECT, operands, shape, kind))

    # -- views ----------------------------------------------------------------------------------

    def element(self, block: Block, place: int) -> Block:
        """One number of a block that is no view: a view also where there is no other number."""
        return self._seen(block.index, (place, 0, 0), ONE)

    def view(self, block: Block, place: Place, shape: Shape) -> Block:
        """The numbers of a block at a place in it."""
        return self.picked(block, places_of(place, shape, self.tables), shape)

    def picked(self, block: Block, places: Integers, shape: Shape) -> Block:
        """Element k is the block's element places[k]."""
        base, seen = self.place_of(block.index)
        if seen and seen[0] < 0:
            places = self.tables[-1 - seen[0]][places]
        elif seen:
            down, along = np.divmod(places, block.shape[1])
            places = seen[0] + seen[1] * down + seen[2] * along
        place = self.place(places, shape)
        if place == (0, *through(shape)) and shape == self.shape_of(base):
            return Block(self, base)
        return self._seen(base, place, shape)

    def _seen(self, base: int, place: Place, shape: Shape) -> Block:
        """A view, whose shape is a part of its key: a place may be seen in several."""
        return self._once((_VIEW, base, *place, *shape), shape, self.kinds[base])

    def transposed(self, block: Block) -> Block:
        """(n, m) as (m, n)."""
        n, m = block.shape
        return self.view(block, (0, 1, m), (m, n))

    def place(self, places: Integers, shape: Shape) -> Place:
        """These places, in C order: equal steps where they are that, else a table."""
        (n, m), start = shape, int(places[0])
        t = int(places[1]) - start if m > 1 else 0
        s = int(places[m]) - start if n > 1 else 0
        if len(places) == 1 or np.array_equal(places, places_of((start, s, t), shape)):
            return start, s, t
        table = self._known_tables.setdefault(places.tobytes(), len(self.tables))
        if table == len(self.tables):
            self.tables.append(places)
        return -1 - table, 0, 0

    def place_of(self, k: int) -> tuple[int, Place | None]:
        """The base of a block and where in it the block lies; None for all of it."""
        if self.codes[k] != _VIEW:
            return k, None
        base, start, s, t = self.operands[4 * k : 4 * k + 4]
        n, m = self.shape_of(k)
        if (start, s, t) == (0, *through((n, m))) and n * m == self.count(base):
            return base, None
        return base, (start, s, t)

    def shape_of(self, k: int) -> Shape:
        """The (n, m) of a block."""
        return self._shapes.get(k, ONE)

    def count(self, k: int) -> int:
        """How many numbers a block has per row."""
        n, m = self.shape_of(k)
        return n * m

    def reshaped(self, block: Block, shape: Shape) -> Block:
        """The same numbers in another shape; a length of 1 is stretched."""
        if block.shape == shape:
            return block
        if self.count(block.index) == shape[0] * shape[1]:
            return self.view(block, (0, shape[1], 1), shape)
        stretched = (one in (1, length) for one, length in zip(block.shape, shape))
        assert all(stretched), "a stretched length was 1"
        return self.view(block, (0, *through(block.shape)), shape)

    # -- numbers --------------------------------------------------------------------------------

    def index(self, number: Number) -> int:
        """The place of a block, or of a constant."""
        return number.index if isinstance(number, Block) else self.block(number).index

    def block(self, number: Number) -> Block:
        """The number as a block."""
        return number if isinstance(number, Block) else self.constants_block((float(number),))

    def constant(self, numbers: Sequence[float]) -> Number:
        """Constants, one per node; a float if they are all the same, by their bits."""
        same = array("d", numbers[:1]) * len(numbers)
        if same.tobytes() == array("d", numbers).tobytes():
            return numbers[0]
        return self.constants_block(numbers)

    def constants_block(self, numbers: Sequence[float]) -> Block:
        """These constants, one behind the other: by their bits, for 0 and -0 are two."""
        key = array("d", numbers).tobytes()
        start = self._numbers.get(key)
        if start is None:
            start = self._numbers[key] = len(self.constants)
            self.constants.extend(numbers)
        count = len(numbers)
        return self._seen(CONSTANTS, (start, int(count > 1), 0), (count, 1))

    def finish(self, roots: Sequence[Number], loss: Number, gradient: Block) -> ArrayProgram:
        """The program; nothing can be recorded after this."""
        ends = [self.index(end) for end in (*roots, loss)]
        self._shapes[CONSTANTS] = (len(self.constants), 1)
        shapes = np.ones((len(self.codes), 2), np.int64)
        shapes[[*self._shapes]] = [*self._shapes.values()]
        operands, self.operands = self.operands, array("q")
        return ArrayProgram(
            codes=np.frombuffer(bytes(self.codes), np.uint8),
            operands=np.frombuffer(operands, np.int64).reshape(-1, 4),
            shapes=shapes,
            varying=(np.frombuffer(self.kinds, np.uint8) & VARIES).astype(np.bool_),
            tables=tuple(self.tables),
            pieces=np.array(self.pieces, np.int64).reshape(-1, 4),
            constants=np.array(self.constants, np.float64),
            roots=tuple(ends[:-1]),
            loss=ends[-1],
            gradient=gradient.index,
        )

    def let_go(self) -> None:
        """Blocks and recorder hold one another: do not leave them to the collector."""
        vars(self).clear()


_POWERS: dict[float, Callable[[Block], Number]] = {
    -1.0: lambda x: x.recorder.emit("divide", 1.0, x),
    0.0: lambda x: 1.0,
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
}

_COMPUTE: dict[str, Callable[..., float]] = {
    **{name: getattr(scalar_math, name) for name in BASIS},
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "neg")},
}
