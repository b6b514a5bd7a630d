"""Pictures that were looked at and approved: whatever changes in one of them has to be seen again.

They lie in ``approved/``, each a file to open.  Their numbers are exact on every machine, and
places are our own, not Graphviz's, whose versions differ.  After a change that is meant:

    python -m tests.autograd.views.test_approved

writes them anew; look at each before it is committed.
"""

import random
from itertools import chain, count, product
from pathlib import Path

import pytest

import autograd
import nn
from autograd import Value, scope, trace
from autograd.rules import TABLE
from autograd.views.draw import draw, to_svg
from autograd.views.folding import levels
from autograd.views.frames import animation, strip, write_frames
from autograd.views.kernels import kernel
from autograd.views.layout import Block, columns_of
from autograd.views.moment import moment
from autograd.views.painter import paint
from autograd.views.plays import shared_example
from autograd.views.scene import scene, skeleton
from autograd.views.trace import sentences
from autograd.views.wording import LANGUAGES, told
from tests.autograd.views.test_geometry import layered

FOLDER = Path(__file__).parent / "approved"


def model(*sizes, activation="relu"):
    """A network whose numbers are short: quarters, some of them negative."""
    made = nn.MLP(sizes[0], sizes[1:], activation=activation, seed=1)
    for k, parameter in zip(count(1), made.parameters()):
        parameter.data = ((7 * k) % 11 - 4) / 4
    return made


def network():
    x = [Value(0.5), Value(-1.0, label="x₂")]
    target = Value(1.0, label="目标", requires_grad=False)
    return (model(2, 3, 1)(x) - target) ** 2


def wide():
    """Units of one row each, and an input that is a plain number."""
    return autograd.sum(model(2, 8, 2, activation="leaky_relu")([Value(1.0, label="input"), 2.0]))


def tall():
    """More units than a card lists."""
    return model(1, 45, 1)([Value(1.5)])


def batch():
    made = model(2, 2, 1)
    return autograd.mean([(made([Value(a), b]) - a) ** 2 for a, b in ((1.0, 2.0), (0.5, -1.0))])


def recurrent():
    layer = nn.Layer(2, 2, "relu", seed=1, name="step 1")
    for k, parameter in zip(count(1), layer.parameters()):
        parameter.data = ((5 * k) % 7 - 3) / 2
    return autograd.sum(layer(layer([Value(0.5, label="x"), Value(-1.0, label="y")])))


def narrow():
    """Equations wider than what they are about, and weights almost too many to see."""
    return model(90, 1, 1, activation="leaky_relu")([Value(k % 3 - 1.0) for k in range(90)]) * 2


def fan():
    """One input of more units than each has operands: its texts stand where the wires arrive."""
    return model(1, 5, 1)([Value(1.5, label="x")]) * Value(2.0, label="t")


def scopes():
    x, nameless = Value(0.5, label="x"), Value(0.25)
    with scope("left"):
        a = x * x + nameless
    with scope("right <&>"):
        b = a * -2.0
        with scope("inner"):
            b = autograd.maximum(b, x) / 4.0
    made = Value(2.0, (b,), (3.0,), op="mine")
    a.label = "a long label, longer than any card has room for"
    return a * made + float("inf") * x


def at(make, level, part, *, lang="en", theme="light"):
    """A network at a level, after that part of its steps."""
    story = trace(make())
    return paint(
        scene(story, level), moment(story, round(part * len(story.steps))), lang=lang, theme=theme
    )


def sources():
    """What Graphviz is given to lay out, and what users get to change."""
    root = scopes()
    root.backward()
    told = draw(root), draw(root, fold=1, lang="zh", gradients=False, rankdir="TB")
    story = trace(scopes())
    scenes = scene(story), scene(story, gradients=False), scene(story, 1), scene(trace(fan()), 2)
    return "".join(map(skeleton, scenes)) + "".join(picture.source for picture in told)


def places():
    """Where things stand: layers of blocks of any size, and the texts on wires of networks."""
    lines = []
    for seed in range(16):
        blocks, links = layered(random.Random(seed))
        told = columns_of(blocks, links)
        lines += [f"layers {seed}: {told.width:.1f} × {told.height:.1f}"]
        lines += [f"{key} {_numbers(*at)}" for key, at in (told.nodes | told.boxes).items()]
        for name, curve in told.curves.items():
            lines.append(
                f"{name} {_numbers(*chain(*curve.points))} | {_numbers(*curve.label or ())}"
            )
    for many in (30, 31):
        blocks = [Block(f"b{i}", (), 50.0, 20.0) for i in range(many + 1)]
        told = columns_of(blocks, [(f"e{i}", f"b{i}", f"b{many}", 0.0) for i in range(many)])
        lines.append(f"{many} lines to one: {told.width:.1f} × {told.height:.1f}")
    for make in (network, wide, batch, recurrent, fan):
        story = trace(make())
        for level in levels(story):
            lines.append(f"{make.__name__} at {level}")
            for key, pill in scene(story, level).pills.items():
                lines.append(f"{key} {_numbers(*pill.centre, pill.width)}{' hidden' * pill.hidden}")
    return "\n".join(lines) + "\n"


def _numbers(*numbers):
    return " ".join(f"{x:.1f}" for x in numbers)


def ladder():
    x = Value(1.0, label="x")
    for _ in range(8):
        x = x + x
    return x


def words():
    """What the pages of some graphs can say: all keys of the first, of the others what differs."""
    lines, first = [], set()
    makers = (lambda: Value(2.0) * 3, lambda: Value(1.0, label="alone"), ladder, scopes, batch)
    for make, example in product(makers, (None, trace(shared_example()))):
        story = trace(make())
        said = told(story, example)
        assert said["math"] == sentences()["math"]
        wait = said["words"].pop("wait")
        for key, pair in said["words"].items():
            assert pair == [{**sentences()[x], **sentences()["ui"][x]}[key] for x in LANGUAGES]
        keys = " ".join(sorted(first ^ {*said["words"]}))
        first = first or {*said["words"]}
        with_example = " and the example" if example else ""
        lines += [f"{story.expression or story.root.name}{with_example}\n{keys}", *wait, ""]
    return "\n".join(map(str, [*said["picture"], "", *lines]))


def kernels():
    """Every row in JavaScript; in a browser its numbers are held to the engine's."""
    counts = {op: row.arity or 5 for op, row in TABLE.items()}
    return "".join(f"{op}: {kernel(op, operands)}\n" for op, operands in counts.items())


def frames(folder):
    """The index, and the names of the files beside it."""
    index = write_frames(trace(network()), folder, by="unit", lang="en")
    names = sorted(path.name for path in folder.iterdir())
    return index.read_text("utf-8") + "\n".join(names) + "\n"


APPROVED = {
    "network at layers, before the first step.svg": lambda: at(network, 1, 0.0, lang="zh"),
    "network at layers, at the end.svg": lambda: at(network, 1, 1.0),
    "network at units, half repaid.svg": lambda: at(network, 2, 0.7, theme="auto"),
    "network at numbers, half repaid.svg": lambda: at(network, 0, 0.72, theme="dark"),
    "network at numbers, half evaluated.svg": lambda: at(network, 0, 0.3, lang="zh"),
    "wide network at units.svg": lambda: at(wide, 2, 1.0),
    "tall network at layers.svg": lambda: at(tall, 1, 1.0),
    "one input of many units at numbers.svg": lambda: at(fan, 0, 1.0),
    "narrow network at layers.svg": lambda: at(narrow, 1, 1.0),
    "two rows at layers.svg": lambda: at(batch, 1, 0.8),
    "two rows at units.svg": lambda: at(batch, 2, 0.8, lang="zh"),
    "recurrent network at units.svg": lambda: at(recurrent, 2, 1.0),
    "recurrent network at numbers.svg": lambda: at(recurrent, 0, 1.0),
    "network as it stands, folded to fit.svg": lambda: to_svg(tall(), lang="zh", theme="dark"),
    "strip.svg": lambda: strip(trace(network()), (0, 12, 25), per_row=2),
    "animation.svg": lambda: animation(trace(network()), [12, 25], seconds=1.5, lang="zh"),
    "trace of a network.json": lambda: (
        trace(model(2, 1)([Value(0.5), Value(-1.0)])).to_json() + "\n"
    ),
    "trace of scopes.json": lambda: trace(scopes()).to_json() + "\n",
    "sources.dot": sources,
    "kernels.txt": kernels,
    "words.txt": words,
    "places.txt": places,
}


@pytest.mark.parametrize("name", APPROVED)
def test_the_picture_is_the_approved_one(name):
    assert APPROVED[name]() == (FOLDER / name).read_text("utf-8")


def test_the_frames_are_the_approved_ones(tmp_path):
    assert frames(tmp_path / "frames") == (FOLDER / "frames.txt").read_text("utf-8")


def test_there_are_no_others():
    assert {path.name for path in FOLDER.iterdir()} == {*APPROVED, "frames.txt"}


if __name__ == "__main__":
    import tempfile

    FOLDER.mkdir(exist_ok=True)
    for name, make in APPROVED.items():
        (FOLDER / name).write_text(make(), "utf-8")
    with tempfile.TemporaryDirectory() as temporary:
        (FOLDER / "frames.txt").write_text(frames(Path(temporary) / "frames"), "utf-8")
