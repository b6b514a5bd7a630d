"""The row type: one differentiable function, told once.

A *primitive* is a function whose derivative the engine knows.  Its row holds everything there is to
know about it, written in words that do not say what kind of number is meant: every function takes a
*namespace* ``m`` first (floats, NumPy, JAX, graph nodes, source text …) and finds ``m.exp``,
``m.where`` and so on there.  ``+ - *`` and unary ``-`` are used as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias

Interval = tuple[float, float]

Number: TypeAlias = Any
"""What a row computes with: a float, an array, a node of a graph, a piece of source text …"""

Namespace: TypeAlias = Any
"""The functions of the table over one kind of number."""


@dataclass(frozen=True, slots=True)
class Convention:
    """What the partials are where mathematics leaves them open: a kink, a tie, a pole."""

    at: tuple[float, ...]
    partials: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """One differentiable function.

    ``forward(m, *args)`` is the value and ``partials(m, *args, y)`` the tuple of partial
    derivatives, one per argument, where ``y`` is the value.  ``taught`` says the same as a teacher
    writes it, for reading: formulas in the language of `autograd.expression` over the arguments,
    ``y`` and ``pi``.  ``domain`` holds one open interval per argument, from which tests sample.

    A *variadic* primitive takes any number of arguments.  They play *roles*: those of a starred
    role come in a row, as many for each such role: ``("w*", "x*", "b")`` reads w1 … wn, x1 … xn,
    b.  It has one formula per role, in which the other roles stand for the arguments of the same
    place (the partial to w2 is x2), ``n`` for the length of a row and ``k`` for the place in it,
    from 0; and one interval for all.
    """

    name: str
    symbol: str
    forward: Callable[..., Any]
    partials: Callable[..., tuple[Any, ...]]
    taught: tuple[str, ...]
    domain: tuple[Interval, ...]
    conventions: tuple[Convention, ...] = ()
    note: str = ""
    operator: str = ""
    """How Python writes it, if not as a function."""
    defaults: tuple[float, ...] = ()
    """Of the last arguments."""
    roles: tuple[str, ...] = ()
    fewest: int = 1
    """How many arguments a variadic primitive needs."""

    @property
    def public(self) -> bool:
        """Whether users call it by its name: as a function, a method, a word in formulas."""
        return not (self.operator or self.name.startswith("_"))

    @property
    def variadic(self) -> bool:
        """Whether any number of arguments will do."""
        return bool(self.roles)

    @property
    def arity(self) -> int | None:
        """The number of arguments; None when any number will do."""
        return None if self.variadic else len(self.domain)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the arguments, or of their roles, as the formulas use them."""
        if self.roles:
            return tuple(role.rstrip("*") for role in self.roles)
        # as the row itself writes them: a second list of names could say something else
        return self.partials.__code__.co_varnames[1 : 1 + len(self.domain)]

    def derivative(self, slot: int, count: int) -> tuple[str, dict[str, int]]:
        """The partial to argument ``slot`` of ``count`` as taught, and the slot of each name in it.

        >>> from autograd.rules import TABLE
        >>> TABLE["mul"].derivative(0, 2)
        ('b', {'a': 0, 'b': 1})
        >>> TABLE["dot"].derivative(1, 5)  # to w2 of w1, w2, x1, x2, b
        ('x', {'w': 1, 'x': 3, 'b': 4})
        """
        if not self.roles:
            return self.taught[slot], {name: k for k, name in enumerate(self.arguments)}
        runs = self.runs(count)
        role = next(k for k, run in enumerate(runs) if slot < run.stop)
        place = slot - runs[role].start
        slots = [run.start + place * name.endswith("*") for run, name in zip(runs, self.roles)]
        return self.taught[role], dict(zip(self.arguments, slots))

    def runs(self, count: int) -> list[slice]:
        """Which of so many arguments each role has; without roles, each argument on its own."""
        in_a_row = [role.endswith("*") for role in self.roles] or [False] * count
        # what is left after the single operands is shared by the rows
        length = (count - in_a_row.count(False)) // max(1, in_a_row.count(True))
        ends = [*accumulate(length if row else 1 for row in in_a_row)]
        return [*map(slice, [0, *ends], ends)]

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # a row is itself wherever it is unpickled: rows are compared by identity
        from autograd.rules import named

        return named, (self.name,)
