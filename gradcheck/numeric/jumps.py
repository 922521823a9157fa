"""Finds jumps of a function of one number, such as an iteration that ends early makes.

Where such an iteration takes one pass more or less, its result jumps by about the error that its
tolerance leaves. Between its jumps the function is smooth: a polynomial through six points on one
side of a jump predicts the next values up to the jump, and misses those beyond it by its height.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.estimate import Array

Function = Callable[[float], float]

LINES = ((4e-3, 33), (2e-2, 33), (0.1, 65), (0.5, 97))
"""Half the length of each line around 0, shortest first, and how many points it has."""

DEGREE = 5
CLEAR = 8.0
"""A height is more than noise if it is so many times larger."""

AMPLIFICATION = 2**DEGREE
"""An extrapolation multiplies the noise of its values by up to twice as much."""

ONSET = 20.0
"""Beyond a jump, the prediction is off by so many times more than before it."""

SLOWER = 20.0
"""A value that takes so many times longer than the quickest is the last on its side."""

MOST_JUMPS = 4
HALVINGS = 32
POINTS = sum(points for _, points in LINES)
"""How many values a search takes that finds nothing; each bisection takes `HALVINGS` more."""


@dataclass(frozen=True)
class Jump:
    """A jump of a function: its height, and the two places beside it."""

    height: float
    before: float
    beyond: float


def largest_jump(function: Function, noise: float) -> Jump | None:
    """Return the largest jump on the shortest line that has one."""
    for half, points in LINES:
        places = np.linspace(-half, half, points)
        values = _values(function, places)
        jumps = [
            _bisected(function, places[last - DEGREE : last + 2], values[last - DEGREE : last + 2])
            for last in _onsets(values, noise)
        ]
        clear = [jump for jump in jumps if jump.height > CLEAR * noise]
        if clear:
            return max(clear, key=lambda jump: jump.height)
    return None


def _values(function: Function, places: Array) -> Array:
    """Return the values, asked for outwards; nan beyond one that takes far longer than others.

    Far away, an iteration may not converge; it takes more and more passes on the way there.
    """
    values = np.full(len(places), np.nan)
    middle, usual = len(places) // 2, np.inf
    for side in (range(middle, len(places)), range(middle - 1, -1, -1)):
        for index in side:
            value, seconds = _timed(function, float(places[index]))
            if seconds > SLOWER * usual and _timed(function, float(places[index]))[1] > seconds / 2:
                break
            values[index], usual = value, min(usual, seconds)
    return values


def _timed(function: Function, place: float) -> tuple[float, float]:
    start = time.perf_counter()
    value = function(place)
    return value, time.perf_counter() - start


def _onsets(values: Array, noise: float) -> Iterator[int]:
    """Yield the last position before each value that those before do not predict, at most a few."""
    # how far the polynomial through six values misses the next is their sixth difference
    missed = np.abs(np.diff(values, n=DEGREE + 1))
    with np.errstate(invalid="ignore"):
        begins = (missed[1:] > CLEAR * AMPLIFICATION * noise) & (missed[1:] > ONSET * missed[:-1])
    for window in np.flatnonzero(begins)[:MOST_JUMPS] + 1:
        yield int(window) + DEGREE


def _bisected(function: Function, places: Array, values: Array) -> Jump:
    """Return the jump between the last two places; its height is 0 if it is none.

    Bisects between a value that the polynomial through the first six predicts and one that it does
    not; what bends away from the polynomial vanishes as the interval shrinks, a jump stays.
    """
    before = np.polynomial.Polynomial.fit(places[:-1], values[:-1], DEGREE)
    (low, high), (at_low, at_high) = places[-2:], values[-2:]
    missed = abs(at_high - before(high))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        value = function(float(middle))
        if abs(value - before(middle)) > missed / 2:
            high, at_high = middle, value
        else:
            low, at_low = middle, value
    height = float(abs((at_high - at_low) - (before(high) - before(low))))
    return Jump(height if height > missed / 2 else 0.0, float(low), float(high))
