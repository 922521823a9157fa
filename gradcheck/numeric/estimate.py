"""From losses at a few steps to a derivative and a bound on its error, for many entries at once.

With D(h) = (f(x + h) - f(x - h)) / 2h, noise level nu (every value is off by at most nu):

- truncation: D(h) - f' = h^2 f'''/6 + ..., of which |D(h) - D(2h)| is three times; where f''
  jumps (an elu at 0) the error falls with h only, and |D(h) - D(2h)| is just that error;
- rounding: at most nu / h;
- kinks: half the gap between the one-sided slopes, D+(h) - D-(h). Where f is smooth the gap is
  h f'' and doubles with the step; where it does not, a kink lies within the step, and D(h) may be
  off by half the gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.stencils import (
    BACKWARD,
    BACKWARD_TWO_STEPS,
    CENTRAL,
    FORWARD,
    FORWARD_TWO_STEPS,
)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BEND_TOLERANCE = 0.02
"""How far the gap may be from doubling with the step where f is called smooth."""

UNSEEN_KINK = 5.0
"""A kink whose gap hides in the noise moves D(h) by at most 5 nu / h (half of 10 nu / h)."""


@dataclass(frozen=True)
class Pair:
    """The loss on both sides of the point, one row per entry.

    Attributes:
        step: the effective step, half the distance of the two points as represented, (n,).
        plus: the loss at x + step, (n,).
        minus: the loss at x - step, (n,).
    """

    step: Array
    plus: Array
    minus: Array

    def central(self) -> Array:
        """D(h), (n,)."""
        return CENTRAL.apply({-1: self.minus, 1: self.plus}, self.step)

    def forward(self, center: float) -> Array:
        """The slope to the right, (n,)."""
        return FORWARD.apply({0: center, 1: self.plus}, self.step)

    def backward(self, center: float) -> Array:
        """The slope to the left, (n,)."""
        return BACKWARD.apply({0: center, -1: self.minus}, self.step)

    def gap(self, center: float) -> Array:
        """The slope to the right minus the slope to the left, (n,)."""
        return self.forward(center) - self.backward(center)

    def __getitem__(self, where: Mask | NDArray[np.intp]) -> Pair:
        return Pair(self.step[where], self.plus[where], self.minus[where])


@dataclass(frozen=True)
class Estimates:
    """Derivatives of the loss with their error bounds, one per entry, all (n,).

    Attributes:
        value: the derivative.
        bound: how far it may be from the truth.
        lower: the smallest derivative that is right; below `value` only at a kink.
        upper: the largest one.
        kink: whether a kink lies within every step that could decide: on the point, or nearer to
            it than the precision of this loss lets one see.
    """

    value: Array
    bound: Array
    lower: Array
    upper: Array
    kink: Mask

    @classmethod
    def smooth(cls, value: Array, bound: Array) -> Estimates:
        """Estimates with a single right value; what is not finite has no bound."""
        known = np.isfinite(value) & np.isfinite(bound)
        if not known.all():
            value = np.where(known, value, np.nan)
            bound = np.where(known, bound, np.inf)
        return cls(value, bound, value, value, np.zeros(value.shape, dtype=bool))

    def distance(self, claimed: Array) -> Array:
        """How far a claimed derivative is outside of what is right, (n,)."""
        if self.lower is self.upper:
            return np.asarray(np.abs(claimed - self.lower))
        return np.maximum(np.maximum(self.lower - claimed, claimed - self.upper), 0.0)

    def put(self, where: NDArray[np.intp], other: Estimates) -> Estimates:
        """These estimates with those of `other` in the places `where`."""

        def merged(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
            result = old.copy()
            result[where] = new
            return result

        return Estimates(
            merged(self.value, other.value),
            merged(self.bound, other.bound),
            merged(self.lower, other.lower),
            merged(self.upper, other.upper),
            merged(self.kink, other.kink),
        )

    def __getitem__(self, where: NDArray[np.intp] | Mask) -> Estimates:
        return Estimates(
            self.value[where],
            self.bound[where],
            self.lower[where],
            self.upper[where],
            self.kink[where],
        )


def rounding_error(pair: Pair, noise: float) -> Array:
    """What the noise of the loss can do to D(h): nu / h, (n,)."""
    return CENTRAL.noise_gain * noise / pair.step


def truncation_error(inner: Pair, outer: Pair) -> Array:
    """|D(h) - D(2h)| for pairs at h and 2h, (n,)."""
    return np.asarray(np.abs(inner.central() - outer.central()))


def bends(inner: Pair, outer: Pair, center: float, noise: float) -> Mask:
    """Where the gap of the one-sided slopes does not double from h to 2h: a kink is near, (n,)."""
    gap = inner.gap(center)
    gap_noise = 10 * noise / inner.step
    off = np.abs(outer.gap(center) - 2 * gap)
    return np.asarray(~(off <= BEND_TOLERANCE * np.abs(gap) + gap_noise))


def from_two_steps(inner: Pair, outer: Pair, center: float, noise: float) -> Estimates:
    """D(h) and its bound, from pairs at h and 2h; half the gaps are added where a kink is near."""
    near_kink = np.where(
        bends(inner, outer, center, noise),
        (np.abs(inner.gap(center)) + np.abs(outer.gap(center))) / 2,
        0.0,
    )
    bound = truncation_error(inner, outer) + rounding_error(inner, noise) + near_kink
    return Estimates.smooth(inner.central(), bound)


def from_three_steps(
    pairs: tuple[Pair, Pair, Pair], center: float, noise: float
) -> tuple[Estimates, Mask]:
    """Richardson's extrapolation from pairs at h, 2h and 4h, and where it cannot be used.

    E(h) = (4 D(h) - D(2h)) / 3 has an error of order h^4, of which |E(h) - E(2h)| is fifteen times;
    where f'' jumps it is of order h, and |E(h) - E(2h)| is just that. Three octaves leave a kink no
    place to look smooth.

    Returns:
        The estimates, and a mask of the entries within 4h of a kink, whose bound is the gap.
    """
    inner, middle, outer = pairs
    rounding = UNSEEN_KINK * rounding_error(inner, noise)
    near = bends(inner, middle, center, noise) | bends(middle, outer, center, noise)
    extrapolated = (4 * inner.central() - middle.central()) / 3
    coarser = (4 * middle.central() - outer.central()) / 3
    smooth_bound = np.abs(extrapolated - coarser) + 5 / 3 * rounding
    smooth_bound += BEND_TOLERANCE * np.abs(inner.gap(center))
    near_bound = truncation_error(inner, middle) + rounding
    near_bound += (np.abs(inner.gap(center)) + np.abs(middle.gap(center))) / 2
    value = np.where(near, inner.central(), extrapolated)
    return Estimates.smooth(value, np.where(near, near_bound, smooth_bound)), near


def at_kink(pairs: tuple[Pair, Pair, Pair], center: float, noise: float) -> Estimates:
    """One-sided slopes at a kink that no smaller step can get away from.

    The gap of a kink lasts over the steps, where that of noise changes its size and sign. Every
    value between the slopes is a right one (a subgradient); `lower` and `upper` include the
    rounding error. What lies outside is wrong only beyond `bound`, since a second kink on the
    other side may hide in the same step.
    """
    inner, middle, _ = pairs
    gaps = np.array([pair.gap(center) for pair in pairs])
    lasting = np.all(gaps > 0, axis=0) | np.all(gaps < 0, axis=0)
    lasting &= np.abs(gaps[2]) >= np.maximum(np.abs(gaps[0]) / 2, 3 * noise / inner.step)
    slopes = [
        inner.forward(center),
        inner.backward(center),
        FORWARD_TWO_STEPS.apply({0: center, 1: inner.plus, 2: middle.plus}, inner.step),
        BACKWARD_TWO_STEPS.apply({0: center, -1: inner.minus, -2: middle.minus}, inner.step),
    ]
    margin = FORWARD_TWO_STEPS.noise_gain * noise / inner.step
    estimates = Estimates.smooth(
        inner.central(),
        margin + np.abs(inner.gap(center)) + np.abs(middle.gap(center)),
    )
    lower, upper = np.min(slopes, axis=0) - margin, np.max(slopes, axis=0) + margin
    return replace(
        estimates,
        lower=np.where(lasting, lower, estimates.value),
        upper=np.where(lasting, upper, estimates.value),
        kink=np.isfinite(estimates.value) & lasting,
    )
