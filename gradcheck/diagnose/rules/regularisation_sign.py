"""GC603: the penalty's gradient has the wrong sign."""

from __future__ import annotations

from gradcheck.diagnose.rule import EditKind, Penalty, Rule, Traced
from gradcheck.trace import fault


def _words(name: str, found: float, wanted: float) -> tuple[str, str] | None:
    if wanted == 0 or abs(found + wanted) > 1e-6 * abs(wanted):
        return None
    return (
        f"the penalty's part in the gradient of {name} has the wrong sign",
        f"add {wanted:.6g} * {name} instead of taking it off",
    )


RULE = Rule(
    code="GC603",
    name="regularisation-sign",
    what="The derivative of the penalty is subtracted where it is to be added.",
    shows="numeric minus analytic is twice the penalty's derivative.",
    example="dW = X.T @ delta - lam * W",
    instead="dW = X.T @ delta + lam * W",
    detector=Penalty(_words),
    also=(Traced((fault.PENALTY_SIGN,)),),
    edits=(EditKind.SIGN, EditKind.ASSIGNED_OR_ADDED),
)
