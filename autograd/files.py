"""Writing files so that nothing is lost: the new one is complete, or the old one is untouched.

The new content goes to a file beside the old one, which then takes its place in one step.  What is
no ordinary file (a device, a named pipe, the standard output) has no place to take: it is written
through.
"""

import os
import secrets
import stat
import sys
from contextlib import suppress
from errno import ELOOP
from pathlib import Path
from typing import TextIO


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write content (text as UTF-8) to a file beside ``path``, then move it there in one step.

    A link stays one: the file that it leads to is written.  The file keeps its permissions and, as
    far as the system allows, its owner.  Raises OSError, with ``path`` untouched, when the folder
    is missing or cannot be written to, and when links lead round in a circle.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    old = _status(Path(path))
    if old and stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(f"{path} is a folder, a file name is needed")
    if old and (stream := _standard_stream(old)):
        _append(stream, data)
        return Path(path)
    if old and not stat.S_ISREG(old.st_mode):
        with open(path, "wb") as through:
            through.write(data)
        return Path(path)
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} into")
    _replace(target, data, old)
    return target


def _status(path: Path) -> os.stat_result | None:
    """What the system says of the file that a path leads to; None where there is none."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != ELOOP:
            raise
        raise OSError(ELOOP, "a link leads round in a circle", str(path)) from None


def _standard_stream(old: os.stat_result) -> TextIO | None:
    """The stream of this process that writes to that file already, as in ``/dev/stdout > file``.

    A new file in its place would get the content, and lose all that is printed later.
    """
    for stream in (sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError):  # closed
            if stream and os.path.samestat(os.fstat(stream.fileno()), old):
                return stream
    return None


def _append(stream: TextIO, data: bytes) -> None:
    stream.flush()
    with os.fdopen(stream.fileno(), "wb", closefd=False) as through:
        through.write(data)


def _replace(target: Path, data: bytes, old: os.stat_result | None) -> None:
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}.part")
    try:
        # a new file is for whom the system says, one in an old one's place for nobody else so far
        with os.fdopen(os.open(temporary, _NEW_FILE, 0o600 if old else 0o666), "wb") as stream:
            stream.write(data)
        if old:
            _take_after(old, temporary)
        os.replace(temporary, target)
    except FileExistsError:  # a file that is not ours to remove
        raise
    except BaseException as error:
        if isinstance(error, OSError) and error.errno:  # told by the name that the caller knows
            error.filename = str(target)
            del error.filename2
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def _take_after(old: os.stat_result, new: Path) -> None:
    """The owner, as far as the system allows, and then the permissions of another file."""
    made = new.stat()
    if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid) and hasattr(os, "chown"):
        with suppress(PermissionError):  # only root gives files away
            os.chown(new, -1, old.st_gid)
            os.chown(new, old.st_uid, -1)
    new.chmod(stat.S_IMODE(old.st_mode) & 0o777)


_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
