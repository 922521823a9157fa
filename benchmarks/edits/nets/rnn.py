# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""A recurrent network over five steps, with a loss at each."""

import numpy as np

rng = np.random.default_rng(6)
T, B, D, H, O = 5, 4, 3, 4, 2
XS, YS = rng.normal(size=(T, B, D)), rng.normal(size=(T, B, O))


def params():
    shapes = {"Wxh": (D, H), "Whh": (H, H), "bh": (H,), "Why": (H, O), "by": (O,)}
    return {name: 0.6 * rng.normal(size=shape) for name, shape in shapes.items()}


def run(p):
    hs = {-1: np.zeros((B, H))}
    outs = {}
    for t in range(T):
        hs[t] = np.tanh(XS[t] @ p["Wxh"] + hs[t - 1] @ p["Whh"] + p["bh"])
        outs[t] = hs[t] @ p["Why"] + p["by"]
    return hs, outs


def loss(p):
    _, outs = run(p)
    return sum(0.5 * np.sum((outs[t] - YS[t]) ** 2) for t in range(T)) / B


def grad(p):
    hs, outs = run(p)
    g = {name: np.zeros_like(value) for name, value in p.items()}
    dhnext = np.zeros((B, H))
    for t in reversed(range(T)):
        dy = (outs[t] - YS[t]) / B
        g["Why"] += hs[t].T @ dy
        g["by"] += dy.sum(axis=0)
        dh = dy @ p["Why"].T + dhnext
        draw = (1 - hs[t] ** 2) * dh
        g["bh"] += draw.sum(axis=0)
        g["Wxh"] += XS[t].T @ draw
        g["Whh"] += hs[t - 1].T @ draw
        dhnext = draw @ p["Whh"].T
    return g
