"""A gradient that is exactly the gradient of the loss without some uses of a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.reverse import Edge, adjoints
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.causes.path_causes import missing_uses
from gradcheck.trace.causes.penalties import penalty_terms, whole_term
from gradcheck.trace.fault import Fault
from gradcheck.trace.faults.doubts import is_instead
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.names import MOVES


def with_left_out(search: Followed, unexplained: Fault) -> Fault:
    """Return the fault; if it has no cause, with the uses that its gradients leave out as cause.

    The uses are those in one expression of the loss, in all passes of a loop.
    """
    points = search.points
    if unexplained.cause is not None or not points[0].outputs.keys() >= set(unexplained.blocks):
        return unexplained
    for uses in _uses(points[0]):
        if search.deadline.has_passed:
            break
        if all(_is_without(point, uses, unexplained.blocks) for point in points):
            users, operands = zip(*uses, strict=True)
            cause = missing_uses(points, search.words, operands[0], users)
            return replace(unexplained, cause=cause, fix=cause.fix or unexplained.fix)
    return unexplained


def _uses(point: Point) -> Iterator[Sequence[Edge]]:
    """Yield by expression the uses of values with several uses; those nearest to the loss first.

    A penalty of parts of a parameter is left out as a whole, as the number that the loss adds.
    """
    nodes, users, terms = point.loss_nodes, point.derivatives.users, penalty_terms([point])

    def expression(user: int, used: int) -> object:
        is_of_part = user in terms and nodes[user].operation in MOVES
        end = nodes[whole_term(point, terms, user) if is_of_part else user]
        return end.chain[0], end.name, end is nodes[user] and end.operands.index(used)

    by_expression = grouped(
        (expression(user, used), (user, used))
        for user, used in sorted(point.derivatives.of_edges)
        if len(users[used]) > 1 and nodes[user].chain
    )
    yield from sorted(by_expression.values(), reverse=True)


def _is_without(point: Point, uses: Sequence[Edge], blocks: Sequence[str]) -> bool:
    """True if the gradients of some blocks are those of the loss without some uses."""
    computed, last = [node.value for node in point.loss_nodes], point.loss_index
    seeds = {last: np.ones(computed[last].shape)}
    analytic = {name: np.asarray(point.nodes[point.outputs[name]].value) for name in blocks}
    without = point.gradients(adjoints(point.loss_nodes, computed, seeds, frozenset(uses)))
    return is_instead(point, analytic, without)
