"""The native loops around the kernels: along a table, over blocks of rows, over steps of training.

A *machine* is what a planned program needs to run, as an array of integers in the order of
`MACHINE`: its memory, its tables (what is uniform and comes before the rows, the rows, what is
uniform and comes after, an optimiser's step) and the places in the memory that Python and these
loops look at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from autograd.compiler.native_emit import DOUBLE, POINTER, WHOLE, WORD, Emitter, Whole
from autograd.compiler.native_kernels import KERNEL
from autograd.compiler.native_signatures import SHARE

MACHINE = (
    "kernels", "memory", "before", "before_end", "rows", "rows_end", "after", "after_end",
    "update", "update_end", "length", "width", "copy", "stride", "loss", "hyper",
    "roots", "root_count",
)  # fmt: skip
"""``kernels``: their addresses.  ``length``: rows per block.  ``copy``: where rows of ``width``
inputs lie, ``stride`` numbers apart.  ``roots``: per root its place, and 1 where it varies, else 0.
"""

TRAINING = (
    "rows", "order", "cuts", "hyper", "hyper_count", "losses",
)  # fmt: skip

PARTS = {"before": 1, "rows": 2, "after": 4, "update": 8}
"""What a run is to do, as bits."""

EVERYTHING = PARTS["before"] | PARTS["rows"] | PARTS["after"]
"""For the values, or the loss and its gradient."""


class Loop(Emitter):
    """A native function of wholes and pointers."""

    def field(self, record: Any, names: Sequence[str], name: str, kind: Any = None) -> Any:
        """A number of a record, or the pointer in it."""
        b = self.builder
        place = self.at(record, names.index(name), kind=WHOLE)
        number = b.load(place, typ=WHOLE)
        return b.inttoptr(number, kind) if kind else number

    def call(self, name: str, *arguments: Any) -> Any:
        return self.builder.call(self.module.globals[name], arguments)

    def copy(self, to: Any, source: Any, count: Whole) -> None:
        """So many numbers in a line."""
        kinds = ir.FunctionType(POINTER, [POINTER, POINTER, WHOLE])
        memcpy = self.module.globals.get("memcpy") or ir.Function(self.module, kinds, "memcpy")
        self.builder.call(memcpy, [to, source, self.sum((count, 8))])

    def copy_one(self, to: Any, source: Any) -> None:
        self.builder.store(self.builder.load(source, typ=DOUBLE), to)


def emit_loops(module: Any, lanes: int) -> None:
    """`run` and `train`, and what they call."""
    follow = [POINTER, POINTER, POINTER, POINTER, WHOLE, WHOLE]
    _follow(Loop(module, "follow", follow, ir.VoidType(), lanes))
    _load(Loop(module, "load", [POINTER, POINTER, POINTER, WHOLE, WHOLE], ir.VoidType(), lanes))
    _keep(Loop(module, "keep", [POINTER, POINTER, WHOLE], ir.VoidType(), lanes))
    run = [POINTER, POINTER, POINTER, WHOLE, WHOLE, DOUBLE, POINTER, WHOLE]
    _run(Loop(module, "run", run, ir.VoidType(), lanes))
    _run_all(Loop(module, "run_all", [POINTER, POINTER, WHOLE, POINTER], ir.VoidType(), lanes))
    _step(Loop(module, "step", [POINTER, POINTER, WHOLE], WHOLE, lanes))
    _train(Loop(module, "train", [POINTER, POINTER, WHOLE, WHOLE], WHOLE, lanes))


def _follow(e: Loop) -> None:
    """Run the entries of a table, from the first word to the end."""
    b, (kernels, words, end, memory, rows, first) = e.builder, e.function.args

    def entry(here: Any) -> list[Any]:
        number = e.load_whole(here, 0)
        kernel = b.inttoptr(
            b.load(e.at(kernels, number, kind=WHOLE), typ=WHOLE), KERNEL.as_pointer()
        )
        return [b.call(kernel, [e.at(here, 1, kind=WORD), memory, rows, first])]

    e.loop_while(lambda here: b.icmp_unsigned("<", here, end), entry, words)
    b.ret_void()


def _load(e: Loop) -> None:
    """Copy some rows of the data, in an order if there is one, to where they lie row by row."""
    b, (machine, data, order, start, count) = e.builder, e.function.args
    memory = e.field(machine, MACHINE, "memory", POINTER)
    width, copy, stride = (e.field(machine, MACHINE, name) for name in ("width", "copy", "stride"))
    ordered = e.is_not(b.ptrtoint(order, WHOLE), 0)

    def row(r: Whole) -> None:
        place = e.sum(start, r)
        # where there is no order, something else is read and not looked at
        chosen = b.load(b.select(ordered, e.at(order, place, kind=WHOLE), machine), typ=WHOLE)
        source = e.at(data, (b.select(ordered, chosen, place), width))
        e.copy(e.at(memory, copy, (r, stride)), source, width)

    with b.if_else(b.or_(ordered, b.icmp_signed("!=", width, stride))) as (apart, together):
        with apart:
            e.loop(0, count, 1, row)
        with together:
            e.copy(e.at(memory, copy), e.at(data, (start, width)), b.mul(count, width))
    b.ret_void()


def _root(e: Loop, machine: Any, o: Whole) -> tuple[Whole, Whole]:
    """The place of a root, and what to add to it from row to row."""
    roots, b = e.field(machine, MACHINE, "roots", POINTER), e.builder
    at = e.at(roots, (o, 2), kind=WHOLE)
    return b.load(at, typ=WHOLE), b.load(e.at(at, 1, kind=WHOLE), typ=WHOLE)


def _keep(e: Loop) -> None:
    """Write the roots of some rows: (rows, roots) in C order."""
    machine, outputs, rows = e.function.args
    memory = e.field(machine, MACHINE, "memory", POINTER)
    count = e.field(machine, MACHINE, "root_count")

    def root(o: Whole) -> None:
        place, step = _root(e, machine, o)
        source = e.at(memory, place)
        e.loop(
            0, rows, 1, lambda r: e.copy_one(e.at(outputs, (r, count), o), e.at(source, (r, step)))
        )

    e.loop(0, count, 1, root)
    e.builder.ret_void()


def _run(e: Loop) -> None:
    """Run the parts asked for over rows start … stop, each of which counts for a share."""
    b = e.builder
    machine, data, order, start, stop, share, outputs, parts = e.function.args
    kernels = e.field(machine, MACHINE, "kernels", POINTER)
    memory = e.field(machine, MACHINE, "memory", POINTER)
    length, roots = (e.field(machine, MACHINE, name) for name in ("length", "root_count"))
    keeps = e.is_not(b.ptrtoint(outputs, WHOLE), 0)

    def asked(part: str) -> Any:
        return b.if_then(e.is_not(b.and_(parts, e.whole(PARTS[part])), 0))

    def follow(part: str, rows: Whole, first: Whole) -> None:
        words = [e.field(machine, MACHINE, name, POINTER) for name in (part, f"{part}_end")]
        e.call("follow", kernels, *words, memory, rows, first)

    def block(first: Whole) -> None:
        rows = e.least(length, b.sub(stop, first))
        e.call("load", machine, data, order, first, rows)
        follow("rows", rows, b.zext(b.icmp_signed("==", first, start), WHOLE))
        with b.if_then(keeps):
            e.call("keep", machine, e.at(outputs, (b.sub(first, start), roots)), rows)

    with asked("before"):
        b.store(share, e.at(memory, SHARE))
        follow("before", e.whole(1), e.whole(1))
    with asked("rows"):
        _in_steps(e, start, stop, length, block)
    for part in ("after", "update"):
        with asked(part):  # an outer product over the rows may have waited for the update
            follow(part, e.least(length, b.sub(stop, start)), e.whole(1))
    b.ret_void()


def _run_all(e: Loop) -> None:
    """Run everything over so many rows: few arguments, for those who do so again and again."""
    machine, data, rows, outputs = e.function.args
    share = e.builder.fdiv(ir.Constant(DOUBLE, 1.0), e.builder.sitofp(rows, DOUBLE))
    given = machine, data, ir.Constant(POINTER, None), e.whole(0), rows, share, outputs
    e.call("run", *given, e.whole(EVERYTHING))
    e.builder.ret_void()


def _in_steps(
    e: Loop, start: Whole, stop: Whole, step: Whole, body: Callable[[Whole], Any]
) -> None:
    """start, start + step, … below stop, for a step that is known at run time."""
    b = e.builder
    steps = b.sdiv(e.sum(b.sub(stop, start), step, -1), step)
    e.loop(0, steps, 1, lambda i: body(e.sum(start, (i, step))))


def _step(e: Loop) -> None:
    """One step of training: its loss, and unless that is not finite the update; 1 for no update."""
    b, (machine, training, step) = e.builder, e.function.args
    get = {name: e.field(training, TRAINING, name) for name in TRAINING}
    rows, hyper, losses = (b.inttoptr(get[each], POINTER) for each in ("rows", "hyper", "losses"))
    cut = e.at(b.inttoptr(get["cuts"], POINTER), step, kind=WHOLE)
    start, stop = (b.load(e.at(cut, k, kind=WHOLE), typ=WHOLE) for k in range(2))
    share = b.fdiv(ir.Constant(DOUBLE, 1.0), b.sitofp(b.sub(stop, start), DOUBLE))
    order, nothing = b.inttoptr(get["order"], POINTER), ir.Constant(POINTER, None)
    memory = e.field(machine, MACHINE, "memory", POINTER)
    given = machine, rows, order, start, stop, share, nothing
    e.call("run", *given, e.whole(EVERYTHING))
    loss = b.load(e.at(memory, e.field(machine, MACHINE, "loss")), typ=DOUBLE)
    b.store(loss, e.at(losses, step))
    finite = b.fcmp_ordered("==", b.fsub(loss, loss), ir.Constant(DOUBLE, 0.0))
    with b.if_then(finite):
        numbers = e.at(hyper, (step, get["hyper_count"]))
        to = e.at(memory, e.field(machine, MACHINE, "hyper"))
        e.loop(0, get["hyper_count"], 1, lambda k: e.copy_one(e.at(to, k), e.at(numbers, k)))
        e.call("run", *given, e.whole(PARTS["update"]))
    b.ret(b.zext(b.not_(finite), WHOLE))


def _train(e: Loop) -> None:
    """Steps first … stop, or until a loss is not finite; how many losses there are then."""
    b, (machine, training, first, stop) = e.builder, e.function.args

    def goes_on(step: Whole, stopped: Whole) -> Any:
        return b.and_(b.icmp_signed("<", step, stop), b.not_(e.is_not(stopped, 0)))

    def step(step: Whole, _: Whole) -> list[Whole]:
        return [e.sum(step, 1), e.call("step", machine, training, step)]

    count, _ = e.loop_while(goes_on, step, first, e.whole(0))
    b.ret(count)
