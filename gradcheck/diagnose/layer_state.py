"""One layer of the user's backward pass at one point, as the rules of the chain see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gradcheck.network import Trace
from gradcheck.network.rows import Activation, AnyActivation
from gradcheck.recognition.network_view import ROWS, NetworkView
from gradcheck.user.blocks import Array


@dataclass(frozen=True)
class LayerState:
    """One layer in the walk, at one point; one sample per row in all arrays.

    Attributes:
        view: the network.
        trace: its true forward and backward values.
        number: of the layer, from 1.
        values: the user's blocks.
        arriving: dL/dA of the layer, as the user's code has it, (m, n_out).
        deltas: the user's deltas of the layers above, and of this one once it is known, by number.
        gradients: the user's own gradients of the weights, as (n_in, n_out), by layer.
        arrivals: what arrived at the layers above, by number.
        rate: the learning rate of a step; 0 where there is none.
    """

    view: NetworkView
    trace: Trace
    number: int
    values: tuple[Array, ...]
    arriving: Array
    deltas: Mapping[int, Array] = field(default_factory=dict)
    gradients: Mapping[int, Array] = field(default_factory=dict)
    arrivals: Mapping[int, Array] = field(default_factory=dict)
    rate: float = 0.0

    @property
    def is_output(self) -> bool:
        """Whether this is the layer next to the loss."""
        return self.number == len(self.view.placed)

    @property
    def activation(self) -> AnyActivation:
        """The layer's activation."""
        return self.view.activation(self.number)

    @property
    def cancels(self) -> bool:
        """Whether the slope of the output activation cancels with the loss."""
        return self.activation.name in self.view.plain_loss.fused

    @property
    def pre_activation(self) -> Array:
        """Z of the layer."""
        return self.trace.pre_activations[self.number - 1]

    @property
    def output(self) -> Array:
        """A of the layer."""
        return self.trace.activations[self.number]

    @property
    def layer_input(self) -> Array:
        """A of the layer below."""
        return self.trace.activations[self.number - 1]

    @property
    def delta(self) -> Array:
        """The user's delta of this layer, once it is known; until then the right one."""
        return self.deltas[self.number] if self.number in self.deltas else self.right_delta()

    @property
    def error(self) -> Array:
        """A - y at the output, times the factor of the loss."""
        return self.view.scale * (self.trace.activations[-1] - self.view.targets)

    @property
    def weights_above(self) -> Array | None:
        """W of the layer above, (n_out, ...)."""
        return None if self.is_output else self.view.weights(self.values, self.number + 1)

    @property
    def delta_above(self) -> Array | None:
        """The user's delta of the layer above."""
        return self.deltas.get(self.number + 1)

    @property
    def arriving_above(self) -> Array | None:
        """What arrived at the output of the layer above, before its slope."""
        return self.arrivals.get(self.number + 1)

    def other_deltas(self) -> Iterator[tuple[str, Array]]:
        """What may be taken for delta of the layer, in words and numbers."""
        yield "what arrives, without the slope", self.arriving
        if self.is_output:
            yield "the bare error", self.error
        slope = self.slope()
        if slope is not None:
            yield "delta times the slope again", self.delta * slope
        for number, delta in self.deltas.items():
            if number != self.number:
                yield f"delta {number}", delta

    def right_delta(self) -> Array:
        """Delta of the layer as it follows rightly from what arrives."""
        if self.is_output:
            return self.trace.deltas[-1]
        return self.pull_back(self.arriving)

    def pull_back(self, arriving: Array) -> Array:
        """Delta of the layer from what arrives at its output."""
        return self.activation.pull_back(self.pre_activation, self.output, arriving, ROWS.unit_axis)

    def slope(self) -> Array | None:
        """The slope of the layer's activation; None where it has none."""
        return self.slope_at(self.pre_activation)

    def slope_at(self, quantity: Array) -> Array | None:
        """The slope of the layer's activation at some quantity; None where it has none."""
        activation = self.activation
        return activation.slope(quantity) if isinstance(activation, Activation) else None

    def slope_from_output(self, quantity: Array) -> Array | None:
        """The form of the slope that is written for outputs, given some quantity."""
        activation = self.activation
        if isinstance(activation, Activation) and activation.slope_from_output is not None:
            return activation.slope_from_output(quantity)
        return None
