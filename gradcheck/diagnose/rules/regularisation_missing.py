"""GC602: the gradient of the penalty is absent."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC602",
    name="regularisation-missing",
    what="The loss has an L2 penalty, and the gradient lacks its derivative.",
    shows="numeric minus analytic is proportional to the weights.",
    example="loss += lam / 2 * np.sum(W ** 2);  dW = X.T @ delta",
    instead="loss += lam / 2 * np.sum(W ** 2);  dW = X.T @ delta + lam * W",
    detector=Traced((fault.PENALTY_MISSING,)),
    edits=(EditKind.TERM, EditKind.INSERTED),
)
