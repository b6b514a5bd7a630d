"""Neurons, layers and networks.

A *neuron* weighs its inputs, adds its bias and passes the sum on through a function: z = w·x + b,
a = f(z), where f is its *activation*.  A *layer* is neurons that share their inputs; a *multi-layer
perceptron* is layers in a row.  Each z is one ``dot`` node.  Nodes carry scopes, so that pictures
show layers and neurons as boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import index
from typing import Any, NamedTuple, SupportsIndex, TypeAlias

import autograd
from autograd import Value, affine, dot, scope
from nn.init import Generator, Initialiser, generator, initialiser
from nn.module import Module

Activation = Callable[[Value], Value]
Input: TypeAlias = Value | float
Row: TypeAlias = Input | Iterable[Input]
"""The inputs of a network; a single one may come alone."""


def linear(z: Value) -> Value:
    """The identity, a = z."""
    return z


_NAMES = "relu leaky_relu elu sigmoid tanh softplus silu gelu log_sigmoid sin arctan erf".split()
ACTIVATIONS: Mapping[str, Activation] = {"linear": linear} | {
    name: getattr(autograd, name) for name in _NAMES
}


class LayerActivations(NamedTuple):
    """What a layer computed: ``z`` before and ``a`` after the activation, one per neuron."""

    z: list[Value]
    a: list[Value]


class Neuron(Module):
    """One neuron: weights ``w``, bias ``b``, an activation.

    >>> neuron = Neuron(2, "tanh", seed=1)
    >>> neuron
    Neuron(2, activation='tanh')
    >>> neuron([0.5, -1.0]).op
    'tanh'
    """

    # of a neuron that makes its weights in an __init__ of its own, as micrograd's may
    activate: Activation = staticmethod(autograd.relu)
    _activation = "relu"
    box = scope("neuron")

    def __init__(
        self,
        nin: int,
        activation: str | Activation | bool = "relu",
        *,
        nonlin: bool = True,
        init: str | Initialiser | None = None,
        seed: int | None = None,
        rng: Generator | None = None,
        nout: int = 1,
    ) -> None:
        """``nonlin=False``, or False for the activation, is micrograd's way to say "linear";
        ``nout`` is how many neurons the layer has, which some initialisers look at.
        """
        nin = count("nin", nin)
        activation = chosen(activation, nonlin)
        self.activation = activation
        draw = initialiser_for(init, seed, rng, self.activation)
        draws = generator(seed, rng)
        self.box = scope("neuron")
        self.w = [Value(draw(draws, nin, nout), label=f"w{i}") for i in range(nin)]
        self.b = Value(0.0, label="b")

    def __call__(self, x: Row) -> Value:
        return self.activate(dot(self.w, inputs_of(x, len(self.w), "the neuron"), self.b))

    @property
    def activation(self) -> str:
        """What the activation is called; assigned, a name or a function takes its place."""
        return self._activation

    @activation.setter
    def activation(self, activation: str | Activation) -> None:
        self.activate = activation_of(activation)
        self._activation = name_of(activation)

    @property
    def nonlin(self) -> bool:
        """Whether the activation does anything, as micrograd asks; assigned, relu or nothing."""
        return self.activate is not linear

    @nonlin.setter
    def nonlin(self, nonlin: bool) -> None:
        if nonlin != self.nonlin:
            self.activation = "relu" if nonlin else "linear"

    def _line(self) -> str:
        return f"{type(self).__name__}({len(self.w)}, activation={self.activation!r})"


class Layer(Module):
    """Neurons that share their inputs; called, it returns a list, or of one neuron a Value.

    Keywords go to each `Neuron`; ``name`` is the box in pictures.
    """

    # of a layer that makes its neurons in an __init__ of its own: they look at their inputs
    nin: int | None = None
    name = "layer"
    box = scope(name)

    def __init__(
        self,
        nin: int,
        nout: int,
        activation: str | Activation | bool = "relu",
        *,
        nonlin: bool = True,
        init: str | Initialiser | None = None,
        seed: int | None = None,
        rng: Generator | None = None,
        name: str = "layer",
    ) -> None:
        self.nin, self.name, self.box = count("nin", nin), name, scope(name)
        activation = chosen(activation, nonlin)
        init = initialiser_for(init, seed, rng, name_of(activation))
        # one generator for the layer: of one seed each, all neurons would draw the same weights
        rng = generator(seed, rng)
        self.neurons = []
        for i in range(count("nout", nout)):
            box = scope(f"neuron {i}")
            with self.box, box:
                neuron = Neuron(nin, activation, init=init, rng=rng, nout=nout)
            neuron.box = box
            self.neurons.append(neuron)

    def __call__(self, x: Row) -> Value | list[Value]:
        return alone(self.outputs(inputs_of(x, self.nin, self.name)))

    def outputs(self, x: list[Value]) -> list[Value]:
        """a of every neuron, for inputs that are Values already."""
        if {*map(type, self.neurons)} == {Neuron}:
            return self.box.run(self._computed, x)[1]
        # a neuron of the user's own computes what it likes
        boxes = [getattr(neuron, "box", Neuron.box) for neuron in self.neurons]
        return [self.box.run(box.run, neuron, x) for box, neuron in zip(boxes, self.neurons)]

    def activations(self, x: Row) -> LayerActivations:
        """z and a of every neuron; TypeError where a class of the user's own computes a."""
        for part, kind in [(self, Layer), *((neuron, Neuron) for neuron in self.neurons)]:
            if type(part).__call__ is not kind.__call__:
                raise TypeError(
                    f"{type(part).__name__} has a __call__ of its own, whose z and a nobody else "
                    "knows: define activations(x) in a class of layers"
                )
        return LayerActivations(*self.box.run(self._computed, inputs_of(x, self.nin, self.name)))

    def _computed(self, x: list[Value]) -> tuple[list[Value], list[Value]]:
        """z and a of every neuron, each in its box."""
        neurons = self.neurons
        boxes = [neuron.box for neuron in neurons]
        # all dots of a layer in one call: inputs are looked at once, not once per neuron
        z = affine([neuron.w for neuron in neurons], x, [neuron.b for neuron in neurons], boxes)
        activations = [neuron.activate for neuron in neurons]
        # the identity makes no node, so that a linear layer's a is its z; counted, since
        # an activation that is a dataclass has no hash
        is_linear = activations.count(linear) == len(activations)
        return z, z if is_linear else scope.run_each(boxes, activations, z)

    def _line(self) -> str:
        told = [] if self.nin is None else [f"{self.nin}"]
        told += [f"{len(self.neurons)}", *(f"activation={name!r}" for name in _activations(self))]
        return f"{type(self).__name__}({', '.join(told)})"

    __repr__ = _line


class MLP(Module):
    """A multi-layer perceptron: ``nin`` inputs, then a layer of each size in ``nouts``.

    Hidden layers use ``activation``, the last one ``output``; both by name or as a function of a
    Value. ``init`` names how weights are drawn (see `nn.init`) or is a function; ``seed`` or
    ``rng`` says from where.  ``init="uniform"`` draws -1 to 1 in micrograd's order.  A network that
    is told neither ``init`` nor ``seed`` nor ``rng`` does just that, from Python's global
    generator, and so *is* micrograd's; told a ``seed`` or ``rng`` alone, it draws what suits the
    activation.

    >>> model = MLP(2, [3, 1], activation="tanh", seed=0)
    >>> model
    MLP(
      (layers.0): Layer(2, 3, activation='tanh')
      (layers.1): Layer(3, 1, activation='linear')
    )
    >>> model([1.0, -2.0]).op
    'dot'
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        activation: str | Activation = "relu",
        output: str | Activation = "linear",
        *,
        init: str | Initialiser | None = None,
        seed: int | None = None,
        rng: Generator | None = None,
    ) -> None:
        sizes = [count("nin", nin), *sizes_of(nouts)]
        activation = chosen(activation, nonlin=True)
        activation_of(activation)  # which a network without hidden layers does not use
        activations = [activation] * (len(sizes) - 2) + [output]
        inits = [initialiser_for(init, seed, rng, name_of(each)) for each in activations]
        rng = generator(seed, rng)
        self.layers = [
            Layer(nin, nout, each, init=draw, rng=rng, name=f"layer {i}")
            for i, (nin, nout, each, draw) in enumerate(
                zip(sizes, sizes[1:], activations, inits, strict=False), start=1
            )
        ]

    def __call__(self, x: Row) -> Any:
        """A Value, or with several outputs a list of Values."""
        first = self.layers[0]
        # one of the user's own is given what the network is given
        a: Any = inputs_of(x, first.nin, first.name) if isinstance(first, Layer) else x
        for layer in self.layers:
            if type(layer).__call__ is Layer.__call__:
                a = layer.outputs(a)
            else:  # one of the user's own
                outputs = layer(a)
                a = [outputs] if isinstance(outputs, Value) else [*outputs]
        return alone(a)

    def activations(self, x: Row) -> list[LayerActivations]:
        """z and a of every layer, first to last; the last a is the output.

        >>> [len(layer.z) for layer in MLP(2, [3, 1]).activations([1.0, 2.0])]
        [3, 1]
        """
        layers = []
        for layer in self.layers:
            layers.append(layer.activations(x))
            x = layers[-1].a
        return layers

    def summary(self) -> str:
        """A table of the layers and how many parameters each has.

        >>> print(MLP(2, [16, 1]).summary())
        layer     inputs  neurons  activation  parameters
        layer 1        2       16  relu                48
        layer 2       16        1  linear              17
        total                                          65
        """
        lines = [f"{'layer':<8}{'inputs':>8}{'neurons':>9}  {'activation':<10}{'parameters':>12}"]
        for layer in self.layers:
            name, nin = getattr(layer, "name", type(layer).__name__), getattr(layer, "nin", None)
            neurons, activation = len(getattr(layer, "neurons", ())), "".join(_activations(layer))
            lines.append(
                f"{name:<8}{nin or '':>8}{neurons or '':>9}  {activation:<10}"
                f"{len(layer.parameters()):>12}"
            )
        return "\n".join([*lines, f"{'total':<8}{len(self.parameters()):>41}"])


def _activations(layer: Module) -> list[str]:
    """What the activation of the first neuron is called, if it says so."""
    first = getattr(layer, "neurons", [])[:1]
    return [neuron.activation for neuron in first if hasattr(neuron, "activation")]


def alone(outputs: list[Value]) -> Value | list[Value]:
    """A list of outputs, or the only one."""
    return outputs[0] if len(outputs) == 1 else outputs


def inputs_of(x: Row, nin: int | None, taker: str) -> list[Value]:
    """A row of inputs as Values: numbers become constants, once for all neurons of a layer.

    Where nobody has said how many there are, ``nin`` is None.
    """
    row = x.tolist() if hasattr(x, "tolist") else x
    if isinstance(row, set | frozenset | dict):
        raise TypeError(f"{taker} takes inputs in a list, in their order, got {row!r:.60}")
    row = [row] if isinstance(row, Value) or not isinstance(row, Iterable) else list(row)
    if (nin is not None and len(row) != nin) or (row and isinstance(row[0], list)):
        raise ValueError(f"{taker} takes {nin} inputs, got {_shape(row)}")
    return [v if type(v) is Value else _input(v) for v in row]


def chosen(activation: str | Activation | bool, nonlin: bool) -> str | Activation:
    """The activation, where False is micrograd's word for none and True for its own, relu."""
    if not nonlin or activation is False:
        return "linear"
    return "relu" if activation is True else activation


def activation_of(activation: str | Activation) -> Activation:
    """The activation of that name, or the function itself; ValueError for an unknown name."""
    if callable(activation):
        return activation
    if isinstance(activation, str) and activation in ACTIVATIONS:
        return ACTIVATIONS[activation]
    if activation == "softmax":
        raise ValueError(
            'softmax looks at a whole layer: use output="linear" with nn.cross_entropy, '
            "and autograd.softmax(outputs) where you want probabilities"
        )
    raise ValueError(
        f"activation should be one of {', '.join(ACTIVATIONS)} or a function, got {activation!r}"
    )


def name_of(activation: str | Activation) -> str:
    """How an activation is called."""
    return activation if isinstance(activation, str) else getattr(activation, "__name__", "custom")


def initialiser_for(
    init: str | Initialiser | None, seed: int | None, rng: Generator | None, activation: str
) -> Initialiser:
    """How to draw weights: as asked; when nothing at all is said, as micrograd does."""
    if init is None and seed is None and rng is None:
        init = "uniform"
    return initialiser(init, activation)


def sizes_of(nouts: Sequence[int]) -> list[int]:
    """The sizes of the layers, checked."""
    if not isinstance(nouts, Sequence) or isinstance(nouts, str):
        raise TypeError(f"nouts is a list of layer sizes, such as [16, 16, 1], got {nouts!r:.60}")
    if not nouts:
        raise ValueError("nouts is empty: a network has at least one layer")
    return [count("a layer size", size) for size in nouts]


def count(name: str, given: SupportsIndex) -> int:
    """A whole number of 1 or more."""
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        raise TypeError(f"{name} is a whole number, got {given!r:.60}")
    if (number := index(given)) < 1:
        raise ValueError(f"{name} is 1 or more, got {given!r}")
    return number


def _input(given: Input) -> Value:
    """A number as a constant, True as 1; a Value of the user's own kind as it is."""
    if type(given) is float:
        return Value(given, requires_grad=False)
    if isinstance(given, Value):
        return given
    truth = isinstance(given, bool) or getattr(getattr(given, "dtype", None), "kind", "") == "b"
    return Value(float(given) if truth else given, requires_grad=False)


def _shape(row: list[Any]) -> str:
    """What was given instead of a row."""
    if row and isinstance(row[0], list | tuple):
        return f"{len(row)} rows: call it with one row, or use nn.predict(model, X)"
    return str(len(row))
