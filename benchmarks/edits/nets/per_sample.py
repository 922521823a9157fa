# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""One sample after the other, gradients summed up in a loop."""

import numpy as np

rng = np.random.default_rng(3)
X, Y = rng.normal(size=(10, 4)), rng.normal(size=(10, 2))


def params():
    return [
        rng.normal(size=(5, 4)),
        rng.normal(size=5),
        rng.normal(size=(2, 5)),
        rng.normal(size=2),
    ]


def loss(p):
    W1, b1, W2, b2 = p
    total = 0.0
    for x, y in zip(X, Y):
        h = np.maximum(0, W1 @ x + b1)
        total += 0.5 * np.sum((W2 @ h + b2 - y) ** 2)
    return total / len(X)


def grad(p):
    W1, b1, W2, b2 = p
    dW1, db1, dW2, db2 = [np.zeros_like(w) for w in p]
    for x, y in zip(X, Y):
        z = W1 @ x + b1
        h = np.maximum(0, z)
        e = W2 @ h + b2 - y
        dW2 += np.outer(e, h)
        db2 += e
        dh = W2.T @ e
        dz = dh * (z > 0)
        dW1 += np.outer(dz, x)
        db1 += dz
    n = len(X)
    return [dW1 / n, db1 / n, dW2 / n, db2 / n]
