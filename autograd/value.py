"""Value: a number that remembers how it was made.

A node of the computation graph holds its number, the *parents* it was computed from (the
operands, in order, repeats kept) and one *partial* per parent: the local derivative, captured in
the forward pass. That is all the backward pass needs.  No closures are kept, and no links from
parents to children, hence no reference cycles: a graph is freed the moment its root is dropped.

Nearly all nodes have one or two parents, so these and their partials lie in the node itself:
*left* and *right*, and the partials *by left* and *by right*.  A node of more operands holds
tuples in their place, with no right.  Against a tuple for each that halves the time of a training
step, most of which the garbage collector would spend on looking at tuples; ``parents`` and
``partials`` show them as tuples all the same.

*Leaves* have no parents.  *Constants* require no gradient: plain numbers that meet a Value become
constants, and a result of constants alone is a constant too, so nothing is recorded for it.

``+ - *``, negation, ``relu``, ``dot`` and ``affine`` (a ``dot`` per row) are written out for speed
and held to their rows by tests; every other function is its row (``apply``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial, reduce
from inspect import Parameter, Signature
from itertools import repeat
from numbers import Real
from operator import add, attrgetter, mul
from typing import TYPE_CHECKING, Any, SupportsFloat, TypeAlias

from autograd import scalar_math
from autograd.modes import (
    AnomalyError,
    Mode,
    Note,
    asked_by_us,
    current_mode,
    refuse_branch,
    scope,
)
from autograd.primitive import Primitive
from autograd.rules import TABLE, namespace
from autograd.validation import (
    VALUE_TAKES,
    is_series,
    kind,
    named,
    number,
    plain,
    short,
    text_of,
)

if TYPE_CHECKING:
    import os

    from autograd.signatures import Methods  # what `_add_methods` gives, for type checkers
else:
    Methods = object

Operand: TypeAlias = SupportsFloat
"""What operators and functions take: a real number, a Value among them."""

_NONE: tuple[()] = ()  # looked for by `is`, the quickest question to ask of every leaf

_FREEZING = "requires_grad = False fixes"

_ABSENT = 0.0  # in the place of a partial by right where there is no right

FLOATS = namespace(vars(scalar_math))
"""Every function of the table on floats."""


def operation_of(row: Primitive) -> Callable[..., Value]:
    """The function that records one primitive: takes Values and numbers, returns a Value."""
    arity = row.arity

    def operation(*operands: Operand, **named: Operand) -> Value:
        if named or len(operands) != arity:
            operands = _arguments(row, operands, named)
        return apply(row, *operands)

    operation.__name__ = operation.__qualname__ = row.name
    operation.__module__ = "autograd.functions"  # where pickle finds it
    operation.__doc__ = f"{row.name} of Values or numbers, as a Value. {row.note}".strip()
    operation.__signature__ = _signature(row)  # type: ignore[attr-defined]
    return operation


class Value(Methods):
    """A real number in a computation graph.

    >>> a, b = Value(2.0, label="a"), Value(1.0, label="b")
    >>> e = (a + b) * (b + 1)
    >>> e.backward()
    >>> a.grad, b.grad
    (2.0, 5.0)

    ``data`` is any real number.  With ``parents`` and ``partials`` (one number per parent) it
    states an operation of the user's own, named ``op``:

    >>> import math
    >>> Value(math.sin(a.data), (a,), (math.cos(a.data),), op="sin").parents == (a,)
    True

    Code written for micrograd says ``Value(data, (a,), "sin")``, or ``_children`` and ``_op``, and
    assigns to ``_backward`` what pays the operands.
    """

    __slots__ = (
        "__weakref__",
        "_by_left",
        "_by_right",
        "_left",
        "_made_by",
        "_note",
        "_number",  # not _data: NumPy's masked arrays take that of whatever they meet
        "_right",
        "grad",
        "requires_grad",
    )

    requires_grad: bool
    _number: float
    _left: Any  # a Value, a tuple of Values, or None for a leaf
    _right: Value | None
    _by_left: Any  # a float, or a tuple of them where _left is one
    _by_right: float
    _note: Note | None
    _made_by: Primitive | str  # a row of the table, or the name of an operation of the user's own

    def __init__(
        self,
        data: SupportsFloat,
        parents: Iterable[Value] = _NONE,
        partials: Iterable[float] | str = _NONE,
        *,
        label: str = "",
        op: str = "",
        requires_grad: bool = True,
        _children: Iterable[Value] = _NONE,
        _op: str = "",
    ) -> None:
        mode = current_mode()
        self._number = data if type(data) is float else number(data, VALUE_TAKES)
        self.grad: Any = 0.0
        self._left = self._right = None
        self._made_by = ""
        self.requires_grad = bool(requires_grad)
        self._note = None if mode is None else mode.note_here()
        if label != "":
            self.label = label
        told = parents is not _NONE or partials is not _NONE or _children is not _NONE
        if told or op or _op:
            self._state_operation(*_stated(parents, partials, op, _children, _op))

    def _state_operation(
        self, parents: tuple[Any, ...], partials: tuple[Any, ...] | Unstated, op: str
    ) -> None:
        """Become the result of the user's own operation, unless there is nothing to record."""
        if not (parents or partials or op):
            return
        _check_operation(parents, partials, op)
        mode = current_mode()
        recording = mode is None or mode.recording
        if not (self.requires_grad and recording and any(p.requires_grad for p in parents)):
            self.requires_grad = False
            return
        if isinstance(partials, Unstated):
            self._left, self._by_left, self._by_right = parents, partials, _ABSENT
        else:
            slopes = tuple(number(partial, "a partial is") for partial in partials)
            self._left, self._right, self._by_left, self._by_right = _edges_of(parents, slopes)
        self._made_by = op
        if mode is not None and mode.refuses(self._number):
            raise AnomalyError(describe_anomaly(self))

    @property
    def data(self) -> float:
        """The number. Assigning changes this node alone, not what was computed from it."""
        if current_mode() is not None and _depends(self):
            refuse_branch(".data looks at", label=self.label)
        return self._number

    @data.setter
    def data(self, data: SupportsFloat) -> None:
        if current_mode() is not None:
            refuse_branch(
                "assigning .data changes", "assign it before or after recording", self.label
            )
        self._number = data if type(data) is float else number(data, "data takes")

    @property
    def parents(self) -> tuple[Value, ...]:
        """The operands this node was computed from, in order, repeats kept; () for a leaf."""
        left, right = self._left, self._right
        if right is not None:
            return (left, right)
        return () if left is None else left if isinstance(left, tuple) else (left,)

    @property
    def partials(self) -> tuple[float, ...]:
        """The local derivative of this node to each parent, captured in the forward pass."""
        if current_mode() is not None and _depends(self):
            refuse_branch(".partials looks at", _TRACED_GRADIENT, self.label)
        return tuple(captured_partials(self))

    @property
    def label(self) -> str:
        """The name shown in pictures; assignable."""
        return self._note.label if self._note else ""

    @label.setter
    def label(self, label: str) -> None:
        self._note = replace(self._note or Note(), label=text_of(label, "label"))

    @property
    def op(self) -> str:
        """The name of the operation that made this node; "" for a leaf."""
        made_by = self._made_by
        return made_by if isinstance(made_by, str) else made_by.name

    @property
    def primitive(self) -> Primitive | None:
        """The row of the table behind ``op``; None for leaves and for the user's own operations."""
        made_by = self._made_by
        return None if isinstance(made_by, str) else made_by

    @property
    def scope(self) -> tuple[str, ...]:
        """The names of the scopes around the code that made this node, outermost first."""
        return self._note.scope if self._note else ()

    @property
    def source(self) -> str | None:
        """``file:line`` of the code that made this node, known under ``detect_anomaly``."""
        return self._note.source if self._note else None

    @property
    def is_leaf(self) -> bool:
        """Whether this node was given rather than computed."""
        return self._left is None

    def item(self) -> float:
        """The number as a plain float; same as ``data``."""
        if current_mode() is not None and _depends(self):
            refuse_branch(".item() looks at", label=self.label)
        return self._number

    def detach(self) -> Value:
        """A constant with the same number: no gradient flows through it."""
        if current_mode() is not None and _depends(self):
            refuse_branch(
                "detach() keeps",
                "a parameter is left out of the gradient by requires_grad=False",
                self.label,
            )
        return constant(self._number)

    def backward(self, gradient: Operand = 1.0, create_graph: bool = False) -> None:
        """Pay back: see `autograd.backward.backward`."""
        from autograd.backward import backward

        backward(self, gradient, create_graph)

    def pay(self) -> None:
        """Pay each operand once: ``parent.grad += grad * partial``, and nothing else.

        A backward pass by hand sets the root's grad to 1 and lets each node pay, consumers first;
        ``backward`` does the same in one call, and sets the piles of computed nodes to 0 before.

        >>> a, b = Value(2.0), Value(3.0)
        >>> e = a * b
        >>> e.grad = 1.0; e.pay()
        >>> a.grad, b.grad
        (3.0, 2.0)
        """
        debt = 0.0 if self.grad is None else self.grad
        for parent, slope in zip(self.parents, self.partials):
            if parent.requires_grad:
                parent.grad = (0.0 if parent.grad is None else parent.grad) + debt * slope

    # -- the same by the names of micrograd, for code that was written for it -------------------

    @property
    def _prev(self) -> tuple[Value, ...]:
        """Alias of ``parents``."""
        return self.parents

    @property
    def _op(self) -> str:
        """The operation's symbol: + * **k ReLU, else its name; "" for a leaf."""
        row = self.primitive
        if row is None:
            return self.op
        if row is _POW:
            return f"**{self.parents[1].data:g}"
        return "ReLU" if row is _RELU else row.operator or row.name

    @property
    def _backward(self) -> Callable[[], None]:
        """Alias of ``pay``. A function assigned to it is asked at once how it pays the operands."""
        return self.pay

    @_backward.setter
    def _backward(self, closure: Callable[[], object]) -> None:
        from autograd.closures import asked

        if self.requires_grad:
            parents, partials = asked(self, closure)
            if parents:
                self._made_by = self.op  # and no row: that would tell other derivatives
                self._left, self._right, self._by_left, self._by_right = _edges_of(
                    parents, partials
                )

    # -- operators ------------------------------------------------------------------------------

    def __add__(self, other: Operand) -> Value:
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        data = self._number + other._number
        if self.requires_grad or other.requires_grad:
            return _node(data, self, other, 1.0, 1.0, _ADD)
        return constant(data, _ADD, self, other)

    def __sub__(self, other: Operand) -> Value:
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        data = self._number - other._number
        if self.requires_grad or other.requires_grad:
            return _node(data, self, other, 1.0, -1.0, _SUB)
        return constant(data, _SUB, self, other)

    def __mul__(self, other: Operand) -> Value:
        if type(other) is not Value and (other := lift(other)) is NotImplemented:
            return NotImplemented
        a, b = self._number, other._number
        if self.requires_grad or other.requires_grad:
            return _node(a * b, self, other, b, a, _MUL)
        return constant(a * b, _MUL, self, other)

    def __truediv__(self, other: Operand) -> Value:
        right = lift(other)
        return right if right is NotImplemented else apply(_DIV, self, right)

    def __pow__(self, other: Operand) -> Value:
        right = lift(other)
        return right if right is NotImplemented else apply(_POW, self, right)

    def __radd__(self, other: Operand) -> Value:
        return left if (left := lift(other)) is NotImplemented else left + self

    def __rsub__(self, other: Operand) -> Value:
        return left if (left := lift(other)) is NotImplemented else left - self

    def __rmul__(self, other: Operand) -> Value:
        return left if (left := lift(other)) is NotImplemented else left * self

    def __rtruediv__(self, other: Operand) -> Value:
        return left if (left := lift(other)) is NotImplemented else left / self

    def __rpow__(self, other: Operand) -> Value:
        return left if (left := lift(other)) is NotImplemented else left**self

    def __neg__(self) -> Value:
        return record(-self._number, (self,), (-1.0,), _NEG)

    def __pos__(self) -> Value:
        return apply(_POS, self)

    def __abs__(self) -> Value:
        return apply(_ABSOLUTE, self)

    # -- functions: a method for each row (below), and here those written out -------------------

    def relu(self: Operand) -> Value:
        """max(0, x), with slope 0 at 0."""
        x = self if type(self) is Value else as_value(self, "relu")
        # asked this way round, nan is no number at most 0 and goes through
        data, slope = (0.0, 0.0) if x._number <= 0.0 else (x._number, 1.0)
        if x.requires_grad:
            return _node(data, x, None, slope, _ABSENT, _RELU)
        return constant(data, _RELU, x)

    def conjugate(self) -> Value:
        """The number itself, as it is real; NumPy asks for it in ``var`` and ``std``."""
        return self

    # -- comparisons look at the data; == and hash are identity ------------

    def __lt__(self, other: Operand) -> bool:
        right = self._compared(other, "<", "less(a, b)")
        return right if right is NotImplemented else self._number < right._number

    def __le__(self, other: Operand) -> bool:
        right = self._compared(other, "<=", "less_equal(a, b)")
        return right if right is NotImplemented else self._number <= right._number

    def __gt__(self, other: Operand) -> bool:
        right = self._compared(other, ">", "less(b, a)")
        return right if right is NotImplemented else self._number > right._number

    def __ge__(self, other: Operand) -> bool:
        right = self._compared(other, ">=", "less_equal(b, a)")
        return right if right is NotImplemented else self._number >= right._number

    def __eq__(self, other: object) -> bool:
        if self is not other and current_mode() is not None:
            self._compared(other, "==", "equal(a, b)")
        return NotImplemented  # so that Python goes by identity

    __hash__ = object.__hash__

    def _compared(self, other: object, sign: str, traced: str) -> Any:
        """The other side of a comparison as a Value, or NotImplemented."""
        right = other if type(other) is Value else lift(other)
        if current_mode() is None or right is NotImplemented:
            return right
        if _depends(self) or _depends(right):
            label = self.label if _depends(self) else right.label
            refuse_branch(f"a {sign} b compares", f"choose with where({traced}, this, that)", label)
        return right

    # -- a node never turns into a plain number unasked -----------------------------------------

    def __bool__(self) -> bool:
        return bool(self._number_of_constant("bool"))

    def __float__(self) -> float:
        return self._number_of_constant("float")

    def __int__(self) -> int:
        return int(self._number_of_constant("int"))

    def _number_of_constant(self, kind: str) -> float:
        if _depends(self):
            refuse_branch(f"{kind}() looks at", label=self.label)
        if self.requires_grad:
            hint = (
                "`is not None` where there may be no Value"
                if kind == "bool"
                else "autograd.exp rather than math.exp"
            )
            raise TypeError(
                f"{kind}() of a Value{named(self.label)} that requires a gradient would lose the "
                f"gradient; use .data or .item() for the number, and {hint}"
            )
        return self._number

    # -- how it shows, copies and travels -------------------------------------------------------

    def __repr__(self) -> str:
        label = f", label={short(self.label)!r}" if self.label else ""
        op = f", op={short(self.op)!r}" if self.op else ""
        grad = f", grad={self.grad._number if isinstance(self.grad, Value) else self.grad}"
        return f"Value({self._number}{label}{op}{grad if self.requires_grad else ', constant'})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if _depends(self):
            refuse_branch("copying keeps", label=self.label)
        if not self.is_leaf:
            raise TypeError(
                f"{self!r} is part of a graph and cannot be copied or pickled alone; "
                "detach() gives its number as a constant, autograd.compile a program to carry"
            )
        state = (type(self), self._number, self.grad, self.requires_grad, self._note)
        return _restored, state, attributes_of(self)

    def to_svg(self, **options: Any) -> str:
        """The graph below this node as an SVG text; options as for `autograd.draw`."""
        from autograd.views.draw import to_svg

        return to_svg(self, **options)

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write the picture of the graph to a .svg, .png, .pdf or .dot file."""
        from autograd.views.draw import save

        save(self, path, **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from autograd.views.notebook import value_bundle

        bundle: dict[str, str] = value_bundle(self)
        return bundle


_REQUIRES_GRAD: Any = vars(Value)["requires_grad"]


class Placeholder(Value):
    """A number that is another one each time: an input of a program while it is recorded.

    In a dict or a set a user's function would find the number itself; a Value, which goes by
    identity, never: what it then does would stay in the program.  So `no_branches` refuses it as a
    key, except to this library.
    """

    __slots__ = ()

    def __hash__(self) -> int:
        if current_mode() is not None and not asked_by_us():
            refuse_branch("hash(), as for a dict or a set, looks at", label=self.label)
        return object.__hash__(self)

    def __index__(self) -> int:
        refuse_branch(
            "an index, a count or a range looks at",
            "look numbers up with take(values, index); a length that stays is no argument: "
            "state it outside, as in jit(lambda x: f(x, 3))",
            label=self.label,
        )
        raise TypeError(f"a Value is no whole number, got {self!r}")

    def _freeze(self, needed: bool) -> None:
        if not needed:
            refuse_branch(_FREEZING, "leave it as it is", self.label)
        _REQUIRES_GRAD.__set__(self, bool(needed))

    requires_grad = property(lambda self: _REQUIRES_GRAD.__get__(self), _freeze)

    def recorded(self) -> None:
        """Be a Value like any other, whose hash takes no time: the function is done."""
        self.__class__ = Value  # type: ignore[assignment]


class Unstated:
    """In the place of the partials of an operation that waits for its ``_backward``."""

    __slots__ = ("op",)

    def __init__(self, op: str) -> None:
        self.op = op

    def __iter__(self) -> Iterator[float]:
        raise ValueError(
            f"the operation {short(self.op)!r} has neither partials nor a _backward, so nobody "
            "knows what it pays: assign its _backward, or write "
            f"Value(data, (x,), (slope,), op={short(self.op)!r})"
        )


# -- making nodes -------------------------------------------------------------------------------

_new = Value.__new__
_ADD, _SUB, _MUL, _DIV, _POW, _NEG, _POS, _ABSOLUTE, _RELU, _DOT = (
    TABLE[name] for name in "add sub mul div pow neg pos absolute relu dot".split()
)


def record(
    data: float, parents: tuple[Value, ...], partials: tuple[float, ...], operation: Primitive
) -> Value:
    """The node of an operation; a constant if no parent requires a gradient or in ``no_grad``."""
    if not any(map(_requires_grad, parents)):
        return constant(data, operation, parents)
    return _node(data, *_edges_of(parents, partials), operation)


def _node(
    data: float, left: Any, right: Value | None, by_left: Any, by_right: float, operation: Primitive
) -> Value:
    """A new node that requires a gradient; what speed depends on."""
    mode = current_mode()
    if mode is not None and not mode.recording:
        refuse_branch("no_grad() keeps", "compute it outside of no_grad()")
        return constant(data, operation, left, right)
    node = _new(Value)  # past __init__, which looks at what users give
    node._number = data
    node.grad = 0.0
    node._left = left
    node._right = right
    node._by_left = by_left
    node._by_right = by_right
    node._made_by = operation
    node.requires_grad = True
    if mode is None:
        node._note = None
    elif mode.anomalies:
        node._note = _checked_note(mode, node)
    else:
        node._note = mode.note
    return node


def captured_partials(node: Value) -> tuple[float, ...]:
    """The local derivative of a node to each parent, as numbers."""
    left, right = node._left, node._right
    if right is not None:
        return (node._by_left, node._by_right)
    if left is None:
        return ()
    return node._by_left if isinstance(left, tuple) else (node._by_left,)


def _edges_of(
    parents: tuple[Value, ...], partials: tuple[float, ...]
) -> tuple[Any, Value | None, Any, float]:
    """Left, right, by left and by right."""
    if len(parents) == 2:
        return parents[0], parents[1], partials[0], partials[1]
    if len(parents) == 1:
        return parents[0], None, partials[0], _ABSENT
    return parents, None, partials, _ABSENT


def _checked_note(mode: Mode, node: Value) -> Note | None:
    """The note of a node made in this mode; AnomalyError when the mode refuses its number."""
    node._note = mode.note_here()  # first: the message names the line that it holds
    if mode.refuses(node._number):
        raise AnomalyError(describe_anomaly(node))
    return node._note


def constant(
    data: float,
    operation: Primitive | None = None,
    left: Any = None,
    right: Value | None = None,
) -> Value:
    """A leaf that requires no gradient: a number, or what an operation gives unrecorded."""
    node = _new(Value)
    node._number = data
    node.grad = 0.0
    node._left = node._right = None
    node._made_by = ""
    node.requires_grad = False
    mode = current_mode()
    if mode is None:
        node._note = None
    else:
        node._note = mode.note_here()
        if operation is not None and not mode.branches:
            _refuse_frozen(left if type(left) is tuple else (left, right))
        if operation is not None and mode.refuses(data):
            # only to be described: a constant keeps no operands
            node._left, node._right, node._made_by = left, right, operation
            raise AnomalyError(describe_anomaly(node))
    return node


def _depends(node: Value) -> bool:
    """Whether the number comes from others: that of a computed node that was frozen does too."""
    return node.requires_grad or node._left is not None


def _refuse_frozen(operands: Iterable[Value | None]) -> None:
    """Of a node that was frozen by hand the number would stay, though it depends on others."""
    for node in operands:
        if node is not None and node._left is not None:
            refuse_branch(_FREEZING, "leave it as it is", node.label)


def apply(row: Primitive, *operands: Operand) -> Value:
    """Evaluate one primitive and record its node; numbers among the operands become constants."""
    parents = tuple([x if type(x) is Value else as_value(x, row.name) for x in operands])
    arguments = [parent._number for parent in parents]
    y = row.forward(FLOATS, *arguments)
    return record(y, parents, row.partials(FLOATS, *arguments, y), row)


def dot(weights: Sequence[Any], inputs: Sequence[Any], bias: Any = 0.0) -> Value:
    """The sum of products w1 x1 + … + wn xn + bias, as one node with an edge per operand.

    Raises ValueError when the lengths differ.
    """
    if type(weights) is not list or type(inputs) is not list:  # both are read twice below
        weights, inputs = _sequence(weights), _sequence(inputs)
    try:
        w_data, x_data = [w._number for w in weights], [x._number for x in inputs]
        b_data = bias._number
    except AttributeError:  # not all of them are Values
        w_data = None
    if w_data is None:
        return dot(as_values(weights, "dot"), as_values(inputs, "dot"), as_value(bias, "dot"))
    if len(w_data) != len(x_data):
        raise ValueError(
            f"dot takes as many weights as inputs, got {len(w_data)} and {len(x_data)}"
        )
    parents, y = (*weights, *inputs, bias), _add_up(map(mul, w_data, x_data), b_data)
    if len(parents) > 2 and (bias.requires_grad or any(map(_requires_grad, parents))):
        return _node(y, parents, None, (*x_data, *w_data, 1.0), _ABSENT, _DOT)
    return record(y, parents, (*x_data, *w_data, 1.0), _DOT)


def affine(
    weights: Iterable[Sequence[Any]],
    inputs: Sequence[Any],
    biases: Iterable[Any],
    scopes: Iterable[scope] | None = None,
) -> list[Value]:
    """W x + b: a ``dot`` for each row of weights and its bias, and for inputs looked up once.

    With ``scopes``, one per row, each node is made in its own.  Raises ValueError when a row has
    another length than the inputs, or when there is not a bias for each row.

    >>> [y.data for y in affine([[1.0, 2.0], [0.0, 1.0]], [Value(3.0), 4.0], [0.5, 0.0])]
    [11.5, 4.0]
    """
    weights, biases = list(weights), list(biases)
    if len(weights) != len(biases):
        raise ValueError(
            f"affine takes a bias for each row, got {len(weights)} rows and {len(biases)} biases"
        )
    xs, outer = as_values(inputs, "affine"), current_mode()
    x_data = [x._number for x in xs]
    usual = outer is None or (outer.recording and not outer.anomalies)
    nodes = []
    for row, bias, box in zip(weights, biases, repeat(None) if scopes is None else scopes):
        if not usual or type(bias) is not Value or not bias.requires_grad or len(row) != len(xs):
            nodes.append(dot(row, xs, bias) if box is None else box.run(dot, row, xs, bias))
            continue
        try:
            w_data = [w._number for w in row]
        except AttributeError:  # not all of them are Values
            w_data = None
        if w_data is None:
            row = as_values(row, "affine")
            w_data = [w._number for w in row]
        mode = outer if box is None else box.inside(outer)
        node = _new(Value)  # as in _node, which would look up the mode for each
        node._number = _add_up(map(mul, w_data, x_data), bias._number)
        node.grad, node._by_right = 0.0, _ABSENT
        node._left = (*row, *xs, bias)
        node._right = None
        node._by_left = (*x_data, *w_data, 1.0)
        node._made_by = _DOT
        node.requires_grad = True
        node._note = None if mode is None else mode.note
        nodes.append(node)
    return nodes


def _arguments(
    row: Primitive, operands: tuple[Operand, ...], named: dict[str, Operand]
) -> tuple[Operand, ...]:
    """The operands of a call in order: those given by name in their places, and the defaults."""
    names = row.arguments
    if row.variadic and not named:
        return operands
    given = dict(zip(names, operands)) | named
    operands_of = dict(zip(names[::-1], row.defaults[::-1])) | given
    if len(given) != len(operands) + len(named) or {*operands_of} != {*names}:
        many = "1 operand" if len(names) == 1 else f"{len(names)} operands ({', '.join(names)})"
        got = ", ".join([f"{len(operands)}", *named])
        raise TypeError(f"{row.name} takes {many}, got {got}")
    return tuple(operands_of[name] for name in names)


def _signature(row: Primitive) -> Signature:
    """How a function of the table is called, for ``help`` and editors."""
    if row.variadic:
        return Signature([Parameter("operands", Parameter.VAR_POSITIONAL)])
    names = row.arguments
    defaults = [Parameter.empty] * (len(names) - len(row.defaults)) + [*row.defaults]
    either = Parameter.POSITIONAL_OR_KEYWORD
    return Signature([Parameter(n, either, default=d) for n, d in zip(names, defaults)])


def _sequence(operands: Any) -> Any:
    return operands if type(operands) in (list, tuple) else as_values(operands, "dot")


def as_values(operands: Iterable[Operand], name: str) -> list[Value]:
    """Each operand as a Value; TypeError for a set, too, which has them in no order."""
    if type(operands) is not list and not is_series(operands):
        got = "a single Value" if isinstance(operands, Value) else kind(operands)
        raise TypeError(f"{name} takes sequences of Values, got {got}")
    return [x if type(x) is Value else as_value(x, name) for x in operands]


def as_value(operand: object, name: str) -> Value:
    """The operand, as a constant if it is a number; else TypeError naming the function."""
    return operand if isinstance(operand, Value) else constant(number(operand, f"{name} takes"))


def lift(operand: object) -> Any:
    """The operand of an operator as a Value; or NotImplemented, and Python asks the other side."""
    if type(operand) is float:
        return constant(operand)
    if isinstance(operand, Value):
        return operand
    # Python's or NumPy's, which is no Real; by its name, for NumPy is not imported here
    if type(operand).__name__ in ("bool", "bool_"):
        return constant(1.0 if operand else 0.0)
    if isinstance(operand, Real):
        return constant(number(operand, "an operator takes"))
    return NotImplemented


_TRACED_GRADIENT = "a gradient is recorded with create_graph=True"
_requires_grad = attrgetter("requires_grad")
_add_up = sum if sys.version_info < (3, 12) else partial(reduce, add)
"""Plain addition from the left; from Python 3.12 on ``sum`` corrects its rounding."""


def _add_methods() -> None:
    """Give Value a method for each function of the table that has a fixed number of arguments."""
    for row in TABLE.values():
        written_elsewhere = row.variadic or row.name == "where" or hasattr(Value, row.name)
        if row.public and not written_elsewhere:
            setattr(Value, row.name, operation_of(row))


_add_methods()


def _each(given: object, name: str) -> tuple[Any, ...]:
    if not isinstance(given, Iterable):
        raise TypeError(f"{name} is a tuple, got {kind(given)}; did you mean (x,)?")
    if isinstance(given, str):
        raise TypeError(f"{name} is a tuple, got {kind(given)}; did you mean op={short(given)!r}?")
    return tuple(given)


def _stated(
    parents: object, partials: Any, op: str, children: object, symbol: str
) -> tuple[tuple[Any, ...], tuple[Any, ...] | Unstated, str]:
    """Parents, partials and name; with micrograd's arguments the partials are yet to be told."""
    if parents is not _NONE and children is not _NONE:
        raise TypeError("parents and _children are two names for the operands: give one of them")
    # what a closure pays is asked operand by operand, so that order does not matter
    stated = partials is not _NONE and not isinstance(partials, str)
    for given in (parents, children, partials):
        if stated and isinstance(given, set | frozenset):
            raise TypeError(f"a partial per parent, in their order, got {kind(given)}")
    operands = _each(parents if children is _NONE else children, "parents")
    if isinstance(partials, str):  # the third argument of micrograd's
        partials, symbol = _NONE, partials
    elif children is _NONE and not symbol:
        return operands, _each(partials, "partials"), op
    name = op or symbol
    unstated = partials is _NONE and operands
    return operands, Unstated(name) if unstated else _each(partials, "partials"), name


def _check_operation(
    parents: tuple[Any, ...], partials: tuple[Any, ...] | Unstated, op: object
) -> None:
    name = text_of(op, "op")
    for parent in parents:
        if not isinstance(parent, Value):
            raise TypeError(f"parents are Values, got {kind(parent)}")
    if not isinstance(partials, Unstated) and len(parents) != len(partials):
        raise ValueError(
            f"a partial per parent: got {len(parents)} parents and {len(partials)} partials"
        )
    if name and not parents:
        raise ValueError(f"op={short(name)!r} names an operation, which needs parents and partials")


def _restored(
    kind: type[Value], data: float, grad: float, requires_grad: bool, note: Note | None
) -> Value:
    node = _new(kind)  # the __init__ of a subclass may want what only its caller knew
    node._number, node._left, node._right, node._made_by = data, None, None, ""
    node.grad, node.requires_grad, node._note = grad, requires_grad, note
    return node


def attributes_of(node: Value) -> tuple[dict[str, Any] | None, dict[str, Any]] | None:
    """What a subclass holds beside the number, as ``copy`` and ``pickle`` want it; else None."""
    if type(node) is Value:
        return None
    state: Any = object.__getstate__(node)  # knows what private slots are called
    own, held = state if isinstance(state, tuple) else (state, {})
    return own, {name: x for name, x in held.items() if name not in Value.__slots__}


def describe_anomaly(node: Value) -> str:
    """What went wrong at a node: the operation, its operands, the line that made it."""
    operands = ", ".join(
        f"{plain(parent.label)}={parent._number}" if parent.label else f"{parent._number}"
        for parent in node.parents[:8]
    )
    more = ", …" if len(node.parents) > 8 else ""
    where = node.source or "a line unknown: build the graph inside detect_anomaly() to learn it"
    call = "a leaf" if node.is_leaf else f"{plain(node.op)}({operands}{more})"
    return f"the value of {call}{named(node.label)} is {node._number}, made at {where}"
