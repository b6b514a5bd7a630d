"""Ctrl-C at any moment: a function is run again and again, interrupted a little later each time."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def interrupted_at(
    moment: int, function: Callable[[], object], is_moment: Callable[[FrameType, str], bool]
) -> bool:
    """Run a function and raise KeyboardInterrupt at the n-th moment; False when there are fewer.

    ``is_moment(frame, kind)`` says which events of tracing ("call", "line", …) are moments.
    """
    left = moment

    def tracer(frame: FrameType, kind: str, argument: object) -> Any:
        nonlocal left
        if is_moment(frame, kind):
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False
