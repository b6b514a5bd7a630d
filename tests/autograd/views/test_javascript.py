"""The page's JavaScript without a browser: its plays, sentences and questions, on random graphs.

Node runs the page's own modules; what they tell is held to `autograd.views.plays`, which tells the
same in Python, and to the engine itself.
"""

import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value, scope, topological_order, trace
from autograd.views.page import joined_modules, page_data, page_script
from autograd.views.plays import Passes, impatient, path_by_path, paying_back
from tests.strategies import ladder, payback_operations, programs, result, shared, wild_programs

LOGIC = ("basis", "numbers", "story", "plays", "narrator", "panels", "lessons", "link")
ANSWER = Path(__file__).with_name("answer.js")


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A function that gives Node a task on a trace and returns what it answers."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node on this machine")
    script = tmp_path_factory.mktemp("node") / "answer.mjs"
    script.write_text(joined_modules(*LOGIC) + ANSWER.read_text("utf-8"), "utf-8")
    process = subprocess.Popen(
        [node, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )

    def ask_node(task, story=None, **asked):
        if story is not None:
            asked["data"] = json.loads(page_data(story, [0], 0, "en"))
            asked["kernels"] = page_script(story).partition("\n};\n")[0] + "\n};"
        process.stdin.write(json.dumps({"task": task, **asked}) + "\n")
        reply = json.loads(process.stdout.readline())
        assert not (isinstance(reply, dict) and "error" in reply), reply["error"]
        return reply

    yield ask_node
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def graph_of(program):
    leaves = [Value(x, label=f"x{i}") for i, x in enumerate(program.inputs)]
    root = result(program, leaves, payback_operations())
    assume(isinstance(root, Value) and root.requires_grad)
    return root


def network():
    model = nn.MLP(2, [3, 2], activation="tanh", seed=1)
    data = [Value(0.5, label="x1"), Value(-1.0, label="x2")]
    return nn.squared_error(model(data), [1.0, 0.0])


def plain(text):
    """A sentence without the separators of digits, which each viewer writes in its own way."""
    return re.sub(r"(?<=\d)[,\u2009](?=\d{3})", "", text)


def agree(told, play):
    """The page's play tells the same as Python's."""
    assert told["moves"] == len(play.moves)
    for lang in ("en", "zh"):
        spoken = [getattr(move.text, lang) for move in play.moves]
        assert [plain(text) for text in told[lang][1:]] == [plain(text) for text in spoken]
    same(told["held"], [move.held for move in play.moves])


def same(told, truth, rel=0.0):
    for got, right in zip(told, truth, strict=True):
        if right is None:
            assert got is None
        else:
            assert float(got) == pytest.approx(right, rel=rel, abs=0.0, nan_ok=True)


@settings(max_examples=25)
@given(programs())
def test_paying_back_is_the_trace(ask, program):
    story = trace(graph_of(program))
    told = ask("play", story, mode="backprop", acts=[])
    agree(told, paying_back(story))
    assert told["formulas"] == [step.math for step in story.steps]
    assert told["used"] == len(story.edges)


@settings(max_examples=20)
@given(wild_programs())
def test_special_numbers_are_told_as_the_trace_tells_them(ask, program):
    story = trace(graph_of(program))
    told = ask("play", story, mode="backprop", acts=[])
    agree(told, paying_back(story))


@settings(max_examples=20)
@given(programs())
def test_whoever_does_not_wait_and_whoever_walks(ask, program):
    story = trace(graph_of(program))
    agree(ask("play", story, mode="naive"), path_by_path(story))
    for ending in ("pile", "news"):
        play = impatient(story, ending)
        if play.story is story:
            agree(ask("play", story, mode="impatient", ending=ending), play)


@pytest.mark.parametrize("graph", [shared, lambda: ladder(3), lambda: ladder(40)])
def test_the_impatient_node(ask, graph):
    story = trace(graph())
    for ending in ("pile", "news"):
        told = ask("play", story, mode="impatient", ending=ending)
        agree(told, impatient(story, ending))
    agree(ask("play", story, mode="naive"), path_by_path(story))


def test_six_instead_of_four(ask):
    ends = {
        ending: ask("play", trace(shared()), mode="impatient", ending=ending)
        for ending in ("pile", "news")
    }
    assert {ending: told["totals"][0] for ending, told in ends.items()} == {
        "pile": "6",
        "news": "4",
    }
    assert [told["used"] for told in ends.values()] == [6, 6]


@settings(max_examples=20)
@given(programs(), st.lists(st.sampled_from(["again", "zero"]), max_size=4))
def test_passes_leave_what_the_engine_leaves(ask, program, acts):
    """backward() again and zero_grad, bit for bit; sentences as Python's."""
    root = graph_of(program)
    story, play = trace(root), Passes(trace(root))
    told = ask("play", story, mode="backprop", acts=acts)
    order = topological_order(root)
    root.backward()
    for act in acts:
        if act == "again":
            play.again()
            root.backward()
        else:
            play.zero_grad()
            for node in order:
                node.grad = 0.0
    agree(told, play)
    for node, total in zip(order, told["totals"], strict=True):
        if node.is_leaf and node.requires_grad:
            same([total], [node.grad])


def test_descent_goes_astray_without_a_reset(ask):
    """The numbers of a training loop that forgets zero_grad, and of one that does not."""

    def loop(forget):
        x = Value(3.0, label="x")
        losses, acts = [], []
        for _ in range(12):
            loss = x * x
            if not forget and acts:
                x.grad = 0.0
                acts.append("zero")
            if acts:
                acts.append("again")
            loss.backward()
            losses.append(loss.data)
            x.data -= 0.4 * x.grad
            acts.append(0.4)
        return x, losses, acts

    for forget in (True, False):
        x, _, acts = loop(forget)
        y = Value(3.0, label="x")
        told = ask("play", trace(y * y), mode="backprop", acts=acts)
        same(told["values"][:1], [x.data], rel=1e-13)
    assert abs(loop(True)[0].data) > 100 * abs(loop(False)[0].data)


@pytest.mark.parametrize("graph", [network, lambda: Value(3.0, label="x") * 2, shared])
def test_steps_are_told_as_python_tells_them(ask, graph):
    told = ask("play", trace(graph()), mode="backprop", acts=["zero", 0.1, "again", 0.1])
    play = Passes(trace(graph()))
    play.zero_grad()
    play.step(0.1)
    play.again()
    play.step(0.1)
    assert told["en"][1:] == [move.text.en for move in play.moves]


def test_a_step_moves_the_parameters_of_a_network(ask):
    root = network()
    told = ask("play", trace(root), mode="backprop", acts=[0.1])
    root.backward()
    for node, value in zip(topological_order(root), told["values"], strict=True):
        if node.is_leaf and node.requires_grad:
            moved = node.data - 0.1 * node.grad if node.scope else node.data
            same([value], [moved], rel=1e-13)


@settings(max_examples=20)
@given(programs(), st.floats(-1.0, 1.0))
def test_a_nudge_is_forward_mode(ask, program, delta):
    """What arrives at the root is the gradient times the nudge, and the sentence has the truth."""
    root = graph_of(program)
    story = trace(root)
    root.backward()
    order = topological_order(root)
    for leaf, node in enumerate(order):
        if node.is_leaf and node.requires_grad:
            told = ask("play", story, mode="nudge", leaf=leaf, delta=delta)
            if len(order) > 1:
                arrived = [x for x in told["amounts"] if x is not None][-1]
                right = node.grad * delta
                assert float(arrived) == pytest.approx(
                    right, rel=1e-9, abs=max(1e-9 * abs(delta), 1e-300)
                )


@settings(max_examples=20)
@given(programs(), st.data())
def test_other_numbers_give_what_the_engine_gives(ask, program, data):
    given_ = [data.draw(st.floats(-2.0, 2.0)) for _ in program.inputs]
    try:
        again = graph_of(type(program)(tuple(given_), program.steps))
    except (OverflowError, ValueError):
        assume(False)
    story = trace(graph_of(program))
    order = topological_order(again)
    assume([n.op for n in order] == [n.op for n in story.nodes])
    numbers = {f"x{i}": x for i, x in enumerate(given_)}
    pairs = [(n.id, repr(numbers[n.label])) for n in story.nodes if n.label in numbers]
    told = ask("retold", story, given=pairs)
    again.backward()
    for node, value in zip(order, told["values"], strict=True):
        if math.isfinite(node.data):
            assert float(value) == pytest.approx(node.data, rel=1e-9, abs=1e-12)


class TestStrides:
    def test_back_again_along_the_same_strides(self, ask):
        for by in ("edge", "node", "inner", "outer"):
            told = ask("strides", trace(network()), by=by)
            assert told["ends"] == told["back"]

    def test_a_layer_at_a_time(self, ask):
        story = trace(network())
        told = ask("strides", story, by="outer")
        scopes = [{story.nodes[i].scope[:1] for i in group} for group, _ in told["groups"]]
        back = [s for s in scopes if ("layer 1",) in s or ("layer 2",) in s]
        assert len(back) == 5  # given numbers together; then each layer forwards and backwards

    def test_a_neuron_at_a_time(self, ask):
        with scope("a"), scope("b"):
            y = Value(1.0, label="x") * 2
        with scope("a"), scope("c"):
            z = y * 3
        inner = ask("strides", trace(z), by="inner")["ends"]
        outer = ask("strides", trace(z), by="outer")["ends"]
        assert len(inner) > len(outer)

    def test_who_pays_oneself_is_no_payee(self, ask):
        for actors, payees in ask("strides", trace(network()), by="outer")["groups"]:
            assert not {*actors} & {*payees}


def test_what_is_typed_as_a_number(ask):
    wanted = {
        **{"1.5": "1.5", " -2 ": "-2", "−3": "-3", "2e-3": "0.002", ".5": "0.5", "inf": "Infinity"},
        **{
            "-inf": "-Infinity",
            "∞": "Infinity",
            "nan": "NaN",
            "": "bad_blank",
            "abc": "bad_number",
        },
        **{"1,5": "bad_comma", "1e400": "bad_large", "1e-400": "bad_small", "0x10": "bad_number"},
        **{"1 2": "bad_number", "--1": "bad_number", "0e-400": "0", "1.": "1", "e": "bad_number"},
    }
    assert dict(zip(wanted, ask("read", texts=list(wanted)), strict=True)) == wanted


@pytest.mark.parametrize(
    "link",
    [
        "#step=7&mode=naive&lang=zh",
        "#step=3&mode=backprop&lang=en&set=0:2.5,1:-inf&passes=again,zero,step:0.1",
        "#step=4&mode=nudge&lang=en&nudge=1:-0.25",
        "#step=0&mode=impatient&lang=zh&ending=news&ask=1&predict=1",
    ],
)
def test_a_link_says_everything(ask, link):
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    assert ask("link", trace((a + b) * (b + 1)), hash=link) == link


@pytest.mark.parametrize(
    "link", ["#set=9:1,x:2,0:abc,2:1", "#passes=boom,step:abc", "#ask=99&mode=x&nudge=7:1", "#%%%"]
)
def test_a_wrong_link_asks_for_nothing(ask, link):
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    asked = ask("link", trace((a + b) * (b + 1)), hash=link)
    assert asked == "#step=0&mode=backprop&lang=en"


@settings(max_examples=15)
@given(programs())
def test_every_question_takes_the_right_answer_and_explains_a_wrong_one(ask, program):
    for asked in ask("questions", trace(graph_of(program))):
        if asked is None:
            continue
        assert asked["right"]
        assert asked["kind"] == ("amount" if asked["move"] == "pay" else "who")
        for right, said in asked["said"]:
            assert said
            assert "{" not in said
            assert not right or asked["kind"] == "amount"


def test_questions_name_who_still_waits(ask):
    x = Value(2.0, label="x")
    y = autograd.exp(x)
    y.label = "y"
    z = y * x
    z.label = "z"
    asked = [q for q in ask("questions", trace(z * y)) if q and q["kind"] == "who"]
    assert asked
    assert any("y still waits for 1 more" in said for q in asked for _, said in q["said"])
