"""Bugs in gated blocks with a norm, in loops over samples and in policies: line and name."""

import pytest
from named_bugs import assert_found, bugs

BLOCKS = """
import numpy as np

rng = np.random.default_rng(31)
X, y = rng.normal(size=(4, 3)), rng.integers(0, 2, size=(4, 1))
DEPTH = 3


def params():
    def made(*shape):
        return [0.6 * rng.normal(size=shape) for _ in range(DEPTH)]
    weights = {name: made(3, 3) for name in "ABC"}
    return {"gain": made(3), **weights, "w": rng.normal(size=(3, 1))}


def scaled(x, gain):
    mean = x.mean(1, keepdims=True)
    inv = 1 / np.sqrt(((x - mean) ** 2).mean(1, keepdims=True) + 0.1)
    return (x - mean) * inv * gain, mean, inv


def scaled_back(back, x, gain, mean, inv):
    unit = (x - mean) * inv
    dunit = back * gain
    dx = np.empty_like(x)
    along = (dunit * unit).mean(1, keepdims=True)
    dx[:] = (dunit - dunit.mean(1, keepdims=True) - unit * along) * inv
    return dx, (back * unit).sum(0)


def run(p):
    x, kept = X, []
    for i in range(DEPTH):
        n, mean, inv = scaled(x, p["gain"][i])
        f, g = np.tanh(n @ p["A"][i]), 1 / (1 + np.exp(-n @ p["B"][i]))
        z = f * g
        kept.append((x, n, mean, inv, f, g, z))
        x = x + z @ p["C"][i]
    share = 1 / (1 + np.exp(-x @ p["w"]))
    return x, share, kept


def loss(p):
    _, share, _ = run(p)
    return 1 - (2 * (share * y).sum() + 1) / (share.sum() + y.sum() + 1)


def grad(p):
    x, share, kept = run(p)
    grads = {name: [None] * DEPTH for name in ("gain", "A", "B", "C")}
    top = 2 * (share * y).sum() + 1
    bottom = np.full_like(share, share.sum() + y.sum() + 1)
    dshare = (top - 2 * y * bottom) / bottom**2
    dscore = dshare * share * (1 - share)
    grads["w"] = x.T @ dscore
    dx = dscore @ p["w"].T
    for i in reversed(range(DEPTH)):
        below, n, mean, inv, f, g, z = kept[i]
        grads["C"][i] = z.T @ dx
        dz = dx @ p["C"][i].T
        df = dz * g * (1 - f**2)
        dg = dz * f * g * (1 - g)
        grads["A"][i] = n.T @ df
        grads["B"][i] = n.T @ dg
        dn = df @ p["A"][i].T + dg @ p["B"][i].T
        dbelow, grads["gain"][i] = scaled_back(dn, below, p["gain"][i], mean, inv)
        dx = dx + dbelow
    return grads
"""

SAMPLES = """
import numpy as np

rng = np.random.default_rng(32)
X, level, decay = rng.normal(size=(9, 3)), rng.integers(0, 2, size=9), 0.3


def params():
    return rng.normal(size=16 + 5)


def squashed(z):
    return 1 / (1 + np.exp(-z))


def slope(z):
    return squashed(z) * (1 - squashed(z))


def parts(theta):
    return theta[:16].reshape(4, 4), theta[16:].reshape(1, 5)


def loss(theta):
    A, B = parts(theta)
    hidden = squashed(np.c_[np.ones(9), X] @ A.T)
    out = squashed(np.c_[np.ones(9), hidden] @ B.T)[:, 0]
    penalty = decay / 18 * ((A[:, 1:] ** 2).sum() + (B[:, 1:] ** 2).sum())
    return -(level * np.log(out) + (1 - level) * np.log(1 - out)).mean() + penalty


def grad(theta):
    A, B = parts(theta)
    sum_a, sum_b = np.zeros(A.shape), np.zeros(B.shape)
    for i in range(9):
        x = np.hstack([1, X[i]])
        z = A @ x
        hidden = np.hstack([1, squashed(z)])
        error = squashed(B @ hidden) - level[i]
        delta = (B[:, 1:].T @ error) * slope(z)
        sum_a += np.outer(delta, x)
        sum_b += np.outer(error, hidden)
    grad_a, grad_b = sum_a / 9, sum_b / 9
    grad_a[:, 1:] += decay / 9 * A[:, 1:]
    grad_b[:, 1:] += decay / 9 * B[:, 1:]
    return np.concatenate([grad_a.ravel(), grad_b.ravel()])
"""

POLICY = """
import numpy as np

rng = np.random.default_rng(33)
seen, chosen, better = rng.normal(size=(8, 3)), rng.integers(0, 3, size=8), rng.normal(size=8)
before, rows = np.log(rng.uniform(0.2, 0.6, size=8)), np.arange(8)


def params():
    return {"W": rng.normal(size=(3, 4)), "V": rng.normal(size=(4, 3))}


def run(p):
    h = np.tanh(seen @ p["W"])
    score = h @ p["V"]
    top = score.max(1, keepdims=True)
    return h, score - top - np.log(np.exp(score - top).sum(1, keepdims=True))


def loss(p):
    _, logs = run(p)
    ratio = np.exp(logs[rows, chosen] - before)
    kept = np.minimum(ratio * better, np.clip(ratio, 0.8, 1.2) * better)
    return (np.exp(logs) * logs).sum(1).mean() * 0.1 - kept.mean()


def grad(p):
    h, logs = run(p)
    shares = np.exp(logs)
    ratio = np.exp(logs[rows, chosen] - before)
    active = ratio * better <= np.clip(ratio, 0.8, 1.2) * better
    d_ratio = -better * active / 8
    d_taken = d_ratio * ratio
    d_score = -shares * d_taken[:, None]
    d_score[rows, chosen] += d_taken
    mixed = (shares * logs).sum(1, keepdims=True)
    d_score += 0.1 * shares * (logs - mixed) / 8
    d_h = d_score @ p["V"].T * (1 - h * h)
    return {"W": seen.T @ d_h, "V": h.T @ d_score}
"""

ADVANTAGES = (
    POLICY[: POLICY.index("def loss")]
    + """
def loss(p):
    _, logs = run(p)
    return (np.exp(logs) * logs).sum(1).mean() * 0.1 - (better * logs[rows, chosen]).mean()


def grad(p):
    h, logs = run(p)
    shares = np.exp(logs)
    d_score = (shares - np.eye(3)[chosen]) * better[:, None] / 8
    mixed = (shares * logs).sum(1, keepdims=True)
    d_score += 0.1 * shares * (logs - mixed) / 8
    d_h = d_score @ p["V"].T * (1 - h * h)
    return {"W": seen.T @ d_h, "V": h.T @ d_score}
"""
)


@bugs(
    (BLOCKS, "unit = (x - mean) * inv", "unit = x * inv", "GC417"),
    (BLOCKS, "along = (dunit * unit).mean(1", "along = (dunit * unit).sum(1", "GC101"),
    (BLOCKS, "dx = dx + dbelow", "dx = dbelow", "GC407"),
    (BLOCKS, "dg = dz * f * g * (1 - g)", "dg = 1 - g", "GC413"),
    (BLOCKS, "(top - 2 * y * bottom) / bottom**2", "top - 2 * y * bottom", "GC413"),
    (SAMPLES, "return squashed(z) * (1 - squashed(z))", "return squashed(z)", "GC305"),
    (SAMPLES, "sum_a += np", "sum_a = np", "GC701"),
    (POLICY, "d_score[rows, chosen] += d_taken", "d_score[rows, chosen] = d_taken", "GC701"),
    # what a term lacks is told where it is made, and not where another is added
    (ADVANTAGES, "[chosen]) * better[:, None] / 8", "[chosen]) / 8", "GC413"),
    (POLICY, "d_ratio = -better * active / 8", "d_ratio = active / 8", "GC413"),
)
def test_the_bug_is_found_where_it_is(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)


RESIDUAL = """
import numpy as np

rng = np.random.default_rng(34)
X, goal = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))


class Dense:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, back):
        self.dW = self.x.T @ back
        return back @ self.W.T


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, back):
        return back * (1 - self.y**2)


class Residual:
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        out = x
        for layer in self.layers:
            out = layer.forward(out)
        return x + out

    def backward(self, back):
        inner = back
        for layer in reversed(self.layers):
            inner = layer.backward(inner)
        return back + inner


def params():
    return [0.5 * rng.normal(size=(4, 4)) for _ in range(4)]


def made(p):
    dense = [Dense(W) for W in p]
    blocks = [Residual(one, Tanh()) for one in dense[1:3]]
    return dense, [dense[0], *blocks, dense[3]]


def run(layers):
    out = X
    for layer in layers:
        out = layer.forward(out)
    return out


def loss(p):
    return 0.5 * ((run(made(p)[1]) - goal) ** 2).sum()


def grad(p):
    dense, layers = made(p)
    back = run(layers) - goal
    for layer in reversed(layers):
        back = layer.backward(back)
    return [one.dW for one in dense]
"""

CALLED = """
import numpy as np

rng = np.random.default_rng(35)
X, goal = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))


def params():
    return {name: 0.5 * rng.normal(size=(4, 4)) for name in ("A", "B", "C", "D", "E")}


def branch(x, A, B):
    h = np.maximum(x @ A, 0)
    return h @ B, h


def branch_back(back, x, h, A, B):
    dh = back @ B.T * (h > 0)
    return dh @ A.T, x.T @ dh, h.T @ back


def run(p):
    first, h = branch(X, p["A"], p["B"])
    x = X + first
    second, k = branch(x, p["C"], p["D"])
    last = x + second
    return h, x, k, last, np.tanh(last @ p["E"])


def loss(p):
    return np.sum((run(p)[-1] - goal) ** 2)


def grad(p):
    h, x, k, last, out = run(p)
    back = 2 * (out - goal) * (1 - out**2)
    grads = {"E": last.T @ back}
    dlast = back @ p["E"].T
    through, grads["C"], grads["D"] = branch_back(dlast, x, k, p["C"], p["D"])
    dx = dlast + through
    _, grads["A"], grads["B"] = branch_back(dx, X, h, p["A"], p["B"])
    return grads
"""


HANDED_BACK = (
    CALLED.replace("    dh = back @ B.T", "    skip = back\n    dh = back @ B.T")
    .replace("return dh @ A.T, x.T", "return skip, dh @ A.T, x.T")
    .replace("    through, grads", "    skip, through, grads")
    .replace("dx = dlast + through", "dx = skip + through")
    .replace("    _, grads", "    _, _, grads")
)


@pytest.mark.parametrize(
    ("program", "right", "wrong"),
    [
        (RESIDUAL, "return back + inner", "return inner"),
        (HANDED_BACK, "dx = skip + through", "dx = through"),
        (CALLED, "dx = dlast + through", "dx = through"),
        (CALLED, "branch_back(dx, X", "branch_back(through, X"),
        (CALLED, "branch_back(dx, X", "branch_back(dlast, X"),
    ],
)
def test_a_forgotten_skip_is_shown_where_the_branch_is_used(program, right, wrong, tmp_path):
    assert_found(program, right, wrong, "GC407", tmp_path)
