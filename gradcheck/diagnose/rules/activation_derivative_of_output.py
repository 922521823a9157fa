"""GC301: f'(f(z)) in place of f'(z)."""

from __future__ import annotations

from gradcheck.blocks import Array
from gradcheck.diagnose.chain import LayerState
from gradcheck.diagnose.rule import Rule, Slope


def _form(state: LayerState) -> Array | None:
    return state.slope_at(state.output)


RULE = Rule(
    code="GC301",
    name="activation-derivative-of-output",
    what="A derivative written for z, such as s(z) (1 - s(z)), is given the output a = f(z), so "
    "that the activation is applied twice.",
    shows="for the sigmoid the factor lies in [0.197, 0.25] whatever z is, so that nothing ever "
    "seems saturated.",
    example="delta = error * sigmoid_prime(a)      # sigmoid_prime(z) = s(z) * (1 - s(z))",
    instead="delta = error * sigmoid_prime(z)      # or error * a * (1 - a)",
    detector=Slope(
        _form,
        message="the slope of the {activation} is taken at its output: f'(f(z)) in place of f'(z)",
        fix="give the derivative Z{number}, not A{number}; or write it in terms of the output",
    ),
)
