"""GC414: a term is added that the derivative does not have."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC414",
    name="extra-term",
    what="A sum of the backward pass has one term too many: it is counted twice, does not belong "
    "to this step, or comes from another loss.",
    shows="without that term the gradient is right.",
    example="db = dz.sum(axis=0) + dz.mean(axis=0)",
    instead="db = dz.sum(axis=0)",
    detector=Traced((fault.EXTRA_TERM,)),
    edits=(EditKind.REMOVED_FACTOR, EditKind.PART),
)
