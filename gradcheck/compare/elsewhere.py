"""Gradients that are right at the user's point and wrong at another one.

Right only at the first point: a cache that is filled at the first call, or a parameter that is read
from a global instead of the argument, gives the right gradient at the user's point and the same one
everywhere else. A gradient that is held ready and only returned is meant for one point.

Right only where some parameters are zero, as biases begin: what multiplies a parameter that is 0 is
not seen there, a penalty of the biases in the gradient alone, or weights that are left out of a
sum. Such blocks are moved off zero, and a few entries are measured there. It tells nothing of a
gradient that knows its own point only (a cache that was filled outside): one that is wrong as well
where the other parameters are moved, and these are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.compare.followed import ask_trace
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_block
from gradcheck.errors import UsageError
from gradcheck.numeric.estimate import Indices
from gradcheck.trace import computed_blocks
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.problem import Problem

NEARBY = 0.01
"""How far the point is nudged at which a gradient of the first call is compared."""

OFF_ZERO = 0.1
"""The spread of entries that are moved off zero."""

STEP, AGREES = 1e-5, 1e-6
"""The step along a random direction, and the relative error from which on entries are measured."""

FEW = 3
"""Entries per block that are measured at the other point."""

Known = Mapping[str, Any]
"""What is known of another point that a preflight cannot see there, as fields of a `Preflight`."""


@dataclass(frozen=True)
class Elsewhere:
    """Another point that was tried.

    Attributes:
        problem: the problem there, if the gradient is wrong there, or None.
        known: what is known of it.
        evaluations: the evaluations of the loss that it took.
    """

    problem: Problem | None
    known: Known
    evaluations: int = 0


def wrong_elsewhere(
    point: Point, unmoved: Sequence[str], rng: np.random.Generator
) -> Iterator[Elsewhere]:
    """Yield other parameters at which a gradient may be wrong that is right at the user's.

    A layer's backward pass is not given the point, and may hold what it needs of it. A gradient
    held for one point and one that zeros hide bugs of are told apart by the rules.

    Args:
        point: the user's point, compared.
        unmoved: the names of blocks whose gradient was the same at another point, which is right
            for a loss that is linear in the block, and may be held for this one.
        rng: draws the other points.
    """
    problem = point.problem
    if point.failed or point.interrupted or problem.step is not None or problem.layer is not None:
        return
    stale = _beside_the_first(point, unmoved, rng) if unmoved else None
    if stale is not None:
        yield Elsewhere(stale, {"kept": True})
    yield from _off_zero(point, unmoved, rng)


def _beside_the_first(
    point: Point, unmoved: Sequence[str], rng: np.random.Generator
) -> Problem | None:
    """The problem at a nearby point where an unmoved gradient is wrong.

    None if the gradient is right there too, or not computed in a call.
    """
    unmoved = [one.name for one in point.blocks if one.name in unmoved and one.verdict == "ok"]
    computed = ask_trace(
        point, lambda subject: computed_blocks(subject, point.values), lambda _: frozenset()
    )
    if computed.isdisjoint(unmoved):
        return None
    (own,) = rng.spawn(1)  # so that what is drawn later does not depend on this
    entries = [
        np.sort(own.permutation(block.size)[: FEW if block.name in unmoved else 0])
        for block in point.blocks
    ]
    nearby = point.beside(NEARBY, own, entries)
    if nearby is None or not _fails(nearby):
        return None
    return _at(point, nearby.values)


def _off_zero(
    point: Point, unmoved: Sequence[str], rng: np.random.Generator
) -> Iterator[Elsewhere]:
    """Yield the problem with its zero blocks moved, as far as the gradient is wrong there."""
    parameters = point.problem.parameters
    at_zero = [block.verdict == "ok" and not np.any(block.value) for block in point.blocks]
    if parameters.halves or not any(at_zero):
        return
    (own,) = rng.spawn(1)  # so that what is drawn later does not depend on this
    moved = [
        value + OFF_ZERO * own.standard_normal(value.shape) if zero else value
        for value, zero in zip(point.values, at_zero, strict=True)
    ]
    names = tuple(block.name for block, zero in zip(point.blocks, at_zero, strict=True) if zero)
    is_wrong, spent = _is_wrong_at(point, moved, unmoved, own)
    if is_wrong and not all(at_zero):
        others = [
            value if zero else value * (1 + OFF_ZERO * own.standard_normal(value.shape))
            for value, zero in zip(point.values, at_zero, strict=True)
        ]
        is_wrong_without, more = _is_wrong_at(point, others, unmoved, own)
        is_wrong, spent = not is_wrong_without, spent + more
    problem = _at(point, parameters.rounded(moved)) if is_wrong else None
    yield Elsewhere(problem, {"moved_off": names}, spent)


def _at(point: Point, values: tuple[Array, ...]) -> Problem:
    problem = point.problem
    return replace(problem, parameters=replace(problem.parameters, values=values))


def _fails(point: Point, but: Sequence[str] = ()) -> bool:
    """Whether the gradient of any block is wrong, of those `but` some."""
    return any(
        judge_block(block, None, point.scale).failed
        for block in point.blocks
        if block.name not in but
    )


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
    return _fails(there, unmoved) and not there.interrupted, spent + there.evaluations


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
