"""HIPS's Autograd is imported as `autograd` too: what a folder with both of them says."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_ours_over_theirs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "autograd", tmp_path / "autograd")
    (tmp_path / "autograd/differential_operators.py").write_text("")
    assert "give each an environment of its own" in importing("autograd", tmp_path)
    assert "pip uninstall autograd payback" in importing("autograd.cli", tmp_path)


def test_theirs_over_ours(tmp_path: Path) -> None:
    for package in ("autograd", "nn"):
        shutil.copytree(ROOT / package, tmp_path / package)
    (tmp_path / "autograd/__init__.py").write_text("def grad(f): ...\n")
    assert "HIPS's Autograd perhaps" in importing("nn", tmp_path)
    for lang, said in (("en", "HIPS's Autograd perhaps"), ("zh", "各自一个环境")):
        command = [sys.executable, "-X", "utf8", "-m", "autograd", "--lang", lang]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert said in done.stderr


def importing(module: str, folder: Path) -> str:
    """The last line that a failing import says."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]
