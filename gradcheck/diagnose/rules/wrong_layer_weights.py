"""GC403: another layer's matrix, or a gradient in place of the weights."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC403",
    name="wrong-layer-weights",
    what="Delta is sent back through the weights of another layer, or through a gradient that has "
    "the same shape.",
    shows="the analytic delta fits the product with another matrix.",
    example="delta1 = delta2 @ dW2.T * slope1",
    instead="delta1 = delta2 @ W2.T * slope1",
    detector=Traced((fault.OTHER_WEIGHTS,)),
    edits=(EditKind.NAME, EditKind.INDEX),
)
