"""Adaptive updates: the gradient that enters one is judged; one that hides it says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.block import CLEAR, Block
from gradcheck.compare.followed import ask_trace
from gradcheck.compare.point import NEAR, Point, slope_along
from gradcheck.trace import gradients_that_enter
from gradcheck.user.blocks import Array
from gradcheck.user.problem import Problem

FEWEST = 4
"""Fewer entries are of one size with some weight decay."""

ALIKE = 1e-3
"""The moves of an adaptive step differ by no more."""

VARIED = 1e-2
EXACT = 1e-12


def with_what_enters(point: Point) -> Problem:
    """The problem of a point; of an adaptive step, with the gradient that enters it for its own.

    That is read from the user's computation, whatever the step remembers of earlier calls. A step
    that goes up is left as it is, for what it has of the gradient may be its sign; and one along
    whose implied gradient the loss rises as that says.
    """
    problem, step, parameters = point.problem, point.problem.step, point.problem.parameters
    if step is None:
        return problem
    is_bare = [leaf.path for leaf in parameters.leaves] == [()]

    def asked(values: Sequence[Array]) -> tuple[dict[str, Array], bool | None]:
        return ask_trace(point, lambda one: gradients_that_enter(one, values), lambda _: ({}, None))

    def entering(values: Sequence[Array]) -> dict[str, Array] | Array:
        found, _ = asked(values)
        return next(iter(found.values()), found) if is_bare else found

    entered, is_adaptive = asked(point.values)
    if is_adaptive is None:
        return problem
    down, is_right = 0.0, True
    for index, block in enumerate(point.ask_gradient().blocks):
        one, implied = entered.get(block.name), block.gradient.value
        if one is None or implied is None or one.shape != implied.shape:
            return problem
        down += float(np.vdot(one, implied))
        slope = slope_along(problem, point.values, index, implied) if np.any(implied) else 1.0
        is_right &= abs(slope - 1) < NEAR
    if is_right or down <= 0:
        return problem
    return replace(problem, step=replace(step, entering=entering, adaptive=is_adaptive))


def undecided_if_adaptive(point: Point) -> Point:
    """The point of a step; where that is adaptive, it says nothing of the size of a gradient.

    Every entry then moves by the same, whatever its derivative is, and in the right direction, but
    for weight decay.
    """
    step = point.problem.step
    moves = None if step is None else _moved_alike(point.blocks)
    if step is None or step.entering is not None or moves is None:
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
