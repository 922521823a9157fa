"""GC310: another wrong product with the softmax's Jacobian."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC310",
    name="softmax-jacobian-wrong",
    what="The product of dL/dp with the Jacobian diag(p) - p p^T is written wrongly: a sum too "
    "many, over the wrong axis, or with a wrong sign.",
    shows="the rows of delta do not sum to 0.",
    example="delta = p * (g - g.sum(axis=1, keepdims=True))",
    instead="delta = p * (g - (p * g).sum(axis=1, keepdims=True))",
    detector=Traced((fault.SOFTMAX_WRONG,)),
    edits=(EditKind.AXIS, EditKind.SUM, EditKind.SIGN, EditKind.NAME),
)
