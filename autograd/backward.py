"""Backpropagation as repayment.

The root of the graph owes its parents.  It starts with a debt of 1 (the *seed*), pays each parent
its debt times the partial on that edge, and is done; what a node has been paid piles up, and once
all of its consumers have paid, the pile is summed: that sum is the node's *adjoint*, the
derivative of the root to it, and the debt that it pays on in turn.  Walking nodes against their
*topological order* makes sure that nobody pays before everyone has paid her, so every edge is
used exactly once.  Collecting path by path instead (`autograd.graph.paths`) gives the same sums
and uses shared edges over and over.

``repay`` is the chain rule.  It knows nothing of the numbers it moves: floats for a plain backward
pass, Values where the derivative is to be differentiated again, counts for the number of paths.
``_repay_in_place`` says it a second time, for ``backward`` on floats: piling up in ``grad`` itself
instead of a dict takes a third of the time.  Tests hold the two to the same bits.  For groups of
nodes at a time, when a program is compiled, `autograd.compiler.repay` says it.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import filterfalse
from math import isfinite
from threading import RLock
from typing import Any, overload

from autograd.functions import VALUES
from autograd.modes import AnomalyError, Mode, current_mode, enable_grad, refuse_branch, unchecked
from autograd.validation import is_series, kind, named, number, plain, short
from autograd.value import Operand, Value, captured_partials, constant, describe_anomaly


def repay(
    debts: Mapping[Value, Any], partials_of: Callable[[Value], Iterable[Any]]
) -> dict[Value, Any]:
    """The adjoint of every node that is paid: the roots' ``debts``, paid on along each edge once.

    ``partials_of(node)`` holds one partial per parent; nothing is paid to constants.

    >>> a = Value(3.0)
    >>> repay({a * a: 1.0}, lambda node: node.partials)[a]
    6.0
    """
    piles = dict(debts)
    for node in reverse_topological_order(debts):
        if node in piles and not node.is_leaf:  # what was frozen later is not paid
            debt = piles[node]
            for parent, partial in zip(node.parents, partials_of(node), strict=True):
                if parent.requires_grad:
                    amount = debt * partial
                    # no 0 to begin with: of which kind, and a sum from 0.0 on has lost a -0.0
                    piles[parent] = piles[parent] + amount if parent in piles else amount
    return piles


def topological_order(root: Value | Iterable[Value]) -> list[Value]:
    """Every node below the root (or several roots), constants included, parents before children.

    Operands come in their order, without recursion: a chain of a million nodes is fine.

    >>> a = Value(2.0, label="a")
    >>> [node.op or node.label for node in topological_order(a * a + a)]
    ['a', 'mul', 'add']
    """
    roots: Any = root if isinstance(root, Iterable) else [root]
    return _depth_first([*roots], left_first=True)


def reverse_topological_order(roots: Iterable[Value]) -> list[Value]:
    """The order in which nodes settle: consumers before parents, and left before right.

    >>> a, b = Value(2.0, label="a"), Value(1.0, label="b")
    >>> c, d = a + b, -b
    >>> reverse_topological_order([c * d])[1:] == [c, a, d, b]
    True
    """
    return _depth_first([*roots][::-1], left_first=False)[::-1]


def order_above(known: Iterable[Value], roots: Iterable[Value]) -> list[Value]:
    """The topological order below the roots, down to what is known, and without that.

    >>> a, b = Value(2.0, label="a"), Value(1.0, label="b")
    >>> [node.op or node.label for node in order_above([a], [a * a + b])]
    ['mul', 'b', 'add']
    """
    return _depth_first([*roots], left_first=True, seen={*known})


def _depth_first(
    roots: list[Value], left_first: bool, seen: set[Value] | None = None
) -> list[Value]:
    for root in roots:
        if not isinstance(root, Value):
            raise TypeError(f"a graph is told by its root, a Value, got {kind(root)}")
    order: list[Value] = []
    seen = seen or set()
    stack: list[Any] = roots[::-1]
    while stack:
        node = stack.pop()
        if node is None:  # the node below it on the stack has all its parents in order
            order.append(stack.pop())
        elif node not in seen:  # it waits on the stack once for each of its consumers
            seen.add(node)
            left, right = node._left, node._right
            if right is not None:
                if left in seen and right in seen:
                    order.append(node)
                else:
                    stack += (node, None, right, left) if left_first else (node, None, left, right)
            elif type(left) is tuple:
                if seen.issuperset(left):  # and in order: only consumers of the node wait for it
                    order.append(node)
                    continue
                new = [*filterfalse(seen.__contains__, left[::-1] if left_first else left)]
                if len(new) > MANY and not [parent for parent in new if parent._left is not None]:
                    leaves = dict.fromkeys(new[::-1])
                    seen.update(leaves)
                    order += leaves
                    order.append(node)
                else:
                    stack += (node, None)
                    stack += new
            elif left is None or left in seen:
                order.append(node)
            else:
                stack += (node, None, left)
    return order


def backward(root: Value, gradient: Operand, create_graph: bool) -> None:
    """Set ``grad`` of every node below ``root`` to the derivative of the root, times ``gradient``.

    Leaves add it to what they hold, so gradients accumulate over calls until they are set back to
    0; other nodes hold the adjoint of the last call.  With ``create_graph`` the gradients are
    Values with a graph of their own, which can be differentiated again (such a graph holds the
    leaf and the leaf holds it: set ``grad`` back to 0.0 when done, or use `gradients`, which
    stores nothing).  A ``grad`` of None counts as 0.

    Threads may call it on graphs that share leaves, without the global interpreter lock as well:
    they store one after the other.  When it is interrupted or refuses, every ``grad`` is as it was.

    Raises ValueError when the root is a constant; nothing has changed then.
    """
    mode = current_mode()
    if mode is not None:
        refuse_branch("backward() keeps the derivative of", _TRACED, root.label)
    if create_graph or (mode is not None and mode.anomalies) or not root.requires_grad:
        store(adjoints(root, gradient, create_graph))
    else:
        order, seed = reverse_topological_order([root]), _number_of(gradient)
        _all_or_nothing(order, lambda held: _repay_in_place(order, held, seed))


def store(piles: Mapping[Value, Any]) -> None:
    """Put adjoints into ``grad``, all or, after an error or interrupt, none: leaves add them."""
    _all_or_nothing([*piles], lambda held: _store(piles, held))


def _all_or_nothing(nodes: list[Value], change: Callable[[list[Any]], None]) -> None:
    """Change the ``grad`` of nodes, given what they hold; an error or interrupt gives it back.

    One thread at a time: the leaves of several graphs are often the same.
    """
    with STORING:
        # read within the lock: what another thread has stored by now is to be kept
        held = [node.grad for node in nodes]
        try:
            change(held)
        except BaseException:
            for node, before in zip(nodes, held):
                node.grad = before
            raise


STORING = RLock()
"""Held by whoever changes the ``grad`` of nodes that another thread may be changing."""

_TRACED = "take gradients(…, create_graph=True)"

MANY = 64
"""So many new leaves, the weights of a neuron say, are put in order together."""


def _store(piles: Mapping[Value, Any], held: list[Any]) -> None:
    mode = current_mode()
    with enable_grad():  # the sum of two gradients belongs to the graph of the gradient
        for (node, adjoint), before in zip(piles.items(), held):
            node.grad = adjoint if before is None or not node.is_leaf else before + adjoint
            if mode is not None:
                refuse_anomaly(mode, node, node.grad, PAID)


def _repay_in_place(order: list[Value], held: list[Any], seed: float) -> None:
    """``repay`` on floats with ``grad`` as the pile: the same payments in the same order.

    A node of many operands that owes 0 is passed over where all its payments would be 0.
    """
    for node in order:
        node.grad = 0.0  # of leaves too: what they had is held, and joins the sum at the end
    order[0].grad = seed
    frozen = False
    for node, before in zip(order, held):
        debt, left, right = node.grad, node._left, node._right
        if not debt and not node.requires_grad:
            node.grad = before  # a constant, or frozen since: 0 times infinity is no payment
            frozen = frozen or left is not None
        elif right is not None:
            if left.requires_grad:
                left.grad += debt * node._by_left
            if right.requires_grad:
                right.grad += debt * node._by_right
        elif type(left) is tuple:
            # 0 times an infinite partial is nan, and has to be paid
            if debt == 0.0 and isfinite(sum(node._by_left)):
                continue  # 0 for everyone: quicker said than paid
            for parent, partial in zip(left, node._by_left):
                if parent.requires_grad:
                    parent.grad += debt * partial
        elif left is None:
            node.grad = debt if before is None else before + debt
        elif left.requires_grad:
            left.grad += debt * node._by_left
    if frozen:  # what lies behind it alone is not asked: 0 times infinity is no payment there
        paid = repay({order[0]: seed}, captured_partials)
        for node, before in zip(order, held):
            node.grad = before
        _store(paid, [node.grad for node in paid])


@overload
def gradients(output: Value, inputs: Value, create_graph: bool = ...) -> Any: ...
@overload
def gradients(output: Value, inputs: Iterable[Value], create_graph: bool = ...) -> list[Any]: ...
def gradients(output: Value, inputs: Value | Iterable[Value], create_graph: bool = False) -> Any:
    """The derivatives of the output to each input, leaving every ``grad`` as it is.

    One input gives one derivative, several a list.  They are floats, with ``create_graph``
    Values, so that any order can be taken.  An input that the output does not depend on gets 0.

    >>> x = Value(3.0)
    >>> [slope] = gradients(x * x * x, [x], create_graph=True)
    >>> gradients(slope, [x])
    [18.0]
    """
    if isinstance(inputs, Value):
        return gradients(output, [inputs], create_graph)[0]
    if not isinstance(output, Value):
        raise TypeError(f"gradients are taken of one Value, got {kind(output)}")
    if not is_series(inputs):
        raise TypeError(f"gradients are taken to Values in a list, got {kind(inputs)}")
    inputs = list(inputs)
    for x in inputs:
        if not isinstance(x, Value):
            raise TypeError(f"gradients are taken to Values, got {kind(x)}")
        if not x.requires_grad:
            raise ValueError(f"{x!r} is a constant: nothing is paid to it, it has no gradient")
    # a constant output is no mistake here: it depends on no input, all derivatives are 0
    piles = adjoints(output, 1.0, create_graph) if output.requires_grad else {}
    return [piles[x] if x in piles else _zero(create_graph) for x in inputs]


def adjoints(root: Value, gradient: Operand, create_graph: bool) -> dict[Value, Any]:
    """The adjoint of every node below the root; floats, or Values with ``create_graph``."""
    if not root.requires_grad:
        raise ValueError(
            f"{root!r} does not depend on anything that requires a gradient: nothing to pay back. "
            "Was it computed under no_grad(), detached, frozen, or made of numbers alone?"
        )
    if create_graph:
        seed = gradient if isinstance(gradient, Value) else constant(_number_of(gradient))
        with enable_grad():  # asked for, even in no_grad()
            return repay({root: seed}, traced_partials)
    refuse_branch("gradients() keeps the derivative of", _TRACED, root.label)
    piles = repay({root: _number_of(gradient)}, captured_partials)
    _raise_at_first_anomaly(root, piles)
    return piles


def _number_of(gradient: Operand) -> float:
    return gradient.data if isinstance(gradient, Value) else number(gradient, "gradient takes")


def traced_partials(node: Value) -> tuple[Any, ...]:
    """The partials of a node as functions of its operands: Values where they depend on any."""
    row = node.primitive
    if row is None:
        raise TypeError(
            f"the operation {short(node.op)!r} was given its partials as numbers"
            f"{named(node.label)}, so it cannot be differentiated twice or compiled; "
            "write it with the functions of autograd instead"
        )
    # what is never paid may well be nan: a partial to a constant, a branch that is not taken
    partials = unchecked(row.partials, VALUES, *node.parents, node)
    if not all(map(_same, partials, captured_partials(node))):
        raise RuntimeError(
            f"an operand of {node!r} was given new data after the graph was built: its derivatives "
            "would mix old and new numbers; compute the graph again first"
        )
    return partials


def _same(traced: Operand, captured: float) -> bool:
    now = traced._number if isinstance(traced, Value) else traced
    return bool(now == captured or (now != now and captured != captured))


def _zero(create_graph: bool) -> Any:
    return constant(0.0) if create_graph else 0.0


def _raise_at_first_anomaly(root: Value, piles: Mapping[Value, float]) -> None:
    """Under ``detect_anomaly``, find the first payment that is nan before any ``grad`` is set."""
    mode = current_mode()
    if mode is None or not mode.anomalies:
        return
    for node in reverse_topological_order([root]):
        if node not in piles:  # below what was frozen since: it pays nothing
            continue
        refuse_anomaly(mode, node, piles[node], PAID)
        for parent, partial in zip(node.parents, node.partials):
            if parent.requires_grad and mode.refuses(piles[node] * partial):
                raise AnomalyError(
                    f"the gradient paid to {_called(parent)}, {piles[node]} × {partial}, is not "
                    f"finite: {describe_anomaly(node)}"
                )


PAID = "the gradients paid to {} add up to"
"""And inf and -inf add up to nan."""


def refuse_anomaly(mode: Mode, node: Value, derivative: Any, said: str) -> None:
    """AnomalyError if the mode refuses a derivative that was no node itself."""
    if not isinstance(derivative, Value) and mode.refuses(derivative):
        told = f"{said.format(_called(node))} {derivative}"
        raise AnomalyError(f"{told}: {describe_anomaly(node)}")


def _called(node: Value) -> str:
    return plain(node.label or node.op) or "a leaf"
