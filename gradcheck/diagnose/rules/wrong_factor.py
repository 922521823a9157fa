"""GC418: a factor of the chain rule is one too many, or is divided by instead of multiplied."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC418",
    name="wrong-factor",
    what="A step of the chain rule is a product, and it has a factor too many: one that is taken "
    "twice, or left over from another formula. Or it divides where it must multiply, or the "
    "reverse.",
    shows="without that factor, or with the other operation, the gradient is right.",
    example="dxhat = upstream * gamma * gamma      # the loss has xhat * gamma",
    instead="dxhat = upstream * gamma",
    detector=Traced((fault.WRONG_FACTOR,)),
    edits=(EditKind.REMOVED_FACTOR, EditKind.OPERATOR, EditKind.POWER),
)
