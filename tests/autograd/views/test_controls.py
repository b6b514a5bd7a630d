"""The page's controls in a real browser: keys, buttons, modes, languages, and what they leave."""

import random
import re

import pytest

import autograd
import nn
from autograd import Value, scope, trace
from autograd.views.folding import levels, suiting
from autograd.views.frames import strides
from autograd.views.page import page_style
from autograd.views.plays import Passes, impatient, path_by_path, paying_back, retold
from autograd.views.trace import sentences
from autograd.views.words import show
from tests.strategies import ladder, nested, shared

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
    ("step=0", ["Shift ArrowRight"], "backprop 1/17"),
    ("step=1", ["Shift ArrowRight"], "backprop 2/17"),
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

    @pytest.mark.parametrize(
        ("link", "focused", "keys", "reached"),
        [
            (
                "step=8&predict=1",
                "[data-action=forward]",
                "Enter 2 Enter ArrowLeft",
                "backprop 8/17",
            ),
            ("step=3&set=0:5", "[data-action=reset]", "Enter ArrowRight", "backprop 4/17"),
            ("step=3&passes=again", "[data-action=undo]", "Enter ArrowLeft", "backprop 16/17"),
            ("step=17", "tr[data-node='1'] [data-ask]", "ArrowLeft ArrowLeft", "backprop 15/17"),
            ("step=17", "tr[data-node='0'] [data-ask]", "i ArrowRight", "impatient 1/8"),
        ],
    )
    def test_act_on_when_what_had_the_focus_is_gone(self, tab, link, focused, keys, reached):
        """An answered question, a button with no more to do, a gradient that is not settled yet."""
        hands(tab, "go(given[0] + '&by=edge'); some(given[1]).focus();", link, focused)
        for key in keys.split():
            tab.keyboard.press(key)
        assert hands(tab, "return place();") == reached

    def test_help_names_every_key_once(self, tab):
        told = hands(
            tab,
            'return [all(".keys dt", (e) => e.textContent), all(".keys dd", (e) => e.textContent)]',
        )
        ui = sentences()["ui"]["en"]
        assert {*told[1]} == {
            *(text for key, text in ui.items() if key.startswith("key_") and key != "key_fold"),
            *(ui[key] for key in ("naive", "impatient", "nudge", "help")),
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

    def test_playing_takes_a_stride_in_every_beat(self, opened):
        told = hands(
            opened(trace(shared())),
            """const beats = new Map();
            let last = 0;
            window.setInterval = (act, after) => { beats.set(++last, [act, after]); return last; };
            window.clearInterval = (id) => beats.delete(id);
            const found = [];
            const look = () => found.push([place(), section.classList.contains("playing"),
                [...beats.values()].map(([, after]) => after)]);
            const beat = () => [...beats.values()].forEach(([act]) => act());
            go("step=1&by=edge"); look();
            press(" "); look(); beat(); look();
            set("speed", "4"); look(); beat(); look();
            press(" "); look(); set("speed", "0.5"); look();
            press("w"); press(" "); look();
            for (let turn = 0; turn < 20; turn++) beat();
            look();
            return found;""",
        )
        last, walked = len(paying_back(trace(shared())).moves), 8
        assert told == [
            [f"backprop 1/{last}", False, []],
            [f"backprop 2/{last}", True, [1700]],
            [f"backprop 3/{last}", True, [1700]],
            [f"backprop 4/{last}", True, [425]],
            [f"backprop 5/{last}", True, [425]],
            [f"backprop 5/{last}", False, []],
            [f"backprop 5/{last}", False, []],
            [f"naive 1/{walked}", True, [3400]],
            [f"naive {walked}/{walked}", False, []],
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

    def test_deep_levels_and_faults_are_named_in_the_language(self, opened):
        with scope("a"), scope("b"), scope("c"):
            y = Value(1.0, label="x") * 2
        told = hands(
            opened(trace(y), lang="en"),
            """const notes = () => all(".wrong", (note) => note.textContent).filter(Boolean);
            const levels = () =>
                all("[data-control=level] option", (o) => [o.value, o.textContent]);
            set("rate", "fast");
            some("input[data-leaf]").value = "1,5";
            some("input[data-leaf]").dispatchEvent(new Event("input"));
            const found = [[levels(), notes().sort()]];
            some("[data-action=zh]").click();
            return [...found, [levels(), notes().sort()]];""",
        )
        for lang, (named, notes) in zip(("en", "zh"), told, strict=True):
            ui = sentences()["ui"][lang]
            names = {level: ui.get(f"level_{level}", ui["level_n"]) for level in (1, 2, 3, 0)}
            assert named == [[str(k), text.format(depth=k)] for k, text in names.items()]
            assert notes == sorted([ui["bad_number"], ui["bad_comma"].format(meant="1.5")])

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
                return all(".log li", (li) =>
                    [...li.querySelectorAll("b, span")].map((e) => e.textContent.trim()));
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
        names = ["did_first", "again", "zero", "did_step", "again"]
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

    @pytest.mark.parametrize("lang", ["en", "zh"])
    def test_a_stride_from_within_tells_what_is_left_of_it(self, tab, lang):
        """Whoever comes by slider, link or another stride may stand behind a settlement."""
        told = hands(
            tab,
            """return [7, 8, 11].map((taken) => {
                go(`by=node&step=${taken}&lang=${given[0]}`);
                press("ArrowRight");
                return some(".caption").textContent;
            });""",
            lang,
        )
        say = sentences()[lang]["group_pay"].format
        assert told == [say(group=who, n=n, paid=2) for who, n in (("e", 1), ("e", 0), ("c", 0))]

    def test_a_stride_stays_told_whatever_else_changes(self, opened):
        """The language, a number, what is folded: all but the step, the mode and the stride."""
        told = hands(
            opened(trace(deep())),
            """go("by=outer&level=2&step=99"); press("ArrowLeft");
            const told = () => viewer.shown.now.group.length;
            const found = [told()];
            for (const act of [
                () => some("[data-action=zh]").click(),
                () => {
                    some("input[data-leaf]").value = "3";
                    some("input[data-leaf]").dispatchEvent(new Event("input"));
                },
                () => press("Enter", some("g.fold[data-box] [role=button]")),
                () => set("by", "node"),
            ]) {
                act();
                found.push(told());
            }
            return found;""",
        )
        assert told[0] > 1
        assert told == [told[0]] * 4 + [1]

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
            for (const [name, value] of [["delta", "29"], ["slider", "2"]]) {
                some(`[data-control=${name}]`).value = value;
                some(`[data-control=${name}]`).dispatchEvent(new Event("input"));
                found.push(output.textContent, some("[data-control=delta]").value, place());
            }
            const hand = (name, clientX) => some(".ground g.node[data-node='0'] .card")
                .dispatchEvent(new PointerEvent(name, { pointerId: 1, clientX, bubbles: true }));
            some(".stage").setPointerCapture = () => {};
            hand("pointerdown", 50); hand("pointercancel", 50); hand("pointermove", 90);
            found.push(output.textContent);
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
        assert told[6:9] == [["0.25", "0.5", "0.5", "0", "0"], "nudge 4/4", "0.25"]
        assert told[9:] == ["0.29", "29", "nudge 4/4", "0.29", "29", "nudge 2/4", "0.29"]

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

    def test_questions_come_and_go_with_their_box(self, tab):
        told = hands(
            tab,
            """let timer;
            let link = "";
            window.setTimeout = (act) => { timer = act; };
            history.replaceState = (_, __, written) => { link = written; };
            const form = some(".predict");
            const found = [];
            const look = () => {
                timer();
                found.push([place(), form.hidden, some(".answered").textContent,
                    link.includes("predict=1"), some("[data-control=predict]").checked]);
            };
            viewer.go(8);
            set("predict", true); look();
            press("ArrowRight"); look();
            found.at(-1).push(document.activeElement === form.querySelector("input"));
            form.querySelector("input").value = "3";
            form.requestSubmit(form.querySelector("button")); look();
            set("predict", false); look();
            press("ArrowRight"); look();
            return found;""",
        )
        no = sentences()["ui"]["en"]["predict_not"].split("{")[0]
        said = told[2].pop(2)
        assert said.startswith(no)
        assert told == [
            ["backprop 8/17", True, "", True, True],
            ["backprop 8/17", False, "", True, True, True],
            ["backprop 8/17", False, True, True],
            ["backprop 8/17", True, "", False, False],
            ["backprop 9/17", True, "", False, False],
        ]

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
                if (!form.contains(document.activeElement)) found.push("lost");
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

    @pytest.mark.parametrize(
        ("factor", "right", "wrong"),
        [
            (2.0, ["inf", "∞", " Infinity"], ["-inf", "1e400", "abc"]),
            (-2.0, ["-inf", "−∞"], ["inf", "5"]),
            (0.0, ["nan", " NaN "], ["abc", "", "  ", "0", "-inf"]),
        ],
    )
    def test_amounts_that_are_no_numbers_can_be_predicted(self, opened, factor, right, wrong):
        x = Value(0.0, label="x")
        story = trace(x.log() * factor)
        at = max(step.i for step in story.steps if step.kind == "pay")
        told = hands(
            opened(story, f"#by=edge&predict=1&step={at}"),
            """return given[0].map((text) => {
                viewer.go(given[1]);
                press("ArrowRight");
                const form = some(".predict");
                form.querySelector("input").value = text;
                form.requestSubmit(form.querySelector("button"));
                return [some(".answered").textContent, viewer.state.taken - given[1]];
            });""",
            [*right, *wrong],
            at,
        )
        ui = sentences()["ui"]["en"]
        assert told[: len(right)] == [[ui["predict_yes"], 1]] * len(right)
        assert {taken for _, taken in told[len(right) :]} == {0}
        assert ui["predict_yes"] not in {said for said, _ in told[len(right) :]}

    def test_a_small_amount_is_not_any_small_amount(self, opened):
        """Beside a saturated tanh, whose slope is 5e-14 and not 0."""
        story = trace(Value(16.0, label="x").tanh())
        told = hands(
            opened(story, "#by=edge&predict=1&step=4"),
            """return given[0].map((text) => {
                press("ArrowRight");
                some(".predict input").value = text;
                some(".predict").requestSubmit(some(".predict button"));
                return [some(".answered").textContent.split(".")[0], place()];
            });""",
            ["0", "1e-13", "-5.065666e-14", "5.07e-14"],
        )
        said = ["Not quite", "Not quite", "Not quite", "Yes"]
        places = [*["backprop 4/6"] * 3, "backprop 5/6"]
        assert told == [list(pair) for pair in zip(said, places, strict=True)]

    def test_a_long_tree_is_unfolded_on_demand(self, opened):
        told = hands(
            opened(trace(ladder(6)), "#step=999&ask=0"),
            """const ends = () => all(".tree li", (li) => li)
                    .filter((li) => !li.querySelector("li"))
                    .map((li) => [li.dataset.way,
                        li.querySelector("button.text")?.dataset.ask ?? null]);
            const asked = () => some(".asked h2").textContent;
            const found = [asked(), ends(), all(".tree [data-way^=edge]", (li) => li).length];
            some(".tree button").click();
            return [...found, asked(), ends().length, document.activeElement.dataset.action];""",
        )
        first, ends, payments, then, below, focused = told
        ui, story = sentences()["ui"]["en"], trace(ladder(6))
        names = [node.name for node in story.nodes]
        words = {"root": story.root.name}
        assert first == ui["asked"].format(node="x", grad=64, **words)
        closed = [[way, ask] for way, ask in ends if ask is not None]
        assert closed
        assert all(way == f"node {ask}" for way, ask in closed)
        assert {way for way, ask in ends if ask is None} == {f"node {story.root.id}"}
        assert 40 <= payments <= 46
        node = int(closed[0][1])
        grad = 2 ** (6 - node)
        assert then == ui["asked"].format(node=names[node], grad=grad, **words)
        assert below == grad
        assert focused == "unask"

    @pytest.mark.parametrize("level", [0, 1])
    def test_what_is_pointed_at_lights_up_everywhere(self, opened, level):
        story = trace(nested())
        node = story.root.parents[0].id
        tab = opened(story, f"#step=999&ask={node}&level={level}")
        told = hands(
            tab,
            """const lit = () => {
                const found = [...document.querySelectorAll(".pointed")];
                const of = (kind) => found.filter((e) => e.matches(kind));
                return [of("g.node, g.edge").map(({ dataset: d }) =>
                        [d.node ?? d.nodes ?? "", d.edge ?? d.edges ?? ""]),
                    of("tr").map((row) => row.dataset.node),
                    of("li").map((line) => line.firstChild.textContent.split(" = ")[0])];
            };
            const found = [];
            for (const li of document.querySelectorAll(".tree li[data-way]")) {
                const { way } = li.dataset;
                const spot = li.querySelector(":scope > details > summary") ?? li;
                const ways = [["focusin", "focusout"], ["pointerover", "pointerleave"]];
                for (const [on, off] of ways) {
                    spot.dispatchEvent(new Event(on, { bubbles: true }));
                    found.push([way, lit()]);
                    some(".asked").dispatchEvent(new Event(off, { bubbles: true }));
                    found.push(["", lit()]);
                }
            }
            return found;""",
        )
        assert {"node", "edge", ""} == {way.split(" ")[0] for way, _ in told}
        for way, (parts, rows, lines) in told:
            if not way:
                assert (parts, rows, lines) == ([], [], [])
                continue
            kind, number = way.split(" ")
            row = int(number) if kind == "node" else story.edges[int(number)].consumer
            assert rows == [str(row)]
            assert lines == [story.nodes[row].name]
            holding = [(kind == "edge") == bool(edges) for _, edges in parts]
            assert all(holding)
            assert len(parts) <= 1
            assert all(number in (nodes or edges).split() for nodes, edges in parts)
            assert parts or (level and kind == "edge")


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
        starts = ui["impatient_example"] + "".join(
            ui[f"impatient_{key}"] for key in ("start", "pile", "owes")
        ).format(root="c")
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

    def test_a_constant_that_a_link_sets_stays_set(self, tab):
        """It has no field, but typing into another keeps it, and all can be taken back."""
        story = trace(graph())
        [one] = [node.id for node in story.nodes if node.constant]
        told = hands(
            tab,
            """const reset = some("[data-action=reset]");
            const look = () => [String(viewer.story.values.at(-1)), reset.disabled];
            go(`step=99&set=${given[0]}:4`);
            const found = [look()];
            some("input[data-leaf][inputmode=decimal]").value = "5";
            some("input[data-leaf]").dispatchEvent(new Event("input"));
            found.push(look());
            reset.click();
            return [...found, look()];""",
            one,
        )
        assert told == [["15", False], ["30", False], ["6", True]]

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

    def test_a_link_restores_a_descent_of_many_steps(self, tab):
        told = hands(
            tab,
            """for (let turn = 0; turn < 20; turn++) for (const key of "zas") press(key);
            const look = () => [place(), some(".log").textContent];
            const found = [look()];
            viewer.go(3);
            go(given[0]);
            return [...found, look()];""",
            "step=999&passes=" + ",".join(["zero,again,step:0.1"] * 20),
        )
        assert told[0] == told[1]
        assert told[0][0] == "backprop 357/357"

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
                const timers = [];
                window.setTimeout = (act, after) => timers.push([act, after]);
                some("[data-action=copy]").click();
                await new Promise((done) => requestAnimationFrame(() => done()));
                found.push(some("[data-action=copy]").textContent);
                for (const [act] of timers) act();
                found.push(some("[data-action=copy]").textContent);
            }}
            const fields = all("input.copied", (e) => [e.value, e.getAttribute("aria-label")]);
            return [window.copied, ...found, ...fields];
            }}"""
        )
        ui = sentences()["ui"]["en"]
        link = tab.url.partition("#")[0] + "#step=17&mode=backprop&lang=en"
        assert told == [link, ui["copied"], *[ui["copy"]] * 5, [link, ui["link"]]]

    @pytest.mark.parametrize(("of", "by"), [(graph, "edge"), (deep, "inner")])
    def test_on_paper_formulas_stand_apart_and_within_their_frames(self, opened, of, by):
        """`d = 2 ∂e/∂e` would be another equation than `d = 2` and, below, `∂e/∂e · …`."""
        tab = opened(trace(of()), f"#by={by}&level=2")
        tab.emulate_media(media="print")
        read = """dispatchEvent(new Event("beforeprint"));
            const edges = (element) => element.getBoundingClientRect();
            return all(".strip li", (li) => {
                const ends = [...li.querySelectorAll("math *")].map((part) => edges(part).right);
                const lines = [...li.querySelectorAll("math")].map(edges);
                return [Math.max(0, ...ends) - edges(li).right,
                    lines.slice(1).every((line, i) => line.top >= lines[i].bottom)];
            });"""
        told = hands(tab, read)
        assert max(over for over, _ in told) <= 0
        assert all(apart for _, apart in told)

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


class TestMarkup:
    def test_every_rule_of_the_style_sheet_has_something_to_style(self, opened):
        """And every element is one that browsers know: over all modes, levels and panels."""
        seen = {"constant", "many", "more"}  # cards and wires that Python draws
        for of, links in (
            (deep, ["step=99&ask=9&passes=again,zero", "mode=naive&step=4&level=0&by=edge",
                    "mode=impatient&step=99", "mode=nudge", "level=1&boxes=0", "predict=1&step=9"]),
            (lambda: ladder(64), ["step=9"]),
        ):  # fmt: skip
            told, unknown = hands(
                opened(trace(of())),
                """const [classes, unknown] = [new Set(), new Set()];
                const look = () => document.querySelectorAll("*").forEach((e) => {
                    for (const name of e.classList) classes.add(name);
                    if (e instanceof HTMLUnknownElement) unknown.add(e.localName);
                });
                Object.defineProperty(navigator, "clipboard", { value: undefined });
                for (const link of given[0]) {
                    go(link);
                    press("ArrowRight");
                    some(".tree summary")?.dispatchEvent(new Event("focusin", { bubbles: true }));
                    look();
                }
                set("rate", "fast");
                viewer.board.zoom(4);
                some("[data-action=copy]").click();
                look();
                viewer.board.fit();
                look();
                viewer.board.moved = -Infinity;
                viewer.go(7);
                press(" ");
                dispatchEvent(new Event("beforeprint"));
                look();
                return [[...classes], [...unknown]];""",
                links,
            )
            assert unknown == []
            seen |= {*told}
        styled = {*re.findall(r"\.([a-z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", page_style()))}
        assert not (more := sorted(styled - seen)), " ".join(more)


class TestNumbersOfOneMoment:
    """What is shown, asked and linked is of the numbers as they are now."""

    ASKED = """const [form, field] = [some(".predict"), some("input[data-leaf='0']")];
        const answered = () => some(".answered").textContent;
        const answer = (text) => {
            if (form.hidden) press("ArrowRight");
            form.querySelector("input").value = text;
            form.requestSubmit(form.querySelector("button"));
            return [answered(), place()];
        };"""

    def test_a_question_is_not_judged_by_numbers_of_before(self, tab):
        told = hands(
            tab,
            f"""go("step=8&by=edge&predict=1");
            {self.ASKED}
            press("ArrowRight");
            const asked = form.hidden;
            const b = some("input[data-leaf='1']");
            b.value = "3";
            b.dispatchEvent(new Event("input", {{ bubbles: true }}));
            return [asked, form.hidden, answer("2"), answer("4")];""",
        )
        ui = sentences()["ui"]["en"]
        assert told[:2] == [False, True]
        assert told[2][0].startswith(ui["predict_not"].split("{")[0])
        assert told[2][1] == "backprop 8/17"
        assert told[3] == [ui["predict_yes"], "backprop 9/17"]

    def test_an_answer_that_is_no_number_is_said_to_be_none(self, tab):
        told = hands(
            tab,
            f"""go("step=8&by=edge&predict=1&lang=" + given[0]);
            {self.ASKED}
            return ["", "two", "1,5", "1e999"].map(answer);""",
            "zh",
        )
        ui = sentences()["ui"]["zh"]
        said = [ui["predict_blank"], ui["bad_number"], ui["bad_comma"], ui["bad_large"]]
        assert [text for text, _ in told] == [text.replace("{meant}", "1.5") for text in said]
        assert {where for _, where in told} == {"backprop 8/17"}

    @pytest.mark.parametrize(("of", "slot", "given", "slope"), [
        (lambda a, b: a.maximum(b), 0, "1:2", "0.5"),
        (lambda a, b: a.minimum(b), 1, "0:1", "0.5"),
        (lambda a, b: a**b, 1, "0:0", "0"),
        (lambda a, b: a.arctan2(b), 0, "0:0,1:0", "0"),
    ])  # fmt: skip
    def test_a_convention_is_no_formula_after_an_edit_either(self, opened, of, slot, given, slope):
        a, b = Value(2.0, label="a"), Value(1.0, label="b")
        story = trace(of(a, b))
        edge = story.edges[slot]
        step = next(step.i for step in story.steps if step.edge == edge.id) + 1
        tab = opened(story, f"#by=edge&step={step}&set={given}")
        read = """const edge = some(`.ground g.edge[data-edge="${given[0]}"]`);
            return [edge.querySelector("text[data-slot=partial]").textContent,
                edge.ariaLabel, some(".math math").textContent];"""
        label, said, formula = hands(tab, read, edge.id)
        symbol = edge.text.split(" = ")[0]
        assert label == f"{symbol} = {slope}"
        assert said.startswith(f"{symbol} = {slope}, ")
        assert formula == f"{symbol.replace('/', '')}={slope}"
        texts = hands(tab, f"go('by=edge&step={step}'); {read}", edge.id)
        assert all(text.count("=") > 1 for text in texts[1:])

    def test_a_gradient_that_was_asked_for_follows_the_passes(self, opened):
        a = Value(3.0, label="a")
        tab = opened(trace(a * a), "#ask=0&passes=step:0.25,again")
        seen = [
            hands(tab, "viewer.go(given[0]); return some('.asked h2').textContent", at)
            for at in (99, 1, 99)
        ]
        assert ["= 3 " in seen[0], "= 6 " in seen[1], "= 3 " in seen[2]] == [True] * 3

    @pytest.mark.parametrize("by", ["node", "edge"])
    def test_a_weighted_sum_outside_of_all_boxes(self, opened, by):
        w = [Value(2.0, label="w"), Value(-1.0, label="v")]
        root = autograd.dot(w, [Value(0.5, label="x"), 4.0], Value(1.0, label="b")) ** 2
        tab = opened(trace(root), f"#by={by}")
        press = "for (let k = 0; k < 40; k++) press('ArrowRight'); return place();"
        done = hands(tab, press).split()[1].split("/")
        assert done[0] == done[1]

    @pytest.mark.parametrize("link", ["mode=impatient&ask=8", "by=outer", "by=inner"])
    def test_links_that_ask_for_what_is_not_there(self, opened, link):
        a = Value(1.5, label="a")
        root = a
        for k in range(8):
            root = root * (k + 2)
        tab = opened(trace(root), f"#{link}")
        by, hidden = hands(tab, "return [some('[data-control=by]').value, shown('asked')];")
        assert by == "edge"
        assert hidden == []

    def test_the_example_has_numbers_of_its_own(self, opened):
        a, b = Value(2.0, label="a"), Value(3.0, label="b")
        told = hands(
            opened(trace(a * b)),
            """let written, timer = () => {};
            window.setTimeout = (act) => { timer = act; return 1; };
            history.replaceState = (_, __, link) => { written = link; };
            const type = (text) => {
                const field = some("input[data-leaf='0']");
                field.value = text;
                field.dispatchEvent(new Event("input", { bubbles: true }));
            };
            const held = () => some("input[data-leaf='0']").value;
            type("5"); press("i"); type("7"); timer();
            const [mixed, link] = [held(), written];
            press("i");
            const back = held();
            viewer.setMode("impatient");
            delete history.replaceState;
            go("step=0&lang=en");
            const first = held();
            go(link.slice(1));
            const after = [held(), (press("i"), held()), (press("i"), held())];
            return [mixed, back, link, first, ...after];""",
        )
        assert told[2].endswith("&set=0:7&own=0:5")
        assert told[:2] + told[3:] == ["7", "5", "2", "7", "5", "7"]

    @pytest.mark.parametrize("x", ["1e22", "-1.5e300", "1e-300", "123456789012345680000"])
    def test_a_link_keeps_large_numbers(self, opened, x):
        told = hands(
            opened(trace(graph())),
            """let written, timer = () => {};
            window.setTimeout = (act) => { timer = act; return 1; };
            const replace = history.replaceState;
            history.replaceState = (_, __, link) => { written = link; };
            const field = () => some("input[data-leaf='0']");
            field().value = given[0];
            field().dispatchEvent(new Event("input", { bubbles: true }));
            timer();
            history.replaceState = replace;
            go("step=0"); go(written.slice(1));
            return [Number(field().value), viewer.story.values[0]];""",
            x,
        )
        assert [*map(float, told)] == [float(x)] * 2

    def test_a_pressed_leaf_is_the_one_that_is_nudged(self, opened):
        told = hands(
            opened(trace(graph()), "#mode=nudge&nudge=1:0.5"),
            """some(".stage").setPointerCapture = () => {};
            some(".ground g.node[data-node='0'] .card").dispatchEvent(
                new PointerEvent("pointerdown", { pointerId: 1, clientX: 50, bubbles: true }));
            viewer.go(1);
            return [some("[data-control=nudged]").value, some(".caption").textContent,
                some(".gauge thead").textContent.includes("a.grad")];""",
        )
        assert told == ["0", "a moves by 0.5.", True]

    def test_rounding_is_no_error_of_the_gradient(self, opened):
        read = """return all(".gauge tbody tr",
            (row) => [...row.children].map((cell) => cell.textContent));"""
        a, b = Value(0.1, label="a"), Value(709.5, label="b")
        rows = hands(opened(trace(a * 3 + 0.7), "#mode=nudge&nudge=0:0.3"), read)
        assert [row[3:] for row in rows] == [["0", "0"]] * 3
        square = hands(opened(trace(a * a), "#mode=nudge&nudge=0:0.3"), read)
        assert [row[4] for row in square] == ["1"] * 3
        huge = hands(opened(trace(b.exp()), "#mode=nudge&nudge=0:1"), read)
        assert huge[0][1] == "inf"
        assert huge[0][3] != "0"

    def test_a_nudge_begins_at_the_numbers_of_now(self, opened):
        a, b = Value(2.0, label="a"), Value(1.0, label="b")
        root = (a + b) * (b + 1)
        b.data = 5.0  # 7 · 6, where the forward pass had 3 · 2
        rows = hands(
            opened(trace(root), "#mode=nudge&nudge=1:0.5"),
            """return all(".gauge tbody tr",
                (row) => [...row.children].map((cell) => cell.textContent));""",
        )
        moved = [(7 + x) * (6 + x) - 42 for x in (0.5, 0.25, 0.125)]
        assert [float(row[1]) for row in rows] == pytest.approx(moved, rel=1e-3)
        assert [row[4] for row in rows] == ["1"] * 3

    @pytest.mark.parametrize("names", ["אב", "سص", "א2 ב2", "ab"])
    def test_a_formula_is_set_from_left_to_right(self, opened, names):
        one, other = names.split() if " " in names else names
        a, b = Value(5.0, label=one), Value(3.0, label=other)
        tab = opened(trace(a - b), "#step=3&by=edge")
        told = hands(
            tab,
            """const places = (node, names) => {
                const text = node.data;
                return names.map((name) => {
                    const range = document.createRange();
                    const at = text.indexOf(name[0], text.indexOf("="));
                    range.setStart(node, at);
                    range.setEnd(node, at + 1);
                    return range.getBoundingClientRect().x;
                });
            };
            const line = all(".code *", (element) => element.firstChild)
                .find((node) => node?.data?.includes("= " + given[0]));
            return [places(some(".caption").firstChild, given), places(line, given)];""",
            one,
            other,
        )
        assert [first < second for first, second in told] == [True, True]

    def test_a_hyphen_in_a_label_is_no_minus(self, opened):
        x = Value(-2.0, label="pre-bias")
        tab = opened(trace(x * -3.0), "#step=99&by=edge")
        log, node, edge = hands(
            tab,
            """return [some(".log").textContent, some("g.node[data-node='0']").ariaLabel,
                some("g.edge").ariaLabel];""",
        )
        assert "pre-bias.grad = −3" in log
        assert node.startswith("pre-bias: value −2")
        assert "∂a/∂pre-bias = −3" in edge

    def test_a_label_with_braces(self, opened):
        a = Value(2.0, label="{n}")
        tab = opened(trace(a * a + a))
        assert "undefined" not in tab.content()
        told = hands(tab, "press('End'); return document.body.innerText;")
        assert "undefined" not in told
        assert "{n}" in told

    def test_stale_numbers_are_told_until_they_are_worked_out_anew(self, opened):
        a, b = Value(2.0, label="a"), Value(3.0, label="b")
        root = a * b
        root.label, a.data = "e", 5.0
        tab = opened(trace(root), "#step=3&by=edge")
        read = "return [some('.caption').textContent, some('.math').textContent];"
        caption, formula = hands(tab, read)
        assert "its operands would now give another value" in caption
        assert formula == "e=a·b=6"
        caption, formula = hands(tab, f"go('step=3&by=edge&set=0:4'); {read}")
        assert caption == "e = a · b = 12, worked out and remembered."
        assert formula == "e=a·b=4·3=12"


class TestWalks:
    """Whatever is pressed in whatever order, everything shown belongs to one state."""

    KEYS = (
        *("ArrowRight", "ArrowRight", "ArrowLeft", "Shift ArrowRight", "Shift ArrowLeft", "Home"),
        *("End", "f", "b", "w", "n", "i", "d", "a", "z", "s", "W", "B"),
    )
    BUTTONS = (
        *("first", "back", "back", "forward", "forward", "last", "backprop", "naive", "impatient"),
        *("nudge", "en", "zh", "again", "zero", "step", "undo", "pile", "news", "reset"),
    )

    def actions(self, draws, levels, leaves):
        """A kind, a name and what is chosen or typed."""
        number = draws.choice(["0.5", "-2", "3", "1e-3"])
        return draws.choice([
            *(("key", draws.choice(self.KEYS), ""),) * 5,
            *(("press", draws.choice(self.BUTTONS), ""),) * 5,
            ("set", "by", draws.choice(["edge", "node", "outer" if len(levels) > 1 else "edge"])),
            ("set", "level", str(draws.choice(levels))),
            ("set", "slider", str(draws.randrange(20))),
            ("set", "rate", draws.choice(["0.5", "0.1", "x"])),
            ("leaf", str(draws.choice(leaves)), number),
            ("set", "nudged", str(draws.choice(leaves))),
            ("set", "delta", str(draws.choice([-100, -40, 0, 25]))),
            ("ask", str(draws.randrange(9)), ""),
            ("press", "unask", ""),
            *(("box", str(draws.randrange(9)), ""),) * 3,
        ])  # fmt: skip

    @pytest.mark.parametrize("of", [shared, nested, deep])
    def test_everything_shown_belongs_to_one_state(self, opened, of):
        story = trace(of())
        draws = random.Random(len(story.nodes))
        leaves = [node.id for node in story.nodes if node.leaf and not node.constant]
        actions = [self.actions(draws, levels(story), leaves) for _ in range(150)]
        tab = opened(story, reduced_motion="reduce")
        state = _State(story)
        assert state.leaf == leaves[0]
        for action, told in zip(actions, hands(tab, WALK, actions), strict=True):
            kind, name, text = action
            state.take(kind, told["found"] if kind in ("ask", "box") else name, text, told)
            state.check(action, told)


WALK = """
    let [timer, written] = [() => {}, ""];
    window.setTimeout = (act) => { timer = act; return 1; };
    history.replaceState = (_, __, link) => { written = link; };
    const kinds = {
        key: (name) =>
            press(name.replace("Shift ", ""), section, { shiftKey: name.startsWith("Shift") }),
        press: (name) => some(`[data-action=${name}]:not([hidden] *)`)?.click(),
        set: (name, text) =>
            some(`[data-control=${name}]:not([hidden], [hidden] *)`) && set(name, text),
        ask: (k) => {
            const found = [...document.querySelectorAll("td [data-ask]:not([hidden])")];
            found[k % found.length]?.click();
            return found.length ? found[k % found.length].dataset.ask : null;
        },
        box: (k) => {
            const found = [...document.querySelectorAll(".ground [data-box] [role=button]")];
            const door = found[k % found.length];
            const box = door?.closest("[data-box]").dataset.box;
            if (!door) return null;
            if (k % 3) press(k % 2 ? " " : "Enter", door);
            else door.dispatchEvent(new MouseEvent("click", { bubbles: true }));
            const now = document.activeElement;
            const same = now.closest("[data-box]")?.dataset.box === box && now.role === "button";
            return same ? box : "lost";
        },
        leaf: (id, text) => {
            const field = some(`input[data-leaf="${id}"]`);
            field.value = text;
            field.dispatchEvent(new Event("input", { bubbles: true }));
        },
    };
    const off = (name) => some(`[data-action=${name}]`).getAttribute("aria-disabled") === "true";
    const taken = () => Number(section.dataset.step);
    return given[0].map(([kind, name, text]) => {
        const { play, state } = viewer;
        const strides = [play.strideEnd(taken(), state.by), play.strideStart(taken(), state.by),
            taken() && play.strideEnd(taken() - 1, "node"), play.strideStart(taken(), "node")];
        strides.push(play.strideStart(Math.max(strides[3], 0), "node"));
        [timer, written] = [() => {}, ""];
        const found = kinds[kind](name, text) ?? null;
        timer();
        const slider = some("[data-control=slider]");
        return { found, strides, place: place(), lang: section.dataset.lang,
            caption: some(".caption").textContent, pressed: pressed(),
            off: ["first", "back", "forward", "last"].filter(off),
            slider: [slider.max, slider.value, slider.getAttribute("aria-valuetext")],
            chosen: ["by", "level"].map((name) => some(`[data-control=${name}]`).value),
            undo: !some("[data-action=undo]").matches(":enabled, [hidden] *"),
            reset: some("[data-action=reset]").disabled,
            fields: all("input[data-leaf]", (field) => field.value),
            lines: document.querySelectorAll(".math math").length,
            shown: shown("compare", "gauge", "passes", "live", "level", "asked"), link: written };
    });
"""


MODES = ("backprop", "naive", "impatient", "nudge")
ACTIONS = {
    "ArrowRight": "forward", "ArrowLeft": "back", "Shift ArrowRight": "next",
    "Shift ArrowLeft": "previous", "Home": "first", "End": "last", "f": "forth",
    "b": "backward", "w": "naive", "n": "naive", "i": "impatient", "d": "nudge",
    "a": "again", "z": "zero", "s": "step",
}  # fmt: skip


class _State:
    """What the page should show after what was pressed, by Python: the rules that help states."""

    def __init__(self, story):
        self.own = story
        self.first = {"by": self.stride_of(suiting(story)), "level": suiting(story)}
        self.by, self.level = self.first.values()
        self.mode, self.ending, self.lang, self.rate = "backprop", "pile", "en", "0.1"
        self.taken, self.group, self.places, self.acts, self.given = 0, 1, {}, [], {}
        self.leaf = next(n.id for n in story.nodes if n.leaf and not n.constant)
        self.ask, self.boxes, self.delta, self.plays = None, set(), 0.3, {}

    def stride_of(self, level):
        return {0: "edge", 1: "outer"}.get(level, "inner")

    @property
    def play(self):
        key = (self.mode, self.ending, *self.acts, *self.given.items())
        if key not in self.plays:
            self.plays[key] = self.played()
        return self.plays[key]

    def played(self):
        story = retold(self.own, self.given) if self.given else self.own
        if self.mode == "naive":
            return path_by_path(story)
        if self.mode == "impatient":
            return impatient(story, self.ending)
        play = Passes(story)
        for act in self.acts if self.mode == "backprop" else ():
            if act in ("again", "zero"):
                play.again() if act == "again" else play.zero_grad()
            else:
                play.step(float(act))
        return play

    @property
    def last(self):
        if self.mode != "nudge":
            return len(self.play.moves)
        moved = {self.leaf}
        for node in self.own.nodes:
            if any(operand.id in moved for operand in node.parents):
                moved.add(node.id)
        return len(moved) + 1

    def take(self, kind, name, text, told):
        before, place = self.seen, (self.taken, self.mode, self.by)
        self.strides, self.group = told["strides"], 1
        if kind == "ask":
            self.ask = self.ask if name is None else name
        elif kind == "box":
            self.boxes = self.boxes ^ ({int(name)} if name is not None else set())
        elif kind == "leaf":
            node = int(name)
            self.given[node] = float(text)
            if float(text) == self.own.nodes[node].value:
                del self.given[node]
        elif kind == "set":
            self.choose(name, text)
        else:
            self.press(kind, name)
        self.taken = min(max(self.taken, 0), self.last)
        self.changed = self.seen != before
        if place == (self.taken, self.mode, self.by):  # what a stride said may still stand there
            self.group = None

    @property
    def seen(self):
        state = self.mode, self.taken, self.ending, self.lang, self.by, self.level
        state += self.leaf, self.delta, self.ask, *self.boxes
        return *state, *self.acts, *self.given.items()

    def press(self, kind, name):
        panels = {"again": "backprop", "zero": "backprop", "step": "backprop", "undo": "backprop"}
        panels |= {"pile": "impatient", "news": "impatient"}
        panels["unask"] = None if self.ask is None else self.mode
        if kind == "key":
            name = ACTIONS[name if len(name) > 1 else name.lower()]
            self.do("backprop" if name == self.mode else name)
        elif panels.get(name, self.mode) == self.mode:  # what is hidden cannot be pressed
            self.do(name)

    def choose(self, name, text):
        if name == "slider":
            self.taken = min(int(text), self.last)
        elif name == "level" and len(levels(self.own)) > 1:
            self.level, self.boxes = int(text), set()
            self.by = self.stride_of(self.level)
        elif name == "nudged" and self.mode == "nudge":
            self.leaf = int(text)
        elif name == "delta" and self.mode == "nudge":
            self.delta = int(text) / 100
            self.taken = self.last if self.taken in (0, self.last) else self.taken
        elif name == "by" or (name == "rate" and self.mode == "backprop"):
            setattr(self, name, text)

    def do(self, name):
        end, start, node_end, node_start, earlier = self.strides
        at = self.taken
        moves = {
            "first": 0, "last": self.last, "next": node_end + 1,
            "previous": node_start + 1 if node_start + 1 < at else earlier + 1,
        }  # fmt: skip
        if name in moves:
            self.taken = moves[name]
        elif name == "forward" and at < self.last:
            self.taken, self.group = end, end - at
        elif name == "back" and at:
            self.taken, self.group = start, None
        elif name in MODES:
            self.turn(name)
        elif name in ("forth", "backward"):
            self.turn("backprop")
            kinds = [step.kind for step in self.own.steps]
            self.taken = kinds.index("eval" if name == "forth" else "seed")
        elif name in ("again", "zero", "step"):
            self.act(self.rate if name == "step" else name)
        elif name == "undo" and self.acts:
            self.acts = self.acts[:-1]
            self.taken = self.last
        elif name in ("pile", "news"):
            self.ending = name
        elif name in ("en", "zh"):
            self.lang = name
        elif name == "unask":
            self.ask = None
        elif name == "reset":
            self.given = {}

    def turn(self, mode):
        if mode != self.mode:
            self.places[self.mode] = self.taken
            self.mode, self.taken = mode, self.places.get(mode, 0)

    def act(self, act):
        if act != "x":
            self.turn("backprop")
            self.acts = [*self.acts, act]
            self.taken = self.last

    # -- what should be seen -----------------------------------------------------------------------

    def check(self, action, told):
        ui, taken, last = sentences()["ui"][self.lang], self.taken, self.last
        place = ui["place"].format(step=taken, steps=last)
        ends = ["first", "back"] * (taken == 0) + ["forward", "last"] * (taken == last)
        panels = {"backprop": ["passes"], "impatient": ["compare"], "nudge": ["gauge"]}
        shown = {*panels.get(self.mode, ()), "live", *["level"] * (len(levels(self.own)) > 1)}
        shown |= {"asked"} - ({"asked"} if self.ask is None else set())
        seen = {
            **{"place": f"{self.mode} {taken}/{last}", "lang": self.lang, "off": ends},
            **{"slider": [str(last), str(taken), place], "chosen": [self.by, str(self.level)]},
            **{"undo": not self.acts and self.mode == "backprop", "reset": not self.given},
        }
        assert {key: told[key] for key in seen} == seen, action
        assert {*told["shown"]} == shown, action
        down = {self.mode, self.lang, *[self.ending] * (self.mode == "impatient")}
        assert down <= {*told["pressed"]} <= {*down, "pile", "news"}, action
        shown = [n for n in self.own.nodes if n.leaf and (n.label or not n.constant)]
        values = [self.given.get(n.id, n.value) for n in shown]
        assert [float(text) for text in told["fields"]] == values, action
        if told["link"] or self.changed:
            assert self.read(told["link"]) == self.link(), action
        self.check_caption(action, told)

    def check_caption(self, action, told):
        if self.mode == "nudge" or (self.group != 1 and self.by != "edge"):
            return
        move = self.play.moves[self.taken - 1] if self.taken else None
        start = paying_back(self.own).start if self.mode == "backprop" else self.play.start
        text = move.text if move else start
        assert plain(told["caption"]) == plain(getattr(text, self.lang)), action
        assert told["lines"] == (0 if not move else 1 + (move.kind in ("pay", "hurry"))), action

    def read(self, link):
        return dict(part.split("=") for part in link.removeprefix("#").split("&"))

    def link(self):
        told = {"step": str(self.taken), "mode": self.mode, "lang": self.lang}
        told |= {name: str(getattr(self, name)) for name in self.first}
        told = {k: v for k, v in told.items() if v != str(self.first.get(k))}
        acts = [act if act in ("again", "zero") else f"step:{act}" for act in self.acts]
        given = [f"{node}:{x:g}" for node, x in self.given.items()]
        more = {
            "ending": self.ending.removeprefix("pile"), "passes": ",".join(acts),
            "set": ",".join(given), "ask": self.ask,
            "boxes": ",".join(map(str, sorted(self.boxes))),
            "nudge": f"{self.leaf}:{self.delta:g}" * (self.mode == "nudge"),
        }  # fmt: skip
        return told | {k: v for k, v in more.items() if v}


def plain(text):
    """A sentence without the separators of digits, which each viewer writes in its own way."""
    return re.sub(r"(?<=\d)[,\u202f](?=\d{3})", "", text)
