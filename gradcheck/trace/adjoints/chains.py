"""Local derivatives: along chains of operations that take every entry for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.differences import Contributions
from gradcheck.trace.adjoints.operations import ELEMENTWISE, contributions
from gradcheck.trace.record.nodes import Node

REACH = 8
"""Along how many elementwise operations a local derivative is taken at most."""

CHAIN = frozenset(ELEMENTWISE) | {
    "where",
    "clip",
    "getitem",
    "real",
    "erf",
    "expit",
    "ndtr",
    "float",
}
"""The operations along which there are local derivatives."""

Locals = dict[int, Contributions]
"""By node, the derivatives of each entry by that of each operand."""


def chained(
    nodes: Sequence[Node],
    values: Sequence[NDArray[Any]],
    end: int,
    reached: Mapping[int, NDArray[Any]],
    known: Locals,
) -> dict[int, NDArray[Any]]:
    """The derivatives of a value by those that elementwise operations made it of."""
    shape = values[end].shape
    found = {end: np.ones(shape)}
    depth = {end: 0}
    pending = [end]
    while pending:
        index = max(pending)
        pending.remove(index)
        node = nodes[index]
        if node.operation not in CHAIN or depth[index] >= REACH or node.function is None:
            continue
        for operand, part in _parts(node, values, found[index], known):
            if operand not in reached or values[operand].shape != shape:
                continue
            if operand in found:
                found[operand] = found[operand] + part
            else:
                found[operand] = part
                depth[operand] = depth[index] + 1
                pending.append(operand)
    del found[end]
    return found


def _parts(
    node: Node, values: Sequence[NDArray[Any]], g: NDArray[Any], known: Locals
) -> Contributions:
    """The contributions of an operation on single entries, whose derivatives are known once."""
    if node.operation not in ELEMENTWISE:
        return contributions(node, values[node.index], values, g)
    if node.index not in known:
        ones = np.ones(g.shape)
        known[node.index] = contributions(node, values[node.index], values, ones)
    return [(operand, g * part) for operand, part in known[node.index] if part.shape == g.shape]


def stays_inside(begin: int, inside: set[int], above: int, users: Sequence[Sequence[int]]) -> bool:
    """Whether every path from a value to the end of a chain stays in the chain."""
    seen, pending = {begin}, [begin]
    while pending:
        for user in users[pending.pop()]:
            if user in seen or not above >> user & 1:
                continue
            if user not in inside:
                return False
            seen.add(user)
            pending.append(user)
    return True
