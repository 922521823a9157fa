"""GC308: the slope or the mask of a neighbouring layer."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.network.rows import Activation
from gradcheck.trace import fault


def _variants(state: LayerState) -> Iterator[Variant]:
    for number in range(1, len(state.view.placed) + 1):
        z, a = state.trace.pre_activations[number - 1], state.trace.activations[number]
        other = state.view.activation(number)
        if number == state.number or z.shape != state.pre_activation.shape:
            continue
        forms = [state.slope_at(z), state.slope_from_output(a)]
        if isinstance(other, Activation):
            forms.append(other.slope(z))
        for slope in forms:
            if slope is not None:
                yield Variant(
                    slope,
                    f"delta {state.number} has the slope of layer {number}",
                    f"take the slope of layer {state.number}, not that of layer {number}",
                )


RULE = Rule(
    code="GC308",
    name="wrong-layer-activation",
    what="The slope, or the mask of a relu, comes from a neighbouring layer of the same width: an "
    "index is off by one.",
    shows="the factor fits another layer's z.",
    example="delta1 = delta2 @ W2.T * (z2 > 0)",
    instead="delta1 = delta2 @ W2.T * (z1 > 0)",
    detector=WrongLink(Link.SLOPE, _variants),
    also=(Traced((fault.SLOPE_OF_ANOTHER,)),),
    edits=(EditKind.NAME, EditKind.ALL_OF_A_NAME, EditKind.INDEX, EditKind.OTHER_LIST),
)
