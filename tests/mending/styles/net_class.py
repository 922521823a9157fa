# ruff: noqa
# fmt: off
"""A class: forward keeps z1 and a1, backward keeps dW1 and returns nothing; rows."""

import numpy as np

from gradcheck import Case


class NeuralNetwork:
    def __init__(self, n_in, n_hidden, n_out, rng):
        self.W1 = rng.normal(0, 0.8, (n_in, n_hidden))
        self.b1 = rng.normal(0, 0.5, (1, n_hidden))
        self.W2 = rng.normal(0, 0.8, (n_hidden, n_out))
        self.b2 = rng.normal(0, 0.5, (1, n_out))

    def sigmoid(self, x):
        return 1.0 / (1.0 + np.exp(-x))

    def sigmoid_derivative(self, a):
        # takes the output of sigmoid
        return a * (1.0 - a)

    def tanh_derivative(self, x):
        return 1.0 - np.tanh(x) ** 2

    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = np.tanh(self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        self.a2 = self.sigmoid(self.z2)
        return self.a2

    def loss(self, X, y):
        out = self.forward(X)
        return np.mean(np.sum((out - y) ** 2, axis=1))

    def backward(self, X, y):
        n = X.shape[0]
        self.forward(X)
        error = 2.0 * (self.a2 - y) / n
        delta2 = error * self.sigmoid_derivative(self.a2)
        self.dW2 = self.a1.T @ delta2
        self.db2 = np.sum(delta2, axis=0, keepdims=True)
        delta1 = (delta2 @ self.W2.T) * self.tanh_derivative(self.z1)
        self.dW1 = X.T @ delta1
        self.db1 = np.sum(delta1, axis=0, keepdims=True)


def data(rng, n):
    return rng.normal(size=(n, 4)), rng.random((n, 3))


def make():
    rng = np.random.default_rng(4)
    net = NeuralNetwork(4, 5, 3, rng)
    X, y = data(rng, 7)
    return Case(
        lambda model: model.loss(X, y), net, lambda model: model.backward(X, y), inputs=X, targets=y
    )


def gradients(rng, samples):
    net = NeuralNetwork(4, 5, 3, rng)
    net.backward(*data(rng, samples))
    return [net.dW1, net.db1, net.dW2, net.db2]
