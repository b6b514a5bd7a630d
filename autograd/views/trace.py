"""The trace: a forward and backward pass, told once as plain records that any viewer can replay.

A *step* is one of four kinds.  ``eval``: a node gets its value.  ``seed``: the root owes 1.
``settle``: a node has heard from everyone who owes it, so its *pile* is final and is its
gradient.  ``pay``: one edge carries debt × local derivative from the *debtor* (the consumer) to
the *creditor* (the parent).

The chain rule is not told here: `autograd.backward.repay` runs on money that leaves receipts, and
the steps are read off these.  Nothing of the user's graph is changed, ``grad`` included.
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from itertools import pairwise
from math import isclose, isfinite, isnan
from pathlib import Path
from typing import Any, Literal

from autograd.backward import repay, reverse_topological_order, topological_order
from autograd.graph import Edge, count_edge_uses, count_impatient_uses, edges
from autograd.value import FLOATS, Value
from autograd.views.network import Layer, scope_by_scope
from autograd.views.records import Graph, expression, graph_of
from autograd.views.records import TraceEdge as TraceEdge
from autograd.views.records import TraceNode as TraceNode
from autograd.views.words import (
    enclosed,
    show,
    substitute,
    sum_of,
)

SCHEMA = 1
Kind = Literal["eval", "seed", "settle", "pay"]
Lang = Literal["en", "zh"]
Mode = Literal["backprop", "naive", "impatient", "passes"]


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in the languages of the viewers.

    ``keys`` name the templates that it was made of, ``formula`` that of its line of mathematics:
    a viewer in which numbers change fills them in again.
    """

    en: str
    zh: str
    keys: tuple[str, ...] = ()
    formula: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of the pass: about a node (eval, seed, settle) or an edge (pay)."""

    i: int
    kind: Kind
    text: Text
    math: str
    node: int | None = None
    edge: int | None = None
    amount: float | None = None
    pile_before: float | None = None
    pile_after: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Trace(Graph):
    """A forward and backward pass as frozen records: see `trace`.

    ``naive_edge_uses`` counts what walking every path would cost, ``impatient_edge_uses`` what
    paying on at once, without waiting for everyone, would; both exact, both enormous on a ladder.
    """

    steps: tuple[Step, ...]
    naive_edge_uses: int
    impatient_edge_uses: int
    expression: str

    def to_json(self) -> str:
        """The trace as JSON, ``"schema": 1``: the same graph gives the same bytes.

        Non-finite numbers are the strings "NaN", "Infinity" and "-Infinity", and counts that may be
        beyond a double are strings of digits, so that any strict reader can take it.
        """
        return as_json({"schema": SCHEMA, **as_records(self)})

    def to_html(
        self, path: str | os.PathLike[str], *, lang: Lang | None = None, max_nodes: int = 3000
    ) -> Path:
        """Write the page, one self-contained file; ``lang=None`` follows the browser.

        Raises ValueError for more than ``max_nodes`` nodes, OSError where it cannot write.
        """
        from autograd.files import write_atomically
        from autograd.views.page import page

        return write_atomically(path, page(self, lang=lang, max_nodes=max_nodes))

    def play(self, *, lang: Lang = "en", mode: Mode = "backprop") -> None:
        """Step through it in the terminal; without one, print all steps.

        ``mode`` is how it begins: "backprop", "naive", "impatient" or "passes".
        """
        from autograd.views.terminal import play

        play(self, lang=lang, mode=mode)

    def frames(
        self,
        folder: str | os.PathLike[str],
        *,
        lang: Lang = "en",
        max_nodes: int = 400,
        fold: int | str | Sequence[str] | None = None,
        by: Literal["edge", "node", "unit", "layer"] | None = None,
    ) -> Path:
        """Write one SVG per stride and an ``index.md`` into a folder, for slides; gives the latter.

        ``fold`` draws scopes as one card each, as in pictures: large graphs fold themselves.  A
        stride is an edge, or what is folded, or what ``by`` says.  Raises ValueError for more than
        ``max_nodes`` cards, OSError where it cannot write.
        """
        from autograd.views.frames import write_frames

        return write_frames(self, Path(folder), lang=lang, max_nodes=max_nodes, fold=fold, by=by)

    def __repr__(self) -> str:
        return (
            f"<Trace of {self.root.name}: {len(self.nodes)} nodes, {len(self.edges)} edges, "
            f"{len(self.steps)} steps>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from autograd.views.notebook import trace_bundle

        return trace_bundle(self)


def trace(root: Value) -> Trace:
    """The forward and backward pass of everything below ``root``, step by step.

    >>> a, b = Value(2.0, label="a"), Value(1.0, label="b")
    >>> story = trace((a + b) * (b + 1))
    >>> print(story.steps[9].text.en)
    e pays d: it passes on ∂e/∂e · ∂e/∂d = 1 · 3 = 3. d has now heard from everyone.

    Raises TypeError for anything but a Value, ValueError for a constant: nobody is paid there,
    nor behind a result whose ``requires_grad`` was set to False.
    """
    if not isinstance(root, Value):
        raise TypeError(
            f"trace takes the Value that a computation ends in, got {type(root).__name__}"
        )
    if not root.requires_grad:
        raise ValueError(
            f"{root!r} is a constant: it owes nobody, so there is nothing to step through"
        )
    order = topological_order(root)
    if frozen := next((node for node in order if node.parents and not node.requires_grad), None):
        raise ValueError(f"{frozen!r} was frozen after it was made: use its detach() instead")
    if not any(node.is_leaf and node.requires_grad for node in order):
        raise ValueError(f"all that {root!r} is made of was frozen: it owes nobody")
    number_of = {node: i for i, node in enumerate(order)}
    told, graph_edges = graph_of(order), edges(root)
    receipts = _receipts(root, graph_edges)
    settling = [number_of[node] for node in reverse_topological_order([root])]
    stale = {number_of[node] for node in order if _is_stale(node)}
    steps = tuple(_Storyteller(told.nodes, told.edges, receipts, settling, stale).steps())
    uses = count_edge_uses(root), count_impatient_uses(root)
    return Trace(told.nodes, told.edges, told.layers, steps, *uses, expression(order, told.nodes))


def _is_stale(node: Value) -> bool:
    """Whether its operands do not give its number: it or they were assigned to since."""
    if node.primitive is None:
        return False
    now = node.primitive.forward(FLOATS, *(parent.data for parent in node.parents))
    return not (isclose(now, node.data, rel_tol=1e-9) or (isnan(now) and isnan(node.data)))


# -- what repay did --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one edge carried, and the creditor's pile before and after."""

    amount: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class _Local:
    """A local derivative that knows its edge."""

    partial: float
    edge: int


@dataclass(frozen=True, slots=True)
class _Money:
    """A number for `repay` to move that leaves a receipt for every edge it comes along."""

    amount: float
    receipts: dict[int, Receipt]
    edge: int = -1

    def __mul__(self, local: _Local) -> _Money:
        amount = self.amount * local.partial
        self.receipts[local.edge] = Receipt(amount, 0.0, amount)
        return _Money(amount, self.receipts, local.edge)

    def __add__(self, paid: _Money) -> _Money:
        total = self.amount + paid.amount
        self.receipts[paid.edge] = Receipt(paid.amount, self.amount, total)
        return _Money(total, self.receipts)


def _receipts(root: Value, graph_edges: Sequence[Edge]) -> dict[int, Receipt]:
    """Each edge's receipt, by its number."""
    number_of = {(edge.consumer, edge.slot): i for i, edge in enumerate(graph_edges)}

    def locals_of(node: Value) -> list[_Local]:
        return [_Local(d, number_of.get((node, k), -1)) for k, d in enumerate(node.partials)]

    # the chain rule itself runs, so that the story cannot differ from what it is about
    receipts: dict[int, Receipt] = {}
    repay({root: _Money(1.0, receipts)}, locals_of)
    return receipts


# -- the story -------------------------------------------------------------------------------------


class _Storyteller:
    """Turns receipts into steps with their sentences."""

    def __init__(
        self,
        nodes: Sequence[TraceNode],
        debts: Sequence[TraceEdge],
        receipts: Mapping[int, Receipt],
        settling: Sequence[int],
        stale: Container[int],
    ) -> None:
        self.nodes, self.receipts, self.stale = nodes, receipts, stale
        self.root = nodes[-1]
        self.owing: dict[int, list[TraceEdge]] = {node.id: [] for node in nodes}
        self.owed: dict[int, list[TraceEdge]] = {node.id: [] for node in nodes}
        for debt in debts:
            self.owing[debt.consumer].append(debt)
        for debt in (debt for node in settling for debt in self.owing[node]):
            self.owed[debt.parent].append(debt)
        self.scopes = [node.scope for node in nodes]
        self.settling = self._settling_by_scope(settling)
        self.left = {
            debt.id: len(owed) - place
            for owed in self.owed.values()
            for place, debt in enumerate(owed, 1)
        }

    def steps(self) -> Iterator[Step]:
        """All steps, numbered."""
        return (Step(i, **told) for i, told in enumerate(self._tell()))

    def _tell(self) -> Iterator[dict[str, Any]]:
        yield from map(self._eval, self._evaluating())
        yield self._seed()
        for node in self.settling:
            if not node.constant:
                yield self._settle(node)
                yield from map(self._pay, self.owing[node.id])

    def _evaluating(self) -> list[TraceNode]:
        """In a graph with scopes all leaves come first, then one scope after the other."""
        if not any(self.scopes):
            return [*self.nodes]
        leaves = [node for node in self.nodes if node.leaf]
        inner = [node.id for node in self.nodes if not node.leaf]
        told = {*inner}
        before = {i: [p.id for p in self.nodes[i].parents if p.id in told] for i in inner}
        ordered = scope_by_scope(inner, self.scopes, before)
        return leaves + [self.nodes[i] for i in ordered]

    def _settling_by_scope(self, settling: Sequence[int]) -> list[TraceNode]:
        """In a graph with scopes one after the other, every creditor paid in the same order still:
        floats added in another order make another sum.
        """
        before: dict[int, set[int]] = {
            i: {debt.consumer for debt in self.owed[i]} for i in settling
        }
        for debts in self.owed.values():
            for first, second in pairwise(dict.fromkeys(debt.consumer for debt in debts)):
                before[second].add(first)
        return [self.nodes[i] for i in scope_by_scope(settling, self.scopes, before)]

    def _eval(self, node: TraceNode) -> dict[str, Any]:
        key = "eval" if not node.leaf else "eval_constant" if node.constant else "eval_leaf"
        # after a step of descent 5 · 3 would be said to give 6, of a leaf that was 2 then
        stale = ["eval_stale"] * (node.id in self.stale)
        values = [self.nodes[operand.id].value for operand in node.parents]
        math = "eval_number" if node.constant and not node.label else key
        words = {
            "node": node.name,
            "value": show(node.value),
            "formula": node.formula,
            "numbers": substitute(node.op, node.custom, values),
        }
        told = said([key, *stale], stale[0] if stale else math, words)
        return {"kind": "eval", "node": node.id, **told}

    def _seed(self) -> dict[str, Any]:
        words = {"node": self.root.name, "amount": show(1.0)}
        moved = {"amount": 1.0, "pile_before": 0.0, "pile_after": 1.0}
        return {"kind": "seed", "node": self.root.id, **moved, **said(["seed"], "seed", words)}

    def _settle(self, node: TraceNode) -> dict[str, Any]:
        heard = self.owed[node.id]
        pile = self.gradient(node)
        whole = sum_of([show(self.receipts[debt.id].amount) for debt in heard])
        total = f"{whole} = {show(pile)}" if len(heard) > 1 else show(pile)
        words = {
            "node": node.name,
            "root": self.root.name,
            "n": str(len(heard)),
            "grad": show(pile),
            "sum": total,
            "kept": total if len(heard) > 1 else f"∂{self.root.name}/∂{node.name} = {total}",
        }
        key = f"settle{'_leaf' if node.leaf else ''}"
        many = "heard_many" if len(heard) > 1 else "heard_one"
        told = said([many, key] if heard else [f"{key}_root"], "settle", words)
        return {"kind": "settle", "node": node.id, "pile_before": pile, "pile_after": pile, **told}

    def _pay(self, debt: TraceEdge) -> dict[str, Any]:
        receipt = self.receipts[debt.id]
        debtor, creditor = self.nodes[debt.consumer], self.nodes[debt.parent]
        words = {
            "root": self.root.name,
            "from": debtor.name,
            "to": creditor.name,
            "debt": show(self.gradient(debtor)),
            "factor": enclosed(show(debt.local)),
            "amount": show(receipt.amount),
            "operand": str(debt.slot + 1),
            "left": str(self.left[debt.id]),
        }
        moved = {
            "amount": receipt.amount,
            "pile_before": receipt.before,
            "pile_after": receipt.after,
        }
        return {"kind": "pay", "edge": debt.id, **moved, **said(self._pay_keys(debt), "pay", words)}

    def _pay_keys(self, debt: TraceEdge) -> list[str]:
        # of x · x both payments go to x: say which operand is meant
        twins = sum(other.parent == debt.parent for other in self.owing[debt.consumer])
        last = "pay_last_of" if self.left[debt.id] == 0 else "pay_first_of"
        return ["pay", *["pay_operand"] * (twins > 1), last]

    def gradient(self, node: TraceNode) -> float:
        """The final pile of a node."""
        heard = self.owed[node.id]
        return self.receipts[heard[-1].id].after if heard else 1.0


def said(keys: Iterable[str], math: str, words: Mapping[str, str]) -> dict[str, Any]:
    """The sentence of these keys in every language, and the line of mathematics."""
    # filled in whole: a sentence put together from words would not survive translation
    told, keys = sentences(), tuple(keys)
    en, zh = ("".join(told[lang][key] for key in keys).format(**words) for lang in ("en", "zh"))
    return {"text": Text(en, zh, keys, math), "math": told["math"][math].format(**words)}


@cache
def sentences() -> dict[str, dict[str, str]]:
    """The sentences that this module and the page fill in: by language, then by key."""
    file = resources.files("autograd.views").joinpath("static", "sentences.json")
    told: dict[str, dict[str, str]] = json.loads(file.read_text("utf-8"))
    return told


# -- JSON ------------------------------------------------------------------------------------------


def as_json(told: dict[str, Any]) -> str:
    """As short as strict JSON can be; half a pair of surrogates is written by its number."""
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def as_records(story: Trace) -> dict[str, Any]:
    """The trace as dicts and lists that JSON can hold."""
    return {
        "root": story.root.id,
        "counts": {
            "edges": len(story.edges),
            "naive_edge_uses": _digits(story.naive_edge_uses),
            "impatient_edge_uses": _digits(story.impatient_edge_uses),
        },
        "nodes": [_node_record(node) for node in story.nodes],
        "edges": [_edge_record(edge) for edge in story.edges],
        "steps": [_step_record(step) for step in story.steps],
        "layers": [_layer_record(layer) for layer in story.layers],
    }


def _digits(count: int) -> str:
    """All digits of a count, of which Python by itself writes no more than 4,300."""
    return str(Decimal(count))


def _node_record(node: TraceNode) -> dict[str, Any]:
    return {**asdict(node), "value": strict(node.value)}


def _edge_record(edge: TraceEdge) -> dict[str, Any]:
    return {
        "id": edge.id,
        "from": edge.consumer,
        "to": edge.parent,
        "slot": edge.slot,
        "local": strict(edge.local),
        "words": edge.words,
        "text": edge.text,
    }


def _layer_record(layer: Layer) -> dict[str, Any]:
    units = [asdict(unit) for unit in layer.units]
    return {"scope": layer.scope, "number": layer.number, "units": units}


def _step_record(step: Step) -> dict[str, Any]:
    about = {"node": step.node} if step.edge is None else {"edge": step.edge}
    moved = {"amount": step.amount, "pile_before": step.pile_before, "pile_after": step.pile_after}
    return {
        "i": step.i,
        "kind": step.kind,
        **about,
        **{key: strict(x) for key, x in moved.items() if x is not None},
        "text": {"en": step.text.en, "zh": step.text.zh},
        "math": step.math,
    }


def strict(x: float) -> float | str:
    """A float as strict JSON can hold it."""
    if isfinite(x):
        return x
    return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
