"""Programs of other shapes than a network's, with a bug: its line, and what it is called."""

from named_bugs import assert_found, bugs

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

PARTIAL_LIKELIHOOD = """
import numpy as np

rng = np.random.default_rng(4)
Z = rng.normal(size=(10, 3))
event = (rng.random(10) < 0.7).astype(float)


def params():
    return rng.normal(size=3)


def loss(beta):
    eta = Z @ beta
    risk = np.log(np.cumsum(np.exp(eta)))
    return -np.sum(event * (eta - risk)) / len(Z) + 0.1 * beta @ beta


def grad(beta):
    w = np.exp(Z @ beta)
    total = np.cumsum(w)
    weighted = np.cumsum(w[:, None] * Z, axis=0)
    mean = weighted / total[:, None]
    score = (event[:, None] * (Z - mean)).sum(axis=0)
    return -score / len(Z) + 0.2 * beta
"""

CHAIN = """
import numpy as np

rng = np.random.default_rng(5)
N = 7
X = rng.normal(size=(N, 4))


def params():
    return {"emit": rng.normal(size=(4, 3)), "move": rng.normal(size=(3, 3))}


def alphas(p):
    unary = X @ p["emit"]
    alpha = [unary[0]]
    for t in range(1, N):
        alpha.append(np.log(np.exp(alpha[-1][:, None] + p["move"]).sum(axis=0)) + unary[t])
    return unary, np.array(alpha)


def loss(p):
    unary, alpha = alphas(p)
    return np.log(np.exp(alpha[-1]).sum()) - unary[:, 1].sum() - (N - 1) * p["move"][1, 1]


def grad(p):
    unary, alpha = alphas(p)
    beta = np.zeros((N, 3))
    for t in range(N - 2, -1, -1):
        beta[t] = np.log(np.exp(p["move"] + unary[t + 1] + beta[t + 1]).sum(axis=1))
    log_z = np.log(np.exp(alpha[-1]).sum())
    node = np.exp(alpha + beta - log_z)
    node[:, 1] -= 1
    d_move = np.zeros((3, 3))
    for t in range(N - 1):
        d_move += np.exp(alpha[t][:, None] + p["move"] + (unary + beta)[t + 1] - log_z)
    d_move[1, 1] -= N - 1
    return {"emit": X.T @ node, "move": d_move}
"""


SOME_EMPTY = """
import numpy as np

rng = np.random.default_rng(0)
SETS, aims = [[], [0, 2], [1], [], [2, 3, 0]], rng.normal(size=5)


def params():
    return rng.normal(size=4)


def loss(w):
    total = 0.0
    for own, aim in zip(SETS, aims):
        total += (w[own].sum() - aim) ** 2
    return 0.5 * total


def grad(w):
    g = np.zeros_like(w)
    for own, aim in zip(SETS, aims):
        g[own] += w[own].sum() - aim
    return g
"""

LISTED = """
import numpy as np

rng = np.random.default_rng(0)
X, kind = rng.normal(size=(12, 4)), rng.integers(0, 3, size=12)


def params():
    return rng.normal(size=(3, 4))


def share(x, w, k):
    return np.exp(w[k].dot(x)) / np.sum([np.exp(one.dot(x)) for one in w])


def loss(w):
    return np.mean([-np.log(share(x, w, k)) for x, k in zip(X, kind)])


def grad(w):
    g = np.zeros_like(w)
    for k in range(3):
        g[k] = np.mean([x * (share(x, w, k) - (own == k)) for x, own in zip(X, kind)], axis=0)
    return g
"""

NEGATIVES = """
import numpy as np

rng = np.random.default_rng(0)
PAIRS = [(0, 1, []), (1, 2, [1, 4]), (4, 0, [0]), (3, 3, []), (2, 4, [2, 3, 0])]


def params():
    return {"V": rng.normal(size=(5, 3)), "U": rng.normal(size=(5, 3))}


def loss(p):
    total = 0.0
    for center, near, far in PAIRS:
        v, far = p["V"][center], np.array(far, dtype=int)
        total += np.log1p(np.exp(-p["U"][near] @ v)) + np.log1p(np.exp(p["U"][far] @ v)).sum()
    return total


def grad(p):
    dV, dU = np.zeros((5, 3)), np.zeros((5, 3))
    for center, near, far in PAIRS:
        v, far = p["V"][center], np.array(far, dtype=int)
        of_near, of_far = 1 / (1 + np.exp(-p["U"][near] @ v)), 1 / (1 + np.exp(-p["U"][far] @ v))
        dV[center] += (of_near - 1) * p["U"][near] + of_far @ p["U"][far]
        dU[near] += (of_near - 1) * v
        np.add.at(dU, far, of_far[:, None] * v[None, :])
    return {"V": dV, "U": dU}
"""

WINDOWS = """
import numpy as np

rng = np.random.default_rng(2)
x, kernel = rng.normal(size=(3, 6)), rng.normal(size=(2, 4))


def params():
    return x


def places():
    start = np.repeat(np.arange(2), 2).reshape(-1, 1) + 2 * np.arange(1).reshape(1, -1)
    return start, np.tile(np.arange(2), 2).reshape(-1, 1) + np.arange(5).reshape(1, -1)


def loss(x):
    i, j = places()
    return np.sin(kernel @ x[i, j]).sum()


def grad(x):
    i, j = places()
    d_columns = kernel.T @ np.cos(kernel @ x[i, j])
    d_x = np.zeros(x.shape)
    np.add.at(d_x, (i, j), d_columns)
    return d_x
"""

SPARSE = """
import numpy as np

rng = np.random.default_rng(12)
seen = rng.uniform(0.1, 0.9, size=(9, 5))


def squash(z):
    return 1 / (1 + np.exp(-z))


def slope(z):
    return squash(z) * (1 - squash(z))


def params():
    return {"into": rng.normal(size=(5, 4)), "back": rng.normal(size=(4, 5))}


def loss(p):
    codes = squash(seen @ p["into"])
    often = codes.mean(axis=0)
    rare = np.sum(0.1 * np.log(0.1 / often) + 0.9 * np.log(0.9 / (1 - often)))
    return 0.5 * np.sum((squash(codes @ p["back"]) - seen) ** 2) + 9 * rare


def grad(p):
    z = seen @ p["into"]
    codes, scores = squash(z), squash(z) @ p["back"]
    often = codes.mean(axis=0)
    rarer = 0.9 / (1 - often) - 0.1 / often
    off = (squash(scores) - seen) * slope(scores)
    delta = (off @ p["back"].T + 1.0 * rarer) * slope(z)
    return {"into": seen.T @ delta, "back": codes.T @ off}
"""

UNROLLED = """
import numpy as np

rng = np.random.default_rng(2)
seen, told = rng.normal(size=(3, 10)), rng.normal(size=(4, 10))


def params():
    return rng.normal(size=16)


def loss(whole):
    out = whole[:12].reshape(4, 3) @ seen + whole[12:].reshape(4, 1)
    return np.sum(np.cosh(out - told)) / 10


def grad(whole):
    delta = np.sinh(whole[:12].reshape(4, 3) @ seen + whole[12:].reshape(4, 1) - told)
    by_weights = delta @ seen.T / 10
    by_bias = np.sum(delta, axis=1) / 10
    return np.concatenate((by_weights.reshape(12), by_bias.reshape(4)))
"""

TWICE_EMBEDDED = """
import numpy as np

rng = np.random.default_rng(31)
ones, others = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))


def params():
    return {"A": rng.normal(size=(4, 3)), "c": rng.normal(size=3), "B": rng.normal(size=(3, 2))}


def embed(p, x):
    h = np.tanh(x @ p["A"] + p["c"])
    return h @ p["B"], h


def back(p, x, h, g):
    dz = g @ p["B"].T * (1 - h**2)
    return {"A": x.T @ dz, "c": dz.sum(axis=0), "B": h.T @ g}


def loss(p):
    return 0.5 * np.sum((embed(p, ones)[0] - 2 * embed(p, others)[0]) ** 2)


def grad(p):
    (a, of_a), (b, of_b) = embed(p, ones), embed(p, others)
    total = {name: np.zeros_like(value) for name, value in p.items()}
    for x, h, g in ((ones, of_a, a - 2 * b), (others, of_b, 4 * b - 2 * a)):
        for name, part in back(p, x, h, g).items():
            total[name] += part
    return total
"""

AT_THE_ENDS = """
import numpy as np

rng = np.random.default_rng(32)
x, ends, weight = np.linspace(0, 1, 12), np.array([0.0, 1.0]), 10.0


def params():
    return {"w": rng.normal(size=10), "v": rng.normal(size=10)}


def loss(p):
    inside = np.tanh(np.outer(x, p["w"])) @ p["v"] - np.sin(x)
    outside = np.cos(np.outer(ends, p["w"])) @ p["v"]
    return np.mean(inside**2) + weight * np.sum(outside**2)


def grad(p):
    t, c = np.tanh(np.outer(x, p["w"])), np.cos(np.outer(ends, p["w"]))
    inside = 2 * (t @ p["v"] - np.sin(x)) / 12
    outside = 2 * weight * (c @ p["v"])
    slopes = np.outer(inside, p["v"]) * (1 - t**2)
    at_ends = np.outer(outside, p["v"]) * -np.sin(np.outer(ends, p["w"]))
    return {"w": x @ slopes + ends @ at_ends, "v": t.T @ inside + c.T @ outside}
"""

WAVE = """
import numpy as np

rng = np.random.default_rng(33)
time = np.linspace(0, 3, 20)
seen = 1.3 * np.sin(2.1 * time + 0.4)


def params():
    return {"high": 1.1, "fast": 1.9, "late": 0.2}


def loss(p):
    return np.mean((p["high"] * np.sin(p["fast"] * time + p["late"]) - seen) ** 2)


def grad(p):
    angle = p["fast"] * time + p["late"]
    back = 2 * (p["high"] * np.sin(angle) - seen) / 20
    turned = back * p["high"] * np.cos(angle)
    return {"high": np.sum(back * np.sin(angle)), "fast": turned @ time, "late": np.sum(turned)}
"""


@bugs(
    (WAVE, 'back * p["high"] * np.cos', "back * np.cos", "GC413"),
    (TWICE_EMBEDDED, "total[name] += part", "total[name] = part", "GC701"),
    (AT_THE_ENDS, "2 * weight * (c", "2 * (c", "GC105"),
    (SOME_EMPTY, "g[own] += w[own].sum() - aim", "g[own] += np.tanh(w[own].sum() - aim)", "GC606"),
    (
        WINDOWS,
        "kernel.T @ np.cos(kernel @ x[i, j])",
        "kernel.T @ np.sin(kernel @ x[i, j])",
        "GC305",
    ),
    (NEGATIVES, "+ of_far @", "- of_far @", "GC106"),
    (NEGATIVES, "of_far[:, None] * v", "-of_far[:, None] * v", "GC106"),
    (LISTED, "np.mean([x *", "np.sum([x *", "GC101"),
    (ORDERED, "d_upper - d_lower", "d_upper + d_lower", "GC106"),
    (ORDERED, "lower * (1 - lower) / mass", "lower * (1 + lower) / mass", "GC415"),
    (SEQUENCE, 'total["W"] += dW', 'total["W"] = dW', "GC701"),
    (SEQUENCE, "db += da", "db = da", "GC701"),
    (PARTIAL_LIKELIHOOD, "w[:, None] * Z", "Z", "GC413"),
    (PARTIAL_LIKELIHOOD, "* Z, axis=0", "* Z, axis=1", "GC204"),
    (PARTIAL_LIKELIHOOD, "Z - mean", "Z + mean", "GC106"),
    (PARTIAL_LIKELIHOOD, "+ 0.2 * beta", "+ 0.2", "GC604"),
    (
        PARTIAL_LIKELIHOOD,
        "(event[:, None] * (Z - mean)).sum",
        "event[:, None] * (Z - mean).sum",
        "GC202",
    ),
    (PARTIAL_LIKELIHOOD, "return -score / len(Z) + 0.2 * beta", "return weighted", "GC202"),
    (UNROLLED, "np.sum(delta, axis=1) / 10", "np.sum(delta, axis=1)", "GC101"),
    (UNROLLED, "delta @ seen.T / 10", "delta @ seen.T", "GC101"),
    (SPARSE, ".T + 1.0 * rarer) * slope(z)", ".T) * slope(z) + 1.0 * rarer", "GC413"),
    (CHAIN, "alpha + beta - log_z", "alpha - beta - log_z", "GC106"),
    (CHAIN, "alpha + beta - log_z", "beta + beta - log_z", "GC415"),
    (CHAIN, "+ (unary + beta)[t + 1] - log_z", "+ (unary - beta)[t + 1] - log_z", "GC106"),
)
def test_the_bug_is_found_where_it_is(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)
