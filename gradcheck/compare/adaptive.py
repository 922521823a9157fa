"""What an adaptive update divides a gradient by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.user.blocks import Array

CLEAR = 10.0
FEWEST = 4
"""Fewer entries are of one size with some weight decay, or some number added."""

ALIKE = 1e-3
"""The moves of an adaptive step differ by no more."""

SMALL = 0.1
"""What is added to the size that is divided by is less of the largest."""

VARIED = 1e-2
EXACT = 1e-12


def undecided_if_adaptive(point: Point) -> Point:
    """The point of a step; where that is adaptive, it says nothing of the size of a gradient.

    Every entry then moves by the same, whatever its derivative is, and in the right direction,
    but for weight decay and for a small number beside the size that it is divided by.
    """
    step = point.problem.step
    moves = None if step is None else _moved_alike(point.blocks)
    if step is None or moves is None:
        return point
    # what it remembers of earlier calls is no defect of a gradient
    undecided = point.with_blocks(
        replace(block, verdict="inconclusive", wrong_entries=0, stable=True)
        if block.verdict == "wrong"
        else block
        for block in point.blocks
    )
    return replace(undecided, problem=replace(point.problem, step=replace(step, moves=moves)))


def _moved_alike(blocks: tuple[Block, ...]) -> float | None:
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
    size = _one_size(moves) or _one_size_but_for_a_number(moves, derivatives)
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


def _one_size_but_for_a_number(sizes: Array, derivatives: Array) -> float | None:
    """What all sizes would be without the small number that is added to what divides them.

    Added to |g| it makes 1 / size a line in 1 / |g|, and inside the root 1 / size^2 in 1 / g^2.
    """
    if len(sizes) < FEWEST or not np.all(sizes > 0):
        return None
    for power in (1, 2):
        columns = np.stack([sizes**power, (sizes / derivatives) ** power], axis=1)
        (level, added), *_ = np.linalg.lstsq(columns, np.ones(len(sizes)), rcond=None)
        fits = np.abs(columns @ (level, added) - 1).max() <= ALIKE
        if fits and 0 < added < SMALL * level * derivatives.max() ** power:
            return float(level ** (-1 / power))
    return None
