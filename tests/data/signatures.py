"""What type checkers and editors know of the table: `python tests/data/signatures.py`.

Writes `autograd/signatures.pyi`: a function for each row and, where it has a fixed number of
arguments, a method. At run time both come from the table itself; a test holds this file to it.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIGNATURES = ROOT / "autograd" / "signatures.pyi"
HEAD = '''\
"""What type checkers know of the table; written by tests/data/signatures.py."""

# ruff: noqa: A001

from collections.abc import Iterable

from autograd.value import Operand, Value

'''


def signatures() -> str:
    """The text of the file, from the table."""
    from autograd.functions import WRITTEN_OUT
    from autograd.primitive import Primitive
    from autograd.rules import TABLE

    def line(row: Primitive, first: str) -> str:
        if row.variadic:
            return f"def {row.name}(*operands: Operand | Iterable[Operand]) -> Value: ...\n"
        plain = len(row.arguments) - len(row.defaults)
        told = [
            f"{name}: Operand" + (f" = {row.defaults[k - plain]}" if k >= plain else "")
            for k, name in enumerate(row.arguments)
        ]
        return f"def {row.name}({', '.join([first or told[0], *told[1:]])}) -> Value: ...\n"

    rows = [row for row in TABLE.values() if row.public and row.name not in WRITTEN_OUT]
    methods = "".join("    " + line(row, "self: Operand") for row in rows if not row.variadic)
    functions = "".join(line(row, "") for row in rows)
    return f"{HEAD}class Methods:\n{methods}\n{functions}"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    SIGNATURES.write_text(signatures(), encoding="utf-8")
