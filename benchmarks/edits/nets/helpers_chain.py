# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Small helpers that each pull a gradient back, in a chain of calls."""

import numpy as np

rng = np.random.default_rng(16)
X, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))


def params():
    return {
        "A": rng.normal(size=(3, 4)),
        "B": rng.normal(size=(4, 4)),
        "C": rng.normal(size=(4, 1)),
    }


def elu(z):
    return np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1)


def elu_slope(z):
    return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0)))


def affine_back(up, x, w):
    return up @ w.T, x.T @ up


def bend_back(up, z):
    return up * elu_slope(z)


def loss(p):
    h = elu(elu(X @ p["A"]) @ p["B"])
    return np.sum((h @ p["C"] - Y) ** 2)


def grad(p):
    z1 = X @ p["A"]
    h1 = elu(z1)
    z2 = h1 @ p["B"]
    h2 = elu(z2)
    up = 2 * (h2 @ p["C"] - Y)
    dh2, dC = affine_back(up, h2, p["C"])
    dh1, dB = affine_back(bend_back(dh2, z2), h1, p["B"])
    _, dA = affine_back(bend_back(dh1, z1), X, p["A"])
    return {"A": dA, "B": dB, "C": dC}
