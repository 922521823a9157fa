"""The earliest value of the gradient that, replaced by a known quantity, makes blocks right.

Values are tried in the order of execution, with these preferences. A right value is not replaced
if a later value that nothing explains can be. If the replacement equals an earlier value, the
operation between the two is blamed. Adjoints are first replaced by adjoints, slopes by slopes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.arrays import proportion
from gradcheck.trace.adjoints.quantities import ADJOINT, CONTRIBUTION, TANGENT, VALUE
from gradcheck.trace.locating.by_chance import (
    EXACT,
    WHOLE,
    decides_nothing,
    is_elsewhere,
    is_reordered,
    is_summed_up,
    is_unseen,
)
from gradcheck.trace.locating.candidates import Candidates
from gradcheck.trace.locating.choice import Choice
from gradcheck.trace.locating.constants import complexity, is_meant
from gradcheck.trace.locating.cuts import cut_at
from gradcheck.trace.locating.made_of import where_left_out
from gradcheck.trace.locating.preferences import carries
from gradcheck.trace.locating.state import State
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import (
    CALL,
    EVERYWHERE,
    NODE,
    QUANTITY,
    SERIES,
    USE,
    ZERO,
    Mend,
    Unit,
)
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.names import SUMS

PLAIN = (-1.0, 2.0, 0.5, -2.0, -0.5)
"""Factors of a matrix row that show what is wrong; any other factor may come from the data."""


@dataclass(frozen=True)
class Outcome:
    """The result of one pass through the units: the replacement, and whether the time ran out.

    `scale` has the places where one constant factor mends the same, in order.
    """

    mend: Mend | None
    scale: tuple[Mend, ...]
    late: bool


def first_mend(trials: Trials, strict: bool, until: float = math.inf) -> Outcome:
    """Return the earliest replacement that mends blocks, by the preferences given above.

    If strict, adjoints are only replaced by adjoints, and slopes by slopes. Units from the position
    `until` on are not tried.
    """
    outcome = _in_order(trials, strict, until)
    if outcome.mend is None:
        return outcome
    mend = _begun_before(outcome.mend, trials, strict) or outcome.mend
    return replace(outcome, mend=where_left_out(mend, trials) or mend)


def _begun_before(mend: Mend, trials: Trials, strict: bool) -> Mend | None:
    """Return the mend of what each pass of a loop computes before the mended value, or None.

    It was to be tried later: it is a known quantity in the first pass, the wrong one, or the
    passes use it before they compute it anew, as the state of an adjoint equation.
    """
    if not (mend.unit.is_series and mend.how == QUANTITY):
        return None
    made = trials.state.above[_first_wrong(mend, trials.state)]
    for unit in trials.units:
        if unit.kind != SERIES or unit.position <= mend.unit.position:
            continue
        if unit.first == mend.unit.first or not made >> unit.first & 1:
            continue
        earlier = _best(unit, trials, strict)
        if earlier is None or not earlier.outputs >= mend.outputs or earlier.factor != mend.factor:
            continue
        pairs = zip(earlier.actual, earlier.expected, strict=True)
        size = trials.state.tape[unit.first].value.size
        if any(not np.allclose(one[:size], other[:size], 1e-6, 0) for one, other in pairs):
            return earlier
    return None


def _first_wrong(mend: Mend, state: State) -> int:
    """Return the first value that a mend over a loop changes."""
    if mend.actual[0].size != mend.expected[0].size:
        return mend.unit.first
    parts = (mend.unit.split(one[0], state.values[0]) for one in (mend.actual, mend.expected))
    values = zip(*parts, strict=True)
    is_wrong = [not np.allclose(actual, expected, 1e-6, 0) for actual, expected in values]
    return mend.unit.replaced[is_wrong.index(True) if any(is_wrong) else 0]


def _in_order(trials: Trials, strict: bool, until: float) -> Outcome:
    """Return the outcome of one pass through the units."""
    for unit in _cutting(trials):
        mend = _best(unit, trials, strict)
        if mend is not None:
            return Outcome(mend, (), late=False)
    choice = Choice(trials)
    for unit in trials.units:
        if trials.is_late:
            return _as_far_as_known(choice, unit, trials.wrong)
        if unit.position >= until:
            continue
        choice.scale = _with_own(unit, trials, choice.scale)
        mend = None if choice.is_made_before(unit) else _best(unit, trials, strict)
        if mend is not None and choice.is_settled_by(mend):
            return Outcome(mend, choice.scale, late=False)
    return Outcome(choice.between_mend_and_scale(), choice.scale, late=False)


def _as_far_as_known(choice: Choice, unit: Unit, wrong: frozenset[str]) -> Outcome:
    """Return what has been found when the time runs out at a unit.

    What mends a part of the outputs is dropped where what mends all may come soon.
    """
    mend, scale, is_settled = choice.mend, choice.scale, choice.is_made_before(unit)
    is_mend = mend is not None and (is_settled or mend.outputs >= wrong)
    is_scale = bool(scale) and (is_settled or scale[0].outputs >= wrong)
    return Outcome(mend if is_mend else None, scale if is_scale else (), late=True)


def _cutting(trials: Trials) -> Iterator[Unit]:
    """Yield the clips of a right gradient just before it is returned."""
    state = trials.state
    for output in (one for one in state.outputs if one.name in trials.wrong):
        cut = cut_at(state.tape, output.node)
        if cut is not None and any(
            all(output.is_right(point, state.values[point][operand]) for point in state.points)
            for operand in cut.operands
        ):
            yield Unit(NODE, cut.index, nodes=(cut.index,))


def _with_own(unit: Unit, trials: Trials, scale: tuple[Mend, ...]) -> tuple[Mend, ...]:
    """Return the places of a constant factor, with this unit if it is another of them.

    A factor that nobody can have meant counts for an adjoint only; elsewhere it fits by chance.
    """
    view, candidates = trials.view, trials.candidates
    may_be = candidates.of_matrix or carries(unit, view) or _is_added_up(unit, view)
    if not unit.nodes or not may_be:
        return scale
    mend = trials.own(unit)
    if mend is None or abs(mend.factor - 1) <= 1e-9:
        return scale
    if candidates.of_matrix and all(abs(mend.factor - one) > EXACT for one in PLAIN):
        return scale
    kinds = {one.kind for one in view.explained.get(unit.first, ())}
    is_adjoint = VALUE not in kinds and bool(kinds & {ADJOINT, CONTRIBUTION})
    if not (is_adjoint or is_meant(mend.factor, candidates.meant)):
        return scale
    if not scale or len(mend.outputs) > len(scale[0].outputs):
        return (mend,)
    is_same = abs(mend.factor - scale[0].factor) < 1e-9 * abs(mend.factor)
    return (*scale, mend) if is_same and mend.outputs == scale[0].outputs else scale


def _is_added_up(unit: Unit, view: View) -> bool:
    """True if the passes of a loop only add their values to something."""
    tape, consumers = view.state.tape, view.state.consumers
    return unit.is_series and all(
        tape[user].operation in SUMS for index in unit.nodes for user in consumers[index]
    )


def _best(unit: Unit, trials: Trials, strict: bool) -> Mend | None:
    """Return the mend that covers most outputs by a quantity in the place of a unit."""
    if unit.kind == EVERYWHERE:
        return None
    view, candidates = trials.view, trials.candidates
    best = _without(unit, trials)
    used = next((one for one in unit.replaced if not view.is_nothing(one)), unit.replaced[0])
    if unit.uses and not view.may_be_replaced_in_use(used):
        return best
    is_forward = _is_of_the_loss(unit, view, candidates)
    is_compared = any(view.state.tape[user].value.dtype == bool for user, _ in unit.uses)
    if is_forward and is_compared:
        return best
    is_carrying = carries(unit, view)
    alike = view.state.values[0][unit.replaced[0]]
    table = (
        candidates.of_series(len(unit.replaced), alike)
        if unit.is_series
        else candidates.of_shape(alike)
    )
    actual = trials.actual(unit)
    is_one_number, is_unmoved = is_summed_up(unit, view), view.is_unmoved(unit.first)
    for candidate in trials.survivors(unit, table, table.fitting(is_carrying) if strict else None):
        values = [entries[candidate.number] for entries in table.entries]
        is_ours = candidates.of_matrix and view.state.tape[unit.first].place is None
        is_other = is_ours or _is_other_mean(unit, view)
        if not (is_other or is_unmoved) and proportion(actual, values) is not None:
            continue
        if is_forward and candidate.kind != VALUE:
            continue
        if is_compared and candidate.node in candidates.masked:
            continue
        if decides_nothing(unit, values, view) or is_elsewhere(candidate, actual, values):
            continue
        mend = trials.attempt(unit, values, QUANTITY, candidate)
        in_its_place = not strict and bool(unit.nodes) and candidate.kind == ADJOINT
        if mend is None or not (in_its_place or is_meant(mend.factor, candidates.meant)):
            continue
        is_unit = abs(abs(mend.factor) - 1) <= EXACT
        if (candidate.kind == TANGENT or is_one_number) and not is_unit:
            continue  # by chance: little is decided by the one number that is compared
        is_moved = unit.is_series or bool(unit.uses)
        if mend.factor != 1 and is_moved and is_reordered(actual, values):
            continue  # sums over the passes are the same; nobody reads -x in another order for x
        if mend.factor != 1 and values[0].size > 1 and not any(map(np.ptp, values)):
            continue  # all entries are equal: almost any quantity fits
        if (best is None or _comes_before(mend, best, candidates)) and not is_unseen(mend, trials):
            best = mend
        if trials.is_late:
            break
    own = best and _unmasked(best, trials)
    return None if own and is_forward else own or best  # a value that the loss uses so is right


def _unmasked(mend: Mend, trials: Trials) -> Mend | None:
    """Return the mend by a multiple of the own values that the replacing ones are where not 0.

    A mask that the loss multiplies by, and the gradient later, leaves nothing of the others.
    """
    kept = [values != 0 for values in mend.expected]
    if mend.how != QUANTITY or mend.unit.is_series or all(map(np.all, kept)):
        return None
    replacing, replaced = (
        [values[which] for values, which in zip(one, kept, strict=True)]
        for one in (mend.expected, mend.actual)
    )
    own = None if proportion(replacing, replaced) is None else trials.own(mend.unit)
    return own if own is not None and own.outputs >= mend.outputs else None


def _is_of_the_loss(unit: Unit, view: View, candidates: Candidates) -> bool:
    """True if the loss does the operations that use a value too, with the same results."""
    tape = view.state.tape
    return bool(unit.uses) and all(
        tape[user].place in candidates.forward
        and (tape[user].value.dtype == bool or view.is_right_forward(user))
        for user, _ in unit.uses
    )


def _is_other_mean(unit: Unit, view: View) -> bool:
    """True if a forward value may be a sum in place of a mean, or the reverse."""
    is_reduced = view.state.tape[unit.first].operation in WHOLE
    return unit.kind == NODE and is_reduced and unit.first not in view.carrying


def _without(unit: Unit, trials: Trials) -> Mend | None:
    """Return the mend that leaves terms out of a sum, or multiplies them by a constant, or None."""
    if unit.kind not in (USE, CALL):
        return None
    tape = trials.state.tape
    if not all(tape[consumer].operation in SUMS for consumer, _ in unit.uses):
        return None
    nothing = trials.attempt(unit, [np.zeros_like(one) for one in trials.actual(unit)], ZERO)
    is_scalable = nothing is None and unit.kind == USE and unit.first in trials.view.carrying
    scaled = trials.own(unit) if is_scalable else None
    if scaled is None or not is_meant(scaled.factor, trials.candidates.meant):
        return nothing
    return scaled


def _comes_before(mend: Mend, other: Mend, candidates: Candidates) -> bool:
    """True if a mend ranks higher, or puts in a derivative that arrives before the other's."""
    ranks = [_rank(one, candidates) for one in (mend, other)]
    wanted = [one.candidate for one in (mend, other)]
    nodes = [one.node if one and one.kind == ADJOINT else -1 for one in wanted]
    return ranks[0] > ranks[1] or (ranks[0] == ranks[1] and -1 < nodes[1] < nodes[0])


def _rank(mend: Mend, candidates: Candidates) -> tuple[int, int, bool]:
    """Rank by the outputs, then by the simplest factor, then by values that functions return."""
    one = mend.candidate
    is_handed = one is not None and one.kind == VALUE and one.node in candidates.handed
    return len(mend.outputs), -complexity(mend.factor), is_handed
