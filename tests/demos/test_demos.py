"""The demos run from top to bottom as scripts, and open as notebooks."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMOS = sorted((ROOT / "demos").glob("[0-9][0-9]_*.py"))

pytestmark = pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.stem)


def test_runs_as_a_script(demo):
    done = subprocess.run(
        [sys.executable, str(demo)],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "MPLBACKEND": "Agg"},
        timeout=900,
    )
    last = (done.stderr.strip().splitlines() or [""])[-1]
    if done.returncode and re.match(r"(ImportError|ModuleNotFoundError).*payback\[", last):
        pytest.skip(last)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_fits_on_a_few_screens(demo):
    assert len(demo.read_text("utf-8").splitlines()) <= 120


def test_reads_as_a_notebook(demo):
    cells = cells_of(demo.read_text("utf-8"))
    kinds = [kind for kind, _ in cells]
    assert kinds[0] == "markdown"
    assert {"markdown", "code"} == set(kinds)
    for kind, text in cells:
        if kind == "code":
            ast.parse(text)
        else:
            assert all(line.startswith("#") for line in text.strip().splitlines())
    assert "assert " in cells[-1][1] or "assert " in cells[-2][1]


def test_jupytext_reads_the_same_cells(demo):
    jupytext = pytest.importorskip("jupytext")
    text = demo.read_text("utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    assert [cell.cell_type for cell in notebook.cells] == [kind for kind, _ in cells_of(text)]


def cells_of(text):
    """(kind, text) of each percent cell; nothing may stand before the first."""
    first, *rest = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)
    assert first == ""
    titles, bodies = rest[::2], rest[1::2]
    return [("markdown" if "[markdown]" in t else "code", b) for t, b in zip(titles, bodies)]
