"""How precise every value of a vector function is: the noise of each, on lines that all share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.estimate import Array
from gradcheck.numeric.loss_lines import POINTS, SPACINGS, Lines, half_turned, random_signs
from gradcheck.numeric.noise import LARGEST, LINES, NOISE_FACTOR, ORDERS, ROUNDING, sigma_of

Vector = Callable[[Array], Array]

FEW = 0.05
"""So many values may be taken to be as precise as the others."""

TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class RowNoise:
    """The largest error expected in every value, (m,) each, absolute.

    Attributes:
        least: by the rounding of the result alone.
        level: by what short lines through the point show.
        seconds: that one evaluation takes.
        evaluations: how many this cost.
    """

    least: Array
    level: Array
    seconds: float
    evaluations: int


def estimate_row_noise(
    function: Vector, point: Array, center: Array, known: Array, rng: np.random.Generator
) -> RowNoise:
    """Measures the noise of every value on short lines through the point.

    Args:
        function: of a flat vector, (n,) -> (m,); nan where it cannot be evaluated.
        point: (n,).
        center: the values there, (m,).
        known: how large the noise is at least, (m,): what repeats differ by.
        rng: for the directions of the lines.
    """
    found: list[Array] = []

    def kept(values: Sequence[Array]) -> float:
        found.append(function(values[0]))
        return 0.0

    lines = Lines(kept, [point])
    sign = random_signs(point.shape, rng)
    size, sigma = np.abs(center), np.zeros(len(center))
    for _ in range(LINES):
        open_ = np.ones(len(center), dtype=bool)
        for spacing in SPACINGS:
            lines.along([sign], spacing)
            values = np.array(found[-POINTS:])[:, open_]
            with np.errstate(all="ignore"):
                shown = np.count_nonzero(np.diff(values, n=ORDERS[0], axis=0), axis=0)
                one = np.where(np.isfinite(values).all(axis=0), sigma_of(values), 0.0)
            shows = shown >= (POINTS - ORDERS[0]) / 2
            rows = np.flatnonzero(open_)
            size[rows] = np.fmax(size[rows], np.max(np.abs(values), axis=0))
            sigma[rows[shows]] = np.fmax(sigma[rows[shows]], one[shows])
            open_[rows[shows]] = False
            if np.count_nonzero(open_) <= FEW * len(center):
                break
        typical = float(np.quantile(sigma / np.fmax(size, TINY), 1 - FEW))
        sigma[open_] = np.fmax(sigma[open_], typical * size[open_])
        sign = half_turned(sign, rng)
    size = np.where(np.isfinite(size), size, np.abs(center))
    least = np.fmax(np.fmax(ROUNDING * size, NOISE_FACTOR * known), TINY)
    if np.any(size) and all(np.array_equal(one.astype(np.float32), one) for one in found):
        least = np.fmax(least, float(np.finfo(np.float32).eps) * size)
    level = np.fmax(least, NOISE_FACTOR * np.fmin(sigma, LARGEST * size))
    return RowNoise(least, level, float(np.median(lines.seconds)), len(lines.seconds))
