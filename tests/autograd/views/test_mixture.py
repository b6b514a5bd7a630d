"""Levels of folding mixed in one picture, in a real browser: lines lead from card to card.

Where a learner opens some boxes and shuts others, nothing overlaps and nothing is lost.
"""

import math
import re

import pytest

from autograd import trace
from autograd.views.folding import levels, scopes
from autograd.views.layout import Curve, point_on
from autograd.views.painter import tip
from tests.autograd.views.test_board import network, numbers, wide
from tests.strategies import nested

OPEN = """
const all = (from, selector, of) => [...from.querySelectorAll(selector)].map(of);
const size = (e, ...names) => names.map((name) => Number(e.getAttribute(name)));
const digits = (text) => (text?.match(/-?[\\d.]+/g) ?? []).map(Number);
const numbersOf = ({ dataset: d }, name) => digits(d[name] ?? d[`${name}s`]);
const moved = (g) => {
    const { e, f } = g.transform.baseVal.consolidate()?.matrix ?? { e: 0, f: 0 };
    return [e, f].map((x) => Number(x.toFixed(2)));
};
const pillOf = (pill) => {
    const text = pill.querySelector("text");
    return { rect: size(pill.querySelector("rect"), "x", "y", "width", "height"),
        text: size(text, "x", "y"), moved: moved(pill),
        crowded: pill.classList.contains("crowded"), said: text.textContent };
};
const picture = (svg) => ({
    title: svg.querySelector("title").textContent,
    whole: [...["x", "y", "width", "height"].map((side) => svg.viewBox.baseVal[side]),
        ...size(svg, "width", "height")],
    cards: all(svg, "g.node", (g) => ({ nodes: numbersOf(g, "node"),
        place: moved(g),
        size: size(g.querySelector(".card"), "width", "height") })),
    boxes: all(svg, "g.scope", (g) => ({ box: Number(g.dataset.box),
        rect: size(g.querySelector("rect"), "x", "y", "width", "height"),
        title: size(g.querySelector("text:not(.head)"), "x", "y"),
        heads: all(g, "text.head", (text) => Number(text.getAttribute("x"))) })),
    wires: all(svg, "g.edge, .quiet", (g) => ({ edges: numbersOf(g, "edge"),
        ends: digits(g.dataset.ends), kind: g.getAttribute("class"),
        thick: g.querySelector(".wire")?.getAttribute("stroke-width") ?? "",
        curve: digits((g.querySelector(".wire") ?? g).getAttribute("d")),
        long: (g.querySelector(".wire") ?? g).getTotalLength(),
        sharp: all(g, ".tip", (tip) => tip.getTotalLength()),
        tips: all(g, ".tip", (tip) => digits(tip.getAttribute("d"))),
        closed: all(g, ".tip", (tip) => tip.getAttribute("d").endsWith("Z")),
        pill: all(g, ".pill", pillOf) })),
});
const open = (link) => {
    history.replaceState(null, "", `#${link}`);
    dispatchEvent(new Event("hashchange"));
    return picture(document.querySelector(".payback").payback.board.svg);
};
"""


@pytest.mark.parametrize("graph", [network, nested, wide])
def test_everything_is_in_its_place(opened, graph):
    story = trace(graph())
    some = ("", "0", "0,2", "1,3", "0,1,2,3")
    links = [f"level={level}&boxes={boxes}" for level in levels(story) for boxes in some]
    tab = opened(story)
    told = tab.evaluate(f"(links) => {{ {OPEN} return links.map(open) }}", links)
    whole = [seen for link, seen in zip(links, told, strict=True) if link.endswith("=")]
    known = [wire["edges"] for seen in whole for wire in seen["wires"]]
    for link, seen in zip(links, told, strict=True):
        assert seen["title"] == told[0]["title"] != ""
        _Picture(story, seen, link, known).check()


@pytest.mark.parametrize("graph", [network, nested, wide])
def test_constants_keep_their_lines(opened, graph):
    story = trace(graph())
    links = ["level=0", *(f"level={k}&boxes={b}" for k in levels(story) for b in ("0", "1,2", "3"))]
    told = opened(story).evaluate(f"(links) => {{ {OPEN} return links.map(open) }}", links)
    ends = [wire["ends"] for wire in told[0]["wires"] if not wire["edges"]]
    assert ends
    for link, seen in zip(links, told, strict=True):
        card = {i: k for k, card in enumerate(seen["cards"]) for i in card["nodes"]}
        quiet = [tuple(card[i] for i in w["ends"]) for w in seen["wires"] if not w["edges"]]
        assert {*quiet} == {(card[a], card[b]) for a, b in ends if card[a] != card[b]}, link


def test_what_is_folded_within_a_folded_box_is_not_seen(opened):
    tab = opened(trace(nested()))
    links = [f"level=0&boxes={boxes}" for boxes in ("0", "0,1", "0,1,2", "0,1,2,3", "0,3")]
    outer, one, two, all_of_them, others = tab.evaluate(
        f"(links) => {{ {OPEN} return links.map(open) }}", links
    )
    assert outer == one == two
    assert all_of_them == others


@pytest.mark.parametrize("graph", [network, nested, wide])
def test_what_is_folded_gives_its_room_back(opened, graph):
    story = trace(graph())
    boxes = [str(k) for k in range(len(scopes(story)))]
    links = [f"level=0&boxes={folded}" for folded in ("", *boxes, ",".join(boxes))]
    told = opened(story).evaluate(
        f"(links) => {{ {OPEN} return links.map((link) => open(link).whole.slice(2, 4)) }}", links
    )
    (width, height), *some, all_of_them = told
    assert all(w <= width and h <= height for w, h in some)
    assert any(w < 0.9 * width for w, _ in some)
    assert all_of_them[0] < 0.75 * width
    assert all_of_them[1] < 0.75 * height


def test_heads_stand_over_the_columns_of_their_units(opened):
    """Also where one of these lies open and the others stand in a wider column."""
    tab = opened(trace(wide()))
    links = ["level=2", *(f"level=2&boxes={neuron}" for neuron in range(3, 9))]
    offsets = []
    for seen in tab.evaluate(f"(links) => {{ {OPEN} return links.map(open) }}", links):
        [box] = [box for box in seen["boxes"] if box["box"] == 2]
        left, width = box["rect"][0], box["rect"][2]
        places = {card["place"][0] for card in seen["cards"] if len(card["nodes"]) > 1}
        [middle] = {x for x in places if left < x < left + width}
        offsets.append([head - middle for head in box["heads"]])
    assert len(offsets[0]) == 3
    for other in offsets[1:]:
        assert other == pytest.approx(offsets[0], abs=0.2)


def test_folded_boxes_are_read_in_their_order(opened):
    tab = opened(trace(network()))
    links = ["level=2", "level=0&boxes=3,4,5"]
    at_a_level, mixed = tab.evaluate(f"(links) => {{ {OPEN} return links.map(open) }}", links)
    neurons = [card["nodes"] for card in at_a_level["cards"] if len(card["nodes"]) > 1]
    folded = [card["nodes"] for card in mixed["cards"] if len(card["nodes"]) > 1]
    assert len(folded) == 3
    assert folded == [nodes for nodes in neurons if nodes in folded]


class _Picture:
    def __init__(self, story, seen, link, known):
        self.story, self.seen, self.link, self.known = story, seen, link, known
        self.cards = {i: outline(card) for card in seen["cards"] for i in card["nodes"]}

    def check(self):
        left, top, width, height, *size = self.seen["whole"]
        assert size == pytest.approx([width, height], abs=0.01)
        nodes = [i for card in self.seen["cards"] for i in card["nodes"]]
        assert sorted(nodes) == [node.id for node in self.story.nodes]
        for x0, y0, x1, y1 in self.cards.values():
            assert left <= x0 <= x1 <= left + width
            assert top <= y0 <= y1 <= top + height
        for box in self.seen["boxes"]:
            self.box_holds_its_own(box)
        between = [e.id for e in self.story.edges if self.cards[e.consumer] != self.cards[e.parent]]
        assert sorted(i for wire in self.seen["wires"] for i in wire["edges"]) == between
        for wire in self.seen["wires"]:
            self.wire_leads_from_card_to_card(wire)

    def box_holds_its_own(self, box):
        scope = list(scopes(self.story))[box["box"]]
        x, y, wide_, high = box["rect"]
        assert box["title"] == pytest.approx([x + 10, y + 16], abs=0.2)
        assert all(x <= head <= x + wide_ for head in box["heads"])
        for i, (x0, y0, x1, y1) in self.cards.items():
            if self.story.nodes[i].scope[: len(scope)] == scope:
                assert x - 1 <= x0 <= x1 <= x + wide_ + 1, self.link
                assert y - 1 <= y0 <= y1 <= y + high + 1, self.link
            else:
                beside = x1 <= x + 1 or x0 >= x + wide_ - 1
                assert beside or y1 <= y + 1 or y0 >= y + high - 1, self.link

    def wire_leads_from_card_to_card(self, wire):
        """Its heads and texts go with it."""
        edges = [self.story.edges[i] for i in wire["edges"]]
        ends = (edges[0].consumer, edges[0].parent) if edges else wire["ends"]
        points = list(zip(wire["curve"][::2], wire["curve"][1::2], strict=True))
        assert wire["long"] >= math.dist(points[0], points[-1]) - 1
        assert all(length > 20 for length in wire["sharp"])
        assert all(wire["closed"])
        if len(edges) > 1 and wire["edges"] not in self.known:
            assert wire["kind"].split()[:2] == ["edge", "bundle"]
            assert "weight" not in wire["kind"]
        for end, point in zip(ends, (points[0], points[-1]), strict=True):
            assert distance(point, self.cards[end]) < 6, self.link
        heads = zip(wire["tips"], (points[1], points[-2]), (points[0], points[-1]), strict=False)
        for told, before, at in heads:
            assert told == pytest.approx(numbers(tip(before, at)), abs=0.3)
        for pill in wire["pill"]:
            moved = pill["moved"]
            place = [pill["text"][0] + moved[0], pill["text"][1] - 4 + moved[1]]
            curve = Curve(tuple(points), None)
            assert min(math.dist(place, point_on(curve, k / 40)) for k in range(41)) < 60
            if len(edges) > 1:
                assert re.match(rf"{len(edges)} ", pill["said"])


def outline(card):
    (x, y), (width, height) = card["place"], card["size"]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def distance(point, box):
    """How far a point is from the outline of a box, inside or out."""
    (x, y), (x0, y0, x1, y1) = point, box
    out = math.hypot(max(x0 - x, 0, x - x1), max(y0 - y, 0, y - y1))
    return out or min(x - x0, x1 - x, y - y0, y1 - y)


def test_a_new_line_takes_the_straight_way(opened):
    """Where no level has a line between two cards, one leads from side to side."""
    story = trace(nested())
    tab = opened(story)
    links = ["level=0", "level=0&boxes=0,3", "level=1"]
    base, mixed, folded = tab.evaluate(f"(links) => {{ {OPEN} return links.map(open) }}", links)
    [(kind, thick)] = {(w["kind"], w["thick"]) for w in folded["wires"] if len(w["edges"]) > 1}
    known = [wire["edges"] for wire in base["wires"]]
    cards = {i: outline(card) for card in mixed["cards"] for i in card["nodes"]}
    made = [wire for wire in mixed["wires"] if wire["edges"] and wire["edges"] not in known]
    assert made
    for wire in made:
        debt = story.edges[wire["edges"][0]]
        assert (wire["kind"], float(wire["thick"])) == (kind, float(thick))
        (x0, y0, x1, y1, x2, y2, x3, y3), [pill] = wire["curve"], wire["pill"]
        debtor, creditor = cards[debt.consumer], cards[debt.parent]
        assert [x0, y0] == pytest.approx([debtor[0], (debtor[1] + debtor[3]) / 2], abs=0.2)
        assert [x3, y3] == pytest.approx([creditor[2], (creditor[1] + creditor[3]) / 2], abs=0.2)
        assert (y0, y3) == (y1, y2)
        away = min(max(24, abs(x3 - x0) / 2), 160)
        assert [x0 - x1, x2 - x3] == pytest.approx([away, away], abs=0.2)
        place = [pill["text"][0] + pill["moved"][0], pill["text"][1] - 4 + pill["moved"][1]]
        assert place == pytest.approx([(x0 + x3) / 2, (y0 + y3) / 2], abs=0.3)
        assert pill["crowded"] == (abs(x0 - x3) < 68)
        left, top, width, height = pill["rect"]
        assert [left + width / 2, top + height / 2] == pytest.approx(
            [pill["text"][0], pill["text"][1] - 4], abs=0.2
        )
        assert re.match(rf"{len(wire['edges'])} |∂", pill["said"])


def test_a_line_that_is_too_short_for_its_text_is_crowded(opened):
    tab = opened(trace(nested()))
    links = [f"level=0&boxes={boxes}" for boxes in ("", "1", "1,2")]
    told = tab.evaluate(f"(links) => {{ {OPEN} return links.map(open) }}", links)
    lines = [wire for seen in told for wire in seen["wires"] if wire["edges"] == [10]]
    lengths = [abs(line["curve"][0] - line["curve"][-2]) for line in lines]
    assert lengths[2] < 68 < min(lengths[:2])
    assert [line["pill"][0]["crowded"] for line in lines] == [False, False, True]


@pytest.mark.parametrize("graph", [network, nested])
def test_lines_between_cards_that_stay_keep_their_shape(opened, graph):
    story = trace(graph())
    links = ["level=0", *(f"level=0&boxes={box}" for box in range(4))]
    tab = opened(story)
    base, *mixtures = tab.evaluate(f"(links) => {{ {OPEN} return links.map(open) }}", links)
    laid = {tuple(wire["edges"]): wire["curve"] for wire in base["wires"] if wire["edges"]}
    pills = {tuple(wire["edges"]): wire["pill"] for wire in base["wires"]}
    stayed = 0
    for seen in mixtures:
        whole = {card["nodes"][0] for card in seen["cards"] if len(card["nodes"]) == 1}
        for wire in seen["wires"]:
            edges = [story.edges[i] for i in wire["edges"]]
            if not edges or not {edges[0].consumer, edges[0].parent} <= whole:
                continue
            was, now = laid[tuple(wire["edges"])], wire["curve"]
            crowded = [[pill["crowded"] for pill in drawn]
                       for drawn in (pills[tuple(wire["edges"])], wire["pill"])]  # fmt: skip
            assert crowded[0] == crowded[1]
            assert len(now) == len(was)
            for near, end in ((2, 0), (-4, -2)):
                for k in (0, 1):
                    lean = was[near + k] - was[end + k]
                    assert now[near + k] - now[end + k] == pytest.approx(lean, abs=0.21)
            stayed += 1
    assert stayed > len(story.edges)
