"""The console command `payback`: type a formula, watch it being paid back.

Each command is a function from a *request* (the evaluated formula and the options) to an exit code.
Whatever the user got wrong is one line on stderr and exit code 2.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

import autograd
from autograd.check import check_grads
from autograd.expression import Expression, ExpressionError, parse, parse_number
from autograd.graph import Path, count_edge_uses, count_paths, edges, paths
from autograd.value import Value
from autograd.views.text import clean, columns, shorten
from autograd.views.words import show

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

OK, DISAGREES, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

ABOUT = "Backpropagation is paying back, once per edge: watch it on a formula of your own."

EXAMPLES = (
    ('payback show "(a+b)*(b+1)" a=2 b=1', "values, every repayment, gradients"),
    ('payback step "(a+b)*(b+1)" a=2 b=1', "the same, step by step in the terminal"),
    ('payback page "(a+b)*(b+1)" a=2 b=1 -o e.html', "the same, as a page to play with"),
    ('payback draw "tanh(w*x+b)" w=-3 x=2 b=7 -o n.svg', "a picture (.svg .png .pdf .dot)"),
    ('payback check "exp(-x**2)/x" x=0.5', "gradients against finite differences"),
    ('payback paths "(a+b)*(b+1)" a=2 b=1', "the naive method: every path, one by one"),
    ('payback show "sigmoid(x)" x=0 --lang zh', "told in Chinese"),
)

COMMANDS = {
    "show": "print values, each repayment, and the gradients",
    "step": "step through the repayment in the terminal",
    "page": "write the repayment as one offline web page",
    "draw": "write a picture of the graph",
    "check": "compare the gradients with finite differences",
    "paths": "list every path and compare the counts",
}

WORDS = {
    "en": {
        "name": "name",
        "formula": "computed as",
        "value": "value",
        "gradient": "gradient",
        "values": "Values",
        "repayment": "Repayment",
        "gradients": "Gradients",
        "constant": "{} is a constant: nobody is owed anything, so nothing is paid back.",
        "written": "wrote {} ({:,} bytes)",
        "input": "input",
        "analytic": "by repayment",
        "numeric": "by differences",
        "error": "error",
        "verdict": "verdict",
        "ok": "ok",
        "wrong": "wrong",
        "evaluations": "Finite differences evaluated the formula {} times; "
        "one backward pass gave every gradient.",
        "path": "path",
        "product": "product of local derivatives",
        "to": "{root} → {leaf}: {count:,} {paths}, gradient {gradient}",
        "one path": "path",
        "many paths": "paths",
        "sum": "sum",
        "hidden": "… {:,} more not shown (--limit raises the limit)",
        "naive": "Walking every path uses edges {:,} times.",
        "repaid": "Paying back uses each of the {:,} edges once.",
    },
    "zh": {
        "name": "名称",
        "formula": "算式",
        "value": "值",
        "gradient": "梯度",
        "values": "各节点的值",
        "repayment": "还款",
        "gradients": "梯度",
        "constant": "{} 是常数：不欠任何人，也就无款可还。",
        "written": "已写入 {}({:,} 字节)",
        "input": "输入",
        "analytic": "还款所得",
        "numeric": "差分所得",
        "error": "误差",
        "verdict": "结论",
        "ok": "一致",
        "wrong": "不符",
        "evaluations": "有限差分把算式算了 {} 遍；反向传播一遍就给出全部梯度。",
        "path": "路径",
        "product": "局部导数之积",
        "to": "{root} → {leaf}:{count:,} {paths},梯度 {gradient}",
        "one path": "条路径",
        "many paths": "条路径",
        "sum": "合计",
        "hidden": "…… 另有 {:,} 条未显示(--limit 可提高上限)",
        "naive": "逐条走遍路径，共用边 {:,} 次。",
        "repaid": "还款时 {:,} 条边各用一次。",
    },
}


class UserError(Exception):
    """One line that says what the user got wrong."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a command works on."""

    expression: Expression
    values: dict[str, float]
    options: argparse.Namespace
    console: Console

    @property
    def words(self) -> dict[str, str]:
        """The sentences of the chosen language."""
        return WORDS[self.options.lang]

    def leaves(self) -> dict[str, Value]:
        """A fresh leaf per name, in the order of the formula."""
        return {name: Value(self.values[name], label=name) for name in self.expression.names}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0, 1 (a check disagrees), 2 (wrong input) or 130 (Ctrl-C)."""
    _open_closed_streams()
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return code
    except UserError as error:
        return _complain(str(error))
    except ExpressionError as error:
        return _complain(str(error), error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return OK
    except OSError as error:
        _discard_output()
        return _complain(f"cannot print: {error.strerror or error}")


def _run(argv: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    asked = _top_parser().parse_args(_protected(argv))
    if asked.command is None:
        _top_parser().print_help()
        return OK
    if asked.command not in COMMANDS:
        raise UserError(_unknown_command(asked.command))
    options = _parser_of(asked.command, asked.lang).parse_intermixed_args(asked.rest)
    if options.expression is None:
        example = f'payback {asked.command} "(a+b)*(b+1)" a=2 b=1'
        raise UserError(f"{asked.command} needs an expression, as in: {example}")
    options.lang = options.asked_lang or "en"
    expression = parse(options.expression.strip())
    values = _values(options.values)
    expression.check_names(values)
    return RUN[options.command](Request(expression, values, options, _console()))


def _unknown_command(word: str) -> str:
    close = get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the commands are {', '.join(COMMANDS)}"
    return f"there is no command {shorten(word)!r}; {hint}"


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
    table = _table(words["name"], words["formula"], words["value"])
    for node in story.nodes:
        if not node.constant:
            table.add_row(node.name, node.formula, show(node.value))
    _print(console, table)
    _heading(console, f"\n{words['repayment']}")
    _print(console, _sentences(story, request.options.lang))
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
    table = _table(words["name"], words["value"], words["gradient"])
    for leaf in leaves:
        table.add_row(f"∂{root.label}/∂{leaf.label}", show(leaf.data), show(leaf.grad))
    return table


def _step(request: Request) -> int:
    autograd.trace(_debtor(request)).play(lang=request.options.lang)
    return OK


def _page(request: Request) -> int:
    options = request.options
    if not options.output.lower().endswith((".html", ".htm")):
        raise UserError(f"a page's file ends in .html; {options.output!r} does not")
    story = autograd.trace(_debtor(request))
    chosen = {"lang": options.asked_lang, "max_nodes": options.max_nodes}
    return _write(request, lambda path: story.to_html(path, **chosen))


def _draw(request: Request) -> int:
    from autograd.views.draw import save

    options = request.options
    root = request.expression.evaluate(request.leaves())
    if root.requires_grad:
        root.backward()
    chosen = {
        "lang": options.lang,
        "rankdir": options.rankdir,
        "theme": options.theme,
        "max_nodes": options.max_nodes,
        "gradients": False if options.no_gradients else None,
    }
    return _write(request, lambda path: save(root, path, **chosen))


def _check(request: Request) -> int:
    _debtor(request)
    words, names = request.words, request.expression.names
    report = check_grads(
        lambda *xs: request.expression.evaluate(dict(zip(names, xs))),
        [request.values[name] for name in names],
    )
    heads = ("input", "value", "analytic", "numeric", "error", "verdict")
    table = _table(*(words[head] for head in heads))
    for name, row in zip(names, report.inputs):
        shown = map(show, (row.value, row.analytic, row.numeric))
        table.add_row(name, *shown, f"{row.error:.1e}", words["ok" if row.ok else "wrong"])
    _print(request.console, table)
    request.console.print(words["evaluations"].format(report.evaluations))
    return OK if report.ok else DISAGREES


def _paths(request: Request) -> int:
    words, console = request.words, request.console
    leaves = request.leaves()
    root = _debtor(request, leaves)
    root.backward()
    for leaf in leaves.values():
        _list_paths(request, root, leaf)
    console.print(words["naive"].format(count_edge_uses(root)))
    console.print(words["repaid"].format(len(edges(root))))
    return OK


def _list_paths(request: Request, root: Value, leaf: Value) -> None:
    words, console = request.words, request.console
    total = count_paths(root, leaf)
    many = words["one path" if total == 1 else "many paths"]
    said = {"root": _name(root), "leaf": leaf.label, "count": total, "paths": many}
    _heading(console, words["to"].format(**said, gradient=show(leaf.grad)))
    table = _table(words["path"], words["product"])
    products = []
    for path in islice(paths(root, leaf), request.options.limit):
        products.append(path.product)
        table.add_row(" → ".join(map(_name, path.nodes)), _product(path))
    if len(products) == total > 1:
        table.add_row(words["sum"], f"{' + '.join(map(show, products))} = {show(leaf.grad)}")
    _print(console, table)
    if len(products) < total:
        console.print(words["hidden"].format(total - len(products)))
    console.print()


def _product(path: Path) -> str:
    factors = " · ".join(show(edge.partial) for edge in path.edges)
    return f"{factors} = {show(path.product)}" if len(path.edges) > 1 else factors


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
        what = "the result depends on no name" if leaves else "the expression has no names"
        problem = f"{what}, so nobody is owed anything"
        raise UserError(f"{problem}; {request.options.command} needs one, as in a+2 a=1")
    return root


def _write(request: Request, write: Callable[[str], object]) -> int:
    path: str = request.options.output
    try:
        write(path)
        size = os.path.getsize(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise UserError(f"cannot write {path}: {why}") from None
    except (ValueError, ImportError) as error:
        said = str(error).replace("max_nodes=", "--max-nodes ").replace("max_nodes", "--max-nodes")
        raise UserError(said) from None
    request.console.print(request.words["written"].format(clean(path, 4096), size))
    return OK


# --- reading the command line --------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; {self.prog} --help shows how")


def _top_parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<7}{what}" for name, what in COMMANDS.items())
    parser = _Parser(
        prog="payback",
        usage="payback [--lang en|zh] COMMAND EXPRESSION name=value …",
        description=f"{ABOUT}\n\ncommands:\n{listed}",
        epilog=_examples(""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"payback {autograd.__version__}")
    parser.add_argument("--lang", choices=("en", "zh"), help="language of what is printed")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _examples(command: str) -> str:
    """The examples of one command, or of all."""
    lines = (f"  {line:<52}{what}" for line, what in EXAMPLES if f"payback {command}" in line)
    return "\n".join(["examples:", *lines])


def _parser_of(command: str, lang: str | None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"payback {command}",
        usage=f"payback {command} [options] EXPRESSION name=value …",
        description=COMMANDS[command],
        epilog=_examples(command),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    example = 'for example "(a+b)*(b+1)"'
    parser.add_argument("expression", metavar="EXPRESSION", nargs="?", help=example)
    parser.add_argument("values", metavar="name=value", nargs="*", help="for example a=2 b=1")
    parser.add_argument("--lang", choices=("en", "zh"), default=lang, dest="asked_lang")
    parser.set_defaults(command=command)
    if command == "page":
        _add_file_options(parser, ".html", 3000)
    if command == "paths":
        limit = "paths listed per input (20)"
        parser.add_argument("--limit", metavar="N", type=_count, default=20, help=limit)
    if command == "draw":
        _add_file_options(parser, ".svg, .png, .pdf or .dot", 300)
        _add_drawing_options(parser)
    return parser


def _add_file_options(parser: argparse.ArgumentParser, kinds: str, most: int) -> None:
    file, limit = f"a {kinds} file", f"largest graph that is written ({most})"
    parser.add_argument("-o", "--output", metavar="FILE", type=_path, required=True, help=file)
    parser.add_argument("--max-nodes", metavar="N", type=_count, default=most, help=limit)


def _add_drawing_options(parser: argparse.ArgumentParser) -> None:
    directions, themes = ("LR", "RL", "TB", "BT"), ("auto", "light", "dark")
    parser.add_argument("--rankdir", choices=directions, default="LR", help="direction (LR)")
    parser.add_argument("--theme", choices=themes, default="auto", help="colours of an SVG (auto)")
    parser.add_argument("--no-gradients", action="store_true", help="leave the gradients out")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{clean(text.strip())!r} is not a count")
    return int(text)


def _path(text: str) -> str:
    return text[1:] if text.startswith(" -") else text  # as it was before _protected


def _protected(argv: list[str]) -> list[str]:
    """Expressions may begin with a minus: after a space argparse does not see an option there."""
    return [f" {word}" if _is_formula(word) else word for word in argv]


def _is_formula(word: str) -> bool:
    """Whether a word that starts with a minus is none of -o, -h, --word and --word=…."""
    option = word in {"-", "-o", "-h", "--"} or re.fullmatch("--[a-z][a-z-]+(=.*)?", word)
    return word.startswith("-") and not option


def _values(assignments: list[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for word in assignments:
        name, value = _assignment(word)
        if name in values:
            raise UserError(f"{name} is given twice")
        values[name] = value
    return values


def _assignment(word: str) -> tuple[str, float]:
    name, equals, text = (part.strip() for part in word.partition("="))
    if not equals or not name.isidentifier():
        hint = "; quote an expression that has spaces" if not equals else ""
        raise UserError(f"{clean(word, 60)!r} is not name=value, as in a=2{hint}")
    try:
        return name, parse_number(text)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None


# --- printing ------------------------------------------------------------------------------------

NARROWEST, NARROWEST_COLUMN = 20, 9
"""Columns of text; a smaller terminal folds the lines itself, which loses nothing."""


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


def _table(*heads: str, header: bool = True) -> Table:
    from rich.table import Table

    gap = (0, 3, 0, 0) if header else (0, 1, 0, 0)
    table = Table(box=None, pad_edge=False, padding=gap, header_style="dim", show_header=header)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _print(console: Console, table: Table) -> None:
    """A table, wide enough to be read; off the terminal without spaces at the ends of lines."""
    width = console.width
    console.width = max(width, NARROWEST_COLUMN * len(table.columns))
    if console.is_terminal:
        console.print(table)
    else:
        with console.capture() as printed:
            console.print(table)
        console.out("\n".join(line.rstrip() for line in printed.get().splitlines()))
    console.width = width


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
