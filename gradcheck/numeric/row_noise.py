"""How precise every value of a vector function is: the noise of each, on lines that all share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradcheck.numeric.estimate import Array
from gradcheck.numeric.loss_lines import POINTS, SPACINGS, Lines, half_turned, random_signs
from gradcheck.numeric.noise import (
    LARGEST,
    LINES,
    NOISE_FACTOR,
    ORDERS,
    ROUNDING,
    loudest,
    sigma_of,
)
from gradcheck.numeric.pattern import Pattern

Vector = Callable[[Array], Array]

FEW = 0.05
"""So many values may be taken to be as precise as the others."""

MANY = 64
"""So many values tell from one line what they are precise to, where that looks like rounding."""

CALM = 64 * ROUNDING
STEADY = 8.0
"""Noise grows by no more from one spacing of the line to the next."""

MOST_MORE = 64.0
"""Few points on a line show no less than this share of the noise."""

TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class RowNoise:
    """The largest error expected in every value, (m,) each, absolute.

    Attributes:
        least: by the rounding of the result alone.
        level: by what short lines through the point show.
        known: whether it is what the user says, and more than was seen of some.
        apart: how far the values were from those of the first call when asked again.
    """

    least: Array
    level: Array
    seconds: float
    evaluations: int
    known: bool = False
    apart: Array = field(default_factory=lambda: np.zeros(1))

    def at_least(self, known: float) -> RowNoise:
        """The same, of values that are known to be off by so much."""
        least, level = np.fmax(self.least, known), np.fmax(self.level, known)
        return replace(self, least=least, level=level, known=bool(np.any(level > self.level)))

    def of_sums(self, pattern: Pattern, values: Array, point: Array) -> RowNoise:
        """The same, of values whose terms are as large as entries times parameters, and cancel."""
        with np.errstate(all="ignore"):
            terms = np.nan_to_num(np.sqrt(pattern.times(values**2, point**2)), posinf=0.0)
        level = np.fmin(ROUNDING * terms, MOST_MORE * self.level)  # a wrong entry may be any size
        return replace(self, level=np.fmax(self.level, level))


def estimate_row_noise(
    function: Vector, point: Array, center: Array, rng: np.random.Generator
) -> RowNoise:
    """Measures the noise of every value on short lines through the point.

    The function takes a flat vector, (n,) -> (m,), and gives nan where it cannot be evaluated.
    """
    found: list[Array] = []

    def kept(values: Sequence[Array]) -> float:
        found.append(function(values[0]))
        return 0.0

    lines = Lines(kept, [point])
    sign = random_signs(point.shape, rng)
    size, sigma = np.abs(center), np.zeros(len(center))
    for _ in range(LINES):
        open_, loud = np.ones(len(center), dtype=bool), np.full(len(center), np.nan)
        quiet, most = np.zeros(len(center)), LARGEST * size
        for spacing in SPACINGS:
            lines.along([sign], spacing)
            values = np.array(found[-POINTS:])
            with np.errstate(all="ignore"):
                finite = np.isfinite(values).all(axis=0)
                shown = np.count_nonzero(np.diff(values, n=ORDERS[0], axis=0), axis=0)
                louder = loudest(values)
                one = sigma_of(values, louder)
            size = np.fmax(size, np.max(np.abs(values), axis=0))
            # what grows with the spacing is a kink, or the function that bends
            steady = ~open_ & (louder <= STEADY * loud)
            quiet[steady] = np.fmax(quiet, loud)[steady]
            most[steady] = np.inf
            loud[~open_] = np.nan
            shows = open_ & finite & (shown >= (POINTS - ORDERS[0]) / 2)
            loud[shows], quiet[shows] = louder[shows], one[shows]
            done = np.count_nonzero(open_) <= FEW * len(center)
            open_ &= ~shows
            calm = len(center) >= MANY and bool(np.count_nonzero(open_) <= FEW * len(center))
            calm = calm and bool(np.all(quiet <= CALM * np.fmax(size, np.median(size))))
            if done or calm:
                break
        typical = float(np.quantile(quiet / np.fmax(size, TINY), 1 - FEW))
        quiet = np.fmin(quiet, np.fmax(most, LARGEST * size))
        sigma = np.fmax(sigma, np.where(open_, typical * size, quiet))
        if calm:
            sigma = np.fmax(sigma, float(np.median(quiet / np.fmax(size, TINY))) * size)
            break
        sign = half_turned(sign, rng)
    least, level, apart = _levels(np.array(found), center, size, sigma)
    seconds = float(np.median(lines.seconds))
    return RowNoise(least, level, seconds, len(lines.seconds), apart=apart)


def _levels(found: Array, center: Array, size: Array, sigma: Array) -> tuple[Array, Array, Array]:
    """The least noise of every value, what was seen, and how far repeats were apart."""
    size = np.where(np.isfinite(size), size, np.abs(center))
    again = found[POINTS // 2 :: POINTS]
    apart = np.max(np.abs(again - center), axis=0)
    least = np.fmax(np.fmax(ROUNDING * size, NOISE_FACTOR * apart), TINY)
    if np.any(size) and all(np.array_equal(one.astype(np.float32), one) for one in found):
        least = np.fmax(least, float(np.finfo(np.float32).eps) * size)
    level = np.fmax(least, NOISE_FACTOR * sigma)
    # what does not move on the shortest line hides its noise: 1 - tanh(20) is rounded as 1 is
    still = np.all(found[:POINTS] == center, axis=0)
    if still.any() and not still.all():
        level[still] = np.fmax(level[still], np.median(level[~still]))
    return least, level, apart
