"""Updates that are no gradient: what enters one is judged; an adaptive one may hide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.followed import ask_trace
from gradcheck.compare.moved_alike import moved_alike, moves_otherwise_beside
from gradcheck.compare.point import NEAR, Point, slope_along
from gradcheck.numeric.storage import epsilon_of
from gradcheck.trace import Entering, fewest_updates, gradients_that_enter
from gradcheck.user.blocks import Array
from gradcheck.user.problem import Problem
from gradcheck.user.steps import EACH, REMEMBERED, SCALED, SOLVED

LINEAR = (SCALED, REMEMBERED)
HALF, TWICE = 0.5, 2.0
EXACT = 1e-12
PLAIN = 1e-6
"""A slope along an update that is as near to what that implies is so at no near rate either."""

ROUNDED, ROUNDINGS = 1e-9, 10
"""Rates that differ by less are one: by the first, and so many roundings of the parameters."""


def with_what_enters(point: Point, steady: bool = True) -> Problem:
    """The problem of a point, with the gradient that enters its step where that hides it.

    That is read from the user's computation, whatever the step remembers of earlier calls. A step
    along whose implied gradient the loss rises is left as it is.

    Args:
        point: the point of a step.
        steady: whether its updates are the same from call to call, or differ for a known reason;
            others need not be wrong at the call that is looked at.
    """
    problem, step, parameters = point.problem, point.problem.step, point.problem.parameters
    if step is None or (steady and _is_plain(point)):
        return problem
    is_bare = [leaf.path for leaf in parameters.leaves] == [()]

    def asked(values: Sequence[Array]) -> Entering:
        return ask_trace(point, lambda one: gradients_that_enter(one, values), lambda _: Entering())

    def entering(values: Sequence[Array]) -> Mapping[str, Array] | Array:
        read = asked(values).choosing(chosen).gradients
        found = read or problem.implied_gradient(values)
        found = {name: factors.get(name, 1.0) * value for name, value in found.items()}
        return next(iter(found.values()), found) if is_bare else found

    entered = asked(point.values)
    chosen = _chosen(point, entered.choices)
    entered = entered.choosing(chosen)
    moves = _moves(point, entered)
    factors = _of_a_system(point, moves, entered)
    steady = steady and not _of_near_rates(moves)
    if not moves or (steady and all(move.is_right for move in moves)):
        return problem
    if entered.update == EACH:
        factors = _of_samples(point, entered.gradients)
        if not factors:
            return replace(problem, step=replace(step, update=EACH))
    if entered.update in LINEAR:
        hides = _hides(point, moves, entered, step.anew, steady)
    else:
        down = [factors.get(move.block, 1.0) * move.rate * move.square for move in moves]
        hides = sum(down) > 0
    if not hides:
        return problem
    rates = {move.block: move.rate * step.learning_rate for move in moves}
    return replace(
        problem, step=replace(step, entering=entering, update=entered.update, rates=rates)
    )


def _is_plain(point: Point) -> bool:
    """Whether the loss falls along every update as that implies, so that none hides a gradient."""
    gradients = [block.gradient.value for block in point.ask_gradient().blocks]
    return all(
        one is not None and abs(_slope(point, index, one) - 1) < PLAIN
        for index, one in enumerate(gradients)
    )


def _of_a_system(point: Point, moves: Sequence[_Move], entering: Entering) -> dict[str, float]:
    """Return the factors of gradients with which an update solves linear systems.

    The matrix may have the same factor: -1 where the update is added, and 2 or 1 / 2 of squares.
    """
    factors = {}
    for index, move in enumerate(moves if entering.update == SOLVED else ()):
        sign = float(np.sign(move.rate)) or 1.0
        slope = sign * _slope(point, index, entering.gradients[move.block])
        known = (one for one in (HALF, TWICE) if abs(slope - one) < NEAR)
        factors[move.block] = sign * next(known, 1.0)
    return factors


def _chosen(point: Point, choices: Mapping[str, Sequence[Array]]) -> dict[str, int]:
    """Which choice is the gradient of a block: the one of best size, that the step goes down."""
    chosen = {}
    for index, block in enumerate(point.ask_gradient().blocks if any(choices.values()) else ()):
        implied = block.gradient.value if block.gradient.comparable else None
        off = {
            number: abs(abs(_slope(point, index, choice)) - 1)
            for number, choice in enumerate(choices.get(block.name, ()))
            if implied is not None and float(np.vdot(choice, implied)) > 0
        }
        if off:
            chosen[block.name] = min(off, key=lambda number: off[number])
    return chosen


@dataclass(frozen=True)
class _Move:
    """What an update makes of the gradient that enters it, for one block.

    Attributes:
        rate: the multiple of that gradient, in learning rates, by least squares.
        square: the square of that gradient's norm.
        slope: the slope of the loss along the implied gradient, over what that implies.
        rounding: how far that multiple may be off, as a difference of rounded parameters.
    """

    block: str
    rate: float
    square: float
    slope: float
    rounding: float

    @property
    def is_right(self) -> bool:
        """Whether the implied gradient is right as far as one direction shows."""
        return abs(self.slope - 1) < NEAR


def _moves(point: Point, entering: Entering) -> list[_Move]:
    """What a step makes of each gradient; nothing if that is not known of every block."""
    moves = []
    for index, block in enumerate(point.ask_gradient().blocks if entering.update else ()):
        entered, implied = entering.gradients.get(block.name), block.gradient.value
        shape = block.value.shape
        if entered is None or implied is None or not entered.shape == implied.shape == shape:
            return []
        square = float(np.vdot(entered, entered))
        rate = float(np.vdot(entered, implied)) / square if square else 0.0
        slope, step = _slope(point, index, implied), point.problem.step
        length = (step.learning_rate if step else 1.0) * np.sqrt(square)
        finest = epsilon_of(point.problem.parameters.storage[index])
        rounding = finest * float(np.linalg.norm(point.values[index])) / length if square else 0.0
        moves.append(_Move(block.name, rate, square, slope, rounding))
    return moves


def _of_near_rates(moves: Sequence[_Move]) -> bool:
    """Whether blocks move by other multiples of what enters, too near for slopes to tell.

    So they do where the rate decays from block to block.
    """
    rates = [move.rate for move in moves if move.square]
    known = ROUNDED + ROUNDINGS * max((move.rounding for move in moves), default=0.0)
    return bool(rates) and known < float(np.ptp(rates)) < NEAR * max(rates)


def _hides(
    point: Point, moves: Sequence[_Move], entering: Entering, anew: bool, steady: bool
) -> bool:
    """Whether a linear update makes a gradient wrong that enters it right.

    If all are off by one factor, the learning rate may have been given wrong, unless it is a share
    that enters a velocity. A block that moves by a size of the batch times as much as usual, or as
    others where each adds to a velocity, is divided by it once too often, or not at all.
    """
    slopes = [move.slope for move in moves]
    alike = np.ptp(slopes) < NEAR * max(slopes)
    is_share = entering.update == REMEMBERED and not (anew and 0 < min(slopes) <= 1)
    if steady and alike and not is_share:
        return False
    rates = [move.rate for move in moves if move.square and move.rate]
    usual = rates if entering.update == REMEMBERED else [1.0]
    factors = [one / other for other in usual for one in rates]
    factors += [1 / factor for factor in factors]
    batch = [abs(factor / size - 1) for factor in factors for size in entering.batch_sizes]
    if steady and min(batch, default=np.inf) < NEAR and not alike:
        return False
    return any(
        abs(_slope(point, index, entering.gradients[move.block]) - 1) < NEAR
        for index, move in enumerate(moves)
        if move.square and not (steady and move.is_right)
    )


def _of_samples(point: Point, gradients: Mapping[str, Array]) -> dict[str, float]:
    """Return the factor with which the gradients of all blocks are right along one direction.

    The size of a sum of gradients that are each scaled says nothing of a division by their number.
    """
    named = [(index, gradients[block.name]) for index, block in enumerate(point.blocks)]
    slopes = [_slope(point, index, gradient) for index, gradient in named if np.any(gradient)]
    if not slopes or min(slopes) <= 0 or np.ptp(slopes) >= NEAR * max(slopes):
        return {}
    middle = float(np.median(slopes))
    number = max(round(middle), 1) / max(round(1 / middle), 1)
    return dict.fromkeys(gradients, number) if abs(number / middle - 1) < NEAR else {}


def _slope(point: Point, index: int, gradient: Array) -> float:
    """The slope of the loss along a gradient of a block, over what that implies."""
    is_zero = not np.any(gradient)
    return 1.0 if is_zero else slope_along(point.problem, point.values, index, gradient)


def undecided_if_no_gradient(point: Point) -> Point:
    """The point of a step; where that is adaptive, it says nothing of the size of a gradient.

    Every entry then moves by the same, whatever its derivative is, and in the right direction, but
    for weight decay; and so it does elsewhere. Several updates in a row are no gradient either.
    """
    step = point.problem.step
    if step is None or step.entering is not None:
        return point
    moves = moved_alike(point.blocks)
    if moves is not None and moves_otherwise_beside(point, moves):
        return point
    several = _several_updates(point) if moves is None and point.failed else 0
    if moves is None and not several and not step.implies_no_gradient:
        return point
    # what it remembers of earlier calls is no defect of a gradient
    undecided = point.with_blocks(
        replace(block, verdict="inconclusive", wrong_entries=0, stable=True)
        if block.verdict == "wrong"
        else block
        for block in point.blocks
    )
    step = replace(step, moves=moves, several=several)
    return replace(undecided, problem=replace(point.problem, step=step))


def _several_updates(point: Point) -> int:
    """How many updates a step makes, if it is more than one."""
    count = ask_trace(point, lambda subject: fewest_updates(subject, point.values), lambda _: 0)
    return count if count > 1 else 0
