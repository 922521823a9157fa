"""What a curve of losses is called, decided by its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

FAR_ABOVE = 9.0
"""By so many times its first loss a curve that explodes ends above it."""

ABOVE = 0.1
"""The same of one that climbs."""

PEAK = 0.5
"""So far above its first loss is one that explodes on the way."""

LEAST_FALL = 0.05
"""What falls by less of what there was to fall has stalled."""

MOST = 0.9
"""The share of the way that two curves are timed over."""

LATE = 1.5
"""How many times as long a slower one takes for it."""

STILL_FALLING = 0.01
"""What a curve that is still on its way falls in its last quarter."""

ALIKE = 1e-6


@dataclass(frozen=True)
class Course:
    """The numbers of a curve that its verdict is decided by, as shares of what there was to fall.

    Attributes:
        losses: of the variant.
        fixed: those that it is measured by: the fixed variant's, or its own.
    """

    losses: tuple[float, ...]
    fixed: tuple[float, ...]

    @property
    def finite(self) -> bool:
        """Whether it begins and ends with a number."""
        return math.isfinite(self.losses[0]) and math.isfinite(self.losses[-1])

    @property
    def rise(self) -> float:
        """By how much it ends above its beginning, in units of the first loss."""
        return (self.losses[-1] - self.losses[0]) / self._unit

    @property
    def peak(self) -> float:
        """By how much it ever was above its beginning, in the same units."""
        highest = max(loss if math.isfinite(loss) else math.inf for loss in self.losses)
        return (highest - self.losses[0]) / self._unit

    @property
    def fall(self) -> float:
        """How much of what the fixed variant's loss falls it falls; alone, of the first loss."""
        whole = self._unit if self.fixed is self.losses else self.fixed[0] - self.fixed[-1]
        return (self.losses[0] - self.losses[-1]) / whole

    @property
    def late_fall(self) -> float:
        """How much of that comes in the last quarter."""
        at = self.losses[(len(self.losses) - 1) * 3 // 4]
        return (at - self.losses[-1]) / (self.fixed[0] - self.fixed[-1])

    @property
    def delay(self) -> float:
        """How many times as long it takes for most of the way; infinite if it never gets there."""
        level = self.fixed[0] - MOST * (self.fixed[0] - self.fixed[-1])
        ours, theirs = (
            next((epoch for epoch, loss in enumerate(losses) if loss <= level), math.inf)
            for losses in (self.losses, self.fixed)
        )
        return ours / max(theirs, 1)

    @property
    def _unit(self) -> float:
        return abs(self.losses[0]) or 1.0


VERDICTS: tuple[tuple[str, Callable[[Course], bool]], ...] = (
    ("explodes", lambda course: not course.finite or course.rise > FAR_ABOVE),
    ("climbs", lambda course: course.rise > ABOVE),
    ("explodes and stalls", lambda course: course.peak > PEAK and course.fall < LEAST_FALL),
    ("stalls", lambda course: course.fall < LEAST_FALL),
    ("stalls", lambda course: course.delay == math.inf and course.late_fall < STILL_FALLING),
    ("converges slower", lambda course: course.delay > LATE),
    ("converges", lambda course: True),
)
"""What a curve is called, the first that holds."""


def verdict(losses: tuple[float, ...], fixed: tuple[float, ...] = ()) -> str:
    """What a curve is called.

    Args:
        losses: one at least.
        fixed: the fixed variant's, which a curve is measured by that begins at the same loss, if
            they converge; empty where there are none.
    """
    alone = not fixed or fixed == losses or not math.isclose(fixed[0], losses[0], rel_tol=ALIKE)
    measured_by = losses if alone or verdict(fixed) != "converges" else fixed
    course = Course(losses, measured_by)
    return next(word for word, holds in VERDICTS if holds(course))
