"""GC604: the penalty's gradient has the wrong form or factor, or touches the biases."""

from __future__ import annotations

from gradcheck.diagnose.rule import EditKind, Penalty, Rule, Traced
from gradcheck.trace import fault


def _words(name: str, found: float, wanted: float) -> tuple[str, str] | None:
    if wanted == 0:
        return (
            f"the gradient of {name} holds {found:.6g} times {name}, and your loss has no such "
            "penalty",
            f"drop {found:.6g} * {name}, or put {found / 2:.6g} * sum({name}**2) into the loss",
        )
    return (
        f"the penalty's part in the gradient of {name} is {found:.6g} times {name}, and should be "
        f"{wanted:.6g} times",
        f"write {wanted:.6g} * {name}: the derivative of the penalty in your loss",
    )


RULE = Rule(
    code="GC604",
    name="regularisation-wrong",
    what="The penalty's derivative has another factor than the loss (a missing 2, a missing 1/m), "
    "or is added where the loss has none (biases).",
    shows="numeric minus analytic is proportional to the weights.",
    example="loss += lam * np.sum(W ** 2);  dW = X.T @ delta + lam * W",
    instead="loss += lam * np.sum(W ** 2);  dW = X.T @ delta + 2 * lam * W",
    detector=Penalty(_words),
    also=(Traced((fault.PENALTY_WRONG,)),),
    edits=(
        EditKind.REMOVED_FACTOR,
        EditKind.CONSTANT,
        EditKind.NAME,
        EditKind.WITHOUT_BIAS,
    ),
)
