"""Loops that keep what the last pass made, where what all passes made is to be added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.fault import LAST_PASS
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import ADD, Special
from gradcheck.trace.locating.state import Replacement, State, Values
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.nodes import OUTPUT, Assignment
from gradcheck.trace.record.places import Place

NEAR = 60
"""By how many operations a gradient is reached from what a loop adds up."""

INNER = (1, 2, 3, 4, 6)
"""How many passes an inner loop may have, each of which makes another gradient."""


def last_pass(
    view: View, wrong: frozenset[str], assignments: Sequence[Assignment]
) -> Special | None:
    """The operation, or plain assignment, whose values added up over its loop mend outputs."""
    return _of_operations(view, wrong) or _of_assignments(view, wrong, assignments)


def passes_at(state: State, node: int) -> list[int]:
    """An operation, and those that the same calls do at the same place: the passes of a loop."""
    one = state.tape[node]
    key = one.chain, one.name
    return [other.index for other in state.tape if (other.chain, other.name) == key]


def _of_operations(view: View, wrong: frozenset[str]) -> Special | None:
    state = view.state
    for members in _kept(view):
        for inner in INNER:
            if len(members) % inner or len(members) == inner:
                continue
            series = [members[first::inner] for first in range(inner)]
            replacements = tuple(
                Replacement(nodes={one[-1]: _total(values, one) for one in series})
                for values in state.values
            )
            mended = state.mended_by(replacements, state.below(replacements[0].starts), wrong)
            if mended:
                node = state.tape[series[0][-1]]
                return Special(
                    LAST_PASS, Blame(node.place), node.index, replacements, mended, fix=ADD
                )
    return None


def _of_assignments(
    view: View, wrong: frozenset[str], assignments: Sequence[Assignment]
) -> Special | None:
    state = view.state
    named: dict[Place, list[int]] = {}
    for assignment in assignments:
        named.setdefault(assignment.place, []).append(assignment.node)
    counts = Counter((node.chain, node.name) for node in state.tape)
    for place, nodes in named.items():
        last = nodes[-1]
        uses = [
            (user, last)
            for user in state.consumers[last]
            if counts[state.tape[user].chain, state.tape[user].name] == 1
        ]
        if len(set(nodes)) < 2 or len({state.values[0][i].shape for i in nodes}) > 1 or not uses:
            continue
        replacements = tuple(
            Replacement(uses=dict.fromkeys(uses, _total(values, nodes))) for values in state.values
        )
        mended = state.mended_by(replacements, state.below(replacements[0].starts), wrong)
        if mended:
            return Special(LAST_PASS, Blame(place), uses[0][0], replacements, mended, fix=ADD)
    return None


def _total(values: Values, indices: Sequence[int]) -> NDArray[Any]:
    return np.asarray(np.sum([values[index] for index in indices], axis=0))


def _kept(view: View) -> Iterator[list[int]]:
    """The results of an operation in a loop, of which the last goes into wrong outputs."""
    state = view.state
    groups: dict[Any, list[int]] = {}
    for node in state.tape[state.start :]:
        if node.is_float and not node.is_leaf and node.name != OUTPUT and node.chain:
            groups.setdefault((node.chain, node.name, node.value.shape), []).append(node.index)
    order = set(view.order)
    for members in groups.values():
        if len(members) < 2 or members[-1] not in order or _are_one(view, members):
            continue
        if len(state.below([members[-1]])) <= NEAR:
            yield members


def _are_one(view: View, members: Sequence[int]) -> bool:
    """Whether all passes made the same, so that their sum is no more than a multiple of it."""
    return all(
        np.array_equal(values[index], values[members[0]])
        for values in view.state.values
        for index in members[1:]
    )
