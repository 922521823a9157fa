# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Thirty samples, one after the other, through lists of column weights, as in a book."""

import numpy as np

rng = np.random.default_rng(31)
SIZES = [6, 5, 4]
DATA = [(rng.normal(size=(6, 1)), np.eye(4)[:, [k % 4]]) for k in range(30)]


def params():
    biases = [rng.normal(size=(n, 1)) for n in SIZES[1:]]
    weights = [rng.normal(size=(n, m)) for m, n in zip(SIZES[:-1], SIZES[1:])]
    return {"biases": biases, "weights": weights}


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def loss(p):
    total = 0.0
    for x, y in DATA:
        a = x
        for b, w in zip(p["biases"], p["weights"]):
            a = sigmoid(np.dot(w, a) + b)
        total += 0.5 * np.linalg.norm(a - y) ** 2
    return total / len(DATA)


def backprop(p, x, y):
    nabla_b = [np.zeros(b.shape) for b in p["biases"]]
    nabla_w = [np.zeros(w.shape) for w in p["weights"]]
    activation = x
    activations = [x]
    zs = []
    for b, w in zip(p["biases"], p["weights"]):
        z = np.dot(w, activation) + b
        zs.append(z)
        activation = sigmoid(z)
        activations.append(activation)
    delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
    nabla_b[-1] = delta
    nabla_w[-1] = np.dot(delta, activations[-2].transpose())
    for l in range(2, len(SIZES)):
        z = zs[-l]
        sp = sigmoid_prime(z)
        delta = np.dot(p["weights"][-l + 1].transpose(), delta) * sp
        nabla_b[-l] = delta
        nabla_w[-l] = np.dot(delta, activations[-l - 1].transpose())
    return nabla_b, nabla_w


def grad(p):
    nabla_b = [np.zeros(b.shape) for b in p["biases"]]
    nabla_w = [np.zeros(w.shape) for w in p["weights"]]
    for x, y in DATA:
        delta_b, delta_w = backprop(p, x, y)
        nabla_b = [nb + db for nb, db in zip(nabla_b, delta_b)]
        nabla_w = [nw + dw for nw, dw in zip(nabla_w, delta_w)]
    n = len(DATA)
    return {"biases": [b / n for b in nabla_b], "weights": [w / n for w in nabla_w]}
