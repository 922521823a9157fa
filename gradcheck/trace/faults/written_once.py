"""Gradients that lack what is added to rows which repeat, `dU[rows] += ...`, in any call."""

from __future__ import annotations

from gradcheck.trace.causes.repeated import adding_each, repeated, repeated_cause
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import Special
from gradcheck.trace.locating.state import Replacement
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import carried


def written_once(view: View, wrong: frozenset[str]) -> Special | None:
    """Return the writes to rows of which some repeat, if the outputs are right once all is added.

    A single one is told from the value that it makes; of several, in calls that a loop makes, none
    makes a value that something explains.
    """
    state = view.state
    writes = [
        index
        for index in view.order
        if state.tape[index].name == "setitem" and repeated(state.tape[index], state.tape)
    ]
    if len(writes) < 2:
        return None
    replacements = []
    for nodes, present in zip(state.nodes, state.values, strict=True):
        changed = {index: adding_each(nodes[index]) for index in writes}
        try:
            values = carried(nodes, present, changed, writes[-1])
        except (ValueError, TypeError, IndexError):
            return None
        replacements.append(Replacement(nodes={index: values[index] for index in writes}))
    mended = state.mended_by(replacements, wrong)
    if not mended:
        return None
    first = state.tape[writes[0]]
    cause = repeated_cause(first, repeated(first, state.tape))
    words, fix = cause.words, cause.fix
    blame, special = Blame.at(first.chain), tuple(replacements)
    return Special(cause.name, blame, first.index, special, mended, fix=fix, words=words)
