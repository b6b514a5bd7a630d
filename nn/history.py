"""What happened during training: one number per epoch of everything worth watching."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class History:
    """What happened in one ``fit``: lists with one entry per finished epoch."""

    backend: str = "eager"
    """Who did the arithmetic: "eager", or the backend of the compiled program."""
    note: str = ""
    """Why ``backend="auto"`` did not compile, if it did not."""
    loss: list[float] = field(default_factory=list)
    """The mean loss over the epoch's examples, each with the weights of its moment."""
    validation_loss: list[float] = field(default_factory=list)
    """The mean loss over the validation examples at the end of the epoch."""
    metrics: dict[str, list[float]] = field(default_factory=dict)
    """Per metric its mean at the end of the epoch: over the validation examples, or else all.

    A second metric of a name is "name 2".
    """
    rate: list[float] = field(default_factory=list)
    """The learning rate of the epoch's last step."""
    seconds: float = 0.0
    """How long the training took, once everything was checked and compiled."""
    stopped: str = ""
    """Why training ended before its last epoch, if it did."""

    def __len__(self) -> int:
        return len(self.loss)

    def plot(self, **options: Any) -> Any:
        """The curves as a matplotlib figure; see `nn.plot_history`."""
        from nn.plot import plot_history

        return plot_history(self, **options)

    def latest(self) -> dict[str, float]:
        """The last entry of every list, by name."""
        named = {"loss": self.loss, "validation": self.validation_loss, **self.metrics}
        return {name: numbers[-1] for name, numbers in named.items() if numbers}

    def __repr__(self) -> str:
        latest = ", ".join(f"{name}={number:.4g}" for name, number in self.latest().items())
        stopped = f", stopped: {self.stopped}" if self.stopped else ""
        return (
            f"History({len(self)} epochs, {latest or 'nothing finished'}, "
            f"backend={self.backend!r}, {self.seconds:.3g} s{stopped})"
        )


class DivergedError(FloatingPointError):
    """The loss became nan or infinite. ``history`` holds the epochs before."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.history)
