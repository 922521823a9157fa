"""From losses at a few steps to a derivative and a bound on its error, for many entries at once.

With D(h) = (f(x + h) - f(x - h)) / 2h, noise level nu (every value is off by at most nu):

- truncation: D(h) - f' = h^2 f'''/6 + ..., of which |D(h) - D(2h)| is three times, and
  |D(h) - D(4h)| fifteen times; where f'' jumps (an elu at 0) the error falls with h only;
- rounding: at most nu / h;
- kinks: half the gap between the one-sided slopes, D+(h) - D-(h). Where f is smooth the gap is
  h f'' and doubles with the step; where it does not, a kink lies within the step, and D(h) may be
  off by half the gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.stencils import BACKWARD, CENTRAL, FORWARD

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

ONE_SIDED = (4.0, 8.0)
"""Where a one-sided difference is evaluated, in steps."""

BEND_TOLERANCE = 0.02
"""How far the gap may be from doubling with the step where f is called smooth."""


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

    def largest_move(self, center: float) -> Array:
        """How far the loss moves from that at the point, to the side where it moves more, (n,)."""
        return np.asarray(np.fmax(np.abs(self.plus - center), np.abs(self.minus - center)))

    def is_flat(self, center: float) -> Mask:
        """Where the loss does not move at all, to the last bit, (n,)."""
        return np.asarray((self.plus == center) & (self.minus == center))

    def moves_both_ways(self, center: float) -> Mask:
        """Where the loss moves on both sides: beside a kink it may stay the same on one, (n,)."""
        return np.asarray((self.plus != center) & (self.minus != center))

    def put(self, where: Indices | tuple[Indices, Indices], other: Pair) -> Pair:
        """These values with those of `other` in the places `where`, which are changed."""
        self.step[where], self.plus[where], self.minus[where] = other.step, other.plus, other.minus
        return self

    def shifted(self, by: float) -> Pair:
        """The same slopes, of a function that is larger by so much."""
        return Pair(self.step, self.plus + by, self.minus + by)

    def __getitem__(self, where: Mask | Indices | tuple[Indices, Indices]) -> Pair:
        return Pair(self.step[where], self.plus[where], self.minus[where])


def one_sided(step: Array, near: Array, at_near: Array, far: Array, at_far: Array) -> Pair:
    """What stands for the values on both sides, where only one side can be evaluated, (n,) each.

    They lie on the parabola through the point, where it is 0, and two points on that side: an
    estimate of second order. `ONE_SIDED` steps away, these add no more noise than a central one.

    Args:
        step: of the pair.
        near: the distance of the nearer point, negative to the left.
        at_near: the value there, less that at the point.
        far: the distance of the other.
        at_far: the same there.
    """
    with np.errstate(all="ignore"):
        first = at_near / near
        bend = (at_far / far - first) / (far - near)
        slope = first - bend * near
        return Pair(step, (slope + bend * step) * step, (bend * step - slope) * step)


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
            apart = np.asarray(claimed - self.lower)
            return np.abs(apart, out=apart)
        return np.maximum(np.maximum(self.lower - claimed, claimed - self.upper), 0.0)

    def put(self, where: Indices, other: Estimates) -> Estimates:
        """These estimates with those of `other` in the places `where`."""
        found = Estimates(*(np.array(column) for column in self.columns))
        for old, new in zip(found.columns, other.columns, strict=True):
            old[where] = new
        return found

    def and_of(self, other: Estimates) -> Estimates:
        """These estimates, and then those of `other`."""
        pairs = zip(self.columns, other.columns, strict=True)
        return Estimates(*(np.concatenate(pair) for pair in pairs))

    @property
    def columns(self) -> tuple[Any, ...]:
        """All that is known, by its order above."""
        return self.value, self.bound, self.lower, self.upper, self.kink

    def __getitem__(self, where: Indices | Mask | slice) -> Estimates:
        value = self.value[where]
        lower, upper = (
            value if end is self.value else end[where] for end in (self.lower, self.upper)
        )
        return Estimates(value, self.bound[where], lower, upper, self.kink[where])


def largest_of(values: Array) -> float:
    """The size of the largest number that is finite; no copy is made where all are."""
    largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
    if np.isfinite(largest):
        return largest
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


def bends(inner: Pair, outer: Pair, center: float, noise: float) -> Mask:
    """Where the gap of the one-sided slopes does not double from h to 2h: a kink is near, (n,)."""
    gap = inner.gap(center)
    gap_noise = 10 * noise / inner.step
    off = np.abs(outer.gap(center) - 2 * gap)
    return np.asarray(~(off <= BEND_TOLERANCE * np.abs(gap) + gap_noise))
