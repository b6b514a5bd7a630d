"""Several dots at once, and scopes that are entered again and again."""

import copy
import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import AnomalyError, Value, affine, detect_anomaly, dot, no_grad, scope

numbers = st.floats(-1e3, 1e3)


def values(data):
    return [Value(number) for number in data]


@given(st.integers(1, 4).flatmap(lambda n: st.tuples(
    st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=1, max_size=3),
    st.lists(numbers, min_size=n, max_size=n),
)))  # fmt: skip
def test_affine_is_a_dot_for_every_row(drawn):
    rows, inputs = drawn
    weights, xs = [values(row) for row in rows], values(inputs)
    biases = values(inputs[:1] * len(rows))
    for node, row, bias in zip(affine(weights, xs, biases), weights, biases):
        single = dot(row, xs, bias)
        assert (node.data, node.parents, node.partials) == (
            single.data, single.parents, single.partials,
        )  # fmt: skip
        assert (node.op, node.requires_grad, node.grad) == ("dot", True, 0.0)


def test_numbers_among_the_operands_become_constants():
    w, x = Value(2.0), Value(3.0)
    first, second, third = affine([[w, 1.0], [1.0, 2], [0.5, 0.5]], [x, 4.0], [0.0, w, 1])
    assert [node.data for node in (first, second, third)] == [10.0, 13.0, 4.5]
    (first + second + third).backward()
    assert (w.grad, x.grad) == (4.0, 3.5)


def test_constants_alone_make_constants():
    (node,) = affine([[1.0, 2.0]], [3.0, 4.0], [5.0])
    assert (node.data, node.parents, node.requires_grad) == (16.0, (), False)


def test_nothing_is_recorded_under_no_grad():
    with no_grad():
        (node,) = affine([values([1.0])], values([2.0]), values([3.0]), [scope("here")])
    assert (node.data, node.parents) == (5.0, ())


def test_anomalies_are_found():
    with detect_anomaly(), pytest.raises(AnomalyError, match="dot"):
        affine([values([float("inf")])], values([0.0]), values([0.0]))


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="as many weights as inputs, got 1 and 2"):
        affine([values([1.0])], values([1.0, 2.0]), values([0.0]))


def test_each_row_lies_in_its_scope_within_the_outer_ones():
    with scope("layer"):
        nodes = affine(
            [values([1.0])] * 2, values([2.0]), values([0.0] * 2), [scope("a"), scope("b")]
        )
    assert [node.scope for node in nodes] == [("layer", "a"), ("layer", "b")]


def test_one_scope_can_be_entered_anywhere_and_again():
    box = scope("box")
    with box, box:
        assert Value(1.0).scope == ("box", "box")
    with scope("outer"), box:
        assert Value(1.0).scope == ("outer", "box")
    assert Value(1.0).scope == ()
    assert box.run(Value, 1.0).scope == ("box",)


def test_a_scope_ends_however_its_block_ends():
    box = scope("box")
    for enter in (
        lambda: box.run(int, "x"),
        lambda: scope.run_each([box], [int], ["x"]),
    ):
        with pytest.raises(ValueError, match="invalid literal"):
            enter()
        assert Value(1.0).scope == ()


def test_a_scope_keeps_the_modes_around_it():
    with no_grad():
        assert scope("box").run(lambda x: x * x, Value(2.0)).parents == ()
    with detect_anomaly(), pytest.raises(AnomalyError):
        scope("box").run(lambda x: x * x - x * x, Value(float("inf")))


def test_threads_can_share_a_scope():
    box, seen = scope("box"), []

    def work():
        for _ in range(200):
            box.run(lambda: seen.append(Value(1.0).scope))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [("box",)] * 800


def test_scopes_copy_and_pickle():
    for other in (copy.deepcopy(scope("a")), pickle.loads(pickle.dumps(scope("a")))):
        assert repr(other) == "scope('a')"
        assert other.run(Value, 1.0).scope == ("a",)


def test_a_bias_is_needed_for_each_row():
    with pytest.raises(ValueError, match="got 2 rows and 1 biases"):
        affine([values([1.0])] * 2, values([1.0]), values([0.0]))
