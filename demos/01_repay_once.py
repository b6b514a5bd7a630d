# %% [markdown]
# # 01 Repay once
#
# **Question.** e = (a + b) · (b + 1) at a = 2, b = 1. How fast does e grow when a grows a little?
# And when b does?
#
# With two intermediate results, c = a + b and d = b + 1, each edge of the graph has a simple
# answer of its own, its *local derivative*: ∂e/∂c = d = 2, ∂e/∂d = c = 3, and 1 for the three
# additions.

# %%
from collections import Counter
from pathlib import Path

import autograd
from autograd import Value

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)

a, b = Value(2.0, label="a"), Value(1.0, label="b")
c, d = a + b, b + 1
e = c * d
c.label, d.label, e.label = "c", "d", "e"
e.save(OUTPUT / "01_before.svg")
e

# %% [markdown]
# **The naive form: every creditor walks.** Read an edge from c to e as "e owes c". To collect, b
# goes to c, is sent on to e, and comes home with the product of what stood on the way; then it
# sets out again by way of d. The derivative is the sum over all paths.


# %%
def collect(creditor: Value) -> float:
    """Walk every path from e to the creditor; add up the products."""
    total = 0.0
    for path in autograd.paths(e, creditor):
        print("  " + " ← ".join(node.label for node in path.nodes), "brings", path.product)
        walked.extend(path.edges)
        total += path.product
    return total


walked: list[autograd.Edge] = []
collected = {"a": collect(a), "b": collect(b)}
print(f"∂e/∂a = {collected['a']}, ∂e/∂b = {collected['b']}")

# %% [markdown]
# **The failure.** It is right, and wasteful: a and b both walked the edge between c and e. Here
# one walk in six was a repeat. In a network, almost all of them are (demo 02).

# %%
edges = autograd.edges(e)
print(f"{len(walked)} walks over {len(edges)} edges")
assert len(walked) == 6
assert len(edges) == 5

# %% [markdown]
# **The repair: the debtor pays.** e starts with a debt of 1. Whoever has heard from everyone who
# owes them adds up their pile and pays it on, multiplied by what stands on each edge. Nobody
# walks twice.


# %%
def repay(root: Value) -> dict[str, float]:
    """The whole algorithm: whoever waits for nobody any more pays each parent once."""
    waits_for = Counter(edge.parent for edge in autograd.edges(root))
    pile, ready = {root: 1.0}, [root]
    for debtor in ready:
        for creditor, local in zip(debtor.parents, debtor.partials):
            if creditor.requires_grad:
                amount = pile[debtor] * local
                pile[creditor] = pile.get(creditor, 0.0) + amount
                print(
                    f"  {debtor.label} pays {creditor.label}: {pile[debtor]} · {local} = {amount}"
                )
                waits_for[creditor] -= 1
                if not waits_for[creditor]:
                    ready.append(creditor)
    return {node.label: amount for node, amount in pile.items()}


piles = repay(e)

# %% [markdown]
# `backward()` does the same. Every node keeps its pile as `.grad`; the picture shows them all.

# %%
e.backward()
e.save(OUTPUT / "01_after.svg")
e.save(OUTPUT / "01_after_zh.svg", lang="zh", rankdir="BT")
e

# %% [markdown]
# And a trace tells it in sentences, in English or Chinese: the same payments in the same order. In
# a notebook it is a page to step through.

# %%
story = autograd.trace(e)
for step in story.steps:
    if step.kind != "eval":
        print(f"  {step.text.en}")

# %%
assert piles == {"e": 1.0, "c": 2.0, "d": 3.0, "a": 2.0, "b": 5.0}
assert {node.label: node.grad for node in (a, b, c, d, e)} == piles
assert collected == {"a": a.grad, "b": b.grad}
assert sum(step.kind == "pay" for step in story.steps) == len(edges)
h = 1e-6
nudged = (2.0 + 1.0 + h) * (1.0 + h + 1)
assert abs((nudged - e.data) / h - b.grad) < 1e-5
print(f"Repaid: a gets {a.grad}, b gets {b.grad}. Pictures in {OUTPUT.name}/.")
