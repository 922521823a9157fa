"""Plateaus: is a loss that does not move a staircase, or flat up to a kink?

A parameter that is rounded to float32 or float16 makes a staircase, on which the derivative 0 says
nothing; a unit that is off makes a plateau, on which it is right. A step ends in a jump, on both
sides; a plateau ends in a kink, beyond which the loss moves little at first.
"""

from __future__ import annotations

import numpy as np

from gradcheck.numeric.estimate import Array, Indices, Mask
from gradcheck.numeric.levels import Levels
from gradcheck.numeric.steps import HALF_PRECISION

WIDE = 4 * HALF_PRECISION
"""Where the rounding to a float16 shows."""

NEAR = 1.2
"""The end of a plateau is found to this factor."""

JUMPS = 0.5


def on_plateau(levels: Levels, rows: Indices, level: Indices) -> Mask:
    """Where the loss does not move at a level, on a plateau that rounding may have made, (n,)."""
    pair = levels.known((rows, level))
    return np.asarray(
        pair.is_flat(levels.center) & (pair.step < HALF_PRECISION * levels.sizes[rows])
    )


def on_step(levels: Levels, rows: Indices, level: Indices) -> Mask:
    """Where a plateau at a level is one of a staircase, (n,); what is none is noted in `levels`."""
    found = np.asarray(on_plateau(levels, rows, level) & ~levels.ends_in_kink[rows])
    wide = levels.at_least(rows, WIDE * levels.sizes[rows])
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
