"""The native backend against the plain follower of array programs, and its ways with the disk,
threads, forks and machines that have less."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

import autograd
import nn
from autograd import Value, compile  # noqa: A004
from autograd.compiler import native, native_library
from autograd.compiler.arrays import CODE, ELEMENTWISE, ArrayProgram
from autograd.compiler.backends import Steps
from autograd.compiler.native import NativeExecutor
from autograd.compiler.native_emit import DOUBLE, WIDEST, WORD, Emitter, Vector
from autograd.compiler.native_plan import plan
from autograd.compiler.numpy_backend import NumpyExecutor
from autograd.compiler.roll import roll
from tests.autograd.compiler.reference import follow

ROOT = Path(autograd.__file__).parents[1]
ROWS = [1, 7, 8, 33, 300]


class Listed:
    """An array program that is written down operation by operation."""

    def __init__(self, parameters: int, inputs: int, constants: Sequence[float] = (0.5,)) -> None:
        self.codes: list[int] = []
        self.operands: list[tuple[int, ...]] = []
        self.shapes: list[tuple[int, int]] = []
        self.varying: list[bool] = []
        self.tables: list[np.ndarray] = []
        self.pieces: list[tuple[int, int, int, int]] = []
        self.constants = np.array(constants)
        for word, count in (("parameters", parameters), ("inputs", inputs)):
            self.add(word, (), (count, 1), word == "inputs")
        self.add("constants", (), (len(constants), 1), False)

    def add(self, word: str, operands: Sequence[int], shape: tuple[int, int], varies: bool) -> int:
        self.codes.append(CODE[word])
        self.operands.append((*operands, 0, 0, 0, 0)[:4])
        self.shapes.append(shape)
        self.varying.append(varies)
        return len(self.codes) - 1

    def view(self, base: int, start: int, s: int, t: int, shape: tuple[int, int]) -> int:
        return self.add("view", (base, start, s, t), shape, self.varying[base])

    def table(self, base: int, places: Sequence[int], shape: tuple[int, int]) -> int:
        self.tables.append(np.array(places, np.int64))
        return self.add("view", (base, -len(self.tables), 0, 0), shape, self.varying[base])

    def each(self, word: str, *operands: int) -> int:
        shapes = np.array([self.shapes[k] for k in operands])
        n, m = shapes.max(axis=0).tolist()
        return self.add(word, operands, (n, m), any(self.varying[k] for k in operands))

    def collect(self, shape: tuple[int, int], once: int, *pieces: tuple[int, int, int, int]) -> int:
        first = len(self.pieces)
        self.pieces += pieces
        varies = any(self.varying[k] for k, *_ in pieces)
        return self.add("collect", (first, len(self.pieces), once), shape, varies)

    def program(self, roots: Sequence[int], loss: int = -1, gradient: int = -1) -> ArrayProgram:
        return ArrayProgram(
            np.array(self.codes, np.uint8),
            np.array(self.operands, np.int64),
            np.array(self.shapes, np.int64),
            np.array(self.varying),
            tuple(self.tables),
            np.array(self.pieces, np.int64).reshape(-1, 4),
            self.constants,
            tuple(roots),
            loss,
            gradient,
        )

    def all_of(self, *blocks: int) -> list[int]:
        """Every number of these blocks, as a root."""
        counts = [(k, self.shapes[k][0] * self.shapes[k][1]) for k in blocks]
        return [self.view(k, i, 0, 0, (1, 1)) for k, count in counts for i in range(count)]


def check(program: ArrayProgram, rows: int, seed: int = 0) -> None:
    """Roots, loss and gradient are those of the plain follower."""
    random = np.random.default_rng(seed)
    params = random.uniform(-2, 2, program.shapes[0, 0])
    batch = random.uniform(-2, 2, (rows, program.shapes[1, 0]))
    with np.errstate(all="ignore"):
        blocks = follow(program, params, batch)
    executor, seen = NativeExecutor(program), []
    for much in (native.MUCH, 0, 0):  # with kernels of its own; nothing is left behind by a run
        with patch.object(native, "MUCH", much):
            seen.append(_numbers(program, executor, params, batch))
    for numbers, *others in zip(*seen, strict=True):
        for other in others:
            np.testing.assert_array_equal(other, numbers)
    outputs, value, gradient = seen[0]
    if program.roots:
        expected = [np.broadcast_to(blocks[k].ravel(), rows) for k in program.roots]
        np.testing.assert_allclose(outputs, np.transpose(expected), rtol=1e-12, atol=1e-14)
    if program.loss >= 0:
        np.testing.assert_allclose(value, blocks[program.loss].item(), rtol=1e-12)
        expected = blocks[program.gradient].ravel()
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-13)


def _numbers(
    program: ArrayProgram, executor: NativeExecutor, params: np.ndarray, batch: np.ndarray
) -> list[Any]:
    none = np.zeros(0)
    outputs = executor.outputs(params, batch) if program.roots else none
    value = executor.value_and_grad(params, batch) if program.loss >= 0 else (none, none)
    return [outputs, *value]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("word", [*ELEMENTWISE])
def test_every_word_on_numbers_of_every_kind(word: str, rows: int) -> None:
    for kinds in range(2 ** ELEMENTWISE[word]):
        listed = Listed(9, 9)
        operands = [
            listed.view(kinds >> q & 1, 8 - q, -2, -1, (3, 2)) for q in range(ELEMENTWISE[word])
        ]
        check(listed.program(listed.all_of(listed.each(word, *operands))), rows)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_seen_through_views_and_tables(data: Any) -> None:
    listed = Listed(12, 12, [0.5, 2.0, 1.0])
    real = [0, 1]
    for _ in range(data.draw(st.integers(1, 8))):
        shape = data.draw(st.sampled_from([(1, 1), (3, 1), (1, 4), (3, 4)]))
        seen = [_seen(data, listed, real, shape) for _ in range(2)]
        word = data.draw(st.sampled_from(["add", "mul", "sub", "maximum", "tanh", "sum", "max"]))
        if word in ("sum", "max"):
            height = listed.shapes[seen[0]][0]
            k = listed.add(word, seen[:1], (height, 1), listed.varying[seen[0]])
        else:
            k = listed.each(word, *seen[: ELEMENTWISE[word]])
        real.append(k)
    check(listed.program(listed.all_of(*real[-3:])), data.draw(st.sampled_from(ROWS)))


def _seen(data: Any, listed: Listed, real: Sequence[int], shape: tuple[int, int]) -> int:
    """A block of this shape, or one that fits it, out of what there is."""
    base = data.draw(st.sampled_from(real))
    n, m = (data.draw(st.sampled_from([1, length])) for length in shape)
    n, m = shape if data.draw(st.booleans()) else (n, m)
    size = listed.shapes[base][0] * listed.shapes[base][1]
    places = st.integers(0, size - 1)
    if data.draw(st.booleans()):
        return listed.table(base, [data.draw(places) for _ in range(n * m)], (n, m))
    s, t = (data.draw(st.integers(-3, 3)) for _ in range(2))
    reached = [i * s + j * t for i in range(n) for j in range(m)]
    if max(reached) - min(reached) >= size:
        s = t = 0
        reached = [0]
    start = data.draw(st.integers(-min(reached), size - 1 - max(reached)))
    return listed.view(base, start, s, t, (n, m))


def test_operations_that_are_more_than_a_kernel_takes() -> None:
    """What one kernel has computed the next one reads."""
    listed = Listed(3, 3)
    made = [1, listed.each("tanh", 1)]
    for k in range(70):
        made.append(listed.each(("add", "sub", "mul", "maximum")[k % 4], made[-1], made[-2]))
        made.append(listed.each(("sin", "tanh", "neg")[k % 3], made[-1]))
    check(listed.program(listed.all_of(made[70], made[-1])), 33)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("windows", [1, 3])
def test_products_of_every_kind(rows: int, windows: int) -> None:
    listed = Listed(60, 30)
    a = listed.view(0, 3, 5, 1, (7, 5))
    for base in (0, 1):
        for b in (
            listed.view(base, 1, 5, 1, (windows, 5)),
            listed.table(base, [(3 * k) % 30 for k in range(5 * windows)], (windows, 5)),
        ):
            shapes = [(1, 7), (windows, 7), (windows, 1)]
            biases = [listed.view(q, 0, 2, 1, shape) for q in (0, 1) for shape in shapes]
            for bias in (-1, *biases):
                varies = listed.varying[b] or (bias >= 0 and listed.varying[bias])
                product = listed.add("matmul", (a, b, bias), (windows, 7), varies)
                check(listed.program(listed.all_of(product)), rows)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("height", [1, 4, 9])
@pytest.mark.parametrize("width", [1, 5, 8, 43])
def test_what_is_summed_over_the_rows(rows: int, height: int, width: int) -> None:
    count = 2 * (height * width + height) + 1
    listed = Listed(count, 2 * (height + width))
    a = listed.view(1, 0, height, 1, (2, height))
    b = listed.view(1, 2 * height, width, 1, (2, width))
    twice = listed.each("add", b, b)
    one = listed.add("outer", (a, b), (height, width), False)
    other = listed.add("outer", (a, twice), (height, width), False)
    mean = listed.add("mean", (listed.each("tanh", a),), (2, height), False)
    size = height * width
    pieces = [(one, 0, width, 1), (other, size, 1, height), (mean, 2 * size, height, 1)]
    gradient = listed.collect((count, 1), 1, *pieces)
    loss = listed.add("mean", (listed.view(1, 0, 0, 0, (1, 1)),), (1, 1), False)
    check(listed.program([], loss, gradient), rows)


@pytest.mark.parametrize("rows", ROWS)
def test_collecting_by_strides_and_by_tables(rows: int) -> None:
    for base, once in ((0, 0), (1, 0), (0, 1), (1, 1)):
        listed = Listed(12, 12)
        a = listed.each("neg", listed.view(base, 0, 1, 0, (4, 1)))
        b = listed.each("neg", listed.view(0, 3, 1, 0, (3, 1)))
        listed.tables.append(np.array([6, 0, 2] if once else [6, 6, 0], np.int64))
        pieces = [(a, 1, 2, 0), (b, -len(listed.tables), 0, 0)]
        joined = listed.collect((9, 1), once, *pieces)
        check(listed.program(listed.all_of(joined)), rows)


@pytest.mark.parametrize("where", [(0, 9, 1, 0), (0, -1, 0, 0), (1, 0, 3, 0), (1, 5, -3, 0)])
def test_no_view_reaches_outside_its_block(where: tuple[int, int, int, int]) -> None:
    listed = Listed(9, 6)
    seen = listed.view(*where, (3, 1))
    program = listed.program(listed.all_of(listed.each("neg", seen)))
    with pytest.raises(ValueError, match="outside a block"):
        NativeExecutor(program).outputs(np.zeros(9), np.zeros((1, 6)))


def test_no_table_reaches_outside_its_block() -> None:
    for places in ([0, 1, 6], [0, -1, 2]):
        listed = Listed(9, 6)
        seen = listed.table(1, places, (3, 1))
        program = listed.program(listed.all_of(listed.each("neg", seen)))
        with pytest.raises(ValueError, match="outside a block"):
            NativeExecutor(program).outputs(np.zeros(9), np.zeros((1, 6)))


@pytest.mark.parametrize("rows", ROWS)
def test_taking_by_an_index_of_every_kind(rows: int) -> None:
    for kinds in range(4):
        listed = Listed(15, 15)
        a = listed.view(kinds >> 1, 11, -1, -3, (3, 4))
        where = listed.view(kinds & 1, 12, 1, 0, (3, 1))
        index = listed.each(
            "add", listed.each("less", where, 2), listed.each("equal", where, where)
        )
        taken = listed.add("take", (a, index), (3, 1), kinds > 0)
        check(listed.program(listed.all_of(taken)), rows)


def test_taking_by_an_index_that_is_not_there_gives_nan() -> None:
    listed = Listed(4, 5)
    taken = listed.add(
        "take", (listed.view(1, 0, 0, 1, (1, 4)), listed.view(1, 4, 0, 0, (1, 1))), (1, 1), True
    )
    executor = NativeExecutor(listed.program([taken]))
    wild = [0.0, 3.0, 4.0, -1.0, 0.5, np.nan, np.inf, 1e300, -0.0]
    batch = np.column_stack([np.tile([10.0, 11.0, 12.0, 13.0], (9, 1)), wild])
    expected = [10.0, 13.0, *[np.nan] * 6, 10.0]
    np.testing.assert_array_equal(executor.outputs(np.zeros(4), batch)[:, 0], expected)


def network() -> Any:
    model = nn.MLP(5, [9, 3], activation="tanh", seed=1)
    x, y = [Value(0.1) for _ in range(5)], Value(1.0)
    loss = nn.cross_entropy(model(x), y)
    return compile(loss, [*x, y], parameters=model.parameters(), backend="native")


def rows_of(count: int) -> np.ndarray:
    random = np.random.default_rng(count)
    return np.column_stack([random.normal(size=(count, 5)), random.integers(0, 3, count)])


KEPT: list[object] = []
"""Libraries whose code somebody may still run."""


def ldexp_in_every_lane(e: Emitter, vector: Vector, exponent: Vector) -> Vector:
    """What the one instruction that only the widest vectors have does, by the C library."""
    ldexp, lanes = e.external("ldexp", DOUBLE, DOUBLE, WORD), range(e.lanes)
    pairs = [(e.lane(vector, k), e.builder.fptosi(e.lane(exponent, k), WORD)) for k in lanes]
    known = e.compare("==", exponent, exponent)
    return e.choose(known, e.joined(e.builder.call(ldexp, pair) for pair in pairs), exponent)


@pytest.fixture(params=[2, 4, 8])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """Vectors of so many numbers, in several registers where the machine's are narrower."""
    if native_library.lanes() < WIDEST:
        monkeypatch.setattr(Emitter, "scaled", ldexp_in_every_lane)
    monkeypatch.setenv("PAYBACK_CACHE", str(tmp_path))
    monkeypatch.setattr(native_library, "lanes", lambda: request.param)
    library = native_library.Library()
    KEPT.append(library)
    monkeypatch.setattr(native, "library", lambda: library)
    assert library.lanes == request.param
    return library.lanes


def test_vectors_of_any_width_give_the_same_numbers(width: int) -> None:
    for rows in (1, 2, 3, 7, 33, 300):
        test_products_of_every_kind(rows, 3)
        test_what_is_summed_over_the_rows(rows, 9, 5)
        test_collecting_by_strides_and_by_tables(rows)
        test_taking_by_an_index_of_every_kind(rows)
        for word in ("add", "where", "power", "exp", "sin", "erfc"):
            test_every_word_on_numbers_of_every_kind(word, rows)


def test_vectors_of_any_width_train_the_same_network(width: int) -> None:
    model, other = (nn.MLP(5, [9, 3], activation="gelu", seed=1) for _ in range(2))
    X, y = rows_of(50)[:, :5], rows_of(50)[:, 5]
    for each, backend in ((model, "native"), (other, "eager")):
        adam = nn.Adam(each.parameters(), lr=0.01)
        settings = {"loss": nn.cross_entropy, "optimizer": adam, "progress": False}
        nn.fit(each, X, y, epochs=5, batch_size=16, seed=1, backend=backend, **settings)
    found, expected = ([p.data for p in each.parameters()] for each in (model, other))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_rows_beyond_the_last_are_never_seen() -> None:
    """What fills a block up may be nan: it stays out of every sum."""
    program, many = network(), rows_of(64)
    program.value_and_grad(program.pack(), np.full((64, 6), np.nan))
    value, gradient = program.value_and_grad(program.pack(), many[:3])
    expected = [program.value_and_grad(program.pack(), many[k : k + 1]) for k in range(3)]
    assert value == pytest.approx(np.mean([each for each, _ in expected]), rel=1e-13)
    np.testing.assert_allclose(gradient, np.mean([g for _, g in expected], axis=0), rtol=1e-10)


def test_batches_of_many_lengths_in_turn() -> None:
    program, many = network(), rows_of(120)
    each = [program.value_and_grad(program.pack(), row[None])[0] for row in many]
    for count in [*range(1, 120, 8)] * 2:
        value, _ = program.value_and_grad(program.pack(), many[:count])
        assert value == pytest.approx(np.mean(each[:count]), rel=1e-12)


def test_a_program_that_is_too_large_says_so() -> None:
    listed = Listed(2**30, 1)
    program = listed.program([listed.each("neg", listed.each("neg", 0))])
    with pytest.raises(OverflowError, match="more memory than the native backend can address"):
        plan(program, 8)


def test_slabs_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    program, batch = network(), rows_of(3000)
    whole = program.value_and_grad(program.pack(), batch)
    monkeypatch.setattr(native, "LARGE", 1000)
    results = []
    for threads in (1, 2, 7):
        monkeypatch.setattr(native, "_processors", lambda threads=threads: threads)
        value, gradient = program.value_and_grad(program.pack(), batch)
        results.append((value, gradient.tobytes(), program(program.pack(), batch).tobytes()))
    assert results[0] == results[1] == results[2]
    assert results[0][0] == pytest.approx(whole[0], rel=1e-13)
    np.testing.assert_allclose(np.frombuffer(results[0][1]), whole[1], rtol=1e-11)


@pytest.mark.parametrize("factor", [1.0, -0.0])
def test_slabs_of_a_formula_that_hardly_reads_its_rows(
    monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """No mean to take, or means that are negative zeros."""
    monkeypatch.setattr(native, "LARGE", 10)
    x, w = Value(0.5), Value(2.0)
    root, slope = (w * w, 4.0) if factor else (w * x * factor, factor)
    program = compile(root, [x], parameters=[w], backend="native")
    value, gradient = program.value_and_grad([2.0], np.ones((3000, 1)))
    expected = [4.0 if factor else factor, slope]
    np.testing.assert_array_equal([value, *gradient], expected)
    np.testing.assert_array_equal(np.signbit([value, *gradient]), np.signbit(expected))


def test_slabs_that_hold_infinities_are_added_up_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "LARGE", 10)
    x, w = Value(0.5), Value(2.0)
    program, batch = compile(w * x, [x], backend="native"), np.ones((3000, 1))
    batch[[0, -1], 0] = np.inf, -np.inf
    with np.errstate(all="raise"):
        value, gradient = program.value_and_grad([2.0], batch)
    assert np.isnan([value, *gradient]).all()


@pytest.mark.parametrize("batch_size", [None, 1400])
def test_a_training_in_slabs_takes_the_same_steps(
    monkeypatch: pytest.MonkeyPatch, batch_size: int | None
) -> None:
    batch = rows_of(3000)
    X, y = batch[:, :4], batch[:, 4]

    def trained(backend: str) -> tuple[list[float], list[float], nn.History]:
        model = nn.MLP(4, [5, 1], activation="tanh", seed=1)
        optimizer = nn.Adam(model.parameters(), lr=0.01)
        ema = nn.EMA(model.parameters(), 0.9)
        history = nn.fit(
            model, X, y, loss=nn.mse_loss, optimizer=optimizer, ema=ema, epochs=4,
            batch_size=batch_size, backend=backend, progress=False,
        )  # fmt: skip
        return [*model.state_dict().values()], [*ema.averages], history

    whole, by_numpy = trained("native"), trained("numpy")
    monkeypatch.setattr(native, "LARGE", 1000)
    in_slabs = trained("native")
    for other in (whole, by_numpy):
        assert in_slabs[0] == pytest.approx(other[0], rel=1e-9)
        assert in_slabs[1] == pytest.approx(other[1], rel=1e-9)
        assert in_slabs[2].loss == pytest.approx(other[2].loss, rel=1e-9)


def test_arrays_of_any_layout() -> None:
    program, batch = network(), rows_of(20)
    expected = program.value_and_grad(program.pack(), batch)[1].tolist()
    frozen = batch.copy()
    frozen.flags.writeable = False
    askew = np.frombuffer(b"-" + batch.tobytes(), offset=1).reshape(batch.shape)
    for same in (frozen, np.asfortranarray(batch), np.repeat(batch, 2, axis=1)[:, ::2], askew):
        assert program.value_and_grad(program.pack(), same)[1].tolist() == expected


def test_threads_run_the_same_program_at_once() -> None:
    program, batch = network(), rows_of(50)
    expected = program.value_and_grad(program.pack(), batch)[1].tolist()
    found: list[list[float]] = []

    def run() -> None:
        for _ in range(50):
            found.append(program.value_and_grad(program.pack(), batch)[1].tolist())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each == expected for each in found)
    assert len(found) == 200


LASTS = """
import atexit, threading
import numpy as np
from autograd.compiler import native
from tests.autograd.compiler.test_native import network, rows_of
native.LARGE, native._processors = 1000, lambda: 3
program, batch, end = network(), rows_of(3000), threading.main_thread()
expected = program.value_and_grad(program.pack(), batch)[0]
def run():
    if threading.current_thread() is not end:
        end.join()
    print(program.value_and_grad(program.pack(), batch)[0] == expected)
threading.Thread(target=run).start()
atexit.register(run)
"""


def test_slabs_run_on_where_the_main_thread_has_come_to_its_end() -> None:
    assert in_a_process(code=LASTS).split() == ["True", "True"]


def test_what_goes_wrong_in_a_thread_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_processors", lambda: 2)
    both, threads = threading.Barrier(2), []

    def run() -> None:
        both.wait()  # one here, and one in the other thread
        threads.append(threading.current_thread())
        if threads[-1] is not threading.main_thread():
            raise MemoryError("none is left")

    with pytest.raises(MemoryError, match="none is left"):
        native._in_threads([run, run])
    assert len(threads) == 2


FORKS = """
import multiprocessing, sys, threading
import numpy as np
from tests.autograd.compiler.test_native import network, rows_of
program, batch, stop = network(), rows_of(2000), threading.Event()
expected = program.value_and_grad(program.pack(), batch[:5])[0]
def run():
    while not stop.is_set():
        program.value_and_grad(program.pack(), batch)
def answer(queue):
    queue.put(program.value_and_grad(program.pack(), batch[:5])[0])
thread = threading.Thread(target=run)
thread.start()
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
codes = []
for _ in range(5):
    child = context.Process(target=answer, args=(queue,))
    child.start()
    child.join(30)
    codes.append(child.exitcode == 0 and queue.get() == expected)
    child.kill()
stop.set()
thread.join()
assert all(codes), codes
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_a_thread_runs_a_program() -> None:
    in_a_process(code=FORKS)


FORKS_OF_MAKERS = """
import itertools, multiprocessing, threading
from autograd import Value, compile
from autograd.compiler import native
native.MUCH, made, stop = 0, threading.Event(), threading.Event()
def has_made(kinds):
    x, w = Value(0.5), Value(2.0)
    root = x * w
    for kind in kinds:
        root = (root + x).sin() if kind else (root * x).exp()
    compile(root, [x], backend="native").value_and_grad([2.0], [[1.0]])
    made.set()
def run():
    for kinds in itertools.takewhile(lambda _: not stop.is_set(), itertools.product(*[(0, 1)] * 9)):
        has_made(kinds)
thread = threading.Thread(target=run)
thread.start()
made.wait()
context, codes = multiprocessing.get_context("fork"), []
for _ in range(4):
    child = context.Process(target=has_made, args=((0, 1, 1),))
    child.start()
    child.join(10)
    codes.append(child.exitcode)
    child.kill()
stop.set()
thread.join()
assert codes == [0] * 4, codes
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_a_thread_has_code_made(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    in_a_process(code=FORKS_OF_MAKERS, PAYBACK_CACHE=str(blocked))


FIRST_OF_ALL = """
import threading, time
from autograd.compiler import native_library
made = []
class Slow:
    def __init__(self):
        made.append(self)
        time.sleep(0.2)
native_library.Library = Slow
threads = [threading.Thread(target=native_library.library) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(made) == 1
"""


def test_threads_that_run_the_first_program_at_once_share_their_code() -> None:
    """Of two libraries one would be let go, with the code that is running."""
    in_a_process(code=FIRST_OF_ALL)


RULES = [
    lambda m, p, g, s, rate: (p - rate * g, s),
    lambda m, p, g, s, rate: (s, p),
    lambda m, p, g, s, rate: (g, g),
    lambda m, p, g, s, rate: (p, 2.0),
    lambda m, p, g, s, rate: (rate, m.sqrt(m.divide(1.0, rate)) * p),
    lambda m, p, g, s, rate: (m.where(s, p, g - 1.0), m.where(g, s, 3.0)),
]
"""Optimisers' rules, some of which nobody would write."""


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("much", [0, 10**9])
def test_steps_of_any_rule_are_numpys(rule: Any, much: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(native, "MUCH", much)
    x, w = Value(0.5), [Value(0.1 * k - 0.3) for k in range(11)]
    for root in (autograd.sum([v * v * 0.5 for v in w]), x * w[0] + autograd.sum(w[3:]).tanh()):
        found = []
        for backend in ("native", "numpy"):
            program = compile(root, [x], parameters=w, backend=backend)
            params, state = program.pack(), np.ones((1, 11))
            previous = np.zeros((2, 11))
            rows, order = np.array([[0.5], [1.0], [-2.0]]), np.array([0, 2, 1, 1, 0])
            hyper = np.array([[0.1], [0.2], [0.3]])
            steps = autograd.Program.Steps(params, state, previous, rows, order, 2, hyper)
            losses = program.train(rule, steps)
            found.append(np.concatenate([losses, params, state[0], *previous]))
        np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("bad", range(6))
@pytest.mark.parametrize("much", [0, 10**9])
def test_what_was_before_the_last_step_is_numpys(bad: int, much: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(native, "MUCH", much)
    x, w = Value(0.5), [Value(0.1 * k + 0.3) for k in range(3)]
    root, rows = x.sqrt() * autograd.sum([v * v * v for v in w]), np.arange(1.0, 6.0)[:, None]
    rows[bad : bad + 1] = -1.0  # the fifth is the last, and beyond it there is none
    found = []
    for backend in ("native", "numpy"):
        program = compile(root, [x], parameters=w, backend=backend)
        params, state, previous = program.pack(), np.ones((1, 3)), np.full((2, 3), 7.0)
        hyper, order = np.full((5, 1), 0.01), np.arange(5)
        steps = autograd.Program.Steps(params, state, previous, rows, order, 1, hyper)
        losses = program.train(lambda m, p, g, s, rate: (p - rate * g, s + g), steps)
        assert len(losses) == min(bad + 1, 5)
        found.append(np.concatenate([losses, params, state[0], *previous]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


@pytest.mark.parametrize(
    "kind", ["plain", "loss reads it", "more follows", "gathered", "other way"]
)
def test_a_product_waits_only_where_nobody_misses_it(kind: str) -> None:
    """And the loss and the gradient are the same whether somebody does or not."""
    listed = Listed(12, 6)
    delta = listed.each("exp", listed.view(1, 0, 1, 1, (1, 2)))
    mean = listed.add("mean", (listed.add("sum", (delta,), (1, 1), True),), (1, 1), False)
    left = listed.table(delta, [1, 0], (1, 2)) if kind == "gathered" else delta
    pair = [(left, (1, 2)), (listed.view(1, 0, 1, 1, (1, 6)), (1, 6))]
    (left, (_, n)), (right, (_, m)) = pair[::-1] if kind == "other way" else pair
    product = listed.add("outer", (left, right), (n, m), False)
    if kind == "more follows":
        more = listed.add("sum", (listed.each("exp", delta),), (1, 1), True)
        mean = listed.add("mean", (more,), (1, 1), False)
    gradient = listed.collect((12, 1), 1, (product, 0, m, 1))
    if kind == "loss reads it":
        mean = listed.each("add", mean, listed.view(gradient, 3, 0, 0, (1, 1)))
    program = listed.program([], mean, gradient)
    assert (plan(program, 32).last_outer is not None) == (kind == "plain")
    check(program, 32)


@pytest.mark.parametrize("kind", ["one block", "a part", "of a part"])
def test_a_loss_that_is_read_in_the_gradient_is_of_its_own_step(kind: str) -> None:
    listed = Listed(1, 1)
    product = listed.add("outer", (listed.each("mul", 1, 0), 1), (1, 1), False)
    gradient = listed.collect((1, 1), 1, (product, 0, 1, 1)) if kind != "a part" else product
    loss = gradient if kind == "one block" else listed.view(gradient, 0, 0, 0, (1, 1))
    if kind != "one block":
        gradient = listed.view(gradient, 0, 1, 0, (1, 1))
    p, g, rate = Value(1.0), Value(1.0), Value(0.5)
    rule = roll([p - rate * g], [p, g], [rate]).program
    found = []
    for executor in (NativeExecutor, NumpyExecutor):
        params, state, previous = np.array([2.0]), np.zeros((0, 1)), np.zeros((1, 1))
        rows, hyper = np.array([[1.0], [2.0], [3.0], [4.0]]), np.full((2, 1), 0.1)
        steps = Steps(params, state, previous, rows, np.arange(4), 2, hyper)
        losses = executor(listed.program([], loss, gradient)).train(rule, steps)
        found.append([*losses, *params, *previous[0]])
    assert found[0] == pytest.approx(found[1], rel=1e-13)


def trained(program: autograd.Program, rule: Any, states: int, X: np.ndarray, size: int) -> Any:
    """Losses, parameters, state and what was before the last step, of two rounds over the rows."""
    params, order = program.pack(), np.random.default_rng(3).permutation(len(X))
    state, previous = np.full((states, len(params)), 0.5), np.zeros((1 + states, len(params)))
    hyper = np.linspace(0.05, 0.1, 2 * -(-len(order) // size))[:, None]
    for half in np.split(hyper, 2):
        steps = autograd.Program.Steps(params, state, previous, X, order, size, half)
        losses = program.train(rule, steps)
    return np.concatenate([losses, params, *state, *previous])


def rooted(m: Any, p: Any, g: Any, mean: Any, square: Any, rate: Any) -> tuple[Any, ...]:
    mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g * g
    return p - m.divide(rate * mean, m.sqrt(square) + 0.1), mean, square


SIZES = st.one_of(st.integers(1, 5), st.integers(31, 70))


@settings(max_examples=15, deadline=None)
@example(sizes=(64, 13, 3), batch_size=32, windows=1, kind="plain")
@example(sizes=(41, 9, 1), batch_size=7, windows=2, kind="plain")
@example(sizes=(64, 13, 3), batch_size=32, windows=1, kind="after")
@example(sizes=(64, 13, 3), batch_size=500, windows=1, kind="plain")
@given(
    sizes=st.tuples(SIZES, st.integers(1, 13), st.integers(1, 9)),
    batch_size=st.sampled_from([1, 2, 7, 32, 64, 500]),
    windows=st.integers(1, 3),
    kind=st.sampled_from(["plain", "decayed", "after", "frozen"]),
)
def test_steps_taken_while_a_gradient_is_finished_are_numpys(
    sizes: tuple[int, int, int], batch_size: int, windows: int, kind: str
) -> None:
    """Whatever the layers, the batches, and what else is wanted of the gradient."""
    deep, wide, out = sizes
    x = [Value(0.1) for _ in range(deep * windows)]
    model = nn.MLP(deep, [wide, out], activation="tanh", seed=1)
    parts = [model(x[k * deep : (k + 1) * deep]) for k in range(windows)]
    root = autograd.mean([y * y for part in parts for y in np.ravel(part)])
    if kind == "decayed":
        root = root + 0.1 * autograd.sum([p * p for p in model.parameters()])
    if kind == "after":  # the numbers that the last product gives are used again
        root = root + autograd.dot(x[:deep], model.parameters()[:deep])
    if kind == "frozen":
        model.parameters()[1].requires_grad = False
    X = np.random.default_rng(deep).normal(size=(300, len(x)))
    found = []
    for backend in ("native", "numpy"):
        program = compile(root, x, parameters=model.parameters(), backend=backend)
        found.append(trained(program, rooted, 2, X, batch_size))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9, atol=1e-12)


def test_vectors_of_any_width_take_the_same_steps(width: int) -> None:
    """A gradient is finished in the step, or before it, whatever this machine does."""
    for kind in ("one block", "a part", "of a part"):
        test_a_loss_that_is_read_in_the_gradient_is_of_its_own_step(kind)
    steps = test_steps_taken_while_a_gradient_is_finished_are_numpys.hypothesis.inner_test
    for kind in ("plain", "decayed", "after", "frozen"):
        for sizes, batch_size, windows in (((64, 13, 3), 32, 1), ((41, 9, 1), 7, 2)):
            steps(sizes, batch_size, windows, kind)


# -- the library on disk ---------------------------------------------------------------------------

SCRIPT = """
import sys
import numpy as np
from autograd import Value, compile
x, w = Value(0.0), Value(2.0)
program = compile((w * x).exp(), [x], backend=sys.argv[1] if len(sys.argv) > 1 else "native")
value, gradient = program.value_and_grad([2.0], [[0.0], [0.5]])
assert abs(value - 1.8591409142295225) < 1e-15 and abs(gradient[0] - 0.6795704571147613) < 1e-15
print(program.backend, getattr(program, "note", ""))
"""


def in_a_process(*arguments: str, code: str = SCRIPT, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("damage", ["cut short", "one bit", "empty", "text", "another's"])
def test_a_damaged_file_is_made_anew(damage: str, tmp_path: Path) -> None:
    in_a_process(PAYBACK_CACHE=str(tmp_path))
    files = sorted((tmp_path / "native").glob("*.o"))
    assert files
    whole = {path: path.read_bytes() for path in files}
    for path, data in whole.items():
        flipped = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
        other = whole[files[0] if path != files[0] else files[-1]]
        ways = {"cut short": data[: len(data) // 2], "one bit": flipped, "empty": b""}
        path.write_bytes({**ways, "text": b"not code", "another's": other}[damage])
    in_a_process(PAYBACK_CACHE=str(tmp_path))
    assert {path: path.read_bytes() for path in files} == whole


def test_code_of_another_version_is_not_used_from_a_zip_file_either(tmp_path: Path) -> None:
    package, libraries = tmp_path / "package.zip", []
    code = f"import sys; sys.path.pop(0)\n{SCRIPT}"  # the folder that this runs in
    for version in range(2):
        with zipfile.ZipFile(package, "w") as archive:
            for path in (ROOT / "autograd").rglob("*.*"):
                text = f"# {version}\n".encode() if path.name == "native_math.py" else b""
                archive.writestr(str(path.relative_to(ROOT)), text + path.read_bytes())
        in_a_process(code=code, PAYBACK_CACHE=str(tmp_path), PYTHONPATH=str(package))
        libraries.append(len([*(tmp_path / "native").glob("*-core.o")]))
    assert libraries == [1, 2]


def test_code_of_a_frozen_program_is_not_kept(tmp_path: Path) -> None:
    """Its text is not there, and so nothing says of what version the code is."""
    frozen = "from pathlib import Path\nfrom autograd.compiler import native_library\n"
    frozen += "native_library.files = lambda _: Path('there is none')\n"
    assert in_a_process(code=frozen + SCRIPT, PAYBACK_CACHE=str(tmp_path)).split()[0] == "native"
    assert not (tmp_path / "native").exists()


def test_without_a_place_on_disk(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    assert in_a_process(PAYBACK_CACHE=str(blocked)).split()[0] == "native"


def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "native"
    folder.mkdir()
    folder.chmod(0o777)
    in_a_process(PAYBACK_CACHE=str(tmp_path))
    assert not list(folder.iterdir())


def test_a_full_disk_is_no_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("PAYBACK_CACHE", str(tmp_path))
    monkeypatch.setattr(native_library, "write_atomically", full)
    assert native_library.kept("key", lambda: b"code") == b"code"


def test_two_processes_make_the_library_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PAYBACK_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT]
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert [process.returncode for process in both] == [0, 0]
    in_a_process(PAYBACK_CACHE=str(tmp_path))


@pytest.mark.parametrize(
    "trouble",
    [
        "sys.modules['llvmlite'] = None",
        "import llvmlite.binding as b; b.create_lljit_compiler = None",
        "import llvmlite.binding as b\ndef none(): raise RuntimeError('no such target')\n"
        "b.Target.from_default_triple = none",
    ],
)
def test_where_llvm_cannot_run_numpy_does_and_says_so(trouble: str, tmp_path: Path) -> None:
    code = f"import sys\n{trouble}\n{SCRIPT}"
    said = in_a_process("auto", code=code, PAYBACK_CACHE=str(tmp_path))
    assert said.split()[0] == "numpy"


def test_a_processor_that_llvm_does_not_know(tmp_path: Path) -> None:
    code = (
        "import llvmlite.binding as b\n"
        "def unknown(): raise RuntimeError('unknown')\n"
        f"b.get_host_cpu_features = unknown\n{SCRIPT}"
    )
    assert in_a_process(code=code, PAYBACK_CACHE=str(tmp_path)).split()[0] == "native"
