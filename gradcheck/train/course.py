"""Classify the course of a training loss: it converges, stalls, climbs or explodes."""

from __future__ import annotations

import math

FAR_ABOVE = 9.0
"""An exploding curve ends more than this many times its first loss above that loss."""

ABOVE = 0.1
"""A climbing curve ends more than this many times its first loss above that loss."""

PEAK = 0.5
"""A curve that explodes and stalls has a peak this many times its first loss above that loss."""

LEAST_FALL = 0.05
"""A stalling curve covers less than this share of the possible descent."""

MOST = 0.9
"""The speed of a curve is the number of epochs in which it covers this share of the descent."""

LATE = 1.5
"""A slower curve takes more than this many times as many epochs."""

STILL_FALLING = 0.01
"""A curve that covers at least this share of the descent in its last quarter has not stalled."""

ALIKE = 1e-6


def verdict(losses: tuple[float, ...], fixed: tuple[float, ...] = ()) -> str:
    """Classify a curve of at least one loss.

    Its standard is the curve `fixed`, if this converges and both begin with the same loss.
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
    """Return the number of epochs until the loss falls to a level; infinite if it never does."""
    return next((epoch for epoch, loss in enumerate(losses) if loss <= level), math.inf)
