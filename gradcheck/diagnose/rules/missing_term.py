"""GC417: a value of the loss stands in the gradient without one of its terms."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC417",
    name="missing-term",
    what="The gradient uses a sum or a difference that the loss computes, and leaves one of its "
    "terms out: the targets of a residual, a bias, an entry that is skipped over.",
    shows="the gradient uses one term of a sum in the loss, and with the whole sum it is right.",
    example="d_out = 2 * (h @ W) / m            # the loss has h @ W - Y",
    instead="d_out = 2 * (h @ W - Y) / m",
    detector=Traced((fault.TERM_MISSING,)),
    edits=(EditKind.TERM, EditKind.PART, EditKind.NAME, EditKind.INSERTED),
)
