"""Training: that it learns, that every engine gives the same numbers, that nothing is lost."""

import io
import re
import signal
import sys
from contextlib import suppress
from functools import partial
from math import inf, isclose, isnan, nan
from operator import mul
from random import Random

import pytest

import autograd
import nn
from autograd import Value

numpy = pytest.importorskip("numpy")

RNG = Random(3)
X = [[RNG.uniform(-1, 1), RNG.uniform(-1, 1)] for _ in range(50)]
SIGNS = [1 if a * b > 0 else -1 for a, b in X]
CLASSES = [int(a > 0) + int(b > 0) for a, b in X]
SMOOTH = [[a * b, a - b] for a, b in X]

ENGINES = ["eager", "numpy", "native"]


def installed(backend):
    """Skip the test where a backend's package is missing."""
    pytest.importorskip({"native": "llvmlite", "eager": "autograd"}.get(backend, backend))


def mlp(outputs=1, seed=1):
    return nn.MLP(2, [6, outputs], activation="tanh", seed=seed)


def train(model, y=SIGNS, **options):
    given = {
        "loss": nn.hinge_loss, "epochs": 3, "batch_size": 16, "progress": False,
        "backend": "eager", "optimizer": None,
    } | options  # fmt: skip
    given["optimizer"] = given["optimizer"] or nn.SGD(model.parameters(), lr=0.1)
    return nn.fit(model, given.pop("X", X), y, **given)


# -- learning --------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize(
    ("loss", "y", "outputs"),
    [
        (nn.hinge_loss, SIGNS, 1),
        (nn.binary_cross_entropy, [(s + 1) // 2 for s in SIGNS], 1),
        (nn.cross_entropy, CLASSES, 3),
        (nn.cross_entropy, [[float(c == k) for k in range(3)] for c in CLASSES], 3),
        (nn.squared_error, SMOOTH, 2),
        (nn.mse_loss, SMOOTH, 2),
    ],
)
def test_the_loss_goes_down(backend, loss, y, outputs):
    model = mlp(outputs)
    optimizer = nn.Adam(model.parameters(), lr=0.05)
    history = train(model, y, loss=loss, optimizer=optimizer, epochs=40, backend=backend)
    assert history.loss[-1] < 0.3 * history.loss[0]
    assert (len(history), history.backend, history.stopped) == (40, backend, "")


def test_one_epoch_is_gradient_descent_by_hand():
    w = Value(0.0)
    table, y = [[1.0], [2.0], [3.0]], [1.0, 1.0, 1.0]
    history = nn.fit(
        lambda x: w * x[0], table, y, loss=nn.squared_error, optimizer=nn.SGD([w], lr=0.1),
        epochs=1, batch_size=2, shuffle=False, backend="eager",
    )  # fmt: skip
    first = 0.1 * (1.0 + 2.0) / 2
    assert w.data == pytest.approx(first - 0.1 * (3 * first - 1) * 3)
    assert history.loss == [pytest.approx((0.5 + 0.5 + 0.5 * (3 * first - 1) ** 2) / 3)]


# -- the same numbers on every engine --------------------------------------------------------------

OPTIMIZERS = {
    "sgd": lambda p: nn.SGD(p, lr=0.1, weight_decay=1e-3),
    "momentum": lambda p: nn.SGD(p, lr=0.05, momentum=0.9),
    "nesterov": lambda p: nn.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-2),
    "adam": lambda p: nn.Adam(p, lr=0.02, weight_decay=1e-2),
    "adamw": lambda p: nn.AdamW(p, lr=0.02),
}


def everything(backend, optimizer, **options):
    """All numbers that a training leaves behind."""
    model = mlp()
    parameters = model.parameters()
    optimizer, ema = OPTIMIZERS[optimizer](parameters), nn.EMA(parameters, 0.9)
    history = train(
        model, optimizer=optimizer, ema=ema, backend=backend, epochs=4,
        validation=(X[:10], SIGNS[:10]), metrics=[nn.accuracy], **options,
    )  # fmt: skip
    assert history.backend == backend
    return [
        *history.loss, *history.validation_loss, *history.metrics["accuracy"], *history.rate,
        *[p.data for p in parameters], *ema.averages, ema.updates, optimizer.steps,
        *[number for memory in optimizer.state for number in memory],
    ]  # fmt: skip


@pytest.mark.parametrize("backend", ["numpy", "native", "jax"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_compiled_training_gives_the_eager_numbers(backend, optimizer):
    installed(backend)
    options = {"schedule": nn.warmup(3, nn.cosine(0.1))}
    eager = everything("eager", optimizer, **options)
    assert everything(backend, optimizer, **options) == pytest.approx(eager, abs=1e-9)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("batch_size", [1, 7, 25, 50, 64, None])
def test_every_batch_size_gives_the_eager_numbers(backend, batch_size):
    eager = everything("eager", "adam", batch_size=batch_size)
    compiled = everything(backend, "adam", batch_size=batch_size)
    assert compiled == pytest.approx(eager, abs=1e-9)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("table", [numpy.array(X), numpy.array(X, "float32"), X])
def test_arrays_and_lists_train_alike(backend, table):
    a, b = mlp(), mlp()
    eager = train(a, X=table, epochs=2)
    compiled = train(b, numpy.array(SIGNS), X=table, epochs=2, backend=backend)
    assert compiled.loss == pytest.approx(eager.loss, abs=1e-9)


@pytest.mark.parametrize(
    ("backend", "batch_size"),
    [("eager", None), *[(name, size) for name in ("numpy", "native") for size in (49, None)]],
)
def test_many_unwatched_epochs_are_the_watched_ones(backend, batch_size):
    """Without anything to look at, compiled epochs run many at a time, if all batches are whole."""
    a, b = mlp(), mlp()
    watched = train(a, epochs=200, batch_size=batch_size, backend=backend, metrics=[nn.accuracy])
    unwatched = train(b, epochs=200, batch_size=batch_size, backend=backend)
    assert unwatched.loss == pytest.approx(watched.loss, abs=1e-12)
    assert b.state_dict() == pytest.approx(a.state_dict(), abs=1e-12)


@pytest.mark.parametrize("backend", ["eager", "numpy"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [16, 25, None])
def test_a_second_fit_goes_on_where_the_first_stopped(backend, shuffle, batch_size):
    options = {"shuffle": shuffle, "batch_size": batch_size, "backend": backend, "seed": 7}
    once, parts = mlp(), mlp()
    whole = nn.Adam(once.parameters(), lr=0.02)
    history = train(once, optimizer=whole, epochs=5, **options)
    optimizer, losses = nn.Adam(parts.parameters(), lr=0.02), []
    for epochs in (2, 1, 2):
        resumed = nn.Adam(parts.parameters(), lr=0.5)  # as from a file
        resumed.load_state_dict(optimizer.state_dict())
        optimizer = resumed
        losses += train(parts, optimizer=optimizer, epochs=epochs, **options).loss
    assert losses == pytest.approx(history.loss, abs=1e-12)
    assert parts.state_dict() == pytest.approx(once.state_dict(), abs=1e-12)


def test_the_seed_is_any_whole_number():
    runs = {}
    for seed in (3, numpy.int64(3), numpy.uint8(3), True, 4):
        runs[repr(seed)] = train(mlp(), seed=seed).loss
    ours, *others = runs.values()
    assert others[:2] == [ours, ours]
    assert ours not in others[2:]
    assert train(mlp(), seed=None).loss != train(mlp(), seed=None).loss
    assert mlp(seed=numpy.int64(5)).state_dict() == mlp(seed=5).state_dict()
    with pytest.raises(TypeError):
        train(mlp(), seed=0.5)


@pytest.mark.parametrize("backend", ENGINES)
def test_a_batch_may_be_larger_than_anything(backend):
    a, b = mlp(), mlp()
    train(a, batch_size=10**30, backend=backend)
    train(b, batch_size=None, backend=backend)
    assert a.state_dict() == b.state_dict()


def test_a_hundred_epochs_of_batches_of_32_by_default():
    model = mlp()
    optimizer = nn.SGD(model.parameters(), lr=0.01)
    history = nn.fit(model, X, SIGNS, loss=nn.hinge_loss, optimizer=optimizer, progress=False)
    assert (len(history), optimizer.steps) == (100, 100 * 2)


@pytest.mark.parametrize(("batch_size", "batches"), [(16, 4), (25, 2), (50, 1), (49, 2), (1, 50)])
def test_a_schedule_is_told_of_every_step(batch_size, batches):
    told = set()

    def schedule(step, steps):
        told.add(steps)
        return 0.01

    train(mlp(), schedule=schedule, batch_size=batch_size, epochs=3)
    assert told == {3 * batches}


def test_a_batch_of_everything_keeps_its_order():
    a, b = mlp(), mlp()
    train(a, batch_size=None, shuffle=True)
    train(b, batch_size=None, shuffle=False)
    assert a.state_dict() == b.state_dict()
    c, d = mlp(), mlp()
    train(c, batch_size=25, shuffle=True)
    train(d, batch_size=25, shuffle=False)
    assert c.state_dict() != d.state_dict(), "two batches are drawn anew"


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize(("steps", "updates"), [(3, 0), (0, 3), (2, 5)])
def test_the_average_may_have_begun_at_another_time(backend, steps, updates):
    results = []
    for engine in ("eager", backend):
        model = mlp()
        optimizer, ema = nn.Adam(model.parameters(), 0.02), nn.EMA(model.parameters(), 0.8)
        for _ in range(steps):
            optimizer.step()
        for _ in range(updates):
            ema.update()
        history = train(
            model, optimizer=optimizer, ema=ema, epochs=2, backend=engine, shuffle=False,
            validation=(X[:9], SIGNS[:9]),
        )  # fmt: skip
        assert (optimizer.steps, ema.updates) == (steps + 8, updates + 8)
        results.append([*history.validation_loss, *ema.averages])
    assert results[1] == pytest.approx(results[0], abs=1e-12)


def test_only_true_ends_the_training():
    for answer in (1, "yes", [0], 1.0):
        assert len(train(mlp(), callbacks=[lambda epoch, answer=answer: answer])) == 3


# -- frozen parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [*ENGINES, "jax"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_parameter_frozen_meanwhile_stays_with_its_state(backend, optimizer):
    """As in PyTorch, where the optimiser passes over what has no gradient."""
    installed(backend)
    results = []
    for engine in ("eager", backend):
        model = mlp()
        parameters = model.parameters()
        chosen, ema = OPTIMIZERS[optimizer](parameters), nn.EMA(parameters, 0.9)
        train(model, optimizer=chosen, ema=ema, epochs=2)
        frozen = parameters[3:7]
        for parameter in frozen:
            parameter.requires_grad = False
        before = [p.data for p in frozen], [memory[3:7] for memory in chosen.state]
        history = train(
            model, optimizer=chosen, ema=ema, epochs=2, backend=engine,
            validation=(X[:9], SIGNS[:9]), metrics=[nn.accuracy],
        )  # fmt: skip
        assert history.backend == engine
        assert ([p.data for p in frozen], [memory[3:7] for memory in chosen.state]) == before
        assert not any(p.requires_grad for p in frozen)
        results.append([
            *history.loss, *history.validation_loss, *[p.data for p in parameters],
            *ema.averages, *[number for memory in chosen.state for number in memory],
        ])  # fmt: skip
    assert results[1] == pytest.approx(results[0], abs=1e-9)


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_callback_may_freeze_and_free(backend):
    def train_in_turns(engine):
        model = mlp()
        first = model.layers[0].parameters()

        def turn(epoch):
            for parameter in first:
                parameter.requires_grad = epoch.number % 2 == 0

        train(model, optimizer=nn.Adam(model.parameters(), lr=0.02), epochs=4, backend=engine,
              callbacks=[turn])  # fmt: skip
        return [parameter.data for parameter in (*first, *model.layers[1].parameters())]

    assert train_in_turns(backend) == pytest.approx(train_in_turns("eager"), abs=1e-12)


def test_a_rule_is_recorded_once_however_often_a_callback_looks(monkeypatch):
    from nn import compiled

    stated, rule_of = [], compiled.rule_of

    def noted(task, frozen):
        stated.append(frozen)
        return rule_of(task, frozen)

    monkeypatch.setattr(compiled, "rule_of", noted)
    model = mlp()

    def freeze(epoch):
        model.parameters()[0].requires_grad = epoch.number < 3

    train(model, epochs=5, backend="numpy", callbacks=[freeze])
    assert stated == [False, True]


def detached(model):
    return lambda x: model(x).detach()


def numbers(model):
    return lambda x: model(x).data


@pytest.mark.parametrize("backend", ["auto", "eager", "numpy"])
@pytest.mark.parametrize("wrap", [detached, numbers, lambda model: lambda x: x[0]])
def test_a_loss_that_depends_on_no_parameter_is_refused(wrap, backend):
    model = mlp()
    with pytest.raises(ValueError, match="depends on no parameter"):
        train(wrap(model), optimizer=nn.SGD(model.parameters(), 0.1), backend=backend,
              loss=lambda o, t: nn.hinge_loss(Value(0.0, requires_grad=False) + o, t))  # fmt: skip


@pytest.mark.parametrize(("constant", "refused"), [(0, False), (15, False), (16, True)])
def test_sixteen_rows_are_looked_at_for_a_dependence(constant, refused):
    slope = Value(1.5)

    def loss(output, target):
        return output * target if target >= constant else Value(0.0, requires_grad=False)

    def fit():
        nn.fit(
            lambda x: slope * x[0], [[1.0]] * 20, range(20), loss=loss, epochs=1, backend="eager",
            optimizer=nn.SGD([slope], lr=0.1), progress=False,
        )  # fmt: skip

    if refused:
        with pytest.raises(ValueError, match="depends on no parameter"):
            fit()
    else:
        fit()
    assert (slope.data == 1.5) == refused


def test_a_loss_may_be_constant_here_and_there():
    """What Python takes from the margin on is no Value of the model's."""
    slope = Value(1.5)

    def hinge(output, target):
        return 1 - output * target if output * target < 1 else Value(0.0, requires_grad=False)

    optimizer = nn.SGD([slope], lr=0.1)
    history = nn.fit(
        lambda x: slope * x[0], [[1.0], [0.5], [2.0]], [1.0, 1.0, 1.0], loss=hinge, epochs=1,
        optimizer=optimizer, batch_size=1, shuffle=False, progress=False,
    )  # fmt: skip
    assert slope.data == 1.5 + 0.1 * 0.5
    assert history.loss == [pytest.approx(0.25 / 3)]


@pytest.mark.parametrize("backend", ENGINES)
def test_parameters_that_the_optimizer_does_not_hold_stay(backend):
    model = mlp()
    learned = model.layers[1].parameters()
    before = [p.data for p in model.layers[0].parameters()]
    history = train(model, optimizer=nn.SGD(learned, lr=0.1), epochs=5, backend=backend)
    assert [p.data for p in model.layers[0].parameters()] == before
    assert history.loss[-1] < history.loss[0]
    assert all(p.requires_grad for p in model.parameters())


def test_the_default_compiles_and_says_what_ran():
    assert train(mlp(), backend="auto").backend in ("native", "numpy")


# -- what cannot be compiled -----------------------------------------------------------------------


def branching(model):
    def decide(x):
        score = model(x)
        return score if x[0] > 0 else -score

    return decide


def rounding(output, target):
    return (output - int(float(target))) * output


@pytest.mark.parametrize(
    ("wrap", "loss", "why"),
    [
        (branching, nn.hinge_loss, r"test_train\.py:\d+: a > b compares a number"),
        (lambda model: model, rounding, r"test_train\.py:\d+: float\(\) looks at a number"),
    ],
)
def test_what_cannot_be_compiled_runs_eagerly_and_says_why(wrap, loss, why):
    model, other = mlp(), mlp()
    auto = train(wrap(model), loss=loss, backend="auto", optimizer=nn.SGD(model.parameters(), 0.01))
    assert auto.backend == "eager"
    assert re.search(why, auto.note)
    eager = train(wrap(other), loss=loss, optimizer=nn.SGD(other.parameters(), 0.01))
    assert auto.loss == eager.loss
    before = model.state_dict()
    with pytest.raises((TypeError, ValueError), match=why):
        train(wrap(model), loss=loss, backend="numpy", optimizer=nn.SGD(model.parameters(), 0.01))
    assert model.state_dict() == before


def test_without_numpy_fit_is_eager(monkeypatch):
    monkeypatch.setitem(sys.modules, "nn.compiled", None)
    history = train(mlp(), backend="auto")
    assert history.backend == "eager"
    assert history.note


def test_a_backend_asked_for_says_what_it_lacks(monkeypatch):
    model = mlp()
    for run in (
        lambda: train(model, backend="numpy"),
        lambda: nn.predict(model, X, backend="numpy"),
    ):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "numpy", None)
            with pytest.raises(ImportError, match=r"numpy.*\[fast\]"):
                run()


@pytest.mark.parametrize(("y", "names"), [(SIGNS, ("y",)), (SMOOTH, ("y0", "y1"))])
def test_what_is_recorded_has_names(y, names):
    from nn.data import examples
    from nn.engines import Task
    from nn.recorded import compiled_loss, compiled_outputs, recorded_loss

    model = mlp(len(names))
    optimizer = nn.SGD(model.parameters(), lr=0.1)
    task = Task(model, examples(X, y), nn.mse_loss, optimizer, None, 8, None, lambda step: 0.1)
    program = compiled_loss(task, recorded_loss(task, {}), "numpy")
    assert program.names.inputs == ("x0", "x1", *names)
    assert compiled_outputs(model, X[0], None, "numpy")[0].names.inputs == ("x0", "x1")


# -- schedule, average, callbacks ------------------------------------------------------------------


@pytest.mark.parametrize("kind", [float, numpy.float64, numpy.asarray])
def test_the_schedule_sets_the_rate_of_each_step_and_leaves_lr_alone(kind):
    model, seen = mlp(), []
    optimizer = nn.SGD(model.parameters(), lr=0.1)

    def schedule(step):
        seen.append(step)
        return kind(0.5 / (1 + step))

    history = train(model, optimizer=optimizer, schedule=schedule, epochs=2)
    assert optimizer.lr == 0.1
    assert set(seen) == set(range(8))
    assert history.rate == [0.5 / 4, 0.5 / 8]


@pytest.mark.parametrize("backend", ENGINES)
def test_a_callback_may_change_the_rate(backend):
    model, reference = mlp(), mlp()
    optimizer = nn.SGD(model.parameters(), lr=0.1)

    def halve(epoch):
        epoch.optimizer.lr /= 2

    history = train(model, optimizer=optimizer, callbacks=[halve], epochs=3, backend=backend)
    assert history.rate == [0.1, 0.05, 0.025]
    per_epoch = -(-len(X) // 16)
    train(reference, schedule=lambda step: 0.1 / 2 ** (step // per_epoch), epochs=3,
          optimizer=nn.SGD(reference.parameters(), lr=9.0))  # fmt: skip
    assert model.state_dict() == pytest.approx(reference.state_dict(), rel=1e-9)


def test_a_model_may_return_a_tuple():
    slope = Value(1.0)
    table = [[1.0, 2.0], [3.0, -1.0]]
    nn.fit(
        lambda x: (slope * x[0], slope * x[1]), table, table, loss=nn.mse_loss,
        optimizer=nn.SGD([slope], lr=0.1), epochs=2, progress=False,
    )  # fmt: skip
    assert slope.data == 1.0


@pytest.mark.parametrize("backend", [*ENGINES, "jax", "auto"])
def test_a_derivative_in_the_model_and_in_the_loss_is_learned_from(backend):
    """u = w x³ in u'(x) + u'(½) and in a penalty u''(1): the eager engine took numbers of them."""
    installed("eager" if backend == "auto" else backend)
    w, xs, ys = Value(1.5), [0.0, 0.5, 2.0], [1.0, 2.0, -1.0]
    slope = autograd.grad(lambda x: w * x**3)
    history = nn.fit(
        lambda x: slope(x[0]) + slope(0.5), [[x] for x in xs], ys,
        loss=lambda o, y: (o - y) ** 2 + autograd.grad(slope)(1.0) ** 2,
        optimizer=nn.SGD([w], lr=0.01), epochs=1, progress=False, backend=backend,
        validation=([[1.0]], [0.0]),
    )  # fmt: skip
    factors = [3 * x**2 + 0.75 for x in xs]
    steps = [2 * (1.5 * f - y) * f + 2 * (6 * 1.5) * 6 for f, y in zip(factors, ys)]
    learned = 1.5 - 0.01 * sum(steps) / 3
    assert w.data == pytest.approx(learned, rel=1e-12)
    assert history.validation_loss == [pytest.approx(learned**2 * (3.75**2 + 36), rel=1e-12)]
    predicted = nn.predict(lambda x: slope(x[0]) + slope(0.5), [[x] for x in xs], backend=backend)
    assert predicted == pytest.approx([learned * f for f in factors], rel=1e-12)
    assert not history.note


@pytest.mark.parametrize("backend", [*ENGINES, "jax"])
def test_a_model_may_give_logits_for_each_word_of_a_row(backend):
    """As a language model does: the mean over a row's words is learned from, as by PyTorch."""
    installed(backend)
    torch = pytest.importorskip("torch")
    model, words, following = mlp(3), [[0.0, 1.0, 2.0], [2.0, 2.0, 1.0]], [[1, 2, 0], [0, 1, 1]]
    theirs = torch.tensor([p.data for p in model.parameters()], dtype=torch.float64)
    theirs.requires_grad = True
    hidden, last = theirs[:18].reshape(6, 3), theirs[18:].reshape(3, 7)
    x = torch.tensor([[[w, 1.0] for w in row] for row in words], dtype=torch.float64)
    logits = torch.tanh(x @ hidden[:, :2].T + hidden[:, 2]) @ last[:, :6].T + last[:, 6]
    loss = torch.nn.functional.cross_entropy(logits.reshape(6, 3), torch.tensor(following).ravel())
    loss.backward()
    learned = (theirs - 0.1 * theirs.grad).tolist()
    history = train(
        lambda row: [model([w, 1.0]) for w in row], X=words, y=following, loss=nn.cross_entropy,
        optimizer=nn.SGD(model.parameters(), lr=0.1), epochs=1, backend=backend,
        metrics=[nn.accuracy],
    )  # fmt: skip
    told = [
        max(range(3), key=[o.data for o in model([w, 1.0])].__getitem__) == target
        for row, targets in zip(words, following)
        for w, target in zip(row, targets)
    ]
    assert history.metrics == {"accuracy": [pytest.approx(sum(told) / 6, rel=1e-12)]}
    assert [p.data for p in model.parameters()] == pytest.approx(learned, rel=1e-10)


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_nothing_is_learned_from_a_derivative_under_no_grad(backend):
    w = Value(1.5)

    def model(x):
        with autograd.no_grad():
            slope = autograd.grad(lambda t: w * t**3)(0.5)
        return slope * w * x[0]

    nn.fit(model, [[1.0]], [2.0], loss=nn.mse_loss, optimizer=nn.SGD([w], lr=0.1), epochs=1,
           progress=False, backend=backend)  # fmt: skip
    assert w.data == pytest.approx(1.5 - 0.1 * 2 * (1.125 * 1.5 - 2) * 1.125, rel=1e-12)


@pytest.mark.parametrize("backend", [*ENGINES, "jax", "auto"])
@pytest.mark.parametrize("rows", [1, 200])
def test_a_derivative_in_the_model_is_a_value_wherever_the_model_is_called(backend, rows):
    """Its methods are there, too: with callbacks, for metrics, and in predict it was a float."""
    installed("eager" if backend == "auto" else backend)
    w = Value(1.5)
    slope = autograd.grad(lambda x: w * x**3)

    def model(x):
        return slope(0.5).tanh() * x[0]

    history = nn.fit(
        model, [[1.0]] * rows, [2.0] * rows, loss=nn.mse_loss, optimizer=nn.SGD([w], lr=0.0),
        epochs=2, progress=False, backend=backend, callbacks=[lambda epoch: None],
        metrics=[lambda output, y: output],
    )  # fmt: skip
    expected = pytest.approx(autograd.tanh(1.125).data, rel=1e-12)
    assert history.metrics == {"<lambda>": [expected] * 2}
    assert nn.predict(model, [[1.0]] * rows, backend=backend) == [expected] * rows
    assert not history.note


def test_the_average_follows_every_step_and_validation_uses_it():
    model = mlp()
    ema = nn.EMA(model.parameters(), 0.8)
    history = train(model, ema=ema, epochs=3, validation=(X[:20], SIGNS[:20]))
    assert ema.updates == 12
    with ema.applied(), autograd.no_grad():
        losses = [nn.hinge_loss(model(x), y).data for x, y in zip(X[:20], SIGNS[:20])]
    assert history.validation_loss[-1] == pytest.approx(sum(losses) / 20)


@pytest.mark.parametrize("backend", ["eager", "numpy"])
def test_callbacks_see_each_epoch_with_the_weights_of_its_end(backend):
    model, seen = mlp(), []

    def look(epoch):
        seen.append((epoch.number, epoch.history.loss[-1], model.parameters()[0].data))

    history = train(model, callbacks=[look], epochs=3, backend=backend)
    assert [number for number, _, _ in seen] == [1, 2, 3]
    assert [loss for _, loss, _ in seen] == history.loss
    assert len({weight for _, _, weight in seen}) == 3


@pytest.mark.parametrize("backend", ["eager", "numpy"])
def test_a_callback_that_returns_true_ends_the_training(backend):
    history = train(mlp(), callbacks=[lambda epoch: epoch.number == 2], epochs=9, backend=backend)
    assert len(history) == 2
    assert "after epoch 2" in history.stopped


@pytest.mark.parametrize("backend", ["eager", "numpy"])
def test_early_stopping_puts_the_best_weights_back(backend):
    model, weights = mlp(), []
    stop = nn.EarlyStopping(patience=3)
    history = train(
        model, epochs=60, backend=backend, callbacks=[
            lambda _: weights.append(model.state_dict()), stop
        ],
        schedule=lambda step: 0.05 if step < 20 else -0.5, validation=(X, SIGNS),
    )  # fmt: skip
    best = min(range(len(history)), key=history.validation_loss.__getitem__)
    assert len(history) == best + 1 + 3 < 60
    assert stop.best_epoch == best + 1
    assert model.state_dict() == weights[best]
    assert "EarlyStopping" in history.stopped


@pytest.mark.parametrize("backend", ["eager", "numpy"])
def test_early_stopping_puts_back_the_averages_that_were_measured(backend):
    model = mlp()
    ema = nn.EMA(model.parameters(), 0.5)
    history = train(
        model, epochs=60, backend=backend, ema=ema, callbacks=[nn.EarlyStopping(patience=3)],
        schedule=lambda step: 0.05 if step < 20 else -0.5, validation=(X, SIGNS),
    )  # fmt: skip
    best = min(range(len(history)), key=history.validation_loss.__getitem__)
    assert len(history) == best + 4
    assert ema.updates == (best + 1) * 4
    with ema.applied():
        measured = sum(nn.hinge_loss(model(x), y).data for x, y in zip(X, SIGNS)) / len(X)
    assert measured == pytest.approx(history.validation_loss[best], abs=1e-12)


def epochs_with(scores, stop):
    """How many epochs these losses take until the callback ends them."""
    history, weight = nn.History(), Value(0.0)
    optimizer = nn.SGD([weight], lr=0.1)
    for number, score in enumerate(scores, 1):
        history.loss.append(score)
        weight.data = float(number)
        if stop(nn.Epoch(number, history, None, optimizer)):
            return number, weight.data
    return len(scores), weight.data


@pytest.mark.parametrize(
    ("scores", "ended", "best"),
    [
        ([nan, 3.0, 2.0, nan, nan, 1.0], 5, 3),
        ([nan, nan, nan], 3, 1),
        ([2.0, nan, 1.0, nan, nan], 5, 3),
        ([2.0, 2.0, 2.0], 3, 1),
        ([inf, 5.0, nan, 5.0], 4, 2),
        ([1.0, 0.95, 0.85, 0.84, 0.83], 5, 3),
    ],
)
def test_early_stopping_takes_nan_for_the_worst(scores, ended, best):
    stop = nn.EarlyStopping(patience=2, min_delta=0.06)
    assert epochs_with(scores, stop) == (ended, best)
    assert epochs_with(scores, stop) == (ended, best), "one instance serves again"


def test_early_stopping_can_watch_a_metric_which_should_rise():
    stop = nn.EarlyStopping(patience=2, monitor="accuracy")
    history = train(mlp(), epochs=50, metrics=[nn.accuracy], callbacks=[stop])
    assert -stop.best == max(history.metrics["accuracy"])


def test_early_stopping_refuses_what_is_not_there():
    with pytest.raises(ValueError, match="no 'f1' to monitor: loss"):
        train(mlp(), callbacks=[nn.EarlyStopping(monitor="f1")])
    with pytest.raises(ValueError, match="patience"):
        nn.EarlyStopping(patience=0)


# -- interruptions ---------------------------------------------------------------------------------


def interrupting(loss, after):
    """The loss, and Ctrl-C at its so-manieth call."""
    calls = 0

    def interrupted(output, target):
        nonlocal calls
        calls += 1
        if calls == after:
            raise KeyboardInterrupt
        return loss(output, target)

    return interrupted


def test_ctrl_c_keeps_what_was_learned():
    model, reference = mlp(), mlp()
    trying_out, epoch = 1, 50
    loss = interrupting(nn.hinge_loss, trying_out + 2 * epoch + 20)
    history = train(model, loss=loss, epochs=5)
    assert len(history) == 2
    assert "interrupted" in history.stopped
    expected = train(reference, epochs=2)
    assert history.loss == expected.loss
    assert model.state_dict() != mlp().state_dict()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("backend", ["eager", "numpy", "native"])
def test_a_real_signal_ends_training_in_its_place(backend):
    model = mlp()
    train(mlp(), epochs=1, backend=backend)  # compiled by now

    def press(epoch):
        if epoch.number == 3:
            signal.raise_signal(signal.SIGINT)

    history = train(model, epochs=50, backend=backend, callbacks=[press])
    assert len(history) == 3
    reference = mlp()
    train(reference, epochs=3, backend=backend)
    assert model.state_dict() == reference.state_dict()


def test_ctrl_c_while_compiling_ends_it_before_anything_is_learned(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(autograd, "compile", interrupted)
    model = mlp()
    history = train(model, backend="auto")
    assert (len(history), history.stopped) == (0, "interrupted by the user")
    assert model.state_dict() == mlp().state_dict()


@pytest.mark.parametrize("moment", ["step", "update"])
def test_ctrl_c_in_the_middle_of_a_step_undoes_it(monkeypatch, moment):
    model = mlp()
    optimizer, ema = nn.Adam(model.parameters(), lr=0.1), nn.EMA(model.parameters())
    target = optimizer if moment == "step" else ema
    original, calls = getattr(target, moment), []

    def interrupted(*args):
        original(*args)
        calls.append(moment)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(target, moment, interrupted)
    train(model, optimizer=optimizer, ema=ema)
    assert (optimizer.steps, ema.updates) == (2, 2)
    reference = mlp()
    train(
        reference, epochs=1, optimizer=nn.Adam(reference.parameters(), lr=0.1),
        loss=interrupting(nn.hinge_loss, 1 + 32 + 1),
    )  # fmt: skip
    assert model.state_dict() == reference.state_dict()


# -- divergence ------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("rows", [50, 48])
@pytest.mark.parametrize("bad_step", [0, 1, 5, 8, 11])
@pytest.mark.parametrize("callbacks", [[], [lambda _: None]])
def test_a_loss_that_is_not_finite_names_its_place_and_keeps_the_last_good_weights(
    backend, bad_step, rows, callbacks
):
    """The step before the bad one throws the weights away: those before it are the last good."""

    def schedule(step):
        return 1e308 if step == bad_step - 1 else 0.05

    table = [[1e300, 1e300]] * rows if bad_step == 0 else X[:rows]
    model = nn.MLP(2, [1], seed=1)
    options = {"loss": nn.squared_error, "shuffle": False, "batch_size": 16, "backend": backend}
    with pytest.raises(nn.DivergedError) as stop:
        train(
            model, SIGNS[:rows], X=table, schedule=schedule, epochs=5, callbacks=callbacks,
            **options,
        )  # fmt: skip
    batches = -(-rows // 16)
    epoch, batch = divmod(bad_step, batches)
    assert f"in epoch {epoch + 1}, batch {batch + 1} of {batches}" in str(stop.value)
    assert len(stop.value.history) == len(stop.value.history.rate) == epoch
    reference = nn.MLP(2, [1], seed=1)
    taken = max(bad_step - 1, 0)
    losses = _steps(reference, taken, rows)
    epochs = [losses[k : k + batches] for k in range(0, len(losses) // batches * batches, batches)]
    sizes = [16] * (batches - 1) + [rows - 16 * (batches - 1)]
    means = [sum(map(mul, each, sizes)) / rows for each in epochs]
    assert stop.value.history.loss[: len(means)] == pytest.approx(means, rel=1e-9)
    assert model.state_dict() == pytest.approx(reference.state_dict(), abs=1e-12)


def _steps(model, count, rows):
    """So many steps of plain gradient descent over batches in order: the losses before them."""
    optimizer, losses = nn.SGD(model.parameters(), lr=0.05), []
    for step in range(count):
        start = 16 * (step % -(-rows // 16))
        batch = list(zip(X, SIGNS))[:rows][start : start + 16]
        optimizer.zero_grad()
        loss = autograd.mean([nn.squared_error(model(x), y) for x, y in batch])
        losses.append(loss.data)
        loss.backward()
        optimizer.step()
    return losses


def test_a_diverged_error_is_a_floating_point_error():
    assert issubclass(nn.DivergedError, FloatingPointError)


# -- predict ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("backend", ["auto", *ENGINES])
def test_predict_gives_what_the_model_gives(outputs, backend):
    model, table = mlp(outputs), X * 8
    got = nn.predict(model, table, backend=backend)
    for row, output in zip(table, got, strict=True):
        expected = model(row)
        numbers = [v.data for v in expected] if outputs > 1 else expected.data
        assert output == pytest.approx(numbers, rel=1e-12)


OUTPUTS = {
    "number": lambda a, b: a,
    "list of one": lambda a, b: [a],
    "tuple": lambda a, b: (a, b),
    "with a plain number": lambda a, b: [a, b, 1.0],
    "rows": lambda a, b: [[a], [b]],
    "ragged": lambda a, b: [[a, [b]], 2],
}


@pytest.mark.parametrize("output", [*OUTPUTS])
@pytest.mark.parametrize("backend", ["auto", *ENGINES])
def test_what_a_model_returns_keeps_its_shape(output, backend):
    inner = mlp(2)

    def model(x):
        return OUTPUTS[output](*inner(x))

    eagerly = nn.predict(model, X * 8, backend="eager")
    assert numbers_in(eagerly[0]) == numbers_in(OUTPUTS[output](*(v.data for v in inner(X[0]))))
    compiled = nn.predict(model, X * 8, backend=backend)
    assert [shape_of(row) for row in compiled] == [shape_of(row) for row in eagerly]
    assert numbers_in(compiled) == pytest.approx(numbers_in(eagerly), rel=1e-12)
    seen = []
    options = {"loss": lambda y, t: (numbers_in(y)[0] - t) ** 2, "epochs": 1, "backend": backend}
    metric = [lambda y, t: seen.append(shape_of(y)) or numbers_in(y)[0]]
    optimizer = nn.SGD(inner.parameters(), lr=0.01)
    history = nn.fit(model, X, SIGNS, optimizer=optimizer, metrics=metric, **options)
    assert len(next(iter(history.metrics.values()))) == 1
    assert {*map(str, seen)} == {str(shape_of(eagerly[0]))}


def shape_of(output):
    return [*map(shape_of, output)] if isinstance(output, list | tuple) else "*"


def numbers_in(output):
    if isinstance(output, list | tuple):
        return [number for part in output for number in numbers_in(part)]
    return [output]


@pytest.mark.parametrize(("rows", "compiled"), [(255, False), (256, True)])
def test_predict_compiles_for_many_rows(rows, compiled):
    neuron, seen = nn.Neuron(1, seed=1), []

    def model(x):
        seen.append(isinstance(x[0], Value))
        return neuron(x)

    nn.predict(model, [[k / rows] for k in range(rows)])
    assert any(seen) == compiled


@pytest.mark.parametrize("backend", ["auto", "numpy", "native"])
def test_predict_compiles_where_nobody_wants_a_gradient_too(backend):
    neuron, seen = nn.Neuron(2, "tanh", seed=1), []

    def model(x):
        seen.append(x)
        return neuron(x)

    with autograd.no_grad():
        got = nn.predict(model, X * 64, backend=backend)
    assert len(seen) < len(got)
    assert got == pytest.approx([neuron(row).data for row in X * 64], rel=1e-12)


@pytest.mark.parametrize("rows", [200, 2001])
def test_an_anomaly_is_detected_whatever_the_number_of_rows(rows):
    weight = Value(1.0)

    def model(x):  # nan near 1/2, in no row that stands out
        return autograd.sqrt((x[0] * weight - 0.5) ** 2 - 1e-8)

    table = [[k / (rows - 1)] for k in range(rows)]
    if rows % 2 == 0:
        table[rows // 2] = [0.5]
    with autograd.detect_anomaly(), pytest.raises(autograd.AnomalyError, match="sqrt"):
        nn.predict(model, table)
    assert sum(isnan(y) for y in nn.predict(model, table)) == 1


def test_training_under_detect_anomaly_names_the_line():
    model = mlp()
    options = {"optimizer": nn.SGD(model.parameters(), lr=1e200), "epochs": 3, "progress": False}
    with autograd.detect_anomaly(), pytest.raises(autograd.AnomalyError, match="made at"):
        nn.fit(model, X, SIGNS, loss=nn.mse_loss, **options)
    model = mlp()
    optimizer = nn.SGD(model.parameters(), lr=0.01)
    with autograd.detect_anomaly():
        history = nn.fit(model, X, SIGNS, loss=nn.mse_loss, optimizer=optimizer, epochs=1)
    assert history.backend == "eager"
    assert "detect_anomaly() looks at every operation" in history.note


def test_predict_gives_an_array_for_an_array():
    got = nn.predict(mlp(3), numpy.array(X))
    assert isinstance(got, numpy.ndarray)
    assert got.shape == (50, 3)
    assert nn.predict(mlp(), numpy.array(X)).shape == (50,)


@pytest.mark.parametrize("backend", ["eager", "numpy"])
def test_predict_gives_lists_of_several_lengths_for_an_array_too(backend):
    """A mean and the weights beside it, as an autoencoder gives them."""
    numpy = pytest.importorskip("numpy")
    given = nn.predict(lambda x: [x[0] * 2, [x[0], x[1]]], numpy.eye(2), backend=backend)
    assert given == [[2.0, [1.0, 0.0]], [0.0, [0.0, 1.0]]]


def test_what_predict_cannot_do_is_told_once():
    with pytest.raises(ValueError, match="takes 3 inputs, got 2") as caught:
        nn.predict(nn.MLP(3, [1]), [[1.0, 2.0]] * 256)
    assert caught.value.__context__ is None
    with pytest.raises(TypeError, match="got None; did a model forget to return"):
        nn.predict(lambda x: None, [[1.0, 2.0]])


def test_predict_follows_a_model_that_decides_in_python():
    model = branching(mlp())
    assert nn.predict(model, X * 8) == [model(row).data for row in X * 8]
    with pytest.raises(autograd.BranchError, match="a > b compares a number"):
        nn.predict(model, X * 8, backend="numpy")


# -- refused before anything changes ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"X": [[1.0, nan]] * 50}, ValueError, r"X\[0\]\[1\] is nan"),
        ({"X": [[1.0]] * 50}, ValueError, "layer 1 takes 2 inputs, got 1"),
        ({"X": X[:10]}, ValueError, "X has 10 rows, y has 50 targets"),
        ({"X": []}, ValueError, "X is empty"),
        ({"X": [["a", "b"]] * 50}, TypeError, "should be a number, got str 'a'"),
        ({"y": [0, 1] * 25}, ValueError, r"y cannot be learned: hinge_loss takes .* got 0"),
        ({"y": [*[1] * 49, inf]}, ValueError, r"y\[49\] is inf"),
        ({"y": [*[1] * 49, 0.5]}, ValueError, "y cannot be learned: hinge_loss takes .* got 0.5"),
        ({"y": [[1, 1]] * 50}, ValueError, "1 outputs, 2 targets"),
        ({"y": [3] * 50, "loss": nn.cross_entropy, "outputs": 3}, ValueError, "class 3 is out of"),
        ({"y": [-1] * 50, "loss": nn.cross_entropy, "outputs": 3}, ValueError, "class -1 is out"),
        (
            {"y": [[0.5, 0.6, 0.1]] * 50, "loss": nn.cross_entropy, "outputs": 3},
            ValueError,
            r"y cannot be learned: the probabilities .* add up to 1, got \[0.5, 0.6, 0.1\]",
        ),
        ({"y": [2] * 50, "loss": nn.binary_cross_entropy}, ValueError, "between 0 and 1, got 2"),
        ({"epochs": 0}, ValueError, "epochs is 1 or more"),
        ({"epochs": 2.5}, TypeError, "epochs is a whole number"),
        ({"batch_size": 0}, ValueError, "batch_size is 1 or more"),
        ({"backend": "cuda"}, ValueError, "backend should be one of auto, eager, native"),
        ({"optimizer": nn.Adam}, TypeError, r"an instance such as nn\.Adam\(model\.parameters"),
        ({"optimizer": nn.SGD([Value(1.0)], 0.1)}, ValueError, "none of the model's parameters"),
        ({"ema": nn.EMA([Value(1.0)])}, ValueError, "ema should average the parameters"),
        ({"validation": X}, TypeError, r"validation is a pair \(X, y\)"),
        (
            {"validation": (X, SIGNS[:3])},
            ValueError,
            "validation X has 50 rows, validation y has 3",
        ),
        ({"validation": (X, [0] * 50)}, ValueError, "validation y cannot be learned"),
        ({"validation": ([[1.0]], [1])}, ValueError, "layer 1 takes 2 inputs"),
        ({"schedule": 0.1}, TypeError, "a schedule is a function"),
        ({"schedule": lambda step: float("nan")}, ValueError, "learning rate of nan for step 0"),
        ({"schedule": lambda step: None}, TypeError, "gave None for step 0, not a learning"),
        ({"seed": "a"}, TypeError, r"seed is a whole number, or None .*, got 'a'"),
        ({"ema": 0.999}, TypeError, r"ema is an instance such as nn\.EMA"),
        ({"loss": lambda o, t: 1.0}, TypeError, "the loss should return a Value"),
        ({"loss": "hinge"}, TypeError, "loss should be like nn.cross_entropy, got 'hinge'"),
        ({"metrics": "accuracy"}, TypeError, r"metrics should be like \[nn.accuracy\], got 'acc"),
        ({"metrics": [lambda output, y: "good"]}, TypeError, "a metric gives a number"),
        ({"callbacks": print}, TypeError, r"callbacks should be like \[print\], got <built-in"),
    ],
)
def test_bad_input_is_refused_and_nothing_changes(options, error, message):
    options = dict(options)
    model = mlp(options.pop("outputs", 1))
    before = model.state_dict()
    with pytest.raises(error, match=message):
        train(model, **options)
    assert model.state_dict() == before
    assert all(p.grad == 0 for p in model.parameters())


def test_a_model_that_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="cannot be called"):
        nn.fit("model", X, SIGNS, loss=nn.hinge_loss, optimizer=nn.SGD([Value(1.0)], 0.1))


# -- the bar ---------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("backend", ["eager", "numpy"])
def test_a_terminal_gets_a_bar_with_everything_on_it(monkeypatch, backend):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    options = {"metrics": [nn.accuracy], "validation": (X, SIGNS), "backend": backend}
    history = train(mlp(), progress=True, **options)
    shown = screen.getvalue()
    for word in ("epoch 3/3", "loss 0.", "validation 0.", "accuracy 0.", "rate 0.1", "0:00:00"):
        assert word in shown
    for name in ("loss", "validation", "accuracy"):
        assert f"{name} {history.latest()[name]:.4g}" in shown  # those of the last epoch too


def test_the_bar_moves_where_nobody_looks_in_between(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    history = train(mlp(), progress=True)
    assert "epoch 3/3" in screen.getvalue()
    assert f"rate {history.rate[-1]:.4g}" in screen.getvalue()


@pytest.mark.parametrize(("backend", "said"), [("numpy", True), ("eager", False)])
def test_a_terminal_is_told_what_it_waits_for(monkeypatch, backend, said):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    train(mlp(), progress=True, backend=backend)
    assert ("compiling (takes a while only the first time)\n" in screen.getvalue()) == said


def test_a_pipe_gets_nothing(capsys):
    train(mlp(), progress=True)
    assert capsys.readouterr() == ("", "")


def test_a_metric_may_be_named_anything(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")

    def metric(output, target):
        return 0.5

    metric.__name__ = "top[/5]\x1b[2J\n[red]\u202e"
    train(mlp(), progress=True, metrics=[metric])
    assert "top[/5]?[2J?[red]? 0.5" in screen.getvalue()


def test_progress_false_draws_nothing(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    train(mlp(), progress=False)
    assert screen.getvalue() == ""


# -- history ---------------------------------------------------------------------------------------


def test_history_says_how_it_went():
    history = train(mlp(), metrics=[nn.accuracy], epochs=2)
    assert repr(history).startswith("History(2 epochs, loss=0.")
    assert "accuracy=" in repr(history)
    assert "backend='eager'" in repr(history)
    assert isclose(history.latest()["loss"], history.loss[-1])
    assert history.seconds > 0


# -- every loss, on every engine -------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", "native", "jax"])
@pytest.mark.parametrize(
    ("loss", "y", "outputs"),
    [
        (nn.binary_cross_entropy, [(s + 1) // 2 for s in SIGNS], 1),
        (nn.cross_entropy, CLASSES, 3),
        (nn.squared_error, SMOOTH, 2),
        (nn.mse_loss, SMOOTH, 2),
    ],
)
def test_every_loss_trains_alike_on_every_engine(backend, loss, y, outputs):
    installed(backend)
    courses, states = [], []
    for engine in ("eager", backend):
        model = mlp(outputs)
        optimizer = nn.Adam(model.parameters(), lr=0.03)
        history = train(
            model, y, loss=loss, optimizer=optimizer, epochs=6, backend=engine, validation=(X, y)
        )
        courses.append([*history.loss, *history.validation_loss])
        states.append(model.state_dict())
    assert courses[1] == pytest.approx(courses[0], abs=1e-9)
    assert states[1] == pytest.approx(states[0], abs=1e-9)


def test_auto_says_why_it_is_not_native(monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    history = train(mlp(), epochs=1, backend="auto")
    assert history.backend == "numpy"
    assert "llvmlite" in history.note


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("wrong", [0, 1, 2, 8, 9, 10, 30])
def test_a_loss_that_is_not_finite_leaves_the_same_on_every_engine(backend, wrong):
    """At the first step of a call of the program, at the second, at the last."""
    table = [[2.0 + k / 40] for k in range(40)]
    table[wrong] = [-1.0]

    def left(backend):
        w = Value(1.0)
        optimizer = nn.SGD([w], lr=0.01, momentum=0.5)
        with pytest.raises(nn.DivergedError, match=f"batch {wrong + 1} of 40"):
            nn.fit(
                lambda x: autograd.log(w * x[0]), table, [0.1] * 40, loss=nn.mse_loss, epochs=3,
                optimizer=optimizer, batch_size=1, shuffle=False, backend=backend, progress=False,
            )  # fmt: skip
        return w.data, *optimizer.state[0], optimizer.steps

    assert left(backend) == pytest.approx(left("eager"), rel=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_where_the_loss_after_a_callback_is_not_finite_the_last_finite_one_counts(backend):
    """Also where the callback moved the weights, freed one of them and set the steps."""

    def left(backend):
        model = mlp()
        optimizer = nn.Adam(model.parameters(), lr=0.1)
        ema = nn.EMA(model.parameters(), decay=0.5)
        model.parameters()[0].requires_grad = False

        def upset(epoch):
            if epoch.number == 3:
                for parameter in model.parameters():
                    parameter.data, parameter.requires_grad = 1e200, True
                optimizer.load_state_dict(optimizer.state_dict() | {"steps": 90})

        with pytest.raises(nn.DivergedError, match="in epoch 4, batch 1 of 4") as stop:
            train(
                model, loss=nn.squared_error, optimizer=optimizer, ema=ema, callbacks=[upset],
                epochs=5, backend=backend,
            )  # fmt: skip
        assert (len(stop.value.history), optimizer.steps, ema.updates) == (3, 11, 11)
        numbers = [parameter.data for parameter in model.parameters()]
        return [*numbers, *optimizer.state[0], *optimizer.state[1], *ema.state]

    assert left(backend) == pytest.approx(left("eager"), rel=1e-9)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("wrong", [1, 4, 9, 10, 11, 19])
def test_the_steps_before_one_for_which_the_schedule_raises_are_taken(backend, wrong, error):
    """As many as there are, of a call of several epochs too."""

    def schedule(step):
        if step == wrong:
            raise error
        return 0.05

    model, reference = nn.MLP(2, [1], seed=1), nn.MLP(2, [1], seed=1)
    optimizer = nn.SGD(model.parameters(), lr=0.05)
    options = {"loss": nn.squared_error, "shuffle": False, "batch_size": 16, "backend": backend}
    try:
        history = train(model, schedule=schedule, optimizer=optimizer, epochs=5, **options)
    except ZeroDivisionError:
        assert error is ZeroDivisionError
    else:
        assert len(history.loss) == len(history.rate) == wrong // 4
    assert optimizer.steps == wrong
    _steps(reference, wrong, 50)
    assert model.state_dict() == pytest.approx(reference.state_dict(), rel=1e-9)


@pytest.mark.parametrize("backend", ENGINES)
def test_an_epoch_has_a_loss_and_a_rate_or_neither(backend):
    """A schedule is asked once more for the history, when the steps are taken."""
    for times in range(1, 30):
        left = iter(range(times))

        def schedule(step, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return 0.05

        with suppress(KeyboardInterrupt):  # at the end, or before the training begins
            history = train(mlp(), schedule=schedule, epochs=3, batch_size=None, backend=backend)
            assert len(history.loss) == len(history.rate)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_a_callback_changed_before_it_raises_stays(backend, error):
    def upset(epoch):
        if epoch.number == 2:
            for k, parameter in enumerate(epoch.model.parameters()):
                parameter.data = k / 10
            raise error

    model = mlp()
    with suppress(ZeroDivisionError):
        train(model, callbacks=[upset], backend=backend)
    assert [p.data for p in model.parameters()] == [k / 10 for k in range(25)]


@pytest.mark.parametrize("backend", ENGINES)
def test_weights_may_overflow_in_the_last_step(backend):
    """inf - inf is nan, inf less a product that was never rounded is inf: no branch, either way."""
    a, b, c, d = weights = [Value(1.0), Value(0.5), Value(1.0), Value(-0.5)]
    fit = partial(
        nn.fit, lambda x: autograd.dot([c, d], [a * x[0], b * x[0]]), [[1.0]], [0.0], epochs=1,
        loss=nn.mse_loss, optimizer=nn.SGD(weights, lr=1e300), backend=backend, progress=False,
    )  # fmt: skip
    assert fit().loss == [0.5625]
    with pytest.raises(nn.DivergedError):
        fit()


@pytest.mark.parametrize(
    ("seconds_a_step", "sizes"),
    [(0.0, [1, 8, 64, 512, 15]), (1 / 128, [1, 8, *[12] * 49, 3]), (1.0, [1] * 600)],
)
def test_calls_grow_until_they_take_a_tenth_of_a_second(monkeypatch, seconds_a_step, sizes):
    from nn import compiled

    now, seen, train_ = [0.0], [], autograd.Program.train

    def timed(self, rule, steps):
        losses = train_(self, rule, steps)
        seen.append(len(losses))
        now[0] += seconds_a_step * len(losses)
        return losses

    monkeypatch.setattr(autograd.Program, "train", timed)
    monkeypatch.setattr(compiled, "perf_counter", lambda: now[0])
    train(mlp(), epochs=600, batch_size=None, backend="numpy")
    assert seen == [0, *sizes]  # the first takes no step: it records the rule


@pytest.mark.parametrize("backend", ENGINES)
def test_one_example_is_enough(backend):
    w = Value(1.0)
    history = nn.fit(
        lambda x: w * x[0], [[2.0]], [1.0], loss=nn.squared_error, epochs=1, progress=False,
        optimizer=nn.SGD([w], lr=0.1), backend=backend,
    )  # fmt: skip
    assert (history.loss, w.data) == ([0.5], pytest.approx(0.8))
    assert nn.predict(lambda x: w * x[0], [[2.0]], backend=backend) == [pytest.approx(1.6)]


@pytest.mark.parametrize("backend", ["eager", "numpy"])
@pytest.mark.parametrize("given", [None, "good", [1.0]])
def test_a_metric_that_gives_no_number_is_refused_before_anything_changes(backend, given):
    model = mlp()
    before = model.state_dict()
    with pytest.raises(TypeError, match=r"a metric gives a number, <function .* gave "):
        train(model, metrics=[lambda output, target: given], backend=backend)
    assert model.state_dict() == before


@pytest.mark.parametrize("backend", ["eager", "numpy"])
def test_a_metric_that_gives_a_number_only_at_first_is_told_from_a_number(backend):
    seen = []

    def odd(output, target):
        seen.append(output)
        return 1 if len(seen) < 5 else None

    with pytest.raises(TypeError, match=r"a metric gives a number, .* gave None"):
        train(mlp(), metrics=[odd], backend=backend)
    assert len(seen) >= 5


# -- what is learned from --------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("table", [list, numpy.array])
def test_a_model_may_change_the_row_that_it_is_given(backend, table):
    installed(backend)
    plain, scaling = mlp(), mlp()
    expected = train(plain, X=[[0.5 * a, b] for a, b in X])

    def model(x):
        x[0] = x[0] * 0.5
        return scaling(x)

    optimizer = nn.SGD(scaling.parameters(), lr=0.1)
    history = train(model, X=table(X), backend=backend, optimizer=optimizer)
    assert history.loss == pytest.approx(expected.loss, rel=1e-12)


@pytest.mark.parametrize("backend", ENGINES)
def test_an_array_that_a_callback_changes_is_learned_from_as_it_was_given(backend):
    installed(backend)
    expected = train(mlp(), metrics=[nn.accuracy], epochs=4)
    table = numpy.array(X)

    def callback(epoch):
        table[:] = -table[::-1] * 3.0

    history = train(
        mlp(), X=table, backend=backend, metrics=[nn.accuracy], epochs=4, callbacks=[callback]
    )
    assert history.loss == pytest.approx(expected.loss, rel=1e-12)
    assert history.metrics == expected.metrics


def test_predict_hands_out_each_row_as_it_is_however_often():
    calls = []

    def model(x):
        calls.append(x)
        x[0] = x[0] * 0.5
        return Value(3.0) * x[0] if len(calls) > 1 else Value(5.0) * x[0]

    assert nn.predict(model, [[float(i)] for i in range(300)]) == [1.5 * i for i in range(300)]


# -- callbacks that change more than parameters ----------------------------------------------------


def weighted(epochs):
    """A loss whose weight is a number of Python's, and a callback that changes it."""
    weight = [0.1]

    def loss(outputs, target):
        return weight[0] * nn.hinge_loss(outputs, target)

    def callback(epoch):
        weight[0] = epochs.get(epoch.number, weight[0])

    return loss, callback


@pytest.mark.parametrize("backend", [*ENGINES, "auto"])
@pytest.mark.parametrize("epochs", [{1: 0.4, 2: 0.7, 3: 1.0}, {2: 3.0, 4: 0.1}, {5: 2.0}])
def test_a_weight_of_the_loss_may_change_between_epochs(backend, epochs):
    installed("native" if backend == "auto" else backend)
    learned = []
    for engine in ("eager", backend):
        model = mlp()
        loss, callback = weighted(epochs)
        history = train(model, loss=loss, callbacks=[callback], epochs=5, backend=engine)
        learned.append([*history.loss, *model.state_dict().values()])
        assert (history.backend == "eager") is (engine == "eager")
    assert learned[1] == pytest.approx(learned[0], rel=1e-10)


def test_a_loss_with_gradients_in_it_is_recorded_once(monkeypatch):
    """As for an equation that the slope of the model has to fulfil."""
    from nn import compiled

    def sloped(row):
        x = row[0] if isinstance(row[0], Value) else Value(row[0])
        output = net([x, row[1]])
        return [output, *autograd.gradients(output, [x], create_graph=True)]

    recorded, compiled_loss = [], compiled.compiled_loss
    monkeypatch.setattr(
        compiled, "compiled_loss", lambda *given: recorded.append(1) or compiled_loss(*given)
    )
    learned = []
    for backend in ("eager", "numpy"):
        net = mlp()
        options = {"optimizer": nn.SGD(net.parameters(), lr=0.1), "callbacks": [lambda epoch: None]}
        history = train(sloped, SMOOTH, loss=nn.mse_loss, backend=backend, **options)
        learned.append([*history.loss, *net.state_dict().values()])
    assert learned[1] == pytest.approx(learned[0], rel=1e-10)
    assert len(recorded) == 1


def by_turns(backend):
    """Layers learn by turns, by two optimisers, while a frozen weight is moved by hand."""
    model = mlp()
    first, last = (layer.parameters() for layer in model.layers)
    frozen, other = first.pop(), nn.SGD(last, lr=0.05)
    frozen.requires_grad = False

    def callback(epoch):
        frozen.data = 0.5 / epoch.number
        train(model, optimizer=other, epochs=1)

    history = train(
        model, backend=backend, optimizer=nn.SGD(first, lr=0.1), callbacks=[callback], epochs=4,
        metrics=[nn.hinge_loss],
    )  # fmt: skip
    assert history.backend == backend
    return [*history.loss, *history.metrics["hinge_loss"], *model.state_dict().values()]


@pytest.mark.parametrize("backend", ENGINES)
def test_what_the_optimizer_does_not_hold_may_move_between_epochs(backend):
    installed(backend)
    assert by_turns(backend) == pytest.approx(by_turns("eager"), rel=1e-10)


def deciding(model):
    """A loss that decides by a number from epoch 2 on, by a callback that freezes a bias, too."""
    weight, frozen = [1.0], model.layers[0].neurons[0].b

    def loss(outputs, target):
        if weight[0] > 1.0 and outputs > 1e9:
            raise AssertionError
        return weight[0] * nn.hinge_loss(outputs, target)

    def callback(epoch):
        if epoch.number == 2:
            weight[0], frozen.requires_grad = 2.0, False

    return loss, callback


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_cannot_be_recorded_any_more_is_learned_on_by_the_eager_engine(interrupted):
    pytest.importorskip("llvmlite")
    ends = []
    for backend in ("eager", "auto"):
        model = mlp()
        loss, change = deciding(model)

        def callback(epoch, change=change):
            change(epoch)
            if interrupted and epoch.number == 2:
                raise KeyboardInterrupt

        optimizer = nn.Adam(model.parameters(), lr=0.1)
        history = train(
            model, loss=loss, callbacks=[callback], epochs=4, backend=backend, optimizer=optimizer,
            ema=nn.EMA(model.parameters()), schedule=nn.cosine(0.1), metrics=[nn.accuracy],
        )  # fmt: skip
        assert not model.layers[0].neurons[0].b.requires_grad
        assert (history.backend, len(history)) == ("eager", 2 if interrupted else 4)
        assert history.metrics["accuracy"][1:] != history.metrics["accuracy"][:-1]
        ends.append(
            [*history.loss, *history.rate, *model.state_dict().values(), *optimizer.state[0]]
        )
    assert ends[1] == pytest.approx(ends[0], rel=1e-9)
    assert history.note.startswith("compiled up to epoch 2, then not compiled: NoLongerAsEager")
    assert "what a callback has changed" in history.note
    assert __file__ in history.note
    assert history.stopped == ("interrupted by the user" if interrupted else "")


def test_what_cannot_be_recorded_any_more_is_refused_where_a_backend_is_named():
    model = mlp()
    before, parameters = model.state_dict(), model.parameters()
    loss, callback = deciding(model)
    with pytest.raises(ValueError, match="what a callback has changed") as refusal:
        train(model, loss=loss, callbacks=[callback], epochs=4, backend="numpy")
    assert __file__ in "".join([str(refusal.value), *refusal.value.__notes__])
    assert (model.state_dict(), model.parameters()) == (before, parameters)


@pytest.mark.parametrize("backend", ["numpy", "native", "auto"])
def test_ctrl_c_in_a_callback_that_changes_the_loss_keeps_what_was_learned(backend):
    installed("native" if backend == "auto" else backend)
    loss, change = weighted({2: 2.0})
    model, expected = mlp(), mlp()
    train(expected, loss=weighted({})[0], epochs=2)

    def callback(epoch):
        change(epoch)
        if epoch.number == 2:
            raise KeyboardInterrupt

    history = train(model, loss=loss, callbacks=[callback], epochs=4, backend=backend)
    assert (len(history), history.stopped) == (2, "interrupted by the user")
    assert history.backend != "eager"
    found, wanted = model.state_dict().values(), expected.state_dict().values()
    assert [*found] == pytest.approx([*wanted], rel=1e-10)


def test_ctrl_c_while_a_change_is_recorded_keeps_what_was_learned(monkeypatch):
    from nn import compiled

    loss, change = weighted({2: 2.0})
    model, expected = mlp(), mlp()
    train(expected, loss=weighted({})[0], epochs=2)

    def interrupted(*_):
        monkeypatch.undo()
        raise KeyboardInterrupt

    def callback(epoch):
        change(epoch)
        monkeypatch.setattr(compiled, "compiled_loss", interrupted)

    history = train(model, loss=loss, callbacks=[callback], epochs=4, backend="numpy")
    assert (len(history), history.stopped) == (2, "interrupted by the user")
    found, wanted = model.state_dict().values(), expected.state_dict().values()
    assert [*found] == pytest.approx([*wanted], rel=1e-10)


def test_a_change_in_the_last_epoch_is_no_error():
    model, expected = mlp(), mlp()
    train(expected, loss=weighted({})[0], epochs=2)
    loss, callback = weighted({2: 2.0})
    train(model, loss=loss, callbacks=[callback], epochs=2, backend="numpy")
    found, wanted = model.state_dict().values(), expected.state_dict().values()
    assert [*found] == pytest.approx([*wanted], rel=1e-10)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("averaged", [True, False])
def test_what_is_validated_may_have_targets_of_another_width(backend, averaged):
    installed(backend)
    indices = [0, 2, 1, 1, 0]
    smooth = [[0.9 if k == c else 0.05 for k in range(3)] for c in CLASSES]
    for y, other in ((smooth, indices), (CLASSES, [[0.2, 0.3, 0.5]] * 5)):
        learned = []
        for engine in ("eager", backend):
            model = mlp(3)
            history = train(
                model, y, loss=nn.cross_entropy, validation=(X[:5], other), backend=engine,
                ema=nn.EMA(model.parameters(), 0.5) if averaged else None, metrics=[nn.accuracy],
            )  # fmt: skip
            learned.append([*history.validation_loss, *history.metrics["accuracy"]])
            assert history.backend == engine
        assert learned[1] == pytest.approx(learned[0], rel=1e-10)


@pytest.mark.parametrize("backend", ENGINES)
def test_a_model_that_keeps_its_input_gains_no_parameters(backend):
    installed(backend)

    class Keeping(nn.Module):
        def __init__(self):
            self.net = mlp()

        def __call__(self, x):
            self.seen = x
            return self.net(x)

    model, names = Keeping(), []
    train(
        model, backend=backend, metrics=[nn.hinge_loss], epochs=2,
        callbacks=[lambda epoch: names.append([*model.state_dict()])],
    )  # fmt: skip
    assert names == [[f"net.{name}" for name in mlp().state_dict()]] * 2
    assert {*map(type, model.seen)} == {float}


@pytest.mark.parametrize("backend", ENGINES)
def test_a_model_may_return_an_array_of_values(backend):
    installed(backend)

    class Linear(nn.Module):
        def __init__(self):
            self.rows = [[Value(0.1 * i + j) for i in range(2)] for j in range(3)]

        def __call__(self, x):
            return numpy.array(self.rows, dtype=object) @ numpy.array(x, dtype=object)

    y = [[a, b, a * b] for a, b in X]
    model, listing = Linear(), Linear()
    history = train(model, y, loss=nn.mse_loss, backend=backend, metrics=[nn.squared_error])
    expected = train(
        listing, y, loss=lambda o, t: nn.mse_loss([*o], t),
        metrics=[lambda o, t: nn.squared_error([*o], t)],
    )  # fmt: skip
    assert history.backend == backend
    assert history.loss == pytest.approx(expected.loss, rel=1e-10)
    weights = numpy.array([[weight.data for weight in row] for row in model.rows])
    predicted = nn.predict(model, X, backend=backend)
    numpy.testing.assert_allclose(predicted, numpy.array(X) @ weights.T, rtol=1e-12)


def test_metrics_of_one_name_have_lists_of_their_own():
    def loss(outputs, target):
        return 3.0

    metrics = [lambda o, t: 1.0, loss, lambda o, t: 2.0]
    history = train(mlp(), metrics=metrics, epochs=2)
    assert history.metrics == {
        "<lambda>": [1.0, 1.0],
        "loss 2": [3.0, 3.0],
        "<lambda> 2": [2.0, 2.0],
    }
    assert history.latest()["loss"] == history.loss[-1]


def test_a_true_of_numpys_ends_the_training_too():
    history = train(mlp(), epochs=5, callbacks=[lambda epoch: numpy.True_])
    assert len(history) == 1


def test_for_batches_of_everything_no_orders_are_passed_over(monkeypatch):
    passed = []

    def orders(seed, n, epochs):
        passed.append(epochs)
        return Random(seed)

    monkeypatch.setattr("nn.train.orders", orders)
    model = mlp()
    optimizer = nn.SGD(model.parameters(), lr=0.1)
    optimizer.steps = 40
    train(model, optimizer=optimizer, batch_size=None)
    train(model, optimizer=optimizer, batch_size=25)
    assert passed == [0, 21]


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_weight_may_change_where_most_rows_have_no_loss(backend):
    installed(backend)
    table = [[10.0 * s, 0.0] for s in SIGNS]
    table[7] = [0.0, 1.0]
    learned = []
    for engine in ("eager", backend):
        w, loss_and_callback = [Value(1.0), Value(0.1)], weighted({1: 0.3, 2: 0.5})
        history = nn.fit(
            lambda x, w=w: w[0] * x[0] + w[1] * x[1], table[:12], SIGNS[:12], backend=engine,
            loss=loss_and_callback[0], callbacks=[loss_and_callback[1]], epochs=4,
            optimizer=nn.SGD(w, lr=0.01), progress=False,
        )  # fmt: skip
        learned.append([*history.loss, *(parameter.data for parameter in w)])
        assert history.backend == engine
    assert learned[1] == pytest.approx(learned[0], rel=1e-10)


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_weight_of_some_rows_may_change_for_a_while(backend):
    """Whatever row is looked at: the others have larger losses."""
    installed(backend)
    learned = []
    for engine in ("eager", backend):
        model, weight = mlp(seed=3), [1.0]

        def loss(output, target, weight=weight):
            error = nn.mse_loss(output, target)
            return autograd.where(autograd.less(target, 0.0), error + 100.0, error * weight[0])

        def callback(epoch, weight=weight):
            weight[0] = 1.0 if epoch.number > 3 else 4.0

        history = train(model, loss=loss, callbacks=[callback], epochs=5, backend=engine)
        learned.append([*history.loss, *model.state_dict().values()])
        assert history.backend == engine
    assert learned[1] == pytest.approx(learned[0], rel=1e-9)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("validation", [None, (X[:9], SIGNS[:9])])
def test_metrics_hear_of_what_only_they_look_at(backend, validation):
    installed(backend)
    measured = []
    for engine in ("eager", backend):
        model, threshold = mlp(), [0.0]

        def outputs(x, model=model, threshold=threshold):
            return [model(x), threshold[0]]

        def callback(epoch, threshold=threshold):
            threshold[0] = -0.3 * epoch.number

        history = train(
            outputs, loss=lambda o, t: nn.hinge_loss(o[0], t), callbacks=[callback], backend=engine,
            epochs=4, validation=validation, metrics=[lambda o, t: (o[0] > o[1]) == (t > 0)],
            optimizer=nn.SGD(model.parameters(), lr=0.1),
        )  # fmt: skip
        assert history.backend == engine
        measured.append(history.metrics["<lambda>"])
    assert measured[1] == measured[0]
    assert len({*measured[0]}) > 1
