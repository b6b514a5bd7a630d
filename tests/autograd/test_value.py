"""`Value`: what it takes and refuses, its operators on both sides, how it shows, copies, dies."""

import copy
import gc
import math
import operator
import pickle
import weakref
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
import nn
from autograd import Value

# -- what a Value is -------------------------------------------------------------------------------


def test_the_example_of_the_repayment() -> None:
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    e = (a + b) * (b + 1)
    e.backward()
    assert (e.data, a.grad, b.grad) == (6.0, 2.0, 5.0)
    assert (e.op, [parent.op for parent in e.parents], e.partials) == (
        "mul",
        ["add", "add"],
        (2, 3),
    )


def test_a_leaf() -> None:
    x = Value(3)
    assert (x.data, type(x.data), x.item(), x.grad) == (3.0, float, 3.0, 0.0)
    assert (x.label, x.op, x.parents, x.partials) == ("", "", (), ())
    assert x.is_leaf
    assert x.requires_grad
    assert not Value(3.0, requires_grad=False).requires_grad


def test_repeated_operands_stay_two() -> None:
    x = Value(3.0)
    assert (x * x).parents == (x, x)
    assert (x * x).partials == (3.0, 3.0)


@pytest.mark.parametrize(
    "data", [3, 3.0, Fraction(1, 2), np.float64(0.1), np.float32(0.5), np.int64(7), np.uint8(255)]
)
def test_any_real_number_is_stored_as_a_float(data: Any) -> None:
    x = Value(data)
    assert type(x.data) is float
    assert x.data == float(data)
    x.data = 0
    x.data = data
    assert type(x.data) is float
    assert x.data == float(data)


@pytest.mark.parametrize(("data", "advice"), [
    ("1.5", r"float\(\) of it"),
    (None, "got None"),
    (1 + 2j, ".real"),
    (True, "1.0 or 0.0"),
    (np.bool_(True), "1.0 or 0.0"),
    ([1.0, 2.0], r"\[Value\(x\) for x in data\]|numbers one by one\?"),
    ((1.0,), r"\[Value\(x\) for x in data\]|numbers one by one\?"),
    (np.array([1.0, 2.0]), r"\[Value\(x\) for x in data\.tolist\(\)\]|one by one, \.tolist\(\)\?"),
    (np.array(1.0), r"\.item\(\)"),
    (np.complex128(1j), ".real"),
    (Value(1.0), r"\.detach\(\)"),
    (b"1", "bytes"),
    ({}, "dict"),
    (object(), "object"),
])  # fmt: skip
def test_what_is_no_real_number_is_refused_with_advice(data: Any, advice: str) -> None:
    for attempt in (lambda: Value(data), lambda: setattr(Value(0.0), "data", data)):
        with pytest.raises(TypeError, match="real number, got") as caught:
            attempt()
        assert caught.match(advice)


def test_a_number_beyond_the_range_of_floats_is_refused() -> None:
    with pytest.raises(OverflowError, match="range of a float"):
        Value(10**400)


@pytest.mark.parametrize("attempt", [
    lambda: Value(1.0, label=3),  # type: ignore[arg-type]
    lambda: Value(1.0, label=None),  # type: ignore[arg-type]
    lambda: setattr(Value(1.0), "label", 3),
    lambda: Value(1.0, (Value(2.0),), (1.0,), op=7),  # type: ignore[arg-type]
])  # fmt: skip
def test_names_are_text(attempt: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="is a str, got"):
        attempt()


def test_labels_hold_anything_and_can_be_assigned() -> None:
    x = Value(1.0, label="<script>\n'\"权重\\N")
    assert x.label == "<script>\n'\"权重\\N"
    x.label = ""
    assert x.label == ""
    y = x + 1
    y.label = "y"
    assert y.label == "y"


def test_slots_take_no_other_attributes() -> None:
    x = Value(1.0)
    assert not hasattr(x, "__dict__")
    with pytest.raises(AttributeError):
        x.gradient = 1.0  # type: ignore[attr-defined]


# -- operations of the user's own ------------------------------------------------------------------


def test_a_user_states_an_operation_of_her_own() -> None:
    x = Value(0.5)
    y = Value(math.sin(x.data), (x,), (math.cos(x.data),), op="my sin")
    z = y * y
    z.backward()
    assert (y.op, y.primitive, y.is_leaf) == ("my sin", None, False)
    assert x.grad == pytest.approx(2 * math.sin(0.5) * math.cos(0.5), rel=1e-15)


def test_partials_are_stored_as_floats() -> None:
    x = Value(1.0)
    node = Value(2.0, [x, x], [1, np.float32(0.5)], op="mine")
    assert node.parents == (x, x)
    assert [type(p) for p in node.partials] == [float, float]


@pytest.mark.parametrize(("parents", "partials", "error", "match"), [
    ((Value(1.0),), (), ValueError, "1 parents and 0 partials"),
    ((), (1.0,), ValueError, "0 parents and 1 partials"),
    ((1.0,), (1.0,), TypeError, "parents are Values, got float"),
    ((Value(1.0),), ("1",), TypeError, "a partial is a real number"),
    ((Value(1.0),), (None,), TypeError, "a partial is a real number"),
])  # fmt: skip
def test_a_badly_stated_operation_is_refused(
    parents: Any, partials: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        Value(1.0, parents, partials, op="mine")


def test_an_operation_on_constants_is_a_constant() -> None:
    c = Value(1.0, requires_grad=False)
    node = Value(2.0, (c,), (2.0,), op="mine")
    assert not node.requires_grad
    assert node.parents == ()


# -- operators on both sides -----------------------------------------------------------------------

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
NUMBERS = [3, 2.5, Fraction(5, 2), np.float64(2.5), np.float32(2.5), np.int64(3), np.array(2.5)[()]]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("operation", BINARY)
def test_numbers_on_either_side(operation: Callable[[Any, Any], Value], number: Any) -> None:
    x = Value(1.5)
    for node, expected, slot in [
        (operation(x, number), operation(1.5, float(number)), 0),
        (operation(number, x), operation(float(number), 1.5), 1),
    ]:
        assert type(node) is Value
        assert node.data == expected
        assert node.parents[slot] is x
        other = node.parents[1 - slot]
        assert other.is_leaf
        assert not other.requires_grad
        assert other.data == float(number)


@pytest.mark.parametrize("truth", [True, False, np.True_, np.False_])
@pytest.mark.parametrize("operation", BINARY)
def test_bools_are_numbers_in_operators(operation: Callable[[Any, Any], Value], truth: Any) -> None:
    x = Value(1.5)
    assert operation(x, truth).data == operation(x, float(truth)).data
    assert operation(truth, x).data == operation(float(truth), x).data
    assert ((x > 0) * x).parents[1] is x
    masked = x * np.array([True, False])
    assert [y.data for y in masked] == [1.5, 0.0]
    assert (x < True, x >= truth) == (False, True)


@pytest.mark.parametrize("operation", BINARY)
def test_values_on_both_sides(operation: Callable[[Any, Any], Value]) -> None:
    x, y = Value(1.5), Value(2.5)
    node = operation(x, y)
    assert node.parents == (x, y)
    assert node.data == operation(1.5, 2.5)


@pytest.mark.parametrize("operation", [operator.neg, operator.pos, abs])
def test_unary_operators(operation: Callable[[Any], Value]) -> None:
    x = Value(-1.5)
    assert operation(x).data == operation(-1.5)
    assert operation(x).parents == (x,)


@pytest.mark.parametrize("operation", BINARY)
@pytest.mark.parametrize("stranger", ["1", None, [1.0], {}, 1j, object(), b"1"])
def test_strangers_are_refused_on_either_side(
    operation: Callable[[Any, Any], Value], stranger: Any
) -> None:
    for operands in [(Value(1.0), stranger), (stranger, Value(1.0))]:
        with pytest.raises(TypeError):
            operation(*operands)


def test_a_stranger_that_knows_values_gets_its_turn() -> None:
    class Stranger:
        def __radd__(self, other: Any) -> str:
            return "right"

        def __gt__(self, other: Any) -> bool:
            return True

        __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __radd__

    for operation in BINARY:
        assert operation(Value(1.0), Stranger()) == "right"
    assert Value(1.0) < Stranger()


@pytest.mark.parametrize("operation", [
    operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow,
])  # fmt: skip
def test_in_place_operators_make_new_nodes(operation: Callable[[Any, Any], Value]) -> None:
    x = before = Value(2.0)
    x = operation(x, 3.0)
    assert x is not before
    assert before.data == 2.0
    assert x.parents[0] is before


def test_results_of_constants_are_constants() -> None:
    a, b = Value(2.0, requires_grad=False), Value(3.0, requires_grad=False)
    for node in (a * b, a + 1, -a, autograd.exp(a), autograd.dot([a], [b])):
        assert node.parents == ()
        assert not node.requires_grad
    assert autograd.exp(0.0).data == 1.0


@given(st.floats(), st.floats())
def test_arithmetic_is_that_of_ieee_754(a: float, b: float) -> None:
    x, y = Value(a), Value(b)
    with np.errstate(all="ignore"):
        expected = [np.add(a, b), np.subtract(a, b), np.multiply(a, b), np.divide(a, b)]
    for node, number in zip([x + y, x - y, x * y, x / y], expected, strict=True):
        assert same_float(node.data, float(number))


def same_float(a: float, b: float) -> bool:
    """Equal bit for bit, except that a nan is a nan."""
    return (math.isnan(a) and math.isnan(b)) or repr(a) == repr(b)


# -- paying by hand, and the names of micrograd ----------------------------------------------------


def test_a_lesson_pays_by_hand() -> None:
    a, b = Value(2.0), Value(1.0)
    c, d = a + b, b + 1
    e = c * d
    e.grad = 1.0
    for node in (e, c, d):
        node.pay()
    assert [x.grad for x in (c, d, a, b)] == [2.0, 3.0, 2.0, 5.0]
    a.pay()  # a leaf owes nobody
    assert d.parents[1].grad == 0.0, "nothing is paid to a constant"
    e.pay()
    assert (e.grad, c.grad, d.grad, a.grad) == (1.0, 4.0, 6.0, 2.0)


def test_paying_twice_along_two_edges() -> None:
    a = Value(3.0)
    y = a * a
    y.grad = 0.5
    y.pay()
    assert a.grad == 3.0


def test_paying_by_hand_in_topological_order_is_backward() -> None:
    def loss(x: Value, w: list[Value]) -> Value:
        return (autograd.dot(w, [x, x * x, x.tanh()]) - 2).relu() ** 2 + x.exp()

    (x, *w), (u, *v) = ([Value(k / 3) for k in (1, 2, 7, 9)] for _ in range(2))
    y, z = loss(x, w), loss(u, v)
    y.backward()
    z.grad = 1.0
    for node in reversed(autograd.topological_order(z)):
        node.pay()
    assert [n.grad for n in (x, *w)] == pytest.approx([n.grad for n in (u, *v)], rel=1e-15)


def test_code_written_for_micrograd_finds_its_names() -> None:
    a, b = Value(2.0), Value(-3.0)
    nodes = [a + b, a * b, a**2, a**0.5, a.relu(), a.tanh(), a.exp(), a - b, a / b, a]
    symbols = ["+", "*", "**2", "**0.5", "ReLU", "tanh", "exp", "-", "/", ""]
    assert [node._op for node in nodes] == symbols
    assert nodes[0]._prev == (a, b)
    assert set((a * a)._prev) == {a}
    assert a._prev == ()
    assert Value(1.0, (a,), (2.0,), op="mine")._op == "mine"
    y = a * b
    y.grad = 2.0
    y._backward()
    assert (a.grad, b.grad) == (-6.0, 4.0)


# -- subclasses ------------------------------------------------------------------------------------


class Weight(Value):
    """A Value with attributes of its own."""

    def __init__(self, data: float, name: str) -> None:
        super().__init__(data, label=name)
        self.name = name
        self.history = [data]


class Slotted(Value):
    __slots__ = ("note", "unset")


class Private(Slotted):
    __slots__ = ("__own",)

    def own(self, given: object = None) -> object:
        self.__own = given or self.__own
        return self.__own


class Single(Value):
    __slots__ = "alone"


def test_a_subclass_is_first_class() -> None:
    w, x = Weight(2.0, "w"), Value(3.0)
    for y, expected in [
        (w * x, 3.0), (x * w, 3.0), (w * 4, 4.0), (w.exp(), math.exp(2.0)),
        (autograd.sin(w), math.cos(2.0)),
        (autograd.dot([w], [x], 1.0), 3.0), (autograd.dot([x], [2.0], w), 1.0),
        (autograd.affine([[w]], [x], [0.0])[0], 3.0), (autograd.affine([[x]], [w], [x])[0], 3.0),
        (autograd.sum([w, x]), 1.0), (autograd.maximum(w, 1.0), 1.0), (-w, -1.0), (abs(w), 1.0),
    ]:  # fmt: skip
        w.grad = 0.0
        y.backward()
        assert w.grad == expected
        assert w in y.parents
    assert nn.Neuron(1, "linear", seed=0)([w]).parents[1] is w
    assert autograd.grad(lambda v: v * v)(w).data == 4.0


@pytest.mark.parametrize("travel", [
    copy.copy, copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w)),
], ids=["copy", "deepcopy", "pickle"])  # fmt: skip
def test_a_subclass_travels_with_its_attributes(travel: Callable[[Any], Any]) -> None:
    w = Weight(2.0, "w")
    w.grad = 5.0
    other = travel(w)
    assert (type(other), other.data, other.grad, other.label) == (Weight, 2.0, 5.0, "w")
    assert (other.name, other.history, other.requires_grad) == ("w", [2.0], True)
    slotted = Slotted(1.0)
    slotted.note = "kept"
    assert travel(slotted).note == "kept"
    assert not hasattr(travel(slotted), "unset")
    private, single = Private(1.0), Single(1.0)
    private.note, single.alone = "kept", "too"
    private.own([7])
    assert (travel(private).own(), travel(private).note) == ([7], "kept")
    assert travel(single).alone == "too"


# -- NumPy -----------------------------------------------------------------------------------------


def test_arrays_on_either_side_work_elementwise() -> None:
    v, array = Value(2.0), np.array([[1.0, 2.0], [3.0, 4.0]])
    for operation in BINARY:
        for result, expected in [
            (operation(array, v), operation(array, 2.0)),
            (operation(v, array), operation(2.0, array)),
        ]:
            assert isinstance(result, np.ndarray)
            assert result.shape == (2, 2)
            assert all(type(x) is Value and x.requires_grad for x in result.flat)
            assert [x.data for x in result.flat] == list(expected.flat)


def test_arrays_of_values_multiply_as_matrices() -> None:
    values = np.array([Value(1.0), Value(2.0)], dtype=object)
    weights = np.array([[3.0, 4.0], [5.0, 6.0]])
    y = weights @ values
    assert [v.data for v in y] == [11.0, 17.0]
    (y[0] * y[1]).backward()
    assert [v.grad for v in values] == [3 * 17 + 5 * 11, 4 * 17 + 6 * 11]
    assert (values @ values).data == 5.0


@pytest.mark.parametrize("name", [
    "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "arcsin", "arccos", "arctan",
    "sinh", "cosh", "tanh", "absolute",
])  # fmt: skip
def test_numpy_functions_apply_to_values(name: str) -> None:
    function, v = getattr(np, name), Value(0.5)
    y = function(v)
    assert type(y) is Value
    assert y.parents == (v,)
    assert y.data == pytest.approx(function(0.5), rel=1e-15)
    many = function(np.array([Value(0.25), Value(0.5)], dtype=object))
    assert [type(x) for x in many] == [Value, Value]


def test_numpy_cannot_silently_take_the_number_out() -> None:
    with pytest.raises(TypeError, match="gradient"):
        np.zeros(1)[0] = Value(1.0)
    with pytest.raises(TypeError, match="gradient"):
        np.array([Value(1.0)], dtype=float)


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul])
def test_masked_arrays_keep_the_gradient(op: Callable[[Any, Any], Any]) -> None:
    masked = np.ma.array([3.0, 2.0], mask=[False, True])
    for left, right in [(masked, x := Value(5.0)), (x, masked), (masked, np.array([x, x]))]:
        result = op(left, right)
        assert result.mask.tolist() == [False, True]
        plain = op(*(Value(3.0) if each is masked else x for each in (left, right)))
        assert result[0].data == plain.data
        assert autograd.gradients(result[0], [x]) == autograd.gradients(plain, [x])


# -- comparisons and conversions -------------------------------------------------------------------


@pytest.mark.parametrize("operation", [operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (math.nan, 1.0)])
def test_order_compares_data(operation: Callable[[Any, Any], bool], a: float, b: float) -> None:
    expected = operation(a, b)
    for x, y in [(Value(a), Value(b)), (Value(a), b), (a, Value(b)), (Value(a), np.float64(b))]:
        assert operation(x, y) is expected
    with pytest.raises(TypeError):
        operation(Value(a), "1")


def test_equality_and_hash_are_identity() -> None:
    x, y = Value(1.0), Value(1.0)
    assert x in {x}
    assert x != y
    assert x != 1.0
    assert len({x, y, x}) == 2


@pytest.mark.parametrize("conversion", [bool, float, int, math.exp, math.sqrt])
def test_a_gradient_is_never_lost_in_a_conversion(conversion: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"\.data or \.item\(\)"):
        conversion(Value(1.0))
    with pytest.raises(TypeError, match=r"\.data or \.item\(\)"):
        conversion(Value(1.0) * 2)
    assert conversion(Value(1.0).detach()) == conversion(1.0)


def test_decimal_is_no_number_to_mix_with_floats() -> None:
    with pytest.raises(TypeError):
        Value(1.0) + Decimal("1.5")  # as float + Decimal


# -- showing, copying, travelling ------------------------------------------------------------------


def test_repr_is_short_and_does_not_walk_the_graph() -> None:
    a, b = Value(2.0, label="a"), Value(1.0)
    e = (a + b) * (b + 1)
    e.label = "e"
    e.backward()
    assert repr(e) == "Value(6.0, label='e', op='mul', grad=1.0)"
    assert repr(b) == "Value(1.0, grad=5.0)"
    assert "\n" not in repr(Value(1.0, label="two\nlines"))
    assert len(repr(Value(1.0, label="x" * 10_000))) < 200


def test_repr_and_format_of_numbers() -> None:
    assert repr(Value(math.inf)) == "Value(inf, grad=0.0)"
    assert f"{Value(1.23456):.2f}" == "1.23"
    assert f"{Value(2.0)}" == repr(Value(2.0))


@pytest.mark.parametrize("clone", [
    copy.copy, copy.deepcopy, *(
        lambda x, protocol=protocol: pickle.loads(pickle.dumps(x, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
])  # fmt: skip
@pytest.mark.parametrize("requires_grad", [True, False])
def test_leaves_copy_and_pickle(clone: Callable[[Any], Any], requires_grad: bool) -> None:
    x = Value(0.1, label="权", requires_grad=requires_grad)
    x.grad = 3.0
    y = clone(x)
    assert y is not x
    assert (y.data, y.label, y.grad, y.requires_grad) == (0.1, "权", 3.0, requires_grad)
    assert y.is_leaf


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, pickle.dumps])
def test_interior_nodes_refuse_to_be_copied_and_name_the_way_out(clone: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"detach\(\).*compile"):
        clone(Value(1.0) * 2)


def test_a_container_of_leaves_keeps_what_is_shared() -> None:
    x = Value(1.0)
    first, second = copy.deepcopy([x, x])
    assert first is second


# -- life and death --------------------------------------------------------------------------------


def test_dropped_graphs_are_freed_at_once_without_the_cycle_collector() -> None:
    def graph() -> weakref.ref[Value]:
        x, y = Value(0.5), Value(2.0)
        z = autograd.tanh(x * y + x) / (y**2 + 1) + autograd.dot([x, y], [y, 1.0], x)
        z.backward()
        autograd.gradients(z, [x, y], create_graph=True)
        list(autograd.paths(z, x))
        autograd.topological_order(z), autograd.edges(z), repr(z)
        return weakref.ref(z)

    graph()
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        references = [graph() for _ in range(500)]
        assert all(reference() is None for reference in references)
        del references
        assert len(gc.get_objects()) - before < 50
    finally:
        gc.enable()


def test_a_million_nodes_are_freed_without_recursion() -> None:
    x = Value(1.0)
    for _ in range(1_000_000):
        x = -x
    reference = weakref.ref(x)
    del x
    assert reference() is None


# -- operations of the user's own, badly told ------------------------------------------------------


@pytest.mark.parametrize(
    ("parents", "partials", "said"),
    [
        (Value(1.0, label="x"), 1.0, "parents is a tuple, got Value"),
        ((Value(1.0),), 1.0, "partials is a tuple, got float"),
        (None, (), "parents is a tuple, got None"),
    ],
)
def test_parents_and_partials_come_as_tuples(parents: Any, partials: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Value(1.0, parents, partials)


def test_parents_and_partials_may_come_in_arrays() -> None:
    x, y = Value(1.0), Value(2.0)
    node = Value(3.0, np.array([x, y]), np.array([1.0, 2.0], dtype=np.float32), op="mine")
    assert (node.parents, node.partials) == ((x, y), (1.0, 2.0))
    assert Value(3.0, [], np.array([])).is_leaf


def test_a_grad_of_none_counts_as_nothing_when_paying_by_hand() -> None:
    a, b = Value(2.0), Value(3.0)
    product = a * b
    product.grad = None
    product.pay()
    assert (a.grad, b.grad) == (0.0, 0.0)
    a.grad, product.grad = None, 1.0
    product.pay()
    assert (a.grad, b.grad) == (3.0, 2.0)
