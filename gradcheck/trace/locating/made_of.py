"""The parts of a wrong value: the right terms of a sum, and a missing factor.

A block's true gradient can always replace the last value of the sum that makes it. If the last
term is right, as a penalty's derivative may be, the sum before it is wrong. Inside a softmax or a
normalisation few values are derivatives of anything, as `np.sum(dp * p)` shows. There the product
of a known value and another replaces a use of the known value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import proportion
from gradcheck.trace.adjoints.quantities import (
    ADJOINT,
    CONTRIBUTION,
    PRODUCT,
    SLOPE,
    VALUE,
    Quantity,
)
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.candidates import Candidate, Table
from gradcheck.trace.locating.constants import complexity, in_rows, is_odd
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import NODE, QUANTITY, REST, USE, Mend, Unit
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import constant_of

Wanted = Sequence[NDArray[np.float64]]

FACTORS = ("multiply", "divide", "negative", "where")


def where_left_out(mend: Mend, trials: Trials) -> Mend | None:
    """Return the mend of what only copies the mended values: a factor was left out there.

    Or of what only scales them, if that makes up for an odd constant before the quantity.
    """
    tape, first = trials.state.tape, mend.unit.nodes
    quantity = [expected / mend.factor for expected in mend.expected]
    nodes = _only_users(first, trials.state) if mend.how == QUANTITY else ()
    while nodes and all(tape[index].operation in FACTORS for index in nodes):
        is_copied = all(map(trials.view.is_same, nodes, first))
        is_own = mend.candidate is None or mend.candidate.node in trials.candidates.parameters
        if not is_copied and (is_own or not is_odd(mend.factor)):
            return None
        unit = replace(mend.unit, position=nodes[0], nodes=nodes)
        other = trials.attempt(unit, quantity, QUANTITY, mend.candidate)
        if other is not None and other.outputs >= mend.outputs and (is_copied or other.factor == 1):
            return other
        nodes = _only_users(nodes, trials.state)
    return None


def _only_users(nodes: Sequence[int], state: State) -> tuple[int, ...]:
    """Return the only user of each value, if it has its shape; else nothing."""
    users = [state.consumers[index] for index in nodes]
    if any(
        len(each) != 1 or state.tape[each[0]].value.shape != state.tape[index].value.shape
        for each, index in zip(users, nodes, strict=True)
    ):
        return ()
    return tuple(each[0] for each in users)


def after_scaling(mend: Mend, trials: Trials) -> Mend:
    """Return the mend of a value once constants have scaled it to what is wanted, or the mend.

    What is missing in it is to be added there, in the size that it has in the loss.
    """
    state = trials.state
    while mend.unit.kind == NODE and mend.how == QUANTITY and complexity(mend.factor):
        users = state.consumers[mend.unit.first]
        user = state.tape[users[0]] if len(users) == 1 else None
        if user is None or user.operation not in ("divide", "multiply") or not user.chain:
            break
        unit = Unit(NODE, user.index, nodes=(user.index,))
        wanted = [value / mend.factor for value in mend.expected]
        later = trials.attempt(unit, wanted, QUANTITY, mend.candidate)
        nearer = later is not None and complexity(later.factor) < complexity(mend.factor)
        if later is None or not nearer or not later.outputs >= mend.outputs:
            break
        mend = later
    return mend


def before_right_terms(mend: Mend, trials: Trials) -> Mend:
    """Return the mend of a block's gradient before right terms are added to it, or the mend."""
    one, view = mend.candidate, trials.view
    if mend.unit.kind != NODE or mend.how != QUANTITY or one is None or one.kind != ADJOINT:
        return mend
    shape = view.state.tape[mend.unit.first].value.shape
    if mend.unit.is_series or mend.expected[0].size != np.prod(shape):
        return mend
    index, has_term = mend.unit.first, False
    wanted: Wanted = [np.reshape(value, shape) for value in mend.expected]
    while (step := _before(index, wanted, one.node, view)) is not None:
        (index, wanted), is_term = step
        has_term |= is_term
        if has_term and proportion(view.state.at(index), wanted) is not None:
            own = trials.own(Unit(NODE, index, nodes=(index,)))
            return own if own is not None and own.outputs >= mend.outputs else mend
    if not has_term:
        return mend
    unit = Unit(NODE, index, nodes=(index,))
    other = trials.attempt(unit, [np.ravel(value) for value in wanted], REST, one)
    return other if other is not None and other.outputs >= mend.outputs else mend


def _before(
    index: int, wanted: Wanted, block: int, view: View
) -> tuple[tuple[int, Wanted], bool] | None:
    """Return the operand that an operation adds a right term to, or scales by a constant.

    Also return its expected value by point, and whether a term is added.
    """
    state, node = view.state, view.state.tape[index]
    name = node.operation
    if name in ("divide", "multiply") and len(node.arguments) == 2:
        number = constant_of(node.arguments[1], state.tape)
        if number and node.operands and not state.tape[node.operands[0]].is_leaf:
            factor = number if name == "divide" else 1 / number
            return (node.operands[0], [factor * value for value in wanted]), False
    if name != "add" or len(node.operands) != 2:
        return None
    right = [
        any(
            quantity.kind == CONTRIBUTION
            and quantity.node == block
            and np.allclose(state.values[0][term], quantity.values[0], 1e-6, 0)
            for quantity in view.explained.get(term, ())
        )
        for term in node.operands
    ]
    if sum(right) != 1:
        return None  # if both terms are right, another one is missing
    term, other = node.operands if right[0] else node.operands[::-1]
    made = state.tape[other]
    if made.is_leaf or made.value.shape != node.value.shape:
        return None
    terms = (values[term] for values in state.values)
    return (other, [value - own for value, own in zip(wanted, terms, strict=True)]), True


def factor_left_out(trials: Trials, mend: Mend) -> Mend | None:
    """Return the mend of the last use of a known value that lacks a factor of the loss; or None."""
    if mend.unit.kind not in (NODE, USE):
        return None
    view = trials.view
    above = view.state.above[mend.unit.first]
    varying = [one for one in trials.candidates.quantities if one.values[0].size > 1]
    varying = [one for one in varying if np.ptp(one.values[0]) > 0]
    values = [one for one in varying if one.kind in (VALUE, SLOPE)]
    adjoints = [one for one in varying if one.kind == ADJOINT]
    for index in reversed([one for one in view.order if one not in view.inner_passes]):
        node = view.state.tape[index]
        if not above >> index & 1 or node.value.dtype.kind != "f" or trials.is_late:
            continue
        for operand in dict.fromkeys(node.operands):
            kinds = {one.kind for one in view.explained.get(operand, ())}
            factors = values if ADJOINT in kinds else adjoints if kinds else []
            for uses in (wrong_uses(operand, view), ((index, operand),)):
                unit = Unit(USE, index, uses=uses)
                with_factor = _with_factor(unit, trials, factors)
                if with_factor is not None and with_factor.outputs >= mend.outputs:
                    return with_factor
    return None


def wrong_uses(operand: int, view: View) -> tuple[Edge, ...]:
    """Return the uses of a value in the operations that wrong outputs are made of."""
    order = set(view.order)
    return tuple((user, operand) for user in view.state.consumers[operand] if user in order)


def _with_factor(unit: Unit, trials: Trials, factors: Sequence[Quantity]) -> Mend | None:
    view, index = trials.view, unit.replaced[0]
    shape = view.state.values[0][index].shape
    chosen = [one for one in factors if shape and fits_into(one.values[0].shape, shape)]
    quantity = next(iter(view.explained.get(index, ())), None)
    if not chosen or quantity is None:
        return None
    entries = tuple(
        in_rows([values[index] * one.values[point] for one in chosen])
        for point, values in enumerate(view.state.values)
    )
    pairs = [(one, quantity) if quantity.kind == ADJOINT else (quantity, one) for one in chosen]
    candidates = tuple(
        Candidate(PRODUCT, factor.node, adjoint.node, number)
        for number, (factor, adjoint) in enumerate(pairs)
    )
    actual = trials.actual(unit)
    for candidate in trials.survivors(unit, Table(candidates, entries)):
        values = [rows[candidate.number] for rows in entries]
        if proportion(actual, values) is not None:
            continue
        mend = trials.attempt(unit, values, QUANTITY, candidate)
        if mend is not None and mend.factor == 1:
            return mend
    return None


def fits_into(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    """True if an array can be a factor of another without making it larger."""
    try:
        return np.broadcast_shapes(shape, into) == into
    except ValueError:
        return False
