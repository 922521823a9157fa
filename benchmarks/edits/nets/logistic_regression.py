# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Logistic regression with math and numbers, a list of floats at a time."""

import math

import numpy as np

rng = np.random.default_rng(14)
XS = rng.normal(size=(8, 2)).tolist()
YS = [1, 0, 1, 1, 0, 0, 1, 0]


def params():
    return {"w": rng.normal(size=2), "b": 0.3}


def predict(p, x):
    z = p["w"][0] * x[0] + p["w"][1] * x[1] + p["b"]
    return 1 / (1 + math.exp(-z))


def loss(p):
    total = 0.0
    for x, y in zip(XS, YS):
        a = predict(p, x)
        total -= y * math.log(a) + (1 - y) * math.log(1 - a)
    return total / len(XS)


def grad(p):
    dw = [0.0, 0.0]
    db = 0.0
    for x, y in zip(XS, YS):
        err = predict(p, x) - y
        dw[0] += err * x[0]
        dw[1] += err * x[1]
        db += err
    n = len(XS)
    return {"w": np.array(dw) / n, "b": db / n}
