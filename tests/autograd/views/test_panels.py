"""The panels beside the board in a real browser: at every moment they say what Python says."""

import pytest

from autograd import Value, trace
from autograd.views.plays import impatient, path_by_path, paying_back
from autograd.views.text import typeset
from autograd.views.trace import sentences
from autograd.views.words import show, sum_of

READ = """() => {
    const viewer = document.querySelector(".payback").payback;
    const all = (selector, of) => [...document.querySelectorAll(selector)].map(of);
    const flags = (e) => ["now", "payee", "quiet"].filter((name) => e.classList.contains(name));
    const moments = [...viewer.steps.keys(), viewer.steps.length];
    return moments.map((taken) => {
        viewer.go(taken);
        return {
            rows: all("tr[data-node]", (row) => [row.dataset.state, flags(row).join(" "),
                ...[...row.children].map((cell) => cell.textContent),
                row.querySelector("[data-ask]").hidden, row.querySelector("[data-ask]").title]),
            lines: all(".code li", (li) => [li.children[0].textContent, li.children[1].textContent,
                li.className, li.getAttribute("aria-current") ?? ""]),
            counters: all("[data-counter]", (c) => [c.children[0].textContent,
                c.children[1].textContent, Number.parseFloat(c.querySelector("i").style.width)]),
            place: document.querySelector(".place").textContent,
            slider: viewer.control("slider").getAttribute("aria-valuetext"),
            off: ["first", "back", "forward", "last"].filter((name) =>
                viewer.button(name).getAttribute("aria-disabled") === "true"),
        };
    });
}"""


def several():
    """Leaves with and without names, constants of both kinds, an inner node used twice."""
    a, k = Value(2.0, label="a-1"), Value(-3.0, label="k", requires_grad=False)
    b = a * k - 0.5
    b.label = "b"
    return b * a + b / Value(1e-5)


def counted(n):
    return f"{n:,}".replace(",", "\u202f")


def shown_in(play, taken, lang):
    """What the panels say after so many moves, by Python."""
    story, now, ui = play.story, play.moment(taken), sentences()["ui"][lang]
    move = now.move
    acting = move and story.edges[move.edge].consumer if play.mode == "naive" and move else None
    rows, lines = [], []
    for node in story.nodes:
        i, total = node.id, now.total(node.id)
        final = move and move.kind == "verdict" if play.mode == "impatient" else i in now.settled
        value = show(now.values[i]) if i in now.values else ""
        small = "" if node.leaf else f" = {typeset(node.formula)}"
        small = f" ({ui['constant']})" if node.constant else small
        payee = move and (acting if acting is not None else move.payee)
        flags = ["now"] * (move is not None and i == move.actor)
        flags += ["payee"] * (move is not None and i == payee != move.actor)
        flags += ["quiet"] * node.constant
        of = play.hears.get(i, 0)
        grad = show(total) if final and total is not None else ""
        rows.append([
            now.state_of(i), " ".join(flags), node.name + small, value,
            sum_of([show(x) for x in now.pile(i)]), grad,
            f"{now.heard[i]}/{of}" if of and not node.constant else "",
            not grad, ui["ask"].format(node=node.name),
        ])  # fmt: skip
        if node.leaf and node.constant and not node.label:
            continue
        lit = move is not None and i == (move.actor if acting is None else acting)
        known = typeset(show(now.values[i], 6)) if i in now.values else ""
        lines.append([
            f"{node.name} = {(known or '…') if node.leaf else typeset(node.formula)}",
            "" if node.leaf else known,
            f"lit {'forth' if move.kind == 'eval' else 'back'}" if lit else "",
            "step" if lit else "",
        ])  # fmt: skip
    edges, used = len(story.edges), now.uses.total()
    naive = play.total_uses if play.mode != "backprop" else story.naive_edge_uses
    elsewhere = play.mode != "backprop"
    paid = edges if elsewhere else used
    key = {"naive": "walked", "impatient": "hurried"}.get(play.mode, "naive_uses")
    last = len(play.moves)
    return {
        "rows": rows,
        "lines": lines,
        "counters": [
            [str(paid), " " + ui["pay_total" if elsewhere else "used"].format(edges=edges),
             pytest.approx(100 * paid / edges, rel=1e-4)],
            [counted(used if elsewhere else naive), " " + ui[key].format(all=counted(naive)),
             pytest.approx(100 * used / naive if elsewhere else 100, rel=1e-4)],
        ],
        "place": ui["place"].format(step=taken, steps=last),
        "slider": ui["place"].format(step=taken, steps=last),
        "off": ["first", "back"] * (not taken) + ["forward", "last"] * (taken == last),
    }  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("mode", ["backprop", "naive", "impatient"])
def test_every_moment(opened, mode, lang):
    story = trace(several())
    play = {"backprop": paying_back, "naive": path_by_path, "impatient": impatient}[mode](story)
    tab = opened(story, f"#mode={mode}&lang={lang}&by=edge", reduced_motion="reduce")
    for taken, told in enumerate(tab.evaluate(READ)):
        right = shown_in(play, taken, lang)
        for part, said in right.items():
            assert told[part] == said, (taken, part)


def test_what_happens_stays_in_sight(opened):
    """In the list of lines and in the table, below its heading, forwards and back."""
    x = Value(0.5, label="x")
    for _ in range(60):
        x = x * 1.01
    tab = opened(trace(x), "#by=edge")
    seen = tab.evaluate(
        """async () => {
        const viewer = document.querySelector(".payback").payback;
        const box = (e) => e.getBoundingClientRect();
        const found = [];
        for (const taken of [41, 111, 150, 61, 3]) {
            viewer.go(taken);
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            for (const [list, row] of [[".code", ".code .lit"], [".ledger .scroll", "tr.now"]]) {
                const [outer, inner] = [list, row].map((name) => box(document.querySelector(name)));
                const head = document.querySelector(`${list} thead`);
                const top = head ? box(head).bottom : outer.top;
                found.push([inner.top - top, outer.bottom - inner.bottom]);
            }
        }
        const groups = [...document.querySelectorAll(".ledger tbody, .code ol")];
        for (const group of groups) group.style.contentVisibility = "visible";
        const heights = groups.map((group) =>
            [parseFloat(group.style.containIntrinsicSize.split(" ").at(-1)), box(group).height]);
        return [found, heights];
        }"""
    )
    seen, heights = seen
    assert min(min(pair) for pair in seen) >= -2
    for supposed, high in heights:  # before a browser laid it out, a list is about as long
        assert supposed == pytest.approx(high, rel=0.3)
