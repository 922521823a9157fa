"""Findings for blocks that a constant or a rearrangement makes right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.layers import infer_place
from gradcheck.diagnose.numbers import CorrectionMatch, ScaleMatch, fitted_ratio
from gradcheck.finding import Finding
from gradcheck.words import gradient_of


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
        fix=factor.fix,
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
