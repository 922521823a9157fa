"""GC205: `@` where the elementwise product belongs."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.raised import raised_products
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    for found in raised_products(evidence):
        if found.confusion == "elementwise":
            left, right = (operand.code for operand in found.misfit.operands)
            fix = f"multiply them entry by entry: {left} * {right}"
            yield found.finding(rule, evidence, fix)


RULE = Rule(
    code="GC205",
    name="matmul-instead-of-elementwise",
    what="What arrives at a layer is multiplied by the slope as matrices. It runs only where there "
    "are as many samples as units, and is then silent.",
    shows="the analytic delta is a matrix product with the slope.",
    example="delta1 = np.dot(W2.T @ delta2, slope1)",
    instead="delta1 = (W2.T @ delta2) * slope1",
    detector=Direct(_find),
    also=(Traced((fault.MATRIX_PRODUCT,)),),
    edits=(EditKind.PRODUCT, EditKind.FUNCTION),
)
