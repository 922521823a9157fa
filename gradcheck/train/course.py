"""What a curve of losses is called, decided by its numbers."""

from __future__ import annotations

import math

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


def verdict(losses: tuple[float, ...], fixed: tuple[float, ...] = ()) -> str:
    """What a curve of one loss at least is called.

    It is compared with that of the fixed variant if this converges and both begin at the same loss.
    """
    alone = not fixed or fixed == losses or not math.isclose(fixed[0], losses[0], rel_tol=ALIKE)
    if alone or verdict(fixed) != "converges":
        fixed = losses
    first, last, unit = losses[0], losses[-1], abs(losses[0]) or 1.0
    if not (math.isfinite(first) and math.isfinite(last)) or (last - first) / unit > FAR_ABOVE:
        return "explodes"
    if (last - first) / unit > ABOVE:
        return "climbs"
    way = fixed[0] - fixed[-1]
    highest = max(loss if math.isfinite(loss) else math.inf for loss in losses)
    if (first - last) / (unit if fixed is losses else way) < LEAST_FALL:
        return "explodes and stalls" if (highest - first) / unit > PEAK else "stalls"
    delay = _epochs_to(fixed[0] - MOST * way, losses) / max(
        _epochs_to(fixed[0] - MOST * way, fixed), 1
    )
    late = losses[(len(losses) - 1) * 3 // 4]
    if delay == math.inf and (late - last) / way < STILL_FALLING:
        return "stalls"
    return "converges slower" if delay > LATE else "converges"


def _epochs_to(level: float, losses: tuple[float, ...]) -> float:
    """How many epochs a curve takes down to a level; infinite if it never comes there."""
    return next((epoch for epoch, loss in enumerate(losses) if loss <= level), math.inf)
