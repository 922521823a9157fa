# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""A layer norm with its backward pass in one formula; functions return tuples."""

import numpy as np

rng = np.random.default_rng(10)
X, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 5))


def params():
    return (rng.normal(size=(3, 5)), rng.normal(size=5), rng.normal(size=5))


def normalise(z):
    mean = z.mean(axis=1, keepdims=True)
    std = np.sqrt(z.var(axis=1, keepdims=True) + 1e-6)
    return (z - mean) / std, std


def loss(p):
    W, gain, shift = p
    unit, _ = normalise(X @ W)
    return 0.5 * np.sum((gain * unit + shift - Y) ** 2)


def grad(p):
    W, gain, shift = p
    unit, std = normalise(X @ W)
    error = gain * unit + shift - Y
    d_gain = np.sum(error * unit, axis=0)
    d_shift = np.sum(error, axis=0)
    d_unit = error * gain
    mean_d = d_unit.mean(axis=1, keepdims=True)
    mean_du = np.mean(d_unit * unit, axis=1, keepdims=True)
    dz = (d_unit - mean_d - unit * mean_du) / std
    return X.T @ dz, d_gain, d_shift
