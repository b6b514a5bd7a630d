"""A Wengert list as text that people read, and how much work it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograd.compiler.linear import LEAVES, WengertList, needed_for

_SYMBOLS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
}


@dataclass(frozen=True, slots=True)
class Names:
    """Labels of inputs, parameters and roots in order, and of registers; "" for none."""

    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    roots: tuple[str, ...]
    registers: dict[int, str]


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


def count(program: WengertList) -> Counts:
    """How much work one row of the program is."""
    for_value = needed_for(program.outputs, program.operations, program.operands)
    computed = [k for k, name in enumerate(program.operations) if name not in LEAVES]
    return Counts(
        instructions=len(computed),
        of_value=sum(for_value[k] for k in computed),
        uniform=sum(program.uniform[k] for k in computed),
        registers=_most_alive(program),
        bytes=sum(8 * (1 + len(program.operands[k])) for k in computed),
    )


def _most_alive(program: WengertList) -> int:
    """Registers in use at the busiest instruction; one is given back after its last use."""
    length = len(program)
    last_use = list(range(length))
    for k, name in enumerate(program.operations):
        if name not in LEAVES:
            for j in program.operands[k]:
                last_use[j] = k
    ends = [0] * (length + 1)
    for k in last_use:
        ends[k] += 1
    alive = most = 0
    for k in range(length):
        alive += 1
        most = max(most, alive)
        alive -= ends[k]
    return most


def print_list(program: WengertList, names: Names, limit: int = 200) -> str:
    """The list as text: instructions (the middle left out beyond ``limit``), ends, counts."""
    shown = _shown(len(program), limit)
    lines = [_line(program, names, k) if k >= 0 else _gap(len(program), limit) for k in shown]
    roots = _ends("root", program.outputs, names.roots, limit)
    gradients = _ends("gradient", program.gradients, names.parameters, limit)
    return "\n".join([*lines, "", *roots, *gradients, "", str(count(program))])


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


def _line(program: WengertList, names: Names, k: int) -> str:
    label = _clean(names.registers.get(k, ""))
    mark = "once" if program.uniform[k] else "row"
    return f"{f'v{k}':>8} = {_expression(program, k):<32} {mark:<4} {label}".rstrip()


def _expression(program: WengertList, k: int) -> str:
    operation, operands = program.operations[k], program.operands[k]
    if operation == "constant":
        return repr(program.constants[k])
    if operation in LEAVES:
        return f"{operation} {operands[0]}"
    registers = [f"v{j}" for j in operands]
    if operation in _SYMBOLS:
        return f" {_SYMBOLS[operation]} ".join(registers)
    return f"-{registers[0]}" if operation == "negative" else f"{operation}({', '.join(registers)})"


def _ends(kind: str, registers: Sequence[int], names: Sequence[str], limit: int) -> list[str]:
    lines = [
        f"{kind} {place}: v{k}" + (f"   {_clean(name)}" if name else "")
        for place, (k, name) in enumerate(zip(registers, names, strict=True))
    ]
    return [*lines[:limit], f"… {len(lines) - limit:,} more"] if len(lines) > limit else lines


def _clean(label: str) -> str:
    """A label on one line, not too long."""
    line = "".join(letter if letter.isprintable() else " " for letter in label)
    return line if len(line) <= 40 else line[:39] + "…"
