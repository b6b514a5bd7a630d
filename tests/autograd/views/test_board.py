"""The board of the page in a real browser: its picture, moment by moment, and its camera.

What is painted is held to Python's own painter, which paints any moment by itself; the camera to
where a learner sees things.
"""

import math
import re

import pytest

import autograd
import nn
from autograd import Value, scope, trace
from autograd.views.folding import levels
from autograd.views.layout import point_on
from autograd.views.moment import moment
from autograd.views.painter import REST, backwards, paint
from autograd.views.plays import impatient, path_by_path, paying_back
from autograd.views.scene import scene
from autograd.views.text import number
from autograd.views.words import show
from tests.waiting import until

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
        coins: all("g.coin", (g) => {
            const [text, rect] = [g.querySelector("text"), g.querySelector("rect")];
            return [g.getAttribute("transform"), side(rect, "width"), side(rect, "x"),
                text.textContent, side(text, "y"),
                ...["y", "height", "rx"].map((name) => side(rect, name))];
        }),
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


def burnt():
    """A weight that is no number any more."""
    model = nn.MLP(1, [2, 1], activation="relu", seed=1)
    model.parameters()[0].data = math.nan
    return model([Value(0.5, label="x")]) * 2


def plain_graph():
    a, b = Value(2.0, label="a"), Value(-1.0, label="b")
    return (a + b) * (b + 1)


@pytest.mark.parametrize("graph", [plain_graph, network, wide, odd, burnt])
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
            assert_painted_alike(page, python, (level, taken))


def assert_painted_alike(page, python, at):
    for part in ("cards", "wires", "pills", "texts", "heat"):
        assert page[part] == python[part], (at, part)
    for one, other in zip(page["coins"], python["coins"], strict=True):
        assert one[1:] == other[1:]
        assert numbers(one[0]) == pytest.approx(numbers(other[0]), abs=0.11)


PRINT = f"""(pictures) => {{ {LOOK}
    dispatchEvent(new Event("beforeprint"));
    const parser = new DOMParser();
    const read = (text) => look(parser.parseFromString(text, "image/svg+xml"));
    const svgs = [...document.querySelectorAll(".strip svg")];
    return svgs.map((svg, i) => [look(svg), pictures.length ? read(pictures[i]) : 0]);
}}"""


def test_paper_has_the_pictures_of_every_step(opened):
    story = trace(plain_graph())
    laid = scene(story, 0)
    pictures = [paint(laid, moment(story, i + 1)) for i in range(len(story.steps))]
    told = opened(story, "#by=edge&step=5").evaluate(PRINT, pictures)
    assert len(told) == len(pictures)
    for taken, (page, python) in enumerate(told, 1):
        assert_painted_alike(page, python, taken)


def chained(nodes, last):
    """So many nodes, two edges each, the last of several."""
    x = Value(0.5, label="x")
    for _ in range(nodes - 2):
        x = x + x
    return autograd.sum([x] * last)


@pytest.mark.parametrize(
    ("nodes", "last", "by", "drawn"),
    [(40, 3, "edge", 160), (40, 4, "edge", 0), (48, 1, "node", 97), (49, 1, "node", 0)],
)
def test_paper_leaves_out_the_pictures_of_a_long_story(opened, nodes, last, by, drawn):
    told = opened(trace(chained(nodes, last)), f"#by={by}").evaluate(PRINT, [])
    assert len(told) == drawn


def test_weights_are_as_thick_as_they_are_large(opened):
    """Also those that a learner typed in."""
    story = trace(network())
    weights = {}
    for edge in story.edges:
        node = story.nodes[edge.consumer]
        half = len(node.parents) // 2
        if node.op == "dot" and half <= edge.slot < 2 * half:
            weights[edge.id] = node.parents[edge.slot - half].id
    given = dict(zip(weights, (-0.5, 0.25, 3.0, 0.0, math.nan, -2.0), strict=False))
    pairs = ",".join(f"{weights[edge]}:{show(x)}" for edge, x in given.items())
    tab = opened(story, f"#level=2&step=99&set={pairs}")
    told = tab.evaluate(
        """() => [...document.querySelectorAll(".ground g.weight")].map((g) =>
            [g.dataset.edge, g.classList.contains("minus"),
                g.querySelector(".wire").getAttribute("stroke-width")])"""
    )
    seen = {int(edge): (minus, float(width)) for edge, minus, width in told}
    assert seen.keys() >= given.keys()
    for edge, x in given.items():
        size = 1 if math.isnan(x) else min(1, abs(x))
        assert seen[edge] == (x < 0, pytest.approx(0.6 + 2.4 * size, abs=0.051))


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
        assert told["walkers"] == (len(told["coins"]) if up and told["edges"] else 0)
        if told["edges"]:
            right = [float(x) for x in told["amounts"]]
            if mode == "nudge":
                debts = [story.edges[i] for i in told["edges"]]
                right = [change[debt.parent] * debt.local for debt in debts]
                change[debts[0].consumer] = sum(right)
            assert [coin[3] for coin in told["coins"]] == [number(x) for x in right]
            for edge, coin in zip(told["edges"], told["coins"], strict=True):
                curve = backwards(laid.places.curves[wires[edge].key])
                place = point_on(curve, 1 - REST if up else REST)
                assert numbers(coin[0]) == pytest.approx(place, abs=0.11)


def test_who_has_heard_from_all_is_marked(opened):
    story = trace(network())
    tab = opened(story, "#by=edge", reduced_motion="reduce")
    for level in (0, 1):
        told = tab.evaluate(
            f"""(level) => {{ {LOOK}
            history.replaceState(null, "", `#by=edge&level=${{level}}`);
            dispatchEvent(new Event("hashchange"));
            const nodes = ({{ dataset }}) => (dataset.nodes ?? dataset.node).split(" ").map(Number);
            return viewer.steps.map((_, i) => {{
                viewer.go(i + 1);
                return [...viewer.board.svg.querySelectorAll("g.node.arrived")].map(nodes);
            }});
            }}""",
            level,
        )
        for step, marked in zip(story.steps, told, strict=True):
            assert len(marked) == (step.kind == "settle")
            assert all(step.node in nodes for nodes in marked)


def crowd():
    """Leaves with names and payments of every length, some paid twice."""
    paid = []
    for k in range(1, 24):
        x = Value(1.0, label="x" * k)
        c = (-1) ** k * 1.23456789 * 10.0 ** (k % 11 - 4)
        paid += [x * round(c, k % 7), x * k]
    return autograd.sum(paid)


def test_a_pile_has_as_many_digits_as_its_card_has_room(opened):
    story = trace(crowd())
    laid = scene(story, 0)
    at = [i for i, step in enumerate(story.steps, 1) if step.kind == "pay"][-1]
    first = next(i for i, step in enumerate(story.steps) if step.kind == "seed")
    moments = [*range(first + 30, at, 12), at, len(story.steps)]
    pictures = [paint(laid, moment(story, taken)) for taken in moments]
    told = opened(story, "#by=edge", reduced_motion="reduce").evaluate(
        f"""([moments, pictures]) => {{ {LOOK}
        const parser = new DOMParser();
        return moments.map((taken, i) => {{
            viewer.go(taken);
            return [shown(), look(parser.parseFromString(pictures[i], "image/svg+xml"))];
        }});
        }}""",
        [moments, pictures],
    )
    for taken, (page, python) in zip(moments, told, strict=True):
        assert_painted_alike(page, python, taken)


FLIGHT = """([link, times, waited, by]) => {
    let [time, frame] = [1000, undefined];
    performance.now = () => time;
    window.requestAnimationFrame = (act) => { frame = act; return 7; };
    window.cancelAnimationFrame = (id) => { if (id === 7) frame = undefined; };
    history.replaceState(null, "", `#${link}`);
    dispatchEvent(new Event("hashchange"));
    time += waited;
    const { board } = viewer;
    const carry = board.carry;
    let flight;
    board.carry = (...moment) => {
        frame = undefined;
        carry.apply(board, moment);
        flight = frame;
    };
    viewer.go(viewer.state.taken + by);
    return times.map((part) => {
        const act = frame = flight;
        flight = frame = undefined;
        act?.(time + part);
        flight = frame;
        const coins = [...document.querySelectorAll(".coins .coin")];
        return [coins.map((coin) => coin.getAttribute("transform")), frame !== undefined];
    });
}"""


@pytest.mark.parametrize(
    ("waited", "by", "motion", "eased"),
    [
        (119, 1, "no-preference", 1),
        (120, 1, "no-preference", 0),
        (1000, -1, "no-preference", 1),
        (1000, 1, "reduce", 1),
    ],
)
def test_nothing_travels_in_a_hurry_or_backwards(opened, waited, by, motion, eased):
    story = trace(plain_graph())
    script = f"(given) => {{ {LOOK} return ({FLIGHT})(given) }}"
    tab = opened(story, reduced_motion=motion)
    told = tab.evaluate(script, [f"step={9 - by}&by=edge", [0], waited, by])
    laid = scene(story, 0)
    [wire] = [wire for wire in laid.wires if paying_back(story).moves[8].edge in wire.edges]
    [[[place], goes_on]] = told
    right = point_on(backwards(laid.places.curves[wire.key]), REST * eased)
    assert numbers(place) == pytest.approx(right, abs=0.11)
    assert goes_on == (not eased)


@pytest.mark.parametrize(
    ("link", "speed", "milliseconds"),
    [
        ("step=6", 1, 750),
        ("step=8", 1, 750),
        ("step=8", 4, 233.75),
        ("mode=naive&step=2", 2, 467.5),
    ],
)
def test_an_amount_travels_along_its_wire(opened, link, speed, milliseconds):
    """Slowly at both ends; the seed comes down on the root, a walker goes the other way."""
    story = trace(plain_graph())
    laid = scene(story, 0)
    tab = opened(story)
    tab.locator("[data-control=speed]").select_option(str(speed))
    parts = [0, 0.25, 0.5, 0.75, 0.999, 1]
    times = [part * milliseconds + 1e-6 for part in parts]
    script = f"(given) => {{ {LOOK} return ({FLIGHT})(given) }}"
    told = tab.evaluate(script, [f"{link}&by=edge", times, 1000, 1])
    for part, (places, goes_on) in zip(parts, told, strict=True):
        eased = 2 * part**2 if part < 0.5 else 1 - 2 * (1 - part) ** 2
        assert goes_on == (part < 1)
        [place] = places
        if link == "step=6":
            root = next(card for card in laid.cards if card.root)
            x, y = laid.places.nodes[root.key]
            right = x, y - root.height / 2 - 5 - 40 * (1 - eased)
        else:
            naive = "naive" in link
            move = (path_by_path if naive else paying_back)(story).moves[2 if naive else 8]
            [wire] = [wire for wire in laid.wires if move.edge in wire.edges]
            curve = backwards(laid.places.curves[wire.key])
            right = point_on(curve, 1 - REST * eased if naive else REST * eased)
        assert numbers(place) == pytest.approx(right, abs=0.11)
        assert re.fullmatch(r"translate\(-?\d+\.\d -?\d+\.\d\)", place)


def test_one_flight_at_a_time_and_the_first_step_is_in_no_hurry(opened):
    told = camera(
        opened(trace(plain_graph())),
        """const frames = new Map();
        let last = 0;
        window.requestAnimationFrame = (act) => frames.set(++last, act) && last;
        window.cancelAnimationFrame = (id) => frames.delete(id);
        viewer.go(9);
        frames.clear();  // the page has others
        for (let flights = 0; flights < 3; flights++) board.carry(viewer.now(), 1e9);
        const flying = frames.size;
        board.moved = undefined;
        performance.now = () => 50;
        return [flying, board.hurried, board.hurried];""",
    )
    assert told == [1, False, True]


def test_an_amount_on_its_way_is_to_be_seen(opened):
    """A pill with the number within it."""
    tab = opened(trace(plain_graph()), "#by=edge&step=9", reduced_motion="reduce")
    [pill, text] = camera(
        tab, "return ['rect', 'text'].map((part) => rect(document.querySelector(`.coin ${part}`)))"
    )
    assert pill["left"] < text["left"] < text["right"] < pill["right"]
    assert pill["top"] < middle(text)[1] < pill["bottom"]


def test_of_a_layer_sixty_amounts_travel(opened):
    model = nn.MLP(8, [9, 1], activation="tanh", seed=1)
    story = trace(model([Value(0.1 * i, label=f"x{i}") for i in range(8)]))
    tab = opened(story, "#by=outer&level=0", reduced_motion="reduce")
    most = tab.evaluate(
        f"""() => {{ {LOOK}
        const found = [];
        while (viewer.state.taken < viewer.steps.length) {{
            viewer.forward();
            found.push(shown().coins.length);
        }}
        return found;
        }}"""
    )
    assert max(most) == 60


def long_graph():
    """Far too wide to read at once."""
    x = [Value(0.1 * i, label=f"x{i}") for i in range(3)]
    while len(x) < 90:
        x.append((x[-1] * 0.5 + x[-3]).tanh() if len(x) % 3 else x[-2] + x[-3])
    return x[-1] + x[-2] * x[0]


CAMERA = """
const [board, stage] = [viewer.board, document.querySelector(".stage")];
const rect = (e) => { const { left, top, right, bottom, width, height } = e.getBoundingClientRect();
    return { left, top, right, bottom, width, height }; };
const frame = () => rect(stage);
const card = (id) => rect(board.svg.querySelector(`g.node[data-node="${id}"] .card`));
const state = (name) => stage.classList.contains(name);
"""


IN_SIGHT = """
const out = (all, view) => ["left", "right", "top", "bottom"].map((side, k) => {
    const ends = all.map((box) => box[side]);
    return k % 2 ? Math.max(...ends) - view[side] : view[side] - Math.min(...ends);
});
const fit = (all, view) => {
    const [left, right, top, bottom] = out(all, view);
    const [room, by] = [80 * board.camera.scale, 0.62 / board.camera.scale];
    return (left + right + view.width + room) * by <= view.width
        && (top + bottom + view.height + room) * by <= view.height;
};
const last = viewer.steps.length;
const some = [...viewer.steps.keys()].filter((i) => i % 25 === 0);
return [...some.flatMap((i) => [i + 1, last - i]), last - 3].map((taken) => {
    viewer.go(taken);
    const [all, actors] = ["g.node:is(.now, .payee)", "g.node.now"].map((group) =>
        [...board.svg.querySelectorAll(`${group} .card`)].map(rect));
    const near = [all, actors].find((boxes) => fit(boxes, frame()));
    return [taken, board.camera.scale, out(near, frame())];
});
"""
"""How far those who act stick out of sight, with those they pay where all fit, at some steps."""


def camera(tab, script, *given):
    return tab.evaluate(f"(given) => {{ {LOOK} {CAMERA} {script} }}", list(given))


def middle(box):
    return (box["left"] + box["right"]) / 2, (box["top"] + box["bottom"]) / 2


def scaled(before, after, about, by):
    """Whether what was at one place is where a zoom about a point puts it."""
    for k in (0, 1):
        want = about[k] + by * (middle(before)[k] - about[k])
        assert middle(after)[k] == pytest.approx(want, abs=2.5)
    assert after["width"] == pytest.approx(by * before["width"], rel=0.01)


@pytest.fixture
def small(opened):
    tab = opened(trace(plain_graph()), "#step=9", reduced_motion="reduce")
    tab.locator(".stage").scroll_into_view_if_needed()
    return tab


BARE = """
const bare = (size, home, boxes) => {
    const sides = ([left, top, right, bottom]) => ({ left, top, right, bottom });
    board.size = { width: size[0], height: size[1] };
    board.home = { x: home[0], y: home[1], width: home[2], height: home[3] };
    board.away = new Set();
    board.boxes = boxes.map((box, id) => ({ nodes: [id], ...sides(box), parts: [sides(box)],
        element: document.createElement("i") }));
    board.fit();
};
const at = (x, y, scale) => { board.camera = { x, y, scale }; };
const place = () => [board.camera.x, board.camera.y, board.camera.scale];
"""
"""A board whose window, picture and boxes are numbers, so that the camera's place is one, too."""
WINDOW = (400, 300)
PICTURE = (100, 50, 4000, 3000)
CARD = (1840, 1400, 2120, 1600)  # with the margin 360 wide and 280 high, about (1980, 1500)


class TestSight:
    STAYS = (
        # in sight as far as to the edges of the window
        *((x, 1500, 1) for x in (1960, 1980, 2000)),
        *((1980, y, 1) for y in (1490, 1510)),
        # as large as it is, if it can be read and all of it seen
        (1980, 1500, 0.62),
        (1980, 1500, 1.001),
    )
    MOVES = (
        # as far as that side needs
        ((1959.5, 1490, 1), (1980, 1490, 1)),
        ((2000.5, 1490, 1), (1980, 1490, 1)),
        ((1960, 1489.5, 1), (1960, 1500, 1)),
        ((1960, 1510.5, 1), (1960, 1500, 1)),
        # to four fifths of the size at which all of it is seen
        ((1980, 1500, 0.6199), (1980, 1500, 0.8)),
        ((1980, 1500, 0.1), (1980, 1500, 0.8)),
        ((1980, 1500, 1.002), (1980, 1500, 0.8)),
        ((1990, 1505, 0.1), (1980, 1500, 0.8)),
    )
    PLACES = (
        # room for four fifths, down to what can be read; of what is too large for that, all
        (PICTURE, (1780, 1400, 2200, 1600), (1990, 1500, 0.3), (1990, 1500, 0.64)),
        (PICTURE, (1780, 1400, 2325, 1600), (1990, 1500, 0.3), (2052.5, 1500, 0.62)),
        (PICTURE, (1540, 1400, 2460, 1600), (2000, 1500, 0.27), (2000, 1500, 0.4)),
        (PICTURE, (1540, 1400, 2460, 1600), (2000, 1500, 0.3), (2000, 1500, 0.3)),
        (PICTURE, (1540, 1400, 2460, 1600), (2000, 1500, 0.45), (2000, 1500, 0.4)),
        (PICTURE, (1900, 1140, 2000, 1660), (1950, 1400, 0.3), (1950, 1400, 0.5)),
        (PICTURE, (0, 0, 9000, 9000), (2100, 1550, 0.3), (2100, 1550, 0.1)),
        # never beyond the picture, as long as it fills the window
        (PICTURE, (150, 90, 190, 130), (2000, 1500, 0.3), (350, 237.5, 0.8)),
        (PICTURE, (4000, 2960, 4060, 3000), (2000, 1500, 0.3), (3850, 2862.5, 0.8)),
        ((0, 0, 4000, 300), (1960, 20, 2000, 60), (1980, 40, 0.3), (1980, 150, 0.8)),
    )

    def test_what_is_in_sight_stays_and_what_is_not_comes_to_the_middle(self, opened):
        cases = [
            *((WINDOW, PICTURE, CARD, before, before) for before in self.STAYS),
            *((WINDOW, PICTURE, CARD, before, after) for before, after in self.MOVES),
            *((WINDOW, *place) for place in self.PLACES),
            # what can just be read is not to be smaller
            ((620, 300), PICTURE, (1530, 1400, 2450, 1600), (1990, 1500, 0.5), (1990, 1500, 0.62)),
        ]
        told = camera(
            opened(trace(plain_graph()), reduced_motion="reduce"),
            BARE
            + """return given.map(([size, home, box, before]) => {
                bare(size, home, [box]);
                at(...before);
                board.lookAt([0]);
                return place();
            })""",
            *cases,
        )
        for (*case, after), place in zip(cases, told, strict=True):
            assert place == pytest.approx(after), case

    def test_a_picture_that_can_be_read_is_shown_as_a_whole(self, opened):
        tab = opened(trace(plain_graph()), reduced_motion="reduce")
        script = """return [100, 1000, 1001].map((size) => {
            bare([620, 620], [0, 0, size, size], [[0, 0, 100, 100]]);
            const shown = [state("large"), place()];
            for (const look of [(now) => board.follow(now, true), () => board.lookAt([0])]) {
                at(300, 300, 2);
                look({ taken: 1, actors: [0], payees: [], steps: [] });
                shown.push(place());
            }
            return shown;
        })"""
        small, readable, other = camera(tab, BARE + script)
        assert small == [False, [50, 50, 1.5], *(2 * [[300, 300, 2]])]
        assert readable == [False, [500, 500, 0.62], *(2 * [[300, 300, 2]])]
        looked = pytest.approx([387.5, 387.5, 0.8])
        assert other == [True, [500.5, 500.5, pytest.approx(620 / 1001)], looked, looked]

    def test_follows_as_many_as_can_be_seen(self, opened):
        boxes = [(200, 100, 240, 140), (480, 100, 520, 140), (2000, 100, 2040, 140)]
        whole = (0, 0, 4000, 2000)
        first, second = (250, 187.5, 0.8), (2020, 187.5, 0.8)
        cases = [
            (4000, 1, [0], [1], (360, 187.5, 0.8)),  # both
            (4000, 1, [0], [2], first),  # the one who acts
            (4000, 1, [2], [0], second),
            (4000, 1, [0, 2], [], first),  # the first of them
            (4000, 0, [2], [], second),
            (16000, 1, [2], [], second),
            (15999, 0, [2], [], second),
            (16000, 0, [2], [], first),  # not a quarter of it is in sight: where things begin
            (4000, 1, [9], [], (2000, 1500, 0.1)),  # nobody: everything
            (4000, 1, [3], [], (2000, 1500, 0.1)),  # too large
        ]
        told = camera(
            opened(trace(plain_graph()), reduced_motion="reduce"),
            BARE
            + """const [size, boxes, ...cases] = given;
            return cases.map(([width, taken, actors, payees]) => {
                bare(size, [0, 0, width, 3000], boxes);
                board.follow({ taken, actors, payees, steps: [{ actor: 0 }] }, false);
                return place();
            })""",
            WINDOW,
            [*boxes, whole],
            *cases,
        )
        for (*case, after), place in zip(cases, told, strict=True):
            assert place == pytest.approx(after), case

    def test_glides_to_what_happens_and_nowhere_else(self, opened):
        told = camera(
            opened(trace(plain_graph()), reduced_motion="reduce"),
            BARE
            + """bare([400, 300], [0, 0, 4000, 3000], [[200, 100, 240, 140], [900, 900, 940, 940]]);
            const now = (id) => ({ taken: 1, actors: [id], payees: [], steps: [] });
            const moves = [
                () => board.follow(now(0), false), () => board.follow(now(1), true),
                () => board.lookAt([0]), () => board.follow(now(1), false),
                () => board.zoom(1.1), () => board.fit(),
            ];
            return moves.map((move) => {
                move();
                return [...place(), state("gliding")];
            })""",
        )
        first, second = [250, 187.5, 0.8], [920, 920, 0.8]
        assert (
            told
            == [
                [*first, True],
                [*second, False],
                [*first, True],
                [*first, True],  # a reader who looked elsewhere stays there
                [*first[:2], pytest.approx(0.88), False],
                [2000, 1500, 0.1, False],
            ]
        )

    def test_stands_on_whole_pixels_and_two_fingers_may_touch(self, opened):
        told = camera(
            opened(trace(plain_graph()), reduced_motion="reduce"),
            BARE
            + """bare([401.5, 300], [0, 0, 4000, 3000], []);
            const found = [board.ground.style.transform];
            const { left, top } = frame();
            const fire = (name, pointerId, x) => stage.dispatchEvent(new PointerEvent(name,
                { pointerId, clientX: left + x, clientY: top + 100, bubbles: true }));
            for (const [from, to] of [[101, 102], [100, 101]]) {
                fire("pointerdown", 1, 100); fire("pointerdown", 2, from);
                fire("pointermove", 2, to);
                fire("pointerup", 1, 100); fire("pointerup", 2, to);
                found.push(board.camera.scale);
            }
            return found;""",
        )
        assert told == ["translate3d(1px, 0px, 0px) scale(0.1)", *[pytest.approx(0.2)] * 2]

    def test_a_hand_grabs_what_is_larger_than_the_window(self, opened):
        told = camera(
            opened(trace(plain_graph()), reduced_motion="reduce"),
            BARE
            + """bare([400, 300], [0, 0, 4000, 3000], []);
            return [1, 1.01, 1.001].map((by) => { board.zoom(by); return state("grabbable"); });""",
        )
        assert told == [False, False, True]

    def test_a_wheel_that_zooms_scrolls_nothing(self, opened):
        told = camera(
            opened(trace(plain_graph()), reduced_motion="reduce"),
            """return [{}, { ctrlKey: true }, { metaKey: true }].map((keys) => {
                board.fit();
                const wheel = new WheelEvent("wheel", { deltaY: -9, cancelable: true, ...keys });
                stage.dispatchEvent(wheel);
                return wheel.defaultPrevented;
            })""",
        )
        assert told == [False, True, True]

    def test_from_afar_it_is_an_overview(self, opened):
        told = camera(
            opened(trace(plain_graph()), reduced_motion="reduce"),
            BARE
            + """return [1600, 1601].map((width) => {
                bare([400, 300], [0, 0, width, 100], []);
                return state("overview");
            })""",
        )
        assert told == [False, True]

    def test_knows_where_its_lines_are(self, opened):
        """From end to end, part by part."""
        told = camera(
            opened(trace(network()), "#by=edge&level=0", reduced_motion="reduce"),
            """return board.boxes.filter(({ nodes }) => !nodes).map(({ element, parts }) => {
                const line = element.querySelector(".wire") ?? element;
                const { x, y, width, height } = line.getBBox();
                const ends = (side) => parts.map((part) => part[side]);
                return [
                    [Math.min(...ends("left")), Math.min(...ends("top")),
                        Math.max(...ends("right")), Math.max(...ends("bottom"))],
                    [x, y, x + width, y + height],
                ];
            })""",
        )
        assert told
        for known, true in told:
            assert known == pytest.approx(true, abs=2)

    def test_what_is_well_out_of_sight_is_not_drawn(self, opened):
        """Seven tenths of the window away from its middle, from 201 boxes on."""
        x, y, across, down, a = 2000, 1500, 280, 210, 10
        edges = [
            ((x + across, y, x + across + a, y), (1, 0)),
            ((x - across - a, y, x - across, y), (-1, 0)),
            ((x, y + down, x, y + down + a), (0, 1)),
            ((x, y - down - a, x, y - down), (0, -1)),
        ]
        boxes = [box for box, _ in edges]
        for (left, top, right, bottom), (dx, dy) in edges:
            boxes.append((left + dx, top + dy, right + dx, bottom + dy))
        inside = [(x, y, x + 1, y + 1)] * 192
        told = camera(
            opened(trace(plain_graph()), reduced_motion="reduce"),
            BARE
            + """return given.map((boxes) => {
                bare([400, 300], [0, 0, 4000, 3000], boxes);
                board.zoom(10);
                const hidden = () => board.boxes.flatMap(({ element }, i) =>
                    element.style.display === "none" ? [i] : []);
                const far = hidden();
                board.fit();
                return [place(), far, hidden()];
            })""",
            [*boxes, *inside],
            [*boxes, *inside, inside[0]],
        )
        few, many = told
        assert few == [[2000, 1500, 0.1], [], []]
        assert many == [[2000, 1500, 0.1], [4, 5, 6, 7], []]

    def test_the_window_gets_another_size_or_none(self, opened):
        """What happens is in sight again, wherever a reader looked before."""
        tab = opened(trace(long_graph()), "#by=edge&step=31", reduced_motion="reduce")
        size = """(({ size }) => `${[size.width, size.height]}`)(
            document.querySelector(".payback").payback.board)"""
        now = """(({ clientWidth, clientHeight }) => `${[clientWidth, clientHeight]}`)(
            document.querySelector(".stage"))"""
        for style, wanted in (("display: none", "'800,500'"), ("max-width: 300px", now)):
            camera(tab, "board.camera = { x: 0, y: 0, scale: 3 }; stage.style = given[0]", style)
            until(tab, f"{size} === {wanted}")
        acting = '[...board.svg.querySelectorAll("g.node.now .card")].map(rect)'
        view, scale, cards = camera(tab, f"return [frame(), board.camera.scale, {acting}]")
        assert scale >= 0.62
        assert cards
        for card in cards:
            assert view["left"] < card["left"] < card["right"] < view["right"]
            assert view["top"] < card["top"] < card["bottom"] < view["bottom"]


class TestCamera:
    def test_all_of_it_in_the_middle(self, opened):
        for graph, widths in ((plain_graph, (360, 1280)), (network, (700,))):
            for width in widths:
                size = {"width": width, "height": 800}
                tab = opened(trace(graph()), "#level=0", viewport=size, reduced_motion="reduce")
                svg, stage, classes = camera(
                    tab, "return [rect(board.svg), frame(), stage.className]"
                )
                assert middle(svg) == pytest.approx(middle(stage), abs=1.5)
                board, coins = camera(
                    tab,
                    """return [board.svg, board.coins].map((svg) => {
                    const { a, e, f } = svg.getScreenCTM();
                    return [a, e, f];
                    })""",
                )
                assert coins == pytest.approx(board, abs=0.01)
                home = [
                    float(x)
                    for x in tab.evaluate(
                        "document.querySelector('.ground svg').getAttribute('viewBox').split(' ')"
                    )
                ]
                scale = min(1.5, stage["width"] / home[2], stage["height"] / home[3])
                assert svg["width"] == pytest.approx(scale * home[2], rel=0.01)
                for level in levels(trace(graph())):
                    svg, stage = camera(
                        tab,
                        """history.replaceState(null, "", `#level=${given[0]}`);
                        dispatchEvent(new Event("hashchange"));
                        return [rect(board.svg), frame()];""",
                        level,
                    )
                    assert middle(svg) == pytest.approx(middle(stage), abs=1.5)
                assert ("large" in classes.split()) == (scale < 0.62)
                assert ("overview" in classes.split()) == (scale < 0.25)
                assert "grabbable" not in classes.split()

    def test_buttons_zoom_about_the_middle_and_back(self, small):
        look = "return [card(0), frame(), state('grabbable')]"
        before, stage, grabbable = camera(small, look)
        assert not grabbable
        small.keyboard.press("+")
        after, _, grabbable = camera(small, look)
        scaled(before, after, middle(stage), 1.4)
        assert grabbable
        small.keyboard.press("-")
        scaled(before, camera(small, look)[0], middle(stage), 1.0)
        for key, most in (("=", 4.0), ("-", None)):
            for _ in range(12):
                small.keyboard.press(key)
            svg, wide, *fitting = camera(
                small,
                "return [rect(board.svg).width, Number(board.svg.getAttribute('width')),"
                " frame().width / board.home.width, frame().height / board.home.height]",
            )
            least = 0.8 * min(1, *fitting)
            assert svg / wide == pytest.approx(most or least, rel=0.01)
        small.keyboard.press("0")
        scaled(before, camera(small, look)[0], middle(stage), 1.0)

    def test_the_wheel_zooms_about_the_pointer_and_a_hand_drags(self, small):
        before, stage, _ = camera(small, "return [card(0), frame(), 0]")
        at = (stage["left"] + 80, stage["top"] + 60)
        small.mouse.move(*at)
        small.mouse.wheel(0, -200)  # a page that is scrolled stays as it is
        assert camera(small, "return card(0).width") == pytest.approx(before["width"])
        small.evaluate("scrollTo(0, 0)")
        before, stage, _ = camera(small, "return [card(0), frame(), 0]")
        at = (stage["left"] + 80, stage["top"] + 60)
        small.mouse.move(*at)
        small.mouse.down()
        small.mouse.move(at[0] + 30, at[1] + 20)
        small.mouse.up()
        scaled(before, camera(small, "return card(0)"), middle(before), 1.0)
        small.mouse.move(*at)
        small.keyboard.down("Control")
        small.mouse.wheel(0, -200)
        small.keyboard.up("Control")
        until(small, "document.querySelector('.stage').classList.contains('grabbable')")
        zoomed = camera(small, "return card(0)")
        scaled(before, zoomed, at, math.exp(0.5))
        small.mouse.down()
        small.mouse.move(at[0] + 30, at[1] + 20)
        small.mouse.move(at[0] + 50, at[1] - 10)
        small.mouse.up()
        small.mouse.move(at[0], at[1])
        moved = camera(small, "return card(0)")
        assert middle(moved) == pytest.approx(
            (middle(zoomed)[0] + 50, middle(zoomed)[1] - 10), abs=0.5
        )
        small.mouse.wheel(0, 100)
        until(small, "document.querySelector('.payback').payback.board.camera.scale < 2")
        scaled(moved, camera(small, "return card(0)"), at, math.exp(-0.25))

    def test_two_fingers(self, small):
        told = camera(
            small,
            """const { left, top } = frame();
            const fire = (name, pointerId, x, y) => stage.dispatchEvent(new PointerEvent(name,
                { pointerId, clientX: left + x, clientY: top + y, bubbles: true }));
            const found = [card(0)];
            fire("pointerdown", 1, 100, 100); fire("pointerdown", 2, 200, 100);
            fire("pointermove", 2, 250, 100); found.push(card(0));
            fire("pointermove", 1, 100, 180); found.push(card(0));
            fire("pointerup", 1, 100, 180); fire("pointermove", 2, 260, 110); found.push(card(0));
            fire("pointerup", 2, 260, 110); fire("pointermove", 2, 300, 300); found.push(card(0));
            for (const away of ["pointercancel", "pointerleave"]) {
                fire("pointerdown", 3, 100, 100); fire(away, 3, 100, 100);
                fire("pointermove", 3, 300, 300); found.push(card(0));
            }
            stage.querySelector(".zoom button").dispatchEvent(new PointerEvent("pointerdown",
                { pointerId: 4, clientX: left, clientY: top, bubbles: true }));
            fire("pointermove", 4, 90, 90); found.push(card(0));
            const wheel = new WheelEvent("wheel", { deltaY: -100, metaKey: true, cancelable: true,
                clientX: left + 100, clientY: top + 50 });
            stage.dispatchEvent(wheel); found.push(card(0));
            return [left, top, ...found];""",
        )
        left, top, *found = told
        scaled(found[0], found[1], (left + 175, top + 100), 1.5)
        scaled(found[1], found[2], (left + 175, top + 140), math.hypot(150, 80) / 150)
        dragged = (middle(found[2])[0] + 10, middle(found[2])[1] + 10)
        assert middle(found[3]) == pytest.approx(dragged, abs=0.5)
        assert found[4] == found[5] == found[6] == found[7] == found[3]
        scaled(found[7], found[8], (left + 100, top + 50), math.exp(0.25))

    def test_follows_what_happens_and_leaves_the_rest_undrawn(self, opened):
        tab = opened(trace(long_graph()), "#by=edge", reduced_motion="reduce")
        look = """viewer.go(given[0]);
            const along = (path) => Array.from({ length: 9 }, (_, k) => {
                const at = path.getPointAtLength((path.getTotalLength() * k) / 8);
                const { x, y } = at.matrixTransform(path.getScreenCTM());
                return { left: x, right: x, top: y, bottom: y };
            });
            const shape = ({ nodes, element: e }) => nodes ? [rect(e.querySelector(".card"))]
                : along(e.querySelector(".wire") ?? e);
            const acting = [...board.svg.querySelectorAll("g.node:is(.now, .payee) .card")];
            const found = { acting: acting.map(rect), view: frame(), scale: board.camera.scale };
            const hidden = board.boxes.map(({ element }) => element.style.display === "none");
            for (const { element } of board.boxes) element.style.display = "";
            const boxes = board.boxes.map((box, i) => [hidden[i], shape(box)]);
            board.boxes.forEach(({ element }, i) => {
                element.style.display = hidden[i] ? "none" : "";
            });
            return { ...found, boxes };"""
        for taken in (1, 31, 150, 241, 20):
            told = camera(tab, look, taken)
            view = told["view"]
            assert told["acting"]
            for box in told["acting"]:
                assert (view["left"], view["top"]) <= (box["left"] + 1, box["top"] + 1)
                assert view["right"] >= box["right"] - 1
                assert view["bottom"] >= box["bottom"] - 1
            assert told["scale"] <= 1
            assert told["scale"] >= 0.62 or len(told["acting"]) > 1
            x, y = middle(view)
            for hidden, boxes in told["boxes"]:
                away = min(self.away(box, (x, y), view) for box in boxes)
                assert not hidden or away > 0.95 * 0.7
                assert hidden or away < 1.3
            assert any(hidden for hidden, _ in told["boxes"])
        for taken, scale, out in camera(tab, IN_SIGHT):
            assert scale >= 0.62, taken
            assert max(out) <= 1, taken
        stays = camera(
            tab,
            """return Array.from({ length: 40 }, (_, i) => {
                const { x, y, scale } = board.camera;
                viewer.go(200 + i);
                const ids = new Set([...viewer.now().actors, ...viewer.now().payees]);
                const acting = board.boxes.filter((box) => box.nodes?.some((id) => ids.has(id)));
                const far = ["width", "height"].map((k) => board.size[k] / scale / 2 - 41);
                const seen = acting.every((box) => box.left > x - far[0] && box.right < x + far[0]
                    && box.top > y - far[1] && box.bottom < y + far[1]);
                const now = board.camera;
                return [seen, now.x === x && now.y === y && now.scale === scale];
            });""",
        )
        assert {still for seen, still in stays if seen} == {True}

    def test_begins_where_things_begin_if_too_little_could_be_seen_at_once(self, opened):
        x = Value(0.5, label="x")
        for _ in range(200):
            x = x * 1.01 + 0.1
        tab = opened(trace(x), "#by=edge", reduced_motion="reduce")
        look = """const [{ element }, whole] = [board.boxes[given[0]], rect(board.svg)];
            return [board.camera.scale, rect(element), frame(), whole];"""
        first = camera(tab, "return board.boxes.findIndex(({ nodes }) => nodes?.includes(0))")
        scale, box, view, whole = camera(tab, look, first)
        assert scale >= 0.62
        assert view["left"] <= box["left"] < box["right"] <= view["right"]
        assert middle(whole)[1] == pytest.approx(middle(view)[1], abs=1.5)
        tab.keyboard.press("0")
        assert camera(tab, look, first)[0] == pytest.approx(0.1)

    def away(self, box, centre, view):
        """How far off a box begins, in widths or heights of the view."""
        (x, y), wide_, high = centre, view["width"], view["height"]
        return max(
            *((box["left"] - x) / wide_, (x - box["right"]) / wide_),
            *((box["top"] - y) / high, (y - box["bottom"]) / high),
        )

    def test_stays_where_a_reader_put_it(self, opened):
        tab = opened(trace(long_graph()), "#by=edge", reduced_motion="reduce")
        place = "return [board.camera.x, board.camera.y, board.camera.scale]"
        before = camera(tab, f"viewer.go(30); board.zoom(0.7, {{ x: 100, y: 100 }}); {place}")
        assert camera(tab, f"viewer.go(150); {place}") == before
        tab.keyboard.press("0")
        home = camera(tab, place)
        assert camera(tab, f"viewer.go(31); {place}") != home
        assert camera(tab, f"viewer.go(0); {place}")[2] == pytest.approx(home[2])
        dragged = """const fire = (name, clientX) => stage.dispatchEvent(
                new PointerEvent(name, { pointerId: 1, clientX, clientY: 300 }));
            viewer.go(31);
            fire("pointerdown", 400); fire("pointermove", 380); fire("pointerup", 380);"""
        before = camera(tab, f"{dragged} {place}")
        assert camera(tab, f"viewer.go(150); {place}") == before

    def test_glides_where_there_is_time(self, opened):
        told = camera(
            opened(trace(long_graph()), "#by=edge"),
            """let time = performance.now();
            performance.now = () => time;
            return [[1000, 150], [1000, 30], [119, 150], [120, 30]].map(([waited, taken]) => {
                time += waited;
                viewer.go(taken);
                return state("gliding");
            });""",
        )
        assert told == [True, True, False, True]

    def test_looks_into_a_box_that_is_opened(self, opened):
        model = nn.MLP(4, [16, 16, 1], activation="tanh", seed=1)
        story = trace(model([Value(0.1 * i, label=f"x{i}") for i in range(4)]) * 2)
        tab = opened(story, "#level=1&step=9", reduced_motion="reduce")
        tab.locator("g.fold.layer", has_text="layer 2").locator("[role=button]").focus()
        tab.keyboard.press("Enter")
        inside = [node.id for node in story.nodes if node.scope[:1] == ("layer 2",)]
        look = """const cards = board.boxes.filter(({ nodes }) =>
                nodes?.some((id) => given[0].includes(id))).map(({ element }) => rect(element));
            const whole = ["width", "height"].map((side) => frame()[side] / board.home[side]);
            return [cards, frame(), board.camera.scale, Math.min(...whole)]"""
        cards, view, scale, whole = camera(tab, look, inside)
        assert len(cards) == 16
        assert whole < 0.62
        assert scale > whole
        x, y = (
            (min(c[a] for c in cards) + max(c[b] for c in cards)) / 2
            for a, b in (("left", "right"), ("top", "bottom"))
        )
        assert view["left"] < x < view["right"]
        assert view["top"] < y < view["bottom"]
        assert view["left"] - 1 <= min(card["left"] for card in cards)
        assert view["right"] + 1 >= max(card["right"] for card in cards)
        assert view["top"] - 1 <= min(card["top"] for card in cards)
        assert view["bottom"] + 1 >= max(card["bottom"] for card in cards)
        assert camera(tab, f"viewer.go(150); {look}", inside)[2] == scale
        shaken = """return [5, 4].map((by) => {
                const fold = board.svg.querySelector("g.fold.layer");
                const fire = (name, x) => fold.dispatchEvent(new PointerEvent(name,
                    { pointerId: 1, clientX: 200 + x, clientY: 200, bubbles: true }));
                fire("pointerdown", 0);
                fire("pointermove", by);
                fire("pointerup", by);
                fire("click", by);
                return viewer.state.boxes.size;
            })"""
        assert camera(tab, shaken) == [1, 2]  # a hand that shakes opens, one that drags does not
