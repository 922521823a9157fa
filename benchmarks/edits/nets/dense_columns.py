# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Three layers in numbered lists, one sample per column, sigmoid helpers, cross-entropy."""

import numpy as np

rng = np.random.default_rng(2)
X = rng.normal(size=(4, 9))
Y = (rng.random((1, 9)) < 0.5).astype(float)
SIZES = (4, 6, 3, 1)


def params():
    weights = [rng.normal(size=(n, m)) for m, n in zip(SIZES, SIZES[1:])]
    biases = [rng.normal(size=(n, 1)) for n in SIZES[1:]]
    return {"weights": weights, "biases": biases}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def run(p):
    zs, activations = [], [X]
    for w, b in zip(p["weights"], p["biases"]):
        zs.append(np.dot(w, activations[-1]) + b)
        activations.append(sigmoid(zs[-1]))
    return zs, activations


def loss(p):
    a = run(p)[1][-1]
    return -np.mean(Y * np.log(a) + (1 - Y) * np.log(1 - a))


def grad(p):
    m = X.shape[1]
    zs, activations = run(p)
    nabla_w = [np.zeros(w.shape) for w in p["weights"]]
    nabla_b = [np.zeros(b.shape) for b in p["biases"]]
    delta = (activations[-1] - Y) / m
    nabla_w[-1] = np.dot(delta, activations[-2].T)
    nabla_b[-1] = np.sum(delta, axis=1, keepdims=True)
    for l in range(2, len(SIZES)):
        sp = sigmoid_prime(zs[-l])
        delta = np.dot(p["weights"][-l + 1].T, delta) * sp
        nabla_w[-l] = np.dot(delta, activations[-l - 1].T)
        nabla_b[-l] = np.sum(delta, axis=1, keepdims=True)
    return {"weights": nabla_w, "biases": nabla_b}
