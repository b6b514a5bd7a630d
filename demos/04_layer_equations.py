# %% [markdown]
# # 04 Layer equations
#
# **Question.** Textbooks state backpropagation layer by layer, in matrices. The engine knows
# neither layers nor matrices: it pays each edge once. Do they agree?
#
# A layer computes z = W a⁻ + b and a = f(z), where a⁻ is the layer before. With the *error* of a
# layer, δ = ∂C/∂z, and ⊙ for products entry by entry, the four equations are (BP1) δ = ∂C/∂a ⊙
# f′(z) at the output, (BP2) δ = (W⁺ᵀ δ⁺) ⊙ f′(z) from the layer above, (BP3) ∂C/∂b = δ, and (BP4)
# ∂C/∂W = δ a⁻ᵀ.

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
# **The naive form** takes every weight by itself, and the chain rule along each path from it to the
# cost. **The failure**: with every layer the paths multiply, and share most of their edges.

# %%
model = nn.MLP(3, [4, 3, 2], activation="sigmoid", seed=1)
weight, outputs = model.layers[0].neurons[0].w[0], model(x)
ways = [autograd.count_paths(output, weight) for output in outputs]
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
# Three networks with sigmoid hidden layers, and their errors at the output (BP1): linear outputs
# with ½ Σ (o − t)² have δ = o − t; sigmoid outputs with the same cost, δ = (o − t) o (1 − o);
# softmax p with the cross-entropy −Σ t ln p, δ = p − t.


# %%
def linear_output(layer):
    difference = numbers(layer.a) - target
    return nn.squared_error(layer.a, target), difference, difference


def sigmoid_output(layer):
    o = numbers(layer.a)
    return nn.squared_error(layer.a, target), o - target, (o - target) * o * (1 - o)


def softmax_output(layer):
    powers = np.exp(numbers(layer.z))
    error = powers / powers.sum() - target
    return nn.cross_entropy(layer.z, target), error, error


def disagreements(begin, output):
    """The largest difference between the equations and `.grad`, for every kind of quantity."""
    model = nn.MLP(3, [4, 3, 2], activation="sigmoid", output=output, seed=1)
    layers = model.activations(x)
    cost, by_a, delta = begin(layers[-1])
    for value in x:
        value.grad = 0.0
    cost.backward()
    pairs = [("a", by_a, layers[-1].a)]
    for k, by_z, by_w, by_b, by_below in layer_equations(model, layers, delta):
        neurons = model.layers[k].neurons
        pairs += [("z", by_z, layers[k].z), ("b", by_b, [neuron.b for neuron in neurons])]
        pairs += [("w", by_w.ravel(), [w for neuron in neurons for w in neuron.w])]
        pairs += [("a" if k else "x", by_below, layers[k - 1].a if k else x)]
    worst = dict.fromkeys("zawbx", 0.0)
    for kind, matrix, values in pairs:
        worst[kind] = max(worst[kind], np.abs(matrix - numbers(values, "grad")).max())
    return worst, cost


networks = {
    "linear, ½ Σ (o − t)²": disagreements(linear_output, "linear"),
    "sigmoid, ½ Σ (o − t)²": disagreements(sigmoid_output, "sigmoid"),
    "softmax, cross-entropy": disagreements(softmax_output, "linear"),
}
for name, (worst, _) in networks.items():
    print(f"{name:24}", {kind: f"{number:.0e}" for kind, number in worst.items()})
networks["softmax, cross-entropy"][1].save(OUTPUT / "04_network.svg")
figure = Figure(figsize=(6.4, 4), layout="constrained")
axis = figure.subplots()
for (name, (worst, _)), style in zip(networks.items(), ("o", "s", "D")):
    axis.semilogy(list(worst), [d + 1e-18 for d in worst.values()], style, label=name)
axis.axhline(1e-12, color="#555555", ls="--", label="what we ask for")
axis.set(xlabel="gradient of the cost to", ylabel="largest disagreement", ylim=(1e-18, 1e-11))
axis.legend(loc="center right")
figure.savefig(OUTPUT / "04_layer_equations.png", dpi=120)

# %%
assert ways == [3, 3]
assert all(number < 1e-12 for worst, _ in networks.values() for number in worst.values())
print("Paying each edge once is BP1 to BP4, on every z, a, w, b and input.")
