"""GC701: only the last (or first) sample contributes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault

FIX = "add to the gradient in the loop over the samples: dW += ..., not dW = ..."


def _deltas(state: LayerState) -> Iterator[Variant]:
    for which, index in _ends(state):
        delta = np.zeros_like(state.right_delta())
        delta[index] = state.right_delta()[index]
        yield Variant(delta, f"only the {which} sample contributes to the gradients", FIX)


def _products(state: LayerState) -> Iterator[Variant]:
    for which, index in _ends(state):
        product = np.outer(state.layer_input[index], state.delta[index])
        message = f"only the {which} sample contributes to the gradient of W{state.number}"
        yield Variant(product, message, FIX)


def _sums(state: LayerState) -> Iterator[Variant]:
    for which, index in _ends(state):
        message = f"only the {which} sample contributes to the bias's gradient of layer "
        yield Variant(state.delta[index], f"{message}{state.number}", FIX)


def _ends(state: LayerState) -> Iterator[tuple[str, int]]:
    if state.view.batch_size > 1:
        yield "last", -1
        yield "first", 0


RULE = Rule(
    code="GC701",
    name="batch-not-accumulated",
    what="In a loop over samples (or steps) the gradient is assigned instead of added, so that one "
    "of them is all that is left.",
    shows="the gradient is that of the last sample alone.",
    example="for x, y in data: dW = np.outer(x, delta)",
    instead="for x, y in data: dW += np.outer(x, delta)",
    detector=WrongLink(Link.DELTA, _deltas),
    also=(
        WrongLink(Link.PRODUCT, _products),
        WrongLink(Link.BIAS_SUM, _sums),
        Traced((fault.NOT_ACCUMULATED, fault.LAST_PASS)),
    ),
    edits=(EditKind.ASSIGNED_OR_ADDED, EditKind.MOVED_STATEMENT, EditKind.IN_PLACE),
)
