"""Penalties: the terms that a loss makes of squares of one parameter, and their derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import proportion
from gradcheck.trace import fault
from gradcheck.trace.adjoints.points import Array, FollowedLoss, Point, Subject, followed_loss
from gradcheck.trace.adjoints.reverse import adjoints
from gradcheck.trace.causes.compared import Arrays, Compared, less, same
from gradcheck.trace.causes.constant_factors import SCALES
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.state import State
from gradcheck.trace.record.graph import before_moves, times_nothing
from gradcheck.trace.record.names import MOVES, split_names
from gradcheck.trace.record.nodes import Node, operands_of

SQUARES = split_names("square norm absolute fabs")
PRODUCTS = split_names("multiply dot vdot inner matmul einsum tensordot")
SCALINGS = PRODUCTS | split_names("divide true_divide negative")
"""What scales the one array among its operands, as `x @ w` of a single input does too."""

Derivative = tuple[int, list[NDArray[np.float64]]]
"""A parameter, or a part of one, with the derivative of its penalty by point."""


def is_square(node: Node) -> bool:
    """True if an operation squares its operand, or multiplies it with itself."""
    name = node.operation
    if name == "power":
        return len(node.arguments) == 2 and bool(np.all(np.asarray(node.arguments[1]) == 2))
    return name in SQUARES or (name in PRODUCTS and len(operands_of(node.arguments)) > 1)


def penalty_terms(points: Sequence[FollowedLoss]) -> frozenset[int]:
    """Return the values of the loss that go into penalties only."""
    nodes = points[0].loss_nodes
    alone = _made_of_one(points[0])
    users = points[0].derivatives.users
    after: dict[int, bool] = {}
    for index in sorted(alone):
        after[index] = is_square(nodes[index]) or any(after.get(o) for o in nodes[index].operands)
    squared: dict[int, bool] = {}
    for index in sorted(alone, reverse=True):
        into = users.get(index, [])
        joins = bool(into) and _is_added(points, index, [one for one in into if one not in alone])
        if joins and all(one in squared or one not in alone for one in into):
            inside = [one for one in into if one in alone]
            squared[index] = is_square(nodes[index]) or any(squared[one] for one in inside)
    return frozenset(index for index in squared if squared[index] or after[index])


def _made_of_one(loss: FollowedLoss) -> set[int]:
    """Return the values made of one parameter, added numbers, and weights of its size only."""
    owner = {index: index for index in loss.parameters.values()}
    nodes = loss.loss_nodes
    fixed: set[int] = set()  # numbers, and what is computed of them, as half a weight
    for node in nodes:
        is_number = node.value.size == 1 and node.index not in owner
        if is_number and fixed.issuperset(node.operands):
            fixed.add(node.index)
        of = {
            owner.get(one)
            for one in node.operands
            if one in owner or not (nodes[one].is_leaf or one in fixed)
        }
        others = [nodes[one] for one in node.operands if one not in owner]
        if node.index in owner or len(of) != 1 or None in of:
            continue
        scales = node.operation in ("multiply", "divide")
        if all(one.value.size == 1 or (scales and _is_weight(one, node)) for one in others):
            owner[node.index] = of.pop() or 0
    return set(owner) - set(loss.parameters.values())


def _is_weight(weights: Node, node: Node) -> bool:
    """True if a constant only weights the entries of the value that it multiplies."""
    return weights.value.size <= node.value.size and bool(np.all(weights.value >= 0))


def _is_added(points: Sequence[FollowedLoss], index: int, users: Sequence[int]) -> bool:
    """True if a value is only added to others, so that its adjoint is the same at every point."""
    nodes = points[0].loss_nodes
    if not all(nodes[one].operation in ("add", "subtract") for one in users):
        return False
    adjoints = [np.ravel(point.derivatives.of_nodes.get(index, np.nan)) for point in points]
    return not users or not np.ptp(np.concatenate(adjoints))


def penalty_derivatives(points: Sequence[FollowedLoss]) -> Iterator[Derivative]:
    """Yield for every parameter, and every part cut out of one, the derivative of its penalties."""
    terms = penalty_terms(points)
    nodes, parameters = points[0].loss_nodes, set(points[0].parameters.values())
    ends = terms - {one for term in terms for one in nodes[term].operands}
    of_penalties = [
        adjoints(
            point.loss_nodes,
            [node.value for node in point.loss_nodes],
            {end: point.derivatives.of_nodes[end] for end in ends},
            within=terms,
        ).of_nodes
        for point in (points if ends else ())
    ]
    for node in [*parameters, *(one for one in terms if nodes[one].operation in MOVES)]:
        is_of_parameter = before_moves(nodes, node) in parameters
        if is_of_parameter and of_penalties and node in of_penalties[0]:
            yield node, [np.asarray(by_node[node]) for by_node in of_penalties]


def whole_term(loss: FollowedLoss, terms: frozenset[int], index: int) -> int:
    """Return the whole penalty that one of its values goes into, before it meets other terms."""
    further = [user for user in loss.derivatives.users.get(index, []) if user in terms]
    return whole_term(loss, terms, further[0]) if len(further) == 1 else index


def penalised_blocks(subject: Subject, values: Sequence[Array]) -> frozenset[str]:
    """Return the blocks whose entries alone the loss squares; none if it cannot be followed.

    They may be multiplied by a number before that, as in `(c * w) @ w`.
    """
    loss = followed_loss(subject, values)
    if loss is None:
        return frozenset()
    alone = {index: name for name, index in loss.parameters.items()}
    moving, penalised = {*alone}, set()
    nothing = times_nothing(loss.loss_nodes)  # a loss that follows the update has it taken off
    for node in loss.loss_nodes:
        operands = [one for one in operands_of(node.arguments) if one not in nothing]
        if not moving.isdisjoint(operands):
            moving.add(node.index)
        own = [one for one in operands if one in moving or loss.loss_nodes[one].value.size > 1]
        of = {alone.get(one) for one in own}
        if node.is_leaf or len(of) != 1 or None in of:
            continue
        owner, is_scaled = of.pop() or "", len(own) == 1 and node.operation in SCALINGS
        if node.operation in MOVES or is_scaled or not nothing.isdisjoint(node.operands):
            alone[node.index] = owner
        elif is_square(node) and np.any(loss.derivatives.of_nodes.get(node.index, 0)):
            penalised.add(owner)
    return frozenset(penalised)


def penalty_cause(compared: Compared) -> Cause | None:
    """Return the cause if a value is off by a multiple of the parameter, as by a penalty."""
    wanted = -1 if compared.candidate is None else compared.candidate.node
    is_of_parameter = before_moves(compared.loss_nodes, wanted) in compared.parameters
    for user in compared.loss_nodes if is_of_parameter else ():
        node = user.operands[0] if len(set(user.operands)) == 1 else -1
        if before_moves(compared.loss_nodes, node) != wanted:
            continue
        cause = _other_penalty(compared, node, user)
        if cause is not None:
            return cause
    of_penalties = dict(penalty_derivatives(compared.points))
    for node in set(compared.derived_by) & set(compared.parameters) - set(of_penalties):
        of_penalties[node] = [np.zeros_like(value) for value in compared.values(node)]
    for node, right in of_penalties.items():
        right = [compared.factor * one for one in right]
        cause = _other_multiple(compared, node, right) or _number_for_it(compared, node, right)
        if cause is not None:
            return cause
    return None


def _other_multiple(compared: Compared, node: int, right: Arrays) -> Cause | None:
    """Return the cause if it is off by a multiple of a parameter or its penalty's derivative."""
    values, name = compared.values(node), compared.words.name(node)
    is_penalty = same(compared.expected, right)
    if not is_penalty and node not in compared.derived_by:
        return None
    off = less(compared.actual, compared.expected)
    size = proportion(right, values, 1e-6)
    if same(off, [-one for one in right]) or (
        not is_penalty and proportion(compared.expected, values, 1e-6) is not None
    ):
        return None  # the penalty is missing, or is all there is: other causes say more
    if same(off, [-2 * one for one in right]):
        return Cause(fault.PENALTY_SIGN, "the sign of the penalty's derivative is wrong")
    times = proportion(off, right, 1e-6) if np.any(right[0]) else None
    much = proportion(off, values, 1e-6)
    if much is not None:
        size = size or 0.0
        words = f"it has {much + size:.6g} * {name} for the penalty, and the loss has {size:.6g}"
        part = f"let {size:.6g} * {name} be the penalty's part"
        fix = part if size else f"leave {much:.6g} * {name} out, or add its penalty to the loss"
        return Cause(fault.PENALTY_WRONG, words, fix)
    if times is not None:
        words = f"it has {1 + times:.6g} times the derivative of the penalty by {name}"
        return Cause(fault.PENALTY_WRONG, words, f"divide that by {1 + times:.6g}")
    return _penalised_too(compared, node, right, off)


def _penalised_too(compared: Compared, node: int, right: Arrays, off: Arrays) -> Cause | None:
    """Return the cause if entries without a penalty in the loss get one, as the biases in W."""
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
    """Return the cause if something else replaces the derivative of the loss's penalty."""
    part, values = compared.parts(node).get(user.index), compared.values(node)
    if part is None or not is_square(user) or part[0].size != compared.expected[0].size:
        return None
    right = [np.reshape(one, compared.expected[0].shape) for one in part]
    name, penalty = compared.words.name(node), compared.words.name(user.index)
    if same(right, compared.expected) and proportion(right, values, 1e-6) is None:
        if proportion(compared.actual, values, 1e-6) is None:
            return None
        words = f"the penalty of the loss is {penalty}, and this the derivative of a sum of squares"
        fix = f"let the loss have the squares of {name}, or differentiate {penalty}"
        return Cause(fault.PENALTY_WRONG, words, fix)
    return _number_for_it(compared, node, right)


def _number_for_it(compared: Compared, node: int, right: Arrays) -> Cause | None:
    """Return the cause if a number is added where the derivative of a penalty belongs."""
    made = compared.state.tape[compared.operand]
    numbers = [one for one in made.arguments if isinstance(one, int | float)]
    is_sum = made.operation in ("add", "subtract") and len(numbers) == 1
    if not is_sum or right[0].shape != compared.expected[0].shape:
        return None
    left = less(compared.actual, less(compared.expected, right))
    if not same(left, [np.full(one.shape, np.ravel(left[0])[0]) for one in left]):
        return None
    name, times = compared.words.name(node), proportion(right, compared.values(node), 1e-6)
    part = f"the derivative of {name}'s penalty" if times is None else f"{times:.6g} * {name}"
    words = f"the number {abs(numbers[0]):.6g} stands in it where {part} belongs"
    return Cause(fault.PENALTY_WRONG, words, f"let {part} be the penalty's part")


def makes_penalty(index: int, factor: float, points: Sequence[Point], state: State) -> bool:
    """True if `factor` times a value, or a product of it, is a penalty's derivative up to sign."""
    made = [index]
    while len(users := state.consumers[made[-1]]) == 1 and state.tape[users[0]].operation in SCALES:
        made.append(users[0])
    return any(
        same([sign * factor * values[value] for values in state.values], right)
        for _, right in penalty_derivatives(points)
        for value in made
        for sign in (1, -1)
    )
