"""GC606: the exact gradient of another formula than the forward's."""

from gradcheck.diagnose.rule import Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC606",
    name="forward-backward-inconsistent",
    what="The backward pass belongs to another formula than the forward pass: with another small "
    "constant or the same one elsewhere, a variance by n - 1 instead of n, the other form of the "
    "GELU, no bias or no target. Both passes must use the same formula.",
    shows="the gradient is, entry for entry, that of the same loss with the other formula; or a "
    "value that it computes again differs from the loss's.",
    example="std = np.sqrt(x.var(axis=0) + 1e-3);  dx = (g - ...) / (x.std(axis=0) + 1e-3)",
    instead="std = np.sqrt(x.var(axis=0) + 1e-3);  dx = (g - ...) / std",
    detector=Traced((fault.OTHER_FORMULA,)),
)
