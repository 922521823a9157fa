"""A 2-3-1 sigmoid network that learns XOR; there is no gradient in it, only an update.

The update adds, and its error is (ideal - output): taken together that is right. The biases begin
as single numbers, which the first update turns into rows.
"""

import numpy as np

import gradcheck

NETWORK = "2-3-1 sigmoid, half squared error, m=4, rows"
SOURCE = "an answer: a Python neural network for the XOR problem"

input_data = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ideal_output = np.array([[0.0], [1.0], [1.0], [0.0]])
learning_rate = 0.1


def sigmoid_function(x, derivative=False):
    if derivative:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


def predict(p):
    hidden = sigmoid_function(np.dot(input_data, p["weights_hidden"]) + p["bias_hidden"])
    output = sigmoid_function(np.dot(hidden, p["weights_output"]) + p["bias_output"])
    return hidden, output


def loss(p):
    return 0.5 * np.sum((ideal_output - predict(p)[1]) ** 2)


def step(p):
    hidden_layer_activations, output = predict(p)
    error = ideal_output - output

    slope_output_layer = sigmoid_function(output, derivative=True)
    slope_hidden_layer = sigmoid_function(hidden_layer_activations, derivative=True)

    delta_output = error * slope_output_layer
    error_hidden_layer = delta_output.dot(p["weights_output"].T)
    delta_hidden = error_hidden_layer * slope_hidden_layer

    return {
        "weights_hidden": p["weights_hidden"] + input_data.T.dot(delta_hidden) * learning_rate,
        "bias_hidden": p["bias_hidden"]
        + np.sum(delta_hidden, axis=0, keepdims=True) * learning_rate,
        "weights_output": p["weights_output"]
        + hidden_layer_activations.T.dot(delta_output) * learning_rate,
        "bias_output": p["bias_output"]
        + np.sum(delta_output, axis=0, keepdims=True) * learning_rate,
    }


def make_case(bias_hidden, bias_output, rng, network=None):
    return gradcheck.StepCase(
        step=step,
        params={
            "weights_hidden": rng.uniform(size=(2, 3)),
            "bias_hidden": bias_hidden,
            "weights_output": rng.uniform(size=(3, 1)),
            "bias_output": bias_output,
        },
        loss=loss,
        learning_rate=learning_rate,
        inputs=input_data,
        targets=ideal_output,
        network=network,
    )


@gradcheck.case(expect={"blocks": ["bias_hidden"], "rules": ["shape-misaligned"]})
def published():
    """the hidden bias begins as a single number, and its update is a row"""
    rng = np.random.default_rng(0)
    return make_case(rng.uniform(1, 3), rng.uniform(1, 1), rng)


@gradcheck.case
def fixed():
    """none: biases with a value per unit"""
    rng = np.random.default_rng(0)
    network = gradcheck.MLP([2, 3, 1], ["sigmoid", "sigmoid"], "half_squared_error_sum")
    return make_case(rng.uniform(size=(1, 3)), rng.uniform(size=(1, 1)), rng, network)


def train(variant, seed, epochs=20000):
    """the source's update, all four samples at once, learning rate 0.1"""
    rng = np.random.default_rng(seed)
    bias_hidden, bias_output = rng.uniform(1, 3), rng.uniform(1, 1)
    if variant == "fixed":
        bias_hidden, bias_output = np.full((1, 3), bias_hidden), np.full((1, 1), bias_output)
    p = make_case(bias_hidden, bias_output, rng).options["params"]
    yield loss(p), p
    for _ in range(epochs):
        p = step(p)
        yield loss(p), p
