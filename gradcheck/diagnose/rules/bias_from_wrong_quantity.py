"""GC501: the bias's gradient is summed from something else than delta."""

from __future__ import annotations

from gradcheck.blocks import Array
from gradcheck.diagnose.chain import LayerState
from gradcheck.diagnose.rule import BiasSource, Rule


def _arriving(state: LayerState) -> Array | None:
    return state.arriving


def _error(state: LayerState) -> Array | None:
    return state.error


RULE = Rule(
    code="GC501",
    name="bias-from-wrong-quantity",
    what="The gradient of a bias is the sum of the layer's delta over the samples. Here it is the "
    "sum of something else: the bare error, without the slope, or another layer's delta.",
    shows="the weights of the layer are right, so its delta is, and the bias is not.",
    example="dW = np.outer(a, error * slope);  db = error",
    instead="delta = error * slope;  dW = np.outer(a, delta);  db = delta",
    detector=BiasSource(
        _arriving,
        message="the gradient of {bias} is made from what arrives at the layer, without the slope",
        fix="sum delta {number} over the samples: the same quantity that makes the weights'",
    ),
    also=BiasSource(
        _error,
        message="the gradient of {bias} is made from the bare error a - y",
        fix="sum delta {number} over the samples: the same quantity that makes the weights'",
    ),
)
