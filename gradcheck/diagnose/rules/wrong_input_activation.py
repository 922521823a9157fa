"""GC406: dW = outer(delta, something else than the layer's input)."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC406",
    name="wrong-input-activation",
    what="The gradient of the weights is the product of the layer's input and its delta. Here one "
    "of the two is something else: the pre-activation, another layer's output, the raw data.",
    shows="the bias is right, so delta is, and the weights are not.",
    example="dW2 = z1.T @ delta2",
    instead="dW2 = a1.T @ delta2",
    detector=Traced((fault.OTHER_INPUT,)),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.MISSING_FACTOR, EditKind.WRAPPED),
)
