"""Differentiate a loss without its guards: small numbers that keep a log finite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.arrays import is_within
from gradcheck.trace.adjoints.points import Array, FollowedLoss, Point, Subject, followed_loss
from gradcheck.trace.adjoints.reverse import Adjoints, adjoints
from gradcheck.trace.record.graph import carried, constant_of, grouped
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import Node, Reference

LOGS = ("log", "log2", "log10")
TO_ONE = ("clip", "minimum")
"""Guards that also keep a number away from 1."""

GUARDED = ("add", "maximum", *TO_ONE)
LARGEST_GUARD = 1e-3

MOST = 200
"""The number of values of a tape that are compared, the last ones."""


def without_guards(
    subject: Subject, values: Sequence[Array]
) -> tuple[Mapping[str, Array], Mapping[str, Array]] | None:
    """Return the gradient of the loss by block, and that of the loss with all guards set to 0.

    A guard is a small number that is added to the argument of a log or bounds it. None if the loss
    has no guard, or cannot be traced.
    """
    with np.errstate(all="ignore"):
        loss = followed_loss(subject, values)
        nodes = None if loss is None else tape_without_guards(loss)
        if loss is None or nodes is None:
            return None
        return loss.true, loss.gradients(_derivatives(loss, nodes))


def as_differentiated(points: Sequence[Point], tolerance: float) -> Sequence[Point]:
    """Return the points without the guards of the loss, if the gradient is rather made for that.

    More of what it computes, or more blocks, are then derivatives of the loss, to a relative
    `tolerance`.
    """
    if points[0].subject.fixed is not None:
        return points
    tapes = [tape_without_guards(point) for point in points]
    bare = [
        replace(point, loss_nodes=tape, derivatives=_derivatives(point, tape))
        for point, tape in zip(points, tapes, strict=True)
        if tape is not None
    ]
    if len(bare) < len(points):
        return points
    with_guards, without = (_explained(one[0], tolerance) for one in (points, bare))
    return bare if without > with_guards else points


def _derivatives(loss: FollowedLoss, tape: Sequence[Node]) -> Adjoints:
    values = [node.value for node in tape]
    return adjoints(tape, values, {loss.loss_index: np.ones(values[loss.loss_index].shape)})


def _explained(point: Point, tolerance: float) -> int:
    """Count the derivatives by values of the loss that the gradient computes."""
    computed = [node.value for node in point.nodes if not node.is_leaf and node.is_float]
    made = grouped((value.shape, value) for value in computed[-MOST:] if value.size > 1)
    wanted = [one for one in point.derivatives.of_nodes.values() if np.size(one) > 1][-MOST:]
    return sum(
        any(is_within(one, each, tolerance * np.max(np.abs(each))) for one in made[each.shape])
        for each in wanted
        if each.shape in made
    )


def tape_without_guards(loss: FollowedLoss) -> list[Node] | None:
    """Return the tape of a loss with all guards set to 0, and the values that it then has."""
    bare = dict(_guards(loss))
    if not bare:
        return None
    nodes = [
        _left_out(node, bare[node.index]) if node.index in bare else node
        for node in loss.loss_nodes
    ]
    values = [node.value for node in nodes]
    for index, other in sorted(bare.items()):
        changed = {index: _unguarded(values[index], values[other])}
        for at, value in carried(nodes, values, changed, loss.loss_index).items():
            values[at] = value
    return [replace(node, value=value) for node, value in zip(nodes, values, strict=True)]


def _unguarded(guarded: Array, term: Array) -> Array:
    """Return the term without its guard, except at exactly 0 or 1, where a log is not finite."""
    return np.where((term > 0) & (term != 1), term, guarded)


def _left_out(node: Node, other: int) -> Node:
    """Return the node with the other term alone; a sum already has the same derivative."""
    if node.operation == "add":
        return node
    whole: dict[str, Any] = {"arguments": (Reference(other),), "keywords": {}, "operands": (other,)}
    return replace(node, name="positive", function=np.positive, **whole)


def _guards(loss: FollowedLoss) -> Iterator[tuple[int, int]]:
    """Yield each guarded p in log(p) or log(1 - p), with the index of its unguarded term.

    It may be an entry of p, or a part of which p is put together, such as a column.
    """
    nodes, parameters = loss.loss_nodes, set(loss.parameters.values())
    of_logs = {node.operands for node in nodes if node.operation in LOGS}
    reached = {one[0] for one in of_logs if len(one) == 1}
    for made in reversed(nodes):
        if made.index not in reached:
            continue
        if made.operation == "subtract" and constant_of(made.arguments[0], nodes) == 1:
            reached.add(made.operands[-1])
        elif made.operation in MOVES:
            reached.update(made.operands)
        if made.operation not in GUARDED:
            continue
        terms = [*made.arguments, *made.keywords.values()]
        others = [term for term in terms if not _is_guard(term, made.operation, nodes, parameters)]
        if len(others) == 1 and len(terms) > 1 and isinstance(others[0], Reference):
            yield made.index, others[0].index


def _is_guard(term: Any, name: str, nodes: Sequence[Node], parameters: set[int]) -> bool:
    """True if a term is a small constant, one close to 1 as an upper bound, or a missing bound."""
    if term is None:
        return name == "clip"
    if isinstance(term, Reference) and term.index in parameters:
        return False
    constant = constant_of(term, nodes)
    if constant is None:
        return False
    from_one = 1 - constant if name in TO_ONE else 0.0
    return 0 < constant <= LARGEST_GUARD or 0 < from_one <= LARGEST_GUARD
