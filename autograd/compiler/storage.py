"""A program as a file: a NumPy ``.npz`` without pickles, and a JSON header.

What is read is believed only after it was checked: every array has the type and shape that the
header's format says, and every operation the operands, the shape and the kind that its word asks
for, so that nobody who follows the program reads or writes outside a block.  A file that fails any
of this, at whatever byte it was cut or changed, gives one ValueError.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from tokenize import TokenError
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import CODE, WORDS, Array, ArrayProgram
from autograd.compiler.checked import check_program
from autograd.compiler.listing import Names

FORMAT = "payback program 2"

_PLAIN = {
    "codes": ("uint8", ()), "operands": ("int64", (4,)), "shapes": ("int64", (2,)),
    "varying": ("bool", ()), "pieces": ("int64", (4,)), "constants": ("float64", ()),
}  # fmt: skip
"""The columns of a program that are stored as they are: the types, and the widths."""

_FORMS = _PLAIN | {
    "tables": ("int64", ()), "table_ends": ("int64", ()), "ends": ("int64", ()),
    "numbers": ("float64", ()), "header": ("uint8", ()),
}  # fmt: skip

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file holds: the program, its names, and the numbers in the parameters."""

    program: ArrayProgram
    names: Names
    numbers: Array


def to_bytes(stored: Stored) -> bytes:
    """The contents of the file; the same program gives the same bytes."""
    arrays = _arrays(stored.program, stored.numbers)
    header = {
        "format": FORMAT,
        "sha256": _digest(arrays),
        "words": WORDS,
        **_names_as_json(stored.names),
    }
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def read_file(path: str | os.PathLike[str]) -> Stored:
    """The program in a file; ValueError if it is not a sound one, OSError if unreadable."""
    with open(path, "rb") as stream:
        data = stream.read()
    try:
        return from_bytes(data)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def from_bytes(data: bytes) -> Stored:
    """The program in the contents of a file; ValueError when it is not a sound one."""
    try:
        arrays = _read_arrays(data)
        header = json.loads(arrays.pop("header").tobytes())
        _check(header["format"] == FORMAT, f"the format is {header['format']!r}, not {FORMAT!r}")
        _check(header["sha256"] == _digest(arrays), "the checksum does not match")
        names = _names_from_json(header)
        program = _program(arrays, _texts(header["words"]))
        check_program(program, len(names.parameters), len(names.inputs), len(names.roots))
        _check(arrays["numbers"].shape == (len(names.parameters),), "parameters are missing")
        _check_places(names, program)
        return Stored(program, names, arrays["numbers"])
    except _DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"this is not a program saved by payback, or it is damaged ({reason})"
        ) from error


_DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, Warning, TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a damaged file may raise."""


def _arrays(program: ArrayProgram, numbers: Array) -> Arrays:
    lengths = [len(table) for table in program.tables]
    return {
        **{name: getattr(program, name) for name in _PLAIN},
        "tables": np.concatenate([np.zeros(0, np.int64), *program.tables]),
        "table_ends": np.cumsum(lengths, dtype=np.int64),
        "ends": np.array([program.loss, program.gradient, *program.roots], dtype=np.int64),
        "numbers": np.ascontiguousarray(numbers, dtype=np.float64),
    }


def _program(arrays: Arrays, words: tuple[str, ...]) -> ArrayProgram:
    """The arrays as a program, not yet to be believed."""
    codes, ends = arrays["codes"], arrays["table_ends"]
    lengths = {len(arrays[name]) for name in ("codes", "operands", "shapes", "varying")}
    _check(len(lengths) == 1, "arrays of odd length")
    _check(not len(codes) or int(codes.max()) < len(words), "an unknown operation")
    unknown = sorted({words[code] for code in np.unique(codes).tolist()} - CODE.keys())
    _check(not unknown, f"operations that this version does not know: {', '.join(unknown)}")
    bounds = np.concatenate([[0], ends])
    _check(bool((np.diff(bounds) >= 0).all()), "tables out of order")
    _check(int(bounds[-1]) == len(arrays["tables"]), "tables are missing")
    _check(len(arrays["ends"]) >= 2, "ends are missing")
    loss, gradient, *roots = arrays["ends"].tolist()
    plain: dict[str, Any] = {name: arrays[name] for name in _PLAIN}
    plain["codes"] = np.array([CODE.get(word, 0) for word in words], dtype=np.uint8)[codes]
    tables = tuple(np.split(arrays["tables"], ends[:-1]) if len(ends) else ())
    return ArrayProgram(**plain, tables=tables, roots=tuple(roots), loss=loss, gradient=gradient)


def _check_places(names: Names, program: ArrayProgram) -> None:
    counts = program.shapes.prod(axis=1)
    for k, number in names.places:
        _check(0 <= k < len(program) and 0 <= number < counts[k], "a label out of range")


def _read_arrays(data: bytes) -> Arrays:
    _check(data.startswith(b"PK\x03\x04"), "it does not start like a zip file")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        found = sorted(member.filename for member in members)
        _check(found == sorted(f"{name}.npy" for name in _FORMS), "other arrays than expected")
        for member in members:
            plain = member.compress_type == zipfile.ZIP_STORED and member.file_size <= len(data)
            _check(plain, f"{member.filename} is compressed")
        return {name: _read_array(archive, name) for name in _FORMS}


def _read_array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    content, (kind, width) = io.BytesIO(archive.read(f"{name}.npy")), _FORMS[name]
    array: npt.NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    _check(array.dtype == kind and not content.read(1), f"{name} is not an array of {kind}")
    _check(array.ndim > 0 and array.shape[1:] == width, f"{name} of odd shape")
    return array


def _names_as_json(names: Names) -> dict[str, Any]:
    return {
        "inputs": names.inputs,
        "parameters": names.parameters,
        "roots": names.roots,
        "places": [[*place, label] for place, label in names.places.items()],
    }


def _names_from_json(header: Mapping[str, Any]) -> Names:
    return Names(
        inputs=_texts(header["inputs"]),
        parameters=_texts(header["parameters"]),
        roots=_texts(header["roots"]),
        places={(_index(k), _index(number)): _text(label) for k, number, label in header["places"]},
    )


def _texts(given: Iterable[Any]) -> tuple[str, ...]:
    return tuple(_text(label) for label in given)


def _text(given: Any) -> str:
    _check(isinstance(given, str), "a label that is no text")
    return str(given)


def _index(given: Any) -> int:
    _check(type(given) is int, "a register that is no number")
    return int(given)


def _digest(arrays: Arrays) -> str:
    digest = sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _check(sound: bool, complaint: str) -> None:
    if not sound:
        raise ValueError(complaint)
