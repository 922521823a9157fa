"""The user's blocks as the parameters of a network of the core, tied to the user's own loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.blocks import Array
from gradcheck.diagnose.layers import Layer
from gradcheck.network import MLP, Trace
from gradcheck.problem import Problem
from gradcheck.usercode import UserCodeError

TIE_POINTS = 3
TIE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class NetworkView:
    """A network of the core whose loss is the user's, and which block is which parameter.

    Attributes:
        network: the network.
        layers: the weight and bias blocks of every layer.
        inputs: the data, as the network takes them.
        targets: the targets, as the network takes them.
    """

    network: MLP
    layers: tuple[Layer, ...]
    inputs: NDArray[Any]
    targets: NDArray[Any]

    def parameters(self, values: Sequence[Array]) -> dict[str, Array]:
        """The user's blocks as the network's parameters."""
        parameters = {}
        for layer in self.layers:
            weights = values[layer.weight]
            shape = self.network.bias_shape(layer.number)
            bias = np.zeros(shape) if layer.bias is None else values[layer.bias].reshape(shape)
            parameters[f"W{layer.number}"] = weights
            parameters[f"b{layer.number}"] = bias
        return parameters

    def loss(self, values: Sequence[Array]) -> float:
        """The network's loss at the user's blocks."""
        return self.network.loss(self.parameters(values), self.inputs, self.targets)

    def trace(self, values: Sequence[Array]) -> Trace:
        """The forward and backward values at the user's blocks."""
        return self.network.trace(self.parameters(values), self.inputs, self.targets)

    def wanted(self, trace: Trace) -> Array:
        """The targets in the shape of the outputs."""
        return self.network.wanted(self.targets, trace.activations[-1])

    def output_gradient(self, trace: Trace) -> Array:
        """dL/dA of the output layer."""
        return self.network.output_gradient(trace.activations[-1], self.wanted(trace))

    def pull_back(self, number: int, trace: Trace, arriving: Array) -> Array:
        """Delta of a layer from what arrives at its output."""
        return self.network.activation(number).pull_back(
            trace.pre_activations[number - 1],
            trace.activations[number],
            arriving,
            self.network.arrangement.unit_axis,
        )

    def step_back(self, values: Sequence[Array], number: int, delta: Array) -> Array:
        """What arrives at the layer below from the delta of a layer."""
        weights = values[self.layers[number - 1].weight]
        return self.network.arrangement.step_back(delta, weights)

    def block_gradient(
        self, values: Sequence[Array], trace: Trace, number: int, block: int, delta: Array
    ) -> Array:
        """The gradient that a delta gives for a block of its layer, in the block's shape."""
        arrangement = self.network.arrangement
        if block == self.layers[number - 1].weight:
            product = arrangement.weight_gradient(trace.activations[number - 1], delta)
            return product + self.network.l2 * values[block]
        return arrangement.bias_gradient(delta).reshape(values[block].shape)


def view_network(
    problem: Problem, layers: tuple[Layer, ...], rng: np.random.Generator
) -> tuple[NetworkView | None, str | None]:
    """The network that the user named, if its loss is the user's at several points.

    Returns:
        The view or None, and the reason why there is none though the user named a network.
    """
    network = problem.network
    if network is None:
        return None, None
    if problem.inputs is None or problem.targets is None:
        return None, "network was given without inputs and targets, so it could not be used"
    layers = _fitting_layers(problem, network, layers)
    if not layers:
        return None, f"the parameters do not have the shapes of the network given ({network})"
    view = NetworkView(network, layers, problem.inputs, problem.targets)
    for _ in range(TIE_POINTS):
        values = [
            value + 0.1 * max(0.1, float(np.std(value))) * rng.standard_normal(value.shape)
            for value in problem.parameters.values
        ]
        try:
            theirs = problem.loss(values)
            ours = view.loss(values)
        except (UserCodeError, ValueError) as error:
            return None, f"the network given ({network}) could not be used: {error}"
        if np.isfinite(theirs) and abs(ours - theirs) > TIE_TOLERANCE * max(abs(theirs), 1e-300):
            return None, (
                f"the network given ({network}) has loss {ours:.9g} where yours has {theirs:.9g}, "
                "so the diagnosis did not use it"
            )
    return view, None


def untied_view(problem: Problem, layers: tuple[Layer, ...]) -> NetworkView | None:
    """The network that the user named, whatever its loss is; for where theirs is no number."""
    network = problem.network
    if network is None or problem.inputs is None or problem.targets is None:
        return None
    fitting = _fitting_layers(problem, network, layers)
    return NetworkView(network, fitting, problem.inputs, problem.targets) if fitting else None


def _fitting_layers(problem: Problem, network: MLP, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers by name if their shapes are the network's, else the blocks by shape in order."""
    shapes = problem.parameters.shapes
    count = len(network.sizes) - 1
    if len(layers) == count and all(_fits(layer, network, shapes) for layer in layers):
        return layers
    in_order = []
    left = list(range(len(shapes)))
    for number in range(1, count + 1):
        weight = next((b for b in left if shapes[b] == network.weight_shape(number)), None)
        if weight is None:
            return ()
        left.remove(weight)
        width = network.sizes[number]
        bias = next(
            (b for b in left if _size(shapes[b]) == width and max(shapes[b], default=1) == width),
            None,
        )
        if bias is not None:
            left.remove(bias)
        in_order.append(Layer(number, weight, bias))
    return () if left else tuple(in_order)


def _fits(layer: Layer, network: MLP, shapes: Sequence[tuple[int, ...]]) -> bool:
    return shapes[layer.weight] == network.weight_shape(layer.number) and (
        layer.bias is None or _size(shapes[layer.bias]) == network.sizes[layer.number]
    )


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=int))
