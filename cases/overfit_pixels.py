"""A network that would not overfit ten images of 64 x 64 x 3 pixels.

The code is in the style of its source: a dict with numbered keys, one sample per column, relu and
sigmoid whose `deriv=True` form takes the output. The images are made here, from a seed.
"""

import numpy as np

import gradcheck

NETWORK = "12288-64-1 relu/sigmoid, cross-entropy, m=10, columns"
SOURCE = "a question: the loss explodes and comes back instead of overfitting ten images"

DIMS = [12288, 64, 1]


def initialize_parameters(dims, rng):
    parameters = {}
    L = len(dims)
    for i in range(1, L):
        parameters["W" + str(i)] = rng.standard_normal((dims[i], dims[i - 1])) * 0.01
        parameters["b" + str(i)] = rng.standard_normal((dims[i], 1)) * 0.01
    return parameters


def relu(x, deriv=False):
    if deriv:
        return 1.0 * (x > 0)
    return np.maximum(0, x)


def sigmoid(x, deriv=False):
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def compute_cost(parameters, X, Y):
    m = Y.shape[1]
    A1 = relu(np.dot(parameters["W1"], X) + parameters["b1"])
    AL = sigmoid(np.dot(parameters["W2"], A1) + parameters["b2"])
    return (-1 / m) * np.sum(np.multiply(Y, np.log(AL)) + np.multiply(1 - Y, np.log(1 - AL)))


def forward(parameters, X):
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = relu(Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    AL = sigmoid(Z2)
    return A1, Z2, AL


def backward_published(parameters, X, Y):
    grads = {}
    m = Y.shape[1]
    A1, Z2, AL = forward(parameters, X)

    dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    dZ2 = dAL * sigmoid(AL, deriv=True)
    grads["dW2"] = np.dot(dZ2, A1.T) / m
    grads["db2"] = np.sum(dZ2, axis=1, keepdims=True) / m

    dA1 = np.dot(parameters["W2"].T, dZ2)
    dZ1 = dA1 * relu(A1, deriv=True)
    grads["dW1"] = np.dot(dZ1, X.T)
    grads["db1"] = np.sum(dZ1, axis=1, keepdims=True) / m
    return grads


def backward_derivative_of_output(parameters, X, Y):
    grads = {}
    m = Y.shape[1]
    A1, Z2, AL = forward(parameters, X)

    dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    dZ2 = dAL * sigmoid_prime(AL)
    grads["dW2"] = np.dot(dZ2, A1.T) / m
    grads["db2"] = np.sum(dZ2, axis=1, keepdims=True) / m

    dA1 = np.dot(parameters["W2"].T, dZ2)
    dZ1 = dA1 * relu(A1, deriv=True)
    grads["dW1"] = np.dot(dZ1, X.T) / m
    grads["db1"] = np.sum(dZ1, axis=1, keepdims=True) / m
    return grads


def backward_derivative_of_input(parameters, X, Y):
    grads = {}
    m = Y.shape[1]
    A1, Z2, AL = forward(parameters, X)

    dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    dZ2 = dAL * sigmoid(Z2, deriv=True)
    grads["dW2"] = np.dot(dZ2, A1.T) / m
    grads["db2"] = np.sum(dZ2, axis=1, keepdims=True) / m

    dA1 = np.dot(parameters["W2"].T, dZ2)
    dZ1 = dA1 * relu(A1, deriv=True)
    grads["dW1"] = np.dot(dZ1, X.T) / m
    grads["db1"] = np.sum(dZ1, axis=1, keepdims=True) / m
    return grads


def backward_fixed(parameters, X, Y):
    grads = {}
    m = Y.shape[1]
    A1, Z2, AL = forward(parameters, X)

    dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    dZ2 = dAL * sigmoid(AL, deriv=True)
    grads["dW2"] = np.dot(dZ2, A1.T) / m
    grads["db2"] = np.sum(dZ2, axis=1, keepdims=True) / m

    dA1 = np.dot(parameters["W2"].T, dZ2)
    dZ1 = dA1 * relu(A1, deriv=True)
    grads["dW1"] = np.dot(dZ1, X.T) / m
    grads["db1"] = np.sum(dZ1, axis=1, keepdims=True) / m
    return grads


def images(rng, largest=1.0):
    X = np.round(rng.uniform(0, 255, size=(DIMS[0], 10))) / 255 * largest
    Y = np.arange(10).reshape(1, 10) % 2
    return X, Y


def update_parameters(grads, parameters, learning_rate):
    return {name: value - learning_rate * grads["d" + name] for name, value in parameters.items()}


def make_case(backward, largest=1.0, epochs=0):
    rng = np.random.default_rng(3)
    parameters = initialize_parameters(DIMS, rng)
    X, Y = images(rng, largest)
    for _ in range(epochs):
        parameters = update_parameters(backward(parameters, X, Y), parameters, 0.1)
    return gradcheck.Case(
        loss=lambda p: compute_cost(p, X, Y),
        params=parameters,
        grad=lambda p: backward(p, X, Y),
        inputs=X,
        targets=Y,
        network=gradcheck.MLP(DIMS, ["relu", "sigmoid"], "binary_cross_entropy", layout="columns"),
    )


@gradcheck.case(expect={"blocks": ["W1"], "rules": ["missing-batch-mean"]})
def published():
    """dW1 is not divided by m"""
    return make_case(backward_published)


@gradcheck.case(
    expect={"blocks": ["W1", "b1", "W2", "b2"], "rules": ["activation-derivative-of-output"]}
)
def derivative_of_output():
    """sigmoid'(z), written for z, is given the output"""
    return make_case(backward_derivative_of_output)


@gradcheck.case(
    expect={"blocks": ["W1", "b1", "W2", "b2"], "rules": ["activation-derivative-of-input"]}
)
def derivative_of_input():
    """x (1 - x), written for the output, is given z"""
    return make_case(backward_derivative_of_input)


@gradcheck.case(expect="inconclusive")
def raw_pixels():
    """inputs from 0 to 255 saturate the output after one update, and log(0) appears"""
    return make_case(backward_fixed, largest=255.0, epochs=1)


@gradcheck.case
def fixed():
    """none: every gradient is right"""
    return make_case(backward_fixed)


BACKWARD = {
    "published": backward_published,
    "derivative_of_output": backward_derivative_of_output,
    "derivative_of_input": backward_derivative_of_input,
    "raw_pixels": backward_fixed,
    "fixed": backward_fixed,
}


def train(variant, seed, epochs=200, learning_rate=0.03):
    """all ten images at once, learning rate 0.03 unless another is given"""
    rng = np.random.default_rng(seed)
    parameters = initialize_parameters(DIMS, rng)
    X, Y = images(rng, 255.0 if variant == "raw_pixels" else 1.0)
    yield compute_cost(parameters, X, Y), parameters
    for _ in range(epochs):
        grads = BACKWARD[variant](parameters, X, Y)
        parameters = update_parameters(grads, parameters, learning_rate)
        yield compute_cost(parameters, X, Y), parameters
