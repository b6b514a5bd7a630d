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
    "**payback, NumPy backend**": ("numpy", OURS.format("numpy")),
    "JAX": ("jax", JAX),
    "PyTorch": ("torch", TORCH),
}


def table() -> str:
    """Seconds of processor time from the start of a process to its first gradient."""
    lines = [
        "### The first gradient of a process, imports included",
        "",
        "| who | on a new machine | afterwards |",
        "| --- | ---: | ---: |",
    ]
    for who, (package, code) in WHO.items():
        if not missing(package):
            with tempfile.TemporaryDirectory() as folder:
                first = _seconds(code, folder)
                later = median(_seconds(code, folder) for _ in range(5))
            lines.append(f"| {who} | {duration(first)} | {duration(later)} |")
    return "\n".join(lines)


def _seconds(code: str, folder: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", TIMED.format(code)],
        cwd=ROOT,
        env={**os.environ, "PAYBACK_CACHE": folder},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)
