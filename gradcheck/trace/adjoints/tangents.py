"""Derivatives of the loss's values by single entries of the parameters: columns of Jacobians."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.directional import along, second_adjoints
from gradcheck.trace.adjoints.points import Point, Subject
from gradcheck.trace.record.graph import carried, grouped
from gradcheck.trace.record.nodes import Node

ByPoint = tuple[NDArray[Any], ...]

GIVEN = ("reshape", "copy")
"""Operations on the parameters before they are passed to the user's function."""

FEWEST_PASSES, MOST_ENTRIES, MOST_NODES = 3, 6, 2000
"""Bounds for a gradient in forward mode: passes of its loop, parameters, and values on the tape."""

MOST_ROWS = 2000
"""The maximum number of rows of a matrix whose columns are judged as a whole."""


def tangents_of(points: Sequence[Point]) -> Iterator[tuple[int, int, ByPoint]]:
    """Yield the values that an entry moves: the value, the entry, and the derivatives by point."""
    first = points[0]
    single: dict[tuple[int, int], list[ByPoint]] = defaultdict(list)
    for name, entry in first.subject.along:
        leaf = first.parameters.get(name)
        if leaf is None:
            continue
        by_point = [_along(point, leaf, entry) for point in points]
        by = _read_alone(first.loss_nodes, leaf, entry)
        for index in by_point[0]:
            if all(index in found for found in by_point):
                values = tuple(found[index] for found in by_point)
                single[leaf, index].append(values)
                yield index, by, values
    for (leaf, index), columns in single.items():  # the gradient of a number by a whole block
        size = first.loss_nodes[leaf].value.size
        if 1 < len(columns) == size and first.loss_nodes[index].value.size == 1:
            together = zip(*columns, strict=True)
            yield index, leaf, tuple(np.ravel(by_entry) for by_entry in map(np.stack, together))


def in_forward_mode(point: Point) -> Subject:
    """Return the subject, to be followed by entries if its gradient carries derivatives forward.

    A recursion with few parameters may do so, with the derivatives of its state by each of them.
    """
    subject, nodes = point.subject, point.loss_nodes
    sizes = {name: nodes[leaf].value.size for name, leaf in point.parameters.items()}
    is_other = subject.along or subject.cut or subject.parts or subject.direction is not None
    if is_other or sum(sizes.values()) > MOST_ENTRIES or len(nodes) > MOST_NODES:
        return subject
    passes = grouped((node.in_loop, node) for node in nodes if node.chain and not node.is_leaf)
    if max(map(len, passes.values()), default=0) < FEWEST_PASSES:
        return subject
    entries = tuple((name, entry) for name, size in sizes.items() for entry in range(size))
    followed = replace(subject, along=entries)
    others = [node.value for node in nodes]
    others += [np.asarray(one) for one in point.derivatives.of_nodes.values()]
    unrelated = set(map(_digits, others))
    moving = {
        _digits(values[0]) for _, _, values in tangents_of([replace(point, subject=followed)])
    }
    made = {_digits(node.value) for node in point.nodes[point.start :] if node.is_float}
    return followed if len(made & moving - unrelated) >= FEWEST_PASSES else subject


def _digits(value: NDArray[Any]) -> tuple[str, ...]:
    """Return the first digits of an array's numbers, which identify it in any shape."""
    return tuple(f"{number:.5g}" for number in np.ravel(value)[:MOST_ENTRIES])


def columns_of(points: Sequence[Point]) -> Iterator[tuple[str, int, int, ByPoint]]:
    """Yield the columns of the matrix whose row is followed as a gradient.

    Yields:
        The block by which a column differentiates, the matrix as a node of the gradient's tape, the
        number of the column, and its expected values by point.
    """
    first = points[0]
    starts, width = {}, 0
    for name, leaf in first.parameters.items():
        starts[name] = width
        width += first.loss_nodes[leaf].value.size
    for name, entry in first.subject.along:
        if name not in first.parameters:
            continue
        block = name if first.subject.cut is None else _blocks_of_entries(first)[entry]
        matrix = _matrix(first, first.outputs.get(block))
        by_point = [_column(point, first.parameters[name], entry) for point in points]
        expected = tuple(one.reshape(-1) for one in by_point if one is not None)
        if matrix is None or len(expected) < len(points):
            continue
        rows, columns = first.nodes[matrix].value.shape
        number = entry + (starts[name] if columns == width else 0)
        if expected[0].shape == (rows,) and number < columns:
            yield block, matrix, number, expected


def _column(point: Point, leaf: int, entry: int) -> NDArray[Any] | None:
    """Return the expected column of an entry: the derivatives of all values by it; or None."""
    if point.subject.direction is not None:  # a row of a Hessian: the values are a gradient
        direction = _unit(point.loss_nodes[leaf].value.shape, entry)
        derivatives = second_adjoints(point.loss_nodes, point.loss_index, leaf, direction)
        return derivatives.of_nodes.get(leaf)
    values = point.loss_nodes[point.loss_index].operands
    return _along(point, leaf, entry).get(values[0]) if values else None


def _matrix(point: Point, output: int | None) -> int | None:
    """Return the matrix that a block's row was read from; None if the user's code made none."""
    while output is not None and point.nodes[output].operands:
        node = point.nodes[output]
        output = node.operands[0]
        read = point.nodes[output].value
        if node.operation == "getitem" and node.place is None and len(node.operands) == 1:
            is_row = read.ndim == 2 and node.value.shape == read.shape[1:]
            return output if is_row and len(read) <= MOST_ROWS else None
    return None


def _blocks_of_entries(point: Point) -> list[str]:
    """Return the block of every entry of the one vector of parameters."""
    subject = point.subject
    (leaf,) = point.parameters.values()
    places = (
        () if subject.cut is None else subject.cut(np.zeros(point.loss_nodes[leaf].value.shape))
    )
    named = zip(subject.names, places, strict=True)
    return [name for name, place in named for _ in range(place.size)]


def _along(point: Point, leaf: int, entry: int) -> dict[int, NDArray[Any]]:
    nodes = point.loss_nodes
    computed = [node.value for node in nodes]

    def made(moved: NDArray[Any]) -> dict[int, NDArray[Any]]:
        values = carried(nodes, computed, {leaf: moved}, point.loss_index)
        return {
            index: value
            for index, value in values.items()
            if nodes[index].is_float and not nodes[index].is_leaf
        }

    return along(computed[leaf], _unit(computed[leaf].shape, entry), made)


def _unit(shape: tuple[int, ...], entry: int) -> NDArray[np.float64]:
    direction = np.zeros(shape)
    direction.flat[entry] = 1.0
    return direction


def entries_read_alone(point: Point) -> dict[str, int]:
    """Return where the loss reads single entries by themselves, by the name of the entry."""
    subject, leaves = point.subject, point.parameters
    shapes = {name: point.loss_nodes[leaf].value.shape for name, leaf in leaves.items()}
    wanted = {
        f"{name}[{', '.join(map(str, np.unravel_index(entry, shapes[name])))}]": (name, entry)
        for name, entry in subject.along
        if name in leaves and shapes[name]
    }
    if subject.cut is not None and subject.along:
        ((whole, shape),) = shapes.items()
        places = subject.cut(np.arange(np.prod(shape, dtype=int)).reshape(shape))
        named = zip(subject.names, places, strict=True)
        wanted = {name: (whole, int(place.item())) for name, place in named if place.size == 1}
    reads = {
        name: (leaves[of], _read_alone(point.loss_nodes, leaves[of], entry))
        for name, (of, entry) in wanted.items()
    }
    return {name: index for name, (leaf, index) in reads.items() if index != leaf}


def _read_alone(nodes: Sequence[Node], leaf: int, entry: int) -> int:
    """Return the node that reads the entry by itself, or the leaf if there is none."""
    for node in nodes:
        if node.operation != "getitem" or len(node.operands) != 1 or node.value.size != 1:
            continue
        read = node.operands[0]
        indicator = np.zeros(nodes[read].value.shape)
        while read != leaf and nodes[read].place is None and nodes[read].operation in GIVEN:
            read = nodes[read].operands[0]
        if read == leaf:
            indicator.flat[entry] = 1.0
            try:
                if node.function is not None and node.function(indicator, node.arguments[1]) == 1.0:
                    return node.index
            except (IndexError, TypeError, ValueError):
                continue
    return leaf
