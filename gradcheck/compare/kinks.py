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
from gradcheck.sampling import Indices
from gradcheck.user.blocks import Array

Mask = NDArray[np.bool_]

NUDGES = (1e-3, 1e-2, 1e-3, 1e-2, 1e-3)
TELLING = 0.5
"""A derivative beside the kink that is this much smaller says little about the one here."""
FEW = 16


NOTHING, RIGHT, SMALL, WRONG = range(4)
"""What a point beside the kink says of an entry; small is right, but says little."""


@dataclass
class _Doubt:
    """What is not settled of the perturbed entries of one block, (n,) each.

    Attributes:
        open: at a kink, or off beside one.
        suspect: wrong at one point beside the kink; what is wrong at two is wrong.
        small: right there, but so much smaller that this says little.
        bound: the smallest of the derivatives beside the kink; infinite where none was asked.
        said: what the point that is asked now says.
    """

    open: Mask
    suspect: Mask
    small: Mask
    bound: Array
    said: Indices

    @classmethod
    def of(cls, block: Block) -> _Doubt:
        """The entries of a block at a kink, and those that do not agree."""
        nothing = np.zeros(len(block.numeric.entries), dtype=bool)
        off = nothing
        if block.gradient.verdict == "ok":
            judged = judge_entries(block.analytic, block.numeric, block.precision, None, 0.0)
            off = judged.wrong | block.numeric.estimates.kink
        said = np.full(nothing.shape, NOTHING)
        return cls(off, nothing.copy(), nothing.copy(), np.full(nothing.shape, np.inf), said)

    def hear(self, here: Block, nearby: Block, asked: Mask, away: float) -> None:
        """What the derivatives of the block beside the kink say of those here.

        Steps that are longer than the way there go over the kink again, and prove nothing wrong.
        """
        analytic, bound = nearby.analytic, nearby.numeric.estimates.bound
        if nearby.gradient.verdict != "ok":
            analytic = np.full(len(analytic), np.nan)
        judged = judge_entries(analytic, nearby.numeric, here.precision, None, here.numeric.largest)
        small = np.abs(analytic) < TELLING * np.abs(here.analytic[asked])
        said = np.where(judged.wrong & (nearby.numeric.step < away), WRONG, NOTHING)
        self.said[asked] = np.where(judged.ok, np.where(small, SMALL, RIGHT), said)
        self.bound[asked] = np.fmin(self.bound[asked], bound)

    def settle(self, block: Block) -> Block:
        """The block, with what is settled by what was said.

        What is right beside the kink is right here, to what could be seen there; nothing excuses
        what is wrong there too, not the slopes on its sides.
        """
        right = (self.said == RIGHT) & ~self.suspect
        wrong = (self.said == WRONG) & self.suspect & (not block.numeric.coarse)
        self.open &= ~(right | wrong)
        self.suspect |= self.said == WRONG
        self.small |= self.said == SMALL
        self.said[:] = NOTHING
        block = _without_range(block, right, block.analytic, self.bound, kink=True)
        estimates = block.numeric.estimates
        bound = np.where(estimates.kink, 0.0, estimates.bound)
        return _without_range(block, wrong, estimates.value, bound, kink=False)

    def excuse(self, block: Block) -> Block:
        """The block, with what was small at every point taken as right."""
        where = self.open & self.small & ~self.suspect
        return _without_range(block, where, block.analytic, self.bound, kink=True)


def beside_kinks(point: Point, rng: np.random.Generator) -> Point:
    """The point, with the analytic derivatives allowed that are right beside a kink.

    Where one entry lies at a kink, units of the network do, and no entry is above suspicion. Of a
    block with many doubtful entries a few are asked first: where none of these is right beside the
    kink, the others are not asked. What is wrong at one point beside it is not excused.
    """
    if not any(block.numeric.estimates.kink.any() for block in point.blocks):
        return point
    doubts = [_Doubt.of(block) for block in point.blocks]
    for size in NUDGES:
        few = [_some(doubt.open, rng) for doubt in doubts]
        calls = _ask(point, doubts, few, size, rng)
        rest = [
            doubt.open & ~asked & np.isin(doubt.said, (RIGHT, SMALL)).any()
            for doubt, asked in zip(doubts, few, strict=True)
        ]
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
    """Checks entries of each block at a point that is nudged; how many calls that took."""
    if not any(where.any() for where in asked):
        return 0
    pairs = zip(point.blocks, asked, strict=True)
    nearby = point.beside(size, rng, [block.numeric.entries[where] for block, where in pairs])
    if nearby is None or nearby.raised is not None:
        return 0
    ways = [np.abs(there - here) for here, there in zip(point.values, nearby.values, strict=True)]
    for doubt, here, there, where, way in zip(
        doubts, point.blocks, nearby.blocks, asked, ways, strict=True
    ):
        doubt.hear(here, there, where, float(np.mean(way)) if way.size else 0.0)
    return nearby.evaluations + 1


def _without_range(block: Block, where: Mask, value: Array, bound: Array, *, kink: bool) -> Block:
    """The block, some of whose derivatives are one value and no range."""
    if not where.any():
        return block
    own = block.numeric.estimates
    estimates = replace(
        own,
        bound=np.where(where, bound, own.bound),
        lower=np.where(where, value, own.lower),
        upper=np.where(where, value, own.upper),
        kink=np.where(where, kink, own.kink),
    )
    return replace(block, numeric=replace(block.numeric, estimates=estimates))
