"""A class with lists of layers and activations, one sample per column, as in its article.

The loss is half the squared error, a mean over the batch; `backpropagation` returns dw and db.
"""

import numpy as np

import gradcheck

NETWORK = "2-10-1 sigmoid and 2-8-8-1 relu, half squared error, batch mean, columns"
SOURCE = "an article: a fully connected network in Python, by hand"


class NeuralNetwork:
    def __init__(self, layers, activations, rng, stable=True):
        assert len(layers) == len(activations) + 1
        self.layers = layers
        self.activations = activations
        self.stable = stable
        self.weights = []
        self.biases = []
        for i in range(len(layers) - 1):
            self.weights.append(rng.standard_normal((layers[i + 1], layers[i])))
            self.biases.append(rng.standard_normal((layers[i + 1], 1)))

    def get_activation(self, name):
        if name == "sigmoid":
            return stable_sigmoid if self.stable else lambda x: np.exp(x) / (1 + np.exp(x))
        if name == "relu":
            return lambda x: np.maximum(x, 0)
        return lambda x: x

    def get_derivative(self, name):
        if name == "sigmoid":
            sig = self.get_activation("sigmoid")
            return lambda x: sig(x) * (1 - sig(x))
        if name == "relu":
            return lambda x: np.where(x >= 0, 1.0, 0.0)
        return lambda x: np.ones_like(x)

    def feedforward(self, x):
        a = np.copy(x)
        z_s = []
        a_s = [a]
        for i in range(len(self.weights)):
            z_s.append(self.weights[i].dot(a) + self.biases[i])
            a = self.get_activation(self.activations[i])(z_s[-1])
            a_s.append(a)
        return z_s, a_s

    def loss(self, x, y):
        return 0.5 * np.sum((y - self.feedforward(x)[1][-1]) ** 2) / y.shape[1]

    def backpropagation(self, y, z_s, a_s, error):
        deltas = [None] * len(self.weights)
        deltas[-1] = error(y, a_s[-1]) * self.get_derivative(self.activations[-1])(z_s[-1])
        for i in reversed(range(len(deltas) - 1)):
            deltas[i] = self.weights[i + 1].T.dot(deltas[i + 1]) * self.get_derivative(
                self.activations[i]
            )(z_s[i])
        batch_size = y.shape[1]
        db = [d.dot(np.ones((batch_size, 1))) / float(batch_size) for d in deltas]
        dw = [d.dot(a_s[i].T) / float(batch_size) for i, d in enumerate(deltas)]
        return dw, db

    def train(self, x, y, batch_size=10, epochs=100, lr=0.01):
        for _ in range(epochs):
            for i in range(0, x.shape[1], batch_size):
                x_batch, y_batch = x[:, i : i + batch_size], y[:, i : i + batch_size]
                z_s, a_s = self.feedforward(x_batch)
                dw, db = self.backpropagation(y_batch, z_s, a_s, wanted_minus_output)
                self.weights = [w + lr * d for w, d in zip(self.weights, dw)]
                self.biases = [b + lr * d for b, d in zip(self.biases, db)]


def stable_sigmoid(x):
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def wanted_minus_output(y, a):
    return y - a


def output_minus_wanted(y, a):
    return a - y


def make_case(layers, activations, error, largest=1.0, stable=True):
    rng = np.random.default_rng(5)
    network = NeuralNetwork(layers, activations, rng, stable)
    x = rng.uniform(-largest, largest, size=(2, 20))
    y = np.sin(x[:1]) * np.cos(x[1:])

    def put(params):
        network.weights, network.biases = params["weights"], params["biases"]

    def loss(params):
        put(params)
        return network.loss(x, y)

    def grad(params):
        put(params)
        z_s, a_s = network.feedforward(x)
        return network.backpropagation(y, z_s, a_s, error)

    return gradcheck.Case(
        loss=loss,
        params={"weights": network.weights, "biases": network.biases},
        grad=grad,
        inputs=x,
        targets=y,
        network=gradcheck.MLP(layers, activations, "half_squared_error_mean", layout="columns"),
    )


@gradcheck.case(
    expect={
        "blocks": ["weights[0]", "weights[1]", "biases[0]", "biases[1]"],
        "rules": ["sign-flipped"],
    }
)
def published():
    """delta from (y - a): every gradient is negative, right only with an update that adds"""
    return make_case([2, 10, 1], ["sigmoid", "sigmoid"], wanted_minus_output)


@gradcheck.case(expect="inconclusive")
def overflow():
    """exp(x) / (1 + exp(x)) is nan at large x"""
    return make_case(
        [2, 10, 1], ["sigmoid", "sigmoid"], output_minus_wanted, largest=2000.0, stable=False
    )


@gradcheck.case
def fixed():
    """none: delta from (a - y)"""
    return make_case([2, 10, 1], ["sigmoid", "sigmoid"], output_minus_wanted)


@gradcheck.case
def deeper():
    """none: a deeper network of relus"""
    return make_case([2, 8, 8, 1], ["relu", "relu", "linear"], output_minus_wanted)


def toy_data(variant, rng):
    """A function of two inputs in 200 points, between 0 and 1, where a sigmoid can reach it."""
    x = rng.uniform(-3, 3, size=(2, 200))
    if variant == "overflow":
        x = x * 1000
    return x, 0.5 + 0.5 * np.sin(x[:1]) * np.cos(x[1:])


def train(variant, seed, epochs=200, learning_rate=3.0):
    """descent in batches of 10: the update subtracts, where the article's own adds"""
    rng = np.random.default_rng(seed)
    x, y = toy_data(variant, rng)
    error = wanted_minus_output if variant == "published" else output_minus_wanted
    if variant == "deeper":
        network = NeuralNetwork([2, 8, 8, 1], ["relu", "relu", "linear"], rng)
        learning_rate = learning_rate / 100
    else:
        network = NeuralNetwork([2, 10, 1], ["sigmoid", "sigmoid"], rng, variant != "overflow")
    yield network.loss(x, y), network
    for _ in range(epochs):
        for i in range(0, x.shape[1], 10):
            x_batch, y_batch = x[:, i : i + 10], y[:, i : i + 10]
            z_s, a_s = network.feedforward(x_batch)
            dw, db = network.backpropagation(y_batch, z_s, a_s, error)
            network.weights = [w - learning_rate * d for w, d in zip(network.weights, dw)]
            network.biases = [b - learning_rate * d for b, d in zip(network.biases, db)]
        yield network.loss(x, y), network
