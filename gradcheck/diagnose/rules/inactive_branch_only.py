"""GC306: right wherever the unit is active, wrong where it is not."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC306",
    name="inactive-branch-only",
    what="The slope of a relu, leaky relu or elu is right for active units only; below zero it is "
    "another number than the forward pass has.",
    shows="entries differ only where units are inactive.",
    example="slope = np.where(z > 0, 1, 0)          # forward: np.where(z > 0, z, 0.01 * z)",
    instead="slope = np.where(z > 0, 1, 0.01)",
    detector=Traced((fault.SLOPE_INACTIVE,)),
    edits=(EditKind.COMPARISON, EditKind.CONSTANT, EditKind.BRACKETS),
)
