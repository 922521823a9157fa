"""A multi-layer perceptron whose gradients are written by hand: the four equations of backprop.

Layers are counted from 1. With A_0 the inputs, every layer computes Z_l = A_{l-1} W_l + b_l (rows;
turned round in columns) and A_l = f_l(Z_l). Backward, with delta_l = dL/dZ_l (Nielsen 2015, Neural
Networks and Deep Learning, chapter 2, BP1 to BP4; Rumelhart, Hinton and Williams 1986):

    BP1  delta_L = dL/dA_L * f_L'(Z_L)
    BP2  delta_l = (delta_{l+1} back through W_{l+1}) * f_l'(Z_l)
    BP3  dL/db_l = sum of delta_l over the samples
    BP4  dL/dW_l = A_{l-1} times delta_l, summed over the samples
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradcheck.network.activations import PUBLIC_ACTIVATIONS
from gradcheck.network.data import as_inputs, as_targets, require_name, require_shape, require_sizes
from gradcheck.network.layouts import LAYOUTS, Array, Layout
from gradcheck.network.losses import PUBLIC_LOSSES
from gradcheck.network.passes import LayerParameters, Trace, forward, trace
from gradcheck.network.rows import AnyActivation, Loss

Params = Mapping[str, Array]


@dataclass(frozen=True)
class Training:
    """The result of training.

    Attributes:
        params: the final parameters.
        losses: the loss over all samples, before training and after every epoch.
    """

    params: dict[str, Array]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class MLP:
    """A network of dense layers.

    Example:
        >>> import numpy as np, gradcheck
        >>> net = gradcheck.MLP((3, 4, 2), ("tanh", "softmax"), "categorical_cross_entropy")
        >>> inputs, targets = np.ones((5, 3)), np.eye(2)[[0, 1, 1, 0, 1]]
        >>> gradients = net.backward(net.init(seed=0), inputs, targets)
        >>> {name: gradient.shape for name, gradient in gradients.items()}
        {'W1': (3, 4), 'b1': (4,), 'W2': (4, 2), 'b2': (2,)}

    Attributes:
        sizes: units per layer, the inputs first.
        activations: one name of `PUBLIC_ACTIVATIONS` per layer.
        loss_name: a name of `PUBLIC_LOSSES`; the constructor's argument is `loss`.
        layout: "rows" (one sample per row) or "columns".
        l2: adds l2 / 2 times the sum of the squares of all weights (not biases) to the loss.

    Raises:
        ValueError: a name is unknown, the sizes make no network, or l2 is negative.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss_name: str
    layout: str
    l2: float

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        loss: str,
        layout: str = "rows",
        l2: float = 0.0,
    ) -> None:
        layers = require_sizes(sizes, activations)
        for name in activations:
            require_name("activation", name, PUBLIC_ACTIVATIONS)
        for name in activations[:-1]:
            if PUBLIC_ACTIVATIONS[name].mixes != "nothing":
                raise ValueError(f"{name} is for the output layer: it normalises over the units")
        if not 0 <= l2 < float("inf"):
            raise ValueError(f"l2 is {l2!r}; it must be finite and not negative")
        object.__setattr__(self, "sizes", layers)
        object.__setattr__(self, "activations", tuple(activations))
        object.__setattr__(self, "loss_name", require_name("loss", loss, PUBLIC_LOSSES))
        object.__setattr__(self, "layout", require_name("layout", layout, LAYOUTS))
        object.__setattr__(self, "l2", float(l2))

    def __str__(self) -> str:
        penalty = f", l2={self.l2:g}" if self.l2 else ""
        return (
            f"{'-'.join(map(str, self.sizes))} {'/'.join(self.activations)}, "
            f"{self.loss_name}, {self.layout}{penalty}"
        )

    @property
    def layers(self) -> range:
        """The layer numbers, 1 ... L."""
        return range(1, len(self.sizes))

    @property
    def arrangement(self) -> Layout:
        """The `Layout`, with its products and axes."""
        return LAYOUTS[self.layout]

    def activation(self, layer: int) -> AnyActivation:
        """The activation of a layer."""
        return PUBLIC_ACTIVATIONS[self.activations[layer - 1]]

    def weight_shape(self, layer: int) -> tuple[int, int]:
        """The shape of W of a layer."""
        return self.arrangement.weight_shape(self.sizes[layer - 1], self.sizes[layer])

    def bias_shape(self, layer: int) -> tuple[int, ...]:
        """The shape of b of a layer."""
        return self.arrangement.bias_shape(self.sizes[layer])

    def init(self, seed: int | np.random.Generator = 0) -> dict[str, NDArray[np.float64]]:
        """Random parameters, `{"W1": ..., "b1": ..., "W2": ...}`.

        Weights are normal with variance 1 / n_in. Biases are small but not zero, so that a check
        at this point reveals errors in their gradients.
        """
        rng = np.random.default_rng(seed)
        params = {}
        for layer in self.layers:
            scale = 1 / np.sqrt(self.sizes[layer - 1])
            params[f"W{layer}"] = scale * rng.standard_normal(self.weight_shape(layer))
            params[f"b{layer}"] = 0.1 * rng.standard_normal(self.bias_shape(layer))
        return params

    def forward(self, params: Params, inputs: ArrayLike) -> Array:
        """The outputs A_L, (m, K) in rows, (K, m) in columns."""
        return self._forward(params, inputs)[1][-1]

    def loss(self, params: Params, inputs: ArrayLike, targets: ArrayLike) -> float:
        """The loss, penalty included."""
        pre_activations, activations = self._forward(params, inputs)
        z, a = pre_activations[-1], activations[-1]
        wanted = self.wanted(targets, a)
        terms = self._loss.output_terms(
            self.activation(len(self.layers)), z, a, wanted, self.arrangement.unit_axis
        )
        return float(self._loss_scale(wanted) * terms.sum() + self._penalty(params))

    def backward(self, params: Params, inputs: ArrayLike, targets: ArrayLike) -> dict[str, Array]:
        """The gradient of the loss, with the keys and shapes of `params`."""
        passed = self.trace(params, inputs, targets)
        gradients = {}
        for layer in self.layers:
            weights, delta = params[f"W{layer}"], passed.deltas[layer - 1]
            # BP4
            of_weights = self.arrangement.weight_gradient(passed.activations[layer - 1], delta)
            if self.l2:
                # the derivative of the penalty l2/2 W^2
                of_weights += self.l2 * weights
            gradients[f"W{layer}"] = of_weights
            # BP3
            gradients[f"b{layer}"] = self.arrangement.bias_gradient(delta)
        return gradients

    def trace(self, params: Params, inputs: ArrayLike, targets: ArrayLike) -> Trace:
        """The forward and the backward pass with everything in between (penalty left out)."""

        def output_delta(z: Array, a: Array) -> Array:
            wanted, activation = self.wanted(targets, a), self.activation(len(self.layers))
            unit_axis = self.arrangement.unit_axis
            return self._loss_scale(wanted) * self._loss.delta(activation, z, a, wanted, unit_axis)

        data = as_inputs(inputs, self.sizes[0], self.arrangement)
        return trace(data, self._parameters(params), self.arrangement, output_delta)

    def output_gradient(self, outputs: Array, targets: Array) -> Array:
        """dL/dA_L, in the shape of the outputs; `targets` as `wanted` gives them."""
        return np.asarray(self._loss_scale(targets) * self._loss.derivative(outputs, targets))

    def wanted(self, targets: ArrayLike, outputs: Array) -> Array:
        """The targets in the shape of the outputs; class labels become one-hot."""
        return as_targets(targets, outputs, self.arrangement, self._loss.of_labels)

    def train(
        self,
        params: Params,
        inputs: ArrayLike,
        targets: ArrayLike,
        learning_rate: float,
        epochs: int,
        batch_size: int,
        *,
        seed: int = 0,
    ) -> Training:
        """Mini-batch gradient descent: every epoch goes once through all samples, shuffled anew.

        Args:
            params: the initial parameters; not changed.
            inputs: the data.
            targets: the targets, as `loss` takes them.
            learning_rate: the factor of the gradient in a step.
            epochs: the number of passes through all samples.
            batch_size: samples per step; the last batch of an epoch may be smaller.
            seed: the seed of the shuffle.

        Raises:
            ValueError: the learning rate or the batch size is not positive, or epochs is negative.
        """
        if not (learning_rate > 0 and epochs >= 0 and batch_size > 0):
            raise ValueError(
                f"learning_rate {learning_rate!r} and batch_size {batch_size!r} must be positive, "
                f"and epochs {epochs!r} must not be negative"
            )
        data = as_inputs(inputs, self.sizes[0], self.arrangement)
        wanted = self.wanted(targets, self.forward(params, data))
        rng, axis = np.random.default_rng(seed), self.arrangement.sample_axis
        current = {name: np.array(value) for name, value in params.items()}
        losses = [self.loss(current, data, wanted)]
        for _ in range(epochs):
            order = rng.permutation(data.shape[axis])
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                gradients = self.backward(
                    current, data.take(batch, axis=axis), wanted.take(batch, axis=axis)
                )
                for name, gradient in gradients.items():
                    current[name] = current[name] - learning_rate * gradient
            losses.append(self.loss(current, data, wanted))
        return Training(current, tuple(losses))

    def _parameters(self, params: Params) -> list[LayerParameters]:
        return [
            LayerParameters(
                require_shape(params, f"W{layer}", self.weight_shape(layer)),
                require_shape(params, f"b{layer}", self.bias_shape(layer)),
                self.activation(layer),
            )
            for layer in self.layers
        ]

    def _forward(self, params: Params, inputs: ArrayLike) -> tuple[list[Array], list[Array]]:
        data = as_inputs(inputs, self.sizes[0], self.arrangement)
        return forward(data, self._parameters(params), self.arrangement)

    @property
    def _loss(self) -> Loss:
        return PUBLIC_LOSSES[self.loss_name][0]

    def _loss_scale(self, targets: Array) -> float:
        batch_size = targets.shape[self.arrangement.sample_axis]
        return PUBLIC_LOSSES[self.loss_name][1].scale(batch_size, self.sizes[-1])

    def _penalty(self, params: Params) -> float:
        if not self.l2:
            return 0.0
        squares = sum(float(np.square(params[f"W{layer}"]).sum()) for layer in self.layers)
        return self.l2 / 2 * squares
