# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Embeddings of words, averaged; np.add.at on the way back."""

import numpy as np

rng = np.random.default_rng(12)
IDS = np.array([[0, 2, 5], [0, 3, 1], [4, 2, 2], [5, 2, 3]])
Y = np.array([1.0, 0.0, 1.0, 0.0])


def params():
    return {"E": rng.normal(size=(6, 4)), "w": rng.normal(size=4), "b": rng.normal(size=1)}


def loss(p):
    m = p["E"][IDS].mean(axis=1)
    s = m @ p["w"] + p["b"]
    return np.mean(np.logaddexp(0, s) - Y * s)


def grad(p):
    m = p["E"][IDS].mean(axis=1)
    s = m @ p["w"] + p["b"]
    ds = (1 / (1 + np.exp(-s)) - Y) / len(Y)
    dw = m.T @ ds
    db = np.array([ds.sum()])
    dm = np.outer(ds, p["w"])
    dE = np.zeros_like(p["E"])
    np.add.at(dE, IDS, dm[:, None, :] / IDS.shape[1])
    return {"E": dE, "w": dw, "b": db}
