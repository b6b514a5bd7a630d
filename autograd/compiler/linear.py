"""Graph to Wengert list: a recorded graph, and its gradient, as one list of instructions.

The rows of the table do not say what kind of number they work on.  Here they work on *registers*:
numbers that are not known yet, each the result of one instruction.  Running the rows forward
records the value; running `repay`, the engine's chain rule, on registers records the gradient.  No
rule of differentiation is stated here.

*Wengert list*: instructions in order, each computing register k from earlier registers, once (SSA).
*Uniform*: the same for every row of a batch.  *Varying*: depends on the row.

While recording, an instruction seen before is not recorded again, what is known already is computed
at once, and a few steps that change nothing in IEEE arithmetic are left out: ``x * 1``, ``x - 0``,
``x / 1``, ``x ** 1``.  ``x + 0`` and ``0 * x`` stay, because -0 + 0 is 0 and 0 * inf is nan.
Everything is linear in the size of the graph, and nothing recurses.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, compress
from math import copysign, frexp
from typing import Any, TypeAlias, final

from autograd import scalar_math
from autograd.backward import repay, topological_order
from autograd.rules import BASIS, namespace
from autograd.value import Value

LEAVES = ("constant", "parameter", "input")
"""Registers that no operation computes; none has two operands."""

_OF_TWO = (
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "hypot",
    "arctan2", "less", "less_equal", "equal",
)  # fmt: skip

ARITIES: dict[str, int] = {
    **dict.fromkeys(BASIS, 1), **dict.fromkeys(_OF_TWO, 2), "negative": 1, "where": 3,
    "constant": 0, "parameter": 1, "input": 1,
}  # fmt: skip
"""Every operation of a Wengert list with the number of its operands."""


@dataclass(frozen=True, slots=True)
class WengertList:
    """Instructions in order; register k is the result of instruction k.

    ``operands`` of an operation are earlier registers; of a parameter or an input, its place in the
    vector of parameters or in a row of the batch.  A constant has none, its number is in
    ``constants``.
    """

    operations: list[str]
    operands: list[tuple[int, ...]]
    constants: dict[int, float]
    outputs: list[int]
    """The register of each root."""
    gradients: list[int]
    """Per parameter the register of the derivative, for one row, of the sum of the roots."""
    uniform: list[bool]

    def __len__(self) -> int:
        return len(self.operations)


@dataclass(frozen=True, slots=True)
class Recording:
    """A graph as a Wengert list, with the Values and the names that it was recorded from."""

    wengert: WengertList
    parameters: tuple[Value, ...]
    labels: dict[int, str]
    """The label of each register whose node had one."""


def record(
    roots: Sequence[Value], inputs: Sequence[Value], parameters: Sequence[Value] = ()
) -> Recording:
    """The graph of the roots and its gradient.

    Parameters are first those given, then every other leaf that requires a gradient, in topological
    order.
    """
    with uncollected():
        return _record(topological_order(roots), roots, inputs, parameters)


def _record(
    order: Sequence[Value],
    roots: Sequence[Value],
    inputs: Sequence[Value],
    parameters: Sequence[Value],
) -> Recording:
    parameters = _all_parameters(order, inputs, parameters)
    recorder = Recorder()
    numbers: dict[Value, Number] = {}
    numbers.update((leaf, recorder.leaf("parameter", k)) for k, leaf in enumerate(parameters))
    numbers.update((leaf, recorder.leaf("input", k)) for k, leaf in enumerate(inputs))
    _record_values(order, numbers, recorder)
    owed = repay(_seeds(roots), _partials_in(numbers, recorder))
    wengert, places = recorder.finish(
        [numbers[root] for root in roots], [owed.get(leaf, 0.0) for leaf in parameters]
    )
    return Recording(wengert, parameters, _labels(numbers, places))


def record_function(
    function: Callable[..., Iterable[Number]], *, inputs: int, parameters: int = 0
) -> WengertList:
    """A function of numbers as a Wengert list without gradients.

    ``function(m, inputs, parameters)`` gets a namespace of functions and two tuples of numbers and
    returns the outputs, written in ``+ - *`` and ``m``: an optimiser's update, for instance.
    """
    recorder = Recorder()
    columns = tuple(recorder.leaf("input", k) for k in range(inputs))
    numbers = tuple(recorder.leaf("parameter", k) for k in range(parameters))
    return recorder.finish(list(function(recorder.namespace, columns, numbers)), [])[0]


def _all_parameters(
    order: Iterable[Value], inputs: Iterable[Value], first: Iterable[Value]
) -> tuple[Value, ...]:
    known = {*inputs, *first}
    found = (node for node in order if node.is_leaf and node.requires_grad and node not in known)
    return (*first, *found)


def _record_values(
    order: Iterable[Value], numbers: dict[Value, Number], recorder: Recorder
) -> None:
    names = recorder.namespace
    for node in order:
        if node in numbers:
            continue
        if not node.parents:
            numbers[node] = node.data
        else:
            row = node.primitive or _refuse(node)
            numbers[node] = row.forward(names, *[numbers[parent] for parent in node.parents])


def _refuse(node: Value) -> Any:
    name = f", labelled {node.label!r}," if node.label else ""
    raise ValueError(
        f"the operation {node.op!r}{name} cannot be compiled: it was stated by hand, as a number "
        "with partial derivatives, which hold at this point only; write it with the functions of "
        "autograd"
    )


def _seeds(roots: Iterable[Value]) -> dict[Value, Number]:
    seeds: dict[Value, Number] = {}
    for root in roots:
        seeds[root] = seeds.get(root, 0.0) + 1.0
    return seeds


def _partials_in(
    numbers: dict[Value, Number], recorder: Recorder
) -> Callable[[Value], Sequence[Number]]:
    names = recorder.namespace

    def partials_of(node: Value) -> Sequence[Number]:
        if node.primitive is None:
            return ()
        arguments = [numbers[parent] for parent in node.parents]
        return node.primitive.partials(names, *arguments, numbers[node])

    return partials_of


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the cycle collector out: in a million new records it finds nothing, slowly."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _labels(numbers: dict[Value, Number], places: Sequence[int]) -> dict[int, str]:
    labels: dict[int, str] = {}
    for node, number in numbers.items():
        if node.label and isinstance(number, Register) and places[number.index] >= 0:
            labels.setdefault(places[number.index], node.label)
    return labels


@final
class Register:
    """A number that is not known yet: the result of one instruction."""

    __slots__ = ("index", "recorder")

    def __init__(self, recorder: Recorder, index: int) -> None:
        self.recorder = recorder
        self.index = index

    def __add__(self, other: Number) -> Number:
        recorder = self.recorder
        if type(other) is Register:
            if recorder.operations[other.index] == "negative":
                return recorder.emit("subtract", (self.index, recorder.operands[other.index][0]))
            if recorder.operations[self.index] == "negative":
                return recorder.emit("subtract", (other.index, recorder.operands[self.index][0]))
            a, b = self.index, other.index
            return recorder.emit("add", (a, b) if a <= b else (b, a))
        if _is_negative_zero(other):
            return self
        return recorder.emit("add", _sorted(self.index, recorder.constant(other)))

    __radd__ = __add__

    def __mul__(self, other: Number) -> Number:
        if type(other) is Register:
            a, b = self.index, other.index
            return self.recorder.emit("multiply", (a, b) if a <= b else (b, a))
        if other == 1.0:
            return self
        if other == -1.0:
            return -self
        recorder = self.recorder
        return recorder.emit("multiply", _sorted(self.index, recorder.constant(other)))

    __rmul__ = __mul__

    def __sub__(self, other: Number) -> Number:
        recorder = self.recorder
        if type(other) is Register:
            if recorder.operations[other.index] == "negative":
                (negated,) = recorder.operands[other.index]
                return recorder.emit("add", _sorted(self.index, negated))
            return recorder.emit("subtract", (self.index, other.index))
        if other == 0.0 and not _is_negative_zero(other):
            return self
        return recorder.emit("subtract", (self.index, recorder.constant(other)))

    def __rsub__(self, other: float) -> Number:
        if _is_negative_zero(other):
            return -self
        return self.recorder.emit("subtract", (self.recorder.constant(other), self.index))

    def __neg__(self) -> Register:
        recorder = self.recorder
        if recorder.operations[self.index] == "negative":
            return Register(recorder, recorder.operands[self.index][0])
        return recorder.emit("negative", (self.index,))


Number: TypeAlias = Register | float
"""What rows work on while recording: a float is known already."""


class Recorder:
    """Instructions as they are recorded: every register once, in order."""

    def __init__(self) -> None:
        self.operations: list[str] = []
        self.operands: list[tuple[int, ...]] = []
        self.constants: dict[int, float] = {}
        self.namespace = namespace({name: _recorded(self, name) for name in BASIS})
        self._known: dict[str, dict[tuple[int, ...], Register]] = {name: {} for name in ARITIES}
        self._known_constants: dict[Any, int] = {}

    def leaf(self, kind: str, place: int) -> Register:
        """The register of a parameter or an input."""
        return self.emit(kind, (place,))

    def constant(self, number: float) -> int:
        """The register that holds a number; 0 and -0 are two, and nan is never the same twice."""
        key = number if number != 0.0 else copysign(1.0, number) * 1j
        index = self._known_constants.get(key)
        if index is None:
            index = self._known_constants[key] = len(self.operands)
            self.operations.append("constant")
            self.operands.append(())
            self.constants[index] = float(number)
        return index

    def emit(self, operation: str, operands: tuple[int, ...]) -> Register:
        """The register of this instruction, a new one unless it was recorded before."""
        known = self._known[operation]
        register = known.get(operands)
        if register is None:
            register = known[operands] = Register(self, len(self.operands))
            self.operations.append(operation)
            self.operands.append(operands)
        return register

    def finish(
        self, outputs: Sequence[Number], gradients: Sequence[Number]
    ) -> tuple[WengertList, list[int]]:
        """The list without dead code, and the new place of every register recorded (-1: dead)."""
        ends = [self._index(number) for number in (*outputs, *gradients)]
        alive = needed_for(ends, self.operations, self.operands)
        places = [place - 1 if lives else -1 for place, lives in zip(accumulate(alive), alive)]
        operations = [*compress(self.operations, alive)]
        operands = _moved(operations, compress(self.operands, alive), places)
        wengert = WengertList(
            operations=operations,
            operands=operands,
            constants={places[k]: x for k, x in self.constants.items() if places[k] >= 0},
            outputs=[places[k] for k in ends[: len(outputs)]],
            gradients=[places[k] for k in ends[len(outputs) :]],
            uniform=uniform_registers(operations, operands),
        )
        self._let_go()
        return wengert, places

    def _let_go(self) -> None:
        """Registers and recorder hold one another: do not leave them to the collector."""
        for records in (self.operations, self.operands, self._known):
            records.clear()

    def _index(self, number: Number) -> int:
        return number.index if isinstance(number, Register) else self.constant(number)


def _moved(
    operations: Iterable[str], operands: Iterable[tuple[int, ...]], places: Sequence[int]
) -> list[tuple[int, ...]]:
    """The operands in their new places; pairs, nearly all there is, without a loop."""
    moved: list[tuple[int, ...]] = []
    for name, registers in zip(operations, operands):
        if len(registers) == 2:
            a, b = registers
            moved.append((places[a], places[b]))
        elif name in LEAVES:
            moved.append(registers)
        else:
            moved.append(tuple([places[j] for j in registers]))
    return moved


def needed_for(
    ends: Iterable[int], operations: Sequence[str], operands: Sequence[tuple[int, ...]]
) -> bytearray:
    """Per register 1 where the ends need it, else 0."""
    needed = bytearray(len(operations))
    for k in ends:
        needed[k] = 1
    for k in range(len(needed) - 1, -1, -1):
        if needed[k]:
            registers = operands[k]
            if len(registers) == 2:
                a, b = registers
                needed[a] = needed[b] = 1
            elif operations[k] not in LEAVES:
                for j in registers:
                    needed[j] = 1
    return needed


def uniform_registers(operations: Sequence[str], operands: Sequence[tuple[int, ...]]) -> list[bool]:
    """Per register whether it is the same for every row of a batch."""
    varying = bytearray(len(operations))
    for k, (name, registers) in enumerate(zip(operations, operands)):
        if len(registers) == 2:
            a, b = registers
            varying[k] = varying[a] | varying[b]
        elif name == "input":
            varying[k] = 1
        elif name not in LEAVES:
            for j in registers:
                varying[k] |= varying[j]
    return [not varies for varies in varying]


def _recorded(recorder: Recorder, name: str) -> Callable[..., Number]:
    """A function of the basis on registers: computed when all is known, recorded otherwise."""
    compute = getattr(scalar_math, name)
    simplify = _SIMPLER.get(name)

    def function(*arguments: Number) -> Number:
        if Register not in [type(argument) for argument in arguments]:
            return float(compute(*arguments))
        simpler = simplify(recorder.namespace, *arguments) if simplify else None
        if simpler is not None:
            return simpler
        return recorder.emit(
            name,
            tuple(
                [x.index if isinstance(x, Register) else recorder.constant(x) for x in arguments]
            ),
        )

    return function


def _simpler_quotient(m: Any, a: Number, b: Number) -> Number | None:
    """x / 1 is x, and dividing by a power of two is multiplying by its exact inverse."""
    if (
        isinstance(b, Register)
        or b == 0.0
        or abs(frexp(b)[0]) != 0.5
        or not 1e-300 < abs(b) < 1e300
    ):
        return None
    return a * (1.0 / b)


def _simpler_power(m: Any, a: Number, b: Number) -> Number | None:
    """Small whole powers are products."""
    if isinstance(b, Register) or b not in _POWERS:
        return None
    return _POWERS[b](m, a)


def _simpler_choice(m: Any, condition: Number, a: Number, b: Number) -> Number | None:
    """A condition that is known has chosen already."""
    if not isinstance(condition, Register):
        return a if condition else b
    return None


_POWERS: dict[float, Callable[[Any, Any], Number]] = {
    -1.0: lambda m, x: m.divide(1.0, x),
    0.0: lambda m, x: 1.0,
    1.0: lambda m, x: x,
    2.0: lambda m, x: x * x,
    3.0: lambda m, x: x * x * x,
}

_SIMPLER: dict[str, Callable[..., Number | None]] = {
    "divide": _simpler_quotient,
    "power": _simpler_power,
    "where": _simpler_choice,
}


def _sorted(a: int, b: int) -> tuple[int, int]:
    """One name for a, b and b, a, where the order does not matter."""
    return (a, b) if a <= b else (b, a)


def _is_negative_zero(number: float) -> bool:
    return number == 0.0 and copysign(1.0, number) < 0.0
