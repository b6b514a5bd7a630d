"""Following an array program: the same walk for every kind of array.

A *step* is an operation made ready: the register that its block goes to, a function, and the
registers that hold its operands.  A *register* is a place for a block, handed on when nobody needs
what is in it.  What the words do is told once here, for whatever adds, multiplies and can be
reshaped: arrays of NumPy and of JAX, and arrays of numbers that are only being recorded
(`listing`).  What one of them does its own way (putting pieces together, say, which JAX cannot do
in place) it says itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np

from autograd.compiler.arrays import (
    ARITIES,
    ELEMENTWISE,
    LEAVES,
    WORDS,
    ArrayProgram,
    Integers,
    Place,
    Shape,
    Tables,
    last_uses,
    places_of,
)

Functions: TypeAlias = Mapping[str, Callable[..., Any]]
"""What every word does."""

Step: TypeAlias = tuple[int, Callable[..., Any], Callable[[Any], Sequence[Any]]]


def follow(steps: Iterable[Step], blocks: Any) -> None:
    """Compute the blocks, in the registers where they belong."""
    for register, function, operands_in in steps:
        blocks[register] = function(*operands_in(blocks))


def followed(program: ArrayProgram, functions: Functions, leaves: Sequence[Any]) -> list[Any]:
    """All blocks, from those of the leaves on, each in a register of its own."""
    blocks = [*leaves, *[None] * (len(program) - len(leaves))]
    follow(steps_of(program, functions, range(len(program)), np.arange(len(program))), blocks)
    return blocks


def steps_of(
    program: ArrayProgram, functions: Functions, registers: Sequence[int], wanted: Integers
) -> list[Step]:
    """The steps of the operations that are wanted.

    For `view` and `collect` the functions give functions of blocks, for what the program states:
    tables, place, shape and base's shape; tables, place and shape of each piece, once, shape.
    """
    codes, operands = program.codes.tolist(), program.operands.tolist()
    shapes = [*zip(*program.shapes.T.tolist())]
    steps: list[Step] = []
    for k in wanted.tolist():
        word, numbers = WORDS[codes[k]], operands[k]
        if word in LEAVES:
            continue
        function, blocks = functions[word], numbers[: ARITIES[word]]
        if word == "view":
            place = tuple(numbers[1:])
            function = function(program.tables, place, shapes[k], shapes[numbers[0]])
        elif word == "collect":
            pieces = program.pieces[numbers[0] : numbers[1]].tolist()
            blocks = [block for block, *_ in pieces]
            parts = [(place, shapes[j]) for j, *place in pieces]
            function = function(program.tables, parts, bool(numbers[2]), shapes[k])
        given = [registers[j] for j in blocks if j >= 0]
        steps.append((registers[k], function, _picker(given)))
    return steps


def _picker(places: list[int]) -> Callable[[Any], Sequence[Any]]:
    """Picks what is in these places, faster than a loop would."""
    first = places[0] if places else 0
    return itemgetter(*places) if len(places) > 1 else itemgetter(slice(first, first + len(places)))


def registers_of(program: ArrayProgram, keep: Any) -> tuple[list[int], int]:
    """The register of each block, and how many there are; those to keep have one for themselves."""
    last = np.where(keep, len(program), last_uses(program))
    ending = iter(np.argsort(last, kind="stable").tolist())
    last = last.tolist()
    registers: list[int] = []
    free: list[int] = []
    count, end = 0, next(ending, 0)
    for k in range(len(program)):
        while last[end] < k:
            free.append(registers[end])
            end = next(ending)
        if free and last[k] < len(last):
            registers.append(free.pop())
        else:
            registers.append(count)
            count += 1
    return registers, count


def functions_of(xp: Any) -> dict[str, Callable[..., Any]]:
    """The words as NumPy's functions, or as those of a namespace with the same names."""
    named = {name: getattr(xp, name) for name in ELEMENTWISE if hasattr(xp, name)}
    named |= {"add": xp.add, "sub": xp.subtract, "mul": xp.multiply, "neg": xp.negative}

    def compared(name: str) -> Callable[..., Any]:
        compare = getattr(xp, name)
        return lambda a, b: compare(a, b).astype(a.dtype)

    def taken(a: Any, index: Any) -> Any:
        n, m, rows = xp.broadcast_shapes(a.shape, index.shape[:1] + (1, index.shape[2]))
        # an index is a number of the user's: nan, 0.5 and -1 give nan, and read nothing
        sound = (index >= 0) & (index < m) & (index == xp.floor(index))
        places = xp.broadcast_to(xp.where(sound, index, 0).astype(int), (n, 1, rows))
        found = xp.take_along_axis(xp.broadcast_to(a, (n, m, rows)), places, axis=1)
        return xp.where(sound, found, xp.nan)

    def seen(tables: Tables, place: Place, shape: Shape, whole: Shape) -> Callable[[Any], Any]:
        places = places_of(place, shape, tables)
        return lambda base: flat(base)[places].reshape(*shape, base.shape[2])

    def product(a: Any, b: Any, bias: Any = None) -> Any:
        result = xp.matmul(a[:, :, 0], b)
        return result if bias is None else result + bias

    return {
        **named,
        **{name: compared(name) for name in ("less", "less_equal", "equal")},
        "sum": lambda a: a.sum(axis=1, keepdims=True, initial=-0.0),  # 0 more would change -0
        "max": lambda a: a.max(axis=1, keepdims=True),
        "take": taken,
        "matmul": product,
        "view": seen,
    }


def sums_of_products(xp: Any, a: Any, b: Any) -> Any:
    """(w, i, rows) and (w, k, rows), of which one may be uniform: over w and rows, (i, k, 1)."""
    if a.shape[2] != b.shape[2]:
        rows = max(a.shape[2], b.shape[2])
        a, b = (xp.broadcast_to(x, (*x.shape[:2], rows)) for x in (a, b))
    left, right = (x.transpose(1, 0, 2).reshape(x.shape[1], -1) for x in (a, b))
    return xp.matmul(left, right.T)[:, :, None]


def flat(block: Any) -> Any:
    """The numbers of a block one behind the other, (n m, rows); there may be no rows."""
    return block.reshape(block.shape[0] * block.shape[1], block.shape[2])
