# %% [markdown]
# # 06 Read digits
#
# **Question.** An engine that thinks in single numbers: can it read handwriting? scikit-learn's
# digits are 1,797 pictures of 8 × 8 grey values. We keep every fifth picture back and ask for
# 95 % of those to be read rightly.

# %%
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import nn

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)

digits = load_digits()
X, y = digits.data / 16, digits.target
held_out = np.arange(len(X)) % 5 == 0
train, test = (X[~held_out], y[~held_out]), (X[held_out], y[held_out])
print(f"{len(train[0])} pictures to learn from, {len(test[0])} to be examined with")

# %% [markdown]
# **The naive form**: let one output name the digit, 0 to 9, and pull it towards the right number
# with squared errors.

# %%
ruler = nn.MLP(64, [32, 1], seed=0)
nn.fit(
    ruler, *train, loss=nn.squared_error, optimizer=nn.Adam(ruler.parameters(), lr=3e-3), epochs=20
)
by_number = np.clip(nn.predict(ruler, test[0]).round(), 0, 9)
print(f"by a number: {np.mean(by_number == test[1]):.1%} right")

# %% [markdown]
# **The failure**: digits are names, not amounts. On this ruler a picture between a 3 and an 8 has
# to be called a 5 or a 6, though nobody would read it so.
#
# **The repair**: one output per class. Softmax turns the ten outputs into probabilities, the
# cross-entropy −ln p(right) is what we pay for, and its error at the outputs is simply p − t.

# %%
model = nn.MLP(64, [32, 10], seed=0)
print(model.summary())
optimizer = nn.Adam(model.parameters())
history = nn.fit(
    model, *train, loss=nn.cross_entropy, optimizer=optimizer, epochs=30,
    schedule=nn.warmup(45, nn.cosine(1e-2)), validation=test, metrics=[nn.accuracy],
)  # fmt: skip
print(history)

# %% [markdown]
# Which does it find hardest? The pictures with the largest loss, with what was read and what each
# is: the last ones are read rightly, though hardly.

# %%
logits = nn.predict(model, test[0])
read = logits.argmax(axis=1)
losses = [nn.cross_entropy(row, label).data for row, label in zip(logits.tolist(), test[1])]
worst = np.argsort(losses)[::-1][:10]

figure = Figure(figsize=(9.6, 1.6), layout="constrained")
for axis, i in zip(figure.subplots(1, 10), worst):
    axis.imshow(test[0][i].reshape(8, 8), cmap="gray_r")
    axis.set_title(f"read {read[i]},\nis {test[1][i]}", fontsize=9)
    axis.set_axis_off()
figure.savefig(OUTPUT / "06_hardest.png", dpi=120)
history.plot(path=OUTPUT / "06_history.png")

# %% [markdown]
# The trained network goes into a file that any safetensors reader understands, and comes back
# from it to the last bit.

# %%
path = model.save(OUTPUT / "06_digits.safetensors")
copy = nn.MLP(64, [32, 10], seed=1)
copy.load(path)

# %%
accuracy = float(np.mean(read == test[1]))
assert accuracy >= 0.95
assert accuracy == history.metrics["accuracy"][-1]
assert np.mean(by_number == test[1]) < 0.9
assert copy.state_dict() == model.state_dict()
print(f"by classes: {accuracy:.1%} of the held-out digits are read rightly.")
