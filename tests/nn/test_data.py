"""Examples: what is taken, and what is refused with a word on where it is."""

import re
from collections import deque
from fractions import Fraction
from itertools import chain
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn.data import Examples, examples, order_array, order_of, orders, rows, targets_of

numpy = pytest.importorskip("numpy")


def test_lists_tuples_and_numbers_of_any_real_kind_become_floats():
    got = examples([(1, Fraction(1, 2)), [numpy.float32(2.5), True]], [0, numpy.int64(1)])
    assert list(got.rows()) == [([1.0, 0.5], 0.0), ([2.5, 1.0], 1.0)]
    assert {type(number) for row, _ in got.rows() for number in row} == {float}


def test_truths_of_numpys_and_arrays_without_axes_are_numbers_in_rows_too():
    row = [numpy.float64(2.0) > 1.0, numpy.array(0.5), numpy.array(3)]
    assert examples([row], [0]).row(0) == ([1.0, 0.5, 3.0], 0.0)
    for wrong in (numpy.array([1.0]), numpy.array(1j), numpy.array("1"), numpy.datetime64(0, "D")):
        with pytest.raises(TypeError, match=r"X\[0\]\[1\] should be a number"):
            examples([[1.0, wrong]], [0])
    with pytest.raises(ValueError, match=r"X\[0\]\[0\] is nan"):
        examples([[numpy.array(numpy.nan)]], [0])


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool", "object"])
def test_arrays_give_the_same_rows(dtype):
    X, y = numpy.array([[1, 0], [1, 1], [0, 1]], dtype), numpy.array([1, 0, 1], dtype)
    got = examples(X, y)
    assert list(got.rows()) == [([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0), ([0.0, 1.0], 1.0)]


def test_any_sequence_will_do():
    got = examples([range(2), deque([3, 4])], range(5, 7))
    assert [*got.rows()] == [([0.0, 1.0], 5.0), ([3.0, 4.0], 6.0)]
    for text in ("hello", b"hello"):
        with pytest.raises(TypeError, match="X should be a list or an array"):
            examples(text, range(5))
        with pytest.raises(TypeError, match=r"X\[0\] should be a row of numbers"):
            examples([text], [1])


def test_a_list_of_arrays_will_do():
    assert examples([numpy.array([1.0, 2.0])], [numpy.array([3.0])]).row(0) == ([1.0, 2.0], [3.0])


def test_what_an_array_can_be_made_of_will_do():
    class Frame:
        def __array__(self, dtype=None, copy=None):
            return numpy.array([[1.0, 2.0]])

    assert rows(Frame()) == [[1.0, 2.0]]


def test_what_turns_into_a_list_is_not_asked_for_an_array():
    """A tensor of PyTorch that requires a gradient would refuse."""

    class Tensor:
        def tolist(self):
            return [[1.0, 2.0]]

        def __array__(self):
            raise RuntimeError

    assert rows(Tensor()) == [[1.0, 2.0]]


def test_large_arrays_are_not_copied():
    X = numpy.zeros((10, 2))
    assert rows(X) is X


def test_distinct_targets():
    assert sorted(Examples([[0.0]] * 4, [1.0, 0.0, 1.0, 1.0]).distinct_targets()) == [0.0, 1.0]
    assert Examples([[0.0]] * 2, [[1.0, 2.0]] * 2).distinct_targets() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([], [], ValueError, "X is empty"),
        ([[]], [1], TypeError, r"X\[0\] should be a row of numbers"),
        ([1.0, 2.0], [1, 2], ValueError, r"X should be a list of rows.*\[\[x\] for x in X\]"),
        ("hello", [1], TypeError, "X should be a list or an array, got str 'hello'"),
        (None, [1], TypeError, "X should be a list or an array, got NoneType"),
        (3.0, [1], TypeError, "X should be a list or an array, got float"),
        ([[1.0], [1.0, 2.0]], [1, 2], ValueError, r"X\[1\] has 2 numbers, X\[0\] has 1"),
        ([[1.0], 2.0], [1, 2], TypeError, r"X\[1\] should be a row of numbers, got float 2.0"),
        ([[1.0], ["a"]], [1, 2], TypeError, r"X\[1\]\[0\] should be a number, got str 'a'"),
        ([[1.0], [None]], [1, 2], TypeError, r"X\[1\]\[0\] should be a number, got NoneType"),
        ([[1.0], [float("nan")]], [1, 2], ValueError, r"X\[1\]\[0\] is nan"),
        ([[1.0], [float("inf")]], [1, 2], ValueError, r"X\[1\]\[0\] is inf"),
        ([[1.0], [10**5000]], [1, 2], ValueError, r"X\[1\]\[0\] is too large for a float"),
        ([[1.0]], [float("nan")], ValueError, r"y\[0\] is nan"),
        ([[1.0]], ["cat"], TypeError, r"y\[0\] should be a number, got str 'cat'"),
        ([[1.0]], [], ValueError, "y is empty"),
        ([[1.0], [2.0]], [1], ValueError, "X has 2 rows, y has 1 targets"),
        ([[1.0], [2.0]], [[1], [1, 2]], ValueError, r"y\[1\] has 2 numbers, y\[0\] has 1"),
        (numpy.ones(3), [1, 2, 3], ValueError, r"shape \(3,\); .*X\.reshape\(-1, 1\)"),
        (numpy.ones((2, 2, 2)), [1, 2], ValueError, r"2 axes, got shape \(2, 2, 2\)"),
        (numpy.ones((0, 2)), [], ValueError, "X is empty"),
        (numpy.array([[1.0, numpy.nan]]), [1], ValueError, r"X\[0, 1\] is nan"),
        (numpy.array([["a"]]), [1], TypeError, r"X\[0\]\[0\] should be a number, got str 'a'"),
        (numpy.array([[1j]]), [1], TypeError, r"X\[0\]\[0\] should be a number, got complex"),
        ([[1.0]], numpy.array(3.0), ValueError, r"1 or 2 axes, got shape \(\)"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(X, y, error, message):
    with pytest.raises(error, match=message) as raised:
        examples(X, y)
    assert re.match(r"(one target per row: X|X|y)\b", str(raised.value))


@given(n=st.integers(1, 300), seed=st.integers(0, 10))
def test_both_engines_draw_the_same_orders_and_every_example_once(n, seed):
    eager, compiled = Random(seed), Random(seed)
    orders = [order_of(n, eager) for _ in range(3)]
    assert [*chain(*orders)] == order_array(n, 3, compiled).tolist()
    assert all(sorted(order) == list(range(n)) for order in orders)


def test_without_shuffling_the_order_is_that_given():
    assert order_of(4, None) == [0, 1, 2, 3]
    assert order_array(4, 2, None).tolist() == [0, 1, 2, 3] * 2


def test_orders_are_as_good_as_random():
    rng, firsts = Random(0), [0] * 5
    for _ in range(2000):
        firsts[order_of(5, rng)[0]] += 1
    assert min(firsts) > 330
    assert max(firsts) < 470


def test_masked_arrays_are_refused_where_they_have_holes():
    numpy = pytest.importorskip("numpy")
    held = numpy.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 0], [0, 1]])
    with pytest.raises(ValueError, match=r"X\[1, 1\] is masked"):
        examples(held, [1, 2])
    with pytest.raises(ValueError, match=r"y\[1\] is masked"):
        examples([[1.0], [2.0]], held[:, 1])
    with pytest.raises(TypeError, match=r"X\[1\]\[1\] should be a number, got NoneType"):
        examples([held[0], held[1]], [1, 2])
    whole = numpy.ma.array([[1.0, 2.0]], mask=False)
    assert examples(whole, [1]).row(0) == ([1.0, 2.0], 1)


def test_tables_and_targets_have_the_names_of_the_arguments():
    for bad in ("text", numpy.ones((2, 2, 2)), [float("nan")]):
        with pytest.raises((TypeError, ValueError), match=r"^X\b"):
            rows(bad)
        with pytest.raises((TypeError, ValueError), match=r"^y\b"):
            targets_of(bad)


def test_orders_go_on_after_those_of_earlier_epochs():
    source = Random(3)
    drawn = [order_of(5, source) for _ in range(4)]
    assert [order_of(5, orders(3, 5, epochs)) for epochs in range(4)] == drawn
    assert sorted(order_of(5, orders(None, 5, 2))) == [*range(5)]


def test_what_is_learned_from_does_not_change_with_the_callers_arrays_or_by_a_model():
    X, y = numpy.array([[1.0, 2.0]]), numpy.array([[3.0]])
    for learned in (examples(X, y), examples([[1.0, 2.0]], [[3.0]])):
        for numbers in learned.row(0):
            numbers[0] = 7.0
        X[:], y[:] = 8.0, 9.0
        assert learned.row(0) == ([1.0, 2.0], [3.0])
        X[:], y[:] = [[1.0, 2.0]], 3.0
