# %% [markdown]
# # 07 Average the weights
#
# **Question.** Small batches and a bold learning rate keep the weights shaking, to the last step.
# Which weights should one use in the end?

# %%
from pathlib import Path
from random import Random

import numpy as np
from matplotlib.figure import Figure

import nn

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)
rng = Random(4)
BETAS = {0.0: "#999999", 0.9: "#0072B2", 0.99: "#D55E00"}


def noisy(n):
    """Points of the line y = 2x + 1, badly measured."""
    rows = [[rng.uniform(-1, 1)] for _ in range(n)]
    return rows, [2 * x + 1 + rng.gauss(0, 1) for [x] in rows]


X, y = noisy(1600)

# %% [markdown]
# **The naive form** takes the last weights. We train w·x + b with batches of 4, and write down w
# after every step, with three averages beside it. With decay β, an average is
# v = β v + (1 − β) w, starting from v = 0: about the mean of the last 1 / (1 − β) values; β = 0
# averages nothing.

# %%
line = nn.MLP(1, [1], seed=0)
w, b = line.parameters()
plain = {beta: nn.EMA([w, b], beta, bias_correction=False) for beta in BETAS}
corrected = {beta: nn.EMA([w, b], beta, bias_correction=True) for beta in BETAS}
live, averages = [], {(beta, fair): [] for beta in BETAS for fair in (False, True)}
optimizer = nn.SGD([w, b], lr=0.2)

for start in range(0, len(X), 4):
    chosen = slice(start, start + 4)
    loss = nn.mse_loss([line(x) for x in X[chosen]], y[chosen])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    live.append(w.data)
    for fair, family in ((False, plain), (True, corrected)):
        for beta, ema in family.items():
            ema.update()
            averages[beta, fair].append(ema.averages[0])

shaking = float(np.std(live[-200:]))
print(f"the last w is {live[-1]:.3f}, the true one 2; over 200 steps it shakes by ±{shaking:.3f}")

# %% [markdown]
# **The failure**: the last w is one draw from that shaking. And the average has a failure of its
# own: it starts at 0, and with β = 0.99 takes hundreds of steps to forget it. **The repair** of
# the first is the average, that of the second the *bias correction*: after t steps the weights
# in the average sum to 1 − β^t, so divide by it.

# %%
figure = Figure(figsize=(10, 4), layout="constrained")
axes = figure.subplots(1, 2, sharey=True)
for axis, fair, title in zip(axes, (False, True), ("without correction", "with bias correction")):
    for (beta, colour), width, style in zip(BETAS.items(), (0.8, 1.6, 2.4), ("-", "--", "-")):
        axis.plot(averages[beta, fair], style, color=colour, lw=width, label=f"β = {beta:g}")
    axis.axhline(2, color="black", lw=1, ls=":", label="true w")
    axis.set(xlabel="step", title=title, xlim=(0, 400), ylim=(0, 3.2))
axes[0].set_ylabel("weight w and its averages")
axes[1].legend(loc="lower right")
figure.savefig(OUTPUT / "07_average_weights.png", dpi=120)
early = {fair: averages[0.99, fair][50] for fair in (False, True)}
print(f"after 50 steps, β = 0.99 says {early[False]:.2f}; corrected {early[True]:.2f}")

# %% [markdown]
# In practice `fit` keeps the average up to date, measures validation with it, and
# `with ema.applied():` puts it in for as long as the block lasts.


# %%
def trial(seed):
    """The test losses of the last weights and of the average, for one small network."""
    global rng
    rng = Random(seed)
    examples, unseen = noisy(60), noisy(400)
    model = nn.MLP(1, [8, 1], activation="tanh", seed=seed)
    ema = nn.EMA(model.parameters(), decay=0.99)
    nn.fit(
        model, *examples, loss=nn.mse_loss, optimizer=nn.SGD(model.parameters(), lr=0.1),
        batch_size=2, epochs=20, ema=ema, seed=seed,
    )  # fmt: skip

    def loss():
        return nn.mse_loss(nn.predict(model, unseen[0]), unseen[1]).data

    with ema.applied():
        averaged = loss()
    return loss(), averaged


results = np.array([trial(seed) for seed in range(8)])
last, averaged = results.mean(axis=0)
print(f"test loss over 8 trainings: last weights {last:.3f}, averaged weights {averaged:.3f}")

# %%
assert np.std(averages[0.9, True][-200:]) < 0.8 * shaking
assert np.std(averages[0.99, True][-200:]) < 0.35 * shaking
assert averages[0.0, True] == averages[0.0, False] == live
assert abs(early[True] - 2) < 0.5 < abs(early[False] - 2)
assert averaged < last
assert (results[:, 1] < results[:, 0]).sum() >= 7
print("The averaged weights are the calmer and the better ones.")
