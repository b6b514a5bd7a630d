"""Files are written whole or not at all, and missing packages say what to install."""

import os
import sys
from pathlib import Path

import pytest

from autograd.extras import require
from autograd.files import write_atomically

# -- write_atomically ------------------------------------------------------------------------------


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", "二\r\n1")
    write_atomically(str(tmp_path / "b.bin"), b"\x00\xff")
    assert (tmp_path / "a.txt").read_bytes() == "二\r\n1".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.bin"]


def test_an_existing_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o640)
    write_atomically(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    write_atomically(tmp_path / "ours", "")
    (tmp_path / "theirs").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="links need privileges on Windows")
def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "a.txt", tmp_path / "link.txt"
    link.symlink_to(Path("folder") / "a.txt")
    for content in ("first", "second"):
        write_atomically(link, content)
        assert link.is_symlink()
        assert target.read_text() == content
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("failing", ["replace", "fdopen"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_is_no_text_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"


def test_folders_are_not_files(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="file name is needed"):
        write_atomically(tmp_path, "text")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_atomically(tmp_path / "missing" / "a.txt", "text")
    assert list(tmp_path.iterdir()) == []


def test_a_very_long_name_is_the_system_s_to_refuse(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        write_atomically(tmp_path / ("x" * 5000), "text")
    assert list(tmp_path.iterdir()) == []


# -- require ---------------------------------------------------------------------------------------


def test_what_is_installed_is_returned() -> None:
    assert require("math", extra="fast") is sys.modules["math"]
    assert require("os.path", extra="fast") is os.path


def test_what_is_missing_says_which_extra_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "no_such_package"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'needs matplotlib: pip install "payback\[plot\]"'):
        require("matplotlib", extra="plot")
    with pytest.raises(ImportError, match=r"needs no_such_package"):
        require("no_such_package.sub", extra="plot")


def test_a_package_that_is_broken_inside_says_so_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import a_dependency_of_it")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="a_dependency_of_it") as caught:
        require("broken_package", extra="plot")
    assert "payback[" not in str(caught.value)
