"""Losses against PyTorch, mpmath and plain formulas; values and gradients."""

from dataclasses import dataclass
from math import exp, inf, log, nan

import mpmath
import pytest

import autograd
import nn
from autograd import Value, gradients
from nn.losses import check_target

SCORES = [0.0, -0.5, 2.0, 1.0, -1.0, 40.0, -40.0, 1000.0, -1000.0]


def values(numbers):
    return [Value(number) for number in numbers]


def slopes(loss, inputs):
    return gradients(loss, inputs) if loss.requires_grad else [0.0] * len(inputs)


# -- against PyTorch -------------------------------------------------------------------------------

ROWS = [
    [0.3, -1.2, 2.0], [5.0, 5.0, 5.0], [1000.0, -1000.0, 0.0], [-1000.0, -1000.0, -999.0],
    [40.0, 0.0, -40.0],
]  # fmt: skip


def compare(ours, theirs, inputs, tensor):
    theirs.backward()
    assert ours.data == pytest.approx(theirs.item(), rel=1e-10, abs=1e-10)
    assert slopes(ours, inputs) == pytest.approx(tensor.grad.reshape(-1).tolist(), abs=1e-10)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("target", [0, 1, 2])
def test_cross_entropy_is_pytorchs(row, target):
    torch = pytest.importorskip("torch")
    logits, tensor = values(row), torch.tensor([row], dtype=torch.float64, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(tensor, torch.tensor([target]))
    compare(nn.cross_entropy(logits, target), theirs, logits, tensor)


def test_cross_entropy_of_rows_and_of_probabilities_is_pytorchs():
    torch = pytest.importorskip("torch")
    for ours, theirs in (
        ([0, 2, 1, 0, 2], torch.tensor([0, 2, 1, 0, 2])),
        ([[0.2, 0.3, 0.5]] * 5, torch.tensor([[0.2, 0.3, 0.5]] * 5, dtype=torch.float64)),
    ):
        logits = [values(row) for row in ROWS]
        tensor = torch.tensor(ROWS, dtype=torch.float64, requires_grad=True)
        flat = [logit for row in logits for logit in row]
        expected = torch.nn.functional.cross_entropy(tensor, theirs)
        compare(nn.cross_entropy(logits, ours), expected, flat, tensor)


@pytest.mark.parametrize("target", [0.0, 1.0, 0.25])
def test_binary_cross_entropy_is_pytorchs(target):
    torch = pytest.importorskip("torch")
    for score in SCORES:
        logit, tensor = Value(score), torch.tensor(score, dtype=torch.float64, requires_grad=True)
        theirs = torch.nn.functional.binary_cross_entropy_with_logits(
            tensor, torch.tensor(target, dtype=torch.float64)
        )
        compare(nn.binary_cross_entropy(logit, target), theirs, [logit], tensor)


def test_mse_loss_is_pytorchs():
    torch = pytest.importorskip("torch")
    numbers, targets = [[1.0, -2.0], [0.5, 1e3], [3.0, 3.0]], [[0.0, 1.0], [0.5, -1e3], [1.0, 2.0]]
    ours = [values(row) for row in numbers]
    tensor = torch.tensor(numbers, dtype=torch.float64, requires_grad=True)
    theirs = torch.nn.functional.mse_loss(tensor, torch.tensor(targets, dtype=torch.float64))
    compare(nn.mse_loss(ours, targets), theirs, [o for row in ours for o in row], tensor)


def test_hinge_loss_is_pytorchs_clamp():
    torch = pytest.importorskip("torch")
    targets = [1.0, -1.0] * 4 + [1.0]
    scores, tensor = values(SCORES), torch.tensor(SCORES, dtype=torch.float64, requires_grad=True)
    theirs = torch.relu(1 - torch.tensor(targets, dtype=torch.float64) * tensor).mean()
    compare(nn.hinge_loss(scores, targets), theirs, scores, tensor)


# -- against formulas ------------------------------------------------------------------------------


def test_squared_error_is_half_the_sum_and_its_slope_is_the_difference():
    outputs = values([1.0, 2.5, -3.0])
    loss = nn.squared_error(outputs, [0.0, 3.0, -1.0])
    assert loss.data == 0.5 * (1.0 + 0.25 + 4.0)
    assert gradients(loss, outputs) == [1.0, -0.5, -2.0]


def test_cross_entropy_slopes_are_softmax_less_the_target():
    logits = values([0.5, -1.0, 2.0])
    whole = sum(exp(z.data) for z in logits)
    expected = [exp(z.data) / whole - (k == 1) for k, z in enumerate(logits)]
    assert gradients(nn.cross_entropy(logits, 1), logits) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("score", SCORES)
def test_binary_cross_entropy_keeps_its_digits_in_both_tails(score):
    with mpmath.workdps(500):
        for target in (0, 1):
            p = 1 / (1 + mpmath.exp(-mpmath.mpf(score)))
            expected = float(-mpmath.log(p if target else 1 - p))
            ours = nn.binary_cross_entropy(score, target).data
            assert ours == pytest.approx(expected, rel=1e-14, abs=5e-324)


def test_hinge_loss_has_no_slope_beyond_the_margin_or_on_it():
    for score, slope in ((2.0, 0.0), (1.0, 0.0), (0.5, -1.0), (-3.0, -1.0)):
        s = Value(score)
        assert slopes(nn.hinge_loss(s, 1), [s]) == [slope]


def test_a_score_may_come_alone_or_in_a_list_of_one():
    for output in (Value(0.25), [Value(0.25)]):
        for target in (1, [1], 1.0):
            assert nn.hinge_loss(output, target).data == 0.75
            assert nn.squared_error(output, target).data == 0.5 * 0.75**2
            assert nn.binary_cross_entropy(output, target).data == pytest.approx(
                log(1 + exp(-0.25))
            )


def test_arrays_will_do():
    numpy = pytest.importorskip("numpy")
    outputs = values([1.0, 2.0])
    assert nn.mse_loss(outputs, numpy.array([0.0, 0.0])).data == 2.5
    assert nn.cross_entropy(outputs, numpy.int64(1)).data == pytest.approx(log(1 + exp(-1)))
    assert nn.hinge_loss(outputs[0], numpy.float64(-1)).data == 2.0


# -- targets that are Values, as when a graph is recorded for compile ------------------------------


@pytest.mark.parametrize("target", [0, 1, 2])
@pytest.mark.parametrize("row", ROWS)
def test_a_class_index_may_be_a_value(row, target):
    logits, y = values(row), Value(float(target))
    ours, plain = nn.cross_entropy(logits, y), nn.cross_entropy(logits, target)
    assert ours.data == plain.data
    assert gradients(ours, logits) == gradients(plain, logits)


@pytest.mark.parametrize(
    ("loss", "outputs", "rows"),
    [
        (nn.squared_error, 2, [[1.0, 2.0, 0.5, -1.0], [0.0, 0.0, 1.0, 1.0]]),
        (nn.mse_loss, 2, [[1.0, 2.0, 0.5, -1.0], [0.0, 0.0, 1.0, 1.0]]),
        (nn.hinge_loss, 1, [[0.3, 1.0], [0.3, -1.0], [-2.0, 1.0]]),
        (nn.binary_cross_entropy, 1, [[0.3, 1.0], [0.3, 0.0], [-1000.0, 1.0], [1000.0, 0.0]]),
        (nn.cross_entropy, 3, [[0.3, 1.0, 2.0, 0.0], [1e3, 0.0, -1e3, 1.0], [0.0, 0.0, 0.0, 2.0]]),
    ],
)
def test_every_loss_compiles_to_its_own_numbers(loss, outputs, rows):
    pytest.importorskip("numpy")
    o, targets = values([0.1] * outputs), values([0.0] * (len(rows[0]) - outputs))
    y = targets[0] if len(targets) == 1 else targets
    w = Value(1.0, label="w")
    program = autograd.compile(loss([w * z for z in o], y), inputs=[*o, *targets], backend="numpy")
    for row in rows:
        eager = loss([w * z for z in row[:outputs]], row[outputs:] if len(targets) > 1 else row[-1])
        value, slope = program.value_and_grad([1.0], [row])
        assert value == pytest.approx(eager.data, rel=1e-12)
        assert slope[0] == pytest.approx(slopes(eager, [w])[0], rel=1e-12, abs=1e-12)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.cross_entropy([0.0, 1.0], 2), IndexError, "class 2 is out of range"),
        (lambda: nn.cross_entropy([0.0, 1.0], -1), IndexError, "class -1 is out of range"),
        (lambda: nn.cross_entropy([0.0, 1.0], 0.5), TypeError, "named by its index"),
        (lambda: nn.cross_entropy([0.0, 1.0], "cat"), TypeError, "got 'cat'"),
        (lambda: nn.cross_entropy([0.0, 1.0], "1"), TypeError, "got '1'"),
        (lambda: nn.cross_entropy([0.0, 1.0], True), TypeError, "got True"),
        (lambda: nn.cross_entropy([0.0, 1.0], nan), TypeError, "0 to 1, got nan"),
        (lambda: nn.cross_entropy([[0.0, 1.0]], 0), ValueError, "got 1 rows and 0"),
        (lambda: nn.cross_entropy(Value(1.0), 0), TypeError, "one logit per class"),
        (lambda: nn.cross_entropy([], 0), TypeError, "one logit per class"),
        (lambda: nn.cross_entropy([0.0, 1.0], [0.2, 0.3, 0.5]), ValueError, "one probability per"),
        (lambda: nn.cross_entropy([[0.0, 1.0]], [0, 1]), ValueError, "one target per row"),
        (lambda: nn.cross_entropy([[0.0, 1.0]], [0] * 999), ValueError, r"1 rows and .{60}$"),
        (lambda: nn.cross_entropy("cat" * 99, 1), TypeError, r"per class, got .{60}$"),
        (lambda: nn.squared_error([1.0, 2.0], [1.0]), ValueError, "2 outputs, 1 targets"),
        (lambda: nn.mse_loss([1.0, 2.0], 1.0), ValueError, "as many targets as outputs"),
        (
            lambda: nn.squared_error(Value(1.0), "2"),
            TypeError,
            "numbers, or lists of them, got '2'$",
        ),
        (lambda: nn.mse_loss(None, 1.0), TypeError, r"got None; did a model forget to return\?"),
        (lambda: nn.hinge_loss([1.0], {1}), TypeError, r"lists of them, got \{1\}$"),
        (lambda: nn.accuracy("1", 1), TypeError, "lists of them, got '1'$"),
        (lambda: nn.hinge_loss(1.0, Value(5.0)), TypeError, r"takes the outputs, then the targets"),
        (lambda: nn.binary_cross_entropy([1, 0], [Value(2.0)] * 2), TypeError, r"is Value\(2\.0"),
    ],
)
def test_outputs_and_targets_that_do_not_match_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("loss", "target", "outputs", "message"),
    [
        (nn.hinge_loss, 0.0, 1, r"takes targets -1 and \+1, got 0; for labels 0 and 1: 2 \* y - 1"),
        (nn.binary_cross_entropy, -1.0, 1, r"between 0 and 1, got -1; .*\(1 \+ y\) / 2"),
        (nn.cross_entropy, 10.0, 10, "class 10 is out of range: there are 10 logits, 0 to 9"),
        (nn.cross_entropy, 0.5, 10, "named by its index"),
        (nn.squared_error, [1.0, 2.0], 1, "1 outputs, 2 targets"),
        (nn.mse_loss, [1.0], 2, "2 outputs, 1 targets"),
        (nn.hinge_loss, [1.0], 2, "2 outputs, 1 targets"),
        (nn.hinge_loss, [1.0, 0.5], 2, "got 0.5; for labels"),
        (nn.binary_cross_entropy, [0.5], 2, "2 outputs, 1 targets"),
        (nn.binary_cross_entropy, [0.5, 1.5], 2, "between 0 and 1, got 1.5"),
        (nn.binary_cross_entropy, [0.5, 0.5, 0.5], 2, "2 outputs, 3 targets"),
        (nn.cross_entropy, [0.5, 0.5], 3, "one probability per class: got 2 for 3"),
        (nn.cross_entropy, [0.5, 0.2, 0.2], 3, "add up to 1"),
        (nn.cross_entropy, -1.0, 3, "class -1 is out of range"),
        (nn.cross_entropy, True, 3, "named by its index"),
        (nn.cross_entropy, inf, 3, "named by its index"),
    ],
)
def test_a_target_can_be_checked_before_training(loss, target, outputs, message):
    with pytest.raises(ValueError, match=message):
        check_target(loss, target, [0.0] * outputs)


@pytest.mark.parametrize(
    ("target", "message"),
    [([0.0, 2.0], "class 2 is out of range"), ([1.0], "2 outputs, 1 targets")],
)
def test_the_classes_of_rows_of_logits_can_be_checked_before_training(target, message):
    check_target(nn.cross_entropy, [0.0, 1.0], [[0.0, 0.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match=message):
        check_target(nn.cross_entropy, target, [[0.0, 0.0], [0.0, 0.0]])


def test_good_targets_pass_the_check():
    for loss, target, outputs in (
        (nn.hinge_loss, -1.0, 1), (nn.hinge_loss, [1.0, -1.0], 2), (nn.cross_entropy, 9.0, 10),
        (nn.cross_entropy, 0.0, 10), (nn.binary_cross_entropy, [0.0, 1.0], 2),
        (nn.squared_error, [7.0, 8.0], 2),
        (nn.cross_entropy, [0.5, 0.5], 2), (nn.binary_cross_entropy, 0.3, 1), (nn.mse_loss, 7.0, 1),
        (lambda o, t: o, "anything", 1),
    ):  # fmt: skip
        check_target(loss, target, [0.0] * outputs)


# -- accuracy --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "target", "right"),
    [
        (0.3, 1, 1.0), (0.3, -1, 0.0), (-0.3, -1, 1.0), (-0.3, 0, 1.0), (0.3, 0, 0.0),
        ([0.1, 0.7, 0.2], 1, 1.0), ([0.1, 0.7, 0.2], 2.0, 0.0), ([0.1, 0.7], [0.0, 1.0], 1.0),
        (0.0, 0, 1.0), (0.0, 1, 0.0), (Value(0.0), -1, 1.0), ([0.4], 1, 1.0), ([-0.4], [1], 0.0),
        ([0.4], 0.0, 0.0), ([0.7, 0.1, 0.2], 0, 1.0), ([0.1, 0.2, 0.7], [0.2, 0.5, 0.3], 0.0),
        ([Value(0.1), Value(0.7)], 1, 1.0), (Value(inf), 1, 1.0), ([2.0], [1.0], 1.0),
        # a class in a list of its own, labels that are smoothed
        ([0.1, 0.7, 0.2], [1], 1.0), ([0.1, 0.7, 0.2], [2], 0.0), ([0.1, 0.7], True, 1.0),
        (-3.0, 0.05, 1.0), (3.0, 0.05, 0.0), (3.0, 0.95, 1.0), (-3.0, [0.95], 0.0),
        # the part of some rows
        ([[0.1, 0.7], [0.1, 0.7], [0.9, 0.7], [0.1, 0.7]], [1, 0, 0.0, 1], 0.75),
        ([[0.1, 0.7]], [1], 1.0), ([[0.1, 0.7]], 0, 0.0),
    ],
)  # fmt: skip
def test_accuracy_counts_right_answers(output, target, right):
    assert nn.accuracy(output, target) == right


@pytest.mark.parametrize(
    "target",
    [
        [0.5, 0.6],
        [-0.5, 1.5],
        [inf, 0.0],
        [-1e-9, 1.0],
        [0.2, 0.2],
        [nan, 1.0],
        [0.0, 0.0],
        [1.0, 1.0],
    ],
)
def test_class_probabilities_are_such(target):
    with pytest.raises(ValueError, match="probabilities of the classes add up to 1"):
        nn.cross_entropy([1.0, 2.0], target)


@pytest.mark.parametrize("target", [[0.5, 0.5], (0, 1), [0.3333, 0.6666], [1.0 - 1e-7, 0.0]])
def test_class_probabilities_may_be_rounded(target):
    assert nn.cross_entropy([1.0, 2.0], target).data > 0


@pytest.mark.parametrize(("loss", "more"), [(nn.squared_error, 2), (nn.mse_loss, 1)])
def test_a_difference_is_one_node(loss, more):
    """A picture shows each once: o - t, its square, and what adds them up."""
    outputs = [Value(1.0), Value(2.0)]
    y = loss(outputs, [0.5, 4.0])
    kinds = [node.op for node in autograd.topological_order(y) if node.parents]
    assert sorted(kinds)[: len(kinds)] == sorted(["sub", "mul"] * 2 + kinds[4:])
    assert len(kinds) == 4 + more


@pytest.mark.parametrize("offset", [0.0, 1e15, 1e16, -1e16])
@pytest.mark.parametrize("compiled", [False, True])
def test_cross_entropy_keeps_its_digits_under_an_offset(offset: float, compiled: bool) -> None:
    logits = [Value(offset + x) for x in (0.0, 4.0, -8.0)]
    numbers = [x.data for x in logits]
    expected = log(sum(exp(x - numbers[1]) for x in numbers))
    p = [exp(x - numbers[1] - expected) for x in numbers]
    if compiled:
        pytest.importorskip("numpy")
        loss = autograd.compile(nn.cross_entropy(logits, 1), [], backend="numpy")
        value, slopes = loss.value_and_grad(numbers, [[]])
    else:
        root = nn.cross_entropy(logits, 1)
        value, slopes = root.data, autograd.gradients(root, logits)
    assert value == pytest.approx(expected, rel=1e-14)
    assert [*slopes] == pytest.approx([p[0], p[1] - 1, p[2]], rel=1e-13)


@pytest.mark.parametrize(
    ("loss", "target", "operations"),
    [
        (nn.hinge_loss, 1, ["mul", "sub", "relu"]),
        (nn.mse_loss, 1.0, ["sub", "mul"]),
        (nn.squared_error, 1.0, ["sub", "mul", "mul"]),
    ],
)
def test_of_one_output_nothing_is_averaged(loss, target, operations):
    """A mean or sum of one thing is that thing: no node for it in pictures."""
    y = loss(Value(0.25), target)
    assert sorted(n.op for n in autograd.topological_order(y) if n.parents) == sorted(operations)


def test_the_loss_of_no_graph_is_still_a_value():
    for loss in (nn.squared_error, nn.mse_loss, nn.hinge_loss, nn.binary_cross_entropy):
        assert isinstance(loss(0.5, 1.0), Value)
        assert not loss(0.5, 1.0).requires_grad
    assert not nn.cross_entropy([0.5, 1.0], 1).requires_grad


def test_rounded_probabilities_count_as_they_are():
    """As in PyTorch: -Σ t log p, whatever the t add up to."""
    torch = pytest.importorskip("torch")
    row, target = [2.0, -1.0, 0.5], [0.3, 0.3, 0.3995]
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor([row], dtype=torch.float64), torch.tensor([target], dtype=torch.float64)
    )
    assert nn.cross_entropy(row, target).data == pytest.approx(theirs.item(), rel=1e-14)


def test_probabilities_may_be_numbers_still_to_come():
    target = [Value(0.0), Value(0.0)]
    assert nn.cross_entropy([1.0, 2.0], target).data == 0.0


def test_no_outputs_have_no_accuracy():
    with pytest.raises(ValueError, match="a single score, got none"):
        nn.accuracy([], 0)


@pytest.mark.parametrize(
    ("outputs", "target", "error", "message"),
    [
        ([0.1, 0.9], 1.7, TypeError, "a class is named by its index, 0 to 1, got 1.7"),
        ([0.1, 0.9], 5, IndexError, "class 5 is out of range"),
        ([0.1, 0.9], -1, IndexError, "class -1 is out of range"),
        ([1.0, 2.0, 3.0], [0, 1], ValueError, "got 3 outputs, 2 targets"),
        (0.5, [1, 0], ValueError, "got 1 outputs, 2 targets"),
        ([[0.1, 0.9], [0.1, 0.9]], [1], ValueError, "got 2 outputs, 1 targets"),
    ],
)
def test_what_no_row_can_be_right_about_is_refused(outputs, target, error, message):
    with pytest.raises(error, match=message):
        nn.accuracy(outputs, target)


@pytest.mark.parametrize(
    "loss", [nn.mse_loss, nn.squared_error, nn.hinge_loss, nn.binary_cross_entropy]
)
@pytest.mark.parametrize("kind", ["uint8", "int8", "int64", "float16"])
def test_numbers_of_few_bits_neither_overflow_nor_round(loss, kind):
    numpy = pytest.importorskip("numpy")
    outputs, targets = [0, 100, 7], [1, 1, 1]
    expected = loss([*map(float, outputs)], [*map(float, targets)]).data
    assert loss(numpy.array(outputs, kind), numpy.array(targets, kind)).data == expected
    assert loss(outputs, numpy.array(targets, kind)).data == expected


def test_a_loss_of_ones_own_may_be_a_dataclass():
    @dataclass
    class Weighted:  # which has no hash
        weight: float

        def __call__(self, output, target):
            return nn.mse_loss(output, target) * self.weight

    model = nn.MLP(1, [1], seed=0)
    w, b = model.parameters()
    o = w.data * 2.0
    history = nn.fit(
        model, [[2.0]], [3.0], loss=Weighted(0.25), optimizer=nn.SGD([b], lr=0.1), epochs=1,
        progress=False,
    )  # fmt: skip
    assert history.loss == pytest.approx([0.25 * (o - 3.0) ** 2], rel=1e-14)
    assert b.data == pytest.approx(-0.1 * (o - 3.0) / 2.0, rel=1e-14)
