"""Statements of a loop that assign into a buffer what is to be added to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.trace.fault import OVERWRITTEN
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import ADD, Special
from gradcheck.trace.locating.state import Replacement, State, Values
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.nodes import evaluate, resolve


def overwritten(view: View, wrong: frozenset[str]) -> Special | None:
    """The statement that mends outputs once it adds in every pass what it assigns."""
    state = view.state
    for writes in _in_loops(view, wrong):
        replacements = []
        for point in state.points:
            added = _added(state, point, writes)
            if added is None:
                break
            replacements.append(Replacement(nodes=added))
        if len(replacements) < len(state.points):
            continue
        mended = state.mended_by(replacements, state.below(writes), wrong)
        if mended:
            last = writes[-1]
            return Special(
                OVERWRITTEN,
                Blame(state.tape[last].place),
                last,
                tuple(replacements),
                mended,
                state.values[0][last],
                replacements[0].nodes[last],
                fix=ADD,
            )
    return None


def _in_loops(view: View, wrong: frozenset[str]) -> Iterator[list[int]]:
    """The writes of a statement that wrong outputs are made of, where it ran more than once."""
    state = view.state
    above = state.outputs_made_of(wrong)
    groups: dict[object, list[int]] = {}
    for node in state.tape[state.start :]:
        if node.name == "setitem" and node.is_float and node.chain and above >> node.index & 1:
            groups.setdefault(node.chain, []).append(node.index)
    yield from (writes for writes in groups.values() if len(writes) > 1)


def _added(state: State, point: int, writes: Sequence[int]) -> dict[int, np.ndarray] | None:
    """What the buffers hold after each of the writes, if these add; None if that cannot be."""
    own = frozenset(writes)
    values: Values = list(state.values[point])
    try:
        for index in state.below(writes):
            node = state.nodes[point][index]
            if index in own:
                before, key, value = (resolve(one, values) for one in node.arguments)
                values[index] = np.array(before, dtype=node.value.dtype)
                values[index][key] += value
            elif not node.is_leaf:
                values[index] = evaluate(node, values)
    except Exception:  # the user's functions may be among them
        return None
    return {index: values[index] for index in writes}
