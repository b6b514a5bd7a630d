"""Native functions, compiled once per machine: kept on disk wherever there is a place for them.

They are kept under a fingerprint of this package's numba modules, because a function is stale as
soon as any of the code it is made from has changed, not only its own file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any, TypeVar

numba: Any = import_module("numba")

F = TypeVar("F", bound=Callable[..., Any])


def native(**options: bool) -> Callable[[F], F]:
    """A decorator like ``numba.njit``, with a cache if there can be one."""

    def decorate(function: F) -> F:
        with _cache() as there_is_one:
            compiled: F = numba.njit(function, cache=there_is_one, error_model="numpy", **options)
            return compiled

    return decorate


def native_callback(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator like ``numba.cfunc``: a function that is called by its address."""

    def decorate(function: Callable[..., Any]) -> Any:
        with _cache() as there_is_one:
            return numba.cfunc(signature, cache=there_is_one)(function)

    return decorate


def plain(namespace: Mapping[str, Any]) -> SimpleNamespace:
    """The native functions of a module as what they are written in: Python."""
    names = dict(namespace)
    for name, function in namespace.items():
        if hasattr(function, "py_func"):
            names[name] = FunctionType(function.py_func.__code__, names, name)
    return SimpleNamespace(**names)


def is_kept(function: Any) -> bool:
    """Whether a native function is compiled, in this process or by an earlier one on disk."""
    if function.signatures:
        return True
    folder = _folder()
    return folder is not None and any(Path(folder).rglob(f"*.{function.__name__}-*.nbi"))


@contextmanager
def _cache() -> Iterator[bool]:
    """Let numba keep what is compiled now in our folder, and nothing else of the user's."""
    folder = _folder()
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = folder or before
    try:
        yield folder is not None
    finally:
        numba.config.CACHE_DIR = before


@cache
def _folder() -> str | None:
    """The first that can be written: the user's choice, beside the modules, the user's cache."""
    name = f"payback-{_fingerprint()}"
    chosen = [Path(numba.config.CACHE_DIR)] if numba.config.CACHE_DIR else []
    for parent in (*chosen, Path(__file__).parent / "__pycache__", _user_cache()):
        folder = parent / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError):
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return str(folder)
    return None


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~")).expanduser() / "payback"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "payback"


def _fingerprint() -> str:
    sources = sorted(Path(__file__).parent.glob("numba_*.py"))
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
