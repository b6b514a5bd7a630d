"""Parameters in a file: safetensors, a format that holds numbers and cannot hold code.

Names that end in 0, 1, 2 … become one array: ``layers.0.neurons.3.w.0`` and ``….w.1`` are the two
numbers of the tensor ``layers.0.neurons.3.w``; a number without an index is a tensor without axes.
All tensors are float64.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autograd.extras import require
from autograd.files import write_atomically

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
    return write_atomically(path, safetensors.save(tensors, metadata={"format": "payback"}))


def load(path: str | os.PathLike[str], *, names: Iterable[str]) -> dict[str, float]:
    """The numbers in a file by name.

    ``names`` are those to expect. A tensor that holds none of them is a name of its own. ValueError
    if the file is damaged, or a tensor has another shape than its names ask for.
    """
    _, safetensors = _packages()
    content = Path(path).read_bytes()
    try:
        tensors = safetensors.load(content)
    except Exception as error:  # whatever a broken file brings to light in the parser
        raise ValueError(f"it is damaged or not a safetensors file ({error})") from error
    numbers: dict[str, float] = {}
    for tensor, expected in grouped(names).items():
        if tensor in tensors:
            numbers |= _unpacked(tensor, expected, tensors.pop(tensor))
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
    return dict(zip(names, array.reshape(-1).tolist()))


def _packages() -> tuple[Any, Any]:
    return require("numpy", extra="train"), require("safetensors.numpy", extra="train")
