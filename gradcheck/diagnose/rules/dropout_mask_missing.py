"""GC851: dropped units receive gradients."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC851",
    name="dropout-mask-missing",
    what="The backward pass of dropout lets the gradient through to units that were dropped.",
    shows="the gradient is right where units were kept, and not zero where they were dropped.",
    example="dx = upstream / keep",
    instead="dx = upstream * mask / keep",
    detector=Traced((fault.MASK_MISSING,)),
    edits=(EditKind.MISSING_FACTOR,),
)
