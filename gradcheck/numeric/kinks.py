"""Kinks that no step gets away from: both one-sided slopes last from level to level.

Every value between the two slopes is then a right one (a subgradient). What lies outside is wrong
only beyond the bound, since a second kink on the other side may hide in the same step.
"""

from __future__ import annotations

import numpy as np

from gradcheck.numeric.estimate import Array, Estimates, Indices, Mask
from gradcheck.numeric.levels import RATIO, Asked, Levels

LASTS = 0.6
"""The gap of a smooth function grows fourfold from level to level, that of noise shrinks so."""

ALIKE = 3
SEEN = 2.0
TELLS = 4.0
NOT_SMOOTH = 0.5
NOT_NOISE = 20.0


def kinks_of(levels: Levels, asked: Asked, rows: Indices) -> Estimates:
    """The middle of the slopes of some rows, from the lowest levels on which the gap lasts.

    The bound says how far a slope outside of them may be right, as far as it lasts.
    """
    pair, center = levels.known(rows), levels.center
    with np.errstate(all="ignore"):
        right, left, gap = pair.forward(center), pair.backward(center), pair.gap(center)
        error = 4 * asked.rough[rows][:, None] / pair.step
        lasting = _lasting(gap, error)
    level, every = np.argmax(lasting, axis=1), np.arange(len(rows))
    here, above = (every, level), (every, level + 1)
    slopes = [side[where] for side in (right, left) for where in (here, above)]
    # extrapolated to the point, linearly in the step
    slopes += [side[here] + (side[here] - side[above]) / (RATIO - 1) for side in (right, left)]
    return Estimates(
        (right[here] + left[here]) / 2,
        error[here] + 2 * np.abs(gap[here]),
        np.min(slopes, axis=0) - error[here],
        np.max(slopes, axis=0) + error[here],
        np.asarray(lasting.any(axis=1)),
    )


def bent(levels: Levels, asked: Asked, rows: Indices) -> Mask:
    """Where the gap does not grow with the step as that of a smooth loss, and is no noise."""
    pair = levels.known(rows)
    with np.errstate(all="ignore"):
        gap = pair.gap(levels.center)
        off = np.abs(RATIO * gap[:, :-1] - gap[:, 1:])
        size = np.fmax(np.abs(gap[:, :-1]), np.abs(gap[:, 1:]))
        noise = NOT_NOISE * asked.rough[rows][:, None] / pair.step[:, :-1]
        return np.asarray(np.any((off > NOT_SMOOTH * size) & (off > noise), axis=1))


def _lasting(gap: Array, error: Array) -> Mask:
    """The levels from which on three gaps are alike, and none of the smaller steps says else."""
    levels = gap.shape[1]
    found = np.zeros(gap.shape, dtype=bool)
    for level in range(levels - ALIKE + 1):
        three = gap[:, level : level + ALIKE]
        size = np.abs(three)
        smallest = size.min(axis=1)
        lasts = np.all(size > SEEN * error[:, level : level + ALIKE], axis=1)
        lasts &= np.abs(three.sum(axis=1)) == size.sum(axis=1)
        lasts &= LASTS * size.max(axis=1) <= smallest
        tells = error[:, :level] < smallest[:, None] / TELLS
        gone = tells & (np.abs(gap[:, :level]) < smallest[:, None] / 2)
        found[:, level] = lasts & ~gone.any(axis=1)
    return found
