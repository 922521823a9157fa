# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""An LSTM over eight steps, with a matrix for each gate and a cache for each step."""

import numpy as np

rng = np.random.default_rng(7)
T, B, D, H = 8, 3, 2, 3
XS, TARGET = rng.normal(size=(T, B, D)), rng.normal(size=(B, H))
GATES = ("f", "i", "o", "g")


def params():
    p = {"W" + k: 0.7 * rng.normal(size=(D + H, H)) for k in GATES}
    p.update({"b" + k: 0.5 * rng.normal(size=H) for k in GATES})
    return p


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step(p, x, h, c):
    z = np.concatenate([x, h], axis=1)
    f = sigmoid(z @ p["Wf"] + p["bf"])
    i = sigmoid(z @ p["Wi"] + p["bi"])
    o = sigmoid(z @ p["Wo"] + p["bo"])
    g = np.tanh(z @ p["Wg"] + p["bg"])
    c_new = f * c + i * g
    tc = np.tanh(c_new)
    return o * tc, c_new, (z, f, i, o, g, c, tc)


def run(p):
    h = c = np.zeros((B, H))
    caches = []
    for x in XS:
        h, c, cache = step(p, x, h, c)
        caches.append(cache)
    return h, caches


def loss(p):
    return 0.5 * np.sum((run(p)[0] - TARGET) ** 2)


def step_back(p, grads, dh, dc, cache):
    z, f, i, o, g, c_old, tc = cache
    do = dh * tc
    dc = dc + dh * o * (1 - tc**2)
    df = dc * c_old
    di = dc * g
    dg = dc * i
    raw = {
        "f": df * f * (1 - f),
        "i": di * i * (1 - i),
        "o": do * o * (1 - o),
        "g": dg * (1 - g**2),
    }
    dz = 0
    for k in GATES:
        grads["W" + k] += z.T @ raw[k]
        grads["b" + k] += raw[k].sum(axis=0)
        dz = dz + raw[k] @ p["W" + k].T
    return dz[:, D:], dc * f


def grad(p):
    h, caches = run(p)
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh, dc = h - TARGET, np.zeros((B, H))
    for cache in reversed(caches):
        dh, dc = step_back(p, grads, dh, dc, cache)
    return grads
