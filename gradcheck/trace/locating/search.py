"""The earliest value of the gradient that, replaced by a known quantity, makes blocks right.

It is looked for in the order of execution, with these preferences: a value that is right for
something is not replaced while a later one that nothing explains can be; where the replacement is
what an earlier value already is, the operation between them is blamed; adjoints are replaced by
adjoints and slopes by slopes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradcheck.arrays import proportion
from gradcheck.trace.adjoints.quantities import ADJOINT, CONTRIBUTION, NO_OTHER, TANGENT, VALUE
from gradcheck.trace.locating.candidates import Candidate, Candidates
from gradcheck.trace.locating.constants import complexity, is_meant, is_odd
from gradcheck.trace.locating.cuts import cut_at
from gradcheck.trace.locating.preferences import already_right, carries, is_better, spoils
from gradcheck.trace.locating.replaceable import units_of
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import (
    CALL,
    EVERYWHERE,
    NODE,
    QUANTITY,
    USE,
    ZERO,
    ByPoint,
    Mend,
    Unit,
)
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import evaluate

EXACT = 1e-9

PLAIN = (-1.0, 2.0, 0.5, -2.0, -0.5)
"""Factors of a row of a matrix that say what is wrong; any other may be that of its data."""

FURTHER = 40
"""How many operations further a better place is looked for once one has been found."""


@dataclass(frozen=True)
class Outcome:
    """What one pass through the units found: the replacement, and whether the time ran out.

    And the places where one constant factor mends the same, in order.
    """

    mend: Mend | None
    scale: tuple[Mend, ...]
    late: bool


def first_mend(trials: Trials, strict: bool) -> Outcome:
    """The earliest replacement that mends, by the preferences.

    If strict, adjoints are only replaced by adjoints, and slopes by slopes.
    """
    view, candidates = trials.view, trials.candidates
    for unit in _cutting(trials):
        best = _best(unit, trials, strict)
        if best is not None:
            return Outcome(best, (), late=False)
    scale: tuple[Mend, ...] = ()
    held: Mend | None = None
    held_is: set[int] = set()
    held_spoils = False
    is_part = False
    partial: Mend | None = None
    settled = is_answer = False
    for unit in units_of(view):
        if trials.is_late:
            return Outcome(held or partial, scale, late=True)
        far = _is_far(unit, held) or (_is_far(unit, partial) and not is_answer)
        scale = _with_own(unit, trials, scale)
        if far or (settled and scale and scale[0].outputs >= trials.wrong):
            continue
        best = _best(unit, trials, strict)
        if best is None:
            continue
        is_own = _is_own(best, candidates)
        if partial is not None and not _says_more(best, partial, is_answer and not is_own):
            continue
        if scale and scale[0].outputs >= best.outputs:
            settled = True
            continue
        best_spoils = spoils(best, view)
        if held is not None and not best_spoils and _is_simpler(best, held):
            held = None
        if held is not None and (
            not best.outputs >= held.outputs
            or best_spoils
            or not (held_spoils or is_better(best, held, view, held_is, is_part))
        ):
            continue
        is_first = held is None
        held_is, is_part = already_right(best, view)
        held_spoils = best_spoils
        if held_is or is_part or held_spoils:
            held = best
        elif not is_first or (best.outputs >= trials.wrong and not (is_own and unit.is_series)):
            return Outcome(best, scale, late=False)
        else:
            # of a part of one block's own gradient, what makes it wrong may come later on the tape
            partial, is_answer = best, is_own
    mend = held or partial
    if mend is not None and scale and _comes_first(scale[0], mend):
        mend = None
    return Outcome(mend, scale, late=False)


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


def _is_own(mend: Mend, candidates: Candidates) -> bool:
    """Whether a block's own gradient is put in, or a part of it, as by what the loss adds up."""
    wanted = mend.candidate
    if wanted is None or wanted.kind != TANGENT or candidates.of_matrix:
        return wanted is not None and wanted.node in candidates.parameters
    by = (
        one.values for one in candidates.quantities if one.key == (ADJOINT, wanted.node, NO_OTHER)
    )
    return any(np.ptp(np.concatenate([*map(np.ravel, values)])) == 0 for values in by)


def _comes_first(scale: Mend, mend: Mend) -> bool:
    """Whether a constant factor is to be mended before a replacement."""
    earlier = scale.unit.position < mend.unit.position
    is_another = scale.outputs.isdisjoint(mend.outputs)
    return scale.outputs >= mend.outputs or (
        earlier and (is_another or complexity(mend.factor) > 0)
    )


def _says_more(mend: Mend, partial: Mend, is_cause: bool) -> bool:
    """Whether it mends more than another, or needs no factor where that does; or is its cause.

    Such can be what the passes of a loop hand on, where the other is what they all add up.
    """
    is_cause = is_cause and partial.unit.is_series and mend.unit.is_series
    is_cause = is_cause and mend.outputs >= partial.outputs
    return is_cause or mend.outputs > partial.outputs or _is_simpler(mend, partial)


def _is_simpler(mend: Mend, other: Mend) -> bool:
    """Whether it needs no factor where the other does, and mends what that leaves wrong.

    A size is no such factor: the division by it may come later.
    """
    return (
        mend.factor == 1
        and other.how == QUANTITY
        and is_odd(other.factor)
        and not mend.outputs < other.outputs
    )


def _is_far(unit: Unit, mend: Mend | None) -> bool:
    return mend is not None and unit.position > mend.unit.position + FURTHER


def _with_own(unit: Unit, trials: Trials, scale: tuple[Mend, ...]) -> tuple[Mend, ...]:
    """The places of a constant factor, with this one if it is another of them.

    A factor that nobody can have meant is one of an adjoint, or fits by chance.
    """
    view, candidates = trials.view, trials.candidates
    if not unit.nodes or not (candidates.of_matrix or carries(unit, view)):
        return scale
    mend = trials.own(unit)
    if mend is None or abs(mend.factor - 1) <= 1e-9:
        return scale
    if candidates.of_matrix and all(abs(mend.factor - one) > EXACT for one in PLAIN):
        return scale
    kinds = {one.kind for one in view.explained.get(unit.first, ())}
    is_one = VALUE not in kinds and bool(kinds & {ADJOINT, CONTRIBUTION})
    if not (is_one or is_meant(mend.factor, candidates.meant)):
        return scale
    if not scale or len(mend.outputs) > len(scale[0].outputs):
        return (mend,)
    is_same = abs(mend.factor - scale[0].factor) < 1e-9 * abs(mend.factor)
    return (*scale, mend) if is_same and mend.outputs == scale[0].outputs else scale


def _best(unit: Unit, trials: Trials, strict: bool) -> Mend | None:
    """The quantity that mends most outputs in the place of a unit."""
    if unit.kind == EVERYWHERE:
        return None
    view, candidates = trials.view, trials.candidates
    best = _without(unit, trials)
    used = next((one for one in unit.replaced if not view.is_nothing(one)), unit.replaced[0])
    if unit.uses and not view.may_be_replaced_in_use(used):
        return best
    is_forward = _is_of_the_loss(unit, view, candidates)
    if is_forward and any(view.state.tape[user].value.dtype == bool for user, _ in unit.uses):
        return best
    is_carrying = carries(unit, view)
    shape = view.state.values[0][unit.replaced[0]].shape
    table = (
        candidates.of_series(len(unit.replaced), shape)
        if unit.is_series
        else candidates.of_shape(shape)
    )
    actual = trials.actual(unit)
    for candidate in trials.survivors(unit, table, table.fitting(is_carrying) if strict else None):
        values = [entries[candidate.number] for entries in table.entries]
        is_ours = candidates.of_matrix and view.state.tape[unit.first].place is None
        is_other = is_ours or _is_other_mean(unit, view)
        if proportion(actual, values) is not None and not is_other:
            continue
        if is_forward and candidate.kind != VALUE:
            continue
        if _decides_nothing(unit, values, view) or _is_elsewhere(candidate, actual, values):
            continue
        mend = trials.attempt(unit, values, QUANTITY, candidate)
        in_its_place = not strict and bool(unit.nodes) and candidate.kind == ADJOINT
        if mend is None or not (in_its_place or is_meant(mend.factor, candidates.meant)):
            continue
        if candidate.kind == TANGENT and abs(abs(mend.factor) - 1) > EXACT:
            continue
        if mend.factor != 1 and values[0].size > 1 and not any(map(np.ptp, values)):
            continue  # a constant alone, whatever it is of
        if best is None or _rank(mend, candidates) > _rank(best, candidates):
            best = mend
        if trials.is_late:
            break
    return best


def _is_of_the_loss(unit: Unit, view: View, candidates: Candidates) -> bool:
    """Whether what uses a value is done by the loss at the same places, with the same results."""
    tape = view.state.tape
    return bool(unit.uses) and all(
        tape[user].place in candidates.forward
        and (tape[user].value.dtype == bool or view.is_right_forward(user))
        for user, _ in unit.uses
    )


def _decides_nothing(unit: Unit, values: ByPoint, view: View) -> bool:
    """Whether comparisons come out the same for all entries: many values would do that."""
    tape = view.state.tape
    if not unit.uses or unit.is_series or any(tape[user].is_float for user, _ in unit.uses):
        return False
    masks = [
        evaluate(
            tape[user], {**dict(enumerate(known)), operand: value.reshape(known[operand].shape)}
        )
        for user, operand in unit.uses
        for known, value in zip(view.state.values, values, strict=True)
    ]
    return not any(np.ptp(mask.astype(np.int8)) for mask in masks if mask.size)


def _is_elsewhere(candidate: Candidate, actual: ByPoint, values: ByPoint) -> bool:
    """Whether a derivative by one entry is 0 where the value is not: it is by all, each its own."""
    return candidate.kind == TANGENT and any(
        np.any((wanted == 0) & (is_now != 0)) for is_now, wanted in zip(actual, values, strict=True)
    )


def _is_other_mean(unit: Unit, view: View) -> bool:
    """Whether a value of the forward pass is a sum for a mean, or the reverse, before a bend."""
    is_reduced = view.state.tape[unit.first].operation in ("sum", "mean", "add.reduce")
    return unit.kind == NODE and is_reduced and not carries(unit, view)


def _without(unit: Unit, trials: Trials) -> Mend | None:
    """The mend by leaving terms of a sum out."""
    if unit.kind not in (USE, CALL):
        return None
    tape = trials.state.tape
    if not all(tape[consumer].operation in ("add", "subtract") for consumer, _ in unit.uses):
        return None
    return trials.attempt(unit, [np.zeros_like(one) for one in trials.actual(unit)], ZERO)


def _rank(mend: Mend, candidates: Candidates) -> tuple[int, int, bool]:
    """The outputs count, then the constant; what a function hands out says more than its steps."""
    one = mend.candidate
    is_handed = one is not None and one.kind == VALUE and one.node in candidates.handed
    return len(mend.outputs), -complexity(mend.factor), is_handed
