"""Bugs that people report, each named at its line by what makes it right there."""

import pytest
from named_bugs import first_finding
from sweeps import sample

HEAD = """
import math
import numpy as np

rng = np.random.default_rng(21)
X, Y = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
"""

GATE = """
def params():
    shapes = {"U": (4, 3), "V": (4, 3), "B": (3, 3)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}

def made(p):
    open_, held = 1 / (1 + np.exp(-X @ p["U"])), np.tanh(X @ p["V"])
    return open_, held, (open_ * held) @ p["B"]

def loss(p):
    return 0.5 * np.sum((made(p)[2] - Y) ** 2)

def grad(p):
    open_, held, out = made(p)
    gap = out - Y
    both = gap @ p["B"].T
    d_open = both * held * open_ * (1 - open_)
    d_held = (open_ * both) * (1 - held**2)
    return {"U": X.T @ d_open, "V": X.T @ d_held, "B": (open_ * held).T @ gap}
"""

KEPT = """
def params():
    return {"A": rng.normal(size=(4, 3)), "B": rng.normal(size=(4, 3))}

def made(p):
    gate, other = 1 / (1 + np.exp(-X @ p["A"])), np.tanh(X @ p["B"])
    kept = 1 - gate
    return gate, other, kept, kept * other

def loss(p):
    return np.sum(np.cosh(made(p)[3]))

def grad(p):
    gate, other, kept, out = made(p)
    up = np.sinh(out)
    d_kept = up * other
    d_gate = -d_kept
    dA = X.T @ (d_gate * gate * (1 - gate))
    return {"A": dA, "B": X.T @ (up * kept * (1 - other**2))}
"""

SQUARED = """
A, T = X[:5], Y[:5]

def params():
    return {"W": rng.normal(size=(4, 3))}

def loss(p):
    return np.sum((A @ p["W"] - T) ** 2) / len(A)

def grad(p):
    gap = A @ p["W"] - T
    return {"W": 2 * A.T @ gap / len(A)}
"""

EXCLUSIVE = """
A, T = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0.0], [1], [1], [0]])

def params():
    return {"W": rng.normal(size=(2, 2)), "V": rng.normal(size=(2, 1))}

def loss(p):
    return np.mean((np.tanh(A @ p["W"]) @ p["V"] - T) ** 2)

def grad(p):
    h = np.tanh(A @ p["W"])
    gap = 2 * (h @ p["V"] - T) / 4
    return {"W": A.T @ (gap @ p["V"].T * (1 - h**2)), "V": h.T @ gap}
"""

HALVED = SQUARED.replace("len(A)\n\n", "len(A) / 2\n\n").replace("2 * A.T", "A.T")

COLUMNS = """
def params():
    return {"t": rng.normal(size=3)}

def loss(p):
    moved = np.exp(X[:, :3] / 4 + p["t"] / 5)
    seen = moved[:, 0] / moved[:, 2] + 3 * moved[:, 1] / moved[:, 2]
    return np.sum(np.sin(seen))

def grad(p):
    moved = np.exp(X[:, :3] / 4 + p["t"] / 5)
    seen = moved[:, 0] / moved[:, 2] + 3 * moved[:, 1] / moved[:, 2]
    back = np.cos(seen) / 5
    dt = np.zeros(3)
    dt[0] = np.sum(back * moved[:, 0] / moved[:, 2])
    dt[1] = np.sum(back * 3 * moved[:, 1] / moved[:, 2])
    dt[2] = -np.sum(back * seen)
    return {"t": dt}
"""

ROWS = """
def params():
    return {"W": rng.normal(size=(4, 3)), "c": rng.normal(size=3)}

def loss(p):
    return np.sum(np.cos(X @ p["W"] + p["c"]))

def grad(p):
    slope = -np.sin(X @ p["W"] + p["c"])
    dW, dc = np.zeros((4, 3)), np.zeros(3)
    for j in range(3):
        k = (j + 1) % 3
        for i in range(4):
            total = 0.0
            for n in range(6):
                total += X[n, i] * slope[n, j]
            dW[i, j] = total
    dc = slope.sum(axis=0)
    return {"W": dW, "c": dc}
"""

RECTIFIED = """
def params():
    first = {"A": rng.uniform(0.1, 1, (4, 3)), "c": rng.uniform(0.1, 1, 3)}
    return first | {"V": rng.normal(size=(3, 3))}

def loss(p):
    h = np.maximum(0, abs(X) @ p["A"] + p["c"])
    return np.sum(np.sin(h @ p["V"]))

def grad(p):
    h = np.maximum(0, abs(X) @ p["A"] + p["c"])
    up = np.cos(h @ p["V"])
    back = up @ p["V"].T
    back = back * (h > 0)
    return {"A": abs(X).T @ back, "c": np.sum(back, axis=0), "V": h.T @ up}
"""

LABELS = """
T = np.eye(3)[[0, 2, 1, 1, 0, 2]]

def params():
    return {"A": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}

def shares(p):
    e = np.exp(X @ p["A"] + p["b"])
    return e / e.sum(axis=1, keepdims=True)

def loss(p):
    return -np.mean(np.sum(T * np.log(shares(p)), axis=1))

def grad(p):
    delta = (shares(p) - T) / len(X)
    return {"A": X.T @ delta, "b": delta.sum(axis=0)}
"""

CLASSES = """
PICKED = np.eye(3)[rng.integers(0, 3, 6)]

def params():
    return {"W": rng.normal(size=(4, 3))}

def shares(z):
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)

def loss(p):
    return -np.sum(PICKED * np.log(shares(X @ p["W"])))

def grad(p):
    s = shares(X @ p["W"])
    up = -PICKED / s
    dz = s * (up - np.sum(up * s, axis=1, keepdims=True))
    return {"W": X.T @ dz}
"""

TIED = """
def params():
    return rng.normal(size=12)

def loss(t):
    E = t[:12].reshape(4, 3)
    code = np.tanh(X @ E)
    return 0.5 * np.sum((code @ E.T - X) ** 2)

def grad(t):
    E = t[:12].reshape(4, 3)
    code = np.tanh(X @ E)
    gap = code @ E.T - X
    inner = (gap @ E) * (1 - code**2)
    both = gap.T @ code + X.T @ inner
    return both.ravel()
"""

SLID = """
LINE = rng.normal(size=9)

def params():
    return {"taps": rng.normal(size=3)}

def loss(p):
    return np.sum(np.sin(np.convolve(LINE, p["taps"], mode="valid")))

def grad(p):
    up = np.cos(np.convolve(LINE, p["taps"], mode="valid"))
    taken = np.correlate(LINE, up, mode="valid")[::-1]
    return {"taps": taken}
"""

RATED = """
def params():
    return {"bias": np.array([0.3, -0.2, 0.9])}

def loss(p):
    return np.sum((p["bias"][2] - 1.7) ** 4) + 0.05 * p["bias"][2] ** 2

def grad(p):
    found = np.zeros(3)
    found[2] = 4 * (p["bias"][2] - 1.7) ** 3 + 2 * 0.05 * p["bias"][2]
    return {"bias": found}
"""

SINGLE = """
def half(x):
    return np.maximum(x, 0.5 * x)

half = np.vectorize(half)

def params():
    return {"W": rng.normal(size=(4, 3))}

def loss(p):
    return np.sum(half(X @ p["W"]) ** 2)

def grad(p):
    z = X @ p["W"]
    back = 2 * half(z) * np.where(z > 0, 1.0, 0.5)
    return {"W": X.T @ back}
"""

DRAWN = """
NOISE = rng.normal(size=(6, 2))

def params():
    return {"M": rng.normal(size=(4, 2)), "L": rng.normal(size=(4, 2))}

def loss(p):
    z = X @ p["M"] + np.exp(0.5 * (X @ p["L"])) * NOISE
    return np.sum(np.cos(z)) / 6 - np.sum(np.cos(X @ p["L"]))

def grad(p):
    spread = np.exp(0.5 * (X @ p["L"])) * NOISE
    up = -np.sin(X @ p["M"] + spread) / 6
    return {"M": X.T @ up, "L": X.T @ (0.5 * up * spread + np.sin(X @ p["L"]))}
"""

NORMED = """
def params():
    return {"W": rng.normal(size=(3, 4))}

def loss(p):
    return np.sum(np.cos(X @ p["W"].T)) + 0.3 * np.linalg.norm(p["W"], 2)

def grad(p):
    u, _, v = np.linalg.svd(p["W"])
    dW = -np.sin(X @ p["W"].T).T @ X
    dW = dW + 0.3 * np.outer(u[:, 0], v[0])
    return {"W": dW}
"""

BACKWARDS = """
def params():
    return {"W": rng.normal(size=(3, 3)) / 2, "v": rng.normal(size=3)}

def states(p):
    made = [np.tanh(X[:, :3])]
    for _ in range(3):
        made.append(np.tanh(made[-1] @ p["W"]))
    return made

def loss(p):
    return sum(np.sum(np.cos(h @ p["v"])) for h in states(p)[1:])

def grad(p):
    hs = states(p)
    dW, dv, later = np.zeros((3, 3)), np.zeros(3), np.zeros_like(hs[0])
    for t in (3, 2, 1):
        up = -np.sin(hs[t] @ p["v"])
        dv += hs[t].T @ up
        dh = np.outer(up, p["v"]) + later
        dz = dh * (1 - hs[t] ** 2)
        dW += hs[t - 1].T @ dz
        later = dz @ p["W"].T
    return {"W": dW, "v": dv}
"""

MARGINS = """
KINDS = rng.integers(0, 3, 6)

def params():
    return {"W": rng.normal(size=(4, 3))}

def loss(p):
    total = 0.05 * np.sum(p["W"] ** 2)
    for x, k in zip(X, KINDS):
        scores = x @ p["W"]
        total += sum(max(0.0, scores[j] - scores[k] + 1) for j in range(3) if j != k)
    return total

def grad(p):
    dW = np.zeros((4, 3))
    for x, k in zip(X, KINDS):
        scores = x @ p["W"]
        for j in range(3):
            if j != k and scores[j] - scores[k] + 1 > 0:
                dW[:, j] += x
                dW[:, k] -= x
    dW += 0.1 * p["W"]
    return {"W": dW}
"""

CHOICES = """
TAKEN = [1, 1, 0, 1, 1, 1]

def params():
    return {"w": rng.normal(size=4)}

def share(z):
    return 1 / (1 + np.exp(-z))

def loss(p):
    total = 0.0
    for n in range(6):
        s = share(X[n] @ p["w"])
        total -= np.log(s) if TAKEN[n] else np.log(1 - s)
    return total

def grad(p):
    dw = np.zeros(4)
    for n in range(6):
        s = share(X[n] @ p["w"])
        pull = TAKEN[n] - s
        dw -= pull * X[n]
    return {"w": dw}
"""

SCALED_ROWS = """
def params():
    return {"W": rng.normal(size=(4, 3))}

def scaled(p):
    h = X @ p["W"]
    wide = np.sqrt(h.var(axis=1, keepdims=True) + 0.1)
    return (h - h.mean(axis=1, keepdims=True)) / wide, wide

def loss(p):
    return np.sum(np.sin(2 * scaled(p)[0]))

def grad(p):
    z, wide = scaled(p)
    up = 2 * np.cos(2 * z)
    mean = up.sum(1, keepdims=True)
    n = z.shape[1]; dh = (n * up - mean - z * (up * z).sum(1, keepdims=True)) / (n * wide)
    return {"W": X.T @ dh}
"""

PICKED_ROWS = """
def params():
    return {"W": rng.normal(size=(4, 3))}

def loss(p):
    return sum(np.cos(max(X[n] @ p["W"])) for n in range(6))

def spread(z, up):
    back = np.zeros(z.shape)
    for n in range(len(z)):
        for k in range(3):
            if z[n, k] == max(z[n]):
                back[n, k] = up[n]
    return back

def grad(p):
    z = X @ p["W"]
    back = spread(z, -np.sin(np.max(z, axis=1)))
    dW = np.zeros((4, 3))
    for n in range(6):
        dW += np.outer(X[n], back[n])
    return {"W": dW}
"""

APART = """
KINDS = np.array([1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1])
LEFT, RIGHT = rng.normal(size=(12, 4)), rng.normal(size=(12, 4))

def params():
    return {"W": 0.4 * rng.normal(size=(4, 3))}

def made(W):
    off = LEFT @ W - RIGHT @ W
    return off, np.sqrt(np.sum(off**2, axis=1) + 1e-8)

def loss(p):
    far = made(p["W"])[1]
    like = KINDS * far**2
    unlike = (1 - KINDS) * np.maximum(2 - far, 0) ** 2
    return np.sum(like + unlike) / (2 * len(KINDS))

def grad(p):
    off, far = made(p["W"])
    pull = np.zeros_like(far)
    pull[KINDS == 1] = 1.0
    pushed = (KINDS == 0) & (far < 2)
    pull[pushed] = -(2 - far[pushed]) / far[pushed]
    d_off = pull[:, None] * off / 12
    return {"W": LEFT.T @ d_off - RIGHT.T @ d_off}
"""

NEIGHBOURS = """
P = rng.random((7, 7)); P = (P + P.T) * (1 - np.eye(7)); P /= P.sum()

def params():
    return {"Y": rng.normal(size=(7, 2))}

def apart(Y):
    squares = np.sum(Y**2, axis=1)
    return squares[:, None] + squares[None, :] - 2 * Y @ Y.T

def loss(p):
    near = 1 / (1 + apart(p["Y"]))
    np.fill_diagonal(near, 0.0)
    shares = np.maximum(near / near.sum(), 1e-12)
    return np.sum(P[P > 0] * np.log(P[P > 0] / shares[P > 0]))

def grad(p):
    near = 1 / (1 + apart(p["Y"]))
    np.fill_diagonal(near, 0.0)
    off = (P - np.maximum(near / near.sum(), 1e-12)) * near
    return {"Y": np.array([4 * off[i] @ (p["Y"][i] - p["Y"]) for i in range(7)])}
"""

OBSERVED = """
SEEN, TABLE = 1 * (rng.random((5, 4)) > 0.4), rng.integers(1, 6, (5, 4)).astype(float)
TABLE = TABLE * SEEN

def params():
    return rng.normal(size=27)

def loss(both):
    A, B = both[:15].reshape(5, 3), both[15:].reshape(4, 3)
    M = A.dot(B.T)
    off = (M - TABLE) ** 2
    total = 0.5 * np.sum(off[SEEN == 1])
    return total + 0.75 * np.sum(B**2) + 0.75 * np.sum(A**2)

def grad(both):
    A, B = both[:15].reshape(5, 3), both[15:].reshape(4, 3)
    M = A.dot(B.T)
    dA = ((M - TABLE) * SEEN).dot(B)
    dB = ((M - TABLE) * SEEN).T.dot(A)
    dA = dA + 1.5 * A
    dB = dB + 1.5 * B
    return np.concatenate([dA.ravel(), dB.ravel()])
"""

GUARDED = """
KINDS = np.eye(3)[[0, 2, 1, 1, 0, 2]]

def params():
    return {"W": 3 * rng.normal(size=(4, 5)), "b": rng.normal(size=5), "V": rng.normal(size=(5, 3))}

def shares(p):
    h = np.maximum(X @ p["W"] + p["b"], 0)
    grown = np.exp(h @ p["V"] - np.max(h @ p["V"]))
    return h, grown / grown.sum(axis=1, keepdims=True)

def loss(p):
    return -np.mean(np.sum(KINDS * np.log(shares(p)[1] + 1e-9), axis=1))

def grad(p):
    h, s = shares(p)
    back = (s - KINDS) / 6
    inner = back @ p["V"].T * (h > 0)
    return {"W": X.T @ inner, "b": np.zeros(5) + np.sum(inner, axis=0), "V": h.T @ back}
"""

MEANS = """
def params():
    return {"W": rng.normal(size=(4, 3)), "V": rng.normal(size=(3, 3))}

def made(p):
    inner = 1 / (1 + np.exp(-X @ p["W"]))
    z = inner @ p["V"]
    return inner, np.tanh(z)

def loss(p):
    return np.mean((made(p)[1] - Y) ** 2)

def grad(p):
    inner, out = made(p)
    back = 2 / out.size * (out - Y) * (1 - out**2)
    d_inner = back @ p["V"].T * inner * (1 - inner)
    return {"W": X.T @ d_inner, "V": inner.T @ back}
"""

CASES = {
    "a division of some entries": (APART, " / far[pushed]", "", "GC413", "by `far`"),
    "a factor of no activation": (NEIGHBOURS, "1e-12)) * near", "1e-12))", "GC413", "by `near`"),
    "a mask in both halves of a flat vector": (
        OBSERVED,
        "((M - TABLE) * SEEN).dot(B)\n    dB = ((M - TABLE) * SEEN).T",
        "(M - TABLE).dot(B)\n    dB = (M - TABLE).T",
        "GC405",
        "by `TABLE > 0`",
    ),
    "a sum, where a guard keeps the log finite": (
        GUARDED,
        "np.sum(inner, axis=0)",
        "np.sum(inner)",
        "GC204",
        "over axis 0",
    ),
    "a slope and the factor of a mean": (
        MEANS,
        "2 / out.size * (out - Y) * (1 - out**2)",
        "out - Y",
        "GC303",
        "multiply by 0.111111 times the slope",
    ),
    "what comes from later is taken off": (
        BACKWARDS,
        'np.outer(up, p["v"]) + later',
        'np.outer(up, p["v"]) - later',
        "GC106",
        "change the sign of the second term",
    ),
    "a factor is left out": (GATE, "(open_ * both)", "both", "GC413", "`open_`"),
    "a term is too many": (GATE, "gap @ p", "(gap + held) @ p", "GC414", "leave `held` out"),
    "a one too many": (KEPT, "= -d_kept", "= 1 - d_kept", "GC414", "leave `1` out"),
    "a term is left out": (
        GATE,
        "gap = out - Y",
        "gap = 1 * out",
        "GC417",
        "subtract Y from `out`",
    ),
    "another value": (
        GATE,
        "both * held * open_",
        "both * gap * open_",
        "GC415",
        "`held` for `gap`",
    ),
    "the function for its slope": (
        GATE,
        "(1 - held**2)",
        "held",
        "GC305",
        "write `1 - held**2` for `held`",
    ),
    "another column": (
        COLUMNS,
        "back * 3 * moved[:, 1]",
        "back * 3 * moved[:, 0]",
        "GC416",
        "write `moved[:, 1]`",
    ),
    "another index": (
        ROWS,
        "dW[i, j] = total",
        "dW[i, k] = total",
        "GC416",
        "`j` for the index `k`",
    ),
    "a relu on the way back": (
        RECTIFIED,
        "back * (h > 0)",
        "np.maximum(0, back)",
        "GC307",
        "h > 0",
    ),
    "a sum of another product": (
        RECTIFIED,
        "np.sum(back, axis=0)",
        "np.sum(back.T @ back, axis=0)",
        "GC501",
        "sum dL/d",
    ),
    "targets that are added": (LABELS, "- T)", "+ T)", "GC106", "subtract the targets"),
    "the diagonal of a softmax": (
        CLASSES,
        "s * (up - np.sum(up * s, axis=1, keepdims=True))",
        "up * s * (1 - s)",
        "GC309",
        "write `s * (up - np.sum(up * s, axis=1, keepdims=True))`",
    ),
    "one of two ways of a flat vector": (
        TIED,
        "gap.T @ code + X.T @ inner",
        "gap.T @ code",
        "GC407",
        "X @ E",
    ),
    "taps in the reverse order": (SLID, '"valid")[::-1]', '"valid")', "GC856", "[::-1]"),
    "a number for what it counts": (
        RATED,
        '0.05 * p["bias"][2]\n    return {',
        "0.05 * 2\n    return {",
        "GC604",
        "0.1 * ",
    ),
    "a vectorised function": (SINGLE, "X.T @ back", "X.T @ back / 2", "GC103", "division by 2"),
    "a half that is no mean over two": (DRAWN, "0.5 * up * spread", "up * spread", "GC103", "0.5"),
    "a return that ends the loop of a helper": (
        PICKED_ROWS,
        "    return back",
        "        return back",
        "GC407",
        "one level further out",
    ),
    "a sum before what is rightly added": (
        MARGINS,
        "                dW[:, k] -= x",
        "        dW[:, k] -= x",
        "GC999",
        "find out what `dW[:, k]` lacks",
    ),
    "right in all passes but one": (CHOICES, "TAKEN[n] - s", "1 - s", "GC702", "in pass 3 of 6"),
    "the length of another axis": (
        SCALED_ROWS,
        "n = z.shape[1]",
        "n = z.shape[0]",
        "GC104",
        "3 for 6",
    ),
    "another length as a factor": (
        SCALED_ROWS,
        "(n * up - mean",
        "(len(z) * up - mean",
        "GC104",
        "multiply by 3, not by 6",
    ),
    "a mean and the two of a square": (
        SQUARED,
        "2 * A.T @ gap / len(A)",
        "A.T @ gap",
        "GC101",
        "by 2 / 5",
    ),
    "a mean over four and a two": (
        SQUARED.replace("[:5]", "[:4]"),
        "2 * A.T @ gap / len(A)",
        "A.T @ gap",
        "GC101",
        "by 2 / 4",
    ),
    "a mean over four and a two beside a matrix of two by two": (
        EXCLUSIVE,
        '2 * (h @ p["V"] - T) / 4',
        'h @ p["V"] - T',
        "GC101",
        "by 2 / 4",
    ),
    "no mean and a two": (HALVED, "A.T @ gap / len(A)", "2 * A.T @ gap", "GC101", "by 2 * 5"),
    "squares for another norm": (
        NORMED,
        "0.3 * np.outer(u[:, 0], v[0])",
        '0.6 * p["W"]',
        "GC604",
        "squares",
    ),
}


@pytest.mark.parametrize("name", sample([*CASES], every=2))
def test_a_bug_is_named_at_its_line_with_what_to_write(name, tmp_path):
    source, right, wrong, code, fix = CASES[name]
    first, line, report = first_finding(HEAD + source, right, wrong, tmp_path)
    assert first.code == code, report
    assert fix in first.fix or fix in " ".join(first.evidence), report
    assert first.location.line == line


PENALISED = """
def params():
    return {"U": rng.random((3, 2)) + 0.3, "M": rng.normal(size=(4, 2))}

def loss(p):
    off = p["U"] @ p["M"].T - X[:3]
    return 0.5 * np.sum(off**2) + 0.1 * np.sum(p["U"] * p["U"]) / 2 + 0.1 * np.sum(p["M"] ** 2) / 2

def grad(p):
    off = p["U"] @ p["M"].T - X[:3]
    dU, dM = np.zeros((3, 2)), np.zeros((4, 2))
    for i in range(3):
        dU[i] = off[i] @ p["M"] + 0.1 * p["U"][i]
    for j in range(4):
        dM[j] = off[:, j] @ p["U"] + 0.1 * p["M"][j]
    return {"U": dU, "M": dM}
"""


def test_the_text_of_an_expression_that_is_to_be_mended_belongs_nowhere_else(tmp_path):
    squares = '0.1 * np.sum(p["U"] * p["U"]) / 2 + 0.1 * np.sum(p["M"] ** 2) / 2'
    sums = '0.1 * np.sum(p["U"]) / 2 + 0.1 * np.sum(p["M"]) / 2'
    _, _, report = first_finding(HEAD + PENALISED, squares, sums, tmp_path)
    assert "GC415" not in report
    assert '0.1 * p["U"][i]` belongs' not in report
