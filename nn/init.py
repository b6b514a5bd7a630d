"""First weights: how a neuron's weights are drawn before it has learned anything.

An *initialiser* draws one weight: ``init(rng, nin, nout) -> float`` for a neuron with ``nin``
inputs in a layer of ``nout`` neurons.  All of these draw from a symmetric interval, wide enough to
keep signals alive from layer to layer and narrow enough to keep them from exploding (LeCun 1998,
Glorot & Bengio 2010, He et al. 2015).  Biases start at 0.
"""

import random
from collections.abc import Callable, Mapping
from math import sqrt
from operator import index
from typing import Any, Protocol, SupportsIndex


class Generator(Protocol):
    """Where random numbers come from: `random`, a `random.Random`, or a NumPy generator."""

    def uniform(self, a: float, b: float, /) -> Any:
        """A number between a and b."""


Initialiser = Callable[[Generator, int, int], float]


def uniform(rng: Generator, nin: int, nout: int) -> float:
    """Between -1 and 1 whatever the sizes: micrograd's rule."""
    return float(rng.uniform(-1, 1))


def he(rng: Generator, nin: int, nout: int) -> float:
    """Variance 2 / nin, which makes up for the half that a rectifier cuts off."""
    return _symmetric(rng, 6.0 / max(nin, 1))


def xavier(rng: Generator, nin: int, nout: int) -> float:
    """Variance 2 / (nin + nout), between what the forward and the backward pass would like."""
    return _symmetric(rng, 6.0 / max(nin + nout, 1))


def lecun(rng: Generator, nin: int, nout: int) -> float:
    """Variance 1 / nin, which keeps a sum as large as its terms."""
    return _symmetric(rng, 3.0 / max(nin, 1))


def zeros(rng: Generator, nin: int, nout: int) -> float:
    """No weight at all: hidden neurons that start equal stay equal, so for demonstrations only."""
    return 0.0


INITIALISERS: Mapping[str, Initialiser] = {
    "uniform": uniform,
    "he": he,
    "xavier": xavier,
    "lecun": lecun,
    "zeros": zeros,
}

RECTIFIERS = ("relu", "leaky_relu", "elu", "silu", "gelu", "softplus")
SQUASHERS = ("sigmoid", "tanh", "arctan", "erf")


def initialiser(init: str | Initialiser | None, activation: str) -> Initialiser:
    """The initialiser of that name, the function given, or for None what suits the activation."""
    if callable(init):
        return init
    if init is None:
        return he if activation in RECTIFIERS else xavier if activation in SQUASHERS else lecun
    if init in INITIALISERS:
        return INITIALISERS[init]
    known = ", ".join(INITIALISERS)
    raise ValueError(f"init should be one of {known} or a function (rng, nin, nout), got {init!r}")


def generator(seed: SupportsIndex | None, rng: Generator | None) -> Generator:
    """The generator given, a fresh one for the seed, or Python's global one."""
    if seed is not None and rng is not None:
        raise ValueError("give a seed or an rng, not both")
    if rng is not None:
        if not hasattr(rng, "uniform"):
            raise TypeError(
                f"rng is a random.Random or a NumPy generator, got {rng!r:.60}; did you mean seed=?"
            )
        return rng
    # the global generator: random.seed() then decides, as in micrograd
    return random if seed is None else seeded(seed)


def seeded(seed: SupportsIndex | None) -> random.Random:
    """Python's generator for a whole number of any kind, NumPy's too; for None, for no number."""
    if seed is None:
        return random.Random()
    if not isinstance(seed, SupportsIndex):
        raise TypeError(f"seed is a whole number, or None for another one each time, got {seed!r}")
    return random.Random(index(seed))


def _symmetric(rng: Generator, square: float) -> float:
    """A draw from an interval around 0 whose half-width has this square."""
    # a uniform draw from ±w has variance w² / 3, hence the 6 and the 3 above
    width = sqrt(square)
    return float(rng.uniform(-width, width))
