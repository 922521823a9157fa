"""GC410: a backward pass gives the same whatever arrives from above."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault
from gradcheck.words import gradient_of


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    without = evidence.preflight.without_upstream
    names = [
        block.name
        for block in evidence.blocks
        if block.failed
        and block.gradient.value is not None
        and block.name in without
        and np.allclose(without[block.name], block.gradient.value, rtol=1e-9)
    ]
    if names:
        yield rule.finding(
            names,
            f"{gradient_of(names)} the same whatever upstream gradient arrives",
            evidence=("under an upstream gradient of zero it is what it is here, and not zero",),
            fix="multiply by the upstream gradient that backward is given, along the chain rule",
        )


RULE = Rule(
    code="GC410",
    name="upstream-ignored",
    what="A step of the backward pass, or that of a layer, returns its own derivative, and ignores "
    "the gradient that arrives from above.",
    shows="the gradient is the same for any upstream gradient, even zero; the true gradient over "
    "the analytic one is the gradient that arrives.",
    example="def backward(upstream, x): return 2 * x",
    instead="def backward(upstream, x): return upstream * 2 * x",
    detector=Direct(_find),
    also=(Traced((fault.UPSTREAM_MISSING,)),),
)
