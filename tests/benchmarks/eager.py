"""The moons demo against micrograd, eagerly: `python tests/benchmarks/eager.py [rounds]`.

One step is Karpathy's: 100 points, MLP(2, [16, 16, 1]), max-margin loss, L2, backward, descent.
micrograd runs its own code; payback runs that very code with scalar operations (*scalar grain*),
and with its own network of one `dot` node per neuron. The three take turns, with Python's cycle
collector on, as it comes, and then with it off, and must agree on every loss. Needs micrograd and
scikit-learn.
"""

import gc
import importlib
import random
import statistics
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

STEPS = {"micrograd": 2, "scalar grain": 4, "one dot per neuron": 12}


def demo(value: Any, mlp: Any) -> Iterator[float]:
    """The losses of the demo, step by step."""
    import numpy as np
    from sklearn.datasets import make_moons

    np.random.seed(1337)
    random.seed(1337)
    X, y = make_moons(n_samples=100, noise=0.1)
    y = y * 2 - 1
    model = mlp(2, [16, 16, 1])
    for k in range(100):
        inputs = [list(map(value, row)) for row in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * score).relu() for yi, score in zip(y, scores, strict=True)]
        loss = sum(losses) * (1.0 / len(losses))
        loss = loss + 1e-4 * sum(p * p for p in model.parameters())
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * k / 100) * p.grad
        yield loss.data


def seconds(value: Any, mlp: Any, steps: int) -> tuple[list[float], list[float]]:
    """The processor time of each step, and the losses."""
    gc.collect()
    course = demo(value, mlp)
    losses, times = [], []
    for _ in range(steps):
        start = process_time()
        losses.append(next(course))
        times.append(process_time() - start)
    return times, losses


def contestants() -> dict[str, Callable[[int], tuple[list[float], list[float]]]]:
    """Who runs, by name."""
    import autograd
    import nn

    engine = importlib.import_module("micrograd.engine")
    theirs = importlib.import_module("micrograd.nn")
    scalar = types.ModuleType("scalar")
    scalar.__dict__.update(vars(theirs))
    layers = {"Neuron": theirs.Neuron, "Layer": theirs.Layer, "MLP": theirs.MLP}
    for name, cls in layers.items():
        scalar.__dict__[name] = _over(cls, scalar.__dict__)
    scalar.__dict__["Value"] = autograd.Value
    return {
        "micrograd": lambda steps: seconds(engine.Value, theirs.MLP, steps),
        "scalar grain": lambda steps: seconds(autograd.Value, scalar.__dict__["MLP"], steps),
        "one dot per neuron": lambda steps: seconds(autograd.Value, nn.MLP, steps),
    }


def _over(cls: type, names: dict[str, Any]) -> type:
    """A class whose methods see these global names in place of their module's."""
    methods = {
        name: types.FunctionType(method.__code__, names, name, method.__defaults__)
        if isinstance(method, types.FunctionType)
        else method
        for name, method in vars(cls).items()
        if name not in ("__dict__", "__weakref__")
    }
    return type(cls.__name__, cls.__bases__, methods)


def compare(rounds: int) -> None:
    """Print the median step of each, and its ratio to micrograd's."""
    times: dict[str, list[float]] = {name: [] for name in STEPS}
    losses: dict[str, list[float]] = {}
    runs = contestants()
    for _ in range(rounds):
        for name, steps in STEPS.items():
            took, losses[name] = runs[name](steps)
            times[name] += took
    for name in STEPS:
        pairs = zip(losses[name], losses["micrograd"], strict=False)
        assert all(abs(ours - theirs) < 1e-9 for ours, theirs in pairs), name
        step = statistics.median(times[name])
        ratio = statistics.median(times["micrograd"]) / step
        print(f"  {name:20s}{1e3 * step:9.2f} ms{ratio:8.1f} times")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print("cycle collector on, as it comes")
    compare(count)
    gc.disable()
    print("cycle collector off")
    compare(count)
