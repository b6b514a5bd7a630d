"""The library of kernels: what the native backend can do to blocks, with all sizes at run time.

A program is followed as a table of 32-bit *words*: entry after entry a kernel's number and its
arguments, which are sizes, places in the memory and strides, counted in numbers.  A varying number
takes R places, one per row of a block of rows, and R is a multiple of the lanes: kernels work on
whole vectors and may leave anything in lanes beyond the block's rows; only sums over rows look at
how many there are.  `SIGNATURES` says what arguments each kernel takes; a `dst` is where its
result goes, in C order.

Uniform blocks are rows of one number: R = 1 for kernels that take R.  Such a kernel writes up to a
vector beyond each result and then overwrites that with the next one, so every block has room for a
vector behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias

from llvmlite import ir

from autograd.compiler.native_emit import (
    DOUBLE,
    POINTER,
    WHOLE,
    WORD,
    Emitter,
    Pointer,
    Vector,
    Whole,
)
from autograd.compiler.native_math import PLAIN, compute
from autograd.compiler.native_tables import INDEXED, SHARE, WITH, kinds_of, signature

KERNEL = ir.FunctionType(POINTER, [POINTER, POINTER, WHOLE, WHOLE])
"""The words behind the kernel's number, the memory, the rows in this block of rows, and whether it
is the first; returns where the next entry begins."""

Turn: TypeAlias = Callable[[Whole], None]
"""What is done for one number of a loop."""

TILE = 4
"""A matrix product keeps TILE x TILE vectors of sums in registers."""


def symbol(name: str) -> str:
    """A kernel's name in object code."""
    return f"kernel.{sha256(name.encode()).hexdigest()[:20] if '|' in name else name}"


def emit_kernel(module: Any, name: str, lanes: int) -> None:
    """A kernel as a function of the module."""
    if name == "take" or ("|" in name and not {*"vV"} & {*"".join(kinds_of(name))}):
        lanes = 1  # single numbers
    kernel = _Kernel(module, name, lanes)
    if name.startswith(WITH):
        _outer_with(kernel, name.removeprefix(WITH))
    elif "|" in name:
        _elementwise(kernel, name)
    else:
        BODIES[name](kernel)
    kernel.finish()


class _Kernel:
    """A kernel that is being written: its emitter, and its arguments by name."""

    def __init__(self, module: Any, name: str, lanes: int) -> None:
        arguments, result = KERNEL.args, KERNEL.return_type
        self.e = Emitter(module, symbol(name), arguments, result, lanes)
        self.words, self.memory, self.rows, self.is_first = self.e.function.args
        names = signature(name)
        given = [argument for argument in names if argument[0] != "*"]
        self.at = {each: self.e.load_whole(self.words, q) for q, each in enumerate(given)}
        self.index = self.e.at(self.words, len(given), kind=WORD)
        indices = names.count("*index")
        self.last = self.e.sum(len(given), (self["n"], indices))
        """How many words it has."""

    def __getitem__(self, name: str) -> Whole:
        return self.at[name]

    def line(self, *terms: Any) -> Pointer:
        """Where a line of numbers begins."""
        return self.e.frozen(self.e.at(self.memory, *terms))

    def each(self, count: str | Whole, body: Callable[[Whole], Any], step: int = 1) -> None:
        self.e.loop(0, self[count] if isinstance(count, str) else count, step, body)

    def each_vector(self, body: Callable[[Whole], Any]) -> None:
        """Over the rows of a block, a vector at a time."""
        self.each("R", body, self.e.lanes)

    def load_one(self, *terms: Any) -> Any:
        return self.e.builder.load(self.e.at(self.memory, *terms), typ=DOUBLE)

    def store_one(self, number: Any, *terms: Any) -> None:
        self.e.builder.store(number, self.e.at(self.memory, *terms))

    def finish(self) -> None:
        self.e.builder.ret(self.e.at(self.words, self.last, kind=WORD))


def _elementwise(k: _Kernel, name: str) -> None:
    """dst[i] = what the name says of the a[i]: element i is at a + i s, or a + index."""
    element = _element(k, name)
    if k.e.lanes > 1:
        k.each("n", lambda i: k.each_vector(element(i)))
    else:
        k.each("n", lambda i: element(i)(k.e.whole(0)))


def _element(k: _Kernel, name: str) -> Callable[[Whole], Turn]:
    """What an element-wise kernel does: for an element, and then for a vector of its rows.

    All is read before anything is stored, so that a result may go to where an operand is.
    """
    e, (reads, writes), (_, text, stored) = k.e, kinds_of(name), name.split("|")
    read = {f"a{q}": kind for q, kind in enumerate(reads)}
    kinds = read | {f"dst{q}": kind for q, kind in enumerate(writes)}
    indexed = [name for name, kind in kinds.items() if kind in INDEXED]

    def start(name: str, i: Whole) -> Pointer:
        if name in indexed:
            return k.line(k[name], e.load_whole(k.index, e.sum((k["n"], indexed.index(name)), i)))
        return k.line(k[name], (i, k[name.replace("a", "s").replace("dst", "d")]))

    def element(i: Whole) -> Turn:
        starts = {name: start(name, i) for name in kinds}
        same = {a: e.load_all(starts[a]) for a in read if kinds[a] in "uU"}

        def vector(r: Whole) -> None:
            known = same | {a: e.load(starts[a], r) for a in read if kinds[a] in "vV"}
            for number, operation in enumerate(filter(None, text.split(";"))):
                word, *operands = operation.split()
                known[f"r{number}"] = compute(e, word, *[known[each] for each in operands])
            for q, result in enumerate(stored.split()):
                e.store(known[result], starts[f"dst{q}"], r)

        return vector

    return element


def _reduce(k: _Kernel, combine: Callable[..., Vector]) -> None:
    """dst[i] = a[i, 0] … a[i, m - 1] combined in order, row by row."""
    e = k.e

    def row(i: Whole) -> None:
        def vector(r: Whole) -> None:
            start = k.line(k["a"], (i, k["s"]), r)
            body = lambda j, so_far: [combine(e, so_far, e.load(start, (j, k["t"])))]  # noqa: E731
            (result,) = e.loop(1, k["m"], 1, body, e.load(start))
            e.store(result, k.line(k["dst"], (i, k["R"])), r)

        k.each_vector(vector)

    k.each("n", row)


def _sum_of(k: _Kernel, start: Pointer, count: Whole) -> Any:
    """The sum of so many numbers in a line; -0 is what changes nothing when added to."""
    e, nothing = k.e, k.e.vector(-0.0)

    def body(r: Whole, so_far: Vector) -> list[Vector]:
        inside = e.first_lanes(e.builder.sub(count, r))
        return [so_far + e.choose(inside, e.load(start, r), nothing)]

    (total,) = e.loop(0, count, e.lanes, body, nothing)
    return e.total(total)


def _total(k: _Kernel) -> None:
    """dst[i] = a[i, 0] + … + a[i, m - 1], of numbers that lie in a line."""
    k.each("n", lambda i: k.store_one(_sum_of(k, k.line(k["a"], (i, k["s"])), k["m"]), k["dst"], i))


def _mean(k: _Kernel) -> None:
    """dst[i d + j e] += share * the sum of a[i, j] over the rows."""
    b, share = k.e.builder, k.load_one(SHARE)

    def one(i: Whole, j: Whole) -> None:
        start = k.line(k["a"], (i, k["s"]), (j, k["t"]))
        total = b.fmul(_sum_of(k, start, k.rows), share)
        dst = k.e.sum(k["dst"], (i, k["d"]), (j, k["e"]))
        k.store_one(b.select(k.e.is_not(k.is_first, 0), total, b.fadd(k.load_one(dst), total)), dst)

    k.each("n", lambda i: k.each("m", lambda j: one(i, j)))


def _take(k: _Kernel) -> None:
    """dst[i] = a[i, index[i]], in row r ``row`` r further on; nan for an index that is not whole or
    outside, which is not read."""
    e, b = k.e, k.e.builder
    most = e.spread(b.sitofp(k["m"], DOUBLE))

    def row(i: Whole) -> None:
        def vector(r: Whole) -> None:
            index = e.load(k.line(k["index"], (i, k["i"])), r)
            inside = b.and_(e.compare("<=", 0.0, index), e.compare("<", index, most))
            found = b.and_(inside, e.compare("==", e.intrinsic("floor", index), index))
            j = b.fptosi(e.lane(e.choose(found, index, 0.0), 0), WHOLE)
            number = e.load(k.line(k["a"], (i, k["s"]), (j, k["t"]), (r, k["row"])))
            result = e.choose(found, number, float("nan"))
            e.store(result, k.line(k["dst"], (i, k["R"])), r)

        k.each_vector(vector)

    k.each("n", row)


def _tiles(e: Emitter, count: Whole, step: int, tile: Callable[[Whole, int], None]) -> None:
    """Along a side of a result, TILE steps at a time and then one by one."""
    whole = e.builder.and_(count, e.whole(-TILE * step))
    e.loop(0, whole, TILE * step, lambda i: tile(i, TILE))
    e.loop(whole, count, step, lambda i: tile(i, 1))


def _products(
    e: Emitter, sums: Sequence[Vector], left: Sequence[Pointer], right: Pointer
) -> list[Vector]:
    """Each number on the left times each vector on the right, added to the sums."""
    width = len(sums) // len(left)
    columns = [e.load(right, e.lanes * v) for v in range(width)]
    numbers = map(e.load_all, left)
    products = [(number, column) for number in numbers for column in columns]
    return [e.fma(*product, so_far) for product, so_far in zip(products, sums, strict=True)]


def _matmul(k: _Kernel) -> None:
    """dst[w, i] = bias[w, i] + the sum over j of a[i, j] b[w, j]; a and the bias are uniform."""
    e, lanes = k.e, k.e.lanes

    def tile(w: Whole, c: Whole, width: int, i: Whole, height: int) -> None:
        bias = [
            e.load_all(k.line(k["bias"], (w, k["cw"]), (e.sum(i, r), k["cs"])))
            for r in range(height)
        ]
        rows = [k.line(k["a"], (e.sum(i, r), k["s"])) for r in range(height)]
        start = k.line(k["b"], (w, k["bw"]), c)

        def body(j: Whole, *sums: Vector) -> list[Vector]:
            left = [e.at(row, (j, k["t"])) for row in rows]
            return _products(e, sums, left, e.at(start, (j, k["bt"])))

        first = [number for number in bias for _ in range(width)]
        results = e.loop(0, k["m"], 1, body, *first)
        for q, result in enumerate(results):
            place = e.sum((w, k["n"]), i, q // width)
            e.store(result, k.line(k["dst"], (place, k["R"]), c), lanes * (q % width))

    def window(w: Whole) -> None:
        count = e.builder.and_(e.sum(k["R"], lanes - 1), e.whole(-lanes))
        rows = partial(_tiles, e, k["n"], 1)
        _tiles(e, count, lanes, lambda c, width: rows(partial(tile, w, c, width)))

    k.each("w", window)


def _outer(k: _Kernel, turns: Callable[[Whole], Turn] | None = None) -> None:
    """dst[i d + j] += share * the sum over rows and w of a[w, i] b[w, j]; b lies row by row.

    Something else may have a turn in every row of a large tile: ``turns`` says what, once it is
    told how many numbers of the result are complete by then.
    """
    e, b, lanes = k.e, k.e.builder, k.e.lanes
    share = e.load_all(k.memory, SHARE)

    def tile(i: Whole, height: int, c: Whole, width: int) -> None:
        turn = turns(b.mul(i, k["d"])) if turns and height == width == TILE else None

        def window(w: Whole, *sums: Vector) -> list[Vector]:
            rows = [k.line(k["a"], (w, k["aw"]), (e.sum(i, r), k["as"])) for r in range(height)]
            start = k.line(k["b"], (w, k["bw"]), c)

            def body(r: Whole, *sums: Vector) -> list[Vector]:
                if turn:
                    turn(r)
                left = [e.at(row, r) for row in rows]
                return _products(e, sums, left, e.at(start, (r, k["br"])))

            return e.loop(0, k.rows, 1, body, *sums)

        mask = None if width > 1 else e.first_lanes(b.sub(k["m"], c))
        sums = e.loop(0, k["w"], 1, window, *[e.vector(0.0)] * (height * width))
        for q, total in enumerate(sums):
            row = k.line(k["dst"], (e.sum(i, q // width), k["d"]), c)
            _accumulate(k, total * share, e.at(row, lanes * (q % width)), mask)

    columns = partial(_tiles, e, k["m"], lanes)
    _tiles(e, k["n"], 1, lambda i, height: columns(partial(tile, i, height)))


def _outer_with(k: _Kernel, name: str) -> None:
    """An outer product, and meanwhile an element-wise kernel on ``count`` numbers, of which
    ``before`` come before the product's: a vector whenever it is complete, and then the rest."""
    e, b = k.e, k.e.builder
    vector, done = _element(k, name)(e.whole(0)), b.alloca(WHOLE)
    b.store(e.whole(0), done)

    def turns(complete: Whole) -> Turn:
        last = e.sum(k["before"], complete, -e.lanes)

        def turn(r: Whole) -> None:
            place = b.load(done, typ=WHOLE)
            # a root and a division take as long as the products of two rows
            is_even = b.icmp_signed("==", b.and_(r, e.whole(1)), e.whole(0))
            with b.if_then(b.and_(is_even, b.icmp_signed("<=", place, last))):
                vector(place)
                b.store(e.sum(place, e.lanes), done)

        return turn

    _outer(k, turns)
    e.loop(b.load(done, typ=WHOLE), k["count"], e.lanes, vector)


def _accumulate(k: _Kernel, vector: Vector, place: Pointer, mask: Any) -> None:
    """Store in the first block of rows, add in those that follow."""
    e, before = k.e, k.e.load(place)
    after = e.choose(e.is_not(k.is_first, 0), vector, before + vector)
    e.store(after if mask is None else e.choose(mask, after, before), place)


def _transpose(k: _Kernel) -> None:
    """dst[r d + i] = a[i] in row r: varying numbers to rows; room for whole vectors is needed."""
    lanes = k.e.lanes

    def square(i: Whole, r: Whole) -> None:
        # beyond the last number the last is read again: what is left there is never looked at
        last = k.e.sum(k["n"], -1)
        vectors = [
            k.e.load(k.line(k["a"], (k.e.least(k.e.sum(i, q), last), k["s"])), r)
            for q in range(lanes)
        ]
        for q, vector in enumerate(transposed(k.e, vectors)):
            row = k.e.sum(r, q)
            with k.e.builder.if_then(k.e.builder.icmp_signed("<", row, k["R"])):
                k.e.store(vector, k.line(k["dst"], (row, k["d"])), i)

    k.each("n", lambda i: k.each_vector(lambda r: square(i, r)), lanes)


def transposed(e: Emitter, rows: Sequence[Vector]) -> list[Vector]:
    """As many vectors as lanes, seen the other way."""
    vectors, half, lanes = list(rows), 1, e.lanes
    while half < lanes:
        low = [q if not q & half else lanes + q - half for q in range(lanes)]
        high = [q + half if not q & half else lanes + q for q in range(lanes)]
        for q in range(lanes):
            if not q & half:
                a, b = vectors[q], vectors[q + half]
                vectors[q], vectors[q + half] = e.shuffle(a, b, low), e.shuffle(a, b, high)
        half *= 2
    return vectors


BODIES: Mapping[str, Callable[[_Kernel], None]] = {
    "sum": partial(_reduce, combine=lambda e, a, b: a + b),
    "max": partial(_reduce, combine=PLAIN["maximum"]),
    "total": _total,
    "take": _take,
    "mean": _mean,
    "matmul": _matmul,
    "outer": _outer,
    "transpose": _transpose,
}
