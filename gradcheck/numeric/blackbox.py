"""The numeric gradient of any loss: every entry up and down, and more where that cannot decide.

Two evaluations settle an entry whose claimed derivative agrees within the rounding error, at the
step of its group. The others are asked again, at other steps (`ladder`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.estimate import Array, Estimates, Indices, Pair
from gradcheck.numeric.gradient import RESOLUTION_LIMIT, BlockGradient, Claim, NumericGradient
from gradcheck.numeric.groups import SEEN, groups_of, length_of, shares_of
from gradcheck.numeric.ladder import STATED, escalate
from gradcheck.numeric.levels import Asked, Levels
from gradcheck.numeric.noise import ROUNDING, Noise, NoiseLevels
from gradcheck.numeric.steps import (
    HALF_PRECISION,
    PILOTS,
    WIDE,
    GroupStep,
    Measure,
    choose_step,
    pilots_of,
)

EntryLosses = Callable[[int, Indices, Array], Array]
"""(block, flat indices, values) -> the losses with one entry after the other set to its value."""

COARSE_RESOLUTION_LIMIT = 1e-2
"""The same for a loss in single precision, which shows no more of small derivatives."""

SINGLE_PRECISION = 1e-9
"""The relative noise from which a loss counts as computed in single precision."""

AWAY = 0.1
"""The scale of what is 0 here: what it is a tenth of its parameter away."""

BENT = 100.0
FLAT_SAMPLE = 16
AT_ONCE = 2**12
"""So many entries climb the ladder together: what they hold is a few MiB."""


def numeric_gradient(
    losses: EntryLosses,
    point: Sequence[NDArray[np.floating]],
    center: float,
    noise: Noise,
    entries: Sequence[Indices],
    claims: Sequence[Claim],
    rng: np.random.Generator,
) -> NumericGradient:
    """Central differences with error bounds for the given entries of every block.

    Args:
        losses: the losses with single entries changed.
        point: the blocks, in the types in which the loss sees them; moved entries are rounded to
            these.
        center: the loss at the point.
        noise: its precision.
        entries: the flat indices to perturb, per block.
        claims: the analytic gradients, per block.
        rng: chooses the entries that the step is tried on.
    """
    counter = _Counter(losses)
    claimed = [np.abs(claim.gradient[np.isfinite(claim.gradient)]) for claim in claims]
    reference = max((float(size.max(initial=0.0)) for size in claimed), default=0.0)
    blocks: list[BlockGradient] = []
    interrupted = False
    for block, (values, chosen, claim) in enumerate(zip(point, entries, claims, strict=True)):
        flat = values.ravel().astype(np.float64, copy=False)
        measure = _measure(counter, block, flat, values.dtype)
        limit = _limit(noise, block)
        along = _Along(measure, center, noise.levels(block), flat, claim, limit, reference, rng)
        found = None
        if len(chosen) and not interrupted:
            try:
                found = _block_gradient(along, chosen)
            except KeyboardInterrupt:
                interrupted = True
        blocks.append(found or BlockGradient.of_nothing(limit))
    return NumericGradient(tuple(blocks), counter.calls, interrupted)


def _limit(noise: Noise, block: int) -> float:
    relative = noise.relative * noise.levels(block).rough / noise.level
    return RESOLUTION_LIMIT if relative < SINGLE_PRECISION else COARSE_RESOLUTION_LIMIT


class _Counter:
    def __init__(self, losses: EntryLosses) -> None:
        self.losses = losses
        self.calls = 0

    def __call__(self, block: int, entries: Indices, moved: Array) -> Array:
        self.calls += len(entries)
        return self.losses(block, entries, moved)


def _measure(losses: EntryLosses, block: int, flat: Array, dtype: np.dtype[Any]) -> Measure:
    def stored(moved: Array) -> Array:
        return moved.astype(dtype, copy=False).astype(np.float64, copy=False)

    def measure(entries: Indices, steps: Array) -> Pair:
        start = flat[entries]
        above, below = stored(start + steps), stored(start - steps)
        up_and_down = np.column_stack([above, below]).ravel()
        found = losses(block, np.repeat(entries, 2), up_and_down)
        return Pair((above - below) / 2, found[0::2], found[1::2])

    return measure


@dataclass(frozen=True)
class _Along:
    """What is needed to differentiate along the entries of one block.

    Attributes:
        measure: evaluates the loss.
        center: the loss at the point.
        noise: its precision when the block moves.
        values: the block, flat.
        claim: its analytic gradient.
        limit: the bound that is small enough, as a share of the scale.
        reference: the largest derivative claimed of any block.
        rng: chooses the entries that the step is tried on.
    """

    measure: Measure
    center: float
    noise: NoiseLevels
    values: Array
    claim: Claim
    limit: float
    reference: float
    rng: np.random.Generator


def _block_gradient(along: _Along, entries: Indices) -> BlockGradient:
    sizes = np.abs(along.values[entries])
    groups = groups_of(sizes)
    steps = _steps_of(along, entries, sizes, groups)
    quantum = max(step.quantum for _, step in steps)
    rough = max(along.noise.rough, quantum)
    pair, truncation = _first_step(along, entries, groups, steps)
    with np.errstate(all="ignore"):
        losses = np.fmax(np.abs(pair.plus), np.abs(pair.minus))
        own = ROUNDING * np.where(np.isfinite(losses), losses, 0.0)
        rounding = np.fmax(rough, own) / pair.step
        estimates = Estimates.smooth(pair.central(), STATED * rounding + truncation)
    share = shares_of(sizes, estimates.value, rounding)
    shares = 1.0 if share is None else share
    claimed = along.claim.gradient[entries]
    agrees = np.abs(claimed - estimates.value) <= rounding + along.claim.precision * shares
    lengths = np.empty(len(entries))
    for group in groups:
        lengths[group] = length_of(sizes[group])
    on_stairs = _on_stairs(along, entries, lengths, pair, claimed)
    agrees &= ~on_stairs
    scale, largest = _largest(estimates.value[agrees]), _largest(estimates.value)
    seen = SEEN * float(np.median(rounding))
    if scale <= seen < largest:
        # what agrees is 0: no more than is claimed, since what does not agree may be far off
        scale = min(largest, _largest(claimed) or largest)
    reference = 0.0
    usual, flat = length_of(sizes), pair.is_flat(along.center)
    if largest <= seen:
        reference = along.reference
        if not on_stairs.any():
            reference = max(reference, _away(pair, along.center, rounding, usual))
        if flat.all():
            # the loss does not move at all: then it is right, to what rounding can hide
            hidden = float(estimates.bound.max()) / along.limit
            reference = max(reference, abs(along.center) / usual, hidden)
        scale = max(scale, reference)
    limit = along.limit * scale * shares
    open_ = np.flatnonzero(~(agrees & (estimates.bound <= limit)))
    if flat.all() and not np.any(claimed) and not on_stairs.any():
        open_ = open_[:0]
    asked = Asked(
        entries,
        lengths,
        claimed,
        along.claim.precision * np.broadcast_to(shares, sizes.shape),
        np.broadcast_to(limit, sizes.shape),
        estimates.bound,
        np.fmin(np.fmax(along.noise.least, own), rough),
        np.fmax(max(along.noise.fine, quantum), own),
        np.fmax(rough, own),
    )
    for first in range(0, len(open_), AT_ONCE):
        rows = open_[first : first + AT_ONCE]
        levels = Levels(along.measure, along.center, entries[rows], pair[rows])
        estimates = estimates.put(rows, escalate(levels, asked[rows], along.limit))
    if len(open_):
        share = shares_of(sizes, estimates.value, estimates.bound)
    return BlockGradient(
        entries, estimates, steps[0][1].step, along.limit, reference, share, quantum
    )


def _steps_of(
    along: _Along, entries: Indices, sizes: Array, groups: Sequence[Indices]
) -> list[tuple[Indices, GroupStep]]:
    """The step of every group, and the rows that it was tried on.

    That of the largest parameters is where the others begin.
    """
    found: list[tuple[Indices, GroupStep]] = []
    noise, usual = along.noise.rough, 0.0
    claimed = along.claim.gradient[entries]
    for group in groups:
        rows = pilots_of(group, claimed, PILOTS // 2 if found else PILOTS, along.rng)
        step = choose_step(
            along.measure,
            entries[rows],
            claimed[rows],
            along.center,
            noise,
            length_of(sizes[group]),
            usual,
        )
        noise, usual = max(noise, step.quantum), usual or step.step
        found.append((rows, step))
    return found


def _first_step(
    along: _Along,
    entries: Indices,
    groups: Sequence[Indices],
    steps: Sequence[tuple[Indices, GroupStep]],
) -> tuple[Pair, Array]:
    """The losses on both sides of all entries, and the truncation; those of pilots are known."""
    pair = Pair(*(np.empty(len(entries)) for _ in range(3)))
    truncation, step = np.empty(len(entries)), np.empty(len(entries))
    known = [(rows, chosen.pair) for rows, chosen in steps]
    rest = np.ones(len(entries), dtype=bool)
    for group, (rows, chosen) in zip(groups, steps, strict=True):
        step[group], truncation[group] = chosen.step, chosen.truncation
        rest[rows] = False
    others = np.flatnonzero(rest)
    if len(others):
        known.append((others, along.measure(entries[others], step[others])))
    for rows, one in known:
        pair.step[rows], pair.plus[rows], pair.minus[rows] = one.step, one.plus, one.minus
    return pair, truncation


def _away(pair: Pair, center: float, rounding: Array, length: float) -> float:
    """The largest derivative a tenth of the parameters' size away, by the second differences."""
    with np.errstate(all="ignore"):
        curved = np.abs(pair.gap(center))
        seen = np.isfinite(curved) & (curved > BENT * rounding)
        return float(np.max(curved / pair.step * AWAY * length, initial=0.0, where=seen))


def _on_stairs(
    along: _Along, entries: Indices, lengths: Array, pair: Pair, claimed: Array
) -> NDArray[np.bool_]:
    """Where 0 is claimed, and the loss is flat on what may be the plateau of a staircase, (n,).

    Some of the entries tell: they are moved further than a float16 is rounded.
    """
    flat = pair.is_flat(along.center) & (claimed == 0) & (pair.step < HALF_PRECISION * lengths)
    rows = along.rng.permutation(np.flatnonzero(flat))[:FLAT_SAMPLE]
    if not len(rows):
        return np.asarray(flat)
    further = along.measure(entries[rows], WIDE * lengths[rows])
    return np.asarray(flat & bool(further.moves_both_ways(along.center).any()))


def _largest(values: Array) -> float:
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))
