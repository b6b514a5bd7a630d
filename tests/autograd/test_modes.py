"""What a block of code says about the nodes made in it: no_grad, detect_anomaly, scope."""

import _thread
import asyncio
import contextlib
import contextvars
import gc
import inspect
import itertools
import math
import operator
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FrameType
from typing import Any

import pytest

import autograd
import nn
from autograd import (
    AnomalyError,
    Value,
    affine,
    detect_anomaly,
    enable_grad,
    gradients,
    modes,
    no_grad,
    scope,
)
from autograd.modes import MODE, current_mode, no_branches
from tests.interrupts import interrupted_at

# -- no_grad, detach -------------------------------------------------------------------------------


def test_nothing_is_built_under_no_grad() -> None:
    x = Value(2.0)
    with no_grad():
        nodes = [x * 3, x + x, autograd.exp(x), autograd.dot([x], [x]), autograd.sum([x, x]), -x]
        nodes.append(Value(1.0, (x,), (1.0,), op="mine"))
    assert all(node.parents == () and not node.requires_grad for node in nodes)
    assert (x * 3).requires_grad


def test_leaves_made_under_no_grad_can_learn_afterwards() -> None:
    with no_grad():
        x = Value(2.0)
    (x * x).backward()
    assert x.grad == 4.0


def test_modes_end_with_their_block_even_by_an_error() -> None:
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (Value(1.0) * 2).requires_grad


def test_grad_can_be_enabled_again_inside() -> None:
    with no_grad(), enable_grad():
        assert (Value(1.0) * 2).requires_grad


def test_no_grad_decorates_functions_as_in_pytorch() -> None:
    @no_grad()
    def predict(x: Value) -> Value:
        return x * 2

    assert not predict(Value(1.0)).requires_grad


def test_no_grad_decorates_generators_as_in_pytorch() -> None:
    x = Value(3.0)

    @no_grad()
    def asked() -> Iterator[Any]:
        got = "nothing"
        while True:
            try:
                got = yield (x * x).requires_grad, got
            except KeyError as error:
                got = f"an error: {error}"
            except GeneratorExit:
                closed.append((x * x).requires_grad)
                raise
            if got == "enough":
                return (x * x).requires_grad

    closed: list[bool] = []
    generator: Any = asked()
    assert next(generator) == (False, "nothing")
    assert (x * x).requires_grad, "it waits, and others are not in its block"
    assert generator.send("more") == (False, "more")
    assert generator.throw(KeyError("k")) == (False, "an error: 'k'")
    assert (x * x).requires_grad
    with pytest.raises(StopIteration) as stop:
        generator.send("enough")
    assert stop.value.value is False
    generator = asked()
    next(generator)
    generator.close()
    assert closed == [False]
    assert (x * x).requires_grad
    assert inspect.isgeneratorfunction(asked)


def test_modes_decorate_coroutines_and_refuse_asynchronous_generators() -> None:
    x = Value(3.0)

    @no_grad()
    async def nothing(pause: float) -> bool:
        await asyncio.sleep(pause)
        return (x * x).requires_grad

    async def recorded() -> bool:
        await asyncio.sleep(0)
        return (x * x).requires_grad

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(nothing(0), recorded(), nothing(0), recorded())

    assert asyncio.run(all_of_them()) == [False, True, False, True]
    assert (x * x).requires_grad

    async def steps() -> Any:
        yield 1

    with pytest.raises(TypeError, match=r"steps is an asynchronous generator.*inside"):
        no_grad()(steps)


def test_blocks_nest_as_deep_as_a_program_goes() -> None:
    with contextlib.ExitStack() as stack:
        for number in range(3000):
            stack.enter_context(scope(f"{number}") if number % 2 else no_grad())
        assert len(Value(1.0).scope) == 1500
    assert current_mode() is None


def test_detach_cuts_the_graph() -> None:
    x = Value(2.0, label="x")
    y = x * x
    cut = y.detach()
    assert (cut.data, cut.parents, cut.requires_grad) == (4.0, (), False)
    (cut * x).backward()
    assert x.grad == 4.0


def test_modes_belong_to_their_thread() -> None:
    seen: list[bool] = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append((Value(1.0) * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_modes_belong_to_their_coroutine() -> None:
    async def quiet(gate: asyncio.Event) -> bool:
        with no_grad():
            gate.set()
            await asyncio.sleep(0)
            return (Value(1.0) * 2).requires_grad

    async def loud(gate: asyncio.Event) -> bool:
        await gate.wait()
        return (Value(1.0) * 2).requires_grad

    async def both() -> list[bool]:
        gate = asyncio.Event()
        return await asyncio.gather(quiet(gate), loud(gate))

    with ThreadPoolExecutor(1) as thread:  # in this one, a browser's loop may be running
        assert thread.submit(asyncio.run, both()).result() == [False, True]


def test_a_task_of_a_coroutine_is_in_the_block_it_was_made_in_until_that_ends() -> None:
    model, row = nn.MLP(2, [3, 3, 1], activation="tanh", seed=0), [1.0, 2.0]

    async def work(ready: asyncio.Event, gate: asyncio.Event) -> list[bool]:
        within = model(row), Value(1.0) * 2
        ready.set()
        await gate.wait()
        beyond = Value(1.0) * 2, model(row)
        beyond[-1].backward()
        return [node.requires_grad for node in (*within, *beyond)]

    async def outlived() -> list[bool]:
        ready, gate = asyncio.Event(), asyncio.Event()
        with no_grad():
            task = asyncio.create_task(work(ready, gate))
            await ready.wait()
        gate.set()
        return await task

    with ThreadPoolExecutor(1) as thread:  # in this one, a browser's loop may be running
        assert thread.submit(asyncio.run, outlived()).result() == [False, False, True, True]
    paid = [parameter.grad for parameter in model.parameters()]
    assert paid == gradients(model(row), model.parameters())
    assert 0.0 not in paid


# -- detect_anomaly --------------------------------------------------------------------------------

NANS: list[Callable[[Value], Value]] = [
    lambda x: autograd.log(x - 2.0),
    lambda x: autograd.sqrt(-x),
    lambda x: (x - 1.0) / (x - 1.0),
    lambda x: x * math.nan,
    lambda x: (-x) ** 0.5,
    lambda x: autograd.arcsin(x + 1),
    lambda x: Value(math.nan, (x,), (1.0,), op="mine"),
]


@pytest.mark.parametrize("make", NANS)
def test_a_nan_names_its_operation_and_the_line_that_made_it(
    make: Callable[[Value], Value],
) -> None:
    with detect_anomaly(), pytest.raises(AnomalyError) as caught:
        make(Value(1.0, label="the culprit"))
    assert caught.match("is nan")
    assert caught.match(rf"{__file__}:{make.__code__.co_firstlineno}")


def test_a_nan_names_its_operands_and_labels() -> None:
    a, b = Value(0.0, label="a"), Value(0.0, label="b")
    with detect_anomaly(), pytest.raises(AnomalyError, match=r"div\(a=0.0, b=0.0\)"):
        a / b


@pytest.mark.parametrize("make", NANS)
def test_without_the_mode_nothing_raises(make: Callable[[Value], Value]) -> None:
    x = Value(1.0)
    y = make(x)
    y.backward()
    assert math.isnan(y.data)


def test_anomalies_are_detected_where_somebody_asked_for_it() -> None:
    for other in (no_grad(), enable_grad(), scope("a")):
        with other:
            assert not autograd.is_anomaly_enabled()
            with detect_anomaly(), other:
                assert autograd.is_anomaly_enabled()


def test_an_infinity_is_an_anomaly_only_if_asked_for() -> None:
    with detect_anomaly():
        autograd.exp(Value(1000.0))
    with detect_anomaly(inf=True), pytest.raises(AnomalyError, match=r"exp\(1000.0\).*is inf"):
        autograd.exp(Value(1000.0))


def test_a_nan_of_the_backward_pass_names_the_line_and_stores_nothing() -> None:
    with detect_anomaly():
        x = Value(0.0, label="x")
        root = autograd.sqrt(x)
        y = root * 0.0 + x
        with pytest.raises(AnomalyError, match=r"paid to x, 0.0 × inf") as caught:
            y.backward()
    assert caught.match(rf"sqrt\(x=0.0\).*{__file__}:\d+")
    assert (x.grad, root.grad, y.grad) == (0.0, 0.0, 0.0)


def test_payments_that_are_no_number_together_are_found() -> None:
    """Each is infinite, and no nan."""
    with detect_anomaly():
        x = Value(0.0, label="x")
        told = rf"paid to x add up to nan: .* a leaf \(label 'x'\) is 0.0, made at {__file__}:\d+"
        flat = x.sqrt() - x.sqrt()
        for pay in (flat.backward, lambda: gradients(flat, x), lambda: x.backward(math.nan)):
            with pytest.raises(AnomalyError, match=told):
                pay()
        x.sqrt().backward()
        down = -x.sqrt()
        with pytest.raises(AnomalyError, match=told):
            down.backward()
        assert (x.grad, down.grad) == (math.inf, 0.0)


def test_a_nan_on_the_way_forward_is_found_and_none_in_what_nobody_asked_for() -> None:
    slope = partial(autograd.jvp, lambda x: x.sqrt() * 2.0, (0.0,))
    assert math.isnan(slope((0.0,))[1])
    masked: Any = lambda x: [x * 2.0, x - math.inf]  # noqa: E731
    with detect_anomaly():
        with pytest.raises(
            AnomalyError, match=r"tangent of sqrt is nan: .*sqrt\(0.0\) is 0.0, made"
        ):
            slope((0.0,))
        assert slope((1.0,)) == (0.0, math.inf)
        assert autograd.vjp(masked, 1.0)[1]([1.0, 0.0]) == (2.0,)


def test_a_program_stores_no_nan_under_the_mode() -> None:
    compile = pytest.importorskip("autograd.compiler").compile  # noqa: A001
    w, v, x = Value(0.0, label="w"), Value(2.0), Value(0.0)
    program = compile(v * x + (w * x).sqrt(), inputs=[x], backend="numpy")
    with detect_anomaly(), pytest.raises(AnomalyError, match=r"w add up to nan: .* detect_anomaly"):
        program.backward([[0.0]])
    assert (w.grad, v.grad) == (0.0, 0.0)
    with detect_anomaly():
        assert program.backward([[4.0]]) == 8.0
    assert (w.grad, v.grad) == (math.inf, 4.0)
    program.backward([[0.0]])
    assert math.isnan(w.grad)


def test_sources_are_known_under_the_mode_only() -> None:
    with detect_anomaly():
        x = Value(1.0)
        y = autograd.tanh(x)
    line = test_sources_are_known_under_the_mode_only.__code__.co_firstlineno
    assert x.source == f"{__file__}:{line + 2}"
    assert y.source == f"{__file__}:{line + 3}"
    assert (Value(1.0) * 2).source is None


# -- scope -----------------------------------------------------------------------------------------


def test_scopes_nest_and_end() -> None:
    with scope("layer 1"):
        x = Value(1.0)
        with scope("neuron 0"):
            y = x * 2
        z = y + 1
    assert (x.scope, y.scope, z.scope) == (("layer 1",), ("layer 1", "neuron 0"), ("layer 1",))
    assert (z * 2).scope == ()


def test_a_scope_survives_other_modes() -> None:
    with scope("层"), detect_anomaly():
        x = Value(1.0, label="x")
    assert x.scope == ("层",)
    assert x.source is not None
    assert x.label == "x"


@pytest.mark.parametrize("name", ["", 3, None])
def test_a_scope_needs_a_name(name: object) -> None:
    with pytest.raises(TypeError, match="scope takes a name"), scope(name):  # type: ignore[arg-type]
        pass


# -- anomalies where nothing is recorded, and what is none -----------------------------------------


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda c: c.log(), r"log\(c=-1.0\)"),
        (lambda c: (c * math.inf) * 0.0, r"mul\(-inf, 0.0\)"),
        (lambda c: math.inf - (c - math.inf) * -1.0, r"sub\(inf, inf\)"),
        (lambda c: math.inf + (c - math.inf), r"add\(inf, -inf\)"),
        (lambda c: autograd.relu(c * math.nan), r"mul\(c=-1.0, nan\)"),
        (lambda c: autograd.relu(math.nan), r"relu\(nan\)"),
        (lambda c: autograd.dot([c], [math.nan]), r"dot\(c=-1.0, nan, 0.0\)"),
    ],
)
@pytest.mark.parametrize("learning", [True, False])
def test_the_first_nan_is_found_among_constants_and_under_no_grad(
    make: Callable[[Value], Value], told: str, learning: bool
) -> None:
    with detect_anomaly():
        with pytest.raises(AnomalyError, match=rf"{told} is nan, made at .*test_modes.py:\d+"):
            make(Value(-1.0, label="c", requires_grad=False))
        with no_grad(), pytest.raises(AnomalyError, match=told):
            make(Value(-1.0, label="c", requires_grad=learning))


@pytest.mark.parametrize("f", [lambda x: x**2, lambda x: x**3, lambda x: 2.0**x * x**1])
def test_what_nobody_is_paid_is_no_anomaly(f: Callable[[Value], Value]) -> None:
    plain = autograd.grad(autograd.grad(f))(0.0)
    with detect_anomaly(inf=True):  # the partial of 0**2 by its exponent is 0 · log(0)
        assert autograd.grad(autograd.grad(f))(0.0) == plain
        x = Value(-2.0)
        f(x).backward()  # and that of (-2)**2 is log(-2)
    assert x.grad == pytest.approx(autograd.check_grads(f, [-2.0]).inputs[0].numeric)


def test_a_nan_of_a_second_derivative_is_found() -> None:
    with detect_anomaly():
        y = Value(0.0).sqrt() * 0.0
        with pytest.raises(AnomalyError, match=r"made at .*test_modes.py:\d+"):
            y.backward(create_graph=True)


@pytest.mark.parametrize("label", ["a\u061cb", "a\u202eb", "a\nb", "a\x1b[31mb", "a\u2066b"])
def test_labels_cannot_rewrite_a_message(label: str) -> None:
    with detect_anomaly():
        with pytest.raises(AnomalyError) as caught:
            autograd.log(Value(-1.0, label=label))
        root = autograd.sqrt(Value(0.0, label=label)) * 0.0
        with pytest.raises(AnomalyError) as paid:
            root.backward()
    for error in (caught, paid):
        assert label not in str(error.value)
        assert str(error.value).isprintable()
        assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def called_from(file: str, function: Callable[..., Any]) -> Callable[[], Any]:
    """A function that calls another in line 3 of a file of this name."""
    code = compile("def caller(function):\n\n    return function()", file, "exec")
    exec(code, names := {})
    return partial(names["caller"], function)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["/home/site-packages/lib.py", "/home/mine.py"], "/home/mine.py:3"),
        (["/home/mine.py", "/home/main.py"], "/home/mine.py:3"),
        (["/site-packages/a.py", "/site-packages/b.py"], "/site-packages/a.py:3"),
        ([autograd.__file__, "<frozen importlib>", autograd.__file__], "<frozen importlib>:3"),
        ([autograd.__file__, nn.__file__, os.__file__], f"{os.__file__}:3"),
        ([], "<unknown>:0"),
    ],
)  # fmt: skip
def test_the_line_is_the_user_s_if_there_is_one(files: list[str], expected: str) -> None:
    made: list[Value] = []
    make: Callable[[], Any] = partial(made.extend, map(Value, [1.0]))  # without a frame of Python
    for file in files:
        make = called_from(file, make)
    done = _thread.allocate_lock()
    done.acquire()
    with detect_anomaly():  # in a thread as bare as can be: no frame but those of the files
        here = contextvars.copy_context()
        _thread.start_new_thread(here.run, (list, map(operator.call, [make, done.release])))
        assert done.acquire(timeout=30)
    assert made[0].source == expected


# -- blocks that end out of turn -------------------------------------------------------------------


def held_open(mode: Any) -> Iterator[None]:
    with mode:
        yield


def recording() -> bool:
    return (Value(1.0) * 2).requires_grad


def test_a_generator_closed_inside_another_block_takes_only_its_own_away() -> None:
    silent = held_open(no_grad())
    next(silent)
    with detect_anomaly(), scope("box"):
        assert not recording()
        silent.close()
        assert recording()
        assert Value(1.0).scope == ("box",)
        with pytest.raises(AnomalyError):
            Value(1.0) * math.nan
    assert recording()
    assert MODE.get() is None


def test_a_generator_closed_while_a_scope_runs() -> None:
    silent, boxed = held_open(no_grad()), held_open(scope("outer"))
    next(silent), next(boxed)
    assert scope("inner").run(lambda: (silent.close(), Value(1.0).scope)[1]) == ("outer", "inner")
    assert recording()
    assert scope("inner").run(lambda: (boxed.close(), Value(1.0).scope)[1]) == ("inner",)
    assert MODE.get() is None


def test_a_generator_closed_while_one_of_several_scopes_runs() -> None:
    silent, boxed = held_open(no_grad()), held_open(scope("outer"))
    next(silent), next(boxed)
    pair = [scope("a"), scope("b")]
    scopes = scope.run_each(pair, [lambda _: silent.close(), lambda _: Value(1.0).scope], [0, 1])
    assert scopes == [None, ("outer", "b")]
    assert recording()
    assert Value(1.0).scope == ("outer",)
    scope.run_each(pair, [lambda _: boxed.close()], [0])
    assert MODE.get() is None


def test_generators_closed_in_the_order_of_their_making() -> None:
    held = [held_open(mode) for mode in (scope("a"), no_grad(), scope("b"), enable_grad())]
    for one in held:
        next(one)
    assert (recording(), Value(1.0).scope) == (True, ("a", "b"))
    held[0].close()
    assert (recording(), Value(1.0).scope) == (True, ("b",))
    held[3].close()
    assert not recording()
    held[1].close()
    assert (recording(), Value(1.0).scope) == (True, ("b",))
    held[2].close()
    assert MODE.get() is None


def test_a_generator_closed_in_another_thread_leaves_both_threads_right() -> None:
    silent = held_open(no_grad())
    next(silent)
    seen = []

    def close() -> None:
        with scope("theirs"):
            silent.close()
            seen.append((recording(), Value(1.0).scope))

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    assert seen == [(True, ("theirs",))]
    assert recording()
    with scope("ours"):
        assert (recording(), Value(1.0).scope) == (True, ("ours",))


def test_a_dropped_generator_ends_its_block() -> None:
    silent = held_open(no_grad())
    next(silent)
    del silent
    gc.collect()
    assert recording()


def test_one_manager_can_be_entered_within_itself() -> None:
    silent = no_grad()
    with silent:
        with silent:
            assert not recording()
        assert not recording()
    assert recording()
    box = scope("box")
    with box, box:
        assert Value(1.0).scope == ("box", "box")
    assert MODE.get() is None


def test_a_manager_used_again_and_again_keeps_nothing() -> None:
    quietly = no_grad()
    for _ in range(100):
        with quietly:
            pass
    gc.collect()
    # not isinstance, which asks things for their class: of PyTorch's, some warn
    assert sum(type(thing) is modes.Block for thing in gc.get_objects()) == 0


def test_one_scope_stands_for_a_box_in_whatever_it_runs_in() -> None:
    box = scope("b")

    def made() -> list[tuple[str, ...]]:
        [z] = affine([[Value(1.0)]], [Value(1.0)], [Value(1.0)], [box])
        [y] = scope.run_each([box], [Value], [1.0])
        return [box.run(Value, 1.0).scope, y.scope, z.scope]

    for _ in range(2):
        assert made() == [("b",)] * 3
        assert made() == [("b",)] * 3
        with scope("a"):
            assert made() == [("a", "b")] * 3
            assert made() == [("a", "b")] * 3
    assert box.inside(None) is box.inside(None)


def test_a_scope_travels_and_shows_its_name() -> None:
    box = pickle.loads(pickle.dumps(scope("layer 1")))
    assert box.run(Value, 1.0).scope == ("layer 1",)
    assert repr(box) == "scope('layer 1')"


def test_modes_leave_no_cycles_behind() -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            with no_grad(), scope("a"), detect_anomaly():
                scope("b").run(Value, 1.0)
        assert gc.collect() < 10
    finally:
        gc.enable()


@pytest.mark.parametrize("enter", [
    no_grad, detect_anomaly, lambda: scope("box"), no_branches,
])  # fmt: skip
def test_an_interrupt_at_any_line_leaves_the_mode_as_it_was(enter: Callable[[], Any]) -> None:
    """Where Python looks for signals: the n-th call raises, for every n."""

    def block() -> None:
        with enter():
            scope("inner").run(Value, 1.0)

    def is_call_of_ours(frame: FrameType, kind: str) -> bool:
        ours = frame.f_code.co_filename == modes.__file__ or frame.f_code is block.__code__
        return kind == "call" and ours and not dying(frame)

    for event in itertools.count():
        if not interrupted_at(event, block, is_call_of_ours):
            break
        assert MODE.get() is None, event
    assert event > 5


def dying(frame: Any) -> bool:
    """Whether this runs because an object is freed, where errors go nowhere."""
    while frame and frame.f_code.co_name not in ("__del__", "_callers"):
        frame = frame.f_back
    return frame is not None
