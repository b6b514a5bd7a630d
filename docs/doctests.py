"""Doctests in docstrings as fenced code, so that Markdown does not take ``>>>`` for quotations."""

import re
from typing import Any

import griffe

_PARAGRAPH = r">>> .*(?:\n(?!\s*\n).+)*"
_DOCTEST = re.compile(rf"^{_PARAGRAPH}(?:\n\n{_PARAGRAPH})*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Fences every doctest that the loader comes across."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = _DOCTEST.sub(r"```python\n\g<0>\n```", obj.docstring.value)
