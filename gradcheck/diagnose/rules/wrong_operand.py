"""GC415: another value stands where one that is at hand belongs."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC415",
    name="wrong-operand",
    what="An expression uses another value than the one that belongs there: one with "
    "a similar name, that of a neighbouring layer, an index instead of the entry it points to.",
    shows="with the other value in that one place, the gradient is right.",
    example="dgate = dstate * state      # the loss has gate * before",
    instead="dgate = dstate * before",
    detector=Traced((fault.OTHER_OPERAND,)),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.OTHER_NAME),
)
