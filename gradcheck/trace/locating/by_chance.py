"""Replacements that fit by chance: those of which the gradients tell little."""

from __future__ import annotations

import numpy as np

from gradcheck.trace.adjoints.quantities import TANGENT
from gradcheck.trace.locating.candidates import Candidate
from gradcheck.trace.locating.trial import Trials
from gradcheck.trace.locating.units import ZERO, ByPoint, Mend, Unit
from gradcheck.trace.locating.view import View
from gradcheck.trace.record.graph import evaluate

EXACT = 1e-9

WHOLE = ("sum", "mean", "add.reduce")
"""Operations that make one value of many."""


def decides_nothing(unit: Unit, values: ByPoint, view: View) -> bool:
    """True if comparisons have one result for all entries, as they would for many values."""
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


def is_elsewhere(candidate: Candidate, actual: ByPoint, values: ByPoint) -> bool:
    """True if a derivative by one entry is 0 where the value, a derivative by several, is not."""
    return candidate.kind == TANGENT and any(
        np.any((wanted == 0) & (is_now != 0)) for is_now, wanted in zip(actual, values, strict=True)
    )


def is_summed_up(unit: Unit, view: View) -> bool:
    """True if the only uses of a value are sums of all its entries."""
    users = [view.state.tape[user] for user, _ in unit.uses]
    return bool(users) and all(one.operation in WHOLE and one.value.size == 1 for one in users)


def is_reordered(actual: ByPoint, values: ByPoint) -> bool:
    """True if values are the present ones in another order."""
    return all(
        one.size == other.size and np.allclose(np.sort(one), np.sort(other), EXACT, 0)
        for one, other in zip(actual, values, strict=True)
    )


def is_unseen(mend: Mend, trials: Trials) -> bool:
    """True if zeros in the place of a value mend as much: whatever is too small to be seen fits."""
    zeros = [np.zeros_like(one) for one in mend.actual]
    nothing = trials.attempt(mend.unit, zeros, ZERO)
    return nothing is not None and nothing.outputs >= mend.outputs
