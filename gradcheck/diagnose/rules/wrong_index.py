"""GC416: entries are written at another index than the one that they belong to."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC416",
    name="wrong-index",
    what="A loop computes the right entries of a gradient and writes them to other places, because "
    "one of the indices is another loop's, or off by one; or a column is read that is next to the "
    "right one.",
    shows="the right numbers stand in the gradient, but elsewhere along one axis; or another part "
    "of an array in the same formula gives the right ones.",
    example="for i in range(n): dx[j] = total[i]",
    instead="for i in range(n): dx[i] = total[i]",
    detector=Traced((fault.OTHER_INDEX,)),
    edits=(EditKind.INDEX, EditKind.NAME, EditKind.EXCHANGED),
)
