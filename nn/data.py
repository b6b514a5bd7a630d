"""Examples for training, checked before anything is learned from them.

``X`` holds one *row* of inputs per example and ``y`` one *target* per example: a number, or a list
of numbers. Both may be lists, NumPy arrays, or anything with ``tolist()``.  Whatever cannot be
learned from (holes, words, ragged rows, nan) is refused with a message that says where it is.
NumPy arrays stay arrays, so that large ones are neither copied into lists nor looped over.  What is
learned from is a copy of the caller's, and a model is handed a copy of a row.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from random import Random
from typing import Any, Protocol, SupportsIndex, TypeAlias

from nn.init import seeded

Row = list[float]
Target = float | list[float]
Table: TypeAlias = Any
"""A list of rows (or of numbers), or a NumPy array of two axes (or one)."""


class Listable(Protocol):
    """An array or table of any library that can turn into lists."""

    def tolist(self) -> Any:
        """Its numbers."""


class Arrayable(Protocol):
    """A table of any library that can turn into a NumPy array."""

    def __array__(self) -> Any: ...


ArrayLike: TypeAlias = Sequence[Any] | Listable | Arrayable
"""What ``fit`` and ``predict`` take for tables and targets."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows and their targets, of one shape throughout."""

    X: Table
    y: Table

    def __len__(self) -> int:
        return len(self.X)

    def row(self, i: int) -> tuple[Row, Target]:
        """One example, as plain numbers."""
        # copies: a model that scales its inputs in place scales what is its own
        row, target = plain(self.X[i]), plain(self.y[i])
        return [*row], [*target] if isinstance(target, list) else target

    def rows(self, indices: Sequence[int] | None = None) -> Iterator[tuple[Row, Target]]:
        """The examples with these indices, or all."""
        return map(self.row, range(len(self)) if indices is None else indices)

    def distinct_targets(self) -> list[Target]:
        """Every target that occurs, once."""
        y = plain(self.y)
        # lists cannot be in a set; their tuples can
        return list({tuple(t): t for t in y}.values()) if isinstance(y[0], list) else [*set(y)]


def examples(X: ArrayLike, y: ArrayLike, names: tuple[str, str] = ("X", "y")) -> Examples:
    """X and y checked; TypeError or ValueError for what cannot be used."""
    inputs, targets = rows(X, names[0]), targets_of(y, names[1])
    if len(inputs) != len(targets):
        raise ValueError(
            f"one target per row: {names[0]} has {len(inputs)} rows, "
            f"{names[1]} has {len(targets)} targets"
        )
    # an array of the caller's may change while it is learned from
    return Examples(copy(inputs), copy(targets))


def rows(X: ArrayLike, name: str = "X") -> Table:
    """X as rows of equal length."""
    return _array(X, name, axes=(2,)) if is_array(X) else _rows(_listed(X, name), name)


def targets_of(y: ArrayLike, name: str = "y") -> Table:
    """y as a table of numbers or of rows of equal length."""
    if is_array(y):
        return _array(y, name, axes=(1, 2))
    table = _listed(y, name)
    return _rows(table, name) if table and isinstance(table[0], list) else _numbers(table, name)


def plain(held: Any) -> Any:
    """Arrays as lists, NumPy numbers as Python's."""
    return held.tolist() if hasattr(held, "tolist") else held


def is_array(held: object) -> bool:
    """Whether this is a NumPy array of numbers (if it is, NumPy is loaded already)."""
    # never imported for this: who has an array has NumPy
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(held, numpy.ndarray) and held.dtype.kind in "biuf"


def orders(seed: SupportsIndex | None, n: int, epochs: int) -> Random:
    """Where the orders of n examples come from, after those of so many epochs."""
    source = seeded(seed)
    for _ in range(epochs):  # what they used up: 8 bytes an example, a sort key each
        source.randbytes(8 * n)
    return source


def order_of(n: int, shuffle: Random | None) -> list[int]:
    """The indices 0 … n - 1, or a random permutation of them."""
    if shuffle is None:
        return list(range(n))
    # not random.shuffle: sorting the same keys, NumPy finds the same order in one call
    keys = array("Q", shuffle.randbytes(8 * n))
    return sorted(range(n), key=keys.__getitem__)


def order_array(n: int, epochs: int, shuffle: Random | None) -> Any:
    """The orders of several epochs, the same numbers as ``order_of``, as one NumPy array."""
    import numpy

    if shuffle is None:
        return numpy.tile(numpy.arange(n), epochs)
    keys = (numpy.frombuffer(shuffle.randbytes(8 * n), numpy.uint64) for _ in range(epochs))
    return numpy.concatenate([numpy.argsort(key) for key in keys])


def _array(held: Any, name: str, axes: tuple[int, ...]) -> Any:
    """A NumPy array in double precision, checked."""
    import numpy

    if held.ndim not in axes:
        wanted = " or ".join(map(str, axes))
        advice = f"; one row per example: {name}.reshape(-1, 1)?" if held.ndim == 1 else ""
        raise ValueError(f"{name} should have {wanted} axes, got shape {held.shape}{advice}")
    if not held.size:
        raise ValueError(f"{name} is empty: its shape is {held.shape}")
    if numpy.ma.is_masked(held):
        place = numpy.argwhere(numpy.ma.getmaskarray(held))[0].tolist()
        raise ValueError(f"{name}{place} is masked: training needs numbers without holes")
    # whatever kind of array, a masked one without holes too, becomes a plain one
    numbers = numpy.asarray(held, dtype=numpy.float64)
    if not (fine := numpy.isfinite(numbers)).all():
        place = numpy.argwhere(~fine)[0].tolist()
        raise ValueError(f"{name}{place} is {numbers[*place]}: training needs finite numbers")
    return numbers


def _listed(held: Any, name: str) -> list[Any]:
    """A sequence, or what can be turned into a list, with plain lists and numbers in it."""
    # a table of another library, such as a data frame
    if not hasattr(held, "tolist") and hasattr(held, "__array__"):
        held = held.__array__()
    held = plain(held)
    if not _is_sequence(held):
        raise TypeError(f"{name} should be a list or an array, got {_shown(held)}")
    if not held:
        raise ValueError(f"{name} is empty")
    return [list(part) if _is_sequence(part) else plain(part) for part in held]


def _is_sequence(held: object) -> bool:
    return isinstance(held, Sequence) and not isinstance(held, str | bytes)


def _rows(table: list[Any], name: str) -> list[Row]:
    if isinstance(table[0], Real):
        raise ValueError(
            f"{name} should be a list of rows, got a list of numbers; "
            f"for one input per row: [[x] for x in {name}]"
        )
    for i, row in enumerate(table):
        if not isinstance(row, list) or not row:
            raise TypeError(f"{name}[{i}] should be a row of numbers, got {_shown(row)}")
        if len(row) != len(table[0]):
            raise ValueError(f"{name}[{i}] has {len(row)} numbers, {name}[0] has {len(table[0])}")
    return [_numbers(row, f"{name}[{i}]") for i, row in enumerate(table)]


def _numbers(row: list[Any], name: str) -> Row:
    """The row as finite floats."""
    for i, number in enumerate(row):
        if not isinstance(number, Real) and not isinstance(plain(number), Real):
            raise TypeError(f"{name}[{i}] should be a number, got {_shown(number)}")
        try:
            finite = isfinite(number)
        except OverflowError:
            raise ValueError(f"{name}[{i}] is too large for a float") from None
        if not finite:
            raise ValueError(f"{name}[{i}] is {number}: training needs finite numbers")
    return list(map(float, row))


def _shown(held: object) -> str:
    return f"{type(held).__name__} {held!r:.60}"
