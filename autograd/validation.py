"""What users give: numbers and names, and what to say when it is something else."""

from collections.abc import Iterable
from numbers import Real

VALUE_TAKES = "Value takes"
"""The taker that has a label, and of which a list can be made."""


def number(data: object, taker: str) -> float:
    """Any real number as a float; TypeError says what was given and what was probably meant."""
    if type(data) is float:
        return data
    if isinstance(data, Real) and not isinstance(data, bool):
        try:
            return float(data)
        except OverflowError:
            raise OverflowError(
                f"{taker} a number in the range of a float, got a larger one"
            ) from None
    raise TypeError(f"{taker} a real number, got {kind(data)}{_advice(data, taker)}")


def text_of(given: object, name: str) -> str:
    """A str as it is; TypeError for anything else."""
    if not isinstance(given, str):
        raise TypeError(f"{name} is a str, got {kind(given)}")
    return given


def is_series(given: object) -> bool:
    """Whether things come one after the other, which those in a set do not."""
    return isinstance(given, Iterable) and not isinstance(given, set | frozenset)


def kind(data: object) -> str:
    """What was given, in a few words: its type and what it looks like."""
    name, text = type(data).__name__, plain(repr(data))
    return text if data is None or text.startswith(name) else f"{name} {text}"


def short(text: str, width: int = 40) -> str:
    """The text, with its end cut off beyond ``width`` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def plain(text: str, width: int = 40) -> str:
    r"""The same without controls and what turns the direction of writing, which are escaped.

    >>> print(plain("a\u061c\n"))
    a\u061c\n
    """
    cut = short(text, width)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)


def named(label: str) -> str:
    """What a message about a node adds: its label, if it has one."""
    return f" (label {short(label)!r})" if label else ""


def _advice(data: object, taker: str) -> str:
    if hasattr(data, "detach") and hasattr(data, "parents"):
        return "; it is a Value already: use it as it is, or .detach() for a constant"
    if isinstance(data, bool) or type(data).__name__ in ("bool_", "bool"):
        return "; did you mean 1.0 or 0.0, or autograd.where?"
    if isinstance(data, str):
        return _advice_on_text(data, taker)
    if isinstance(data, complex):
        return "; did you mean its .real part or abs() of it?"
    if data is None:
        return "; did a function forget to return?"
    if hasattr(data, "__array__") and getattr(data, "ndim", None) == 0:
        return "; did you mean .item() of it?"
    if hasattr(data, "__array__") or isinstance(data, (list, tuple)):
        listed = ".tolist()" if hasattr(data, "tolist") else ""
        if taker == VALUE_TAKES:
            return f"; a Value is one number: did you mean [Value(x) for x in data{listed}]?"
        return f"; did you mean its numbers one by one{listed and f', {listed}'}?"
    if hasattr(data, "__float__"):
        return "; did you mean float() of it?"
    return ""


def _advice_on_text(text: str, taker: str) -> str:
    try:
        float(text)
    except ValueError:
        return "; a name goes into label=" if taker == VALUE_TAKES else ""
    return "; did you mean float() of it?"
