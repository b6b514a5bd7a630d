"""What holds in every module of the engine: its records, its list of names."""

from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

import autograd
from autograd.arguments import Asked

NAMES = sorted(path.stem for path in Path(autograd.__file__).parent.glob("[!_]*.py"))
MODULES = {name: import_module(f"autograd.{name}") for name in NAMES}
RECORDS = {
    thing
    for module in MODULES.values()
    for thing in vars(module).values()
    if isinstance(thing, type) and is_dataclass(thing) and thing.__module__ == module.__name__
}


@pytest.mark.parametrize("record", sorted(RECORDS - {Asked}, key=repr))
def test_records_cannot_be_changed_and_hold_what_they_name(record: type) -> None:
    assert record.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(record)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_module_lists_is_there(name: str) -> None:
    assert {*getattr(MODULES[name], "__all__", ())} <= {*dir(MODULES[name])}
