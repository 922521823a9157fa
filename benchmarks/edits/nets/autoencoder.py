# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""An autoencoder whose decoder is its encoder turned round, in closures."""

import numpy as np

rng = np.random.default_rng(15)
X = rng.normal(size=(7, 5))


def params():
    return {"W": 0.6 * rng.normal(size=(5, 3)), "b": rng.normal(size=3), "c": rng.normal(size=5)}


def build(p):
    tape = []
    code = np.tanh(X @ p["W"] + p["b"])
    out = code @ p["W"].T + p["c"]

    def encoder(up, g):
        dz = up * (1 - code**2)
        g["W"] = g["W"] + X.T @ dz
        g["b"] = dz.sum(axis=0)

    def decoder(up, g):
        g["c"] = up.sum(axis=0)
        g["W"] = up.T @ code
        return up @ p["W"]

    tape += [encoder, decoder]
    return out, tape


def loss(p):
    return 0.5 * np.sum((build(p)[0] - X) ** 2)


def grad(p):
    out, tape = build(p)
    up, g = out - X, {}
    while tape:
        up = tape.pop()(up, g)
    return g
