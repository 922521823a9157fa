# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Softmax regression with labels, a penalty, and one function that returns the pair."""

import numpy as np

rng = np.random.default_rng(13)
X, LABELS = rng.normal(size=(9, 4)), np.array([0, 2, 1, 1, 0, 2, 2, 0, 1])
REG = 0.2


def params():
    return {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}


def cost(p):
    W, b = p["W"], p["b"]
    n = X.shape[0]
    scores = X.dot(W) + b
    scores = scores - np.max(scores, axis=1, keepdims=True)
    exps = np.exp(scores)
    probs = exps / np.sum(exps, axis=1, keepdims=True)
    value = -np.mean(np.log(probs[np.arange(n), LABELS])) + 0.5 * REG * np.sum(W * W)
    dscores = probs.copy()
    dscores[np.arange(n), LABELS] -= 1
    dscores /= n
    dW = X.T.dot(dscores)
    db = np.sum(dscores, axis=0)
    dW += REG * W
    return value, {"W": dW, "b": db}


def loss(p):
    return cost(p)[0]


def grad(p):
    return cost(p)[1]
