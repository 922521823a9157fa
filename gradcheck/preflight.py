"""Is the user's function a function? Asked before anything is concluded from its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.blocks import Array
from gradcheck.numeric.noise import Noise, estimate_noise
from gradcheck.problem import Problem
from gradcheck.usercode import UserCodeError


@dataclass(frozen=True)
class Preflight:
    """What was learnt from the first calls of the loss.

    Attributes:
        problem: the problem, from now on called with private copies if the loss changes what it
            is given.
        center: the loss at the user's point; may be nan or infinite.
        noise: the precision of the loss; None where it is not finite.
        changes_arguments: whether the loss changed the parameters that it was given.
        evaluations: how many evaluations this cost.
    """

    problem: Problem
    center: float
    noise: Noise | None
    changes_arguments: bool
    evaluations: int


def preflight(problem: Problem, rng: np.random.Generator) -> Preflight:
    """Calls the loss twice at the user's point, and along short lines through it.

    Raises:
        UserCodeError: the loss raised.
        UsageError: the loss did not return one number.
    """
    values = problem.parameters.values
    given = [value.copy(order="K") for value in values]
    center = problem.loss(given)
    changed = any(
        not np.array_equal(before, after, equal_nan=True)
        for before, after in zip(values, problem.parameters.held(given), strict=True)
    )
    if changed:
        problem = replace(problem, private_copies=True)
    if not np.isfinite(center):
        return Preflight(problem, center, None, changed, evaluations=1)
    again = problem.loss([value.copy(order="K") for value in values])
    difference = abs(again - center) if np.isfinite(again) else 0.0
    noise = estimate_noise(_nan_where_it_raises(problem), values, center, difference, rng)
    return Preflight(problem, center, noise, changed, 2 + noise.evaluations)


def _nan_where_it_raises(problem: Problem) -> Callable[[Sequence[Array]], float]:
    """The loss for points a little beside the user's: whether it raises there is asked later."""

    def loss(values: Sequence[Array]) -> float:
        try:
            return problem.loss(values)
        except UserCodeError:
            return float("nan")

    return loss
