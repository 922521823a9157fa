"""The user's blocks as a network of dense layers whose loss is the user's.

All values are in one layout here, one sample per row; `block_gradients` brings gradients into the
shapes of the user's blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.network import Trace
from gradcheck.recognition.distances import Distance
from gradcheck.recognition.functions import UNITS, AnyActivation
from gradcheck.recognition.layers import Layer
from gradcheck.user.blocks import Array


@dataclass(frozen=True)
class Placed:
    """How a layer's weights and bias lie in their blocks.

    Attributes:
        layer: the blocks.
        n_in: how many units it takes.
        n_out: how many it has.
        turned: whether the weight is stored as (n_out, n_in).
        folded: "first" or "last" where the bias is that row of the weights (as (n_in + 1, n_out)),
            else None.
    """

    layer: Layer
    n_in: int
    n_out: int
    turned: bool
    folded: str | None = None

    def weights(self, values: Sequence[Array]) -> Array:
        """W, (n_in, n_out)."""
        whole = self._whole(values[self.layer.weight])
        if self.folded is None:
            return whole
        return whole[1:] if self.folded == "first" else whole[:-1]

    def bias(self, values: Sequence[Array]) -> Array:
        """The bias, (n_out,); zeros where there is none."""
        if self.folded is not None:
            row = 0 if self.folded == "first" else -1
            return np.asarray(self._whole(values[self.layer.weight])[row])
        if self.layer.bias is None:
            return np.zeros(self.n_out)
        return values[self.layer.bias].reshape(self.n_out)

    def into_blocks(self, weights: Array, bias: Array, values: Sequence[Array]) -> dict[int, Array]:
        """Gradients of W, (n_in, n_out), and of the bias, (n_out,), by block and in its shape."""
        blocks = (self.layer.weight, self.layer.bias)
        return {
            block: self.into_block(block, weights, bias, values)
            for block in blocks
            if block is not None
        }

    def into_block(self, block: int, weights: Array, bias: Array, values: Sequence[Array]) -> Array:
        """The gradient of one block from those of W, (n_in, n_out), and the bias, (n_out,)."""
        shape = values[block].shape
        if block == self.layer.bias:
            return bias.reshape(shape)
        whole = weights
        if self.folded == "first":
            whole = np.concatenate([bias[None], weights])
        elif self.folded == "last":
            whole = np.concatenate([weights, bias[None]])
        return np.asarray((whole.T if self.turned else whole).reshape(shape))

    def _whole(self, block: Array) -> Array:
        rows = self.n_in + (self.folded is not None)
        if self.turned:
            return np.asarray(block.reshape(self.n_out, rows).T)
        return block.reshape(rows, self.n_out)


@dataclass(frozen=True)
class NetworkView:
    """A network whose loss is the user's, and which block is which parameter.

    Attributes:
        placed: the layers, from the input on.
        activations: of every layer.
        inputs: (m, features).
        targets: (m, K).
        distance: what the loss sums.
        scale: what it multiplies the sum by.
        l2: the loss has l2 times the sum of the squared weights.
        l2_bias: and l2_bias times that of the biases.
        words: the network in words.
        with_eps: the distance as the loss has it, where it adds a small number before it takes a
            log; `distance` is without it, as backward passes are.
    """

    placed: tuple[Placed, ...]
    activations: tuple[AnyActivation, ...]
    inputs: Array
    targets: Array
    distance: Distance
    scale: float
    l2: float = 0.0
    l2_bias: float = 0.0
    words: str = ""
    with_eps: Distance | None = None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The blocks of every layer."""
        return tuple(placed.layer for placed in self.placed)

    @property
    def blocks(self) -> frozenset[int]:
        """The indices of the blocks of all layers."""
        return frozenset(block for layer in self.layers for block in layer.blocks)

    @property
    def loss_distance(self) -> Distance:
        """The distance as the loss has it."""
        return self.distance if self.with_eps is None else self.with_eps

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
        total = self.loss_distance.total(
            self.activations[-1], pre_activations[-1], activations[-1], self.targets
        )
        penalty = sum(
            self.l2 * float(np.sum(placed.weights(values) ** 2))
            + self.l2_bias * float(np.sum(placed.bias(values) ** 2))
            for placed in self.placed
        )
        return self.scale * total + penalty

    def forward(self, values: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        """Z of every layer, and A from the inputs on."""
        pre_activations: list[Array] = []
        activations = [self.inputs]
        for placed, activation in zip(self.placed, self.activations, strict=True):
            z = activations[-1] @ placed.weights(values) + placed.bias(values)
            pre_activations.append(z)
            activations.append(activation.activate(z, UNITS))
        return pre_activations, activations

    def trace(self, values: Sequence[Array]) -> Trace:
        """The forward and the backward pass, the penalty left out."""
        pre_activations, activations = self.forward(values)
        delta = self.scale * self.distance.delta(
            self.activations[-1], pre_activations[-1], activations[-1], self.targets
        )
        deltas = [delta]
        for number in range(len(self.placed) - 1, 0, -1):
            arriving = delta @ self.weights(values, number + 1).T
            delta = self.activation(number).pull_back(
                pre_activations[number - 1], activations[number], arriving, UNITS
            )
            deltas.insert(0, delta)
        return Trace(tuple(pre_activations), tuple(activations), tuple(deltas))

    def block_gradients(
        self, values: Sequence[Array], number: int, layer_input: Array, delta: Array
    ) -> Mapping[int, Array]:
        """What a layer's input and a delta give for its blocks, the penalty left out."""
        placed = self.placed[number - 1]
        return placed.into_blocks(layer_input.T @ delta, delta.sum(axis=0), values)

    def penalties(self, values: Sequence[Array], number: int) -> Mapping[int, Array]:
        """The penalty's gradient for the blocks of a layer."""
        placed = self.placed[number - 1]
        return placed.into_blocks(
            2 * self.l2 * placed.weights(values), 2 * self.l2_bias * placed.bias(values), values
        )

    def __str__(self) -> str:
        return self.words
