"""Terms and factors that are put in, where what an expression should be is known."""

import pytest
from sweeps import sample

import gradcheck
from benchmarks.edits.edit import module_of
from gradcheck.options import Edits

HEAD = """
import numpy as np

rng = np.random.default_rng(8)
X, Y = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
SLOPE = 0.2
"""

CARRIED = """
def params():
    shapes = {"W": (4, 3), "U": (4, 3), "R": (3, 3)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}

def states(p):
    h, kept = np.zeros((2, 3)), []
    for t in range(3):
        x = X[2 * t : 2 * t + 2]
        z, new = 1 / (1 + np.exp(-x @ p["W"])), np.tanh(x @ p["U"] + h @ p["R"])
        kept.append((x, h, z, new))
        h = (1 - z) * h + z * new
    return h, kept

def loss(p):
    return np.sum(states(p)[0] ** 2)

def grad(p):
    h, kept = states(p)
    g, dh = {name: np.zeros_like(value) for name, value in p.items()}, 2 * h
    for x, before, z, new in reversed(kept):
        g["W"] += x.T @ (dh * (new - before) * z * (1 - z))
        inner = dh * z * (1 - new**2)
        g["U"] += x.T @ inner
        g["R"] += before.T @ inner
        dh = dh * (1 - z) + inner @ p["R"].T
    return g
"""

BATCHES = """
BATCH = rng.normal(size=(2, 3, 4))

def params():
    return {name: rng.normal(size=(4, 4)) for name in ("A", "B", "C")}

def loss(p):
    y = np.sin(BATCH @ p["C"])
    return np.sum((y @ p["A"]) * np.cos(y @ p["B"]))

def grad(p):
    y = np.sin(BATCH @ p["C"])
    a, b = y @ p["A"], y @ p["B"]
    da, db = np.cos(b), -a * np.sin(b)
    dy = da @ p["A"].T + db @ p["B"].T
    dz = dy * np.cos(BATCH @ p["C"])
    g = {"A": np.tensordot(y, da, ((0, 1), (0, 1))), "B": np.tensordot(y, db, ((0, 1), (0, 1)))}
    return {**g, "C": np.tensordot(BATCH, dz, ((0, 1), (0, 1)))}
"""

PAIRS = """
def params():
    return {"W": rng.normal(size=(4, 3)), "T": rng.normal(size=(3, 3))}

def total(scores):
    return np.log(np.exp(scores).sum())

def loss(p):
    e = X @ p["W"]
    return sum(total(e[t - 1][:, None] + p["T"] + e[t]) for t in range(1, 6))

def grad(p):
    e = X @ p["W"]
    de, dT = np.zeros_like(e), np.zeros((3, 3))
    for t in range(1, 6):
        of_all = total(e[t - 1][:, None] + p["T"] + e[t])
        share = np.exp(e[t - 1][:, None] + p["T"] + e[t] - of_all)
        dT += share
        de[t - 1] += share.sum(axis=1)
        de[t] += share.sum(axis=0)
    return {"W": X.T @ de, "T": dT}
"""

LEAKY = """
def params():
    return {"W": rng.normal(size=(4, 3))}

def loss(p):
    z = X @ p["W"]
    return np.sum(Y * np.where(z > 0, z, SLOPE * z))

def grad(p):
    z = X @ p["W"]
    back = Y.copy()
    back[z <= 0] = SLOPE * back[z <= 0]
    return {"W": X.T @ back}
"""

SINGLE = """
KEEP = np.float32(0.8)

class Weights:
    def __init__(self):
        self.W, self.V = (rng.normal(size=size).astype(np.float32) for size in ((4, 5), (5, 3)))

DATA, WANTED = X.astype(np.float32), Y.astype(np.float32)
MASK = (rng.random((6, 5)) < 0.8).astype(np.float32)

def params():
    return Weights()

def loss(p):
    return np.mean((np.tanh(DATA @ p.W) * MASK / KEEP @ p.V - WANTED) ** 2)

def grad(p):
    h = np.tanh(DATA @ p.W)
    d = 2 * (h * MASK / KEEP @ p.V - WANTED) / np.float32(WANTED.size)
    back = d @ p.V.T * MASK / KEEP * (1 - h * h)
    return {"W": DATA.T @ back, "V": (h * MASK / KEEP).T @ d}
"""

NORMED = """
MASK = np.array([True, True, False, True, True, False])
B = rng.normal(size=(6, 5))

def params():
    return {"W": rng.normal(size=(4, 3)), "V": rng.normal(size=(5, 3))}

def normed(z):
    length = np.sqrt((z * z).sum(axis=1, keepdims=True))
    return z / length, length

def loss(p):
    (u, _), (v, _) = normed(X @ p["W"]), normed(B @ p["V"])
    return np.sum(MASK[:, None] * (u * v - Y) ** 2) + np.sum((u * v).sum(axis=1) ** 2)

def grad(p):
    (u, of_u), (v, of_v) = normed(X @ p["W"]), normed(B @ p["V"])
    c = (u * v).sum(axis=1, keepdims=True)
    de = 2 * MASK[:, None] * (u * v - Y)
    du, dv = (de + 2 * c) * v, (de + 2 * c) * u
    dz = (du - u * np.sum(du * u, axis=1, keepdims=True)) / of_u
    dq = (dv - v * np.sum(dv * v, axis=1, keepdims=True)) / of_v
    return {"W": X.T @ dz, "V": B.T @ dq}
"""

GATED = """
def params():
    return {name: 0.5 * rng.normal(size=(4, 4)) for name in ("A", "B")}

def grad_and_loss(p):
    h, kept = np.zeros((2, 4)), []
    for t in range(3):
        x = X[2 * t : 2 * t + 2]
        gate = 1 / (1 + np.exp(-x @ p["A"]))
        new = np.tanh(x + gate * (h @ p["B"]))
        kept.append((x, h, gate, new))
        h = new
    g, dh = {name: np.zeros_like(value) for name, value in p.items()}, 2 * h
    for x, before, gate, new in reversed(kept):
        inner = dh * (1 - new**2)
        g["A"] += x.T @ (inner * (before @ p["B"]) * gate * (1 - gate))
        g["B"] += before.T @ (inner * gate)
        dh = (inner * gate) @ p["B"].T
    return g, np.sum(h**2)

def loss(p):
    return grad_and_loss(p)[1]

def grad(p):
    return grad_and_loss(p)[0]
"""

FILTERED = """
SEEN = np.cumsum(rng.normal(size=7))

def params():
    return np.array([0.7, -0.3, 0.2])

def loss(p):
    a, q, s = p[0], np.exp(p[1]), np.exp(p[2])
    mean, var, total = 0.0, 1.0, 0.0
    for seen in SEEN:
        mean, var = a * mean, a * a * var + q
        whole, error = var + s, seen - mean
        total += 0.5 * (np.log(whole) + error**2 / whole)
        mean, var = mean + var / whole * error, var - var**2 / whole
    return total

def grad(p):
    a, q, s = p[0], np.exp(p[1]), np.exp(p[2])
    mean, var = 0.0, 1.0
    by_a, by_q, by_s = np.diag([1.0, q, s])
    dmean, dvar, g = np.zeros(3), np.zeros(3), np.zeros(3)
    for seen in SEEN:
        dmean = a * dmean + mean * by_a
        dvar = a * a * dvar + 2 * a * var * by_a + by_q
        mean, var = a * mean, a * a * var + q
        whole, error = var + s, seen - mean
        dwhole = dvar + by_s
        g += 0.5 * (dwhole / whole - 2 * error * dmean / whole - error**2 * dwhole / whole**2)
        gain = var / whole
        dgain = dvar / whole - gain * dwhole / whole
        dmean = dmean + dgain * error - gain * dmean
        dvar = (1 - gain) * dvar - dgain * var
        mean, var = mean + gain * error, var - gain * var
    return g
"""

ROBUST = """
TARGET, LIMIT = 2 * rng.normal(size=6), 0.7

def params():
    return rng.normal(size=4)

def loss(p):
    far = np.abs(X @ p - TARGET)
    return np.sum(np.where(far < LIMIT, far**2 / 2, LIMIT * (far - LIMIT / 2)))

def grad(p):
    e = X @ p - TARGET
    slope = np.where(np.abs(e) < LIMIT, e, LIMIT * np.sign(e))
    return X.T @ slope
"""

ADDED = """
GAIN = rng.normal(size=6)

def params():
    return {"W": rng.normal(size=(4, 3))}

def loss(p):
    z = X @ p["W"]
    return np.sum(GAIN[:, None] * np.sin(z)) + np.sum(np.cosh(SLOPE * z))

def grad(p):
    z = X @ p["W"]
    dz = GAIN[:, None] * np.cos(z)
    dz += SLOPE * np.sinh(SLOPE * z)
    return {"W": X.T @ dz}
"""

KEPT = """
def params():
    return {"w": 0.3 * rng.normal(size=4), "c": np.array(0.2)}

class Sums:
    def __init__(self):
        self.sums = {"w": np.zeros(4), "c": 0.0}

    def grad(self, p):
        self.sums = {name: 0.0 for name in p}
        for row, goal in zip(X, Y[:, 0]):
            d = np.sinh(row @ p["w"] + p["c"] - goal)
            self.sums["w"] = self.sums["w"] + d * row
            self.sums["c"] += d
        return self.sums

def loss(p):
    return np.sum(np.cosh(X @ p["w"] + p["c"] - Y[:, 0]))

grad = Sums().grad
"""

BENT = """
LOW = 0.6

def params():
    return {"W": rng.normal(size=(4, 3))}

def bent(z):
    return np.where(z > 0, z, LOW * (np.exp(np.minimum(z, 0)) - 1))

def loss(p):
    return np.sum(np.sin(bent(X @ p["W"])))

def grad(p):
    z = X @ p["W"]
    out = bent(z)
    return {"W": X.T @ (np.cos(out) * np.where(z > 0, 1, LOW + out))}
"""

HANDED_ON = """
def params():
    return {"B": rng.normal(size=(3, 3)), "A": rng.normal(size=(4, 3))}

def loss(p):
    first = np.tanh(X @ p["A"])
    state = first
    for _ in range(3):
        state = np.sin(state @ p["B"])
    return np.sum(state**3)

def grad(p):
    first = np.tanh(X @ p["A"])
    states = [first]
    for _ in range(3):
        states.append(np.sin(states[-1] @ p["B"]))
    back, of_b = 3 * states[-1] ** 2, np.zeros((3, 3))
    for before in states[-2::-1]:
        inner = back * np.cos(before @ p["B"])
        of_b += before.T @ inner
        arriving = inner @ p["B"].T
        back = arriving
    return {"B": of_b, "A": X.T @ (back * (1 - first**2))}
"""

LOOKED_AHEAD = """
PARTS = np.split(np.concatenate([X, Y], axis=1), 3)

def params():
    return 0.3 * rng.normal(size=4)

def moved(p, part):
    return p - SLOPE * part[:, :4].T @ np.tanh(part[:, :4] @ p - part[:, 4])

def loss(p):
    return sum(np.sum(moved(p, part) ** 4) for part in PARTS)

def grad(p):
    total = np.zeros(4)
    for part in PARTS:
        inside, ahead = part[:, :4], 4 * moved(p, part) ** 3
        slope = 1 - np.tanh(inside @ p - part[:, 4]) ** 2
        bent = inside.T @ (slope * (inside @ ahead))
        total += ahead - SLOPE * bent
    return total
"""

PACKED = """
def params():
    return rng.normal(size=16)

def parts(p):
    return p[:12].reshape(4, 3), p[12:].reshape(4, 1)

def loss(p):
    inner, shift = parts(p)
    made = np.sum(np.cosh(X @ inner) - Y) / len(X) + np.sum(np.sin(shift))
    return made + SLOPE * np.sum(inner**2) / 2

def grad(p):
    inner, shift = parts(p)
    dz = np.sinh(X @ inner)
    of_inner = X.T @ dz / len(X) + SLOPE * inner
    return np.concatenate([of_inner.ravel(), np.cos(shift).ravel()])
"""

VOLUME = """
def params():
    return {"S": 0.3 * rng.normal(size=(4, 3)), "T": rng.normal(size=(4, 3))}

def loss(p):
    s = np.tanh(X @ p["S"])
    z = Y * np.exp(s) + X @ p["T"]
    return np.mean(0.5 * np.sum(z**2, axis=1) - s.sum(axis=1))

def grad(p):
    N = len(X)
    s = np.tanh(X @ p["S"])
    z = Y * np.exp(s) + X @ p["T"]
    dz = z / N
    dt = dz
    ds = dz * Y * np.exp(s) - 1 / N
    return {"S": X.T @ (ds * (1 - s**2)), "T": X.T @ dt}
"""

RECTIFIED = """
def params():
    return {"W": rng.normal(size=(4, 5)), "V": rng.normal(size=(5, 3))}

def loss(p):
    return 0.5 * np.sum((np.maximum(0, X @ p["W"]) @ p["V"] - Y) ** 2)

def grad(p):
    h = np.maximum(0, X @ p["W"])
    gap = h @ p["V"] - Y
    back = gap @ p["V"].T
    back = back * (h > 0)
    return {"W": X.T @ back, "V": h.T @ gap}
"""

CASES = {
    "a share of the batch": (VOLUME, " - 1 / N", "", ("np.exp(s) - 1 / N",)),
    "the mask of a relu": (RECTIFIED, "back * (h > 0)", "np.maximum(0, back)", ("(h > 0)",)),
    "a term that every pass of a loop lacks": (
        LOOKED_AHEAD,
        " - SLOPE * bent",
        "",
        ("- SLOPE * bent",),
    ),
    "a penalty, of a vector that holds all": (
        PACKED,
        "X.T @ dz / len(X) + SLOPE * inner",
        "X.T @ dz / len(X)",
        ("SLOPE * inner",),
    ),
    "a number added where a mask is off": (BENT, "LOW + out))", "LOW * out))", ("LOW", "np.exp")),
    "a factor where a value is used after a loop": (
        HANDED_ON,
        "(back * (1 - first**2))",
        "back",
        ("back  ->  back * (1 - first**2)",),
    ),
    "a product": (CARRIED, "dh * (1 - z) + ", "", ("dh * (1 - z)",)),
    "a product of a stack": (BATCHES, ' + db @ p["B"].T', "", ('db @ p["B"].T',)),
    "a row, in an exponential": (PAIRS, '"T"] + e[t] - of_all', '"T"] - of_all', ("+ e[t]",)),
    "a projection": (
        NORMED,
        "(du - u * np.sum(du * u, axis=1, keepdims=True))",
        "du",
        ("du  ->  du - u * (du * u).sum(axis=1, keepdims=True)",),
    ),
    "a column of a mask": (NORMED, "2 * MASK[:, None] * (u", "2 * (u", ("MASK[:, None]",)),
    "a product for one of its factors": (
        GATED,
        '(before @ p["B"]) * gate * (1',
        "before * gate * (1",
        ('before  ->  before @ p["B"]',),
    ),
    "a term of what is carried on": (FILTERED, " + mean * by_a", "", ("a * dmean + mean * by_a",)),
    "a product of three": (
        FILTERED,
        " - error**2 * dwhole / whole**2",
        "",
        ("error * dwhole / whole", "error**2 * dwhole / whole"),
    ),
    "a sign where a value is used": (ROBUST, "LIMIT * np.sign(e)", "LIMIT", ("* np.sign(e)",)),
    "a column, before something is added": (
        ADDED,
        "dz = GAIN[:, None] * np.cos(z)",
        "dz = np.cos(z)",
        ("* GAIN[:, None]",),
    ),
    "what is added": (ADDED, "dz += SLOPE * np.sinh", "dz += np.sinh", ("SLOPE",)),
    "what is written": (LEAKY, "= SLOPE * back[z <= 0]", "= 0", ("SLOPE * back[z <= 0]",)),
    "sums that begin at 0, in a dict": (
        KEPT,
        "        self.sums = {name: 0.0 for name in p}\n",
        "",
        ("self.sums = {key: 0 * value",),
    ),
    "single precision": (SINGLE, "MASK / KEEP * (1", "MASK * (1", ("/ KEEP",)),
}


@pytest.mark.parametrize("name", sample([*CASES], every=3))
def test_what_is_missing_is_put_in(name, tmp_path):
    source, right, wrong, wanted = CASES[name]
    whole = HEAD + source
    assert whole.count(right) == 1
    module = module_of(whole.replace(right, wrong), tmp_path / "wrong.py")
    repair = gradcheck.repair(module.loss, module.params(), module.grad, budget=Edits(20_000))
    assert repair.patches, repair.reason
    assert any(text in repair.patches[0].words for text in wanted), repair.patches[0].words
