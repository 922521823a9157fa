"""GC309: p(1 - p) in place of the Jacobian."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC309",
    name="softmax-diagonal-only",
    what="Every output of a softmax depends on all its inputs. The slope p (1 - p) leaves out the "
    "other outputs, -p_i p_j.",
    shows="the rows of delta do not sum to 0; the analytic delta is dL/dp times p (1 - p).",
    example="delta = (p - y) * p * (1 - p)      # with a squared error",
    instead="g = p - y;  delta = p * (g - (p * g).sum(axis=1, keepdims=True))",
    detector=Traced((fault.SOFTMAX_DIAGONAL,)),
    edits=(EditKind.REMOVED_FACTOR, EditKind.FUNCTION),
)
