"""While a program is recorded, Python sees no number that the program will compute anew."""

import bisect
import copy
import math
import pickle
from collections.abc import Callable
from functools import partial
from inspect import currentframe

import pytest

import autograd
import nn
from autograd import BranchError, Value, no_branches, no_grad, take, where

DEEDS: dict[str, Callable[[Value], object]] = {
    "less": lambda x: x < 2,
    "less equal": lambda x: x <= 2.0,
    "greater": lambda x: x > Value(2.0, requires_grad=False),
    "greater equal": lambda x: x >= 2,
    "the other way round": lambda x: x > 2.0,
    "a constant with it": lambda x: Value(2.0, requires_grad=False) < x,
    "equal": lambda x: x == 2.0,
    "not equal": lambda x: x != 2.0,
    "equal to another": lambda x: x == x + 1,
    "in": lambda x: x in (1.0, 2.0),
    "index": lambda x: [1.0, 2.0].index(x),  # type: ignore[arg-type]
    "max": lambda x: max(x, 0.0),
    "min": lambda x: min(x, x * 2),
    "sorted": lambda x: sorted([x, x * x]),
    "bisect": lambda x: bisect.bisect([0.0, 1.0], x),
    "data": lambda x: x.data,
    "item": lambda x: x.item(),
    "assigned data": lambda x: setattr(x, "data", 1.0),
    "detach": lambda x: x.detach(),
    "bool": bool,
    "if": lambda x: 1 if x else 2,
    "or": lambda x: x or 1,
    "not": lambda x: not x,
    "any": lambda x: any([x, 1]),
    "float": float,
    "int": int,
    "floor": math.floor,
    "math": math.exp,
    "format": lambda x: f"{x:.3f}",
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "partials": lambda x: (x * x).partials,
    "backward": lambda x: (x * x).backward(),
    "gradients": lambda x: autograd.gradients(x * x, x),
    "grad": lambda x: autograd.grad(lambda y: y * x)(2.0),
    "jvp": lambda x: autograd.jvp(lambda y: y * x, (2.0,), (1.0,)),
    "no_grad": lambda x: under_no_grad(x),
    "dot in no_grad": lambda x: under_no_grad(x, lambda x: autograd.dot([x], [2.0])),
    "a constant from data": lambda x: Value(x.data, requires_grad=False),
}


def under_no_grad(x: Value, function: Callable[[Value], object] = lambda x: x * x) -> object:
    with no_grad():
        return function(x)


def frozen(x: Value) -> Value:
    y = x * 1.0 + 0.5
    y.requires_grad = False
    return y


@pytest.mark.parametrize(
    "made", [lambda x: x, lambda x: x * 1.0 + 0.5, frozen], ids=["leaf", "computed", "frozen"]
)
@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_what_would_freeze_a_number_is_refused(
    deed: Callable[[Value], object], made: Callable[[Value], Value]
) -> None:
    x = made(Value(1.5))
    before = x._number
    with no_branches(), pytest.raises(BranchError, match="keep it for all numbers to come"):
        deed(x)
    assert (x._number, x.grad) == (before, 0.0)


def test_what_was_frozen_chooses_nothing_for_all_numbers_to_come() -> None:
    x = Value(1.5)
    for choice in (
        lambda: where(frozen(x), x, 0.0),
        lambda: take([x, x, x], frozen(x)),
    ):
        assert choice() is x
        with no_branches(), pytest.raises(BranchError, match=r"test_branches\.py:\d+: (bool|int)"):
            choice()


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_constants_are_the_same_in_every_run(deed: Callable[[Value], object]) -> None:
    """What fails on a constant fails the same way outside."""

    def outcome() -> object:
        try:
            deed(Value(1.5, requires_grad=False))
        except BranchError:
            raise
        except Exception as error:
            return type(error)
        return None

    outside = outcome()
    if deed not in [DEEDS[name] for name in ("assigned data", "backward", "grad", "jvp")]:
        with no_branches():
            assert outcome() is outside


def test_the_error_names_the_line_and_the_way_out() -> None:
    x = Value(1.0)
    frame = currentframe()
    assert frame
    with no_branches(), pytest.raises(BranchError) as caught:
        max(x, 2.0)
    text = str(caught.value)
    assert text.startswith(f"{__file__}:{frame.f_lineno - 2}: ")
    assert "a < b compares" in text  # max asks whether 2.0 > x, and Python turns that round
    assert str(pickle.loads(pickle.dumps(caught.value))) == text


def test_a_comparison_is_undone_by_what_the_message_says() -> None:
    signs = {
        "less(a, b)": lambda a, b: a < b,
        "less_equal(a, b)": lambda a, b: a <= b,
        "less(b, a)": lambda a, b: a > b,
        "less_equal(b, a)": lambda a, b: a >= b,
        "equal(a, b)": lambda a, b: a == b,
    }
    for written, compare in signs.items():
        with no_branches(), pytest.raises(BranchError) as caught:
            compare(Value(1.0), Value(1.0))
        assert f"where({written}, this, that)" in str(caught.value)
        name, first = written[:-6], written[-5]
        for a, b in [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0)]:
            traced = getattr(autograd, name)(*((a, b) if first == "a" else (b, a)))
            assert traced.data == compare(a, b)


def test_other_errors_are_told_where_they_happened() -> None:
    x = Value(1.0)
    with pytest.raises(TypeError) as caught, no_branches():
        [1, 2][x]  # type: ignore[call-overload]
    [note] = caught.value.__notes__
    line = caught.tb.tb_lineno
    assert note == (
        f"at {__file__}:{line}, where a program is being recorded: numbers are Values there"
    )


def test_an_error_of_the_recording_itself_names_no_line() -> None:
    with pytest.raises(TypeError, match="did you mean jacobian") as caught:
        autograd.jit(autograd.grad(lambda x: [x, x]))(1.0)
    assert caught.value.__notes__ == ["a program is being recorded: numbers are Values there"]


def test_the_standard_library_is_not_the_user_s_line() -> None:
    with no_branches(), pytest.raises(BranchError, match=__file__):
        copy.deepcopy([Value(1.0)])


def test_a_block_that_is_kept_is_over_all_the_same() -> None:
    block, x = no_branches(), Value(1.0)
    with block:
        pass
    assert x.data == 1.0


def test_the_block_ends_and_nests() -> None:
    x = Value(1.0)
    with no_branches():
        with autograd.scope("a"), no_branches(), pytest.raises(BranchError):
            x.data  # noqa: B018
        with pytest.raises(BranchError):
            bool(x)
    assert x.data < 2


def test_outside_numbers_are_free_and_equality_is_identity() -> None:
    x, y = Value(1.0), Value(1.0)
    assert x == x
    assert x != y
    assert x != 1.0
    assert (x in [y], x in [y, x], hash(x) == hash(x), len({x, y, x})) == (False, True, True, 2)
    with no_branches():
        assert x == x
        assert ([x].index(x), {x: 1}[x]) == (0, 1)
        assert x not in ["a", None]


NAMES = "exp log sin tanh sigmoid softplus relu leaky_relu silu gelu absolute sqrt erf".split()


@pytest.mark.parametrize(
    "function",
    [
        *[getattr(autograd, name) for name in NAMES],
        lambda x: autograd.softmax([x, 1.0, x * 2])[0],
        lambda x: autograd.log_softmax([x, 1.0, x * 2])[0],
        lambda x: autograd.logsumexp(x, x * x),
        lambda x: autograd.maximum(x, 2.0) + autograd.minimum(x, x * 2) + abs(x),
        lambda x: autograd.where(autograd.less(x, 2.0), x, -x),
        lambda x: autograd.affine([[x, 1.0]], [x, x], [2.0])[0] ** 2 / x,
        lambda x: autograd.gradients(x * x * x, x, create_graph=True),
        lambda x: autograd.grad(lambda y: y**3)(x),
        lambda x: nn.Neuron(2, "tanh", seed=0)([x, 1.0]),
        lambda x: nn.MLP(2, [3, 1], activation="relu", seed=0)([x, x]),
        partial(nn.squared_error, targets=1.0),
        partial(nn.mse_loss, targets=1.0),
        partial(nn.hinge_loss, targets=1.0),
        partial(nn.binary_cross_entropy, targets=1.0),
        lambda x: nn.cross_entropy([x, 1.0, 2.0], 1),
        lambda x: nn.cross_entropy([x, 1.0], x - x + 1.0),
        lambda x: nn.cross_entropy([x, 1.0], [0.5, 0.5]),
    ],
)
def test_the_library_s_own_functions_pass(function: Callable[[Value], Value]) -> None:
    x = Value(0.7, label="x")
    expected = function(x).data
    with no_branches():
        y = function(x)
        repr(y)
    assert y.data == expected
