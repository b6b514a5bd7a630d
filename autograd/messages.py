"""What the console says, in English and Chinese: sentences with ``{gaps}``, kept as data.

``messages.json`` holds them by room (``cli``, ``expression``, ``terminal``, ``serve``), language
and key, so that a translator needs to open nothing else; both languages have the same keys.
"""

import json
from collections.abc import Iterable, Mapping
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


def tell(room: str, lang: str, keys: Iterable[str], words: Mapping[str, object]) -> str:
    """The sentences of these keys, one after the other, with the words in their gaps.

    A tuple among the words is a list of names, joined as the language does it.
    """
    # a list inside a Chinese sentence takes the enumeration comma
    comma = "、" if lang == "zh" else ", "
    joined = {
        name: comma.join(map(str, word)) if isinstance(word, tuple) else word
        for name, word in words.items()
    }
    return "".join(messages(room, lang)[key].format(**joined) for key in keys)


@cache
def _all() -> dict[str, dict[str, dict[str, str]]]:
    text = resources.files("autograd").joinpath("messages.json").read_text("utf-8")
    told: dict[str, dict[str, dict[str, str]]] = json.loads(text)
    return told
