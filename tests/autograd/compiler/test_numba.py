"""The native interpreter against a plain one: every instruction of a list, once, in Python floats.

The lists here are drawn at random, so they hold what no recorded graph would: every operation on
any registers, uniform and varying, special values, gradients that are any register at all.
"""

import math
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import scalar_math
from autograd.compiler.linear import (
    ARITIES,
    LEAVES,
    WengertList,
    record_function,
    uniform_registers,
)

pytest.importorskip("numba")

from autograd.compiler import numba_backend, numba_cache, numba_loops, numba_plan, numba_step
from autograd.compiler.backends import train_step_by_step
from autograd.compiler.numba_backend import NumbaExecutor
from autograd.compiler.numba_plan import plan_gradient, plan_values
from autograd.compiler.numpy_backend import NumpyExecutor

ON_FLOATS = {name: getattr(scalar_math, name) for name in scalar_math.__all__} | {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "negative": lambda a: -a,
}
COMPUTED = sorted(set(ARITIES) - set(LEAVES))
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 20.0, 710.0, -745.0, 1e308, 5e-324]
AWKWARD = [*SPECIAL, math.inf, -math.inf, math.nan]

# Sums of products: the lists that chains and outer products are made from.
SMOOTH = ("add", "multiply", "subtract", "negative", "add", "multiply")


def registers(program: WengertList, params: Sequence[float], row: Sequence[float]) -> list[float]:
    """Every register for one row."""
    numbers: list[float] = []
    for k, (name, operands) in enumerate(zip(program.operations, program.operands, strict=True)):
        if name == "constant":
            numbers.append(program.constants[k])
        elif name == "parameter":
            numbers.append(params[operands[0]])
        elif name == "input":
            numbers.append(row[operands[0]])
        else:
            numbers.append(ON_FLOATS[name](*[numbers[j] for j in operands]))
    return numbers


@st.composite
def lists(draw: st.DrawFn, operations: Sequence[str], steps: int, more: int = 0) -> WengertList:
    """A list over three parameters, three inputs and some constants."""
    names = ["parameter"] * 3 + ["input"] * 3 + ["constant"] * 2
    operands: list[tuple[int, ...]] = [(k % 3,) if k < 6 else () for k in range(8)]
    constants = {k: draw(st.sampled_from(SPECIAL[:6])) for k in (6, 7)}
    for _ in range(draw(st.integers(1, steps)) + more):
        names.append(draw(st.sampled_from(operations)))
        earlier = st.integers(max(0, len(names) - 25), len(names) - 2)
        operands.append(tuple(draw(earlier) for _ in range(ARITIES[names[-1]])))
    places = st.integers(0, len(names) - 1)
    return WengertList(
        operations=names,
        operands=operands,
        constants=constants,
        outputs=[len(names) - 1, draw(places)],
        gradients=[draw(places), draw(places), len(names) - 1],
        uniform=uniform_registers(names, operands),
    )


def rows_of(numbers: Sequence[float], count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(numbers), size=(count, 3))


@given(lists(COMPUTED, 30), st.integers(1, 20), st.integers(0, 9))
def test_every_operation_on_anything(program: WengertList, count: int, seed: int) -> None:
    params, batch = rows_of(AWKWARD, 1, seed)[0], rows_of(AWKWARD, count, seed + 1)
    outputs = NumbaExecutor(program).outputs(params, batch)
    for row, output in zip(batch.tolist(), outputs, strict=True):
        numbers = registers(program, params.tolist(), row)
        for number, k in zip(output.tolist(), program.outputs, strict=True):
            assert_same(number, numbers[k])


@given(lists(COMPUTED, 30), st.integers(0, 9))
def test_gradient_registers_of_one_row(program: WengertList, seed: int) -> None:
    params, batch = rows_of(AWKWARD, 1, seed)[0], rows_of(AWKWARD, 1, seed + 1)
    value, grads = NumbaExecutor(program).value_and_grad(params, batch)
    numbers = registers(program, params.tolist(), batch[0].tolist())
    assert_same(value, sum(numbers[k] for k in program.outputs))
    for number, k in zip(grads.tolist(), program.gradients, strict=True):
        assert_same(number, numbers[k])


@given(lists(SMOOTH, 60, more=20), st.sampled_from([1, 5, 8, 31, 32, 33, 200]), st.integers(0, 9))
def test_sums_over_rows(program: WengertList, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    params, batch = random.normal(size=3), random.normal(size=(count, 3))
    value, grads = NumbaExecutor(program).value_and_grad(params, batch)
    table = np.array([registers(program, params.tolist(), row) for row in batch.tolist()])
    for number, k in zip(grads, program.gradients, strict=True):
        assert_sum(number, table[:, k])
    assert_sum(value, table[:, program.outputs].sum(axis=1))


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 1000, 300_001])
def test_two_layers_of_neurons(rows: int) -> None:
    check_two_layers((70, 7, 3), rows)


@pytest.mark.parametrize("sizes", [(3, 16, 8), (8, 31, 1), (9, 11, 26), (1, 1, 1), (130, 3, 40)])
@pytest.mark.parametrize("rows", [5, 32])
def test_layers_of_any_size(sizes: tuple[int, int, int], rows: int) -> None:
    check_two_layers(sizes, rows)


def check_two_layers(sizes: tuple[int, int, int], rows: int) -> None:
    """Chains longer than the limit, neurons in all group sizes, outer products with odd ends."""
    program = two_layers(*sizes)
    random = np.random.default_rng(0)
    params, batch = random.normal(size=len(program.gradients)), random.normal(size=(rows, sizes[0]))
    executor, other = NumbaExecutor(program), NumpyExecutor(program)
    value, grads = executor.value_and_grad(params, batch)
    expected, expected_grads = other.value_and_grad(params, batch)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    size = np.abs(expected_grads).max()
    np.testing.assert_allclose(grads, expected_grads, rtol=1e-12, atol=1e-12 * size)
    outputs = executor.outputs(params, batch)
    np.testing.assert_array_equal(outputs, other.outputs(params, batch))


def two_layers(inputs: int, hidden: int, outputs: int) -> WengertList:
    """Half the sum of squares of a network without bends, and its gradient, by hand."""
    sizes = (inputs, hidden, outputs)
    count = hidden * (inputs + 1) + outputs * (hidden + 1)

    def network(m: object, x: Sequence[float], p: Sequence[float]) -> list[float]:
        weights = iter(p)
        layers, rows = [list(x)], []
        for size in sizes[1:]:
            rows.append([[next(weights) for _ in range(len(layers[-1]) + 1)] for _ in range(size)])
            layers.append([neuron(row, layers[-1]) for row in rows[-1]])
        slopes: list[float] = layers[-1]
        grads: list[float] = []
        for below, matrix in zip(layers[-2::-1], rows[::-1], strict=True):
            grads = [g for d in slopes for g in [*(d * a for a in below), d]] + grads
            columns = zip(*[row[:-1] for row in matrix], strict=True)
            slopes = [sum_of([d * w for d, w in zip(slopes, c, strict=True)]) for c in columns]
        return [0.5 * sum_of([y * y for y in layers[-1]]), *grads]

    recorded = record_function(network, inputs=inputs, parameters=count)
    value, *gradients = recorded.outputs
    return WengertList(
        recorded.operations,
        recorded.operands,
        recorded.constants,
        [value],
        gradients,
        recorded.uniform,
    )


def neuron(row: Sequence[float], xs: Sequence[float]) -> float:
    total = row[-1]
    for w, x in zip(row, xs, strict=False):
        total = total + w * x
    return total


def sum_of(terms: Sequence[float]) -> float:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def test_any_number_of_threads_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    program = two_layers(20, 8, 2)
    random = np.random.default_rng(1)
    params, batch = random.normal(size=len(program.gradients)), random.normal(size=(50_000, 20))
    monkeypatch.setattr(numba_backend, "LARGE", 1000)
    assert NumbaExecutor(program)._gradient_runner().slabs(len(batch)) > 1
    results = []
    for threads in (1, 2, 7):
        monkeypatch.setattr(numba_backend, "_processors", lambda threads=threads: threads)
        executor = NumbaExecutor(program)
        value, grads = executor.value_and_grad(params, batch)
        results.append((value, grads.tobytes(), executor.outputs(params, batch).tobytes()))
    assert results[0] == results[1] == results[2]


def test_arrays_that_are_read_only_need_no_other_native_code() -> None:
    program = two_layers(5, 4, 2)
    executor = NumbaExecutor(program)
    params, batch = np.ones(len(program.gradients)), np.ones((3, 5))
    expected = executor.value_and_grad(params, batch)
    native: Any = numba_loops.value_and_grad
    compiled = len(native.signatures)
    params.flags.writeable = batch.flags.writeable = False
    value, grads = executor.value_and_grad(params, batch)
    assert (value, grads.tolist()) == (expected[0], expected[1].tolist())
    assert len(native.signatures) == compiled


def momentum(m: object, inputs: Sequence[float], hyper: Sequence[float]) -> tuple[float, float]:
    p, g, velocity = inputs
    rate, decay = hyper
    velocity = decay * velocity + g
    return p - rate * velocity, velocity


@pytest.mark.parametrize(("rows", "batch_size"), [(100, 32), (96, 32), (7, 10), (600, 1)])
def test_training_is_step_by_step_training(rows: int, batch_size: int) -> None:
    program = two_layers(5, 4, 2)
    update = record_function(momentum, inputs=3, parameters=2)
    random = np.random.default_rng(2)
    data, order = random.normal(size=(rows, 5)), random.permutation(rows)
    steps = -(-rows // batch_size)
    hyper = np.column_stack([np.linspace(1e-3, 1e-4, steps), np.full(steps, 0.9)])
    params = random.normal(size=len(program.gradients))
    mine = params.copy(), np.zeros((1, len(params)))
    theirs = params.copy(), np.zeros((1, len(params)))
    executor = NumbaExecutor(program)
    losses = executor.train(update, *mine, data, order, batch_size, hyper)
    expected = train_step_by_step(
        executor, NumbaExecutor(update), *theirs, data, order, batch_size, hyper
    )
    assert losses.tolist() == expected.tolist()
    assert mine[0].tolist() == theirs[0].tolist()
    assert mine[1].tolist() == theirs[1].tolist()


def test_training_on_large_batches_is_parallel_and_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = two_layers(5, 4, 2)
    update = record_function(momentum, inputs=3, parameters=2)
    random = np.random.default_rng(3)
    data, order = random.normal(size=(2000, 5)), random.permutation(2000)
    hyper = np.full((4, 2), 1e-3)
    results = []
    for large in (10**9, 1000):
        monkeypatch.setattr(numba_backend, "LARGE", large)
        params, state = np.ones(len(program.gradients)), np.zeros((1, len(program.gradients)))
        losses = NumbaExecutor(program).train(update, params, state, data, order, 500, hyper)
        results.append(np.concatenate([losses, params, state[0]]))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


def test_training_stops_before_a_loss_that_is_not_finite() -> None:
    program = two_layers(5, 4, 2)
    update = record_function(momentum, inputs=3, parameters=2)
    data = np.random.default_rng(4).normal(size=(40, 5))
    data[25, 3] = math.nan
    order, hyper = np.arange(40), np.full((4, 2), 1e-3)
    start = np.ones(len(program.gradients))
    params, state = start.copy(), np.zeros((1, len(start)))
    losses = NumbaExecutor(program).train(update, params, state, data, order, 10, hyper)
    before, memory = start.copy(), np.zeros((1, len(start)))
    NumbaExecutor(program).train(update, before, memory, data, order[:20], 10, hyper[:2])
    assert len(losses) == 3
    assert math.isnan(losses[2])
    assert np.all(np.isfinite(losses[:2]))
    assert params.tolist() == before.tolist()
    assert state.tolist() == memory.tolist()


def test_update_may_give_a_number_that_all_parameters_share() -> None:
    update = record_function(lambda m, i, h: (h[0], i[0]), inputs=3, parameters=1)
    program = two_layers(1, 1, 1)
    params, state = np.ones(4), np.zeros((1, 4))
    NumbaExecutor(program).train(
        update, params, state, np.ones((1, 1)), np.arange(1), 1, np.full((1, 1), 7.0)
    )
    assert params.tolist() == [7.0] * 4
    assert state.tolist() == [[1.0] * 4]


def test_exponential_is_right_to_the_last_place() -> None:
    mpmath = pytest.importorskip("mpmath")
    program = record_function(lambda m, i, h: (m.exp(i[0]),), inputs=1)
    x = np.concatenate([np.linspace(-745, 709.7, 4001), np.random.default_rng(0).normal(size=4000)])
    y = NumbaExecutor(program).outputs(np.empty(0), x[:, None])[:, 0]
    with mpmath.workprec(120):
        for a, b in zip(x.tolist(), y.tolist(), strict=True):
            true = mpmath.exp(mpmath.mpf(a))
            assert abs(mpmath.mpf(b) - true) <= math.ulp(float(true))


def test_a_plan_is_linear_and_needs_no_recursion() -> None:
    """A chain of 100,000 links, each used twice so that nothing fuses."""
    n = 100_000
    names = ["parameter", "input"] + ["tanh", "add"] * n
    operands: list[tuple[int, ...]] = [(0,), (0,)]
    for k in range(n):
        operands += [(2 * k + 1,), (2 * k + 1, 2 * k + 2)]
    program = WengertList(
        names, operands, {}, [len(names) - 1], [len(names) - 1], uniform_registers(names, operands)
    )
    plan = plan_gradient(program)
    assert plan.columns < 5
    assert len(plan.block_code) < 10 * len(names)
    value, _ = NumbaExecutor(program).value_and_grad(np.ones(1), np.ones((1, 1)))
    assert value == registers(program, [1.0], [1.0])[-1]


def test_plain_passes_and_native_ones_make_the_same_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    program = two_layers(70, 7, 3)
    plans = []
    for kept in (True, False):
        monkeypatch.setattr(numba_plan, "is_kept", lambda _, kept=kept: kept)
        plans += [plan_gradient(program), plan_values(program)]
    for name in ("block_code", "uniform_code", "loads", "kept", "totals", "moves", "extras"):
        for native, plain in zip(plans[:2], plans[2:], strict=True):
            assert getattr(native, name).tolist() == getattr(plain, name).tolist()


@pytest.mark.parametrize("left_out", [set(), {0}, {5, 20}, {7, 8, 9}, set(range(0, 30, 2))])
def test_any_inputs_may_be_left_unread(left_out: set[int]) -> None:
    read = [k for k in range(30) if k not in left_out]
    program = record_function(lambda m, i, h: tuple(-i[k] for k in read), inputs=30)
    batch = np.arange(330.0).reshape(11, 30)
    outputs = NumbaExecutor(program).outputs(np.empty(0), batch)
    assert outputs.tolist() == (-batch[:, read]).tolist()


def test_plans_are_plain_data() -> None:
    plan = plan_values(two_layers(3, 2, 1))
    copy = pickle.loads(pickle.dumps(plan))
    assert copy.block_code.tolist() == plan.block_code.tolist()


def test_neurons_over_the_same_inputs_share_their_loads() -> None:
    code = plan_values(two_layers(10, 9, 1)).block_code.tolist()
    assert code[:2] == [numba_step.DOT_4, 10]


def test_without_a_place_on_disk_native_code_is_compiled_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numba_cache, "_folder", lambda: None)
    double: Any = numba_cache.native()(twice)
    assert double(1.5) == 3.0
    assert not numba_cache.is_kept(numba_cache.native()(twice))


def twice(x: float) -> float:
    return 2.0 * x


SECOND_PROCESS = """
import sys, time
import numpy as np
from autograd.compiler.linear import record_function
import numba
from autograd.compiler.numba_backend import NumbaExecutor
began = time.process_time()
program = record_function(lambda m, i, h: (m.exp(i[0]) * h[0],), inputs=1, parameters=1)
assert NumbaExecutor(program).outputs(np.ones(1), np.zeros((1, 1)))[0, 0] == 1.0
print(time.process_time() - began)
"""


def run_second_process(**environment: str) -> float:
    root = Path(numba_backend.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", SECOND_PROCESS],
        env=os.environ | {"PYTHONPATH": str(root)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)


def test_a_second_process_finds_the_native_code(tmp_path: Path) -> None:
    first = run_second_process(NUMBA_CACHE_DIR=str(tmp_path))
    second = run_second_process(NUMBA_CACHE_DIR=str(tmp_path))
    assert any(tmp_path.rglob("*.nbc"))
    assert second < 0.5 < first


def assert_same(number: float, expected: float) -> None:
    """Equal, nan to nan; a unit or two in the last place for what the C library computes."""
    if math.isnan(expected) or math.isinf(expected):
        assert number == expected or (math.isnan(number) and math.isnan(expected))
    else:
        assert math.isclose(number, expected, rel_tol=1e-12, abs_tol=1e-320)


def assert_sum(number: float, terms: np.ndarray) -> None:
    """The mean of terms, up to rounding in another order."""
    assert abs(number - terms.mean()) <= 1e-13 * (1e-300 + np.abs(terms).mean())
