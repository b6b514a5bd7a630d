"""Optional packages: loaded when needed, with a word on what to install when they are missing."""

import importlib
from typing import Any


def require(module: str, *, extra: str) -> Any:
    """The imported module, or an ImportError that says which extra of payback brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        # it is installed, and something that it needs itself is not: say that
        if error.name is not None and error.name.partition(".")[0] != package:
            raise
        raise ImportError(
            f'this needs {package}: pip install "payback[{extra}]"', name=package
        ) from error
