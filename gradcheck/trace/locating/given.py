"""What a helper that the loss runs too was given wrongly.

The code of such a helper is right. A wrong value in it is followed back, beside the loss's own
value, to the one value that came from outside and that differs.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.arrays import same_arrays
from gradcheck.trace.adjoints.quantities import NO_OTHER, VALUE
from gradcheck.trace.locating.candidates import Candidate
from gradcheck.trace.locating.constants import in_a_row
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import NODE, QUANTITY, USE, Mend, Unit
from gradcheck.trace.record.nodes import Node


def given_wrongly(mend: Mend, trials: Trials, losses: Sequence[Sequence[Node]]) -> Mend:
    """Return the mend of what a helper was given, if the mend is of a value inside it, or the mend.

    `losses` holds the tapes of the loss, by point.
    """
    one, state = mend.candidate, trials.state
    if mend.passes > 1 or one is None or one.kind != VALUE:
        return mend
    index, wanted = mend.unit.replaced[0], one.node
    user = None if mend.unit.nodes else mend.unit.first
    while _is_run_alike(state.tape[index], losses[0][wanted]):
        operands = zip(state.tape[index].operands, losses[0][wanted].operands, strict=True)
        differing = [
            (operand, right)
            for operand, right in operands
            if not same_arrays(state.at(operand), [nodes[right].value for nodes in losses])
        ]
        if not differing:
            break  # it was given another constant
        if len(differing) > 1:
            return mend
        user = index
        ((index, wanted),) = differing
    if user is None or wanted == one.node:
        return mend
    is_leaf = state.tape[index].is_leaf
    unit = Unit(USE, user, uses=((user, index),)) if is_leaf else Unit(NODE, index, nodes=(index,))
    values = [in_a_row([nodes[wanted].value]) for nodes in losses]
    outer = trials.attempt(unit, values, QUANTITY, Candidate(VALUE, wanted, NO_OTHER, 0))
    return mend if outer is None or not outer.outputs >= mend.outputs else outer


def _is_run_alike(node: Node, other: Node) -> bool:
    """True if two values were computed by the same instruction, each from as many others."""
    is_same = node.chain[:1] == other.chain[:1] and node.name == other.name
    return is_same and bool(node.chain) and len(node.operands) == len(other.operands) > 0
