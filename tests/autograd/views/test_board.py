"""The board of the page in a real browser: its picture, moment by moment, and its camera.

What is painted is held to Python's own painter, which paints any moment by itself; the camera to
where a learner sees things.
"""

import re

import pytest

import autograd
import nn
from autograd import Value, scope, trace
from autograd.views.folding import levels
from autograd.views.layout import point_on
from autograd.views.moment import moment
from autograd.views.painter import backwards, paint
from autograd.views.plays import impatient, path_by_path, paying_back
from autograd.views.scene import scene
from autograd.views.text import number

LOOK = """
const seen = ["now", "payee", "used", "walked", "unknown", "minus", "weight", "crowded"];
const classes = (e) => seen.filter((name) => e.classList.contains(name)).join(" ");
const side = (e, name) => Number(e.getAttribute(name)).toFixed(1);
const look = (svg) => {
    const all = (selector, of) => [...svg.querySelectorAll(selector)].map(of);
    return {
        cards: all("g.node", (g) => [classes(g), g.dataset.state]),
        wires: all("g.edge", (g) => [classes(g), side(g.querySelector(".wire"), "stroke-width")]),
        pills: all(".pill rect", (rect) => ["x", "width"].map((name) => side(rect, name))),
        texts: all("text:is([data-slot], [data-word])", (text) => text.textContent),
        heat: all("rect.heat", (rect) => [classes(rect), Number(rect.getAttribute("opacity"))]),
        coins: all("g.coin", (g) => [g.getAttribute("transform"), side(g.firstChild, "width"),
            side(g.firstChild, "x"), g.textContent]),
    };
};
const viewer = document.querySelector(".payback").payback;
const shown = () => {
    const { svg, coins } = viewer.board;
    return { ...look(svg), coins: look(coins).coins };
};
"""


def network():
    model = nn.MLP(2, [3, 2], activation="tanh", seed=1)
    data = [Value(0.5, label="x1"), Value(-1.0)]
    return nn.squared_error(model(data), [1.0, 0.0]) / 2


def wide():
    """Units of one row each, a plain number as input, weights beyond 1."""
    model = nn.MLP(2, [8, 2], activation="leaky_relu", seed=3)
    for parameter in model.parameters():
        parameter.data *= 3.0
    return autograd.sum(model([Value(1.0, label="input"), 2.0]))


def odd():
    """Piles too long for their card, numbers that are none, a payment of nothing."""
    x, y = Value(0.1, label="x"), Value(0.0, label="y")
    z = autograd.sum([x * k for k in (1 / 3, 1 / 7, 1 / 9, 1 / 11, 2, 3, 4, 5, 6)]) * x * x
    with scope("s"):
        u = y.log() * z
    return u * y + autograd.sqrt(y) + z.tanh() * x - z / 3


def plain_graph():
    a, b = Value(2.0, label="a"), Value(-1.0, label="b")
    return (a + b) * (b + 1)


@pytest.mark.parametrize("graph", [plain_graph, network, wide, odd])
def test_moments_are_painted_as_python_paints_them(opened, graph):
    """At every level of folding: step by step forwards, back in leaps."""
    story = trace(graph())
    steps = len(story.steps)
    forwards = [*range(0, steps, 1 + steps // 30), steps]
    tab = opened(story, "#by=edge", reduced_motion="reduce")
    for level in levels(story):
        laid = scene(story, level)
        pictures = {taken: paint(laid, moment(story, taken)) for taken in forwards}
        told = tab.evaluate(
            f"""([level, pictures, forwards]) => {{ {LOOK}
            const parser = new DOMParser();
            const select = document.querySelector("[data-control=level]");
            select.value = level;
            select.dispatchEvent(new Event("change", {{ bubbles: true }}));
            const both = (taken) => [taken, shown(),
                look(parser.parseFromString(pictures[taken], "image/svg+xml"))];
            const found = [];
            for (let taken = 0; taken <= viewer.steps.length; taken++) {{
                viewer.go(taken);
                if (forwards.includes(taken)) found.push(both(taken));
            }}
            for (const taken of forwards.toReversed().filter((_, i) => i % 3 === 1)) {{
                viewer.go(taken);
                found.push(both(taken));
            }}
            return found;
            }}""",
            [level, pictures, forwards],
        )
        for taken, page, python in told:
            for part in ("cards", "wires", "pills", "texts", "heat"):
                assert page[part] == python[part], (level, taken, part)
            for one, other in zip(page["coins"], python["coins"], strict=True):
                assert one[1:] == other[1:]
                assert numbers(one[0]) == pytest.approx(numbers(other[0]), abs=0.11)


def numbers(text):
    return [float(part) for part in re.findall(r"-?[\d.]+", text)]


def doubling():
    """Two edges a pair, so that each is walked often."""
    a = Value(1.5, label="a")
    b = a + a
    c = b + b
    d = c * a
    b.label, c.label, d.label = "b", "c", "d"
    return d


TRACES = """() => viewer.steps.map((_, taken) => {
    viewer.go(taken + 1);
    const [now, pills] = [viewer.now(), [...document.querySelectorAll(".ground .edge .pill")]];
    const written = pills.map((g) => [Number(g.parentElement.dataset.edge), g.textContent,
        ...["x", "width"].map((name) => Number(g.firstChild.getAttribute(name)))]);
    return { ...shown(), written, edges: now.edges.map(({ id }) => id),
        amounts: now.edges.map(now.amount),
        walkers: document.querySelectorAll(".coins .walker").length };
})"""


@pytest.mark.parametrize("mode", ["naive", "impatient", "nudge"])
def test_walkers_leave_their_traces(opened, mode):
    """How often each edge was used stands on it, dots up to three; amounts travel along it."""
    story = trace(doubling())
    played = {"naive": path_by_path, "impatient": impatient, "nudge": paying_back}[mode](story)
    laid = scene(story, 0)
    wires = {wire.edges[0]: wire for wire in laid.wires}
    tab = opened(story, f"#mode={mode}&by=edge&nudge=0:0.5", reduced_motion="reduce")
    up, change = mode != "impatient", {0: 0.5}
    moved, other = ("walked", "used") if up else ("used", "walked")
    for taken, told in enumerate(tab.evaluate(f"() => {{ {LOOK} return ({TRACES})() }}"), 1):
        uses = {} if mode == "nudge" else played.moment(taken).uses
        for edge, text, left, width in told["written"]:
            pill, times = laid.pills[wires[edge].key], uses.get(edge, 0)
            mark = (times and (" " + "•" * times if times < 4 else f" ×{times}")) or ""
            assert text.endswith("= " + number(story.edges[edge].local) + mark)
            assert width == pytest.approx(pill.width + 7 * len(mark), abs=0.1)
            assert left + width / 2 == pytest.approx(pill.centre[0], abs=0.1)
        classes = [told.split() for told, _ in told["wires"]]
        assert not any(other in named for named in classes)
        if mode != "nudge":
            assert [moved in named for named in classes] == [bool(uses.get(i)) for i in wires]
        if told["edges"]:
            right = [float(x) for x in told["amounts"]]
            if mode == "nudge":
                debts = [story.edges[i] for i in told["edges"]]
                right = [change[debt.parent] * debt.local for debt in debts]
                change[debts[0].consumer] = sum(right)
            assert told["walkers"] == (len(told["coins"]) if up else 0)
            assert [coin[3] for coin in told["coins"]] == [number(x) for x in right]
            for edge, coin in zip(told["edges"], told["coins"], strict=True):
                curve = backwards(laid.places.curves[wires[edge].key])
                place = point_on(curve, 0.18 if up else 0.82)
                assert numbers(coin[0]) == pytest.approx(place, abs=0.11)
