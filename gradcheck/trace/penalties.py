"""Squares of parameters that a loss adds: the blocks that it has a penalty on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.trace.names import MOVES, split_names
from gradcheck.trace.operations import base_name
from gradcheck.trace.points import Array, NotFollowedError, Subject, follow_loss

SQUARES = split_names("square power multiply dot vdot inner matmul einsum tensordot norm")


def penalised_blocks(subject: Subject, values: Sequence[Array]) -> frozenset[str]:
    """The blocks of whose entries alone the loss takes squares; none where it is not followed.

    Args:
        subject: the functions.
        values: the point, by block.
    """
    try:
        loss = follow_loss(subject, values)
    except NotFollowedError:
        return frozenset()
    owners = {index: name for name, index in loss.parameters.items()}
    alone = dict(owners)
    found = set()
    for node in loss.nodes:
        of = {alone.get(operand) for operand in node.operands}
        if node.is_leaf or len(of) != 1 or None in of:
            continue
        owner = of.pop() or ""
        if base_name(node) in MOVES:
            alone[node.index] = owner
        elif base_name(node) in SQUARES and np.any(loss.derivatives.of_nodes.get(node.index, 0)):
            found.add(owner)
    return frozenset(found)
