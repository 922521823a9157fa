"""The target of a block's gradient at a point, and how far a gradient has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.mending.source import Function
from gradcheck.mending.surroundings import replays
from gradcheck.numeric.estimate import Estimates, Indices
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.user.blocks import Array
from gradcheck.user.names import derived_names

ROUNDING = 1e-11
"""The rounding error allowed in a gradient, relative to the block's largest derivative."""

Standing = tuple[bool | None, ...]
"""Whether each block is right; None if no gradient is returned for it."""

Read = Sequence[Array | None]
"""The gradient of every block; None where it cannot be compared."""

SLOWER = 0.7
"""Another learning rate, as a multiple of the user's."""

LEAST, TELLING = 1e-9, 1e-2
PROPORTIONAL = 1e-6
"""How far the entries of a block may be from one factor if the block is right but for that."""


def is_kept(before: Standing, now: Standing) -> bool:
    """True if all blocks that were right still are."""
    return all(right for was, right in zip(before, now, strict=True) if was)


@dataclass(frozen=True)
class Progress:
    """How far a gradient has come.

    Attributes:
        right: which blocks are right.
        raised: whether the gradient raised.
        partly: the sum of the shares of right entries in the wrong blocks.
    """

    right: Standing
    raised: bool
    partly: float

    @property
    def amount(self) -> float:
        """How much is right; a block that is not quite right counts less than one that is."""
        return self.right.count(True) + 0.9 * self.partly

    def is_beyond(self, base: Progress) -> bool:
        """True if more is right than before, and nothing has become wrong."""
        more = self.amount > base.amount + LEAST or self.is_clear(base)
        return more and is_kept(base.right, self.right)

    def is_clear(self, base: Progress) -> bool:
        """True if more blocks are right than before, or the gradient no longer raises."""
        more = self.right.count(True) > base.right.count(True)
        return more or (base.raised and not self.raised)


@dataclass(frozen=True)
class Target:
    """The target of a block's gradient at a point, in the entries that are compared."""

    entries: Indices
    estimates: Estimates
    allowed: Array
    largest: float

    @classmethod
    def of(cls, block: Block, largest: float, rounding: float) -> Target:
        """Return the target of a measured block; `rounding` is relative to its largest entry."""
        estimates = block.numeric.estimates
        numeric = block.numeric[np.isfinite(estimates.value + estimates.bound)]
        largest = max(largest, numeric.largest)
        allowed = BOUND_FACTOR * numeric.estimates.bound + max(rounding, ROUNDING) * largest
        return cls(numeric.entries, numeric.estimates, allowed, largest)

    @property
    def is_telling(self) -> bool:
        """True if the target is known well enough to say how near a gradient is."""
        return float(np.max(self.allowed, initial=0.0)) <= TELLING * (self.largest or 1.0)

    def distance(self, gradient: Array) -> Array:
        """Return how far each entry is from the right value."""
        return self.estimates.distance(gradient.reshape(-1)[self.entries])

    def is_met(self, gradient: Array) -> bool:
        """True if all entries are right."""
        return bool((self.distance(gradient) <= self.allowed).all())

    def share(self, gradient: Array) -> float:
        """Return the share of right entries; at least half if they are right but for one factor."""
        share = float(np.mean(self.distance(gradient) <= self.allowed))
        analytic, true = gradient.reshape(-1)[self.entries], self.estimates.value
        length = float(np.sqrt(analytic @ analytic * (true @ true)))
        aligned = len(true) > 2 and abs(abs(analytic @ true) - length) <= PROPORTIONAL**2 * length
        return max(share, 0.5) if aligned and length else share


def blocks_without_gradient(point: Point, functions: Sequence[Function]) -> frozenset[int]:
    """Return the blocks for which no gradient is returned, as far as the source shows it.

    If the gradient raises, a block is one of them if no text in the functions begins a name of its
    gradient. Functions that the loss calls as well are left out.
    """
    codes = {function.code for function in functions if not function.of_loss}
    constants = [constant for code in codes for constant in code.co_consts]
    items = [item for one in constants for item in (one if isinstance(one, tuple) else (one,))]
    texts = tuple(item for item in items if isinstance(item, str) and item)
    without = set()
    for leaf in point.problem.parameters.leaves:
        if leaf.block is None or not leaf.path or not isinstance(leaf.path[0], str):
            continue
        verdict = point.blocks[leaf.block].verdict
        names = {leaf.path[0], *derived_names(leaf.path[0])}
        is_named = any(name.startswith(texts) for name in names)
        if verdict == "missing" or (verdict == "raised" and not is_named):
            without.add(leaf.block)
    return frozenset(without)


def other_points(base: Point, rng: np.random.Generator) -> Iterator[Point]:
    """Yield two points with other signs: units that are on at one are off at the other.

    And the same point with another learning rate, which no number in an edit can be: but for a
    script, whose rate may be written there.
    """
    signs = [rng.choice((-1.0, 1.0), one.shape) for one in base.values]
    for way in (1, -1):
        moved = [way * one * sign for one, sign in zip(base.values, signs, strict=True)]
        yield Point.at(base.problem, moved, base.center, base.noise)
    step = base.problem.step
    if step is not None and step.keyword is not None and not replays(step.step):
        slower = replace(step, learning_rate=SLOWER * step.learning_rate)
        problem = replace(base.problem, step=slower)
        yield Point.at(problem, base.values, base.center, base.noise)
