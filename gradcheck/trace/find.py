"""The door: the faults of a gradient, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.blame import Blame, blame, outside_helper
from gradcheck.trace.candidates import Candidates
from gradcheck.trace.explain import Known, known_quantities
from gradcheck.trace.fault import Entry, Fault, Search, Step
from gradcheck.trace.kinds import Kind, kind_of, named
from gradcheck.trace.operations import MOVES, base_name
from gradcheck.trace.outputs import Output, outputs_of
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
from gradcheck.trace.quantities import ADJOINT, CONTRIBUTION, quantities_of, series_of
from gradcheck.trace.raising import Raised, raising_fault
from gradcheck.trace.returned import returned_place
from gradcheck.trace.scales import place_of_scale
from gradcheck.trace.search import Outcome, first_mend
from gradcheck.trace.special import Special, special_fault, wrong_shape
from gradcheck.trace.state import State
from gradcheck.trace.trial import Mend, Trials
from gradcheck.trace.units import NODE, View, view_of
from gradcheck.trace.words import Words

Judge = Callable[[Mapping[str, NDArray[Any]]], bool]
"""Whether mended gradients agree with the numeric one in the blocks that a fault is to mend."""

ROUNDS = 8
"""How many faults are looked for, one after the other."""

POINTS = 3
"""At how many points a replacement must hold."""

STEPS = 3


@dataclass(frozen=True)
class Followed:
    """What one search works on.

    Attributes:
        points: both functions, at each point.
        known: the quantities.
        candidates: what can replace values.
        words: names the quantities.
        tolerance: the relative error of what is right.
        deadline: on `time.perf_counter`.
    """

    points: tuple[Point, ...]
    known: Known
    candidates: Candidates
    words: Words
    tolerance: float
    deadline: float


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
        budget: the time, in seconds.
    """
    deadline = time.perf_counter() + budget
    with np.errstate(all="ignore"):
        return _find(subject, points, wrong, judge, deadline)


def _find(
    subject: Subject,
    points: Sequence[Sequence[Array]],
    wrong: Sequence[str] | None,
    judge: Judge | None,
    deadline: float,
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
        return _of_raised(search)
    state = _state(search, wrong)
    if wrong and not state.wrong():
        followed = [follow(subject, values, calls=2) for values in points[: len(followed)]]
        search = _prepared(followed, deadline)
        state = _state(search, wrong)
    faults, state, late = _one_after_the_other(search, state, judge)
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
    )


def _of_raised(search: Followed) -> Search:
    first = search.points[0]
    error = first.gradient.error
    fault = raising_fault(Raised(search.points, search.known, search.words))
    return Search(
        () if fault is None else (fault,),
        tuple(first.true),
        unfollowed="" if fault is not None else f"the gradient raised {type(error).__name__}",
        leaks=first.gradient.leaks,
        points=len(search.points),
        operations=len(first.nodes),
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


def _prepared(points: Sequence[Point], deadline: float) -> Followed:
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
        Candidates(quantities, series_of(points)),
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


def _state(search: Followed, wrong: Sequence[str] | None) -> State:
    points = search.points
    outputs = outputs_of(points, search.tolerance)
    if wrong is not None:
        outputs = tuple(
            output if output.block in wrong else _as_it_is(output, points) for output in outputs
        )
    return State(
        tuple(point.nodes for point in points),
        tuple([node.value for node in point.nodes] for point in points),
        outputs,
        points[0].start,
    )


def _as_it_is(output: Output, points: Sequence[Point]) -> Output:
    """An output that the numbers call right: it must stay as it is."""
    values = tuple(output.part(point.nodes[output.node].value) for point in points)
    return replace(output, true=values)


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
    assignments = search.points[0].gradient.tape.assignments
    special = special_fault(view, wrong, search.points)
    if special is not None:
        return _of_special(search, state, special), False
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
        blamed = _where_returned(search, view, outcome.mend, blamed)
        return _of_mend(search, state, view, outcome.mend, blamed), outcome.late
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
        return _of_mend(search, state, view, place.mend, blamed), outcome.late
    special = wrong_shape(view, wrong, assignments)
    return (None if special is None else _of_special(search, state, special)), outcome.late


def _where_returned(search: Followed, view: View, mend: Mend, blamed: Blame) -> Blame:
    """The place where another block's right gradient is handed back, if it is that."""
    if mend.unit.kind != NODE or mend.candidate is None:
        return blamed
    parameters = set(search.points[0].parameters.values())
    nodes = {
        one.node for one in view.explained.get(mend.unit.first, ()) if one.kind == ADJOINT
    } & parameters
    if not nodes or mend.candidate.node not in parameters or mend.candidate.node in nodes:
        return blamed
    block = _blocks(view.state, mend.outputs)[0]
    place = returned_place(view.state.tape[mend.unit.first].chain, block)
    if place is None:
        return blamed
    also = () if blamed.place is None else (blamed.place,)
    return Blame(place, also, place.source)


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


def _of_special(search: Followed, state: State, special: Special) -> tuple[Fault, State] | None:
    mended = state.mend(special.replacements)
    if mended is None:
        return None
    kind = Kind(special.kind, "", special.blame.expression, "")
    blocks = _blocks(state, special.outputs)
    if special.expected is not None:
        kind = replace(kind, expected=f"dL/d{blocks[0]}")
    return (
        _fault(
            search,
            state,
            mended,
            special.blame,
            kind,
            special.node,
            1.0,
            None,
            blocks,
            special.actual,
            special.expected,
        ),
        mended,
    )


def _of_mend(
    search: Followed, state: State, view: View, mend: Mend, blamed: Blame
) -> tuple[Fault, State] | None:
    mended = state.mend(mend.replacements)
    if mended is None:
        return None
    kind = kind_of(mend, state, search.known, search.words, blamed.expression)
    shape = state.values[0][mend.unit.replaced[0]].shape
    values = [np.asarray(one[0]) for one in (mend.actual, mend.expected)]
    count = int(np.prod(shape, dtype=int))
    actual, expected = (value.reshape(shape) if value.size == count else value for value in values)
    quantity = None if mend.candidate is None else mend.candidate.kind
    return (
        _fault(
            search,
            state,
            mended,
            blamed,
            kind,
            mend.unit.first,
            mend.factor,
            quantity,
            _blocks(state, mend.outputs),
            actual,
            expected,
        ),
        mended,
    )


def _blocks(state: State, names: frozenset[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.block for one in state.outputs if one.name in names))


def _fault(
    search: Followed,
    state: State,
    mended: State,
    blamed: Blame,
    kind: Kind,
    node: int,
    factor: float,
    quantity: str | None,
    blocks: tuple[str, ...],
    actual: NDArray[Any] | None,
    expected: NDArray[Any] | None,
) -> Fault:
    outputs = search.points[0].outputs
    return Fault(
        kind.kind,
        blamed.place,
        blamed.also,
        blamed.expression,
        kind.actual,
        kind.expected,
        kind.lacks,
        actual,
        expected,
        factor,
        _entry(actual, expected),
        quantity,
        _before(search, state, node),
        blocks,
        {name: mended.values[0][index] for name, index in outputs.items()},
    )


def _entry(actual: NDArray[Any] | None, expected: NDArray[Any] | None) -> Entry | None:
    if actual is None or expected is None or actual.shape != expected.shape or not actual.size:
        return None
    difference = np.abs(actual - expected)
    index = np.unravel_index(int(np.argmax(difference)), actual.shape)
    where = tuple(int(i) for i in index)
    return Entry(where, float(actual[where]), float(expected[where]))


def _before(search: Followed, state: State, node: int) -> tuple[Step, ...]:
    """Right values that a value is made of, the last first."""
    found: list[Step] = []
    pending, seen = list(state.tape[node].operands), set()
    while pending and len(found) < STEPS:
        index = max(pending)
        pending.remove(index)
        if index in seen:
            continue
        seen.add(index)
        made = state.tape[index]
        explained = search.known.explaining([values[index] for values in state.values])
        place = made.place
        if place is not None and not made.is_leaf:
            words = named(explained, search.words)
            if words and words not in [step.words for step in found]:
                found.append(Step(place, words))
        pending += made.operands
    return tuple(found)
