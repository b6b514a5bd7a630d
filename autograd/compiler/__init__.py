"""Recorded graphs run fast: a graph becomes a short list of array operations, run over a batch.

`autograd.compile` is the door.  Behind it: `groups`, `roll`, `record` and `repay` (graph to array
program; `arrays` says what that is, and what the words mean), with `stretches` and `forms` for the
single nodes of long graphs that do not roll; `program` (what users hold), `storage` with `checked`
and `listing` (the program as a file and as text), `backends` (who can run it) and those that run
it: NumPy and JAX by one walk (`follow`), and native code.
"""

from autograd.optional import require

require("numpy", extra="fast")

from autograd.compiler.program import Program, compile  # noqa: A004, E402

__all__ = ["Program", "compile"]
