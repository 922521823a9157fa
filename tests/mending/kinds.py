"""Right programs, each with one bug: what is right, and what stands there instead."""

HEAD = "import numpy as np\n\nDRAWN = np.random.default_rng(5)\n"

VECTORS = """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=6)
START = DRAWN.normal(size=4)
"""

SPECTRAL = """
Y = DRAWN.normal(size=(2, 8))
Y = Y[0] + 1j * Y[1]
START = DRAWN.normal(size=8) - 0.5j

def loss(z):
    return np.sum(np.abs(np.fft.fft(z, norm="ortho") - Y) ** 2)

def grad(z):
    rest = np.fft.fft(z, norm="ortho") - Y
    return 2 * np.fft.ifft(rest, norm="ortho")
"""

STACKED = """
X, Y = DRAWN.normal(size=(2, 4, 3)), DRAWN.normal(size=(2, 5, 4))
START = DRAWN.normal(size=(3, 5))

def loss(w):
    return np.sum(np.sin(X @ w) * Y.transpose(0, 2, 1))

def grad(w):
    up = np.cos(X @ w) * Y.transpose(0, 2, 1)
    return np.sum(X.transpose(0, 2, 1) @ up, axis=0)
"""

WAVES = """
A, Y = DRAWN.normal(size=(2, 6, 4)), DRAWN.normal(size=(2, 6))
A, Y = A[0] + 1j * A[1], Y[0] + 1j * Y[1]
START = DRAWN.normal(size=4) - 0.5j

def loss(z):
    return np.sum(np.abs(A @ z - Y) ** 2)

def grad(z):
    rest = A @ z - Y
    return 2 * A.conj().T @ rest
"""

TWICE = (
    VECTORS
    + """
ROWS = np.array([0, 2, 2, 3, 0, 1])

def loss(w):
    return np.sum(np.sinh(w[ROWS] * Y))

def grad(w):
    g = np.zeros_like(w)
    np.add.at(g, ROWS, Y * np.cosh(w[ROWS] * Y))
    return g
"""
)

SMOOTHED = """
Y = DRAWN.normal(size=9)
START = np.array([0.35, 0.2])

def loss(w):
    level, slope, total = Y[0], Y[1] - Y[0], 0.0
    for y in Y[2:]:
        total += np.cosh(y - level - slope)
        before = level
        level = w[0] * y + (1 - w[0]) * (level + slope)
        slope = w[1] * (level - before) + (1 - w[1]) * slope
    return total

def grad(w):
    a, b = w
    level, slope, g = Y[0], Y[1] - Y[0], np.zeros(2)
    la, lb, sa, sb = 0.0, 0.0, 0.0, 0.0
    for y in Y[2:]:
        up = -np.sinh(y - level - slope)
        g += np.array([up * (la + sa), up * (lb + sb)])
        now = a * y + (1 - a) * (level + slope)
        na = y - level - slope + (1 - a) * (la + sa)
        nb = (1 - b + b - a) * (lb + sb)
        sa = b * (na - la) + (1 - b) * sa
        sb = now - level - slope + b * (nb - lb) + (1 - b) * sb
        slope = b * (now - level) + (1 - b) * slope
        level, la, lb = now, na, nb
    return g
"""

RISKS = """
X, EVENT = DRAWN.normal(size=(7, 3)), np.array([0.0, 1, 1, 0, 1, 1, 1])
START = DRAWN.normal(size=3)
SEEN = []

def loss(w):
    z = X @ w
    return -np.sum(EVENT * (z - np.log2(np.cumsum(2 ** z[::-1])[::-1])))

def grad(w):
    each = 2 ** (X @ w)
    risk = np.cumsum(each[::-1])[::-1]
    weighted = np.cumsum((each[:, None] * X)[::-1], axis=0)[::-1]
    made = -np.sum(EVENT[:, None] * (X - weighted / risk[:, None]), axis=0)
    SEEN.append(made)
    return made
"""

HOPS = """
X, Y = DRAWN.normal(size=(5, 3)), DRAWN.normal(size=(5, 2))
NEAR = DRAWN.normal(size=(5, 5))
START = [DRAWN.normal(size=(3, 4)), DRAWN.normal(size=(4, 2))]

def loss(p):
    return np.sum((NEAR @ np.maximum(X @ p[0], 0) @ p[1] - Y) ** 2)

def grad(p):
    h = np.maximum(X @ p[0], 0)
    d = 2 * (NEAR @ h @ p[1] - Y)
    back = NEAR.T @ (d @ p[1].T)
    back[h <= 0] = 0
    return [X.T @ back, (NEAR @ h).T @ d]
"""

SHARES = """
NEAR = DRAWN.uniform(size=(5, 5))
NEAR = np.triu(NEAR, 1) + np.triu(NEAR, 1).T
NEAR /= NEAR.sum()
START = DRAWN.normal(size=(5, 2))

def kept(at):
    squares = np.sum(at**2, axis=1)
    close = np.exp(2 * at @ at.T - squares[:, None] - squares) * (1 - np.eye(5))
    return close / close.sum()

def loss(at):
    return -np.sum(NEAR * np.log(kept(at) + np.eye(5)))

def grad(at):
    pull = NEAR - kept(at)
    return 4 * (pull[:, :, None] * (at[:, None] - at)).sum(axis=1)
"""

EPISODES = """
EPISODES = [(DRAWN.normal(size=(n, 3)), DRAWN.normal(size=n)) for n in (4, 3, 5)]
START = DRAWN.normal(size=(3, 3))

def sums(rewards):
    made, later = np.zeros(len(rewards)), 0.0
    for t in reversed(range(len(rewards))):
        later = rewards[t] + 0.9 * later
        made[t] = later
    return made

def shares(x, w):
    made = np.exp(x @ w)
    return made / made.sum(axis=1, keepdims=True)

def loss(w):
    total = 0.0
    for x, rewards in EPISODES:
        p = shares(x, w)
        total += np.sum(np.log(p[:, 0]) * sums(rewards)) + 0.3 * np.sum(p * np.log(p))
    return total / len(EPISODES)

def grad(w):
    g = np.zeros_like(w)
    for x, rewards in EPISODES:
        p, after = shares(x, w), sums(rewards)
        target = after[:, None]
        d = np.array([1, 0, 0]) * target - p * target
        mean = np.sum(p * np.log(p), axis=1, keepdims=True)
        d += 0.3 * p * (np.log(p) - mean)
        g += x.T @ d
    return g / len(EPISODES)
"""

GATES = """
X = DRAWN.normal(size=(6, 4))
START = DRAWN.normal(size=(4, 2))

def gates(w):
    z = X @ w
    return np.tanh(z[:, 0]), 1 / (1 + np.exp(-z[:, 1]))

def loss(w):
    a, b = gates(w)
    return np.sum(a * b)

def grad(w):
    a, b = gates(w)
    return X.T @ np.stack([b * (1 - a**2), a * b * (1 - b)], axis=1)
"""

LEVELS = """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 4))
FIRST, SECOND = np.array([0, 2, 2, 3, 0, 1]), np.array([1, 1, 0, 3, 0, 0])
START = {"level": DRAWN.normal(size=4), "keep": DRAWN.normal(size=4), "start": np.ones(4)}
HOLD = 0.3

def loss(p):
    level, keep, start = p["level"], p["keep"], p["start"]
    h, total = start, HOLD * np.sum(np.cosh(level) + np.cosh(keep))
    for x in X:
        h = np.sin(level * x + keep * h)
        total = total + np.sum(h)
    return total + np.sum(np.sinh(start[FIRST]) + np.cosh(start[SECOND]))

def grad(p):
    level, keep, start = p["level"], p["keep"], p["start"]
    h, kept = start, []
    for x in X:
        kept.append((x, h))
        h = np.sin(level * x + keep * h)
    dlevel, dkeep, dstart = np.zeros(4), np.zeros(4), np.zeros(4)
    later = np.zeros(4)
    for x, h in reversed(kept):
        d = (1 + later) * np.cos(level * x + keep * h)
        dlevel += d * x
        dkeep += d * h
        later = d * keep
    dlevel += HOLD * np.sinh(level)
    dkeep += HOLD * np.sinh(keep)
    one, other = np.cosh(start[FIRST]), np.sinh(start[SECOND])
    np.add.at(dstart, FIRST, one)
    np.add.at(dstart, SECOND, other)
    return {"level": dlevel, "keep": dkeep, "start": dstart + later}
"""

LINE = """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 3))
START = {"w": DRAWN.normal(size=(3, 4)), "b": np.ones(3)}

def loss(p):
    return sum(np.sum(np.cosh(p["w"] @ x + p["b"] - y)) for x, y in zip(X, Y))

def grad(p):
    dw, db = np.zeros((3, 4)), np.zeros(3)
    for x, y in zip(X, Y):
        d = np.sinh(p["w"] @ x + p["b"] - y)
        for i in range(3):
            dw[i] += d[i] * x
            db[i] += d[i]
    return {"w": dw, "b": db}
"""

TABLE = """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 4))
START = {"u": DRAWN.normal(size=(3, 4)), "v": DRAWN.normal(size=(3, 4))}

def loss(p):
    return sum(np.sum(np.sin(p["u"] @ x) * np.cosh(p["v"] @ (x * y))) for x, y in zip(X, Y))

def grad(p):
    g = {name: np.zeros((3, 4)) for name in p}
    for x, y in zip(X, Y):
        a, b = np.sin(p["u"] @ x), np.cosh(p["v"] @ (x * y))
        da, db = np.cos(p["u"] @ x), np.sinh(p["v"] @ (x * y))
        for name, up, at in (("u", da * b, x), ("v", db * a, x * y)):
            g[name] += np.outer(up, at)
    return g
"""

CUBES = """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 4))
START = DRAWN.normal(size=(4, 4))

def curve(z):
    return 0.5 * z * (1 + np.tanh(0.8 * (z + 0.04 * z**3)))

def slope(z):
    t = np.tanh(0.8 * (z + 0.04 * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * 0.8 * (1 + 0.04 * 3 * z**2)

def loss(w):
    return np.sum(np.sinh(curve(X @ w)) * Y)

def grad(w):
    return X.T @ (np.cosh(curve(X @ w)) * Y * slope(X @ w))
"""

PAIRED = """
X, Y = DRAWN.normal(size=(2, 5, 4)), DRAWN.normal(size=(2, 5, 3))
START = DRAWN.normal(size=(4, 3))

def loss(w):
    return np.sum(np.sinh(np.einsum("bid,bjd->bij", X @ w, Y)))

def grad(w):
    up = np.cosh(np.einsum("bid,bjd->bij", X @ w, Y))
    dz = np.einsum("bij,bjd->bid", up, Y)
    return np.einsum("bia,bid->ad", X, dz)
"""

POOLED = """
X, Y = DRAWN.normal(size=(2, 6, 6)), DRAWN.normal(size=(2, 3, 3))
START = DRAWN.normal(size=(6, 6))

def loss(w):
    z, total = np.maximum(X @ w - 1, 0), 0
    for n in range(2):
        for i in range(3):
            for j in range(3):
                total += np.max(z[n, 2 * i:2 * i + 2, 2 * j:2 * j + 2]) * Y[n, i, j]
    return total

def grad(w):
    z = np.maximum(X @ w - 1, 0)
    dz, dw = np.zeros_like(z), np.zeros_like(w)
    for n in range(2):
        for i in range(3):
            for j in range(3):
                window = z[n, 2 * i:2 * i + 2, 2 * j:2 * j + 2]
                mask = window == np.max(window)
                dz[n, 2 * i:2 * i + 2, 2 * j:2 * j + 2] += Y[n, i, j] * mask
    d = dz * (z > 0)
    for i in range(6):
        for j in range(6):
            dw[i, j] = np.sum(X[:, :, i] * d[:, :, j])
    return dw
"""

FLAT = """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 3))
START = DRAWN.normal(size=17)

def loss(theta):
    return np.sum(np.sinh(X @ theta[:12].reshape(4, 3) + theta[12:15]) * Y) + theta[15] * theta[16]

def grad(theta):
    up = np.cosh(X @ theta[:12].reshape(4, 3) + theta[12:15]) * Y
    dw, db = X.T @ up, up.sum(axis=0)
    return np.concatenate([dw.ravel(), db, theta[[16, 15]]])
"""

TWO_OF_A_DICT = """
X = DRAWN.normal(size=(6, 4))
START = {"a": DRAWN.normal(size=(4, 4)), "b": DRAWN.normal(size=(4, 4))}

def loss(p):
    return np.sum(np.sinh(X @ p["a"]) * np.cosh(X @ p["b"]))

def grad(p):
    da = np.cosh(X @ p["a"]) * np.cosh(X @ p["b"])
    db = np.sinh(X @ p["a"]) * np.sinh(X @ p["b"])
    return {"a": X.T @ da, "b": X.T @ db}
"""

KEYS = """
X, Y = DRAWN.normal(size=(6, 3)), DRAWN.normal(size=(6, 3))
START = {"V1": DRAWN.normal(size=(3, 3)), "V2": DRAWN.normal(size=(3, 3))}

def forward(p):
    kept = {"h0": X}
    for n in (1, 2):
        kept[f"z{n}"] = kept[f"h{n - 1}"] @ p[f"V{n}"]
        kept[f"h{n}"] = np.tanh(kept[f"z{n}"])
    return kept

def loss(p):
    return np.sum(forward(p)["h2"] * Y)

def grad(p):
    kept, g = forward(p), {}
    d = Y * (1 - kept["h2"] ** 2)
    for n in (2, 1):
        g[f"V{n}"] = (kept["h" + str(n - 1)] if n > 1 else X).T @ d
        if n > 1:
            d = d @ p[f"V{n}"].T / np.cosh(kept[f"z{n - 1}"]) ** 2
    return g
"""

PROGRAMS = {
    "shares of a whole": (SHARES, "NEAR - kept(at)", "kept(at) - NEAR"),
    "a term taken off in a factor": (SMOOTHED, "b * (nb - lb)", "b * nb"),
    "a square matrix": (HOPS, "NEAR.T @ (d @ p[1].T)", "d @ p[1].T"),
    "a statement for another name": (LEVELS, "    dkeep += HOLD * np.sinh(keep)\n", ""),
    "a value that is never added": (LEVELS, "    np.add.at(dstart, SECOND, other)\n", ""),
    "what the next pass is handed": (LEVELS, "        later = d * keep\n", ""),
    "a bias that no pass adds to": (LINE, "            db[i] += d[i]\n", ""),
    "a factor in a table that a loop reads": (TABLE, "db * a, x * y", "db * a, y"),
    "letters of an einsum": (PAIRED, "bij,bjd->bid", "bij,bid->bjd"),
    "the exponent as a factor": (CUBES, "0.04 * 3 * z**2", "0.04 * z**2"),
    "a mask in loops whose counters count more": (POOLED, "Y[n, i, j] * mask", "Y[n, i, j]"),
    "a mask of what is cut off": (POOLED, "    d = dz * (z > 0)\n", "    d = dz\n"),
    "parts that are joined in another order": (FLAT, "dw.ravel(), db,", "db, dw.ravel(),"),
    "two values of a dict": (TWO_OF_A_DICT, 'da, "b": X.T @ db', 'db, "b": X.T @ da'),
    "the slope of tanh": (GATES, "b * (1 - a**2)", "b * a * (1 - a)"),
    "the slope of a sigmoid": (GATES, "a * b * (1 - b)", "a * (1 - b**2)"),
    "a number in a key": (KEYS, '(kept[f"z{n - 1}"])', '(kept[f"z{n}"])'),
    "a number in a text": (KEYS, "str(n - 1)", "str(n)"),
    "the name in a key": (KEYS, '(kept[f"z{n - 1}"])', '(kept[f"h{n - 1}"])'),
    "a list that is never begun anew": (
        VECTORS
        + """
MADE = []

def loss(w):
    return np.sum(np.cosh(X @ w - Y))

def grad(w):
    MADE = []
    for x, y in zip(X, Y):
        MADE.append(np.sinh(x @ w - y) * x)
    return np.sum(MADE, axis=0)
""",
        "    MADE = []\n",
        "",
    ),
    "an attribute that a method adds to": (
        VECTORS
        + """
class Sums:
    def __init__(self):
        self.g = np.zeros(4)

    def add(self, x, up):
        self.g += up * x

SUMS = Sums()

def loss(w):
    return np.sum(np.cosh(X @ w - Y))

def grad(w):
    SUMS.g = np.zeros(4)
    for x, y in zip(X, Y):
        SUMS.add(x, np.sinh(x @ w - y))
    return SUMS.g
""",
        "    SUMS.g = np.zeros(4)\n",
        "",
    ),
    "a sum along what was broadcast": (
        """
CUBE = np.reshape(np.arange(24.0) % 7 - 3, (2, 3, 4)) / 5
START = np.linspace(-1, 1, 6).reshape(2, 3, 1)

def loss(gates):
    return np.sum(np.sin(CUBE * np.tanh(gates)))

def grad(gates):
    gated = np.tanh(gates)
    back = (np.cos(CUBE * gated) * CUBE).sum(axis=2, keepdims=True)
    return back * (1 - gated**2)
""",
        "(np.cos(CUBE * gated) * CUBE).sum(axis=2, keepdims=True)",
        "np.cos(CUBE * gated) * CUBE",
    ),
    "a running sum that goes back": (
        RISKS,
        "np.cumsum((each[:, None] * X)[::-1], axis=0)[::-1]",
        "np.cumsum(each[:, None] * X, axis=0)",
    ),
    "a result for the sum of all": (RISKS, "return made", "return sum(SEEN)"),
    # name: (program, right text, wrong text)
    "a conjugate left out": (WAVES, "A.conj().T", "A.T"),
    "a transform that is not turned round": (SPECTRAL, "np.fft.ifft(", "np.fft.fft("),
    "a conjugate too many": (WAVES, "@ rest", "@ np.conj(rest)"),
    "a transpose of many axes": (STACKED, "X.transpose(0, 2, 1) @ up", "X @ up"),
    "a transpose of many axes too many": (STACKED, "@ up,", "@ up.transpose(0, 2, 1),"),
    "a sum that is never begun anew": (
        VECTORS
        + """
TOTAL = np.zeros(4)

def loss(w):
    return np.sum(np.cosh(X @ w - Y))

def grad(w):
    TOTAL[...] = 0
    for x, y in zip(X, Y):
        TOTAL[...] += np.sinh(x @ w - y) * x
    return TOTAL
""",
        "    TOTAL[...] = 0\n",
        "",
    ),
    "two indices in the wrong order": (
        """
START = DRAWN.normal(size=(3, 3))
PATH = [0, 2, 2, 1, 0]

def loss(a):
    return np.sum(np.cosh(a)) - sum(a[one, two] for one, two in zip(PATH, PATH[1:]))

def grad(a):
    g = np.sinh(a)
    for one, two in zip(PATH, PATH[1:]):
        g[one, two] -= 1
    return g
""",
        "g[one, two] -= 1",
        "g[two, one] -= 1",
    ),
    "a bracket that ends too soon": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.exp(X @ w - Y))

def grad(w):
    return X.T @ np.exp(X @ w - Y)
""",
        "X.T @ np.exp(X @ w - Y)",
        "X.T @ (np.exp(X @ w) - Y)",
    ),
    "the root of a width": (
        """
X, Y = DRAWN.normal(size=(6, 5)), DRAWN.normal(size=(6, 5))
START = DRAWN.normal(size=(5, 4))

def scores(w):
    return X @ w / np.sqrt(w.shape[1])

def loss(w):
    return np.sum(np.sin(scores(w) @ w.T) * Y)

def grad(w):
    up = np.cos(scores(w) @ w.T) * Y
    down = up @ w / np.sqrt(w.shape[1])
    return X.T @ down + up.T @ scores(w)
""",
        "down = up @ w / np.sqrt(w.shape[1])",
        "down = up @ w",
    ),
    "the mean of a list that each pass has": (
        """
START = DRAWN.normal(size=5)
BAGS = [np.array([0, 1]), np.array([2, 2, 4]), np.array([1, 3, 4, 0])]

def loss(w):
    return sum(np.cosh(w[bag].mean()) for bag in BAGS)

def grad(w):
    g = np.zeros_like(w)
    for bag in BAGS:
        np.add.at(g, bag, np.sinh(w[bag].mean()) / len(bag))
    return g
""",
        "np.sinh(w[bag].mean()) / len(bag))",
        "np.sinh(w[bag].mean()))",
    ),
    "the sign of a weight": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.cosh(X @ w - Y)) + 0.4 * np.sum(np.abs(w))

def grad(w):
    g = [0.0] * len(w)
    for j in range(len(w)):
        g[j] = np.sinh(X @ w - Y) @ X[:, j] + 0.4 * (1 if w[j] > 0 else -1)
    return np.array(g)
""",
        "0.4 * (1 if w[j] > 0 else -1)",
        "0.4 * w[j]",
    ),
    "a quotient of a sum in brackets": (
        VECTORS
        + """
def loss(w):
    z = X @ w
    return np.sum(np.sqrt(2 + np.sin(z) - z * np.cos(z)))

def grad(w):
    z = X @ w
    root = np.sqrt(2 + np.sin(z) - z * np.cos(z))
    return X.T @ ((np.cos(z) - np.cos(z) + z * np.sin(z)) / root / 2)
""",
        "/ root / 2",
        "* root / 2",
    ),
    "entries that come twice, and are put there": (
        TWICE,
        "np.add.at(g, ROWS, Y * np.cosh(w[ROWS] * Y))",
        "g[ROWS] = Y * np.cosh(w[ROWS] * Y)",
    ),
    "a penalty whose weight is a number": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.cosh(X @ w - Y)) + 0.03 * np.sum(w**2)

def grad(w):
    down = X.T @ np.sinh(X @ w - Y)
    return down + 2 * 0.03 * w
""",
        "return down + 2 * 0.03 * w",
        "return down",
    ),
    "a penalty on what is no bias": (
        """
X, Y, WEIGHT = DRAWN.normal(size=(7, 3)), DRAWN.normal(size=(7, 2)), 0.6
START = DRAWN.normal(size=(2, 4))

def widened():
    return np.hstack([np.ones((len(X), 1)), X])

def loss(t):
    return np.sum(np.cosh(widened() @ t.T - Y)) + WEIGHT / 2 * np.sum(t[:, 1:] ** 2)

def grad(t):
    found = np.sinh(widened() @ t.T - Y).T @ widened()
    found[:, 1:] += WEIGHT * t[:, 1:]
    return found
""",
        "found[:, 1:] += WEIGHT * t[:, 1:]",
        "found += WEIGHT * t",
    ),
    "the number of entries for that of rows": (
        """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 3))
START = DRAWN.normal(size=(4, 3))

def loss(w):
    return np.mean(np.cosh(X @ w - Y))

def grad(w):
    off = np.sinh(X @ w - Y)
    return X.T @ off / off.size
""",
        "/ off.size",
        "/ len(off)",
    ),
    "a factor at another entry": (
        """
XS, YS = [(float(a), float(b)) for a, b in DRAWN.normal(size=(9, 2))], [1.0, 0.0, 2.0] * 3
START = [0.4, -0.3]

def loss(w):
    return sum((w[0] * x[0] + w[1] * x[1] - y) ** 2 for x, y in zip(XS, YS))

def grad(w):
    dw = [0.0, 0.0]
    for x, y in zip(XS, YS):
        miss = 2 * (w[0] * x[0] + w[1] * x[1] - y)
        dw[0] += miss * x[0]
        dw[1] += miss * x[1]
    return dw
""",
        "dw[1] += miss * x[1]",
        "dw[1] += miss",
    ),
    "a name of a list that a helper cannot use": (
        VECTORS
        + """
def bent(z):
    return 1 / np.exp(-z)

def loss(w):
    return np.sum(np.exp(X @ w - Y))

def grad(w):
    kept = []
    for x, y in zip(X, Y):
        z = x @ w - y
        kept.append(z)
        kept[-1] = bent(z) * x
    return sum(kept)
""",
        "bent(z) * x",
        "bent(kept) * x",
    ),
    "a slice from the other end": (
        """
Y, START = DRAWN.normal(size=2), DRAWN.normal(size=4)

def loss(w):
    return np.sum(np.sinh(w[:2] * Y))

def grad(w):
    g = np.zeros_like(w)
    g[:2] = Y * np.cosh(w[:2] * Y)
    return g
""",
        "g[:2] =",
        "g[2:] =",
    ),
    "an index from the end": (
        """
START = DRAWN.normal(size=5)

def loss(w):
    return sum(np.sin(w[i]) * np.exp(w[-i]) for i in range(1, 3))

def grad(w):
    g = np.zeros_like(w)
    for i in range(1, 3):
        g[i] += np.cos(w[i]) * np.exp(w[-i])
        g[-i] += np.sin(w[i]) * np.exp(w[-i])
    return g
""",
        "g[-i] +=",
        "g[i] +=",
    ),
    "a penalty on a bias": (
        VECTORS
        + """
def loss(w):
    return 0.5 * np.sum((X @ w - Y) ** 2) + 0.3 * np.sum(w[1:] ** 2)

def grad(w):
    shrunk = 0.6 * w
    shrunk[0] = 0
    return X.T @ (X @ w - Y) + shrunk
""",
        "    shrunk[0] = 0\n",
        "",
    ),
    "a loop that goes back": (
        """
START = [DRAWN.normal(size=(3, 3)), DRAWN.normal(size=(3, 3)), DRAWN.normal(size=(3, 3))]
X = DRAWN.normal(size=3)

def passed(ws):
    values = [X]
    for w in ws:
        values.append(np.tanh(values[-1] @ w))
    return values

def loss(ws):
    return np.sum(passed(ws)[-1] ** 2)

def grad(ws):
    values = passed(ws)
    up, made = 2 * values[-1], {}
    for i in reversed(range(3)):
        up = up * (1 - values[i + 1] ** 2)
        made[i] = np.outer(values[i], up)
        up = up @ ws[i].T
    return [made[i] for i in range(3)]
""",
        "in reversed(range(3)):",
        "in range(3):",
    ),
    "a slope that stands beside": (
        """
START = {"top": DRAWN.normal(size=3), "low": DRAWN.normal(size=3)}
X, Y = DRAWN.normal(size=3), 0.3

def squash(z):
    return 1 / (1 + np.exp(-z))

def loss(p):
    return 0.5 * (squash(p["top"] @ squash(p["low"] * X)) - Y) ** 2

def grad(p):
    h = squash(p["low"] * X)
    out = squash(p["top"] @ h)
    off = out - Y
    low = off * out * (1 - out) * p["top"] * h * (1 - h) * X
    top = off * h * out * (1 - out)
    return {"top": top, "low": low}
""",
        "off * h * out * (1 - out)\n",
        "off * h\n",
    ),
    "a bound for a mask": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.maximum(X @ w, 0) * Y)

def grad(w):
    z = X @ w
    up = Y * (z > 0)
    return X.T @ up
""",
        "Y * (z > 0)",
        "np.maximum(0, Y)",
    ),
    "a return in a loop": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.cosh(X @ w))

def grad(w):
    total = np.zeros(4)
    for row in X:
        total += np.sinh(row @ w) * row
    return total
""",
        "    return total",
        "        return total",
    ),
    "a reversed kernel": (
        """
SIGNAL, START = DRAWN.normal(size=9), DRAWN.normal(size=4)

def loss(k):
    return np.sum(np.cosh(np.convolve(SIGNAL, k, mode="valid")))

def grad(k):
    up = np.sinh(np.convolve(SIGNAL, k, mode="valid"))
    return np.correlate(SIGNAL, up, mode="valid")[::-1]
""",
        'up, mode="valid")[::-1]',
        'up, mode="valid")',
    ),
    "an operator in place": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.sin(X @ w) / Y**2)

def grad(w):
    up = np.cos(X @ w)
    up /= Y**2
    return up @ X
""",
        "up /= Y**2",
        "up *= Y**2",
    ),
    "brackets around a comparison": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.maximum(X @ w, 0) * Y)

def masked(up, z):
    return up * (z > 0)

def grad(w):
    return X.T @ masked(Y, X @ w)
""",
        "up * (z > 0)",
        "up * z > 0",
    ),
    "brackets around an exponent": (
        VECTORS
        + """
def loss(w):
    return np.sum((X @ w) ** 4 * Y)

def slope(n, z):
    return n * z ** (n - 1)

def grad(w):
    return X.T @ (Y * slope(4, X @ w))
""",
        "n * z ** (n - 1)",
        "n * z ** n - 1",
    ),
    "brackets around a denominator": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.arctan(X @ w / Y))

def grad(w):
    z = X @ w / Y
    return X.T @ (1 / (Y * (1 + z**2)))
""",
        "1 / (Y * (1 + z**2))",
        "1 / Y * (1 + z**2)",
    ),
    "a factor in a call": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.cosh(3 * (X @ w)))

def grad(w):
    triple = 3.0
    return triple * X.T @ np.sinh(triple * (X @ w))
""",
        "np.sinh(triple * (X @ w))",
        "np.sinh(X @ w)",
    ),
    "a strength in one term": (
        VECTORS
        + """
class Ridge:
    def __init__(self):
        self.pull = 0.37

    def loss(self, w):
        return np.sum(np.exp(X @ w)) + self.pull * np.sum(w**4)

    def grad(self, w):
        return X.T @ np.exp(X @ w) + self.pull * (4 * w**3)

ridge = Ridge()
loss, grad = ridge.loss, ridge.grad
""",
        "self.pull * (4 * w**3)",
        "4 * w**3",
    ),
    "a statement that is missing": (
        VECTORS
        + """
def loss(w):
    return np.mean((X @ w - Y) ** 4)

def grad(w):
    count = len(Y)
    d = X @ w - Y
    d = 4 * d**3
    d /= count
    return X.T @ d
""",
        "    d /= count\n",
        "",
    ),
    "entries that come twice": (
        TWICE,
        "np.add.at(g, ROWS, Y * np.cosh(w[ROWS] * Y))",
        "g[ROWS] += Y * np.cosh(w[ROWS] * Y)",
    ),
    "another list": (
        """
X = DRAWN.normal(size=(5, 3))
START = [DRAWN.normal(size=(3, 3)), DRAWN.normal(size=(3, 3))]

def walk(ws):
    raw, bent = [], [X]
    for w in ws:
        raw.append(bent[-1] @ w)
        bent.append(np.arctan(raw[-1]))
    return raw, bent

def loss(ws):
    return np.sum(walk(ws)[1][-1] ** 2)

def grad(ws):
    raw, bent = walk(ws)
    up, out = 2 * bent[-1], [None, None]
    for i in (1, 0):
        d = up / (1 + raw[i] ** 2)
        out[i] = bent[i].T @ d
        up = d @ ws[i].T
    return out
""",
        "out[i] = bent[i].T",
        "out[i] = raw[i].T",
    ),
    "a lambda in a table": (
        VECTORS
        + """
BENDS = {"log": lambda up, z: up / (3 + z), "cos": lambda up, z: -up * np.sin(z)}

def loss(w):
    return Y @ np.cos(X @ w)

def grad(w):
    return X.T @ BENDS["cos"](Y, X @ w)
""",
        "-up * np.sin(z)",
        "-np.sin(z)",
    ),
    "closures with default arguments": (
        VECTORS
        + """
def taped(w):
    z = X @ w

    def back(up, z=z):
        return X.T @ (up * np.exp(z))

    return np.exp(z), [back]

def loss(w):
    return np.sum(taped(w)[0])

def grad(w):
    out, tape = taped(w)
    return tape.pop()(np.ones_like(out))
""",
        "up * np.exp(z)",
        "up * z",
    ),
    "objects that are made in the gradient": (
        VECTORS
        + """
class Bend:
    def forward(self, z):
        self.z = z
        return np.sin(z)

    def backward(self, up):
        return up * np.cos(self.z)

def loss(w):
    return np.sum(Bend().forward(X @ w) * Y)

def grad(w):
    bend = Bend()
    bend.forward(X @ w)
    return X.T @ bend.backward(Y)
""",
        "np.cos(self.z)",
        "np.sin(self.z)",
    ),
    "a statement after the branch that it belongs into": (
        VECTORS
        + """
def loss(w):
    return sum(max(0.0, 0.4 - y * (x @ w)) for x, y in zip(X, np.sign(Y)))

def grad(w):
    dw = np.zeros(4)
    for x, y in zip(X, np.sign(Y)):
        for margin in [0.4 - y * (x @ w)]:
            if margin > 0:
                side = y
                dw -= side * x
    return dw
""",
        "                dw -=",
        "        dw -=",
    ),
    "one entry of what a loop adds to": (
        """
SEEN = [(0, 1, 2.0), (1, 0, -1.0), (2, 1, 0.5), (0, 0, 1.5), (3, 1, 1.0), (2, 0, 0.7)]
START = [DRAWN.normal(size=4), DRAWN.normal(size=2)]

def loss(p):
    return sum(np.cosh(p[0][i] + p[1][j] - v) for i, j, v in SEEN)

def grad(p):
    dp, dq = np.zeros(4), np.zeros(2)
    for i, j, v in SEEN:
        gap = np.sinh(p[0][i] + p[1][j] - v)
        dp[i] += gap
        dq[j] += gap
    return [dp, dq]
""",
        "dp[i] += gap\n        dq[j]",
        "dp += gap\n        dq",
    ),
    "an update after what should read it": (
        """
STEPS = DRAWN.normal(size=(4, 3))
START = DRAWN.normal(size=3)

def states(w):
    made = [np.ones(3)]
    for step in STEPS:
        made.append(np.tanh(w * made[-1]) + step)
    return made

def loss(w):
    return sum(np.sum(one**3) for one in states(w)[1:])

def grad(w):
    made, up, total = states(w), np.zeros(3), np.zeros(3)
    for before, after in zip(made[-2::-1], made[:0:-1]):
        up += 3 * after**2
        slope = 1 - np.tanh(w * before) ** 2
        total += up * slope * before
        up = up * slope * w
    return total
""",
        """        up += 3 * after**2
        slope = 1 - np.tanh(w * before) ** 2
        total += up * slope * before
""",
        """        slope = 1 - np.tanh(w * before) ** 2
        total += up * slope * before
        up += 3 * after**2
""",
    ),
    "a statement for one of two parameters": (
        """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 2))
START = {"inner": DRAWN.normal(size=(4, 3)), "outer": DRAWN.normal(size=(3, 2))}

def loss(p):
    made = np.sum(np.cosh(np.sin(X @ p["inner"]) @ p["outer"] - Y)) / len(X)
    return made + 0.03 * np.sum(p["inner"] ** 4) + 0.03 * np.sum(p["outer"] ** 4)

def grad(p):
    g = {}
    s = np.sin(X @ p["inner"])
    back = np.sinh(s @ p["outer"] - Y)
    g["outer"] = s.T @ back
    g["inner"] = X.T @ (back @ p["outer"].T * np.cos(X @ p["inner"]))
    for name in g:
        g[name] /= len(X)
    g["inner"] += 0.12 * p["inner"] ** 3
    g["outer"] += 0.12 * p["outer"] ** 3
    return g
""",
        '    g["outer"] += 0.12 * p["outer"] ** 3\n',
        "",
    ),
    "the mean of the rows that a list picks": (
        """
TABLE = DRAWN.normal(size=(7, 3))
PICKS = [[0, 3, 1], [2, 5, 5], [6, 1, 4]]
START = TABLE

def loss(table):
    return sum(np.sum(np.sin(table[picked].mean(axis=0))) for picked in PICKS)

def grad(table):
    made = np.zeros(table.shape)
    for picked in PICKS:
        mean = table[picked].mean(axis=0)
        back = np.cos(mean)
        for one in picked:
            made[one] += back / len(picked)
    return made
""",
        "back / len(picked)",
        "back",
    ),
    "what one side of a grid gets": (
        """
SEEN = DRAWN.normal(size=7)
START = DRAWN.normal(size=7)

def bends(u):
    made = np.zeros_like(u)
    made[1:-1] = u[2:] - 2 * u[1:-1] + u[:-2]
    return made

def loss(u):
    return np.sum(np.cosh(0.3 * bends(u) - SEEN))

def spread(v):
    made = np.zeros_like(v)
    made[2:] += v[1:-1]
    made[1:-1] -= 2 * v[1:-1]
    made[:-2] += v[1:-1]
    return made

def grad(u):
    return spread(0.3 * np.sinh(0.3 * bends(u) - SEEN))
""",
        "    made[:-2] += v[1:-1]\n",
        "",
    ),
    "the share that is kept of a rate of change": (
        """
SEEN = DRAWN.normal(size=5)
START = np.array([0.6, -0.8])

def loss(p):
    level, spread, total = 0.2, 1.0, 0.0
    for one in SEEN:
        spread = spread + p[0] ** 2
        whole = spread + p[1] ** 2
        total += np.log(whole) + (one - level) ** 2 / whole
        gain = spread / whole
        level, spread = level + gain * (one - level), (1 - gain) * spread
    return total

def grad(p):
    level, spread, total = 0.2, 1.0, np.zeros(2)
    d_level, d_spread = np.zeros(2), np.zeros(2)
    for one in SEEN:
        d_spread = d_spread + np.array([2 * p[0], 0.0])
        spread = spread + p[0] ** 2
        whole = spread + p[1] ** 2
        d_whole = d_spread + np.array([0.0, 2 * p[1]])
        miss = one - level
        total += d_whole / whole - 2 * miss * d_level / whole - miss**2 * d_whole / whole**2
        gain = spread / whole
        d_gain = d_spread / whole - spread * d_whole / whole**2
        d_level = (1 - gain) * d_level + d_gain * miss
        d_spread = (1 - gain) * d_spread - d_gain * spread
        level, spread = level + gain * miss, (1 - gain) * spread
    return total
""",
        "d_level = (1 - gain) * d_level",
        "d_level = d_level",
    ),
    "the names of a row and a column": (
        """
IMAGES = DRAWN.normal(size=(3, 4, 6))
UP = DRAWN.normal(size=(3, 2, 3))
START = DRAWN.normal(size=(4, 6))

def cells(a):
    return a.reshape(3, 2, 2, 3, 2).transpose(0, 1, 3, 2, 4).reshape(3, 2, 3, 4)

def loss(w):
    return np.sum(UP * cells(np.sin(w * IMAGES)).max(axis=-1))

def grad(w):
    best = cells(np.sin(w * IMAGES)).argmax(axis=-1)
    back = np.zeros_like(IMAGES)
    for n, i, j in np.ndindex(*UP.shape):
        down, along = best[n, i, j] // 2, best[n, i, j] % 2
        back[n, 2 * i + down, 2 * j + along] = UP[n, i, j]
    return np.sum(back * np.cos(w * IMAGES) * IMAGES, axis=0)
""",
        "2 * i + down, 2 * j + along",
        "2 * i + along, 2 * j + down",
    ),
    "the power of a width": (
        VECTORS
        + """
START = DRAWN.uniform(0.7, 1.4, size=4)

def loss(w):
    return np.sum(np.exp(-(X**2) / (2 * w**2)) * Y[:, None])

def grad(w):
    held = np.exp(-(X**2) / (2 * w**2)) * Y[:, None]
    return np.sum(held * X**2, axis=0) / w**3
""",
        "/ w**3",
        "/ w**2",
    ),
    "a sign that is a size": (
        VECTORS
        + """
def loss(w):
    rest = X @ w - Y
    return np.sum(np.where(np.abs(rest) < 0.7, rest**2 / 2, 0.7 * np.abs(rest) - 0.245))

def grad(w):
    rest = X @ w - Y
    return X.T @ np.where(np.abs(rest) < 0.7, rest, 0.7 * np.sign(rest))
""",
        "0.7 * np.sign(rest)",
        "0.7 * np.abs(rest)",
    ),
    "a state that is added to": (
        """
XS, UP = DRAWN.normal(size=(4, 3)), DRAWN.normal(size=(4, 3))
START = DRAWN.normal(size=(3, 3)) / 2

def states(w):
    made = [np.zeros(3)]
    for x in XS:
        made.append(np.tanh(w @ made[-1] + x))
    return made

def loss(w):
    return sum(up @ h for up, h in zip(UP, states(w)[1:]))

def grad(w):
    made, total, back = states(w), np.zeros_like(w), np.zeros(3)
    for t in reversed(range(len(XS))):
        d = (UP[t] + back) * (1 - made[t + 1] ** 2)
        total += np.outer(d, made[t])
        back = w.T @ d
    return total
""",
        "back = w.T @ d",
        "back += w.T @ d",
    ),
    "a size where a number stands": (
        VECTORS
        + """
START = np.append(START, 0.3)

def loss(p):
    rest = (X @ p[:-1] - Y) / np.exp(p[-1])
    return np.sum(np.log1p(rest**2)) + len(Y) * p[-1]

def grad(p):
    rest = (X @ p[:-1] - Y) / np.exp(p[-1])
    pull = 2 * rest / (1 + rest**2)
    return np.append(X.T @ pull / np.exp(p[-1]), len(Y) - pull @ rest)
""",
        "len(Y) - pull @ rest",
        "1 - pull @ rest",
    ),
    "a factor inside a call": (
        """
START, HELD = DRAWN.uniform(1, 2, size=7), DRAWN.normal(size=7)

def bent(u):
    return np.roll(u, 1) - 2 * u + np.append(u[1:], 0)

def turned(u):
    return np.roll(u, -1) - 2 * u + np.append(0, u[:-1])

def states(rates):
    made = [HELD]
    for _ in range(4):
        made.append(made[-1] + 0.2 * rates * bent(made[-1]))
    return made

def loss(rates):
    return np.sum(np.cosh(states(rates)[-1]))

def grad(rates):
    made, total = states(rates), np.zeros_like(rates)
    up = np.sinh(made[-1])
    for state in made[-2::-1]:
        total += 0.2 * up * bent(state)
        up = up + 0.2 * turned(rates * up)
    return total
""",
        "0.2 * turned(rates * up)",
        "0.2 * rates * turned(up)",
    ),
    "the name of what items are taken from": (EPISODES, "target = after[:", "target = rewards[:"),
    "a number for what is made and not read": (EPISODES, "(np.log(p) - mean)", "(np.log(p) + 1)"),
    "the mean of a product": (
        """
START, UP = DRAWN.normal(size=(3, 2, 4)), DRAWN.normal(size=(3, 2, 4))

def normed(x):
    inv = 1 / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-3)
    return (x - x.mean(axis=(1, 2), keepdims=True)) * inv, inv

def loss(x):
    return np.sum(UP * np.cos(normed(x)[0]))

def grad(x):
    y, inv = normed(x)
    d = -UP * np.sin(y)
    a = d.mean(axis=(1, 2), keepdims=True)
    b = (d * y).mean(axis=(1, 2), keepdims=True)
    return inv * (d - a - y * b)
""",
        "b = (d * y).mean(",
        "b = (d * y).sum(",
    ),
    "two sums that change places": (
        """
X, NEAR = DRAWN.normal(size=(5, 3)), DRAWN.normal(size=(5, 5))
START = {"W": DRAWN.normal(size=(3, 2)), "a": DRAWN.normal(size=2), "b": DRAWN.normal(size=2)}

def loss(p):
    h = X @ p["W"]
    return np.sum(np.cos((h @ p["a"])[:, None] + h @ p["b"]) * NEAR)

def grad(p):
    h = X @ p["W"]
    d = -np.sin((h @ p["a"])[:, None] + h @ p["b"]) * NEAR
    of_a, of_b = d.sum(axis=1), d.sum(axis=0)
    back = np.outer(of_a, p["a"]) + np.outer(of_b, p["b"])
    return {"W": X.T @ back, "a": h.T @ of_a, "b": h.T @ of_b}
""",
        "d.sum(axis=1), d.sum(axis=0)",
        "d.sum(axis=0), d.sum(axis=1)",
    ),
    "a last term of a sum": (
        """
START, HELD = DRAWN.normal(size=(3, 3)) / 2, DRAWN.normal(size=(4, 3))

def middle(y, w):
    return y + 0.3 * np.tanh(y @ w)

def states(w):
    made = [HELD]
    for _ in range(3):
        made.append(made[-1] + 0.6 * np.tanh(middle(made[-1], w) @ w))
    return made

def back(y, w, up):
    d = up * (1 - np.tanh(y @ w) ** 2)
    return d @ w.T, y.T @ d

def loss(w):
    return np.sum(np.cosh(states(w)[-1]))

def grad(w):
    made, g = states(w), np.zeros_like(w)
    up = np.sinh(made[-1])
    for y in made[-2::-1]:
        later, one = back(middle(y, w), w, 0.6 * up)
        first, other = back(y, w, 0.3 * later)
        g += one + other
        up = up + first + later
    return g
""",
        "up = up + first + later",
        "up = up + first",
    ),
    "items that are added to a list's": (
        VECTORS
        + """
V = [DRAWN.normal(size=4), DRAWN.normal(size=4)]

def loss(w):
    return sum(np.cosh(x @ w[0] + x * y @ w[1]) for x, y in zip(X, Y))

def slopes(w, x, y):
    d = np.sinh(x @ w[0] + x * y @ w[1])
    return [d * x, d * x * y]

def grad(w):
    total = [np.zeros(4), np.zeros(4)]
    for x, y in zip(X, Y):
        new = slopes(w, x, y)
        total = [t + n for t, n in zip(total, new)]
    return total

START = V
""",
        "total = [t + n for t, n in zip(total, new)]",
        "total = new",
    ),
    "an index that was kept": (
        """
X = DRAWN.normal(size=(5, 6))
START = {"w": DRAWN.normal(size=(5, 6)), "v": DRAWN.normal(size=15)}

def loss(p):
    return np.cosh((X * p["w"]).reshape(5, 3, 2).max(axis=2).ravel() @ p["v"])

def grad(p):
    z, best, top, dz = X * p["w"], np.zeros((5, 3), int), np.zeros((5, 3)), np.zeros((5, 6))
    for i in range(5):
        for j in range(3):
            best[i, j] = 2 * j + np.argmax(z[i, 2 * j : 2 * j + 2])
            top[i, j] = z[i, best[i, j]]
    d = np.sinh(top.ravel() @ p["v"])
    back = (d * p["v"]).reshape(5, 3)
    for i in range(5):
        for j in range(3):
            dz[i, best[i, j]] += back[i, j]
    return {"w": dz * X, "v": d * top.ravel()}
""",
        "dz[i, best[i, j]] +=",
        "dz[i, 2 * j] +=",
    ),
    "a bracket around a difference": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.exp(X @ w) - X @ w)

def grad(w):
    g = np.zeros_like(w)
    for x in X:
        g += (np.exp(x @ w) - 1) * x
    return g
""",
        "(np.exp(x @ w) - 1) * x",
        "np.exp(x @ w) * x - 1",
    ),
    "the share that a pass hands on": (
        """
X, UP = DRAWN.normal(size=(4, 3)), DRAWN.normal(size=3)
START = DRAWN.normal(size=(3, 3)) / 2

def states(w):
    cells, gates = [np.ones(3)], []
    for x in X:
        gates.append(1 / (1 + np.exp(-x @ w)))
        cells.append(gates[-1] * cells[-1] + x)
    return cells, gates

def loss(w):
    cells, _ = states(w)
    return UP @ np.sin(cells[-1]) + 0.05 * np.sum(np.square(cells))

def grad(w):
    cells, gates = states(w)
    g, down = np.zeros_like(w), UP * np.cos(cells[-1])
    for t in reversed(range(len(X))):
        kept = gates[t]
        down = down + 0.1 * cells[t + 1]
        g += np.outer(X[t], down * cells[t] * kept * (1 - kept))
        down = down * kept
    return g
""",
        "        down = down * kept\n",
        "",
    ),
    "numbers that are to be shares": (
        """
X, START = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(4, 3))
LABELS = np.array([0, 2, 1, 1, 0, 2])

def loss(w):
    z = X @ w
    return np.sum(np.log(np.exp(z).sum(axis=1)) - z[np.arange(6), LABELS])

def grad(w):
    share = np.exp(X @ w)
    share /= share.sum(axis=1, keepdims=True)
    share[np.arange(6), LABELS] -= 1
    return X.T @ share
""",
        "    share /= share.sum(axis=1, keepdims=True)\n",
        "",
    ),
    "a mask of rows": (
        """
X, START = DRAWN.normal(size=(7, 4)), DRAWN.normal(size=(4, 3))
LABELS, SEEN = np.array([0, 2, 1, 1, 0, 2, 2]), np.arange(7) % 3 > 0

def loss(w):
    z = X @ w
    return np.sum((np.log(np.exp(z).sum(axis=1)) - z[np.arange(7), LABELS])[SEEN])

def grad(w):
    d = np.exp(X @ w)
    d /= d.sum(axis=1, keepdims=True)
    d[np.arange(7), LABELS] -= 1
    d[~SEEN] = 0
    return X.T @ d
""",
        "    d[~SEEN] = 0\n",
        "",
    ),
    "a mean that is taken off": (
        """
START, UP = DRAWN.normal(size=(5, 4)), DRAWN.normal(size=(5, 4))

def loss(x):
    rest = x - x.mean(axis=1, keepdims=True)
    return np.sum(UP * rest / np.sqrt((rest**2).mean(axis=1, keepdims=True)))

def grad(x):
    rest = x - x.mean(axis=1, keepdims=True)
    width = np.sqrt((rest**2).mean(axis=1, keepdims=True))
    unit = rest / width
    along = (UP * unit).mean(axis=1, keepdims=True)
    return (UP - UP.mean(axis=1, keepdims=True) - unit * along) / width
""",
        "(UP - UP.mean(axis=1, keepdims=True) - unit",
        "(UP - unit",
    ),
    "slices as for another array": (
        """
X = DRAWN.normal(size=(9, 7))
START = {"k": DRAWN.normal(size=(3, 3)), "x": DRAWN.normal(size=(9, 7))}

def loss(p):
    total, x = 0.0, X * p["x"]
    for i in range(4):
        for j in range(3):
            total += np.cosh(np.sum(x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * p["k"]) / 4)
    return total

def grad(p):
    x, g, dx = X * p["x"], np.zeros((3, 3)), np.zeros((9, 7))
    for i in range(4):
        for j in range(3):
            part = x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            d = np.sinh(np.sum(part * p["k"]) / 4) / 4
            g += d * part
            dx[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += d * p["k"]
    return {"k": g, "x": dx * X}
""",
        "            part = x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]",
        "            part = x[i : i + 3, j : j + 3]",
    ),
    "a border at both ends": (
        """
START, UP = DRAWN.normal(size=(4, 5)), DRAWN.normal(size=(6, 7))

def loss(x):
    wide = np.pad(x, 1)
    return np.sum(UP[1:] * np.sin(wide[1:] * wide[:-1]))

def grad(x):
    wide, dwide = np.pad(x, 1), np.zeros((6, 7))
    d = UP[1:] * np.cos(wide[1:] * wide[:-1])
    dwide[1:] += d * wide[:-1]
    dwide[:-1] += d * wide[1:]
    return dwide[1:-1, 1:-1]
""",
        "dwide[1:-1, 1:-1]",
        "dwide[2:, 2:]",
    ),
    "the slope below a kink": (
        VECTORS
        + """
def loss(w):
    z = X @ w
    return np.sum(np.cosh(np.where(z > 0, z, 0.3 * z) - Y))

def grad(w):
    z = X @ w
    a = np.where(z > 0, z, 0.3 * z)
    return X.T @ (np.sinh(a - Y) * np.where(z > 0, 1, 0.3))
""",
        "np.where(z > 0, 1, 0.3)",
        "(z > 0)",
    ),
    "all items from one": (
        """
X, START = DRAWN.normal(size=(5, 4)), DRAWN.normal(size=4) / 3

def loss(w):
    return np.sum(np.sin(X * np.cumsum(np.exp(w))))

def grad(w):
    d, g = np.sum(X * np.cos(X * np.cumsum(np.exp(w))), axis=0), np.zeros_like(w)
    for j in range(len(w)):
        g[j] = np.exp(w[j]) * d[j:].sum()
    return g
""",
        "d[j:].sum()",
        "d[j]",
    ),
    "one item of two": (
        VECTORS
        + """
def loss(w):
    return np.sum(np.cosh(X @ w - Y))

def grad(w):
    parts = [np.zeros(2), np.zeros(2)]
    for x, y in zip(X, Y):
        d = np.sinh(x @ w - y)
        parts = [part + d * new for part, new in zip(parts, np.split(x, 2))]
    return np.concatenate([part for part in parts])
""",
        "[part + d * new for",
        "[d * new for",
    ),
    "a bias of zeros": (
        """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 3))
START = {"W": DRAWN.normal(size=(4, 3)), "b": DRAWN.normal(size=3)}

def loss(p):
    return np.sum(np.cosh(X @ p["W"] + p["b"] - Y))

def grad(p):
    dW, db = np.zeros((4, 3)), np.zeros(3)
    for x, y in zip(X, Y):
        d = np.sinh(x @ p["W"] + p["b"] - y)
        dW += np.outer(x, d)
        db += d
    return {"W": dW, "b": db}
""",
        "        db += d\n",
        "",
    ),
    "a bias that sums over rows": (
        """
X, Y = DRAWN.normal(size=(3, 6, 4)), DRAWN.normal(size=(3, 6, 2))
START = {"W": DRAWN.normal(size=(4, 2)), "b": DRAWN.normal(size=2)}

def loss(p):
    return np.sum(np.cosh(X @ p["W"] + p["b"] - Y))

def grad(p):
    dW, db = np.zeros_like(p["W"]), np.zeros_like(p["b"])
    for x, y in zip(X, Y):
        d = np.sinh(x @ p["W"] + p["b"] - y)
        dW += x.T @ d
        db += d.sum(axis=0)
    return {"W": dW, "b": db}
""",
        "        db += d.sum(axis=0)\n",
        "",
    ),
    "one less at the label": (
        """
X, START = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(4, 3))
LABELS = np.array([0, 2, 1, 1, 0, 2])

def loss(w):
    z = X @ w
    return np.sum(np.log(np.exp(z).sum(axis=1)) - z[np.arange(6), LABELS])

def grad(w):
    p = np.exp(X @ w)
    p /= p.sum(axis=1, keepdims=True)
    d = p.copy()
    d[np.arange(6), LABELS] -= 1
    return X.T @ d
""",
        "LABELS] -= 1",
        "LABELS] -= p[np.arange(6), LABELS]",
    ),
    "a term that a neighbour has": (
        """
SERIES = np.cumsum(DRAWN.normal(size=20)) * 0.3 + 1.0
START = np.array([0.5, 0.3, 0.2])

def rest(theta):
    phi, ma, mu = theta
    e = np.zeros(20)
    for t in range(1, 20):
        e[t] = SERIES[t] - mu - phi * (SERIES[t - 1] - mu) - ma * e[t - 1]
    return e

def loss(theta):
    return 0.5 * np.sum(rest(theta) ** 2)

def grad(theta):
    phi, ma, mu = theta
    e, de = rest(theta), np.zeros((20, 3))
    for t in range(1, 20):
        de[t, 0] = -(SERIES[t - 1] - mu) - ma * de[t - 1, 0]
        de[t, 1] = -e[t - 1] - ma * de[t - 1, 1]
        de[t, 2] = phi - 1 - ma * de[t - 1, 2]
    return de.T @ e
""",
        "-(SERIES[t - 1] - mu) - ma * de[t - 1, 0]",
        "-(SERIES[t - 1] - mu)",
    ),
    "an item of another list, one before": (
        """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 4))
SIZES = (4, 7, 5, 4)
START = DRAWN.normal(size=4 * 7 + 7 * 5 + 5 * 4) / 2

def sigmoid(a):
    return 1 / (1 + np.exp(-a))

def unroll(theta):
    ws, at = [], 0
    for rows, columns in zip(SIZES, SIZES[1:]):
        ws.append(theta[at : at + rows * columns].reshape(rows, columns))
        at += rows * columns
    return ws

def loss(theta):
    a = X
    for w in unroll(theta):
        z = a @ w
        a = np.logaddexp(0, z)
    return np.sum(sigmoid(z) * Y)

def grad(theta):
    ws, zs, acts = unroll(theta), [], [X]
    for w in ws:
        zs.append(acts[-1] @ w)
        acts.append(np.logaddexp(0, zs[-1]))
    p = sigmoid(zs[-1])
    d, pieces = Y * p * (1 - p), []
    for layer in reversed(range(3)):
        pieces = [(acts[layer].T @ d).ravel()] + pieces
        if layer > 0:
            d = (d @ ws[layer].T) * sigmoid(zs[layer - 1])
    return np.concatenate(pieces)
""",
        "sigmoid(zs[layer - 1])",
        "sigmoid(acts[layer])",
    ),
    "new axes as in the loss": (
        """
IMAGES, UP = DRAWN.normal(size=(5, 2, 3, 4)), DRAWN.normal(size=(5, 2, 3, 4))
START = {"mix": DRAWN.normal(size=(4, 4)), "gain": DRAWN.normal(size=2)}

def scaled(x, p):
    return x * p["gain"][None, :, None, None]

def loss(p):
    return np.sum(np.sin(scaled(IMAGES @ p["mix"], p)) * UP)

def back(x, p, d):
    return d * p["gain"][None, :, None, None], (d * x).sum(axis=(0, 2, 3))

def grad(p):
    x = IMAGES @ p["mix"]
    d, g = back(x, p, np.cos(scaled(x, p)) * UP)
    return {"mix": np.tensordot(IMAGES, d, ((0, 1, 2), (0, 1, 2))), "gain": g}
""",
        'return d * p["gain"][None, :, None, None], ',
        "return d * x, ",
    ),
}
