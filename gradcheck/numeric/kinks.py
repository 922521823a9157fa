"""Kinks that no step avoids: both one-sided slopes persist from level to level.

Every value between the two slopes is then right (a subgradient). A value outside is wrong only
beyond the bound, since a second kink on the other side may hide within the same step.
"""

from __future__ import annotations

import numpy as np

from gradcheck.numeric.estimate import Array, Estimates, Indices, Mask
from gradcheck.numeric.levels import RATIO, Asked, Levels

LASTS = 0.6
"""The least ratio of lasting gaps; those of smooth functions or noise change fourfold a level."""

ALIKE = 3
SEEN = 2.0
TELLS = 4.0
NOT_SMOOTH = 0.5
NOT_NOISE = 20.0
STAYS = 0.9
"""A move that does not shrink below this share over sixteenfold steps is a jump."""


def kinks_of(levels: Levels, asked: Asked, rows: Indices) -> Estimates:
    """The range of the one-sided slopes of the rows, from the lowest levels on which the gap lasts.

    The value is the middle of the range; the bound is how far outside it a slope may be right.
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
    """Where the gap exceeds noise and does not grow with the step like that of a smooth loss."""
    pair = levels.known(rows)
    with np.errstate(all="ignore"):
        gap = pair.gap(levels.center)
        off = np.abs(RATIO * gap[:, :-1] - gap[:, 1:])
        size = np.fmax(np.abs(gap[:, :-1]), np.abs(gap[:, 1:]))
        noise = NOT_NOISE * asked.rough[rows][:, None] / pair.step[:, :-1]
        return np.asarray(np.any((off > NOT_SMOOTH * size) & (off > noise), axis=1))


def jumps_at(levels: Levels, asked: Asked, rows: Indices) -> Mask:
    """Where the loss jumps at the point itself: to one side it moves by the same at any step.

    There is no slope there, and that on either side says nothing about it.
    """
    pair, found = levels.known(rows), np.zeros(len(rows), dtype=bool)
    for side in (pair.plus, pair.minus):
        with np.errstate(all="ignore"):
            move = np.abs(side - levels.center)
        for row, moves in enumerate(move):
            least = moves[np.isfinite(moves)][:ALIKE]
            noise = NOT_NOISE * asked.rough[rows[row]]
            if len(least) == ALIKE and least.min() > max(noise, STAYS * least.max()):
                found[row] = True
    return found


def _lasting(gap: Array, error: Array) -> Mask:
    """The levels from which three gaps are alike, while no smaller step shows a smaller gap."""
    levels = gap.shape[1]
    starts = np.zeros(gap.shape, dtype=bool)
    for level in range(levels - ALIKE + 1):
        three = gap[:, level : level + ALIKE]
        size = np.abs(three)
        smallest = size.min(axis=1)
        lasts = np.all(size > SEEN * error[:, level : level + ALIKE], axis=1)
        lasts &= np.abs(three.sum(axis=1)) == size.sum(axis=1)
        lasts &= LASTS * size.max(axis=1) <= smallest
        tells = error[:, :level] < smallest[:, None] / TELLS
        gone = tells & (np.abs(gap[:, :level]) < smallest[:, None] / 2)
        starts[:, level] = lasts & ~gone.any(axis=1)
    return starts
