"""GC303: the factor f'(z) is absent from delta."""

from __future__ import annotations

import numpy as np

from gradcheck.blocks import Array
from gradcheck.diagnose.chain import LayerState
from gradcheck.diagnose.rule import Rule, Slope


def _form(state: LayerState) -> Array | None:
    return np.ones_like(state.pre_activation)


RULE = Rule(
    code="GC303",
    name="missing-activation-derivative",
    what="What arrives at the output of a layer is used as its delta, without the slope of the "
    "activation. That is right only for a linear layer, or where a cross-entropy has already "
    "taken the slope away.",
    shows="the analytic delta over the true one is 1 / f'(z).",
    example="delta1 = delta2 @ W2.T",
    instead="delta1 = delta2 @ W2.T * slope(z1)",
    detector=Slope(
        _form,
        message="delta {number} lacks the slope of the {activation}",
        fix="multiply delta {number} by the slope of the {activation} at Z{number}",
    ),
)
