"""The user's blocks as a network of dense layers whose loss is the user's.

All values are in one layout here, one sample per row; `Placed.into_blocks` brings gradients into
the shapes of the user's blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.network.layouts import LAYOUTS
from gradcheck.network.losses import REDUCTIONS
from gradcheck.network.passes import LayerParameters, Trace, forward, trace
from gradcheck.network.rows import AnyActivation, Loss
from gradcheck.recognition.layers import Layer
from gradcheck.recognition.placed import Placed, added
from gradcheck.user.blocks import Array

ROWS = LAYOUTS["rows"]
"""How all values lie in recognition and diagnosis: one sample per row."""

ONE_DELTA = 1e-6
"""How far, of its largest entry, a gradient of weights may be from the product with its delta."""


@dataclass(frozen=True)
class NetworkView:
    """A network whose loss is the user's, and which block is which parameter.

    Attributes:
        placed: the layers, from the input on.
        activations: of every layer.
        inputs: (m, features).
        targets: (m, K).
        loss_function: what the loss sums.
        scale: what it multiplies the sum by.
        l2: the loss has l2 times the sum of the squared weights.
        l2_bias: and l2_bias times that of the biases.
    """

    placed: tuple[Placed, ...]
    activations: tuple[AnyActivation, ...]
    inputs: Array
    targets: Array
    loss_function: Loss
    scale: float
    l2: float = 0.0
    l2_bias: float = 0.0

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The blocks of every layer; () where one holds parameters of several."""
        layers = tuple(placed.layer for placed in self.placed)
        blocks = [block for layer in layers for block in layer.blocks]
        return layers if len(set(blocks)) == len(blocks) else ()

    def covers(self, values: Sequence[Array]) -> bool:
        """Whether every entry of the blocks is a parameter of the network."""
        own = sum(placed.size for placed in self.placed)
        return own == sum(value.size for value in values)

    @property
    def plain_loss(self) -> Loss:
        """The loss without a small number before its log, as backward passes have it."""
        return self.loss_function.plain or self.loss_function

    @property
    def batch_size(self) -> int:
        """The number of samples m."""
        return len(self.inputs)

    def activation(self, number: int) -> AnyActivation:
        """The activation of a layer."""
        return self.activations[number - 1]

    def weights(self, values: Sequence[Array], number: int) -> Array:
        """W of a layer, (n_in, n_out)."""
        return self.placed[number - 1].weights(values)

    def loss(self, values: Sequence[Array]) -> float:
        """The network's loss at the user's blocks."""
        pre_activations, activations = self.forward(values)
        z, a = pre_activations[-1], activations[-1]
        terms = self.loss_function.output_terms(
            self.activations[-1], z, a, self.targets, ROWS.unit_axis
        )
        penalty = 0.0
        for placed in self.placed:
            if self.l2:
                penalty += self.l2 * float(np.sum(placed.weights(values) ** 2))
            if self.l2_bias:
                penalty += self.l2_bias * float(np.sum(placed.bias(values) ** 2))
        return self.scale * float(terms.sum()) + penalty

    def parameters(self, values: Sequence[Array]) -> tuple[LayerParameters, ...]:
        """The layers as the passes take them."""
        pairs = zip(self.placed, self.activations, strict=True)
        return tuple(placed.parameters(values, activation) for placed, activation in pairs)

    def forward(self, values: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        """Z of every layer, and A from the inputs on."""
        return forward(self.inputs, self.parameters(values), ROWS)

    def trace(self, values: Sequence[Array]) -> Trace:
        """The forward and the backward pass, the penalty left out."""

        def output_delta(z: Array, a: Array) -> Array:
            return self.scale * self.plain_loss.delta(
                self.activations[-1], z, a, self.targets, ROWS.unit_axis
            )

        return trace(self.inputs, self.parameters(values), ROWS, output_delta)

    def gradients(self, values: Sequence[Array]) -> dict[int, Array]:
        """The right gradient of every block of the layers, the penalty left out."""
        passes = self.trace(values)
        right: dict[int, Array] = {}
        steps = zip(self.placed, passes.activations, passes.deltas, strict=False)
        for placed, layer_input, delta in steps:
            parts = placed.into_blocks(layer_input.T @ delta, delta.sum(axis=0), values)
            for block, part in parts.items():
                added(right, block, part)
        return right

    def penalties(self, values: Sequence[Array]) -> dict[int, Array]:
        """The penalty's gradient for every block of the layers."""
        found: dict[int, Array] = {}
        for placed in self.placed:
            weights, bias = placed.weights(values), placed.bias(values)
            parts = placed.into_blocks(2 * self.l2 * weights, 2 * self.l2_bias * bias, values)
            for block, part in parts.items():
                added(found, block, part)
        return found

    def __str__(self) -> str:
        """The network in words: `4-5-3 tanh/softmax, cross-entropy, mean over samples, m = 12`."""
        sizes = [self.placed[0].n_in, *(place.n_out for place in self.placed)]
        names = "/".join(activation.name for activation in self.activations)
        count, outputs = self.targets.shape
        how = next(
            (
                reduction.words
                for reduction in REDUCTIONS.values()
                if np.isclose(self.scale, reduction.scale(count, outputs), rtol=1e-6)
            ),
            f"times {self.scale:.6g}",
        )
        penalty = f", l2 {2 * self.l2:.4g}" if self.l2 else ""
        half = "half " if how.startswith("half, ") else ""
        loss = f"{half}{self.loss_function.name}, {how.removeprefix('half, ')}"
        return f"{'-'.join(map(str, sizes))} {names}, {loss}{penalty}, m = {count}"


def delta_from_gradient(layer_input: Array, gradient: Array) -> Array | None:
    """The delta of a layer for which A^T delta is the gradient of its weights, by least squares.

    Args:
        layer_input: A of the layer below, (m, n_in).
        gradient: of the weights, (n_in, n_out), the penalty taken off.

    Returns:
        Delta, (m, n_out), where there is exactly one: None where the samples are linearly
        dependent, or no delta gives the gradient.
    """
    samples, features = layer_input.shape
    if samples > features or not np.all(np.isfinite(gradient)):
        return None
    delta, _, rank, _ = np.linalg.lstsq(layer_input.T, gradient, rcond=None)
    left = np.abs(layer_input.T @ delta - gradient).max(initial=0.0)
    if rank < samples or left > ONE_DELTA * np.abs(gradient).max(initial=0.0):
        return None
    return np.asarray(delta, dtype=np.float64)
