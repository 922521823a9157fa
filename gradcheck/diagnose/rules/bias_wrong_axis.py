"""GC204: the bias's gradient summed over units instead of samples, or over everything."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault
from gradcheck.trace.fault import Fault

FIX = "sum delta over the samples only: axis=0 in rows, axis=1 with keepdims=True in columns"


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    """Yield blocks whose gradient has another shape but the right total: summed over too much."""
    samples = evidence.sizes.batch_size
    for block in evidence.blocks:
        gradient, numeric = block.gradient.value, block.numeric
        if block.verdict != "shape" or gradient is None or block.entries != block.size:
            continue
        if block.size < 2 or max(block.shape) != block.size:
            continue
        total, right = float(gradient.sum()), float(numeric.estimates.value.sum())
        bound = float(numeric.estimates.bound.sum()) + 1e-9 * abs(right)
        if gradient.size == 1:
            how = "over everything"
        elif gradient.size == samples:
            how = "over the units instead of the samples"
        else:
            continue
        for divisor in (1, block.size, samples or 1):
            if abs(total * divisor - right) <= 2 * bound * divisor:
                yield rule.finding(
                    (block.name,),
                    f"the gradient of {block.name} is summed {how}",
                    evidence=(
                        f"{block.name} is {block.shape} and its gradient {gradient.shape}; the "
                        f"total of its entries is right ({right:.7g})",
                    ),
                    fix=FIX,
                )
                break


def _is_line(wrong: Fault) -> bool:
    shapes = [np.shape(wrong.mended[name]) for name in wrong.blocks if name in wrong.mended]
    return bool(shapes) and all(max(shape, default=1) == np.prod(shape) for shape in shapes)


RULE = Rule(
    code="GC204",
    name="bias-wrong-axis",
    what="Delta is summed over the wrong axis, or over both, so that the gradient of the bias has "
    "one number per sample, or a single one.",
    shows="the gradient of the bias has another shape, or the same number everywhere; its total is "
    "right.",
    example="db = np.sum(delta)",
    instead="db = np.sum(delta, axis=0)",
    detector=Direct(_find),
    also=(Traced((fault.WRONG_AXIS,), _is_line),),
    edits=(EditKind.AXIS, EditKind.SUM),
)
