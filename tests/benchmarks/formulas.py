"""Formulas and simulations: value and gradient, by payback and by JAX.

Each is written once over a namespace of functions, so that all compute the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isclose, sqrt
from statistics import median
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import Any

import numpy as np

import autograd
from autograd import Value
from tests.benchmarks.measure import missing
from tests.benchmarks.report import duration
from tests.benchmarks.workloads import Array

ROUNDS = 7
SECONDS_PER_ROUND = 0.1


@dataclass(frozen=True, slots=True)
class Formula:
    """``of(m, params, inputs)`` for one row, the numbers to start from, and the rows."""

    name: str
    of: Callable[[Any, Sequence[Any], Sequence[Any]], Any]
    params: Array
    rows: Array
    unrolled: bool = False
    """Too long for XLA to compile in reasonable time."""


def black_scholes(m: Any, params: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """The squared error of the price of a call."""
    (volatility, rate), (spot, strike, time, price) = params, inputs
    spread = volatility * m.sqrt(time)
    up = (m.log(spot / strike) + (rate + 0.5 * volatility * volatility) * time) / spread
    chances = [0.5 * m.erfc(-d * sqrt(0.5)) for d in (up, up - spread)]
    off = spot * chances[0] - strike * m.exp(-rate * time) * chances[1] - price
    return off * off


def polynomial(m: Any, a: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """The squared error of a quadratic in two variables."""
    x, y = inputs
    off = a[0] + a[1] * x + a[2] * y + a[3] * x * x + a[4] * x * y + a[5] * y * y - x * y * y
    return off * off


def pendulum(m: Any, params: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """Where a damped pendulum is after 200 steps."""
    (gravity, damping), (angle, speed) = params, inputs
    for _ in range(200):
        speed = speed - 0.01 * (gravity * m.sin(angle) + damping * speed)
        angle = angle + 0.01 * speed
    return angle * angle + speed * speed


def rosenbrock(m: Any, x: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """The valley of 100 dimensions."""
    return m.sum(
        [100.0 * (b - a * a) * (b - a * a) + (1.0 - a) * (1.0 - a) for a, b in pairwise(x)]
    )


def attention(m: Any, params: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """A transformer block over 6 tokens of width 4: attention, a tanh layer, squared."""
    d, matrices = 4, [params[16 * k : 16 * k + 16] for k in range(4)]

    def through(matrix: Sequence[Any], x: Sequence[Any]) -> list[Any]:
        return [m.sum([w * a for w, a in zip(matrix[d * i : d * i + d], x)]) for i in range(d)]

    tokens = [inputs[d * k : d * k + d] for k in range(6)]
    queries, keys, values = ([through(matrix, x) for x in tokens] for matrix in matrices[:3])
    outputs = []
    for k, query in enumerate(queries):
        scores = [m.exp(0.5 * m.sum([a * b for a, b in zip(query, key)])) for key in keys[: k + 1]]
        total = m.sum(scores)
        mixed = [m.sum([s * v[i] for s, v in zip(scores, values)]) / total for i in range(d)]
        hidden = [m.tanh(x) for x in through(matrices[3], mixed)]
        outputs += [h * h for h in hidden]
    return m.sum(outputs)


def formulas() -> list[Formula]:
    """What is timed."""
    random = np.random.default_rng(0)
    low, high = [80, 80, 0.1, 1], [120, 120, 2, 30]
    markets = random.uniform(low, high, (200_000, 4))
    plane, states = random.uniform(-1, 1, (200_000, 2)), random.uniform(-1, 1, (1_000, 2))
    weights, tokens = random.normal(size=64), random.normal(size=(256, 24))
    return [
        Formula("Black–Scholes, 200,000 rows", black_scholes, np.array([0.2, 0.02]), markets),
        Formula("a polynomial, 200,000 rows", polynomial, np.arange(6) / 10, plane),
        Formula("a pendulum, 200 steps, 1,000 rows", pendulum, np.array([9.81, 0.1]), states, True),
        Formula(
            "Rosenbrock, 100 dimensions", rosenbrock, np.arange(100) % 10 / 10, np.zeros((1, 0))
        ),
        Formula("a transformer block, 256 rows", attention, weights, tokens, True),
    ]


OURS = SimpleNamespace(
    sum=autograd.sum, exp=autograd.exp, log=autograd.log, sqrt=autograd.sqrt,
    erfc=autograd.erfc, sin=autograd.sin, tanh=autograd.tanh,
)  # fmt: skip


def by_payback(formula: Formula, backend: str) -> Callable[[], tuple[float, Any]]:
    params, inputs = ([Value(1.0) for _ in range(n)] for n in _sizes(formula))
    root = formula.of(OURS, params, inputs)
    program = autograd.compile(root, inputs, parameters=params, backend=backend)
    return lambda: program.value_and_grad(formula.params, formula.rows)


def by_jax(formula: Formula) -> Callable[[], tuple[float, Any]]:
    """`jax.jit` of the mean over all rows."""
    import jax
    from jax import numpy as jnp
    from jax.scipy.special import erfc

    m = SimpleNamespace(
        sum=lambda xs: sum(xs[1:], start=xs[0]), exp=jnp.exp, log=jnp.log, sqrt=jnp.sqrt, erfc=erfc,
        sin=jnp.sin, tanh=jnp.tanh,
    )  # fmt: skip
    columns = [jnp.array(column) for column in formula.rows.T]
    of_all = jax.jit(jax.value_and_grad(lambda params: jnp.mean(formula.of(m, params, columns))))
    params = jnp.array(formula.params)

    def run() -> tuple[float, Any]:
        value, gradient = of_all([*params])
        return float(value), np.array(gradient)

    return run


def _sizes(formula: Formula) -> tuple[int, int]:
    return len(formula.params), formula.rows.shape[1]


WHO = {
    "**payback, native**": ("llvmlite", lambda formula: by_payback(formula, "native")),
    "**payback, NumPy backend**": ("numpy", lambda formula: by_payback(formula, "numpy")),
    "JAX, jit": ("jax", by_jax),
}


def table() -> str:
    """Every formula by everybody who is there."""
    lines = [
        "### Formulas: value and gradient",
        "",
        "| what | who | time per call | with setup, the first | numbers |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for formula in formulas():
        truth: float | None = None
        for who, (package, make) in WHO.items():
            if missing(package) or (package == "jax" and formula.unrolled):
                continue
            began = perf_counter()
            run = make(formula)
            value, _ = run()
            first = perf_counter() - began
            truth = value if truth is None else truth
            same = "the same" if isclose(value, truth, rel_tol=1e-9) else "OTHER"
            time = duration(_seconds(run))
            lines.append(f"| {formula.name} | {who} | {time} | {duration(first)} | {same} |")
    lines += ["", "JAX is left out where the graph is unrolled: XLA compiles for minutes."]
    return "\n".join(lines)


def _seconds(run: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        count, began = 0, process_time()
        while not count or process_time() - began < SECONDS_PER_ROUND:
            run()
            count += 1
        times.append((process_time() - began) / count)
    return median(times)
