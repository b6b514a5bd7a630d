"""A module is anything that holds parameters: a neuron, a layer, a network, or a class of your own.

Its *parameters* are the leaves that learn.  They are found where they lie: in the attributes of the
module, in order, and inside lists, tuples, dicts and further modules, so that a subclass only has
to assign them.  A parameter's *name* is the way to it: ``layers.0.neurons.3.w.1``.

One that is frozen, by ``requires_grad = False``, is none while it is, unlike in PyTorch: to free it
again keep it, for ``parameters()`` leaves it out.

>>> from nn import MLP
>>> model = MLP(2, [4, 1])
>>> first = model.layers[0].parameters()
>>> for p in first: p.requires_grad = False
>>> len(model.parameters())
5
>>> for p in first: p.requires_grad = True
>>> len(model.parameters())
17
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from numbers import Real
from pathlib import Path
from reprlib import recursive_repr
from types import FunctionType
from typing import Any

from autograd import Value
from nn import files
from nn.interrupts import undisturbed


class Module:
    """Holds parameters, in attributes, and in lists, tuples, dicts, arrays and modules in these;
    subclass it and define ``__call__``.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.shift = Value(2.0), Value(1.0)
    ...     def __call__(self, x):
    ...         return self.slope * x + self.shift
    >>> line = Line()
    >>> line(3.0).data
    7.0
    >>> line.state_dict()
    {'slope': 2.0, 'shift': 1.0}
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a ``parameters`` of its own, as micrograd's modules have, name each once.

        ``super().parameters() + self.head.parameters()`` would name a head twice, which is found
        already; a loop over them then moves it twice a step.
        """
        super().__init_subclass__(**options)
        if isinstance(own := vars(cls).get("parameters"), FunctionType):
            cls.parameters = _each_once(own)  # type: ignore[method-assign]

    def parameters(self) -> list[Value]:
        """Every parameter once, in the order of ``named_parameters``."""
        # a dict for its order: of a shared parameter the first place counts
        found: dict[Value, None] = {}
        seen = {id(self)}
        for _, held in _parts(self):
            _gather(held, found, seen)
        return list(found)

    def named_parameters(self) -> list[tuple[str, Value]]:
        """(name, parameter) pairs in order of assignment; a shared one has its first name."""
        return [(name, leaf) for name, leaf in self._named_leaves() if leaf.requires_grad]

    def zero_grad(self) -> None:
        """Set every parameter's ``grad`` to 0, as before each backward pass."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def state_dict(self) -> dict[str, float]:
        """The numbers of all leaves by name: of the parameters, and of those that are frozen.

        Raises ValueError where two have the same name, such as the entries 0 and "0" of a dict.
        """
        return {name: leaf.data for name, leaf in self._leaves_by_name().items()}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Take over a ``state_dict``; ValueError, and no change, unless all names fit."""
        if not isinstance(state, Mapping):
            raise TypeError(f"a state is a dict of numbers by name, got {state!r:.60}")
        leaves = self._leaves_by_name()
        _refuse_other_names(leaves.keys() - state.keys(), state.keys() - leaves.keys())
        # all of them are read before the first is put in: a bad one must change nothing
        numbers = {name: _number(name, state[name]) for name in leaves}
        with undisturbed():
            for name, leaf in leaves.items():
                leaf.data = numbers[name]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a safetensors file: afterwards it is whole, or what was there is untouched."""
        return files.save(path, self.state_dict())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read what ``save`` wrote; ValueError, and no change, if it is damaged or does not fit."""
        try:
            self.load_state_dict(files.load(path, names=self.state_dict()))
        except ValueError as error:
            raise ValueError(f"{Path(path)} was not loaded: {error}") from error

    def children(self) -> list[tuple[str, Module]]:
        """The modules held directly, by name."""
        return [
            (name, part) for key, held in _parts(self) for name, part in _modules(str(key), held)
        ]

    def _named_leaves(self) -> list[tuple[str, Value]]:
        found: dict[Value, str] = {}
        _find("", self, found, set())
        return [(name, leaf) for leaf, name in found.items()]

    def _leaves_by_name(self) -> dict[str, Value]:
        leaves = self._named_leaves()
        named = dict(leaves)
        # a file would keep only one of them
        if len(named) < len(leaves):
            names = [name for name, _ in leaves]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"two parameters have the same name {twice!r}: rename what holds one")
        return named

    @recursive_repr()
    def __repr__(self) -> str:
        inside = [f"  ({name}): {part!r}".replace("\n", "\n  ") for name, part in self.children()]
        return "\n".join([f"{type(self).__name__}(", *inside, ")"]) if inside else self._line()

    def _line(self) -> str:
        """What repr says of a module without modules in it."""
        count = len(self.parameters())
        return f"{type(self).__name__}({count} parameter{'s' * (count != 1)})"


def _each_once(parameters: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(parameters)
    def found(*arguments: Any, **named: Any) -> Any:
        listed = parameters(*arguments, **named)
        # by id, for a list of whole arrays is a user's own affair
        return [*{id(each): each for each in listed}.values()] if type(listed) is list else listed

    return found


def _gather(held: object, found: dict[Value, None], seen: set[int]) -> None:
    """Collect the parameters in something held; a module may have a way of its own to name them."""
    if isinstance(held, Value):
        if held.requires_grad and held.is_leaf:
            found[held] = None
    elif _anew(held, seen):
        if isinstance(held, Module) and type(held).parameters is not Module.parameters:
            found.update(dict.fromkeys(held.parameters()))
        else:
            for _, part in _parts(held):
                _gather(part, found, seen)


def _find(name: str, held: object, found: dict[Value, str], seen: set[int]) -> None:
    """Collect the leaves in something held, by the first name that leads to each."""
    if isinstance(held, Value):
        if held.is_leaf:
            found.setdefault(held, name)
    elif _anew(held, seen):
        for key, part in _parts(held):
            _find(f"{name}.{key}" if name else str(key), part, found, seen)


def _anew(held: object, seen: set[int]) -> bool:
    """Whether this is no module met before, which a part that knows its whole leads back to."""
    if not isinstance(held, Module):
        return True
    met = id(held) in seen  # a dataclass has no hash
    seen.add(id(held))
    return not met


def _modules(name: str, held: object) -> Iterator[tuple[str, Module]]:
    if isinstance(held, Module):
        yield name, held
    elif not isinstance(held, Value):
        for key, part in _parts(held):
            yield from _modules(f"{name}.{key}", part)


def _parts(held: object) -> Iterable[tuple[object, object]]:
    """What a module or a container holds, by name."""
    if isinstance(held, Module):
        # not vars: a dataclass may keep in slots what it holds, and slots may be private
        state: Any = object.__getstate__(held)
        own, slots = state if isinstance(state, tuple) else (state, None)
        return {**(own or {}), **(slots or {})}.items()
    if isinstance(held, dict):
        return held.items()
    if getattr(getattr(held, "dtype", None), "kind", "") == "O":  # a NumPy array of Values
        held = held.tolist()  # type: ignore[attr-defined]
    return enumerate(held) if isinstance(held, list | tuple) else ()


def _refuse_other_names(missing: set[str], unknown: set[Any]) -> None:
    if missing or unknown:
        complaints = [
            f"{_some(names)} {what}"
            for names, what in ((missing, "missing from it"), (unknown, "not in this model"))
            if names
        ]
        raise ValueError(f"the state is another model's: {' and '.join(complaints)}")


def _some(names: set[Any]) -> str:
    """The first few of many names, with their number."""
    first = ", ".join(sorted(map(_shown, names))[:3])
    return first if len(names) <= 3 else f"{first} and {len(names) - 3} more"


def _shown(name: object) -> str:
    """A name as a message may hold it: a file's may have controls in it, or have no end."""
    text = str(name)
    return (text if text.isprintable() else ascii(text))[:80]


def _number(name: str, given: object) -> float:
    if isinstance(given, bool | Value) or not isinstance(given, Real):
        raise ValueError(f"{_shown(name)} should be a number, got {given!r:.60}")
    try:
        return float(given)
    except OverflowError:
        raise ValueError(f"{_shown(name)} is too large for a float") from None
