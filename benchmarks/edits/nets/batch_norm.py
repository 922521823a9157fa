# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""A batch norm between two layers, step by step with a cache."""

import numpy as np

rng = np.random.default_rng(9)
X, Y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
EPS = 1e-5


def params():
    shapes = {"W1": (3, 4), "gamma": (4,), "beta": (4,), "W2": (4, 2)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def bn_forward(x, gamma, beta):
    mu = x.mean(axis=0)
    xmu = x - mu
    var = np.mean(xmu**2, axis=0)
    ivar = 1 / np.sqrt(var + EPS)
    xhat = xmu * ivar
    return gamma * xhat + beta, (xhat, xmu, ivar, gamma)


def bn_backward(dout, cache):
    xhat, xmu, ivar, gamma = cache
    n = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dvar = -0.5 * divar * ivar**3
    dxmu = dxhat * ivar + 2 * xmu * dvar / n
    dmu = -dxmu.sum(axis=0)
    dx = dxmu + dmu / n
    return dx, dgamma, dbeta


def forward(p):
    z = X @ p["W1"]
    y, cache = bn_forward(z, p["gamma"], p["beta"])
    h = np.tanh(y)
    return cache, h, h @ p["W2"]


def loss(p):
    return np.mean((forward(p)[2] - Y) ** 2)


def grad(p):
    cache, h, out = forward(p)
    dout = 2 * (out - Y) / out.size
    dW2 = h.T @ dout
    dh = dout @ p["W2"].T
    dy = dh * (1 - h * h)
    dz, dgamma, dbeta = bn_backward(dy, cache)
    return {"W1": X.T @ dz, "gamma": dgamma, "beta": dbeta, "W2": dW2}
