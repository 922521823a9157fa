"""GC407: one of the contributions that add up to a gradient is dropped."""

from gradcheck.diagnose.rule import Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC407",
    name="missing-gradient-path",
    what="The derivative by a value that is used in several places (shared weights, a state that "
    "the next step reads, statistics) is the sum of what comes back from all of them, and one is "
    "left out.",
    shows="the gradient is right but for one of its additive contributions.",
    example="dh = W_out.T @ dy      # the next step reads h too",
    instead="dh = W_out.T @ dy + W_h.T @ dz_next",
    detector=Traced((fault.PATH_MISSING, fault.PASS_MISSING)),
)
