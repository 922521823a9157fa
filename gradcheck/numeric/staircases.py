"""Distinguishes staircases from plateaus where the loss does not change.

A parameter that is rounded to float32 or float16 makes the loss a staircase, on which the slope 0
says nothing. An inactive unit makes a plateau, on which the slope 0 is right. A step of a staircase
ends in a jump on both sides; a plateau ends in a kink, beyond which the loss changes slowly.
"""

from __future__ import annotations

import numpy as np

from gradcheck.numeric.estimate import Array, Indices, Mask, Pair
from gradcheck.numeric.levels import Levels
from gradcheck.numeric.steps import HALF_PRECISION

WIDER = 4.0
WIDE = WIDER * HALF_PRECISION
"""A step, relative to the parameter, at which rounding to a float16 shows."""

NEAR = 1.2
"""The end of a plateau is located up to this factor."""

JUMPS = 0.5

HALVINGS = 16
A_JUMP = 1 / 64
"""In `HALVINGS` bisections a jump keeps more than this share of the change over the interval; a
bend keeps less after six or seven."""

SHARE = 1 / 8
WIDEST = 0.1


def on_plateau(levels: Levels, rows: Indices, level: Indices) -> Mask:
    """Where the loss is constant at a level, on a plateau that may come from rounding, (n,)."""
    pair = levels.known((rows, level))
    return np.asarray(pair.is_flat(levels.center) & (pair.step < levels.plateaus[rows]))


def on_step(levels: Levels, rows: Indices, level: Indices) -> Mask:
    """Where a plateau at a level is a step of a staircase, (n,); sets `levels.ends_in_kink`."""
    on_staircase = np.asarray(on_plateau(levels, rows, level) & ~levels.ends_in_kink[rows])
    wide = levels.at_least(rows, WIDER * levels.plateaus[rows])
    flat = np.flatnonzero(on_staircase)
    further = levels.ask(rows[flat], wide[flat])
    both = further.moves_both_ways(levels.center)
    on_staircase[flat[~both]] = False
    flat = flat[both]
    jumps = _jumps(levels, rows[flat], levels.known((rows[flat], level[flat])).step, wide[flat])
    on_staircase[flat[~jumps]] = False
    levels.ends_in_kink[rows[flat[~jumps]]] = True
    return on_staircase


def _jumps(levels: Levels, rows: Indices, flat: Array, wide: Indices) -> Mask:
    """Where the loss first changes by a jump, between a flat step and a wide one, (n,)."""
    pair = levels.known((rows, wide))
    low, high, move = flat.copy(), pair.step.copy(), pair.largest_move(levels.center)
    usual = move / high
    open_ = np.arange(len(rows))
    while len(open_):
        open_ = open_[high[open_] > NEAR * low[open_]]
        middle = np.sqrt(low[open_] * high[open_])
        change = levels.at_steps(rows[open_], middle).largest_move(levels.center)
        moves = change > 0
        low[open_[~moves]] = middle[~moves]
        high[open_[moves]], move[open_[moves]] = middle[moves], change[moves]
    return np.asarray(move / high > JUMPS * usual)


def jumps_beside(levels: Levels, row: int, slope: float, missing: float, noise: float) -> bool:
    """Whether the loss jumps on both sides of an entry, within the rounding of a float16.

    A term rounded to float16 is flat between its jumps, so that small steps do not see its slope.
    Beyond the edge of what can be evaluated, where losses are extrapolated, nothing is seen.
    `slope` is the slope at small steps, and `missing` is the part of it that may be missing.
    """
    size = float(levels.sizes[row])
    # the result of the term may be rounded too, not only its parameter
    wide = min(max(WIDE * size, WIDE * abs(levels.center) / missing), WIDEST * size)
    rows = np.array([row])
    level = levels.at_least(rows, np.array([wide]))

    def missing_at(pair: Pair) -> Array:
        """The distances of the loss from the line with this slope, to the left and right, (2,)."""
        sides = np.array([pair.minus[0], pair.plus[0]])
        return np.asarray(sides - levels.center - slope * pair.step[0] * np.array([-1.0, 1.0]))

    pair = levels.ask(rows, level)
    high = np.full(2, pair.step[0])
    low, at_low, at_high = np.zeros(2), np.zeros(2), missing_at(pair)
    whole = np.abs(at_high)
    if not np.all(whole >= SHARE * missing * high):
        return False
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        pairs = [levels.at_steps(rows, middle[[side]]) for side in (0, 1)]
        if any(each.edge is not None and each.edge.any() for each in pairs):
            return False
        half = np.diag([missing_at(each) for each in pairs])
        first = np.abs(half - at_low) >= np.abs(at_high - half)
        low, at_low = np.where(first, low, middle), np.where(first, at_low, half)
        high, at_high = np.where(first, middle, high), np.where(first, half, at_high)
        if not np.all(np.abs(at_high - at_low) > np.fmax(A_JUMP * whole, 4 * noise)):
            return False
    return True
