"""nn: networks of neurons on top of `autograd`, and what it takes to train them.

>>> import nn
>>> model = nn.MLP(2, [4, 1], activation="tanh", seed=0)
>>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
>>> history = nn.fit(
...     model, X, y, loss=nn.binary_cross_entropy, optimizer=nn.Adam(model.parameters(), lr=0.1),
...     epochs=100, progress=False, backend="eager",
... )
>>> [score > 0 for score in nn.predict(model, X)]
[False, True, True, False]
"""

import autograd

if not hasattr(autograd, "Value"):
    raise ImportError(
        f"{autograd.__file__} is another library of that name, HIPS's Autograd perhaps, where nn "
        "needs payback: give each an environment of its own"
    )

from nn.callbacks import EarlyStopping, Epoch
from nn.ema import EMA
from nn.history import DivergedError, History
from nn.layers import MLP, Layer, LayerActivations, Neuron
from nn.losses import (
    accuracy,
    binary_cross_entropy,
    cross_entropy,
    hinge_loss,
    mse_loss,
    squared_error,
)
from nn.module import Module
from nn.optim import SGD, Adam, AdamW, Optimizer
from nn.plot import plot_decision_boundary, plot_history
from nn.schedules import constant, cosine, linear, warmup
from nn.train import fit, predict

__all__ = [
    "EMA", "MLP", "SGD", "Adam", "AdamW", "DivergedError", "EarlyStopping", "Epoch", "History",
    "Layer", "LayerActivations", "Module", "Neuron", "Optimizer", "accuracy",
    "binary_cross_entropy", "constant",
    "cosine", "cross_entropy", "fit", "hinge_loss", "linear", "mse_loss", "plot_decision_boundary",
    "plot_history", "predict", "squared_error", "warmup",
]  # fmt: skip
