"""What kernels there are, and what each takes: the vocabulary of the tables that programs become.

*Element-wise* kernels do one operation or several, and are named by a text that says which, such as

    vu>v|mul a0 a1;exp r0|r1

for exp(a b): the *kinds* of what is read and of what is stored (v: a vector of rows, u: one number
for all; V and U where an index says which), the operations (a: what is read, r: earlier results),
and which of all these are stored.  A kernel that knows no vectors has vectors of one number.
Others have a name.  "outer with …" does an element-wise kernel, an optimiser's step, while it
computes the last of the gradient: the products leave half of the machine waiting, and so do roots
and divisions.

Said without LLVM, so that a program can be planned, and a plan be read, where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping

SHARE = 0
"""Where in the memory 1 / (rows of the batch) is."""

WITH = "outer with "
KINDS = "uvUV"
INDEXED = "UV"

SIGNATURES: Mapping[str, str] = {
    "sum": "n m R dst a s t",
    "max": "n m R dst a s t",
    "total": "n m dst a s",
    "take": "n m R dst a s t row index i",
    "mean": "n dst d R a s",
    "matmul": "w n m R dst a s t b bw bt bias cw cs",
    "outer": "w n m dst d R a aw as b bw br",
    "transpose": "n R dst d a s",
}


def signature(kernel: str) -> list[str]:
    """The names of a kernel's arguments; an ``*index`` is n more."""
    if "|" not in kernel:
        return SIGNATURES[kernel].split()
    if kernel.startswith(WITH):
        return [*signature("outer"), "before", "count", *signature(kernel.removeprefix(WITH))[2:]]
    reads, writes = kinds_of(kernel)
    names = [f"dst{k} d{k}" if kind > "Z" else f"dst{k}" for k, kind in enumerate(writes)]
    names += [f"a{k} s{k}" if kind > "Z" else f"a{k}" for k, kind in enumerate(reads)]
    indices = ["*index" for kind in reads + writes if kind in INDEXED]
    return ["n", "R", *" ".join(names).split(), *indices]


def kinds_of(kernel: str) -> tuple[str, str]:
    """The kinds of what an element-wise kernel reads, and of what it stores."""
    reads, _, writes = kernel.partition("|")[0].partition(">")
    return reads, writes


def single(word: str, kinds: str) -> str:
    """The name of the kernel of one operation."""
    return f"{kinds}>v|{word} {' '.join(f'a{k}' for k, _ in enumerate(kinds))}|r0"
