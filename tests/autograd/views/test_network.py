"""Networks: names, order and every δ against the engine."""

import random
import re
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autograd import Value, scope, trace
from autograd.graph import topological_order
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
