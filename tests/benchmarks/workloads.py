"""The networks that are trained: their data, weights and batches, as plain arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import pi

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Layers = list[tuple[Array, Array]]
"""Per layer its weights (outputs, inputs) and biases."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A network of layers with an activation and a linear one, and how it is trained."""

    name: str
    unit: str
    """What is timed: one pass over all batches."""
    sizes: tuple[int, ...]
    X: Array
    y: Array
    """One column per output: classes one-hot, or ±1 for the margin loss."""
    batch_size: int
    margin: bool
    """A margin loss with an L2 penalty and plain descent; else softmax cross-entropy and Adam."""
    rate: float
    penalty: float = 0.0
    activation: str = "relu"

    @property
    def batches(self) -> list[slice]:
        """The rows of each batch."""
        starts = range(0, len(self.X), self.batch_size)
        return [slice(start, min(start + self.batch_size, len(self.X))) for start in starts]

    @property
    def weights(self) -> Layers:
        """The weights that every contender starts from."""
        random = np.random.default_rng(0)
        pairs = zip(self.sizes, self.sizes[1:], strict=False)
        return [
            (random.uniform(-1, 1, (wide, deep)) / deep**0.5, np.zeros(wide))
            for deep, wide in pairs
        ]


def moons() -> Workload:
    """The demo of micrograd: two moons of 100 points, 337 parameters."""
    random = np.random.default_rng(0)
    angle = np.linspace(0, pi, 50)
    upper = np.column_stack([np.cos(angle), np.sin(angle)])
    lower = np.column_stack([1 - np.cos(angle), 0.5 - np.sin(angle)])
    X = np.concatenate([upper, lower]) + random.normal(scale=0.1, size=(100, 2))
    y = np.repeat([[-1.0], [1.0]], 50, axis=0)
    return Workload("moons", "step", (2, 16, 16, 1), X, y, 100, True, 0.01, 1e-4)


def digits() -> Workload:
    """scikit-learn's handwritten digits: 1,797 rows in batches of 32, 2,410 parameters."""
    from sklearn.datasets import load_digits

    X, labels = load_digits(return_X_y=True)
    return _classes("digits", (64, 32, 10), X / 16, labels)


def with_activation(name: str) -> Workload:
    """The digits by another activation."""
    return replace(digits(), name=f"digits with {name}", activation=name)


def with_depth(layers: int) -> Workload:
    """The digits by so many hidden layers of 32."""
    sizes = (64, *[32] * layers, 10)
    return replace(digits(), name=f"digits, {layers} hidden layers", sizes=sizes)


def with_batches(size: int) -> Workload:
    """The digits in batches of another size."""
    return replace(digits(), name=f"digits in batches of {size}", batch_size=size)


def wide() -> Workload:
    """The shape of a network for MNIST, 39,760 parameters, on 1,024 rows of noise."""
    random = np.random.default_rng(0)
    X = random.uniform(size=(1024, 784)) * (random.uniform(size=(1024, 784)) < 0.2)
    return _classes("784-50-10", (784, 50, 10), X, random.integers(10, size=1024))


def _classes(
    name: str, sizes: tuple[int, ...], X: Array, labels: Sequence[int] | Array
) -> Workload:
    order = np.random.default_rng(1).permutation(len(X))
    y = np.eye(sizes[-1])[np.asarray(labels, np.int64)]
    return Workload(name, "epoch", sizes, X[order], y[order], 32, False, 1e-3)
