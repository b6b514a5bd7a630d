"""What the bare engine costs: `python tests/benchmarks/engine.py`.

Prints the milliseconds of `import autograd` beyond the interpreter's own start, and for a chain of
a million nodes the microseconds per node of each thing done with it, and the bytes it holds.
"""

import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]
NODES = 1_000_000


def milliseconds_to_import(times: int = 11) -> float:
    """The median over fresh processes, each timing the import alone."""
    code = "import time; t = time.perf_counter(); import autograd; print(time.perf_counter() - t)"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
        )
        for _ in range(times)
    ]
    return 1000 * statistics.median(float(run.stdout) for run in runs)


def microseconds_per_node() -> dict[str, float]:
    """Building, repaying, sorting, printing and dropping a chain y = y * x of a million nodes."""
    from autograd import Value, topological_order

    x = Value(1.0)
    chain = [x]

    def build() -> None:
        y = x
        for _ in range(NODES):
            y = y * x
        chain[0] = y

    work: dict[str, Callable[[], object]] = {
        "build": build,
        "backward": lambda: chain[0].backward(),
        "sort": lambda: topological_order(chain[0]),
        "print": lambda: repr(chain[0]),
        "free": chain.clear,
    }
    return {name: _seconds(do) / NODES * 1e6 for name, do in work.items()}


def bytes_per_node() -> float:
    """What a chain holds, with two operands and two partials in every node."""
    from autograd import Value

    x = y = Value(1.0)
    tracemalloc.start()
    for _ in range(NODES // 10):
        y = y * x
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / (NODES // 10)


def _seconds(do: Callable[[], object]) -> float:
    start = perf_counter()
    do()
    return perf_counter() - start


def main() -> None:
    """Print the table."""
    sys.path.insert(0, str(ROOT))
    print(f"import autograd         {milliseconds_to_import():8.1f} ms")
    per_node = microseconds_per_node()
    for name, cost in per_node.items():
        print(f"a million nodes, {name:8s}{cost:7.2f} µs per node")
    print(f"all told                {sum(per_node.values()):8.2f} µs per node")
    print(f"memory                  {bytes_per_node():8.0f} bytes per node")


if __name__ == "__main__":
    main()
