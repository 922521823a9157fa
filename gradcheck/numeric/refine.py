"""Entries that two steps cannot decide: a ladder of steps, Richardson, and kinks.

Smaller steps get away from kinks and truncation, larger ones from rounding. What no step of the
ladder can separate from a kink is judged by its one-sided slopes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.estimate import (
    Array,
    Estimates,
    Mask,
    Pair,
    at_kink,
    from_three_steps,
    rounding_error,
)

Indices = NDArray[np.intp]
Measure = Callable[[Indices, Array], Pair]
"""The loss on both sides of the given entries, at one step for each."""

FACTOR = 8.0
ROUNDS = 7
LARGEST_LADDER_STEP = 0.1
MOSTLY_ROUNDING = 20.0


def refine(
    measure: Measure,
    center: float,
    noise: float,
    entries: Indices,
    claimed: Array,
    precision: float,
    first_step: float,
    limit: float,
) -> Estimates:
    """Better estimates for a few entries of one block.

    Args:
        measure: evaluates the loss.
        center: the loss at the point.
        noise: the largest error of one value of the loss.
        entries: flat indices, (n,).
        claimed: the analytic derivatives, nan where there are none, (n,).
        precision: the rounding error of the analytic derivatives.
        first_step: where the ladder begins.
        limit: the bound that is small enough to call an entry right.
    """
    count = len(entries)
    best = Estimates.smooth(np.full(count, np.nan), np.full(count, np.inf))
    steps = np.full(count, first_step)
    came_from = np.zeros(count)
    beside_kink = np.zeros(count, dtype=bool)
    open_ = np.arange(count)
    for _ in range(ROUNDS):
        if not len(open_):
            break
        pairs = _three_pairs(measure, entries[open_], steps[open_])
        found, near_kink = from_three_steps(pairs, center, noise)
        better = found.bound < best.bound[open_]
        best = best.put(open_[better], found[better])
        beside_kink[open_] |= near_kink
        settled = _is_settled(best[open_], claimed[open_], precision, limit, ~near_kink)
        going = ~settled
        rounding = rounding_error(pairs[0], noise)
        direction = np.where(~near_kink & (found.bound <= MOSTLY_ROUNDING * rounding), 1.0, -1.0)
        exhausted = np.where(
            direction > 0, steps[open_] * FACTOR > LARGEST_LADDER_STEP, rounding * FACTOR > limit
        )
        stuck = going & near_kink & exhausted
        best = best.put(open_[stuck], at_kink(_three(pairs, stuck), center, noise))
        going &= ~exhausted & (direction * came_from[open_] >= 0)
        came_from[open_] = direction
        steps[open_] *= FACTOR**direction
        open_ = open_[going]
    undecided = ~_is_settled(best, claimed, precision, limit, ~beside_kink)
    return replace(best, kink=best.kink | (undecided & beside_kink))


def _three_pairs(measure: Measure, entries: Indices, steps: Array) -> tuple[Pair, Pair, Pair]:
    return (
        measure(entries, steps),
        measure(entries, 2 * steps),
        measure(entries, 4 * steps),
    )


def _three(pairs: tuple[Pair, Pair, Pair], where: Mask) -> tuple[Pair, Pair, Pair]:
    return pairs[0][where], pairs[1][where], pairs[2][where]


def _is_settled(
    estimates: Estimates, claimed: Array, precision: float, limit: float, smooth: Mask
) -> Mask:
    """Where the bound decides: the claim agrees and the bound is small, or the claim is far off.

    Far off means little beside a kink: the gaps of two kinks may cancel.
    """
    distance = estimates.distance(claimed)
    agrees = (distance <= estimates.bound + precision) | np.isnan(claimed)
    return np.asarray(
        (agrees & (estimates.bound <= limit))
        | (smooth & (distance > 2 * (estimates.bound + precision)))
    )
