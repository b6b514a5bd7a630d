"""The JAX backend's own promises: few operations, pure functions, and JAX left as it was."""

import numpy as np
import pytest

import autograd
from autograd import Program, Value, compile  # noqa: A004

jax = pytest.importorskip("jax")
jnp = jax.numpy


def network(sizes: list[int], backend: str = "jax") -> Program:
    """A network with relu inside and softmax cross-entropy behind it, all weights from one seed."""
    rng = np.random.default_rng(0)
    inputs = layer = [Value(0.0) for _ in range(sizes[0])]
    parameters: list[Value] = []
    for depth, width in enumerate(sizes[1:]):
        neurons = []
        for _ in range(width):
            weights = [Value(w) for w in rng.normal(size=len(layer)) / len(layer) ** 0.5]
            parameters += [*weights, Value(0.0)]
            neurons.append(autograd.dot(weights, layer, parameters[-1]))
        layer = neurons if depth == len(sizes) - 2 else [z.relu() for z in neurons]
    target = [Value(0.0) for _ in layer]
    loss = autograd.logsumexp(layer) - autograd.dot(target, layer)
    return compile(loss, [*inputs, *target], parameters=parameters, backend=backend)


def test_a_large_network_is_few_operations() -> None:
    program = network([784, 50, 10])
    batch = np.random.default_rng(0).normal(size=(64, 794))
    traced = jax.make_jaxpr(program.to_jax())(program.pack(), batch)
    assert len(traced.eqns) < 200  # unrolled, 120,000, which XLA never ends compiling
    value, grads = program.value_and_grad(program.pack(), batch)
    expected = network([784, 50, 10], "numpy").value_and_grad(program.pack(), batch)
    assert value == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(grads, expected[1], rtol=1e-10, atol=1e-13)


def test_a_deep_chain_is_interpreted() -> None:
    x, w = Value(0.5), Value(0.999)
    y = x
    for _ in range(20_000):
        y = (y * w + x).sin()
    programs = [compile(y, [x], backend=backend) for backend in ("jax", "numpy")]
    results = [program.value_and_grad([0.999], [[0.3], [0.7]]) for program in programs]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-10)


def test_to_jax_is_pure_and_jits() -> None:
    program = network([5, 4, 3], "numpy")
    batch = np.random.default_rng(1).normal(size=(7, 8))
    value, grads = program.value_and_grad(program.pack(), batch)
    with jax.enable_x64(True):
        function = program.to_jax()
        mean, gradient = jax.jit(function)(program.pack(), batch)
        assert float(mean) == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(gradient, grads, rtol=1e-11, atol=1e-14)
        outputs = jax.jit(function.outputs)(program.pack(), batch)
        np.testing.assert_allclose(outputs, program(program.pack(), batch), rtol=1e-12)
        slope = jax.jit(jax.grad(lambda p: function(p, batch)[0]))(program.pack())
        np.testing.assert_allclose(slope, grads, rtol=1e-10, atol=1e-13)


def test_to_jax_without_jit() -> None:
    x, w = Value(0.0), Value(0.0)
    function = compile(w * x, [x], backend="numpy").to_jax()
    value, grads = function(np.array([2.0]), np.array([[1.0], [4.0]]))
    assert (float(value), grads.tolist()) == (5.0, [2.5])
    assert function.outputs(np.array([2.0]), np.array([[1.0], [4.0]])).tolist() == [[2.0], [8.0]]


def test_to_jax_runs_in_float32_where_jax_does() -> None:
    program = network([5, 4, 3], "numpy")
    batch = np.random.default_rng(1).normal(size=(7, 8))
    assert not jax.config.jax_enable_x64
    value, grads = jax.jit(program.to_jax())(program.pack(), batch)
    assert value.dtype == grads.dtype == jnp.float32
    expected = program.value_and_grad(program.pack(), batch)
    assert float(value) == pytest.approx(expected[0], rel=1e-5)
    np.testing.assert_allclose(grads, expected[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("jit", [jax.jit, lambda function: function])
@pytest.mark.parametrize(
    ("params", "batch", "message"),
    [
        ((38,), (7, 8), r"params must have shape \(39,\), got \(38,\)"),
        ((39, 1), (7, 8), r"params must have shape \(39,\), got \(39, 1\)"),
        ((39,), (7, 9), r"batch must have shape \(N, 8\), got \(7, 9\)"),
        ((39,), (8,), r"batch must have shape \(N, 8\), got \(8,\)"),
    ],
)
def test_to_jax_refuses_other_shapes(jit, params, batch, message) -> None:
    function = network([5, 4, 3], "numpy").to_jax()
    for run in (function, function.outputs):
        with pytest.raises(ValueError, match=message):
            jit(run)(np.zeros(params), np.zeros(batch))


def test_one_function_serves_both_precisions() -> None:
    program = network([5, 4, 3], "numpy")
    function, batch = program.to_jax(), np.random.default_rng(1).normal(size=(7, 8))
    for x64 in (False, True, False):
        with jax.enable_x64(x64):
            value, grads = jax.jit(function)(program.pack(), batch)
            outputs = jax.jit(function.outputs)(program.pack(), batch)
        assert {x.dtype.name for x in (value, grads, outputs)} == {"float64" if x64 else "float32"}


def test_the_configuration_stays() -> None:
    network([5, 4, 3]).value_and_grad(np.zeros(39), np.zeros((2, 8)))
    assert jnp.zeros(1).dtype == jnp.float32


def test_sums_that_share_nothing() -> None:
    """As in a convolution: every neuron has its own inputs, too many for a product each."""
    x = [Value(0.0) for _ in range(30)]
    w = [Value(0.1 * k) for k in range(3)]
    root = autograd.sum([autograd.dot(w, x[k : k + 3]).tanh() for k in range(28)])
    batch = np.random.default_rng(1).normal(size=(9, 30))
    results = [
        compile(root, x, backend=backend).value_and_grad([0.1, 0.2, 0.3], batch)
        for backend in ("jax", "numpy")
    ]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)
