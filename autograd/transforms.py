"""Transformations of functions: from f to its gradient, Jacobian, Hessian, directional derivatives.

A transform calls f on *variables*: fresh leaves where it was given numbers, aliases where it was
given Values, so that the derivative is taken to this argument and not to what else the Value went
into. Arguments and results are *trees* (`autograd.trees`): numbers or Values in lists, tuples,
dicts, dataclasses and NumPy arrays, nested at will; derivatives come in the shape of the arguments.
A function that returns a pair, its result and something else to look at, is transformed with
``has_aux=True``, and its transform returns that too.

Results are floats.  They are Values, with a graph, where an argument was a Value or where f is
itself being differentiated, by another transform or as a model of `nn`: that is why transforms nest
to any order.  ``with no_grad():`` in between makes floats of the latter.

A function that runs *compiled* (`autograd.jit`) takes a transform inside: its derivative runs
compiled too.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce, wraps
from operator import add, index
from typing import Any, NamedTuple, Protocol, SupportsIndex

from autograd.backward import gradients, refuse_anomaly, topological_order, traced_partials
from autograd.functions import VALUES
from autograd.modes import current_mode, enable_grad, unchecked
from autograd.trees import (
    Rebuild,
    Tree,
    any_leaf,
    changed,
    described,
    flatten,
    is_array,
    outer,
    quiet_arrays,
    structure,
)
from autograd.validation import kind, number
from autograd.value import Value, as_value, captured_partials

_TRANSFORMING: ContextVar[bool] = ContextVar("transforming", default=False)


class Transform(Protocol):
    """From a function to a derivative of it."""

    __name__: str

    def __call__(
        self, f: Callable[..., Any], argnums: int | Sequence[int] = ..., *, has_aux: bool = ...
    ) -> Callable[..., Any]: ...


class Compiled(ABC):
    """A function that runs compiled, and its derivatives with it."""

    @abstractmethod
    def transformed(
        self, transform: Transform, argnums: int | Sequence[int], has_aux: bool
    ) -> Callable[..., Any]:
        """The transform of what is compiled, compiled."""


def _taken_inside(transform: Transform) -> Transform:
    """The transform, which of a compiled function makes a compiled one."""

    @wraps(transform)
    def either(
        f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
    ) -> Callable[..., Any]:
        _check_function(f, transform.__name__)
        chosen = _as_given(argnums)
        if isinstance(f, Compiled):
            return f.transformed(transform, chosen, bool(has_aux))
        return transform(f, chosen, has_aux=has_aux)

    return either


@_taken_inside
def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that returns the gradient of a scalar function f to its argument(s) ``argnums``.

    >>> grad(lambda x: x * x * x)(2.0)
    12.0
    >>> grad(grad(lambda x: x * x * x))(2.0)
    12.0
    >>> grad(lambda p: p["w"] * p["x"])({"w": 2.0, "x": 5.0})
    {'w': 5.0, 'x': 2.0}

    Where any argument holds a Value the answer is one too, so that it can be differentiated to it.
    Parameters that f finds by itself make it none: to learn from ``grad(model)(x)`` in a loop of
    one's own, call it with ``Value(x)``; in `nn.fit` either will do.
    With ``has_aux`` f returns (its value, anything else), and the gradient comes as (gradient,
    anything else).
    """
    both = value_and_grad(f, argnums, has_aux=has_aux)

    @wraps(f, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        y, slopes = both(*args, **kwargs)
        return (slopes, y[1]) if has_aux else slopes

    return gradient


@_taken_inside
def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that returns (f(…), its gradient) from one evaluation of f and one backward
    pass.

    With ``has_aux`` that is ((value, anything else), gradient).

    Raises TypeError when f returns anything but one Value or number.
    """

    @wraps(f, updated=())
    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        call = _run(f, args, kwargs, argnums, has_aux)
        y = _scalar(call.output)
        value = (call.result(y), call.aux) if has_aux else call.result(y)
        return value, call.rebuild(call.derivatives(y))

    return value_and_gradient


@_taken_inside
def jacobian(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that returns all partial derivatives of f: the output's tree with, in the
    place of each number, the derivatives to the argument(s) in their tree.  One backward pass per
    output.  The axes of an array that f returns come before those of an array it takes.

    >>> jacobian(lambda v: [v[0] * v[1], v[0] + v[1]])([2.0, 3.0])
    [[3.0, 2.0], [1.0, 1.0]]
    """

    @wraps(f, updated=())
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        call = _run(f, args, kwargs, argnums, has_aux)
        outputs, _ = flatten(call.output)
        rows = [call.derivatives(as_value(y, "jacobian")) for y in outputs]
        found = outer(call.output, rows, call.rebuild, len(call.variables))
        return (found, call.aux) if has_aux else found

    return derivatives


@_taken_inside
def hessian(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that returns all second derivatives of a scalar function f.

    >>> hessian(lambda v: v[0] * v[0] * v[1])([2.0, 3.0])
    [[6.0, 4.0], [4.0, 0.0]]
    """
    return jacobian(grad(f, argnums, has_aux=has_aux), argnums, has_aux=has_aux)


def vjp(f: Callable[..., Any], *primals: Tree, has_aux: bool = False) -> tuple[Any, ...]:
    """f(*primals), and the function from a cotangent in the shape of that output to one
    derivative tree per primal: the vector-Jacobian product, a backward pass.

    >>> y, pullback = vjp(lambda a, b: a * b, 2.0, 3.0)
    >>> y, pullback(1.0)
    (6.0, (3.0, 2.0))

    With ``has_aux`` what else f returned comes third.
    """
    _check_function(f, "vjp")
    call = _run(f, primals, {}, tuple(range(len(primals))), has_aux)
    outputs, rebuild = flatten(call.output)
    ys = [as_value(y, "vjp") for y in outputs]

    def pullback(cotangent: Tree) -> tuple[Any, ...]:
        weights = _matching(cotangent, call.output, "the cotangent", "the output")
        with enable_grad():
            # the outputs as one number, whose gradient is the product that is asked for, and
            # which itself nobody asked for: 0 times an infinite output is no anomaly
            total = unchecked(VALUES.dot, *[as_value(w, "vjp") for w in weights], *ys, 0.0)
        derivatives = call.with_values_for(weights).derivatives(total)
        return tuple(call.rebuild(derivatives))

    values = rebuild([call.result(y) for y in ys])
    return (values, pullback, call.aux) if has_aux else (values, pullback)


def jvp(
    f: Callable[..., Any],
    primals: Sequence[Tree],
    tangents: Sequence[Tree],
    *,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """f(*primals), and its derivative in the direction ``tangents``: the Jacobian-vector product.

    The tangents go forward along the edges, in topological order.  With ``has_aux`` what else f
    returned comes third.

    >>> jvp(lambda a, b: a * b, (2.0, 3.0), (1.0, 0.0))
    (6.0, 3.0)
    """
    _check_function(f, "jvp")
    primals, tangents = _arguments(primals, "primals"), _arguments(tangents, "tangents")
    directions = _matching(tangents, primals, "tangents", "primals")
    call = _run(f, primals, {}, tuple(range(len(primals))), has_aux).with_values_for(directions)
    outputs, rebuild = flatten(call.output)
    ys = [as_value(y, "jvp") for y in outputs]
    directions = [d if isinstance(d, Value) else number(d, "a tangent is") for d in directions]
    slopes = call.push_forward(ys, directions)
    values = rebuild([call.result(y) for y in ys])
    return (values, rebuild(slopes), call.aux) if has_aux else (values, rebuild(slopes))


def inside_a_transform() -> bool:
    """Whether a function is being called to be differentiated: its numbers may be variables."""
    return _TRANSFORMING.get()


@contextmanager
def transforming() -> Iterator[None]:
    """Answer with Values, which an outer transform can differentiate, until the block ends."""
    token = _TRANSFORMING.set(True)
    try:
        yield
    finally:
        _TRANSFORMING.reset(token)


# -- one call of f on variables -----------------------------------------------------------------


class _Call(NamedTuple):
    """What f returned, the variables it was called with, and how to give the answer back."""

    output: Tree
    aux: Tree
    variables: list[Value]
    rebuild: Rebuild
    as_values: bool

    def with_values_for(self, factors: list[Any]) -> "_Call":
        """The same, answered with Values if one of the factors is a Value."""
        given = any(isinstance(factor, Value) for factor in factors)
        return self._replace(as_values=True) if given else self

    def result(self, y: Value) -> Any:
        return y if self.as_values else y.data

    def derivatives(self, y: Value) -> list[Any]:
        return gradients(y, self.variables, create_graph=self.as_values)

    def push_forward(self, ys: list[Value], directions: list[Any]) -> list[Any]:
        """The slopes of ys along the directions: each node sums partial × tangent over parents."""
        partials_of = traced_partials if self.as_values else captured_partials
        tangents: dict[Value, Any] = dict(zip(self.variables, directions))
        mode = current_mode()
        with enable_grad():  # f was recorded, whatever mode its caller is in
            for node in topological_order(ys):
                # what f froze is a constant, as `gradients` takes it
                if node.requires_grad and any(p in tangents for p in node.parents):
                    slopes = zip(node.parents, partials_of(node))
                    terms = [partial * tangents[p] for p, partial in slopes if p in tangents]
                    tangents[node] = reduce(add, terms)  # `sum` rounds as its Python does
                    if mode is not None:
                        refuse_anomaly(mode, node, tangents[node], "the tangent of {} is")
            moved = [tangents.get(y, 0.0) for y in ys]
            return [as_value(x, "jvp") for x in moved] if self.as_values else moved


def _run(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: int | Sequence[int],
    has_aux: bool,
) -> _Call:
    """Call f with variables in the place of the numbers in the arguments to differentiate to."""
    chosen = _argument_numbers(argnums, len(args))
    alone = isinstance(argnums, SupportsIndex)
    tree = args[chosen[0]] if alone else tuple(args[i] for i in chosen)
    leaves, rebuild = flatten(tree)
    variables = [_variable(leaf) for leaf in leaves]
    replaced = rebuild(variables)
    given = dict(zip(chosen, (replaced,) if alone else replaced))
    with enable_grad(), transforming(), quiet_arrays():
        output = f(*[given.get(i, arg) for i, arg in enumerate(args)], **kwargs)
    others = ([arg for i, arg in enumerate(args) if i not in given], kwargs)
    mode = current_mode()
    as_values = (
        (inside_a_transform() and (mode is None or mode.recording))
        or any(isinstance(leaf, Value) for leaf in leaves)
        or any_leaf(others, _is_variable)
    )
    output, aux = _pair(output) if has_aux else (output, None)
    if not as_values:
        aux = changed(aux, lambda leaf: leaf.data if isinstance(leaf, Value) else leaf)
    return _Call(output, aux, variables, rebuild, as_values)


def _pair(output: object) -> tuple[Any, Any]:
    if not isinstance(output, tuple) or len(output) != 2:
        raise TypeError(
            f"with has_aux=True a function returns a pair (result, anything else), "
            f"got {kind(output)}"
        )
    return output


def _scalar(output: Tree) -> Value:
    """What a function with a gradient returned: one number, perhaps as an array of shape ()."""
    if is_array(output) and output.shape == ():
        output = output.item()
    if structure(output) != "*":
        raise TypeError(
            f"grad needs a function that returns one Value, got {type(output).__name__}; "
            "did you mean jacobian?"
        )
    return as_value(output, "grad")


def _variable(leaf: object) -> Value:
    if isinstance(leaf, Value) and leaf.requires_grad:
        with enable_grad():
            alias: Value = +leaf  # what else was made of the Value pays to it, not to this
        return alias
    return Value(leaf.data if isinstance(leaf, Value) else number(leaf, "a transform takes"))


def _as_given(argnums: Any) -> Any:
    """One number or a tuple: of a list or an array, which may be changed before f is called."""
    try:
        return index(argnums)
    except TypeError:  # an array of several has an __index__ too
        several = isinstance(argnums, Iterable) and not isinstance(argnums, str)
        return tuple(argnums) if several else argnums


def _is_variable(leaf: object) -> bool:
    return isinstance(leaf, Value) and leaf.requires_grad


def _check_function(f: object, taker: str) -> None:
    if not callable(f):
        advice = "; for a graph that is there: gradients(output, inputs)"
        raise TypeError(
            f"{taker} takes a function, got {kind(f)}" + (advice if isinstance(f, Value) else "")
        )


def _argument_numbers(argnums: object, count: int) -> list[int]:
    """Which arguments are meant, counted from 0."""
    chosen: list[Any] = list(argnums) if isinstance(argnums, Iterable) else [argnums]
    for i in chosen:
        if not isinstance(i, SupportsIndex):
            raise TypeError(f"argnums is the number of an argument or several, got {argnums!r}")
        if not -count <= index(i) < count:
            raise ValueError(
                f"argnums={argnums!r}, but the function was called with {count} positional "
                f"argument{'s' * (count != 1)}"
            )
    numbers = [index(i) % count for i in chosen]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"argnums={argnums!r} names an argument twice")
    return numbers


def _arguments(given: object, name: str) -> tuple[Any, ...]:
    if not isinstance(given, Iterable):
        raise TypeError(
            f"{name} is a tuple, one for each argument of f, got {kind(given)}; did you mean (x,)?"
        )
    return tuple(given)


def _matching(tree: Tree, like: Tree, name: str, other: str) -> list[Any]:
    """The leaves of ``tree``, which must have the shape of ``like``."""
    if structure(tree) != structure(like):
        raise ValueError(
            f"{name} must have the shape of {other}: {described(like)}, got {described(tree)}"
        )
    return flatten(tree)[0]
