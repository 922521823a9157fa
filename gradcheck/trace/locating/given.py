"""What a helper that the loss runs too was given wrongly.

The code of such a helper is right. A wrong value in it is followed back, beside the loss's own
value, to the one value that came from outside and that differs. So is what the gradient computes
itself as the loss does, from another value.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.arrays import same_arrays
from gradcheck.trace.adjoints.quantities import NO_OTHER, VALUE
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.candidates import Candidate
from gradcheck.trace.locating.constants import in_a_row
from gradcheck.trace.locating.made_of import wrong_uses
from gradcheck.trace.locating.state import State
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
