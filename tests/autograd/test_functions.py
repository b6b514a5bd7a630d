"""The functions users call: n-ary ones as one node, what they take and refuse."""

import contextlib
import inspect
import itertools
import math
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import autograd
from autograd import Value, detect_anomaly, dot, equal, less, less_equal, scope, where
from autograd.functions import VALUES

N_ARY = [autograd.sum, autograd.mean, autograd.logsumexp]
LISTS = [autograd.softmax, autograd.log_softmax]


@pytest.mark.parametrize("function", N_ARY)
@pytest.mark.parametrize("gather", [list, tuple, iter, lambda xs: (x for x in xs), np.array])
def test_n_ary_functions_are_one_node_with_an_edge_per_operand(
    function: Callable[..., Value], gather: Callable[[list[Value]], Iterable[Value]]
) -> None:
    xs = [Value(1.0), Value(2.0), Value(4.0)]
    y = function(gather(xs))
    assert y.parents == tuple(xs)
    assert len(autograd.edges(y)) == 3
    assert function(*xs).data == y.data


def test_dot_is_one_node_with_an_edge_per_operand() -> None:
    w, x, b = [Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)], Value(5.0)
    y = dot(w, x, b)
    assert y.data == 16.0
    assert y.parents == (*w, *x, b)
    assert y.partials == (3.0, 4.0, 1.0, 2.0, 1.0)
    assert dot(w, [3, 4.0]).data == 11.0
    assert dot(np.array([3.0, 4.0]), w).data == 11.0
    assert dot([], [], 2.0).data == 2.0
    assert autograd.gradients(3.0 * dot([], [], b), [b]) == [3.0]
    assert dot(bias=1.0, inputs=x, weights=w).data == 12.0


def test_dot_wants_as_many_weights_as_inputs() -> None:
    with pytest.raises(ValueError, match="got 2 and 1"):
        dot([1.0, 2.0], [Value(1.0)])


@pytest.mark.parametrize("kind", [iter, tuple, list, dict.fromkeys])
def test_dot_reads_what_can_be_read_once(kind: Callable[[Any], Any]) -> None:
    w, x = [Value(2.0), Value(3.0)], [Value(5.0), Value(7.0)]
    for y in (dot(kind(w), x), dot(w, kind(x)), dot(kind(w), kind(x))):
        assert (y.data, y.parents[:4]) == (31.0, (*w, *x))
    with pytest.raises(ValueError, match="got 3 and 2"):
        dot(kind([*w, Value(1.0)]), x)


def test_one_value_is_no_sequence() -> None:
    with pytest.raises(TypeError, match="sequence"):
        dot(Value(1.0), [Value(1.0)])  # type: ignore[arg-type]


def test_the_sum_of_nothing_is_zero_and_other_functions_need_something() -> None:
    assert autograd.sum([]).data == 0.0
    assert autograd.sum().data == 0.0
    for function in (autograd.mean, autograd.logsumexp, *LISTS):
        with pytest.raises(ValueError, match="at least one"):
            function([])


def test_softmax_is_a_distribution_and_log_softmax_its_logarithm() -> None:
    xs = [Value(1000.0), Value(999.0), Value(-1000.0)]
    p, log_p = autograd.softmax(xs), autograd.log_softmax(xs)
    assert math.fsum(x.data for x in p) == pytest.approx(1.0, rel=1e-15)
    assert p[0].data == pytest.approx(1 / (1 + math.exp(-1)), rel=1e-13)
    assert p[2].data == 0.0
    assert log_p[2].data == pytest.approx(-2000 - math.log1p(math.exp(-1)), rel=1e-15)
    (-log_p[1]).backward()
    assert [x.grad for x in xs] == pytest.approx([p[0].data, p[1].data - 1, 0.0], rel=1e-12)


OFFSETS = [0.0, 1e15, -1e15, 2.0**60]


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_common_offset_of_the_logits_changes_nothing(offset: float) -> None:
    apart = 4.0 if offset < 2.0**60 else 512.0  # what a float that large still tells apart
    p = (1 / (1 + math.exp(-apart)), 1 / (1 + math.exp(apart)))
    xs = [Value(offset + apart), Value(offset)]
    assert [x.data for x in autograd.softmax(xs)] == pytest.approx(p, rel=1e-14)
    log_p = autograd.log_softmax(xs)
    (-log_p[1]).backward()
    assert log_p[1].data == pytest.approx(-apart - math.log1p(math.exp(-apart)), rel=1e-14)
    assert [x.grad for x in xs] == pytest.approx([p[0], p[1] - 1], rel=1e-13)
    program = autograd.compile(autograd.softmax(xs), inputs=xs, backend="numpy")
    assert program([], [[x.data for x in xs]])[0].tolist() == pytest.approx(p, rel=1e-14)


@pytest.mark.parametrize("logits", [
    [math.inf, 0.0], [math.inf, math.inf], [-math.inf, -math.inf], [math.nan, 0.0],
    [-math.inf, 0.0], [-math.inf, -math.inf, 3.0], [1e308, -1e308], [710.0, -710.0, 0.0],
])  # fmt: skip
def test_infinite_logits_are_as_in_pytorch(logits: list[float]) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    for ours, theirs in (
        (autograd.softmax, torch.softmax), (autograd.log_softmax, torch.log_softmax)
    ):  # fmt: skip
        xs = [Value(x) for x in logits]
        found = ours(xs)
        expected = theirs(tensor, 0)
        assert [y.data for y in found] == pytest.approx(expected.tolist(), nan_ok=True, rel=1e-14)
        [slopes] = torch.autograd.grad(expected[-1], tensor)
        assert autograd.gradients(found[-1], xs) == pytest.approx(
            slopes.tolist(), nan_ok=True, rel=1e-13
        )


def test_take_chooses_by_a_whole_index() -> None:
    xs, index = [Value(2.0), Value(3.0), Value(5.0)], Value(1.0)
    chosen = autograd.take(xs, index)
    (chosen * 10).backward()
    assert (chosen.data, [x.grad for x in xs], index.grad) == (3.0, [0.0, 10.0, 0.0], 0.0)
    assert chosen.parents == (*xs, index)
    assert autograd.take(xs, 2) is xs[2]
    assert autograd.take(xs, Value(0, requires_grad=False)) is xs[0]
    assert autograd.take((x for x in xs), np.int64(1)) is xs[1]


@pytest.mark.parametrize("index", [-1, 3, 0.5, math.nan, math.inf, Value(3.0), Value(-1.0)])
def test_take_refuses_an_index_that_leads_nowhere(index: Any) -> None:
    with pytest.raises(IndexError, match="3 values have the indices 0 to 2, got"):
        autograd.take([1.0, 2.0, 3.0], index)
    with pytest.raises(IndexError, match="0 values have no indices"):
        autograd.take([], index)


def test_a_compiled_program_takes_anew_for_every_row() -> None:
    xs, index = [Value(2.0), Value(3.0), Value(5.0)], Value(0.0)
    for backend in ("numpy", "auto"):
        program = autograd.compile(autograd.take(xs, index), [index], backend=backend)
        outputs = program([2.0, 3.0, 5.0], [[0.0], [2.0], [1.0], [3.0], [-1.0], [0.5]])[:, 0]
        assert outputs.tolist() == pytest.approx([2.0, 5.0, 3.0, *[math.nan] * 3], nan_ok=True)
        value, slopes = program.value_and_grad([2.0, 3.0, 5.0], [[0.0], [2.0], [2.0], [1.0]])
        assert (value, slopes.tolist()) == (3.75, [0.25, 0.25, 0.5])


def test_leaky_relu_s_slope_is_an_operand() -> None:
    x, slope = Value(-2.0), Value(0.1)
    y = autograd.leaky_relu(x, slope)
    y.backward()
    assert (y.data, x.grad, slope.grad) == (-0.2, 0.1, -2.0)
    assert autograd.leaky_relu(Value(-2.0)).data == -0.02
    assert Value(-2.0).leaky_relu(negative_slope=0.5).data == -1.0


# -- where and comparisons -------------------------------------------------------------------------


def test_where_with_a_plain_bool_chooses_now() -> None:
    a, b = Value(1.0), Value(2.0)
    assert where(True, a, b) is a
    assert where(np.bool_(False), a, b) is b
    assert where(a < b, a, 5).data == 1.0
    assert where(a > b, a, 5).data == 5.0


@pytest.mark.parametrize(("compare", "expected"), [
    (less, (1.0, 0.0, 0.0)), (less_equal, (1.0, 0.0, 1.0)), (equal, (0.0, 0.0, 1.0)),
])  # fmt: skip
def test_traced_comparisons_are_nodes(
    compare: Callable[..., Value], expected: tuple[float, ...]
) -> None:
    for (a, b), truth in zip([(1.0, 2.0), (2.0, 1.0), (1.0, 1.0)], expected, strict=True):
        x, y = Value(a), Value(b)
        condition = compare(x, y)
        chosen = where(condition, x * 10, y * 100)
        chosen.backward()
        assert condition.data == truth
        assert condition.parents == (x, y)
        assert (chosen.data, x.grad, y.grad) == (
            (a * 10, 10.0, 0.0) if truth else (b * 100, 0.0, 100.0)
        )


@pytest.mark.parametrize("condition", [-1.0, 5.0, math.nan, math.inf])
def test_a_condition_holds_when_it_is_not_zero(condition: float) -> None:
    assert where(Value(condition), 1.0, 2.0).data == 1.0
    assert where(Value(-0.0), 1.0, 2.0).data == 2.0


# -- what is refused -------------------------------------------------------------------------------

STRANGERS = ["1", None, 1j, True, [1.0], {}]


@pytest.mark.parametrize("stranger", STRANGERS, ids=repr)
@pytest.mark.parametrize("call", [
    autograd.exp, autograd.tanh, autograd.gelu, autograd.absolute, autograd.leaky_relu,
    lambda x: autograd.maximum(x, 1.0), lambda x: autograd.minimum(Value(1.0), x),
    lambda x: autograd.sum([1.0, x]), lambda x: autograd.mean(1.0, x), lambda x: dot([x], [1.0]),
    lambda x: dot([1.0], [x]), lambda x: dot([1.0], [1.0], x), lambda x: less(x, 1.0),
    lambda x: where(True, x, 1.0), lambda x: where(Value(1.0), 1.0, x),
])  # fmt: skip
def test_strangers_are_refused_by_name(call: Callable[[Any], Any], stranger: Any) -> None:
    with pytest.raises(TypeError, match="takes a real number, got"):
        call(stranger)


@pytest.mark.parametrize("call", [
    lambda x: autograd.exp(), lambda x: autograd.exp(x, x), lambda x: autograd.maximum(x),
    lambda x: x.tanh(x), lambda x: less(x), lambda x: autograd.maximum(x, x, x),
])  # fmt: skip
def test_the_wrong_number_of_operands_is_refused(call: Callable[[Value], Any]) -> None:
    with pytest.raises(TypeError, match=r"operand|argument"):
        call(Value(1.0))


def test_numbers_alone_give_constants() -> None:
    functions = [autograd.exp, autograd.sin, autograd.sigmoid, autograd.relu]
    for function, x in itertools.product(functions, (0, 0.5, np.float64(0.5))):
        y = function(x)
        assert type(y) is Value
        assert not y.requires_grad


def fixed(x: float) -> Value:
    """A constant."""
    return Value(x, requires_grad=False)


@pytest.mark.parametrize("mode", [contextlib.nullcontext, autograd.no_grad, detect_anomaly])
@pytest.mark.parametrize("number", [Value, fixed, float, np.float64])
def test_affine_is_a_dot_per_row(mode: Callable[[], Any], number: Callable[[float], Any]) -> None:
    weights = [[number(0.5), Value(-2.0)], [Value(3.0), number(0.25)]]
    inputs, biases = [Value(7.0), number(-1.5)], [Value(0.125), number(4.0)]
    with mode(), scope("layer"):
        together = autograd.affine(weights, inputs, biases)
        apart = [dot(row, inputs, bias) for row, bias in zip(weights, biases, strict=True)]
    for y, expected in zip(together, apart, strict=True):
        assert (y.data, y.op, y.scope) == (expected.data, expected.op, ("layer",))
        assert (y.requires_grad, y.partials) == (expected.requires_grad, expected.partials)
        assert [x.data for x in y.parents] == [x.data for x in expected.parents]
        for x, other in zip(y.parents, expected.parents, strict=True):
            assert x is other or not (x.requires_grad or other.requires_grad)


@pytest.mark.parametrize("row", [[1.0], [1.0, 2.0, 3.0], []])
@pytest.mark.parametrize("bias", [Value(1.0), 1.0])
def test_affine_wants_rows_as_long_as_the_inputs(row: list[float], bias: Any) -> None:
    with pytest.raises(ValueError, match="as many weights as inputs"):
        autograd.affine([row], [Value(1.0), 2.0], [bias])


def test_affine_wants_a_bias_for_each_row() -> None:
    with pytest.raises(ValueError, match="2 rows and 1 biases"):
        autograd.affine([[1.0], [2.0]], [3.0], [0.5])
    assert autograd.affine([], [3.0], []) == []


def test_messages_name_the_function_that_was_called() -> None:
    with pytest.raises(ValueError, match=r"^softmax of no values"):
        autograd.softmax([])
    with pytest.raises(TypeError, match=r"^exp takes 1 operand, got 2$"):
        autograd.exp(1.0, 2.0)


def test_functions_of_a_fixed_number_of_operands_are_methods_and_others_are_not() -> None:
    for name in ("tanh", "relu", "clip", "absolute", "maximum"):
        assert callable(getattr(Value, name))
    for name in ("sum", "mean", "dot", "take", "logsumexp", "softmax", "where", "add", "_largest"):
        assert not hasattr(Value, name)


def test_help_shows_how_to_call() -> None:
    shown = {
        name: str(inspect.signature(getattr(autograd, name))) for name in ("clip", "elu", "sqrt")
    }
    assert shown == {"clip": "(x, low, high)", "elu": "(x, alpha=1.0)", "sqrt": "(x)"}
    assert str(inspect.signature(VALUES.sum)) == "(*operands)"
    assert autograd.sqrt.__name__ == autograd.sqrt.__qualname__ == "sqrt"
    assert (autograd.sum.__name__, autograd.sum.__qualname__) == ("sum", "sum")
    assert autograd.sqrt.__doc__ == "sqrt of Values or numbers, as a Value."
    assert str(autograd.sum.__doc__).startswith("sum of an iterable of Values or numbers, or of")
    assert pickle.loads(pickle.dumps(autograd.sqrt)) is autograd.sqrt


def test_a_condition_is_a_truth_or_a_number() -> None:
    a, b = Value(1.0), Value(2.0)
    for true in (True, 1, 0.5, math.nan, np.bool_(True), np.array(True), np.float64(2.0)):
        assert where(true, a, b) is a
    for false in (False, 0, -0.0, np.bool_(False), Value(0.0, requires_grad=False)):
        assert where(false, a, b) is b
    for wrong in ([], [0.0], "no", None):  # of which the second and third would count as true
        with pytest.raises(TypeError, match="the condition of where takes a real number, got"):
            where(wrong, a, b)
