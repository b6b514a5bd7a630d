"""Compiled programs held against the eager engine: shared by the tests of every backend.

Two right engines may round differently, and where terms cancel that shows. `Eager` therefore knows
the *weight* of each of its results: the sum of what was added up to it, all taken positive. A
compiled result may be off by 1e-12 of that, infinities and nans must be the same. XLA takes
subnormal numbers for 0, so what is smaller than `FLUSHED` counts as 0 there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, isnan

import pytest

from autograd import Value, topological_order
from autograd.backward import repay

BACKENDS = ("numpy", "native", "jax")

TOLERANCE = 1e-12

FLUSHED = 1e-300


def need(backend: str) -> str:
    """The backend, if its package is installed; else the test is skipped."""
    pytest.importorskip({"native": "llvmlite"}.get(backend, backend))
    return backend


@dataclass(frozen=True, slots=True)
class Eager:
    """What the eager engine says about one root: the numbers to meet, and their weights."""

    value: float
    value_weight: float
    grads: list[float]
    grad_weights: list[float]

    @classmethod
    def of(cls, root: Value, parameters: Sequence[Value]) -> "Eager":
        """Run backward from the root; ``grad`` of the parameters is set back to 0 before."""
        for parameter in parameters:
            parameter.grad = 0.0
        order = topological_order(root)
        if not root.requires_grad:
            return cls(root.data, abs(root.data), [0.0] * len(parameters), [0.0] * len(parameters))
        root.backward()
        sizes = repay({root: 1.0}, lambda node: [abs(p) for p in node.partials])
        weight = sum(abs(sizes[node] * node.data) for node in order if node in sizes)
        spread = max(1.0, weight / max(abs(root.data), 1e-3))
        return cls(
            root.data,
            weight,
            [parameter.grad for parameter in parameters],
            [spread * sizes.get(parameter, 0.0) for parameter in parameters],
        )

    @classmethod
    def mean(cls, each: Sequence["Eager"]) -> "Eager":
        """The mean over rows of what is said about each of them."""

        def average(numbers: Iterable[float]) -> float:
            return sum(numbers) / len(each)

        return cls(
            average(one.value for one in each),
            average(one.value_weight for one in each),
            [average(grads) for grads in zip(*(one.grads for one in each), strict=True)],
            [average(weights) for weights in zip(*(one.grad_weights for one in each), strict=True)],
        )

    def meets(self, value: float, grads: Sequence[float], backend: str) -> bool:
        """Whether a compiled program says the same."""
        triples = [
            (value, self.value, self.value_weight),
            *zip(grads, self.grads, self.grad_weights, strict=True),
        ]
        return all(same(*triple, backend) for triple in triples)


def same(compiled: float, eager: float, weight: float, backend: str) -> bool:
    """Equal up to the tolerance, nan to nan and infinity to infinity of the same sign."""
    if isnan(compiled) or isnan(eager):
        return isnan(compiled) and isnan(eager)
    if not (isfinite(compiled) and isfinite(eager)):
        return compiled == eager
    scale = max(abs(eager), weight if isfinite(weight) else 0.0)
    floor = FLUSHED if backend == "jax" else 0.0
    return abs(compiled - eager) <= max(TOLERANCE * scale, floor)
