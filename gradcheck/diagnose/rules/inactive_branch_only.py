"""GC306: right wherever the unit is active, wrong where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.network.rows import Activation
from gradcheck.trace import fault

BELOW = (0.0, 1.0, 0.01, 0.1, 0.2, 0.3, 0.05, 0.02, 0.001, -1.0, -0.01, 0.5)


def _variants(state: LayerState) -> Iterator[Variant]:
    """The right slope where z > 0, and something else where it is not."""
    own = state.activation
    if not isinstance(own, Activation) or not (own.kinks or own.name in ("elu", "softplus")):
        return
    z, a = state.pre_activation, state.output
    right = own.slope(z)
    others = [(f"{value:g}", np.full_like(z, value)) for value in BELOW]
    others += [("a", a), ("z", z), ("exp(z)", np.exp(np.minimum(z, 0))), ("-a", -a)]
    others += [("a - 1", a - 1), ("0.01 z", 0.01 * z), ("0.01 a", 0.01 * a)]
    for words, value in others:
        yield Variant(
            np.where(z > 0, right, value),
            f"the slope of the {own.name} in delta {state.number} is right where z > 0, and "
            f"{words} where it is not",
            f"use the slope of the forward pass's {own.name} below 0 too",
        )


RULE = Rule(
    code="GC306",
    name="inactive-branch-only",
    what="The slope of a relu, leaky relu or elu is right for active units only; below zero it is "
    "another number than the forward pass has.",
    shows="entries differ only where units are inactive.",
    example="slope = np.where(z > 0, 1, 0)          # forward: np.where(z > 0, z, 0.01 * z)",
    instead="slope = np.where(z > 0, 1, 0.01)",
    detector=WrongLink(Link.SLOPE, _variants),
    also=(Traced((fault.SLOPE_INACTIVE,)),),
    edits=(EditKind.COMPARISON, EditKind.CONSTANT, EditKind.BRACKETS),
)
