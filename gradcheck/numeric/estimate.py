"""Derivatives from losses at a few steps, with bounds on their errors, for many entries at once.

With D(h) = (f(x + h) - f(x - h)) / 2h and noise level nu (every value is off by at most nu):

- truncation: D(h) - f' = h^2 f'''/6 + ..., of which |D(h) - D(2h)| is three times, and
  |D(h) - D(4h)| fifteen times; where f'' jumps (an elu at 0) the error falls with h only;
- rounding: at most nu / h;
- kinks: half the gap between the one-sided slopes, D+(h) - D-(h). If f is smooth, the gap is h f''
  and doubles with the step. If it does not double, a kink lies within the step, and the error of
  D(h) may be half the gap.
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
"""The distances, in steps, of the two points of a one-sided difference."""

BEND_TOLERANCE = 0.02
"""Relative tolerance for the doubling of the gap with the step of a smooth function."""


@dataclass(frozen=True)
class Pair:
    """The loss on both sides of the point, one row per entry.

    Attributes:
        step: the effective step, half the distance of the two floating-point points, (n,).
        plus: the loss at x + step, (n,).
        minus: the loss at x - step, (n,).
        edge: whether one of the two is extrapolated, as only the other side can be evaluated, in
            pairs that have just been measured, (n,).
    """

    step: Array
    plus: Array
    minus: Array
    edge: Mask | None = None

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
        """The larger of the changes of the loss on both sides, (n,)."""
        return np.asarray(np.fmax(np.abs(self.plus - center), np.abs(self.minus - center)))

    def is_flat(self, center: float) -> Mask:
        """Where the loss is the same on both sides and at the point, to the last bit, (n,)."""
        return np.asarray((self.plus == center) & (self.minus == center))

    def moves_both_ways(self, center: float) -> Mask:
        """Where the loss changes on both sides, (n,); at a kink it may change on one only."""
        return np.asarray((self.plus != center) & (self.minus != center))

    def put(self, where: Indices | tuple[Indices, Indices], other: Pair) -> Pair:
        """Replaces the values at `where` by those of `other`, in place; returns itself."""
        self.step[where], self.plus[where], self.minus[where] = other.step, other.plus, other.minus
        return self

    def shifted(self, by: float) -> Pair:
        """The pair with a constant added to the losses."""
        return Pair(self.step, self.plus + by, self.minus + by)

    def __getitem__(self, where: Mask | Indices | tuple[Indices, Indices]) -> Pair:
        return Pair(self.step[where], self.plus[where], self.minus[where])


def one_sided(step: Array, near: Array, at_near: Array, far: Array, at_far: Array) -> Pair:
    """Extrapolated values on both sides, if only one side can be evaluated, (n,) each.

    They lie on the parabola through the point, where it is 0, and two points on one side, which
    gives a slope of second order. With points `ONE_SIDED` steps away its noise is no larger than
    that of a central difference.

    Args:
        step: the step of the pair.
        near: the distance of the nearer point, negative to the left.
        at_near: the value at the nearer point minus that at the point.
        far: the distance of the farther point.
        at_far: the value at the farther point minus that at the point.
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
        bound: the bound on its error.
        lower: the smallest right derivative; below `value` only at a kink.
        upper: the largest right derivative.
        kink: whether a kink lies on the point, or nearer to it than this loss can resolve.
    """

    value: Array
    bound: Array
    lower: Array
    upper: Array
    kink: Mask

    @classmethod
    def smooth(cls, value: Array, bound: Array) -> Estimates:
        """Estimates without kinks; an entry that is not finite has value nan and bound inf."""
        if not (_are_finite(value) and _are_finite(bound)):
            finite = np.isfinite(value) & np.isfinite(bound)
            value = np.where(finite, value, np.nan)
            bound = np.where(finite, bound, np.inf)
        return cls(value, bound, value, value, np.broadcast_to(False, value.shape))

    def distance(self, claimed: Array) -> Array:
        """The distance of claimed derivatives from the range of right ones, (n,)."""
        if self.lower is self.upper:
            apart = np.asarray(claimed - self.lower)
            return np.abs(apart, out=apart)
        return np.maximum(np.maximum(self.lower - claimed, claimed - self.upper), 0.0)

    def put(self, where: Indices, other: Estimates) -> Estimates:
        """A copy in which the entries at `where` are those of `other`."""
        copy = Estimates(*(np.array(column) for column in self.columns))
        for old, new in zip(copy.columns, other.columns, strict=True):
            old[where] = new
        return copy

    def and_of(self, other: Estimates) -> Estimates:
        """These estimates followed by those of `other`."""
        pairs = zip(self.columns, other.columns, strict=True)
        return Estimates(*(np.concatenate(pair) for pair in pairs))

    @property
    def columns(self) -> tuple[Any, ...]:
        """All arrays, in the order of the attributes."""
        return self.value, self.bound, self.lower, self.upper, self.kink

    def __getitem__(self, where: Indices | Mask | slice) -> Estimates:
        value = self.value[where]
        lower, upper = (
            value if end is self.value else end[where] for end in (self.lower, self.upper)
        )
        return Estimates(value, self.bound[where], lower, upper, self.kink[where])


def _are_finite(values: Array) -> bool:
    """Whether all numbers are finite; that is seen by their ends, without an array of its own."""
    return bool(np.isfinite(values.max(initial=0.0)) and np.isfinite(values.min(initial=0.0)))


def largest_of(values: Array) -> float:
    """The largest absolute value of the finite numbers; makes no copy if all are finite."""
    largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))
    if np.isfinite(largest):
        return largest
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values)))


def median_of(values: Array) -> float:
    """The median of a few numbers; `np.median` takes most of its time to look at its arguments."""
    ordered, half = np.sort(values), len(values) // 2
    return float(ordered[half] + ordered[~half]) / 2


def bends(inner: Pair, outer: Pair, center: float, noise: float) -> Mask:
    """Where a kink is near: the gap of the one-sided slopes does not double from h to 2h, (n,)."""
    gap = inner.gap(center)
    gap_noise = 10 * noise / inner.step
    off = np.abs(outer.gap(center) - 2 * gap)
    return np.asarray(~(off <= BEND_TOLERANCE * np.abs(gap) + gap_noise))
