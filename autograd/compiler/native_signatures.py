"""What kernels there are, and what each takes: the vocabulary of the tables that programs become.

Said without LLVM, so that a program can be planned, and a plan be read, where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping

from autograd.compiler.arrays import ELEMENTWISE

SHARE = 0
"""Where in the memory 1 / (rows of the batch) is."""

SIMPLE = frozenset(
    "add sub mul neg divide sqrt absolute maximum minimum less less_equal equal where".split()
)
"""Words of an instruction or two: their kernels take operands that are the same for all rows."""

SIGNATURES: Mapping[str, str] = {
    "sum": "n m R dst a s t",
    "max": "n m R dst a s t",
    "total": "n m dst a s",
    "take": "n m R dst a s t index i",
    "take1": "n m R dst a s t index i",
    "mean": "n dst d R a s",
    "copy": "n m R dst ds dt a s t",
    "copy1": "n m dst ds dt a s t",
    "add_to": "n m R dst ds dt a s t",
    "add_to1": "n m dst ds dt a s t",
    "fill1": "n dst a",
    "fill": "n m R dst a s t",
    "gather": "n R dst a *index",
    "gather1": "n dst a *index",
    "scatter_add": "n R dst a *index",
    "scatter_add1": "n dst a *index",
    "matmul": "w n m R dst a s t b bw bt bias cw cs",
    "outer": "w n m dst d R a aw as b bw br",
    "transpose": "n R dst d a s",
}


READS = {"v": "ast", "u": "ast", "V": "a", "U": "a"}
"""What a region has to know of each kind of operand; of those in capitals a table, too."""


def kinds(word: str) -> list[str]:
    """The variants of an element-wise kernel: per operand v(arying) or u(niform)."""
    if ELEMENTWISE[word] == 1:
        return ["v"]
    if word in SIMPLE:
        return {2: ["vv", "vu", "uv"], 3: ["vvv", "vvu", "vuv", "vuu"]}[ELEMENTWISE[word]]
    return ["v" * ELEMENTWISE[word]]


def signature(kernel: str) -> list[str]:
    """The names of a kernel's arguments."""
    if "|" in kernel:
        kinds, _, stored = kernel.split("|")
        reads = [f"{name}{k}" for k, kind in enumerate(kinds) for name in READS[kind]]
        return ["n", "m", "R", *(f"dst{k}" for k, _ in enumerate(stored.split())), *reads]
    if kernel in SIGNATURES:
        return SIGNATURES[kernel].split()
    operands = [f"{name}{k}" for k in range(len(kernel.split(".")[1])) for name in "as"]
    return ["n", "R", "dst", *operands]


def names() -> list[str]:
    """Every kernel; its number is its place here."""
    return [f"{word}.{kind}" for word in ELEMENTWISE for kind in kinds(word)] + [*SIGNATURES]
