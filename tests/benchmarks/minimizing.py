"""A function of 100 numbers handed to `scipy.optimize.minimize`, by gradients of several kinds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import process_time
from types import SimpleNamespace
from typing import Any

import numpy as np

import autograd
from tests.benchmarks.formulas import OURS, rosenbrock
from tests.benchmarks.measure import missing
from tests.benchmarks.report import duration

START = np.arange(100) % 10 / 10
PLAIN = SimpleNamespace(sum=sum)


def _by_payback() -> tuple[Any, bool]:
    return autograd.jit(autograd.value_and_grad(lambda x: rosenbrock(OURS, x, ()))), True


def _by_jax() -> tuple[Any, bool]:
    import jax

    m = SimpleNamespace(sum=lambda terms: sum(terms[1:], start=terms[0]))
    both = jax.jit(jax.value_and_grad(lambda x: rosenbrock(m, x, ())))
    return (lambda x: tuple(map(np.asarray, both(x)))), True


def _by_differences() -> tuple[Any, bool]:
    return (lambda x: rosenbrock(PLAIN, x.tolist(), ())), False


WHO: dict[str, tuple[str, Callable[[], tuple[Any, bool]]]] = {
    "**payback, jit(value_and_grad(f))**": ("llvmlite", _by_payback),
    "JAX, jit(value_and_grad(f))": ("jax", _by_jax),
    "SciPy's own differences": ("scipy", _by_differences),
}


def table() -> str:
    """The whole of a minimisation by L-BFGS, the first with recording and compiling in it."""
    lines = [
        "### Rosenbrock's function of 100 numbers, minimised by SciPy (L-BFGS)",
        "",
        "| whose gradient | calls | the first time | again | found |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for who, (package, make) in WHO.items():
        if not (missing(package) or missing("scipy")):
            began = process_time()
            run = partial(_minimized, *make())
            result = run()
            first = process_time() - began
            again = min(_seconds(run) for _ in range(5))
            cells = f"{result.nfev:,} | {duration(first)} | {duration(again)} | {result.fun:.1e}"
            lines.append(f"| {who} | {cells} |")
    return "\n".join(lines)


def _minimized(f: Any, has_gradient: bool) -> Any:
    from scipy.optimize import minimize

    options = {"maxiter": 1000, "maxfun": 100_000}
    return minimize(f, START, jac=has_gradient or None, method="L-BFGS-B", options=options)


def _seconds(run: Callable[[], object]) -> float:
    began = process_time()
    run()
    return process_time() - began
