"""A program as a list of scalar instructions that people read, and how much work it is.

The list is the array program *unrolled*: followed with arrays of numbers that are being recorded,
so that every operation becomes as many instructions as it has numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd.compiler.arrays import (
    ARITIES,
    ARITY,
    CONSTANTS,
    ELEMENTWISE,
    FIRST_COMPUTED,
    INPUTS,
    LEAVES,
    PARAMETERS,
    ArrayProgram,
    Shape,
    Tables,
    needed_for,
    placed,
    places_of,
    readings,
)
from autograd.compiler.follow import Functions, flat, followed, functions_of, sums_of_products
from autograd.compiler.record import Block, Recorder
from autograd.rules import BASIS, TABLE
from autograd.validation import short

_SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "divide": "/", "less": "<", "less_equal": "<=",
    "equal": "==",
}  # fmt: skip


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
    """The program as scalar instructions; a loss or gradient that it lacks is any number."""
    recorder = Recorder(*program.shapes[:2, 0].tolist())
    blocks = _recorded(program, recorder)
    roots = [recorder.block(blocks[k].flat[0]) for k in program.roots]
    loss = recorder.block(blocks[program.loss].flat[0])
    slopes = blocks[program.gradient].ravel().tolist()
    pieces = [(recorder.block(slope), (k, 0, 0)) for k, slope in enumerate(slopes)]
    gradient = recorder.collect(pieces, (len(slopes), 1), once=True)  # the last block
    scalars, index = placed(recorder.finish(roots, loss, gradient))
    labels: dict[int, str] = {}
    for (k, number), label in places.items():
        register = blocks[k].flat[number]
        # what turned out to be known, or unused, has no line that could show its label
        if isinstance(register, Block) and index[register.index] >= 0:
            labels.setdefault(int(index[register.index]), label)
    return Listing(scalars, scalars.pieces[scalars.operands[-1, 0] :, 0].tolist(), labels)


def _recorded(program: ArrayProgram, recorder: Recorder) -> list[Any]:
    """Every block as an array of numbers that are being recorded, (n, m, 1)."""
    leaves: list[Any] = [
        [recorder.element(leaf, place) for place in range(leaf.shape[0])]
        for leaf in (recorder.parameters, recorder.inputs)
    ]
    leaves.append(program.constants.tolist())
    given = [np.array(numbers, dtype=object)[:, None, None] for numbers in leaves]
    with np.errstate(all="ignore"):
        return followed(program, _functions(recorder.namespace), given)


def _functions(m: Any) -> Functions:
    """What the words do to arrays of objects that add, multiply, and are what ``m`` works on."""
    named = {name: np.frompyfunc(getattr(m, name), ELEMENTWISE[name], 1) for name in BASIS}
    of_arrays, take = SimpleNamespace(**named), TABLE["take"].forward
    return {
        **functions_of(np),
        **named,
        "max": lambda a: named["maximum"].reduce(a, axis=1, keepdims=True),
        "take": lambda a, index: take(of_arrays, *np.split(a, a.shape[1], axis=1), index),
        "mean": lambda a: a,
        "outer": partial(sums_of_products, np),
        "collect": lambda *stated: partial(_collected, *stated),
    }


def _collected(tables: Tables, pieces: Any, once: bool, shape: Shape, *blocks: Any) -> Any:
    # -0 + x is x for every x, 0 + x is not: of -0 it makes 0
    whole = np.full((shape[0] * shape[1], 1), 0.0 if once else -0.0, dtype=object)
    for (place, size), block in zip(pieces, blocks):
        part = places_of(place, size, tables)
        if once:
            whole[part] = flat(block)
        else:  # adding to -0 records nothing
            np.add.at(whole, part, flat(block))
    if not once:
        whole[whole == 0.0] = 0.0
    return whole.reshape(*shape, 1)


def count(listing: Listing) -> Counts:
    """How much work one row of the program is."""
    program = listing.program
    needed = needed_for(program.roots, program)
    computed = [k for k in listing.registers if program.codes[k] >= FIRST_COMPUTED]
    return Counts(
        instructions=len(computed),
        of_value=int(needed[computed].sum()),
        uniform=int((~program.varying[computed]).sum()),
        registers=_most_alive(listing),
        bytes=8 * int((1 + ARITY[program.codes[computed]]).sum()),
    )


def _most_alive(listing: Listing) -> int:
    """Registers in use at the busiest instruction; one is given back after its last use."""
    registers, (readers, blocks) = listing.registers, readings(listing.program)
    last = np.arange(registers.stop)
    inside = readers < registers.stop
    np.maximum.at(last, blocks[inside], readers[inside])
    given_back = np.bincount(last[registers.start :], minlength=registers.stop)[registers.start :]
    made = np.arange(1, len(registers) + 1)
    return int(np.max(made - np.cumsum(given_back) + given_back, initial=0))


def print_list(listing: Listing, names: Names, limit: int) -> str:
    """The list as text: instructions (the middle left out beyond ``limit``), ends, counts."""
    lines = _cut([*listing.registers], limit, partial(_line, listing), f"{'…':>8}   ")
    roots = _ends("root", listing.program.roots, names.roots, limit)
    gradients = _ends("gradient", listing.gradients, names.parameters, limit)
    return "\n".join([*lines, "", *roots, *gradients, "", str(count(listing))])


def _cut(places: list[int], limit: int, line: Callable[[int], str], gap: str) -> list[str]:
    """The lines of these places, the middle left out beyond the limit."""
    if len(places) <= limit:
        return [*map(line, places)]
    first, last = places[: limit - limit // 2], places[len(places) - limit // 2 :]
    more = f"{gap}{len(places) - limit:,} more"
    return [*map(line, first), more, *map(line, last)]


def _line(listing: Listing, k: int) -> str:
    label = _clean(listing.labels.get(k, ""))
    mark = "row" if listing.program.varying[k] else "once"
    return f"{_register(k):>8} = {_expression(listing, k):<32} {mark:<4} {label}".rstrip()


def _register(k: int) -> str:
    return f"v{k - len(LEAVES)}"


def _expression(listing: Listing, k: int) -> str:
    operation = listing.program[k]
    word, operands = operation.word, operation.operands
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
    return short("".join(letter if letter.isprintable() else " " for letter in label))
