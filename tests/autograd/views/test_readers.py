"""What a reader is told who does not see the picture, and formulas, in a real browser.

To a screen reader the graph is a list of nodes, edges and boxes; each says what Python's own
record of the moment says. Formulas are MathML, held to a reading of their own.
"""

import pytest

from autograd import Value, scope, trace
from autograd.views.folding import levels, scopes
from autograd.views.page import MODULES, joined_modules
from autograd.views.painter import picture_words
from autograd.views.plays import impatient, path_by_path, paying_back
from autograd.views.text import typeset
from autograd.views.trace import sentences
from autograd.views.words import show, sum_of
from tests.strategies import nested, shared

ITEMS = """(link) => {
    history.replaceState(null, "", `#${link}`);
    dispatchEvent(new Event("hashchange"));
    const viewer = document.querySelector(".payback").payback;
    const parts = (e) => ["role", "aria-hidden", "aria-label"].map((name) => e.getAttribute(name));
    const told = (group) => ({
        of: ["node", "nodes", "edge", "edges", "box"].map((name) => group.dataset[name] ?? null),
        kind: group.classList[0], told: parts(group),
        titles: [...group.querySelectorAll("title")].map((title) => title.textContent),
        name: group.querySelector(".name")?.textContent,
        doors: [...group.querySelectorAll("[role=button]")].map((door) =>
            ["class", "tabindex", "aria-expanded", "aria-label", "aria-hidden"].map((name) =>
                door.getAttribute(name))),
        seen: [...group.children].map((part) => part.getAttribute("aria-hidden")),
    });
    const last = viewer.steps.length;
    const every = last > 30 ? 7 : 1;
    const found = [];
    for (let taken = 0; taken <= last; taken++) {
        viewer.go(taken);
        const { svg } = viewer.board;
        if (taken % every && taken < last) continue;
        found.push([taken, [parts(svg), ...[...svg.children].map(told)]]);
    }
    return found;
}"""


def counted(what, n, lang):
    words = picture_words(lang)
    return words[what if n == 1 else f"{what}s"].format(n)


class _Told:
    """What is said of the parts of a picture at a moment of a play, by Python."""

    def __init__(self, play, taken, lang):
        self.story, self.now, self.lang = play.story, play.moment(taken), lang
        self.ui, self.mode = sentences()["ui"][lang], play.mode

    def node(self, i):
        node, now, ui = self.story.nodes[i], self.now, self.ui
        known = i in now.values
        parts = [ui["said_value"].format(value=show(now.values[i])) if known else ui["said_idle"]]
        verdict = now.move is not None and now.move.kind == "verdict"
        final = verdict if self.mode == "impatient" else i in now.settled
        total = now.total(i) if final else None
        if total is not None:
            parts.append(ui["said_grad"].format(grad=show(total)))
        elif pile := now.pile(i):
            parts.append(ui["said_pile"].format(pile=sum_of([show(x) for x in pile])))
        if now.heard[i] and total is None:
            parts.append(ui["said_heard"].format(heard=now.heard[i], of=now.hears.get(i, 0)))
        name = f"{node.name} = {node.formula}" if node.formula else node.name
        return typeset(ui["node_said"].format(name=name, state=", ".join(parts)))

    def edge(self, i):
        edge, nodes = self.story.edges[i], self.story.nodes
        text = typeset(edge.text)
        if edge.consumer not in self.now.values:
            text = f"∂{nodes[edge.consumer].name}/∂{nodes[edge.parent].name}"
        return f"{text}, {self.ui['said_paid']}" if self.now.uses[i] else text

    def box(self, name, inside):
        if inside is None:
            return name
        size = counted("node", len(inside.split()), self.lang)
        return f"{picture_words(self.lang)['folded']} {name}: {size}"


def check_item(item, told):
    """One part of the picture: its words, its tooltip, its door."""
    node, nodes, edge, edges, box = item["of"]
    story = told.story
    name = item["name"] if box is None else " / ".join(list(scopes(story))[int(box)])
    if node is not None:
        words = told.node(int(node))
    elif edge is not None:
        words = told.edge(int(edge))
    elif edges is not None:
        words = counted("edge", len(edges.split()), told.lang)
    else:
        words = told.box(name, nodes)
    assert item["told"] == ["listitem", None, words]
    assert item["titles"] == [words]
    if box is None:
        assert item["doors"] == []
    else:
        key, shape = ("open", "card") if nodes else ("fold", None)
        [[kind, *door]] = item["doors"]
        assert shape in (None, kind)
        assert door == ["0", str(not nodes).lower(), told.ui[key].format(scope=name), None]
    assert item["seen"].count("true") >= len(item["seen"]) - 1 - len(item["doors"])


def one_of_each():
    """One node in a scope, one edge in a bundle, a layer that nobody could look into."""
    x, y = Value(-2.0, label="x-1"), Value(0.5)
    with scope("one"):
        z = x * 3.0
    with scope("two"), scope("deep"):
        u = z * y + x
    return u - z / -4.0


@pytest.mark.parametrize("graph", [one_of_each, nested, shared])
def test_the_graph_is_a_list_in_words(opened, graph):
    story = trace(graph())
    ways = (("backprop", "en", paying_back), ("impatient", "en", impatient))
    ways += (("naive", "zh", path_by_path), ("backprop", "zh", paying_back))
    tab = opened(story, reduced_motion="reduce")
    for mode, lang, played in ways:
        play = played(story)
        whole = sentences()["ui"][lang]["graph"]
        whole = whole.format(nodes=len(play.story.nodes), edges=len(play.story.edges))
        folds = [f"level={level}" for level in levels(story)] + ["level=0&boxes=0"]
        for fold in folds if play.story is story else ["level=0"]:
            link = f"mode={mode}&lang={lang}&by=edge&{fold}"
            for taken, [svg, *items] in tab.evaluate(ITEMS, link):
                assert svg == ["list", None, whole]
                told = _Told(play, taken, lang)
                for item in items:
                    if item["kind"] in ("node", "edge", "scope"):
                        check_item(item, told)
                    else:
                        assert item["told"][:2] == [None, "true"]


# -- formulas --------------------------------------------------------------------------------------

SPELL = """(lines) => {
    const short = { mi: "i", mo: "o", mn: "n" };
    const spelled = (e) => short[e.localName] ? short[e.localName] + e.textContent
        : `${e.localName.slice(1)}(${[...e.children].map(spelled).join(" ")})`;
    return lines.map((line) => {
        const math = mathml(...line);
        if (math.namespaceURI !== "http://www.w3.org/1998/Math/MathML") return "no formula";
        return `${math.getAttribute("displaystyle")} ${[...math.children].map(spelled).join(" ")}`;
    });
}"""

WORDS = {
    "minus": "x-1",
    "negative": "-0.5 · -1.5e-07 × (-2)",
    "large": "2e300",
    "differences": "a - 2 -3 b−4 (c) - 5 5-6",
    "names": "X + w₁‚₂₃#4 + 学习率_2 · _k",
    "squares": "sin(x²) · 2³⁴⁵⁶⁷⁸⁹",
    "negated": "y⁻¹⁰",
    "enclosed": "a · (b + (c − 1))²",
    "twice": "((a)(b))² + (c)",
    "alone": "²",
    "loose": "a − b)²",
    "special": "∞ ≠ nan",
    "number": 3,
}
FORMULAS = {
    "∂{minus}/∂{large} = {minus}": "frac(row(o∂ ix-1) row(o∂ i2e300)) o= ix o− n1",
    "{number} · ∂{large}/∂{large}": "n3 o· frac(row(o∂ i2e300) row(o∂ i2e300))",
    "2∂{minus}/∂{large}": "n2 o∂ ix o− n1 o/ o∂ n2e300",
    "∂{large}/∂{large}x": "o∂ n2e300 o/ o∂ n2e300 ix",
    "Δ{large} ≈ {number}": "iΔ n2e300 o≈ n3",
    "{negative}": "n−0.5 o· n−1.5e−07 o× o( n−2 o)",
    "{differences}": "ia o− n2 o− n3 ib o− n4 o( ic o) o− n5 n5 o− n6",
    "{names}": "iX o+ iw₁‚₂₃#4 o+ i学习率_2 o· i_k",
    "{squares}": "isin o( sup(ix n2) o) o· sup(n2 n3456789)",
    "{negated}": "sup(iy n−10)",
    "{enclosed}": "ia o· o( ib o+ o( ic o− n1 o) sup(o) n2)",
    "{twice}": "o( o( ia o) o( ib o) sup(o) n2) o+ o( ic o)",
    "{alone}": "sup(row() n2)",
    "{loose}": "ia o− ib sup(o) n2)",
    "{special}": "o∞ o≠ inan",
}
"""What each formula is made of: identifiers, operators, numbers, fractions, powers, rows."""


@pytest.fixture
def formulas(browser):
    """A function that has the page's module set formulas, and spells what it made of them."""
    tab = browser.new_page()
    needed = [name for name in MODULES if name in ("elements", "mathml")]
    tab.add_script_tag(content=joined_modules(*needed, keep=("mathml",)))
    yield lambda lines: tab.evaluate(SPELL, lines)
    tab.close()


def test_formulas_are_set_piece_by_piece(formulas):
    told = formulas([[template, WORDS] for template in FORMULAS])
    assert dict(zip(FORMULAS, told, strict=True)) == {
        template: f"true {spelled}" for template, spelled in FORMULAS.items()
    }
