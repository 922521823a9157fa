"""Bugs that later or earlier lines could be blamed for as well: what the line itself shows."""

from named_bugs import assert_found, bugs

PENDULUM_CART = """
import numpy as np

A = np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 0.2], [0.1, -0.3, 0.9]])
B = np.array([[0.0, 0.2], [0.4, 0.0], [0.1, 0.5]])
Q, R = np.diag([1.0, 0.4, 0.2]), np.diag([0.1, 0.3])
begin, steps = np.array([0.8, -0.6, 0.4]), 7


def drive(K, k):
    xs, us = [begin], []
    for t in range(steps):
        us.append(np.tanh(K @ xs[t] + k[t]))
        xs.append(A @ xs[t] + B @ us[t] + 0.1 * np.sin(xs[t]))
    return xs, us


def loss(K, k):
    xs, us = drive(K, k)
    cost = sum(x @ Q @ x + u @ R @ u for x, u in zip(xs, us))
    return cost + 3 * xs[-1] @ Q @ xs[-1]


def grad(K, k):
    xs, us = drive(K, k)
    dK, dk = np.zeros_like(K), np.zeros_like(k)
    costate = 6 * Q @ xs[-1]
    for t in reversed(range(steps)):
        x, u = xs[t], us[t]
        back = 2 * R @ u + B.T @ costate
        pre = back * (1 - u**2)
        dK += np.outer(pre, x)
        dk[t] = pre
        costate = 2 * Q @ x + A.T @ costate + 0.1 * np.cos(x) * costate + K.T @ pre
    return dK, dk


def params():
    rng = np.random.default_rng(31)
    return [0.5 * rng.normal(size=(2, 3)), 0.3 * rng.normal(size=(steps, 2))]
"""

FAILURES = """
import numpy as np
from math import exp, log

rng = np.random.default_rng(32)
n, d = 20, 3
Z, hours, broken = rng.normal(size=(n, d)), rng.weibull(1.5, size=n) + 0.1, rng.integers(2, size=n)


def loss(theta):
    beta, start, log_shape = theta[:d], theta[d], theta[d + 1]
    shape = exp(log_shape)
    total = 0.0
    for i in range(n):
        eta = start + Z[i] @ beta
        w = shape * (log(hours[i]) - eta)
        hazard = exp(w)
        total += hazard
        if broken[i]:
            total -= w + log_shape
    return total / n + 0.1 * np.sum(np.abs(beta) ** 1.5)


def grad(theta):
    beta, start, log_shape = theta[:d], theta[d], theta[d + 1]
    shape, out = exp(log_shape), np.zeros_like(theta)
    for i in range(n):
        eta = start + Z[i] @ beta
        w = (log(hours[i]) - eta) * shape
        r = exp(w) - broken[i]
        out[:d] += -r * shape * Z[i]
        out[d] += -r * shape
        out[d + 1] += r * w - broken[i]
    out = out / n
    out[:d] += 0.15 * np.sign(beta) * np.abs(beta) ** 0.5
    return out


def params():
    return 0.5 * np.random.default_rng(33).normal(size=d + 2)
"""

TRANSPORT = """
import numpy as np

rng = np.random.default_rng(34)
x, y = rng.normal(size=(5, 3)), rng.normal(size=(4, 2))
a, b, blur = np.full(5, 0.2), np.full(4, 0.25), 0.9


def scalings(K):
    us, vs = [], [np.ones(4)]
    for _ in range(3):
        us.append(a / (K @ vs[-1]))
        vs.append(b / (K.T @ us[-1]))
    return us, vs


def costs(W):
    z = np.tanh(x @ W)
    C = ((z[:, None] - y[None]) ** 2).sum(-1)
    return z, C, np.exp(-C / blur)


def loss(W):
    z, C, K = costs(W)
    us, vs = scalings(K)
    return np.sum(us[-1][:, None] * K * vs[-1] * C)


def grad(W):
    z, C, K = costs(W)
    us, vs = scalings(K)
    u, v = us[-1], vs[-1]
    dC = u[:, None] * K * v
    dK = u[:, None] * C * v
    du, dv = (K * C) @ v, (K * C).T @ u
    for t in reversed(range(3)):
        u, v = us[t], vs[t]
        q = K.T @ u
        dq = -dv * b / q**2
        dK += np.outer(u, dq)
        du = du + K @ dq
        r = K @ v
        dr = -du * a / r**2
        dK += np.outer(dr, v)
        dv, du = K.T @ dr, np.zeros_like(du)
    dC = dC - dK * K / blur
    dz = 2 * np.sum(dC[:, :, None] * (z[:, None] - y[None]), axis=1)
    return x.T @ (dz * (1 - z**2))


def params():
    return np.random.default_rng(35).normal(size=(3, 2))
"""

OVERLAP = """
import numpy as np

rng = np.random.default_rng(36)
X, mask = rng.normal(size=(4, 3)), (rng.random((4, 4)) > 0.5).astype(float)


def loss(W):
    p = 1 / (1 + np.exp(-X @ W))
    entropy = -np.mean(mask * np.log(p) + (1 - mask) * np.log(1 - p))
    shared = 2 * np.sum(p * mask) + 1
    return entropy + 0.5 * (1 - shared / (np.sum(p) + np.sum(mask) + 1))


def grad(W):
    p = 1 / (1 + np.exp(-X @ W))
    dz = (p - mask) / mask.size
    shared = 2 * np.sum(p * mask) + 1
    whole = np.sum(p) + np.sum(mask) + 1
    dp = -0.5 * (2 * mask * whole - shared) / whole**2
    dz += dp * p * (1 - p)
    return X.T @ dz


def params():
    return 2 * np.random.default_rng(37).normal(size=(3, 4))
"""


@bugs(
    # the state of a loop is wrong from the first pass on, and what is made of it from the second
    (PENDULUM_CART, "2 * Q @ x + A.T @ costate + 0.1", "2 * Q @ x + 0.1", "GC407"),
    (PENDULUM_CART, "* costate + K.T @ pre", "* costate", "GC407"),
    # many candidates for each of many numbers
    (FAILURES, "- eta) * shape", "+ eta) * shape", "GC106"),
    # a factor, where the quantity stands without a constant before it
    (TRANSPORT, "-du * a / r**2", "-du * a", "GC413"),
    # what a target had before is lost, in a loop and outside of one
    (TRANSPORT, "dK += np.outer(u, dq)", "dK = np.outer(u, dq)", "GC701"),
    (TRANSPORT, "dK += np.outer(dr, v)", "dK = np.outer(dr, v)", "GC701"),
    (OVERLAP, "dz += dp", "dz = dp", "GC701"),
    # the sum of all entries fits too many quantities
    (
        OVERLAP,
        "shared = 2 * np.sum(p * mask) + 1\n    whole",
        "shared = 2 * np.mean(p * mask) + 1\n    whole",
        "GC606",
    ),
)
def test_the_line_with_the_bug_is_told_first(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)
