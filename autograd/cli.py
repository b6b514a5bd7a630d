"""The console command `payback`: type a formula, watch it being paid back.

Each command is a function from a *request* (the evaluated formula and the options) to an exit code.
Whatever the user got wrong is one line on stderr and exit code 2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC, EROFS
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any

import autograd
from autograd.arguments import COMMANDS, Asked, UserError, completion, help_of, language
from autograd.arguments import read as read_words
from autograd.differences import Difference, differences
from autograd.expression import Expression, ExpressionError, parse, parse_values
from autograd.graph import Path, count_edge_uses, count_paths, edges, paths, topological_order
from autograd.messages import messages
from autograd.value import Value
from autograd.views.encoding import make_legible
from autograd.views.text import clean, columns, shorten
from autograd.views.words import enclosed, show, sum_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

OK, DISAGREES, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Request:
    """What a command works on."""

    expression: Expression
    values: dict[str, float]
    asked: Asked
    console: Console

    @property
    def lang(self) -> Any:
        """The language of what is printed."""
        return self.asked.option("--lang") or "en"

    @property
    def words(self) -> Any:
        """The sentences of that language."""
        return messages("cli", self.lang)

    def leaves(self) -> dict[str, Value]:
        """A fresh leaf per name, in the order of the formula."""
        return {name: Value(self.values[name], label=name) for name in self.expression.names}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0, 1 (a check disagrees), 2 (wrong input) or 130 (Ctrl-C)."""
    _open_closed_streams()
    words = sys.argv[1:] if argv is None else list(argv)
    lang = language(words)
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except UserError as error:
        return _complain(error.told(lang))
    except ExpressionError as error:
        return _complain(error.told(lang), error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return OK
    except OSError as error:
        _discard_output()
        why = UserError("cannot print", why=_reason(error, lang))
        return _complain(why.told(lang))


def _run(argv: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        make_legible(stream)
    if not hasattr(autograd, "Value"):  # installed over this package, which is half there
        raise UserError("another library", file=autograd.__file__)
    asked = read_words(argv)
    if not asked.command or "--help" in asked.given:
        return _about(asked)
    if asked.command == "serve":
        return _serve(asked)
    if not asked.words:
        raise UserError("needs expression", command=asked.command)
    expression = parse(asked.words[0].strip())
    values = parse_values(asked.words[1:])
    expression.check_names(values)
    return RUN[asked.command](Request(expression, values, asked, _console()))


def _about(asked: Asked) -> int:
    """The version, a completion script or the help, after which the command is over."""
    if asked.words and not asked.command:
        raise UserError("no command", "commands are", word=repr(asked.words[0]), commands=COMMANDS)
    if "--version" in asked.given:
        print(f"payback {autograd.__version__}")
    elif "--completion" in asked.given:
        print(completion(asked.option("--completion")), end="")
    else:
        print(help_of(asked.command, asked.option("--lang") or "en"))
        return OK if not asked.given.keys() & {"--help"} else sys.exit(OK)
    sys.exit(OK)


# --- the commands --------------------------------------------------------------------------------


def _show(request: Request) -> int:
    words, console, leaves = request.words, request.console, request.leaves()
    root = request.expression.evaluate(leaves)
    if not root.requires_grad:
        console.print(show(root.data))
        console.print(words["constant"].format(show(root.data)))
        return OK
    story = autograd.trace(root)
    _heading(console, words["values"])
    table = _table(words["name"], words["formula"], words["value"], numbers=1)
    for node in story.nodes:
        if not node.constant:
            table.add_row(node.name, node.formula, show(node.value))
    _print(console, table)
    _heading(console, f"\n{words['repayment']}")
    _print(console, _sentences(story, request.lang))
    _heading(console, f"\n{words['gradients']}")
    root.backward()
    _print(console, _gradients(request, root, leaves.values()))
    return OK


def _sentences(story: autograd.Trace, lang: str) -> Table:
    """Every repayment, numbered; who only waits and settles is told in a softer voice."""
    table = _table("", "", header=False)
    told = (step for step in story.steps if step.kind != "eval")
    for i, step in enumerate(told, 1):
        style = "dim" if step.kind == "settle" else ""
        table.add_row(f"{i:>3}.", getattr(step.text, lang), style=style)
    return table


def _gradients(request: Request, root: Value, leaves: Iterable[Value]) -> Table:
    words = request.words
    table = _table(words["name"], words["value"], words["gradient"], numbers=2)
    for leaf in leaves:
        table.add_row(f"∂{root.label}/∂{leaf.label}", show(leaf.data), show(leaf.grad))
    return table


def _step(request: Request) -> int:
    mode = request.asked.option("--mode")
    autograd.trace(_debtor(request)).play(lang=request.lang, mode=mode)
    return OK


def _page(request: Request) -> int:
    path = request.asked.option("--output")
    if not path.lower().endswith((".html", ".htm")):
        raise UserError("not html", path=repr(path))
    story = autograd.trace(_debtor(request))
    most = request.asked.option("--max-nodes")
    if len(story.nodes) > most:
        raise UserError("page too large", n=f"{len(story.nodes):,}", most=most)
    lang = request.asked.option("--lang")
    return _write(request, lambda path: story.to_html(path, lang=lang, max_nodes=most))


def _draw(request: Request) -> int:
    from autograd.views.draw import save

    option, most = request.asked.option, request.asked.option("--max-nodes")
    if not option("--output").lower().endswith((".svg", ".png", ".pdf", ".dot")):
        raise UserError("not a picture", path=repr(option("--output")))
    root = request.expression.evaluate(request.leaves())
    if root.requires_grad:
        root.backward()
    if (n := len(topological_order(root))) > most:
        raise UserError("picture too large", n=f"{n:,}", n_plain=n, most=most)
    chosen = {
        "lang": request.lang,
        "rankdir": option("--rankdir"),
        "theme": option("--theme"),
        "max_nodes": most,
        "gradients": False if option("--no-gradients") else None,
    }
    return _write(request, lambda path: save(root, path, **chosen))


def _check(request: Request) -> int:
    words, console, leaves = request.words, request.console, request.leaves()
    found = differences(_debtor(request, leaves), list(leaves.values()))
    heads = ("input", "value", "analytic", "numeric", "error", "verdict")
    table = _table(*(words[head] for head in heads), numbers=5)
    for one in found:
        shown = map(show, (one.leaf.data, one.analytic, one.numeric))
        table.add_row(one.leaf.label, *shown, f"{one.error:.1e}", words[one.verdict])
    _print(console, table)
    console.print(words["evaluations"].format(sum(one.evaluations for one in found)))
    for one in found:
        if one.verdict == "kink":
            console.print(_about_kink(one, words))
        elif one.verdict == "open":
            told = words["about open"].format(name=one.leaf.label, value=show(one.leaf.data))
            console.print(told)
    return DISAGREES if any(one.verdict == "wrong" for one in found) else OK


def _about_kink(one: Difference, words: Any) -> str:
    """Why the differences say something else, and what the engine goes by."""
    left, right = map(show, one.sides)
    key = "about kink" if all(map(isfinite, one.sides)) else "about edge"
    names = sorted({node.op for node in one.kinks})
    return str(
        words[key].format(
            op=", ".join(names), name=one.leaf.label, value=show(one.leaf.data),
            slope=show(one.analytic), left=left, right=right,
        )
    )  # fmt: skip


def _paths(request: Request) -> int:
    words, console = request.words, request.console
    leaves = request.leaves()
    root = _debtor(request, leaves)
    root.backward()
    for leaf in leaves.values():
        _list_paths(request, root, leaf)
    for key, count in (("naive", count_edge_uses(root)), ("repaid", len(edges(root)))):
        console.print(words[f"{key} once" if count == 1 else key].format(count))
    return OK


def _list_paths(request: Request, root: Value, leaf: Value) -> None:
    words, console = request.words, request.console
    total = count_paths(root, leaf)
    many = words["one path" if total == 1 else "many paths"]
    said = {"root": _name(root), "leaf": leaf.label, "count": total, "paths": many}
    _heading(console, words["to"].format(**said, gradient=show(leaf.grad)))
    table = _table(words["path"], words["product"])
    products = []
    for path in islice(paths(root, leaf), request.asked.option("--limit")):
        products.append(path.product)
        table.add_row(_way(path, words), _product(path))
    if len(products) == total > 1:
        table.add_row(words["sum"], f"{sum_of([*map(show, products)])} = {show(leaf.grad)}")
    if total:
        _print(console, table)
    if len(products) < total:
        console.print(words["hidden"].format(total - len(products)))
    console.print()


def _way(path: Path, words: Any) -> str:
    """The nodes on a path; a node that uses its parent twice says by which operand it goes."""
    steps = [_name(path.root)]
    for edge in path.edges:
        twins = edge.consumer.parents.count(edge.parent)
        slot = words["slot"].format(n=edge.slot + 1) if twins > 1 else ""
        steps.append(f"→{slot} {_name(edge.parent)}")
    return " ".join(steps)


def _product(path: Path) -> str:
    product = show(path.product)
    if len(path.edges) < 2:  # none on the way from a leaf to itself
        return product
    first, *others = (show(edge.partial) for edge in path.edges)
    return f"{' · '.join([first, *map(enclosed, others)])} = {product}"


def _name(node: Value) -> str:
    return shorten(node.label) or show(node.data)


RUN: dict[str, Callable[[Request], int]] = {
    "show": _show,
    "step": _step,
    "page": _page,
    "draw": _draw,
    "check": _check,
    "paths": _paths,
}


def _debtor(request: Request, leaves: dict[str, Value] | None = None) -> Value:
    """The evaluated root, if it owes anybody anything."""
    leaves = leaves or request.leaves()
    root = request.expression.evaluate(leaves)
    if not root.requires_grad:
        key = "depends on nothing" if leaves else "has no names"
        raise UserError(key, "nobody is owed", command=request.asked.command)
    return root


def _serve(asked: Asked) -> int:
    """The playground, until Ctrl-C."""
    from autograd.views.serve import Playground, Question

    lang, port = asked.option("--lang"), asked.option("--port")
    if port > 65_535:
        raise UserError("no port", port=port)
    first = Question(lang=lang)
    if asked.words:
        formula, *values = asked.words
        parse(formula.strip()).check_names(parse_values(values))
        first = Question(formula.strip(), " ".join(values), lang)
    words = messages("serve", lang or "en")
    with Playground(first, port, lang or "en") as server:
        if server.moved:
            print(words["busy"].format(port=port, other=server.server_port))
        print(words["at"].format(url=server.url), words["stop"], sep="\n", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
        print(f"\n{words['ended']}")
    return OK


def _write(request: Request, write: Callable[[str], object]) -> int:
    path: str = request.asked.option("--output")
    try:
        write(path)
        size = os.path.getsize(path)
    except OSError as error:
        raise UserError("cannot write", path=path, why=_reason(error, request.lang)) from None
    except ImportError as error:
        key = "needs the extra" if error.name else "as said"
        raise UserError(key, package=error.name, problem=error) from None
    except ValueError as error:
        raise UserError("as said", problem=error) from None
    # what is written through to a device or a pipe has no size afterwards
    key = "written" if os.path.isfile(path) else "written through"
    request.console.print(request.words[key].format(clean(path, 4096), size))
    return OK


def _reason(error: OSError, lang: str) -> str:
    """Why the system refused; in Chinese where we know the words."""
    kinds = {FileNotFoundError: "ENOENT", IsADirectoryError: "EISDIR", PermissionError: "EACCES"}
    numbers: dict[int | None, str] = {ENOSPC: "ENOSPC", EROFS: "EROFS"}
    key = kinds.get(type(error), numbers.get(error.errno))
    if lang != "en" and key is not None:
        return messages("cli", lang)[key]
    return error.strerror or str(error)


# --- printing ------------------------------------------------------------------------------------

NARROWEST, NARROWEST_COLUMN, GAP = 20, 9, 3
"""Columns of text, and between columns of a table; a smaller terminal folds the lines itself, which
loses nothing."""


def _open_closed_streams() -> None:
    """What a caller has closed is None in Python: then nobody listens, and that is all right."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _discard_output() -> None:
    """What could not be printed is not tried again at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console() -> Console:
    """Rich on a terminal; elsewhere plain, and as wide as its lines."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise  # what Rich is handling: main knows what to do

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 1_000_000
    console = Screen(highlight=False, markup=False, emoji=False, width=width)
    console.width = max(console.width, NARROWEST)
    return console


def _heading(console: Console, text: str) -> None:
    console.print(text, style="bold cyan")


def _table(*heads: str, header: bool = True, numbers: int = 0) -> Table:
    """A table to be filled, with so many columns of numbers at its end."""
    from rich.table import Table

    gap = (0, GAP if header else 1, 0, 0)
    table = Table(box=None, pad_edge=False, padding=gap, header_style="dim", show_header=header)
    for i, head in enumerate(heads, numbers - len(heads)):
        table.add_column(head, overflow="fold", min_width=1 if i >= 0 else None)
    return table


def _print(console: Console, table: Table) -> None:
    """A table, wide enough to be read; off the terminal without spaces at the ends of lines.

    Where its numbers do not fit beside one another it is a list: half a number is another number.
    """
    width = console.width
    if not _keep_numbers_whole(table, width):
        console.print(_listed(table))
        return
    console.width = max(width, NARROWEST_COLUMN * len(table.columns))
    if console.is_terminal:
        console.print(table)
    else:
        with console.capture() as printed:
            console.print(table)
        console.out("\n".join(line.rstrip() for line in printed.get().splitlines()))
    console.width = width


def _keep_numbers_whole(table: Table, width: int) -> bool:
    """Give columns of numbers the width of the longest; False where that is more than there is."""
    least = -GAP
    for column in table.columns:
        if column.min_width:
            words = (*str(column.header).split(), *map(str, column.cells))
            column.min_width = max(map(columns, words))
        least += (column.min_width or NARROWEST_COLUMN - GAP) + GAP
    return least <= width or not any(column.min_width for column in table.columns)


def _listed(table: Table) -> str:
    """The rows of a table one after the other, what each number is before it."""
    heads = [str(column.header) for column in table.columns]
    rows = zip(*(column.cells for column in table.columns))
    return "\n\n".join(
        "\n".join(f"{head}{' ' * GAP}{cell}" for head, cell in zip(heads, row) if cell)
        for row in rows
    )


def _complain(problem: str, error: ExpressionError | None = None) -> int:
    """One line; on a terminal, also the place in the expression."""
    with suppress(OSError):
        sys.stderr.write(f"payback: {clean(problem, 400)}\n")
        if error is not None and error.column is not None and sys.stderr.isatty():
            sys.stderr.writelines(_pointed(error.text, error.column))
    return WRONG_INPUT


def _pointed(text: str, column: int) -> Iterator[str]:
    """The expression around a column, and a caret under it."""
    start = max(0, column - 40)
    before, after = clean(text[start:column], 90), clean(text[column : column + 30], 60)
    yield f"  {before}{after}\n"
    yield f"  {' ' * columns(before)}^\n"
