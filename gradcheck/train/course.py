"""What a curve of losses is called, decided by its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

FAR_ABOVE = 9.0
"""A curve that explodes ends above its first loss by more than this many times that loss."""

ABOVE = 0.1
"""The same for a curve that climbs."""

PEAK = 0.5
"""A curve that explodes on the way rises above its first loss by more than this, likewise."""

LEAST_FALL = 0.05
"""A curve has stalled if it falls by a smaller share of what it could fall."""

MOST = 0.9
"""Curves are timed until they have covered this share of the way down."""

LATE = 1.5
"""A slower curve takes more than this many times as long."""

STILL_FALLING = 0.01
"""A curve that still falls by at least this share in its last quarter is still on its way."""

ALIKE = 1e-6


@dataclass(frozen=True)
class Course:
    """A variant's losses, and those of the fixed one (or again its own) to compare them with."""

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
        """Its fall, as a share of the fixed variant's fall, or, alone, of its first loss."""
        whole = self._unit if self.fixed is self.losses else self.fixed[0] - self.fixed[-1]
        return (self.losses[0] - self.losses[-1]) / whole

    @property
    def late_fall(self) -> float:
        """How far it falls in its last quarter, as a share of the fixed variant's fall."""
        at = self.losses[(len(self.losses) - 1) * 3 // 4]
        return (at - self.losses[-1]) / (self.fixed[0] - self.fixed[-1])

    @property
    def delay(self) -> float:
        """How many times as long it takes for most of the way down; infinite if never."""
        level = self.fixed[0] - MOST * (self.fixed[0] - self.fixed[-1])
        own, of_fixed = (
            next((epoch for epoch, loss in enumerate(losses) if loss <= level), math.inf)
            for losses in (self.losses, self.fixed)
        )
        return own / max(of_fixed, 1)

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
"""What a curve is called: the first of these that holds."""


def verdict(losses: tuple[float, ...], fixed: tuple[float, ...] = ()) -> str:
    """What a curve is called.

    Args:
        losses: one at least.
        fixed: those of the fixed variant, or none. A curve is compared with them if they converge
            and both begin at the same loss.
    """
    alone = not fixed or fixed == losses or not math.isclose(fixed[0], losses[0], rel_tol=ALIKE)
    measured_by = losses if alone or verdict(fixed) != "converges" else fixed
    course = Course(losses, measured_by)
    return next(word for word, holds in VERDICTS if holds(course))
