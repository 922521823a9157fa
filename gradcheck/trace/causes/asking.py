"""Why a value of the gradient is wrong, from a comparison with the right value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import proportion
from gradcheck.trace import fault
from gradcheck.trace.causes import (
    axis_causes,
    factor_causes,
    index_causes,
    operation_causes,
    other_passes,
    other_slopes,
    path_causes,
    penalties,
    place_causes,
    slope_causes,
    softmax_causes,
    start_causes,
    surplus_slopes,
    term_causes,
    updated_causes,
    upstream_causes,
)
from gradcheck.trace.causes.compared import Compared, Followed, same
from gradcheck.trace.causes.join_causes import order_cause
from gradcheck.trace.causes.loop_indices import loop_index_cause
from gradcheck.trace.causes.redone import redone_cause
from gradcheck.trace.causes.scale_causes import scale_cause
from gradcheck.trace.causes.term_scales import term_scale_cause
from gradcheck.trace.causes.turned_round import turned_round_cause
from gradcheck.trace.causes.zero_parts import zero_part_cause
from gradcheck.trace.fault import Cause
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.units import OWN, ZERO, Mend, in_pass

Array = NDArray[Any]

ASKED: tuple[Callable[[Compared], Cause | None], ...] = (
    operation_causes.same_code_cause,
    operation_causes.other_argument_cause,
    factor_causes.clip_cause,
    factor_causes.comparison_cause,
    axis_causes.turned_cause,
    turned_round_cause,
    axis_causes.reshaped_cause,
    index_causes.index_cause,
    order_cause,
    factor_causes.left_out_cause,
    other_passes.other_pass_cause,
    operation_causes.value_cause,
    upstream_causes.upstream_cause,
    upstream_causes.sent_back_cause,
    upstream_causes.weights_cause,
    place_causes.place_cause,
    place_causes.one_place_cause,
    index_causes.other_index_cause,
    index_causes.loss_index_cause,
    index_causes.loss_movement_cause,
    path_causes.written_cause,
    zero_part_cause,
    axis_causes.sample_cause,
    factor_causes.shares_cause,
    slope_causes.slope_cause,
    softmax_causes.softmax_cause,
    surplus_slopes.again_cause,
    surplus_slopes.habit_cause,
    path_causes.path_cause,
    penalties.penalty_cause,
    operation_causes.product_cause,
    axis_causes.axis_cause,
    upstream_causes.adjoint_cause,
    upstream_causes.summed_cause,
    upstream_causes.entropy_cause,
    other_slopes.missing_slope_cause,
    upstream_causes.loss_cause,
    term_causes.number_cause,
    term_causes.bracket_cause,
    other_slopes.other_slope_cause,
    term_causes.term_cause,
    axis_causes.size_cause,
    operation_causes.forward_cause,
    term_causes.exchanged_cause,
    other_slopes.derivative_cause,
    factor_causes.factor_left_out_cause,
    factor_causes.known_factor_cause,
    upstream_causes.upstream_number_cause,
    operation_causes.operand_cause,
    factor_causes.zeros_cause,
)
"""The causes in the order in which they are tried; the first that applies is taken."""

DONE_IN_ALL = (surplus_slopes.again_cause, surplus_slopes.habit_cause, term_causes.term_cause)
"""Causes that change a right value in all passes of a loop; they fit single numbers by chance."""

AT_ONCE: tuple[Callable[[Compared], Cause | None], ...] = (
    slope_causes.slope_cause,
    softmax_causes.softmax_cause,
)
"""Causes that need all that a loop makes to be told."""

FEWEST_PASSES, MOST_PASSES, CLOSE = 3, 60, 1e-9


def cause_of(mend: Mend, search: Followed, state: State) -> Cause | None:
    """Return the cause of the wrong value that a mend puts right, or None."""
    if mend.how == ZERO:
        updated = updated_causes.left_cause(mend, search, state)
        return updated or term_causes.left_over_cause(mend, state)
    if mend.how == OWN:
        return scale_cause(mend, search, state)
    times = None
    with np.errstate(all="ignore"):
        at_once = _at_once(mend, search, state)
        causes = (ask(at_once) for ask in AT_ONCE if at_once is not None)
        cause = next(filter(None, causes), None)
        if cause is not None:
            return cause
        wrong = _pass_alone(mend)
        alone = None if wrong is None else _cause_in_one_pass(wrong, mend, search, state)
        if alone is not None and alone.name != fault.ONE_PASS:
            return alone
        for compared in _members(mend, search, state):
            by_chance = DONE_IN_ALL if alone and compared.actual[0].size == 1 else ()
            for ask in ASKED:
                cause = None if ask in by_chance else ask(compared)
                if cause is not None:
                    return cause
            # the factor of one pass: later passes compound it
            if compared.actual[0].size > 1:
                times = times or proportion(compared.actual, compared.expected)
    if alone is not None or not times:
        return alone
    cause = scale_cause(replace(mend, factor=1 / times), search, state)
    # in one pass any factor is possible
    return cause if cause.fix or cause.name != fault.SCALE else None


def redone_cause_of(mend: Mend, search: Followed, state: State) -> Cause | None:
    """Return the cause if one operation before the wrong value is to be done otherwise, or None."""
    if mend.how in (ZERO, OWN) or mend.actual[0].size != mend.expected[0].size:
        return None
    with np.errstate(all="ignore"):
        passes = list(_members(mend, search, state))
        cause = redone_cause(passes) if passes else None
        sums = map(upstream_causes.other_sum_cause, passes)
        terms = (term_scale_cause(one, search) for one in passes)
        numbers = range(0, mend.passes, 1 + mend.passes // MOST_PASSES)
        every = [_member(number, mend, search, state) for number in numbers]
        index = loop_index_cause(every) if passes and cause is None else None
        return cause or index or next(filter(None, chain(sums, terms)), None)


def _pass_alone(mend: Mend) -> int | None:
    """Return the number of the pass of a loop that is wrong while all others are right, or None."""
    count = len(mend.unit.replaced)
    if not mend.unit.is_series or count < FEWEST_PASSES:
        return None
    pairs = zip(mend.actual, mend.expected, strict=True)
    off = np.array([[np.reshape(one, (count, -1)) for one in pair] for pair in pairs])
    apart = np.abs(off[:, 0] - off[:, 1]).max(axis=(0, 2))
    wrong = np.flatnonzero(apart > CLOSE * np.abs(off[:, 1]).max())
    return int(wrong[0]) if len(wrong) == 1 else None


def _cause_in_one_pass(wrong: int, mend: Mend, search: Followed, state: State) -> Cause:
    """Return the cause of one wrong pass of a loop."""
    passes = [_member(number, mend, search, state) for number in range(mend.passes)]
    words = f"pass {wrong + 1} of {mend.passes} alone is wrong"
    unknown = Cause(fault.ONE_PASS, words, "look at what that pass does otherwise, or should")
    return start_causes.start_cause(passes, wrong) or unknown


def _at_once(mend: Mend, search: Followed, state: State) -> Compared | None:
    """Return what all passes of a loop make, laid out as the loss has it if it has it at once.

    One sample of a batch is too little to tell one slope from another.
    """
    wanted, count = mend.candidate, mend.passes
    if wanted is None or count < 2:
        return None
    quantity = next((one for one in search.known.quantities if one.key == wanted.key), None)
    if quantity is None or any(one.size != quantity.values[0].size for one in mend.expected):
        return None
    expected = [mend.factor * one for one in quantity.values]
    for lay in _layouts(expected[0].shape, count):
        laid = [lay(one) for one in mend.expected]
        if same(laid, expected):
            first = next(_members(mend, search, state), None)
            return first and replace(first, actual=[lay(one) for one in mend.actual], expected=laid)
    return None


def _layouts(shape: tuple[int, ...], count: int) -> Iterator[Callable[[Array], Array]]:
    """Yield the ways to lay out what the passes of a loop make: along an axis, or as entries."""

    def along(values: Array, axis: int, order: int) -> Array:
        passes = np.reshape(values, (count, *shape[:axis], *shape[axis + 1 :]))
        return np.moveaxis(passes[::order], 0, axis)

    for axis in (axis for axis in range(len(shape)) if shape[axis] == count):
        yield partial(along, axis=axis, order=1)
        yield partial(along, axis=axis, order=-1)
    if len(shape) > 1 and math.prod(shape) == count:
        yield lambda values: np.reshape(values, shape)
        yield lambda values: np.reshape(values, shape[::-1]).T


def _members(mend: Mend, search: Followed, state: State) -> Iterator[Compared]:
    """Yield the wrong and the right value; in a loop, of its first, middle, last and worst pass."""
    count = mend.passes
    wanted = np.reshape(mend.expected[0], (count, -1))
    errors = np.abs(np.reshape(mend.actual[0], (count, -1)) - wanted)
    by_pass = np.max(errors, axis=1, initial=0.0) * np.any(wanted, axis=1)
    worst = int(np.argmax(by_pass))  # among those expected not to be 0, as many others are
    for number in sorted({0, count // 2, count - 1, worst}):
        compared = _member(number, mend, search, state)
        if not same(compared.actual, compared.expected):
            yield compared


def _member(number: int, mend: Mend, search: Followed, state: State) -> Compared:
    """Return the value of one pass of a loop, and the right one."""
    unit, members = mend.unit, mend.unit.replaced
    consumers = unit.nodes or [consumer for consumer, _ in unit.uses]
    shape = state.values[0][members[0]].shape
    return Compared(
        search.points,
        state,
        search.known,
        search.words,
        consumers[number],
        members[number],
        bool(unit.uses),
        mend.candidate,
        mend.factor,
        in_pass(mend.actual, number, shape),
        in_pass(mend.expected, number, shape),
        search.deadline,
    )
