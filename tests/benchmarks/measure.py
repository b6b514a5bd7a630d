"""Timing on one core: medians of processor time, which leaves out what else the machine does."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which
from statistics import median
from time import process_time

from tests.benchmarks.ours import Train
from tests.benchmarks.workloads import Workload

ROUNDS = 7
SECONDS_PER_ROUND = 0.1


@dataclass(frozen=True, slots=True)
class Contender:
    """Who trains, what package it needs, and how to make its training."""

    name: str
    package: str
    make: Callable[[Workload], Train]
    least: int = 1
    """Passes of a call: more for those that run many at a time."""


@dataclass(frozen=True, slots=True)
class Result:
    """The time of one pass, and of making the training with its first pass."""

    contender: str
    seconds: float
    first: float
    losses: tuple[float, ...]
    note: str = ""


def pin() -> None:
    """Run on one core from now on, where the system lets us."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def missing(package: str) -> bool:
    """Whether a package, or the compiler, is not installed."""
    return which("gcc") is None if package == "gcc" else find_spec(package) is None


def run(contender: Contender, workload: Workload) -> Result:
    """Make the training, take the first passes, and time more of them.

    What other contenders left in memory is frozen, or every collection would look at it again.
    """
    gc.collect()
    gc.freeze()
    began = _spent()
    train = contender.make(workload)
    losses = train(contender.least)
    first = _spent() - began
    began = process_time()
    train(contender.least)
    passes = max(1, int(SECONDS_PER_ROUND / max(process_time() - began, 1e-9))) * contender.least
    return Result(contender.name, median(_rounds(train, passes)), first, tuple(losses))


def _spent() -> float:
    """Processor time of this process and of those it has waited for: gcc, say."""
    return process_time() + sum(os.times()[2:4])


def _rounds(train: Train, passes: int) -> list[float]:
    times: list[float] = []
    for _ in range(ROUNDS):
        began = process_time()
        train(passes)
        times.append((process_time() - began) / passes)
        if sum(times) * passes > 30 * SECONDS_PER_ROUND:
            break
    return times
