"""GC601: the exact gradient of another loss than the one given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Variant, WrongLink
from gradcheck.network.losses import LOSSES
from gradcheck.recognition.network_view import ROWS


def _variants(state: LayerState) -> Iterator[Variant]:
    if not state.is_output:
        return
    z, a, y = state.pre_activation, state.output, state.view.targets
    own = state.view.plain_loss.name
    for other in LOSSES.values():
        if other.name == own or not other.usual:
            continue
        with np.errstate(all="ignore"):
            delta = state.view.scale * other.delta(state.activation, z, a, y, ROWS.unit_axis)
        yield Variant(
            delta,
            f"the gradient is that of the {other.name}, and the loss is the {own}",
            f"begin with the derivative of the {own}, or compute the {other.name} as the loss",
        )


RULE = Rule(
    code="GC601",
    name="loss-gradient-mismatch",
    what="The backward pass begins with the derivative of another loss than the forward pass "
    "computes.",
    shows="the gradient agrees, to rounding, with that of the other loss.",
    example="loss = np.mean(np.abs(a - y));  delta = 2 * (a - y) / m",
    instead="loss = np.mean((a - y) ** 2);  delta = 2 * (a - y) / m",
    detector=WrongLink(Link.DELTA, _variants),
    edits=(
        EditKind.REMOVED_FACTOR,
        EditKind.MISSING_FACTOR,
        EditKind.FUNCTION,
        EditKind.WRAPPED,
        EditKind.CONSTANT,
    ),
)
