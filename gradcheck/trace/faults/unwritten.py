"""Loops that were to fill a buffer, and that a return ends in their first pass."""

from __future__ import annotations

from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.locating.mend import Mend
from gradcheck.trace.locating.state import State
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.loops import left_at_once
from gradcheck.trace.wording.words import Words


def return_too_early(
    mend: Mend, blamed: Blame, state: State, words: Words
) -> tuple[Place, int] | None:
    """A return that ends a loop in its first pass, and the line of the loop.

    It stands after what is blamed, or after what writes into a buffer that wrong outputs are made
    of, in a function that the loss does not run.
    """
    of_the_loss = {call.code for node in words.nodes for call in node.chain}
    above = state.outputs_made_of(mend.outputs)
    places = [] if blamed.place is None else [blamed.place]
    places += [
        node.chain[0].place
        for node in state.tape
        if node.name == "setitem"
        and above >> node.index & 1
        and node.chain
        and node.chain[0].code not in of_the_loss
    ]
    return next(filter(None, map(left_at_once, dict.fromkeys(places))), None)
