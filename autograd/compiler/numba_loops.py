"""The native loops around the block interpreter: over blocks of rows, and over the batches of an
epoch.

A *machine* is what a program needs to run: its code, and memories that are allocated once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from autograd.compiler.numba_cache import native, native_callback
from autograd.compiler.numba_plan import Plan
from autograd.compiler.numba_step import (
    END,
    LANES,
    add_numbers,
    block_step,
    call_native,
    copy_numbers,
    transpose_eight,
    uniform_step,
)  # fmt: skip

Array = npt.NDArray[np.float64]

LONGEST_BLOCK = 256
CACHE = 32768
"""Numbers that the columns of a block should not exceed: a part of the second-level cache."""


class Machine(NamedTuple):
    """A plan and its memories, in three arrays, because every array of a call costs time.

    ``sizes`` holds the addresses of the interpreters, the block length, and where the parts of
    ``code`` and ``memory`` end: the arrays of a `Plan`, in the order of `Parts`.
    """

    sizes: Any
    code: Any
    memory: Any


class Parts(NamedTuple):
    """A machine taken apart, for native code."""

    interpreters: Any
    length: Any
    """Rows per block."""
    uniform_code: Any
    block_code: Any
    loads: Any
    kept: Any
    totals: Any
    moves: Any
    extras: Any
    registers: Any
    slots: Any
    uniforms: Any
    places: Any
    """Where eight rows of the data begin."""


def machine(plan: Plan) -> Machine:
    """A machine for a plan, with memories of its own."""
    arrays = [getattr(plan, name) for name in Parts._fields[2:9]]
    length = block_length(plan)
    registers, slots = max(1, plan.columns) * length, plan.slots + LANES - plan.slots % LANES
    memory = _aligned(registers + slots + len(plan.uniforms))
    memory[registers + slots :] = plan.uniforms
    ends = np.cumsum([array.size for array in arrays]).tolist()
    addresses = [interpret_uniforms.address, interpret_block.address]
    sizes = [*addresses, length, *ends, registers, registers + slots, len(memory), *[0] * LANES]
    code = np.concatenate([array.ravel() for array in arrays])
    return Machine(np.array(sizes, np.int64), code, memory)


def slots_of(machine: Machine) -> Array:
    """The sums over the rows."""
    slots: Array = machine.memory[machine.sizes[10] : machine.sizes[11]]
    return slots


def _aligned(size: int) -> Array:
    """Zeros that begin where a line of the cache begins, so that no eight of them cross one."""
    numbers = np.zeros(size + LANES)
    first = -(numbers.ctypes.data // numbers.itemsize) % LANES
    return numbers[first : first + size]


def block_length(plan: Plan) -> int:
    """Rows per block: few enough for the cache, a multiple of eight."""
    fitting = CACHE // max(1, plan.columns) // LANES * LANES
    return max(LANES, min(LONGEST_BLOCK, fitting))


@native()
def _parts(machine: Machine) -> Parts:
    sizes, code, memory = machine
    return Parts(
        sizes[:2],
        sizes[2],
        code[: sizes[3]],
        code[sizes[3] : sizes[4]],
        code[sizes[4] : sizes[5]],
        code[sizes[5] : sizes[6]],
        code[sizes[6] : sizes[7]],
        code[sizes[7] : sizes[8]],
        code[sizes[8] : sizes[9]],
        memory[: sizes[10]],
        memory[sizes[10] : sizes[11]],
        memory[sizes[11] : sizes[12]],
        sizes[13:],
    )


_pointer: Any = types.CPointer
_NUMBERS, _CODE = _pointer(types.float64), _pointer(types.int32)


@native_callback(types.void(_CODE, _NUMBERS))
def interpret_uniforms(code: Any, uniforms: Any) -> None:
    """Compute the uniform numbers."""
    at = 0
    while code[at] != END:
        at = uniform_step(code, at, uniforms)


@native_callback(types.void(_CODE, _NUMBERS, _NUMBERS, _NUMBERS, types.int64, types.int64))
def interpret_block(
    code: Any, uniforms: Any, registers: Any, slots: Any, stride: int, rows: int
) -> None:
    """Compute the columns of a block."""
    at = 0
    while code[at] != END:
        at = block_step(code, at, uniforms, registers, slots, stride, rows)


@native()
def _set_uniforms(parts: Parts, params: Array) -> None:
    copy_numbers(params, 0, parts.uniforms, 0, len(params))
    _compute_uniforms(parts)


@native()
def _compute_uniforms(parts: Parts) -> None:
    call_native(parts.interpreters[0], (parts.uniform_code, parts.uniforms))


@native()
def _run_block(parts: Parts, stride: int, rows: int) -> None:
    memories = (parts.uniforms, parts.registers, parts.slots)
    call_native(parts.interpreters[1], (parts.block_code, *memories, stride, rows))


@native()
def _load_rows(parts: Parts, data: Array, order: Any, start: int, stride: int, rows: int) -> None:
    """Read the rows of a block, and the last one again up to a multiple of eight."""
    numbers, loads, registers = data.reshape(-1), parts.loads, parts.registers
    for first in range(0, rows, LANES):
        for k in range(LANES):
            row = start + min(first + k, rows - 1)
            parts.places[k] = data.shape[1] * (order[row] if len(order) > 0 else row)
        i = 0
        while i < len(loads):
            if i + LANES <= len(loads) and loads[i + LANES - 1] == loads[i] + LANES - 1:
                to = i * stride + first
                transpose_eight(numbers, parts.places, loads[i], registers, to, stride)
                i += LANES
            else:
                for k in range(LANES):
                    registers[i * stride + first + k] = numbers[parts.places[k] + loads[i]]
                i += 1


@native()
def _keep_rows(parts: Parts, outputs: Array, start: int, stride: int, rows: int) -> None:
    for o, operand in enumerate(parts.kept):
        for r in range(rows):
            is_uniform = operand < 0
            number = (
                parts.uniforms[~operand] if is_uniform else parts.registers[operand * stride + r]
            )
            outputs[start + r, o] = number


@native()
def _run_rows(parts: Parts, data: Array, order: Any, start: int, stop: int, outputs: Array) -> None:
    """Run the blocks of some rows: sums go to the slots, roots to the outputs, if any."""
    parts.slots[:] = 0.0
    stride = min(parts.length, (stop - start + LANES - 1) // LANES * LANES)
    for first in range(start, stop, parts.length):
        rows = min(parts.length, stop - first)
        _load_rows(parts, data, order, first, stride, rows)
        _run_block(parts, stride, rows)
        if len(outputs) > 0:
            _keep_rows(parts, outputs, first, stride, rows)


@native()
def _finish(parts: Parts, rows: int, gradient: Array) -> float:
    """The mean over the rows from the sums; writes its gradient."""
    share = 1.0 / rows
    for k in range(len(gradient)):
        gradient[k] = parts.slots[k] * share
    for i in range(0, len(parts.moves), 3):
        slot, k, count = parts.moves[i], parts.moves[i + 1], parts.moves[i + 2]
        add_numbers(parts.slots, slot, gradient, k, count, share)
    for i in range(0, len(parts.extras), 3):
        k, place, count = parts.extras[i], parts.extras[i + 1], parts.extras[i + 2]
        add_numbers(parts.uniforms, place, gradient, k, count, 1.0)
    value = parts.slots[len(gradient)] / rows
    for place in parts.totals:
        value += parts.uniforms[place]
    return float(value)


@native(nogil=True)
def run(
    machine: Machine, params: Array, data: Array, start: int, stop: int, outputs: Array
) -> None:
    """Run rows start … stop of the data."""
    parts = _parts(machine)
    _set_uniforms(parts, params)
    _run_rows(parts, data, np.empty(0, np.int64), start, stop, outputs)


@native()
def value_and_grad(machine: Machine, params: Array, data: Array, gradient: Array) -> float:
    """The mean over all rows of the data; writes its gradient."""
    parts = _parts(machine)
    _set_uniforms(parts, params)
    _run_rows(parts, data, np.empty(0, np.int64), 0, len(data), np.empty((0, 0)))
    return _finish(parts, len(data), gradient)


@native()
def finish(machine: Machine, params: Array, rows: int, gradient: Array) -> float:
    """The mean over the rows whose sums are in the slots already; writes its gradient."""
    parts = _parts(machine)
    _set_uniforms(parts, params)
    return _finish(parts, rows, gradient)


@native()
def _update(parts: Parts, params: Array, gradient: Array, state: Array) -> None:
    """One step of the optimiser: its rows are the parameters."""
    registers, memory, count, length = parts.registers, state.reshape(-1), len(params), parts.length
    for start in range(0, count, length):
        rows = min(length, count - start)
        for i, column in enumerate(parts.loads):
            if column == 0:
                copy_numbers(params, start, registers, i * length, rows)
            elif column == 1:
                copy_numbers(gradient, start, registers, i * length, rows)
            else:
                copy_numbers(memory, (column - 2) * count + start, registers, i * length, rows)
        _run_block(parts, length, rows)
        for i, operand in enumerate(parts.kept):
            target, first = (params, start) if i == 0 else (memory, (i - 1) * count + start)
            if operand < 0:
                target[first : first + rows] = parts.uniforms[~operand]
            else:
                copy_numbers(registers, operand * length, target, first, rows)


@native(nogil=True)
def train(
    machine: Machine, update: Machine, params: Array, state: Array, data: Array, order: Any,
    batch_size: int, hyper: Array, losses: Array, gradient: Array,
) -> int:  # fmt: skip
    """Take a step per row of ``hyper``; how many losses there are.

    It stops at a loss that is not finite, before its update.
    """
    parts, rule, nothing = _parts(machine), _parts(update), np.empty((0, 0))
    # The parameters live among the uniform numbers meanwhile.
    copy_numbers(params, 0, parts.uniforms, 0, len(params))
    moving = parts.uniforms[: len(params)]
    count = 0
    while count < len(hyper):
        start = count * batch_size
        stop = min(start + batch_size, len(order))
        _compute_uniforms(parts)
        _run_rows(parts, data, order, start, stop, nothing)
        losses[count] = _finish(parts, stop - start, gradient)
        count += 1
        if not np.isfinite(losses[count - 1]):
            break
        _set_uniforms(rule, hyper[count - 1])
        _update(rule, moving, gradient, state)
    copy_numbers(moving, 0, params, 0, len(params))
    return count
