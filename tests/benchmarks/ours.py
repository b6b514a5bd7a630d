"""payback as a contender: eagerly, from Python, and with the whole training in native code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd
import nn
from autograd import Value
from tests.benchmarks.workloads import Array, Workload

Train = Callable[[int], list[float]]
"""Trains for so many passes, going on where the last call stopped; the losses of all batches."""


def model_of(workload: Workload) -> nn.MLP:
    """The network with the workload's weights."""
    deep, *wide = workload.sizes
    model = nn.MLP(deep, wide, activation=workload.activation)
    for layer, (weights, biases) in zip(model.layers, workload.weights, strict=True):
        for neuron, row, bias in zip(layer.neurons, weights.tolist(), biases.tolist(), strict=True):
            for parameter, number in zip(neuron.parameters(), [*row, bias], strict=True):
                parameter.data = number
    return model


def loss_of(workload: Workload, model: nn.MLP, scores: Any, target: list[Any]) -> Value:
    """The loss of one row."""
    if not workload.margin:
        return nn.cross_entropy(scores, target)
    squares = [p * p for p in model.parameters()]
    return nn.hinge_loss(scores, target[0]) + workload.penalty * autograd.sum(squares)


def program_of(workload: Workload, model: nn.MLP, backend: str) -> autograd.Program:
    """The loss of one row, compiled."""
    x = [Value(0.0) for _ in range(workload.sizes[0])]
    y = [Value(0.0) for _ in range(workload.sizes[-1])]
    loss = loss_of(workload, model, model(x), y)
    return autograd.compile(loss, [*x, *y], parameters=model.parameters(), backend=backend)


def optimizer_of(workload: Workload, model: nn.MLP) -> nn.Optimizer:
    if workload.margin:
        return nn.SGD(model.parameters(), lr=workload.rate)
    return nn.Adam(model.parameters(), lr=workload.rate)


def eager(workload: Workload) -> Train:
    """A graph per batch, a `dot` node per neuron."""
    model = model_of(workload)
    optimizer = optimizer_of(workload, model)

    def train(passes: int) -> list[float]:
        return [step(batch) for _ in range(passes) for batch in workload.batches]

    def step(batch: slice) -> float:
        X, y = workload.X[batch].tolist(), workload.y[batch].tolist()
        data = [nn.hinge_loss(model(x), t[0]) for x, t in zip(X, y, strict=True)]
        loss = autograd.mean(data)
        loss = loss + workload.penalty * autograd.sum([p * p for p in model.parameters()])
        model.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.data

    return train


def from_python(workload: Workload, backend: str = "native") -> Train:
    """A call per batch, the step by NumPy."""
    model = model_of(workload)
    program = program_of(workload, model, backend)
    params, rows = program.pack(), _rows(workload)
    descend = _descent(workload, params)

    def train(passes: int) -> list[float]:
        losses = []
        for _ in range(passes):
            for batch in workload.batches:
                loss, gradient = program.value_and_grad(params, rows[batch])
                descend(gradient)
                losses.append(loss)
        return losses

    return train


def inside(workload: Workload, backend: str = "native") -> Train:
    """The loop of `fit`: all batches and steps of a call in native code."""
    model = model_of(workload)
    program, optimizer = program_of(workload, model, backend), optimizer_of(workload, model)
    states = len(optimizer.state_names)
    params, rows, order = program.pack(), _rows(workload), np.arange(len(workload.X))
    state, previous = np.zeros((states, len(params))), np.zeros((1 + states, len(params)))
    done, steps = 0, len(workload.batches)

    def train(passes: int) -> list[float]:
        nonlocal done
        numbers = optimizer.hyper(np.arange(done + 1.0, done + 1 + passes * steps), optimizer.lr)
        hyper = np.stack(np.broadcast_arrays(*numbers, np.zeros(passes * steps)), axis=1)[:, :-1]
        done += passes * steps
        chosen, size = np.tile(order, passes), workload.batch_size
        call = autograd.Program.Steps(
            params, state, previous, rows, chosen, size, np.ascontiguousarray(hyper), len(order)
        )
        return program.train(optimizer.rule, call).tolist()

    return train


def fit(workload: Workload) -> Train:
    """`nn.fit`, recording and checks included."""
    model = model_of(workload)
    optimizer = optimizer_of(workload, model)
    y = workload.y[:, 0] if workload.margin else workload.y
    targets = y.tolist()

    def loss(scores: Any, target: Any) -> Value:
        return loss_of(workload, model, scores, target if isinstance(target, list) else [target])

    def train(passes: int) -> list[float]:
        history = nn.fit(
            model, workload.X, targets, loss=loss, optimizer=optimizer, epochs=passes,
            batch_size=workload.batch_size, shuffle=False, progress=False, backend="native",
        )  # fmt: skip
        return list(history.loss)

    return train


def _rows(workload: Workload) -> Array:
    return np.ascontiguousarray(np.column_stack([workload.X, workload.y]))


def _descent(workload: Workload, params: Array) -> Callable[[Array], None]:
    """The optimiser's step by NumPy, in place."""
    if workload.margin:

        def descend(gradient: Array) -> None:
            np.subtract(params, workload.rate * gradient, out=params)

        return descend
    mean, square, step = np.zeros_like(params), np.zeros_like(params), 0

    def adapt(gradient: Array) -> None:
        nonlocal step
        step += 1
        mean[:] = 0.9 * mean + 0.1 * gradient
        square[:] = 0.999 * square + 0.001 * gradient * gradient
        scale = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        params[:] -= workload.rate / (1 - 0.9**step) * mean / scale

    return adapt
