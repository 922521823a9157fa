"""A gradient that is exactly that of the loss with some of the uses of a value left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.reverse import Edge, adjoints
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.causes.path_causes import missing_uses
from gradcheck.trace.fault import Fault
from gradcheck.trace.faults.doubts import is_instead
from gradcheck.trace.record.graph import grouped


def with_left_out(search: Followed, found: Fault) -> Fault:
    """The fault, whose cause is what is left out where no cause is known.

    What comes back through one expression of the loss, in all passes of a loop, is left out of the
    gradients of its blocks.
    """
    points = search.points
    if found.cause is not None or not points[0].outputs.keys() >= set(found.blocks):
        return found
    for uses in _uses(points[0]):
        if search.deadline.has_passed:
            break
        if all(_is_without(point, uses, found.blocks) for point in points):
            users, operands = zip(*uses, strict=True)
            cause = missing_uses(points, search.words, operands[0], users)
            return replace(found, cause=cause, fix=cause.fix or found.fix)
    return found


def _uses(point: Point) -> Iterator[Sequence[Edge]]:
    """By expression, the uses of values that are used elsewhere too; those nearest to the loss."""
    nodes, users = point.loss_nodes, point.derivatives.users
    found = grouped(
        ((nodes[user].chain[0], nodes[user].name, nodes[user].operands.index(used)), (user, used))
        for user, used in sorted(point.derivatives.of_edges)
        if len(users[used]) > 1 and nodes[user].chain
    )
    yield from sorted(found.values(), reverse=True)


def _is_without(point: Point, uses: Sequence[Edge], blocks: Sequence[str]) -> bool:
    """Whether the gradients of some blocks are those without some uses."""
    known, last = [node.value for node in point.loss_nodes], point.loss_index
    seeds = {last: np.ones(known[last].shape)}
    own = {name: np.asarray(point.nodes[point.outputs[name]].value) for name in blocks}
    without = point.gradients(adjoints(point.loss_nodes, known, seeds, frozenset(uses)))
    return is_instead(point, own, without)
