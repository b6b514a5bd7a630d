"""Recording: what is merged, computed at once, left out, and what must stay."""

import gc
import math
import time
import tracemalloc

import pytest

import autograd
from autograd import Value, no_grad, relu, sigmoid
from autograd.compiler.linear import (
    ARITIES,
    LEAVES,
    Recorder,
    WengertList,
    needed_for,
    record,
    record_function,
)
from autograd.rules import BASIS

NAN = math.nan


def recorded(function: object, inputs: int = 1, parameters: int = 0) -> WengertList:
    return record_function(function, inputs=inputs, parameters=parameters)


def operations(wengert: WengertList) -> list[str]:
    return [name for name in wengert.operations if name not in LEAVES]


def test_registers_in_order() -> None:
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    e = (a + b) * (b + 1)
    e.label = "e"
    wengert = record([e], [a]).wengert
    assert wengert == WengertList(
        operations=["parameter", "input", "add", "constant", "add", "multiply", "add"],
        operands=[(0,), (0,), (0, 1), (), (0, 3), (2, 4), (2, 4)],
        constants={3: 1.0},
        outputs=[5],
        gradients=[6],
        uniform=[True, False, False, True, True, False, False],
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x, p: x * 1.0,
        lambda m, x, p: 1.0 * x,
        lambda m, x, p: x - 0.0,
        lambda m, x, p: x + -0.0,
        lambda m, x, p: m.divide(x, 1.0),
        lambda m, x, p: m.power(x, 1.0),
        lambda m, x, p: -(x * -1.0),
        lambda m, x, p: m.where(1.0, x, NAN),
        lambda m, x, p: m.where(m.less(1.0, 0.0), NAN, x),
    ],
)
def test_nothing_is_recorded_for_what_changes_nothing(function: object) -> None:
    wengert = recorded(lambda m, xs, ps: [function(m, xs[0], ps)])
    assert wengert.operations == ["input"]
    assert wengert.outputs == [0]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda m, x: x + 0.0, ["add"]),  # -0.0 + 0.0 is 0.0
        (lambda m, x: x - -0.0, ["subtract"]),  # -0.0 - -0.0 is 0.0
        (lambda m, x: 0.0 - x, ["subtract"]),  # 0.0 - 0.0 is 0.0, not -0.0
        (lambda m, x: 0.0 * x, ["multiply"]),  # 0.0 * inf is nan
        (lambda m, x: x - x, ["subtract"]),  # inf - inf is nan
        (lambda m, x: m.divide(x, x), ["divide"]),
        (lambda m, x: m.divide(x, 0.0), ["divide"]),
        (lambda m, x: m.power(x, 0.5), ["power"]),  # sqrt(-0.0) is -0.0, sqrt(-inf) is nan
        (lambda m, x: m.equal(x, x), ["equal"]),  # not for nan
    ],
)
def test_what_only_looks_superfluous_stays(function: object, expected: list[str]) -> None:
    assert operations(recorded(lambda m, xs, ps: [function(m, xs[0])])) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda m, x: -1.0 * x, ["negative"]),
        (lambda m, x: -0.0 - x, ["negative"]),
        (lambda m, x: m.divide(x, 4.0), ["multiply"]),
        (lambda m, x: m.divide(x, 3.0), ["divide"]),
        (lambda m, x: m.power(x, 2.0), ["multiply"]),
        (lambda m, x: m.power(x, 3.0), ["multiply", "multiply"]),
        (lambda m, x: m.power(x, -1.0), ["divide"]),
        (lambda m, x: 2.0 + -x, ["negative", "add"]),
        (lambda m, x: x + -(x * x), ["multiply", "subtract"]),
        (lambda m, x: -(x * x) + x, ["multiply", "subtract"]),
        (lambda m, x: x - -(x * x), ["multiply", "add"]),
        (lambda m, x: (x + 2.0) * (2.0 + x), ["add", "multiply"]),
        (lambda m, x: m.exp(x) * m.exp(x), ["exp", "multiply"]),
    ],
)
def test_cheaper_instructions_with_the_same_result(function: object, expected: list[str]) -> None:
    assert operations(recorded(lambda m, xs, ps: [function(m, xs[0])])) == expected


def test_simplifications_keep_every_bit() -> None:
    """Each shortcut against the operation itself, at the numbers where it could show."""
    numbers = [0.0, -0.0, 1.0, -1.5, 1e308, -1e308, 5e-324, math.inf, -math.inf, NAN]
    recorder = Recorder()
    m, x = recorder.namespace, recorder.leaf("input", 0)
    cases = {
        "x * -1": (x * -1.0, lambda v: v * -1.0),
        "-0.0 - x": (-0.0 - x, lambda v: -0.0 - v),
        "x - 0": (x - 0.0, lambda v: v - 0.0),
        "x + -0": (x + -0.0, lambda v: v + -0.0),
        "x / 4": (m.divide(x, 4.0), lambda v: v / 4.0),
        "x / -0.5": (m.divide(x, -0.5), lambda v: v / -0.5),
    }
    for name, (register, truth) in cases.items():
        for number in numbers:
            value = evaluate(recorder, register, number)
            assert bits(value) == bits(truth(number)), (name, number)


def evaluate(recorder: Recorder, register: object, number: float) -> float:
    """The register when the only input is this number; negative, multiply and leaves only."""
    operation, operands = (
        column[register.index] for column in (recorder.operations, recorder.operands)
    )
    if operation == "input":
        return number
    if operation == "constant":
        return recorder.constants[register.index]
    values = [evaluate(recorder, type(register)(recorder, k), number) for k in operands]
    return -values[0] if operation == "negative" else values[0] * values[1]


def bits(number: float) -> str:
    return "nan" if math.isnan(number) else number.hex()


def test_constants_are_computed_at_once_and_told_apart() -> None:
    wengert = recorded(
        lambda m, xs, ps: [m.exp(1.0) * m.divide(1.0, 0.0), 0.0, -0.0, 0.0, NAN, xs[0]]
    )
    assert operations(wengert) == []
    numbers = [wengert.constants[k] for k in wengert.outputs[:-1]]
    assert [bits(x) for x in numbers] == [bits(x) for x in (math.inf, 0.0, -0.0, 0.0, NAN)]
    assert wengert.outputs[1] == wengert.outputs[3] != wengert.outputs[2]


def test_common_subexpressions_are_recorded_once() -> None:
    x, w = Value(0.5), Value(0.3)
    root = sigmoid(w * x) + sigmoid(w * x) * sigmoid(x * w)
    names = operations(record([root], [x]).wengert)
    assert names.count("exp") == 1, "the slope is made of the same exp(-|z|) as the value"
    assert names.count("less") == 1


def test_dead_code_is_dropped() -> None:
    x, w = Value(0.5), Value(0.3)
    wengert = record([w * x**2.0], [x]).wengert
    assert "log" not in wengert.operations, "the slope to a constant exponent is nobody's business"
    assert operations(wengert) == ["multiply", "multiply"]
    used = {
        j
        for k, name in enumerate(wengert.operations)
        if name not in LEAVES
        for j in wengert.operands[k]
    }
    assert {*range(len(wengert))} == used | {*wengert.outputs, *wengert.gradients}


def test_uniform_and_varying() -> None:
    x, a, b = Value(0.5), Value(1.5), Value(2.5)
    wengert = record([a * b + x.exp() * a + autograd.exp(b)], [x]).wengert
    exps = [k for k, name in enumerate(wengert.operations) if name == "exp"]
    assert sorted(wengert.uniform[k] for k in exps) == [False, True]
    varying = [
        name for name, same in zip(wengert.operations, wengert.uniform, strict=True) if not same
    ]
    assert varying == ["input", "exp", "multiply", "add", "add", "add"]
    assert wengert.uniform[wengert.gradients[1]], "the slope to b does not depend on the row"


def test_operands_come_before_their_register() -> None:
    x, w = Value(0.5), Value(0.3)
    wengert = record([autograd.gelu(x * w) * autograd.logsumexp([x, w, relu(x - w)])], [x]).wengert
    for k, name in enumerate(wengert.operations):
        assert len(wengert.operands[k]) == ARITIES[name]
        assert name in LEAVES or all(j < k for j in wengert.operands[k])


def test_every_operation_of_the_basis_is_known() -> None:
    assert {*BASIS, "add", "subtract", "multiply", "negative", *LEAVES} == {*ARITIES}


def test_parameters_in_the_order_asked_for() -> None:
    a, b, c, x = (Value(0.0, label=name) for name in "abcx")
    root = a * x + b * c
    assert [p.label for p in record([root], [x]).parameters] == ["a", "b", "c"]
    assert [p.label for p in record([root], [x], [c]).parameters] == ["c", "a", "b"]


def test_constant_leaves_are_fixed() -> None:
    x, w = Value(0.0), Value(2.0)
    fixed = Value(5.0, requires_grad=False)
    root = x * w * fixed
    fixed.data = 6.0
    assert [*record([root], [x]).wengert.constants.values()] == [6.0]


def test_a_graph_without_gradients_still_records() -> None:
    x = Value(2.0)
    with no_grad():
        y = x * x
    assert record([y], [x]).wengert.constants == {0: 4.0}


def test_an_operation_stated_by_hand_is_refused() -> None:
    x = Value(2.0)
    y = Value(math.sin(2.0), (x,), (math.cos(2.0),), op="mysin", label="height")
    with pytest.raises(
        ValueError, match=r"'mysin', labelled 'height', cannot be compiled.*by hand"
    ):
        record([y * x], [x])


def test_labels_of_registers() -> None:
    x, w = Value(0.5, label="x"), Value(0.3, label="w")
    y = x * w
    y.label = "y"
    recording = record([y + 1.0], [x])
    named = {label: recording.wengert.operations[k] for k, label in recording.labels.items()}
    assert named == {"x": "input", "w": "parameter", "y": "multiply"}


def test_a_deep_chain() -> None:
    x, w = Value(0.5), Value(1.0)
    y = x
    for _ in range(100_000):
        y = (y * w).sin()
    wengert = record([y], [x]).wengert
    assert operations(wengert).count("sin") == 100_000
    assert operations(wengert).count("cos") == 100_000


def test_time_is_linear() -> None:
    """At most 600 bytes per instruction while recording, and nothing left to the collector."""
    short, long = (min(recording_time(n) for _ in range(3)) for n in (10_000, 40_000))
    assert long < 8 * short


def recording_time(length: int) -> float:
    x, w = Value(0.5), Value(1.0)
    y = x
    for _ in range(length):
        y = y * w + x
    start = time.process_time()
    record([y], [x])
    return time.process_time() - start


def test_memory_is_let_go() -> None:
    """At most 600 bytes per instruction while recording, and nothing is left to the collector."""
    x, w = Value(0.5), Value(1.0)
    y = x
    for _ in range(20_000):
        y = y * w + x
    record([y], [x])
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        length = len(record([y], [x]).wengert)
        left, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    finally:
        gc.enable()
    assert length > 90_000
    assert peak < 600 * length
    assert left < 10 * length


def test_gradient_registers_cost_little() -> None:
    """The cheap gradient: value and gradient at most four times the value, for a network."""
    xs = [Value(0.1 * k) for k in range(8)]
    weights = [[Value(0.1) for _ in xs] for _ in range(8)]
    hidden = [autograd.dot(row, xs).tanh() for row in weights]
    root = autograd.sum([z * z for z in hidden])
    wengert = record([root], xs).wengert
    for_value = needed_for(wengert.outputs, wengert.operations, wengert.operands)
    names = [name for name, needed in zip(wengert.operations, for_value, strict=True) if needed]
    value = len([name for name in names if name not in LEAVES])
    assert value < len(operations(wengert)) <= 4 * value
