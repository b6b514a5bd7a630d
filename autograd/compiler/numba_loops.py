"""The native loops around the block interpreter: over blocks of rows, and over the batches of an epoch.

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
    block_step,
    call_native,
    copy_numbers,
    uniform_step,
)  # fmt: skip

Array = npt.NDArray[np.float64]

LONGEST_BLOCK = 128
CACHE = 32768
"""Numbers that the columns of a block may take, where they can: a part of the second-level cache."""


class Machine(NamedTuple):
    """A plan and its memories; see `Plan` for the plan's arrays."""

    uniform_code: Any
    block_code: Any
    loads: Any
    kept: Any
    totals: Any
    moves: Any
    extras: Any
    uniforms: Any
    registers: Any
    slots: Any
    interpreters: Any


def machine(plan: Plan) -> Machine:
    """A machine for a plan, with memories of its own."""
    return Machine(
        plan.uniform_code, plan.block_code, plan.loads, plan.kept, plan.totals, plan.moves, plan.extras,
        plan.uniforms.copy(), _aligned(max(1, plan.columns) * block_length(plan)), _aligned(plan.slots + LANES),
        np.array([interpret_uniforms.address, interpret_block.address]),
    )  # fmt: skip


def _aligned(size: int) -> npt.NDArray[np.float64]:
    """Zeros that begin where a line of the cache begins, so that no eight of them cross one."""
    numbers = np.zeros(size + LANES)
    first = -(numbers.ctypes.data // numbers.itemsize) % LANES
    return numbers[first : first + size]


def block_length(plan: Plan) -> int:
    """Rows per block: few enough for the cache, a multiple of the eight that are worked on at once."""
    fitting = CACHE // max(1, plan.columns) // LANES * LANES
    return max(LANES, min(LONGEST_BLOCK, fitting))


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
def _set_uniforms(machine: Machine, params: Array) -> None:
    for k in range(len(params)):
        machine.uniforms[k] = params[k]
    call_native(machine.interpreters[0], (machine.uniform_code, machine.uniforms))


@native()
def _run_block(machine: Machine, stride: int, rows: int) -> None:
    memories = (machine.uniforms, machine.registers, machine.slots)
    call_native(machine.interpreters[1], (machine.block_code, *memories, stride, rows))


@native()
def _load_rows(
    machine: Machine, data: Array, order: Any, start: int, stride: int, rows: int
) -> None:
    """Read the rows of a block, and the last one again up to a multiple of eight."""
    numbers = data.reshape(-1)
    for r in range((rows + LANES - 1) // LANES * LANES):
        row = start + min(r, rows - 1)
        if len(order) > 0:
            row = order[row]
        first, to = np.uint64(row * data.shape[1]), np.uint64(r)
        for column in machine.loads:
            machine.registers[to] = numbers[first + np.uint64(column)]
            to += np.uint64(stride)


@native()
def _keep_rows(machine: Machine, outputs: Array, start: int, stride: int, rows: int) -> None:
    for o, operand in enumerate(machine.kept):
        if operand < 0:
            outputs[start : start + rows, o] = machine.uniforms[~operand]
        else:
            first = operand * stride
            outputs[start : start + rows, o] = machine.registers[first : first + rows]


@native()
def _run_rows(
    machine: Machine, data: Array, order: Any, start: int, stop: int, length: int, outputs: Array
) -> None:
    stride = min(length, (stop - start + LANES - 1) // LANES * LANES)
    for first in range(start, stop, length):
        rows = min(length, stop - first)
        _load_rows(machine, data, order, first, stride, rows)
        _run_block(machine, stride, rows)
        if len(outputs) > 0:
            _keep_rows(machine, outputs, first, stride, rows)


@native()
def _finish(machine: Machine, rows: int, gradient: Array) -> float:
    """The mean over the rows; writes its gradient."""
    parameters = len(gradient)
    share = 1.0 / rows
    for k in range(parameters):
        gradient[k] = machine.slots[k] * share
    for i in range(len(machine.moves)):
        gradient[machine.moves[i, 1]] = machine.slots[machine.moves[i, 0]] * share
    for i in range(len(machine.extras)):
        gradient[machine.extras[i, 0]] += machine.uniforms[machine.extras[i, 1]]
    value = machine.slots[parameters] / rows
    for place in machine.totals:
        value += machine.uniforms[place]
    return float(value)


@native(nogil=True)
def evaluate(
    machine: Machine,
    params: Array,
    data: Array,
    start: int,
    stop: int,
    length: int,
    outputs: Array,
    rows: int,
    gradient: Array,
) -> float:
    """Run rows start … stop of the data; see `numba_backend` for its two uses.

    With room for outputs, they are written.  With a number of `rows`, the sums so far are finished: the
    mean over so many rows is returned, its gradient written.
    """
    _set_uniforms(machine, params)
    _run_rows(machine, data, np.empty(0, np.int64), start, stop, length, outputs)
    if rows > 0:
        return _finish(machine, rows, gradient)
    return 0.0


@native()
def _update(machine: Machine, params: Array, gradient: Array, state: Array, length: int) -> None:
    """One step of the optimiser: its rows are the parameters."""
    registers, memory, count = machine.registers, state.reshape(-1), len(params)
    for start in range(0, count, length):
        rows = min(length, count - start)
        for i, column in enumerate(machine.loads):
            if column == 0:
                copy_numbers(params, start, registers, i * length, rows)
            elif column == 1:
                copy_numbers(gradient, start, registers, i * length, rows)
            else:
                copy_numbers(memory, (column - 2) * count + start, registers, i * length, rows)
        _run_block(machine, length, rows)
        for i, operand in enumerate(machine.kept):
            first = (i - 1) * count + start
            if operand < 0:
                _fill(
                    params if i == 0 else memory,
                    start if i == 0 else first,
                    rows,
                    machine.uniforms[~operand],
                )
            elif i == 0:
                copy_numbers(registers, operand * length, params, start, rows)
            else:
                copy_numbers(registers, operand * length, memory, first, rows)


@native()
def _fill(target: Array, start: int, count: int, number: float) -> None:
    target[start : start + count] = number


@native(nogil=True)
def train(
    machine: Machine,
    length: int,
    update: Machine,
    update_length: int,
    params: Array,
    state: Array,
    data: Array,
    order: Any,
    batch_size: int,
    hyper: Array,
    losses: Array,
    gradient: Array,
) -> int:
    """Take a step per row of `hyper`; stops at a loss that is not finite.  How many losses there are."""
    nothing = np.empty((0, 0))
    for k in range(len(hyper)):
        start = k * batch_size
        stop = min(start + batch_size, len(order))
        machine.slots[:] = 0.0
        _set_uniforms(machine, params)
        _run_rows(machine, data, order, start, stop, length, nothing)
        losses[k] = _finish(machine, stop - start, gradient)
        if not np.isfinite(losses[k]):
            return k + 1
        _set_uniforms(update, hyper[k])
        _update(update, params, gradient, state, update_length)
    return len(hyper)
