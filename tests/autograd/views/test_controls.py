"""The page's controls in a real browser: keys, buttons, modes, languages, and what they leave."""

import re

import pytest

import nn
from autograd import Value, trace
from autograd.views.frames import strides
from autograd.views.plays import Passes, impatient, paying_back
from autograd.views.trace import sentences
from autograd.views.words import show
from tests.strategies import shared

HANDS = """
const section = document.querySelector(".payback");
const viewer = section.payback;
const some = (selector) => document.querySelector(selector);
const all = (selector, of) => [...document.querySelectorAll(selector)].map(of);
const press = (key, target = section, more = {}) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
    target.dispatchEvent(event);
    return event.defaultPrevented;
};
const place = () => `${section.dataset.mode} ${section.dataset.step}/${section.dataset.steps}`;
const go = (link) => {
    history.replaceState(null, "", `#${link}`);
    dispatchEvent(new Event("hashchange"));
};
const shown = (...names) => names.filter((name) => !some(`.${name}`).hidden);
const pressed = () => all("[aria-pressed=true]", (button) => button.dataset.action);
const set = (name, value) => {
    const element = some(`[data-control=${name}]`);
    if (typeof value === "boolean") element.checked = value;
    else element.value = value;
    for (const kind of ["input", "change"]) {
        element.dispatchEvent(new Event(kind, { bubbles: true }));
    }
};
"""


def hands(tab, script, *given):
    return tab.evaluate(f"(given) => {{ {HANDS} {script} }}", list(given))


def graph():
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    return (a + b) * (b + 1)


def deep():
    model = nn.MLP(2, [3, 2], activation="tanh", seed=1)
    data = [Value(0.5, label="x1"), Value(-1.0, label="x2")]
    return nn.squared_error(model(data), [1.0, 0.0])


KEYS = [
    ("step=3", ["ArrowRight"], "backprop 4/17"),
    ("step=17", ["ArrowRight"], "backprop 17/17"),
    ("step=3", ["ArrowLeft"], "backprop 2/17"),
    ("step=0", ["ArrowLeft"], "backprop 0/17"),
    ("step=3", ["End"], "backprop 17/17"),
    ("step=3", ["Home"], "backprop 0/17"),
    ("step=3", ["b"], "backprop 6/17"),
    ("step=9", ["F"], "backprop 0/17"),
    ("step=3", ["n"], "naive 0/6"),
    ("step=3", ["w"], "naive 0/6"),
    ("step=3", ["n", "ArrowRight", "N"], "backprop 3/17"),
    ("step=3", ["n", "ArrowRight", "n", "n"], "naive 1/6"),
    ("step=3", ["i", "End"], "impatient 8/8"),
    ("step=3", ["d", "End"], "nudge 4/4"),
    ("mode=naive&step=2", ["b"], "backprop 6/17"),
    ("step=3", ["a"], "backprop 29/29"),
    ("step=3", ["z"], "backprop 18/18"),
    ("step=3", ["n", "z", "a"], "backprop 30/30"),
    ("step=3", ["s"], "backprop 21/21"),
    ("step=8", ["Shift ArrowRight"], "backprop 11/17"),
    ("step=11", ["Shift ArrowLeft"], "backprop 8/17"),
    ("step=9", ["Shift ArrowLeft"], "backprop 8/17"),
    ("step=3", ["x", "Tab", "Enter", "Shift f"], "backprop 3/17"),
]


@pytest.fixture
def tab(opened):
    return opened(trace(graph()), reduced_motion="reduce")


class TestKeys:
    def test_each_does_what_help_says(self, tab):
        script = """
            return given[0].map(([link, keys]) => {
                go(`${link}&by=edge`);
                viewer.places = {};
                for (const key of keys) {
                    const shiftKey = key.startsWith("Shift ");
                    press(key.replace("Shift ", ""), section, { shiftKey });
                }
                return place();
            });"""
        steps = [[link, keys] for link, keys, _ in KEYS if "Shift f" not in keys]
        told = hands(tab, script, steps)
        wanted = [place for _, keys, place in KEYS if "Shift f" not in keys]
        assert list(zip(steps, told, strict=True)) == list(zip(steps, wanted, strict=True))

    def test_act_only_where_nobody_types(self, tab):
        told = hands(
            tab,
            """go("step=3&by=edge");
            const tried = (key, selector, more) => {
                const used = press(key, selector ? some(selector) : section, more);
                return [used, place()];
            };
            return {
                modified: ["ctrlKey", "altKey", "metaKey"].map((name) =>
                    tried("ArrowRight", "", { [name]: true })),
                field: tried("ArrowRight", "input[data-leaf]"),
                chosen: tried("End", "[data-control=speed]"),
                space: tried(" ", "[data-action=forward]"),
                summary: tried(" ", "summary"),
                box: tried(" ", "[data-control=predict]"),
                range: tried("ArrowRight", "[data-control=slider]"),
                check: tried("ArrowRight", "[data-control=predict]"),
                delta: tried("ArrowRight", "[data-control=delta]"),
                letter: tried("n", "[data-control=delta]"),
                unknown: tried("q"),
            };""",
        )
        still, moved = "backprop 3/17", "backprop 4/17"
        assert told.pop("modified") == 3 * [[False, still]]
        assert told == {
            **{name: [False, still] for name in ("field", "chosen", "space", "summary", "box")},
            **{"range": [True, moved], "check": [True, "backprop 5/17"]},
            "delta": [False, "backprop 5/17"],
            **{"letter": [True, "naive 0/6"], "unknown": [False, "naive 0/6"]},
        }

    def test_help_names_every_key_once(self, tab):
        told = hands(
            tab,
            'return [all(".keys dt", (e) => e.textContent), all(".keys dd", (e) => e.textContent)]',
        )
        ui = sentences()["ui"]["en"]
        assert {*told[1]} == {
            text for key, text in ui.items() if key.startswith("key_") and key != "key_fold"
        }  # this graph has no boxes
        keys = "← → | Shift ← → | Home End | Space | F | B | W | I | D | A Z S | + − 0 | ?"
        assert told[0] == keys.split(" | ")

    def test_playing_stops_at_the_end_and_for_any_other_key(self, tab):
        told = hands(
            tab,
            """go("step=15&by=edge");
            const found = [];
            const button = some("[data-action=play]");
            const look = () =>
                found.push([place(), section.classList.contains("playing"), button.title]);
            press(" "); look(); press("ArrowLeft"); look(); press(" "); press(" "); look();
            press("End"); press(" "); look(); press("x"); look();
            press(" "); go("step=16&by=edge"); press(" "); look();
            return found;""",
        )
        ui = sentences()["ui"]["en"]
        assert told == [
            ["backprop 16/17", True, ui["pause"]],
            ["backprop 15/17", False, ui["play"]],
            ["backprop 16/17", False, ui["play"]],
            ["backprop 0/17", True, ui["pause"]],
            ["backprop 0/17", True, ui["pause"]],
            ["backprop 17/17", False, ui["play"]],
        ]


PANELS = '"compare", "gauge", "passes", "live", "level", "asked"'


class TestModes:
    def test_each_shows_its_own(self, opened):
        for of, level in ((shared, []), (deep, ["level"])):
            tab = opened(trace(of()), reduced_motion="reduce")
            told = hands(
                tab,
                f"""return ["backprop", "naive", "impatient", "nudge"].map((mode) => {{
                    go(`mode=${{mode}}`);
                    return [shown({PANELS}), pressed(), some("th[data-t=pile]").textContent];
                }});""",
            )
            ui = sentences()["ui"]["en"]
            wanted = {"backprop": ["passes"], "naive": []}
            wanted |= {"impatient": ["compare"], "nudge": ["gauge"]}
            for (mode, panels), (seen, down, heading) in zip(wanted.items(), told, strict=True):
                assert sorted(seen) == sorted([*panels, "live", *level])
                pushed = [mode, "en", "pile"] if mode == "impatient" else [mode, "en"]
                assert {*pushed} <= {*down}
                assert heading == ui["change" if mode == "nudge" else "pile"]

    def test_strides_and_levels_on_offer(self, opened):
        offered = """return ["by", "level", "nudged"].map((name) =>
            [...some(`[data-control=${name}]`).options].map((o) => [o.value, o.textContent]))"""
        ui = sentences()["ui"]["zh"]
        by = {name: [name, ui[f"by_{name}"]] for name in ("edge", "node", "inner", "outer")}
        for of, walks, depths, leaves in (
            (graph, ("edge", "node"), ["0"], ["a", "b"]),
            (deep, ("edge", "node", "inner", "outer"), ["1", "2", "0"], None),
        ):
            tab = opened(trace(of()), lang="zh")
            told = hands(tab, offered)
            assert told[0] == [by[name] for name in walks]
            assert told[1] == [[depth, ui[f"level_{depth}"]] for depth in depths]
            assert leaves is None or [name for _, name in told[2]] == leaves

    def test_everything_is_said_in_both_languages(self, tab):
        for lang in ("zh", "en"):
            told = hands(
                tab,
                """some(`[data-action=${given[0]}]`).click();
                return [document.documentElement.lang, section.dataset.lang,
                    all("[data-t]:not([data-t=wait])", (e) => [e.dataset.t, e.textContent]),
                    all("[data-l]", (e) =>
                        [e.dataset.l, e.ariaLabel, e.matches("button") ? e.title : null]),
                    all("[data-t=wait]", (e) => e.textContent)]""",
                lang,
            )
            ui = sentences()["ui"][lang]
            assert told[:2] == [{"zh": "zh-CN", "en": "en"}[lang], lang]
            assert all(text == ui[key] for key, text in told[2])
            assert all(name == ui[key] and title in (None, name) for key, name, title in told[3])
            assert told[4] == [ui["wait_leaf"].format(node="b", n=2)]

    def test_why_a_node_waits(self, opened):
        counts = {"edges": 4, "impatient": "6", "naive": "8"}
        for root, key, words in (
            (shared(), "wait_many", {"node": "b", "n": 2, **counts}),
            (Value(2.0, label="x") * Value(3.0, label="y"), "wait_none", {}),
        ):
            story = trace(root)
            told = hands(opened(story), 'return some("[data-t=wait]").textContent')
            assert told == sentences()["ui"]["en"][key].format(**words)


class TestLessons:
    def test_the_log_of_passes(self, tab):
        acts = ["again", "zero", 0.5, "again"]
        told = hands(
            tab,
            """go("by=edge&passes=again,zero,step:0.5,again");
            const found = [0, 17, 18, 29, 30, 34, 99].map((taken) => {
                viewer.go(taken);
                return all(".log li", (li) => [...li.children].map((e) => e.textContent.trim()));
            });
            const off = ["step", "undo"].map((name) => some(`[data-action=${name}]`).disabled);
            return [...found, off];""",
        )
        assert told.pop() == [False, False]
        play, marks = Passes(trace(graph())), []
        for act in acts:
            marks.append(len(play.moves))
            if isinstance(act, float):
                play.step(act)
            else:
                play.again() if act == "again" else play.zero_grad()
        ui = sentences()["ui"]["en"]
        names = ["did_first", "did_again", "did_zero", "did_step", "did_again"]
        names = [ui[name].format(rate="0.5") for name in names]
        for taken, rows in zip([0, 17, 18, 29, 30, 34, len(play.moves)], told, strict=True):
            assert [row[0] for row in rows] == names
            for i, row in enumerate(rows):
                if i and taken <= marks[i - 1]:
                    assert len(row) == 1
                    continue
                now = play.moment(min(taken, marks[i] if i < len(marks) else taken))
                root, parts = play.story.root, []
                if root.id in now.values:
                    parts.append(f"{root.name} = {show(now.values[root.id], 6)}")
                for node in play.story.nodes:
                    if node.leaf and not node.constant and now.total(node.id) is not None:
                        parts.append(f"{node.name}.grad = {show(now.total(node.id), 5)}")
                assert row[1:] == [", ".join(parts).replace("-", "−")]

    def test_waiting_or_not_side_by_side(self, opened):
        story = trace(shared())
        tab = opened(story, "#mode=impatient&by=edge")
        told = hands(
            tab,
            """return viewer.steps.map((_, i) => {
                viewer.go(i + 1);
                return all(".compare tr", (row) =>
                    [...row.children].map((cell) => cell.textContent.trim()));
            })""",
        )
        ui = sentences()["ui"]["en"]
        head = [ui["node"], *(ui[f"way_{way}"] for way in ("waits", "pile", "news"))]
        plays = [paying_back(story), *(impatient(story, ending) for ending in ("pile", "news"))]
        paid = [i for i, move in enumerate(plays[0].moves, 1) if move.kind == "pay"]
        for taken, (first, leaf, counters) in enumerate(told, 1):
            assert first == head
            paid_by_now, last = taken - 1, taken == len(told)
            ended = [last or paid_by_now > 4, last, last]
            waits = paid[paid_by_now - 1] if 0 < paid_by_now <= 4 else len(story.nodes) + 1
            waits = len(plays[0].moves) if ended[0] else waits
            nows = [plays[0].moment(waits), plays[1].moment(taken), plays[2].moment(taken)]
            used = [now.uses.total() for now in nows]
            assert counters[1:] == [f"{n} / {of}" for n, of in zip(used, (4, 6, 6), strict=True)]
            marks = ["✓", f"≠ {ui['wrong']}", "✓"]
            texts = ["" if now.total(0) is None else show(now.total(0), 4) for now in nows]
            marked = zip(texts, marks, ended, strict=True)
            assert leaf == ["a", *(f"{text} {mark}" if end else text for text, mark, end in marked)]

    def test_what_a_gradient_foretells(self, opened):
        tab = opened(trace(graph()), "#mode=nudge&nudge=1:-0.5&lang=zh")
        told = hands(
            tab,
            """const read = () => all(".gauge tr", (row) =>
                [...row.children].map((cell) => cell.textContent));
            const output = some(".gauge output");
            const chosen = ["nudged", "delta"].map((name) => some(`[data-control=${name}]`).value);
            const found = [read(), output.textContent, ...chosen];
            set("delta", "0");
            found.push(read().length, place());
            set("nudged", "0");
            set("delta", "25");
            found.push(read()[1], place(), output.textContent);
            return found;""",
        )
        ui = sentences()["ui"]["zh"]
        rows = []
        for delta in (-0.5, -0.25, -0.125):
            really = (3 + delta) * (2 + delta) - 6
            numbers = (
                delta,
                really,
                5 * delta,
                really - 5 * delta,
                (really - 5 * delta) / delta**2,
            )
            rows.append([show(x, 4).replace("-", "−") for x in numbers])
        assert told[0][1:] == rows
        assert tab.locator(".gauge thead th[scope=col]").count() == 5
        assert tab.locator(".gauge tbody th[scope=row]").count() == 3
        error = ui["error"]
        assert told[0][0] == ["Δ", "Δe", "b.grad · Δ", error, f"{error} / Δ²"]
        assert told[1:4] == ["−0.5", "1", "-50"]
        assert told[4:6] == [1, "nudge 5/5"]
        assert told[6:] == [["0.25", "0.5", "0.5", "0", "0"], "nudge 4/4", "0.25"]

    def test_a_gradient_unfolds(self, opened):
        tab = opened(trace(shared()))
        told = hands(
            tab,
            """go("step=99&ask=0&lang=en");
            const math = (e) => e.textContent.replace(/\\s/g, "");
            const own = [":scope > math", ":scope > details > summary > math"].join();
            const said = (name) => some(name).textContent.replace(/\\s+/g, " ");
            return [all(".tree ul > li[data-way]", (li) =>
                    [li.dataset.way, ...[...li.querySelectorAll(own)].map(math)]),
                said(".asked h2"), said(".asked .meaning"), said(".tree .because")]""",
        )
        ways, asked, meaning, because = told
        ui = sentences()["ui"]["en"]
        assert asked == ui["asked"].format(root="c", node="a", grad="4")
        assert meaning == ui["means"].format(root="c", node="a", grad="4", change="0.04")
        assert because.startswith(ui["because"])
        pile_b = ["node 1", "∂c∂b=1+1=2"]
        seed = ["node 2", "∂c∂c=1"]
        pays_b = [[f"edge {i}", "∂c∂c·∂c∂b=1×1=1"] for i in (2, 3)]
        under = [pile_b, pays_b[0], seed, pays_b[1], seed]
        assert ways == [
            ["node 0", "∂c∂a=2+2=4"],
            ["edge 0", "∂c∂b·∂b∂a=2×1=2"], *under,
            ["edge 1", "∂c∂b·∂b∂a=2×1=2"], *under,
        ]  # fmt: skip

    def test_who_pays_next(self, opened):
        x = Value(2.0, label="x")
        y = [(x * k).exp() for k in range(1, 4)]
        for k, node in enumerate(y):
            node.label = f"y{k}"
        story = trace(y[0] * y[1] + y[2] * y[0] + y[1] * y[2])
        tab = opened(story, "#predict=1&by=node")
        told = hands(
            tab,
            """const found = [];
            for (let turn = 0; turn < viewer.steps.length; turn++) {
                viewer.state.predict = true;
                viewer.go(turn); press("ArrowRight");
                const form = some(".predict");
                if (form.hidden) { found.push([turn, viewer.state.taken]); continue; }
                const buttons = () => [...form.querySelectorAll("button")];
                const says = buttons().slice(0, -1).map((_, i) => {
                    const button = buttons()[i];
                    form.requestSubmit(button);
                    const { taken } = viewer.state;
                    const said = [button.textContent, some(".answered").textContent, taken];
                    if (taken !== turn) {
                        viewer.go(turn);
                        press("ArrowRight");
                    }
                    return said;
                });
                const asked = form.querySelector("span").textContent;
                form.requestSubmit(buttons().at(-1));
                found.push([turn, viewer.state.taken, asked, says, form.hidden]);
            }
            return found;""",
        )
        ui = sentences()["ui"]["en"]
        assert [row[1] for row in told] == list(range(1, len(story.steps) + 1))
        asked = [row for row in told if len(row) > 2]
        assert all(row[4] for row in asked)
        who = [row for row in asked if row[2] == ui["predict_who"]]
        assert who
        for turn, _, _, says, _ in who:
            names = [name for name, *_ in says]
            right = story.nodes[story.steps[turn].node].name
            assert right in names
            for name, said, taken in says:
                if name == right:
                    assert (said, taken) == (ui["predict_yes"], turn + 1)
                elif taken == turn:
                    assert re.match(rf"Not yet: {name} still waits for \d more\.", said)
        amounts = [row for row in asked if row[2] != ui["predict_who"]]
        assert len(amounts) == len(story.edges)
        assert {row[3][0][0] for row in amounts} == {ui["predict_check"]}


class TestEdits:
    def test_belong_to_the_graph_that_they_were_made_in(self, tab):
        """The example of the impatient mode keeps its own numbers."""
        told = hands(
            tab,
            """const field = (id) => some(`input[data-leaf="${id}"]`);
            const type = (id, text) => {
                field(id).value = text;
                field(id).dispatchEvent(new Event("input", { bubbles: true }));
            };
            const look = () => [place(), viewer.story.values.map(String).filter((_, id) =>
                    some(`.ground g.node[data-node="${id}"]`)),
                all("input[data-leaf]", (input) => input.value),
                some("[data-action=reset]").disabled];
            const found = [];
            go("step=5&by=edge&ask=1");
            type(0, "5"); found.push(look());
            press("i");
            found.push([some(".asked").hidden, some(".caption").textContent, ...look()]);
            type(0, "3"); press("End"); found.push(look());
            press("i"); found.push(look());
            press("i"); found.push(look());
            some("[data-action=reset]").click(); found.push(look());
            press("n"); press("n"); found.push(look());
            some("[data-action=reset]").click(); found.push(look());
            type(0, "4"); type(0, "2"); found.push(look());
            return found;""",
        )
        ui = sentences()["en"]
        own = ["5", "1", "6", "1", "2", "12"]
        given = ["2", "1", "3", "1", "2", "6"]
        hidden, caption, *example = told.pop(1)
        assert hidden
        starts = ui["impatient_example"] + ui["impatient_start_pile"].format(root="c")
        assert caption == starts
        assert example == ["impatient 0/8", ["1", "2", "4"], ["1"], True]
        assert told == [
            ["backprop 5/17", own, ["5", "1"], False],
            ["impatient 8/8", ["3", "6", "12"], ["3"], False],
            ["backprop 5/17", own, ["5", "1"], False],
            ["impatient 8/8", ["3", "6", "12"], ["3"], False],
            ["impatient 8/8", ["1", "2", "4"], ["1"], True],
            ["backprop 5/17", own, ["5", "1"], False],
            ["backprop 5/17", given, ["2", "1"], True],
            ["backprop 5/17", given, ["2", "1"], True],
        ]

    def test_passes_are_taken_back_one_by_one(self, tab):
        told = hands(
            tab,
            """go("by=edge"); press("n");
            const undo = some("[data-action=undo]");
            const found = [];
            for (const name of ["again", "zero", "step"]) some(`[data-action=${name}]`).click();
            for (let turn = 0; turn < 4; turn++) {
                found.push([place(), undo.disabled]);
                undo.click();
            }
            some("[data-control=rate]").value = "fast";
            press("s"); found.push([place(), document.activeElement.dataset.control]);
            return found;""",
        )
        assert told == [
            *(["backprop 34/34", False], ["backprop 30/30", False], ["backprop 29/29", False]),
            *(["backprop 17/17", True], ["backprop 17/17", "rate"]),
        ]

    def test_a_link_is_copied_or_shown(self, tab):
        told = tab.evaluate(
            f"""async () => {{ {HANDS}
            const takes = async (text) => {{ window.copied = text; }};
            const refuses = async () => {{ throw Error(); }};
            const found = [];
            for (const writeText of [takes, refuses, refuses]) {{
                const told = {{ value: {{ writeText }}, configurable: true }};
                Object.defineProperty(navigator, "clipboard", told);
                go("step=3&by=edge");
                press("End");
                some("[data-action=copy]").click();
                await new Promise((done) => setTimeout(done));
                found.push(some("[data-action=copy]").textContent);
            }}
            const fields = all("input.copied", (e) => [e.value, e.getAttribute("aria-label")]);
            return [window.copied, found[0], ...fields];
            }}"""
        )
        ui = sentences()["ui"]["en"]
        link = tab.url.partition("#")[0] + "#step=17&mode=backprop&lang=en"
        assert told == [link, ui["copied"], [link, ui["link"]]]

    def test_paper_has_every_stride_with_its_sentence(self, opened):
        for of, by in ((graph, "edge"), (deep, "outer")):
            story = trace(of())
            tab = opened(story, f"#by={by}&lang=zh")
            told = hands(
                tab,
                """dispatchEvent(new Event("beforeprint"));
                return [all(".strip li", (li) => [li.querySelector("p").textContent,
                    li.querySelectorAll("math").length, li.querySelectorAll("svg").length]),
                    some(".strip").className];""",
            )
            ends = [*strides(story, {"edge": "edge", "outer": "layer"}[by])]
            assert [int(text.split(".")[0]) for text, *_ in told[0]] == ends
            assert all(svgs == 1 for *_, svgs in told[0])
            assert told[1] == "strip"
            if by == "edge":
                maths = [1 + (step.kind == "pay") for step in story.steps]
                texts = [f"{i}. {step.text.zh}" for i, step in enumerate(story.steps, 1)]
                assert [row[:2] for row in told[0]] == [
                    list(x) for x in zip(texts, maths, strict=True)
                ]
