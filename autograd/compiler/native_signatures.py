"""What kernels there are, and what each takes: the vocabulary of the tables that programs become.

*Element-wise* kernels do one operation or several, and are named by a text that says which, such as

    vu|mul a0 a1;exp r0|r1

for exp(a b): the *kinds* of what is read (v: a vector of rows, u: one number for all, and V or U
where an index says which), the operations (a: what is read, r: earlier results), and which of all
these are stored.  Others have a name.

Said without LLVM, so that a program can be planned, and a plan be read, where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping

SHARE = 0
"""Where in the memory 1 / (rows of the batch) is."""

KINDS = "uvUV"

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
    "scatter_add": "n R dst a *index",
    "scatter_add1": "n dst a *index",
    "matmul": "w n m R dst a s t b bw bt bias cw cs",
    "outer": "w n m dst d R a aw as b bw br",
    "transpose": "n R dst d a s",
}


def signature(kernel: str) -> list[str]:
    """The names of a kernel's arguments; an ``*index`` is n more for each that has one."""
    if "|" not in kernel:
        return SIGNATURES[kernel].split()
    kinds, _, stored = kernel.split("|")
    results = [f"dst{k}" for k, _ in enumerate(stored.split())]
    reads = [f"{name}{k}" for k, kind in enumerate(kinds) for name in ("as" if kind > "Z" else "a")]
    return ["n", "R", *results, *reads, *["*index" for kind in kinds if kind < "Z"]]


def single(word: str, kinds: str) -> str:
    """The name of the kernel of one operation."""
    return f"{kinds}|{word} {' '.join(f'a{k}' for k, _ in enumerate(kinds))}|r0"
