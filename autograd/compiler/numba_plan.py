"""From a Wengert list to the program of the block interpreter.

The list becomes a table of integers, one line per register, and a few compiled passes go over it,
each linear in its length:

*mark*     what the wanted registers need, and how often each is used.
*split*    a gradient into what is the same for every row and what has to be summed over the rows.
           Products that are nothing but gradients are not computed row by row: those with a common
           factor become one *outer* product.
*fuse*     sums that are used once become one *chain*: of plain terms, of products, or of
           products with a uniform factor (a neuron).
*order*    instructions by level, so that equal ones come together and share a dispatch, and neurons
           over the same inputs share their loads; as recorded, if that needs far fewer columns.
*emit*     operands become columns, which are handed on after their last use, or uniform numbers.

The additions of every row keep the order of the list: a row gets the numbers of the eager engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autograd.compiler import numba_step as step
from autograd.compiler.numba_cache import is_kept, native, plain

if TYPE_CHECKING:
    from autograd.compiler.linear import WengertList

Integers = npt.NDArray[np.int32]

CONSTANT, PARAMETER, INPUT, OUTER, REDUCE = 110, 111, 112, 113, 114
"""Lines that no operation computes: leaves; and, after the registers, sums over the rows."""

ALONE, DOT, PRODUCTS, SUM, ABSORBED = 0, 1, 2, 3, 4
"""Roles: an instruction by itself, the last addition of a chain, or part of another instruction."""

START, LINK, PRODUCT = 0, 1, 2
"""What a term is added to: some register, the chain so far, or the product it begins with."""

(
    OPERATION, A, B, C, D, UNIFORM, LIVE, USES, ROLE, BEFORE, BEFORE_KIND, TERM, LENGTH, LEVEL,
    PLACE, LAST, WIDTH,
) = range(17)  # fmt: skip
"""The columns of the table.

A to D are the operands, -1 where there is none; of an outer product the common factor, the
first item and the item after the last; of a sum over rows the register and its slot.  A chain's
last addition has its LENGTH, and every addition in it a TERM and what stands BEFORE it.  PLACE is
the operand that the register becomes, LAST where in the program it is last used.
"""

PARAMETERS, END, RUN, COLUMNS, IDLE, SLOTS, MOVED = range(7)
"""The state of emission: words written, where the last instruction began, columns in all and free
ones, slots in all, and gradients to be moved."""

LIMIT = 64
"""Terms of a chain of columns: enough to forget its overhead, few enough to stay in the cache."""

SHORT = 3
"""Products with a common factor from which an outer product pays."""

MANY = 1024
"""Columns from which it matters how many there are."""

SHORT_LIST = 20_000
"""Instructions up to which the passes are quick enough, if need be, without being compiled."""

NEVER = 2**31 - 1
PRINT_BITS = 2**60 - 1
ADD, MULTIPLY, WHERE = step.OPCODES["add"], step.OPCODES["multiply"], step.OPCODES["where"]
LESS, EQUAL = step.OPCODES["less"], step.OPCODES["equal"]
IF_LESS = step.OPCODES["less, where"]
_CODES = {**step.OPCODES, "constant": CONSTANT, "parameter": PARAMETER, "input": INPUT}


@dataclass(frozen=True, slots=True)
class Plan:
    """A Wengert list made ready for some of its registers: nothing but numbers and arrays."""

    uniform_code: Integers
    block_code: Integers
    loads: Integers
    """Which inputs are read into the first columns."""
    uniforms: npt.NDArray[np.float64]
    """Parameters first, then -0.0, constants, and room for what is computed."""
    parameters: int
    columns: int
    slots: int
    """Sums over the rows: each parameter's gradient, the roots, and gradients to be moved."""
    kept: Integers
    """Operands of the registers wanted row by row."""
    totals: Integers
    """Uniform numbers that belong to the summed value."""
    moves: Integers
    """Triples (slot, parameter, count): gradients that are not in their own slots."""
    extras: Integers
    """Triples (parameter, uniform number, count): parts of gradients that all rows share."""


def plan_values(wengert: WengertList) -> Plan:
    """The program for the roots of every row."""
    kept = np.array(wengert.outputs, np.int32)
    table = _table(wengert, 0)
    _passes(len(table))._mark(table, kept)
    none = np.empty((0, 2), np.int32)
    return _plan(wengert, table, kept, none, none, none, kept[:0])


def plan_gradient(wengert: WengertList) -> Plan:
    """The program for the mean of the summed roots, and its gradient."""
    outputs, gradients = (
        np.array(registers, np.int32) for registers in (wengert.outputs, wengert.gradients)
    )
    n, parameters = len(wengert.operations), len(gradients)
    passes = _passes(n)
    table = _table(wengert, parameters + len(outputs))
    passes._mark(table, np.concatenate([outputs, gradients]))
    degrees = np.zeros((n, 2), np.int32)
    extras = np.empty((n + parameters, 2), np.int32)
    parts, products = np.empty(parameters, np.int32), np.empty((parameters, 3), np.int32)
    extras = extras[: passes._split(table, gradients, parts, extras)]
    products = products[: passes._products(table, parts, degrees, products)]
    products = products[np.argsort(products[:, 0], kind="stable")]
    rows = _rows(products[:, 0])
    moves = np.empty((parameters, 2), np.int32)
    varying = outputs[table[outputs, UNIFORM] == 0]
    lines, moved = passes._sums(table, n, rows, varying, parts, degrees, moves)
    totals = outputs[table[outputs, UNIFORM] == 1]
    items = np.ascontiguousarray(products[:, 1:])
    return _plan(wengert, table[:lines], outputs[:0], items, moves[:moved], extras, totals)


def _plan(
    wengert: WengertList, table: Integers, kept: Integers, items: Integers, moves: Integers,
    extras: Integers, totals: Integers,
) -> Plan:  # fmt: skip
    n, parameters = len(wengert.operations), _parameter_count(wengert)
    passes = _passes(n)
    passes._fuse(table, n)
    prints = np.zeros(len(table), np.int64)
    latest = np.arange(len(table), dtype=np.int32)
    scratch = np.empty(2 * (2 * LIMIT + 8), np.int32)
    passes._levels(table, items, prints, latest, scratch)
    uniforms = _number_leaves(wengert, table, parameters)
    order = _uniform_order(table)
    length = int(table[order, LENGTH].sum()) if len(order) else 0
    buffer = np.empty(8 * len(order) + 2 * length + 4, np.int32)
    words, computed = passes._emit_uniform(
        table, items, order, buffer, np.empty_like(buffer), parameters, len(uniforms)
    )
    uniform_code = buffer[:words].copy()
    order = _block_order(passes, table, items, kept, prints, latest, scratch)
    passes._last_uses(table, items, order, kept, scratch)
    inputs = np.flatnonzero(table[:n, LIVE] & (table[:n, OPERATION] == INPUT))
    loads = table[inputs, PLACE]
    table[inputs, PLACE] = np.arange(len(inputs))
    block = np.empty(
        18 * len(order) + 2 * int(table[order, LENGTH].sum()) + len(items) + 8 * step.LANES,
        np.int32,
    )
    free = np.empty(len(order) + len(inputs) + 1, np.int32)
    more_moves = np.empty((len(items), 2), np.int32)
    state = np.zeros(7, np.int32)
    state[[PARAMETERS, COLUMNS, SLOTS]] = parameters, len(inputs), parameters + 1
    passes._emit_block(table, items, order, block, free, more_moves, scratch, state)
    return Plan(
        uniform_code=uniform_code,
        block_code=block[: state[END]].copy(),
        loads=loads.copy(),
        uniforms=np.concatenate([uniforms, np.zeros(computed)]),
        parameters=parameters,
        columns=int(state[COLUMNS]),
        slots=int(state[SLOTS]),
        kept=table[kept, PLACE].copy(),
        totals=~table[totals, PLACE],
        moves=_runs(np.concatenate([moves, more_moves[: state[MOVED]]])),
        extras=_runs(_by_occurrence(extras[:, 0], ~table[extras[:, 1], PLACE])),
    )


def _passes(lines: int) -> Any:
    """The passes: native, or plain for a short list while nobody has paid for compiling them."""
    here = globals()
    if lines > SHORT_LIST or is_kept(here["_emit_block"]):
        return SimpleNamespace(**here)
    return plain(here)


def _parameter_count(wengert: WengertList) -> int:
    pairs = zip(wengert.operations, wengert.operands, strict=True)
    used = (operands[0] for name, operands in pairs if name == "parameter")
    return max(len(wengert.gradients), 1 + max(used, default=-1))


def _table(wengert: WengertList, more: int) -> Integers:
    """The table of a list, with lines for some more nodes."""
    n = len(wengert.operations)
    table = np.zeros((n + more, WIDTH), np.int32)
    table[:, A : D + 1] = -1
    table[:n, OPERATION] = np.fromiter(map(_CODES.__getitem__, wengert.operations), np.int32, n)
    counts = np.fromiter(map(len, wengert.operands), np.int8, n)
    flat = np.fromiter(chain.from_iterable(wengert.operands), np.int32, counts.sum(dtype=int))
    operands = np.full((n, 3), -1, np.int32)
    operands[np.arange(3, dtype=np.int8) < counts[:, None]] = flat
    leaves = table[:n, OPERATION] >= CONSTANT
    table[:n, PLACE] = operands[:, 0]
    operands[leaves] = -1
    table[:n, A : C + 1] = operands
    table[:n, UNIFORM] = wengert.uniform
    return table


def _rows(factors: Integers) -> Integers:
    """Runs of equal factors, cut to at most LIMIT: (factor, first item, item after the last)."""
    starts = np.flatnonzero(np.diff(factors, prepend=-1))
    counts = np.diff(np.append(starts, len(factors)))
    pieces = -(-counts // LIMIT)
    piece = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    first = np.repeat(starts, pieces) + piece * LIMIT
    last = np.minimum(first + LIMIT, np.repeat(starts + counts, pieces))
    return np.column_stack([factors[first], first, last]).astype(np.int32)


def _runs(pairs: Integers) -> Integers:
    """Pairs that count up together, as triples (first, first, count)."""
    breaks = np.any(np.diff(pairs, axis=0) != 1, axis=1)
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(pairs)), np.bool_), breaks]))
    counts = np.diff(np.append(starts, len(pairs)))
    return np.column_stack([pairs[starts], counts]).astype(np.int32)


def _by_occurrence(parameters: Integers, places: Integers) -> Integers:
    """Pairs of them: first the first part of every parameter's gradient, then the second parts."""
    starts = np.flatnonzero(np.diff(parameters, prepend=-1))
    occurrence = np.arange(len(parameters)) - np.repeat(
        starts, np.diff(np.append(starts, len(parameters)))
    )
    order = np.lexsort((parameters, occurrence))
    return np.column_stack([parameters[order], places[order]])


def _number_leaves(
    wengert: WengertList, table: Integers, parameters: int
) -> npt.NDArray[np.float64]:
    """Give constants places: after the parameters, and a -0.0 for sums without a start."""
    constants = {k: number for k, number in wengert.constants.items() if table[k, LIVE]}
    table[list(constants), PLACE] = parameters + 1 + np.arange(len(constants))
    leaves = (table[:, UNIFORM] == 1) & (table[:, OPERATION] >= CONSTANT)
    table[leaves, PLACE] = ~table[leaves, PLACE]
    return np.array([0.0] * parameters + [-0.0, *constants.values()])


def _uniform_order(table: Integers) -> Integers:
    nodes = _emitted(table, uniform=1)
    keys = table[nodes, LEVEL].astype(np.int64) * 256 + _kinds(table, nodes)
    return nodes[np.argsort(keys, kind="stable")]


def _block_order(
    passes: Any,
    table: Integers,
    items: Integers,
    kept: Integers,
    prints: Any,
    latest: Integers,
    scratch: Integers,
) -> Integers:
    """By level, or as recorded if that needs far fewer columns."""
    nodes = _emitted(table, uniform=0)
    keys = table[nodes, LEVEL].astype(np.int64) * 256 + _kinds(table, nodes)
    by_level = nodes[np.lexsort((prints[nodes], keys))]
    columns = passes._last_uses(table, items, by_level, kept, scratch)
    if columns > MANY:
        as_recorded = nodes[np.argsort(latest[nodes], kind="stable")]
        if 2 * passes._last_uses(table, items, as_recorded, kept, scratch) < columns:
            return as_recorded
    return by_level


def _emitted(table: Integers, uniform: int) -> Integers:
    operation = table[:, OPERATION]
    computed = (operation < CONSTANT) | (operation > INPUT)
    wanted = table[:, LIVE] & (table[:, ROLE] != ABSORBED) & (table[:, UNIFORM] == uniform)
    return np.flatnonzero(wanted & computed).astype(np.int32)


def _kinds(table: Integers, nodes: Integers) -> Any:
    """What sort of instruction each node becomes."""
    roles = table[nodes, ROLE]
    return np.where(roles == ALONE, table[nodes, OPERATION], CONSTANT - 5 + roles)


@native()
def _mark(table: Integers, roots: Integers) -> None:
    """Find what is live, and how often it is used."""
    for k in roots:
        table[k, LIVE] = 1
        table[k, USES] += 1
    for k in range(len(table) - 1, -1, -1):
        if table[k, LIVE]:
            for i in range(A, D + 1):
                operand = table[k, i]
                if operand >= 0:
                    table[operand, LIVE] = 1
                    table[operand, USES] += 1


@native()
def _split(table: Integers, gradients: Integers, parts: Integers, extras: Integers) -> int:
    """The varying part of every gradient (-1: none); its uniform parts, innermost first."""
    found = 0
    for k, register in enumerate(gradients):
        first = found
        while table[register, UNIFORM] == 0:
            a, b = table[register, A], table[register, B]
            if table[register, OPERATION] != ADD or table[register, USES] != 1:
                break
            if table[a, UNIFORM] == 0:
                a, b = b, a
            if table[a, UNIFORM] == 0:
                break
            table[register, ROLE] = ABSORBED
            extras[found, 0], extras[found, 1] = k, a
            found += 1
            register = b
        last = found - 1
        while first < last:
            extras[first, 1], extras[last, 1] = extras[last, 1], extras[first, 1]
            first += 1
            last -= 1
        parts[k] = register
        if table[register, UNIFORM]:
            extras[found, 0], extras[found, 1] = k, register
            parts[k] = -1
            found += 1
    return found


@native()
def _products(table: Integers, parts: Integers, degrees: Integers, products: Integers) -> int:
    """Gradients that are a product of two columns: (common factor, other factor, parameter)."""
    for register in parts:
        if _is_outer(table, register):
            degrees[table[register, A], 0] += 1
            degrees[table[register, B], 0] += 1
    for register in parts:
        if _is_outer(table, register):
            degrees[_common(table, degrees, register), 1] += 1
    found = 0
    for k, register in enumerate(parts):
        if _is_outer(table, register):
            factor = _common(table, degrees, register)
            if degrees[factor, 1] >= SHORT:
                a, b = table[register, A], table[register, B]
                products[found, 0], products[found, 1], products[found, 2] = (
                    factor,
                    a + b - factor,
                    k,
                )
                table[register, ROLE] = ABSORBED
                parts[k] = -1
                found += 1
    return found


@native()
def _is_outer(table: Integers, register: int) -> bool:
    if register < 0 or table[register, OPERATION] != MULTIPLY or table[register, USES] != 1:
        return False
    return bool(table[table[register, A], UNIFORM] + table[table[register, B], UNIFORM] == 0)


@native()
def _common(table: Integers, degrees: Integers, register: int) -> int:
    """The factor of a product that more products have; of two such the later one, an adjoint."""
    a, b = min(table[register, A], table[register, B]), max(table[register, A], table[register, B])
    return int(a if degrees[a, 0] > degrees[b, 0] else b)


@native()
def _sums(
    table: Integers,
    line: int,
    rows: Integers,
    varying: Integers,
    parts: Integers,
    owners: Integers,
    moves: Integers,
) -> tuple[int, int]:
    """Add lines for what is summed over the rows; who has another's sum gets it by a move."""
    for i in range(len(rows)):
        table[line, OPERATION], table[line, LIVE] = OUTER, 1
        table[line, A], table[line, B], table[line, C] = rows[i, 0], rows[i, 1], rows[i, 2]
        line += 1
    for register in varying:
        table[line, OPERATION], table[line, LIVE] = REDUCE, 1
        table[line, A], table[line, B] = register, len(parts)
        line += 1
    owners[:, 0] = -1
    moved = 0
    for k, register in enumerate(parts):
        if register < 0:
            continue
        if owners[register, 0] < 0:
            owners[register, 0] = k
            table[line, OPERATION], table[line, LIVE] = REDUCE, 1
            table[line, A], table[line, B] = register, k
            line += 1
        else:
            moves[moved, 0], moves[moved, 1] = owners[register, 0], k
            moved += 1
    return line, moved


@native()
def _fuse(table: Integers, n: int) -> None:
    """Find the chains, and the comparisons that only choose."""
    for k in range(n):
        if table[k, LIVE] and table[k, OPERATION] == ADD and table[k, ROLE] != ABSORBED:
            _fuse_addition(table, k)
    for k in range(n):
        if table[k, ROLE] == SUM and table[k, LENGTH] == 1:
            table[k, ROLE], table[k, LENGTH] = ALONE, 0
    for k in range(n):
        if _chooses(table, k):
            table[table[k, A], LAST] += 1
    for k in range(n):
        if _chooses(table, k) and table[table[k, A], LAST] == table[table[k, A], USES]:
            relation = table[k, A]
            table[relation, ROLE] = ABSORBED
            table[k, OPERATION] = IF_LESS + table[relation, OPERATION] - LESS
            table[k, D], table[k, C] = table[k, C], table[k, B]
            table[k, A], table[k, B] = table[relation, A], table[relation, B]


@native()
def _chooses(table: Integers, k: int) -> bool:
    """Whether a node is a choice of columns by a comparison of columns."""
    if not table[k, LIVE] or table[k, OPERATION] != WHERE:
        return False
    relation = table[k, A]
    return bool(
        LESS <= table[relation, OPERATION] <= EQUAL
        and table[relation, UNIFORM] == table[k, UNIFORM]
    )


@native()
def _fuse_addition(table: Integers, k: int) -> None:
    before, term = table[k, A], table[k, B]
    role = _product_role(table, term, k)
    if role == ALONE:
        role = _product_role(table, before, k)
        if role != ALONE or (table[term, ROLE] == SUM and table[before, ROLE] != SUM):
            before, term = term, before
    if role == ALONE:
        role = SUM
        if table[term, UNIFORM] != table[k, UNIFORM]:
            before, term = term, before
    else:
        table[term, ROLE] = ABSORBED
    kind, length = START, 1
    if table[before, USES] == 1 and table[before, UNIFORM] == table[k, UNIFORM]:
        more = table[k, UNIFORM] or table[before, LENGTH] < LIMIT
        if table[before, ROLE] == role and more:
            kind, length = LINK, table[before, LENGTH] + 1
        elif role != SUM and _product_role(table, before, k) == role:
            kind, length = PRODUCT, 2
        if kind != START:
            table[before, ROLE] = ABSORBED
    table[k, ROLE], table[k, LENGTH] = role, length
    table[k, BEFORE], table[k, BEFORE_KIND], table[k, TERM] = before, kind, term


@native()
def _product_role(table: Integers, k: int, total: int) -> int:
    """The kind of chain that a term belongs in; ALONE if it is not a product to absorb."""
    if table[k, OPERATION] != MULTIPLY or table[k, USES] != 1 or table[k, ROLE] == ABSORBED:
        return ALONE
    if table[k, UNIFORM] != table[total, UNIFORM]:
        return ALONE
    return PRODUCTS if table[table[k, A], UNIFORM] == table[table[k, B], UNIFORM] else DOT


@native()
def _levels(
    table: Integers, items: Integers, prints: Any, latest: Integers, operands: Integers
) -> None:
    """Give every node its level; neurons and outer products also a fingerprint of their columns."""
    for k in range(len(table)):
        if not table[k, LIVE] or CONSTANT <= table[k, OPERATION] <= INPUT:
            continue
        is_sum = table[k, OPERATION] > INPUT
        level = 0
        if not is_sum:
            for i in range(A, D + 1):
                operand = table[k, i]
                if operand >= 0 and table[operand, UNIFORM] == table[k, UNIFORM]:
                    level = max(level, table[operand, LEVEL])
        if is_sum or (table[k, ROLE] == DOT):
            count = _gather(table, items, k, operands)
            fingerprint = count
            for i in range(1, count, 1 if is_sum else 2):
                fingerprint = (fingerprint * 1000003 ^ int(operands[i])) & PRINT_BITS
            prints[k] = fingerprint
        if is_sum:
            latest[k] = 0
            for i in range(count):
                level = max(level, table[operands[i], LEVEL])
                latest[k] = max(latest[k], operands[i])
        table[k, LEVEL] = level + (table[k, ROLE] != ABSORBED)


@native()
def _gather(table: Integers, items: Integers, k: int, operands: Integers) -> int:
    """Write down a node's operands; how many there are.

    Of a chain: the start (-1: none), then each term: a register, or two, a uniform one last.
    """
    if table[k, OPERATION] == REDUCE:
        operands[0] = table[k, A]
        return 1
    if table[k, OPERATION] == OUTER:
        operands[0] = table[k, A]
        first, last = table[k, B], table[k, C]
        for i in range(first, last):
            operands[1 + i - first] = items[i, 0]
        return int(1 + last - first)
    role = table[k, ROLE]
    if role == ALONE:
        count = 0
        while count < 4 and table[k, A + count] >= 0:
            operands[count] = table[k, A + count]
            count += 1
        return count
    width = 1 if role == SUM else 2
    count = int(1 + width * table[k, LENGTH])
    at = count
    operands[0] = -1
    term, kind, before = table[k, TERM], table[k, BEFORE_KIND], table[k, BEFORE]
    while at > 1:
        at -= width
        if role == SUM:
            operands[at] = term
        else:
            swapped = role == DOT and table[table[term, A], UNIFORM]
            operands[at] = table[term, B if swapped else A]
            operands[at + 1] = table[term, A if swapped else B]
        if kind == LINK:
            term, kind, before = (
                table[before, TERM],
                table[before, BEFORE_KIND],
                table[before, BEFORE],
            )
        elif kind == PRODUCT:
            term = before
        else:
            operands[0] = before
    return count


@native()
def _last_uses(
    table: Integers, items: Integers, order: Integers, kept: Integers, operands: Integers
) -> int:
    """Note the position of every register's last use; how many columns are in use at most."""
    used = 0
    for k in range(len(table)):
        table[k, LAST] = -1
        used += table[k, LIVE] and table[k, OPERATION] == INPUT
    for position in range(len(order) - 1, -1, -1):
        for i in range(_gather(table, items, order[position], operands)):
            if operands[i] >= 0 and table[operands[i], LAST] < 0:
                table[operands[i], LAST] = position
    for k in kept:
        table[k, LAST] = NEVER
    most = used
    for position, k in enumerate(order):
        count = _gather(table, items, k, operands)
        for i in range(count):
            operand = operands[i]
            if operand >= 0 and table[operand, LAST] == position and table[operand, UNIFORM] == 0:
                table[operand, LAST] = -2
                used -= 1
        for i in range(count):
            if operands[i] >= 0 and table[operands[i], LAST] == -2:
                table[operands[i], LAST] = position
        used += table[k, OPERATION] < CONSTANT
        most = max(most, used)
    return most


@native()
def _emit_uniform(
    table: Integers,
    items: Integers,
    order: Integers,
    code: Integers,
    operands: Integers,
    parameters: int,
    first: int,
) -> tuple[int, int]:
    """Write the program of the uniform registers; its length, and how many it computes."""
    end, run, place = 0, -1, first
    for k in order:
        count = _gather(table, items, k, operands)
        role = table[k, ROLE]
        opcode = _opcode(table, k, 1)
        if role == ALONE and run >= 0 and code[run] == opcode:
            code[run + 1] += 1
        else:
            run = end if role == ALONE else -1
            code[end], code[end + 1] = opcode, max(1, table[k, LENGTH])
            end += 2
        code[end] = place
        for i in range(count):
            code[end + 1 + i] = parameters if operands[i] < 0 else ~table[operands[i], PLACE]
        end += 1 + count
        table[k, PLACE] = ~place
        place += 1
    code[end] = step.END
    return end + 1, place - first


@native()
def _opcode(table: Integers, k: int, group: int) -> int:
    """The opcode for so many alike nodes."""
    if table[k, OPERATION] == REDUCE:
        return step.REDUCE
    if table[k, OPERATION] == OUTER:
        if group >= 8:
            return step.OUTER_8 if group == 8 else step.OUTER_16
        return step.OUTER_1 if group == 1 else step.OUTER_2
    if table[k, ROLE] == ALONE:
        return int(table[k, OPERATION])
    if table[k, ROLE] == DOT:
        return step.DOT_1 if group == 1 else step.DOT_2 if group == 2 else step.DOT_4
    return step.PRODUCTS if table[k, ROLE] == PRODUCTS else step.SUM


@native()
def _emit_block(
    table: Integers, items: Integers, order: Integers, code: Integers, free: Integers,
    moves: Integers, operands: Integers, state: Integers,
) -> None:  # fmt: skip
    """Write the program of the columns; the state tells how long it is and what it takes."""
    position = 0
    code[0] = step.END
    while position < len(order):
        k = order[position]
        group = _alike(table, items, order, position, operands)
        nodes = order[position : position + group]
        position += group
        _emit_head(table, code, k, _opcode(table, k, group), state)
        results = state[END]
        if table[k, OPERATION] == OUTER:
            _emit_rows(table, items, nodes, code, moves, state)
        elif table[k, ROLE] == DOT:
            _emit_neurons(table, items, nodes, code, operands, state)
        else:
            _emit_one(table, items, k, code, operands, state)
        # The columns that end here are handed on to the results.
        _release(table, items, nodes, position, free, operands, state)
        if table[k, OPERATION] < CONSTANT:
            _take(table, nodes, results, code, free, state)
        code[state[END]] = step.END
    state[END] += 1


@native()
def _emit_head(table: Integers, code: Integers, k: int, opcode: int, state: Integers) -> None:
    """Begin an instruction, or go on with the last one if that has the same opcode."""
    several = opcode < step.DOT_1 or opcode == step.REDUCE
    if several and code[state[RUN]] == opcode:
        code[state[RUN] + 1] += 1
    else:
        state[RUN] = state[END]
        code[state[END]], code[state[END] + 1] = opcode, max(1, table[k, LENGTH])
        state[END] += 2


@native()
def _emit_rows(
    table: Integers, items: Integers, rows: Integers, code: Integers, moves: Integers,
    state: Integers,
) -> None:  # fmt: skip
    """Rows of an outer product; each gets the slots of its parameters if those are in line."""
    first, last, end, height = table[rows[0], B], table[rows[0], C], state[END], len(rows)
    padded = (last - first + step.LANES - 1) // step.LANES * step.LANES
    code[state[RUN] + 1] = padded // step.LANES
    for j, row in enumerate(rows):
        begin, stop = table[row, B], table[row, C]
        slot = int(items[begin, 1])
        if padded != stop - begin or not _consecutive(items, begin, stop):
            slot = int(state[SLOTS])
            state[SLOTS] += padded
            for i in range(begin, stop):
                moves[state[MOVED], 0], moves[state[MOVED], 1] = slot + i - begin, items[i, 1]
                state[MOVED] += 1
        code[end + j], code[end + height + j] = table[table[row, A], PLACE], slot
    end += 2 * height
    for i in range(padded):
        code[end + i] = table[items[min(first + i, last - 1), 0], PLACE]
    state[END] = end + padded


@native()
def _emit_neurons(
    table: Integers, items: Integers, nodes: Integers, code: Integers, operands: Integers,
    state: Integers,
) -> None:  # fmt: skip
    """Chains with uniform factors over the same columns."""
    terms, group, end = table[nodes[0], LENGTH], len(nodes), state[END]
    for j, k in enumerate(nodes):
        _gather(table, items, k, operands)
        code[end + group + j] = _place(table, operands[0], state)
        for i in range(terms):
            code[end + 2 * group + i] = table[operands[1 + 2 * i], PLACE]
            factor = ~table[operands[2 + 2 * i], PLACE]
            code[end + 2 * group + terms + i * group + j] = factor
    state[END] += 2 * group + terms + terms * group


@native()
def _emit_one(
    table: Integers, items: Integers, k: int, code: Integers, operands: Integers, state: Integers
) -> None:
    """The words of a node by itself: its result and its operands, or what it sums and where."""
    end = state[END]
    count = _gather(table, items, k, operands)
    for i in range(count):
        code[end + 1 + i] = _place(table, operands[i], state)
    if table[k, OPERATION] == REDUCE:
        code[end], code[end + 1] = code[end + 1], table[k, B]
    state[END] += 1 + count


@native()
def _place(table: Integers, k: int, state: Integers) -> int:
    """The operand that a register is; for a sum without a start the -0.0 behind the parameters."""
    return int(table[k, PLACE] if k >= 0 else ~state[PARAMETERS])


@native()
def _release(
    table: Integers, items: Integers, nodes: Integers, position: int, free: Integers,
    operands: Integers, state: Integers,
) -> None:  # fmt: skip
    """Free the columns that are not used from this position on."""
    for node in nodes:
        for i in range(_gather(table, items, node, operands)):
            k = operands[i]
            if k >= 0 and table[k, UNIFORM] == 0 and table[k, LAST] < position:
                table[k, LAST] = NEVER
                free[state[IDLE]] = table[k, PLACE]
                state[IDLE] += 1


@native()
def _take(
    table: Integers, nodes: Integers, results: int, code: Integers, free: Integers, state: Integers
) -> None:
    """Give every node a column for its result, the one freed last if there is one."""
    for j, k in enumerate(nodes):
        if state[IDLE] == 0:
            free[0] = state[COLUMNS]
            state[COLUMNS] += 1
            state[IDLE] = 1
        state[IDLE] -= 1
        table[k, PLACE] = free[state[IDLE]]
        code[results + j] = table[k, PLACE]


@native()
def _alike(
    table: Integers, items: Integers, order: Integers, position: int, operands: Integers
) -> int:
    """How many nodes from here on are neurons, or rows, over the same columns."""
    k = order[position]
    is_row = table[k, OPERATION] == OUTER
    if not is_row and table[k, ROLE] != DOT:
        return 1
    half = len(operands) // 2
    count = _gather(table, items, k, operands[:half])
    group = 1
    while group < (16 if is_row else 4) and position + group < len(order):
        other = order[position + group]
        if table[other, OPERATION] != table[k, OPERATION] or table[other, ROLE] != table[k, ROLE]:
            break
        if _gather(table, items, other, operands[half:]) != count:
            break
        same = True
        for i in range(1, count, 1 if is_row else 2):
            same = same and operands[i] == operands[half + i]
        for j in range(group):
            same = same and operands[half] != order[position + j]
        if not same:
            break
        group += 1
    for size in (16, 8, 4, 2):
        if group >= size and not (is_row and size == 4):
            return size
    return 1


@native()
def _consecutive(items: Integers, first: int, last: int) -> bool:
    differences = 0
    for i in range(first + 1, last):
        differences += items[i, 1] != items[i - 1, 1] + 1
    return differences == 0
