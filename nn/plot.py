"""Plots: how a training went, and where a classifier draws its lines.

Colours are from Okabe and Ito's palette, which readers with any colour vision can tell apart;
curves and classes also differ in line style and marker.
"""

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from autograd.files import write_atomically
from autograd.optional import require
from nn.data import ArrayLike, plain, rows, targets_of
from nn.engines import Model
from nn.history import History
from nn.train import predict

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"
GRID = 120
"""Points per side of the grid on which a decision is drawn."""


def plot_history(history: History, path: str | Path | None = None) -> Any:
    """The losses over the epochs, and the metrics beside them if there are any, as a figure.

    With a ``path`` the figure is also written there.
    """
    if not isinstance(history, History):
        raise TypeError(f"history is what fit gave back, got {history!r:.60}")
    panels = [{"training": history.loss, "validation": history.validation_loss}]
    panels += [history.metrics] if history.metrics else []
    figure, axes = _figure(len(panels))
    metrics = " and ".join(history.metrics) if len(history.metrics) < 3 else "metrics"
    metrics += " (validation)" if history.validation_loss else ""
    for axis, curves, title in zip(axes, panels, ("loss", metrics)):
        _curves(axis, {name: numbers for name, numbers in curves.items() if numbers})
        axis.set(xlabel="epoch", ylabel=title)
        axis.xaxis.get_major_locator().set_params(integer=True)
    losses = [*history.loss, *history.validation_loss]
    if losses and min(losses) > 0 and max(losses) > 20 * min(losses):
        axes[0].set_yscale("log")
    return _finished(figure, path)


def plot_decision_boundary(
    model: Model, X: ArrayLike, y: ArrayLike, path: str | Path | None = None
) -> Any:
    """A classifier of two inputs: the plane coloured by its decision, the examples, the boundary.

    A model with one output decides by its sign, others by their largest output; labels in ``y`` are
    -1 and 1, 0 and 1, or class indices.  Raises ValueError when rows do not have two inputs.
    """
    numpy = require("numpy", extra="plot")
    points, labels = numpy.array(plain(rows(X))), numpy.array(plain(targets_of(y)))
    if points.shape[1] != 2 or labels.ndim != 1 or len(labels) != len(points):
        raise ValueError(
            "a decision is drawn over rows of two inputs and one label each, "
            f"got X of shape {points.shape} and y of shape {labels.shape}"
        )
    figure, (axis,) = _figure(1)
    across, up = (_margin(numpy, points[:, i]) for i in (0, 1))
    grid = numpy.stack(numpy.meshgrid(across, up), axis=-1)
    outputs = numpy.array(predict(model, grid.reshape(-1, 2))).reshape(GRID, GRID, -1)
    _regions(axis, numpy, across, up, outputs)
    single = outputs.shape[2] == 1
    for label in numpy.unique(labels):
        # the colour of its region, also where other classes have no example
        i = int(label > 0) if single else int(label)
        chosen = points[labels == label]
        axis.scatter(
            *chosen.T, color=COLOURS[i % 8], marker=MARKERS[i % 8], edgecolor="white",
            linewidth=0.6, s=36, label=f"class {label:g}", zorder=3,
        )  # fmt: skip
    axis.set(xlabel="first input", ylabel="second input")
    axis.legend(loc="best", framealpha=0.9)
    return _finished(figure, path)


def _regions(axis: Any, numpy: Any, across: Any, up: Any, outputs: Any) -> None:
    """Colour the plane by the decision, and draw the line where it changes."""
    single = outputs.shape[2] == 1
    decision = (outputs[..., 0] > 0).astype(int) if single else outputs.argmax(axis=2)
    classes = max(2, outputs.shape[2])
    colours = [COLOURS[i % 8] for i in range(classes)]
    levels = numpy.arange(classes + 1) - 0.5
    axis.contourf(across, up, decision, levels=levels, colors=colours, alpha=0.18)
    ahead = [outputs[..., 0]]
    if not single:  # how far a class is ahead of all others: a line, where its number is a step
        rivals = [numpy.delete(outputs, k, axis=2).max(axis=2) for k in range(classes)]
        ahead = [outputs[..., k] - rivals[k] for k in range(1, classes)]
    for height in ahead:
        if height.min() < 0 < height.max():
            axis.contour(across, up, height, levels=[0], colors="#333333", linewidths=1.5)


def _curves(axis: Any, curves: dict[str, list[float]]) -> None:
    for i, (name, numbers) in enumerate(curves.items()):
        epochs = range(1, len(numbers) + 1)
        marker = "o" if len(numbers) == 1 else None
        axis.plot(
            epochs, numbers, color=COLOURS[i % 8], linestyle=LINES[i % 4], linewidth=2, label=name,
            marker=marker,
        )  # fmt: skip
    if len(curves) > 1:
        axis.legend(frameon=False)


def _margin(numpy: Any, coordinates: Any) -> Any:
    """A line of points a little longer than these coordinates reach."""
    low, high = coordinates.min(), coordinates.max()
    margin = 0.1 * (high - low) or 1.0
    return numpy.linspace(low - margin, high + margin, GRID)


def _figure(panels: int) -> tuple[Any, list[Any]]:
    """A figure with axes side by side, made without touching pyplot's global state."""
    require("matplotlib", extra="plot")
    figure = _shown()(figsize=(6.4 if panels == 1 else 9.6, 4.2), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0].tolist()
    for axis in axes:
        axis.grid(color="#dddddd", linewidth=0.7)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


@cache
def _shown() -> Any:
    """A matplotlib figure that notebooks show by themselves, whatever its backend."""
    base = require("matplotlib.figure", extra="plot").Figure

    def bundle(self: Any, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        stream = BytesIO()
        self.savefig(stream, format="png", dpi=150)
        return {"text/plain": repr(self), "image/png": stream.getvalue()}

    return type("Figure", (base,), {"__module__": base.__module__, "_repr_mimebundle_": bundle})


def _finished(figure: Any, path: str | Path | None) -> Any:
    if path is not None:
        stream, path = BytesIO(), Path(path)
        path = path if path.suffix or path.is_dir() else path.with_suffix(".png")
        figure.savefig(stream, format=path.suffix[1:] or "png", dpi=150)
        write_atomically(path, stream.getvalue())
    return figure
