"""Trees: numbers in containers, taken out in order and put back in their places.

A *tree* is a number (its only *leaf*) or a container of trees: a list, a tuple, a dict or a kind of
these (named tuples, ``OrderedDict``, ``defaultdict``), a dataclass, a NumPy array.  What is put
back together has the type it had before.  Fields of a dataclass that are None, or marked
``field(metadata={"static": True})``, hold no numbers and stay as they are; what a dataclass holds
beside its fields (a cached property, an attribute of ``__post_init__``) is left behind.

NumPy is not imported here: where nobody has, nothing is an array.
"""

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import Field, fields, is_dataclass
from functools import cached_property
from itertools import islice, product
from numbers import Number
from operator import is_
from typing import Any, TypeAlias

from autograd.validation import kind

Tree: TypeAlias = Any
"""A number or a container of trees: nobody can say all the types that these may have."""

Rebuild: TypeAlias = Callable[..., Any]
"""From new leaves, and the shape of each where they are arrays themselves, to a tree."""


def flatten(tree: Tree) -> tuple[list[Any], Rebuild]:
    """The leaves of a tree in order, and the function that puts a list of new leaves in their
    places.

    >>> leaves, rebuild = flatten({"w": [1.0, 2.0], "b": 3.0})
    >>> leaves, rebuild([10, 20, 30])
    ([1.0, 2.0, 3.0], {'w': [10, 20], 'b': 30})
    """
    leaves: list[Any] = []
    _collect(tree, leaves)

    def rebuild(new: Iterable[Any], shape: tuple[int, ...] | None = None) -> Any:
        return _replace(tree, iter(new), shape)

    return leaves, rebuild


def outer(tree: Tree, rows: Iterable[Sequence[Any]], rebuild: Rebuild, width: int) -> Any:
    """The tree with, in the place of each number, what ``rebuild`` makes of its row.

    The numbers of an array share one result, in which its axes come first, as in JAX: a row per
    number of an (m,) array, rebuilt as (n,) arrays, gives an (m, n) array.  ``width`` is the length
    of a row.
    """
    return _outer(tree, iter(rows), rebuild, width)


def changed(tree: Tree, change: Callable[[Any], Any]) -> Any:
    """The tree with each leaf changed; arrays of plain numbers stay as they are."""
    if is_array(tree):
        if tree.dtype != object:
            return tree
        return _array([change(leaf) for leaf in tree.ravel().tolist()], tree.shape)
    inside = _children(tree)
    if inside is None:
        return change(tree)
    branches = [changed(branch, change) for branch in inside]
    return tree if all(map(is_, inside, branches)) else _like(tree, branches)


def any_leaf(tree: Tree, test: Callable[[Any], bool]) -> bool:
    """Whether any leaf passes, of whatever is given; arrays of plain numbers are not looked at."""
    seen: dict[int, Tree] = {}  # what is no tree may hold itself
    waiting = [tree]
    while waiting:
        branch = waiting.pop()
        if is_array(branch):
            waiting += branch.ravel().tolist() if branch.dtype == object else ()
            continue
        inside = _children(branch)
        if inside is None and test(branch):
            return True
        if inside is not None and id(branch) not in seen:
            seen[id(branch)] = branch
            waiting += inside
    return False


def structure(tree: Tree, *, whole: bool = False) -> Hashable:
    """All of a tree but its leaves, to compare: types, keys, shapes of arrays.

    The ``whole`` is also what containers of a subclass hold beside: attributes, a default factory.
    Raises TypeError where a static field holds what can be changed.
    """
    if is_array(tree):
        return ("array", tree.shape, _is_empty_mask(tree))
    inside = _children(tree)
    if inside is None:
        return "*"
    kind_of = type(tree)
    branches = tuple([structure(branch, whole=whole) for branch in inside])
    if whole and kind_of not in _PLAIN:
        beside = [(name, _as_known(held)) for name, held in _beside(tree).items()]
        return kind_of, _what_stays(tree), branches, *beside
    return kind_of, _what_stays(tree), branches


def kept(tree: Tree) -> Iterator[object]:
    """What stays in a tree when its leaves are others: types, keys, static fields, attributes."""
    if is_array(tree):
        return
    if isinstance(tree, dict):
        yield from tree
    elif is_dataclass(tree) and not isinstance(tree, type):
        yield from [getattr(tree, field.name) for field in fields(tree) if _stays(tree, field)]
    inside = _children(tree)
    if inside is not None:
        yield from () if type(tree) in _PLAIN else (type(tree), *_beside(tree).values())
        for branch in inside:
            yield from kept(branch)


def exactly(given: object) -> Hashable:
    """What is no number of a tree, to compare: 1, 1.0 and True differ here, and nan is nan.

    Raises TypeError for what has no hash, because it can be changed.

    >>> exactly((1, 0.0)) == exactly((True, 0.0)), exactly(0.0) == exactly(-0.0)
    (False, False)
    """
    if isinstance(given, tuple):
        return type(given), tuple([exactly(each) for each in given])
    if isinstance(given, frozenset):
        return type(given), frozenset([exactly(each) for each in given])
    if isinstance(given, slice):
        return slice, exactly((given.start, given.stop, given.step))
    hash(given)
    if isinstance(given, Number) and not isinstance(given, int):
        return type(given), repr(given)  # which tells -0.0 from 0.0
    if isinstance(given, type) or not is_dataclass(given):
        return type(given), given
    inside = [exactly(getattr(given, field.name)) for field in fields(given) if field.compare]
    return type(given), given, tuple(inside)


def described(tree: Tree) -> str:
    """The tree with * for each number, to show.

    >>> described({"w": [1.0, 2.0], "b": 3.0})
    "{'w': [*, *], 'b': *}"
    """
    return str(_shown(tree))


def names(tree: Tree, name: str = "") -> list[str]:
    """Where each number stands.

    >>> names({"w": [1.0, 2.0], "b": 3.0}, "p")
    ["p['w'][0]", "p['w'][1]", "p['b']"]
    """
    if is_array(tree):
        return [f"{name}{[*place]}" for place in product(*map(range, tree.shape))]
    inside = _children(tree)
    if inside is None:
        return [name]
    if is_dataclass(tree):
        steps = [f".{field.name}" for field in _branching(tree)]
    else:
        steps = [f"[{key!r}]" for key in (tree if isinstance(tree, dict) else range(len(tree)))]
    return [
        found for step, branch in zip(steps, inside) for found in names(branch, f"{name}{step}")
    ]


def is_array(tree: Tree) -> bool:
    """Whether this is a NumPy array, of any shape."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(tree, numpy.ndarray)


def quiet_arrays() -> AbstractContextManager[Any]:
    """Without NumPy's warnings: of infinities and nans nobody else warns, and they are IEEE's."""
    numpy = sys.modules.get("numpy")
    return nullcontext() if numpy is None else numpy.errstate(all="ignore")


# -- containers: what is inside, and another one like it ----------------------------------------


def _children(tree: Tree) -> Iterable[Any] | None:
    """The trees in a container; None for a leaf."""
    if isinstance(tree, dict):
        return tree.values()
    if isinstance(tree, (list, tuple)):
        return tree
    if is_dataclass(tree) and not isinstance(tree, type):
        return [getattr(tree, field.name) for field in _branching(tree)]
    return None


def _like(tree: Tree, branches: list[Any]) -> Any:
    """A container of the same type with these branches."""
    if type(tree) is list:
        return branches
    if isinstance(tree, tuple):
        _check_left_behind(tree)
        return tuple.__new__(type(tree), branches)  # a named tuple would take them one by one
    if is_dataclass(tree):
        return _dataclass_like(tree, branches)
    new = copy(tree)  # with its default_factory, its order, what a subclass added
    for name in _computed(tree):
        del vars(new)[name]
    if isinstance(tree, list):
        new[:] = branches
    else:
        for key, branch in zip(tree, branches):
            new[key] = branch
    return new


def _dataclass_like(tree: Tree, branches: list[Any]) -> Any:
    """The fields and nothing else: what was computed from the old ones would be wrong here."""
    new = object.__new__(type(tree))
    values = {field.name: getattr(tree, field.name) for field in fields(tree)}
    values |= {field.name: branch for field, branch in zip(_branching(tree), branches)}
    _check_left_behind(tree)
    for name, value in values.items():
        object.__setattr__(new, name, value)  # it may be frozen
    return new


def _check_left_behind(tree: Tree) -> None:
    """What is left behind must be missed: the attribute of the class would silently take over."""
    names = {field.name for field in fields(tree)} if is_dataclass(tree) else ()
    for name in getattr(tree, "__dict__", ()):
        of_class = getattr(type(tree), name, None)
        if name not in names and of_class is not None and not hasattr(of_class, "__get__"):
            raise TypeError(
                f"{type(tree).__name__}.{name} is no field here, but an attribute in the place of "
                'the one of its class: did you mean a field(metadata={"static": True})?'
            )


_PLAIN = (list, tuple, dict)


def _beside(tree: Tree) -> dict[str, Any]:
    """What a list or a dict of a subclass holds beside its branches, and keeps with others."""
    if not isinstance(tree, (list, dict)):
        _check_left_behind(tree)
        return {}
    state = object.__getstate__(tree)
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    held = {"default_factory": getattr(tree, "default_factory", None)} | (slots or {})
    items = tree if isinstance(tree, dict) else {}
    for name, each in (attributes or {}).items():
        if name not in _computed(tree) and items.get(name, items) is not each:  # d.x for d["x"]
            held[name] = each
    return held


def _computed(tree: Tree) -> list[str]:
    """The cached properties of a container: with other branches they are to be computed anew."""
    held = getattr(tree, "__dict__", ())
    return [name for name in held if isinstance(getattr(type(tree), name, None), cached_property)]


def _as_known(held: object) -> Hashable:
    """What is held beside, to compare: by its looks where it can be changed."""
    try:
        return exactly(held)
    except TypeError:
        return repr(held)


def _branching(tree: Tree) -> list[Field[Any]]:
    """The fields of a dataclass that hold numbers."""
    return [field for field in fields(tree) if not _stays(tree, field)]


def _stays(tree: Tree, field: Field[Any]) -> bool:
    return bool(field.metadata.get("static")) or getattr(tree, field.name, None) is None


def _what_stays(tree: Tree) -> Hashable:
    if isinstance(tree, dict):
        keys = tuple(tree)
        return keys if {*map(type, keys)} <= {str} else exactly(keys)
    if is_dataclass(tree):
        return tuple([_static(tree, field) for field in fields(tree) if _stays(tree, field)])
    return ()


def _static(tree: Tree, field: Field[Any]) -> Hashable:
    held = getattr(tree, field.name)
    try:
        return field.name, exactly(held)
    except TypeError:
        raise TypeError(
            f"a static field holds what stays as it is, but {type(tree).__name__}.{field.name} is "
            f"{kind(held)}, which can be changed: did you mean a tuple, or a field with numbers, "
            "which is not static?"
        ) from None


# -- the walks ----------------------------------------------------------------------------------


def _collect(tree: Tree, leaves: list[Any]) -> None:
    if is_array(tree):
        leaves += _numbers(tree)
        return
    inside = _children(tree)
    if inside is None:
        leaves.append(tree)
        return
    for branch in inside:
        _collect(branch, leaves)


def _replace(tree: Tree, leaves: Iterator[Any], shape: tuple[int, ...] | None) -> Any:
    if is_array(tree):
        if shape is None and _is_empty_mask(tree):
            return tree.copy()
        return _array([*islice(leaves, tree.size)], tree.shape, shape)
    inside = _children(tree)
    if inside is None:
        return next(leaves)
    return _like(tree, [_replace(branch, leaves, shape) for branch in inside])


def _outer(tree: Tree, rows: Iterator[Sequence[Any]], rebuild: Rebuild, width: int) -> Any:
    if is_array(tree):
        block = [next(rows) for _ in range(tree.size)]
        columns = [_array([row[j] for row in block], tree.shape) for j in range(width)]
        return rebuild(columns, tree.shape)
    inside = _children(tree)
    if inside is None:
        return rebuild(next(rows))
    return _like(tree, [_outer(branch, rows, rebuild, width) for branch in inside])


def _shown(tree: Tree) -> Any:
    if is_array(tree):
        return _Word(f"array of shape {tree.shape}")
    inside = _children(tree)
    return _Word("*") if inside is None else _like(tree, [_shown(branch) for branch in inside])


class _Word(str):
    """A text that shows without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


# -- arrays -------------------------------------------------------------------------------------


def _is_empty_mask(array: Any) -> bool:
    """Whether its type is all that tells a mask from numbers: it holds none of either."""
    return not array.size and array.dtype.kind == "b"


def _numbers(array: Any) -> list[Any]:
    """What is in an array, in order."""
    numpy = sys.modules["numpy"]
    if isinstance(array, numpy.ma.MaskedArray):
        raise TypeError("a masked array has no number where it is masked: pass .filled(x) of it")
    if isinstance(array, numpy.matrix):
        raise TypeError("np.matrix has a product of its own: pass np.asarray(x), and write @")
    numbers: list[Any] = numpy.asarray(array).ravel().tolist()
    return numbers


def _array(
    parts: list[Any], shape: tuple[int, ...], shape_of_parts: tuple[int, ...] | None = None
) -> Any:
    """The parts as an array of this shape; their own axes, where they are arrays, come first."""
    numpy = sys.modules["numpy"]
    if shape_of_parts is not None:
        whole = shape_of_parts + shape
        return numpy.stack(parts, axis=-1).reshape(whole) if parts else numpy.zeros(whole)
    types = {*map(type, parts)}
    if all(issubclass(each, float) for each in types):
        return numpy.array(parts, dtype=numpy.float64).reshape(shape)
    if types == {bool}:
        return numpy.array(parts).reshape(shape)  # a mask
    # numpy.array(parts) would take apart what has a length itself
    array = numpy.empty(len(parts), dtype=object)
    array[:] = parts
    return array.reshape(shape)
