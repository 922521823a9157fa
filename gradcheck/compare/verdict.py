"""The three-way verdict of every entry, and what it makes of a block.

The bound is the numeric gradient's own error bound plus what rounding may have done in the user's
code, so there is no tolerance to choose. An entry is wrong when the analytic derivative lies more
than twice that outside of what the numeric one allows; right when it lies within it, and it is
small against the entry's scale, the largest derivative of its block by parameters that are no
smaller; else it is not decided. A block is only right if an error of its own size would have been
seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.blackbox import BlockGradient
from gradcheck.numeric.ladder import SAFETY
from gradcheck.user.blocks import Array
from gradcheck.user.gradients import Gradient

__all__ = ["SAFETY", "Block", "EntryVerdicts", "Worst", "compare_block", "judge_entries"]

BLIND = 1.0
"""From this resolution on no error of the block's own size would have been seen."""

LEAST_CLAIM = 1e-300
"""No rounding is smaller."""

Index = tuple[int, ...]


@dataclass(frozen=True)
class Worst:
    """The entry of a block that is furthest off.

    Attributes:
        index: its position in the block.
        analytic: the derivative that the user's code gives.
        numeric: the one that the finite differences give.
    """

    index: Index
    analytic: float
    numeric: float


@dataclass(frozen=True)
class Block:
    """The verdict on one block; errors and bounds are absolute unless they are called relative.

    Attributes:
        name: the path as the user would write it.
        shape: the shape of the parameter.
        verdict: "ok", "wrong", "shape", "missing", "raised", "nonfinite", "inconclusive" or
            "not checked".
        entries: how many entries were perturbed.
        wrong_entries: how many of them are wrong.
        kinks: how many of them sit on a kink and are right there.
        max_abs_error: the largest difference of analytic and numeric derivative.
        max_rel_error: the same, relative to the block's largest derivative.
        error_bound: the largest error bound of the entries.
        resolution: the largest, over the entries perturbed, of the error that would have been
            called wrong, over the scale that the entry is judged on; what a kink excuses counts.
            None where the derivative cannot be told from 0: the error bound is then what is known.
        worst: the entry furthest off, or None when nothing could be compared.
        analytic_shape: the shape of what the user's code returned, or None.
    """

    name: str
    shape: tuple[int, ...]
    verdict: str
    entries: int
    wrong_entries: int = 0
    kinks: int = 0
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    error_bound: float | None = None
    resolution: float | None = None
    worst: Worst | None = None
    analytic_shape: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """How many entries the block has."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def failed(self) -> bool:
        """Whether the gradient of this block is known to be wrong."""
        return self.verdict in ("wrong", "shape", "missing", "raised", "nonfinite")


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
    scale = scale_of(numeric, analytic, overall, precision) * numeric.shares
    in_bound = distance <= bound / SAFETY + accepted
    in_bound &= bound <= SAFETY * max(numeric.limit, rtol or 0.0) * scale
    on_kink = estimates.kink & (distance <= precision * numeric.shares + accepted)
    return EntryVerdicts(
        wrong=~np.isfinite(analytic) | (distance > bound + accepted),
        ok=in_bound | on_kink,
        error=distance,
    )


def total_bound(numeric: BlockGradient, precision: float) -> Array:
    """How far right derivatives may be apart, numeric and analytic error together, (n,)."""
    return np.asarray(SAFETY * (numeric.estimates.bound + precision * numeric.shares))


def visible_errors(numeric: BlockGradient, precision: float) -> Array:
    """The error of every entry that would have been called wrong, (n,).

    The numeric derivative may be off by its own bound, to the side of the error; at a kink all that
    lies between the slopes is right.
    """
    estimates = numeric.estimates
    excused = estimates.upper - estimates.lower + estimates.bound
    return np.asarray(excused + total_bound(numeric, precision))


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
    value, bound = np.abs(numeric.estimates.value), numeric.estimates.bound
    is_small = bool(np.all(np.isfinite(value)) and np.all(value <= SAFETY * bound))
    return is_small and _largest(analytic) <= max(precision, LEAST_CLAIM)


def _largest_derivative(numeric: BlockGradient) -> float:
    estimates = numeric.estimates
    slopes = (estimates.value, estimates.lower, estimates.upper)
    own = max(float(np.nanmax(np.abs(slope), initial=0.0)) for slope in slopes)
    return max(own, numeric.largest)


def _largest(values: Array) -> float:
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


def compare_block(
    name: str,
    shape: tuple[int, ...],
    gradient: Gradient,
    numeric: BlockGradient,
    precision: float,
    rtol: float | None,
    overall: float,
) -> Block:
    """The verdict on a block from its gates and its entries.

    Args:
        name: the block's name.
        shape: its shape.
        gradient: the analytic gradient, after the gates.
        numeric: the numeric gradient of the entries that were perturbed.
        precision: the rounding error of the analytic gradient, absolute.
        rtol: a relative error that the user accepts on top of the bound, or None.
        overall: the largest derivative of all blocks.
    """
    count = len(numeric.entries)
    bound = total_bound(numeric, precision)
    largest_bound = float(np.max(bound)) if count else None
    if not gradient.comparable or gradient.value is None:
        analytic_shape = None if gradient.value is None else gradient.value.shape
        return Block(
            name,
            shape,
            gradient.verdict,
            count,
            error_bound=largest_bound,
            analytic_shape=analytic_shape,
        )
    if not count:
        verdict = "ok" if gradient.value.size == 0 else "not checked"
        return Block(name, shape, verdict, 0, analytic_shape=shape)
    analytic = gradient.value.reshape(-1)[numeric.entries]
    entries = judge_entries(analytic, numeric, precision, rtol, overall)
    scale = scale_of(numeric, analytic, overall, precision)
    zero = count == gradient.value.size and is_zero(numeric, analytic, precision)
    error = np.where(np.isfinite(entries.error), entries.error, np.inf)
    worst = int(np.argmax(error / np.where(np.isfinite(bound), bound, np.inf)))
    if entries.wrong.any():
        worst = int(np.argmax(np.where(entries.wrong, error, -1.0)))
    visible = visible_errors(numeric, precision) / numeric.shares
    resolution = None if zero or not scale else float(np.max(visible) / scale)
    return Block(
        name=name,
        shape=shape,
        verdict=_block_verdict(gradient, entries, resolution),
        entries=count,
        wrong_entries=int(np.count_nonzero(entries.wrong)),
        kinks=int(np.count_nonzero(numeric.estimates.kink & entries.ok)),
        max_abs_error=float(error.max()),
        max_rel_error=float(error.max() / scale) if scale else float(error.max() > 0),
        error_bound=largest_bound,
        resolution=resolution,
        worst=Worst(
            tuple(int(i) for i in np.unravel_index(numeric.entries[worst], shape)),
            float(analytic[worst]),
            float(numeric.estimates.value[worst]),
        ),
        analytic_shape=shape,
    )


def _block_verdict(gradient: Gradient, entries: EntryVerdicts, resolution: float | None) -> str:
    if gradient.verdict == "nonfinite":
        return "nonfinite"
    if entries.wrong.any():
        return "wrong"
    blind = resolution is not None and resolution > BLIND
    return "ok" if entries.ok.all() and not blind else "inconclusive"
