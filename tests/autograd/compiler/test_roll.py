"""Rolling: what becomes one operation, is merged, computed at once, left out, and must stay."""

import gc
import math
import sys
import tracemalloc
from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest

import autograd
import nn
from autograd import Value, no_grad, relu, sigmoid
from autograd.compiler.arrays import (
    ARITIES,
    ELEMENTWISE,
    LEAVES,
    PARAMETERS,
    WORDS,
    ArrayProgram,
    for_gradient,
    for_values,
    placed,
    places_of,
)
from autograd.compiler.listing import Listing, Names, unrolled
from autograd.compiler.record import Block, Recorder
from autograd.compiler.roll import Rolled, roll
from autograd.rules import BASIS
from tests.autograd.compiler.reference import follow

NAN = math.nan


def recorded(function: object) -> ArrayProgram:
    """The outputs of a function of one input, recorded."""
    recorder = Recorder(0, 1)
    roots = function(recorder.namespace, recorder.inputs)
    nothing = recorder.collect([], (0, 1), once=True)
    return for_values(recorder.finish(roots, roots[0], nothing))


def operations(program: ArrayProgram) -> list[str]:
    return [op.word for op in program if op.word not in (*LEAVES, "view", "collect", "mean")]


def flat(root: Value, inputs: list[Value]) -> Listing:
    rolled = roll([root], inputs)
    leaves = [tuple(leaf.label for leaf in each) for each in (inputs, rolled.parameters)]
    return unrolled(rolled.program, Names(*leaves, (root.label,), rolled.labels).everywhere())


def test_a_small_network_as_blocks() -> None:
    """The example of the docstring, to its last operation."""
    x, w = [Value(0.5) for _ in range(3)], [Value(0.1 * k) for k in range(8)]
    hidden = [autograd.dot(w[k : k + 3], x, w[k + 3]).tanh() for k in (0, 4)]
    program = for_values(roll([autograd.sum([a * a for a in hidden])], x, w).program)
    assert [(op.word, op.operands, op.shape) for op in program][3:] == [
        ("view", (0, 0, 4, 1), (2, 3)),
        ("view", (1, 0, 0, 1), (1, 3)),
        ("view", (0, 3, 0, 4), (1, 2)),
        ("matmul", (3, 4, 5, 0), (1, 2)),
        ("view", (6, 0, 1, 0), (2, 1)),
        ("tanh", (7, 0, 0, 0), (2, 1)),
        ("mul", (8, 8, 0, 0), (2, 1)),
        ("view", (9, 0, 0, 1), (1, 2)),
        ("sum", (10, 0, 0, 0), (1, 1)),
    ]


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x, p: x * 1.0,
        lambda m, x, p: 1.0 * x,
        lambda m, x, p: x - 0.0,
        lambda m, x, p: x + -0.0,
        lambda m, x, p: m.divide(x, 1.0),
        lambda m, x, p: m.power(x, 1.0),
        lambda m, x, p: m.where(1.0, x, NAN),
        lambda m, x, p: m.where(m.less(1.0, 0.0), NAN, x),
    ],
)
def test_nothing_is_recorded_for_what_changes_nothing(function: object) -> None:
    program = recorded(lambda m, x: [function(m, x, ())])
    assert len(program) == len(LEAVES)
    assert program.roots == (1,)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda m, x: x + 0.0, ["add"]),  # -0.0 + 0.0 is 0.0
        (lambda m, x: x - -0.0, ["sub"]),  # -0.0 - -0.0 is 0.0
        (lambda m, x: 0.0 - x, ["sub"]),  # 0.0 - 0.0 is 0.0, not -0.0
        (lambda m, x: 0.0 * x, ["mul"]),  # 0.0 * inf is nan
        (lambda m, x: x - x, ["sub"]),  # inf - inf is nan
        (lambda m, x: m.divide(x, x), ["divide"]),
        (lambda m, x: m.divide(x, 0.0), ["divide"]),
        (lambda m, x: m.power(x, 0.5), ["power"]),  # sqrt(-0.0) is -0.0, sqrt(-inf) is nan
        (lambda m, x: m.equal(x, x), ["equal"]),  # not for nan
    ],
)
def test_what_only_looks_superfluous_stays(function: object, expected: list[str]) -> None:
    assert operations(recorded(lambda m, x: [function(m, x)])) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda m, x: m.divide(x, 4.0), ["mul"]),
        (lambda m, x: m.divide(x, 3.0), ["divide"]),
        (lambda m, x: m.power(x, 2.0), ["mul"]),
        (lambda m, x: m.power(x, 3.0), ["mul", "mul"]),
        (lambda m, x: m.power(x, -1.0), ["divide"]),
        (lambda m, x: m.exp(x) * m.exp(x), ["exp", "mul"]),
    ],
)
def test_cheaper_instructions_with_the_same_result(function: object, expected: list[str]) -> None:
    assert operations(recorded(lambda m, x: [function(m, x)])) == expected


def test_simplifications_keep_every_bit() -> None:
    """Each shortcut against the operation itself, at the numbers where it could show."""
    numbers = [0.0, -0.0, 1.0, -1.5, 1e308, -1e308, 5e-324, math.inf, -math.inf, NAN]
    cases = {
        "x * -1": (lambda m, x: x * -1.0, lambda v: v * -1.0),
        "-0.0 - x": (lambda m, x: -0.0 - x, lambda v: -0.0 - v),
        "x - 0": (lambda m, x: x - 0.0, lambda v: v - 0.0),
        "x + -0": (lambda m, x: x + -0.0, lambda v: v + -0.0),
        "x / 4": (lambda m, x: m.divide(x, 4.0), lambda v: v / 4.0),
        "x / -0.5": (lambda m, x: m.divide(x, -0.5), lambda v: v / -0.5),
    }
    for name, (function, truth) in cases.items():
        program = recorded(lambda m, x, function=function: [function(m, x)])
        blocks = follow(program, np.zeros(0), np.array(numbers)[:, None])
        for number, value in zip(numbers, blocks[program.roots[0]].ravel(), strict=True):
            assert bits(float(value)) == bits(truth(number)), (name, number)


def bits(number: float) -> str:
    return "nan" if math.isnan(number) else number.hex()


def test_constants_are_computed_at_once_and_told_apart() -> None:
    program = recorded(lambda m, x: [m.exp(1.0) * m.divide(1.0, 0.0), 0.0, -0.0, 0.0, NAN, x])
    assert operations(program) == []
    blocks = follow(program, np.zeros(0), np.zeros((1, 1)))
    numbers = [float(blocks[k].ravel()[0]) for k in program.roots[:-1]]
    assert [bits(x) for x in numbers] == [bits(x) for x in (math.inf, 0.0, -0.0, 0.0, NAN)]
    assert program.roots[1] == program.roots[3] != program.roots[2]


def test_parts_of_parts_of_a_block_are_numpys() -> None:
    """However often a part of a part is seen in another order: one view or table of the whole."""
    random, words = Random(1), Counter[str]()
    for _ in range(300):
        recorder = Recorder(24, 1)
        block, seen = recorder.parameters, np.arange(24.0).reshape(24, 1)
        for _ in range(random.randrange(1, 5)):
            block, seen = _part(random, recorder, block, seen)
            assert block.shape == seen.shape
        nothing = recorder.collect([], (24, 1), once=True)
        program = recorder.finish([], 0.0, nothing)
        found, word = program[block.index], WORDS[program.codes[block.index]]
        where = np.arange(24)
        if word == "view":
            where = places_of(found.operands[1:], found.shape, program.tables)
            word = "table" if found.operands[1] < 0 else "steps"
        words[word] += 1
        assert np.array_equal(where, seen.ravel())
        assert block.index == PARAMETERS or found.operands[0] == PARAMETERS
    assert min(words[word] for word in ("parameters", "steps", "table")) > 10


def _part(random: Random, recorder: Recorder, block: Block, seen: Any) -> tuple[Block, Any]:
    n, m = seen.shape
    kind = random.choice(["transposed", "reshaped", "stretched", "rows", "columns", "picked"])
    if kind == "transposed":
        return recorder.transposed(block), seen.T
    if kind == "reshaped":
        shape = random.choice([(i, n * m // i) for i in range(1, n * m + 1) if n * m % i == 0])
        return recorder.reshaped(block, shape), seen.reshape(shape)
    if kind == "stretched":
        shape = (3 if n == 1 else n, 2 if m == 1 else m)
        return recorder.reshaped(block, shape), np.broadcast_to(seen, shape)
    if kind == "rows":
        return recorder.view(block, ((n - 1) * m, -m, 1), (n, m)), seen[::-1]
    if kind == "columns":
        return recorder.view(block, (m - 1, m, 0), (n, 1)), seen[:, -1:]
    places = np.array([random.randrange(n * m) for _ in range(random.randrange(1, 9))])
    return recorder.picked(block, places, (len(places), 1)), seen.ravel()[places][:, None]


def test_the_same_constants_are_stored_once_by_their_bits() -> None:
    recorder = Recorder(0, 0)
    numbers = [0.0, -0.0, NAN, 1.0, NAN, 0.0, -0.0]
    assert [recorder.index(x) - recorder.index(0.0) for x in numbers] == [0, 1, 2, 3, 2, 0, 1]
    assert str(recorder.constants) == "[0.0, -0.0, nan, 1.0]"


def test_an_operand_of_several_columns_stands_for_as_many() -> None:
    recorder = Recorder(8, 0)
    m, p = recorder.namespace, recorder.parameters
    three, one = recorder.view(p, (0, 3, 1), (2, 3)), recorder.view(p, (6, 1, 0), (2, 1))
    made = [m.total([three]), m.total([0.5, three, one]), m.largest([one, three])]
    assert [block.shape for block in made] == [(2, 1)] * 3
    assert (m.count([three, one, 0.5]), m.total([0.5])) == (5.0, 0.5)
    words = [WORDS[code] for code in recorder.codes if WORDS[code] not in (*LEAVES, "view")]
    assert words == ["sum", "add", "add", "max", "maximum"]


def test_common_subexpressions_are_recorded_once() -> None:
    x, w = Value(0.5), Value(0.3)
    names = operations(roll([sigmoid(w * x) + sigmoid(w * x) * sigmoid(x * w)], [x]).program)
    assert names.count("exp") == names.count("absolute")
    assert len(names) < 45


def test_dead_code_is_dropped() -> None:
    x, w = Value(0.5), Value(0.3)
    program = roll([w * x**2.0], [x]).program
    names = operations(program)
    assert "log" not in names, "the slope to a constant exponent is nobody's business"
    assert names == ["mul", "mul"]
    again, place = placed(program)
    assert len(again) == len(program)
    assert place.tolist() == [*range(len(program)), -1]


def test_uniform_and_varying() -> None:
    x, a, b = Value(0.5), Value(1.5), Value(2.5)
    program = roll([a * b + x.exp() * a + autograd.exp(b)], [x]).program
    assert sorted(op.varying for op in program if op.word == "exp") == [False, True]
    assert not any(op.varying for op in program if op.word == "mean")


def test_operands_come_before_their_block() -> None:
    x, w = Value(0.5), Value(0.3)
    root = autograd.gelu(x * w) * autograd.logsumexp([x, w, relu(x - w)])
    for k, operation in enumerate(roll([root], [x]).program):
        assert all(j < k for j in operation.operands[: ARITIES[operation.word]])


def test_every_operation_of_the_basis_is_known() -> None:
    assert {*BASIS, "add", "sub", "mul", "neg"} == {*ELEMENTWISE}


def test_parameters_in_the_order_asked_for() -> None:
    a, b, c, x = (Value(0.0, label=name) for name in "abcx")
    root = a * x + b * c
    assert [p.label for p in roll([root], [x]).parameters] == ["a", "b", "c"]
    assert [p.label for p in roll([root], [x], [c]).parameters] == ["c", "a", "b"]


def test_constant_leaves_are_fixed() -> None:
    x, w = Value(0.0), Value(2.0)
    fixed = Value(5.0, requires_grad=False)
    root = x * w * fixed
    fixed.data = 6.0
    assert roll([root], [x]).program.constants.tolist() == [6.0]


def test_a_graph_without_gradients_still_records() -> None:
    x = Value(2.0)
    with no_grad():
        y = x * x
    assert 4.0 in roll([y], [x]).program.constants.tolist()


def test_an_operation_stated_by_hand_is_refused() -> None:
    x = Value(2.0)
    y = Value(math.sin(2.0), (x,), (math.cos(2.0),), op="mysin", label="height")
    with pytest.raises(
        ValueError, match=r"'mysin', labelled 'height', cannot be compiled.*by hand"
    ):
        roll([y * x], [x])


def test_labels_of_registers() -> None:
    x, w = Value(0.5, label="x"), Value(0.3, label="w")
    y = x * w
    y.label = "y"
    z = (y + 1.0).sin()
    listing = flat(z, [x])
    named = {label: listing.program[k].word for k, label in listing.labels.items()}
    assert named == {"x": "view", "w": "view", "y": "mul"}


def test_a_deep_chain() -> None:
    x, w = Value(0.5), Value(1.0)
    y = x
    for _ in range(100_000):
        y = (y * w).sin()
    words = operations(roll([y], [x]).program)
    assert words.count("sin") == 100_000
    assert words.count("cos") == 100_000


def test_work_is_linear() -> None:
    """Four times the nodes take four times the calls, on any machine, however busy it is."""
    short, long = calls_of_rolling(4_000), calls_of_rolling(16_000)
    assert 3.5 * short < long < 4.5 * short


def calls_of_rolling(length: int) -> int:
    """How many functions, of Python and of C, are called while a chain is rolled."""
    x, w = Value(0.5), Value(1.0)
    y = x
    for _ in range(length):
        y = y * w + x
    calls = Counter[str]()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, argument: calls.update([event]))
    try:
        roll([y], [x])
    finally:
        sys.setprofile(before)
    return calls["call"] + calls["c_call"]


def test_memory_is_let_go() -> None:
    """At most 600 bytes per instruction while recording, and nothing is left to the collector."""
    x, w = Value(0.5), Value(1.0)
    y = x
    for _ in range(20_000):
        y = y * w + x
    roll([y], [x])
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        length = len(roll([y], [x]).program)
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
    listing = flat(root, xs)
    names = {op.word for op in listing.program}
    assert names & {"matmul", "outer", "sum", "mean"} == set()
    everything = len(operations(listing.program))
    value = len(operations(for_values(listing.program)))
    assert value < everything <= 4 * value


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda w, x: sum((a * b for a, b in zip(w, x)), w[-1]), ["matmul"]),
        (lambda w, x: sum([a.sin() for a in x]), ["sin", "sum"]),
        (lambda w, x: autograd.sum([a.sin() for a in x]), ["sin", "sum"]),
        (lambda w, x: autograd.dot(x, w), ["matmul"]),
        (
            lambda w, x: autograd.sum([autograd.dot(w[:3], x[k : k + 3]) for k in range(5)]),
            ["matmul", "sum"],
        ),
        (lambda w, x: autograd.dot(x, x), ["mul", "sum", "add"]),
    ],
)
def test_what_becomes_one_operation(build: object, words: list[str]) -> None:
    x, w = [Value(0.5) for _ in range(8)], [Value(0.1) for _ in range(8)]
    assert operations(for_values(roll([build(w, x)], x, w).program)) == words


def test_a_network_of_any_size_is_as_many_operations() -> None:
    def length(sizes: list[int]) -> int:
        model = nn.MLP(sizes[0], sizes[1:], activation="relu", seed=0)
        x, y = [Value(0.1) for _ in range(sizes[0])], Value(1.0)
        root = nn.cross_entropy(model(x), y)
        program = roll([root], [*x, y], model.parameters()).program
        assert [op.word for op in program].count("outer") == len(sizes) - 1
        return len(for_gradient(program))

    assert length([6, 5, 4]) == length([30, 20, 10]) < 60


def test_nothing_refers_to_the_graph() -> None:
    x, w = Value(0.5), Value(0.3)
    rolled: Rolled = roll([(x * w).sin()], [x])
    assert rolled.parameters == (w,)
    assert not any(isinstance(getattr(rolled.program, f), Value) for f in rolled.program.__slots__)
