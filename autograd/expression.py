"""Formulas typed by people: a small language, parsed by hand, never by Python.

An *expression* is numbers, names, ``+ - * / **``, comparisons, parentheses, lists and the functions
of the engine.  Before it, results can be given names, to be used more than once: a semicolon
follows each such *definition*.  All is read once into *instructions* for a stack machine, so that
neither reading nor evaluating grows Python's own stack with the length of the text, and nothing
else can be said.

>>> e = parse("(a + b) * (b + 1)").evaluate({"a": 2, "b": 1})
>>> e.backward()
>>> e, [leaf.label for leaf in e.parents]
(Value(6.0, label='e', op='mul', grad=1.0), ['c', 'd'])
>>> parse("b = a + a; b + b").evaluate({"a": 1})
Value(4.0, label='c', op='add', grad=0.0)
"""

from __future__ import annotations

import operator
import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import count
from math import isinf
from typing import Any

from autograd import functions
from autograd.backward import topological_order
from autograd.messages import tell
from autograd.rules import TABLE
from autograd.validation import plain, short
from autograd.value import Value

LONGEST = 10_000
DEEPEST = 100  # of brackets: each takes frames of Python, which has a thousand

Shape = int | None
"""None for one number, n for a list of n numbers."""


class ExpressionError(ValueError):
    """What is wrong with an expression, and where: `column` counts from 0, None if nowhere.

    ``keys`` and ``words`` say it in any language (`told`); as text it is English.
    """

    def __init__(
        self, keys: Sequence[str], text: str = "", column: int | None = None, **words: Any
    ) -> None:
        self.keys, self.text, self.column, self.words = tuple(keys), text, column, words
        super().__init__(self.told("en"))

    def told(self, lang: str) -> str:
        """The problem in a language."""
        place = () if self.column is None else ("column",)
        words = {**self.words, "column": (self.column or 0) + 1}
        return tell("expression", lang, (*self.keys, *place), words)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.keys, self.text, self.column, self.words)


def _unpickled(
    keys: Sequence[str], text: str, column: int | None, words: Mapping[str, Any]
) -> ExpressionError:
    return ExpressionError(keys, text, column, **words)


@dataclass(frozen=True, slots=True)
class Instruction:
    """Replace the top `takes` of the stack by what `run` makes of them."""

    takes: int
    run: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Definition:
    """Give the top of the stack a name, and take it off."""

    name: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A formula that was understood: its text, and the names it wants values for, as first met."""

    text: str
    names: tuple[str, ...]
    instructions: tuple[Instruction | Definition | str, ...]

    def evaluate(self, values: Mapping[str, Value | float]) -> Value:
        """The root of the formula's graph; numbers become leaves labelled with their names.

        Results without a label get one: the letters after those of the leaves (a, b, then c, d, e),
        or v1, v2, … .  ExpressionError when a name has no value or a value no name.
        """
        self.check_names(values)
        leaves = {name: _leaf(name, value) for name, value in values.items()}
        root = self._run(leaves)
        defined = (step.name for step in self.instructions if isinstance(step, Definition))
        _label_results(root, [*self.names, *defined])
        return root

    def check_names(self, given: Iterable[str]) -> None:
        """ExpressionError unless exactly the names of the expression are given."""
        known = dict.fromkeys(self.names)
        given = dict.fromkeys(given)
        missing = [name for name in known if name not in given]
        unused = [name for name in given if name not in known]
        if missing:
            near = _nearest(missing[0], unused)
            raise ExpressionError(
                ["missing", *["given was"] * bool(near)],
                names=_listed(missing),
                given=near,
                values=" ".join(f"{plain(name, 30)}=…" for name in missing),
            )
        if unused:
            key = "unused" if known else "no names"
            raise ExpressionError([key], names=_listed(unused), known=_listed(self.names))

    def _run(self, leaves: Mapping[str, Value]) -> Value:
        stack: list[Any] = []
        known: dict[str, Any] = dict(leaves)
        for step in self.instructions:
            if isinstance(step, str):
                stack.append(known[step])
            elif isinstance(step, Definition):
                known[step.name] = result = stack.pop()
                if isinstance(result, Value) and not any(result is x for x in leaves.values()):
                    result.label = result.label or step.name
            else:
                start = len(stack) - step.takes
                stack[start:] = [step.run(*stack[start:])]
        (root,) = stack
        assert isinstance(root, Value)
        return root


def parse(text: str) -> Expression:
    """Read an expression; ExpressionError, pointing at the place, for whatever is none."""
    if len(text) > LONGEST:
        raise ExpressionError(["long"], n=f"{len(text):,}", most=f"{LONGEST:,}")
    parser = _Parser(text)
    parser.whole()
    return Expression(text, tuple(parser.names), tuple(parser.instructions))


def parse_number(text: str) -> float:
    """A number as typed: 2, -0.5, 1e-3, inf, nan. ValueError for anything else or too large."""
    try:
        value = float(text)
    except ValueError:
        comma = "," in text and text.replace(",", "", 1).replace(".", "", 1).lstrip("+-").isdigit()
        hint = ["decimal point"] if comma else []
        raise ExpressionError(["no number", *hint], word=_quoted(text)) from None
    if isinf(value) and "inf" not in text.lower():
        raise ExpressionError(["too large", "write inf"], word=_quoted(text))
    if value == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0]):
        raise ExpressionError(["too small"], word=_quoted(text))
    return value


def parse_values(words: Iterable[str]) -> dict[str, float]:
    """Numbers by name from ``name=number`` words; ExpressionError for anything else.

    >>> parse_values(["a=2", "b=-0.5"])
    {'a': 2.0, 'b': -0.5}
    """
    values: dict[str, float] = {}
    for word in filter(None, words):
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not name.isidentifier():
            keys = ["no assignment", *["quote spaces"] * (not equals)]
            raise ExpressionError(keys, word=repr(short(word, 60)))
        if name in values:
            raise ExpressionError(["given twice"], name=plain(name, 30))
        try:
            values[name] = parse_number(text)
        except ExpressionError as error:
            raise ExpressionError(
                ["of", *error.keys], name=plain(name, 30), **error.words
            ) from None
    return values


# --- words ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Token:
    """One word of the text; `kind` is "number", "name", "sign" or "end"."""

    kind: str
    text: str
    column: int


_WORD = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|<=|>=|[-+*/()\[\],<>])"
)

_MEANT = {
    "^": "**", "×": "*", "·": "*", "✕": "*", "÷": "/", "−": "-", "（": "(", "）": ")", "，": ",",
    "＋": "+", "－": "-", "＊": "*", "／": "/", "【": "[", "】": "]", "≤": "<=", "≥": ">=",
    "；": ";",
}  # fmt: skip

_NAMED = re.compile(r"\s*(?P<name>[^\W\d]\w*)\s*=(?!=)")
"""How a definition begins."""


def _tokens(text: str, position: int, end: int) -> Iterator[Token]:
    """The words from a place of the text to another."""
    while position < end:
        found = _WORD.match(text, position, end)
        if found is None:
            raise _unexpected(text, position)
        kind = str(found.lastgroup)
        if kind == "name" and not found.group().isidentifier():
            odd = next(i for i in range(len(text)) if not found.group()[: i + 1].isidentifier())
            raise _unexpected(text, position + odd)
        if kind != "space":
            yield Token(kind, found.group(), position)
        position = found.end()
    yield Token("end", "", end)


def _unexpected(text: str, position: int) -> ExpressionError:
    char = text[position]
    hint = ["write"] if char in _MEANT else ["one equals"] if char == "=" else []
    keys = ["no meaning", *hint]
    return ExpressionError(keys, text, position, char=repr(char), meant=_MEANT.get(char))


# --- functions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Function:
    """What the parser knows of a function: how many arguments, and whether they may be lists."""

    run: Callable[..., Any]
    fewest: int
    most: int | None
    lists: bool = False
    gives_list: bool = False


def _function(name: str) -> Function:
    row = TABLE.get(name)
    run = getattr(functions, name)
    if row is None or row.variadic:
        return Function(run, 1, None, lists=True, gives_list=row is None)
    return Function(run, len(row.domain) - len(row.defaults), len(row.domain))


def _take(values: list[Value], index: Value) -> Value:
    try:
        return functions.take(values, index)
    except IndexError:
        raise ExpressionError(["take index"], n=len(values), i=f"{index.data:g}") from None


FUNCTIONS: dict[str, Function] = {
    **{name: _function(name) for name in functions.NAMES if name not in {"affine", "dot"}},
    "abs": _function("absolute"),
    "dot": Function(functions.dot, 2, 3, lists=True),
    "take": Function(_take, 2, 2, lists=True),
}

_MEANT_FUNCTIONS = {
    "max": "maximum", "min": "minimum", "ln": "log", "asin": "arcsin", "acos": "arccos",
    "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "clamp": "clip", "logsigmoid": "log_sigmoid", "sgn": "sign",
    "logistic": "sigmoid", "swish": "silu", "pow": "**", "avg": "mean",
}  # fmt: skip

_BINARY: dict[str, tuple[int, Callable[[Value, Value], Value]]] = {
    "<": (1, functions.less),
    "<=": (1, functions.less_equal),
    ">": (1, lambda a, b: functions.less(b, a)),
    ">=": (1, lambda a, b: functions.less_equal(b, a)),
    "+": (2, operator.add),
    "-": (2, operator.sub),
    "*": (3, operator.mul),
    "/": (3, operator.truediv),
    "**": (5, operator.pow),
}
_COMPARISON, _UNARY, _POWER = 1, 4, 5


# --- sentences -----------------------------------------------------------------------------------


class _Parser:
    """Precedence climbing: emits instructions while reading, operands before their operator."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.position = 0
        self.depth = 0
        self.names: dict[str, None] = {}
        self.defined: dict[str, Shape] = {}
        self.unused: dict[str, Token] = {}
        self.instructions: list[Instruction | Definition | str] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def whole(self) -> None:
        """Definitions, each up to its semicolon, and what is asked for."""
        if not self.text.strip():
            raise ExpressionError(["empty"])
        begin = 0
        while (end := self.text.find(";", begin)) >= 0:
            self.definition(begin, end)
            begin = end + 1
        if begin and _NAMED.match(self.text, begin):
            name = self.definition(begin, len(self.text))
            shape = self.name(Token("name", name, begin))
        else:
            shape = self.part(begin, len(self.text))
        if shape is not None:
            raise self.wrong("gives list", self.tokens[0], n=shape)
        for name, token in self.unused.items():
            raise self.wrong("never used", token, name=plain(name, 30))

    def definition(self, begin: int, end: int) -> str:
        """A name for what stands in a part of the text."""
        named = _NAMED.match(self.text, begin, end)
        if named is None:
            raise self.wrong("no definition", Token("end", "", begin))
        token = Token("name", named["name"], named.start("name"))
        name = token.text
        shape = self.part(named.end(), end)
        key = (
            "is function" if name in FUNCTIONS
            else "named twice" if name in self.defined
            else "named late" if name in self.names
            else ""
        )  # fmt: skip
        if key:
            raise self.wrong(key, token, name=plain(name, 30))
        self.defined[name], self.unused[name] = shape, token
        self.instructions.append(Definition(name))
        return name

    def part(self, begin: int, end: int) -> Shape:
        """An expression that fills a part of the text."""
        self.tokens, self.position = list(_tokens(self.text, begin, end)), 0
        shape = self.expression()
        if self.token.kind != "end":
            raise self.wrong("operator missing", word=_quoted(self.token.text))
        return shape

    def expression(self, weakest: int = 0) -> Shape:
        """Everything from here on that binds tighter than `weakest`."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong("deep", most=DEEPEST)
        start = self.token
        shape = self.operand()
        while self.token.text in _BINARY and _BINARY[self.token.text][0] > weakest:
            self.one_number(shape, start)
            strength = self.binary()
            # a < b < c is true of 3 < 2 < 1 if read from the left, and means a chain in Python
            if strength == _COMPARISON and self.token.text in _BINARY:
                raise self.wrong("chain")
        self.depth -= 1
        return shape

    def binary(self) -> int:
        """An operator and its right operand."""
        sign = self.advance().text
        strength, run = _BINARY[sign]
        start = self.token
        # the exponent may have a sign, 2**-x, and is a power first: 2**3**2 is 2**(3**2)
        self.one_number(self.expression(_UNARY - 1 if strength == _POWER else strength), start)
        self.emit(2, run)
        return strength

    def operand(self) -> Shape:
        token = self.advance()
        if token.kind == "number":
            return self.number(token)
        if token.kind == "name":
            return self.call(token) if self.token.text == "(" else self.index(self.name(token))
        if token.text in {"-", "+"}:
            start = self.token
            self.one_number(self.expression(_UNARY), start)
            self.emit(1, operator.neg if token.text == "-" else operator.pos)
            return None
        if token.text == "(":
            shape = self.expression()
            self.expect(")", token)
        elif token.text == "[":
            shape = self.list_of(token)
        else:
            raise self.missing_operand(token)
        return self.index(shape)

    def number(self, token: Token) -> Shape:
        following = self.token
        if following.kind == "name" and following.column == token.column + len(token.text):
            word = _quoted(token.text + following.text)
            raise self.wrong("no number product", token, word=word)
        try:
            value = parse_number(token.text)
        except ExpressionError as error:
            # inf is no number in a formula: it would be a name
            keys = ["name inf" if key == "write inf" else key for key in error.keys]
            raise self.wrong(keys, token, **error.words) from None
        self.emit(0, lambda: Value(value, requires_grad=False))
        return None

    def name(self, token: Token) -> Shape:
        if token.text in FUNCTIONS:
            raise self.wrong("is function", token, name=token.text)
        self.instructions.append(token.text)
        if token.text in self.defined:
            self.unused.pop(token.text, None)
            return self.defined[token.text]
        self.names[token.text] = None
        return None

    def list_of(self, opening: Token) -> Shape:
        shapes = self.arguments("]", opening)
        for start, shape in shapes:
            self.one_number(shape, start)
        self.emit(len(shapes), lambda *items: list(items))
        return len(shapes)

    def call(self, token: Token) -> Shape:
        function = FUNCTIONS.get(token.text)
        if function is None:
            keys, words = _meant(token.text)
            raise self.wrong(["no function", *keys], token, word=_quoted(token.text), **words)
        shapes = self.arguments(")", self.advance())
        self.check_arguments(token, function, shapes)
        self.emit(len(shapes), function.run)
        total = sum(1 if shape is None else shape for _, shape in shapes)
        return self.index(total if function.gives_list else None)

    def check_arguments(
        self, token: Token, function: Function, shapes: list[tuple[Token, Shape]]
    ) -> None:
        given, fewest, most = len(shapes), function.fewest, function.most
        if given < fewest or (most is not None and given > most):
            key = "or more" if most is None else "or" if fewest != most else "exactly"
            key = "exactly one" if key == "exactly" and fewest == 1 else key
            counts = {"fewest": fewest, "most": most, "given": given}
            raise self.wrong(f"takes {key}", token, name=token.text, **counts)
        if token.text == "dot":
            self.check_dot(token, shapes)
        elif token.text == "take":
            self.check_take(token, shapes)
        elif not (function.lists and given == 1):
            for start, shape in shapes:
                self.one_number(shape, start)
        elif shapes[0][1] == 0:
            raise self.wrong("empty list", token, name=token.text)

    def check_dot(self, token: Token, shapes: list[tuple[Token, Shape]]) -> None:
        (_, weights), (_, inputs), *bias = shapes
        if weights is None or inputs is None:
            raise self.wrong("dot lists", token)
        if weights != inputs:
            raise self.wrong("dot lengths", token, w=weights, x=inputs)
        for start, shape in bias:
            self.one_number(shape, start)

    def check_take(self, token: Token, shapes: list[tuple[Token, Shape]]) -> None:
        (_, values), (start, index) = shapes
        if values is None:
            raise self.wrong("take list", token)
        self.one_number(index, start)

    def arguments(self, closing: str, opening: Token) -> list[tuple[Token, Shape]]:
        """Expressions between commas, up to the closing bracket."""
        found: list[tuple[Token, Shape]] = []
        while self.token.text != closing:
            found.append((self.token, self.expression()))
            if self.token.text != ",":
                break
            self.advance()
        self.expect(closing, opening)
        return found

    def index(self, shape: Shape) -> Shape:
        """An index after a list, if one follows."""
        if shape is None or self.token.text != "[":
            return shape
        opening = self.advance()
        which = self.advance()
        indices = [str(i) for i in range(shape)]
        if which.text not in indices:
            key = "indices" if indices else "no elements"
            raise self.wrong(key, which, n=shape, last=shape - 1)
        self.expect("]", opening)
        self.emit(1, operator.itemgetter(int(which.text)))
        return None

    def emit(self, takes: int, run: Callable[..., Any]) -> None:
        self.instructions.append(Instruction(takes, run))

    def advance(self) -> Token:
        token = self.token
        self.position += 1  # beyond the end too: whoever meets it there asks for no other
        return token

    def expect(self, closing: str, opening: Token) -> None:
        if self.token.text == closing:
            self.advance()
        elif self.token.kind == "end":
            raise self.wrong("never closed", opening, sign=repr(opening.text))
        else:
            word = _quoted(self.token.text)
            raise self.wrong("closing missing", sign=repr(closing), word=word)

    def one_number(self, shape: Shape, start: Token) -> None:
        if shape is not None:
            raise self.wrong("one number", start, n=shape)

    def missing_operand(self, token: Token) -> ExpressionError:
        key = "ends" if token.kind == "end" else "stands"
        return self.wrong(key, token, word=_quoted(token.text))

    def wrong(
        self, keys: str | Sequence[str], token: Token | None = None, **words: object
    ) -> ExpressionError:
        keys = [keys] if isinstance(keys, str) else keys
        return ExpressionError(keys, self.text, (token or self.token).column, **words)


def _meant(name: str) -> tuple[list[str], dict[str, object]]:
    """A guess at the function that was meant, as the end of the sentence."""
    if name in _MEANT_FUNCTIONS:
        return ["write"], {"meant": _MEANT_FUNCTIONS[name]}
    if guess := _nearest(name.lower(), FUNCTIONS):
        return ["did you mean"], {"meant": guess}
    return (["product"] if len(name) == 1 else []), {}


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    """Names for a sentence, the middle of many left out."""
    shown = [plain(name, 30) for name in names]
    return tuple(shown if len(shown) <= 12 else [*shown[:8], "…", *shown[-2:]])


def _quoted(word: str) -> str:
    return repr(short(word, 30))


def _nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or nothing."""
    close = get_close_matches(name[:100], list(known), n=1, cutoff=0.7)
    return close[0] if close else ""


# --- names for results ---------------------------------------------------------------------------


def _leaf(name: str, value: Value | float) -> Value:
    return value if isinstance(value, Value) else Value(value, label=name)


def _label_results(root: Value, taken: Iterable[str]) -> None:
    results = [node for node in topological_order(root) if not node.is_leaf and not node.label]
    for node, label in zip(results, _free_labels(len(results), set(taken))):
        node.label = label


def _free_labels(wanted: int, taken: set[str]) -> Iterable[str]:
    """The letters after the last one taken, if they suffice; else v1, v2, …."""
    letters = string.ascii_lowercase
    if taken and all(len(name) == 1 and name in letters for name in taken):
        free = letters[letters.index(max(taken)) + 1 :]
        if len(free) >= wanted:
            return free
    return (name for name in (f"v{i}" for i in count(1)) if name not in taken)
