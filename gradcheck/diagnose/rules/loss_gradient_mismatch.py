"""GC601: the exact gradient of another loss than the one given."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC601",
    name="loss-gradient-mismatch",
    what="The backward pass begins with the derivative of another loss than the forward pass "
    "computes.",
    shows="the gradient agrees, to rounding, with that of the other loss.",
    example="loss = np.mean(np.abs(a - y));  delta = 2 * (a - y) / m",
    instead="loss = np.mean((a - y) ** 2);  delta = 2 * (a - y) / m",
    detector=Traced((fault.OTHER_LOSS,)),
    edits=(
        EditKind.REMOVED_FACTOR,
        EditKind.MISSING_FACTOR,
        EditKind.FUNCTION,
        EditKind.WRAPPED,
        EditKind.CONSTANT,
    ),
)
