"""How fast payback is beside its peers: `python -m tests.benchmarks [--only …] [--write FOLDER]`.

*Workloads* are networks with their data, weights and batches. *Contenders* train them: payback's
ways and its peers'. All start from the same weights, see the same batches, and must report the
same losses, or the table says so and the command fails. Everything runs on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks import _one_core

if __name__ == "__main__":
    _one_core.settle()  # before the libraries read it

from nn.layers import ACTIVATIONS
from tests.benchmarks import (
    _one_core,
    by_hand,
    formulas,
    gpt,
    measure,
    minimizing,
    ours,
    peers,
    report,
    scaling,
    starts,
)
from tests.benchmarks.measure import Contender, Result
from tests.benchmarks.workloads import (
    Workload,
    digits,
    moons,
    wide,
    with_activation,
    with_batches,
    with_depth,
)  # fmt: skip

BATCHED = [
    Contender("payback, in the loop of fit", "llvmlite", ours.inside),
    Contender("payback, from Python", "llvmlite", ours.from_python),
    Contender("payback, NumPy backend", "numpy", partial(ours.from_python, backend="numpy")),
    Contender("NumPy by hand", "numpy", peers.numpy_by_hand),
    Contender("C by hand", "gcc", by_hand.train_in_c),
    Contender("JAX, one lax.scan", "jax", peers.jax_scan),
    Contender("JAX, a jit call per batch", "jax", peers.jax_step),
    Contender("PyTorch", "torch", peers.torch_eager),
    Contender("CasADi", "casadi", peers.casadi),
]
MOONS = [
    Contender("payback, in the loop of fit", "llvmlite", ours.inside, least=100),
    *BATCHED[1:5],
    Contender("JAX, one lax.scan", "jax", peers.jax_scan, least=100),
    *BATCHED[6:],
    Contender("payback, eager", "autograd", ours.eager),
    Contender("payback, eager scalars", "autograd", peers.payback_scalars),
    Contender("micrograd, collector off", "micrograd", peers.micrograd_without_collector),
    Contender("micrograd", "micrograd", peers.micrograd),
]
FUSED = Contender("PyTorch, fused Adam", "torch", peers.torch_fused)
COMPILED = Contender("PyTorch, torch.compile", "torch", peers.torch_compiled)
FEW = [BATCHED[0], BATCHED[1], *BATCHED[5:8]]
"""Those whose networks may have any activation."""

CONTESTS: dict[str, tuple[Callable[[], Workload], Sequence[Contender]]] = {
    "moons": (moons, MOONS),
    "digits": (digits, [*BATCHED, FUSED, COMPILED]),
    "wide": (wide, [*BATCHED, FUSED]),
    **{
        name: (partial(with_activation, name), FEW)
        for name in ACTIVATIONS
        if name not in ("linear", "relu")
    },
    **{f"depth-{n}": (partial(with_depth, n), [*FEW, BATCHED[4]]) for n in (2, 4)},
    **{f"batch-{n}": (partial(with_batches, n), [*FEW, BATCHED[4]]) for n in (1, 256)},
}
OTHERS = {
    "formulas": formulas.table,
    "minimizing": minimizing.table,
    "gpt": gpt.table,
    "starts": starts.table,
}
GROWTHS = {
    "rows": ("Rows: the moons network, native", "rows", partial(scaling.by_rows, "native")),
    "parameters": ("Parameters: 2-n-n-1 over 1,000 rows", "parameters", scaling.by_parameters),
    "length": ("Length of the list: a chain over 64 rows", "asked for", scaling.by_length),
    "nodes": (
        "Nodes of a graph that does not roll: a chain over one row",
        "nodes",
        scaling.by_nodes,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1 if a contender computed something else."""
    options = _options().parse_args(arguments)
    chosen = options.only or [*CONTESTS, *OTHERS, *GROWTHS]
    measure.pin()
    contests = {name: contest(name) for name in chosen if name in CONTESTS}
    growths = {name: list(GROWTHS[name][2]()) for name in chosen if name in GROWTHS}
    texts = [text for text, _ in contests.values()]
    texts += [OTHERS[name]() for name in chosen if name in OTHERS]
    for name, points in growths.items():
        texts.append(report.growth(*GROWTHS[name][:2], points))
    text = "\n\n".join(texts)
    print(text)
    if options.write:
        results = {report.title(CONTESTS[name][0]()): each for name, (_, each) in contests.items()}
        report.write(options.write, text, results, growths)
    return int("OTHER" in text)


def contest(name: str) -> tuple[str, list[Result]]:
    """The table of one workload, and the numbers in it."""
    make, contenders = CONTESTS[name]
    workload = make()
    present = [one for one in contenders if not measure.missing(one.package)]
    results = []
    for contender in present:
        print(f"{name}: {contender.name} …", file=sys.stderr)
        try:
            results.append(measure.run(contender, workload))
        except Exception as error:  # a peer that does not work here is said to
            print(f"  left out: {error!r:.200}", file=sys.stderr)
    ran = {result.contender for result in results}
    absent = [one.name for one in contenders if one.name not in ran]
    return report.table(workload, results, absent), results


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = [*CONTESTS, *OTHERS, *GROWTHS]
    parser.add_argument("--only", nargs="+", choices=names, help="some of the tables")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="tables, numbers and plot")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
