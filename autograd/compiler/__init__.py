"""Recorded graphs run fast: a graph becomes a list of instructions, and the list runs over a batch.

`autograd.compile` is the door.  Behind it: `linear` (graph to Wengert list), `program` (what users
hold), `storage` and `listing` (the list as a file and as text), `backends` (who can run it) and one
module per backend.
"""

from autograd.extras import require

require("numpy", extra="fast")

from autograd.compiler.program import Program, compile  # noqa: A004, E402

__all__ = ["Program", "compile"]
