"""Every block of an array program, by the book: slow, and plain to see.

What the backends are held against where the eager engine cannot say what single blocks should be.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import scalar_math
from autograd.compiler.arrays import (
    ARITIES,
    ELEMENTWISE,
    LEAVES,
    Array,
    ArrayProgram,
    Operation,
)
from autograd.rules import BASIS


def follow(program: ArrayProgram, params: Array, batch: Array) -> list[Any]:
    """Every block of the program for a batch, (n, m, 1 or rows)."""
    given = {"parameters": params[:, None, None], "inputs": np.ascontiguousarray(batch.T)[:, None]}
    given["constants"] = program.constants[:, None, None]
    blocks: list[Any] = []
    with np.errstate(all="ignore"):
        for word, (a, b, c, d), (n, m), _ in map(_fields, program):
            flat: Any = blocks[a].reshape(-1, blocks[a].shape[-1]) if word == "view" else None
            if word in LEAVES:
                block = given[word]
            elif word == "view" and b < 0:
                block = flat[program.tables[-1 - b]].reshape(n, m, -1)
            elif word == "view":
                block = flat[b + c * np.arange(n)[:, None] + d * np.arange(m)]
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
