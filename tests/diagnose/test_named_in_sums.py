"""Bugs in flat vectors, lists of derivatives, shared rows, normalised parts and two-way sums."""

import numpy as np
import pytest
from named_bugs import first_finding

import gradcheck
from gradcheck.diagnose.fault_in_words import fix_of
from gradcheck.trace.fault import TERM_MISSING, WRONG_VALUE, Cause, Fault

HEAD = """
import numpy as np

rng = np.random.default_rng(12)
X, Y = rng.normal(size=(6, 3)), rng.normal(size=6)
"""

FLAT_SCAN = """
SEQUENCE = rng.normal(size=(4, 6, 3))

def params():
    return rng.normal(size=3 * 2 + 2 * 2 + 2)

def taken_apart(theta):
    return theta[:6].reshape(3, 2), theta[6:10].reshape(2, 2), theta[10:]

def states(theta):
    A, B, _ = taken_apart(theta)
    s = [np.zeros((6, 2))]
    for x in SEQUENCE:
        s.append(np.sin(x @ A + s[-1] @ B))
    return s

def loss(theta):
    return np.mean((states(theta)[-1] @ taken_apart(theta)[2] - Y) ** 2) / 2

def grad(theta):
    A, B, c = taken_apart(theta)
    s = states(theta)
    off = (s[-1] @ c - Y) / len(Y)
    up, dA, dB = np.outer(off, c), np.zeros_like(A), np.zeros_like(B)
    for t in range(3, -1, -1):
        inner = SEQUENCE[t] @ A + s[t] @ B
        dz = up * np.cos(inner)
        dA += SEQUENCE[t].T @ dz
        dB += s[t].T @ dz
        up = dz @ B.T
    return np.concatenate([dA.ravel(), dB.ravel(), s[-1].T @ off])
"""

KERNEL = """
FAR = np.sum((X[:, None] - X) ** 2, axis=2)

def params():
    return np.array([0.3, 0.1, -0.4])

def loss(t):
    C = np.exp(t[0] - FAR * np.exp(t[1])) + np.exp(t[2]) * np.eye(6)
    return Y @ np.linalg.solve(C, Y) + np.linalg.slogdet(C)[1]

def grad(t):
    K, jitter = np.exp(t[0] - FAR * np.exp(t[1])), np.exp(t[2]) * np.eye(6)
    inverse = np.linalg.inv(K + jitter)
    a = inverse @ Y
    by_covariance = inverse - np.outer(a, a)
    parts = [K, -K * FAR * np.exp(t[1]), jitter]
    return np.array([np.sum(by_covariance * part) for part in parts])
"""

LINKS = """
FROM, KIND, TO = np.array([0, 1, 0, 2, 1]), np.array([0, 1, 1, 0, 1]), np.array([1, 3, 2, 3, 3])

def params():
    return {"nodes": rng.normal(size=(4, 2)), "kinds": rng.normal(size=(2, 2))}

def gap(p):
    return p["nodes"][FROM] + p["kinds"][KIND] - p["nodes"][TO]

def loss(p):
    return np.sum(np.cosh(gap(p)))

def grad(p):
    up = np.sinh(gap(p))
    nodes, kinds = np.zeros((4, 2)), np.zeros((2, 2))
    np.add.at(nodes, FROM, up)
    np.subtract.at(nodes, TO, up)
    np.add.at(kinds, KIND, up)
    return {"nodes": nodes, "kinds": kinds}
"""

STANDARDISED = """
def params():
    return {"W": rng.normal(size=(3, 4)), "gain": rng.normal(size=4), "shift": rng.normal(size=4)}

def parts(p):
    z = X @ p["W"]
    wide = np.sqrt(z.var(axis=0) + 0.01)
    return wide, (z - z.mean(axis=0)) / wide

def loss(p):
    return np.sum(np.sin(p["gain"] * parts(p)[1] + p["shift"]))

def grad(p):
    wide, unit = parts(p)
    by_scaled = np.cos(p["gain"] * unit + p["shift"])
    by_unit = by_scaled * p["gain"]
    centred = by_unit - by_unit.mean(axis=0)
    dz = (centred - unit * np.mean(by_unit * unit, axis=0)) / wide
    return {"W": X.T @ dz, "gain": np.sum(by_scaled * unit, axis=0), "shift": by_scaled.sum(axis=0)}
"""

LOPSIDED = """
def params():
    return rng.normal(size=3)

def loss(w):
    miss = Y - X @ w
    weight = np.where(miss > 0, 0.9, 0.2)
    return np.mean(weight * miss**2)

def grad(w):
    miss = Y - X @ w
    weight = np.where(miss > 0, 0.9, 0.2)
    return -2 * X.T @ (weight * miss) / len(Y)
"""

TWO_HEADS = """
NOISE = rng.normal(size=(6, 2))

def params():
    M, S, E = rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), rng.normal(size=(3, 4))
    return {"M": M, "S": S, "E": E}

def drawn(p):
    h = np.tanh(X @ p["E"])
    middle, spread = h @ p["M"], h @ p["S"]
    return h, middle, spread, middle + NOISE * np.exp(spread)

def loss(p):
    _, middle, spread, z = drawn(p)
    return np.sum(np.cos(z)) + np.sum(np.exp(spread) - 1 - spread + middle**2)

def grad(p):
    h, middle, spread, z = drawn(p)
    dz = -np.sin(z)
    d_middle = dz + 2 * middle
    d_spread = dz * NOISE * np.exp(spread) + (np.exp(spread) - 1)
    dh = (d_middle @ p["M"].T + d_spread @ p["S"].T) * (1 - h**2)
    return {"M": h.T @ d_middle, "S": h.T @ d_spread, "E": X.T @ dh}
"""

CASES = {
    "a one left out": (TWO_HEADS, "(np.exp(spread) - 1)\n", "np.exp(spread)\n", "GC417"),
    "two weights exchanged": (
        TWO_HEADS,
        'd_middle @ p["M"].T + d_spread @ p["S"].T',
        'd_middle @ p["S"].T + d_spread @ p["M"].T',
        "GC403",
    ),
    "a mean missing from a flat vector": (
        FLAT_SCAN,
        "(s[-1] @ c - Y) / len(Y)",
        "s[-1] @ c - Y",
        "GC101",
    ),
    "a function for its slope in a loop": (FLAT_SCAN, "np.cos(inner)", "np.sin(inner)", "GC305"),
    "one of a list of derivatives": (KERNEL, "[1]), jitter]", "[1]), 0.5 * jitter]", "GC103"),
    "one by its name in a list of derivatives": (
        KERNEL.replace("np.exp(t[2]) * np.eye(6)", "np.exp(2 * t[2]) * np.eye(6)").replace(
            "[1]), jitter]", "[1]), 2 * jitter]"
        ),
        "[1]), 2 * jitter]",
        "[1]), jitter]",
        "GC103",
    ),
    "rows that all repeat": (LINKS, "np.add.at(kinds, KIND, up)", "kinds[KIND] += up", "GC855"),
    "rows added for subtracted": (LINKS, "np.subtract.at", "np.add.at", "GC106"),
    "a copy that should be scaled": (STANDARDISED, 'by_scaled * p["gain"]', "by_scaled", "GC854"),
    "weights of a loss": (LOPSIDED, "(weight * miss) / len", "miss / len", "GC413"),
}


SCALED = """
def params():
    return {"W": rng.normal(size=(3, 5)), "gain": rng.normal(size=5), "shift": rng.normal(size=5)}

def scaled(up, values, gain):
    return up * gain, np.sum(up * values, axis=0)

def shifted(up):
    return up, up.sum(axis=0)

def loss(p):
    return np.sum((np.arctan(X @ p["W"]) * p["gain"] + p["shift"]) ** 4)

def grad(p):
    z = X @ p["W"]
    bent = np.arctan(z)
    back, d_shift = shifted(4 * (bent * p["gain"] + p["shift"]) ** 3)
    back, d_gain = scaled(back, bent, p["gain"])
    dz = back / (1 + z**2)
    return {"W": X.T @ dz, "gain": d_gain, "shift": d_shift}
"""

SQUARE = """
def params():
    return {"A": rng.normal(size=(3, 3)), "B": 0.3 * rng.normal(size=(3, 3))}

def mixed(up, values, m):
    return up @ m.T, values.T @ up

def loss(p):
    z = X @ p["A"]
    return np.mean(((z + z**3) @ p["B"] - Y[:, None]) ** 2)

def grad(p):
    z = X @ p["A"]
    h = z + z**3
    back, dB = mixed((h @ p["B"] - Y[:, None]) / 9, h, p["B"])
    dz = back * (1 + 3 * z**2)
    return {"A": X.T @ dz, "B": dB}
"""
CASES["a helper that hands back what it is given"] = (SCALED, "up * gain, ", "up, ", "GC854")
CASES["a matrix whose pass hands back what it is given"] = (SQUARE, "up @ m.T", "up", "GC402")
CASES["a helper that hands back what is right"] = (SCALED, "back / (1 + z**2)", "back", "GC303")


@pytest.mark.parametrize("name", CASES)
def test_a_bug_is_named_at_its_line(name, tmp_path):
    source, right, wrong, code = CASES[name]
    first, line, report = first_finding(HEAD + source, right, wrong, tmp_path)
    assert first.code == code, report
    assert first.location.line == line, report


@pytest.mark.parametrize("said", ["add `c`", "add `c` to `b` in `a * b`", "subtract `c`"])
def test_what_a_term_is_added_to_is_said_once(said):
    fix = fix_of(Fault(WRONG_VALUE, None, (), "a * b", cause=Cause(TERM_MISSING, "it lacks", said)))
    assert fix.startswith(said)
    assert fix.count(" to ") + fix.count(" from ") == 1


def test_two_levels_that_are_exchanged_lack_no_number():
    goal = np.linspace(-1, 1, 8) ** 3

    def weighted(x, above, below):
        off = x - goal
        weight = off.copy()
        weight[off > 0] = above
        weight[off <= 0] = below
        return weight, off

    def loss(x):
        weight, off = weighted(x, 1, 4)
        return np.sum(weight * off**2) / 2

    def grad(x):
        weight, off = weighted(x, 4, 1)
        return -weight * off

    report = gradcheck.check(loss, np.cos(np.arange(8.0)), grad)
    assert report.verdict == "fail"
    assert "GC417" not in [one.code for one in report.findings], report
