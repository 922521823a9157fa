"""GC854: gamma is absent."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC854",
    name="normalisation-scale-missing",
    what="The output is scaled by gamma per unit; on the way back, gamma is left out.",
    shows="too large or too small by 1/gamma, unit by unit.",
    example="dxhat = upstream",
    instead="dxhat = upstream * gamma",
    detector=Traced((fault.GAMMA_MISSING,)),
    edits=(EditKind.MISSING_FACTOR, EditKind.NAME),
)
