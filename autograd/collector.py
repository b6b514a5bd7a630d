"""Python's cycle collector, left out where a million records are made that hold no cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the cycle collector out: it would walk through new records to find nothing, slowly."""
    was_enabled = gc.isenabled()
    try:  # an interrupt may come as soon as the collector is off
        gc.disable()
        yield
    finally:
        if was_enabled:
            gc.enable()
