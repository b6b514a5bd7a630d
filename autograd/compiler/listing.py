"""A program as a list of scalar instructions that people read, and how much work it is.

The list is the array program *unrolled*: followed with blocks of recorded numbers in place of
arrays, so that every operation becomes as many instructions as it has numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, mul, neg, sub
from typing import Any

import numpy as np

from autograd.compiler.arrays import (
    ARITIES,
    CODE,
    CONSTANTS,
    INPUTS,
    LEAVES,
    PARAMETERS,
    ArrayProgram,
    needed_for,
    placed,
)
from autograd.compiler.blocks import Block
from autograd.compiler.record import Recorder

_SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "divide": "/", "less": "<", "less_equal": "<=",
    "equal": "==",
}  # fmt: skip
_OPERATORS = {"add": add, "sub": sub, "mul": mul, "neg": neg}


@dataclass(frozen=True, slots=True)
class Names:
    """Labels of inputs, parameters and roots in order, "" for none, and of numbers in blocks."""

    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    roots: tuple[str, ...]
    places: dict[tuple[int, int], str]
    """Of computed numbers, by block and place in it."""

    def everywhere(self) -> dict[tuple[int, int], str]:
        """``places``, and those of the leaves."""
        leaves = ((PARAMETERS, self.parameters), (INPUTS, self.inputs))
        return self.places | {
            (block, place): label
            for block, labels in leaves
            for place, label in enumerate(labels)
            if label
        }


@dataclass(frozen=True, slots=True)
class Counts:
    """How much work one row is."""

    instructions: int
    """Operations for value and gradient; constants, parameters and inputs are not counted."""
    of_value: int
    """Those that the value alone needs."""
    uniform: int
    """Those that are done once for all rows."""
    registers: int
    """The most numbers that are needed again at any one time."""
    bytes: int
    """Read and written by the instructions, 8 for each operand and result."""

    @property
    def flops(self) -> int:
        """Floating-point operations: one per instruction."""
        return self.instructions

    @property
    def ratio(self) -> float:
        """The cost of value and gradient over that of the value: below about 4 for any graph."""
        return self.instructions / max(1, self.of_value)

    def __str__(self) -> str:
        return (
            f"{self.instructions:,} instructions, {self.of_value:,} for the value "
            f"(value and gradient cost {self.ratio:.2f} times the value)\n"
            f"{self.uniform:,} of them uniform, done once for all rows\n"
            f"per row: {self.registers:,} registers in use at most, {self.flops:,} flops, "
            f"{self.bytes:,} bytes"
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """A program of blocks of one number: *register* k is block k + 3."""

    program: ArrayProgram
    gradients: list[int]
    """Per parameter the block of the derivative, for one row."""
    labels: dict[int, str]
    """The label of each block that has one."""

    @property
    def registers(self) -> range:
        """The blocks that are registers: those of leaves and the last, the gradient, are not."""
        return range(len(LEAVES), len(self.program) - 1)


def unrolled(program: ArrayProgram, places: Mapping[tuple[int, int], str]) -> Listing:
    """The program as scalar instructions."""
    recorder = Recorder(*program.shapes[:2, 0].tolist())
    blocks = _blocks(program, recorder)
    roots = [recorder.block(blocks[k].flat[0]) for k in program.roots]
    loss = recorder.block(blocks[program.loss].flat[0] if program.loss >= 0 else 0.0)
    slopes = [] if program.gradient < 0 else blocks[program.gradient].ravel().tolist()
    pieces = [(recorder.block(slope), (k, 0, 0)) for k, slope in enumerate(slopes)]
    gradient = recorder.collect(pieces, (len(slopes), 1), once=True)  # the last block
    flat, place = placed(recorder.finish(roots, loss, gradient))
    labels: dict[int, str] = {}
    for (k, number), label in places.items():
        register = blocks[k].flat[number]
        if isinstance(register, Block) and place[register.index] >= 0:
            labels.setdefault(int(place[register.index]), label)
    return Listing(flat, flat.pieces[flat.operands[-1, 0] :, 0].tolist(), labels)


def _blocks(program: ArrayProgram, recorder: Recorder) -> list[Any]:
    """Every block as an array of recorded numbers."""
    blocks: list[Any] = []
    for k, (word, operands, shape, _) in enumerate(map(_fields, program)):
        a, b, c, d = operands
        if k == CONSTANTS:
            block = program.constants.tolist()
        elif word in LEAVES:
            leaf = (recorder.parameters, recorder.inputs)[k]
            block = [recorder.element(leaf, place) for place in range(shape[0])]
        elif word == "view":
            places = b + c * np.arange(shape[0])[:, None] + d * np.arange(shape[1])
            block = blocks[a].ravel()[places]
        elif word == "table":
            block = blocks[a].ravel()[program.tables[b]]
        elif word == "collect":
            block = _collected(program, blocks, operands, shape)
        else:
            arrays = [blocks[j] for j in operands[: ARITIES[word]] if j >= 0]
            block = _computed(word, arrays, recorder.namespace)
        blocks.append(_array(block, shape))
    return blocks


def _fields(operation: Any) -> tuple[Any, ...]:
    return operation.word, operation.operands, operation.shape, operation.varying


def _array(numbers: Any, shape: tuple[int, int]) -> Any:
    array = np.empty(shape, dtype=object)
    array[...] = np.array(numbers, dtype=object).reshape(shape)
    return array


def _computed(word: str, arrays: list[Any], m: Any) -> Any:
    if word in ("sum", "max"):
        fold = add if word == "sum" else m.maximum
        return [reduce(fold, row) for row in arrays[0]]
    if word == "matmul":
        a, b, *bias = arrays
        products = [[[x * y for x, y in zip(row, column)] for row in a] for column in b]
        if not bias:
            return [[reduce(add, terms) for terms in each] for each in products]
        amounts = np.broadcast_to(bias[0], (len(b), len(a)))
        return [
            [reduce(add, terms, amount) for terms, amount in zip(each, row)]
            for each, row in zip(products, amounts)
        ]
    if word == "outer":
        a, b = arrays
        return [[reduce(add, (x * y for x, y in zip(i, k))) for k in zip(*b)] for i in zip(*a)]
    if word == "mean":
        return arrays[0]
    if word == "take":
        return [_taken(m, values, index) for values, (index,) in zip(*arrays)]
    function: Any = _OPERATORS.get(word) or getattr(m, word)
    return np.frompyfunc(function, len(arrays), 1)(*arrays)


def _taken(m: Any, values: Sequence[Any], index: Any) -> Any:
    choice = float("nan")
    for k, value in enumerate(values):
        choice = m.where(m.equal(index, float(k)), value, choice)
    return choice


def _collected(program: ArrayProgram, blocks: Any, operands: Any, shape: Any) -> Any:
    first, stop, *_ = operands
    collected: list[Any] = [None] * (shape[0] * shape[1])
    for k, start, s, t in program.pieces[first:stop].tolist():
        n, m = blocks[k].shape
        places = (start + s * np.arange(n)[:, None] + t * np.arange(m)).ravel()
        places = program.tables[-1 - start] if start < 0 else places
        for place, number in zip(places.tolist(), blocks[k].ravel().tolist()):
            old = collected[place]
            collected[place] = number if old is None else old + number
    return [0.0 if number is None else number for number in collected]


def count(listing: Listing) -> Counts:
    """How much work one row of the program is."""
    program = listing.program
    for_value = needed_for(program.roots, program)
    computed = [k for k in listing.registers if program.codes[k] > CODE["table"]]
    arities = [*ARITIES.values()]
    return Counts(
        instructions=len(computed),
        of_value=int(for_value[computed].sum()),
        uniform=int((~program.varying[computed]).sum()),
        registers=_most_alive(listing),
        bytes=sum(8 * (1 + arities[code]) for code in program.codes[computed].tolist()),
    )


def _most_alive(listing: Listing) -> int:
    """Registers in use at the busiest instruction; one is given back after its last use."""
    program, first = listing.program, len(LEAVES)
    last_use = list(range(len(program)))
    operands = program.operands.tolist()
    for k in listing.registers:
        if program.codes[k] > CODE["table"]:
            for j in operands[k][: [*ARITIES.values()][program.codes[k]]]:
                last_use[j] = k
    ends = [0] * (len(program) + 1)
    for k in last_use[first:]:
        ends[k] += 1
    alive = most = 0
    for k in listing.registers:
        alive += 1
        most = max(most, alive)
        alive -= ends[k]
    return most


def print_list(listing: Listing, names: Names, limit: int = 200) -> str:
    """The list as text: instructions (the middle left out beyond ``limit``), ends, counts."""
    registers = listing.registers
    shown = _shown(len(registers), limit)
    lines = [_line(listing, registers[k]) if k >= 0 else _gap(len(registers), limit) for k in shown]
    roots = _ends("root", listing.program.roots, names.roots, limit)
    gradients = _ends("gradient", listing.gradients, names.parameters, limit)
    return "\n".join([*lines, "", *roots, *gradients, "", str(count(listing))])


def _shown(length: int, limit: int) -> Iterator[int]:
    """The places to show; -1 is the gap."""
    if length <= limit:
        yield from range(length)
    else:
        yield from range(limit - limit // 2)
        yield -1
        yield from range(length - limit // 2, length)


def _gap(length: int, limit: int) -> str:
    return f"{'…':>8}   {length - limit:,} more"


def _line(listing: Listing, k: int) -> str:
    label = _clean(listing.labels.get(k, ""))
    mark = "row" if listing.program.varying[k] else "once"
    return f"{_register(k):>8} = {_expression(listing, k):<32} {mark:<4} {label}".rstrip()


def _register(k: int) -> str:
    return f"v{k - len(LEAVES)}"


def _expression(listing: Listing, k: int) -> str:
    word, operands, *_ = _fields(listing.program[k])
    if word == "view":
        base, place, *_ = operands
        if base == CONSTANTS:
            return repr(float(listing.program.constants[place]))
        return f"{ {PARAMETERS: 'parameter', INPUTS: 'input'}[base] } {place}"
    registers = [_register(j) for j in operands[: ARITIES[word]]]
    if word in _SYMBOLS:
        return f" {_SYMBOLS[word]} ".join(registers)
    return f"-{registers[0]}" if word == "neg" else f"{word}({', '.join(registers)})"


def _ends(kind: str, blocks: Sequence[int], names: Sequence[str], limit: int) -> list[str]:
    lines = [
        f"{kind} {place}: {_register(k)}" + (f"   {_clean(name)}" if name else "")
        for place, (k, name) in enumerate(zip(blocks, names, strict=True))
    ]
    return [*lines[:limit], f"… {len(lines) - limit:,} more"] if len(lines) > limit else lines


def _clean(label: str) -> str:
    """A label on one line, not too long."""
    line = "".join(letter if letter.isprintable() else " " for letter in label)
    return line if len(line) <= 40 else line[:39] + "…"
