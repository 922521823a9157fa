"""GC405: delta built from another layer's delta, error or value."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC405",
    name="wrong-upstream",
    what="Delta is built from something of another layer: its delta, its output, an error kept "
    "under the wrong name.",
    shows="the analytic delta fits the product of the weights with another quantity.",
    example="delta1 = delta3 @ W2.T * slope1",
    instead="delta1 = delta2 @ W2.T * slope1",
    detector=Traced((fault.OTHER_ADJOINT,)),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.MOVED_STATEMENT),
)
