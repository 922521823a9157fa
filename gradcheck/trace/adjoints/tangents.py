"""Derivatives of the loss's values by single entries of the parameters: the columns of Jacobians.

They are differences of the tape, carried out again with the entry moved: no rule of an operation
is needed, and central ones of the sixth order agree with the derivative to nine digits or more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.record.graph import carried
from gradcheck.trace.record.nodes import Node

ByPoint = tuple[NDArray[Any], ...]

MOST_ROWS = 2000
"""Of a matrix of so many rows, columns are judged as a whole."""

STEP = 3e-3
"""By how much an entry is moved, by its size."""

STENCIL = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
"""Fornberg 1988: the first derivative to the sixth order."""


def tangents_of(points: Sequence[Point]) -> Iterator[tuple[int, int, ByPoint]]:
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


def columns_of(points: Sequence[Point]) -> Iterator[tuple[str, int, int, ByPoint]]:
    """The columns of the matrix whose row is followed as a gradient.

    Returns:
        The block that a column is by, the matrix on the tape of the gradient, the number of the
        column, and what it should be by point.
    """
    first = points[0]
    matrix, values = _matrix(first), first.loss_nodes[first.loss_index].operands
    if matrix is None or not values or first.subject.cut is None:
        return
    (leaf,) = first.parameters.values()
    names = _blocks_of_entries(first, leaf)
    for _, entry in first.subject.along:
        by_point = [_along(point, leaf, entry).get(values[0]) for point in points]
        known = tuple(one.reshape(-1) for one in by_point if one is not None)
        rows, columns = first.nodes[matrix].value.shape
        if len(known) == len(points) and known[0].shape == (rows,) and columns == len(names):
            yield names[entry], matrix, entry, known


def _matrix(point: Point) -> int | None:
    """What the row was read from, which the user's code has made; None where it is no matrix."""
    for node in reversed(point.nodes):
        if node.operation == "getitem" and node.place is None and len(node.operands) == 1:
            read = point.nodes[node.operands[0]].value
            if read.ndim == 2 and node.value.shape == read.shape[1:] and len(read) <= MOST_ROWS:
                return node.operands[0]
    return None


def _blocks_of_entries(point: Point, leaf: int) -> list[str]:
    """The block that every entry of the one vector of parameters is in."""
    subject, shape = point.subject, point.loss_nodes[leaf].value.shape
    places = () if subject.cut is None else subject.cut(np.zeros(shape))
    named = zip(subject.names, places, strict=True)
    return [name for name, place in named for _ in range(place.size)]


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
        if node.operation == "getitem" and node.operands == (leaf,) and node.value.size == 1:
            place = np.zeros(nodes[leaf].value.shape)
            place.flat[entry] = 1.0
            try:
                if node.function is not None and node.function(place, node.arguments[1]) == 1.0:
                    return node.index
            except (IndexError, TypeError, ValueError):
                continue
    return leaf
