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

every_demo = pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.stem)


@every_demo
def test_runs_as_a_script(demo):
    imports = r"^(?:from|import) (numpy|matplotlib|scipy|sklearn)"
    for package in re.findall(imports, demo.read_text("utf-8"), re.MULTILINE):
        pytest.importorskip(package)
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


@every_demo
def test_fits_on_a_few_screens(demo):
    screens = 200 if demo.stem == "12_a_tiny_gpt" else 120  # a language model, whole
    assert len(demo.read_text("utf-8").splitlines()) <= screens


@every_demo
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


MAKES = """# %% [markdown]
# # Words
# %%
from pathlib import Path
frames = Path(__file__).parent / "output" / "frames"
frames.mkdir(parents=True)
for name in "012345678":
    (frames / f"{name}.svg").write_text("<svg/>")
(frames.parent / "moving.svg").write_text("<svg/>")
print(f"Open {(frames.parent / 'moving.svg').as_uri()}.")
"""


def test_a_page_of_the_site_shows_what_a_demo_makes_and_where_it_lies_there(tmp_path):
    demo, folder = tmp_path / "demo.py", tmp_path / "made"
    demo.write_text(MAKES)
    folder.mkdir()
    subprocess.run([sys.executable, ROOT / "docs/demos.py", demo, folder], check=True, timeout=60)
    page = (folder / "page.md").read_text("utf-8")
    assert re.findall(r"!\[.*\]\((.*)\)", page) == ["output/moving.svg"]
    assert "Open output/moving.svg." in page


def cells_of(text):
    """(kind, text) of each percent cell; nothing may stand before the first."""
    first, *rest = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)
    assert first == ""
    titles, bodies = rest[::2], rest[1::2]
    return [("markdown" if "[markdown]" in t else "code", b) for t, b in zip(titles, bodies)]


@pytest.mark.parametrize(
    "demo", [d for d in DEMOS if d.name[:2] in ("01", "02")], ids=lambda d: d.stem
)
def test_runs_as_a_notebook(demo, tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    new = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    cells = [new[kind](text) for kind, text in cells_of(demo.read_text("utf-8"))]
    notebook = nbformat.v4.new_notebook(cells=cells)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": tmp_path}}).execute(
        env=environment
    )
    shown = [o.data for cell in cells for o in cell.get("outputs", []) if "data" in o]
    assert any("image/svg+xml" in data for data in shown)
    assert list((tmp_path / "output").glob("*.svg"))
