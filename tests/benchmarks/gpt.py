"""How fast a tiny GPT learns: `python -m tests.benchmarks.gpt`.

The model of `demos/12_a_tiny_gpt.py`, trained by a plain Value with a node for every sum and
product (in the manner of microgpt's), by payback eagerly and compiled, and by C whose gradients
were derived by hand (`gpt.c`). All start from the same parameters and must report the same losses
and gradients. One core; the times are to be read as ratios.
"""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from time import process_time
from types import SimpleNamespace
from typing import Any

import numpy as np

import autograd
import nn
from tests.benchmarks import _one_core, measure
from tests.benchmarks.by_hand import FLAGS

__all__ = ["_one_core", "main"]

LENGTH, WIDTH, HEADS, SIZE = 12, 16, 4, 4
NAMES = sorted({name.strip("_") for name in sys.stdlib_module_names})
NAMES = [name for name in NAMES if name.isalpha() and name.islower() and len(name) < LENGTH]
LETTERS = "." + "".join(sorted({letter for name in NAMES for letter in name}))
SHAPES = [
    *((len(LETTERS), WIDTH), (LENGTH, WIDTH)),
    *[(WIDTH, WIDTH)] * 4,
    *((4 * WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (len(LETTERS), WIDTH)),
]


class Plain:
    """A number with its operands and local derivatives: what microgpt calls a Value."""

    __slots__ = ("data", "grad", "operands", "slopes")

    def __init__(self, data: float, operands: tuple[Plain, ...] = (), slopes: Any = ()) -> None:
        self.data, self.grad, self.operands, self.slopes = data, 0.0, operands, slopes

    def __add__(self, other: Any) -> Plain:
        other = other if isinstance(other, Plain) else Plain(other)
        return Plain(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Any) -> Plain:
        other = other if isinstance(other, Plain) else Plain(other)
        return Plain(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k: float) -> Plain:
        return Plain(self.data**k, (self,), (k * self.data ** (k - 1),))

    def exp(self) -> Plain:
        y = math.exp(self.data)
        return Plain(y, (self,), (y,))

    def log(self) -> Plain:
        return Plain(math.log(self.data), (self,), (1 / self.data,))

    def relu(self) -> Plain:
        return Plain(max(0.0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> Plain:
        return self * -1.0

    def __sub__(self, other: Any) -> Plain:
        return self + (-other)

    def __truediv__(self, other: Any) -> Plain:
        return self * (other**-1 if isinstance(other, Plain) else 1 / other)

    __radd__, __rmul__ = __add__, __mul__

    def backward(self) -> None:
        order: list[Plain] = []
        seen: set[Plain] = set()

        def visit(node: Plain) -> None:
            if node not in seen:
                seen.add(node)
                for operand in node.operands:
                    visit(operand)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for operand, slope in zip(node.operands, node.slopes):
                operand.grad += slope * node.grad


def plain_dot(xs: Iterable[Any], ys: Iterable[Any]) -> Any:
    return sum(x * y for x, y in zip(xs, ys))


def plain_softmax(xs: list[Plain]) -> list[Plain]:
    most = max(x.data for x in xs)
    exps = [(x - most).exp() for x in xs]
    total = sum(exps, start=Plain(0.0))
    return [e / total for e in exps]


PLAIN = SimpleNamespace(
    dot=plain_dot, softmax=plain_softmax, relu=Plain.relu, take=lambda xs, i: xs[int(i)],
    surprise=lambda xs, i: -plain_softmax(xs)[int(i)].log(),
)  # fmt: skip
OURS = SimpleNamespace(
    dot=autograd.dot, softmax=autograd.softmax, relu=autograd.relu, take=autograd.take,
    surprise=lambda xs, i: autograd.logsumexp(xs) - autograd.take(xs, i),
)  # fmt: skip


class GPT(nn.Module):
    """The demo's model, over any kind of number."""

    def __init__(self, number: Callable[[float], Any], m: Any, seed: int = 1) -> None:
        draws = Random(seed)
        self.m = m
        self.matrices = [
            [[number(draws.gauss(0.0, 0.08)) for _ in range(columns)] for _ in range(rows)]
            for rows, columns in SHAPES
        ]

    def __call__(self, tokens: Any) -> list[list[Any]]:
        letters, places, query, key, value, mix, wide, narrow, out = self.matrices
        m, keys, values, scores = self.m, [], [], []
        for place, token in enumerate(tokens):
            letter = [m.take(column, token) for column in zip(*letters)]
            x = self.normed(added(letter, places[place]))
            q, k, v = (self.linear(w, self.normed(x)) for w in (query, key, value))
            keys.append(k)
            values.append(v)
            found = [y for h in range(HEADS) for y in self.head(h, q, keys, values)]
            x = added(x, self.linear(mix, found))
            hidden = [m.relu(a) for a in self.linear(wide, self.normed(x))]
            x = added(x, self.linear(narrow, hidden))
            scores.append(self.linear(out, x))
        return scores

    def linear(self, weights: Any, x: Any) -> list[Any]:
        return [self.m.dot(w, x) for w in weights]

    def normed(self, x: Any) -> list[Any]:
        scale = (self.m.dot(x, x) / len(x) + 1e-5) ** -0.5
        return [a * scale for a in x]

    def head(self, h: int, q: Any, keys: Any, values: Any) -> list[Any]:
        own = slice(h * SIZE, (h + 1) * SIZE)
        shares = self.m.softmax([self.m.dot(q[own], k[own]) / SIZE**0.5 for k in keys])
        return [self.m.dot(shares, list(column)) for column in zip(*[v[own] for v in values])]

    def loss(self, scores: Any, y: Any) -> Any:
        costs = [self.m.surprise(s, right) for s, right in zip(scores, y)]
        return self.m.dot(y[len(scores) :], costs)


def added(x: Any, y: Any) -> list[Any]:
    return [a + b for a, b in zip(x, y)]


def row(name: str) -> tuple[list[int], list[float]]:
    """What is read, padded; what comes next at each place, and the weights of the places."""
    tokens = [LETTERS.index(letter) for letter in f".{name}"] + [0] * LENGTH
    weights = [1 / (len(name) + 1)] * (len(name) + 1) + [0.0] * LENGTH
    return tokens[:LENGTH], [*tokens[1:LENGTH], 0, *weights[:LENGTH]]


def short(name: str) -> tuple[list[int], list[float]]:
    """The same without the padding, which an engine that makes a graph for each name can do."""
    (tokens, y), n = row(name), len(name) + 1
    return tokens[:n], [*y[:n], *y[LENGTH : LENGTH + n]]


ROWS = [row(NAMES[i]) for i in np.random.default_rng(0).integers(0, len(NAMES), 3200)]
X, Y = (np.array(part, dtype=float) for part in zip(*ROWS))


def eagerly(number: Callable[[float], Any], m: Any, steps: int) -> tuple[float, list[float]]:
    """Seconds per step at batch 1, Adam included, and the losses."""
    model = GPT(number, m)
    parameters = [p for matrix in model.matrices for weights in matrix for p in weights]
    first, second = [0.0] * len(parameters), [0.0] * len(parameters)
    times, losses = [], []
    chosen = np.random.default_rng(0).integers(0, len(NAMES), 3200)
    for step in range(steps):
        tokens, y = short(NAMES[chosen[step]])
        began = process_time()
        loss = model.loss(model(tokens), y)
        loss.backward()
        for i, p in enumerate(parameters):
            first[i] = 0.85 * first[i] + 0.15 * p.grad
            second[i] = 0.99 * second[i] + 0.01 * p.grad**2
            ahead = first[i] / (1 - 0.85 ** (step + 1))
            p.data -= 0.01 * ahead / ((second[i] / (1 - 0.99 ** (step + 1))) ** 0.5 + 1e-8)
            p.grad = 0.0
        times.append(process_time() - began)
        losses.append(loss.data)
    return sum(times) / steps, losses


def compiled(batch: int) -> tuple[float, float]:
    """Seconds per sample in the native loop of `fit`, Adam included, and until it is ready."""
    began = process_time()
    model = GPT(autograd.Value, OURS)
    x, y = ([autograd.Value(0.0) for _ in range(n)] for n in (LENGTH, 2 * LENGTH))
    parameters = model.parameters()
    program = autograd.compile(model.loss(model(x), y), [*x, *y], parameters=parameters)
    adam = nn.Adam(parameters, lr=0.01, betas=(0.85, 0.99))
    rows, params = np.column_stack([X, Y]), program.pack()
    state, previous = np.zeros((2, len(params))), np.zeros((3, len(params)))
    count = min(400, len(rows) // batch)
    order = np.arange(count * batch)
    numbers = adam.hyper(np.arange(1.0, count + 1), adam.lr)
    hyper = np.stack(np.broadcast_arrays(*numbers, np.zeros(count)), axis=1)[:, :-1].copy()

    def train() -> float:
        began = process_time()
        steps = autograd.Program.Steps(params, state, previous, rows, order, batch, hyper)
        program.train(adam.rule, steps)
        return process_time() - began

    train()
    before = process_time() - began
    return min(train() for _ in range(9)) / len(order), before


class InC:
    """`gpt.c`, built by the compiler at hand."""

    def __init__(self, folder: str) -> None:
        library = Path(folder) / "gpt.so"
        source = Path(__file__).with_name("gpt.c")
        subprocess.run(["cc", *FLAGS, "-o", library, source, "-lm"], check=True)
        self.library = ctypes.CDLL(str(library))
        self.library.gpt_value_and_grad.restype = ctypes.c_double
        model = GPT(float, None)
        self.params = np.array([p for matrix in model.matrices for w in matrix for p in w])
        self.tokens, self.next = (np.ascontiguousarray(a, np.int32) for a in (X, Y[:, :LENGTH]))
        self.counts = np.ascontiguousarray(Y[:, LENGTH:])

    def value_and_grad(self, rows: int) -> tuple[float, Any]:
        gradient = np.empty_like(self.params)
        value = self.library.gpt_value_and_grad(
            pointer(self.params), len(self.params), len(LETTERS), pointer(self.tokens),
            pointer(self.next), pointer(self.counts), rows, pointer(gradient),
        )  # fmt: skip
        return value, gradient

    def train(self, batch: int, steps: int) -> tuple[float, Any]:
        """Seconds per sample, and the losses."""
        params, losses = self.params.copy(), np.empty(steps)
        m, v, gradient = (np.zeros_like(params) for _ in range(3))
        began = process_time()
        self.library.gpt_train(
            pointer(params), len(params), len(LETTERS), pointer(self.tokens), pointer(self.next),
            pointer(self.counts), len(X), batch, steps, ctypes.c_double(0.01), pointer(m),
            pointer(v), pointer(gradient), pointer(losses),
        )  # fmt: skip
        return (process_time() - began) / (batch * steps), losses


def pointer(array: Any) -> Any:
    return ctypes.c_void_p(array.ctypes.data)


def main() -> int:
    """Print the table; 1 if somebody computed something else."""
    measure.pin()
    text = table()
    print(text)
    return int("OTHER" in text)


def table() -> str:
    """Everybody's time for a step of one name, and for a name in batches of 32."""
    sys.setrecursionlimit(100_000)
    plain, plain_losses = eagerly(Plain, PLAIN, 10)
    eager, eager_losses = eagerly(autograd.Value, OURS, 20)
    one, _ = compiled(1)
    many, before = compiled(32)
    rows = [
        ("a plain Value, a node for every sum and product", plain, plain),
        ("**payback, eager, with dot and softmax**", eager, eager),
        ("**payback, in the loop of fit**", one, many),
    ]
    same = np.allclose(plain_losses, eager_losses[:10], rtol=1e-9)
    if shutil.which("cc"):
        with tempfile.TemporaryDirectory() as folder:
            c = InC(folder)
            same &= held_against_ours(*c.value_and_grad(32))
            times = (min(c.train(n, 300)[0] for _ in range(9)) for n in (1, 32))
            rows.append(("C, gradients by hand", *times))
    lines = [
        "### A tiny GPT: value, gradient and Adam",
        "",
        "| who | a step, 1 name | × plain | a name, in batches of 32 | × plain |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for who, step, sample in rows:
        cells = [f"{1e6 * step:,.0f} µs", f"{plain / step:,.0f}"]
        cells += [f"{1e6 * sample:,.1f} µs", f"{plain / sample:,.0f}"]
        lines.append(f"| {who} | {' | '.join(cells)} |")
    told = "the same" if same else "OTHER"
    return "\n".join(
        [*lines, "", f"Recording and planning: {before:.1f} s; losses and gradients: {told}."]
    )


def held_against_ours(value: float, gradient: Any) -> bool:
    """Whether C has our value and gradient, to many digits."""
    model = GPT(autograd.Value, OURS)
    parameters = model.parameters()
    total = autograd.mean([model.loss(model(x), y) for x, y in ROWS[:32]])
    total.backward()
    ours = [p.grad for p in parameters]
    return bool(np.isclose(value, total.data, rtol=1e-9) and np.allclose(gradient, ours, atol=1e-9))


if __name__ == "__main__":
    raise SystemExit(main())
