"""The trace: what must hold of its steps on any graph, its sentences, its JSON."""

import json
import math
import struct
from collections import Counter
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value, scope, trace
from autograd.graph import (
    count_edge_uses,
    edges,
    paths,
    reverse_topological_order,
    topological_order,
)
from autograd.rules import TABLE
from autograd.value import apply
from tests.strategies import payback_operations, programs, result, wild_programs
from tests.truth import SPECIAL


def seed_graph():
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    return (a + b) * (b + 1)


def ladder(rungs, start=1.0):
    x = Value(start, label="x")
    for _ in range(rungs):
        x = x + x
    return x


def graph_of(program):
    root = result(program, [Value(x) for x in program.inputs], payback_operations())
    assume(isinstance(root, Value) and root.requires_grad)
    return root


def bits(x):
    return struct.pack("<d", math.nan if math.isnan(x) else x)


def steps_of(story, kind):
    return [step for step in story.steps if step.kind == kind]


class TestInvariants:
    @given(programs())
    def test_tells_the_graph_in_order(self, program):
        root = graph_of(program)
        story, order = trace(root), topological_order(root)
        assert [node.value for node in story.nodes] == [node.data for node in order]
        assert [step.node for step in steps_of(story, "eval")] == list(range(len(order)))
        assert [step.i for step in story.steps] == list(range(len(story.steps)))
        number = {node: i for i, node in enumerate(order)}
        told = [(edge.consumer, edge.parent, edge.slot) for edge in story.edges]
        assert told == [(number[e.consumer], number[e.parent], e.slot) for e in edges(root)]
        settled = [number[node] for node in reverse_topological_order([root]) if node.requires_grad]
        assert [step.node for step in steps_of(story, "settle")] == settled

    @given(programs())
    def test_pays_each_edge_once_and_only_from_the_settled(self, program):
        story = trace(graph_of(program))
        paid = Counter(step.edge for step in steps_of(story, "pay"))
        assert paid == Counter(range(len(story.edges)))
        settled = set()
        for step in story.steps:
            if step.kind == "settle":
                assert step.node not in settled
                settled.add(step.node)
            if step.kind == "pay":
                assert story.edges[step.edge].consumer in settled
                assert story.edges[step.edge].parent not in settled
        assert settled == {node.id for node in story.nodes if not node.constant}

    @given(wild_programs())
    def test_piles_are_what_backward_gives_bit_for_bit(self, program):
        root = graph_of(program)
        story = trace(root)
        piles = {story.root.id: [1.0]}
        for step in steps_of(story, "pay"):
            piles.setdefault(story.edges[step.edge].parent, []).append(step.amount)
        root.backward()
        for number, node in enumerate(topological_order(root)):
            if node.requires_grad:
                first, *rest = piles[number]
                total = sum(rest, start=first) if rest else first
                assert bits(total + 0.0) == bits(node.grad + 0.0)
        for step in steps_of(story, "settle"):
            grad = topological_order(root)[step.node].grad
            assert bits(step.pile_after + 0.0) == bits(grad + 0.0)

    @given(programs())
    def test_piles_grow_by_their_amounts(self, program):
        story = trace(graph_of(program))
        total = {}
        for step in story.steps:
            if step.kind in ("seed", "pay"):
                node = story.root.id if step.edge is None else story.edges[step.edge].parent
                assert step.pile_before == total.get(node, 0.0)
                total[node] = step.pile_after
            if step.kind == "pay":
                debt = total[story.edges[step.edge].consumer]
                assert step.amount == debt * story.edges[step.edge].local

    @given(programs(max_steps=8))
    def test_naive_uses_are_the_lengths_of_all_paths(self, program):
        root = graph_of(program)
        leaves = [n for n in topological_order(root) if n.is_leaf and n.requires_grad]
        walked = sum(len(path.edges) for leaf in leaves for path in paths(root, leaf))
        assert trace(root).naive_edge_uses == walked == count_edge_uses(root)

    @given(programs())
    def test_leaves_the_graph_as_it_was(self, program):
        root = graph_of(program)
        before = [(node.grad, node.data, node.label) for node in topological_order(root)]
        trace(root)
        assert [(n.grad, n.data, n.label) for n in topological_order(root)] == before


class TestCounts:
    def test_seed_graph(self):
        story = trace(seed_graph())
        assert (len(story.edges), story.naive_edge_uses, story.impatient_edge_uses) == (5, 6, 5)
        assert len(story.steps) == 6 + 1 + 5 + 5

    def test_ladder_is_exact_at_any_size(self):
        story = trace(ladder(20))
        assert (len(story.edges), story.naive_edge_uses) == (40, 20 * 2**20)
        assert story.impatient_edge_uses == 2**21 - 2
        assert trace(ladder(100)).naive_edge_uses == 100 * 2**100

    def test_paying_at_once_pays_twice(self):
        a = Value(1.0)
        b = a + a
        story = trace(b + b)
        assert (len(story.edges), story.impatient_edge_uses, story.naive_edge_uses) == (4, 6, 8)


class TestSentences:
    def test_the_seed_documents_own_example(self):
        told = [step.text.en for step in trace(seed_graph()).steps]
        assert told[2] == "c = a + b = 3, worked out and remembered."
        assert told[8] == (
            "e pays c: it passes on ∂e/∂e · ∂e/∂c = 1 · 2 = 2. c has now heard from everyone."
        )
        assert told[-1].endswith("It is a leaf, so it keeps the sum: 2 + 3 = 5.")

    def test_chain_rule_with_its_numbers(self):
        maths = [step.math for step in trace(seed_graph()).steps]
        assert maths[5] == "e = c · d = 3 · 2 = 6"
        assert maths[12] == "∂e/∂c · ∂c/∂b = 2 × 1 = 2"
        assert maths[-1] == "∂e/∂b = 2 + 3 = 5"

    def test_chinese_says_the_same_numbers(self):
        for step in trace(seed_graph()).steps:
            assert any("\u4e00" <= char <= "\u9fff" for char in step.text.zh)
        assert "2 + 3 = 5" in trace(seed_graph()).steps[-1].text.zh

    def test_local_derivatives_in_words(self):
        assert [edge.text for edge in trace(seed_graph()).edges] == [
            "∂c/∂a = 1",
            "∂c/∂b = 1",
            "∂d/∂b = 1",
            "∂e/∂c = d = 2",
            "∂e/∂d = c = 3",
        ]

    def test_both_edges_of_a_square(self):
        a = Value(-3.0, label="a")
        story = trace(a * a)
        assert [edge.slot for edge in story.edges] == [0, 1]
        assert "operand 1" in story.steps[4].text.en
        assert "operand 2" in story.steps[5].text.en
        assert story.steps[4].math.endswith("= 1 × (-3) = -3")

    def test_leaf_that_is_the_root(self):
        story = trace(Value(4.0, label="x"))
        assert [step.kind for step in story.steps] == ["eval", "seed", "settle"]
        assert "root and leaf in one" in story.steps[-1].text.en

    def test_own_operations_are_called_by_name(self):
        x = Value(0.5, label="x")
        story = trace(Value(math.sin(0.5), (x,), (math.cos(0.5),), op="wave"))
        assert story.root.formula == "wave(x)"
        assert story.root.custom
        assert story.edges[0].text == "∂a/∂x = 0.8775826"


class TestNames:
    def test_free_letters_then_numbers(self):
        assert [node.name for node in trace(seed_graph()).nodes] == ["a", "b", "c", "1", "d", "e"]
        assert trace(ladder(30)).root.name == "v30"

    def test_a_shared_label_is_counted(self):
        story = trace(Value(1.0, label="w") * Value(2.0, label="w"))
        assert [node.name for node in story.nodes] == ["w", "w#2", "a"]

    def test_a_counted_label_may_be_somebody_s_own(self):
        labels = ["w", "w", "w#2", "w", "w#2"]
        root = autograd.sum([Value(1.0, label=label) for label in labels])
        told = [node.name for node in trace(root).nodes]
        assert len({*told}) == len(told) == 6
        assert told[0] == "w"

    def test_every_letter_taken(self):
        leaves = [Value(1.0, label=chr(97 + i)) for i in range(26)]
        assert trace(autograd.sum(leaves)).root.name == "v26"

    def test_long_and_strange_labels_stay_on_one_line(self):
        story = trace(Value(1.0, label="x\n" * 5000) * 2)
        assert len(story.nodes[0].name) <= 24
        assert "\n" not in story.steps[0].text.en
        assert story.nodes[0].label == "x\n" * 5000

    def test_expression_spells_out_the_nameless(self):
        assert trace(seed_graph()).expression == "(a + b) · (b + 1)"
        assert len(trace(ladder(40)).expression) < 80


class TestStale:
    """Numbers assigned to after the forward pass: what is told of the pass stays true."""

    def told(self, root):
        return {
            story.nodes[step.node].name: (step.math, *step.text.keys)
            for story in [trace(root)]
            for step in steps_of(story, "eval")
        }

    def test_no_false_arithmetic(self):
        a, b = Value(2.0, label="a"), Value(3.0, label="b")
        e = a * b + b
        e.label, a.data = "e", 5.0
        told = self.told(e)
        assert told["c"] == ("c = a · b = 6", "eval", "eval_stale")
        assert told["e"] == ("e = c + b = 6 + 3 = 9", "eval")
        story = trace(e)
        assert "its operands would now give another value." in story.steps[2].text.en
        assert "此后有的数被改动过" in story.steps[2].text.zh
        assert {edge.text for edge in story.edges if edge.words} >= {"∂c/∂a = b = 3"}
        assert {edge.text for edge in story.edges if not edge.words} == {"∂c/∂b = 2"}

    def test_a_number_set_by_hand_on_the_way(self):
        a = Value(2.0, label="a")
        b = a * 3
        b.label, b.data = "b", 10.0
        e = b * a
        e.label = "e"
        told = self.told(e)
        assert told["b"] == ("b = 3 · a = 10", "eval", "eval_stale")
        assert told["e"] == ("e = b · a = 10 · 2 = 20", "eval")

    @given(st.one_of(programs(), wild_programs()))
    def test_sound_graphs_have_all_their_numbers(self, program):
        assert not any("eval_stale" in told for told in self.told(graph_of(program)).values())

    @given(st.sampled_from(sorted(TABLE)), st.data())
    def test_so_has_every_operation(self, name, data):
        row = TABLE[name]
        fewest = len(row.roles) if row.variadic else row.arity
        wild = st.one_of(st.sampled_from(SPECIAL), st.floats(-4, 4), st.integers(-2, 3))
        count = 2 * fewest - 1 if name == "dot" else fewest + row.variadic
        numbers = data.draw(st.lists(wild, min_size=count, max_size=count))
        root = apply(row, *(Value(x) for x in numbers))
        assert not any("eval_stale" in told for told in self.told(root).values())

    @pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "softplus"])
    def test_so_have_models_before_and_after_training(self, activation):
        model = nn.MLP(3, [8, 8, 2], activation=activation, seed=1)
        rows = [[0.1, -2.0, 3.0], [1.5, 0.25, -0.75], [0.3, 0.2, 0.1]]
        for lr in (1e-9, 0.1):
            optimizer = nn.SGD(model.parameters(), lr=lr)
            told = {"loss": nn.cross_entropy, "optimizer": optimizer, "progress": False}
            nn.fit(model, rows, [0, 1, 1], epochs=3, **told)
            losses = [nn.cross_entropy(model(row), 1) for row in rows]
            losses.append(nn.squared_error(model(rows[0]), [1.0, 0.0]))
            assert not any("eval_stale" in told for told in self.told(sum(losses)).values())


class TestJson:
    def test_schema(self):
        told = json.loads(trace(seed_graph()).to_json())
        assert told["schema"] == 1
        assert told["nodes"][2]["parents"] == [{"id": 0, "slot": 0}, {"id": 1, "slot": 1}]
        assert told["edges"][3] == {
            **{"id": 3, "from": 5, "to": 2, "slot": 0, "local": 2.0},
            **{"words": "d", "text": "∂e/∂c = d = 2"},
        }
        pay = told["steps"][8]
        assert (pay["kind"], pay["edge"], pay["amount"]) == ("pay", 3, 2.0)
        assert (pay["pile_before"], pay["pile_after"]) == (0.0, 2.0)
        assert set(pay["text"]) == {"en", "zh"}

    @given(wild_programs())
    def test_same_graph_same_strict_bytes(self, program):
        one, two = (trace(graph_of(program)).to_json() for _ in range(2))
        assert one == two

        def refuse(constant):
            raise AssertionError(f"{constant} is not strict JSON")

        json.loads(one, parse_constant=refuse)

    def test_numbers_beyond_json(self):
        x = Value(math.inf, label="x")
        told = json.loads(trace(x - x).to_json())
        assert [node["value"] for node in told["nodes"]] == ["Infinity", "NaN"]
        assert json.loads(trace(ladder(90)).to_json())["counts"]["naive_edge_uses"] == str(
            90 * 2**90
        )

    def test_lone_surrogates(self):
        text = trace(Value(1.0, label="\ud800!") * 2).to_json()
        told = json.loads(text.encode())
        assert told["nodes"][0]["label"] == "\ud800!"

    def test_scopes(self):
        with scope("layer 1"), scope("neuron 0"):
            y = Value(1.0) * 2
        assert json.loads(trace(y).to_json())["nodes"][-1]["scope"] == ["layer 1", "neuron 0"]


class TestRefusals:
    def test_frozen(self):
        story = trace(seed_graph())
        with pytest.raises(FrozenInstanceError):
            story.steps[0].math = "1 = 2"

    def test_constants_owe_nobody(self):
        with pytest.raises(ValueError, match="owes nobody"):
            trace(Value(1.0, requires_grad=False))

    def test_nothing_is_told_behind_a_frozen_result(self):
        x = Value(2.0, label="x")
        y = x * 3
        y.requires_grad = False
        with pytest.raises(ValueError, match=r"op='mul', constant\) was frozen .* detach\(\)"):
            trace(y * x)
        assert trace(y.detach() * x).root.value == 12.0

    def test_nothing_is_told_where_every_leaf_was_frozen(self):
        x = Value(2.0, label="x")
        y = x * x
        x.requires_grad = False
        with pytest.raises(ValueError, match="made of was frozen: it owes nobody"):
            trace(y)

    def test_only_values(self):
        with pytest.raises(TypeError, match="takes the Value"):
            trace(1.0)

    def test_repr_is_one_line(self):
        assert repr(trace(seed_graph())) == "<Trace of e: 6 nodes, 5 edges, 17 steps>"

    def test_counts_of_any_length_are_written_out(self):
        story = replace(trace(seed_graph()), naive_edge_uses=10**5000)
        counts = json.loads(story.to_json())["counts"]
        assert counts["naive_edge_uses"] == "1" + "0" * 5000

    def test_long_chains_need_no_recursion(self):
        x = Value(1.0)
        for _ in range(20_000):
            x = x + 1.0
        assert len(trace(x).edges) == 20_000


class TestDetails:
    def test_twenty_nameless_nodes_get_letters_and_one_more_gets_none(self):
        def chained(count):
            x = Value(1.0, label="x")
            for _ in range(count):
                x = x.sin()
            return trace(x)

        assert chained(20).root.name == "v"
        assert chained(21).root.name == "v21"

    def test_as_many_letters_as_are_free_are_enough(self):
        def story(taken):
            leaves = [Value(1.0, label=letter) for letter in "abcdefghijkmnpqrstuvwxyz"[:taken]]
            return trace(autograd.sum(leaves).sin().cos())

        assert story(21).root.name == "z"
        assert story(22).root.name == "v24"

    def test_a_formula_is_spelled_out_up_to_sixty_characters(self):
        def words(length):
            a, b = Value(2.0, label="a" * 12), Value(3.0, label="b" * length)
            return trace((a / b) * (a / b) * (a / b)).expression

        assert "·" in words(6)
        assert max(len(words(n)) for n in range(1, 25)) <= 60 + 40
        w = Value(1.0, label="w" * 24)
        assert trace(w.gelu()).edges[0].words == ""
        assert len(trace(Value(1.0, label="w").gelu()).edges[0].words) <= 60

    @pytest.mark.parametrize(("length", "told"), [(60, True), (61, False)])
    def test_sixty_characters_and_no_more(self, length, told):
        labels = ["a" * 12, "b" * 12, "c" * 12, "d" * (length - 45)]
        leaves = [Value(1.0, label=label) for label in labels]
        written = " + ".join(labels)
        assert len(written) == length
        assert trace(autograd.sum(leaves)).expression == (written if told else "")

    @pytest.mark.parametrize(("length", "told"), [(20, True), (21, False)])
    def test_a_slope_of_sixty_characters_and_no_more(self, length, told):
        x, y = Value(2.0, label="x" * length), Value(3.0, label="y" * 15)
        written = f"{y.label} · {x.label}^({y.label} - 1)"
        assert len(written) == 40 + length
        assert trace(x**y).edges[0].words == (written if told else "")

    def test_a_slope_is_in_words_only_where_these_come_to_the_number(self):
        x, y = Value(0.0, label="x"), Value(2.0, label="y")
        told = trace(x**y).edges  # the partial to y is 0 by convention, x^y · log(x) is nan
        assert [edge.words for edge in told] == ["y · x^(y - 1)", ""]
        missing = Value(math.nan, label="x")
        assert [edge.words for edge in trace(missing * y).edges] == ["y", "x"]

    def test_what_is_long_is_told_from_what_has_a_label(self):
        x, y = Value(2.0, label="x" * 15), Value(3.0, label="y" * 15)
        h = x + y
        h.label = "h"
        assert trace((h + 1) * (h + 2)).expression == "(h + 1) · (h + 2)"
        root = (h + 1) * (h + 2)
        root.label = "r"
        assert trace(root).expression == "(h + 1) · (h + 2)"

    def test_a_page_of_just_as_many_nodes_as_allowed(self, tmp_path):
        story, path = trace(seed_graph()), tmp_path / "e.html"
        with pytest.raises(ValueError, match=r"^this graph has 6 nodes .* max_nodes=5 "):
            story.to_html(path, max_nodes=5)
        assert story.to_html(path, max_nodes=6) == path

    def test_json_is_readable_text(self):
        text = trace(Value(1.0, label="损失") * 2).to_json()
        assert "损失" in text
        told = json.loads(trace(Value(-math.inf, label="x") * 2).to_json())
        assert told["nodes"][0]["value"] == "-Infinity"
        assert told["nodes"][0]["custom"] is False
        assert told["nodes"][0]["source"] is None or ":" in told["nodes"][0]["source"]

    def test_sources_are_told(self):
        with autograd.detect_anomaly():
            y = Value(1.0) * 2
        told = json.loads(trace(y).to_json())["nodes"][-1]["source"]
        assert told is not None
        assert "test_trace.py:" in told

    def test_constants_are_numbers_in_formulas_and_sentences(self):
        told = trace(Value(2.0, label="a") * 3.0)
        assert told.root.formula in ("3 · a", "a · 3")
        assert told.steps[1].math == "3"
        named = trace(Value(2.0, label="a") * Value(3.0, label="k", requires_grad=False))
        assert "k" in named.root.formula
        assert trace(Value(2.0, label="x") * 1.0).root.formula == "x"
        assert named.steps[1].math == "k = 3"

    def test_who_must_wait_is_told_apart_from_who_need_not(self):
        keys = [step.text.keys for step in trace(seed_graph()).steps if step.kind == "pay"]
        assert [key[-1] for key in keys].count("pay_first_of") == 1
        settled = {step.text.keys for step in trace(seed_graph()).steps if step.kind == "settle"}
        assert settled == {
            ("settle_root",),
            ("heard_one", "settle"),
            ("heard_one", "settle_leaf"),
            ("heard_many", "settle_leaf"),
        }

    def test_constants_are_paid_nothing(self):
        k = Value(3.0, requires_grad=False, label="k")
        x = Value(2.0, label="x")
        story = trace(x * k + k * k)
        assert [(e.consumer, e.parent) for e in story.edges] == [
            (story.nodes[e.consumer].id, story.nodes[e.parent].id) for e in story.edges
        ]
        assert not any(story.nodes[e.parent].constant for e in story.edges)
        assert all(step.amount == step.amount for step in steps_of(story, "pay"))

    def test_of_many_operands_some_are_shown(self):
        numbers = [Value(float(k)) for k in range(5000)]
        for root in (autograd.sum(numbers), autograd.mean(numbers)):
            math = steps_of(trace(root), "eval")[-1].math
            assert f"{root.op}(0, 1, 2, 3, …, 4998, 4999)" in math
            assert math.isascii() or math.replace("…", "").isascii()

    def test_taking_has_a_slope_of_one_or_none(self):
        x, y, i = Value(5.0, label="x"), Value(7.0, label="y"), Value(1.0, label="i")
        told = [edge.text for edge in trace(autograd.take([x, y], i)).edges]
        assert told[0].endswith("= 1 if i = 0 else 0 = 0")
        assert told[1].endswith("= 1 if i = 1 else 0 = 1")
