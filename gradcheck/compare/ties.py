"""Arrays with several places, each of which was given the same gradient: a part, or the whole?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck.user.blocks import Array
from gradcheck.user.gradients import Gradient, Gradients
from gradcheck.user.problem import Problem

STEP = 1e-4


def settle_ties(
    problem: Problem, values: Sequence[Array], gradients: Gradients
) -> tuple[Gradient, ...]:
    """The gradient of every block, summed over its places where these were given parts of one.

    The loss tells: along the gradient its slope is nearer to that of the whole, or of the sum.
    """
    blocks = list(gradients.blocks)
    for block in gradients.alike:
        places = sum(leaf.block == block for leaf in problem.parameters.leaves)
        gradient = blocks[block].value
        slope = None if gradient is None else _slope_along(problem, values, block, gradient)
        if slope is not None and gradient is not None and abs(slope - 1) > abs(slope - places):
            blocks[block] = replace(blocks[block], value=places * gradient)
    return tuple(blocks)


def _slope_along(
    problem: Problem, values: Sequence[Array], block: int, gradient: Array
) -> float | None:
    """The loss's slope along an analytic gradient, as a multiple of what that says."""
    length = float(np.linalg.norm(gradient))
    step = STEP * max(1.0, float(np.linalg.norm(values[block]))) * gradient / length
    losses = []
    for sign in (1.0, -1.0):
        moved = [value.copy(order="K") for value in values]
        moved[block] += sign * step
        losses.append(problem.loss_or_nan(moved))
    expected = 2 * float(np.sum(step * gradient))
    return (losses[0] - losses[1]) / expected if np.all(np.isfinite(losses)) else None
