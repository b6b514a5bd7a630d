"""Recorded graphs run fast: a graph becomes a short list of array operations, run over a batch.

`autograd.compile` is the door.  Behind it: `families`, `roll`, `record` and `repay` (graph to array
program, `arrays`), `program` (what users hold), `storage` with `checked` and `listing` (the program
as a file and as text), `backends` (who can run it) and what follows it: NumPy, native code, JAX.
"""

from autograd.optional import require

require("numpy", extra="fast")

from autograd.compiler.program import Program, compile  # noqa: A004, E402

__all__ = ["Program", "compile"]
