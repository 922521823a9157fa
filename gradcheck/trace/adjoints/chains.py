"""Local derivatives along chains of elementwise operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.differences import Contributions
from gradcheck.trace.adjoints.operations import ELEMENTWISE, contributions
from gradcheck.trace.record.distributions import DENSITIES
from gradcheck.trace.record.nodes import Node

REACH = 8
"""The largest number of elementwise operations in a chain."""

CHAIN = frozenset(ELEMENTWISE).union(
    DENSITIES, ("where", "clip", "getitem", "real", "erf", "expit", "ndtr", "log_ndtr", "float")
)
"""The operations that may be part of a chain."""

Locals = dict[int, Contributions]
"""By node, its elementwise derivatives by each operand."""


def chained(
    nodes: Sequence[Node],
    values: Sequence[NDArray[Any]],
    end: int,
    reached: Mapping[int, NDArray[Any]],
    cache: Locals,
) -> dict[int, NDArray[Any]]:
    """Return the elementwise derivatives of the value `end` by those that chains lead from.

    Only values in `reached` are followed; `cache` has the local derivatives computed so far.
    """
    shape = values[end].shape
    slopes = {end: np.ones(shape)}
    depth = {end: 0}
    pending = [end]
    while pending:
        index = max(pending)
        pending.remove(index)
        node = nodes[index]
        if node.operation not in CHAIN or depth[index] >= REACH or node.function is None:
            continue
        for operand, part in _parts(node, values, slopes[index], cache):
            value = values[operand]
            if operand not in reached or value.shape != shape or value.dtype.kind == "c":
                continue
            if operand in slopes:
                slopes[operand] = slopes[operand] + part
            else:
                slopes[operand] = part
                depth[operand] = depth[index] + 1
                pending.append(operand)
    del slopes[end]
    return slopes


def _parts(
    node: Node, values: Sequence[NDArray[Any]], g: NDArray[Any], cache: Locals
) -> Contributions:
    """Return the contributions of an operation of a chain; elementwise slopes are cached."""
    if node.operation not in ELEMENTWISE:
        return contributions(node, values[node.index], values, g)
    if node.index not in cache:
        ones = np.ones(g.shape)
        cache[node.index] = contributions(node, values[node.index], values, ones)
    return [(operand, g * part) for operand, part in cache[node.index] if part.shape == g.shape]


def ends_of_chains(nodes: Sequence[Node], users: Sequence[Sequence[int]], begin: int) -> list[int]:
    """Return the values to which chains may lead from `begin`, in order."""
    ends: set[int] = set()
    latest = {begin}
    for _ in range(REACH):
        next_ones = {user for index in latest for user in users[index]} - ends
        latest = {index for index in next_ones if nodes[index].operation in CHAIN}
        ends |= latest
    return sorted(ends)


def stays_inside(begin: int, inside: set[int], above: int, users: Sequence[Sequence[int]]) -> bool:
    """True if every path from `begin` to the end of a chain, of mask `above`, stays inside it."""
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
