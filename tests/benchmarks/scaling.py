"""How the cost grows: with the rows of a batch, with the network, with the length of the list."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from autograd import Program
from tests.benchmarks.ours import model_of, program_of
from tests.benchmarks.workloads import Array, Workload, moons

ROWS = (1, 8, 64, 100, 1_000, 10_000, 100_000, 1_000_000)
WIDTHS = (4, 16, 64, 128, 256)
LENGTHS = (1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Point:
    """One row of a table of growth."""

    size: int
    seconds: float
    """Value and gradient of one row, from Python."""
    record: float = 0.0
    first: float = 0.0
    instructions: int = 0
    megabytes: float = 0.0


def by_rows(backend: str) -> Iterator[Point]:
    """The moons network over batches of any size."""
    workload = moons()
    program = program_of(workload, model_of(workload), backend)
    random = np.random.default_rng(0)
    for rows in ROWS:
        batch = random.normal(size=(rows, 3))
        yield Point(rows, _call(program, batch) / rows)


def by_parameters() -> Iterator[Point]:
    """A network of two hidden layers of a width, over 1,000 rows."""
    workload = moons()
    for width in WIDTHS:
        sizes = (2, width, width, 1)
        grown = Workload("grown", "step", sizes, workload.X, workload.y, 100, True, 0.01)
        began = process_time()
        program = program_of(grown, model_of(grown), "native")
        record = process_time() - began
        batch = np.random.default_rng(0).normal(size=(1_000, 3))
        began = process_time()
        program.value_and_grad(program.pack(), batch)
        first = process_time() - began
        count = len(program.names.parameters)
        instructions = len(program.arrays)
        yield Point(count, _call(program, batch) / 1_000, record, first, instructions)


def by_length() -> Iterator[Point]:
    """A chain of multiply and add that becomes so many instructions, over 64 rows."""
    return (_alone(length, length // 7, 64) for length in LENGTHS)


def by_nodes() -> Iterator[Point]:
    """The same chain by its nodes, over one row: from the graph to its first gradient."""
    return (_alone(nodes, 2 * nodes // 5, 1) for nodes in LENGTHS)


def _alone(*arguments: int) -> Point:
    """A chain in a process of its own: the size asked for, links, rows."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.scaling", *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    size, *numbers = run.stdout.split()
    seconds, record, first, instructions, megabytes = map(float, numbers)
    return Point(int(size), seconds, record, first, int(instructions), megabytes)


def _chain(size: int, links: int, rows: int) -> Point:
    """Record, plan and run a chain, of five nodes and 14 instructions in two links."""
    import autograd
    from autograd import Value

    x, w, b = Value(0.5), Value(1.01), Value(0.1)
    warm = autograd.compile(w * x + b, [x], backend="native")
    warm.value_and_grad(warm.pack(), np.ones((1, 1)))
    y = x
    for k in range(links):
        y = y * w + b if k % 2 else (y * x + b) * w
    began = process_time()
    program = autograd.compile(y, [x], backend="native")
    record = process_time() - began
    batch = np.full((rows, 1), 0.5)
    began = process_time()
    program.value_and_grad(program.pack(), batch)
    first = process_time() - began
    seconds = _call(program, batch) / rows
    instructions, megabytes = len(program.arrays), _megabytes()
    return Point(size, seconds, record, first, instructions, megabytes)


def _call(program: Program, batch: Array) -> float:
    params = program.pack()
    times = []
    program.value_and_grad(params, batch)
    for _ in range(5):
        count, began = 0, process_time()
        while not count or process_time() - began < 0.02:
            program.value_and_grad(params, batch)
            count += 1
        times.append((process_time() - began) / count)
    return median(times)


def _megabytes() -> float:
    """The most memory this process has used; on Linux not counting what its parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        words = status.read_text(encoding="ascii").split()
        return int(words[words.index("VmHWM:") + 1]) / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    point = _chain(*map(int, sys.argv[1:]))
    print(point.size, point.seconds, point.record, point.first, point.instructions, point.megabytes)
