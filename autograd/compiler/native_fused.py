"""Programs as straight-line code: no table, no memory between one operation and the next.

For small programs that run long this is worth compiling them: the optimiser's rule, which runs over
all parameters in every step, and formulas that run over many rows.  The object code is kept like
the library's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import product
from typing import Any

import numpy as np
from llvmlite import ir

from autograd.compiler.arrays import ELEMENTWISE, LEAVES, WORDS, ArrayProgram
from autograd.compiler.native_emit import Emitter, Vector
from autograd.compiler.native_library import compiled, library
from autograd.compiler.native_loops import RULE
from autograd.compiler.native_math import compute

MOST = 400
"""Numbers per row that straight-line code is made for."""


class Unfit(Exception):
    """This program is not one for straight-line code."""


def rule(program: ArrayProgram) -> int:
    """The address of a function that takes one step of an optimiser.

    It is called with the hyper numbers, parameters and states one after another, the gradient,
    where parameters and states go, and how many parameters there are.
    """
    _check(program)
    module = ir.Module("rule")
    e = Emitter(module, "rule", RULE.args, RULE.return_type, library().lanes)
    hyper, now, gradient, following, count = e.function.args
    params, inputs, _ = (range(int(program.shapes[k, 0])) for k in range(3))
    given = [e.load_all(hyper, k) for k in params]

    def step(load: Callable[..., Vector], store: Callable[..., None], i: Any) -> None:
        columns = [
            load(gradient, i) if k == 1 else load(now, (max(0, k - 1), count), i) for k in inputs
        ]
        blocks = evaluated(e, program, given, columns)
        for o, root in enumerate(program.roots):
            store(blocks[root][0], following, (o, count), i)

    whole = e.builder.and_(count, e.whole(-e.lanes))
    e.loop(0, whole, e.lanes, lambda i: step(e.load, e.store, i))

    def rest(i: Any) -> None:
        mask = e.first_lanes(e.builder.sub(count, i))
        load = lambda *place: e.load_some(mask, *place)  # noqa: E731
        step(load, lambda vector, *place: e.store_some(mask, vector, *place), i)

    e.loop(whole, count, e.lanes, rest)
    e.builder.ret_void()
    return _address(module, "rule")


def evaluated(
    e: Emitter, program: ArrayProgram, params: Sequence[Vector], inputs: Sequence[Vector]
) -> list[list[Vector]]:
    """Every block of the program as its elements."""
    constants = [e.vector(number) for number in program.constants]
    blocks: list[list[Vector]] = [list(params), list(inputs), constants]
    known: dict[int, tuple[Vector, Vector]] = {}
    for k in range(len(LEAVES), len(program)):
        word, (a, b, s, t), (n, m), _ = _fields(program[k])
        if word == "view":
            block = [blocks[a][b + i * s + j * t] for i, j in product(range(n), range(m))]
        elif word == "table":
            block = [blocks[a][place] for place in program.tables[b].ravel().tolist()]
        else:
            operands = (a, b, s)[: ELEMENTWISE[word]]
            columns = [_seen(blocks[j], program.shapes[j].tolist(), (n, m)) for j in operands]
            block = [_computed(e, word, each, known) for each in zip(*columns)]
        blocks.append(block)
    return blocks


def _computed(
    e: Emitter, word: str, operands: Sequence[Vector], known: dict[int, tuple[Vector, Vector]]
) -> Vector:
    """An operation; a sum with a product in it is rounded once."""
    a, b = operands[0], operands[-1]
    if word in ("add", "sub") and id(a) in known:
        return e.fma(*known[id(a)], b if word == "add" else -b)
    if word in ("add", "sub") and id(b) in known:
        first, second = known[id(b)]
        return e.fma(first if word == "add" else -first, second, a)
    result = compute(e, word, *operands)
    if word == "mul":
        known[id(result)] = (a, b)
    return result


def _seen(block: Sequence[Vector], shape: tuple[int, int], wanted: tuple[int, int]) -> list[Vector]:
    """The elements of a block broadcast to a shape."""
    (n, m), (rows, columns) = shape, wanted
    places = product(range(rows), range(columns))
    return [block[(i if n > 1 else 0) * m + (j if m > 1 else 0)] for i, j in places]


def _fields(operation: Any) -> tuple[Any, ...]:
    return operation.word, operation.operands, operation.shape, operation.varying


def _check(program: ArrayProgram) -> None:
    known = {*ELEMENTWISE, "view", "table"}
    if not all(WORDS[code] in known for code in np.unique(program.codes[len(LEAVES) :])):
        raise Unfit
    if program.shapes.prod(axis=1).sum() > MOST:
        raise Unfit


def _address(module: Any, name: str) -> int:
    text = str(module)
    kept = sha256(text.encode()).hexdigest()[:40]
    [address] = library().load(kept, lambda: compiled(module), [name])
    return address
