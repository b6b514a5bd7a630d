"""Plots: labelled, and telling curves and classes apart by more than colour."""

import pytest

import nn

matplotlib = pytest.importorskip("matplotlib")
numpy = pytest.importorskip("numpy")


def history(**lists):
    return nn.History(**lists)


def contrast(colour, other):
    """How far apart two colours are in lightness, from 0 to 1."""
    from matplotlib.colors import to_rgb

    weights = numpy.array([0.2126, 0.7152, 0.0722])
    return abs(weights @ to_rgb(colour) - weights @ to_rgb(other))


def test_losses_and_metrics_each_get_labelled_axes(tmp_path):
    course = history(loss=[1.0, 0.5], validation_loss=[1.1, 0.7], metrics={"accuracy": [0.5, 0.9]})
    figure = course.plot(path=tmp_path / "history.png")
    left, right = figure.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("epoch", "loss")
    assert right.get_ylabel() == "accuracy (validation)"
    assert [line.get_label() for line in left.lines] == ["training", "validation"]
    assert left.lines[0].get_linestyle() != left.lines[1].get_linestyle()
    assert left.lines[1].get_ydata().tolist() == [1.1, 0.7]
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")


def test_a_history_without_epochs_can_be_plotted():
    assert len(nn.plot_history(history()).axes) == 1


def test_a_loss_over_many_magnitudes_is_drawn_on_a_log_scale():
    assert nn.plot_history(history(loss=[1.0, 1e-3])).axes[0].get_yscale() == "log"
    assert nn.plot_history(history(loss=[1.0, 0.5])).axes[0].get_yscale() == "linear"
    assert nn.plot_history(history(loss=[1.0, 0.0])).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(("outputs", "labels"), [(1, [-1, 1]), (1, [0, 1]), (3, [0, 1, 2])])
def test_a_decision_is_drawn_with_its_examples(outputs, labels, tmp_path):
    model = nn.MLP(2, [4, outputs], activation="tanh", seed=0)
    X = [[0.1 * i, (-1) ** i * 0.05 * i] for i in range(12)]
    y = [labels[i % len(labels)] for i in range(12)]
    figure = nn.plot_decision_boundary(model, X, y, path=tmp_path / "moons.png")
    (axis,) = figure.axes
    assert axis.get_xlabel()
    assert axis.get_ylabel()
    names = [text.get_text() for text in axis.get_legend().get_texts()]
    assert names == [f"class {label}" for label in labels]
    points = [c for c in axis.collections if len(c.get_offsets()) > 1]
    shapes = {c.get_paths()[0].vertices.tobytes() for c in points}
    assert len(shapes) == len(labels)
    assert sum(len(c.get_offsets()) for c in points) == 12
    assert (tmp_path / "moons.png").stat().st_size > 5000


def test_colours_differ_in_lightness_too():
    from nn.plot import COLOURS

    assert contrast(COLOURS[0], COLOURS[1]) > 0.05


@pytest.mark.parametrize("X", [[[1.0]], [[1.0, 2.0, 3.0]]])
def test_only_two_inputs_can_be_drawn(X):
    with pytest.raises(ValueError, match="two inputs"):
        nn.plot_decision_boundary(nn.MLP(len(X[0]), [1], seed=0), X, [1])


def test_labels_must_be_one_per_row():
    with pytest.raises(ValueError, match="one label each"):
        nn.plot_decision_boundary(nn.MLP(2, [1], seed=0), [[1.0, 2.0]], [1, 1])


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"payback\[plot\]"):
        nn.plot_history(history(loss=[1.0]))
