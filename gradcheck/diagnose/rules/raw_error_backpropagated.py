"""GC401: W.T (a - y) in place of W.T delta."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC401",
    name="raw-error-backpropagated",
    what="The gradient of a layer is made from its delta, but what is sent back through its "
    "weights is the bare error, without the slope.",
    shows="the layer itself is right; every layer below lacks f' of it.",
    example="delta1 = (a2 - y) @ W2.T * slope1",
    instead="delta1 = delta2 @ W2.T * slope1",
    detector=Traced((fault.RAW_ERROR,)),
    edits=(EditKind.NAME, EditKind.MISSING_FACTOR, EditKind.MOVED_STATEMENT),
)
