"""How long it takes until the first gradient: on a machine that has never made one, and again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.measure import missing
from tests.benchmarks.report import duration

ROOT = Path(__file__).parents[2]
TIMED = "import time; began = time.process_time()\n{}\nprint(time.process_time() - began)"
OURS = """
from autograd import Value, compile
w, x = Value(2.0), Value(0.5)
program = compile((w * x).tanh(), [x], backend="{}")
program.value_and_grad(program.pack(), [[0.5]])
"""
DIGITS = """
import numpy as np, autograd, nn
from autograd import Program, Value, compile
model = nn.MLP(64, [32, 10], seed=0)
x, y = [Value(0.0) for _ in range(64)], Value(1.0)
loss = nn.cross_entropy(model(x), y)
program = compile(loss, [*x, y], parameters=model.parameters(), backend="native")
adam, params = nn.Adam(model.parameters()), program.pack()
numbers = adam.hyper(np.arange(1.0, 2.0), adam.lr)
hyper = np.array([[float(np.squeeze(number)) for number in numbers]])
state, previous = np.zeros((2, len(params))), np.zeros((3, len(params)))
rows, order = np.zeros((32, 65)), np.arange(32)
program.train(adam.rule, Program.Steps(params, state, previous, rows, order, 32, hyper))
"""
JAX = """
import jax
jax.jit(jax.value_and_grad(lambda w, x: jax.numpy.tanh(w * x)))(2.0, 0.5)[0].block_until_ready()
"""
TORCH = """
import torch
w = torch.tensor(2.0, requires_grad=True)
(w * 0.5).tanh().backward()
"""
WHO = {
    "**payback, native**": ("llvmlite", OURS.format("native")),
    "**payback, native, a step of training digits**": ("llvmlite", DIGITS),
    "**payback, NumPy backend**": ("numpy", OURS.format("numpy")),
    "JAX": ("jax", JAX),
    "PyTorch": ("torch", TORCH),
}


def table() -> str:
    """Seconds of processor time from the start of a process to its first gradient.

    A first run, not counted, leaves all modules as bytecode, as an installation does.
    """
    lines = [
        "### The first gradient of a process, imports included",
        "",
        "| who | on a new machine | afterwards |",
        "| --- | ---: | ---: |",
    ]
    for who, (package, code) in WHO.items():
        if not missing(package):
            with tempfile.TemporaryDirectory() as folder:
                _seconds(code, folder)
            with tempfile.TemporaryDirectory() as folder:
                first = _seconds(code, folder)
                later = median(_seconds(code, folder) for _ in range(5))
            lines.append(f"| {who} | {duration(first)} | {duration(later)} |")
    return "\n".join(lines)


def _seconds(code: str, folder: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", TIMED.format(code)],
        cwd=ROOT,
        env={**os.environ, "PAYBACK_CACHE": folder, "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)
