"""GC307: the slope taken at the error, the upstream gradient or another value."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault
from gradcheck.user.blocks import Array


def _variants(state: LayerState) -> Iterator[Variant]:
    if state.activation.name == "linear":
        return
    for words, quantity in _quantities(state):
        for slope in (state.slope_at(quantity), state.slope_from_output(quantity)):
            if slope is not None and slope.shape == state.pre_activation.shape:
                yield Variant(
                    slope,
                    f"the slope of the {state.activation.name} in delta {state.number} is taken "
                    f"at {words}",
                    f"take it at what goes into the {state.activation.name}, or from what comes "
                    "out of it in the form for outputs",
                )


def _quantities(state: LayerState) -> Iterator[tuple[str, Array]]:
    yield "what arrives there from above", state.arriving
    if state.is_output:
        yield "the error a - y", state.error / state.view.scale
        yield "the error y - a", -state.error / state.view.scale
        yield "the targets", state.view.targets
    above = state.delta_above
    if above is not None and above.shape == state.pre_activation.shape:
        yield "the delta of the layer above", above
    if state.layer_input.shape == state.pre_activation.shape:
        yield "the layer's input", state.layer_input
    if state.activation.name != "linear":
        slope = state.slope()
        if slope is not None:
            yield "the slope itself", slope


RULE = Rule(
    code="GC307",
    name="derivative-at-wrong-quantity",
    what="The derivative of the activation is evaluated at something that is not the layer's own z "
    "or a: the error, the gradient that arrives, the targets.",
    shows="the factor follows the error instead of z.",
    example="delta1 = error1 * sigmoid_prime(error1)",
    instead="delta1 = error1 * sigmoid_prime(z1)",
    detector=WrongLink(Link.SLOPE, _variants),
    also=(Traced((fault.SLOPE_ELSEWHERE,)),),
    edits=(EditKind.NAME, EditKind.ALL_OF_A_NAME, EditKind.INDEX),
)
