"""Entries that no step can get away from a kink with: the same entries at a point beside it.

Where several kinks meet, the one-sided slopes along one entry need not enclose the slope that a
correct backward pass takes. A gradient that is right at a generic point nearby is right; one that
is wrong is wrong there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.blocks import Array
from gradcheck.compare.gates import Gradient, Gradients, read_gradients
from gradcheck.compare.verdict import judge_entries
from gradcheck.errors import UsageError
from gradcheck.numeric.blackbox import BlockGradient, Claim, NumericGradient, numeric_gradient
from gradcheck.numeric.estimate import Mask
from gradcheck.numeric.noise import Noise
from gradcheck.problem import Problem
from gradcheck.sampling import Indices
from gradcheck.usercode import UserCodeError

NUDGES = (1e-3, 1e-2, 1e-3)
FEW = 16


@dataclass(frozen=True)
class _Beside:
    """What is needed to ask again at a point beside the user's."""

    problem: Problem
    values: tuple[Array, ...]
    noise: Noise
    precision: Sequence[float]
    rng: np.random.Generator


def accept_beside_kinks(
    problem: Problem,
    values: tuple[Array, ...],
    noise: Noise,
    gradients: Gradients,
    precision: Sequence[float],
    numeric: NumericGradient,
    rng: np.random.Generator,
) -> NumericGradient:
    """The numeric gradient, with the analytic derivative allowed where it is right beside a kink.

    Of a block with many doubtful entries a few are asked first: where all of these are wrong
    beside the kink too, the block is.

    Raises:
        UserCodeError: the loss raised at a perturbed entry.
    """
    beside = _Beside(problem, values, noise, precision, rng)
    doubtful = _doubtful(gradients, precision, numeric)
    for size in NUDGES:
        few = [rng.permutation(rows)[:FEW] for rows in doubtful]
        probed, evaluations = _right_nearby(beside, numeric, few, size)
        rest = [
            np.setdiff1d(rows, asked) if len(right) else rows[:0]
            for rows, asked, right in zip(doubtful, few, probed, strict=True)
        ]
        others, more = _right_nearby(beside, numeric, rest, size)
        accepted = [np.union1d(*pair) for pair in zip(probed, others, strict=True)]
        blocks = tuple(
            _allowing(block, rows, gradient.value)
            for block, rows, gradient in zip(
                numeric.blocks, accepted, gradients.blocks, strict=True
            )
        )
        numeric = NumericGradient(blocks, numeric.evaluations + evaluations + more)
        doubtful = [np.setdiff1d(*pair) for pair in zip(doubtful, accepted, strict=True)]
    return numeric


def _right_nearby(
    beside: _Beside, numeric: NumericGradient, rows: Sequence[Indices], size: float
) -> tuple[list[Indices], int]:
    """Which of the rows of each block are right at a point that is nudged, and evaluations."""
    none = [asked[:0] for asked in rows]
    if not any(map(len, rows)):
        return none, 0
    nearby = tuple(
        np.asarray(
            value + size * max(0.1, float(np.std(value))) * beside.rng.uniform(-1, 1, value.shape)
        )
        for value in beside.values
    )
    try:
        theirs = read_gradients(beside.problem.gradient(nearby), beside.problem.parameters)
        center = beside.problem.loss(nearby)
    except (UserCodeError, UsageError):
        return none, 0
    if not np.isfinite(center):
        return none, 1
    there = numeric_gradient(
        beside.problem.entry_loss(nearby),
        nearby,
        center,
        beside.noise,
        [block.entries[asked] for block, asked in zip(numeric.blocks, rows, strict=True)],
        claims_of(theirs, beside.precision, nearby),
        beside.rng,
    )
    right = [
        asked[_agrees(gradient, measured, here, rounding)]
        for asked, gradient, measured, here, rounding in zip(
            rows, theirs.blocks, there.blocks, numeric.blocks, beside.precision, strict=True
        )
    ]
    return right, there.evaluations + 1


def claims_of(
    gradients: Gradients, precision: Sequence[float], values: Sequence[Array]
) -> list[Claim]:
    """The analytic gradients as claims; nan where there is none to compare."""
    claims = []
    for gradient, rounding, value in zip(gradients.blocks, precision, values, strict=True):
        if gradient.comparable and gradient.value is not None:
            claims.append(Claim(gradient.value.reshape(-1), rounding))
        else:
            claims.append(Claim(np.full(value.size, np.nan), 0.0))
    return claims


def _doubtful(
    gradients: Gradients, precision: Sequence[float], numeric: NumericGradient
) -> list[Indices]:
    """The positions among each block's entries that do not agree, and may not for a kink.

    Where one entry lies at a kink, units of the network do, and no entry is above suspicion.
    """
    if not any(block.estimates.kink.any() for block in numeric.blocks):
        return [np.empty(0, dtype=np.intp) for _ in numeric.blocks]
    doubtful = []
    for gradient, rounding, block in zip(gradients.blocks, precision, numeric.blocks, strict=True):
        rows = np.empty(0, dtype=np.intp)
        if gradient.verdict == "ok" and gradient.value is not None:
            analytic = gradient.value.reshape(-1)[block.entries]
            judged = judge_entries(analytic, block, rounding, None, 0.0)
            rows = np.flatnonzero(judged.wrong | (block.estimates.kink & ~judged.ok))
        doubtful.append(rows)
    return doubtful


def _agrees(gradient: Gradient, there: BlockGradient, here: BlockGradient, rounding: float) -> Mask:
    """Which of the entries measured beside the kink are right there."""
    if gradient.verdict != "ok" or gradient.value is None:
        return np.zeros(len(there.entries), dtype=bool)
    analytic = gradient.value.reshape(-1)[there.entries]
    scale = float(np.nanmax(np.abs(here.estimates.value), initial=0.0))
    return judge_entries(analytic, there, rounding, None, scale).ok


def _allowing(block: BlockGradient, rows: Indices, analytic: Array | None) -> BlockGradient:
    if not len(rows) or analytic is None:
        return block
    claimed = analytic.reshape(-1)[block.entries[rows]]
    lower, upper = block.estimates.lower.copy(), block.estimates.upper.copy()
    lower[rows] = np.minimum(lower[rows], claimed)
    upper[rows] = np.maximum(upper[rows], claimed)
    return replace(block, estimates=replace(block.estimates, lower=lower, upper=upper))
