# ruff: noqa
# fmt: off
"""Layers as objects in a list, each with forward and backward; rows."""

import numpy as np

from gradcheck import Case


class Dense:
    def __init__(self, input_size, output_size, rng):
        self.weights = rng.standard_normal((input_size, output_size))
        self.bias = rng.standard_normal((1, output_size))

    def forward(self, input):
        self.input = input
        self.output = np.dot(self.input, self.weights) + self.bias
        return self.output

    def backward(self, output_error):
        input_error = np.dot(output_error, self.weights.T)
        self.dweights = np.dot(self.input.T, output_error)
        self.dbias = output_error.sum(axis=0, keepdims=True)
        return input_error


class Sigmoid:
    def forward(self, input):
        self.output = 1 / (1 + np.exp(-input))
        return self.output

    def backward(self, output_error):
        return output_error * self.output * (1 - self.output)


class Tanh:
    def forward(self, input):
        self.input = input
        return np.tanh(self.input)

    def backward(self, output_error):
        return output_error * (1 - np.tanh(self.input)**2)


def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / y_true.size


def predict(layers, X):
    output = X
    for layer in layers:
        output = layer.forward(output)
    return output


def backward(layers, X, Y):
    output = predict(layers, X)
    error = mse_prime(Y, output)
    for layer in reversed(layers):
        error = layer.backward(error)


def draw(rng, m):
    layers = [Dense(4, 5, rng), Tanh(), Dense(5, 3, rng), Sigmoid()]
    return layers, rng.standard_normal((m, 4)), rng.random((m, 3))


def make():
    layers, X, Y = draw(np.random.default_rng(9), 7)
    return Case(
        lambda ls: mse(Y, predict(ls, X)),
        layers,
        lambda ls: backward(ls, X, Y),
        inputs=X,
        targets=Y,
    )


def gradients(rng, samples):
    layers, X, Y = draw(rng, samples)
    backward(layers, X, Y)
    return [getattr(layer, name) for layer in layers[::2] for name in ("dweights", "dbias")]
