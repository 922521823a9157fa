"""The noise of every value of a vector function, measured on lines that all values share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.estimate import Array
from gradcheck.numeric.loss_lines import POINTS, SPACINGS, Lines, half_turned, random_signs
from gradcheck.numeric.noise import LARGEST, LINES, NOISE_FACTOR, ORDERS, ROUNDING, sigmas_of
from gradcheck.numeric.pattern import Pattern

Vector = Callable[[Array], Array]

FEW = 0.05
"""The share of the values whose noise may be taken from the others."""

MANY = 64
"""With this many values one line is enough, if their noise looks like rounding."""

CALM = 64 * ROUNDING
STEADY = 8.0
"""The largest growth of noise from one spacing of the line to the next."""

MOST_MORE = 64.0
"""The noise may be larger by up to this factor than the few points of a line show."""

NEAR_BOUND = 1e-3
"""A bound nearer than this share of a parameter is where lines through the point would end."""

TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class RowNoise:
    """The largest error expected in every value, (m,) each, absolute.

    Attributes:
        least: the error by the rounding of the result alone.
        level: the error by short lines through the point.
        known: whether the user stated the noise, and it exceeds the measured noise of some values.
        apart: the largest difference of repeated values from those of the first call.
    """

    least: Array
    level: Array
    seconds: float
    evaluations: int
    known: bool = False
    apart: Array = field(default_factory=lambda: np.zeros(1))

    def at_least(self, known: float | Array) -> RowNoise:
        """The noise, raised to what the user states."""
        least, level = np.fmax(self.least, known), np.fmax(self.level, known)
        return replace(self, least=least, level=level, known=bool(np.any(level > self.level)))

    def of_sums(self, pattern: Pattern, values: Array, point: Array) -> RowNoise:
        """The noise, raised to the rounding of terms (entries times parameters) that cancel."""
        terms = terms_of(pattern, values, point)
        level = np.fmin(ROUNDING * terms, MOST_MORE * self.level)  # a wrong entry may be any size
        return replace(self, level=np.fmax(self.level, level))


def terms_of(pattern: Pattern, values: Array, point: Array) -> Array:
    """The size of the terms (entries times parameters) of every row, (m,)."""
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.sqrt(pattern.times(values**2, point**2)), posinf=0.0)


def estimate_row_noise(
    function: Vector,
    point: Array,
    center: Array,
    rng: np.random.Generator,
    box: tuple[Array, Array] | None,
) -> RowNoise:
    """Measures the noise of every value on short lines through the point.

    The function takes a flat vector, (n,) -> (m,), and returns nan where it cannot be evaluated.
    Of a point at the edge of its `box` the lines go inwards from it.
    """
    inward = _inward(point, box)
    first = 0 if inward.any() else -(POINTS // 2)
    evaluated: list[Array] = []

    def recorded(values: Sequence[Array]) -> float:
        evaluated.append(function(values[0]))
        return 0.0

    lines = Lines(recorded, [point])
    sign = np.where(inward, inward, random_signs(point.shape, rng))
    size, sigma = np.abs(center), np.zeros(len(center))
    for _ in range(LINES):
        open_, loud = np.ones(len(center), dtype=bool), np.full(len(center), np.nan)
        quiet, most = np.zeros(len(center)), LARGEST * size
        for spacing in SPACINGS:
            lines.along([sign], spacing, first)
            values = np.array(evaluated[-POINTS:])
            with np.errstate(all="ignore"):
                finite = np.isfinite(values).all(axis=0)
                shown = np.count_nonzero(np.diff(values, n=ORDERS[0], axis=0), axis=0)
                louder, steadier = sigmas_of(values)
            size = np.fmax(size, np.max(np.abs(values), axis=0))
            # noise that grows fast with the spacing is a kink or curvature
            steady = ~open_ & (louder <= STEADY * loud)
            quiet[steady] = np.fmax(quiet, loud)[steady]
            most[steady] = np.inf
            loud[~open_] = np.nan
            shows = open_ & finite & (shown >= (POINTS - ORDERS[0]) / 2)
            loud[shows], quiet[shows] = louder[shows], steadier[shows]
            settled = np.count_nonzero(open_) <= FEW * len(center)
            open_ &= ~shows
            calm = len(center) >= MANY and bool(np.count_nonzero(open_) <= FEW * len(center))
            calm = calm and bool(np.all(quiet <= CALM * np.fmax(size, np.median(size))))
            if settled or calm:
                break
        typical = float(np.quantile(quiet / np.fmax(size, TINY), 1 - FEW))
        quiet = np.fmin(quiet, np.fmax(most, LARGEST * size))
        sigma = np.fmax(sigma, np.where(open_, typical * size, quiet))
        if calm:
            sigma = np.fmax(sigma, float(np.median(quiet / np.fmax(size, TINY))) * size)
            break
        sign = np.where(inward, inward, half_turned(sign, rng))
    least, level, apart = _levels(np.array(evaluated), center, size, sigma, -first)
    seconds = float(np.median(lines.seconds))
    return RowNoise(least, level, seconds, len(lines.seconds), apart=apart)


def _inward(point: Array, box: tuple[Array, Array] | None) -> NDArray[np.int8]:
    """The sign of the way from a bound that is near, 0 where none is, (n,)."""
    inward = np.zeros(len(point), dtype=np.int8)
    if box is not None:
        below, above = point - box[0], box[1] - point
        near = np.fmin(below, above) < NEAR_BOUND * np.where(point == 0, 1.0, np.abs(point))
        inward[near] = np.where(below < above, 1, -1)[near]
    return inward


def _levels(
    values: Array, center: Array, size: Array, sigma: Array, at_point: int
) -> tuple[Array, Array, Array]:
    """The least noise of every value, the level of noise, and the differences of repeats.

    In each line of `values`, those at the place `at_point` are of the point itself.
    """
    size = np.where(np.isfinite(size), size, np.abs(center))
    again = values[at_point::POINTS]
    apart = np.max(np.abs(again - center), axis=0)
    least = np.fmax(np.fmax(ROUNDING * size, NOISE_FACTOR * apart), TINY)
    if np.any(size) and all(np.array_equal(each.astype(np.float32), each) for each in values):
        least = np.fmax(least, float(np.finfo(np.float32).eps) * size)
    level = np.fmax(least, NOISE_FACTOR * sigma)
    # a value that is constant on the shortest line hides its noise: 1 - tanh(20) is rounded like 1
    flat = np.all(values[:POINTS] == center, axis=0)
    if flat.any() and not flat.all():
        level[flat] = np.fmax(level[flat], np.median(level[~flat]))
    return least, level, apart
