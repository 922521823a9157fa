"""GC307: the slope taken at the error, the upstream gradient or another value."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC307",
    name="derivative-at-wrong-quantity",
    what="The derivative of the activation is evaluated at something that is not the layer's own z "
    "or a: the error, the gradient that arrives, the targets.",
    shows="the factor follows the error instead of z.",
    example="delta1 = error1 * sigmoid_prime(error1)",
    instead="delta1 = error1 * sigmoid_prime(z1)",
    detector=Traced((fault.SLOPE_ELSEWHERE,)),
    edits=(EditKind.NAME, EditKind.INDEX),
)
