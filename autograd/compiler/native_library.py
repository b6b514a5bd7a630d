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
from pathlib import Path
from typing import Any

import llvmlite
import numpy as np
from llvmlite import binding, ir

from autograd.compiler.native_kernels import PLAIN, emit_kernel, symbol
from autograd.compiler.native_loops import emit_loops
from autograd.compiler.native_signatures import names
from autograd.files import write_atomically

INTEGER, ADDRESS = ctypes.c_int64, ctypes.c_void_p
SIGNATURES: dict[str, Any] = {
    "run": (None, *[ADDRESS] * 4, INTEGER, INTEGER, ctypes.c_double, ADDRESS, INTEGER),
    "train": (INTEGER, ADDRESS, ADDRESS),
}  # fmt: skip
NAMES = names()
NUMBER = {name: number for number, name in enumerate(NAMES)}
"""Every kernel's number in tables."""

CORE = [name for name in NUMBER if "." not in name or name.partition(".")[0] in PLAIN]
"""The kernels that nearly every program needs, in one module; the others are one each."""


class Library:
    """The native functions of this process; `lanes` says what their vectors hold."""

    def __init__(self) -> None:
        self.lanes = lanes()
        self._key = _key(self.lanes)
        self._engine = new_engine()
        self._others: dict[str, Any] = {}
        self._regions: dict[str, int] = {}
        self.addresses = np.zeros(len(NUMBER), np.int64)
        """Of the kernels, by number; 0 of those that nobody has asked for."""
        self._add("core", CORE)
        self.run: Any = ctypes.CFUNCTYPE(*SIGNATURES["run"])(self._address("run"))
        self.train: Any = ctypes.CFUNCTYPE(*SIGNATURES["train"])(self._address("train"))

    def need(self, kernels: Iterable[int]) -> None:
        """See to it that these kernels have addresses."""
        for number in kernels:
            if not self.addresses[number]:
                self._add(NAMES[number], [NAMES[number]])

    def _add(self, module: str, kernels: Sequence[str]) -> None:
        code = kept(f"{self._key}-{module}", partial(_compiled, kernels, self.lanes))
        self._engine.add_object_file(binding.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        for name in kernels:
            self.addresses[NUMBER[name]] = self._address(symbol(name))

    def regions(self, texts: Sequence[str]) -> list[int]:
        """The addresses of the kernels that these texts describe, made together where they lack."""
        missing = sorted({*texts} - self._regions.keys())
        if missing:
            name = sha256("\n".join(missing).encode()).hexdigest()[:40]
            make = partial(_compiled, missing, self.lanes)
            for text in missing:
                self._regions[text] = self.address_of(name, make, symbol(text))
        return [self._regions[text] for text in texts]

    def address_of(self, module: str, make: Callable[[], bytes], name: str) -> int:
        """A function in object code of its own, which is kept under the name of the module."""
        if module not in self._others:
            code = kept(f"{self._key}-{module}", make)
            engine = new_engine()
            engine.add_object_file(binding.ObjectFileRef.from_data(code))
            engine.finalize_object()
            self._others[module] = engine
        address: int = self._others[module].get_function_address(name)
        return address

    def _address(self, name: str) -> int:
        address: int = self._engine.get_function_address(name)
        if not address:
            raise RuntimeError(f"the object code lacks {name!r}")
        return address


@cache
def library() -> Library:
    """The library, from disk if it is there.  ImportError where this machine cannot have it."""
    try:
        return Library()
    except Exception as error:  # whatever it is, there are other backends
        raise ImportError(f"llvmlite cannot make native code here: {error}") from error


def kept(key: str, make: Any) -> bytes:
    """The object code under a key: read, or made and written."""
    folder = cache_folder()
    path = folder and folder / f"{key}.o"
    code = _read(path) if path else None
    if code is None:
        code = make()
        if path:
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
    sources = sorted(Path(__file__).parent.glob("native_*.py")) + [
        Path(__file__).with_name("arrays.py")
    ]
    texts = [source.read_bytes() for source in sources]
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
    return 8 if "+avx512f" in features else 4 if "+avx" in features else 2


def _target() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    cpu, features = _processor()
    target = binding.Target.from_default_triple()
    return target.create_target_machine(cpu=cpu, features=features, opt=2, jit=True)


def new_engine() -> Any:
    """Where object code is loaded and linked."""
    return binding.create_mcjit_compiler(binding.parse_assembly(""), _target())


def _compiled(kernels: Sequence[str], width: int) -> bytes:
    """The object code of these kernels; with the core come the loops."""
    module = ir.Module("payback")
    for name in kernels:
        emit_kernel(module, name, width)
    if "matmul" in kernels:
        emit_loops(module, width)
    return compiled(module)


def compiled(module: Any) -> bytes:
    """Object code.  What is emitted needs little optimisation before code generation."""
    module.triple, machine = binding.get_default_triple(), _target()
    parsed = binding.parse_assembly(str(module))
    parsed.verify()
    options = binding.create_pipeline_tuning_options(speed_level=1)
    builder, passes = (
        binding.create_pass_builder(machine, options),
        binding.create_new_module_pass_manager(),
    )
    passes.add_instruction_combine_pass()
    passes.run(parsed, builder)
    code: bytes = machine.emit_object(parsed)
    return code
