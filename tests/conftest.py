"""How the tests run: the same examples every time, nothing left behind, nothing left out unseen.

Hypothesis draws from a fixed seed and keeps no database, so a run depends on the code alone.
`pytest --hypothesis-profile=nightly` draws fresh examples, many more of them, and prints for a
failure the line (`@reproduce_failure`) that brings it back: for a machine that has the night.

What a missing optional package leaves out is written down by `--left-out=FILE`, one test id a line,
so that a second run with everything installed can take up exactly those; there
`--nothing-left-out` makes a skip a failure.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

collect_ignore_glob = ["benchmarks/[!t]*.py"]
"""Contenders set the environment of the whole process: one core, and JAX in double precision."""

LEFT_OUT = pytest.StashKey[list[str]]()

settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=1000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--left-out", metavar="FILE", help="write the ids of skipped tests to FILE")
    parser.addoption("--nothing-left-out", action="store_true", help="a skipped test is a failure")


def pytest_configure(config: pytest.Config) -> None:
    os.environ.pop("COLUMNS", None)  # several workers at once are told a width, our output is not
    config.stash[LEFT_OUT] = []
    config.pluginmanager.register(_Skips(config.stash[LEFT_OUT]))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if hasattr(session.config, "workerinput"):  # of several processes, the first writes
        return
    left_out = session.config.stash[LEFT_OUT]
    if path := session.config.getoption("--left-out"):
        Path(path).write_text("".join(f"{name}\n" for name in left_out), encoding="utf-8")
    if left_out and session.config.getoption("--nothing-left-out") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out = terminalreporter.config.stash[LEFT_OUT]
    if left_out and terminalreporter.config.getoption("--nothing-left-out"):
        terminalreporter.write_line("left out, though nothing may be: " + " ".join(left_out))


class _Skips:
    """Collects the ids of tests and of whole modules that were skipped."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.names.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.names.append(report.nodeid)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT means KeyboardInterrupt, also where the tests run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
