"""GC308: the slope or the mask of a neighbouring layer."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC308",
    name="wrong-layer-activation",
    what="The slope, or the mask of a relu, comes from a neighbouring layer of the same width: an "
    "index is off by one.",
    shows="the factor fits another layer's z.",
    example="delta1 = delta2 @ W2.T * (z2 > 0)",
    instead="delta1 = delta2 @ W2.T * (z1 > 0)",
    detector=Traced((fault.SLOPE_OF_ANOTHER,)),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.OTHER_NAME),
)
