"""What is tested in a file by itself, and what is left out where an optional package is missing.

Doctests of a single file, `pytest autograd/value.py`: they test the module that everybody uses.
pytest would load the file once more under the same name, and its `Value` would be another one.

Files of tests and the examples of README and documentation import what they need, NumPy above all.
Where an optional package is not installed they are left out, as `pytest.importorskip` leaves out a
test; a file that cannot be imported for any other reason fails.
"""

import sys
from collections.abc import Generator
from contextlib import suppress
from doctest import UnexpectedException
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent

OPTIONAL = {
    *("jax", "llvmlite", "matplotlib", "micrograd", "mpmath", "nbclient", "nbformat", "numpy"),
    *("playwright", "safetensors", "scipy", "sklearn", "torch", "typst"),
}


def pytest_collect_file(file_path: Path) -> None:
    """Import a module of ours the usual way first; pytest takes what is loaded already."""
    path = file_path.relative_to(ROOT) if file_path.is_relative_to(ROOT) else Path()
    if path.suffix == ".py" and path.parts[0] in ("autograd", "nn") and path.stem != "__main__":
        with suppress(ImportError):  # an optional package is missing: see below
            import_module(dotted(file_path))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file that cannot be imported: pytest fails, or passes it over where it wants doctests."""
    before = {*sys.modules}
    report = yield
    if missing := missing_package(report.call.excinfo):  # type: ignore[attr-defined]
        report.result = []
        leave_out(report, collector.path, missing)
        forget(collector.path, before)
    elif report.skipped and "unable to import module" in str(report.longrepr):
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """An example in a text or a docstring that needs a package."""
    report = yield
    if isinstance(item, pytest.DoctestItem) and (missing := missing_package(call.excinfo)):
        leave_out(report, item.path, missing)
    return report


def leave_out(report: Any, path: Path, missing: str) -> None:
    report.outcome = "skipped"
    report.longrepr = (str(path), 1, f"Skipped: could not import {missing!r}")


def dotted(path: Path) -> str:
    """The name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def forget(path: Path, before: set[str]) -> None:
    """pytest leaves the half of a module that it could not import, and of the package around it."""
    name = dotted(path)
    while name:
        parent, _, child = name.rpartition(".")
        if name not in before and sys.modules.pop(name, None):
            vars(sys.modules[parent]).pop(child, None)
        name = parent


def missing_package(raised: pytest.ExceptionInfo[BaseException] | None) -> str | None:
    """The optional package for want of which all this happened."""
    error = raised.value if raised else None
    while error and not isinstance(error, ModuleNotFoundError):
        inner = error.exc_info[1] if isinstance(error, UnexpectedException) else None
        error = inner or error.__cause__ or error.__context__
    package = (error.name or "").partition(".")[0] if error else ""
    return package if package in OPTIONAL else None
