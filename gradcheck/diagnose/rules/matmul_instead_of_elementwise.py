"""GC205: `@` where the elementwise product belongs."""

from __future__ import annotations

from gradcheck.diagnose.raised import confused
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC205",
    name="matmul-instead-of-elementwise",
    what="What arrives at a layer is multiplied by the slope as matrices. It runs only where there "
    "are as many samples as units, and is then silent.",
    shows="the analytic delta is a matrix product with the slope.",
    example="delta1 = np.dot(W2.T @ delta2, slope1)",
    instead="delta1 = (W2.T @ delta2) * slope1",
    detector=Direct(confused("elementwise", "multiply them entry by entry: {} * {}")),
    also=(Traced((fault.MATRIX_PRODUCT,)),),
    edits=(EditKind.PRODUCT, EditKind.FUNCTION),
)
