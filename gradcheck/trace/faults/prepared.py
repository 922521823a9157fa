"""What a search begins with: the quantities of a loss, and what may replace wrong values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.trace.adjoints.of_the_loss import as_differentiated
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.adjoints.quantities import ADJOINT, NO_OTHER, Quantity, quantities_of
from gradcheck.trace.adjoints.series import series_of
from gradcheck.trace.adjoints.tangents import entries_read_alone
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.locating.candidates import Candidates, masked_values
from gradcheck.trace.locating.constants import meant_by
from gradcheck.trace.locating.cuts import before_clips
from gradcheck.trace.locating.explain import known_quantities
from gradcheck.trace.locating.outputs import outputs_of
from gradcheck.trace.locating.trial import Deadline
from gradcheck.trace.record.graph import users_of
from gradcheck.trace.record.nodes import Node
from gradcheck.trace.wording.words import Words


def prepared(
    followed: Sequence[Point], wrong: Sequence[str], deadline: Deadline, is_matrix: bool
) -> Followed:
    """Return the subject of a search in functions that were followed at several points."""
    tolerance = _tolerance(followed)
    points = before_clips(as_differentiated(followed, tolerance), wrong, tolerance)
    first = points[0]
    alone = entries_read_alone(first)
    every = [*quantities_of(points), *_parts_of_gradients(points, tolerance)]
    negatives = _negatives(first.loss_nodes)
    quantities = [one for one in every if one.kind != ADJOINT or one.node not in negatives]
    words = Words(
        first.loss_nodes,
        first.loss_index,
        {
            index: name.removesuffix(f".{first.subject.parts.get(name)}")
            for name, index in {**first.parameters, **alone}.items()
        },
    )
    return Followed(
        tuple(points),
        known_quantities(quantities, tolerance),
        Candidates(
            quantities,
            series_of(points, quantities),
            meant_by(points),
            frozenset(
                operand
                for node in first.loss_nodes
                for operand in node.operands
                if first.loss_nodes[operand].chain[1:] != node.chain[1:]
            ),
            frozenset((*first.parameters.values(), *alone.values())),
            is_matrix,
            frozenset(node.place for node in first.loss_nodes if node.place),
            masked_values(first.loss_nodes, first.parameters.values()),
        ),
        words,
        tolerance,
        deadline,
    )


def _negatives(nodes: Sequence[Node]) -> set[int]:
    """Return each `-x` alone to use its `x`: one thinks of the adjoint of `x`, with a sign."""
    users = users_of(nodes)
    return {
        node.index
        for node in nodes
        if node.operation == "negative"
        and node.operands
        and all(users[operand] == [node.index] for operand in node.operands)
    }


def _parts_of_gradients(points: Sequence[Point], tolerance: float) -> Iterator[Quantity]:
    """Yield the derivatives by the parts of blocks that single statements of a gradient make."""
    first = points[0]
    alone = entries_read_alone(first)
    for output in outputs_of(points, tolerance):
        node = first.parameters.get(output.block, alone.get(output.block))
        is_part = output.entries is not None or output.block in alone
        if node is not None and is_part and any(map(np.any, output.true)):
            yield Quantity(ADJOINT, node, NO_OTHER, output.true)


def _tolerance(points: Sequence[Point]) -> float:
    """Return the relative error allowed for a right value, by the coarsest type that computes."""
    types = {
        node.value.dtype
        for node in (*points[0].nodes, *points[0].loss_nodes)
        if node.is_float and node.value.size and not node.is_leaf
    }
    coarsest = max((float(np.finfo(one).eps) for one in types), default=2e-16)
    return max(1e-6, 3000 * coarsest) if coarsest > 1e-10 else 1e-6
