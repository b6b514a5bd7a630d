"""What users hold: a compiled graph.

`compile` records a graph once and gives a `Program`, which runs it for whole batches at a time
without making a node again: the same numbers, from a list of operations on arrays.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from autograd.backward import store
from autograd.compiler.arrays import FIRST_COMPUTED, Array, ArrayProgram
from autograd.compiler.backends import Executor, check_backend, check_shape, make_executor
from autograd.compiler.backends import Steps as TrainingSteps
from autograd.compiler.listing import Counts, Listing, Names, count, print_list, unrolled
from autograd.compiler.roll import Rolled, roll
from autograd.compiler.storage import from_bytes, to_bytes
from autograd.files import write_atomically
from autograd.functions import VALUES
from autograd.modes import changed_mode, no_branches
from autograd.optional import require
from autograd.validation import is_series
from autograd.value import Value, constant

if TYPE_CHECKING:
    from autograd.compiler.jax_backend import JaxFunction

Rule = Callable[..., Sequence[Any]]
"""An optimiser's rule: see `nn.optim`."""


def compile(  # noqa: A001
    root: Value | Iterable[Value],
    inputs: Iterable[Value] = (),
    *,
    parameters: Iterable[Value] = (),
    backend: str = "auto",
) -> Program:
    """Record the graph of one root (or several) as a program that runs over batches.

    ``inputs`` are leaves: they take their numbers from a row of the batch, in this order.  Every
    other leaf that requires a gradient is a parameter: first those in ``parameters``, which states
    an order, then the rest in topological order.  Other leaves and plain numbers are constants,
    fixed at what they are now.  ``backend`` is "native", "numpy" or "jax"; "auto" takes native
    where it can run.  The numbers are those of the eager engine to 1e-12, special values included,
    but that XLA, behind "jax", takes subnormal numbers for 0, and has ways of its own with the sign
    of 0: in ties of 0 and -0, and where a sum has no other terms.

    **What Python decided while the graph was built is fixed**: an ``if`` on ``x.data``, the length
    of a loop, a random draw.  To decide anew for every row, write ``where(less(x, y), a, b)``.

    Raises TypeError for what is no Value; ValueError for a root without a graph, for inputs or
    parameters that are computed, constant or listed twice, for an operation stated by hand and for
    an unknown backend; and ImportError where the backend is not installed.

    >>> from autograd import Value, compile
    >>> w, x = Value(3.0, label="w"), Value(0.0, label="x")
    >>> program = compile(w * x * x, inputs=[x], backend="numpy")
    >>> value, grads = program.value_and_grad([3.0], [[1.0], [2.0]])
    >>> value, grads.tolist()
    (7.5, [2.5])
    """
    backend = check_backend(backend)
    roots = _roots(root)
    leaves, first = _leaves(inputs, "input"), _leaves(parameters, "parameter")
    if both := {*leaves}.intersection(first):
        raise ValueError(f"{both.pop()!r} is both an input and a parameter")
    rolled = roll(roots, leaves, first)
    names = _names(rolled, roots, leaves)
    return Program(rolled.program, names, rolled.parameters, backend=backend)


class Program:
    """A compiled graph with P parameters, I inputs and O roots.

    Arrays may be anything that NumPy can see as real numbers of the right shape: lists, any memory
    layout, float32 and integers.  They are taken as float64, and so are the results.  A batch holds
    one row per sample; it may be left out when there are no inputs.
    """

    Steps: TypeAlias = TrainingSteps
    """What `train` takes."""

    def __init__(
        self,
        arrays: ArrayProgram,
        names: Names,
        parameters: Sequence[Value] | None,
        *,
        numbers: Array | None = None,
        backend: str,
    ) -> None:
        self.arrays = arrays
        self.names = names
        self._parameters = None if parameters is None else list(parameters)
        self._numbers = numbers
        self._choice = backend
        self._executor: Executor = make_executor(backend, arrays)
        self._rule: tuple[Any, ArrayProgram] | None = None

    @property
    def parameters(self) -> list[Value]:
        """The parameters, in the order of ``params`` and of the gradient.

        A program that was loaded or unpickled has left them behind: RuntimeError.
        """
        if self._parameters is None:
            raise RuntimeError(
                "this program was loaded without its Values: pass params to it, or use pack() and "
                "unpack() for the numbers that were saved; names.parameters has the labels"
            )
        return list(self._parameters)

    @property
    def backend(self) -> str:
        """The backend that runs this program: "native", "numpy" or "jax"."""
        return self._executor.name

    @property
    def note(self) -> str:
        """Why "auto" did not take the native backend; else ""."""
        return self._executor.note

    @property
    def steps_per_call(self) -> int | None:
        """How many steps of `train` to take at a time, where that must not depend on the clock.

        Processes that train together on several hosts have to make the same calls; None: any
        number.
        """
        return self._executor.steps_per_call

    def __call__(self, params: Any, batch: Any = None) -> Array:
        """The roots for every row: (P,), (N, I) -> (N, O)."""
        outputs = self._executor.outputs(self._params(params), self._batch(batch))
        return np.ascontiguousarray(outputs)

    def value_and_grad(self, params: Any, batch: Any = None) -> tuple[float, Array]:
        """The mean of the root over the rows and its gradient (P,); of several roots, their sum."""
        return self._executor.value_and_grad(self._params(params), self._rows(batch))

    def backward(self, batch: Any = None) -> float:
        """Add the gradient at the parameters' data to their ``grad``; return the mean.

        As `Value.backward` does: what was frozen since is not paid, and after an error or an
        interrupt every ``grad`` is as it was.
        """
        parameters = self.parameters
        value, gradient = self.value_and_grad(self.pack(), batch)
        amounts = zip(parameters, gradient.tolist(), strict=True)
        store({parameter: amount for parameter, amount in amounts if parameter.requires_grad})
        return value

    def train(self, rule: Rule, steps: TrainingSteps) -> Array:
        """Take one optimiser step per batch inside the backend; the loss of each.

        ``rule(m, p, g, *state, *hyper)`` gives a parameter's new number and state, as in
        `nn.optim`; it is recorded once, for no steps too.  ``params``, ``state`` and ``previous``
        change in place.  A loss that is not finite stops the training before its update: it is the
        last one returned.
        """
        size, epoch = _whole(steps.batch_size, 1, "batch_size"), _whole(steps.epoch, 0, "epoch")
        rows, order = self._rows(steps.rows), np.asarray(steps.order)
        if order.dtype.kind not in "iu" and order.size:
            raise TypeError(f"order holds the indices of rows, got dtype {order.dtype}")
        check_shape(order.shape, (None,), "order")
        order = np.ascontiguousarray(order, dtype=np.int64)
        if len(order) and order.view(np.uint64).max() >= len(rows):  # as -1 would be, too
            raise IndexError(f"order points outside the {len(rows)} rows")
        # no more than there are: native code counts in 64 bits
        size, epoch = min(size, max(1, len(order))), min(epoch, len(order))
        steps = replace(steps, rows=rows, order=order, batch_size=size, epoch=epoch)
        hyper = _real_array(steps.hyper, (len(steps.cuts()) - 1, None), "hyper")
        parameters, states = len(self.names.parameters), len(steps.state)
        _check_changed(steps.params, (parameters,), "params")
        _check_changed(steps.state, (states, parameters), "state")
        _check_changed(steps.previous, (1 + states, parameters), "previous")
        update = self._update(rule, states, hyper.shape[1])
        steps = replace(steps, hyper=hyper)
        return self._executor.train(update, steps) if len(hyper) else np.zeros(0)

    def _update(self, rule: Rule, states: int, numbers: int) -> ArrayProgram:
        """The rule over rows of one parameter, its gradient and its state, kept for next time."""
        if self._rule is None or self._rule[0] != (rule, states, numbers):
            columns, hyper = ([Value(1.0) for _ in range(n)] for n in (2 + states, numbers))
            with changed_mode(recording=True, anomalies=""), no_branches():  # whatever holds here
                changed = list(rule(VALUES, *columns, *hyper))
            if len(changed) != 1 + states:
                raise ValueError(
                    f"the rule gives {len(changed)} numbers for a parameter with {states} of state"
                )
            roots = [x if isinstance(x, Value) else constant(x) for x in changed]
            rolled = roll(roots, columns, hyper)
            if own := rolled.parameters[numbers:]:
                raise ValueError(f"the rule is not given {own[0]!r}, which it uses: take its .data")
            self._rule = (rule, states, numbers), rolled.program
        return self._rule[1]

    def pack(self) -> Array:
        """The numbers in the parameters, (P,); of a loaded program, those that were saved."""
        if self._parameters is not None:
            return np.array([parameter.data for parameter in self._parameters], dtype=np.float64)
        return np.array(self._numbers, dtype=np.float64)

    def unpack(self, params: Any) -> None:
        """Put numbers (P,) into the parameters, into all of them or, when interrupted, none."""
        array, held = self._params(params), self.pack()
        if self._parameters is None:
            self._numbers = array.copy()
            return
        try:
            _put(array, self._parameters)
        except BaseException:
            _put(held, self._parameters)
            raise

    def to_jax(self) -> JaxFunction:
        """The program as a pure JAX function, for jit, devices and several hosts.

        ``f(params, batch)`` gives the mean and its gradient, as `value_and_grad` does, and
        ``f.outputs(params, batch)`` what calling the program does.  In float64 where JAX is
        configured so (``jax.config.update("jax_enable_x64", True)``), else in JAX's float32.
        ValueError for arrays of other shapes.
        """
        require("jax", extra="jax")
        from autograd.compiler.jax_backend import JaxFunction

        return JaxFunction(self.arrays)

    def counts(self) -> Counts:
        """How much work one row is."""
        return count(self._listing)

    def listing(self, limit: int = 200) -> str:
        """The Wengert list as text, up to ``limit`` instructions of it, and how much work it is."""
        if limit < 0:
            raise ValueError(f"limit is a number of instructions, 0 or more, got {limit}")
        return print_list(self._listing, self.names, limit)

    @cached_property
    def _listing(self) -> Listing:
        return unrolled(self.arrays, self.names.everywhere())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the program and the numbers in its parameters to a file, wholly or not at all."""
        write_atomically(path, self._to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, backend: str = "auto") -> Program:
        """The program in a file written by `save`; ValueError if it is no such file or damaged."""
        backend = check_backend(backend)
        with open(path, "rb") as stream:
            data = stream.read()
        try:
            return _restored(data, backend, cls)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._to_bytes(), self._choice)

    def __repr__(self) -> str:
        names = self.names
        operations = int((self.arrays.codes >= FIRST_COMPUTED).sum())
        note = f" ({self.note})" if self.note else ""
        counts = [
            _counted(operations, "operation") + " on blocks",
            _counted(len(names.inputs), "input"),
            _counted(len(names.parameters), "parameter"),
            _counted(len(names.roots), "root"),
        ]
        return f"<Program of {', '.join(counts)}, on {self.backend}{note}>"

    def _to_bytes(self) -> bytes:
        return to_bytes(self.arrays, self.names, self.pack())

    def _params(self, params: Any) -> Array:
        return _real_array(params, (len(self.names.parameters),), "params")

    def _batch(self, batch: Any) -> Array:
        width = len(self.names.inputs)
        if batch is None and width:
            raise TypeError(f"this program has {width} inputs: pass a batch of shape (N, {width})")
        return _real_array(_NO_INPUTS if batch is None else batch, (None, width), "batch")

    def _rows(self, batch: Any) -> Array:
        rows = self._batch(batch)
        if not len(rows):
            raise ValueError("the batch has no rows: there is no mean to take")
        return rows


_FLOAT = np.dtype(np.float64)
_NO_INPUTS = np.zeros((1, 0))
"""The batch of a program that has no inputs."""


def _put(numbers: Array, parameters: Sequence[Value]) -> None:
    for parameter, number in zip(parameters, numbers.tolist(), strict=True):
        parameter.data = number


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _restored(data: bytes, backend: str, kind: type[Program] = Program) -> Program:
    program, names, numbers = from_bytes(data)
    return kind(program, names, None, numbers=numbers, backend=backend)


def _real_array(given: Any, shape: tuple[int | None, ...], name: str) -> Array:
    """The numbers given as float64 in C order, of this shape (None: any length)."""
    # a loop hands over what is ready at each of its steps, and to ask more would take longer
    ready = type(given) is np.ndarray and given.dtype is _FLOAT and given.flags.c_contiguous
    array = given if ready else _converted(given, name)
    check_shape(array.shape, shape, name)
    return array


def _converted(given: Any, name: str) -> Array:
    try:
        array: npt.NDArray[Any] = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{name} is not rectangular: {error}") from error
    rows = given if isinstance(given, list | tuple) else [given]
    if any(isinstance(row, np.ma.MaskedArray) and np.ma.is_masked(row) for row in rows):
        raise ValueError(f"{name} has masked numbers: fill them in, or leave those rows out")
    if (kind := array.dtype.kind) not in "fiub":
        values = kind == "O" and any(isinstance(number, Value) for number in array.flat)
        hint = ": pass the numbers, .data of each Value" if values else ""
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}{hint}")
    # unlike ascontiguousarray, this leaves a number what it is
    return np.asarray(array, np.float64, order="C")


def _whole(given: Any, least: int, name: str) -> int:
    """A whole number that is no less than that."""
    try:
        number = index(given)
    except TypeError:
        raise TypeError(f"{name} is a whole number, got {given!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def _check_changed(array: Array, shape: tuple[int, ...], name: str) -> None:
    """Raise unless the array can be changed in place as it is."""
    check_shape(array.shape, shape, name)
    if array.dtype != np.float64 or not (array.flags.c_contiguous and array.flags.writeable):
        raise TypeError(f"{name} changes in place: it must be float64, C-contiguous and writeable")


def _values(given: Iterable[Value] | Any, what: str) -> list[Value]:
    if isinstance(given, Value) or not is_series(given):
        raise TypeError(f"{what}s are a sequence of Values, got {type(given).__name__}")
    values = list(given)
    for value in values:
        if not isinstance(value, Value):
            raise TypeError(f"each {what} is a Value, got {type(value).__name__}")
    return values


def _roots(given: Value | Iterable[Value]) -> list[Value]:
    roots = _values([given] if isinstance(given, Value) else given, "root")
    if not roots:
        raise ValueError("compile needs at least one root")
    if not any(root.requires_grad for root in roots):
        raise ValueError(
            f"{roots[0]!r} depends on nothing that requires a gradient, so there is no graph to "
            "compile: was it computed under no_grad(), detached, frozen, or made of numbers alone?"
        )
    return roots


def _leaves(given: Iterable[Value], what: str) -> list[Value]:
    leaves = _values(given, what)
    for leaf in leaves:
        if leaf._left is not None:
            raise ValueError(f"{leaf!r} is computed by {leaf.op!r}: {what}s must be leaves")
        if not leaf.requires_grad:
            raise ValueError(
                f"{leaf!r} is a constant, so what was computed from it was not recorded: make the "
                f"{what} with Value(0.0), which requires a gradient, before building the graph"
            )
    if len({*leaves}) < len(leaves):
        [(twice, _)] = Counter(leaves).most_common(1)
        raise ValueError(f"{twice!r} is listed twice as {what}")
    return leaves


def _names(rolled: Rolled, roots: Sequence[Value], inputs: Sequence[Value]) -> Names:
    return Names(
        inputs=tuple(leaf.label for leaf in inputs),
        parameters=tuple([note.label if (note := p._note) else "" for p in rolled.parameters]),
        roots=tuple(root.label for root in roots),
        places=rolled.labels,
    )
