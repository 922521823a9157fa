"""Gradients that join the right parts in a wrong order, as a flat vector of blocks of one size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.causes.join_causes import JOINED, in_order, right_order
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import Special, chosen
from gradcheck.trace.locating.state import Replacement
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import before_moves


def joined_wrongly(view: View, wrong: frozenset[str], points: Sequence[Point]) -> Special | None:
    """Return the join that makes an output, if its parts are right in another order."""
    state = view.state
    for output in chosen(state, wrong):
        node = state.tape[before_moves(state.tape, output.node)]
        true = [point.true.get(output.block, np.array([])) for point in points]
        if node.operation not in JOINED or true[0].size != node.value.size:
            continue
        expected = [one.reshape(node.value.shape) for one in true]
        order = right_order([state.at(one) for one in node.operands], expected)
        if order is None:
            continue
        replacements = tuple(Replacement(nodes={node.index: one}) for one in expected)
        mended, cause = state.mended_by(replacements, wrong), in_order(node, order)
        words = f"the parts of `{node.source}` are right, and joined in another order"
        blame, at = Blame.at(node.chain), node.index
        told = Special(cause.name, blame, at, replacements, mended, fix=cause.fix, words=words)
        if mended:
            return told
    return None
