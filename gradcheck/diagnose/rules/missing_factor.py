"""GC413: a product of the chain rule lacks one of its factors."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC413",
    name="missing-factor",
    what="A step of the chain rule is a product, and one of its factors is left out: what the "
    "value is multiplied by in the loss, or its own derivative.",
    shows="multiplied by one value that is available there, the gradient is right.",
    example="ds = W.T @ dz        # the loss has W @ (r * s)",
    instead="ds = r * (W.T @ dz)",
    detector=Traced((fault.FACTOR_MISSING,)),
    edits=(EditKind.MISSING_FACTOR,),
)
