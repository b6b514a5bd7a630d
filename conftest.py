"""Doctests of a single file: `pytest autograd/value.py` tests the module that everybody uses.

pytest would load the file once more under the same name, and its `Value` would be another one.
"""

from contextlib import suppress
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent


def pytest_collect_file(file_path: Path) -> None:
    """Import a module of ours the usual way first; pytest takes what is loaded already."""
    path = file_path.relative_to(ROOT) if file_path.is_relative_to(ROOT) else Path()
    if path.suffix == ".py" and path.parts[0] in ("autograd", "nn") and path.stem != "__main__":
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        with suppress(ImportError):  # an optional package is missing: pytest passes it over too
            import_module(name)
