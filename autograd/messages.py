"""What the console says, in English and Chinese: sentences with ``{gaps}``, kept as data.

``messages.json`` holds them by room (``cli``, ``expression``, ``terminal``, ``serve``), language
and key, so that a translator needs to open nothing else; both languages have the same keys.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

LANGUAGES = ("en", "zh")


@cache
def messages(room: str, lang: str) -> Mapping[str, str]:
    """The sentences of a room in one language.

    >>> messages("expression", "en")["empty"]
    'the expression is empty'
    """
    found: Mapping[str, str] = _all()[room][lang]
    return found


@cache
def _all() -> dict[str, dict[str, dict[str, str]]]:
    text = resources.files("autograd").joinpath("messages.json").read_text("utf-8")
    told: dict[str, dict[str, dict[str, str]]] = json.loads(text)
    return told
