"""Random graphs against the outside: mpmath's differences always, PyTorch where it is installed."""

import math
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
from hypothesis import given, settings

from autograd import Value, gradients, topological_order
from autograd.backward import repay
from tests.data import record_torch
from tests.strategies import Program, payback_operations, programs, result, wild_programs
from tests.truth import textbook


def by_payback(program: Program) -> tuple[float, list[float], list[float]]:
    """Value, gradient, and the gradient of the sum of the first derivatives."""
    leaves = [Value(x) for x in program.inputs]
    y = lifted(result(program, leaves, payback_operations()))
    slopes = gradients(y, leaves, create_graph=True)
    total = lifted(sum(slopes, start=Value(0.0, requires_grad=False)))
    return y.data, [slope.data for slope in slopes], gradients(total, leaves)


def lifted(y: Any) -> Value:
    """The result as a Value that depends on something, if only by name."""
    return y if isinstance(y, Value) else Value(y, requires_grad=False)


def by_torch(program: Program) -> tuple[float, list[float], list[float]]:
    """The same three by PyTorch."""
    import torch

    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in program.inputs]
    y = result(program, leaves, record_torch.operations())
    slopes = torch_gradients(y, leaves)
    curves = torch_gradients(sum(slopes[1:], start=slopes[0]), leaves)
    return y.item(), [slope.item() for slope in slopes], [curve.item() for curve in curves]


def torch_gradients(y: Any, leaves: list[Any]) -> list[Any]:
    """Derivatives that can be differentiated again; zeros where there is nothing to follow."""
    import torch

    if not y.requires_grad:
        return [torch.zeros_like(x) for x in leaves]
    return list(torch.autograd.grad(y, leaves, create_graph=True, materialize_grads=True))


@given(programs(max_inputs=3, max_steps=15))
@settings(max_examples=200)
def test_gradients_of_random_graphs_are_those_of_mpmath(program: Program) -> None:
    value, slopes, _ = by_payback(program)
    with mpmath.workdps(40):
        point = [mpmath.mpf(x) for x in program.inputs]
        exact = textbook(mpmath.mp) | {"constant": mpmath.mpf}
        assert_close([value], [result(program, point, exact)])
        truth = [slope_by_mpmath(program, point, k, exact) for k in range(len(point))]
        assert_close(slopes, truth)


def slope_by_mpmath(
    program: Program, point: list[Any], k: int, exact: dict[str, Callable[..., Any]]
) -> Any:
    """One central difference with so small a step that 40 digits leave 13 to spare."""
    h = mpmath.mpf(10) ** -13
    ahead, behind = ([*point[:k], point[k] + s * h, *point[k + 1 :]] for s in (1, -1))
    return (result(program, ahead, exact) - result(program, behind, exact)) / (2 * h)


def assert_close(ours: list[float], theirs: list[Any], digits: float = 9) -> None:
    """Equal to so many digits of the largest: a small slope may be a difference of large ones."""
    scale = max((abs(float(x)) for x in theirs), default=0.0)
    for a, b in zip(ours, theirs, strict=True):
        assert abs(a - b) <= 10**-digits * max(scale, 1e-3), (ours, theirs)


@given(wild_programs())
@settings(max_examples=200)
def test_every_way_to_repay_gives_the_same_bits(program: Program) -> None:
    leaves = [Value(x) for x in program.inputs]
    y = lifted(result(program, leaves, payback_operations()))
    if not y.requires_grad:
        return
    y.backward()
    nodes = [node for node in topological_order(y) if node.requires_grad]
    adjoints = repay({y: 1.0}, lambda node: node.partials)
    kept = [node.grad for node in nodes]
    traced = [slope.data for slope in gradients(y, nodes, create_graph=True)]
    assert bits(kept) == bits(gradients(y, nodes)) == bits(traced)
    assert bits(kept) == bits([adjoints[node] for node in nodes])


def bits(numbers: list[float]) -> list[str]:
    """The numbers to the last bit, though 0 may have either sign."""
    return [repr(x + 0.0) for x in numbers]


@given(programs())
@settings(max_examples=200)
def test_random_graphs_agree_with_the_installed_pytorch_to_second_order(program: Program) -> None:
    pytest.importorskip("torch")
    (value, slopes, curves), theirs = by_payback(program), by_torch(program)
    assert_close([value], [theirs[0]], 12)
    assert_close(slopes, theirs[1])
    assert_close(curves, theirs[2], 7)


# Left to test_rules, point by point: functions where PyTorch loses a tail, switches to another
# branch or overflows on the way (of hypot it multiplies debt and x before it divides), and those
# whose backward pass there picks a branch instead of multiplying by 0, so that an infinite debt
# becomes 0 where the chain rule (0·inf) has nan.
LOSSY = ("softplus", "expm1", "log1p", "tanh", "sigmoid", "silu", "gelu", "erf", "logsumexp")
LOSSY += ("arccosh", "logaddexp", "log_sigmoid", "arcsinh", "arctan2", "hypot")
PICKING = ("pow", "relu", "leaky_relu", "maximum", "minimum", "elu", "clip", "sign")


@given(wild_programs(max_steps=4, without=LOSSY + PICKING))
@settings(max_examples=300)
def test_wild_graphs_have_the_infinities_and_nans_of_the_installed_pytorch(
    program: Program,
) -> None:
    torch = pytest.importorskip("torch")
    leaves = [Value(x) for x in program.inputs]
    y = lifted(result(program, leaves, payback_operations()))
    tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in program.inputs]
    theirs = result(program, tensors, record_torch.operations())
    assert kind(y.data) == kind(theirs.item())
    ours = gradients(y, leaves)
    slopes = [slope.item() for slope in torch_gradients(theirs, tensors)]
    assert list(map(kind, ours)) == list(map(kind, slopes)), f"{program}\n{ours}, PyTorch {slopes}"


def kind(x: float) -> str:
    """A number, nan, or one of the two infinities."""
    return "number" if math.isfinite(x) else str(x)
