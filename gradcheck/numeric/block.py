"""The derivatives along the entries of one block: the first step settles most, a ladder the rest.

Two evaluations settle an entry if the claim agrees within the rounding error and the resulting
bound is small against the entry's scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.estimate import Array, Estimates, Indices, Mask, largest_of, median_of
from gradcheck.numeric.first import STATED, Along, FirstStep, first_step
from gradcheck.numeric.gradient import BlockGradient
from gradcheck.numeric.groups import SEEN, are_special, length_of, shares_of
from gradcheck.numeric.ladder import BOUND_FACTOR, LARGEST_STEP, escalate
from gradcheck.numeric.levels import FIRST, Asked, Levels
from gradcheck.numeric.staircases import WIDE, on_step
from gradcheck.numeric.steps import HALF_PRECISION

AWAY = 0.1
"""If a derivative is 0, its scale is its size this share of the parameter's size away."""

BENT = 100.0
TELLING = 3
"""If this many changing entries agree at small steps, no changing entry is rounded coarsely."""

SPECIAL = 4
SHOWN = 10.0
SHORTEST = 1e-9

FEW_WRONG, EVALUATIONS_IF_WRONG = 16, 6
"""Of a block, so many wrong entries are always measured; each takes about so many evaluations."""

FLAT_SAMPLE = 16
AT_ONCE = 2**12
"""How many entries climb the ladder together; their losses take a few MiB."""


def differentiate(along: Along, entries: Indices) -> BlockGradient:
    """The numeric gradient of the given entries of a block, at least one.

    If these take more evaluations than they may, a sample stands for those that disagree.
    """
    first = first_step(along, entries)
    estimates, claimed = first.estimates, along.claim.gradient[entries]
    outside = _largest_outside(along, entries, first)
    lines = None if along.lines is None else along.lines[entries]
    share = _shares(first.sizes, estimates, first.rounding, outside, lines)
    shares = np.ones(len(entries)) if share is None else share
    precision = along.claim.precision * shares
    near = first.rounding + precision
    if lines is not None:  # among the entries of many functions, some have the largest truncation
        near += first.truncation / 3
    agrees = np.abs(claimed - estimates.value) <= near
    moving = ~first.pair.is_flat(along.center) & (claimed != 0)
    exact = not first.quantum and bool(np.count_nonzero(agrees & moving) >= TELLING)
    on_stairs, jump = _stairs(along, entries, first, claimed, exact)
    agrees &= ~on_stairs
    scale, reference = _scale(along, first, agrees, claimed, bool(on_stairs.any()))
    limit = along.limit * max(scale, outside.derivative) * shares
    open_ = np.flatnonzero(~(agrees & (estimates.bound <= limit)))
    if not np.any(claimed) and first.pair.is_flat(along.center).all() and not on_stairs.any():
        open_ = open_[:0]
    claimed_flat = open_[claimed[open_] == 0]
    if len(claimed_flat):
        still = _unmoved(along, entries, first, claimed_flat, limit)
        estimates, open_ = estimates.put(*still), np.setdiff1d(open_, still[0])
    left_out = _too_many(open_[~agrees[open_]], len(entries) * along.claim.each, along.rng)
    open_ = np.setdiff1d(open_, left_out) if len(left_out) else open_
    asked = _asked(along, first, claimed, precision, limit)
    coarse = False
    for begin in range(0, len(open_), AT_ONCE):
        rows = open_[begin : begin + AT_ONCE]
        levels = _levels(along, entries, first, rows, exact)
        estimates = estimates.put(rows, escalate(levels, asked[rows], along.limit))
        coarse |= levels.coarse
    unsettled = np.append(open_, left_out)
    estimates = _at_special(along, entries, first, unsettled, limit, estimates)
    if len(open_):
        share = _shares(first.sizes, estimates, estimates.bound, outside, lines)
        if np.all(np.abs(estimates.value) <= estimates.bound):  # the loss changed by jumps only
            reference = max(reference, abs(along.center) / length_of(first.sizes))
    gradient = BlockGradient(
        entries,
        estimates,
        first.step,
        along.limit,
        reference,
        share,
        outside.derivative,
        first.quantum or jump,
        coarse,
    )
    return gradient[np.delete(np.arange(len(entries)), left_out)] if len(left_out) else gradient


def _unmoved(
    along: Along, entries: Indices, first: FirstStep, rows: Indices, limit: Array
) -> tuple[Indices, Estimates]:
    """The rows whose loss stays the same to the last bit at a step that would show a derivative.

    Of a parameter much smaller than others, the step of its own size, and all on the ladder from
    there, may show less than the derivatives by those others are.
    """
    rows = rows[first.pair.is_flat(along.center)[rows]]
    with np.errstate(divide="ignore"):
        wide = BOUND_FACTOR * STATED * first.rough[rows] / limit[rows]
    least = np.fmax(first.pair.step, HALF_PRECISION * first.lengths)[rows]
    fits = (least < wide) & (wide <= LARGEST_STEP * np.fmax(first.lengths[rows], 1.0))
    rows, wide = rows[fits], wide[fits]
    if len(rows):
        still = along.measure(entries[rows], wide).is_flat(along.center)
        rows, wide = rows[still], wide[still]
    return rows, Estimates.smooth(np.zeros(len(rows)), STATED * first.rough[rows] / wide)


def _asked(along: Along, first: FirstStep, claimed: Array, precision: Array, limit: Array) -> Asked:
    return Asked(
        claimed,
        precision,
        limit,
        first.estimates.bound,
        np.fmin(np.fmax(max(along.noise.least, first.quantum), first.own), first.rough),
        np.fmax(max(along.noise.fine, first.quantum), first.own),
        first.rough,
    )


def _too_many(rows: Indices, allowed: float, rng: np.random.Generator) -> Indices:
    """A random part of the rows that disagree: those for which no evaluations are left."""
    most = max(FEW_WRONG, allowed / EVALUATIONS_IF_WRONG)
    return rows[:0] if len(rows) <= most else np.sort(rng.permutation(rows)[int(most) :])


@dataclass(frozen=True)
class _Outside:
    """The sizes of a parameter that is not among the entries, and of its derivative; 0 for none."""

    size: float = 0.0
    derivative: float = 0.0


def _largest_outside(along: Along, entries: Indices, first: FirstStep) -> _Outside:
    """The largest claimed derivative if it is not among the entries and is roughly confirmed."""
    gradient, largest = along.claim.gradient, along.claim.largest
    if largest is None or len(entries) == len(gradient):
        return _Outside()
    claimed = abs(float(gradient[largest]))
    if not claimed > np.abs(gradient[entries]).max():
        return _Outside()
    size = abs(float(along.values[largest]))
    step = first.step * min(1.0, size / length_of(first.sizes) if size else 1.0)
    pair = along.measure(np.array([largest]), np.array([step]))
    slope = abs(float(pair.central()[0]))
    confirmed = abs(slope - claimed) <= claimed / 2
    return _Outside(size, slope) if confirmed else _Outside()


def _shares(
    sizes: Array,
    estimates: Estimates,
    error: Array,
    outside: _Outside,
    lines: Indices | None = None,
) -> Array | None:
    """The scale of every entry relative to that of the block; None if all are the same."""
    if not outside.derivative:
        return shares_of(sizes, estimates.value, error, lines)
    share = shares_of(
        np.append(sizes, outside.size),
        np.append(estimates.value, outside.derivative),
        np.append(error, 0.0),
    )
    return None if share is None else share[:-1]


def _scale(
    along: Along, first: FirstStep, agrees: Mask, claimed: Array, stairs: bool
) -> tuple[float, float]:
    """The largest derivative of the entries, and a reference if they cannot be told from 0."""
    value = first.estimates.value
    scale, largest = largest_of(value[agrees]), largest_of(value)
    seen = SEEN * median_of(first.rounding)
    if largest > seen:
        # if all that agree are 0, at most the largest claim: other values may be far off
        return scale if scale > seen else min(largest, largest_of(claimed) or largest), 0.0
    usual, reference = length_of(first.sizes), along.reference
    if not stairs:
        reference = max(reference, _away(first, along.center, usual))
    if first.pair.is_flat(along.center).all():
        # a constant loss has the derivative 0, up to what rounding can hide
        hidden = float(first.estimates.bound.max()) / along.limit
        reference = max(reference, abs(along.center) / usual, hidden)
    return max(scale, reference), reference


def _away(first: FirstStep, center: float, length: float) -> float:
    """The largest derivative at a tenth of the parameters' size away, by second differences."""
    with np.errstate(all="ignore"):
        curved = np.abs(first.pair.gap(center))
        seen = np.isfinite(curved) & (curved > BENT * first.rounding)
        return float(np.max(curved / first.pair.step * AWAY * length, initial=0.0, where=seen))


def _stairs(
    along: Along, entries: Indices, first: FirstStep, claimed: Array, exact: bool
) -> tuple[Mask, float]:
    """Where 0 is claimed on what may be a staircase, (n,), and the height of its steps.

    A sample of these entries decides for all.
    """
    flat = first.pair.is_flat(along.center) & (claimed == 0)
    flat = np.asarray(flat & (first.pair.step < _plateaus(first, exact)))
    rows = along.rng.permutation(np.flatnonzero(flat))[:FLAT_SAMPLE]
    none = np.zeros_like(flat), 0.0
    if not len(rows):
        return none
    levels = _levels(along, entries, first, rows, exact)
    every = np.arange(len(rows))
    stepped = every[on_step(levels, every, np.full(len(rows), FIRST))]
    if not len(stepped):
        return none
    wide = levels.ask(stepped, levels.at_least(stepped, WIDE * levels.sizes[stepped]))
    return flat, float(np.median(wide.largest_move(along.center)))


def _at_special(
    along: Along,
    entries: Indices,
    first: FirstStep,
    unsettled: Indices,
    limit: Array,
    estimates: Estimates,
) -> Estimates:
    """The estimates, corrected by a small step for some parameters with special values.

    A loss may treat such a value as special (a pruned weight), which a larger step does not show.
    """
    special = np.flatnonzero(are_special(first.sizes))
    special = np.setdiff1d(special, unsettled) if len(special) else special
    if not len(special):
        return estimates
    rows = np.sort(along.rng.permutation(special)[:SPECIAL])
    smallest = np.fmax(SHOWN * first.rough[rows] / limit[rows], SHORTEST * first.lengths[rows])
    shorter = smallest < first.pair.step[rows]
    rows, smallest = rows[shorter], smallest[shorter]
    pair = along.measure(entries[rows], smallest)
    slope = pair.central()
    bound = STATED * first.rough[rows] / pair.step + np.abs(pair.gap(along.center)) / 2
    apart = np.abs(slope - estimates.value[rows]) > BOUND_FACTOR * (bound + estimates.bound[rows])
    return estimates.put(rows[apart], Estimates.smooth(slope[apart], bound[apart]))


def _levels(along: Along, entries: Indices, first: FirstStep, rows: Indices, exact: bool) -> Levels:
    sizes, pair = first.lengths[rows], first.pair[rows]
    plateaus = _plateaus(first, exact)[rows]
    levels = Levels(along.measure, along.center, entries[rows], sizes, plateaus, pair, exact)
    levels.few = 1 if along.claim.spared else levels.few
    return levels


def _plateaus(first: FirstStep, exact: bool) -> Array:
    """The widest steps at which rounding may keep the loss constant, (n,).

    If other entries are not rounded coarsely (`exact`), it depends on the parameter's own size.
    """
    return np.asarray(HALF_PRECISION * (first.sizes if exact else first.lengths))
