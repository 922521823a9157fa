"""The next fault of a state: the mend, and the place that it blames."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np

from gradcheck.trace.adjoints.quantities import ADJOINT, CONTRIBUTION, VALUE
from gradcheck.trace.causes.asking import cause_of
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.fault import (
    CLIPPED,
    PATH_MISSING,
    PENALTY_MISSING,
    REPEATED_INDEX,
    Entry,
    Fault,
)
from gradcheck.trace.faults.blame import Blame, blame, blame_use, outside_helper
from gradcheck.trace.faults.describe import of_mend, of_special, where_returned
from gradcheck.trace.faults.namings import naming
from gradcheck.trace.faults.passes import lost_passes
from gradcheck.trace.faults.returned import not_returned, wrong_shape
from gradcheck.trace.faults.scales import beside_right_ones, beyond_right_ones, place_of_scale
from gradcheck.trace.faults.special import special_fault
from gradcheck.trace.faults.unsummed import not_summed
from gradcheck.trace.faults.written_once import written_once
from gradcheck.trace.locating.given import given_too_little, given_wrongly
from gradcheck.trace.locating.laid_out import CLOSE, in_what_is_laid_out, off_entries
from gradcheck.trace.locating.made_of import (
    after_scaling,
    before_right_terms,
    factor_left_out,
)
from gradcheck.trace.locating.search import Outcome, first_mend
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import NODE, OWN, Mend
from gradcheck.trace.locating.view import View, view_of
from gradcheck.trace.record.names import MOVES, SUMS, WRITES
from gradcheck.trace.record.nodes import Assignment
from gradcheck.trace.wording.parts import place_of_element
from gradcheck.trace.wording.words import Words
from gradcheck.user.outputs import UPSTREAM


def next_fault(
    search: Followed, state: State, wrong: frozenset[str]
) -> tuple[tuple[Fault, State] | None, bool]:
    """Return the next fault with the mended state, or None; and whether the time ran out."""
    assignments = search.points[0].gradient.tape.assignments
    names = naming(assignments)
    view = view_of(state, wrong or state.misshapen(), search.known)
    if not wrong:
        special = wrong_shape(view, state.misshapen(), assignments)
        return (None if special is None else of_special(search, state, special)), False
    special = (
        special_fault(view, wrong)
        or not_returned(view, wrong, search.points, assignments)
        or lost_passes(view, wrong, names)
        or not_summed(view, wrong, search.known)
        or written_once(view, wrong)
    )
    if special is not None:
        return of_special(search, state, special), False
    trials = Trials(view, wrong, search.candidates, search.deadline)
    outcome = first_mend(trials, strict=True)
    only_scale = outcome.mend is None and bool(outcome.scale)
    if not (outcome.late or only_scale) and (
        outcome.mend is None or _is_trivial(outcome.mend, search, view)
    ):
        outcome = _freer(outcome, first_mend(trials, strict=False))
    elif outcome.mend is not None and outcome.mend.outputs < wrong:
        before = first_mend(trials, strict=False, until=outcome.mend.unit.position)
        if before.mend is not None and before.mend.outputs > outcome.mend.outputs:
            outcome = before
    if outcome.mend is not None:
        mend = in_what_is_laid_out(outcome.mend, state, wrong, search.candidates)
        return _of_replacement(search, trials, mend), outcome.late
    if outcome.scale:
        scale = beyond_right_ones(outcome.scale, trials)
        place = place_of_scale(scale, state, search.known.quantities)
        inner = in_what_is_laid_out(place.mend, state, wrong, search.candidates)
        place = replace(place, mend=inner)
        blamed = blame(place.mend, view, assignments, search.words, place.is_right)
        if place.joined is not None and state.tape[place.joined].place is not None:
            blamed = Blame.in_use(state.tape[place.joined], place.mend.unit.first)
        if place.is_right:
            added = _spread_elsewhere(place.mend, state)
            blamed = added or outside_helper(blamed, place.mend, state)
        beside = beside_right_ones(place.mend, state)
        if beside is not None:
            blamed = blamed.moved_to(beside)
        return _of_entry(search, state, _shared(place.mend, state, wrong), blamed), outcome.late
    special = wrong_shape(view, wrong, assignments)
    return (None if special is None else of_special(search, state, special)), outcome.late


def _shared(mend: Mend, state: State, wrong: frozenset[str]) -> Mend:
    """Return the mend of a scale, for all blocks if the other wrong ones are off by it as well."""
    others = [output for output in state.outputs if output.name in wrong - mend.outputs]
    if abs(abs(mend.factor) - 1) < 1e-9 or not all(
        output.entries is None
        and output.agrees(point, mend.factor * output.part(state.values[point][output.node]))
        for output in others
        for point in state.points
    ):
        return mend
    replacements = tuple(
        replace(one, nodes={**one.nodes, **{each.node: each.true[point] for each in others}})
        for point, one in enumerate(mend.replacements)
    )
    return replace(mend, outputs=wrong, replacements=replacements)


def _of_replacement(search: Followed, trials: Trials, mend: Mend) -> tuple[Fault, State]:
    """Return the fault that a quantity mends, or that of a factor left out of its operands."""
    view = trials.view
    mend = given_wrongly(mend, trials, [point.loss_nodes for point in search.points])
    inside, mend = mend, given_too_little(mend, trials)
    cause = cause_of(mend, search, view.state)
    if cause is None or cause.name == PATH_MISSING:
        mend = before_right_terms(mend, trials)
    if cause is not None and cause.name in (PATH_MISSING, PENALTY_MISSING):
        mend = after_scaling(mend, trials)
    assignments = search.points[0].gradient.tape.assignments
    explained = view.explained.get(mend.unit.first, ())
    kinds = {one.kind for one in explained}
    wanted = mend.candidate
    is_right = any(
        one.kind in (ADJOINT, CONTRIBUTION) and (wanted is None or one.key != wanted.key)
        for one in explained
    )
    returned = where_returned(search, view, mend)
    is_cut_off = cause is not None and cause.name == CLIPPED
    is_inside = mend is inside and mend.how != OWN and not is_cut_off
    if is_inside and not (explained and returned is None):
        inner = factor_left_out(trials, mend)
        if inner is not None:
            place = blame_use(inner, view, assignments, search.words)
            return of_mend(search, view.state, inner, place, mend)
    taken_off = _taken_off(mend, view.state)
    if taken_off is not None:
        user, operand = taken_off.unit.uses[0]
        blamed = Blame.in_use(view.state.tape[user], operand)
        return of_mend(search, view.state, taken_off, blamed)
    blamed = blame(mend, view, assignments, search.words, is_right)
    if view.is_right_forward(mend.unit.first):
        kinds = {VALUE}
    is_repeated = cause is not None and cause.name == REPEATED_INDEX
    if not is_repeated and (not is_right or kinds == {VALUE}) and _is_of_another_kind(mend, kinds):
        blamed = _handed_on(blamed, mend, view.state, _outside(search.words, assignments))
    if cause is not None and cause.is_beside_call:
        blamed = _after_call(blamed, mend, view, assignments)
    if cause is not None and cause.name == PATH_MISSING:
        blamed = _right_elsewhere(blamed, mend, view.state) or blamed
    if returned is not None:
        blamed = blamed.moved_to(returned)
    return _of_entry(search, view.state, mend, blamed)


def _is_of_another_kind(mend: Mend, kinds: Set[str]) -> bool:
    """True if a value, or one in each pass of a loop, is replaced by a quantity of another kind."""
    candidate = mend.candidate
    return bool(mend.unit.nodes and kinds) and candidate is not None and candidate.kind not in kinds


def _handed_on(blamed: Blame, mend: Mend, state: State, assignments: Sequence[Assignment]) -> Blame:
    """Blame where a right value is taken for one of another kind: named, returned or called for.

    What is returned by the name of a derivative was taken for one before.
    """
    named = [one for one in assignments if one.node == mend.unit.first and one.names_anew]
    returned = [one for one in named if one.returned][-1:]
    if any(UPSTREAM.match(one.target) for one in returned):
        return blamed
    places = [one.place for one in (*returned, *named)]
    return Blame(places[0]) if places else outside_helper(blamed, mend, state)


def _after_call(blamed: Blame, mend: Mend, view: View, names: Sequence[Assignment]) -> Blame:
    """Blame where the right result of a helper is returned, named last, or used."""
    state, made = view.state, [mend.unit.first]
    outer = [call.code for call in state.tape[made[0]].chain[1:]]
    while len(users := state.consumers[made[-1]]) == 1:
        if state.tape[users[0]].operation not in MOVES or not view.is_same(users[0], made[-1]):
            break
        made += users
    of_callers = ([one for one in names if one.node in made and one.code is code] for code in outer)
    named = next(filter(None, of_callers), [])
    if named:
        return blamed.moved_to(next((one for one in named if one.returned), named[-1]).place)
    live = [state.tape[user] for user in users if state.live >> user & 1]
    used = [call for user in live for call in user.chain if call.code in outer]
    return blamed.moved_to(used[0].place) if used else outside_helper(blamed, mend, state)


def _right_elsewhere(blamed: Blame, mend: Mend, state: State) -> Blame | None:
    """Blame the call of a helper whose line makes what is right in another call of it."""
    chain = state.tape[mend.unit.first].chain
    if len(chain) < 2 or blamed.place != chain[0].place:
        return None
    ours = {state.tape[one].chain for one in mend.unit.replaced}
    calls = {one.chain for one in state.tape if one.chain[:1] == chain[:1]} - ours
    others = [call for call in calls if len(call) > 1 and call[1].code is chain[1].code]
    return blamed.moved_to(chain[1].place) if others else None


def _outside(words: Words, assignments: Sequence[Assignment]) -> list[Assignment]:
    """Return the assignments in functions that the loss does not run."""
    return [one for one in assignments if one.code not in words.codes]


def _spread_elsewhere(mend: Mend, state: State) -> Blame | None:
    """Blame the statement that adds a right value to every entry of a larger one, as of a mean."""
    node, users = state.tape[mend.unit.first], state.consumers[mend.unit.first]
    user = state.tape[users[0]] if len(users) == 1 else node
    is_spread = user.operation in SUMS and user.value.size > node.value.size
    if not (is_spread and user.chain and node.chain):
        return None
    made, used = node.chain[0], user.chain[0]
    if made.code is not used.code or made.place.line == used.place.line:
        return None
    return Blame.in_use(user, node.index)


def _of_entry(search: Followed, state: State, mend: Mend, blamed: Blame) -> tuple[Fault, State]:
    """Return the fault of a mend, at the one wrong entry of a list if there is one."""
    entry = place_of_element(mend, state)
    if entry is None or blamed.place != state.tape[mend.unit.first].place:
        return of_mend(search, state, mend, blamed)
    fault, mended = of_mend(search, state, mend, replace(blamed, place=entry))
    at = off_entries(mend)[0]
    actual, expected = (np.ravel(one[0])[at].item() for one in (mend.actual, mend.expected))
    wrong_entry = Entry(entry.source, (), actual, expected, ())
    is_number = all(
        abs(np.ravel(one)[at] - expected) <= CLOSE * abs(expected) for one in mend.expected
    )
    fix = f"write {expected:.6g} for `{entry.source}`" if is_number else fault.fix
    now, wanted = np.array(actual), np.array(expected)
    fault = replace(fault, entry=wrong_entry, fix=fix, actual_value=now, expected_value=wanted)
    return fault, mended


def _taken_off(mend: Mend, state: State) -> Mend | None:
    """Return the mend of a derivative that is subtracted from a sum it belongs to; or None.

    In a loop, the derivative is right in the first pass.
    """
    if mend.factor != -1 or mend.candidate is None:
        return None
    members = mend.unit.nodes
    users = [state.consumers[member][:1] for member in members]
    uses = mend.unit.uses or tuple(
        (one[0], at) for one, at in zip(users, members, strict=True) if one
    )
    joined = [state.tape[user].operation in ("add", "subtract") for user, _ in uses]
    if not joined or not all(joined) or any(len(state.consumers[at]) > 1 for at in members):
        return None
    values = state.at(uses[0][1])
    first = [np.reshape(-wanted, -1)[: values[0].size] for wanted in mend.expected]
    is_right = all(
        np.allclose(np.ravel(value), part, 1e-7, 0)
        for value, part in zip(values, first, strict=True)
    )
    return replace(mend, unit=replace(mend.unit, nodes=(), uses=uses)) if is_right else None


def _freer(strict: Outcome, free: Outcome) -> Outcome:
    """Return the outcome of the free pass if it is better, else that of the strict pass."""
    if strict.mend is None or free.mend is None:
        return free if strict.mend is None else strict
    earlier = free.mend.unit.first < strict.mend.unit.first
    at_least = free.mend.outputs >= strict.mend.outputs
    return free if earlier and at_least else strict


def _is_trivial(mend: Mend, search: Followed, view: View) -> bool:
    """True if only (a part of) the block's gradient replaces a value that has a wrong operand.

    Or if the derivative by another value replaces all of a buffer.
    """
    if mend.candidate is None or mend.candidate.kind not in (ADJOINT, CONTRIBUTION):
        return False
    node = view.state.tape[mend.unit.first]
    is_own = mend.candidate.node in search.candidates.parameters
    if not is_own and (node.operation not in WRITES or mend.unit.kind != NODE):
        return False
    if node.operation in MOVES or view.carrying.isdisjoint(node.operands):
        return True
    return any(
        not view.state.tape[operand].is_leaf
        and view.state.tape[operand].is_float
        and not view.explained.get(operand)
        for operand in node.operands
    )
