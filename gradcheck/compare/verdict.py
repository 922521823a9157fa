"""The three-way verdict of every entry, and what it makes of a block.

The bound is the numeric gradient's own error bound plus what rounding may have done in the user's
code, so there is no tolerance to choose. An entry is wrong when the analytic derivative lies more
than twice that outside of what the numeric one allows; right when it lies within it, and it is
small against the entry's scale, the largest derivative of its block by parameters that are no
smaller; else it is not decided. A block is only right if an error of its own size would have been
seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import all_finite, slices_of
from gradcheck.compare.block import Block, Worst
from gradcheck.numeric.estimate import largest_of
from gradcheck.numeric.gradient import BlockGradient
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.user.blocks import Array
from gradcheck.words import Standing

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
    analytic: Array, numeric: BlockGradient, precision: float, rtol: float | None, overall: float
) -> EntryVerdicts:
    """Judges the analytic derivatives of the perturbed entries.

    The derivatives are flat, (n,). The largest of all blocks, `overall`, is the scale of one that
    is flat; `rtol` is accepted on top of the bound.
    """
    scale = scale_of(numeric, analytic, overall, precision)
    return _judged(analytic, numeric, precision, rtol, scale)


def _judged(
    analytic: Array, numeric: BlockGradient, precision: float, rtol: float | None, scale: float
) -> EntryVerdicts:
    """The same for entries of a block whose scale is known."""
    estimates = numeric.estimates
    accepted: Array | float = 0.0
    if rtol:
        accepted = rtol * np.fmax(np.abs(analytic), np.abs(estimates.value))
    bound = total_bound(numeric, precision)
    distance = estimates.distance(analytic)
    small = bound <= BOUND_FACTOR * max(numeric.limit, rtol or 0.0) * scale * _shares(numeric)
    in_bound = (distance <= bound / BOUND_FACTOR + accepted) & small
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
    return _largest_derivative(numeric) or largest_of(analytic)


def is_zero(numeric: BlockGradient, analytic: Array, precision: float) -> bool:
    """Whether neither the numeric nor the analytic gradient of a block can be told from 0.

    The numeric one is within its bound of 0, and the analytic one is nothing but rounding.
    """
    if not largest_of(analytic) <= max(precision, LEAST_CLAIM):
        return False
    value, bound = np.abs(numeric.estimates.value), numeric.estimates.bound
    return bool(np.all(np.isfinite(value)) and np.all(value <= BOUND_FACTOR * bound))


def _largest_derivative(numeric: BlockGradient) -> float:
    estimates = numeric.estimates
    ends = [one for one in (estimates.lower, estimates.upper) if one is not estimates.value]
    own = (float(np.nanmax(np.abs(end), initial=0.0)) for end in ends)
    return max([numeric.largest, *own])


def judge_block(block: Block, rtol: float | None, overall: float) -> Block:
    """The block with its verdict, from the gates and from its entries."""
    numeric, gradient = block.numeric, block.gradient
    count = len(numeric.entries)
    shape = None if gradient.value is None else gradient.value.shape
    parts = slices_of(count)
    bounds = [np.max(total_bound(numeric[part], block.precision)) for part in parts]
    block = replace(block, entries=count, analytic_shape=shape)
    block = replace(block, error_bound=float(np.max(bounds)) if count else None)
    if not gradient.comparable:
        return replace(block, verdict=gradient.verdict)
    if not count:
        return replace(block, verdict="not checked" if block.size else "ok")
    analytic = block.analytic
    scale = scale_of(numeric, analytic, overall, block.precision)
    zero = count == block.size and is_zero(numeric, analytic, block.precision)
    told = [_told(part, analytic, block, rtol, scale) for part in parts]
    wrong = sum(one.wrong for one in told)
    error = float(np.max([one.error for one in told]))
    seen = [one.wrong_error if wrong else one.share for one in told]
    most = told[int(np.argmax(seen))]
    worst = most.wrongest if wrong else most.worst
    resolution = None if zero or not scale else float(np.max([one.visible for one in told]) / scale)
    return replace(
        block,
        verdict=_block_verdict(gradient.verdict, told, resolution),
        wrong_entries=wrong,
        kinks=sum(one.kinks for one in told),
        max_abs_error=error,
        max_rel_error=error / scale if scale else float(error > 0),
        resolution=resolution,
        worst=Worst(
            tuple(int(i) for i in np.unravel_index(numeric.entries[worst], block.shape)),
            float(analytic[worst]),
            float(numeric.estimates.value[worst]),
        ),
    )


@dataclass(frozen=True)
class _Told:
    """What is told of some entries of a block; of a large one at once it would take memory.

    Attributes:
        wrong: how many are.
        ok: whether all are.
        kinks: how many are right at a kink.
        error: the largest.
        visible: the largest error that need not have been seen.
        share: the largest error by its bound, and `worst` the row that has it.
        wrong_error: the largest of those that are wrong, else -1, and `wrongest` its row.
    """

    wrong: int
    ok: bool
    kinks: int
    error: float
    visible: float
    share: float
    worst: int
    wrong_error: float
    wrongest: int


def _told(rows: slice, analytic: Array, block: Block, rtol: float | None, scale: float) -> _Told:
    numeric = block.numeric[rows]
    entries = _judged(analytic[rows], numeric, block.precision, rtol, scale)
    error, bound = (
        one if all_finite(one) else np.where(np.isfinite(one), one, np.inf)
        for one in (entries.error, total_bound(numeric, block.precision))
    )
    share, off = error / bound, np.where(entries.wrong, error, -1.0)
    worst, wrongest = int(np.argmax(share)), int(np.argmax(off))
    return _Told(
        wrong=int(np.count_nonzero(entries.wrong)),
        ok=bool(entries.ok.all()),
        kinks=int(np.count_nonzero(numeric.estimates.kink & entries.ok)),
        error=float(np.max(error)),
        visible=float(np.max(visible_errors(numeric, block.precision) / _shares(numeric))),
        share=float(share[worst]),
        worst=rows.start + worst,
        wrong_error=float(off[wrongest]),
        wrongest=rows.start + wrongest,
    )


def _block_verdict(gate: Standing, told: Sequence[_Told], resolution: float | None) -> Standing:
    if gate == "nonfinite":
        return "nonfinite"
    if any(one.wrong for one in told):
        return "wrong"
    blind = resolution is not None and resolution > BLIND
    return "ok" if all(one.ok for one in told) and not blind else "inconclusive"
