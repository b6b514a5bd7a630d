"""Networks: names, order and every δ against the engine."""

import random
import re
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value, scope, trace
from autograd.graph import topological_order
from autograd.views.records import graph_of
from autograd.views.scene import scene
from autograd.views.words import show

LOSSES = {
    "squared": lambda out: nn.squared_error(out, [0.5 * k for k in range(len(out))]),
    "cross": lambda out: nn.cross_entropy(out, len(out) - 1),
    "last first": lambda out: out[-1] * out[0] + out[len(out) // 2],
    "shared": lambda out: nn.mse_loss(out, [1.0] * len(out)) + out[0] * out[0],
}


def network(sizes, loss, seed=3, activation="tanh"):
    """A loss after backward(), and z of every layer in unit order, as the engine made them."""
    model = nn.MLP(sizes[0], sizes[1:], activation=activation, seed=seed)
    draw = random.Random(seed)
    x = [Value(draw.uniform(-1, 1), label=f"x{i}") for i in range(sizes[0])]
    layers = model.activations(x)
    root = LOSSES[loss](list(layers[-1].a))
    root.backward()
    return root, [layer.z for layer in layers]


NETWORKS = [
    ((2, 3, 1), "squared"),
    ((2, 3, 3), "cross"),
    ((3, 4, 3, 2), "squared"),
    ((2, 3, 3), "last first"),
    ((2, 12, 2), "shared"),
]


@pytest.mark.parametrize(("sizes", "loss"), NETWORKS)
class TestStory:
    def test_each_layer_is_told_once_each_way(self, sizes, loss):
        story = trace(network(sizes, loss)[0])
        for kinds in ({"eval"}, {"settle", "pay"}):
            about = (
                story.nodes[step.node if step.edge is None else story.edges[step.edge].consumer]
                for step in story.steps
                if step.kind in kinds
            )
            scopes = [node.scope[:1] for node in about if not node.leaf and node.scope]
            told = [name for (name,), _ in groupby(scopes)]
            assert len(told) == len(set(told)) == len(sizes) - 1

    def test_layers_hold_units_in_their_order(self, sizes, loss):
        root, zs = network(sizes, loss)
        order = topological_order(root)
        number = {node: i for i, node in enumerate(order)}
        told = [[unit.sums for unit in layer.units] for layer in trace(root).layers]
        assert told == [[(number[z],) for z in layer] for layer in zs]

    def test_piles_are_the_engine_s_bit_for_bit(self, sizes, loss):
        root, _ = network(sizes, loss)
        story, order = trace(root), topological_order(root)
        for step in story.steps:
            if step.kind == "settle":
                assert step.pile_after == order[step.node].grad

    def test_names_tell_layer_unit_and_input(self, sizes, loss):
        root, zs = network(sizes, loss)
        name = dict(zip(topological_order(root), (node.name for node in trace(root).nodes)))
        plain = str.maketrans("₀₁₂₃₄₅₆₇₈₉‚", "0123456789,")
        mark = "," if max(sizes) > 9 else ""
        for i, layer in enumerate(zs, 1):
            for j, z in enumerate(layer, 1):
                assert name[z].translate(plain) == f"z{i}{mark}{j}"
                for k in range(1, sizes[i - 1] + 1):
                    assert name[z.parents[k - 1]].translate(plain) == f"w{i}{mark}{j}{mark}{k}"
                assert name[z.parents[-1]].translate(plain) == f"b{i}{mark}{j}"
        assert len(set(name.values()) - {"0.5", "0", "1"}) >= len(zs)


class TestPage:
    @pytest.mark.parametrize(("sizes", "loss"), NETWORKS)
    @pytest.mark.parametrize("level", [1, 2])
    def test_every_delta_in_caption_and_card_is_the_engine_s(self, opened, sizes, loss, level):
        root, zs = network(sizes, loss)
        told = captions(opened(trace(root)), level)
        stated = [re.search(r"∂L/∂z = (.*)", text)[1] for text in told if "∂L/∂z" in text]
        wanted = [z for layer in reversed(zs) for z in layer]
        if level == 1:
            assert stated == [listed(layer) for layer in reversed(zs)]
        else:
            assert sorted(stated) == sorted(show(z.grad, 4) for z in wanted)

    def test_the_first_press_reads_all_that_is_given(self, opened):
        root, _ = network((2, 3, 1), "squared")
        story = trace(root)
        [first, *_] = captions(opened(story), 1)
        assert first == f"All given numbers are read in: {sum(n.leaf for n in story.nodes)}."


def listed(layer):
    return ", ".join(show(z.grad, 4) for z in layer[:6]) + (", …" if len(layer) > 6 else "")


def captions(tab, level):
    """What is said from the start to the end at a level of folding."""
    tab.locator('[data-control="level"]').select_option(str(level))
    told = []
    while tab.evaluate(
        "(s => s.dataset.step !== s.dataset.steps)(document.querySelector('.payback'))"
    ):
        tab.keyboard.press("ArrowRight")
        told.append(tab.locator("[aria-live]").text_content())
    return told


@given(st.lists(st.sampled_from(["s", "t", "u"]), min_size=1, max_size=12), st.integers(0, 99))
def test_scopes_are_kept_together_and_nothing_else_changes(names, seed):
    draw, made = random.Random(seed), [Value(0.5, label="x"), Value(2.0, label="y")]
    for name in names:
        with scope(name):
            a, b = draw.choice(made), draw.choice(made)
            made.append(draw.choice([a * b, a + b, a.tanh()]))
    root = made[-1] * made[0] * 0.1
    root.backward()
    story, order = trace(root), topological_order(root)
    assert sorted(step.node for step in story.steps if step.kind == "eval") == list(
        range(len(order))
    )
    settled = set()
    for step in story.steps:
        if step.kind == "settle":
            assert step.pile_after == order[step.node].grad
            settled.add(step.node)
        elif step.kind == "pay":
            assert story.edges[step.edge].consumer in settled
            assert story.edges[step.edge].parent not in settled


# -- names -----------------------------------------------------------------------------------------


def graph(root):
    return graph_of(topological_order(root))


def names(root):
    return {node.name for node in graph(root).nodes}


def linear(inputs, units):
    """A layer of units by hand, each in its scope, all reading the same inputs."""
    xs = [Value(0.5) for _ in range(inputs)]
    made = []
    with scope("layer 1"):
        for k in range(units):
            with scope(f"neuron {k}"):
                weights = [Value(0.25) for _ in xs]
                made.append(autograd.dot(weights, xs, Value(1.0)))
    return autograd.sum(made)


def test_units_are_numbered_scopes_inside_another():
    with scope("part 0"):
        alone = autograd.dot([Value(1.0)], [Value(2.0)])
    assert graph(alone * 1).layers == ()
    with scope("outer"), scope("inner"):
        nameless = autograd.dot([Value(1.0)], [Value(2.0)])
    assert graph(nameless * 1).layers == ()
    with scope("model"):
        [layer] = graph(linear(2, 3)).layers
    assert [unit.number for unit in layer.units] == [1, 2, 3]
    assert layer.scope == ("model", "layer 1")
    assert {unit.scope[:2] for unit in layer.units} == {layer.scope}


def test_a_unit_knows_its_parts():
    told = graph(linear(2, 2))
    for unit in told.layers[0].units:
        [z] = unit.sums
        operands = [operand.id for operand in told.nodes[z].parents]
        assert [*unit.weights, *unit.inputs, unit.bias] == operands
        assert unit.parameters == (*unit.weights, unit.bias)
        assert unit.outputs == unit.sums


def test_a_comma_stands_where_a_number_has_two_digits():
    assert {"z₁₉", "w₁₉₁", "b₁₉", "x₁"} <= names(linear(1, 9))
    assert {"z₁‚₁₀", "z₁‚₉", "w₁‚₁₀‚₁"} <= names(linear(1, 10))
    assert {"w₁₁₉", "x₉"} <= names(linear(9, 1))
    assert {"w₁‚₁‚₁₀", "x₁₀"} <= names(linear(10, 1))


def test_layers_that_names_do_not_tell_apart_are_counted():
    with scope("f"):
        f = linear(1, 1)
    with scope("g"):
        g = linear(1, 1)
    assert [layer.number for layer in graph(f * g).layers] == [1, 2]
    with scope("layer 5"), scope("neuron 0"):
        alone = autograd.dot([Value(1.0)], [Value(2.0)])
    assert [layer.number for layer in graph(alone * 1).layers] == [5]


def test_what_the_user_named_keeps_its_name():
    x = Value(0.5)
    with scope("layer 1"), scope("neuron 0"):
        w, v, b = Value(1.0, label="slope"), Value(2.0), Value(3.0, label="b")
        z = autograd.dot([w, v], [x, x], b)
        a = z.tanh()
        a.label = "out"
    root = a * 2
    told = graph(root)
    by_value = {node.value: node.name for node in told.nodes}
    assert (by_value[1.0], by_value[3.0], by_value[0.5]) == ("slope", "b₁₁", "x₁")
    assert {"z₁₁", "out", "w₁₁₂", "L"} <= {node.name for node in told.nodes}


def test_a_leaf_that_two_units_share_belongs_to_neither():
    w, x = Value(1.0), Value(0.5)
    with scope("layer 1"):
        made = []
        for k in range(2):
            with scope(f"neuron {k}"):
                made.append(autograd.dot([w], [x]))
    told = graph(autograd.sum(made))
    assert not any(node.name.startswith("w") for node in told.nodes)
    assert sum(node.name == "x₁" for node in told.nodes) == 1


def test_letters_are_given_without_those_taken():
    x = Value(1.0, label="a")
    y = (x * 2 + 1) * x
    assert [node.name for node in graph(y).nodes if not node.constant] == ["a", "b", "c", "d"]
    many = Value(1.0, label="x")
    for _ in range(20):
        many = many + 1
    assert graph(many).root.name == "v"  # the twentieth free letter: no l, no o, no x
    more = graph(many + 1)
    assert more.root.name == f"v{more.root.id}"


def test_equal_labels_are_counted():
    a, b, c = (Value(float(k), label="w") for k in range(3))
    assert [node.name for node in graph(a + b + c).nodes if node.leaf] == ["w", "w#2", "w#3"]


def test_names_are_one_for_each_node():
    x = Value(1.0, label="x")
    order = topological_order(x * x)
    assert [node.name for node in graph_of(order, ["p", ""]).nodes] == ["p", "a"]
    with pytest.raises(ValueError, match="names takes one for each of 2 nodes, got 3"):
        graph_of(order, ["p", "q", "r"])


def named(root):
    return [node.name for node in trace(root).nodes]


def weighed(bias=0.0, **labels):
    """A unit made by hand: two weights, two inputs."""
    with scope("layer 1"), scope("neuron 0"):
        w = [Value(0.5, label=labels.get("w0", "")), Value(2.0, label="w1")]
        b = Value(1.0, label=labels.get("b", "")) if bias is None else bias
    x = [Value(3.0), Value(4.0, label="x₂")]
    with scope("layer 1"), scope("neuron 0"):
        return autograd.dot(w, x, b)


def test_parameters_are_named_unless_their_user_named_them():
    assert {"w₁₁₁", "w₁₁₂", "x₁", "x₂", "b₁₁", "z₁₁"} == {*named(weighed(None))}
    assert {"mine", "w₁₁₂", "x₁", "x₂", "b₁₁", "z₁₁"} == {*named(weighed(None, w0="mine"))}
    assert {"w₁₁₁", "w₁₁₂", "x₁", "x₂", "hers", "z₁₁"} == {*named(weighed(None, b="hers"))}


def test_a_unit_without_bias_names_nothing_a_bias():
    assert sorted(named(weighed())) == sorted(["w₁₁₁", "w₁₁₂", "x₁", "x₂", "0", "z₁₁"])
    shared = Value(1.0, label="")
    assert "b₁₁" not in named(weighed(shared))


def test_an_operation_of_ones_own_called_dot_is_no_weighted_sum():
    x, y = Value(3.0, label="x"), Value(2.0, label="y")
    with scope("layer 1"), scope("neuron 0"):
        story = trace(Value(6.0, (x, y), (2.0, 3.0), op="dot"))
    assert story.layers == ()
    assert [node.name for node in story.nodes] == ["x", "y", "a"]


@pytest.mark.parametrize(("layers", "last"), [(9, "z₉₁"), (10, "z₁₀‚₁")])
def test_two_digits_are_kept_apart(layers, last):
    root = nn.MLP(1, [1] * layers, activation="linear", seed=1)([1.0])
    assert trace(root).root.name == last


def test_layers_may_be_counted_from_0():
    x = Value(1.0, label="x")
    for layer in ("layer 0", "layer 1"):
        with scope(layer), scope("neuron 0"):
            x = autograd.dot([Value(0.5)], [x], Value(1.0))
    assert {"w₀₁₁", "b₀₁", "z₀₁", "w₁₁₁", "b₁₁", "z₁₁"} < {*named(x)}


def test_only_given_numbers_are_inputs():
    x, y = Value(0.5, label="x"), Value(1.0, label="y")
    with scope("data"):
        z = Value(2.0, label="z")
    graph = graph_of(topological_order(nn.MLP(3, [2, 1], seed=1)([x * 2, y, z])))
    [inputs] = [card for card in scene(graph, 1).cards if card.kind == "inputs"]
    assert [graph.nodes[i].label for i in inputs.nodes] == ["y"]


def test_whoever_writes_the_inputs_first_means_the_same():
    x = [Value(0.5, label="x"), Value(2.0, label="y")]

    def unit(turned, trained=True):
        outside = [Value(0.25), Value(0.75)]
        with scope("layer 1"), scope("neuron 0"):
            weights = [Value(0.25), Value(0.75)] if trained else outside
            given = x if trained else [0.5, 2.0]
            pair = (given, weights) if turned else (weights, given)
            root = autograd.dot(*pair, Value(1.0))
        told = graph(root * 1)
        [found] = told.layers[0].units
        return [[told.nodes[i].value for i in ids] for ids in (found.weights, found.inputs)]

    assert unit(turned=True) == unit(turned=False) == [[0.25, 0.75], [0.5, 2.0]]
    # plain numbers become constants in the unit's scope: these are not its weights
    assert unit(turned=False, trained=False) == [[0.25, 0.75], [0.5, 2.0]]
