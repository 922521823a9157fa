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

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_entries
from gradcheck.numeric.gradient import BlockGradient
from gradcheck.user.blocks import Array

Mask = NDArray[np.bool_]

NUDGES = (1e-3, 1e-2, 1e-3, 1e-2, 1e-3)
TELLING = 0.5
"""A derivative beside the kink that is this much smaller says little about the one here."""
FEW = 16


@dataclass(frozen=True)
class _Doubt:
    """What is not settled of the perturbed entries of one block, (n,) each.

    Attributes:
        open: at a kink, or off beside one.
        suspect: wrong at one point beside the kink; what is wrong at two is wrong.
        small: right there, but so much smaller that this says little.
        bound: the smallest of the derivatives beside the kink; infinite where none was asked.
    """

    open: Mask
    suspect: Mask
    small: Mask
    bound: Array


@dataclass(frozen=True)
class _Answer:
    """What a point beside the kink says of the entries that were asked, (n,) each.

    Attributes:
        right: they are right there.
        small: right, but so much smaller that this says little.
        wrong: they are wrong there.
        bound: that of the derivatives there; infinite where it was not asked.
    """

    right: Mask
    small: Mask
    wrong: Mask
    bound: Array

    @classmethod
    def none(cls, count: int) -> _Answer:
        """Of nothing that was asked."""
        nothing = np.zeros(count, dtype=bool)
        return cls(nothing, nothing, nothing, np.full(count, np.inf))

    def __or__(self, other: _Answer) -> _Answer:
        return _Answer(
            self.right | other.right,
            self.small | other.small,
            self.wrong | other.wrong,
            np.fmin(self.bound, other.bound),
        )


def beside_kinks(point: Point, rng: np.random.Generator) -> Point:
    """The point, with the analytic derivatives allowed that are right beside a kink.

    Where one entry lies at a kink, units of the network do, and no entry is above suspicion. Of a
    block with many doubtful entries a few are asked first: where none of these is right beside the
    kink, the others are not asked. What is wrong at one point beside it is not excused.
    """
    if not any(block.numeric.estimates.kink.any() for block in point.blocks):
        return point
    doubts = [_doubt(block) for block in point.blocks]
    for size in NUDGES:
        few = [_some(doubt.open, rng) for doubt in doubts]
        answers, calls = _ask(point, few, size, rng)
        rest = [
            doubt.open & ~asked & (answer.right | answer.small).any()
            for doubt, asked, answer in zip(doubts, few, answers, strict=True)
        ]
        others, more_calls = _ask(point, rest, size, rng)
        settled = [
            _settle(block, doubt, answer | other)
            for block, doubt, answer, other in zip(
                point.blocks, doubts, answers, others, strict=True
            )
        ]
        doubts = [doubt for _, doubt in settled]
        point = replace(
            point.with_blocks(block for block, _ in settled),
            evaluations=point.evaluations + calls + more_calls,
        )
    return point.with_blocks(
        _settled(block, doubt.open & doubt.small & ~doubt.suspect, doubt.bound)
        for block, doubt in zip(point.blocks, doubts, strict=True)
    )


def _doubt(block: Block) -> _Doubt:
    """The entries of a block at a kink, and those that do not agree."""
    count = len(block.numeric.entries)
    nothing, unknown = np.zeros(count, dtype=bool), np.full(count, np.inf)
    if block.gradient.verdict != "ok":
        return _Doubt(nothing, nothing, nothing, unknown)
    judged = judge_entries(block.analytic, block.numeric, block.precision, None, 0.0)
    return _Doubt(judged.wrong | block.numeric.estimates.kink, nothing, nothing, unknown)


def _settle(block: Block, doubt: _Doubt, answer: _Answer) -> tuple[Block, _Doubt]:
    """The block and what is left in doubt, once a point beside the kink was asked."""
    right = answer.right & ~doubt.suspect
    wrong = answer.wrong & doubt.suspect & (not block.numeric.coarse)
    bound = np.fmin(doubt.bound, answer.bound)
    left = _Doubt(
        doubt.open & ~right & ~wrong,
        doubt.suspect | answer.wrong,
        doubt.small | answer.small,
        bound,
    )
    return _condemning(_settled(block, right, bound), wrong), left


def _some(where: Mask, rng: np.random.Generator) -> Mask:
    """A few of the entries, at random."""
    chosen = np.zeros(len(where), dtype=bool)
    chosen[rng.permutation(np.flatnonzero(where))[:FEW]] = True
    return chosen


def _ask(
    point: Point, asked: Sequence[Mask], size: float, rng: np.random.Generator
) -> tuple[list[_Answer], int]:
    """Checks entries of each block at a point that is nudged, and how many calls that took."""
    nothing = [_Answer.none(len(where)) for where in asked]
    if not any(where.any() for where in asked):
        return nothing, 0
    entries = [
        block.numeric.entries[where] for block, where in zip(point.blocks, asked, strict=True)
    ]
    nearby = point.beside(size, rng, entries)
    if nearby is None or nearby.raised is not None:
        return nothing, 0
    answers = [
        _answer(here, block, where)
        for here, block, where in zip(point.blocks, nearby.blocks, asked, strict=True)
    ]
    return answers, nearby.evaluations + 1


def _answer(here: Block, nearby: Block, asked: Mask) -> _Answer:
    """What the derivatives of a block beside the kink say of those here."""
    analytic = nearby.analytic
    if nearby.gradient.verdict != "ok":
        analytic = np.full(len(analytic), np.nan)
    judged = judge_entries(analytic, nearby.numeric, here.precision, None, here.numeric.largest)
    telling = ~(np.abs(analytic) < TELLING * np.abs(here.analytic[asked]))
    answer = _Answer.none(len(asked))
    right, small, wrong = answer.right.copy(), answer.small.copy(), answer.wrong.copy()
    right[asked] = judged.ok & telling
    small[asked] = judged.ok & ~telling
    wrong[asked] = judged.wrong
    answer.bound[asked] = nearby.numeric.estimates.bound
    return _Answer(right, small, wrong, answer.bound)


def _settled(block: Block, where: Mask, bound: Array) -> Block:
    """Entries that are right beside the kink are right here, to what could be seen there."""
    if not where.any():
        return block
    estimates, analytic = block.numeric.estimates, block.analytic
    return _with_range(
        block,
        np.where(where, bound, estimates.bound),
        np.where(where, analytic, estimates.lower),
        np.where(where, analytic, estimates.upper),
        estimates.kink | where,
    )


def _condemning(block: Block, where: Mask) -> Block:
    """Nothing excuses an entry that is wrong beside the kink too: not the slopes on its sides."""
    if not where.any():
        return block
    estimates = block.numeric.estimates
    return _with_range(
        block,
        np.where(where & estimates.kink, 0.0, estimates.bound),
        np.where(where, estimates.value, estimates.lower),
        np.where(where, estimates.value, estimates.upper),
        estimates.kink & ~where,
    )


def _with_range(block: Block, bound: Array, lower: Array, upper: Array, kink: Mask) -> Block:
    estimates = replace(block.numeric.estimates, bound=bound, lower=lower, upper=upper, kink=kink)
    numeric: BlockGradient = replace(block.numeric, estimates=estimates)
    return replace(block, numeric=numeric)
