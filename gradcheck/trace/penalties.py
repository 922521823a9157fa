"""Squares of parameters that a loss adds: the blocks that it has a penalty on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.trace.names import MOVES, split_names
from gradcheck.trace.nodes import Node, operands_of
from gradcheck.trace.operations import base_name
from gradcheck.trace.points import Array, NotFollowedError, Subject, follow_loss

SQUARES = split_names("square norm")
PRODUCTS = split_names("multiply dot vdot inner matmul einsum tensordot")


def penalised_blocks(subject: Subject, values: Sequence[Array]) -> frozenset[str]:
    """The blocks of whose entries alone the loss takes squares; none where it is not followed."""
    try:
        loss = follow_loss(subject, values)
    except NotFollowedError:
        return frozenset()
    alone = {index: name for name, index in loss.parameters.items()}
    found = set()
    for node in loss.loss_nodes:
        of = {alone.get(operand) for operand in node.operands}
        if node.is_leaf or len(of) != 1 or None in of:
            continue
        owner = of.pop() or ""
        if base_name(node) in MOVES:
            alone[node.index] = owner
        elif is_square(node) and np.any(loss.derivatives.of_nodes.get(node.index, 0)):
            found.add(owner)
    return frozenset(found)


def is_square(node: Node) -> bool:
    """Whether an operation squares what it is given, or multiplies it with itself."""
    name = base_name(node)
    if name == "power":
        return len(node.arguments) == 2 and bool(np.all(np.asarray(node.arguments[1]) == 2))
    return name in SQUARES or (name in PRODUCTS and len(operands_of(node.arguments)) > 1)
