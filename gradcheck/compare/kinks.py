"""Entries at a kink that no step avoids: they are judged at points beside the kink.

Where several kinks meet, the one-sided slopes along one entry need not enclose the slope that a
correct backward pass takes. A gradient that is right at a generic point nearby is right, and one
that is wrong there too is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import judge_entries
from gradcheck.numeric.estimate import Indices, Mask
from gradcheck.user.blocks import Array

NUDGES = (1e-3, 1e-2, 1e-3, 1e-2, 1e-3)
TELLING = 0.5
"""A derivative beside the kink smaller than this share of the one at it is weak evidence."""

FEW = 16

NOTHING, RIGHT, SMALL, WRONG = range(4)
"""The verdict of a point beside the kink on an entry; SMALL is right, but weak evidence."""


@dataclass
class _Doubt:
    """The state of the undecided entries of one block, (n,) each.

    Attributes:
        open: at a kink, or wrong in a block of a point with kinks, and not yet decided.
        suspect: wrong at one point beside the kink; an entry that is wrong at two is wrong.
        small: right beside the kink, but so small there that it is weak evidence.
        bound: the smallest error bound beside the kink; infinite before the first.
        verdict: the verdict of the current point: NOTHING, RIGHT, SMALL or WRONG.
    """

    open: Mask
    suspect: Mask
    small: Mask
    bound: Array
    verdict: Indices

    @classmethod
    def of(cls, block: Block) -> _Doubt:
        """Opens the entries of a block that are at a kink or wrong."""
        nothing = np.zeros(block.numeric.count, dtype=bool)
        undecided = nothing
        if block.gradient.verdict == "ok":
            judged = judge_entries(block.analytic, block.numeric, block.precision, None, 0.0)
            undecided = judged.wrong | block.numeric.estimates.kink
        verdict, bound = np.full(nothing.shape, NOTHING), np.full(nothing.shape, np.inf)
        return cls(undecided, nothing.copy(), nothing.copy(), bound, verdict)

    def hear(self, here: Block, nearby: Block, asked: Mask, away: float) -> None:
        """Judges the asked entries by their derivatives at a point beside the kink.

        Steps longer than the distance `away` cross the kink again and prove nothing wrong.
        """
        analytic, bound = nearby.analytic, nearby.numeric.estimates.bound
        if nearby.gradient.verdict != "ok":
            analytic = np.full(len(analytic), np.nan)
        judged = judge_entries(analytic, nearby.numeric, here.precision, None, here.numeric.largest)
        small = np.abs(analytic) < TELLING * np.abs(here.analytic[asked])
        otherwise = np.where(judged.wrong & (nearby.numeric.step < away), WRONG, NOTHING)
        self.verdict[asked] = np.where(judged.ok, np.where(small, SMALL, RIGHT), otherwise)
        self.bound[asked] = np.fmin(self.bound[asked], bound)

    def settle(self, block: Block) -> Block:
        """The block with the entries decided that the current point decides.

        An entry that is right beside the kink is right, within the bound there. One that is wrong
        at a second point is wrong, even if it lies between the one-sided slopes.
        """
        right = (self.verdict == RIGHT) & ~self.suspect
        wrong = (self.verdict == WRONG) & self.suspect & (not block.numeric.coarse)
        self.open &= ~(right | wrong)
        self.suspect |= self.verdict == WRONG
        self.small |= self.verdict == SMALL
        self.verdict[:] = NOTHING
        block = _without_range(block, right, block.analytic, self.bound, kink=True)
        estimates = block.numeric.estimates
        bound = np.where(estimates.kink, 0.0, estimates.bound)
        return _without_range(block, wrong, estimates.value, bound, kink=False)

    def excuse(self, block: Block) -> Block:
        """The block, where entries with only weak evidence, all of it for them, count as right."""
        where = self.open & self.small & ~self.suspect
        return _without_range(block, where, block.analytic, self.bound, kink=True)


def beside_kinks(point: Point, rng: np.random.Generator, most: float) -> Point:
    """Decides entries at kinks by their derivatives at points beside the kinks.

    If one entry lies at a kink, so do units of the network, which may affect any entry. In a block
    with many undecided entries, a few are asked first, and the others only if one of these is right
    beside the kink. An entry that is wrong at one point is not excused. After `most`
    evaluations the rest is left undecided.
    """
    if not any(block.numeric.estimates.kink.any() for block in point.blocks):
        return point
    doubts = [_Doubt.of(block) for block in point.blocks]
    last = point.evaluations + most
    for size in NUDGES:
        if point.evaluations > last:
            break
        few = [_some(doubt.open, rng) for doubt in doubts]
        calls = _ask(point, doubts, few, size, rng)
        rest = [
            doubt.open & ~asked & np.isin(doubt.verdict, (RIGHT, SMALL)).any()
            for doubt, asked in zip(doubts, few, strict=True)
        ]
        if point.evaluations + calls <= last:
            calls += _ask(point, doubts, rest, size, rng)
        pairs = zip(doubts, point.blocks, strict=True)
        point = replace(
            point.with_blocks(doubt.settle(block) for doubt, block in pairs),
            evaluations=point.evaluations + calls,
        )
    pairs = zip(doubts, point.blocks, strict=True)
    return point.with_blocks(doubt.excuse(block) for doubt, block in pairs)


def _some(where: Mask, rng: np.random.Generator) -> Mask:
    chosen = np.zeros(len(where), dtype=bool)
    chosen[rng.permutation(np.flatnonzero(where))[:FEW]] = True
    return chosen


def _ask(
    point: Point,
    doubts: Sequence[_Doubt],
    asked: Sequence[Mask],
    size: float,
    rng: np.random.Generator,
) -> int:
    """Checks the asked entries of each block at a nearby point; returns the number of calls."""
    if not any(where.any() for where in asked):
        return 0
    pairs = zip(point.blocks, asked, strict=True)
    nearby = point.beside(size, rng, [block.numeric.entries[where] for block, where in pairs])
    if nearby is None or nearby.raised is not None:
        return 0
    moved = zip(point.values, nearby.values, strict=True)
    distances = [np.abs(there - here) for here, there in moved]
    for doubt, here, there, where, distance in zip(
        doubts, point.blocks, nearby.blocks, asked, distances, strict=True
    ):
        doubt.hear(here, there, where, float(np.mean(distance)) if distance.size else 0.0)
    return nearby.evaluations + 1


def _without_range(block: Block, where: Mask, value: Array, bound: Array, *, kink: bool) -> Block:
    """The block, where the derivatives of some entries are replaced by one value, not a range."""
    if not where.any():
        return block
    before = block.numeric.estimates
    estimates = replace(
        before,
        bound=np.where(where, bound, before.bound),
        lower=np.where(where, value, before.lower),
        upper=np.where(where, value, before.upper),
        kink=np.where(where, kink, before.kink),
    )
    return replace(block, numeric=replace(block.numeric, estimates=estimates))
