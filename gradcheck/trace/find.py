"""The door: the faults of a gradient, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.backward import backward_steps
from gradcheck.trace.blame import Blame, blame, handed_on, is_of_another_kind, outside_helper
from gradcheck.trace.candidates import Candidates
from gradcheck.trace.deadline import Deadline
from gradcheck.trace.describe import Followed, of_mend, of_special, where_returned
from gradcheck.trace.doubts import doubt_of
from gradcheck.trace.explain import known_quantities
from gradcheck.trace.fault import Fault, Search
from gradcheck.trace.mend import Mend
from gradcheck.trace.names import MOVES
from gradcheck.trace.operations import base_name
from gradcheck.trace.outputs import outputs_of
from gradcheck.trace.passes import last_pass
from gradcheck.trace.points import (
    Array,
    NotFollowedError,
    Point,
    Subject,
    adjoints_agree,
    comparable,
    follow,
)
from gradcheck.trace.projections import projections_of
from gradcheck.trace.quantities import ADJOINT, CONTRIBUTION, VALUE, quantities_of, series_of
from gradcheck.trace.raising import Raised, raising_fault
from gradcheck.trace.scales import place_of_scale
from gradcheck.trace.search import Outcome, first_mend
from gradcheck.trace.special import special_fault, wrong_shape
from gradcheck.trace.state import State, state_of
from gradcheck.trace.trial import Trials
from gradcheck.trace.units import View, view_of
from gradcheck.trace.words import Words

Judge = Callable[[Mapping[str, NDArray[Any]]], bool]
"""Whether mended gradients agree with the numeric one in the blocks that a fault is to mend."""

ROUNDS = 8
"""How many faults are looked for, one after the other."""

POINTS = 3
"""At how many points a replacement must hold."""


def find_faults(
    subject: Subject,
    points: Sequence[Sequence[Array]],
    wrong: Sequence[str] | None = None,
    judge: Judge | None = None,
    budget: float = 10.0,
) -> Search:
    """The faults that make gradients wrong.

    Args:
        subject: the user's functions.
        points: at which they are followed, each by block; three or more, the first is the one that
            was checked. Those where other operations are done are left out.
        wrong: the blocks whose gradients are wrong; those that the adjoints do not agree with if
            left out.
        judge: decides whether a mended set of gradients is right in the blocks mended; without
            one the adjoints do.
        budget: the time, in seconds of this thread's own work.
    """
    deadline = Deadline.after(budget)
    with np.errstate(all="ignore"):
        return _find(subject, points, wrong, judge, deadline)


def _find(
    subject: Subject,
    points: Sequence[Sequence[Array]],
    wrong: Sequence[str] | None,
    judge: Judge | None,
    deadline: Deadline,
) -> Search:
    try:
        first = follow(subject, points[0])
    except NotFollowedError as reason:
        return Search(unfollowed=str(reason))
    if not wrong and first.gradient.error is None and not _is_wrong(first):
        return Search(leaks=first.gradient.leaks, points=1, operations=len(first.nodes))
    if not adjoints_agree(subject, first, points[0], np.random.default_rng(0)):
        return Search(
            unfollowed="the adjoints do not agree with differences of the loss",
            leaks=first.gradient.leaks,
        )
    followed = _follow_others(subject, first, points[1:])
    search = _prepared(followed, deadline)
    if first.gradient.error is not None:
        return _of_raised(search, wrong)
    state = state_of(search.points, search.tolerance, wrong)
    if wrong and not state.wrong():
        followed = [follow(subject, values, calls=2) for values in points[: len(followed)]]
        search = _prepared(followed, deadline)
        state = state_of(search.points, search.tolerance, wrong)
    before = state
    faults, state, late = _one_after_the_other(search, before, judge)
    blocks = {output.name: output.block for output in state.outputs}
    left = tuple(dict.fromkeys(blocks[name] for name in sorted(state.wrong())))
    missing = [name for name in wrong or () if name not in first.outputs]
    return Search(
        tuple(faults),
        left,
        late,
        "" if not missing else f"no gradient of {', '.join(missing)} came out of what is followed",
        first.gradient.leaks,
        len(followed),
        len(first.nodes),
        backward=backward_steps(search, before, state, faults),
        doubt=doubt_of(search, faults, wrong or left, left),
    )


def _of_raised(search: Followed, wrong: Sequence[str] | None) -> Search:
    first = search.points[0]
    blocks = tuple(wrong or first.true)
    found = raising_fault(Raised(search.points, search.known, search.words), blocks)
    faults = () if found is None else (found[0],)
    state = state_of(search.points, search.tolerance, wrong)
    return Search(
        faults,
        blocks,
        unfollowed="" if found else f"the gradient raised {type(first.gradient.error).__name__}",
        leaks=first.gradient.leaks,
        points=len(search.points),
        operations=len(first.nodes),
        misfit=None if found is None else found[1],
        backward=backward_steps(search, state, state, faults),
    )


def _is_wrong(point: Point) -> bool:
    """Whether any gradient at a point differs from the adjoint."""
    outputs = outputs_of([point], _tolerance([point]))
    return any(not output.is_right(0, point.nodes[output.node].value) for output in outputs)


def _follow_others(
    subject: Subject, first: Point, points: Sequence[Sequence[Array]]
) -> list[Point]:
    """The first point, and others where the same operations are done."""
    found = [first]
    for values in points:
        if len(found) == POINTS:
            break
        try:
            point = follow(subject, values)
        except NotFollowedError:
            continue
        if comparable(first, point):
            found.append(point)
    return found


def _prepared(points: Sequence[Point], deadline: Deadline) -> Followed:
    first = points[0]
    tolerance = _tolerance(points)
    quantities = quantities_of(points)
    words = Words(
        first.loss_nodes,
        first.loss_index,
        {index: name for name, index in first.parameters.items()},
    )
    return Followed(
        tuple(points),
        known_quantities(quantities, tolerance),
        Candidates(quantities, series_of(points, quantities)),
        words,
        tolerance,
        deadline,
    )


def _tolerance(points: Sequence[Point]) -> float:
    """The relative error of what is right: by the coarsest type that computes."""
    types = {
        node.value.dtype
        for node in (*points[0].nodes, *points[0].loss_nodes)
        if node.is_float and node.value.size and not node.is_leaf
    }
    coarsest = max((float(np.finfo(one).eps) for one in types), default=2e-16)
    return max(1e-6, 3000 * coarsest) if coarsest > 1e-10 else 1e-6


def _one_after_the_other(
    search: Followed, state: State, judge: Judge | None
) -> tuple[list[Fault], State, bool]:
    faults: list[Fault] = []
    for _ in range(ROUNDS):
        wrong = state.wrong()
        if not wrong:
            break
        found, late = _next(search, state, wrong)
        if found is None:
            return faults, state, late
        fault, mended = found
        if judge is not None and not judge(fault.mended):
            return faults, state, late
        faults.append(fault)
        state = mended
    return faults, state, False


def _next(
    search: Followed, state: State, wrong: frozenset[str]
) -> tuple[tuple[Fault, State] | None, bool]:
    """The next fault, and the state with it mended; and whether the time ran out."""
    view = view_of(state, wrong, search.known)
    every = search.points[0].gradient.tape.assignments
    assignments = [one for one in every if not one.returned]
    special = special_fault(view, wrong, search.points) or last_pass(view, wrong, assignments)
    if special is not None:
        return of_special(search, state, special), False
    trials = Trials(
        state,
        wrong,
        projections_of(state, wrong, np.random.default_rng(5)),
        search.deadline,
    )
    outcome = first_mend(view, trials, search.candidates, strict=True)
    if not outcome.late and (outcome.mend is None or _is_trivial(outcome.mend, search, view)):
        outcome = _freer(outcome, first_mend(view, trials, search.candidates, strict=False))
    if outcome.mend is not None:
        explained = view.explained.get(outcome.mend.unit.first, ())
        is_right = any(one.kind in (ADJOINT, CONTRIBUTION) for one in explained)
        blamed = blame(outcome.mend, state, assignments, view.is_known, is_right)
        kinds = {one.kind for one in explained}
        if view.is_right_forward(outcome.mend.unit.first):
            kinds = {VALUE}
        if (not is_right or kinds == {VALUE}) and is_of_another_kind(outcome.mend, kinds):
            blamed = handed_on(blamed, outcome.mend, state, every)
        blamed = where_returned(search, view, outcome.mend, blamed)
        return of_mend(search, state, outcome.mend, blamed), outcome.late
    if outcome.scale is not None:
        place = place_of_scale(outcome.scale, state, search.known.quantities, assignments)
        blamed = blame(place.mend, state, assignments, view.is_known, place.is_right)
        if place.joined is not None and state.tape[place.joined].place is not None:
            places = tuple(call.place for call in state.tape[place.joined].chain)
            blamed = Blame(places[0], places[1:3], places[0].source)
        if place.is_right:
            blamed = outside_helper(blamed, place.mend, state)
        if place.assignment is not None:
            assigned = place.assignment.place
            blamed = Blame(assigned, (), assigned.source)
        return of_mend(search, state, place.mend, blamed), outcome.late
    special = wrong_shape(view, wrong, assignments)
    return (None if special is None else of_special(search, state, special)), outcome.late


def _freer(strict: Outcome, free: Outcome) -> Outcome:
    """The outcome of the free pass where that is better."""
    if strict.mend is None and strict.scale is None:
        return free
    if strict.mend is None or free.mend is None:
        return strict
    earlier = free.mend.unit.first < strict.mend.unit.first
    at_least = free.mend.outputs >= strict.mend.outputs
    return free if earlier and at_least else strict


def _is_trivial(mend: Mend, search: Followed, view: View) -> bool:
    """Whether only the block's gradient itself was put in, although an operand is unexplained."""
    parameters = set(search.points[0].parameters.values())
    if mend.candidate is None or mend.candidate.node not in parameters:
        return False
    if mend.candidate.kind != "adjoint":
        return False
    node = view.state.tape[mend.unit.first]
    return base_name(node) in MOVES or any(
        not view.state.tape[operand].is_leaf
        and view.state.tape[operand].is_float
        and not view.explained.get(operand)
        for operand in node.operands
    )
