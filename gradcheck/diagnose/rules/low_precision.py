"""GC902: the loss is computed in float32 or coarser."""

from gradcheck.diagnose.rule import Note, Rule

RULE = Rule(
    code="GC902",
    name="low-precision",
    what="Differences of a loss in float32 have few digits left. The bound says what could be "
    "seen, and what could not is not called right.",
    shows="the loss takes only values of float32, or jumps from one to the next.",
    example="X = X.astype(np.float32)",
    instead="X = X.astype(np.float64)      # for the check",
    detector=Note(),
)
