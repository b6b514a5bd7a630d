"""A program as a file: a NumPy ``.npz`` without pickles, and a JSON header.

What is read is believed only after it was checked: every array has the type and shape that the
header's format says, every operation is known, every operand is an earlier register, every end is a
register.  A file that fails any of this, at whatever byte it was cut or changed, gives one
ValueError.
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

from autograd.compiler.backends import Array
from autograd.compiler.linear import ARITIES, LEAVES, WengertList, uniform_registers
from autograd.compiler.listing import Names

FORMAT = "payback program 1"

_OPERATIONS = tuple(sorted(ARITIES))
_WIDEST = max(ARITIES.values())
_ARITY = np.array([ARITIES[name] for name in _OPERATIONS])
_LEAVES = tuple(_OPERATIONS.index(name) for name in LEAVES)
_CONSTANT, _PARAMETER, _INPUT = _LEAVES

_TYPES = {
    "operations": "uint8", "operands": "int64", "constants": "float64", "outputs": "int64",
    "gradients": "int64", "numbers": "float64", "header": "uint8",
}  # fmt: skip
_DATED = (1980, 1, 1, 0, 0, 0)

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file holds: the list, its names, and the numbers in the parameters."""

    wengert: WengertList
    names: Names
    numbers: Array


def to_bytes(stored: Stored) -> bytes:
    """The contents of the file; the same program gives the same bytes."""
    arrays = _arrays(stored.wengert, stored.numbers)
    header = {"format": FORMAT, "sha256": _digest(arrays), **_names_as_json(stored.names)}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(
                zipfile.ZipInfo(f"{name}.npy", _DATED), "w", force_zip64=True
            ) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
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
        _check_arrays(arrays, names)
        return Stored(_wengert(arrays), names, arrays["numbers"])
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


def _arrays(wengert: WengertList, numbers: Array) -> Arrays:
    operands = np.full((len(wengert), _WIDEST), -1, dtype=np.int64)
    for k, registers in enumerate(wengert.operands):
        operands[k, : len(registers)] = registers
    code = {name: k for k, name in enumerate(_OPERATIONS)}
    constants = [number for _, number in sorted(wengert.constants.items())]
    return {
        "operations": np.array([code[name] for name in wengert.operations], dtype=np.uint8),
        "operands": operands,
        "constants": np.array(constants, dtype=np.float64),
        "outputs": np.array(wengert.outputs, dtype=np.int64),
        "gradients": np.array(wengert.gradients, dtype=np.int64),
        "numbers": np.ascontiguousarray(numbers, dtype=np.float64),
    }


def _wengert(arrays: Arrays) -> WengertList:
    codes: list[int] = arrays["operations"].tolist()
    operations = [_OPERATIONS[code] for code in codes]
    operands = [
        tuple(registers[: ARITIES[name]])
        for name, registers in zip(operations, arrays["operands"].tolist(), strict=True)
    ]
    places = [k for k, code in enumerate(codes) if code == _CONSTANT]
    return WengertList(
        operations=operations,
        operands=operands,
        constants=dict(zip(places, arrays["constants"].tolist(), strict=True)),
        outputs=arrays["outputs"].tolist(),
        gradients=arrays["gradients"].tolist(),
        uniform=uniform_registers(operations, operands),
    )


def _read_arrays(data: bytes) -> Arrays:
    _check(data.startswith(b"PK\x03\x04"), "it does not start like a zip file")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        wanted = sorted(f"{name}.npy" for name in _TYPES)
        _check(
            sorted(member.filename for member in members) == wanted, "other arrays than expected"
        )
        for member in members:
            plain = member.compress_type == zipfile.ZIP_STORED and member.file_size <= len(data)
            _check(plain, f"{member.filename} is compressed")
        return {name: _read_array(archive, name, kind) for name, kind in _TYPES.items()}


def _read_array(archive: zipfile.ZipFile, name: str, kind: str) -> npt.NDArray[Any]:
    content = io.BytesIO(archive.read(f"{name}.npy"))
    array: npt.NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    _check(array.dtype == kind and not content.read(1), f"{name} is not an array of {kind}")
    return array


def _check_arrays(arrays: Arrays, names: Names) -> None:
    codes, operands = arrays["operations"], arrays["operands"]
    length, parameters = len(codes), len(names.parameters)
    _check(
        codes.shape == (length,) and operands.shape == (length, _WIDEST),
        "instructions of odd shape",
    )
    _check(not length or int(codes.max()) < len(_OPERATIONS), "an unknown operation")
    _check(arrays["constants"].shape == (int((codes == _CONSTANT).sum()),), "constants are missing")
    _check(arrays["numbers"].shape == (parameters,), "parameters are missing")
    _check_operands(codes, operands, parameters, len(names.inputs))
    for ends, count in (("outputs", len(names.roots)), ("gradients", parameters)):
        _check(
            arrays[ends].shape == (count,) and _within(arrays[ends], length), f"{ends} out of range"
        )
    _check(all(0 <= k < length for k in names.registers), "a label out of range")


def _check_operands(
    codes: npt.NDArray[Any], operands: npt.NDArray[Any], parameters: int, inputs: int
) -> None:
    used = np.arange(_WIDEST) < _ARITY[codes][:, None]
    computed = ~np.isin(codes, _LEAVES)
    bound = np.where(
        computed, np.arange(len(codes)), np.where(codes == _PARAMETER, parameters, inputs)
    )
    sound = (operands >= 0) & (operands < bound[:, None])
    _check(bool((sound | ~used).all()), "an operand out of range")


def _within(indices: npt.NDArray[Any], length: int) -> bool:
    return bool(((indices >= 0) & (indices < length)).all())


def _names_as_json(names: Names) -> dict[str, Any]:
    return {
        "inputs": names.inputs,
        "parameters": names.parameters,
        "roots": names.roots,
        "registers": list(names.registers.items()),
    }


def _names_from_json(header: Mapping[str, Any]) -> Names:
    return Names(
        inputs=_texts(header["inputs"]),
        parameters=_texts(header["parameters"]),
        roots=_texts(header["roots"]),
        registers={_index(k): _text(label) for k, label in header["registers"]},
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
