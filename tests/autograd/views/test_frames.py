"""Frames, strips and the board behind them."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import nn
from autograd import Value, scope, trace
from autograd.views.folding import levels
from autograd.views.frames import animation, strides, strip, wrapped
from autograd.views.moment import moment
from autograd.views.painter import paint
from autograd.views.scene import scene
from autograd.views.text import columns

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"


def seed_graph():
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    return (a + b) * (b + 1)


def network(hidden=3):
    model = nn.MLP(2, [hidden, 1], activation="tanh", seed=1)
    return nn.squared_error([model([Value(0.5), Value(-1.0)])], [1.0])


def texts(svg, name):
    found = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return [text.text for text in found if name in text.get("class", "").split()]


class TestFrames:
    def test_one_per_moment_and_an_index(self, tmp_path):
        story = trace(seed_graph())
        index = story.frames(tmp_path / "slides")
        files = sorted(path.name for path in (tmp_path / "slides").iterdir())
        assert files == [*(f"{i:02}.svg" for i in range(18)), "index.md"]
        text = index.read_text("utf-8")
        assert [name for name in files if f"({name})" in text] == files[:-1]
        assert "c pays b: it passes on ∂e/∂c · ∂c/∂b = 2 · 1 = 2" in text

    def test_each_stands_alone(self, tmp_path):
        trace(seed_graph()).frames(tmp_path)
        for path in tmp_path.glob("*.svg"):
            text = path.read_text("utf-8")
            ElementTree.fromstring(text)
            assert "var(" not in text
            assert not re.search(r"(src|href)=|url\(|@import| id=", text)

    def test_shows_the_moment(self, tmp_path):
        trace(seed_graph()).frames(tmp_path)
        middle = (tmp_path / "13.svg").read_text("utf-8")
        assert [pile for pile in texts(middle, "pile") if pile] == ["2", "2", "2", "3", "1"]
        assert "✓" not in texts((tmp_path / "06.svg").read_text("utf-8"), "heard")
        last = (tmp_path / "17.svg").read_text("utf-8")
        assert "5" in texts(last, "pile")

    def test_same_trace_same_bytes(self, tmp_path):
        for name in ("one", "two"):
            trace(network()).frames(tmp_path / name)
        for path in (tmp_path / "one").iterdir():
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()

    def test_chinese(self, tmp_path):
        index = trace(seed_graph()).frames(tmp_path, lang="zh")
        assert "还给" in index.read_text("utf-8")

    def test_hostile_labels(self, tmp_path):
        x = Value(1.0, label='<script>&"]]>')
        y = Value(1.0, label="[x](http://example.invalid) `~~~` \x00\ud800")
        index = trace(x * y).frames(tmp_path)
        assert "<script>" not in index.read_text("utf-8")
        assert "](http" not in index.read_text("utf-8")
        for path in tmp_path.glob("*.svg"):
            ElementTree.fromstring(path.read_text("utf-8"))

    def test_too_many(self, tmp_path):
        x = Value(1.0)
        for _ in range(500):
            x = x + 1.0
        with pytest.raises(ValueError, match="max_nodes=400"):
            trace(x).frames(tmp_path / "none")
        assert not (tmp_path / "none").exists()

    def test_folders_are_made_and_written_over(self, tmp_path):
        story = trace(Value(1.0, label="x") * 2)
        made = story.frames(tmp_path / "a" / "b")
        assert story.frames(tmp_path / "a" / "b") == made

    def test_unknown_language(self, tmp_path):
        with pytest.raises(ValueError, match="'en' or 'zh', got 'de'"):
            trace(seed_graph()).frames(tmp_path / "none", lang="de")
        assert not (tmp_path / "none").exists()


class TestStrip:
    def test_the_readmes_pictures_are_what_the_project_makes(self):
        e = seed_graph()
        e.backward()
        made = {
            "e.svg": e.to_svg(),
            "moving.svg": animation(trace(e), [6, *range(7, 18)]),
            "repayment.svg": strip(trace(e), (7, 9, 10, 13, 16, 17), per_row=2),
        }
        for name, picture in made.items():
            assert (ROOT / "demos" / "pictures" / name).read_text("utf-8") == picture, name

    @pytest.mark.parametrize("lang", ["en", "zh"])
    def test_sentences_keep_to_their_frames(self, lang):
        x = Value(1.0, label="a rather long name")
        story = trace(x * x)
        tree = ElementTree.fromstring(strip(story, range(len(story.steps) + 1), lang=lang))
        frames = [r for r in tree.iter(f"{SVG}rect") if r.get("class") == "frame"]
        width = float(frames[0].get("width"))
        said = [t for t in tree.iter(f"{SVG}text") if t.get("class") == "said"]
        lines = [line.text or "" for text in said for line in text]
        assert len(frames) == len(said) < len(lines)
        assert max(map(columns, lines)) * 7.6 <= width
        assert {line.get("dy") for text in said for line in text} == {"0", "19"}
        for text, frame in zip(said, frames, strict=True):
            assert float(text.get("y")) + 19 * (len(text) - 1) <= float(frame.get("height")) - 8

    def test_four_stand_side_by_side(self):
        drawn = strip(trace(Value(1.0, label="x") * 2), range(6))
        places = re.findall(r'translate\((\S+) (\S+)\)"><rect [^>]*class="frame"', drawn)
        assert [places.index((x, "0.0")) for x, _ in places] == [0, 1, 2, 3, 0, 1]
        assert len({y for _, y in places}) == 2

    def test_lines_break_where_they_may(self):
        assert wrapped("one two three", 7) == ["one two", "three"]
        assert wrapped("一二三四五", 6) == ["一二三", "四五"]
        assert wrapped("", 6) == [""]


class TestBoard:
    def test_every_node_and_edge_once(self):
        story = trace(network())
        tree = ElementTree.fromstring(paint(scene(story), moment(story, 0)))
        nodes = [int(g.get("data-node")) for g in tree.iter(f"{SVG}g") if g.get("data-node")]
        edges = [int(g.get("data-edge")) for g in tree.iter(f"{SVG}g") if g.get("data-edge")]
        assert sorted(nodes) == list(range(len(story.nodes)))
        assert sorted(edges) == list(range(len(story.edges)))

    def test_levels_fold_scopes(self):
        story = trace(network())
        assert levels(story) == [1, 2, 0]
        folded = scene(story, 1)
        assert [c.title for c in folded.cards if c.kind == "layer"] == ["layer 2", "layer 1"]
        held = [node for card in folded.cards for node in card.nodes]
        assert sorted(held) == list(range(len(story.nodes)))

    def test_folded_states(self):
        story = trace(network())
        end = moment(story, len(story.steps))
        tree = ElementTree.fromstring(paint(scene(story, 1), end))
        states = {g.get("data-state") for g in tree.iter(f"{SVG}g") if "fold" in g.get("class")}
        assert states == {"settled"}

    def test_cards_do_not_overlap(self):
        laid = scene(trace(network()))
        spots = [(*laid.places.nodes[card.key], card.width, card.height) for card in laid.cards]
        for i, (x, y, w, h) in enumerate(spots):
            for x2, y2, w2, h2 in spots[:i]:
                assert abs(x - x2) >= (w + w2) / 2 or abs(y - y2) >= (h + h2) / 2

    def test_nothing_of_the_users_reaches_graphviz(self, monkeypatch):
        from autograd.views import scene as module

        sources = []
        real = module.layout
        monkeypatch.setattr(module, "layout", lambda dot: (sources.append(dot), real(dot))[1])
        with scope("secret scope"):
            assert scene(trace(Value(1.0, label="secret label") * 2)).places
        assert sources
        assert "secret" not in "".join(sources)


class TestStrides:
    def test_follow_the_level(self, tmp_path):
        story = trace(network())
        story.frames(tmp_path / "layers", fold=1)
        story.frames(tmp_path / "units")
        story.frames(tmp_path / "all", fold=0)
        names = {
            kind: sorted(int(path.stem) for path in (tmp_path / kind).glob("*.svg"))
            for kind in ("layers", "units", "all")
        }
        ends = list(strides(story, "layer"))
        assert names["layers"] == [0, *ends]
        assert names["units"] == [0, *strides(story, "unit")]
        assert names["all"] == list(range(len(story.steps) + 1))
        leaves = sum(node.leaf for node in story.nodes)
        assert ends[0] == leaves
        given, layer_1, layer_2, loss, seed, *backward = ends
        assert (given, layer_1, layer_2) == (leaves, leaves + 6, leaves + 7)
        assert story.steps[seed - 1].kind == "seed"
        assert story.steps[loss - 1].node == story.root.id
        assert len(backward) == 3
        assert backward[-1] == len(story.steps)

    def test_the_frame_shows_the_end_of_its_stride(self, tmp_path):
        story = trace(network())
        index = story.frames(tmp_path, fold=1).read_text("utf-8")
        last = (tmp_path / f"{len(story.steps)}.svg").read_text("utf-8")
        assert last.count("δ₁ = (W₂ᵀ δ₂) ⊙ tanh′(z₁)") == 1
        assert f"![{len(story.steps)}]" in index
        assert "∂L/∂x₂" in index.replace("\\", "")

    def test_every_edge_and_node_in_between(self):
        story = trace(seed_graph())
        assert list(strides(story, "edge")) == list(range(1, 18))
        assert list(strides(story, "node")) == [1, 2, 3, 4, 5, 6, 7, 10, 13, 14, 16, 17]
        with pytest.raises(ValueError, match="by is 'edge'"):
            list(strides(story, "step"))
