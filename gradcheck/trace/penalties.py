"""Squares of parameters that a loss adds: the blocks that it has a penalty on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.compared import Compared, less
from gradcheck.trace.fault import Cause
from gradcheck.trace.multiples import proportion
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


def penalty_cause(compared: Compared) -> Cause | None:
    """What is off by a multiple of the parameter itself: the loss's penalty, or one it lacks."""
    for node in set(compared.derived_by) & set(compared.parameters):
        values, name = compared.values(node), compared.words.name(node)
        if proportion(compared.expected, values, 1e-6) is not None:
            continue
        off = proportion(less(compared.actual, compared.expected), values, 1e-6)
        if off is None:
            continue
        squares = (
            proportion(part, values, 1e-6) or 0.0
            for user, part in compared.parts(node).items()
            if is_square(compared.loss_nodes[user])
        )
        right = sum(squares)
        if abs(off + 2 * right) <= 1e-6 * abs(off):
            return Cause(fault.PENALTY_SIGN, "the sign of the penalty's derivative is wrong")
        if abs(off + right) <= 1e-6 * abs(off):
            return None  # it lacks a part: whatever misses that says more
        return Cause(
            fault.PENALTY_WRONG,
            f"it has {off + right:.6g} * {name} for the penalty, and the loss has {right:.6g}",
            f"add {right:.6g} * {name} instead" if right else f"leave {name} out",
        )
    return None
