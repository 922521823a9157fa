"""Measures and judges the entries of a Jacobian at a point, all of them or some of its columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gradcheck.compare.columns import (
    Judged,
    Subject,
    judge_matrix,
    judge_together,
    measured_alone,
    rounding_share,
)
from gradcheck.compare.endings import LINES, OWN, SECONDS, SMALL
from gradcheck.numeric.columns import Columns
from gradcheck.numeric.estimate import Array
from gradcheck.numeric.gradient import Claim
from gradcheck.numeric.jumps import POINTS, largest_jump
from gradcheck.numeric.loss_lines import random_signs, random_sizes
from gradcheck.numeric.pattern import grouped
from gradcheck.numeric.row_noise import RowNoise, terms_of
from gradcheck.numeric.together import Together
from gradcheck.options import Options
from gradcheck.sampling import choose_columns
from gradcheck.user.vectors import Matrix, Vectors

FEW_COLUMNS = 30
"""Up to this many columns are always perturbed one by one."""

TOGETHER = "moved together, along 2 random directions"


@dataclass(frozen=True)
class VectorPoint:
    """The function at the user's point, its values there and their noise."""

    vectors: Vectors
    center: Array
    noise: RowNoise


@dataclass(frozen=True)
class Result:
    """The judged entries at a point, and by how much the function jumps there if that counts.

    Attributes:
        measured: the columns that were moved.
        reason: why not each entry was measured by itself, or None.
    """

    point: VectorPoint
    judged: Judged
    measured: Columns
    reason: str | None
    jump: float = 0.0


def judge_jacobian(
    point: VectorPoint,
    matrix: Matrix,
    ask: Callable[[Array], Array],
    options: Options,
    rng: np.random.Generator,
) -> Result:
    """Measures and judges the entries."""
    vectors, pattern = point.vectors, matrix.pattern
    vectors.outside.clear()
    flat, box = vectors.point, vectors.box
    noise = point.noise.of_sums(pattern, matrix.values, flat)
    measured = Columns(vectors.moved, flat, point.center, noise.level, pattern, box)
    subject = Subject(vectors, measured, noise, matrix, ask, options.rtol)
    share = rounding_share(subject, rng)
    together = Together(measured, matrix.values, share, rng)
    screened = options.entries == "auto" and pattern.shape[1] > FEW_COLUMNS
    agreement = together.agreement() if screened or not pattern.is_full else None
    if screened and agreement is not None:
        return Result(point, judge_together(subject, agreement), measured, TOGETHER)
    measured.group = grouped(pattern)
    chosen, reason = choose_columns(
        measured.group, box, noise.seconds, options.entries, options.budget, rng
    )
    if agreement is None and ((screened and len(chosen) < len(flat)) or not pattern.is_full):
        chosen = np.union1d(chosen, together.suspects())
    claimed = matrix.values / noise.level[pattern.rows]
    claim = Claim(claimed, share * float(np.max(np.nan_to_num(np.abs(claimed)), initial=0.0)))
    numeric = measured_alone(subject, claim, chosen, rng)
    return Result(point, judge_matrix(subject, claim, numeric), measured, reason)


def within_row_jumps(
    result: Result,
    matrix: Matrix,
    ask: Callable[[Array], Array],
    options: Options,
    rng: np.random.Generator,
) -> Result:
    """Accepts a Jacobian that is slightly off if the function jumps by as much nearby."""
    jumps = _row_jumps(result, matrix, rng)
    if jumps is None:
        return result
    noisy = replace(result.point, noise=result.point.noise.at_least(jumps))
    again = judge_jacobian(noisy, matrix, ask, options, rng)
    accepted = not any(block.failed for block in again.judged.blocks)
    return replace(again, jump=float(np.max(jumps))) if accepted else result


def _row_jumps(result: Result, matrix: Matrix, rng: np.random.Generator) -> Array | None:
    """Return by how much each value jumps beside the point, (m,), if entries are slightly off.

    The largest jump, relative to what the terms of its row add, is taken for all: an iteration has
    one tolerance for all values, but the end of one pass may not change each of them.
    """
    point, judged = result.point, result.judged
    vectors, noise, center = point.vectors, point.noise, point.center
    wrong = np.flatnonzero(judged.wrong)
    error = np.abs(judged.analytic - judged.numeric)[wrong]
    is_slight = bool(len(wrong)) and np.all(error < OWN * np.abs(judged.numeric[wrong]))
    if not is_slight or judged.missing or LINES * POINTS * noise.seconds > SECONDS:
        return None
    sizes = terms_of(matrix.pattern, matrix.values, vectors.point)
    rows, columns = np.unique(judged.rows[wrong]), np.unique(judged.columns[wrong])
    for _ in range(LINES):
        moves = np.zeros(len(vectors.point))
        moves[columns] = random_sizes(vectors.point, rng)[columns]
        values = partial(_values_along, vectors, moves)
        weights = np.zeros(len(center))
        weights[rows] = random_signs(rows.shape, rng) / noise.level[rows]
        jump = largest_jump(partial(_weighted, values, weights, center), float(len(rows)))
        if jump is not None:
            heights = np.abs(values(jump.beyond) - values(jump.before))
            with np.errstate(divide="ignore"):
                share = float(np.max(heights[rows] / sizes[rows]))
            return share * sizes if share < SMALL else None
    return None


def _values_along(vectors: Vectors, moves: Array, place: float) -> Array:
    return vectors.moved(vectors.inside(vectors.point + place * moves))


def _weighted(
    values: Callable[[float], Array], weights: Array, center: Array, place: float
) -> float:
    return float(weights @ (values(place) - center))
