"""Losses in steps, and losses that jump."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import REAL, precise
from benchmarks.fuzz.problem import Problem, family

KIND = "staircases, jumps"


def _bowl(rng: np.random.Generator, n: int) -> Any:
    A = rng.normal(size=(n, n))
    return lambda x, m: np.sum(m.sin(A @ x)) + np.sum(x**2) / 2


@family(KIND)
def rounded_loss(rng: np.random.Generator) -> Problem:
    """round(loss, d): the gradient is that of the loss that was rounded."""
    n, digits = int(rng.integers(1, 6)), int(rng.integers(2, 9))
    loss = _bowl(rng, n)
    return Problem(
        lambda x: round(float(loss(x, REAL)), digits),
        rng.normal(size=n),
        precise(loss),
        decidable=False,
        noise=0.5 * 10.0**-digits,
    )


@family(KIND)
def floors(rng: np.random.Generator) -> Problem:
    """The sum of floor(k x): the gradient is 0."""
    k = 2.0 ** rng.integers(0, 9)
    x = rng.normal(size=int(rng.integers(1, 6)))
    return Problem(lambda x: np.sum(np.floor(k * x)), x, np.zeros_like, decidable=False)


@family(KIND)
def quantised(rng: np.random.Generator) -> Problem:
    """round(k x) / k within a smooth loss: the gradient is 0 by what is quantised."""
    k = 2.0 ** rng.integers(3, 9)
    n = int(rng.integers(2, 6))
    c = rng.normal(size=n)
    return Problem(
        lambda x: np.sum(np.round(k * x[1:]) / k) + np.sum(c * np.sin(x)),
        rng.normal(size=n),
        lambda x: c * np.cos(x),
        decidable=False,
    )


@family(KIND)
def share_of_wrong_answers(rng: np.random.Generator) -> Problem:
    """An accuracy, whose gradient is 0."""
    X, t = rng.normal(size=(200, 5)), rng.random(200) > 0.5
    return Problem(
        lambda w: np.mean((X @ w > 0) != t), rng.normal(size=5), np.zeros_like, decidable=False
    )


@family(KIND)
def jump_beside(rng: np.random.Generator) -> Problem:
    """A smooth loss with one jump, near or far from the point."""
    n, distance = int(rng.integers(1, 6)), 10.0 ** rng.uniform(-12, -1)
    loss, x = _bowl(rng, n), rng.normal(size=n)
    edge, height = x[0] + distance, 10.0 ** rng.uniform(-6, 1)
    return Problem(
        lambda x: loss(x, REAL) + height * (x[0] > edge),
        x,
        precise(loss),
        decidable=distance > 1e-4,
    )


@family(KIND)
def integer_part_removed(rng: np.random.Generator) -> Problem:
    """The saw x - floor(x), smooth between its teeth."""
    n = int(rng.integers(1, 6))
    k = 10.0 ** rng.uniform(0, 4, n)

    x = rng.normal(size=n)
    to_a_jump = np.abs(k * x - np.round(k * x)) / k
    return Problem(
        lambda x: np.sum(np.sin(x) + k * x - np.floor(k * x)),
        x,
        lambda x: np.cos(x) + k,
        decidable=bool(np.min(to_a_jump) > 1e-7),
    )
