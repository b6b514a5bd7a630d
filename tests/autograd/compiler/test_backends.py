"""Every backend gives the eager engine's numbers."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Value, compile, less, less_equal, topological_order, where  # noqa: A004
from autograd.primitive import Primitive
from autograd.rules import TABLE
from autograd.value import apply
from tests.compiled import BACKENDS, Eager, need, same
from tests.strategies import Program, payback_operations, programs, result
from tests.truth import SPECIAL

backends = pytest.mark.parametrize("backend", BACKENDS)
TINY = 5e-324
FIXED = [row for row in TABLE.values() if not row.variadic]
VARIADIC = [row for row in TABLE.values() if row.variadic]


def special(backend: str) -> list[float]:
    """The awkward numbers; XLA on a CPU takes subnormal ones for 0."""
    return [x for x in SPECIAL if backend != "jax" or abs(x) != TINY]


SUBNORMAL = ("hypot", "elu", "arctan2")
"""By way of 1 / 1e308 or exp(-710), which are subnormal."""


def check(backend: str, root: Value, parameters: list[Value], inputs: list[Value]) -> None:
    """A program of the root against the eager engine, at the numbers in the leaves."""
    program = compile(root, inputs, parameters=parameters, backend=backend)
    row = [[x.data for x in inputs]]
    eager = Eager.of(root, parameters)
    value, grads = program.value_and_grad(program.pack(), row)
    assert eager.meets(value, grads.tolist(), backend), (eager, value, grads)
    assert same(program(program.pack(), row)[0, 0], eager.value, eager.value_weight, backend)


def check_random(backend: str, drawn: Program) -> None:
    """Every other leaf is a parameter, the rest are inputs, a little different from row to row."""
    rows = [[x * (1 - 1e-5 * r) for x in drawn.inputs[1::2]] for r in range(3)]
    eager = []
    for row in rows:
        leaves = [Value(x) for x in drawn.inputs]
        for leaf, x in zip(leaves[1::2], row, strict=True):
            leaf.data = x
        root = result(drawn, leaves, payback_operations())
        if not (isinstance(root, Value) and root.requires_grad):
            return
        eager.append(Eager.of(root, leaves[::2]))
    program = compile(root, leaves[1::2], parameters=leaves[::2], backend=backend)
    value, grads = program.value_and_grad(program.pack(), rows)
    average = Eager.mean(eager)
    assert average.meets(value, grads.tolist(), backend), (average, value, grads)
    for output, one in zip(program(program.pack(), rows)[:, 0], eager, strict=True):
        assert same(output, one.value, one.value_weight, backend)


@given(programs())
@settings(max_examples=200)
def test_random_graphs_numpy(drawn: Program) -> None:
    check_random(need("numpy"), drawn)


@given(programs())
@settings(max_examples=200)
def test_random_graphs_native(drawn: Program) -> None:
    check_random(need("native"), drawn)


@given(programs(max_steps=12))
@settings(max_examples=25)
def test_random_graphs_jax(drawn: Program) -> None:
    check_random(need("jax"), drawn)


@given(programs(max_steps=12))
@settings(max_examples=10)
def test_random_graphs_jax_interpreted(drawn: Program) -> None:
    need("jax")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autograd.compiler.jax_follow.MOST_OPERATIONS", -1)
        check_random("jax", drawn)


@backends
@pytest.mark.parametrize("row", FIXED, ids=lambda row: row.name)
def test_every_primitive_at_special_values(backend: str, row: Primitive) -> None:
    need(backend)
    numbers = special(backend) if len(row.domain) < 3 else [0.0, -0.0, 1.0, math.inf, math.nan]
    if backend == "jax" and row.name in SUBNORMAL:
        numbers = [number for number in numbers if abs(number) not in (1e308, 710.0)]
    parameters = [Value(0.5, label=f"p{k}") for k in range(len(row.domain))]
    inputs = [Value(0.5, label=f"x{k}") for k in range(len(row.domain))]
    by_parameters = compile(apply(row, *parameters), parameters=parameters, backend=backend)
    by_inputs = compile(apply(row, *inputs), inputs, backend=backend)
    points = list(product(numbers, repeat=len(row.domain)))
    outputs = by_inputs([], points)[:, 0].tolist()
    for point, output in zip(points, outputs, strict=True):
        leaves = [Value(x) for x in point]
        eager = Eager.of(apply(row, *leaves), leaves)
        value, grads = by_parameters.value_and_grad(point)
        assert same(output, eager.value, 0.0, backend), (point, output, eager)
        assert eager.meets(value, grads.tolist(), backend), (point, value, grads, eager)


@backends
@pytest.mark.parametrize("row", [row for row in FIXED if row.arity == 2], ids=lambda row: row.name)
def test_many_rows_with_one_number_for_all(backend: str, row: Primitive) -> None:
    """Libraries have short cuts for such a number: a root for the power 0.5, a reciprocal that is
    subnormal, and so 0 to XLA, for a divisor of 1e308.
    """
    need(backend)
    x, w = Value(1.0), Value(1.0)
    programs = [compile(apply(row, *of), [x], backend=backend) for of in ((x, w), (w, x))]
    numbers = special(backend)
    if (row.name, backend) == ("div", "jax"):
        numbers = [number for number in numbers if abs(number) != 1e308]
    for number in [0.5, 2.0, 3.0, -0.5, *numbers]:
        outputs = [program([number], [[n] for n in numbers])[:, 0] for program in programs]
        for n, forth, back in zip(numbers, *outputs, strict=True):
            assert same(forth, apply(row, Value(n), Value(number)).data, 0.0, backend), (n, number)
            assert same(back, apply(row, Value(number), Value(n)).data, 0.0, backend), (number, n)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("function", [autograd.maximum, autograd.minimum])
@pytest.mark.parametrize("rows", [1, 70])
def test_ties_of_zeros_go_to_the_first(
    backend: str, function: Callable[..., Value], rows: int
) -> None:
    need(backend)
    x, y = Value(1.0), Value(1.0)
    for inputs, parameters in (([x, y], []), ([x], [y]), ([y], [x]), ([], [x, y])):
        program = compile(1 / function(x, y), inputs, parameters=parameters, backend=backend)
        for a, b in ((0.0, -0.0), (-0.0, 0.0)):
            row, params = [[{x: a, y: b}[leaf] for leaf in some] for some in (inputs, parameters)]
            assert set(program(params, [row] * rows)[:, 0]) == {(1 / function(Value(a), b)).data}


@backends
@pytest.mark.parametrize("row", VARIADIC, ids=lambda row: row.name)
@pytest.mark.parametrize("count", [1, 3, 17])
def test_every_variadic_primitive(backend: str, row: Primitive, count: int) -> None:
    need(backend)
    leaves = [Value(math.sin(k + 1.0)) for k in range(count)]
    check(backend, apply(row, *leaves), leaves[::2], leaves[1::2])


@backends
@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 1000.0, -1000.0])
def test_special_values_in_sums(backend: str, number: float) -> None:
    need(backend)
    leaves = [Value(number), Value(0.5), Value(-2.0), Value(1.5), Value(0.25)]
    for name in ("sum", "mean", "logsumexp", "dot"):
        check(backend, apply(TABLE[name], *leaves), leaves[::2], leaves[1::2])


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("count", [2, 3, 40])
def test_negative_zeros_add_up_to_one(backend: str, count: int) -> None:
    x, terms = Value(0.0), [Value(-0.0) for _ in range(count)]
    root = 1.0 / autograd.sum([x, *terms])
    program = autograd.compile(root, [x], parameters=terms, backend=need(backend))
    assert program(program.pack(), [[-0.0], [0.0]]).ravel().tolist() == [-math.inf, math.inf]


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("rows", [1, 2, 5000])
def test_the_mean_of_negative_zeros_is_one(backend: str, rows: int) -> None:
    x, w = Value(0.0), Value(1.0)
    program = autograd.compile(x * w, [x], backend=need(backend))
    value, slopes = program.value_and_grad([1.0], np.full((rows, 1), -0.0))
    assert [math.copysign(1.0, each) for each in (value, *slopes)] == [-1.0, -1.0]


@backends
def test_where_decides_anew_for_every_row(backend: str) -> None:
    need(backend)
    x, p = Value(0.0), Value(2.0)
    root = where(less(x, p), p * x, where(less_equal(x, 3.0), p, x * x * p))
    program = compile(root, [x], backend=backend)
    rows = np.array([[1.0], [2.0], [3.0], [4.0]])
    assert program([2.0], rows)[:, 0].tolist() == [2.0, 2.0, 2.0, 32.0]
    value, grads = program.value_and_grad([2.0], rows)
    assert (value, grads.tolist()) == (9.5, [(1 + 1 + 1 + 16) / 4])


@backends
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 63, 64, 65, 127, 129, 1000, 1024, 1025])
def test_any_number_of_rows(backend: str, rows: int) -> None:
    need(backend)
    check_against_numpy(backend, rows)


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_million_rows(backend: str) -> None:
    need(backend)
    check_against_numpy(backend, 1_000_001)


def check_against_numpy(backend: str, rows: int) -> None:
    """A small program with uniform and varying parts, its gradient by hand."""
    x, y, w, b = (Value(0.1, label=name) for name in "xywb")
    root = (w * x + b).tanh() * y + 0.5 * w * w
    program = compile(root, [x, y], parameters=[w, b], backend=backend)
    batch = np.random.default_rng(rows).normal(size=(rows, 2))
    w0, b0 = 0.7, -0.2
    t = np.tanh(w0 * batch[:, 0] + b0)
    slope = (1 - t * t) * batch[:, 1]
    value, grads = program.value_and_grad([w0, b0], batch)
    outputs = t * batch[:, 1] + 0.5 * w0 * w0
    np.testing.assert_allclose(program([w0, b0], batch)[:, 0], outputs, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(value, outputs.mean(), rtol=1e-11)
    expected = [(slope * batch[:, 0]).mean() + w0, slope.mean()]
    np.testing.assert_allclose(grads, expected, rtol=1e-10, atol=1e-12)


@backends
def test_a_network_and_its_gradient(backend: str) -> None:
    need(backend)
    rng = np.random.default_rng(3)
    x = [Value(0.0) for _ in range(5)]
    target = [Value(0.0) for _ in range(3)]
    parameters: list[Value] = []

    def layer(inputs: list[Value], width: int) -> list[Value]:
        neurons = []
        for _ in range(width):
            weights = [Value(v) for v in rng.normal(size=len(inputs))]
            bias = Value(rng.normal())
            parameters.extend([*weights, bias])
            neurons.append(autograd.dot(weights, inputs, bias))
        return neurons

    hidden = [z.relu() for z in layer(x, 7)]
    hidden = [z.tanh() for z in layer(hidden, 6)]
    logits = layer(hidden, 3)
    penalty = autograd.sum([0.01 * p * p for p in parameters])
    root = autograd.logsumexp(logits) - autograd.dot(target, logits) + penalty
    program = compile(root, [*x, *target], parameters=parameters, backend=backend)
    batch = rng.normal(size=(37, 8))
    value, grads = program.value_and_grad(program.pack(), batch)
    reference = compile(root, [*x, *target], parameters=parameters, backend="numpy")
    total, sums = 0.0, np.zeros(len(parameters))
    for row in batch:
        single = eager_at(root, [*x, *target], row, parameters)
        total, sums = total + single[0], sums + single[1]
    np.testing.assert_allclose(value, total / 37, rtol=1e-12)
    np.testing.assert_allclose(grads, sums / 37, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        grads, reference.value_and_grad(program.pack(), batch)[1], atol=1e-14
    )


def eager_at(
    root: Value, inputs: list[Value], row: np.ndarray, parameters: list[Value]
) -> tuple[float, np.ndarray]:
    """The eager engine at one row: the graph is built again with the row's numbers."""
    made: dict[Value, Value] = dict(zip(inputs, map(Value, row), strict=True))
    for node in topological_order(root):
        if node.parents:
            made[node] = apply(node.primitive, *[made.get(p, p) for p in node.parents])
    for parameter in parameters:
        parameter.grad = 0.0
    made[root].backward()
    return made[root].data, np.array([parameter.grad for parameter in parameters])


@backends
def test_several_roots(backend: str) -> None:
    need(backend)
    x, a, b = Value(0.0), Value(2.0), Value(3.0)
    program = compile([a * x, b, x, a * x, Value(7.0, requires_grad=False)], [x], backend=backend)
    assert program.parameters == [a, b]
    outputs = program([2.0, 3.0], [[1.0], [5.0]])
    assert outputs.tolist() == [[2.0, 3.0, 1.0, 2.0, 7.0], [10.0, 3.0, 5.0, 10.0, 7.0]]
    value, grads = program.value_and_grad([2.0, 3.0], [[1.0], [5.0]])
    assert (value, grads.tolist()) == (25.0, [6.0, 1.0])


@backends
def test_programs_of_leaves_alone(backend: str) -> None:
    need(backend)
    x, p, unused = Value(1.0), Value(2.0), Value(3.0)
    assert compile(x, [x], backend=backend).value_and_grad([], [[1.0], [4.0]])[0] == 2.5
    value, grads = compile(p, [x], parameters=[unused], backend=backend).value_and_grad(
        [3.0, 2.0], [[1.0]]
    )
    assert (value, grads.tolist()) == (2.0, [0.0, 1.0])
    assert compile(p * p, backend=backend).value_and_grad([3.0])[1].tolist() == [6.0]


@backends
def test_no_rows(backend: str) -> None:
    need(backend)
    x, y, p = Value(1.0), Value(0.0), Value(2.0)
    chosen = autograd.take([p, x * y], y)
    program = compile([x * p, p, autograd.dot([x, y], [y, p]), chosen], [x, y], backend=backend)
    assert program([2.0], np.empty((0, 2))).shape == (0, 4)
    with pytest.raises(ValueError, match="no rows"):
        program.value_and_grad([2.0], np.empty((0, 2)))


@backends
@given(
    layout=st.sampled_from(["C", "F", "strided", "reversed", "list", "readonly"]),
    dtype=st.sampled_from(
        ["float64", "float32", "float16", "int64", "int8", "uint8", "bool", ">f8"]
    ),
)
@settings(max_examples=25)
def test_any_layout_and_real_type(backend: str, layout: str, dtype: str) -> None:
    need(backend)
    program = _PRODUCTS.setdefault(backend, _product(backend))
    rows = (np.arange(40).reshape(20, 2) % 7).astype(dtype)
    given: object = rows
    if layout == "F":
        given = np.asfortranarray(rows)
    elif layout == "strided":
        given = np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)[::2, ::3]
    elif layout == "reversed":
        given = rows[::-1, ::-1].copy()[::-1, ::-1]
    elif layout == "list":
        given = rows.tolist()
    else:
        rows.flags.writeable = False
    expected = (rows[:, 0].astype(float) * 2.0 + rows[:, 1].astype(float)).tolist()
    assert program([2.0], given)[:, 0].tolist() == expected
    assert program.value_and_grad(np.array([2], dtype="int32"), given)[0] == pytest.approx(
        np.mean(expected)
    )


_PRODUCTS: dict[str, autograd.Program] = {}


def _product(backend: str) -> autograd.Program:
    x, y, p = Value(0.0), Value(0.0), Value(1.0)
    return compile(p * x + y, [x, y], backend=backend)


@backends
def test_results_are_the_callers_own(backend: str) -> None:
    need(backend)
    program = _PRODUCTS.setdefault(backend, _product(backend))
    params, batch = np.array([2.0]), np.ones((3, 2))
    outputs, grads = program(params, batch), program.value_and_grad(params, batch)[1]
    program(params, 5 * batch), program.value_and_grad(params, 5 * batch)
    assert outputs[:, 0].tolist() == [3.0, 3.0, 3.0]
    assert grads.tolist() == [1.0]
    outputs[:] = grads[:] = 0.0
    assert params.tolist() == [2.0]


@backends
def test_the_same_twice(backend: str) -> None:
    need(backend)
    x, p = Value(0.0), [Value(0.1 * k) for k in range(9)]
    program = compile(autograd.sum([q * x.sin() for q in p]), [x], backend=backend)
    batch = np.random.default_rng(0).normal(size=(5000, 1))
    first, again = (program.value_and_grad(program.pack(), batch) for _ in range(2))
    assert first[0] == again[0]
    assert first[1].tolist() == again[1].tolist()


def momentum(m: object, p, g, v, average, rate, decay) -> tuple:  # type: ignore[no-untyped-def]
    """SGD with momentum, and an average of the weights."""
    v = 0.9 * v + g
    p = p - rate * v
    return p, v, decay * average + (1.0 - decay) * p


@backends
@pytest.mark.parametrize(
    ("rows", "batch_size", "epoch"),
    [(12, 4, 0), (13, 4, 0), (3, 8, 0), (1, 1, 0), (15, 3, 5), (14, 4, 5), (4, 4, 5), (9, 8, 2)],
)
def test_training_takes_the_optimisers_steps(
    backend: str, rows: int, batch_size: int, epoch: int
) -> None:
    need(backend)
    program, data, order = regression(backend, rows)
    batches = [
        data[order[start:rows][: epoch or rows]][first:][:batch_size]
        for start in range(0, rows, epoch or rows)
        for first in range(0, min(epoch or rows, rows - start), batch_size)
    ]
    steps = len(batches)
    hyper = np.column_stack([np.linspace(0.1, 0.2, steps), np.full(steps, 0.9)])
    params, state, previous = program.pack(), np.zeros((2, 2)), np.full((3, 2), np.nan)
    taken = autograd.Program.Steps(params, state, previous, data, order, batch_size, hyper, epoch)
    losses = program.train(momentum, taken)
    p, v, average = program.pack(), np.zeros(2), np.zeros(2)
    for step in range(steps):
        loss, gradient = program.value_and_grad(p, batches[step])
        before = [p, v, average]
        p, v, average = momentum(None, p, gradient, v, average, *hyper[step])
        assert losses[step] == pytest.approx(loss, rel=1e-12)
    assert len(losses) == steps
    np.testing.assert_allclose([params, *state], [p, v, average], rtol=1e-12)
    np.testing.assert_allclose(previous, before, rtol=1e-12)


@backends
def test_training_stops_before_a_loss_that_is_not_finite(backend: str) -> None:
    need(backend)
    program, data, order = regression(backend, 12)
    data[order[9], 0] = np.inf
    hyper = np.tile([0.1, 0.9], (3, 1))
    params, state, previous = program.pack(), np.zeros((2, 2)), np.zeros((3, 2))
    steps = autograd.Program.Steps(params, state, previous, data, order, 4, hyper)
    losses = program.train(momentum, steps)
    assert len(losses) == 3
    assert not np.isfinite(losses[2])
    good, before, last = program.pack(), np.zeros((2, 2)), np.zeros((3, 2))
    program.train(
        momentum, autograd.Program.Steps(good, before, last, data, order[:8], 4, hyper[:2])
    )
    assert params.tolist() == pytest.approx(good.tolist(), rel=1e-14)
    np.testing.assert_allclose(state, before, rtol=1e-14)
    np.testing.assert_allclose(previous, last, rtol=1e-14)
    program.train(momentum, replace(steps, order=order[8:], hyper=hyper[2:]))
    np.testing.assert_allclose(previous, last, rtol=1e-14)


def regression(backend: str, rows: int) -> tuple[autograd.Program, np.ndarray, np.ndarray]:
    x, y, w, b = (Value(0.3, label=name) for name in "xywb")
    root = 0.5 * (w * x + b - y) ** 2
    rng = np.random.default_rng(rows)
    program = compile(root, [x, y], parameters=[w, b], backend=backend)
    return program, rng.normal(size=(rows, 2)), rng.permutation(rows)


@pytest.mark.parametrize("backend", BACKENDS)
def test_shared_weights_are_paid_afresh_by_every_call(backend: str) -> None:
    need(backend)
    weights = [[Value(0.1 * (i + j)) for j in range(3)] for i in range(3)]
    inputs = [Value(0.5 * i) for i in range(3)]
    once = [autograd.dot(row, inputs) for row in weights]
    twice = [autograd.dot(row, [x.tanh() for x in once]) for row in weights]
    program = compile(sum(twice), inputs, backend=backend)
    params, rows = program.pack(), np.random.default_rng(0).normal(size=(9, 3))
    alone = compile(sum(twice), inputs, backend="numpy")
    for size in (3, 8, 5, 1, 9, 2):
        _, expected = alone.value_and_grad(params, rows[:size])
        for _ in range(2):
            _, gradient = program.value_and_grad(params, rows[:size])
            np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)


@backends
@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_attention_written_out_in_sums_of_products(backend: str, tokens: int) -> None:
    """A debt that is the same for several numbers of a block is paid to each of them."""
    random = np.random.default_rng(tokens)
    params = [Value(x) for x in random.normal(size=12)]
    inputs = [Value(x) for x in random.normal(size=2 * tokens)]

    def through(matrix: list[Value], x: list[Value]) -> list[Value]:
        return [autograd.sum([w * a for w, a in zip(matrix[i : i + 2], x)]) for i in (0, 2)]

    each = [inputs[k : k + 2] for k in range(0, len(inputs), 2)]
    q, k, v = ([through(params[at : at + 4], x) for x in each] for at in (0, 4, 8))
    results = []
    for query in q:
        scores = [autograd.sum([a * b for a, b in zip(query, key)]).exp() for key in k]
        total = autograd.sum(scores)
        results += [autograd.sum([s * x[i] for s, x in zip(scores, v)]) / total for i in (0, 1)]
    check(need(backend), autograd.sum([y * y for y in results]), params, inputs)
