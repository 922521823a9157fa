"""Steps that move every entry by the same, whatever its derivative is, as adaptive ones do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradcheck.compare.block import CLEAR, Block
from gradcheck.compare.point import Point
from gradcheck.user.blocks import Array

FEWEST = 4
"""Fewer entries are of one size with some weight decay."""

ALIKE = 1e-3
"""The moves of an adaptive step differ by no more."""

VARIED = 1e-2

ASIDE = 0.1
"""How far a point lies beside another, relative to the spread of each block."""


def moves_otherwise_beside(point: Point, size: float) -> bool:
    """Whether all entries move alike beside a point too, but not by the same as at it.

    So do those of a gradient from which the inputs are left out.
    """
    beside = point.nudged(ASIDE, np.random.default_rng(0))
    if beside is None:
        return False
    wrong = {block.name for block in point.blocks if block.verdict == "wrong"}
    asked = (block for block in beside.ask_gradient().blocks if block.name in wrong)
    implied = [block.gradient.value for block in asked if block.gradient.value is not None]
    if len(implied) < len(wrong):
        return False
    there = _one_size(np.concatenate([np.abs(np.ravel(value)) for value in implied]))
    return there is not None and abs(there - size) > VARIED * size


def moved_alike(blocks: tuple[Block, ...]) -> float | None:
    """By how many learning rates every entry moves; None where they move by their derivatives."""
    wrong = [block for block in blocks if block.verdict == "wrong"]
    if not wrong or any(block.failed for block in blocks if block.verdict != "wrong"):
        return None
    parts = [part for part in map(_SignedMoves.of, wrong) if len(part.moves)]
    if not parts:
        return None
    derivatives = np.concatenate([part.derivatives for part in parts])
    if len(derivatives) < 2 or np.ptp(derivatives) < VARIED * derivatives.max():
        return None
    moves = np.concatenate([part.moves for part in parts])
    size = _one_size(moves)
    if size is not None or len(derivatives) < FEWEST:
        return size
    without = (np.concatenate([part.less_that_of(one) for part in parts]) for one in parts)
    return next((size for size in map(_one_size, without) if size is not None), None)


@dataclass(frozen=True)
class _SignedMoves:
    """The entries of a block whose sign is known, (n,) each.

    Attributes:
        moves: what the step implies, positive where it goes down.
        derivatives: the sizes of the derivatives.
        weights: the parameters, with the signs of the derivatives.
    """

    moves: Array
    derivatives: Array
    weights: Array

    @classmethod
    def of(cls, block: Block) -> _SignedMoves:
        numeric = block.numeric.estimates.value
        clear = np.abs(numeric) > CLEAR * block.numeric.estimates.bound
        sign = np.sign(numeric)
        weights = block.value.reshape(-1)[block.numeric.entries]
        moved_by, signed = block.analytic * sign, weights * sign
        return cls(moved_by[clear], np.abs(numeric[clear]), signed[clear])

    def less_that_of(self, decayed: _SignedMoves) -> Array:
        """The moves without the weight decay of a block, where that makes them more like its."""
        about = decayed.weights - decayed.weights.mean()
        square = float(about @ about)
        decay = float(about @ decayed.moves) / square if square else 0.0
        size = float(np.median(decayed.moves - decay * decayed.weights))
        without = self.moves - decay * self.weights
        return min(self.moves, without, key=lambda moves: float(np.max(np.abs(moves - size))))


def _one_size(sizes: Array) -> float | None:
    """What all sizes are."""
    alike = np.all(sizes > 0) and np.ptp(sizes) <= ALIKE * sizes.max()
    return float(np.median(sizes)) if alike else None
