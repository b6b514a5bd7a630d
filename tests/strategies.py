"""Random graphs as plain data, so that one program runs on every engine that is to be compared.

A `Program` is a straight line: registers 0, 1, … hold the inputs; each `Step` names an operation
and the registers that it reads, and writes the next register; the last one is the result. It knows
no engine: `run(program, inputs, operations)` is given a table from operation names to functions,
such as `truth.textbook(math)`, `payback_operations()` or PyTorch's.

`programs()` draws tame ones: every register stays moderate and away from kinks and poles, so that
two right engines must agree to many digits. `wild_programs()` draws anything from anything, special
values included: for engines that should agree on infinities and nans too.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

import autograd
from tests.truth import SPECIAL, textbook

UNARY = (
    *("neg", "pos", "absolute", "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan"),
    *("arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "erf", "sigmoid", "softplus"),
    *("relu", "leaky_relu", "silu", "gelu", "sign", "exp2", "log2", "log10", "arcsinh", "arccosh"),
    *("arctanh", "elu", "log_sigmoid", "clip"),
)
BINARY = ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "logaddexp", "hypot", "arctan2")
MANY = ("sum", "mean", "logsumexp", "dot")

KINKED = ("absolute", "relu", "leaky_relu", "elu", "sign")  # at 0
LARGE = 50.0  # tame registers stay below this,
CLOSE = 1e-3  # and this far from kinks and poles


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on earlier registers; `constant` has no operands and a value."""

    operation: str
    operands: tuple[int, ...] = ()
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Program:
    """A graph in the order of its making, with the inputs it was drawn for."""

    inputs: tuple[float, ...]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        lines = [f"r{i} = input {x!r}" for i, x in enumerate(self.inputs)]
        for i, step in enumerate(self.steps, len(self.inputs)):
            words = [f"r{k}" for k in step.operands] or [repr(step.value)]
            lines.append(f"r{i} = {step.operation} {' '.join(words)}")
        return "\n".join(lines)


def run(
    program: Program, inputs: Sequence[Any], operations: Mapping[str, Callable[..., Any]]
) -> list[Any]:
    """All registers, the result last; operations["constant"], if there, makes the constants."""
    constant = operations.get("constant", float)
    registers = list(inputs)
    for step in program.steps:
        operands = [registers[k] for k in step.operands]
        if step.operation == "constant":
            registers.append(constant(step.value))
        else:
            registers.append(operations[step.operation](*operands))
    return registers


def result(
    program: Program, inputs: Sequence[Any], operations: Mapping[str, Callable[..., Any]]
) -> Any:
    """What the last register of `run` holds."""
    return run(program, inputs, operations)[-1]


def payback_operations() -> dict[str, Callable[..., Any]]:
    """This engine's public functions and operators; n-ary ones take their operands spread out."""
    return {
        **{name: getattr(autograd, name) for name in UNARY[2:] + BINARY[5:]},
        "clip": lambda x: autograd.clip(x, -1.0, 1.0),
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "div": _ieee(operator.truediv),
        "pow": _ieee(operator.pow),
        "neg": operator.neg,
        "pos": operator.pos,
        **{name: _gathered(getattr(autograd, name)) for name in ("sum", "mean", "logsumexp")},
        "dot": lambda *xs: autograd.dot(*halves(xs), xs[-1]),
        "constant": float,
    }


def _ieee(operator_: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Of two constants too, where Python's floats raise or turn complex."""
    return lambda a, b: operator_(autograd.value.as_value(a, "an operator"), b)


def halves(operands: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The weights and the inputs of a `dot` whose operands stand in one row, the bias last."""
    n = len(operands) // 2
    return list(operands[:n]), list(operands[n : 2 * n])


@st.composite
def programs(
    draw: st.DrawFn, max_inputs: int = 4, max_steps: int = 25, without: Sequence[str] = ()
) -> Program:
    """Tame programs; `without` names operations that the engine to compare does not have."""
    inputs = tuple(draw(st.lists(_tame_numbers, min_size=1, max_size=max_inputs)))
    names = [name for name in UNARY + BINARY + MANY if name not in without]
    registers, steps = list(inputs), []
    for _ in range(draw(st.integers(1, max_steps))):
        step = draw(_steps(len(registers), names, _tame_numbers))
        step, value = _tamed(step, registers)
        steps.append(step)
        registers.append(value)
    return Program(inputs, tuple(steps))


@st.composite
def wild_programs(
    draw: st.DrawFn, max_inputs: int = 4, max_steps: int = 12, without: Sequence[str] = ()
) -> Program:
    """Programs of any operations on any floats, special values among them."""
    numbers = st.one_of(st.sampled_from(SPECIAL), st.floats())
    inputs = tuple(draw(st.lists(numbers, min_size=1, max_size=max_inputs)))
    names = [name for name in UNARY + BINARY + MANY if name not in without]
    count = draw(st.integers(1, max_steps))
    steps = tuple(draw(_steps(len(inputs) + i, names, numbers)) for i in range(count))
    return Program(inputs, steps)


_tame_numbers = st.floats(-3.0, 3.0).map(lambda x: round(x, 3)).filter(lambda x: abs(x) > CLOSE)


@st.composite
def _steps(
    draw: st.DrawFn, registers: int, names: Sequence[str], numbers: st.SearchStrategy[float]
) -> Step:
    name = draw(st.sampled_from(["constant", *names]))
    if name == "constant":
        return Step(name, (), draw(numbers))
    count = _arity(name) or draw(st.sampled_from([1, 3, 5]))
    # the later half is drawn more often: deep graphs, with shared operands all the same
    recent = st.integers(registers // 2, registers - 1) | st.integers(0, registers - 1)
    return Step(name, tuple(draw(recent) for _ in range(count)))


def _arity(name: str) -> int:
    """1, 2, or 0 for any odd number."""
    return 1 if name in UNARY else 2 if name in BINARY else 0


_ROUGH = textbook(math)


def _tamed(step: Step, registers: Sequence[float]) -> tuple[Step, float]:
    """The step and its value, or arctan of its first operand where it would run wild."""
    if step.operation == "constant":
        return step, step.value
    operands = [registers[k] for k in step.operands]
    if not _near_trouble(step, operands):
        value = _rough(step.operation, operands)
        if CLOSE < abs(value) < LARGE:
            return step, value
    return Step("arctan", step.operands[:1]), math.atan(operands[0])


def _rough(name: str, operands: Sequence[float]) -> float:
    try:
        value = _ROUGH[name](*operands)
    except (ValueError, ZeroDivisionError, OverflowError):
        return math.nan
    return math.nan if isinstance(value, complex) else value


def _near_trouble(step: Step, operands: Sequence[float]) -> bool:
    x, y = operands[0], operands[-1]
    match step.operation:
        case "log" | "log2" | "log10" | "sqrt" | "pow":
            return x < CLOSE
        case "log1p":
            return x < CLOSE - 1
        case "arcsin" | "arccos" | "arctanh":
            return abs(x) > 0.99
        case "arccosh":
            return x < 1.01
        case "clip":
            return abs(abs(x) - 1) < CLOSE
        case "hypot" | "arctan2":
            return abs(x) + abs(y) < 0.05
        case "div":
            return abs(y) < 0.05
        case "tan":
            return abs(math.cos(x)) < 0.05
        case "tanh" | "sigmoid" | "erf" | "gelu" | "silu" | "softplus" | "log_sigmoid":
            return abs(x) > 5  # their slopes have tails that engines compute to different digits
        case "maximum" | "minimum":
            return step.operands[0] != step.operands[1] and abs(x - y) < CLOSE
        case name:
            return name in KINKED and abs(x) < CLOSE


def _gathered(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: function(list(xs))


def nested() -> autograd.Value:
    """Scopes in scopes, nodes between them, a constant from outside."""
    x, y, k = (
        autograd.Value(0.5, label="x"),
        autograd.Value(2.0, label="y"),
        autograd.Value(3.0, requires_grad=False),
    )
    with autograd.scope("outer"):
        u = x * y
        with autograd.scope("one"):
            p = (u + x).tanh() * u
        with autograd.scope("two"):
            q = (u * y).sigmoid() + k * p
    with autograd.scope("other"):
        r = (q * p).exp() + x
    return r * q


def shared() -> autograd.Value:
    """c = b + b of b = a + a: the smallest graph on which impatience shows."""
    a = autograd.Value(1.0, label="a")
    b = a + a
    c = b + b
    b.label, c.label = "b", "c"
    return c


def ladder(rungs: int) -> autograd.Value:
    """x + x again and again: two edges a rung, and twice the paths."""
    x = autograd.Value(1.0, label="x")
    for _ in range(rungs):
        x = x + x
    return x
