# %% [markdown]
# # 10 Watch it
#
# **Question.** A gradient is one number. How did it come about, and who had to wait for whom?
#
# This demo writes pages that step through a computation: one step per edge, forwards and backwards,
# by keyboard, on a phone or on paper, in English or Chinese. Each is one file that opens from disk.

# %%
import re
from pathlib import Path

import autograd
import nn
from autograd import Trace, Value
from autograd.files import write_atomically
from autograd.views.frames import animation, strip

HERE = Path(__file__).parent if "__file__" in globals() else Path()
OUTPUT = HERE / "output"
OUTPUT.mkdir(exist_ok=True)


# %% [markdown]
# **The naive form: print.** The numbers are there, and tell nothing of the order and the waiting.


# %%
def seed_graph() -> Value:
    """e = (a + b) · (b + 1) at a = 2, b = 1."""
    a, b = Value(2.0, label="a"), Value(1.0, label="b")
    return (a + b) * (b + 1)


e = seed_graph()
e.backward()
for node in autograd.topological_order(e):
    print(f"  {node.label or node.op or node.data:>4} = {node.data}, gradient {node.grad}")

# %% [markdown]
# **The repair: a trace.** Every payment is a step with a sentence, numbers, and a pile it falls on.

# %%
story = autograd.trace(seed_graph())
for step in story.steps:
    print(f"{step.i + 1:2}  {step.text.en}")
story.to_html(OUTPUT / "10_seed.html")
story

# %% [markdown]
# **The failure of the other method.** On a ladder x + x of twenty rungs the leaf walks 2²⁰ paths.
# Press N on the page, and watch the counters.


# %%
def ladder(rungs: int) -> Value:
    """x doubled again and again."""
    x = Value(1.0, label="x0")
    for rung in range(rungs):
        x = x + x
        x.label = f"x{rung + 1}"
    return x


rungs = autograd.trace(ladder(20))
rungs.to_html(OUTPUT / "10_ladder.html")
print(f"{len(rungs.edges)} edges against {rungs.naive_edge_uses:,} edge uses")


# %% [markdown]
# A network: layers fold to a card each; a step can be an edge, a neuron or a layer with its δ.

# %%
model = nn.MLP(2, [3, 1], activation="tanh", seed=1)
loss = nn.squared_error([model([Value(0.5, label="x1"), Value(-1.0, label="x2")])], [1.0])
loss.label = "loss"
layers = autograd.trace(loss)
layers.to_html(OUTPUT / "10_network.html")

# %% [markdown]
# For a page of text, six moments side by side, or one picture that moves; frames for slides.


# %%
def repayment() -> str:
    """The picture in the README: e owes, pays c and d; c and d pay b; b has heard from both."""
    return strip(story, steps=(7, 9, 10, 13, 16, 17), per_row=2)


write_atomically(OUTPUT / "10_repayment.svg", repayment())
write_atomically(OUTPUT / "10_moving.svg", moving := animation(story, [6, *range(7, 18)]))
story.frames(OUTPUT / "10_frames")


# %%
def piles(told: Trace) -> dict[str, float]:
    """What was paid to each node, added up from the steps."""
    paid = {told.root.name: 1.0}
    for step in told.steps:
        if step.edge is not None:
            creditor = told.nodes[told.edges[step.edge].parent].name
            paid[creditor] = paid.get(creditor, 0.0) + step.amount
    return paid


assert piles(story) == {"e": 1.0, "c": 2.0, "d": 3.0, "a": 2.0, "b": 5.0}
assert sum(step.kind == "pay" for step in story.steps) == len(story.edges) == 5
assert story.naive_edge_uses == 6
assert (len(rungs.edges), rungs.naive_edge_uses) == (40, 20 * 2**20)
assert piles(rungs)["x0"] == 2.0**20
for name in ("10_seed.html", "10_ladder.html", "10_network.html"):
    assert not re.search(r"(src|href)=", (OUTPUT / name).read_text("utf-8"))
for name, drawn in (("repayment", repayment()), ("moving", moving)):
    assert (HERE / "pictures" / f"{name}.svg").read_text("utf-8") == drawn
page = (OUTPUT / "10_seed.html").resolve().as_uri()
print(f"Seen: five payments, and b waits for two of them. Open {page} and press →.")
