"""The arrows between the rooms, the one list of public names, and what the code must never do.

Read from the sources: `primitive ← rules ← value ← backward ← {transforms, check, graph} ← {views,
compiler} ← cli`, and `nn` sees what `autograd` shows to everyone.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import autograd
import nn
from autograd import Value

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("autograd/**/*.py"), *ROOT.glob("nn/**/*.py")])

FLOORS = [
    {"primitive", "scalar_math", "collector", "validation", "files", "optional", "messages"},
    {"rules", "modes", "trees"},
    {"value"},
    {"functions"},
    {"backward"},
    {"graph", "transforms", "closures"},
    {"check"},
    {"differences"},
    {"__init__"},
    {"expression"},
    {"arguments"},
    {"views", "compiler"},
    {"jitted"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Methods and names that lead upstairs; what is there is loaded when one goes through.
DOORS = {
    ("primitive", "rules"),  # a pickled row is found again by its name
    ("value", "backward"),  # Value.backward
    ("value", "closures"),  # what is assigned to Value._backward
    ("value", "views"),  # Value.to_svg, Value.save, notebooks
    ("__init__", "views"),  # autograd.draw, autograd.trace
    ("__init__", "compiler"),  # autograd.compile
    ("__init__", "jitted"),  # autograd.jit
}
# Open to nn beside `autograd.__all__`: the namespaces that update rules are written over, tools.
TOOLS = {
    "autograd.functions", "autograd.collector", "autograd.optional",
    "autograd.files", "autograd.transforms",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Import:
    """`importer` takes `name` from `module`, or all of it; `at_once`, or when something is used."""

    importer: str
    module: str
    name: str
    at_once: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file; those in functions and for type checkers are not at once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = {id(node) for part in ast.walk(tree) if is_later(part) for node in ast.walk(part)}
    for node in ast.walk(tree):
        at_once = id(node) not in later
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module_name(path), alias.name, "", at_once)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                yield Import(module_name(path), str(node.module), alias.name, at_once)


def is_later(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


IMPORTS = [found for path in SOURCES for found in imports_of(path)]
MODULES = {module_name(path) for path in SOURCES}


def target(found: Import) -> str:
    """The module that is loaded: `from autograd import value` means `autograd.value`."""
    inner = f"{found.module}.{found.name}"
    return inner if inner in MODULES else found.module


def room(module: str) -> str:
    """The file or folder of `autograd` that a module belongs to."""
    return (module.split(".") + ["__init__"])[1]


def inside(package: str) -> list[Import]:
    return [found for found in IMPORTS if found.importer.split(".")[0] == package]


def test_every_module_of_the_engine_has_its_floor() -> None:
    rooms = {room(module) for module in MODULES if module.split(".")[0] == "autograd"}
    assert rooms == set(FLOOR)


@pytest.mark.parametrize("found", [
    found for found in inside("autograd") if target(found) in MODULES
], ids=lambda found: f"{found.importer}->{target(found)}.{found.name}")  # fmt: skip
def test_imports_lead_downstairs(found: Import) -> None:
    above, below = room(found.importer), room(target(found))
    if above == below and above in ("views", "compiler"):
        return
    if (above, below) in DOORS:
        assert not found.at_once
    else:
        assert FLOOR[below] < FLOOR[above]


def test_no_circle_of_imports() -> None:
    arrows: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in IMPORTS:
        if found.at_once and target(found) in MODULES:
            arrows[found.importer].add(target(found))
    list(TopologicalSorter(arrows).static_order())


def test_the_engine_does_not_know_nn() -> None:
    assert not [found for found in inside("autograd") if found.module.split(".")[0] == "nn"]


def test_nn_sees_only_public_names() -> None:
    foreign = [found for found in inside("nn") if found.module.split(".")[0] == "autograd"]
    hidden = [
        found
        for found in foreign
        if target(found) not in TOOLS
        and not (found.module == "autograd" and found.name in {"", *autograd.__all__})
    ]
    assert foreign
    assert not hidden


def test_third_parties_stay_out_of_the_engine_s_rooms() -> None:
    upstairs = FLOOR["__init__"]
    for found in inside("autograd"):
        if FLOOR[room(found.importer)] <= upstairs:
            top = found.module.split(".")[0]
            assert top == "autograd" or top in sys.stdlib_module_names, found


# -- public names ----------------------------------------------------------------------------------

UNARY = """
    exp expm1 log log1p sqrt sin cos tan arcsin arccos arctan sinh cosh tanh erf sigmoid softplus
    relu leaky_relu silu gelu absolute sign erfc exp2 log2 log10 arcsinh
    arccosh arctanh elu log_sigmoid
""".split()
CONTRACT = [
    *UNARY,
    *"""
    Value maximum minimum logaddexp hypot arctan2 clip take sum dot mean
    logsumexp softmax log_softmax where no_grad detect_anomaly
    gradients grad value_and_grad jacobian hessian jvp vjp jit check_grads CheckReport
    topological_order edges Edge count_paths paths Path draw scope trace Trace compile
""".split(),
]


@pytest.mark.parametrize("package", [autograd, nn], ids=["autograd", "nn"])
def test_the_public_surface_is_one_list(package: object) -> None:
    pytest.importorskip("numpy")  # for `compile` and what belongs to it
    names = package.__all__  # type: ignore[attr-defined]
    assert len(names) == len(set(names))
    assert all(hasattr(package, name) for name in names)
    assert {name for name in names if name.startswith("_")} == set()
    assert set(names) <= set(dir(package))


def test_the_public_surface_holds_the_contract() -> None:
    assert set(CONTRACT) <= set(autograd.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'numpy'"):
        autograd.numpy  # noqa: B018


def test_functions_are_methods_too() -> None:
    for name in UNARY:
        x = 1.3 if name == "arccosh" else 0.3
        assert getattr(Value(x), name)().data == getattr(autograd, name)(x).data
    for name in ("maximum", "minimum", "logaddexp", "hypot", "arctan2", "less"):
        assert getattr(Value(0.3), name)(0.2).data == getattr(autograd, name)(0.3, 0.2).data
    assert Value(0.3).clip(high=0.2, low=0).data == autograd.clip(0.3, 0, 0.2).data == 0.2


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_public_things_say_what_they_are(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if tree.body:
        assert ast.get_docstring(tree), f"{path} has no docstring"
    things = {
        node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    for name, node in things.items():  # the last of an overloaded function
        assert name.startswith("_") or ast.get_docstring(node), f"{path}: {name} has no docstring"


# -- what the code never does ----------------------------------------------------------------------

FORBIDDEN_CALLS = {"eval", "exec", "__import__", "os.system", "os.popen"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "subprocess", "socket"}


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_text_is_run_as_code(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in FORBIDDEN_CALLS, f"{path}:{node.lineno}: {called}"


def test_no_module_that_runs_what_it_reads() -> None:
    modules = {(found.importer, found.module.split(".")[0]) for found in IMPORTS}
    assert not {pair for pair in modules if pair[1] in FORBIDDEN_MODULES}


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_nothing_is_left_for_later(path: Path) -> None:
    assert not re.search(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError", path.read_text("utf-8"))


# -- import autograd -------------------------------------------------------------------------------


def test_import_autograd_loads_no_third_party() -> None:
    code = (
        "import sys; before = set(sys.modules); import autograd;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    foreign = set(done.stdout.split()) - set(sys.stdlib_module_names)
    assert foreign == {"autograd"}
