"""GC606: the exact gradient of another formula than the forward's."""

from __future__ import annotations

from gradcheck.diagnose.rule import Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC606",
    name="forward-backward-inconsistent",
    what="The backward pass is that of another formula than the forward pass computes: with "
    "another small constant or with it elsewhere, with the variance by n - 1 for that by n, with "
    "the other form of the GELU, without a bias or a target. The two passes must have the same.",
    shows="the gradient is, entry for entry, that of the same loss with the other formula; or a "
    "value that it computes for itself is not the loss's.",
    example="std = np.sqrt(x.var(axis=0) + 1e-3);  dx = (g - ...) / (x.std(axis=0) + 1e-3)",
    instead="std = np.sqrt(x.var(axis=0) + 1e-3);  dx = (g - ...) / std",
    detector=Traced((fault.OTHER_FORMULA,)),
)
