"""The words after `payback`: which commands and options there are, told once.

Reading them, the help, the near misses and the completion of shells all come from the two tables
here.  A formula may begin with a minus, so only what looks like an option of ours is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from typing import Any

from autograd.messages import LANGUAGES, messages, tell
from autograd.validation import short

COMMANDS = ("show", "step", "page", "draw", "check", "paths", "serve")
SHELLS = ("bash", "zsh", "fish")

EXAMPLES = (
    ('payback show "(a+b)*(b+1)" a=2 b=1', "show"),
    ('payback step "(a+b)*(b+1)" a=2 b=1', "step"),
    ('payback step "b = a+a; b+b" a=1 --mode impatient', "impatient"),
    ('payback page "(a+b)*(b+1)" a=2 b=1 -o e.html', "page"),
    ('payback draw "tanh(w*x+b)" w=-3 x=2 b=7 -o n.svg', "draw"),
    ('payback check "exp(-x**2)/x" x=0.5', "check"),
    ('payback paths "(a+b)*(b+1)" a=2 b=1', "paths"),
    ("payback serve", "serve"),
    ('payback show "sigmoid(x)" x=0 --lang zh', "chinese"),
)


class UserError(Exception):
    """One line that says what the user got wrong, in any language: `told`."""

    def __init__(self, *keys: str, **words: object) -> None:
        self.keys, self.words = keys, words
        super().__init__(self.told("en"))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), *self.keys, **self.words), ()

    def told(self, lang: str) -> str:
        """The problem in a language."""
        return tell("cli", lang, self.keys, self.words)


@dataclass(frozen=True, slots=True)
class Option:
    """An option of some commands (of all: none named); without ``takes`` it is a switch."""

    name: str
    takes: str = ""
    commands: tuple[str, ...] = ()
    short: str = ""
    choices: tuple[str, ...] = ()
    default: Any = None
    required: bool = False

    def belongs_to(self, command: str) -> bool:
        """Whether a command (or payback itself: "") knows it."""
        return command in self.commands if self.commands else self.name not in ONLY_AT_THE_TOP


ONLY_AT_THE_TOP = ("--version", "--completion")
OPTIONS = (
    Option("--output", "FILE", ("page", "draw"), short="-o", required=True),
    Option("--max-nodes", "N", ("page",), default=3000),
    Option("--max-nodes", "N", ("draw",), default=300),
    Option("--rankdir", "…", ("draw",), choices=("LR", "RL", "TB", "BT"), default="LR"),
    Option("--theme", "…", ("draw",), choices=("auto", "light", "dark"), default="auto"),
    Option("--no-gradients", "", ("draw",), default=False),
    Option("--limit", "N", ("paths",), default=20),
    Option(
        *("--mode", "…", ("step",)),
        choices=("backprop", "naive", "impatient", "passes"),
        default="backprop",
    ),
    Option("--port", "N", ("serve",), default=8017),
    Option("--lang", "…", choices=LANGUAGES),
    Option("--help", short="-h", default=False),
    Option("--version", commands=("",), default=False),
    Option("--completion", "…", commands=("",), choices=SHELLS),
)


@dataclass(slots=True)
class Asked:
    """A command line as it was understood."""

    command: str = ""
    words: list[str] = field(default_factory=list)
    given: dict[str, str | int] = field(default_factory=dict)

    def option(self, name: str) -> Any:
        """What was given for an option, or its default."""
        known = next(o for o in OPTIONS if o.name == name and o.belongs_to(self.command))
        return self.given.get(name, known.default)


def read(argv: Sequence[str]) -> Asked:
    """Commands, words and options, wherever they stand; UserError for what nobody knows."""
    asked = Asked()
    rest = iter(argv)
    for word in rest:
        if word == "--":
            asked.words += rest
        elif _is_option(word):
            _take_option(asked, word, rest)
        elif not asked.command:
            asked.command = _command(word)
            _check_earlier(asked)
        else:
            asked.words.append(word)
    _check_required(asked)
    return asked


def language(argv: Sequence[str]) -> str:
    """The language in which to complain about the rest of the words."""
    pairs = [*pairwise(argv), *(tuple(word.split("=", 1)) for word in argv if "=" in word)]
    return next((given for name, given in pairs if name == "--lang" and given in LANGUAGES), "en")


def _is_option(word: str) -> bool:
    """-o, -h, --word and --word=…; anything else that starts with a minus is a formula."""
    return word in ("-o", "-h") or re.fullmatch("--[a-z][a-z-]+(=.*)?", word, re.DOTALL) is not None


def _take_option(asked: Asked, word: str, rest: Iterator[str]) -> None:
    name, equals, text = word.partition("=")
    option = _known(name, asked.command)
    if not option.takes:
        if equals:
            raise UserError("takes nothing", option=name)
        asked.given[option.name] = True
        return
    value = text if equals else next(rest, None)
    if value is None:
        raise UserError("takes one", option=name, takes=_possible(option))
    if option.choices and value not in option.choices:
        raise UserError("choice", option=name, choices=option.choices, given=repr(short(value, 30)))
    asked.given[option.name] = _count(name, value) if option.takes == "N" else value


def _known(name: str, command: str) -> Option:
    options = [option for option in OPTIONS if option.belongs_to(command) or not command]
    for option in options:
        if name in (option.name, option.short):
            return option
    close = get_close_matches(name, [option.name for option in options], n=1)
    hint = ("did you mean",) if close else ("how", *(("how of",) * bool(command)), "how end")
    words = {"option": short(name, 30), "guess": close[0] if close else "", "command": command}
    raise UserError("unknown option", *hint, **words)


def _check_earlier(asked: Asked) -> None:
    """Options that stood before the command must be known to it."""
    for name in asked.given:
        _known(name, asked.command)


def _check_required(asked: Asked) -> None:
    needed = [option for option in OPTIONS if option.required and asked.command in option.commands]
    for option in needed:
        if not {option.name, "--help"} & asked.given.keys():
            raise UserError("required", command=asked.command, option=_both(option))


def _command(word: str) -> str:
    if word in COMMANDS:
        return word
    options = [option.name for option in OPTIONS if option.name == f"--{word}"]
    close = options or get_close_matches(word, COMMANDS, n=1)
    words = {"word": repr(short(word, 24)), "guess": close[0] if close else ""}
    key = "did you mean" if close else "commands are"
    raise UserError("no command", key, **words, commands=COMMANDS)


def _count(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise UserError("no count", option=name, given=repr(short(text.strip(), 30)))
    return int(text)


# --- help ----------------------------------------------------------------------------------------


def help_of(command: str, lang: str) -> str:
    """The help of a command, or of payback itself: usage, what it does, options, examples."""
    words = messages("cli", lang)
    lines = [f"{words['usage']}payback {_usage(command, words)}", ""]
    lines += [words[f"command {command}"] if command else words["about"]]
    if not command:
        lines += ["", words["commands"]]
        lines += [f"  {name:<7}{words[f'command {name}']}" for name in COMMANDS]
    shown = [option for option in OPTIONS if option.belongs_to(command)]
    width = max(len(_called(option)) for option in shown) + 2
    lines += ["", words["options"]]
    lines += [f"  {_called(option):<{width}}{_explained(option, words)}" for option in shown]
    lines += ["", words["examples"]]
    aside = max(len(line) for line, _ in EXAMPLES) + 2
    lines += [
        f"  {line:<{aside}}{words[f'example {key}']}"
        for line, key in EXAMPLES
        if f"payback {command}" in line
    ]
    return "\n".join([*lines, *([] if command else ["", words["more"]])])


def _usage(command: str, words: Mapping[str, str]) -> str:
    if not command:
        return words["metavar command"] + " " + words["metavar"]
    needed = [f"{o.short} {o.takes}" for o in OPTIONS if command in o.commands and o.required]
    formula = f"[{words['metavar']}]" if command == "serve" else words["metavar"]
    return " ".join([command, formula, *needed])


def _called(option: Option) -> str:
    return f"{_both(option)} {_possible(option)}".rstrip()


def _both(option: Option) -> str:
    return f"{option.short}, {option.name}" if option.short else option.name


def _possible(option: Option) -> str:
    return "|".join(option.choices) or option.takes


def _explained(option: Option, words: Mapping[str, str]) -> str:
    said = words[f"option {option.name}"]
    if option.default in (None, False):
        return said
    return said + words["default"].format(default=option.default)


# --- completion ----------------------------------------------------------------------------------


def completion(shell: str) -> str:
    """A script for a shell that completes commands, options and their choices."""
    cases = {command: _names(command) for command in COMMANDS}
    if shell == "fish":
        return "\n".join(_fish_lines()) + "\n"
    choices = {name: " ".join(o.choices) for o in OPTIONS if o.choices for name in [o.name]}
    after = "\n".join(
        f'    {name}) COMPREPLY=($(compgen -W "{every}" -- "$word")); return ;;'
        for name, every in choices.items()
    )
    options = "\n".join(f'    {name}) options="{every}" ;;' for name, every in cases.items())
    start = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return f"""{start}_payback() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" options
  case "$before" in
{after}
    -o|--output) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  options="{" ".join([*COMMANDS, *_names("").split()])}"
  case "${{COMP_WORDS[1]}}" in
{options}
  esac
  COMPREPLY=($(compgen -W "$options" -- "$word"))
}}
complete -F _payback payback
"""


def _names(command: str) -> str:
    known = [option for option in OPTIONS if option.belongs_to(command)]
    return " ".join(name for option in known for name in (option.short, option.name) if name)


def _fish_lines() -> Iterator[str]:
    words, top = messages("cli", "en"), "__fish_use_subcommand"
    yield "complete -c payback -f"
    for command in COMMANDS:
        yield f"complete -c payback -n {top} -a {command} -d '{words[f'command {command}']}'"
    for option in OPTIONS:
        within = option.commands if option.commands and "" not in option.commands else ()
        seen = f"-n '__fish_seen_subcommand_from {' '.join(within)}'" if within else ""
        takes = (
            f"-x -a '{' '.join(option.choices)}'" if option.choices else "-r" * bool(option.takes)
        )
        yield " ".join(f"complete -c payback {seen} -l {option.name[2:]} {takes}".split())
