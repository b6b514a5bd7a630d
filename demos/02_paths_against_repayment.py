# %% [markdown]
# # 02 Paths against repayment
#
# **Question.** Walking every path and paying back once per edge give the same derivatives (demo
# 01). On five edges they cost about the same. How do they compare on a graph that shares its
# results?
#
# The *ladder* shares as much as it can: every rung adds the one below to itself.

# %%
from pathlib import Path

import autograd
from autograd import Value
from autograd.graph import count_edge_uses
from autograd.views.plays import impatient

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)


def ladder(rungs: int) -> tuple[Value, Value]:
    """The foot and the top of x_i = x_(i-1) + x_(i-1)."""
    foot = top = Value(1.0, label="x₀")
    for i in range(1, rungs + 1):
        top = top + top
        top.label = f"x{i}".translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
    return foot, top


foot, top = ladder(4)
top.backward()
top.save(OUTPUT / "02_ladder.svg")
top

# %% [markdown]
# **The naive form** takes one edge or the other at every rung: 2 · 2 · 2 · 2 paths, each 4 edges
# long.

# %%
walks = list(autograd.paths(top, foot))
print(f"{len(walks)} paths, {sum(len(path.edges) for path in walks)} edge uses")
assert sum(path.product for path in walks) == foot.grad == 16.0

# %% [markdown]
# **The failure.** Each rung doubles the paths. Counting them is itself a repayment, with 1 on
# every edge, so we can know how many there are without ever walking them.

# %%
print(f"{'rungs':>5} {'edges = payments':>17} {'edge uses of the naive method':>42}")
for rungs in (1, 2, 4, 8, 16, 20, 32, 64, 128):
    foot, top = ladder(rungs)
    print(f"{rungs:>5} {len(autograd.edges(top)):>17,} {count_edge_uses(top):>42,}")

foot, top = ladder(20)
assert len(autograd.edges(top)) == 40
assert count_edge_uses(top) == 20 * 2**20  # each of the 2**20 paths walks 20 edges

# %% [markdown]
# **The repair** is backward(): as many payments as edges, and the 64th rung's gradient at once.

# %%
foot, top = ladder(64)
top.backward()
assert foot.grad == 2.0**64
assert autograd.count_paths(top, foot) == 2**64

# %% [markdown]
# ## Why a node must settle before it pays
#
# "Each edge once" needs patience. In b = a + a, c = b + b, c owes b twice. What if b does not wait?

# %%
a = Value(1.0, label="a")
b = a + a
c = b + b
b.label, c.label = "b", "c"
c.backward()
c.save(OUTPUT / "02_settle.svg")
c


# %%
def pay_pile_at_once(debtor: Value, piles: dict[Value, float]) -> None:
    """Whoever gets something pays on, at once, all they have."""
    for creditor, local in zip(debtor.parents, debtor.partials):
        piles[creditor] = piles.get(creditor, 0.0) + piles[debtor] * local
        pay_pile_at_once(creditor, piles)


def pay_news_at_once(debtor: Value, amount: float, piles: dict[Value, float]) -> int:
    """Whoever gets something pays on, at once, just that. Returns the number of payments."""
    piles[debtor] = piles.get(debtor, 0.0) + amount
    onwards = zip(debtor.parents, debtor.partials)
    return sum(1 + pay_news_at_once(parent, amount * local, piles) for parent, local in onwards)


piles = {c: 1.0}
pay_pile_at_once(c, piles)
hurry = impatient(autograd.trace(c))  # the same, told payment by payment
print(*(move.text.en for move in hurry.moves), sep="\n")
print(f"all they have: ∂c/∂a = {piles[a]} instead of {a.grad}: b paid its first 1 twice")
assert piles[a] == hurry.moment(len(hurry.moves)).total(0) == 6.0 != a.grad

piles = {}
payments = pay_news_at_once(c, 1.0, piles)
print(f"just the news: ∂c/∂a = {piles[a]}, right, but {payments} payments over 4 edges")
assert (piles[a], payments) == (4.0, 6)
print(f"on 16 rungs: {pay_news_at_once(ladder(16)[1], 1.0, {}):,} payments over 32 edges")

# %% [markdown]
# Impatience is either wrong or walks paths again. Waiting until everyone has paid, then paying on
# once, is right and cheap: that is the topological order, and the `settle` step in every trace.

# %%
steps = [step for step in autograd.trace(c).steps if step.kind != "eval"]
print("\n".join(step.text.en for step in steps))
assert [step.kind for step in steps] == "seed settle pay pay settle pay pay settle".split()
assert a.grad == 4.0
print("Seen: impatience is wrong (6 for 4) or dear (2^20 paths); waiting pays 40 edges once each.")
