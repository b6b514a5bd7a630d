"""A demo as a page: its words, its code, what each cell prints, and the files that it makes.

Run by ``docs/build.py`` in a process of its own: ``python docs/demos.py DEMO FOLDER``.  The folder
gets ``page.md`` and the demo's pictures and pages, under ``output/``.  Where ``docs/zh`` has its
words in Chinese, one part for each cell of words, divided by ``%%``, there is a ``page.zh.md`` too.
"""

import ast
import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

SHOWN: dict[str, str] = {
    ".svg": "![{name}]({path})",
    ".png": "![{name}]({path})",
    ".html": "[{name}: open the page]({path}){{ .page }}\n\n"
    '<iframe class="story" loading="lazy" title="{name}" src="{path}"></iframe>',
}


def cells(text: str) -> list[tuple[str, str]]:
    """("markdown" or "code", text) of each percent cell."""
    _, *rest = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)
    kinds = ["markdown" if "[markdown]" in title else "code" for title in rest[::2]]
    return [*zip(kinds, rest[1::2], strict=True)]


def chinese(demo: Path) -> list[str]:
    """The demo's words in Chinese, cell by cell; none where nobody has translated them."""
    path = Path(__file__).parent / "zh" / f"{demo.stem}.txt"
    return path.read_text("utf-8").split("%%\n") if path.exists() else []


def words(demo: Path) -> list[str]:
    """The demo's own words, cell by cell."""
    written = [text for kind, text in cells(demo.read_text("utf-8")) if kind == "markdown"]
    return [re.sub(r"^# ?", "", text, flags=re.MULTILINE) for text in written]


def told(demo: Path, folder: Path) -> list[str]:
    """Execute the demo with ``folder`` in the place of its own; its code cells as Markdown, with
    what they print and make (frames in folders aside), and "" for each cell of words.
    """
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(folder / demo.name)}
    pages, seen = [], set[Path]()
    for number, (kind, text) in enumerate(cells(demo.read_text("utf-8"))):
        if kind == "markdown":
            pages.append("")
            continue
        printed = run(text, names, f"{demo.name}, cell {number}")
        printed = printed.replace(f"{folder.as_uri()}/", "")  # which is nowhere for a reader
        parts = [f"```python\n{text.strip()}\n```"]
        if printed.strip():
            parts.append(f'```text title="prints"\n{printed.rstrip()}\n```')
        made = {path for path in (folder / "output").glob("*") if path.suffix in SHOWN}
        parts += [shown(path, folder) for path in sorted(made - seen)]
        seen |= made
        pages.append("\n\n".join(parts))
    return pages


def page(texts: list[str], code: list[str]) -> str:
    """The words between the code."""
    left = iter(texts)
    return "\n\n".join(part or next(left) for part in code) + "\n"


def run(text: str, names: dict[str, Any], where: str) -> str:
    """What a cell prints."""
    tree = ast.parse(text)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        exec(compile(tree, where, "exec"), names)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", printed.getvalue())


def shown(path: Path, folder: Path) -> str:
    """A file that the demo made, as a picture or a page to step through."""
    return SHOWN[path.suffix].format(name=path.stem, path=path.relative_to(folder).as_posix())


if __name__ == "__main__":
    demo, folder = map(Path, sys.argv[1:])
    code = told(demo.resolve(), folder.resolve())
    for name, texts in (("page.md", words(demo)), ("page.zh.md", chinese(demo))):
        if texts:
            (folder / name).write_text(page(texts, code), encoding="utf-8")
