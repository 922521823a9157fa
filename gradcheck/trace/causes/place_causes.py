"""Right values that are written, or added, at a wrong index of an array."""

from __future__ import annotations

import ast

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Array, Compared, same
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import repetitions, resolve
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.places import Place
from gradcheck.trace.record.sources import expression_of
from gradcheck.trace.wording.loops import indices_in, names_in, names_of_loops

WRITTEN = 4000
"""Loops that write more often than this are not examined."""


def place_cause(compared: Compared) -> Cause | None:
    """Return the cause if a loop writes right values, but one index of the target is wrong."""
    node, wanted = compared.state.tape[compared.operand], compared.expected[0]
    if node.name != "setitem" or node.place is None or wanted.shape != node.value.shape:
        return None
    tape, values = compared.state.tape, compared.state.values[0]
    written = (tape[index] for index in repetitions(tape, node.index))
    writes = [one for one in written if one.value.shape == wanted.shape]  # not of other layers
    for axis in range(wanted.ndim) if 1 < len(writes) <= WRITTEN else ():
        offsets = [
            _offset(write, resolve(write.arguments[2], values), axis, wanted) for write in writes
        ]
        if None not in offsets and any(offsets):
            return _of_index(node.place, axis)
    return None


def _offset(node: Node, value: Array, axis: int, wanted: Array) -> int | None:
    """Return the distance along an axis from a write to its right place; None if there is none."""
    key = node.arguments[1]
    if not isinstance(key, tuple) or len(key) <= axis or not isinstance(key[axis], int):
        return None
    for other in sorted(range(wanted.shape[axis]), key=lambda index: index != key[axis]):
        part = np.asarray(wanted[(*key[:axis], other, *key[axis + 1 :])])
        if np.any(part) and same([np.broadcast_to(value, part.shape)], [part]):
            return other - int(key[axis])
    return None


def _of_index(place: Place, axis: int) -> Cause | None:
    expression = expression_of(place.source)
    indices = indices_in(expression)
    if expression is None or axis >= len(indices):
        return None
    index = ast.unparse(indices[axis])
    free = [name for name in names_of_loops(place) if name not in names_in(expression)]
    words = f"what is written there belongs at another index than `{index}`"
    if len(free) != 1:
        return Cause(fault.OTHER_INDEX, words, f"look at the index `{index}`")
    return Cause(fault.OTHER_INDEX, words, f"write `{free[0]}` for the index `{index}`")


def one_place_cause(compared: Compared) -> Cause | None:
    """Return the cause if a right value is written, or added, at a wrong number as the index."""
    node, wanted = compared.state.tape[compared.operand], compared.expected
    key = node.arguments[1] if node.name == "setitem" else None
    if not isinstance(key, int) or node.place is None or wanted[0].shape != node.value.shape:
        return None
    before = compared.state.at(node.operands[0])
    rows = np.reshape(wanted[0] - before[0], (len(wanted[0]), -1))
    other = int(np.argmax(np.abs(rows).max(axis=1)))  # where something is to be written
    moved = [np.array(old, dtype=np.float64) for old in before]
    for array, now, old in zip(moved, compared.actual, before, strict=True):
        array[other] += now[key] - old[key]
    if other == key % len(rows) or not same(moved, wanted):
        return None
    words = f"what is written there belongs at the index {other}, not {key}"
    return Cause(fault.OTHER_INDEX, words, f"write {other} for the index")
