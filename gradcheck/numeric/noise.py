"""Measures the noise of the loss, in three levels, instead of assuming it from a dtype.

Moré and Wild (Estimating computational noise, SIAM J. Sci. Comput. 33, 2011): on a line of points
so close together that a smooth function is nearly a polynomial of low degree, the k-th differences
hold nothing but noise, sigma_k^2 = (k!)^2 / (2k)! * mean((Delta^k f)^2). The spacing grows from
far below any precision until the noise shows, also of a loss that computes in float32.

What looks like noise may be structure (many kinks, a pole nearby). Decisions therefore use the
least level first: the rounding of the result; then the noise on short lines; then that on a longer
line, which shows the rounding of single parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.numeric.estimate import Array
from gradcheck.numeric.loss_lines import SPACINGS, Lines, Loss, Signs, half_turned, random_signs

LINES = 2
ORDERS, SIDE_ORDERS = (4, 5, 6), (3, 4)
ROUNDING = 2 * float(np.finfo(np.float64).eps)
NOISE_FACTOR = 4.0
LARGEST = 1e-3
"""The largest noise of short lines, relative to the loss; more may be curvature."""

LONGER = 1e-6
"""The spacing that shows the rounding of a single parameter to float32."""

LARGEST_LONGER = 3e-6
BESIDE = 1
"""The longer line begins beside the point, since there may be a kink at the point."""

NORMAL = ((3, 0.4, 0.524), (5, 0.5, 0.674))
"""The orders compared, the quantile of their differences, and its size in sigma of normal noise."""

MUCH_MORE = 4.0
MOST_LINES = 6
FEWEST_STEPS = 2
EVEN = 0.01
COARSE = 1e-6
"""The rounding of the loss to float32 is smaller than this share of it."""

ONE_SIDED = 30.0
"""Noise is on both sides of the point; a jump or a kink makes one side larger by this factor."""


@dataclass(frozen=True)
class NoiseLevels:
    """The largest absolute error expected in one value of the loss when one block moves.

    Attributes:
        least: the error by the rounding of the result alone.
        fine: the error by short lines through the point.
        rough: the error by a longer line on which the block moves.
    """

    least: float
    fine: float
    rough: float


@dataclass(frozen=True)
class Noise:
    """The precision of the loss near the point of the check.

    Attributes:
        level: the largest absolute error expected in one value of the loss.
        relative: that error divided by the size of the loss.
        seconds: the median time of one evaluation.
        least: the error by the rounding of the result alone.
        rough: the error by a longer line, per block.
        quantum: the number of which all differences of losses are multiples, if it is far above
            their rounding (a loss that counts, or is rounded to a few digits); else 0.
        known: whether the user stated the noise, and it exceeds the measured one.
    """

    level: float
    relative: float
    seconds: float
    evaluations: int
    least: float = 0.0
    rough: tuple[float, ...] = ()
    quantum: float = 0.0
    known: bool = False

    def at_least(self, known: float) -> Noise:
        """The noise, raised to what the user states."""
        if not known:
            return self
        level = max(self.level, known)
        return replace(
            self,
            level=level,
            relative=self.relative * level / self.level,
            least=max(self.least, known),
            rough=tuple(max(rough, known) for rough in self.rough),
            known=known > self.level,
        )

    def at_rounding(self, epsilon: float, center: float) -> Noise:
        """The noise, raised to the rounding error of the type in which parameters are stored."""
        if not epsilon:
            return self
        rounding = max(epsilon * abs(center), self.quantum) / 2
        return replace(self.at_least(rounding), known=self.known)

    def levels(self, block: int) -> NoiseLevels:
        """The three levels when a block moves."""
        rough = self.rough[block] if self.rough else self.level
        return NoiseLevels(self.least or self.level, self.level, max(self.level, rough))


def estimate_noise(
    loss: Loss,
    point: Sequence[Array],
    center: float,
    repeat_difference: float,
    rng: np.random.Generator,
) -> Noise:
    """Measures the noise of `loss` on short lines through `point`, and on a longer one.

    `repeat_difference` is the largest difference between repeated evaluations at the point.
    """
    lines = Lines(loss, point, center)
    signs = [random_signs(block.shape, rng) for block in point]
    sigmas = []
    for _ in range(LINES):
        sigmas.append(_noise_on_short_lines(lines, signs))
        # half of the entries change direction, so that errors that cancelled do not again
        signs = [half_turned(sign, rng) for sign in signs]
    seen = np.array([center, *lines.seen])
    seen = seen[np.isfinite(seen)]
    size = max(abs(center), float(np.median(np.abs(seen))))
    least = max(
        ROUNDING * size,
        _lower_precision(seen),
        NOISE_FACTOR * repeat_difference,
        float(np.finfo(np.float64).tiny),
    )
    short = max(sigmas)
    level = max(least, NOISE_FACTOR * min(short, LARGEST * float(np.max(np.abs(seen)))))
    quantum = _quantum(seen)
    rough = _noise_on_longer_lines(lines, signs, max(level / NOISE_FACTOR, short))
    return Noise(
        level=level,
        relative=level / size if size else ROUNDING,
        seconds=sorted(lines.seconds)[len(lines.seconds) // 2],
        evaluations=len(lines.seconds),
        least=max(least, min(quantum / 2, level)),
        rough=tuple(NOISE_FACTOR * max(short, sigma) for sigma in rough),
        quantum=quantum,
    )


def _lower_precision(values: Array) -> float:
    """The rounding error of float16 or float32 if every value is one of its numbers, else 0."""
    if values.min() == values.max():
        return 0.0
    for kind in (np.float16, np.float32):
        with np.errstate(over="ignore", under="ignore"):
            if np.array_equal(values.astype(kind), values):
                return float(np.finfo(kind).eps) * float(np.max(np.abs(values)))
    return 0.0


def _quantum(values: Array) -> float:
    """The number of which all differences are multiples, if it is no rounding error; else 0."""
    values = np.unique(values)
    differences = np.diff(values)
    if len(differences) < FEWEST_STEPS:
        return 0.0
    quantum = float(differences.min())
    multiples = np.round(differences / quantum)
    is_multiple = np.abs(differences - multiples * quantum) <= EVEN * quantum
    is_coarse = quantum > COARSE * float(np.max(np.abs(values)))
    return quantum if is_coarse and bool(is_multiple.all()) else 0.0


def _noise_on_short_lines(lines: Lines, signs: Signs) -> float:
    for spacing in SPACINGS:
        values = lines.along(signs, spacing)
        if not np.all(np.isfinite(values)):
            return 0.0
        differences = np.diff(values, n=ORDERS[0])
        if np.count_nonzero(differences) >= len(differences) / 2:
            return float(sigmas_of(values)[1])
    return 0.0


def sigmas_of(values: Array) -> tuple[Array, Array]:
    """The noise on a whole line, and that without the effect of a jump or kink.

    The second is that of the quieter side where a jump or kink is on the other, or at the centre.
    For several functions, `values` has one column each.
    """
    # divided first, since squares of a large loss overflow and those of a small one vanish
    size = np.fmax(np.max(np.abs(values), axis=0), float(np.finfo(np.float64).tiny))
    differences = [values / size]
    for _ in range(ORDERS[-1]):  # one after the other: each is exact where the values are close
        differences.append(differences[-1][1:] - differences[-1][:-1])
    middle = len(values) // 2
    whole = np.max([_sigma(differences[order], order) for order in ORDERS], axis=0)
    left = np.fmax(*(_sigma(differences[k][: middle + 1 - k], k) for k in SIDE_ORDERS))
    right = np.fmax(*(_sigma(differences[k][middle:], k) for k in SIDE_ORDERS))
    whole, left, right = size * whole, size * left, size * right
    small, large = np.fmin(left, right), np.fmax(left, right)
    even = np.where(whole <= ONE_SIDED * large, whole, 3 * large)
    return whole, np.where(large > ONE_SIDED * small, 3 * small, even)


def _sigma(differences: Array, order: int) -> Array:
    squares = np.einsum("i...,i...->...", differences, differences)
    return np.asarray(np.sqrt(_gamma(order) / len(differences) * squares))


def _gamma(order: int) -> float:
    """The factor (k!)^2 / (2k)! of Moré and Wild."""
    return math.factorial(order) ** 2 / math.factorial(2 * order)


def _noise_on_longer_lines(lines: Lines, signs: Signs, short: float) -> list[float]:
    """The additional noise on a longer line, per block, first with all blocks on one line."""
    blocks = [block for block, sign in enumerate(signs) if sign.size]
    noise = [0.0] * len(signs)
    together = _rougher(lines.along(signs, LONGER, BESIDE), short)
    alone = together and 1 < len(blocks) <= MOST_LINES
    for block in blocks:
        only = [sign * np.int8(index == block) for index, sign in enumerate(signs)]
        noise[block] = _rougher(lines.along(only, LONGER, BESIDE), short) if alone else together
    return noise


def _rougher(values: Array, short: float) -> float:
    """The noise on a longer line if it is far above that of short lines, else 0.

    Noise has the same sigma in every order, while a smooth function's differences shrink with each
    order. A kink or a jump affects half of the third differences, so that a quantile below their
    median is taken.
    """
    if not np.all(np.isfinite(values)):
        return 0.0
    third, fifth = (
        math.sqrt(_gamma(order)) * _quantile(np.abs(np.diff(values, n=order)), share) / usual
        for order, share, usual in NORMAL
    )
    is_noise = third > MUCH_MORE * short and fifth > third / 2
    return third if is_noise and third <= LARGEST_LONGER * np.max(np.abs(values)) else 0.0


def _quantile(values: Array, share: float) -> float:
    """`np.quantile` of a few values, which takes most of its time to look at its arguments."""
    return float(np.interp(share * (len(values) - 1), np.arange(len(values)), np.sort(values)))
