"""The program as users meet it: what it takes, what it refuses, and what it says."""

import inspect
import math
import operator
import re
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

import numpy as np
import pytest

import autograd
from autograd import Program, Value, compile, no_grad  # noqa: A004
from autograd.compiler.listing import unrolled
from autograd.rules import TABLE
from autograd.value import FLOATS, apply
from tests.autograd.compiler.reference import follow
from tests.interrupts import interrupted_at


@pytest.fixture
def line() -> tuple[Program, list[Value], list[Value]]:
    """w x + b with inputs x, y and loss ½ (w x + b - y)², its parameters and its inputs."""
    x, y, w, b = (Value(0.0, label=name) for name in "xywb")
    w.data, b.data = 2.0, 1.0
    loss = 0.5 * (w * x + b - y) ** 2
    return compile(loss, inputs=[x, y], backend="numpy"), [w, b], [x, y]


BATCH = [[1.0, 2.0], [2.0, 3.0]]  # errors 1 and 2


def test_the_example_of_the_contract(line: tuple) -> None:
    program, (w, b), _ = line
    value, grads = program.value_and_grad([2.0, 1.0], BATCH)
    assert (value, grads.tolist()) == (1.25, [2.5, 1.5])
    assert isinstance(value, float)
    assert grads.dtype == np.float64
    assert program([2.0, 1.0], BATCH).tolist() == [[0.5], [2.0]]
    assert program.parameters == [w, b]
    assert program.backend == "numpy"


def test_compile_is_a_function_and_stays_one() -> None:
    code = (
        "import autograd, autograd.compiler.program; from autograd import compile; "
        "assert callable(autograd.compile) and autograd.compile is compile"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_backward_adds_to_grad(line: tuple) -> None:
    program, (w, b), inputs = line
    assert program.backward(BATCH) == 1.25
    assert program.backward(BATCH) == 1.25
    assert (w.grad, b.grad) == (5.0, 3.0)
    assert [x.grad for x in inputs] == [0.0, 0.0]
    w.grad, b.grad = None, 0.0
    assert program.backward(BATCH) == 1.25
    assert (w.grad, b.grad) == (2.5, 1.5), "None counts as 0"
    w.data = 1.0
    w.grad = b.grad = 0.0
    assert program.backward(BATCH) == 0.0
    assert (w.grad, b.grad) == (0.0, 0.0)


def test_backward_pays_what_the_eager_engine_pays_when_some_are_frozen() -> None:
    a, b = Value(2.0), Value(3.0)
    program, eager = compile(a * b, backend="numpy"), a * b
    a.requires_grad, a.grad = False, None
    for backward in (program.backward, eager.backward):
        b.grad = 1.0
        backward()
        assert (a.grad, b.grad) == (None, 3.0)
    b.requires_grad = False
    assert program.backward() == 6.0
    assert b.grad == 3.0


def test_backward_is_all_or_nothing() -> None:
    ws = [Value(float(n), label=f"w{n}") for n in range(4)]
    program = compile(ws[0] * ws[1] * ws[2] * ws[3] + ws[0], backend="numpy")
    grads = [600.0, None, 7.0, "x"]
    for w, before in zip(ws, grads):
        w.grad = before
    with pytest.raises(TypeError):
        program.backward()
    assert [w.grad for w in ws] == grads
    ws[3].grad = 1.0
    moment = 0
    while interrupted_at(moment, program.backward, _is_line_that_may_store):
        assert [w.grad for w in ws] == [600.0, None, 7.0, 1.0]
        moment += 1
    assert moment > 3
    assert [w.grad for w in ws] == [607.0, 0.0, 7.0, 1.0]


def _is_line_that_may_store(frame: FrameType, kind: str) -> bool:
    """But for the lines of the one function that gives all back, for which there is no later."""
    code = frame.f_code
    ours = code.co_filename.endswith(("backward.py", "program.py"))
    return kind == "line" and ours and code.co_name not in ("_all_or_nothing", "backward", "store")


def test_unpack_is_all_or_nothing() -> None:
    ws = [Value(float(n)) for n in range(4)]
    program = compile(ws[0] * ws[1] * ws[2] * ws[3], backend="numpy")

    def is_line_of_unpacking(frame: FrameType, kind: str) -> bool:
        outer = frame.f_back and frame.f_back.f_lineno == first
        return kind == "line" and frame.f_code.co_name == "_put" and bool(outer)

    source, start = inspect.getsourcelines(Program.unpack)
    first = start + next(n for n, line in enumerate(source) if "_put(array" in line)
    moment = 0
    while interrupted_at(moment, lambda: program.unpack([9.0] * 4), is_line_of_unpacking):
        assert [w.data for w in ws] == [0.0, 1.0, 2.0, 3.0]
        moment += 1
    assert moment > 4
    assert [w.data for w in ws] == [9.0] * 4


def test_pack_and_unpack(line: tuple) -> None:
    program, (w, b), _ = line
    assert program.pack().tolist() == [2.0, 1.0]
    program.unpack(np.array([3, 4]))
    assert (w.data, b.data) == (3.0, 4.0)
    assert type(w.data) is float
    with pytest.raises(ValueError, match=r"params must have shape \(2,\), got \(3,\)"):
        program.unpack([1.0, 2.0, 3.0])
    assert program.pack().tolist() == [3.0, 4.0]


def test_no_batch_where_there_are_no_inputs() -> None:
    a, b = Value(2.0), Value(1.0)
    program = compile((a + b) * (b + 1), backend="numpy")
    assert program([2.0, 1.0]).tolist() == [[6.0]]
    assert program.backward() == 6.0
    assert (a.grad, b.grad) == (2.0, 5.0)
    assert program([2.0, 1.0], np.zeros((3, 0))).tolist() == [[6.0]] * 3


def test_a_batch_is_missed(line: tuple) -> None:
    with pytest.raises(TypeError, match=r"2 inputs: pass a batch of shape \(N, 2\)"):
        line[0].value_and_grad([1.0, 2.0])


@pytest.mark.parametrize(
    ("params", "batch", "error", "words"),
    [
        ([1.0], BATCH, ValueError, r"params must have shape \(2,\), got \(1,\)"),
        ([[1.0, 2.0]], BATCH, ValueError, r"params must have shape \(2,\), got \(1, 2\)"),
        ([1.0, 2.0], [1.0, 2.0], ValueError, r"batch must have shape \(N, 2\), got \(2,\)"),
        ([1.0, 2.0], [[1.0]], ValueError, r"batch must have shape \(N, 2\), got \(1, 1\)"),
        ([1.0, 2.0], np.zeros((2, 2, 2)), ValueError, r"got \(2, 2, 2\)"),
        ([1.0, 2.0], [[1.0, 2.0], [3.0]], ValueError, "batch is not rectangular"),
        ([1.0, 2.0], [], ValueError, r"batch must have shape \(N, 2\), got \(0,\)"),
        ([1.0, 2j], BATCH, TypeError, "params must hold real numbers, got dtype complex128"),
        ([1.0, 2.0], [["1", "2"]], TypeError, "batch must hold real numbers, got dtype <U1"),
        ([1.0, None], BATCH, TypeError, "got dtype object$"),
        ([1.0, 10**30], BATCH, TypeError, "got dtype object$"),
        (
            [Value(1.0), Value(2.0)],
            BATCH,
            TypeError,
            r"got dtype object: pass the numbers, \.data of each Value",
        ),
        ([1.0, 2.0], np.array([["2020", "2021"]], dtype="M8[Y]"), TypeError, "datetime64"),
        ("12", BATCH, TypeError, "params must hold real numbers"),
    ],
)
def test_bad_arrays(line: tuple, params: object, batch: object, error: type, words: str) -> None:
    for call in (line[0], line[0].value_and_grad):
        with pytest.raises(error, match=words):
            call(params, batch)


def test_nan_and_infinity_are_numbers(line: tuple) -> None:
    program = line[0]
    assert math.isnan(program.value_and_grad([math.nan, 0.0], BATCH)[0])
    assert program.value_and_grad([math.inf, 0.0], BATCH)[0] == math.inf


def test_unknown_backend() -> None:
    a = Value(1.0)
    with pytest.raises(ValueError, match="unknown backend 'torch': choose one of 'auto', 'native'"):
        compile(a * a, backend="torch")


@pytest.mark.parametrize(
    ("backend", "package", "extra"), [("native", "llvmlite", "fast"), ("jax", "jax", "jax")]
)
def test_missing_package(
    backend: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    a = Value(1.0)
    with pytest.raises(ImportError, match=rf'needs {package}: pip install "payback\[{extra}\]"'):
        compile(a * a, backend=backend)


def test_auto_without_llvmlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    a = Value(3.0)
    program = compile(a * a)
    assert program.backend == "numpy"
    assert "llvmlite" in program.note
    assert program.note in repr(program)
    assert program.value_and_grad([3.0])[1].tolist() == [6.0]


def test_the_old_name_of_native() -> None:
    a = Value(3.0)
    with pytest.warns(DeprecationWarning, match='"native"'):
        program = compile(a * a, backend="numba")
    assert program.backend == "native"


def test_without_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r'^this needs jax: pip install "payback\[jax\]"$'):
        compile(Value(1.0) * 2.0, backend="numpy").to_jax()


def test_without_numpy() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None; import autograd; a = autograd.Value(1.0)\n"
        "try: autograd.compile(a * a)\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'this needs numpy: pip install "payback[fast]"\n'


def test_bad_roots() -> None:
    a = Value(1.0)
    with pytest.raises(TypeError, match="each root is a Value, got float"):
        compile([a * a, 1.0])
    with pytest.raises(TypeError, match="roots are a sequence of Values, got float"):
        compile(1.0)
    with pytest.raises(ValueError, match="at least one root"):
        compile([])


def test_a_root_without_a_graph() -> None:
    x = Value(1.0)
    with no_grad():
        y = x * x
    with pytest.raises(ValueError, match=r"no graph to compile: was it computed under no_grad\(\)"):
        compile(y, [x])


def test_bad_inputs() -> None:
    x, w = Value(1.0, label="x"), Value(2.0, label="w")
    y = x * w
    constant = Value(3.0, requires_grad=False)
    with pytest.raises(ValueError, match="computed by 'mul': inputs must be leaves"):
        compile(y + 1, inputs=[y])
    with pytest.raises(ValueError, match=r"label='x'.* is listed twice as input"):
        compile(y, inputs=[x, w, x])
    with pytest.raises(ValueError, match=r"is a constant.*make the input with Value\(0\.0\)"):
        compile(y * constant, inputs=[constant])
    with pytest.raises(TypeError, match="inputs are a sequence of Values, got Value"):
        compile(y, inputs=x)
    with pytest.raises(TypeError, match="inputs are a sequence of Values, got set"):
        compile(y, inputs={x, w})  # which column would be whose?
    with pytest.raises(TypeError, match="each input is a Value, got str"):
        compile(y, inputs=["x"])
    with pytest.raises(ValueError, match=r"label='x'.* is both an input and a parameter"):
        compile(y, inputs=[x], parameters=[w, x])
    with pytest.raises(ValueError, match="parameters must be leaves"):
        compile(y, inputs=[x], parameters=[y])


def test_one_of_many_that_is_listed_twice_is_found_at_once() -> None:
    w = [Value(1.0) for _ in range(4000)]
    start = time.process_time()
    with pytest.raises(ValueError, match="is listed twice as parameter"):
        compile(autograd.sum(w), parameters=[*w, w[-1]])
    assert time.process_time() - start < 1.0


def test_an_unused_input_is_fine() -> None:
    x, spare, w = Value(1.0), Value(1.0), Value(2.0)
    program = compile(x * w, [spare, x], backend="numpy")
    assert program([2.0], [[9.0, 3.0]]).tolist() == [[6.0]]


def test_what_python_decided_is_fixed() -> None:
    x = Value(1.0)
    y = x * 2 if x > 0 else x * 3
    program = compile(y, [x], backend="numpy")
    assert program([], [[-1.0]]).tolist() == [[-2.0]]
    assert "fixed" in str(compile.__doc__)


def test_compiling_leaves_the_graph_alone() -> None:
    x, w = Value(1.0), Value(2.0)
    y = (x * w).tanh()
    y.backward()
    before = [node.grad for node in (x, w, y)]
    compile(y, [x], backend="numpy").value_and_grad([3.0], [[5.0]])
    assert [node.grad for node in (x, w, y)] == before
    assert [node.data for node in (x, w)] == [1.0, 2.0]


def test_the_value_is_the_sum_of_several_roots() -> None:
    x, w = Value(1.0), Value(2.0)
    program = compile([x * w, w], [x], backend="numpy")
    value, grads = program.value_and_grad([2.0], [[1.0], [3.0]])
    assert (value, grads.tolist()) == (6.0, [3.0])


def descend(m: object, p, g, rate, *rest) -> tuple:  # type: ignore[no-untyped-def]
    return (p - rate * g,)


def steps(program: Program, **change: object) -> Program.Steps:
    usual: dict = {
        "params": program.pack(), "state": np.zeros((0, 2)), "previous": np.zeros((1, 2)),
        "rows": BATCH, "order": [0, 1], "batch_size": 2, "hyper": [[0.1, 0.1]],
    }  # fmt: skip
    return Program.Steps(**{**usual, **change})


def test_a_rule_is_recorded_once(line: tuple) -> None:
    program, recorded = line[0], []

    def rule(m, p, g, *hyper) -> tuple:  # type: ignore[no-untyped-def]
        recorded.append(len(hyper))
        return descend(m, p, g, *hyper)

    for hyper in ([[0.1, 0.1]], [[0.2, 0.3]], [[0.1]], [[0.3]]):
        program.train(rule, steps(program, hyper=hyper))
    assert recorded == [2, 1]


@pytest.mark.parametrize("mode", [no_grad, autograd.detect_anomaly])
def test_a_rule_is_recorded_whatever_holds_where_that_is(line: tuple, mode: Callable) -> None:
    def trained(rule: Callable) -> list[float]:
        given = steps(line[0])
        line[0].train(rule, given)
        return given.params.tolist()

    rules = [lambda m, p, g, lr, decay: (p - lr * g * m.sqrt(0.3 - decay),) for _ in range(2)]
    with mode():
        inside = trained(rules[0])
    assert inside == trained(rules[1]) != line[0].pack().tolist()


def test_a_rule_that_decides_in_python_is_refused(line: tuple) -> None:
    with pytest.raises(autograd.BranchError, match="a > b compares a number"):
        line[0].train(lambda m, p, g, *hyper: (p - g if g > 0 else p,), steps(line[0]))


def test_train_refuses_rows_that_are_not_there(line: tuple) -> None:
    with pytest.raises(IndexError, match="outside the 2 rows"):
        line[0].train(descend, steps(line[0], order=[0, 2]))


def test_train_refuses_what_does_not_fit(line: tuple) -> None:
    program = line[0]
    program.train(descend, steps(program))
    for change, error, words in [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": 2.0}, TypeError, r"batch_size is a whole number, got 2\.0"),
        ({"epoch": -1}, ValueError, "epoch must be at least 0, got -1"),
        ({"epoch": 1.5}, TypeError, r"epoch is a whole number, got 1\.5"),
        ({"epoch": 1}, ValueError, r"hyper must have shape \(2, N\), got \(1, 2\)"),
        ({"hyper": [[0.1, 0.1]] * 2}, ValueError, r"hyper must have shape \(1, N\), got \(2, 2\)"),
        ({"state": np.zeros((1, 2))}, ValueError, r"previous must have shape \(2, 2\)"),
        ({"state": np.zeros((0, 3))}, ValueError, r"state must have shape \(0, 2\)"),
        ({"order": [0.5, 1.2]}, TypeError, "order holds the indices of rows, got dtype float64"),
        ({"order": [[0], [1]]}, ValueError, r"order must have shape \(N,\), got \(2, 1\)"),
        ({"params": np.zeros(3)}, ValueError, r"params must have shape \(2,\)"),
        ({"params": np.zeros(2, "float32")}, TypeError, "params changes in place"),
        ({"params": np.zeros(4)[::2]}, TypeError, "params changes in place"),
    ]:
        with pytest.raises(error, match=words):
            program.train(descend, steps(program, **change))
    with pytest.raises(ValueError, match="gives 2 numbers for a parameter with 0 of state"):
        program.train(lambda m, p, g, *hyper: (p, g), steps(program))
    own = Value(0.5, label="own")
    with pytest.raises(ValueError, match=r"not given Value\(0\.5, label='own'"):
        program.train(lambda m, p, g, *hyper: (p - own * g,), steps(program))


@pytest.mark.parametrize("backend", ["numpy", "native", "jax"])
def test_batches_and_epochs_may_be_larger_than_any_number_of_64_bits(backend: str) -> None:
    pytest.importorskip({"native": "llvmlite"}.get(backend, backend))
    w, x = Value(2.0), Value(1.0)
    program = compile((w * x) ** 2, [x], backend=backend)
    given = [np.array([2.0]), np.zeros((0, 1)), np.zeros((1, 1)), [[1.0], [3.0]], np.arange(2)]
    many = Program.Steps(*given, batch_size=10**30, hyper=[[0.1]], epoch=10**30)
    assert program.train(descend, many).tolist() == [20.0]


def test_repr(line: tuple) -> None:
    assert repr(line[0]) == (
        "<Program of 12 operations on blocks, 2 inputs, 2 parameters, 1 root, on numpy>"
    )


def test_listing_reads_like_the_formula() -> None:
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    e = (a + b) * (b + 1)
    e.label = "e"
    listing = compile(e, inputs=[a], backend="numpy").listing()
    assert listing.splitlines() == [
        "      v0 = parameter 0                      once b",
        "      v1 = input 0                          row  a",
        "      v2 = v1 + v0                          row",
        "      v3 = 1.0                              once",
        "      v4 = v0 + v3                          once",
        "      v5 = v2 * v4                          row  e",
        "      v6 = v2 + v4                          row",
        "",
        "root 0: v5   e",
        "gradient 0: v6   b",
        "",
        "4 instructions, 3 for the value (value and gradient cost 1.33 times the value)",
        "1 of them uniform, done once for all rows",
        "per row: 4 registers in use at most, 4 flops, 96 bytes",
    ]


@pytest.mark.filterwarnings("error")
def test_the_instructions_compute_what_the_program_does() -> None:
    """Products, windows that share weights, folds, a choice by index, an unused parameter."""
    x, w = [Value(0.5) for _ in range(4)], [Value(0.3 * k - 1) for k in range(8)]
    layer = [autograd.dot(w[k : k + 4], x, w[7]).tanh() for k in (0, 2)]
    windows = [autograd.dot(w[1:3], x[k : k + 2]) for k in range(3)]
    chosen = apply(TABLE["take"], *windows, x[3])
    unused = Value(1.0)
    terms = [
        autograd.logsumexp([*layer, *windows]),
        chosen,
        autograd.softmax(layer)[1],
        w[0] * w[5],
    ]
    root = autograd.sum(terms) * autograd.sum([v.sin() for v in w] + [v.sin() for v in w])
    program = compile([root, x[0] - w[0]], x, parameters=[*w, unused], backend="numpy")
    params, rows = program.pack(), np.array([[0.5, -1.0, 2.0, 1.0], [1.5, 0.0, -2.0, 2.0]])
    listing = unrolled(program.arrays, {})
    blocks = follow(listing.program, params, rows)
    outputs = [blocks[k].ravel() for k in listing.program.roots]
    np.testing.assert_allclose(np.transpose(outputs), program(params, rows), rtol=1e-12)
    value, gradient = program.value_and_grad(params, rows)
    assert blocks[listing.program.loss].mean() == pytest.approx(value, rel=1e-12)
    slopes = [blocks[k].mean() for k in listing.gradients]
    np.testing.assert_allclose(slopes, gradient, rtol=1e-11, atol=1e-14)
    assert slopes[-1] == 0.0


@pytest.mark.parametrize("limit", [20, 21])
def test_listing_of_a_large_program_is_short(limit: int) -> None:
    weights = [Value(0.1, label=f"w{k}") for k in range(500)]
    program = compile(autograd.sum([w.tanh() for w in weights]), backend="numpy")
    assert len(program.listing(limit=500).splitlines()) > 1000
    whole, ends, counts = program.listing(limit=10_000).split("\n\n")
    assert "more" not in whole + ends
    assert program.listing(limit=500).split("\n\n")[1] == ends
    assert program.listing(limit=200) == program.listing()
    assert program.listing(limit=0).split("\n\n")[2] == counts
    assert program.listing(limit=len(whole.splitlines())).split("\n\n")[0] == whole
    with pytest.raises(ValueError, match="0 or more, got -1"):
        program.listing(limit=-1)
    body, cut_ends, same = program.listing(limit=limit).split("\n\n")
    lines, all_lines = body.splitlines(), whole.splitlines()
    last = limit // 2
    assert lines[: limit - last] == all_lines[: limit - last]
    assert lines[limit - last] == f"       …   {len(all_lines) - limit:,} more"
    assert lines[limit - last + 1 :] == all_lines[-last:]
    gradients = ends.splitlines()[1:]
    assert [line.split("   ")[1] for line in gradients] == [f"w{k}" for k in range(500)]
    assert cut_ends.splitlines()[1:] == [*gradients[:limit], f"… {500 - limit} more"]
    assert same == counts


def test_listing_takes_any_label() -> None:
    a = Value(1.0, label="x\ny\x00\x1b[31m" + "z" * 10_000)
    lines = compile(a * a, backend="numpy").listing().splitlines()
    assert len(lines) == 10
    assert all(line.isprintable() for line in lines)
    assert lines[0].endswith("once x y  [31m" + "z" * 30 + "…"), "40 letters at most"
    fits = Value(1.0, label="z" * 40)
    assert compile(fits * 2.0, backend="numpy").listing().splitlines()[0].endswith(" " + "z" * 40)


def instructions(program: Program) -> dict[str, tuple[list[str], str]]:
    """The instructions of the list as text: of each register its operands, and its mark."""
    lines = program.listing(limit=10**6).split("\n\n")[0].splitlines()
    told = [re.fullmatch(r"\s*(v\d+) = (.*?) +(row|once)( .*)?", line) for line in lines]
    return {m[1]: (re.findall(r"v\d+", m[2]), m[3]) for m in told if m}


OPERATORS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": FLOATS.divide,
    "<": FLOATS.less, "<=": FLOATS.less_equal, "==": FLOATS.equal,
}  # fmt: skip


def computed(text: str, numbers: dict[str, float], leaves: dict[str, list[float]]) -> float:
    """What one instruction comes to, as one reads it."""
    if m := re.fullmatch(r"(v\d+) (\S+) (v\d+)", text):
        return float(OPERATORS[m[2]](numbers[m[1]], numbers[m[3]]))
    if m := re.fullmatch(r"(\w+)\((.*)\)", text):
        return float(getattr(FLOATS, m[1])(*[numbers[name] for name in m[2].split(", ")]))
    if m := re.fullmatch(r"(parameter|input) (\d+)", text):
        return leaves[m[1]][int(m[2])]
    return -numbers[text[1:]] if text.startswith("-v") else float(text)


def read(program: Program, params: list[float], row: list[float]) -> dict[str, float]:
    """What the ends of the list come to."""
    numbers: dict[str, float] = {}
    body, ends, _ = program.listing(limit=10**6).split("\n\n")
    for line in body.splitlines():
        m = re.fullmatch(r" *(v\d+) = (.*?) +(?:row|once)(?: .*)?", line)
        assert m, line
        numbers[m[1]] = computed(m[2], numbers, {"parameter": params, "input": row})
    told = [re.fullmatch(r"(\w+ \d+): (v\d+)(?:   .*)?", line) for line in ends.splitlines()]
    return {m[1]: numbers[m[2]] for m in told if m}


def every_word() -> Program:
    a, b, c = (Value(x, label=name) for x, name in ((0.7, "a"), (2.0, "b"), (-0.5, "c")))
    one = c**0
    one.label = "one"
    chosen = autograd.where(autograd.less_equal(a, b), a / b, a - b)
    other = autograd.where(autograd.equal(a, b), -a, autograd.where(autograd.less(b, a), a, c * b))
    shared = autograd.sum([a.sin(), b.sin(), c.sin(), a.sin() * b.sin()])
    taken = autograd.take([a, b * 2.0, c], autograd.sign(a) + 1.0)
    terms = [chosen, other * one, shared, taken, autograd.logsumexp([a, b, c]), math.inf**-1 * a]
    return compile([autograd.sum(terms), chosen + b], [a, b], backend="numpy")


def windows() -> Program:
    """Weights that are shared, so that what they are owed adds up; the last is not used."""
    w, x = [Value(0.1 * k - 0.3) for k in range(7)], [Value(0.5) for _ in range(3)]
    sums = [autograd.dot(w[k : k + 3], x).tanh() for k in range(4)]
    return compile(autograd.sum(sums), x, parameters=[*w, Value(1.0)], backend="numpy")


def network() -> Program:
    x = [Value(0.0) for _ in range(3)]
    weights = [[Value(0.1) for _ in x] for _ in range(4)]
    bias = Value(0.2)
    return compile(autograd.sum([(autograd.dot(row, x) + bias.exp()).tanh() for row in weights]), x)


def mixture() -> Program:
    a, b, unused = Value(0.5), Value(2.0), Value(1.0)
    roots = [a * b, autograd.logsumexp([a, b, 3.0]) ** 2.5, -a]
    return compile(roots, [a], parameters=[b, unused], backend="numpy")


@pytest.mark.parametrize("build", [network, mixture, every_word, windows])
@pytest.mark.parametrize("row", [[0.3, -1.2, 2.0], [2.0, 2.0, -0.0], [0.0, -3.0, 0.1]])
def test_the_list_read_line_by_line_computes_what_the_program_does(
    build: Callable[[], Program], row: list[float]
) -> None:
    program = build()
    row, params = row[: len(program.names.inputs)], program.pack().tolist()
    found = read(program, params, row)
    outputs, (_, slopes) = program(params, [row])[0], program.value_and_grad(params, [row])
    wanted = {f"root {k}": y for k, y in enumerate(outputs)}
    wanted |= {f"gradient {k}": slope for k, slope in enumerate(slopes)}
    assert found == pytest.approx(wanted, rel=1e-12, abs=1e-15)
    if build in (mixture, windows):
        assert str([*found.values()][-1]) == "0.0", "of a parameter that is not used"
    if build is every_word:
        signs = set(re.findall(r"= v\d+ (\S+) v\d+ ", program.listing()))
        assert signs == {*OPERATORS}, "written as in Python"
    nothing = re.findall(r"(v\d+) = -?0\.0 ", program.listing())
    assert not any(re.search(rf"{name} \+|\+ {name}\b", program.listing()) for name in nothing)


@pytest.mark.parametrize(
    "build", [network, mixture, every_word, lambda: compile(Value(2.0), backend="numpy")]
)
def test_counts_are_those_of_the_instructions_that_are_listed(build: Callable) -> None:
    program = build()
    listed, counts = instructions(program), program.counts()
    computed = {name: operands for name, (operands, _) in listed.items() if operands}
    assert counts.instructions == counts.flops == len(computed)
    assert counts.uniform == sum(listed[name][1] == "once" for name in computed)
    assert counts.bytes == sum(8 * (1 + len(operands)) for operands in computed.values())
    needed = set(re.findall(r"root \d+: (v\d+)", program.listing()))
    for name in reversed(listed):
        needed |= {*listed[name][0]} if name in needed else set()
    assert counts.of_value == len(needed & computed.keys())
    assert counts.ratio == counts.instructions / max(1, counts.of_value)
    last = {j: name for name in listed for j in [name, *listed[name][0]]}
    alive, most = set[str](), 0
    for name in listed:
        alive.add(name)
        most = max(most, len(alive))
        alive = {j for j in alive if last[j] != name}
    assert counts.registers == most


def test_masked_numbers_are_refused() -> None:
    w, x = Value(2.0), Value(0.0)
    program = compile(w * x, inputs=[x], backend="numpy")
    holes = np.ma.array([[1.0], [2.0]], mask=[[0], [1]])
    for batch in (holes, [holes[0], holes[1]]):
        with pytest.raises(ValueError, match="batch has masked numbers"):
            program([2.0], batch)
    with pytest.raises(ValueError, match="params has masked numbers"):
        program(np.ma.array([2.0], mask=[1]), [[1.0]])
    assert program([2.0], np.ma.array([[1.0], [2.0]])).tolist() == [[2.0], [4.0]]
