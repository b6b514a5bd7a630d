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
from typing import TYPE_CHECKING, Any

from autograd.backward import gradients, topological_order
from autograd.functions import (
    absolute,
    affine,
    arccos,
    arcsin,
    arctan,
    cos,
    cosh,
    dot,
    equal,
    erf,
    erfc,
    exp,
    expm1,
    gelu,
    leaky_relu,
    less,
    less_equal,
    log,
    log1p,
    log_softmax,
    logsumexp,
    maximum,
    mean,
    minimum,
    relu,
    sigmoid,
    silu,
    sin,
    sinh,
    softmax,
    softplus,
    sqrt,
    sum,
    tan,
    tanh,
    where,
)  # fmt: skip
from autograd.graph import Edge, Path, count_paths, edges, paths
from autograd.modes import AnomalyError, detect_anomaly, enable_grad, no_grad, scope
from autograd.value import Value

if TYPE_CHECKING:
    from autograd.check import CheckReport, check_grads
    from autograd.compiler import Program, compile
    from autograd.transforms import grad, hessian, jacobian, jvp, value_and_grad, vjp
    from autograd.views.draw import draw
    from autograd.views.trace import Trace, trace

__version__ = "0.1.0"

__all__ = [
    "AnomalyError", "CheckReport", "Edge", "Path", "Program", "Trace", "Value", "absolute",
    "affine", "arccos", "arcsin", "arctan", "check_grads", "compile", "cos", "cosh", "count_paths",
    "detect_anomaly", "dot", "draw", "edges", "enable_grad", "equal", "erf", "erfc", "exp",
    "expm1", "gelu", "grad", "gradients", "hessian", "jacobian", "jvp", "leaky_relu", "less",
    "less_equal", "log", "log1p", "log_softmax", "logsumexp", "maximum", "mean", "minimum",
    "no_grad", "paths", "relu", "scope", "sigmoid", "silu", "sin", "sinh", "softmax",
    "softplus", "sqrt", "sum", "tan", "tanh", "topological_order", "trace", "value_and_grad",
    "vjp", "where",
]  # fmt: skip

# Loaded when first used: importing the engine stays quick and brings no other package along.
_LATER = {
    "autograd.check": ("CheckReport", "check_grads"),
    "autograd.compiler": ("Program", "compile"),
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
    return sorted({*globals(), *__all__})
