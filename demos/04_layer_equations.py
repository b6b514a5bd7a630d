# %% [markdown]
# # 04 Layer equations
#
# **Question.** Textbooks state backpropagation layer by layer, in matrices. The engine knows
# neither layers nor matrices: it pays each edge once. Do they agree?
#
# A layer computes z = W a⁻ + b and a = f(z), a⁻ being the layer before. With its *error* δ = ∂C/∂z,
# and ⊙ for products entry by entry, the equations are (BP1) δ = ∂C/∂a ⊙ f′(z) at the output, (BP2)
# δ = (W⁺ᵀ δ⁺) ⊙ f′(z) from the layer above, (BP3) ∂C/∂b = δ, and (BP4) ∂C/∂W = δ a⁻ᵀ.

# %%
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import autograd
import nn
from autograd import Value

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)
x = [Value(number, label=f"x{i}") for i, number in enumerate((0.8, -0.4, 1.5))]
target = [0.0, 1.0]


def numbers(values, of="data"):
    return np.array([getattr(value, of) for value in values])


# %% [markdown]
# **The naive form**: every weight by itself, path by path. **The failure**: with every layer the
# paths multiply, and share most of their edges.

# %%
model = nn.MLP(3, [4, 3, 2], activation="sigmoid", seed=1)
ways = [autograd.count_paths(output, model.layers[0].neurons[0].w[0]) for output in model(x)]
print(f"one weight of a 3-4-3-2 network: {ways} paths to the outputs")

# %% [markdown]
# **The repair**, in both languages: compute the error of a unit once, for all that lies below.


# %%
def layer_equations(model, layers, delta):
    """Per layer, last to first: δ, ∂C/∂W, ∂C/∂b, and ∂C/∂a of the layer below."""
    for k in reversed(range(len(layers))):
        below = numbers(layers[k - 1].a if k else x)
        weights = np.array([numbers(neuron.w) for neuron in model.layers[k].neurons])
        yield k, delta, np.outer(delta, below), delta, weights.T @ delta  # BP4, BP3
        delta = (weights.T @ delta) * below * (1 - below)  # BP2, with σ′ = σ (1 − σ)


# %% [markdown]
# Three networks with sigmoid hidden layers, and their errors at the output (BP1): δ = o − t of
# linear outputs with ½ Σ (o − t)², δ = (o − t) o (1 − o) of sigmoid ones, δ = p − t of a softmax.


# %%
def squared_output(layer, slope=lambda o: 1.0):
    error = (o := numbers(layer.a)) - target
    return nn.squared_error(layer.a, target), error, error * slope(o)


def softmax_output(layer):
    powers = np.exp(numbers(layer.z))
    error = powers / powers.sum() - target
    return nn.cross_entropy(layer.z, target), error, error


def disagreements(begin, output):
    """The largest differences by kind; the cost; both sides, layer by layer."""
    model = nn.MLP(3, [4, 3, 2], activation="sigmoid", output=output, seed=1)
    cost, by_a, delta = begin((layers := model.activations(x))[-1])
    for value in x:
        value.grad = 0.0
    cost.backward()
    pairs, told = [("a", by_a, layers[-1].a)], []
    for k, by_z, by_w, by_b, by_below in layer_equations(model, layers, delta):
        neurons = model.layers[k].neurons
        pairs += [("z", by_z, layers[k].z), ("b", by_b, [neuron.b for neuron in neurons])]
        paid = numbers(layers[k].z, "grad")[:, None], [numbers(n.w, "grad") for n in neurons]
        told.append((k, by_z[:, None], by_w, *map(np.array, paid)))
        pairs += [("w", by_w.ravel(), [w for neuron in neurons for w in neuron.w])]
        pairs += [("a" if k else "x", by_below, layers[k - 1].a if k else x)]
    apart = [(kind, np.abs(by - numbers(values, "grad")).max()) for kind, by, values in pairs]
    return {kind: max(d for k, d in apart if k == kind) for kind in "zawbx"}, cost, told


networks = {
    "linear, ½ Σ (o − t)²": disagreements(squared_output, "linear"),
    "sigmoid, ½ Σ (o − t)²": disagreements(
        lambda layer: squared_output(layer, slope=lambda o: o * (1 - o)), "sigmoid"
    ),
    "softmax, cross-entropy": disagreements(softmax_output, "linear"),
}
for name, (worst, *_) in networks.items():
    print(f"{name:24}", {kind: f"{number:.0e}" for kind, number in worst.items()})

# %% [markdown]
# What is the same? The softmax network: δ and ∂C/∂W by the equations, then what z and w were paid.

# %%
_, cost, told = networks["softmax, cross-entropy"]
cost.save(OUTPUT / "04_network.svg")
figure = Figure(figsize=(9.6, 6.4), layout="constrained")
for row, (k, *matrices) in zip(figure.subplots(3, 4, width_ratios=(1, 3, 1, 3)), told):
    for axis, matrix, head in zip(row, matrices, ("δ", "∂C/∂W (BP4)", "z.grad", "w.grad")):
        most = 2 * max(np.abs(each).max() for each in matrices)
        axis.imshow(matrix, cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
        for (i, j), number in np.ndenumerate(matrix):
            axis.text(j, i, f"{number:.2g}", ha="center", va="center")
        axis.set(xticks=[], yticks=[], title=head if k == 2 else "")
    row[0].set_ylabel(f"layer {k + 1}")
figure.savefig(OUTPUT / "04_layer_equations.png", dpi=120)

# %%
assert ways == [3, 3]
assert all(number < 1e-12 for worst, *_ in networks.values() for number in worst.values())
print("Seen: paying each edge once is BP1 to BP4, on every z, a, w, b and input.")
