"""GC311: normalised over the batch."""

from gradcheck.diagnose.rule import Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC311",
    name="softmax-wrong-axis",
    what="The forward pass divides by the sum over the batch: the outputs of one sample do not sum "
    "to 1, and the backward pass is that of another function.",
    shows="the loss is that of a softmax over the samples; the gradient that of one over the "
    "outputs.",
    example="p = e / e.sum(axis=0)      # one sample per row",
    instead="p = e / e.sum(axis=1, keepdims=True)",
    detector=Traced((fault.SOFTMAX_AXIS,)),
)
