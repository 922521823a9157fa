"""GC402: the step through W is skipped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Variant, WrongLink


def _variants(state: LayerState) -> Iterator[Variant]:
    above = state.delta_above
    if above is None:
        return
    shape = state.pre_activation.shape
    forms = [above, np.asarray(above.sum(axis=1, keepdims=True)), state.error]
    for form in forms:
        if form.shape[1] in (1, shape[1]):
            yield Variant(
                np.broadcast_to(form, shape).copy(),
                f"delta {state.number} is made from delta {state.number + 1} without the weights "
                "between them",
                f"multiply by W{state.number + 1} on the way back: delta {state.number + 1} @ "
                f"W{state.number + 1}.T in rows",
            )


RULE = Rule(
    code="GC402",
    name="missing-weights-in-delta",
    what=("Delta of a layer is made from the delta above without the weights that lie between."),
    shows="the analytic delta fits the delta above, not its product with the weights.",
    example="delta1 = delta2 * slope1",
    instead="delta1 = delta2 @ W2.T * slope1",
    detector=WrongLink(Link.UPSTREAM, _variants),
    edits=(EditKind.NAME,),
)
