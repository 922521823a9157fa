"""Bugs in gradients of energies, graphs and adjoints: each is told at its line, by its name."""

from named_bugs import assert_found, bugs

CHAIN = """
import numpy as np

BEADS = 6
springs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (1, 4)]


def potential(x):
    total = 0.0
    for i, j in springs:
        gap = x[i] - x[j]
        length = np.linalg.norm(gap)
        total += 1.5 * (length - 0.7) ** 2
    for i, j, k in [(0, 1, 2), (2, 3, 4)]:
        a, b = x[i] - x[j], x[k] - x[j]
        cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
        total += np.sqrt(1 + (cosine - 0.3) ** 2)
    for i in range(BEADS):
        r2 = np.sum(x[i] ** 2)
        total += 0.2 * r2**3 + 1 / (1 + r2)
    return total


def slope(x):
    out = np.zeros_like(x)
    for i, j in springs:
        gap = x[i] - x[j]
        length = np.linalg.norm(gap)
        pull = 3.0 * (length - 0.7) * gap / length
        out[i] += pull
        out[j] -= pull
    for i, j, k in [(0, 1, 2), (2, 3, 4)]:
        a, b = x[i] - x[j], x[k] - x[j]
        one, two = np.linalg.norm(a), np.linalg.norm(b)
        cosine = a @ b / (one * two)
        turn = (cosine - 0.3) / np.sqrt(1 + (cosine - 0.3) ** 2)
        from_a = turn * (b / (one * two) - cosine * a / one**2)
        from_b = turn * (a / (one * two) - cosine * b / two**2)
        out[i] += from_a
        out[k] += from_b
        out[j] -= from_a + from_b
    for i in range(BEADS):
        r2 = np.sum(x[i] ** 2)
        out[i] += (0.6 * r2**2 - 1 / (1 + r2) ** 2) * 2 * x[i]
    return out


loss, grad = potential, slope


def params():
    return np.random.default_rng(5).normal(size=(BEADS, 3))
"""

RELATIONS = """
import numpy as np

pairs = [(0, 1), (1, 2), (2, 3), (3, 0), (1, 3)]
offsets = np.random.default_rng(1).normal(size=(5, 2))
start = np.zeros(8)


def misfit(p, q, offset):
    return np.tanh(q - p - offset)


def loss(nodes):
    total = 0.0
    for (i, j), offset in zip(pairs, offsets):
        e = misfit(nodes[i], nodes[j], offset)
        total += np.log(1 + e @ e)
    inner = np.linalg.solve(np.eye(8) * 3 + np.outer(nodes, nodes), np.arange(8.0))
    return total + inner @ inner + 2.5 * inner[3] ** 2


def grad(nodes):
    g = np.zeros_like(nodes)
    for (i, j), offset in zip(pairs, offsets):
        e = misfit(nodes[i], nodes[j], offset)
        de = 2 * e / (1 + e @ e)
        g[i] -= de * (1 - e**2)
        g[j] += de * (1 - e**2)
    matrix = np.eye(8) * 3 + np.outer(nodes, nodes)
    inner = np.linalg.solve(matrix, np.arange(8.0))
    back = 2 * inner
    back[3] += 5.0 * inner[3]
    adjoint = np.linalg.solve(matrix.T, back)
    flat = nodes.ravel()
    g -= (adjoint * (inner @ flat) + inner * (adjoint @ flat)).reshape(4, 2)
    return g


def params():
    return np.random.default_rng(2).normal(size=(4, 2))
"""

FLOW = """
import numpy as np

rng = np.random.default_rng(3)
x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))


def push(q, W):
    return np.tanh(q @ W)


def forward(W, log_rate):
    rate, q, path = np.exp(log_rate), x, []
    for _ in range(4):
        first = push(q, W)
        half = q + rate * first
        second = push(half, W)
        path.append((q, first, half, second))
        q = half + rate * second
    return rate, q, path


def loss(W, log_rate):
    _, out, _ = forward(W, log_rate)
    return np.mean((out - y) ** 2)


def through(d, q, t, W):
    dz = d * (1 - t**2)
    return dz @ W.T, q.T @ dz


def grad(W, log_rate):
    rate, out, path = forward(W, log_rate)
    error = out - y
    dq = 2 * error / error.size
    total, drate = np.zeros_like(W), 0.0
    for q, first, half, second in reversed(path):
        drate += np.sum(dq * second)
        dh, dW = through(rate * dq, half, second, W)
        total += dW
        dq = dq + dh
        drate += np.sum(dq * first)
        dh, dW = through(rate * dq, q, first, W)
        total = total + dW
        dq = dq + dh
    return total, np.array(drate * rate)


def params():
    return [np.random.default_rng(4).normal(size=(3, 3)), np.array(-0.5)]
"""

MEMORY = """
import numpy as np

rng = np.random.default_rng(6)
x, y = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 3))


def feature(z):
    return np.where(z > 0, z + 1, np.exp(np.minimum(z, 0)))


def slope(z):
    return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0)))


def forward(K):
    k = x @ K
    kept = feature(k)
    state, outs = np.zeros((2, 3)), []
    for t in range(5):
        state = 0.7 * state + kept[t] * x[t]
        outs.append(np.sin(state))
    return k, kept, np.stack(outs)


def loss(K):
    _, _, out = forward(K)
    return 0.5 * np.sum((out - y) ** 2)


def grad(K):
    k, kept, out = forward(K)
    error = out - y
    dkept, dstate = np.zeros_like(kept), np.zeros((2, 3))
    state, states = np.zeros((2, 3)), []
    for t in range(5):
        state = 0.7 * state + kept[t] * x[t]
        states.append(state)
    for t in reversed(range(5)):
        dstate = dstate + error[t] * np.cos(states[t])
        dkept[t] = dstate * x[t]
        dstate = 0.7 * dstate
    dk = dkept * slope(k)
    return np.tensordot(x, dk, axes=((0, 1), (0, 1)))


def params():
    return np.random.default_rng(7).normal(size=(3, 3))
"""

UNIT_ROWS = """
import numpy as np

rng = np.random.default_rng(8)
x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 5))
towards = rng.normal(size=5)


def loss(W, v):
    z = x @ W
    middle = z.mean(axis=1, keepdims=True)
    spread = np.sqrt(z.var(axis=1, keepdims=True) + 1e-3)
    unit = v / np.sqrt(np.sum(v**2))
    return 0.5 * np.sum(((z - middle) / spread * unit - y) ** 2) + towards @ unit


def grad(W, v):
    z = x @ W
    middle = z.mean(axis=1, keepdims=True)
    spread = np.sqrt(z.var(axis=1, keepdims=True) + 1e-3)
    norm = np.sqrt(np.sum(v**2))
    unit = v / norm
    hat = (z - middle) / spread
    d = hat * unit - y
    dunit = np.sum(d * hat, axis=0) + towards
    dv = (dunit - unit * (unit @ dunit)) / norm
    dhat = d * unit
    mixed = np.mean(dhat * hat, axis=1, keepdims=True)
    dz = (dhat - dhat.mean(axis=1, keepdims=True) - hat * mixed) / spread
    return x.T @ dz, dv


def params():
    r = np.random.default_rng(9)
    return [r.normal(size=(4, 5)), r.normal(size=5)]
"""


@bugs(
    # the number that arrives at a norm, a square of a name in scope, a power
    (CHAIN, "pull = 3.0 * (length - 0.7) * gap / length", "pull = gap / length", "GC410"),
    (CHAIN, "cosine * b / two**2", "cosine * b", "GC413"),
    (CHAIN, "0.6 * r2**2 - 1", "0.6 - 1", "GC413"),
    # half in each pass, where `out[i] += ...` writes in place and then writes the same
    (CHAIN, "pull = 3.0 *", "pull = 1.5 *", "GC103"),
    # an index, and the argument of a helper
    (RELATIONS, "back[3] += 5.0", "back[4] += 5.0", "GC416"),
    (
        RELATIONS,
        "e = misfit(nodes[i], nodes[j], offset)\n        de",
        "e = misfit(nodes[i], offset, offset)\n        de",
        "GC415",
    ),
    (RELATIONS, "de = 2 * e", "de = e", "GC103"),
    # the first of two additions in each pass
    (FLOW, "total += dW", "total = dW", "GC701"),
    (FLOW, "drate += np.sum(dq * second)", "drate = np.sum(dq * second)", "GC701"),
    # a right value under another name
    (FLOW, "error = out - y", "error = out", "GC417"),
    (MEMORY, "dk = dkept * slope(k)", "dk = dkept", "GC303"),
    # entry by entry in place of a sum or a mean
    (UNIT_ROWS, "unit @ dunit", "unit * dunit", "GC206"),
    (UNIT_ROWS, "np.mean(dhat * hat, axis=1, keepdims=True)", "dhat * hat", "GC209"),
    (UNIT_ROWS, "norm = np.sqrt(np.sum(v**2))", "norm = np.sqrt(v**2)", "GC606"),
)
def test_the_bug_is_told_at_its_line(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)
