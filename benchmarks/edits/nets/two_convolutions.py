# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Two convolutions, one after the other, as loops in helpers; image by image."""

import numpy as np

rng = np.random.default_rng(4)
X = rng.normal(size=(2, 9, 9))
Y = rng.normal(size=(2,))


def params():
    return {
        "k1": rng.normal(size=(3, 3)),
        "k2": rng.normal(size=(3, 3)),
        "w": rng.normal(size=(5, 5)),
    }


def conv(a, k):
    n = a.shape[0] - k.shape[0] + 1
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            out[i, j] = np.sum(a[i : i + 3, j : j + 3] * k)
    return out


def conv_back(d, a, k):
    da, dk = np.zeros_like(a), np.zeros_like(k)
    n = d.shape[0]
    for i in range(n):
        for j in range(n):
            dk += d[i, j] * a[i : i + 3, j : j + 3]
            da[i : i + 3, j : j + 3] += d[i, j] * k
    return da, dk


def loss(p):
    total = 0.0
    for x, y in zip(X, Y):
        h = np.maximum(conv(x, p["k1"]), 0)
        g = np.tanh(conv(h, p["k2"]))
        total += (np.sum(g * p["w"]) - y) ** 2
    return total


def grad(p):
    out = {n: np.zeros_like(v) for n, v in p.items()}
    for x, y in zip(X, Y):
        z1 = conv(x, p["k1"])
        h = np.maximum(z1, 0)
        g = np.tanh(conv(h, p["k2"]))
        e = 2 * (np.sum(g * p["w"]) - y)
        out["w"] += e * g
        dz2 = e * p["w"] * (1 - g**2)
        dh, dk2 = conv_back(dz2, h, p["k2"])
        out["k2"] += dk2
        dz1 = dh * (z1 > 0)
        _, dk1 = conv_back(dz1, x, p["k1"])
        out["k1"] += dk1
    return out
