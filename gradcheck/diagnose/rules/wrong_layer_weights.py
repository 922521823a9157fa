"""GC403: another layer's matrix, or a gradient in place of the weights."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault
from gradcheck.user.blocks import Array


def _variants(state: LayerState) -> Iterator[Variant]:
    weights, above = state.weights_above, state.delta_above
    if weights is None or above is None:
        return
    number = state.number
    for other in range(1, len(state.view.placed) + 1):
        matrix = state.view.weights(state.values, other)
        for form in (matrix, matrix.T):
            if other != number + 1 and form.shape == weights.shape:
                yield _variant(above @ form.T, number, f"W{other}")
        gradient = state.gradients.get(other)
        if gradient is not None and gradient.shape == weights.shape:
            yield _variant(above @ gradient.T, number, f"the gradient of W{other}")


def _variant(value: Array, number: int, words: str) -> Variant:
    return Variant(
        value,
        f"delta {number + 1} goes back through {words} in place of W{number + 1}",
        f"send it back through W{number + 1}",
    )


RULE = Rule(
    code="GC403",
    name="wrong-layer-weights",
    what="Delta is sent back through the weights of another layer, or through a gradient that has "
    "the same shape.",
    shows="the analytic delta fits the product with another matrix.",
    example="delta1 = delta2 @ dW2.T * slope1",
    instead="delta1 = delta2 @ W2.T * slope1",
    detector=WrongLink(Link.UPSTREAM, _variants),
    also=(Traced((fault.OTHER_WEIGHTS,)),),
    edits=(EditKind.NAME, EditKind.INDEX),
)
