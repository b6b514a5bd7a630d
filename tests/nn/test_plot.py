"""Plots: labelled, and telling curves and classes apart by more than colour."""

import sys

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
    alone = nn.plot_history(history())
    assert len(alone.axes) == 1
    two = nn.plot_history(history(metrics={"accuracy": [0.5]}))
    assert two.get_figwidth() > alone.get_figwidth() > alone.get_figheight()
    assert two.get_figheight() == alone.get_figheight()
    spines = two.axes[1].spines
    assert [name for name in spines if spines[name].get_visible()] == ["left", "bottom"]


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
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("first input", "second input")
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


def test_curves_count_epochs_from_one_and_have_names_where_there_are_several():
    several = {"a": [0.5, 0.9], "b": [0.1, 0.2]}
    left, right = nn.plot_history(history(loss=[1.0, 0.5], metrics=several)).axes
    assert left.lines[0].get_xdata().tolist() == [1, 2]
    assert left.get_legend() is None
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["a", "b"]
    assert (right.get_xlabel(), right.get_ylabel()) == ("epoch", "a and b")
    many = history(loss=[1.0], metrics={**several, "c": [0.3, 0.4]})
    left, right = nn.plot_history(many).axes
    assert right.get_ylabel() == "metrics"
    assert left.lines[0].get_marker() == "o", "a single point would be no line"
    assert right.lines[0].get_marker() == "None"
    drawn = [(line.get_color(), line.get_linestyle()) for line in right.lines]
    assert len({colour for colour, _ in drawn}) == len({style for _, style in drawn}) == 3


def test_more_than_a_factor_of_20_is_drawn_on_a_log_scale():
    for validation, scale in ([0.06], "linear"), ([0.05], "linear"), ([0.04], "log"):
        course = history(loss=[1.0], validation_loss=validation)
        assert nn.plot_history(course).axes[0].get_yscale() == scale


def region_at(axis, point):
    """Which of the coloured regions a point lies in."""
    regions = next(c for c in axis.collections if hasattr(c, "filled") and c.filled)
    [found] = [i for i, path in enumerate(regions.get_paths()) if path.contains_point(point)]
    return tuple(regions.get_facecolor()[found][:3])


def lines_of(axis):
    """The points of every boundary that is drawn."""
    lines = [c for c in axis.collections if hasattr(c, "filled") and not c.filled]
    return [path.vertices for line in lines for path in line.get_paths() if len(path.vertices)]


def test_one_output_decides_by_its_sign():
    from matplotlib.colors import to_rgb

    X, y = [[2.0, 3.0], [3.0, 3.0], [3.0, 3.0]], [-1, 1, 1]
    (axis,) = nn.plot_decision_boundary(lambda x: x[0] - 2.3, X, y).axes
    [boundary] = lines_of(axis)
    assert boundary[:, 0] == pytest.approx(2.3)
    # a tenth beyond the examples, and 1 where they do not differ
    assert (axis.get_xlim(), axis.get_ylim()) == (pytest.approx((1.9, 3.1)), (2.0, 4.0))
    assert (boundary[:, 1].min(), boundary[:, 1].max()) == (2.0, 4.0)
    classes = [c for c in axis.collections if not hasattr(c, "filled")]
    points = [c.get_offsets().tolist() for c in classes]
    assert points == [[[2.0, 3.0]], [[3.0, 3.0]] * 2]
    for one, place in zip(classes, ((2.2, 3.5), (2.4, 2.5)), strict=True):
        colour = tuple(one.get_facecolor()[0][:3])
        assert region_at(axis, place) == pytest.approx(colour)
    assert to_rgb(nn.plot.COLOURS[0]) == pytest.approx(region_at(axis, (2.2, 3.5)))


def test_several_outputs_decide_by_the_largest():
    (axis,) = nn.plot_decision_boundary(
        lambda x: [x[0], x[1], 1.0 - x[0] - x[1]], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [2, 0, 1]
    ).axes
    regions = [region_at(axis, at) for at in ((0.9, 0.1), (0.1, 0.9), (0.1, 0.1))]
    assert len({*regions}) == 3
    assert len(lines_of(axis)) >= 2
    for x, y in [point for line in lines_of(axis) for point in line]:
        outputs = sorted([x, y, 1.0 - x - y])
        assert outputs[2] - outputs[1] < 0.02, "the two largest are equal on a boundary"


def test_where_all_decide_alike_there_is_no_boundary():
    for model in (lambda x: 1.0 + 0.0 * x[0], lambda x: [x[0] + 9.0, x[0], x[0]]):
        (axis,) = nn.plot_decision_boundary(model, [[0.0, 0.0], [1.0, 1.0]], [0, 1]).axes
        assert lines_of(axis) == []


def test_a_label_is_one_number():
    with pytest.raises(ValueError, match=r"one label each, got X of shape \(1, 2\) and y of shape"):
        nn.plot_decision_boundary(lambda x: x[0], [[1.0, 2.0]], [[0]])


def test_a_figure_shows_itself_in_notebooks():
    figure = nn.plot_history(history(loss=[1.0, 0.5]))
    shown = figure._repr_mimebundle_()
    assert shown["image/png"].startswith(b"\x89PNG")
    assert shown["text/plain"] == repr(figure)


def look(artist, *names):
    return tuple(getattr(artist, f"get_{name}")() for name in names)


@pytest.mark.filterwarnings("error")
def test_plots_look_as_they_were_approved():
    """Sizes, widths and greys: whoever changes one looks at the plots again."""
    curves = history(loss=[1.0, 0.5], metrics={"a": [0.5, 0.9], "b": [0.1, 0.2]}).plot()
    X = [[k % 3, k // 3] for k in range(9)]
    plane = nn.plot_decision_boundary(lambda x: [1.0, x[0], x[1]], X, [k % 3 for k in range(9)])
    assert [figure.get_size_inches().tolist() for figure in (curves, plane)] == [
        [9.6, 4.2],
        [6.4, 4.2],
    ]
    for figure in (curves, plane):
        assert figure.get_layout_engine() is not None
        for axis in figure.axes:
            assert axis.get_axisbelow() is True
            [grid, *_] = axis.get_xgridlines()
            assert look(grid, "color", "linewidth") == ("#dddddd", 0.7)
    assert {line.get_linewidth() for axis in curves.axes for line in axis.lines} == {2}
    assert curves.axes[1].get_legend().get_frame_on() is False
    assert all(tick == int(tick) for axis in curves.axes for tick in axis.get_xticks())
    [axis] = plane.axes
    legend = axis.get_legend()
    assert look(legend.get_frame(), "alpha") == (0.9,)
    assert legend._loc == 0, "wherever it hides least"
    regions, *rest = axis.collections
    assert (regions.get_alpha(), len(regions.get_paths())) == (0.18, 3)
    lines = [c for c in rest if hasattr(c, "filled")]
    assert [look(c, "linewidth", "edgecolor")[0].tolist() for c in lines] == [[1.5], [1.5]]
    assert {matplotlib.colors.to_hex(c.get_edgecolor()[0]) for c in lines} == {"#333333"}
    for points in rest[len(lines) :]:
        assert matplotlib.colors.to_hex(points.get_edgecolor()[0]) == "#ffffff"
        assert (*points.get_linewidth(), *points.get_sizes(), points.get_zorder()) == (0.6, 36, 3)


def test_there_may_be_more_curves_and_classes_than_colours():
    metrics = {f"score {k}": [0.1 * k, 0.2 * k] for k in range(9)}
    lines = nn.plot_history(history(loss=[1.0], metrics=metrics)).axes[1].lines
    assert len({line.get_color() for line in lines}) == 8
    assert lines[8].get_color() == lines[0].get_color()
    X, y = [[float(k), 0.0] for k in range(9)], [*range(9)]
    (axis,) = nn.plot_decision_boundary(lambda x: [-((x[0] - k) ** 2) for k in range(9)], X, y).axes
    colours = [region_at(axis, (k + 0.1, 0.1)) for k in range(9)]
    assert len({*colours}) == 8
    assert colours[8] == colours[0]
    classes = [c for c in axis.collections if not hasattr(c, "filled")]
    assert [tuple(c.get_facecolor()[0][:3]) for c in classes] == colours
    assert len({c.get_paths()[0].vertices.tobytes() for c in classes}) == 8


@pytest.mark.parametrize("missing", ["numpy", "matplotlib.figure"])
def test_what_is_missing_is_named_with_the_extra_that_brings_it(missing, monkeypatch):
    nn.plot._shown.cache_clear()
    monkeypatch.setitem(sys.modules, missing, None)
    words = rf"this needs {missing.partition('.')[0]}: pip install \"payback\[plot\]\""
    plots = {"numpy": lambda: nn.plot_decision_boundary(lambda x: x[0], [[1.0, 2.0]], [0])}
    with pytest.raises(ImportError, match=words):
        plots.get(missing, lambda: nn.plot_history(history()))()


def test_a_plot_is_written_wholly_or_not_at_all(tmp_path):
    course = nn.History(loss=[2.0, 1.0])
    course.plot(path=tmp_path / "curves")  # without an ending: a PNG, as matplotlib has it
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    course.plot(path=tmp_path / "curves.svg")
    assert b"<svg" in (tmp_path / "curves.svg").read_bytes()
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(ValueError, match="txt"):
        course.plot(path=tmp_path / "kept.txt")
    with pytest.raises(IsADirectoryError, match="is a folder, a file name is needed"):
        course.plot(path=tmp_path)
    assert not tmp_path.with_suffix(".png").exists()
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        course.plot(path=tmp_path / "nowhere" / "curves.png")
    assert (tmp_path / "kept.txt").read_text() == "mine"
    assert {file.name for file in tmp_path.iterdir()} == {"curves.png", "curves.svg", "kept.txt"}


def test_only_a_history_has_curves():
    with pytest.raises(TypeError, match=r"what fit gave back, got \[2.0, 1.0\]"):
        nn.plot_history([2.0, 1.0])


@pytest.mark.parametrize(
    ("model", "labels", "places"),
    [
        (lambda x: [x[0], x[1], -x[0] - x[1]], [1, 2], [1, 2]),
        (lambda x: x[0], [1, 1], [1]),
        (lambda x: x[0], [-1, -1], [0]),
        (lambda x: x[0], [0, 1], [0, 1]),
        (lambda x: x[0], [-1, 1], [0, 1]),
    ],
)
def test_an_example_has_the_colour_of_its_region(model, labels, places):
    figure = nn.plot_decision_boundary(model, [[0.0, 1.0], [-1.0, -1.0]], labels)
    regions, *rest = figure.axes[0].collections
    points = [c for c in rest if not hasattr(c, "filled")]
    colours = regions.get_facecolor()[:, :3].tolist()
    assert [c.get_facecolor()[0, :3].tolist() for c in points] == [colours[i] for i in places]
