"""What is known from the loss: its values, their adjoints, and local derivatives.

A wrong value in the gradient is replaced by these, and only by these.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import groups_of, stacks_of
from gradcheck.trace.adjoints.chains import CHAIN, Locals, chained, stays_inside
from gradcheck.trace.adjoints.directional import bend_of
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.tangents import tangents_of
from gradcheck.trace.record.graph import grouped, masks_of, users_of
from gradcheck.trace.record.nodes import Node

ADJOINT = "adjoint"
VALUE = "value"
CONTRIBUTION = "contribution"
SLOPE = "slope"
TANGENT = "tangent"
BEND = "second derivative"
PRODUCT = "product"
"""An adjoint times a value or a slope: known where one of them is used without the other."""

PATHS = 40
"""Of a value with more uses than this, the single contributions are no quantities."""


NO_OTHER = -1


@dataclass(frozen=True, eq=False)
class What:
    """Which quantity of the loss something is.

    Attributes:
        kind: ADJOINT, VALUE, CONTRIBUTION, SLOPE, TANGENT, PRODUCT or BEND.
        node: what it is of, on the tape of the loss.
        other: the operation that an adjoint's contribution comes through, the value that a slope or
            a tangent is taken by, or the adjoint in a product; else NO_OTHER.
    """

    kind: str
    node: int
    other: int

    @property
    def key(self) -> tuple[str, int, int]:
        """The same, to be compared."""
        return self.kind, self.node, self.other


@dataclass(frozen=True, eq=False)
class Quantity(What):
    """A quantity that is known from the loss, with its values by point."""

    values: tuple[NDArray[Any], ...]


def quantities_of(points: Sequence[Point]) -> list[Quantity]:
    """All quantities, each once."""
    with np.errstate(all="ignore"):
        every = [one for one in _all(points) if all(v.dtype.kind == "f" for v in one.values)]
        fingerprints: list[Any] = [None] * len(every)
        alike = grouped(
            ((one.kind, one.values[0].shape), number)
            for number, one in enumerate(every)
            if one.values[0].size
        )
        for key, numbers in alike.items():
            usable = _are_usable(key[0], [every[number].values for number in numbers])
            for number in itertools.compress(numbers, usable):
                fingerprints[number] = *key, _fingerprint(every[number].values)
    equal = grouped(pair for pair in zip(fingerprints, every, strict=True) if pair[0] is not None)
    return [_told(ones, points[0].loss_nodes) for ones in equal.values()]


def _told(equal: Sequence[Quantity], nodes: Sequence[Node]) -> Quantity:
    """The one that is told of equal quantities: the first; of slopes that of the whole function.

    A part of it may have the same slope (the inverse of 1 + exp(-|z|) by |z|, in a sigmoid), and
    so has what is more than it, as the sum of its output and a constant.
    """
    if equal[0].kind != SLOPE:
        return equal[0]
    chosen = {min(equal, key=lambda one: one.other)}
    while more := [
        one
        for one in equal
        if one not in chosen
        and any(one.node == held.node or one.other == held.other for held in chosen)
    ]:
        chosen.update(more)

    def is_inside(one: Quantity) -> bool:
        end, begin = nodes[one.node].chain[:1], nodes[one.other].chain[:1]
        return not begin or begin[0].code is end[0].code if end else False

    return min(chosen, key=lambda one: (one.node, is_inside(one), -one.other))


def _all(points: Sequence[Point]) -> Iterator[Quantity]:
    first = points[0]
    reached = [point.derivatives.of_nodes for point in points]
    used = used_values(first)
    moving = set(first.parameters.values())
    for node in first.loss_nodes:
        index = node.index
        if moving.intersection(node.operands):
            moving.add(index)
        if index not in used or is_own(node):
            continue
        if index in moving and all(index in derivatives for derivatives in reached):
            values = tuple(np.asarray(derivatives[index]) for derivatives in reached)
            yield Quantity(ADJOINT, index, NO_OTHER, values)
        values = tuple(point.loss_nodes[index].value for point in points)
        yield Quantity(VALUE, index, NO_OTHER, values)
    yield from contributions_of(points)
    yield from contributions_of_calls(points)
    yield from _slopes(points)
    yield from _bends(points, used)
    for index, by, along in tangents_of(points):
        if index in used and not is_own(first.loss_nodes[index]):
            yield Quantity(TANGENT, index, by, along)


def _bends(points: Sequence[Point], used: Container[int]) -> Iterator[Quantity]:
    """Where a Hessian is followed, the second derivatives by what each entry has one of its own."""
    first = points[0]
    for index in first.derivatives.of_nodes if first.subject.direction is not None else ():
        node = first.loss_nodes[index]
        if index in used and not is_own(node) and node.value.size > 1:
            by_point = [bend_of(one.loss_nodes, one.loss_index, index) for one in points]
            values = tuple(one for one in by_point if one is not None)
            if len(values) == len(points) and np.ptp(values[0]):
                yield Quantity(BEND, index, NO_OTHER, values)


def is_own(node: Node) -> bool:
    """Whether gradcheck made a value: of a layer, the product with its upstream gradient."""
    return not node.is_leaf and node.place is None


def used_values(point: Point) -> set[int]:
    """The leaves, and what the loss is made of; its function may compute a gradient as well."""
    used = {node.index for node in point.loss_nodes if node.is_leaf} | {point.loss_index}
    for node in reversed(point.loss_nodes):
        if node.index in used:
            used.update(node.operands)
    return used


def contributions_of(points: Sequence[Point]) -> Iterator[Quantity]:
    """What each use of a value contributes to its derivative, where it has several."""
    for operand, consumers in points[0].derivatives.users.items():
        if 1 < len(consumers) < PATHS:
            for consumer in consumers:
                yield Quantity(CONTRIBUTION, operand, consumer, _part(points, operand, [consumer]))


def contributions_of_calls(points: Sequence[Point]) -> Iterator[Quantity]:
    """What all uses of a value within one call contribute: what its backward pass hands out."""
    nodes = points[0].loss_nodes
    for operand, consumers in points[0].derivatives.users.items():
        calls = grouped(
            (nodes[consumer].chain[outer:], consumer)
            for consumer in (consumers if 2 < len(consumers) < PATHS else ())
            for outer in range(1, len(nodes[consumer].chain))
        )
        for within in {tuple(one) for one in calls.values() if 1 < len(one) < len(consumers)}:
            yield Quantity(CONTRIBUTION, operand, within[-1], _part(points, operand, within))


def _part(points: Sequence[Point], operand: int, users: Sequence[int]) -> tuple[NDArray[Any], ...]:
    """What some uses of a value contribute to its derivative, by point."""
    nothing = np.zeros(points[0].loss_nodes[operand].value.shape)
    return tuple(
        np.asarray(sum(point.derivatives.of_edges.get((one, operand), nothing) for one in users))
        for point in points
    )


def _slopes(points: Sequence[Point]) -> Iterator[Quantity]:
    """Local derivatives along elementwise chains, where no path runs outside of the chain.

    In a softmax one does, through the sum, and what is along the chain is only part of the
    derivative.
    """
    first = points[0]
    nodes = first.loss_nodes
    # a step's own gradient may stand between forward pass and loss, which does not move with it
    reached = {index: g for index, g in first.derivatives.of_nodes.items() if np.any(g)}
    above = masks_of(nodes)
    # a comparison has no derivative
    users = [[one for one in own if nodes[one].is_float] for own in users_of(nodes)]
    known_locals: list[Locals] = [{} for _ in points]
    values = [[node.value for node in point.loss_nodes] for point in points]
    for end in nodes[: first.loss_index + 1]:
        if end.index not in reached or end.operation not in CHAIN or is_own(end):
            continue
        slopes = [
            chained(point.loss_nodes, its_values, end.index, reached, its_locals)
            for point, its_values, its_locals in zip(points, values, known_locals, strict=True)
        ]
        inside = set(slopes[0]) | {end.index}
        for begin in slopes[0]:
            known = all(begin in one for one in slopes)
            if known and stays_inside(begin, inside, above[end.index], users):
                yield Quantity(SLOPE, end.index, begin, tuple(one[begin] for one in slopes))


def slopes_around(points: Sequence[Point], begin: int) -> Iterator[Quantity]:
    """The slopes of what the loss makes of a value and does not use.

    A cross-entropy of scores goes round the sigmoid, whose outputs the same function computes.
    """
    used = used_values(points[0])
    values = [[node.value for node in point.loss_nodes] for point in points]
    for end in points[0].loss_nodes[begin + 1 :]:
        if end.index in used or end.operation not in CHAIN or is_own(end):
            continue
        slopes = [
            chained(point.loss_nodes, own, end.index, dict(enumerate(own)), {})
            for point, own in zip(points, values, strict=True)
        ]
        if all(begin in one for one in slopes) and np.ptp(slopes[0][begin]):
            yield Quantity(SLOPE, end.index, begin, tuple(one[begin] for one in slopes))


def _are_usable(kind: str, several: Sequence[Sequence[NDArray[Any]]]) -> Iterator[bool]:
    """Which quantities of a kind and of one shape, given by point, can replace anything."""
    for group in groups_of(several):
        ends = [(s.min(axis=(1, 2)), s.max(axis=(1, 2))) for s in stacks_of(group)]
        low, high = np.min(ends, axis=0)[0], np.max(ends, axis=0)[1]
        varies = high - low > 1e-12 if kind == SLOPE else (low != 0) | (high != 0)
        yield from (np.isfinite(low) & np.isfinite(high) & varies).tolist()


@lru_cache(maxsize=4)
def _weights(count: int) -> NDArray[np.float64]:
    return np.cos(np.arange(count))


def _fingerprint(values: Sequence[NDArray[Any]]) -> tuple[str, ...]:
    """What equal quantities have in common, by point."""
    first, last = (np.ravel(values[k]).astype(np.float64, copy=False) for k in (0, -1))
    weights = _weights(first.size)
    return tuple(f"{number:.9e}" for number in (np.sum(first), first @ weights, last @ weights))
