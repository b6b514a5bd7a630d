"""Edges, paths, and counting them: the naive method agrees where it can finish at all."""

import itertools
import math

import pytest
from hypothesis import given

import autograd
from autograd import Edge, Value, count_paths, edges, paths, topological_order
from autograd.graph import count_edge_uses
from tests.strategies import Program, payback_operations, programs, result


def ladder(x: Value, levels: int) -> Value:
    for _ in range(levels):
        x = x + x
    return x


def seed_graph() -> tuple[Value, Value, Value]:
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    return (a + b) * (b + 1), a, b


def test_the_seed_graph_has_five_edges_and_three_paths() -> None:
    e, a, b = seed_graph()
    c, d = e.parents
    assert edges(e) == [
        Edge(c, a, 0, 1.0),
        Edge(c, b, 1, 1.0),
        Edge(d, b, 0, 1.0),
        Edge(e, c, 0, 2.0),
        Edge(e, d, 1, 3.0),
    ]
    assert (count_paths(e, a), count_paths(e, b)) == (1, 2)
    assert count_edge_uses(e) == 6
    assert [(path.nodes, path.product) for path in paths(e, b)] == [
        ((e, c, b), 2.0),
        ((e, d, b), 3.0),
    ]


def test_nothing_leads_through_what_was_frozen_since() -> None:
    x, y = Value(2.0), Value(3.0)
    inside = x * y
    frozen = ladder(inside, 40)
    root = frozen + x * 5.0
    before = [count_paths(root, x), count_paths(root, y), count_edge_uses(root), len(edges(root))]
    assert before == [2**40 + 1, 2**40, 2**40 * 42 * 2 + 2, 85]
    frozen.requires_grad = False
    assert [(edge.consumer, edge.parent) for edge in edges(root)] == [
        (root.parents[1], x), (root, root.parents[1]),
    ]  # fmt: skip
    assert [count_paths(root, x), count_paths(root, y), count_edge_uses(root)] == [1, 0, 2]
    assert [path.product for path in paths(root, x)] == [5.0]
    assert [*paths(root, y)] == []


def test_no_walk_enters_what_leads_to_a_frozen_result_alone() -> None:
    x = Value(2.0)
    frozen = x * x
    root = ladder(frozen, 60) + x
    frozen.requires_grad = False
    assert [path.nodes for path in paths(root, x)] == [(root, x)]


def test_a_square_has_two_edges_and_two_paths() -> None:
    x = Value(3.0)
    assert [(edge.slot, edge.partial) for edge in edges(x * x)] == [(0, 3.0), (1, 3.0)]
    assert [path.product for path in paths(x * x, x)] == [3.0, 3.0]


def test_there_is_no_edge_to_a_constant() -> None:
    x = Value(3.0)
    y = 2.0 * x + 1.0
    assert {edge.parent for edge in edges(y)} == {x, y.parents[0]}
    constant = y.parents[1]
    assert count_paths(y, constant) == 0
    assert list(paths(y, constant)) == []


def test_a_leaf_alone() -> None:
    x, y = Value(1.0), Value(2.0)
    assert edges(x) == []
    assert count_paths(x, x) == 1
    assert [(path.nodes, path.product) for path in paths(x, x)] == [((x,), 1.0)]
    assert count_paths(x * 2, y) == 0
    assert list(paths(x * 2, y)) == []


def test_paths_to_an_interior_node() -> None:
    x = Value(3.0)
    y = x * x
    z = y + y
    assert count_paths(z, y) == 2
    assert [path.nodes for path in paths(z, y)] == [(z, y), (z, y)]


@pytest.mark.parametrize("levels", [1, 2, 10, 64, 300])
def test_the_ladder_is_counted_exactly(levels: int) -> None:
    x = Value(1.0)
    root = ladder(x, levels)
    assert count_paths(root, x) == 2**levels
    assert len(edges(root)) == 2 * levels
    assert count_edge_uses(root) == levels * 2**levels


def test_paths_are_walked_lazily() -> None:
    x = Value(1.0)
    few = list(itertools.islice(paths(ladder(x, 64), x), 5))
    assert len(few) == 5
    assert all(len(path.nodes) == 65 and path.product == 1.0 for path in few)
    assert len({path.edges for path in few}) == 5


def test_a_path_through_a_long_chain() -> None:
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = -y
    [path] = paths(y, x)
    assert len(path.nodes) == 100_001
    assert path.product == 1.0


@given(programs(max_steps=12))
def test_collecting_along_all_paths_gives_what_the_repayment_gives(program: Program) -> None:
    leaves = [Value(x) for x in program.inputs]
    root = result(program, leaves, payback_operations())
    if not isinstance(root, Value) or not root.requires_grad:
        return
    root.backward()
    for leaf in leaves:
        ways = count_paths(root, leaf)
        if ways > 2000:
            continue
        walked = [path.product for path in paths(root, leaf)]
        assert len(walked) == ways
        scale = math.fsum(map(abs, walked))
        seeded = leaf.grad if leaf is not root else 1.0
        assert abs(math.fsum(walked) - seeded) <= 1e-12 * scale


@given(programs())
def test_edges_are_those_of_the_nodes_in_topological_order(program: Program) -> None:
    leaves = [Value(x) for x in program.inputs]
    root = autograd.sum([result(program, leaves, payback_operations())])
    expected = [
        Edge(node, parent, slot, node.partials[slot])
        for node in topological_order(root)
        for slot, parent in enumerate(node.parents)
        if parent.requires_grad
    ]
    assert edges(root) == expected
    uses = sum(
        len(path.edges)
        for leaf in leaves
        if count_paths(root, leaf) <= 500
        for path in paths(root, leaf)
    )
    assert uses <= count_edge_uses(root)
