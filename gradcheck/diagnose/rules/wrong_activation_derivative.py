"""GC305: the derivative of another function, or a wrong formula."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC305",
    name="wrong-activation-derivative",
    what="The backward pass uses the derivative of another activation than the forward pass, or a "
    "formula that is not its derivative.",
    shows="the ratio of the analytic delta to the true one depends on z only.",
    example="a = np.tanh(z);  delta = error * a * (1 - a)",
    instead="a = np.tanh(z);  delta = error * (1 - a ** 2)",
    detector=Traced((fault.SLOPE_WRONG,)),
    edits=(
        EditKind.MISSING_FACTOR,
        EditKind.REMOVED_FACTOR,
        EditKind.FUNCTION,
        EditKind.POWER,
        EditKind.CONSTANT,
        EditKind.SIGN,
        EditKind.OPERATOR,
    ),
)
