"""The demo of micrograd by the eager engine: `python tests/benchmarks/eager.py`.

One step of micrograd's moons demo (100 points, 337 parameters, some 65,000 scalar nodes) in the
same code for micrograd and for payback; and in payback's own way, one `dot` node per neuron.
micrograd is timed with the cycle collector off as well, which leaves out what its cycles cost.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks import _one_core

if __name__ == "__main__":
    _one_core.settle()  # before the libraries read it

from tests.benchmarks import measure, ours, peers, report
from tests.benchmarks.measure import Contender
from tests.benchmarks.workloads import moons

CONTENDERS = (
    Contender("micrograd", "micrograd", peers.micrograd),
    Contender("micrograd, collector off", "micrograd", peers.micrograd_without_collector),
    Contender("payback, scalar by scalar", "autograd", peers.payback_scalars),
    Contender("payback, a dot per neuron", "autograd", ours.eager),
)


def main() -> int:
    """Print times and ratios; 1 if the losses differ."""
    measure.pin()
    workload = moons()
    present = [one for one in CONTENDERS if not measure.missing(one.package)]
    results = [measure.run(contender, workload) for contender in present]
    slowest = results[0]
    for result in results:
        ratio = slowest.seconds / result.seconds
        same = report.agreement(result, results)
        time = report.duration(result.seconds)
        print(
            f"{result.contender:28s}{time:>10s}{ratio:8.1f} x {slowest.contender}   losses: {same}"
        )
    if len(present) < len(CONTENDERS):
        print("micrograd is not installed: pip install 'payback[bench]'")
    return int(any(report.agreement(result, results) == "OTHER" for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
