# %% [markdown]
# # 03 Check gradients
#
# **Question.** A network has n weights and a cost C. How does C change when a weight is moved a
# little? There are n answers to find, one per weight.

# %%
from pathlib import Path
from random import Random
from time import perf_counter

from matplotlib.figure import Figure

import autograd
import nn
from autograd import Value

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)
inputs, targets = [0.5, -1.0, 2.0], [1.0, 0.0]


def cost(weights, hidden=4):
    """½ Σ (o − t)² of a network of 3 inputs, sigmoid hidden neurons and 2 linear outputs."""
    rest, a = iter(weights), inputs
    a = [autograd.dot([next(rest) for _ in a], a, next(rest)).sigmoid() for _ in range(hidden)]
    outputs = [autograd.dot([next(rest) for _ in a], a, next(rest)) for _ in targets]
    return nn.squared_error(outputs, targets)


def drawn(hidden, rng):
    return [rng.uniform(-1, 1) for _ in range(4 * hidden + 2 * (hidden + 1))]


weights = drawn(4, Random(0))
print(f"{len(weights)} weights, C = {cost(weights).data:.6f}")

# %% [markdown]
# **The naive form.** Move one weight by h, see the difference: ∂C/∂w ≈ (C(w + h) − C(w)) / h.
# One evaluation for C itself and one per weight: n + 1.


# %%
def differences(weights, h=1e-7, hidden=4):
    here = cost(weights, hidden).data
    moved = ([*weights[:i], w + h, *weights[i + 1 :]] for i, w in enumerate(weights))
    return [(cost(each, hidden).data - here) / h for each in moved]


def backpropagated(weights, hidden=4):
    leaves = [Value(w) for w in weights]
    cost(leaves, hidden).backward()
    return [leaf.grad for leaf in leaves]


exact = backpropagated(weights)
print("by differences and by backpropagation:", differences(weights)[0], exact[0])

# %% [markdown]
# **The failure** is twofold. The time: n + 1 evaluations of C, against one backward pass that costs
# about as much as one. And the digits: a large h leaves the curve, a small h drowns in rounding.


# %%
def seconds(function, *arguments):
    start = perf_counter()
    for _ in range(3):
        function(*arguments)
    return (perf_counter() - start) / 3


sizes, slow, quick = [], [], []
for hidden in (2, 6, 18, 54):
    many = drawn(hidden, Random(0))
    sizes.append(len(many))
    slow.append(seconds(differences, many, 1e-7, hidden))
    quick.append(seconds(backpropagated, many, hidden))
    print(f"n = {sizes[-1]:3}: {1e3 * slow[-1]:8.2f} ms against {1e3 * quick[-1]:5.2f} ms")

steps = [10.0**-k for k in range(1, 16)]
errors = [max(abs(a - b) for a, b in zip(differences(weights, h), exact)) for h in steps]

# %% [markdown]
# **The repair** is to pay back once (demo 01), and to keep differences for what they are good at:
# checking. `check_grads` compares every derivative and counts evaluations; a rule with a
# mistake in it does not pass.

# %%
report = autograd.check_grads(cost, [weights], method="forward", rtol=1e-4)
print("\n".join(str(report).splitlines()[:5]), "\n…")


def forgetful_square(x):  # an operation of one's own: the 2 of its derivative 2x is forgotten
    x = x if isinstance(x, Value) else Value(x)
    return Value(x.data**2, (x,), (x.data,), op="square")


caught = autograd.check_grads(forgetful_square, [3.0])
print(caught)

# %%
figure = Figure(figsize=(9.6, 4), layout="constrained")
left, right = figure.subplots(1, 2)
left.loglog(sizes, slow, "o--", color="#D55E00", label="n + 1 evaluations")
left.loglog(sizes, quick, "s-", color="#0072B2", label="one backward pass")
left.set(xlabel="weights n", ylabel="seconds", title="All n derivatives")
left.set_xticks(sizes, map(str, sizes), minor=False)
left.minorticks_off()
left.legend()
right.loglog(steps, errors, "o-", color="#D55E00")
right.set(xlabel="step h", ylabel="largest error", title="Differences lose digits")
figure.savefig(OUTPUT / "03_check_gradients.png", dpi=120)

# %%
assert report.ok
assert report.evaluations == len(weights) + 1
assert not caught.ok
assert 1e-10 < min(errors) < 1e-5 < max(errors)
print(f"{sizes[-1]} weights: backpropagation is {slow[-1] / quick[-1]:.0f} times as fast.")
