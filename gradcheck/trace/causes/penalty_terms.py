"""The terms that a loss makes of squares of one parameter alone, and adds to the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.points import FollowedLoss
from gradcheck.trace.record.names import MOVES, split_names
from gradcheck.trace.record.nodes import Node, before_moves, operands_of

SQUARES = split_names("square norm absolute fabs")
PRODUCTS = split_names("multiply dot vdot inner matmul einsum tensordot")

Derivative = tuple[int, list[NDArray[np.float64]]]
"""A parameter, or a part of one, and the derivative of its penalty, by point."""


def is_square(node: Node) -> bool:
    """Whether an operation squares what it is given, or multiplies it with itself."""
    name = node.operation
    if name == "power":
        return len(node.arguments) == 2 and bool(np.all(np.asarray(node.arguments[1]) == 2))
    return name in SQUARES or (name in PRODUCTS and len(operands_of(node.arguments)) > 1)


def penalty_terms(points: Sequence[FollowedLoss]) -> frozenset[int]:
    """The values of the loss that go into nothing but such terms."""
    nodes = points[0].loss_nodes
    alone = _made_of_one(points[0])
    users: dict[int, list[int]] = {}
    for user, operand in points[0].derivatives.of_edges:
        users.setdefault(operand, []).append(user)
    after: dict[int, bool] = {}
    for index in sorted(alone):
        after[index] = is_square(nodes[index]) or any(after.get(o) for o in nodes[index].operands)
    found: dict[int, bool] = {}
    for index in sorted(alone, reverse=True):
        into = users.get(index, [])
        joins = bool(into) and _is_added(points, index, [one for one in into if one not in alone])
        if joins and all(one in found or one not in alone for one in into):
            inside = [one for one in into if one in alone]
            found[index] = is_square(nodes[index]) or any(found[one] for one in inside)
    return frozenset(index for index in found if found[index] or after[index])


def _made_of_one(loss: FollowedLoss) -> set[int]:
    """What is made of one parameter and constants alone: numbers added, or weights of its size."""
    owner = {index: index for index in loss.parameters.values()}
    for node in loss.loss_nodes:
        of = {owner.get(one) for one in node.operands if one in owner or not _is_leaf(loss, one)}
        others = [loss.loss_nodes[one] for one in node.operands if one not in owner]
        if node.index in owner or len(of) != 1 or None in of:
            continue
        scales = node.operation in ("multiply", "divide")
        if all(one.value.size == 1 or (scales and _is_weight(one, node)) for one in others):
            owner[node.index] = of.pop() or 0
    return set(owner) - set(loss.parameters.values())


def _is_leaf(loss: FollowedLoss, index: int) -> bool:
    return loss.loss_nodes[index].is_leaf


def _is_weight(weights: Node, node: Node) -> bool:
    """Whether a constant only weighs the entries of what it is multiplied with."""
    return weights.value.size <= node.value.size and bool(np.all(weights.value >= 0))


def _is_added(points: Sequence[FollowedLoss], index: int, users: Sequence[int]) -> bool:
    """Whether a value is only added where it meets others, as it is at every point."""
    nodes = points[0].loss_nodes
    if not all(nodes[one].operation in ("add", "subtract") for one in users):
        return False
    adjoints = [np.ravel(point.derivatives.of_nodes.get(index, np.nan)) for point in points]
    return not users or not np.ptp(np.concatenate(adjoints))


def penalty_derivatives(points: Sequence[FollowedLoss]) -> Iterator[Derivative]:
    """For every parameter, and every part that is cut out of one: of what it has in penalties."""
    terms = penalty_terms(points)
    nodes, parameters = points[0].loss_nodes, set(points[0].parameters.values())
    for node in [*parameters, *(one for one in terms if nodes[one].operation in MOVES)]:
        if before_moves(nodes, node) not in parameters:
            continue
        edges = [edge for edge in points[0].derivatives.of_edges if edge[1] == node]
        mine = [edge for edge in edges if edge[0] in terms]
        if mine:
            yield (
                node,
                [
                    np.asarray(sum(np.asarray(p.derivatives.of_edges[edge]) for edge in mine))
                    for p in points
                ],
            )


def whole_term(loss: FollowedLoss, terms: frozenset[int], index: int) -> int:
    """What such a value goes into in the end, before it meets others."""
    users = [user for user, operand in loss.derivatives.of_edges if operand == index]
    further = [user for user in users if user in terms]
    return whole_term(loss, terms, further[0]) if len(further) == 1 else index
