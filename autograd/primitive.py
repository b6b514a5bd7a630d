"""The row type: one differentiable function, told once.

A *primitive* is a function whose derivative the engine knows.  Its row holds everything there is to
know about it, written in words that do not say what kind of number is meant: every function takes a
*namespace* ``m`` first (floats, NumPy, JAX, graph nodes, source text …) and finds ``m.exp``,
``m.where`` and so on there.  ``+ - *`` and unary ``-`` are used as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Convention:
    """What the partials are where mathematics leaves them open: a kink, a tie, a pole."""

    at: tuple[float, ...]
    partials: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """One differentiable function.

    ``forward(m, *args)`` is the value and ``partials(m, *args, y)`` the tuple of partial
    derivatives, one per argument, where ``y`` is the value.  ``domain`` holds one open interval
    per argument, from which tests sample; an n-ary primitive has a single one for all its
    arguments.
    """

    name: str
    symbol: str
    forward: Callable[..., Any]
    partials: Callable[..., tuple[Any, ...]]
    domain: tuple[Interval, ...]
    conventions: tuple[Convention, ...] = ()
    note: str = ""
    variadic: bool = False

    @property
    def arity(self) -> int | None:
        """The number of arguments; None when any number will do."""
        return None if self.variadic else len(self.domain)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        from autograd.rules import named

        return named, (self.name,)
