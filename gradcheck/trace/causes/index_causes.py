"""Wrong indices in a gradient: two that are exchanged, or one that should be another."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import (
    Array,
    Compared,
    agrees,
    agrees_with,
    made_of,
    same,
)
from gradcheck.trace.fault import Cause
from gradcheck.trace.record.graph import repetitions, resolve
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.record.sources import expression_of
from gradcheck.trace.wording.loops import indices_in

Key = tuple[Any, ...]

MOST_PARTS = 16
"""The number of alternatives that are tried for a number written as an index."""


def index_cause(compared: Compared) -> Cause | None:
    """Return the cause if entries are read or written with two of their indices exchanged."""
    if not np.any(compared.expected[0]):
        return None  # any entry that is 0 would fit
    for node in made_of(compared):
        key = node.arguments[1] if node.name in ("getitem", "setitem") else None
        if not isinstance(key, tuple) or node.place is None:
            continue
        for pair in combinations(range(len(key)), 2):
            order = list(range(len(key)))
            order[pair[0]], order[pair[1]] = reversed(pair)
            if agrees_at(compared, node, partial(_in_order, order)):
                source = node.place.source
                right = _reordered(source, order)
                fix = f"write `{right}`" if right else "exchange them"
                words = f"two indices of `{source}` are exchanged"
                return Cause(fault.TRANSPOSED, words, fix, node.index)
    return None


def _in_order(order: Sequence[int], node: Node) -> Key:
    return tuple(node.arguments[1][i] for i in order)


def agrees_at(compared: Compared, node: Node, key: Callable[[Node], Key]) -> bool:
    """True if the value is right with another key of a read or write in all passes of a loop."""
    tape = compared.state.tape
    passes = repetitions(tape, node.index)

    def reordered(nodes: Sequence[Node]) -> dict[int, Node]:
        if node.name == "getitem":
            return {index: _read(nodes[index], key(nodes[index])) for index in passes}
        changed = {}
        for index in passes:
            write, added = nodes[index], _added_before(nodes[index], nodes)
            if added is not None:  # what is written back is there already
                changed[index] = replace(write, function=lambda before, *_: before)
            at = index if added is None else added
            is_sum = added is not None or _reads_back(write, nodes)
            changed[at] = _written_at(key(write), write.arguments[1], nodes[at], is_sum)
        return changed

    return agrees_with(compared, reordered)


def _added_before(write: Node, nodes: Sequence[Node]) -> int | None:
    """Return the operation by which `a[key] += b` changes the part, before it is written back."""
    before = nodes[write.operands[0]]
    added = nodes[before.operands[0]] if before.name == "view" else before
    is_same = added.name == "scatter" and added.operands[-1] == write.operands[-1]
    return added.index if is_same and added.value.shape == write.value.shape else None


def _reads_back(write: Node, nodes: Sequence[Node]) -> bool:
    """True if what is written is made of what was there, as in `a[key] = a[key] + b`."""
    made = (nodes[one] for one in nodes[write.operands[-1]].operands)
    return any(write.operands[0] in (one.index, *one.operands) for one in made)


def other_index_cause(compared: Compared) -> Cause | None:
    """Return the cause if a part, such as a column, is read at a wrong number."""
    if not np.any(compared.expected[0]) or _is_read_for_others(compared):
        return None
    windows = loss_index_cause(compared)
    if windows is not None and not _is_one(compared.state.tape[compared.operand], compared):
        return windows
    for node in made_of(compared):
        for subscript, axis, other, text in _with_other_numbers(node, compared):
            if agrees(compared, node, partial(_read_at, axis, other)):
                indices = [ast.unparse(index) for index in indices_in(subscript)]
                wrong, indices[axis] = indices[axis], text
                words = f"`{node.source}` is read at {wrong}, and {text} belongs there"
                fix = f"write `{subscript_text(subscript, indices)}`"
                if text != ":" and not _is_one(node, compared):
                    words, fix = f"{words} in that pass", f"let it read {text} in that pass"
                return Cause(fault.OTHER_INDEX, words, fix, node.index)
    return None


def _is_read_for_others(compared: Compared) -> bool:
    """True if a part is used elsewhere as well, rightly: it is to be another one in this use."""
    return compared.is_use and len(compared.state.consumers[compared.operand]) > 1


def loss_index_cause(compared: Compared) -> Cause | None:
    """Return the cause if the loss reads other entries of the same array."""
    node, read = compared.state.tape[compared.operand], _moved_by_the_loss(compared)
    if read is None or read.place is None or node.operation != "getitem":
        return None
    if _is_read_for_others(compared):
        return None
    source, line = read.place.source, f"the loss, line {read.place.line},"
    if source != node.source and _is_one(node, compared):
        words = f"`{node.source}` is read where {line} reads `{source}`"
        return Cause(fault.OTHER_INDEX, words, f"read `{source}`", node.index)
    here, there = (_key_text(one.arguments[1]) for one in (node, read))
    words = f"`{node.source}` is read at {here} where {line} reads it at {there}"
    fix = f"compute its indices as line {read.place.line} does"
    return Cause(fault.OTHER_INDEX, words, fix, node.index)


def loss_movement_cause(compared: Compared) -> Cause | None:
    """Return the cause if the loss moves the entries of an array otherwise, as `roll` does."""
    node, moved = compared.state.tape[compared.operand], _moved_by_the_loss(compared)
    if moved is None or moved.place is None or moved.source == node.source:
        return None
    where = f"where the loss, line {moved.place.line}, has `{moved.source}`"
    words = f"`{node.source}` moves the entries {where}"
    return Cause(fault.OTHER_INDEX, words, f"write `{moved.source}`", node.index)


def _moved_by_the_loss(compared: Compared) -> Node | None:
    """Return the value wanted, if the loss makes it by the same movement of the same array."""
    node, made = compared.state.tape[compared.operand], compared.made_in_its_pass
    if compared.is_use or made is None or node.operation not in MOVES or not node.operands:
        return None
    is_alike = made.operation == node.operation and same(
        compared.state.at(node.operands[0]), compared.values(made.operands[0])
    )
    return made if is_alike else None


def _key_text(key: Any) -> str:
    """Return the numbers and slices of a subscript; those of arrays are not shown."""
    parts = key if isinstance(key, tuple) else (key,)
    texts = [
        ":".join("" if end is None else str(end) for end in (part.start, part.stop))
        if isinstance(part, slice)
        else str(part)
        if isinstance(part, int | np.integer)
        else "..."
        for part in parts
    ]
    return f"[{', '.join(texts)}]"


def _with_other_numbers(
    node: Node, compared: Compared
) -> Iterator[tuple[ast.Subscript, int, int | slice, str]]:
    """Yield the subscript of a node, the axis of a number or slice in it, and others to try."""
    subscript = expression_of(node.source)
    if node.operation != "getitem" or not isinstance(subscript, ast.Subscript):
        return
    array, key = (resolve(item, compared.state.values[0]) for item in node.arguments)
    key = key if isinstance(key, tuple) else (key,)
    written = indices_in(subscript)
    for axis, index in enumerate(key if len(written) == len(key) else ()):
        length = _length_along(key, axis, array)
        if type(index) is int and _is_number(written[axis]):
            yield from ((subscript, axis, at, str(at)) for at in range(min(length, MOST_PARTS)))
            yield subscript, axis, slice(None), ":"
        elif isinstance(index, slice) and index.step is None:
            first, end, _ = index.indices(length)
            for start in range(min(length - (end - first) + 1, MOST_PARTS)):
                stop = start + end - first
                ends = str(start or ""), str(stop if stop < length else "")
                yield subscript, axis, slice(start, stop), ":".join(ends)


def _is_one(node: Node, compared: Compared) -> bool:
    """True if all passes of a loop read the same part: a number then belongs in all of them."""
    passes = (one for one in compared.state.tape if one.place == node.place)
    keys = (one.arguments[1] for one in passes if one.operation == "getitem")
    return len(set(map(repr, keys))) == 1


def _is_number(index: ast.expr) -> bool:
    return isinstance(index, ast.Constant) or (
        isinstance(index, ast.UnaryOp) and isinstance(index.operand, ast.Constant)
    )


def _length_along(key: tuple[object, ...], axis: int, array: Array) -> int:
    """Return the length of the axis of an index; 0 if other kinds of indices stand before it."""
    plain = all(isinstance(index, int | slice) for index in key[:axis])
    return array.shape[axis] if plain and axis < array.ndim else 0


def _read_at(axis: int, other: int | slice, node: Node) -> Node:
    array, key = node.arguments
    if not isinstance(key, tuple):
        return replace(node, arguments=(array, other))
    return replace(node, arguments=(array, (*key[:axis], other, *key[axis + 1 :])))


def _read(node: Node, key: Key) -> Node:
    return replace(node, arguments=(node.arguments[0], key))


def _written_at(other: Key, key: Key, node: Node, is_sum: bool) -> Node:
    """Return a write to another key, of the values or, of a sum with those there, what is new."""

    def written(before: Array, *rest: Any) -> Array:
        changed = np.array(before, dtype=float)
        changed[other] = rest[-1] - before[key] + changed[other] if is_sum else rest[-1]
        return changed

    return replace(node, function=written)


def _reordered(source: str, order: Sequence[int]) -> str:
    """Return the text of a subscript with its indices in another order."""
    expression = expression_of(source)
    indices = [ast.unparse(index) for index in indices_in(expression)]
    if not isinstance(expression, ast.Subscript) or len(indices) != len(order):
        return ""
    return subscript_text(expression, [indices[i] for i in order])


def subscript_text(subscript: ast.Subscript, indices: Sequence[str]) -> str:
    """Return the text of a subscript with other indices."""
    return f"{ast.unparse(subscript.value)}[{', '.join(indices)}]"
