"""GC701: only the last (or first) sample contributes."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC701",
    name="batch-not-accumulated",
    what="In a loop over samples (or steps), or where a value is used several times, the gradient "
    "is assigned instead of added, so that one of the parts is all that is left.",
    shows="the gradient is that of the last sample alone, or of the last use.",
    example="for x, y in data: dW = np.outer(x, delta)",
    instead="for x, y in data: dW += np.outer(x, delta)",
    detector=Traced((fault.NOT_ACCUMULATED, fault.LAST_PASS, fault.OVERWRITTEN)),
    edits=(EditKind.ASSIGNED_OR_ADDED, EditKind.MOVED_STATEMENT, EditKind.IN_PLACE),
)
