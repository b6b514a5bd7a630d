# %% [markdown]
# # 08 Compile: the same graph, thousands of times faster
#
# **Question.** An engine that makes a node for every number is slow: a network of a few thousand
# weights is a patience game. Must we leave single numbers behind to go fast?

# %%
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import nn
from autograd import Program, Value, compile  # noqa: A004

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)

X, y = load_digits(return_X_y=True)
X = X / 16
held_out = np.arange(len(X)) % 5 == 0
train, test = (X[~held_out], y[~held_out]), (X[held_out], y[held_out])

# %% [markdown]
# **The naive form** builds the graph of every picture, pays it back, and throws it away.

# %%
model = nn.MLP(64, [32, 10], seed=0)
began = time.perf_counter()
for pixels, digit in zip(train[0][:20].tolist(), train[1][:20].tolist()):
    nn.cross_entropy(model(pixels), digit).backward()
eager = (time.perf_counter() - began) / 20
print(f"eager: {eager * 1e3:.2f} ms for each picture, {eager * len(train[0]):.1f} s for each epoch")

# %% [markdown]
# **The failure** is that it is the same graph every time: the same operations on other numbers.
#
# **The repair**: record it once. What comes out is a *Wengert list*, one instruction per line,
# value first and repayment after it. Here is the one of e = (a + b)(b + 1), where a changes from
# row to row and b is to be learned.

# %%
a, b = Value(2.0, label="a"), Value(1.0, label="b")
e = (a + b) * (b + 1)
e.label = "e"
program = compile(e, inputs=[a])
print(program, program.listing(), sep="\n\n")
value, grads = program.value_and_grad([1.0], [[2.0], [3.0], [4.0]])
print(f"\nmean of e over three rows: {value}, its slope to b: {grads}")

# %% [markdown]
# A network is such a list too, only longer, and the gradient costs no more than a few times the
# value. What runs is that list rolled up: instructions that are alike are one operation on arrays,
# for a block of rows at a time. The price of looking at it is shared, and not a node is made.

# %%
inputs, digit = [Value(0.0) for _ in range(64)], [Value(0.0) for _ in range(10)]
loss = nn.cross_entropy(model(inputs), digit)
program = compile(loss, [*inputs, *digit], parameters=model.parameters())
print(program.counts())
rows = np.hstack([train[0], np.eye(10)[train[1]]])
params = program.pack()
program.value_and_grad(params, rows)
began = time.perf_counter()
program.value_and_grad(params, rows)
compiled = (time.perf_counter() - began) / len(rows)
print(f"compiled, {program.backend}: {compiled * 1e6:.2f} µs for each picture", end=", ")
print(f"{eager / compiled:,.0f} times faster")

# %% [markdown]
# `fit` does all this by itself, and runs the optimiser in compiled code as well: thirty epochs of
# digits in less than a second.

# %%
for epochs in (1, 30):  # the first call ever builds machine code, which is kept on disk
    adam = nn.Adam(model.parameters(), lr=1e-2)
    history = nn.fit(model, *train, loss=nn.cross_entropy, optimizer=adam, epochs=epochs)
accuracy = np.mean(nn.predict(model, test[0]).argmax(axis=1) == test[1])
print(f"{history}\n{accuracy:.1%} of the held-out digits read rightly")

# %% [markdown]
# A larger one: the digits drawn on 28 × 28 points, moved about at random until there are 20,000 of
# them, and a network of 39,760 weights. With a node for every product and every sum, one epoch is
# more than a billion nodes, and hours of waiting.


# %%
def drawn_large(pictures, labels, count, seed):
    """Each picture three times as large, somewhere on 28 × 28 points."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(pictures), count)
    canvas = np.zeros((count, 28, 28))
    for sheet, i, (down, right) in zip(canvas, chosen, rng.integers(0, 5, (count, 2))):
        picture = np.kron(pictures[i].reshape(8, 8), np.ones((3, 3)))
        sheet[down : down + 24, right : right + 24] = picture
    return canvas.reshape(count, 784), labels[chosen]


large, examination = drawn_large(*train, 20_000, seed=0), drawn_large(*test, 2_000, seed=1)
network = nn.MLP(784, [50, 10], seed=0)
optimizer = nn.Adam(network.parameters(), lr=2e-3)
second = nn.fit(network, *large, loss=nn.cross_entropy, optimizer=optimizer, epochs=3)
reading = np.mean(nn.predict(network, examination[0]).argmax(axis=1) == examination[1])
print(f"{second}\n{reading:.1%} read rightly")

# %% [markdown]
# A program is an object of its own: it goes into a file and runs where there is no model.

# %%
program.save(OUTPUT / "08_digits.npz")
loaded = Program.load(OUTPUT / "08_digits.npz")
assert loaded.value_and_grad(params, rows)[0] == program.value_and_grad(params, rows)[0]
assert (value, grads.tolist()) == (8.0, [6.0])
assert program.counts().ratio < 4
assert accuracy > 0.95
assert reading > 0.9
print(f"One graph, recorded once, learned to read in {history.seconds:.2f} seconds.")
