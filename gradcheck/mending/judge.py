"""Is the gradient right now? Asked of every candidate, against numbers that are measured once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.compare.verdict import BOUND_FACTOR
from gradcheck.errors import UsageError
from gradcheck.mending.elsewhere import Data, State
from gradcheck.sampling import Indices
from gradcheck.user.calls import UserCodeError
from gradcheck.user.gradients import read_gradients

MOST_ENTRIES = 2000
FURTHER_ENTRIES, ELSEWHERE_ENTRIES = 12, 6
EVALUATIONS, AFFORDABLE = 60, 1.0
"""About so many losses measure a block elsewhere; so many seconds may be spent on all of them."""

NUDGES = (0.3, 0.05)
ROUNDING = 1e-11
"""What rounding in the gradient may do, relative to the block's largest derivative."""

SAME_LOSS = 1e-12

Standing = tuple[bool | None, ...]
"""Which blocks are right; None for those that no gradient is returned for."""


class Judge:
    """Knows the numeric gradient, and what the loss was before anything was edited.

    The blocks in `missing` may be returned no gradient for. `raised` says whether the gradient
    raised when it was last judged.
    """

    def __init__(self, point: Point, missing: frozenset[int], seed: int) -> None:
        self.raised = False
        self.elsewhere: tuple[tuple[State, Point], ...] = ()
        self._missing = missing
        self._rng = np.random.default_rng(seed)
        center = point.problem.loss([value.copy() for value in point.values])
        self._whole = replace(point, center=center)
        self._few = self._whole.with_blocks(self._some(block) for block in point.blocks)
        self._largest = [block.numeric.largest for block in point.blocks]

    @cached_property
    def further(self) -> tuple[Point, ...]:
        """Other points, measured with the loss as it was."""
        points = []
        for size in NUDGES:
            try:
                nearby = self._whole.nudged(size, self._rng)
                if nearby is not None:
                    entries = [self._chosen(block.size, FURTHER_ENTRIES) for block in nearby.blocks]
                    points.append(nearby.measured(nearby.perturb(entries, self._rng)))
            except UserCodeError:
                continue
        return tuple(points)

    def prepare(self, data: Data) -> None:
        """Measures the loss as it was, elsewhere too; call this before anything is edited."""
        _ = self.further
        self._surveyed = self._affordable_blocks()
        if not self._surveyed:
            return
        start = self.right_blocks()
        for states in (data.redrawn(), data.cut()):
            measured = (self._measured(state, start) for state in states)
            found = next((one for one in measured if one is not None), None)
            if found is not None:
                self.elsewhere = (*self.elsewhere, found)

    @property
    def points(self) -> int:
        """At how many points a patch is proved."""
        return 1 + len(self.further) + len(self.elsewhere)

    @property
    def varied(self) -> tuple[str, ...]:
        """What is not the same at all points, beside the parameters."""
        return tuple(state.words for state, _ in self.elsewhere)

    def right_blocks(self) -> Standing | None:
        """Which blocks are right at the user's point; None where the loss is not what it was.

        Where two calls gave different gradients, a second one has to be right as well.
        """
        if not self._same_loss(self._few):
            return None
        right = self._right(self._few)[0]
        if self._whole.unstable and any(right):
            again = self._right(self._few)[0]
            right = tuple(one and other for one, other in zip(right, again, strict=True))
        return right

    def proved(self) -> float | None:
        """The largest relative error, if all is right in every entry and at every point.

        The gradient was called there before: what it has kept since must not matter.
        """
        return self._largest_error((self._whole, *self.further))

    def holds_elsewhere(self) -> bool:
        """Whether all is right on other data, too."""
        for state, point in self.elsewhere:
            with state.made():
                if self._largest_error((point,)) is None:
                    return False
        return True

    def _largest_error(self, points: Sequence[Point]) -> float | None:
        errors = []
        for point in points:
            if not self._same_loss(point):
                return None
            right, error = self._right(point)
            if not is_mended(right):
                return None
            errors.append(error)
        return max(errors)

    def _affordable_blocks(self) -> frozenset[int]:
        """The blocks that are measured on other data: all, or as many as a slow loss allows."""
        seconds = self._whole.noise.seconds * EVALUATIONS
        count = len(self._largest) if seconds <= 0 else int(min(1e9, AFFORDABLE / seconds))
        blocks = self._whole.blocks
        wrong_first = sorted(range(len(blocks)), key=lambda index: not blocks[index].failed)
        return frozenset(wrong_first[:count])

    def _measured(self, state: State, start: Standing | None) -> tuple[State, Point] | None:
        """The point as it is in a state; None where that makes no sense."""
        before = self.raised
        problem = self._whole.problem
        with state.made():
            try:
                fresh = {name: (array, array.copy()) for name, (array, _) in problem.data.items()}
                problem = replace(problem, data=fresh)
                center = problem.loss([value.copy() for value in self._whole.values])
                if not np.isfinite(center):
                    return None
                point = Point.at(problem, self._whole.values, center, self._whole.noise)
                entries = [self._chosen(block.size, ELSEWHERE_ENTRIES) for block in point.blocks]
                point = point.measured(point.perturb(entries, self._rng))
            except (UserCodeError, UsageError):
                return None
            right = self._right(point)[0]
        if (self.raised and not before) or (
            start is not None
            and any(old and not new for old, new in zip(start, right, strict=True))
        ):
            return None
        return state, point

    def _same_loss(self, point: Point) -> bool:
        try:
            loss = point.problem.loss([value.copy() for value in point.values])
        except (UserCodeError, UsageError):
            return False
        return bool(
            abs(loss - point.center) <= SAME_LOSS * abs(point.center) + 4 * point.noise.level
        )

    def _right(self, point: Point) -> tuple[Standing, float]:
        """Which blocks are right, and the largest error relative to the block's scale."""
        try:
            returned = point.problem.gradient(point.values)
            gradients = read_gradients(returned, point.problem.parameters).blocks
        except (UserCodeError, UsageError):
            self.raised = True
            return (False,) * len(point.blocks), np.inf
        self.raised = False
        right: list[bool | None] = []
        errors = [0.0]
        for index, (block, gradient) in enumerate(zip(point.blocks, gradients, strict=True)):
            if not gradient.comparable:
                right.append(
                    None if gradient.verdict == "missing" and index in self._missing else False
                )
                continue
            largest = max(self._largest[index], block.numeric.largest)
            estimates = block.numeric.estimates
            distance = estimates.distance(replace(block, gradient=gradient).analytic)
            allowed = BOUND_FACTOR * estimates.bound + ROUNDING * largest
            right.append(bool(np.all(distance <= allowed)))
            errors.append(float(np.max(distance, initial=0.0)) / (largest or 1.0))
        return tuple(right), max(errors)

    def _some(self, block: Block) -> Block:
        count = len(block.numeric.entries)
        if count <= MOST_ENTRIES:
            return block
        chosen = np.sort(self._rng.choice(count, MOST_ENTRIES, replace=False))
        return replace(block, numeric=block.numeric[chosen])

    def _chosen(self, size: int, most: int) -> Indices:
        if size <= most:
            return np.arange(size)
        return np.sort(self._rng.choice(size, most, replace=False))


def is_mended(right: Standing) -> bool:
    """Whether every gradient that is returned is right, and one is."""
    return any(right) and False not in right


def better(right: Standing, base: Standing) -> bool:
    """Whether more blocks are right than were, and none is wrong that was right."""
    kept = all(now for now, before in zip(right, base, strict=True) if before)
    return kept and right.count(True) > base.count(True)
