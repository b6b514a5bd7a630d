"""Pictures: what they show, that no label breaks or escapes them, that files are safe."""

import gc
import os
import re
import struct
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as ElementTree
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import autograd
import nn
from autograd import Value, scope, trace
from autograd.graph import edges, topological_order
from autograd.views import draw as draw_module
from autograd.views import formats
from autograd.views.draw import draw, save, to_svg
from autograd.views.folding import groups_of, levels, suiting
from autograd.views.layout import graphviz_output
from autograd.views.painter import n, tip
from autograd.views.records import graph_of
from autograd.views.scene import pill_width, scene
from autograd.views.text import clean, columns, number, shorten
from tests.strategies import payback_operations, result, wild_programs

SVG = "{http://www.w3.org/2000/svg}"

HOSTILE = [
    "<script>alert(1)</script>",
    '"; shape=none; "',
    "'\"&<>",
    "line\nbreak\r\ttab",
    r"\N \G \E \L \l \r \n",
    "{a|b}",
    "<<b>html</b>>",
    "</title></g></svg><script>x</script>",
    "]]><!-- --> &amp; &#0; &lt;",
    "nul\0 bell\x07 esc\x1b[31m del\x7f c1\x85",
    "\ud800 lone surrogate \ufffe \uffff",
    "\u202eright to left\u2028separator",
    "中文标签，很长很长很长很长很长很长很长很长",
    "x" * 10_000,
    "&" * 10_000,
    "e\u0301" * 300,
    "%s {0} ${x}",
    " ",
    "🙂👩‍👩‍👧‍👦",
    "-->\\",
    "\\",
]


PICTURES = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".dot": b"digraph"}
NEEDED = {".png": "typst", ".pdf": "typst"}


def installed():
    """The kinds of files that can be written here."""
    return [s for s in PICTURES if s not in NEEDED or find_spec(NEEDED[s])]


def seed_graph():
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    c, d = a + b, b + 1
    c.label, d.label = "c", "d"
    e = c * d
    e.label = "e"
    return e


def parsed(svg):
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    names = {element.tag.removeprefix(SVG) for element in root.iter()}
    drawing = {"svg", "title", "style", "g", "rect", "path", "text", "tspan"}
    assert names <= drawing, names - drawing
    handlers = [a for element in root.iter() for a in element.attrib if a.startswith("on")]
    assert not handlers
    return root


def groups(root, attribute):
    return {g.get(attribute): g for g in root.iter(f"{SVG}g") if g.get(attribute) is not None}


def text_of(element):
    return [text_of_one(text) for text in element.iter(f"{SVG}text")]


def text_of_one(text):
    return "".join(text.itertext())


def test_the_seed_graph_shows_labels_operations_data_gradients_and_local_derivatives():
    e = seed_graph()
    e.backward()
    root = parsed(to_svg(e))
    nodes, lines = groups(root, "data-node"), groups(root, "data-edge")
    order = topological_order(e)
    told = {order[int(i)].label: text_of(g) for i, g in nodes.items()}
    assert told["a"] == ["a", "2", "grad", "2", ""]
    assert told["b"] == ["b", "1", "grad", "5", ""]
    assert told["c"] == ["c+", "3", "grad", "2", ""]
    assert told["e"] == ["e×", "6", "grad", "1", ""]
    assert told[""] == ["1"]
    assert [text_of(lines[str(i)])[0] for i in range(5)] == [
        "∂c/∂a = 1",
        "∂c/∂b = 1",
        "∂d/∂b = 1",
        "∂e/∂c = d = 2",
        "∂e/∂d = c = 3",
    ]


def shapes(svg, name):
    """The rectangles of a class in each node, by the node's kind."""
    nodes = groups(parsed(svg), "data-node").values()
    return {
        g.get("class").removeprefix("node "): [
            r for r in g.findall(f"{SVG}rect") if r.get("class") == name
        ]
        for g in nodes
    }


def test_kinds_of_nodes_differ_in_shape_not_only_in_colour():
    svg = to_svg(seed_graph(), gradients=True)
    cards, seconds = shapes(svg, "card"), shapes(svg, "second")
    assert set(cards) == {"leaf", "number", "inner", "inner root"}
    assert [kind for kind in cards if seconds[kind]] == ["inner root"]
    radius = {kind: float(card.get("rx")) for kind, [card] in cards.items()}
    assert radius["leaf"] > 2 * radius["inner"]
    assert 2 * radius["number"] == float(cards["number"][0].get("height"))
    assert ".number .card { stroke-dasharray" in svg


def test_constants_are_quiet():
    root = parsed(to_svg(seed_graph()))
    lines = [path for path in root.iter(f"{SVG}path") if path.get("class") == "quiet"]
    assert len(lines) == 1
    assert re.search(r"\.quiet \{[^}]*stroke-dasharray", to_svg(seed_graph()))


def test_gradients_appear_after_backward_unless_told_otherwise():
    e = seed_graph()
    assert "grad" not in "".join(text_of(parsed(to_svg(e))))
    assert "grad0" in "".join(text_of(parsed(to_svg(e, gradients=True))))
    e.backward()
    assert "grad5" in "".join(text_of(parsed(to_svg(e))))
    assert "grad" not in "".join(text_of(parsed(to_svg(e, gradients=False))))


def test_a_square_has_two_edges_and_never_one_name_for_both():
    x = Value(3.0, label="x")
    y = x * x
    y.label = "y"
    lines = groups(parsed(to_svg(y)), "data-edge")
    assert [text_of(lines[i]) for i in ("0", "1")] == [["∂ = x = 3"], ["∂ = x = 3"]]


def test_a_gradient_that_is_a_value_is_shown_as_its_number():
    x = Value(3.0, label="x")
    y = x * x
    y.backward(create_graph=True)
    assert "grad6" in "".join(text_of(parsed(to_svg(y))))


def test_chinese_picture():
    e = seed_graph()
    e.label = "损失"
    e.backward()
    told = text_of(parsed(to_svg(e, lang="zh")))
    assert "损失×" in told
    assert ["梯度", "5"] in [told[i : i + 2] for i in range(len(told))]
    assert "叶" in "".join(title.text for title in parsed(to_svg(e, lang="zh")).iter(f"{SVG}title"))


def test_a_result_that_was_frozen_keeps_its_name():
    x = Value(2.0, label="x")
    y = x * 3
    y.requires_grad = False
    told = text_of(parsed(to_svg(y * x)))
    assert "∂b/∂x = a = 6" in told
    assert {"a×", "b×"} <= set(told)


def test_names_replace_labels():
    x = Value(1.0)
    y = (x + 1) * x
    told = text_of(parsed(to_svg(y, names=["x", "", "c", "y"])))
    assert {"x", "c+", "y×"} <= set(told)


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_make_a_correct_picture(label, tmp_path):
    x = Value(1.0, label=label)
    with scope(label if label.strip() else "s"):
        y = x * x
        y.label = label
    z = Value(2.0, (y,), (1.0,), op=label)
    root = parsed(to_svg(z))
    assert len(groups(root, "data-node")) == 3
    assert len(groups(root, "data-edge")) == 3
    assert max(map(columns, text_of(root))) < 60
    picture = draw(z)
    again = ElementTree.fromstring(graphviz_output(picture.source, "svg"))
    kinds = [g.get("class") for g in again.iter(f"{SVG}g")]
    assert (kinds.count("node"), kinds.count("edge")) == (3, 3)
    assert not list(again.iter(f"{SVG}script"))
    for suffix in PICTURES:
        if suffix in installed():
            save(z, tmp_path / f"z{suffix}")
            assert (tmp_path / f"z{suffix}").read_bytes().startswith(PICTURES[suffix])


@pytest.mark.parametrize("label", [r"\N", "{a|b}", "<<b>html</b>>", '"', "&amp;", r"a\lb"])
def test_short_hostile_labels_are_shown_as_they_are(label):
    x = Value(1.0, label=label)
    assert label in text_of(parsed(to_svg(x + 1)))
    again = ElementTree.fromstring(graphviz_output(draw(x + 1).source, "svg"))
    assert label in ["".join(t.itertext()) for t in again.iter(f"{SVG}text")]


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=60))
def test_any_label_gives_strict_xml(label):
    x = Value(1.0, label=label)
    assert len(groups(parsed(to_svg(x * x)), "data-node")) == 2


@pytest.mark.parametrize("text", ["", "abc", "权重", "e\u0301a", "ａ，b", "−0.5 · ∂"])
def test_columns_are_those_of_a_terminal(text):
    assert columns(text) == cell_len(text)


EDGES = (
    *(0, 0x20, 0x7F, 0xA0, 0x61C, 0x200E, 0x2028, 0x202A, 0x2066, 0x206A, 0xD800, 0xE000),
    *(0xFDD0, 0xFDF0, 0xFFFE, 0x1FFFE, 0x10FFFE),
)
TURNING = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def test_what_cannot_be_seen_is_shown_by_a_sign():
    """Controls, halves of pairs, ends of lines, what turns the direction, and no characters."""
    for code in sorted({max(edge + k, 0) for edge in EDGES for k in range(-3, 4)}):
        if code > 0x10FFFF:
            continue
        char = chr(code)
        unseen = unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        unseen |= unicodedata.bidirectional(char) in TURNING or char in "\u061c\u200e\u200f"
        unseen |= code % 0x10000 >= 0xFFFE or 0xFDD0 <= code <= 0xFDEF
        sign = chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "\ufffd"
        assert clean(char) == (sign if unseen else char), hex(code)


def test_a_name_from_right_to_left_ends_with_a_mark_of_no_width():
    assert shorten("משקל") == "משקל\u200e"
    assert shorten(shorten("משקל\u200e")) == shorten("משקל")
    assert clean(f"{shorten('א')} - {shorten('ב')}") == "א\u200e - ב\u200e"
    assert columns(shorten("א" * 30)) == 24
    assert shorten("w\u200e") == "w"
    assert clean("w\u200e") == "w\ufffd"


@given(st.one_of(st.text(max_size=40), st.text("a权\u0301\n", max_size=9)), st.integers(2, 9))
def test_cleaned_text_is_cut_only_where_it_is_too_wide(text, limit):
    whole, told = clean(text, 100), clean(text, limit)
    if columns(whole) <= limit and len(text) <= limit:
        assert told == whole
    else:
        kept = told.removesuffix("…")
        assert told == f"{kept}…"
        assert whole.startswith(kept)
        assert columns(kept) < limit
        assert columns(whole[: len(kept) + 1]) >= limit or len(kept) == limit


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (2.0, "2"),
        (-0.0, "−0"),
        (-1.5, "−1.5"),
        (1 / 3, "0.333333"),
        (1e300, "1e300"),
        (-2.5e-7, "−2.5e−7"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_short(x, shown):
    assert number(x) == shown


def test_special_values_are_drawn():
    x = Value(float("nan"), label="x")
    told = text_of(parsed(to_svg(x * float("-inf"))))
    assert "nan" in told
    assert "−∞" in told


def layered():
    x = Value(1.0, label="x")
    out = x
    for i in (1, 2):
        with scope(f"layer {i}"):
            parts = []
            for j in (0, 1):
                with scope(f"neuron {j}"):
                    parts.append((out * Value(0.5, label="w")).tanh())
            out = parts[0] + parts[1]
    return out


def test_scopes_are_nested_boxes():
    root = parsed(to_svg(layered()))
    boxes = groups(root, "data-scope")
    assert list(boxes) == [
        "layer 1",
        "layer 1/neuron 0",
        "layer 1/neuron 1",
        "layer 2",
        "layer 2/neuron 0",
        "layer 2/neuron 1",
    ]
    assert "subgraph cluster_" in draw(layered()).source


@pytest.mark.parametrize("fold", [1, ["layer 1", "layer 2"]])
def test_folding_merges_nodes_and_edges_and_keeps_count(fold):
    y = layered()
    root = parsed(to_svg(y, fold=fold))
    folded = groups(root, "data-nodes")
    bundles = groups(root, "data-edges")
    assert len(folded) == 2
    shown = [int(i) for key in (*folded, *groups(root, "data-node")) for i in key.split()]
    assert sorted(shown) == list(range(len(topological_order(y))))
    assert [text_of(g) for g in bundles.values()] == [["2 edges"], ["2 edges"]]
    shown = [text_of(g)[:2] for g in folded.values()]
    assert shown == [["layer 1", "7 nodes"], ["layer 2", "7 nodes"]]
    titles = [g.find(f"{SVG}title").text for g in folded.values()]
    assert titles == [f"folded layer {i}\n7 nodes · 6 edges" for i in (1, 2)]


def test_one_scope_is_folded_by_name_or_path():
    root = parsed(to_svg(layered(), fold="layer 1"))
    assert len(groups(root, "data-nodes")) == 1
    root = parsed(to_svg(layered(), fold="layer 2/neuron 1"))
    assert len(groups(root, "data-nodes")) == 1
    root = parsed(to_svg(layered(), fold="neuron 0"))
    assert len(groups(root, "data-nodes")) == 2


def test_unknown_scope_names_the_scopes_there_are():
    with scope("a"), scope("b"):
        y = Value(1.0) * 2.0
    there = "no scope 'c' to fold; this graph has 'a', 'a/b', 'b'"
    for root, told in (
        (y, there),
        (Value(1.0), "no scope 'c' to fold; this graph has no scope at all"),
    ):
        with pytest.raises(ValueError, match=f"^{told}$"):
            to_svg(root, fold="c")


def test_what_all_of_a_loss_uses_is_a_part_of_it():
    target = Value(1.0, label="t")
    story = trace((nn.MLP(1, [2, 1], seed=1)([Value(0.5)]) - target) * target)
    assert [kind for kind, _, _ in groups_of(story, 1)].count("loss") == 3


@pytest.mark.parametrize("sizes", [(2, 1), (2, 3, 1), (1, 2, 2, 2)])
def test_a_folded_network_is_its_inputs_its_units_and_its_loss(sizes):
    x = [Value(0.5, label=f"x{k}") for k in range(sizes[0])]
    made = nn.MLP(sizes[0], sizes[1:], seed=1)(x)
    story = trace(nn.squared_error(made if sizes[-1] > 1 else [made], [1.0] * sizes[-1]))
    for depth, inputs in (1, "inputs"), (2, "node"):
        expected = [
            ("fold", node.scope[:depth], 0) if node.scope
            else (inputs, (), node.id * (depth == 2)) if node.name.startswith("x")
            else ("loss", (), 0)
            for node in story.nodes
        ]  # fmt: skip
        assert groups_of(story, depth) == expected
    assert groups_of(story, 0) == [("node", (), node.id) for node in story.nodes]
    assert {kind for kind, _, _ in groups_of(story, "layer 1")} == (
        {"fold", "node"} if len(sizes) > 2 else {"fold", "inputs", "loss"}
    )


def chain(length):
    x = Value(1.0)
    for _ in range(length):
        x = x + 1.0
    return x


def test_over_the_limit_says_how_to_raise_it_or_fold():
    with pytest.raises(ValueError, match=r"1,001 nodes.*max_nodes=300.*max_nodes=1001"):
        to_svg(chain(500))
    with scope("long"):
        long = chain(500)
    with pytest.raises(ValueError, match=r"fold=1 shows its scopes folded into 1 node"):
        draw(long, fold=0)
    assert len(groups(parsed(to_svg(long, fold=1)), "data-nodes")) == 1
    for _ in range(300):  # as many outside: folding is no way out
        long = long + long
    with pytest.raises(ValueError, match=r"301 nodes.*; nodes made inside .*max_nodes=301 draws"):
        to_svg(long)


@pytest.mark.parametrize(("nodes", "level"), [(60, 0), (61, 1)])
def test_a_screen_holds_sixty_cards(nodes, level):
    x = Value(1.0)
    with scope("s"):
        for _ in range(nodes - 1):
            x = x.sin()
    assert suiting(graph_of(topological_order(x))) == level


@pytest.mark.parametrize("around", [(), ("model",), ("model", "part")])
@pytest.mark.parametrize("made_of", ["units", "scopes"])
def test_the_finest_level_that_fits_is_shown_and_nothing_finer_than_units(made_of, around):
    with ExitStack() as stack:
        for name in around:
            stack.enter_context(scope(name))
        if made_of == "units":
            root = nn.MLP(2, [4, 4, 1], seed=1)([Value(0.5), Value(1.0)])
        else:
            root = layered()
    graph = graph_of(topological_order(root))
    depths = [*reversed(levels(graph)[:-1])]
    finest = depths if made_of == "units" else [0, *depths]
    told = {depth: scene(graph, depth).cards for depth in finest}
    cards = {depth: len(shown) for depth, shown in told.items()}
    for card in (card for shown in told.values() for card in shown):
        if card.kind in ("unit", "layer"):
            assert re.fullmatch(rf"{'neuron' if card.kind == 'unit' else 'layer'} \d", card.title)
            assert card.scope[: len(around)] == around
            assert len(card.scope) == len(around) + (card.kind == "unit")
    for most in range(1, len(graph.nodes) + 2):
        shown = suiting(graph, most)
        assert cards[shown] <= most or shown == 1
        finer = finest[: finest.index(shown)]
        assert all(cards[depth] > most for depth in finer), (most, shown, cards)


def test_what_fills_more_than_a_screen_folds_itself_and_says_how_to_open():
    with scope("long"):
        long = chain(100)
    folded = parsed(to_svg(long))
    assert len(groups(folded, "data-nodes")) == 1
    assert text_of(folded)[-1] == "folded to fit; fold=0 draws all 201 nodes"
    assert len(groups(parsed(to_svg(long, fold=0)), "data-node")) == 201
    assert "fold=0" not in to_svg(layered())


def test_a_dense_graph_is_refused_before_graphviz_tries():
    xs = [Value(1.0) for _ in range(100)]
    dense = autograd.sum([autograd.sum(xs) for _ in range(100)])
    said = (
        r"^this picture would have 10,100 lines, more than 10 for each of max_nodes=300; "
        r"nodes made inside .* max_nodes=1011 draws it all the same, slowly$"
    )
    with pytest.raises(ValueError, match=said):
        to_svg(dense)


@pytest.mark.parametrize("suffix", [s for s in (".svg", ".pdf") if s in installed()])
def test_one_leaf_used_everywhere_is_drawn_in_time(suffix, tmp_path):
    total = x = Value(1.0, label="x")
    for _ in range(120):
        total = total + x
    total.save(tmp_path / f"x{suffix}")  # with curves this takes minutes
    assert "splines=line" in draw(total, max_nodes=1000).source


def test_a_long_graph_is_refused_before_anything_is_drawn():
    with pytest.raises(ValueError, match="max_nodes"):
        to_svg(chain(100_000))


@pytest.mark.parametrize("suffix", installed())
def test_same_graph_same_bytes_in_any_format_at_any_time(tmp_path, suffix):
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    seed_graph().save(first)
    seed_graph().save(second)
    assert first.read_bytes() == second.read_bytes()
    assert b"CreationDate" not in first.read_bytes()


def test_same_graph_same_bytes_even_in_another_process():
    code = (
        "from autograd import Value, scope\nfrom autograd.views.draw import *\n"
        "a=Value(2.0,label='a')\nwith scope('s'): b=a*a+a.exp()\nb.backward()\n"
        "print(to_svg(b)+draw(b).source, end='')"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert b"<svg" in runs[0]


def test_drawing_leaves_the_graph_alone_and_keeps_nothing():
    e = seed_graph()
    before = [(n.data, n.grad, n.label) for n in topological_order(e)]
    to_svg(e)
    assert before == [(n.data, n.grad, n.label) for n in topological_order(e)]
    gc.collect()


def test_light_and_dark():
    svg = to_svg(seed_graph())
    style = ElementTree.fromstring(svg).find(f"{SVG}style").text
    assert "@media (prefers-color-scheme:dark)" in style
    assert "background" not in svg
    assert "@media" not in to_svg(seed_graph(), theme="dark")
    assert "@media" not in to_svg(seed_graph(), theme="light")


def contrast(a, b):
    """The contrast ratio of WCAG 2 between two #rrggbb colours."""
    low, high = sorted(map(luminance, (a, b)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_every_card(scheme):
    from autograd.views.painter import colours

    colour = colours()[scheme]
    for ground in ("card", "leaf", "root", "paper"):
        for ink in ("ink", "soft", "forward", "debt"):
            assert contrast(colour[ink], colour[ground]) >= 4.5, (scheme, ground, ink)
    assert contrast(colour["debt"], colour["debt-wash"]) >= 4.5
    assert contrast(colour["soft"], colour["debt-wash"]) >= 4.5


@pytest.mark.parametrize("rankdir", ["LR", "RL", "TB", "BT"])
def test_everything_lies_on_the_picture(rankdir):
    root = parsed(to_svg(layered(), rankdir=rankdir))
    left, top, width, height = map(float, root.get("viewBox").split())
    for group in root.iter(f"{SVG}g"):
        moved = re.findall(r"-?[\d.]+", group.get("transform", "translate(0 0)"))
        for rect in group.findall(f"{SVG}rect"):
            x, y = (float(rect.get(a)) + float(b) for a, b in zip("xy", moved))
            assert x >= left
            assert y >= top
            assert x + float(rect.get("width")) <= left + width
            assert y + float(rect.get("height")) <= top + height


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rankdir": "up"}, "^rankdir must be one of LR, RL, TB, BT, not 'up'$"),
        ({"lang": "de"}, "^lang "),
        ({"theme": "blue"}, "^theme must be one of auto, light, dark, not 'blue'$"),
        ({"fold": -1}, "^fold counts scope levels from 1"),
    ],
)
def test_wrong_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        to_svg(seed_graph(), **options)


def test_what_cannot_be_drawn_is_refused_in_words():
    with pytest.raises(TypeError, match="starts at a Value, not at float"):
        to_svg(3.0)
    with pytest.raises(ValueError, match="names takes one for each of 6 nodes, got 1"):
        draw(seed_graph(), names=["x"])
    with pytest.raises(TypeError, match=r"fold is a depth.*got 1\.5"):
        draw(seed_graph(), fold=1.5)


@given(wild_programs(), st.sampled_from(["LR", "BT"]))
def test_random_graphs_show_every_node_and_every_edge_once(program, rankdir):
    leaves = [Value(x, label=f"x{i}") for i, x in enumerate(program.inputs)]
    root = leaves[0] * 1 + result(program, leaves, payback_operations())
    drawn = parsed(to_svg(root, rankdir=rankdir))
    assert sorted(map(int, groups(drawn, "data-node"))) == list(range(len(topological_order(root))))
    told = groups(drawn, "data-edge")
    assert sorted(map(int, told)) == list(range(len(edges(root))))
    for i, edge in enumerate(edges(root)):
        assert text_of(told[str(i)])[0].endswith(f"= {number(edge.partial)}")


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", installed())
def test_each_kind_of_file(suffix, tmp_path):
    path = tmp_path / f"e{suffix}"
    seed_graph().save(path)
    assert path.read_bytes().startswith(PICTURES[suffix])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_suffix_in_capitals_and_unknown_ones(tmp_path):
    seed_graph().save(tmp_path / "E.SVG")
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf, \.dot; .*has '\.jpg'"):
        seed_graph().save(tmp_path / "e.jpg")
    with pytest.raises(ValueError, match="no suffix"):
        seed_graph().save(tmp_path / "e")


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "e.svg"
    path.write_text("old")
    with pytest.raises(ValueError, match="max_nodes"):
        save(chain(500), path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(seed_graph(), path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save(seed_graph(), tmp_path / "nowhere" / "e.svg")


# --- the Digraph ---------------------------------------------------------------------------------


def test_draw_gives_a_digraph_that_renders_without_a_dot_program(tmp_path, monkeypatch):
    import graphviz

    monkeypatch.setenv("PATH", str(tmp_path))
    picture = autograd.draw(seed_graph())
    assert isinstance(picture, graphviz.Digraph)
    assert picture.source.count("->") == 6
    assert picture.pipe() == to_svg(seed_graph()).encode()
    assert picture._repr_mimebundle_()["image/svg+xml"].startswith("<svg")
    written = picture.render(tmp_path / "e.gv", format="svg", cleanup=True)
    assert Path(written).read_bytes().startswith(b"<svg")
    assert [p.name for p in tmp_path.iterdir()] == ["e.gv.svg"]


def test_a_digraph_is_saved_as_what_its_name_says(tmp_path):
    picture = draw(seed_graph())
    for kind in installed():
        written = picture.save(f"e{kind}", directory=tmp_path)
        assert written == str(tmp_path / f"e{kind}")
        wanted = picture.source.encode() if kind == ".dot" else picture.pipe(kind[1:])
        assert Path(written).read_bytes() == wanted
    with pytest.raises(ValueError, match=r"unknown format 'xyz': svg, png"):
        picture.pipe("xyz")


def test_a_gradient_of_none_is_drawn_as_none_at_all():
    root = seed_graph()
    root.backward()
    a = next(node for node in topological_order(root) if node.label == "a")
    a.grad = None
    drawn, a.grad = to_svg(root), 0.0
    assert drawn == to_svg(root)


def test_names_are_text():
    with pytest.raises(TypeError, match="a name is a str, got int 1"):
        draw(Value(1.0), names=[1])


def test_a_changed_digraph_renders_its_changes():
    picture = draw(seed_graph())
    picture.node("mine", label="mine")
    assert "mine" in picture.pipe("svg", encoding="utf-8")
    assert picture.pipe("pdf").startswith(b"%PDF")
    assert b"/CreationDate (D:19700101000000" in picture.pipe("pdf")
    assert picture.pipe("png").startswith(b"\x89PNG")


def test_nothing_is_written_to_stderr(capfd):
    for kind in installed():
        if kind != ".dot":
            draw(seed_graph()).pipe(kind[1:])
    changed = draw(seed_graph())
    changed.node("mine")
    changed.pipe("png")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("with_program", [True, False])
def test_without_pygraphviz_the_dot_program_or_a_clear_error(with_program, tmp_path, monkeypatch):
    e = seed_graph()
    expected = to_svg(e)
    if with_program:
        program = tmp_path / "dot"
        program.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path[:0] = {sys.path!r}\n"
            "from autograd.views.layout import graphviz_output\n"
            "source = sys.stdin.read()\n"
            "sys.stdout.buffer.write(graphviz_output(source, sys.argv[-1][2:]))\n"
        )
        program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    if with_program and os.name == "posix":
        assert to_svg(e) == expected
    elif not with_program:
        with pytest.raises(ImportError, match=r"'pygraphviz>=2'` brings .*`dot` is on the PATH$"):
            to_svg(e)


def test_a_failing_dot_program_is_reported(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no digraph')\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    if os.name == "posix":
        with pytest.raises(RuntimeError, match="dot failed: no digraph"):
            graphviz_output("digraph {}", "svg")


def test_many_threads_draw_at_once():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        drawn = set(pool.map(lambda _: to_svg(seed_graph()), range(12)))
    assert len(drawn) == 1
    assert re.search("data-edge", drawn.pop())


# --- PNG -----------------------------------------------------------------------------------------


def size_of(png):
    return struct.unpack(">II", png[16:24])


def test_a_png_is_the_svg_at_two_pixels_per_point(tmp_path):
    pytest.importorskip("typst")
    e = seed_graph()
    e.backward()
    save(e, tmp_path / "e.png")
    root = ElementTree.fromstring(to_svg(e, theme="light"))
    image = (tmp_path / "e.png").read_bytes()
    assert size_of(image) == tuple(round(2 * float(root.get(k))) for k in ("width", "height"))


def test_a_png_shows_its_numbers_whatever_fonts_there_are(tmp_path):
    pytest.importorskip("typst")
    for x in (2.0, 3.0):
        save(Value(x, label="x"), tmp_path / f"{x}.png")
    assert (tmp_path / "2.0.png").read_bytes() != (tmp_path / "3.0.png").read_bytes()


def test_a_png_of_a_long_chain_does_not_fill_the_memory(tmp_path):
    """At two pixels per point it would have 130 million."""
    pytest.importorskip("typst")
    x = Value(0.5, label="x")
    root = x
    for _ in range(60):
        root = root.sin() + x
    svg = to_svg(root, theme="light")
    sides = [float(side) for side in re.findall(r' (?:width|height)="([\d.]+)"', svg)[:2]]
    assert 4 * sides[0] * sides[1] > 2 * formats.MOST_PIXELS
    save(root, tmp_path / "long.png")
    width, height = size_of((tmp_path / "long.png").read_bytes())
    assert 0.99 < width * height / formats.MOST_PIXELS < 1.01
    assert width / height == pytest.approx(sides[0] / sides[1], rel=0.01)


def test_a_png_is_the_pdf(tmp_path):
    """Point by point, on the same dark ground; and a PDF has every text, as the next test shows."""
    Image = pytest.importorskip("PIL.Image")
    e = seed_graph()
    e.backward()
    save(e, tmp_path / "e.pdf", theme="dark")
    save(e, tmp_path / "e.png", theme="dark")
    shown = Image.open(tmp_path / "e.png").convert("L")
    meant = pages_of(tmp_path / "e.pdf")[0].render(scale=8 / 3).to_pil().convert("L")
    points = zip(shown.tobytes(), meant.resize(shown.size).tobytes())
    assert sum(abs(a - b) for a, b in points) / (shown.width * shown.height) < 1


@pytest.mark.parametrize("suffix", NEEDED)
def test_without_the_extra_nothing_else_is_drawn(suffix, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, NEEDED[suffix], None)
    path = tmp_path / f"e{suffix}"
    path.write_text("old")
    said = rf'this needs {NEEDED[suffix]}: pip install "payback\[pictures\]"'
    with pytest.raises(ImportError, match=said):
        save(seed_graph(), path)
    with pytest.raises(ImportError, match=said):
        draw(seed_graph(), format=suffix[1:]).pipe()
    assert path.read_text() == "old"


# --- PDF -----------------------------------------------------------------------------------------


def pages_of(path):
    pdfium = pytest.importorskip("pypdfium2")
    pytest.importorskip("typst")
    return pdfium.PdfDocument(path)


def boxes_of(text, page):
    """Where a page has a text, spaces aside: left, top, right and bottom in points of the SVG."""
    told, (_, height) = page.get_textpage(), page.get_size()
    signs = [told.get_text_range(k, 1).strip() for k in range(told.count_chars())]
    places = [k for k, sign in enumerate(signs) if sign]
    for found in re.finditer(re.escape("".join(text.split())), "".join(signs)):
        boxes = [told.get_charbox(places[k]) for k in range(*found.span())]
        left, bottom, right, top = zip(*boxes)
        points = min(left), height - max(top), max(right), height - min(bottom)
        yield [4 / 3 * point for point in points]  # 72 to an inch, where the SVG has 96


def texts_at(root):
    """Every text, and where it begins, ends or has its middle, from the left upper corner."""
    left, top = map(float, root.get("viewBox").split()[:2])
    for group in root.iter(f"{SVG}g"):
        moved = re.findall(r"-?[\d.]+", group.get("transform", "translate(0 0)"))
        for text in filter(text_of_one, group.findall(f"{SVG}text")):
            x, y = (float(text.get(k, 0)) + float(by) for k, by in zip("xy", moved, strict=True))
            yield text_of_one(text), x - left, y - top


@pytest.mark.parametrize("options", [{}, {"lang": "zh"}, {"theme": "dark"}, {"rankdir": "TB"}])
def test_a_pdf_is_the_svg(options, tmp_path):
    """Its size, and every text in its place: all that some font has."""
    e = seed_graph()
    e.backward()
    save(e, tmp_path / "e.pdf", **options)
    [page] = pages_of(tmp_path / "e.pdf")
    root = ElementTree.fromstring(to_svg(e, **{"theme": "light", **options}))
    size = [float(root.get(side)) for side in ("width", "height")]
    assert page.get_size() == pytest.approx([0.75 * x for x in size], abs=0.5)
    written = [
        told for told in texts_at(root) if "CJK" not in "".join(map(unicodedata.name, told[0]))
    ]
    assert len(written) >= 15
    for text, x, y in written:
        boxes = [*boxes_of(text, page)]
        assert any(a - 2 < x < c + 2 and b < y - 2 < d + 2 for a, b, c, d in boxes), (
            text,
            x,
            y,
            boxes,
        )


def test_a_pdf_says_what_it_shows(tmp_path):
    pytest.importorskip("typst")
    save(seed_graph(), tmp_path / "e.pdf", lang="zh")
    document = pages_of(tmp_path / "e.pdf")
    assert document.get_metadata_dict()["Title"] == to_svg(seed_graph(), lang="zh").split('"')[7]


# --- DOT -----------------------------------------------------------------------------------------


def test_a_dot_file_is_the_source(tmp_path):
    save(seed_graph(), tmp_path / "e.dot")
    assert (tmp_path / "e.dot").read_text("utf-8") == draw(seed_graph()).source


def test_a_constant_is_dashed_whether_it_has_a_name_or_not():
    named = Value(2.0, label="k", requires_grad=False)
    source = draw(Value(1.0, label="x") * named * 3.0).source
    assert source.count('style="dashed,filled"') == 2
    assert source.count('style="rounded,filled"') == 1


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no list of open files here")
def test_drawing_leaves_no_file_open_and_the_errors_where_they_were(capfd):
    to_svg(seed_graph())
    before = len(os.listdir("/dev/fd"))
    to_svg(seed_graph())
    assert len(os.listdir("/dev/fd")) == before
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_dot_says_what_the_picture_says():
    e = seed_graph()
    e.backward()
    source = draw(e).source
    assert source.count("peripheries=2") == 1
    assert source.count('style="rounded,filled"') == 2
    assert source.count('style="dashed,filled"') == 1
    assert source.count("arrowhead=none") == 1
    told = ElementTree.fromstring(graphviz_output(source, "svg"))
    texts = ["".join(t.itertext()) for t in told.iter(f"{SVG}text")]
    for shown in ("e ×", "6", "grad 5", "∂e/∂d = c = 3"):
        assert shown in texts
    assert "penwidth=2" in draw(layered(), fold=1).source
    assert "grad" not in draw(seed_graph()).source


def test_render_opens_the_picture_only_when_asked(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(draw_module.webbrowser, "open", opened.append)
    draw(seed_graph()).render(tmp_path / "e.gv")
    assert opened == []
    draw(seed_graph()).render(tmp_path / "e.gv", view=True)
    assert opened == [(tmp_path / "e.gv.svg").resolve().as_uri()]


# --- limits and edges ----------------------------------------------------------------------------


def test_just_as_many_nodes_as_allowed_are_drawn():
    assert to_svg(seed_graph(), max_nodes=6)
    with pytest.raises(ValueError, match="6 nodes, more than max_nodes=5"):
        to_svg(seed_graph(), max_nodes=5)


def test_long_names_make_short_derivatives():
    x = Value(3.0, label="a rather long name")
    y = x * 2
    y.label = "y"
    lines = groups(parsed(to_svg(y)), "data-edge")
    assert text_of(lines["0"]) == ["∂ = 2"]
    x.label = "abcd"
    assert text_of(groups(parsed(to_svg(y)), "data-edge")["0"]) == ["∂y/∂abcd = 2"]


def test_pills_and_cards_keep_apart():
    graph = graph_of(topological_order(seed_graph()))
    told = scene(graph, gradients=False)
    spots = [
        (*told.pills[wire.key].centre, pill_width(wire, graph), 18.0)
        for wire in told.wires
        if wire.edges
    ]
    spots += [(*told.places.nodes[card.key], card.width, card.height) for card in told.cards]
    for i, (x, y, w, h) in enumerate(spots):
        for x2, y2, w2, h2 in spots[:i]:
            assert abs(x - x2) >= (w + w2) / 2 or abs(y - y2) >= (h + h2) / 2


def test_a_folded_root_has_a_double_border():
    with scope("all"):
        y = Value(1.0, label="x") * 2
    svg = to_svg(y, fold=1)
    assert 'class="node fold root"' in svg
    assert 'class="second"' in svg


def test_a_picture_is_named_for_those_who_hear_it():
    root = parsed(to_svg(seed_graph()))
    assert root.get("aria-label") == "Graph of e: 6 nodes, 5 edges"
    assert root.find(f"{SVG}title").text == root.get("aria-label")
    one = parsed(to_svg(Value(1.0, label="x") * 1))
    titles = [t.text for t in one.iter(f"{SVG}title")]
    assert "x\nleaf\ndata 1.0" in titles


def test_arrow_heads_are_slim_and_point_the_right_way():
    [wing, at, other] = [
        tuple(map(float, pair.split(","))) for pair in tip((0.0, 0.0), (9.0, 0.0))[1:-1].split("L")
    ]
    assert (wing, at, other) == ((0.0, 4.0), (9.0, 0.0), (0.0, -4.0))


def test_coordinates_have_a_digit():
    assert [n(x) for x in (1.25, -0.04, 3.0, 2.349)] == ["1.2", "0", "3", "2.3"]
