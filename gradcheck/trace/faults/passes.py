"""Loops that lose results of their passes: they keep the last one, overwrite, or end too early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import same_arrays
from gradcheck.trace import fault
from gradcheck.trace.causes.path_causes import ADD_TO_IT
from gradcheck.trace.faults.blame import Blame
from gradcheck.trace.faults.special import ADD, Special
from gradcheck.trace.locating.state import Replacement, State, Values
from gradcheck.trace.locating.units import Mend
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import adding, carried, grouped, repetitions
from gradcheck.trace.record.names import WRITES
from gradcheck.trace.record.nodes import OUTPUT, Assignment, Node, Reference
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.loops import left_at_once
from gradcheck.trace.wording.operand_text import added_to
from gradcheck.trace.wording.words import Words, assigned_name

NEAR = 60
"""The largest number of operations from the results of a loop to the gradients."""

INNER = (1, 2, 3, 4, 6)
"""Possible numbers of passes of an inner loop, if each pass computes another gradient."""


def lost_passes(
    view: View, wrong: frozenset[str], assignments: Sequence[Assignment]
) -> Special | None:
    """Return the statement that mends most outputs if what its passes make is added up, or None."""
    state = view.state
    most: Special | None = None
    for special in chain(
        _of_writes(state, wrong),
        _of_targets(state, assignments),
        _of_names(state, wrong),
        _of_operations(view),
        _of_assignments(state, assignments),
    ):
        mended = state.mended_by(special.replacements, wrong)
        if len(mended) > len(most.outputs if most else ()):
            most = replace(special, outputs=mended)
        if mended == wrong:
            break
    if most is None or state.tape[most.node].operation in WRITES:
        return most
    kept = kept_by(state, most.node, assignments)
    if kept is None or kept == most.blame.place:
        return most
    return replace(most, blame=most.blame.moved_to(kept))


def kept_by(state: State, node: int, assignments: Sequence[Assignment]) -> Place | None:
    """Return the last plain assignment that keeps what each pass makes, over that of the last."""
    passes = repetitions(state.tape, node)
    if len(passes) < 2:
        return None
    before = passes[passes.index(node) - 1]
    places = [
        [one.place for one in assignments if one.node == index and not one.returned]
        for index in (before, node)
    ]
    return next((one for one in reversed(places[1]) if one in places[0]), None)


def _of_operations(view: View) -> Iterator[Special]:
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
            last = series[0][-1]
            blame = Blame(_begun(state, last).place)
            yield Special(fault.LAST_PASS, blame, last, replacements, fix=ADD)


def _begun(state: State, last: int) -> Node:
    """Return the operation that makes anew in each pass what the pass then writes to."""
    node = state.tape[last]
    while node.name == "setitem" and isinstance(array := node.arguments[0], Reference):
        node = state.tape[array.index]
    is_anew = len(repetitions(state.tape, node.index)) == len(repetitions(state.tape, last))
    return node if is_anew and node.place is not None else state.tape[last]


def _of_assignments(state: State, assignments: Sequence[Assignment]) -> Iterator[Special]:
    named = grouped(((one.place, one.callers), one.node) for one in assignments)
    counts = Counter((node.chain, node.name) for node in state.tape)
    for (place, _), nodes in named.items():
        for inner in INNER:
            passes = [nodes[first::inner] for first in range(min(inner, len(nodes)))]
            uses = {
                (user, series[-1]): series
                for series in passes
                for user in state.consumers[series[-1]]
                if counts[state.tape[user].chain, state.tape[user].name] == 1
            }
            if len(nodes) % inner or not uses or not all(_add_up(state, one) for one in passes):
                continue
            replacements = tuple(
                Replacement(uses={use: _total(values, series) for use, series in uses.items()})
                for values in state.values
            )
            yield Special(fault.LAST_PASS, Blame(place), max(uses)[0], replacements, fix=ADD)


def _add_up(state: State, indices: Sequence[int]) -> bool:
    """True if several values of one shape are given."""
    shapes = {state.values[0][index].shape for index in indices}
    return len(set(indices)) > 1 and len(shapes) == 1


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


def _of_writes(state: State, wrong: frozenset[str]) -> Iterator[Special]:
    """Yield the statements that write what wrong outputs depend on."""
    made = (
        node
        for node in state.writes_to(wrong)
        if node.is_float and node.index >= state.start and not _is_there(state, node)
    )
    for writes in grouped((node.chain, node.index) for node in made).values():
        last = writes[-1]
        try:
            summed = [
                carried(nodes, values, {i: adding(nodes[i]) for i in writes}, last)
                for nodes, values in zip(state.nodes, state.values, strict=True)
            ]
        except Exception:  # the user's functions may be among them
            continue
        if same_arrays([values[last] for values in summed], state.at(state.tape[last].operands[0])):
            continue  # zeros: nothing is to be added
        special = _added_up(state, last, [{i: values[i] for i in writes} for values in summed])
        yield special if len(writes) > 1 else replace(special, fix=ADD_TO_IT)


def _is_there(state: State, write: Node) -> bool:
    """True if a write changes nothing, as at the end of `g[i] += x`, which has added in place."""
    before = state.tape[write.operands[0]]
    is_same = before.name != "setitem" and not before.is_leaf
    return is_same and same_arrays(state.at(write.index), state.at(before.index))


def _added_up(state: State, last: int, sums: Sequence[Mapping[int, NDArray[Any]]]) -> Special:
    """Return the fault of values that the sums over all passes replace, by point."""
    return Special(
        fault.OVERWRITTEN,
        Blame(state.tape[last].place),
        last,
        tuple(map(Replacement, sums)),
        actual=state.values[0][last],
        expected=sums[0][last],
        fix=ADD,
    )


def _of_names(state: State, wrong: frozenset[str]) -> Iterator[Special]:
    """Yield the expressions of which only the last results are used, and all should be added."""
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
        sums = [
            {last: _total(values, [*rest, last]) for last, rest in used.items()}
            for values in state.values
        ]
        yield _added_up(state, max(used), sums)


def _of_targets(state: State, assignments: Sequence[Assignment]) -> Iterator[Special]:
    """Yield the assignments to targets whose values before were not used, and are to be added."""
    latest: dict[tuple[int, str], Node] = {}
    over: dict[Place, list[tuple[Node, Node]]] = {}
    for frame, name, node, place in _targets(state, assignments):
        before = latest.get((frame, name))
        latest[frame, name] = node
        if before is None or place is None or state.live >> before.index & 1:
            continue
        if before.value.shape == node.value.shape:
            over.setdefault(place, []).append((before, node))
    for place, pairs in over.items():
        last = pairs[-1][1].index
        if state.live >> last & 1:
            sums = [_with_before(pairs, values, state) for values in state.values]
            yield replace(_added_up(state, last, sums), blame=Blame(place), fix=ADD_TO_IT)


def _targets(
    state: State, assignments: Sequence[Assignment]
) -> Iterator[tuple[int, str, Node, Place | None]]:
    """Yield the frame and the name of each target, its value, and the place if it is assigned."""
    waiting = [one for one in reversed(assignments) if one.names_anew and not one.returned]
    frames: dict[Any, int] = {}
    for node in state.tape[state.start :]:
        while waiting and waiting[-1].position <= node.index:
            one = waiting.pop()
            if one.code in frames and state.tape[one.node].is_float:
                yield frames[one.code], one.target, state.tape[one.node], one.place
        if node.place is None or node.is_leaf or not node.is_float:
            continue
        frames[node.chain[0].code] = node.frame
        name, is_anew = _target(node.place)
        if name:
            yield node.frame, name, node, node.place if is_anew else None


def _with_before(
    pairs: Sequence[tuple[Node, Node]], values: Values, state: State
) -> dict[int, NDArray[Any]]:
    """Return the values given to a target, by node, with what it had before added to each."""
    sums: dict[int, NDArray[Any]] = {}
    last: int | None = None
    for before, node in pairs:
        total = values[node.index] + values[before.index]
        if last is not None and state.above[before.index] >> last & 1:
            total = total + sums[last] - values[last]
        sums[node.index], last = total, node.index
    return sums


def _target(place: Place) -> tuple[str, bool]:
    """Return what a statement assigns its value or adds it to, and if it assigns; '' if nothing."""
    assigned = assigned_name(place)
    return assigned or added_to(place.source), bool(assigned)


def return_too_early(
    mend: Mend, blamed: Blame, state: State, words: Words
) -> tuple[Place, int] | None:
    """Return a `return` that ends a loop in its first pass, and the line of the loop.

    The `return` comes after the blamed place, or after an assignment to entries that wrong outputs
    depend on, in a function that the loss does not call.
    """
    places = [] if blamed.place is None else [blamed.place]
    writes = [write.chain[0] for write in state.writes_to(mend.outputs)]
    places += [call.place for call in writes if call.code not in words.codes]
    return next(filter(None, map(left_at_once, dict.fromkeys(places))), None)
