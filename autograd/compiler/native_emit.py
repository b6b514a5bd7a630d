"""A thin layer over llvmlite: functions, loops and loads, and vectors written like numbers.

A *vector* holds as many doubles as the machine has in its widest register, its *lanes*.  `Vector`
has the operators of a number, so that kernels, polynomials and even the table's rows read as they
do on floats.  A *mask* is a vector of truths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, TypeAlias

from llvmlite import ir

Pointer: TypeAlias = Any
Whole: TypeAlias = Any
"""A 64-bit integer in the function that is being written."""

WIDEST = 8
"""Lanes of AVX-512, which has instructions of its own."""

FEW_REGISTERS = 4
"""Lanes of AVX, which has 16 registers; AVX-512 and ARM have 32."""

DOUBLE, WHOLE, WORD = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
POINTER, NOTHING = ir.PointerType(), ir.VoidType()


def _operator(name: str, *, swapped: bool = False) -> Callable[[Vector, Any], Vector]:
    def apply(a: Vector, b: Any) -> Vector:
        pair = a.ir, a.emitter.vector(b).ir
        return Vector(a.emitter, getattr(a.emitter.builder, name)(*pair[:: 1 - 2 * swapped]))

    return apply


class Vector:
    """A vector in the function that is being written."""

    __slots__ = ("emitter", "ir")

    def __init__(self, emitter: Emitter, value: Any) -> None:
        self.emitter, self.ir = emitter, value

    __add__, __radd__ = _operator("fadd"), _operator("fadd", swapped=True)
    __sub__, __rsub__ = _operator("fsub"), _operator("fsub", swapped=True)
    __mul__, __rmul__ = _operator("fmul"), _operator("fmul", swapped=True)
    __truediv__, __rtruediv__ = _operator("fdiv"), _operator("fdiv", swapped=True)

    def __neg__(self) -> Vector:
        return Vector(self.emitter, self.emitter.builder.fneg(self.ir))


class Emitter:
    """Writes one function of a module, instruction after instruction."""

    def __init__(
        self, module: Any, name: str, arguments: Sequence[Any], result: Any, lanes: int
    ) -> None:
        self.module, self.lanes = module, lanes
        self.function = ir.Function(module, ir.FunctionType(result, arguments), name)
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self.type = ir.VectorType(DOUBLE, lanes)
        self.bits = ir.VectorType(WHOLE, lanes)
        self._constants: dict[str, Vector] = {}

    def vector(self, number: Any) -> Vector:
        """The same number in every lane; vectors as they are."""
        if isinstance(number, Vector):
            return number
        number = float(number)
        constant = Vector(self, ir.Constant(self.type, [number] * self.lanes))
        # each is written as text, which takes longer than to find it again
        return self._constants.setdefault(number.hex(), constant)

    def whole(self, number: Any) -> Whole:
        return ir.Constant(WHOLE, number) if isinstance(number, int) else number

    def sum(self, *terms: Any) -> Whole:
        """Of integers, and of pairs to be multiplied."""
        numbers = [
            self.builder.mul(*map(self.whole, term))
            if isinstance(term, tuple)
            else self.whole(term)
            for term in terms
            if term != 0
        ]
        return reduce(self.builder.add, numbers or [self.whole(0)])

    def load_whole(self, words: Pointer, k: Any) -> Whole:
        """A 32-bit word, as a 64-bit integer."""
        word = self.builder.load(self.at(words, k, kind=WORD), typ=WORD)
        return self.builder.sext(word, WHOLE)

    def load(self, start: Pointer, *terms: Any) -> Vector:
        place = self.at(start, *terms)
        return Vector(self, self.builder.load(place, align=8, typ=self.type))

    def store(self, vector: Vector, start: Pointer, *terms: Any) -> None:
        self.builder.store(vector.ir, self.at(start, *terms), align=8)

    def load_all(self, start: Pointer, *terms: Any) -> Vector:
        """One number of the memory, in every lane."""
        return self.spread(self.builder.load(self.at(start, *terms), typ=DOUBLE))

    def at(self, start: Pointer, *terms: Any, kind: Any = DOUBLE) -> Pointer:
        """The place so many numbers, or other things, behind another."""
        return self.builder.gep(start, [self.sum(*terms)], source_etype=kind) if terms else start

    def frozen(self, place: Pointer) -> Pointer:
        """The same place, of which LLVM does not ask how else it could be computed: in loops it
        would for as long as it takes to compile all the rest."""
        b = self.builder
        b.block.instructions.append(ir.Instruction(b.block, POINTER, "freeze", [place]))
        b.position_at_end(b.block)
        return b.block.instructions[-1]

    def spread(self, number: Any) -> Vector:
        """One number of the function, in every lane."""
        # the way in which LLVM recognises this, which is a single instruction
        none = Vector(self, ir.Constant(self.type, None))
        first = self.builder.insert_element(none.ir, number, ir.Constant(WORD, 0))
        return self.shuffle(Vector(self, first), none, [0] * self.lanes)

    def shuffle(self, a: Vector, b: Vector, lanes: Sequence[int]) -> Vector:
        chosen = ir.Constant(ir.VectorType(WORD, self.lanes), list(lanes))
        return Vector(self, self.builder.shuffle_vector(a.ir, b.ir, chosen))

    def lane(self, vector: Vector, k: int) -> Any:
        return self.builder.extract_element(vector.ir, ir.Constant(WORD, k))

    def joined(self, numbers: Iterable[Any]) -> Vector:
        """A number in each lane."""
        vector = ir.Constant(self.type, ir.Undefined)
        for k, number in enumerate(numbers):
            vector = self.builder.insert_element(vector, number, ir.Constant(WORD, k))
        return Vector(self, vector)

    def first_lanes(self, count: Whole) -> Any:
        """The mask of so many lanes."""
        lanes = Vector(self, ir.Constant(self.type, [*map(float, range(self.lanes))]))
        return self.compare("<", lanes, self.spread(self.builder.sitofp(count, DOUBLE)))

    def choose(self, mask: Any, a: Any, b: Any) -> Vector:
        """a where the mask holds, else b."""
        return Vector(self, self.builder.select(mask, self.vector(a).ir, self.vector(b).ir))

    def compare(self, relation: str, a: Any, b: Any) -> Any:
        """The mask of an ordered comparison; "?" asks for nan, and "!=" holds for nan."""
        pair = (self.vector(a).ir, self.vector(b).ir)
        if relation == "?":
            return self.builder.fcmp_unordered("uno", *pair)
        if relation == "!=":
            return self.builder.fcmp_unordered("!=", *pair)
        return self.builder.fcmp_ordered(relation, *pair)

    def fma(self, a: Any, b: Any, c: Any) -> Vector:
        """a * b + c, rounded once."""
        return self.intrinsic("fma", a, b, c)

    def intrinsic(self, name: str, *arguments: Any) -> Vector:
        """An operation of LLVM on every lane, such as "fabs" or "sqrt"."""
        given = [self.vector(argument).ir for argument in arguments]
        return self._call(f"llvm.{name}.v{self.lanes}f64", given)

    def scaled(self, vector: Vector, exponent: Vector) -> Vector:
        """vector * 2**exponent, rounded once: with the widest vectors only."""
        every, nothing = ir.Constant(ir.IntType(self.lanes), -1), self.vector(0.0).ir
        rounding = ir.Constant(WORD, 4)  # as all else is
        arguments = (vector.ir, exponent.ir, nothing, every, rounding)
        return self._call("llvm.x86.avx512.mask.scalef.pd.512", arguments)

    def any(self, mask: Any) -> Any:
        """Whether the mask holds anywhere."""
        bits = ir.IntType(self.lanes)
        return self.builder.icmp_unsigned(
            "!=", self.builder.bitcast(mask, bits), ir.Constant(bits, 0)
        )

    def total(self, vector: Vector) -> Any:
        """The sum of the lanes: halves of a vector added, again and again, on every machine."""
        width = self.lanes
        while width > 1:
            width //= 2
            upper = [(k + width) % self.lanes for k in range(self.lanes)]
            vector = vector + self.shuffle(vector, vector, upper)
        return self.lane(vector, 0)

    def external(self, name: str, result: Any, *kinds: Any) -> Any:
        """A function of somebody else's, declared when it is first used."""
        types = ir.FunctionType(result, kinds)
        return self.module.globals.get(name) or ir.Function(self.module, types, name)

    def lane_by_lane(self, name: str, *arguments: Vector) -> Vector:
        """A function of the C library, called once per lane."""
        function = self.external(name, DOUBLE, *[DOUBLE] * len(arguments))
        given = ([self.lane(each, k) for each in arguments] for k in range(self.lanes))
        return self.joined(self.builder.call(function, numbers) for numbers in given)

    def bits_of(self, vector: Vector) -> Any:
        return self.builder.bitcast(vector.ir, self.bits)

    def of_bits(self, bits: Any) -> Vector:
        return Vector(self, self.builder.bitcast(bits, self.type))

    def bit_pattern(self, number: int) -> Any:
        return ir.Constant(self.bits, [number] * self.lanes)

    def loop(
        self, start: Any, stop: Any, step: int, body: Callable[..., Any], *carried: Vector
    ) -> list[Vector]:
        """Run the body for start, start + step, …; what it returns is what it gets next time."""
        b, stop = self.builder, self.whole(stop)

        def inside(i: Whole, *now: Any) -> list[Any]:
            following = body(i, *(Vector(self, each) for each in now)) or ()
            return [b.add(i, self.whole(step)), *(vector.ir for vector in following)]

        first = [self.whole(start), *(vector.ir for vector in carried)]
        _, *last = self.loop_while(lambda i, *_: b.icmp_signed("<", i, stop), inside, *first)
        return [Vector(self, each) for each in last]

    def loop_while(
        self, holds: Callable[..., Any], body: Callable[..., Sequence[Any]], *first: Any
    ) -> list[Any]:
        """Run the body while a condition holds; both get the first numbers, then what the body
        returned."""
        b, before = self.builder, self.builder.block
        head, inside, after = (b.append_basic_block() for _ in range(3))
        b.branch(head)
        b.position_at_end(head)
        now = [b.phi(each.type) for each in first]
        b.cbranch(holds(*now), inside, after)
        b.position_at_end(inside)
        following = body(*now)
        for phi, one, later in zip(now, first, following, strict=True):
            phi.add_incoming(one, before)
            phi.add_incoming(later, b.block)
        b.branch(head)
        b.position_at_end(after)
        return now

    def least(self, a: Whole, b: Whole) -> Whole:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def is_set(self, a: Whole) -> Any:
        return self.builder.icmp_signed("!=", a, self.whole(0))

    def _call(self, name: str, arguments: Sequence[Any]) -> Vector:
        function = self.external(name, self.type, *[argument.type for argument in arguments])
        return Vector(self, self.builder.call(function, arguments))
