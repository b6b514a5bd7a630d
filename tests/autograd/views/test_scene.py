"""The scene and its painter: every number against the engine, and JavaScript against Python."""

import json
import math
import random
import shutil
import struct
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value, scope, trace
from autograd.graph import topological_order
from autograd.views.folding import levels
from autograd.views.moment import moment
from autograd.views.page import static
from autograd.views.painter import paint
from autograd.views.scene import scene
from autograd.views.text import number
from autograd.views.words import show, sum_of
from tests.autograd.views.test_network import NETWORKS, network
from tests.strategies import payback_operations, programs, result

SVG = "{http://www.w3.org/2000/svg}"


def shared():
    x, y = Value(0.5, label="x"), Value(-1.5, label="y")
    z = (x * y).tanh()
    return z * z + autograd.dot([x, z], [y, x], 2.0) - z / 3 + autograd.maximum(x, y)


def scoped():
    x = Value(0.3, label="x")
    with scope("left"):
        a = x.exp() * x
    with scope("right"):
        b = a * x
        with scope("inner"):
            b = b.sin() * a
    return a * b + float("inf") * x


def parse(text):
    return ElementTree.fromstring(text)


def slots(tree):
    return {
        (t.get("data-slot"), int(t.get("data-of")), t.get("data-digits", "6")): t.text or ""
        for t in tree.iter(f"{SVG}text")
        if t.get("data-of")
    }


def check_against(root, tree):
    """Every slot of a picture at the end of the story against the engine's own numbers."""
    order = topological_order(root)
    told = slots(tree)
    story = trace(root)
    root.backward()
    for (slot, of, digits), text in told.items():
        if slot == "value":
            assert text == number(order[of].data, int(digits))
        elif slot == "grad":
            assert text == number(order[of].grad, int(digits))
        elif slot == "pile":
            zero = "−0" if order[of].grad == 0.0 else None  # a single payment keeps its sign
            assert text in {zero, *(number(order[of].grad, d) for d in (3, 4, 5, 6))}
        elif slot == "partial":
            edge = story.edges[of]
            partial = order[edge.consumer].partials[edge.slot]
            assert text.endswith(f"= {number(partial)}")
        else:
            assert slot == "heard"
            assert text == "✓"
    return told


@pytest.mark.parametrize(("sizes", "loss"), NETWORKS)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_number_of_a_network_is_the_engine_s(sizes, loss, level):
    root, zs = network(sizes, loss)
    for node in topological_order(root):
        node.grad = 0.0
    story = trace(root)
    tree = parse(paint(scene(story, level), moment(story, len(story.steps))))
    told = check_against(root, tree)
    number_of = {node: i for i, node in enumerate(topological_order(root))}
    shown = {of for slot, of, _ in told if slot == ("grad" if level else "pile")}
    assert {number_of[z] for layer in zs for z in layer} <= shown


@given(programs(), st.integers(0, 100))
def test_every_number_of_a_graph_is_the_engine_s(program, seed):
    leaves = [Value(x, label=f"x{i}") for i, x in enumerate(program.inputs)]
    root = leaves[0] * 1 + result(program, leaves, payback_operations())
    story = trace(root)
    check_against(root, parse(paint(scene(story), moment(story, len(story.steps)))))


@pytest.mark.parametrize("level", [1, 2])
def test_units_stand_in_their_order_and_layers_in_columns(level):
    root, _ = network((2, 12, 3), "cross")
    story = trace(root)
    told = scene(story, level)
    cards = [card for card in told.cards if card.kind == ("layer" if level == 1 else "unit")]
    spots = {(c.scope, c.title): told.places.nodes[c.key] for c in cards}
    if level == 1:
        assert spots[(), "layer 1"][0] < spots[(), "layer 2"][0]
        return
    for layer, count in (("layer 1", 12), ("layer 2", 3)):
        column = [spots[(layer,), f"neuron {k}"] for k in range(count)]
        assert len({round(x, 6) for x, _ in column}) == 1
        assert [y for _, y in column] == sorted(y for _, y in column)
    assert spots[("layer 1",), "neuron 0"][0] < spots[("layer 2",), "neuron 0"][0]
    xs = [told.places.nodes[c.key] for c in told.cards if c.kind == "leaf"]
    assert max(x for x, _ in xs) < spots[("layer 1",), "neuron 0"][0]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_cards_of_a_network_never_overlap(level):
    told = scene(trace(network((3, 5, 4, 2), "squared")[0]), level)
    spots = [(*told.places.nodes[card.key], card.width, card.height) for card in told.cards]
    for i, (x, y, w, h) in enumerate(spots):
        for x2, y2, w2, h2 in spots[:i]:
            assert abs(x - x2) >= (w + w2) / 2 or abs(y - y2) >= (h + h2) / 2


def test_a_layer_says_the_equation_that_holds():
    root, zs = network((2, 3, 3), "cross")
    story = trace(root)
    tree = parse(paint(scene(story, 1), moment(story, len(story.steps))))
    said = [t.text for t in tree.iter(f"{SVG}text") if "backward" in t.get("class")]
    assert sorted(said) == ["δ₁ = (W₂ᵀ δ₂) ⊙ tanh′(z₁)", "δ₂ = ∂L/∂z₂"]
    weights = [[w.data for w in z.parents[:3]] for z in zs[1]]
    for j, z in enumerate(zs[0]):
        owed = sum(row[j] * z2.grad for row, z2 in zip(weights, zs[1]))
        assert z.grad == pytest.approx(owed * (1 - math.tanh(z.data) ** 2))


def swish(z):
    return z * z.sigmoid()


def beside(model, x):
    """The second layer's outputs stand beside the first one's."""
    a, b, c = model.layers
    first = a(x)
    return c([*first, *b(first)])


def added(model, x):
    """What the third layer reads is the sum of what the others say."""
    a, b, c = model.layers
    first = a(x)
    return c([p + q for p, q in zip(first, b(first), strict=True)])


@pytest.mark.parametrize(
    ("activation", "through", "said"),
    [
        (swish, nn.MLP.__call__, ["z₂ = W₂ a₁ + b₂,  a₂ = f(z₂)", "δ₁ = (W₂ᵀ δ₂) ⊙ f′(z₁)"]),
        (abs, nn.MLP.__call__, ["z₁ = W₁ x + b₁,  a₁ = f(z₁)", "δ₂ = (W₃ᵀ δ₃) ⊙ f′(z₂)"]),
        ("elu", added, ["z₁ = W₁ x + b₁,  a₁ = elu(z₁)", "z₃ = W₃ h₂ + b₃"]),
        ("elu", beside, ["z₃ = W₃ h + b₃", "δ₂ = ∂L/∂a₂ ⊙ elu′(z₂)"]),
    ],
)
def test_no_layer_says_an_equation_that_does_not_hold(activation, through, said):
    model = nn.MLP(2, [2, 2, 1], activation, seed=1)
    if through is beside:
        model.layers[2] = nn.Layer(4, 1, "linear", seed=1, name="layer 3")
    root = nn.squared_error(through(model, [Value(0.5), 2 * Value(-1.0)]), [1.0])
    told = paint(scene(trace(root), 1), moment(trace(root), 0))
    assert [equation for equation in said if f">{equation}<" not in told] == []


@pytest.mark.parametrize("level", [1, 2])
def test_what_lies_between_layers_stands_between_them(level):
    """A residual is no loss, whatever it is made of."""
    model = nn.MLP(2, [2, 2, 1], seed=1)
    told = scene(trace(nn.squared_error(added(model, [Value(0.5), Value(-1.0)]), [1.0])), level)
    places, units = told.places.nodes, [card for card in told.cards if card.units]
    [between] = [card for card in told.cards if card.title == "h₂"]
    [loss] = [card for card in told.cards if card.root]
    assert [told.graph.nodes[i].op for i in between.nodes] == ["add", "add"]
    columns = [[places[card.key][0] for card in units if card.units[0].scope[0] == f"layer {k}"]
               for k in (1, 2, 3)]  # fmt: skip
    here = places[between.key][0]
    assert max(columns[0]) < min(columns[1]) <= max(columns[1]) < here < min(columns[2])
    assert max(columns[2]) < places[loss.key][0]


def test_a_layer_of_several_activations_says_none_for_all():
    model = nn.MLP(2, [2, 1], "tanh", seed=1)
    model.layers[0].neurons[1].activation = "linear"
    story = trace(model([Value(0.5), Value(-1.0)]))
    layers = paint(scene(story, 1), moment(story, 0))
    assert "a₁ = f(z₁)" in layers
    units = paint(scene(story, 2), moment(story, 0))
    assert "a₁₁ = tanh" in units


def test_a_recurrent_network_is_drawn_too():
    layer = nn.Layer(2, 2, "tanh", seed=1, name="step 1")
    root = autograd.sum(layer(layer([Value(0.5), Value(-1.0)])))
    for level in (0, 1, 2):
        story = trace(root)
        tree = parse(paint(scene(story, level), moment(story, len(story.steps))))
        drawn = [g.get("data-node") or g.get("data-nodes") for g in tree.iter(f"{SVG}g")]
        held = [int(i) for ids in drawn if ids for i in ids.split()]
        assert sorted(held) == list(range(len(story.nodes)))


# -- JavaScript says the same ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A function that runs a module beside the page's own in node, and gives what it prints."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("no node on this machine")
    folder = tmp_path_factory.mktemp("modules")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "numbers.js").write_text(static("numbers.js"), "utf-8")

    def run(code, told):
        (folder / "main.js").write_text(code, "utf-8")
        done = subprocess.run(
            [program, folder / "main.js"], input=json.dumps(told), capture_output=True, text=True,
            check=True, encoding="utf-8",
        )  # fmt: skip
        return json.loads(done.stdout)

    return run


def floats():
    draw = random.Random(5)
    some = [0.0, -0.0, 1.0, 1 / 3, 12345.678, 1e-5, 9.9999995, 0.00012345, 1e11, 123456789012.0]
    some += [1e12, 1e300, 5e-324, 999999.5, 2.5, 0.1 + 0.2, math.inf, math.nan]
    some += [draw.uniform(-1, 1) * 10 ** draw.randint(-9, 14) for _ in range(600)]
    some += [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(300)]
    some += [float(draw.randint(-(10**9), 10**9)) for _ in range(100)]
    return some + [-x for x in some]


def test_numbers_are_written_alike(node):
    told = [struct.pack("<d", x).hex() for x in floats()]
    code = """
        import { number, show, sumOf } from "./numbers.js";
        import { readFileSync } from "node:fs";
        const xs = JSON.parse(readFileSync(0)).map((hex) => Buffer.from(hex, "hex").readDoubleLE());
        const lines = xs.map((x) => [3, 4, 5, 6, 7].map((d) => [show(x, d), number(x, d)]));
        const sums = [1, 2, 8, 9, 12].map((n) => sumOf(xs.slice(0, n).map((x) => number(x))));
        console.log(JSON.stringify([lines, sums]));
    """
    lines, sums = node(code, told)
    for x, line in zip(floats(), lines):
        assert line == [[show(x, d), number(x, d)] for d in (3, 4, 5, 6, 7)], x
    assert sums == [sum_of([number(x) for x in floats()[:n]]) for n in (1, 2, 8, 9, 12)]


READ = """() => {
  const svg = document.querySelector("svg.board");
  const all = (selector) => [...svg.querySelectorAll(selector)];
  const of = (e) => [e.dataset.slot, e.dataset.of ?? "", e.dataset.digits ?? ""].join(" ");
  const classes = (e) => [...e.classList].filter((c) => c !== "arrived").sort().join(" ");
  const ids = (e) => Object.entries(e.dataset).filter(([k]) => /^(node|edge)s?$/.test(k));
  return {
    slots: all("text[data-slot]").map((e) => [of(e), e.textContent]),
    groups: all("g.node, g.edge").map((e) =>
      [ids(e).flat().join(" "), classes(e), e.dataset.state ?? ""]),
    heat: all("rect.heat").map((e) => [of(e), e.getAttribute("opacity"), classes(e)]),
  };
}"""


@pytest.mark.parametrize("graph", ["shared", "scoped", "one", "three"])
def test_the_page_paints_what_python_paints_at_every_step(opened, graph):
    roots = {
        "shared": shared,
        "scoped": scoped,
        "one": lambda: network((2, 3, 1), "squared")[0],
        "three": lambda: network((2, 2, 3), "cross")[0],
    }
    story = trace(roots[graph]())
    tab = opened(story)
    for level in levels(story):
        if len(levels(story)) > 1:
            tab.locator('[data-control="level"]').select_option(str(level))
        laid = scene(story, level)
        for taken in range(len(story.steps) + 1):
            tab.evaluate("k => document.querySelector('.payback').payback.go(k)", taken)
            shown = tab.evaluate(READ)
            painted = browserless(paint(laid, moment(story, taken)))
            assert shown["slots"] == painted["slots"], (level, taken)
            assert shown["groups"] == painted["groups"], (level, taken)
            assert shown["heat"] == painted["heat"], (level, taken)


def browserless(svg):
    """What `READ` reads, from Python's own painting."""
    tree = parse(svg)

    def of(element):
        return " ".join(element.get(f"data-{k}", "") for k in ("slot", "of", "digits"))

    def classes(element):
        return " ".join(sorted(element.get("class").split()))

    def name(group):
        held = [(k, group.get(f"data-{k}")) for k in ("node", "nodes", "edge", "edges")]
        return " ".join(f"{k} {v}" for k, v in held if v is not None)

    groups = [g for g in tree.iter(f"{SVG}g") if {"node", "edge"} & set(g.get("class", "").split())]
    return {
        "slots": [[of(t), t.text or ""] for t in tree.iter(f"{SVG}text") if t.get("data-slot")],
        "groups": [[name(g), classes(g), g.get("data-state", "")] for g in groups],
        "heat": [
            [of(r), r.get("opacity"), classes(r)]
            for r in tree.iter(f"{SVG}rect")
            if "heat" in r.get("class", "")
        ],
    }
