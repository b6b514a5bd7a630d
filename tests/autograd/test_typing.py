"""What a type checker understands of a user's program: mypy reads this file too."""

from typing import assert_type

import autograd
import nn
from autograd import Value
from tests.data.signatures import SIGNATURES, signatures


def test_a_typed_program() -> None:
    x = Value(2.0)
    assert_type(2.0 * x + 1 - x / 3**x, Value)
    assert_type((1 - x) * (1 / x) - -x + abs(x), Value)
    assert_type(x > 1, bool)
    assert_type(autograd.tanh(x).exp(), Value)
    assert_type(autograd.sum([x, 1.0]), Value)
    assert_type(x.leaky_relu(negative_slope=0.5), Value)
    assert_type(autograd.dot([x, 1.0], [2, x], 0.5), Value)
    assert_type(autograd.softmax([x, 1.0]), list[Value])
    assert_type(autograd.where(x > 1, x, 0.0), Value)
    assert_type(x.data + x.item(), float)
    assert_type(x.parents, tuple[Value, ...])
    assert_type(autograd.edges(x * x), list[autograd.Edge])
    assert_type(autograd.count_paths(x * x, x), int)
    assert_type(autograd.trace(x * x), autograd.Trace)
    assert_type(autograd.check_grads(lambda v: v * v, [3.0]).ok, bool)


def test_a_typed_network() -> None:
    model = nn.MLP(2, [3, 1])
    assert_type(model.parameters(), list[Value])
    assert_type(nn.SGD(model.parameters(), 0.1).step(), None)


def test_type_checkers_know_the_whole_table() -> None:
    written = SIGNATURES.read_text(encoding="utf-8")
    assert written == signatures(), "run python tests/data/signatures.py"
