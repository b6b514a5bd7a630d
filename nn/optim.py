"""Optimisers: how a parameter moves once its gradient is known.

An optimiser's *rule* is one scalar function, written once::

    rule(m, p, g, *state, *hyper) -> (p', *state')

It takes a parameter, its gradient, what the optimiser remembers about it (its *state*, which starts
at 0) and the *hyper* numbers that all parameters share in one step, and returns the new parameter
and state.  It uses ``+ - *`` and the functions of a namespace ``m``, so ``step()`` runs it on
floats, and a compiled training loop runs the same rule on arrays or records it as instructions.
The numbers are those of ``torch.optim``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from math import isfinite
from numbers import Real
from typing import Any, Protocol

from autograd import Value
from autograd.functions import FLOATS
from nn.interrupts import undisturbed

Rule = Callable[..., tuple[Any, ...]]


class Number(Protocol):
    """What a rule works on: a float, an array, or a block of numbers to come."""

    def __add__(self, other: Any, /) -> Any: ...
    def __radd__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __rsub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __rmul__(self, other: Any, /) -> Any: ...


class Functions(Protocol):
    """The functions for such numbers that a rule may use: these, and `autograd`'s of one to three
    numbers, ``clip`` among them, where all of them are given.
    """

    def sqrt(self, x: Any, /) -> Any:
        """The square root."""

    def divide(self, x: Any, y: Any, /) -> Any:
        """x / y."""

    def where(self, condition: Any, x: Any, y: Any, /) -> Any:
        """x where the condition is not 0, else y."""


Changed = tuple[Any, ...]
"""A parameter's new number, and its state."""


def descend(m: Functions, p: Number, g: Number, lr: Number, decay: Number) -> Changed:
    """Gradient descent: a step against the gradient, and against the weight decay's pull to 0."""
    return (p - lr * (g + decay * p),)


def descend_with_momentum(
    m: Functions, p: Number, g: Number, velocity: Number,
    lr: Number, decay: Number, momentum: Number,
) -> Changed:  # fmt: skip
    """Heavy ball: the velocity sums past gradients, each step fading by ``momentum``."""
    velocity = momentum * velocity + (g + decay * p)
    return p - lr * velocity, velocity


def descend_with_nesterov(
    m: Functions, p: Number, g: Number, velocity: Number,
    lr: Number, decay: Number, momentum: Number,
) -> Changed:  # fmt: skip
    """Nesterov's look ahead: the gradient, and the velocity it has just changed."""
    slope = g + decay * p
    velocity = momentum * velocity + slope
    return p - lr * (slope + momentum * velocity), velocity


def descend_beside_velocity(
    m: Functions, p: Number, g: Number, velocity: Number,
    lr: Number, decay: Number, momentum: Number,
) -> Changed:  # fmt: skip
    """A momentum of 0 for a while: the velocity is kept as it is."""
    return *descend(m, p, g, lr, decay), velocity


def adapt(
    m: Functions, p: Number, g: Number, mean: Number, square: Number, lr: Number, decay: Number,
    beta1: Number, beta2: Number, eps: Number, correction1: Number, correction2: Number,
) -> Changed:  # fmt: skip
    """Adam: the averaged gradient over the root of the averaged square.

    Both averages start at 0, and are corrected for that.  What all parameters share is divided
    first: a compiled loop then divides once per parameter.
    """
    slope = g + decay * p
    mean = beta1 * mean + (1.0 - beta1) * slope
    square = beta2 * square + (1.0 - beta2) * (slope * slope)
    scale = m.sqrt(square) * m.divide(1.0, m.sqrt(correction2)) + eps
    return p - m.divide(lr, correction1) * m.divide(mean, scale), mean, square


def adapt_decoupled(
    m: Functions, p: Number, g: Number, mean: Number, square: Number,
    lr: Number, decay: Number, *rest: Number,
) -> Changed:  # fmt: skip
    """AdamW: the decay shrinks the parameter itself and stays out of the averages."""
    return adapt(m, p - lr * (decay * p), g, mean, square, lr, 0.0, *rest)


class Optimizer:
    """What optimisers share: the parameters, the learning rate ``lr``, the state, and the step.

    A subclass calls ``start`` with its rule, and defines ``hyper``.  A rule chooses by
    ``m.where``, ``hyper`` by ``numpy.where``: what Python decides cannot be compiled, and a
    ``step`` that does more, such as clipping gradients, is no rule.  `fit` trains these eagerly.
    """

    rule: Rule
    state_names: tuple[str, ...]

    def __init__(self, params: Iterable[Value], lr: float, weight_decay: float) -> None:
        self.params = parameters_of(params)
        self.lr = not_negative("lr", lr)
        self.weight_decay = not_negative("weight_decay", weight_decay)
        self.steps = 0
        self.state: list[list[float]] = []

    def start(self, rule: Rule, *state_names: str) -> None:
        """Take up a rule that remembers these things about each parameter; all are 0 now."""
        self.rule, self.state_names = rule, state_names
        self.state = [[0.0] * len(self.params) for _ in state_names]

    def hyper(self, step: Any, lr: Number) -> tuple[Any, ...]:
        """The numbers that all parameters share in step 1, 2, …, at this learning rate.

        Arrays of steps and rates give arrays, for a whole training at once: ``self.steps``, numbers
        and gradients of parameters do not move meanwhile, and have no place here.
        """
        return lr, self.weight_decay

    def step(self, lr: float | None = None) -> None:
        """Move every parameter once, by its ``grad``; ``lr`` is another rate for this once.

        A parameter frozen meanwhile, by ``requires_grad = False``, stays, and so does its state;
        the same holds for one whose ``grad`` is None, as in PyTorch.
        """
        # all numbers are worked out first, so that an error half-way has moved nothing
        hyper = self.hyper(self.steps + 1, self.lr if lr is None else lr)
        moved = self._moved(tuple(map(float, hyper)))  # float32 would round all that it meets
        numbers, *state = map(list, zip(*moved))
        with undisturbed():
            self.steps += 1
            self.state = state
            for parameter, number in zip(self.params, numbers):
                parameter.data = number

    def _moved(self, hyper: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Number and state of each parameter after a step."""
        check_state(self.params, self.state)
        # what a frozen parameter holds is old; one that holds None was not paid since
        grads = [p.grad if p.requires_grad else None for p in self.params]
        slopes = [grad if type(grad) is float else _slope(grad) for grad in grads]
        now = [p.data for p in self.params], *self.state
        moved = map(self.rule, repeat(FLOATS), now[0], slopes, *now[1:], *map(repeat, hyper))
        if None not in grads:
            return list(moved)
        return [old if grad is None else new for grad, new, old in zip(grads, moved, zip(*now))]

    def zero_grad(self) -> None:
        """Set every parameter's ``grad`` to 0."""
        for parameter in self.params:
            parameter.grad = 0.0

    def state_dict(self) -> dict[str, Any]:
        """All that ``load_state_dict`` needs to go on where this optimiser stands."""
        return {
            **self._settings(),
            "steps": self.steps,
            "state": [list(memory) for memory in self.state],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another optimiser stood; ValueError, and no change, if it does not fit."""
        settings = self._settings()
        if not isinstance(state, Mapping) or settings.keys() | {"steps", "state"} != state.keys():
            raise ValueError(f"this state is another optimiser's: {state!r:.80}")
        try:
            memory = [list(map(float, numbers)) for numbers in state["state"]]
            # from a file, perhaps: everything is read and checked before anything is taken over
            steps = whole("steps", state["steps"])
            taken = {name: _like(old, name, state[name]) for name, old in settings.items()}
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"this state is damaged: {error}") from None
        shape, given = self._shape(self.state), self._shape(memory)
        if shape != given:
            raise ValueError(
                f"this state is another optimiser's: its shape is {given}, not {shape}"
            )
        with undisturbed():
            self.steps, self.state = steps, memory
            for name, setting in taken.items():
                setattr(self, name, setting)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self._settings().items())
        return f"{type(self).__name__}({len(self.params)} parameters, {settings})"

    def _settings(self) -> dict[str, Any]:
        return {"lr": self.lr, "weight_decay": self.weight_decay}

    @staticmethod
    def _shape(state: list[list[float]]) -> list[int]:
        return [len(memory) for memory in state]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay, as ``torch.optim.SGD``.

    >>> w = Value(1.0)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> w.data
    0.8
    """

    def __init__(
        self,
        params: Iterable[Value],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        if nesterov and not momentum:
            raise ValueError(
                "nesterov=True looks ahead along the momentum: give a momentum above 0"
            )
        remembered = ("velocity",) if not_negative("momentum", momentum) else ()
        self.start(descend, *remembered)
        self._nesterov = bool(nesterov)
        self.momentum = momentum

    @property
    def momentum(self) -> float:
        """How much of the velocity is left after a step; to be changed between steps."""
        return self._momentum

    @momentum.setter
    def momentum(self, given: float) -> None:
        momentum = not_negative("momentum", given)
        if momentum and not self.state_names:
            raise ValueError(
                "an optimizer made without momentum keeps no velocity: make another with momentum"
            )
        self._momentum = momentum
        self._choose()

    @property
    def nesterov(self) -> bool:
        """Whether steps look ahead; to be changed between steps."""
        return self._nesterov

    @nesterov.setter
    def nesterov(self, given: bool) -> None:
        self._nesterov = bool(given)
        self._choose()

    def _choose(self) -> None:
        """The rule for this momentum, unless it is one of a subclass."""
        if self.state_names and self.rule in _DESCENTS:
            moving = descend_with_nesterov if self._nesterov else descend_with_momentum
            self.rule = moving if self._momentum else descend_beside_velocity

    def hyper(self, step: Any, lr: Number) -> tuple[Any, ...]:
        return (lr, self.weight_decay, self.momentum)[: 2 + len(self.state)]

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if isinstance(state, Mapping) and not self.state_names and state.get("momentum"):
            raise ValueError("this state is another optimiser's, which has momentum")
        super().load_state_dict(state)

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "momentum": self.momentum, "nesterov": self.nesterov}


_DESCENTS = (
    descend, descend_with_momentum, descend_with_nesterov, descend_beside_velocity,
)  # fmt: skip


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015) as ``torch.optim.Adam``: ``weight_decay`` is added to the gradient.

    Each parameter's step is about ``lr`` long, whatever the size of its gradient.  The steps that
    its averages are corrected by are the optimiser's; of a parameter that was frozen for some
    steps PyTorch counts its own.
    """

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.betas = _betas(betas)
        self.eps = not_negative("eps", eps)
        self.start(adapt, "mean", "square")

    def hyper(self, step: Any, lr: Number) -> tuple[Any, ...]:
        beta1, beta2 = self.betas
        return lr, self.weight_decay, beta1, beta2, self.eps, 1.0 - beta1**step, 1.0 - beta2**step

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "betas": self.betas, "eps": self.eps}


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019) as in ``torch.optim.AdamW``."""

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
        self.start(adapt_decoupled, "mean", "square")


def parameters_of(params: Iterable[Value]) -> list[Value]:
    """The parameters as a list, checked."""
    # a set has an order of its own in each process: a state would come back to other parameters
    if not isinstance(params, Iterable) or isinstance(params, Value | set | frozenset):
        raise TypeError(
            f"params are a list of Values, got {params!r:.60}; did you mean model.parameters()?"
        )
    parameters = list(params)
    if not parameters:
        raise ValueError("there are no parameters")
    for parameter in parameters:
        if not isinstance(parameter, Value):
            raise TypeError(
                f"params are Values, got {parameter!r:.60}; did you mean model.parameters()?"
            )
        if not (parameter.is_leaf and parameter.requires_grad):
            raise ValueError(
                f"only leaves that require a gradient are parameters, got {parameter!r}"
            )
    # it would move twice a step
    if len({id(parameter) for parameter in parameters}) < len(parameters):
        raise ValueError("a parameter is listed more than once")
    return parameters


def check_state(params: Sequence[Value], state: Sequence[Sequence[float]]) -> None:
    """ValueError where parameters came or went, so that what is remembered is of others."""
    for memory in state:
        if len(memory) != len(params):
            raise ValueError(
                f"something is remembered of {len(memory)} parameters, and now there are "
                f"{len(params)}: make another optimizer, or EMA, of these"
            )


def _slope(grad: Any) -> float:
    """A gradient that is no float: None, or with a graph, as ``create_graph`` leaves them."""
    if grad is None:
        return 0.0
    return (grad if isinstance(grad, Value) else Value(grad)).data


def not_negative(name: str, given: object) -> float:
    """A finite number that is not negative."""
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{name} is a number, got {given!r}")
    if not (isfinite(given) and float(given) >= 0):
        raise ValueError(f"{name} is a finite number of 0 or more, got {given!r}")
    return float(given)


def whole(name: str, given: object) -> int:
    """A whole number that is not negative; 3.0 is one."""
    if not (number := not_negative(name, given)).is_integer():
        raise ValueError(f"{name} is a whole number, got {given!r}")
    return int(number)


def fraction(name: str, given: object) -> float:
    """A number from 0 up to 1, without 1."""
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{name} is a number, got {given!r}")
    if not 0.0 <= float(given) < 1.0:
        raise ValueError(f"{name} is at least 0 and below 1, got {given!r}")
    return float(given)


def _betas(given: object) -> tuple[float, float]:
    if not isinstance(given, Sequence) or len(given) != 2:
        raise TypeError(f"betas are two numbers, such as (0.9, 0.999), got {given!r}")
    return fraction("betas[0]", given[0]), fraction("betas[1]", given[1])


def _like(setting: object, name: str, given: object) -> object:
    """A new value for a setting, checked as when the optimiser was made."""
    if isinstance(setting, bool):
        return bool(given)
    return _betas(given) if isinstance(setting, tuple) else not_negative(name, given)
