# ruff: noqa
# fmt: off
"""Two layers written out, one statement each, in a dict with numbered keys; columns."""

import numpy as np

import gradcheck


def layer_sizes(X, Y):
    n_x = X.shape[0]
    n_h = 5
    n_y = Y.shape[0]
    return (n_x, n_h, n_y)


def sigmoid(z):
    s = 1/(1+np.exp(-z))
    return s


def forward_propagation(X, parameters):
    W1 = parameters["W1"]
    b1 = parameters["b1"]
    W2 = parameters["W2"]
    b2 = parameters["b2"]
    Z1 = np.dot(W1, X) + b1
    A1 = np.tanh(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = sigmoid(Z2)
    cache = {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
    return A2, cache


def compute_cost(A2, Y):
    m = Y.shape[1] # number of examples
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    return -np.sum(logprobs) / m


def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    # First, retrieve W1 and W2 from the dictionary "parameters".
    W1 = parameters["W1"]
    W2 = parameters["W2"]
    A1 = cache["A1"]
    A2 = cache["A2"]
    # Backward propagation: calculate dW1, db1, dW2, db2.
    dZ2 = A2 - Y
    dW2 = np.dot(dZ2, A1.T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = np.multiply(np.dot(W2.T, dZ2), 1 - np.power(A1, 2))
    dW1 = np.dot(dZ1, X.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    grads = {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
    return grads


def nn_gradients(parameters, X, Y):
    A2, cache = forward_propagation(X, parameters)
    return backward_propagation(parameters, cache, X, Y)


def draw(rng, m):
    X = rng.standard_normal((4, m))
    Y = (rng.random((3, m)) > 0.5) * 1.0
    n_x, n_h, n_y = layer_sizes(X, Y)
    parameters = {
        "W1": rng.standard_normal((n_h, n_x)),
        "b1": rng.standard_normal((n_h, 1)),
        "W2": rng.standard_normal((n_y, n_h)),
        "b2": rng.standard_normal((n_y, 1)),
    }
    return parameters, X, Y


def make():
    parameters, X, Y = draw(np.random.default_rng(2), 7)

    def cost(p):
        A2, _ = forward_propagation(X, p)
        return compute_cost(A2, Y)

    return gradcheck.Case(cost, parameters, lambda p: nn_gradients(p, X, Y), inputs=X, targets=Y)


def gradients(rng, samples):
    return list(nn_gradients(*draw(rng, samples)).values())
