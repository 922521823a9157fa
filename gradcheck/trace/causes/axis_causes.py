"""A sum over the wrong axis, or some of the rows; entries turned round or in another order."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations, islice, permutations
from typing import Any

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import (
    Arrays,
    Compared,
    agrees,
    agrees_with,
    made_of,
    same,
    transposed,
)
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.constants import sizes_of
from gradcheck.trace.record.graph import constant_of, latest_first
from gradcheck.trace.record.names import MOVES, split_names
from gradcheck.trace.record.nodes import Node, Reference
from gradcheck.trace.wording.operand_text import operand_text

LAYING_OUT = split_names("ravel flatten reshape")
EXCHANGES = split_names("transpose T swapaxes moveaxis")
MOST_AXES, MOST_SUMMED = 4, 5
REDUCTIONS = ("sum", "mean", "add.reduce", "max")


def axis_cause(compared: Compared) -> Cause | None:
    """Return the cause if a sum or mean goes over a wrong axis."""
    for node in made_of(compared):
        if not node.place or not (node.operation in REDUCTIONS or "axis" in node.keywords):
            continue
        for axis, keywords in _other_axes(node, compared):
            if agrees(compared, node, partial(_with, keywords)):
                return other_axis(node, axis, keywords.get("keepdims", False))
    expected = compared.expected
    for axis in (None, *range(expected[0].ndim)):
        for reduce, verb in ((np.sum, "summed"), (np.mean, "averaged")):
            total = [
                np.broadcast_to(reduce(value, axis=axis, keepdims=True), value.shape)
                for value in expected
            ]
            if same(compared.actual, total) and expected[0].size > 1:
                words = f"it is {verb} over {_axes(axis)}, which is too much"
                return Cause(fault.WRONG_AXIS, words)
    return None


def sample_cause(compared: Compared) -> Cause | None:
    """Return the cause if only some rows or columns are right, or enter a sum."""
    actual, expected = compared.actual, compared.expected
    is_written = compared.state.tape[compared.operand].operation in ("setitem", "scatter")
    fewest = 2 if is_written else 3
    for axis in range(expected[0].ndim if actual[0].shape == expected[0].shape else 0):
        cause = _some_of(actual, expected, axis, fewest)
        if cause is not None:
            return cause
    node = compared.state.tape[compared.operand]
    while node.operation in MOVES and len(node.operands) == 1:
        whole = compared.state.at(node.operands[0])
        for axis in range(whole[0].ndim):
            total = [np.sum(value, axis=axis).reshape(-1) for value in whole]
            if same(total, [np.reshape(value, -1) for value in expected]):
                words = f"only one of {whole[0].shape[axis]} is in it, and all of them add up"
                return Cause(fault.NOT_ACCUMULATED, words, f"add them all up: .sum(axis={axis})")
        node = compared.state.tape[node.operands[0]]
    return None


def _some_of(actual: Arrays, expected: Arrays, axis: int, fewest: int) -> Cause | None:
    """Return the cause if some of at least `fewest` slices along an axis are right, the rest 0."""
    count = expected[0].shape[axis]
    rows, wanted = (
        np.concatenate([np.moveaxis(at, axis, 0).reshape(count, -1) for at in values], axis=1)
        for values in (actual, expected)
    )
    close = np.abs(rows - wanted) <= 1e-9 * np.max(np.abs(wanted), initial=0.0)
    right = close.all(axis=1) & wanted.any(axis=1)
    lost = ~rows.any(axis=1) & wanted.any(axis=1)
    if count < fewest or not right.any() or not lost.any() or not (right | lost).all():
        return None
    if expected[0].size == count and min(right.sum(), lost.sum()) > 1:
        return None  # single entries may be 0 because of their values
    if right.sum() == 1:
        words = f"only one of {count} along axis {axis} is in it"
        return Cause(fault.NOT_ACCUMULATED, words, "add the others to it")
    verb = "is" if lost.sum() == 1 else "are"
    words = f"{lost.sum()} of {count} along axis {axis} {verb} left out"
    return Cause(fault.SOME_LEFT_OUT, words, "take all of them")


def other_axis(node: Node, axis: Any, keeps: bool = False) -> Cause:
    """Return the cause of a reduction that must go over another axis, and perhaps keep it."""
    words = f"`{node.source}` goes over {_axes(axis_of(node))} and must go over {_axes(axis)}"
    fix = f"let `{node.source}` go over {_axes(axis)}"
    fix += ", with keepdims=True" if keeps and not node.keywords.get("keepdims") else ""
    return Cause(fault.WRONG_AXIS, words, fix, node.index)


def axis_of(node: Node) -> Any:
    """Return the axis of a reduction; None for all axes."""
    return node.keywords.get("axis", node.arguments[1] if len(node.arguments) > 1 else None)


def _axes(axis: Any) -> str:
    if axis is None:
        return "all axes"
    return f"axes {', '.join(map(str, axis))}" if isinstance(axis, tuple) else f"axis {axis}"


def _other_axes(node: Node, compared: Compared) -> Iterator[tuple[Any, dict[str, Any]]]:
    dimensions = compared.state.tape[node.operands[0]].value.ndim
    present, is_sum = axis_of(node), node.operation in REDUCTIONS
    counts = range(2, dimensions if is_sum and dimensions <= MOST_SUMMED else 0)
    several = [axes for one in counts for axes in combinations(range(dimensions), one)]
    several.sort(key=lambda axes: len(axes) != np.size(present))
    kept = {"keepdims": bool(node.keywords.get("keepdims", False))}
    for axis in (None, *range(dimensions), *several):
        for keywords in (kept, {"keepdims": True}) if is_sum else ({},):
            if axis != present:
                yield axis, {"axis": axis, **keywords}


def _with(keywords: dict[str, Any], node: Node) -> Node:
    others = {key: value for key, value in node.keywords.items() if key not in keywords}
    return replace(node, arguments=node.arguments[:1], keywords={**others, **keywords})


DEEPEST = 40
"""The number of operations before the wrong value in which a size is looked for."""


def size_cause(compared: Compared) -> Cause | None:
    """Return the cause if another size, in all places of one, makes the value right."""
    tape = compared.state.tape
    code = _function_of(tape[compared.operand])
    made = [
        node
        for node in islice(latest_first(tape, [compared.operand]), DEEPEST)
        if not node.is_leaf and _function_of(node) is code
    ]
    added = [node for node in made if node.operation in REDUCTIONS and node.value.size]
    counts = {tape[node.operands[0]].value.size // node.value.size for node in added}
    sizes = sizes_of(made)
    for size in sorted(set(_whole_numbers(made, tape))):
        for other in sorted((counts | sizes if size in sizes else counts) - {size}):
            if _is_right_with(compared, made, size, other):
                what = "the length of another axis" if other in sizes else "the number of summands"
                words = f"{size} stands where {other} belongs, {what}"
                return Cause(fault.OTHER_SIZE, words, f"take {other} for {size}")
    return None


def _function_of(node: Node) -> object:
    return node.chain[0].code if node.chain else None


def _whole_numbers(made: Sequence[Node], tape: Sequence[Node]) -> Iterator[int]:
    """Yield the integers among the arguments of operations, and those of which they have 1 / n."""
    for node in made:
        for number in filter(None, (constant_of(item, tape) for item in node.arguments)):
            for whole in (number, 1 / number):
                if 1 < whole < np.inf and abs(whole - round(whole)) < 1e-9 * whole:
                    yield round(whole)


def _is_right_with(compared: Compared, made: Sequence[Node], size: int, other: int) -> bool:
    """True if the value is right with another size."""
    indices = [node.index for node in made]
    return agrees_with(
        compared,
        lambda nodes: {index: _with_size(nodes[index], nodes, size, other) for index in indices},
    )


def _with_size(node: Node, nodes: Sequence[Node], size: int, other: int) -> Node:
    """Return the operation with another size among its arguments, which an exponent is not."""
    if node.operation == "power":
        return node
    arguments = tuple(_exchanged(item, nodes, size, other) for item in node.arguments)
    if all(new is old for new, old in zip(arguments, node.arguments, strict=True)):
        return node
    operands = tuple(item.index for item in arguments if isinstance(item, Reference))
    return replace(node, arguments=arguments, operands=operands)


def _exchanged(argument: object, nodes: Sequence[Node], size: int, other: int) -> object:
    number = constant_of(argument, nodes)
    if number is not None and np.isclose(number, size, 1e-12, 0):
        return float(other)
    if number is not None and np.isclose(number * size, 1, 1e-12, 0):
        return 1 / other
    return argument


def turned_cause(compared: Compared) -> Cause | None:
    """The right value with its axes in another order."""
    actual, expected = compared.actual, compared.expected
    shape = actual[0].shape
    if actual[0].ndim > 4 or actual[0].size < 2 or expected[0].shape != shape:
        return None
    if same(transposed(actual), expected):
        used_by = [one for one in compared.state.tape if compared.operand in one.operands]
        reduced = used_by[0] if len(used_by) == 1 else compared.state.tape[compared.node]
        axis = _exchanged_axes(reduced, actual[0].ndim)
        if axis is not None:
            return other_axis(reduced, axis)
        return Cause(fault.TRANSPOSED, "it is the transpose", "transpose it")
    return _in_another_order(compared)


def _exchanged_axes(node: Node, dimensions: int) -> Any:
    """Return the axes of a sum with the last for the last but one, or the reverse; or None."""
    axis = axis_of(node) if node.operation in REDUCTIONS and node.place else None
    axes = {one % dimensions for one in np.ravel([] if axis is None else axis).tolist()}
    last = {dimensions - 2, dimensions - 1}
    if len(axes & last) != 1:
        return None
    return tuple(sorted(axes ^ last)) if isinstance(axis, tuple) else (axes ^ last).pop()


def reshaped_cause(compared: Compared) -> Cause | None:
    """The right entries, whose axes are to stand in another order before a reshape."""
    tape, reshaped = compared.state.tape, compared.state.tape[compared.operand]
    is_used_elsewhere = compared.is_use and len(compared.state.consumers[reshaped.index]) > 1
    if is_used_elsewhere or reshaped.operation != "reshape" or reshaped.place is None:
        return None
    laid = tape[reshaped.operands[0]]
    is_turned = laid.operation in EXCHANGES and laid.place is not None
    values = compared.state.at(laid.operands[0] if is_turned else laid.index)
    if not 2 < values[0].ndim <= MOST_AXES or values[0].size != compared.expected[0].size:
        return None
    whole = operand_text(reshaped.place.source, 0)
    text = operand_text(laid.place.source, 0) if is_turned and laid.place else whole
    for order in permutations(range(values[0].ndim)):
        moved = (np.transpose(one, order) for one in values)
        pairs = zip(moved, compared.expected, strict=True)
        if same([one.reshape(wanted.shape) for one, wanted in pairs], compared.expected):
            turn = f".transpose({', '.join(map(str, order))})" if any(np.diff(order) < 0) else ""
            fix = f"put its axes in another order before that: {turn}"
            if text is not None and whole is not None:
                fix = f"write `{ast.unparse(text)}{turn}` for `{ast.unparse(whole)}`"
            return Cause(fault.TRANSPOSED, "its entries are right, and its axes are not", fix)
    return None


def _in_another_order(compared: Compared) -> Cause | None:
    """A matrix whose entries are taken by columns and not by rows; a kernel slid the other way."""
    node = compared.state.tape[compared.node]
    if compared.is_use or not node.operands:
        return None
    own = compared.state.at(node.operands[0])
    if node.operation in LAYING_OUT and own[0].ndim == 2 and own[0].size == compared.actual[0].size:
        by_rows = [np.reshape(one, compared.actual[0].shape) for one in own]
        if same(by_rows, compared.expected):
            words = "its entries are taken in another order than the loss takes them in"
            return Cause(fault.TRANSPOSED, words, "take them row by row")
    if node.operation in ("convolve", "correlate"):
        other = np.correlate if node.operation == "convolve" else np.convolve
        if agrees(compared, node, lambda one: replace(one, function=other)):
            words = (
                f"one of the two is turned round in it: np.{other.__name__} does it the other way"
            )
            return Cause(fault.REVERSED, words, f"use np.{other.__name__}")
    return None
