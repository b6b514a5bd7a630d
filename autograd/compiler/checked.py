"""Whether a program from outside is one that can be followed.

Every operand is an earlier block, every view and table stays within its base, every piece within
its block, and shapes and kinds are what the words make of their operands': whoever follows a
program that passed can trust every number in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.compiler.arrays import (
    ARITIES,
    CODE,
    LEAVES,
    OVER_ROWS,
    VIEWS,
    ArrayProgram,
    Integers,
)

LARGEST = 2**30
"""Numbers in a block; products of two such still fit an integer."""


def check_program(program: ArrayProgram, parameters: int, inputs: int, roots: int) -> None:
    """Raise ValueError unless the program is sound."""
    codes, shapes = program.codes, program.shapes
    _check(len(codes) >= len(LEAVES), "leaves are missing")
    leaves = [CODE[word] for word in LEAVES]
    _check(codes[:3].tolist() == leaves and bool((codes[3:] > leaves[-1]).all()), "odd leaves")
    wanted = [[parameters, 1], [inputs, 1], [len(program.constants), 1]]
    _check(shapes[:3].tolist() == wanted, "leaves of odd shape")
    _check(program.varying[:3].tolist() == [False, True, False], "odd leaves")
    _check(bool(((shapes >= 0) & (shapes <= LARGEST)).all()), "a shape out of range")
    _check(bool((shapes.prod(axis=1) <= LARGEST).all()), "a block out of range")
    _check(bool((np.abs(program.operands) <= LARGEST).all()), "an operand out of range")
    _check(bool((np.abs(program.pieces) <= LARGEST).all()), "a piece out of range")
    _check_operands(program)
    for word in np.unique(codes[3:]).tolist():
        _check_word(program, np.flatnonzero(codes == word), _WORDS[word])
    _check_order(program)
    _check_ends(program, parameters, roots)


def _check_operands(program: ArrayProgram) -> None:
    arity = np.array([*ARITIES.values()])[program.codes]
    place = np.arange(len(program))
    for column in range(3):
        used = program.operands[arity > column, column]
        least = np.where(program.codes[arity > column] == CODE["matmul"], -(column == 2), 0)
        sound = (used >= least) & (used < place[arity > column])
        _check(bool(sound.all()), "an operand out of range")


def _check_word(program: ArrayProgram, where: Integers, word: str) -> None:
    """Check the operations of one word, all at once."""
    operands, shapes = program.operands[where], program.shapes
    rule = _RULES.get(word)
    if rule:
        rule(program, where)
        return
    of = [shapes[operands[:, column]] for column in range(ARITIES[word])]
    varies = np.zeros(len(where), dtype=bool)
    for column in range(ARITIES[word]):
        varies |= program.varying[operands[:, column]]
    result = of[0]
    for other in of[1:]:
        _check(_fits(other, result) or _stretch(result, other), f"{word} of odd shapes")
        result = np.maximum(result, other)
    _same(program, where, result, varies, word)


def _stretch(a: Integers, b: Integers) -> bool:
    return bool(((a == b) | (a == 1) | (b == 1)).all())


def _fits(a: Integers, b: Integers) -> bool:
    """Whether a is b, or 1, all along."""
    return bool(((a == b) | (a == 1)).all())


def _same(program: ArrayProgram, where: Integers, shape: Any, varies: Any, word: str) -> None:
    _check(bool((program.shapes[where] == shape).all()), f"{word} of odd shape")
    _check(bool((program.varying[where] == varies).all()), f"{word} of odd kind")
    _check(bool((program.shapes[where] > 0).all()), f"{word} without numbers")


def _view(program: ArrayProgram, where: Integers) -> None:
    base, start, s, t = program.operands[where].T
    _check_base(program, base)
    _same(program, where, program.shapes[where], program.varying[base], "view")
    n, m = program.shapes[where].T
    down, along = s * (n - 1), t * (m - 1)
    least = start + np.minimum(down, 0) + np.minimum(along, 0)
    most = start + np.maximum(down, 0) + np.maximum(along, 0)
    _check_within(least, most, program.shapes[base].prod(axis=1), "a view")


def _table(program: ArrayProgram, where: Integers) -> None:
    base, table = program.operands[where, :2].T
    _check_base(program, base)
    _same(program, where, program.shapes[where], program.varying[base], "table")
    _check_tables(program, table, program.shapes[where].prod(axis=1), program.shapes[base])


def _check_base(program: ArrayProgram, base: Integers) -> None:
    views = [CODE[word] for word in VIEWS]
    _check(not np.isin(program.codes[base], views).any(), "a view of a view")


def _check_within(least: Integers, most: Integers, count: Integers, what: str) -> None:
    _check(bool(((least >= 0) & (most < count)).all()), f"{what} out of range")


def _check_tables(
    program: ArrayProgram, table: Integers, lengths: Integers, shapes: Integers
) -> None:
    """Check that these tables exist, are so long, and stay within blocks of these shapes."""
    _check(bool(((table >= 0) & (table < len(program.tables))).all()), "a table is missing")
    ends = [(len(x), int(x.min()), int(x.max())) for x in program.tables if len(x)]
    _check(len(ends) == len(program.tables), "a table without numbers")
    length, least, most = np.array(ends, dtype=np.int64).reshape(-1, 3)[table].T
    _check(bool((length == lengths).all()), "a table of odd length")
    _check_within(least, most, shapes.prod(axis=1), "a table")


def _fold(program: ArrayProgram, where: Integers) -> None:
    a = program.operands[where, 0]
    shape = np.column_stack([program.shapes[a, 0], np.ones_like(a)])
    _check(bool((program.shapes[a] > 0).all()), "a sum of nothing")
    _same(program, where, shape, program.varying[a], "sum")


def _matmul(program: ArrayProgram, where: Integers) -> None:
    a, b, bias, _ = program.operands[where].T
    shapes, varying = program.shapes, program.varying
    shape = np.column_stack([shapes[b, 0], shapes[a, 0]])
    _check(bool((shapes[a, 1] == shapes[b, 1]).all()), "matmul of odd shapes")
    _check(not varying[a].any(), "matmul of odd kind")
    has = bias >= 0
    _check(_fits(shapes[bias[has]], shape[has]), "matmul of odd shapes")
    _same(program, where, shape, varying[b] | (has & varying[bias]), "matmul")


def _take(program: ArrayProgram, where: Integers) -> None:
    a, index, *_ = program.operands[where].T
    shapes, varying = program.shapes, program.varying
    shape = np.column_stack([shapes[a, 0], np.ones_like(a)])
    _check(bool((shapes[index] == shape).all()), "take of odd shapes")
    _same(program, where, shape, varying[a] | varying[index], "take")


def _mean(program: ArrayProgram, where: Integers) -> None:
    a = program.operands[where, 0]
    _same(program, where, program.shapes[a], np.zeros(len(a), dtype=bool), "mean")


def _outer(program: ArrayProgram, where: Integers) -> None:
    a, b, *_ = program.operands[where].T
    shapes = program.shapes
    _check(bool((shapes[a, 0] == shapes[b, 0]).all()), "outer of odd shapes")
    _check(bool((program.varying[a] | program.varying[b]).all()), "outer of odd kind")
    shape = np.column_stack([shapes[a, 1], shapes[b, 1]])
    _same(program, where, shape, np.zeros(len(a), dtype=bool), "outer")


def _collect(program: ArrayProgram, where: Integers) -> None:
    first, stop, once, _ = program.operands[where].T
    sound = (first >= 0) & (first <= stop) & (stop <= len(program.pieces)) & (once >> 1 == 0)
    _check(bool(sound.all()), "pieces out of range")
    lengths = stop - first
    _check(int(lengths.sum()) <= len(program.pieces), "pieces used twice")
    owner = np.repeat(where, lengths)
    order = np.concatenate([np.zeros(0, np.int64), *map(np.arange, first, stop)])
    block, start, s, t = program.pieces[order].T
    _check(bool(((block >= 0) & (block < owner)).all()), "a piece out of range")
    counts = program.shapes.prod(axis=1)
    n, m = program.shapes[block].T
    plain = start >= 0
    down, along = s * (n - 1), t * (m - 1)
    least = start + np.minimum(down, 0) + np.minimum(along, 0)
    most = start + np.maximum(down, 0) + np.maximum(along, 0)
    _check_within(least[plain], most[plain], counts[owner[plain]], "a piece")
    others = ~plain
    if others.any():
        shapes = program.shapes[owner[others]]
        _check_tables(program, -1 - start[others], counts[block[others]], shapes)
    varies = np.zeros(len(program), dtype=bool)
    np.logical_or.at(varies, owner, program.varying[block])
    _check(bool((program.varying[where] == varies[where]).all()), "collect of odd kind")


def _check_order(program: ArrayProgram) -> None:
    """Nothing that has a number per row may wait for what is added up over the rows."""
    over = np.isin(program.codes, [CODE[word] for word in OVER_ROWS])
    if not over.any():
        return
    after = bytearray(len(program))
    codes, operands, varying = (
        x.tolist() for x in (program.codes, program.operands, program.varying)
    )
    pieces, arities, collect = program.pieces[:, 0].tolist(), [*ARITIES.values()], CODE["collect"]
    for k in range(int(np.argmax(over)), len(program)):
        blocks = operands[k][: arities[codes[k]]]
        if codes[k] == collect:
            blocks = pieces[operands[k][0] : operands[k][1]]
        late = any(after[j] for j in blocks if j >= 0)
        sums = bool(over[k]) and any(varying[j] for j in blocks)
        _check(not (late and (varying[k] or sums)), "a row that waits for all rows")
        after[k] = late or sums


def _check_ends(program: ArrayProgram, parameters: int, roots: int) -> None:
    ends = [*program.roots, program.loss, program.gradient]
    _check(len(program.roots) == roots and min(ends) >= 0, "ends are missing")
    _check(max(ends) < len(program), "ends out of range")
    shapes = program.shapes[ends]
    _check(bool((shapes[:-1] == 1).all()), "ends of odd shape")
    _check(shapes[-1].tolist() == [parameters, 1], "a gradient of odd shape")
    _check(not program.varying[ends[-2:]].any(), "ends of odd kind")


def _check(sound: bool, complaint: str) -> None:
    if not sound:
        raise ValueError(complaint)


_WORDS = [*ARITIES]
_RULES: dict[str, Callable[[ArrayProgram, Integers], None]] = {
    "view": _view, "table": _table, "sum": _fold, "max": _fold, "matmul": _matmul, "take": _take,
    "mean": _mean, "outer": _outer, "collect": _collect,
}  # fmt: skip
