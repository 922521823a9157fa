"""Series: the same quantity of the loss in every pass of a loop."""

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
    TANGENT,
    VALUE,
    Quantity,
    What,
    contributions_of,
    contributions_of_calls,
    contributions_of_others,
    used_values,
)
from gradcheck.trace.record.graph import grouped, leaves_its_line, users_of


@dataclass(frozen=True)
class Series:
    """The same quantity in all passes of a loop of the loss.

    Attributes:
        first: the identity of the quantity in the first pass.
        values: its values, by point and pass.
    """

    first: What
    values: tuple[tuple[NDArray[Any], ...], ...]


def series_of(points: Sequence[Point], quantities: Sequence[Quantity]) -> list[Series]:
    """Return the series over the loops of the loss: of values, adjoints, tangents and slopes."""
    first = points[0]
    all_series = list(_series_of_slopes(first, quantities))
    nodes, used = first.loss_nodes, used_values(first)
    made = [one for one in nodes if one.index in used and not one.is_leaf and one.is_float]
    groups = grouped((one.in_loop, one.index) for one in made)
    # calls of one function from different places are a series as well
    calls = grouped(((one.chain[:1], one.name, one.value.shape), one.index) for one in made)
    loops = {tuple(members) for members in groups.values()}
    groups |= {key: one for key, one in calls.items() if key[0] and tuple(one) not in loops}
    users = users_of(nodes)
    inner = [
        [one for one in members if leaves_its_line(nodes, one, users[one])]
        for members in groups.values()
    ]
    for members in [*groups.values(), *(part for part in inner if len(part) in range(2, PATHS))]:
        if len(members) < 2:
            continue
        reached = [point.derivatives.of_nodes for point in points]
        if all(index in one for one in reached for index in members):
            adjoints = (tuple(np.asarray(one[index]) for index in members) for one in reached)
            all_series.append(Series(What(ADJOINT, members[0], NO_OTHER), tuple(adjoints)))
        values = (tuple(point.loss_nodes[index].value for index in members) for point in points)
        all_series.append(Series(What(VALUE, members[0], NO_OTHER), tuple(values)))
    return [*all_series, *_series_of_parts(points)]


def _series_of_parts(points: Sequence[Point]) -> Iterator[Series]:
    """Yield the contributions of the passes of a loop to the derivative of one value.

    Also yield those to the derivative of the previous pass's value, if that is used elsewhere too.
    """
    nodes = points[0].loss_nodes
    parts, calls = (
        [(nodes[one.node], nodes[one.other], one) for one in parts_of(points)]
        for parts_of in (contributions_of, contributions_of_calls)
    )
    groups = grouped(((made.index, user.chain, user.name), one) for made, user, one in parts)
    for members in groups.values():
        if len(members) > 1:
            yield _series(members)
    others = (
        (nodes[rest.node], nodes[left], rest) for left, rest in contributions_of_others(points)
    )
    carried = grouped(
        ((made.chain, made.name, user.chain, user.name, number), one)
        for number, some in enumerate((parts, others, calls))
        for made, user, one in some
        if made.chain
    )
    for members in carried.values():
        if len({one.node for one in members}) == len(members) > 1:
            yield _series(sorted(members, key=lambda one: one.node))


def _series(members: Sequence[Quantity]) -> Series:
    return Series(members[0], tuple(zip(*(one.values for one in members), strict=True)))


def _series_of_slopes(first: Point, quantities: Sequence[Quantity]) -> Iterator[Series]:
    nodes = first.loss_nodes
    kinds = (SLOPE, TANGENT)
    slopes = (one for one in quantities if one.kind in kinds and not nodes[one.node].is_leaf)
    groups = grouped(
        ((one.kind, nodes[one.node].in_loop, nodes[one.other].in_loop), one) for one in slopes
    )
    for members in groups.values():
        if len(members) > 1:
            yield _series(members)
