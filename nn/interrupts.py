"""Ctrl-C between two moments, never in the middle: what belongs together changes together."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, Ctrl-C waits; it arrives as soon as the block is done.

    Only the main thread is ever interrupted, so others pass through.
    """
    handler = signal.getsignal(signal.SIGINT)  # None where it was set outside of Python
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    # kept with the arguments of its call, for the handler that was there before
    pressed: list[tuple[Any, ...]] = []
    signal.signal(signal.SIGINT, lambda *call: pressed.append(call))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if pressed:
            handler(*pressed[0])
