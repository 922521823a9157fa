"""GC206: `*` where the matrix product belongs."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.raised import raised_products
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    for found in raised_products(evidence):
        if found.confusion == "matrix":
            left, right = (operand.code for operand in found.misfit.operands)
            fix = f"use the matrix product: {left} @ {right}"
            yield found.finding(rule, evidence, fix)


RULE = Rule(
    code="GC206",
    name="elementwise-instead-of-matmul",
    what="A product of matrices is written with `*`, which multiplies entry by entry. It runs only "
    "where the shapes are equal or broadcast.",
    shows="the analytic gradient is an elementwise product.",
    example="delta1 = W2.T * delta2 * slope1",
    instead="delta1 = W2.T @ delta2 * slope1",
    detector=Direct(_find),
    also=(Traced((fault.ELEMENTWISE,)),),
    edits=(EditKind.PRODUCT, EditKind.FUNCTION),
)
