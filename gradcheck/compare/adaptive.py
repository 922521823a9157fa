"""Updates that are no gradient: what enters one is judged; an adaptive one may hide it."""

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
from gradcheck.user.steps import REMEMBERED, SCALED

FEWEST = 4
"""Fewer entries are of one size with some weight decay."""

ALIKE = 1e-3
"""The moves of an adaptive step differ by no more."""

VARIED = 1e-2
LINEAR = (SCALED, REMEMBERED)
EXACT = 1e-12


def with_what_enters(point: Point, steady: bool = True) -> Problem:
    """The problem of a point, with the gradient that enters its step where that hides it.

    That is read from the user's computation, whatever the step remembers of earlier calls. A step
    that goes up is left as it is, for what it has of the gradient may be its sign; and one along
    whose implied gradient the loss rises as that says. One that multiplies what enters it must make
    a block wrong that is right there, and not all alike: the rate may have been given wrong. An
    unsteady step, whose updates differ from call to call for no known reason, need not be wrong at
    the call that is looked at.
    """
    problem, step, parameters = point.problem, point.problem.step, point.problem.parameters
    if step is None:
        return problem
    is_bare = [leaf.path for leaf in parameters.leaves] == [()]

    def asked(values: Sequence[Array]) -> tuple[dict[str, Array], str]:
        return ask_trace(point, lambda one: gradients_that_enter(one, values), lambda _: ({}, ""))

    def entering(values: Sequence[Array]) -> dict[str, Array] | Array:
        found, _ = asked(values)
        found = found or problem.implied_gradient(values)
        return next(iter(found.values()), found) if is_bare else found

    entered, update = asked(point.values)
    if not update:
        return problem
    down, mended = 0.0, False
    slopes: list[float] = []
    for index, block in enumerate(point.ask_gradient().blocks):
        one, implied = entered.get(block.name), block.gradient.value
        if one is None or implied is None or one.shape != implied.shape:
            return problem
        down += float(np.vdot(one, implied))
        slopes.append(_slope(point, index, implied))
        if update in LINEAR and (not steady or abs(slopes[-1] - 1) >= NEAR):
            mended |= abs(_slope(point, index, one) - 1) < NEAR
    if steady and all(abs(slope - 1) < NEAR for slope in slopes):
        return problem
    is_share = update == REMEMBERED and not (step.anew and 0 < min(slopes) <= 1)
    is_one = np.ptp(slopes) < NEAR * max(slopes) and not is_share
    if ((steady and is_one) or not mended) if update in LINEAR else down <= 0:
        return problem
    return replace(problem, step=replace(step, entering=entering, update=update))


def _slope(point: Point, index: int, gradient: Array) -> float:
    """The slope of the loss along a gradient of a block, over what that implies."""
    is_zero = not np.any(gradient)
    return 1.0 if is_zero else slope_along(point.problem, point.values, index, gradient)


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
