"""The known quantities of a loss: its values, their adjoints, and local derivatives.

Only these quantities replace a wrong value of the gradient.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import as_flat, groups_of, stacks_of
from gradcheck.trace.adjoints.chains import CHAIN, Locals, chained, ends_of_chains, stays_inside
from gradcheck.trace.adjoints.directional import bend_of
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.tangents import tangents_of
from gradcheck.trace.record.graph import grouped, masks_of, times_nothing, users_of
from gradcheck.trace.record.nodes import Node

ADJOINT = "adjoint"
VALUE = "value"
CONTRIBUTION = "contribution"
SLOPE = "slope"
TANGENT = "tangent"
BEND = "second derivative"
PRODUCT = "product"
"""An adjoint times a value or a slope, for gradients that use one factor without the other."""

PATHS = 40
"""The single contributions of a value with more uses than this are not quantities."""

STATE_USES = 12
"""The contributions of all uses but one are quantities of values with fewer uses."""

NO_OTHER = -1


@dataclass(frozen=True, eq=False)
class What:
    """The identity of a quantity of the loss.

    Attributes:
        kind: ADJOINT, VALUE, CONTRIBUTION, SLOPE, TANGENT, PRODUCT or BEND.
        node: its value, as an index of the tape of the loss.
        other: the operation that a contribution comes through, the value that a slope or tangent
            is the derivative by, or the adjoint in a product; otherwise NO_OTHER.
    """

    kind: str
    node: int
    other: int

    @property
    def key(self) -> tuple[str, int, int]:
        """The identity as a tuple that can be compared."""
        return self.kind, self.node, self.other


@dataclass(frozen=True, eq=False)
class Quantity(What):
    """A known quantity of the loss, with its values by point."""

    values: tuple[NDArray[Any], ...]


def quantities_of(points: Sequence[Point]) -> list[Quantity]:
    """Return all quantities of the loss; of those with equal values only one."""
    with np.errstate(all="ignore"):
        every = [one for one in _all(points) if all(v.dtype.kind in "fc" for v in one.values)]
        fingerprints: list[Any] = [None] * len(every)
        alike = grouped(
            ((quantity.kind, quantity.values[0].shape, quantity.values[0].dtype.kind), number)
            for number, quantity in enumerate(every)
            if quantity.values[0].size
        )
        for key, numbers in alike.items():
            usable = _are_usable(key[0], [every[number].values for number in numbers])
            for number in itertools.compress(numbers, usable):
                fingerprints[number] = *key, _fingerprint(every[number].values)
    equal = grouped(pair for pair in zip(fingerprints, every, strict=True) if pair[0] is not None)
    return [_representative(group, points[0].loss_nodes) for group in equal.values()]


def _representative(equal: Sequence[Quantity], nodes: Sequence[Node]) -> Quantity:
    """Choose among equal quantities: the first, or of slopes that of the whole function.

    A part of a function may have the same slope (1 / (1 + exp(-|z|)) by |z|, in a sigmoid), and so
    may a larger expression, such as the function's output plus a constant.
    """
    if equal[0].kind != SLOPE:
        return equal[0]
    chosen = {min(equal, key=lambda one: one.other)}
    while more := [
        slope
        for slope in equal
        if slope not in chosen
        and any(slope.node == other.node or slope.other == other.other for other in chosen)
    ]:
        chosen.update(more)

    def is_inside(slope: Quantity) -> bool:
        end, begin = nodes[slope.node].chain[:1], nodes[slope.other].chain[:1]
        return not begin or begin[0].code is end[0].code if end else False

    return min(chosen, key=lambda slope: (slope.node, is_inside(slope), -slope.other))


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
    """Yield second derivatives of the loss by values with a diagonal Hessian, if one is traced."""
    first = points[0]
    for index in first.derivatives.of_nodes if first.subject.direction is not None else ():
        node = first.loss_nodes[index]
        if index in used and not is_own(node) and node.value.size > 1:
            by_point = [bend_of(point.loss_nodes, point.loss_index, index) for point in points]
            values = tuple(bend for bend in by_point if bend is not None)
            if len(values) == len(points) and np.ptp(values[0]):
                yield Quantity(BEND, index, NO_OTHER, values)


def is_own(node: Node) -> bool:
    """True for a value computed by gradcheck: a layer's output times its upstream gradient."""
    return not node.is_leaf and node.place is None


def used_values(point: Point) -> set[int]:
    """Return the leaves and all values that the loss depends on, not others beside them.

    Nor what a learning rate of 0 multiplies: where the loss follows the update, the gradient.
    """
    used = {node.index for node in point.loss_nodes if node.is_leaf} | {point.loss_index}
    nothing = times_nothing(point.loss_nodes)
    for node in reversed(point.loss_nodes):
        if node.index in used and node.index not in nothing:
            used.update(node.operands)
    return used


def contributions_of(points: Sequence[Point]) -> Iterator[Quantity]:
    """Yield the contribution of each use of a value to its adjoint, for values with several."""
    for operand, consumers in points[0].derivatives.users.items():
        if 1 < len(consumers) < PATHS:
            for consumer in consumers:
                yield Quantity(CONTRIBUTION, operand, consumer, _part(points, operand, [consumer]))


def contributions_of_calls(points: Sequence[Point]) -> Iterator[Quantity]:
    """Yield the sum of the contributions within one call, which its backward pass returns.

    Those of one statement, once executed, belong together as well: `np.roll(z, 1) - z` has two.
    """
    nodes = points[0].loss_nodes
    for operand, consumers in points[0].derivatives.users.items():
        several = consumers if 2 < len(consumers) < PATHS else ()
        calls = grouped(
            (nodes[consumer].chain[outer:], consumer)
            for consumer in several
            for outer in range(1, len(nodes[consumer].chain))
        )
        lines = grouped(((nodes[one].frame, nodes[one].line), one) for one in several)
        once = (one for one in lines.values() if len({nodes[k].in_loop for k in one}) == len(one))
        groups = (tuple(uses) for uses in (*calls.values(), *once))
        for within in dict.fromkeys(uses for uses in groups if 1 < len(uses) < len(consumers)):
            yield Quantity(CONTRIBUTION, operand, within[-1], _part(points, operand, within))


def contributions_of_others(points: Sequence[Point]) -> Iterator[tuple[int, Quantity]]:
    """Yield a use of a value and the contributions of all its other uses, as a state has in a loop.

    A loop brings back what comes through the next state; the loss of each pass is added there.
    """
    nodes = points[0].loss_nodes
    for operand, consumers in points[0].derivatives.users.items():
        is_state = 2 < len(consumers) < STATE_USES and not nodes[operand].is_leaf
        for left in consumers if is_state else ():
            others = [one for one in consumers if one != left]
            yield left, Quantity(CONTRIBUTION, operand, others[-1], _part(points, operand, others))


def _part(points: Sequence[Point], operand: int, users: Sequence[int]) -> tuple[NDArray[Any], ...]:
    """Return the sum of the contributions of some uses of a value to its adjoint, by point."""
    nothing = np.zeros(points[0].loss_nodes[operand].value.shape)
    return tuple(
        np.asarray(sum(point.derivatives.of_edges.get((user, operand), nothing) for user in users))
        for point in points
    )


def _slopes(points: Sequence[Point]) -> Iterator[Quantity]:
    """Yield the local derivatives along elementwise chains that all paths stay inside.

    In a softmax a path leaves the chain, through the sum; the derivative along the chain is then
    only part of the whole one.
    """
    first = points[0]
    nodes = first.loss_nodes
    # the gradient that a step computes before the loss has a zero adjoint
    trained = set(first.parameters.values())
    reached = {
        index: g
        for index, g in first.derivatives.of_nodes.items()
        if np.any(g) and (index in trained or not nodes[index].is_leaf)
    }
    above = masks_of(nodes)
    # comparisons have no derivative
    users = [[user for user in all_users if nodes[user].is_float] for all_users in users_of(nodes)]
    caches: list[Locals] = [{} for _ in points]
    values = [[node.value for node in point.loss_nodes] for point in points]
    for end in nodes[: first.loss_index + 1]:
        if end.index not in reached or end.operation not in CHAIN or is_own(end):
            continue
        slopes = [
            chained(point.loss_nodes, at_point, end.index, reached, cache)
            for point, at_point, cache in zip(points, values, caches, strict=True)
        ]
        inside = set(slopes[0]) | {end.index}
        for begin in slopes[0]:
            at_all = all(begin in by_value for by_value in slopes)
            if at_all and stays_inside(begin, inside, above[end.index], users):
                yield Quantity(
                    SLOPE, end.index, begin, tuple(by_value[begin] for by_value in slopes)
                )


def slopes_around(points: Sequence[Point], begins: Sequence[int]) -> Iterator[Quantity]:
    """Yield the slopes of functions of some values that are computed beside the loss.

    A cross-entropy of scores does not depend on the sigmoid that the same function computes.
    """
    used, nodes = used_values(points[0]), points[0].loss_nodes
    values = [[node.value for node in point.loss_nodes] for point in points]
    users = users_of(nodes)
    for begin in begins:
        for end in ends_of_chains(nodes, users, begin):
            if end in used or is_own(nodes[end]):
                continue
            slopes = [
                chained(point.loss_nodes, at_point, end, dict(enumerate(at_point)), {})
                for point, at_point in zip(points, values, strict=True)
            ]
            if all(begin in by_value for by_value in slopes) and np.ptp(slopes[0][begin]):
                yield Quantity(SLOPE, end, begin, tuple(by_value[begin] for by_value in slopes))


def _are_usable(kind: str, several: Sequence[Sequence[NDArray[Any]]]) -> Iterator[bool]:
    """Yield for each quantity if it can replace others: finite, not all 0, no constant slope."""
    for group in groups_of(several):
        ends = [(s.min(axis=(1, 2)), s.max(axis=(1, 2))) for s in stacks_of(group)]
        low, high = np.min(ends, axis=0)[0], np.max(ends, axis=0)[1]
        varies = high - low > 1e-12 if kind == SLOPE else (low != 0) | (high != 0)
        yield from (np.isfinite(low) & np.isfinite(high) & varies).tolist()


@lru_cache(maxsize=4)
def _weights(count: int) -> NDArray[np.float64]:
    return np.cos(np.arange(count))


def _fingerprint(values: Sequence[NDArray[Any]]) -> tuple[str, ...]:
    """Return a key that is the same for equal quantities, from the first and the last point."""
    first, last = (as_flat(values[k]) for k in (0, -1))
    weights = _weights(first.size)
    return tuple(f"{number:.9e}" for number in (np.sum(first), first @ weights, last @ weights))
