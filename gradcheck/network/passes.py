"""The forward and the backward pass through dense layers, used by every network here.

BP2 is the second of the four equations in `mlp.py`; the loss gives the output's delta (BP1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gradcheck.network.layouts import Array, Layout
from gradcheck.network.rows import AnyActivation


class LayerParameters(NamedTuple):
    """One layer, in the layout of its network; b has any shape that broadcasts to that of Z."""

    weights: Array
    bias: Array
    activation: AnyActivation


@dataclass(frozen=True)
class Trace:
    """All results of one forward and backward pass, in the network's layout.

    Attributes:
        pre_activations: Z_1 ... Z_L.
        activations: A_0 (the inputs) ... A_L (the outputs).
        deltas: dL/dZ_1 ... dL/dZ_L.
    """

    pre_activations: tuple[Array, ...]
    activations: tuple[Array, ...]
    deltas: tuple[Array, ...]


def forward(
    inputs: Array, layers: Sequence[LayerParameters], layout: Layout
) -> tuple[list[Array], list[Array]]:
    """The pre-activations Z_1 ... Z_L, and the activations A_0 (the inputs) ... A_L."""
    pre_activations: list[Array] = []
    activations = [inputs]
    for layer in layers:
        pre_activations.append(layout.multiply(activations[-1], layer.weights) + layer.bias)
        activations.append(layer.activation.activate(pre_activations[-1], layout.unit_axis))
    return pre_activations, activations


def trace(
    inputs: Array,
    layers: Sequence[LayerParameters],
    layout: Layout,
    output_delta: Callable[[Array, Array], Array],
) -> Trace:
    """The forward and the backward pass; `output_delta` takes (Z_L, A_L) and returns dL/dZ_L."""
    pre_activations, activations = forward(inputs, layers, layout)
    deltas = [output_delta(pre_activations[-1], activations[-1])]
    for number in range(len(layers) - 1, 0, -1):
        # BP2
        arriving = layout.step_back(deltas[0], layers[number].weights)
        below = layers[number - 1].activation.pull_back(
            pre_activations[number - 1], activations[number], arriving, layout.unit_axis
        )
        deltas.insert(0, below)
    return Trace(tuple(pre_activations), tuple(activations), tuple(deltas))
