"""Graphs made of vectors, as people write them: what rolls must give the eager engine's numbers."""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from operator import add
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value, compile  # noqa: A004
from autograd.backward import topological_order
from autograd.compiler import roll
from autograd.compiler.checked import check_program
from autograd.rules import TABLE
from autograd.value import apply
from tests.compiled import Eager, need, same

Vector = list[Value]
UNARY = ["sin", "tanh", "exp", "relu", "sigmoid", "softplus", "absolute", "neg", "sqrt", "log"]
SPECIAL = [0.0, -0.0, 1.0, math.inf, -math.inf, math.nan]


@st.composite
def vectors(draw: st.DrawFn, x: Vector, w: Vector) -> Value:
    """A scalar made of vectors: maps, windows, strides, sums in chunks, products, joins."""
    pool: list[Vector] = [x, w]
    for _ in range(draw(st.integers(1, 6))):
        pool.append(draw(st.sampled_from(STEPS))(draw, pool))
    picked = draw(st.lists(st.sampled_from(pool[2:]), min_size=1, max_size=3))
    return autograd.sum([value for vector in picked for value in vector])


def seen(draw: st.DrawFn, pool: list[Vector]) -> Vector:
    """A part of a vector: every other, backwards, one for all, or any of them."""
    vector = draw(st.sampled_from(pool))
    how = draw(st.sampled_from(["all", "all", "stride", "back", "one", "any"]))
    if how == "stride":
        return vector[:: draw(st.integers(1, 3))]
    if how == "back":
        return vector[::-1]
    if how == "one":
        return [vector[0]] * len(vector)
    if how == "any":
        return draw(st.lists(st.sampled_from(vector), min_size=1, max_size=12))
    return vector


def mapped(draw: st.DrawFn, pool: list[Vector]) -> Vector:
    name = draw(st.sampled_from(UNARY))
    return [-v if name == "neg" else getattr(v, name)() for v in seen(draw, pool)]


def paired(draw: st.DrawFn, pool: list[Vector]) -> Vector:
    operation = draw(st.sampled_from([
        lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a / b,
        autograd.maximum, autograd.minimum, lambda a, b: autograd.where(autograd.less(a, b), a, b),
    ]))  # fmt: skip
    return [operation(a, b) for a, b in zip(seen(draw, pool), seen(draw, pool))]


def with_numbers(draw: st.DrawFn, pool: list[Vector]) -> Vector:
    number = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -1.5])
    vector = seen(draw, pool)
    numbers = draw(st.lists(number, min_size=len(vector), max_size=len(vector)))
    kind = draw(st.sampled_from(["add", "mul", "pow", "same"]))
    if kind == "same":
        return [v * numbers[0] for v in vector]
    return [
        v + n if kind == "add" else v * n if kind == "mul" else v**n
        for v, n in zip(vector, numbers)
    ]


def chunked(draw: st.DrawFn, pool: list[Vector]) -> Vector:
    fold = draw(st.sampled_from([
        autograd.sum, autograd.mean, autograd.logsumexp, sum, lambda c: sum(a * a for a in c),
        lambda c: autograd.softmax(c)[0], lambda c: apply(TABLE["take"], *c, c[0]),
    ]))  # fmt: skip
    vector, size = seen(draw, pool), draw(st.integers(1, 10))
    return [fold(vector[k : k + size]) + 0.0 for k in range(0, len(vector), size)]


def layered(draw: st.DrawFn, pool: list[Vector]) -> Vector:
    """Neurons, or windows with the same weights, or products of whatever."""
    a, b = seen(draw, pool), seen(draw, pool)
    n = draw(st.integers(1, max(1, min(len(a), len(b), 4))))
    windows = [a[k : k + n] for k in range(len(a) - n + 1)]
    rows = [b[k : k + n] for k in range(0, len(b) - n + 1, n)]
    return [autograd.dot(row, window, b[0]) for window in windows for row in rows][:12]


def joined(draw: st.DrawFn, pool: list[Vector]) -> Vector:
    return [*seen(draw, pool), *seen(draw, pool)][:12]


def looking_back(draw: st.DrawFn, pool: list[Vector]) -> Vector:
    """For each place what is done to those up to it, and then to all results alike."""
    fold = draw(st.sampled_from([
        autograd.sum, autograd.logsumexp, lambda c: autograd.dot(c, c[::-1]),
        lambda c: autograd.dot(autograd.softmax(c), c), lambda c: autograd.softmax(c)[-1],
    ]))  # fmt: skip
    vector = seen(draw, pool)
    folded = [fold(vector[: k + 1]) for k in range(len(vector))]
    then = draw(st.sampled_from([autograd.tanh, lambda v: v * vector[0], lambda v: v + 0.5]))
    return [then(v) for v in folded]


STEPS = [mapped, mapped, paired, paired, with_numbers, chunked, layered, joined, looking_back]


def check(root: Value, x: Vector, w: Vector, rows: np.ndarray, backend: str) -> None:
    """The numbers of the program are those of the graph, built anew for every row."""
    if not root.requires_grad:
        return
    program = compile(root, x, parameters=w, backend=backend)
    check_program(program.arrays, len(w), len(x), 1)
    params = program.pack()
    outputs = program(params, rows)[:, 0]
    value, grads = program.value_and_grad(params, rows)
    each = [eagerly(root, x, w, row) for row in rows]
    for output, one in zip(outputs, each, strict=True):
        assert same(output, one.value, one.value_weight, backend)
    assert Eager.mean(each).meets(value, grads.tolist(), backend)


def eagerly(root: Value, x: Vector, w: Vector, row: Sequence[float]) -> Eager:
    """What the graph says with other inputs: replayed, node by node."""
    copies = replayed(root, x, w, row)
    return Eager.of(copies[root], [copies[v] for v in w])


def replayed(root: Value, x: Vector, w: Vector, row: Sequence[float]) -> dict[Value, Value]:
    """Each node's copy, with other inputs."""
    copies = {v: Value(n) for v, n in zip(x, row)} | {v: Value(v.data) for v in w}
    for node in autograd.topological_order(root):
        if node not in copies:
            rule = node.primitive
            parents = [copies[p] for p in node.parents]
            copies[node] = (
                autograd.value.apply(rule, *parents)
                if rule
                else Value(node.data, requires_grad=False)
            )
    for node, copy in copies.items():
        copy.requires_grad = node.requires_grad
    return copies


@pytest.mark.parametrize("backend", ["numpy", "native"])
@given(st.data())
@settings(max_examples=200)
def test_vectors(backend: str, data: st.DataObject) -> None:
    need(backend)
    x, w = [Value(0.5) for _ in range(5)], [Value(0.25 * k - 0.5) for k in range(7)]
    root = data.draw(vectors(x, w))
    count = data.draw(st.sampled_from([1, 2, 7]))
    rows = np.random.default_rng(count).normal(size=(count, 5))
    if data.draw(st.booleans()):
        rows[0, data.draw(st.integers(0, 4))] = data.draw(st.sampled_from(SPECIAL))
    check(root, x, w, rows, backend)


@st.composite
def tangles(draw: st.DrawFn, leaves: Vector) -> Value:
    """A scalar made of scalars that are used again and again, most of them alike in pairs."""
    pool = [*leaves]

    def some(fewest: int, most: int) -> Vector:
        return draw(st.lists(st.sampled_from(pool), min_size=fewest, max_size=most))

    for _ in range(draw(st.integers(1, 10))):
        kind = draw(st.sampled_from(["map", "pair", "dot", "layer", "softmax", "sum", "long"]))
        if kind == "map":
            pool.append(getattr(some(1, 1)[0], draw(st.sampled_from(["tanh", "sin", "silu"])))())
        elif kind == "pair":
            a, b = some(2, 2)
            pool += [a * b, a - b, autograd.maximum(a, b)]
        elif kind == "dot":
            terms = some(2, 8)
            half = len(terms) // 2
            pool.append(autograd.dot(terms[:half], terms[half : 2 * half], terms[-1]))
        elif kind == "layer":
            inputs, biases = some(1, 3), some(2, 3)
            pool += autograd.affine(
                [some(len(inputs), len(inputs)) for _ in biases], inputs, biases
            )
        elif kind == "softmax":
            pool += autograd.softmax(some(1, 3))
        elif kind == "long":
            terms = some(3, 6)
            pool.append(reduce(add, [a * draw(st.sampled_from([1, *pool])) for a in terms]))
        else:
            pool += [autograd.sum(some(2, 2)), autograd.sum(some(2, 2))]
    return autograd.sum([autograd.tanh(value) for value in pool[-4:]])


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_vectors_in_kernels_of_their_own(data: st.DataObject) -> None:
    need("native")
    with patch("autograd.compiler.native.MUCH", 0):
        test_vectors.hypothesis.inner_test("native", data)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@given(st.data())
@settings(max_examples=200)
def test_tangles(backend: str, data: st.DataObject) -> None:
    need(backend)
    x, w = [Value(0.5) for _ in range(3)], [Value(0.25 * k - 0.5) for k in range(4)]
    root = data.draw(tangles([*x, *w]))
    rows = np.random.default_rng(3).normal(size=(data.draw(st.sampled_from([1, 2, 7])), 3))
    check(root, x, w, rows, backend)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("backend", ["numpy", "native"])
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_zeros_keep_their_signs(backend: str, large: bool, data: st.DataObject) -> None:
    """Small whole numbers are added and multiplied exactly: a zero's sign is no rounding."""
    need(backend)
    numbers = st.sampled_from([0.0, -0.0, 1.0, -1.0])
    x, w = ([Value(data.draw(numbers)) for _ in range(count)] for count in (4, 8))
    pool = [Value(number, requires_grad=False) for number in (0.0, -0.0)]

    def some(count: int, *vectors: Vector) -> Vector:
        values = [value for vector in vectors for value in vector]
        return data.draw(st.lists(st.sampled_from(values), min_size=count, max_size=count))

    for _ in range(data.draw(st.integers(1, 6))):
        kind = data.draw(st.sampled_from(["dot", "layer", "sum", "long"]))
        if kind == "dot":
            pool.append(autograd.dot(some(4, w), some(4, w, x, pool), some(1, w, x, pool)[0]))
        elif kind == "layer":
            pool += autograd.affine([w[:4], w[4:]], some(4, x, pool), some(2, w, x, pool))
        elif kind == "sum":
            pool.append(autograd.sum(some(4, w, x, pool)))
        else:
            products = [a * b for a, b in zip(some(4, w), some(4, w, x, pool))]
            pool.append(reduce(add, [*products, *some(data.draw(st.integers(0, 1)), x, pool)]))
    roots = [node for node in pool if node.requires_grad]
    assume(roots)
    rows = [[data.draw(numbers) for _ in x] for _ in range(data.draw(st.integers(1, 3)))]
    with patch("autograd.compiler.roll.MANY", 0 if large else roll.MANY):
        program = compile(roots, x, parameters=w, backend=backend)
    for row, outputs in zip(rows, program(program.pack(), rows)):
        copies = replayed(autograd.sum(roots), x, w, row)
        assert repr(outputs.tolist()) == repr([copies[root].data for root in roots])


@pytest.mark.parametrize("backend", ["numpy", "native"])
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_rows_looked_up(backend: str, data: st.DataObject) -> None:
    """Embeddings: tokens of the same or of other rows, with indices that may be nonsense."""
    need(backend)
    w, x = [Value(0.25 * k - 0.5) for k in range(6)], [Value(0.0) for _ in range(3)]
    numbers = st.sampled_from([*w, Value(1.5, requires_grad=False)])
    count, width = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 3))
    rows = [[data.draw(numbers) for _ in range(width)] for _ in range(count)]
    looked_up = [
        autograd.take(column, data.draw(st.sampled_from(x)) + 0.0)
        for _ in range(data.draw(st.integers(1, 4)))
        for column in zip(*(rows if data.draw(st.booleans()) else rows[::-1]))
    ]
    factors = [data.draw(numbers) for _ in looked_up]
    root = autograd.dot(looked_up, factors) + looked_up[0] * looked_up[-1]
    batch = np.random.default_rng(count).integers(0, count, size=(3, 3)).astype(float)
    batch[0, 0] = data.draw(st.sampled_from([0.0, -0.0, 0.5, -1.0, float(count), math.nan]))
    check(root, x, w, batch, backend)


@pytest.mark.parametrize("large", [False, True])
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_what_was_frozen_is_not_paid_nor_is_what_only_it_uses(
    large: bool, data: st.DataObject
) -> None:
    x, w = [Value(0.5) for _ in range(3)], [Value(0.25 * k - 0.5) for k in range(4)]
    root = data.draw(tangles([*x, *w])) + autograd.sum([v.sin() for v in w])
    computed = [node for node in topological_order(root) if not node.is_leaf and node is not root]
    for node in data.draw(st.lists(st.sampled_from(computed), max_size=5)):
        node.requires_grad = False
    rows = np.random.default_rng(3).normal(size=(1, 3))
    with patch("autograd.compiler.roll.MANY", 0 if large else roll.MANY):
        check(root, x, w, rows, "numpy")


@pytest.mark.parametrize("frozen", range(7))
def test_a_part_of_a_long_sum_that_was_frozen_is_not_paid(frozen: int) -> None:
    w = [Value(k + 1.0) for k in range(8)]
    products = [a * b for a, b in zip(w[::2], w[1::2])]
    *parts, total = [*accumulate([*products, w[0]])][1:]
    [*products, *parts][frozen].requires_grad = False
    program = compile(total, parameters=w, backend="numpy")
    assert program.value_and_grad(program.pack())[1].tolist() == autograd.gradients(total, w)


@pytest.mark.parametrize("backend", ["numpy", "native", "jax"])
@pytest.mark.parametrize("operation", [autograd.sin, lambda w: autograd.dot([w, w], [w, 2.0], w)])
def test_a_frozen_node_beside_one_that_computes_the_same(
    backend: str, operation: Callable[[Value], Value]
) -> None:
    need(backend)
    w = Value(1.0)
    frozen, paid = operation(w), operation(w)
    root = frozen * paid
    frozen.requires_grad = False
    program = compile(root, backend=backend)
    root.backward()
    np.testing.assert_allclose(program.value_and_grad(program.pack())[1], [w.grad], 1e-12)


@pytest.mark.parametrize("backend", ["numpy", "native", "jax"])
def test_one_term_softmaxes_and_products_of_sums(backend: str) -> None:
    need(backend)
    a, b, c = w = [Value(0.3), Value(-0.4), Value(0.5)]
    alone = autograd.arcsinh(a)
    [one] = autograd.softmax([alone])
    largest = autograd.maximum(b, c) * autograd.softmax([b, c])[0]
    sums = autograd.sum([a, a]) * autograd.sum([c, b])
    root = one * alone + largest + sums
    check(root, [], w, np.zeros((1, 0)), backend)


@pytest.mark.parametrize("function", [autograd.sum, autograd.mean, autograd.logsumexp])
def test_two_terms_are_not_taken_for_as_many_as_the_number_of_a_group(
    function: Callable[..., Value],
) -> None:
    w = Value(0.5)
    nodes = [*accumulate(range(20), lambda node, k: node.cos() if k % 2 else node.exp(), initial=w)]
    for last in nodes:  # one of 9 to 20 terms has as many as the number of a group before the last
        roots = [function([last] * count) for count in range(9, 21)]
        roots += [function([node, last]) for node in nodes]
        outputs = compile(roots, [], backend="numpy")([w.data])
        np.testing.assert_allclose(outputs[0], [root.data for root in roots], 1e-12)


@pytest.mark.parametrize("backend", ["numpy", "native", "jax"])
def test_a_matrix_that_is_one_for_all_rows_though_computed_from_them(backend: str) -> None:
    need(backend)
    x, w = [Value(0.5)], [Value(0.3), Value(-0.7)]
    a, b = hidden = [weight * x[0] for weight in w]
    ones = [[a**0, b**0, a**0], [b**0, a**0, b**0], [b**0, b**0, b**0]]
    column = [a.tanh(), b.tanh(), a * b]
    first, second, third = (autograd.dot(row, column) for row in ones)
    chosen = autograd.take([a**0, b**0], 1.0) + autograd.take([b**0, a**0], 0.0)
    root = first * second + third * hidden[0] * chosen
    check(root, x, w, np.array([[0.5], [2.0], [-1.0]]), backend)


@pytest.mark.parametrize("backend", ["numpy", "native", "jax"])
def test_a_computed_index_is_paid_nothing_times_an_infinite_debt(backend: str) -> None:
    need(backend)
    a, b = Value(-1.0), Value(2.0)
    root = autograd.take([b, b * b], a * 0.0) * -math.inf
    program = compile(root, [], backend=backend)
    value, gradient = program.value_and_grad(program.pack(), [[]])
    assert Eager.of(root, program.parameters).meets(value, gradient.tolist(), backend)
    assert math.isnan(a.grad)


@pytest.mark.parametrize("backend", ["numpy", "native", "jax"])
@pytest.mark.parametrize("rows", [1, 2, 7, 32, 100])
def test_a_network_with_everything(backend: str, rows: int) -> None:
    """A convolution, tokens looked up and attended to, a layer for each, a residual, a loss."""
    need(backend)
    rng = np.random.default_rng(rows)
    w = [Value(float(n)) for n in rng.normal(size=60) / 3]
    x = [Value(1.0) for _ in range(8)]
    convolved = [autograd.dot(w[:3], x[k : k + 3], w[3]).tanh() for k in range(5)]
    table = [w[4 + 3 * k : 7 + 3 * k] for k in range(4)]
    tokens = [
        [autograd.take([row[j] for row in table], x[5 + k]) for j in range(3)] for k in range(3)
    ]
    layer = [w[20 + 3 * k : 23 + 3 * k] for k in range(3)]
    keys = [[autograd.dot(row, token) for row in layer] for token in tokens]
    scores = [[autograd.dot(a, b) for b in keys] for a in tokens]
    mixed = [
        [autograd.dot(autograd.softmax(row), [t[j] for t in tokens]) for j in range(3)]
        for row in scores
    ]
    hidden = [a + b for one, other in zip(tokens, mixed) for a, b in zip(one, other)]
    logits = [autograd.dot(w[30 + 14 * k : 44 + 14 * k], [*hidden, *convolved]) for k in range(2)]
    root = nn.cross_entropy(logits, x[4]) + 0.01 * autograd.sum([v * v for v in w])
    batch = rng.normal(size=(rows, 8))
    batch[:, 5:] = rng.integers(0, 4, size=(rows, 3))
    batch[:, 4] = rng.integers(0, 2, size=rows)
    check(root, x, w, batch, backend)


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_pendulum_unrolled(backend: str) -> None:
    need(backend)
    angle, speed = start = [Value(0.5), Value(0.0)]
    w = [Value(1.0), Value(0.1)]
    for _ in range(60):
        speed = speed - 0.05 * (w[0] * angle.sin() + w[1] * speed)
        angle = angle + 0.05 * speed
    rows = np.random.default_rng(0).normal(size=(7, 2))
    check(angle * angle + speed, start, w, rows, backend)
