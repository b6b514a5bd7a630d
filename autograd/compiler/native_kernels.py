"""The library of kernels: what the native backend can do to blocks, with all sizes at run time.

A program is followed as a table of 32-bit *words*: entry after entry a kernel's number and its
arguments, which are sizes, places in the memory and strides, counted in numbers.  A varying number
takes R places, one per row of a strip, and R is a multiple of the lanes: kernels work on whole
vectors and may leave anything in lanes beyond the strip's rows; only sums over rows look at
how many there are.  `native_tables.SIGNATURES` says what arguments each kernel takes; a `dst` is
where its result goes, in C order.

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
    FEW_REGISTERS,
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
"""The words behind the kernel's number, the memory, the rows in this strip, and whether it is the
first; returns where the next entry begins."""

Turn: TypeAlias = Callable[[Whole], None]
"""What is done for one number of a loop."""

TILE = 4
"""A matrix product keeps TILE x TILE vectors of sums in registers; half where these are few."""


def symbol(name: str) -> str:
    """A kernel's name in object code."""
    return f"kernel.{sha256(name.encode()).hexdigest()[:20] if '|' in name else name}"


def emit_kernel(module: Any, name: str, lanes: int) -> None:
    """A kernel as a function of the module."""
    if "|" in name and not {*"vV"} & {*"".join(kinds_of(name))}:
        lanes = 1  # single numbers
    kernel = Kernel(module, name, lanes)
    if name.startswith(WITH):
        _outer_with(kernel, name.removeprefix(WITH))
    elif "|" in name:
        _elementwise(kernel, name)
    else:
        BODIES[name](kernel)
    kernel.finish()


class Kernel(Emitter):
    """A kernel that is being written, and its arguments by name."""

    def __init__(self, module: Any, name: str, lanes: int) -> None:
        super().__init__(module, symbol(name), KERNEL.args, KERNEL.return_type, lanes)
        self.words, self.memory, self.rows, self.is_first = self.function.args
        names = signature(name)
        given = [argument for argument in names if argument[0] != "*"]
        self.given = {each: self.load_whole(self.words, q) for q, each in enumerate(given)}
        self.index = self.at(self.words, len(given), kind=WORD)
        self.last = self.sum(len(given), (self["n"], names.count("*index")))
        """How many words it has."""

    def __getitem__(self, name: str) -> Whole:
        return self.given[name]

    def line(self, *terms: Any) -> Pointer:
        """Where a line of numbers begins."""
        return self.frozen(self.at(self.memory, *terms))

    def each(self, count: str, body: Callable[[Whole], Any], step: int = 1) -> None:
        self.loop(0, self[count], step, body)

    def each_vector(self, body: Callable[[Whole, Whole], Any]) -> None:
        """For every number, over the rows of a strip, a vector at a time."""
        self.each("n", lambda i: self.each("R", partial(body, i), self.lanes))

    def load_one(self, *terms: Any) -> Any:
        return self.builder.load(self.at(self.memory, *terms), typ=DOUBLE)

    def store_one(self, number: Any, *terms: Any) -> None:
        self.builder.store(number, self.at(self.memory, *terms))

    def finish(self) -> None:
        self.builder.ret(self.at(self.words, self.last, kind=WORD))


def _elementwise(k: Kernel, name: str) -> None:
    """dst[i] = what the name says of the a[i]: element i is at a + i s, or a + index."""
    element = _element(k, name)
    if k.lanes > 1:
        k.each("n", lambda i: k.each("R", element(i), k.lanes))
    else:
        k.each("n", lambda i: element(i)(k.whole(0)))


def _element(k: Kernel, name: str) -> Callable[[Whole], Turn]:
    """What an element-wise kernel does: for an element, and then for a vector of its rows.

    All is read before anything is stored, so that a result may go to where an operand is.
    """
    (reads, writes), (_, text, stored) = kinds_of(name), name.split("|")
    read = {f"a{q}": kind for q, kind in enumerate(reads)}
    kinds = read | {f"dst{q}": kind for q, kind in enumerate(writes)}
    indexed = [name for name, kind in kinds.items() if kind in INDEXED]

    def start(name: str, i: Whole) -> Pointer:
        if name in indexed:
            return k.line(k[name], k.load_whole(k.index, k.sum((k["n"], indexed.index(name)), i)))
        return k.line(k[name], (i, k[name.replace("a", "s").replace("dst", "d")]))

    def element(i: Whole) -> Turn:
        starts = {name: start(name, i) for name in kinds}
        same = {a: k.load_all(starts[a]) for a in read if kinds[a] in "uU"}

        def vector(r: Whole) -> None:
            known = same | {a: k.load(starts[a], r) for a in read if kinds[a] in "vV"}
            for number, operation in enumerate(filter(None, text.split(";"))):
                word, *operands = operation.split()
                known[f"r{number}"] = compute(k, word, *[known[each] for each in operands])
            for q, result in enumerate(stored.split()):
                k.store(known[result], starts[f"dst{q}"], r)

        return vector

    return element


def _reduce(k: Kernel, combine: Callable[..., Vector]) -> None:
    """dst[i] = a[i, 0] … a[i, m - 1] combined in order, row by row."""

    def number(i: Whole, r: Whole) -> None:
        start = k.line(k["a"], (i, k["s"]), r)

        def body(j: Whole, so_far: Vector) -> list[Vector]:
            return [combine(k, so_far, k.load(start, (j, k["t"])))]

        (result,) = k.loop(1, k["m"], 1, body, k.load(start))
        k.store(result, k.line(k["dst"], (i, k["R"])), r)

    k.each_vector(number)


def _sum_of(k: Kernel, start: Pointer, count: Whole) -> Any:
    """The sum of so many numbers in a line; -0 is what changes nothing when added to."""
    nothing, whole = k.vector(-0.0), k.builder.and_(count, k.whole(-k.lanes))
    (total,) = k.loop(0, whole, k.lanes, lambda r, total: [total + k.load(start, r)], nothing)
    # a mask takes longer than an addition: only once, and there may be nothing left
    rest = k.first_lanes(k.builder.sub(count, whole))
    return k.total(total + k.choose(rest, k.load(start, whole), nothing))


def _total(k: Kernel) -> None:
    """dst[i] = a[i, 0] + … + a[i, m - 1], of numbers that lie in a line."""
    k.each("n", lambda i: k.store_one(_sum_of(k, k.line(k["a"], (i, k["s"])), k["m"]), k["dst"], i))


def _mean(k: Kernel) -> None:
    """dst[i d + j e] += share * the sum of a[i, j] over the rows."""
    b, share = k.builder, k.load_one(SHARE)

    def one(i: Whole, j: Whole) -> None:
        start = k.line(k["a"], (i, k["s"]), (j, k["t"]))
        total = b.fmul(_sum_of(k, start, k.rows), share)
        dst = k.sum(k["dst"], (i, k["d"]), (j, k["e"]))
        k.store_one(b.select(k.is_set(k.is_first), total, b.fadd(k.load_one(dst), total)), dst)

    k.each("m", lambda j: k.each("n", lambda i: one(i, j)))


def _take(k: Kernel) -> None:
    """dst[i] = a[i, index[i]], in row r ``row`` r further on; nan for an index that is not whole or
    outside, which is not read."""
    b, most = k.builder, k.spread(k.builder.sitofp(k["m"], DOUBLE))

    def number(i: Whole, r: Whole) -> None:
        index = k.load(k.line(k["index"], (i, k["i"])), r)
        inside = b.and_(k.compare("<=", 0.0, index), k.compare("<", index, most))
        found = b.and_(inside, k.compare("==", k.intrinsic("floor", index), index))
        places = Vector(k, b.fptosi(k.choose(found, index, 0.0).ir, k.bits))
        chosen = k.joined(
            k.load_one(k["a"], (i, k["s"]), (k.lane(places, q), k["t"]), (k.sum(r, q), k["row"]))
            for q in range(k.lanes)
        )
        k.store(k.choose(found, chosen, float("nan")), k.line(k["dst"], (i, k["R"])), r)

    k.each_vector(number)


def _tiles(e: Emitter, count: Whole, step: int, tile: Callable[[int, Whole], None]) -> None:
    """Along a side of a result, of numbers or of vectors: by the largest tiles, then by smaller."""
    start = e.whole(0)
    for size in (TILE, 2, 1) if step == 1 else (_width(e), 1):
        stop = e.builder.and_(count, e.whole(-size * step)) if size > 1 else count
        e.loop(start, stop, size * step, partial(tile, size))
        start = stop


def _width(e: Emitter) -> int:
    return TILE // 2 if e.lanes == FEW_REGISTERS else TILE


def _products(
    k: Kernel,
    sums: Sequence[Vector],
    count: Whole,
    left: tuple[Sequence[Pointer], Whole],
    right: tuple[Pointer, Whole],
    turn: Turn | None = None,
) -> list[Vector]:
    """The sums, and each number on the left times each vector on the right, so many times: both are
    where they begin, and what is from one to the next."""
    (rows, t), (start, step), width = left, right, len(sums) // len(left[0])

    def body(j: Whole, *sums: Vector) -> list[Vector]:
        if turn:
            turn(j)
        columns = [k.load(start, (j, step), k.lanes * v) for v in range(width)]
        numbers = [k.load_all(row, (j, t)) for row in rows]
        products = [(number, column) for number in numbers for column in columns]
        return [k.fma(*product, so_far) for product, so_far in zip(products, sums, strict=True)]

    return k.loop(0, count, 1, body, *sums)


def _matmul(k: Kernel) -> None:
    """dst[w, i] = bias[w, i] + the sum over j of a[i, j] b[w, j]; a and the bias are uniform."""
    lanes = k.lanes

    def tile(w: Whole, width: int, c: Whole, height: int, i: Whole) -> None:
        bias = [
            k.load_all(k.line(k["bias"], (w, k["cw"]), (k.sum(i, r), k["cs"])))
            for r in range(height)
        ]
        rows = [k.line(k["a"], (k.sum(i, r), k["s"])) for r in range(height)]
        start = k.line(k["b"], (w, k["bw"]), c)
        first = [number for number in bias for _ in range(width)]
        results = _products(k, first, k["m"], (rows, k["t"]), (start, k["bt"]))
        for q, result in enumerate(results):
            place = k.sum((w, k["n"]), i, q // width)
            k.store(result, k.line(k["dst"], (place, k["R"]), c), lanes * (q % width))

    def window(w: Whole) -> None:
        rows = partial(_tiles, k, k["n"], 1)
        _tiles(k, k["R"], lanes, lambda width, c: rows(partial(tile, w, width, c)))

    k.each("w", window)


def _outer(k: Kernel, turns: Callable[[Whole], Turn] | None = None) -> None:
    """dst[i d + j] += share * the sum over rows and w of a[w, i] b[w, j]; b lies row by row.

    Something else may have a turn in every row of a large tile: ``turns`` says what, once it is
    told how many numbers of the result are complete by then.
    """
    b, lanes = k.builder, k.lanes
    share = k.load_all(k.memory, SHARE)

    def tile(height: int, i: Whole, width: int, c: Whole) -> None:
        turn = turns(b.mul(i, k["d"])) if turns and (height, width) == (TILE, _width(k)) else None

        def window(w: Whole, *sums: Vector) -> list[Vector]:
            rows = [k.line(k["a"], (w, k["aw"]), (k.sum(i, r), k["as"])) for r in range(height)]
            start = k.line(k["b"], (w, k["bw"]), c)
            return _products(k, sums, k.rows, (rows, 1), (start, k["br"]), turn)

        mask = None if width > 1 else k.first_lanes(b.sub(k["m"], c))
        sums = k.loop(0, k["w"], 1, window, *[k.vector(0.0)] * (height * width))
        for q, total in enumerate(sums):
            row = k.line(k["dst"], (k.sum(i, q // width), k["d"]), c)
            _accumulate(k, total * share, k.at(row, lanes * (q % width)), mask)

    columns = partial(_tiles, k, k["m"], lanes)
    _tiles(k, k["n"], 1, lambda height, i: columns(partial(tile, height, i)))


def _outer_with(k: Kernel, name: str) -> None:
    """An outer product, and meanwhile an element-wise kernel on ``count`` numbers, of which
    ``before`` come before the product's: a vector per row if it is complete, and then the rest."""
    b = k.builder
    vector, done = _element(k, name)(k.whole(0)), b.alloca(WHOLE)
    b.store(k.whole(0), done)

    def turns(complete: Whole) -> Turn:
        last = k.sum(k["before"], complete, -k.lanes)

        def turn(r: Whole) -> None:
            place = b.load(done, typ=WHOLE)
            with b.if_then(b.icmp_signed("<=", place, last)):
                vector(place)
                b.store(k.sum(place, k.lanes), done)

        return turn

    _outer(k, turns)
    k.loop(b.load(done, typ=WHOLE), k["count"], k.lanes, vector)


def _accumulate(k: Kernel, vector: Vector, place: Pointer, mask: Any) -> None:
    """Store in the first strip, add in those that follow."""
    before = k.load(place)
    after = k.choose(k.is_set(k.is_first), vector, before + vector)
    k.store(after if mask is None else k.choose(mask, after, before), place)


def _transpose(k: Kernel) -> None:
    """dst[r d + i] = a[i] in row r: varying numbers to rows; room for whole vectors is needed."""
    lanes = k.lanes

    def square(i: Whole, r: Whole) -> None:
        # beyond the last number the last is read again: what is left there is never looked at
        last = k.sum(k["n"], -1)
        vectors = [
            k.load(k.line(k["a"], (k.least(k.sum(i, q), last), k["s"])), r) for q in range(lanes)
        ]
        for q, vector in enumerate(transposed(k, vectors)):
            row = k.sum(r, q)
            with k.builder.if_then(k.builder.icmp_signed("<", row, k["R"])):
                k.store(vector, k.line(k["dst"], (row, k["d"])), i)

    k.each("n", lambda i: k.each("R", partial(square, i), lanes), lanes)


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


BODIES: Mapping[str, Callable[[Kernel], None]] = {
    "sum": partial(_reduce, combine=lambda e, a, b: a + b),
    "max": partial(_reduce, combine=PLAIN["maximum"]),
    "total": _total,
    "take": _take,
    "mean": _mean,
    "matmul": _matmul,
    "outer": _outer,
    "transpose": _transpose,
}
