"""GC501: the bias's gradient is summed from something else than delta."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Variant, WrongLink
from gradcheck.user.blocks import Array


def _variants(state: LayerState) -> Iterator[Variant]:
    for words, value in _sums(state):
        if value.shape == state.delta.shape[1:]:
            yield Variant(
                value,
                f"the gradient of the bias of layer {state.number} is made from {words}",
                f"sum delta {state.number} over the samples: the same quantity that makes the "
                "weights'",
            )


def _sums(state: LayerState) -> Iterator[tuple[str, Array]]:
    for words, delta in state.other_deltas():
        yield words, delta.sum(axis=0)
    slope = state.slope()
    if slope is not None:
        yield "the slope", slope.sum(axis=0)
    product = state.layer_input.T @ state.delta
    yield "the weights' gradient", product.sum(axis=0)
    yield "the weights' gradient", product.mean(axis=0)
    yield "the weights' gradient", product[0]
    yield "the weights' gradient", product[-1]
    yield "the layer's output", state.output.sum(axis=0)
    yield "delta squared", (state.delta**2).sum(axis=0)


RULE = Rule(
    code="GC501",
    name="bias-from-wrong-quantity",
    what="The gradient of a bias is the sum of the layer's delta over the samples. Here it is the "
    "sum of something else: the bare error, without the slope, or another layer's delta.",
    shows="the weights of the layer are right, so its delta is, and the bias is not.",
    example="dW = np.outer(a, error * slope);  db = error",
    instead="delta = error * slope;  dW = np.outer(a, delta);  db = delta",
    detector=WrongLink(Link.BIAS_SUM, _variants),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.MISSING_FACTOR, EditKind.COLUMN),
)
