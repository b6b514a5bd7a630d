"""The page's JavaScript without a browser: its plays, sentences and questions, on random graphs.

Node runs the page's own modules; what they tell is held to `autograd.views.plays`, which tells the
same in Python, and to the engine itself.
"""

import json
import math
import re
import shutil
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value, scope, topological_order, trace
from autograd.views import joining
from autograd.views.frames import strides
from autograd.views.page import joined_modules, page_data, page_script
from autograd.views.plays import Passes, impatient, path_by_path, paying_back, shares_an_inner_node
from autograd.views.text import number, typeset
from autograd.views.trace import sentences
from autograd.views.words import enclosed, show, sum_of
from tests.strategies import (
    ladder,
    nested,
    payback_operations,
    programs,
    result,
    shared,
    wild_programs,
)

LOGIC = ("basis", "elements", "numbers", "story", "plays", "narrator", "panels", "lessons", "link")
ANSWER = Path(__file__).with_name("answer.js")


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """A function that gives Node a task on a trace and returns what it answers."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node on this machine")
    script = tmp_path_factory.mktemp("node") / "answer.mjs"
    answer = ANSWER.read_text("utf-8")
    keep = tuple(re.findall(r"\w+", answer))
    script.write_text(joined_modules(*LOGIC, keep=keep) + answer, "utf-8")
    process = subprocess.Popen(
        [node, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )

    def ask_node(task, story=None, *, levels=(0,), example=None, **asked):
        if story is not None:
            asked["data"] = json.loads(page_data(story, list(levels), 0, "en", example))
            asked["kernels"] = page_script(story).partition("\n};\n")[0] + "\n};"
        process.stdin.write(json.dumps({"task": task, **asked}) + "\n")
        reply = json.loads(process.stdout.readline())
        assert not (isinstance(reply, dict) and "error" in reply), reply["error"]
        return reply

    yield ask_node
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


ONE = r"""import { two } from "./two.js";
// A comment.
/** Another one. */
export const LENGTH = 2 * 3;

export class Counter {
    #count = 0;
    #other = undefined;

    step(size, more) {
        this.#count += size - more; this.#count += 1 - -size;
        this.#other = `#${this.#count} of  ${size + LENGTH}: ${more ? `in  ${size}` : "no {more}"}`;
        const found = /size  [/ ]"\//g.test(this.#other) || size / 2 / more;
        return found ? { size, found: more, [more]: LENGTH } : "size and \" quoted";
    }
}
"""
TWO = """    // indented
export function* twice(list) {
    for (const item of list) yield [...item, item.kind];
    const kind = (given) => ({ kind: given, list }), other = (a, b) => a?.b ?? -b;
    if (kind  instanceof  Counter) return undefined;
    return basis.erf(kept(kind) + + other);
}
const alpha = 1; const beta = 2; const gamma = 3; const delta = 4; const safe = 5;
const keys = [{ alpha: 0 }, { 1: 0, beta: 1 }, ({ gamma = 5 }) => 0, { delta }, f(safe)];
const words = (alpha) + (beta) + (gamma) + (delta) + (safe);
export let kept = new Counter();
"""
JOINED = (
    "let $c=2*3;class $b{#a=0;#b=void 0;step(size,more){this.#a +=size-more;this.#a +=1 - -size;"
    'this.#b=`#${this.#a} of  ${size + $c}: ${more ? `in  ${size}` : "no {more}"}`;'
    r'let found=/size  [/ ]"\//g.test(this.#b)||size/2/more;'
    r'return found?{size,found:more,[more]:$c}:"size and \" quoted"}}'
    "function*twice(list){for(let $d of list)yield[...$d,$d.kind];"
    "let kind=$f=>({kind:$f,list}),other=($a,b)=>$a?.b??-b;"
    "if(kind  instanceof  $b)return;return basis.erf(kept(kind)+ + other)}"
    "let alpha=1;let beta=2;let gamma=3;let delta=4;let $e=5;"
    "let $g=[{alpha:0},{1:0,beta:1},({gamma=5})=>0,{delta},f($e)];"
    "let $h=(alpha)+(beta)+(gamma)+(delta)+($e);let kept=new $b();"
)


def test_modules_are_joined_and_what_nobody_reads_is_left_out(monkeypatch):
    """Safe are only names that stand nowhere as a key, a property or a part of a text."""
    monkeypatch.setattr(joining, "static", {"one.js": ONE, "two.js": TWO}.__getitem__)
    assert joining.joined_modules.__wrapped__("one", "two", keep=("kept", "twice")) == JOINED


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
    return re.sub(r"(?<=\d)[,\u202f](?=\d{3})", "", text)


def agree(told, play):
    """The page's play tells the same as Python's."""
    assert told["moves"] == len(play.moves)
    for lang in ("en", "zh"):
        spoken = [getattr(move.text, lang) for move in play.moves]
        assert [plain(text) for text in told[lang][1:]] == [plain(text) for text in spoken]
    same(told["held"], [move.held for move in play.moves])
    assert told["formulas"] == [move.math for move in play.moves]
    for move, lines in zip(play.moves, told["slopes"], strict=True):
        texts = [play.story.edges[move.edge].text] if move.kind in ("pay", "hurry") else []
        assert [minus(line) for line in lines] == [minus(text) for text in texts]


def minus(text):
    return text.replace("-", "−")


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
    assert told["used"] == len(story.edges)


@settings(max_examples=20)
@given(wild_programs())
def test_special_numbers_are_told_as_the_trace_tells_them(ask, program):
    story = trace(graph_of(program))
    told = ask("play", story, mode="backprop", acts=[])
    agree(told, paying_back(story))
    hurried = impatient(story, "news")
    if hurried.story is story:
        agree(ask("play", story, mode="impatient", ending="news"), hurried)


def test_a_long_path_has_its_factors_shortened(ask):
    x = Value(0.5, label="x")
    for k in range(2, 14):
        x = x * -k
    agree(ask("play", trace(x), mode="naive"), path_by_path(trace(x)))


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


def leaves(count):
    return autograd.sum([Value(1.0, label=f"x{i}") * (i + 1) for i in range(count)])


@pytest.mark.parametrize("graph", [network, lambda: leaves(6), lambda: leaves(7), shared])
def test_steps_are_told_as_python_tells_them(ask, graph):
    told = ask("play", trace(graph()), mode="backprop", acts=["zero", 0.1, "again", -0.1])
    play = Passes(trace(graph()))
    play.zero_grad()
    play.step(0.1)
    play.again()
    play.step(-0.1)
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
    told = ask("retold", story, given=pairs[:1], after=pairs[1:])
    again.backward()
    for node, value in zip(order, told["values"], strict=True):
        if math.isfinite(node.data):
            assert float(value) == pytest.approx(node.data, rel=1e-9, abs=1e-12)


def batch():
    model = nn.MLP(2, [7, 2], activation="tanh", seed=1)
    rows = [[Value(0.1 * i, label=f"p{i}"), Value(-0.2 * i)] for i in range(1, 3)]
    return autograd.sum([out * out for row in rows for out in model(row)])


def six():
    return nn.MLP(1, [6, 1], activation="relu", seed=1)([Value(0.5, label="x")])


def chain(length):
    x = Value(0.5, label="x")
    for _ in range(length):
        x = x * 2
    return x


class TestStrides:
    @pytest.mark.parametrize(
        "graph", [network, batch, nested, shared, six, lambda: chain(4), lambda: chain(5)]
    )
    @pytest.mark.parametrize(
        ("by", "called"),
        [("edge", "edge"), ("node", "node"), ("inner", "unit"), ("outer", "layer")],
    )
    def test_end_where_frames_end_and_say_what_was_done(self, ask, graph, by, called):
        story = trace(graph())
        told = ask("strides", story, by=by)
        ends = [0, *strides(story, called)]
        assert told["ends"] == told["back"] == ends
        spans = [story.steps[a:b] for a, b in pairwise(ends)]
        assert told["said"] == [self.sentence(story, span, by) for span in spans]
        assert [n == 0 for n in told["formulas"]] == [len(span) > 1 for span in spans]

    def sentence(self, story, span, by):
        if len(span) == 1:
            return span[0].text.en
        of = {kind: [s for s in span if s.kind == kind] for kind in ("eval", "pay", "settle")}
        actors = dict.fromkeys(
            story.edges[s.edge].consumer if s.edge is not None else s.node for s in span
        )
        nodes = [story.nodes[i] for i in actors]
        inner = [node for node in nodes if not node.leaf]
        where = (inner or nodes[-1:])[0].scope
        named = [node.name for node in (nodes if len(nodes) == 1 else inner)]
        group = ", ".join(named[:4]) + (", …" if len(named) > 4 else "")
        if where and by in ("outer", "inner"):
            group = where[0] if by == "outer" else " / ".join(where)
        words = {"group": group, "root": story.root.name}
        said = sentences()["en"]
        if not (of["pay"] or of["settle"]):
            key = "group_eval" if inner else "group_read"
            return said[key].format(n=len(of["eval"]), **words)
        text = said["group_pay"].format(n=len(of["settle"]), paid=len(of["pay"]), **words)
        order = [u.sums[row] for layer in story.layers
                 for row in range(max(len(u.sums) for u in layer.units))
                 for u in layer.units if row < len(u.sums)]  # fmt: skip
        grads = paying_back(story).moment(len(story.steps)).totals
        done = [s.node for s in of["settle"] if story.nodes[s.node].op == "dot"]
        deltas = [show(grads[i], 4) for i in sorted(done, key=order.index)]
        if not deltas:
            return text
        more = ", …" if len(deltas) > 6 else ""
        return text + said["group_delta"].format(delta=", ".join(deltas[:6]) + more, **words)

    def test_paths_and_hurried_payments_are_strides_too(self, ask):
        story = trace(shared())
        count = len(story.steps)
        told = ask("strides", story, by="node", acts=["zero", "zero", "again"])
        assert told["ends"][-8:-3] == list(range(count, count + 5))
        told = ask("strides", story, mode="naive", by="outer")
        assert told["ends"] == told["back"] == [0, 2, 4, 6, 8]
        walked = sentences()["en"]["group_walk"].format(group="a", n=2)
        assert told["said"] == 4 * [walked]
        for mode, more in (("impatient", {"ending": "news"}), ("nudge", {"leaf": 0, "delta": 1})):
            play = ask("moments", story, mode=mode, **more)
            told = ask("strides", story, mode=mode, by="inner", **more)
            actors = [now["actors"] for now in play[1:]]
            changed = [i for i, pair in enumerate(pairwise(actors), 1) if pair[0] != pair[1]]
            assert told["ends"][2:-2] == [i for i in changed if 1 < i < len(actors) - 1]

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
        **{"1,000": "bad_number", "-12,345": "bad_number", "0,125": "bad_comma"},
        **{"1,5": "bad_comma", "1e400": "bad_large", "1e-400": "bad_small", "0x10": "bad_number"},
        **{
            "1E5": "100000",
            "1 2": "bad_number",
            "--1": "bad_number",
            "0e-400": "0",
            "0E5": "0",
            "1.": "1",
            "e": "bad_number",
        },
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


def own():
    """x feeds an operation without a rule, y and z do not."""
    x, y, z = (Value(v, label=n) for v, n in ((0.5, "x"), (2.0, "y"), (3.0, "z")))
    wave = Value(math.sin(0.5), (-x.exp(),), (math.cos(0.5),), op="wave")
    return (wave * y).tanh() + y * z * z + y


def alone():
    return Value(1.0, (Value(0.5, label="x"),), (1.0,), op="wave")


def small():
    """0 and 1 are leaves, 3 is a constant."""
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    return (a + b) * (b + 1)


BY = ("edge", "node", "inner", "outer")
PLAIN = "#step=0&mode=backprop&lang=en"
BACK = "#step=4&mode=backprop&lang=zh"


@pytest.mark.parametrize(
    ("graph", "link", "understood"),
    [
        (network, f"{BACK}&by=outer&level=1&boxes=0,6", None),
        (network, f"{BACK}&by=inner&level=2", None),
        (network, f"{BACK}&boxes=10,6,2,x,1.5,-1,7", f"{BACK}&boxes=2,6"),
        (network, "#step=4.5&by=far&level=3&boxes=&ask=-1&lang=fr&ending=all", PLAIN),
        (network, "#step=x4&level=x&ask=1e3&predict=2&nudge=&set=&passes=", PLAIN),
        (small, f"{BACK}&ask=3", BACK),
        (small, f"{BACK}&ask=4&set=0:-0,3:inf&passes=step:-0,again", None),
        (small, f"{BACK}&set=a0:1,0:2:3,1", f"{BACK}&set=0:2"),
        (small, f"{BACK}&set=a3:1,0:2", f"{BACK}&set=0:2"),
        (small, BACK + "&passes=zero" + ",again" * 309, BACK + "&passes=zero" + ",again" * 299),
        (small, f"{BACK}&passes=,step,step:1e999,0.1,zero", f"{BACK}&passes=zero"),
        (small, "#step=2&mode=nudge&lang=zh&nudge=3:1", "#step=2&mode=nudge&lang=zh&nudge=0:0.3"),
        (small, "#step=2&mode=nudge&lang=zh&nudge=1:x", "#step=2&mode=nudge&lang=zh&nudge=0:0.3"),
        (small, "#step=2&mode=impatient&lang=zh&ending=news&set=0:3,1:4",
         "#step=2&mode=impatient&lang=zh&ending=news&set=0:3"),
        (shared, "#step=2&mode=impatient&lang=zh&set=0:3", None),
        (own, f"{BACK}&set=0:1,4:2", f"{BACK}&set=4:2"),
        (own, f"{BACK}&passes=again,step:0.1,zero", f"{BACK}&passes=again,zero"),
        (own, "#step=2&mode=nudge&lang=zh&nudge=0:1", "#step=2&mode=nudge&lang=zh&nudge=0:0.3"),
        (own, "#step=2&mode=nudge&lang=zh&nudge=4:1", None),
        (alone, "#step=2&mode=nudge&lang=zh", "#step=2&mode=backprop&lang=zh"),
        (alone, "#step=2&mode=impatient&lang=en", None),
        (alone, "#step=2&mode=naive&lang=en&ending=pile", "#step=2&mode=naive&lang=en"),
    ],
)  # fmt: skip
def test_a_link_asks_for_what_this_page_has(ask, graph, link, understood):
    """What is out of place is left out, the rest counts."""
    story = trace(graph())
    example = None if shares_an_inner_node(story) else trace(shared())
    levels = (1, 2, 0) if graph is network else (0,)
    told = ask("link", story, hash=link, levels=levels, example=example)
    assert told == (understood or link)


def test_a_link_says_what_differs_from_how_a_page_opens(ask):
    told = [ask("link", trace(network()), hash=f"{BACK}&by={by}", by="outer") for by in BY]
    assert told == [f"{BACK}&by={by}" if by != "outer" else BACK for by in BY]
    assert ask("link", trace(small()), hash=PLAIN, lang="zh") == PLAIN
    layers = {"levels": (1, 2, 0), "level": 1}
    for link in (BACK, f"{BACK}&level=0", f"{BACK}&level=2"):
        assert ask("link", trace(network()), hash=link, **layers) == link


class TestQuestions:
    """What a learner is asked before a move, and what is said to every answer."""

    @settings(max_examples=15)
    @given(programs())
    def test_of_random_graphs(self, ask, program):
        self.check(ask, trace(graph_of(program)))

    def test_of_a_graph_where_many_wait(self, ask):
        x = Value(2.0, label="x")
        y = [autograd.exp(x * k) for k in range(1, 7)]
        asked = self.check(ask, trace(autograd.sum([a * b for a in y for b in y[:3]])))
        assert {len(told["choices"]) for told in asked if told["kind"] == "who"} >= {2, 4}

    def check(self, ask, story):
        asked = ask("questions", story)
        play = paying_back(story)
        for at, told in enumerate(asked):
            move, now = play.moves[at], play.moment(at)
            if move.kind == "pay":
                self.amount(told, story, move, now)
            elif move.kind == "settle" and not story.nodes[move.actor].leaf:
                self.who(told, story, move, now)
            else:
                assert told is None
        return [told for told in asked if told]

    def amount(self, told, story, move, now):
        ui, edge = sentences()["ui"]["en"], story.edges[move.edge]
        words = {
            **{"from": story.nodes[edge.consumer].name, "to": story.nodes[edge.parent].name},
            **{"debt": show(now.totals[edge.consumer]), "factor": enclosed(show(edge.local))},
        }
        assert told["kind"] == "amount"
        assert told["said"] == ui["predict_amount"].format(**words)
        same([told["right"]], [move.amount])
        right = move.amount
        for answer, accepted, key, said in told["judged"]:
            x = float(answer)
            close = abs(x - right) < 5e-3 * abs(right)
            assert accepted == (close or x == right or (math.isnan(x) and math.isnan(right)))
            wrong = "predict_sign" if x == -right else "predict_not"
            assert key == ("predict_yes" if accepted else wrong)
            assert said == ui[key].format(**words)

    def who(self, told, story, move, now):
        others = [
            *(n.id for n in story.nodes if not n.leaf and n.id in now.piles),
        ]
        others = [i for i in others if i not in now.settled and i != move.actor]
        if not others:
            assert told is None
            return
        ui, name = sentences()["ui"]["en"], story.nodes[move.actor].name
        assert (told["kind"], told["said"]) == ("who", ui["predict_who"])
        assert told["choices"] == sorted([move.actor, *others][:4])
        assert told["right"] == str(move.actor)
        for answer, accepted, _, said in told["judged"]:
            left = now.hears[int(answer)] - now.heard[int(answer)]
            words = {"node": story.nodes[int(answer)].name, "first": name, "left": left}
            key = "predict_waits" if left else "predict_also"
            key = "predict_yes" if int(answer) == move.actor else key
            assert accepted == (key != "predict_waits")
            assert said == ui[key].format(**words)


SIGHTS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 1e11, 1e12, 1e12 + 1, 1e6, 999_999.5, 9_999_999.0, 12.0, -120.0),
    *(-12_345_678.9, 1e-3, 1e-4, 9.9999995e-5, 1.5e-4, -1e-9, 0.1 + 0.2, 1 / 3, -2 / 3, 1e300),
    *(119999.99999, 999999.99999, -9999.99999999),
    *(123456.5, 5e-324, 1e21, 2.0**70, 99999.95, 0.99999996, math.inf, -math.inf, math.nan),
)
TEXTS = (
    *("-x-1 - 2.5e-7 · (-y)", "x-1", "{-a, -b} ^ -2 | -3| √-4 [-5]", "−3", "-", "a - b", ""),
    *("a^-2", "|-3|", "(-1)", "[-1]", "1e-7", "be-7", "x,-1"),
)


@settings(max_examples=40)
@given(st.lists(st.floats() | st.integers(-(10**14), 10**14).map(float), max_size=8))
def test_numbers_are_written_as_python_writes_them(ask, drawn):
    numbers, digits = [*SIGHTS, *drawn], [*range(1, 9), 12]
    piles = [[show(x) for x in numbers[-n:]] for n in (1, 2, 7, 8, 9, 10, 20)] + [[]]
    counts = [*(10**n for n in range(24)), 1, 12, 123, 1234, 123456, 999]
    told = ask(
        "spell",
        numbers=[x if math.isfinite(x) else _spelled(x) for x in numbers],
        digits=digits,
        texts=TEXTS,
        piles=piles,
        counts=[str(count) for count in counts],
    )
    assert told["seven"] == [show(x) for x in numbers]
    assert told["show"] == [[show(x, most) for most in digits] for x in numbers]
    assert told["six"] == [number(x) for x in numbers]
    assert told["number"] == [[number(x, most) for most in digits] for x in numbers]
    same(told["plain"], numbers)
    assert told["plain"][1] == "-0"
    assert told["typeset"] == [typeset(text) for text in TEXTS]
    assert told["enclosed"] == [enclosed(text) for text in TEXTS]
    assert told["sums"] == [sum_of(pile) for pile in piles]
    assert told["products"] == [sum_of(pile).replace(" + ", " × ") for pile in piles]
    assert told["grouped"] == [f"{count:,}".replace(",", "\u202f") for count in counts]


def _spelled(x):
    """A number that JSON has not, as the records have it."""
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


class TestMoments:
    """Whatever the page can show of every node and edge after every move."""

    BEGINNINGS = ("again", "zero_grad", "step")

    def agree(self, ask, play, **asked):
        for taken, told in enumerate(ask("moments", play.story, **asked)):
            now = play.moment(taken)
            told_all = play.mode != "impatient" or (now.move and now.move.kind == "verdict")
            assert told["done"] == (taken == len(play.moves) and told_all)
            for node in play.story.nodes:
                if not node.constant:
                    self.node_agrees(told["nodes"][node.id], node.id, now)
                    final = node.id in now.settled
                    final = (
                        now.move and now.move.kind == "verdict"
                        if play.mode == "impatient"
                        else final
                    )
                    gradient = told["nodes"][node.id]["gradient"]
                    assert gradient == (told["nodes"][node.id]["total"] if final else None)
            self.edges_agree(told, play, taken)
            self.move_agrees(told, now.move)

    def node_agrees(self, seen, node, now):
        anew = now.kept.get(node) == 0 and node in now.piles
        pile = now.piles[node] if anew else now.pile(node)
        assert len(seen["pile"]) == len(pile)
        same([*seen["pile"], seen["total"]], [*pile, now.total(node)])
        assert seen["known"] == (node in now.values)
        if seen["known"]:
            same([seen["value"]], [now.values[node]], 1e-13)
        unsettled = node in now.kept and node not in now.settled
        assert seen["state"] == ("owed" if unsettled else now.state_of(node))
        assert seen["heard"] == f"{now.heard[node]}/{now.hears.get(node, 0)}"

    def edges_agree(self, told, play, taken):
        begun = [i + 1 for i, m in enumerate(play.moves[:taken]) if m.kind in self.BEGINNINGS]
        uses = Counter(move.edge for move in play.moves[max(begun, default=0) : taken])
        del uses[None]
        assert told["used"] == uses.total()
        assert told["times"] == [uses[edge.id] for edge in play.story.edges]
        assert told["walked"] == [bool(uses[edge.id]) for edge in play.story.edges]

    def move_agrees(self, told, move):
        """Who acts, who is paid, along which edge, how much."""
        if move is None or move.kind in self.BEGINNINGS:
            return
        assert told["edges"] == ([] if move.edge is None else [move.edge])
        if move.kind in ("pay", "hurry", "seed"):
            assert told["actors"] == told["lines"] == [move.actor]
            assert told["payees"] == ([] if move.payee == move.actor else [move.payee])
        if move.edge is not None and move.amount is not None:
            same(told["carried"], [move.amount])

    @settings(max_examples=12)
    @given(programs(), st.lists(st.sampled_from(["again", "zero"]), max_size=3))
    def test_of_random_graphs(self, ask, program, acts):
        story = trace(graph_of(program))
        play = Passes(story)
        for act in acts:
            play.again() if act == "again" else play.zero_grad()
        self.agree(ask, play, mode="backprop", acts=acts)
        walked, hurried = path_by_path(story), impatient(story, "news")
        if len(walked.moves) < 60:
            self.agree(ask, walked, mode="naive")
        if hurried.story is story and len(hurried.moves) < 60:
            self.agree(ask, hurried, mode="impatient", ending="news")

    def test_of_a_training_loop(self, ask):
        play = Passes(trace(shared()))
        acts = ["again", 0.5, "again", "zero", "again", 0.25]
        for act in acts:
            if isinstance(act, str):
                play.again() if act == "again" else play.zero_grad()
            else:
                play.step(act)
        self.agree(ask, play, mode="backprop", acts=acts)

    @pytest.mark.parametrize("ending", ["pile", "news"])
    def test_of_who_does_not_wait(self, ask, ending):
        self.agree(ask, impatient(trace(shared()), ending), mode="impatient", ending=ending)

    def test_a_walker_is_shown_where_it_walks(self, ask):
        story = trace(shared())
        seen = ask("moments", story, mode="naive")[1:]
        for told, move in zip(seen, path_by_path(story).moves, strict=True):
            edge = story.edges[move.edge]
            assert told["actors"] == ([edge.parent] if move.payee is None else [move.payee])
            assert told["payees"] == [edge.consumer]
            assert told["lines"] == [edge.consumer]
            same(told["carried"], [float(move.math.rpartition(" = ")[2])])

    @settings(max_examples=10)
    @given(programs(), st.data())
    def test_what_may_look_different_is_all_that_does(self, ask, program, data):
        story = trace(graph_of(program))
        leaf = next(node.id for node in story.nodes if node.leaf and not node.constant)
        for asked in (
            {"mode": "backprop", "acts": ["again", "zero", "again"]},
            {"mode": "naive"},
            {"mode": "impatient", "ending": "pile"},
            {"mode": "nudge", "leaf": leaf, "delta": 0.5},
        ):
            count = ask("play", story, **asked)["moves"]
            places = st.integers(0, count)
            pairs = data.draw(st.lists(st.tuples(places, places), max_size=8))
            pairs += [(i + a, i + 1 - a) for i in range(min(count, 40)) for a in (0, 1)]
            told_of = ask("changes", story, pairs=pairs, **asked)
            for (i, j), told in zip(pairs, told_of, strict=True):
                assert told["foreign"]
                ends = {"backprop": len(story.steps), "impatient": count - 1}
                begun = max(i, j) > ends.get(asked["mode"], count)
                assert told["all"] <= (begun or abs(i - j) >= 200)
                for kind in ("nodes", "edges") if not told["all"] else ():
                    assert {*told["changed"][kind]} <= {*told[kind]}


class TestNudge:
    """A nudge in words: what it should change by the slopes, what the engine says it changes."""

    @pytest.mark.parametrize("delta", [0.25, -0.5])
    def test_is_told_with_the_engines_numbers(self, ask, delta):
        def computed(x):
            a, b = Value(x, label="a"), Value(-3.0, label="b")
            c = a * b
            c.label = "c"
            root = c * a + b * 2 + c
            root.label = "y"
            return root

        story, after = trace(computed(2.0)), trace(computed(2.0 + delta))
        leaf = next(node for node in story.nodes if node.name == "a")
        change, words = {leaf.id: delta}, []
        for node in story.nodes:
            owed = [e for e in story.edges if e.consumer == node.id and e.parent in change]
            if not owed:
                continue
            factors = [f"{show(e.local)} · {enclosed(show(change[e.parent]))}" for e in owed]
            change[node.id] = math.fsum(e.local * change[e.parent] for e in owed)
            really = after.nodes[node.id].value - node.value
            words.append(
                {
                    **{"node": node.name, "factors": sum_of(factors)},
                    **{"amount": show(change[node.id]), "really": show(really, 5)},
                }
            )
        root, foretold = story.root, change[story.root.id]
        measured = after.root.value - root.value
        last = {
            **{"node": "a", "root": "y", "delta": enclosed(show(delta))},
            **{"grad": show(foretold / delta), "measured": show(measured, 5)},
            **{"predicted": show(foretold, 5), "error": show(measured - foretold, 5)},
        }
        told = ask("play", story, mode="nudge", leaf=leaf.id, delta=delta)
        for lang in ("en", "zh"):
            of = sentences()[lang]
            assert told[lang] == [
                of["nudge_start"].format(node="a", root="y"),
                of["nudge_leaf"].format(node="a", delta=show(delta)),
                *(of["nudge_node"].format(**known) for known in words),
                of["nudge_root"].format(**last),
            ]
        math_of = sentences()["math"]
        assert told["formulas"] == [
            math_of["nudge_leaf"].format(node="a", delta=show(delta)),
            *(math_of["nudge_node"].format(**known) for known in words),
            math_of["nudge_root"].format(**last),
        ]
        same(told["totals"], [change.get(node.id) for node in story.nodes])
        end = ask("moments", story, mode="nudge", leaf=leaf.id, delta=delta)
        assert [len(node["pile"]) for node in end[-1]["nodes"]] == [
            int(node.id in change) for node in story.nodes
        ]
        assert {node["gradient"] for node in end[-1]["nodes"]} == {None}
        assert all(node["known"] for node in end[0]["nodes"])
        assert [told["actors"] for told in end[1:-1]] == [[i] for i in sorted(change)]
        assert end[-1]["actors"] == [root.id]
        assert [told["edges"] for told in end[2:-1]] == [
            [e.id for e in story.edges if e.consumer == i and e.parent in change]
            for i in sorted(change)[1:]
        ]
        for told in end[2:-1]:
            debts = [story.edges[i] for i in told["edges"]]
            same(told["carried"], [debt.local * change[debt.parent] for debt in debts])


class TestFacts:
    def test_what_feeds_an_operation_without_a_rule(self, ask):
        story = trace(own())
        told = ask("facts", story)
        feeds = [node for node in story.nodes if not told["retold"][node.id]]
        assert [(node.label, node.op) for node in feeds] == [("x", ""), ("", "exp"), ("", "neg")]
        assert told["leaves"] == [node.id for node in story.nodes if node.leaf]
        agree(ask("play", story, mode="backprop", acts=[]), paying_back(story))
        x = Value(0.5, label="x")
        pair = Value(3.0, (x, x.tanh()), (2.0, -1.0), op="pair")
        named = trace(Value(-1.0, (pair,), (0.5,), op="tanh"))  # a name of the table, not its row
        agree(ask("play", named, mode="backprop", acts=[]), paying_back(named))
        plain_story = trace(network())
        told = ask("facts", plain_story)
        assert all(told["retold"])

    @settings(max_examples=15)
    @given(programs())
    def test_leaves_and_slopes_in_words(self, ask, program):
        story = trace(graph_of(program))
        told = ask("facts", story)
        assert told["slopes"] == [minus(edge.text) for edge in story.edges]
        leaves = [node.id for node in story.nodes if node.leaf and not node.constant]
        assert told["leaves"] == leaves

    def test_sums_of_a_batch_by_layer_row_and_unit(self, ask):
        model = nn.MLP(2, [3, 2], activation="tanh", seed=1)
        rows = [[Value(0.1 * i), Value(-0.2 * i)] for i in range(3)]
        outs = [out for row in rows for out in model(row)][:-1]  # one unit has a row less
        alone = [autograd.dot(rows[0], row) for row in rows[1:]]
        story = trace(autograd.sum([out * out for out in outs] + alone))
        sums = [[u.sums for u in layer.units] for layer in story.layers]
        wanted = [u[row] for units in sums for row in range(3) for u in units if row < len(u)]
        rest = [node.id for node in story.nodes if node.op == "dot" and node.id not in wanted]
        assert (len(wanted), len(rest)) == (14, 2)
        assert ask("facts", story)["sums"] == wanted + rest

    def test_rows_go_before_units_also_where_a_graph_has_them_unit_by_unit(self, ask):
        model = nn.MLP(2, [2], activation="tanh", seed=1)
        outs = [model([Value(0.1 * i), Value(-0.2 * i)]) for i in range(3)]
        story = trace(autograd.sum([row[unit] for unit in (0, 1) for row in outs]))
        [first, second] = [u.sums for u in story.layers[0].units]
        assert max(first) < min(second)
        assert ask("facts", story)["sums"] == [i for pair in zip(first, second) for i in pair]
