"""The two READMEs say the same: commands, code, what it prints, pictures, demos in their order.

The reference leaves out no public name.
"""

import re
from pathlib import Path
from types import ModuleType

import pytest

import autograd
import nn
from autograd import Value, affine, compile  # noqa: A004
from autograd.rules import TABLE

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))


def blocks(text: str) -> list[str]:
    """The fenced blocks with a language, without comments: those are translated."""
    found = re.findall(r"^```(?:bash|python)\n.*?^```", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r" +# .*", "", block) for block in found]


def pictures(text: str) -> list[str]:
    return re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)


def demos(text: str) -> list[str]:
    return re.findall(r"^\d+\. \[[^\]]*\]\(([^)]*)\)", text, flags=re.MULTILINE)


def links(text: str) -> list[str]:
    return re.findall(r"\]\((?!https?:)([^)#]*)", text)


@pytest.mark.parametrize("part", [blocks, pictures, demos])
def test_the_chinese_readme_is_kept_up_with_the_english_one(part: object) -> None:
    assert callable(part)
    assert part(CHINESE) == part(ENGLISH)
    assert part(ENGLISH)


def test_every_demo_is_told_once() -> None:
    files = [f"demos/{path.name}" for path in sorted((ROOT / "demos").glob("[0-9][0-9]_*.py"))]
    assert demos(ENGLISH) == files


@pytest.mark.parametrize("package", [autograd, nn], ids=["autograd", "nn"])
def test_the_reference_has_every_public_name(package: ModuleType) -> None:
    pages = [path.read_text("utf-8") for path in (ROOT / "docs/reference").glob("*.md")]
    listed = {name for page in pages for names in re.findall(r"members: \[(.*)\]", page)
              for name in names.split(", ")}  # fmt: skip
    listed |= {
        path.rpartition(".")[2] for page in pages for path in re.findall(r"^::: (.*)", page, re.M)
    }
    listed |= {
        name for name, row in TABLE.items() if row.public
    }  # docs/build.py makes a table of it
    assert set(package.__all__) - listed == set()


@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_links_lead_somewhere(text: str) -> None:
    assert [link for link in links(text) if not (ROOT / link).exists()] == []


def test_demos_in_chinese_have_a_text_for_each_cell_of_words() -> None:
    translated = sorted((ROOT / "docs/zh").glob("*.txt"))
    assert [path.stem[:2] for path in translated] == ["01", "02"]
    for path in translated:
        demo = (ROOT / "demos" / f"{path.stem}.py").read_text("utf-8")
        cells = demo.count("# %% [markdown]")
        assert len(path.read_text("utf-8").split("%%\n")) == cells, path.stem


def test_the_array_program_in_the_docs_is_the_one_that_is_made() -> None:
    pytest.importorskip("numpy")
    weights, biases = [[Value(0.1) for _ in range(3)] for _ in range(2)], [Value(0.5), Value(0.5)]
    inputs = [Value(1.0) for _ in range(3)]
    layer = [z.tanh() for z in affine(weights, inputs, biases)]
    made = compile(autograd.sum([a * a for a in layer]), inputs).arrays
    text = (ROOT / "docs/compiler.md").read_text("utf-8")
    told = re.findall(r"^\d+ .*?(\(\d+, \d+\))(  varying)?", text, re.MULTILINE)
    assert len(told) == 10
    shapes = [str(tuple(shape)) for shape in made.shapes.tolist()]
    assert told == [*zip(shapes, ["  varying" * v for v in made.varying.tolist()])][:10]
