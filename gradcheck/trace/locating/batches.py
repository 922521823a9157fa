"""Doing operations again for many replacements at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.differences import Replaced
from gradcheck.trace.adjoints.operations import ELEMENTWISE
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.state import State, Values
from gradcheck.trace.record.graph import evaluate
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Node, Reference

AT_ONCE = frozenset(ELEMENTWISE) | split_names(
    "where less less_equal greater greater_equal equal not_equal"
)
"""Operations that can be done for all replacements along a first axis."""

Stacks = Mapping[int, NDArray[np.float64]]
"""By node, its values, one for every replacement."""


def run_each(
    state: State, nodes: Stacks, uses: Mapping[Edge, NDArray[np.float64]], order: Iterable[int]
) -> dict[int, NDArray[np.float64]]:
    """The values that change, at the first point; NaN where an operation raises."""
    changed = dict(nodes)
    for index in order:
        node = state.tape[index]
        if index in nodes or node.function is None:
            continue
        operands = {
            operand: uses[index, operand] if (index, operand) in uses else changed[operand]
            for operand in node.operands
            if (index, operand) in uses or operand in changed
        }
        if operands:
            changed[index] = _done(state, node, operands)
    return changed


def _done(state: State, node: Node, operands: Stacks) -> NDArray[np.float64]:
    values, shape = state.values[0], node.value.shape
    count = len(next(iter(operands.values())))
    if not node.keywords:
        result = _at_once(node, values, operands)
        if result.shape == (count, *shape):
            return result
    found = [np.broadcast_to(np.nan, shape)] * count
    for number in range(count):
        own = {operand: stack[number] for operand, stack in operands.items()}
        try:
            result = evaluate(node, Replaced(values, own))
        except Exception:  # the user's functions may be among them
            continue
        if result.shape == shape and result.dtype.kind in "fiub":
            found[number] = result
    return np.asarray(found[0], np.float64)[None] if count == 1 else np.array(found, np.float64)


def _at_once(node: Node, values: Values, operands: Stacks) -> NDArray[np.float64]:
    """The results along a first axis; empty where that cannot be done."""
    name, arguments = node.operation, node.arguments
    try:
        if name in AT_ONCE and node.function is not None:
            rank = node.value.ndim
            return np.asarray(
                node.function(*(_of(one, values, operands, rank) for one in arguments))
            )
        if name in ("getitem", "setitem") and _is_basic(arguments[1]):
            key = arguments[1] if isinstance(arguments[1], tuple) else (arguments[1],)
            array = _of(arguments[0], values, operands, values[node.operands[0]].ndim)
            if name == "getitem":
                return np.asarray(array[(slice(None), *key)])
            count = len(next(iter(operands.values())))
            changed = np.array(np.broadcast_to(array, (count, *node.value.shape)))
            rank = changed[(slice(None), *key)].ndim - 1
            changed[(slice(None), *key)] = _of(arguments[2], values, operands, rank)
            return changed
    except Exception:  # one after the other then
        pass
    return np.zeros(0)


def _of(argument: Any, values: Values, operands: Stacks, rank: int) -> Any:
    """An argument for a result of a rank: a stack with its own axes at the end."""
    if not isinstance(argument, Reference):
        return argument
    stack = operands.get(argument.index)
    if stack is None:
        return values[argument.index]
    missing = (1,) * (rank + 1 - stack.ndim)
    return stack.reshape(len(stack), *missing, *stack.shape[1:])


def _is_basic(key: Any) -> bool:
    """Whether an index holds nothing but numbers and slices of them."""
    if isinstance(key, tuple):
        return all(map(_is_basic, key))
    if isinstance(key, slice):
        return all(one is None or isinstance(one, int) for one in (key.start, key.stop, key.step))
    return type(key) is int
