"""The repayment: every edge once, any order, any size, no trace where none was asked for."""

import contextlib
import functools
import itertools
import math
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import FrameType

import mpmath
import pytest

import autograd
from autograd import Value, detect_anomaly, gradients, no_grad, topological_order
from autograd.backward import repay, reverse_topological_order
from tests.interrupts import interrupted_at


def ladder(x: Value, levels: int) -> Value:
    """x doubled again and again: 2**levels paths, two edges a level."""
    for _ in range(levels):
        x = x + x
    return x


# -- each edge once --------------------------------------------------------------------------------


def test_both_edges_of_a_square_are_paid() -> None:
    x = Value(3.0)
    (x * x).backward()
    assert x.grad == 6.0


def test_a_node_hears_from_all_its_consumers_before_it_pays() -> None:
    a = Value(1.0)
    b = a + a
    c = b + b
    c.backward()
    assert (c.grad, b.grad, a.grad) == (1.0, 2.0, 4.0)


def test_the_ladder_of_64_doublings() -> None:
    x = Value(1.0)
    ladder(x, 64).backward()
    assert x.grad == 2.0**64


def test_every_edge_is_used_exactly_once() -> None:
    x, y = Value(0.5), Value(2.0)
    shared = x * y
    root = autograd.dot([shared, shared, x], [shared, y, 3.0], shared) + shared * shared
    order = topological_order(root)
    used: Counter[tuple[int, int]] = Counter()

    class Partial(float):
        def __rmul__(self, debt: float) -> float:
            used[self.edge] += 1  # type: ignore[attr-defined]
            return debt * float(self)

    def partials_of(node: Value) -> list[Partial]:
        partials = [Partial(p) for p in node.partials]
        for slot, partial in enumerate(partials):
            partial.edge = id(node), slot  # type: ignore[attr-defined]
        return partials

    adjoints = repay({root: 1.0}, partials_of)
    root.backward()
    assert {x: adjoints[x] for x in order if x.requires_grad} == {
        x: x.grad for x in order if x.requires_grad
    }
    edges = autograd.edges(root)
    assert used == Counter({(id(edge.consumer), edge.slot): 1 for edge in edges})


def test_nothing_is_paid_to_constants() -> None:
    x = Value(2.0)
    y = x * 3.0
    y.backward()
    assert y.parents[1].grad == 0.0
    assert x.grad == 3.0


def test_every_node_keeps_its_gradient() -> None:
    x = Value(2.0)
    square = x * x
    root = square * 5.0
    root.backward()
    assert (root.grad, square.grad, x.grad) == (1.0, 5.0, 20.0)


# -- accumulation ----------------------------------------------------------------------------------


def test_two_calls_double_the_leaves_and_nothing_else() -> None:
    a, b = Value(2.0), Value(1.0)
    c, d = a + b, b + 1
    e = c * d
    e.backward()
    e.backward()
    assert (a.grad, b.grad) == (4.0, 10.0)
    assert (c.grad, d.grad, e.grad) == (2.0, 3.0, 1.0)
    assert (e.data, e.partials, e.parents) == (6.0, (2.0, 3.0), (c, d))
    e.backward()
    assert (a.grad, b.grad) == (6.0, 15.0)


def test_leaves_accumulate_over_different_roots_and_interior_nodes_do_not() -> None:
    x = Value(3.0)
    shared = x * x
    (shared * 2).backward()
    (shared * 5).backward()
    assert (x.grad, shared.grad) == (6.0 * 7, 5.0)
    x.grad = 0.0
    shared.backward()
    assert x.grad == 6.0


def test_a_leaf_is_its_own_root() -> None:
    x = Value(3.0)
    x.backward()
    x.backward(2.0)
    assert x.grad == 3.0


@pytest.mark.parametrize("seed", [2.0, -0.5, 0.0, 3])
def test_the_seed_scales_everything(seed: float) -> None:
    x = Value(3.0)
    y = x * x
    y.backward(seed)
    assert (x.grad, y.grad) == (6.0 * seed, seed)


@pytest.mark.parametrize("seed", ["1", None, 1j, [1.0]])
def test_a_bad_seed_is_refused_before_anything_changes(seed: object) -> None:
    x = Value(3.0)
    with pytest.raises(TypeError, match="gradient takes a real number"):
        (x * x).backward(seed)  # type: ignore[arg-type]
    assert x.grad == 0.0


def test_backward_from_a_constant_says_why_there_is_nothing_to_pay() -> None:
    for root in (Value(1.0, requires_grad=False), Value(2.0).detach() * 3):
        with pytest.raises(ValueError, match=r"no_grad\(\), detached"):
            root.backward()


def test_zero_times_infinity_is_nan_and_stays_where_it_belongs() -> None:
    x, y = Value(0.0), Value(math.inf)
    (x * y).backward()
    assert (x.grad, y.grad) == (math.inf, 0.0)
    z, clean = Value(0.0), Value(1.0)
    (autograd.sqrt(z) * 0 + clean).backward()
    assert math.isnan(z.grad)
    assert clean.grad == 1.0


# -- size ------------------------------------------------------------------------------------------


def chain(x: Value, length: int) -> Value:
    for _ in range(length):
        x = -x
    return x


def test_a_chain_of_a_million_nodes() -> None:
    x = Value(1.0)
    y = chain(x, 1_000_000)
    y.backward()
    assert x.grad == 1.0
    assert len(topological_order(y)) == 1_000_001
    assert repr(y) == "Value(1.0, op='neg', grad=1.0)"


def test_a_deep_chain_needs_no_recursion_anywhere() -> None:
    x = Value(1.0)
    y = chain(x, 50_000)
    assert gradients(y, [x]) == [1.0]
    assert autograd.count_paths(y, x) == 1
    assert len(autograd.edges(y)) == 50_000
    assert autograd.jvp(lambda v: chain(v, 50_000), (1.0,), (2.0,)) == (1.0, 2.0)
    assert autograd.grad(lambda v: chain(v, 50_000))(1.0) == 1.0


def test_a_deep_chain_differentiates_twice_without_recursion() -> None:
    x = Value(1.0)
    y = x
    for _ in range(20_000):
        y = y * 1.0 + 0.0
    y = y * y
    [slope] = gradients(y, [x], create_graph=True)
    assert (slope.data, gradients(slope, [x])) == (2.0, [2.0])


def test_a_sum_of_many() -> None:
    xs = [Value(float(i)) for i in range(10_000)]
    total = autograd.sum(xs)
    total.backward()
    assert total.data == sum(range(10_000))
    assert {x.grad for x in xs} == {1.0}


# -- order of evaluation ---------------------------------------------------------------------------


def test_topological_order_puts_parents_first_in_the_order_of_operands() -> None:
    a, b = Value(2.0), Value(1.0)
    c, d = a + b, b + 1
    e = c * d
    assert topological_order(e) == [a, b, c, d.parents[1], d, e]


def test_topological_order_of_several_roots_holds_each_node_once() -> None:
    a, b = Value(2.0), Value(1.0)
    c = a * b
    d, e = c + a, c - b
    assert topological_order([d, e]) == [a, b, c, d, e]
    assert topological_order([e, e]) == [a, b, c, e]
    assert topological_order([]) == []


def test_topological_order_holds_on_random_graphs() -> None:
    rng = random.Random(1)
    nodes = [Value(1.0)]
    for _ in range(500):
        nodes.append(autograd.sum(rng.choices(nodes, k=rng.randint(1, 4))))
    order = topological_order(nodes[-1])
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order)
    assert all(place[p] < place[node] for node in order for p in node.parents)


# -- higher orders ---------------------------------------------------------------------------------


def test_gradients_leave_every_grad_alone() -> None:
    x = Value(3.0)
    y = x * x
    y.backward()
    assert gradients(y * y, [x, y]) == [108.0, 18.0]
    gradients(y * y, [x], create_graph=True)
    assert (x.grad, y.grad) == (6.0, 1.0)


def test_gradients_of_one_input_and_of_none() -> None:
    x, other = Value(3.0), Value(1.0)
    assert gradients(x * x, x) == 6.0
    assert gradients(x * x, []) == []
    assert gradients(x * x, [other, x]) == [0.0, 6.0]
    [zero] = gradients(x * x, [other], create_graph=True)
    assert (zero.data, zero.requires_grad) == (0.0, False)


def test_gradients_to_an_interior_node() -> None:
    x = Value(3.0)
    y = x * x
    assert gradients(autograd.exp(y), [y]) == [math.exp(9.0)]


def test_gradients_want_values_that_can_be_paid() -> None:
    x = Value(3.0)
    with pytest.raises(TypeError, match="taken to Values, got float"):
        gradients(x * x, [3.0])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="is a constant"):
        gradients(x * x, [x.detach()])


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "gelu", "silu", "erf", "log"])
def test_fifth_derivatives_are_those_of_mpmath(name: str) -> None:
    from tests.truth import textbook

    x = Value(0.7)
    y = getattr(autograd, name)(x)
    with mpmath.workdps(60):
        for order in range(1, 6):
            [y] = gradients(y, [x], create_graph=True)
            truth = mpmath.diff(textbook(mpmath.mp)[name], mpmath.mpf(0.7), order)
            assert y.data == pytest.approx(float(truth), rel=1e-11)


def test_backward_with_create_graph_makes_grads_that_can_be_differentiated() -> None:
    x = Value(2.0)
    (x**3).backward(create_graph=True)
    slope = x.grad
    assert (type(slope), slope.data) == (Value, 12.0)
    x.grad = 0.0
    slope.backward()
    assert x.grad == 12.0
    x.grad = 0.0


def test_a_gradient_penalty() -> None:
    x, w = Value(1.5), Value(0.8)
    [slope] = gradients(autograd.tanh(w * x), [x], create_graph=True)
    (slope * slope).backward()

    def penalty(w: mpmath.mpf) -> mpmath.mpf:
        return (w * (1 - mpmath.tanh(w * 1.5) ** 2)) ** 2

    with mpmath.workdps(40):
        assert w.grad == pytest.approx(float(mpmath.diff(penalty, mpmath.mpf(0.8))), rel=1e-13)


def test_an_operation_without_a_rule_has_one_order_only() -> None:
    x = Value(1.0)
    y = Value(2.0, (x,), (3.0,), op="mine")
    assert gradients(y, [x]) == [3.0]
    with pytest.raises(TypeError, match="'mine' was given its partials as numbers"):
        gradients(y, [x], create_graph=True)


def test_new_data_under_an_old_graph() -> None:
    x = Value(2.0)
    y = x * x
    x.data = 5.0
    y.backward()
    assert x.grad == 4.0  # the partials were captured in the forward pass
    with pytest.raises(RuntimeError, match="new data"):
        gradients(y, [x], create_graph=True)


# -- what is given ---------------------------------------------------------------------------------


def test_nothing_is_paid_to_what_became_a_constant_since() -> None:
    for operation in (autograd.relu, autograd.exp, lambda x: x * x, lambda x: autograd.sum([x])):
        x = Value(2.0)
        y = operation(x)
        x.requires_grad = False
        y.backward()
        assert x.grad == 0.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_nothing_is_paid_behind_a_result_that_was_frozen_since(create_graph: bool) -> None:
    w, x = Value(3.0), Value(2.0)
    y = w * x
    y.requires_grad = False
    (y * x + x).backward(create_graph=create_graph)
    assert (float(w.grad), float(x.grad)) == (0.0, 7.0)


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_infinite_slope_behind_a_frozen_result_is_not_paid(create_graph: bool) -> None:
    w, x, constant = Value(0.0), Value(2.0), Value(3.0, requires_grad=False)
    y = 0.5 / (w * constant)
    y.requires_grad, y.grad = False, 9.0
    (y * x + w).backward(create_graph=create_graph)
    assert (float(w.grad), float(x.grad)) == (1.0, math.inf)
    assert (y.grad, constant.grad) == (9.0, 0.0)


def test_the_seed_may_be_a_value() -> None:
    x = Value(3.0)
    (x * x).backward(Value(2.0))
    assert x.grad == 12.0


def test_inputs_may_come_from_a_generator() -> None:
    x, y = Value(2.0), Value(3.0)
    assert gradients(x * y, (v for v in (x, y))) == [3.0, 2.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: gradients(3.0, [x]),  # type: ignore[call-overload]
        lambda x: gradients([x, x], [x]),  # type: ignore[call-overload]
        lambda x: topological_order(3.0),  # type: ignore[arg-type]
        lambda x: topological_order("ab"),  # type: ignore[arg-type]
        lambda x: autograd.edges(3.0),  # type: ignore[arg-type]
        lambda x: autograd.count_paths(3.0, x),  # type: ignore[arg-type]
        lambda x: list(autograd.paths(3.0, x)),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_graph_is_refused_in_words(call: Callable[[Value], object]) -> None:
    with pytest.raises(TypeError, match="Value, got"):
        call(Value(1.0))


# -- all or nothing --------------------------------------------------------------------------------


def a_graph() -> tuple[Value, list[Value]]:
    """A root, and every node below it with a ``grad`` that a pass would change."""
    x, w, c = Value(0.5), Value(-2.0), Value(3.0, requires_grad=False)
    root = autograd.dot([w, x], [x, c], 0.5).tanh() * w + x.exp()
    nodes = autograd.topological_order(root)
    for k, node in enumerate(nodes):
        node.grad = float(k + 1)
    return root, nodes


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("anomalies", [False, True])
def test_an_interrupt_at_any_line_leaves_every_grad_as_it_was(
    create_graph: bool, anomalies: bool
) -> None:
    for line in itertools.count():
        root, nodes = a_graph()
        with detect_anomaly() if anomalies else contextlib.nullcontext():
            back = functools.partial(root.backward, 1.0, create_graph)
            if not interrupted_at(line, back, is_line_of_backward):
                break
        assert [node.grad for node in nodes] == [k + 1.0 for k in range(len(nodes))], line
    assert line > 20
    assert root.grad.data == 1.0 if create_graph else root.grad == 1.0


def is_line_of_backward(frame: FrameType, kind: str) -> bool:
    """Undoing apart: no signal comes between its lock and its end."""
    code = frame.f_code
    ours = code.co_filename == sys.modules["autograd.backward"].__file__
    return kind == "line" and ours and code.co_name != "_all_or_nothing"


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_pass_that_cannot_add_to_a_grad_changes_none(create_graph: bool) -> None:
    root, nodes = a_graph()
    leaf = next(node for node in nodes if node.is_leaf and node.requires_grad)
    leaf.grad = "spoilt"
    held = [node.grad for node in nodes]
    with pytest.raises(TypeError):
        root.backward(create_graph=create_graph)
    assert [node.grad for node in nodes] == held


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_grad_of_none_counts_as_zero(create_graph: bool) -> None:
    x, y = Value(3.0), Value(2.0)
    x.grad = None
    (x * y).backward(create_graph=create_graph)
    grads = [getattr(v.grad, "data", v.grad) for v in (x, y)]
    assert grads == [2.0, 3.0]
    z = x * x
    z.grad, x.grad = 1.0, None
    z.pay()
    assert x.grad == 6.0


def frozen_since() -> tuple[Value, dict[str, Value]]:
    """x y² + c z, where c, an infinite slope of s = x + 0·b, and so b and s, is frozen since."""
    x, y, z, b = Value(3.0), Value(2.0), Value(0.5), Value(7.0)
    s = x * 0.0 + b * 0.0
    steep = s.sqrt()
    c = autograd.sum([steep, z, z])
    root = x * y * y + c * z
    c.requires_grad = False
    return root, {"x": x, "y": y, "z": z, "b": b, "s": s, "steep": steep, "c": c, "root": root}


def test_what_lies_behind_a_frozen_result_alone_keeps_what_it_holds() -> None:
    root, nodes = frozen_since()
    for number, node in enumerate(nodes.values()):
        node.grad = float(number)
    for times in (1, 2):
        root.backward()
        # as PyTorch has it with c.detach(): 4 to x, 12 to y, 1 to z
        assert [node.grad for node in nodes.values()] == [
            4.0 * times, 1 + 12.0 * times, 2 + 1.0 * times, 3.0, 4.0, 5.0, 6.0, 1.0,
        ]  # fmt: skip
    nodes["b"].grad = None
    root.backward()
    assert nodes["b"].grad is None


def test_under_detect_anomaly_nothing_is_looked_for_behind_a_frozen_result() -> None:
    root, nodes = frozen_since()
    with detect_anomaly(inf=True):
        root.backward()
    assert (nodes["x"].grad, nodes["y"].grad, nodes["z"].grad) == (4.0, 12.0, 1.0)


def test_a_frozen_leaf_keeps_what_it_holds() -> None:
    x, frozen = Value(3.0), Value(2.0)
    y = x * frozen
    frozen.requires_grad, frozen.grad = False, 7.0
    y.backward()
    assert (x.grad, frozen.grad) == (2.0, 7.0)


def test_threads_that_share_leaves_lose_no_payment() -> None:
    shared = [Value(float(k)) for k in range(20)]
    rounds, before = 50, sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:

        def work() -> None:
            for _ in range(rounds):
                autograd.sum([x * x for x in shared]).backward()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert [x.grad for x in shared] == [2.0 * k * rounds * 4 for k in range(20)]


def test_as_many_partials_as_parents_are_paid() -> None:
    a = Value(3.0)
    with pytest.raises(ValueError, match="zip"):
        repay({a * a: 1.0}, lambda _: (1.0,))


def test_a_dot_of_nothing_is_its_bias() -> None:
    bias = Value(2.0)
    autograd.dot([], [], bias).backward()
    assert bias.grad == 1.0


def test_a_graph_asked_for_is_made_under_no_grad_too() -> None:
    x = Value(2.0)
    cube = x * x * x
    with no_grad():
        slope = gradients(cube, x, create_graph=True)
        cube.backward(create_graph=True)
    assert gradients(slope, x) == 12.0  # as torch.autograd.grad
    assert gradients(x.grad, x) == 12.0


@pytest.mark.parametrize("width", [3, 200])
def test_operands_come_in_their_order_however_many(width: int) -> None:
    """Repeated ones at their first place; seen from the end, at their last."""
    weights, shared = [Value(float(k)) for k in range(width)], Value(2.0)
    y = autograd.sum([*weights, shared, *weights[:2]])
    z = autograd.sum([shared, y, *weights])
    assert topological_order(y) == [*weights, shared, y]
    assert topological_order(z) == [shared, *weights, y, z]
    assert reverse_topological_order([y]) == [y, *weights[2:], shared, *weights[:2]]
