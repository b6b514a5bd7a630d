"""Questions answered from the top of a graph, against the whole of it."""

from itertools import pairwise

from hypothesis import assume, given

from autograd import Value, topological_order
from nn.graphs import depends, edges, learns, waves
from tests.strategies import Program, payback_operations, programs, result


@given(programs(max_steps=12))
def test_the_answers_are_those_of_the_whole_graph(program: Program) -> None:
    leaves = [Value(x) for x in program.inputs]
    root = result(program, leaves, payback_operations())
    assume(isinstance(root, Value) and root.requires_grad)
    nodes, found = topological_order(root), [*waves([root])]
    assert found[0] == {root}
    assert sorted(map(id, nodes)) == sorted(id(node) for wave in found for node in wave)
    for consumers, wave in pairwise(found):
        assert wave <= {parent for node in consumers for parent in node.parents}
    total = sum(len(node.parents) for node in nodes)
    assert edges([root], total + 1) == total
    for enough in range(1, total + 1):
        assert enough <= edges([root], enough) <= total
    for leaf in leaves:
        assert depends(root, [Value(0.0), leaf]) == (leaf in nodes)


def test_counting_ends_with_the_wave_that_is_enough() -> None:
    x = Value(0.5)
    chain = x.sin().cos().tanh()
    assert [edges([chain], enough) for enough in (1, 2, 3, 4)] == [1, 2, 3, 3]


def test_constants_and_computed_numbers_do_not_learn() -> None:
    constant, x = Value(1.0, requires_grad=False), Value(2.0)
    assert [learns(node) for node in (constant, x, x * x)] == [False, True, False]
    assert not depends(x * constant, [constant])
    assert not depends((x * x) * 2.0, [])
