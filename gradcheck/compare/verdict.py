"""The three-way verdict of every entry, and the verdict of a block that follows from it.

The bound is the error bound of the numeric gradient plus the rounding error of the user's code, so
there is no tolerance to choose. An entry is wrong if the analytic derivative lies further than
twice the bound outside the range of the numeric one. It is right if it lies within the bound, and
the bound is small against the entry's scale: the largest derivative in its block by parameters of
at least its size. Else it is undecided. A block is right only if errors of its size would show.
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
"""With a larger resolution, an error of the block's own size would not have been seen."""

LEAST_CLAIM = 1e-300
"""The smallest rounding error considered."""


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

    The derivatives have shape (n,). `overall`, the largest derivative of all blocks, is the scale
    of a block with derivatives of 0. The relative error `rtol` is accepted on top of the bound.
    """
    scale = scale_of(numeric, analytic, overall, precision)
    return _judged(analytic, numeric, precision, rtol, scale)


def _judged(
    analytic: Array, numeric: BlockGradient, precision: float, rtol: float | None, scale: float
) -> EntryVerdicts:
    """Judges entries of a block whose scale is known."""
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
    """The largest difference of right derivatives: numeric and analytic error together, (n,)."""
    bound = numeric.estimates.bound + precision * _shares(numeric)
    bound *= BOUND_FACTOR
    return np.asarray(bound)


def _shares(numeric: BlockGradient) -> Array | float:
    """The scale of every entry relative to its block; one number if it is the same for all."""
    return 1.0 if numeric.share is None else numeric.share


def visible_errors(numeric: BlockGradient, precision: float) -> Array:
    """The smallest error that would surely have been called wrong in each entry, (n,).

    The numeric derivative may be off by its own bound, in the direction of the error; at a kink
    every value between the one-sided slopes is right.
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
    """The scale of the derivatives of a block: the largest of them.

    If they cannot be told from 0, it is the derivative nearby or the largest of all blocks.
    """
    if is_zero(numeric, analytic, precision):
        return max(numeric.reference, overall)
    return _largest_derivative(numeric) or largest_of(analytic)


def is_zero(numeric: BlockGradient, analytic: Array, precision: float) -> bool:
    """Whether neither gradient of a block can be told from 0.

    The numeric gradient is within its error bound of 0, and the analytic one is only rounding.
    """
    if not largest_of(analytic) <= max(precision, LEAST_CLAIM):
        return False
    value, bound = np.abs(numeric.estimates.value), numeric.estimates.bound
    return bool(np.all(np.isfinite(value)) and np.all(value <= BOUND_FACTOR * bound))


def _largest_derivative(numeric: BlockGradient) -> float:
    estimates = numeric.estimates
    ends = [end for end in (estimates.lower, estimates.upper) if end is not estimates.value]
    sizes = (float(np.nanmax(np.abs(end), initial=0.0)) for end in ends)
    return max([numeric.largest, *sizes])


def judge_block(block: Block, rtol: float | None, overall: float) -> Block:
    """The block with its verdict, from the checks of the returned array and from its entries."""
    numeric, gradient = block.numeric, block.gradient
    count = numeric.count
    parts = slices_of(count)
    bounds = [np.max(total_bound(numeric[part], block.precision)) for part in parts]
    block = replace(
        block,
        entries=count,
        analytic_shape=None if gradient.value is None else gradient.value.shape,
        error_bound=float(np.max(bounds)) if count else None,
    )
    if not gradient.comparable:
        return replace(block, verdict=gradient.verdict)
    if not count:
        return replace(block, verdict="not checked" if block.size else "ok")
    analytic = block.analytic
    scale = scale_of(numeric, analytic, overall, block.precision)
    zero = count == block.size and is_zero(numeric, analytic, block.precision)
    judged = [_judge_part(part, analytic, block, rtol, scale) for part in parts]
    wrong = sum(part.wrong for part in judged)
    error = float(np.max([part.error for part in judged]))
    most = judged[int(np.argmax([part.wrong_error if wrong else part.share for part in judged]))]
    worst = most.wrongest if wrong else most.worst
    [at] = numeric[worst : worst + 1].entries
    visible = float(np.max([part.visible for part in judged]))
    resolution = None if zero or not scale else visible / scale
    return replace(
        block,
        verdict=_block_verdict(gradient.verdict, judged, resolution),
        wrong_entries=wrong,
        kinks=sum(part.kinks for part in judged),
        max_abs_error=error,
        max_rel_error=error / scale if scale else float(error > 0),
        resolution=resolution,
        worst=Worst(
            tuple(int(i) for i in np.unravel_index(at, block.shape)),
            float(analytic[worst]),
            float(numeric.estimates.value[worst]),
        ),
    )


@dataclass(frozen=True)
class _Part:
    """The verdict on a part of the entries of a block; judging all at once would need memory.

    Attributes:
        wrong: the number of wrong entries.
        ok: whether all entries are right.
        kinks: the number of entries that are right at a kink.
        error: the largest error.
        visible: the largest error, relative to the entry's share, that might not have been seen.
        share: the largest ratio of error to bound; `worst` is its row.
        wrong_error: the largest error of a wrong entry, -1 if none is; `wrongest` is its row.
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


def _judge_part(
    rows: slice, analytic: Array, block: Block, rtol: float | None, scale: float
) -> _Part:
    numeric = block.numeric[rows]
    entries = _judged(analytic[rows], numeric, block.precision, rtol, scale)
    error, bound = (
        size if all_finite(size) else np.where(np.isfinite(size), size, np.inf)
        for size in (entries.error, total_bound(numeric, block.precision))
    )
    share, off = error / bound, np.where(entries.wrong, error, -1.0)
    worst, wrongest = int(np.argmax(share)), int(np.argmax(off))
    return _Part(
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


def _block_verdict(gate: Standing, judged: Sequence[_Part], resolution: float | None) -> Standing:
    if gate == "nonfinite":
        return "nonfinite"
    if any(part.wrong for part in judged):
        return "wrong"
    blind = resolution is not None and resolution > BLIND
    return "ok" if all(part.ok for part in judged) and not blind else "inconclusive"
