"""Parameters in a file: safetensors, a format that holds numbers and cannot hold code.

Names that end in 0, 1, 2 … become one array: ``layers.0.neurons.3.w.0`` and ``….w.1`` are the two
numbers of the tensor ``layers.0.neurons.3.w``; a number without an index is a tensor without axes.
All tensors are float64.  The file's metadata hold a checksum of the numbers; a file without one, by
another program, is believed.
"""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from autograd.files import write_atomically
from autograd.optional import require

Groups = dict[str, list[str]]


def save(path: str | os.PathLike[str], numbers: Mapping[str, float]) -> Path:
    """Write numbers by name, atomically."""
    numpy, safetensors = _packages()
    tensors = {
        tensor: numpy.array(
            [numbers[name] for name in names] if names != [tensor] else numbers[tensor]
        )
        for tensor, names in grouped(numbers).items()
    }
    metadata = {"format": "payback", "sha256": _checksum(numbers)}
    return write_atomically(path, safetensors.save(tensors, metadata=metadata))


def load(path: str | os.PathLike[str], *, names: Collection[str]) -> dict[str, float]:
    """The numbers in a file by name.

    ``names`` are those to expect. A tensor that holds none of them is a name of its own. ValueError
    if the file is damaged, or a tensor has another shape than its names ask for.
    """
    _, safetensors = _packages()
    content = Path(path).read_bytes()
    try:
        tensors, metadata = safetensors.load(content), _metadata(content)
    except KeyError as error:
        raise ValueError(f"it holds numbers of a type that NumPy has not: {error}") from error
    except Exception as error:  # whatever a broken file brings to light in the parser
        raise ValueError(f"it is damaged or not a safetensors file ({error})") from error
    numbers: dict[str, float] = {}
    for tensor, expected in grouped(names).items():
        if tensor in tensors:
            numbers |= _unpacked(tensor, expected, tensors.pop(tensor))
        else:  # another program may have written a state number by number
            alone = [name for name in expected if name in tensors]
            for name in alone:
                numbers |= _unpacked(name, [name], tensors.pop(name))
    # tensors left over are another model's: the caller says which names do not fit
    if not tensors and metadata.get("sha256") not in (None, _checksum(numbers)):
        raise ValueError(
            "it is damaged, or another model's: its numbers are not those that were saved by these "
            "names"
        )
    if strange := sorted(tensors.keys() & {*names}):
        raise ValueError(f"it has two tensors for {strange[0]}")
    return numbers | dict.fromkeys(tensors, 0.0)


def grouped(names: Iterable[str]) -> Groups:
    """The names of each tensor's numbers, in order.

    >>> grouped(["b", "w.0", "w.1"])
    {'b': ['b'], 'w': ['w.0', 'w.1']}
    """
    groups: Groups = {}
    for name in names:
        stem, _, index = name.rpartition(".")
        groups.setdefault(stem if index.isdigit() and stem else name, []).append(name)
    return groups


def _unpacked(tensor: str, names: list[str], array: Any) -> dict[str, float]:
    shape = () if names == [tensor] else (len(names),)
    if array.shape != shape or array.dtype.kind != "f":
        given = f"{array.dtype} of shape {array.shape}"
        raise ValueError(f"{tensor} should be float64 of shape {shape}, the file has {given}")
    return dict(zip(names, array.ravel().tolist()))


def _checksum(numbers: Mapping[str, float]) -> str:
    return sha256(repr(sorted(numbers.items())).encode()).hexdigest()


def _metadata(content: bytes) -> dict[str, str]:
    """What a file says about itself: its first 8 bytes are the length of a JSON header."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return dict(header.get("__metadata__") or {})


def _packages() -> tuple[Any, Any]:
    return require("numpy", extra="train"), require("safetensors.numpy", extra="train")
