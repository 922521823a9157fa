"""Losses that jump a little near the point, as the result of an iteration that ends early does.

As it is coded, such a loss has slopes of its own: between two jumps it is off by about their
height, which changes from place to place. A gradient of its limit is right as far as anyone can
say, so its small errors are judged with the height of a jump as the noise of the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_block, judge_entries
from gradcheck.numeric.estimate import Mask
from gradcheck.numeric.jumps import POINTS, largest_jump
from gradcheck.numeric.loss_lines import random_sizes
from gradcheck.user.blocks import Array

SECONDS = 3.0
"""A search for jumps that would take longer is left out."""

OWN = 0.1
"""Errors are slight only if none is larger than this share of its own entry."""

LINES = 2
"""Along how many random directions jumps are looked for."""

SMALL = 1e-3
"""A jump is the end of an iteration only if it is smaller, relative to the loss."""


def within_jumps(point: Point, rtol: float | None, rng: np.random.Generator) -> Point:
    """Accept blocks that are slightly off if the loss jumps by as much beside their entries.

    Args:
        point: a compared point.
        rtol: a relative error that the user accepts, or None.
        rng: for the direction of the line, and for the entries that are measured again.
    """
    wrong = [_wrong_entries(block, rtol, point.scale) for block in point.blocks]
    if not any(map(np.any, wrong)) or LINES * POINTS * point.noise.seconds > SECONDS:
        return point
    jump = _largest_jump(point, wrong, rng)
    if not 0 < jump < SMALL * abs(point.center):
        return point
    is_off = [bool(mask.any()) for mask in wrong]
    nothing = np.empty(0, dtype=np.intp)
    problem = replace(point.problem, noise=max(point.problem.noise, jump))
    noisy = replace(point, problem=problem, noise=point.noise.at_least(jump), jump=jump)
    numeric = noisy.perturb(
        [
            block.numeric.entries if off else nothing
            for block, off in zip(point.blocks, is_off, strict=True)
        ],
        rng,
    )
    again = [
        judge_block(replace(block, numeric=measured), rtol, point.scale) if off else block
        for block, measured, off in zip(point.blocks, numeric.blocks, is_off, strict=True)
    ]
    if numeric.interrupted or any(block.failed for block in again):
        return point
    evaluations = point.evaluations + numeric.evaluations
    return replace(noisy.with_blocks(again), evaluations=evaluations)


def _wrong_entries(block: Block, rtol: float | None, overall: float) -> Mask:
    """Return which of the perturbed entries are wrong; none unless each is only slightly off.

    An entry that is off by its own size is not: a mask, for one, makes jumps as well.
    """
    nothing = np.zeros(block.numeric.count, dtype=bool)
    if block.verdict != "wrong" or not block.is_slightly_off:
        return nothing
    judged = judge_entries(block.analytic, block.numeric, block.precision, rtol, overall)
    is_large = judged.error > OWN * np.abs(block.numeric.estimates.value)
    return nothing if np.any(judged.wrong & is_large) else judged.wrong


def _largest_jump(point: Point, wrong: Sequence[Mask], rng: np.random.Generator) -> float:
    """Return a jump of the loss on a line along which only the wrong entries move; 0 if none."""
    for _ in range(LINES):
        along = partial(_loss_along, point, _direction(point, wrong, rng))
        jump = largest_jump(along, point.noise.level)
        if jump is not None:
            return jump.height
    return 0.0


def _direction(point: Point, wrong: Sequence[Mask], rng: np.random.Generator) -> list[Array]:
    directions = []
    for block, mask in zip(point.blocks, wrong, strict=True):
        moves = np.zeros(block.size)
        entries = block.numeric.entries[mask]
        moves[entries] = random_sizes(block.value.reshape(-1), rng)[entries]
        directions.append(moves.reshape(block.shape))
    return directions


def _loss_along(point: Point, direction: Sequence[Array], place: float) -> float:
    pairs = zip(point.values, direction, strict=True)
    return point.problem.loss_or_nan([value + place * moves for value, moves in pairs])
