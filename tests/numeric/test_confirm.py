"""What a step that is smaller than the rounding of an intermediate result shows."""

import numpy as np

from gradcheck.numeric.confirm import confirm
from gradcheck.numeric.estimate import Pair
from gradcheck.numeric.levels import FIRST, Asked, Levels

SLOPE, KINK, ROUNDING, FLAT = 5.3e-3, 1.9e-5, 5e-9, 1e-11


def rounded_loss(away):
    """A loss with a slope and a kink beside it, which is almost flat within the rounding."""
    noise = ROUNDING * np.sin(1e9 * away) * (np.abs(away) > FLAT)
    straight = SLOPE * away - 2 * SLOPE * np.maximum(away - KINK, 0)
    return 2.3 + np.where(np.abs(away) > FLAT, straight, 0.1 * SLOPE * away) + noise


def measured(entries, steps):
    return Pair(steps, rounded_loss(steps), rounded_loss(-steps))


def test_an_almost_flat_loss_within_the_rounding_of_an_intermediate_result_proves_nothing_wrong():
    rows, steps = np.array([0]), np.array([14 * KINK])
    first = measured(rows, steps)
    levels = Levels(measured, 2.3, rows, np.array([0.3]), np.array([1e-15]), first, True)
    asked = Asked(*(np.array([one]) for one in (SLOPE, 0, 1e-6, 6e-5, 1e-15, 7e-10, ROUNDING)))
    value, seen = first.central(), np.array([ROUNDING])
    assert abs(value[0]) < 0.1 * SLOPE
    wrong, _ = confirm(levels, asked, rows, value, np.array([FIRST]), np.array([6e-5]), seen)
    assert not wrong.any()
