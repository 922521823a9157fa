"""GC603: the penalty's gradient has the wrong sign."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC603",
    name="regularisation-sign",
    what="The derivative of the penalty is subtracted where it is to be added.",
    shows="numeric minus analytic is twice the penalty's derivative.",
    example="dW = X.T @ delta - lam * W",
    instead="dW = X.T @ delta + lam * W",
    detector=Traced((fault.PENALTY_SIGN,)),
    edits=(EditKind.SIGN, EditKind.ASSIGNED_OR_ADDED),
)
