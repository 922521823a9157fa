"""The heights of jumps of a function near 0."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.numeric.jumps import HALVINGS, LINES, MOST_JUMPS, POINTS, largest_jump


@given(
    at=st.floats(-0.3, 0.45).filter(lambda at: abs(at) > 1e-3),
    height=st.floats(1e-8, 1e-3),
    slope=st.floats(-2, 2),
)
def test_a_jump_has_its_height(at, height, slope):
    def function(place):
        return np.sin(slope * place) + np.exp(place) + height * (place > at)

    assert largest_jump(function, 1e-15).height == pytest.approx(height, rel=1e-3, abs=1e-13)


@pytest.mark.parametrize(
    "smooth",
    [
        lambda t: np.exp(3 * t),
        lambda t: 1 / (0.6 - t),
        lambda t: np.maximum(t - 0.013, 0) + np.cos(5 * t),
        lambda t: np.abs(t - 0.3) ** 1.5,
        lambda t: 1e6 * np.sin(20 * t),
        lambda t: np.nan if t > 0.05 else t**3,
        lambda t: np.sin(t) + 1e-10 * np.random.default_rng(int(1e9 * (t + 1))).uniform(-1, 1),
    ],
)
def test_what_is_no_jump(smooth):
    jump = largest_jump(smooth, max(1e-15, 4e-16 * abs(smooth(0.0))))
    assert jump is None or jump.height < 2e-10


def test_how_often_the_function_is_called():
    calls = []

    def function(place):
        calls.append(place)
        return np.floor(40 * place) / 40

    assert largest_jump(function, 1e-15).height == pytest.approx(1 / 40)
    assert len(calls) <= POINTS + len(LINES) * MOST_JUMPS * HALVINGS
