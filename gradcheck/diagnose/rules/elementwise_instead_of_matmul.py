"""GC206: `*` where the matrix product belongs."""

from __future__ import annotations

from gradcheck.diagnose.raised import confused
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC206",
    name="elementwise-instead-of-matmul",
    what="A product of matrices is written with `*`, which multiplies entry by entry. It runs only "
    "where the shapes are equal or broadcast.",
    shows="the analytic gradient is an elementwise product.",
    example="delta1 = W2.T * delta2 * slope1",
    instead="delta1 = W2.T @ delta2 * slope1",
    detector=Direct(confused("matrix", "use the matrix product: {} @ {}")),
    also=(Traced((fault.ELEMENTWISE,)),),
    edits=(EditKind.PRODUCT, EditKind.FUNCTION),
)
