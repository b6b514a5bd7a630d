"""What a picture holds, before anybody decides where it goes.

A *scene* is the graph told as plain records: a *card* per node (or per folded scope), a *wire* per
edge (or per bundle of edges that a fold merged), a *box* per scope that stays open.  Every text in
it is already shortened and cleaned, so that whoever draws needs to know nothing about Values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from autograd.backward import topological_order
from autograd.graph import Edge, edges
from autograd.value import Value
from autograd.views.text import clean as clean
from autograd.views.text import columns as columns
from autograd.views.text import number as number
from autograd.views.text import shorten as shorten

Kind = Literal["leaf", "constant", "operation", "fold"]
Scope = tuple[str, ...]
Fold = int | str | Sequence[str] | None

LINES_PER_NODE = 10
TOOLTIP_COLUMNS = 200

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "data": "data",
        "grad": "grad",
        "leaf": "leaf",
        "constant": "constant",
        "operation": "operation",
        "root": "root",
        "scope": "scope",
        "fold": "folded scope",
        "node": "{} node",
        "nodes": "{} nodes",
        "edges": "{} edges",
        "edge": "{} edge",
        "edge title": "local derivative {} of {} by {} (operand {})",
        "constant title": "constant {}: nothing is paid to it",
        "bundle title": "{} edges from {} to {}",
        "graph": "Graph of {}: {}, {}",
    },
    "zh": {
        "data": "值",
        "grad": "梯度",
        "leaf": "叶",
        "constant": "常数",
        "operation": "运算",
        "root": "根",
        "scope": "作用域",
        "fold": "折叠的作用域",
        "node": "{} 个节点",
        "nodes": "{} 个节点",
        "edges": "{} 条边",
        "edge": "{} 条边",
        "edge title": "局部导数 {}:{} 对 {}(第 {} 个操作数)",
        "constant title": "常数 {}:不向它还款",
        "bundle title": "{} 条边，从 {} 到 {}",
        "graph": "{} 的计算图：{}，{}",
    },
}


@dataclass(frozen=True, slots=True)
class Card:
    """One node of the picture: a Value, or a folded scope standing for its `members`."""

    key: str
    kind: Kind
    root: bool
    title: str
    badge: str
    data: str
    grad: str
    tooltip: str
    scope: Scope
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wire:
    """One line of the picture, drawn from operand to consumer; `members` are edge numbers."""

    key: str
    kind: Literal["edge", "constant", "fold"]
    tail: str
    head: str
    text: str
    tooltip: str
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything one picture shows."""

    title: str
    cards: tuple[Card, ...]
    wires: tuple[Wire, ...]
    boxes: tuple[Scope, ...]
    words: dict[str, str] = field(repr=False)


def scene(
    root: Value,
    *,
    max_nodes: int,
    fold: Fold = None,
    lang: str = "en",
    gradients: bool | None = None,
    names: Sequence[str] | None = None,
) -> Scene:
    """The scene of the graph below `root`; ValueError when it would hold too many nodes.

    `names`, one per node in topological order, are shown instead of the labels.
    """
    words = _words(lang)
    order = topological_order(root)
    labels = [node.label for node in order] if names is None else names
    if len(labels) != len(order):
        raise ValueError(f"names takes one for each of {len(order)} nodes, got {len(labels)}")
    told = dict(zip(order, labels))
    view = _View(root, order, told, _folded(order, fold), words, _show_gradients(order, gradients))
    _check_nodes(view, max_nodes, fold)
    graph_edges = edges(root)
    wires = tuple(_wires(view, graph_edges))
    _check_lines(view, len(wires), max_nodes, fold)
    cards = tuple(_cards(view))
    sizes = _count("node", len(order), words), _count("edge", len(graph_edges), words)
    title = words["graph"].format(view.name(root), *sizes)
    return Scene(title, cards, wires, _boxes(cards), words)


@dataclass(slots=True)
class _View:
    """The graph as one picture sees it: which nodes are hidden in which folded scope."""

    root: Value
    order: list[Value]
    labels: dict[Value, str]
    folded: dict[Value, Scope]
    words: dict[str, str]
    gradients: bool
    number_of: dict[Value, int] = field(init=False)
    fold_keys: dict[Scope, str] = field(init=False)
    inside: dict[Scope, int] = field(init=False)

    def __post_init__(self) -> None:
        self.number_of = {node: i for i, node in enumerate(self.order)}
        self.fold_keys = {s: f"s{i}" for i, s in enumerate(dict.fromkeys(self.folded.values()))}
        self.inside = dict.fromkeys(self.fold_keys, 0)

    def key(self, node: Value) -> str:
        """The card on which a node is found."""
        scope = self.folded.get(node)
        return f"n{self.number_of[node]}" if scope is None else self.fold_keys[scope]

    def name(self, node: Value) -> str:
        """What the picture calls a node."""
        return shorten(self.labels[node]) or (
            f"#{self.number_of[node]}" if node.op else number(node.data)
        )


def _words(lang: str) -> dict[str, str]:
    if lang not in WORDS:
        raise ValueError(f"lang must be one of {', '.join(WORDS)}, not {lang!r}")
    return WORDS[lang]


def _show_gradients(order: list[Value], wanted: bool | None) -> bool:
    """Unless asked, gradients are shown once there are some: before backward() all are zero."""
    return any(_gradient(node) != 0 for node in order) if wanted is None else wanted


def _gradient(node: Value) -> float:
    """As a number: after backward(create_graph=True) it is a Value."""
    return node.grad.data if isinstance(node.grad, Value) else float(node.grad)


# --- folding -------------------------------------------------------------------------------------


def _folded(order: list[Value], fold: Fold) -> dict[Value, Scope]:
    """For each node that a folded scope hides, that (outermost) scope."""
    if fold is None:
        return {}
    if isinstance(fold, int):
        return _folded_at(order, fold)
    if not isinstance(fold, Iterable):
        raise TypeError(f"fold is a depth, a scope's name or several, got {fold!r}")
    return _folded_by_name(order, [fold] if isinstance(fold, str) else list(fold))


def _folded_at(order: list[Value], depth: int) -> dict[Value, Scope]:
    if depth < 1:
        raise ValueError(f"fold counts scope levels from 1 (the outermost), not {depth}")
    return {node: node.scope[:depth] for node in order if len(node.scope) >= depth}


def _folded_by_name(order: list[Value], names: list[str]) -> dict[Value, Scope]:
    known = {name for node in order for path in _prefixes(node.scope) for name in _names_of(path)}
    for name in names:
        if name not in known:
            listed = ", ".join(repr(n) for n in sorted(known)) or "no scope at all"
            raise ValueError(f"no scope {name!r} to fold; this graph has {listed}")
    hits = {node: _first_named(node.scope, names) for node in order}
    return {node: scope for node, scope in hits.items() if scope}


def _first_named(scope: Scope, names: list[str]) -> Scope:
    return next((p for p in _prefixes(scope) if any(n in names for n in _names_of(p))), ())


def _prefixes(scope: Scope) -> Iterator[Scope]:
    return (scope[:depth] for depth in range(1, len(scope) + 1))


def _names_of(path: Scope) -> tuple[str, str]:
    """A scope answers to its own name and to its whole path."""
    return path[-1], "/".join(path)


def _check_nodes(view: _View, max_nodes: int, fold: Fold) -> None:
    count = len({view.key(node) for node in view.order})
    if count > max_nodes:
        ways = f"{_way_to_fold(view.order, fold)}max_nodes={count} draws it all the same"
        raise ValueError(
            f"this picture would have {count:,} nodes, more than max_nodes={max_nodes:,}; {ways}"
        )


def _check_lines(view: _View, count: int, max_nodes: int, fold: Fold) -> None:
    """Graphviz takes minutes for a dense graph however few its nodes."""
    if count > LINES_PER_NODE * max_nodes:
        ways = f"{_way_to_fold(view.order, fold)}max_nodes={count // LINES_PER_NODE + 1}"
        raise ValueError(
            f"this picture would have {count:,} lines, more than {LINES_PER_NODE} for each of "
            f"max_nodes={max_nodes:,}; {ways} draws it all the same, slowly"
        )


def _way_to_fold(order: list[Value], fold: Fold) -> str:
    if fold is not None:
        return ""
    outer = {node.scope[0] for node in order if node.scope}
    if not outer:
        return 'nodes made inside `with scope("…"):` can be folded with fold=1, and '
    folded = len(outer) + sum(not node.scope for node in order)
    return f"fold=1 shows its scopes folded into {folded} nodes, and "


# --- cards ---------------------------------------------------------------------------------------


def _cards(view: _View) -> Iterator[Card]:
    seen: set[str] = set()
    members = _members(view)
    for node in view.order:
        key = view.key(node)
        if key in seen:
            continue
        seen.add(key)
        scope = view.folded.get(node)
        yield _card(view, node) if scope is None else _fold_card(view, scope, members[key])


def _members(view: _View) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for node, i in view.number_of.items():
        found.setdefault(view.key(node), []).append(i)
    return {key: tuple(numbers) for key, numbers in found.items()}


def _card(view: _View, node: Value) -> Card:
    kind = _kind(node)
    title = shorten(_label(view, node)) or ("" if kind == "constant" else shorten(node.op))
    badge = "" if kind == "constant" else _badge(node, title, view.words)
    return Card(
        key=view.key(node),
        kind=kind,
        root=node is view.root,
        title=title,
        badge=badge,
        data=number(node.data),
        grad=number(_gradient(node)) if view.gradients and kind != "constant" else "",
        tooltip=_tooltip(view, node, kind),
        scope=tuple(node.scope),
        members=(view.number_of[node],),
    )


def _label(view: _View, node: Value) -> str:
    """A nameless constant stays so: its number is name enough."""
    return view.labels[node] if node.requires_grad or node.label else ""


def _kind(node: Value) -> Kind:
    if not node.is_leaf:
        return "operation"
    return "leaf" if node.requires_grad else "constant"


def _badge(node: Value, title: str, words: dict[str, str]) -> str:
    """The small word beside the title: how the node was made."""
    if node.is_leaf:
        return words["leaf"]
    made = symbol(node)
    return "" if title in {made, shorten(node.op)} and not node.primitive else made


def symbol(node: Value) -> str:
    """The operation as short as mathematics writes it: `×`, `tanh`, or the user's own name."""
    return node.primitive.symbol if node.primitive else shorten(node.op, 12)


def _tooltip(view: _View, node: Value, kind: Kind) -> str:
    words = view.words
    role = words[kind] + (f", {words['root']}" if node is view.root else "")
    lines = [
        clean(_label(view, node), TOOLTIP_COLUMNS),
        f"{role} {clean(node.op, TOOLTIP_COLUMNS)}".strip(),
        f"{words['data']} {node.data!r}",
        f"{words['grad']} {_gradient(node)!r}" if kind != "constant" and view.gradients else "",
        f"{words['scope']} {clean(' / '.join(node.scope), TOOLTIP_COLUMNS)}" if node.scope else "",
    ]
    return "\n".join(line for line in lines if line)


def _fold_card(view: _View, scope: Scope, members: tuple[int, ...]) -> Card:
    words = view.words
    inside = view.inside[scope]
    size = f"{_count('node', len(members), words)} · {_count('edge', inside, words)}"
    return Card(
        key=view.fold_keys[scope],
        kind="fold",
        root=view.folded.get(view.root) == scope,
        title=shorten(scope[-1]) or words["scope"],
        badge="",
        data=size,
        grad="",
        tooltip=f"{words['fold']} {clean(' / '.join(scope), TOOLTIP_COLUMNS)}\n{size}",
        scope=scope[:-1],
        members=members,
    )


def _count(what: str, count: int, words: dict[str, str]) -> str:
    return words[what if count == 1 else f"{what}s"].format(count)


def _boxes(cards: Sequence[Card]) -> tuple[Scope, ...]:
    """Open scopes, each after those it lies in."""
    return tuple(dict.fromkeys(path for card in cards for path in _prefixes(card.scope)))


# --- wires ---------------------------------------------------------------------------------------


def _wires(view: _View, graph_edges: list[Edge]) -> Iterator[Wire]:
    bundles: dict[tuple[str, str], list[tuple[int, Edge]]] = {}
    for number_, edge in enumerate(graph_edges):
        tail, head = view.key(edge.parent), view.key(edge.consumer)
        if tail == head:
            view.inside[view.folded[edge.parent]] += 1
        elif edge.parent in view.folded or edge.consumer in view.folded:
            bundles.setdefault((tail, head), []).append((number_, edge))
        else:
            yield _wire(view, number_, edge)
    for (tail, head), bundle in bundles.items():
        yield _bundle(view, tail, head, bundle)
    yield from _constant_wires(view)


def _wire(view: _View, number_: int, edge: Edge, kind: Literal["edge", "fold"] = "edge") -> Wire:
    consumer, parent = view.name(edge.consumer), view.name(edge.parent)
    partial = number(edge.partial)
    tooltip = view.words["edge title"].format(repr(edge.partial), consumer, parent, edge.slot + 1)
    return Wire(
        key=f"e{number_}",
        kind=kind,
        tail=view.key(edge.parent),
        head=view.key(edge.consumer),
        text=f"{_derivative(view, edge)} = {partial}",
        tooltip=tooltip,
        members=(number_,),
    )


def _derivative(view: _View, edge: Edge) -> str:
    """`∂e/∂c` where both have short names and the parent is no repeated operand, else `∂`."""
    above, below = clean(view.labels[edge.consumer]), clean(view.labels[edge.parent])
    short = 0 < columns(above) <= 3 and 0 < columns(below) <= 3
    once = sum(parent is edge.parent for parent in edge.consumer.parents) == 1
    return f"∂{above}/∂{below}" if short and once else "∂"


def _bundle(view: _View, tail: str, head: str, bundle: list[tuple[int, Edge]]) -> Wire:
    first_number, first = bundle[0]
    if len(bundle) == 1:
        return _wire(view, first_number, first, kind="fold")
    text = _count("edge", len(bundle), view.words)
    ends = [_end_name(view, first.parent), _end_name(view, first.consumer)]
    return Wire(
        key=f"e{first_number}",
        kind="fold",
        tail=tail,
        head=head,
        text=text,
        tooltip=view.words["bundle title"].format(len(bundle), *ends),
        members=tuple(number_ for number_, _ in bundle),
    )


def _end_name(view: _View, node: Value) -> str:
    scope = view.folded.get(node)
    return view.name(node) if scope is None else shorten(scope[-1])


def _constant_wires(view: _View) -> Iterator[Wire]:
    """Quiet lines from the constants, one per pair of cards, with nothing written on them."""
    pairs: dict[tuple[str, str], Value] = {}
    for node in view.order:
        for parent in node.parents:
            if not parent.requires_grad and view.key(parent) != view.key(node):
                pairs.setdefault((view.key(parent), view.key(node)), parent)
    for i, ((tail, head), parent) in enumerate(pairs.items()):
        tooltip = view.words["constant title"].format(view.name(parent))
        yield Wire(f"c{i}", "constant", tail, head, "", tooltip, ())
