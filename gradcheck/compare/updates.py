"""What an update adds to a gradient: momentum and weight decay, recognised as what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck.blocks import Array
from gradcheck.compare.gates import Gradient, Gradients, read_gradients
from gradcheck.compare.verdict import SAFETY
from gradcheck.numeric.blackbox import NumericGradient
from gradcheck.problem import Problem

ROUNDING = 1e-6
FEWEST_ENTRIES = 3


def find_momentum(problem: Problem) -> float | None:
    """The mu of a step that goes on with its last update, or None.

    At one point, what a step with momentum implies is i_(t+1) = mu i_t + g, so that the
    differences from call to call shrink by mu, whatever the velocity was at first; Nesterov's form
    does the same (Sutskever et al. 2013).

    Raises:
        UserCodeError: the step raised.
        UsageError: it cannot be read.
    """
    calls = []
    for _ in range(3):
        found = read_gradients(problem.gradient(problem.parameters.values), problem.parameters)
        parts = [gradient.value for gradient in found.blocks if gradient.verdict == "ok"]
        if len(parts) < len(found.blocks):
            return None
        calls.append(np.concatenate([part.ravel() for part in parts if part is not None]))
    first, second = calls[1] - calls[0], calls[2] - calls[1]
    size = float(np.max(np.abs(calls[0]), initial=0.0))
    if not np.max(np.abs(first), initial=0.0) > ROUNDING * size:
        return None
    ratio = float(first @ second / (first @ first))
    left = float(np.max(np.abs(second - ratio * first)))
    fits = left <= ROUNDING * max(size, float(np.max(np.abs(first))))
    return ratio if fits and ROUNDING < ratio < 1 - ROUNDING else None


def settle_step(
    problem: Problem,
    values: Sequence[Array],
    gradients: Gradients,
    precision: tuple[float, ...],
    numeric: NumericGradient,
) -> tuple[Problem, Gradients, tuple[float, ...]]:
    """What a step implies, less what it is found to add; the problem then knows of it.

    Args:
        problem: what is checked; anything but a step is left as it is.
        values: the point.
        gradients: what was implied there.
        precision: the rounding error of every block.
        numeric: the numeric gradient.
    """
    step = problem.step
    if step is None or step.share != 1.0 or step.decay:
        return problem, gradients, precision
    share = _find_share(step.momentum, gradients, precision, numeric)
    if share != 1.0:
        gradients = _divided(gradients, share)
        precision = tuple(rounding / share for rounding in precision)
        step = replace(step, share=share)
    decayed = _find_decay(step.learning_rate, values, gradients, precision, numeric)
    if decayed is not None:
        gradients = _without_decay(gradients, values, *decayed)
        step = replace(step, decay=dict.fromkeys(decayed[1], decayed[0]))
    return replace(problem, step=step), gradients, precision


def _find_share(
    momentum: float,
    gradients: Gradients,
    precision: Sequence[float],
    numeric: NumericGradient,
) -> float:
    """The share of the gradient in a step's velocity: 1, or 1 - mu in a moving average.

    The velocity mu v + (1 - mu) g is told where a division by 1 - mu makes a block agree, and none
    agrees without it.
    """
    if not momentum:
        return 1.0
    share = 1 - momentum

    def agreeing(factor: float) -> int:
        count = 0
        for gradient, measured, rounding in zip(
            gradients.blocks, numeric.blocks, precision, strict=True
        ):
            if gradient.verdict == "ok" and gradient.value is not None and len(measured.entries):
                claimed = gradient.value.ravel()[measured.entries] / factor
                bound = SAFETY * (measured.estimates.bound + rounding / factor)
                count += bool(np.all(measured.estimates.distance(claimed) <= bound))
        return count

    return share if agreeing(share) and not agreeing(1.0) else 1.0


def _divided(gradients: Gradients, share: float) -> Gradients:
    """The gradients divided by a number."""
    return replace(
        gradients,
        blocks=tuple(
            gradient if gradient.value is None else replace(gradient, value=gradient.value / share)
            for gradient in gradients.blocks
        ),
    )


def _find_decay(
    learning_rate: float,
    values: Sequence[Array],
    gradients: Gradients,
    precision: Sequence[float],
    numeric: NumericGradient,
) -> tuple[float, tuple[int, ...]] | None:
    """The weight decay c of a step, and the blocks that it shrinks; None where there is none.

    The implied gradient is then n + c W with one c > 0 for all blocks that are not n.
    """
    wanted: list[tuple[int, Array, Array, Array]] = []
    for block, (gradient, measured, rounding) in enumerate(
        zip(gradients.blocks, numeric.blocks, precision, strict=True)
    ):
        if gradient.verdict != "ok" or gradient.value is None or not len(measured.entries):
            return None
        difference = gradient.value.ravel()[measured.entries] - measured.estimates.value
        bound = SAFETY * (measured.estimates.bound + rounding)
        if np.any(~np.isfinite(difference)):
            return None
        if np.any(np.abs(difference) > bound):
            weights = values[block].ravel()[measured.entries]
            wanted.append((block, weights, difference, bound))
    if sum(len(weights) for _, weights, _, _ in wanted) < FEWEST_ENTRIES:
        return None
    weights = np.concatenate([item[1] for item in wanted])
    differences = np.concatenate([item[2] for item in wanted])
    bounds = np.concatenate([item[3] for item in wanted])
    decay = float(weights @ differences / (weights @ weights)) if np.any(weights) else 0.0
    fits = bool(np.all(np.abs(differences - decay * weights) <= bounds))
    shrinks = 0 < decay * learning_rate < 1
    return (decay, tuple(item[0] for item in wanted)) if fits and shrinks else None


def _without_decay(
    gradients: Gradients, values: Sequence[Array], decay: float, blocks: Sequence[int]
) -> Gradients:
    """The gradients less c W in the blocks that a step shrinks."""
    changed: list[Gradient] = list(gradients.blocks)
    for block in blocks:
        value = changed[block].value
        if value is not None:
            changed[block] = replace(changed[block], value=value - decay * values[block])
    return replace(gradients, blocks=tuple(changed))
