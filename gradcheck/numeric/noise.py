"""How precise the loss really is: measured, not assumed from a dtype.

Moré and Wild (Estimating computational noise, SIAM J. Sci. Comput. 33, 2011): on a line of points
so close together that a smooth function is nearly a polynomial of low degree, the k-th differences
hold nothing but noise, sigma_k^2 = (k!)^2 / (2k)! * mean((Delta^k f)^2). The spacing grows from
far below any precision until the noise shows, so that a loss that computes in float32, or adds a
large constant, is seen as what it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POINTS = 9
DIRECTIONS = 3
ORDERS = (4, 5, 6)
SPACINGS = tuple(10.0**power for power in np.arange(-9.0, -1.4, 1.5))
ROUNDING = 2 * np.finfo(np.float64).eps
NOISE_FACTOR = 4.0


@dataclass(frozen=True)
class Noise:
    """The precision of the loss near the point of the check.

    Attributes:
        level: the largest error expected in one value of the loss, absolute.
        relative: the same divided by the size of the loss.
        seconds: the time that one evaluation took (median).
        evaluations: how many evaluations this cost.
    """

    level: float
    relative: float
    seconds: float
    evaluations: int


def estimate_noise(
    loss: Callable[[Sequence[Array]], float],
    point: Sequence[Array],
    center: float,
    repeat_difference: float,
    rng: np.random.Generator,
) -> Noise:
    """Measures the noise of `loss` on short lines through `point`.

    Args:
        loss: takes one array per block.
        point: the blocks.
        center: the loss at the point.
        repeat_difference: how far a second evaluation there was from the first.
        rng: for the directions of the lines.
    """
    seconds: list[float] = []
    seen: list[float] = [center]
    sigmas = [_noise_on_a_line(loss, point, rng, seconds, seen) for _ in range(DIRECTIONS)]
    size = abs(center)
    level = max(
        ROUNDING * size,
        _single_precision(seen),
        NOISE_FACTOR * float(np.median(sigmas)),
        NOISE_FACTOR * repeat_difference,
        float(np.finfo(np.float64).tiny),
    )
    return Noise(
        level=level,
        relative=level / size if size else ROUNDING,
        seconds=float(np.median(seconds)),
        evaluations=len(seconds),
    )


def _single_precision(values: Sequence[float]) -> float:
    """The rounding of float32 where every value is one of its numbers, else 0."""
    finite = np.array([value for value in values if np.isfinite(value)])
    with np.errstate(over="ignore", under="ignore"):
        single = finite.astype(np.float32)
    if len(set(values)) == 1 or not np.array_equal(single, finite):
        return 0.0
    return float(np.finfo(np.float32).eps * np.max(np.abs(finite)))


def _noise_on_a_line(
    loss: Callable[[Sequence[Array]], float],
    point: Sequence[Array],
    rng: np.random.Generator,
    seconds: list[float],
    seen: list[float],
) -> float:
    direction = [random_signs(block.shape, rng) for block in point]
    largest = [float(np.abs(block).max(initial=0.0)) for block in point]
    for spacing in SPACINGS:
        floor = 1.0 if spacing == SPACINGS[-1] else 1e-3
        scale = [max(floor, size) for size in largest]
        values = np.empty(POINTS)
        for index in range(POINTS):
            distance = (index - POINTS // 2) * spacing
            moved = []
            for block, sign, size in zip(point, direction, scale, strict=True):
                along = np.asarray(np.multiply(sign, distance * size, dtype=np.float64))
                along += block
                moved.append(along)
            start = time.perf_counter()
            values[index] = loss(moved)
            seconds.append(time.perf_counter() - start)
        seen += values.tolist()
        if not np.all(np.isfinite(values)):
            return 0.0
        differences = np.diff(values, n=ORDERS[0])
        if np.count_nonzero(differences) >= len(differences) / 2:
            return max(_sigma(values, order) for order in ORDERS)
    return 0.0


def random_signs(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int8]:
    """Plus and minus ones, in a byte each."""
    signs = rng.integers(0, 2, shape, dtype=np.int8)
    return np.asarray(2 * signs - 1, dtype=np.int8)


def _sigma(values: Array, order: int) -> float:
    gamma = math.factorial(order) ** 2 / math.factorial(2 * order)
    return math.sqrt(gamma * float(np.mean(np.diff(values, n=order) ** 2)))
