"""GC301: f'(f(z)) in place of f'(z)."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC301",
    name="activation-derivative-of-output",
    what="A derivative written for z, such as s(z) (1 - s(z)), is given the output a = f(z), so "
    "that the activation is applied twice.",
    shows="for the sigmoid the factor lies in [0.197, 0.25] whatever z is, so that nothing ever "
    "seems saturated.",
    example="delta = error * sigmoid_prime(a)      # sigmoid_prime(z) = s(z) * (1 - s(z))",
    instead="delta = error * sigmoid_prime(z)      # or error * a * (1 - a)",
    detector=Traced((fault.SLOPE_AT_OUTPUT,)),
    edits=(EditKind.NAME, EditKind.FLAG, EditKind.FUNCTION, EditKind.WRAPPED),
)
