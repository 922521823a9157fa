# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""A head of attention with a softmax over the keys; helpers for the forward and backward pass."""

import numpy as np

rng = np.random.default_rng(11)
X, Y = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))


def params():
    return {name: rng.normal(size=(4, 3)) for name in ("Wq", "Wk", "Wv")}


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(dp, p):
    inner = np.sum(dp * p, axis=-1, keepdims=True)
    return p * (dp - inner)


def attend(p):
    q, k, v = X @ p["Wq"], X @ p["Wk"], X @ p["Wv"]
    scores = q @ k.T / np.sqrt(3)
    probs = softmax(scores)
    return q, k, v, probs, probs @ v


def loss(p):
    return np.mean((attend(p)[-1] - Y) ** 2)


def grad(p):
    q, k, v, probs, out = attend(p)
    dout = 2 * (out - Y) / out.size
    dv = probs.T @ dout
    dprobs = dout @ v.T
    dscores = softmax_backward(dprobs, probs) / np.sqrt(3)
    dq = dscores @ k
    dk = dscores.T @ q
    return {"Wq": X.T @ dq, "Wk": X.T @ dk, "Wv": X.T @ dv}
