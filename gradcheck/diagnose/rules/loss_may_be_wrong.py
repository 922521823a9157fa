"""GC607: the exact gradient of the loss with one operation changed."""

from gradcheck.diagnose.rule import Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC607",
    name="loss-may-be-wrong",
    what="The gradient is not that of the loss, but exactly that of the same loss with one "
    "operation changed. One of the two is mistaken, and it may be the loss.",
    shows="the gradient is, entry for entry, that of the loss with one operation changed.",
    example="loss: np.where(abs(r) > 1, 0.5 * abs(r) - 0.5, 0.5 * r**2);  slope: np.clip(r, -1, 1)",
    instead="loss: np.where(abs(r) > 1, abs(r) - 0.5, 0.5 * r**2);  slope: np.clip(r, -1, 1)",
    detector=Traced((fault.LOSS_CHANGED,)),
)
