"""Hand-written C as a contender, compiled here and now where there is a gcc."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.ours import Train
from tests.benchmarks.workloads import Array, Workload

PAD = 8
FLAGS = (
    "-O3 -march=native -fno-math-errno -fno-trapping-math -fno-signed-zeros -fassociative-math "
    "-freciprocal-math -ffinite-math-only -shared -fPIC"
).split()
"""What -ffast-math stands for, by parts: as a whole it would switch off the subnormal numbers of
the process that loads the library."""


def _library() -> Any:
    """Compiled for each network anew, as others compile theirs."""
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "by_hand.so")
        source = str(Path(__file__).with_name("by_hand.c"))
        subprocess.run(["gcc", *FLAGS, source, "-o", target, "-lm"], check=True)
        return ctypes.CDLL(target)


def train_in_c(workload: Workload) -> Train:
    """All passes of a call in C, with the widest vectors and tiles of sums in registers."""
    numbers = np.concatenate([_packed(*layer) for layer in workload.weights])
    count = len(numbers)
    memory = np.concatenate([numbers, np.zeros(3 * count)])
    sizes, steps = np.array(workload.sizes, np.int32), np.zeros(1, np.int32)
    X, y = np.ascontiguousarray(workload.X), np.ascontiguousarray(workload.y)
    real, long, library = ctypes.c_double, ctypes.c_long, _library()

    def train(passes: int) -> list[float]:
        losses = np.zeros(passes * len(workload.batches))
        library.train(
            len(sizes) - 1, _pointer(sizes), int(workload.margin), real(workload.rate),
            real(workload.penalty), _pointer(memory), long(count), _pointer(steps), _pointer(X),
            _pointer(y), len(X), workload.batch_size, passes, _pointer(losses),
        )  # fmt: skip
        found: list[float] = losses.tolist()
        return found

    return train


def _packed(weights: Array, biases: Array) -> Array:
    """A layer's weights with padded rows, then its biases."""
    out, deep = weights.shape
    padded = np.zeros((out, -(-deep // PAD) * PAD))
    padded[:, :deep] = weights
    return np.concatenate([padded.ravel(), biases, np.zeros(-out % PAD)])


def _pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
