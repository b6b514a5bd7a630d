"""The micrograd demo, run twice: as published, and with only the imports changed."""

import gc
import random

import pytest

import nn
from autograd import Value

np = pytest.importorskip("numpy")
datasets = pytest.importorskip("sklearn.datasets")


@pytest.fixture(autouse=True)
def collector_off():
    """micrograd's graphs are cycles, and collecting them takes ten times as long as making them."""
    gc.disable()
    yield
    gc.enable()


def demo(Value, MLP, steps, batch_size=None):
    """Karpathy's notebook: moons, a max-margin loss, L2, and a falling learning rate."""
    np.random.seed(1337)
    random.seed(1337)
    X, y = datasets.make_moons(n_samples=100, noise=0.1)
    y = y * 2 - 1
    model = MLP(2, [16, 16, 1])

    def loss():
        chosen = np.random.permutation(X.shape[0])[:batch_size] if batch_size else slice(None)
        Xb, yb = X[chosen], y[chosen]
        inputs = [list(map(Value, xrow)) for xrow in Xb]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(yb, scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum(p * p for p in model.parameters())
        right = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(yb, scores)]
        return data_loss + reg_loss, sum(right) / len(right)

    for k in range(steps):
        total_loss, accuracy = loss()
        model.zero_grad()
        total_loss.backward()
        learning_rate = 1.0 - 0.9 * k / 100
        for p in model.parameters():
            p.data -= learning_rate * p.grad
        yield total_loss.data, accuracy


@pytest.mark.parametrize(("steps", "batch_size"), [(4, None), (15, 20)])
def test_the_demo_gives_micrograds_losses_step_for_step(steps, batch_size):
    engine = pytest.importorskip("micrograd.engine")
    theirs = pytest.importorskip("micrograd.nn")
    ours = list(demo(Value, nn.MLP, steps, batch_size))
    reference = list(demo(engine.Value, theirs.MLP, steps, batch_size))
    assert [loss for loss, _ in ours] == pytest.approx([loss for loss, _ in reference], abs=1e-9)
    assert [right for _, right in ours] == [right for _, right in reference]


def test_the_demo_learns_the_moons_as_published():
    losses, accuracies = zip(*demo(Value, nn.MLP, 100))
    assert losses[0] == pytest.approx(0.8958441028683222, abs=1e-9)
    assert losses[-1] == pytest.approx(0.010971102599838, abs=1e-3)
    assert accuracies[-1] == 1.0


def test_fit_follows_the_demo():
    """L2 of alpha Σ p² is a weight decay of 2 alpha; the loss that is reported is without it."""
    np.random.seed(1337)
    random.seed(1337)
    X, y = datasets.make_moons(n_samples=100, noise=0.1)
    model = nn.MLP(2, [16, 16, 1])
    parameters = model.parameters()
    squares = [sum(p.data**2 for p in parameters)]
    history = nn.fit(
        model, X, y * 2 - 1, loss=nn.hinge_loss,
        optimizer=nn.SGD(parameters, lr=1.0, weight_decay=2e-4),
        schedule=lambda k: 1 - 0.9 * k / 100, epochs=10, batch_size=None, backend="eager",
        callbacks=[lambda epoch: squares.append(sum(p.data**2 for p in parameters))],
    )  # fmt: skip
    ours = [loss + 1e-4 * square for loss, square in zip(history.loss, squares)]
    assert ours == pytest.approx([loss for loss, _ in demo(Value, nn.MLP, 10)], abs=1e-9)


class Headed(nn.MLP):
    """A network with one more layer, its parameters listed in micrograd's manner."""

    def __init__(self):
        super().__init__(2, [3, 2])
        self.head = nn.Layer(2, 1, nonlin=False)

    def __call__(self, x):
        return self.head(super().__call__(x))

    def parameters(self):
        return super().parameters() + self.head.parameters()


def test_parameters_that_are_listed_after_those_of_super_are_moved_once():
    random.seed(5)
    model = Headed()
    listed = [p for layer in (*model.layers, model.head) for p in layer.parameters()]
    assert model.parameters() == listed
    expected = {}
    for step in range(2):
        model.zero_grad()
        model([0.5, 1.0]).backward()
        expected = {p: p.data - 0.1 * p.grad for p in listed}
        for p in model.parameters():
            p.data -= 0.1 * p.grad
        assert {p: p.data for p in listed} == expected, step
    nn.SGD(model.parameters(), lr=0.1)


def test_what_a_network_lists_otherwise_is_left_as_it_is():
    class Arrays(nn.Module):
        def parameters(self):
            return [np.zeros(2), np.zeros(2)]

    class Lazy(nn.Module):
        def parameters(self):
            yield from ()

    assert len(Arrays().parameters()) == 2
    assert [*Lazy().parameters()] == []


class OwnNeuron(nn.Neuron):
    """Weights drawn in another way, and nothing else, as one writes it for micrograd."""

    def __init__(self, nin, nonlin=True):
        self.w = [Value(0.5 - i) for i in range(nin)]
        self.b = Value(0.25)
        self.nonlin = nonlin


class OwnLayer(nn.Layer):
    def __init__(self, nin, nout, **options):
        self.neurons = [OwnNeuron(nin, **options) for _ in range(nout)]


class Scaled(nn.Module):
    """No layer at all."""

    def __init__(self):
        self.scale = Value(2.0)

    def __call__(self, x):
        return [self.scale * each for each in x]

    def parameters(self):
        return [self.scale]


@pytest.mark.parametrize("nonlin", [True, False])
def test_neurons_and_layers_with_an_init_of_their_own(nonlin):
    z = 0.5 * 3.0 - 0.5 * 4.0 + 0.25
    expected = max(z, 0.0) if nonlin else z
    neuron = OwnNeuron(2, nonlin=nonlin)
    assert (neuron.nonlin, neuron([3.0, 4.0]).data) == (nonlin, expected)
    layer = OwnLayer(2, 3, nonlin=nonlin)
    assert [a.data for a in layer([3.0, 4.0])] == [expected] * 3
    assert len(layer.parameters()) == 9
    model = nn.MLP(2, [3, 1], seed=0)
    model.layers[0] = layer
    hidden = [Value(expected)] * 3
    assert model([3.0, 4.0]).data == model.layers[1](hidden).data
    activation = "relu" if nonlin else "linear"
    assert repr(layer) == f"OwnLayer(3, activation={activation!r})"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_module_that_is_no_layer_stands_anywhere_in_a_network(place):
    model = nn.MLP(2, [3, 2], seed=0)
    expected = [1.0, -2.0]
    model.layers.insert(place, Scaled())
    for layer in model.layers:
        expected = layer(expected)
    outputs = model([1.0, -2.0])
    assert [a.data for a in outputs] == [a.data for a in expected]
    sum(outputs).backward()
    assert model.layers[place].scale.grad != 0.0
    assert model.layers[place].scale in model.parameters()
    assert f"(layers.{place}): Scaled(1 parameter)" in repr(model)
    assert model.summary().count("\n") == 4


def test_a_neuron_that_is_none_of_ours():
    class Product(nn.Module):
        def __init__(self):
            self.gain = Value(3.0)

        def __call__(self, x):
            return self.gain * x[0] * x[1]

    layer = nn.Layer(2, 2, seed=0)
    layer.neurons[0] = Product()
    assert layer([2.0, 5.0])[0].data == 30.0
    assert repr(layer) == "Layer(2, 2)"
