"""What the site is made of beside its pages, brought together while it is built.

* the demos, executed, with their pictures and live pages (`docs/demos.py`)
* the benchmarks, the list of changes, the functions with their derivatives
* the playground's files: this package and Python's `graphviz` as an archive, and from npm Pyodide
  and a Graphviz in WebAssembly, at the versions in PLAYGROUND

Executed demos are kept in ``.cache/site`` for as long as neither they nor the packages change.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import graphviz
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from autograd.primitive import Primitive
from autograd.rules import TABLE

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "site"
DEMOS = sorted((ROOT / "demos").glob("[0-9][0-9]_*.py"))
CHINESE = sorted((ROOT / "docs/zh").glob("[0-9][0-9]_*.txt"))
PLAYGROUND = {
    "pyodide@314.0.7": (
        "pyodide/pyodide.mjs",
        "pyodide/pyodide.asm.mjs",
        "pyodide/pyodide.asm.wasm",
        "pyodide/python_stdlib.zip",
        "pyodide/pyodide-lock.json",
    ),
    "@hpcc-js/wasm-graphviz@1.29.2": ("@hpcc-js/wasm-graphviz/dist/index.js",),
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the demos into the navigation."""
    learn = [{"The demos": "learn/index.md"}, *({title(d): f"learn/{d.stem}.md"} for d in DEMOS)]
    learn += [{first_line(path): f"learn/{path.stem}.zh.md"} for path in CHINESE]
    config.nav = [{"Learn": learn} if "Learn" in item else item for item in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made rather than written."""
    made: dict[str, str | bytes] = {
        "learn/index.md": index_of_demos(),
        "benchmarks.md": benchmarks(),
        "benchmarks.svg": (ROOT / "tests/benchmarks/results/benchmarks.svg").read_bytes(),
        "changes.md": (ROOT / "CHANGELOG.md").read_text("utf-8"),
        "e.svg": (ROOT / "demos/pictures/e.svg").read_bytes(),
        "playground/payback.zip": archive(),
        **playground(),
    }
    for demo in DEMOS:
        folder = executed(demo)
        for name in folder.glob("page*.md"):
            made[f"learn/{demo.stem}{name.name.removeprefix('page')}"] = page_of(demo, name)
        for path in (folder / "output").rglob("*"):
            if path.suffix in (".svg", ".png", ".html"):
                name = path.relative_to(folder / "output").as_posix()
                made[f"learn/{demo.stem}/{name}"] = path.read_bytes()
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table of primitives where a page asks for it."""
    return markdown.replace("<!-- the functions -->", functions())


# -- the functions ---------------------------------------------------------------------------------


def functions() -> str:
    """Every public row of the table: its call, its derivatives, what holds where they are open."""
    rows = [
        f"| `{call(row)}` | {derivatives(row)} | {remarks(row)} |"
        for row in TABLE.values()
        if row.public
    ]
    return "\n".join(["| function | derivatives | |", "| --- | --- | --- |", *rows])


def call(row: Primitive) -> str:
    """How it is written: ``clip(x, low, high)``, ``sum([x1, …])``."""
    required = len(row.arguments) - len(row.defaults)
    defaults = [""] * required + [f"={number:g}" for number in row.defaults]
    names = [f"[{name}1, …]" if role.endswith("*") else name
             for name, role in zip(row.arguments, row.roles or row.arguments)]  # fmt: skip
    return f"{row.name}({', '.join(name + default for name, default in zip(names, defaults))})"


def derivatives(row: Primitive) -> str:
    """As taught, one for each argument; y is the value."""
    if set(row.taught) == {"0"}:
        return "0"
    if len(row.taught) == 1:
        return f"`{row.taught[0]}`"
    return "<br>".join(f"{name}: `{text}`" for name, text in zip(row.arguments, row.taught))


def remarks(row: Primitive) -> str:
    """The conventions at kinks and poles, and the note on stability."""
    parts = [f"at {numbers(c.at)}: {numbers(c.partials)}" for c in row.conventions]
    text = "; ".join([*parts, *([row.note] if row.note else [])])
    return re.sub(r"[*|]", r"\\\g<0>", text)


def numbers(values: Sequence[float]) -> str:
    """Short, in parentheses where there are several."""
    shown = ", ".join(f"{value:g}" for value in values)
    return f"({shown})" if len(values) > 1 else shown


# -- the demos -------------------------------------------------------------------------------------


def title(demo: Path) -> str:
    """What its first heading says."""
    found = re.search(r"^# # (.*)$", demo.read_text("utf-8"), flags=re.MULTILINE)
    return found[1] if found else demo.stem


def question(demo: Path) -> str:
    """What it asks."""
    text = re.sub(r"^# ?", "", demo.read_text("utf-8"), flags=re.MULTILINE)
    found = re.search(r"\*\*Question\.\*\*\s*(.*?)\n\n", text, flags=re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def index_of_demos() -> str:
    """The reading order, each demo with its question."""
    entries = "\n".join(f"* [{title(d)}]({d.stem}.md)  \n  {question(d)}" for d in DEMOS)
    return (
        "# Learn\n\nEach demo asks a question, shows the naive answer fail, and mends it. They are "
        "scripts in percent cells, run here as they stand: what they print is what you read.\n\n"
        f"{entries}\n"
    )


def executed(demo: Path) -> Path:
    """The folder of a demo that ran as it is now: its page and what it made."""
    folder = CACHE / f"{demo.stem}-{fingerprint(demo)}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
            shutil.copytree(ROOT / "demos/pictures", Path(temporary) / "pictures")
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
            # on a busy machine the threads of SciPy's BLAS wait for each other, for seconds
            environment["OPENBLAS_NUM_THREADS"] = "1"
            subprocess.run(
                [sys.executable, ROOT / "docs/demos.py", demo, temporary],
                env=environment, cwd=ROOT, check=True,
            )  # fmt: skip
            shutil.copytree(temporary, folder)
    return folder


def page_of(demo: Path, page: Path) -> str:
    """A page of the demo, with its files where the site has them."""
    return re.sub(r'(\(|src=")output/', rf"\g<1>{demo.stem}/", page.read_text("utf-8"))


def first_line(path: Path) -> str:
    """The heading of a text."""
    return path.read_text("utf-8").partition("\n")[0].removeprefix("# ")


def fingerprint(demo: Path) -> str:
    """Changes with the demo, the packages, and how pages are made."""
    return hashlib.sha256(demo.read_bytes() + sources()).hexdigest()[:16]


@cache
def sources() -> bytes:
    """A digest of everything that a demo may use."""
    digest = hashlib.sha256()
    for path in [ROOT / "docs/demos.py", *CHINESE, *package_files()]:
        digest.update(path.read_bytes())
    return digest.digest()


# -- benchmarks, the playground --------------------------------------------------------------------


def benchmarks() -> str:
    """All the tables, below the picture."""
    text = (ROOT / "tests/benchmarks/results/benchmarks.md").read_text("utf-8")
    tables = re.sub(r"^# .*\n", "", text, count=1)
    return f"# Benchmarks\n\n![Times of payback and its peers](benchmarks.svg)\n\n{tables}"


def archive() -> bytes:
    """The two packages as they are, and the one of others that pictures are made with, to be
    unpacked in the browser: the same bytes each time.
    """
    graphs = Path(graphviz.__file__).parent
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for root, paths in ((ROOT, package_files()), (graphs.parent, graphs.rglob("*.py"))):
            for path in sorted(paths):
                entry = zipfile.ZipInfo(path.relative_to(root).as_posix())
                file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def package_files() -> list[Path]:
    """Every file of `autograd` and `nn`."""
    found = [*ROOT.glob("autograd/**/*"), *ROOT.glob("nn/**/*")]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def playground() -> dict[str, bytes]:
    """Pyodide and Graphviz, fetched once by npm."""
    folder = CACHE / "npm"
    wanted = [name for names in PLAYGROUND.values() for name in names]
    if not all((folder / "node_modules" / name).exists() for name in wanted):
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("the playground needs npm to fetch Pyodide: install Node.js")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [npm, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts",
             "--loglevel=error", "--prefix", folder, *PLAYGROUND],
            check=True,
        )  # fmt: skip
    return {
        f"playground/{'graphviz.js' if 'graphviz' in name else Path(name).name}": (
            folder / "node_modules" / name
        ).read_bytes()
        for name in wanted
    }


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Say where it is."""
    print(f"python -m http.server --bind 127.0.0.1 --directory {config.site_dir}")
