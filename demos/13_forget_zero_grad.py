# %% [markdown]
# # 13 Forget zero_grad
#
# **Question.** Every training loop calls `zero_grad()` before `backward()`. What is it for, and
# what happens to somebody who forgets it?
#
# A leaf keeps what it is paid: a second `backward()` adds to its `.grad`. That is meant, for a
# weight may be paid by several examples. But last step's payments belong to last step's weights.

# %%
from pathlib import Path

import nn
from autograd import Value, trace
from autograd.views.plays import Passes

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)

w = Value(1.0, label="w")
loss = w * w
loss.label = "loss"
for call in (1, 2, 3):
    loss.backward()
    print(f"after backward() number {call}: w.grad = {w.grad}")
assert w.grad == 6.0  # three times the gradient 2w = 2

# %% [markdown]
# **The naive form**: walk down the hill of w², a tenth of the gradient at a time, and forget the
# reset.


# %%
def descend(reset: bool, steps: int = 40, rate: float = 0.1) -> list[float]:
    """Where w is on the way down w², beginning at 1."""
    w = Value(1.0, label="w")
    places = [w.data]
    for _ in range(steps):
        if reset:
            w.grad = 0.0
        (w * w).backward()
        w.data -= rate * w.grad
        places.append(w.data)
    return places


astray, down = descend(reset=False), descend(reset=True)
print("step     ", "".join(f"{k:>8}" for k in range(0, 41, 5)))
print("forgotten", "".join(f"{x:8.3f}" for x in astray[::5]))
print("reset    ", "".join(f"{x:8.3f}" for x in down[::5]))

# %% [markdown]
# **The failure.** `.grad` is the sum over the whole way, so w runs through the valley and up the
# other side, until what it is paid there has made up for it, and back: a swing that never rests.
# The passes of a trace tell it in words.

# %%
passes = Passes(trace(loss))
passes.step(0.1)
passes.again()
passes.step(0.1)
told = [move for move in passes.moves if move.kind in ("again", "step") or "adds" in move.text.en]
print("\n".join(f"  {move.text.en}" for move in told))

# %% [markdown]
# In a network it can look quicker at first, like a ball that rolls; but nothing ever brakes it. It
# looks like a learning rate that is too high, and a lower rate does not help for long.


# %%
def train(reset: bool, epochs: int = 100) -> list[float]:
    """The losses of a small network that learns exclusive or."""
    model = nn.MLP(2, [4, 1], activation="tanh", seed=1)
    optimizer = nn.SGD(model.parameters(), lr=0.2)
    losses = []
    for _ in range(epochs):
        outputs = [model(x) for x in ([0, 0], [0, 1], [1, 0], [1, 1])]
        cost = nn.mse_loss(outputs, [-1, 1, 1, -1])
        if reset:
            optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        losses.append(cost.data)
    return losses


forgotten, learned = train(reset=False), train(reset=True)
print(f"loss after 100 epochs: forgotten {forgotten[-1]:.3f}, reset {learned[-1]:.3f}")

# %% [markdown]
# **The repair** is one line: `zero_grad()` before (or after) every step.

# %%
from matplotlib.figure import Figure

figure = Figure(figsize=(9.6, 4), layout="constrained")
left, right = figure.subplots(1, 2)
for axis, lost, kept in ((left, astray, down), (right, forgotten, learned)):
    axis.plot(lost, "--", color="#D55E00", label="zero_grad forgotten")
    axis.plot(kept, "-", color="#0072B2", label="with zero_grad")
left.axhline(0, color="#888888", lw=0.8)
left.set(xlabel="step", ylabel="w", title="Down the hill of w²")
right.set(xlabel="epoch", ylabel="training loss", title="Exclusive or")
left.legend()
figure.savefig(OUTPUT / "13_forget_zero_grad.png", dpi=120)

# %%
assert abs(down[-1]) < 1e-3
assert max(map(abs, astray[-15:])) > 0.5
assert passes.backwards == 2
assert learned[-1] < 0.5 * forgotten[-1]
print("Seen: .grad keeps every pass, so without the reset a step follows the past, not the slope.")
