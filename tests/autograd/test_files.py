"""Files are written whole or not at all, and missing packages say what to install."""

import errno
import io
import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograd.files import write_atomically
from autograd.optional import require

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other links, pipes and owners")

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
    for mode, kept in [(0o640, 0o640), (0o751, 0o751), (0o4711, 0o711)]:
        path.chmod(mode)
        write_atomically(path, "new")
        assert path.read_text() == "new"
        assert stat.S_IMODE(path.stat().st_mode) == kept


def test_a_new_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    write_atomically(tmp_path / "ours", "")
    (tmp_path / "theirs").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


@posix
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


@pytest.mark.parametrize("failing", ["open", "replace"])
def test_a_failure_is_told_by_the_name_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*names: object, **_: object) -> None:
        raise PermissionError(errno.EACCES, "no", str(names[0]), None, *names[1:2])

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(PermissionError) as caught:
        write_atomically(tmp_path / "a.txt", "text")
    monkeypatch.undo()
    assert str(caught.value) == f"[Errno {errno.EACCES}] no: {str(tmp_path / 'a.txt')!r}"
    assert list(tmp_path.iterdir()) == []


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


def test_a_name_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("二" * 84 + ".x")
    write_atomically(path, "text")
    assert path.read_text() == "text"


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000])
def test_a_new_file_follows_the_mask_of_the_process(tmp_path: Path, mask: int) -> None:
    code = "import sys; from autograd.files import write_atomically as w; w(sys.argv[1], 'x')"
    path = tmp_path / "a.txt"
    subprocess.run([sys.executable, "-c", code, path], check=True, umask=mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_the_mask_of_the_process_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread might make a file meanwhile."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("umask is the whole process's"))
    write_atomically(tmp_path / "a.txt", "new")


@posix
def test_a_secret_is_one_from_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o600)
    modes = []
    original = os.fdopen

    def watched(handle: int, *args: Any, **kwargs: Any) -> Any:
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return original(handle, *args, **kwargs)

    monkeypatch.setattr(os, "fdopen", watched)
    write_atomically(path, "new")
    assert modes == [0o600]


@posix
def test_the_owner_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, given = tmp_path / "a.txt", []
    path.write_text("old")
    theirs = os.stat_result([*path.stat()[:4], 12345, 54321, *path.stat()[6:]])
    monkeypatch.setattr(
        Path, "stat", lambda self, **how: theirs if self == path else os.stat(self, **how)
    )
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.append((uid, gid)))
    write_atomically(path, "new")
    assert given == [(-1, 54321), (12345, -1)]

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", refuse)
    write_atomically(path, "newer")
    assert path.read_text() == "newer"


@posix
def test_links_that_lead_round_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="leads round in a circle") as caught:
        write_atomically(tmp_path / "a", "text")
    assert caught.value.filename == str(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@posix
def test_a_link_to_what_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("new.txt")
    assert write_atomically(tmp_path / "link", "text") == tmp_path / "new.txt"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new.txt").read_text() == "text"


@posix
def test_a_named_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        write_atomically(pipe, "through")
        assert reader.communicate()[0] == b"through"
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_device_is_written_through() -> None:
    before = os.stat(os.devnull)
    assert write_atomically(os.devnull, "text") == Path(os.devnull)
    assert os.path.samestat(before, os.stat(os.devnull))
    if os.path.exists("/dev/full"):
        with pytest.raises(OSError, match="No space left"):
            write_atomically("/dev/full", "text")


def test_what_lies_in_the_way_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda size: "00" * size)
    theirs = tmp_path / ".a.txt.0000000000000000.part"
    theirs.write_text("theirs")
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "a.txt", "ours")
    assert [path.name for path in tmp_path.iterdir()] == [theirs.name]
    assert theirs.read_text() == "theirs"


@posix
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_standard_output_gets_the_text_in_its_place(tmp_path: Path, stream: str) -> None:
    code = (
        "import sys; from autograd.files import write_atomically\n"
        f"print('before', file=sys.{stream})\n"
        f"path = write_atomically('/dev/{stream}', 'the file\\n')\n"
        f"assert str(path) == '/dev/{stream}'\n"
        f"print('after', file=sys.{stream})"
    )
    path = tmp_path / "out.txt"
    with path.open("w") as out:
        subprocess.run([sys.executable, "-c", code], check=True, **{stream: out})  # type: ignore[call-overload]
    assert path.read_text() == "before\nthe file\nafter\n"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert getattr(done, stream) == "before\nthe file\nafter\n"
    assert list(tmp_path.iterdir()) == [path]


def test_without_standard_streams_files_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    monkeypatch.setattr(sys, "__stderr__", io.StringIO())
    for content in ("first", "second"):
        assert write_atomically(tmp_path / "a.txt", content).read_text() == content


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
