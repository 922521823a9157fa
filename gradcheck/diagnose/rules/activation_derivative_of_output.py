"""GC301: f'(f(z)) in place of f'(z)."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault


def _variants(state: LayerState) -> Iterator[Variant]:
    slope = state.slope_at(state.output)
    if slope is not None and state.activation.name not in ("linear", "relu", "leaky_relu"):
        yield Variant(
            slope,
            f"the slope of the {state.activation.name} is taken at its output: f'(f(z)) in place "
            "of f'(z)",
            f"give the derivative what goes into the {state.activation.name}, not what comes out "
            "of it; or write it in terms of the output",
        )


RULE = Rule(
    code="GC301",
    name="activation-derivative-of-output",
    what="A derivative written for z, such as s(z) (1 - s(z)), is given the output a = f(z), so "
    "that the activation is applied twice.",
    shows="for the sigmoid the factor lies in [0.197, 0.25] whatever z is, so that nothing ever "
    "seems saturated.",
    example="delta = error * sigmoid_prime(a)      # sigmoid_prime(z) = s(z) * (1 - s(z))",
    instead="delta = error * sigmoid_prime(z)      # or error * a * (1 - a)",
    detector=WrongLink(Link.SLOPE, _variants),
    also=(Traced((fault.SLOPE_AT_OUTPUT,)),),
    edits=(
        EditKind.NAME,
        EditKind.ALL_OF_A_NAME,
        EditKind.FLAG,
        EditKind.FUNCTION,
        EditKind.WRAPPED,
    ),
)
