"""GC406: dW = outer(delta, something else than the layer's input)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.network.rows import Activation
from gradcheck.trace import fault
from gradcheck.user.blocks import Array
from gradcheck.words import output_of


def _inputs(state: LayerState) -> Iterator[Variant]:
    """Other values of the forward pass in the place of the layer's input."""
    shape = state.layer_input.shape
    for words, quantity in _values(state):
        if quantity.shape == shape:
            yield Variant(
                quantity,
                f"the gradient of W{state.number} is made from {words} in place of the layer's "
                "input",
                f"use the input of layer {state.number}",
            )


def _values(state: LayerState) -> Iterator[tuple[str, Array]]:
    below = state.number - 1
    for number in range(len(state.view.placed) + 1):
        if number != below:
            yield output_of(number), state.trace.activations[number]
        if number:
            yield f"layer {number} before its activation", state.trace.pre_activations[number - 1]
    if below:
        activation = state.view.activation(below)
        if isinstance(activation, Activation):
            z = state.trace.pre_activations[below - 1]
            yield f"the slope of layer {below}", activation.slope(z)
            applied = activation.value(state.layer_input)
            yield f"the activation of layer {below}'s output", np.asarray(applied)
    yield "ones", np.ones_like(state.layer_input)
    if state.is_output:
        yield "the targets", state.view.targets


def _products(state: LayerState) -> Iterator[Variant]:
    """The right input with another delta than the one that makes the bias."""
    for words, form in state.other_deltas():
        if form.shape == state.delta.shape:
            yield Variant(
                state.layer_input.T @ form,
                f"the gradient of W{state.number} is made from {words}, and not from the delta "
                "that makes the bias's",
                f"use delta {state.number} for both",
            )


RULE = Rule(
    code="GC406",
    name="wrong-input-activation",
    what="The gradient of the weights is the product of the layer's input and its delta. Here one "
    "of the two is something else: the pre-activation, another layer's output, the raw data.",
    shows="the bias is right, so delta is, and the weights are not.",
    example="dW2 = z1.T @ delta2",
    instead="dW2 = a1.T @ delta2",
    detector=WrongLink(Link.LAYER_INPUT, _inputs),
    also=(WrongLink(Link.PRODUCT, _products), Traced((fault.OTHER_INPUT,))),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.MISSING_FACTOR, EditKind.WRAPPED),
)
