"""GC602: the gradient of the penalty is absent."""

from __future__ import annotations

from gradcheck.diagnose.rule import Penalty, Rule, Traced
from gradcheck.trace import fault


def _words(name: str, found: float, wanted: float) -> tuple[str, str] | None:
    if wanted == 0 or abs(found) > 1e-6 * abs(wanted):
        return None
    return (
        f"the gradient of {name} lacks the penalty's part, which is {wanted:.6g} times {name}",
        f"add {wanted:.6g} * {name}: the derivative of the penalty in your loss",
    )


RULE = Rule(
    code="GC602",
    name="regularisation-missing",
    what="The loss has an L2 penalty, and the gradient lacks its derivative.",
    shows="numeric minus analytic is proportional to the weights.",
    example="loss += lam / 2 * np.sum(W ** 2);  dW = X.T @ delta",
    instead="loss += lam / 2 * np.sum(W ** 2);  dW = X.T @ delta + lam * W",
    detector=Penalty(_words),
    also=(Traced((fault.PENALTY_MISSING,)),),
)
