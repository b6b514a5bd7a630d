"""payback: a scalar autograd engine you can watch.

Backpropagation is paying back, once per edge.

>>> from autograd import Value
>>> a = Value(2.0, label="a"); b = Value(1.0, label="b")
>>> e = (a + b) * (b + 1)
>>> e.backward()
>>> e.data, a.grad, b.grad
(6.0, 2.0, 5.0)
"""

from importlib import import_module
from os.path import exists, join
from typing import TYPE_CHECKING, Any

if exists(join(__path__[0], "differential_operators.py")):  # a file of HIPS's Autograd
    raise ImportError(
        f"two libraries are in {__path__[0]}: payback and HIPS's Autograd, which is imported as "
        "'autograd' too, and each has overwritten files of the other. Uninstall both, "
        "pip uninstall autograd payback, and give each an environment of its own"
    )

from autograd import functions
from autograd.backward import gradients as gradients
from autograd.backward import topological_order as topological_order
from autograd.functions import *
from autograd.graph import Edge as Edge
from autograd.graph import Path as Path
from autograd.graph import count_paths as count_paths
from autograd.graph import edges as edges
from autograd.graph import paths as paths
from autograd.modes import AnomalyError as AnomalyError
from autograd.modes import BranchError as BranchError
from autograd.modes import detect_anomaly as detect_anomaly
from autograd.modes import enable_grad as enable_grad
from autograd.modes import is_anomaly_enabled as is_anomaly_enabled
from autograd.modes import no_branches as no_branches
from autograd.modes import no_grad as no_grad
from autograd.modes import scope as scope
from autograd.value import Placeholder as Placeholder
from autograd.value import Value as Value

if TYPE_CHECKING:  # and after `else` a list that type checkers would have to know in full
    from autograd.check import CheckReport as CheckReport
    from autograd.check import check_grads as check_grads
    from autograd.compiler import Program as Program
    from autograd.compiler import compile as compile
    from autograd.jitted import jit as jit
    from autograd.transforms import grad as grad
    from autograd.transforms import hessian as hessian
    from autograd.transforms import jacobian as jacobian
    from autograd.transforms import jvp as jvp
    from autograd.transforms import value_and_grad as value_and_grad
    from autograd.transforms import vjp as vjp
    from autograd.views.draw import draw as draw
    from autograd.views.trace import Trace as Trace
    from autograd.views.trace import trace as trace
else:
    __all__ = sorted([
        "AnomalyError", "BranchError", "CheckReport", "Edge", "Path", "Placeholder", "Program",
        "Trace", "Value", "check_grads", "compile", "count_paths", "detect_anomaly", "draw",
        "edges", "enable_grad", "grad", "gradients", "hessian", "is_anomaly_enabled", "jacobian",
        "jit", "jvp",
        "no_branches", "no_grad", "paths", "scope", "topological_order", "trace", "value_and_grad",
        "vjp", *functions.__all__,
    ])  # fmt: skip

__version__ = "0.1.0"

# Loaded when first used: importing the engine stays quick and brings no other package along.
_LATER = {
    "autograd.check": ("CheckReport", "check_grads"),
    "autograd.compiler": ("Program", "compile"),
    "autograd.jitted": ("jit",),
    "autograd.transforms": ("grad", "hessian", "jacobian", "jvp", "value_and_grad", "vjp"),
    "autograd.views.draw": ("draw",),
    "autograd.views.trace": ("Trace", "trace"),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module), name)
            return value
    raise AttributeError(f"module 'autograd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *(name for names in _LATER.values() for name in names)})
