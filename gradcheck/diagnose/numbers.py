"""Rules that need only the numbers: a constant ratio, or a rearrangement of the entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.diagnose.evidence import Evidence, error_if_right, largest_error
from gradcheck.diagnose.rule import Correction, Explanation, Factor, Mend, Rule, Scale, detectors
from gradcheck.user.blocks import Array

T = TypeVar("T")


@dataclass(frozen=True)
class Match(Generic[T]):
    """A change that makes a block's gradient right, and the relative error that remains."""

    block: int
    rule: Rule
    explanation: Explanation[T]
    error: float


ScaleMatch = Match[float]
CorrectionMatch = Match[Callable[[Array], Array]]


def match_scales(evidence: Evidence, block: int, rules: Sequence[Rule]) -> Iterator[ScaleMatch]:
    """Yield the constants that make a block right at all points, in the order of the rules."""
    if not evidence.blocks[block].gradient_fits:
        return
    ratio = fitted_ratio(evidence.blocks[block])
    for rule, factor in _factors(evidence, block, rules, ratio):
        error = largest_error(
            _error_after_dividing(point, block, factor.value) for point in evidence.points
        )
        if error is not None:
            yield ScaleMatch(block, rule, factor, error)


def match_corrections(
    evidence: Evidence, block: int, rules: Sequence[Rule]
) -> Iterator[CorrectionMatch]:
    """Yield the rearrangements that make a block right at all points, in the order of the rules."""
    gradient = evidence.blocks[block].gradient.value
    if gradient is None:
        return
    shape = evidence.blocks[block].shape
    for rule, detector in detectors(rules, Correction):
        for mend in detector.mends(shape, gradient.shape, evidence.sizes):
            error = largest_error(
                _error_after_mending(point, block, mend) for point in evidence.points
            )
            if error is not None:
                yield CorrectionMatch(block, rule, mend, error)


def fitted_ratio(block: Block) -> float | None:
    """Return analytic / numeric by least squares over the perturbed entries, or None."""
    if not block.gradient_fits:
        return None
    analytic, numeric = block.analytic, block.numeric.estimates.value
    usable = np.isfinite(numeric) & (np.abs(numeric) > 10 * block.numeric.estimates.bound)
    usable &= np.isfinite(analytic)
    square = float(numeric[usable] @ numeric[usable])
    return float(analytic[usable] @ numeric[usable]) / square if square > 0 else None


def one_ratio(block: Block) -> float | None:
    """Return analytic / numeric if it is the same for every perturbed entry, or None."""
    ratio = fitted_ratio(block)
    if ratio is None:
        return None
    estimates = block.numeric.estimates
    off = np.abs(block.analytic - ratio * estimates.value)
    close = 1e-6 * abs(ratio) * np.max(np.abs(estimates.value), initial=0.0)
    return ratio if np.all(off <= 2 * abs(ratio) * estimates.bound + close) else None


def _factors(
    evidence: Evidence,
    block: int,
    rules: Sequence[Rule],
    ratio: float | None,
    beside_right_weights: bool | None = None,
) -> Iterator[tuple[Rule, Factor]]:
    if beside_right_weights is None:
        beside_right_weights = any(
            layer.bias == block and evidence.blocks[layer.weight].verdict == "ok"
            for layer in evidence.layers
        )
    for rule, detector in detectors(rules, Scale):
        if beside_right_weights or not detector.only_bias:
            for factor in detector.factors(evidence.sizes, ratio):
                yield rule, factor


def _error_after_dividing(point: Point, block: int, factor: float) -> float | None:
    gradient = point.blocks[block].gradient.value
    if gradient is None or not factor or not point.blocks[block].gradient_fits:
        return None
    return error_if_right(point, block, gradient / factor, gain=abs(1 / factor))


def _error_after_mending(point: Point, block: int, mend: Mend) -> float | None:
    gradient = point.blocks[block].gradient.value
    if gradient is None:
        return None
    return error_if_right(point, block, np.asarray(mend.value(gradient)))
