"""The other ways of paying: what must hold of their moves on any graph, held to the engine."""

import math

import pytest
from hypothesis import assume, given

from autograd import Value, scope, topological_order, trace
from autograd.views.handed import told_trace
from autograd.views.plays import (
    MOST_MOVES,
    Passes,
    impatient,
    path_by_path,
    paying_back,
    retold,
    shares_an_inner_node,
)
from tests.strategies import ladder, payback_operations, programs, result, shared


def graph_of(program):
    leaves = [Value(x, label=f"x{i}") for i, x in enumerate(program.inputs)]
    root = result(program, leaves, payback_operations())
    assume(isinstance(root, Value) and root.requires_grad)
    return root


def close(a, b):
    """Up to another order of adding up."""
    return (math.isnan(a) and math.isnan(b)) or a == b or abs(a - b) <= 1e-9 * max(abs(a), abs(b))


def ends_with(play, name):
    """What lies with a node at the end."""
    number = next(node.id for node in play.story.nodes if node.name == name)
    return play.moment(len(play.moves)).total(number)


@given(programs())
def test_paying_back_ends_as_backward_does(program):
    root = graph_of(program)
    play = paying_back(trace(root))
    root.backward()
    end = play.moment(len(play.moves))
    for number, node in enumerate(topological_order(root)):
        if node.requires_grad:
            assert math.isnan(node.grad) or end.total(number) == node.grad
            assert number in end.settled
    assert set(end.uses.values()) <= {1}
    assert end.uses.total() == len(play.story.edges)


@given(programs())
def test_walking_every_path_collects_the_gradients(program):
    root = graph_of(program)
    play = path_by_path(trace(root))
    assume(len(play.moves) == play.total_uses)
    root.backward()
    end = play.moment(len(play.moves))
    for number, node in enumerate(topological_order(root)):
        if node.is_leaf and node.requires_grad and node is not root:
            terms = end.pile(number)
            scale = sum(map(abs, terms))
            assert (
                close(end.total(number), node.grad)
                or abs(end.total(number) - node.grad) <= 1e-9 * scale
                or not math.isfinite(scale)
            )
            assert end.heard[number] == play.hears[number]
            assert number in end.settled


def test_walked_products_are_added_up_one_by_one() -> None:
    x = Value(1.0, label="x")
    root = 0.1 * x
    for _ in range(9):
        root = root + 0.1 * x
    play = path_by_path(trace(root))
    assert ends_with(play, "x") == 0.9999999999999999  # exactly added up and rounded once, 1.0


@given(programs())
def test_only_the_news_is_right_and_uses_edges_again(program):
    root = graph_of(program)
    story = trace(root)
    assume(shares_an_inner_node(story) and story.impatient_edge_uses <= MOST_MOVES)
    play = impatient(story, "news")
    end = play.moment(len(play.moves))
    assert end.uses.total() == story.impatient_edge_uses
    root.backward()
    for number, node in enumerate(topological_order(root)):
        if node.is_leaf and node.requires_grad:
            scale = sum(map(abs, end.pile(number)))
            assert (
                close(end.total(number), node.grad)
                or abs(end.total(number) - node.grad) <= 1e-9 * scale
                or not math.isfinite(scale)
            )


def test_the_two_endings():
    story = trace(shared())
    whole, news = impatient(story, "pile"), impatient(story, "news")
    assert (ends_with(whole, "a"), ends_with(news, "a")) == (6.0, 4.0)
    assert whole.moves[-1].text.en.startswith("a ends with 6, and that is wrong")
    assert "derivative is 4" in whole.moves[-1].text.en
    assert news.moves[-1].text.en.startswith("a ends with 4, which is right, after 6 payments")
    assert whole.moment(len(whole.moves)).uses.total() == 6
    assert [move.kind for move in whole.moves] == ["seed", *["hurry"] * 6, "verdict"]


def test_where_waiting_costs_nothing_an_example_is_told():
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    play = impatient(trace((a + b) * (b + 1)))
    assert [node.name for node in play.story.nodes] == ["a", "b", "c"]
    assert "b = a + a, c = b + b" in play.start.en
    assert "b = a + a" in play.start.zh
    assert ends_with(play, "a") == 6.0


@pytest.mark.parametrize("tell", [path_by_path, impatient])
def test_long_walks_break_off_and_say_so(tell):
    play = tell(trace(ladder(20)))
    assert MOST_MOVES - 40 <= len(play.moves) <= MOST_MOVES + 1
    assert "We stop here" in play.moves[-1].text.en
    assert f"{play.total_uses:,}" in play.moves[-1].text.en


def test_a_leaf_that_is_the_root_has_no_path():
    play = path_by_path(trace(Value(3.0, label="x")))
    assert play.moves == []
    assert "no path" in play.start.en
    assert impatient(trace(Value(3.0, label="x"))).moves


class TestPasses:
    @given(programs())
    def test_leaves_accumulate_as_in_the_engine(self, program):
        root = graph_of(program)
        passes = Passes(trace(root))
        root.backward()
        for _ in range(2):
            root.backward()
            passes.again()
        self.assert_same(passes, root)
        for node in topological_order(root):
            if node.is_leaf:
                node.grad = 0.0
        passes.zero_grad()
        root.backward()
        passes.again()
        self.assert_same(passes, root)

    def assert_same(self, passes, root):
        end = passes.moment(len(passes.moves))
        for number, node in enumerate(topological_order(root)):
            if node.requires_grad:
                total = end.total(number)
                assert total == node.grad or (math.isnan(total) and math.isnan(node.grad))

    @given(programs())
    def test_a_step_moves_leaves_against_their_grad(self, program):
        root = graph_of(program)
        passes = Passes(trace(root))
        root.backward()
        leaves = [n for n in topological_order(root) if n.is_leaf and n.requires_grad]
        moved = [leaf.data - 0.25 * leaf.grad for leaf in leaves]
        assume(all(map(math.isfinite, moved)))
        assert passes.step(0.25)
        end = passes.moment(len(passes.moves))
        numbers = {node: i for i, node in enumerate(topological_order(root))}
        assert [end.values[numbers[leaf]] for leaf in leaves] == moved
        assert set(end.values) == set(numbers.values())
        assert all(end.total(numbers[leaf]) == leaf.grad for leaf in leaves)

    def test_forgotten_zero_grad_sends_descent_astray(self):
        def course(reset):
            w = Value(1.0, label="w")
            passes = Passes(trace(w * w))
            for _ in range(3):
                passes.step(0.5)
                if reset:
                    passes.zero_grad()
                passes.again()
            return passes.moment(len(passes.moves)).values[0]

        assert course(reset=True) == 0.0
        assert course(reset=False) == -1.0  # 1 - 1 = 0, 0 - 1 = -1, -1 - (2 + 0 - 2) / 2 = -1

    def test_says_what_a_leaf_had_kept(self):
        a, b = Value(2.0, label="a"), Value(1.0, label="b")
        passes = Passes(trace((a + b) * (b + 1)))
        passes.again()
        assert passes.moves[-1].text.en.endswith("5 + 5 = 10.")
        passes.zero_grad()
        passes.step()
        told = [move.text.en for move in passes.moves if move.kind == "step"]
        assert "nothing moves" in told[0]

    def test_a_step_says_what_moves_and_which_way(self):
        w = Value(1.0, label="w")
        passes = Passes(trace(w * w))  # x is what the root is called
        for rate in (0.1, -0.5):
            passes.step(rate)
        down, up = (move for move in passes.moves if move.kind == "step")
        assert (down.math, up.math) == ("w ← w − 0.1 · w.grad", "w ← w − (-0.5) · w.grad")
        assert "moves w by −0.1 times" in down.text.en
        assert "Not down" in up.text.en
        assert up.text.en.endswith("too large, too small or negative.")

    def test_a_leaf_that_is_the_root_is_paid_its_1_again(self):
        passes = Passes(trace(Value(3.0, label="x")))
        passes.again()
        assert passes.moves[-1].text.en.endswith("1 + 1 = 2.")
        assert passes.moment(len(passes.moves)).total(0) == 2.0

    def test_what_cannot_be_computed_anew_is_refused(self):
        x = Value(2.0, label="x")
        y = Value(8.0, (x,), (12.0,), op="cube")
        passes = Passes(trace(y))
        before = len(passes.moves)
        assert passes.step() is False
        assert len(passes.moves) == before
        with pytest.raises(ValueError, match="without a rule"):
            retold(trace(y), {0: 3.0})


def test_retold_keeps_names_and_scopes():
    with scope("layer 1"):
        x = Value(2.0, label="x")
        with scope("neuron 1"):
            y = (x * x).exp()
    story = trace(y + 1)
    again = retold(story, {0: 0.5})
    assert [n.name for n in again.nodes] == [n.name for n in story.nodes]
    assert [n.scope for n in again.nodes] == [n.scope for n in story.nodes]
    assert again.root.value == math.exp(0.25) + 1


def test_moments_are_the_same_whichever_way_one_comes():
    passes = Passes(trace(shared()))
    passes.again()
    passes.step()
    forwards = [passes.moment(i) for i in range(len(passes.moves) + 1)]
    assert forwards == [passes.moment(i) for i in reversed(range(len(passes.moves) + 1))][::-1]


def test_a_count_that_javascript_cannot_hold_is_told_as_its_digits():
    node = Value(1.0)
    for _ in range(54):
        node = node + node
    told = told_trace(trace(node))["ways"]
    # a number of JavaScript is exact up to 2**53 - 1
    assert told == [str(2**54), str(2**53), *(2**k for k in reversed(range(53)))]


def test_passes_go_on_where_leaves_were_frozen_later():
    a, b, c = (Value(x, label=name) for x, name in ((2.0, "a"), (3.0, "b"), (4.0, "c")))
    root = a * b + c
    a.requires_grad = b.requires_grad = False
    story = trace(root)
    again = retold(story, {3: 5.0})
    assert again.root.value == 11.0
    assert [n.name for n in again.nodes] == [n.name for n in story.nodes]
    assert [n.constant for n in again.nodes] == [n.constant for n in story.nodes]
    assert [e.text for e in again.edges] == [e.text for e in story.edges]
    passes = Passes(story)
    assert passes.step(0.5)
    assert passes.moment(len(passes.moves)).values[story.root.id] == 9.5
