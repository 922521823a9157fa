"""Plateaus: is a loss that does not move a staircase, or flat up to a kink?

A parameter that is rounded to float32 or float16 makes a staircase, on which the derivative 0 says
nothing; a unit that is off makes a plateau, on which it is right. A step ends in a jump, on both
sides; a plateau ends in a kink, beyond which the loss moves little at first.
"""

from __future__ import annotations

import numpy as np

from gradcheck.numeric.estimate import Array, Indices, Mask, Pair
from gradcheck.numeric.levels import Levels
from gradcheck.numeric.steps import HALF_PRECISION

WIDER = 4.0
WIDE = WIDER * HALF_PRECISION
"""Where the rounding to a float16 shows."""

NEAR = 1.2
"""The end of a plateau is found to this factor."""

JUMPS = 0.5

HALVINGS = 16
A_JUMP = 1 / 64
"""Where a loss jumps, a stretch halved so often holds more than this of what the whole one holds;
where it bends, less than a thousandth of that."""

SHARE = 1 / 8
WIDEST = 0.1


def on_plateau(levels: Levels, rows: Indices, level: Indices) -> Mask:
    """Where the loss does not move at a level, on a plateau that rounding may have made, (n,)."""
    pair = levels.known((rows, level))
    return np.asarray(pair.is_flat(levels.center) & (pair.step < levels.plateaus[rows]))


def on_step(levels: Levels, rows: Indices, level: Indices) -> Mask:
    """Where a plateau at a level is one of a staircase, (n,); what is none is noted in `levels`."""
    found = np.asarray(on_plateau(levels, rows, level) & ~levels.ends_in_kink[rows])
    wide = levels.at_least(rows, WIDER * levels.plateaus[rows])
    flat = np.flatnonzero(found)
    further = levels.ask(rows[flat], wide[flat])
    both = further.moves_both_ways(levels.center)
    found[flat[~both]] = False
    flat = flat[both]
    jumps = _jumps(levels, rows[flat], levels.known((rows[flat], level[flat])).step, wide[flat])
    found[flat[~jumps]] = False
    levels.ends_in_kink[rows[flat[~jumps]]] = True
    return found


def _jumps(levels: Levels, rows: Indices, flat: Array, wide: Indices) -> Mask:
    """Whether the loss jumps where it first moves, between a flat step and a wide one."""
    pair = levels.known((rows, wide))
    low, high, move = flat.copy(), pair.step.copy(), pair.largest_move(levels.center)
    usual = move / high
    open_ = np.arange(len(rows))
    while len(open_):
        open_ = open_[high[open_] > NEAR * low[open_]]
        middle = np.sqrt(low[open_] * high[open_])
        found = levels.at_steps(rows[open_], middle).largest_move(levels.center)
        moves = found > 0
        low[open_[~moves]] = middle[~moves]
        high[open_[moves]], move[open_[moves]] = middle[moves], found[moves]
    return np.asarray(move / high > JUMPS * usual)


def jumps_beside(levels: Levels, row: int, slope: float, missing: float, noise: float) -> bool:
    """Whether the loss jumps on both sides of an entry, no further off than float16 rounds.

    A term that is rounded to that is flat between its jumps, and what they add up to is missing in
    the slope of smaller steps. The slope is that of small steps, of which so much may be missing.
    """
    size = float(levels.sizes[row])
    # the result of the term may be rounded, too
    wide = min(max(WIDE * size, WIDE * abs(levels.center) / missing), WIDEST * size)
    rows = np.array([row])
    level = levels.at_least(rows, np.array([wide]))

    def missing_at(pair: Pair) -> Array:
        """How far the loss is from the straight line of the slope, to the left and right."""
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
        half = np.diag([missing_at(levels.at_steps(rows, middle[[side]])) for side in (0, 1)])
        first = np.abs(half - at_low) >= np.abs(at_high - half)
        low, at_low = np.where(first, low, middle), np.where(first, at_low, half)
        high, at_high = np.where(first, middle, high), np.where(first, half, at_high)
    return bool(np.all(np.abs(at_high - at_low) > np.fmax(A_JUMP * whole, 4 * noise)))
