"""Derivatives of the loss's values by single entries of the parameters: the columns of Jacobians.

They are differences of the tape, carried out again with the entry moved: no rule of an operation
is needed, and central ones of the sixth order agree with the derivative to nine digits or more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.operations import base_name
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.record.nodes import Node, carried

STEP = 3e-3
"""By how much an entry is moved, by its size."""

STENCIL = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
"""Fornberg 1988: the first derivative to the sixth order."""


def tangents_of(points: Sequence[Point]) -> Iterator[tuple[int, int, tuple[NDArray[Any], ...]]]:
    """The values that an entry moves: which, by which, and the derivatives by point."""
    first = points[0]
    for name, entry in first.subject.along:
        leaf = first.parameters.get(name)
        if leaf is None:
            continue
        by_point = [_along(point, leaf, entry) for point in points]
        by = _read_alone(first.loss_nodes, leaf, entry)
        for index in by_point[0]:
            if all(index in found for found in by_point):
                yield index, by, tuple(found[index] for found in by_point)


def _along(point: Point, leaf: int, entry: int) -> dict[int, NDArray[Any]]:
    nodes = point.loss_nodes
    known = [node.value for node in nodes]
    step = STEP * (abs(float(known[leaf].flat[entry])) or 1.0)
    total: dict[int, NDArray[Any]] = {}
    for offset, weight in STENCIL:
        for sign in (1, -1):
            moved = np.array(known[leaf])
            moved.flat[entry] += sign * offset * step
            for index, value in carried(nodes, known, {leaf: moved}, point.loss_index).items():
                if nodes[index].is_float and not nodes[index].is_leaf:
                    share = np.asarray(value) * (sign * weight / step)
                    total[index] = total[index] + share if index in total else share
    return total


def entries_read_alone(point: Point) -> dict[str, int]:
    """Where the loss reads the one entry of a block by itself, by the block."""
    subject = point.subject
    if subject.cut is None or not subject.along:
        return {}
    (leaf,) = point.parameters.values()
    shape = point.loss_nodes[leaf].value.shape
    places = subject.cut(np.arange(np.prod(shape, dtype=int)).reshape(shape))
    found = {
        name: _read_alone(point.loss_nodes, leaf, int(place.reshape(())))
        for name, place in zip(subject.names, places, strict=True)
        if place.size == 1
    }
    return {name: index for name, index in found.items() if index != leaf}


def _read_alone(nodes: Sequence[Node], leaf: int, entry: int) -> int:
    """Where the entry is read by itself, or the leaf where it is not."""
    for node in nodes:
        if base_name(node) == "getitem" and node.operands == (leaf,) and node.value.size == 1:
            place = np.zeros(nodes[leaf].value.shape)
            place.flat[entry] = 1.0
            try:
                if node.function is not None and node.function(place, node.arguments[1]) == 1.0:
                    return node.index
            except (IndexError, TypeError, ValueError):
                continue
    return leaf
