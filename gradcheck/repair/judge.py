"""Is the gradient right now? Asked of every candidate, against numbers that are measured once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck.compare.comparison import Comparison
from gradcheck.compare.verdict import SAFETY
from gradcheck.errors import UsageError
from gradcheck.numeric.blackbox import BlockGradient, Claim
from gradcheck.numeric.noise import Noise
from gradcheck.sampling import Indices
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.evaluation import gradient_of_loss
from gradcheck.user.gradients import read_gradients
from gradcheck.user.problem import Problem

MOST_ENTRIES = 2000
FURTHER_ENTRIES = 12
NUDGES = (0.3, 0.05)
ROUNDING = 1e-11
"""What rounding in the gradient may do, relative to the block's largest derivative."""

SAME_LOSS = 1e-12

Standing = tuple[bool | None, ...]
"""Which blocks are right; None for those that no gradient is returned for."""


@dataclass(frozen=True)
class Point:
    """A point at which a gradient is judged.

    Attributes:
        values: the blocks.
        loss: of the user's own code there.
        measured: the numeric gradient of some entries, per block.
    """

    values: tuple[Array, ...]
    loss: float
    measured: tuple[BlockGradient, ...]


class Judge:
    """Knows the numeric gradient, and what the loss was before anything was edited.

    Args:
        problem: what is checked.
        comparison: at the user's point.
        noise: the precision of the loss.
        missing: the indices of blocks that may be returned no gradient for.
        seed: of what is drawn.

    Attributes:
        raised: whether the gradient raised when it was last judged.
    """

    def __init__(
        self,
        problem: Problem,
        comparison: Comparison,
        noise: Noise,
        missing: frozenset[int],
        seed: int,
    ) -> None:
        self.raised = False
        self._missing = missing
        self._problem = problem
        self._noise = noise
        self._rng = np.random.default_rng(seed)
        few = [self._some(block) for block in comparison.numeric.blocks]
        loss = problem.loss([value.copy() for value in comparison.values])
        self._first = Point(comparison.values, loss, tuple(few))
        self._whole = Point(comparison.values, loss, comparison.numeric.blocks)
        self._largest = [
            float(np.nanmax(np.abs(block.estimates.value), initial=0.0))
            for block in comparison.numeric.blocks
        ]

    @cached_property
    def further(self) -> tuple[Point, ...]:
        """Other points, measured with the loss as it was; call this before anything is edited."""
        found = []
        for size in NUDGES:
            values = self._problem.parameters.rounded(
                [self._nudged(value, size) for value in self._first.values]
            )
            try:
                loss = self._problem.loss(values)
                if not np.isfinite(loss):
                    continue
                entries = [self._few(value.size) for value in values]
                claims = [Claim(np.full(value.size, np.nan), 0.0) for value in values]
                numeric = gradient_of_loss(
                    self._problem, values, loss, self._noise, entries, claims, self._rng
                )
            except UserCodeError:
                continue
            found.append(Point(values, loss, numeric.blocks))
        return tuple(found)

    def right_blocks(self) -> Standing | None:
        """Which blocks are right at the user's point; None where the loss is not what it was."""
        if not self._same_loss(self._first):
            return None
        return self._right(self._first)[0]

    def proved(self) -> float | None:
        """The largest relative error, if all is right in every entry and at every point."""
        errors = []
        for point in (self._whole, *self.further):
            if not self._same_loss(point):
                return None
            right, error = self._right(point)
            if not is_mended(right):
                return None
            errors.append(error)
        return max(errors)

    def _same_loss(self, point: Point) -> bool:
        try:
            loss = self._problem.loss([value.copy() for value in point.values])
        except (UserCodeError, UsageError):
            return False
        return bool(abs(loss - point.loss) <= SAME_LOSS * abs(point.loss) + 4 * self._noise.level)

    def _right(self, point: Point) -> tuple[Standing, float]:
        """Which blocks are right, and the largest error relative to the block's scale."""
        none: Standing = (False,) * len(point.values)
        try:
            returned = self._problem.gradient(point.values)
            gradients = read_gradients(returned, self._problem.parameters).blocks
        except (UserCodeError, UsageError):
            self.raised = True
            return none, np.inf
        self.raised = False
        right: list[bool | None] = []
        errors = [0.0]
        for index, (gradient, measured, largest) in enumerate(
            zip(gradients, point.measured, self._largest, strict=True)
        ):
            if gradient.value is None or not gradient.comparable:
                aside = gradient.verdict == "missing" and index in self._missing
                right.append(None if aside else False)
                continue
            claimed = gradient.value.reshape(-1)[measured.entries]
            distance = measured.estimates.distance(claimed)
            allowed = SAFETY * measured.estimates.bound + ROUNDING * largest
            right.append(bool(np.all(distance <= allowed)))
            errors.append(float(np.max(distance, initial=0.0)) / (largest or 1.0))
        return tuple(right), max(errors)

    def _some(self, block: BlockGradient) -> BlockGradient:
        if len(block.entries) <= MOST_ENTRIES:
            return block
        chosen = np.sort(self._rng.choice(len(block.entries), MOST_ENTRIES, replace=False))
        return block.at(chosen)

    def _few(self, size: int) -> Indices:
        if size <= FURTHER_ENTRIES:
            return np.arange(size)
        return np.sort(self._rng.choice(size, FURTHER_ENTRIES, replace=False))

    def _nudged(self, value: Array, size: float) -> Array:
        spread = max(0.1, float(np.std(value)))
        return np.asarray(value + size * spread * self._rng.standard_normal(value.shape))


def is_mended(right: Standing) -> bool:
    """Whether every gradient that is returned is right, and one is."""
    return any(right) and False not in right


def better(right: Standing, base: Standing) -> bool:
    """Whether more blocks are right than were, and none is wrong that was right."""
    kept = all(now for now, before in zip(right, base, strict=True) if before)
    return kept and right.count(True) > base.count(True)
