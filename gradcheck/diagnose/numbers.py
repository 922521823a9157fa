"""Rules that need only the numbers: a constant or a rearrangement makes a block right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.diagnose.evidence import Evidence, error_if_right, largest_error
from gradcheck.diagnose.layers import infer_place
from gradcheck.diagnose.rule import Correction, Explanation, Factor, Mend, Rule, Scale
from gradcheck.diagnose.rules import detectors
from gradcheck.finding import Finding
from gradcheck.user.blocks import Array
from gradcheck.words import gradient_of

T = TypeVar("T")


CHANCE, ALIKE = 1e-3, 0.05
"""Largest error after division by a factor that fits at one point: of a single number, of others.

What rounding has left of a sum that cancels out is no multiple of the right gradient.
"""


@dataclass(frozen=True)
class Match(Generic[T]):
    """A change that makes a block's gradient right, and the relative error that remains."""

    block: int
    rule: Rule
    explanation: Explanation[T]
    error: float


ScaleMatch = Match[float]
CorrectionMatch = Match[Callable[[Array], Array]]


def match_scales(evidence: Evidence, block: int) -> Iterator[ScaleMatch]:
    """Yield the constants that make a block right at all points, in the order of the rules."""
    if not evidence.blocks[block].gradient_fits:
        return
    ratio = fitted_ratio(evidence.blocks[block])
    for rule, factor in _factors(evidence, block, ratio):
        error = largest_error(
            _error_after_dividing(point, block, factor.value) for point in evidence.points
        )
        if error is not None and error < (ALIKE if evidence.blocks[block].entries > 1 else CHANCE):
            yield ScaleMatch(block, rule, factor, error)


def match_corrections(evidence: Evidence, block: int) -> Iterator[CorrectionMatch]:
    """Yield the rearrangements that make a block right at all points, in the order of the rules."""
    gradient = evidence.blocks[block].gradient.value
    if gradient is None:
        return
    shape = evidence.blocks[block].shape
    for rule, detector in detectors(Correction):
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


def _factors(evidence: Evidence, block: int, ratio: float | None) -> Iterator[tuple[Rule, Factor]]:
    beside_right_weights = any(
        layer.bias == block and evidence.blocks[layer.weight].verdict == "ok"
        for layer in evidence.layers
    )
    for rule, detector in detectors(Scale):
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


def scale_findings(evidence: Evidence, group: Sequence[Sequence[ScaleMatch]]) -> Iterator[Finding]:
    """Yield one finding for blocks that are off by one constant, from the matches of each block."""
    best = [matches[0] for matches in group]
    names = [evidence.names[match.block] for match in best]
    rule, factor = best[0].rule, best[0].explanation
    same = [
        other.rule.code
        for other in group[0][1:]
        if not other.rule.last_resort
        and np.isclose(other.explanation.value, factor.value, rtol=1e-9)
    ]
    entries = sum(evidence.blocks[match.block].entries for match in best)
    ratios = [fitted_ratio(evidence.blocks[match.block]) for match in best]
    ratio = next((value for value in ratios if value is not None), factor.value)
    off = abs(ratio - 1) < 1e-5
    quotient = f"numeric - 1 = {ratio - 1:.1e}" if off else f"numeric = {ratio:.7f}"
    beside_right = any(
        block.name not in names and block.verdict == "ok" for block in evidence.blocks
    )
    yield rule.finding(
        names,
        f"{gradient_of(names)} {factor.message}",
        evidence=_with_place(
            evidence,
            names,
            f"analytic / {quotient} on all {entries} entries checked; divided by it, "
            f"{'it agrees' if len(names) == 1 else 'they agree'} to "
            f"{max(match.error for match in best):.1e}{evidence.elsewhere}",
        ),
        fix=(beside_right and factor.fix_beside) or factor.fix,
        error_after_fix=max(match.error for match in best),
        equally=same,
    )


def correction_finding(evidence: Evidence, match: CorrectionMatch) -> Finding:
    """Return the finding for a block whose gradient is right once it is rearranged."""
    name = evidence.names[match.block]
    gradient = evidence.blocks[match.block].gradient.value
    returned = () if gradient is None else gradient.shape
    shape = evidence.blocks[match.block].shape
    shapes = f"{name} is {shape} and its gradient {returned}"
    return match.rule.finding(
        (name,),
        f"the gradient of {name} {match.explanation.message}",
        evidence=_with_place(
            evidence,
            [name],
            f"{shapes}; so mended, it agrees with the numeric gradient to {match.error:.1e}",
        ),
        fix=match.explanation.fix,
        error_after_fix=match.error,
    )


def _with_place(evidence: Evidence, names: Sequence[str], *lines: str) -> tuple[str, ...]:
    """Prepend what the right blocks rule out, if that concerns one of the named blocks."""
    place = infer_place(evidence.blocks, evidence.layers)
    relevant = place if place and any(name in place for name in names) else None
    return tuple(line for line in (relevant, *lines) if line)
