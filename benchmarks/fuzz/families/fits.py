"""Curves fitted by least squares, and losses of regression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.fuzz.exact import REAL, from_formula
from benchmarks.fuzz.problem import DOORS, Array, Problem, family

KIND = "curve fits"
EVERY = (*DOORS, "step")
Curve = Callable[[Array, Any], Any]


def fitted(rng: np.random.Generator, curve: Curve, true: Array) -> Problem:
    """The mean squared error of a curve, beside the parameters that the data were drawn with."""
    y = curve(true, REAL)
    y = y + 10.0 ** rng.uniform(-4, -1) * np.std(y) * rng.normal(size=y.size)
    start = true * rng.uniform(0.8, 1.25, true.size)
    return from_formula(lambda x, m: np.mean((curve(x, m) - y) ** 2), start)


@family(KIND, EVERY)
def michaelis_menten(rng: np.random.Generator) -> Problem:
    """V s / (K + s), V and K of any size."""
    K = 10.0 ** rng.uniform(-3, 3)
    s = K * np.linspace(0.1, 5, 15)
    return fitted(rng, lambda x, m: x[0] * s / (x[1] + s), np.array([rng.uniform(1, 50), K]))


@family(KIND, EVERY)
def two_exponentials(rng: np.random.Generator) -> Problem:
    """A sum of two decays."""
    t = np.linspace(0, 4, 20)
    return fitted(
        rng,
        lambda x, m: x[0] * m.exp(-x[1] * t) + x[2] * m.exp(-x[3] * t),
        np.array([2.0, 0.5, 1.0, 3.0]) * rng.uniform(0.5, 2, 4),
    )


@family(KIND, EVERY)
def peaks(rng: np.random.Generator) -> Problem:
    """Gaussian peaks by height, place and width."""
    count = int(rng.integers(1, 4))
    t = np.linspace(-3, 3, 25)

    def curve(x: Array, m: Any) -> Any:
        height, place, width = x[::3], x[1::3], x[2::3]
        return sum(
            a * m.exp(-(((t - b) / c) ** 2) / 2)
            for a, b, c in zip(height, place, width, strict=True)
        )

    true = np.column_stack(
        [rng.uniform(1, 3, count), rng.normal(size=count), rng.uniform(0.2, 1, count)]
    )
    return fitted(rng, curve, true.ravel())


@family(KIND, EVERY)
def logistic_growth(rng: np.random.Generator) -> Problem:
    """A sigmoid in time: capacity, rate and half-time."""
    t = np.linspace(0, 10, 20)
    true = np.array([10.0 ** rng.uniform(0, 4), rng.uniform(0.5, 2), rng.uniform(3, 6)])
    return fitted(rng, lambda x, m: x[0] / (1 + m.exp(-x[1] * (t - x[2]))), true)


@family(KIND, EVERY)
def damped_wave(rng: np.random.Generator) -> Problem:
    """A decaying cosine."""
    t = np.linspace(0, 5, 30)
    true = np.array([rng.uniform(1, 3), rng.uniform(0.1, 1), rng.uniform(2, 12), rng.uniform(0, 1)])
    return fitted(rng, lambda x, m: x[0] * m.exp(-x[1] * t) * m.cos(x[2] * t + x[3]), true)


@family(KIND, EVERY)
def ill_conditioned_polynomial(rng: np.random.Generator) -> Problem:
    """Powers up to the ninth as columns."""
    t = np.linspace(0, 1, 15)
    powers = np.vander(t, int(rng.integers(4, 11)), increasing=True)
    return fitted(rng, lambda x, m: powers @ x, rng.normal(size=powers.shape[1]))
