"""The compiled library: made once per machine in a fraction of a second, and kept on disk.

What is kept is an object file with a checksum before it, under a name made of everything it
depends on: the text of the modules that emit it, the processor and the versions of llvmlite and
Python.  A file that is not exactly what was written is ignored and made anew; where there is no
place to keep it, it is made again in every process.
"""

from __future__ import annotations

import ctypes
import hmac
import os
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from threading import RLock
from typing import Any

import llvmlite
import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir

from autograd.compiler.native_emit import NOTHING, POINTER, WHOLE, WIDEST
from autograd.compiler.native_kernels import emit_kernel, symbol
from autograd.compiler.native_loops import LOOPS, emit_loops
from autograd.compiler.native_tables import single
from autograd.files import write_atomically

C_TYPES: dict[Any, Any] = {WHOLE: ctypes.c_int64, POINTER: ctypes.c_void_p, NOTHING: None}
CORE = [
    *"matmul outer transpose sum max mean take".split(),
    *(single(*each.split(".")) for each in (
        "sub.vv mul.vv divide.vv sqrt.v exp.v log.v equal.vu less_equal.vu where.vuv where.vuu"
    ).split()),
]  # fmt: skip
"""What a network and its loss need, in one module with the loops; other kernels are one each."""

IN_ONE_PIECE = sys.platform != "win32"
"""Whether code and constants lie together, so that an instruction reaches a constant at once."""


class Library:
    """The native functions of this process; `lanes` says what their vectors hold."""

    def __init__(self) -> None:
        self.lanes = lanes()
        self._key = _key(self.lanes)
        self._linked: list[Linked] = []
        make = partial(_compiled, CORE, self.lanes, loops=True)
        run, train, *core = self._load("core", make, ["run", "train", *map(symbol, CORE)])
        self.run, self.train = _callable("run", run), _callable("train", train)
        self._kernels = dict(zip(CORE, core))

    def addresses(self, kernels: Iterable[str]) -> npt.NDArray[np.int64]:
        """Of these kernels, each made when somebody first asks for it."""
        kernels = [*kernels]
        with _MAKING:
            for name in {*kernels} - self._kernels.keys():
                make = partial(_compiled, (name,), self.lanes)
                [self._kernels[name]] = self._load(symbol(name), make, [symbol(name)])
        return np.array([self._kernels[name] for name in kernels], np.int64)

    def _load(self, module: str, make: Callable[[], bytes], names: Sequence[str]) -> list[int]:
        """The addresses of functions in object code, which is kept under the module's name."""
        key = self._key and f"{self._key}-{module}"
        self._linked.append(Linked(kept(key, make), names))
        return self._linked[-1].addresses


def library() -> Library:
    """The library, from disk if it is there.  ImportError where this machine cannot have it."""
    with _MAKING:
        return _library()


@cache
def _library() -> Library:
    try:
        return Library()
    except Exception as error:  # whatever it is, there are other backends
        raise ImportError(f"llvmlite cannot make native code here: {error}") from error


_MAKING = RLock()
"""Held by who has code made, of which there is one for all threads, and by who forks: LLVM has a
lock of its own, which a child of that moment would find locked for ever."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_MAKING.acquire, after_in_parent=_MAKING.release, after_in_child=_MAKING.release
    )


def kept(key: str, make: Callable[[], bytes]) -> bytes:
    """The object code under a key: read, or made and written; only made for ""."""
    if not (key and (folder := cache_folder())):
        return make()
    path = folder / f"{key}.o"
    code = _read(path)
    if code is None:
        code = make()
        with suppress(OSError):
            write_atomically(path, sha256(key.encode() + code).digest() + code)
    return code


def _read(path: Path) -> bytes | None:
    """What `kept` wrote there; None for anything else."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, code = data[:32], data[32:]
    right = hmac.compare_digest(digest, sha256(path.stem.encode() + code).digest())
    return code if right and code else None


def cache_folder() -> Path | None:
    """A folder of the user's own, for nobody else to write in; None where there is none."""
    try:
        folder = _user_cache() / "native"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid"):
            status = folder.stat()
            if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _user_cache() -> Path:
    if chosen := os.environ.get("PAYBACK_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~")).expanduser() / "payback"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "payback"


def _key(lanes: int) -> str:
    """What code that is kept depends on; "" where the text is not there, as in a frozen program."""
    folder = files(__package__)  # in a zip file, too
    if not folder.is_dir():
        return ""
    sources = sorted(folder.iterdir(), key=str)
    texts = [source.read_bytes() for source in sources if source.name.startswith("native_")]
    facts = str(lanes), llvmlite.__version__, *_processor(), sys.version
    texts.append(binding.get_default_triple().encode())
    return sha256(b"\0".join([*texts, *map(str.encode, facts)])).hexdigest()[:40]


@cache
def _processor() -> tuple[str, str]:
    """Its name and features; a plain one of its kind where LLVM does not know it."""
    try:
        return binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
    except RuntimeError:
        return "", ""


def lanes() -> int:
    """Doubles in this machine's widest registers."""
    features = _processor()[1].split(",")
    return WIDEST if "+avx512f" in features else 4 if "+avx" in features else 2


def _target() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    cpu, features = _processor()
    target = binding.Target.from_default_triple()
    model = "small" if IN_ONE_PIECE else "jitdefault"
    return target.create_target_machine(
        cpu=cpu, features=features, opt=2, jit=True, codemodel=model
    )


class Linked:
    """Object code in memory, and the addresses of its functions, for as long as this is kept."""

    def __init__(self, code: bytes, names: Sequence[str]) -> None:
        builder = binding.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name in names:
            builder.export_symbol(name)
        self._engine = binding.create_lljit_compiler(_target(), use_jit_link=IN_ONE_PIECE)
        self._functions = builder.link(self._engine, "payback")
        self.addresses = [self._functions[name] for name in names]


def _callable(loop: str, address: int) -> Callable[..., Any]:
    return ctypes.CFUNCTYPE(*(C_TYPES[kind] for kind in LOOPS[loop]))(address)


def _compiled(kernels: Sequence[str], lanes: int, *, loops: bool = False) -> bytes:
    """The object code of these kernels, and of the loops."""
    module = ir.Module("payback")
    if loops:
        emit_loops(module, lanes)
    for name in kernels:
        emit_kernel(module, name, lanes)
    return object_code(module)


def object_code(module: Any) -> bytes:
    """Of a module.  What is emitted needs no optimisation before code generation."""
    module.triple = binding.get_default_triple()
    parsed = binding.parse_assembly(str(module))
    parsed.verify()
    code: bytes = _target().emit_object(parsed)
    return code
