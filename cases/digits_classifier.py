"""A 784-100-10 classifier of digits, one sample at a time, in flat vectors.

Layers are dicts of weights and biases, as in the source; the picture is made here, from a seed.
"""

import numpy as np

import gradcheck

NETWORK = "784-100-10 sigmoid, half squared error, one sample, flat vectors"
SOURCE = "a question: updating weights and biases in a network for handwritten digits"


def sigmoid(x, derivative=False):
    if derivative:
        return sigmoid(x) * (1 - sigmoid(x))
    return 1 / (1 + np.exp(-x))


def initial_layers(rng):
    return {
        "hidden_layer": {
            "weights": rng.uniform(-0.1, 0.1, size=(784, 100)),
            "biases": rng.uniform(-0.1, 0.1, size=100),
        },
        "output_layer": {
            "weights": rng.uniform(-0.1, 0.1, size=(100, 10)),
            "biases": rng.uniform(-0.1, 0.1, size=10),
        },
    }


def feed_forward(layers, x):
    hidden_layer, output_layer = layers["hidden_layer"], layers["output_layer"]
    z_hidden_layer = np.dot(x, hidden_layer["weights"]) + hidden_layer["biases"]
    o_hidden_layer = sigmoid(z_hidden_layer)
    z_output_layer = np.dot(o_hidden_layer, output_layer["weights"]) + output_layer["biases"]
    o_output_layer = sigmoid(z_output_layer)
    return z_hidden_layer, o_hidden_layer, z_output_layer, o_output_layer


def squared_error(layers, x, y):
    return 0.5 * np.sum((feed_forward(layers, x)[-1] - y) ** 2)


def back_propagation_published(layers, x, y):
    z_hidden_layer, o_hidden_layer, z_output_layer, o_output_layer = feed_forward(layers, x)
    error = o_output_layer - y

    derror_do = error
    do_dz = sigmoid(z_output_layer, derivative=True)
    dz_dw = o_hidden_layer
    nw_output_layer = derror_do * do_dz
    nw_output_layer = np.dot(nw_output_layer, dz_dw.T)
    nb_output_layer = error
    return {"output_layer": {"weights": nw_output_layer, "biases": nb_output_layer}}


def back_propagation_outer(layers, x, y):
    z_hidden_layer, o_hidden_layer, z_output_layer, o_output_layer = feed_forward(layers, x)
    error = o_output_layer - y

    derror_do = error
    do_dz = sigmoid(z_output_layer, derivative=True)
    dz_dw = o_hidden_layer
    nw_output_layer = derror_do * do_dz
    nw_output_layer = np.outer(dz_dw, nw_output_layer)
    nb_output_layer = error
    return {"output_layer": {"weights": nw_output_layer, "biases": nb_output_layer}}


def back_propagation_fixed(layers, x, y):
    z_hidden_layer, o_hidden_layer, z_output_layer, o_output_layer = feed_forward(layers, x)
    error = o_output_layer - y

    delta_output = error * sigmoid(z_output_layer, derivative=True)
    delta_hidden = np.dot(layers["output_layer"]["weights"], delta_output) * sigmoid(
        z_hidden_layer, derivative=True
    )
    return {
        "hidden_layer": {"weights": np.outer(x, delta_hidden), "biases": delta_hidden},
        "output_layer": {"weights": np.outer(o_hidden_layer, delta_output), "biases": delta_output},
    }


def make_case(back_propagation):
    rng = np.random.default_rng(3)
    layers = initial_layers(rng)
    x = rng.uniform(size=784) * (rng.uniform(size=784) < 0.2)
    y = np.eye(10)[4]
    return gradcheck.Case(
        loss=lambda p: squared_error(p, x, y),
        params=layers,
        grad=lambda p: back_propagation(p, x, y),
        inputs=x,
        targets=y,
        network=gradcheck.MLP([784, 100, 10], ["sigmoid", "sigmoid"], "half_squared_error_sum"),
    )


@gradcheck.case(
    expect={
        "blocks": [
            "hidden_layer.weights",
            "hidden_layer.biases",
            "output_layer.weights",
            "output_layer.biases",
        ],
        "rules": ["shape-misaligned"],
    }
)
def published():
    """raises: an inner product of 10 deltas and 100 hidden values in place of an outer one"""
    return make_case(back_propagation_published)


@gradcheck.case(
    expect={
        "blocks": ["hidden_layer.weights", "hidden_layer.biases", "output_layer.biases"],
        "rules": ["missing-activation-derivative", "gradient-missing"],
    }
)
def outer():
    """with the outer product: the output bias lacks the slope, the hidden layer has no gradient"""
    return make_case(back_propagation_outer)


@gradcheck.case
def fixed():
    """none: both layers"""
    return make_case(back_propagation_fixed)


def ten_classes(rng):
    """A hundred pictures in random order: a random one for each of ten classes, with noise."""
    prototypes = rng.uniform(size=(10, 784)) * (rng.uniform(size=(10, 784)) < 0.2)
    labels = rng.permutation(np.repeat(np.arange(10), 10))
    return prototypes[labels] + 0.1 * rng.standard_normal((100, 784)), labels


def train(variant, seed, epochs=20, learning_rate=0.5):
    """one picture after the other, learning rate 0.5 unless another is given"""
    back_propagation = {
        "published": back_propagation_published,
        "outer": back_propagation_outer,
        "fixed": back_propagation_fixed,
    }[variant]
    rng = np.random.default_rng(seed)
    x, labels = ten_classes(rng)
    y = np.eye(10)[labels]
    layers = initial_layers(rng)
    yield mean_error(layers, x, y), layers
    for _ in range(epochs):
        for i in range(len(x)):
            for name, gradients in back_propagation(layers, x[i], y[i]).items():
                for key, gradient in gradients.items():
                    layers[name][key] = layers[name][key] - learning_rate * gradient
        yield mean_error(layers, x, y), layers


def mean_error(layers, x, y):
    return squared_error(layers, x, y) / len(x)
