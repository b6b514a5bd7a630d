"""Modules of JavaScript joined into one script and made small, so that a page weighs little.

What goes: imports and exports, comments, white space, signs that change nothing, and the length of
names that nobody outside could ask for.  A *safe* name is declared in the modules and never stands
where a property, a string or a piece of text does; giving it another name everywhere changes
nothing.  The text is read token by token: strings, templates and regular expressions are tokens of
their own and stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import count, product
from string import ascii_letters

from autograd.views.painter import static


@cache
def joined_modules(*names: str, keep: tuple[str, ...] = ()) -> str:
    """These modules one after the other; the names in ``keep`` are asked for from outside,
    as ``basis`` is by the kernels.
    """
    text = "\n".join(static(f"{name}.js") for name in names)
    text = re.sub(r"^import .*\n|^export |^\s*(//.*|/\*\*.*\*/)\n", "", text, flags=re.MULTILINE)
    text = re.sub(rf"({_QUOTED})|{_LOOSE_SIGN}", lambda found: found[1] or found[2], text)
    text = re.sub(rf"({_QUOTED})|;(?=}})|{_LONE}", lambda found: found[1] or found[2] or "", text)
    return _renamed(text, keep)


def _renamed(text: str, keep: tuple[str, ...]) -> str:
    """The text with every private member and every safe name as short as it can be."""
    private = sorted({*re.findall(r"\.(#\w+)", text)})
    shorter = dict(zip(private, (f"#{name}" for name in _short_names()), strict=False))
    declared = {*re.findall(r"\b(?:const|let|class|function\*?) (\w+)", text)}
    for parameters in re.findall(r"\(([\w,]+)\)(?:=>|\{)|(?<![\w$#])(\w+)(?==>)", text):
        parameters = "".join(parameters)
        declared |= {*parameters.split(",")}
    safe = sorted(
        declared - _exposed(text) - {"basis", *keep}, key=lambda name: (-text.count(name), name)
    )
    shorter |= dict(zip(safe, (f"${name}" for name in _short_names()), strict=False))
    shorter |= {"const": "let", "undefined": "void 0"}

    def rename(found: re.Match[str]) -> str:
        if found[1] and found[1][0] == "`":
            return re.sub(_HOLE, lambda hole: f"${{{_TOKEN.sub(rename, hole[1])}}}", found[1])
        return found[1] or shorter.get(found[0], found[0])

    return _TOKEN.sub(rename, text.replace("return undefined;", "return;"))


def _exposed(text: str) -> set[str]:
    """The words that stand as a property, as a key, or in anything quoted."""
    words: set[str] = set()
    for found in _TOKEN.finditer(text):
        before, after = text[found.start() - 3 : found.start()], text[found.end() : found.end() + 1]
        if found[1]:
            inside = re.sub(_HOLE, "", found[1]) if found[1][0] == "`" else found[1]
            words |= {*re.findall(r"\w+", inside)}
            for hole in re.findall(_HOLE, found[1]) if found[1][0] == "`" else ():
                words |= _exposed(f"   {hole}")
        elif (before[-1:] == "." and before != "...") or (
            before[-1:] in ("{", ",") and after in (":", ",", "}", "=")
        ):
            words.add(found[0])
    return words


def _short_names() -> Iterator[str]:
    for length in count(1):
        yield from map("".join, product(ascii_letters, repeat=length))


_QUOTED = (
    r'"(?:\\.|[^"\\])*"'
    r"|`(?:\\.|\$\{(?:[^`{}]|`[^`]*`|\{[^{}]*\})*\}|[^`\\])*`"
    r"|(?<=[(,=>:\[!&|?{};\s])/(?![/*\s])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/[a-z]*"
)
"""What keeps its white space in JavaScript: strings, templates, regular expressions."""

_LOOSE_SIGN = r"\s*([{}()\[\];,:=<>*/&|?!]+|(?<=[\w)\]] )[+-](?= [\w(\[]))\s*"
"""What needs none around it: every statement ends in a semicolon, so no line end counts."""

_LONE = r"(?<![\w$#])\((\w+)\)(?==>)"
"""A parameter that needs no parentheses."""

_HOLE = r"\$\{((?:[^`{}]|`[^`]*`|\{[^{}]*\})*)\}"
"""What a template leaves open."""

_TOKEN = re.compile(rf"({_QUOTED})|[\w$#]+")
