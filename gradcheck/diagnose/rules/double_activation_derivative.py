"""GC304: an extra f'(z)."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC304",
    name="double-activation-derivative",
    what="The slope of the activation is multiplied in twice; or once more after a - y, which for "
    "a sigmoid or softmax with its cross-entropy is delta already.",
    shows="the analytic delta over the true one is f'(z).",
    example="delta = (a - y) * a * (1 - a)      # with a cross-entropy",
    instead="delta = a - y",
    detector=Traced((fault.SLOPE_TWICE,)),
    edits=(EditKind.REMOVED_FACTOR, EditKind.POWER, EditKind.NAME, EditKind.WRAPPED),
)
