"""GC311: normalised over the batch."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import Link, Rule, Traced, Variant, WrongLink
from gradcheck.network.activations import ACTIVATIONS
from gradcheck.recognition.network_view import ROWS
from gradcheck.trace import fault


def _variants(state: LayerState) -> Iterator[Variant]:
    if state.activation.mixes != "samples":
        return
    usual = ACTIVATIONS["softmax"].pull_back(
        state.pre_activation, state.output, state.arriving, ROWS.unit_axis
    )
    for value in (state.error, usual):
        yield Variant(
            value,
            "the softmax of the forward pass is normalised over the samples instead of the "
            "outputs; the backward pass is that of the usual softmax",
            "sum over the outputs of each sample: axis=1 where samples are rows, axis=0 where they "
            "are columns",
        )


RULE = Rule(
    code="GC311",
    name="softmax-wrong-axis",
    what="The forward pass divides by the sum over the batch: the outputs of one sample do not sum "
    "to 1, and the backward pass is that of another function.",
    shows="the loss is that of a softmax over the samples; the gradient that of one over the "
    "outputs.",
    example="p = e / e.sum(axis=0)      # one sample per row",
    instead="p = e / e.sum(axis=1, keepdims=True)",
    detector=WrongLink(Link.DELTA, _variants),
    also=(Traced((fault.SOFTMAX_AXIS,)),),
)
