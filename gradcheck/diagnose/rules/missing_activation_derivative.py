"""GC303: the factor f'(z) is absent from delta."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault


def _variants(state: LayerState) -> Iterator[Variant]:
    if state.activation.name not in ("linear", "softmax"):
        yield _variant(state, np.ones_like(state.pre_activation))


def _bare(state: LayerState) -> Iterator[Variant]:
    """What arrives at a softmax, or a bare error, used as delta."""
    if state.activation.name != "linear":
        if state.is_output and not state.cancels:
            yield _variant(state, state.error)
        if state.activation.name == "softmax":
            yield _variant(state, state.arriving)


def _variant(state: LayerState, value: np.ndarray) -> Variant:
    name = state.activation.name
    return Variant(
        value,
        f"delta {state.number} lacks the slope of the {name}",
        f"multiply delta {state.number} by the slope of the {name}",
    )


RULE = Rule(
    code="GC303",
    name="missing-activation-derivative",
    what="What arrives at the output of a layer is used as its delta, without the slope of the "
    "activation. That is right only for a linear layer, or where a cross-entropy has already taken "
    "the slope away.",
    shows="the analytic delta over the true one is 1 / f'(z).",
    example="delta1 = delta2 @ W2.T",
    instead="delta1 = delta2 @ W2.T * slope(z1)",
    detector=WrongLink(Link.SLOPE, _variants),
    also=(
        WrongLink(Link.DELTA, _bare),
        Traced(
            (
                fault.SLOPE_MISSING,
                fault.SOFTMAX_MISSING,
            )
        ),
    ),
    edits=(EditKind.MISSING_FACTOR, EditKind.NAME, EditKind.FLAG, EditKind.KEPT_RESULT),
)
