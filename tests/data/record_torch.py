"""Records what PyTorch says, in float64, of every function: `python tests/data/record_torch.py`.

Writes `torch_float64.json` beside this file: values and gradients on the grid of special numbers
(every number, every pair; of one number, the second derivative too), and values, first and second
derivatives on random points. Tests compare
the engine with the record where PyTorch is not installed, and with PyTorch itself where it is.
"""

import itertools
import json
import random
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("torch_float64.json")
POINTS = 12

Interval = tuple[float, float]
REAL: Interval = (-6.0, 6.0)
INTERVALS: dict[str, tuple[Interval, ...]] = {
    "add": (REAL, REAL),
    "sub": (REAL, REAL),
    "mul": (REAL, REAL),
    "div": (REAL, (0.2, 6.0)),
    "pow": ((0.1, 4.0), (-3.0, 3.0)),
    "maximum": (REAL, REAL),
    "minimum": (REAL, REAL),
    "neg": (REAL,),
    "pos": (REAL,),
    "absolute": (REAL,),
    "sign": (REAL,),
    "exp": (REAL,),
    "expm1": (REAL,),
    "log": ((0.05, 6.0),),
    "log1p": ((-0.95, 6.0),),
    "exp2": (REAL,),
    "log2": ((0.05, 6.0),),
    "log10": ((0.05, 6.0),),
    "logaddexp": (REAL, REAL),
    "hypot": (REAL, REAL),
    "arctan2": (REAL, REAL),
    "arcsinh": (REAL,),
    "arccosh": ((1.05, 6.0),),
    "arctanh": ((-0.95, 0.95),),
    "elu": (REAL,),
    "log_sigmoid": (REAL,),
    "clip": (REAL,),
    "sqrt": ((0.05, 6.0),),
    "sin": (REAL,),
    "cos": (REAL,),
    "tan": ((-1.5, 1.5),),
    "arcsin": ((-0.99, 0.99),),
    "arccos": ((-0.99, 0.99),),
    "arctan": (REAL,),
    "sinh": (REAL,),
    "cosh": (REAL,),
    "tanh": ((-3.0, 3.0),),
    "erf": ((-2.0, 2.0),),
    "erfc": ((-2.0, 2.0),),
    "sigmoid": (REAL,),
    "softplus": (REAL,),
    "relu": (REAL,),
    "leaky_relu": (REAL,),
    "silu": (REAL,),
    "gelu": ((-3.0, 6.0),),
    "sum": (REAL,) * 3,
    "mean": (REAL,) * 3,
    "logsumexp": (REAL,) * 3,
    "dot": (REAL,) * 5,
}
UNARY = [name for name, domain in INTERVALS.items() if len(domain) == 1]
ON_THE_GRID = [name for name, domain in INTERVALS.items() if len(domain) <= 2] + ["logsumexp"]


def operations() -> dict[str, Callable[..., Any]]:
    """The functions by the engine's names, on 0-d tensors; `dot` takes (w1 … wn, x1 … xn, bias)."""
    import torch
    from torch.nn import functional

    def dot(*operands: Any) -> Any:
        n = len(operands) // 2
        return reduce(torch.add, map(torch.mul, operands[:n], operands[n:-1]), operands[-1])

    renamed = {
        "pos": torch.positive,
        "erfc": torch.special.erfc,
        "softplus": functional.softplus,
        "leaky_relu": functional.leaky_relu,
        "elu": functional.elu,
        "clip": lambda x: torch.clip(x, -1.0, 1.0),
        "log_sigmoid": functional.logsigmoid,
        "silu": functional.silu,
        "gelu": functional.gelu,
        "sum": lambda *xs: torch.stack(xs).sum(),
        "mean": lambda *xs: torch.stack(xs).mean(),
        "logsumexp": lambda *xs: torch.logsumexp(torch.stack(xs), 0),
        "dot": dot,
    }
    same = {name: getattr(torch, name) for name in INTERVALS if name not in renamed}
    return same | renamed | {"constant": lambda x: torch.tensor(x, dtype=torch.float64)}


def on_the_grid(function: Callable[..., Any], arity: int, grid: Sequence[float]) -> Any:
    """One list of values, then one of derivatives per operand, over all tuples of grid numbers."""
    rows = [first_order(function, point) for point in itertools.product(grid, repeat=arity)]
    return [list(column) for column in zip(*rows, strict=True)]


def first_order(function: Callable[..., Any], point: Sequence[float]) -> list[float]:
    """The value, then the derivative to each operand."""
    import torch

    operands = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
    value = function(*operands)
    return [value.item(), *(slope.item() for slope in torch.autograd.grad(value, operands))]


def second_order(function: Callable[..., Any], point: Sequence[float]) -> Any:
    """`[value, gradient, Hessian]` at a point."""
    import torch

    operands = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
    value = function(*operands)
    slopes = torch.autograd.grad(value, operands, create_graph=True, materialize_grads=True)
    hessian = [_row(slope, operands) for slope in slopes]
    return [value.item(), [slope.item() for slope in slopes], hessian]


def _row(slope: Any, operands: Sequence[Any]) -> list[float]:
    import torch

    if not slope.requires_grad:
        return [0.0] * len(operands)
    row = torch.autograd.grad(slope, operands, retain_graph=True, materialize_grads=True)
    return [entry.item() for entry in row]


def random_points(name: str) -> list[list[float]]:
    """The same points every time, two decimals, inside the intervals of the function."""
    rng = random.Random(name)
    domain = INTERVALS[name]
    return [[round(rng.uniform(*interval), 2) for interval in domain] for _ in range(POINTS)]


def record(grid: Sequence[float]) -> dict[str, Any]:
    """Everything that the file holds."""
    import torch

    functions = operations()
    arity = {name: min(len(INTERVALS[name]), 2) for name in ON_THE_GRID}
    return {
        "torch": torch.__version__.partition("+")[0],
        "grid": list(grid),
        "special": {name: on_the_grid(functions[name], arity[name], grid) for name in ON_THE_GRID},
        "curvature": {
            name: [second_order(functions[name], [x])[2][0][0] for x in grid] for name in UNARY
        },
        "points": {
            name: [[point, *second_order(functions[name], point)] for point in random_points(name)]
            for name in INTERVALS
        },
    }


def main() -> None:
    from tests.truth import SPECIAL

    text = json.dumps(record(SPECIAL), separators=(",", ":"))
    RECORD.write_text(text.replace('],"', '],\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
