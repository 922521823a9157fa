"""GC303: the factor f'(z) is absent from delta."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC303",
    name="missing-activation-derivative",
    what="What arrives at the output of a layer is used as its delta, without the slope of the "
    "activation. That is right only for a linear layer, or where a cross-entropy has already taken "
    "the slope away.",
    shows="the analytic delta over the true one is 1 / f'(z).",
    example="delta1 = delta2 @ W2.T",
    instead="delta1 = delta2 @ W2.T * slope(z1)",
    detector=Traced((fault.SLOPE_MISSING, fault.SOFTMAX_MISSING)),
    edits=(EditKind.MISSING_FACTOR, EditKind.NAME, EditKind.FLAG, EditKind.KEPT_RESULT),
)
