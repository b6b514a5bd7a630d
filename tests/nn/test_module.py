"""Modules find what they hold, and tell it by name."""

import copy
import pickle
from dataclasses import dataclass

import pytest

from autograd import Value
from nn import MLP, Layer, Module, Neuron


class Pair(Module):
    def __init__(self) -> None:
        self.scale = Value(2.0)
        self.by_name = {"left": Value(3.0), "right": [Value(4.0), Value(5.0)]}
        self.layer = Layer(1, 1, seed=0)
        self.fixed = Value(1.0, requires_grad=False)
        self.words = ("not", "parameters", 3)
        self.again = self.scale


def test_parameters_are_found_in_attributes_containers_and_modules_once():
    names = [name for name, _ in Pair().named_parameters()]
    assert names == [
        "scale", "by_name.left", "by_name.right.0", "by_name.right.1",
        "layer.neurons.0.w.0", "layer.neurons.0.b",
    ]  # fmt: skip


def test_parameters_are_the_values_themselves_in_the_order_of_their_names():
    pair = Pair()
    assert pair.parameters() == [parameter for _, parameter in pair.named_parameters()]
    assert pair.parameters()[0] is pair.scale


def test_a_computed_value_in_an_attribute_is_no_parameter():
    pair = Pair()
    pair.remembered = pair.scale * 3.0
    assert "remembered" not in dict(pair.named_parameters())


def test_zero_grad_clears_every_gradient():
    pair = Pair()
    for parameter in pair.parameters():
        parameter.grad = 1.0
    pair.zero_grad()
    assert {parameter.grad for parameter in pair.parameters()} == {0.0}


def test_state_dict_goes_from_one_model_to_another():
    a, b = MLP(2, [3, 1], seed=1), MLP(2, [3, 1], seed=2)
    assert a.state_dict() != b.state_dict()
    b.load_state_dict(a.state_dict())
    assert a.state_dict() == b.state_dict()
    assert a([1.0, 2.0]).data == b([1.0, 2.0]).data


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda state: state.pop("layers.0.neurons.1.b"), r"layers\.0\.neurons\.1\.b missing"),
        (lambda state: state.update(extra=1.0), "extra not in this model"),
        (
            lambda state: state.update({"layers.0.neurons.1.b": "1"}),
            r"neurons\.1\.b should be a number",
        ),
        (
            lambda state: state.update({"layers.0.neurons.1.b": True}),
            r"neurons\.1\.b should be a number",
        ),
    ],
)
def test_another_models_state_is_refused_and_nothing_changes(change, complaint):
    model = MLP(2, [3, 1], seed=1)
    before = model.state_dict()
    state = MLP(2, [3, 1], seed=2).state_dict()
    change(state)
    with pytest.raises(ValueError, match=complaint):
        model.load_state_dict(state)
    assert model.state_dict() == before


def test_many_missing_names_are_counted_not_listed():
    with pytest.raises(ValueError, match="and 10 more missing"):
        MLP(2, [3, 1], seed=1).load_state_dict({})
    module = Module()
    module.parts = [Value(0.0) for _ in range(4)]
    for state, words in [
        ({"parts.2": 1.0}, "parts.0, parts.1, parts.3 missing from it"),
        (
            {"d": 1.0, "b": 1.0, "c": 1.0, "a": 1.0},
            "parts.0, parts.1, parts.2 and 1 more missing from it and "
            "a, b, c and 1 more not in this model",
        ),
    ]:
        with pytest.raises(ValueError, match="the state is another model's: ") as raised:
            module.load_state_dict(state)
        assert str(raised.value) == f"the state is another model's: {words}"


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        (None, TypeError, "a state is a dict of numbers by name, got None"),
        ([1.0], TypeError, r"by name, got \[1.0\]"),
        ({"a": 1.0, 2: 1.0}, ValueError, "another model's: 2 not in this model"),
        ({"a": 10**400}, ValueError, "a is too large for a float"),
        ({"a": "x" * 1000}, ValueError, "a should be a number, got 'x{59}$"),
        ({"a": 1.0, "b" * 1000: 1.0}, ValueError, " b{80} not in this model"),
        ({"a": 1.0, "\x1b[2J\u202e": 1.0}, ValueError, r"'\\x1b\[2J\\u202e' not in this model"),
    ],
)
def test_what_is_no_state_is_refused_in_words_that_a_terminal_can_show(state, error, words):
    module = Module()
    module.a = Value(3.0)
    with pytest.raises(error, match=words) as raised:
        module.load_state_dict(state)
    assert str(raised.value).isprintable()
    assert module.a.data == 3.0


@pytest.mark.parametrize("given", ["x", 10**400])
def test_a_name_of_the_model_s_own_is_shown_without_controls_too(given):
    module = Module()
    module.held = {"a\x1b[2J\u061c": Value(3.0)}
    with pytest.raises(ValueError, match=r"^'held.a\\x1b\[2J\\u061c' (should|is)") as raised:
        module.load_state_dict({"held.a\x1b[2J\u061c": given})
    assert str(raised.value).isprintable()


def test_repr_shows_the_tree():
    class Both(Module):
        def __init__(self) -> None:
            self.first, self.rest = MLP(2, [3], seed=0), [Layer(3, 1, seed=0)]

    assert repr(Both()).splitlines() == [
        "Both(",
        "  (first): MLP(",
        "    (layers.0): Layer(2, 3, activation='linear')",
        "  )",
        "  (rest.0): Layer(3, 1, activation='relu')",
        ")",
    ]


@pytest.mark.parametrize("activation", ["relu", "tanh", "linear", "gelu"])
def test_a_model_can_be_copied_and_can_travel_to_another_process(activation):
    model = MLP(2, [3, 1], activation, seed=1)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other([1.0, 2.0]).data == model([1.0, 2.0]).data
        other.parameters()[0].data = 9.0
        assert model.parameters()[0].data != 9.0
        assert other.layers[0].neurons[1].w[0].scope == ("layer 1", "neuron 1")


def test_a_module_without_parts_counts_its_parameters():
    module = Module()
    assert repr(module) == "Module(0 parameters)"
    module.held = [Value(1.0), Value(2.0)]
    assert repr(module) == "Module(2 parameters)"


def test_two_parameters_of_one_name_are_refused():
    module = Module()
    module.alone = Value(0.0)
    module.held = {0: Value(1.0), "0": Value(2.0)}
    for use in (module.state_dict, lambda: module.load_state_dict({"held.0": 3.0})):
        with pytest.raises(ValueError, match=r"the same name 'held\.0'"):
            use()
    assert [p.data for p in module.parameters()] == [0.0, 1.0, 2.0]


def test_a_frozen_parameter_is_saved_and_loaded_but_does_not_learn():
    model, other = MLP(1, [1], seed=1), MLP(1, [1], seed=2)
    model.parameters()[0].requires_grad = False
    assert [name for name, _ in model.named_parameters()] == ["layers.0.neurons.0.b"]
    other.load_state_dict(model.state_dict())
    assert other([2.0]).data == model([2.0]).data


# -- where parameters lie --------------------------------------------------------------------------


def test_parameters_lie_in_arrays_of_values():
    numpy = pytest.importorskip("numpy")

    class Arrays(Module):
        def __init__(self):
            self.w = numpy.array([[Value(1.0), Value(2.0)]], dtype=object)
            self.scale = numpy.array([3.0, 4.0])

    model = Arrays()
    assert model.parameters() == [*model.w[0]]
    assert model.state_dict() == {"w.0.0": 1.0, "w.0.1": 2.0}


@pytest.mark.parametrize("options", [{}, {"slots": True}, {"eq": False, "slots": True}])
def test_a_dataclass_may_be_a_module(options):
    @dataclass(**options)
    class Part(Module):
        weight: Value
        name: str

    @dataclass(**options)
    class Whole(Module):
        part: Part
        bias: Value

    model = Whole(Part(Value(2.0), "inner"), Value(1.0))
    assert model.parameters() == [model.part.weight, model.bias]
    assert model.state_dict() == {"part.weight": 2.0, "bias": 1.0}
    assert [name for name, _ in model.children()] == ["part"]


def test_a_slot_may_be_private_or_the_only_one():
    class Line(Module):
        __slots__ = ("__slope", "shift")

        def __init__(self):
            self.__slope, self.shift = Value(2.0), Value(1.0)

    class Scaled(Line):
        __slots__ = "factor"  # one name: not one for each letter

    model = Scaled()
    assert model.state_dict() == {"_Line__slope": 2.0, "shift": 1.0}
    model.factor = Value(3.0)
    assert [*model.state_dict()] == ["factor", "_Line__slope", "shift"]
    assert [p.data for p in model.parameters()] == [3.0, 2.0, 1.0]


def test_what_a_neuron_is_given_later_is_a_parameter_and_what_is_shared_is_one():
    neuron = Neuron(2, seed=0)
    neuron.gain = Value(1.0)
    neuron.w[1] = neuron.w[0]
    assert neuron.parameters() == [neuron.w[0], neuron.b, neuron.gain]
    assert [name for name, _ in neuron.named_parameters()] == ["w.0", "b", "gain"]
    neuron.b = 0.0
    assert neuron.parameters() == [neuron.w[0], neuron.gain]


def test_a_part_may_know_its_whole():
    whole, part = Module(), Module()
    whole.w, part.v = Value(1.0), Value(2.0)
    whole.part, part.whole = part, whole
    assert whole.parameters() == [whole.w, part.v]
    assert part.state_dict() == {"v": 2.0, "whole.w": 1.0}
    assert repr(whole) == "Module(\n  (part): Module(\n    (whole): ...\n  )\n)"
