"""Arithmetic on floats: at every awkward number what NumPy, and so IEEE 754, says."""

import itertools
import math
from inspect import signature

import numpy as np
import pytest

from autograd import scalar_math

AWKWARD = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 1e-9, 40.0, 710.0, -745.0, 1e16, 1e300,
    -1e300, 5e-324, math.inf, -math.inf, math.nan,
    math.nextafter(1.0, 2.0), math.nextafter(-1.0, -2.0),
]  # fmt: skip
SPECIAL = {"erf", "erfc"}  # not in NumPy; held to mpmath with the rows
FUNCTIONS = {
    name: getattr(scalar_math, name) for name in scalar_math.__all__ if name not in SPECIAL
}
CASES = [
    (name, arguments)
    for name, function in FUNCTIONS.items()
    for arguments in itertools.product(
        AWKWARD, repeat=3 if name == "where" else len(signature(function).parameters)
    )
    if name != "where" or {*arguments[1:]} == {2.0, 3.0}
]


def truth(name: str, arguments: tuple[float, ...]) -> float:
    if name == "where":
        arguments = (bool(arguments[0]), *arguments[1:])
    with np.errstate(all="ignore"):
        return float(getattr(np, name)(*[np.array([x]) for x in arguments])[0])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_are_numpy_s(name: str) -> None:
    for case, arguments in CASES:
        if case == name:
            ours, theirs = FUNCTIONS[name](*arguments), truth(name, arguments)
            assert type(ours) is float, (arguments, ours)
            assert ours == pytest.approx(theirs, rel=4e-16, abs=5e-324, nan_ok=True), arguments
            tie = name in ("maximum", "minimum") and arguments[0] == arguments[1]
            if not (math.isnan(theirs) or tie):
                assert math.copysign(1.0, ours) == math.copysign(1.0, theirs), arguments
