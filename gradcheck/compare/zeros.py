"""Gradients that are right only where some parameters are zero, as biases begin.

What multiplies a parameter that is 0 is not seen there: a penalty of the biases in the gradient
alone, weights that are left out of a sum. Such blocks are moved off zero, and a few entries are
measured there. It tells nothing of a gradient that knows its own point only (a cache that was
filled outside): one that is wrong as well where the other parameters are moved, and these are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_block
from gradcheck.errors import UsageError
from gradcheck.numeric.estimate import Indices
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.problem import Problem

OFF_ZERO = 0.1
"""The spread of entries that are moved off zero."""

STEP, AGREES = 1e-5, 1e-6
"""The step along a random direction, and the relative error from which on entries are measured."""

FEW = 3
"""Entries per block that are measured off zero."""


@dataclass(frozen=True)
class OffZero:
    """What was found with zero blocks moved.

    Attributes:
        problem: a point with a wrong gradient that is right where the blocks are zero, or None.
        names: the names of the blocks.
        evaluations: the evaluations of the loss that it took.
    """

    problem: Problem | None = None
    names: tuple[str, ...] = ()
    evaluations: int = 0


def wrong_off_zero(point: Point, unmoved: Sequence[str], rng: np.random.Generator) -> OffZero:
    """The problem with its zero blocks moved, if the gradient is right at the point and not there.

    A gradient that was the same at another point (`unmoved`) may be held for this one. A layer's
    backward pass is not given the point, and may hold what it needs of it.
    """
    problem = point.problem
    at_zero = [block.verdict == "ok" and not np.any(block.value) for block in point.blocks]
    if point.failed or point.interrupted or problem.parameters.halves or not any(at_zero):
        return OffZero()
    if problem.step is not None or problem.layer is not None:
        return OffZero()
    (own,) = rng.spawn(1)  # so that what is drawn later does not depend on this
    moved = [
        value + OFF_ZERO * own.standard_normal(value.shape) if zero else value
        for value, zero in zip(point.values, at_zero, strict=True)
    ]
    is_wrong, spent = _is_wrong_at(point, moved, unmoved, own)
    if not is_wrong:
        return OffZero(evaluations=spent)
    others = [
        value if zero else value * (1 + OFF_ZERO * own.standard_normal(value.shape))
        for value, zero in zip(point.values, at_zero, strict=True)
    ]
    is_wrong, more = (False, 0) if all(at_zero) else _is_wrong_at(point, others, unmoved, own)
    if is_wrong:
        return OffZero(evaluations=spent + more)
    names = tuple(block.name for block, zero in zip(point.blocks, at_zero, strict=True) if zero)
    parameters = replace(problem.parameters, values=problem.parameters.rounded(moved))
    return OffZero(replace(problem, parameters=parameters), names, spent + more)


def _is_wrong_at(
    point: Point, values: Sequence[Array], unmoved: Sequence[str], rng: np.random.Generator
) -> tuple[bool, int]:
    """Whether the gradient is wrong at other parameters, and the evaluations that it took.

    It is compared along a direction, then in a few entries. False if a function fails there.
    """
    spent = 1
    try:
        there = point.asked_at(values)
        if there is None:
            return False, spent
        spent += 2
        if _agrees_along(there, rng):
            return False, spent
        entries: list[Indices] = [
            np.sort(rng.permutation(block.size)[:FEW]) for block in there.blocks
        ]
        there = there.measured(there.perturb(entries, rng))
    except (UserCodeError, UsageError):
        return False, spent
    failed = any(
        judge_block(block, None, there.scale).failed
        for block in there.blocks
        if block.name not in unmoved
    )
    return failed and not there.interrupted, spent + there.evaluations


def _agrees_along(point: Point, rng: np.random.Generator) -> bool:
    """Whether the loss changes along a random direction as the gradient says."""
    gradients = [block.gradient.value for block in point.blocks]
    directions = [rng.standard_normal(block.shape) for block in point.blocks]
    ends = [
        point.problem.loss_or_nan(
            [
                value + step * direction
                for value, direction in zip(point.values, directions, strict=True)
            ]
        )
        for step in (STEP, -STEP)
    ]
    parts = [
        gradient * direction
        for gradient, direction in zip(gradients, directions, strict=True)
        if gradient is not None and gradient.shape == direction.shape
    ]
    if len(parts) < len(gradients):
        return False
    slope = (ends[0] - ends[1]) / (2 * STEP)
    size = float(np.sqrt(sum(float(np.sum(part**2)) for part in parts)))
    bound = AGREES * size + point.noise.level / STEP
    return abs(slope - sum(float(np.sum(part)) for part in parts)) <= bound
