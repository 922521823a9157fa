"""What rules are proved against: the comparison at the user's point, and at a second one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.comparison import Comparison, compare
from gradcheck.compare.verdict import BOUND_FACTOR, Block, scale_of
from gradcheck.diagnose.sizes import Sizes
from gradcheck.preflight import Preflight
from gradcheck.recognition.layers import Layer
from gradcheck.recognition.network_view import NetworkView
from gradcheck.sampling import Indices, Selection
from gradcheck.user.blocks import Array
from gradcheck.user.calls import Heard, UserCodeError
from gradcheck.user.problem import Problem

SECOND_POINT_ENTRIES = 24
NUDGES = (0.1, 0.01, 0.001)


@dataclass(frozen=True)
class Evidence:
    """All that the rules may look at.

    Attributes:
        problem: what is checked.
        points: the comparison at the user's point; then one at a point nearby, of the blocks that
            failed, unless the user's code cannot be run there.
        layers: the blocks as layers; () where they are not known.
        network: the blocks as a network that computes the user's loss, or None.
        sizes: batch size, outputs, features.
        ready: how the functions behave.
        heard: what they warned of.
    """

    problem: Problem
    points: tuple[Comparison, ...]
    layers: tuple[Layer, ...]
    network: NetworkView | None
    sizes: Sizes
    ready: Preflight
    heard: Heard

    @property
    def first(self) -> Comparison:
        """The comparison at the user's point."""
        return self.points[0]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The verdicts at the user's point."""
        return self.first.blocks

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the blocks."""
        return self.problem.parameters.names


def second_point(
    ready: Preflight, first: Comparison, selection: Selection, rng: np.random.Generator
) -> Comparison | None:
    """The comparison at randomly nudged parameters, on some entries of the blocks that failed."""
    few = tuple(
        _some(chosen, rng) if block.failed else chosen[:0]
        for chosen, block in zip(selection.entries, first.blocks, strict=True)
    )
    for size in NUDGES:
        values = ready.problem.parameters.rounded(
            [
                np.asarray(
                    value + size * max(0.1, float(np.std(value))) * rng.standard_normal(value.shape)
                )
                for value in first.values
            ]
        )
        try:
            center = ready.problem.loss(values)
            if np.isfinite(center) and ready.noise is not None:
                found = compare(ready.problem, values, center, ready.noise, few, None, rng)
                return None if found.numeric.interrupted else found
        except UserCodeError:
            continue
    return None


def error_if_right(
    comparison: Comparison, block: int, corrected: Array, gain: float = 1.0
) -> float | None:
    """The relative error of a corrected gradient, or None where it does not agree.

    Args:
        comparison: at one point.
        block: its index.
        corrected: the gradient to try, in the block's shape.
        gain: by what the correction multiplies the analytic gradient's rounding error.
    """
    measured = comparison.numeric.blocks[block]
    if corrected.shape != comparison.values[block].shape:
        return None
    flat = corrected.reshape(-1)[measured.entries]
    if not np.all(np.isfinite(flat)):
        return None
    distance = measured.estimates.distance(flat)
    allowed = BOUND_FACTOR * (measured.estimates.bound + gain * comparison.precision[block])
    if np.any(distance > allowed):
        return None
    scale = scale_of(measured, flat, comparison.scale)
    return float(distance.max(initial=0.0) / scale) if scale else 0.0


def reproduces(comparison: Comparison, block: int, predicted: Array) -> bool:
    """Whether a hypothesis gives the user's gradient of a block, to rounding, in every entry."""
    gradient = comparison.gradients.blocks[block]
    if gradient.value is None or gradient.value.shape != predicted.shape:
        return False
    scale = float(np.max(np.abs(gradient.value), initial=0.0))
    allowed = 1e-9 * scale + 10 * comparison.precision[block]
    return bool(np.all(np.abs(gradient.value - predicted) <= allowed))


def with_point(evidence: Evidence, point: Comparison | None) -> Evidence:
    """The evidence with one more point, if there is one."""
    return evidence if point is None else replace(evidence, points=(*evidence.points, point))


def _some(chosen: Indices, rng: np.random.Generator) -> Indices:
    if len(chosen) <= SECOND_POINT_ENTRIES:
        return chosen
    return np.sort(rng.choice(chosen, SECOND_POINT_ENTRIES, replace=False))
