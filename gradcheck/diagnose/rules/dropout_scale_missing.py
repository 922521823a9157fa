"""GC852: 1/keep is absent."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC852",
    name="dropout-scale-missing",
    what="Inverted dropout divides by the keep probability on the way forward, and not on the way "
    "back.",
    shows="zero where units are dropped, and too small by the keep probability where they are not.",
    example="dx = upstream * mask",
    instead="dx = upstream * mask / keep",
    detector=Traced((fault.KEEP_MISSING,)),
    edits=(EditKind.SCALE, EditKind.MISSING_FACTOR),
)
