"""The Taylor test, common in adjoint codes: how fast the remainder of a Taylor expansion falls.

|f(x + h d) - f(x) - h g . d| falls with h^2 where g is the gradient, and with h where it is not
(dolfin-adjoint's taylor_test, Manopt's checkgradient).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.errors import UsageError
from gradcheck.numeric.estimate import Array
from gradcheck.numeric.loss_lines import random_sizes
from gradcheck.numeric.row_noise import RowNoise
from gradcheck.pictures.model import SlopeTest
from gradcheck.user.calls import UserCodeError, quietly
from gradcheck.user.problem import Problem
from gradcheck.user.vectors import Matrix, Vectors

RATIO = 4.0
STEPS = tuple(0.1 * RATIO**-power for power in range(14))
CLEAR = 8.0
"""A remainder is significant while it is at least this many times the noise."""

TELLING = 3
"""The order is the median over this many of the smallest significant steps."""

SECONDS = 0.5
"""Time limit: a picture should not delay the report."""

Remainder = Callable[[float], float]
"""Step h -> remainder of the Taylor expansion."""


def _along_a_line(problem: Problem, remainder: Remainder, noise: float) -> SlopeTest | None:
    """Carry out the test; None if the user's functions have changed, or raise."""
    with quietly(), problem.put_back():
        try:
            if not remainder(0.0) <= noise:
                return None
            left = np.array([remainder(step) for step in STEPS])
        except (UserCodeError, UsageError, KeyboardInterrupt):  # leave out the picture
            return None
    usable = np.isfinite(left) & (left > CLEAR * noise)
    end = len(left) if usable.all() else int(np.argmin(usable))
    order = None
    if end > TELLING:
        falls = np.log(left[: end - 1] / left[1:end]) / np.log(RATIO)
        order = float(np.median(falls[-TELLING:]))
    return SlopeTest(STEPS, tuple(left.tolist()), noise, order)


def of_point(point: Point, seed: int) -> SlopeTest | None:
    """Test a loss; None if it is slow or has changed, or the gradient is incomplete."""
    problem, values = point.problem, point.values
    if not all(block.gradient.verdict == "ok" for block in point.blocks):
        return None
    if len(STEPS) * point.noise.seconds > SECONDS or not problem.is_as_it_was():
        return None
    rng = np.random.default_rng(seed)
    gradients = [block.gradient.value for block in point.blocks]
    lines = [random_sizes(value, rng) for value in values]

    def remainder(step: float) -> float:
        moved = [value + step * line for value, line in zip(values, lines, strict=True)]
        there = problem.inside(moved)
        expected = sum(
            float(np.sum(gradient * (new - old)))
            for gradient, new, old in zip(gradients, there, values, strict=True)
            if gradient is not None
        )
        return abs(problem.loss([one.copy() for one in there]) - point.center - expected)

    return _along_a_line(problem, remainder, point.noise.level)


def of_vectors(
    vectors: Vectors, noise: RowNoise, center: Array, matrix: Matrix, seed: int
) -> SlopeTest | None:
    """Test all values of a vector function at once, each in units of its noise over the least."""
    if len(STEPS) * noise.seconds > SECONDS or not vectors.parameters.is_as_it_was():
        return None
    line = random_sizes(vectors.point, np.random.default_rng(seed))
    columns, rows = matrix.pattern.columns, matrix.pattern.rows
    least = float(np.min(noise.level))
    weights = least / noise.level

    def remainder(step: float) -> float:
        moved = vectors.inside(vectors.point + step * line)
        change = matrix.values * (moved - vectors.point)[columns]
        expected = np.bincount(rows, change, vectors.rows)
        return float(np.linalg.norm((vectors.moved(moved) - center - expected) * weights))

    problem = Problem(vectors.parameters, vectors.function, None)
    return _along_a_line(problem, remainder, least * float(np.sqrt(vectors.rows)))
