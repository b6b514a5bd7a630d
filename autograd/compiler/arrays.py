"""The array program: a graph, and its gradient, as a short list of operations on blocks.

*Node*: a Value of the recorded graph.  *Group*: nodes that are computed alike, and so at once.
*Block*: the numbers of a group: the same for every row of a batch (*uniform*), or one per row
(*varying*).  *Operation*: computes one block from earlier ones, once.  *View*: a part of a block,
seen in another order, which costs nothing: the operand of an operation wherever a group does not
want the whole of another.

A block has a shape (n, m), in C order, and is seen as (n, m, rows) with 1 row when uniform; a group
of G nodes is (G, 1).  A block is known by its place in the list.  Its operands are four integers,
whose meaning its *word* decides (`-`: 0):

    word                                   operands           computes
    parameters, inputs, constants          - - - -            the blocks 0, 1 and 2: what is given
    view                                   base start s t     (i, j): the base's start + i s + j t
    table                                  base table - -     k: the base's tables[table][k]
    add sub mul neg exp where …            a b c -            element by element; 1 fits any length
    sum, max                               a - - -            (n, m) to (n, 1)
    matmul                                 a b bias -         (i, k) times (w, k), + bias: (w, i)
    take                                   a index - -        (n, m), (n, 1): a[i, index[i]], or nan
    mean                                   a - - -            the mean over the rows of the batch
    outer                                  a b - -            mean over rows, sum over w, of
                                                              a[w, i] b[w, k]: (i, k); one varies
    collect                                first stop once -  zeros, with pieces[first:stop] put in

The base of views and tables is never one itself.  A piece is ``(block, start, s, t)``, or ``(block,
-1 - table, 0, 0)``, and says like a view where in the result the numbers of a block go; where
``once`` is 1 no two go to the same place, else they add up.  A missing bias is -1.  `mean` and
`outer` are uniform; no varying block depends on them.

A layer of two neurons and tanh over three inputs, squared and summed up, for instance::

    0 parameters (8, 1)     1 inputs (3, 1)    2 constants (1, 1)
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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd import scalar_math
from autograd.rules import BASIS

Array: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

PARAMETERS, INPUTS, CONSTANTS = range(3)
LEAVES = ("parameters", "inputs", "constants")
VIEWS = ("view", "table")
ELEMENTWISE: dict[str, int] = {
    "add": 2, "sub": 2, "mul": 2, "neg": 1,
    **{name: len(signature(getattr(scalar_math, name)).parameters) for name in BASIS},
}  # fmt: skip
"""Every word that works element by element, with the number of its operands."""

OVER_ROWS = ("mean", "outer")
ARITIES: dict[str, int] = {
    **dict.fromkeys(LEAVES, 0), **dict.fromkeys(VIEWS, 1), **ELEMENTWISE, "sum": 1, "max": 1,
    "matmul": 3, "take": 2, "mean": 1, "outer": 2, "collect": 0,
}  # fmt: skip
"""Every word, with how many of its operands are blocks (a bias may be missing)."""

WORDS = tuple(ARITIES)
CODE = {word: code for code, word in enumerate(WORDS)}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, for reading."""

    word: str
    operands: tuple[int, ...]
    shape: tuple[int, int]
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
    return pruned(replace(program, loss=-1, gradient=-1))


def for_gradient(program: ArrayProgram) -> ArrayProgram:
    """What the loss and the gradient need."""
    return pruned(replace(program, roots=()))


def pruned(program: ArrayProgram) -> ArrayProgram:
    """The program without what nobody needs."""
    return placed(program)[0]


def placed(program: ArrayProgram) -> tuple[ArrayProgram, Integers]:
    """The program without what nobody needs, and where each block has gone (gone astray: -1)."""
    ends = [*program.roots, program.loss, program.gradient]
    alive = needed_for([k for k in ends if k >= 0], program)
    place = np.where(np.append(alive, False), np.append(np.cumsum(alive), 0), 0) - 1
    kept = np.flatnonzero(alive)
    codes, operands = program.codes[kept], program.operands[kept]
    arity = _ARITY[codes]
    for column in range(3):
        blocks = column < arity
        operands[blocks, column] = place[operands[blocks, column]]
    pieces = program.pieces.copy()
    pieces[:, 0] = place[pieces[:, 0]]
    rest = replace(
        program,
        codes=codes,
        operands=operands,
        shapes=program.shapes[kept],
        varying=program.varying[kept],
        pieces=pieces,
        roots=tuple(int(place[k]) for k in program.roots),
        loss=int(place[program.loss]),
        gradient=int(place[program.gradient]),
    )
    return rest, place


def needed_for(ends: Sequence[int], program: ArrayProgram) -> npt.NDArray[np.bool_]:
    """Per block whether the ends need it; the leaves always."""
    needed = bytearray(len(program))
    for k in (PARAMETERS, INPUTS, CONSTANTS, *ends):
        needed[k] = 1
    first, second, third = (blocks.data for blocks in _blocks_of(program))
    pieces = program.pieces[:, 0].tolist()
    collects = {
        k: program.operands[k, :2].tolist()
        for k in np.flatnonzero(program.codes == CODE["collect"]).tolist()
    }
    for k in range(len(program) - 1, CONSTANTS, -1):
        if needed[k]:
            needed[first[k]] = needed[second[k]] = needed[third[k]] = 1
            if k in collects:
                for j in pieces[slice(*collects[k])]:
                    needed[j] = 1
    return np.frombuffer(needed, dtype=np.bool_)


def _blocks_of(program: ArrayProgram) -> Iterator[Integers]:
    """The operands that are blocks, column by column; block 0 stands for none."""
    arities = _ARITY[program.codes]
    for column in range(3):
        blocks = program.operands[:, column]
        yield np.where((column < arities) & (blocks >= 0), blocks, 0)


def last_uses(program: ArrayProgram) -> Integers:
    """Per block the last operation that needs it, through views or not; the ends need theirs."""
    last = np.arange(len(program))
    bases = last.copy()
    bases[program.codes == CODE["view"]] = program.operands[program.codes == CODE["view"], 0]
    for column in range(3):
        used = _ARITY[program.codes] > column
        users = np.flatnonzero(used & (program.operands[:, column] >= 0))
        np.maximum.at(last, program.operands[users, column], users)
    for k in np.flatnonzero(program.codes == CODE["collect"]).tolist():
        first, stop, *_ = program.operands[k].tolist()
        np.maximum.at(last, program.pieces[first:stop, 0], k)
    ends = [k for k in (*program.roots, program.loss, program.gradient) if k >= 0]
    last[[PARAMETERS, INPUTS, CONSTANTS, *ends]] = len(program)
    np.maximum.at(last, bases, last.copy())
    return last


_ARITY = np.array([*ARITIES.values()], dtype=np.int64)


def follow(program: ArrayProgram, params: Array, batch: Array) -> list[Any]:
    """Every block of the program for a batch, (n, m, 1 or rows): slow, and plain to see."""
    given = {"parameters": params[:, None, None], "inputs": np.ascontiguousarray(batch.T)[:, None]}
    given["constants"] = program.constants[:, None, None]
    blocks: list[Any] = []
    with np.errstate(all="ignore"):
        for word, (a, b, c, d), (n, m), _ in map(_fields, program):
            flat: Any = blocks[a].reshape(-1, blocks[a].shape[-1]) if word in VIEWS else None
            if word in LEAVES:
                block = given[word]
            elif word == "view":
                block = flat[b + c * np.arange(n)[:, None] + d * np.arange(m)]
            elif word == "table":
                block = flat[program.tables[b]].reshape(n, m, -1)
            elif word == "collect":
                block = _collected(program, blocks, program.pieces[a:b].tolist(), (n, m), c)
            else:
                operands = [blocks[k] for k in (a, b, c)[: ARITIES[word]] if k >= 0]
                block = _COMPUTE[word](*operands)
            blocks.append(block)
    return blocks


def _fields(operation: Operation) -> tuple[Any, ...]:
    return operation.word, operation.operands, operation.shape, operation.varying


def _collected(
    program: ArrayProgram, blocks: Any, pieces: Any, shape: tuple[int, int], once: int
) -> Any:
    rows = max([blocks[k].shape[-1] for k, *_ in pieces], default=1)
    block = np.zeros((shape[0] * shape[1], rows))
    for k, start, s, t in pieces:
        n, m, _ = blocks[k].shape
        place = start + s * np.arange(n)[:, None] + t * np.arange(m)
        place = program.tables[-1 - start] if start < 0 else place.ravel()
        if once:  # and not added to 0, for -0 is to stay what it is
            block[place] = blocks[k].reshape(n * m, -1)
        else:
            np.add.at(block, place, blocks[k].reshape(n * m, -1))
    return block.reshape(*shape, rows)


def _taken(a: Array, index: Array) -> Array:
    whole = np.where((index >= 0) & (index < a.shape[1]) & (index == np.floor(index)), index, -1)
    place = np.broadcast_to(whole.astype(int), (*a.shape[:1], 1, max(a.shape[2], index.shape[2])))
    taken = np.take_along_axis(np.broadcast_to(a, (*a.shape[:2], place.shape[2])), place, 1)
    return np.where(place < 0, np.nan, taken)


def _each(name: str) -> Any:
    function = np.frompyfunc(getattr(scalar_math, name), ELEMENTWISE[name], 1)
    return lambda *operands: function(*operands).astype(np.float64)


_COMPUTE: dict[str, Any] = {
    **{name: _each(name) for name in BASIS},
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "neg": np.negative,
    "sum": lambda a: a.sum(axis=1, keepdims=True),
    "max": lambda a: a.max(axis=1, keepdims=True),
    "matmul": lambda a, b, bias=0.0: np.einsum("ikr,wkr->wir", *_as_long(a, b)) + bias,
    "take": _taken,
    "mean": lambda a: a.mean(axis=2, keepdims=True),
    "outer": lambda a, b: np.einsum("wir,wkr->ikr", *_as_long(a, b)).mean(axis=2, keepdims=True),
}


def _as_long(a: Array, b: Array) -> tuple[Array, Array]:
    rows = max(a.shape[2], b.shape[2])
    return tuple(np.broadcast_to(x, (*x.shape[:2], rows)) for x in (a, b))  # type: ignore[return-value]
