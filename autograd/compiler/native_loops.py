"""The native loops around the kernels: along a table, over strips of rows, over steps of training.

A *machine* is what a planned program needs to run, as an array of integers in the order of
`MACHINE`: its memory, its tables (what is uniform and comes before the rows, the rows, what is
uniform and comes after, an optimiser's step) and the places in the memory that Python and these
loops look at.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from autograd.compiler.native_emit import DOUBLE, NOTHING, POINTER, WHOLE, WORD, Emitter, Whole
from autograd.compiler.native_kernels import KERNEL
from autograd.compiler.native_tables import SHARE

MACHINE = (
    "kernels", "memory", "before", "before_end", "rows", "rows_end", "after", "after_end",
    "update", "update_end", "length", "width", "copy", "loss", "hyper", "roots", "root_count",
)  # fmt: skip
"""``kernels``: their addresses.  ``length``: rows per strip.  ``copy``: where rows of ``width``
inputs lie, one behind the other.  ``roots``: per root its place, and 1 where it varies, else 0.
"""

PARTS = ("before", "rows", "after", "update")
"""The tables."""

LOOPS: dict[str, tuple[Any, ...]] = {
    "follow": (NOTHING, *[POINTER] * 4, WHOLE, WHOLE),
    "load": (NOTHING, *[POINTER] * 3, WHOLE, WHOLE),
    "keep": (NOTHING, POINTER, POINTER, WHOLE),
    "run": (NOTHING, *[POINTER] * 3, WHOLE, POINTER),
    "train": (WHOLE, *[POINTER] * 5, WHOLE, POINTER, WHOLE, WHOLE),
}
"""What each gives back, and what it takes; Python calls the last two."""


class Loop(Emitter):
    """A native function of wholes and pointers."""

    def __init__(self, module: Any, name: str, lanes: int) -> None:
        result, *arguments = LOOPS[name]
        super().__init__(module, name, arguments, result, lanes)

    def field(self, machine: Any, name: str, kind: Any = WHOLE) -> Any:
        """A number of a machine, or the pointer in it."""
        place = self.at(machine, MACHINE.index(name), kind=WHOLE)
        return self.builder.load(place, typ=kind)

    def call(self, name: str, *arguments: Any) -> Any:
        return self.builder.call(self.module.globals[name], arguments)

    def follow(self, machine: Any, part: str, rows: Whole, first: Whole) -> None:
        """Run a table over so many rows, which are the first strip or not."""
        names = ("kernels", part, f"{part}_end", "memory")
        words = [self.field(machine, name, POINTER) for name in names]
        self.call("follow", *words, rows, first)

    def copy(self, to: Any, source: Any, count: Whole) -> None:
        """So many numbers in a line."""
        memcpy = self.external("memcpy", POINTER, POINTER, POINTER, WHOLE)
        self.builder.call(memcpy, [to, source, self.sum((count, 8))])


def emit_loops(module: Any, lanes: int) -> None:
    """`run` and `train`, and what they call."""
    for name, emit in zip(LOOPS, (_follow, _load, _keep, _run, _train), strict=True):
        emit(Loop(module, name, lanes))


def _follow(e: Loop) -> None:
    """Run the entries of a table, from the first word to the end."""
    b, (kernels, words, end, memory, rows, first) = e.builder, e.function.args

    def entry(here: Any) -> list[Any]:
        number = e.load_whole(here, 0)
        kernel = b.load(e.at(kernels, number, kind=WHOLE), typ=KERNEL.as_pointer())
        return [b.call(kernel, [e.at(here, 1, kind=WORD), memory, rows, first])]

    e.loop_while(lambda here: b.icmp_unsigned("<", here, end), entry, words)
    b.ret_void()


def _load(e: Loop) -> None:
    """Copy some rows of the data, in an order if there is one, to where they lie row by row."""
    b, (machine, data, order, start, count) = e.builder, e.function.args
    memory = e.field(machine, "memory", POINTER)
    width, copy = (e.field(machine, name) for name in ("width", "copy"))
    ordered = e.is_set(b.ptrtoint(order, WHOLE))

    def row(r: Whole) -> None:
        chosen = b.load(e.at(order, start, r, kind=WHOLE), typ=WHOLE)
        e.copy(e.at(memory, copy, (r, width)), e.at(data, (chosen, width)), width)

    with b.if_else(ordered) as (apart, together):
        with apart:
            e.loop(0, count, 1, row)
        with together:
            e.copy(e.at(memory, copy), e.at(data, (start, width)), b.mul(count, width))
    b.ret_void()


def _keep(e: Loop) -> None:
    """Write the roots of some rows: (rows, roots) in C order."""
    b, (machine, outputs, rows) = e.builder, e.function.args
    memory, roots = (e.field(machine, name, POINTER) for name in ("memory", "roots"))
    count = e.field(machine, "root_count")

    def root(o: Whole) -> None:
        place, step = (b.load(e.at(roots, (o, 2), k, kind=WHOLE), typ=WHOLE) for k in range(2))

        def number(r: Whole) -> None:
            source = b.load(e.at(memory, place, (r, step)), typ=DOUBLE)
            b.store(source, e.at(outputs, (r, count), o))

        e.loop(0, rows, 1, number)

    e.loop(0, count, 1, root)
    b.ret_void()


def _run(e: Loop) -> None:
    """Everything but an update, over so many rows; over none, what comes before and after them."""
    b, (machine, data, order, count, outputs) = e.builder, e.function.args
    length, roots = (e.field(machine, name) for name in ("length", "root_count"))
    keeps = e.is_set(b.ptrtoint(outputs, WHOLE))

    def strip(first: Whole) -> None:
        rows = e.least(length, b.sub(count, first))
        e.call("load", machine, data, order, first, rows)
        e.follow(machine, "rows", rows, b.zext(b.icmp_signed("==", first, e.whole(0)), WHOLE))
        with b.if_then(keeps):
            e.call("keep", machine, e.at(outputs, (first, roots)), rows)

    share = b.fdiv(ir.Constant(DOUBLE, 1.0), b.sitofp(count, DOUBLE))
    b.store(share, e.at(e.field(machine, "memory", POINTER), SHARE))
    e.follow(machine, "before", e.whole(1), e.whole(1))
    e.loop(0, count, length, strip)
    e.follow(machine, "after", e.whole(1), e.whole(1))
    b.ret_void()


def _train(e: Loop) -> None:
    """Steps first … stop, or until a loss is not finite; how many losses there are then."""
    b, (machine, data, order, cuts, hyper, width, losses, first, stop) = e.builder, e.function.args
    memory = e.field(machine, "memory", POINTER)

    def goes_on(step: Whole, finite: Any) -> Any:
        return b.and_(b.icmp_signed("<", step, stop), finite)

    def step(step: Whole, _: Any) -> list[Any]:
        begin, end = (b.load(e.at(cuts, step, k, kind=WHOLE), typ=WHOLE) for k in range(2))
        rows = b.sub(end, begin)
        rows_at = e.at(order, begin, kind=WHOLE)
        e.call("run", machine, data, rows_at, rows, ir.Constant(POINTER, None))
        loss = b.load(e.at(memory, e.field(machine, "loss")), typ=DOUBLE)
        b.store(loss, e.at(losses, step))
        finite = b.fcmp_ordered("==", b.fsub(loss, loss), ir.Constant(DOUBLE, 0.0))
        with b.if_then(finite):
            numbers = e.at(hyper, (step, width))
            e.copy(e.at(memory, e.field(machine, "hyper")), numbers, width)
            # an outer product over the rows may have waited for this
            e.follow(machine, "update", e.least(e.field(machine, "length"), rows), e.whole(1))
        return [e.sum(step, 1), finite]

    count, _ = e.loop_while(goes_on, step, first, ir.Constant(ir.IntType(1), 1))
    b.ret(count)
