"""The entry point of the trace: find the faults of a gradient, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import OutOfTimeError
from gradcheck.trace.adjoints.agreement import adjoints_agree
from gradcheck.trace.adjoints.conventions import as_they_write
from gradcheck.trace.adjoints.points import (
    Array,
    NotFollowedError,
    Point,
    Subject,
    comparable,
    follow,
)
from gradcheck.trace.adjoints.tangents import in_forward_mode
from gradcheck.trace.causes.compared import Followed
from gradcheck.trace.fault import Fault, Search
from gradcheck.trace.faults.backward import backward_steps
from gradcheck.trace.faults.doubts import doubt_of
from gradcheck.trace.faults.next_fault import next_fault
from gradcheck.trace.faults.of_engines import faults_of_engines
from gradcheck.trace.faults.prepared import prepared
from gradcheck.trace.faults.raising import raising_fault
from gradcheck.trace.faults.special import never_made
from gradcheck.trace.locating.state import State, state_of
from gradcheck.trace.locating.trial import Deadline

Judge = Callable[[Mapping[str, NDArray[Any]]], bool]
"""True if mended gradients agree with the numeric one in the blocks that a fault mends."""

ROUNDS = 8

POINTS = 3
"""The number of points at which a replacement must hold."""

LARGE, FEWER = 10_000, 2
"""The size of a tape, as that of an engine, from which fewer points are followed, for the time."""


@np.errstate(all="ignore")
def find_faults(
    subject: Subject,
    points: Sequence[Sequence[Array]],
    wrong: Sequence[str],
    judge: Judge | None = None,
    budget: float = 10.0,
    rounds: int = ROUNDS,
) -> Search:
    """Find the faults that make gradients wrong.

    Args:
        subject: the user's functions.
        points: three or more points at which the functions are followed, each given by block. The
            first is the one that was checked; points where other operations are done are left out.
        wrong: the blocks whose gradients are wrong.
        judge: decides whether mended gradients are right in the mended blocks; without it, the
            adjoints decide.
        budget: the time limit once the points are followed, in seconds of this thread's own work;
            after as long, no further point is followed.
        rounds: the maximum number of faults that are looked for, one after the other, beside those
            of an engine's backward functions.
    """
    deadline = Deadline.after(budget)
    try:
        first = follow(subject, points[0])
    except NotFollowedError as reason:
        return Search(unfollowed=str(reason))
    is_whole = subject.fixed is None
    if is_whole and not adjoints_agree(subject, first, points[0], np.random.default_rng(0)):
        return Search(unfollowed="the adjoints do not agree with differences of the loss")
    first = as_they_write(first)
    is_matrix, subject = bool(subject.along), in_forward_mode(first)
    first = replace(first, subject=subject)
    followed = _follow_others(subject, first, points[1:], deadline)
    deadline = Deadline.after(budget)
    search = prepared(followed, wrong, deadline, is_matrix)
    if first.gradient.error is not None:
        return _of_raised(search, wrong)
    state = state_of(search.points, search.tolerance, wrong)
    if not state.wrong() | state.misshapen():
        followed = [follow(subject, values, calls=2) for values in points[: len(followed)]]
        search = prepared(followed, wrong, deadline, is_matrix)
        state = state_of(search.points, search.tolerance, wrong)
    before = state
    faults, state, late = _one_after_the_other(search, before, judge, rounds)
    if not rounds:
        return Search(tuple(faults))
    faults += [one for one in never_made(search, state, wrong) if not judge or judge(one.mended)]
    blocks = {output.name: output.block for output in state.outputs}
    left = tuple(dict.fromkeys(blocks[name] for name in sorted(state.wrong() | state.misshapen())))
    nothing = {one.block for one in state.outputs if faults and one.is_nothing} & {*left}
    return Search(
        tuple(faults),
        left,
        frozenset(nothing),
        late,
        backward=backward_steps(search, before, state, faults),
        doubt=doubt_of(search, faults, wrong, left),
    )


def _of_raised(search: Followed, wrong: Sequence[str]) -> Search:
    first = search.points[0]
    raised = raising_fault(search, wrong)
    faults = () if raised is None else (raised[0],)
    state = state_of(search.points, search.tolerance, wrong)
    return Search(
        faults,
        tuple(wrong),
        unfollowed="" if raised else f"the gradient raised {type(first.gradient.error).__name__}",
        misfit=None if raised is None else raised[1],
        backward=backward_steps(search, state, state, faults),
    )


def _follow_others(
    subject: Subject, first: Point, points: Sequence[Sequence[Array]], deadline: Deadline
) -> list[Point]:
    """Return the first point, and others where the same operations are done."""
    followed = [first]
    most = POINTS
    if len(first.nodes) > LARGE:
        most, points = FEWER, points[:FEWER]
    for values in points:
        if len(followed) == most or deadline.has_passed:
            break
        try:
            point = follow(subject, values)
        except NotFollowedError:
            continue
        if comparable(first, point):
            followed.append(point)
        elif _in_another_order(first, point):
            break  # as of a set, which every call goes through in an order of its own
    return followed


def _in_another_order(one: Point, other: Point) -> bool:
    """True if the gradient does the same operations at two points, and not one after the other."""
    mine, its = ([(node.name, node.place) for node in point.nodes] for point in (one, other))
    return mine != its and Counter(mine) == Counter(its)


def _one_after_the_other(
    search: Followed, state: State, judge: Judge | None, rounds: int
) -> tuple[list[Fault], State, bool]:
    faults, mended = faults_of_engines(search, state)
    if judge is None or all(judge(fault.mended) for fault in faults if fault.mended):
        state = mended
    else:
        faults = []
    for _ in range(rounds):
        wrong = state.wrong()
        if not wrong | state.misshapen() or (faults and wrong and state.are_nothing(wrong)):
            break
        try:
            following, late = next_fault(search, state, wrong)
        except OutOfTimeError:
            return faults, state, True
        if following is None:
            return faults, state, late
        fault, mended = following
        if judge is not None and not judge(fault.mended):
            return faults, state, late
        faults.append(fault)
        state = mended
    return faults, state, False
