"""Operations written for micrograd: a closure pays the operands, in place of stated partials.

``out = Value(t, (x,), "tanh")`` names operands and an operation; what it pays is said by the
closure that is assigned to ``out._backward``.  It is *asked* at once: a node that owes 1 pays each
operand its partial.  Then it is let go: the node is one like any other that states its partials,
and none is held by a closure that holds it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

from autograd.backward import STORING
from autograd.trees import is_array
from autograd.validation import kind, named, number, plain
from autograd.value import Value, attributes_of

DEBTS = (1.0, -(2.0**60), 2.0**-60)
"""Of either sign, small and large: powers of two, so a payment in proportion is exactly that."""


def asked(node: Value, closure: Callable[[], object]) -> tuple[tuple[Value, ...], tuple[Any, ...]]:
    """The operands of a node, each once, and the partials by which the closure pays them.

    Every ``grad`` is as before.  Raises ValueError where no partials can say what the closure does.
    """
    if not callable(closure):
        raise TypeError(f"_backward is a function without arguments, got {kind(closure)}")
    parents = tuple(dict.fromkeys(node.parents))
    others = [
        value for value in values_behind(closure, named=True) if value not in {node, *parents}
    ]
    answers, kept = _answers([node, *parents, *others], closure)
    partials = answers[0][1:]
    for debt, (own, *amounts) in zip(DEBTS, answers):
        if own != debt:
            _refuse(node, "changes the grad of its own node")
        if not all(map(_same, amounts, [partial * debt for partial in partials])):
            _refuse(node, f"pays {amounts} when the grad is {debt}")
    if 0.0 in kept[1:]:
        _refuse(node, "forgets what others have paid; write += where it says =")
    for value, amount in zip(others, partials[len(parents) :]):
        if amount != 0.0:
            _refuse(node, f"pays {value!r}, which is not among the operands")
    return parents, tuple(partials[: len(parents)])


def _answers(
    nodes: list[Value], closure: Callable[[], object]
) -> tuple[list[list[float]], list[float]]:
    """The grads after the closure has paid: for each debt of the first node, and for a debt of 0
    on top of a grad of 1."""

    def paid(debt: float, before: float) -> list[float]:
        for node in nodes:
            node.grad = before
        nodes[0].grad = debt
        closure()
        return [number(node.grad, "a _backward pays") for node in nodes]

    with STORING:
        held = [node.grad for node in nodes]
        try:
            return [paid(debt, 0.0) for debt in DEBTS], paid(0.0, 1.0)
        finally:
            for node, grad in zip(nodes, held):
                node.grad = grad


def values_behind(given: Any, *, named: bool) -> Iterator[Value]:
    """The Values that can be reached from something: wherever its parts, cells and attributes lead,
    and with ``named`` what the code of functions names in its module.

    The way ends at a Value, whose operands belong to the graph.
    """
    seen: dict[int, Any] = {}
    waiting: list[Any] = [given]
    while waiting:
        held = waiting.pop()
        if id(held) in seen:
            continue
        seen[id(held)] = held  # kept: the next one made would be taken for it
        if isinstance(held, Value):
            yield held
            waiting += attributes_of(held) or ()
        elif isinstance(held, FunctionType):
            waiting += [held.__defaults__, held.__kwdefaults__, vars(held), *_cells(held)]
            waiting += _named_by(held) if named else ()
        elif is_array(held):  # the collector does not see into one
            waiting += held.ravel().tolist() if held.dtype == object else ()
        elif isinstance(held, type):
            shared = [each for kind in held.__mro__ for each in vars(kind).values()]
            waiting += [each for each in shared if isinstance(each, Value | list | tuple | dict)]
        elif not isinstance(held, ModuleType):
            waiting += filter(gc.is_tracked, gc.get_referents(held))


def _cells(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # what is not yet assigned
            yield cell.cell_contents


def _named_by(function: FunctionType) -> Iterator[object]:
    """What its code names in its module, or in another."""
    names = _names_in(function.__code__)
    for found in [function.__globals__.get(name) for name in names]:
        yield from map(vars(found).get, names) if isinstance(found, ModuleType) else (found,)


def _names_in(code: CodeType) -> set[str]:
    """The names of globals and attributes, also in the functions within."""
    inner = [_names_in(const) for const in code.co_consts if isinstance(const, CodeType)]
    return {*code.co_names}.union(*inner)


def _same(amount: float, expected: float) -> bool:
    return amount == expected or (amount != amount and expected != expected)


def _refuse(node: Value, what: str) -> NoReturn:
    raise ValueError(
        f"a _backward pays each operand a partial times the node's grad; the one of "
        f"{plain(node.op) or 'a leaf'}{named(node.label)} {what}"
    )
