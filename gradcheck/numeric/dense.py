"""A network of dense layers as the structured engine sees it, and what it computes on a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Change = Callable[[Array], Array]
"""d -> what d more in z changes, to full relative accuracy."""

OutputChange = Callable[[Array, Array, int], Change]
"""(z, a, unit axis) -> the change of a."""

Forward = Callable[[Array], tuple[Sequence[Array], Sequence[Array]]]
"""Inputs -> Z of every layer, and A from the inputs on, (n, units) each."""

LossChange = Callable[[Array, Array, Array, int], Change]
"""(z, a, y, unit axis) -> the change of the sum over the outputs of the loss terms."""

HELD_NUMBERS = 2**20
"""As many numbers are held for one batch of samples, the inputs and all layers: 8 MiB."""

BATCH_NUMBERS = 2**17
"""As many numbers of the widest layer change at once where one weight does: 1 MiB."""


@dataclass(frozen=True)
class DenseLayer:
    """One layer, Z = A W + b, one sample per row.

    Attributes:
        weights: (n_in, n_out).
        bias: (n_out,).
        change: what a change of z makes of a.
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
        layers: from the input on; of these only the last may mix its units (a softmax).
        inputs: (m, n_0).
        targets: (m, K).
        forward: what the layers compute from inputs.
        loss_change: what a change of the outputs' z makes of the terms of each sample (not scaled).
        scale: of the sum of the terms.
        separable: whether every output's terms depend on its own z alone.
        target_kinks: whether the terms have a kink where an output is its target.
        l2: times the squared weights are added to the loss.
        l2_bias: times the squared biases.
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
        """The number of units of the widest layer but the first, or of the only one."""
        return max(len(layer.bias) for layer in self.layers[1:] or self.layers)

    def batches(self) -> Iterator[Batch]:
        """The samples, as many at a time as may be held at once."""
        held = self.inputs.shape[1] + sum(len(layer.bias) for layer in self.layers)
        count = max(1, min(HELD_NUMBERS // held, BATCH_NUMBERS // self.widest_above))
        for first in range(0, len(self.inputs), count):
            chosen = slice(first, first + count)
            yield Batch(self, self.inputs[chosen], self.targets[chosen])


@dataclass(frozen=True)
class Batch:
    """What the network computes on some of the samples.

    Attributes:
        network: the network.
        inputs: (n, n_0).
        targets: (n, K).
    """

    network: DenseNetwork
    inputs: Array
    targets: Array

    @cached_property
    def trace(self) -> tuple[Sequence[Array], Sequence[Array]]:
        """Z of every layer, and A from the inputs on, (n, units) each."""
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
        """What a change of all z of a layer makes of its a, (..., n, units), per layer."""
        return tuple(
            layer.change(self.pre_activation(index), self.output(index), -1)
            for index, layer in enumerate(self.network.layers)
        )

    @cached_property
    def loss_change(self) -> Change:
        """What a change of all outputs' z, (..., n, K), makes of every sample's loss, (..., n)."""
        return self.loss_change_of(np.asarray, -1)

    @cached_property
    def each_output(self) -> tuple[Change, ...]:
        """The same for single outputs, d of shape (n, anything), summed over the samples."""
        return tuple(
            self.loss_change_of(_one_column(unit), 0) for unit in range(self.targets.shape[1])
        )

    @cached_property
    def all_outputs(self) -> Change:
        """The same with the units first, (K, n, anything)."""
        return self.loss_change_of(lambda array: array.T[..., None], 0)

    def loss_change_of(self, arranged: Callable[[Array], Array], unit_axis: int) -> Change:
        """The change of every sample's loss, with (n, K) brought into a shape that goes with d."""
        last = len(self.network.layers) - 1
        z, a, y = map(arranged, (self.pre_activation(last), self.output(last), self.targets))
        return self.network.loss_change(z, a, y, unit_axis)

    @cached_property
    def margins(self) -> tuple[Array | None, ...]:
        """How far every z may move as a kink counts, per layer; None where there is none."""
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
"""A kink counts as crossed by moves this much smaller: rounding may have put z on this side."""

STEEPEST = 2.0
"""No output of a network moves faster than this with its z."""
