"""Why a value of the gradient is wrong: what it and the right one say of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.adjoints.points import Point
from gradcheck.trace.causes.axis_causes import axis_cause, sample_cause
from gradcheck.trace.causes.compared import Array, Compared, same
from gradcheck.trace.causes.index_causes import index_cause, other_index_cause, place_cause
from gradcheck.trace.causes.missing_causes import left_out_cause
from gradcheck.trace.causes.operation_causes import (
    forward_cause,
    product_cause,
    softmax_cause,
    term_cause,
    update_cause,
    value_cause,
)
from gradcheck.trace.causes.path_causes import (
    path_cause,
    turned_cause,
    written_cause,
)
from gradcheck.trace.causes.penalties import penalty_cause
from gradcheck.trace.causes.scale_causes import scale_cause
from gradcheck.trace.causes.size_causes import size_cause
from gradcheck.trace.causes.slope_causes import (
    derivative_cause,
    other_slope_cause,
    slope_cause,
)
from gradcheck.trace.causes.surplus_causes import again_cause, clip_cause, habit_cause
from gradcheck.trace.causes.upstream_causes import (
    adjoint_cause,
    loss_cause,
    sent_back_cause,
    summed_cause,
    upstream_cause,
    weights_cause,
)
from gradcheck.trace.fault import SCALE, Cause
from gradcheck.trace.locating.explain import Known
from gradcheck.trace.locating.mend import OWN, ZERO, Mend
from gradcheck.trace.locating.multiples import proportion
from gradcheck.trace.locating.state import State
from gradcheck.trace.wording.words import Words

ASKED: tuple[Callable[[Compared], Cause | None], ...] = (
    clip_cause,
    turned_cause,
    index_cause,
    left_out_cause,
    value_cause,
    upstream_cause,
    sent_back_cause,
    weights_cause,
    place_cause,
    other_index_cause,
    written_cause,
    sample_cause,
    slope_cause,
    softmax_cause,
    again_cause,
    habit_cause,
    path_cause,
    penalty_cause,
    product_cause,
    axis_cause,
    adjoint_cause,
    summed_cause,
    loss_cause,
    other_slope_cause,
    term_cause,
    size_cause,
    forward_cause,
    derivative_cause,
)
"""In this order; the first that applies is the cause."""

DONE_IN_ALL = (again_cause, habit_cause, term_cause)
"""What is done to a right value in all passes of a loop: single numbers fit it by chance."""

FEWEST_PASSES, CLOSE = 3, 1e-9


def cause_of(
    mend: Mend, points: Sequence[Point], state: State, known: Known, words: Words
) -> Cause | None:
    """The cause of what a mend puts right; None where none is known."""
    if mend.how == ZERO:
        return update_cause(mend, points, state, words)
    if mend.how == OWN:
        return scale_cause(mend, points, state, known)
    times = None
    with np.errstate(all="ignore"):
        alone = _pass_alone(mend)
        for compared in _members(mend, points, state, known, words):
            by_chance = DONE_IN_ALL if alone and compared.actual[0].size == 1 else ()
            for ask in ASKED:
                cause = None if ask in by_chance else ask(compared)
                if cause is not None:
                    return cause
            # in one pass: what those after it make of that is another thing
            if compared.actual[0].size > 1:
                times = times or proportion(compared.actual, compared.expected)
    if alone is not None or not times:
        return alone
    cause = scale_cause(replace(mend, factor=1 / times), points, state, known)
    is_any = cause is None or cause.name == SCALE  # of one pass any number may be the factor
    return None if is_any else cause


def _pass_alone(mend: Mend) -> Cause | None:
    """The cause, where one pass of a loop is wrong, and all others are right."""
    count = len(mend.unit.replaced)
    if not mend.unit.is_series or count < FEWEST_PASSES:
        return None
    pairs = zip(mend.actual, mend.expected, strict=True)
    off = np.array([[np.reshape(one, (count, -1)) for one in pair] for pair in pairs])
    apart = np.abs(off[:, 0] - off[:, 1]).max(axis=(0, 2))
    wrong = np.flatnonzero(apart > CLOSE * np.abs(off[:, 1]).max())
    if len(wrong) != 1:
        return None
    words = f"pass {wrong[0] + 1} of {count} alone is wrong"
    return Cause(fault.ONE_PASS, words, "look at what that pass does otherwise, or should")


def _members(
    mend: Mend, points: Sequence[Point], state: State, known: Known, words: Words
) -> Iterator[Compared]:
    """The wrong value and the right one; in a loop, in its first, middle, last and worst passes."""
    unit = mend.unit
    members = unit.replaced
    shape, size = state.values[0][members[0]].shape, state.values[0][members[0]].size
    count = len(members) if unit.is_series or len(unit.nodes) > 1 else 1
    consumers = unit.nodes or [consumer for consumer, _ in unit.uses]
    wanted = np.reshape(mend.expected[0], (count, size))
    errors = np.abs(np.reshape(mend.actual[0], (count, size)) - wanted)
    told = np.max(errors, axis=1, initial=0.0) * np.any(wanted, axis=1)
    worst = int(np.argmax(told))  # of those that are not to be 0, as too much else is
    for number in sorted({0, count // 2, count - 1, worst}):

        def part(value: Array, first: int = number * size) -> Array:
            return np.asarray(value).reshape(-1)[first : first + size].reshape(shape)

        actual, expected = map(part, mend.actual), map(part, mend.expected)
        compared = Compared(
            points,
            state,
            known,
            words,
            consumers[number],
            members[number],
            bool(unit.uses),
            mend.candidate,
            mend.factor,
            list(actual),
            list(expected),
        )
        if not same(compared.actual, compared.expected):
            yield compared
