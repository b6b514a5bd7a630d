"""First weights: what is drawn for which activation, and from where."""

import random
from math import sqrt

import pytest

from nn import MLP
from nn.init import (
    INITIALISERS,
    generator,
    he,
    initialiser,
    lecun,
    seeded,
    uniform,
    xavier,
    zeros,
)


class Ends:
    """A generator that gives the upper end of every interval, and notes the lower."""

    def uniform(self, a, b):
        self.low = a
        return b


@pytest.mark.parametrize(
    ("init", "square"),
    [
        (he, lambda nin, nout: 2 / nin),
        (xavier, lambda nin, nout: 2 / (nin + nout)),
        (lecun, lambda nin, nout: 1 / nin),
        (uniform, lambda nin, nout: 1 / 3),
        (zeros, lambda nin, nout: 0.0),
    ],
)
@pytest.mark.parametrize(("nin", "nout"), [(1, 1), (4, 9), (100, 3)])
def test_the_variance_is_the_one_of_the_paper(init, square, nin, nout):
    """A uniform number from -b to b has variance b² / 3."""
    rng = Ends()
    width = init(rng, nin, nout)
    assert width**2 / 3 == pytest.approx(square(nin, nout), rel=1e-14)
    assert init is zeros or rng.low == -width


@pytest.mark.parametrize("init", [he, xavier, lecun])
@pytest.mark.parametrize("torchs", [True, False])
def test_widths_are_pytorchs(init, torchs):
    if not torchs:
        wide = {he: 6.0, xavier: 6.0, lecun: 3.0}[init]  # as for one input: no division by 0
        assert init(Ends(), 0, 0) == sqrt(wide)
        return
    torch = pytest.importorskip("torch")
    theirs = {
        he: lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="relu"),
        xavier: torch.nn.init.xavier_uniform_,
        lecun: lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="linear"),
    }
    drawn = theirs[init](torch.empty(400, 300, dtype=torch.float64)).abs().max().item()
    assert init(Ends(), 300, 400) == pytest.approx(drawn, rel=1e-3)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        *[(name, he) for name in ("relu", "leaky_relu", "elu", "silu", "gelu", "softplus")],
        *[(name, xavier) for name in ("sigmoid", "tanh", "arctan", "erf")],
        *[(name, lecun) for name in ("linear", "sin", "custom")],
    ],
)
def test_weights_suit_the_activation(activation, expected):
    assert initialiser(None, activation) is expected
    assert initialiser("zeros", activation) is zeros
    assert initialiser(uniform, activation) is uniform


def test_every_name_is_an_initialiser():
    for name, function in INITIALISERS.items():
        assert initialiser(name, "relu") is function
        assert function.__name__ == name
        MLP(2, [3, 1], init=name, seed=0)


def test_generators_come_from_where_was_said():
    assert generator(None, None) is random
    rng = random.Random(3)
    assert generator(None, rng) is rng
    for seed in (0, 1, 7):
        assert generator(seed, None).random() == random.Random(seed).random()
    assert seeded(0).random() == random.Random(0).random()
    assert seeded(None).random() != seeded(None).random()
    with pytest.raises(ValueError, match="not both"):
        generator(0, rng)
    with pytest.raises(TypeError, match=r"NumPy generator, got 3; did you mean seed=\?"):
        generator(None, 3)
    with pytest.raises(TypeError, match=r"seed is a whole number, or None .*, got 1\.5"):
        seeded(1.5)


def test_zero_is_a_seed():
    assert MLP(2, [2], seed=0).state_dict() == MLP(2, [2], seed=0).state_dict()
    assert MLP(2, [2], seed=0).state_dict() != MLP(2, [2], seed=1).state_dict()


def test_uniform_ignores_the_sizes():
    assert {uniform(Ends(), nin, nout) for nin in (1, 50) for nout in (1, 50)} == {1.0}
    assert he(Ends(), 6, 1) == sqrt(1.0)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="one of uniform, he, xavier, lecun, zeros or a function"):
        initialiser("normal", "relu")
