"""Execute operations again for many replacements at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import wide
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
"""Operations that one call can execute for all replacements, stacked along a first axis."""

Stacks = Mapping[int, NDArray[np.float64]]
"""By node, its values, stacked along a first axis: one for each replacement."""


def run_each(
    state: State, nodes: Stacks, uses: Mapping[Edge, NDArray[np.float64]], order: Iterable[int]
) -> dict[int, NDArray[np.float64]]:
    """Return the changed values at the first point, after executing `order`; NaN if that raises."""
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
            changed[index] = _evaluated(state, node, operands)
    return changed


def _evaluated(state: State, node: Node, operands: Stacks) -> NDArray[np.float64]:
    values, shape = state.values[0], node.value.shape
    count = len(next(iter(operands.values())))
    if not node.keywords:
        result = _at_once(node, values, operands)
        if result.shape == (count, *shape):
            return result
    results = [np.broadcast_to(np.nan, shape)] * count
    for number in range(count):
        replaced = {operand: stack[number] for operand, stack in operands.items()}
        try:
            result = evaluate(node, Replaced(values, replaced))
        except Exception:  # the user's functions may be among them
            continue
        if result.shape == shape and result.dtype.kind in "fciub":
            results[number] = result
    return wide(results[0])[None] if count == 1 else wide(results)


def _at_once(node: Node, values: Values, operands: Stacks) -> NDArray[np.float64]:
    """Return the results of one call, stacked along a first axis; empty if that is impossible."""
    name, arguments = node.operation, node.arguments
    try:
        if name in AT_ONCE and node.function is not None:
            rank = node.value.ndim
            return np.asarray(
                node.function(*(_stacked(item, values, operands, rank) for item in arguments))
            )
        if name == "T":
            array = operands[node.operands[0]]
            return array.transpose(0, *range(array.ndim - 1, 0, -1))
        if name == "matmul":
            return _product(node, values, operands)
        if name in ("getitem", "setitem") and _is_basic(arguments[1]):
            key = arguments[1] if isinstance(arguments[1], tuple) else (arguments[1],)
            array = _stacked(arguments[0], values, operands, values[node.operands[0]].ndim)
            if name == "getitem":
                return np.asarray(array[(slice(None), *key)])
            count = len(next(iter(operands.values())))
            changed = np.array(np.broadcast_to(array, (count, *node.value.shape)))
            rank = changed[(slice(None), *key)].ndim - 1
            changed[(slice(None), *key)] = _stacked(arguments[2], values, operands, rank)
            return changed
    except Exception:  # the caller then tries them one after the other
        pass
    return np.zeros(0)


def _product(node: Node, values: Values, operands: Stacks) -> NDArray[Any]:
    """Return the products of matrices, rows and columns; empty if an operand has more axes."""
    left_rank, right_rank = (
        np.ndim(values[item.index] if isinstance(item, Reference) else item)
        for item in node.arguments
    )
    if max(left_rank, right_rank) > 2:
        return np.zeros(0)
    left, right = (_stacked(item, values, operands, 0) for item in node.arguments)
    left = left[..., None, :] if left_rank == 1 else left
    right = right[..., None] if right_rank == 1 else right
    lost = (-2,) * (left_rank == 1) + (-1,) * (right_rank == 1)
    return np.asarray(np.squeeze(left @ right, lost))


def _stacked(argument: Any, values: Values, operands: Stacks, rank: int) -> Any:
    """Return an argument; a stack gets axes of length 1 to broadcast with results of a rank."""
    if not isinstance(argument, Reference):
        return argument
    stack = operands.get(argument.index)
    if stack is None:
        return values[argument.index]
    missing = (1,) * (rank + 1 - stack.ndim)
    return stack.reshape(len(stack), *missing, *stack.shape[1:])


def _is_basic(key: Any) -> bool:
    """True if an index consists of integers and slices only."""
    if isinstance(key, tuple):
        return all(map(_is_basic, key))
    if isinstance(key, slice):
        return all(end is None or isinstance(end, int) for end in (key.start, key.stop, key.step))
    return type(key) is int
