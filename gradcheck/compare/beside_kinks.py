"""Entries that no step can get away from a kink with: the same entries at a point beside it.

Where several kinks meet, the one-sided slopes along one entry need not enclose the slope that a
correct backward pass takes. A gradient that is right at a generic point nearby is right; one that
is wrong is wrong there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.compare.verdict import EntryVerdicts, judge_entries
from gradcheck.errors import UsageError
from gradcheck.numeric.blackbox import BlockGradient, Claim, NumericGradient
from gradcheck.numeric.noise import Noise
from gradcheck.sampling import Indices
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.evaluation import gradient_of_loss
from gradcheck.user.gradients import Gradient, Gradients, read_gradients
from gradcheck.user.problem import Problem

NUDGES = (1e-3, 1e-2, 1e-3, 1e-2, 1e-3)
TELLING = 0.5
"""A derivative beside the kink that is this much smaller says little about the one here."""
FEW = 16


@dataclass(frozen=True)
class _Beside:
    """What is needed to ask again at a point beside the user's."""

    problem: Problem
    values: tuple[Array, ...]
    gradients: Gradients
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

    Of a block with many doubtful entries a few are asked first: where none of these is right
    beside the kink, the others are not asked. What is wrong at two points beside it is wrong, and
    what is wrong at one is not excused.

    Raises:
        UserCodeError: the loss raised at a perturbed entry.
    """
    beside = _Beside(problem, values, gradients, noise, precision, rng)
    doubtful = _doubtful(gradients, precision, numeric)
    suspects = [rows[:0] for rows in doubtful]
    small = [rows[:0] for rows in doubtful]
    bounds = [np.full(len(block.entries), np.inf) for block in numeric.blocks]
    for size in NUDGES:
        few = [rng.permutation(rows)[:FEW] for rows in doubtful]
        first = _ask(beside, numeric, few, size)
        rest = [
            np.setdiff1d(rows, asked) if len(right) + len(little) else rows[:0]
            for rows, asked, right, little in zip(
                doubtful, few, first.right, first.small, strict=True
            )
        ]
        second = _ask(beside, numeric, rest, size)
        right = [
            np.setdiff1d(np.union1d(one, other), suspected)
            for one, other, suspected in zip(first.right, second.right, suspects, strict=True)
        ]
        bounds = [
            np.minimum.reduce(found)
            for found in zip(bounds, first.bounds, second.bounds, strict=True)
        ]
        small = [
            np.union1d(known, np.union1d(one, other))
            for known, one, other in zip(small, first.small, second.small, strict=True)
        ]
        found = [np.union1d(*pair) for pair in zip(first.wrong, second.wrong, strict=True)]
        wrong = [np.intersect1d(*pair) for pair in zip(found, suspects, strict=True)]
        suspects = [np.union1d(*pair) for pair in zip(found, suspects, strict=True)]
        numeric = NumericGradient(
            tuple(
                _condemning(_settled(block, allowed, gradient.value, bound), condemned)
                for block, allowed, condemned, gradient, bound in zip(
                    numeric.blocks, right, wrong, gradients.blocks, bounds, strict=True
                )
            ),
            numeric.evaluations + first.evaluations + second.evaluations,
        )
        doubtful = [
            np.setdiff1d(rows, np.union1d(*answers))
            for rows, *answers in zip(doubtful, right, wrong, strict=True)
        ]
    left = [
        np.setdiff1d(np.intersect1d(rows, little), suspected)
        for rows, little, suspected in zip(doubtful, small, suspects, strict=True)
    ]
    allowed = tuple(
        _settled(block, rows, gradient.value, bound)
        for block, rows, gradient, bound in zip(
            numeric.blocks, left, gradients.blocks, bounds, strict=True
        )
    )
    return replace(numeric, blocks=allowed)


@dataclass(frozen=True)
class _Answer:
    """The rows of every block that are right, and those that are wrong, beside the point.

    Of those that are right, `small` are so much smaller there that this says little. `bounds` are
    those of the derivatives there, of every entry of the block; infinite where it was not asked.
    """

    right: list[Indices]
    small: list[Indices]
    wrong: list[Indices]
    bounds: list[Array]
    evaluations: int


def _ask(
    beside: _Beside, numeric: NumericGradient, rows: Sequence[Indices], size: float
) -> _Answer:
    """Checks the rows of each block at a point that is nudged."""
    none = [asked[:0] for asked in rows]
    bounds = [np.full(len(block.entries), np.inf) for block in numeric.blocks]
    if not any(map(len, rows)):
        return _Answer(none, none, none, bounds, 0)
    parameters = beside.problem.parameters
    nearby = parameters.rounded(
        [
            np.asarray(
                value
                + size * max(0.1, float(np.std(value))) * beside.rng.uniform(-1, 1, value.shape)
            )
            for value in beside.values
        ]
    )
    try:
        theirs = read_gradients(beside.problem.gradient(nearby), parameters)
        center = beside.problem.loss(nearby)
    except (UserCodeError, UsageError):
        return _Answer(none, none, none, bounds, 0)
    if not np.isfinite(center):
        return _Answer(none, none, none, bounds, 1)
    there = gradient_of_loss(
        beside.problem,
        nearby,
        center,
        beside.noise,
        [block.entries[asked] for block, asked in zip(numeric.blocks, rows, strict=True)],
        claims_of(theirs, beside.precision, nearby),
        beside.rng,
    )
    if there.interrupted:
        return _Answer(none, none, none, bounds, there.evaluations + 1)
    for bound, asked, measured in zip(bounds, rows, there.blocks, strict=True):
        bound[asked] = measured.estimates.bound
    telling = [
        _tells(here, gradient, block.entries[asked])
        for here, gradient, block, asked in zip(
            beside.gradients.blocks, theirs.blocks, numeric.blocks, rows, strict=True
        )
    ]
    judged = [
        _judge(gradient, measured, here, rounding)
        for gradient, measured, here, rounding in zip(
            theirs.blocks, there.blocks, numeric.blocks, beside.precision, strict=True
        )
    ]
    return _Answer(
        [
            asked[verdicts.ok & tells]
            for asked, verdicts, tells in zip(rows, judged, telling, strict=True)
        ],
        [
            asked[verdicts.ok & ~tells]
            for asked, verdicts, tells in zip(rows, judged, telling, strict=True)
        ],
        [asked[verdicts.wrong] for asked, verdicts in zip(rows, judged, strict=True)],
        bounds,
        there.evaluations + 1,
    )


def _tells(here: Gradient, there: Gradient, entries: Indices) -> NDArray[np.bool_]:
    """Where the derivative beside the kink is not much smaller than the one here, (n,)."""
    if here.value is None or there.value is None or here.value.shape != there.value.shape:
        return np.ones(len(entries), dtype=bool)
    sizes = np.abs(here.value.reshape(-1)[entries]), np.abs(there.value.reshape(-1)[entries])
    return np.asarray(sizes[1] >= TELLING * sizes[0])


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
    """The positions among each block's entries at a kink, and of those that do not agree.

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
            rows = np.flatnonzero(judged.wrong | block.estimates.kink)
        doubtful.append(rows)
    return doubtful


def _judge(
    gradient: Gradient, there: BlockGradient, here: BlockGradient, rounding: float
) -> EntryVerdicts:
    """The verdicts on entries measured beside the kink, on the scale of the block here."""
    analytic = np.full(len(there.entries), np.nan)
    if gradient.verdict == "ok" and gradient.value is not None:
        analytic = gradient.value.reshape(-1)[there.entries]
    scale = float(np.nanmax(np.abs(here.estimates.value), initial=0.0))
    return judge_entries(analytic, there, rounding, None, scale)


def _settled(
    block: BlockGradient, rows: Indices, analytic: Array | None, bound: Array
) -> BlockGradient:
    """Entries that are right beside the kink are right here, to what could be seen there."""
    if not len(rows) or analytic is None:
        return block
    estimates = block.estimates
    new = replace(
        estimates,
        bound=estimates.bound.copy(),
        lower=estimates.lower.copy(),
        upper=estimates.upper.copy(),
        kink=estimates.kink.copy(),
    )
    new.bound[rows] = bound[rows]
    new.lower[rows] = new.upper[rows] = analytic.reshape(-1)[block.entries[rows]]
    new.kink[rows] = True
    return replace(block, estimates=new)


def _condemning(block: BlockGradient, rows: Indices) -> BlockGradient:
    """Nothing excuses an entry that is wrong beside the kink too: not the slopes on its sides."""
    if not len(rows):
        return block
    estimates = block.estimates
    bound, lower, upper = estimates.bound.copy(), estimates.lower.copy(), estimates.upper.copy()
    kink = estimates.kink.copy()
    bound[rows] = np.where(kink[rows], 0.0, bound[rows])
    lower[rows] = upper[rows] = estimates.value[rows]
    kink[rows] = False
    return replace(
        block,
        estimates=replace(estimates, bound=bound, lower=lower, upper=upper, kink=kink),
    )
