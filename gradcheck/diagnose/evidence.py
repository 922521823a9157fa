"""The evidence for rules: the user's point, compared, and a second one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.compare.stages import Plan, compare
from gradcheck.compare.verdict import scale_of
from gradcheck.diagnose.sizes import Sizes
from gradcheck.numeric.estimate import Indices
from gradcheck.numeric.ladder import BOUND_FACTOR
from gradcheck.preflight import Preflight
from gradcheck.recognition.identify import Identity
from gradcheck.recognition.layers import Layer
from gradcheck.recognition.network_view import NetworkView
from gradcheck.trace import Search
from gradcheck.user.blocks import Array
from gradcheck.user.calls import Heard, UserCodeError
from gradcheck.user.problem import Problem

SECOND_POINT_ENTRIES, SLOW_ENTRIES = 24, 4
NUDGES = (0.1, 0.01, 0.001)


@dataclass(frozen=True)
class Evidence:
    """All that the rules may look at.

    Attributes:
        problem: the checked problem.
        points: the user's point, compared; then a nearby one, compared on the failed blocks, unless
            the user's code cannot be run there.
        layers: the blocks as layers; () if unknown.
        network: the blocks as a network that computes the user's loss, or None.
        sizes: batch size, outputs, features.
        preflight: how the functions behave.
        heard: the warnings that they gave.
        search: the result of tracing the functions.
    """

    problem: Problem
    points: tuple[Point, ...]
    layers: tuple[Layer, ...]
    network: NetworkView | None
    sizes: Sizes
    preflight: Preflight
    heard: Heard
    search: Search = field(default_factory=Search)

    @property
    def first(self) -> Point:
        """The user's point."""
        return self.points[0]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the user's point, with their verdicts."""
        return self.first.blocks

    @property
    def elsewhere(self) -> str:
        """Words that a finding holds at the second point too; empty without such a point."""
        return ", and at a second point too" if len(self.points) > 1 else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the blocks."""
        return self.problem.parameters.names


def second_point(point: Point, identity: Identity, rng: np.random.Generator) -> Point | None:
    """Return a nearby point, compared on some entries of the failed blocks; None without one."""
    if point.problem.tangents is not None and point.problem.tangents.alone:
        return None
    again = None if point.tie is None else identity
    most = SLOW_ENTRIES if point.is_slow else SECOND_POINT_ENTRIES
    few = [_some(block, most, rng) for block in point.blocks]
    for size in NUDGES:
        nearby = point.beside(size, rng)
        if nearby is not None:
            with suppress(UserCodeError):
                compared = compare(nearby, Plan(few, again=again, is_second=True), rng)
                return None if compared.interrupted else compared
    return None


def error_if_right(point: Point, index: int, corrected: Array, gain: float = 1.0) -> float | None:
    """Return the relative error of a corrected gradient, or None if it does not agree.

    Args:
        point: a compared point.
        index: the index of the block.
        corrected: the gradient to try, in the block's shape.
        gain: the factor by which the correction multiplies the analytic gradient's rounding error.
    """
    block = point.blocks[index]
    if corrected.shape != block.shape:
        return None
    flat = corrected.reshape(-1)[block.numeric.entries]
    if not np.all(np.isfinite(flat)):
        return None
    distance = block.numeric.estimates.distance(flat)
    allowed = BOUND_FACTOR * (
        block.numeric.estimates.bound + gain * block.precision * block.numeric.shares
    )
    if np.any(distance > allowed):
        return None
    scale = scale_of(block.numeric, flat, point.scale)
    return float(distance.max(initial=0.0) / scale) if scale else 0.0


def largest_error(errors: Iterable[float | None]) -> float | None:
    """Return the largest of some relative errors; None if one of them is None."""
    largest = 0.0
    for error in errors:
        if error is None:
            return None
        largest = max(largest, error)
    return largest


def _some(block: Block, most: int, rng: np.random.Generator) -> Indices:
    """Return at most so many entries of a failed block, none that only screening found."""
    if not block.failed:
        return block.numeric.entries[:0]
    chosen = block.numeric.entries
    if block.screened is not None:
        chosen = np.setdiff1d(chosen, block.screened.suspects)
    if len(chosen) <= most:
        return chosen
    return np.sort(rng.choice(chosen, most, replace=False))
