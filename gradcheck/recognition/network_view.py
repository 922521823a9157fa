"""The user's blocks as a network of dense layers whose loss is the user's.

All values are in one layout, one sample per row; `Placed.into_blocks` brings gradients into the
shapes of the user's blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
"""The layout of recognition and diagnosis: one sample per row."""

ONE_DELTA = 1e-6
"""How far a weight gradient may be from A^T delta, relative to its largest entry."""


@dataclass(frozen=True)
class NetworkView:
    """A network whose loss is the user's, with the place of each parameter in the blocks.

    Attributes:
        placed: the layers, from the input on.
        activations: the activation of every layer.
        inputs: the inputs, (m, features).
        targets: the targets, (m, K).
        loss_function: the loss whose terms are summed.
        scale: the factor of the sum.
        l2: the factor of the sum of the squared weights in the loss.
        l2_bias: the factor of the sum of the squared biases.
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
        """The blocks of every layer; () if a block holds parameters of several layers."""
        layers = tuple(placed.layer for placed in self.placed)
        blocks = [block for layer in layers for block in layer.blocks]
        return layers if len(set(blocks)) == len(blocks) else ()

    def covers(self, values: Sequence[Array]) -> bool:
        """Whether every entry of the blocks is a parameter of the network."""
        count = sum(placed.size for placed in self.placed)
        return count == sum(value.size for value in values)

    @property
    def plain_loss(self) -> Loss:
        """The loss without a small number before its log, as most backward passes assume it."""
        return self.loss_function.plain or self.loss_function

    @property
    def batch_size(self) -> int:
        """The number of samples m."""
        return len(self.inputs)

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
        """The parameters of every layer, in the form that the passes take."""
        pairs = zip(self.placed, self.activations, strict=True)
        return tuple(placed.parameters(values, activation) for placed, activation in pairs)

    def forward(self, values: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        """The pre-activations Z_1 ... Z_L, and the activations A_0 ... A_L."""
        return forward(self.inputs, self.parameters(values), ROWS)

    def trace(self, values: Sequence[Array]) -> Trace:
        """The forward and the backward pass, without the penalty."""

        def output_delta(z: Array, a: Array) -> Array:
            return self.scale * self.plain_loss.delta(
                self.activations[-1], z, a, self.targets, ROWS.unit_axis
            )

        return trace(self.inputs, self.parameters(values), ROWS, output_delta)

    def by_block(
        self, of_layers: Iterable[tuple[Array | None, Array]], values: Sequence[Array]
    ) -> dict[int, Array]:
        """What belongs to the weights and the bias of every layer, in the shapes of the blocks.

        Layers without weights of their own (None) have no part in it.
        """
        parts: dict[int, Array] = {}
        for placed, (of_weights, of_bias) in zip(self.placed, of_layers, strict=True):
            if of_weights is not None:
                for block, part in placed.into_blocks(of_weights, of_bias, values).items():
                    added(parts, block, part)
        return parts

    def gradients(self, values: Sequence[Array]) -> dict[int, Array]:
        """The right gradient of every block of the layers, without the penalty."""
        passes = self.trace(values)
        steps = zip(passes.activations, passes.deltas, strict=False)
        return self.by_block(((a.T @ delta, delta.sum(axis=0)) for a, delta in steps), values)

    def penalties(self, values: Sequence[Array]) -> dict[int, Array]:
        """The gradient of the penalty for every block of the layers."""
        layers = ((placed.weights(values), placed.bias(values)) for placed in self.placed)
        return self.by_block(
            ((2 * self.l2 * weights, 2 * self.l2_bias * bias) for weights, bias in layers), values
        )

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
        gradient: the gradient of the weights without the penalty, (n_in, n_out).

    Returns:
        Delta, (m, n_out), if there is exactly one; None if the samples are linearly dependent or no
        delta gives the gradient.
    """
    samples, features = layer_input.shape
    if samples > features or not np.all(np.isfinite(gradient)):
        return None
    delta, _, rank, _ = np.linalg.lstsq(layer_input.T, gradient, rcond=None)
    left = np.abs(layer_input.T @ delta - gradient).max(initial=0.0)
    if rank < samples or left > ONE_DELTA * np.abs(gradient).max(initial=0.0):
        return None
    return np.asarray(delta, dtype=np.float64)
