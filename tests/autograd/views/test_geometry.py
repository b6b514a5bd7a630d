"""Pictures can be read: cards apart, wires round them, texts on free stretches. Seen in the SVG."""

import random
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import combinations, permutations
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value, scope, trace
from autograd.views.cards import wide as width_of
from autograd.views.folding import levels
from autograd.views.layout import Block, Curve, _Column, columns_of, pace, point_on, points_of
from autograd.views.moment import moment
from autograd.views.painter import paint
from autograd.views.scene import (
    STRIP,
    _before,
    _heading,
    _on_picture,
    _overlap,
    _spots,
    _struck,
    scene,
    skeleton,
)
from tests.strategies import nested, payback_operations, programs, result

SVG = "{http://www.w3.org/2000/svg}"


class Seen:
    """The rectangles and lines of a picture: boxes as (left, top, right, bottom), lines as points.

    `lines` are in the order in which they are painted; `pills` know their own line, `ends` of
    lines the edges that they stand for, `scopes` what stands above their boxes.
    """

    def __init__(self, svg):
        self.cards, self.lines, self.pills, self.titles = {}, [], [], []
        self.scopes, self.ends = {}, []
        root = ElementTree.fromstring(svg)
        left, top, width, height = map(float, root.get("viewBox").split())
        self.sheet = left, top, left + width, top + height
        for element in root.iter():
            kinds = element.get("class", "").split()
            if "scope" in kinds:
                title = element.find(f"{SVG}text")
                x, y = float(title.get("x")), float(title.get("y"))
                self.titles.append((x, y - 9, x + 5 * len(title.text), y))
                self.scopes[element.get("data-scope")] = box_of(element.find(f"{SVG}rect"))
            elif "quiet" in kinds:
                self.lines.append(points_on(element.get("d")))
            elif "edge" in kinds:
                self.take_edge(element)
            elif "node" in kinds:
                x, y = map(float, re.findall(r"-?[\d.]+", element.get("transform")))
                left, top, right, bottom = box_of(inside(element, "rect", "card"))
                name = element.get("data-node") or element.get("data-nodes")
                self.cards[name] = left + x, top + y, right + x, bottom + y

    def take_edge(self, edge):
        self.lines.append(points_on(inside(edge, "path", "wire").get("d")))
        told = edge.get("data-edge") or edge.get("data-edges")
        self.ends.append((self.lines[-1], [int(number) for number in told.split()]))
        pill = inside(edge, "g", "pill")
        if pill is not None:
            self.pills.append((box_of(pill.find(f"{SVG}rect")), len(self.lines) - 1))

    def faults(self):
        """What nobody should see, in words."""
        cards = [*self.cards.values()]
        yield from ("two cards overlap" for a, b in combinations(cards, 2) if overlap(a, b))
        for line in self.lines:
            for card in cards:
                crossed = sum(within(point, card, 2) for point in line)
                own = within(line[0], card, -12) or within(line[-1], card, -12)
                if crossed and not (own and crossed < len(line) / 8):
                    yield f"a line crosses a card at {card}"
        pills = [pill for pill, _ in self.pills]
        everything = (*cards, *pills, *self.titles, *self.scopes.values())
        yield from (f"{a} is cut off" for a in everything if not holds(self.sheet, a))
        yield from (f"{a} on a title" for a in pills for b in self.titles if overlap(a, b))
        for (name, a), (other, b) in combinations(self.scopes.items(), 2):
            around = other.startswith(f"{name}/") or name.startswith(f"{other}/")
            if around is not (holds(a, b) or holds(b, a)) or (overlap(a, b) and not around):
                yield f"{name} and {other} overlap"
        yield from ("two texts overlap" for a, b in combinations(pills, 2) if overlap(a, b))
        yield from (f"{a} on a card" for a in pills for b in cards if overlap(a, b))
        for pill, own in self.pills:
            if not any(within(point, pill, -14) for point in self.lines[own]):
                yield f"{pill} is not at its line"
            for later in self.lines[own + 1 :]:
                if any(within(point, pill, 1) for point in later):
                    yield f"{pill} is struck through"

    def astray(self, story):
        """Lines whose ends are not at the borders of the cards of their edges."""
        card_of = {int(i): box for key, box in self.cards.items() for i in key.split()}
        for line, numbers in self.ends:
            for edge in (story.edges[number] for number in numbers):
                for point, node in ((line[0], edge.consumer), (line[-1], edge.parent)):
                    box = card_of[node]
                    if within(point, box, 1) or not within(point, box, -4):
                        yield f"a line of {edge.text} ends at {point}, its card is {box}"


def holds(outer, inner):
    return all(outer[i] - 0.2 <= inner[i] and inner[i + 2] <= outer[i + 2] + 0.2 for i in (0, 1))


def inside(group, name, kind):
    """The part of exactly that class."""
    return next((e for e in group.iter(f"{SVG}{name}") if e.get("class") == kind), None)


def box_of(rect):
    x, y, w, h = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
    return x, y, x + w, y + h


def box_around(centre, width, height):
    (x, y), w, h = centre, width / 2, height / 2
    return x - w, y - h, x + w, y + h


def points_on(d):
    """Points along a path of cubic curves, a few units apart."""
    corners = [tuple(map(float, p.split(","))) for p in re.findall(r"-?[\d.]+,-?[\d.]+", d)]
    return [
        tuple(
            (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t * t * (1 - t) * c + t**3 * e
            for a, b, c, e in zip(*corners[i : i + 4])
        )
        for i in range(0, len(corners) - 1, 3)
        for t in (k / 80 for k in range(81))
    ]


def within(point, box, margin):
    left, top, right, bottom = box
    return left + margin < point[0] < right - margin and top + margin < point[1] < bottom - margin


def overlap(a, b):
    return a[0] < b[2] - 0.2 and b[0] < a[2] - 0.2 and a[1] < b[3] - 0.2 and b[1] < a[3] - 0.2


def pictures(story):
    """The picture at its end, at every level of folding."""
    for level in levels(story):
        yield level, paint(scene(story, level), moment(story, len(story.steps)))


def check(root):
    story = trace(root)
    for level, svg in pictures(story):
        seen = Seen(svg)
        assert [*seen.faults(), *seen.astray(story)] == [], level


@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=4),
    st.sampled_from(["relu", "tanh", "linear"]),
    st.sampled_from(["alone", "squared", "both", "twice"]),
)
@settings(max_examples=12)
def test_networks_can_be_read(sizes, activation, loss):
    model = nn.MLP(sizes[0], sizes[1:], activation=activation, seed=sum(sizes))
    draws = random.Random(len(sizes))
    x = [Value(draws.uniform(-1, 1), label=f"x{k}") for k in range(sizes[0])]
    out = model(x) if sizes[-1] > 1 else [model(x)]
    if loss == "both":
        check(autograd.sum([(y - 0.5) ** 2 for y in out]))
    elif loss == "twice":
        again = model([0.5] * sizes[0])
        check(autograd.sum([*out, *(again if sizes[-1] > 1 else [again])]))
    else:
        check((out[0] - 1.0) ** 2 if loss == "squared" else out[0] * 1)


@given(programs())
@settings(max_examples=12)
def test_graphs_can_be_read(program):
    leaves = [Value(x, label=f"x{i}") for i, x in enumerate(program.inputs)]
    check(leaves[0] * 1 + result(program, leaves, payback_operations()))


@given(st.integers(0, 10_000))
@example(3)  # in these a text would stand on the title of a scope
@example(5)
@settings(max_examples=10)
def test_graphs_in_scopes_can_be_read(seed):
    draws = random.Random(seed)
    values = [Value(draws.uniform(0.5, 2), label=f"x{i}") for i in range(3)]
    for k in range(draws.randint(2, 12)):
        with scope(f"part number {k % 3}"):
            a, b = draws.choice(values), draws.choice(values[-4:])
            values.append(draws.choice([a * b, a + b, b.tanh(), a / 2 + b, a * a - b]))
    check(values[-1] + values[0])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_layer_that_reads_itself_can_be_read(count):
    layer = nn.Layer(2, 2, "tanh", seed=1, name="step 1")
    state = [Value(0.5, label="x"), Value(-1.0, label="y")]
    for _ in range(count):
        state = layer(state)
    check(autograd.sum(state))


# -- columns, without a picture --------------------------------------------------------------------


def row_by_row(heights, wide=50.0):
    """A block in each of two columns for each height, a line between them."""
    blocks = [Block(f"a{i}", (), 100.0, tall) for i, tall in enumerate(heights)]
    blocks += [Block(f"b{i}", (), 80.0, 40.0) for i in reversed(range(len(heights)))]
    return columns_of(blocks, [(f"e{i}", f"a{i}", f"b{i}", wide) for i in range(len(heights))])


@given(st.lists(st.floats(20.0, 400.0), min_size=1, max_size=7), st.sampled_from([0.0, 90.0]))
def test_blocks_stand_beside_what_they_are_made_of(heights, wide):
    places = row_by_row(heights, wide)
    made = sorted(range(len(heights)), key=lambda i: places.nodes[f"b{i}"][1])
    assert made == sorted(range(len(heights)), key=lambda i: places.nodes[f"a{i}"][1])
    for column in "ab":  # each column stands in the middle
        tops = [places.nodes[f"{column}{i}"][1] for i in range(len(heights))]
        tall = heights if column == "a" else [40.0] * len(heights)
        top = min(y - h / 2 for y, h in zip(tops, tall))
        assert top == pytest.approx(places.height - max(y + h / 2 for y, h in zip(tops, tall)))
    for i in range(len(heights)):
        line = places.curves[f"e{i}"]
        assert line.points[0] == pytest.approx((100.0, places.nodes[f"a{i}"][1]))
        assert line.points[-1][0] == pytest.approx(places.width - 80.0)
        assert (line.label is not None) is (wide > 0)
        assert line.label is None or line.label[0] - wide / 2 >= 100.0
        assert line.label is None or line.label[0] + wide / 2 <= places.width - 80.0


def layered(draws):
    """Blocks in layers, some in scopes and in scopes of these, with lines from earlier layers."""
    blocks, layers = [], []
    for k in range(draws.randint(1, 4)):
        outer = draws.choice([(), (f"layer {k}",)])
        nested = outer and draws.random() < 0.5
        layers.append([])
        for j in range(draws.randint(1, 4)):
            scope_ = (*outer, f"neuron {j}") if nested else outer
            for part in range(draws.randint(1, 2) if scope_ else 1):
                layers[-1].append(f"{k}.{j}.{part}")
                size = draws.uniform(30, 200), draws.uniform(28, 90)
                blocks.append(Block(layers[-1][-1], scope_, *size))
    links = []
    for k, layer in list(enumerate(layers))[1:]:
        for head in layer:
            tails = {draws.choice(layers[k - 1]), draws.choice(draws.choice(layers[:k]))}
            for tail in sorted(tails)[: draws.randint(1, 2)]:
                links.append((f"{tail}-{head}", tail, head, draws.choice([0.0, 40.0, 110.0])))
    return blocks, links


@given(st.integers(0, 10_000))
def test_any_layers_can_be_read(seed):
    blocks, links = layered(random.Random(seed))
    places = columns_of(blocks, links)
    at = {b.key: box_around(places.nodes[b.key], b.width, b.height) for b in blocks}
    assert not any(overlap(a, b) for a, b in combinations(at.values(), 2))
    sheet = (0.0, 0.0, places.width, places.height)
    assert all(holds(sheet, box) for box in (*at.values(), *places.boxes.values()))
    scopes = dict.fromkeys(b.scope[: i + 1] for b in blocks for i in range(len(b.scope)))
    boxes = dict(zip(scopes, places.boxes.values(), strict=True))
    for name, (left, top, right, bottom) in boxes.items():
        for b in blocks:
            roomy = holds((left + 14, top + 34, right - 14, bottom - 14), at[b.key])
            assert roomy if b.scope[: len(name)] == name else not overlap(boxes[name], at[b.key])
    for name, tail, head, wide in links:
        line = places.curves[name]
        (x0, y0), (x1, y1) = line.points[0], line.points[-1]
        assert (x0, x1) == pytest.approx((at[tail][2], at[head][0]))
        assert at[tail][1] <= y0 <= at[tail][3]
        assert at[head][1] <= y1 <= at[head][3]
        assert (line.label is not None) is (wide > 0)
        others = [box for key, box in at.items() if key not in (tail, head)]
        assert not any(within(point, box, 2) for point in points_of(line) for box in others)


@given(st.integers(0, 10_000))
@example(29)  # here two blocks of one column pay each other
def test_lines_in_circles_end_where_they_belong(seed):
    draws = random.Random(seed)
    names = "abcdef"[: draws.randint(2, 6)]
    blocks = [Block(k, (), draws.uniform(30, 200), draws.uniform(28, 90)) for k in names]
    pairs = draws.sample([*permutations(names, 2)], draws.randint(1, 2 * len(names) - 2))
    places = columns_of(blocks, [(tail + head, tail, head, 0.0) for tail, head in pairs])
    at = {b.key: box_around(places.nodes[b.key], b.width, b.height) for b in blocks}
    assert not any(overlap(a, b) for a, b in combinations(at.values(), 2))
    for tail, head in pairs:
        (x0, y0), *_, (x1, y1) = places.curves[tail + head].points
        assert (x0, x1) == pytest.approx((at[tail][2], at[head][0]))
        assert at[tail][1] <= y0 <= at[tail][3]
        assert at[head][1] <= y1 <= at[head][3]


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=4, max_size=4),
    st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=0, max_size=6),
)
def test_points_on_a_curve_lie_on_it(first, more):
    points = (first + more)[: 1 + 3 * ((len(first + more) - 1) // 3)]
    curve, pieces = Curve(tuple(points)), (len(points) - 1) // 3
    for piece in range(pieces):
        a, b, c, d = points[3 * piece : 3 * piece + 4]
        middle = [(p + 3 * q + 3 * r + s) / 8 for p, q, r, s in zip(a, b, c, d)]
        assert point_on(curve, (piece + 0.5) / pieces) == pytest.approx(middle)
    assert point_on(curve, 0.0) == pytest.approx(points[0])
    assert point_on(curve, 1.0) == pytest.approx(points[-1])
    seen = [*points_of(curve)]
    assert seen[0] == pytest.approx(points[0])
    assert seen[-1] == pytest.approx(points[-1])
    assert all(any(p == pytest.approx(q) for q in seen) for p in points[::3])


@pytest.mark.parametrize(("axis", "reach"), [(0, 20.0), (1, 36.0)])
def test_a_text_stands_beside_its_line_only_where_one_sees_whose_it_is(axis, reach):
    turned = lambda *point: point if axis == 0 else point[::-1]  # noqa: E731
    told = SimpleNamespace(rankdir=("LR", "TB")[axis])
    for away in (reach - 0.1, reach):
        label = turned(60.0, away)
        line = Curve(tuple(turned(40.0 * k, 0.0) for k in range(4)), label)
        first, *others = _spots(told, line, 50.0)
        assert first == pytest.approx(turned(60.0, 0.0))
        assert (others[0] == label) is (away < reach)
        assert label not in others[1:]


def test_room_is_kept_for_the_names_of_scopes_where_they_stand():
    laid = scene(trace(nested()))
    tree = ElementTree.fromstring(paint(laid, moment(laid.graph, 0)))
    groups = [g for g in tree.iter(f"{SVG}g") if g.get("class") == "scope"]
    assert len(groups) == 4
    for i, (group, box) in enumerate(zip(groups, laid.boxes, strict=True)):
        text = group.find(f"{SVG}text")
        (x, y), width, height = _heading(box, laid.places.boxes[f"cluster_{i}"])
        assert x - width / 2 == pytest.approx(float(text.get("x")), abs=0.06)
        assert y == pytest.approx(float(text.get("y")) - 4, abs=0.06)
        assert (width, height) == (width_of(text.text, 12.5), 14)


WHOLE = st.integers(-60, 60)
SIZES = st.integers(0, 90)


@given(st.lists(st.tuples(WHOLE, WHOLE, st.integers(0, 4))), WHOLE, WHOLE, SIZES)
def test_what_runs_through_a_text_is_found_in_strips(points, x, y, width):
    lines = {}
    for at_x, at_y, line in points:
        lines.setdefault(at_x // STRIP, []).append(((at_x, at_y), line))
    through = [i for a, b, i in points if 2 * abs(a - x) < width and abs(b - y) < 10 and i != 2]
    above = sum(line > 2 for line in through)
    assert _struck((x, y), width, 2, lines) == 1_000_000 * above + len(through) - above


@given(WHOLE, WHOLE, SIZES, WHOLE, WHOLE, SIZES, SIZES)
def test_texts_keep_a_unit_away_from_others(x, y, width, other_x, other_y, other_width, tall):
    edges = ((x, width), (other_x, other_width)), ((y, 18), (other_y, tall))
    free = (
        max(at - size / 2 for at, size in pair) - min(at + size / 2 for at, size in pair)
        for pair in edges
    )
    told = _overlap((x, y), width, (other_x, other_y), other_width, tall)
    assert told is all(gap < 1 for gap in free)


@given(WHOLE, WHOLE, SIZES, SIZES, SIZES)
def test_texts_are_moved_as_little_as_keeps_them_on_the_sheet(x, y, width, wide, tall):
    """It ends 18 beyond what is drawn, and 2 of these stay free."""
    told = SimpleNamespace(places=SimpleNamespace(width=wide, height=tall))
    new_x, new_y = _on_picture((x, y), width, told)
    left, right = new_x - width / 2 + 16, new_x + width / 2 - 16 - wide
    assert left >= 0
    assert right <= 0 or left == 0
    assert new_x == x or left == 0 or right == 0
    assert -5 <= new_y <= tall + 5
    assert new_y in (y, -5, tall + 5)


@pytest.mark.parametrize(
    ("a", "b", "words", "shown"),
    [
        ("four", "b", "-y" + "y" * 12, "∂four/∂b = −y" + "y" * 12 + " = "),
        ("four", "b", "y" * 15, "∂four/∂b = "),
        ("权权", "four", "y", "∂权权/∂four = y = "),
        ("fives", "b", "y", "∂ = y = "),
        ("a", "权权权", "", "∂ = "),
    ],
)
def test_a_wire_says_no_more_than_has_room(a, b, words, shown):
    y = Value(1.0, label=b) * 2
    y.label = a
    graph = trace(y)
    assert _before(graph, replace(graph.edges[0], words=words, worded=True)) == shown
    assert _before(graph, replace(graph.edges[0], words=words, worded=False)).count("=") == 1


@pytest.mark.parametrize(("wires", "crowded"), [(90, False), (91, True)])
def test_up_to_ninety_wires_have_texts(wires, crowded):
    told = scene(trace(autograd.sum([Value(1.0) for _ in range(wires)])))
    assert told.crowded is crowded
    assert ("label=" in skeleton(told).replace('label=""', "")) is not crowded  # nor room for them


def test_lines_through_one_aisle_part():
    """14 below the upper block, then to either side by turns, and never nearer to it than 3."""
    column = _Column(0.0, 100.0, [(-200.0, 0.0), (60.0, 260.0)], {})
    parted = [column.passage(-10.0, 70.0) - 14 for _ in range(7)]
    step = 14 / 3
    assert parted == pytest.approx([0, step, -step, 2 * step, -2 * step, 11, -11])
    assert column.passage(20.0, 70.0) == 20.0, "level, where that is free"
    assert column.passage(-10.0, 40.0) == 40.0


def test_only_long_detours_are_drawn_straight():
    """Graphviz's curves take minutes where lines pass many ranks, and none else."""
    chain = [(f"n{i}", f"n{i + 1}") for i in range(701)]
    assert pace(chain[:700]) == {}
    assert pace(chain) == {"splines": "line", "nslimit": "1", "nslimit1": "1"}
    assert pace([("x", f"n{i + 1}") for i in range(30)] + chain[:30]) == {}
    everywhere = [("x", f"n{i + 1}") for i in range(40)] + chain[:40]
    assert pace(everywhere)["splines"] == "line"
