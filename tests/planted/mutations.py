"""Wrong backward passes, each made from the core's own by one change at one layer.

A mutation takes a `Pass` and a layer and returns gradients. What it really changes is found by
comparing with the right gradient, so that a mutation without effect expects nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.network import ACTIVATIONS, MLP
from gradcheck.network.layouts import Layout

LEARNING_RATE = 0.1


@dataclass
class Pass:
    network: MLP
    params: Mapping[str, np.ndarray]
    inputs: np.ndarray
    targets: np.ndarray
    layout: Layout = field(init=False)

    def __post_init__(self) -> None:
        self.layout = self.network.arrangement
        self.trace = self.network.trace(self.params, self.inputs, self.targets)

    def backward(
        self,
        delta: Callable[[int, Any, Any], Any] | None = None,
        weight: Callable[[int, Any, Any], Any] | None = None,
        bias: Callable[[int, Any], Any] | None = None,
        back: Callable[[int, Any], Any] | None = None,
        penalty: Callable[[int, Any], Any] | None = None,
    ) -> dict[str, np.ndarray]:
        """Backprop with hooks: delta(layer, right, arriving), weight(layer, input, delta),
        bias(layer, delta), back(layer, delta) for what arrives at the layer below,
        penalty(layer, weights) for the derivative of the penalty."""
        net, trace, gradients = self.network, self.trace, {}
        arriving = net.output_gradient(
            trace.activations[-1], net.wanted(self.targets, trace.activations[-1])
        )
        for layer in reversed(net.layers):
            if layer == len(net.layers):
                current = trace.deltas[-1]
            else:
                current = net.activation(layer).pull_back(
                    trace.pre_activations[layer - 1],
                    trace.activations[layer],
                    arriving,
                    self.layout.unit_axis,
                )
            if delta is not None:
                current = delta(layer, current, arriving)
            below = trace.activations[layer - 1]
            product = (weight or self.right_weight)(layer, below, current)
            weights = self.params[f"W{layer}"]
            gradients[f"W{layer}"] = product + (penalty or self.right_penalty)(layer, weights)
            gradients[f"b{layer}"] = (bias or self.right_bias)(layer, current)
            arriving = (back or self.right_back)(layer, current)
        return {name: gradients[name] for name in self.params}

    def right_weight(self, layer, below, delta):
        return self.layout.weight_gradient(below, delta)

    def right_bias(self, layer, delta):
        return self.layout.bias_gradient(delta)

    def right_back(self, layer, delta):
        return self.layout.step_back(delta, self.params[f"W{layer}"])

    def right_penalty(self, layer, weights):
        return self.network.l2 * weights

    def z(self, layer):
        return self.trace.pre_activations[layer - 1]

    def samples(self, array, which):
        kept = np.zeros_like(array)
        index = [slice(None)] * 2
        index[self.layout.sample_axis] = which
        kept[tuple(index)] = array[tuple(index)]
        return kept


def of_delta(change):
    """A mutation of delta at one layer, carried on to the layers below."""

    def mutation(run, at):
        return run.backward(
            delta=lambda layer, right, arriving: (
                change(run, layer, right, arriving) if layer == at else right
            )
        )

    return mutation


def of_weight(change):
    def mutation(run, at):
        def weight(layer, below, delta):
            right = run.right_weight(layer, below, delta)
            return change(run, layer, below, delta, right) if layer == at else right

        return run.backward(weight=weight)

    return mutation


def of_bias(change):
    def mutation(run, at):
        def bias(layer, delta):
            right = run.right_bias(layer, delta)
            return change(run, layer, delta, right) if layer == at else right

        return run.backward(bias=bias)

    return mutation


def of_back(change):
    def mutation(run, at):
        def back(layer, delta):
            right = run.right_back(layer, delta)
            return change(run, layer, delta, right) if layer == at else right

        return run.backward(back=back)

    return mutation


def of_penalty(factor):
    """A mutation of the penalty's derivative, to so many times the right one."""

    def mutation(run, at):
        return run.backward(
            penalty=lambda layer, weights: (
                factor * run.network.l2 * weights
                if layer == at
                else run.right_penalty(layer, weights)
            )
        )

    return mutation


def of_block(prefix, change):
    """A mutation of one returned gradient."""

    def mutation(run, at):
        gradients = run.backward()
        name = f"{prefix}{at}"
        gradients[name] = change(run, at, gradients[name].copy())
        return gradients

    return mutation


def slope(run, layer, at, name=None):
    activation = ACTIVATIONS[name or run.network.activations[layer - 1]]
    return activation.slope(at) if hasattr(activation, "slope") else 1.0


def scaled_entry(run, layer, gradient):
    gradient.flat[np.argmax(np.abs(gradient))] *= 1.01
    return gradient


def zero_row(run, layer, gradient):
    gradient[0] = 0
    return gradient


def scaled_column(run, layer, gradient):
    gradient[:, -1] *= 1.5
    return gradient


def mean_bias(run, layer, delta, right):
    return np.full_like(right, right.mean())


def updated_weights(run, layer, delta, right):
    gradient = run.right_weight(layer, run.trace.activations[layer - 1], delta)
    weights = run.params[f"W{layer}"] - LEARNING_RATE * gradient
    return run.layout.step_back(delta, weights)


def turned_weights(run, layer, delta, right):
    weights = run.params[f"W{layer}"]
    square = weights.shape[0] == weights.shape[1]
    return run.layout.step_back(delta, weights.T) if square else right


def own_output(run, layer, below, delta, right):
    output = run.trace.activations[layer]
    return run.layout.weight_gradient(output, delta) if output.shape == below.shape else right


def pre_activation_below(run, layer, below, delta, right):
    return right if layer == 1 else run.layout.weight_gradient(run.z(layer - 1), delta)


def batch(run):
    return run.inputs.shape[run.layout.sample_axis]


MUTATIONS = {
    "slope missing": of_delta(lambda run, n, right, up: up),
    "slope of output": of_delta(
        lambda run, n, right, up: up * slope(run, n, run.trace.activations[n])
    ),
    "slope doubled": of_delta(lambda run, n, right, up: right * slope(run, n, run.z(n))),
    "slope of tanh": of_delta(lambda run, n, right, up: up * slope(run, n, run.z(n), "tanh")),
    "slope of relu": of_delta(lambda run, n, right, up: up * slope(run, n, run.z(n), "relu")),
    "slope at what arrives": of_delta(lambda run, n, right, up: up * slope(run, n, up)),
    "delta flipped": of_delta(lambda run, n, right, up: -right),
    "delta over m": of_delta(lambda run, n, right, up: right / batch(run)),
    "delta times m": of_delta(lambda run, n, right, up: right * batch(run)),
    "delta twice": of_delta(lambda run, n, right, up: 2 * right),
    "delta slightly off": of_delta(lambda run, n, right, up: right * (1 + 1e-5)),
    "delta of last sample": of_delta(lambda run, n, right, up: run.samples(right, -1)),
    "delta without first sample": of_delta(lambda run, n, right, up: right - run.samples(right, 0)),
    "delta clipped": of_delta(lambda run, n, right, up: np.maximum(right, 0)),
    "delta zero": of_delta(lambda run, n, right, up: 0 * right),
    "back through updated weights": of_back(updated_weights),
    "back through turned weights": of_back(turned_weights),
    "back through half the weights": of_back(lambda run, n, delta, right: right / 2),
    "weight from own output": of_weight(own_output),
    "weight from pre-activation": of_weight(pre_activation_below),
    "weight times m": of_weight(lambda run, n, below, delta, right: right * batch(run)),
    "weight of last sample": of_weight(
        lambda run, n, below, delta, right: run.right_weight(n, below, run.samples(delta, -1))
    ),
    "weight flipped": of_block("W", lambda run, n, gradient: -gradient),
    "weight transposed": of_block("W", lambda run, n, g: g.T if g.shape[0] == g.shape[1] else g),
    "weight entry 1 % off": of_block("W", scaled_entry),
    "weight row zero": of_block("W", zero_row),
    "weight column scaled": of_block("W", scaled_column),
    "weight zero": of_block("W", lambda run, n, gradient: 0 * gradient),
    "penalty missing": of_penalty(0),
    "penalty flipped": of_penalty(-1),
    "penalty on bias": of_block(
        "b", lambda run, n, gradient: gradient + run.network.l2 * run.params[f"b{n}"]
    ),
    "bias times m": of_bias(lambda run, n, delta, right: right * batch(run)),
    "bias over m": of_bias(lambda run, n, delta, right: right / batch(run)),
    "bias of last sample": of_bias(
        lambda run, n, delta, right: run.right_bias(n, run.samples(delta, -1))
    ),
    "bias over units": of_bias(mean_bias),
    "bias flipped": of_block("b", lambda run, n, gradient: -gradient),
    "bias entry 1 % off": of_block("b", scaled_entry),
    "bias zero": of_block("b", lambda run, n, gradient: 0 * gradient),
}
