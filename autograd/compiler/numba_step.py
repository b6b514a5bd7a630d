"""One step of the block interpreter: the machine code behind every instruction.

A *program* is a flat array of integers: instruction after instruction, each an opcode, a count, and
operands.  Two memories: *uniforms* holds numbers that are the same for every row, *registers* holds
columns of `stride` rows each, worked on eight rows at a time.  An operand k >= 0 is a column, k < 0
is the uniform number ~k, spread over eight lanes before it is used.  *Slots* are sums over rows.

Every arithmetic instruction is made from OPERATIONS, which says each operation once, for one float
and for eight.  Products and sums stay apart (no fused multiply-add), so that each row gets the very
numbers that the eager engine computes; only sums over rows are rounded in another order.

The rest are *chains*, sums of many terms whose running total stays in the processor's registers,
and *outer* products, every sum over rows of a[j] * b[i], each of which is the gradient of one
weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import factorial
from typing import Any, TypeAlias

from llvmlite import ir
from numba.core import cgutils as _cgutils
from numba.core import types
from numba.core.extending import intrinsic

cgutils: Any = _cgutils

LANES, DOUBLE_BYTES = 8, 8
DOUBLE = ir.DoubleType()
EIGHT = ir.VectorType(DOUBLE, LANES)
INDEX = ir.IntType(64)
STRIP = 4
"""Chunks of eight rows that a chain works on together."""

Builder: TypeAlias = Any
Value: TypeAlias = Any
"""What an LLVM instruction computes: a double, eight of them, an index."""

Emit: TypeAlias = Callable[..., Value]
"""Writes the code of an operation: builder and operands to result."""

Case: TypeAlias = Callable[[Value, Value], Value]
"""Writes the code of an instruction: position of its operands and count to position after it."""


def _constant(like: Value, number: float) -> Any:
    if like.type == DOUBLE:
        return ir.Constant(DOUBLE, number)
    return ir.Constant(EIGHT, [number] * LANES)


def _compare(relation: str) -> Emit:
    def emit(builder: Builder, a: Value, b: Value) -> Value:
        holds = builder.fcmp_ordered(relation, a, b)
        return builder.select(holds, _constant(a, 1.0), _constant(a, 0.0))

    return emit


def _extreme(relation: str) -> Emit:
    """a where the relation holds or a is nan, else b; as the engine's own maximum and minimum."""

    def emit(builder: Builder, a: Value, b: Value) -> Value:
        holds = builder.fcmp_ordered(relation, a, b)
        return builder.select(builder.or_(holds, builder.fcmp_unordered("uno", a, a)), a, b)

    return emit


def _where(builder: Builder, condition: Value, a: Value, b: Value) -> Value:
    return builder.select(builder.fcmp_unordered("!=", condition, _constant(a, 0.0)), a, b)


def _choose(relation: str) -> Emit:
    """A comparison and the choice that depends on it, in one."""

    def emit(builder: Builder, a: Value, b: Value, this: Value, that: Value) -> Value:
        return builder.select(builder.fcmp_ordered(relation, a, b), this, that)

    return emit


def _llvm(name: str) -> Emit:
    """A function that LLVM knows for one double and for eight."""

    def emit(builder: Builder, *arguments: Value) -> Value:
        like = arguments[0].type
        kind = ir.FunctionType(like, [like] * len(arguments))
        full_name = f"llvm.{name}.{'f64' if like == DOUBLE else 'v8f64'}"
        return builder.call(
            cgutils.get_or_insert_function(builder.module, kind, full_name), arguments
        )

    return emit


def _libm(name: str) -> Emit:
    """The C library's function, lane by lane: the numbers that Python's math gives."""

    def emit(builder: Builder, *arguments: Value) -> Value:
        kind = ir.FunctionType(DOUBLE, [DOUBLE] * len(arguments))
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        if arguments[0].type == DOUBLE:
            return builder.call(function, arguments)
        result = ir.Constant(EIGHT, ir.Undefined)
        for lane in range(LANES):
            place = ir.Constant(ir.IntType(32), lane)
            scalars = [builder.extract_element(argument, place) for argument in arguments]
            result = builder.insert_element(result, builder.call(function, scalars), place)
        return result

    return emit


def _exp(builder: Builder, x: Value) -> Value:
    """The exponential; for eight at once by reduction to |r| <= log(2) / 2 and a Taylor polynomial.

    x = n log(2) + r, exp(x) = 2**n exp(r), right to a unit in the last place.  The power of two is
    applied in two halves, so that results below the normal range come out right.
    """
    if x.type == DOUBLE:
        return _libm("exp")(builder, x)
    number = partial(_constant, x)
    multiply_add = partial(_llvm("fmuladd"), builder)
    wide = ir.VectorType(INDEX, LANES)
    for relation, bound in ((">", 710.0), ("<", -750.0)):
        x = builder.select(builder.fcmp_ordered(relation, x, number(bound)), number(bound), x)
    # Adding 1.5 * 2**52 rounds to a whole number, which then stands in the last bits.
    shifted = multiply_add(x, number(1.4426950408889634), number(1.5 * 2.0**52))
    n = builder.fsub(shifted, number(1.5 * 2.0**52))
    r = multiply_add(n, number(-6.93147180369123816490e-01), x)
    r = multiply_add(n, number(-1.90821492927058770002e-10), r)
    polynomial = number(1.0 / factorial(13))
    for k in range(12, 1, -1):
        polynomial = multiply_add(polynomial, r, number(1.0 / factorial(k)))
    y = builder.fadd(multiply_add(builder.fmul(r, r), polynomial, r), number(1.0))
    whole = builder.sub(
        builder.bitcast(shifted, wide), builder.bitcast(number(1.5 * 2.0**52), wide)
    )
    half = builder.ashr(whole, ir.Constant(wide, [1] * LANES))
    for power in (half, builder.sub(whole, half)):
        exponent = builder.add(power, ir.Constant(wide, [1023] * LANES))
        scale = builder.shl(exponent, ir.Constant(wide, [52] * LANES))
        y = builder.fmul(y, builder.bitcast(scale, EIGHT))
    return y


OPERATIONS: dict[str, tuple[int, Emit]] = {
    "add":        (2, lambda builder, a, b: builder.fadd(a, b)),
    "subtract":   (2, lambda builder, a, b: builder.fsub(a, b)),
    "multiply":   (2, lambda builder, a, b: builder.fmul(a, b)),
    "divide":     (2, lambda builder, a, b: builder.fdiv(a, b)),
    "negative":   (1, lambda builder, a: builder.fneg(a)),
    "absolute":   (1, _llvm("fabs")),
    "sqrt":       (1, _llvm("sqrt")),
    "maximum":    (2, _extreme(">=")),
    "minimum":    (2, _extreme("<=")),
    "less":       (2, _compare("<")),
    "less_equal": (2, _compare("<=")),
    "equal":      (2, _compare("==")),
    "where":      (3, _where),
    "less, where":       (4, _choose("<")),
    "less_equal, where": (4, _choose("<=")),
    "equal, where":      (4, _choose("==")),
    "power":      (2, _libm("pow")),
    "exp":        (1, _exp),
    "expm1":      (1, _libm("expm1")),
    "log":        (1, _libm("log")),
    "log1p":      (1, _libm("log1p")),
    "log2":       (1, _libm("log2")),
    "log10":      (1, _libm("log10")),
    "hypot":      (2, _libm("hypot")),
    "sin":        (1, _libm("sin")),
    "cos":        (1, _libm("cos")),
    "tan":        (1, _libm("tan")),
    "arcsin":     (1, _libm("asin")),
    "arccos":     (1, _libm("acos")),
    "arctan":     (1, _libm("atan")),
    "arctan2":    (2, _libm("atan2")),
    "arcsinh":    (1, _libm("asinh")),
    "arccosh":    (1, _libm("acosh")),
    "arctanh":    (1, _libm("atanh")),
    "sinh":       (1, _libm("sinh")),
    "cosh":       (1, _libm("cosh")),
    "tanh":       (1, _libm("tanh")),
    "erf":        (1, _libm("erf")),
    "erfc":       (1, _libm("erfc")),
}  # fmt: skip
"""Per operation the number of its operands and the code it becomes."""

OPCODES = {name: code for code, name in enumerate(OPERATIONS)}
(
    DOT_1, DOT_2, DOT_4, PRODUCTS, SUM, OUTER_1, OUTER_2, OUTER_8, OUTER_16, REDUCE, END,
) = range(len(OPERATIONS), len(OPERATIONS) + 11)  # fmt: skip
"""Opcodes after those of OPERATIONS; here is what follows each, and what it does.

=========== ================================= ==================================================
arithmetic  count, (d, a, …) × count          d = a + b, …
DOT_G       n, d × G, init × G, x × n, u × nG d[g] = init[g] + u[0, g] x[0] + u[1, g] x[1] + …
PRODUCTS    n, d, init, (a, b) × n            d = init + a[0] b[0] + a[1] b[1] + …
SUM         n, d, init, x × n                 d = init + x[0] + x[1] + …
OUTER_J     m, a × J, slot × J, b × 8m        slots[slot[j] + i] += sum over rows of a[j] b[i]
REDUCE      count, (a, slot) × count          slots[slot] += sum over rows of a
END                                           the end of the program
=========== ================================= ==================================================

The u of a DOT are places of uniform numbers; x, and the a and b of PRODUCTS and OUTER, are columns.
"""


def _intrinsic(function: Callable[..., Any]) -> Any:
    """Code that a native function calls; for mypy it takes anything."""
    return intrinsic(function)


class Emitter:
    """Writes the code of instructions: loops, loads and stores over the memories it is given."""

    def __init__(self, builder: Builder, code: Value, uniforms: Value) -> None:
        self.builder = builder
        self.code, self.uniforms = code, uniforms

    def repeat(
        self, start: Value, stop: Value, step: int, body: Callable[..., Any], *carried: Value
    ) -> list[Value]:
        """A loop: ``body(index, *values)`` returns the next values; the last ones are returned."""
        builder = self.builder
        before = builder.block
        head, inside, after = (builder.append_basic_block(name) for name in ("head", "in", "out"))
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(INDEX)
        index.add_incoming(start, before)
        values = [builder.phi(value.type) for value in carried]
        for phi, value in zip(values, carried, strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", index, stop), inside, after)
        builder.position_at_end(inside)
        following = body(index, *values) or ()
        index.add_incoming(builder.add(index, integer(step)), builder.block)
        for phi, value in zip(values, following, strict=True):
            phi.add_incoming(value, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        return values

    def word(self, position: Value, offset: int = 0) -> Value:
        """The integer at a position of the program."""
        pointer = self.builder.gep(self.code, [self.builder.add(position, integer(offset))])
        return self.builder.sext(self.builder.load(pointer), INDEX)

    def uniform(self, place: Value) -> Value:
        """One of the uniform numbers."""
        return self.builder.load(self.builder.gep(self.uniforms, [place]))

    def load(self, column: Value, row: Value) -> Value:
        pointer = self.builder.gep(column, [row])
        return self.builder.load(self.builder.bitcast(pointer, EIGHT.as_pointer()), align=8)

    def store(self, number: Value, column: Value, row: Value) -> None:
        pointer = self.builder.gep(column, [row])
        self.builder.store(number, self.builder.bitcast(pointer, EIGHT.as_pointer()), align=8)

    def spread(self, number: Value) -> Value:
        """One number in all lanes."""
        builder = self.builder
        one = builder.insert_element(ir.Constant(EIGHT, ir.Undefined), number, small(0))
        return builder.shuffle_vector(one, one, places([0] * LANES))

    def transposed(self, rows: Sequence[Value]) -> list[Value]:
        """Lane i of row k becomes lane k of row i: blocks of one, two and four change places."""
        vectors = list(rows)
        for half in (1, 2, 4):
            low = [k if k & half == 0 else LANES + k - half for k in range(LANES)]
            high = [k + half if k & half == 0 else LANES + k for k in range(LANES)]
            for k in range(LANES):
                if k & half == 0:
                    a, b = vectors[k], vectors[k + half]
                    vectors[k] = self.builder.shuffle_vector(a, b, places(low))
                    vectors[k + half] = self.builder.shuffle_vector(a, b, places(high))
        return vectors

    def switch(self, position: Value, cases: Mapping[int, Case]) -> Value:
        """Do the case of the opcode at a position, which returns the next position."""
        builder = self.builder
        count = self.word(position, 1)
        operands = builder.add(position, integer(2))
        unknown, after = builder.append_basic_block("unknown"), builder.append_basic_block("after")
        switch = builder.switch(self.word(position), unknown)
        ends = []
        for opcode, case in cases.items():
            block = builder.append_basic_block(f"opcode{opcode}")
            switch.add_case(integer(opcode), block)
            builder.position_at_end(block)
            ends.append((case(operands, count), builder.block))
            builder.branch(after)
        builder.position_at_end(unknown)
        builder.unreachable()
        builder.position_at_end(after)
        following = builder.phi(INDEX)
        for end, block in ends:
            following.add_incoming(end, block)
        return following


class BlockEmitter(Emitter):
    """Instructions on columns, eight rows at a time."""

    def __init__(
        self, builder: Builder, code: Value, uniforms: Value, registers: Value, slots: Value,
        stride: Value, rows: Value,
    ) -> None:  # fmt: skip
        super().__init__(builder, code, uniforms)
        self.registers, self.slots = registers, slots
        self.stride, self.rows = stride, rows
        padded = builder.add(rows, integer(LANES - 1))
        self.padded = builder.and_(padded, integer(-LANES))

    def arithmetic(self, position: Value, count: Value, arity: int, emit: Emit) -> Value:
        builder = self.builder

        def instruction(at: Value) -> None:
            result = self.column(self.word(at))
            operands = [self.operand(self.word(at, k + 1), f"operand{k}") for k in range(arity)]

            def rows(row: Value) -> None:
                numbers = [read(row) for read in operands]
                self.store(emit(builder, *numbers), result, row)

            self.repeat(integer(0), self.padded, LANES, rows)

        end = builder.add(position, builder.mul(count, integer(arity + 1)))
        self.repeat(position, end, arity + 1, instruction)
        return end

    def dot(self, position: Value, count: Value, neurons: int) -> Value:
        """Several sums of products with uniform weights over the same columns."""
        builder = self.builder
        results = [self.column(self.word(position, g)) for g in range(neurons)]
        starts = [
            self.operand(self.word(position, neurons + g), f"start{g}") for g in range(neurons)
        ]
        columns = builder.add(position, integer(2 * neurons))
        weights = builder.add(columns, count)

        def strip(row: Value, chunks: int) -> None:
            rows = [builder.add(row, integer(LANES * c)) for c in range(chunks)]

            def term(k: Value, *totals: Value) -> list[Value]:
                column = self.column(self.word(builder.add(columns, k)))
                numbers = [self.load(column, r) for r in rows]
                first = builder.add(weights, builder.mul(k, integer(neurons)))
                following = list(totals)
                for g in range(neurons):
                    weight = self.spread(self.uniform(self.word(first, g)))
                    for c in range(chunks):
                        product = builder.fmul(weight, numbers[c])
                        following[g * chunks + c] = builder.fadd(totals[g * chunks + c], product)
                return following

            begin = [read(r) for read in starts for r in rows]
            totals = self.repeat(integer(0), count, 1, term, *begin)
            for g in range(neurons):
                for c in range(chunks):
                    self.store(totals[g * chunks + c], results[g], rows[c])

        self.strips(strip)
        return builder.add(weights, builder.mul(count, integer(neurons)))

    def products(self, position: Value, count: Value) -> Value:
        return self._chain(position, count, 2, self.builder.fmul)

    def sums(self, position: Value, count: Value) -> Value:
        return self._chain(position, count, 1, lambda number: number)

    def _chain(self, position: Value, count: Value, arity: int, combine: Emit) -> Value:
        builder = self.builder
        result = self.column(self.word(position))
        start = self.operand(self.word(position, 1), "start0")
        first = builder.add(position, integer(2))
        end = builder.add(first, builder.mul(count, integer(arity)))

        def strip(row: Value, chunks: int) -> None:
            rows = [builder.add(row, integer(LANES * c)) for c in range(chunks)]

            def term(at: Value, *totals: Value) -> list[Value]:
                columns = [self.column(self.word(at, k)) for k in range(arity)]
                return [
                    builder.fadd(total, combine(*[self.load(column, r) for column in columns]))
                    for total, r in zip(totals, rows, strict=True)
                ]

            totals = self.repeat(first, end, arity, term, *[start(r) for r in rows])
            for total, r in zip(totals, rows, strict=True):
                self.store(total, result, r)

        self.strips(strip)
        return end

    def outer(self, position: Value, groups: Value, height: int) -> Value:
        """Sums over the rows of every a[j] * b[i]: eight neighbouring slots per a and eight b."""
        builder = self.builder
        lefts = [self.column(self.word(position, j)) for j in range(height)]
        slots = [self.word(position, height + j) for j in range(height)]
        first = builder.add(position, integer(2 * height))
        end = builder.add(first, builder.mul(groups, integer(LANES)))
        multiply_add = _llvm("fmuladd")

        def group(at: Value) -> None:
            rights = [self.column(self.word(at, i)) for i in range(LANES)]

            def rows(row: Value, *totals: Value) -> list[Value]:
                inside = self.inside(row)
                a = [self.load(column, row) for column in lefts]
                b = [self.load(column, row) for column in rights]
                pairs = [(x, y) for x in a for y in b]
                return [
                    builder.select(inside, multiply_add(builder, x, y, total), total)
                    for (x, y), total in zip(pairs, totals, strict=True)
                ]

            zeros = [ir.Constant(EIGHT, [0.0] * LANES)] * (LANES * height)
            totals = self.repeat(integer(0), self.rows, LANES, rows, *zeros)
            done = builder.sub(at, first)
            for j, slot in enumerate(slots):
                eight = self.lane_sums(totals[LANES * j : LANES * (j + 1)])
                place = builder.add(slot, done)
                self.store(builder.fadd(self.load(self.slots, place), eight), self.slots, place)

        self.repeat(first, end, LANES, group)
        return end

    def tall_outer(self, position: Value, groups: Value, height: int) -> Value:
        """As `outer`, for many a: eight rows of eight b are transposed first, and serve them all.

        Lane i of a total is then the sum for b[i], and there are no lanes to be added up.
        """
        builder = self.builder
        lefts = [self.column(self.word(position, j)) for j in range(height)]
        slots = [self.word(position, height + j) for j in range(height)]
        first = builder.add(position, integer(2 * height))
        end = builder.add(first, builder.mul(groups, integer(LANES)))
        whole = builder.and_(self.rows, integer(-LANES))
        multiply_add = partial(_llvm("fmuladd"), builder)

        def group(at: Value) -> None:
            rights = [self.column(self.word(at, i)) for i in range(LANES)]

            def rows(row: Value, *totals: Value) -> list[Value]:
                across = self.transposed([self.load(column, row) for column in rights])
                following = list(totals)
                for j, column in enumerate(lefts):
                    for k, eight in enumerate(across):
                        place = builder.gep(column, [builder.add(row, integer(k))])
                        left = self.spread(builder.load(place))
                        following[j] = multiply_add(left, eight, following[j])
                return following

            def last_rows(row: Value, *totals: Value) -> list[Value]:
                eight = ir.Constant(EIGHT, ir.Undefined)
                for i, column in enumerate(rights):
                    number = builder.load(builder.gep(column, [row]))
                    eight = builder.insert_element(eight, number, small(i))
                lefts_here = [builder.load(builder.gep(column, [row])) for column in lefts]
                return [
                    multiply_add(self.spread(left), eight, total)
                    for left, total in zip(lefts_here, totals, strict=True)
                ]

            zeros = [ir.Constant(EIGHT, [0.0] * LANES)] * height
            totals = self.repeat(integer(0), whole, LANES, rows, *zeros)
            totals = self.repeat(whole, self.rows, 1, last_rows, *totals)
            done = builder.sub(at, first)
            for slot, total in zip(slots, totals, strict=True):
                place = builder.add(slot, done)
                self.store(builder.fadd(self.load(self.slots, place), total), self.slots, place)

        self.repeat(first, end, LANES, group)
        return end

    def reduce(self, position: Value, count: Value) -> Value:
        """Sums over the rows, of eight columns at a time while there are so many."""
        builder = self.builder
        end = builder.add(position, builder.mul(count, integer(2)))
        eights = builder.and_(count, integer(-LANES))
        middle = builder.add(position, builder.mul(eights, integer(2)))
        self.repeat(position, middle, 2 * LANES, lambda at: self._reduce(at, LANES))
        self.repeat(middle, end, 2, lambda at: self._reduce(at, 1))
        return end

    def _reduce(self, position: Value, columns: int) -> None:
        builder = self.builder
        read = [partial(self.load, self.column(self.word(position, 2 * k))) for k in range(columns)]

        def rows(row: Value, *totals: Value) -> list[Value]:
            inside = self.inside(row)
            return [
                builder.select(inside, builder.fadd(total, column(row)), total)
                for total, column in zip(totals, read, strict=True)
            ]

        zeros = [ir.Constant(EIGHT, [0.0] * LANES)] * columns
        totals = self.repeat(integer(0), self.rows, LANES, rows, *zeros)
        sums = self.lane_sums(totals * (LANES // columns))
        for k in range(columns):
            slot = builder.gep(self.slots, [self.word(position, 2 * k + 1)])
            number = builder.extract_element(sums, small(k))
            builder.store(builder.fadd(builder.load(slot), number), slot)

    def strips(self, strip: Callable[[Value, int], None]) -> None:
        """Do all rows, STRIP chunks of eight at a time while there are so many."""
        long = integer(LANES * STRIP)
        whole = self.builder.mul(self.builder.sdiv(self.padded, long), long)
        self.repeat(integer(0), whole, LANES * STRIP, lambda row: strip(row, STRIP))
        self.repeat(whole, self.padded, LANES, lambda row: strip(row, 1))

    def column(self, register: Value) -> Value:
        """Where a register's rows are."""
        return self.builder.gep(self.registers, [self.builder.mul(register, self.stride)])

    def operand(self, word: Value, name: str) -> Callable[[Value], Value]:
        """How to read eight rows of a column, or of a uniform number, which is spread out first."""
        builder = self.builder
        is_uniform = builder.icmp_signed("<", word, integer(0))
        place = builder.select(is_uniform, builder.not_(word), integer(0))
        spread = cgutils.alloca_once(builder, EIGHT, name=name)
        builder.store(self.spread(self.uniform(place)), spread)
        column = self.column(builder.select(is_uniform, integer(0), word))
        pointer = builder.select(is_uniform, builder.bitcast(spread, DOUBLE.as_pointer()), column)
        mask = builder.select(is_uniform, integer(0), integer(-1))
        return lambda row: self.load(pointer, builder.and_(row, mask))

    def inside(self, row: Value) -> Value:
        """Which of the eight rows are rows of the batch."""
        builder = self.builder
        kind = ir.VectorType(INDEX, LANES)
        left = builder.sub(self.rows, row)
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), left, small(0))
        left = builder.shuffle_vector(one, one, places([0] * LANES))
        return builder.icmp_signed("<", ir.Constant(kind, list(range(LANES))), left)

    def lane_sums(self, eight: Sequence[Value]) -> Value:
        """Lane k is the sum of the lanes of the k-th of eight vectors.

        Three times, vectors are folded in pairs: neighbouring lanes first, then neighbouring pairs
        of lanes, always the first of two from both vectors plus the second of two from both.
        """
        builder, vectors = self.builder, list(eight)
        lanes = ([0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15])
        pairs = ([0, 1, 4, 5, 8, 9, 12, 13], [2, 3, 6, 7, 10, 11, 14, 15])
        for first, second in (lanes, pairs, pairs):
            vectors = [
                builder.fadd(
                    builder.shuffle_vector(a, b, places(first)),
                    builder.shuffle_vector(a, b, places(second)),
                )
                for a, b in zip(vectors[::2], vectors[1::2], strict=True)
            ]
        return vectors[0]

    def step(self, position: Value) -> Value:
        """Do the instruction at a position; the position of the next one."""
        cases: dict[int, Callable[[Value, Value], Value]] = {
            DOT_1: lambda at, count: self.dot(at, count, 1),
            DOT_2: lambda at, count: self.dot(at, count, 2),
            DOT_4: lambda at, count: self.dot(at, count, 4),
            PRODUCTS: self.products,
            SUM: self.sums,
            OUTER_1: lambda at, count: self.outer(at, count, 1),
            OUTER_2: lambda at, count: self.outer(at, count, 2),
            OUTER_8: lambda at, count: self.tall_outer(at, count, 8),
            OUTER_16: lambda at, count: self.tall_outer(at, count, 16),
            REDUCE: self.reduce,
        }
        for name, (arity, emit) in OPERATIONS.items():
            cases[OPCODES[name]] = partial(self.arithmetic, arity=arity, emit=emit)
        return self.switch(position, cases)


class UniformEmitter(Emitter):
    """Instructions on single numbers."""

    def arithmetic(self, position: Value, count: Value, arity: int, emit: Emit) -> Value:
        builder = self.builder

        def instruction(at: Value) -> None:
            numbers = [self.uniform(self.word(at, k + 1)) for k in range(arity)]
            self.set(self.word(at), emit(builder, *numbers))

        end = builder.add(position, builder.mul(count, integer(arity + 1)))
        self.repeat(position, end, arity + 1, instruction)
        return end

    def chain(self, position: Value, count: Value, arity: int, combine: Emit) -> Value:
        builder = self.builder

        def term(at: Value, total: Value) -> list[Value]:
            numbers = [self.uniform(self.word(at, k)) for k in range(arity)]
            return [builder.fadd(total, combine(*numbers))]

        first = builder.add(position, integer(2))
        end = builder.add(first, builder.mul(count, integer(arity)))
        (total,) = self.repeat(first, end, arity, term, self.uniform(self.word(position, 1)))
        self.set(self.word(position), total)
        return end

    def set(self, place: Value, number: Value) -> None:
        self.builder.store(number, self.builder.gep(self.uniforms, [place]))

    def step(self, position: Value) -> Value:
        """Do the instruction at a position; the position of the next one."""
        cases: dict[int, Callable[[Value, Value], Value]] = {
            PRODUCTS: partial(self.chain, arity=2, combine=self.builder.fmul),
            SUM: partial(self.chain, arity=1, combine=lambda number: number),
        }
        for name, (arity, emit) in OPERATIONS.items():
            cases[OPCODES[name]] = partial(self.arithmetic, arity=arity, emit=emit)
        return self.switch(position, cases)


@_intrinsic
def block_step(
    typing: Any, code: Any, position: Any, uniforms: Any, registers: Any, slots: Any, stride: Any,
    rows: Any,
) -> Any:  # fmt: skip
    """Do one instruction on the rows of a block; returns the position of the next one."""

    def emit(context: Any, builder: Builder, signature: Any, arguments: Sequence[Value]) -> Value:
        code, position, *memories_and_sizes = arguments
        return BlockEmitter(builder, code, *memories_and_sizes).step(position)

    return types.int64(code, position, uniforms, registers, slots, stride, rows), emit


@_intrinsic
def uniform_step(typing: Any, code: Any, position: Any, uniforms: Any) -> Any:
    """Do one instruction on single numbers; returns the position of the next one."""

    def emit(context: Any, builder: Builder, signature: Any, arguments: Sequence[Value]) -> Value:
        code, position, uniforms = arguments
        return UniformEmitter(builder, code, uniforms).step(position)

    return types.int64(code, position, uniforms), emit


@_intrinsic
def call_native(typing: Any, address: Any, arguments: Any) -> Any:
    """Call a native function without a result: arrays become pointers to their numbers."""

    def emit(context: Any, builder: Builder, signature: Any, values: Sequence[Value]) -> Value:
        address, packed = values
        passed = []
        for k, kind in enumerate(signature.args[1]):
            value = builder.extract_value(packed, k)
            if isinstance(kind, types.Array):
                value = context.make_array(kind)(context, builder, value).data
            passed.append(value)
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(builder.inttoptr(address, kind.as_pointer()), passed)
        return context.get_dummy_value()

    return types.void(address, arguments), emit


@_intrinsic
def copy_numbers(typing: Any, source: Any, first: Any, target: Any, start: Any, count: Any) -> Any:
    """target[start : start + count] = source[first : first + count], for flat arrays."""

    def emit(context: Any, builder: Builder, signature: Any, arguments: Sequence[Value]) -> Value:
        source, target, count = _ranges(context, builder, signature.args, arguments)
        cgutils.raw_memcpy(builder, target, source, count, DOUBLE_BYTES)
        return context.get_dummy_value()

    return types.void(source, types.int64, target, types.int64, types.int64), emit


@_intrinsic
def add_numbers(
    typing: Any, source: Any, first: Any, target: Any, start: Any, count: Any, factor: Any
) -> Any:
    """target[start : start + count] += source[first : first + count] * factor."""

    def emit(context: Any, builder: Builder, signature: Any, arguments: Sequence[Value]) -> Value:
        source, target, count = _ranges(context, builder, signature.args, arguments)
        factor = arguments[5]
        emitter = Emitter(builder, None, None)
        eights = builder.and_(count, integer(-LANES))

        def one(k: Value) -> None:
            place = builder.gep(target, [k])
            product = builder.fmul(builder.load(builder.gep(source, [k])), factor)
            builder.store(builder.fadd(builder.load(place), product), place)

        def eight(k: Value) -> None:
            product = builder.fmul(emitter.load(source, k), emitter.spread(factor))
            emitter.store(builder.fadd(emitter.load(target, k), product), target, k)

        emitter.repeat(integer(0), eights, LANES, eight)
        emitter.repeat(eights, count, 1, one)
        return context.get_dummy_value()

    return types.void(source, types.int64, target, types.int64, types.int64, types.float64), emit


@_intrinsic
def transpose_eight(
    typing: Any, data: Any, places: Any, first: Any, registers: Any, to: Any, stride: Any
) -> Any:
    """Eight numbers of eight rows, into eight columns.

    Row k begins at data[places[k] + first]; the columns at registers[to], `stride` apart.
    """

    def emit(context: Any, builder: Builder, signature: Any, arguments: Sequence[Value]) -> Value:
        data, rows, first, registers, to, stride = arguments
        data, rows, registers = (
            context.make_array(signature.args[k])(context, builder, arguments[k]).data
            for k in (0, 1, 3)
        )
        emitter = Emitter(builder, None, None)
        vectors = []
        for k in range(LANES):
            row = builder.load(builder.gep(rows, [integer(k)]))
            vectors.append(emitter.load(data, builder.add(row, first)))
        for k, vector in enumerate(emitter.transposed(vectors)):
            column = builder.add(to, builder.mul(integer(k), stride))
            emitter.store(vector, registers, column)
        return context.get_dummy_value()

    return types.void(data, places, types.int64, registers, types.int64, types.int64), emit


def _ranges(
    context: Any, builder: Builder, kinds: Sequence[Any], arguments: Sequence[Value]
) -> tuple[Value, Value, Value]:
    """From two arrays, each with a first place, and a count: two pointers and the count."""
    source, first, target, start, count = arguments[:5]
    from_ = context.make_array(kinds[0])(context, builder, source).data
    to = context.make_array(kinds[2])(context, builder, target).data
    return builder.gep(from_, [first]), builder.gep(to, [start]), count


def integer(number: int) -> Value:
    """A place or a count."""
    return ir.Constant(INDEX, number)


def small(number: int) -> Value:
    """A number of 32 bits."""
    return ir.Constant(ir.IntType(32), number)


def places(lanes: Sequence[int]) -> Value:
    """Which lanes a shuffle takes, as a vector."""
    return ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(lanes))
