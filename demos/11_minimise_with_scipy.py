# %% [markdown]
# # 11 Minimise with SciPy: exact slopes for somebody else's optimiser
#
# **Question.** SciPy has good minimisers, and they want gradients. Who writes those?

# %%
import time
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from autograd import grad, hessian, jit, value_and_grad

OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)
rng = np.random.default_rng(0)

# %% [markdown]
# **A curve to fit**: an oscillation that dies away, measured with noise. Four parameters, kept
# under their names, and a plain formula for the mean squared error.

# %%
t = np.linspace(0, 10, 60)
truth = np.array([2.0, 0.25, 3.0, 0.5])  # height, damping, frequency, phase
measured = truth[0] * np.exp(-truth[1] * t) * np.sin(truth[2] * t + truth[3])
measured += rng.normal(scale=0.1, size=t.shape)


def curve(p, t):
    height, damping, frequency, phase = p
    return height * np.exp(-damping * t) * np.sin(frequency * t + phase)


def misfit(p):
    return ((curve(p, t) - measured) ** 2).mean()


# %% [markdown]
# **The naive form** gives SciPy the formula alone. It feels its way: for every slope it moves one
# parameter a little and computes everything again.
#
# **The repair** is one word longer. `value_and_grad` gives the error and all its slopes from one
# walk back, and `jit` records that once and runs it compiled. The formula stays as it is: NumPy
# calls `exp` and `sin` of whatever it finds in an array.

# %%
start = np.array([1.0, 0.1, 2.9, 0.0])


def timed(f, x0, **how):
    """What SciPy finds, and the seconds it takes, the first call (which records) left out."""
    f(x0)
    began = time.perf_counter()
    found = minimize(f, x0, **how)
    return found, time.perf_counter() - began


felt, felt_seconds = timed(misfit, start)
fitted, seconds = timed(jit(value_and_grad(misfit)), start, jac=True)
print(f"{'':22}{'evaluations':>12}{'ms':>8}{'error':>12}  height damping frequency phase")
for name, found, took in [("differences", felt, felt_seconds), ("gradient", fitted, seconds)]:
    line = f"{name:22}{found.nfev:12,}{took * 1e3:8.1f}{found.fun:12.6f}"
    print(line, "", *np.round(found.x, 3), sep="  ")

# %% [markdown]
# The second derivatives tell how sure the parameters are: the inverse of the Hessian at the bottom
# of the valley is their covariance, up to the size of the noise.

# %%
curvature = jit(hessian(misfit))(fitted.x)
doubt = np.sqrt(np.diag(np.linalg.inv(curvature)) * 2 * fitted.fun / (len(t) - 4))
for name, value, error in zip("height damping frequency phase".split(), fitted.x, doubt):
    print(f"{name:10}{value:8.3f} ± {error:.3f}")

# %% [markdown]
# **The failure** of feeling one's way shows where there are many directions: the valley of
# Rosenbrock in 100 dimensions. Every gradient by differences costs 101 evaluations.


# %%
def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


x0 = np.zeros(100)
felt_valley, felt_seconds = timed(rosenbrock, x0, method="L-BFGS-B", options={"maxfun": 10**6})
valley, seconds = timed(jit(value_and_grad(rosenbrock)), x0, jac=True, method="L-BFGS-B")
newton, newton_seconds = timed(
    jit(rosenbrock), x0, jac=jit(grad(rosenbrock)), hess=jit(hessian(rosenbrock)),
    method="trust-exact",
)  # fmt: skip
print(f"{'':22}{'evaluations':>12}{'ms':>8}{'bottom':>12}")
for name, found, took in [
    ("differences", felt_valley, felt_seconds),
    ("gradient", valley, seconds),
    ("gradient and Hessian", newton, newton_seconds),
]:
    print(f"{name:22}{found.nfev:12,}{took * 1e3:8.1f}{found.fun:12.1e}")
print(f"exact slopes: {felt_seconds / seconds:.0f} times as fast")

# %%
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
fine = np.linspace(0, 10, 400)
axis.plot(t, measured, ".", label="measured")
axis.plot(fine, curve(start, fine), ":", label="start")
axis.plot(fine, curve(fitted.x, fine), label="fitted")
axis.set(xlabel="t", title=f"fitted with {fitted.nfev} evaluations of value and gradient")
axis.legend()
figure.savefig(OUTPUT / "11_curve.svg")

# %%
assert np.all(np.abs(fitted.x - truth) < 4 * doubt)
assert fitted.nfev * 4 < felt.nfev
assert np.allclose(valley.x, 1, atol=1e-2)
assert np.allclose(newton.x, 1, atol=1e-2)
assert valley.nfev * 50 < felt_valley.nfev
print("One formula, its slopes for nothing: SciPy only had to be told where they are.")
