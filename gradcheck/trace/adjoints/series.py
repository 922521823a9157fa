"""What is known of the loops of a loss: the same quantity in every pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.quantities import (
    ADJOINT,
    NO_OTHER,
    PATHS,
    SLOPE,
    VALUE,
    Quantity,
    What,
    contributions_of,
    used_values,
)


@dataclass(frozen=True)
class Series:
    """The same quantity in all passes of a loop of the loss.

    Attributes:
        first: what it is in the first of them.
        values: by point and pass.
    """

    first: What
    values: tuple[tuple[NDArray[Any], ...], ...]


def series_of(points: Sequence[Point], quantities: Sequence[Quantity]) -> list[Series]:
    """The series over the loops of the loss: of values and adjoints, and of these slopes."""
    first = points[0]
    found = list(_series_of_slopes(first, quantities))
    groups: dict[Any, list[int]] = {}
    calls: dict[Any, list[int]] = {}  # of one function from different places
    used = used_values(first)
    for node in first.loss_nodes:
        if node.index in used and not node.is_leaf and node.is_float:
            own = (node.name, node.value.shape)
            groups.setdefault((node.chain, *own), []).append(node.index)
            calls.setdefault((node.chain[:1], *own), []).append(node.index)
    loops = {tuple(members) for members in groups.values()}
    groups |= {key: one for key, one in calls.items() if key[0] and tuple(one) not in loops}
    ends = _ends_of_loops(first)
    inner = [[one for one in members if one in ends] for members in groups.values()]
    for members in [*groups.values(), *(part for part in inner if len(part) in range(2, PATHS))]:
        if len(members) < 2:
            continue
        reached = [point.derivatives.of_nodes for point in points]
        if all(index in one for one in reached for index in members):
            adjoints = (tuple(np.asarray(one[index]) for index in members) for one in reached)
            found.append(Series(What(ADJOINT, members[0], NO_OTHER), tuple(adjoints)))
        values = (tuple(point.loss_nodes[index].value for index in members) for point in points)
        found.append(Series(What(VALUE, members[0], NO_OTHER), tuple(values)))
    return [*found, *_series_of_parts(points)]


def _ends_of_loops(point: Point) -> set[int]:
    """The values that leave the line which makes them: buffers that an inner loop has filled."""
    nodes, found = point.loss_nodes, set()
    for user in nodes:
        for operand in user.operands:
            own = nodes[operand].place
            if own is not None and (user.place is None or user.place.line != own.line):
                found.add(operand)
    return found


def _series_of_parts(points: Sequence[Point]) -> Iterator[Series]:
    """What each pass of a loop contributes to the derivative of one value, nothing too.

    Or to that of the value that the pass before it made, which is used elsewhere as well.
    """
    nodes = points[0].loss_nodes
    groups: dict[Any, list[Quantity]] = {}
    carried: dict[Any, list[Quantity]] = {}
    for one in contributions_of(points):
        made, user = nodes[one.node], nodes[one.other]
        groups.setdefault((one.node, user.chain, user.name), []).append(one)
        if made.chain:
            carried.setdefault((made.chain, made.name, user.chain, user.name), []).append(one)
    for members in groups.values():
        if len(members) > 1:
            yield _series(members)
    for members in carried.values():
        if len({one.node for one in members}) == len(members) > 1:
            yield _series(sorted(members, key=lambda one: one.node))


def _series(members: Sequence[Quantity]) -> Series:
    return Series(members[0], tuple(zip(*(one.values for one in members), strict=True)))


def _series_of_slopes(first: Point, quantities: Sequence[Quantity]) -> Iterator[Series]:
    groups: dict[Any, list[Quantity]] = {}
    for one in quantities:
        if one.kind == SLOPE:
            ends = (first.loss_nodes[index] for index in (one.node, one.other))
            key = tuple((node.chain, node.name, node.value.shape) for node in ends)
            groups.setdefault(key, []).append(one)
    for members in groups.values():
        if len(members) > 1:
            yield _series(members)
