"""GC302: the form for outputs, a (1 - a) or 1 - a^2, fed with z."""

from __future__ import annotations

from gradcheck.blocks import Array
from gradcheck.diagnose.chain import LayerState
from gradcheck.diagnose.rule import Rule, Slope


def _form(state: LayerState) -> Array | None:
    return state.slope_from_output(state.pre_activation)


RULE = Rule(
    code="GC302",
    name="activation-derivative-of-input",
    what="The form of the derivative that is written for the output, a (1 - a) for the sigmoid or "
    "1 - a^2 for tanh, is given the pre-activation z.",
    shows="the factor is z (1 - z) or 1 - z^2: it has no bound and turns negative.",
    example="delta = error * sigmoid(z, deriv=True)      # deriv=True returns x * (1 - x)",
    instead="delta = error * sigmoid(a, deriv=True)",
    detector=Slope(
        _form,
        message="the slope of the {activation} is the form for outputs, but is given Z{number}",
        fix="give it A{number}, the output of the {activation}, not Z{number}",
    ),
)
