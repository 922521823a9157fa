"""More wrong backward passes: those that take a quantity from a place it does not belong."""

import numpy as np
from planted.mutations import MUTATIONS, of_back, of_bias, of_delta, of_weight, slope

SLOPES_FROM_OUTPUT = {
    "linear": np.ones_like,
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a * a,
    "relu": lambda a: (a > 0).astype(a.dtype),
    "leaky_relu": lambda a: np.where(a > 0, 1.0, 0.01),
    "elu": lambda a: np.where(a > 0, 1.0, a + 1),
    "softplus": lambda a: -np.expm1(-a),
}
"""The slopes of activations, written in terms of their outputs."""


def neighbour(run, layer):
    """The layer below, or above where there is none."""
    return layer - 1 if layer > 1 else layer + 1


def neighbours_slope(run, layer, right, arriving):
    other = neighbour(run, layer)
    if other > len(run.network.layers) or run.z(other).shape != arriving.shape:
        return right
    return arriving * slope(run, other, run.z(other))


def slope_from_output_of_pre_activation(run, layer, right, arriving):
    form = SLOPES_FROM_OUTPUT.get(run.network.activation(layer).name)
    return right if form is None else arriving * form(run.z(layer))


def not_through_weights(run, layer, delta, right):
    return delta if delta.shape == right.shape else right


def weight_from_inputs(run, layer, below, delta, right):
    if run.inputs.shape != below.shape:
        return right
    return run.right_weight(layer, run.inputs, delta)


def weight_from_raw_error(run, layer, below, delta, right):
    outputs = run.trace.activations[-1]
    if delta.shape != outputs.shape:
        return right
    error = outputs - run.network.wanted(run.targets, outputs)
    return run.right_weight(layer, below, error)


def bias_of_neighbour(run, layer, delta, right):
    other = neighbour(run, layer)
    if other > len(run.network.layers):
        return right
    copied = run.right_bias(other, run.trace.deltas[other - 1])
    return copied if copied.shape == right.shape else right


def bias_over_wrong_axis(run, layer, delta, right):
    summed = delta.sum(axis=run.layout.unit_axis)
    return summed.reshape(right.shape) if summed.size == right.size else right


def bias_from_activation(run, layer, delta, right):
    return run.right_bias(layer, run.trace.activations[layer])


def weight_scaled_by_one_in_fifty_thousand(run, layer, below, delta, right):
    return right * (1 + 2e-5)


FURTHER_MUTATIONS = MUTATIONS | {
    "slope of neighbour": of_delta(neighbours_slope),
    "output form at the pre-activation": of_delta(slope_from_output_of_pre_activation),
    "slope of sigmoid": of_delta(lambda run, n, right, up: up * slope(run, n, run.z(n), "sigmoid")),
    "delta rolled": of_delta(
        lambda run, n, right, up: np.roll(right, 1, axis=run.layout.sample_axis)
    ),
    "back without weights": of_back(not_through_weights),
    "back with raw weights' sign": of_back(
        lambda run, n, delta, right: run.layout.step_back(delta, np.abs(run.params[f"W{n}"]))
    ),
    "weight from inputs": of_weight(weight_from_inputs),
    "weight from raw error": of_weight(weight_from_raw_error),
    "weight barely scaled": of_weight(weight_scaled_by_one_in_fifty_thousand),
    "bias of neighbour": of_bias(bias_of_neighbour),
    "bias over wrong axis": of_bias(bias_over_wrong_axis),
    "bias from activation": of_bias(bias_from_activation),
}
