"""The noise on a line of nine points, told by its differences."""

import math

import numpy as np
import pytest

from gradcheck.numeric.estimate import median_of
from gradcheck.numeric.noise import sigmas_of

PLACES = np.arange(-4.0, 5.0)


def by_differences(values, orders):
    return max(
        math.factorial(order)
        / math.sqrt(math.factorial(2 * order))
        * math.sqrt(np.mean(np.diff(values, n=order) ** 2))
        for order in orders
    )


def test_noise_is_what_its_differences_say():
    values = 3 + 2 * PLACES + 1e-6 * np.random.default_rng(0).normal(size=9)
    whole, quiet = sigmas_of(values)
    assert whole == pytest.approx(by_differences(values, (4, 5, 6)), rel=1e-6)
    assert quiet == whole


@pytest.mark.parametrize("extra", [(PLACES > 0) * 5.0, PLACES**2 * (PLACES > 0)])
def test_a_jump_or_kink_on_one_side_is_no_noise(extra):
    noise = 1e-6 * np.random.default_rng(1).normal(size=9)
    whole, quiet = sigmas_of(2 + noise + extra)
    assert whole > 1e-3
    assert quiet < 1e-5


def test_a_straight_line_has_no_noise_and_columns_are_told_apart():
    noise = 1e-6 * np.random.default_rng(2).normal(size=9)
    whole, _ = sigmas_of(np.column_stack([np.full(9, 7.0), 1 + PLACES * 2.0**-20, 1 + noise]))
    assert whole[0] == 0
    assert whole[1] < 1e-15
    assert 1e-7 < whole[2] < 1e-5


def test_a_parabola_at_its_minimum_has_no_noise():
    """Its differences are exact one after the other; a product with a matrix rounds them."""
    whole, _ = sigmas_of((PLACES * 2.0**-13) ** 2 * (1 + PLACES * 2.0**-13))
    assert whole < 1e-22


def test_the_median_of_even_and_odd_counts():
    for count in (1, 2, 5, 6):
        values = np.random.default_rng(count).normal(size=count)
        assert median_of(values) == np.median(values)
