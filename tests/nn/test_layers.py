"""Neurons, layers and networks: their shapes, their draws, their pictures, their complaints."""

import random
from dataclasses import dataclass
from functools import partial
from math import sqrt, tanh
from random import Random

import pytest

import autograd
from autograd import Value, topological_order
from nn import MLP, Layer, LayerActivations, Neuron


def test_a_neuron_is_one_dot_and_its_activation():
    neuron = Neuron(3, "tanh", seed=0)
    output = neuron([1.0, -2.0, 0.5])
    (z,) = output.parents
    assert (output.op, z.op, len(z.parents)) == ("tanh", "dot", 7)
    assert z.data == pytest.approx(sum(w.data * x for w, x in zip(neuron.w, [1.0, -2.0, 0.5])))
    assert output.data == tanh(z.data)


def test_parameters_are_each_neurons_weights_then_its_bias():
    model = MLP(2, [3, 1], seed=0)
    order = [p for layer in model.layers for n in layer.neurons for p in (*n.w, n.b)]
    assert model.parameters() == order
    assert len(order) == 3 * 3 + 4


def test_one_neuron_gives_a_value_and_several_a_list():
    assert isinstance(Layer(2, 1, seed=0)([1.0, 2.0]), Value)
    assert [type(v) for v in Layer(2, 3, seed=0)([1.0, 2.0])] == [Value] * 3
    assert isinstance(MLP(2, [3, 1], seed=0)([1.0, 2.0]), Value)
    assert len(MLP(2, [3, 2], seed=0)([1.0, 2.0])) == 2


def test_numbers_become_constants_once_per_layer():
    layer = Layer(2, 5, seed=0)
    outputs = layer([1.0, 2.0])
    constants = {node for node in topological_order(outputs) if not node.requires_grad}
    assert len(constants) == 2


def test_inputs_may_be_values_that_learn():
    x = [Value(1.0), Value(-2.0)]
    MLP(2, [3, 1], activation="tanh", seed=0)(x).backward()
    assert all(v.grad != 0 for v in x)


@pytest.mark.parametrize("kind", ["list", "tuple", "array", "objects", "generator"])
def test_a_row_may_come_in_any_form(kind):
    numpy = pytest.importorskip("numpy")
    model = MLP(2, [3, 1], seed=0)
    row = {
        "list": [1, 2], "tuple": (1.0, 2), "array": numpy.array([1, 2]),
        "objects": numpy.array([Value(1.0), Value(2.0)]), "generator": (x for x in (1.0, 2.0)),
    }[kind]  # fmt: skip
    assert model(row).data == model([1.0, 2.0]).data


def test_a_single_number_is_a_row_of_one():
    model = MLP(1, [2, 1], seed=0)
    assert model(0.5).data == model([0.5]).data == model(Value(0.5)).data


def test_an_array_without_axes_is_a_row_of_one():
    numpy = pytest.importorskip("numpy")
    model = MLP(1, [2, 1], seed=0)
    assert model(numpy.array(0.5)).data == model([0.5]).data


def test_a_hidden_layer_may_have_one_neuron():
    assert isinstance(MLP(2, [1, 1], seed=0)([1.0, 2.0]), Value)


@pytest.mark.parametrize("activation", ["sigmoid", autograd.sigmoid])
def test_activations_go_by_name_or_function(activation):
    model = MLP(2, [3, 2], activation, output=activation, seed=0)
    assert [a.op for a in model([1.0, 2.0])] == ["sigmoid"] * 2
    assert model.layers[0].neurons[0].activation == "sigmoid"


def test_an_activation_of_ones_own():
    def cube(z):
        return z * z * z

    model = MLP(1, [1], output=cube, seed=0)
    assert model([2.0]).data == pytest.approx((2 * model.parameters()[0].data) ** 3)
    assert "cube" in repr(model)


def test_activations_come_apart():
    for z, a in MLP(2, [3, 2]).activations([1.0, 2.0]):
        assert len(z) == len(a) > 1


def test_activations_gives_z_and_a_of_every_layer():
    model = MLP(2, [3, 2], activation="sigmoid", seed=0)
    first, last = model.activations([1.0, 2.0])
    assert [a.parents for a in first.a] == [(z,) for z in first.z]
    assert last.a == last.z
    assert [a.data for a in last.a] == [v.data for v in model([1.0, 2.0])]


# -- the first weights -----------------------------------------------------------------------------


def weights(model):
    return [w.data for layer in model.layers for neuron in layer.neurons for w in neuron.w]


def biases(model):
    return [neuron.b.data for layer in model.layers for neuron in layer.neurons]


@pytest.mark.parametrize("told", [{}, {"init": "uniform"}])
def test_uniform_draws_in_micrograds_order_from_the_global_generator(told):
    random.seed(1337)
    expected = [random.uniform(-1, 1) for _ in range(2 * 16 + 16 * 16 + 16)]
    random.seed(1337)
    model = MLP(2, [16, 16, 1], **told)
    assert weights(model) == expected
    assert set(biases(model)) == {0.0}


def test_seed_and_rng_say_where_draws_come_from():
    expected = [Random(5).uniform(-1, 1)]
    for source in ({"seed": 5}, {"rng": Random(5)}):
        assert weights(MLP(1, [1], init="uniform", **source)) == expected
    random.seed(0)
    state = random.getstate()
    MLP(2, [3, 1], seed=5)
    assert random.getstate() == state


def test_neurons_and_layers_draw_alike():
    assert [w.data for w in Neuron(3, seed=4).w] == [
        w.data for w in Layer(3, 1, seed=4).neurons[0].w
    ]


@pytest.mark.parametrize(
    ("activation", "variance"), [("relu", 2 / 100), ("tanh", 2 / 150), ("linear", 1 / 100)]
)
def test_weights_that_nobody_chose_suit_the_activation(activation, variance):
    drawn = weights(MLP(100, [50], output=activation, seed=0))
    width = sqrt(3 * variance)
    assert max(map(abs, drawn)) <= width
    assert sum(w * w for w in drawn) / len(drawn) == pytest.approx(variance, rel=0.05)


def test_signals_neither_die_nor_explode_in_a_deep_network():
    model, rng = MLP(30, [30] * 10, output="relu", seed=0), Random(0)
    with autograd.no_grad():
        outputs = [v.data for _ in range(20) for v in model([rng.gauss(0, 1) for _ in range(30)])]
    assert 0.1 < sum(v * v for v in outputs) / len(outputs) < 10


def test_a_neuron_alone_is_a_layer_of_one():
    told = []
    Neuron(3, init=lambda *given: told.append(given[1:]) or 0.5, seed=0)
    assert {*told} == {(3, 1)}
    Layer(3, 2, init=lambda *given: told.append(given[1:]) or 0.5, seed=0)
    assert {*told} == {(3, 1), (3, 2)}


def test_an_activation_may_be_a_dataclass():
    @dataclass
    class Swish:  # which has no hash
        beta: float

        def __call__(self, z):
            return z * autograd.sigmoid(self.beta * z)

    model, silu = (MLP(2, [3, 1], each, seed=0) for each in (Swish(1.0), "silu"))
    model.load_state_dict(silu.state_dict())
    assert model([0.3, -0.7]).data == pytest.approx(silu([0.3, -0.7]).data, rel=1e-15)


def test_an_initialiser_of_ones_own():
    model = MLP(2, [3], init=lambda rng, nin, nout: nin + nout / 10, seed=0)
    assert set(weights(model)) == {2.3}


def test_numpys_generator_will_do():
    numpy = pytest.importorskip("numpy")
    model = MLP(2, [3], rng=numpy.random.default_rng(0))
    assert {type(w) for w in weights(model)} == {float}


# -- how it shows ----------------------------------------------------------------------------------


def test_repr_and_summary():
    model = MLP(2, [16, 16, 1], seed=0)
    assert repr(model).splitlines() == [
        "MLP(",
        "  (layers.0): Layer(2, 16, activation='relu')",
        "  (layers.1): Layer(16, 16, activation='relu')",
        "  (layers.2): Layer(16, 1, activation='linear')",
        ")",
    ]
    assert model.summary().splitlines()[-1].split() == ["total", "337"]


def test_nodes_and_parameters_lie_in_the_boxes_of_their_layer_and_neuron():
    model = MLP(2, [3, 1], seed=0)
    first, last = model.activations([1.0, 2.0])
    assert first.z[2].scope == first.a[2].scope == ("layer 1", "neuron 2")
    assert last.z[0].scope == ("layer 2", "neuron 0")
    assert model.layers[0].neurons[2].w[1].scope == ("layer 1", "neuron 2")
    assert model.layers[0].neurons[2].w[1].label == "w1"


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MLP(2, [3, 1])([1.0]), ValueError, "layer 1 takes 2 inputs, got 1"),
        (lambda: MLP(2, [3, 1])([[1.0, 2.0]] * 2), ValueError, r"got 2 rows: .*nn\.predict"),
        (lambda: MLP(2, [3, 1])(["1", "2"]), TypeError, "real number"),
        (lambda: MLP(2, [3, 1])(None), ValueError, "takes 2 inputs, got 1"),
        (lambda: Neuron(2)([1.0, 2.0, 3.0]), ValueError, "the neuron takes 2 inputs, got 3"),
        (lambda: MLP(2, []), ValueError, "nouts is empty"),
        (lambda: MLP(2, 3), TypeError, r"list of layer sizes, such as \[16, 16, 1\]"),
        (lambda: MLP(0, [3]), ValueError, "nin is 1 or more"),
        (lambda: MLP(2, [3, 0]), ValueError, "a layer size is 1 or more"),
        (lambda: MLP(2.0, [3]), TypeError, "nin is a whole number"),
        (lambda: Neuron(0), ValueError, "^nin is 1 or more"),
        (lambda: Layer(0, 3), ValueError, "^nin is 1 or more"),
        (lambda: Layer(3, 0), ValueError, "^nout is 1 or more"),
        (lambda: Layer(3, True), TypeError, "^nout is a whole number, got True"),
        (lambda: Neuron([[0.0]] * 99), TypeError, r"nin is a whole number, got .{60}$"),
        (lambda: MLP(2, {0} | {*range(99)}), TypeError, r"such as \[16, 16, 1\], got .{60}$"),
        (lambda: Neuron(2)([]), ValueError, "takes 2 inputs, got 0$"),
        (
            lambda: Neuron(2)({1.0, 2.0}),
            TypeError,
            "inputs in a list, in their order, got {1.0, 2.0}",
        ),
        (
            lambda: Neuron(2)({0: 1.0, 1: 2.0}),
            TypeError,
            "inputs in a list, in their order, got {0",
        ),
        (lambda: Neuron(2)([1.0]), ValueError, "takes 2 inputs, got 1$"),
        (lambda: Neuron(1)([[1.0]]), ValueError, "got 1 rows"),
        (
            lambda: MLP(2, [3], output="rleu"),
            ValueError,
            "activation should be one of linear, relu",
        ),
        (lambda: MLP(2, [3], "rleu"), ValueError, "got 'rleu'"),
        (lambda: MLP(2, [3], output="softmax"), ValueError, r"nn\.cross_entropy"),
        (lambda: MLP(2, [3], init="normal"), ValueError, "init should be one of uniform, he"),
        (lambda: MLP(2, [3], seed=1, rng=Random(1)), ValueError, "not both"),
    ],
)
def test_what_makes_no_network_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_micrograd_s_words_for_a_neuron():
    straight, rectified = Neuron(2, False, seed=1), Neuron(2, True, seed=1)
    assert (straight.nonlin, rectified.nonlin, Neuron(2, nonlin=False).nonlin) == (
        False,
        True,
        False,
    )
    assert (straight.activation, rectified.activation) == ("linear", "relu")
    assert straight([1.0, -9.0]).data == straight.w[0].data - 9.0 * straight.w[1].data
    assert rectified([1.0, -9.0]).data == max(0.0, straight([1.0, -9.0]).data)
    assert [n.nonlin for n in Layer(2, 2, nonlin=False).neurons] == [False, False]
    assert [n.nonlin for n in MLP(2, [3, 1]).layers[0].neurons] == [True] * 3
    assert not MLP(2, [3, 1]).layers[1].neurons[0].nonlin


class Marked(Value):
    """A Value with something more to it."""

    __slots__ = ("mark",)


@pytest.mark.parametrize("model", [Neuron(3, "tanh", seed=1), MLP(3, [2, 1], seed=1)])
def test_inputs_of_any_kind_of_number(model):
    mine = Marked(0.5)
    y = model([mine, True, False])
    assert y.data == model([0.5, 1.0, 0.0]).data
    y.backward()
    assert mine.grad != 0
    assert mine in autograd.topological_order(y)
    numpy = pytest.importorskip("numpy")
    assert model([0.5, numpy.bool_(True), numpy.False_]).data == y.data
    assert model(numpy.array([True, True, False])).data == model([1.0, 1.0, 0.0]).data


def test_a_neuron_that_holds_more_learns_more():
    class Scaled(Neuron):
        def __init__(self):
            super().__init__(2, seed=1)
            self.scale = Value(2.0)

    neuron = Scaled()
    assert neuron.parameters() == [*neuron.w, neuron.b, neuron.scale]
    assert Neuron(2, seed=1).parameters()[-1].label == "b"


def test_what_stands_alone_has_a_box_of_its_own():
    neuron = Neuron(2, seed=1)
    with neuron.box:
        assert Value(1.0).scope == ("neuron",)
    first, second = Layer(2, 2, seed=1)([1.0, 2.0])
    assert (first.scope, second.scope) == (("layer", "neuron 0"), ("layer", "neuron 1"))


def test_numbers_are_constants():
    for row in ([1, 2], [1.0, 2.0], [True, False]):
        z = Neuron(2, "linear", seed=1)(row)
        assert [parent.requires_grad for parent in z.parents] == [True, True, False, False, True]


def test_a_function_without_a_name_is_an_activation_too():
    slope = partial(autograd.leaky_relu, negative_slope=0.5)
    assert Neuron(1, slope, seed=1).activation == "custom"
    assert repr(Layer(1, 1, slope, seed=1)) == "Layer(1, 1, activation='custom')"


# -- neurons and layers of one's own ---------------------------------------------------------------


class Half(Neuron):
    def __call__(self, x):
        return super().__call__(x) * 0.5


class Doubled(Layer):
    def __call__(self, x):
        outputs = super().__call__(x)
        return [2.0 * a for a in outputs] if isinstance(outputs, list) else 2.0 * outputs


def test_a_neuron_of_ones_own_is_called_in_a_layer_and_a_network():
    model = MLP(2, [3, 2, 1], "tanh", seed=0)
    expected = MLP(2, [3, 2, 1], "tanh", seed=0)
    half = Half(3, "tanh", seed=5)
    model.layers[1].neurons[0] = half
    row = [0.3, -0.7]
    hidden = expected.layers[0](row)
    second = [half(hidden).data, expected.layers[1](hidden)[1].data]
    assert [a.data for a in model.layers[1](hidden)] == second
    assert model(row).data == pytest.approx(expected.layers[2](second).data, rel=1e-15)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_layer_of_ones_own_is_called_in_a_network(place):
    model = MLP(2, [3, 1, 2], "tanh", seed=0)
    layer = model.layers[place]
    model.layers[place] = Doubled(layer.nin, len(layer.neurons), "tanh", seed=4)
    x = [0.3, -0.7]
    expected = x
    for each in model.layers:
        expected = each(expected)
    assert [a.data for a in model(x)] == [a.data for a in expected]


@pytest.mark.parametrize("activation", ["tanh", autograd.sigmoid, "linear"])
def test_an_activation_assigned_is_computed(activation):
    neuron, made = Neuron(2, "relu", seed=0), Neuron(2, activation, seed=0)
    neuron.activation = activation
    # weights are drawn as suits the activation
    made.load_state_dict(neuron.state_dict())
    assert repr(neuron) == repr(made)
    assert neuron([1.0, 2.0]).data == made([1.0, 2.0]).data
    with pytest.raises(ValueError, match="activation should be one of"):
        neuron.activation = "tanhh"
    assert repr(neuron) == repr(made)


def test_a_list_of_activations_is_refused_in_words():
    with pytest.raises(ValueError, match=r"or a function, got \['relu'\]"):
        MLP(2, [3, 1], ["relu"])


def test_activations_of_neurons_and_layers_of_ones_own_are_theirs_to_tell():
    class Told(Doubled):
        def activations(self, x):
            z, a = Layer(self.nin, len(self.neurons), "tanh", seed=4).activations(x)
            return LayerActivations(z, [2.0 * each for each in a])

    neurons, layers = (MLP(2, [3, 1], "tanh", seed=0) for _ in range(2))
    neurons.layers[0].neurons[1] = Half(2, "tanh", seed=5)
    layers.layers[0] = Doubled(2, 3, "tanh", seed=4)
    for model, name in ((neurons, "Half"), (layers, "Doubled")):
        with pytest.raises(TypeError, match=f"{name} has a __call__ .*define activations"):
            model.activations([0.3, -0.7])
    layers.layers[0] = Told(2, 3, "tanh", seed=4)
    output = layers([0.3, -0.7]).data
    assert layers.activations([0.3, -0.7])[-1].a[0].data == output
