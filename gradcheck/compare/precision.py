"""How far rounding in the user's own code may have moved the analytic gradient.

A backward pass that is backward stable returns the exact gradient of parameters a few roundings
away, so the gradient is taken again at points a few roundings away: what it moves by there is what
rounding can have done to it (Higham 2002, Accuracy and Stability of Numerical Algorithms, 1.5).
"""

from __future__ import annotations

import numpy as np

from gradcheck.arrays import largest_difference
from gradcheck.errors import UsageError
from gradcheck.numeric.loss_lines import random_signs
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.gradients import Gradients, read_gradients
from gradcheck.user.problem import Problem

NUDGES = 2
ROUNDINGS = 4.0
LARGEST_AMPLIFICATION = 1e6
COARSEST = 2.5e-4
"""No gradient is excused by more than this share of its block's largest entry, but one that is
nothing but rounding: it moves as far as it is large, and is nothing against what is nearby."""

NEARBY = 1e-3
AWAY = 0.1
AT_AN_EDGE = 100.0


def analytic_precision(
    problem: Problem,
    values: tuple[Array, ...],
    gradients: Gradients,
    loss_precision: float,
    rng: np.random.Generator,
) -> tuple[float, ...]:
    """The rounding error of every block's analytic gradient, absolute.

    Args:
        problem: what is checked.
        values: the point.
        gradients: the analytic gradients there.
        loss_precision: the relative noise of the loss: code that computes its loss in float32
            computes its gradient in float32, whatever type it returns.
        rng: for the nudges.
    """
    epsilon = max([block.epsilon for block in gradients.blocks] + [min(loss_precision, 1e-6)])
    moved = [0.0] * len(gradients.blocks)
    for _ in range(NUDGES):
        try:
            found = _movements(
                problem, [_nudged(value, ROUNDINGS * epsilon, rng) for value in values], gradients
            )
        except (UserCodeError, UsageError):
            break
        moved = [max(pair) for pair in zip(moved, found, strict=True)]
    sizes = [_largest(block.value) for block in gradients.blocks]
    uncapped = [
        ROUNDINGS * (movement + epsilon * size) for movement, size in zip(moved, sizes, strict=True)
    ]
    moves = [0.0] * len(sizes)
    if any(0 < size <= rounding for size, rounding in zip(sizes, uncapped, strict=True)):
        moves = _nearby(problem, values, gradients, rng)
    most, linear = min(LARGEST_AMPLIFICATION * epsilon, COARSEST), ROUNDINGS * epsilon / NEARBY
    found = []
    for size, rounding, movement, move in zip(sizes, uncapped, moved, moves, strict=True):
        # what moves far for a few roundings, and no further for more, is at an edge
        nearby = AWAY / NEARBY * move if movement <= AT_AN_EDGE * linear * move else 0.0
        tiny = LARGEST_AMPLIFICATION * epsilon * max(nearby, *sizes)
        is_rounding = 0 < size <= min(rounding, tiny)
        found.append(rounding if is_rounding else min(rounding, most * size))
    return tuple(
        rounding + _cancellation(problem, value)
        for rounding, value in zip(found, values, strict=True)
    )


def _nearby(
    problem: Problem, values: tuple[Array, ...], gradients: Gradients, rng: np.random.Generator
) -> list[float]:
    """How far the gradient of every block moves a little way off."""
    moved = [_nudged(value, NEARBY, rng) for value in values]
    try:
        return _movements(problem, moved, gradients)
    except (UserCodeError, UsageError):
        return [0.0] * len(values)


def _movements(problem: Problem, nearby: list[Array], gradients: Gradients) -> list[float]:
    """How far the analytic gradient of every block is elsewhere from where it was."""
    returned = problem.gradient(nearby, keep=True)
    nearby.clear()  # it may be large
    nudged = read_gradients(returned, problem.parameters, copy=False)
    return [
        largest_difference(after.value, before.value)
        if before.value is not None
        and after.value is not None
        and before.verdict == after.verdict == "ok"
        else 0.0
        for before, after in zip(gradients.blocks, nudged.blocks, strict=True)
    ]


def _cancellation(problem: Problem, value: Array) -> float:
    """What the rounding of the new parameters does to (old - new) / learning_rate."""
    if problem.step is None:
        return 0.0
    rounding = float(np.finfo(np.float64).eps) * _largest(value)
    return (2 + 2 * bool(problem.step.momentum)) * rounding / problem.step.learning_rate


def _nudged(value: Array, size: float, rng: np.random.Generator) -> Array:
    nudged = np.asarray(np.multiply(random_signs(value.shape, rng), size, dtype=np.float64))
    nudged += 1
    nudged *= value
    return nudged


def _largest(value: Array | None) -> float:
    if value is None:
        return 0.0
    return float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value)))
