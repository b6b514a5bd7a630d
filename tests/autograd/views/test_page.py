"""The page: in a real browser, from disk, against the trace; and what can be read off the file."""

import base64
import hashlib
import json
import math
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

import autograd
import nn
from autograd import Value, scope, trace
from autograd.graph import topological_order
from autograd.rules import TABLE
from autograd.value import FLOATS, apply
from autograd.views import page as page_module
from autograd.views.joining import joined_modules
from autograd.views.kernels import kernel
from autograd.views.moment import hears, moment
from autograd.views.page import (
    MODULES,
    page,
    page_data,
    page_script,
    page_style,
    shown_levels,
    static,
)
from autograd.views.painter import colours, paint
from autograd.views.plays import impatient
from autograd.views.records import graph_of
from autograd.views.scene import scene
from autograd.views.text import number
from autograd.views.words import formula, show, sum_of, taught_slopes
from tests.strategies import nested
from tests.truth import SPECIAL
from tests.waiting import until

HOSTILE = (
    "<script>document.title='broken'</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'\"><svg onload=alert(1)>",
    "{title} {0} $& \\u003c",
    "\u2028\u2029\ud800",
    "x" * 10_000,
    "损失",
)


def bare(css):
    """A style sheet without what a browser does not read."""
    text = re.sub(r"(?s)/\*.*?\*/|\s+", "", css).replace(";}", "}")
    return re.sub(r'(\[[\w-]+=)"([\w-]+)"\]|(?<![\w.])0(\.\d)', r"\1\2\3", text).replace("]", "")


def seed_graph():
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    return (a + b) * (b + 1)


def shared_graph():
    """Every kind of node: leaves used often, an inner node used twice, constants, an unary."""
    x, y = Value(0.5, label="x"), Value(-1.5, label="y")
    z = (x * y).tanh()
    return z * z + autograd.dot([x, z], [y, x], 2.0) - z / 3


def shared_sum():
    a = Value(1.0, label="a")
    b = a + a
    c = b + b
    b.label, c.label = "b", "c"
    return c


def network():
    model = nn.MLP(2, [3, 1], activation="tanh", seed=1)
    return nn.squared_error([model([Value(0.5, label="x1"), Value(-1.0, label="x2")])], [1.0])


def big_graph(nodes=200):
    x = [Value(0.1 * i, label=f"x{i}") for i in range(4)]
    while len(x) < nodes:
        x.append((x[-1] * 0.5 + x[-3]).tanh() if len(x) % 3 else x[-2] + x[-4])
    return x[-1] + x[-2]


READ = """() => Object.fromEntries([...document.querySelectorAll("tr[data-node]")].map((row) =>
    [row.dataset.node, [...row.querySelectorAll("[data-cell]")].map((c) => c.textContent)]))"""
PRESS_AND_READ = f"""([key, times]) => Array.from({{ length: times }}, () => {{
    document.querySelector(".payback").dispatchEvent(new KeyboardEvent("keydown", {{ key }}));
    return ({READ})();
}})"""


def table_of(tab):
    """What stands in the table: by node, the four cells."""
    return tab.evaluate(READ)


def expected(story, taken):
    """What should stand there, by the trace."""
    now, owed = moment(story, taken), hears(story)
    rows = {}
    for node in story.nodes:
        pile = now.piles.get(node.id, [])
        heard = len(pile) - (node is story.root and bool(pile))
        rows[str(node.id)] = [
            show(node.value) if node.id in now.values else "",
            sum_of([show(amount) for amount in pile]),
            show(now.totals[node.id]) if node.id in now.settled else "",
            f"{heard}/{owed[node.id]}" if owed[node.id] and not node.constant else "",
        ]
    return rows


def step_of(tab):
    return int(tab.locator(".payback").get_attribute("data-step"))


def press(tab, *keys):
    for key in keys:
        tab.keyboard.press(key)


class TestFile:
    @pytest.mark.parametrize("graph", [seed_graph, network])
    def test_is_one_small_file(self, graph):
        """Small without its graph: the trace, the pictures of it, a kernel for each operation."""
        text = page(trace(graph()))
        data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)[1]
        graph = data + "".join(re.findall(r"<svg xmlns.*?</svg>|const KERNELS.*?\n};", text, re.S))
        sentences = json.dumps(json.loads(data)["told"], ensure_ascii=False, separators=(",", ":"))
        bare = len(text.encode()) - len(graph.encode())
        assert bare <= 100 * 1024
        assert bare + len(sentences.encode()) <= 112 * 1024
        assert set(re.findall(r"https?://[\w.]+", text)) == {"http://www.w3.org"}
        assert not re.search(r"\s(src|href)=|@import|url\(", text)

    def test_policy_allows_nothing_but_itself(self):
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page(trace(seed_graph())))
        assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
        assert policy[1].endswith("; base-uri 'none'; form-action 'none'")
        assert "unsafe" not in policy[1]

    def test_the_policy_knows_the_script_and_the_style_by_their_hashes(self):
        text = page(trace(network()))
        parts = {"script": r"<script(?![^>]*json)[^>]*>(.*?)</script>", "style": r"<style>(.*?)<"}
        for part, pattern in parts.items():
            [inline, *_] = re.findall(pattern, text, re.S)
            known = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
            assert f"{part}-src 'sha256-{known}'" in text

    @pytest.mark.parametrize(
        ("lang", "said"), [(None, "Graph of e"), ("en", "Graph of e"), ("zh", "计算图")]
    )
    def test_what_is_written_is_in_the_language_asked_for(self, lang, said):
        text = page(trace(seed_graph()), lang=lang)
        assert f'<html lang="{lang or "en"}">' in text
        assert said in re.search(r'<svg[^>]* aria-label="([^"]*)"', text)[1]
        drawn = text.partition("<script")[0]  # the graph and the example, before the first step
        assert {*re.findall(r'<g [^>]*data-state="(\w+)"', drawn)} == {"idle"}
        data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)[1]
        assert json.loads(data)["lang"] == lang

    @pytest.mark.parametrize(
        ("scopes", "nodes", "offered"),
        [(1, 1500, [1, 0]), (1, 1501, [1]), (2, 1501, [1, 2]), (0, 1501, [0])],
    )
    def test_the_open_level_is_offered_up_to_1500_nodes(self, scopes, nodes, offered):
        x = Value(1.0)
        with ExitStack() as inside:
            for name in "ab"[:scopes]:
                inside.enter_context(scope(name))
            for _ in range(nodes - 1):
                x = x.sin()
        assert shown_levels(graph_of(topological_order(x))) == offered

    def test_both_schemes_have_their_colours(self):
        style = page_style()
        assert ";}" not in style
        light, dark = (bare(block) for block in re.findall(r":root\{(.*?)\}", style)[:2])
        for block, names in (light, ("fonts", "light")), (dark, ("dark",)):
            told = [f"--{k}:{v}" for name in names for k, v in colours()[name].items()]
            assert block == bare(";".join(told))
        begin = f":root{{{light}}}@mediascreenand(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        board, _, single = static("board.css").partition("/* Only in single pictures. */")
        assert {*re.findall(r"\.(\w+) \{", single)} == {"frame", "said", "foot"}
        assert bare(style) == begin + bare(f".board {{{board}}}{static('page.css')}")

    def test_formulas_have_a_gap_for_each_operand(self):
        story = trace(shared_graph())
        assert page(story) == page(story, asks=False)
        data = page_data(story, [0], 0, None)
        assert data == page_data(story, [0], 0, None, asks=False)
        assert {*json.loads(data)} == {"trace", "levels", "level", "lang", "templates", "told"}
        told = json.loads(data)["templates"]
        assert {*told} == {"mul/2", "tanh/1", "dot/5", "add/2", "div/2", "sub/2"}
        for key, text in told.items():
            op, count = key.split("/")
            names = "abcde"[: int(count)]
            for i, name in enumerate(names):
                text = text.replace(f"{{{i}}}", name)
            assert text == formula(op, names)

    @pytest.mark.parametrize(("sign", "more"), [("erf", ["basis"]), ("exp", [])])
    def test_a_page_has_the_modules_that_its_graph_needs(self, sign, more):
        y = getattr(autograd, sign)(Value(0.5))
        with scope("s"):
            z = y * 2
        for story, names in (trace(y), more), (trace(z), [*more, "mixture"]):
            kernels, modules = page_script(story).split("\n};\n")
            assert kernels.startswith(f'const KERNELS = {{\n"{sign}/1": ')
            assert modules == joined_modules(*names, *MODULES)

    def test_an_example_comes_along_where_nobody_shares(self):
        def example(root):
            text = page(trace(root))
            data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)[1]
            return json.loads(data).get("example"), "data-example" in text.partition("<script")[0]

        told, drawn = example(seed_graph())
        assert [node["name"] for node in told["trace"]["nodes"]] == ["a", "b", "c"]
        assert drawn
        assert example(shared_sum()) == (None, False)

    def test_the_title_is_what_is_computed(self):
        assert "<title>e = (a + b) · (b + 1)</title>" in page(trace(seed_graph()))
        x = Value(-1.0, label="x<")
        assert "<title>b = −x&lt; − 2</title>" in page(trace(-x - 2))
        y = Value(8.0, (Value(2.0, label="x"),), (12.0,), op="cube")
        y.label = "y"
        assert "<title>y</title>" in page(trace(y))

    def test_a_level_that_would_be_huge_is_left_out(self, monkeypatch):
        story = trace(network())
        for most, kept in ((len(story.nodes), [1, 2, 0]), (len(story.nodes) - 1, [1, 2])):
            monkeypatch.setattr(page_module, "OPEN_UP_TO", most)
            text = page(story)
            assert [int(n) for n in re.findall(r'<template data-level="(\d+)"', text)] == kept
            data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)[1]
            assert json.loads(data)["levels"] == kept
            assert json.loads(data)["level"] == 2  # a network opens at its units
        flat = trace(seed_graph())
        monkeypatch.setattr(page_module, "OPEN_UP_TO", 1)
        assert '<svg xmlns="http://www.w3.org/2000/svg" class="board' in page(flat)

    def test_data_cannot_leave_its_element(self):
        root = autograd.sum([Value(1.0, label=label) for label in HOSTILE])
        text = page(trace(root))
        data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)[1]
        assert not set("<>&\u2028\u2029") & set(data)
        labels = [node["label"] for node in json.loads(data)["trace"]["nodes"]]
        assert labels[: len(HOSTILE)] == list(HOSTILE)

    def test_same_graph_same_bytes(self):
        assert page(trace(network())) == page(trace(network()))

    def test_the_same_bytes_in_another_process(self):
        ask = (
            "from autograd.views.page import MODULES, joined_modules;"
            "print(joined_modules('basis', 'mixture', *MODULES))"
        )
        told = [
            subprocess.run(
                [sys.executable, "-c", ask],
                env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
                capture_output=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        ]
        assert told[0] == told[1]

    def test_both_languages_say_everything(self):
        told = json.loads(static("sentences.json"))
        assert told["en"].keys() == told["zh"].keys()
        assert told["ui"]["en"].keys() == told["ui"]["zh"].keys()
        for lang in ("en", "zh"):
            for key, text in {**told[lang], **told["ui"][lang]}.items():
                other = {**told["en"], **told["ui"]["en"]}[key]
                assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", other)), key

    def test_modules_share_no_names(self):
        source = "\n".join(static(f"{name}.js") for name in ("basis", "mixture", *MODULES))
        pattern = r"^(?:export )?(?:function\*?|class|const|let) (\w+)"
        names = re.findall(pattern, source, re.M)
        assert len(names) == len(set(names))

    def test_refusals(self):
        with pytest.raises(ValueError, match="max_nodes=3"):
            page(trace(seed_graph()), max_nodes=3)
        with pytest.raises(
            ValueError, match="3,001 nodes and a page for more than max_nodes=3,000"
        ):
            page(SimpleNamespace(nodes=range(3001)))
        with pytest.raises(ValueError, match="'en' or 'zh'"):
            page(trace(seed_graph()), lang="de")

    def test_a_failed_write_leaves_the_old_file(self, tmp_path):
        path = tmp_path / "e.html"
        path.write_text("old")
        with pytest.raises(ValueError, match="lang"):
            trace(seed_graph()).to_html(path, lang="de")
        assert path.read_text() == "old"


class TestSteps:
    def test_table_is_the_trace_forwards_and_back(self, opened):
        story = trace(seed_graph())
        tab = opened(story)
        last = len(story.steps)
        assert tab.locator(".payback").get_attribute("data-steps") == str(last)
        seen = []
        for taken in range(last + 1):
            seen.append(table_of(tab))
            assert step_of(tab) == taken
            assert seen[-1] == expected(story, taken)
            press(tab, "ArrowRight")
        assert step_of(tab) == last
        for taken in reversed(range(last)):
            press(tab, "ArrowLeft")
            assert table_of(tab) == seen[taken]

    @pytest.mark.parametrize("graph", [shared_graph, network])
    def test_larger_tables_too(self, opened, graph):
        story = trace(graph())
        moments = [expected(story, taken) for taken in range(len(story.steps) + 1)]
        tab = opened(story)
        tab.locator('[data-control="by"]').select_option("edge")
        told = tab.evaluate(PRESS_AND_READ, ["ArrowRight", len(story.steps)])
        assert told == moments[1:]
        told = tab.evaluate(PRESS_AND_READ, ["ArrowLeft", len(story.steps)])
        assert told == moments[-2::-1]

    @pytest.mark.parametrize("lang", ["en", "zh"])
    def test_caption_says_the_traces_sentence(self, opened, lang):
        story = trace(shared_graph())
        tab = opened(story, f"#lang={lang}")
        for step in story.steps:
            press(tab, "ArrowRight")
            assert tab.locator("[aria-live]").text_content() == getattr(step.text, lang)

    def test_buttons_and_slider(self, opened):
        story = trace(seed_graph())
        tab = opened(story)
        last = len(story.steps)
        for action, taken in [("forward", 1), ("forward", 2), ("back", 1), ("last", last)]:
            tab.click(f'[data-action="{action}"]')
            assert step_of(tab) == taken
        tab.click('[data-action="forward"]', force=True)
        assert step_of(tab) == last
        tab.click('[data-action="first"]')
        assert step_of(tab) == 0
        tab.locator('[data-control="slider"]').fill("9")
        assert table_of(tab) == expected(story, 9)
        tab.locator('[data-control="slider"]').focus()
        press(tab, "ArrowRight")
        assert step_of(tab) == 10

    def test_keys(self, opened):
        story = trace(seed_graph())
        tab = opened(story)
        press(tab, "b")
        assert step_of(tab) == 6
        press(tab, "Shift+ArrowRight")
        assert story.steps[step_of(tab) - 1].kind == "seed"
        press(tab, "Shift+ArrowRight", "Shift+ArrowRight")
        assert story.steps[step_of(tab) - 1].kind == "settle"
        assert story.nodes[story.steps[step_of(tab) - 1].node].name == "c"
        press(tab, "Shift+ArrowLeft")
        assert story.steps[step_of(tab) - 1].kind == "settle"
        press(tab, "f")
        assert step_of(tab) == 0
        press(tab, "End")
        assert step_of(tab) == len(story.steps)
        press(tab, "Home")
        assert step_of(tab) == 0
        press(tab, "Shift+ArrowLeft")  # there is no earlier node: nothing goes forward
        assert step_of(tab) == 0
        press(tab, "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowLeft", "Shift+ArrowLeft")
        assert step_of(tab) == 0
        press(tab, "?")
        assert tab.locator("dialog").is_visible()
        press(tab, "Escape")
        assert not tab.locator("dialog").is_visible()

    def test_keys_act_only_inside(self, opened):
        tab = opened(trace(seed_graph()))
        tab.evaluate("document.activeElement.blur()")
        press(tab, "ArrowRight", "End")
        assert step_of(tab) == 0
        tab.locator("input[data-leaf]").first.focus()
        press(tab, "ArrowLeft", "Home", "n")
        assert step_of(tab) == 0

    def test_play(self, opened):
        tab = opened(trace(Value(3.0, label="x") * 2))
        tab.locator('[data-control="speed"]').select_option("4")
        tab.locator(".payback").focus()
        press(tab, " ")
        tab.locator('.payback[data-step="7"]:not(.playing)').wait_for()
        press(tab, " ", " ")
        assert step_of(tab) == 0
        assert "playing" not in tab.locator(".payback").get_attribute("class")

    def test_board_shows_the_moment(self, opened):
        tab = opened(trace(seed_graph()), "#step=13")
        states = {
            group.get_attribute("data-node"): group.get_attribute("data-state")
            for group in tab.locator("g.node[data-node]").all()
        }
        assert states == {
            **{"0": "owed", "1": "owed", "2": "settled"},
            **{"3": "known", "4": "owed", "5": "settled"},
        }
        assert tab.locator("g.edge.now").get_attribute("data-edge") == "1"
        assert tab.locator(".coin text").text_content() == "2"


class TestLinks:
    def test_deep_link(self, opened):
        story = trace(seed_graph())
        tab = opened(story, "#step=7&mode=backprop&lang=zh")
        section = tab.locator(".payback")
        assert section.get_attribute("data-lang") == "zh"
        assert tab.locator("html").get_attribute("lang") == "zh-CN"
        assert tab.locator("[aria-live]").text_content() == story.steps[6].text.zh
        tab.evaluate("location.hash = '#step=3&mode=naive&lang=en'")
        tab.locator('.payback[data-mode="naive"]').wait_for()
        assert step_of(tab) == 3

    @pytest.mark.parametrize("link", ["#step=999", "#step=-1&mode=x&lang=y", "#%%%", "#step=1e9"])
    def test_a_wrong_link_does_no_harm(self, opened, link):
        tab = opened(trace(seed_graph()), link)
        assert 0 <= step_of(tab) <= 17

    def test_address_follows(self, opened):
        tab = opened(trace(seed_graph()))
        press(tab, "ArrowRight", "ArrowRight")
        tab.wait_for_url("**#step=2&mode=backprop&lang=en")
        again = opened(trace(seed_graph()), "#" + tab.url.partition("#")[2])
        assert step_of(again) == 2

    def test_language(self, opened):
        tab = opened(trace(seed_graph()), locale="zh-CN")
        assert tab.locator(".payback").get_attribute("data-lang") == "zh"
        tab.click('[data-action="en"]')
        assert tab.locator("th").first.text_content() == "node"
        tab.click('[data-action="zh"]')
        assert tab.locator("th").first.text_content() == "节点"
        assert opened(trace(seed_graph()), lang="zh").locator("html").get_attribute("lang") == (
            "zh-CN"
        )


class TestNaive:
    def test_walks_every_path(self, opened):
        story = trace(seed_graph())
        tab = opened(story)
        press(tab, "w")
        section = tab.locator(".payback")
        assert section.get_attribute("data-mode") == "naive"
        assert section.get_attribute("data-steps") == str(story.naive_edge_uses) == "6"
        press(tab, "End")
        grads = {node: cells[2] for node, cells in table_of(tab).items()}
        assert (grads["0"], grads["1"]) == ("2", "5")
        assert table_of(tab)["1"][1] == "2 + 3"
        assert tab.locator('[data-counter="walk"] b').text_content() == "6"
        press(tab, "n")
        assert section.get_attribute("data-mode") == "backprop"

    def test_ladder_stops_in_time_and_says_so(self, opened):
        x = Value(1.0, label="x")
        for _ in range(64):
            x = x + x
        tab = opened(trace(x), "#mode=naive")
        press(tab, "End")
        digits = re.sub(r"\D", "", tab.locator('[data-counter="walk"] span').text_content())
        assert digits == str(64 * 2**64)
        assert "We stop here" in tab.locator("[aria-live]").text_content()

    def test_gradients_agree_with_paying_back(self, opened):
        story = trace(shared_graph())
        tab = opened(story, f"#mode=naive&step={story.naive_edge_uses}")
        for node in story.nodes:
            if node.leaf and not node.constant:
                told = float(table_of(tab)[str(node.id)][2])
                assert told == pytest.approx(moment(story, len(story.steps)).totals[node.id])


class TestImpatient:
    def test_both_endings_beside_the_one_who_waits(self, opened):
        tab = opened(trace(shared_sum()), "#mode=impatient")
        press(tab, "End")
        cells = tab.locator(".compare tbody tr").first.locator("td").all_text_contents()
        assert [cell.split()[0] for cell in cells] == ["4", "6", "4"]
        assert ["wrong" in cell for cell in cells] == [False, True, False]
        uses = tab.locator(".compare tbody tr").last.locator("td").all_text_contents()
        assert uses == ["4 / 4", "6 / 6", "6 / 6"]
        assert "that is wrong: the derivative is 4" in tab.locator("[aria-live]").text_content()
        tab.click('[data-action="news"]')
        assert "which is right, after 6 payments" in tab.locator("[aria-live]").text_content()

    def test_offers_an_example_where_waiting_costs_nothing(self, opened):
        tab = opened(trace(seed_graph()))
        press(tab, "i")
        assert "b = a + a, c = b + b" in tab.locator("[aria-live]").text_content()
        assert tab.locator("tr[data-node]").count() == 3
        press(tab, "End", "i")
        assert tab.locator("tr[data-node]").count() == 6
        assert tab.locator(".payback").get_attribute("data-mode") == "backprop"

    def test_every_step_says_what_python_says(self, opened):
        story = trace(shared_sum())
        tab = opened(story, "#mode=impatient&lang=zh")
        for move in impatient(story, "pile").moves:
            press(tab, "ArrowRight")
            assert tab.locator("[aria-live]").text_content() == move.text.zh


class TestPasses:
    def test_gradients_double_until_they_are_reset(self, opened):
        tab = opened(trace(seed_graph()))
        grads = []
        for action in ("again", "again", "zero", "again"):
            tab.click(f'[data-action="{action}"]')
            grads.append([table_of(tab)[node][1 if action == "zero" else 2] for node in "01"])
        assert grads == [["4", "10"], ["6", "15"], ["0", "0"], ["2", "5"]]
        assert tab.locator(".log li").count() == 5
        tab.click('[data-action="undo"]')
        assert tab.locator(".log li").count() == 4
        press_on(tab, "Home")
        assert table_of(tab)["0"] == ["", "", "", "0/1"]

    def test_a_step_works_everything_out_anew(self, opened):
        tab = opened(trace(seed_graph()))
        tab.locator('[data-control="rate"]').fill("0.5")
        press_on(tab, "s")
        assert table_of(tab)["0"][0] == "1"
        assert table_of(tab)["1"][0] == "-1.5"
        assert table_of(tab)["5"][0] == "0.25"
        tab.locator('[data-control="rate"]').fill("fast")
        assert tab.locator('[data-control="rate"]').get_attribute("aria-invalid") == "true"

    def test_no_step_where_the_page_cannot_compute(self, opened):
        x = Value(0.5, label="x")
        tab = opened(trace(Value(math.sin(0.5), (x,), (math.cos(0.5),), op="wave")))
        assert tab.locator('[data-action="step"]').is_disabled()
        tab = opened(trace(Value(math.sin(0.5), (x,), (math.cos(0.5),), op="wave")), "#mode=naive")
        press_on(tab, "s")
        assert tab.locator(".payback").get_attribute("data-mode") == "naive"

    def test_a_step_beside_what_the_page_cannot_compute(self, opened):
        """It moves what lies in layers: the link tells of it, whatever it does not move."""
        x = Value(0.5, label="x")
        own = Value(math.sin(0.5), (x,), (math.cos(0.5),), op="wave")
        with scope("layer 1"):
            root = own * Value(2.0, label="w")
        tab = opened(trace(root), "#passes=step:0.5&step=99")
        assert float(table_of(tab)["2"][0]) == pytest.approx(2 - 0.5 * math.sin(0.5))


class TestNudge:
    def test_error_shrinks_with_the_square(self, opened):
        tab = opened(trace(seed_graph()), "#mode=nudge&nudge=1:0.5&step=99")
        rows = [
            [float(text.replace("−", "-")) for text in row.locator("th, td").all_text_contents()]
            for row in tab.locator(".gauge tbody tr").all()
        ]
        assert [row[0] for row in rows] == [0.5, 0.25, 0.125]
        assert {*tab.locator(".ground > :first-child .key").all_text_contents()} == {"Δ"}
        for delta, measured, foretold, error, _ in rows:
            assert measured == pytest.approx((3 + delta) * (2 + delta) - 6, abs=1e-3)
            assert foretold == 5 * delta
            assert error == pytest.approx(delta**2, rel=1e-3)

    def test_a_leaf_can_be_dragged_again(self, opened):
        """Text that a drag had selected would be what the next one drags."""
        tab = opened(trace(seed_graph()), "#mode=nudge")
        box = tab.locator('g.node[data-node="0"] .card').bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for way, delta in ((-80, "−0.1"), (200, "0.9"), (-100, "0.4")):
            tab.mouse.move(x, y)
            tab.mouse.down()
            tab.mouse.move(x + way / 2, y)
            tab.mouse.move(x + way, y)
            tab.mouse.up()
            assert tab.locator(".gauge output").text_content() == delta
            assert tab.evaluate("String(getSelection())") == ""

    def test_a_leaf_can_be_dragged_or_moved_by_key(self, opened):
        tab = opened(trace(seed_graph()), "#mode=nudge")
        output, nudged = tab.locator(".gauge output"), tab.locator('[data-control="nudged"]')

        def drag(node, *ways):
            box = tab.locator(f'g.node[data-node="{node}"] .card').bounding_box()
            x, y = box["x"] + 20, box["y"] + 10
            tab.mouse.move(x, y)
            tab.mouse.down()
            for way in ways:
                tab.mouse.move(x + way, y)
            tab.mouse.up()
            tab.mouse.move(x + 5, y)
            return output.text_content(), nudged.input_value()

        assert drag(0, 40) == ("0.5", "0")  # it began at 0.3, and a pixel is half a hundredth
        assert drag(0, 10, -20) == ("0.4", "0")
        assert drag(1, 40) == ("0.2", "1")
        assert drag(1, -300, -500) == ("−1", "1")
        assert drag(1, 900) == ("1", "1")
        for node in (2, 5):  # worked out, not given
            assert drag(node, 40) == ("1", "1")
        tab.locator('[data-control="delta"]').focus()
        press(tab, "ArrowLeft")
        assert output.text_content() == "0.99"
        tab.evaluate("location.hash = 'step=3'")
        tab.locator('.payback[data-mode="backprop"]').wait_for()
        assert drag(0, 40) == ("0.99", "1")


class TestAsk:
    def test_unfolds_down_to_the_seed(self, opened):
        tab = opened(trace(seed_graph()), "#step=17")
        tab.click('[data-ask="1"]')
        asked = tab.locator(".asked")
        assert asked.locator("h2").text_content() == "Where does ∂e/∂b = 5 come from?"
        assert "e moves 5 times as far" in asked.locator(".meaning").text_content()
        assert asked.locator("details").count() == 4
        assert asked.get_by_text("the seed").count() == 2
        asked.locator("summary").first.hover()
        assert tab.locator("g.edge.pointed").get_attribute("data-edge") == "1"
        asked.locator('[data-action="unask"]').click()
        assert not asked.is_visible()

    def test_follows_edited_numbers(self, opened):
        tab = opened(trace(seed_graph()), "#step=17&ask=1&set=0:5")
        assert "= 8 come from" in tab.locator(".asked h2").text_content()


class TestPredict:
    def test_asks_and_answers_kindly(self, opened):
        tab = opened(trace(seed_graph()), "#step=8&predict=1")
        press(tab, "ArrowRight")
        assert step_of(tab) == 8
        tab.locator(".predict input").fill("7")
        press(tab, "Enter")
        assert "Not quite" in tab.locator(".answered").text_content()
        tab.locator(".predict input").fill("2")
        press(tab, "Enter")
        assert tab.locator(".answered").text_content() == "Yes."
        assert step_of(tab) == 9

    def test_off_by_default(self, opened):
        tab = opened(trace(seed_graph()))
        press(tab, "b", "ArrowRight", "ArrowRight", "ArrowRight")
        assert step_of(tab) == 9


class TestSlopes:
    @pytest.mark.parametrize(("link", "said"), [("", "∂e∂d=c=3"), ("&set=0:5", "∂e∂d=c=6")])
    def test_caption_edge_and_tooltip_say_where_a_slope_comes_from(self, opened, link, said):
        story = trace(seed_graph())
        edge = next(e.id for e in story.edges if e.text.startswith("∂e/∂d"))
        pay = next(s.i for s in story.steps if s.edge == edge)
        tab = opened(story, f"#step={pay + 1}{link}")
        assert tab.locator(".math math").first.text_content().replace(" ", "") == said
        above, below = tab.evaluate(
            """[...document.querySelector(".math mfrac").children].map((part) =>
                part.getBoundingClientRect()).map(({ top, bottom }) => [top, bottom])"""
        )
        assert above[1] <= below[0]  # a fraction, not letters in a row
        group = tab.locator(f'g.edge[data-edge="{edge}"]')
        text = said.replace("∂e∂d", "∂e/∂d").replace("=", " = ")
        assert group.get_attribute("aria-label").startswith(text)
        assert group.locator("title").text_content().startswith(text)
        assert group.locator(".local").text_content() == text


class TestState:
    LINKS = (
        "#step=12&mode=backprop&lang=zh&set=0:5,1:-2&passes=again,zero,step:0.1",
        "#step=3&mode=nudge&lang=en&nudge=1:-0.4",
        "#step=5&mode=impatient&lang=zh&ending=news",
        "#step=9&mode=backprop&lang=en&by=node&ask=1&predict=1",
    )

    @pytest.mark.parametrize("link", LINKS)
    def test_a_link_restores_the_exact_state(self, opened, link):
        tab = opened(trace(seed_graph()), link)
        assert "#" + tab.url.partition("#")[2] == link
        before = tab.locator(".payback").inner_text()
        tab.evaluate("history.replaceState(null, '', '#'); dispatchEvent(new Event('hashchange'))")
        assert tab.locator(".payback").inner_text() != before
        tab.evaluate("(link) => { location.hash = link }", link)
        step = link.split("&")[0].removeprefix("#step=")
        tab.locator(f'.payback[data-step="{step}"]').wait_for()
        assert tab.locator(".payback").inner_text() == before

    def test_controls_stay_where_they_are(self, opened):
        places = """async () => { const v = document.querySelector(".payback").payback;
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            const top = () => document.querySelector(".controls").getBoundingClientRect().top;
            return [...Array(Math.min(200, v.steps.length)).keys()].map((i) => {
                v.go(i); return top() + scrollY }) }"""
        for width, then in ((360, 720), (1440, 400), (768, 1024)):
            tab = opened(trace(network()), viewport={"width": width, "height": 900})
            assert len({*tab.evaluate(places)}) == 1
            tab.set_viewport_size({"width": then, "height": 900})
            assert max(tops := tab.evaluate(places)) - min(tops) < 0.5

    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ("", "needed"),
            ("abc", "Not a number"),
            ("1e400", "Too large"),
            ("1,5", "1.5"),
        ],
    )
    def test_what_is_no_number_is_said_beside_the_field(self, opened, typed, said):
        story = trace(seed_graph())
        tab = opened(story, "#step=17")
        field = tab.locator('input[data-leaf="0"]')
        field.fill(typed)
        note = tab.locator(f"#{field.get_attribute('aria-describedby')}")
        assert said in note.text_content()
        assert table_of(tab) == expected(story, 17)
        field.fill("inf")
        assert note.text_content() == ""
        assert table_of(tab)["0"][0] == "inf"

    def test_the_graph_is_a_list_to_a_screen_reader(self, opened):
        tab = opened(trace(seed_graph()), "#step=17")
        board = tab.get_by_role("list", name="The graph: 6 nodes and 5 edges")
        assert board.get_by_role("listitem").count() >= 11
        assert board.get_by_role("listitem", name="b: value 1, gradient 5, final").count() == 1


class TestLiveValues:
    def test_retells_the_whole_story(self, opened):
        tab = opened(trace(seed_graph()), "#step=17")
        tab.locator('input[data-leaf="0"]').fill("5")
        a, b = Value(5.0, label="a"), Value(1.0, label="b")
        other = trace((a + b) * (b + 1))
        assert table_of(tab) == expected(other, 17)
        assert tab.locator("[aria-live]").text_content() == other.steps[-1].text.en
        tab.click('[data-action="reset"]')
        assert table_of(tab) == expected(trace(seed_graph()), 17)

    def test_unfinished_entries_change_nothing(self, opened):
        story = trace(seed_graph())
        tab = opened(story, "#step=17")
        tab.locator('input[data-leaf="1"]').fill("")
        assert table_of(tab) == expected(story, 17)

    def test_whole_graph_against_python(self, opened):
        tab = opened(trace(shared_graph()), "#step=99")
        tab.locator("input[data-leaf]").first.fill("1.25")
        x, y = Value(1.25, label="x"), Value(-1.5, label="y")
        z = (x * y).tanh()
        story = trace(z * z + autograd.dot([x, z], [y, x], 2.0) - z / 3)
        assert table_of(tab) == expected(story, len(story.steps))

    def test_what_has_no_rule_stays_as_it_is(self, opened):
        x, y = Value(0.5, label="x"), Value(2.0, label="y")
        own = Value(math.sin(0.5), (x,), (math.cos(0.5),), op="wave")
        tab = opened(trace(own * y))
        assert tab.locator('input[data-leaf="0"]').is_disabled()
        assert not tab.locator("input[data-leaf]").last.is_disabled()

    def test_every_primitive_in_the_page(self, opened):
        """One graph with every row of the table: other numbers typed in, Python's numbers out."""
        given = {name: points(row) for name, row in TABLE.items()}
        leaves = {name: [Value(x, label=name) for x in given[name][0]] for name in TABLE}
        roots = {name: apply(row, *leaves[name]) for name, row in TABLE.items()}
        root = autograd.sum(roots.values())
        order = topological_order(root)
        tab = opened(trace(root))
        for turn in (1, 2):
            for name, values in leaves.items():
                for leaf, x in zip(values, given[name][turn], strict=True):
                    tab.locator(f'input[data-leaf="{order.index(leaf)}"]').fill(repr(x))
            values, locals_ = tab.evaluate(
                "() => { const s = document.querySelector('.payback').payback.story;"
                "return [s.values, s.owing.map((all) => all.map((e) => s.locals[e.id]))]; }"
            )
            for name, row in TABLE.items():
                number, point = order.index(roots[name]), given[name][turn]
                y = row.forward(FLOATS, *point)
                assert values[number] == pytest.approx(y, rel=2e-14, abs=1e-300, nan_ok=True), name
                slopes = pytest.approx(row.partials(FLOATS, *point, y), 1e-13, 1e-300, nan_ok=True)
                assert locals_[number] == slopes, name

    def test_every_kernel_on_special_values(self, browser):
        """Python's numbers, infinities and nans included, for unary and binary rows; at the end
        what the formulas come to, where conventions may decide otherwise.
        """
        tab = browser.new_page()
        basis = static("basis.js").replace("export ", "")
        for name, row in TABLE.items():
            if row.arity not in (1, 2):
                continue
            grid = [[x] for x in SPECIAL]
            if row.arity == 2:
                grid = [[x, y] for x in SPECIAL for y in SPECIAL]
            told = tab.evaluate(
                "([basis, kernel, grid]) => {"
                "const f = new Function(`${basis}; return ${kernel}`)();"
                "return grid.map((x) => f(x).flat().map(String)); }",
                [basis, kernel(name, row.arity), grid],
            )
            for point, numbers in zip(grid, told, strict=True):
                y = row.forward(FLOATS, *point)
                truth = [y, *row.partials(FLOATS, *point, y)]
                truth += taught_slopes(name, point, y) if row.conventions else []
                assert [float(text) for text in numbers] == pytest.approx(
                    truth, rel=1e-13, abs=1e-300, nan_ok=True
                ), (name, point)
        tab.close()

    def test_error_functions_are_accurate(self, browser):
        tab = browser.new_page()
        basis = static("basis.js").replace("export ", "")
        points = [i / part for part in (63, 64) for i in range(-400, 1718)]
        told = tab.evaluate(
            "([basis, x]) => { const b = new Function(`${basis}; return basis`)();"
            "return x.map((t) => [b.erf(t), b.erfc(t)]); }",
            [basis, points],
        )
        tab.close()
        for x, (erf, erfc) in zip(points, told, strict=True):
            assert erf == pytest.approx(math.erf(x), rel=1e-14, abs=0)
            assert erfc == pytest.approx(math.erfc(x), rel=2e-14, abs=1e-300)


def points(row):
    """Three points inside the domain of a row."""
    count = row.arity or 5
    domain = row.domain * count if row.variadic else row.domain
    return [
        [inside(low, high, part + 0.07 * i) for i, (low, high) in enumerate(domain)]
        for part in (0.2, 0.41, 0.63)
    ]


def inside(low, high, part):
    low, high = max(low, -2.5), min(high, 2.5)
    return round(low + part * (high - low), 3)


class TestNetwork:
    def test_folds_and_strides(self, opened):
        story = trace(network())
        tab = opened(story)
        tab.locator('[data-control="level"]').select_option("1")
        assert tab.locator("g.fold.layer").count() == 2
        press_on(tab, "b")
        strides = []
        while step_of(tab) < len(story.steps):
            press(tab, "ArrowRight")
            strides.append(tab.locator("[aria-live]").text_content())
        layers = [text for text in strides if text.startswith("layer")]
        assert [text.split(".")[0] for text in layers] == ["layer 2", "layer 1"]
        assert layers[1].count(",") == 2
        assert table_of(tab) == expected(story, len(story.steps))

    def test_each_box_opens_and_closes_by_itself(self, opened):
        tab = opened(trace(network()), "#level=1")
        first, second = (tab.get_by_role("button", name=f"layer {i}", exact=False) for i in (1, 2))
        assert [x.get_attribute("aria-expanded") for x in (first, second)] == ["false", "false"]
        tab.locator("g.fold.layer", has_text="layer 1").click()
        assert tab.locator("g.fold.layer").count() == 1
        assert tab.locator("g.fold.unit").count() == 3
        opened_box = tab.locator('g.scope [role="button"]')
        assert opened_box.get_attribute("aria-expanded") == "true"
        assert tab.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
        press(tab, "Enter")
        assert tab.locator("g.fold.layer").count() == 2
        assert tab.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"

    @pytest.mark.parametrize("graph", ["network", "scopes", "outputs"])
    def test_mixed_depths_in_one_picture(self, opened, graph):
        """Every node on one card, every edge between cards on one wire, all cards apart."""
        story = trace({"network": network, "scopes": nested, "outputs": two_outputs}[graph]())
        root = story.nodes[-1]
        tab = opened(story)
        for state in range(1, 40):
            level = [0, *range(1, 3)][state % 3]
            boxes = [str(i) for i in range(6) if (state * 7 + i * i) % (i + 2) < 1 + state % 2]
            tab.evaluate(
                "(link) => { location.hash = link }",
                f"step=999&level={level}&boxes={','.join(boxes)}",
            )
            until(tab, f"document.querySelector('.zoom select').value == {level}")
            told = tab.evaluate(PICTURE)
            nodes = sorted(i for card in told["cards"] for i in card["nodes"])
            assert nodes == [node.id for node in story.nodes]
            card_of = {i: k for k, card in enumerate(told["cards"]) for i in card["nodes"]}
            between = [e.id for e in story.edges if card_of[e.consumer] != card_of[e.parent]]
            assert sorted(told["edges"]) == between
            for k, one in enumerate(told["cards"]):
                for other in told["cards"][:k]:
                    assert not all(
                        abs(one[x] - other[x]) < (one[size] + other[size]) / 2 - 1
                        for x, size in (("x", "width"), ("y", "height"))
                    ), (one, other)
            totals = moment(story, len(story.steps)).totals
            for slot, of, digits, text in told["texts"]:
                x = story.nodes[of].value if slot == "value" else totals.get(of)
                assert text == ("" if x is None else number(x, digits)), (slot, of)
            assert root.id in card_of
            tab.evaluate("location.hash = 'step=0&level=0'")

    def test_a_link_restores_open_boxes(self, opened):
        link = "#step=9&mode=backprop&lang=en&by=outer&level=1&boxes=0"
        tab = opened(trace(network()), link)
        assert tab.locator("g.fold.layer").count() == 1
        tab.locator(".zoom select").select_option("0")
        assert tab.locator("g.fold").count() == 0
        until(tab, "location.hash.includes('level=0')")
        tab.evaluate("(link) => { location.hash = link }", link)
        tab.locator("g.fold.layer").wait_for()
        assert tab.evaluate("document.querySelector('.payback').payback.state.boxes.size") == 1

    def test_neurons(self, opened):
        tab = opened(trace(network()))
        tab.locator('[data-control="level"]').select_option("2")
        assert tab.locator("g.fold.unit").count() == 4

    def test_deep_scopes_have_a_level_each(self, opened):
        with scope("a"), scope("b"), scope("c"):
            y = Value(1.0) * 2
        tab = opened(trace(y))
        assert tab.locator('[data-control="level"] option').count() == 4


PICTURE = """() => {
    const all = (selector) => [...document.querySelectorAll(`.ground > :first-child ${selector}`)];
    const ids = ({ dataset: d }, name) => (d[name] ?? d[`${name}s`]).split(" ").map(Number);
    const cards = all("g.node").map((group) => {
        const [x, y] = group.getAttribute("transform").match(/-?[\\d.]+/g).map(Number);
        const card = group.querySelector(".card");
        const [width, height] = ["width", "height"].map((side) => Number(card.getAttribute(side)));
        return { x, y, width, height, nodes: ids(group, "node") };
    });
    const texts = all("text:is([data-slot=value], [data-slot=grad])").map((t) =>
        [t.dataset.slot, Number(t.dataset.of), Number(t.dataset.digits ?? 6), t.textContent]);
    return { cards, texts, edges: all("g.edge").flatMap((group) => ids(group, "edge")) };
}"""


def two_outputs():
    model = nn.MLP(2, [3, 2], activation="tanh", seed=1)
    return nn.squared_error(model([Value(0.5, label="x1"), Value(-1.0)]), [1.0, 0.0])


def press_on(tab, *keys):
    tab.locator(".payback").focus()
    press(tab, *keys)


PANELS = (
    ("step=60&ask=1&passes=again,zero", 720),
    ("step=60&ask=1&passes=again,zero&lang=zh", 360),
    ("mode=impatient&step=99", 360),
    ("mode=impatient&step=99&lang=zh", 720),
    ("mode=nudge&step=99", 720),
    ("step=9&by=edge&predict=1&lang=zh", 360),
)
"""A link and a width for each of the panels, the languages in turn."""

CUT_OFF = """() =>
    [...document.querySelectorAll("button, label, label span, h1, h2, p, output, dt, dd, td, th")]
    .filter((e) => e.checkVisibility() && !e.closest(".ground, .sr, .tree, .math, .side .scroll"))
    .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline")
    .map((e) => e.outerHTML.slice(0, 80))"""

TOO_WIDE = """() => {
    const wrong = [];
    const stage = document.querySelector(".ground > :first-child");
    for (const text of stage.querySelectorAll("g.node text, .pill text")) {
        if (!text.textContent || !text.checkVisibility()) continue;
        const around = text.closest("g.node")?.querySelector(".card") ?? text.previousSibling;
        const [inner, outer] = [text, around].map((element) => element.getBBox());
        if (inner.x < outer.x - 0.5 || inner.x + inner.width > outer.x + outer.width + 0.5)
            wrong.push([text.textContent, inner.x, inner.width, outer.x, outer.width].join(" "));
    }
    return wrong;
}"""


def show_link(tab, link):
    """Go where a link leads, on the page that is already there."""
    tab.evaluate(
        """(link) => new Promise((done) => {
            addEventListener("hashchange", () => done(), { once: true });
            location.hash = link; })""",
        link,
    )
    tab.evaluate("document.getAnimations().forEach((animation) => animation.finish())")


def long_names():
    x = Value(-1234.5678, label="the_width_of_the_first_hidden_layer")
    y = Value(2.0, label="学习率和动量的乘积与它们之和")
    return (x * y).tanh() + x / 3


def wide_numbers():
    x, y = Value(-123456.789, label="x"), Value(-1.23456789e-300, label="y")
    return (x * y).exp() * x * 1e300 - y * float("inf")


class TestReaders:
    def test_hostile_labels_are_inert(self, opened):
        leaves = [Value(1.0, label=label) for label in HOSTILE]
        with scope(HOSTILE[0]):
            root = autograd.sum(leaves) * 2
        root.label = HOSTILE[1]
        own = Value(1.0, (root,), (1.0,), op=HOSTILE[2])
        tab = opened(trace(own))
        press(tab, "End", "n", "End")
        assert tab.title() != "broken"
        assert tab.locator("img, svg [onload], script[src]").count() == 0
        assert tab.evaluate("document.querySelectorAll('script').length") == 2

    def test_no_motion_when_refused(self, opened):
        tab = opened(trace(seed_graph()), "#step=8", reduced_motion="reduce")
        press(tab, "ArrowRight")
        places = [tab.locator(".coin").get_attribute("transform") for _ in range(2)]
        assert places[0] == places[1]
        story = trace(seed_graph())
        still = paint(scene(story), moment(story, 9))
        end = re.search(r'class="coin" transform="([^"]*)"', still)[1]
        shown, drawn = ([float(x) for x in re.findall(r"[\d.]+", at)] for at in (places[0], end))
        assert shown == pytest.approx(drawn, abs=0.11)

    @pytest.mark.parametrize("width", [360, 720, 1280])
    @pytest.mark.parametrize("graph", [seed_graph, network, big_graph])
    def test_no_sideways_scrolling(self, opened, graph, width):
        tab = opened(trace(graph()), "#step=40", viewport={"width": width, "height": 700})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width

    def test_prints_every_step(self, opened):
        story = trace(seed_graph())
        tab = opened(story)
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        tab.emulate_media(media="print")
        assert tab.locator(".strip li").count() == len(story.steps)
        assert tab.locator(".strip svg").count() == len(story.steps)
        assert not tab.locator(".controls").is_visible()
        tab.evaluate("dispatchEvent(new Event('afterprint'))")
        assert tab.locator(".strip").count() == 0

    def test_lines_of_a_printed_formula_lie_apart(self, opened):
        """Numbers and letters are only as high as their ink, so lines of them would touch."""
        x = Value(0.123456789, label="x")
        tab = opened(trace(x * 1.23456789 + x.sin() * 0.987654321 + x), "#mode=nudge")
        tab.emulate_media(media="print")
        tab.set_viewport_size({"width": 300, "height": 900})
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        apart = tab.evaluate(
            """() => [...document.querySelectorAll(".strip math")].flatMap((math) => {
                const boxes = [...math.children].map((part) => part.getBoundingClientRect());
                return boxes.flatMap((a) => boxes
                    .filter((b) => b.top > a.bottom - 1 && b.bottom > a.bottom + 6)
                    .map((b) => b.top - a.bottom));
            })"""
        )
        assert apart
        assert min(apart) > 3

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize(
        ("link", "width"),
        [
            ("", 1440),
            ("#step=13", 360),
            ("#step=17&lang=zh&ask=1", 720),
            ("#step=4&mode=naive", 768),
            ("#step=6&mode=impatient", 360),
            ("#step=9&mode=nudge&nudge=0:0.5", 1440),
            ("#step=99&passes=again,zero,step:0.1&set=0:3", 360),
        ],
    )
    def test_accessible(self, opened, scheme, link, width):
        axe = pytest.importorskip("axe_playwright_python.sync_playwright")
        size = {"width": width, "height": 800}
        look = {"color_scheme": scheme, "viewport": size, "bypass_csp": True}
        tab = opened(trace(seed_graph()), link, **look)
        tab.evaluate("document.getAnimations().forEach((animation) => animation.finish())")
        found = axe.Axe().run(tab).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []

    @pytest.mark.parametrize("graph", [seed_graph, network])
    def test_accessible_at_twice_the_size(self, opened, graph):
        """At 200 % a screen of 1,440 is 720 wide; every panel, both languages, both schemes."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright")
        tab = opened(trace(graph()), bypass_csp=True, device_scale_factor=2)
        for (link, width), look in zip(PANELS, ("light", "dark") * 3, strict=True):
            tab.set_viewport_size({"width": width, "height": 450})
            tab.emulate_media(color_scheme=look)
            show_link(tab, link)
            found = axe.Axe().run(tab).response["violations"]
            assert [(v["id"], v["nodes"][0]["html"]) for v in found] == [], link

    @pytest.mark.parametrize("graph", [seed_graph, network])
    def test_letters_twice_as_large_are_not_cut_off(self, opened, graph):
        tab = opened(trace(graph()), bypass_csp=True)
        tab.evaluate("document.documentElement.style.fontSize = '32px'")
        for (link, _), width in zip(PANELS, (360, 720) * 3, strict=True):
            tab.set_viewport_size({"width": width, "height": 800})
            show_link(tab, link)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.evaluate(CUT_OFF) == [], link

    @pytest.mark.parametrize("width", [360, 1280])
    def test_names_beside_their_fields_are_whole(self, opened, width):
        root = long_names() * sum(Value(k, label=f"query of s {k}") for k in range(4))
        tab = opened(trace(root), viewport={"width": width, "height": 700})
        assert tab.locator(".leaves label").count() == 6
        assert tab.evaluate(CUT_OFF) == []

    @pytest.mark.parametrize("lang", ["en", "zh"])
    @pytest.mark.parametrize("graph", ["shared", "network", "scopes", "long", "wide"])
    def test_no_text_is_wider_than_its_card(self, opened, graph, lang):
        """As the browser measures it, at the start and at the end, at every level."""
        made = {"shared": shared_graph, "network": network, "scopes": nested}
        story = trace({**made, "long": long_names, "wide": wide_numbers}[graph]())
        tab = opened(story, f"#lang={lang}")
        for step in (0, 999):
            for level in (0, 1, 2):
                show_link(tab, f"step={step}&level={level}&lang={lang}")
                assert tab.evaluate(TOO_WIDE) == [], (step, level)

    def test_large_graph_steps_to_the_same_table(self, opened):
        story = trace(big_graph())
        tab = opened(story, f"#step={len(story.steps) - 5}")
        press(tab, "ArrowLeft", "ArrowRight", "ArrowRight")
        assert table_of(tab) == expected(story, len(story.steps) - 4)


def test_script_and_style_are_written_for_people():
    """The page's own code stays small: what is joined is what is in the repository."""
    assert len(page_script(trace(seed_graph()))) < 80_000
    assert len(page_style()) < 20_000
