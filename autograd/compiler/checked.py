"""Whether a program from outside is one that can be followed.

Every operand is an earlier block, every view and table stays within its base, every piece within
its block, and shapes and kinds are what the words make of their operands': whoever follows a
program that passed can trust every number in it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from autograd.compiler.arrays import (
    ARITIES,
    CODE,
    LEAVES,
    OVER_ROWS,
    SHAPES,
    WORDS,
    ArrayProgram,
    Integers,
    are_apart,
    pieces_of,
    readings,
    sums_over_rows,
    waiting,
)

LARGEST = 2**30
"""Numbers in a block; products of two such still fit an integer."""


def check_program(program: ArrayProgram, parameters: int, inputs: int, roots: int) -> None:
    """Raise ValueError unless the program is sound."""
    codes, shapes = program.codes, program.shapes
    leaves = [CODE[word] for word in LEAVES]
    odd = codes[:3].tolist() != leaves or program.varying[:3].tolist() != [False, True, False]
    check(not odd and (codes[3:] > leaves[-1]).all(), "odd leaves")
    wanted = [[parameters, 1], [inputs, 1], [len(program.constants), 1]]
    check(shapes[:3].tolist() == wanted, "leaves of odd shape")
    check((shapes >= 0) & (shapes <= LARGEST), "a shape out of range")
    check(shapes.prod(axis=1) <= LARGEST, "a block out of range")
    # both ends: the least integer of all is its own absolute value
    for numbers, what in ((program.operands, "an operand"), (program.pieces, "a piece")):
        check((numbers >= -LARGEST) & (numbers <= LARGEST), f"{what} out of range")
    for code in np.unique(codes[3:]).tolist():
        _check_word(program, WORDS[code], np.flatnonzero(codes == code))
    readers, blocks = readings(program)
    sums = sums_over_rows(program)
    waits = waiting(program, sums)
    check(~(waits[blocks] & (program.varying | sums)[readers]), "a row that waits for all rows")
    _check_ends(program, parameters, roots)
    check(~waits[[*program.roots]], "a root that waits for all rows")


class Blocks(NamedTuple):
    """Some blocks: their shapes (n, m), and whether they vary, in columns."""

    n: Any
    m: Any
    varies: Any

    @classmethod
    def of(cls, program: ArrayProgram, which: Integers) -> Blocks:
        """These blocks; a missing one (-1) is as a uniform number."""
        n, m = np.where(which[:, None] < 0, 1, program.shapes[which]).T
        return cls(n, m, (which >= 0) & program.varying[which])

    def fit(self, n: Any, m: Any) -> Any:
        """Whether they can be stretched to these shapes."""
        return ((self.n == 1) | (self.n == n)) & ((self.m == 1) | (self.m == m))


def _check_word(program: ArrayProgram, word: str, where: Integers) -> None:
    """Check the operations of one word, all at once."""
    which = program.operands[where, : ARITIES[word]]
    least = (0, 0, -1) if word == "matmul" else 0  # only a bias may be missing
    check((which >= least) & (which < where[:, None]), "an operand out of range")
    operands = [Blocks.of(program, each) for each in which.T]
    result = Blocks.of(program, where)
    # a gradient to no parameters is (0, 1): whatever reads it has no numbers either
    check((result.m > 0) & ((result.n > 0) | (word == "collect")), f"{word} without numbers")
    varies = np.any([block.varies for block in operands], axis=0) & (word not in OVER_ROWS)
    if word == "collect":
        varies = _check_pieces(program, where)
    elif word == "view":
        check_views(program, where)
    else:
        shapes, rule = [block[:2] for block in operands], SHAPES.get(word)
        n, m = rule(*shapes) if rule else np.max(shapes, axis=0)
        if word in _ACCEPTS:
            check(_ACCEPTS[word](*operands), f"{word} of odd shapes")
        elif not rule:
            check([block.fit(n, m) for block in operands], f"{word} of odd shapes")
        check((result.n == n) & (result.m == m), f"{word} of odd shape")
    check(result.varies == varies, f"{word} of odd kind")


_ACCEPTS: dict[str, Callable[..., Any]] = {
    "take": lambda a, index: (index.n == a.n) & (index.m == 1),
    "matmul": lambda a, b, bias: (a.m == b.m) & ~a.varies & bias.fit(b.n, a.n),
    "mean": lambda a: a.varies,
    "outer": lambda a, b: (a.n == b.n) & (a.varies | b.varies),
}
"""Whether a word accepts these operands, where it does not accept any that broadcast."""


def check_views(program: ArrayProgram, where: Integers) -> None:
    """Views stay within their base, which is not another."""
    base = program.operands[where, 0]
    check(program.codes[base] != CODE["view"], "a view of a view")
    _check_places(program, program.operands[where, 1:], where, base, "a view")


def _check_pieces(program: ArrayProgram, where: Integers) -> Any:
    """Pieces are earlier blocks and stay within the whole, which varies where one of them does."""
    first, stop, once, _ = program.operands[where].T
    check((first >= 0) & (first <= stop) & (once >> 1 == 0), "pieces out of range")
    check(stop <= len(program.pieces), "pieces out of range")
    check(int((stop - first).sum()) <= len(program.pieces), "pieces used twice")
    owner, which = pieces_of(program, where)
    block = program.pieces[which, 0]
    check((block >= 0) & (block < owner), "a piece out of range")
    _check_places(program, program.pieces[which, 1:], block, owner, "a piece")
    apart = (program.pieces[which, 2:] != 0) | (program.shapes[block] == 1)
    check(apart.all(axis=1) | (program.pieces[which, 1] < 0), "a piece on itself")
    parts = zip(program.pieces[which, 1:].tolist(), program.shapes[block].tolist())
    for k, length, alone in zip(where, stop - first, once):
        some, count = [*islice(parts, length)], program.shapes[k].prod()
        check(not alone or are_apart(some, count, program.tables), "pieces that meet")
    return np.isin(where, owner[program.varying[block]])


def _check_places(
    program: ArrayProgram, places: Integers, parts: Integers, wholes: Integers, what: str
) -> None:
    """Blocks at these places in others, in steps or by a table that is there, lie within them."""
    start, s, t = places.T
    n, m = program.shapes[parts].T
    down, along = s * (n - 1), t * (m - 1)
    least = start + np.minimum(down, 0) + np.minimum(along, 0)
    most = start + np.maximum(down, 0) + np.maximum(along, 0)
    listed = start < 0
    check(-1 - start[listed] < len(program.tables), "a table is missing")
    check(all(map(len, program.tables)), "a table without numbers")
    ends = [(len(x), x.min(), x.max()) for x in program.tables]
    each = np.array(ends, np.int64).reshape(-1, 3)[-1 - start[listed]]
    check(each[:, 0] == (n * m)[listed], "a table of odd length")
    least[listed], most[listed] = each[:, 1:].T
    check((least >= 0) & (most < program.shapes[wholes].prod(axis=1)), f"{what} out of range")


def _check_ends(program: ArrayProgram, parameters: int, roots: int) -> None:
    ends = [*program.roots, program.loss, program.gradient]
    check(len(program.roots) == roots and min(ends) >= 0, "ends are missing")
    check(max(ends) < len(program), "ends out of range")
    shapes = program.shapes[ends]
    check(shapes[:-1] == 1, "ends of odd shape")
    check(shapes[-1].tolist() == [parameters, 1], "a gradient of odd shape")
    check(~program.varying[ends[-2:]], "ends of odd kind")


def check(sound: Any, complaint: str) -> None:
    """Raise ValueError unless all of it is sound."""
    if not np.all(sound):
        raise ValueError(complaint)
