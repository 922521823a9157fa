"""GC302: the form written for outputs, fed with z."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC302",
    name="activation-derivative-of-input",
    what="A derivative written in terms of the output, a (1 - a) or 1 - a^2, is given the "
    "pre-activation z.",
    shows="the factor is z (1 - z) or 1 - z^2: it grows without bound, and changes its sign.",
    example="delta = error * z * (1 - z)",
    instead="delta = error * a * (1 - a)",
    detector=Traced((fault.SLOPE_AT_INPUT,)),
    edits=(EditKind.NAME, EditKind.FLAG, EditKind.FUNCTION, EditKind.WRAPPED),
)
