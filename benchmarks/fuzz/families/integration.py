"""Differential equations in explicit steps: the gradient is that of the steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import from_formula, tangent
from benchmarks.fuzz.problem import DOORS, Array, Problem, family

KIND = "integration"
EVERY = (*DOORS, "step")


def rk4(slope: Any, y: Array, step: float, count: int) -> Array:
    """The classical method of Runge and Kutta."""
    for _ in range(count):
        k1 = slope(y)
        k2 = slope(y + step / 2 * k1)
        k3 = slope(y + step / 2 * k2)
        y = y + step / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + step * k3))
    return y


@family(KIND, EVERY)
def pendulum(rng: np.random.Generator) -> Problem:
    """Euler's method; parameters are the start, the length and the friction."""
    count, step = int(rng.integers(10, 200)), 10.0 ** rng.uniform(-3, -1)

    def loss(x: Array, m: Any) -> Any:
        angle, speed = x[0], x[1]
        for _ in range(count):
            change = -m.sin(angle) / x[2] - x[3] * speed
            angle, speed = angle + step * speed, speed + step * change
        return angle**2 + speed**2

    return from_formula(loss, np.array([rng.normal(), rng.normal(), 1.3, 0.2]), tangent)


@family(KIND, EVERY)
def predator_prey(rng: np.random.Generator) -> Problem:
    """Lotka and Volterra's equations by Runge and Kutta's method, fitted to a state."""
    count, goal = int(rng.integers(5, 40)), rng.uniform(0.5, 2, 2)

    def loss(x: Array, m: Any) -> Any:
        def slope(y: Array) -> Array:
            return np.stack([x[0] * y[0] - x[1] * y[0] * y[1], x[2] * y[0] * y[1] - x[3] * y[1]])

        return np.sum((rk4(slope, x[4:], 0.1, count) - goal) ** 2)

    return from_formula(loss, rng.uniform(0.5, 1.5, 6), tangent)


@family(KIND, EVERY)
def butterfly(rng: np.random.Generator) -> Problem:
    """Lorenz's equations: derivatives that grow exponentially with time."""
    count = int(rng.integers(10, 500))

    def loss(x: Array, m: Any) -> Any:
        def slope(y: Array) -> Array:
            return np.stack(
                [x[3] * (y[1] - y[0]), y[0] * (x[4] - y[2]) - y[1], y[0] * y[1] - x[5] * y[2]]
            )

        return np.sum(rk4(slope, x[:3], 0.02, count))

    return from_formula(loss, np.array([*rng.normal(size=3), 10.0, 28.0, 8 / 3]), tangent)


@family(KIND, EVERY)
def stiff_decay(rng: np.random.Generator) -> Problem:
    """Rates six decades apart, in logarithms."""

    def loss(x: Array, m: Any) -> Any:
        y = np.ones(3) + 0 * x
        rates = m.exp(x)
        for _ in range(30):
            y = y / (1 + 0.1 * rates)
        return np.sum(y) + np.sum(y * y)

    return from_formula(loss, rng.uniform(-7, 3, size=3), tangent)
