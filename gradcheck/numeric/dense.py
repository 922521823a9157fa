"""The network of dense layers that the structured engine evaluates, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck.numeric.estimate import Array

Change = Callable[[Array], Array]
"""d -> the change of a result when z changes by d, to full relative accuracy."""

OutputChange = Callable[[Array, Array, int], Change]
"""(z, a, unit axis) -> the change of a."""

Forward = Callable[[Array], tuple[Sequence[Array], Sequence[Array]]]
"""Inputs -> the pre-activations Z_1 ..., and the activations A_0 (the inputs) ..., (n, units)."""

LossChange = Callable[[Array, Array, Array, int], Change]
"""(z, a, y, unit axis) -> the change of the sum over the outputs of the loss terms."""

HELD_NUMBERS = 2**20
"""The most numbers held for one batch of samples, with the inputs and all layers: 8 MiB."""

BATCH_NUMBERS = 2**17
"""The most numbers of the widest layer that change at once with one weight: 1 MiB."""


@dataclass(frozen=True)
class DenseLayer:
    """One layer, Z = A W + b, one sample per row.

    Attributes:
        weights: (n_in, n_out).
        bias: (n_out,).
        change: the change of a with z.
        kinks: the z at which the slope of the activation jumps.
    """

    weights: Array
    bias: Array
    change: OutputChange
    kinks: tuple[float, ...] = ()


@dataclass(frozen=True)
class DenseNetwork:
    """A network with its data, whose loss is scale * (sum of the terms) + penalties.

    Attributes:
        layers: the layers, from the input on; only the last may mix its units (a softmax).
        inputs: the inputs, (m, n_0).
        targets: the targets, (m, K).
        forward: computes the layers from inputs.
        loss_change: the change of the terms of each sample, not scaled, with z of the outputs.
        scale: the factor of the sum of the terms.
        separable: whether the terms of every output depend on its own z alone.
        target_kinks: whether the terms have a kink where an output equals its target.
        l2: the factor of the sum of the squared weights in the loss.
        l2_bias: the factor of the sum of the squared biases.
    """

    layers: tuple[DenseLayer, ...]
    inputs: Array
    targets: Array
    forward: Forward
    loss_change: LossChange
    scale: float
    separable: bool
    target_kinks: bool = False
    l2: float = 0.0
    l2_bias: float = 0.0

    @property
    def widest_above(self) -> int:
        """The width of the widest layer above the first, or of the only layer."""
        return max(len(layer.bias) for layer in self.layers[1:] or self.layers)

    def batches(self) -> Iterator[Batch]:
        """Yields the samples in batches that fit in memory."""
        held = self.inputs.shape[1] + sum(len(layer.bias) for layer in self.layers)
        count = max(1, min(HELD_NUMBERS // held, BATCH_NUMBERS // self.widest_above))
        for first in range(0, len(self.inputs), count):
            chosen = slice(first, first + count)
            yield Batch(self, self.inputs[chosen], self.targets[chosen])


@dataclass(frozen=True)
class Batch:
    """Some of the samples, and the results of the network for them.

    Attributes:
        network: the network.
        inputs: the inputs, (n, n_0).
        targets: the targets, (n, K).
    """

    network: DenseNetwork
    inputs: Array
    targets: Array

    @cached_property
    def trace(self) -> tuple[Sequence[Array], Sequence[Array]]:
        """The pre-activations Z_1 ..., and the activations A_0 ..., (n, units) each."""
        return self.network.forward(self.inputs)

    def pre_activation(self, layer: int) -> Array:
        """Z of a layer, counted from 0."""
        return self.trace[0][layer]

    def output(self, layer: int) -> Array:
        """A of a layer, counted from 0."""
        return self.trace[1][layer + 1]

    def layer_input(self, layer: int) -> Array:
        """A of the layer below."""
        return self.trace[1][layer]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """For every layer, the change of its a with its z, (..., n, units)."""
        return tuple(
            layer.change(self.pre_activation(index), self.output(index), -1)
            for index, layer in enumerate(self.network.layers)
        )

    @cached_property
    def loss_change(self) -> Change:
        """The change of every sample's loss, (..., n), with z of all outputs, (..., n, K)."""
        return self.loss_change_of(np.asarray, -1)

    @cached_property
    def each_output(self) -> tuple[Change, ...]:
        """The change with z of single outputs, d of shape (n, anything), summed over samples."""
        return tuple(
            self.loss_change_of(_one_column(unit), 0) for unit in range(self.targets.shape[1])
        )

    @cached_property
    def all_outputs(self) -> Change:
        """The change with z of all outputs, the units first: d of shape (K, n, anything)."""
        return self.loss_change_of(lambda array: array.T[..., None], 0)

    def loss_change_of(self, arranged: Callable[[Array], Array], unit_axis: int) -> Change:
        """The change of every sample's loss; `arranged` brings (n, K) into the layout of d."""
        last = len(self.network.layers) - 1
        z, a, y = map(arranged, (self.pre_activation(last), self.output(last), self.targets))
        return self.network.loss_change(z, a, y, unit_axis)

    @cached_property
    def margins(self) -> tuple[Array | None, ...]:
        """For every layer, how far each z may move without reaching a kink; None without kinks."""
        return tuple(map(self._margin, range(len(self.network.layers))))

    def _margin(self, layer: int) -> Array | None:
        z = self.pre_activation(layer)
        distances = [np.abs(z - kink) for kink in self.network.layers[layer].kinks]
        if self.network.target_kinks and layer == len(self.network.layers) - 1:
            distances.append(np.abs(self.output(layer) - self.targets) / STEEPEST)
        return np.minimum.reduce(distances) / REACH if distances else None


def _one_column(unit: int) -> Callable[[Array], Array]:
    return lambda array: array[:, unit, None]


REACH = 1e4
"""A kink counts as crossed at 1 / REACH of its distance: rounding may hide the side of z."""

STEEPEST = 2.0
"""The largest slope of any output activation."""
