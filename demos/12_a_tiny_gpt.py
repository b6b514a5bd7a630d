# %% [markdown]
# # 12 A tiny GPT: attention, one number at a time
#
# **Question.** A language model reads letters and says how likely each next one is. Can it be made
# of nothing but numbers that remember how they were made, and learn while you watch?
#
# In the manner of Karpathy's microgpt, on data that every machine has: the names of Python's
# modules.

# %%
import sys
import time
from pathlib import Path
from random import Random

import numpy as np

import nn
from autograd import Value, dot, jit, logsumexp, relu, scope, softmax, take, trace

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)
LENGTH, WIDTH, HEADS, SIZE = 12, 16, 4, 4  # letters at most; numbers per letter; heads of a size

names = sorted({name.strip("_") for name in sys.stdlib_module_names})
names = [name for name in names if name.isalpha() and name.islower() and len(name) < LENGTH]
LETTERS = "." + "".join(sorted({letter for name in names for letter in name}))
print(f"{len(names)} names like {', '.join(names[20:26])}; {len(LETTERS)} letters, '.' the end")

# %% [markdown]
# **The tokeniser** writes a name as places in the alphabet. All get the same length, so that one
# program is enough: what stands behind the end of a name is computed too, and counts nothing (its
# weight is 0).


# %%
def tokens_of(name):
    return ([LETTERS.index(letter) for letter in f".{name}"] + [0] * LENGTH)[:LENGTH]


def row(name):
    """What is read; what comes next at each place, and how much each place counts."""
    weights = [1 / (len(name) + 1)] * (len(name) + 1) + [0.0] * LENGTH
    return tokens_of(name), [*tokens_of(name)[1:], 0, *weights[:LENGTH]]


X, Y = (np.array(part, dtype=float) for part in zip(*map(row, names)))

# %% [markdown]
# **The model**, whole: each letter becomes 16 numbers, looks back at the letters so far (four
# heads, each a softmax of products of queries and keys), and thinks by itself (64 relus).


# %%
def matrix(draws, rows, columns):
    return [[Value(draws.gauss(0.0, 0.08)) for _ in range(columns)] for _ in range(rows)]


def linear(weights, x):
    return [dot(w, x) for w in weights]


def added(x, y):
    return [a + b for a, b in zip(x, y)]


def normed(x):
    """RMSNorm: to a mean square of 1."""
    scale = (dot(x, x) / len(x) + 1e-5) ** -0.5
    return [a * scale for a in x]


def look(query, keys, values):
    """One head: a share for each letter so far, and what they hold, in these shares."""
    shares = softmax([dot(query, key) / len(query) ** 0.5 for key in keys])
    return [dot(shares, list(column)) for column in zip(*values)]


class GPT(nn.Module):
    def __init__(self, seed):
        draws = Random(seed)
        self.letters, self.places = (matrix(draws, n, WIDTH) for n in (len(LETTERS), LENGTH))
        self.query, self.key, self.value, self.mix = (matrix(draws, WIDTH, WIDTH) for _ in range(4))
        self.wide, self.narrow = matrix(draws, 4 * WIDTH, WIDTH), matrix(draws, WIDTH, 4 * WIDTH)
        self.out = matrix(draws, len(LETTERS), WIDTH)

    def __call__(self, tokens):
        """For each place the scores of every letter that may come next."""
        keys, values, scores = [], [], []
        for place, token in enumerate(tokens):
            letter = [take(column, token) for column in zip(*self.letters)]
            x = normed(added(letter, self.places[place]))
            x = added(x, linear(self.mix, self.attention(normed(x), keys, values)))
            hidden = [relu(a) for a in linear(self.wide, normed(x))]
            x = added(x, linear(self.narrow, hidden))
            scores.append(linear(self.out, x))
        return scores

    def attention(self, x, keys, values):
        """What every head finds in the letters so far."""
        query = linear(self.query, x)
        keys.append(linear(self.key, x))
        values.append(linear(self.value, x))
        heads = [slice(i * SIZE, (i + 1) * SIZE) for i in range(HEADS)]
        found = [look(query[h], [k[h] for k in keys], [v[h] for v in values]) for h in heads]
        return [number for part in found for number in part]


def surprise(scores, y):
    """How unexpected the letters were, in nats: the mean over the places that count."""
    costs = [logsumexp(s) - take(s, right) for s, right in zip(scores, y)]
    return dot(y[len(scores) :], costs)


model = GPT(seed=1)
print(f"{len(model.parameters()):,} parameters; a guess costs {np.log(len(LETTERS)):.2f} nats")

# %% [markdown]
# **The naive form**: a graph for every name, paid back and thrown away.

# %%
began = time.perf_counter()
for x, y in map(row, names[:3]):
    surprise(model(x), y).backward()
eager = (time.perf_counter() - began) / 3
model.zero_grad()
print(f"eager: {eager * 1e3:.0f} ms for each name, {eager * 32_000 / 60:.0f} minutes for 32,000")

# %% [markdown]
# **The failure** is patience: nobody watches that. **The repair**: the same lines, recorded once. A
# thousand steps of 32 names:

# %%
EPOCHS = 32_000 // len(names)
adam = nn.Adam(model.parameters(), lr=0.01, betas=(0.85, 0.99))
began = time.perf_counter()
history = nn.fit(
    model, X, Y, loss=surprise, optimizer=adam, schedule=nn.linear(0.01), epochs=EPOCHS
)  # fmt: skip
seconds = time.perf_counter() - began
print(f"{history}\n{seconds:.1f} s, recording and all", end=", ")
print(f"{eager * EPOCHS * len(names) / seconds:,.0f} times as fast")
history.plot().savefig(OUTPUT / "12_loss.svg")

# %% [markdown]
# It speaks letter by letter: one program for all lengths, a function of the letters so far.

# %%
think, draws = jit(model), Random(0)


def speak(warmth=0.8):
    name = ""
    while len(name) < LENGTH - 1:
        scores = np.array(think([float(t) for t in tokens_of(name)])[len(name)]) / warmth
        [letter] = draws.choices(LETTERS, np.exp(scores - scores.max()))
        if letter == ".":
            break
        name += letter
    return name


spoken = [speak() for _ in range(20)]
print("modules that Python lacks:", ", ".join(name for name in spoken if name not in names))

# %% [markdown]
# Nothing is hidden in it. One head, where the s in "os" looks: a picture, and a page to step
# through.


# %%
def leaves(name, numbers):
    with scope(name):
        return [Value(number.data, label=f"{name} {i}") for i, number in enumerate(numbers[:SIZE])]


keys, values = [], []
for place, token in enumerate(tokens_of("os")[:3]):
    x = normed(normed(added(model.letters[token], model.places[place])))
    model.attention(x, keys, values)
letters = ("start", "o", "s")
asked = leaves("query of s", linear(model.query, x))
offered = [leaves(f"key of {letter}", key) for letter, key in zip(letters, keys)]
held = [leaves(f"value of {letter}", value) for letter, value in zip(letters, values)]
mix = leaves("mix", model.mix[0])
with scope("head 0"):
    found = look(asked, offered, held)
root = dot(mix, found)
root.label = "what s learns"
root.save(OUTPUT / "12_head.svg", fold=1)
page = trace(root).to_html(OUTPUT / "12_head.html")

# %%
assert history.loss[-1] < 1.5 < history.loss[0] < np.log(len(LETTERS)) + 0.1
print("Every one of its gradients was paid back, once per edge.")
