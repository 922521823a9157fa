"""Loops that lose results of their passes: they keep the last one, overwrite, or end too early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import same_arrays
from gradcheck.trace import fault
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import ADD, Special
from gradcheck.trace.locating.state import Replacement, State, Values
from gradcheck.trace.locating.units import Mend
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import adding, carried, grouped
from gradcheck.trace.record.nodes import OUTPUT, Assignment
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.loops import left_at_once
from gradcheck.trace.wording.words import Words

NEAR = 60
"""The largest number of operations from the results of a loop to the gradients."""

INNER = (1, 2, 3, 4, 6)
"""Possible numbers of passes of an inner loop, if each pass computes another gradient."""


def last_pass(
    view: View, wrong: frozenset[str], assignments: Sequence[Assignment]
) -> Special | None:
    """Return the operation or assignment whose values, summed over its loop, mend outputs."""
    return _of_operations(view, wrong) or _of_assignments(view, wrong, assignments)


def passes_at(state: State, node: int) -> list[int]:
    """Return an operation and its repetitions by the same calls at the same place, in a loop."""
    key = state.tape[node].chain, state.tape[node].name
    return [other.index for other in state.tape if (other.chain, other.name) == key]


def _of_operations(view: View, wrong: frozenset[str]) -> Special | None:
    state = view.state
    for members in _kept(view):
        for inner in INNER:
            if len(members) % inner or len(members) == inner:
                continue
            series = [members[first::inner] for first in range(inner)]
            replacements = tuple(
                Replacement(nodes={passes[-1]: _total(values, passes) for passes in series})
                for values in state.values
            )
            mended = state.mended_by(replacements, wrong)
            if mended:
                last, blame = series[0][-1], Blame(state.tape[series[0][-1]].place)
                return Special(fault.LAST_PASS, blame, last, replacements, mended, fix=ADD)
    return None


def _of_assignments(
    view: View, wrong: frozenset[str], assignments: Sequence[Assignment]
) -> Special | None:
    state = view.state
    named = grouped((assignment.place, assignment.node) for assignment in assignments)
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
        mended = state.mended_by(replacements, wrong)
        if mended:
            return Special(fault.LAST_PASS, Blame(place), uses[0][0], replacements, mended, fix=ADD)
    return None


def _total(values: Values, indices: Sequence[int]) -> NDArray[Any]:
    return np.asarray(np.sum([values[index] for index in indices], axis=0))


def _kept(view: View) -> Iterator[list[int]]:
    """Yield the results of an operation in a loop of which wrong outputs use the last."""
    state = view.state
    groups = grouped(
        (node.in_loop, node.index)
        for node in state.tape[state.start :]
        if node.is_float and not node.is_leaf and node.name != OUTPUT and node.chain
    )
    order = set(view.order)
    for members in groups.values():
        if len(members) < 2 or members[-1] not in order or _are_one(view, members):
            continue
        if len(state.below([members[-1]])) <= NEAR:
            yield members


def _are_one(view: View, members: Sequence[int]) -> bool:
    """True if all passes give the same value, so that their sum is only a multiple of it."""
    first = view.state.at(members[0])
    return all(same_arrays(view.state.at(index), first) for index in members[1:])


def overwritten(view: View, wrong: frozenset[str]) -> Special | None:
    """Return the statement that mends outputs if it adds in each pass instead of assigning."""
    return _of_writes(view.state, wrong) or _of_names(view.state, wrong)


def _of_writes(state: State, wrong: frozenset[str]) -> Special | None:
    for writes in _in_loops(state, wrong):
        last = writes[-1]
        try:
            summed = [
                carried(nodes, values, {i: adding(nodes[i]) for i in writes}, last)
                for nodes, values in zip(state.nodes, state.values, strict=True)
            ]
        except Exception:  # the user's functions may be among them
            continue
        replacements = tuple(Replacement({i: values[i] for i in writes}) for values in summed)
        mended = state.mended_by(replacements, wrong)
        if mended:
            made, wanted = state.values[0][last], summed[0][last]
            blame = Blame(state.tape[last].place)
            return Special(fault.OVERWRITTEN, blame, last, replacements, mended, made, wanted, ADD)
    return None


def _in_loops(state: State, wrong: frozenset[str]) -> Iterator[list[int]]:
    """Yield the writes of a statement that ran more than once and that wrong outputs depend on."""
    writes = (
        node for node in state.writes_to(wrong) if node.is_float and node.index >= state.start
    )
    groups = grouped((node.chain, node.index) for node in writes)
    yield from (writes for writes in groups.values() if len(writes) > 1)


def _of_names(state: State, wrong: frozenset[str]) -> Special | None:
    """Return the expression of which only the last results are used, and all should be added."""
    above = state.outputs_made_of(wrong)
    made = grouped(
        (node.chain, node)
        for node in state.tape[state.start :]
        if node.is_float and node.chain and not node.is_leaf and node.name != "setitem"
    )
    for nodes in made.values():
        used: dict[int, list[int]] = {}
        before: list[int] = []
        for node in nodes:
            if not state.live >> node.index & 1:
                before.append(node.index)
                continue
            if before and above >> node.index & 1:
                used[node.index] = before
            before = []
        indices = [index for last, rest in used.items() for index in (last, *rest)]
        shapes = {state.tape[index].value.shape for index in indices}
        if len(shapes) != 1:
            continue
        replacements = tuple(
            Replacement({last: _total(values, [*rest, last]) for last, rest in used.items()})
            for values in state.values
        )
        mended = state.mended_by(replacements, wrong)
        if mended:
            last = max(used)
            actual, expected = state.values[0][last], replacements[0].nodes[last]
            blame = Blame(state.tape[last].place)
            return Special(
                fault.OVERWRITTEN, blame, last, replacements, mended, actual, expected, ADD
            )
    return None


def return_too_early(
    mend: Mend, blamed: Blame, state: State, words: Words
) -> tuple[Place, int] | None:
    """Return a `return` that ends a loop in its first pass, and the line of the loop.

    The `return` comes after the blamed place, or after an assignment to entries that wrong outputs
    depend on, in a function that the loss does not call.
    """
    of_the_loss = {call.code for node in words.nodes for call in node.chain}
    places = [] if blamed.place is None else [blamed.place]
    writes = [write.chain[0] for write in state.writes_to(mend.outputs)]
    places += [call.place for call in writes if call.code not in of_the_loss]
    return next(filter(None, map(left_at_once, dict.fromkeys(places))), None)
