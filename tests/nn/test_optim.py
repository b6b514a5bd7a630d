"""Optimisers against torch.optim, and against their formulas."""

import re
from math import sqrt
from random import Random

import pytest

from autograd import Value
from nn import EMA, SGD, Adam, AdamW, fit, mse_loss
from nn.optim import Optimizer, descend

OPTIMIZERS = {
    "plain": (SGD, "SGD", {"lr": 0.1}),
    "decay": (SGD, "SGD", {"lr": 0.1, "weight_decay": 0.05}),
    "momentum": (SGD, "SGD", {"lr": 0.05, "momentum": 0.9}),
    "momentum and decay": (SGD, "SGD", {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.1}),
    "nesterov": (SGD, "SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "nesterov and decay": (
        SGD, "SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02},
    ),
    "adam": (Adam, "Adam", {}),
    "adam, own numbers": (Adam, "Adam", {"lr": 0.02, "betas": (0.7, 0.95), "eps": 1e-4}),
    "adam and decay": (Adam, "Adam", {"lr": 0.02, "weight_decay": 0.3}),
    "adamw": (AdamW, "AdamW", {"lr": 0.02}),
    "adamw and more decay": (AdamW, "AdamW", {"lr": 0.02, "weight_decay": 0.5}),
}  # fmt: skip


def gradients(step, numbers):
    """A bumpy slope that depends on where one is and, like a batch, on the step."""
    noise = Random(step)
    return [x**3 - x + 0.3 * noise.gauss(0, 1) for x in numbers]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fifty_steps_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    kind, theirs, options = OPTIMIZERS[name]
    start = [0.5, -1.2, 0.0, 3.0, 1e-3]
    ours = [Value(x) for x in start]
    tensor = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer, reference = kind(ours, **options), getattr(torch.optim, theirs)([tensor], **options)
    for step in range(50):
        for parameter, g in zip(ours, gradients(step, [p.data for p in ours])):
            parameter.grad = g
        tensor.grad = torch.tensor(gradients(step, tensor.tolist()), dtype=torch.float64)
        optimizer.step()
        reference.step()
        assert [p.data for p in ours] == pytest.approx(tensor.tolist(), rel=1e-9, abs=1e-12)


def test_momentum_by_hand():
    w = Value(1.0)
    optimizer = SGD([w], lr=0.1, momentum=0.9)
    for g in (1.0, 2.0):
        w.grad = g
        optimizer.step()
    assert w.data == pytest.approx(1.0 - 0.1 * 1.0 - 0.1 * (0.9 * 1.0 + 2.0), rel=1e-15)


def test_adams_first_step_is_the_learning_rate_against_the_sign():
    w, b = Value(1.0), Value(1.0)
    w.grad, b.grad = 1e-3, -500.0
    Adam([w, b], lr=0.01).step()
    assert [w.data, b.data] == pytest.approx([0.99, 1.01], abs=1e-6)


def test_adams_second_step_by_hand():
    w = Value(0.0)
    optimizer = Adam([w], lr=0.1)
    for g in (1.0, 3.0):
        w.grad = g
        optimizer.step()
    mean = (0.9 * 0.1 * 1.0 + 0.1 * 3.0) / (1 - 0.9**2)
    square = (0.999 * 0.001 * 1.0 + 0.001 * 9.0) / (1 - 0.999**2)
    assert w.data == pytest.approx(-0.1 - 0.1 * mean / (sqrt(square) + 1e-8), rel=1e-7)


def test_a_rate_for_one_step():
    w = Value(1.0)
    optimizer = SGD([w], lr=0.1)
    w.grad = 1.0
    optimizer.step(lr=0.5)
    optimizer.step()
    assert w.data == pytest.approx(1.0 - 0.5 - 0.1)


def test_lr_can_be_assigned():
    w = Value(1.0)
    optimizer = SGD([w], lr=0.1)
    optimizer.lr, w.grad = 0.2, 1.0
    optimizer.step()
    assert w.data == 0.8


def test_zero_grad_clears_its_own_parameters():
    w, b = Value(1.0), Value(1.0)
    for left in (3.0, float("nan"), float("inf"), None):
        w.grad, b.grad = left, 3.0
        SGD([w], lr=0.1).zero_grad()
        assert (w.grad, b.grad) == (0.0, 3.0)


@pytest.mark.parametrize("frozen", [0, 1])
@pytest.mark.parametrize("unpaid", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_frozen_parameter_is_passed_over_as_pytorch_does(name, unpaid, frozen):
    torch = pytest.importorskip("torch")
    kind, theirs, options = OPTIMIZERS[name]
    ours = [Value(0.5), Value(-1.2)]
    tensors = [torch.tensor(p.data, dtype=torch.float64, requires_grad=True) for p in ours]
    optimizer, reference = kind(ours, **options), getattr(torch.optim, theirs)(tensors, **options)
    for step in range(9):
        rests = 3 <= step < 6
        ours[frozen].requires_grad = unpaid or not rests
        for i, (parameter, tensor) in enumerate(zip(ours, tensors)):
            (parameter.grad,) = gradients(step, [parameter.data])
            moves = not (rests and i == frozen)
            tensor.grad = torch.tensor(parameter.grad, dtype=torch.float64) if moves else None
            parameter.grad = parameter.grad if moves or not unpaid else None
        if step < 6 or name not in STEPS_MATTER:
            optimizer.step()
            reference.step()
            expected = [tensor.item() for tensor in tensors]
            assert [p.data for p in ours] == pytest.approx(expected, rel=1e-9)


STEPS_MATTER = {name for name in OPTIMIZERS if name.startswith("adam")}
"""PyTorch counts the steps of each parameter, we those of the optimiser."""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_goes_from_one_optimiser_to_the_next(name):
    kind, _, options = OPTIMIZERS[name]

    def steps(parameter, optimizer, first, last):
        for step in range(first, last):
            (parameter.grad,) = gradients(step, [parameter.data])
            optimizer.step()

    w = Value(0.5)
    steps(w, kind([w], **options), 0, 20)
    first, second = Value(0.5), Value(0.0)
    optimizer = kind([first], **options)
    steps(first, optimizer, 0, 10)
    second.data = first.data
    successor = kind([second], **options)
    successor.load_state_dict(optimizer.state_dict())
    steps(second, successor, 10, 20)
    assert second.data == w.data


def test_another_optimisers_state_is_refused_and_nothing_changes():
    w = Value(1.0)
    optimizer = SGD([w], lr=0.1, momentum=0.9)
    before = optimizer.state_dict()
    for other in (Adam([w]), SGD([w, Value(2.0)], lr=0.1, momentum=0.9), SGD([w], lr=0.1)):
        with pytest.raises(ValueError, match="another optimiser's"):
            optimizer.load_state_dict(other.state_dict())
    assert optimizer.state_dict() == before


def test_what_was_set_comes_with_the_state():
    w, v = Value(1.0), Value(1.0)
    look_ahead = SGD([w], lr=0.1, momentum=0.5, nesterov=True)
    optimizer = SGD([v], lr=0.3, momentum=0.9)
    optimizer.load_state_dict(look_ahead.state_dict())
    for each in (look_ahead, optimizer):
        each.params[0].grad = 1.0
        each.step()
    assert v.data == w.data == 1.0 - 0.1 * 1.5


@pytest.mark.parametrize(
    "change",
    [
        {"lr": "fast"}, {"lr": -1.0}, {"betas": 0.9}, {"betas": [0.9, 1.0]}, {"steps": None},
        {"steps": 1.5}, {"steps": -1}, {"lr": 10**400}, {"state": [[10**400], [0.0]]},
        {"state": [["a"], [0.0]]}, {"state": None}, {"eps": float("nan")},
    ],
)  # fmt: skip
def test_a_damaged_state_is_refused_and_nothing_changes(change):
    optimizer = Adam([Value(1.0)])
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match="this state is damaged"):
        optimizer.load_state_dict({**before, **change})
    for other in ({}, None, {"lr": 1.0}):
        with pytest.raises(ValueError, match="another optimiser's"):
            optimizer.load_state_dict(other)
    assert optimizer.state_dict() == before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD([], lr=0.1), ValueError, "no parameters"),
        (lambda: SGD(Value(1.0), lr=0.1), TypeError, r"model\.parameters\(\)"),
        (lambda: SGD(3, lr=0.1), TypeError, "a list of Values"),
        (lambda: SGD([1.0], lr=0.1), TypeError, "params are Values, got 1.0"),
        (lambda: SGD({Value(1.0)}, lr=0.1), TypeError, "params are a list of Values, got {Value"),
        (lambda: SGD([[Value(1.0)] * 99], lr=0.1), TypeError, r"^.{90,130}$"),
        (lambda: SGD([Value(1.0) * 2.0], lr=0.1), ValueError, "only leaves"),
        (lambda: SGD([Value(1.0, requires_grad=False)], lr=0.1), ValueError, "only leaves"),
        (lambda: SGD([Value(1.0)] * 2, lr=0.1), ValueError, "more than once"),
        (lambda: SGD([Value(1.0)], lr=-0.1), ValueError, "lr is a finite number of 0 or more"),
        (lambda: SGD([Value(1.0)], lr=float("nan")), ValueError, "lr is a finite number"),
        (lambda: SGD([Value(1.0)], lr="fast"), TypeError, "lr is a number, got 'fast'"),
        (lambda: SGD([Value(1.0)], lr=True), TypeError, "lr is a number, got True"),
        (lambda: SGD([Value(1.0)], 0.1, momentum=-1), ValueError, "momentum is a finite number"),
        (lambda: Adam([Value(1.0)], eps=-1e-8), ValueError, "eps is a finite number of 0 or more"),
        (lambda: Adam([Value(1.0)], betas=(0.9,)), TypeError, "betas are two numbers"),
        (lambda: Adam([Value(1.0)], betas=(0.9, 1.0)), ValueError, r"betas\[1\] is at least 0"),
        (lambda: Adam([Value(1.0)], betas=(-0.1, 0.5)), ValueError, r"betas\[0\] is at least 0"),
        (lambda: SGD([Value(1.0)], lr=0.1, nesterov=True), ValueError, "give a momentum"),
        (lambda: Adam([Value(1.0)], betas=(1.0, 0.9)), ValueError, "below 1"),
        (lambda: Adam([Value(1.0)], betas=0.9), TypeError, "betas are two numbers"),
        (lambda: AdamW([Value(1.0)], weight_decay=-1), ValueError, "weight_decay is a finite"),
    ],
)
def test_what_cannot_be_optimised_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_repr_tells_the_settings():
    assert repr(SGD([Value(1.0)], lr=0.1)) == (
        "SGD(1 parameters, lr=0.1, weight_decay=0.0, momentum=0.0, nesterov=False)"
    )


def test_a_rate_of_nothing_is_a_rate():
    w = Value(1.0)
    optimizer = SGD([w], lr=0.0)
    w.grad = 1.0
    optimizer.step()
    optimizer.lr = 0.5
    optimizer.step(lr=0.0)
    assert (w.data, optimizer.steps) == (1.0, 2)


def test_a_state_is_a_copy():
    w = Value(1.0)
    optimizer = SGD([w], lr=0.1, momentum=0.5)
    state = optimizer.state_dict()
    assert state == {
        "lr": 0.1, "weight_decay": 0.0, "momentum": 0.5, "nesterov": False, "steps": 0,
        "state": [[0.0]],
    }  # fmt: skip
    w.grad = 2.0
    optimizer.step()
    assert state["state"] == [[0.0]]
    after = optimizer.state_dict()
    after["state"][0][0] = 99.0
    assert (optimizer.state, after["steps"]) == ([[2.0]], 1)
    adam = Adam([w], betas=[0.5, 0.25], eps=0)
    assert adam.state_dict()["betas"] == (0.5, 0.25)
    assert adam.state == [[0.0], [0.0]]
    assert repr(AdamW([w])) == (
        "AdamW(1 parameters, lr=0.001, weight_decay=0.01, betas=(0.9, 0.999), eps=1e-08)"
    )


def test_an_optimiser_of_ones_own_needs_a_rule_only():
    class Descent(Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, lr, weight_decay=0.5)
            self.start(descend)

    w = Value(2.0)
    w.grad = 1.0
    optimizer = Descent([w], lr=0.1)
    optimizer.step()
    assert w.data == 2.0 - 0.1 * (1.0 + 0.5 * 2.0)
    assert (optimizer.state, optimizer.state_names) == ([], ())


def test_what_is_remembered_has_a_name():
    w = Value(1.0)
    for optimizer, names in (
        (SGD([w], lr=0.1), ()), (SGD([w], lr=0.1, momentum=0.5), ("velocity",)),
        (Adam([w]), ("mean", "square")), (AdamW([w]), ("mean", "square")),
    ):  # fmt: skip
        assert optimizer.state_names == names
        assert optimizer.state == [[0.0]] * len(names)


def test_a_gradient_with_a_graph_of_its_own_counts_as_its_number():
    plain, traced = Value(0.5), Value(0.5)
    for parameter, create_graph in ((plain, False), (traced, True)):
        (parameter * parameter * parameter).backward(create_graph=create_graph)
        optimizer = Adam([parameter], lr=0.1)
        optimizer.step()
        assert type(parameter.data) is float
    assert plain.data == traced.data != 0.5


def test_a_gradient_that_is_no_number_moves_nothing():
    parameter = Value(0.5)
    parameter.grad = "much"
    optimizer = SGD([parameter], lr=0.1)
    with pytest.raises(TypeError, match="takes a real number, got str 'much'"):
        optimizer.step()
    assert (parameter.data, optimizer.steps) == (0.5, 0)


@pytest.mark.parametrize("backend", ["eager", "numpy"])
def test_momentum_and_nesterov_may_change_between_steps_as_in_pytorch(backend):
    torch = pytest.importorskip("torch")
    ours, theirs = Value(1.0), torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    optimizer = SGD([ours], lr=0.05, momentum=0.9)
    reference = torch.optim.SGD([theirs], lr=0.05, momentum=0.9)
    settings = [(0.9, False), (0.9, True), (0.5, True), (0.7, False), (0.0, False), (0.0, True)]
    settings += [(0.9, True), (0.0, True), (0.8, False)]  # with the velocity of then

    def callback(epoch):
        optimizer.momentum, optimizer.nesterov = settings[epoch.number % len(settings)]

    fit(
        lambda x: ours * x[0], [[1.0]], [0.0], loss=mse_loss, optimizer=optimizer,
        epochs=len(settings), backend=backend, progress=False, callbacks=[callback],
    )  # fmt: skip
    for momentum, nesterov in settings:
        reference.param_groups[0].update(momentum=momentum, nesterov=nesterov)
        reference.zero_grad()
        (theirs**2).backward()
        reference.step()
    assert ours.data == pytest.approx(theirs.item(), rel=1e-13)


def test_a_momentum_without_a_velocity_is_refused():
    optimizer = SGD([Value(1.0)], lr=0.1)
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match="make another with momentum"):
        optimizer.momentum = 0.9
    with pytest.raises(ValueError, match="momentum is a finite number of 0 or more, got -1"):
        optimizer.momentum = -1.0
    with pytest.raises(ValueError, match="another optimiser's"):
        optimizer.load_state_dict({**before, "momentum": 0.9, "lr": 0.7})
    optimizer.momentum = 0.0
    assert optimizer.state_dict() == before


def test_a_state_without_momentum_any_more_loads():
    w = Value(1.0)
    optimizer = SGD([w], lr=0.1, momentum=0.9)
    for momentum in (0.9, 0.0):
        w.grad, optimizer.momentum = 1.0, momentum
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()
    assert w.data == pytest.approx(1.0 - 3 * 0.1, rel=1e-15)


@pytest.mark.parametrize("kind", [SGD, Adam])
@pytest.mark.parametrize("setting", ["lr", "weight_decay"])
def test_a_setting_in_single_precision_rounds_only_itself(kind, setting):
    numpy = pytest.importorskip("numpy")
    learned = []
    for given in (numpy.float32(0.1), float(numpy.float32(0.1))):
        w = Value(1 / 3)
        optimizer = kind([w], lr=0.1)
        setattr(optimizer, setting, given)
        for _ in range(3):
            w.grad = 1 / 7
            optimizer.step()
        learned.append(w.data)
    assert learned[0] == learned[1]


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, momentum=0.9), Adam], ids=["SGD", "Adam"])
@pytest.mark.parametrize("change", [lambda p: p.append(Value(3.0)), lambda p: p.pop(0)])
def test_a_parameter_that_comes_or_goes_is_told(make, change):
    pytest.importorskip("numpy")
    w = [Value(1.0), Value(2.0)]
    optimizer, averages = make(w), EMA(w, 0.5)
    averages.update()
    change(optimizer.params), change(averages.params)
    for parameter in optimizer.params:
        parameter.grad = 1.0
    for step in (optimizer.step, averages.update, averages.applied().__enter__):
        with pytest.raises(
            ValueError, match=r"remembered of 2 parameters, and now there are [13]:"
        ):
            step()
    for backend in ("auto", "eager", "numpy"):
        with pytest.raises(ValueError, match="remembered of 2 parameters"):
            fit(
                lambda x: optimizer.params[-1] * x[0], [[1.0]], [0.5], loss=mse_loss,
                optimizer=optimizer, epochs=1, backend=backend, progress=False,
            )  # fmt: skip
    assert (optimizer.steps, averages.updates) == (0, 1)
    assert [parameter.data for parameter in w] == [1.0, 2.0]


def sign(m, p, g, lr, decay):
    return (p - lr * (1.0 if g > 0 else -1.0),)


def chosen_sign(m, p, g, lr, decay):
    return (p - lr * m.where(m.less(0.0, g), 1.0, -1.0),)


class Signs(Optimizer):
    def __init__(self, params, rule):
        super().__init__(params, 0.1, 0.0)
        self.start(rule)


class Fading(Optimizer):
    def __init__(self, params):
        super().__init__(params, 0.1, 0.0)
        self.start(self.fade)

    def fade(self, m, p, g, lr, decay):
        return (p - lr / (1 + self.steps) * g,)


class Waning(SGD):
    def hyper(self, step, lr):
        return super().hyper(step, lr / (1 + self.steps))


class Clipped(SGD):
    def step(self, lr=None):
        for parameter in self.params:
            parameter.grad = max(-0.1, min(0.1, parameter.grad))
        super().step(lr)


class Accumulating(SGD):
    def zero_grad(self):
        pass


class Slow(SGD):
    def hyper(self, step, lr):
        return super().hyper(step, lr if step > 2 else 0.0)


class Late(EMA):
    def update(self):
        if self.params[0].data < 0.9:
            super().update()


@pytest.mark.parametrize("backend", ["auto", "numpy"])
@pytest.mark.parametrize(
    ("make", "ema", "why"),
    [
        (lambda p: Signs(p, sign), None, r"test_optim.py:\d+: a > b compares"),
        (lambda p: Clipped(p, 0.1), None, "Clipped has its own step"),
        (lambda p: Accumulating(p, 0.1), None, "Accumulating has its own zero_grad"),
        (lambda p: Slow(p, 0.1), None, "truth value .* as an array"),
        (Fading, None, "of Fading looks at self.steps"),
        (lambda p: Waning(p, 0.1), None, "of Waning looks at self.steps"),
        (lambda p: SGD(p, 0.1), Late, "Late has its own update"),
    ],
)
def test_what_a_step_of_ones_own_does_in_python_is_done(backend, make, ema, why):
    pytest.importorskip("numpy")

    def learned(backend):
        w = Value(1.0)
        averages = ema and ema([w], 0.5)
        history = fit(
            lambda x: w * x[0], [[1.0], [2.0]], [0.0, 0.5], loss=mse_loss, optimizer=make([w]),
            ema=averages, epochs=4, batch_size=1, backend=backend, progress=False,
        )  # fmt: skip
        return history, w.data, averages and averages.state

    history, *expected = learned("eager")
    if backend == "auto":
        compiled, *numbers = learned(backend)
        assert (numbers, compiled.loss, compiled.backend) == (expected, history.loss, "eager")
        assert re.search(why, compiled.note)
    else:
        with pytest.raises((TypeError, ValueError)) as raised:
            learned(backend)
        said = [str(raised.value), *getattr(raised.value, "__notes__", ())]
        assert re.search(why, " ".join(said))


@pytest.mark.parametrize("backend", ["auto", "numpy"])
def test_what_a_rule_sees_of_its_optimizer_may_change_between_epochs(backend):
    pytest.importorskip("numpy")

    class Held(Optimizer):
        def __init__(self, params):
            super().__init__(params, 0.1, 0.0)
            self.most = 0.5
            self.start(self.hold)

        def hold(self, m, p, g, lr, decay):
            return (p - lr * m.clip(g, -self.most, self.most),)

    w = Value(1.0)
    optimizer = Held([w])
    fit(
        lambda x: w * x[0], [[1.0]], [-9.0], loss=mse_loss, optimizer=optimizer, epochs=3,
        ema=EMA([w]), backend=backend, progress=False,
        callbacks=[lambda epoch: setattr(optimizer, "most", 0.1 * epoch.number)],
    )  # fmt: skip
    assert w.data == pytest.approx(1.0 - 0.1 * (0.5 + 0.1 + 0.2), rel=1e-15)


def test_a_rule_that_chooses_by_where_is_compiled():
    pytest.importorskip("numpy")
    ends = []
    for rule, backend in ((sign, "eager"), (chosen_sign, "eager"), (chosen_sign, "numpy")):
        w = Value(1.0)
        fit(
            lambda x, w=w: w * x[0], [[1.0]], [0.75], loss=mse_loss, optimizer=Signs([w], rule),
            epochs=5, backend=backend, progress=False,
        )  # fmt: skip
        ends.append(w.data)
    assert ends == [pytest.approx(0.7, rel=1e-15)] * 3


@pytest.mark.parametrize("backend", ["eager", "numpy", "native"])
def test_a_rule_has_the_functions_of_the_table(backend):
    """Lion's sign, say (Chen & al. 2023), and a slope that is clipped."""
    pytest.importorskip({"native": "llvmlite"}.get(backend, "numpy"))

    class Lion(Optimizer):
        def __init__(self, params):
            super().__init__(params, 0.1, 0.5)
            self.start(lion, "mean")

    def lion(m, p, g, mean, lr, decay):
        g = m.clip(g, -1.0, 1.0)
        return p - lr * (m.sign(0.9 * mean + 0.1 * g) + decay * p), 0.99 * mean + 0.01 * g

    w, expected, mean = Value(1.0), 1.0, 0.0
    fit(lambda x: w * x[0], [[1.0]], [0.75], loss=mse_loss, optimizer=Lion([w]), epochs=5,
        backend=backend, progress=False)  # fmt: skip
    for _ in range(5):
        slope = max(-1.0, min(1.0, 2 * (expected - 0.75)))
        way = 0.9 * mean + 0.1 * slope
        expected, mean = (
            expected - 0.1 * ((way > 0) - (way < 0) + 0.5 * expected),
            (0.99 * mean + 0.01 * slope),
        )
    assert w.data == pytest.approx(expected, rel=1e-14)
