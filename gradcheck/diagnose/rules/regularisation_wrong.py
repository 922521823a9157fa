"""GC604: the penalty's gradient has the wrong form or factor, or touches the biases."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC604",
    name="regularisation-wrong",
    what="The penalty's derivative has another factor than the loss (a missing 2, a missing 1/m), "
    "or is added where the loss has none (biases).",
    shows="numeric minus analytic is proportional to the weights.",
    example="loss += lam * np.sum(W ** 2);  dW = X.T @ delta + lam * W",
    instead="loss += lam * np.sum(W ** 2);  dW = X.T @ delta + 2 * lam * W",
    detector=Traced((fault.PENALTY_WRONG,)),
    edits=(EditKind.REMOVED_FACTOR, EditKind.CONSTANT, EditKind.NAME),
)
