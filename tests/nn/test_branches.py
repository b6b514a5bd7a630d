"""A model or a loss that decides in Python is not trained on the branch of its first example."""

import math
import random
import re
from itertools import count

import pytest

import autograd
import nn
from autograd import Value, less, no_grad, where

pytest.importorskip("numpy")

RNG = random.Random(3)
X = [[RNG.uniform(-1, 1), RNG.uniform(-1, 1)] for _ in range(300)]
SIGNS = [1.0 if a * b > 0 else -1.0 for a, b in X]


def frozen(score):
    with no_grad():
        return score * score


def margin(t, s):
    return max(1 - t * s, 0 * s)


LOSSES = {
    "max": lambda s, t: margin(t, s),
    "min": lambda s, t: -min(t * s - 1, 0 * s),
    "a target compared": lambda s, t: (1 - s).relu() if t == 1 else (1 + s).relu(),
    "a target among": lambda s, t: (1 - s).relu() if t in (1, 2) else (1 + s).relu(),
    "abs by if": lambda s, t: s - t if s - t > 0 else t - s,
    "sorted": lambda s, t: sorted([1 - t * s, 0 * s])[-1],
    "detach": lambda s, t: (s.detach() - t) * (s - t),
    "data": lambda s, t: nn.hinge_loss(s, t) * math.exp(-s.data),
    "no_grad": lambda s, t: nn.hinge_loss(s, t) * frozen(s),
    "int": lambda s, t: nn.hinge_loss(s, t) * [1, 2, 3][int(t)],
    "floor": lambda s, t: nn.hinge_loss(s, t) * (3 + math.floor(t)),
    "round": lambda s, t: nn.hinge_loss(s, t) * (3 + round(t)),
    "table": lambda s, t: nn.hinge_loss(s, t) * {1.0: 2.0, -1.0: 0.5}[t],
    "method": lambda s, t: nn.hinge_loss(s, t) * (1.0 + t.is_integer()),
    "format": lambda s, t: nn.hinge_loss(s, t) * (2 + float(f"{t:.1f}")),
    "hash": lambda s, t: nn.hinge_loss(s, t) * {1.0: 2.0}.get(t, 0.5),
    "set": lambda s, t: nn.hinge_loss(s, t) * (2.0 if t in {-1.0, 0.5} else 1.0),
    "hardly": lambda s, t: nn.hinge_loss(s, t) + 1e-6 * isinstance(t, float),
    "type": lambda s, t: nn.hinge_loss(s, t) * (2.0 if isinstance(t, float) else 1.0),
}
MODELS = {
    "if": lambda model: lambda x: model(x) if x[0] < 0.9 else -model(x),
    "rarely": lambda model: lambda x: model(x) if x[1] < max(b for _, b in X) else -model(x),
    "int": lambda model: lambda x: model(x) * (2 + int(x[0] * 2)),
    "a rare key": lambda model: lambda x: model(x) * {X[211][0]: 2.0}.get(x[0], 1.0),
    "parameter": lambda model: lambda x: (
        model(x) * (2 if model.layers[0].neurons[0].w[0] > 0 else 3)
    ),
    "detached": lambda model: lambda x: model(x) * model.layers[0].neurons[0].w[0].detach(),
}  # fmt: skip


def trained(backend, loss=nn.hinge_loss, wrap=lambda model: model, **options):
    model = nn.MLP(2, [4, 1], activation="tanh", seed=1)
    optimizer = nn.Adam(model.parameters(), lr=0.05)
    given = {"epochs": 2, "progress": False, "seed": 5} | options
    history = nn.fit(
        wrap(model), X, SIGNS, loss=loss, optimizer=optimizer, backend=backend, **given
    )
    return model, history


CASES = {
    **{f"loss: {name}": {"loss": loss} for name, loss in LOSSES.items()},
    **{f"model: {name}": {"wrap": wrap} for name, wrap in MODELS.items()},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_trains_eagerly_and_says_why(case):
    model, history = trained("auto", **case)
    reference, eager = trained("eager", **case)
    assert history.backend == "eager"
    assert (history.loss, model.state_dict()) == (eager.loss, reference.state_dict())
    assert history.note.startswith("not compiled: ")
    caught_by_rows = "random" in history.note
    assert caught_by_rows or f"{__file__}:" in history.note
    with pytest.raises(Exception) as caught:  # noqa: PT011
        trained("numpy", **case)
    assert re.sub(r"\d\.\d+", "…", str(caught.value)) in re.sub(r"\d\.\d+", "…", history.note)


@pytest.mark.parametrize("name", ["loss: hash", "loss: set", "model: a rare key"])
def test_a_number_as_a_key_is_noticed_while_it_is_recorded(name):
    _, history = trained("auto", **CASES[name])
    assert re.search(rf"{re.escape(__file__)}:\d+: hash\(\)", history.note)


@pytest.mark.parametrize("wrap", MODELS.values(), ids=MODELS)
def test_predict_follows_it(wrap):
    model = wrap(nn.MLP(2, [4, 1], activation="tanh", seed=1))
    assert nn.predict(model, X) == pytest.approx([model(row).data for row in X], rel=1e-12)


@pytest.mark.parametrize("name", ["parameter", "detached"])
def test_a_parameter_may_decide_where_nothing_is_learned(name):
    model = MODELS[name](nn.MLP(2, [4, 1], activation="tanh", seed=1))
    expected = pytest.approx([model(row).data for row in X], rel=1e-12)
    assert nn.predict(model, X, backend="numpy") == expected


def test_what_cannot_change_may_decide():
    scale, frozen_weight = Value(2.0), Value(3.0, requires_grad=False)

    def loss(s, t):
        factor = 2 if scale > 1 and frozen_weight.data == 3 and float(frozen_weight) else 1
        return nn.hinge_loss(s, t) * factor * scale

    _, history = trained("numpy", loss)
    _, eager = trained("eager", loss)
    assert history.loss == pytest.approx(eager.loss, rel=1e-12)


def test_where_is_what_to_write_instead():
    def branching(s, t):
        return 1 - s * t if s * t < 1 else 0 * s

    def traced(s, t):
        return where(less(s * t, 1.0), 1 - s * t, 0 * s)

    _, history = trained("numpy", traced)
    _, eager = trained("eager", branching)
    assert history.loss == pytest.approx(eager.loss, rel=1e-12)


def changing(after):
    """A loss that doubles after so many calls: no number decides it."""
    calls = count()
    return lambda s, t: nn.hinge_loss(s, t) * (1.0 if next(calls) < after else 2.0)


def test_what_only_time_changes_is_seen_at_the_end():
    """Tried out, recorded, compared with 256 rows; the training itself never asks Python again."""
    seen = []
    options = {"callbacks": [lambda epoch: seen.append(epoch.number)]}
    model, history = trained("auto", changing(300), **options)
    assert (history.backend, seen) == ("eager", [1, 2, 1, 2])
    told = r"the compiled loss of X\[\d+\] is [\de.-]+, the eager one [\de.-]+: .* at random"
    assert re.search(told, history.note)
    reference, eager = trained("eager", changing(0))
    assert (history.loss, model.state_dict()) == (eager.loss, reference.state_dict())


def test_a_backend_that_was_asked_for_leaves_everything_as_it_was():
    model = nn.MLP(2, [4, 1], seed=1)
    optimizer, ema = nn.Adam(model.parameters(), lr=0.05), nn.EMA(model.parameters())
    before = model.state_dict(), optimizer.state_dict(), ema.state

    def faster(epoch):
        epoch.optimizer.lr = 1.0

    with pytest.raises(ValueError, match="at random"):
        nn.fit(
            model, X, SIGNS, loss=changing(300), optimizer=optimizer, ema=ema, epochs=2,
            backend="numpy", progress=False, callbacks=[faster],
        )  # fmt: skip
    assert (model.state_dict(), optimizer.state_dict(), ema.state) == before
    assert ema.updates == 0


def test_an_interrupted_training_is_not_begun_anew():
    def press(epoch):
        raise KeyboardInterrupt

    model, history = trained("auto", changing(300), callbacks=[press])
    assert (len(history), history.stopped) == (0, "interrupted by the user")
    assert "at random" in history.note
    assert model.state_dict() == nn.MLP(2, [4, 1], activation="tanh", seed=1).state_dict()


def test_a_loss_of_derivatives_trains_and_validates_on_every_engine():
    def steep(s, t):
        return nn.hinge_loss(s, t) + autograd.gradients(s**3, s, create_graph=True) * 0.1

    runs = [trained(b, steep, validation=(X[:9], SIGNS[:9]))[1] for b in ("eager", "numpy")]
    assert runs[1].validation_loss == pytest.approx(runs[0].validation_loss, rel=1e-9)


def test_nan_is_nan_on_every_engine():
    def model(x):
        return autograd.log(x[0]) * 1.0

    table = [[number / 10] for number in range(-150, 150)]
    eager = nn.predict(model, table, backend="eager")
    assert sum(map(math.isnan, eager)) == 150
    compiled = nn.predict(model, table, backend="numpy")
    assert compiled == pytest.approx(eager, nan_ok=True)


@pytest.mark.parametrize("part", [0.5, 1 - 1e-4])
def test_a_slope_that_is_another_is_seen_before_the_training(part):
    """Some of the loss taken out of the graph, once recorded: the numbers stay as they were."""
    calls = count()

    def loss(s, t):
        whole = nn.hinge_loss(s, t)
        return whole if next(calls) < 2 else part * whole + (1 - part) * whole._number

    with pytest.raises(ValueError, match="the compiled derivative of the loss of X"):
        trained("numpy", loss)
    calls = count()
    model, history = trained("auto", loss)
    assert history.backend == "eager"
    assert model.state_dict() == trained("eager", loss)[0].state_dict()


def test_rows_with_the_least_and_the_greatest_target_are_compared_first():
    """Of a model for which there is time for four rows only."""
    seen = []

    def loss(outputs, t):
        seen.append(t)
        return autograd.sum(outputs) * t

    def model(x):
        return autograd.affine([weights] * 251, [x[0]] * 1_000, [weights[0]] * 251)

    targets = [0.5] * 300
    targets[7], targets[201] = -4.0, 9.0
    weights = [Value(0.001 * k) for k in range(1_000)]
    optimizer = nn.SGD(weights, lr=0.0)
    nn.fit(
        model, X, targets, loss=loss, optimizer=optimizer, epochs=1, batch_size=None,
        backend="numpy", progress=False,
    )  # fmt: skip
    compared = [t for t in seen if not isinstance(t, Value)][1:]
    assert len(compared) == 4 + 4, "before, and after"
    assert {-4.0, 9.0} < {*compared[:4]}


@pytest.mark.parametrize(("inputs", "rows"), [(1, 256), (6000, 16)])
def test_a_large_model_is_compared_on_fewer_rows(inputs, rows):
    neuron = nn.Neuron(inputs, "tanh", seed=1)
    calls = count()

    def model(x):
        next(calls)
        return neuron(x)

    table = [[RNG.uniform(-1, 1)] * inputs for _ in range(300)]
    nn.predict(model, table, backend="numpy")
    assert next(calls) == 1 + rows, "recorded once"


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_what_cancels_is_rounding_and_no_branch(backend):
    """Where targets are 100,000,000, half of the digits are left; a branch shows all the same."""
    pytest.importorskip({"native": "llvmlite"}.get(backend, backend))
    rng, calls = random.Random(0), count()
    table = [[rng.uniform(0, 1) for _ in range(3)] for _ in range(200)]
    targets = [1e8 + sum(row) + rng.gauss(0, 0.3) for row in table]

    def trained(wrong):
        model = nn.MLP(3, [1], seed=0)
        model.parameters()[-1].data = 1e8
        return nn.fit(
            lambda x: model(x) + wrong(), table, targets, loss=nn.mse_loss, epochs=20,
            optimizer=nn.Adam(model.parameters(), lr=0.1), backend=backend, progress=False,
        )  # fmt: skip

    assert len(trained(lambda: 0.0)) == 20
    with pytest.raises(ValueError, match="decides something in Python"):
        trained(lambda: next(calls) / 1e4)


def test_an_infinity_of_the_other_sign_is_no_rounding():
    calls = count()

    def model(x):
        return x[0] * (1e308 if next(calls) else -1e308)

    with pytest.raises(ValueError, match=r"output for X\[\d\] is -inf, the eager one inf"):
        nn.predict(model, [[100.0 + k] for k in range(8)], backend="numpy")


def test_what_cancels_in_one_output_excuses_no_other():
    calls, w = count(), Value(1.0)

    def model(x):
        return [(x[0] * w + 1e18) - 1e18 * w, x[0] * w + next(calls)]

    with pytest.raises(ValueError, match="the compiled output for X"):
        nn.predict(model, [[0.1 * k] for k in range(8)], backend="numpy")
