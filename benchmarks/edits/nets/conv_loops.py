# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""A convolution with a stride of one by four loops, relu, and a linear map of what is left."""

import numpy as np

rng = np.random.default_rng(8)
IMAGES, Y = rng.normal(size=(3, 5, 5)), rng.normal(size=3)
K = 3


def params():
    return {
        "kernel": rng.normal(size=(2, K, K)),
        "bias": rng.normal(size=2),
        "v": rng.normal(size=18),
    }


def convolve(p):
    out = np.zeros((3, 2, 3, 3))
    for n in range(3):
        for c in range(2):
            for i in range(3):
                for j in range(3):
                    patch = IMAGES[n, i : i + K, j : j + K]
                    out[n, c, i, j] = np.sum(patch * p["kernel"][c]) + p["bias"][c]
    return out


def loss(p):
    a = np.maximum(convolve(p), 0)
    return np.mean((a.reshape(3, -1) @ p["v"] - Y) ** 2)


def grad(p):
    z = convolve(p)
    a = np.maximum(z, 0)
    flat = a.reshape(3, -1)
    d = 2 * (flat @ p["v"] - Y) / 3
    dv = flat.T @ d
    dflat = np.outer(d, p["v"])
    dz = dflat.reshape(z.shape) * (z > 0)
    dkernel = np.zeros_like(p["kernel"])
    for n in range(3):
        for c in range(2):
            for i in range(3):
                for j in range(3):
                    dkernel[c] += dz[n, c, i, j] * IMAGES[n, i : i + K, j : j + K]
    dbias = dz.sum(axis=(0, 2, 3))
    return {"kernel": dkernel, "bias": dbias, "v": dv}
