# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Two layers, one sample per row, parameters and gradients in dicts."""

import numpy as np

rng = np.random.default_rng(1)
X, Y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))


def params():
    return {
        "W1": rng.normal(size=(3, 5)),
        "b1": rng.normal(size=5),
        "W2": rng.normal(size=(5, 2)),
        "b2": rng.normal(size=2),
    }


def forward(p):
    Z1 = X @ p["W1"] + p["b1"]
    A1 = np.tanh(Z1)
    return Z1, A1, A1 @ p["W2"] + p["b2"]


def loss(p):
    return np.sum((forward(p)[2] - Y) ** 2) / (2 * len(X))


def grad(p):
    Z1, A1, out = forward(p)
    dZ2 = (out - Y) / len(X)
    dW2 = A1.T @ dZ2
    db2 = dZ2.sum(axis=0)
    dA1 = dZ2 @ p["W2"].T
    dZ1 = dA1 * (1 - A1**2)
    dW1 = X.T @ dZ1
    db1 = dZ1.sum(axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
