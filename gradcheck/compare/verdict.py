"""The three-way verdict of every entry, and what it makes of a block.

The bound is the numeric gradient's own error bound plus what rounding may have done in the user's
code, so there is no tolerance to choose. An entry is wrong when the analytic derivative lies more
than twice that outside of what the numeric one allows; right when it lies within it, and it is
small against the entry's scale, the largest derivative of its block by parameters that are no
smaller; else it is not decided. A block is only right if an error of its own size would have been
seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import all_finite
from gradcheck.compare.block import Block, Worst
from gradcheck.numeric.gradient import BlockGradient
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.user.blocks import Array
from gradcheck.words import Standing

__all__ = ["BOUND_FACTOR", "judge_block", "judge_entries", "scale_of"]

BLIND = 1.0
"""From this resolution on no error of the block's own size would have been seen."""

LEAST_CLAIM = 1e-300
"""No rounding is smaller."""


@dataclass(frozen=True)
class EntryVerdicts:
    """The verdict of every perturbed entry of a block, (n,) each."""

    wrong: NDArray[np.bool_]
    ok: NDArray[np.bool_]
    error: Array


def judge_entries(
    analytic: Array,
    numeric: BlockGradient,
    precision: float,
    rtol: float | None,
    overall: float,
    bound: Array | None = None,
) -> EntryVerdicts:
    """Judges the analytic derivatives of the perturbed entries.

    Args:
        analytic: flat, for the perturbed entries only, (n,).
        numeric: the numeric gradient of the block.
        precision: the rounding error of the analytic derivatives, absolute.
        rtol: a relative error that the user accepts on top of the bound, or None.
        overall: the largest derivative of all blocks; the scale of a block that is flat.
        bound: `total_bound`, where it is known.
    """
    estimates = numeric.estimates
    accepted: Array | float = 0.0
    if rtol:
        accepted = rtol * np.fmax(np.abs(analytic), np.abs(estimates.value))
    bound = total_bound(numeric, precision) if bound is None else bound
    distance = estimates.distance(analytic)
    scale = scale_of(numeric, analytic, overall, precision) * _shares(numeric)
    within = bound / BOUND_FACTOR
    within += accepted
    in_bound = distance <= within
    del within  # it may be large
    in_bound &= bound <= BOUND_FACTOR * max(numeric.limit, rtol or 0.0) * scale
    on_kink = estimates.kink & (distance <= precision * _shares(numeric) + accepted)
    return EntryVerdicts(
        wrong=~np.isfinite(analytic) | (distance > bound + accepted),
        ok=in_bound | on_kink,
        error=distance,
    )


def total_bound(numeric: BlockGradient, precision: float) -> Array:
    """How far right derivatives may be apart, numeric and analytic error together, (n,)."""
    bound = numeric.estimates.bound + precision * _shares(numeric)
    bound *= BOUND_FACTOR
    return np.asarray(bound)


def _shares(numeric: BlockGradient) -> Array | float:
    """The scale of every entry by that of the block; one number where it is the same for all."""
    return 1.0 if numeric.share is None else numeric.share


def visible_errors(numeric: BlockGradient, precision: float) -> Array:
    """The error of every entry that would have been called wrong, (n,).

    The numeric derivative may be off by its own bound, to the side of the error; at a kink all that
    lies between the slopes is right.
    """
    estimates = numeric.estimates
    visible = total_bound(numeric, precision)
    visible += estimates.bound
    if estimates.upper is not estimates.lower:
        visible += estimates.upper - estimates.lower
    return visible


def scale_of(
    numeric: BlockGradient, analytic: Array, overall: float, precision: float = 0.0
) -> float:
    """What the bounds of a block are small against: its largest derivative.

    Of a block that cannot be told from 0, it is what the derivative is nearby, or the largest of
    all blocks.
    """
    if is_zero(numeric, analytic, precision):
        return max(numeric.reference, overall)
    return _largest_derivative(numeric) or _largest(analytic)


def is_zero(numeric: BlockGradient, analytic: Array, precision: float) -> bool:
    """Whether neither the numeric nor the analytic gradient of a block can be told from 0.

    The numeric one is within its bound of 0, and the analytic one is nothing but rounding.
    """
    if not _largest(analytic) <= max(precision, LEAST_CLAIM):
        return False
    value, bound = np.abs(numeric.estimates.value), numeric.estimates.bound
    return bool(np.all(np.isfinite(value)) and np.all(value <= BOUND_FACTOR * bound))


def _largest_derivative(numeric: BlockGradient) -> float:
    estimates = numeric.estimates
    ends = [one for one in (estimates.lower, estimates.upper) if one is not estimates.value]
    own = (float(np.nanmax(np.abs(end), initial=0.0)) for end in ends)
    return max([numeric.largest, *own])


def _largest(values: Array) -> float:
    largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
    if np.isfinite(largest):
        return largest
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


def judge_block(block: Block, rtol: float | None, overall: float) -> Block:
    """The block with its verdict, from the gates and from its entries."""
    numeric, gradient = block.numeric, block.gradient
    count = len(numeric.entries)
    shape = None if gradient.value is None else gradient.value.shape
    block = replace(block, entries=count, analytic_shape=shape)
    bound = total_bound(numeric, block.precision)
    largest_bound = float(np.max(bound)) if count else None
    if not gradient.comparable:
        return replace(block, verdict=gradient.verdict, error_bound=largest_bound)
    if not count:
        return replace(block, verdict="not checked" if block.size else "ok")
    analytic = block.analytic
    entries = judge_entries(analytic, numeric, block.precision, rtol, overall, bound)
    scale = scale_of(numeric, analytic, overall, block.precision)
    zero = count == block.size and is_zero(numeric, analytic, block.precision)
    error = entries.error
    if not all_finite(error):
        error = np.where(np.isfinite(error), error, np.inf)
    share = error / (bound if all_finite(bound) else np.where(np.isfinite(bound), bound, np.inf))
    worst = int(np.argmax(share))
    del share, bound  # they may be large
    if entries.wrong.any():
        worst = int(np.argmax(np.where(entries.wrong, error, -1.0)))
    visible = visible_errors(numeric, block.precision)
    visible /= _shares(numeric)
    resolution = None if zero or not scale else float(np.max(visible) / scale)
    return replace(
        block,
        verdict=_block_verdict(gradient.verdict, entries, resolution),
        wrong_entries=int(np.count_nonzero(entries.wrong)),
        kinks=int(np.count_nonzero(numeric.estimates.kink & entries.ok)),
        max_abs_error=float(error.max()),
        max_rel_error=float(error.max() / scale) if scale else float(error.max() > 0),
        error_bound=largest_bound,
        resolution=resolution,
        worst=Worst(
            tuple(int(i) for i in np.unravel_index(numeric.entries[worst], block.shape)),
            float(analytic[worst]),
            float(numeric.estimates.value[worst]),
        ),
    )


def _block_verdict(gate: Standing, entries: EntryVerdicts, resolution: float | None) -> Standing:
    if gate == "nonfinite":
        return "nonfinite"
    if entries.wrong.any():
        return "wrong"
    blind = resolution is not None and resolution > BLIND
    return "ok" if entries.ok.all() and not blind else "inconclusive"
