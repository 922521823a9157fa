"""GC302: the form written for outputs, fed with z."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault


def _variants(state: LayerState) -> Iterator[Variant]:
    slope = state.slope_from_output(state.pre_activation)
    if slope is not None and state.activation.name not in ("linear", "relu", "leaky_relu"):
        yield Variant(
            slope,
            f"the slope of the {state.activation.name} is written for the output a, and given z",
            f"give it the output of layer {state.number}, not what goes into the activation",
        )


RULE = Rule(
    code="GC302",
    name="activation-derivative-of-input",
    what="A derivative written in terms of the output, a (1 - a) or 1 - a^2, is given the "
    "pre-activation z.",
    shows="the factor is z (1 - z) or 1 - z^2: it grows without bound, and changes its sign.",
    example="delta = error * z * (1 - z)",
    instead="delta = error * a * (1 - a)",
    detector=WrongLink(Link.SLOPE, _variants),
    also=(Traced((fault.SLOPE_AT_INPUT,)),),
    edits=(
        EditKind.NAME,
        EditKind.ALL_OF_A_NAME,
        EditKind.FLAG,
        EditKind.FUNCTION,
        EditKind.WRAPPED,
    ),
)
