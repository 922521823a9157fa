"""The three-way verdict of every entry, and what it makes of a block.

The bound is twice the numeric gradient's own error bound plus what rounding may have done in the
user's code, so there is no tolerance to choose. An entry is wrong when the analytic derivative lies
further than that outside of what the numeric one allows; right when it lies nearer and the bound is
small against the largest derivative of its block; else it is not decided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.compare.block import Block, Worst
from gradcheck.numeric.blackbox import BlockGradient
from gradcheck.user.blocks import Array

BOUND_FACTOR = 2.0
"""What the estimated errors are multiplied by, since they are estimates."""


@dataclass(frozen=True)
class EntryVerdicts:
    """The verdict of every perturbed entry of a block, (n,) each.

    Attributes:
        wrong: the derivative is certainly wrong.
        ok: it is right, to a small enough error.
        error: the distance to what would be right.
    """

    wrong: NDArray[np.bool_]
    ok: NDArray[np.bool_]
    error: Array


def judge_entries(
    analytic: Array, numeric: BlockGradient, precision: float, rtol: float | None, overall: float
) -> EntryVerdicts:
    """Judges the analytic derivatives of the perturbed entries.

    Args:
        analytic: flat, for the perturbed entries only, (n,).
        numeric: the numeric gradient of the block.
        precision: the rounding error of the analytic derivatives, absolute.
        rtol: a relative error that the user accepts on top of the bound, or None.
        overall: the largest derivative of all blocks; the scale of a block that is flat.
    """
    estimates = numeric.estimates
    accepted: Array | float = 0.0
    if rtol:
        accepted = rtol * np.fmax(np.abs(analytic), np.abs(estimates.value))
    bound = total_bound(numeric, precision)
    distance = estimates.distance(analytic)
    limit = max(numeric.limit, rtol or 0.0) * scale_of(numeric, analytic, overall)
    in_bound = (distance <= bound + accepted) & (bound <= BOUND_FACTOR * limit)
    on_kink = estimates.kink & (distance <= precision + accepted)
    return EntryVerdicts(
        wrong=~np.isfinite(analytic) | (distance > bound + accepted),
        ok=in_bound | on_kink,
        error=distance,
    )


def total_bound(numeric: BlockGradient, precision: float) -> Array:
    """How far right derivatives may be apart, numeric and analytic error together, (n,)."""
    return BOUND_FACTOR * (numeric.estimates.bound + precision)


def scale_of(numeric: BlockGradient, analytic: Array, overall: float) -> float:
    """The block's largest derivative; of all blocks, where this one is flat and said to be."""
    own = float(np.nanmax(np.abs(numeric.estimates.value), initial=0.0))
    claimed = float(np.max(np.abs(analytic), initial=0.0, where=np.isfinite(analytic)))
    return own or claimed or overall


def judge_block(block: Block, rtol: float | None, overall: float) -> Block:
    """The block with its verdict, from the gates and from its entries.

    Args:
        block: with the analytic gradient and the numeric one.
        rtol: a relative error that the user accepts on top of the bound, or None.
        overall: the largest derivative of all blocks.
    """
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
    entries = judge_entries(analytic, numeric, block.precision, rtol, overall)
    scale = scale_of(numeric, analytic, overall)
    error = np.where(np.isfinite(entries.error), entries.error, np.inf)
    worst = int(np.argmax(error / np.where(np.isfinite(bound), bound, np.inf)))
    if entries.wrong.any():
        worst = int(np.argmax(np.where(entries.wrong, error, -1.0)))
    kinked = numeric.estimates.kink
    between_slopes = numeric.estimates.upper - numeric.estimates.lower
    seen = np.where(kinked & (between_slopes > 0), between_slopes, bound)
    return replace(
        block,
        verdict=_block_verdict(gradient.verdict, entries),
        wrong_entries=int(np.count_nonzero(entries.wrong)),
        kinks=int(np.count_nonzero(kinked & entries.ok)),
        max_abs_error=float(error.max()),
        max_rel_error=float(error.max() / scale) if scale else float(error.max() > 0),
        error_bound=largest_bound,
        resolution=float(np.max(seen) / scale) if scale else None,
        worst=Worst(
            tuple(int(i) for i in np.unravel_index(numeric.entries[worst], block.shape)),
            float(analytic[worst]),
            float(numeric.estimates.value[worst]),
        ),
    )


def _block_verdict(gate: str, entries: EntryVerdicts) -> str:
    if gate == "nonfinite":
        return "nonfinite"
    if entries.wrong.any():
        return "wrong"
    return "ok" if entries.ok.all() else "inconclusive"
