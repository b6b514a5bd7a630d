"""Losses: one number for how far a network's *outputs* are from the *targets*, 0 at best.

Outputs are what a model returns: a Value, or a list of them.  Targets have the same shape, except
that a class is named by its index.  Losses that are means take lists of rows too, and average over
everything, as PyTorch does by default.  Targets may be numbers, or Values where a graph is recorded
for `autograd.compile`.

================== ==================================== ====================================
loss               outputs of one row                   target of one row
================== ==================================== ====================================
squared_error      any numbers                          as many numbers
mse_loss           any numbers                          as many numbers
cross_entropy      one logit per class                  the class index, or a list of
                                                        probabilities, one per class
binary_…_entropy   a logit                              0 or 1, or a probability between
hinge_loss         a score                              -1 or +1
================== ==================================== ====================================

A *logit* is a score before softmax or sigmoid, which the losses contain in a form that neither
overflows nor loses digits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from autograd import Value, dot, log_softmax, mean, relu, softplus, take
from autograd import sum as total
from autograd.functions import shifted_logsumexp

Numbers: TypeAlias = Any
"""A Value, a number, or a list of them, of any depth."""

Loss = Callable[[Any, Any], Value]


def squared_error(outputs: Numbers, targets: Numbers) -> Value:
    """½ Σ (o - t)²: the loss whose derivative at a linear output is just o - t.

    >>> squared_error([1.0, 2.0], [0.0, 4.0]).data
    2.5
    """
    return _over(total, _squared_differences(outputs, targets)) * 0.5


def mse_loss(outputs: Numbers, targets: Numbers) -> Value:
    """The mean of (o - t)², as ``torch.nn.functional.mse_loss``."""
    return _over(mean, _squared_differences(outputs, targets))


def cross_entropy(logits: Numbers, target: Numbers) -> Value:
    """-log of the probability that softmax gives the target class; the mean of it over rows.

    ``target`` is a class index, or a list of probabilities (rows: a list of either).  Raises
    IndexError for a class that has no logit.

    >>> round(cross_entropy([0.0, 0.0], 1).data, 6)
    0.693147
    """
    if not _is_list(logits) or not len(logits):
        raise TypeError(f"cross_entropy takes one logit per class, got {logits!r:.60}")
    if not _is_list(logits[0]):
        return _of_row(logits, target)
    if not _is_list(target) or len(target) != len(logits):
        raise ValueError(
            f"cross_entropy takes one target per row, got {len(logits)} rows and {target!r:.60}"
        )
    return _over(mean, [_of_row(*row) for row in zip(logits, target)])


def binary_cross_entropy(logits: Numbers, targets: Numbers) -> Value:
    """-log of the probability that sigmoid gives the target, averaged.

    As PyTorch's ``binary_cross_entropy_with_logits``.
    """
    # softplus(∓z) is -log of sigmoid(±z), and finite where sigmoid itself rounds to 0
    found = _not_swapped(pairs(logits, targets))
    terms = [t * softplus(-z) + (1.0 - t) * softplus(z) for z, t in found]
    return _over(mean, terms)


def hinge_loss(scores: Numbers, targets: Numbers) -> Value:
    """max(0, 1 - t·s), averaged: 0 once a score is on its target's side by a margin of 1.

    >>> hinge_loss([2.0, 0.5], [1, -1]).data
    0.75
    """
    return _over(mean, [relu(1.0 - t * s) for s, t in _not_swapped(pairs(scores, targets))])


def accuracy(outputs: Numbers, target: Numbers) -> float:
    """1.0 where a row is classified rightly, else 0.0; for ``fit(..., metrics=[accuracy])``.

    Of a list of logits the largest must be the target class (or the most probable one); a single
    score must be above 0 just where its target is above ½: for 0 or 1, -1 or 1, or a probability.
    Of rows of logits, the words of a sentence, say, it is the part that is classified rightly.
    """
    if _is_list(outputs) and len(outputs) and _is_list(outputs[0]):
        _one_each(target, outputs)
        return sum(map(accuracy, outputs, _listed(target))) / len(outputs)
    numbers = [plain_number(o) for o in _listed(outputs)]
    if not numbers:
        raise ValueError("accuracy takes one logit per class or a single score, got none")
    if _is_list(target) and len(target) == 1:
        target = target[0]
    if _is_list(target):
        _one_each(target, numbers)
        return float(_largest(numbers) == _largest(target))
    if len(numbers) == 1:
        return float((numbers[0] > 0) == (target > 0.5))
    return float(_largest(numbers) == _class_index(float(target), len(numbers)))


def check_target(loss: Loss, target: Numbers, outputs: Numbers) -> None:
    """ValueError unless this can be the loss's target for such outputs of one row."""
    for known, expect in _EXPECTED:
        if loss is known:
            expect(target, outputs)


def plain_number(given: Any) -> float:
    """The number of a Value, or of anything that is one."""
    number = _number(given)
    return float(number.data if isinstance(number, Value) else number)


def pairs(outputs: Numbers, targets: Numbers) -> Iterator[tuple[Any, Any]]:
    """Each output with its target; ValueError where the shapes differ.

    A list of one and the number itself count as the same shape.
    """
    if not _is_list(outputs) and not _is_list(targets):
        # NumPy's numbers of few bits would overflow, or round what they meet
        yield _number(outputs), _number(targets)
        return
    ours, theirs = _listed(outputs), _listed(targets)
    if len(ours) != len(theirs):
        raise ValueError(
            f"as many targets as outputs: got {len(ours)} outputs, {len(theirs)} targets"
        )
    for o, t in zip(ours, theirs):
        yield from pairs(o, t)


def _not_swapped(found: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Outputs with their targets; TypeError where only targets have a gradient."""
    found = [*found]
    computed = [t for _, t in found if isinstance(t, Value) and t.requires_grad]
    if computed and not any(isinstance(o, Value) for o, _ in found):
        raise TypeError(
            "a loss takes the outputs, then the targets: all outputs are plain numbers here, and "
            f"a target is {computed[0]!r:.60}"
        )
    return found


def _squared_differences(outputs: Numbers, targets: Numbers) -> list[Any]:
    """Of each output to its target, with one node for the difference, which both factors are."""
    differences = [o - t for o, t in pairs(outputs, targets)]
    return [d * d for d in differences]


def _over(many: Callable[[list[Any]], Value], terms: list[Any]) -> Value:
    """The sum or mean of some terms; a single one is both, without a node for it."""
    return many(terms) if len(terms) != 1 or not isinstance(terms[0], Value) else terms[0]


def _of_row(logits: Sequence[Any], target: Any) -> Value:
    if _is_list(target):
        _expect_probabilities(target, len(logits))
        return dot(target, [-log_p for log_p in log_softmax(logits)])
    # of 1e16 and 1e16 + 4 the difference is right, where log Σ exp alone has lost it
    shift, whole = shifted_logsumexp([_value(z) for z in logits])
    above: Value = _picked(logits, target) - shift
    return whole - above


def _picked(logits: Sequence[Any], target: Any) -> Any:
    """The logit of the target class; a target that is a Value is compared anew for every row."""
    if isinstance(target, Value):
        return take(logits, target)
    return logits[_class_index(target, len(logits))]


def _class_index(target: Any, classes: int) -> int:
    try:
        index = None if isinstance(target, bool) else int(target)
    except (TypeError, ValueError, OverflowError):
        index = None
    if index is None or index != target:
        raise TypeError(f"a class is named by its index, 0 to {classes - 1}, got {target!r}")
    if not 0 <= index < classes:
        raise IndexError(
            f"class {index} is out of range: there are {classes} logits, 0 to {classes - 1}"
        )
    return index


def _expect_probabilities(target: Sequence[Any], classes: int) -> None:
    if len(target) != classes:
        raise ValueError(f"one probability per class: got {len(target)} for {classes} logits")
    if any(isinstance(p, Value) for p in target):
        return  # a graph is recorded: the numbers are still to come
    if not (all(p >= 0 for p in target) and abs(sum(target) - 1.0) < ROUNDING):
        raise ValueError(f"the probabilities of the classes add up to 1, got {[*target]!r:.60}")


ROUNDING = 1e-3
"""How far from 1 probabilities may add up to: what float16 makes of them."""


def _expect_class(target: Any, outputs: Any) -> None:
    outputs = _listed(outputs)
    if len(outputs) and _is_list(outputs[0]):
        _one_each(target, outputs)
        for each, logits in zip(_listed(target), outputs):
            _expect_class(each, logits)
        return
    if _is_list(target):
        return _expect_probabilities(target, len(outputs))
    try:
        _class_index(target, len(outputs))
    except (TypeError, IndexError) as error:
        raise ValueError(str(error)) from None


def _expect_probability(target: Any, outputs: Any) -> None:
    _one_each(target, outputs)
    for t in _listed(target):
        if not 0 <= t <= 1:
            raise ValueError(
                f"binary_cross_entropy takes targets between 0 and 1, got {t:g}; "
                "for labels -1 and +1: (1 + y) / 2"
            )


def _expect_sign(target: Any, outputs: Any) -> None:
    _one_each(target, outputs)
    for t in _listed(target):
        if t not in (-1, 1):
            raise ValueError(
                f"hinge_loss takes targets -1 and +1, got {t:g}; for labels 0 and 1: 2 * y - 1"
            )


def _one_each(target: Any, outputs: Any) -> None:
    ours, theirs = len(_listed(outputs)), len(_listed(target))
    if ours != theirs:
        raise ValueError(f"as many targets as outputs: got {ours} outputs, {theirs} targets")


# pairs, not a dict: a loss of the user's own may have no hash, as a dataclass has none
_EXPECTED: Sequence[tuple[Loss, Callable[[Any, Any], None]]] = [
    (squared_error, _one_each),
    (mse_loss, _one_each),
    (cross_entropy, _expect_class),
    (binary_cross_entropy, _expect_probability),
    (hinge_loss, _expect_sign),
]


def _largest(numbers: Sequence[float]) -> int:
    return max(range(len(numbers)), key=numbers.__getitem__)


def _value(z: Any) -> Value:
    return z if isinstance(z, Value) else Value(z, requires_grad=False)


def _number(z: Any) -> Any:
    """A Value or float; TypeError for what is no number, as a str that could be read as one."""
    if isinstance(z, Value):
        return z
    if hasattr(z, "__float__") and not isinstance(z, str):  # NumPy's str has one
        return float(z)
    hint = "; did a model forget to return?" if z is None else ""
    raise TypeError(f"outputs and targets are numbers, or lists of them, got {z!r:.60}{hint}")


def _listed(held: Any) -> Sequence[Any]:
    return held if _is_list(held) else [held]


def _is_list(held: object) -> bool:
    return isinstance(held, list | tuple) or getattr(held, "ndim", 0) > 0
