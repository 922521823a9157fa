"""Squares of parameters that a loss adds: the blocks that it has a penalty on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.points import Array, NotFollowedError, Subject, follow_loss
from gradcheck.trace.causes.compared import Arrays, Compared, less, same
from gradcheck.trace.causes.penalty_terms import is_square, penalty_derivatives
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.multiples import proportion
from gradcheck.trace.record.names import MOVES
from gradcheck.trace.record.nodes import Node, before_moves


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
        if node.operation in MOVES:
            alone[node.index] = owner
        elif is_square(node) and np.any(loss.derivatives.of_nodes.get(node.index, 0)):
            found.add(owner)
    return frozenset(found)


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
    for node, right in penalty_derivatives(compared.points):
        cause = _other_multiple(compared, node, right)
        if cause is not None:
            return cause
    for node in set(compared.derived_by) & set(compared.parameters):
        nothing = [np.zeros_like(value) for value in compared.values(node)]
        cause = _other_multiple(compared, node, nothing)
        if cause is not None:
            return cause
    return None


def _other_multiple(compared: Compared, node: int, right: Arrays) -> Cause | None:
    """What is off by a multiple of a parameter, or of the derivative of its penalty."""
    right = [compared.factor * one for one in right]
    values, name = compared.values(node), compared.words.name(node)
    is_penalty = same(compared.expected, right)
    if not is_penalty and node not in compared.derived_by:
        return None
    off = less(compared.actual, compared.expected)
    size = proportion(right, values, 1e-6)
    if same(off, [-one for one in right]) or (
        not is_penalty and proportion(compared.expected, values, 1e-6) is not None
    ):
        return None  # it lacks a part, or all of it is one: whatever misses that says more
    if same(off, [-2 * one for one in right]):
        return Cause(fault.PENALTY_SIGN, "the sign of the penalty's derivative is wrong")
    times = proportion(off, right, 1e-6) if np.any(right[0]) else None
    much = proportion(off, values, 1e-6)
    if much is not None:
        size = size or 0.0
        return Cause(
            fault.PENALTY_WRONG,
            f"it has {much + size:.6g} * {name} for the penalty, and the loss has {size:.6g}",
            f"let {size:.6g} * {name} be the penalty's part" if size else f"leave {name} out",
        )
    if times is not None:
        words = f"it has {1 + times:.6g} times the derivative of the penalty by {name}"
        return Cause(fault.PENALTY_WRONG, words, f"divide that by {1 + times:.6g}")
    return _penalised_too(compared, node, right, off)


def _penalised_too(compared: Compared, node: int, right: Arrays, off: Arrays) -> Cause | None:
    """A penalty on entries that have none in the loss: a bias in the matrix of the weights."""
    without = [(one == 0) & (error != 0) for one, error in zip(right, off, strict=True)]
    others = [np.where(mask, 0, error) for mask, error in zip(without, off, strict=True)]
    if not np.any(right[0]) or not all(map(np.any, without)) or any(map(np.any, others)):
        return None
    values = compared.values(node)
    on = [np.where(mask, value, 0) for mask, value in zip(without, values, strict=True)]
    weights = [np.where(one == 0, 0, value) for one, value in zip(right, values, strict=True)]
    much, size = proportion(off, on, 1e-6), proportion(right, weights, 1e-6)
    if much is None or size is None:
        return None
    count, name = int(np.sum(without[0])), compared.words.name(node)
    words = f"{count} of the entries of {name} have a penalty in it, and none in the loss"
    return Cause(fault.PENALTY_WRONG, words, "add the penalty's derivative to the others alone")


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
    if made.operation not in ("add", "subtract") or len(numbers) != 1 or times is None:
        return None
    if not same(left, [np.full(one.shape, np.ravel(left[0])[0]) for one in left]):
        return None
    words = (
        f"the number {abs(numbers[0]):.6g} stands in it where {times:.6g} * {name} belongs, the "
    )
    words += f"derivative of {penalty}"
    return Cause(fault.PENALTY_WRONG, words, f"let {times:.6g} * {name} be the penalty's part")
