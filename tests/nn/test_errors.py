"""Errors travel between processes whole: to the workers of a pool, and back."""

import ast
import importlib
import pickle
from http import HTTPStatus
from pathlib import Path

import pytest

import nn

ROOT = Path(__file__).parents[2]
MADE_OF = {
    "DivergedError": ("what", nn.History(loss=[1.0])),
    "NotFiniteError": (1.5, 3),
    "RefusalError": (HTTPStatus.BAD_REQUEST, "what"),
    "ExpressionError": (["long"], "", None),
    "UserError": ("takes nothing",),
}
WORDS = {"ExpressionError": {"n": "12", "most": "10"}, "UserError": {"option": "--lang"}}


def error_classes():
    for path in sorted([*ROOT.glob("autograd/**/*.py"), *ROOT.glob("nn/**/*.py")]):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                yield pytest.param(name, node.name, id=node.name)


@pytest.mark.parametrize(("module", "name"), list(error_classes()))
def test_every_error_is_pickled_with_all_that_it_says(module, name):
    if module != "autograd.cli":
        pytest.importorskip("numpy")
    made_of, words = MADE_OF.get(name, ("what",)), WORDS.get(name, {})
    error = getattr(importlib.import_module(module), name)(*made_of, **words)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
    assert vars(again) == vars(error)
