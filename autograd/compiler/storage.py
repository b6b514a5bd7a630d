"""A program as a file: a NumPy ``.npz`` without pickles, and a JSON header.

What is read is believed only after it was checked: every array has the type and shape that the
header's format says, and every operation the operands, the shape and the kind that its word asks
for, so that nobody who follows the program reads or writes outside a block.  A file that fails any
of this, at whatever byte it was cut or changed, gives one ValueError.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd.compiler.arrays import CODE, WORDS, Array, ArrayProgram
from autograd.compiler.checked import check, check_program
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

_LISTS = ("inputs", "parameters", "roots")
"""Labels in order."""

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]

Stored: TypeAlias = tuple[ArrayProgram, Names, Array]
"""What a file holds: the program, its names, and the numbers in the parameters."""


def to_bytes(program: ArrayProgram, names: Names, numbers: Array) -> bytes:
    """The contents of the file; the same program gives the same bytes."""
    arrays = _arrays(program, numbers)
    header = {
        "format": FORMAT,
        "sha256": _digest(arrays),
        "words": WORDS,
        **{kind: getattr(names, kind) for kind in _LISTS},
        "places": [[*place, label] for place, label in names.places.items()],
    }
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def from_bytes(data: bytes) -> Stored:
    """The program in the contents of a file; ValueError when it is not a sound one."""
    try:
        arrays = _read_arrays(data)
        header = json.loads(arrays.pop("header").tobytes())
        check(header["format"] == FORMAT, f"the format is {header['format']!r}, not {FORMAT!r}")
        check(header["sha256"] == _digest(arrays), "the checksum does not match")
        program = _program(arrays, header["words"])
        inputs, parameters, roots = (len(header[kind]) for kind in _LISTS)
        check_program(program, parameters, inputs, roots)
        check(arrays["numbers"].shape == (parameters,), "parameters are missing")
        return program, _names_from_json(header, program), arrays["numbers"]
    except Exception as error:  # whatever a broken file brings to light
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"this is not a program saved by payback, or it is damaged ({reason})"
        ) from error


def _arrays(program: ArrayProgram, numbers: Array) -> Arrays:
    lengths = [len(table) for table in program.tables]
    return {
        **{name: getattr(program, name) for name in _PLAIN},
        "tables": np.concatenate([np.zeros(0, np.int64), *program.tables]),
        "table_ends": np.cumsum(lengths, dtype=np.int64),
        "ends": np.array([program.loss, program.gradient, *program.roots], dtype=np.int64),
        "numbers": np.ascontiguousarray(numbers, dtype=np.float64),
    }


def _program(arrays: Arrays, words: Sequence[str]) -> ArrayProgram:
    """The arrays as a program, not yet to be believed."""
    codes, ends = arrays["codes"], arrays["table_ends"]
    lengths = {len(arrays[name]) for name in ("codes", "operands", "shapes", "varying")}
    check(len(lengths) == 1, "arrays of odd length")
    check(not len(codes) or int(codes.max()) < len(words), "an unknown operation")
    unknown = sorted({words[code] for code in np.unique(codes).tolist()} - CODE.keys())
    check(not unknown, f"operations that this version does not know: {', '.join(unknown)}")
    bounds = np.concatenate([[0], ends])
    check(np.diff(bounds) >= 0, "tables out of order")
    check(int(bounds[-1]) == len(arrays["tables"]), "tables are missing")
    check(len(arrays["ends"]) >= 2, "ends are missing")
    loss, gradient, *roots = arrays["ends"].tolist()
    plain: dict[str, Any] = {name: arrays[name] for name in _PLAIN}
    plain["codes"] = np.array([CODE.get(word, 0) for word in words], dtype=np.uint8)[codes]
    tables = tuple(np.split(arrays["tables"], ends[:-1]) if len(ends) else ())
    return ArrayProgram(**plain, tables=tables, roots=tuple(roots), loss=loss, gradient=gradient)


def _read_arrays(data: bytes) -> Arrays:
    check(data.startswith(b"PK\x03\x04"), "it does not start like a zip file")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        found = sorted(member.filename for member in members)
        check(found == sorted(f"{name}.npy" for name in _FORMS), "other arrays than expected")
        for member in members:
            plain = member.compress_type == zipfile.ZIP_STORED and member.file_size <= len(data)
            check(plain, f"{member.filename} is compressed")
        return {name: _read_array(archive, name) for name in _FORMS}


def _read_array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    content, (kind, width) = io.BytesIO(archive.read(f"{name}.npy")), _FORMS[name]
    array: npt.NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    check(array.dtype == kind and not content.read(1), f"{name} is not an array of {kind}")
    check(array.ndim > 0 and array.shape[1:] == width, f"{name} of odd shape")
    return array


def _names_from_json(header: Mapping[str, Any], program: ArrayProgram) -> Names:
    """The names, all of them texts, and each at a number of the program."""
    lists = {kind: tuple(header[kind]) for kind in _LISTS}
    places = {(k, number): label for k, number, label in header["places"]}
    labels = chain(*lists.values(), places.values())
    check(all(type(label) is str for label in labels), "a label that is no text")
    check(all(type(k) is int for k in chain(*places)), "a register that is no number")
    counts = program.shapes.prod(axis=1)
    for k, number in places:
        check(0 <= k < len(program) and 0 <= number < counts[k], "a label out of range")
    return Names(**lists, places=places)


def _digest(arrays: Arrays) -> str:
    parts = [name.encode() + arrays[name].tobytes() for name in sorted(arrays)]
    return sha256(b"".join(parts)).hexdigest()
