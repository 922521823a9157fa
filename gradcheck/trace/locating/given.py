"""What a helper that the loss runs too was given wrongly.

The code of such a helper is right. A wrong value in it is followed back, beside the loss's own
value, to the one value that came from outside and that differs. So is what the gradient computes
itself as the loss does, from another value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import same_arrays
from gradcheck.trace.adjoints.quantities import ADJOINT, NO_OTHER, SLOPE, VALUE, Quantity
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.candidates import Candidate
from gradcheck.trace.locating.constants import in_a_row
from gradcheck.trace.locating.made_of import wrong_uses
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import NODE, QUANTITY, USE, USES, Mend, Unit, in_pass
from gradcheck.trace.record.nodes import Node

Array = NDArray[Any]


def given_wrongly(mend: Mend, trials: Trials, losses: Sequence[Sequence[Node]]) -> Mend:
    """Return the mend of what a helper was given, if the mend is of a value inside it, or the mend.

    `losses` holds the tapes of the loss, by point.
    """
    one, state = mend.candidate, trials.state
    if mend.passes > 1 or one is None or one.kind != VALUE:
        return mend
    mend = _in_its_use(mend, trials)
    begin = mend.unit.replaced[0], one.node
    given = _differing_from_outside(begin, state, losses)
    if len(given) != 1 or given == {begin}:
        return mend
    ((index, wanted),) = given
    is_leaf, users = state.tape[index].is_leaf, wrong_uses(index, trials.view)
    unit = Unit(USE, index, uses=users) if is_leaf else Unit(NODE, index, nodes=(index,))
    values = [in_a_row([nodes[wanted].value]) for nodes in losses]
    outer = trials.attempt(unit, values, QUANTITY, Candidate(VALUE, wanted, NO_OTHER, 0))
    return mend if outer is None or not outer.outputs >= mend.outputs else outer


def _in_its_use(mend: Mend, trials: Trials) -> Mend:
    """Return the mend of the one use of a right value that decides, as in a row of a matrix."""
    state, index = trials.state, mend.unit.first
    explained = trials.view.explained.get(index, ())
    is_right = any(one.kind == VALUE for one in explained)
    if not (trials.candidates.of_matrix and is_right and mend.unit.kind == NODE):
        return mend
    for user in state.live_consumers[index]:
        unit = Unit(USE, user - 0.5, uses=((user, index),))
        used = trials.attempt(unit, mend.expected, QUANTITY, mend.candidate)
        if used is not None and used.outputs >= mend.outputs:
            return used
    return mend


def given_too_little(mend: Mend, trials: Trials) -> Mend:
    """Return the mend of the derivative that a helper multiplies by its slope, or the mend.

    The slope, which the helper computes, is right; what it was given lacks something, as it is to
    be the derivative by what a function of the loss returns.
    """
    products = _products(mend, trials.state)
    if mend.candidate is None or len(products) != mend.passes:
        return mend
    state = trials.state
    later = state if products[0][1] is None else state.mend(mend.replacements)
    for place in (0, 1):
        given = [
            _given((mend, number, one), place, later, trials) for number, one in enumerate(products)
        ]
        known = [one for one in given if one is not None]
        node = next((quantity.node for _, quantity, _ in known if quantity is not None), None)
        if len(known) < len(products) or node is None:
            continue
        kind, uses = USES if mend.unit.is_series else USE, tuple(use for use, _, _ in known)
        values = [in_a_row(rows) for rows in zip(*(wanted for _, _, wanted in known), strict=True)]
        one = Candidate(ADJOINT, node, NO_OTHER, 0)
        outer = trials.attempt(Unit(kind, uses[0][0] - 0.5, uses=uses), values, QUANTITY, one)
        return mend if outer is None or not outer.outputs >= mend.outputs else outer
    return mend


def _products(mend: Mend, state: State) -> list[tuple[int, int | None]]:
    """Return the products that a mend replaces, or those of the slopes that it replaces."""
    nodes = mend.unit.nodes
    if not nodes or mend.candidate is None or mend.candidate.kind != SLOPE:
        return [(node, None) for node in nodes] or [(user, of) for user, of in mend.unit.uses]
    users = [(state.live_consumers[node], node) for node in nodes]
    return [(one[0], node) for one, node in users if len(one) == 1]


def _given(
    one: tuple[Mend, int, tuple[int, int | None]], place: int, later: State, trials: Trials
) -> tuple[Edge, Quantity | None, Sequence[Array]] | None:
    """Return the use of what a helper is given, in one pass, and what it should be; or None.

    `later` is the state with the mend.
    """
    mend, number, (member, replaced) = one
    state, node = trials.state, trials.state.tape[member]
    if node.operation != "multiply" or len(node.operands) != 2 or len(node.chain) < 2:
        return None
    given, slope = node.operands[place], node.operands[1 - place]
    made = state.tape[given].chain
    shapes = {state.tape[index].value.shape for index in (given, slope, member)}
    if not made or made[0].code is node.chain[0].code or len(shapes) > 1:
        return None
    product = in_pass(mend.expected, number, node.value.shape)
    if replaced is not None:
        if replaced != slope:
            return None
        handed = later.at(given)  # as the passes before are mended, too
        product = [first * second for first, second in zip(product, handed, strict=True)]
    if not any(map(np.any, product)):
        return (member, given), None, [np.zeros_like(one) for one in product]
    if all(np.allclose(*pair, 1e-6, 0) for pair in zip(product, later.at(given), strict=True)):
        return None  # it is right as it is given: the helper multiplies once too often
    wanted = _derivative(product, state.at(slope), trials)
    return None if wanted is None else ((member, given), wanted, wanted.values)


def _derivative(
    product: Sequence[Array], slope: Sequence[Array], trials: Trials
) -> Quantity | None:
    """Return the derivative by what a function returns that, times a slope, gives a product."""
    pairs = list(zip(product, slope, strict=True))
    return next(
        (
            one
            for one in trials.candidates.quantities
            if one.kind == ADJOINT
            and one.node in trials.candidates.handed
            and one.values[0].shape == slope[0].shape
            and all(
                np.allclose(value * by, whole, 1e-6, 1e-9 * float(np.max(np.abs(whole))))
                for value, (whole, by) in zip(one.values, pairs, strict=True)
            )
        ),
        None,
    )


def _differing_from_outside(
    begin: Edge, state: State, losses: Sequence[Sequence[Node]]
) -> set[Edge]:
    """Return the pairs (value, value of the loss) that differ, and from which others follow.

    They come from outside of what both functions run, or are given another constant there.
    """
    outside: set[Edge] = set()
    seen, pending = {begin}, [begin]
    while pending:
        index, wanted = pair = pending.pop()
        node, right = state.tape[index], losses[0][wanted]
        differing = {
            (one, other)
            for one, other in zip(node.operands, right.operands, strict=False)
            if not same_arrays(state.at(one), [nodes[other].value for nodes in losses])
        }
        alike = _is_run_alike(node, right) or _is_made_alike(node, right, differing, state)
        if not differing or not alike:
            outside.add(pair)
        else:
            pending += differing - seen
            seen |= differing
    return outside


def _is_run_alike(node: Node, other: Node) -> bool:
    """True if two values were computed by the same instruction, each from as many others."""
    is_same = node.chain[:1] == other.chain[:1] and node.name == other.name
    return is_same and bool(node.chain) and len(node.operands) == len(other.operands)


def _is_made_alike(node: Node, other: Node, differing: set[Edge], state: State) -> bool:
    """True if the gradient does an operation of the loss itself, on one value made for it alone."""
    is_same = node.name == other.name and len(node.operands) == len(other.operands)
    return (
        is_same
        and len(differing) == 1
        and all(
            state.consumers[one] == [node.index] and not state.tape[one].is_leaf
            for one, _ in differing
        )
    )
