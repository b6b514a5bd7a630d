"""Graphs that do not roll: what is copied for single nodes is what recording each would give."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings

import autograd
from autograd import Value
from autograd.compiler import native_places, roll, stretches
from autograd.compiler.checked import check_program
from tests.autograd.compiler.reference import follow
from tests.compiled import Eager, need

UNARY = ("tanh", "sigmoid", "relu", "sin", "cos", "absolute", "softplus", "gelu", "silu", "arctan")
CONSTANTS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -3.0, 9.0, math.pi, math.inf, math.nan)


MADE = {
    **{name: lambda a, b, c, name=name: getattr(autograd, name)(a) for name in UNARY},
    "a + b": lambda a, b, c: a + b,
    "a - b": lambda a, b, c: a - b,
    "a * b": lambda a, b, c: a * b,
    "-a": lambda a, b, c: -a,
    "a + c": lambda a, b, c: a + c,
    "c - a": lambda a, b, c: c - a,
    "c * a": lambda a, b, c: c * a,
    "maximum": lambda a, b, c: autograd.maximum(a, b),
}


def chain(draw, leaves, length):
    """A graph of one node behind the other, in which every kind of operand comes by."""
    nodes = list(leaves)
    for _ in range(length):
        a, b = (nodes[-draw(st.integers(1, min(4, len(nodes))))] for _ in range(2))
        made = MADE[draw(st.sampled_from([*MADE]))]
        nodes.append(made(a, b, draw(st.sampled_from(CONSTANTS))))
    return nodes[-1] * nodes[-2] + nodes[-3]


def followed(rolled, params, batch):
    """The roots, the loss and the gradient, by the reference."""
    blocks, program = follow(rolled.program, params, batch), rolled.program
    return [blocks[k].ravel() for k in (*program.roots, program.loss, program.gradient)]


def large(patch, pieces, constants):
    """Have small graphs recorded and planned as large ones are."""
    patch.setattr(roll, "MANY", 0)
    patch.setattr(stretches, "LONGEST", pieces)
    patch.setattr(stretches, "MANY_CONSTANTS", constants)
    patch.setattr(native_places, "CHUNK", pieces)


def meet(before, after):
    """Equal but for the order in which payments are added up."""
    scale = max(1.0, *(abs(x) for x in before.ravel() if math.isfinite(x)), 0.0)
    np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-14 * scale)


@pytest.mark.parametrize("inputs", [0, 1, 2])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_copied_operations_give_the_numbers_of_recorded_ones(inputs, data):
    leaves = [Value(x) for x in (0.3, -0.7, 1.1)]
    root = chain(data.draw, leaves, data.draw(st.integers(3, 25)))
    columns = leaves[:inputs]
    plain = roll.roll([root], columns, leaves[inputs:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roll, "MANY", 0)
        copied = roll.roll([root], columns, leaves[inputs:])
    params = np.array([leaf.data for leaf in leaves[inputs:]])
    batch = np.array([[0.3, -0.7, 1.1], [2.0, 0.0, -1.0]])[:, :inputs]
    *values, gradient = followed(plain, params, batch)
    *others, other = followed(copied, params, batch)
    for before, after in zip(values, others, strict=True):
        np.testing.assert_array_equal(after, before)
        numbers = ~np.isnan(before)
        np.testing.assert_array_equal(np.signbit(after[numbers]), np.signbit(before[numbers]))
    meet(gradient, other)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_tangled_graphs_have_the_gradient_of_the_engine(backend, data):
    need(backend)
    leaves = [Value(x) for x in (0.3, -0.7, 1.1)]
    nodes = [*leaves]
    for _ in range(data.draw(st.integers(1, 12))):
        some = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=9))
        kind = data.draw(st.sampled_from(["chain", "softmax", "dot", "take", "power", "where"]))
        if kind == "chain":
            nodes.append(chain(data.draw, nodes[-3:], data.draw(st.integers(1, 6))))
        elif kind == "softmax":
            nodes += autograd.softmax(some)
        elif kind == "dot":
            nodes.append(autograd.dot(some, some[::-1], nodes[-1]))
        elif kind == "take":
            place = float(data.draw(st.integers(0, len(some) - 1)))
            nodes.append(autograd.take(some, place + autograd.less(nodes[-1], nodes[-1])))
        elif kind == "power":
            exponent = data.draw(st.sampled_from([0.0, 1.0, 2.0, -1.0, 0.5, 1.7]))
            nodes.append((some[0] * some[0] + 1.0) ** exponent)
        else:
            nodes.append(autograd.where(autograd.less(some[0], some[-1]), some[-1], nodes[-2]))
    roots = [autograd.tanh(node) for node in nodes[-data.draw(st.integers(1, 2)) :]]
    assume(any(root.requires_grad for root in roots))
    inputs = data.draw(st.integers(0, 2))
    with pytest.MonkeyPatch.context() as patch:
        large(patch, data.draw(st.sampled_from([1, 3, 10**6])), data.draw(st.integers(0, 3)))
        patch.setattr(stretches, "MANY_FORMS", data.draw(st.sampled_from([1, 5, 4096])))
        program = autograd.compile(
            roots, leaves[:inputs], parameters=leaves[inputs:], backend=backend
        )
        check_program(program.arrays, len(leaves) - inputs, inputs, len(roots))
        row = [leaf.data for leaf in leaves[:inputs]]
        value, gradient = program.value_and_grad(program.pack(), [row])
    one = Eager.of(autograd.sum(roots), leaves[inputs:])
    assert one.meets(value, gradient.tolist(), backend)


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_long_chain_has_the_gradient_of_the_engine(backend):
    if backend == "native":
        pytest.importorskip("llvmlite")
    w, b, x = Value(0.7), Value(0.1), Value(0.3)
    y = x
    for k in range(1500):
        y = (y * w + b).tanh() - x * float(k % 7 - 3)
    y.backward()
    program = autograd.compile(y, [x], backend=backend)
    value, gradient = program.value_and_grad(program.pack(), [[0.3]])
    of = dict(zip(program.parameters, gradient.tolist(), strict=True))
    assert value == pytest.approx(y.data, rel=1e-12, abs=0)
    assert [of[w], of[b]] == pytest.approx([w.grad, b.grad], rel=1e-12, abs=0)


@pytest.mark.parametrize("few", [0, 1000])
def test_what_is_the_same_for_all_rows_is_owed_row_by_row(few):
    w, x = Value(0.4), Value(0.3)
    one = (w * x) ** 0.0
    root = (one.cos() * x).tanh() * autograd.dot([one, w], [x, one], w)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roll, "MANY", few)
        program = autograd.compile(root, [x], backend="numpy")
    check_program(program.arrays, 1, 1, 1)
    _, gradient = program.value_and_grad([0.4], [[0.3]])
    root.backward()
    assert gradient.tolist() == pytest.approx([w.grad], rel=1e-12, abs=0)
