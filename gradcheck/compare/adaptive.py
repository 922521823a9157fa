"""Steps that divide the gradient by its own size: Adam, RMSprop, Adagrad, the sign."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point

ALIKE = 1e-3
"""Adam adds a small number to the size that it divides by, so that entries differ by little."""

VARIED = 1e-2
CLEAR = 10.0
FEWEST = 2
EXACT = 1e-12


def undecided_if_adaptive(point: Point) -> Point:
    """The point of a step; where that is adaptive, it says nothing of the size of a gradient.

    Every entry then moves by the same, whatever its derivative is, and in the right direction.
    """
    step = point.problem.step
    moved = None if step is None else _moves(point.blocks)
    if step is None or moved is None:
        return point
    # what it remembers of earlier calls is no defect of a gradient
    undecided = point.with_blocks(
        replace(block, verdict="inconclusive", wrong_entries=0, stable=True)
        if block.verdict == "wrong"
        else block
        for block in point.blocks
    )
    return replace(undecided, problem=replace(point.problem, step=replace(step, moves=moved)))


def _moves(blocks: tuple[Block, ...]) -> float | None:
    """By how many learning rates every entry moves; None where they move by their derivatives."""
    wrong = [block for block in blocks if block.verdict == "wrong"]
    if not wrong or any(block.failed for block in blocks if block.verdict != "wrong"):
        return None
    analytic = np.concatenate([block.analytic for block in wrong])
    numeric = np.concatenate([block.numeric.estimates.value for block in wrong])
    bound = np.concatenate([block.numeric.estimates.bound for block in wrong])
    clear = np.abs(numeric) > CLEAR * bound
    sizes, derivatives = np.abs(analytic[clear]), np.abs(numeric[clear])
    if len(sizes) < FEWEST or not sizes.max():
        return None
    if np.ptp(sizes) > ALIKE * sizes.max() or np.ptp(derivatives) < VARIED * derivatives.max():
        return None
    if np.any(np.sign(analytic[clear]) != np.sign(numeric[clear])):
        return None
    return float(np.median(sizes))
