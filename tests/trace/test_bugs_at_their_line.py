"""Bugs that later or earlier lines could be blamed for as well: what the line itself shows."""

from named_bugs import assert_found, bugs, first_finding

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

YIELDS = """
import numpy as np

rng = np.random.default_rng(33)
drawn = rng.normal(0.1, 0.5, size=(60, 4))
mean, S = drawn.mean(axis=0), np.cov(drawn.T)


def loss(w):
    gain = w @ mean - 0.02
    risk = np.sqrt(w @ S @ w)
    return -gain / risk


def grad(w):
    gain = w @ mean - 0.02
    risk = np.sqrt(w @ S @ w)
    return -(mean * risk - gain * (S @ w) / risk) / risk**2


def params():
    return np.array([0.3, 0.2, 0.4, 0.1])
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


SPRINGS = """
import math
import numpy as np

springs = [(0, 1, 1.0), (1, 2, 0.7), (0, 3, 1.2), (2, 4, 0.3), (3, 4, 2.0)]


def loss(p):
    lengths = [math.hypot(p[i][0] - p[j][0], p[i][1] - p[j][1]) for i, j, _ in springs]
    return sum((length - rest) ** 2 for length, (_, _, rest) in zip(lengths, springs))


def grad(p):
    gx, gy = [0.0] * len(p), [0.0] * len(p)
    for i, j, rest in springs:
        ux, uy = p[i][0] - p[j][0], p[i][1] - p[j][1]
        r = math.hypot(ux, uy)
        f = 2 * (r - rest) / r
        gx[i] += f * ux
        gy[i] += f * uy
        gx[j] -= f * ux
        gy[j] -= f * uy
    return [list(pair) for pair in zip(gx, gy)]


def params():
    return np.random.default_rng(38).normal(size=(5, 2))
"""

STRIDES = """
import numpy as np

rng = np.random.default_rng(39)
maps, wanted, stride = rng.normal(size=(2, 7, 7, 2)), rng.normal(size=(2, 3, 3, 2)), 2


def forward(W):
    Z = np.zeros((2, 3, 3, 2))
    for n in range(2):
        for i in range(3):
            for j in range(3):
                for c in range(2):
                    top, left = i * stride, j * stride
                    Z[n, i, j, c] = np.sum(maps[n, top : top + 3, left : left + 3] * W[..., c])
    return np.tanh(Z)


def loss(W):
    return 0.5 * np.sum((forward(W) - wanted) ** 2)


def grad(W):
    a, dW = forward(W), np.zeros_like(W)
    dZ = (a - wanted) * (1 - a**2)
    for n in range(2):
        for i in range(3):
            for j in range(3):
                for c in range(2):
                    upper, first = i * stride, j * stride
                    part = maps[n, upper : upper + 3, first : first + 3]
                    dW[..., c] += part * dZ[n, i, j, c]
    return dW


def params():
    return np.random.default_rng(40).normal(size=(3, 3, 2, 2))
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
    # of numbers in lists, what is added and taken off again is joined on another line
    (SPRINGS, "gx[j] -= f * ux", "gx[j] += f * ux", "GC106"),
    # a value that the loss computes in the same words is right, and its use is not
    (YIELDS, "gain * (S @ w) / risk)", "gain * (S @ w))", "GC413"),
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


def test_entries_that_the_loss_reads_elsewhere_are_told_by_their_places(tmp_path):
    right, wrong = "upper, first = i * stride, j * stride", "upper, first = i, j"
    finding, line, report = first_finding(STRIDES, right, wrong, tmp_path)
    assert (finding.code, finding.location.line) == ("GC416", line + 1), report
    assert "is read at [" in finding.message, report
    assert "where the loss, line 15, reads" in finding.message, report
