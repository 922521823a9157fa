"""Bugs in twins, loops over time, flows and risk sets, each named at its line."""

import pytest
from named_bugs import first_finding
from sweeps import sample

HEAD = """
import numpy as np

rng = np.random.default_rng(5)
X, Z, S = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), rng.normal(size=6)
"""

TWINS = """
def params():
    return {"W": rng.normal(size=(4, 3)), "heat": np.array(-0.4)}

def encode(W, x):
    z = x @ W
    size = np.sqrt(np.sum(z**2, axis=1, keepdims=True))
    return z / size, (x, size)

def back(up, u, kept):
    x, size = kept
    dz = (up - u * np.sum(up * u, axis=1, keepdims=True)) / size
    return x.T @ dz

def loss(p):
    u, v = encode(p["W"], X)[0], encode(p["W"], Z)[0]
    return np.sum(S * np.sum(u * v, axis=1) / np.exp(p["heat"]))

def grad(p):
    u, left = encode(p["W"], X)
    v, right = encode(p["W"], Z)
    heat = np.exp(p["heat"])
    up = (S / heat)[:, None]
    dW = back(up * v, u, left)
    dW += back(up * u, v, right)
    return {"W": dW, "heat": -np.sum(S * np.sum(u * v, axis=1)) / heat}
"""

OVER_TIME = """
TIMES = np.cumsum(rng.uniform(0.1, 0.5, 7))

def params():
    return {"W": rng.normal(size=(3, 4)), "U": rng.normal(size=(3, 3)), "c": rng.normal(size=3)}

def states(p):
    h = [None] * 6 + [np.zeros((3, 1))]
    for t in range(5, -1, -1):
        inner = p["W"] @ X[t][:, None] + p["U"] @ h[t + 1] + TIMES[t] * p["c"][:, None]
        h[t] = np.tanh(inner)
    return h

def loss(p):
    h = states(p)
    return sum((TIMES[t + 1] - TIMES[t]) * np.sum(h[t] ** 2) for t in range(6))

def grad(p):
    h, onward = states(p), np.zeros((3, 1))
    g = {name: np.zeros_like(value) for name, value in p.items()}
    for t in range(6):
        step = TIMES[t + 1] - TIMES[t]
        back = (2 * step * h[t] + onward) * (1 - h[t] ** 2)
        g["W"] += back @ X[t][None, :]
        g["U"] += back @ h[t + 1].T
        g["c"] += back[:, 0] * TIMES[t]
        onward = p["U"].T @ back
    return g
"""

FLOW = """
def params():
    return {"A": rng.normal(size=(4, 2)), "B": rng.normal(size=(4, 2))}

def loss(p):
    s = np.tanh(X @ p["A"])
    y = Z[:, :2] * np.exp(0.5 * s) + X @ p["B"]
    return np.mean(0.5 * np.sum(y**2, axis=1) - s.sum(axis=1))

def grad(p):
    s = np.tanh(X @ p["A"])
    scale = np.exp(0.5 * s)
    y = Z[:, :2] * scale + X @ p["B"]
    dy, volume = y / len(y), -np.ones(len(y)) / len(y)
    ds = 0.5 * dy * Z[:, :2] * scale
    ds = ds + volume[:, None]
    return {"A": X.T @ (ds * (1 - s**2)), "B": X.T @ dy}
"""

NORMED = """
def params():
    return {"V": rng.normal(size=(4, 3)), "g": rng.uniform(0.5, 1, 3)}

def loss(p):
    W = p["g"] * p["V"] / np.linalg.norm(p["V"], axis=0)
    return np.sum(np.cos(X @ W))

def grad(p):
    size = np.linalg.norm(p["V"], axis=0)
    dW = -X.T @ np.sin(X @ (p["g"] * p["V"] / size))
    dg = np.sum(dW * p["V"], axis=0) / size
    whole = p["g"] / size * dW
    dV = whole - p["g"] * dg / size**2 * p["V"]
    return {"V": dV, "g": dg}
"""

EMBEDDED = """
WHO = rng.integers(0, 4, 9)
WEIGHT = rng.normal(size=(9, 3))

def params():
    return {"E": rng.normal(size=(4, 3))}

def loss(p):
    return np.sum(WEIGHT * np.sin(p["E"][WHO])) + 0.05 * np.sum(p["E"] ** 2)

def grad(p):
    up = WEIGHT * np.cos(p["E"][WHO])
    dE = 0.1 * p["E"]
    np.add.at(dE, WHO, up)
    return {"E": dE}
"""

DRAWN = """
def params():
    return {"E": rng.normal(size=(5, 3))}

def drawn():
    draws = np.random.default_rng(7)
    return [draws.integers(0, 4) for _ in range(8)]

def loss(p):
    return 0.5 * np.sum(p["E"][4] ** 2) + np.sum(np.sin(p["E"][drawn()]))

def grad(p):
    dE, others = np.zeros_like(p["E"]), drawn()
    dE[4] = p["E"][4]
    np.add.at(dE, others, np.cos(p["E"][others]))
    return {"E": dE}
"""

BAGS = """
BAGGED = [np.array([0, 2, 2]), np.array([4, 4]), np.array([1, 3])]

def params():
    return {"rows": rng.normal(size=(5, 3))}

def loss(p):
    return sum(np.sum(p["rows"][bag].mean(axis=0) ** 4) for bag in BAGGED)

def grad(p):
    slopes = np.zeros((5, 3))
    for bag in BAGGED:
        share = 4 * p["rows"][bag].mean(axis=0) ** 3 / len(bag)
        np.add.at(slopes, bag, share)
    return {"rows": slopes}
"""

LARGEST = """
def params():
    return {"image": rng.normal(size=(4, 6))}

def tiles(image):
    for i in range(2):
        for j in range(3):
            yield image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2], i, j

def loss(p):
    return sum(tile.max() ** 2 for tile, _, _ in tiles(p["image"]))

def grad(p):
    back = np.zeros((4, 6))
    for tile, i, j in tiles(p["image"]):
        for k in range(2):
            for n in range(2):
                if tile[k, n] == tile.max():
                    back[2 * i + k, 2 * j + n] = 2 * tile[k, n]
    return {"image": back}
"""

RISK = """
def params():
    return {"w": rng.normal(size=4)}

def loss(p):
    eta = X @ p["w"]
    return -sum(eta[i] - np.log(np.exp(eta[S >= S[i]]).sum()) for i in range(6))

def grad(p):
    eta, d = X @ p["w"], np.zeros(6)
    for i in range(6):
        share = np.exp(eta[S >= S[i]])
        d[i] -= 1
        d[S >= S[i]] += share / share.sum()
    return {"w": X.T @ d}
"""

LAYERS = """
class Affine:
    def __init__(self, size):
        self.W = rng.normal(size=size)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def back(self, up):
        self.dW = self.x.T @ up
        return up @ self.W.T

class Pool:
    def forward(self, x):
        return x.reshape(len(x), -1, 2).mean(axis=2)
    def back(self, up):
        return np.repeat(up, 2, axis=1) / 2

def params():
    return [Affine((4, 6)), Pool(), Affine((3, 5))]

def through(layers):
    x = X
    for layer in layers:
        x = layer.forward(x)
    return x

def loss(layers):
    return np.sum(np.cos(through(layers)))

def grad(layers):
    up = -np.sin(through(layers))
    for layer in reversed(layers):
        up = layer.back(up)
"""

TOTALS = """
def params():
    return {"v": rng.normal(size=(3, 4)), "u": rng.normal(size=4)}

def loss(p):
    return 0.5 * np.sum((np.tanh(X[:, :3] @ p["v"]) @ p["u"] - X[:, 0]) ** 2)

def grad(p):
    h = np.tanh(X[:, :3] @ p["v"])
    off, dv = h @ p["u"] - X[:, 0], np.zeros((3, 4))
    for i, j in np.ndindex(3, 4):
        total = 0
        for n in range(len(X)):
            total += off[n] * p["u"][j] * (1 - h[n, j] ** 2) * X[n, i]
        dv[i, j] = total
    return {"v": dv, "u": h.T @ off}
"""

LEFT = " - u * np.sum(up * u, axis=1, keepdims=True)"
CASES = {
    "both of two twins": (TWINS, f"(up{LEFT})", "up", "GC407"),
    "the heat for its logarithm": (TWINS, "axis=1)) / heat}", "axis=1)) / heat**2}", "GC605"),
    "the other neighbour in time": (OVER_TIME, "@ h[t + 1].T", "@ h[t - 1].T", "GC406"),
    "a number of each pass": (OVER_TIME, "back[:, 0] * TIMES[t]", "back[:, 0] * step", "GC415"),
    "what a volume adds": (FLOW, "    ds = ds + volume[:, None]\n", "", "GC407"),
    "half of a logarithm": (FLOW, "ds = 0.5 * dy", "ds = dy", "GC103"),
    "a norm that is no penalty": (
        NORMED,
        'whole - p["g"] * dg / size**2 * p["V"]',
        "whole",
        "GC407",
    ),
    "a penalty that is added to": (EMBEDDED, 'dE = 0.1 * p["E"]', 'dE = 0.2 * p["E"]', "GC604"),
    "a layer between two": (LAYERS, "axis=1) / 2", "axis=1)", "GC103"),
    "a total that begins anew": (TOTALS, "total += off", "total = off", "GC701"),
    "an index drawn twice": (
        DRAWN,
        'np.add.at(dE, others, np.cos(p["E"][others]))',
        'dE[others] += np.cos(p["E"][others])',
        "GC855",
    ),
    "bags of which the last has no index twice": (
        BAGS,
        "np.add.at(slopes, bag, share)",
        "slopes[bag] += share",
        "GC855",
    ),
    "a return within the loop": (
        LARGEST,
        '    return {"image": back}',
        '        return {"image": back}',
        "GC407",
    ),
    "sets that overlap": (RISK, "d[S >= S[i]] += share", "d[S >= S[i]] = share", "GC701"),
}


@pytest.mark.parametrize("name", sample([*CASES], every=2))
def test_a_bug_is_named_at_its_line(name, tmp_path):
    source, right, wrong, code = CASES[name]
    first, line, report = first_finding(HEAD + source, right, wrong, tmp_path)
    assert first.code == code, report
    assert first.location.line in (line, line - (not wrong))
