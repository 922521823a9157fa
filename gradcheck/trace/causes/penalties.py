"""Squares of parameters that a loss adds: the blocks that it has a penalty on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.operations import base_name, before_moves
from gradcheck.trace.adjoints.points import Array, NotFollowedError, Subject, follow_loss
from gradcheck.trace.causes.compared import Compared, less, same
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.multiples import proportion
from gradcheck.trace.record.names import MOVES, split_names
from gradcheck.trace.record.nodes import Node, operands_of

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


def is_added(compared: Compared, node: int) -> bool:
    """Whether the loss adds a value to the rest, or what it makes of it and of data alone."""
    adjoint = compared.adjoints(node)
    if adjoint is None:
        return False
    if not np.ptp(np.concatenate([np.ravel(value) for value in adjoint])):
        return True
    users = [user for user, of in compared.points[0].derivatives.of_edges if of == node]
    if len(users) != 1:
        return False
    others = set(compared.loss_nodes[users[0]].operands) - {node}
    is_alone = others.isdisjoint(compared.parameters) and all(
        compared.loss_nodes[other].is_leaf for other in others
    )
    return is_alone and is_added(compared, users[0])


def penalty_cause(compared: Compared) -> Cause | None:
    """What is off by a multiple of the parameter itself: the loss's penalty, or one it lacks."""
    wanted = compared.candidate
    for user in compared.loss_nodes if wanted is not None else ():
        node = user.operands[0] if len(set(user.operands)) == 1 else -1
        if wanted is None or before_moves(compared.loss_nodes, node) != wanted.node:
            continue
        cause = _other_penalty(compared, node, user)
        if cause is not None:
            return cause
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
            f"let {right:.6g} * {name} be the penalty's part" if right else f"leave {name} out",
        )
    return None


def _other_penalty(compared: Compared, node: int, user: Node) -> Cause | None:
    """Something else in the place of the derivative of what the loss makes of a parameter alone."""
    part, values = compared.parts(node).get(user.index), compared.values(node)
    if part is None or not is_square(user) or part[0].size != compared.expected[0].size:
        return None
    right = [np.reshape(one, compared.expected[0].shape) for one in part]
    name, penalty = compared.words.name(node), compared.words.name(user.index)
    if same(right, compared.expected) and proportion(right, values, 1e-6) is None:
        if proportion(compared.actual, values, 1e-6) is None:
            return None
        return Cause(
            fault.PENALTY_WRONG,
            f"the penalty of the loss is {penalty}, and this the derivative of a sum of squares",
            f"let the loss have the squares of {name}, or differentiate {penalty}",
        )
    made = compared.state.tape[compared.operand]
    numbers = [one for one in made.arguments if isinstance(one, int | float)]
    left = less(compared.actual, less(compared.expected, right))
    times = proportion(right, values, 1e-6)
    if base_name(made) not in ("add", "subtract") or len(numbers) != 1 or times is None:
        return None
    if not same(left, [np.full(one.shape, np.ravel(left[0])[0]) for one in left]):
        return None
    words = (
        f"the number {abs(numbers[0]):.6g} stands in it where {times:.6g} * {name} belongs, the "
    )
    words += f"derivative of {penalty}"
    return Cause(fault.PENALTY_WRONG, words, f"let {times:.6g} * {name} be the penalty's part")
