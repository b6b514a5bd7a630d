"""jit: a function of numbers, recorded once per shape of its arguments and run as a program.

The first call with arguments of a new *structure* (containers, keys, shapes of arrays; see
`autograd.trees`) calls the function on Values and compiles what it did; later ones fill in the
numbers.  What the function returned is kept as a *template*: the containers, with the places that
the program's outputs go to.

**What is fixed when the function is recorded**: everything but the numbers of its arguments.
Numbers in closures and globals, what other objects hold, the length of a loop stay as they were at
the first call of that structure; arguments that are no numbers (None, a str, a bool, a function, a
member of an enumeration) are part of the structure, as are static fields of dataclasses and
attributes of lists and dicts, so others are recorded anew.  Values from outside that require a
gradient, like the parameters of a model, are read again at each call; those that are frozen are
numbers like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, MappingView, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import update_wrapper
from numbers import Number
from types import MethodType
from typing import Any

from autograd.closures import values_behind
from autograd.compiler import Program
from autograd.compiler import compile as compiled
from autograd.modes import changed_mode, current_mode, no_branches
from autograd.transforms import Compiled, Transform, inside_a_transform, transforming
from autograd.trees import Rebuild, Tree, exactly, flatten, kept, quiet_arrays, structure
from autograd.validation import kind, number
from autograd.value import Placeholder, Value, as_value

MOST = 1000
"""So many recordings are kept: of a function or an object that is new at each call, none is used
again."""


def jit(f: Callable[..., Any], *, backend: str = "auto") -> Jitted:
    """The function that runs f as a compiled program: its numbers, without its Python.

    It takes numbers, arrays and containers of them as `autograd.grad` does, and returns what f
    returns, with floats in the place of Values and arrays of floats for arrays of Values.

    >>> from autograd import grad, jit
    >>> slope = jit(grad(lambda v: v[0] * v[1] ** 2))
    >>> slope([2.0, 3.0]), slope([5.0, 1.0])
    ([9.0, 12.0], [1.0, 10.0])

    It composes: ``grad(jit(f))`` is ``jit(grad(f))``, and so with `value_and_grad`, `jacobian` and
    `hessian`.  Where somebody else differentiates (a jitted function called on Values, or inside a
    function that is transformed or a model of `nn`, or by `jvp` and `vjp`) f itself is called, and
    derivatives of any order are right.

    A branch on a number of the arguments (``if x > 0``, ``.data``, ``float``) is a TypeError with
    its file and line, and what to write.  The module `autograd.jitted` says what is fixed when f is
    recorded.  ``backend`` is as for `autograd.compile`.
    """
    return Jitted(f, backend)


class Jitted(Compiled):
    """A function that records itself once per structure of its arguments; see `jit`."""

    def __init__(self, f: Callable[..., Any], backend: str) -> None:
        if not callable(f):
            raise TypeError(f"jit takes a function, got {kind(f)}; did you mean jit(f)(…)?")
        update_wrapper(self, f, updated=())
        self._f, self._backend = f, backend
        self._recorded: dict[Hashable, _Recorded] = {}
        self._derivatives: dict[Hashable, Jitted] = {}

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        leaves, rebuild = flatten((args, kwargs))
        odd = not {*map(type, leaves)} <= {float}
        mode = current_mode()
        if inside_a_transform() or (odd and any(map(_is_traced, leaves))):
            if mode is not None and not mode.recording:  # nor is anything kept
                return self._f(*args, **kwargs)
            with no_branches():
                return self._f(*args, **kwargs)
        if mode is not None and mode.anomalies:  # a program has no lines to name
            return _record(self._f, leaves, rebuild).result()
        recorded = self._recording((args, kwargs), leaves, rebuild, odd)
        return recorded.run(
            [_number(leaf) for leaf in leaves if _is_number(leaf)] if odd else leaves
        )

    def program(self, /, *args: Any, **kwargs: Any) -> Program:
        """The `Program` for arguments of this structure: its inputs are their numbers in order, its
        outputs the numbers that f returns, in order.

        >>> from autograd import jit
        >>> jit(lambda x, y: x * y).program(0.0, 0.0)([], [[2.0, 3.0], [4.0, 5.0]]).tolist()
        [[6.0], [20.0]]

        ValueError when f returns nothing that depends on its arguments.
        """
        leaves, rebuild = flatten((args, kwargs))
        program = self._recording((args, kwargs), leaves, rebuild, odd=True).program
        if program is None:
            raise ValueError(f"{self!r} returns the same for all arguments: there is no program")
        return program

    def transformed(
        self, transform: Transform, argnums: int | Sequence[int], has_aux: bool
    ) -> Jitted:
        """``jit(transform(f))``, the same one each time: a loop may ask anew at every step."""
        key = (transform, repr(argnums), has_aux)
        if key not in self._derivatives:
            derivative = Jitted(transform(self._f, argnums, has_aux=has_aux), self._backend)
            self._derivatives.setdefault(key, derivative)  # a thread may have been quicker
        return self._derivatives[key]

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __getstate__(self) -> dict[str, Any]:
        # a copy records anew: programs that travel leave their parameters behind
        return vars(self) | {"_recorded": {}, "_derivatives": {}}

    def __repr__(self) -> str:
        return f"jit({getattr(self._f, '__qualname__', self._f)})"

    def _recording(
        self, arguments: Tree, leaves: list[Any], rebuild: Rebuild, odd: bool
    ) -> _Recorded:
        """What was recorded for this structure; ``odd``: some leaves may be no numbers."""
        places = enumerate(leaves if odd else [])
        static = [(place, _static(leaf)) for place, leaf in places if not _is_number(leaf)]
        key = (structure(arguments, whole=True), *static)
        recorded = self._recorded.get(key)
        if recorded is None:
            recorded = _record(self._f, leaves, rebuild).compiled(self._backend)
            recorded = self._recorded.setdefault(key, recorded)  # a thread may have been quicker
            for oldest in [*self._recorded][:-MOST]:
                self._recorded.pop(oldest, None)
        return recorded


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A program (None where there is nothing to compute) and where its outputs go."""

    program: Program | None
    template: list[Any]
    """The leaves that f returned: what is no number as it is, None for an output."""
    places: list[int]
    rebuild: Rebuild

    def run(self, numbers: list[float]) -> Any:
        leaves = self.template.copy()
        if self.program is not None:
            outputs = self.program(self.program.pack(), [numbers])[0].tolist()
            if len(outputs) == len(leaves):  # and so each in its place
                return self.rebuild(outputs)
            for place, output in zip(self.places, outputs):
                leaves[place] = output
        return self.rebuild(leaves)


@dataclass(frozen=True, slots=True)
class _Traced:
    """One run of f on Values: its inputs, and the leaves it returned."""

    inputs: list[Value]
    outputs: list[Any]
    rebuild: Rebuild

    def result(self) -> Any:
        return self.rebuild([y.data if isinstance(y, Value) else y for y in self.outputs])

    def compiled(self, backend: str) -> _Recorded:
        places = [i for i, y in enumerate(self.outputs) if isinstance(y, Value)]
        roots = [self.outputs[i] for i in places]
        # the containers without the graph that is in them
        empty = flatten(self.rebuild(range(len(self.outputs))))[1]
        if not any(root.requires_grad for root in roots):
            constants = [y.data if isinstance(y, Value) else y for y in self.outputs]
            return _Recorded(None, constants, [], empty)
        template = [None if isinstance(y, Value) else y for y in self.outputs]
        return _Recorded(compiled(roots, self.inputs, backend=backend), template, places, empty)


def _record(f: Callable[..., Any], leaves: list[Any], rebuild: Rebuild) -> _Traced:
    """Call f with a placeholder for each number among the leaves of its arguments."""
    given = [Placeholder(_number(leaf)) if _is_number(leaf) else leaf for leaf in leaves]
    args, kwargs = rebuild(given)
    # inside no_grad() and scopes too: the program outlives them
    with changed_mode(recording=True, note=None), transforming(), quiet_arrays(), no_branches():
        output = f(*args, **kwargs)
        outputs, rebuild_output = flatten(output)
    inputs = [x for x, leaf in zip(given, leaves) if _is_number(leaf)]
    for x in inputs:
        x.recorded()
    found = _Traced(inputs, [_output(y) for y in outputs], rebuild_output)
    structure(output)  # nothing in it that can be changed and would be shared by all results
    known = {*map(id, kept((args, kwargs)))}
    for held in [*kept(output), *[y for y in outputs if isinstance(y, (str, bytes))]]:
        parts = [*map(vars, held.__mro__)] if isinstance(held, type) else held
        behind = () if id(held) in known else values_behind(parts, named=False)
        if any(x in inputs or not x.is_leaf for x in behind):
            raise TypeError(
                "a function for jit returns its numbers in lists, tuples, fields and values of "
                f"dicts, but a key, a static field or an attribute is {kind(held)}, which may hold "
                "numbers of this one call"
            )
    return found


def _output(leaf: object) -> Any:
    if _is_number(leaf):
        root = as_value(leaf, "jit")
        if not (root.is_leaf or root.requires_grad):
            raise TypeError(f"{root!r} was frozen while jit recorded it: leave its requires_grad")
        return root
    if leaf is None or isinstance(leaf, (bool, str, bytes, Enum)):
        return leaf
    raise TypeError(
        f"a function for jit returns numbers, arrays, texts and containers of them, got "
        f"{kind(leaf)}, which may hold numbers of this one call: did you mean a list or a tuple?"
    )


def _is_traced(leaf: object) -> bool:
    return isinstance(leaf, Value) and leaf.requires_grad


def _is_number(leaf: object) -> bool:
    """Whether an argument is a number, or means to be one; `_number` says if it is none."""
    means_one = isinstance(leaf, (float, Value, Number)) or hasattr(leaf, "__array__")
    return means_one and not isinstance(leaf, (bool, str, bytes, Enum))  # np.str_, an IntEnum


def _number(leaf: object) -> float:
    return leaf.data if isinstance(leaf, Value) else number(leaf, "jit takes")


def _static(leaf: object) -> Hashable:
    if isinstance(leaf, (Iterator, MappingView)):
        raise TypeError(
            f"jit takes lists, got {kind(leaf)}, which may give other numbers next time: "
            "did you mean list() of it?"
        )
    try:
        return exactly(leaf)
    except TypeError:
        raise TypeError(
            f"jit takes numbers, arrays and containers of them, got {type(leaf).__name__}, which "
            "can be changed: did you mean a list or a tuple?"
        ) from None
