"""The graph of a tape: which values are computed from which, and how to evaluate them again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import mapped
from gradcheck.trace.record.names import MOVES, split_names
from gradcheck.trace.record.nodes import Altered, Node, Reference

PRODUCTS = split_names("multiply matmul dot outer divide negative")
"""The operations that make nothing of nothing, however large their other operand is."""

Key = TypeVar("Key")
Item = TypeVar("Item")


def grouped(pairs: Iterable[tuple[Key, Item]]) -> dict[Key, list[Item]]:
    """Group the items by their keys."""
    groups: dict[Key, list[Item]] = {}
    for key, item in pairs:
        groups.setdefault(key, []).append(item)
    return groups


def repetitions(nodes: Sequence[Node], index: int) -> list[int]:
    """Return an operation and its repetitions by the same calls at the same place, in a loop."""
    first = nodes[index]
    return [one.index for one in nodes if one.chain == first.chain and one.name == first.name]


def users_of(nodes: Sequence[Node]) -> list[list[int]]:
    """Return the indices of the operations that use each value."""
    users: list[list[int]] = [[] for _ in nodes]
    for node in nodes:
        for operand in node.operands:
            users[operand].append(node.index)
    return users


def masks_of(nodes: Sequence[Node]) -> list[int]:
    """Return for each value, as bits, the values that it is computed from, and itself."""
    masks: list[int] = []
    for node in nodes:
        masks.append(reduce(or_, (masks[operand] for operand in node.operands), 1 << node.index))
    return masks


def bits_of(mask: int, count: int) -> list[bool]:
    """Return the first bits of a number, of which a shift would copy all."""
    octets = np.frombuffer(mask.to_bytes(count // 8 + 1, "little"), dtype=np.uint8)
    bits: list[bool] = np.unpackbits(octets, bitorder="little")[:count].astype(bool).tolist()
    return bits


def leaves_its_line(nodes: Sequence[Node], index: int, users: Sequence[int]) -> bool:
    """Whether another line uses a value, such as the final sum of an inner loop."""
    place = nodes[index].place
    places = (nodes[user].place for user in users)
    return place is not None and any(one is None or one.line != place.line for one in places)


def never_leaves(nodes: Sequence[Node], index: int, users: Sequence[int]) -> bool:
    """Whether a value is used, but only inside of the library call that computes it."""
    return bool(users) and all(is_inside(nodes, user, index) for user in users)


def is_inside(nodes: Sequence[Node], user: int, operand: int) -> bool:
    """Whether one library call both computes the operand and uses it."""
    call = nodes[operand].library_call
    return call > 0 and call == nodes[user].library_call


HOLDING_NONE = frozenset((int, float, slice, type(None), type(...), np.ndarray))
"""The types of what indices are made of, which is no reference and holds none."""


def resolve(argument: Any, values: Any) -> Any:
    """Replace the references in an argument by their values."""
    if type(argument) is tuple and HOLDING_NONE.issuperset(map(type, argument)):
        return argument
    return mapped(lambda one: values[one.index] if type(one) is Reference else one, argument)


def evaluate(node: Node, values: Any) -> NDArray[Any]:
    """Evaluate a node with other values of its operands, given by index.

    Where a function of `math` raises that a number is too large, the value is NaN.
    """
    if node.function is None:
        return node.value
    if isinstance(node.function, Altered):
        return np.asarray(node.function.value(values))
    arguments = [
        values[argument.index] if type(argument) is Reference else resolve(argument, values)
        for argument in node.arguments
    ]
    keywords = resolve(node.keywords, values) if node.keywords else {}
    try:
        return np.asarray(node.function(*arguments, **keywords))
    except ArithmeticError:
        return np.full_like(node.value, np.nan)


def adding(node: Node) -> Node:
    """Return the node of a write that adds to the old entries instead of replacing them."""
    write = node.function

    def add(before: Any, *written: Any) -> Any:
        return None if write is None else before + write(np.zeros_like(before), *written)

    return replace(node, function=add)


def carried(
    nodes: Sequence[Node],
    known: Any,
    changed: Mapping[int, NDArray[Any] | Node],
    last: int,
    leading: Sequence[int] = (),
) -> dict[int, NDArray[Any]]:
    """Return all values up to the node `last` that change when those in `changed` are replaced.

    `changed` has new values or new nodes by index, `known` the old values. If the values that are
    `leading` to the last are given, in order, no others are returned.
    """
    values: dict[int, NDArray[Any]] = {}
    first = min(changed)
    order = leading[bisect_left(leading, first) :] if leading else range(first, last + 1)
    for own in map(nodes.__getitem__, order):
        node = changed.get(own.index, own)
        if not isinstance(node, Node):
            values[own.index] = node
        elif node is not own or not values.keys().isdisjoint(node.operands):
            operands = {index: values.get(index, known[index]) for index in node.operands}
            values[own.index] = evaluate(node, operands)
    return values


def made_from(nodes: Sequence[Node], start: int, last: int) -> set[int]:
    """Return the indices of a value and of all values up to `last` that are computed from it."""
    descendants = {start}
    for node in nodes[start + 1 : last + 1]:
        if not descendants.isdisjoint(node.operands):
            descendants.add(node.index)
    return descendants


def latest_first(
    nodes: Sequence[Node],
    starts: Iterable[int],
    operands: Callable[[Node], Iterable[int]] = lambda node: node.operands,
) -> Iterator[Node]:
    """Yield some values and all values they are computed from, each once, the last first.

    `operands` returns the operands of a node that are to be followed.
    """
    pending = set(starts)
    while pending:
        index = max(pending)
        pending.remove(index)
        yield nodes[index]
        pending.update(operands(nodes[index]))


def before_moves(nodes: Sequence[Node], index: int) -> int:
    """Return the index of a value before operations that merely move data, such as reshape."""
    while nodes[index].operation in MOVES and len(nodes[index].operands) == 1:
        index = nodes[index].operands[0]
    return index


def constant_of(argument: Any, nodes: Sequence[Node]) -> float | None:
    """Return the number that an operation has as an argument; None if it was computed."""
    if isinstance(argument, Reference):
        node = nodes[argument.index]
        return float(node.value.reshape(())) if node.is_leaf and node.value.size == 1 else None
    return float(argument) if isinstance(argument, int | float | np.number) else None


def times_nothing(nodes: Sequence[Node]) -> set[int]:
    """Return the indices of products with the number 0, as the step of a learning rate of 0."""
    found = set[int]()
    for node in nodes:
        if node.operation in PRODUCTS:
            is_nothing = any(isinstance(one, float) and one == 0 for one in node.arguments)
            found |= {node.index} if is_nothing or found.intersection(node.operands) else set()
    return found
