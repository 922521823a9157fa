"""GC401: W.T (a - y) in place of W.T delta."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Variant, WrongLink


def _variants(state: LayerState) -> Iterator[Variant]:
    weights = state.weights_above
    if weights is None:
        return
    number = state.number
    for quantity in (state.error, state.arriving_above):
        if quantity is not None and quantity.shape[1] == weights.shape[1]:
            yield Variant(
                quantity @ weights.T,
                f"what goes back from layer {number + 1} is the error without the slope, not "
                f"delta {number + 1}",
                f"send delta {number + 1} back through W{number + 1}: the same delta that makes "
                "its own gradients",
            )


RULE = Rule(
    code="GC401",
    name="raw-error-backpropagated",
    what="The gradient of a layer is made from its delta, but what is sent back through its "
    "weights is the bare error, without the slope.",
    shows="the layer itself is right; every layer below lacks f' of it.",
    example="delta1 = (a2 - y) @ W2.T * slope1",
    instead="delta1 = delta2 @ W2.T * slope1",
    detector=WrongLink(Link.UPSTREAM, _variants),
    edits=(EditKind.NAME, EditKind.MISSING_FACTOR, EditKind.MOVED_STATEMENT),
)
