"""Which programs are sound: each word with operands that fit it, and with such as just do not."""

import re
from contextlib import nullcontext

import numpy as np
import pytest

from autograd.compiler.arrays import CODE, ArrayProgram
from autograd.compiler.checked import LARGEST, check_program

P, Q, C = 6, 4, 2
Row = tuple[str, tuple[int, ...], tuple[int, int], bool]
LEAVES: list[Row] = [
    ("parameters", (), (P, 1), False),
    ("inputs", (), (Q, 1), True),
    ("constants", (), (C, 1), False),
    ("view", (0, 0, 0, 0), (1, 1), False),
]
W: Row = ("view", (0, 0, 3, 1), (2, 3), False)  # block 4: two neurons' weights
X: Row = ("view", (1, 0, 0, 1), (1, 3), True)  # block 5: their inputs
B: Row = ("view", (0, 0, 0, 1), (1, 2), False)  # block 6: a bias for each
V: Row = ("view", (1, 0, 0, 1), (1, 2), True)  # the same, varying
U: Row = ("view", (0, 0, 0, 1), (1, 3), False)  # inputs that do not vary
TABLES = [[0, 5, 5, 1], [3, 0]]
PIECES = [(4, 0, 3, 1), (4, -1, 0, 0), (5, 0, 1, 1), (5, -2, 0, 0)]


def program(*rows: Row, tables: object = TABLES, pieces: object = PIECES) -> ArrayProgram:
    """The leaves, a root, and what else is stated."""
    words, operands, shapes, varying = zip(*LEAVES, *rows)
    return ArrayProgram(
        codes=np.array([CODE[word] for word in words], np.uint8),
        operands=np.array([[*each, 0, 0, 0, 0][:4] for each in operands]),
        shapes=np.array(shapes),
        varying=np.array(varying),
        tables=tuple(np.array(table, np.int64) for table in tables),
        pieces=np.array(pieces, np.int64).reshape(-1, 4),
        constants=np.zeros(C),
        roots=(3,),
        loss=3,
        gradient=0,
    )


@pytest.mark.parametrize("rows", [
    [],
    [("view", (0, P - 1, 0, 0), (1, 1), False)],
    [("view", (0, P - 1, -1, 0), (P, 1), False)],
    [("view", (0, P - 1, -3, -1), (2, 3), False)],
    [("view", (2, 1, LARGEST, LARGEST), (1, 1), False)],
    [("view", (0, -1, 0, 0), (2, 2), False)],
    [("view", (1, -2, 0, 0), (1, 2), True)],
    [W, X, ("matmul", (4, 5, -1), (1, 2), True)],
    [W, X, B, ("matmul", (4, 5, 6), (1, 2), True)],
    [W, X, ("matmul", (4, 5, 3), (1, 2), True)],
    [W, U, V, ("matmul", (4, 5, 6), (1, 2), True)],
    [W, U, ("matmul", (4, 5, -1), (1, 2), False)],
    [W, X, ("mul", (4, 5), (2, 3), True)],
    [W, X, ("where", (4, 5, 3), (2, 3), True)],
    [W, ("sum", (4,), (2, 1), False)],
    [W, X, ("max", (5,), (1, 1), True)],
    [W, X, ("mean", (5,), (1, 3), False)],
    [W, X, ("outer", (5, 5), (3, 3), False)],
    [W, X, U, ("outer", (6, 5), (3, 3), False)],
    [W, X, ("take", (5, 3), (1, 1), True)],
    [W, X, ("mean", (5,), (1, 3), False), ("mul", (6, 4), (2, 3), False)],
    [W, ("collect", (0, 1, 1), (2, 3), False)],
    [W, ("collect", (0, 0, 0), (0, 1), False)],
    [W, X, ("collect", (2, 3, 0), (3, 1), True)],
    [("view", (0, -1, 0, 0), (2, 2), False), ("collect", (1, 2, 0), (6, 1), False)],
    [W, V, ("collect", (3, 4, 0), (4, 1), True)],
], ids=str)  # fmt: skip
def test_sound_programs(rows: list[Row]) -> None:
    check_program(program(*rows), P, Q, 1)


@pytest.mark.parametrize(("complaint", "rows"), [
    ("odd leaves", [("constants", (), (C, 1), False)]),
    ("an operand out of range", [("exp", (4,), (1, 1), False)]),
    ("an operand out of range", [("exp", (-1,), (1, 1), False)]),
    ("an operand out of range", [("add", (3, -1), (1, 1), False)]),
    ("an operand out of range", [W, X, ("matmul", (-1, 5, -1), (1, 2), True)]),
    ("an operand out of range", [W, X, ("matmul", (4, -1, -1), (1, 2), True)]),
    ("an operand out of range", [W, X, ("matmul", (4, 5, -2), (1, 2), True)]),
    ("an operand out of range", [W, X, ("matmul", (4, 5, 6), (1, 2), True)]),
    ("an operand out of range", [("view", (0, LARGEST + 1, 0, 0), (1, 1), False)]),
    ("an operand out of range", [("view", (0, -(2**63), 0, 0), (1, 1), False)]),
    ("an operand out of range", [("view", (0, 0, -(2**63), 0), (1, 1), False)]),
    ("a shape out of range", [("view", (0, 0, 0, 0), (1, -1), False)]),
    ("a shape out of range", [("view", (0, 0, 0, 0), (1, LARGEST + 1), False)]),
    ("a block out of range", [("view", (0, 0, 0, 0), (2, LARGEST), False)]),
    ("view without numbers", [("view", (0, 0, 0, 0), (1, 0), False)]),
    ("a view of a view", [("view", (3, 0, 0, 0), (1, 1), False)]),
    ("a view of a view", [("view", (3, -2, 0, 0), (2, 1), False)]),
    ("a view of a view", [("view", (0, -1, 0, 0), (2, 2), False), ("view", (4, 0), (1, 1), False)]),
    ("a view out of range", [("view", (0, P, 0, 0), (1, 1), False)]),
    ("a view out of range", [("view", (0, 0, -1, 0), (2, 1), False)]),
    ("a table of odd length", [("view", (0, -1, 0, 0), (1, 1), False)]),
    ("a view out of range", [("view", (0, 1, 1, 0), (P, 1), False)]),
    ("a view out of range", [("view", (0, 1, 0, 1), (1, P), False)]),
    ("a view out of range", [("view", (0, P - 2, -1, 0), (P, 1), False)]),
    ("a view out of range", [("view", (0, P - 2, 0, -1), (1, P), False)]),
    ("a view out of range", [("view", (0, P - 2, -3, -1), (2, 3), False)]),
    ("a view out of range", [("view", (0, 1, 3, 1), (2, 3), False)]),
    ("view of odd kind", [("view", (0, 0, 0, 0), (1, 1), True)]),
    ("view of odd kind", [("view", (1, -2, 0, 0), (1, 2), False)]),
    ("a table is missing", [("view", (0, -3, 0, 0), (1, 2), False)]),
    ("a table of odd length", [("view", (0, -2, 0, 0), (1, 3), False)]),
    ("a view out of range", [("view", (1, -1, 0, 0), (2, 2), True)]),
    ("matmul of odd shapes", [W, V, ("matmul", (4, 5, -1), (1, 2), True)]),
    ("matmul of odd shapes", [W, X, U, ("matmul", (4, 5, 6), (1, 2), True)]),
    ("matmul of odd shapes", [X, U, ("matmul", (4, 5, -1), (1, 1), True)]),
    ("matmul of odd shape", [W, X, ("matmul", (4, 5, -1), (2, 1), True)]),
    ("matmul of odd kind", [W, X, ("matmul", (4, 5, -1), (1, 2), False)]),
    ("matmul of odd kind", [W, U, V, ("matmul", (4, 5, 6), (1, 2), False)]),
    ("mul of odd shapes", [W, B, ("mul", (4, 5), (2, 3), False)]),
    ("mul of odd shape", [W, X, ("mul", (4, 5), (1, 3), True)]),
    ("mul of odd shape", [W, X, ("mul", (4, 5), (2, 1), True)]),
    ("where of odd shapes", [W, B, ("where", (4, 3, 5), (2, 3), False)]),
    ("mul of odd kind", [W, X, ("mul", (4, 5), (2, 3), False)]),
    ("sum of odd shape", [W, ("sum", (4,), (1, 1), False)]),
    ("max of odd shape", [W, ("max", (4,), (2, 3), False)]),
    ("sum of odd kind", [W, X, ("sum", (5,), (1, 1), False)]),
    ("mean of odd shape", [W, X, ("mean", (5,), (1, 1), False)]),
    ("mean of odd shape", [W, X, ("mean", (5,), (3, 3), False)]),
    ("mean of odd shapes", [W, ("mean", (4,), (2, 3), False)]),
    ("mean of odd kind", [W, X, ("mean", (5,), (1, 3), True)]),
    ("outer of odd shapes", [W, X, ("outer", (4, 5), (3, 3), False)]),
    ("outer of odd shapes", [W, U, ("outer", (5, 5), (3, 3), False)]),
    ("outer of odd shape", [W, X, V, ("outer", (5, 6), (2, 3), False)]),
    ("outer of odd kind", [W, X, ("outer", (5, 5), (3, 3), True)]),
    ("take of odd shapes", [W, ("take", (4, 3), (2, 1), False)]),
    ("take of odd shapes", [W, ("take", (4, 4), (2, 1), False)]),
    ("take of odd shape", [W, X, ("take", (5, 3), (1, 3), True)]),
    ("take of odd kind", [W, X, ("take", (5, 3), (1, 1), False)]),
    ("a row that waits for all rows",
     [W, X, ("mean", (5,), (1, 3), False), ("mul", (6, 5), (1, 3), True)]),
    ("a row that waits for all rows",
     [W, X, ("mean", (5,), (1, 3), False), ("exp", (6,), (1, 3), False),
      ("outer", (7, 5), (3, 3), False)]),
    ("pieces out of range", [W, ("collect", (-1, 1, 1), (2, 3), False)]),
    ("pieces out of range", [W, ("collect", (1, 0, 1), (2, 3), False)]),
    ("pieces out of range", [W, ("collect", (0, 5, 1), (2, 3), False)]),
    ("pieces out of range", [W, ("collect", (0, 1, 2), (2, 3), False)]),
    ("pieces used twice", [W, W, *[("collect", (0, 3, 0), (9, 1), False)] * 2]),
    ("a piece out of range", [("collect", (0, 1, 1), (2, 3), False)]),
    ("a piece out of range", [W, ("collect", (0, 1, 1), (2, 2), False)]),
    ("collect of odd kind", [W, ("collect", (0, 1, 1), (2, 3), True)]),
    ("collect of odd kind", [W, X, ("collect", (2, 3, 0), (3, 1), False)]),
    ("a table of odd length", [W, ("collect", (1, 2, 1), (6, 1), False)]),
    ("a piece out of range", [W, V, ("collect", (3, 4, 0), (3, 1), True)]),
    ("collect without numbers", [W, ("collect", (0, 0, 0), (3, 0), False)]),
], ids=str)  # fmt: skip
def test_unsound_programs(complaint: str, rows: list[Row]) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        check_program(program(*rows), P, Q, 1)


@pytest.mark.parametrize("pieces", [
    [(4, 0, 2, 1)], [(4, 1, -1, 1)], [(5, 0, 0, 1), (5, 2, 0, 1)], [(5, 0, 0, 4), (5, 0, 0, 5)],
    [(6, -1, 0, 0)], [(6, -2, 0, 0), (3, 3, 0, 0)], [(4, 0, 3, 1), (4, 0, 3, 1), (4, 0, 3, 1)],
])  # fmt: skip
def test_pieces_that_are_put_in_once_may_not_meet(pieces: list[tuple[int, ...]]) -> None:
    two: Row = ("view", (1, 0, 1, 0), (2, 1), True)
    for once in (0, 1):
        whole: Row = ("collect", (0, len(pieces), once), (12, 1), pieces[0][0] != 4)
        one = program(W, X, two, whole, pieces=pieces, tables=[[7, 7], [3, 0]])
        with pytest.raises(ValueError, match=r"^pieces that meet$") if once else nullcontext():
            check_program(one, P, Q, 1)


def test_pieces_that_meet_may_be_added_beside_others_that_are_put_in_once() -> None:
    rows: list[Row] = [W, *[("collect", (k, k + 1, k), (6, 1), False) for k in (0, 1)]]
    check_program(program(*rows, pieces=[(4, 0, 2, 1), (4, 0, 3, 1)]), P, Q, 1)


def test_pieces_may_not_lie_on_themselves_nor_tables_be_empty() -> None:
    whole: Row = ("collect", (0, 1, 0), (9, 1), False)
    for piece, sound in [((4, 0, 3, 1), True), ((4, 0, 0, 1), False), ((4, 0, 3, 0), False)]:
        one = program(W, whole, pieces=[piece])
        if sound:
            check_program(one, P, Q, 1)
        else:
            with pytest.raises(ValueError, match=r"^a piece on itself$"):
                check_program(one, P, Q, 1)
    with pytest.raises(ValueError, match=r"^a table without numbers$"):
        check_program(program(("view", (0, -2, 0, 0), (2, 1), False), tables=[[], [3, 0]]), P, Q, 1)
    outside = [(LARGEST + 1, 0, 0, 0), (4, 0, LARGEST + 1, 0), (-1, 0, 0, 0), (5, 0, 3, 1)]
    for piece in [*outside, (4, -(2**63), 0, 0), (4, 0, -(2**63), 0)]:
        with pytest.raises(ValueError, match=r"^a piece out of range$"):
            check_program(program(W, whole, pieces=[piece]), P, Q, 1)


@pytest.mark.parametrize(("complaint", "change"), [
    ("leaves of odd shape", {"constants": np.zeros(C + 1)}),
    ("odd leaves", {"varying": np.array([False, False, False, False])}),
    ("odd leaves", {"codes": np.array([1, 0, 2, 3], np.uint8)}),
    ("ends are missing", {"roots": ()}),
    ("ends are missing", {"roots": (3, 3)}),
    ("ends are missing", {"roots": (-1,)}),
    ("ends are missing", {"loss": -1}),
    ("ends are missing", {"gradient": -1}),
    ("ends out of range", {"loss": 4}),
    ("ends out of range", {"gradient": 4}),
    ("ends of odd shape", {"roots": (0,)}),
    ("ends of odd shape", {"loss": 2}),
    ("a gradient of odd shape", {"gradient": 2}),
])  # fmt: skip
def test_unsound_leaves_and_ends(complaint: str, change: dict) -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
        check_program(replace(program(), **change), P, Q, 1)


def test_a_root_does_not_wait_for_all_rows() -> None:
    from dataclasses import replace

    one = program(("view", (1, 0, 0, 0), (1, 1), True), ("mean", (4,), (1, 1), False))
    check_program(replace(one, roots=(4,), loss=5), P, Q, 1)
    with pytest.raises(ValueError, match=r"^a root that waits for all rows$"):
        check_program(replace(one, roots=(5,)), P, Q, 1)
