"""Records say what is so at one moment: they do not change."""

import pytest

from nn import Epoch, History
from nn.data import Examples
from nn.engines import Checkpoint, Task
from nn.train import TrainingRun


@pytest.mark.parametrize("record", [Epoch, Examples, Checkpoint, Task, TrainingRun])
def test_records_cannot_be_changed_and_hold_what_they_name(record):
    assert record.__dataclass_params__.frozen
    assert "__slots__" in vars(record)


def test_a_history_grows_but_takes_no_other_names():
    history = History()
    history.stopped = "by hand"
    with pytest.raises(AttributeError):
        history.losses = []
