"""Programs of other shapes than a network's, with a bug: its line, and what it is called."""

import pytest
from named_bugs import first_finding

ORDERED = """
import numpy as np

rng = np.random.default_rng(21)
X, level = rng.normal(size=(9, 3)), rng.integers(0, 4, size=9)


def params():
    return {"beta": rng.normal(size=3), "cuts": np.array([-1.0, 0.2, 0.9])}


def between(p):
    edges = np.concatenate([[-np.inf], p["cuts"], [np.inf]])
    eta = X @ p["beta"]
    upper = 1 / (1 + np.exp(eta - edges[level + 1]))
    return upper, 1 / (1 + np.exp(eta - edges[level]))


def loss(p):
    upper, lower = between(p)
    return -np.log(upper - lower).sum()


def grad(p):
    upper, lower = between(p)
    mass = upper - lower
    d_upper = upper * (1 - upper) / mass
    d_lower = lower * (1 - lower) / mass
    d_cuts = np.zeros(5)
    for i, k in enumerate(level):
        d_cuts[k + 1] -= d_upper[i]
        d_cuts[k] += d_lower[i]
    return {"beta": X.T @ (d_upper - d_lower), "cuts": d_cuts[1:4]}
"""

SEQUENCE = """
import numpy as np

rng = np.random.default_rng(20)
X, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))


def params():
    return {"W": rng.normal(size=(2, 5)), "b": rng.normal(size=2)}


def cell_back(W, z, h, dh):
    da = dh * (1 - h * h)
    return np.outer(da, z), da, (W.T @ da)[:2]


def run(p):
    h, steps = np.zeros(2), []
    for x in X:
        z = np.concatenate((h, x))
        h = np.tanh(p["W"] @ z + p["b"])
        steps.append((z, h))
    return steps


def loss(p):
    return 0.5 * sum(np.sum((h - t) ** 2) for (_, h), t in zip(run(p), y))


def grad(p):
    total = {name: np.zeros_like(value) for name, value in p.items()}
    dh, db = np.zeros(2), np.zeros(2)
    for (z, h), t in zip(run(p)[::-1], y[::-1]):
        dW, da, dh = cell_back(p["W"], z, h, dh + h - t)
        total["W"] += dW
        db += da
    total["b"] = db
    return total
"""


@pytest.mark.parametrize(
    ("program", "right", "wrong", "code"),
    [
        (ORDERED, "d_upper - d_lower", "d_upper + d_lower", "GC106"),
        (ORDERED, "lower * (1 - lower) / mass", "lower * (1 + lower) / mass", "GC415"),
        (SEQUENCE, 'total["W"] += dW', 'total["W"] = dW', "GC701"),
        (SEQUENCE, "db += da", "db = da", "GC701"),
    ],
)
def test_the_bug_is_found_where_it_is(program, right, wrong, code, tmp_path):
    finding, line, report = first_finding(program, right, wrong, tmp_path)
    assert (finding.location.line, finding.code) == (line, code), report
