"""How precise the loss really is: measured, not assumed from a dtype, in three levels.

Moré and Wild (Estimating computational noise, SIAM J. Sci. Comput. 33, 2011): on a line of points
so close together that a smooth function is nearly a polynomial of low degree, the k-th differences
hold nothing but noise, sigma_k^2 = (k!)^2 / (2k)! * mean((Delta^k f)^2). The spacing grows from
far below any precision until the noise shows, so that a loss that computes in float32, or adds a
large constant, is seen as what it is.

What looks like noise may be structure (many kinks, a pole nearby), so that the least level is
believed first: the rounding of the result; then short lines; then a longer one, on which steps of
single parameters show.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.numeric.loss_lines import (
    SPACINGS,
    Array,
    Lines,
    Loss,
    Signs,
    half_turned,
    random_signs,
)

LINES = 2
ORDERS = (4, 5, 6)
ROUNDING = 2 * float(np.finfo(np.float64).eps)
NOISE_FACTOR = 4.0
LARGEST = 1e-3
"""What seems a larger share of the loss may be a function that bends: it counts as rough only."""

LONGER = 1e-6
"""The spacing on which the rounding of a single parameter to float32 shows."""

LARGEST_LONGER = 3e-6
BESIDE = 1
"""The longer line begins beside the point, where there may be a kink."""

NORMAL = ((3, 0.4, 0.524), (5, 0.5, 0.674))
"""The orders compared, which of their differences, and how many sigma that is of normal noise."""

MUCH_MORE = 4.0
MOST_LINES = 6
FEWEST_STEPS = 2
EVEN = 0.01
COARSE = 1e-6
"""No rounding to float32 is a larger share of the loss."""

ONE_SIDED = 30.0
"""Noise is on both sides of the point; a jump or a kink on one, and so much more there."""


@dataclass(frozen=True)
class NoiseLevels:
    """The largest error expected in one value of the loss when one block moves, absolute.

    Attributes:
        least: by the rounding of the result alone.
        fine: by what short lines through the point show.
        rough: by what a longer line on which the block moves shows.
    """

    least: float
    fine: float
    rough: float


@dataclass(frozen=True)
class Noise:
    """The precision of the loss near the point of the check.

    Attributes:
        level: the largest error expected in one value of the loss, absolute.
        relative: the same divided by the size of the loss.
        seconds: the time that one evaluation took (median).
        least: what the rounding of the result alone makes of it.
        rough: what a longer line shows, per block.
        quantum: what all differences of its values are multiples of, where that is far above their
            rounding: a loss that is counted, or rounded to a few digits; else 0.
        known: whether it is what the user says, and more than was seen.
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
        """The same, of values that are known to be off by so much."""
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
        """The same, of a loss that computes as coarsely as its parameters are kept."""
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

    `repeat_difference` is how far a second evaluation at the point was from the first.
    """
    lines = Lines(loss, point, center)
    signs = [random_signs(block.shape, rng) for block in point]
    sigmas = []
    for _ in range(LINES):
        sigmas.append(_noise_on_short_lines(lines, signs))
        # half of the entries the other way: what has cancelled does not cancel again
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
        seconds=float(np.median(lines.seconds)),
        evaluations=len(lines.seconds),
        least=max(least, min(quantum / 2, level)),
        rough=tuple(NOISE_FACTOR * max(short, sigma) for sigma in rough),
        quantum=quantum,
    )


def _lower_precision(values: Array) -> float:
    """The rounding of float16 or float32 where every value is one of its numbers, else 0."""
    if len(np.unique(values)) < 2:
        return 0.0
    for kind in (np.float16, np.float32):
        with np.errstate(over="ignore", under="ignore"):
            if np.array_equal(values.astype(kind), values):
                return float(np.finfo(kind).eps) * float(np.max(np.abs(values)))
    return 0.0


def _quantum(values: Array) -> float:
    """What all differences of some numbers are multiples of, where it is no rounding; else 0."""
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
            return float(sigma_of(values))
    return 0.0


def sigma_of(values: Array, whole: Array | None = None) -> Array:
    """The noise on a line, without what a jump or a kink on one side, or at its centre, makes.

    Of several functions there is a column each. `whole` is the same with what these make, if known.
    """
    middle = len(values) // 2
    whole = loudest(values) if whole is None else whole
    sides = values[: middle + 1], values[middle:]
    both = [np.fmax(*_sigmas(side, (3, 4))) for side in sides]
    small, large = np.fmin(*both), np.fmax(*both)
    whole = np.where(whole <= ONE_SIDED * large, whole, 3 * large)
    return np.where(large > ONE_SIDED * small, 3 * small, whole)


def loudest(values: Array) -> Array:
    """The same with what a jump or a kink makes."""
    return np.asarray(np.max(list(_sigmas(values, ORDERS)), axis=0))


def _sigmas(values: Array, orders: Sequence[int]) -> Iterator[Array]:
    """The noise by the differences of some orders, ascending."""
    # divided first: the squares of a large loss overflow, those of a small one vanish
    size = np.fmax(np.max(np.abs(values), axis=0), float(np.finfo(np.float64).tiny))
    differences, done = values / size, 0
    for order in orders:
        differences, done = np.diff(differences, n=order - done, axis=0), order
        squares = np.einsum("i...,i...->...", differences, differences)
        yield np.asarray(size * np.sqrt(_gamma(order) / len(differences) * squares))


def _noise_on_longer_lines(lines: Lines, signs: Signs, known: float) -> list[float]:
    """What a longer line shows beyond what is known, per block; all blocks on one line at first."""
    blocks = [block for block, sign in enumerate(signs) if sign.size]
    found = [0.0] * len(signs)
    together = _rougher(lines.along(signs, LONGER, BESIDE), known)
    alone = together and 1 < len(blocks) <= MOST_LINES
    for block in blocks:
        only = [sign * np.int8(index == block) for index, sign in enumerate(signs)]
        found[block] = _rougher(lines.along(only, LONGER, BESIDE), known) if alone else together
    return found


def _rougher(values: Array, known: float) -> float:
    """The noise on a longer line where it is much more than is known, and looks like noise, else 0.

    Noise has the same sigma in every order, and what is smooth loses by each. A kink or a jump is
    in half of the third differences, so that not quite their median is taken.
    """
    if not np.all(np.isfinite(values)):
        return 0.0
    third, fifth = (
        math.sqrt(_gamma(order))
        * float(np.quantile(np.abs(np.diff(values, n=order)), share))
        / usual
        for order, share, usual in NORMAL
    )
    is_noise = third > MUCH_MORE * known and fifth > third / 2
    return third if is_noise and third <= LARGEST_LONGER * np.max(np.abs(values)) else 0.0


def _gamma(order: int) -> float:
    return math.factorial(order) ** 2 / math.factorial(2 * order)
