"""Graphs that do not roll: what is copied for single nodes is what recording each would give."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import autograd
from autograd import Value
from autograd.compiler import roll
from tests.autograd.compiler.reference import follow

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
    ends = []
    for rolled in (plain, copied):
        blocks, program = follow(rolled.program, params, batch), rolled.program
        ends.append([blocks[k].ravel() for k in (*program.roots, program.loss, program.gradient)])
    for before, after in zip(*ends, strict=True):
        np.testing.assert_array_equal(after, before)
        numbers = ~np.isnan(before)
        np.testing.assert_array_equal(np.signbit(after[numbers]), np.signbit(before[numbers]))


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
