"""Terms, operands, indices and calls that are wrong in one place: its line, name and fix."""

import inspect
from itertools import pairwise

import numpy as np
import pytest
from sweeps import sample

import gradcheck

RNG = np.random.default_rng(41)
X, Y = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 3))
W = RNG.normal(size=(4, 3))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# A term of a sum without its divisor.


def noisy(p):
    code = X @ p["W"]
    return np.sum(np.cosh(code + Y)) + 0.5 * np.sum(code**2) / 6


def noisy_grad(p):
    code = X @ p["W"]
    back = np.sinh(code + Y) + code  # here
    return {"W": X.T @ back}


# The minus in the second of two calls of helpers that are right.


def score(p, x):
    hidden = np.tanh(x @ p["W"])
    return hidden, hidden @ p["v"]


def two_sided(p):
    return np.sum(np.logaddexp(0, -score(p, X)[1])) + np.sum(np.logaddexp(0, score(p, X + 1)[1]))


def sent_back(p, x, d):
    hidden, _ = score(p, x)
    return {"W": x.T @ (np.outer(d, p["v"]) * (1 - hidden**2)), "v": hidden.T @ d}


def two_sided_grad(p):
    near = sent_back(p, X, sigmoid(score(p, X)[1]) - 1)
    far = sent_back(p, X + 1, -sigmoid(score(p, X + 1)[1]))  # here
    return {name: near[name] + far[name] for name in p}


def other_side_grad(p):
    near = sent_back(p, X, sigmoid(score(p, X)[1]) - 1)
    far = sent_back(p, X + 1, sigmoid(score(p, X + 1)[1]) - 1)  # here
    return {name: near[name] + far[name] for name in p}


# Half of what a loop takes off; a divisor too many before a right penalty; a whole piece left out.

BEST = [0, 2, 1, 1, 0, 2]


def ranked(w):
    total = 0.0
    for x, best in zip(X, BEST, strict=True):
        for other in range(3):
            if other != best and x @ w[:, other] - x @ w[:, best] + 1 > 0:
                total += x @ w[:, other] - x @ w[:, best] + 1
    return total / 6 + 0.1 * np.sum(w * w)


def ranked_by(take_off, divide):
    def grad(w):
        g = np.zeros(w.shape)
        for x, best in zip(X, BEST, strict=True):
            for other in range(3):
                if other != best and x @ w[:, other] - x @ w[:, best] + 1 > 0:
                    g[:, other] += x
                    take_off(g, x, best)
        g = divide(g)
        return g + 0.2 * w

    return grad


def all_of_it(g, x, best):
    g[:, best] -= x


def half_of_it(g, x, best):
    g[:, best] -= x / 2  # here


def by_too_much(g):
    return g / (6 * 3)  # here


SEEN = [(0, 1, 2.0), (2, 0, 1.0), (1, 1, 3.0), (0, 2, 0.5), (1, 0, 1.0), (3, 2, 0.0)]


def factored(p):
    total = 0.0
    for row, column, value in SEEN:
        u, v = p["U"][row], p["V"][column]
        total += (u @ v - value) ** 2 + 0.05 * (p["U"][row] @ p["U"][row] + p["V"][column] @ v)
    return total


def factored_grad(p):
    g = {name: np.zeros_like(value) for name, value in p.items()}
    for row, column, value in SEEN:
        error = p["U"][row] @ p["V"][column] - value
        g["U"][row] += 2 * error * p["V"][column]  # here
        g["V"][column] += 2 * error * p["U"][row] + 0.1 * p["V"][column]
    return g


# One of the matrices that a comprehension goes over.

SPREAD = np.abs(RNG.normal(size=(5, 5)))
SPREAD += SPREAD.T
TARGETS = RNG.normal(size=5)


def evidence(theta):
    kernel = np.exp(theta[0]) * np.exp(-SPREAD) + np.exp(2 * theta[1]) * np.eye(5)
    return 0.5 * TARGETS @ np.linalg.solve(kernel, TARGETS) + 0.5 * np.linalg.slogdet(kernel)[1]


def evidence_grad(theta):
    smooth = np.exp(theta[0]) * np.exp(-SPREAD)
    inverse = np.linalg.inv(smooth + np.exp(2 * theta[1]) * np.eye(5))
    solved = inverse @ TARGETS
    left = inverse - np.outer(solved, solved)
    rough = np.exp(2 * theta[1]) * np.eye(5)  # here
    return np.array([0.5 * np.sum(left * by) for by in (smooth, rough)])


# A midpoint rule that carries the derivative on with the wrong slope.


def midpoint(theta):
    total, y = 0.0, theta[1]
    for wanted in TARGETS:
        slope = theta[0] * np.sin(y)
        y = y + 0.3 * theta[0] * np.sin(y + 0.15 * slope)
        total += (y - wanted) ** 2
    return total


def midpoint_grad(theta):
    y, by, g = theta[1], np.array([0.0, 1.0]), np.zeros(2)
    for wanted in TARGETS:
        slope = theta[0] * np.sin(y)
        by_1 = theta[0] * np.cos(y) * by + np.array([np.sin(y), 0.0])
        half = y + 0.15 * slope
        by_2 = theta[0] * np.cos(half) * (by + 0.15 * by_1) + np.array([np.sin(half), 0.0])  # noqa: F841
        y = y + 0.3 * theta[0] * np.sin(half)
        by = by + 0.3 * by_1  # here
        g += 2 * (y - wanted) * by
    return g


# Masks, guards and gates.


def gated(p):
    inner = X @ p["W"]
    outer = Y + np.maximum(inner, 0)
    return np.sum(outer / np.sqrt(np.mean(outer**2, axis=1, keepdims=True) + 0.01) * Y)


def masked_grad(p):
    inner = X @ p["W"]
    outer = Y + np.maximum(inner, 0)
    size = np.sqrt(np.mean(outer**2, axis=1, keepdims=True) + 0.01)
    along = outer / size * np.mean(outer / size * Y, axis=1, keepdims=True)
    return {"W": X.T @ ((Y - along) / size * (outer > 0))}  # here


def unguarded_grad(p):
    inner = X @ p["W"]
    outer = Y + np.maximum(inner, 0)
    square = np.mean(outer**2, axis=1, keepdims=True)
    direction = outer / np.sqrt(square + 0.01)
    along = direction * np.mean(direction * Y, axis=1, keepdims=True)
    back = (Y - along) / np.sqrt(square)  # here
    return {"W": X.T @ (back * (inner > 0))}


def highway(p):
    gate, hidden = sigmoid(Y @ p["gate"]), np.tanh(Y @ p["W"])
    return np.sum(np.cosh(gate * hidden + (1 - gate) * Y))


def highway_grad(p):
    gate, hidden = sigmoid(Y @ p["gate"]), np.tanh(Y @ p["W"])
    d = np.sinh(gate * hidden + (1 - gate) * Y)
    d_gate = d * hidden  # here
    return {"gate": Y.T @ (d_gate * gate * (1 - gate)), "W": Y.T @ (d * gate * (1 - hidden**2))}


def slope_again_grad(p):
    d = sigmoid(X @ p["W"]) - (Y > 0)
    s = sigmoid(X @ p["W"])
    return {"W": X.T @ (d * s * (1 - s)) / 6}  # here


def crossed(p):
    z = X @ p["W"]
    return np.sum(np.logaddexp(0, z) - (Y > 0) * z) / 6


# Indices: exchanged in a write, a slice too early, a stride forgotten; a scale read from its log.

PATH = [0, 2, 1, 1, 0]


def chained(p):
    return sum(np.cosh(p["A"][a, b]) for a, b in pairwise(PATH))


def chained_grad(p):
    g = np.zeros((3, 3))
    for step in range(1, 5):
        before, after = PATH[step - 1], PATH[step]
        g[after, before] += np.sinh(p["A"][before, after])  # here
    return {"A": g}


def padded(p):
    ends = np.concatenate([[-4.0], p["ends"], [4.0]])
    return np.sum(np.sin(ends[1:] * ends[:-1]))


def padded_grad(p):
    ends = np.concatenate([[-4.0], p["ends"], [4.0]])
    slope = np.cos(ends[1:] * ends[:-1])
    g = np.zeros(len(ends))
    g[1:] += slope * ends[:-1]
    g[:-1] += slope * ends[1:]
    return {"ends": g[:-2]}  # here


def strided(kernel):
    return sum(np.cosh(np.sum(X[2 * i : 2 * i + 2, :2] * kernel)) for i in range(3))


def strided_grad(kernel):
    g = np.zeros((2, 2))
    for i in range(3):
        d = np.sinh(np.sum(X[2 * i : 2 * i + 2, :2] * kernel))
        g += d * X[i : i + 2, :2]  # here
    return g


def channels(b):
    return np.sum(np.sinh(SCORES[:, :, None] * X[0] + b[:, None]))


def of_one_sample(b):
    d, g = np.cosh(SCORES[:, :, None] * X[0] + b[:, None]), np.zeros(3)
    for c in range(3):
        g[c] = np.sum(d[0, c])  # here
    return g


def spread(p):
    scale = np.exp(p["log"])
    return np.sum(0.5 * ((TARGETS - p["at"]) / scale) ** 2) + 5 * p["log"]


def spread_grad(p):
    scale = np.exp(p["log"])
    z = (TARGETS - p["at"]) / scale
    return {"at": -np.sum(z / scale**2), "log": 5 - np.sum(z**2)}  # here


# Marginals of a chain that no partition divides: nothing arrives that a slope would multiply.

SCORES = np.random.default_rng(28).normal(size=(4, 3))


def logsumexp(a, axis):
    top = np.max(a, axis=axis, keepdims=True)
    return np.squeeze(top, axis=axis) + np.log(np.sum(np.exp(a - top), axis=axis))


def forward(moves):
    alpha = [SCORES[0]]
    for row in SCORES[1:]:
        alpha.append(row + logsumexp(alpha[-1][:, None] + moves, 0))
    return alpha


def partition(moves):
    return logsumexp(forward(moves)[-1], 0)


def unnormalised(moves):
    alpha, beta, g = forward(moves), np.zeros(3), np.zeros((3, 3))
    for t in reversed(range(3)):
        below = SCORES[t + 1] + beta
        g += np.exp(alpha[t][:, None] + moves + below)  # here
        beta = logsumexp(moves + below, 1)
    return g


def negatives(weights):
    return -np.sum(np.log(1 - 1 / (1 + np.exp(-(X @ weights)))))


def as_positives(weights):
    likely = 1 / (1 + np.exp(-(X @ weights)))
    off = likely - 1.0  # here
    return X.T @ off


BOTH = {"W": W, "v": RNG.normal(size=3)}
GATES = {"gate": RNG.normal(size=(3, 3)), "W": RNG.normal(size=(3, 3))}
PAIRS = {"U": RNG.normal(size=(4, 2)), "V": RNG.normal(size=(3, 2))}
SCALED = {"at": np.array(0.3), "log": np.array(-0.4)}
CASES = {
    "a term without its mean": (noisy, {"W": W}, noisy_grad, "GC101"),
    "a minus in one call": (two_sided, BOTH, two_sided_grad, "GC106"),
    "another value in one call": (two_sided, BOTH, other_side_grad, "GC305"),
    "half in a loop": (ranked, W, ranked_by(half_of_it, lambda g: g / 6), "GC103"),
    "a divisor before a penalty": (ranked, W, ranked_by(all_of_it, by_too_much), "GC104"),
    "a penalty of rows": (factored, PAIRS, factored_grad, "GC602"),
    "one of several matrices": (evidence, np.array([0.2, -0.5]), evidence_grad, "GC103"),
    "an unused slope": (midpoint, np.array([0.9, 0.4]), midpoint_grad, "GC415"),
    "a mask": (gated, {"W": W}, masked_grad, "GC307"),
    "a guard": (gated, {"W": W}, unguarded_grad, "GC417"),
    "half of a gate": (highway, GATES, highway_grad, "GC417"),
    "a slope again": (crossed, {"W": W}, slope_again_grad, "GC304"),
    "exchanged in a write": (chained, {"A": RNG.normal(size=(3, 3))}, chained_grad, "GC201"),
    "a slice": (padded, {"ends": np.array([-1.0, 0.3, 1.2])}, padded_grad, "GC416"),
    "a stride": (strided, RNG.normal(size=(2, 2)), strided_grad, "GC416"),
    "an index for all": (channels, np.array([0.2, -0.5, 0.1]), of_one_sample, "GC416"),
    "no partition": (partition, SCORES[1:] ** 2, unnormalised, "GC999"),
    "a one too many": (negatives, W, as_positives, "GC414"),
    "a power of a scale": (spread, SCALED, spread_grad, "GC606"),
}


@pytest.mark.parametrize("name", sample([*CASES], every=2))
def test_a_value_in_a_wrong_place_is_named_at_its_line(name):
    loss, params, grad, code = CASES[name]
    report = gradcheck.check(loss, params, grad)
    first = report.findings[0]
    line = inspect.getsource(inspect.getmodule(noisy)).splitlines()[first.location.line - 1]
    assert (first.code, line.endswith("# here")) == (code, True), first.message


class Map:
    def __init__(self, weights):
        self.W = weights

    def __call__(self, x):
        self.x = x
        return x @ self.W

    def back(self, upstream):
        self.dW = self.x.T @ upstream
        return upstream @ self.W.T


class Stack:
    def __init__(self, draw):
        self.first, self.last = Map(draw.normal(size=(3, 4))), Map(draw.normal(size=(4, 2)))

    def forward(self, x):
        self.h = np.maximum(self.first(x), 0)
        return self.last(self.h)


def test_an_activation_in_the_caller_of_a_layer_is_not_named_after_the_caller():
    draw = np.random.default_rng(17)
    x, y, stack = draw.normal(size=(9, 3)), draw.normal(size=(9, 2)), Stack(draw)

    def grad(stack):
        stack.first.back(stack.last.back(stack.forward(x) - y))

    report = gradcheck.check(lambda one: 0.5 * np.sum((one.forward(x) - y) ** 2), stack, grad)
    assert report.findings[0].code == "GC303", report
    assert "the slope of self.h at" in report.findings[0].message


class Part:
    """Computes one operation, and keeps its result under the name that all parts have."""

    def __init__(self, value, slope):
        self.value, self.slope = value, slope

    def forward(self, x):
        self.output = self.value(x)
        return self.output

    def back(self, x, upstream):
        return upstream * self.slope(x)


class Parts:
    def __init__(self):
        self.parts = [Part(np.tanh, lambda x: 1 - np.tanh(x) ** 2), Part(np.exp, np.exp)]

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x

    def back(self, x, upstream):
        first, last = self.parts
        return first.back(x, last.back(last.output, upstream))  # first.output


def test_values_that_have_one_name_are_told_apart():
    parts = Parts()
    found = gradcheck.check_layer(parts.forward, parts.back, X).findings[0]
    told = "self.output that exp makes is used where self.output that tanh makes belongs"
    assert told in found.message, found
