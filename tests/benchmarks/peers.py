"""The peers as contenders. Each needs its own package; one that is missing is left out."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks.ours import Train
from tests.benchmarks.workloads import Array, Workload


def scalars(workload: Workload, Value: Any) -> Train:
    """The demo of micrograd in scalar operations, for any engine with its interface."""
    layers = [
        [
            ([Value(w) for w in row], Value(b))
            for row, b in zip(weights.tolist(), biases.tolist(), strict=True)
        ]
        for weights, biases in workload.weights
    ]
    parameters = [p for layer in layers for weights, bias in layer for p in (*weights, bias)]

    def network(x: Sequence[Any]) -> Any:
        for layer in layers[:-1]:
            x = [sum((w * a for w, a in zip(row, x, strict=True)), b).relu() for row, b in layer]
        ((row, bias),) = layers[-1]
        return sum((w * a for w, a in zip(row, x, strict=True)), bias)

    def step() -> float:
        X, y = workload.X.tolist(), workload.y[:, 0].tolist()
        scores = [network([Value(a) for a in x]) for x in X]
        margins = [(1 + -t * score).relu() for t, score in zip(y, scores, strict=True)]
        loss = sum(margins) * (1.0 / len(margins))
        loss = loss + workload.penalty * sum(p * p for p in parameters)
        for p in parameters:
            p.grad = 0
        loss.backward()
        for p in parameters:
            p.data -= workload.rate * p.grad
        return float(loss.data)

    return lambda passes: [step() for _ in range(passes)]


def payback_scalars(workload: Workload) -> Train:
    from autograd import Value

    return scalars(workload, Value)


def micrograd(workload: Workload) -> Train:
    from micrograd.engine import Value

    return scalars(workload, Value)


def micrograd_without_collector(workload: Workload) -> Train:
    """Its closures make cycles, and looking for those is most of its time."""
    train = micrograd(workload)

    def without(passes: int) -> list[float]:
        gc.disable()
        try:
            return train(passes)
        finally:
            gc.enable()

    return without


def numpy_by_hand(workload: Workload) -> Train:
    """Matrices, and the gradient written out."""
    layers = [(weights.T.copy(), biases) for weights, biases in workload.weights]
    params = [array for layer in layers for array in layer]
    update = _numpy_update(workload, params)

    def step(batch: slice) -> float:
        activations = [workload.X[batch]]
        for weights, biases in layers[:-1]:
            activations.append(np.maximum(activations[-1] @ weights + biases, 0.0))
        scores = activations[-1] @ layers[-1][0] + layers[-1][1]
        loss, slope = _loss_and_slope(workload, scores, workload.y[batch])
        grads: list[Array] = []
        for (weights, biases), a in zip(layers[::-1], activations[::-1], strict=True):
            grads = [
                a.T @ slope + 2 * workload.penalty * weights,
                slope.sum(0) + 2 * workload.penalty * biases,
                *grads,
            ]
            slope = (slope @ weights.T) * (a > 0)
        if workload.penalty:
            loss += workload.penalty * sum(float((p * p).sum()) for p in params)
        update(grads)
        return loss

    return lambda passes: [step(batch) for _ in range(passes) for batch in workload.batches]


def _loss_and_slope(workload: Workload, scores: Array, y: Array) -> tuple[float, Array]:
    n = len(scores)
    if workload.margin:
        margins = 1 - y * scores
        return float(np.maximum(margins, 0).mean()), -y * (margins > 0) / n
    shifted = scores - scores.max(1, keepdims=True)
    sums = np.exp(shifted).sum(1, keepdims=True)
    loss = float((np.log(sums) - (shifted * y).sum(1, keepdims=True)).mean())
    return loss, (np.exp(shifted) / sums - y) / n


def _numpy_update(workload: Workload, params: list[Array]) -> Callable[[list[Array]], None]:
    means, squares = ([np.zeros_like(p) for p in params] for _ in range(2))
    step = 0

    def descend(grads: list[Array]) -> None:
        for p, g in zip(params, grads, strict=True):
            p -= workload.rate * g

    def adapt(grads: list[Array]) -> None:
        nonlocal step
        step += 1
        for p, g, mean, square in zip(params, grads, means, squares, strict=True):
            mean *= 0.9
            mean += 0.1 * g
            square *= 0.999
            square += 0.001 * g * g
            scale = np.sqrt(square / (1 - 0.999**step)) + 1e-8
            p -= workload.rate / (1 - 0.9**step) * mean / scale

    return descend if workload.margin else adapt


def torch_eager(workload: Workload, *, compiled: bool = False, **options: Any) -> Train:
    """PyTorch on batches, float64."""
    import torch

    torch.set_num_threads(1)
    modules: list[Any] = []
    for weights, biases in workload.weights:
        linear = torch.nn.Linear(*weights.T.shape, dtype=torch.float64)
        linear.weight.data, linear.bias.data = torch.tensor(weights), torch.tensor(biases)
        modules += [linear, _torch_activation(workload.activation)]
    model = torch.nn.Sequential(*modules[:-1])
    params = list(model.parameters())
    model = torch.compile(model) if compiled else model
    X, y = torch.tensor(workload.X), torch.tensor(workload.y)
    if workload.margin:
        optimizer: Any = torch.optim.SGD(params, lr=workload.rate)
    else:
        optimizer = torch.optim.Adam(params, lr=workload.rate, **options)

    def step(batch: slice) -> float:
        scores = model(X[batch])
        if workload.margin:
            loss = torch.relu(1 - y[batch] * scores).mean()
            loss = loss + workload.penalty * sum((p * p).sum() for p in params)
        else:
            loss = torch.nn.functional.cross_entropy(scores, y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return lambda passes: [step(batch) for _ in range(passes) for batch in workload.batches]


def _torch_activation(name: str) -> Any:
    import torch

    rooms = {**vars(torch.nn.functional), **vars(torch)}  # some are in one alone
    function = rooms[{"log_sigmoid": "logsigmoid"}.get(name, name)]

    class Activation(torch.nn.Module):  # type: ignore[misc]
        def forward(self, z: Any) -> Any:
            return function(z)

    return Activation()


def torch_compiled(workload: Workload) -> Train:
    """PyTorch, the model by `torch.compile`."""
    return torch_eager(workload, compiled=True)


def torch_fused(workload: Workload) -> Train:
    """PyTorch with its fused Adam."""
    return torch_eager(workload, fused=True)


def jax_step(workload: Workload) -> Train:
    """JAX, a compiled step called once per batch."""
    import jax

    step, carry = _jax_step(workload)
    compiled = jax.jit(step)
    X, y = jax.numpy.array(workload.X), jax.numpy.array(workload.y)
    batches = [(X[batch], y[batch]) for batch in workload.batches]

    def train(passes: int) -> list[float]:
        nonlocal carry
        losses = []
        for _ in range(passes):
            for batch in batches:
                carry, loss = compiled(carry, batch)
                losses.append(loss)
        return [float(loss) for loss in losses]

    return train


def jax_scan(workload: Workload) -> Train:
    """JAX, every pass in one `lax.scan`; for a workload of one batch, a hundred passes in one."""
    import jax
    from jax import numpy as jnp

    step, carry = _jax_step(workload)
    size = workload.batch_size
    whole = len(workload.X) // size
    X, y = jnp.array(workload.X), jnp.array(workload.y)
    cut = X[: whole * size].reshape(whole, size, -1), y[: whole * size].reshape(whole, size, -1)
    rest = X[whole * size :], y[whole * size :]
    repeats = 100 if whole == 1 else 1

    def one(carry: Any) -> Any:
        if repeats > 1:
            first = cut[0][0], cut[1][0]
            return jax.lax.scan(lambda c, _: step(c, first), carry, length=repeats)
        carry, losses = jax.lax.scan(step, carry, cut)
        if not len(rest[0]):
            return carry, losses
        carry, last = step(carry, rest)
        return carry, jnp.append(losses, last)

    compiled = jax.jit(one)

    def train(passes: int) -> list[float]:
        nonlocal carry
        losses: list[float] = []
        for _ in range(-(-passes // repeats)):
            carry, found = compiled(carry)
            losses += np.asarray(found).tolist()
        return losses

    return train


def _jax_step(workload: Workload) -> tuple[Any, Any]:
    import jax
    from jax import numpy as jnp

    activation = {
        **vars(jax.nn),
        **{name: getattr(jnp, name) for name in ("tanh", "sin", "arctan")},
        "erf": jax.scipy.special.erf,
        "gelu": partial(jax.nn.gelu, approximate=False),
    }[workload.activation]

    def loss(params: Any, batch: Any) -> Any:
        a, y = batch
        for weights, biases in params[:-1]:
            a = activation(a @ weights + biases)
        scores = a @ params[-1][0] + params[-1][1]
        if not workload.margin:
            return jnp.mean(jax.nn.logsumexp(scores, axis=1) - jnp.sum(scores * y, axis=1))
        squares = sum(jnp.sum(p * p) for p in jax.tree.leaves(params))
        return jnp.mean(jax.nn.relu(1 - y * scores)) + workload.penalty * squares

    def descend(params: Any, batch: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, batch)
        return jax.tree.map(lambda p, g: p - workload.rate * g, params, grads), value

    def adapt(carry: Any, batch: Any) -> Any:
        params, mean, square, step = carry
        value, grads = jax.value_and_grad(loss)(params, batch)
        step = step + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, grads)
        rate, root = workload.rate / (1 - 0.9**step), jnp.sqrt(1 - 0.999**step)

        def move(p: Any, m: Any, s: Any) -> Any:
            return p - rate * m / (jnp.sqrt(s) / root + 1e-8)

        return (jax.tree.map(move, params, mean, square), mean, square, step), value

    params = [(jnp.array(weights.T), jnp.array(biases)) for weights, biases in workload.weights]
    if workload.margin:
        return descend, params
    zeros = jax.tree.map(jnp.zeros_like, params)
    return adapt, (params, zeros, zeros, 0.0)


def casadi(workload: Workload) -> Train:
    """CasADi on batches, its C code compiled where there is a compiler; the step by NumPy."""
    import casadi as ca

    shapes = [(weights.shape, biases.shape) for weights, biases in workload.weights]
    start = [array for layer in workload.weights for array in layer]
    params = [array.copy() for array in start]
    update = _numpy_update(workload, params)
    options: dict[str, Any] = {}
    if shutil.which("gcc"):
        flags = {"flags": ["-O3", "-march=native"], "verbose": False}
        options = {"jit": True, "compiler": "shell", "jit_options": flags}
    functions: dict[int, Any] = {}

    def function(rows: int) -> Any:
        X, y = ca.MX.sym("X", workload.sizes[0], rows), ca.MX.sym("y", workload.sizes[-1], rows)
        symbols, a = [], X
        for k, (shape, _) in enumerate(shapes):
            weights, biases = ca.MX.sym(f"w{k}", *shape), ca.MX.sym(f"b{k}", shape[0])
            symbols += [weights, biases]
            a = weights @ a + ca.repmat(biases, 1, rows)
            a = ca.fmax(a, 0) if k < len(shapes) - 1 else a
        if workload.margin:
            loss = ca.sum2(ca.fmax(1 - y * a, 0)) / rows
            loss = loss + workload.penalty * sum(ca.sumsqr(p) for p in symbols)
        else:
            top = ca.mmax(a)
            sums = ca.log(ca.sum1(ca.exp(a - top))) + top
            loss = ca.sum2(sums - ca.sum1(a * y)) / rows
        grads = [ca.gradient(loss, p) for p in symbols]
        return ca.Function("f", [*symbols, X, y], [loss, *grads], options)

    def step(batch: slice) -> float:
        X, y = workload.X[batch].T, workload.y[batch].T
        if X.shape[1] not in functions:
            functions[X.shape[1]] = function(X.shape[1])
        loss, *grads = functions[X.shape[1]](*params, X, y)
        update([np.asarray(g).reshape(p.shape) for g, p in zip(grads, params, strict=True)])
        return float(loss)

    return lambda passes: [step(batch) for _ in range(passes) for batch in workload.batches]
