"""GC402: the step through W is skipped."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC402",
    name="missing-weights-in-delta",
    what=("Delta of a layer is made from the delta above without the weights that lie between."),
    shows="the analytic delta fits the delta above, not its product with the weights.",
    example="delta1 = delta2 * slope1",
    instead="delta1 = delta2 @ W2.T * slope1",
    detector=Traced((fault.WEIGHTS_MISSING,)),
    edits=(EditKind.NAME,),
)
