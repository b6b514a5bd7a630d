"""Copies of templates, written into a recorder's columns by NumPy."""

from __future__ import annotations

from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from autograd.compiler.arrays import Integers
from autograd.compiler.blocks import ONE
from autograd.compiler.record import Recorder
from autograd.compiler.singles import NEGATED, OPERAND, OWN, Columns

PIECE = 2**15
"""Nodes that are written down at a time."""


class Given(NamedTuple):
    """What copies are given."""

    bases: Integers
    """(6, copies) per kind of pick and copy: what the place of the pick is counted from."""
    operands: Integers
    """The numbers of operands, from which OPERAND and NEGATED count."""
    blocks: Integers
    """The block of each number."""

    def picked(self, picks: Integers, owner: Integers) -> Integers:
        """The blocks that copies pick; of NEGATED ones, the block that is the negative."""
        kinds, places = picks[..., 0], picks[..., 1]
        found: Integers = self.bases[kinds, owner] + places
        through = kinds >= OPERAND
        found[through] = self.blocks[self.operands[found[through]]]
        return found


class Page:
    """Operations on single numbers, as they are written, before they are the recorder's."""

    def __init__(self, recorder: Recorder, count: int) -> None:
        self._recorder, self.first = recorder, len(recorder.codes)
        self.codes, self.varies = np.zeros(count, np.uint8), np.zeros(count, np.uint8)
        self.operands = np.zeros((count, 4), np.int64)
        self._negated: Any = np.zeros((0, 2), np.int64)

    def copy(self, columns: Columns, templates: Integers, given: Given) -> None:
        """Write a copy of each of these templates, where its OWN operations begin."""
        owner, place = spread(columns.sizes[templates])
        row = columns.starts[templates][owner] + place
        at = given.bases[OWN, owner] + place - self.first
        picks = columns.picks[row]
        self.codes[at], self.varies[at] = columns.codes[row], columns.varies[row]
        self.operands[at, :3] = given.picked(picks, owner[:, None])
        negated = np.argwhere(picks[..., 0] == NEGATED)
        self._negated = np.column_stack([at[negated[:, 0]], negated[:, 1]])

    def close(self) -> None:
        """Hand the operations to the recorder."""
        recorder = self._recorder
        recorder.codes += self.codes.tobytes()
        recorder.varies += self.varies.tobytes()
        recorder.shapes.extend(repeat(ONE, len(self.codes)))
        recorder.operands.frombytes(self.operands.reshape(-1).view(np.uint8).data)
        if len(self._negated):
            operands = operands_of(recorder)
            at, column = self.first + self._negated[:, 0], self._negated[:, 1]
            operands[at, column] = operands[operands[at, column], 0]


def spread(counts: Integers) -> tuple[Integers, Integers]:
    """For so many each: whose it is, and the how-manieth of them."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def operands_of(recorder: Recorder) -> Integers:
    """The recorder's operands, to be let go of before anything is recorded."""
    return np.frombuffer(recorder.operands, np.int64).reshape(-1, 4)
