"""The numeric gradient of any loss: every entry up and down, and more where that cannot decide.

Two evaluations settle an entry whose claimed derivative agrees within the rounding error. The
others get a second step, and what still cannot be told goes to `refine`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.estimate import (
    Array,
    Estimates,
    Mask,
    Pair,
    bends,
    from_two_steps,
    rounding_error,
    truncation_error,
)
from gradcheck.numeric.noise import Noise
from gradcheck.numeric.refine import Measure, refine

Indices = NDArray[np.intp]

EntryLosses = Callable[[int, Indices, Array], Array]
"""(block, flat indices, values) -> the losses with one entry after the other set to its value."""

RESOLUTION_LIMIT = 1e-3
"""An entry is only called right when its bound is below this share of its block's scale."""

COARSE_RESOLUTION_LIMIT = 1e-2
"""The same for a loss in single precision, which shows no more of small derivatives."""

SINGLE_PRECISION = 1e-9
"""The relative noise from which a loss counts as computed in single precision."""

GOOD_RESOLUTION = 1e-8
LARGEST_STEP = 1e-2
PILOT_ENTRIES = 6


@dataclass(frozen=True)
class BlockGradient:
    """The numeric gradient of one block.

    Attributes:
        entries: the flat indices that were perturbed, (n,).
        estimates: one per entry.
        step: the step that the block was measured with.
        limit: an entry is only called right when its bound is below this share of the scale.
    """

    entries: Indices
    estimates: Estimates
    step: float
    limit: float = RESOLUTION_LIMIT

    @classmethod
    def of_nothing(cls, limit: float = RESOLUTION_LIMIT) -> BlockGradient:
        """Of a block of which no entry was perturbed."""
        nothing = Estimates.smooth(np.empty(0), np.empty(0))
        return cls(np.empty(0, dtype=np.intp), nothing, np.nan, limit)

    @property
    def largest(self) -> float:
        """The largest derivative."""
        return float(np.nanmax(np.abs(self.estimates.value), initial=0.0))

    def __getitem__(self, rows: Indices) -> BlockGradient:
        return replace(self, entries=self.entries[rows], estimates=self.estimates[rows])


@dataclass(frozen=True)
class NumericGradient:
    """The numeric gradient of all blocks.

    Attributes:
        blocks: one per block, in order.
        evaluations: how many times the loss was evaluated.
        interrupted: whether the user stopped it; the blocks that were not done have no entries.
    """

    blocks: tuple[BlockGradient, ...]
    evaluations: int
    interrupted: bool = False


@dataclass(frozen=True)
class Claim:
    """What a block's gradient is claimed to be: it only decides when to stop measuring.

    Attributes:
        gradient: the analytic gradient, flat; nan where there is none.
        precision: how far rounding in the user's code may have moved it.
    """

    gradient: Array
    precision: float


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
    limit = RESOLUTION_LIMIT if noise.relative < SINGLE_PRECISION else COARSE_RESOLUTION_LIMIT
    blocks: list[BlockGradient] = []
    interrupted = False
    for block, (values, chosen, claim) in enumerate(zip(point, entries, claims, strict=True)):
        wanted = chosen[:0] if interrupted else chosen
        measure = _measure(counter, block, values)
        try:
            found = _block_gradient(measure, center, noise.level, wanted, claim, limit, rng)
        except KeyboardInterrupt:
            interrupted = True
            found = _block_gradient(measure, center, noise.level, chosen[:0], claim, limit, rng)
        blocks.append(found)
    return NumericGradient(tuple(blocks), counter.calls, interrupted)


class _Counter:
    def __init__(self, losses: EntryLosses) -> None:
        self.losses = losses
        self.calls = 0

    def __call__(self, block: int, entries: Indices, moved: Array) -> Array:
        self.calls += len(entries)
        return self.losses(block, entries, moved)


def _measure(losses: EntryLosses, block: int, values: NDArray[np.floating]) -> Measure:
    flat = values.ravel().astype(np.float64, copy=False)

    def stored(moved: Array) -> Array:
        return moved.astype(values.dtype, copy=False).astype(np.float64, copy=False)

    def measure(entries: Indices, steps: Array) -> Pair:
        start = flat[entries]
        above, below = stored(start + steps), stored(start - steps)
        up_and_down = np.column_stack([above, below]).ravel()
        found = losses(block, np.repeat(entries, 2), up_and_down)
        return Pair((above - below) / 2, found[0::2], found[1::2])

    return measure


def _block_gradient(
    measure: Measure,
    center: float,
    noise: float,
    entries: Indices,
    claim: Claim,
    limit: float,
    rng: np.random.Generator,
) -> BlockGradient:
    if not len(entries):
        return BlockGradient.of_nothing(limit)
    step, truncation = _choose_step(measure, center, noise, _pilot(entries, claim, rng))
    inner = measure(entries, np.full(len(entries), step))
    rounding = rounding_error(inner, noise)
    estimates = Estimates.smooth(inner.central(), rounding + truncation)
    claimed = claim.gradient[entries]
    scale = _scale(estimates)
    agrees = np.abs(claimed - estimates.value) <= rounding + claim.precision
    open_ = np.flatnonzero(~(agrees & (estimates.bound <= limit * scale)))
    if _is_flat(inner, center) and not np.any(claimed):
        open_ = open_[:0]
    if len(open_):
        outer = measure(entries[open_], np.full(len(open_), 2 * step))
        estimates = estimates.put(open_, from_two_steps(inner[open_], outer, center, noise))
        straight = ~bends(inner[open_], outer, center, noise)
        clear = _is_clear(estimates[open_], inner[open_], center, claimed[open_], limit * scale)
        unclear = open_[~(clear & straight)]
        refined = refine(
            measure,
            center,
            noise,
            entries[unclear],
            claimed[unclear],
            claim.precision,
            step,
            limit * scale,
        )
        estimates = estimates.put(unclear, refined)
    return BlockGradient(entries, estimates, step, limit)


def _is_clear(
    estimates: Estimates, inner: Pair, center: float, claimed: Array, limit: float
) -> Mask:
    """Where no kink in the step could change the verdict, and the bound is small enough, (n,)."""
    distance = np.abs(claimed - estimates.value)
    half_gap = np.abs(inner.gap(center)) / 2
    far = distance > 4 * (half_gap + estimates.bound)
    near = distance <= estimates.bound
    known = estimates.bound <= limit
    return np.asarray(far | ((near | np.isnan(claimed)) & known))


def _scale(estimates: Estimates) -> float:
    return float(np.nanmax(np.abs(estimates.value), initial=0.0))


def _is_flat(pair: Pair, center: float) -> bool:
    return bool(np.all(pair.plus == center) and np.all(pair.minus == center))


def _pilot(entries: Indices, claim: Claim, rng: np.random.Generator) -> Indices:
    """A few entries to try the step on: those claimed largest, and some at random."""
    if len(entries) <= PILOT_ENTRIES:
        return entries
    size = np.nan_to_num(np.abs(claim.gradient[entries]))
    largest = np.argpartition(size, -(PILOT_ENTRIES // 2))[-(PILOT_ENTRIES // 2) :]
    others = rng.choice(len(entries), PILOT_ENTRIES // 2, replace=False)
    return entries[np.union1d(largest, others)]


def _choose_step(
    measure: Measure, center: float, noise: float, entries: Indices
) -> tuple[float, float]:
    """The step at which rounding and truncation balance on a few entries, and the truncation there.

    The step of least error for D(h) is h (R / 2T)^(1/3) with R and T the two errors measured at h
    (the rule of FiniteDifferences.jl). Where the truncation does not rise above the rounding, the
    step grows until the rounding is small enough or the largest step is reached.
    """
    step = float(np.cbrt(noise / max(abs(center), noise)))
    tried: list[tuple[float, float, float]] = []
    for _ in range(6):
        inner = measure(entries, np.full(len(entries), step))
        outer = measure(entries, np.full(len(entries), 2 * step))
        rounding = float(np.median(rounding_error(inner, noise)))
        truncation = _typical_truncation(inner, outer, center, noise)
        tried.append((rounding + truncation, step, truncation))
        scale = float(np.nanmax(np.abs(inner.central()), initial=0.0))
        if truncation > 4 * rounding or not np.isfinite(truncation):
            ratio = rounding / (2 * truncation) if np.isfinite(truncation) else 0.0
            step *= float(np.clip(np.cbrt(ratio), 1e-2, 1.0))
        elif rounding <= GOOD_RESOLUTION * scale or step >= LARGEST_STEP:
            break
        else:
            step = min(10 * step, LARGEST_STEP)
        if any(abs(np.log(step / other)) < np.log(2) for _, other, _ in tried):
            break
    total, step, truncation = min(tried)
    return (step, truncation) if np.isfinite(total) else (tried[0][1], np.inf)


def _typical_truncation(inner: Pair, outer: Pair, center: float, noise: float) -> float:
    """The largest truncation error of the entries, those beside a kink left out."""
    truncation = truncation_error(inner, outer)
    smooth = np.isfinite(truncation) & ~bends(inner, outer, center, noise)
    return float(np.max(truncation[smooth], initial=0.0)) if smooth.any() else np.inf
