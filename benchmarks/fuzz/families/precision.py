"""Losses computed in float32 or float16, in part or in whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import REAL, from_formula, precise
from benchmarks.fuzz.problem import Array, Problem, family

KIND = "low and mixed precision"
VECTOR = ("vector", "blocks", "all")


def _smooth(rng: np.random.Generator, n: int) -> Any:
    A = rng.normal(size=(n, n)).astype(np.float16).astype(np.float64)

    def loss(x: Array, m: Any) -> Any:
        return np.sum(m.tanh(A.astype(x.dtype) @ x) ** 2) + np.sum(m.exp(x / 4))

    return loss


@family(KIND, VECTOR)
def single_inside(rng: np.random.Generator) -> Problem:
    """The loss casts its parameters to float32 and computes in it."""
    n = int(rng.integers(2, 7))
    loss = _smooth(rng, n)
    return Problem(lambda x: loss(x.astype(np.float32), REAL), rng.normal(size=n), precise(loss))


@family(KIND, VECTOR)
def half_inside(rng: np.random.Generator) -> Problem:
    """The same in float16: errors of a thousandth."""
    n = int(rng.integers(2, 7))
    loss = _smooth(rng, n)
    return Problem(
        lambda x: loss(x.astype(np.float16), REAL),
        rng.normal(size=n),
        precise(loss),
        decidable=False,
    )


@family(KIND, VECTOR)
def single_parameters(rng: np.random.Generator) -> Problem:
    """Parameters, loss and gradient all in float32."""
    n = int(rng.integers(2, 7))
    return from_formula(_smooth(rng, n), rng.normal(size=n).astype(np.float32))


@family(KIND, VECTOR)
def single_parameters_double_loss(rng: np.random.Generator) -> Problem:
    """Parameters stored in float32, the loss in float64."""
    n = int(rng.integers(2, 7))
    loss = _smooth(rng, n)
    point = rng.normal(size=n).astype(np.float32)
    return Problem(lambda x: loss(x.astype(np.float64), REAL), point, precise(loss))


@family(KIND, VECTOR)
def one_term_single(rng: np.random.Generator) -> Problem:
    """One of two terms goes through float32."""
    n = int(rng.integers(2, 7))
    first, second = _smooth(rng, n), _smooth(rng, n)
    return Problem(
        lambda x: first(x, REAL) + float(second(x.astype(np.float32), REAL)),
        rng.normal(size=n),
        precise(lambda x, m: first(x, m) + second(x, m)),
    )


@family(KIND, VECTOR)
def one_term_half(rng: np.random.Generator) -> Problem:
    """One of two terms goes through float16."""
    n = int(rng.integers(2, 7))
    first, second = _smooth(rng, n), _smooth(rng, n)
    return Problem(
        lambda x: first(x, REAL) + float(second(x.astype(np.float16), REAL)),
        rng.normal(size=n),
        precise(lambda x, m: first(x, m) + second(x, m)),
        decidable=False,
    )


@family(KIND, VECTOR)
def rounded_result(rng: np.random.Generator) -> Problem:
    """Computed in float64, returned as float32."""
    n = int(rng.integers(2, 7))
    loss = _smooth(rng, n)
    return Problem(lambda x: float(np.float32(loss(x, REAL))), rng.normal(size=n), precise(loss))
