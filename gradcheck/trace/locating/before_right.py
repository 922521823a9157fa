"""What a wrong sum is made of, before the terms that are right and the sizes that it is divided by.

A block's own gradient can always be put in for the last of what adds it up. Where that adds what it
should, as a penalty's derivative, what was there before is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.quantities import ADJOINT, CONTRIBUTION
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import NODE, QUANTITY, REST, Mend, Unit
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.nodes import constant_of

Wanted = Sequence[NDArray[np.float64]]


def before_right_terms(mend: Mend, trials: Trials) -> Mend:
    """The mend of what a block's gradient is made of, where all that is done to it is right."""
    one, view = mend.candidate, trials.view
    if mend.unit.kind != NODE or mend.how != QUANTITY or one is None or one.kind != ADJOINT:
        return mend
    shape = view.state.tape[mend.unit.first].value.shape
    if mend.unit.is_series or mend.expected[0].size != np.prod(shape):
        return mend
    index, found = mend.unit.first, False
    wanted: Wanted = [np.reshape(value, shape) for value in mend.expected]
    while (step := _before(index, wanted, one.node, view)) is not None:
        (index, wanted), is_term = step
        found |= is_term
    if not found:
        return mend
    unit = Unit(NODE, index, nodes=(index,))
    other = trials.attempt(unit, [np.ravel(value) for value in wanted], REST, one)
    return other if other is not None and other.outputs >= mend.outputs else mend


def _before(
    index: int, wanted: Wanted, block: int, view: View
) -> tuple[tuple[int, Wanted], bool] | None:
    """What an operation adds a right term to, or divides by a size; and whether it is the former.

    With what that has to be, by point.
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
    for term, other in (node.operands, node.operands[::-1]):
        explained = view.explained.get(term, ())
        is_right = any(
            quantity.kind == CONTRIBUTION
            and quantity.node == block
            and np.allclose(state.values[0][term], quantity.values[0], 1e-6, 0)
            for quantity in explained
        )
        made = state.tape[other]
        if is_right and not made.is_leaf and made.value.shape == node.value.shape:
            known = (values[term] for values in state.values)
            return (other, [value - own for value, own in zip(wanted, known, strict=True)]), True
    return None
